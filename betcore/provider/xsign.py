"""X-Sign: the signature between us and providers (surfaces A and B), HMAC-SHA256 over body and headers.

The format is from the reference's signature page; the message of a request with a body is from live integrations.
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Mapping

COUNTERPARTY_ID = "X-Counterparty-Id"
TIMESTAMP = "X-Timestamp"
REQUEST_ID = "X-Request-Id"
SIGNATURE = "X-Sign"


def sign(secret: str, counterparty_id: str, timestamp: str, request_id: str, body: bytes = b"") -> str:
    """Return the value of X-Sign: 64 lower-case hex digits. ``timestamp`` is Unix milliseconds as in its header."""
    head = f"{counterparty_id}.{timestamp}.{request_id}".encode()
    message = body + b"." + head if body else head
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def verify(
    given: str, secrets_in_force: Iterable[str], counterparty_id: str, timestamp: str, request_id: str, body: bytes
) -> bool:
    """Return whether one of the secrets makes the given signature, in constant time for each secret."""
    return place_of_secret(given, secrets_in_force, counterparty_id, timestamp, request_id, body) is not None


def place_of_secret(
    given: str, secrets_in_force: Iterable[str], counterparty_id: str, timestamp: str, request_id: str, body: bytes
) -> int | None:
    """Return the place of the secret that makes the given signature, None if none does; in constant time for each."""
    expected = [sign(secret, counterparty_id, timestamp, request_id, body) for secret in secrets_in_force]
    # A generator would stop at the first match, and its time would reveal which secret matched: compare them all.
    equal = [hmac.compare_digest(one.encode(), given.encode()) for one in expected]
    return equal.index(True) if any(equal) else None


def compact(body: Mapping[str, object]) -> bytes:
    """Return the bytes of a request's body: compact JSON with keys in alphabetical order."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def headers(secret: str, counterparty_id: str, body: bytes = b"", *, clock_off: int = 0) -> dict[str, str]:
    """Return the four headers of one request, with a new request id, timestamped now plus ``clock_off`` seconds."""
    timestamp, request_id = str(time.time_ns() // 1_000_000 + clock_off * 1000), secrets.token_hex(16)
    return {
        COUNTERPARTY_ID: counterparty_id,
        TIMESTAMP: timestamp,
        REQUEST_ID: request_id,
        SIGNATURE: sign(secret, counterparty_id, timestamp, request_id, body),
    }
