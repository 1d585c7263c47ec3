"""The statements by which ``betcore.verify`` holds our rows against the books of casinos and providers.

Nothing here writes or locks.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A bet as its provider knows it."""

    bet_id: int
    provider: str
    provider_bet_id: str


@dataclass(frozen=True, slots=True)
class CasinoRow:
    """A casino."""

    casino_id: int
    name: str


@dataclass(frozen=True, slots=True)
class MadeRow:
    """A movement that a casino has made; ``tax`` is None if none was sent with it."""

    bet_id: int
    transaction_type: int
    amount: Decimal
    tax: Decimal | None
    currency: str
    partner_user_id: str
    error_code: str | None


@dataclass(frozen=True, slots=True)
class ShareRow:
    """Count and sums of the movements in a share of the BetIds."""

    share: int
    made: int
    first: Decimal
    second: Decimal


@dataclass(frozen=True, slots=True)
class NameRow:
    """A bet as its provider knows it, and its casino."""

    bet_id: int
    casino_id: int
    provider: str
    provider_bet_id: str


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider."""

    provider_id: int
    name: str


@dataclass(frozen=True, slots=True)
class AnsweredRow:
    """A bet, as an answer to its provider must fit it."""

    bet_id: int
    provider_bet_id: str
    state: str
    refusal: str | None
    stake: Decimal | None
    win: Decimal | None
    jackpot: Decimal | None
    jackpot_id: int | None
    currency: str
    one_step: bool
    told_at: datetime | None
    withdrawn_at: datetime | None
    accepted_at: datetime | None
    reversed_by: int | None
    reversal_is: str | None
    returned: bool


# The casinos' books
CASINOS = Statement(CasinoRow, "SELECT casino_id, name FROM casino ORDER BY casino_id")
OF_CASINO = Statement(
    NamedRow,
    """
SELECT bet_id, provider_bet_id, provider.name AS provider FROM bet JOIN provider USING (provider_id)
WHERE casino_id = :casino_id AND bet_id > :after ORDER BY bet_id LIMIT :limit
""",
)
# What a casino's book must have of ours, as few columns as comparing takes. A free round that no casino was asked for
# is done without an ErrorCode.
MADE = Statement(
    MadeRow,
    """
SELECT bet_id, transaction_type, amount, currency, partner_user_id, error_code,
       CASE WHEN transaction_type IN (-1, 2) THEN stake_tax WHEN transaction_type IN (1, -2) THEN win_tax END AS tax
FROM movement JOIN bet USING (bet_id) JOIN player USING (player_id)
WHERE bet_id = ANY(CAST(:bet_ids AS bigint[])) AND bet.casino_id = :casino_id AND movement.state = 'done'
""",
)
# A sum over each share of the numbers that two lists of movements have in common only if they are the same.
SHARES = Statement(
    ShareRow,
    """
SELECT bet_id / CAST(:share AS bigint) AS share, count(*) AS made,
       sum(CAST(bet_id * 8 + transaction_type AS numeric)) AS first,
       sum(CAST(bet_id * 8 + transaction_type AS numeric) ^ 2) AS second
FROM movement JOIN bet USING (bet_id)
WHERE bet_id > :after AND bet_id <= :upto AND casino_id = :casino_id AND movement.state = 'done'
  AND NOT (amount = 0 AND error_code IS NULL)
GROUP BY 1
""",
)
NAMES = Statement(
    NameRow,
    """
SELECT bet_id, casino_id, provider.name AS provider, provider_bet_id FROM bet JOIN provider USING (provider_id)
WHERE bet_id = ANY(CAST(:bet_ids AS bigint[]))
""",
)

# What a provider was answered
PROVIDER_OF = Statement(
    ProviderRow,
    """
SELECT provider_id, provider.name FROM session JOIN provider USING (provider_id) WHERE session_id = :session_id
""",
)
ANSWERED = Statement(
    AnsweredRow,
    """
SELECT bet.bet_id, bet.provider_bet_id, bet.state, refusal, stake, win, jackpot, jackpot_id, currency, one_step,
       told_at, withdrawn_at, accepted_at, reversed_by, reversal.state AS reversal_is,
       EXISTS (SELECT FROM movement WHERE movement.bet_id = bet.bet_id AND transaction_type = 2
               AND movement.state IN ('done', 'paid_by_hand')) AS returned
FROM bet LEFT JOIN reversal ON reversal.bet_id = bet.bet_id
WHERE provider_id = :provider_id AND provider_bet_id = ANY(CAST(:bet_ids AS text[]))
""",
)
