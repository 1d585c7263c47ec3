"""Operators' tokens for set-ups without an identity provider: the setting has their hashes, ``codec token`` makes them.

A token is 256 random bits, so one round of SHA-256 is enough: there is nothing to guess.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime

from betcore.domain.errors import InvalidInput, Misconfigured

PREFIX = "codec_"
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A token's entry in the setting: whose it is, the last day on which it holds (UTC), its SHA-256."""

    operator: str
    last_day: date
    digest: str

    def __str__(self) -> str:
        return f"{self.operator}:{self.last_day.isoformat()}:{self.digest}"


def issue(operator: str, last_day: date) -> tuple[str, TokenEntry]:
    """Return a new token, which is stored nowhere, and its entry. Raises InvalidInput (``invalid_name``)."""
    if not _NAME.fullmatch(operator):
        raise InvalidInput("an operator's name has letters, digits, . _ @ and -, 64 at most", code="invalid_name")
    token = PREFIX + secrets.token_urlsafe(32)
    return token, TokenEntry(operator, last_day, _digest(token))


class OperatorTokens:
    """The tokens of the setting."""

    def __init__(self, given: str) -> None:
        """Take entries, comma separated. Raises Misconfigured (``invalid_settings``) for a wrong one."""
        listed = [one.strip() for one in given.split(",") if one.strip()]
        self._entries = [_entry(one, place) for place, one in enumerate(listed, 1)]

    def __len__(self) -> int:
        return len(self._entries)

    def holder(self, token: str) -> TokenEntry | None:
        """Return the entry of a token; None if it is unknown or has expired."""
        digest = _digest(token)
        # A list: with a generator the time of the answer would reveal which entry matched.
        found = [one for one in self._entries if hmac.compare_digest(one.digest, digest)]
        return found[0] if found and found[0].last_day >= datetime.now(UTC).date() else None


def _entry(given: str, place: int) -> TokenEntry:
    operator, _, rest = given.partition(":")
    day, _, digest = rest.partition(":")
    try:
        last_day = date.fromisoformat(day)
    except ValueError:
        last_day = None
    if last_day is None or not _NAME.fullmatch(operator) or not _DIGEST.fullmatch(digest):
        message = f"BETCORE_CODEC_TOKENS: entry {place} is not <operator>:<last day>:<sha256>; `codec token` prints one"
        raise Misconfigured(message, code="invalid_settings")
    return TokenEntry(operator, last_day, digest)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
