"""The tables of partners and the catalogue for SQLAlchemy Core. The schema itself is made by the migrations alone."""

from sqlalchemy import BigInteger, Column, DateTime, FetchedValue, Integer, MetaData, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

metadata = MetaData()


def _when(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True))


def _id(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True)


provider = Table(
    "provider",
    metadata,
    _id("provider_id"),
    Column("counterparty_id", UUID(as_uuid=False)),
    Column("name", Text),
    Column("base_url", Text),
    Column("profile", JSONB),
    Column("secret", Text),
    Column("previous_secret", Text),
    _when("previous_until"),
    _when("created_at"),
    _when("disabled_at"),
    _when("suspended_at"),
)

casino = Table(
    "casino",
    metadata,
    _id("casino_id"),
    Column("partner_client_id", BigInteger, FetchedValue()),
    Column("name", Text),
    Column("api_host", Text),
    Column("profile", JSONB),
    Column("secret", Text),
    Column("previous_secret", Text),
    _when("previous_until"),
    _when("created_at"),
    _when("disabled_at"),
    Column("token_generation", Integer, FetchedValue()),
)

game = Table(
    "game",
    metadata,
    _id("game_id"),
    Column("provider_id", BigInteger),
    Column("provider_game_id", Text),
    Column("name", Text),
    # Of the first schema: a number without a currency says that the game has limits, ``game_limit`` says which.
    Column("min_bet", Numeric),
    Column("max_bet", Numeric),
    Column("category", Text),
    Column("max_odd", Numeric),
    Column("image_url", Text),
    Column("extra", JSONB),
    _when("created_at"),
    _when("disabled_at"),
    _when("gone_at"),
)


def _limits(name: str, owner: str) -> Table:
    """Return a table of limits in major units of a currency, for each game or each casino."""
    return Table(
        name,
        metadata,
        _id(owner),
        Column("currency", Text, primary_key=True),
        Column("min_bet", Numeric),
        Column("max_bet", Numeric),
    )


game_limit = _limits("game_limit", "game_id")
casino_limit = _limits("casino_limit", "casino_id")

player = Table(
    "player",
    metadata,
    _id("player_id"),
    Column("player_ref", UUID(as_uuid=False), FetchedValue()),
    Column("casino_id", BigInteger),
    Column("partner_user_id", Text),
    _when("created_at"),
    _when("blocked_at"),
)

session = Table(
    "session",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("provider_id", BigInteger),
    Column("player_id", BigInteger),
    Column("game_id", BigInteger),
    Column("currency", Text),
    Column("mode", Text),
    Column("brand", Text),
    Column("min_bet", Numeric),
    Column("max_bet", Numeric),
    Column("max_win", Numeric),
    Column("max_odd", Numeric),
    Column("state", Text, FetchedValue()),
    Column("end_reason", Text),
    _when("opened_at"),
    _when("seen_at"),
    _when("expires_at"),
    _when("ended_at"),
)
