"""The load of bets: all providers in turn, and now and then two bets that win a pool at the same moment."""

from collections.abc import Coroutine, Sequence

from devkit.chaos.partners import LoadProvider
from devkit.chaos.stream import Stream

# Every so many turns of a provider whose bets win a pool are a pair.
_PAIR_EVERY = 12


class Load(Stream):
    """Bets at a rate. One without a definite end when patience is over stays open in its book."""

    def __init__(self, providers: Sequence[LoadProvider], rate: float) -> None:
        super().__init__(rate)
        self._providers = providers

    def next_piece(self, place: int) -> Coroutine[object, object, object]:
        """Return the playing of the next bet, or of the next pair."""
        turn, which = divmod(place, len(self._providers))
        provider = self._providers[which]
        if provider.pool is not None and turn % _PAIR_EVERY == _PAIR_EVERY - 1:
            return provider.croupier.play_together(provider.next_pair())
        return provider.croupier.play(provider.next_stake())
