"""Events of bets that ended long ago leave the database for files, and none is lost, whenever a run is killed."""

import asyncio
import gzip
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from betcore.archive import archiving
from betcore.archive.archiving import Archiving
from betcore.db.archives import Archives
from betcore.db.bet_history import BetHistory
from betcore.db.database import open_database
from betcore.runtime.settings import Settings
from betcore.verify.archives import check_archives
from betcore.verify.report import Report, ignore_progress
from betcore.verify.rows import check_rows
from tests.cluster import as_role
from tests.command_line import run
from tests.spawned import spawned
from tests.unit.partner_rows import PARTNERS, SESSION

# A bet by its provider's id of it, and how many days ago it ended. All of one have the same events: a stake that was
# sent, and an answer, which for a bet that went back is the one that said so.
_BETS = """
CREATE TEMPORARY TABLE made AS
SELECT n, name, state, ago, now() - make_interval(days => ago) AS at,
       (floor(extract(epoch FROM now() - make_interval(days => greatest(ago, 95)) - timestamptz '2026-01-01Z'))::bigint
        << 20) + n AS bet_id
FROM (VALUES (1, 'settled', 'settled', 100), (2, 'refunded', 'refunded', 95), (3, 'refused', 'refused', 91),
             (4, 'young', 'settled', 89), (5, 'open', 'acceptance', 100), (6, 'owed', 'refused', 100),
             (7, 'reversing', 'settled', 100), (8, 'reversed', 'settled', 100), (9, 'incident', 'settled', 100),
             (10, 'early-incident', 'settled', 100), (11, 'late-event', 'settled', 100), (12, 'voided', 'refunded', 99)
      ) AS given (n, name, state, ago);
INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win,
                 state, refusal, opened_at, accepted_at, told_at, withdrawn_at, closed_at)
SELECT bet_id, 1, name, 1, 1, 1, 's', 'EUR', 1000, CASE WHEN state = 'settled' THEN 0 END, state,
       CASE WHEN state = 'refused' THEN 'no_money' END, at, CASE WHEN state <> 'refused' THEN at END,
       CASE WHEN state = 'settled' OR name = 'voided' THEN at END, CASE WHEN state = 'refunded' THEN at END,
       CASE WHEN state <> 'acceptance' THEN at END
FROM made;
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, ended_at)
SELECT bet_id, -1, 1000, CASE WHEN name = 'owed' THEN 'parked' WHEN state = 'refused' THEN 'refused' ELSE 'done' END,
       1, at FROM made
UNION ALL
SELECT bet_id, 1, 0, 'done', 1, at FROM made WHERE state = 'settled'
UNION ALL
SELECT bet_id, 2, 1000, 'done', 1, at FROM made WHERE name IN ('refunded', 'voided', 'reversed');
INSERT INTO bet_event (bet_id, at, kind, data)
SELECT bet_id, at, 'send', jsonb_build_object('type', -1, 'note', E'\\u00e9 "x"\\n', 'amount', 0.10) FROM made
UNION ALL
SELECT bet_id, at + interval '1 microsecond', CASE WHEN name = 'refunded' THEN 'withdrawn'
       WHEN state = 'settled' OR name = 'voided' THEN 'told' ELSE 'answer' END, jsonb_build_object() FROM made;
INSERT INTO bet_event (bet_id, kind) SELECT bet_id, 'accept' FROM made WHERE name = 'late-event';
INSERT INTO reversal (bet_id, state, closed_at)
SELECT bet_id, CASE name WHEN 'reversing' THEN 'reversing' ELSE 'reversed' END,
       CASE name WHEN 'reversed' THEN at END FROM made WHERE name LIKE 'revers%';
UPDATE bet SET reversed_by = reversal_id FROM reversal
WHERE bet.bet_id = reversal.bet_id AND reversal.state = 'reversed';
INSERT INTO incident (bet_id, kind, ours, theirs)
SELECT bet_id, 'parked', jsonb_build_object(), jsonb_build_object() FROM made WHERE name IN ('incident', 'owed')
UNION ALL
SELECT NULL, 'different_data', jsonb_build_object('provider_bet_id', name), jsonb_build_object() FROM made
WHERE name = 'early-incident';
INSERT INTO cashback (cashback_id, casino_id, player_id, currency, amount, source, key, reason, state, issued_at,
                      closed_at, opened_at)
SELECT bet_id + 100, 1, 1, 'EUR', 500, 'operator', 'k', 'r', 'issued', at, at, at FROM made WHERE n = 1;
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts, ended_at)
SELECT bet_id + 100, 1, 500, 'done', 1, at FROM made WHERE n = 1;
INSERT INTO bet_event (bet_id, at, kind) SELECT bet_id + 100, at, 'cashback' FROM made WHERE n = 1;
"""
LEAVE = {"settled", "refunded", "voided", "refused", "reversed", "cashback"}
STAY = {"young", "open", "owed", "reversing", "incident", "early-incident", "late-event"}
EVENTS = """
SELECT event_line(bet_id, event_id, at, kind, data) FROM bet_event ORDER BY bet_id, event_id
"""


class Filled:
    """A database with these bets, and a folder for files."""

    def __init__(self, url: str, superuser: asyncpg.Connection, folder: Path) -> None:
        self.url, self.superuser, self.folder = url, superuser, folder
        self.settings = Settings(database_url=SecretStr(as_role(url, "archive")))

    async def command(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Run a command of ``archive`` by its role; return its status and what it printed."""
        environment = {"BETCORE_DATABASE_URL": as_role(self.url, "archive")}
        done = await run(self.folder / "stack", "archive", *words, "--json", **environment)
        return done.exit_code, json.loads(done.stdout)

    async def archive(self, *words: str) -> tuple[int, dict[str, Any]]:
        return await self.command("run", "--folder", str(self.folder), "--operator", "ann", *words)

    async def named(self, name: str) -> int:
        bet_id: int = await self.superuser.fetchval("SELECT bet_id FROM bet WHERE provider_bet_id = $1", name)
        return bet_id

    async def having_events(self) -> set[str]:
        """Return the names of the bets that have events in the database."""
        rows = await self.superuser.fetch("""
            SELECT DISTINCT coalesce(provider_bet_id, 'cashback') FROM bet_event LEFT JOIN bet USING (bet_id)
        """)
        return {row[0] for row in rows}

    async def lines(self) -> list[str]:
        return [row[0] for row in await self.superuser.fetch(EVENTS)]

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("events-*.jsonl.gz"))

    def archived(self) -> list[str]:
        return [line for file in self.files() for line in gzip.open(file, "rt", encoding="utf-8").read().splitlines()]

    async def verified(self) -> Report:
        """Check the rows, and the archives, as ``verify`` does."""
        report = Report()
        async with open_database(Settings(database_url=SecretStr(as_role(self.url, "read")))) as database:
            await check_rows(database, 0, report, ignore_progress)
            await check_archives(database, 0, report, ignore_progress)
        return report

    async def killed_at(self, point: str) -> None:
        """Run the command in a process that dies at a point."""
        armed = self.folder / "failpoints"
        armed.mkdir(exist_ok=True)
        (armed / point).touch()
        environment = {"BETCORE_DATABASE_URL": as_role(self.url, "archive"), "BETCORE_FAILPOINTS": str(armed)}
        words = ("archive", "run", "--folder", str(self.folder), "--operator", "ann")
        process = await asyncio.create_subprocess_exec(
            *spawned(sys.executable, "-m", "betcore", *words), env={**os.environ, **environment}
        )
        assert await process.wait() == -signal.SIGKILL


@pytest.fixture
async def filled(database_url: str, tmp_path: Path) -> AsyncIterator[Filled]:
    superuser = await asyncpg.connect(database_url)
    await superuser.execute(PARTNERS)
    await superuser.execute(SESSION)
    await superuser.execute(_BETS)
    yield Filled(database_url, superuser, tmp_path)
    await superuser.close()


async def test_events_of_bets_at_rest_are_in_a_file_and_not_in_the_table(filled: Filled) -> None:
    assert await filled.having_events() == LEAVE | STAY
    before, faults = await filled.lines(), (await filled.verified()).violations
    status, printed = await filled.archive()
    assert status == 0
    [one] = printed["archives"]
    assert (one["bets"], one["events"], one["deleted"], one["operator"]) == (6, 11, 11, "ann")
    assert one["emptied_at"] > one["written_at"]
    assert await filled.having_events() == STAY
    assert sorted(filled.archived() + await filled.lines()) == sorted(before)
    assert {json.loads(line)["kind"] for line in filled.archived()} == {
        "send",
        "told",
        "withdrawn",
        "answer",
        "cashback",
    }

    report = await filled.verified()
    assert report.violations == faults
    assert report.checks["archives"].looked_at == 1
    assert await filled.archive() == (0, {"archives": []})
    assert [file.name for file in filled.files()] == [one["name"]]

    [change] = await filled.superuser.fetch(
        "SELECT operator, role, subject, name FROM admin_event WHERE subject = 'archive'"
    )
    assert tuple(change) == ("ann", "betcore_archive", "archive", one["name"])


async def test_a_bet_whose_events_have_left_says_where_they_are(filled: Filled) -> None:
    _, printed = await filled.archive()
    [one] = printed["archives"]
    async with open_database(Settings(database_url=SecretStr(as_role(filled.url, "ops")))) as database:
        found = await BetHistory(database).read(await filled.named("settled"))
        assert (found["events"], found["archived"]) == (
            [],
            [{"archive_id": one["archive_id"], "name": one["name"], "events": 2, "left": True}],
        )
        assert (await BetHistory(database).read(await filled.named("young")))["archived"] == []
    assert [one["name"] for one in (await filled.command("list"))[1]["archives"]] == [one["name"]]


@pytest.mark.edge_case(283)
async def test_what_happens_later_is_in_a_later_file(filled: Filled) -> None:
    await filled.archive()
    bet_id = await filled.named("settled")
    late = "INSERT INTO bet_event (bet_id, at, kind) VALUES ($1, now() - $2::interval, 'accept')"
    await filled.superuser.execute(late.replace("$2::interval", "interval '92 days'"), bet_id)
    [event] = [line for line in await filled.lines() if json.loads(line)["bet_id"] == bet_id]
    _, printed = await filled.archive()
    assert [(one["bets"], one["events"]) for one in printed["archives"]] == [(1, 1)]
    assert event in filled.archived()
    rows = await filled.superuser.fetch("SELECT events, told FROM archived_bet WHERE bet_id = $1 ORDER BY 1", bet_id)
    assert [tuple(row) for row in rows] == [(1, False), (2, True)]
    assert (await filled.verified()).checks["archives"].violations == 0


@pytest.mark.edge_case(280)
@pytest.mark.parametrize("point", ["archive_written", "archive_recorded", "archive_deleted"])
async def test_a_run_that_is_killed_is_taken_up(filled: Filled, point: str) -> None:
    # More bets than one statement deletes.
    await filled.superuser.execute("""
        INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency,
                         stake, state, refusal, opened_at, closed_at)
        SELECT n, 1, n, 1, 1, 1, 's', 'EUR', 1000, 'refused', 'no_money', now() - interval '99 days',
               now() - interval '99 days' FROM generate_series(1, 300) AS n;
        INSERT INTO bet_event (bet_id, at, kind)
        SELECT n, now() - interval '99 days', 'answer' FROM generate_series(1, 300) AS n;
    """)
    before = await filled.lines()
    await filled.killed_at(point)
    left = len(before) - len(await filled.lines())
    assert left == (archiving._DELETED_AT_ONCE if point == "archive_deleted" else 0)
    _, printed = await filled.archive()
    assert sum(one["deleted"] for one in printed["archives"]) == 311 - left
    assert sorted(filled.archived() + await filled.lines()) == sorted(before)
    assert len(filled.archived()) == 311
    for file in filled.files():
        assert (await filled.command("check", str(file)))[0] == 0
    assert (await filled.verified()).checks["archives"].violations == 0
    assert {one.name for one in filled.folder.iterdir()} - {"failpoints", "lock"} == {
        one.name for one in filled.files()
    }


@pytest.mark.edge_case(282)
async def test_nothing_is_deleted_by_a_file_that_is_not_the_one_that_was_archived(filled: Filled) -> None:
    before = await filled.lines()
    _, printed = await filled.archive("--write-only")
    assert [one["deleted"] for one in printed["archives"]] == [0]
    assert await filled.lines() == before
    assert "still in the database" in str(await filled.archive("--write-only"))
    [file] = filled.files()
    whole = file.read_bytes()
    for damaged in (whole[:-20], whole + b"\0", gzip.compress(gzip.decompress(whole)), None):
        file.unlink(missing_ok=True)
        if damaged is not None:
            file.write_bytes(damaged)
            status, printed = await filled.command("check", str(file))
            assert (status, printed["error"]["code"]) == (1, "invalid_file")
        status, printed = await filled.archive()
        assert (status, printed["error"]["code"]) == (1, "invalid_file")
        assert await filled.lines() == before
    file.write_bytes(whole)
    _, printed = await filled.archive()
    assert [one["deleted"] for one in printed["archives"]] == [11]


async def test_a_bet_that_is_at_rest_no_more_keeps_its_events(filled: Filled) -> None:
    await filled.archive("--write-only")
    bet_id = await filled.named("settled")
    await filled.superuser.execute("INSERT INTO reversal (bet_id) VALUES ($1)", bet_id)
    _, printed = await filled.archive()
    assert [one["deleted"] for one in printed["archives"]] == [9]
    assert await filled.having_events() == STAY | {"settled"}


async def test_files_have_at_most_so_many_bets(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "_PAGE", 1)
    before = await filled.lines()
    async with open_database(filled.settings, "ann") as database:
        done = [one async for one in Archiving(Archives(database), filled.folder, 2).run(90)]
    assert [one.archive.bets for one in done] == [2, 2, 2]
    assert sorted(filled.archived() + await filled.lines()) == sorted(before)


async def test_only_one_run_uses_a_folder(filled: Filled) -> None:
    with archiving._held(filled.folder):
        status, printed = await filled.archive()
    assert (status, printed["error"]["code"]) == (1, "operation_refused")


# Each is tried after everything was written into a file, and nothing deleted. ``{bet}`` is a bet that may leave.
REFUSED = {
    "an event that no archive has": "DELETE FROM bet_event WHERE bet_id = {late-event}",
    "a part of a bet": "DELETE FROM bet_event WHERE bet_id = {settled} AND kind = 'told'",
    "a bet with an event that came later": """
        INSERT INTO bet_event (bet_id, at, kind) VALUES ({settled}, now() - interval '95 days', 'late');
        DELETE FROM bet_event WHERE bet_id = {settled}
    """,
    "as many events of a bet, and not those": """
        INSERT INTO bet_event (bet_id, at, kind) VALUES ({settled}, now() - interval '95 days', 'answer');
        DELETE FROM bet_event WHERE bet_id = {settled} AND kind IN ('told', 'answer')
    """,
    "another bet beside one that may leave": "DELETE FROM bet_event WHERE bet_id IN ({settled}, {young})",
    "all": "DELETE FROM bet_event",
    "a bet that is open again": "INSERT INTO reversal (bet_id) VALUES ({settled}); {delete}",
    "a bet with an incident": """
        INSERT INTO incident (bet_id, kind, ours, theirs) VALUES ({settled}, 'parked', '{{}}', '{{}}'); {delete}
    """,
    "by an archive that is not committed": """
        INSERT INTO archive (name, sha256, size, bets, events, first_bet_id, last_bet_id, operator)
        VALUES ('mine', sha256(''), 1, 1, 3, 1, 1, 'me');
        INSERT INTO archived_bet
        SELECT bet_id, (SELECT max(archive_id) FROM archive), count(*), true, false,
               sha256(convert_to(string_agg(event_line(bet_id, event_id, at, kind, data) || E'\\n', ''
                                            ORDER BY event_id), 'UTF8'))
        FROM bet_event WHERE bet_id = {young} GROUP BY bet_id;
        DELETE FROM bet_event WHERE bet_id = {young}
    """,
    "a change": "UPDATE bet_event SET kind = 'told' WHERE bet_id = {settled}",
    "an archive": "DELETE FROM archive",
    "another hash of an archive": "UPDATE archive SET sha256 = sha256('')",
    "what an archive has": "DELETE FROM archived_bet",
    "another hash of what it has": "UPDATE archived_bet SET sha256 = sha256('')",
    "archives at once": "TRUNCATE archive CASCADE",
    "an archive of no bet": """
        INSERT INTO archived_bet VALUES (1, (SELECT max(archive_id) FROM archive), 1, true, false, sha256(''))
    """,
}
DELETE = "DELETE FROM bet_event WHERE bet_id = {settled}"


@pytest.mark.edge_case(281)
async def test_the_database_refuses_what_no_archive_covers_even_to_its_owner(filled: Filled) -> None:
    await filled.archive("--write-only")
    ids = {name: await filled.named(name) for name in ("settled", "young", "late-event")}
    owner = await asyncpg.connect(as_role(filled.url, "owner"))
    refused = set()
    for what, statement in REFUSED.items():
        before = await filled.lines()
        try:
            await owner.execute(statement.format(delete=DELETE.format(**ids), **ids))
        except asyncpg.IntegrityConstraintViolationError:
            refused.add(what)
        assert await filled.lines() == before, what
    assert refused == REFUSED.keys()
    assert await owner.execute(DELETE.format(**ids)) == "DELETE 2"
    await owner.close()


async def test_what_is_younger_than_thirty_days_stays_whatever_an_archive_has(filled: Filled) -> None:
    """By the database itself: the command does not take fewer days."""
    days = 20
    async with open_database(filled.settings, "ann") as database:
        await filled.superuser.execute("UPDATE cashback SET cancel_asked_at = now(), cancel_reason = 'r'")
        archives = Archives(database)
        await filled.superuser.execute("""
            INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency,
                             stake, state, refusal, opened_at, closed_at)
            VALUES (1, 1, 'month', 1, 1, 1, 's', 'EUR', 1, 'refused', 'no_money', now(), now() - interval '25 days');
            INSERT INTO bet_event (bet_id, at, kind) VALUES (1, now() - interval '25 days', 'answer');
        """)
        done = [one async for one in Archiving(archives, filled.folder).run(days, write_only=True)]
        assert [one.archive.first_bet_id for one in done] == [1]
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await filled.superuser.execute("DELETE FROM bet_event WHERE bet_id = 1")
    status, printed = await filled.archive()
    assert (status, printed["archives"][0]["deleted"] < printed["archives"][0]["events"]) == (0, True)
    assert "month" in await filled.having_events()


async def test_verify_names_an_archive_that_does_not_have_what_its_row_says(filled: Filled) -> None:
    await filled.archive()
    await filled.superuser.execute("SET session_replication_role = replica")
    await filled.superuser.execute("DELETE FROM archived_bet WHERE told")
    report = await filled.verified()
    [wrong] = [one.what for one in report.violations if one.check == "archives"]
    assert "should have 6 bets and 11 events, and the rows of its bets come to 3 and 5" in wrong
    [untold] = [one for one in report.violations if one.check == "told"]
    assert (untold.provider_bet_id, "neither an answer nor a payout has told it" in untold.what) == ("voided", True)
