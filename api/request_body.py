"""The body of a request, read no further than it may be long."""

from starlette.requests import ClientDisconnect, Request

from betcore.domain.errors import Malformed, TooLarge

# As much as any route of the API takes; ``api.edge.sizes`` has less for most of them. The codec server asks for more.
_MOST = 64 * 1024


async def read_body(request: Request, most: int = _MOST) -> bytes:
    """Return the whole body, of ``most`` bytes. Raises TooLarge as soon as that is known, and Malformed if the caller
    hangs up."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise TooLarge(f"a body has {most} bytes at most")
    except ClientDisconnect:
        raise Malformed("the body was not finished") from None
    return bytes(body)
