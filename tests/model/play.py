"""Carries out the steps of a script at a running stack: one partner, its players, and names instead of ids.

A step is JSON: ``{"do": "calls", ...}``, ``{"do": "faults", ...}`` and so on. Bets and sessions have names of the
script's own, so that it can be played again; signatures are made when a call leaves.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp

from betcore.cli.cashback_orders import Issue, cancel_cashback, issue_cashback
from betcore.cli.context import CommandContext
from betcore.cli.ops_actions import send_action
from betcore.db.jackpot_pools import JackpotPools
from betcore.db.onboarding_limits import Limits
from betcore.db.onboarding_sessions import NewSession
from betcore.domain.errors import BetcoreError, PreconditionFailed
from betcore.domain.jackpots import NewPool
from betcore.domain.messages import Action
from betcore.domain.money import Money
from tests.model.book import CLAW_BACK, JACKPOT, STAKE
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
_BY_TWO = ("mark-taken", "mark-not-taken", "release", "refuse")
# Where more than one end is allowed, what is seen has to stand for so long.
_STANDS = 0.4
# Stakes that are booked to a pool at once: what they add must not depend on it.
_BATCH = 2
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
        self._pools: dict[str, int] = {}
        self._cashbacks: dict[str, int] = {}
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
        for name, (game, currency) in step["pools"].items():
            seed, share = Money.parse(step["seed"], currency), Decimal(step["share"])
            pool = NewPool(self.partner.casino, name, self.partner.provider, game, None, share, seed)
            self._pools[name] = (await self._jackpots.add(pool)).jackpot_id

    @property
    def _jackpots(self) -> JackpotPools:
        return JackpotPools(self._stack.database)

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
            # It begins with the first process that dies.
            while died and not (log.exists() and f"{name} is ready again, pid" in _since(log.read_text(), pid)):
                await asyncio.sleep(0.05)
        return died

    async def _wait(self, step: Step) -> None:
        """Time is one of the things that happen to a bet. ``dead_at``: no longer than until that point is reached;
        ``parked``: until a movement of that cashback is parked."""
        loop = asyncio.get_running_loop()
        until = loop.time() + step["seconds"]
        while (left := until - loop.time()) > 0:
            if "dead_at" in step and not (self._stack.failpoints / step["dead_at"]).exists():
                return
            if "parked" in step and (await self._cashback_view(step["parked"]))["parked"]:
                return
            await asyncio.sleep(min(0.05, left) if {"dead_at", "parked"} & set(step) else left)

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
        """Send one signed call; return the code, and the reason or what is said of a jackpot. No answer leaves the
        outcome unknown, as 99 does."""
        body = call["body"] | {"betId": self._bet(call["body"]["betId"])}
        if "jackpotId" in body:
            body["jackpotId"] = self._pools[body["jackpotId"]]
        session = self._sessions[call["session"]]
        try:
            async with asyncio.timeout(_PATIENCE.total):
                answer = await self.partner.post(call["operation"], body, session)
        except (aiohttp.ClientError, TimeoutError) as error:
            return [99, f"no answer: {type(error).__name__}"]
        assert answer.status == {99: 503, 2: 400}.get(answer.code, 200), answer
        if "jackpotAmount" in answer.body:
            assert answer.code in (1, 104), answer
            return [answer.code, f"jackpot {Decimal(str(answer.body['jackpotAmount'])):.2f}"]
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
        return await self._act(step["action"], row.bet_id, step["win"])

    async def _act(self, action: str, number: int, win: str | None = None) -> str:
        self._operations += 1
        heard = ""
        if action == "release alone":
            # One person, whose name is written in two ways.
            asked = [
                await self._act_as(f"{name} {self._operations}", Action.RELEASE, number, win) for name in ("ann", "ANN")
            ]
            return "alone" if asked == ["proposed", "refused"] else asked[-1]
        # Names of this step's own: what an earlier one has proposed stays a proposal.
        for operator in ("ann", "bob") if action in _BY_TWO else ("ann",):
            heard = await self._act_as(f"{operator} {self._operations}", Action(action), number, win)
            if heard != "proposed":
                break
        return heard

    @property
    def _context(self) -> CommandContext:
        return CommandContext(self._stack.settings, self._stack.database, self._stack.engine)

    async def _act_as(self, operator: str, action: Action, number: int, win: str | None) -> str:
        try:
            done = await send_action(self._context, action, str(number), operator, "a test", win)
        except BetcoreError as refusal:
            return "refused" if refusal.code == "operation_refused" else str(refusal.code)
        return "done" if done["done"] else "proposed"

    # Cashbacks

    async def _orders(self, step: Step) -> list[str]:
        """Give all orders of the step at once, as the commands do; return what became of each."""
        return list(await asyncio.gather(*(self._order(order) for order in step["orders"])))

    async def _order(self, order: Step) -> str:
        try:
            if order["order"] == "cancel":
                number = self._cashbacks[order["cashback"]]
                asked: str = (await cancel_cashback(self._context, number, "ann", "a test", wait=0))["asked"]
                return asked
            casino, player, amount = self.partner.casino, order["player"], order["amount"]
            issue = Issue(casino, player, amount, "EUR", "ann", "a test", order["cashback"], None)
            found = await issue_cashback(self._context, issue, wait=0)
        except PreconditionFailed:
            return "refused"
        self._cashbacks[order["cashback"]] = found["cashback_id"]
        opened: str = found["opened"]
        return opened

    async def _decide(self, step: Step) -> str:
        """Let operators look at the casino's books, and end what is parked; or have it sent ``again``."""
        view = await self._cashback_view(step["cashback"])
        if not view["parked"]:
            return "nothing is parked"
        [kind], made = view["parked"], [kind for kind, _ in view["journal"]]
        if kind > 0:
            action = "retry" if step["again"] or kind in made else "mark-paid"
        else:
            action = "mark-taken" if kind in made else "mark-not-taken"
            action = "retry" if step["again"] else action
        return f"{action} {await self._act(action, self._cashbacks[step['cashback']])}"

    async def _cashback_view(self, name: str) -> dict[str, Any]:
        number = self._cashbacks[name]
        query = """SELECT state, ARRAY(SELECT ARRAY[transaction_type::text, movement.state] FROM movement
                   WHERE bet_id = :c) AS movements FROM cashback WHERE cashback_id = :c"""
        (row,) = await self.partner.sql(query, c=number)
        movements = {int(kind): state for kind, state in row.movements}
        entries = await self.partner.entries(number)
        return {
            "state": row.state,
            "cancel": movements.get(CLAW_BACK),
            "parked": [kind for kind, state in movements.items() if state == "parked"],
            "journal": [[entry["transaction_type"], entry["amount"]] for entry in entries],
        }

    # What is seen

    async def _look(self, step: Step) -> list[list[Any]]:
        """Return the casino's journal of a bet as it is now."""
        row = await self.partner.row(self._bet(step["bet"]))
        return [] if row is None else await self._journal(row)

    async def _journal(self, row: Any) -> list[list[Any]]:
        """Return the casino's journal of a bet. What the bet has won of a pool has the pool's name there."""
        pool, found = self._pool_of(row), []
        for entry in await self.partner.entries(row.bet_id):
            kind, amount = entry["transaction_type"], entry["amount"]
            ours = pool is not None and kind == JACKPOT and amount == _major(row.jackpot)
            found.append([kind, pool if ours else amount])
        return found

    def _pool_of(self, row: Any) -> str | None:
        return next((name for name, number in self._pools.items() if number == row.jackpot_id), None)

    async def _lists(self, step: Step) -> int:
        """Return how many lists of several movements the casino has got."""
        return sum(call["path"] == "/payments/make-list" for call in await self.partner.calls())

    async def _rest(self, step: Step) -> dict[str, Any]:
        """Let the casino work; wait until bets and cashbacks are as ``allowed`` has them, at most for a while."""
        bets = {name: self._bet(name) for name in step["allowed"]["bets"]}
        orders = step["allowed"]["cashbacks"]
        allowed = step["allowed"]["bets"] | orders
        views: dict[str, Any] = {}
        loop = asyncio.get_running_loop()
        changed_at = loop.time()
        try:
            async with asyncio.timeout(_REST_WITHIN):
                while loop.time() < changed_at + (self.still / 4 if _is_quiet(views) else self.still):
                    before, views = views, {name: await self._view(bet) for name, bet in bets.items()}
                    views |= {name: await self._cashback_view(name) for name in orders}
                    changed_at = changed_at if before == views else loop.time()
                    fits = all(view in allowed[name] for name, view in views.items())
                    if fits and (before == views or all(len(ends) == 1 for ends in allowed.values())):
                        break
                    parked = any(_may_wake_up(view) for view in views.values())
                    await asyncio.sleep((_STANDS_PARKED if parked else _STANDS) if fits else 0.05)
        except TimeoutError:
            pass
        return {
            "bets": {name: views[name] for name in bets},
            "cashbacks": {name: views[name] for name in orders},
            "balances": await self._balances(),
            "pools": await self._pools_now(bets),
            "own": await self._own_books(bets),
        }

    async def _view(self, bet: str) -> dict[str, Any]:
        row = await self.partner.row(bet)
        if row is None:
            nothing = {"state": None, "refusal": None, "jackpot": None, "told": False, "reversal": None}
            return nothing | {"parked": [], "in_review": False, "journal": []}
        query = """SELECT (SELECT state FROM reversal WHERE bet_id = :b) AS reversal,
                          ARRAY(SELECT transaction_type FROM movement WHERE bet_id = :b AND state = 'parked') AS parked
                """
        (beside,) = await self.partner.sql(query, b=row.bet_id)
        return {
            "state": row.state,
            "refusal": row.refusal,
            "jackpot": self._pool_of(row) or (None if row.jackpot is None else _major(row.jackpot)),
            "told": row.told_at is not None,
            "reversal": beside.reversal,
            "parked": list(beside.parked),
            "in_review": row.review is not None and row.review["state"] == "in_review",
            "journal": await self._journal(row),
        }

    # Pools

    async def _pools_now(self, bets: dict[str, str]) -> dict[str, Any]:
        """Return what each pool has, and what it says of the bets that have won it, in their order; in minor units."""
        query = """SELECT entry.jackpot_id, provider_bet_id, -entry.amount AS amount
                   FROM jackpot_entry AS entry JOIN bet USING (bet_id)
                   WHERE entry.jackpot_id = ANY(:p) AND kind = 'win' ORDER BY number"""
        wins = await self.partner.sql(query, p=list(self._pools.values()))
        names = {bet: name for name, bet in bets.items()}
        return {
            name: {
                "amount": int((await self._jackpots.pool(number)).amount),
                "won": [[names[win.provider_bet_id], int(win.amount)] for win in wins if win.jackpot_id == number],
            }
            for name, number in self._pools.items()
        }

    async def _book(self, step: Step) -> dict[str, int]:
        """Book all stakes that have settled; return what each pool has then."""
        for number in self._pools.values():
            while await self._jackpots.book(number, _BATCH):
                pass
        return {name: int((await self._jackpots.pool(number)).amount) for name, number in self._pools.items()}

    async def _disable(self, step: Step) -> None:
        await self._jackpots.disable(self._pools[step["pool"]])

    async def _adjust(self, step: Step) -> str:
        """Change what a pool has, by two operators; return "done" or "refused"."""
        self._operations += 1
        number, verdict = self._pools[step["pool"]], ""
        for operator in (f"ann {self._operations}", f"bob {self._operations}"):
            try:
                verdict = (await self._jackpots.adjust(number, step["amount"], operator, "a test")).verdict
            except PreconditionFailed:
                return "refused"
            if verdict == "done":
                break
        return verdict

    async def _balances(self) -> dict[str, str]:
        client_id = self.partner.partner_client_id
        found = [await self.partner.at_casino("GET", f"/_players/{client_id}/{player}") for player in PLAYERS]
        return {player: one["balance"] for player, one in zip(PLAYERS, found, strict=True)}

    async def _own_books(self, bets: dict[str, str]) -> dict[str, Any]:
        """Return the differences between our movements and the casino's journal."""
        query = """SELECT movement.bet_id, transaction_type FROM movement JOIN bet USING (bet_id)
                   JOIN provider USING (provider_id) WHERE counterparty_id = :p AND movement.state = 'done'
                   UNION ALL
                   SELECT movement.bet_id, transaction_type FROM movement JOIN cashback ON cashback_id = movement.bet_id
                   JOIN casino USING (casino_id) WHERE casino.name = :c AND movement.state = 'done'"""
        done = await self.partner.sql(query, p=self.partner.counterparty_id, c=self.partner.casino)
        ours = {(row.bet_id, row.transaction_type) for row in done}
        entries = await self.partner.entries()
        theirs = {(entry["bet_id"], entry["transaction_type"]) for entry in entries}
        rows = {name: await self.partner.row(bet) for name, bet in bets.items()}
        known = {row.bet_id: name for name, row in rows.items() if row is not None}
        known |= {number: name for name, number in self._cashbacks.items()}

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


def _may_wake_up(view: dict[str, Any]) -> bool:
    """Return whether it may be parked only until an action is carried out: a stake, and the cancel of a cashback."""
    return STAKE in view["parked"] or (view["state"] == "cancelling" and bool(view["parked"]))


def _is_moving(view: dict[str, Any]) -> bool:
    # What is parked may have been marked.
    if view.get("in_review"):
        return False
    if view["state"] in ("accepting", "settling", "refunding", "issuing", "cancelling"):
        return True
    return view.get("reversal") == "reversing" or (view["state"], view.get("told")) == ("acceptance", False)


def _major(minor: Any) -> str:
    """Return an amount of the model's currencies, which all have two decimals."""
    return f"{Decimal(minor) / 100:.2f}"


def amount_won(call: Step, said: Sequence[Any]) -> int | None:
    """Return what an answer says in minor units of the pool that its call names; None if it says nothing of one."""
    if "jackpotId" not in call["body"] or not str(said[1]).startswith("jackpot "):
        return None
    return int(Decimal(said[1].split()[1]) * 100)


def as_allowed(call: Step, said: Sequence[Any]) -> list[Any]:
    """Return an answer in the words of the book: 104 is 1, no answer is 99, and a pool that was won has its name."""
    code, reason = said
    if code == 99:
        return [99, "outcome_unknown"]
    if amount_won(call, said):
        return [1, f"jackpot {call['body']['jackpotId']}"]
    if code == 104:
        return [1, None if reason == "already_processed" else reason]
    return [code, reason]
