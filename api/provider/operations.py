"""A provider's calls as messages to bets, and the rows of bets as answers. No money is decided here."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import structlog

from api.provider import commands
from api.provider.call import Call, Reply
from api.provider.outcome import Outcome, ended, opened, words
from api.provider.responses import ALREADY_PROCESSED
from api.provider.schemas import PayInBody, PayInOutBody, PayOutBody, RefundBody, UnreadableWin
from api.provider.workflow_client import BetMessages
from betcore.casino.client import CasinoClient
from betcore.db.bets import Bets as BetRows
from betcore.db.partners import Partners
from betcore.db.provider_requests import ProviderRequests, RequestContext, Session
from betcore.domain import answers
from betcore.domain.activity_inputs import Incident
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.casino_values import Shown
from betcore.domain.errors import Code, Contradiction, Malformed, NotAuthorised, OutcomeUnknown, SessionRefused
from betcore.domain.ids import BetKey
from betcore.domain.messages import PayIn, PayOut, Refund
from betcore.domain.money import Money
from betcore.runtime import failpoints
from betcore.temporal import visibility

_log = structlog.get_logger()
_FOR_A_BALANCE = 1.0
_SAID = 100
Act = Callable[[RequestContext, Session], Awaitable[Reply]]


class Bets:
    """The operations of the Aggregator API for providers.

    Every one raises NotAuthorised for a request id that was used, and SessionRefused where the session is not the
    provider's; all else is a Reply.
    """

    def __init__(
        self, calls: ProviderRequests, rows: BetRows, partners: Partners, casinos: CasinoClient, messages: BetMessages
    ) -> None:
        self._calls = calls
        self._rows = rows
        self._partners = partners
        self._casinos = casinos
        self._messages = messages

    async def burn(self, provider_id: int, request_id: str) -> bool:
        """Record the request id of a call that goes no further; False where it was used before."""
        return await self._calls.claim(provider_id, request_id)

    async def balance(self, call: Call) -> Reply:
        """The player's balance as the casino has it now, else as it last named it."""
        return await self._in_session(call, None, partial(self._show_balance, call))

    async def pay_in(self, call: Call, body: PayInBody) -> Reply:
        """Take a stake. The bet is looked for first: our own checks are for new stakes only."""
        return await self._in_session(call, body.bet_id, partial(self._pay_in, call, body))

    async def pay_in_out(self, call: Call, body: PayInOutBody) -> Reply:
        """Take a stake and pay its winnings at once."""
        return await self._in_session(call, body.bet_id, partial(self._pay_in, call, body))

    async def unreadable_win(self, call: Call, error: UnreadableWin) -> Reply:
        """Refuse winnings that cannot be read. Of a bet that is known, the player may have won: an incident says so."""

        async def refuse(seen: RequestContext, session: Session) -> Reply:
            await self._win_not_read(seen, session, error.sent)
            raise error

        try:
            return await self._in_session(call, error.bet_id, refuse)
        except SessionRefused:
            raise error from None

    async def _win_not_read(self, seen: RequestContext, session: Session, sent: str) -> None:
        if seen.record is not None:
            theirs = {"sent": sent, "session_id": session.session_id}
            await self._rows.file_incident(
                Incident(bet_id=seen.record.bet_id, kind="unreadable_win", ours=seen.record.facts(), theirs=theirs)
            )

    async def pay_out(self, call: Call, body: PayOutBody) -> Reply:
        """Settle a bet. The bet's own game and session count, not those of the call."""
        return await self._in_session(call, body.bet_id, partial(self._pay_out, call, body))

    async def refund(self, call: Call, body: RefundBody) -> Reply:
        """Return a stake; a bet that never came is closed for ever."""
        return await self._in_session(call, body.bet_id, partial(self._refund, call, body))

    async def _in_session(self, call: Call, provider_bet_id: str | None, act: Act) -> Reply:
        """Look up what the call is about, and act on it; a refusal from here on says currency and balance too."""
        seen = await self._calls.look_up(call.provider.provider_id, call.request_id, call.session_id, provider_bet_id)
        if seen is None:
            raise NotAuthorised("this X-Request-Id was used before")
        if call.sent_at < seen.ids_since:
            # It may have been answered before the request ids were lost.
            raise OutcomeUnknown("request ids were lost: sign it anew")
        session = seen.session
        if session is None:
            raise SessionRefused("no such session")
        try:
            if session.mode == "demo":
                raise SessionRefused("a demo session moves no money", code=Code.SESSION_DEMO)
            return await act(seen, session)
        except (Malformed, SessionRefused) as refusal:
            balance = await self._balance(call, session, ask=False)
            return Reply(refusal.code, str(refusal), session.currency, balance)

    async def _show_balance(self, call: Call, _: RequestContext, session: Session) -> Reply:
        shown = await self._shown(call, session, ask=True)
        return Reply(None if shown.read else Code.OUTCOME_UNKNOWN, currency=session.currency, balance=shown.money)

    async def _pay_in(
        self, call: Call, body: PayInBody | PayInOutBody, seen: RequestContext, session: Session
    ) -> Reply:
        if isinstance(body, PayInOutBody):
            await self._win(seen, session, body.win_amount)
        order = commands.pay_in(call, session, await self._partners.casino(session.casino_id), body)
        attributes = commands.attributes(call, session)
        summary = visibility.summary(order, session.provider_game_id)
        answer, record = await self._ask(
            call,
            body.bet_id,
            seen.record,
            lambda row: answers.to_pay_in(row, order),
            lambda: self._messages.pay_in(seen.record, order, attributes, summary, call.left),
        )
        if answer is Code.NEVER_SEEN and record is None:
            # Its workflow is gone before it wrote a row: this row keeps the stake from ever being sent.
            record = await self._bury(call, session, body.bet_id, BetState.REFUSED, Code.CASINO_UNAVAILABLE)
            answer = answers.to_pay_in(record, order) if record else Code.OUTCOME_UNKNOWN
        await failpoints.reach("outcome_known")
        if record and answer is None and not await self._calls.mark_told(record.bet_id, call.request_id):
            # A row that a restore has lost, while its workflow knows the bet, decides nothing.
            row = await self._calls.find(call.provider.provider_id, body.bet_id)
            answer = Code.ALREADY_REFUNDED if row else Code.OUTCOME_UNKNOWN
        await failpoints.reach("outcome_told")
        if answer is Code.DIFFERENT_DATA:
            await self._incident(answer, record, order)
        return await self._reply(call, seen, session, answer, record, order, opened(record))

    async def _pay_out(self, call: Call, body: PayOutBody, seen: RequestContext, session: Session) -> Reply:
        win = await self._win(seen, session, body.win_amount)
        bet = BetKey(call.provider.counterparty_id, body.bet_id)
        order = PayOut(
            player_id=session.player_id, round_id=body.game_round_id, win=win, answer_by=call.answer_by, bet=bet
        )
        answer, record = await self._ask(
            call,
            body.bet_id,
            seen.record,
            lambda row: answers.to_pay_out(row, order),
            lambda: self._messages.pay_out(bet, seen.record, order, call.left),
        )
        if answer is Code.NEVER_SEEN and record is None:
            record = await self._never_seen(call, session, body.bet_id)
            answer = answers.to_pay_out(record, order) if record else Code.OUTCOME_UNKNOWN
        if answer is Code.DIFFERENT_DATA or (answer is Code.ALREADY_REFUNDED and win.minor):
            await self._incident(answer, record, order)
        await failpoints.reach("outcome_known")
        return await self._reply(call, seen, session, answer, record, order, ended(record))

    async def _win(self, seen: RequestContext, session: Session, amount: str) -> Money:
        try:
            return Money.parse(amount, session.currency)
        except Malformed:
            await self._win_not_read(seen, session, f"winAmount {amount}"[:_SAID])
            raise

    async def _refund(self, call: Call, body: RefundBody, seen: RequestContext, session: Session) -> Reply:
        order = commands.refund(call, session, body.bet_id)
        bet = BetKey(call.provider.counterparty_id, body.bet_id)

        def decide(row: BetRecord) -> Code | None:
            return answers.to_refund(row, order)

        answer: Code | None = Code.OUTCOME_UNKNOWN
        record = seen.record
        if record is None or record.reversal is None:
            # The bet first, though it may be settled: what it still has to do at the casino comes before a reversal.
            answer, record = await self._ask(
                call, body.bet_id, record, decide, lambda: self._messages.refund(bet, seen.record, order, call.left)
            )
        if record and (record.reversal or record.state is BetState.SETTLED):
            # What is left of it to refund is a reversal, if anything is.
            answer, record = await self._ask(
                call, body.bet_id, record, decide, partial(self._reverse, call, session, body.bet_id, record, order)
            )
        if answer is Code.NEVER_SEEN and record is None:
            record = await self._bury(call, session, body.bet_id, BetState.REFUNDED, None)
            answer = decide(record) if record else Code.OUTCOME_UNKNOWN
        if answer is Code.DIFFERENT_DATA:
            await self._incident(answer, record, order)
        await failpoints.reach("outcome_known")
        return await self._reply(call, seen, session, answer, record, order, ended(record))

    async def _reverse(
        self, call: Call, session: Session, provider_bet_id: str, record: BetRecord, order: Refund
    ) -> BetRecord | None:
        casino = await self._partners.casino(record.casino_id)
        reverse = commands.reverse(call, session, casino, provider_bet_id, record)
        attributes = commands.attributes(call, session, status="reversing")
        found = await self._messages.reverse(record, reverse, order, attributes, call.left)
        if found is None and record.reversal is None:
            # Its workflow is gone, and may have left no row: from a row it is taken up again.
            await self._calls.owe_reversal(record.bet_id)
        return found

    async def _ask(
        self,
        call: Call,
        provider_bet_id: str,
        record: BetRecord | None,
        answer: Callable[[BetRecord], Code | None],
        send: Callable[[], Awaitable[BetRecord | None]],
    ) -> tuple[Code | None, BetRecord | None]:
        """The answer of the bet's row; where that does not decide it, of the bet's workflow; else of the row again,
        which outlives the workflow. ``never_seen`` without a row where there is neither."""
        if record is None or answer(record) is Code.OUTCOME_UNKNOWN:
            try:
                record = await send() or await self._calls.find(call.provider.provider_id, provider_bet_id)
            except OutcomeUnknown as error:
                # Nor does the row that was seen before say what has become of it.
                return Code(error.code), None
            except Contradiction as error:
                # A rejection alone is not final: the row, which may be younger than the call, judges this very call.
                record = await self._calls.find(call.provider.provider_id, provider_bet_id)
                if record is None:
                    return Code(error.code), None
        return (answer(record), record) if record else (Code.NEVER_SEEN, None)

    async def _never_seen(self, call: Call, session: Session, provider_bet_id: str) -> BetRecord | None:
        """None while the PayIn may still be on its way; then the row that keeps it out for good."""
        age = await self._calls.early_pay_out(call.provider.provider_id, provider_bet_id)
        if age < call.provider.profile.order_window:
            return None
        return await self._bury(call, session, provider_bet_id, BetState.REFUSED, Code.NEVER_SEEN)

    async def _bury(
        self, call: Call, session: Session, provider_bet_id: str, state: BetState, refusal: Code | None
    ) -> BetRecord | None:
        provider_id = call.provider.provider_id
        stone = await self._calls.tombstone(provider_id, provider_bet_id, session, state, refusal)
        # A PayIn got there first: its row answers, or says that the outcome is not known yet.
        return stone or await self._calls.find(provider_id, provider_bet_id)

    async def _incident(self, kind: Code, record: BetRecord | None, order: PayIn | PayOut | Refund) -> None:
        ours = record.facts() if record else {}
        bet_id = record.bet_id if record else None
        await self._rows.file_incident(Incident(bet_id=bet_id, kind=kind, ours=ours, theirs=order.facts()))

    async def _reply(
        self,
        call: Call,
        seen: RequestContext,
        session: Session,
        answer: Code | None,
        record: BetRecord | None,
        order: PayIn | PayOut | Refund,
        outcome: Outcome,
    ) -> Reply:
        code, balance = str(answer) if answer else None, outcome.balance
        # Both times are the database's: the outcome stood there before this call came.
        known = answer is None and outcome.since is not None and outcome.since < seen.seen_at
        if known and call.provider.profile.duplicates == "code_104":
            code = ALREADY_PROCESSED
        if answer is not None or balance is None:
            # Only where the casino was asked about the bet is it asked again: a tombstone does not reach it.
            moved = answer is None and record is not None and record.accepted_at is not None
            balance = await self._balance(call, session, ask=moved or answer is Code.NO_MONEY)
        return Reply(code, words(answer, record, order, session), session.currency, balance)

    async def _balance(self, call: Call, session: Session, *, ask: bool) -> Money | None:
        return (await self._shown(call, session, ask=ask)).money

    async def _shown(self, call: Call, session: Session, *, ask: bool) -> Shown:
        """The balance for showing only: an answer never waits for it beyond its deadline, and nothing that the casino
        answers, or that is raised on the way, changes a code."""
        within = min(call.left, _FOR_A_BALANCE)
        try:
            async with asyncio.timeout(within):
                shown = Shown(False, None)
                if ask:
                    casino = await self._partners.casino(session.casino_id)
                    shown = await self._casinos.balance(
                        casino, session.partner_user_id, session.currency, timedelta(seconds=within / 2)
                    )
                if not shown.read:
                    last = await self._calls.last_balance(session.player_id, session.currency)
                    shown = Shown(last is not None, last)
                return shown
        except Exception as error:
            _log.warning("no balance for an answer", error=type(error).__name__)
            return Shown(False, None)
