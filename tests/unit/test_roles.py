"""What each role of the database may do and may not: by PostgreSQL's catalogue, by each statement of the service, and
by trying."""

import re
from collections.abc import AsyncIterator, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from betcore.db.engine import create_engine
from betcore.db.migrate import migrate
from betcore.db.roles import GRANTS, NUMBERS, PREFIX, ROLES, Role
from betcore.db.statements.__main__ import statements
from betcore.runtime.settings import Settings
from tests.cluster import as_role

PAGE = Path(__file__).parents[2] / "docs" / "database-roles.md"
STATEMENTS = statements()
# What each process sends. A new statement must be here, so that its privileges are looked at.
SENT = {
    "owner": "resealing.*",
    "archive": "archives.*",
    "api": """
        accepts.* bets.AS_IT_STANDS bets.TAKEN_AFTER_THE_END circuit_breakers.SHOWN frame_sessions.* games.*
        incidents.COUNTS jackpot_pools.CAN_WIN launches.* live_rounds.OF_PROVIDER live_rounds.ROUND lobby.*
        notes.FILE_INCIDENT partners.* player_authentications.* provider_requests.* signing_keys.IN_STATE
        signing_keys.LISTED signing_keys.LISTED_KEY metric_snapshots.*
    """,
    "worker": """
        accepts.READ bets.* cashback_movements.* cashback_rules.VERSIONS cashback_rules.OPEN cashback_rules.RUN
        cashback_rules.UNENDED cashback_rules.RULE_OF cashback_rules.PAGE cashback_rules.ADVANCE cashback_rules.END
        cashbacks.CASINO cashbacks.PLAYERS cashbacks.OPEN cashbacks.OPEN_OF_CASINO catalogue_sync.*
        circuit_breakers.* compared_rows.* jackpot_pools.ANY jackpot_pools.BOOK jackpot_pools.DUE jackpots.*
        live_reports.* movements.* notes.* one_step.* open_bets.* open_cashbacks.* partners.PROVIDER partners.CASINO
        reconciliations.* reversals.* round_refunds.* signing_keys.IN_STATE win_reviews.*
    """,
    "feed": """
        jackpot_pools.ACCUMULATED live_rounds.SHOWN live_rounds.ROUND live_rounds.RESULTS live_rounds.GAMES
        partners.ACCOUNT partners.ORIGINS signing_keys.IN_STATE signing_keys.LISTED signing_keys.LISTED_KEY
    """,
    "ops": """
        admin_events.* archives.LISTED archives.BY_NAME archives.OF_BETS bet_history.*
        cashback_imports.* cashback_rules.AGAIN cashback_rules.CASES cashback_rules.LAST
        cashback_rules.OPEN cashback_rules.ORIGIN cashback_rules.RULE_OF cashback_rules.RUN cashback_rules.SHOWN
        cashback_rules.UNENDED cashback_rules.VERSIONS cashbacks.* catalogue_sync.COUNTERPARTIES catalogue_sync.SHOWN
        circuit_breakers.READ circuit_breakers.SHOWN compared_rows.BETS_NAMED held_wins.* incidents.* jackpot_pools.ADD
        jackpot_pools.ADJUST jackpot_pools.DISABLE jackpot_pools.ENTRIES jackpot_pools.LIST jackpot_pools.SHOW
        jackpot_pools.UNBOOKED live_rounds.* open_bets.OPEN_* open_bets.RESUMPTION open_cashbacks.OPEN_ROW
        open_cashbacks.ORDER owed.* partners.* reconciliations.FINDINGS reconciliations.RUN reconciliations.RUN_OF
        reconciliations.WINDOW signing_keys.* verify_*
    """,
    # What `verify` reads without the casinos' books, for which it needs the key that signs calls to casinos.
    "read": """
        bet_history.* compared_rows.BETS_NAMED incidents.* owed.* reconciliations.DUE reconciliations.RUN verify_*
    """,
}
# What moves money, and what decides about it. No other role than the worker's may send these. What only ends a movement
# is not among them: of the API's role `guard_taken` refuses it, and no privilege.
WORKERS_ALONE = """
    bets.OPEN bets.ACCEPT bets.END_WITHOUT_STAKE bets.BEGIN_CREDIT bets.CREDIT_DONE bets.WITHDRAW
    cashback_movements.TAKE_ON cashback_movements.BEGIN_ISSUE cashback_movements.ISSUED
    cashback_movements.BEGIN_CANCEL cashback_movements.CANCELLED cashback_movements.NOT_CANCELLED jackpot_pools.BOOK
    jackpots.* live_reports.NOTE live_reports.WRITE movements.DUPLICATE_ABSENT movements.AWAIT_ACCEPT one_step.*
    open_bets.TAKE_OVER reversals.OPEN reversals.TAKE_OVER reversals.BEGIN_* reversals.REFUSE_ONLY_SEND
    reversals.RETURNED round_refunds.REFUNDED win_reviews.*
"""
HELD = """
SELECT rolname::text AS role, relname::text AS relation, NULL AS part, privilege_type AS privilege
FROM pg_class, aclexplode(relacl) AS acl JOIN pg_roles ON pg_roles.oid = acl.grantee
WHERE relnamespace = 'public'::regnamespace AND rolname <> ALL (ARRAY['betcore', 'betcore_owner'])
UNION ALL
SELECT rolname, relname, attname, privilege_type
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl) AS acl
     JOIN pg_roles ON pg_roles.oid = acl.grantee
WHERE relnamespace = 'public'::regnamespace
"""
# Tables whose rows are of no use after a while, or are written anew.
EXPIRING = {
    *("alembic_version", "casino_health", "casino_limit", "cashback_proposal", "catalogue_sync", "frame_session"),
    *("game_limit", "jackpot_proposal", "launch", "live_proposal", "player_authentication", "request_id"),
    *("metric_snapshot", "shown_balance", "sweep_cursor"),
}
Held = set[tuple[str, str, str | None, str]]


def named(patterns: str) -> set[str]:
    found = {name for name in STATEMENTS if any(fnmatchcase(name, one) for one in patterns.split())}
    unused = [one for one in patterns.split() if not any(fnmatchcase(name, one) for name in STATEMENTS)]
    assert unused == []
    return found


def meant() -> Held:
    """Return the grants as the catalogue would have them."""
    return {
        (f"{PREFIX}{role}", table, column, privilege)
        for role, privileges in GRANTS.items()
        for words, tables in privileges.items()
        for table in tables.split()
        for privilege, column in parsed(words)
    } | {(f"{PREFIX}{role}", sequence, None, "USAGE") for role, names in NUMBERS.items() for sequence in names.split()}


def parsed(privileges: str) -> Iterator[tuple[str, str | None]]:
    for word, columns in _words(privileges):
        for column in columns.split(", "):
            yield word, column or None


async def held(connection: asyncpg.Connection) -> Held:
    return {tuple(row) for row in await connection.fetch(HELD)}


@pytest.fixture
async def superuser(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_the_database_grants_what_the_table_says_and_nothing_else(
    superuser: asyncpg.Connection, database_url: str
) -> None:
    assert await held(superuser) == meant()
    await superuser.execute("GRANT UPDATE, TRUNCATE ON bet TO betcore_api")
    await superuser.execute("GRANT UPDATE (state) ON bet TO betcore_ops")
    await superuser.execute("GRANT ALL ON SEQUENCE bet_number TO betcore_read")
    await superuser.execute("REVOKE SELECT ON casino FROM betcore_feed")
    engine = create_engine(Settings(database_url=SecretStr(as_role(database_url, "owner"))))
    assert await migrate(engine) == []
    await engine.dispose()
    assert await held(superuser) == meant()


async def test_every_table_is_granted_to_a_role(superuser: asyncpg.Connection) -> None:
    tables = await superuser.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {row["tablename"] for row in tables} - {"alembic_version"} == set(_tables())


async def test_no_role_is_more_than_a_role(superuser: asyncpg.Connection) -> None:
    mighty = await superuser.fetch("""
        SELECT rolname FROM pg_roles
        WHERE rolname ^@ 'betcore_' AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
    """)
    assert mighty == []
    makers = await superuser.fetch(
        """
        SELECT rolname FROM pg_roles
        WHERE rolname = ANY ($1) AND has_schema_privilege(rolname, 'public', 'CREATE')
    """,
        [f"{PREFIX}{role}" for role in ROLES],
    )
    assert makers == []
    # This is the service's own database; those of tests are copies, with a database's usual privileges.
    open_to = await superuser.fetch(
        """
        SELECT rolname::text, privilege FROM pg_roles, unnest(ARRAY['CREATE', 'TEMPORARY']) AS privilege
        WHERE rolname = ANY ($1) AND has_database_privilege(rolname, 'betcore', privilege)
    """,
        [f"{PREFIX}{role}" for role in ROLES],
    )
    assert open_to == []
    assert not await superuser.fetchval("SELECT has_database_privilege('pg_monitor', 'betcore', 'CONNECT')")
    destroys = await superuser.fetch(
        """
        SELECT rolname::text, relname::text, privilege FROM pg_roles, pg_class,
               unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES', 'MAINTAIN']) AS privilege
        WHERE rolname = ANY ($1) AND relnamespace = 'public'::regnamespace AND relkind = 'r'
          AND has_table_privilege(rolname, pg_class.oid, privilege)
    """,
        [f"{PREFIX}{role}" for role in ROLES],
    )
    expiring = ("request_id", "frame_session", "player_authentication")
    deletes = {("betcore_api", table, "DELETE") for table in expiring} | {("betcore_archive", "bet_event", "DELETE")}
    assert {tuple(row) for row in destroys} == deletes
    owners = await superuser.fetch("""
        SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """)
    assert [tuple(row) for row in owners] == [("betcore_owner",)]


async def test_each_process_may_send_its_statements(superuser: asyncpg.Connection) -> None:
    assert set().union(*(named(patterns) for patterns in SENT.values())) == STATEMENTS.keys()
    refused = {}
    for role, patterns in SENT.items():
        await superuser.execute(f"SET ROLE {PREFIX}{role}")
        for name in sorted(named(patterns)):
            if why := await _refused(superuser, STATEMENTS[name].query):
                refused[role, name] = why
        await superuser.execute("RESET ROLE")
    assert refused == {}


async def test_only_the_worker_may_send_what_moves_money(superuser: asyncpg.Connection) -> None:
    allowed = []
    for role in ("api", "feed", "ops", "read"):
        await superuser.execute(f"SET ROLE {PREFIX}{role}")
        for name in sorted(named(WORKERS_ALONE)):
            if await _refused(superuser, STATEMENTS[name].query) is None:
                allowed.append((role, name))
        await superuser.execute("RESET ROLE")
    assert allowed == []


async def _refused(connection: asyncpg.Connection, query: str) -> str | None:
    """Return why a statement would be refused: PostgreSQL looks at privileges before it explains."""
    try:
        await connection.execute(f"EXPLAIN (GENERIC_PLAN) {query}")
    except asyncpg.InsufficientPrivilegeError as error:
        return str(error)
    return None


TRIED: dict[str, dict[str, bool]] = {
    "api": {
        "SELECT secret FROM provider": True,
        "UPDATE provider SET secret = 'mine'": False,
        "UPDATE bet SET told_at = now()": True,
        "UPDATE bet SET state = 'settled', win = 1": False,
        "UPDATE bet SET withdrawn_at = NULL": False,
        "INSERT INTO bet (provider_id, stake) VALUES (1, 100)": False,
        "INSERT INTO movement (bet_id) VALUES (1)": False,
        "UPDATE movement SET amount = 1": False,
        "UPDATE movement SET attempts = attempts + 1": False,
        "UPDATE movement SET accept_code = NULL": True,
        "DELETE FROM bet": False,
        "DELETE FROM bet_event": False,
        "DELETE FROM request_id": True,
        "UPDATE signing_key SET retired_at = NULL": False,
        "CREATE TABLE mine (id int)": False,
    },
    "worker": {
        "UPDATE bet SET lives = lives": True,
        "DELETE FROM movement": False,
        "TRUNCATE bet_event": False,
        "ALTER TABLE bet DISABLE TRIGGER guard_bet": False,
        "SET session_replication_role = replica": False,
        "UPDATE casino SET profile = '{}'": False,
        "UPDATE bet_event SET kind = 'told'": False,
        "INSERT INTO signing_key (kid, private_pem) VALUES ('k', 'p')": False,
        "DROP TABLE bet": False,
    },
    "feed": {
        "SELECT secret FROM casino": True,
        "SELECT secret FROM provider": False,
        "SELECT * FROM bet": False,
        "SELECT * FROM player": False,
        "UPDATE live_round SET state = 'finished'": False,
    },
    "ops": {
        "UPDATE provider SET disabled_at = now()": True,
        "SELECT * FROM bet": True,
        "UPDATE bet SET state = 'settled'": False,
        "UPDATE movement SET state = 'done'": False,
        "SELECT refresh_token FROM frame_session": False,
        "DELETE FROM provider": False,
        "UPDATE incident SET kind = 'none'": False,
    },
    "read": {
        "SELECT * FROM bet": True,
        "SELECT name, profile FROM provider": True,
        "SELECT secret FROM provider": False,
        "SELECT previous_secret FROM casino": False,
        "SELECT private_pem FROM signing_key": False,
        "SELECT * FROM frame_session": False,
        "INSERT INTO incident (kind, ours, theirs) VALUES ('parked', '{}', '{}')": False,
        "SELECT nextval('bet_number')": False,
    },
    "archive": {
        "SELECT * FROM bet": True,
        "DELETE FROM bet_event": True,
        "DELETE FROM incident": False,
        "INSERT INTO bet_event (bet_id, kind) VALUES (1, 'told')": False,
        "UPDATE bet_event SET kind = 'told'": False,
        "UPDATE archive SET sha256 = sha256('')": False,
        "INSERT INTO archive (written_at) VALUES ('2026-01-01')": False,
        "UPDATE archived_bet SET told = true": False,
        "UPDATE bet SET told_at = now()": False,
        "SELECT secret FROM provider": False,
        "SELECT * FROM player": False,
    },
}


@pytest.mark.parametrize("role", TRIED)
async def test_a_role_does_what_it_may_and_is_refused_the_rest(database_url: str, role: str) -> None:
    connection = await asyncpg.connect(as_role(database_url, role))
    found = {}
    for statement in TRIED[role]:
        try:
            await connection.execute(statement)
            found[statement] = True
        except asyncpg.InsufficientPrivilegeError:
            found[statement] = False
    await connection.close()
    assert found == TRIED[role]


BETS = """
INSERT INTO provider (counterparty_id, name, base_url, profile, secret)
VALUES ('11111111-2222-4333-8444-555555555555', 'p', 'http://p', '{}', '');
INSERT INTO casino (name, api_host, profile, secret) VALUES ('c', 'http://c', '{}', '');
INSERT INTO game (provider_id, provider_game_id, name) VALUES (1, 'dice', 'Dice');
INSERT INTO player (casino_id, partner_user_id) VALUES (1, 'anna');
INSERT INTO bet (bet_id, provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, stake, win,
                 state, refusal, closed_at)
VALUES (1, 1, 'open', 1, 1, 1, 's', 'EUR', 1000, 1000, 'settling', NULL, NULL),
       (2, 1, 'refused', 1, 1, 1, 's', 'EUR', 1000, NULL, 'refused', 'no_money', now());
INSERT INTO movement (bet_id, transaction_type, amount, state, attempts)
VALUES (1, -1, 1000, 'sending', 1), (1, 1, 1000, 'sending', 1), (2, -1, 1000, 'refused', 1), (2, 2, 1000, 'sending', 1);
"""
END = "UPDATE movement SET state = $3 WHERE bet_id = $1 AND transaction_type = $2"


async def test_the_api_ends_no_movement_but_a_debit_that_its_bet_did_not_wait_for(
    superuser: asyncpg.Connection, database_url: str
) -> None:
    await superuser.execute(BETS)
    connection = await asyncpg.connect(as_role(database_url, "api"))
    for bet_id, kind, state in ((1, -1, "done"), (1, 1, "done"), (1, 1, "parked"), (2, 2, "done"), (2, -1, "sending")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="is the worker's"):
            await connection.execute(END, bet_id, kind, state)
    assert await connection.execute(END, 2, -1, "done") == "UPDATE 1"
    await connection.close()
    connection = await asyncpg.connect(as_role(database_url, "worker"))
    assert await connection.execute(END, 1, 1, "done") == "UPDATE 1"
    await connection.close()


async def test_not_even_the_owner_empties_a_table_of_money(database_url: str) -> None:
    connection = await asyncpg.connect(as_role(database_url, "owner"))
    emptied = set()
    tables = (row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
    for table in tables:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"TRUNCATE {table} CASCADE")
            emptied.add(table)
        except asyncpg.IntegrityConstraintViolationError:
            pass
        finally:
            await transaction.rollback()
    await connection.close()
    assert emptied == EXPIRING


def test_the_page_shows_every_grant() -> None:
    expected = [f"| `{table}` | {' | '.join(_cell(role, table) for role in ROLES)} |" for table in _tables()]
    found = [line for line in PAGE.read_text().splitlines() if line.startswith("| `") and line.count("|") == 8]
    assert found == expected, "the rows must be:\n" + "\n".join(expected)


def _tables() -> list[str]:
    return sorted(
        {table for privileges in GRANTS.values() for tables in privileges.values() for table in tables.split()}
    )


def _cell(role: Role, table: str) -> str:
    """Return the privileges by their first letters, with a star if they are for some columns alone."""
    [words] = [words for words, tables in GRANTS[role].items() if table in tables.split()] or [""]
    letters = {"SELECT": "r", "INSERT": "i", "UPDATE": "u", "DELETE": "d"}
    return " ".join(letters[word] + ("*" if columns else "") for word, columns in _words(words))


def _words(privileges: str) -> list[tuple[str, str]]:
    return re.findall(r"(\w+)(?: \(([^)]*)\))?(?:, |$)", privileges)
