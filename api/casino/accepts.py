"""Receiving Accepts: an Accept is stored, then the worker or workflow that waits for it is notified."""

import asyncio
from datetime import timedelta

import structlog
from prometheus_client import Counter
from temporalio.client import Client
from temporalio.service import RPCError

from api.casino import schemas
from betcore.casino import accept_notifications
from betcore.db.accepts import Accepts
from betcore.db.bets import Bets
from betcore.db.database import Database, DatabaseError
from betcore.domain.accepts import CasinoAccept, StoredAccept
from betcore.domain.messages import Accept
from betcore.domain.partners import Casino

_log = structlog.get_logger()

ACCEPTS = Counter("betcore_accepts", "Accepts of casinos by their outcome", ["casino", "outcome"])

_SIGNAL_WITHIN = 1.0


class AcceptReceiver:
    """Stores Accepts in the database and notifies workers and workflows."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client
        self._accepts = Accepts(database)
        self._bets = Bets(database)

    async def receive(self, casino: Casino, body: bytes, *, cashback: bool = False) -> StoredAccept:
        """Store the Accept of a bet or of a cashback in a body and notify whatever waits for it.

        Raises UnreadableAccept: nothing is stored of the movement then. Raises the database's errors: the casino sends
        the Accept again, and finds it stored or not.
        """
        try:
            accept = schemas.accept(body, casino.profile.error_codes, cashback=cashback)
        except schemas.UnreadableAccept as error:
            ACCEPTS.labels(casino.name, error.doubt).inc()
            await self._accepts.record_unreadable(casino.casino_id, *error.about, error.doubt)
            raise
        stored = await self._accepts.store(casino.casino_id, accept)
        if stored.ended is not None and stored.confirmation is not None:
            await self._bets.taken_after_the_end(stored.ended, stored.confirmation, _theirs(accept))
        await self._notify(accept, stored)
        ACCEPTS.labels(casino.name, stored.reason or stored.outcome).inc()
        return stored

    async def _notify(self, accept: CasinoAccept, stored: StoredAccept) -> None:
        """Notify the worker by LISTEN/NOTIFY and the workflow by a signal; both then read the row.

        A failure is only logged: worker and workflow read the row also when their wait is over. The workflow may have
        ended, or have been resumed under another id a moment ago.
        """
        bet_id, transaction_type = accept.bet_id, accept.transaction_type
        if stored.hinted:
            try:
                await accept_notifications.notify(self._database, bet_id, transaction_type)
            except DatabaseError as error:
                _log.warning("a hint of an Accept was lost", bet_id=bet_id, error=str(error))
        if stored.workflow_id is not None:
            handle = self._client.get_workflow_handle(stored.workflow_id)
            message = Accept(transaction_type=int(transaction_type), success=accept.success)
            try:
                async with asyncio.timeout(_SIGNAL_WITHIN):
                    await handle.signal("accept", message, rpc_timeout=timedelta(seconds=_SIGNAL_WITHIN))
            except (RPCError, TimeoutError) as error:
                status = getattr(error, "status", None)
                _log.warning("an Accept was not signalled", workflow_id=stored.workflow_id, status=str(status))


def _theirs(accept: CasinoAccept) -> dict[str, str]:
    """Return the casino's side of an incident, without personal data."""
    theirs = {"type": str(int(accept.transaction_type)), "amount": accept.amount, "error_code": accept.error_code}
    named = accept.partner_transaction_id
    return theirs if named is None else {**theirs, "partner_transaction_id": named}
