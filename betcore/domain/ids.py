"""Ids of bets, workflows and movements. Each format stands once, with its inverse beside it."""

import re
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Literal, NamedTuple
from uuid import UUID

# Task queues: workflows and their fast attempts run on BETS_QUEUE, slow attempts at the casino on WALLET_QUEUE.
BETS_QUEUE = "bets"
WALLET_QUEUE = "wallet"
# Workflow task timeout. After a worker dies in the middle of a workflow task, Temporal gives the task to another worker
# this much later: a debit is repeated long before its last moment. A longer task sends heartbeats of its own.
TASK_TIMEOUT = timedelta(seconds=5)

_BIGINT_ENDS = 2**63
_BET = "bet"
_REVERSAL = "reversal"
_RESUME = "resume"
_RESUME_REVERSAL = "resume-reversal"
_CASHBACK = "cashback"
_RESUME_CASHBACK = "resume-cashback"
_RECONCILIATION = "reconciliation"
_CATALOGUE = "catalogue"
_CASHBACK_RULE = "cashback-rule"
_LIVE_GAME = "live"
_ROUND_REFUNDS = "live-refunds"
_SCHEDULED = re.compile(
    rf"([a-z-]+|{_CATALOGUE}:[0-9a-f-]{{36}})-[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}Z"
)
# How the id of every scheduled reconciliation begins, up to its first colon.
SCHEDULED_RECONCILIATION = "scheduled-reconciliation"


class TransactionType(IntEnum):
    """The type of a movement, with the names and numbers of the reference."""

    PAY_OUT_RETURN = -2
    ACCEPT_BET = -1
    PAY_OUT = 1
    BET_RETURN = 2
    JACKPOT_PAY_OUT = 4

    @property
    def is_debit(self) -> bool:
        """Return whether it takes money from the player."""
        return self < 0

    @property
    def taxed(self) -> Literal["stake", "win"] | None:
        """Return whose tax it carries to the casino. A jackpot has none: the tax in the winnings goes with the win."""
        match self:
            case TransactionType.ACCEPT_BET | TransactionType.BET_RETURN:
                return "stake"
            case TransactionType.PAY_OUT | TransactionType.PAY_OUT_RETURN:
                return "win"
            case TransactionType.JACKPOT_PAY_OUT:
                return None


class BetKey(NamedTuple):
    """The provider's identity of a bet."""

    counterparty_id: str
    provider_bet_id: str

    def __str__(self) -> str:
        return f"{self.counterparty_id}:{self.provider_bet_id}"


def bet_workflow_id(key: BetKey) -> str:
    """Return the id of a bet's first workflow. The counterparty is a UUID, so the colon after it ends it."""
    return f"{_BET}:{key.counterparty_id}:{key.provider_bet_id}"


def reversal_workflow_id(key: BetKey) -> str:
    """Return the id of the first workflow that reverses a bet."""
    return f"{_REVERSAL}:{key.counterparty_id}:{key.provider_bet_id}"


def resumed_workflow_id(bet_id: int, life: int) -> str:
    """Return the id of the workflow that resumes a bet after its previous workflow is lost. Lives count from 1."""
    return f"{_RESUME}:{bet_id}:{life}"


def resumed_reversal_workflow_id(bet_id: int, life: int) -> str:
    """Return the id of the workflow that resumes a reversal."""
    return f"{_RESUME_REVERSAL}:{bet_id}:{life}"


def current_bet_workflow_id(key: BetKey, bet_id: int, lives: int) -> str:
    """Return the id of a bet's current workflow: its first one, or the one that resumed it last."""
    return resumed_workflow_id(bet_id, lives) if lives else bet_workflow_id(key)


def current_reversal_workflow_id(key: BetKey, bet_id: int, lives: int) -> str:
    """Return the id of a reversal's current workflow: its first one, or the one that resumed it last."""
    return resumed_reversal_workflow_id(bet_id, lives) if lives else reversal_workflow_id(key)


def cashback_workflow_id(cashback_id: int, life: int) -> str:
    """Return the id of a cashback's workflow: its first one for life 0, else the one that takes it on in that life."""
    return f"{_RESUME_CASHBACK}:{cashback_id}:{life}" if life else f"{_CASHBACK}:{cashback_id}"


def parse_workflow_id(workflow_id: str) -> BetKey | int:
    """Return the bet of a bet's or a reversal's workflow: its key or, for a resumed workflow, its BetId; or the
    CashbackId of a cashback's.

    The inverse of ``current_bet_workflow_id``, ``current_reversal_workflow_id`` and ``cashback_workflow_id``. Raises
    ValueError for another id.
    """
    prefix, bet, *rest = workflow_id.split(":", 2)
    if prefix in (_BET, _REVERSAL) and rest:
        return BetKey(str(UUID(bet)), rest[0])
    numbered = (_RESUME, _RESUME_REVERSAL, _RESUME_CASHBACK) if rest else (_CASHBACK,)
    if prefix in numbered and 0 < int(bet) < _BIGINT_ENDS:
        return int(bet)
    raise ValueError(f"{workflow_id!r} carries no bet")


def transaction_id(bet_id: int, transaction_type: TransactionType) -> str:
    """Return a movement's idempotency key at the casino: the same in every attempt and every life of its bet."""
    return f"{bet_id}:{transaction_type.value}"


def number_name(*, cashback: bool) -> str:
    """Return the field in which a casino finds the number of a bet or of a cashback."""
    return "CashbackId" if cashback else "BetId"


def reconciliation_workflow_id(casino: str, opened_from: datetime, opened_to: datetime, times: int = 0) -> str:
    """Return the workflow id of an operator's reconciliation after ``times`` earlier ones of the same window ended."""
    again = f":{times + 1}" if times else ""
    return f"{_RECONCILIATION}:{casino}:{_utc(opened_from)}:{_utc(opened_to)}{again}"


def scheduled_reconciliation_workflow_id(casino: str, opened_from: datetime, opened_to: datetime) -> str:
    """Return the workflow id of a reconciliation that the schedule starts."""
    return f"{SCHEDULED_RECONCILIATION}:{casino}:{_utc(opened_from)}:{_utc(opened_to)}"


def catalogue_workflow_id(counterparty_id: str) -> str:
    """Return the id of the schedule that syncs a provider's games, and how the ids of its workflows begin."""
    return f"{_CATALOGUE}:{counterparty_id}"


def schedule_of(workflow_id: str) -> str:
    """Return the id of the schedule that has started a workflow; the workflow's own id if none has.

    Temporal makes the workflow's id of the schedule's and the time. No id that a partner has a part in is cut: those
    of bets begin with ``bet:``.
    """
    found = _SCHEDULED.fullmatch(workflow_id)
    return found[1] if found else workflow_id


def cashback_rule_workflow_id(run_id: int, times: int) -> str:
    """Return the workflow id of a round of a rule's run. Rounds count from 1."""
    return f"{_CASHBACK_RULE}:{run_id}:{times}"


def live_game_workflow_id(game_type: int) -> str:
    """Return the id of the workflow of a live game."""
    return f"{_LIVE_GAME}:{game_type}"


def round_refunds_workflow_id(game_type: int, round_id: str) -> str:
    """Return the id of the workflow that refunds the bets of a cancelled round."""
    return f"{_ROUND_REFUNDS}:{game_type}:{round_id}"


def cashback_key_of_rule(version_id: int, player_id: int, currency: str, cut: datetime) -> str:
    """Return the key of what a rule gives to a player for the window up to a cut: one, however often it is run."""
    return f"rule:{version_id}:{player_id}:{currency}:{_utc(cut)}"


def cashback_key_of_line(key: str) -> str:
    """Return the key of a line of an import, in whichever file the line stands."""
    return f"import:{key}"


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
