"""Headers of the service's own pages that are shown alone, in no frame: ``/docs`` and ``/live``."""


def page_headers(pictures: str) -> dict[str, str]:
    """Return the headers of a page that loads nothing of another host; ``pictures`` are the sources of its pictures."""
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        f"img-src {pictures}",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
