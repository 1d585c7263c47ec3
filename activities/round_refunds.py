"""The refunds of cancelled rounds: the message that a provider's Refund is, for each of a round's open bets."""

import asyncio
from datetime import UTC, datetime, timedelta

import prometheus_client
import structlog
from temporalio import activity
from temporalio.client import (
    Client,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.service import RPCError

from activities.heartbeat import heartbeat, raise_if_worker_stops
from betcore.db.round_refunds import RefundableRound, RoundBet, RoundBets
from betcore.domain.bet import BetRecord
from betcore.domain.ids import BetKey, current_bet_workflow_id
from betcore.domain.live_messages import RefundPass, RefundRound
from betcore.domain.live_rounds import ROUND_CANCELLED
from betcore.domain.messages import Refund
from betcore.runtime import failpoints

_log = structlog.get_logger()
# Bets on one page, and Refunds that are on their way at once: most of a worker is left to other bets.
_PAGE, _AT_ONCE = 200, 10
_SOON = timedelta(seconds=5)
FILED = prometheus_client.Counter(
    "betcore_live_refunds_filed", "Refunds sent to bets of cancelled rounds, repeats included"
)


class RoundRefunder:
    """Files Refunds. The bets' workflows carry them out, by the rules of any Refund."""

    def __init__(self, client: Client, bets: RoundBets) -> None:
        self._client = client
        self._bets = bets

    @activity.defn(name="refund_round")
    async def refund_round(self, order: RefundRound) -> RefundPass:
        """File a Refund for each open bet of a cancelled round; return how many bets are open and what was filed.

        It may be begun again at any point and run twice at once: of one bet all Refunds are one update.
        """
        open_bets = filed = after = 0
        async with heartbeat():
            found = await self._bets.round(order.game_type, order.round_id)
            if found is None:
                return RefundPass(open_bets=0, filed=0, done=True)
            while page := await self._bets.open_bets(found, after, _PAGE):
                open_bets, after = open_bets + len(page), page[-1].bet_id
                for first in range(0, len(page), _AT_ONCE):
                    filings = (self._file(found, bet) for bet in page[first : first + _AT_ONCE])
                    filed += sum(await asyncio.gather(*filings))
                    await failpoints.reach("round_refunds_filed")
                    raise_if_worker_stops()
            done = not open_bets and datetime.now(UTC) > order.appear_until
            if done:
                await self._bets.refunded(order.game_type, order.round_id)
        return RefundPass(open_bets=open_bets, filed=filed, done=done)

    async def _file(self, found: RefundableRound, bet: RoundBet) -> bool:
        """Return whether the bet's workflow has the Refund; if not, the next look sees how the bet stands then."""
        if not bet.takes_refund(found):
            return False
        key = BetKey(found.counterparty_id, bet.provider_bet_id)
        refund = Refund(
            player_id=bet.player_id,
            answer_by=datetime.now(UTC),
            after_pay_out=found.after_pay_out,
            bet=key,
            reason=ROUND_CANCELLED,
        )
        handle = self._client.get_workflow_handle(current_bet_workflow_id(key, bet.bet_id, bet.lives))
        try:
            await handle.start_update(
                "refund",
                refund,
                id=f"refund:{ROUND_CANCELLED}",
                wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                result_type=BetRecord,
                rpc_timeout=_SOON,
            )
        except (WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, RPCError) as error:
            _log.warning("a bet of a cancelled round is not refunded yet", bet_id=bet.bet_id, error=str(error)[:200])
            return False
        FILED.inc()
        return True
