"""What ``python -m betcore demo`` plays on a running stack, and how it shows the results."""

import secrets
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console

from betcore.casino.http_session import http_session
from betcore.db.onboarding_sessions import Sessions
from betcore.domain.ids import BetKey, bet_workflow_id
from betcore.runtime.settings import Settings
from betcore.temporal.client import connect
from betcore.temporal.visibility import story_link
from devkit.play.books import read_ours
from devkit.play.players import database, find_sandbox, take_seats
from devkit.play.scenes import NARROWEST, SCENES, Played, Scene, Stage, show
from devkit.sandbox.provider.book import Book
from devkit.sandbox.provider.compare import compare

RICH_MONEY, POOR_MONEY = Decimal("1000.00"), Decimal("3.00")


def stage_console() -> Console:
    """Return standard output as a console that is wide enough for the table if it is no terminal."""
    return Console() if sys.stdout.isatty() else Console(width=NARROWEST)


async def perform(console: Console, settings: Settings, ready: dict[str, Any]) -> bool:
    """Play all scenes and show them; whether every one came out as it must, in all three books."""
    name = f"demo-{time.strftime('%y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    book = Book()
    async with database(settings) as engine, http_session() as http:
        sandbox = await find_sandbox(settings, engine, ready)
        casino = sandbox.casino_handles(http)
        sessions = Sessions(engine)
        (rich,) = await take_seats(sessions, sandbox.place, casino, [f"{name}-rich"], RICH_MONEY)
        (poor,) = await take_seats(sessions, sandbox.place, casino, [f"{name}-poor"], POOR_MONEY)
        stage = Stage(sandbox.aggregator(http), casino, book, name, rich, poor)
        played = [await _act(stage, number, scene) for number, scene in enumerate(SCENES)]
        ours = await read_ours(engine, sandbox.counterparty_id, [bet.stake.bet_id for bet in book])
        differences = compare(book, ours, await casino.movements([rich.player, poor.player]))
    links = await _links(settings, sandbox.counterparty_id, [one.bet.stake.bet_id for one in played])
    show(console, played, links)
    for one in differences:
        console.print(f"[red]{one.bet_id}: {one.what}")
    return not differences and not any(one.wrong for one in played)


async def _links(settings: Settings, counterparty_id: str, bet_ids: Sequence[str]) -> dict[str, str]:
    """Return where the Temporal UI tells the story of each bet, by the provider's id of the bet."""
    client, links = await connect(settings), {}
    for bet_id in bet_ids:
        workflow_id = bet_workflow_id(BetKey(counterparty_id, bet_id))
        run_id = (await client.get_workflow_handle(workflow_id).describe()).run_id
        links[bet_id] = story_link(settings.temporal_ui_url or "", client.namespace, workflow_id, run_id)
    return links


async def _act(stage: Stage, number: int, scene: Scene) -> Played:
    print(f"playing {scene.name}: stake {scene.stake}", file=sys.stderr, flush=True)
    played = await stage.play(number, scene)
    print(f"  {played.codes()}: {played.bet.outcome}", file=sys.stderr, flush=True)
    return played
