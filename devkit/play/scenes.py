"""The bets of the demonstration: what is played, what must come out, and how it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from devkit.play.books import SandboxCasino
from devkit.play.players import CURRENCY, Seat
from devkit.sandbox.provider.book import Book, BookedBet, Ending, Outcome, Stake
from devkit.sandbox.provider.client import NOT_ENOUGH_MONEY, AggregatorClient, Call, Operation
from devkit.sandbox.provider.compare import CasinoMovement, in_words
from devkit.sandbox.provider.croupier import ending_call, opening_call

NOTHING, TEN, WIN = Decimal("0.00"), Decimal("10.00"), Decimal("19.60")
REFUND = Ending(None)
NARROWEST = 100  # columns: what the table needs if no terminal reports its width
OPERATION_NAMES = {
    Operation.PAY_IN: "PayIn",
    Operation.PAY_OUT: "PayOut",
    Operation.PAY_IN_OUT: "PayInOut",
    Operation.REFUND: "Refund",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One bet. Amounts in major units; ``failures`` are what the casino answers with an error before it takes it.

    ``win_first`` is there for a bet of one step: the win that travels with the stake.
    """

    name: str
    stake: Decimal
    ending: Ending | None
    outcome: Outcome
    change: Decimal
    poor: bool = False
    failures: int = 0
    win_first: Decimal | None = None


SCENES = (
    Scene("win", TEN, Ending(Decimal("25.00")), Outcome.SETTLED, Decimal("15.00")),
    Scene("loss", Decimal("5.00"), Ending(NOTHING), Outcome.SETTLED, Decimal("-5.00")),
    Scene("refund", Decimal("20.00"), REFUND, Outcome.REFUNDED, NOTHING),
    Scene("one-step", TEN, Ending(WIN), Outcome.SETTLED, Decimal("9.60"), win_first=WIN),
    Scene("reversal", TEN, REFUND, Outcome.REFUNDED, NOTHING, win_first=WIN),
    Scene("no-money", Decimal("50.00"), None, Outcome.REFUSED, NOTHING, poor=True),
    Scene("casino-fails", Decimal("8.00"), Ending(Decimal("12.00")), Outcome.SETTLED, Decimal("4.00"), failures=2),
)


@dataclass(slots=True)
class Played:
    """The result of a scene."""

    scene: Scene
    bet: BookedBet
    before: Decimal
    after: Decimal
    moved: list[CasinoMovement]  # at the casino, in order
    wrong: list[str] = field(default_factory=list)

    def codes(self) -> str:
        """Return the codes that the provider received: ``PayIn 99 1, PayOut 1``."""
        codes: dict[Operation, list[str]] = {}
        for one in self.bet.answers:
            codes.setdefault(one.operation, []).append(str(one.code or one.reason))
        words = [f"{OPERATION_NAMES[operation]} {' '.join(received)}" for operation, received in codes.items()]
        return ", ".join(words) + (f" (casino failed {self.scene.failures}×)" if self.scene.failures else "")


class Stage:
    """Plays scenes with one player of means and one without."""

    def __init__(
        self, aggregator: AggregatorClient, casino: SandboxCasino, book: Book, run: str, rich: Seat, poor: Seat
    ) -> None:
        self._aggregator = aggregator
        self._casino = casino
        self._book = book
        self._run = run
        self._rich = rich
        self._poor = poor

    async def play(self, number: int, scene: Scene) -> Played:
        """Play one scene to its end and look at what it did."""
        seat = self._poor if scene.poor else self._rich
        before, known = await self._look(seat)
        await self._casino.set_faults(*_failing(scene, seat))
        bet = await self._bet(number, scene, seat)
        after, movements = await self._look(seat)
        played = Played(scene, bet, before, after, movements[len(known) :])
        played.wrong = await self._check(played)
        await self._casino.set_faults()
        return played

    async def _bet(self, number: int, scene: Scene, seat: Seat) -> BookedBet:
        name = f"{self._run}-{scene.name}"
        round_id = f"round-{name}"
        stake = Stake(name, number, seat.session_id, seat.player, round_id, CURRENCY, scene.stake, scene.win_first)
        bet = self._book.open_bet(stake)
        await self._call(bet, opening_call(stake))
        if scene.ending is None or not bet.was_opened:
            return bet
        self._book.decide(bet, scene.ending)
        if bet.outcome is Outcome.OPEN:
            await self._call(bet, ending_call(stake, scene.ending))
        return bet

    async def _look(self, seat: Seat) -> tuple[Decimal, list[CasinoMovement]]:
        return await self._casino.balance(seat.player), await self._casino.movements([seat.player])

    async def _call(self, bet: BookedBet, call: Call) -> None:
        await self._aggregator.repeat(call, lambda answer: self._book.record(bet, call.operation, answer))

    async def _check(self, played: Played) -> list[str]:
        scene, wrong = played.scene, []
        if played.bet.outcome is not scene.outcome:
            wrong.append(f"{played.bet.outcome} instead of {scene.outcome}")
        if played.after - played.before != scene.change:
            wrong.append(f"balance changed by {played.after - played.before} instead of {scene.change}")
        opened = played.bet.definite(played.bet.stake.opening)
        if scene.poor and (opened is None or opened.code != NOT_ENOUGH_MONEY):
            wrong.append(f"PayIn was not answered {NOT_ENOUGH_MONEY}")
        if scene.failures and sum(fault["fired"] for fault in await self._casino.faults()) != scene.failures:
            wrong.append(f"the casino did not fail {scene.failures} times")
        return wrong


def _failing(scene: Scene, seat: Seat) -> list[dict[str, object]]:
    if not scene.failures:
        return []
    fault = {"kind": "error", "path": "/payments/make", "partner_user_id": seat.player, "times": scene.failures}
    return [fault]


def show(console: Console, played: Sequence[Played], links: Mapping[str, str]) -> None:
    """Print the table of the bets, and under it what each moved, and where the Temporal UI tells its story: ``links``
    has the address by the provider's id of the bet.
    """
    table = Table(title="Bets")
    for heading in ("bet", "what the provider received", "stake", "win", "balance", "change", "outcome"):
        table.add_column(heading, justify="right" if heading in ("stake", "win", "balance", "change") else "left")
    for one in played:
        win = one.bet.win
        table.add_row(
            one.scene.name,
            one.codes(),
            str(one.scene.stake),
            "–" if win is None else str(win),
            f"{one.before} → {one.after}",
            f"{one.after - one.before:+}",
            "[red]" + "; ".join(one.wrong) if one.wrong else str(one.bet.outcome),
        )
    console.print(table)
    console.print("What the casino's journal holds:")
    for one in played:
        console.print(f"  {one.scene.name:<12}  {in_words(one.moved)}", soft_wrap=True, highlight=False)
    console.print("Each bet in the Temporal UI:")
    for one in played:
        # Links are not wrapped: a terminal opens them only as a whole.
        console.print(f"  {one.scene.name:<12}  {links[one.bet.stake.bet_id]}", soft_wrap=True, highlight=False)
