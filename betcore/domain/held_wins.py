"""Sets of wins in review, which two operators release at once: what stands in their file, and what names them. Pure."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from betcore.domain.errors import InvalidInput

# Lines of one file.
MOST = 10_000


class HeldWin(NamedTuple):
    """A win in review: what two operators have seen of it. ``bet`` is the provider's name of its bet."""

    bet_id: int
    bet: str
    win: str
    jackpot: str | None


def text_of(wins: Iterable[HeldWin]) -> str:
    """Return a set's file: a JSON object in each line."""
    return "".join(json.dumps(win._asdict()) + "\n" for win in wins)


def set_id(text: bytes) -> str:
    """Return what names the set of a file: the SHA-256 of its bytes, as ``sha256sum`` prints it."""
    return hashlib.sha256(text).hexdigest()


def wins_of(text: bytes) -> Sequence[HeldWin]:
    """Return the wins of a set's file. Raises InvalidInput(invalid_file) naming the first line that is none."""
    wins: dict[int, HeldWin] = {}
    lines = text.splitlines()
    if not 1 <= len(lines) <= MOST:
        raise InvalidInput(f"a set has 1 to {MOST} wins, one in each line", code="invalid_file")
    for number, line in enumerate(lines, start=1):
        try:
            given = json.loads(line)
            win = HeldWin(**given)
        except (ValueError, TypeError):
            raise InvalidInput(f"line {number} is none of `ops review list`", code="invalid_file") from None
        if not _is_whole(win) or win.bet_id in wins:
            raise InvalidInput(f"line {number} is not whole, or its bet stands there twice", code="invalid_file")
        wins[win.bet_id] = win
    return list(wins.values())


def _is_whole(win: HeldWin) -> bool:
    texts = (win.bet, win.win, win.jackpot or "")
    return type(win.bet_id) is int and 0 < win.bet_id < 2**63 and all(isinstance(text, str) for text in texts)
