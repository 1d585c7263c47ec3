"""The draw game beside the provider's own API: begun by the sandbox's control call, and again after a restart."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import aiohttp

from devkit.sandbox.provider.client import AggregatorClient
from devkit.sandbox.provider.draw import Account, DrawBook, DrawGame


class Draws:
    """The one draw game that runs, if any. ``length`` is that of a round; 0 plays none."""

    def __init__(self, aggregator_url: str, book: Path | None, length: timedelta) -> None:
        self._aggregator_url = aggregator_url
        self._path = book
        self._length = length
        self._http: aiohttp.ClientSession | None = None
        self._game: asyncio.Task[None] | None = None

    def go_on(self) -> None:
        """Play on for the account of the book, if it has one."""
        account = DrawBook(self._path).account
        if account is not None:
            self._start(account)

    async def begin(self, account: Account) -> None:
        """Play for this account, whatever ran before: its round goes on if it is of the same game."""
        await self._stop()
        self._start(account)

    async def close(self) -> None:
        """Stop playing. The book keeps the round."""
        await self._stop()
        if self._http is not None:
            await self._http.close()

    def _start(self, account: Account) -> None:
        if not self._length:
            return
        self._http = self._http or aiohttp.ClientSession()
        client = AggregatorClient(self._http, self._aggregator_url, account.counterparty_id, account.secret)
        book = DrawBook(self._path)
        if book.account is None or book.account.game_type != account.game_type:
            book.write(account, None)
        self._game = asyncio.create_task(DrawGame(client, account, book, self._length).run())

    async def _stop(self) -> None:
        if self._game is not None:
            self._game.cancel()
            with suppress(asyncio.CancelledError):
                await self._game
            self._game = None
