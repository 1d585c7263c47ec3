"""The rules of cashback: their versions, the runs of their windows, and the rows that a cashback comes from.

Every statement is one transaction.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby

from betcore.db.database import Database
from betcore.db.statements import cashback_rules
from betcore.db.statements.cashback_rules import CaseRow, LossesRow, OriginRow, RunShownRow, VersionRow
from betcore.domain.cashback_rules import MARGIN, Losses, RuleRun, RuleVersion, next_window
from betcore.domain.errors import NotFound
from betcore.domain.money import minor_units
from betcore.domain.profiles import CashbackRule

_PAGE = 5000
# Windows of one rule that are begun at once: after months without a worker the next rounds begin the others.
_WINDOWS = 50
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rule:
    """A casino's rule with all of its versions, oldest first, and the end of its last window."""

    casino_id: int
    casino: str
    name: str
    versions: tuple[RuleVersion, ...]
    paid_to: datetime | None
    now: datetime

    @property
    def standing(self) -> RuleVersion | None:
        """Return the version that stands now; None if the rule was taken away."""
        return self.versions[-1] if self.versions[-1].retired_at is None else None


@dataclass(frozen=True, slots=True)
class PlayerLosses:
    """What a player's bets have moved in a run's window and one currency."""

    player_id: int
    currency: str
    is_blocked: bool
    losses: Losses


@dataclass(frozen=True, slots=True)
class Page:
    """The losses of some players, behind those that a run has dealt with; ``upto`` is None if there is no player."""

    upto: int | None
    players: int
    losses: tuple[PlayerLosses, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a page's losses that the rule gives something for."""

    opened: int = 0
    blocked: int = 0
    unread: int = 0
    contradicted: int = 0


class CashbackRules:
    """The rules of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rules(self, casino: str | None = None) -> list[Rule]:
        """Return the rules of the casinos that are not disabled, or of one of them; those that were taken away too."""
        rows = await self._database.all_rows(cashback_rules.VERSIONS, casino=casino)
        return list(_rules(rows))

    async def version(self, version_id: int) -> RuleVersion:
        """Return a version of a rule. Raise LookupError."""
        row = await self._database.one_row(cashback_rules.RULE_OF, version_id=version_id)
        if row is None:
            raise LookupError(f"no version {version_id} of a rule")
        return _version(row)

    async def open(self, version_id: int, since: datetime, cut: datetime) -> RuleRun:
        """Begin the run of a window, or find it: a window that was begun keeps its version."""
        given = {"version_id": version_id, "period_from": since, "period_to": cut}
        while True:
            run = await self._database.one_row(cashback_rules.OPEN, **given)
            if run is not None:
                return run
            # A concurrent insert was not visible to this statement yet; it is to the next.

    async def begin(self, rule: Rule) -> list[RuleRun]:
        """Begin the runs of a rule's windows that have ended, oldest first, and return them."""
        begun: list[RuleRun] = []
        paid_to = rule.paid_to
        while len(begun) < _WINDOWS and (window := next_window(rule.versions, paid_to)):
            if window.cut + MARGIN > rule.now:
                break
            begun.append(await self.open(window.version.version_id, window.since, window.cut))
            paid_to = window.cut
        return begun

    async def run(self, run_id: int) -> RuleRun:
        """Return a run as it stands. Raise LookupError."""
        run = await self._database.one_row(cashback_rules.RUN, run_id=run_id)
        if run is None:
            raise LookupError(f"no run {run_id} of a rule")
        return run

    async def last(self, casino: str, name: str) -> RuleRun | None:
        """Return the last run of a rule, or None if it has none."""
        return await self._database.one_row(cashback_rules.LAST, casino=casino, name=name)

    async def unended(self) -> list[RuleRun]:
        """Return the runs that have not ended, of all casinos that are not disabled."""
        return await self._database.all_rows(cashback_rules.UNENDED)

    async def page(self, run: RuleRun, limit: int) -> Page:
        """Return what the next players of a run have lost in its window."""
        rows = await self._database.all_rows(
            cashback_rules.PAGE, run_id=run.run_id, after=run.last_player_id, limit=limit
        )
        losses = tuple(_losses(row.losses) for row in rows if row.losses is not None)
        return Page(rows[0].upto, rows[0].players, losses)

    async def advance(self, run: RuleRun, page: Page, counts: Counts) -> RuleRun | None:
        """Record that a page is dealt with; return the run after that, or None if another attempt has recorded it."""
        return await self._database.one_row(
            cashback_rules.ADVANCE,
            run_id=run.run_id,
            times=run.times,
            after=run.last_player_id,
            upto=page.upto,
            players=page.players,
            opened=counts.opened,
            blocked=counts.blocked,
            unread=counts.unread,
            contradicted=counts.contradicted,
        )

    async def end(self, run: RuleRun) -> RuleRun | None:
        """End a run that has no more players; return it, or None if another attempt has, or stands elsewhere by now."""
        given = {"run_id": run.run_id, "times": run.times, "after": run.last_player_id}
        return await self._database.one_row(cashback_rules.END, **given)

    async def again(self, run: RuleRun) -> RuleRun:
        """Let a run that has ended go through its players once more; return it as it stands after that."""
        return await self._database.one_row(cashback_rules.AGAIN, run_id=run.run_id) or await self.run(run.run_id)

    async def shown(self, casino: str, name: str | None, limit: int) -> list[RunShownRow]:
        """Return the newest runs of a casino, or of one of its rules, a row for each currency."""
        return await self._database.all_rows(cashback_rules.SHOWN, casino=casino, name=name, limit=limit)

    async def origin(self, cashback_id: int) -> OriginRow:
        """Return where a cashback comes from. Raise NotFound."""
        row = await self._database.one_row(cashback_rules.ORIGIN, cashback_id=cashback_id)
        if row is None:
            raise NotFound(f"there is no cashback {cashback_id}")
        return row

    async def cases(self, cashback_id: int) -> AsyncIterator[CaseRow]:
        """Yield the bets that a rule's cashback comes from, oldest first; they are read a page at a time."""
        after, after_bet_id = _BEGINNING, 0
        while True:
            given = {"cashback_id": cashback_id, "after": after, "after_bet_id": after_bet_id, "limit": _PAGE}
            rows = await self._database.all_rows(cashback_rules.CASES, **given)
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return
            after, after_bet_id = rows[-1].at, rows[-1].bet_id


def losses_of(row: CaseRow | LossesRow) -> Losses:
    """Return the sums of a row."""
    return Losses(*map(minor_units, _sums(row)))


def _sums(row: CaseRow | LossesRow) -> tuple[Decimal, ...]:
    return row.stakes, row.returns, row.payouts, row.jackpots, row.claw_backs


def _losses(row: LossesRow) -> PlayerLosses:
    return PlayerLosses(row.player_id, row.currency, row.is_blocked, losses_of(row))


def _rules(rows: Sequence[VersionRow]) -> Iterator[Rule]:
    for _, of_one in groupby(rows, key=lambda row: (row.casino_id, row.name)):
        versions = list(of_one)
        last = versions[-1]
        yield Rule(last.casino_id, last.casino, last.name, tuple(map(_version, versions)), last.paid_to, last.now)


def _version(row: VersionRow) -> RuleVersion:
    rule = CashbackRule.model_validate(row.rule)
    return RuleVersion(row.version_id, rule, row.time_zone, row.created_at, row.retired_at)
