"""Operators' orders about cashbacks: the row first, then its workflow."""

import asyncio
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from temporalio.service import RPCError

from betcore.cli.context import CommandContext, Json
from betcore.cli.ops_actions import checked_text
from betcore.cli.ops_queries import temporal
from betcore.db.bet_history import cashback_as_json
from betcore.db.cashbacks import Cashbacks
from betcore.db.open_cashbacks import OpenCashbacks
from betcore.db.partners import Partners
from betcore.domain.cashback import CashbackSource, NewCashback, Opening
from betcore.domain.errors import InvalidInput, Malformed, Misconfigured, NotFound, PreconditionFailed, Unavailable
from betcore.domain.money import Money
from betcore.domain.policy import MovementPolicy
from betcore.runtime.vault import Vault
from betcore.temporal.carriers import start_carrier

_REQUEST = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Issue:
    """What an operator orders; ``request`` names the order, None if it has no name."""

    casino: str
    player: str
    amount: str
    currency: str
    operator: str
    reason: str
    request: str | None
    promo_code: str | None


async def issue_cashback(context: CommandContext, issue: Issue, wait: float) -> Json:
    """Open a cashback, start its workflow, and return how it stands after at most ``wait`` seconds.

    One above the casino's ``approval_above`` is only proposed, until a second operator orders the same. Nothing has
    changed after NotFound, InvalidInput and PreconditionFailed.
    """
    cashbacks = Cashbacks(context.database)
    casino_id = await cashbacks.casino(issue.casino)
    player_id = await _player(cashbacks, casino_id, issue.player)
    name = issue.request or uuid.uuid4().hex
    if not _REQUEST.fullmatch(name):
        raise InvalidInput("request: 1 to 100 of A-Z a-z 0-9 . _ : -", code="invalid_operation")
    order = NewCashback(
        source=CashbackSource.OPERATOR,
        key=f"operator:{name}",
        player_id=player_id,
        amount=_amount(issue.amount, issue.currency),
        reason=checked_text("reason", issue.reason),
        promo_code=issue.promo_code and checked_text("promo-code", issue.promo_code),
        operator=checked_text("operator", issue.operator),
    )
    agreed = await _agreed(context, cashbacks, casino_id, order, named=issue.request is not None)
    if isinstance(agreed, datetime):
        detail = f"waits for a second operator until {agreed:%H:%M:%S} UTC"
        amount = f"{order.amount.currency} {order.amount}"
        return {"opened": "proposed", "casino": issue.casino, "amount": amount, "detail": detail}
    [opened] = await cashbacks.open(casino_id, [agreed])
    if opened.cashback_id is None:
        raise NotFound(f"there is no player {issue.player!r} of {issue.casino}")
    if opened.opening is Opening.DIFFERS:
        message = f"the request {name} has issued cashback {opened.cashback_id}, with another player or amount"
        raise PreconditionFailed(message, code="operation_refused")
    started = await _start(context, opened.cashback_id)
    return await _after(cashbacks, opened.cashback_id, wait) | {"opened": opened.opening, **started}


async def _agreed(
    context: CommandContext, cashbacks: Cashbacks, casino_id: int, order: NewCashback, *, named: bool
) -> NewCashback | datetime:
    """Return the order if one operator is enough for it, or two have agreed; else until when the second one may.

    Raises InvalidInput(invalid_operation) if two are needed and the request is not ``named``: no one could repeat it.
    """
    casino = await Partners(context.database, Vault.of(context.settings), 0).casino(casino_id)
    if not MovementPolicy.of_casino(casino.profile).needs_approval(order.amount):
        return order
    if not named:
        message = "request: above approval_above a second operator has to send the same one: name it"
        raise InvalidInput(message, code="invalid_operation")
    return await cashbacks.agreed(casino_id, order)


async def cancel_cashback(context: CommandContext, cashback_id: int, operator: str, reason: str, wait: float) -> Json:
    """Ask for a cashback's cancel, start its workflow, and return how it stands after at most ``wait`` seconds.

    Nothing has changed after NotFound, InvalidInput, and PreconditionFailed(operation_refused): it ended before.
    """
    cashbacks = Cashbacks(context.database)
    new = await cashbacks.cancel(cashback_id, checked_text("operator", operator), checked_text("reason", reason))
    stands = await cashbacks.shown(cashback_id)
    if not new and stands.cancel_is == "refused":
        message = f"cashback {cashback_id} is issued: the casino has refused to take it back"
        raise PreconditionFailed(message, code="operation_refused")
    started = await _start(context, cashback_id)
    return await _after(cashbacks, cashback_id, wait) | {"asked": "now" if new else "before", **started}


async def listed(
    context: CommandContext, casino: str, player: str | None, *, only_open: bool, before: int | None, limit: int
) -> list[Json]:
    """Return a casino's cashbacks, the newest first. Raises NotFound."""
    cashbacks = Cashbacks(context.database)
    casino_id = await cashbacks.casino(casino)
    player_id = None if player is None else await _player(cashbacks, casino_id, player)
    rows = await cashbacks.listed(casino_id, player_id, only_open=only_open, before=before, limit=limit)
    return [cashback_as_json(row) for row in rows if not only_open or row.cashback.closed_at is None]


async def _player(cashbacks: Cashbacks, casino_id: int, partner_user_id: str) -> int:
    found = await cashbacks.players(casino_id, [partner_user_id])
    if partner_user_id not in found:
        raise NotFound(f"there is no player {partner_user_id!r} of this casino")
    return found[partner_user_id]


def _amount(amount: str, currency: str) -> Money:
    try:
        found = Money.parse(amount, currency)
    except Malformed as error:
        raise InvalidInput(f"amount: {error}", code="invalid_operation") from None
    if not found.minor:
        raise InvalidInput("amount: more than 0", code="invalid_operation")
    return found


async def _start(context: CommandContext, cashback_id: int) -> Json:
    """Start the workflow of a cashback whose money is to move. If Temporal does not answer, the row stands: the
    minute's start begins with it."""
    open_cashbacks = OpenCashbacks(context.database)
    row = await open_cashbacks.open_row(cashback_id)
    if row is None or row.owner is not None:
        return {}
    try:
        resumption = await open_cashbacks.resumption(row)
        if resumption is not None:
            await start_carrier(await temporal(context), resumption)
    except (Misconfigured, Unavailable, RPCError) as error:
        return {"waits": f"Temporal does not answer ({error}): it begins within two minutes of its return"}
    return {}


async def _after(cashbacks: Cashbacks, cashback_id: int, wait: float) -> Json:
    """Return how a cashback stands when it is at rest, or after ``wait`` seconds."""
    until = monotonic() + wait
    while True:
        row = await cashbacks.shown(cashback_id)
        if row.cashback.closed_at is not None or monotonic() >= until:
            return cashback_as_json(row)
        await asyncio.sleep(_EVERY)
