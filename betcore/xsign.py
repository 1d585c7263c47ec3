"""X-Sign: the signature between us and providers (surfaces A and B), HMAC-SHA256 over body and headers.

Source of the format: the reference's signature page; the message with a body is how live integrations behave.
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
    """The value of X-Sign: 64 lower-case hex digits. ``timestamp`` is Unix milliseconds as sent in its header."""
    head = f"{counterparty_id}.{timestamp}.{request_id}".encode()
    message = body + b"." + head if body else head
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def verify(
    given: str, secrets_in_force: Iterable[str], counterparty_id: str, timestamp: str, request_id: str, body: bytes
) -> bool:
    """Whether one of the secrets makes the given signature; constant time for each secret."""
    expected = [sign(secret, counterparty_id, timestamp, request_id, body) for secret in secrets_in_force]
    # A list, not a generator: every secret is compared, so that time does not tell which one matched.
    return any([hmac.compare_digest(one.encode(), given.encode()) for one in expected])


def compact(body: Mapping[str, object]) -> bytes:
    """The bytes that we send: compact JSON with keys in alphabetical order."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def headers(secret: str, counterparty_id: str, body: bytes = b"", *, clock_off: int = 0) -> dict[str, str]:
    """The four headers of one request, with a request id and a time of its own; by a clock that is so many seconds
    off."""
    timestamp, request_id = str(time.time_ns() // 1_000_000 + clock_off * 1000), secrets.token_hex(16)
    return {
        COUNTERPARTY_ID: counterparty_id,
        TIMESTAMP: timestamp,
        REQUEST_ID: request_id,
        SIGNATURE: sign(secret, counterparty_id, timestamp, request_id, body),
    }
