"""The report of ``verify``: what is violated, and what could not be checked."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any, Protocol

from betcore.domain.money import Money

Json = dict[str, Any]

# The checks, in the order of the report.
CHECKS = (
    *("outcome", "sums", "identity", "told", "jackpots", "rounds", "archives"),
    *("owed", "workflows", "journal", "heard"),
)
# Violations of each check that are named; all are counted.
KEPT = 1000


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold. ``bet_id`` is ours, ``provider_bet_id`` the provider's.

    Both are empty if it concerns no bet, the second also if we have no such bet.
    """

    check: str
    bet_id: str
    provider_bet_id: str
    what: str
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a part of the work; ``total`` is None if it is unknown."""

    what: str
    done: int
    total: int | None


@dataclass(slots=True)
class Check:
    """One check. ``looked_at`` counts its objects: bets, rows, workflows, movements or answers.

    ``unchecked`` lists why some or all objects could not be checked; ``left_out`` says why the check was not wanted.
    """

    looked_at: int = 0
    violations: int = 0
    unchecked: list[str] = field(default_factory=list)
    left_out: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Sum:
    """Movements of a casino in one currency, in minor units, and what they come to for the player.

    ``issued`` and ``cancelled`` are of cashbacks. ``says`` is that sum by the rows of bets and cashbacks, ``moved`` by
    their movements.
    """

    casino: str
    currency: str
    bets: int = 0
    movements: int = 0
    staked: int = 0
    paid: int = 0
    returned: int = 0
    clawed_back: int = 0
    jackpots: int = 0
    cashbacks: int = 0
    issued: int = 0
    cancelled: int = 0
    says: int = 0
    moved: int = 0

    def as_json(self) -> Json:
        """Return it with amounts in major units."""
        amounts = {name: _major(getattr(self, name), self.currency) for name in _AMOUNTS}
        return {**asdict(self), **amounts, "differs": self.says != self.moved}


_AMOUNTS = ("staked", "paid", "returned", "clawed_back", "jackpots", "issued", "cancelled", "says", "moved")


@dataclass(slots=True)
class Report:
    """All findings. Of each check the first ``KEPT`` violations are named."""

    checks: dict[str, Check] = field(default_factory=lambda: {name: Check() for name in CHECKS})
    violations: list[Violation] = field(default_factory=list)
    sums: dict[tuple[int, str], Sum] = field(default_factory=dict)
    seconds: float = 0
    parts: dict[str, float] = field(default_factory=dict)
    _seen: set[Violation] = field(default_factory=set)

    def add(self, violation: Violation) -> None:
        """Record a violation; the same one twice counts once."""
        if violation in self._seen:
            return
        check = self.checks[violation.check]
        check.violations += 1
        if check.violations <= KEPT:
            self._seen.add(violation)
            self.violations.append(violation)

    def mark_unchecked(self, check: str, why: str) -> None:
        """Record that something could not be checked, and why."""
        if why not in self.checks[check].unchecked:
            self.checks[check].unchecked.append(why)

    @property
    def total(self) -> int:
        """Return the number of violations."""
        return sum(check.violations for check in self.checks.values())

    @property
    def exit_code(self) -> int:
        """Return 1 if anything is violated, 2 if something could not be checked, else 0."""
        if self.total:
            return 1
        return 2 if any(check.unchecked for check in self.checks.values()) else 0

    def as_json(self) -> Json:
        """Return everything, amounts in major units."""
        return {
            "violations": [asdict(one) for one in self.violations],
            "total": self.total,
            "checks": {name: asdict(check) for name, check in self.checks.items()},
            "sums": [one.as_json() for one in self.sums.values()],
            "seconds": self.seconds,
            "parts": self.parts,
        }

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Measure in seconds what a part took."""
        began = monotonic()
        try:
            yield
        finally:
            self.parts[part] = round(monotonic() - began, 1)
            self.seconds = round(sum(self.parts.values()), 1)


class NamedBet(Protocol):
    """A row that names its bet."""

    @property
    def bet_id(self) -> int | None:
        """Return the BetId."""

    @property
    def provider(self) -> str | None:
        """Return the provider's name."""

    @property
    def provider_bet_id(self) -> str | None:
        """Return the provider's id of the bet."""


OnProgress = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """Do nothing with the progress."""


def named(check: str, row: NamedBet, what: str) -> Violation:
    """Return a violation of the bet of a row that has ``bet_id``, ``provider`` and ``provider_bet_id``."""
    return Violation(check, str(row.bet_id), row.provider_bet_id or "", what, row.provider or "")


def _major(minor: int, currency: str) -> str:
    return ("-" if minor < 0 else "") + str(Money(minor=abs(minor), currency=currency))


def as_text(checks: Mapping[str, Check]) -> str:
    """Return a line for each check, for a person."""
    lines = []
    for name, check in checks.items():
        if check.left_out:
            lines.append(f"{name:<10} left out: {check.left_out}")
            continue
        lines.append(f"{name:<10} {check.looked_at:>10} looked at, {check.violations} violations")
        lines += [f"{'':<10} COULD NOT CHECK: {why}" for why in check.unchecked]
        lines += [f"{'':<10} {note}" for note in check.notes]
    return "\n".join(lines)
