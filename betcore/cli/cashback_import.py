"""``python -m betcore cashback import``: open the cashbacks of a casino's file, and report on each of its lines."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli.context import CommandContext, Json, run_command
from betcore.cli.import_files import Report, Reported, SeenKeys, SourceFile
from betcore.cli.output import AsJson, DataDir, Operator
from betcore.domain.cashback_lines import Fault, FaultyLine, Line, columns, read_line
from betcore.domain.ids import cashback_key_of_line
from betcore.domain.money import Money

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from betcore.db.cashback_imports import CashbackImports
    from betcore.db.cashbacks import Cashbacks
    from betcore.domain.cashback import NewCashback

# Lines in one statement.
BATCH = 1000


def import_cashbacks(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with key, player, currency, amount.")],
    casino: Annotated[str, typer.Option("--casino", help="The casino's name.")],
    operator: Operator,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Open nothing; report what would be opened.")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="CSV with a row for each line of the file.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Open a cashback for each line of a file, once however often the line is imported.

    Goes on where a killed import of the same file has stopped. Exits with status 1 if a line is refused.
    """
    refused = 0

    async def work(context: CommandContext) -> Json:
        nonlocal refused
        from betcore.db.validation import name

        who = name("operator", operator)
        done = await _imported(context, SourceFile.at(file), casino, who, dry_run, report or _beside(file, dry_run))
        refused = done["outcomes"].get("refused", 0)
        return done

    run_command(as_json, data_dir, work, _as_text)
    if refused:
        raise typer.Exit(1)


def _beside(file: Path, dry_run: bool) -> Path:
    return file.with_name(f"{file.name}.{'dry-run' if dry_run else 'report'}.csv")


async def _imported(
    context: CommandContext, source: SourceFile, casino: str, operator: str, dry_run: bool, path: Path
) -> Json:
    from betcore.db.cashback_imports import CashbackImports
    from betcore.db.cashbacks import Cashbacks

    rows = CashbackImports(context.database)
    casino_id = await rows.casino_id(casino)
    batches = Batches(rows, Cashbacks(context.database), casino_id, operator, source.path.name, dry_run)
    with Report.opened(path, source.identity(casino)) as report:
        with closing(SeenKeys()) as seen, _progress(source.lines) as (progress, task):
            batch: list[Line | Fault] = []
            for line in _lines(source, seen):
                if line.number <= report.done:
                    continue
                batch.append(line)
                if len(batch) == BATCH:
                    report.write(await batches.carry_out(batch))
                    progress.update(task, completed=line.number)
                    batch = []
            report.write(await batches.carry_out(batch))
        summary = _summary(report)
        report.finish()
    return {"file": str(source.path), "casino": casino, "dry_run": dry_run, **summary, "report": str(path)}


def _lines(source: SourceFile, seen: SeenKeys) -> Iterator[Line | Fault]:
    """Yield what each line of a file orders, behind its header; a header that cannot be used is reported too."""
    names: Sequence[str] | None = None
    for number, raw in source.numbered():
        if number == 1:
            try:
                names = columns(raw)
            except FaultyLine as fault:
                yield Fault(number, fault.reason, fault.detail, {})
            continue
        line = read_line(names, number, raw)
        key = line.key if isinstance(line, Line) else line.given.get("key")
        first = seen.first_line(key, number) if key else number
        if first != number:
            line = Fault(number, "duplicate_key", f"line {first} has this key", _given(line))
        yield line


@dataclass(frozen=True, slots=True)
class Batches:
    """Opens the cashbacks of some lines at a time, or, in a dry run, finds out what would become of them."""

    rows: "CashbackImports"
    cashbacks: "Cashbacks"
    casino_id: int
    operator: str
    file: str
    dry_run: bool

    async def carry_out(self, batch: Sequence[Line | Fault]) -> list[Reported]:
        """Return what became of each line."""
        lines = [line for line in batch if isinstance(line, Line)]
        players = await self.rows.players(self.casino_id, [line.player for line in lines]) if lines else {}
        orders: dict[int, NewCashback] = {}
        faults: dict[int, Reported] = {}
        for line in batch:
            if isinstance(line, Fault):
                faults[line.number] = _refused(line, line.reason, line.detail)
            elif (player := players.get(line.player)) is None:
                faults[line.number] = _refused(line, "player_unknown", "the casino has no such player here")
            elif player.is_blocked:
                faults[line.number] = _refused(line, "player_blocked", "the player is blocked")
            else:
                orders[line.number] = self._order(line, player.player_id)
        done = await (self._looked_up(orders) if self.dry_run else self._opened(orders))
        return [faults.get(line.number) or _reported(line, *done[line.number]) for line in batch]

    def _order(self, line: Line, player_id: int) -> "NewCashback":
        from betcore.domain.cashback import CashbackSource, NewCashback

        return NewCashback(
            source=CashbackSource.IMPORT,
            key=cashback_key_of_line(line.key),
            player_id=player_id,
            amount=line.amount,
            reason=line.reason or f"import of {self.file}, line {line.number}",
            promo_code=line.promo_code,
            operator=self.operator,
        )

    async def _opened(self, orders: "dict[int, NewCashback]") -> dict[int, tuple[str, int | None]]:
        from betcore.domain.cashback import Opening

        words = {Opening.OPENED: "opened", Opening.REPEATED: "already"}
        found = await self.cashbacks.open(self.casino_id, list(orders.values())) if orders else []
        return {
            number: (words.get(one.opening, "contradiction"), one.cashback_id)
            for number, one in zip(orders, found, strict=True)
        }

    async def _looked_up(self, orders: "dict[int, NewCashback]") -> dict[int, tuple[str, int | None]]:
        standing = await self.rows.standing(self.casino_id, [order.key for order in orders.values()]) if orders else {}
        done: dict[int, tuple[str, int | None]] = {}
        for number, order in orders.items():
            if (one := standing.get(order.key)) is None:
                done[number] = "would_open", None
            else:
                same = (one.player_id, one.amount) == (order.player_id, order.amount)
                done[number] = "already" if same else "contradiction", one.cashback_id
        return done


def _given(line: Line | Fault) -> dict[str, str]:
    if isinstance(line, Fault):
        return dict(line.given)
    amount = {"currency": line.amount.currency, "amount": str(line.amount)}
    return {"key": line.key, "player": line.player, **amount}


def _reported(line: Line | Fault, what: str, cashback_id: int | None) -> Reported:
    if what == "contradiction":
        detail = "this key was paid with another player, currency or amount"
        return _refused(line, what, detail, cashback_id)
    return Reported(line.number, what, cashback_id=cashback_id or "", **_given(line))


def _refused(line: Line | Fault, reason: str, detail: str, cashback_id: int | None = None) -> Reported:
    from betcore.cli.formatting import plain

    wanted = {name: plain(value) for name, value in _given(line).items() if name in Reported.__dataclass_fields__}
    wanted.pop("reason", None)
    outcome = "empty" if reason == "empty" else "refused"
    return Reported(line.number, outcome, reason, cashback_id=cashback_id or "", detail=plain(detail), **wanted)


def _summary(report: Report) -> Json:
    """Return how many lines have each outcome, and each reason, and the sums of what stands by currency."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    amounts: dict[str, int] = {}
    for row in report.rows():
        outcomes[row["outcome"]] += 1
        if row["outcome"] == "refused":
            reasons[row["reason"]] += 1
        elif row["amount"]:
            currency = row["currency"]
            amounts[currency] = amounts.get(currency, 0) + Money.parse(row["amount"], currency).minor
    sums = {currency: str(Money(minor=minor, currency=currency)) for currency, minor in sorted(amounts.items())}
    return {"lines": outcomes.total(), "outcomes": dict(outcomes), "refused": dict(reasons), "amounts": sums}


@contextmanager
def _progress(lines: int) -> "Iterator[tuple[Progress, TaskID]]":
    """Show on standard error how far the import is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns_ = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns_, console=Console(stderr=True), transient=True) as shown:
        yield shown, shown.add_task("lines", total=lines)


def _as_text(done: Json) -> str:
    head = f"{done['file']}: {done['lines']} lines" + (" (dry run: nothing was opened)" if done["dry_run"] else "")
    parts = [head, _counted("outcomes", done["outcomes"]), _counted("refused", done["refused"])]
    parts.append(_counted("amounts", done["amounts"]))
    return "\n".join([*parts, f"written: {done['report']}"])


def _counted(name: str, counts: Json) -> str:
    return f"{name}: {', '.join(f'{key} {count}' for key, count in sorted(counts.items())) or 'none'}"
