"""A provider that plays at the trial's casino: calls signed outside, sent through the proxy by TLS."""

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from betcore.casino.http_session import http_session
from devkit.compose.shell import say
from devkit.compose.stack import Stack
from devkit.play.books import SandboxCasino
from devkit.play.players import ANSWER_WITHIN_SECONDS, CURRENCY, Seat
from devkit.sandbox.provider.book import Book
from devkit.sandbox.provider.client import AggregatorClient
from devkit.sandbox.provider.croupier import Croupier

_WHO = ("--operator", "trial")
_PLAYERS = 3
_MONEY = Decimal(100_000)
_SEED = 17
# Repeats included, a bet of a trial that kills its servers ends within minutes.
_PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Table:
    """Where the provider plays: the proxy's address, its authority, the provider's keys, players with sessions."""

    proxy: str
    authority: Path
    counterparty_id: str
    secret: str
    seats: list[Seat]


async def onboard(stack: Stack, proxy: str, authority: Path, casino_url: str) -> Table:
    """Add a casino, a provider, a game and players by the commands of docs/deployment.md. Raises CommandFailed."""
    ops = stack.ops
    casino = ops("casino", "add", "--name", "royal", "--api-host", "http://casino:8081", *_WHO)
    provider = ops("provider", "add", "--name", "acme", "--base-url", "https://games.acme.example", *_WHO)
    limits = ("--currency", CURRENCY, "--min-bet", "0.10")
    ops("game", "add", "--provider", "acme", "--game-id", "dice-1", "--name", "Dice", *limits, *_WHO)
    table: tuple[str, ...] = ("--provider", "acme", "--casino", "royal", "--game", "dice-1", "--currency", CURRENCY)
    seats = []
    async with http_session() as http:
        handles = SandboxCasino(http, casino_url, str(casino["partner_client_id"]))
        await handles.introduce(casino["secret"])
        await handles.confirm_by("accept")
        for number in range(_PLAYERS):
            player = f"player-{number}"
            await handles.open_player(player, CURRENCY, _MONEY)
            opened: dict[str, Any] = ops("session", "open", *table, "--player", player, *_WHO)
            seats.append(Seat(player, opened["session_id"]))
    return Table(proxy, authority, provider["counterparty_id"], provider["secret"], seats)


async def play(table: Table, book: Book, bets: int, rate: int) -> None:
    """Play bets to their ends, begun at a rate in bets a second. Raises TimeoutError if some have none."""
    trusted = ssl.create_default_context(cafile=str(table.authority))
    first = len(book)
    async with http_session(tls=trusted) as http:
        client = AggregatorClient(
            http, table.proxy, table.counterparty_id, table.secret, timeout_seconds=ANSWER_WITHIN_SECONDS
        )
        croupier = Croupier(client, book, _SEED)
        async with asyncio.timeout(bets / rate + _PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            for number in range(first, first + bets):
                seat = table.seats[number % len(table.seats)]
                tasks.create_task(croupier.play(seat.stake(_SEED, number, f"trial-{number}", f"round-{number}")))
                await asyncio.sleep(1 / rate)
    played = list(book)[first:]
    answers = [answer for bet in played for answer in bet.answers]
    outcomes = Counter(str(bet.outcome) for bet in played)
    took = sorted(answer.took_ms for answer in answers if answer.definite)
    say(
        f"{len(played)} bets, {', '.join(f'{count} {name}' for name, count in sorted(outcomes.items()))}; "
        f"{len(answers)} answers, {sum(not one.definite for one in answers)} left the outcome unknown; "
        f"median {took[len(took) // 2]} ms"
    )
