"""What a casino's payments/info lists for a parked debit, for the operators who mark it."""

from typing import TYPE_CHECKING

from betcore.cli.context import CommandContext, Json
from betcore.domain.errors import PreconditionFailed

if TYPE_CHECKING:
    from betcore.domain.payment_list import Listed


async def look_up(context: CommandContext, bet_id: int) -> Json | None:
    """Ask the casino for the parked debit of a bet; None if no debit of it is parked.

    ``says`` is ``ours``, ``another``, ``nothing`` or ``unclear``; ``listed`` has what it lists of that type. Of a
    cashback nothing is asked: None.
    """
    from betcore.db.reconciliations import Reconciliations
    from betcore.domain.compared_rows import UnreadBet

    bets = await Reconciliations(context.database).bets([bet_id])
    if not bets:
        return None
    [bet] = bets
    if isinstance(bet, UnreadBet):
        raise PreconditionFailed(f"bet {bet_id} cannot be read: {bet.why}", code="operation_refused")
    debit = next((one for one in bet.movements if one.transaction_type < 0 and one.state == "parked"), None)
    if debit is None:
        return None
    listed = await _list_movements(context, bet.record.casino_id, bet_id)
    about = {"transaction_id": f"{bet_id}:{debit.transaction_type}", "amount": f"{bet.record.currency} {debit.amount}"}
    if listed is None:
        return about | {"says": "unclear", "listed": []}
    same = [one for one in listed if one.transaction_type == debit.transaction_type]
    ours = [one.is_of(bet_id, debit.amount, bet.partner_user_id, debit.tax) for one in same]
    says = "nothing" if not ours else "ours" if ours == [True] else "another"
    return about | {"says": says, "listed": [one.facts(bet.record.currency) for one in same]}


def as_text(found: Json) -> str:
    """Return the result of ``look_up`` as text for a person."""
    found_there = {
        "ours": "lists it as ours",
        "another": "lists another movement in its place",
        "nothing": "lists nothing for it",
        "unclear": "gave no clear answer",
    }[found["says"]]
    listed = ["  " + ", ".join(f"{name} {value}" for name, value in one.items()) for one in found["listed"]]
    return "\n".join([f"debit {found['transaction_id']} of {found['amount']}: the casino {found_there}", *listed])


async def _list_movements(context: CommandContext, casino_id: int, bet_id: int) -> "list[Listed] | None":
    from betcore.casino.client import CasinoClient
    from betcore.casino.http_session import http_session
    from betcore.casino.lookup import ThrottledLookup
    from betcore.db.partners import Partners
    from betcore.db.signing_keys import SigningKeys
    from betcore.runtime.vault import Vault

    vault = Vault.of(context.settings)
    async with http_session() as http:
        casinos = CasinoClient(http, SigningKeys(context.database, vault, 0), context.settings.issuer)
        return await ThrottledLookup(casinos, await Partners(context.database, vault, 0).casino(casino_id)).listed(
            bet_id
        )
