"""How large a body may be, by its path: a larger one is refused before anything else of the request is looked at."""

from tests.fuzz.cases import Told

_CASINOS = ("/mis-api/", "/partnersmediator-service/")


def most(path: str) -> int:
    """Return the most bytes of a body at a path."""
    path = path.partition("?")[0]
    if path.endswith("/auth/token"):
        return 4 * 1024
    return 64 * 1024 if path.startswith(("/mis-api/", "/v1/live/")) else 16 * 1024


def too_large(path: str) -> Told:
    """Return the answer to a body that is larger."""
    return (413, 103801, None) if path.startswith(_CASINOS) else (413, 2, "too_large")
