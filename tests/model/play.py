"""Carries out the steps of a script at a running stack: one partner, its players, and names instead of ids.

A step is JSON: ``{"do": "calls", ...}``, ``{"do": "faults", ...}`` and so on. Bets and sessions have names of the
script's own, so that it can be played again; signatures are made when a call leaves.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp

from betcore.cli.context import CommandContext
from betcore.cli.ops_actions import send_action
from betcore.db.onboarding_limits import Limits
from betcore.db.onboarding_sessions import NewSession
from betcore.domain.errors import BetcoreError
from betcore.domain.messages import Action
from tests.partner import Stack, TestPartner

Step = dict[str, Any]
PLAYERS = ("anna", "boris")
GAMES = ("dice", "wheel")
BALANCE = Decimal("1000.00")
# Of an answer: a provider waits longer than its deadline, and no longer.
_PATIENCE = aiohttp.ClientTimeout(total=20)
_REST_WITHIN = 60
# Between calls that come while the worker is away, so that they come in their order.
_APART = 0.05
# What does not change for so long will not: an unknown debit is looked for within six seconds with the short profile.
_STILL = 12
_BACK_WITHIN = 60
# What dies or is stopped, by what its failpoints begin with; a worker unless it is the API.
_WORKER, _API = "worker-1", "api"
_OF_THE_API = ("outcome_known", "outcome_told", "answer_written")
# Operators who are needed twice, and what is theirs to say.
_BY_TWO = ("mark-taken", "mark-not-taken")
# Where more than one end is allowed, what is seen has to stand for so long.
_STANDS = 0.4
# A stake stays parked, though its bet is voided, until no old debit can take effect.
_STANDS_PARKED = 6


class Play:
    """One script at one stack. ``still``: the seconds without a change after which it waits no longer."""

    def __init__(self, stack: Stack, still: float = _STILL) -> None:
        self._stack = stack
        self.still = still
        self._partner: TestPartner | None = None
        self._sessions: dict[str, str] = {}
        self._bets: dict[str, str] = {}
        self._armed: tuple[str, int] | None = None
        self._operations = 0

    @property
    def partner(self) -> TestPartner:
        """Return the partner of this script; the step "open" comes first."""
        assert self._partner is not None, "the script opens no partner"
        return self._partner

    async def do(self, step: Step) -> Any:
        """Carry out one step, and return the answers or what was seen, as JSON."""
        return await getattr(self, f"_{step['do']}")(step)

    async def _open(self, step: Step) -> None:
        """Set up a provider, a casino, two games, two players with money, and sessions ``<player>-<name>``."""
        limits = {"min_bet": "0.10", "max_bet": "6000"}
        stack = self._stack
        self._partner = await stack.partner(step["provider"], step["casino"], step["confirmation"], **limits)
        await self.partner.switches(**step["switches"])
        await self.partner.catalogue.add_game(self.partner.provider, GAMES[1], "Wheel", "EUR", **limits)
        await Limits(stack.engine).set_game(self.partner.provider, GAMES[0], "USD", **limits)
        for player in PLAYERS:
            self._sessions[f"{player}-0"] = await self.partner.seat(player, str(BALANCE))
            await self._session({"name": f"{player}-usd", "player": player, "currency": "USD"})
            await self._session({"name": f"{player}-wheel", "player": player, "game": GAMES[1]})

    async def _session(self, step: Step) -> None:
        partner, game, currency = self.partner, step.get("game", GAMES[0]), step.get("currency", "EUR")
        opened = await partner.sessions.open(
            NewSession(partner.provider, partner.casino, game, step["player"], currency)
        )
        self._sessions[step["name"]] = opened["session_id"]

    async def _end_session(self, step: Step) -> None:
        await self.partner.sessions.close(self._sessions[step["name"]])

    async def _block(self, step: Step) -> None:
        player, blocked = step["player"], step["blocked"]
        if step["where"] == "casino":
            path = f"/_players/{self.partner.partner_client_id}/{player}"
            await self.partner.at_casino("PATCH", path, json={"blocked": blocked})
        else:
            await self.partner.sessions.block(self.partner.casino, player, blocked=blocked)

    async def _faults(self, step: Step) -> None:
        await self.partner.faults(*step["faults"])
        if not step["faults"]:
            await self.partner.release()

    async def _arm(self, step: Step) -> None:
        """Arm a failpoint: the process that reaches it next dies there."""
        name = _API if step["point"] in _OF_THE_API else _WORKER
        self._armed = (name, self._stack.pid(name))
        (self._stack.failpoints / step["point"]).touch()

    async def _revive(self, step: Step) -> bool:
        """Disarm the failpoint, wait until what was killed is back, and return whether something was."""
        assert self._armed is not None, "nothing is armed"
        (name, pid), point = self._armed, self._stack.failpoints / step["point"]
        died = not point.exists()
        point.unlink(missing_ok=True)
        log = self._stack.folder / "logs" / "stack.log"
        async with asyncio.timeout(_BACK_WITHIN):
            while died and f"{name} is ready again, pid" not in _since(log.read_text(), pid):
                await asyncio.sleep(0.05)
        return died

    async def _wait(self, step: Step) -> None:
        """Time is one of the things that happen to a bet. ``dead_at``: no longer than until that point is reached."""
        loop = asyncio.get_running_loop()
        until = loop.time() + step["seconds"]
        while loop.time() < until and ("dead_at" not in step or (self._stack.failpoints / step["dead_at"]).exists()):
            await asyncio.sleep(min(0.05, until - loop.time()) if "dead_at" in step else step["seconds"])

    # Calls

    async def _calls(self, step: Step) -> list[list[Any]]:
        """Make all calls of the step at once, and return code and reason of each. ``away``: the seconds for which the
        worker is stopped, while the calls come one after the other."""
        async with self._worker_away(step.get("away")):
            made = []
            for call in step["calls"]:
                made.append(asyncio.create_task(self._call(call)))
                await asyncio.sleep(_APART if step.get("away") else 0)
        return list(await asyncio.gather(*made))

    @asynccontextmanager
    async def _worker_away(self, seconds: float | None) -> AsyncIterator[None]:
        if seconds is None:
            yield
            return
        pid = self._stack.pid(_WORKER)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _call(self, call: Step) -> list[Any]:
        """Send one signed call. No answer leaves the outcome unknown, as 99 does."""
        body = call["body"] | {"betId": self._bet(call["body"]["betId"])}
        session = self._sessions[call["session"]]
        try:
            async with asyncio.timeout(_PATIENCE.total):
                answer = await self.partner.post(call["operation"], body, session)
        except (aiohttp.ClientError, TimeoutError) as error:
            return [99, f"no answer: {type(error).__name__}"]
        assert answer.status == (503 if answer.code == 99 else 200), answer
        return [answer.code, answer.reason]

    def _bet(self, name: str) -> str:
        if name not in self._bets:
            self._bets[name] = TestPartner.new_bet()
        return self._bets[name]

    # Operators

    async def _operate(self, step: Step) -> str:
        """Carry out an operator's action as the command does: done, refused, or unknown. A mark takes two of them."""
        row = await self.partner.row(self._bet(step["bet"]))
        if row is None:
            return "refused"
        self._operations += 1
        heard = ""
        # Names of this step's own: what an earlier one has proposed stays a proposal.
        for operator in ("ann", "bob") if step["action"] in _BY_TWO else ("ann",):
            heard = await self._operate_as(f"{operator} {self._operations}", row.bet_id, step)
            if heard != "proposed":
                break
        return heard

    async def _operate_as(self, operator: str, bet_id: int, step: Step) -> str:
        stack, action = self._stack, Action(step["action"])
        context = CommandContext(stack.settings, stack.database, stack.engine)
        try:
            done = await send_action(context, action, str(bet_id), operator, "a test", step["win"])
        except BetcoreError as refusal:
            return "refused" if refusal.code == "operation_refused" else str(refusal.code)
        return "done" if done["done"] else "proposed"

    # What is seen

    async def _look(self, step: Step) -> list[list[Any]]:
        """Return the casino's journal of a bet as it is now."""
        return [list(movement) for movement in await self.partner.journal(self._bet(step["bet"]))]

    async def _lists(self, step: Step) -> int:
        """Return how many lists of several movements the casino has got."""
        return sum(call["path"] == "/payments/make-list" for call in await self.partner.calls())

    async def _rest(self, step: Step) -> dict[str, Any]:
        """Let the casino work; wait until each bet is as ``allowed`` has it, at most for a while."""
        allowed = step["allowed"]
        bets = {name: self._bet(name) for name in allowed["bets"]}
        views: dict[str, Any] = {}
        loop = asyncio.get_running_loop()
        changed_at = loop.time()
        try:
            async with asyncio.timeout(_REST_WITHIN):
                while loop.time() < changed_at + (self.still / 4 if _is_quiet(views) else self.still):
                    before, views = views, {name: await self._view(bet) for name, bet in bets.items()}
                    changed_at = changed_at if before == views else loop.time()
                    fits = all(view in allowed["bets"][name] for name, view in views.items())
                    if fits and (before == views or all(len(ends) == 1 for ends in allowed["bets"].values())):
                        break
                    parked = any(-1 in view["parked"] for view in views.values())
                    await asyncio.sleep((_STANDS_PARKED if parked else _STANDS) if fits else 0.05)
        except TimeoutError:
            pass
        return {"bets": views, "balances": await self._balances(), "own": await self._own_books(bets)}

    async def _view(self, bet: str) -> dict[str, Any]:
        row = await self.partner.row(bet)
        if row is None:
            return {"state": None, "refusal": None, "told": False, "reversal": None, "parked": [], "journal": []}
        query = """SELECT (SELECT state FROM reversal WHERE bet_id = :b) AS reversal,
                          ARRAY(SELECT transaction_type FROM movement WHERE bet_id = :b AND state = 'parked') AS parked
                """
        (beside,) = await self.partner.sql(query, b=row.bet_id)
        entries = await self.partner.entries(row.bet_id)
        return {
            "state": row.state,
            "refusal": row.refusal,
            "told": row.told_at is not None,
            "reversal": beside.reversal,
            "parked": list(beside.parked),
            "journal": [[entry["transaction_type"], entry["amount"]] for entry in entries],
        }

    async def _balances(self) -> dict[str, str]:
        client_id = self.partner.partner_client_id
        found = [await self.partner.at_casino("GET", f"/_players/{client_id}/{player}") for player in PLAYERS]
        return {player: one["balance"] for player, one in zip(PLAYERS, found, strict=True)}

    async def _own_books(self, bets: dict[str, str]) -> dict[str, Any]:
        """Return the differences between our movements and the casino's journal."""
        query = """SELECT movement.bet_id, transaction_type FROM movement JOIN bet USING (bet_id)
                   JOIN provider USING (provider_id) WHERE counterparty_id = :c AND movement.state = 'done'"""
        ours = {
            (row.bet_id, row.transaction_type) for row in await self.partner.sql(query, c=self.partner.counterparty_id)
        }
        entries = await self.partner.entries()
        theirs = {(entry["bet_id"], entry["transaction_type"]) for entry in entries}
        rows = {name: await self.partner.row(bet) for name, bet in bets.items()}
        known = {row.bet_id: name for name, row in rows.items() if row is not None}

        def named(found: set[tuple[int, int]]) -> list[Any]:
            return sorted([known.get(bet_id, "a bet that nobody named"), kind] for bet_id, kind in found)

        return {"done with us alone": named(ours - theirs), "at the casino alone": named(theirs - ours)}


def _since(log: str, pid: int) -> str:
    """Return the supervisor's log since this process was ready, or all of it if it was the first one."""
    _, found, after = log.partition(f"is ready again, pid {pid}\n")
    return after if found else log


def _is_quiet(views: dict[str, Any]) -> bool:
    """Return whether no row says that something is on its way."""
    return bool(views) and not any(_is_moving(view) for view in views.values())


def _is_moving(view: dict[str, Any]) -> bool:
    # What is parked may have been marked.
    if view["state"] in ("accepting", "settling", "refunding") or view["reversal"] == "reversing":
        return True
    return (view["state"], view["told"]) == ("acceptance", False)
