"""Rounds in a database: what reports, time and operators write, what is read of it, and what no one can change."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from pydantic import SecretStr

from betcore.db.database import Database, DatabaseError, open_database
from betcore.db.live_reports import ASKED_BEFORE, ENDED, PROPOSED, UNKNOWN, LiveReports
from betcore.db.live_rounds import LiveRounds, NewLiveGame, Place
from betcore.domain import live_draw
from betcore.domain.errors import Code
from betcore.domain.live_messages import CancelRound, RecordCancel, RecordReport, ReportRound, RoundAnswer
from betcore.domain.live_rounds import LiveRound, PlayStatus, RoundReport, RoundState
from betcore.domain.proof import Proof
from betcore.runtime.settings import Settings
from betcore.verify.live_rounds import check_live_rounds
from betcore.verify.report import Report, ignore_progress
from tests.unit.partner_database import refused
from tests.unit.partner_rows import PARTNERS

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CLOSES = NOW + timedelta(seconds=20)
OPEN_BET = """
INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake,
                 round_id, state, owner, opened_at)
VALUES (77, 2, 'b', 1, 1, 1, 's', 'EUR', 1000, 'r-9', 'acceptance', 'run', now())
"""
EVENTS = "SELECT kind, data::text AS data FROM live_event ORDER BY event_id"
OTHER_PROVIDER = """
INSERT INTO provider (counterparty_id, name, base_url, profile, secret)
VALUES ('21111111-2222-4333-8444-555555555555', 'q', 'http://q', '{"live": {"refund_cancelled": true}}', '')
"""


class Rounds:
    """Games 1 and 2 of a provider and game 3 of another, in a database of its own."""

    def __init__(self, database: Database, connection: asyncpg.Connection) -> None:
        self.live, self.reports, self.connection = LiveRounds(database), LiveReports(database), connection
        self.database = database

    async def report(
        self,
        round_id: str,
        state: str,
        *,
        game: int = 1,
        provider: int = 1,
        now: datetime = NOW,
        proof: Proof | None = None,
        **fields: object,
    ) -> RoundAnswer:
        given = RoundReport.model_validate({"state": state} | fields)
        order = ReportRound(game_type=game, provider_id=provider, round_id=round_id, report=given, proof=proof)
        return await self.reports.record(RecordReport(order=order, now=now))

    async def cancel(self, round_id: str, operator: str, now: datetime = NOW, game: int = 1) -> RoundAnswer:
        order = CancelRound(game_type=game, round_id=round_id, operator=operator, reason="camera")
        return await self.reports.cancel(RecordCancel(order=order, now=now))

    async def finished(self, *round_ids: str, game: int = 1) -> None:
        for number, round_id in enumerate(round_ids):
            await self.report(round_id, "finished", game=game, results=(number,), now=NOW + timedelta(seconds=number))

    async def round(self, round_id: str) -> LiveRound:
        [found] = await self.live.find(round_id)
        return found


@pytest.fixture
async def rounds(database_url: str) -> AsyncIterator[Rounds]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(PARTNERS)
    await connection.execute(OTHER_PROVIDER)
    async with open_database(Settings(database_url=SecretStr(database_url), database_pool_size=5)) as database:
        found = Rounds(database, connection)
        for number, provider in ((1, "p"), (2, "p"), (3, "q")):
            game_id = "g" if number == 1 else None
            await found.live.add_game(NewLiveGame(number, provider, f"game_{number}", 15, game_id))
        yield found
    await connection.close()


async def test_a_round_is_written_as_it_is_reported(rounds: Rounds) -> None:
    assert (await rounds.report("r-1", "awaiting", commitment="ab" * 32)).refusal is None
    answer = await rounds.report("r-1", "betting", betting_closes_at=CLOSES)
    assert answer.running == answer.round == await rounds.round("r-1")
    assert answer.round is not None
    assert (answer.round.edition, answer.round.play_status) == (1, PlayStatus.BETTING)
    assert answer.round.results_due_at == CLOSES + timedelta(seconds=300)
    await rounds.report("r-2", "awaiting", game=2)
    assert (await rounds.round("r-2")).edition == 1


async def test_results_keep_their_kinds(rounds: Rounds) -> None:
    await rounds.report("r-1", "finished", results=(7, "7", "red"))
    assert (await rounds.round("r-1")).results == (7, "7", "red")


async def test_one_round_of_a_game_runs_at_a_time(rounds: Rounds) -> None:
    await rounds.report("r-1", "awaiting")
    second = await rounds.report("r-2", "awaiting")
    assert (second.refusal, second.why) == (Code.DIFFERENT_DATA, "round r-1 has not ended")
    assert second.round is None
    assert await rounds.live.find("r-2") == []
    await rounds.report("r-1", "review")
    assert (await rounds.report("r-2", "betting")).refusal is None
    await rounds.report("r-2", "cancelled")
    assert (await rounds.report("r-3", "awaiting")).refusal is None
    # The one in review may still be finished beside it.
    assert (await rounds.report("r-1", "finished", results=(1,))).refusal is None


async def test_of_two_new_rounds_at_once_one_is_begun(rounds: Rounds) -> None:
    answers = await asyncio.gather(*(rounds.report(f"r-{number}", "betting") for number in range(4)))
    assert sorted(answer.refusal or "" for answer in answers) == ["", *[Code.DIFFERENT_DATA] * 3]
    [game] = [game for game in await rounds.live.shown(4) if game.game_type == 1]
    assert len(game.rounds) == 1


async def test_a_game_of_another_provider_is_unknown(rounds: Rounds) -> None:
    for game, provider in ((3, 1), (1, 2), (9, 1)):
        answer = await rounds.report("r-1", "awaiting", game=game, provider=provider)
        assert (answer.refusal, answer.round, answer.running) == (Code.LIVE_GAME_UNKNOWN, None, None)


async def test_a_round_id_is_of_one_game_of_a_provider(rounds: Rounds) -> None:
    await rounds.report("r-1", "awaiting")
    assert (await rounds.report("r-1", "awaiting", game=2)).refusal is Code.DIFFERENT_DATA
    assert (await rounds.report("r-1", "awaiting", game=3, provider=2)).refusal is None
    assert [found.game_type for found in await rounds.live.find("r-1")] == [1, 3]
    assert [found.game_type for found in await rounds.live.find("r-1", 3)] == [3]


async def test_a_game_that_is_disabled_ends_its_round_and_begins_none(rounds: Rounds) -> None:
    await rounds.report("r-1", "awaiting")
    assert (await rounds.live.disable_game(1)).disabled_at is not None
    assert (await rounds.report("r-1", "finished", results=(1,))).refusal is None
    assert (await rounds.report("r-2", "awaiting")).refusal is Code.GAME_DISABLED
    assert [game.game_type for game in await rounds.live.shown()] == [2, 3]


async def test_time_closes_the_betting_and_files_an_incident_for_a_late_result(rounds: Rounds) -> None:
    await rounds.report("r-1", "betting", betting_closes_at=CLOSES)
    assert (await rounds.reports.pass_time(1, NOW)).running == await rounds.round("r-1")
    closed = (await rounds.reports.pass_time(1, CLOSES)).running
    assert closed is not None
    assert closed.play_status is PlayStatus.ACTION
    answer = await rounds.reports.pass_time(1, CLOSES + timedelta(seconds=300))
    assert answer.running is None
    assert answer.round == await rounds.round("r-1")
    assert answer.round.state is RoundState.REVIEW
    [incident] = await rounds.connection.fetch("SELECT kind, ours ->> 'round_id' AS round FROM incident")
    assert tuple(incident) == ("round_in_review", "r-1")
    assert await rounds.reports.pass_time(1, CLOSES + timedelta(seconds=999)) == RoundAnswer()


async def test_two_operators_cancel_a_round(rounds: Rounds) -> None:
    await rounds.report("r-1", "review")
    assert (await rounds.cancel("r-1", "ann")).why == PROPOSED
    assert (await rounds.cancel("r-1", " Ann ")).why == ASKED_BEFORE
    assert (await rounds.round("r-1")).state is RoundState.REVIEW
    done = await rounds.cancel("r-1", "bob")
    assert (done.why, done.refunds) == ("", False)
    assert (await rounds.round("r-1")).state is RoundState.CANCELLED
    assert (await rounds.cancel("r-1", "bob")).why == ENDED
    assert (await rounds.cancel("r-2", "bob")).why == UNKNOWN
    assert (await rounds.cancel("r-1", "bob", game=2)).why == UNKNOWN


async def test_what_has_changed_a_round_is_kept_with_the_proof_of_the_call(rounds: Rounds) -> None:
    proof = Proof(request_id="q", timestamp=1, body_sha256="ab", signature="cd", secret="previous")
    for _ in range(2):
        await rounds.report("r-1", "awaiting", commitment="ab" * 32, proof=proof)
    assert (await rounds.report("r-2", "awaiting", proof=proof)).refusal is Code.DIFFERENT_DATA
    # It is refused, and changes the round all the same.
    assert (await rounds.report("r-1", "finished", results=(1,))).refusal is Code.DIFFERENT_DATA
    for operator in ("ann", "ann", "bob"):
        await rounds.cancel("r-1", operator)
    found = [(one["kind"], json.loads(one["data"])) for one in await rounds.connection.fetch(EVENTS)]
    kept = proof.model_dump(exclude_defaults=True)
    assert found == [
        ("reported", {"report": {"state": "awaiting", "commitment": "ab" * 32}, "proof": kept}),
        ("reported", {"report": {"state": "finished", "results": [1]}, "refusal": "different_data"}),
        ("cancel_proposed", {"operator": "ann", "reason": "camera"}),
        ("cancelled", {"operator": "bob", "reason": "camera"}),
    ]
    for statement in ("UPDATE live_event SET data = '{}'", "DELETE FROM live_event", "TRUNCATE live_event"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await rounds.connection.execute(statement)


async def test_a_proposal_expires(rounds: Rounds) -> None:
    await rounds.report("r-1", "review")
    await rounds.cancel("r-1", "ann")
    assert (await rounds.cancel("r-1", "bob", now=NOW + timedelta(hours=1))).why == PROPOSED
    assert (await rounds.cancel("r-1", "ann", now=NOW + timedelta(minutes=119))).why == ""


async def test_refunds_are_owed_if_the_profile_says_so(rounds: Rounds) -> None:
    await rounds.report("r-1", "awaiting")
    assert (await rounds.report("r-1", "cancelled")).refunds is False
    await rounds.report("r-9", "awaiting", game=3, provider=2)
    assert (await rounds.report("r-9", "cancelled", game=3, provider=2)).refunds is True
    assert [(await rounds.live.refunds(*key)).refunds for key in ((1, "r-1"), (3, "r-9"))] == [None, "owed"]


async def test_what_has_ended_stands_whoever_writes(rounds: Rounds) -> None:
    await rounds.report("r-1", "finished", results=(1,))
    await rounds.report("r-2", "cancelled")
    for statement in (
        "UPDATE live_round SET results = '[2]' WHERE round_id = 'r-1'",
        "UPDATE live_round SET state = 'cancelled', results = NULL WHERE round_id = 'r-1'",
        "UPDATE live_round SET state = 'finished', results = '[1]', started_at = now() WHERE round_id = 'r-2'",
        "UPDATE live_round SET refunds = 'owed' WHERE round_id = 'r-2'",
        "UPDATE live_round SET round_id = 'r-3' WHERE round_id = 'r-2'",
        "DELETE FROM live_round",
        "DELETE FROM live_game",
        "UPDATE live_game SET provider_id = 2 WHERE game_type = 2",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await rounds.connection.execute(statement)


async def test_the_feed_reads_all_games_with_their_newest_rounds(rounds: Rounds) -> None:
    await rounds.finished("r-1", "r-2")
    await rounds.report("r-3", "cancelled")
    await rounds.report("r-4", "awaiting")
    await rounds.live.set_maintenance(2, True)
    first, second, _ = await rounds.live.shown(2)
    assert (first.game_type, first.name_key, first.betting_seconds, first.in_maintenance) == (1, "game_1", 15, False)
    assert first.last_finished_id == "r-2"
    assert [found.round_id for found in first.rounds] == ["r-4", "r-3"]
    assert (second.in_maintenance, second.last_finished_id, second.rounds) == (True, None, [])


async def test_the_history_of_results_goes_on_behind_a_place(rounds: Rounds) -> None:
    await rounds.finished(*(f"r-{number}" for number in range(5)))
    await rounds.finished("other", game=2)
    page = await rounds.live.results(1, limit=2)
    assert [found.round_id for found in page] == ["r-4", "r-3"]
    last = page[-1]
    assert last.finished_at is not None
    page = await rounds.live.results(1, before=Place(last.finished_at, last.edition), limit=9)
    assert [found.round_id for found in page] == ["r-2", "r-1", "r-0"]
    second = timedelta(seconds=1)
    page = await rounds.live.results(1, finished_from=NOW + second, finished_to=NOW + 3 * second)
    assert [found.round_id for found in page] == ["r-2", "r-1"]


async def test_games_are_added_once_and_with_a_game_that_exists(rounds: Rounds) -> None:
    with refused("already_exists"):
        await rounds.live.add_game(NewLiveGame(1, "p", "again", 15))
    with refused("not_found"):
        await rounds.live.add_game(NewLiveGame(4, "nobody", "name", 15))
    with refused("not_found"):
        await rounds.live.add_game(NewLiveGame(4, "p", "name", 15, "no such game"))
    with refused("not_found"):
        await rounds.live.set_maintenance(4, True)
    assert [(row.game_type, row.provider, row.provider_game_id) for row in await rounds.live.games()] == [
        (1, "p", "g"),
        (2, "p", None),
        (3, "q", None),
    ]


async def test_a_change_that_the_database_refuses_leaves_the_round_as_it_was(rounds: Rounds) -> None:
    await rounds.report("r-1", "awaiting")
    with pytest.raises(DatabaseError):
        await rounds.report("r-1", "cancelled", reason="\x00")
    assert (await rounds.round("r-1")).state is RoundState.AWAITING


async def test_verify_names_what_is_wrong_with_a_round_and_nothing_else(rounds: Rounds) -> None:
    async def violations() -> list[str]:
        report = Report()
        await check_live_rounds(rounds.database, report, ignore_progress)
        assert report.checks["rounds"].looked_at == 4
        return [f"{one.bet_id or '-'} {one.what}" for one in report.violations]

    seed = "ab" * 32
    promised = {"commitment": live_draw.commitment(seed), "algorithm": "draw-v1:2/9"}
    await rounds.report("r-1", "awaiting", **promised)
    await rounds.report("r-1", "finished", seed=seed, results=live_draw.draw(seed, "r-1", 2, 9))
    await rounds.report("r-2", "finished", results=(1,))
    await rounds.report("r-9", "cancelled", game=3, provider=2)
    await rounds.report("r-3", "awaiting")
    await rounds.connection.execute("SET session_replication_role = replica")
    await rounds.connection.execute("UPDATE live_round SET finished_at = now() WHERE round_id = 'r-9'")
    assert await violations() == []
    await rounds.connection.execute("UPDATE live_round SET results = '[9, 9]' WHERE round_id = 'r-1'")
    await rounds.connection.execute("UPDATE live_round SET provider_id = 2 WHERE round_id = 'r-2'")
    assert sorted(await violations()) == [
        f"- round r-1 of live game 1: the results do not follow from the seed by {promised['algorithm']}",
        "- round r-2 of live game 1: its provider is not that of its game",
    ]
    late = "UPDATE live_round SET finished_at = now() - interval '25 hours' WHERE round_id = 'r-9'"
    await rounds.connection.execute(late)
    assert "- round r-9 of live game 3: it was cancelled more than a day ago, and its refunds are not done" in (
        await violations()
    )
    await rounds.connection.execute("UPDATE live_round SET refunds = 'done' WHERE round_id = 'r-9'")
    await rounds.connection.execute(OPEN_BET)
    assert "77 round r-9 of live game 3: its refunds are done, and a bet of it is open" in await violations()


async def test_rounds_in_review_are_listed_the_oldest_of_a_game_first(rounds: Rounds) -> None:
    await rounds.report("r-1", "review", reason="camera")
    await rounds.report("r-2", "review")
    await rounds.report("r-3", "awaiting")
    await rounds.report("r-9", "review", game=3, provider=2)
    listed = [(row.game_type, row.provider, row.round_id) for row in await rounds.live.in_review(10)]
    assert listed == [(1, "p", "r-1"), (1, "p", "r-2"), (3, "q", "r-9")]
    [first] = await rounds.live.in_review(1)
    assert first.reason == "camera"
