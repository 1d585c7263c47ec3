"""``python -m betcore cashback explain``: where a cashback comes from, row by row."""

import csv
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from betcore.cli.context import CommandContext, Json, run_command
from betcore.cli.formatting import EVENTS_AT_EACH_END, fields, heading, table
from betcore.cli.output import AsJson, DataDir
from betcore.domain.errors import InvalidInput

if TYPE_CHECKING:
    from betcore.db.statements.cashback_rules import CaseRow, OriginRow

_SUMS = ("stakes", "returns", "payouts", "jackpots", "claw_backs")


def explain(
    cashback_id: Annotated[int, typer.Argument(metavar="ID", help="The CashbackId.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="CSV for all rows.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what ordered a cashback and, for a rule's, the bets that its amount comes from.

    Exits with status 1 if the bets do not add up to the amount.
    """
    adds_up = True

    async def work(context: CommandContext) -> Json:
        nonlocal adds_up
        found = await _explained(context, cashback_id, out)
        adds_up = found.get("adds_up", True)
        return found

    run_command(as_json, data_dir, work, _as_text)
    if not adds_up:
        raise typer.Exit(1)


async def _explained(context: CommandContext, cashback_id: int, out: Path | None) -> Json:
    from betcore.db.cashback_rules import CashbackRules

    rules = CashbackRules(context.database)
    origin = await rules.origin(cashback_id)
    found = _origin(origin)
    if origin.version_id is None:
        return found
    cases = [case async for case in rules.cases(cashback_id)]
    if out is not None:
        _write(out, [_case(case, origin.currency) for case in cases])
    return found | _computed(origin, cases) | {"bets": [_case(case, origin.currency) for case in cases]}


def _origin(origin: "OriginRow") -> Json:
    from betcore.db.row_mapping import amount_text, time_text

    named = ("cashback_id", "casino", "currency", "state", "source", "key", "reason")
    found: Json = {name: getattr(origin, name) for name in named}
    found |= {"player": origin.partner_user_id, "amount": amount_text(origin.amount, origin.currency)}
    found |= {"opened_at": time_text(origin.opened_at)}
    if origin.version_id is None:
        return found
    window = {"from": time_text(origin.period_from), "to": time_text(origin.period_to)}
    return found | {"rule": origin.rule, "version": origin.version_id, "time_zone": origin.time_zone, **window}


def _computed(origin: "OriginRow", cases: "list[CaseRow]") -> Json:
    """Return the sums of the bets, and what the version of the rule gives for them."""
    from betcore.db.cashback_rules import losses_of
    from betcore.domain.cashback_rules import Losses, cashback_of
    from betcore.domain.money import Money, minor_units
    from betcore.domain.profiles import CashbackRule

    parts = [losses_of(case) for case in cases]
    losses = Losses(**{name: sum(getattr(part, name) for part in parts) for name in _SUMS})
    amount = cashback_of(CashbackRule.model_validate(origin.rule), losses, origin.currency)
    sums = asdict(losses) | {"lost": losses.lost}
    shown = {name: str(Money(minor=minor, currency=origin.currency)) for name, minor in sums.items()}
    given = None if amount is None else str(amount)
    return {"sums": shown, "gives": given, "adds_up": amount is not None and amount.minor == minor_units(origin.amount)}


def _case(case: "CaseRow", currency: str) -> Json:
    from betcore.db.row_mapping import amount_text

    moved = {name: amount_text(getattr(case, name), currency) for name in _SUMS}
    named = {"bet_id": case.bet_id, "provider": case.provider, "provider_bet_id": case.provider_bet_id}
    what = "taken back" if case.is_reversal else "ended"
    return {"at": case.at.isoformat(), "what": what, **named, "game": case.game, **moved}


def _write(out: Path, rows: list[Json]) -> None:
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["at", "what", "bet_id", "provider", "provider_bet_id", "game", *_SUMS])
            lines.writerows(row.values() for row in rows)
    except OSError as error:
        raise InvalidInput(f"{out}: {error.strerror}", code="invalid_file") from None


def _as_text(found: Json) -> str:
    bets: list[Json] = found.get("bets", [])
    about: dict[str, Any] = {name: value for name, value in found.items() if name not in ("bets", "sums", "rule")}
    parts = [fields(about)]
    if "sums" not in found:
        return parts[0]
    parts += [heading("rule", fields(found["rule"])), heading("sums of the bets", fields(found["sums"]))]
    left_out = len(bets) - 2 * EVENTS_AT_EACH_END
    if left_out > 0:
        parts.append(heading("bets", table(bets[:EVENTS_AT_EACH_END])))
        parts.append(f"... {left_out} bets are left out here; --out and --json have them all")
        bets = bets[-EVENTS_AT_EACH_END:]
    parts.append(heading("bets", table(bets)))
    if not found["adds_up"]:
        parts.append("the bets do NOT add up to the amount")
    return "\n".join(parts)
