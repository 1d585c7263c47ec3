"""The sync of a provider's games: what the provider's schedule runs, and ``game sync``."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.support.activity_calls import with_heartbeat

with workflow.unsafe.imports_passed_through():
    from activities.catalogue import CatalogueKeeper
    from betcore.domain.catalogue import SyncCatalogue, Synced


@workflow.defn(name="CatalogueSync")
class CatalogueSync:
    """One sync of one provider."""

    @workflow.run
    async def run(self, order: SyncCatalogue) -> Synced:
        """Return what the sync has done."""
        return await with_heartbeat(
            CatalogueKeeper.sync_catalogue,
            order,
            summary="fetch the list, and write what has changed",
            within=timedelta(minutes=2),
            # For a database or a worker that fails: the schedule's next run asks for the list again.
            retry=RetryPolicy(maximum_attempts=5),
        )
