"""A game provider's client of the aggregator: signed calls, repeated until their answer is definite.

    python provider.py            plays three bets; settings are below
    python provider.py vectors    checks the signature with ../vectors.json

Python's standard library only. The calls and their answers: docs/protocol.md.
"""

import hashlib
import hmac
import http.client
import json
import math
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

AGGREGATOR_URL = os.environ.get("AGGREGATOR_URL", "http://127.0.0.1:8080")
COUNTERPARTY_ID = os.environ.get("COUNTERPARTY_ID", "")
SECRET = os.environ.get("SECRET", "")
SESSION_ID = os.environ.get("SESSION_ID", "")

TIMEOUT = 10  # the aggregator answers within 4 seconds
STAKE_WITHIN = 60  # then a stake is given up, with a refund; a payout or refund is repeated until it is answered
LONGEST_WAIT = 10
DEFINITE = {1, 2, 3, 4, 5, 6, 7, 8, 104}  # everything else, 99 above all, asks for the same call again


class OutcomeUnknown(Exception):
    """No definite answer in time: the call may or may not have been carried out."""


def sign(secret: str, counterparty_id: str, timestamp: str, request_id: str, body: bytes) -> str:
    """Return X-Sign: it covers exactly the bytes that are sent, and no leading dot if there are none."""
    parts = ([body] if body else []) + [part.encode() for part in (counterparty_id, timestamp, request_id)]
    return hmac.new(secret.encode(), b".".join(parts), hashlib.sha256).hexdigest()


def send(method: str, path: str, body: bytes) -> tuple[int, dict]:
    """Send one request with a request id of its own; return the seconds to wait before a repeat, and the answer."""
    timestamp, request_id = str(time.time_ns() // 1_000_000), secrets.token_hex(16)
    headers = {
        "X-Counterparty-Id": COUNTERPARTY_ID,
        "X-Timestamp": timestamp,
        "X-Request-Id": request_id,
        "X-Sign": sign(SECRET, COUNTERPARTY_ID, timestamp, request_id, body),
    }
    if body:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(AGGREGATOR_URL + path, body or None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return 0, json.load(response)
    except urllib.error.HTTPError as refused:  # 4xx and 5xx have an answer too
        return int(refused.headers.get("Retry-After", 0)), json.load(refused)


def call(operation: str, fields: dict | None = None, within: float = math.inf, session: str = SESSION_ID) -> dict:
    """Return the definite answer to a call. Raises OutcomeUnknown if there was none within these seconds.

    The body is written once: each repeat sends the same bytes, which is what makes it the same call. Request id, time
    and signature are new each time.
    """
    path = f"/v1/sessions/{session}/" + (operation if fields is None else f"bets/{operation}")
    method, body = ("GET", b"") if fields is None else ("POST", json.dumps(fields).encode())
    wait, until = 1.0, time.monotonic() + within
    while time.monotonic() < until:
        at_least = 0
        try:
            at_least, answer = send(method, path, body)
            print(f"{operation} {json.dumps(answer)}", flush=True)
            if answer.get("_responseCode") in DEFINITE:
                return answer
        except (OSError, ValueError, http.client.HTTPException) as error:  # no answer, or one that cannot be read
            print(f"# {operation}: {error!r}", flush=True)
        time.sleep(max(wait, at_least))
        wait = min(wait * 2, LONGEST_WAIT)
    raise OutcomeUnknown(operation)


def stake(operation: str, fields: dict) -> bool:
    """Take a stake, and return whether it was taken. One whose outcome stays unknown is given up with a refund."""
    try:
        return call(operation, fields, STAKE_WITHIN)["_responseCode"] in (1, 104)
    except OutcomeUnknown:
        # Store this decision first: from here on you send no PayOut for the bet.
        call("refund", {"betId": fields["betId"]})
        return False


def play() -> None:
    """Play a bet of two steps, one of one step, and one whose draw fails. Amounts are texts, never floats."""
    run = secrets.token_hex(4)  # a bet id is unique in your system, for good
    call("balance")
    bet = {"betId": f"{run}-1", "betAmount": "10.00", "gameRoundId": f"{run}-r1"}
    if stake("pay-in", bet):
        stake("pay-in", bet)  # a repeat takes nothing again
        call("pay-out", {"betId": f"{run}-1", "winAmount": "25.00", "gameRoundId": f"{run}-r1"})  # a loss sends "0"
    stake("pay-in-out", {"betId": f"{run}-2", "betAmount": "1.00", "winAmount": "0", "gameRoundId": f"{run}-r2"})
    if stake("pay-in", {"betId": f"{run}-3", "betAmount": "5.00", "gameRoundId": f"{run}-r3"}):
        call("refund", {"betId": f"{run}-3"})
    call("balance")


def check_vectors() -> None:
    """Compare ``sign`` with the published signatures."""
    given = json.loads((Path(__file__).parents[1] / "vectors.json").read_text())["xSign"]
    head = given["secret"], given["counterpartyId"], given["timestamp"], given["requestId"]
    for case in given["cases"]:
        if sign(*head, case["body"].encode()) != case["signature"]:
            sys.exit(f"another signature of {case['body']!r}")
    print(f"{len(given['cases'])} vectors hold")


if __name__ == "__main__":
    check_vectors() if sys.argv[1:] == ["vectors"] else play()
