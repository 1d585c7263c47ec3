"""A workflow prints money in a currency that only its process's composition root knows."""

from collections.abc import Iterator

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from betcore.domain import currencies
from betcore.domain.errors import Malformed
from betcore.domain.money import Money
from betcore.runtime.settings import Settings
from tests.workflows.printing import Printing


@pytest.fixture
def coin() -> Iterator[str]:
    """A currency of five decimals, which no environment and no file names."""
    currencies.configure({"COIN": 5})
    yield "COIN"
    currencies.configure({})


async def test_a_workflow_prints_money_without_reading_settings(
    temporal: Client, coin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("a workflow read the settings")

    monkeypatch.setattr(Settings, "__init__", read)
    async with Worker(temporal, task_queue="printing", workflows=[Printing]):
        money = Money(minor=123_456, currency=coin)
        printed = await temporal.execute_workflow(Printing.run, money, id="printing", task_queue="printing")
    assert printed == "COIN 1.23456"


def test_the_currencies_of_a_process_are_those_of_its_last_composition(coin: str) -> None:
    assert currencies.decimals(coin) == 5
    assert currencies.decimals("EUR") == 2
    currencies.configure({"OTHER": 0})
    with pytest.raises(Malformed, match="unknown currency 'COIN'"):
        currencies.decimals(coin)
