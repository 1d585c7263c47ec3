"""Money that a hostile call could move, and the proof that it stayed where it was.

At a provider's table one bet is open and one is settled; at a casino that confirms by Accept one bet is settled and the
winnings of another are owed: the casino has made them and has not said so yet.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import jwt

from betcore.db.signing_keys import SigningKeys
from betcore.vault import Vault
from tests.table import Answer, Stack, Table, eventually, until
from tests.watch import in_state, movement

OPEN, SETTLED, FRESH = "bet-open", "bet-settled", "bet-fresh"
OWED = "bet-owed"
STAKE, WIN, ROUND = "10.00", "25.00", "round-1"
MIN_BET, MAX_BET = "0.10", "500"
# A bet that nobody has seen stays so. Bodies are read before the signature is judged, too.
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
    """The tables, and what casinos need to call."""

    stack: Stack
    table: Table
    other: Table
    house: Table
    demo: str
    message: str
    bets: dict[str, int]
    first_word: dict[tuple[str, int], str]
    tokens: dict[int, str] = field(default_factory=dict)

    async def log_in(self) -> None:
        """New access tokens: they do not live as long as a soak."""
        for table in (self.house, self.other):
            asked = {"PartnerClientId": table.partner_client_id, "Secret": table.casino_secret}
            url = self.stack.addresses["api"] + "/mis-api/api/v2/auth/token"
            async with self.stack.http.post(url, json=asked) as response:
                self.tokens[table.partner_client_id] = (await response.json())["Value"]["AccessToken"]

    def accept(self, bet: str, kind: int, **changed: Any) -> dict[str, Any]:
        """The Accept of a movement as the casino sends it."""
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
            name: [row._asdict() for row in await self.table.sql(query)] for name, query in _TABLES.items()
        }
        for table in (self.table, self.other, self.house):
            found[f"journal {table.casino}"] = await table.entries()
            found[f"balance {table.casino}"] = await table.at_casino("GET", f"/_players/{table.partner_client_id}/anna")
            found[f"calls {table.casino}"] = [one for one in await table.calls() if one["path"] != "/users/data"]
        return found

    async def refused(self) -> set[str]:
        """The new bets that were refused at our own limits; each row says so and has no movement."""
        rows = await self.table.sql(_REFUSED)
        assert {(row.state, row.refusal) for row in rows} <= {
            ("refused", "below_min_bet"),
            ("refused", "above_max_bet"),
        }
        return {row.provider_bet_id for row in rows}

    async def at_the_end(self) -> None:
        """All that could have moved still can, once."""
        assert (await self.table.pay_in(FRESH)).said == (1, None)
        assert (await self.table.pay_out(OPEN)).said == (1, None)
        assert (await self.table.refund(SETTLED)).said == (6, "already_settled")
        word = await self.house.accept(self.accept(OWED, 1))
        assert word["ErrorCode"] == 200
        await in_state(self.house, OWED, "settled")
        assert await self.house.journal(OWED) == [(-1, STAKE), (1, WIN)]
        assert await self.table.journal(OPEN) == [(-1, STAKE), (1, WIN)]


async def set_up(stack: Stack) -> Scene:
    """The scene, at rest."""
    table = await stack.table(LENIENT, min_bet=MIN_BET, max_bet=MAX_BET)
    other = await stack.table("", "", "accept")
    house = await stack.table(HASTY, UNHURRIED, "accept")
    for bet in (OPEN, SETTLED):
        await _done(partial(table.pay_in, bet, STAKE, ROUND))
    await _done(partial(table.pay_out, SETTLED, WIN, ROUND))
    await _done(partial(other.pay_in, "bet-of-another"))
    for bet in (SETTLED, OWED):
        await _done(partial(house.pay_in, bet))
    await _done(partial(house.pay_out, SETTLED))
    await house.faults({"kind": "drop", "path": "/payments/accept"})
    assert (await house.pay_out(OWED)).code == 99
    await eventually(lambda: _waited_for(house))
    opened = await table.catalogue.open_session(table.provider, table.casino, "dice", "anna", "EUR", "demo")
    rows = {bet: (await house.row(bet)).bet_id for bet in (SETTLED, OWED)}
    rows["bet-of-another"] = (await other.row("bet-of-another")).bet_id
    words = {
        (bet, entry["transaction_type"]): f"SC-{entry['id']}"
        for bet in (SETTLED, OWED)
        for entry in await house.entries(rows[bet])
    }
    scene = Scene(stack, table, other, house, opened["session_id"], await _message(stack), rows, words)
    await scene.log_in()
    return scene


async def _done(call: Callable[[], Awaitable[Answer]]) -> None:
    assert (await until(call)).code == 1


async def _waited_for(house: Table) -> bool:
    """The casino has made the winnings, and the bet waits for its word."""
    return (await movement(house, OWED, 1)).awaited_until is not None


async def _message(stack: Stack) -> str:
    """A message such as we send to casinos, good for a day."""
    now = datetime.now(UTC)
    claims = {
        "iss": stack.settings.issuer,
        "client_id": "PartnerClient-1",
        "nbf": now - timedelta(seconds=5),
        "exp": now + timedelta(days=1),
        "jti": "0" * 32,
        "data": json.dumps({"BetId": 1}),
    }
    key = await SigningKeys(stack.engine, Vault.of(stack.settings), 0).current()
    return jwt.encode(claims, key.private_key, algorithm="RS256", headers={"kid": key.kid})


def moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two states, line by line."""
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
