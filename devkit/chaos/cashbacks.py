"""The load of cashbacks: operators who issue and cancel them, by the functions behind ``betcore cashback``.

They sit beside the API: their database and their Temporal are behind its links. A command that fails is given again,
as the same order, until it is answered; what was answered is the measure of what the rows and the casinos must have.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from betcore.cli.cashback_orders import Issue, cancel_cashback, issue_cashback
from betcore.cli.context import CommandContext, Json
from betcore.domain.errors import PreconditionFailed
from devkit.chaos.outages import OUTAGES, once_available
from devkit.chaos.partners import LoadProvider
from devkit.chaos.stream import Stream
from devkit.play.players import CURRENCY
from devkit.sandbox.provider.rounds import chance

_OPERATOR = "operator-1"
_AMOUNTS = tuple(Decimal(text) for text in ("0.50", "1.00", "2.50", "7.77", "20.00"))
# Seconds: a command that is cut short ends within the first, a cancel that comes later follows within the second.
_CUT_WITHIN, _LATER = 0.3, 6.0
# A row whose workflow Temporal could not start waits for the next minute: the operator does not.
_AGAIN_AFTER = 0.5


class Way(StrEnum):
    """What becomes of an order, apart from faults."""

    ONCE = "once"
    AGAIN = "again"  # given again once it was answered
    AT_ONCE = "twice at once"
    CUT_SHORT = "cut short"  # the first command ends in the middle
    CONTRADICTED = "contradicted"  # another amount under its name: to be refused
    CANCELLED = "cancelled"  # before the casino has confirmed the issue, unless that is quick
    CANCELLED_TWICE = "cancelled twice"  # at the same moment
    CANCELLED_LATER = "cancelled later"


_WAYS = (*Way, Way.ONCE, Way.CANCELLED, Way.CANCELLED_LATER)


@dataclass
class Order:
    """An order of an operator; ``amount`` is in major units.

    ``cashback_id`` was answered. ``cancelled``: its cancel was asked for; ``kept``: it was answered that the casino has
    refused that. ``wrong`` are answers that contradict what was answered before.
    """

    number: int
    casino: str
    player: str
    amount: Decimal
    way: Way
    cashback_id: int | None = None
    cancelled: bool = False
    kept: bool = False
    ended: bool = False
    wrong: list[str] = field(default_factory=list)

    @property
    def request(self) -> str:
        """Return the name by which the same order is known again."""
        return f"chaos-{self.number}"

    @property
    def key(self) -> str:
        """Return the key of its row."""
        return f"operator:{self.request}"


class CashbackDesk(Stream):
    """Orders of cashbacks for the players of the load, all drawn from the seed.

    ``aside`` are the orders that a restore of the database has set aside.
    """

    def __init__(self, context: CommandContext, providers: Sequence[LoadProvider], rate: float, seed: int) -> None:
        super().__init__(rate)
        self._context = context
        self._players = [(one.casino.name, seat.player) for one in providers for seat in one.seats]
        self._seed = seed
        self.orders: list[Order] = []
        self.aside: list[Order] = []

    def next_piece(self, place: int) -> Coroutine[object, object, object]:
        """Return the carrying out of the next order."""
        order = self.draw(place)
        self.orders.append(order)
        return self.carry_out(order)

    def draw(self, number: int) -> Order:
        """Return an order as the seed has it."""
        casino, player = self._players[self._chance(number, "player") % len(self._players)]
        amount = _AMOUNTS[self._chance(number, "amount") % len(_AMOUNTS)]
        return Order(number, casino, player, amount, _WAYS[self._chance(number, "way") % len(_WAYS)])

    def begin_anew(self) -> None:
        """Give up what is under way, and put all orders aside."""
        self.give_up()
        self.aside += self.orders
        self.orders = []

    async def carry_out(self, order: Order) -> None:
        """Give the commands of an order, each until it is answered."""
        if order.way is Way.CUT_SHORT:
            with suppress(*OUTAGES):
                await asyncio.wait_for(self._command(order), self._share(order, "cut") * _CUT_WITHIN)
        if order.way is Way.AT_ONCE:
            await asyncio.gather(self._issue(order), self._issue(order))
        else:
            await self._issue(order)
        match order.way:
            case Way.AGAIN:
                await self._issue(order)
            case Way.CONTRADICTED:
                await self._contradict(order)
            case Way.CANCELLED:
                await self._cancel(order)
            case Way.CANCELLED_TWICE:
                await asyncio.gather(self._cancel(order), self._cancel(order))
            case Way.CANCELLED_LATER:
                await asyncio.sleep(self._share(order, "later") * _LATER)
                await self._cancel(order)
        order.ended = True

    async def _issue(self, order: Order) -> None:
        answer = await _answered(lambda: self._command(order))
        found: int = answer["cashback_id"]
        if order.cashback_id not in (None, found):
            order.wrong.append(f"it was answered with {order.cashback_id}, and again with {found}")
        order.cashback_id = found

    async def _contradict(self, order: Order) -> None:
        try:
            answer = await _answered(lambda: self._command(order, order.amount + 1))
        except PreconditionFailed:
            return
        order.wrong.append(f"with another amount it was not refused, but answered with {answer['cashback_id']}")

    def _command(self, order: Order, amount: Decimal | None = None) -> Awaitable[Json]:
        issue = Issue(
            order.casino, order.player, f"{amount or order.amount}", CURRENCY, _OPERATOR, "a fault run", order.request,
            None,
        )  # fmt: skip
        return issue_cashback(self._context, issue, wait=0)

    async def _cancel(self, order: Order) -> None:
        number, order.cancelled = order.cashback_id or 0, True
        try:
            await _answered(lambda: cancel_cashback(self._context, number, _OPERATOR, "a fault run", wait=0))
        except PreconditionFailed:
            order.kept = True

    def _share(self, order: Order, what: str) -> float:
        return self._chance(order.number, what) % 1000 / 1000

    def _chance(self, number: int, what: str) -> int:
        return chance(self._seed, number, f"cashback {what}")


async def _answered(command: Callable[[], Awaitable[Json]]) -> Json:
    """Give a command until it is answered, and its workflow started."""
    while True:
        answer = await once_available(command)
        if "waits" not in answer:
            return answer
        await asyncio.sleep(_AGAIN_AFTER)
