"""The catalogue: what a provider lists, and what follows for the games that are on record. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from betcore.domain.message_base import Message

# The fields of a provider's list that are read; all others of an entry are kept as they are.
FIELDS = ("gameId", "name", "gameCategory", "maxOdd", "lobbyImgUrl")
# Above this many, games that would go at once are held if they are more than half.
_FEW = 10


@dataclass(frozen=True, slots=True)
class ListedGame:
    """A game as its provider lists it; ``entry`` is the entry's JSON as it was sent."""

    game_id: str
    name: str
    category: str | None
    max_odd: Decimal | None
    image_url: str | None
    entry: str


@dataclass(frozen=True, slots=True)
class GameList:
    """A provider's list. ``bad`` entries are left out; ``problems`` says of the first few things why, in words."""

    games: list[ListedGame]
    bad: int
    problems: list[str]
    etag: str | None = None


class SyncCatalogue(Message):
    """Bring a provider's games up to date with its list. ``accept``: also if most of them would go.

    ``operator`` is who accepts that.
    """

    counterparty_id: str
    accept: bool = False
    operator: str | None = None


class Synced(Message):
    """What a sync has done.

    *unchanged*: the provider says that its list is the one of the last sync. *held*: the games in ``gone`` are missing
    from the list and stay offered until an operator accepts that; all else is done. *failed*: nothing has changed, and
    ``reason`` says why.
    """

    outcome: Literal["synced", "unchanged", "held", "failed"]
    reason: str | None = None
    listed: int = 0
    added: int = 0
    changed: int = 0
    gone: int = 0
    bad: int = 0
    problems: tuple[str, ...] = ()


def shrinks(offered: int, missing: int, listed: int) -> bool:
    """Return whether so many of the offered games are missing that the list is probably wrong."""
    return missing > 0 and (listed == 0 or (missing > _FEW and 2 * missing > offered))


def mostly_bad(listed: int, bad: int) -> bool:
    """Return whether more than a fifth of a list's entries are bad, so that none of it is believed."""
    return 5 * bad > listed + bad
