"""A bet by the barest code: its SQL statements by asyncpg, its casino calls by aiohttp, RS256, and nothing around them.

The statements are those of the service, in its order, with the values that it would give them. So the same rows are
written, as durably. What is missing is what the service exists for: nothing checks a signature, retries, or survives
the death of this process.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise

import aiohttp
import asyncpg
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bench.bets.workload import BetKind, PlayedBet
from betcore.db.statement import Statement
from betcore.db.statements import bets, provider_requests
from betcore.domain.ids import TransactionType, transaction_id
from betcore.domain.proof import Proof, in_event

_STAKE, _WIN, _AMOUNT = Decimal(1000), Decimal(1000), "10.00"
_DEBIT, _CREDIT = TransactionType.ACCEPT_BET, TransactionType.PAY_OUT
_DONE = 200
_LIFETIME = timedelta(seconds=10)
_SESSION_IDLE = timedelta(hours=2)
_ANSWER_WITHIN = timedelta(seconds=4)


class MovementRefused(Exception):
    """The casino has not made a movement."""


@dataclass(frozen=True, slots=True)
class LeanCasino:
    """A casino, and the key that signs the messages for it."""

    api_host: str
    partner_client_id: int
    issuer: str
    kid: str
    key: RSAPrivateKey


async def _row(pool: asyncpg.Pool, statement: Statement[object], **given: object) -> Mapping[str, object]:
    """Run a statement, a transaction of its own, and return its first row."""
    row: Mapping[str, object] = await pool.fetchrow(statement.query, *statement.arguments(given))
    return row


def _proof() -> dict[str, object]:
    """Return what an event keeps of a call; nobody has signed this one."""
    return in_event(
        Proof(
            request_id=secrets.token_hex(16),
            timestamp=time.time_ns() // 1_000_000,
            body_sha256=secrets.token_hex(32),
            signature=secrets.token_hex(32),
            secret="current",  # noqa: S106  which of two, not the secret
        )
    )


class LeanBets:
    """Plays bets of one provider at one casino."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        http: aiohttp.ClientSession,
        casino: LeanCasino,
        provider_id: int,
        sessions: list[str],
    ) -> None:
        self._pool = pool
        self._http = http
        self._casino = casino
        self._provider_id = provider_id
        self._sessions = sessions
        self._run = secrets.token_hex(3)
        self._numbers = count()

    async def bet(self, kind: BetKind) -> PlayedBet:
        """Play one bet."""
        number = next(self._numbers)
        times = [time.perf_counter()]
        session_id, provider_bet_id = self._sessions[number % len(self._sessions)], f"lean-{self._run}-{number}"
        seen = await self._look_up(session_id, provider_bet_id)
        owner = secrets.token_hex(16)
        bet_id = await self._take_stake(seen, session_id, provider_bet_id, owner, kind)
        if kind is BetKind.TWO_STEP:
            await self._mark_told(bet_id)
            times.append(time.perf_counter())
            await self._look_up(session_id, provider_bet_id)
        await self._pay_win(bet_id, owner, str(seen["partner_user_id"]), kind)
        if kind is BetKind.ONE_STEP:
            await self._mark_told(bet_id)
        times.append(time.perf_counter())
        took = tuple((after - before) * 1000 for before, after in pairwise(times))
        return PlayedBet(time.monotonic(), took)

    async def _look_up(self, session_id: str, provider_bet_id: str) -> Mapping[str, object]:
        return await _row(
            self._pool,
            provider_requests.LOOK_UP,
            provider_id=self._provider_id,
            session_idle=_SESSION_IDLE,
            request_id=secrets.token_hex(16),
            session_id=session_id,
            provider_bet_id=provider_bet_id,
            round_id=None,
        )

    async def _take_stake(
        self, seen: Mapping[str, object], session_id: str, provider_bet_id: str, owner: str, kind: BetKind
    ) -> int:
        not_after = datetime.now(UTC) + _ANSWER_WITHIN + _LIFETIME
        win = _WIN if kind is BetKind.ONE_STEP else None
        opened = await _row(
            self._pool,
            bets.OPEN,
            callers_clock=datetime.now(UTC),
            provider_id=self._provider_id,
            provider_bet_id=provider_bet_id,
            casino_id=seen["session_casino_id"],
            player_id=seen["session_player_id"],
            game_id=seen["session_game_id"],
            session_id=session_id,
            round_id="round-1",
            currency=seen["session_currency"],
            stake=_STAKE,
            win=win,
            stake_tax=None,
            win_tax=None,
            promo_code=None,
            jackpot=None,
            jackpot_id=None,
            state="accepting",
            refusal=None,
            owner=owner,
            not_after=not_after,
            with_win=False,
            event_type="pay_in" if win is None else "pay_in_out",
            data=json.dumps({"amount": _AMOUNT, "state": "accepting"} | ({"win": _AMOUNT} if win else {}) | _proof()),
        )
        bet_id = int(str(opened["bet_id"]))
        made = await self._make(bet_id, _DEBIT, str(seen["partner_user_id"]))
        await _row(self._pool, bets.ACCEPT, bet_id=bet_id, owner=owner, **made)
        return bet_id

    async def _pay_win(self, bet_id: int, owner: str, partner_user_id: str, kind: BetKind) -> None:
        await _row(
            self._pool,
            bets.BEGIN_CREDIT,
            bet_id=bet_id,
            owner=owner,
            transaction_type=int(_CREDIT),
            amount=_WIN,
            tax=None,
            message="pay_out" if kind is BetKind.TWO_STEP else None,
            filed_at=datetime.now(UTC),
            proof=json.dumps(_proof()),
            asked=json.dumps({"win": int(_WIN), "jackpot": None, "jackpot_id": None}),
            state="settling",
            pays_out=True,
            data=json.dumps({"type": int(_CREDIT), "amount": _AMOUNT}),
        )
        made = await self._make(bet_id, _CREDIT, partner_user_id)
        await _row(
            self._pool,
            bets.CREDIT_DONE,
            bet_id=bet_id,
            owner=owner,
            transaction_type=int(_CREDIT),
            how="done",
            state="settled",
            **made,
        )

    async def _mark_told(self, bet_id: int) -> None:
        data = json.dumps({"answer": "pay_in", "request_id": secrets.token_hex(16)})
        await _row(self._pool, provider_requests.MARK_TOLD, bet_id=bet_id, data=data)

    async def _make(self, bet_id: int, transaction_type: TransactionType, partner_user_id: str) -> dict[str, object]:
        """Send one movement, and return what the row keeps of the answer. Raises MovementRefused."""
        data = {
            "Amount": _AMOUNT,
            "BetId": bet_id,
            "PartnerUserId": partner_user_id,
            "TransactionType": int(transaction_type),
            "TransactionId": transaction_id(bet_id, transaction_type),
        }
        token = json.dumps(self._token("/payments/make", data))
        url, head = self._casino.api_host + "/payments/make", {"Content-Type": "application/json"}
        async with self._http.post(url, data=token, headers=head) as response:
            answer = json.loads(await response.read())
        if answer["ErrorCode"] != _DONE:
            raise MovementRefused(f"the casino has answered {answer}")
        value = answer["Value"]
        return {
            "error_code": str(_DONE),
            "partner_transaction_id": value["PartnerTransactionId"],
            "balance": Decimal(value["Balance"]).scaleb(2),
        }

    def _token(self, path: str, data: Mapping[str, object]) -> str:
        now, casino = int(time.time()), self._casino
        client_id = f"PartnerClient-{casino.partner_client_id}"
        claims = {
            "nbf": now - 5,
            "exp": now + 5,
            "iss": casino.issuer,
            "client_id": client_id,
            "path": path,
            "jti": secrets.token_hex(16),
            "data": json.dumps(data),
            "aud": client_id,
        }
        return jwt.encode(claims, casino.key, algorithm="RS256", headers={"kid": casino.kid, "typ": "JWT"})
