"""A casino that confirms with Accept; the test sends its Accepts."""

import json
from typing import Any

from temporalio.client import Client

from api.casino.accepts import AcceptReceiver
from betcore.domain.accepts import AcceptOutcome
from betcore.domain.messages import PayIn
from tests.in_process_casino import InProcessCasino
from tests.partner import eventually

STAKE, PAY_OUT, RETURN, CLAW_BACK = -1, 1, 2, -2


class ConfirmingCasino:
    """The casino's side, on which the test sends Accepts."""

    def __init__(self, casino: InProcessCasino, client: Client) -> None:
        self._casino = casino
        self._accepts = AcceptReceiver(casino.database, client)

    async def accepts(self, bet: PayIn, kind: int, error_code: int = 200, **changed: Any) -> AcceptOutcome:
        """Confirm or refuse a movement of a bet."""
        row = await self._casino.row(bet)
        amount = {STAKE: "10.00", PAY_OUT: "25.00", RETURN: "10.00", CLAW_BACK: "25.00"}[kind]
        body = {
            "BetId": row.bet_id,
            "TransactionType": kind,
            "TransactionId": f"{row.bet_id}:{kind}",
            "PartnerTransactionId": f"t{kind}" if error_code == 200 else None,
            "PartnerUserId": "anna",
            "Amount": amount,
            "ErrorCode": error_code,
            "Message": "",
            "Balance": "990.00",
        } | changed
        partner = await self._casino.partners.casino(row.casino_id)
        return (await self._accepts.receive(partner, json.dumps(body).encode())).outcome

    async def sent(self, kind: int, times: int = 1) -> None:
        """Wait until a movement was sent at least ``times`` times."""

        async def often_enough() -> bool:
            return [call["transaction_type"] for call in await self._casino.casino_calls()].count(kind) >= times

        await eventually(often_enough)

    async def asked_the_row(self, bet: PayIn, kind: int) -> None:
        """Wait until the fast lane has stopped waiting for the Accept."""
        query = "SELECT awaited_until FROM movement WHERE bet_id = :b AND transaction_type = :k"

        async def asked() -> bool:
            row = await self._casino.row(bet)
            found = row and await self._casino.sql(query, b=row.bet_id, k=kind)
            return bool(found and found[0].awaited_until)

        await eventually(asked)
