"""Reports of rounds over HTTP: every transition, repeats, contradictions, time, proofs; and stakes of such rounds."""

import asyncio
import hashlib
import json
from functools import partial
from typing import Any

import pytest

from betcore.domain import live_draw
from betcore.domain.live_rounds import PlayStatus, RoundState
from betcore.provider import xsign
from tests.command_line import run
from tests.live import LiveTable, live_table, soon
from tests.partner import Stack, TestPartner, eventually, until
from tests.system.scenarios import DONE, SETTLED, bet_with_stake_taken
from tests.watch import holds, in_state, made_in_lists

DIFFERENT, CLOSED = (6, "different_data"), (7, "round_closed")
# A casino that takes lists and is sent what is owed as fast as it comes.
LISTS = "{send: {list: credits}, owed_per_second: 500, retry: {first: 0.1, cap: 0.5}, breaker: {failures: 1000}}"
MAKE, LIST = "/payments/make", "/payments/make-list"
SEED = "ab" * 32
PROMISE = {"commitment": live_draw.commitment(SEED), "algorithm": "draw-v1:2/9"}


@pytest.fixture
async def table(partner: TestPartner) -> LiveTable:
    return await live_table(partner, "dice")


@pytest.mark.edge_case(251)
async def test_a_round_is_carried_from_its_announcement_to_its_results(table: LiveTable) -> None:
    closes = soon(600)
    for state, fields in (
        ("awaiting", {}),
        ("betting", {"bettingClosesAt": closes}),
        ("action", {}),
        ("finished", {"results": [7, "red"]}),
    ):
        for _ in range(2):
            answer = await until(partial(table.report, "r-1", state, **fields))
            assert (answer.status, answer.body) == (200, {"_responseCode": 1})
    found = await table.round("r-1")
    assert found is not None
    assert (found.state, found.edition, found.results) == (RoundState.FINISHED, 1, (7, "red"))
    assert found.betting_closes_at is not None
    assert found.betting_closes_at.timestamp() == closes
    # What has been is a repeat, what contradicts it moves nothing.
    assert (await until(partial(table.report, "r-1", "awaiting"))).outcome == DONE
    for state, fields in (
        ("finished", {"results": [7, "black"]}),
        ("betting", {"bettingClosesAt": closes + 1}),
        ("cancelled", {}),
        ("review", {}),
    ):
        assert (await until(partial(table.report, "r-1", state, **fields))).outcome == DIFFERENT
    assert await table.round("r-1") == found


@pytest.mark.edge_case(251)
async def test_a_round_that_is_cancelled_stays_so(table: LiveTable) -> None:
    await table.reported("r-1", "betting")
    await table.reported("r-1", "review", reason="the camera is dark")
    await table.reported("r-1", "cancelled", reason="the camera stays dark")
    await table.reported("r-1", "cancelled")
    assert (await until(partial(table.report, "r-1", "finished", results=[1]))).outcome == DIFFERENT
    found = await table.round("r-1")
    assert found is not None
    assert (found.state, found.reason) == (RoundState.CANCELLED, "the camera stays dark")


@pytest.mark.edge_case(251)
async def test_of_equal_reports_at_once_all_are_done_and_of_unlike_ones_one(table: LiveTable) -> None:
    equal = [until(partial(table.report, "r-1", "betting", bettingClosesAt=soon(900) // 10 * 10)) for _ in range(8)]
    assert [answer.outcome for answer in await asyncio.gather(*equal)] == [DONE] * 8
    unlike = [until(partial(table.report, "r-1", "finished", results=[number])) for number in range(8)]
    outcomes = [answer.outcome for answer in await asyncio.gather(*unlike)]
    assert sorted(outcomes) == [DONE, *[DIFFERENT] * 7]
    found = await table.round("r-1")
    assert found is not None
    assert found.results == (outcomes.index(DONE),)
    begun = [until(partial(table.report, f"n-{number}", "awaiting")) for number in range(6)]
    assert sorted(answer.outcome for answer in await asyncio.gather(*begun)) == [DONE, *[DIFFERENT] * 5]


@pytest.mark.edge_case(251)
async def test_a_new_round_waits_for_the_end_of_the_last_one(table: LiveTable) -> None:
    await table.reported("r-1", "betting")
    answer = await until(partial(table.report, "r-2", "awaiting"))
    assert (answer.outcome, answer.body["message"]) == (DIFFERENT, "round r-1 has not ended")
    await table.reported("r-1", "finished", results=[1])
    # It was refused a moment ago, and is right now.
    await table.reported("r-2", "awaiting")
    found = await table.round("r-2")
    assert found is not None
    assert found.edition == 2


async def test_only_a_games_own_provider_reports_its_rounds(stack: Stack, table: LiveTable) -> None:
    other = await stack.partner()
    for path in (table.path("r-1"), "/v1/live/99/rounds/r-1"):
        answer = await other.call("POST", path, xsign.compact({"state": "awaiting"}))
        assert (answer.status, answer.outcome) == (400, (2, "live_game_unknown"))
    unsigned = await table.partner.call("POST", table.path("r-1"), b'{"state":"awaiting"}', headers={})
    assert (unsigned.status, unsigned.code) == (401, 8)
    body = xsign.compact({"state": "awaiting"})
    signed = xsign.headers(table.partner.secret, table.partner.counterparty_id, body)
    answers = [await table.partner.call("POST", table.path("r-1"), body, headers=signed) for _ in range(2)]
    assert [answer.code for answer in answers] == [1, 8]
    query = "SELECT data -> 'proof' AS proof FROM live_event WHERE game_type = :g"
    [event] = await table.partner.sql(query, g=table.game_type)
    assert event.proof == {
        "request_id": signed[xsign.REQUEST_ID],
        "timestamp": int(signed[xsign.TIMESTAMP]),
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "signature": signed[xsign.SIGNATURE],
        "secret": "current",
    }
    assert await table.live.find("r-1", 99) == []


MALFORMED: list[dict[str, Any]] = [
    {},
    {"state": "active"},
    {"state": 1},
    {"state": "finished"},
    {"state": "finished", "results": []},
    {"state": "finished", "results": "7"},
    {"state": "finished", "results": [1.5]},
    {"state": "finished", "results": [None]},
    {"state": "finished", "results": [True]},
    {"state": "finished", "results": [[1]]},
    {"state": "finished", "results": ["x" * 65]},
    {"state": "finished", "results": ["\u0000"]},
    {"state": "finished", "results": [1] * 201},
    {"state": "finished", "results": [10**15]},
    {"state": "finished", "results": [1], "seed": "AB" * 32},
    {"state": "finished", "results": [1], "seed": "ab"},
    {"state": "finished", "results": [1], "commitment": "ab" * 32},
    {"state": "betting", "bettingClosesAt": "1900000000"},
    {"state": "betting", "bettingClosesAt": 1900000000000},
    {"state": "betting", "bettingClosesAt": 1900000000.5},
    {"state": "betting", "bettingClosesAt": -1},
    {"state": "betting", "bettingClosesAt": None},
    {"state": "betting", "results": [1]},
    {"state": "awaiting", "bettingClosesAt": 1900000000},
    {"state": "awaiting", "algorithm": "a b"},
    {"state": "awaiting", "reason": "why not"},
    {"state": "cancelled", "reason": ""},
    {"state": "cancelled", "reason": "x" * 201},
    {"state": "cancelled", "reason": "\u0000"},
]


async def test_what_cannot_be_read_moves_nothing(table: LiveTable) -> None:
    for body in MALFORMED:
        answer = await table.send("r-1", body)
        assert (answer.status, answer.outcome) == (400, (2, "malformed")), (body, answer)
    for path in (
        "/v1/live/0/rounds/r-1",
        "/v1/live/x/rounds/r-1",
        "/v1/live/32768/rounds/r",
        "/v1/live/1/rounds/a%20b",
    ):
        answer = await table.partner.call("POST", path, b'{"state":"awaiting"}')
        assert (answer.status, answer.code) == (400, 2), path
    assert (await table.partner.call("GET", table.path("r-1"))).status == 405
    assert await table.round("r-1") is None


@pytest.mark.edge_case(252)
async def test_betting_closes_by_itself(table: LiveTable) -> None:
    await table.reported("r-1", "betting", bettingClosesAt=soon(2))

    async def is_closed() -> bool:
        found = await table.round("r-1")
        return found is not None and found.play_status is PlayStatus.ACTION

    await eventually(is_closed)
    # Its provider says the same later.
    await table.reported("r-1", "action")
    await table.reported("r-1", "finished", results=[1])


@pytest.mark.edge_case(252)
async def test_a_round_without_results_goes_to_review_and_can_still_be_finished(stack: Stack) -> None:
    partner_ = await stack.partner(provider="live: {result_within: 1}")
    table = await live_table(partner_)
    await table.reported("r-1", "action")
    found = await table.becomes("r-1", RoundState.REVIEW)
    assert found.reason == "no_result"
    query = "SELECT kind FROM incident WHERE ours ->> 'round_id' = 'r-1' AND ours ->> 'counterparty_id' = :c"
    assert [row.kind for row in await partner_.sql(query, c=partner_.counterparty_id)] == ["round_in_review"]
    # The next round does not wait for the one in review.
    await table.reported("r-2", "awaiting")
    await table.reported("r-1", "finished", results=[3])
    await table.reported("r-2", "cancelled")


@pytest.mark.edge_case(255)
async def test_a_proof_is_checked_before_the_results_stand(table: LiveTable) -> None:
    await table.reported("r-1", "awaiting", **PROMISE)
    results = list(live_draw.draw(SEED, "r-1", 2, 9))
    answer = await until(partial(table.report, "r-1", "finished", results=results[::-1], seed=SEED))
    assert answer.outcome == DIFFERENT
    assert answer.body["message"] == "the results do not follow from the seed by draw-v1:2/9"
    found = await table.round("r-1")
    assert found is not None
    assert (found.state, found.results, found.seed) == (RoundState.REVIEW, (), None)
    await table.reported("r-1", "finished", results=results, seed=SEED)
    found = await table.round("r-1")
    assert found is not None
    assert (found.state, list(found.results), found.seed) == (RoundState.FINISHED, results, SEED)


@pytest.mark.edge_case(250)
async def test_a_stake_of_a_round_that_has_ended_is_refused_before_the_casino_is_asked(table: LiveTable) -> None:
    partner_ = table.partner
    rounds = {"unknown": None, "open": "betting", "action": "action", "review": "review"}
    for round_id, state in rounds.items():
        if state is not None:
            await table.reported(round_id, state)
        bet = await bet_with_stake_taken(partner_, partial(partner_.pay_in, round_id=round_id))
        if state in ("betting", "action"):
            await table.reported(round_id, "finished", results=[1])
        # The bet is known: its repeat is answered by its row.
        assert (await until(partial(partner_.pay_in, bet, round_id=round_id))).outcome == DONE
    await table.reported("off", "cancelled")
    for round_id in ("open", "off"):
        late = partner_.new_bet()
        assert (await until(partial(partner_.pay_in, late, round_id=round_id))).outcome == CLOSED
        assert (await until(partial(partner_.pay_in, late, round_id=round_id))).outcome == CLOSED
        assert await partner_.journal(late) == []
        assert (await partner_.row(late)).state == "refused"


@pytest.mark.edge_case(250)
async def test_a_bet_of_one_step_may_come_after_the_results_but_not_after_the_cancel(table: LiveTable) -> None:
    partner_ = table.partner
    await table.reported("r-1", "finished", results=[1])
    await table.reported("r-2", "cancelled")
    assert await bet_with_stake_taken(partner_, partial(partner_.pay_in_out, round_id="r-1"))
    assert (await until(partial(partner_.pay_in_out, partner_.new_bet(), round_id="r-2"))).outcome == CLOSED


@pytest.mark.edge_case(250)
async def test_a_round_of_another_provider_closes_nothing(stack: Stack, table: LiveTable) -> None:
    await table.reported("r-1", "cancelled")
    other = await stack.partner()
    assert await bet_with_stake_taken(other, partial(other.pay_in, round_id="r-1"))


async def test_the_wins_of_a_round_that_wait_together_leave_in_lists(stack: Stack) -> None:
    """All of them are owed when the casino takes credits again: as many calls as wins would hold them up."""
    partner = await stack.partner(provider="answer_deadline: 1", casino=LISTS)
    table = await live_table(partner)
    await table.reported("r-1", "betting")
    stake = partial(partner.pay_in, round_id="r-1")
    bets = await asyncio.gather(*(bet_with_stake_taken(partner, stake) for _ in range(20)))
    await table.reported("r-1", "finished", results=[1])
    await partner.faults(*({"kind": "error", "path": path} for path in (MAKE, LIST, "/payments/info")))
    await asyncio.gather(*(partner.pay_out(bet, round_id="r-1") for bet in bets))
    for bet in bets:
        await in_state(partner, bet, "settling")
    # A win that leaves alone fails still: half of them are made in lists, on a machine of any speed.
    await partner.faults({"kind": "error", "path": MAKE})
    await holds(partial(made_in_lists, partner), lambda made: made >= len(bets) // 2)
    await partner.faults()
    for bet in bets:
        await in_state(partner, bet, "settled")
        assert await partner.journal(bet) == SETTLED


class Live:
    """The commands of ``live``, at one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    async def __call__(self, *arguments: str, ended: int = 0) -> Any:
        """Run a command with --json, and return its object."""
        result = await run(self._stack.folder, "live", *arguments, "--json", BETCORE_OPERATOR="ann")
        assert result.exit_code == ended, result.output
        return json.loads(result.stdout)


@pytest.mark.edge_case(252)
async def test_two_operators_cancel_a_round_by_command(stack: Stack, table: LiveTable) -> None:
    live, game = Live(stack), str(table.game_type)
    await table.reported("r-1", "betting")

    async def cancel(operator: str, round_id: str = "r-1", ended: int = 0) -> Any:
        given = ("--game-type", game, "--operator", operator, "--reason", "the camera is dark")
        return await live("cancel", round_id, *given, ended=ended)

    first = await cancel("ann")
    assert (first["done"], first["state"]) == (False, "active")
    assert (await cancel("ANN", ended=1))["error"]["code"] == "operation_refused"
    second = await cancel("bob")
    assert (second["done"], second["state"], second["detail"]) == (True, "cancelled", "done")
    assert (await cancel("bob", ended=1))["error"]["code"] == "operation_refused"
    assert (await cancel("bob", "r-2", ended=1))["error"]["code"] == "not_found"
    [shown] = (await live("show", game))["rounds"]
    assert (shown["state"], shown["reason"], shown["open_bets"]) == ("cancelled", "the camera is dark", 0)
    assert (await until(partial(table.report, "r-1", "finished", results=[1]))).outcome == DIFFERENT


async def test_games_are_added_shown_and_disabled_by_command(stack: Stack, partner: TestPartner) -> None:
    live, taken = Live(stack), await live_table(partner)
    about = ("--provider", partner.provider, "--name-key", "draw", "--betting-seconds", "15")
    game = str((taken.game_type + 1) % 32_000 + 100)
    added = await live("add", "--game-type", game, *about, "--game-id", "dice")
    assert (added["provider"], added["game_id"], added["in_maintenance"]) == (partner.provider, "dice", False)
    again = await live("add", "--game-type", game, *about, ended=1)
    assert again["error"]["code"] == "already_exists"
    assert (await live("maintenance", game, "--on"))["in_maintenance"] is True
    assert (await live("maintenance", game, "--off"))["in_maintenance"] is False
    assert (await live("disable", game))["disabled_at"] is not None
    answer = await partner.call("POST", f"/v1/live/{game}/rounds/r-1", b'{"state":"awaiting"}')
    assert answer.outcome == (7, "game_disabled")
    assert game in [str(one["game_type"]) for one in (await live("list"))["games"]]


@pytest.mark.edge_case(255)
async def test_a_proof_is_checked_by_command(stack: Stack, table: LiveTable) -> None:
    live, game = Live(stack), str(table.game_type)
    await table.reported("r-1", "awaiting", **PROMISE)
    assert (await live("check", "r-1", "--game-type", game))["holds"] is None
    await table.reported("r-1", "finished", results=list(live_draw.draw(SEED, "r-1", 2, 9)), seed=SEED)
    assert (await live("check", "r-1", "--game-type", game))["holds"] is True
    await table.reported("r-2", "finished", results=["red"])
    assert (await live("check", "r-2", "--game-type", game))["holds"] is None
    for unknown in ("r-3", "-3"):
        assert (await live("check", unknown, "--game-type", game, ended=1))["error"]["code"] == "not_found"
