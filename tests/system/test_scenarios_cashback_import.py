"""A casino's file is imported, and its cashbacks arrive in the wallet once, however often the file comes."""

from pathlib import Path

import pytest

from betcore.temporal.schedules import CASHBACKS
from tests.cashbacks import QUICK, Cashbacks, fault
from tests.partner import Stack, eventually

FILE = """key,player,currency,amount
nov-1,anna,EUR,5.00
nov-2,nobody,EUR,5.00
nov-3,anna,EUR,0.25
"""


@pytest.mark.edge_case(239, 240)
async def test_the_lines_of_a_file_arrive_in_the_wallet_once(stack: Stack, tmp_path: Path) -> None:
    cashbacks = Cashbacks(await stack.partner(casino=QUICK))
    file = tmp_path / "november.csv"
    file.write_text(FILE)
    command = ("cashback", "import", str(file), "--casino", cashbacks.partner.casino, "--operator", "ann")
    await cashbacks.partner.faults(fault("error", 1, times=2))
    assert (await cashbacks.command(*command, "--dry-run", ended=1))["outcomes"] == {"would_open": 2, "refused": 1}
    assert (await cashbacks.command(*command, ended=1))["outcomes"] == {"opened": 2, "refused": 1}
    assert (await cashbacks.command(*command, ended=1))["outcomes"] == {"already": 2, "refused": 1}

    async def arrived() -> bool:
        await stack.client.get_schedule_handle(CASHBACKS).trigger()
        return await cashbacks.balance() == "1005.25"

    await eventually(arrived)
    assert (await cashbacks.command(*command, ended=1))["outcomes"] == {"already": 2, "refused": 1}
    entries = [entry["amount"] for entry in await cashbacks.partner.entries() if entry["cashback"]]
    assert sorted(entries) == ["0.25", "5.00"]
