"""What the rows alone show ``verify``: every valid state of a bet passes, and no other."""

import re
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.database import Database, open_database
from betcore.db.engine import create_engine
from betcore.db.statements import verify_guards, verify_rows
from betcore.runtime.settings import Settings
from betcore.verify import report as report_of
from betcore.verify import rows
from betcore.verify.range_sums import RangeSums
from betcore.verify.report import CHECKS, KEPT, Report, Violation
from betcore.verify.rows import FAULTS, check_rows

PARTNERS = """
WITH p AS (INSERT INTO provider (counterparty_id, name, base_url, profile, secret)
           VALUES ('11111111-2222-4333-8444-555555555555', 'p', 'http://p', '{}', '') RETURNING provider_id),
     c AS (INSERT INTO casino (name, api_host, profile, secret)
           VALUES ('c', 'http://c', '{}', '') RETURNING casino_id),
     g AS (INSERT INTO game (provider_id, provider_game_id, name)
           SELECT provider_id, 'g', 'g' FROM p RETURNING game_id),
     u AS (INSERT INTO player (casino_id, partner_user_id) SELECT casino_id, 'anna' FROM c RETURNING player_id)
INSERT INTO session (session_id, provider_id, player_id, game_id, currency)
SELECT 's', provider_id, player_id, game_id, 'EUR' FROM p, u, g
"""
BET = """
INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win, state,
                 one_step, jackpot, win_paid_at, refusal, accepted_at, told_at, withdrawn_at, closed_at)
VALUES (1, :name, 1, 1, 1, 's', 'EUR', 1000, CAST(:win AS numeric), CAST(:state AS text),
        CAST(:win AS numeric) IS NOT NULL AND NOT :accepted,
        CAST(:jackpot AS numeric), CASE WHEN :jackpot > 0 AND :win_paid THEN now() END,
        CASE WHEN :state = 'refused' THEN 'no_money' END, CASE WHEN :accepted THEN now() END,
        CASE WHEN :state IN ('settling', 'settled') THEN now() END,
        CASE WHEN :state IN ('refunding', 'refunded') THEN now() END,
        CASE WHEN :state IN ('settled', 'refunded', 'refused') THEN now() END)
"""
MOVEMENT = """
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts)
SELECT bet_id, :kind, :amount, :state, 1 FROM bet WHERE provider_id = 1 AND provider_bet_id = :name
"""
REVERSAL = """
WITH made AS (
    INSERT INTO reversal (bet_id, state, closed_at)
    SELECT bet_id, CAST(:state AS text), CASE WHEN :state <> 'reversing' THEN now() END
    FROM bet WHERE provider_id = 1 AND provider_bet_id = :name
    RETURNING *
)
UPDATE bet SET reversed_by = (SELECT reversal_id FROM made WHERE state = 'reversed')
WHERE bet_id = (SELECT bet_id FROM made)
"""
NONE = None
BEGUN, MADE = ("sending", "parked"), ("done", "paid_by_hand")


class Head(NamedTuple):
    """A bet: its state, whether its stake is accepted, its win, its reversal, its jackpot, and whether that is the
    next to be paid."""

    state: str
    accepted: bool
    win: int | None
    reversal: str | None
    jackpot: int | None = None
    win_paid: bool = False


# A bet; then the states that stake, win, return, claw-back and jackpot may have.
_ALLOWED: list[tuple[tuple[str, bool, int | None, str | None], tuple[tuple[str | None, ...], ...]]] = [
    (("accepting", False, None, None), (BEGUN, (NONE,), (NONE,), (NONE,))),
    # Its win may have left in one list with the stake.
    (("accepting", False, 2500, None), (BEGUN, (NONE, "sending"), (NONE,), (NONE,))),
    (("acceptance", True, None, None), (("done",), (NONE,), (NONE,), (NONE,))),
    (("settling", True, 2500, None), (("done",), BEGUN, (NONE,), (NONE,))),
    (("refunding", True, None, None), (("done",), (NONE,), BEGUN, (NONE,))),
    (("settled", True, 2500, None), (("done",), MADE, (NONE,), (NONE,))),
    (("settled", True, 0, None), (("done",), MADE, (NONE,), (NONE,))),
    (("settled", True, 2500, "reversing"), (("done",), MADE, (NONE,), (NONE, *BEGUN))),
    (("settled", True, 2500, "reversing"), (("done",), MADE, (NONE, *BEGUN), ("done",))),
    (("settled", True, 0, "reversing"), (("done",), MADE, (NONE, *BEGUN), (NONE,))),
    (("settled", True, 2500, "reversed"), (("done",), MADE, MADE, ("done",))),
    (("settled", True, 0, "reversed"), (("done",), MADE, MADE, (NONE,))),
    (("settled", True, 2500, "refused"), (("done",), MADE, (NONE,), ("refused",))),
    (("refunded", True, None, None), (("done",), (NONE,), MADE, (NONE,))),
    (("refunded", False, None, None), ((NONE, "refused", "absent"), (NONE,), (NONE,), (NONE,))),
    (("refused", False, None, None), ((NONE, "refused", "absent"), (NONE,), (NONE,), (NONE,))),
    (("refunded", False, 2500, None), ((NONE, "refused", "absent"), (NONE, "absent"), (NONE,), (NONE,))),
    (("refused", False, 2500, None), ((NONE, "refused", "absent"), (NONE, "absent"), (NONE,), (NONE,))),
    (("refused", False, None, "reversing"), (("done",), (NONE,), (NONE, *BEGUN), (NONE,))),
    (("refused", False, 2500, "reversing"), (("done",), (NONE, "absent"), (NONE, *BEGUN), (NONE,))),
    (("refunded", False, None, "reversed"), (("done",), (NONE,), MADE, (NONE,))),
    (("refunded", False, 2500, "reversed"), (("done",), (NONE, "absent"), MADE, (NONE,))),
]
ALLOWED: list[tuple[Head, tuple[tuple[str | None, ...], ...]]] = [
    *((Head(*head), (*legs, (NONE,))) for head, legs in _ALLOWED),
    (Head("settling", True, 2500, None, 700), (("done",), BEGUN, (NONE,), (NONE,), (NONE,))),
    (Head("settling", True, 2500, None, 700, True), (("done",), MADE, (NONE,), (NONE,), (NONE, *BEGUN))),
    (Head("settled", True, 2500, None, 700, True), (("done",), MADE, (NONE,), (NONE,), MADE)),
    (Head("settled", True, 0, None, 700, True), (("done",), MADE, (NONE,), (NONE,), MADE)),
    (Head("settled", True, 2500, None, 0), (("done",), MADE, (NONE,), (NONE,), (NONE,))),
    (Head("refunded", True, 2500, None, 700), (("done",), (NONE,), MADE, (NONE,), (NONE,))),
    (
        Head("refused", False, 2500, None, 700),
        ((NONE, "refused", "absent"), (NONE, "absent"), (NONE,), (NONE,), (NONE,)),
    ),
]
STATES = (NONE, "sending", "done", "refused", "absent", "parked", "paid_by_hand")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A database with one player."""
    found = create_engine(Settings(database_url=SecretStr(database_url)))
    async with found.connect() as connection:
        await connection.execute(text(PARTNERS))
    yield found
    await found.dispose()


@pytest.fixture
async def database(engine: AsyncEngine, database_url: str) -> AsyncIterator[Database]:
    async with open_database(Settings(database_url=SecretStr(database_url))) as found:
        yield found


async def test_movements_fit_a_state_or_they_do_not(
    engine: AsyncEngine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_of, "KEPT", 10_000)
    allowed = {(head, legs) for head, ways in ALLOWED for legs in product(*ways)}
    tried = allowed | {
        (head, (*legs[:leg], state, *legs[leg + 1 :])) for head, legs in allowed for leg in range(5) for state in STATES
    }
    names = {f"bet-{number}": one for number, one in enumerate(sorted(tried, key=repr))}
    await _make(engine, names)
    report = Report()
    await check_rows(database, 0, report, lambda progress: None)
    wrong = {one.provider_bet_id for one in report.violations if one.check == "outcome"}
    assert {names[name] for name in names.keys() - wrong} == allowed
    assert report.checks["outcome"].looked_at == len(names)


async def test_what_is_allowed_adds_up(engine: AsyncEngine, database: Database) -> None:
    allowed = sorted({(head, legs) for head, ways in ALLOWED for legs in product(*ways)}, key=repr)
    await _make(engine, {f"bet-{number}": one for number, one in enumerate(allowed)})
    report = Report()
    await check_rows(database, 0, report, lambda progress: None)
    assert {one.check for one in report.violations} <= {"owed"}, report.violations
    (total,) = report.sums.values()
    assert (total.bets, total.says) == (len(allowed), total.moved)
    assert total.moved == total.paid + total.jackpots + total.returned - total.staked - total.clawed_back
    assert total.jackpots > 0


async def test_sums_are_exact_beyond_what_a_float_holds(engine: AsyncEngine, database: Database) -> None:
    """Else a bet in a currency of 18 decimals is a violation, or hides one."""
    win = 10**18 + 1
    await _make(engine, {"bet-1": (Head("settled", True, win, None), ("done", "done", NONE, NONE, NONE))})
    report = Report()
    await check_rows(database, 0, report, lambda progress: None)
    assert [one for one in report.violations if one.check == "sums"] == []
    (total,) = report.sums.values()
    assert (total.moved, total.says) == (win - 1000, win - 1000)


async def test_batches_are_all_looked_at(
    engine: AsyncEngine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BATCH", 2)
    settled = (Head("settled", True, 2500, None), ("done", NONE, NONE, NONE, NONE))
    await _make(engine, {f"bet-{number}": settled for number in range(5)})
    async with engine.connect() as connection:
        first, *others = (await connection.execute(text("SELECT bet_id FROM bet ORDER BY bet_id"))).scalars()
    report, told = Report(), []
    await check_rows(database, first, report, lambda progress: told.append((progress.done, progress.total)))
    assert told == [(2, 4), (4, 4)]
    assert [one.bet_id for one in report.violations if one.check == "outcome"] == [str(other) for other in others]


async def test_a_guard_that_is_switched_off_is_reported(engine: AsyncEngine, database: Database) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("ALTER TABLE movement DISABLE TRIGGER guard_movement"))
        await connection.execute(text("ALTER TABLE bet DROP CONSTRAINT bet_provider_id_provider_bet_id_key"))
    await _make(engine, {"bet-1": (Head("refused", False, None, None), (NONE,) * 5)})
    await _make(engine, {"bet-1": (Head("refused", False, None, None), (NONE,) * 5)})
    report = Report()
    await check_rows(database, 0, report, lambda progress: None)
    assert {one.check for one in report.violations} == {"identity"}
    assert [one.provider_bet_id for one in report.violations] == ["", "", "bet-1"]


async def test_every_guard_of_the_schema_is_looked_for(engine: AsyncEngine) -> None:
    """Else a new table could lose its guard, and nothing would say so."""
    async with engine.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname ~ '^(guard|record)_' ORDER BY 1, 2"
            )
        )
        lacking = [one for one in map(tuple, found) if repr(one) not in verify_guards.GUARDS.query]
    assert lacking == []


def test_every_fault_has_its_text() -> None:
    named = set(re.findall(r"THEN\s+'(\w+)'", verify_rows.FAULTS.sql.partition("judged AS")[2]))
    assert named - FAULTS.keys() == set()
    assert FAULTS.keys() - named == set()
    assert {check for check, _ in FAULTS.values()} <= set(CHECKS)
    page = (Path(__file__).parents[2] / "docs" / "verify.md").read_text()
    assert all(f"| `{check}` |" in page for check in CHECKS)


def test_many_violations_are_counted_and_the_first_are_named() -> None:
    report = Report()
    for number in range(KEPT + 5):
        report.add(Violation("outcome", str(number), "", "odd"))
    report.add(Violation("outcome", "1", "", "odd"))
    assert (report.total, len(report.violations), report.exit_code) == (KEPT + 5, KEPT, 1)


def test_what_could_not_be_looked_at_is_no_success() -> None:
    report = Report()
    assert report.exit_code == 0
    report.mark_unchecked("journal", "the casino is down")
    assert report.exit_code == 2
    report.add(Violation("outcome", "1", "", "odd"))
    assert report.exit_code == 1


@given(
    st.lists(st.tuples(st.integers(1, 200_000), st.sampled_from([-2, -1, 1, 2])), max_size=30),
    st.lists(st.tuples(st.integers(1, 200_000), st.sampled_from([-2, -1, 1, 2])), max_size=3),
    st.randoms(),
)
def test_two_lists_are_even_only_if_they_are_the_same(ours: list[Any], more: list[Any], chance: Any) -> None:
    theirs = [*ours, *more]
    chance.shuffle(theirs)
    shares = RangeSums(0, 200_000)
    for bet_id, kind in theirs:
        shares.add(bet_id, kind)
    for bet_id, kind in ours:
        value = bet_id * 8 + kind
        shares.take(bet_id // shares.share, 1, value, value**2)
    assert shares.uneven() == sorted({bet_id // shares.share for bet_id, _ in more})


async def _make(engine: AsyncEngine, bets: dict[str, Any]) -> None:
    amounts = {
        name: {-1: 1000, 1: head.win or 0, 2: 1000, -2: head.win or 0, 4: head.jackpot or 0}
        for name, (head, _) in bets.items()
    }
    rows = {
        BET: [{"name": name, **head._asdict()} for name, (head, _) in bets.items()],
        MOVEMENT: [
            {"name": name, "kind": kind, "amount": amount, "state": state}
            for name, (_, legs) in bets.items()
            for (kind, amount), state in zip(amounts[name].items(), legs, strict=True)
            if state is not None
        ],
        REVERSAL: [
            {"name": name, "state": head.reversal} for name, (head, _) in bets.items() if head.reversal is not None
        ],
    }
    writing = engine.execution_options(isolation_level="READ COMMITTED")
    async with writing.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        # Thousands of bets: each kind of row is sent at once.
        for statement, given_rows in rows.items():
            if given_rows:
                await connection.execute(text(statement), given_rows)
