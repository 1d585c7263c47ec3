"""The statements that read partners for calls. A secret that was replaced is read as long as the database's clock lets
it hold: every process sees the same end of the overlap."""

from dataclasses import dataclass
from datetime import datetime

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider; ``previous`` is the secret before, as long as it holds."""

    provider_id: int
    counterparty_id: str
    name: str
    base_url: str
    profile: dict[str, object]
    secret: str
    previous: str | None
    disabled_at: datetime | None
    suspended_at: datetime | None


@dataclass(frozen=True, slots=True)
class CasinoRow:
    """A casino."""

    casino_id: int
    partner_client_id: int
    name: str
    api_host: str
    profile: dict[str, object]
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A casino as it calls us; ``previous`` is the secret before, as long as it holds."""

    casino: CasinoRow
    secret: str
    previous: str | None
    token_generation: int


@dataclass(frozen=True, slots=True)
class ProviderIdRow:
    """The id of a provider that exists."""

    counterparty_id: str


@dataclass(frozen=True, slots=True)
class AccountIdRow:
    """The id of a casino that exists."""

    partner_client_id: int


@dataclass(frozen=True, slots=True)
class FrameHostRow:
    """A host whose pages show games."""

    host: str


@dataclass(frozen=True, slots=True)
class OriginRow:
    """An origin of casinos' pages."""

    origin: str


PROVIDER = Statement(
    ProviderRow,
    """
SELECT provider_id, counterparty_id::text AS counterparty_id, name, base_url, profile, secret,
       CASE WHEN previous_until > now() THEN previous_secret END AS previous, disabled_at, suspended_at
FROM provider WHERE counterparty_id = CAST(:counterparty_id AS uuid)
""",
)
CASINO = Statement(
    CasinoRow,
    """
SELECT casino_id, partner_client_id, name, api_host, profile, disabled_at FROM casino WHERE casino_id = :casino_id
""",
)
ACCOUNT = Statement(
    AccountRow,
    """
SELECT casino_id, partner_client_id, name, api_host, profile, disabled_at, secret,
       CASE WHEN previous_until > now() THEN previous_secret END AS previous, token_generation
FROM casino WHERE partner_client_id = :partner_client_id
""",
)
EXISTING_PROVIDERS = Statement(
    ProviderIdRow,
    """
SELECT counterparty_id::text AS counterparty_id
FROM provider WHERE counterparty_id = ANY(CAST(:counterparty_ids AS uuid[]))
""",
)
EXISTING_ACCOUNTS = Statement(
    AccountIdRow,
    """
SELECT partner_client_id FROM casino WHERE partner_client_id = ANY(CAST(:client_ids AS bigint[]))
""",
)
FRAME_HOSTS = Statement(
    FrameHostRow,
    """
SELECT DISTINCT host
FROM provider, jsonb_array_elements_text(profile -> 'frame_hosts') AS host
WHERE disabled_at IS NULL AND suspended_at IS NULL
ORDER BY host
""",
)
ORIGINS = Statement(
    OriginRow,
    """
SELECT DISTINCT origin
FROM casino, jsonb_array_elements_text(profile -> 'origins') AS origin
WHERE disabled_at IS NULL
ORDER BY origin
""",
)
