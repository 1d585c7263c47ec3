"""Runs of rules: what counts in a window, once, whatever happens to the process, and explained to the last cent."""

import asyncio
import csv
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment
from typer.testing import CliRunner

from activities.cashback_rules import RuleRuns
from betcore.cli.main import app
from betcore.db.cashback_rules import CashbackRules, Counts, Page, PlayerLosses
from betcore.db.cashbacks import Cashbacks
from betcore.db.database import Database, open_database
from betcore.domain.cashback_rules import Losses, RuleRun, RuleRunDone
from betcore.runtime.settings import Settings
from tests.partner import ROOT
from tests.unit.partner_database import PartnerDatabase
from tests.unit.partner_rows import PARTNERS, SESSION
from tests.unit.played_bets import CASINO, GAME, PLAYER, Played, at

SINCE, CUT = at("2026-11-02"), at("2026-11-09")
INSIDE, LATER = "2026-11-04T12:00", "2026-11-12"


class Setting:
    """A database with a casino, its rules, and bets."""

    def __init__(self, url: str, database: Database, connection: asyncpg.Connection) -> None:
        self.url, self.connection = url, connection
        self.rules, self.played = CashbackRules(database), Played(connection)
        self.activities = RuleRuns(cast(Any, None), self.rules, Cashbacks(database))

    async def rule(self, *, created: datetime = SINCE, retired: datetime | None = None, **fields: object) -> int:
        """Give the casino a rule that has stood for long."""
        rule = json.dumps({"name": "weekly", "share": "0.1"} | fields)
        version_id: int = await self.connection.fetchval(
            "INSERT INTO cashback_rule_version (casino_id, name, rule, time_zone, created_at, retired_at) "
            "VALUES ($1, $2::jsonb ->> 'name', $2, 'UTC', $3, $4) RETURNING version_id",
            *(CASINO, rule, created, retired),
        )
        return version_id

    async def begun(self, since: datetime = SINCE, cut: datetime = CUT, **fields: object) -> RuleRun:
        """Begin the run of a window of a rule."""
        return await self.rules.open(await self.rule(**fields), since, cut)

    async def pay(self, run: RuleRun) -> RuleRunDone:
        """Carry a run out to its end."""
        return await ActivityEnvironment().run(self.activities.pay_cashback_rule, run.run_id)

    async def lost(self, run: RuleRun) -> dict[tuple[int, str], Losses]:
        """Return what each player has lost in a run's window."""
        page = await self.rules.page(run, 1000)
        return {(one.player_id, one.currency): one.losses for one in page.losses}

    async def cashbacks(self) -> list[tuple[int, str, int]]:
        """Return player, currency and amount of all cashbacks."""
        rows = await self.connection.fetch("SELECT player_id, currency, amount FROM cashback ORDER BY 1, 2, 3")
        return [(row["player_id"], row["currency"], int(row["amount"])) for row in rows]

    async def players(self, count: int) -> None:
        """Add players, each of whom has lost 10.00."""
        await self.connection.execute(
            "INSERT INTO player (casino_id, partner_user_id) SELECT 1, 'more-' || n FROM generate_series(1, $1::int) n",
            count,
        )
        for (player,) in await self.connection.fetch("SELECT player_id FROM player WHERE player_id <> $1", PLAYER):
            await self.played.settled(INSIDE, 1000, player=player)

    def explained(self, cashback_id: int, *options: str) -> tuple[int, dict[str, Any]]:
        """Return the exit status and the object that ``cashback explain`` prints."""
        command = ["cashback", "explain", str(cashback_id), "--json", *options]
        result = CliRunner().invoke(app, command, env={"BETCORE_DATABASE_URL": self.url})
        found: dict[str, Any] = json.loads(result.stdout)
        return result.exit_code, found


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[Setting]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(PARTNERS)
    await connection.execute(SESSION)
    async with open_database(Settings(database_url=SecretStr(database_url))) as database:
        yield Setting(database_url, database, connection)
    await connection.close()


def losses(**given: int) -> Losses:
    return Losses(**dict.fromkeys(("stakes", "returns", "payouts", "jackpots", "claw_backs"), 0) | given)


# What counts


async def test_what_a_player_has_lost_is_what_its_bets_have_moved(setting: Setting) -> None:
    await setting.played.settled(INSIDE, 1000)
    await setting.played.settled(INSIDE, 1000, win=300)
    await setting.played.settled(INSIDE, 1000, win=200, paid="paid_by_hand")
    await setting.played.settled(INSIDE, 1000, win=100, jackpot=5000)
    await setting.played.refunded(INSIDE, 700)
    expected = losses(stakes=4700, returns=700, payouts=600, jackpots=5000)
    assert await setting.lost(await setting.begun()) == {(PLAYER, "EUR"): expected}


async def test_a_bet_counts_when_it_ends_from_the_window_s_beginning_up_to_its_cut(setting: Setting) -> None:
    await setting.played.settled("2026-11-01T23:59:59.999999", 1)
    await setting.played.settled("2026-11-02", 20)
    await setting.played.settled("2026-11-08T23:59:59.999999", 300)
    await setting.played.settled("2026-11-09", 4000)
    assert await setting.lost(await setting.begun()) == {(PLAYER, "EUR"): losses(stakes=320)}


@pytest.mark.edge_case(231)
async def test_an_open_bet_counts_in_the_window_in_which_it_ends(setting: Setting) -> None:
    bet_id = await setting.played.open(1000)
    run = await setting.begun()
    assert await setting.lost(run) == {}
    await setting.connection.execute(
        "UPDATE bet SET state = 'settled', win = 0, closed_at = $2 WHERE bet_id = $1", bet_id, at("2026-11-10")
    )
    assert await setting.lost(run) == {}
    later = await setting.rules.open(run.version_id, CUT, at("2026-11-16"))
    assert await setting.lost(later) == {(PLAYER, "EUR"): losses(stakes=1000)}


@pytest.mark.edge_case(232)
async def test_what_is_taken_back_counts_with_its_sign_in_the_window_in_which_that_ends(setting: Setting) -> None:
    won, lost = await setting.played.settled(INSIDE, 1000, win=2500), await setting.played.settled(INSIDE, 400)
    run = await setting.begun()
    before = await setting.lost(run)
    await setting.played.taken_back(won, LATER, 1000, 2500)
    await setting.played.taken_back(lost, LATER, 400, 0)
    assert before == await setting.lost(run) == {(PLAYER, "EUR"): losses(stakes=1400, payouts=2500)}
    later = await setting.rules.open(run.version_id, CUT, at("2026-11-16"))
    # Stake and win of the first are back, and both windows together say so: its player has lost nothing.
    assert await setting.lost(later) == {(PLAYER, "EUR"): losses(returns=1400, claw_backs=2500)}


@pytest.mark.edge_case(232)
async def test_a_stake_that_turns_out_to_be_taken_after_the_end_changes_no_window(setting: Setting) -> None:
    await setting.played.refused(INSIDE, 1000)
    run = await setting.begun()
    await setting.played.refused(INSIDE, 1000, taken_after_all=LATER)
    later = await setting.rules.open(run.version_id, CUT, at("2026-11-16"))
    assert await setting.lost(run) == await setting.lost(later) == {}


@pytest.mark.edge_case(233)
async def test_each_currency_is_for_itself(setting: Setting) -> None:
    await setting.played.settled(INSIDE, 1000)
    await setting.played.settled(INSIDE, 1000, win=90_000, currency="USD")
    await setting.played.settled(INSIDE, 70, currency="JPY")
    await setting.pay(await setting.begun())
    assert await setting.cashbacks() == [(PLAYER, "EUR", 100), (PLAYER, "JPY", 7)]


async def test_excluded_categories_are_those_of_the_games_when_the_run_began(setting: Setting) -> None:
    await setting.connection.execute("INSERT INTO game (provider_id, provider_game_id, name) VALUES (1, 'l', 'l')")
    await setting.connection.execute("UPDATE game SET category = 'live' WHERE game_id <> $1", GAME)
    await setting.played.settled(INSIDE, 1000)
    await setting.played.settled(INSIDE, 70, game=2)
    run = await setting.begun(excluded_categories=["live"])
    await setting.connection.execute("UPDATE game SET category = CASE game_id WHEN $1 THEN 'live' END", GAME)
    assert await setting.lost(run) == {(PLAYER, "EUR"): losses(stakes=1000)}
    later = await setting.rules.open(run.version_id, CUT, at("2026-11-16"))
    await setting.played.settled("2026-11-10", 30)
    await setting.played.settled("2026-11-10", 400, game=2)
    assert await setting.lost(later) == {(PLAYER, "EUR"): losses(stakes=400)}


async def test_players_of_another_casino_are_in_no_page(setting: Setting) -> None:
    await setting.connection.execute("INSERT INTO casino (name, api_host, profile, secret) VALUES ('d', 'h', '{}', '')")
    await setting.connection.execute("INSERT INTO player (casino_id, partner_user_id) VALUES (2, 'anna')")
    await setting.played.settled(INSIDE, 1000, player=2)
    page = await setting.rules.page(await setting.begun(), 10)
    assert page == Page(PLAYER, 1, ())


# Once


async def test_a_run_opens_one_cashback_for_each_player_who_has_lost(setting: Setting) -> None:
    await setting.players(3)
    await setting.played.settled(INSIDE, 1000, win=1000)
    run = await setting.begun(promo_code="BACK")
    done = await setting.pay(run)
    assert (done.players, done.opened, done.blocked) == (4, 3, 0)
    assert await setting.cashbacks() == [(player, "EUR", 100) for player in (2, 3, 4)]
    [row] = await setting.connection.fetch("SELECT * FROM cashback WHERE player_id = 2")
    assert (row["source"], row["promo_code"], row["rule_version_id"]) == ("rule", "BACK", run.version_id)
    assert (row["period_from"], row["period_to"]) == (SINCE, CUT)
    assert row["key"] == f"rule:{run.version_id}:2:EUR:2026-11-09T00:00:00Z"


def _counted() -> float:
    return REGISTRY.get_sample_value("betcore_cashback_rule_opened_total") or 0.0


@pytest.mark.edge_case(230)
async def test_a_window_that_is_run_twice_pays_once(setting: Setting) -> None:
    await setting.players(3)
    run, counted = await setting.begun(), _counted()
    first = await setting.pay(run)
    stand = await setting.cashbacks()
    assert await setting.pay(run) == first
    again = await setting.rules.again(await setting.rules.run(run.run_id))
    assert (again.times, again.opened) == (2, 0)
    assert await setting.pay(again) == first
    assert await setting.cashbacks() == stand == [(player, "EUR", 100) for player in (2, 3, 4)]
    assert _counted() - counted == 3


async def test_each_window_of_a_rule_pays(setting: Setting) -> None:
    await setting.players(1)
    await setting.played.settled("2026-11-10", 500, player=2)
    run = await setting.begun()
    later = await setting.rules.open(run.version_id, CUT, at("2026-11-16"))
    for one in (run, later):
        assert (await setting.pay(one)).opened == 1
    assert await setting.cashbacks() == [(2, "EUR", 50), (2, "EUR", 100)]


@pytest.mark.edge_case(230)
async def test_two_processes_that_run_a_window_at_the_same_moment_pay_once(setting: Setting) -> None:
    await setting.players(450)
    run = await setting.begun()
    gate = await asyncpg.connect(setting.url)
    await gate.execute("SELECT pg_advisory_lock(1)")
    command = (sys.executable, "-m", "tests.unit.rule_run_process", setting.url, str(run.run_id))
    both = [await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE) for _ in "ab"]
    for process in both:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"waiting\n"
    await gate.close()
    for process in both:
        out, _ = await process.communicate()
        assert (process.returncode, json.loads(out)) == (0, {"players": 451, "opened": 450})
    assert await setting.cashbacks() == [(player, "EUR", 100) for player in range(2, 452)]


class Killed(Exception):
    """The process ends here."""


class KilledRules(CashbackRules):
    """Rules whose process is killed before it records a page."""

    async def advance(self, run: RuleRun, page: Page, counts: Counts) -> RuleRun | None:
        raise Killed


@pytest.mark.edge_case(234)
async def test_a_killed_run_goes_on_and_pays_once(setting: Setting) -> None:
    await setting.players(250)
    run = await setting.begun()
    cashbacks = setting.activities._cashbacks
    killed = RuleRuns(cast(Any, None), KilledRules(cashbacks._database), cashbacks)
    with pytest.raises(Killed):
        await ActivityEnvironment().run(killed.pay_cashback_rule, run.run_id)
    assert len(await setting.cashbacks()) == 199
    assert (await setting.rules.run(run.run_id)).last_player_id == 0
    done = await setting.pay(run)
    assert (done.players, done.opened) == (251, 250)
    assert await setting.cashbacks() == [(player, "EUR", 100) for player in range(2, 252)]


async def test_of_two_attempts_that_end_a_run_one_has_ended_it(setting: Setting) -> None:
    """It is counted once."""
    run = await setting.begun()
    first, second = await setting.rules.end(run), await setting.rules.end(run)
    assert (first is not None and first.ended_at is not None, second) == (True, None)


async def test_a_run_goes_on_behind_the_players_that_it_has_dealt_with(setting: Setting) -> None:
    await setting.players(3)
    run = await setting.begun()
    page = await setting.rules.page(run, 2)
    assert page == Page(2, 2, (PlayerLosses(2, "EUR", False, losses(stakes=1000)),))
    counts = Counts(opened=1)
    moved = await setting.rules.advance(run, page, counts)
    assert moved is not None
    assert (moved.last_player_id, moved.players) == (2, 2)
    # Another attempt that has seen the same place counts nothing.
    assert await setting.rules.advance(run, page, counts) is None
    assert [one.player_id for one in (await setting.rules.page(moved, 10)).losses] == [3, 4]


@pytest.mark.edge_case(238)
async def test_a_blocked_player_is_counted_and_paid_once_it_is_unblocked(setting: Setting) -> None:
    await setting.players(1)
    await setting.connection.execute("UPDATE player SET blocked_at = now() WHERE player_id = 2")
    run = await setting.begun()
    done = await setting.pay(run)
    assert (done.opened, done.blocked) == (0, 1)
    await setting.connection.execute("UPDATE player SET blocked_at = NULL")
    done = await setting.pay(await setting.rules.again(await setting.rules.run(run.run_id)))
    assert (done.opened, done.blocked) == (1, 0)
    assert await setting.cashbacks() == [(2, "EUR", 100)]


@pytest.mark.edge_case(238)
async def test_a_currency_that_this_deployment_does_not_know_holds_up_no_one(setting: Setting) -> None:
    await setting.players(1)
    await setting.played.settled(INSIDE, 1000, currency="GOLD")
    done = await setting.pay(await setting.begun())
    assert (done.opened, done.unread) == (1, 1)
    assert await setting.cashbacks() == [(2, "EUR", 100)]


async def test_losses_below_the_floor_give_nothing(setting: Setting) -> None:
    await setting.players(1)
    done = await setting.pay(await setting.begun(floor={"EUR": "1.01"}))
    assert (done.opened, await setting.cashbacks()) == (0, [])


# Windows


async def test_every_window_that_has_ended_is_begun_once_in_its_order(setting: Setting) -> None:
    [now] = await setting.connection.fetchrow("SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'")
    await setting.rule(created=now - timedelta(days=3, hours=5), period="day")
    [rule] = await setting.rules.rules()
    begun = await setting.rules.begin(rule)
    windows = [(run.period_from, run.period_to) for run in begun]
    cuts = [now - timedelta(days=days) for days in (3, 2, 1, 0)]
    expected = list(zip([now - timedelta(days=3, hours=5), *cuts], cuts, strict=False))
    # Ten minutes after midnight the last one is begun too.
    assert windows in (expected, expected[:-1])
    again = await setting.rules.begin(rule)
    assert [run.run_id for run in again] == [run.run_id for run in begun]
    [rule] = await setting.rules.rules()
    assert rule.paid_to == windows[-1][1]


async def test_a_window_is_not_begun_before_all_that_ended_in_it_is_committed(setting: Setting) -> None:
    [now] = await setting.connection.fetchrow("SELECT now()")
    await setting.rule(created=now - timedelta(days=1), period="day")
    [rule] = await setting.rules.rules()
    cut = now.replace(hour=0, minute=0, second=0, microsecond=0)
    [run] = await setting.rules.begin(replace(rule, now=cut + timedelta(minutes=10)))
    assert run.period_to == cut
    assert await setting.rules.begin(replace(rule, now=cut + timedelta(minutes=9, seconds=59))) == []


@pytest.mark.edge_case(235)
async def test_a_window_keeps_the_version_by_which_it_was_begun(setting: Setting) -> None:
    first = await setting.rule(retired=at("2026-11-10"))
    run = await setting.rules.open(first, SINCE, CUT)
    second = await setting.rule(created=at("2026-11-10"), share="0.5")
    assert await setting.rules.open(second, SINCE, CUT) == run
    await setting.players(1)
    await setting.pay(run)
    assert await setting.cashbacks() == [(2, "EUR", 100)]


@pytest.mark.edge_case(230)
async def test_no_two_windows_of_a_rule_overlap(setting: Setting) -> None:
    run = await setting.begun()
    for since, cut in (
        (SINCE, at("2026-11-08")),
        (at("2026-11-08"), at("2026-11-16")),
        (at("2026-01-01"), at("2026-12-01")),
    ):
        with pytest.raises(Exception, match="has a run of this time"):
            await setting.rules.open(run.version_id, since, cut)
    await setting.rules.open(run.version_id, CUT, at("2026-11-16"))
    other = await setting.begun(name="daily")
    assert other.name == "daily"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE cashback_rule_version SET rule = '{}'",
        "UPDATE cashback_rule_version SET created_at = now()",
        "DELETE FROM cashback_rule_version",
        "UPDATE cashback_rule_run SET version_id = version_id, period_to = now()",
        "UPDATE cashback_rule_run SET excluded_games = '{1}'",
        "DELETE FROM cashback_rule_run",
    ],
)
async def test_versions_and_windows_stand(setting: Setting, change: str) -> None:
    await setting.begun()
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await setting.connection.execute(change)


@pytest.mark.edge_case(238)
async def test_a_disabled_casino_has_no_windows(setting: Setting) -> None:
    await setting.begun()
    await setting.connection.execute("UPDATE casino SET disabled_at = now()")
    assert await setting.rules.rules() == await setting.rules.unended() == []


# Versions


@pytest.mark.edge_case(235)
async def test_a_changed_rule_is_a_new_version_and_an_unchanged_one_is_none(database_url: str) -> None:
    async with PartnerDatabase.at(database_url) as partners:
        rules, desk = CashbackRules(partners.db), partners.onboarding

        async def versions(profile: str) -> list[tuple[str, str, str, bool]]:
            await desk.change("casino", "royal", profile=profile)
            return [
                (one.name, str(version.rule.share), version.time_zone, version.retired_at is None)
                for one in await rules.rules()
                for version in one.versions
            ]

        weekly, daily = "{name: weekly, share: 0.1}", "{name: daily, share: 0.2, period: day}"
        await desk.add_casino("royal", "http://royal.example", f"cashback_rules: [{weekly}]")
        first = [("weekly", "0.1", "UTC", True)]
        assert await versions(f"cashback_rules: [{weekly}]\nsend: {{tax: true}}") == first
        both = [("daily", "0.2", "UTC", True), ("weekly", "0.1", "UTC", True)]
        assert await versions(f"cashback_rules: [{weekly}, {daily}]") == both
        changed = [("daily", "0.2", "UTC", True), ("weekly", "0.1", "UTC", False), ("weekly", "0.15", "UTC", True)]
        assert await versions(f"cashback_rules: [{daily}, {{name: weekly, share: 0.15}}]") == changed
        gone = [(*one[:3], False) for one in changed]
        assert await versions("") == gone
        moved = await versions(f"cashback_rules: [{daily}]\ntime_zone: Europe/Madrid")
        assert moved == [gone[0], ("daily", "0.2", "Europe/Madrid", True), *gone[1:]]
        weekly_versions = (await rules.rules())[1].versions
        assert weekly_versions[0].retired_at == weekly_versions[1].created_at


# Explained


@pytest.mark.edge_case(237)
async def test_the_bets_of_a_cashback_add_up_to_it_months_later(setting: Setting, tmp_path: Path) -> None:
    await setting.connection.execute("INSERT INTO game (provider_id, provider_game_id, name) VALUES (1, 'l', 'l')")
    await setting.connection.execute("UPDATE game SET category = 'live' WHERE game_id <> $1", GAME)
    old = await setting.played.settled("2026-10-20", 500, win=90)
    first = await setting.played.settled(INSIDE, 1009, win=30)
    second = await setting.played.settled("2026-11-05", 100, jackpot=5)
    await setting.played.settled("2026-11-05", 7000, game=2)
    await setting.played.taken_back(old, "2026-11-06", 500, 90)
    await setting.pay(await setting.begun(excluded_categories=["live"]))
    [row] = await setting.connection.fetch("SELECT cashback_id, amount FROM cashback")
    # What happens later, and what is said of the games by then, changes nothing.
    await setting.played.taken_back(first, LATER, 1009, 30)
    await setting.played.settled(LATER, 100_000)
    await setting.connection.execute("UPDATE game SET category = 'live'")
    out = tmp_path / "rows.csv"
    status, found = await asyncio.to_thread(setting.explained, row["cashback_id"], "--out", str(out))
    assert (status, found["adds_up"], found["amount"], found["gives"]) == (0, True, "0.66", "0.66")
    expected = {"stakes": "11.09", "returns": "5.00", "payouts": "0.30", "jackpots": "0.05", "claw_backs": "0.90"}
    assert found["sums"] == expected | {"lost": "6.64"}
    assert [(bet["bet_id"], bet["what"]) for bet in found["bets"]] == [
        (first, "ended"),
        (second, "ended"),
        (old, "taken back"),
    ]
    with out.open() as file:
        assert list(csv.DictReader(file)) == [{k: str(v) for k, v in bet.items()} for bet in found["bets"]]


async def test_bets_that_do_not_add_up_are_said_so(setting: Setting) -> None:
    await setting.players(1)
    await setting.pay(await setting.begun())
    [row] = await setting.connection.fetch("SELECT cashback_id FROM cashback")
    await setting.played.settled(INSIDE, 5000, player=2)
    status, found = await asyncio.to_thread(setting.explained, row["cashback_id"])
    assert (status, found["adds_up"], found["amount"], found["gives"]) == (1, False, "1.00", "6.00")


async def test_rows_are_read_by_pages_without_a_loss(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("betcore.db.cashback_rules._PAGE", 2)
    made = [await setting.played.settled(INSIDE, 100) for _ in range(5)]
    await setting.pay(await setting.begun())
    [row] = await setting.connection.fetch("SELECT cashback_id FROM cashback")
    assert [case.bet_id async for case in setting.rules.cases(row["cashback_id"])] == sorted(made)
