"""A game provider's own side: its list of games, the launch of one, and the page of a small game that plays bets.

    python game.py    serves on port 9100; the settings are PORT and those of provider.py

Python's standard library only. The calls: docs/protocol.md, section 6.
"""

import hmac
import json
import os
import random
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import provider

PORT = int(os.environ.get("PORT", "9100"))
GAMES = [{"gameId": "coin", "name": "Heads or Tails", "gameCategory": "casual", "maxOdd": 1.9}]
FRESH_MS = 60_000
PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">
<title>Heads or Tails</title>
<style>body { font: 1.2rem system-ui; text-align: center; color-scheme: light dark } button { font: inherit }</style>
<h1>Heads or Tails</h1><p><button id="bet">Bet 1.00 on heads</button><p id="shown" role="status">Good luck!
<script>
document.getElementById("bet").onclick = async () => {
  const answer = await fetch("/bet" + location.search, { method: "POST" });
  document.getElementById("shown").textContent = await answer.text();
};
</script></html>"""

seen: dict[str, float] = {}


def is_from_the_aggregator(headers, body: bytes) -> bool:
    """Return whether a request carries our counterparty's signature, is fresh, and came for the first time."""
    caller, stamp = headers.get("X-Counterparty-Id", ""), headers.get("X-Timestamp", "")
    request_id, given = headers.get("X-Request-Id", ""), headers.get("X-Sign", "")
    expected = provider.sign(provider.SECRET, caller, stamp, request_id, body)
    if caller != provider.COUNTERPARTY_ID or not hmac.compare_digest(given.encode(), expected.encode()):
        return False
    now = time.time() * 1000
    is_new = request_id not in seen
    seen[request_id] = now
    return is_new and abs(now - int(stamp)) <= FRESH_MS


def bet(session_id: str) -> str:
    """Play a bet of 1.00 in a session, and return what its player reads."""
    name = secrets.token_hex(8)  # a real game stores the bet before it sends PayIn, and the draw before PayOut
    taken = provider.call("pay-in", {"betId": name, "betAmount": "1.00", "gameRoundId": name}, session=session_id)
    if taken["_responseCode"] not in (1, 104):
        return f"No bet: {taken.get('reason')}"
    win = random.SystemRandom().choice(("1.90", "0"))
    paid = provider.call("pay-out", {"betId": name, "winAmount": win, "gameRoundId": name}, session=session_id)
    balance = paid.get("balance")  # None if it cannot be read at the moment
    shown = "unknown" if balance is None else f"{balance:.2f} {paid['currency']}"
    return f"{'Heads: you win 1.90' if win != '0' else 'Tails'}. Balance: {shown}"


class Game(BaseHTTPRequestHandler):
    """The provider over HTTP."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer the list of games, and the game's page."""
        if urlsplit(self.path).path == "/game":
            self.answer(200, PAGE, "text/html; charset=utf-8")
        elif not is_from_the_aggregator(self.headers, b""):
            self.answer(401, '{"message": "not authorised"}')
        elif self.path == "/v1/games":
            self.answer(200, json.dumps(GAMES))
        else:
            self.answer(404, '{"message": "no such path"}')

    def do_POST(self) -> None:
        """Answer the launch of a game, and the bets of its page."""
        body, url = self.rfile.read(int(self.headers.get("Content-Length", 0))), urlsplit(self.path)
        if url.path == "/bet":
            self.answer(200, bet(parse_qs(url.query)["session"][0]), "text/plain; charset=utf-8")
        elif not is_from_the_aggregator(self.headers, body):
            self.answer(401, '{"message": "not authorised"}')
        elif url.path == "/v1/games/coin/launch":
            # A real game gives its page a token of its own instead of our session id, and keeps currency and limits.
            session = json.loads(body)["sessionId"]
            self.answer(200, json.dumps({"frameUri": f"http://127.0.0.1:{PORT}/game?session={session}"}))
        else:
            self.answer(404, '{"message": "no such game"}')

    def answer(self, status: int, text: str, content_type: str = "application/json") -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Game).serve_forever()
