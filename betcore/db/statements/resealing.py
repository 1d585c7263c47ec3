"""The statements that seal secrets anew. A secret that was replaced, and holds no longer, is removed."""

from dataclasses import dataclass, field

from betcore.db.statement import NoRow, Statement


@dataclass(frozen=True, slots=True)
class ProviderSecretsRow:
    """The sealed secrets of a provider; ``previous`` as long as it holds."""

    counterparty_id: str
    secret: str = field(repr=False)
    previous: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class CasinoSecretsRow:
    """The sealed secrets of a casino; ``previous`` as long as it holds."""

    partner_client_id: int
    secret: str = field(repr=False)
    previous: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedKeyRow:
    """The sealed private part of a signing key."""

    kid: str
    private_pem: str = field(repr=False)


PROVIDERS = Statement(
    ProviderSecretsRow,
    """
SELECT counterparty_id::text AS counterparty_id, secret,
       CASE WHEN previous_until > now() THEN previous_secret END AS previous
FROM provider ORDER BY provider_id FOR NO KEY UPDATE
""",
)
SEAL_PROVIDER = Statement(
    NoRow,
    """
UPDATE provider
SET secret = :secret, previous_secret = CAST(:previous AS text),
    previous_until = CASE WHEN CAST(:previous AS text) IS NOT NULL THEN previous_until END
WHERE counterparty_id = CAST(:counterparty_id AS uuid)
""",
)
CASINOS = Statement(
    CasinoSecretsRow,
    """
SELECT partner_client_id, secret, CASE WHEN previous_until > now() THEN previous_secret END AS previous
FROM casino ORDER BY casino_id FOR NO KEY UPDATE
""",
)
SEAL_CASINO = Statement(
    NoRow,
    """
UPDATE casino
SET secret = :secret, previous_secret = CAST(:previous AS text),
    previous_until = CASE WHEN CAST(:previous AS text) IS NOT NULL THEN previous_until END
WHERE partner_client_id = :partner_client_id
""",
)
KEYS = Statement(SealedKeyRow, "SELECT kid, private_pem FROM signing_key ORDER BY kid FOR NO KEY UPDATE")
SEAL_KEY = Statement(NoRow, "UPDATE signing_key SET private_pem = :private_pem WHERE kid = :kid")
