"""The croupier: takes one bet from its PayIn to its end, as a provider should.

The story: take the stake; draw; pay out what was won (0 for a loss), or refund where the draw failed. Where nobody can
say whether the stake was taken, a provider may go on asking or call the bet off with a Refund; both must end well, and
the seed says which it is this time. What was decided is written into the book first and never changed.
"""

from betcore.sandbox.provider import client, rounds
from betcore.sandbox.provider.book import Book, BookedBet, Ending, Outcome, Stake
from betcore.sandbox.provider.client import AggregatorClient, Answer, Call, Operation

# So many sendings of a PayIn may stay without a definite answer before the provider thinks about calling the bet off.
PATIENT_SENDS = 3


class Croupier:
    """Plays bets of one seeded run and keeps the book."""

    def __init__(self, aggregator: AggregatorClient, book: Book, seed: int) -> None:
        self._aggregator = aggregator
        self._book = book
        self._seed = seed

    async def play(self, stake: Stake) -> BookedBet:
        """Play a new bet to its end. Runs for as long as the other side gives no definite answer."""
        bet = self._book.open_bet(stake)
        await self.finish(bet)
        return bet

    async def finish(self, bet: BookedBet) -> None:
        """Go on with a bet from wherever the book says it stands; a bet that has ended stays as it is."""
        if bet.ending is None and not bet.was_done(Operation.PAY_IN):
            await self._take_stake(bet)
        if bet.ending is None and bet.was_done(Operation.PAY_IN):
            self._book.decide(bet, Ending(rounds.draw(self._seed, bet.stake.number).win(bet.stake.amount)))
        if bet.ending is not None and bet.outcome is Outcome.OPEN:
            await self._until_definite(bet, _ending_call(bet.stake, bet.ending))

    async def _take_stake(self, bet: BookedBet) -> None:
        stake = bet.stake
        call = client.pay_in(stake.session_id, stake.bet_id, stake.round_id, stake.amount)
        answer = await self._until_definite(bet, call, sends=PATIENT_SENDS)
        if answer.definite:
            return
        if rounds.chance(self._seed, stake.number, "call off") % 2:
            self._book.decide(bet, Ending(None))
        else:
            await self._until_definite(bet, call)

    async def _until_definite(self, bet: BookedBet, call: Call, *, sends: int | None = None) -> Answer:
        def heard(answer: Answer) -> None:
            self._book.hear(bet, call.operation, answer)

        return await self._aggregator.repeat(call, heard, sends=sends)


def _ending_call(stake: Stake, ending: Ending) -> Call:
    if ending.win is None:
        return client.refund(stake.session_id, stake.bet_id)
    return client.pay_out(stake.session_id, stake.bet_id, stake.round_id, ending.win)
