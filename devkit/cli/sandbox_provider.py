"""The sandbox provider of a stack that starts: it learns its keys, its games are taken over, its draw game begins."""

from contextlib import suppress

from betcore.cli.context import CommandContext
from betcore.domain.errors import Unavailable

# The provider's draw game: its number in the feed, and the seconds in which bets are taken.
DRAW_TYPE, DRAW_BETTING = 1, 12


async def introduce(provider_url: str, counterparty_id: str, secret: str) -> None:
    """Give the sandbox provider the secret by which it checks our calls."""
    import aiohttp

    from betcore.casino.http_session import http_session

    known = {"counterparty_id": counterparty_id, "secret": secret}
    try:
        async with http_session(raise_for_status=True) as http:
            await http.post(f"{provider_url}/_counterparty", json=known)
    except aiohttp.ClientError as error:
        raise Unavailable(f"the sandbox provider at {provider_url}: {error}", code="unreachable") from error


async def draw(context: CommandContext, provider: str, provider_url: str, counterparty_id: str) -> None:
    """Add the provider's draw game, and have it played."""
    import aiohttp

    from betcore.casino.http_session import http_session
    from betcore.db.live_rounds import LiveRounds, NewLiveGame
    from betcore.domain.errors import PreconditionFailed

    with suppress(PreconditionFailed):
        await LiveRounds(context.database).add_game(NewLiveGame(DRAW_TYPE, provider, "draw", DRAW_BETTING))
    try:
        async with http_session(raise_for_status=True) as http:
            await http.post(f"{provider_url}/_draw", json={"counterparty_id": counterparty_id, "game_type": DRAW_TYPE})
    except aiohttp.ClientError as error:
        raise Unavailable(f"the sandbox provider at {provider_url}: {error}", code="unreachable") from error


async def sync(context: CommandContext, counterparty_id: str) -> None:
    """Take over the provider's games: the first sync of its schedule may be a quarter of an hour away.

    A list that a developer has broken leaves the games as they are.
    """
    from betcore.casino.http_session import http_session
    from betcore.db.catalogue_sync import CatalogueSyncs
    from betcore.db.partners import Partners
    from betcore.provider.client import ProviderClient
    from betcore.provider.game_list import ListRefused
    from betcore.runtime.vault import Vault

    provider = await Partners(context.database, Vault.of(context.settings), 0).provider(counterparty_id)
    if provider is None:
        return
    async with http_session() as http:
        with suppress(ListRefused):
            if found := await ProviderClient(http).games(provider):
                await CatalogueSyncs(context.database).apply(provider.provider_id, found, accept=False)
