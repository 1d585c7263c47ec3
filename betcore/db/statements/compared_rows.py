"""The statements that read what reconciliation compares: bets and cashbacks, a row for each of their movements."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from betcore.db.row_mapping import BetRow, CashbackRow, ReversalRow
from betcore.db.statement import Statement
from betcore.db.statements.reversals import REVERSAL


@dataclass(frozen=True, slots=True)
class ComparedMovementRow:
    """A movement, as it is compared."""

    m_type: int
    m_amount: Decimal
    m_state: str
    m_error_code: str | None
    m_first_sent_at: datetime
    m_not_after: datetime | None


@dataclass(frozen=True, slots=True)
class ComparedBetRow:
    """A bet with one of its movements, or the only row of a bet without any."""

    bet: BetRow
    reversal: ReversalRow | None
    movement: ComparedMovementRow | None
    partner_user_id: str
    counterparty_id: UUID


@dataclass(frozen=True, slots=True)
class ComparedCashbackRow:
    """A cashback with one of its movements, or the only row of a cashback without any."""

    cashback: CashbackRow
    movement: ComparedMovementRow | None
    partner_user_id: str


# The bets in ``wanted``, a row for each of their movements.
_BETS = """SELECT bet.*, partner_user_id, counterparty_id, its_reversal.*,
       movement.transaction_type AS m_type, movement.amount AS m_amount, movement.state AS m_state,
       movement.error_code AS m_error_code, movement.first_sent_at AS m_first_sent_at,
       movement.not_after AS m_not_after
FROM wanted AS bet
JOIN player USING (player_id)
JOIN provider ON provider.provider_id = bet.provider_id
LEFT JOIN its_reversal ON reversed_bet_id = bet.bet_id
LEFT JOIN movement ON movement.bet_id = bet.bet_id
ORDER BY bet.bet_id, movement.transaction_type"""

BETS_BEHIND = Statement(
    ComparedBetRow,
    f"""
WITH wanted AS (
    SELECT * FROM bet
    WHERE bet_id > :after AND casino_id = :casino_id AND opened_at >= :opened_from AND opened_at < :opened_to
    ORDER BY bet_id LIMIT :limit
),
{REVERSAL}
{_BETS}
""",
)

BETS_NAMED = Statement(
    ComparedBetRow,
    f"""
WITH wanted AS (
    SELECT * FROM bet WHERE bet_id = ANY(:bet_ids)
),
{REVERSAL}
{_BETS}
""",
)

# The cashbacks in ``wanted``, a row for each of their movements.
_CASHBACKS = """SELECT cashback.*, partner_user_id,
       movement.transaction_type AS m_type, movement.amount AS m_amount, movement.state AS m_state,
       movement.error_code AS m_error_code, movement.first_sent_at AS m_first_sent_at,
       movement.not_after AS m_not_after
FROM wanted AS cashback
JOIN player USING (player_id)
LEFT JOIN movement ON movement.bet_id = cashback_id
ORDER BY cashback_id, movement.transaction_type"""

CASHBACKS_BEHIND = Statement(
    ComparedCashbackRow,
    f"""
WITH wanted AS (
    SELECT * FROM cashback
    WHERE cashback_id > :after AND casino_id = :casino_id AND opened_at >= :opened_from AND opened_at < :opened_to
    ORDER BY cashback_id LIMIT :limit
)
{_CASHBACKS}
""",
)

CASHBACKS_NAMED = Statement(
    ComparedCashbackRow,
    f"""
WITH wanted AS (
    SELECT * FROM cashback WHERE cashback_id = ANY(:numbers)
)
{_CASHBACKS}
""",
)
