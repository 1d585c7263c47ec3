"""A rollout on the servers of production: PostgreSQL and Temporal with TLS. For ``make soak``: it takes minutes."""

from pathlib import Path

import pytest

from tests.system import production
from tests.system.rollouts import a_wrong_release_comes_and_goes


async def test_a_wrong_release_on_temporal_with_postgresql_is_rolled_back(
    request: pytest.FixtureRequest, migrated_cluster: None, tmp_path: Path
) -> None:
    if not request.config.getoption("--soak"):
        pytest.skip("a soak")
    if not production.is_built():
        pytest.skip("make temporal-server builds the server")
    async with production.start_production(tmp_path / "production") as stack:
        await a_wrong_release_comes_and_goes(stack, tmp_path / "wrong", [1, 10, 100])
