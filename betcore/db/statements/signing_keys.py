"""The statements about the keys that sign our tokens. The newest key that is not retired is in force."""

from dataclasses import dataclass, field
from datetime import datetime

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key's row; its private part is sealed. ``listed`` is whether the JWKS has its public part."""

    kid: str
    private_pem: str = field(repr=False)
    created_at: datetime
    retired_at: datetime | None
    revoked_at: datetime | None
    listed: bool


@dataclass(frozen=True, slots=True)
class KidRow:
    """The id of a key."""

    kid: str


# Processes that would make a key at the same time wait for each other until the transaction ends.
LOCK = Statement(NoRow, "SELECT pg_advisory_xact_lock(:lock)")

# Tokens live for seconds, those of casinos for minutes; an hour leaves room for every clock and cache on their side.
KEYS = """\
keys AS (
    SELECT kid, private_pem, created_at, retired_at, revoked_at,
           revoked_at IS NULL AND coalesce(retired_at > now() - interval '1 hour', true) AS listed
    FROM signing_key
)"""

ALL = Statement(
    KeyRow,
    f"""
WITH {KEYS}
SELECT * FROM keys ORDER BY created_at DESC, kid
""",
)
IN_FORCE = Statement(
    KeyRow,
    f"""
WITH {KEYS}
SELECT * FROM keys WHERE retired_at IS NULL ORDER BY created_at DESC, kid LIMIT 1
""",
)
LISTED = Statement(
    KeyRow,
    f"""
WITH {KEYS}
SELECT * FROM keys WHERE listed ORDER BY created_at DESC, kid
""",
)
LISTED_KEY = Statement(
    KeyRow,
    f"""
WITH {KEYS}
SELECT * FROM keys WHERE listed AND kid = :kid
""",
)

INSERT = Statement(NoRow, "INSERT INTO signing_key (kid, private_pem) VALUES (:kid, :private_pem)")
RETIRE_ALL = Statement(NoRow, "UPDATE signing_key SET retired_at = now() WHERE retired_at IS NULL")
REVOKE = Statement(
    KidRow,
    """
UPDATE signing_key SET revoked_at = coalesce(revoked_at, now()), retired_at = coalesce(retired_at, now())
WHERE kid = :kid RETURNING kid
""",
)
