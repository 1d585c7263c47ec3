"""Whole bets at casinos that write values in other formats, or values that cannot be stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from temporalio.client import Client

from betcore.domain.bet import BetState, ReversalState
from betcore.domain.errors import Code
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import begin, reverse, start, update, working

MAKE, INFO = "/payments/make", "/payments/info"
BACK = [(-1, "10.00"), (1, "25.00"), (-2, "25.00"), (2, "10.00")]
# A movement without a response is looked for soon.
SHORT = (
    "{message_lifetime: 1, clock_leeway: 0, effect_within: 0.2, attempt_timeout: 1, fast_attempts: 1,"
    " retry: {first: 0.1, cap: 0.3}}"
)
PATIENCE = 90


@asynccontextmanager
async def playing(database_url: str, client: Client, profile: str = "") -> AsyncIterator[InProcessCasino]:
    async with asyncio.timeout(PATIENCE), open_casino(database_url, casino=profile) as casino, working(client, casino):
        yield casino


async def told(casino: InProcessCasino, event: str) -> list[Any]:
    """Return the data of all events of a kind, oldest first."""
    query = "SELECT data FROM bet_event WHERE kind = :kind ORDER BY event_id"
    return [row.data for row in await casino.sql(query, kind=event)]


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def counted(call: str, kind: str) -> float:
    return sample("betcore_casino_answers_total", casino="c", call=call, kind=kind)


@pytest.mark.edge_case(85)
@pytest.mark.edge_case(86)
@pytest.mark.parametrize("kind", ["other_types", "dirty_texts"])
async def test_every_movement_is_done_with_its_first_answer(database_url: str, temporal: Client, kind: str) -> None:
    async with playing(database_url, temporal) as casino:
        await casino.faults({"kind": kind})
        bet = await casino.pay_in_out()
        settled, _ = await start(temporal, bet)
        assert (settled.state, str(settled.closed_balance)) == (BetState.SETTLED, "1015.00")
        _, handle = await reverse(temporal, casino.reverse(bet, settled), casino.refund(bet))
        assert await handle.result() is ReversalState.REVERSED
        assert (await casino.journal(), await casino.incidents()) == (BACK, [])
        assert await casino.attempts() == {-1: 1, 1: 1, -2: 1, 2: 1}
        ids = [row.partner_transaction_id for row in await casino.sql("SELECT partner_transaction_id FROM movement")]
        assert len(set(ids)) == 4
        assert max(map(len, ids)) <= 256


@pytest.mark.edge_case(85)
async def test_a_list_in_other_clothes_shows_our_movement(database_url: str, temporal: Client) -> None:
    async with playing(database_url, temporal, SHORT) as casino:
        await casino.faults({"kind": "lost", "path": MAKE}, {"kind": "other_types", "path": INFO})
        handle = await begin(temporal, bet := await casino.pay_in(seconds=1))

        async def accepted() -> bool:
            return bool((row := await casino.row(bet)) and row.state == "acceptance")

        await eventually(accepted, PATIENCE)
        assert await casino.incidents() == []
        await handle.terminate("the test is over")


@pytest.mark.edge_case(85)
async def test_an_empty_list_in_other_clothes_shows_that_it_is_absent(database_url: str, temporal: Client) -> None:
    async with playing(database_url, temporal, SHORT) as casino:
        await casino.faults({"kind": "drop", "path": MAKE}, {"kind": "other_types", "path": INFO})
        bet = await casino.pay_in(seconds=1)
        record, handle = await start(temporal, bet)
        assert await handle.result() is BetState.REFUSED
        assert record.refusal in (Code.CASINO_UNAVAILABLE, None)
        assert [look["found"] for look in await told(casino, "looked")] == [False, False]


@pytest.mark.edge_case(85)
async def test_a_list_that_is_not_believed_says_why_and_is_asked_for_again(database_url: str, temporal: Client) -> None:
    before = counted(INFO, "other_bet")
    async with playing(database_url, temporal, SHORT) as casino:
        foreign = {"kind": "rewrite", "path": INFO, "fields": {"BetId": 1}}
        await casino.faults({"kind": "lost", "path": MAKE}, foreign)
        handle = await begin(temporal, bet := await casino.pay_in(seconds=1))

        async def looked() -> bool:
            return counted(INFO, "other_bet") >= before + 2

        await eventually(looked, PATIENCE)
        assert await told(casino, "looked") == [{"type": -1, "unclear": "other_bet"}]
        assert (await casino.row(bet)).state == "accepting"
        described = await handle.describe()
        (pending,) = described.raw_description.pending_activities
        assert pending.last_failure.message == "payments/info gave no clear answer: other_bet"
        await casino.faults({"kind": "lost", "path": MAKE})

        async def accepted() -> bool:
            return bool((await casino.row(bet)).state == "acceptance")

        await eventually(accepted, PATIENCE)
        await handle.terminate("the test is over")


@pytest.mark.edge_case(85)
@pytest.mark.parametrize(
    ("fields", "doubt"),
    [
        ({"Amount": "10.001"}, "other_amount"),
        ({"PartnerUserId": "bert"}, "other_player"),
        ({"TransactionId": "1:1"}, "other_transaction"),
    ],
)
async def test_what_differs_in_value_is_parked_and_says_in_what(
    database_url: str, temporal: Client, fields: dict[str, str], doubt: str
) -> None:
    async with playing(database_url, temporal, SHORT) as casino:
        await casino.faults({"kind": "lost", "path": MAKE}, {"kind": "rewrite", "path": INFO, "fields": fields})
        handle = await begin(temporal, await casino.pay_in(seconds=1))
        await eventually(casino.incidents, PATIENCE)
        (incident,) = await casino.incidents()
        assert (incident.kind, incident.theirs["reason"]) == ("parked", doubt)
        assert [look["reason"] for look in await told(casino, "looked")] == [doubt]
        assert "bert" not in str(incident.theirs)
        await handle.terminate("the test is over")


DEEP = "[" * 100_000
UNREADABLE = {
    "deep": (DEEP, "unreadable"),
    "a deep value": (f'{{"ErrorCode": 200, "Message": "", "Value": {DEEP}}}', "unreadable"),
    "a code twice": ('{"ErrorCode": 200, "ErrorCode": 103802, "Message": "", "Value": null}', "no_error_code"),
    "a code that is no code": ('{"ErrorCode": {"Code": 200}, "Message": "", "Value": null}', "no_error_code"),
    "a huge code": (f'{{"ErrorCode": {"9" * 5000}, "Message": "", "Value": null}}', "unmapped_code"),
    "half a body": ('{"ErrorCode": 200, "Message": "', "not_json"),
}


@pytest.mark.edge_case(86)
@pytest.mark.parametrize(("body", "kind"), UNREADABLE.values(), ids=UNREADABLE)
async def test_an_answer_that_cannot_be_read_is_unknown_and_counted(
    database_url: str, temporal: Client, body: str, kind: str
) -> None:
    before, opened = counted(MAKE, kind), sample("betcore_breaker_opened_total", casino="c")
    profile = "{retry: {first: 0.1, cap: 0.3}, breaker: {failures: 2, probe_every: 0.2}}"
    async with playing(database_url, temporal, profile) as casino:
        bet = await casino.pay_in()
        _, handle = await start(temporal, bet)
        answer = {"kind": "answer", "status": 200, "body": body, "commit": True}
        await casino.faults({**answer, "path": MAKE, "transaction_type": 1, "times": 2})
        assert (await update(handle, "pay_out", casino.pay_out(bet, "25.00"))).state is BetState.SETTLED
        unclear = [one for one in await told(casino, "answer") if one.get("progress") == "unknown"]
        assert [one["kind"] for one in unclear] == [kind, kind]
        assert counted(MAKE, kind) == before + 2
        # The breaker counts it, as any other unclear response.
        assert sample("betcore_breaker_opened_total", casino="c") == opened + 1


# A success with text that cannot be stored, shown or sent.
DIRTY = {
    "a message": '{"ErrorCode": 200, "Message": "\\u0000\\ud83d **x** ' + "y" * 100_000 + '", "Value": null}',
    "raw control characters": '{"ErrorCode": 200, "Message": "a\x00\x01\nb", "Value": null}',
    "a value that is text": '{"ErrorCode": 200, "Message": null, "Value": "\\ud83d"}',
    "a balance twice": '{"ErrorCode": 200, "Message": "", "Value": {"Balance": "1.00", "Balance": "2.00"}}',
    "a balance that is no number": '{"ErrorCode": 200, "Message": "", "Value": {"Balance": NaN}}',
    "a huge balance": f'{{"ErrorCode": 200, "Message": "", "Value": {{"Balance": {"9" * 5000}}}}}',
    "an id of 200,000 characters": '{"ErrorCode": 200, "Message": "", "Value": {"PartnerTransactionId": "'
    + "x" * 200_000
    + '"}}',
    "names of 200,000 characters": '{"' + "x" * 200_000 + '": 1, "ErrorCode": 200, "Message": "", "Value": []}',
}


@pytest.mark.edge_case(86)
@pytest.mark.parametrize("body", DIRTY.values(), ids=DIRTY)
async def test_a_success_with_dirty_text_is_done(database_url: str, temporal: Client, body: str) -> None:
    async with playing(database_url, temporal) as casino:
        await casino.faults({"kind": "answer", "status": 200, "body": body, "commit": True, "path": MAKE, "times": 9})
        bet = await casino.pay_in_out()
        settled, handle = await start(temporal, bet)
        assert (settled.state, settled.closed_balance) == (BetState.SETTLED, None)
        assert await handle.result() is BetState.SETTLED
        assert await casino.attempts() == {-1: 1, 1: 1}


_REFUSE_AT_LENGTH = (
    """
    CREATE FUNCTION refuse_at_length() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'movement refused %', repeat('at length ', 1000);
    END $$
    """,
    "CREATE TRIGGER refuse_at_length BEFORE UPDATE ON movement EXECUTE FUNCTION refuse_at_length()",
)


@pytest.mark.edge_case(86)
async def test_a_failure_can_be_read_in_temporal(database_url: str, temporal: Client) -> None:
    """A database refuses with a long text: the UI shows its beginning, and not that the failure is too large."""
    async with playing(database_url, temporal, SHORT) as casino:
        await casino.faults({"kind": "drop", "path": MAKE})
        handle = await begin(temporal, await casino.pay_in(seconds=1))
        query = "SELECT attempts FROM movement"

        async def begun() -> bool:
            return bool(await casino.sql(query))

        await eventually(begun, PATIENCE)
        async with casino.engine.connect() as connection:
            for statement in _REFUSE_AT_LENGTH:
                await connection.execute(text(statement))

        async def failed() -> bool:
            pending = (await handle.describe()).raw_description.pending_activities
            failure = pending[0].last_failure if pending else None
            said = failure.message if failure else ""
            assert len(said) <= 500
            assert "size limit" not in said
            return "movement" in said

        await eventually(failed, PATIENCE)
        await handle.terminate("the test is over")
