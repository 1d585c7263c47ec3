"""Money that a hostile call could move, and the check that it did not move.

At one provider one bet is open and one is settled; at a casino that confirms by Accept one bet is settled and the
winnings of another are owed: the casino has made them, and has not confirmed them yet.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import jwt

from betcore.db.onboarding_sessions import NewSession
from betcore.db.signing_keys import SigningKeys
from betcore.runtime.vault import Vault
from tests.partner import Answer, Stack, TestPartner, eventually, until
from tests.watch import in_state, movement

OPEN, SETTLED, FRESH = "bet-open", "bet-settled", "bet-fresh"
OWED = "bet-owed"
STAKE, WIN, ROUND = "10.00", "25.00", "round-1"
MIN_BET, MAX_BET = "0.10", "500"
# An unknown bet stays unknown. Bodies are read before the signature is judged, too.
LENIENT = "{order_window: 36000, signature: raw_or_sorted}"
HASTY = "answer_deadline: 5"
# The casino's own word alone ends the wait, and no repeat of ours.
UNHURRIED = "{accept_within: 36000, effect_within: 36000}"

# Everything that a bet, its money and its answers leave in the database.
_TABLES = {
    "bets": "SELECT * FROM bet WHERE provider_bet_id NOT LIKE 'limit-%' ORDER BY bet_id",
    "movements": "SELECT * FROM movement ORDER BY bet_id, transaction_type",
    "reversals": "SELECT * FROM reversal ORDER BY reversal_id",
}
_REFUSED = """SELECT provider_bet_id, state, refusal FROM bet WHERE provider_bet_id LIKE 'limit-%'"""


@dataclass
class Scene:
    """The partners, and what casinos need to call."""

    stack: Stack
    partner: TestPartner
    other: TestPartner
    accepting: TestPartner
    demo: str
    message: str
    bets: dict[str, int]
    first_word: dict[tuple[str, int], str]
    tokens: dict[int, str] = field(default_factory=dict)

    async def log_in(self) -> None:
        """New access tokens: they do not live as long as a soak."""
        for partner in (self.accepting, self.other):
            asked = {"PartnerClientId": partner.partner_client_id, "Secret": partner.casino_secret}
            url = self.stack.addresses["api"] + "/mis-api/api/v2/auth/token"
            async with self.stack.http.post(url, json=asked) as response:
                self.tokens[partner.partner_client_id] = (await response.json())["Value"]["AccessToken"]

    def accept(self, bet: str, kind: int, **changed: Any) -> dict[str, Any]:
        """Return the Accept of a movement as the casino sends it."""
        return {
            "BetId": self.bets[bet],
            "PartnerTransactionId": self.first_word[bet, kind],
            "PartnerUserId": "anna",
            "TransactionType": kind,
            "Amount": STAKE if kind == -1 else WIN,
            "TransactionId": f"{self.bets[bet]}:{kind}",
            "Balance": "1000.00",
            "ErrorCode": 200,
            "Message": "Success",
        } | changed

    async def state(self) -> dict[str, Any]:
        """Journals, balances and calls at the casinos, and our rows; incidents and refusals of our own are left out."""
        found: dict[str, Any] = {
            name: [row._asdict() for row in await self.partner.sql(query)] for name, query in _TABLES.items()
        }
        for partner in (self.partner, self.other, self.accepting):
            found[f"journal {partner.casino}"] = await partner.entries()
            found[f"balance {partner.casino}"] = await partner.at_casino(
                "GET", f"/_players/{partner.partner_client_id}/anna"
            )
            found[f"calls {partner.casino}"] = [one for one in await partner.calls() if one["path"] != "/users/data"]
        return found

    async def refused(self) -> set[str]:
        """Return the new bets that were refused at our own limits; each row says so and has no movement."""
        rows = await self.partner.sql(_REFUSED)
        assert {(row.state, row.refusal) for row in rows} <= {
            ("refused", "below_min_bet"),
            ("refused", "above_max_bet"),
        }
        return {row.provider_bet_id for row in rows}

    async def at_the_end(self) -> None:
        """Check that all that could have moved still can, once."""
        assert (await self.partner.pay_in(FRESH)).outcome == (1, None)
        assert (await self.partner.pay_out(OPEN)).outcome == (1, None)
        assert (await self.partner.refund(SETTLED)).outcome == (6, "already_settled")
        word = await self.accepting.accept(self.accept(OWED, 1))
        assert word["ErrorCode"] == 200
        await in_state(self.accepting, OWED, "settled")
        assert await self.accepting.journal(OWED) == [(-1, STAKE), (1, WIN)]
        assert await self.partner.journal(OPEN) == [(-1, STAKE), (1, WIN)]


async def set_up(stack: Stack) -> Scene:
    """Set up the scene, and return it at rest."""
    partner = await stack.partner(LENIENT, min_bet=MIN_BET, max_bet=MAX_BET)
    other = await stack.partner("", "", "accept")
    accepting = await stack.partner(HASTY, UNHURRIED, "accept")
    for bet in (OPEN, SETTLED):
        await _done(partial(partner.pay_in, bet, STAKE, ROUND))
    await _done(partial(partner.pay_out, SETTLED, WIN, ROUND))
    await _done(partial(other.pay_in, "bet-of-another"))
    for bet in (SETTLED, OWED):
        await _done(partial(accepting.pay_in, bet))
    await _done(partial(accepting.pay_out, SETTLED))
    await accepting.faults({"kind": "drop", "path": "/payments/accept"})
    assert (await accepting.pay_out(OWED)).code == 99
    await eventually(lambda: _waited_for(accepting))
    opened = await partner.sessions.open(NewSession(partner.provider, partner.casino, "dice", "anna", "EUR", "demo"))
    rows = {bet: (await accepting.row(bet)).bet_id for bet in (SETTLED, OWED)}
    rows["bet-of-another"] = (await other.row("bet-of-another")).bet_id
    words = {
        (bet, entry["transaction_type"]): f"SC-{entry['id']}"
        for bet in (SETTLED, OWED)
        for entry in await accepting.entries(rows[bet])
    }
    scene = Scene(stack, partner, other, accepting, opened["session_id"], await _message(stack), rows, words)
    await scene.log_in()
    return scene


async def _done(call: Callable[[], Awaitable[Answer]]) -> None:
    assert (await until(call)).code == 1


async def _waited_for(accepting: TestPartner) -> bool:
    """Return whether the casino has made the winnings, and the bet waits for its Accept."""
    return (await movement(accepting, OWED, 1)).awaited_until is not None


async def _message(stack: Stack) -> str:
    """Return a message such as we send to casinos, good for a day."""
    now = datetime.now(UTC)
    claims = {
        "iss": stack.settings.issuer,
        "client_id": "PartnerClient-1",
        "nbf": now - timedelta(seconds=5),
        "exp": now + timedelta(days=1),
        "jti": "0" * 32,
        "data": json.dumps({"BetId": 1}),
    }
    key = await SigningKeys(stack.database, Vault.of(stack.settings), 0).current()
    return jwt.encode(claims, key.private_key, algorithm="RS256", headers={"kid": key.kid})


def moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what differs between two states, line by line."""
    found = []
    for name in before:
        if before[name] == after[name]:
            continue
        if not isinstance(before[name], list):
            found.append(f"{name}: {before[name]} -> {after[name]}")
            continue
        gone = [one for one in before[name] if one not in after[name]]
        new = [one for one in after[name] if one not in before[name]]
        found += [f"{name}: - {one}" for one in gone] + [f"{name}: + {one}" for one in new]
    return found
