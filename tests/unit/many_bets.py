"""A database with 200,000 bets, 20,000 games and all that belongs to them, as a service that has run for a week has it.

Few players have very many bets and many have few; one has been refused for hours. A casino has few bets among all.
"""

from pathlib import Path

import asyncpg

_FILL = Path(__file__).with_suffix(".sql")
BETS = 200_000
GAMES = 20_000
# Every hundredth bet is open.
OPEN = BETS // 100
# Between two bets.
SECONDS = 3
# Tables that grow.
LARGE = {"bet", "movement", "bet_event", "incident", "reversal", "request_id", "reconciliation", "finding", "session"}
LARGE |= {"archived_bet", "player", "early_pay_out", "cashback", "game", "game_limit", "live_round"}
# Bets by their number, newest last: one in each state that statements want.
ACCEPTING, SETTLING, REFUNDING, ACCEPTANCE, SETTLED, REVERSING = 199_500, 199_600, 199_700, 199_900, 20, 50
# Cashbacks by their number: one in each state that statements want.
CASHBACKS = {"issuing": 48_999, "waiting": 50_000, "cancelling": 49_999, "issued": 20_001}
# The last one before the hour that is reconciled.
HOUR_AGO = BETS - 60 * 60 // SECONDS
# One with an incident that was filed before the bet had a row.
EARLY = 40_017
# A player with 20,000 bets, 2,000 of them open, and one who was only refused lately.
HEAVY, REFUSED = 1, 6


async def fill(connection: asyncpg.Connection) -> None:
    """Copy everything in, and take the statistics by which PostgreSQL plans."""
    await connection.execute(_FILL.read_text())
    await connection.execute("VACUUM ANALYZE")
