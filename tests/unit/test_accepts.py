"""An Accept in the rows, with all that can be there before it; and the hints that one was stored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.casino.accept_notifications import AcceptNotifications, notify
from betcore.db.accepts import Accepts
from betcore.db.bets import Bets
from betcore.db.database import Database, open_database
from betcore.db.engine import create_engine
from betcore.domain.accepts import AcceptOutcome, CasinoAccept, StoredAccept
from betcore.domain.bet import BetState
from betcore.domain.casino_values import Doubt
from betcore.domain.claims import Confirmation, ReadAccept
from betcore.domain.errors import Code, Misconfigured
from betcore.domain.ids import TransactionType
from betcore.domain.money import Money
from betcore.runtime.settings import Settings

PATIENCE = 15
STAKE, PAY_OUT, RETURN, CLAW_BACK = (
    TransactionType.ACCEPT_BET,
    TransactionType.PAY_OUT,
    TransactionType.BET_RETURN,
    TransactionType.PAY_OUT_RETURN,
)
COUNTERPARTY = "11111111-2222-4333-8444-555555555555"
PARTNERS = """
WITH p AS (INSERT INTO provider (counterparty_id, name, base_url, profile, secret)
           VALUES (:counterparty, 'p', 'http://p', '{}', '') RETURNING provider_id),
     c AS (INSERT INTO casino (name, api_host, profile, secret) VALUES ('c', 'http://c', '{}', '')
           RETURNING casino_id),
     g AS (INSERT INTO game (provider_id, provider_game_id, name) SELECT provider_id, 'g', 'g' FROM p RETURNING game_id)
INSERT INTO player (casino_id, partner_user_id) SELECT casino_id, 'anna' FROM c
"""
BET = """
WITH made AS (
    INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, round_id, currency, stake,
                     state, refusal, owner, lives, closed_at)
    SELECT game.provider_id, 'bet', casino_id, player_id, game_id, 's', 'r', 'EUR', 1000, :bet_state,
           CASE WHEN CAST(:bet_state AS text) = 'refused' THEN 'no_money' END, 'run', :lives,
           CASE WHEN CAST(:bet_state AS text) = 'refused' THEN now() END
    FROM player, game
    RETURNING bet_id
)
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, accept_code, accept_transaction_id, accept_at,
                      awaited_until)
SELECT bet_id, :kind, 1000, :state, 1, CAST(:code AS text), CAST(:theirs AS text),
       CASE WHEN CAST(:code AS text) IS NOT NULL THEN now() END, CASE WHEN :awaited THEN now() END
FROM made RETURNING bet_id
"""
MOVEMENT = "SELECT * FROM movement WHERE bet_id = :bet_id AND transaction_type = :kind"
FAILURES = ("103801", "515")


class BetDatabase:
    """A database with one player, and a bet as a test wants it."""

    def __init__(self, db: Database, engine: AsyncEngine) -> None:
        self.db, self.engine = db, engine
        self.accepts, self.bets = Accepts(db), Bets(db)

    async def sql(self, query: str, **given: Any) -> list[Any]:
        async with self.engine.connect() as connection:
            found = await connection.execute(text(query), given)
            return list(found) if found.returns_rows else []

    async def bet(self, kind: TransactionType = STAKE, state: str = "sending", **given: Any) -> int:
        """Insert a bet with one movement of 10 EUR, and return its id."""
        rest = {"code": None, "theirs": None, "awaited": False, "lives": 0, "bet_state": "accepting", **given}
        bet_id: int = (await self.sql(BET, kind=int(kind), state=state, **rest))[0].bet_id
        return bet_id

    async def store(self, bet_id: int, kind: TransactionType = STAKE, **given: Any) -> StoredAccept:
        """Store an Accept; by default a success."""
        return await self.accepts.store(1, accept(bet_id, kind, **given))

    async def movement(self, bet_id: int, kind: TransactionType = STAKE) -> Any:
        return (await self.sql(MOVEMENT, bet_id=bet_id, kind=int(kind)))[0]

    async def events(self) -> list[Any]:
        return [row.data for row in await self.sql("SELECT data FROM bet_event WHERE kind = 'accept'")]

    async def incidents(self) -> list[Any]:
        return await self.sql("SELECT kind, ours, theirs FROM incident ORDER BY incident_id")


def accept(bet_id: int, kind: TransactionType = STAKE, *, fails: bool = False, **given: Any) -> CasinoAccept:
    """Return an Accept of 10 EUR of anna."""
    code = given.pop("error_code", "515" if fails else "200")
    said: dict[str, Any] = {"amount": "10.00", "partner_user_id": "anna", "partner_transaction_id": "t-1", **given}
    alike = FAILURES if fails else ("200", "0")
    return CasinoAccept(bet_id, kind, error_code=code, alike=alike, success=not fails, **said)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[BetDatabase]:
    settings = Settings(database_url=SecretStr(database_url))
    engine = create_engine(settings)
    async with open_database(settings) as db:
        opened = BetDatabase(db, engine)
        await opened.sql(PARTNERS, counterparty=COUNTERPARTY)
        yield opened
    await engine.dispose()


async def test_an_accept_is_stored_as_it_was_said(database: BetDatabase) -> None:
    bet_id = await database.bet()
    assert await database.bets.stored_accept(bet_id, STAKE) is None
    found = await database.store(bet_id, balance="990.00", message="fine")
    assert found == StoredAccept(AcceptOutcome.STORED, hinted=True)
    word = Confirmation("200", "t-1", Money(minor=99_000, currency="EUR"))
    assert await database.bets.stored_accept(bet_id, STAKE) == word
    row = await database.movement(bet_id)
    assert (row.state, row.attempts, row.accept_at is None) == ("sending", 1, False)
    assert await database.events() == [
        {"type": -1, "error_code": "200", "partner_transaction_id": "t-1", "message": "fine"}
    ]


@pytest.mark.edge_case(85)
@pytest.mark.parametrize(("balance", "shown"), [("990.009", 99_000), ("1e3", 100_000), ("-0.01", None), ("much", None)])
async def test_a_balance_is_shown_as_far_as_it_can_be_and_stops_nothing(
    database: BetDatabase, balance: str, shown: int | None
) -> None:
    bet_id = await database.bet()
    assert (await database.store(bet_id, balance=balance)).outcome is AcceptOutcome.STORED
    assert (await database.movement(bet_id)).accept_balance == shown


@pytest.mark.edge_case(85)
@pytest.mark.parametrize("amount", ["10", "10.0", "10.00", "10.0000", "1e1", "-10.00"])
async def test_an_amount_is_compared_as_money(database: BetDatabase, amount: str) -> None:
    assert (await database.store(await database.bet(), amount=amount)).outcome is AcceptOutcome.STORED


@pytest.mark.edge_case(85)
@pytest.mark.parametrize(("kind", "amount"), [(STAKE, "10.001"), (PAY_OUT, "-10.00"), (RETURN, "-10")])
async def test_what_is_no_amount_of_the_movement_contradicts(
    database: BetDatabase, kind: TransactionType, amount: str
) -> None:
    bet_id = await database.bet(kind)
    stored = await database.store(bet_id, kind, amount=amount)
    assert (stored.outcome, stored.reason) == (AcceptOutcome.CONTRADICTED, "other_amount")
    assert await database.bets.stored_accept(bet_id, kind) is None
    (incident,) = await database.incidents()
    assert (incident.theirs["reason"], incident.theirs["minor_units"]) == ("other_amount", amount)


@pytest.mark.edge_case(85)
async def test_an_accept_that_cannot_be_read_is_noted_once_with_the_bet_that_it_is_for(database: BetDatabase) -> None:
    bet_id = await database.bet()
    for _ in range(2):
        await database.accepts.record_unreadable(1, bet_id, -1, Doubt.UNREADABLE_AMOUNT)
    await database.accepts.record_unreadable(1, bet_id, None, Doubt.UNREADABLE_TYPE)
    await database.accepts.record_unreadable(1, None, None, Doubt.UNREADABLE_BODY)
    await database.accepts.record_unreadable(2, bet_id, -1, Doubt.UNREADABLE_CODE)
    filed = [(one.kind, one.theirs) for one in await database.incidents()]
    assert filed == [
        ("accept_unreadable", {"type": -1, "reason": "unreadable_amount"}),
        ("accept_unreadable", {"reason": "unreadable_type"}),
    ]
    events = await database.sql("SELECT data FROM bet_event WHERE kind = 'accept_unread' ORDER BY event_id")
    assert [row.data for row in events] == [theirs for _, theirs in filed]


OTHERS = {
    "another amount": {"amount": "10.01"},
    "another player": {"partner_user_id": "bert"},
    "another transaction": {"transaction_id": "1:1"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_what_is_not_of_the_movement_contradicts_and_is_filed_once(
    database: BetDatabase, other: dict[str, str]
) -> None:
    bet_id = await database.bet()
    for _ in range(2):
        stored = await database.store(bet_id, **other)
        assert (stored, str(stored.reason)[:6]) == (StoredAccept(AcceptOutcome.CONTRADICTED), "other_")
    assert await database.bets.stored_accept(bet_id, STAKE) is None
    assert await database.events() == []
    (incident,) = await database.incidents()
    assert incident.kind == "accept_contradicts"
    assert "bert" not in str(incident.theirs)
    differs = {name for name in incident.ours if incident.ours[name] != incident.theirs.get(name)}
    assert differs & {"minor_units", "player", "transaction_id"}


async def test_what_was_never_sent_and_another_casinos_bet_are_unknown(database: BetDatabase) -> None:
    bet_id = await database.bet()
    assert await database.store(bet_id + 1) == StoredAccept(AcceptOutcome.UNKNOWN)
    assert await database.store(bet_id, PAY_OUT) == StoredAccept(AcceptOutcome.UNKNOWN)
    assert await database.accepts.store(2, accept(bet_id, amount="10.000")) == StoredAccept(AcceptOutcome.UNKNOWN)
    assert await database.incidents() == []


SAME = {
    "the same": {},
    "another code of that meaning": {"error_code": "0"},
    "without the casino's id": {"partner_transaction_id": None},
}


@pytest.mark.parametrize("again", SAME.values(), ids=SAME)
async def test_a_repeat_changes_nothing(database: BetDatabase, again: dict[str, Any]) -> None:
    bet_id = await database.bet(code="200", theirs="t-1")
    before = await database.movement(bet_id)
    assert await database.store(bet_id, **again) == StoredAccept(AcceptOutcome.REPEATED, hinted=True)
    assert await database.movement(bet_id) == before
    assert await database.events() == await database.incidents() == []


@pytest.mark.parametrize("again", [{"fails": True}, {"partner_transaction_id": "t-2"}])
async def test_the_first_one_stands(database: BetDatabase, again: dict[str, Any]) -> None:
    bet_id = await database.bet(code="200", theirs="t-1")
    for _ in range(2):
        assert await database.store(bet_id, **again) == StoredAccept(AcceptOutcome.CONTRADICTED)
    assert await database.bets.stored_accept(bet_id, STAKE) == Confirmation("200", "t-1", None)
    assert [incident.kind for incident in await database.incidents()] == ["accept_contradicts"]


# TransactionType, state of the movement, whether the Accept is a failure -> what becomes of it, whether it is stored.
ENDS = [
    (STAKE, "done", False, AcceptOutcome.STORED),
    (STAKE, "done", True, AcceptOutcome.CONTRADICTED),
    (PAY_OUT, "done", True, AcceptOutcome.CONTRADICTED),
    (PAY_OUT, "paid_by_hand", True, AcceptOutcome.CONTRADICTED),
    # The casino did not list it when it was asked, and an operator has paid: an incident must show the double payment.
    (PAY_OUT, "paid_by_hand", False, AcceptOutcome.CONTRADICTED),
    (CLAW_BACK, "refused", False, AcceptOutcome.CONTRADICTED),
    (CLAW_BACK, "refused", True, AcceptOutcome.STORED),
    (STAKE, "refused", True, AcceptOutcome.STORED),
    (STAKE, "absent", True, AcceptOutcome.STORED),
]


@pytest.mark.parametrize(("kind", "state", "fails", "outcome"), ENDS)
async def test_a_movement_that_is_over(
    database: BetDatabase, kind: TransactionType, state: str, fails: bool, outcome: AcceptOutcome
) -> None:
    bet_id = await database.bet(kind, state, awaited=True)
    assert await database.store(bet_id, kind, fails=fails) == StoredAccept(outcome)
    row = await database.movement(bet_id, kind)
    assert (row.state, row.accept_code is not None) == (state, outcome is AcceptOutcome.STORED)
    twice = state == "paid_by_hand" and not fails
    filed = ["paid_twice" if twice else "accept_contradicts"] if outcome is AcceptOutcome.CONTRADICTED else []
    assert [incident.kind for incident in await database.incidents()] == filed


@pytest.mark.edge_case(95)
@pytest.mark.parametrize("before", [None, "515"])
async def test_what_was_paid_by_hand_and_confirmed_after_it_is_paid_twice(
    database: BetDatabase, before: str | None
) -> None:
    bet_id = await database.bet(PAY_OUT, "paid_by_hand", code=before)
    for _ in range(2):
        assert await database.store(bet_id, PAY_OUT) == StoredAccept(AcceptOutcome.CONTRADICTED)
    (incident,) = await database.incidents()
    assert incident.kind == "paid_twice"
    assert incident.ours["transaction_id"] == incident.theirs.get("transaction_id") or incident.ours["transaction_id"]
    assert incident.ours["minor_units"] == incident.theirs["minor_units"]
    # Another amount, or another player, is another payment.
    await database.store(bet_id, PAY_OUT, amount="1.00")
    assert [one.kind for one in await database.incidents()] == ["paid_twice", "accept_contradicts"]


@pytest.mark.parametrize("state", ["refused", "absent"])
@pytest.mark.parametrize("before", [None, "515"])
async def test_a_stake_that_was_taken_after_its_bets_end_is_owed_back(
    database: BetDatabase, state: str, before: str | None
) -> None:
    bet_id = await database.bet(state=state, bet_state="refused", code=before)
    found = await database.store(bet_id)
    assert (found.outcome, found.confirmation) == (AcceptOutcome.ENDED, Confirmation("200", "t-1", None))
    assert found.ended is not None
    assert (found.ended.bet_id, found.ended.state, found.ended.refusal) == (bet_id, BetState.REFUSED, Code.NO_MONEY)
    # Whoever dies here is asked again, and comes to the same.
    assert (await database.store(bet_id)).outcome is AcceptOutcome.ENDED
    assert await database.incidents() == []
    assert found.confirmation is not None
    await database.bets.taken_after_the_end(found.ended, found.confirmation, {})
    assert await database.store(bet_id) == StoredAccept(AcceptOutcome.REPEATED)
    assert (await database.movement(bet_id)).state == "done"
    assert [incident.kind for incident in await database.incidents()] == ["debited_after_the_end"]


FIRST, RESUMED = f"bet:{COUNTERPARTY}:bet", "resume:{}:2"
WORKFLOW_IDS = [
    (STAKE, "sending", {"awaited": False}, None),
    (STAKE, "sending", {"awaited": True}, FIRST),
    (PAY_OUT, "sending", {"awaited": True, "lives": 2}, RESUMED),
    (RETURN, "sending", {"awaited": True}, FIRST),
    (PAY_OUT, "parked", {}, FIRST),
]


@pytest.mark.parametrize(("kind", "state", "given", "workflow_id"), WORKFLOW_IDS)
async def test_which_workflow_is_signalled(
    database: BetDatabase, kind: TransactionType, state: str, given: dict[str, Any], workflow_id: str | None
) -> None:
    bet_id = await database.bet(kind, state, **given)
    found = await database.store(bet_id, kind)
    assert found.workflow_id == (workflow_id and workflow_id.format(bet_id))
    assert found.hinted is (state == "sending")
    # A repeat makes up for a signal that was lost.
    assert (await database.store(bet_id, kind)).workflow_id == found.workflow_id


@pytest.mark.edge_case(92)
async def test_a_refusal_for_a_parked_movement_signals_no_workflow(database: BetDatabase) -> None:
    bet_id = await database.bet(PAY_OUT, "parked")
    for outcome in (AcceptOutcome.STORED, AcceptOutcome.REPEATED):
        found = await database.store(bet_id, PAY_OUT, fails=True)
        assert (found.outcome, found.workflow_id, found.hinted) == (outcome, None, False)
    # A success after it is stored, and signalled.
    found = await database.store(bet_id, PAY_OUT)
    assert (found.outcome, found.workflow_id) == (AcceptOutcome.STORED, FIRST)


@pytest.mark.parametrize(("lives", "workflow_id"), [(0, f"reversal:{COUNTERPARTY}:bet"), (3, "resume-reversal:{}:3")])
@pytest.mark.parametrize("kind", [RETURN, CLAW_BACK])
async def test_an_accept_of_a_reversal_signals_the_reversal(
    database: BetDatabase, kind: TransactionType, lives: int, workflow_id: str
) -> None:
    bet_id = await database.bet(kind, awaited=True, lives=7)
    await database.sql("INSERT INTO reversal (bet_id, lives) VALUES (:bet_id, :lives)", bet_id=bet_id, lives=lives)
    assert (await database.store(bet_id, kind)).workflow_id == workflow_id.format(bet_id)


async def test_of_many_at_once_one_is_stored(database: BetDatabase) -> None:
    bet_id = await database.bet()
    said = [{"fails": bool(number % 2)} for number in range(8)]
    async with database.engine.connect() as holder:
        # All of them have begun, and see nothing of each other, when the row is given free.
        await holder.execute(text("BEGIN"))
        await holder.execute(text("SELECT FROM movement FOR UPDATE"))
        tasks = [asyncio.create_task(database.store(bet_id, **one)) for one in said]
        await _all_wait(database, len(tasks))
        await holder.execute(text("COMMIT"))
    outcomes = [found.outcome for found in await asyncio.gather(*tasks)]
    assert outcomes.count(AcceptOutcome.STORED) == 1
    word = await database.bets.stored_accept(bet_id, STAKE)
    assert word is not None
    stands = word.error_code == "515"
    for one, outcome in zip(said, outcomes, strict=True):
        same = one["fails"] is stands
        other = AcceptOutcome.LATER if stands else AcceptOutcome.CONTRADICTED
        assert outcome in ((AcceptOutcome.STORED, AcceptOutcome.REPEATED) if same else (other,))
    assert len(await database.events()) == 1


async def test_a_success_while_a_refusal_is_judged_must_be_sent_again(database: BetDatabase) -> None:
    bet_id = await database.bet()
    assert (await database.store(bet_id, fails=True)).outcome is AcceptOutcome.STORED
    assert (await database.store(bet_id)).outcome is AcceptOutcome.LATER
    assert await database.incidents() == []
    word = await database.bets.stored_accept(bet_id, STAKE)
    assert word is not None
    assert word.error_code == "515"
    async with database.engine.connect() as connection:
        await connection.execute(text("UPDATE movement SET state = 'refused', ended_at = now()"))
        await connection.execute(text("UPDATE bet SET state = 'refused', refusal = 'no_money', closed_at = now()"))
    assert (await database.store(bet_id)).outcome is AcceptOutcome.ENDED


async def test_only_the_refusal_that_was_judged_is_forgotten(database: BetDatabase) -> None:
    """A worker that was frozen over a refusal must not take away the success that has come since."""
    bet_id = await database.bet(PAY_OUT)
    await database.store(bet_id, PAY_OUT, fails=True)
    refusal = ReadAccept("515", None, None, 1)
    await database.bets.forget_refusal(bet_id, PAY_OUT, refusal)
    assert await database.bets.stored_accept(bet_id, PAY_OUT) is None
    assert (await database.store(bet_id, PAY_OUT)).outcome is AcceptOutcome.STORED
    await database.bets.forget_refusal(bet_id, PAY_OUT, refusal)
    word = await database.bets.stored_accept(bet_id, PAY_OUT)
    assert word is not None
    assert (word.error_code, word.partner_transaction_id) == ("200", "t-1")


async def test_an_accept_that_waits_for_the_row_sees_what_became_of_it(database: BetDatabase) -> None:
    bet_id = await database.bet()
    async with database.engine.connect() as holder:
        await holder.execute(text("BEGIN"))
        await holder.execute(text("UPDATE movement SET state = 'refused', ended_at = now()"))
        ended = "UPDATE bet SET state = 'refused', refusal = 'no_money', closed_at = now()"
        await holder.execute(text(ended))
        task = asyncio.create_task(database.store(bet_id))
        await _all_wait(database, 1)
        await holder.execute(text("COMMIT"))
    found = await task
    assert found.outcome is AcceptOutcome.ENDED
    assert found.ended is not None
    assert found.confirmation is not None
    record = await database.bets.taken_after_the_end(found.ended, found.confirmation, {})
    assert record.state is BetState.REFUSED
    assert (await database.movement(bet_id)).state == "done"


async def _all_wait(database: BetDatabase, number: int) -> None:
    """Wait until this many statements wait for the row."""
    waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%found AS%'"
    async with asyncio.timeout(PATIENCE):
        while (await database.sql(f"{waiting} AND datname = current_database()"))[0].n < number:
            await asyncio.sleep(0.01)


# Notifications of Accepts


@pytest.fixture
async def hints(database_url: str) -> AsyncIterator[AcceptNotifications]:
    async with AcceptNotifications(Settings(database_url=SecretStr(database_url)), gap=0.01) as listening:
        async with asyncio.timeout(PATIENCE):
            await listening.listening.wait()
        yield listening


async def test_a_notification_wakes_all_that_expect_the_movement_and_no_other(
    database: BetDatabase, hints: AcceptNotifications
) -> None:
    async with (
        hints.expect(7, STAKE) as first,
        hints.expect(7, STAKE) as second,
        hints.expect(7, PAY_OUT) as another,
        hints.expect(77, STAKE) as other,
    ):
        await notify(database.db, 7, STAKE)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(first.wait(), second.wait())
        assert not another.is_set()
        assert not other.is_set()
    assert hints._expected == {}


async def test_nothing_is_left_of_those_who_stop_waiting(hints: AcceptNotifications) -> None:
    async def wait() -> None:
        async with hints.expect(7, STAKE) as told:
            await told.wait()

    cancelled = asyncio.create_task(wait())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wait()
    cancelled.cancel()
    await asyncio.wait([cancelled])
    assert hints._expected == {}


async def test_a_connection_that_is_lost_is_replaced(database: BetDatabase, hints: AcceptNotifications) -> None:
    ended = """
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE application_name = 'betcore hints' AND datname = current_database()
    """
    async with hints.expect(7, STAKE) as told:
        assert len(await database.sql(ended)) == 1
        async with asyncio.timeout(PATIENCE):
            while not told.is_set():
                await notify(database.db, 7, STAKE)
                await asyncio.sleep(0.01)


async def test_a_database_out_of_reach_stops_no_listener(database_url: str) -> None:
    nowhere = f"{database_url.rpartition('/')[0]}/nowhere"
    async with AcceptNotifications(Settings(database_url=SecretStr(nowhere)), gap=0.01) as hints:
        async with hints.expect(7, STAKE) as told:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await told.wait()
        assert not hints.listening.is_set()
    with pytest.raises(Misconfigured):
        AcceptNotifications(Settings(database_url=None))
