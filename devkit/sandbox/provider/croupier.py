"""The croupier: takes one bet from its first call to its end, as a provider should.

It takes the stake; draws; pays out what was won (0 for a loss), or refunds if the draw failed. In a round of one step
the win is drawn first and sent with the stake; if the draw then fails, a Refund takes both back. If it is not known
whether the stake was taken, a provider may repeat the call or call the bet off with a Refund; both must end well, and
the seed decides which it is this time. A decision is written into the book first and never changed.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from devkit.sandbox.provider import client, rounds
from devkit.sandbox.provider.book import Book, BookedBet, Ending, Outcome, Stake
from devkit.sandbox.provider.client import AggregatorClient, Answer, Call, Jackpot

# Sendings of a bet's first call without a definite answer before the croupier considers calling the bet off.
PATIENT_SENDS = 3


class Croupier:
    """Plays bets of one seeded run and keeps the book.

    ``jackpots`` is the share of rounds of two steps that win a jackpot: the pool, or without one the provider's own.
    """

    def __init__(
        self,
        aggregator: AggregatorClient,
        book: Book,
        seed: int,
        jackpots: Decimal = Decimal(0),
        pool: int | None = None,
    ) -> None:
        self._aggregator = aggregator
        self._book = book
        self._seed = seed
        self._jackpots = jackpots
        self._pool = pool

    async def play(self, stake: Stake) -> BookedBet:
        """Play a new bet to its end. Runs for as long as the other side gives no definite answer."""
        bet = self._book.open_bet(stake)
        await self.finish(bet)
        return bet

    async def finish(self, bet: BookedBet) -> None:
        """Continue a bet from the point that the book has reached; a bet that has ended stays as it is."""
        await self._decide(bet)
        await self._end(bet)

    async def play_together(self, stakes: Sequence[Stake]) -> None:
        """Play new bets to their ends, which are all sent at the same moment: once each bet has its decision."""
        bets = [self._book.open_bet(stake) for stake in stakes]
        await asyncio.gather(*(self._decide(bet) for bet in bets))
        await asyncio.gather(*(self._end(bet) for bet in bets))

    async def _decide(self, bet: BookedBet) -> None:
        if bet.ending is None and not bet.was_opened:
            await self._take_stake(bet)
        if bet.ending is None and bet.was_opened:
            self._book.decide(bet, self._draw(bet.stake))

    async def _end(self, bet: BookedBet) -> None:
        if bet.ending is not None and bet.outcome is Outcome.OPEN:
            await self._until_definite(bet, ending_call(bet.stake, bet.ending))

    def _draw(self, stake: Stake) -> Ending:
        if rounds.fails(self._seed, stake.number, one_step=stake.one_step):
            return Ending(None)
        if stake.win is not None:
            return Ending(stake.win)
        return Ending(rounds.win(self._seed, stake.number, stake.amount), self._jackpot(stake))

    def _jackpot(self, stake: Stake) -> Jackpot | None:
        if not rounds.wins_jackpot(self._seed, stake.number, self._jackpots):
            return None
        return Jackpot(stake.amount * rounds.JACKPOT_TIMES) if self._pool is None else Jackpot(pool=self._pool)

    async def _take_stake(self, bet: BookedBet) -> None:
        stake = bet.stake
        call = opening_call(stake)
        answer = await self._until_definite(bet, call, sends=PATIENT_SENDS)
        if answer.definite:
            return
        if rounds.chance(self._seed, stake.number, "call off") % 2:
            self._book.decide(bet, Ending(None))
        else:
            await self._until_definite(bet, call)

    async def _until_definite(self, bet: BookedBet, call: Call, *, sends: int | None = None) -> Answer:
        def on_answer(answer: Answer) -> None:
            self._book.record(bet, call.operation, answer)

        return await self._aggregator.repeat(call, on_answer, sends=sends)


def opening_call(stake: Stake) -> Call:
    """Return the call that takes the stake, and pays the win if it is known."""
    if stake.win is None:
        return client.pay_in(stake.session_id, stake.bet_id, stake.round_id, stake.amount)
    return client.pay_in_out(stake.session_id, stake.bet_id, stake.round_id, stake.amount, stake.win)


def ending_call(stake: Stake, ending: Ending) -> Call:
    """Return the call that ends a bet. One that settles in one step has none: it is over when it was opened."""
    if ending.win is None:
        return client.refund(stake.session_id, stake.bet_id)
    return client.pay_out(stake.session_id, stake.bet_id, stake.round_id, ending.win, ending.jackpot)
