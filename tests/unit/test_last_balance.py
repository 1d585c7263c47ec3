"""The last known balance: what the casino named last for a player in a currency, whichever bet it was about."""

from collections.abc import AsyncIterator

import pytest

from betcore.db.provider_requests import ProviderRequests
from betcore.domain.money import Money
from tests.unit.partner_database import PartnerDatabase
from tests.unit.partner_rows import PARTNERS, SESSION


class Player:
    """A player with bets that were opened minute by minute from eight o'clock on."""

    def __init__(self, database: PartnerDatabase) -> None:
        self._database = database
        self._bets = 0

    async def bet(
        self, accepted: str = "NULL", balance: str = "NULL", closed: str = "NULL", closing: str = "NULL", how: str = ""
    ) -> None:
        """Insert a bet: when it was accepted and closed, as minutes after eight, and the balances named then."""
        self._bets += 1
        state = how or ("acceptance" if closed == "NULL" else "settled")
        await self._database.sql(f"""
            INSERT INTO bet (provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake,
                             win, state, refusal, opened_at, accepted_at, accepted_balance, closed_at, closed_balance)
            SELECT 1, 'bet-{self._bets}', 1, 1, 1, 's', 'EUR', 1000, 0, '{state}',
                   CASE WHEN '{state}' = 'refused' THEN 'no_money' END, eight + {self._bets} * minute,
                   eight + {accepted} * minute, {balance}, eight + {closed} * minute, {closing}
            FROM (SELECT timestamptz '2026-07-01 08:00+00' AS eight, interval '1 minute' AS minute) AS times
        """)  # noqa: S608  a test's own words

    async def reversal(self, closed: str, closing: str) -> None:
        """Insert the reversal of the last bet: when it was closed, and the balance named then."""
        await self._database.sql(f"""
            INSERT INTO reversal (bet_id, state, closed_at, closed_balance)
            SELECT bet_id, 'reversed', timestamptz '2026-07-01 08:00+00' + {closed} * interval '1 minute', {closing}
            FROM bet WHERE provider_bet_id = 'bet-{self._bets}'
        """)  # noqa: S608  a test's own words

    async def last(self, currency: str = "EUR") -> Money | None:
        return await ProviderRequests(self._database.db).last_balance(1, currency)


@pytest.fixture
async def player(database_url: str) -> AsyncIterator[Player]:
    async with PartnerDatabase.at(database_url) as database:
        await database.sql(PARTNERS)
        await database.sql(SESSION)
        yield Player(database)


async def test_no_bet_no_balance(player: Player) -> None:
    assert await player.last() is None


async def test_the_end_of_an_older_bet_is_newer_than_the_stake_of_a_later_one(player: Player) -> None:
    await player.bet(accepted="1", balance="9000", closed="30", closing="11500")
    await player.bet(accepted="10", balance="8000")
    assert await player.last() == Money.parse("115.00", "EUR")
    assert await player.last("USD") is None


async def test_the_stake_of_an_open_bet_is_newer_than_the_end_of_another(player: Player) -> None:
    await player.bet(accepted="1", balance="9000", closed="2", closing="11500")
    await player.bet(accepted="40", balance="7000")
    await player.bet(accepted="20", balance="6000")
    assert await player.last() == Money.parse("70.00", "EUR")


async def test_what_names_no_balance_hides_none(player: Player) -> None:
    await player.bet(accepted="1", balance="9000", closed="2", closing="11500")
    await player.bet(closed="5", how="refunded")
    for minute in range(10, 40):
        await player.bet(closed=str(minute), how="refused")
    await player.bet(how="accepting")
    assert await player.last() == Money.parse("115.00", "EUR")


async def test_an_end_without_a_balance_leaves_that_of_its_stake(player: Player) -> None:
    await player.bet(accepted="1", balance="9000", closed="2", closing="11500")
    await player.bet(accepted="3", balance="8000", closed="4")
    assert await player.last() == Money.parse("80.00", "EUR")


async def test_the_end_of_a_reversal_is_newer_than_the_bets_before_it(player: Player) -> None:
    await player.bet(accepted="1", balance="9000", closed="2", closing="11500")
    await player.reversal("30", "10000")
    await player.bet(accepted="20", balance="9500")
    assert await player.last() == Money.parse("100.00", "EUR")
    assert await player.last("USD") is None
    await player.bet(accepted="31", balance="9900")
    assert await player.last() == Money.parse("99.00", "EUR")


async def test_a_reversal_that_names_no_balance_hides_none(player: Player) -> None:
    await player.bet(accepted="1", balance="9000", closed="2", closing="11500")
    await player.reversal("30", "NULL")
    assert await player.last() == Money.parse("115.00", "EUR")
