"""The provider's games: one hundred-sided die in several dresses, so that a lobby has games, categories and pictures.

All of them are played by the same rules, those of ``rounds``.
"""

import json
from dataclasses import dataclass

from devkit.sandbox.provider import rounds

# A die of a picture: its centre, its side and its turn in degrees, in a picture of 400 by 300.
Die = tuple[int, int, int, int]

_ONE: tuple[Die, ...] = ((200, 150, 132, -12),)
_TWO: tuple[Die, ...] = ((142, 132, 104, -16), (262, 176, 104, 14))
_THREE: tuple[Die, ...] = ((200, 96, 88, 6), (128, 198, 88, -10), (272, 200, 88, 18))
_FOUR: tuple[Die, ...] = ((92, 112, 72, -18), (176, 196, 84, 8), (262, 126, 66, 22), (326, 218, 56, -8))


@dataclass(frozen=True, slots=True)
class Game:
    """A game of the list. ``light`` and ``dark`` are the colours of its table, ``gold`` that of what matters on it."""

    game_id: str
    name: str
    category: str
    light: str
    dark: str
    gold: str
    dice: tuple[Die, ...]
    shown: tuple[int, ...]


GAMES = (
    Game(rounds.GAME_ID, "Sandbox Dice", "casual", "#1c5a50", "#0f2d2a", "#ffd06a", _ONE, (73,)),
    Game("dice-amber", "Amber Dice", "casual", "#8a4b12", "#3a1c08", "#ffe08a", _TWO, (51, 88)),
    Game("dice-ember", "Ember Dice", "arcade", "#9c2a2a", "#3a0d12", "#ffb26b", _FOUR, (12, 95, 60, 7)),
    Game("dice-frost", "Frost Dice", "instant", "#2d6f9e", "#0c2540", "#bdf0ff", _ONE, (99,)),
    Game("dice-midnight", "Midnight Dice", "table", "#3a2f7d", "#120d33", "#cdb8ff", _THREE, (64, 21, 77)),
    Game("dice-neon", "Neon Dice", "arcade", "#8f1f86", "#240a3a", "#6bffe6", _TWO, (7, 100)),
    Game("dice-orchard", "Orchard Dice", "casual", "#3f7a24", "#132e0f", "#fff09a", _THREE, (33, 58, 90)),
    Game("dice-royal", "Royal Dice", "table", "#7a1f4b", "#2d0a24", "#ffd06a", _FOUR, (52, 81, 3, 46)),
)
_BY_ID = {game.game_id: game for game in GAMES}


def named(game_id: str) -> Game:
    """Return the game with this id; one that a test lists beside them looks like the first."""
    return _BY_ID.get(game_id, GAMES[0])


def listed(origin: str) -> bytes:
    """Return the list of games, whose pictures are served at this origin."""
    # As text: the odds are a decimal, and JSON's number is one too.
    return f"[{','.join(_entry(game, origin) for game in GAMES)}]".encode()


def _entry(game: Game, origin: str) -> str:
    fields = {
        "gameId": game.game_id,
        "name": game.name,
        "gameCategory": game.category,
        "lobbyImgUrl": f"{origin}/pictures/{game.game_id}.svg",
    }
    return f'{json.dumps(fields)[:-1]}, "maxOdd": {rounds.ODDS}}}'


def style(game: Game) -> str:
    """Return the colours of the game's page, as a style sheet."""
    return f":root {{ --light: {game.light}; --felt: {game.dark}; --gold: {game.gold}; }}\n"


def picture(game: Game) -> str:
    """Return the game's picture for a lobby, as SVG."""
    dice = "".join(_die(*die, number) for die, number in zip(game.dice, game.shown, strict=True))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300">'
        '<defs><radialGradient id="table" cx="0.5" cy="0.1" r="1">'
        f'<stop offset="0" stop-color="{game.light}"/><stop offset="1" stop-color="{game.dark}"/></radialGradient>'
        '<linearGradient id="die" x1="0" y1="0" x2="1" y2="1">'
        '<stop offset="0" stop-color="#fffdf4"/><stop offset="1" stop-color="#d8cfb4"/></linearGradient></defs>'
        '<rect width="400" height="300" fill="url(#table)"/>'
        f'<g fill="none" stroke="{game.gold}" stroke-width="3" opacity="0.35">'
        '<circle cx="200" cy="150" r="118"/><circle cx="200" cy="150" r="168"/><circle cx="200" cy="150" r="220"/></g>'
        f"{dice}</svg>"
    )


def _die(x: int, y: int, side: int, turn: int, number: int) -> str:
    half, corner = side // 2, side // 4
    return (
        f'<g transform="translate({x} {y}) rotate({turn})" font-family="sans-serif" font-weight="800"'
        ' text-anchor="middle">'
        f'<rect x="{-half + 6}" y="{-half + 12}" width="{side}" height="{side}" rx="{corner}" opacity="0.35"/>'
        f'<rect x="{-half}" y="{-half}" width="{side}" height="{side}" rx="{corner}" fill="url(#die)"/>'
        f'<text y="{side // 6}" font-size="{side // 2}" fill="#23302c">{number}</text></g>'
    )
