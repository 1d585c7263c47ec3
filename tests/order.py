"""Which files of tests take long: a run begins with them."""

import pytest

# The longest first; all others keep their order behind them.
LONG = (
    "tests/system/test_rows_outages.py",
    "tests/model/test_model.py",
    "tests/system/test_rows_lives.py",
    "tests/system/test_rows_deploy.py",
    "tests/system/test_rows_told.py",
)


def long_first(items: list[pytest.Item]) -> None:
    """Put the files that take long in front, each with its tests as they stand."""
    place = {file: number for number, file in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONG)))
