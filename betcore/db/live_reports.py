"""What changes the rounds of live games: reports, operators and time. Each change is one transaction.

It locks the game, so that the changes of its rounds have one order whoever makes them, and lets the pure rules of
``betcore.domain.live_rounds`` decide over the rows as they are then.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from betcore.db.database import Database, Transaction
from betcore.db.live_rounds import round_of
from betcore.db.row_mapping import as_json
from betcore.db.statements import live_reports, notes
from betcore.db.statements.live_reports import LockedGameRow
from betcore.domain import live_rounds
from betcore.domain.errors import Code
from betcore.domain.live_messages import CancelRound, RecordCancel, RecordReport, RefundRound, RoundAnswer
from betcore.domain.live_rounds import LiveRound, RoundState
from betcore.domain.profiles import Live, ProviderProfile
from betcore.domain.proof import in_event

# A second operator who comes later sees another round: the first one has to look again too.
PROPOSED_FOR = timedelta(hours=1)
IN_REVIEW = "round_in_review"
# What an operator's order may end in, beside "done".
PROPOSED, ASKED_BEFORE, ENDED, UNKNOWN = "proposed", "asked_before", "ended", "unknown"


@dataclass(frozen=True, slots=True)
class _Locked:
    """A game that is locked, in its transaction."""

    transaction: Transaction
    game_type: int
    game: LockedGameRow

    @property
    def live(self) -> Live:
        return ProviderProfile.model_validate(self.game.provider_profile).live

    async def found(self, round_id: str) -> LiveRound | None:
        given = {"round_id": round_id, "provider_id": self.game.provider_id}
        row = await self.transaction.one_row(live_reports.FOUND, **given)
        return None if row is None else round_of(row)

    async def running(self) -> LiveRound | None:
        row = await self.transaction.one_row(live_reports.RUNNING, game_type=self.game_type)
        return None if row is None else round_of(row)

    async def next_edition(self) -> int:
        [row] = await self.transaction.all_rows(live_reports.NEXT, game_type=self.game_type)
        return row.edition

    async def write(self, changed: LiveRound) -> bool:
        """Write a round, and an incident if it goes to review. Return whether its open bets are to be refunded."""
        refunds = changed.state is RoundState.CANCELLED and self.live.refund_cancelled
        fields = {name: getattr(changed, name) for name in LiveRound.model_fields}
        results = json.dumps(changed.results) if changed.results else None
        await self.transaction.execute(
            live_reports.WRITE,
            **fields | {"results": results, "refunds": "owed" if refunds else None},
            provider_id=self.game.provider_id,
        )
        if changed.state is RoundState.REVIEW:
            await self.transaction.execute(
                notes.FILE_INCIDENT,
                bet_id=None,
                kind=IN_REVIEW,
                ours=as_json(changed.facts() | {"counterparty_id": self.game.counterparty_id}),
                theirs=as_json({"reason": changed.reason}),
            )
        return refunds

    async def note(self, changed: LiveRound, kind: str, data: Mapping[str, object]) -> None:
        """Record what has changed a round, or an operator's proposal to."""
        await self.transaction.execute(
            live_reports.NOTE, game_type=self.game_type, edition=changed.edition, kind=kind, data=as_json(data)
        )


class LiveReports:
    """Changes the rounds of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, filed: RecordReport) -> RoundAnswer:
        """Let a provider's report change its round, if that follows from it; return the round's answer."""
        order = filed.order
        async with self._database.transaction() as transaction:
            locked = await _lock(transaction, order.game_type)
            if locked is None or locked.game.provider_id != order.provider_id:
                return RoundAnswer(refusal=Code.LIVE_GAME_UNKNOWN)
            found, running = await locked.found(order.round_id), await locked.running()
            if found is not None and found.game_type != order.game_type:
                return _refused(Code.DIFFERENT_DATA, "the round is of another game of yours", running)
            is_new = found is None
            if found is None:
                if locked.game.disabled_at is not None:
                    return _refused(Code.GAME_DISABLED, "", running)
                if running is not None:
                    return _refused(Code.DIFFERENT_DATA, f"round {running.round_id} has not ended", running)
                edition = await locked.next_edition()
                found = live_rounds.announced(order.game_type, edition, order.round_id, filed.now)
            within = timedelta(seconds=locked.live.result_within)
            judged = live_rounds.judge(found, order.report, filed.now, within, is_new=is_new)
            if judged.becomes is None:
                return RoundAnswer(
                    refusal=judged.refusal, why=judged.why, round=None if is_new else found, running=running
                )
            refunds = await locked.write(judged.becomes)
            report = order.report.model_dump(mode="json", exclude_defaults=True)
            reported = {"report": report, "refusal": judged.refusal}
            await locked.note(judged.becomes, "reported", reported | in_event(order.proof))
            return RoundAnswer(
                refusal=judged.refusal,
                why=judged.why,
                round=judged.becomes,
                running=await locked.running(),
                refunds=refunds,
                changed=True,
            )

    async def pass_time(self, game_type: int, now: datetime) -> RoundAnswer:
        """Let time change a game's running round: its betting closes, or it goes to review without results."""
        async with self._database.transaction() as transaction:
            locked = await _lock(transaction, game_type)
            running = None if locked is None else await locked.running()
            if locked is None or running is None:
                return RoundAnswer()
            changed = live_rounds.after_time(running, now)
            if changed is None:
                return RoundAnswer(round=running, running=running)
            await locked.write(changed)
            return RoundAnswer(round=changed, running=await locked.running(), changed=True)

    async def cancel(self, filed: RecordCancel) -> RoundAnswer:
        """Cancel a round once two operators have asked for it within the hour; ``why`` says if that is so."""
        order = filed.order
        async with self._database.transaction() as transaction:
            locked = await _lock(transaction, order.game_type)
            found = None if locked is None else await locked.found(order.round_id)
            if locked is None or found is None or found.game_type != order.game_type:
                return RoundAnswer(why=UNKNOWN, running=None if locked is None else await locked.running())
            verdict = ENDED if found.state.is_terminal else await self._agreed(locked, found, order, filed.now)
            if verdict is not None:
                return RoundAnswer(why=verdict, round=found, running=await locked.running())
            changed = live_rounds.cancelled(found, order.reason, filed.now)
            refunds = await locked.write(changed)
            await locked.note(changed, "cancelled", _asked(order))
            return RoundAnswer(round=changed, running=await locked.running(), refunds=refunds, changed=True)

    async def running_games(self) -> Sequence[int]:
        """Return the games whose round runs."""
        return [row.game_type for row in await self._database.all_rows(live_reports.RUNNING_GAMES)]

    async def owed_refunds(self) -> Sequence[RefundRound]:
        """Return the cancelled rounds whose open bets are still to be refunded."""
        return [
            RefundRound(
                game_type=row.game_type,
                round_id=row.round_id,
                appear_until=row.finished_at + live_rounds.STAKES_APPEAR_FOR,
            )
            for row in await self._database.all_rows(live_reports.OWED)
        ]

    @staticmethod
    async def _agreed(locked: _Locked, found: LiveRound, order: CancelRound, now: datetime) -> str | None:
        """Return None if another operator has asked for it before; else what this one's order ends in."""
        given = {"game_type": found.game_type, "edition": found.edition}
        standing = await locked.transaction.one_row(live_reports.PROPOSAL, **given, now=now)
        if standing is not None:
            return ASKED_BEFORE if _person(standing.operator) == _person(order.operator) else None
        await locked.transaction.execute(
            live_reports.PROPOSE, **given, operator=order.operator, reason=order.reason, until=now + PROPOSED_FOR
        )
        await locked.note(found, "cancel_proposed", _asked(order))
        return PROPOSED


async def _lock(transaction: Transaction, game_type: int) -> _Locked | None:
    game = await transaction.one_row(live_reports.LOCK_GAME, game_type=game_type)
    return None if game is None else _Locked(transaction, game_type, game)


def _refused(code: Code, why: str, running: LiveRound | None) -> RoundAnswer:
    return RoundAnswer(refusal=code, why=why, running=running)


def _asked(order: CancelRound) -> Mapping[str, str]:
    return {"operator": order.operator, "reason": order.reason}


def _person(operator: str) -> str:
    """Return a name as it is compared: one operator who writes it in two ways is still one."""
    return operator.strip().casefold()
