"""Casinos that are here already get no claim ``aud`` until their operators ask for it.

A JWT library that is told of no audience may refuse a message that has one; a new casino is told from the start.
"""

from typing import Any

from alembic import op

revision = "0007"
down_revision = "0006"

AS_BEFORE = """
UPDATE casino
SET profile = profile || jsonb_build_object('send', coalesce(profile -> 'send', '{}') || '{"aud": false}')
"""


def upgrade() -> None:
    """Keep the messages of these casinos as they are."""
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(AS_BEFORE))
