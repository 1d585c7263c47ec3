"""What operators see of bets: rows written as the service writes them, and workflows at a real Temporal."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from prometheus_client import REGISTRY
from pydantic import SecretStr
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import Pay
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.claims import Confirmation
from betcore.domain.ids import BetKey, TransactionType, bet_workflow_id
from betcore.domain.messages import PayIn
from betcore.domain.money import Money
from betcore.domain.open_bets import OpenBet
from betcore.runtime.settings import Settings
from betcore.temporal import executions, visibility
from betcore.temporal.client import connect
from betcore.verify.report import Report
from betcore.verify.workflows import Timing, WorkflowCheck
from devkit.stack import temporal
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.unit.test_onboarding_cli import Cli, Ran

OWNER = "life-1"
BY = ("--operator", "ann", "--reason", "a test")


@workflow.defn(name="Bet")
class Broken:
    """A bet whose code fails."""

    @workflow.run
    async def run(self) -> None:
        """Fail at every attempt of the workflow task."""
        raise RuntimeError("no such luck")


class OpsFixture:
    """Bets in one database, workflows at Temporal that stand for theirs, and the commands."""

    def __init__(self, casino: InProcessCasino, cli: Cli, temporal: Client, stack: AsyncExitStack, name: str) -> None:
        self.casino, self.cli, self.temporal, self._stack = casino, cli, temporal, stack
        self.queue, self.casino_name = f"test-{uuid4()}", f"{name} {uuid4()}"

    async def bet(self, stake: str = "10.00", **changed: Any) -> tuple[PayIn, BetRecord]:
        """Open a bet whose stake the casino has."""
        order = await self.casino.pay_in(stake, **changed)
        opened = (await self.casino.bets.open(order, OWNER, BetState.ACCEPTING, None)).record
        return order, await self.casino.bets.accept(opened.bet_id, OWNER, _word("T-1"))

    async def pay(self, record: BetRecord, kind: TransactionType, amount: str) -> None:
        """Begin to pay."""
        policy = (await self.casino.pay_in()).policy
        await self.casino.bets.begin_credit(
            Pay(
                bet_id=record.bet_id,
                owner=OWNER,
                casino_id=record.casino_id,
                partner_user_id="anna",
                transaction_type=kind,
                amount=Money.parse(amount, "EUR"),
                attempt_timeout=policy.attempt_timeout,
                sends=1,
                retry=policy.retry,
            )
        )

    async def settled(self) -> BetRecord:
        _, record = await self.bet()
        await self.pay(record, TransactionType.PAY_OUT, "25.00")
        return await self.casino.bets.credit_done(record.bet_id, OWNER, TransactionType.PAY_OUT, _word("T-2"))

    async def as_if(self, statement: str) -> None:
        """Change what the database itself does not permit."""
        for table in ("bet", "movement"):
            await self.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await self.run(statement)

    async def run(self, statement: str) -> None:
        async with self.casino.engine.connect() as connection:
            await connection.exec_driver_sql(statement)

    async def carried(
        self, workflow_id: str, status: str = "open", attention: bool = False, settle_by: datetime | None = None
    ) -> WorkflowHandle[Any, Any]:
        """Start a workflow that stands for a bet's; no worker runs it, except for ``broken``."""
        told = visibility.at_start(
            casino=self.casino_name,
            provider="p",
            player_ref="ref",
            game="dice",
            settle_by=settle_by or datetime.now(UTC) + timedelta(days=1),
            status=status,
        )
        handle = await self.temporal.start_workflow(
            "Bet",
            id=workflow_id,
            task_queue=self.queue,
            search_attributes=told.updated(SearchAttributePair(visibility.NEEDS_ATTENTION, attention)),
        )
        self._stack.push_async_callback(handle.terminate)
        return handle

    async def listed(self, trouble: str, number: int) -> None:
        """Wait until Temporal's list has this many of these bets."""

        async def known() -> bool:
            return len([one async for one in executions.find_stuck(self.temporal, trouble, self.casino_name)]) == number

        await eventually(known, 60)

    async def says(self, *arguments: str) -> Ran:
        return await asyncio.to_thread(self.cli.run, "ops", *arguments)

    async def did(self, *arguments: str) -> dict[str, Any]:
        return await asyncio.to_thread(self.cli.did, "ops", *arguments)

    async def refused(self, *arguments: str) -> tuple[str, str]:
        error = await asyncio.to_thread(self.cli.refused, "ops", *arguments)
        return error["code"], error["message"]


def _word(transaction: str) -> Confirmation:
    return Confirmation("200", transaction, Money.parse("990.00", "EUR"))


def _id(order: PayIn) -> str:
    return bet_workflow_id(BetKey(order.counterparty_id, order.provider_bet_id))


@asynccontextmanager
async def _open(
    database_url: str, address: str, folder: Path, name: str, key: str | None = None
) -> AsyncIterator[OpsFixture]:
    async with open_casino(database_url) as casino, AsyncExitStack() as stack:
        client = await connect(Settings(temporal_address=address, temporal_payload_key=key and SecretStr(key)))
        cli = Cli(database_url, folder)
        cli.environment |= {"BETCORE_TEMPORAL_ADDRESS": address, "BETCORE_TEMPORAL_PAYLOAD_KEY": key}
        fixture = OpsFixture(casino, cli, client, stack, name)
        async with casino.engine.connect() as connection:
            await connection.exec_driver_sql("UPDATE casino SET name = $1", (fixture.casino_name,))
        yield fixture


@pytest.fixture
async def fixture(database_url: str, temporal_address: str, tmp_path: Path) -> AsyncIterator[OpsFixture]:
    """One whose casino has a name that a query cannot hold."""
    async with _open(database_url, temporal_address, tmp_path, 'o\'hara \\ "sons"') as fixture:
        yield fixture


@pytest.fixture
async def alert(database_url: str, tmp_path: Path) -> AsyncIterator[OpsFixture]:
    """One beside a Temporal that reports failing workflow tasks soon, and reads nothing of what they say."""
    settings = ("system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2",)
    async with (
        temporal.running(tmp_path / "temporal", dynamic_config=settings) as address,
        _open(database_url, address, tmp_path, "royal", Fernet.generate_key().decode()) as fixture,
    ):
        yield fixture


# What is owed


async def test_what_is_owed_is_summed_by_casino_currency_and_age(fixture: OpsFixture) -> None:
    (_, win), (_, more), (_, back), (_, taken) = [await fixture.bet() for _ in range(4)]
    await fixture.pay(win, TransactionType.PAY_OUT, "25.00")
    await fixture.pay(more, TransactionType.PAY_OUT, "9999999999999.99")
    await fixture.pay(back, TransactionType.BET_RETURN, "10.00")
    await fixture.casino.bets.withdraw(taken.bet_id, OWNER)
    await fixture.bet()
    await fixture.settled()
    hour_old = "first_sent_at - interval '30 minutes'"
    await fixture.as_if(f"UPDATE movement SET first_sent_at = {hour_old} WHERE bet_id = {win.bet_id}")  # noqa: S608  a test's own words
    found = (await fixture.did("owed", "--casino", fixture.casino_name))["owed"]
    assert [(one["casino"], one["currency"]) for one in found] == [(fixture.casino_name, "EUR")] * 2
    assert [(one["age"], one["bets"], one["amount"]) for one in found] == [
        ("under an hour", 1, "25.00"),
        ("under a minute", 3, "10000000000019.99"),
    ]
    assert datetime.now(UTC) - datetime.fromisoformat(found[0]["oldest_at"]) > timedelta(minutes=29)
    assert "10000000000019.99" in (await fixture.says("owed")).output


async def test_a_reversal_owes_the_stake_once_the_win_is_back(fixture: OpsFixture) -> None:
    record, reversals = await fixture.settled(), Reversals(fixture.casino.database)
    await reversals.open(record.bet_id, OWNER, None)
    await reversals.begin_debit(record.bet_id, OWNER, datetime.now(UTC) + timedelta(seconds=10))
    assert (await fixture.did("owed"))["owed"] == []
    await fixture.as_if(f"UPDATE movement SET state = 'done' WHERE bet_id = {record.bet_id}")  # noqa: S608  a test's own words
    [owed] = (await fixture.did("owed"))["owed"]
    assert (owed["bets"], owed["amount"]) == (1, "10.00")


async def test_a_stake_taken_after_the_end_is_owed_before_anybody_returns_it(fixture: OpsFixture) -> None:
    order = await fixture.casino.pay_in()
    opened = (await fixture.casino.bets.open(order, OWNER, BetState.ACCEPTING, None)).record
    await fixture.run("UPDATE movement SET state = 'absent', ended_at = now()")
    await fixture.run("UPDATE bet SET state = 'refused', refusal = 'no_money', closed_at = now()")
    assert (await fixture.did("owed"))["owed"] == []
    await fixture.casino.bets.taken_after_the_end(opened, _word("T-1"), {"amount": "10.00"})
    [owed] = (await fixture.did("owed"))["owed"]
    assert (owed["bets"], owed["amount"]) == (1, "10.00")


async def test_a_casino_that_there_is_not_owes_nothing_and_has_nothing_stuck(fixture: OpsFixture) -> None:
    for command in ("owed", "stuck"):
        assert (await fixture.refused(command, "--casino", "nobody"))[0] == "not_found"


# One bet


async def test_a_bet_is_shown_by_each_of_its_names_with_or_without_temporal(fixture: OpsFixture) -> None:
    order, record = await fixture.bet()
    names = (str(record.bet_id), f"p/{order.provider_bet_id}", _id(order), f"resume:{record.bet_id}:4")
    for named in names:
        told = await fixture.did("show", named)
        assert told["bet"]["bet_id"] == record.bet_id
        assert (told["next"], told["no_next"]) == ([], "Temporal does not know its workflow any more")
    fixture.cli.environment["BETCORE_TEMPORAL_ADDRESS"] = "127.0.0.1:1"
    told = await fixture.did("show", names[0])
    assert [event["kind"] for event in told["events"]] == ["pay_in", "send", "answer"]
    assert "Temporal does not answer" in told["no_next"]
    assert "Temporal does not answer" in (await fixture.says("show", names[0])).output
    for nobody in ("p/nothing", "q/" + order.provider_bet_id, "999", "9" * 30, "bet:x:y", "what"):
        assert (await fixture.refused("show", nobody))[0] == "not_found"


# What is stuck


async def test_each_reason_why_a_bet_does_not_come_on_is_listed(fixture: OpsFixture) -> None:
    (waits, first), (late, second), (lost, third), (fine, _) = [await fixture.bet() for _ in range(4)]
    await fixture.pay(first, TransactionType.PAY_OUT, "25.00")
    settle_by = datetime.now(UTC) - timedelta(hours=2)
    await fixture.carried(_id(waits), "parked", attention=True, settle_by=settle_by)
    await fixture.carried(_id(late), settle_by=settle_by)
    await fixture.carried(_id(fine))
    await fixture.carried(f"bet:{waits.counterparty_id}:without-a-row", "unknown", attention=True)
    await fixture.as_if("UPDATE bet SET opened_at = opened_at - interval '1 hour'")
    await fixture.listed("attention", 2)
    await fixture.listed("overdue", 2)
    found = {one["bet"]: one for one in (await fixture.did("stuck", "--casino", fixture.casino_name))["stuck"]}
    without = f"bet:{waits.counterparty_id}:without-a-row"
    assert {name: one["why"] for name, one in found.items()} == {
        f"p/{waits.provider_bet_id}": "needs attention",
        f"p/{late.provider_bet_id}": "past its time, without a result",
        f"p/{lost.provider_bet_id}": "no workflow carries it; the sweep resumes it",
        without: "needs attention",
    }
    paid, overdue, alone = (found[f"p/{order.provider_bet_id}"] for order in (waits, late, lost))
    assert (paid["amount"], paid["status"], paid["state"]) == ("EUR 25.00", "parked", "settling")
    assert datetime.now(UTC) - datetime.fromisoformat(paid["since"]) < timedelta(minutes=1)
    assert (overdue["amount"], overdue["bet_id"]) == ("EUR 10.00", second.bet_id)
    assert abs(datetime.fromisoformat(overdue["since"]) - settle_by) < timedelta(milliseconds=1)
    assert (alone["bet_id"], alone["status"], alone["retry_at"]) == (third.bet_id, None, None)
    assert (found[without]["bet_id"], found[without]["casino"]) == (None, fixture.casino_name)
    few = (await fixture.did("stuck", "--casino", fixture.casino_name, "--limit", "1"))["stuck"]
    assert 1 <= len(few) <= 3
    listed = (await fixture.says("stuck", "--casino", fixture.casino_name)).output
    assert listed.splitlines()[0].split() == [*paid]
    assert without in listed


async def test_failing_workflow_tasks_are_seen_with_their_reason(alert: OpsFixture) -> None:
    order, record = await alert.bet()
    handle = await alert.carried(_id(order))
    runner = UnsandboxedWorkflowRunner()
    async with Worker(alert.temporal, task_queue=alert.queue, workflows=[Broken], workflow_runner=runner):
        # The server says so after a run of failures.
        await alert.listed("failing", 1)
    [line] = (await alert.did("stuck", "--casino", alert.casino_name))["stuck"]
    assert (line["bet_id"], line["why"]) == (record.bet_id, "its workflow tasks fail")
    [workflow] = (await alert.did("show", str(record.bet_id)))["next"]
    assert workflow["task_attempt"] > 1
    assert "no such luck" in workflow["task_failure"]
    assert "no such luck" in (await alert.says("show", str(record.bet_id))).output
    # Nothing of it is readable at Temporal.
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    events = [event for event in (await handle.fetch_history()).events if event.event_type == failed]
    assert events
    assert "no such luck" not in str(events)


async def test_other_workflows_are_no_bets(fixture: OpsFixture) -> None:
    """One of another type, though it says that it needs attention."""
    told = visibility.at_start(
        casino=fixture.casino_name, provider="p", player_ref="ref", game="dice", settle_by=datetime.now(UTC)
    ).updated(SearchAttributePair(visibility.NEEDS_ATTENTION, True))
    other = await fixture.temporal.start_workflow(
        "Another", id=f"other-{uuid4()}", task_queue=fixture.queue, search_attributes=told
    )
    order, _ = await fixture.bet()
    await fixture.carried(_id(order), "owed", attention=True)
    query = f"WorkflowId = '{other.id}'"

    async def known() -> bool:
        return (await fixture.temporal.count_workflows(query)).count == 1

    await eventually(known, 60)
    await fixture.listed("attention", 1)
    [line] = (await fixture.did("stuck", "--casino", fixture.casino_name))["stuck"]
    assert line["bet"] == f"p/{order.provider_bet_id}"
    await other.terminate()


# The minute's look


@pytest.mark.parametrize("few", [0, 50], ids=["after the list", "without the list"])
async def test_what_the_list_does_not_have_is_asked_of_each_workflow(
    fixture: OpsFixture, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """A name that breaks the query is why the list does not answer here."""
    monkeypatch.setattr(executions, "_FEW", few)
    runs, gone = f"it's {uuid4()}", f"it's {uuid4()}"
    await fixture.carried(runs)
    rows = [OpenBet("bet", number, OWNER, 0, name) for number, name in enumerate((runs, gone), 1)]
    assert [row.workflow_id for row in await executions.without_execution(fixture.temporal, rows)] == [gone]


async def test_the_look_counts_what_is_stuck_and_forgets_it(
    fixture: OpsFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, _ = await fixture.bet()
    await fixture.carried(_id(order), settle_by=datetime.now(UTC) - timedelta(minutes=1))
    await fixture.listed("overdue", 1)
    look = fixture.casino.activities(fixture.temporal).recovery
    counts = await ActivityEnvironment().run(look.name_stuck)
    assert counts["overdue"] >= 1
    assert _gauge("overdue") == counts["overdue"]
    assert _gauge("failing") == counts["failing"]
    # The next looks may be another process's.
    monkeypatch.setattr("activities.recovery.monotonic", lambda: monotonic() + 3600)
    assert math.isnan(_gauge("overdue"))


@pytest.mark.edge_case(97)
async def test_a_row_that_cannot_be_read_is_named_and_passed_over(fixture: OpsFixture) -> None:
    """Two bets without a workflow; the first one is in a currency that this deployment lacks."""
    (odd, unread), (_, other) = [await fixture.bet() for _ in range(2)]
    await fixture.pay(unread, TransactionType.PAY_OUT, "25.00")
    await fixture.as_if(f"UPDATE bet SET currency = 'LOST' WHERE bet_id = {unread.bet_id}")  # noqa: S608  a test's own words
    await fixture.as_if("UPDATE bet SET opened_at = opened_at - interval '1 hour'")
    stuck = {one["bet_id"]: one for one in (await fixture.did("stuck", "--casino", fixture.casino_name))["stuck"]}
    assert {bet_id: one["why"].partition(":")[0] for bet_id, one in stuck.items()} == {
        unread.bet_id: "unreadable",
        other.bet_id: "no workflow carries it; the sweep resumes it",
    }
    named = (stuck[unread.bet_id]["bet"], stuck[unread.bet_id]["amount"])
    assert named == (f"p/{odd.provider_bet_id}", "LOST 2500 minor units")
    look = fixture.casino.activities(fixture.temporal).recovery
    assert await ActivityEnvironment().run(look.resume_lost) == 1
    assert _gauge("unreadable") == 1
    resumed = fixture.temporal.get_workflow_handle(f"resume:{other.bet_id}:1")
    assert (await resumed.describe()).workflow_type == "Bet"
    await resumed.terminate()
    [owed] = (await fixture.did("owed", "--casino", fixture.casino_name))["owed"]
    assert (owed["currency"], owed["amount"]) == ("LOST", "2500 minor units")
    assert (await fixture.did("show", str(unread.bet_id)))["bet"]["stake"] == "1000 minor units"


@pytest.mark.edge_case(97)
async def test_a_workflow_whose_id_names_no_bet_keeps_no_bet_from_being_reminded(fixture: OpsFixture) -> None:
    odd = [f"bet:no-uuid:{uuid4()}", f"resume:{2**70}:{uuid4()}", f"odd-{uuid4()}"]
    for workflow_id in odd:
        await fixture.carried(workflow_id)

    async def known() -> bool:
        running = {one.id async for one in fixture.temporal.list_workflows("ExecutionStatus = 'Running'")}
        return running >= set(odd)

    await eventually(known, 60)
    assert await fixture.casino.activities(fixture.temporal).recovery.remind(timedelta(seconds=-5)) == 0


@pytest.mark.edge_case(97)
async def test_verify_reads_an_open_reversal(fixture: OpsFixture) -> None:
    """Its workflow is missing, which is reported whether its claw-back is on its way or parked."""
    record = await fixture.settled()
    reversals = Reversals(fixture.casino.database)
    await reversals.open(record.bet_id, OWNER, None)
    await reversals.begin_debit(record.bet_id, OWNER, datetime.now(UTC) + timedelta(seconds=10))
    moment = Timing(settled=timedelta(0), again_after=timedelta(0))
    for state in ("sending", "parked"):
        await fixture.as_if(f"UPDATE movement SET state = '{state}' WHERE transaction_type = -2")  # noqa: S608  a test's own words
        report = Report()
        await WorkflowCheck(fixture.casino.database, fixture.temporal, report, lambda _: None, moment).check()
        found = {one.check for one in report.violations if one.bet_id == str(record.bet_id)}
        assert found == {"workflows", "owed"}


def _gauge(why: str) -> float:
    found = REGISTRY.get_sample_value("betcore_stuck", {"why": why})
    assert found is not None
    return found


# Acting


async def test_a_word_that_is_missing_keeps_anything_from_being_sent(fixture: OpsFixture) -> None:
    _, record = await fixture.bet()
    number = str(record.bet_id)
    # Nothing could be sent: there is no Temporal.
    fixture.cli.environment["BETCORE_TEMPORAL_ADDRESS"] = "127.0.0.1:1"
    del fixture.cli.environment["BETCORE_OPERATOR"]
    for blank in ("", "  ", "x" * 501, "a\nb"):
        for words in (("--operator", blank, "--reason", "a test"), ("--operator", "ann", "--reason", blank)):
            assert (await fixture.refused("void", number, *words))[0] == "invalid_operation"
    for win in ("", "1.234", "-1", "1e3", "NaN", "+1", "25 EUR"):
        assert (await fixture.refused("settle", number, f"--win={win}", *BY))[0] == "invalid_operation"
    for action in ("retry", "void", "mark-paid"):
        assert (await fixture.refused(action, "999999", *BY))[0] == "not_found"
        assert (await fixture.says(action, number, "--reason", "a test")).status == 2
        assert (await fixture.says(action, number, "--operator", "ann")).status == 2
    assert (await fixture.says("settle", number, *BY)).status == 2
    fixture.cli.environment["BETCORE_OPERATOR"] = "ann"
    # With a name from the environment it goes as far as Temporal.
    assert (await fixture.refused("void", number, "--reason", "a test"))[0] == "unreachable"


async def test_without_a_worker_it_is_not_known_whether_the_action_is_taken(fixture: OpsFixture) -> None:
    order, record = await fixture.bet()
    await fixture.carried(_id(order))
    code, message = await fixture.refused("retry", str(record.bet_id), *BY)
    assert code == "unknown"
    assert "again does no harm" in message


async def test_a_bet_that_has_ended_or_is_alone_says_so(fixture: OpsFixture) -> None:
    record = await fixture.settled()
    code, message = await fixture.refused("void", str(record.bet_id), *BY)
    assert (code, "settled" in message) == ("operation_refused", True)
    _, alone = await fixture.bet()
    code, message = await fixture.refused("void", str(alone.bet_id), *BY)
    assert (code, "no workflow carries it" in message) == ("operation_refused", True)


async def test_a_round_in_review_is_listed_beside_what_is_stuck(fixture: OpsFixture) -> None:
    await fixture.run(
        "INSERT INTO live_game (game_type, provider_id, name_key, betting_seconds) VALUES (1, 1, 'draw', 9)"
    )
    await fixture.run(
        "INSERT INTO live_round (game_type, edition, provider_id, round_id, state, announced_at, started_at, reason) "
        "VALUES (1, 1, 1, 'dark', 'review', now(), now(), 'no_result')"
    )
    [found] = (await fixture.did("stuck"))["rounds"]
    assert (found["round_id"], found["provider"], found["reason"]) == ("dark", "p", "no_result")
    assert "rounds in review" in (await fixture.says("stuck")).output
    assert (await fixture.did("stuck", "--casino", fixture.casino_name))["rounds"] == []
