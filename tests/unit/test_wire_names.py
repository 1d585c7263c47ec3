"""What Temporal stores of us, frozen: bets are open across every deploy, and two releases run beside each other."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from temporalio.client import Schedule, ScheduleActionStartWorkflow
from temporalio.common import SearchAttributeKey

from api.provider.workflow_client import _update_id
from betcore.domain.ids import (
    BETS_QUEUE,
    WALLET_QUEUE,
    BetKey,
    TransactionType,
    bet_workflow_id,
    cashback_key_of_line,
    cashback_key_of_rule,
    cashback_rule_workflow_id,
    cashback_workflow_id,
    catalogue_workflow_id,
    live_game_workflow_id,
    reconciliation_workflow_id,
    resumed_reversal_workflow_id,
    resumed_workflow_id,
    reversal_workflow_id,
    round_refunds_workflow_id,
    scheduled_reconciliation_workflow_id,
    transaction_id,
)
from betcore.domain.messages import PayOut, Refund
from betcore.domain.money import Money
from betcore.temporal import visibility
from betcore.temporal.schedules import Intervals, keep_schedules
from devkit.stack.temporal import SEARCH_ATTRIBUTES as REGISTERED
from tests.unit import wire
from workflows.support.four_eyes import REFUSED

WHAT_TO_DO = """
The code and the frozen list of names differ. Each of these names and fields stands in the histories of open bets, in
calls between two releases that run beside each other, or in queries of operators.
- "the code no longer has": undo the rename or the removal. A history that holds the old name could not go on. A name
  is given up only when no history that may still be replayed or reset holds it.
- "the list does not have": a new field of an existing message needs a default, because older histories lack it. Then
  add it here. A new workflow, activity, update, signal, enum value or patch is added here too; a new enum value must
  not be sent before every process of the release before knows it.
- Python's names of classes are labels here and are not stored: for a class that is renamed, rename its label.
"""

WORKFLOWS = {
    "Bet": {
        "run": "(PayIn) -> BetState | None",
        "updates": {
            "operate": "(Operate) -> Operated",
            "pay_in": "() -> BetRecord",
            "pay_in_out": "() -> BetRecord",
            "pay_out": "(PayOut) -> BetRecord",
            "recheck": "() -> None",
            "refund": "(Refund) -> BetRecord",
        },
        "signals": {"accept": "(Accept) -> None", "pay_out": "(PayOut) -> None", "refund": "(Refund) -> None"},
        "queries": {},
    },
    "Reversal": {
        "run": "(Reverse) -> ReversalState | None",
        "updates": {"operate": "(Operate) -> Operated", "refund": "(Refund) -> BetRecord"},
        "signals": {"accept": "(Accept) -> None", "refund": "(Refund) -> None"},
        "queries": {},
    },
    "Cashback": {
        "run": "(CashbackOrder) -> CashbackState | None",
        "updates": {"operate": "(Operate) -> Operated"},
        "signals": {"accept": "(Accept) -> None"},
        "queries": {},
    },
    "CashbackStarts": {"run": "() -> int", "updates": {}, "signals": {}, "queries": {}},
    "Sweep": {"run": "() -> dict[str, int]", "updates": {}, "signals": {}, "queries": {}},
    "Reconciliation": {"run": "(Reconcile) -> Reconciled", "updates": {}, "signals": {}, "queries": {}},
    "Reconciliations": {"run": "() -> int", "updates": {}, "signals": {}, "queries": {}},
    "CatalogueSync": {"run": "(SyncCatalogue) -> Synced", "updates": {}, "signals": {}, "queries": {}},
    "CashbackRules": {"run": "() -> int", "updates": {}, "signals": {}, "queries": {}},
    "CashbackRuleRun": {"run": "(int) -> RuleRunDone", "updates": {}, "signals": {}, "queries": {}},
    "JackpotBookings": {"run": "() -> int", "updates": {}, "signals": {}, "queries": {}},
    "LiveGame": {
        "run": "(LiveGameOrder) -> None",
        "updates": {"report": "(ReportRound) -> RoundAnswer", "cancel_round": "(CancelRound) -> RoundAnswer"},
        "signals": {},
        "queries": {},
    },
    "RoundRefunds": {"run": "(RefundRound) -> int", "updates": {}, "signals": {}, "queries": {}},
}
ACTIVITIES = {
    "bets": {
        "try_stake": "(TakeStake) -> Step",
        "try_credit": "(Pay) -> Step",
        "try_claw_back": "(ClawBack) -> Step",
        "withdraw": "(Withdraw) -> BetRecord",
        "take_over": "(TakeOver) -> BetRecord",
        "unpark": "(Unpark) -> None",
        "decide_review": "(DecideReview) -> BetRecord",
        "open_reversal": "(OpenReversal) -> BetRecord",
        "open_cashback": "(OpenCashback) -> CashbackRecord",
        "try_cancel": "(CancelCashback) -> Step",
        "record_round_report": "(RecordReport) -> RoundAnswer",
        "record_round_cancel": "(RecordCancel) -> RoundAnswer",
        "pass_round_time": "(PassTime) -> RoundAnswer",
    },
    "wallet": {
        "pursue_stake": "(TakeStake) -> Step",
        "find_stake": "(FindStake) -> Step",
        "pursue_credit": "(Pay) -> Step",
        "close_at_casino": "(CloseAtCasino) -> None",
        "find_credit": "(FindCredit) -> Step",
        "pursue_claw_back": "(ClawBack) -> Step",
        "find_claw_back": "(ClawBack) -> Step",
        "file_incident": "(Incident) -> None",
        "note_operation": "(Operation) -> None",
        "resume_lost": "() -> int",
        "remind_quiet": "() -> int",
        "name_stuck": "() -> dict[str, int]",
        "mark_stake": "(MarkStake) -> Step",
        "mark_claw_back": "(MarkClawBack) -> Step",
        "pursue_cancel": "(CancelCashback) -> Step",
        "find_cancel": "(CancelCashback) -> Step",
        "mark_cancel": "(MarkCancel) -> Step",
        "start_cashbacks": "() -> int",
        "start_reconciliations": "() -> int",
        "open_reconciliation": "(Reconcile) -> int",
        "compare_books": "(int) -> SecondLook",
        "look_again": "(int) -> None",
        "end_reconciliation": "(int) -> Reconciled",
        "sync_catalogue": "(SyncCatalogue) -> Synced",
        "start_cashback_rules": "() -> int",
        "pay_cashback_rule": "(int) -> RuleRunDone",
        "book_contributions": "() -> int",
        "refund_round": "(RefundRound) -> RefundPass",
    },
}
# A field's type as Python annotates it; without a default it is required. A named tuple travels as a list.
MESSAGES: dict[str, dict[str, str] | list[str]] = {
    "Accept": {"transaction_type": "int", "success": "bool | None = None"},
    "Action": ["retry", "settle", "void", "mark-paid", "mark-taken", "mark-not-taken", "release", "refuse"],
    "BetKey": {"counterparty_id": "str", "provider_bet_id": "str"},
    "BetPolicy": {
        "unconfirmed_within": "timedelta",
        "settle_within": "timedelta",
        "on_overdue": "'hold' | 'refund'",
        "message_lifetime": "timedelta",
        "attempt_timeout": "timedelta",
        "fast_attempts": "int",
        "absence_after": "timedelta",
        "effect_within": "timedelta",
        "retry": "Retry",
        "close": "bool",
        "accept_within": "timedelta | None = None",
        "approval_above": "dict[str, Decimal] = {}",
    },
    "BetRecord": {
        "bet_id": "int",
        "owner": "str | None",
        "casino_id": "int",
        "player_id": "int",
        "game_id": "int",
        "round_id": "str | None",
        "currency": "str",
        "stake": "Money | None",
        "win": "Money | None",
        "state": "BetState",
        "refusal": "Code | None",
        "told_at": "datetime | None",
        "withdrawn_at": "datetime | None",
        "accepted_at": "datetime | None",
        "closed_at": "datetime | None",
        "accepted_balance": "Money | None",
        "closed_balance": "Money | None",
        "one_step": "bool = False",
        "lives": "int = 0",
        "reversed_by": "int | None = None",
        "reversal": "ReversalRecord | None = None",
        "opened_at": "datetime | None = None",
        "stake_tax": "Money | None = None",
        "win_tax": "Money | None = None",
        "promo_code": "str | None = None",
        "jackpot": "Money | None = None",
        "jackpot_id": "int | None = None",
        "win_paid_at": "datetime | None = None",
        "review": "Review | None = None",
        "win_limits": "WinLimits | None = None",
    },
    "BetState": ["accepting", "acceptance", "settling", "refunding", "settled", "refunded", "refused"],
    "CancelCashback": {
        "order": "CashbackOrder",
        "owner": "str",
        "not_after": "datetime",
        "second_look": "bool = False",
    },
    "CashbackOrder": {
        "cashback_id": "int",
        "casino_id": "int",
        "partner_user_id": "str",
        "amount": "Money",
        "policy": "MovementPolicy",
        "listed": "bool = False",
        "resumed": "Resumed | None = None",
        "handed_on": "HandedOn | None = None",
    },
    "CashbackRecord": {
        "cashback_id": "int",
        "owner": "str | None",
        "casino_id": "int",
        "player_id": "int",
        "currency": "str",
        "amount": "Money",
        "promo_code": "str | None",
        "state": "CashbackState",
        "lives": "int",
        "issued_at": "datetime | None",
        "cancel_asked_at": "datetime | None",
        "closed_at": "datetime | None",
        "issued_balance": "Money | None",
        "cancelled_balance": "Money | None",
    },
    "CashbackState": ["issuing", "issued", "cancelling", "cancelled"],
    "ClawBack": {
        "reverse": "Reverse",
        "owner": "str",
        "not_after": "datetime",
        "second_look": "bool = False",
    },
    "CloseAtCasino": {
        "bet_id": "int",
        "casino_id": "int",
        "attempt_timeout": "timedelta",
        "closed": "bool = True",
    },
    "Code": [
        "not_authorised",
        "malformed",
        "too_large",
        "jackpot_unknown",
        "live_game_unknown",
        "unknown_route",
        "wrong_method",
        "wrong_content_type",
        "session_unknown",
        "session_ended",
        "session_demo",
        "no_money",
        "never_seen",
        "different_data",
        "already_settled",
        "already_refunded",
        "bet_refused",
        "below_min_bet",
        "above_max_bet",
        "player_blocked",
        "limit_reached",
        "game_disabled",
        "round_closed",
        "win_refused",
        "casino_refused",
        "casino_unavailable",
        "outcome_unknown",
        "overloaded",
        "too_many_calls",
    ],
    "CancelRound": {"game_type": "int", "round_id": "str", "operator": "str", "reason": "str"},
    "LiveGameOrder": {"game_type": "int"},
    "LiveRound": {
        "game_type": "int",
        "edition": "int",
        "round_id": "str",
        "state": "RoundState",
        "play_status": "PlayStatus | None = None",
        "announced_at": "datetime",
        "started_at": "datetime | None = None",
        "betting_closes_at": "datetime | None = None",
        "results_due_at": "datetime | None = None",
        "finished_at": "datetime | None = None",
        "results": "tuple[int | str, ...] = ()",
        "commitment": "str | None = None",
        "seed": "str | None = None",
        "algorithm": "str | None = None",
        "reason": "str | None = None",
    },
    "PassTime": {"game_type": "int", "now": "datetime"},
    "PlayStatus": ["betting", "action"],
    "RecordCancel": {"order": "CancelRound", "now": "datetime"},
    "RecordReport": {"order": "ReportRound", "now": "datetime"},
    "RefundPass": {"open_bets": "int", "filed": "int", "done": "bool = False"},
    "RefundRound": {"game_type": "int", "round_id": "str", "appear_until": "datetime"},
    "ReportRound": {
        "game_type": "int",
        "provider_id": "int",
        "round_id": "str",
        "report": "RoundReport",
        "proof": "Proof | None = None",
    },
    "ReportedState": ["awaiting", "betting", "action", "finished", "review", "cancelled"],
    "RoundAnswer": {
        "refusal": "Code | None = None",
        "why": "str = ''",
        "round": "LiveRound | None = None",
        "running": "LiveRound | None = None",
        "refunds": "bool = False",
        "changed": "bool = False",
    },
    "RoundReport": {
        "state": "ReportedState",
        "betting_closes_at": "datetime | None = None",
        "commitment": "str | None = None",
        "results": "tuple[int | str, ...] = ()",
        "seed": "str | None = None",
        "algorithm": "str | None = None",
        "reason": "str | None = None",
    },
    "RoundState": ["awaiting", "active", "finished", "review", "cancelled"],
    "FindCredit": {"pay": "Pay", "second_look": "bool"},
    "DecideReview": {"bet_id": "int", "owner": "str", "verdict": "ReviewState"},
    "Review": {
        "state": "ReviewState",
        "win": "Money",
        "jackpot": "Jackpot | None = None",
        "tax": "Money | None = None",
    },
    "ReviewState": ["in_review", "released", "refused"],
    "WinLimits": {
        "max_win": "Money | None = None",
        "max_odd": "Decimal | None = None",
        "per_hour": "Money | None = None",
        "game_max_odd": "bool = False",
    },
    "FindStake": {
        "pay_in": "PayIn",
        "bet_id": "int",
        "owner": "str",
        "second_look": "bool",
        "refund_filed": "bool",
        "refund_proof": "Proof | None = None",
    },
    "HandedOn": {
        "pay_out": "PayOut | None = None",
        "refund": "Refund | None = None",
        "refund_first": "bool = False",
        "filed_at": "datetime | None = None",
        "proposals": "tuple[Proposal, ...] = ()",
        "wakes": "bool = False",
        "needs_attention": "bool = False",
        "lines": "tuple[str, ...] = ()",
    },
    "Incident": {
        "bet_id": "int | None",
        "kind": "str",
        "ours": "dict[str, str]",
        "theirs": "dict[str, str]",
    },
    "Jackpot": {"amount": "Money | None = None", "jackpot_id": "int | None = None"},
    "MarkCancel": {"order": "CashbackOrder", "owner": "str", "taken": "bool"},
    "MarkClawBack": {"reverse": "Reverse", "owner": "str", "taken": "bool"},
    "MarkStake": {
        "pay_in": "PayIn",
        "bet_id": "int",
        "owner": "str",
        "taken": "bool",
        "refund_filed": "bool",
        "refund_proof": "Proof | None = None",
    },
    "Money": {"minor": "int", "currency": "str"},
    "MovementPolicy": {
        "message_lifetime": "timedelta",
        "attempt_timeout": "timedelta",
        "fast_attempts": "int",
        "absence_after": "timedelta",
        "effect_within": "timedelta",
        "retry": "Retry",
        "close": "bool",
        "accept_within": "timedelta | None = None",
        "approval_above": "dict[str, Decimal] = {}",
    },
    "OpenCashback": {"cashback_id": "int", "owner": "str", "resumed": "Resumed | None"},
    "OpenReversal": {
        "bet_id": "int",
        "owner": "str",
        "resumed": "Resumed | None",
        "proof": "Proof | None = None",
    },
    "Operate": {
        "action": "Action",
        "operator": "str",
        "reason": "str",
        "win": "Money | None = None",
        "bet_id": "int | None = None",
        "set_id": "str | None = None",
    },
    "Operated": {"done": "bool", "state": "str", "detail": "str"},
    "Operation": {
        "bet_id": "int",
        "action": "str",
        "operator": "str",
        "reason": "str",
        "done": "bool",
        "detail": "str",
        "asked_at": "datetime",
        "win": "str | None = None",
        "set_id": "str | None = None",
    },
    "Pay": {
        "bet_id": "int",
        "owner": "str",
        "casino_id": "int",
        "partner_user_id": "str",
        "transaction_type": "TransactionType",
        "amount": "Money",
        "attempt_timeout": "timedelta",
        "sends": "int",
        "retry": "Retry",
        "accept_within": "timedelta | None = None",
        "reverses": "bool = False",
        "message": "str | None = None",
        "filed_at": "datetime | None = None",
        "tax": "Money | None = None",
        "cashback": "bool = False",
        "jackpot": "Jackpot | None = None",
        "proof": "Proof | None = None",
        "limits": "WinLimits | None = None",
    },
    "PayIn": {
        "provider_id": "int",
        "counterparty_id": "str",
        "provider_bet_id": "str",
        "session_id": "str",
        "casino_id": "int",
        "player_id": "int",
        "partner_user_id": "str",
        "game_id": "int",
        "round_id": "str",
        "stake": "Money",
        "win": "Money | None = None",
        "refusal": "Code | None = None",
        "answer_by": "datetime",
        "settle_by": "datetime",
        "policy": "BetPolicy",
        "resumed": "Resumed | None = None",
        "handed_on": "HandedOn | None = None",
        "tax": "Money | None = None",
        "promo_code": "str | None = None",
        "jackpot": "Jackpot | None = None",
        "proof": "Proof | None = None",
        "limits": "WinLimits | None = None",
    },
    "PayOut": {
        "player_id": "int",
        "round_id": "str",
        "win": "Money",
        "answer_by": "datetime",
        "bet": "BetKey | None = None",
        "tax": "Money | None = None",
        "jackpot": "Jackpot | None = None",
        "proof": "Proof | None = None",
        "limits": "WinLimits | None = None",
    },
    "Progress": ["done", "refused", "unknown", "awaited", "parked", "absent", "in_review", "win_refused", "foreign"],
    "Proof": {
        "request_id": "str",
        "timestamp": "int",
        "body_sha256": "str",
        "signature": "str",
        "secret": "'current' | 'previous'",
        "sorted": "bool = False",
    },
    "Proposal": {
        "action": "Action",
        "operator": "str",
        "movement": "str | None",
        "amount": "Money | None",
        "state": "str",
        "until": "datetime",
        "set_id": "str | None = None",
    },
    "Reconcile": {"casino_id": "int", "opened_from": "datetime", "opened_to": "datetime"},
    "Reconciled": {
        "reconciliation_id": "int",
        "bets": "int",
        "compared": "int",
        "kinds": "dict[str, int]",
        "outcomes": "dict[str, int]",
    },
    "Refund": {
        "player_id": "int",
        "answer_by": "datetime",
        "after_pay_out": "'refuse' | 'reverse' = 'refuse'",
        "bet": "BetKey | None = None",
        "reason": "str | None = None",
        "proof": "Proof | None = None",
    },
    "Resumed": {"bet_id": "int", "owner": "str | None", "life": "int"},
    "Retry": {"first": "timedelta", "factor": "float", "cap": "timedelta"},
    "ReversalRecord": {
        "reversal_id": "int",
        "owner": "str | None",
        "state": "ReversalState",
        "lives": "int",
        "closed_at": "datetime | None",
        "closed_balance": "Money | None",
    },
    "ReversalState": ["reversing", "reversed", "refused"],
    "Reverse": {
        "bet_id": "int",
        "counterparty_id": "str",
        "provider_bet_id": "str",
        "casino_id": "int",
        "partner_user_id": "str",
        "stake": "Money",
        "win": "Money | None",
        "answer_by": "datetime",
        "policy": "BetPolicy",
        "resumed": "Resumed | None = None",
        "closed": "bool = True",
        "reopen_from": "datetime | None = None",
        "handed_on": "HandedOn | None = None",
        "proof": "Proof | None = None",
    },
    "RuleRunDone": {
        "run_id": "int",
        "players": "int",
        "opened": "int",
        "blocked": "int",
        "unread": "int",
        "contradicted": "int",
    },
    "SecondLook": {"wanted": "bool", "after": "timedelta"},
    "Step": {
        "progress": "Progress",
        "detail": "str = ''",
        "record": "BetRecord | CashbackRecord | None = None",
        "wait": "timedelta | None = None",
        "settled": "bool = False",
    },
    "SyncCatalogue": {"counterparty_id": "str", "accept": "bool = False", "operator": "str | None = None"},
    "Synced": {
        "outcome": "'synced' | 'unchanged' | 'held' | 'failed'",
        "reason": "str | None = None",
        "listed": "int = 0",
        "added": "int = 0",
        "changed": "int = 0",
        "gone": "int = 0",
        "bad": "int = 0",
        "problems": "tuple[str, ...] = ()",
    },
    "TakeOver": {"resumed": "Resumed", "owner": "str"},
    "TakeStake": {
        "pay_in": "PayIn",
        "owner": "str",
        "refund_filed": "bool = False",
        "refund_proof": "Proof | None = None",
    },
    "TransactionType": ["-2", "-1", "1", "2", "4"],
    "Unpark": {"bet_id": "int", "owner": "str", "transaction_type": "TransactionType"},
    "Withdraw": {"bet_id": "int", "owner": "str"},
}
PATCHES = [
    "history-goes-on-in-a-new-run",
    "no-money-waits-for-close",
    "operators-larger-amount",
    "the-row-decides",
    "void-looks-for-what-is-parked",
]

_BET = BetKey("8d0e36a1-0000-4000-8000-000000000001", "round:7")
_FROM, _TO = datetime(2026, 1, 2, 3, tzinfo=UTC), datetime(2026, 1, 2, 4, 0, 0, 5, tzinfo=UTC)

IDS = {
    "queue of workflows": "bets",
    "queue of the slow lane": "wallet",
    "bet": "bet:8d0e36a1-0000-4000-8000-000000000001:round:7",
    "reversal": "reversal:8d0e36a1-0000-4000-8000-000000000001:round:7",
    "bet that was resumed twice": "resume:11:2",
    "reversal that was resumed once": "resume-reversal:11:1",
    "reconciliation by a person": "reconciliation:royal:2026-01-02T03:00:00Z:2026-01-02T04:00:00.000005Z",
    "its third run": "reconciliation:royal:2026-01-02T03:00:00Z:2026-01-02T04:00:00.000005Z:3",
    "reconciliation by the schedule": "scheduled-reconciliation:royal:2026-01-02T03:00:00Z:2026-01-02T04:00:00.000005Z",
    "cashback": "cashback:12",
    "cashback that was taken on twice more": "resume-cashback:12:2",
    "sync of a provider's games": "catalogue:8d0e36a1-0000-4000-8000-000000000001",
    "second round of a rule's run": "cashback-rule:7:2",
    "live game": "live:3",
    "refunds of a cancelled round": "live-refunds:3:r-7",
    "cashback of a rule": "rule:5:3:EUR:2026-01-02T03:00:00Z",
    "cashback of a line": "import:2026-11-0001",
    "movement": "11:-1",
    "error of an operation that is refused": "operation_refused",
    "update of a PayIn": "pay_in",
    "update of a PayInOut": "pay_in_out",
    "update of a PayOut": "pay_out:fbbd9cac18fdc292ca1d50f094b83f4f",
    "update of a Refund": "refund:6b351e3901d98bf04c2636d6d5d48b1d",
}
SCHEDULES = {
    "sweep": "starts Sweep as sweep on bets",
    "cashbacks": "starts CashbackStarts as cashbacks on bets",
    "reconcile": "starts Reconciliations as reconcile on bets",
    "cashback-rules": "starts CashbackRules as cashback-rules on bets",
    "jackpots": "starts JackpotBookings as jackpots on bets",
    "catalogue:8d0e36a1-0000-4000-8000-000000000001": "starts CatalogueSync as "
    "catalogue:8d0e36a1-0000-4000-8000-000000000001 on bets",
}
SEARCH_ATTRIBUTES = {
    "Casino": "Keyword",
    "Provider": "Keyword",
    "Player": "Keyword",
    "Game": "Keyword",
    "BetStatus": "Keyword",
    "NeedsAttention": "Bool",
    "SettleBy": "Datetime",
}


def _ids() -> dict[str, str]:
    pay_out = PayOut(round_id="r", win=Money(minor=2500, currency="EUR"), player_id=3, answer_by=_FROM)
    return {
        "queue of workflows": BETS_QUEUE,
        "queue of the slow lane": WALLET_QUEUE,
        "bet": bet_workflow_id(_BET),
        "reversal": reversal_workflow_id(_BET),
        "bet that was resumed twice": resumed_workflow_id(11, 2),
        "reversal that was resumed once": resumed_reversal_workflow_id(11, 1),
        "reconciliation by a person": reconciliation_workflow_id("royal", _FROM, _TO),
        "its third run": reconciliation_workflow_id("royal", _FROM, _TO, 2),
        "reconciliation by the schedule": scheduled_reconciliation_workflow_id("royal", _FROM, _TO),
        "cashback": cashback_workflow_id(12, 0),
        "cashback that was taken on twice more": cashback_workflow_id(12, 2),
        "sync of a provider's games": catalogue_workflow_id(_BET.counterparty_id),
        "second round of a rule's run": cashback_rule_workflow_id(7, 2),
        "live game": live_game_workflow_id(3),
        "refunds of a cancelled round": round_refunds_workflow_id(3, "r-7"),
        "cashback of a rule": cashback_key_of_rule(5, 3, "EUR", _FROM),
        "cashback of a line": cashback_key_of_line("2026-11-0001"),
        "movement": transaction_id(11, TransactionType.ACCEPT_BET),
        "error of an operation that is refused": REFUSED,
        "update of a PayIn": _update_id("pay_in", None),
        "update of a PayInOut": _update_id("pay_in_out", None),
        "update of a PayOut": _update_id("pay_out", pay_out),
        "update of a Refund": _update_id("refund", Refund(player_id=3, answer_by=_FROM)),
    }


def _lines(name: str, value: object) -> Iterator[str]:
    """Return one line for each name, so that a difference names the field."""
    if isinstance(value, Mapping):
        for key, inside in value.items():
            yield from _lines(f"{name} {key}", inside)
        if not value:
            yield f"{name}: none"
    elif isinstance(value, list):
        yield from (f"{name}: {one}" for one in value)
    else:
        yield f"{name}: {value}"


def _differences(name: str, frozen: object, code: object) -> str:
    """Return what differs and what to do about it, "" if nothing does."""
    listed, found = set(_lines(name, frozen)), set(_lines(name, code))
    differs = [f"the code no longer has  {line}" for line in sorted(listed - found)]
    differs += [f"the list does not have  {line}" for line in sorted(found - listed)]
    return "\n".join(["", *differs, WHAT_TO_DO]) if differs else ""


def _same(name: str, frozen: object, code: object) -> None:
    if complaint := _differences(name, frozen, code):
        pytest.fail(complaint, pytrace=False)


def test_workflows_updates_signals_and_queries_keep_their_names() -> None:
    _same("workflow", WORKFLOWS, wire.workflows())


def test_activities_keep_their_names_and_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    _same("activity of queue", ACTIVITIES, wire.activities(monkeypatch))


def test_no_name_is_taken_from_a_method() -> None:
    # It would change with the method.
    assert wire.unnamed() == []


def test_messages_keep_their_fields_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    _same("message", MESSAGES, wire.messages(monkeypatch))


def test_patches_keep_their_ids() -> None:
    _same("patch", PATCHES, sorted(wire.patches()))


def test_ids_are_made_as_ever() -> None:
    _same("id of", IDS, _ids())


def test_search_attributes_keep_their_names_and_types() -> None:
    keys = [key for key in vars(visibility).values() if isinstance(key, SearchAttributeKey)]
    _same("search attribute", SEARCH_ATTRIBUTES, {key.name: key.indexed_value_type.name.title() for key in keys})
    assert dict(one.split("=") for one in REGISTERED) == SEARCH_ATTRIBUTES


class _Temporal:
    """Keeps the schedules that are created."""

    def __init__(self) -> None:
        self.created: dict[str, str] = {}

    async def create_schedule(self, name: str, schedule: Schedule) -> None:
        action = schedule.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        self.created[name] = f"starts {action.workflow} as {action.id} on {action.task_queue}"


class _Providers:
    """One provider, whose games are synced."""

    async def counterparties(self) -> list[str]:
        return [_BET.counterparty_id]


class _Pools:
    """There is a pool."""

    async def exist(self) -> bool:
        return True


async def test_schedules_keep_their_ids() -> None:
    temporal, hour = _Temporal(), timedelta(hours=1)
    every, providers = Intervals(hour, hour, hour, hour, hour), cast(Any, _Providers())
    keeping = asyncio.create_task(keep_schedules(cast(Any, temporal), every, providers, cast(Any, _Pools())))
    await asyncio.sleep(0)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    _same("schedule", SCHEDULES, temporal.created)


def test_a_difference_is_named_with_what_to_do() -> None:
    code = {"Retry": {"first": "timedelta", "ratio": "float"}}
    complaint = _differences("message", {"Retry": {"first": "timedelta", "factor": "float"}}, code)
    assert "the code no longer has  message Retry factor: float" in complaint
    assert "the list does not have  message Retry ratio: float" in complaint
    assert WHAT_TO_DO in complaint
    assert _differences("message", code, code) == ""
