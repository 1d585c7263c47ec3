"""The wallet: takes movements of money into a double-entry journal, one transaction each.

Every movement has two postings that add up to nothing, one on the player's account and one on the casino's. The
decision about a movement is in ``rules``; this module holds the locks, reads the book and writes the outcome.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import asyncpg

from devkit.sandbox.casino.rules import Book, Entry, Movement, Player, Switches, Type, judge
from devkit.sandbox.casino.wire import Code

# One bet at a time, whichever players its messages name; released with the transaction.
_LOCK_BET = (
    "SELECT pg_advisory_xact_lock(hashtextextended('sandbox_casino bet ' || $1::bigint || ':' || $2::bigint, 0))"
)

_PLAYER = """
    SELECT p.partner_user_id, p.currency, p.decimals, p.blocked, p.balance,
           coalesce(b.closed, false) AS closed, coalesce(b.void, false) AS void
    FROM sandbox_casino.player p
    LEFT JOIN sandbox_casino.bet b ON b.client_id = p.client_id AND b.bet_id = $3
    WHERE p.client_id = $1 AND p.partner_user_id = $2
    FOR UPDATE OF p"""

_ENTRIES = """
    SELECT id, transaction_type, partner_user_id, amount, transaction_id, balance_after, at, tax, promo_code
    FROM sandbox_casino.entry WHERE client_id = $1 AND bet_id = $2 ORDER BY id"""

# The balance, the entry and its two postings in one statement. $6 is the signed change of the balance.
_WRITE = """
    WITH account AS (
        UPDATE sandbox_casino.player SET balance = balance + $6
        WHERE client_id = $1 AND partner_user_id = $2
        RETURNING balance, currency
    ), written AS (
        INSERT INTO sandbox_casino.entry
            (client_id, partner_user_id, bet_id, transaction_type, transaction_id, amount, repetition, tax, promo_code,
             tag_id, cashback, balance_after)
        SELECT $1, $2, $3, $4, $5, $7, $8, $9, $10, $11, $12, balance FROM account
        RETURNING id, transaction_type, partner_user_id, amount, transaction_id, balance_after, at, tax, promo_code
    ), posted AS (
        INSERT INTO sandbox_casino.posting (entry_id, account, amount)
        SELECT id, 'player:' || $2, $6::numeric FROM written
        UNION ALL SELECT id, 'house:' || currency, -$6::numeric FROM written, account
    )
    SELECT * FROM written"""

_BURY = """
    INSERT INTO sandbox_casino.bet (client_id, bet_id, void) VALUES ($1, $2, true)
    ON CONFLICT (client_id, bet_id) DO UPDATE SET void = true"""

_CLOSE = """
    INSERT INTO sandbox_casino.bet (client_id, bet_id, closed) VALUES ($1, $2, $3)
    ON CONFLICT (client_id, bet_id) DO UPDATE SET closed = excluded.closed"""


@dataclass(frozen=True)
class Taken:
    """What became of a movement. ``entry`` is its record, now or from before; None if it was refused."""

    code: Code
    entry: Entry | None
    player: Player | None


class Wallet:
    """The wallets of all casinos that one sandbox plays; ``client_id`` is the number in ``PartnerClient-<number>``."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def take(self, client_id: int, movement: Movement, switches: Switches) -> Taken:
        """Take one movement, or refuse it. What this returns is committed: answering is another matter."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK_BET, client_id, movement.bet_id)
            book = await _read_book(connection, client_id, movement)
            verdict = judge(movement, book, switches)
            entry = verdict.recorded
            if verdict.move:
                entry = await _write_movement(connection, client_id, movement, book)
            if verdict.bury:
                await connection.execute(_BURY, client_id, movement.bet_id)
        return Taken(verdict.code, entry, book.player)

    async def entries(self, client_id: int, bet_id: int) -> list[tuple[Entry, int]]:
        """Return the movements of a bet in order, each with the decimals of its player's currency."""
        rows = await self._pool.fetch(
            """SELECT e.*, p.decimals FROM sandbox_casino.entry e
               JOIN sandbox_casino.player p USING (client_id, partner_user_id)
               WHERE e.client_id = $1 AND e.bet_id = $2 ORDER BY e.id""",
            client_id,
            bet_id,
        )
        return [(_entry(row), row["decimals"]) for row in rows]

    async def close(self, client_id: int, bet_id: int, *, closed: bool) -> Code:
        """Close a bet or open it again; either may be repeated. Returns BET_NOT_FOUND if it has no movement."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK_BET, client_id, bet_id)
            if not await connection.fetch(_ENTRIES, client_id, bet_id):
                return Code.BET_NOT_FOUND
            await connection.execute(_CLOSE, client_id, bet_id, closed)
        return Code.SUCCESS

    async def player(self, client_id: int, partner_user_id: str) -> Player | None:
        """Return the player's account as it is now; None if unknown."""
        row = await self._pool.fetchrow(
            "SELECT * FROM sandbox_casino.player WHERE client_id = $1 AND partner_user_id = $2",
            client_id,
            partner_user_id,
        )
        return _player(row)

    async def open_player(self, client_id: int, player: Player, refresh_token: str) -> Player | None:
        """Create a player, or set an existing one to this balance and block; None if the currency would change.

        The difference to the old balance is an entry without a bet, so that the journal still adds up.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                """INSERT INTO sandbox_casino.player (client_id, partner_user_id, currency, decimals, refresh_token)
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING""",
                client_id,
                player.partner_user_id,
                player.currency,
                player.decimals,
                refresh_token,
            )
            kept = await connection.fetchrow(
                """UPDATE sandbox_casino.player SET blocked = $5, refresh_token = $6, previous_refresh_token = NULL
                   WHERE client_id = $1 AND partner_user_id = $2 AND currency = $3 AND decimals = $4 RETURNING *""",
                client_id,
                player.partner_user_id,
                player.currency,
                player.decimals,
                player.blocked,
                refresh_token,
            )
            if kept is None:
                return None
            change = await connection.fetchval("SELECT $1::numeric - $2::numeric", player.balance, kept["balance"])
            await connection.fetchrow(
                _WRITE,
                *(client_id, player.partner_user_id, None, None, "opening", change, change, 0, None, None, None, False),
            )
        return player

    async def set_blocked(self, client_id: int, partner_user_id: str, *, blocked: bool) -> Player | None:
        """Block a player or let it play again; None if unknown."""
        row = await self._pool.fetchrow(
            """UPDATE sandbox_casino.player SET blocked = $3
               WHERE client_id = $1 AND partner_user_id = $2 RETURNING *""",
            client_id,
            partner_user_id,
            blocked,
        )
        return _player(row)

    async def give_token(self, client_id: int, partner_user_id: str, token: str) -> Player | None:
        """Give a player this refresh token in place of all earlier ones; None if there is no such player."""
        row = await self._pool.fetchrow(
            """UPDATE sandbox_casino.player SET refresh_token = $3, previous_refresh_token = NULL
               WHERE client_id = $1 AND partner_user_id = $2 RETURNING *""",
            client_id,
            partner_user_id,
            token,
        )
        return _player(row)

    async def exchange_token(self, client_id: int, old: str, new: str) -> Player | None:
        """Return the player of this refresh token, and give the player a new one; None if it is no player's.

        The old token works until the new one has been used: its answer may get lost on the way. A blocked player keeps
        the token, and gets no new one.
        """
        row = await self._pool.fetchrow(
            """UPDATE sandbox_casino.player
               SET refresh_token = CASE WHEN blocked THEN refresh_token ELSE $3 END,
                   previous_refresh_token = CASE WHEN blocked THEN previous_refresh_token ELSE $2 END
               WHERE client_id = $1 AND $2 IN (refresh_token, previous_refresh_token) RETURNING *""",
            client_id,
            old,
            new,
        )
        return _player(row)


async def _read_book(connection: Any, client_id: int, movement: Movement) -> Book:
    row = await connection.fetchrow(_PLAYER, client_id, movement.partner_user_id, movement.bet_id)
    entries = [_entry(one) for one in await connection.fetch(_ENTRIES, client_id, movement.bet_id)]
    if row is None:
        return Book(None, entries)
    return Book(_player(row), entries, row["closed"], row["void"])


async def _write_movement(connection: Any, client_id: int, movement: Movement, book: Book) -> Entry:
    written = await connection.fetchrow(
        _WRITE,
        client_id,
        movement.partner_user_id,
        movement.bet_id,
        int(movement.type),
        movement.transaction_id,
        _signed(movement),
        movement.amount,
        sum(1 for one in book.entries if one.type is movement.type),
        movement.tax,
        movement.promo_code,
        movement.tag_id,
        movement.cashback,
    )
    return _entry(written)


def _signed(movement: Movement) -> Decimal:
    # Unary minus would round to the precision of the decimal context.
    return movement.amount.copy_negate() if movement.type.takes else movement.amount


def _player(row: Any) -> Player | None:
    if row is None:
        return None
    return Player(row["partner_user_id"], row["currency"], row["decimals"], row["blocked"], row["balance"])


def _entry(row: Any) -> Entry:
    return Entry(
        row["id"],
        Type(row["transaction_type"]),
        row["partner_user_id"],
        row["amount"],
        row["transaction_id"],
        row["balance_after"],
        row["at"],
        row["tax"],
        row["promo_code"],
    )
