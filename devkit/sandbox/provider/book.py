"""The provider's own book of its bets: its requests, the answers it received, and the outcome that follows.

Kept as JSON lines that are only ever appended to; a provider that crashes reads its book again and continues. A bet is
written down before its first call is sent, so that no stake can be taken that the book does not know.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from devkit.sandbox.provider.client import (
    BET_REFUSED,
    CASINO_REFUSED,
    CONTRADICTION,
    REFUSED,
    Answer,
    Jackpot,
    Operation,
)


class Outcome(StrEnum):
    """The outcome of a bet as the provider sees it."""

    OPEN = "open"  # a call about it still has no definite answer
    SETTLED = "settled"
    REFUNDED = "refunded"
    REFUSED = "refused"
    CONTESTED = "contested"  # the end that the provider asked for was refused: an operator must look


@dataclass(frozen=True, slots=True)
class Stake:
    """A bet as it is fixed before the first call. Amounts are in major units.

    In a round of one step ``win`` is known before the stake is taken, and is sent with it.
    """

    bet_id: str
    number: int
    session_id: str
    player: str
    round_id: str
    currency: str
    amount: Decimal
    win: Decimal | None = None

    @property
    def one_step(self) -> bool:
        """Return whether stake and win are sent together."""
        return self.win is not None

    @property
    def opening(self) -> Operation:
        """Return the operation that takes the stake."""
        return Operation.PAY_IN_OUT if self.one_step else Operation.PAY_IN


@dataclass(frozen=True, slots=True)
class Ending:
    """How the provider means to end a bet: with its win and perhaps a jackpot, or with a Refund (no win)."""

    win: Decimal | None
    jackpot: Jackpot | None = None


@dataclass(frozen=True, slots=True)
class ReceivedAnswer:
    """One request and the answer received."""

    at: str
    operation: Operation
    code: int | None
    status: int | None
    reason: str
    took_ms: int
    definite: bool
    balance: Decimal | None
    jackpot: Decimal | None = None


@dataclass(slots=True)
class BookedBet:
    """One bet in the book."""

    stake: Stake
    ending: Ending | None = None
    answers: list[ReceivedAnswer] = field(default_factory=list)

    def definite(self, operation: Operation) -> ReceivedAnswer | None:
        """Return the last definite answer to the operation."""
        return next((one for one in reversed(self.answers) if one.operation is operation and one.definite), None)

    def was_done(self, operation: Operation) -> bool:
        """Return whether the provider received the answer that the operation is done."""
        answer = self.definite(operation)
        return answer is not None and answer.code in (1, 104)

    @property
    def was_opened(self) -> bool:
        """Return whether the provider received the answer that the stake is taken."""
        return self.was_done(self.stake.opening)

    @property
    def win(self) -> Decimal | None:
        """Return what the player wins if the bet settles; None if that was not drawn."""
        return self.stake.win if self.ending is None or self.ending.win is None else self.ending.win

    @property
    def jackpot(self) -> Decimal | None:
        """Return the jackpot that the player wins: of a pool the amount that was answered. None for none."""
        asked = self.ending.jackpot if self.ending else None
        if asked is None or asked.amount is not None:
            return asked.amount if asked else None
        answer = self.definite(Operation.PAY_OUT)
        return answer.jackpot if answer else None

    @property
    def closing(self) -> Operation | None:
        """Return the operation that ends the bet, None until it is decided; if it settles in one step, the one that
        opened it."""
        if self.ending is None:
            return None
        if self.ending.win is None:
            return Operation.REFUND
        return self.stake.opening if self.stake.one_step else Operation.PAY_OUT

    @property
    def outcome(self) -> Outcome:
        """Return the outcome of the bet, from the definite answers alone."""
        if self.closing is None:
            refused = self.definite(self.stake.opening) is not None and not self.was_opened
            return Outcome.REFUSED if refused else Outcome.OPEN
        answer = self.definite(self.closing)
        if answer is None:
            return Outcome.OPEN
        if self.closing is not Operation.REFUND:
            return Outcome.SETTLED if self.was_done(self.closing) else Outcome.CONTESTED
        return Outcome.REFUNDED if self.was_done(self.closing) else self._refund_refused(answer)

    def _refund_refused(self, answer: ReceivedAnswer) -> Outcome:
        if (answer.code, answer.reason) == (CONTRADICTION, BET_REFUSED) and not self.was_opened:
            return Outcome.REFUSED
        # The casino does not give the win back, and so stake and win both stand.
        if (answer.code, answer.reason) == (REFUSED, CASINO_REFUSED) and self.stake.one_step:
            return Outcome.SETTLED
        return Outcome.CONTESTED


class Book:
    """All bets of a provider, in memory and, if a path is given, in a file that outlives the process."""

    def __init__(self, path: Path | None = None) -> None:
        self._bets: dict[str, BookedBet] = {}
        self._file: TextIOWrapper | None = None
        if path is not None:
            self._open(path)

    def __iter__(self) -> Iterator[BookedBet]:
        return iter(self._bets.values())

    def __len__(self) -> int:
        return len(self._bets)

    def __getitem__(self, bet_id: str) -> BookedBet:
        return self._bets[bet_id]

    def open_bet(self, stake: Stake) -> BookedBet:
        """Write down a new bet. Raises ValueError for a bet id that is in the book."""
        if stake.bet_id in self._bets:
            raise ValueError(f"bet {stake.bet_id} is in the book")
        bet = self._bets[stake.bet_id] = BookedBet(stake)
        self._write("bet", stake.bet_id, asdict(stake))
        return bet

    def decide(self, bet: BookedBet, ending: Ending) -> None:
        """Write down how the bet is to end. Raises ValueError if that was decided before: a decision stands."""
        if bet.ending is not None:
            raise ValueError(f"bet {bet.stake.bet_id} has its ending")
        bet.ending = ending
        self._write("ending", bet.stake.bet_id, asdict(ending))

    def record(self, bet: BookedBet, operation: Operation, answer: Answer) -> None:
        """Write down an answer, or that none came."""
        received = ReceivedAnswer(
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            operation=operation,
            code=answer.code,
            status=answer.status,
            reason=answer.reason,
            took_ms=answer.took_ms,
            definite=answer.definite,
            balance=answer.balance,
            jackpot=answer.jackpot,
        )
        bet.answers.append(received)
        self._write("heard", bet.stake.bet_id, asdict(received))

    def unresolved(self) -> list[BookedBet]:
        """Return the bets that still need a definite answer."""
        return [bet for bet in self if bet.outcome is Outcome.OPEN]

    def close(self) -> None:
        """Close the file; the book stays readable in memory."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            whole = path.read_text()
            kept = whole[: whole.rfind("\n") + 1]  # a crash can cut the last line short: it was never acted on
            self._read(kept.splitlines())
            if kept != whole:
                path.write_text(kept)
        self._file = path.open("a")

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            entry = json.loads(line)
            kind, bet_id, data = entry["kind"], entry["bet_id"], entry["data"]
            if kind == "bet":
                self._bets[bet_id] = BookedBet(_stake(data))
            elif kind == "ending":
                self._bets[bet_id].ending = Ending(_decimal(data["win"]), _jackpot(data.get("jackpot")))
            else:
                amounts = {name: _decimal(data.get(name)) for name in ("balance", "jackpot")}
                read = {"operation": Operation(data["operation"]), **amounts}
                self._bets[bet_id].answers.append(ReceivedAnswer(**(data | read)))

    def _write(self, kind: str, bet_id: str, data: dict[str, object]) -> None:
        if self._file is None:
            return
        self._file.write(json.dumps({"kind": kind, "bet_id": bet_id, "data": data}, default=str) + "\n")
        self._file.flush()


def _stake(data: dict[str, Any]) -> Stake:
    amounts = {"amount": Decimal(data["amount"]), "win": _decimal(data.get("win"))}
    return Stake(**(data | amounts))


def _jackpot(data: dict[str, Any] | None) -> Jackpot | None:
    return None if data is None else Jackpot(_decimal(data["amount"]), data["pool"])


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
