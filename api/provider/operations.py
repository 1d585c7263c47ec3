"""The operations of providers: a call becomes a message to its bet, and the bet's row becomes the answer.

The API moves no money and decides about none: the bet's workflow does.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from api.provider import commands
from api.provider.balances import Balances
from api.provider.call import Call
from api.provider.outcome import Outcome, ended, explanation, opened, pays_out
from api.provider.responses import ALREADY_PROCESSED, USED_BEFORE, Reply
from api.provider.schemas import PayInBody, PayInOutBody, PayOutBody, RefundBody, UnreadableWin
from api.provider.stake_admission import StakeAdmission
from api.provider.winnings import Winnings
from api.provider.workflow_client import BetWorkflowClient
from betcore.db.bets import Bets
from betcore.db.partners import Partners
from betcore.db.provider_requests import ProviderRequests
from betcore.domain import answers
from betcore.domain.activity_inputs import Incident
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.errors import Code, Contradiction, Malformed, NotAuthorised, OutcomeUnknown, SessionRefused
from betcore.domain.ids import BetKey
from betcore.domain.messages import PayIn, PayOut, Refund
from betcore.domain.sessions import RequestContext, Session
from betcore.runtime import failpoints

Act = Callable[[RequestContext, Session], Awaitable[Reply]]


class BetOperations:
    """The operations of the Aggregator API for providers.

    Each of them returns a Reply. It raises NotAuthorised for a request id that was used before, SessionRefused if the
    session is not the provider's, and OutcomeUnknown if the request id may have been lost.
    """

    def __init__(
        self,
        requests: ProviderRequests,
        bets: Bets,
        partners: Partners,
        balances: Balances,
        workflows: BetWorkflowClient,
        admission: StakeAdmission,
        winnings: Winnings,
    ) -> None:
        self._requests = requests
        self._bets = bets
        self._partners = partners
        self._balances = balances
        self._workflows = workflows
        self._admission = admission
        self._winnings = winnings

    async def balance(self, call: Call) -> Reply:
        """Return the player's balance as the casino has it now, else as it was last recorded."""
        return await self._in_session(call, None, partial(self._balance, call))

    async def pay_in(self, call: Call, body: PayInBody) -> Reply:
        """Take a stake. The row of a known bet answers first: our own checks are for new stakes only."""
        await self._admission.turn_away_if_full(call, call.bet(body.bet_id))
        return await self._in_session(call, body.bet_id, partial(self._pay_in, call, body), body.game_round_id)

    async def pay_in_out(self, call: Call, body: PayInOutBody) -> Reply:
        """Take a stake and pay its winnings at once."""
        await self._admission.turn_away_if_full(call, call.bet(body.bet_id))
        return await self._in_session(call, body.bet_id, partial(self._pay_in, call, body), body.game_round_id)

    async def pay_out(self, call: Call, body: PayOutBody) -> Reply:
        """Settle a bet. Its own game and session count, not those of the call."""
        return await self._in_session(call, body.bet_id, partial(self._pay_out, call, body))

    async def refund(self, call: Call, body: RefundBody) -> Reply:
        """Return a stake. A bet that never came gets a tombstone: its PayIn will be refused."""
        return await self._in_session(call, body.bet_id, partial(self._refund, call, body))

    async def refuse_unreadable_win(self, call: Call, error: UnreadableWin) -> Reply:
        """Refuse winnings that cannot be read. The player of a known bet may have won: an incident records it."""

        async def refuse(context: RequestContext, session: Session) -> Reply:
            await self._winnings.file_unreadable(context, session, error.sent)
            raise error

        try:
            return await self._in_session(call, error.bet_id, refuse)
        except SessionRefused:
            raise error from None

    async def _in_session(
        self, call: Call, provider_bet_id: str | None, act: Act, round_id: str | None = None
    ) -> Reply:
        """Look up what the call is about, and act on it. A refusal from there on has currency and balance too."""
        context = await self._requests.look_up(
            call.provider, call.request_id, call.session_id, provider_bet_id, round_id
        )
        if context is None:
            raise NotAuthorised(USED_BEFORE)
        if call.sent_at < context.ids_since:
            # It may have been answered before the request ids were lost.
            raise OutcomeUnknown("request ids were lost: sign it anew")
        if context.demo_currency is not None:
            return Reply(Code.SESSION_DEMO, "a demo session moves no money", context.demo_currency)
        session = context.session
        if session is None:
            raise SessionRefused("no such session")
        try:
            return await act(context, session)
        except Malformed as refusal:
            balance = await self._balances.for_answer(call, session, ask_casino=False)
            return Reply(refusal.code, str(refusal), session.currency, balance)

    async def _balance(self, call: Call, _: RequestContext, session: Session) -> Reply:
        shown = await self._balances.current(call, session)
        return Reply(None if shown.read else Code.OUTCOME_UNKNOWN, currency=session.currency, balance=shown.money)

    async def _pay_in(
        self, call: Call, body: PayInBody | PayInOutBody, context: RequestContext, session: Session
    ) -> Reply:
        casino, jackpot = await self._partners.casino(session.casino_id), None
        if isinstance(body, PayInOutBody):
            await self._winnings.read(context, session, "winAmount", body.win_amount)
            await self._winnings.read_tax(context, session, casino, body)
            jackpot = await self._winnings.read_jackpot(context, session, body)
        limits = self._winnings.limits(call, session)
        command = commands.pay_in(call, session, casino, body, jackpot, context.round_state, limits)
        attributes = commands.search_attributes(call, session)
        bet = call.bet(body.bet_id)

        async def send() -> BetRecord | None:
            return await self._workflows.pay_in(context.record, command, attributes, call.seconds_left)

        answer, record = await self._decide(
            call,
            body.bet_id,
            context.record,
            lambda row: answers.to_pay_in(row, command),
            # A known bet is on its way, with money in motion: its repeats pass.
            send
            if context.record
            else partial(self._admission.send, call, bet, session.casino_id, context.seen_at, send),
            waits=answers.is_in_review(context.record, command),
        )
        if answer is Code.NEVER_SEEN and record is None:
            # The workflow is gone and has written no row: the tombstone keeps the stake from ever being sent.
            record = await self._tombstone(call, session, body.bet_id, BetState.REFUSED, Code.CASINO_UNAVAILABLE)
            answer = answers.to_pay_in(record, command) if record else Code.OUTCOME_UNKNOWN
        await failpoints.reach("outcome_known")
        if record and answer is None and not await self._requests.mark_told(record.bet_id, call.request_id):
            # A row that a restore has lost decides nothing: its workflow knows the bet.
            row = await self._requests.find(call.provider.provider_id, body.bet_id)
            answer = Code.ALREADY_REFUNDED if row else Code.OUTCOME_UNKNOWN
        await failpoints.reach("outcome_told")
        if answer is Code.DIFFERENT_DATA:
            await self._file_incident(answer, record, command)
        return await self._reply(call, context, session, answer, record, command, opened(record))

    async def _pay_out(self, call: Call, body: PayOutBody, context: RequestContext, session: Session) -> Reply:
        win = await self._winnings.read(context, session, "winAmount", body.win_amount)
        casino = await self._partners.casino(session.casino_id)
        tax = await self._winnings.read_tax(context, session, casino, body)
        jackpot = await self._winnings.read_jackpot(context, session, body)
        bet, limits = call.bet(body.bet_id), self._winnings.limits(call, session)
        command = commands.pay_out(call, session, body, win, tax, jackpot, limits)
        answer, record = await self._decide(
            call,
            body.bet_id,
            context.record,
            lambda row: answers.to_pay_out(row, command),
            lambda: self._workflows.pay_out(bet, context.record, command, call.seconds_left),
            waits=answers.is_in_review(context.record, command),
        )
        if answer is Code.NEVER_SEEN and record is None:
            record = await self._refuse_never_seen(call, session, body.bet_id)
            answer = answers.to_pay_out(record, command) if record else Code.OUTCOME_UNKNOWN
        if answer is Code.DIFFERENT_DATA or (answer is Code.ALREADY_REFUNDED and (win.minor or jackpot)):
            await self._file_incident(answer, record, command)
        await failpoints.reach("outcome_known")
        return await self._reply(call, context, session, answer, record, command, ended(record))

    async def _refund(self, call: Call, body: RefundBody, context: RequestContext, session: Session) -> Reply:
        bet, command = call.bet(body.bet_id), commands.refund(call, session, body.bet_id)

        def answer_of(row: BetRecord) -> Code | None:
            return answers.to_refund(row, command)

        answer: Code | None = Code.OUTCOME_UNKNOWN
        record = context.record
        if record is None or record.reversal is None:
            # The bet first, settled or not: what it still has to do at the casino comes before a reversal.
            answer, record = await self._decide(
                call,
                body.bet_id,
                record,
                answer_of,
                lambda: self._workflows.refund(bet, context.record, command, call.seconds_left),
            )
        if record and (record.reversal or record.state is BetState.SETTLED):
            # What is left of it to refund is a reversal, if anything is.
            answer, record = await self._decide(
                call, body.bet_id, record, answer_of, partial(self._reverse, call, session, bet, record, command)
            )
        if answer is Code.NEVER_SEEN and record is None:
            record = await self._tombstone(call, session, body.bet_id, BetState.REFUNDED, None)
            answer = answer_of(record) if record else Code.OUTCOME_UNKNOWN
        if answer is Code.DIFFERENT_DATA:
            await self._file_incident(answer, record, command)
        await failpoints.reach("outcome_known")
        return await self._reply(call, context, session, answer, record, command, ended(record))

    async def _reverse(
        self, call: Call, session: Session, bet: BetKey, record: BetRecord, command: Refund
    ) -> BetRecord | None:
        casino = await self._partners.casino(record.casino_id)
        reverse = commands.reverse(call, session, casino, bet.provider_bet_id, record)
        attributes = commands.search_attributes(call, session, status="reversing")
        found = await self._workflows.reverse(record, reverse, command, attributes, call.seconds_left)
        if found is None and record.reversal is None:
            # The workflow is gone and may have left no row. From this row the sweep takes the reversal up again.
            await self._requests.owe_reversal(record.bet_id, call.proof)
        return found

    async def _decide(
        self,
        call: Call,
        provider_bet_id: str,
        record: BetRecord | None,
        answer: Callable[[BetRecord], Code | None],
        send: Callable[[], Awaitable[BetRecord | None]],
        *,
        waits: bool = False,
    ) -> tuple[Code | None, BetRecord | None]:
        """Return the answer of the bet's row. If that does not decide it, ask the bet's workflow, unless it ``waits``.

        The row is read again after a workflow that is gone: it outlives the workflow. ``never_seen`` without a row
        says that there is neither.
        """
        if record is None or (answer(record) is Code.OUTCOME_UNKNOWN and not waits):
            try:
                record = await send() or await self._requests.find(call.provider.provider_id, provider_bet_id)
            except OutcomeUnknown as error:
                # The row that was read before does not know the outcome either.
                return Code(error.code), None
            except Contradiction as error:
                # A rejection alone is not final: the row, which may be younger than the call, judges this very call.
                record = await self._requests.find(call.provider.provider_id, provider_bet_id)
                if record is None:
                    return Code(error.code), None
        return (answer(record), record) if record else (Code.NEVER_SEEN, None)

    async def _refuse_never_seen(self, call: Call, session: Session, provider_bet_id: str) -> BetRecord | None:
        """Return None while the PayIn may still be on its way; after that a tombstone, which refuses it for good."""
        age = await self._requests.early_pay_out(call.provider.provider_id, provider_bet_id)
        if age < call.provider.profile.order_window:
            return None
        return await self._tombstone(call, session, provider_bet_id, BetState.REFUSED, Code.NEVER_SEEN)

    async def _tombstone(
        self, call: Call, session: Session, provider_bet_id: str, state: BetState, refusal: Code | None
    ) -> BetRecord | None:
        provider_id = call.provider.provider_id
        stone = await self._requests.tombstone(provider_id, provider_bet_id, session, state, refusal, call.proof)
        # If a PayIn was faster, its row answers, or says that the outcome is not known yet.
        return stone or await self._requests.find(provider_id, provider_bet_id)

    async def _file_incident(self, kind: Code, record: BetRecord | None, command: PayIn | PayOut | Refund) -> None:
        ours = record.facts() if record else {}
        bet_id = record.bet_id if record else None
        await self._bets.file_incident(Incident(bet_id=bet_id, kind=kind, ours=ours, theirs=command.facts()))

    async def _reply(
        self,
        call: Call,
        context: RequestContext,
        session: Session,
        answer: Code | None,
        record: BetRecord | None,
        command: PayIn | PayOut | Refund,
        outcome: Outcome,
    ) -> Reply:
        code, balance = str(answer) if answer else None, outcome.balance
        # Both times are the database's: the outcome was recorded before this call came.
        known = answer is None and outcome.since is not None and outcome.since < context.seen_at
        if known and call.provider.profile.duplicates == "code_104":
            code = ALREADY_PROCESSED
        if answer is not None or balance is None:
            # The casino is asked only about a bet that reached it: a tombstone does not.
            moved = answer is None and record is not None and record.accepted_at is not None
            ask = moved or answer is Code.NO_MONEY
            balance = await self._balances.for_answer(call, session, ask_casino=ask)
        jackpot = record.jackpot if record and answer is None and pays_out(command) else None
        return Reply(code, explanation(answer, record, command, session), session.currency, balance, jackpot)
