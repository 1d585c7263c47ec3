"""Identities, each made in one place, with its inverse beside it."""

from datetime import timedelta
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

# Task queues: bets run on one, what has no definite answer yet is pursued on another.
BETS_QUEUE = "bets"
WALLET_QUEUE = "wallet"
# A worker that dies in the middle of a workflow task is missed after this, and another one goes on: soon enough for a
# debit to be repeated long before its last moment. A task that takes longer tells Temporal so.
TASK_TIMEOUT = timedelta(seconds=5)

_BIGINT_ENDS = 2**63
_BET = "bet"
_REVERSAL = "reversal"
_RESUME = "resume"
_RESUME_REVERSAL = "resume-reversal"


class TransactionType(IntEnum):
    """What a movement is at the casino; names and numbers of the reference."""

    PAY_OUT_RETURN = -2
    ACCEPT_BET = -1
    PAY_OUT = 1
    BET_RETURN = 2
    JACKPOT_PAY_OUT = 4

    @property
    def is_debit(self) -> bool:
        """Whether it takes money from the player."""
        return self < 0


class BetKey(NamedTuple):
    """A bet as its provider knows it."""

    counterparty_id: str
    provider_bet_id: str

    def __str__(self) -> str:
        return f"{self.counterparty_id}:{self.provider_bet_id}"


def bet_workflow_id(key: BetKey) -> str:
    """The id of a bet's workflow. The counterparty is a UUID, so the first colon after it ends it."""
    return f"{_BET}:{key.counterparty_id}:{key.provider_bet_id}"


def reversal_workflow_id(key: BetKey) -> str:
    """The id of the workflow that reverses a bet."""
    return f"{_REVERSAL}:{key.counterparty_id}:{key.provider_bet_id}"


def resumed_workflow_id(bet_id: int, life: int) -> str:
    """The id of a bet's workflow in a later life, after the one before is gone. Lives count from 1."""
    return f"{_RESUME}:{bet_id}:{life}"


def resumed_reversal_id(bet_id: int, life: int) -> str:
    """The same for a reversal."""
    return f"{_RESUME_REVERSAL}:{bet_id}:{life}"


def carrier_of_bet(key: BetKey, bet_id: int, lives: int) -> str:
    """The id of the workflow that carries a bet: its first one, or the one that has resumed it last."""
    return resumed_workflow_id(bet_id, lives) if lives else bet_workflow_id(key)


def carrier_of_reversal(key: BetKey, bet_id: int, lives: int) -> str:
    """The same for a reversal."""
    return resumed_reversal_id(bet_id, lives) if lives else reversal_workflow_id(key)


def parse_carrier(workflow_id: str) -> BetKey | int:
    """The bet that a workflow of a bet or a reversal carries: its key or, in a later life, its BetId.

    The inverse of ``carrier_of_bet`` and ``carrier_of_reversal``. Raises ValueError for another workflow's id.
    """
    kind, bet, rest = workflow_id.split(":", 2)
    if kind in (_BET, _REVERSAL):
        return BetKey(str(UUID(bet)), rest)
    if kind in (_RESUME, _RESUME_REVERSAL) and 0 < int(bet) < _BIGINT_ENDS:
        return int(bet)
    raise ValueError(f"{workflow_id!r} carries no bet")


def transaction_id(bet_id: int, transaction_type: TransactionType) -> str:
    """The identity of a movement, the same in every attempt and in every life of its bet."""
    return f"{bet_id}:{transaction_type.value}"
