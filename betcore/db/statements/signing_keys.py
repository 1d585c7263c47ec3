"""The statements about the keys that sign our tokens.

One key signs at a time. The next one is listed before that, and signs from when the one before it is retired: the
database's clock alone decides, so that all processes agree and none has to take a step.
"""

from dataclasses import dataclass, field
from datetime import datetime

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key's row; its private part is sealed. ``listed`` is whether the JWKS has its public part."""

    kid: str
    private_pem: str = field(repr=False)
    state: str
    listed: bool
    created_at: datetime
    signs_from: datetime
    retired_at: datetime | None
    listed_until: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class KidRow:
    """The id of a key."""

    kid: str


# Processes that would make a key at the same time wait for each other until the transaction ends.
LOCK = Statement(NoRow, "SELECT pg_advisory_xact_lock(:lock)")

# A casino may still have to verify what a key has signed last: a message lives for what the casino's profile says. An
# access token lives for a quarter of an hour, and the rest of the hour is for the caches and clocks of all sides.
# now() would be when the transaction began, before it waited for its lock.
KEYS = """\
longest AS (
    SELECT interval '1 hour'
           + interval '1 second' * coalesce(max(CAST(profile ->> 'message_lifetime' AS double precision)), 0) AS listed
    FROM casino
), timed AS (
    SELECT signing_key.*, retired_at + longest.listed AS listed_until,
           greatest(created_at, max(coalesce(retired_at, 'infinity')) OVER (
               ORDER BY created_at, kid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS signs_from
    FROM signing_key, longest
), stated AS (
    SELECT *, CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
                   WHEN signs_from > statement_timestamp() THEN 'next'
                   WHEN coalesce(retired_at > statement_timestamp(), true) THEN 'signing'
                   WHEN listed_until > statement_timestamp() THEN 'previous'
                   ELSE 'gone' END AS state
    FROM timed
), keys AS (
    SELECT *, state IN ('next', 'signing', 'previous') AS listed FROM stated
)"""

ALL = Statement(
    KeyRow,
    f"""
WITH {KEYS}
SELECT * FROM keys ORDER BY created_at DESC, kid DESC
""",
)
IN_STATE = Statement(
    KeyRow,
    f"""
WITH {KEYS}
SELECT * FROM keys WHERE state = :state ORDER BY created_at LIMIT 1
""",
)
LISTED = Statement(
    KeyRow,
    f"""
WITH {KEYS}
SELECT * FROM keys WHERE listed ORDER BY created_at DESC, kid DESC
""",
)
LISTED_KEY = Statement(
    KeyRow,
    f"""
WITH {KEYS}
SELECT * FROM keys WHERE listed AND kid = :kid
""",
)

INSERT = Statement(
    NoRow,
    """
INSERT INTO signing_key (kid, private_pem, created_at) VALUES (:kid, :private_pem, statement_timestamp())
""",
)
# The key that signs goes on for as long as the one after it is listed only.
RETIRE_AFTER = Statement(
    NoRow,
    """
UPDATE signing_key SET retired_at = statement_timestamp() + CAST(:listed_first AS interval) WHERE retired_at IS NULL
""",
)
# The key after it has been revoked.
KEEP_SIGNING = Statement(
    NoRow,
    """
UPDATE signing_key SET retired_at = NULL WHERE retired_at > statement_timestamp() AND revoked_at IS NULL
""",
)
REVOKE = Statement(
    KidRow,
    """
UPDATE signing_key
SET revoked_at = coalesce(revoked_at, statement_timestamp()), retired_at = least(retired_at, statement_timestamp())
WHERE kid = :kid RETURNING kid
""",
)
