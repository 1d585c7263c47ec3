"""An index that decides which games a page of the lobby has: a search passes over 20,000 without reading their rows."""

from typing import Any

from alembic import op

revision = "0019"
down_revision = "0018"

CHANGES = """
CREATE INDEX game_lobby_page ON game (lower(name), game_id) INCLUDE (name, category, provider_id, min_bet, max_bet)
    WHERE gone_at IS NULL AND disabled_at IS NULL;
DROP INDEX game_lobby;
"""


def upgrade() -> None:
    """Put the index into the place of the one without the columns."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(CHANGES))
