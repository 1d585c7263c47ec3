"""Cashbacks of a partner of a running stack: ordered by the command line, seen at the casino and in our rows."""

import json
from functools import partial
from typing import Any

from tests.command_line import run
from tests.partner import TestPartner
from tests.watch import holds

CREDIT, DEBIT = 1, -2
MAKE, ACCEPT = "/cashback-payments/make", "/cashback-payments/accept"
ISSUED, CANCELLED = [(1, "5.00")], [(1, "5.00"), (-2, "5.00")]
# A casino that is asked again soon; and one whose debits have a short window, and are parked at once behind it.
QUICK = "{retry: {first: 0.1, cap: 0.3}}"
SHORT_LIVED = "{message_lifetime: 1, clock_leeway: 0, effect_within: 0.2, fast_attempts: 1, retry: {first: 0.2}}"


def fault(kind: str, transaction_type: int, times: int | None = None, **given: object) -> dict[str, object]:
    """Return a fault of a movement of a cashback, for its first ``times`` makes or for all."""
    counted = {} if times is None else {"times": times}
    return {"kind": kind, "path": MAKE, "transaction_type": transaction_type, **counted, **given}


class Cashbacks:
    """The cashbacks of one partner's casino."""

    def __init__(self, partner: TestPartner) -> None:
        self.partner = partner

    async def command(self, *arguments: str, ended: int = 0) -> Any:
        """Run a command with --json, and return its object."""
        result = await run(self.partner.stack.folder, *arguments, "--json")
        assert result.exit_code == ended, result.output
        return json.loads(result.stdout)

    async def issue(self, *options: str, amount: str = "5.00", wait: int = 0, ended: int = 0) -> Any:
        """Order a cashback for anna; return what the command prints."""
        order = ("--casino", self.partner.casino, "--player", "anna", "--amount", amount, "--currency", "EUR")
        by = ("--operator", "ann", "--reason", "a test", "--wait", str(wait))
        return await self.command("cashback", "issue", *order, *by, *options, ended=ended)

    async def issued(self) -> int:
        """Return a new cashback that anna has."""
        found = await self.issue()
        number: int = found["cashback_id"]
        await self.in_state(number, "issued")
        return number

    async def cancelling(self, *faults: dict[str, object]) -> int:
        """Return a cashback whose cancel has reached the casino, which has these faults.

        The last moment of a message is a whole second, rounded down: of a window of one second next to nothing may be
        left, and then the cancel is never sent and the cashback stays issued. Another one is played instead.
        """
        while True:
            number = await self.issued()
            await self.partner.faults(*faults)
            await self.cancel(number)
            await holds(partial(self._cancel_sent, number), lambda sent: sent is not None)
            if await self._cancel_sent(number):
                return number
            await self.partner.faults()

    async def _cancel_sent(self, number: int) -> bool | None:
        """Return whether a cancel that was asked for was sent; None if that is not decided yet."""
        at_rest = (await self.row(number)).closed_at is not None
        if DEBIT in [send["transaction_type"] for send in await self.sends(number)]:
            return True
        return False if at_rest else None

    async def cancel(self, number: int, wait: int = 0, ended: int = 0) -> Any:
        """Ask for a cancel; return what the command prints."""
        by = ("--operator", "ann", "--reason", "a mistake", "--wait", str(wait))
        return await self.command("cashback", "cancel", str(number), *by, ended=ended)

    async def operate(self, action: str, number: int, operator: str = "ann", ended: int = 0) -> Any:
        """Run an action of an operator on a cashback."""
        return await self.command("ops", action, str(number), "--operator", operator, "--reason", "a test", ended=ended)

    async def row(self, number: int) -> Any:
        """Return our row of a cashback."""
        return (await self.partner.sql("SELECT * FROM cashback WHERE cashback_id = :c", c=number))[0]

    async def movements(self, number: int) -> dict[int, str]:
        """Return the states of its movements by type."""
        query = "SELECT transaction_type, state FROM movement WHERE bet_id = :c"
        return {row.transaction_type: row.state for row in await self.partner.sql(query, c=number)}

    async def incidents(self, number: int) -> list[str]:
        """Return the kinds of its incidents, oldest first."""
        query = "SELECT kind FROM incident WHERE bet_id = :c ORDER BY incident_id"
        return [row.kind for row in await self.partner.sql(query, c=number)]

    async def journal(self, number: int) -> list[tuple[int, str]]:
        """Return TransactionType and amount of each of its movements in the casino's journal."""
        return [(one["transaction_type"], one["amount"]) for one in await self.partner.entries(number)]

    async def sends(self, number: int) -> list[dict[str, Any]]:
        """Return every make of it that reached the casino, oldest first."""
        return [call for call in await self.partner.calls() if (call["path"], call["bet_id"]) == (MAKE, number)]

    async def balance(self) -> str:
        """Return anna's balance at the casino."""
        player = f"/_players/{self.partner.partner_client_id}/anna"
        balance: str = (await self.partner.at_casino("GET", player))["balance"]
        return balance

    async def in_state(self, number: int, state: str) -> None:
        """Wait until its row is in a state."""
        await holds(lambda: self.row(number), lambda row: row.state == state)

    async def parked(self, number: int, transaction_type: int) -> None:
        """Wait until a movement of it is parked."""
        await holds(lambda: self.movements(number), lambda found: found.get(transaction_type) == "parked")

    async def sent(self, number: int, times: int) -> None:
        """Wait until this many makes of it have reached the casino."""
        await holds(lambda: self.sends(number), lambda found: len(found) >= times)

    async def accept(self, number: int, **changed: Any) -> dict[str, Any]:
        """Send an Accept of its issue as the casino, and return the answer's envelope."""
        body = {
            "CashbackId": number,
            "TransactionType": 1,
            "PartnerTransactionId": "t",
            "PartnerUserId": "anna",
            "Amount": "5.00",
            "ErrorCode": 200,
            "Message": "",
        }
        found: dict[str, Any] = json.loads(await self.partner.accept_raw(body | changed, ACCEPT))
        return found
