"""Reading the journal: its entries as they were made, and the proof that the books balance."""

from typing import Any

import asyncpg

from devkit.sandbox.casino.wire import print_amount

_ENTRIES = """
    SELECT e.id, e.bet_id, e.transaction_type, e.transaction_id, e.amount, e.partner_user_id, e.balance_after, e.at,
           e.tax, e.promo_code, e.tag_id, e.cashback, p.decimals
    FROM sandbox_casino.entry e JOIN sandbox_casino.player p USING (client_id, partner_user_id)
    WHERE e.client_id = $1 AND ($2::bigint IS NULL OR e.bet_id = $2)
      AND ($3::text IS NULL OR e.partner_user_id = $3) AND e.id > $4
    ORDER BY e.id LIMIT $5"""

_SUMS = """
    SELECT p.account, sum(p.amount)::text AS total
    FROM sandbox_casino.posting p JOIN sandbox_casino.entry e ON e.id = p.entry_id
    WHERE e.client_id = $1 GROUP BY p.account ORDER BY p.account"""

# Entries whose sides do not cancel out, or that lack one.
_CROOKED = """
    SELECT e.id FROM sandbox_casino.entry e LEFT JOIN sandbox_casino.posting p ON p.entry_id = e.id
    WHERE e.client_id = $1 GROUP BY e.id HAVING count(p.amount) <> 2 OR sum(p.amount) <> 0 ORDER BY e.id LIMIT 100"""

# Players whose cached balance is not the sum of their postings.
_ASTRAY = """
    SELECT u.partner_user_id FROM sandbox_casino.player u
    LEFT JOIN sandbox_casino.entry e USING (client_id, partner_user_id)
    LEFT JOIN sandbox_casino.posting p ON p.entry_id = e.id AND p.account = 'player:' || u.partner_user_id
    WHERE u.client_id = $1 GROUP BY u.client_id, u.partner_user_id
    HAVING u.balance <> coalesce(sum(p.amount), 0) ORDER BY 1 LIMIT 100"""


async def read_entries(
    pool: asyncpg.Pool, client_id: int, bet_id: int | None, partner_user_id: str | None, after: int, limit: int
) -> list[dict[str, Any]]:
    """Return entries of one casino in the order in which they were made, starting after id ``after``."""
    rows = await pool.fetch(_ENTRIES, client_id, bet_id, partner_user_id, after, limit)
    return [_show(row) for row in rows]


def _show(row: Any) -> dict[str, Any]:
    shown = dict(row)
    decimals = shown.pop("decimals")
    amounts = ("amount", "balance_after", "tax")
    money = {name: print_amount(shown[name], decimals) for name in amounts if shown[name] is not None}
    return shown | money | {"at": shown["at"].isoformat()}


async def audit(pool: asyncpg.Pool, client_id: int) -> dict[str, Any]:
    """Return the double-entry check of one casino: every entry cancels out, every balance is the sum of its
    postings."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        entries = await connection.fetchval("SELECT count(*) FROM sandbox_casino.entry WHERE client_id = $1", client_id)
        crooked = [row["id"] for row in await connection.fetch(_CROOKED, client_id)]
        astray = [row["partner_user_id"] for row in await connection.fetch(_ASTRAY, client_id)]
        sums = {row["account"]: row["total"] for row in await connection.fetch(_SUMS, client_id)}
    return {
        "balanced": not crooked and not astray,
        "entries": entries,
        "unbalanced_entries": crooked,
        "wrong_balances": astray,
        "sum_by_account": sums,
    }
