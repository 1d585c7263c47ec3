"""A wrong release on one stack: noticed and rolled back. What Temporal stores is encrypted."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.partner import start_stack
from tests.system.rollouts import a_wrong_release_comes_and_goes


@pytest.mark.edge_case(67)
async def test_a_wrong_release_is_rolled_back_without_a_bet_lost(migrated_cluster: None, tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    async with start_stack(tmp_path / "stack", "--processes", "0", BETCORE_TEMPORAL_PAYLOAD_KEY=key) as bare:
        await a_wrong_release_comes_and_goes(bare, tmp_path / "wrong", [10])
