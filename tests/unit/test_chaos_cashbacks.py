"""The operators of a fault run: drawn from the seed, and they repeat a command until it is answered."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from betcore.cli.cashback_orders import Issue
from betcore.domain.errors import PreconditionFailed, Unavailable
from devkit.chaos import cashbacks, outages
from devkit.chaos.cashbacks import CashbackDesk, Order, Way


def _desk(seed: int = 1) -> CashbackDesk:
    context: Any = None
    seats = [SimpleNamespace(player=name) for name in ("anna", "bert")]
    providers: Any = [SimpleNamespace(casino=SimpleNamespace(name=name), seats=seats) for name in ("c", "d")]
    return CashbackDesk(context, providers, 1, seed)


class Desk:
    """What commands do: an order by its name is one cashback. ``fails`` are raised first, one for each command."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *fails: Exception) -> None:
        self.rows: dict[str, tuple[int, str]] = {}
        self.issued = self.cancels = 0
        self.refuses = False
        self._fails = list(fails)
        monkeypatch.setattr(cashbacks, "issue_cashback", self.issue)
        monkeypatch.setattr(cashbacks, "cancel_cashback", self.cancel)
        monkeypatch.setattr(cashbacks, "_LATER", 0.01)

    async def issue(self, _context: object, issue: Issue, wait: float) -> dict[str, Any]:
        self.issued += 1
        number, amount = self.rows.setdefault(issue.request or "", (len(self.rows) + 1, issue.amount))
        if self._fails:
            raise self._fails.pop()
        if amount != issue.amount:
            raise PreconditionFailed("another amount", code="operation_refused")
        return {"cashback_id": number}

    async def cancel(self, *_: object, wait: float) -> dict[str, Any]:
        self.cancels += 1
        if self.refuses:
            raise PreconditionFailed("refused", code="operation_refused")
        return {}


async def _carried_out(way: Way) -> Order:
    desk = _desk()
    order = next(one for number in range(200) if (one := desk.draw(number)).way is way)
    await desk.carry_out(order)
    return order


def test_a_seed_draws_the_same_orders_again() -> None:
    assert [_desk().draw(number) for number in range(50)] == [_desk().draw(number) for number in range(50)]
    assert [_desk().draw(number) for number in range(50)] != [_desk(2).draw(number) for number in range(50)]
    drawn = [_desk().draw(number) for number in range(200)]
    assert {one.way for one in drawn} == set(Way)
    assert {(one.casino, one.player) for one in drawn} == {(c, p) for c in ("c", "d") for p in ("anna", "bert")}


@pytest.mark.parametrize(
    ("way", "issues", "cancels"),
    [
        (Way.ONCE, 1, 0),
        (Way.AGAIN, 2, 0),
        (Way.AT_ONCE, 2, 0),
        (Way.CUT_SHORT, 2, 0),
        (Way.CONTRADICTED, 2, 0),
        (Way.CANCELLED, 1, 1),
        (Way.CANCELLED_TWICE, 1, 2),
        (Way.CANCELLED_LATER, 1, 1),
    ],
)
async def test_each_way_has_its_commands(monkeypatch: pytest.MonkeyPatch, way: Way, issues: int, cancels: int) -> None:
    done = Desk(monkeypatch)
    order = await _carried_out(way)
    assert (done.issued, done.cancels, len(done.rows)) == (issues, cancels, 1)
    assert (order.ended, order.cashback_id, order.cancelled, order.kept, order.wrong) == (
        True,
        1,
        cancels > 0,
        False,
        [],
    )


async def test_a_command_that_failed_is_given_again_as_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Desk(monkeypatch, Unavailable("away", code="unreachable"), TimeoutError())
    monkeypatch.setattr(outages.asyncio, "sleep", _at_once(asyncio.sleep))
    assert (await _carried_out(Way.ONCE)).cashback_id == 1
    assert (done.issued, len(done.rows)) == (3, 1)


async def test_a_cancel_that_the_casino_refuses_is_kept_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Desk(monkeypatch)
    done.refuses = True
    order = await _carried_out(Way.CANCELLED)
    assert (order.ended, order.cancelled, order.kept) == (True, True, True)


async def test_answers_that_contradict_each_other_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Desk(monkeypatch)

    async def forgets(context: object, issue: Issue, wait: float) -> dict[str, Any]:
        return await done.issue(context, Issue(**{**_fields(issue), "request": f"{done.issued}"}), wait)

    monkeypatch.setattr(cashbacks, "issue_cashback", forgets)
    assert (await _carried_out(Way.AGAIN)).wrong == ["it was answered with 1, and again with 2"]
    assert (await _carried_out(Way.CONTRADICTED)).wrong == [
        "with another amount it was not refused, but answered with 4"
    ]


def _fields(issue: Issue) -> dict[str, Any]:
    return {name: getattr(issue, name) for name in Issue.__dataclass_fields__}


def _at_once(sleep: Callable[[float], Awaitable[None]]) -> Callable[[float], Awaitable[None]]:
    return lambda _: sleep(0)
