"""The sync of a provider's games: fetches its list, and writes what follows."""

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeat import heartbeat
from betcore.db.catalogue_sync import CatalogueSyncs
from betcore.db.partners import Partners
from betcore.domain.catalogue import SyncCatalogue, Synced
from betcore.provider.client import ProviderClient
from betcore.provider.game_list import ListRefused

_log = structlog.get_logger()


class CatalogueKeeper:
    """The activity of the catalogue."""

    def __init__(self, syncs: CatalogueSyncs, partners: Partners, providers: ProviderClient) -> None:
        self._syncs = syncs
        self._partners = partners
        self._providers = providers

    @activity.defn(name="sync_catalogue")
    async def sync_catalogue(self, order: SyncCatalogue) -> Synced:
        """Bring a provider's games up to date with its list.

        A list that cannot be had or believed is no failure to retry: the next sync asks again, and an incident says so.
        A disabled provider is not asked.
        """
        provider = await self._partners.provider(order.counterparty_id)
        if provider is None:
            raise ApplicationError("there is no such provider", type="not_found", non_retryable=True)
        if provider.disabled:
            return Synced(outcome="failed", reason="provider_disabled")
        async with heartbeat():
            # Who accepts what is missing wants the list itself.
            etag = None if order.accept else await self._syncs.etag(provider.provider_id)
            try:
                found = await self._providers.games(provider, etag)
            except ListRefused as error:
                _log.warning("a list of games is refused", provider=provider.name, reason=error.reason, why=str(error))
                failed = Synced(outcome="failed", reason=error.reason, problems=(str(error),))
                return await self._syncs.nothing_changed(provider.provider_id, failed)
            if found is None:
                return await self._syncs.nothing_changed(provider.provider_id, Synced(outcome="unchanged"))
            done = await self._syncs.apply(provider.provider_id, found, accept=order.accept, operator=order.operator)
        if done.outcome == "held":
            _log.warning("most games are missing from a list", provider=provider.name, missing=done.gone)
        return done
