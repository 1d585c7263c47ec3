"""How large the body of a call may be, by its route."""

import re

from starlette.types import Scope

_KIB = 1024
# Most calls: a bet, a launch with a player's token.
_USUAL = 16 * _KIB


class BodySizes:
    """The most bytes of a body by path, known before anything of the body is read.

    A signature covers the body, so that a body has to be read before its caller is known: what strangers may make the
    process hold and hash is as little as each call needs.
    """

    def __init__(self, provider_prefix: str = "") -> None:
        # The first that fits decides.
        self._by_route = (
            # An id and a secret.
            (re.compile(r".+/auth/token"), 4 * _KIB),
            # An Accept has texts of a casino, and a message of ours that is to be verified may be a list of payments.
            (re.compile(r"/mis-api/.+"), 64 * _KIB),
            # A report of a round has its results.
            (re.compile(rf"{re.escape(provider_prefix)}/v1/live/.+"), 64 * _KIB),
        )

    async def of(self, scope: Scope) -> int:
        """Return the most bytes of the body of a call."""
        return next((size for route, size in self._by_route if route.fullmatch(scope["path"])), _USUAL)
