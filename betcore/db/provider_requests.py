"""What the API itself reads and writes: provider requests, their answers, and tombstones."""

from datetime import datetime, timedelta

import structlog

from betcore.db.database import Database
from betcore.db.row_mapping import as_json, record_of
from betcore.db.statements import provider_requests
from betcore.db.statements.provider_requests import SessionRow
from betcore.domain.bet import BetRecord, BetState
from betcore.domain.errors import Code
from betcore.domain.live_rounds import RoundState
from betcore.domain.money import Money
from betcore.domain.partners import Provider
from betcore.domain.proof import Proof, in_event
from betcore.domain.sessions import RequestContext, Session

_log = structlog.get_logger()


class ProviderRequests:
    """The API's side of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look_up(
        self,
        provider: Provider,
        request_id: str,
        session_id: str,
        provider_bet_id: str | None,
        round_id: str | None = None,
    ) -> RequestContext | None:
        """Claim the request id and read what the request is about; return None if the id was used before.

        ``round_id`` is the round of a stake: it may be one of a live game.
        """
        [row] = await self._database.all_rows(
            provider_requests.LOOK_UP,
            provider_id=provider.provider_id,
            session_idle=timedelta(seconds=provider.profile.session_idle),
            request_id=request_id,
            session_id=session_id,
            provider_bet_id=provider_bet_id,
            round_id=round_id,
        )
        if not row.is_new:
            return None
        return RequestContext(
            row.seen_at,
            row.ids_since or await self._noticed(),
            row.demo_currency,
            None if row.session is None else _session_of(row.session),
            None if row.found is None else row.found.record,
            None if row.round_state is None else RoundState(row.round_state),
        )

    async def claim_unless_known(self, provider_id: int, request_id: str, provider_bet_id: str) -> bool | None:
        """Claim the request id of a stake that is turned away; return False if the id was used before.

        Return None, with nothing claimed, if the bet has a row: that decides the answer.
        """
        [row] = await self._database.all_rows(
            provider_requests.CLAIM_UNLESS_KNOWN,
            provider_id=provider_id,
            request_id=request_id,
            provider_bet_id=provider_bet_id,
        )
        return None if row.is_known else row.is_new

    async def _noticed(self) -> datetime:
        """Record that request ids were lost; return since when none was, by the first process to notice."""
        while True:
            row = await self._database.one_row(provider_requests.NOTICE)
            if row is not None:
                since = row.seen_at
                _log.error("request ids were lost: what was sent before is not known", since=since.isoformat())
                return since
            # A concurrent insert was not visible to this statement yet; it is to the next.

    async def claim(self, provider_id: int, request_id: str) -> bool:
        """Claim a request id alone, for a request that is refused unread; return False if it was used already."""
        return (
            await self._database.one_row(provider_requests.CLAIM, provider_id=provider_id, request_id=request_id)
            is not None
        )

    async def forget(self) -> None:
        """Delete request ids older than twice the freshness window: such a request is refused by its time."""
        await self._database.execute(provider_requests.FORGET)

    async def find(self, provider_id: int, provider_bet_id: str) -> BetRecord | None:
        """Return a bet by its provider's id, or None."""
        row = await self._database.one_row(
            provider_requests.FIND, provider_id=provider_id, provider_bet_id=provider_bet_id
        )
        return None if row is None else row.record

    async def mark_told(self, bet_id: int, request_id: str) -> bool:
        """Record that the API answers "done" to the PayIn; return False if the bet was taken back before."""
        data = as_json({"answer": "pay_in", "request_id": request_id})
        return await self._database.one_row(provider_requests.MARK_TOLD, bet_id=bet_id, data=data) is not None

    async def last_balance(self, player_id: int, currency: str) -> Money | None:
        """Return the balance that the casino last named for a player, or None."""
        found = await self.last_movement(player_id, currency)
        return None if found is None else found[1]

    async def last_movement(self, player_id: int, currency: str) -> tuple[datetime, Money] | None:
        """Return when a movement last brought a balance of a player, and that balance, or None."""
        row = await self._database.one_row(provider_requests.LAST_BALANCE, player_id=player_id, currency=currency)
        return None if row is None else (row.at, Money(minor=int(row.balance), currency=row.currency))

    async def tombstone(
        self,
        provider_id: int,
        provider_bet_id: str,
        session: Session,
        state: BetState,
        refusal: Code | None,
        proof: Proof | None = None,
    ) -> BetRecord | None:
        """Insert a closed row for a bet that never came, so that it is never opened.

        ``proof`` is of the call that asks for it. Return None if there is a bet after all.
        """
        row = await self._database.one_row(
            provider_requests.TOMBSTONE,
            provider_id=provider_id,
            provider_bet_id=provider_bet_id,
            casino_id=session.casino_id,
            player_id=session.player_id,
            game_id=session.game_id,
            session_id=session.session_id,
            currency=session.currency,
            state=state,
            refusal=refusal,
            data=as_json({"state": state, "refusal": refusal} | in_event(proof)),
        )
        return None if row is None else record_of(row)

    async def owe_reversal(self, bet_id: int, proof: Proof | None = None) -> None:
        """Record that a settled bet is to be reversed, unless that is recorded; the sweep starts its workflow.

        ``proof`` is of the Refund that asks for it.
        """
        await self._database.one_row(provider_requests.OWE_REVERSAL, bet_id=bet_id, proof=as_json(in_event(proof)))

    async def early_pay_out(self, provider_id: int, provider_bet_id: str) -> float:
        """Return the seconds since the first PayOut for a bet that is unknown."""
        given = {"provider_id": provider_id, "provider_bet_id": provider_bet_id}
        [row] = await self._database.all_rows(provider_requests.EARLY_PAY_OUT, **given)
        return float(row.age)


def _session_of(row: SessionRow) -> Session:
    return Session(
        session_id=row.s_session_id,
        currency=row.session_currency,
        ended=row.over,
        player_id=row.session_player_id,
        player_ref=str(row.player_ref),
        partner_user_id=row.partner_user_id,
        player_blocked=row.blocked_at is not None,
        casino_id=row.session_casino_id,
        casino_name=row.casino_name,
        casino_disabled=row.casino_disabled_at is not None,
        game_id=row.session_game_id,
        provider_game_id=row.provider_game_id,
        game_disabled=row.game_disabled_at is not None,
        min_bet=row.min_bet,
        max_bet=row.max_bet,
        tag_id=row.tag_id,
    )
