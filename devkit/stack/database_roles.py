"""The database's roles in a stack: made when its PostgreSQL starts, with passwords of its own, as in production."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import asyncpg

from betcore.db.roles import PREFIX
from devkit.stack.folder import DATABASE_ROLES, password_name
from devkit.stack.process import ROOT

_OURS = ROOT / "deploy" / "postgres" / "sql" / "roles.sql"
# The sandbox casino is another house: it has a schema of its own in the same database, and reaches nothing of ours.
_SANDBOX = """
DO $$
DECLARE
    command text;
BEGIN
    IF to_regrole('betcore_sandbox') IS NULL THEN
        CREATE ROLE betcore_sandbox;
    END IF;
    EXECUTE format('ALTER ROLE betcore_sandbox LOGIN PASSWORD %L', current_setting('betcore.password_sandbox'));
    EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO betcore_sandbox', current_database());
    FOR command IN
        SELECT format('ALTER SCHEMA %I OWNER TO betcore_sandbox', nspname)
        FROM pg_namespace WHERE nspname = 'sandbox_casino'
        UNION ALL
        SELECT format('ALTER TABLE %s OWNER TO betcore_sandbox', pg_class.oid::regclass)
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'sandbox_casino' AND relkind = 'r' AND relowner <> 'betcore_sandbox'::regrole
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO betcore_sandbox', pg_proc.oid::regprocedure)
        FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = 'sandbox_casino' AND proowner <> 'betcore_sandbox'::regrole
    LOOP
        EXECUTE command;
    END LOOP;
END $$;
"""


def url_of(url: str, role: str, keys: Mapping[str, str]) -> str:
    """Return a database's address with the name and password of a role."""
    address = urlsplit(url)
    user = f"{PREFIX}{role}:{keys[password_name(role)]}"
    return address._replace(netloc=f"{user}@{address.netloc.rpartition('@')[2]}").geturl()


async def make(url: str, keys: Mapping[str, str]) -> None:
    """Make the roles of a database, or give those that are there their passwords; ``url`` is a superuser's."""
    connection = await asyncpg.connect(url)
    try:
        for role in DATABASE_ROLES:
            password = keys[password_name(role)]
            await connection.execute("SELECT set_config($1, $2, false)", f"betcore.password_{role}", password)
        for script in (_OURS.read_text(), _SANDBOX):
            await connection.execute(script)
    finally:
        await connection.close()
