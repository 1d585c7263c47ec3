"""The draw that can be checked: vectors, which ``docs/live-games.md`` has too, and what a proof may lack."""

from collections import Counter

import pytest

from betcore.domain import live_draw
from betcore.domain.live_draw import algorithm, commitment, draw, fault

ONE = "00" * 31 + "01"
ABAB = "ab" * 32


@pytest.mark.parametrize(
    ("seed", "round_id", "count", "highest", "drawn"),
    [
        # As Node's crypto computes them.
        (ONE, "round-1", 5, 60, (46, 18, 4, 40, 27)),
        (ABAB, "draw-1", 6, 49, (46, 37, 33, 38, 16, 35)),
        (ABAB, "draw-1", 3, 999_983, (551_303, 338_421, 730_562)),
    ],
)
def test_vectors(seed: str, round_id: str, count: int, highest: int, drawn: tuple[int, ...]) -> None:
    assert draw(seed, round_id, count, highest) == drawn


def test_a_commitment_is_the_hash_of_the_bytes() -> None:
    assert commitment(ONE) == "ec4916dd28fc4c10d78e287ca5d9cc51ee1ae73cbfde08c6b37324cbfaac8bc5"


def test_all_numbers_can_be_drawn_and_no_more() -> None:
    assert sorted(draw(ONE, "r", 60, 60)) == list(range(1, 61))
    with pytest.raises(ValueError, match="no 61 distinct"):
        draw(ONE, "r", 61, 60)


def test_words_that_would_favour_small_numbers_are_passed_over() -> None:
    # A third of all words is above the greatest multiple of three quarters of 2**32.
    highest = 3 * 2**30
    drawn = Counter(draw(ONE, str(number), 1, highest)[0] <= 2**30 for number in range(2000))
    assert 0.28 < drawn[True] / 2000 < 0.39


@pytest.mark.parametrize(
    ("seed", "named", "results", "wrong"),
    [
        (ONE, algorithm(5, 60), (46, 18, 4, 40, 27), None),
        (ONE, "draw-v1:5/60", (18, 46, 4, 40, 27), "do not follow"),
        (ONE, "draw-v1:5/61", (46, 18, 4, 40, 27), "do not follow"),
        (ONE, "draw-v1:4/60", (46, 18, 4, 40, 27), "do not follow"),
        (ONE, "draw-v1:61/60", (1,), "do not follow"),
        (ONE, "draw-v1:5/60", ("46", "18", "4", "40", "27"), "do not follow"),
        (ONE, "wheel-v7", ("red",), None),
        (ONE, None, ("red",), None),
        (ABAB, algorithm(5, 60), (46, 18, 4, 40, 27), "does not fit"),
        (ABAB, "wheel-v7", ("red",), "does not fit"),
        (None, algorithm(5, 60), (46, 18, 4, 40, 27), "is missing"),
    ],
)
def test_a_proof(seed: str | None, named: str | None, results: tuple[int | str, ...], wrong: str | None) -> None:
    found = fault("round-1", commitment(ONE), seed, named, results)
    assert found is None if wrong is None else found is not None and wrong in found


def test_which_results_are_checked() -> None:
    assert [live_draw.is_known(one) for one in ("draw-v1:5/60", "draw-v1:0/60", "wheel-v7", None)] == [
        True,
        False,
        False,
        False,
    ]
