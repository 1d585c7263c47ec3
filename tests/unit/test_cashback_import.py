"""The import of a casino's file: each line has its report, and is paid once, whatever happens to the process."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from betcore.cli.cashback_import import BATCH, Batches
from betcore.cli.import_files import Reported, SeenKeys, SourceFile
from betcore.cli.main import app
from betcore.domain.cashback_lines import LONGEST
from tests.unit.partner_rows import PARTNERS

HEADER = "key,player,currency,amount\n"


@dataclass
class Importer:
    """A database with a casino ``c`` and its player anna, and a folder for files."""

    url: str
    connection: asyncpg.Connection
    folder: Path

    async def imported(self, content: str | bytes, *options: str, status: int = 0) -> dict[str, Any]:
        """Import a file, and return what the command prints."""
        file = self.folder / "back.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return await self.ran(file, *options, status=status)

    async def ran(self, file: Path, *options: str, status: int = 0, casino: str = "c") -> dict[str, Any]:
        """Run the command for a file that is there, or not."""
        command = ["cashback", "import", str(file), "--casino", casino, "--operator", "ann", "--json", *options]
        result = await asyncio.to_thread(CliRunner().invoke, app, command, env={"BETCORE_DATABASE_URL": self.url})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def report(self, name: str = "back.csv.report.csv") -> list[dict[str, str]]:
        """Return the rows of a report."""
        with (self.folder / name).open(newline="") as file:
            return list(csv.DictReader(file))

    def reasons(self) -> list[str]:
        """Return the reason for each line, or its outcome if it has none."""
        return [row["reason"] or row["outcome"] for row in self.report()]

    async def cashbacks(self) -> list[tuple[str, str, int]]:
        """Return key, currency and amount of all cashbacks."""
        rows = await self.connection.fetch("SELECT key, currency, amount FROM cashback ORDER BY key")
        return [(row["key"], row["currency"], int(row["amount"])) for row in rows]


@pytest.fixture
async def importer(database_url: str, tmp_path: Path) -> AsyncIterator[Importer]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(PARTNERS)
    yield Importer(database_url, connection, tmp_path)
    await connection.close()


def many(count: int) -> str:
    return HEADER + "".join(f"k-{number:05},anna,EUR,0.01\n" for number in range(count))


async def test_each_line_opens_a_cashback(importer: Importer) -> None:
    text = "amount,currency,player,key,promo_code,reason\n5,EUR,anna,a,,\n700,JPY,anna,b,BACK,sorry\n"
    done = await importer.imported(text)
    assert (done["lines"], done["outcomes"], done["amounts"]) == (2, {"opened": 2}, {"EUR": "5.00", "JPY": "700"})
    rows = await importer.connection.fetch("SELECT * FROM cashback ORDER BY key")
    assert [(row["source"], row["key"], int(row["amount"]), row["promo_code"], row["reason"]) for row in rows] == [
        ("import", "import:a", 500, None, "import of back.csv, line 2"),
        ("import", "import:b", 700, "BACK", "sorry"),
    ]
    assert [(one["line"], one["outcome"], one["cashback_id"]) for one in importer.report()] == [
        ("2", "opened", str(rows[0]["cashback_id"])),
        ("3", "opened", str(rows[1]["cashback_id"])),
    ]
    [operator] = await importer.connection.fetchrow("SELECT data ->> 'operator' FROM bet_event LIMIT 1")
    assert operator == "ann"


async def test_a_dry_run_opens_nothing_and_says_the_same(importer: Importer) -> None:
    await importer.imported(HEADER + "old,anna,EUR,1\n")
    text = HEADER + "old,anna,EUR,1\nnew,anna,EUR,1\nnew,anna,EUR,1\nbad,anna,EUR,x\nold,ben,EUR,1\n"
    done = await importer.imported(text, "--dry-run", status=1)
    assert done["outcomes"] == {"already": 1, "would_open": 1, "refused": 3}
    assert await importer.cashbacks() == [("import:old", "EUR", 100)]
    dry = [row["reason"] or row["outcome"] for row in importer.report("back.csv.dry-run.csv")]
    await importer.imported(text, status=1)
    assert [one.replace("would_open", "opened") for one in dry] == importer.reasons()


@pytest.mark.edge_case(239)
async def test_the_same_file_twice_pays_once(importer: Importer) -> None:
    first = await importer.imported(many(3))
    stand = await importer.cashbacks()
    again = await importer.imported(many(3))
    assert (first["outcomes"], again["outcomes"]) == ({"opened": 3}, {"already": 3})
    assert await importer.cashbacks() == stand
    assert [row["cashback_id"] for row in importer.report()] == [
        str(row["cashback_id"])
        for row in await importer.connection.fetch("SELECT cashback_id FROM cashback ORDER BY key")
    ]


@pytest.mark.edge_case(239)
async def test_a_line_stands_in_another_file_too(importer: Importer) -> None:
    await importer.imported(many(3))
    await importer.imported(HEADER + "".join(reversed(many(5).splitlines(keepends=True)[1:])))
    assert [row["outcome"] for row in importer.report()] == ["opened"] * 2 + ["already"] * 3
    assert len(await importer.cashbacks()) == 5


@pytest.mark.parametrize("line", ["a,anna,EUR,5.01", "a,anna,USD,5.00", "a,ben,EUR,5.00"])
@pytest.mark.edge_case(240)
async def test_a_line_that_contradicts_an_earlier_one_is_reported_and_not_paid(importer: Importer, line: str) -> None:
    await importer.connection.execute("INSERT INTO player (casino_id, partner_user_id) VALUES (1, 'ben')")
    await importer.imported(HEADER + "a,anna,EUR,5\n")
    done = await importer.imported(HEADER + line + "\nb,anna,EUR,1\n", status=1)
    assert done["refused"] == {"contradiction": 1}
    assert importer.reasons() == ["contradiction", "opened"]
    assert await importer.cashbacks() == [("import:a", "EUR", 500), ("import:b", "EUR", 100)]


@pytest.mark.edge_case(240)
async def test_no_line_stops_those_behind_it(importer: Importer) -> None:
    await importer.connection.execute(
        "INSERT INTO player (casino_id, partner_user_id, blocked_at) VALUES (1, 'blocked', now())"
    )
    long = b"k" * 10_000_000
    bad = [
        b"a,anna,EUR,1.005",
        b"b,nobody,EUR,1",
        b"c,anna,GOLD,1",
        b"d,blocked,EUR,1",
        b"",
        b'"e,anna,EUR,1',
        b"\xff,anna,EUR,1",
        long,
        b"f,anna,EUR",
        b"good-1,anna,EUR,1",
        b"good-1,anna,EUR,1",
        b"g,anna,EUR,0",
    ]
    content = b"\xef\xbb\xbfkey,player,currency,amount\r\n" + b"\r\n".join([*bad, b"good-2,anna,EUR,2"])
    done = await importer.imported(content, status=1)
    expected = ["amount_invalid", "player_unknown", "currency_unknown", "player_blocked", "empty", "not_csv"]
    expected += ["not_utf8", "too_long", "wrong_columns", "opened", "duplicate_key", "amount_zero", "opened"]
    assert importer.reasons() == expected
    assert [row["line"] for row in importer.report()] == [str(number) for number in range(2, 15)]
    assert done["outcomes"] == {"refused": 10, "empty": 1, "opened": 2}
    assert importer.report()[10]["detail"] == "line 11 has this key"
    assert await importer.cashbacks() == [("import:good-1", "EUR", 100), ("import:good-2", "EUR", 200)]


async def test_a_key_stands_once_in_a_file_however_far_apart(importer: Importer) -> None:
    rows = [f"k-{number},anna,EUR,1\n" for number in range(BATCH + 10)]
    await importer.imported(HEADER + "".join([*rows, "k-0,anna,EUR,1\n", "k-1,anna,EUR,2\n"]), status=1)
    assert importer.reasons()[-2:] == ["duplicate_key", "duplicate_key"]
    assert len(await importer.cashbacks()) == BATCH + 10


async def test_a_file_without_a_header_pays_nothing_and_says_so_for_each_line(importer: Importer) -> None:
    done = await importer.imported("a,anna,EUR,1\nb,anna,EUR,1\n", status=1)
    assert importer.reasons() == ["header", "no_header"]
    assert (done["lines"], await importer.cashbacks()) == (2, [])
    await importer.imported("key,player,currency,amount,note\na,anna,EUR,1,x\n", status=1)
    assert importer.report()[0]["detail"].startswith("unknown column 'note'")


async def test_a_file_of_a_header_alone_is_no_fault(importer: Importer) -> None:
    assert (await importer.imported(HEADER))["lines"] == 0
    assert (await importer.imported(""))["lines"] == 0


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("opened", [True, False], ids=["after opening a batch", "before"])
@pytest.mark.edge_case(241)
async def test_a_killed_import_goes_on_and_reports_every_line_once(
    importer: Importer, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    carry_out, done = Batches.carry_out, 0

    async def killed(self: Batches, batch: Any) -> list[Reported]:
        nonlocal done
        done += 1
        if done == 3 and not opened:
            raise Killed
        result = await carry_out(self, batch)
        if done == 3:
            raise Killed
        return result

    text = many(3 * BATCH + 5)
    with monkeypatch.context() as patched:
        patched.setattr(Batches, "carry_out", killed)
        with pytest.raises(Killed):
            await importer.imported(text)
    [part] = importer.folder.glob("*.part")
    # A kill may leave half of a line.
    with part.open("ab") as file:
        file.write(b"2002,opened,\xc3")
    resumed = await importer.imported(text)
    expected = {"opened": 2 * BATCH + 5, "already": BATCH} if opened else {"opened": 3 * BATCH + 5}
    assert resumed["outcomes"] == expected
    assert [int(row["line"]) for row in importer.report()] == list(range(2, 3 * BATCH + 7))
    assert len(await importer.cashbacks()) == 3 * BATCH + 5
    assert list(importer.folder.glob("*.part")) == []


async def test_a_killed_import_of_another_file_or_casino_is_not_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "back.csv"
    file.write_text(many(1))
    first = SourceFile.at(file)
    assert first.lines == 2
    file.write_text(many(1) + "x,anna,EUR,1")
    second = SourceFile.at(file)
    assert second.lines == 3
    assert len({first.identity("c"), first.identity("d"), second.identity("c")}) == 3


async def test_two_imports_of_a_file_do_not_write_one_report(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out = Batches.carry_out
    other: list[dict[str, Any]] = []

    async def beside(self: Batches, batch: Any) -> list[Reported]:
        if not other:
            other.append({})
            other.append(await importer.ran(importer.folder / "back.csv", status=1))
        return await carry_out(self, batch)

    monkeypatch.setattr(Batches, "carry_out", beside)
    await importer.imported(many(2))
    assert other[1]["error"]["code"] == "operation_refused"
    assert importer.reasons() == ["opened", "opened"]


@pytest.mark.parametrize(
    ("file", "casino", "code"),
    [("none.csv", "c", "invalid_file"), ("", "c", "invalid_file"), ("f.csv", "none", "not_found")],
)
async def test_what_cannot_be_imported_is_refused(importer: Importer, file: str, casino: str, code: str) -> None:
    (importer.folder / "f.csv").write_text(many(1))
    assert (await importer.ran(importer.folder / file, status=1, casino=casino))["error"]["code"] == code


async def test_a_disabled_casino_gets_no_cashbacks(importer: Importer) -> None:
    await importer.connection.execute("UPDATE casino SET disabled_at = now()")
    assert (await importer.imported(many(1), status=1))["error"]["code"] == "casino_disabled"
    assert await importer.cashbacks() == []


def test_a_line_of_the_greatest_length_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    for end in (b"", b"\n", b"\r\n"):
        file.write_bytes(b"x" * LONGEST + end + (b"y" * (LONGEST + 3) + end + b"z" if end else b""))
        lines = list(SourceFile.at(file).numbered())
        assert lines[0] == (1, b"x" * LONGEST + end)
        assert lines[1:] == ([(2, None), (3, b"z")] if end else [])


def test_seen_keys_know_their_first_lines() -> None:
    seen = SeenKeys()
    assert [seen.first_line(key, line) for line, key in enumerate(["a", "b", "a", "A"], 1)] == [1, 2, 1, 4]
    seen.close()
