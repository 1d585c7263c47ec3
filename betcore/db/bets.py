"""The rows of bets and their movements, as the bet's own workflow writes them.

Every method is one statement, and so one transaction: whoever runs it again after a crash finds all of its writes or
none. Every write names the ``owner``, the life of the bet that may move its money; a row that another life owns comes
back unchanged, and the caller sees it by ``record.owner``.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from betcore.db.claims import claim_of, claimed, confirmation_of
from betcore.db.engine import Statement, all_rows, execute, one_row
from betcore.db.row_mapping import BetRow, as_json, record_of
from betcore.db.statements import bets, movements, notes
from betcore.domain.activity_inputs import Incident, Pay
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.claims import Claim, Confirmation
from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType
from betcore.domain.messages import PayIn, Resumed

_IDENTITY = ("casino_id", "player_id", "game_id", "session_id", "currency", "stake")


class Bets:
    """The bets of one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self, pay_in: PayIn, owner: str, state: BetState, refusal: Code | None) -> Claim | None:
        """Insert the bet in the given state, or find the one that is there.

        A fresh row in ``accepting``, and an own row whose debit has no answer yet, count a send. Return None if the
        session, player, casino and game do not belong together, or are not those of the own row: nothing is opened.
        """
        given = {
            "callers_clock": datetime.now(UTC),
            "provider_id": pay_in.provider_id,
            "provider_bet_id": pay_in.provider_bet_id,
            "casino_id": pay_in.casino_id,
            "player_id": pay_in.player_id,
            "game_id": pay_in.game_id,
            "session_id": pay_in.session_id,
            "round_id": pay_in.round_id,
            "currency": pay_in.stake.currency,
            "stake": pay_in.stake.minor,
            "win": pay_in.win.minor if pay_in.win else None,
            "state": state,
            "refusal": refusal,
            "owner": owner,
            "not_after": pay_in.not_after,
            "kind": pay_in.event_type,
            "data": as_json(
                {"amount": str(pay_in.stake), "win": pay_in.win and str(pay_in.win), "state": state, "refusal": refusal}
            ),
        }
        while True:
            [row] = await all_rows(self._engine, bets.OPEN, **given)
            claim = row.claim
            if claim is None and not row.known:
                return None
            if claim is not None and not claim.stale:
                # A workflow that takes a bet over brings its argument with it.
                other = any(getattr(claim.bet, name) != given[name] for name in _IDENTITY)
                return None if claim.bet.owner == owner and other else claim_of(claim)
            # What another transaction has done was not visible to this statement yet; it is to the next.

    async def take_over(self, resumed: Resumed, owner: str) -> BetRecord:
        """Become the owner of a bet whose workflow is gone; where another one was faster, the record names it."""
        return await self._change(bets.TAKE_OVER, resumed.bet_id, owner, seen_owner=resumed.owner, life=resumed.life)

    async def accept(self, bet_id: int, owner: str, word: Confirmation) -> BetRecord:
        """The casino holds the stake."""
        return await self._change(
            bets.ACCEPT,
            bet_id,
            owner,
            error_code=word.error_code,
            partner_transaction_id=word.partner_transaction_id,
            balance=word.balance.minor if word.balance else None,
        )

    async def refuse_only_send(
        self, bet_id: int, owner: str, refusal: Code, *, movement: str, error_code: str | None = None
    ) -> BetRecord:
        """The stake was not taken and will not be, if the send that tells so is the only one that was ever counted.

        Where another process has counted one meanwhile, or another Accept was stored, the bet stays as it is: the money
        may be taken. ``movement`` is ``refused`` or, where nothing was sent, ``absent``.
        """
        return await self._end_without_stake(
            bet_id, owner, BetState.REFUSED, refusal, movement=movement, error_code=error_code, attempts=1
        )

    async def refuse_absent(self, bet_id: int, owner: str, refusal: Code) -> BetRecord:
        """The stake is certainly not at the casino, however often it was sent; unless an Accept stands in the row."""
        return await self._end_without_stake(bet_id, owner, BetState.REFUSED, refusal)

    async def refund_absent(self, bet_id: int, owner: str) -> BetRecord:
        """The same where a Refund was filed: nothing is owed, the bet ends refunded."""
        return await self._end_without_stake(bet_id, owner, BetState.REFUNDED, None)

    async def end_parked(self, bet_id: int, owner: str, error_code: str | None, *, refund_filed: bool) -> BetRecord:
        """End a bet whose parked stake two operators have marked as not taken; unless an Accept stands in the row that
        is not the one with this code."""
        state, refusal = (BetState.REFUNDED, None) if refund_filed else (BetState.REFUSED, Code.CASINO_REFUSED)
        return await self._end_without_stake(bet_id, owner, state, refusal, standing="parked", error_code=error_code)

    async def _end_without_stake(
        self,
        bet_id: int,
        owner: str,
        state: BetState,
        refusal: Code | None,
        *,
        standing: str = "sending",
        movement: str = "absent",
        error_code: str | None = None,
        attempts: int | None = None,
    ) -> BetRecord:
        return await self._change(
            bets.END_WITHOUT_STAKE,
            bet_id,
            owner,
            state=state,
            refusal=refusal,
            standing=standing,
            movement=movement,
            error_code=error_code,
            attempts=attempts,
        )

    async def taken_after_the_end(self, record: BetRecord, word: Confirmation, theirs: Mapping[str, str]) -> BetRecord:
        """The casino holds the stake of a bet that has ended without it: it is owed back, and an incident says so."""
        [row] = await all_rows(
            self._engine,
            bets.TAKEN_AFTER_THE_END,
            bet_id=record.bet_id,
            error_code=word.error_code,
            partner_transaction_id=word.partner_transaction_id,
            ours=as_json(record.facts()),
            theirs=as_json(theirs),
        )
        return record_of(row)

    async def begin_credit(self, order: Pay) -> Claim:
        """Take the credit on and count a send of it; no count where it is done, or the bet is not ours to credit.

        A payout counts as told; a return withdraws the bet.
        """
        kind, amount = order.transaction_type, order.amount
        row = await claimed(
            self._engine,
            bets.BEGIN_CREDIT,
            bet_id=order.bet_id,
            owner=order.owner,
            kind=int(kind),
            amount=amount.minor,
            message=order.message,
            filed_at=order.filed_at,
            state=BetState.SETTLING if kind is TransactionType.PAY_OUT else BetState.REFUNDING,
            pays_out=kind is TransactionType.PAY_OUT,
            data=as_json({"type": int(kind), "amount": str(amount)}),
        )
        if row is None:
            raise LookupError(f"no bet {order.bet_id}")
        return claim_of(row)

    async def credit_done(
        self, bet_id: int, owner: str, kind: TransactionType, word: Confirmation, how: str = "done"
    ) -> BetRecord:
        """The player has the money; the bet is over. ``how`` is ``paid_by_hand`` where it did not come from us."""
        return await self._change(
            bets.CREDIT_DONE,
            bet_id,
            owner,
            kind=int(kind),
            how=how,
            state=BetState.SETTLED if kind is TransactionType.PAY_OUT else BetState.REFUNDED,
            error_code=word.error_code,
            partner_transaction_id=word.partner_transaction_id,
            balance=word.balance.minor if word.balance else None,
        )

    async def park(
        self,
        bet_id: int,
        owner: str,
        kind: TransactionType,
        error_code: str | None,
        theirs: Mapping[str, str] | None = None,
    ) -> BetRecord:
        """Leave the movement to a person, with the casino's reason and an incident; ``theirs`` is what it has."""
        given = {"kind": int(kind), "error_code": error_code, "theirs": as_json(theirs or {})}
        return await self._change(bets.PARK, bet_id, owner, **given)

    async def withdraw(self, bet_id: int, owner: str) -> BetRecord:
        """Take the bet back if nobody was told that it stands; the record says whether it was."""
        return await self._change(bets.WITHDRAW, bet_id, owner)

    async def note(self, bet_id: int, event: str, **data: object) -> None:
        """Write down what happened to a bet."""
        await execute(self._engine, notes.NOTE, bet_id=bet_id, kind=event, data=as_json(data))

    async def note_once(self, bet_id: int, event: str, data: Mapping[str, object]) -> None:
        """The same, once for the same words."""
        await execute(self._engine, notes.NOTE_ONCE, bet_id=bet_id, kind=event, data=as_json(data))

    async def await_accept(
        self, bet_id: int, kind: TransactionType, within: timedelta, currency: str
    ) -> Confirmation | None:
        """The Accept of a movement that was sent. Where there is none yet, one that comes later is signalled, and
        nothing more is sent before ``within`` has passed."""
        row = await one_row(self._engine, movements.AWAIT_ACCEPT, bet_id=bet_id, kind=int(kind), within=within)
        return None if row is None else confirmation_of(row.accept, currency)

    async def forget_refusal(
        self, bet_id: int, kind: TransactionType, error_code: str | None, gap: timedelta = timedelta()
    ) -> None:
        """Let a movement that the casino has refused, and that is not over, be sent and confirmed again after a gap."""
        given = {"bet_id": bet_id, "kind": int(kind), "error_code": error_code, "gap": gap}
        await execute(self._engine, movements.FORGET_REFUSAL, **given)

    async def duplicate_absent(self, bet_id: int, owner: str, kind: TransactionType, within: timedelta) -> bool:
        """Note that the casino calls a movement a duplicate that it does not list; return whether it did so already
        ``within`` ago."""
        given = {"bet_id": bet_id, "owner": owner, "kind": int(kind), "within": within}
        row = await one_row(self._engine, movements.DUPLICATE_ABSENT, **given)
        return row is not None and row.for_good

    async def unpark(self, bet_id: int, owner: str, kind: TransactionType) -> None:
        """Let a parked movement be sent again; one that is not parked, or of another life, stays as it is."""
        await execute(self._engine, movements.UNPARK, bet_id=bet_id, owner=owner, kind=int(kind))

    async def file_incident(self, incident: Incident) -> None:
        """Write down a contradiction for a person to look at, once for the same words."""
        await execute(
            self._engine,
            notes.FILE_INCIDENT,
            bet_id=incident.bet_id,
            kind=incident.kind,
            ours=as_json(incident.ours),
            theirs=as_json(incident.theirs),
        )

    async def _change(self, statement: Statement[BetRow], bet_id: int, owner: str, **given: object) -> BetRecord:
        row = await one_row(self._engine, statement, bet_id=bet_id, owner=owner, **given)
        if row is None:
            row = await one_row(self._engine, bets.AS_IT_STANDS, bet_id=bet_id)
        if row is None:
            raise LookupError(f"no bet {bet_id}")
        return record_of(row)
