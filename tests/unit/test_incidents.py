"""Incidents as people read them, over rows that were written as the service writes them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from betcore.cli.formatting import EVENTS_AT_EACH_END
from betcore.db.incidents import KINDS, Incidents
from betcore.db.reversals import Reversals
from betcore.domain.activity_inputs import Incident, Pay
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.claims import Confirmation
from betcore.domain.ids import TransactionType
from betcore.domain.messages import PayIn
from betcore.domain.money import Money
from tests.in_process_casino import InProcessCasino, open_casino
from tests.unit.test_onboarding_cli import Cli, Ran

OWNER = "life-1"


class IncidentFixture:
    """Bets and their incidents in one database, and the command that reads them."""

    def __init__(self, casino: InProcessCasino, cli: Cli) -> None:
        self.casino = casino
        self.incidents = Incidents(casino.database)
        self._cli = cli

    async def bet(self, stake: str = "10.00", **changed: Any) -> tuple[PayIn, BetRecord]:
        """Open a bet whose stake the casino has."""
        order = await self.casino.pay_in(stake, **changed)
        opened = (await self.casino.bets.open(order, OWNER, BetState.ACCEPTING, None)).record
        word = Confirmation("200", "T-1", Money.parse("990.00", "EUR"))
        return order, await self.casino.bets.accept(opened.bet_id, OWNER, word)

    async def file(self, record: BetRecord | None, kind: str = "cancelled", **sides: dict[str, str]) -> None:
        given = {"ours": {}, "theirs": {"asked": "cancel"}, **sides}
        await self.casino.bets.file_incident(Incident(bet_id=record and record.bet_id, kind=kind, **given))

    async def contradiction(self, record: BetRecord, order: PayIn, stake: str) -> None:
        """File the incident of a PayIn that came again with another stake."""
        other = order.model_copy(update={"stake": Money.parse(stake, "EUR")})
        await self.file(record, "different_data", ours=record.facts(), theirs=other.facts())

    async def redate(self, to: str) -> None:
        """Give incidents another time, which the database itself does not permit."""
        await self.sql("ALTER TABLE incident DISABLE TRIGGER guard_incident")
        await self.sql(f"UPDATE incident SET at = {to}")  # noqa: S608  a test's own words
        await self.sql("ALTER TABLE incident ENABLE TRIGGER guard_incident")

    async def sql(self, statement: str, **given: Any) -> None:
        async with self.casino.engine.connect() as connection:
            await connection.execute(text(statement), given)

    async def ids(self, **filters: Any) -> list[int]:
        return [row["incident_id"] for row in await self.incidents.listed(**filters)]

    async def says(self, *arguments: str) -> Ran:
        return await asyncio.to_thread(self._cli.run, "incident", *arguments)

    async def did(self, *arguments: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._cli.did, "incident", *arguments)

    async def refused(self, *arguments: str) -> str:
        return (await asyncio.to_thread(self._cli.refused, "incident", *arguments))["code"]


@pytest.fixture
async def fixture(database_url: str, tmp_path: Path) -> AsyncIterator[IncidentFixture]:
    async with open_casino(database_url) as casino:
        yield IncidentFixture(casino, Cli(database_url, tmp_path))


# Reading


async def test_both_sides_stand_with_what_differs(fixture: IncidentFixture) -> None:
    order, record = await fixture.bet()
    await fixture.contradiction(record, order, "12.00")
    found = await fixture.incidents.shown(1)
    assert (found["kind"], found["differs"]) == ("different_data", ["stake"])
    assert (found["ours"]["stake"], found["theirs"]["stake"]) == ("EUR 10.00", "EUR 12.00")
    assert found["ours"]["round_id"] == found["theirs"]["round_id"] == order.round_id
    assert found["reversal"] is None


async def test_the_bet_is_shown_as_it_stands_now(fixture: IncidentFixture) -> None:
    order, record = await fixture.bet()
    await fixture.contradiction(record, order, "12.00")
    before = (await fixture.incidents.shown(1))["bet"]
    assert (before["state"], before["stake"], before["win"], before["closed_at"]) == ("acceptance", "10.00", None, None)
    await _pay_out(fixture, record)
    found = await fixture.incidents.shown(1)
    bet = found["bet"]
    assert (bet["state"], bet["stake"], bet["win"]) == ("settled", "10.00", "25.00")
    assert (bet["provider"], bet["provider_bet_id"], bet["casino"]) == ("p", order.provider_bet_id, "c")
    assert (bet["accepted_balance"], bet["closed_balance"]) == ("990.00", "1015.00")
    assert datetime.fromisoformat(bet["closed_at"]) > datetime.fromisoformat(bet["opened_at"])
    assert [(one["type"], one["name"], one["amount"], one["state"]) for one in found["movements"]] == [
        (-1, "accept_bet", "10.00", "done"),
        (1, "pay_out", "25.00", "done"),
    ]
    assert [event["kind"] for event in found["events"]] == ["pay_in", "send", "answer", "send", "answer"]
    assert [event["data"].get("type") for event in found["events"]] == [None, -1, -1, 1, 1]


async def test_a_refused_reversal_is_shown_with_its_bet(fixture: IncidentFixture) -> None:
    _, record = await fixture.bet()
    await _pay_out(fixture, record)
    reversals = Reversals(fixture.casino.database)
    await reversals.open(record.bet_id, OWNER, None)
    not_after = datetime.now(UTC) + timedelta(seconds=10)
    await reversals.begin_debit(record.bet_id, OWNER, not_after)
    await reversals.refuse_only_send(record.bet_id, OWNER, "515", not_after)
    found = await fixture.incidents.shown(1)
    assert (found["kind"], found["theirs"]) == ("reversal_refused", {"error_code": "515"})
    assert (found["bet"]["state"], found["reversal"]["state"]) == ("settled", "refused")
    assert found["reversal"]["closed_at"] is not None
    assert [(one["type"], one["state"], one["error_code"]) for one in found["movements"]] == [
        (-1, "done", "200"),
        (1, "done", "200"),
        (-2, "refused", "515"),
    ]
    assert "reversal:\n" in (await fixture.says("show", "1")).output


async def test_a_refused_bet_is_shown_with_its_refusal(fixture: IncidentFixture) -> None:
    order = await fixture.casino.pay_in()
    opened = (await fixture.casino.bets.open(order, OWNER, BetState.ACCEPTING, None)).record
    await fixture.sql("UPDATE bet SET state = 'refused', refusal = 'no_money', closed_at = now()")
    await fixture.file(opened)
    bet = (await fixture.incidents.shown(1))["bet"]
    assert (bet["state"], bet["refusal"], bet["accepted_at"]) == ("refused", "no_money", None)


async def test_what_was_filed_before_the_bet_had_a_row_finds_it(fixture: IncidentFixture) -> None:
    order = await fixture.casino.pay_in()
    await fixture.file(None, "different_data", ours=order.facts(), theirs={"win": "EUR 1.00"})
    await fixture.file(None)
    assert (await fixture.incidents.shown(1))["bet"] is None
    record = (await fixture.casino.bets.open(order, OWNER, BetState.ACCEPTING, None)).record
    assert (await fixture.incidents.shown(1))["bet"]["bet_id"] == record.bet_id
    assert await fixture.ids(bet_id=record.bet_id) == [1]
    nameless = await fixture.incidents.shown(2)
    assert (nameless["bet"], nameless["movements"], nameless["events"]) == (None, [], [])
    assert "there is no row of its bet" in (await fixture.says("show", "2")).output


async def test_nothing_says_who_the_player_is(fixture: IncidentFixture) -> None:
    order, record = await fixture.bet()
    sides = {"partner_user_id": order.partner_user_id, "stake": "EUR 1.00"}
    await fixture.file(record, "different_data", ours=sides, theirs=sides | {"partner_user_id": "other-anna"})
    found = await fixture.incidents.shown(1)
    assert found["differs"] == []
    for said in (found, await fixture.incidents.listed()):
        assert "partner_user_id" not in json.dumps(said)
        assert order.partner_user_id not in json.dumps(said)


# Listing


async def test_the_newest_come_first_and_pages_follow_each_other(fixture: IncidentFixture) -> None:
    _, record = await fixture.bet()
    for number in range(5):
        await fixture.file(record, theirs={"asked": str(number)})
    # A clock that was set back does not tear a page.
    await fixture.redate("at + interval '1 hour' WHERE incident_id = 2")
    assert await fixture.ids() == [5, 4, 3, 2, 1]
    assert await fixture.ids(limit=2) == [5, 4]
    assert await fixture.ids(limit=2, before=4) == [3, 2]


async def test_filters_are_of_kind_bet_provider_and_time(fixture: IncidentFixture) -> None:
    (order, first), (_, second) = await fixture.bet(), await fixture.bet()
    await fixture.contradiction(first, order, "12.00")
    await fixture.file(first)
    await fixture.file(second)
    await fixture.redate("'2026-01-02T00:00:00Z' WHERE incident_id = 1")
    assert await fixture.ids(kind="different_data") == [1]
    assert await fixture.ids(bet_id=first.bet_id) == [2, 1]
    assert await fixture.ids(bet_id=second.bet_id) == [3]
    assert await fixture.ids(provider="p", provider_bet_id=order.provider_bet_id) == [2, 1]
    assert await fixture.ids(provider="p", provider_bet_id="another") == []
    assert await fixture.ids(provider="p", kind="cancelled", bet_id=first.bet_id) == [2]
    assert await fixture.ids(since=datetime(2026, 1, 2, tzinfo=UTC), kind="different_data") == [1]
    assert await fixture.ids(since=datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC)) == [3, 2]


async def test_every_kind_is_counted_from_the_start(fixture: IncidentFixture) -> None:
    assert await fixture.incidents.counts() == dict.fromkeys(KINDS, 0)
    order, record = await fixture.bet()
    await fixture.contradiction(record, order, "12.00")
    await fixture.contradiction(record, order, "13.00")
    await fixture.file(record, "one of tomorrow")
    assert await fixture.incidents.counts() == dict.fromkeys(KINDS, 0) | {"different_data": 2, "one of tomorrow": 1}


# The command


async def test_the_command_prints_objects(fixture: IncidentFixture) -> None:
    order, record = await fixture.bet()
    await fixture.contradiction(record, order, "12.00")
    await fixture.file(record)
    assert (await fixture.did("list"))["incidents"] == await fixture.incidents.listed()
    of_bet = ("--provider", "p", "--bet", order.provider_bet_id, "--bet-id", str(record.bet_id))
    for narrowed in (("--kind", "different_data"), ("--before", "2")):
        (found,) = (await fixture.did("list", *of_bet, *narrowed))["incidents"]
        assert (found["incident_id"], found["differs"]) == (1, ["stake"])
    assert [one["incident_id"] for one in (await fixture.did("list", "--limit", "1"))["incidents"]] == [2]
    assert await fixture.did("show", "1") == await fixture.incidents.shown(1)


async def test_since_is_a_day_or_a_time_in_utc(fixture: IncidentFixture) -> None:
    _, record = await fixture.bet()
    await fixture.file(record)
    await fixture.redate("'2026-11-22T10:00:00Z'")
    for since, found in (
        ("2026-11-22", 1),
        ("2026-11-22T10:00:00", 1),
        ("2026-11-22T11:59:59+02:00", 1),
        ("2026-11-22T10:00:01Z", 0),
        ("2026-11-23", 0),
    ):
        assert len((await fixture.did("list", "--since", since))["incidents"]) == found, since


async def test_refusals_of_the_command_have_a_code(fixture: IncidentFixture) -> None:
    assert await fixture.refused("show", "1") == "not_found"
    assert await fixture.refused("list", "--provider", "nobody") == "not_found"
    assert await fixture.refused("list", "--kind", "stolen") == "invalid_kind"
    assert await fixture.refused("list", "--since", "yesterday") == "invalid_time"
    assert await fixture.refused("show", "9" * 30) == "database_refused"
    assert (await fixture.says("list", "--limit", "0")).status == 2
    said = await fixture.says("show", "1")
    assert (said.status, said.output, said.errors) == (1, "", "error: there is no incident 1 (not_found)\n")


async def test_a_person_sees_what_differs_and_what_happened(fixture: IncidentFixture) -> None:
    order, record = await fixture.bet()
    await fixture.contradiction(record, order, "12.00")
    listed = (await fixture.says("list")).output.splitlines()
    assert listed[0].split()[:4] == ["incident_id", "at", "kind", "differs"]
    assert {"different_data", "stake", order.provider_bet_id} <= set(listed[1].split())
    shown = (await fixture.says("show", "1")).output
    assert KINDS["different_data"] in shown
    rows = [line.split() for line in shown.splitlines()]
    assert [row for row in rows if row[:1] == ["!"]] == [["!", "stake", "EUR", "10.00", "EUR", "12.00"]]
    assert ["round_id", order.round_id, order.round_id] in rows
    assert ["state", "acceptance"] in rows
    assert rows[-1][2:] == ["answer", "type=-1", "progress=done", "error_code=200"]
    await fixture.file(record)
    assert "nothing that both sides name differs" in (await fixture.says("show", "2")).output


async def test_a_person_with_no_incidents_reads_none(fixture: IncidentFixture) -> None:
    assert (await fixture.says("list")).output == "none\n"


async def test_a_long_story_is_shortened_in_its_middle_for_people(fixture: IncidentFixture) -> None:
    _, record = await fixture.bet()
    await fixture.file(record)
    events = 2 * EVENTS_AT_EACH_END + 7
    await fixture.sql(
        "INSERT INTO bet_event (bet_id, kind) SELECT bet_id, 'n' || n FROM bet, generate_series(4, :n) n", n=events
    )
    assert len((await fixture.did("show", "1"))["events"]) == events
    lines = (await fixture.says("show", "1")).output.partition("what happened:\n")[2].splitlines()
    assert len(lines) == 2 * EVENTS_AT_EACH_END + 1
    assert lines[EVENTS_AT_EACH_END].split()[:2] == ["...", "7"]
    assert (lines[0].split()[-2], lines[-1].split()[-1]) == ("state=accepting", f"n{events}")


async def test_what_a_partner_says_does_not_steer_the_terminal(fixture: IncidentFixture) -> None:
    _, record = await fixture.bet()
    await fixture.file(record, theirs={"error_code": "\x1b[2J\n! forged"})
    shown = (await fixture.says("show", "1")).output
    assert "\x1b" not in shown
    assert not any(line.startswith("! forged") for line in shown.splitlines())
    assert r"\u001b[2J\n! forged" in shown


async def _pay_out(fixture: IncidentFixture, record: BetRecord, win: str = "25.00") -> None:
    policy = (await fixture.casino.pay_in()).policy
    order = Pay(
        bet_id=record.bet_id,
        owner=OWNER,
        casino_id=record.casino_id,
        partner_user_id="anna",
        transaction_type=TransactionType.PAY_OUT,
        amount=Money.parse(win, "EUR"),
        attempt_timeout=policy.attempt_timeout,
        sends=1,
        retry=policy.retry,
    )
    await fixture.casino.bets.begin_credit(order)
    word = Confirmation("200", "T-2", Money.parse("1015.00", "EUR"))
    await fixture.casino.bets.credit_done(record.bet_id, OWNER, TransactionType.PAY_OUT, word)
