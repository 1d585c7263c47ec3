"""The rules of cashback: begins the runs whose windows have ended, and opens cashbacks for what players have lost.

It moves no money itself: a cashback that it opens is issued by the cashback's own workflow.
"""

from collections.abc import Sequence

import prometheus_client
import structlog
from temporalio import activity
from temporalio.client import Client

from activities.heartbeat import heartbeat, raise_if_worker_stops
from betcore.db.cashback_rules import CashbackRules, Counts, Page, PlayerLosses
from betcore.db.cashbacks import Cashbacks
from betcore.domain.cashback import CashbackSource, NewCashback, Opening
from betcore.domain.cashback_rules import RuleRun, RuleRunDone, RuleVersion, cashback_of
from betcore.domain.errors import Malformed
from betcore.domain.ids import cashback_key_of_rule
from betcore.runtime import failpoints
from betcore.temporal.schedules import start_rule_run

_log = structlog.get_logger()
# Players in one read and one write.
PLAYERS = 200
OPENED = prometheus_client.Counter("betcore_cashback_rule_opened", "Cashbacks that rules have opened")
ENDED = prometheus_client.Counter("betcore_cashback_rule_runs_ended", "Runs of rules that have ended")


class RuleRuns:
    """The activities of rules."""

    def __init__(self, client: Client, rules: CashbackRules, cashbacks: Cashbacks) -> None:
        self._client = client
        self._rules = rules
        self._cashbacks = cashbacks

    @activity.defn(name="start_cashback_rules")
    async def start_cashback_rules(self) -> int:
        """Begin the runs of all windows that have ended, and start all that have not; return how many were started."""
        started = 0
        async with heartbeat():
            for rule in await self._rules.rules():
                await self._rules.begin(rule)
            for run in await self._rules.unended():
                started += await start_rule_run(self._client, run)
        return started

    @activity.defn(name="pay_cashback_rule")
    async def pay_cashback_rule(self, run_id: int) -> RuleRunDone:
        """Open the cashbacks of a run, from the player at which the last attempt stopped; return its counts.

        Of several attempts at once each may open a page's cashbacks: their keys let one of them do it.
        """
        run = await self._rules.run(run_id)
        version = await self._rules.version(run.version_id)
        async with heartbeat():
            while run.ended_at is None:
                page = await self._rules.page(run, PLAYERS)
                if page.upto is None:
                    # Of several attempts at once one ends the run, and counts it.
                    if await self._rules.end(run):
                        ENDED.inc()
                    run = await self._rules.run(run_id)
                    continue
                counts = await self._open(run, version, page)
                await failpoints.reach("rule_page_opened")
                # None if another attempt was faster: go on from where that one stands.
                run = await self._rules.advance(run, page, counts) or await self._rules.run(run_id)
                raise_if_worker_stops()
        return RuleRunDone(
            run_id=run_id,
            players=run.players,
            opened=run.opened,
            blocked=run.blocked,
            unread=run.unread,
            contradicted=run.contradicted,
        )

    async def _open(self, run: RuleRun, version: RuleVersion, page: Page) -> Counts:
        orders, counts = orders_of(run, version, page.losses)
        opened = await self._cashbacks.open(run.casino_id, orders) if orders else []
        OPENED.inc(sum(one.opening is Opening.OPENED for one in opened))
        for order, one in zip(orders, opened, strict=True):
            if one.opening is Opening.DIFFERS:
                _log.error("a rule gives another amount than before", key=order.key, cashback_id=one.cashback_id)
        stand = sum(one.opening in (Opening.OPENED, Opening.REPEATED) for one in opened)
        return Counts(stand, counts.blocked, counts.unread, len(opened) - stand)


def orders_of(run: RuleRun, version: RuleVersion, losses: Sequence[PlayerLosses]) -> tuple[list[NewCashback], Counts]:
    """Return the cashbacks that a rule gives for these losses, and how many it does not give, for which reason."""
    orders, blocked, unread = [], 0, 0
    for one in losses:
        try:
            amount = cashback_of(version.rule, one.losses, one.currency)
        except Malformed:
            # A currency that was taken from the settings: its players are not to hold up all others.
            _log.warning("losses cannot be read", run_id=run.run_id, player_id=one.player_id, currency=one.currency)
            unread += 1
            continue
        if amount is None:
            continue
        if one.is_blocked:
            blocked += 1
            continue
        orders.append(
            NewCashback(
                source=CashbackSource.RULE,
                key=cashback_key_of_rule(run.version_id, one.player_id, one.currency, run.period_to),
                player_id=one.player_id,
                amount=amount,
                reason=f"rule {run.name}",
                promo_code=version.rule.promo_code,
                rule_version_id=run.version_id,
                period_from=run.period_from,
                period_to=run.period_to,
            )
        )
    return orders, Counts(blocked=blocked, unread=unread)
