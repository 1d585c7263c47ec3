"""The sandbox provider's own book against our rows: every definite answer it received must be on record.

The book is read line by line and never written, so that its provider may be at work.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from betcore.db.database import Database
from betcore.db.row_mapping import amount_text
from betcore.db.statements import verify_books
from betcore.db.statements.verify_books import AnsweredRow
from betcore.domain.money import AMOUNT
from betcore.verify.report import OnProgress, Progress, Report, Violation
from betcore.verify.run import ProviderBook
from devkit.sandbox.provider.client import (
    ALREADY_DONE,
    BET_REFUSED,
    CASINO_REFUSED,
    CONTRADICTION,
    DONE,
    NOT_ENOUGH_MONEY,
    REFUSED,
    Operation,
)

_BATCH = 1000
_UNKNOWN_SESSION, _NEVER_SEEN = 3, 5
_OPENING = (Operation.PAY_IN, Operation.PAY_IN_OUT)
_WINNING, _DONE = (Operation.PAY_OUT, Operation.PAY_IN_OUT), (DONE, ALREADY_DONE)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a book: a stake (``bet``), its intended end (``ending``), or an answer received (``heard``)."""

    kind: str
    bet_id: str
    data: Mapping[str, Any]


def provider_book(path: Path) -> ProviderBook:
    """Return the check of the sandbox provider's book in this file."""
    return partial(_check, path)


async def _check(path: Path, database: Database, report: Report, on_progress: OnProgress) -> None:
    """Compare a book with our rows. A book that cannot be read is reported as unchecked."""
    try:
        provider_id, provider = None, ""
        for batch in _batches(path):
            if provider_id is None:
                session = next((line.data["session_id"] for line in batch if line.kind == "bet"), None)
                found = await database.all_rows(verify_books.PROVIDER_OF, session_id=session)
                if not found:
                    report.mark_unchecked("heard", f"{path}: its bets are of a session that we do not have")
                    return
                provider_id, provider = found[0].provider_id, found[0].name
            asked = sorted({line.bet_id for line in batch})
            rows = await database.all_rows(verify_books.ANSWERED, provider_id=provider_id, bet_ids=asked)
            _judge(batch, {row.provider_bet_id: row for row in rows}, provider, report)
            report.checks["heard"].looked_at += sum(_is_answer(line) for line in batch)
            on_progress(Progress("answers in the book", report.checks["heard"].looked_at, None))
    except (OSError, ValueError, KeyError, TypeError) as error:
        report.mark_unchecked("heard", f"{path}: not a provider's book ({type(error).__name__})")


def _batches(path: Path) -> Iterator[Sequence[Line]]:
    lines: list[Line] = []
    with path.open(encoding="utf-8") as file:
        for written in file:
            # A provider that is at work may be in the middle of its last line.
            if not written.endswith("\n"):
                break
            entry = json.loads(written)
            lines.append(Line(entry["kind"], entry["bet_id"], entry["data"]))
            if len(lines) == _BATCH:
                yield lines
                lines = []
    if lines:
        yield lines


def _judge(lines: Sequence[Line], rows: Mapping[str, AnsweredRow], provider: str, report: Report) -> None:
    for line in lines:
        row = rows.get(line.bet_id)
        checks = (_wrong_answer, _wrong_jackpot) if _is_answer(line) else (_wrong_amount, _wrong_named_jackpot)
        for wrong in (check(line, row) for check in checks):
            if wrong:
                number = "" if row is None else str(row.bet_id)
                report.add(Violation("heard", number, line.bet_id, wrong, provider))


def _is_answer(line: Line) -> bool:
    return line.kind == "heard" and bool(line.data["definite"])


def _wrong_answer(line: Line, row: AnsweredRow | None) -> str | None:
    operation, code, reason = Operation(line.data["operation"]), line.data["code"], line.data["reason"]
    holds = _MEANING.get((operation, DONE if code == ALREADY_DONE else code, _reason(code, reason)))
    if holds is None or holds(row):
        return None
    stands = "we have no such bet" if row is None else f"our row says {_row_in_words(row)}"
    return f"{operation} was answered {code} {reason}".rstrip() + f" at {line.data['at']}, and {stands}"


def _reason(code: int, reason: str) -> str | None:
    """Return the reason if the meaning of the code depends on it, else None."""
    if code == CONTRADICTION or (code, reason) == (REFUSED, CASINO_REFUSED):
        return reason
    return None


def _row_in_words(row: AnsweredRow) -> str:
    state = f"{row.state} ({row.refusal})" if row.refusal else str(row.state)
    reversal = f", its reversal {row.reversal_is}" if row.reversal_is else ""
    return f"{state}{reversal}, {'told' if row.told_at else 'not told'}"


def _wrong_amount(line: Line, row: AnsweredRow | None) -> str | None:
    """Return how our row's stake or win differs from the book's; what is not in our row yet is no difference."""
    if row is None or line.kind not in ("bet", "ending"):
        return None
    what, amount, name = ("stake", row.stake, "amount") if line.kind == "bet" else ("win", row.win, "win")
    ours, theirs = amount_text(amount, row.currency), line.data[name]
    if ours is None or theirs is None or (what == "win" and row.state != "settled"):
        return None
    if not AMOUNT.fullmatch(ours):
        return f"its {what} cannot be read: {ours} of {row.currency}"
    return None if Decimal(ours) == Decimal(theirs) else f"its {what} is {theirs} in the book, {ours} here"


def _wrong_jackpot(line: Line, row: AnsweredRow | None) -> str | None:
    """Return how the jackpot in an answer "done" to the winnings differs from the one that our row pays."""
    if (
        row is None
        or row.state != "settled"
        or line.data["operation"] not in _WINNING
        or line.data["code"] not in _DONE
    ):
        return None
    answered, ours = line.data.get("jackpot"), amount_text(row.jackpot, row.currency)
    if _same(answered, ours):
        return None
    return f"{line.data['operation']} was answered a jackpot of {answered} at {line.data['at']}, and {ours} is paid"


def _wrong_named_jackpot(line: Line, row: AnsweredRow | None) -> str | None:
    """Return how the jackpot that ends a bet in the book differs from our row's; in one step the first call has it."""
    if row is None or line.kind != "ending" or row.state != "settled" or row.one_step:
        return None
    named = line.data.get("jackpot") or {"amount": None, "pool": None}
    ours = amount_text(row.jackpot, row.currency)
    if named["pool"] == row.jackpot_id and (row.jackpot_id is not None or _same(named["amount"], ours)):
        return None
    book, here = _jackpot_in_words(named["amount"], named["pool"]), _jackpot_in_words(ours, row.jackpot_id)
    return f"its jackpot is {book} in the book, {here} here"


def _jackpot_in_words(amount: str | None, pool: int | None) -> str:
    return f"{amount}" if pool is None else f"the pool {pool}"


def _same(theirs: str | None, ours: str | None) -> bool:
    """Return whether two amounts are the same. Ours is no amount in a currency that is unknown here."""
    if theirs is None or ours is None or not AMOUNT.fullmatch(ours):
        return theirs == ours
    return Decimal(theirs) == Decimal(ours)


def _opened(row: AnsweredRow | None) -> bool:
    if row is None or (row.state != "settled" and row.one_step):
        return False
    return row.told_at is not None and row.accepted_at is not None


def _settled(row: AnsweredRow | None) -> bool:
    return row is not None and row.state == "settled"


def _back(row: AnsweredRow | None) -> bool:
    """Return whether the player has the stake: it was returned, or never taken."""
    if row is None or row.state not in ("refunded", "settled"):
        return False
    if row.state == "settled":
        return bool(row.reversal_is == "reversed" and row.returned)
    return bool(row.returned or (row.accepted_at is None and row.reversal_is is None))


def _refused(row: AnsweredRow | None) -> bool:
    return row is not None and row.state == "refused"


def _never_told(row: AnsweredRow | None) -> bool:
    if row is None or row.told_at is not None:
        return False
    return row.withdrawn_at is not None or row.reversed_by is not None


def _taken_back(row: AnsweredRow | None) -> bool:
    return row is not None and (row.state in ("refunding", "refunded") or row.reversed_by is not None)


def _paid_out(row: AnsweredRow | None) -> bool:
    return row is not None and row.state in ("settling", "settled")


def _nothing_or_refused(row: AnsweredRow | None) -> bool:
    return row is None or row.state == "refused"


def _kept(row: AnsweredRow | None) -> bool:
    return row is not None and row.reversal_is == "refused"


# What must hold of our row once an operation was answered with a code (and reason). Other answers imply nothing.
_MEANING: dict[tuple[Operation, int, str | None], Callable[[AnsweredRow | None], bool]] = {
    (Operation.PAY_OUT, DONE, None): _settled,
    (Operation.PAY_OUT, _NEVER_SEEN, None): _refused,
    (Operation.PAY_OUT, CONTRADICTION, BET_REFUSED): _refused,
    (Operation.PAY_OUT, CONTRADICTION, "already_refunded"): _taken_back,
    (Operation.REFUND, DONE, None): _back,
    (Operation.REFUND, CONTRADICTION, BET_REFUSED): _refused,
    (Operation.REFUND, CONTRADICTION, "already_settled"): _paid_out,
    (Operation.REFUND, REFUSED, CASINO_REFUSED): _kept,
}
for _operation in _OPENING:
    _MEANING |= {
        (_operation, DONE, None): _opened,
        (_operation, _UNKNOWN_SESSION, None): _nothing_or_refused,
        (_operation, NOT_ENOUGH_MONEY, None): _refused,
        (_operation, REFUSED, None): _refused,
        (_operation, REFUSED, CASINO_REFUSED): _refused,
        (_operation, CONTRADICTION, BET_REFUSED): _refused,
        (_operation, CONTRADICTION, "already_refunded"): _never_told,
    }
