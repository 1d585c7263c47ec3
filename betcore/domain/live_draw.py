"""Draws that can be checked afterwards: a seed that is fixed before the bets, and numbers that follow from it. Pure.

The provider publishes the SHA-256 of the seed (*commitment*) before the first bet, and the seed with the results. So it
can neither choose the numbers once it knows the bets, nor can the bets know the numbers.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence

# So many distinct numbers of 1 to the highest, such as ``draw-v1:5/60``.
_DRAW = re.compile(r"draw-v1:([1-9][0-9]{0,2})/([1-9][0-9]{0,5})")
_WORDS = 2**32


def algorithm(count: int, highest: int) -> str:
    """Return the name of the algorithm that draws ``count`` distinct numbers of 1 to ``highest``."""
    return f"draw-v1:{count}/{highest}"


def commitment(seed: str) -> str:
    """Return the commitment to a seed of hex digits: the SHA-256 of its bytes, in hex digits too."""
    return hashlib.sha256(bytes.fromhex(seed)).hexdigest()


def draw(seed: str, round_id: str, count: int, highest: int) -> tuple[int, ...]:
    """Return ``count`` distinct numbers of 1 to ``highest``, in the order in which they are drawn.

    Raises ValueError if there are not so many.
    """
    if count > highest:
        raise ValueError(f"there are no {count} distinct numbers of 1 to {highest}")
    drawn: list[int] = []
    words = _words(bytes.fromhex(seed), round_id)
    while len(drawn) < count:
        number = _fair(words, highest)
        if number not in drawn:
            drawn.append(number)
    return tuple(drawn)


def fault(
    round_id: str, published: str, seed: str | None, named: str | None, results: Sequence[int | str]
) -> str | None:
    """Return what is wrong with the proof of a finished round, None if it holds.

    Of an algorithm that is not known here the seed alone is checked.
    """
    if seed is None:
        return "the seed of the commitment is missing"
    if not hmac.compare_digest(commitment(seed), published):
        return "the seed does not fit the commitment"
    known = _DRAW.fullmatch(named or "")
    if known is None:
        return None
    count, highest = int(known[1]), int(known[2])
    if count > highest or tuple(results) != draw(seed, round_id, count, highest):
        return f"the results do not follow from the seed by {named}"
    return None


def is_known(named: str | None) -> bool:
    """Return whether the results of an algorithm are checked here."""
    return _DRAW.fullmatch(named or "") is not None


def _words(key: bytes, round_id: str) -> Iterator[int]:
    """Yield the first four bytes of the HMAC-SHA256 of ``<roundId>:<counter>`` as a number, counted from 0."""
    counter = 0
    while True:
        digest = hmac.digest(key, f"{round_id}:{counter}".encode(), "sha256")
        yield int.from_bytes(digest[:4], "big")
        counter += 1


def _fair(words: Iterator[int], highest: int) -> int:
    """Return a number of 1 to ``highest``, each as likely as any other.

    Of the words at the very top, which would favour the first numbers, none is used.
    """
    limit = _WORDS - _WORDS % highest
    return next(word for word in words if word < limit) % highest + 1
