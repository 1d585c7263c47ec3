"""Each rule that keeps money right, taken out in one place, and the test that must then fail.

The rules are told in docs/decisions/0018-rules-and-their-tests.md, which has the same list; ``make mutants`` takes each
of them out of a copy of the sources and runs its test.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A defect made on purpose: in ``file``, ``old`` (which stands there once) becomes ``new``."""

    rule: int
    what: str
    file: str
    old: str
    new: str
    test: str


_BET = "tests/workflows/test_bet.py::"
_ROWS = "tests/workflows/test_rows_of_a_bet.py::"
_ONE_STEP = "tests/workflows/test_one_step.py::"
_REVERSAL = "tests/workflows/test_reversal.py::"
_ACCEPT = "tests/workflows/test_accept.py::"
_RECONCILIATION = "tests/workflows/test_reconciliation.py::"
_OPERATORS = "tests/workflows/test_operators.py::"
_SENDING = '        case "sending":\n            return _said(bet, kind, mine, theirs, '

MUTANTS = [
    Mutant(
        1,
        "a row of another life is debited all the same",
        "betcore/db/bet_sql.py",
        "      AND found.owner = :owner AND found.state = 'accepting'\n",
        "      AND found.state = 'accepting'\n",
        _REVERSAL + "test_a_foreign_row_is_not_debited",
    ),
    Mutant(
        1,
        "an own refusal is answered before it stands in the row",
        "activities/wallet.py",
        "    if order.pay_in.refusal is not None:\n        return BetState.REFUSED, order.pay_in.refusal\n",
        "",
        "tests/system/test_rows_identity.py::test_a_limit_of_ours_stays",
    ),
    Mutant(
        2,
        "a repeated send is not counted",
        "betcore/db/bet_sql.py",
        "    UPDATE movement SET attempts = movement.attempts + 1\n    FROM found\n",
        "    UPDATE movement SET attempts = movement.attempts\n    FROM found\n",
        _BET + "test_a_refusal_of_what_may_be_a_repeat_is_not_trusted",
    ),
    Mutant(
        2,
        "the refusal of a repeat is believed",
        "betcore/judgement.py",
        "        if attempts > 1:\n            return UNKNOWN\n",
        "",
        "tests/unit/test_judgement.py::test_a_refusal_of_a_debit_that_may_be_a_repeat_says_nothing",
    ),
    Mutant(
        2,
        "a refusal ends a bet though another process has counted a send",
        "betcore/db/bet_sql.py",
        "      AND (CAST(:attempts AS integer) IS NULL OR attempts = CAST(:attempts AS integer))\n",
        "      AND (CAST(:attempts AS integer) IS NULL OR true)\n",
        _ROWS + "test_a_refusal_is_not_believed_once_another_process_has_counted_a_send",
    ),
    Mutant(
        2,
        "a duplicate of what was never sent is taken for our own",
        "betcore/judgement.py",
        "return DONE if listed or attempts > 1 else PARKED",
        "return DONE",
        _BET + "test_a_duplicate_that_we_never_sent_is_parked",
    ),
    Mutant(
        2,
        "a movement is sent again while its Accept waits to be read",
        "betcore/db/movement_sql.py",
        "movement.state = 'sending' AND movement.accept_code IS NULL\n",
        "movement.state = 'sending'\n",
        _ACCEPT + "test_no_send_is_counted_while_an_accept_waits_to_be_read",
    ),
    Mutant(
        3,
        "a token for a debit outlives its last moment",
        "betcore/clients/casino.py",
        "            ends = min(ends, math.floor(not_after.timestamp()))\n",
        "            pass\n",
        "tests/system/test_rows_workers.py::test_a_worker_that_wakes_up_late_repeats_no_debit",
    ),
    Mutant(
        3,
        "a stake is first sent after its deadline",
        "activities/wallet.py",
        "        if claim.counted and claim.attempts == 1 and now() > pay_in.answer_by:\n",
        "        if False:\n",
        _BET + "test_a_late_worker_sends_no_stake",
    ),
    Mutant(
        3,
        "a stake is first sent though a Refund was filed",
        "activities/wallet.py",
        "    if order.refund_filed:\n        return BetState.REFUNDED, None\n",
        "",
        _BET + "test_a_refund_filed_before_the_first_send_leaves_a_tombstone",
    ),
    Mutant(
        3,
        "absence is believed at the first look",
        "activities/wallet.py",
        "        if not order.second_look:\n            return Step(progress=Progress.UNKNOWN, detail",
        "        if False:\n            return Step(progress=Progress.UNKNOWN, detail",
        _BET + "test_a_debit_that_never_arrived_is_absent_only_after_two_looks",
    ),
    Mutant(
        3,
        "a claw-back gets another window while an old send may still take effect",
        "betcore/db/reversal_sql.py",
        "CASE WHEN movement.absent_attempts = movement.attempts\n"
        "                         THEN excluded.not_after ELSE movement.not_after END\n",
        "excluded.not_after\n",
        _REVERSAL + "test_no_window_opens_while_an_old_send_may_still_take_effect",
    ),
    Mutant(
        3,
        "what was paid by hand is absent at the first look",
        "activities/wallet.py",
        "        if not found and not order.second_look:\n",
        "        if False:\n",
        _OPERATORS + "test_what_is_marked_as_paid_is_never_sent_again",
    ),
    Mutant(
        4,
        "the provider is told of a stake that went back",
        "betcore/db/calls.py",
        "    WHERE bet_id = :bet_id AND (told_at IS NOT NULL OR (withdrawn_at IS NULL AND reversed_by IS NULL))\n",
        "    WHERE bet_id = :bet_id\n",
        _BET + "test_a_stake_that_nobody_was_told_of_goes_back",
    ),
    Mutant(
        4,
        "a stake goes back though the provider was told",
        "betcore/db/bet_sql.py",
        "state = 'acceptance' AND told_at IS NULL AND withdrawn_at IS NULL\n",
        "state = 'acceptance' AND withdrawn_at IS NULL\n",
        "tests/system/test_rows_owed.py::test_a_stake_that_somebody_was_told_of_stays",
    ),
    Mutant(
        4,
        "a stake that nobody was told of is kept for ever",
        "workflows/bet.py",
        "            if self._life.bet.withdrawn_at is not None:\n",
        "            if False:\n",
        _BET + "test_a_stake_that_nobody_was_told_of_goes_back",
    ),
    Mutant(
        5,
        "an activity that gives up ends the bet",
        "workflows/lanes.py",
        '        raise RuntimeError(f"an activity gave up: {error.cause or error}") from error\n',
        "        raise\n",
        _BET + "test_an_activity_that_gives_up_does_not_end_the_bet",
    ),
    Mutant(
        5,
        "a cancellation is followed",
        "workflows/life.py",
        "                await asyncio.shield(life)\n",
        "                await life\n",
        _BET + "test_a_cancellation_stops_no_money",
    ),
    Mutant(
        5,
        "a bet without a workflow is left alone",
        "activities/sweeps.py",
        "                for row in await carriers.left_alone(self._client, rows):\n",
        "                for row in ():\n",
        _REVERSAL + "test_a_terminated_bet_is_taken_up_again",
    ),
    Mutant(
        5,
        "of two lives both take a bet over",
        "betcore/db/bet_sql.py",
        "    WHERE bet_id = :bet_id AND owner = :seen_owner AND lives < :life AND closed_at IS NULL\n",
        "    WHERE bet_id = :bet_id AND CAST(:seen_owner AS text) IS NOT NULL AND closed_at IS NULL\n",
        _REVERSAL + "test_of_two_lives_one_takes_the_bet_over",
    ),
    Mutant(
        6,
        "a credit without an acknowledgement is given up",
        "activities/teller.py",
        "    raise again(step.detail, retry, gap)\n",
        "    return step\n",
        _BET + "test_owed_money_is_retried_until_it_is_there",
    ),
    Mutant(
        6,
        "a refused return waits for a person",
        "betcore/judgement.py",
        "    if transaction_type is TransactionType.PAY_OUT and meaning in _PARKING:\n",
        "    if meaning in _PARKING:\n",
        _BET + "test_a_refused_payout_is_parked_and_a_refused_return_is_not",
    ),
    Mutant(
        6,
        "a debit seen after the end stays where it is",
        "betcore/db/bet_sql.py",
        "    INSERT INTO reversal (bet_id) SELECT bet_id FROM taken ON CONFLICT (bet_id) DO NOTHING\n",
        "    SELECT bet_id FROM taken\n",
        _REVERSAL + "test_a_debit_seen_after_the_end_is_returned",
    ),
    Mutant(
        6,
        "a credit that another attempt has made is taken for parked",
        "betcore/db/bet_sql.py",
        "bet.owner = :owner AND bet.state IN ('acceptance', :state) AS stale",
        "false AS stale",
        _ROWS + "test_a_claim_that_was_overtaken_tells_what_stands",
    ),
    Mutant(
        6,
        "a success that is told after the end is not given back",
        "api/confirmations.py",
        "        if stored.ended is not None and stored.word is not None:\n",
        "        if False:\n",
        _ACCEPT + "test_a_success_for_a_stake_that_ended_refused_goes_back",
    ),
    Mutant(
        7,
        "a stake goes back while the player has the win",
        "betcore/db/reversal_sql.py",
        "    WHERE bet.state <> 'settled' OR bet.win = 0\n",
        "    WHERE true OR bet.win = 0\n",
        _REVERSAL + "test_no_stake_goes_back_while_the_player_has_the_win",
    ),
    Mutant(
        7,
        "a Refund that came while the win was paid is forgotten",
        "workflows/bet.py",
        "        if not asked or bet.state is not BetState.SETTLED:\n",
        "        if True:\n",
        _ONE_STEP + "test_a_refund_after_the_win_was_sent_is_a_reversal_that_follows_it",
    ),
    Mutant(
        7,
        "the win is paid though a Refund was filed before",
        "workflows/bet.py",
        "            if win is not None and not self._inbox:\n",
        "            if win is not None:\n",
        _ONE_STEP + "test_a_refund_before_the_win_is_sent_returns_the_stake",
    ),
    Mutant(
        7,
        "a claw-back is made at a closed bet",
        "workflows/reversal.py",
        "        await self._life.close_at_casino(closed=False)\n",
        "",
        _REVERSAL + "test_a_bet_that_is_closed_at_the_casino_is_opened_first",
    ),
    Mutant(
        8,
        "an operator moves any sum alone",
        "betcore/messages.py",
        "        return limit is None or Decimal(str(amount)) > limit\n",
        "        return False\n",
        _OPERATORS + "test_above_the_limit_it_takes_two",
    ),
    Mutant(
        8,
        "what one operator has proposed another one approves in any state",
        "workflows/operators.py",
        "proposal[1:] == (amount, state) and",
        "proposal.amount == amount and",
        _OPERATORS + "test_an_approval_is_of_the_state_that_was_seen",
    ),
    Mutant(
        8,
        "a movement that is marked as paid can be sent again meanwhile",
        "workflows/life.py",
        "        if self._paid_by_hand:\n            return",
        "        if False:\n            return",
        _OPERATORS + "test_what_is_marked_as_paid_is_never_sent_again",
    ),
    Mutant(
        8,
        "what is written while the casino answers is taken for a difference",
        "activities/reconciliation.py",
        "            if now == bet:\n",
        "            if True:\n",
        _RECONCILIATION + "test_a_bet_that_moves_while_it_is_compared_does_not_differ",
    ),
    Mutant(
        8,
        "reconciliation sends what its bet is still finding out about",
        "betcore/reconciling.py",
        _SENDING + "Kind.LEFT_TO_THE_BET, Outcome.LEFT_TO_THE_BET)\n",
        _SENDING + "Kind.MISSING_HERE, Outcome.INCIDENT)\n",
        _RECONCILIATION + "test_a_bet_in_doubt_is_left_alone",
    ),
    Mutant(
        8,
        "a run ends before every bet is compared",
        "betcore/db/reconciliation_sql.py",
        " AND compared = bets",
        "",
        "tests/unit/test_reconciliations.py::test_a_run_does_not_end_before_all_is_compared",
    ),
]
