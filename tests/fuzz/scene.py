"""Money that a hostile call could move, and the check that it did not move.

At one provider one bet is open and others are settled: one without a jackpot, one with a jackpot of the provider's
own, one that has won a pool, which can be won again. At a casino that confirms by Accept one bet is settled and one
cashback cancelled; the winnings of another bet and another cashback are owed: the casino has made them, and has not
confirmed them yet.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import jwt

from betcore.db.jackpot_pools import JackpotPools
from betcore.db.onboarding_sessions import NewSession
from betcore.db.signing_keys import SigningKeys
from betcore.domain.jackpots import NewPool
from betcore.domain.money import Money
from betcore.runtime.vault import Vault
from tests.cashbacks import Cashbacks
from tests.partner import Answer, Stack, TestPartner, eventually, until
from tests.watch import in_state

# Where casinos call: their API, and the feed that their pages read.
CASINOS, FEED = "/mis-api/api/v2", "/partnersmediator-service/api/v2"
OPEN, SETTLED, FRESH = "bet-open", "bet-settled", "bet-fresh"
# Settled too, with a jackpot of the provider's own and with a pool.
GRAND, POOLED = "bet-grand", "bet-pooled"
OWED, PROMISED, CANCELLED = "bet-owed", "cashback-owed", "cashback-cancelled"
STAKE, WIN, ROUND, CASHBACK = "10.00", "25.00", "round-1", "5.00"
JACKPOT, SEED, SHARE = "500.00", "50.00", "0.01"
# The pool was won, and the stake of that bet has begun to fill it again.
POOL_NOW = "50.10"
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
    "cashbacks": "SELECT * FROM cashback ORDER BY cashback_id",
    "pools": "SELECT * FROM jackpot ORDER BY jackpot_id",
    "stakes of pools": "SELECT * FROM jackpot_stake ORDER BY jackpot_id, bet_id, reversed",
}
_REFUSED = """SELECT provider_bet_id, state, refusal FROM bet WHERE provider_bet_id LIKE 'limit-%'"""


def feed_address(stack: Stack) -> str:
    """Return the base URL of the process that serves the feed."""
    address: str = stack.addresses["feed"]
    return address


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool that a casino's pages show; ``amount`` is in major units."""

    number: int
    game_type: str | None
    currency: str
    amount: str


@dataclass
class Scene:
    """The partners, and what casinos need to call.

    ``numbers`` are those of the casino's bets and cashbacks. ``pool`` can be won at the provider, ``foreign_pool`` is
    another casino's. ``shown`` are the pools of the casino that confirms by Accept.
    """

    stack: Stack
    partner: TestPartner
    other: TestPartner
    accepting: TestPartner
    demo: str
    message: str
    numbers: dict[str, int]
    first_word: dict[tuple[str, int], str]
    pool: int
    foreign_pool: int
    shown: list[Pool]
    tokens: dict[int, str] = field(default_factory=dict)
    feed_tokens: dict[int, str] = field(default_factory=dict)

    async def log_in(self) -> None:
        """New access tokens: they do not live as long as a soak."""
        for partner in (self.accepting, self.other):
            number = partner.partner_client_id
            self.tokens[number] = await self._token(partner, self.stack.addresses["api"] + CASINOS)
            self.feed_tokens[number] = await self._token(partner, feed_address(self.stack) + FEED)

    async def _token(self, partner: TestPartner, surface: str) -> str:
        asked = {"PartnerClientId": partner.partner_client_id, "Secret": partner.casino_secret}
        async with self.stack.http.post(f"{surface}/auth/token", json=asked) as response:
            token: str = (await response.json())["Value"]["AccessToken"]
            return token

    def accept(self, name: str, kind: int, **changed: Any) -> dict[str, Any]:
        """Return the Accept of a movement of a bet or a cashback as the casino sends it."""
        cashback = name in (PROMISED, CANCELLED)
        return {
            "CashbackId" if cashback else "BetId": self.numbers[name],
            "PartnerTransactionId": self.first_word[name, kind],
            "PartnerUserId": "anna",
            "TransactionType": kind,
            "Amount": CASHBACK if cashback else STAKE if kind == -1 else WIN,
            "TransactionId": f"{self.numbers[name]}:{kind}",
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
        won = await self.partner.post("pay-out", _pay_out(OPEN, jackpotId=self.pool))
        assert (won.outcome, won.body["jackpotAmount"]) == ((1, None), float(POOL_NOW))
        assert (await self.partner.refund(SETTLED)).outcome == (6, "already_settled")
        word = await self.accepting.accept(self.accept(OWED, 1))
        assert word["ErrorCode"] == 200
        await in_state(self.accepting, OWED, "settled")
        assert await self.accepting.journal(OWED) == [(-1, STAKE), (1, WIN)]
        assert await self.partner.journal(OPEN) == [(-1, STAKE), (1, WIN), (4, POOL_NOW)]
        cashbacks, promised = Cashbacks(self.accepting), self.numbers[PROMISED]
        assert (await cashbacks.accept(promised, **self.accept(PROMISED, 1)))["ErrorCode"] == 200
        await cashbacks.in_state(promised, "issued")
        assert await cashbacks.journal(promised) == [(1, CASHBACK)]


async def set_up(stack: Stack) -> Scene:
    """Set up the scene, and return it at rest."""
    partner = await stack.partner(LENIENT, min_bet=MIN_BET, max_bet=MAX_BET)
    other = await stack.partner("", "", "accept")
    accepting = await stack.partner(HASTY, UNHURRIED, "accept")
    for bet in (OPEN, SETTLED, GRAND, POOLED):
        await _done(partial(partner.pay_in, bet, STAKE, ROUND))
    await _done(partial(partner.pay_out, SETTLED, WIN, ROUND))
    await _done(partial(partner.post, "pay-out", _pay_out(GRAND, jackpotAmount=JACKPOT)))
    await _done(partial(other.pay_in, "bet-of-another"))
    for bet in (SETTLED, OWED):
        await _done(partial(accepting.pay_in, bet))
    await _done(partial(accepting.pay_out, SETTLED))
    cashbacks = Cashbacks(accepting)
    numbers = {CANCELLED: await cashbacks.issued()}
    assert (await cashbacks.cancel(numbers[CANCELLED], wait=60))["state"] == "cancelled"
    await accepting.faults(*({"kind": "drop", "path": f"/{path}/accept"} for path in ("payments", "cashback-payments")))
    assert (await accepting.pay_out(OWED)).code == 99
    numbers[PROMISED] = (await cashbacks.issue())["cashback_id"]
    numbers |= {bet: (await accepting.row(bet)).bet_id for bet in (SETTLED, OWED)}
    for owed in (OWED, PROMISED):
        await eventually(partial(_waited_for, accepting, numbers[owed]))
    opened = await partner.sessions.open(NewSession(partner.provider, partner.casino, "dice", "anna", "EUR", "demo"))
    words = {
        (name, entry["transaction_type"]): f"SC-{entry['id']}"
        for name, number in numbers.items()
        for entry in await accepting.entries(number)
    }
    numbers["bet-of-another"] = (await other.row("bet-of-another")).bet_id
    pools = JackpotPools(stack.database)
    scene = Scene(
        stack, partner, other, accepting, opened["session_id"], await _message(stack), numbers, words,
        pool=(await _pool(pools, partner, "Grand")).number,
        foreign_pool=(await _pool(pools, other, "Grand")).number,
        shown=[await _pool(pools, accepting, *about) for about in _SHOWN],
    )  # fmt: skip
    await pools.disable((await _pool(pools, accepting, "gone")).number)
    await _done(partial(partner.post, "pay-out", _pay_out(POOLED, jackpotId=scene.pool)))
    while await pools.book(scene.pool, 1):
        pass
    await scene.log_in()
    return scene


# Name, category and currency.
_SHOWN = (("of one game",), ("slots", "slots"), ("tables", "table"), ("slots in yen", "slots", "JPY"))


async def _pool(
    pools: JackpotPools, partner: TestPartner, name: str, category: str | None = None, currency: str = "EUR"
) -> Pool:
    """Add a pool of a casino, and return it; no bet has contributed to it yet."""
    seed = Money.parse(SEED if currency == "EUR" else "50", currency)
    game = None if category else "dice"
    made = await pools.add(
        NewPool(partner.casino, name, partner.provider, game, category, share=Decimal(SHARE), seed=seed)
    )
    return Pool(made.jackpot_id, category, currency, str(seed))


def _pay_out(bet: str, **jackpot: object) -> dict[str, object]:
    return {"betId": bet, "winAmount": WIN, "gameRoundId": ROUND, **jackpot}


async def _done(call: Callable[[], Awaitable[Answer]]) -> None:
    assert (await until(call)).code == 1


async def _waited_for(accepting: TestPartner, number: int) -> bool:
    """Return whether the casino has made a credit, and its bet or cashback waits for the Accept."""
    query = "SELECT awaited_until FROM movement WHERE bet_id = :n AND transaction_type = 1"
    return [row.awaited_until for row in await accepting.sql(query, n=number)] not in ([], [None])


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
