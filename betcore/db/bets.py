"""The rows of bets and their movements, as the bet's own workflow writes them.

Every method is one statement, and so one transaction: an activity that runs it again after a crash finds all of its
writes or none. Every write names the ``owner``, the workflow that may move the bet's money. A row that another workflow
owns comes back unchanged, and the caller sees it by ``record.owner``.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from betcore.db.claims import claim_of, claimed, confirmation_of, read_accept
from betcore.db.database import Database
from betcore.db.jackpots import JackpotWins
from betcore.db.row_mapping import BetRow, as_json, columns_of, opening_of, record_of
from betcore.db.statement import Statement
from betcore.db.statements import accepts, bets, movements, notes, one_step, open_bets
from betcore.db.win_reviews import asked_in_row
from betcore.domain.activity_inputs import Incident, Pay
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.claims import Claim, Confirmation, ReadAccept
from betcore.domain.errors import Code
from betcore.domain.ids import TransactionType
from betcore.domain.messages import PayIn, Resumed
from betcore.domain.proof import Proof, in_event

_IDENTITY = ("casino_id", "player_id", "game_id", "session_id", "currency", "stake")


class Bets:
    """The bets of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jackpots = JackpotWins(database)

    async def open(
        self,
        pay_in: PayIn,
        owner: str,
        state: BetState,
        refusal: Code | None,
        *,
        with_win: bool = False,
        refund: Proof | None = None,
    ) -> Claim[BetRecord] | None:
        """Insert the bet in the given state, or find its row.

        A new row in ``accepting``, and an own row whose debit has no answer yet, count a send. A new row counts one of
        its win too if that leaves ``with_win``. ``refund`` is the proof of a Refund that came first. Return None if the
        session, player, casino and game do not belong together, or are not those of the own row: nothing is opened.
        """
        given = columns_of(pay_in) | {
            "callers_clock": datetime.now(UTC),
            "state": state,
            "refusal": refusal,
            "owner": owner,
            "not_after": pay_in.not_after,
            "with_win": with_win,
            "event_type": pay_in.event_type,
            "data": opening_of(pay_in, state, refusal, refund),
        }
        while True:
            [row] = await self._database.all_rows(bets.OPEN, **given)
            claim = row.claim
            if claim is None and not row.known:
                return None
            if claim is not None and not claim.stale:
                # A workflow that takes a bet over brings its argument with it.
                other = any(getattr(claim.bet, name) != given[name] for name in _IDENTITY)
                return None if claim.bet.owner == owner and other else claim_of(claim, record_of(claim.bet))
            # What another transaction has done was not visible to this statement yet; it is to the next.

    async def take_over(self, resumed: Resumed, owner: str) -> BetRecord:
        """Become the owner of a bet whose workflow is gone. If another workflow was faster, the record names that
        owner."""
        given = {"seen_owner": resumed.owner, "life": resumed.life}
        return await self._change(open_bets.TAKE_OVER, resumed.bet_id, owner, **given)

    async def accept(self, bet_id: int, owner: str, confirmation: Confirmation) -> BetRecord:
        """Record that the casino holds the stake. A win that has left with it is owed from now on."""
        return await self._change(bets.ACCEPT, bet_id, owner, **_kept(confirmation))

    async def settle_with_stake(self, bet_id: int, owner: str, stake: Confirmation, win: Confirmation) -> BetRecord:
        """Record that the casino has made the stake and the win that has left with it: the bet is over."""
        of_win = {f"win_{name}": value for name, value in _kept(win).items()}
        return await self._change(one_step.SETTLE_WITH_STAKE, bet_id, owner, **_kept(stake), **of_win)

    async def refuse_only_send(
        self,
        bet_id: int,
        owner: str,
        refusal: Code,
        *,
        movement: str,
        done_codes: Sequence[str],
        error_code: str | None = None,
    ) -> BetRecord:
        """End the bet as refused if the send that the casino has refused is the only one ever counted.

        If another process has counted a send meanwhile, or another Accept was stored, the bet stays as it is: the money
        may be taken. So does one whose win an Accept confirms, by one of ``done_codes``. ``movement`` is the state of
        the stake: ``refused``, or ``absent`` if nothing was sent.
        """
        given = {"movement": movement, "error_code": error_code, "attempts": 1, "done_codes": done_codes}
        return await self._end_without_stake(bet_id, owner, BetState.REFUSED, refusal, **given)

    async def end_absent(
        self,
        bet_id: int,
        owner: str,
        done_codes: Sequence[str],
        *,
        refund_filed: bool = False,
        proof: Proof | None = None,
    ) -> BetRecord:
        """End a bet whose stake is certainly not at the casino: as refunded if a Refund was filed, else as refused.

        An Accept of the stake, or of the win by one of ``done_codes``, keeps it open. ``proof`` is of the Refund.
        """
        state, refusal = (BetState.REFUNDED, None) if refund_filed else (BetState.REFUSED, Code.CASINO_UNAVAILABLE)
        given = {"done_codes": done_codes, "proof": as_json(in_event(proof))}
        return await self._end_without_stake(bet_id, owner, state, refusal, **given)

    async def end_parked(
        self, bet_id: int, owner: str, error_code: str | None, *, refund_filed: bool, proof: Proof | None = None
    ) -> BetRecord:
        """End a bet whose parked stake two operators have marked as not taken.

        An Accept in the row with another code than this one keeps it open. ``proof`` is of the Refund.
        """
        state, refusal = (BetState.REFUNDED, None) if refund_filed else (BetState.REFUSED, Code.CASINO_REFUSED)
        given = {"standing": "parked", "error_code": error_code, "proof": as_json(in_event(proof))}
        return await self._end_without_stake(bet_id, owner, state, refusal, **given)

    async def _end_without_stake(
        self, bet_id: int, owner: str, state: BetState, refusal: Code | None, **given: object
    ) -> BetRecord:
        usual = {"standing": "sending", "movement": "absent", "error_code": None, "attempts": None, "done_codes": ()}
        given = usual | {"state": state, "refusal": refusal, "proof": "{}"} | given
        return await self._change(bets.END_WITHOUT_STAKE, bet_id, owner, **given)

    async def taken_after_the_end(
        self, record: BetRecord, confirmation: Confirmation, theirs: Mapping[str, str]
    ) -> BetRecord:
        """Record that the casino has taken the stake of a bet that has ended without it: the stake is owed, with an
        incident."""
        [row] = await self._database.all_rows(
            bets.TAKEN_AFTER_THE_END,
            bet_id=record.bet_id,
            error_code=confirmation.error_code,
            partner_transaction_id=confirmation.partner_transaction_id,
            ours=as_json(record.facts()),
            theirs=as_json(theirs),
        )
        return record_of(row)

    async def begin_credit(self, pay: Pay) -> Claim[BetRecord]:
        """Begin a credit and count a send of it. Nothing is counted if it is done, or another workflow owns the bet.

        A payout sets ``told_at``; a return sets ``withdrawn_at``. A jackpot beside a win is decided before it.
        """
        transaction_type, amount = pay.transaction_type, pay.amount
        if transaction_type is TransactionType.JACKPOT_PAY_OUT:
            return await self._jackpots.begin(pay)
        await self._jackpots.decide(pay)
        row = await claimed(
            self._database,
            bets.BEGIN_CREDIT,
            bet_id=pay.bet_id,
            owner=pay.owner,
            transaction_type=int(transaction_type),
            amount=amount.minor,
            tax=pay.tax.minor if pay.tax else None,
            message=pay.message,
            filed_at=pay.filed_at,
            state=BetState.SETTLING if transaction_type is TransactionType.PAY_OUT else BetState.REFUNDING,
            pays_out=transaction_type is TransactionType.PAY_OUT,
            data=as_json({"type": int(transaction_type), "amount": str(amount)}),
            proof=as_json(in_event(pay.proof)),
            asked=asked_in_row(pay),
        )
        if row is None:
            raise LookupError(f"no bet {pay.bet_id}")
        return claim_of(row, record_of(row.bet))

    async def credit_done(
        self, bet_id: int, owner: str, transaction_type: TransactionType, confirmation: Confirmation, how: str = "done"
    ) -> BetRecord:
        """Record that the player has the money. ``how`` is ``paid_by_hand`` if a person paid.

        The bet is over, unless it is the win of a bet whose jackpot is still to be paid.
        """
        return await self._change(
            bets.CREDIT_DONE,
            bet_id,
            owner,
            transaction_type=int(transaction_type),
            how=how,
            state=BetState.REFUNDED if transaction_type is TransactionType.BET_RETURN else BetState.SETTLED,
            **_kept(confirmation),
        )

    async def park(
        self,
        bet_id: int,
        owner: str,
        transaction_type: TransactionType,
        error_code: str | None,
        theirs: Mapping[str, str] | None = None,
        *,
        sends: int | None = None,
    ) -> tuple[BetRecord, bool]:
        """Leave the movement to a person, with the casino's reason and an incident; ``theirs`` is the casino's list.

        Return whether it was parked: not if more than these ``sends`` are counted, or another Accept was stored.
        """
        given = {"transaction_type": int(transaction_type), "error_code": error_code, "theirs": as_json(theirs or {})}
        row = await self._database.one_row(bets.PARK, bet_id=bet_id, owner=owner, sends=sends, **given)
        return (await self._as_it_stands(bet_id), False) if row is None else (record_of(row), True)

    async def withdraw(self, bet_id: int, owner: str) -> BetRecord:
        """Set ``withdrawn_at`` unless ``told_at`` is set; the record says whether it was set."""
        return await self._change(bets.WITHDRAW, bet_id, owner)

    async def note(self, bet_id: int, event: str, **data: object) -> None:
        """Record an event of a bet."""
        await self._database.execute(notes.NOTE, bet_id=bet_id, event_type=event, data=as_json(data))

    async def note_once(self, bet_id: int, event: str, data: Mapping[str, object]) -> None:
        """Record an event of a bet, once for the same data."""
        await self._database.execute(notes.NOTE_ONCE, bet_id=bet_id, event_type=event, data=as_json(data))

    async def await_accept(
        self, bet_id: int, transaction_type: TransactionType, within: timedelta, currency: str
    ) -> ReadAccept | None:
        """Return the Accept of a movement that was sent, or None.

        If there is none yet, a later one is signalled to the workflow, and nothing more is sent before ``within`` has
        passed.
        """
        given = {"bet_id": bet_id, "transaction_type": int(transaction_type), "within": within}
        row = await self._database.one_row(movements.AWAIT_ACCEPT, **given)
        return None if row is None else read_accept(row.accept, row.sends, currency)

    async def stored_accept(self, bet_id: int, transaction_type: TransactionType) -> Confirmation | None:
        """Return the Accept of a movement, which may have ended, or None."""
        row = await self._database.one_row(accepts.READ, bet_id=bet_id, transaction_type=int(transaction_type))
        return None if row is None else confirmation_of(row.accept, row.currency)

    async def forget_refusal(
        self, bet_id: int, transaction_type: TransactionType, refusal: ReadAccept, gap: timedelta = timedelta()
    ) -> None:
        """Let a movement that was refused by this Accept, and is still open, be sent again after a gap.

        Nothing changes if it was forgotten already: a later refusal has a gap of its own.
        """
        given = {"transaction_type": int(transaction_type), "error_code": refusal.error_code, "sends": refusal.sends}
        await self._database.execute(movements.FORGET_REFUSAL, bet_id=bet_id, gap=gap, **given)

    async def duplicate_absent(
        self, bet_id: int, owner: str, transaction_type: TransactionType, within: timedelta
    ) -> bool:
        """Note that the casino calls a movement a duplicate that it does not list.

        Return whether it has done so for ``within`` already.
        """
        given = {"bet_id": bet_id, "owner": owner, "transaction_type": int(transaction_type), "within": within}
        row = await self._database.one_row(movements.DUPLICATE_ABSENT, **given)
        return row is not None and row.for_good

    async def unpark(self, bet_id: int, owner: str, transaction_type: TransactionType, activity: str) -> None:
        """Let a movement be sent again, once for each ``activity``, if it is parked and of this owner."""
        given = {"bet_id": bet_id, "owner": owner, "transaction_type": int(transaction_type), "activity": activity}
        await self._database.execute(movements.UNPARK, **given)

    async def file_incident(self, incident: Incident) -> None:
        """Record a contradiction for a person to look at, once for the same data."""
        sides = {"ours": as_json(incident.ours), "theirs": as_json(incident.theirs)}
        await self._database.execute(notes.FILE_INCIDENT, bet_id=incident.bet_id, kind=incident.kind, **sides)

    async def _change(self, statement: Statement[BetRow], bet_id: int, owner: str, **given: object) -> BetRecord:
        row = await self._database.one_row(statement, bet_id=bet_id, owner=owner, **given)
        return await self._as_it_stands(bet_id) if row is None else record_of(row)

    async def _as_it_stands(self, bet_id: int) -> BetRecord:
        row = await self._database.one_row(bets.AS_IT_STANDS, bet_id=bet_id)
        if row is None:
            raise LookupError(f"no bet {bet_id}")
        return record_of(row)


def _kept(confirmation: Confirmation) -> dict[str, object]:
    """Return what the rows keep of a confirmation, as the statements name it."""
    return {
        "error_code": confirmation.error_code,
        "partner_transaction_id": confirmation.partner_transaction_id,
        "balance": confirmation.balance.minor if confirmation.balance else None,
    }
