"""Which fields of our messages are personal, and messages without what is in them. Pure.

People read messages in the Temporal UI, by way of the codec server. A field is shown only if it is listed here: a new
one stays sealed until it is decided what it is.
"""

# What stands in the place of a value that is not shown.
SEALED = "sealed"
# The casino's id of the player may be a name or an address. A session's id, a promo code and a provider's signature are
# worth something to whoever has them. Balances are the player's own business; ops need none of them to end a bet.
_PERSONAL = """
accepted_balance cancelled_balance closed_balance issued_balance partner_user_id promo_code session_id signature
"""
_READABLE = """
absence_after accept accept_within accepted_at action added after after_pay_out algorithm amount announced_at
answer_by appear_until approval_above asked_at attempt_timeout attention bad bet bet_id bets betting_closes_at
blocked body_sha256 cancel_asked_at cap cashback cashback_id casino_id changed close closed closed_at commitment
compared contradicted counterparty_id currency detail done edition effect_within factor failing fast_attempts filed
filed_at finished_at first game_id game_max_odd game_type gone handed_on issued_at jackpot jackpot_id kind kinds
life limits lines listed lives max_odd max_win message message_lifetime minor movement needs_attention not_after now
on_overdue one_step open_bets opened opened_at opened_from opened_to operator order ours outcome outcomes overdue
owner pay pay_in pay_out per_hour play_status player_id players policy problems progress proof proposals
provider_bet_id provider_id reason reconciliation_id record refund refund_filed refund_first refund_proof refunds
refusal reopen_from report request_id results results_due_at resumed retry reversal reversal_id reverse reversed_by
reverses review round round_id run_id running second_look secret seed sends set_id settle_by settle_within settled
sorted stack_trace stake stake_tax started_at state success taken tax theirs timestamp told_at transaction_type
unconfirmed_within unread until verdict wait wakes wanted why win win_limits win_paid_at win_tax withdrawn_at
"""
PERSONAL, READABLE = frozenset(_PERSONAL.split()), frozenset(_READABLE.split())
# Their keys are currencies, kinds of findings and outcomes, none of them a field of a message.
_COUNTS = frozenset({"approval_above", "kinds", "outcomes"})


def without_personal_data(message: object) -> object:
    """Return a message, as JSON has it, with ``SEALED`` in place of every value that is not to be shown.

    A text alone is shown: summaries and details of workflows are texts.
    """
    match message:
        case dict():
            return {name: _shown(str(name), value) for name, value in message.items()}
        case list():
            return [without_personal_data(one) for one in message]
        case _:
            return message


def _shown(name: str, value: object) -> object:
    if value is None or name in _COUNTS:
        return value
    return without_personal_data(value) if name in READABLE else SEALED
