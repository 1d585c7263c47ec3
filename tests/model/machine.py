"""Hypothesis as a provider, a casino and an operator: it makes up what happens, ``book`` says what may come of it.

Every step is written down as it is played. The shortest sequence in which service and book disagree is kept as a
script that ``python -m tests.model.replay`` plays again.
"""

import json
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.model import book, pools
from tests.model.book import POOLS, UNKNOWN, Bets, Call, Said, World
from tests.model.orders import OrderRules
from tests.model.play import BALANCE, PLAYERS, Step, amount_won, as_allowed
from tests.model.pools import Contributions, Pools
from tests.model.script import once, picked

_DEFINITE_WITHIN = 30
# Short times, if the specification lets a profile choose; the casino applies at once what it takes.
_CASINO = (
    "{{attempt_timeout: 1.5, message_lifetime: 2, clock_leeway: 0.5, effect_within: 1, accept_within: 1, "
    "retry: {{first: 0.1, cap: 0.3}}, breaker: {{failures: 100000}}, approval_above: {{EUR: 100000, USD: 100000}}, "
    "send: {{list: {lists}}}}}"
)
_DEADLINE = 1.0
_SHORT, _LONGER, _NEVER = 0.5, 0.6, 300
# How long a bet without an answered PayIn may take until it is withdrawn, on a busy machine.
_TAKEN_BACK_WITHIN = 4
# The part of each stake that goes to a pool, so that no stake's part is a whole number of cents.
_SHARE = "0.1151"
# How long a worker is stopped after the last call of a step has left.
_AWAY = 0.15


@dataclass(frozen=True)
class _Slot:
    """The bet that a name stands for, if no call contradicts it."""

    player: str
    round: str
    stake: str
    win: str


_Stage = book.Stage
_OPEN = (_Stage.TAKING, _Stage.TAKEN)
# A bet that has won a pool is at one of these stages.
_WON = (_Stage.PAYING, _Stage.PAYING_JACKPOT, _Stage.PAID)
_SLOTS = {
    "b1": _Slot("anna", "r1", "10.00", "25.00"),
    "b2": _Slot("anna", "r2", "20.00", "5.50"),
    "b3": _Slot("boris", "r3", "30.00", "60.00"),
}


# What is drawn

_slots = st.sampled_from(sorted(_SLOTS))
_twists = st.sampled_from(["", "", "", "", "", "amount", "player", "round", "currency", "game", "jackpot", "pool"])
# What a bet wins beside its winnings, if it wins.
_jackpots = st.sampled_from([None, None, None, "500.00", "grand", "grand"])
_stakes = st.sampled_from(["", "", "", "", "", "5000.00", "0.05", "9999.00"])
_picks = st.integers(0, 11)
_wins = st.sampled_from(["", "", "", "0.00"])
_openings = st.sampled_from(["pay-in", "pay-in-out"])
_kinds = st.sampled_from([None, -1, 1, 4, 2, -2])
_times = st.sampled_from([1, 2, None])


def _fault(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    fixed = st.fixed_dictionaries(fields)
    return fixed.map(lambda fault: {name: value for name, value in fault.items() if value is not None})


_MAKE, _INFO = st.just(book.MAKE), st.just(book.INFO)
_MISHEARD = ("lost", "cut", "garbage", "wrong_bet", "wrong_type", "missing", "drop", "error", "status", "duplicate")
_troubles = st.sampled_from((*_MISHEARD, "answer"))
_mishaps = _fault(path=_MAKE, kind=st.sampled_from(_MISHEARD), transaction_type=_kinds, times=_times)
_committed = _fault(
    path=_MAKE, kind=st.sampled_from(["error", "status"]), commit=st.just(True), transaction_type=_kinds, times=_times
)
_delays = _fault(
    path=_MAKE, kind=st.just("delay"), delay=st.sampled_from([0.5, 2]), transaction_type=_kinds, times=_times
)
_held = _fault(path=_MAKE, kind=st.just("hold_after"), transaction_type=_kinds, times=_times)
_blind = _fault(path=_INFO, kind=st.sampled_from(["error", "drop", "garbage"]), times=_times)
# What a casino says that has taken the movement, and whose words are its own.
_ODD_WORDS: list[dict[str, Any]] = [
    {"status": 409, "body": '{"ErrorCode": 409, "Message": "Conflict", "Value": null}'},
    {"status": 201, "body": '{"ErrorCode": 200, "Message": "Created", "Value": null}'},
    {"status": 200, "body": '{"ErrorCode": 990099, "Message": "Already there", "Value": null}'},
    {"status": 200, "body": '{"Code": 200, "Text": "Success", "Data": {}}'},
]
_odd_words = st.sampled_from(_ODD_WORDS)


def _odd(kind: int | None, times: int | None, words: dict[str, Any]) -> dict[str, Any]:
    limit = {} if times is None else {"times": times}
    about = {} if kind is None else {"transaction_type": kind}
    return {"path": book.MAKE, "kind": "answer", "commit": True} | about | limit | words


_oddities = st.builds(_odd, _kinds, _times, _odd_words)
_false_duplicates = _fault(
    path=_MAKE, kind=st.just("error_code"), error_code=st.just(book.DUPLICATE), transaction_type=_kinds, times=_times
)
_clean = _fault(path=st.sampled_from([book.MAKE, book.INFO]), kind=st.sampled_from(book.CLEAN), times=_times)
_MISREAD: dict[str, Any] = {"path": book.INFO, "kind": "rewrite", "fields": {"Amount": "77.77"}}
_refusals = st.sampled_from(
    [
        *[(-1, 103802), (-1, 103805), (-1, 103806), (-1, 102823)],
        *[(1, 103805), (1, 103806), (1, 102823), (2, 103805), (2, 102823), (-2, 103802)],
        *[(4, 103805), (4, 103806), (4, 102823)],
    ]
).flatmap(
    lambda chosen: _fault(
        path=_MAKE,
        kind=st.just("error_code"),
        transaction_type=st.just(chosen[0]),
        error_code=st.just(chosen[1]),
        times=_times,
    )
)
_ACCEPT = st.just(book.ACCEPTS)
_of_accepts = st.one_of(
    _fault(path=_ACCEPT, kind=st.sampled_from(book.CLEAN), transaction_type=_kinds, times=_times),
    _fault(path=_ACCEPT, kind=st.sampled_from(["drop", "repeat", "early"]), transaction_type=_kinds, times=_times),
    _fault(path=_ACCEPT, kind=st.just("delay"), delay=st.just(1.5), transaction_type=_kinds, times=_times),
    _fault(path=_ACCEPT, kind=st.just("contradict"), transaction_type=st.sampled_from([1, 2, 4]), times=_times),
    _fault(
        path=_ACCEPT,
        kind=st.just("error_code"),
        error_code=st.sampled_from([103805, 102823]),
        transaction_type=st.sampled_from([1, 2, 4]),
        times=_times,
    ),
)
_ITEMS = ("item_missing", "last_item_missing", "item_doubled", "item_foreign", "items_reversed")
# What a casino does with a list. The whole of it is refused, and nothing of it was made; or each item, and was made.
_LIST_FAULTS: list[dict[str, Any]] = [
    *({"kind": kind} for kind in (*_MISHEARD, *_ITEMS)),
    *({"kind": kind, "commit": True} for kind in ("error", "status")),
    {"kind": "hold_after"},
    *({"kind": "error_code", "error_code": code} for code in (103801, 103805)),
    *({"kind": "rewrite", "fields": {"ErrorCode": code}} for code in (103805, 102823)),
]


def _of_a_list(fault: dict[str, Any], times: int | None) -> dict[str, Any]:
    return {"path": book.LIST} | fault | ({} if times is None else {"times": times})


_of_lists = st.builds(_of_a_list, st.sampled_from(_LIST_FAULTS), _times)
_faults = st.one_of(
    _mishaps, _mishaps, _committed, _delays, _held, _refusals, _refusals, _oddities, _false_duplicates, _clean
)


@dataclass(frozen=True)
class _Scene:
    """A part that takes seconds, in few examples, else the others would get no time. ``after`` this many steps."""

    what: str
    after: int
    place: int
    pick: int
    point: str
    action: str
    mended: bool
    duplicate: bool
    words: dict[str, Any]
    results: list[str]
    in_list: dict[str, Any] | None


_SCENES = {
    "": 30,
    "odd words": 6,
    "credits in a list": 6,
    "a misread list": 2,
    "a cancel in doubt": 2,
    "a death": 1,
}
_CANCELS = [("c1", "lost"), ("c2", "drop"), ("c2", "lost"), ("c1", "garbage")]
_POINTS = ["counted", "answered", "recorded", "outcome_known", "outcome_told", "answer_written"]


def _scene(number: int) -> _Scene:
    """Return the scene of a number. Hypothesis repeats what it has drawn: with numbers each scene gets its share."""
    # Small numbers are drawn most: those from 0 to 5 are plain examples.
    dice = random.Random(number + 7)
    return _Scene(
        what=dice.choices(list(_SCENES), list(_SCENES.values()))[0],
        after=dice.randrange(4),
        place=dice.randrange(3),
        pick=dice.randrange(12),
        point=dice.choice(_POINTS),
        action=dice.choice(["mark-taken", "mark-not-taken", "void", "retry"]),
        mended=dice.random() < 0.5,
        duplicate=dice.random() < 0.3,
        words=dice.choice(_ODD_WORDS),
        results=[dice.choice(["pay-out", "pay-out", "refund"]) for _ in _SLOTS],
        in_list=dice.choice([None, *_LIST_FAULTS]),
    )


_scenes = st.integers(0, 2**64 - 1).map(_scene)


class Machine(OrderRules):
    """Three bets of two players, and cashbacks beside them; each rule is one step of the script."""

    def __init__(self) -> None:
        super().__init__()
        self._bets: dict[str, Bets] = {}
        self._jackpots: dict[str, str | None] = {}
        self._pools: dict[str, Pools] = {}
        self._contributions = {pool: Contributions(Decimal(_SHARE)) for pool in POOLS}
        self._disabled: set[str] = set()
        self._seats = {player: 0 for player in PLAYERS}
        self._calls: list[Call] = []
        self._open_ended: dict[Call, None] = {}
        self._accept, self._codes_104, self._lists = False, False, ""
        self._scene: _Scene | None = None
        self._steps = 0
        # Whether the provider asks until it knows, though the casino is not well.
        self._patient = False

    # How a step is played

    def _now(self, name: str) -> Bets:
        return self._bets.get(name, book.UNSEEN)

    def _change_world(self, step: Step, change: Callable[[], None]) -> None:
        """Change the world; what may have happened until now has happened in the old one."""
        self._settle()
        # While it changes, either may hold.
        self._do(step)
        self._settle()
        change()
        self._settle()

    @contextmanager
    def _late(self) -> Iterator[None]:
        """Let calls be late during the block: a worker may be away."""
        self._world.late = True
        self._settle()
        yield
        self._settle()
        self._world.late = False

    def _settle(self) -> None:
        super()._settle()
        self._bets = {name: book.closure(bets, self._world) for name, bets in self._bets.items()}

    # Calls

    def _say(self, *calls: Call, away: float | None = None) -> tuple[Said, ...]:
        """Make these calls at once; all are of one bet. ``away``: the worker is stopped meanwhile."""
        name = calls[0].bet
        allowed = book.hear(self._now(name), calls, self._world)
        heard = self._hear(calls, allowed, away)
        answered = self._script[-1]
        self._bets[name] = allowed[heard]
        self._hear_of_pools(answered)
        if any(said[0] == 1 for said in heard):
            self._look(name)
        return heard

    def _say_together(self, calls: Sequence[Call], away: float | None = None) -> None:
        """Make these calls at once; each is of a bet of its own."""
        allowed = [book.hear(self._now(call.bet), (call,), self._world) for call in calls]
        heard = self._hear(calls, [tuple(said for (said,) in answers) for answers in product(*allowed)], away)
        answered = self._script[-1]
        for call, said, one in zip(calls, heard, allowed, strict=True):
            self._bets[call.bet] = one[(said,)]
        self._hear_of_pools(answered)
        for call, said in zip(calls, heard, strict=True):
            if said[0] == 1:
                self._look(call.bet)

    def _hear(
        self, calls: Sequence[Call], allowed: Collection[tuple[Said, ...]], away: float | None = None
    ) -> tuple[Said, ...]:
        """Make calls at once, and return their answers, which have to be allowed."""
        step: Step = {"do": "calls", "calls": [_words(call) for call in calls]}
        if away is not None:
            step["away"] = away
            self.trials.counts["calls while the worker is away"] += 1
        step["allowed"] = sorted([list(map(list, said)) for said in allowed], key=str)
        raw = self._do(step)
        heard = tuple(self._normal(call, said) for call, said in zip(step["calls"], raw, strict=True))
        for call, (code, reason) in zip(calls, heard, strict=True):
            self.trials.answers[f"{call.operation} {code} {reason or ''}".rstrip()] += 1
        for call, said in zip(calls, heard, strict=True):
            self._open_ended.pop(call, None)
            if said == UNKNOWN:
                self._open_ended[call] = None
        if heard not in allowed:
            names = " ".join(sorted({call.bet for call in calls}))
            self._disagree(f"{names}: heard {heard}, allowed {sorted(allowed, key=str)}")
        self._calls.extend(call for call in calls if call not in self._calls)
        return heard

    def _hear_of_pools(self, answered: Step) -> None:
        """Check what answers say of pools: a bet that has won one hears the same each time, and no other has it."""
        for call, said in zip(answered["calls"], answered["heard"], strict=True):
            amount, bet = amount_won(call, said), call["body"]["betId"]
            if amount is not None:
                pool = call["body"]["jackpotId"]
                self._pools[pool] = pools.after(self._pool_now(pool), bet, amount)
                if not self._pools[pool]:
                    self._disagree(f"{bet}: it cannot have won {amount} of the pool {pool}")

    def _pool_now(self, pool: str) -> Pools:
        """Return what may have become of a pool by now: any bet that may be paid may have emptied it."""
        now = {name: book.closure(bets, self._world) for name, bets in self._bets.items()}
        may = [name for name, bets in now.items() if any(_has_won(bet, pool) for bet in bets)]
        return pools.closure(self._pools[pool], may)

    def _look(self, name: str) -> None:
        """Check that what was answered "done" is done: once nothing is on its way, the money is where it belongs."""
        bets = self._now(name)
        if any(next(book.steps(bet, self._world), None) for bet in bets):
            return
        allowed = sorted({journal for bet in bets for journal in bet.journals()})
        step: Step = {"do": "look", "bet": name, "allowed": [[list(one) for one in journal] for journal in allowed]}
        if self._do(step) not in step["allowed"]:
            self._disagree(f"{name}: after this answer the casino's journal is {step['heard']}, allowed {allowed}")

    def _normal(self, call: Step, said: list[Any]) -> Said:
        """Return an answer in the words of the book; 104 is none if the profile does not have it."""
        code, reason = said if said[0] == 104 and not self._codes_104 else as_allowed(call, said)
        return code, reason

    def _say_until_known(self, call: Call) -> None:
        """Repeat the call until its answer is definite, as a provider does; the casino must work, or confirm."""
        until = time.monotonic() + _DEFINITE_WITHIN
        while self._say(call) == (UNKNOWN,):
            if time.monotonic() > until:
                self._disagree(f"{call.bet}: {call.operation} hears 99 for {_DEFINITE_WITHIN} s, and is to be known")
            time.sleep(0.05)

    def _ask(self, call: Call) -> None:
        calm = self._patient or self._world.calm
        if calm and self._world.tells and book.will_be_known(self._now(call.bet), call, self._world):
            self._say_until_known(call)
        else:
            self._say(call)

    def _slot(self, name: str) -> _Slot:
        """Return the bet as it was opened, if it was: a call that does not contradict it has the same data."""
        slot = _SLOTS[name]
        opened = next((bet.opened for bet in self._now(name) if bet.opened is not None), None)
        if opened is None:
            return slot
        wins = [bet.win for bet in self._now(name) if bet.win is not None]
        return _Slot(opened.player, opened.round, opened.stake or slot.stake, opened.win or (wins or [slot.win])[0])

    def _jackpot(self, name: str, twist: str) -> str | None:
        """Return what a bet wins beside its winnings: what it has, if that is decided, but for a twist."""
        known = [bet.jackpot for bet in self._now(name) if bet.stage is not _Stage.NONE and (bet.win or bet.one_step)]
        jackpot = known[0] if known else self._jackpots[name]
        if twist == "jackpot":
            return "750.00" if jackpot is None else None
        return "wheel" if twist == "pool" else jackpot

    def _in(self, *stages: book.Stage) -> list[str]:
        """Return the bets that may be in one of these stages by now."""
        now = {name: book.closure(self._now(name), self._world) for name in _SLOTS}
        return [name for name, bets in now.items() if any(bet.stage in stages for bet in bets)]

    def _stages(self, name: str) -> set[book.Stage]:
        return {bet.stage for bet in book.at_rest(self._now(name), self._world)}

    def _call(self, operation: str, name: str, twist: str = "", stake: str = "", win: str = "") -> Call:
        slot = self._slot(name)
        player, game, currency = slot.player, "dice", "EUR"
        if twist == "player":
            player = next(other for other in PLAYERS if other != slot.player)
        session = f"{player}-{self._seats[player]}"
        opens = operation in ("pay-in", "pay-in-out")
        if twist == "currency" and not (opens and any(bet.stage is book.Stage.NONE for bet in self._now(name))):
            session, currency = f"{player}-usd", "USD"
        if twist == "game":
            session, game = f"{player}-wheel", "wheel"
        raised = Decimal("1.00") if twist == "amount" else Decimal(0)
        wins = operation in ("pay-out", "pay-in-out")
        return Call(
            operation,
            name,
            session,
            player,
            currency,
            game,
            round="" if operation == "refund" else slot.round + ("x" if twist == "round" else ""),
            stake=str(Decimal(stake or slot.stake) + raised) if opens else None,
            win=str(Decimal(win or slot.win) + raised) if wins else None,
            jackpot=self._jackpot(name, twist) if wins else None,
        )

    # Rules: the casino and its profile

    @initialize(
        accept=st.booleans(),
        soon_never_seen=st.booleans(),
        soon_withdrawn=st.booleans(),
        reverses=st.booleans(),
        code_104=st.booleans(),
        duplicates=st.booleans(),
        lists=st.sampled_from(["false", "credits", "one_step"]),
        jackpots=st.fixed_dictionaries({name: _jackpots for name in _SLOTS}),
        limited=st.sampled_from([False, False, True]),
        seed=st.sampled_from(["100.00", "1.00", "0.00"]),
        scene=_scenes,
    )
    def open(
        self,
        accept: bool,
        soon_never_seen: bool,
        soon_withdrawn: bool,
        reverses: bool,
        code_104: bool,
        duplicates: bool,
        lists: str,
        jackpots: dict[str, str | None],
        limited: bool,
        seed: str,
        scene: _Scene,
    ) -> None:
        """Set up a provider, a casino and pools of this example's own."""
        # An Accept would end what is left in doubt.
        accept = accept and scene.what not in ("a misread list", "a cancel in doubt")
        lists = "credits" if scene.what == "credits in a list" else lists
        self._accept, self._codes_104, self._lists, self._scene = accept, code_104, lists, scene
        self._jackpots = jackpots
        self._pools = dict.fromkeys(POOLS, pools.of_seed(_minor(seed)))
        self._world = World(soon_never_seen, soon_withdrawn, reverses, lists == "one_step", accept, limited)
        provider = {
            "answer_deadline": _DEADLINE,
            "order_window": _SHORT if soon_never_seen else _NEVER,
            "unconfirmed_within": _SHORT if soon_withdrawn else _NEVER,
            "refund_after_pay_out": "reverse" if reverses else "refuse",
            "duplicates": "code_104" if code_104 else "replay",
            "win_review": {"max_win": dict.fromkeys(("EUR", "USD"), str(book.MAX_WIN)) if limited else {}},
        }
        switches = {"repeats": "duplicate"} if duplicates else {"repeats": "replay"}
        way = "accept" if accept else "reply"
        self._do(
            {"do": "open", "confirmation": way, "provider": json.dumps(provider), "casino": _CASINO.format(lists=lists)}
            | {"switches": switches, "pools": {name: list(of) for name, of in POOLS.items()}}
            | {"seed": seed, "share": _SHARE}
        )

    @rule(pick=_picks, operation=st.sampled_from(["pay-in", "pay-in", "pay-in-out"]))
    def bet(self, pick: int, operation: str) -> None:
        """Open a new bet that no rule refuses."""
        for name in picked(pick, self._in(_Stage.NONE)):
            self._ask(self._call(operation, name))

    @rule(pick=_picks, operation=st.sampled_from(["pay-out", "refund"]), win=_wins)
    def result(self, pick: int, operation: str, win: str) -> None:
        """Send the result of an open bet."""
        for name in picked(pick, self._in(*_OPEN)):
            self._ask(self._call(operation, name, win=win))

    @rule(name=_slots, operation=_openings, twist=_twists, stake=_stakes, win=_wins)
    def open_strangely(self, name: str, operation: str, twist: str, stake: str, win: str) -> None:
        """PayIn or PayInOut of any bet, with anything."""
        self._ask(self._call(operation, name, twist, stake=stake, win=win))

    @rule(name=_slots, twist=_twists, win=_wins)
    def pay_out(self, name: str, twist: str, win: str) -> None:
        """PayOut of any bet."""
        self._ask(self._call("pay-out", name, twist, win=win))

    @rule(name=_slots, twist=st.sampled_from(["", "", "", "player", "currency", "game"]))
    def refund(self, name: str, twist: str) -> None:
        """Refund of any bet."""
        self._ask(self._call("refund", name, twist))

    @rule(name=_slots, kind=_troubles, times=_times, win=_wins, pick=_picks, refuses=_picks)
    def in_trouble(self, name: str, kind: str, times: int | None, win: str, pick: int, refuses: int) -> None:
        """Play what a bet does next at a casino that fails just then."""
        stages = self._stages(name)
        if _Stage.NONE in stages and (opening := ("", "pay-in", "pay-in-out")[pick % 3]):
            self.mend()
            self._ask(self._call(opening, name))
            stages = self._stages(name)
        if _Stage.NONE in stages:
            nexts = [("pay-in", -1), ("pay-in-out", -1), ("pay-in-out", 1)]
        elif _Stage.TAKEN in stages:
            nexts = [("pay-out", 4 if self._jackpot(name, "") and pick % 4 else 1), ("refund", 2)]
        else:
            nexts = [("refund", -2), ("refund", 2)]
        operation, moves = nexts[pick % len(nexts)]
        wins = [103805, 103806, 102823]
        codes = {-1: [103802, 102823], 1: wins, 4: wins, 2: [103805], -2: [103802]}[moves]
        where: dict[str, Any] = {"path": "/payments/make", "transaction_type": moves}
        limit = {} if times is None else {"times": times}
        odd = _ODD_WORDS[refuses // 3] | {"commit": True} if kind == "answer" else {}
        unclear = where | odd | {"kind": kind}
        refusal = where | limit | {"kind": "error_code", "error_code": codes[refuses // 3 % len(codes)]}
        # The second way: a send without an answer, and then the repeat is refused.
        self._break([[unclear | limit], [unclear | {"times": 1}, refusal], [refusal]][refuses % 3])
        self._ask(self._call(operation, name, win=win))

    @rule(pick=_picks)
    def again(self, pick: int) -> None:
        """Repeat any earlier call exactly."""
        for call in picked(pick, self._calls):
            self._ask(call)

    @rule(
        name=_slots,
        first=st.sampled_from(["pay-in", "pay-in-out", "pay-out", "refund"]),
        second=st.sampled_from(["pay-in", "pay-out", "refund"]),
        twist=st.sampled_from(["", "", "", "amount", "player", "jackpot"]),
        win=st.sampled_from(["", "0.00"]),
    )
    def atonce(self, name: str, first: str, second: str, twist: str, win: str) -> None:
        """Make two calls of one bet at the same moment: the same one twice, or two that cross."""
        self._say(self._call(first, name), self._call(second, name, twist, win=win))

    @rule(
        pick=_picks,
        opening=st.sampled_from(["pay-in", "pay-in", "pay-in-out"]),
        operation=st.sampled_from(["pay-out", "pay-out", "refund", "pay-in"]),
        twist=st.sampled_from(["round", "player", "player", "amount", "jackpot"]),
        right_first=st.sampled_from([False, False, True]),
    )
    def right_and_wrong(self, pick: int, opening: str, operation: str, twist: str, right_first: bool) -> None:
        """Stop the worker for a moment, and open a bet meanwhile; call it with its own data and with others."""
        for name in picked(pick, self._in(_Stage.NONE)):
            calls = [self._call(operation, name, twist), self._call(operation, name)]
            if right_first:
                calls.reverse()
            with self._late():
                self._say(self._call(opening, name), *calls, away=_AWAY)

    @precondition(lambda self: self._lists != "false")
    @rule(fault=_of_lists)
    def break_lists(self, fault: dict[str, Any]) -> None:
        """Let the casino fail with lists alone."""
        # A casino that refuses a stake has not taken it: such a list is only one of credits.
        if self._lists == "credits" or fault["kind"] != "rewrite":
            self._break([fault])

    @precondition(lambda self: self._lists == "one_step")
    @rule(fault=_of_lists, pick=_picks, win=_wins)
    def one_step(self, fault: dict[str, Any], pick: int, win: str) -> None:
        """Open a bet whose stake and win leave in one list, at a casino that fails with it."""
        self.break_lists(fault)
        for name in picked(pick, self._in(_Stage.NONE)):
            self._ask(self._call("pay-in-out", name, win=win))

    @invariant()
    def scene(self) -> None:
        """Play a part that takes seconds when its moment has come."""
        self._steps += 1
        if self._scene is not None and self._steps > self._scene.after:
            self._play_scene()

    def _play_scene(self) -> None:
        scene, self._scene = self._scene, None
        if scene is not None and scene.what:
            self.trials.counts[scene.what] += 1
            self.mend()
            parts: dict[str, Callable[[_Scene], None]] = {
                "odd words": self._odd_words,
                "credits in a list": self._credits_in_a_list,
                "a misread list": self._misread,
                "a cancel in doubt": lambda scene: self._cancel_in_doubt(*_CANCELS[scene.pick % len(_CANCELS)]),
                "a death": self._death,
            }
            parts[scene.what](scene)

    def _whose(self, scene: _Scene) -> str:
        """Return the bet of a scene: mostly one that has something to do."""
        those = self._in(_Stage.NONE, _Stage.TAKEN) if scene.pick % 6 else []
        return (those or sorted(_SLOTS))[scene.place % len(those or _SLOTS)]

    def _next(self, name: str, scene: _Scene) -> tuple[str, int]:
        """Return what the bet of a scene does next, and the movement that this is."""
        stages = self._stages(name)
        if _Stage.NONE in stages:
            return ("pay-in", "pay-in-out")[scene.pick % 2], -1
        if _Stage.TAKEN in stages:
            return (("pay-out", 1), ("refund", 2))[scene.pick % 2]
        return "refund", -2

    def _odd_words(self, scene: _Scene) -> None:
        """Let the casino take a movement and answer in an unknown form, or answer "duplicate" and take nothing:
        what can be known is known all the same."""
        self._patient, name = True, self._whose(scene)
        if scene.pick % 4 and _Stage.NONE in self._stages(name):
            self._ask(self._call("pay-in", name))
        operation, kind = self._next(name, scene)
        duplicate = {"kind": "error_code", "error_code": book.DUPLICATE}
        about = {"path": book.MAKE, "transaction_type": kind}
        self._break([about | duplicate if scene.duplicate else _odd(kind, None, scene.words)])
        self._ask(self._call(operation, name))

    def _credits_in_a_list(self, scene: _Scene) -> None:
        """Let the results of several bets come while the worker is away, or the casino is down, so that their credits
        leave in one call."""
        for name in self._in(_Stage.NONE):
            self._ask(self._call("pay-in", name))
        those = self._in(_Stage.TAKEN)
        if not those:
            return
        calls = [self._call(operation, name) for operation, name in zip(scene.results, those, strict=False)]
        faults = [] if scene.in_list is None else [_of_a_list(scene.in_list, None)]
        if scene.mended:
            self._break([{"path": path, "kind": "error"} for path in (book.MAKE, book.LIST)])
            self._say_together(calls)
            self._break(faults)
        else:
            self._break(faults)
            with self._late():
                self._say_together(calls, away=_AWAY)
        for call in calls:
            self._ask(call)

    def _misread(self, scene: _Scene) -> None:
        """Let the casino list a debit with another amount: it is parked, and operators decide."""
        name = self._whose(scene)
        stages = self._stages(name)
        operation, kind = ("pay-in", -1) if _Stage.NONE in stages else ("refund", -2)
        about = {"path": book.MAKE, "transaction_type": kind}
        duplicate = about | {"kind": "error_code", "error_code": book.DUPLICATE}
        self._break([about | {"kind": "lost", "times": 1}, duplicate, _MISREAD])
        self._say(self._call(operation, name))
        if scene.mended:
            self.mend()
        self._operate(name, scene.action, "")

    def _death(self, scene: _Scene) -> None:
        """Kill the worker, or the API, at a chosen point of what a bet does next; it is started again."""
        if scene.pick % 4 == 3:
            self._die_issuing("c1", scene.point)
            return
        name = self._whose(scene)
        operation, kind = self._next(name, scene)
        if self._world.soon_withdrawn and kind == book.STAKE:
            self._die_withdrawn(name)
            return
        what = {-1: "debit", -2: "claw_back"}.get(kind, "credit")
        with self._dying(scene.point if "_" in scene.point else f"{what}_{scene.point}"):
            self._say(self._call(operation, name))

    def _die_withdrawn(self, name: str) -> None:
        """Play between the statement that withdraws a bet without an answered PayIn and the workflow that reads it."""
        pay_in, pay_out = self._call("pay-in", name), self._call("pay-out", name)
        self._break([{"path": book.MAKE, "kind": "delay", "delay": _DEADLINE + 0.2, "transaction_type": -1}])
        with self._dying("withdrawn"):
            self._say(pay_in)
            self._do({"do": "wait", "seconds": _TAKEN_BACK_WITHIN, "dead_at": "withdrawn"})
            self._settle()
            for call in (pay_out, pay_in):
                self._say(call)
        self.mend()

    def _die_issuing(self, name: str, point: str) -> None:
        """Kill the worker while it issues a cashback: no call waits for that."""
        point = "credit_counted" if "_" in point else f"credit_{point}"
        with self._dying(point):
            self._issue(name)
            self._do({"do": "wait", "seconds": _TAKEN_BACK_WITHIN, "dead_at": point})

    @contextmanager
    def _dying(self, point: str) -> Iterator[None]:
        with self._late():
            self._do({"do": "arm", "point": point})
            yield
            died = self._do({"do": "revive", "point": point})
        self.trials.counts[f"death at {point}"] += died

    @rule(fault=_faults, blind=st.one_of(st.none(), st.none(), _blind, _clean))
    def break_casino(self, fault: dict[str, Any], blind: dict[str, Any] | None) -> None:
        """Let the casino fail."""
        self._break([fault, *([blind] if blind else [])])

    @precondition(lambda self: self._accept)
    @rule(fault=_of_accepts)
    def break_accepts(self, fault: dict[str, Any]) -> None:
        """Let the casino's Accepts fail."""
        self._break([fault])

    def _break(self, faults: list[dict[str, Any]]) -> None:
        # From here on either the old or the new ones may meet a send.
        before = self._world.faults
        self._settle()
        self._world.faults = [*before, *faults]
        self._settle()
        self._do({"do": "faults", "faults": faults})
        self._settle()
        self._world.faults = faults

    @rule()
    def mend(self) -> None:
        """Let the casino work again."""
        if not self._world.faults:
            return
        self._settle()
        self._do({"do": "faults", "faults": []})
        self._settle()
        self._world.faults = []

    @rule()
    def time_passes(self) -> None:
        """Longer than the short one of the profile's times."""
        if self._script[-1]["do"] != "wait":
            self._do({"do": "wait", "seconds": _LONGER})
            self._settle()

    # Rules: people

    @rule(
        pick=_picks,
        anywhere=st.sampled_from([False, False, True]),
        action=st.sampled_from(["void", "settle", "retry", "mark-paid", "mark-taken", "mark-not-taken"]),
        win=st.sampled_from(["25.00", "0.00"]),
    )
    def operate(self, pick: int, anywhere: bool, action: str, win: str) -> None:
        """Let an operator act, mostly if there is something to do."""
        parked = [name for name in _SLOTS if any(bet.parked for bet in self._now(name))]
        for name in picked(pick, sorted(_SLOTS) if anywhere else (parked or self._in(*_OPEN, *_WON[:2]))):
            self._operate(name, action, win)

    @precondition(lambda self: self._held())
    @rule(pick=_picks, action=st.sampled_from(["release", "release", "refuse", "refuse", "release alone"]))
    def review(self, pick: int, action: str) -> None:
        """Let two operators decide a win that waits; or one who asks twice."""
        for name in picked(pick, self._held()):
            self._operate(name, action, "")

    def _held(self) -> list[str]:
        """Return the bets whose win may wait for operators by now."""
        now = {name: book.closure(bets, self._world) for name, bets in self._bets.items()}
        return [name for name, bets in sorted(now.items()) if any(bet.held for bet in bets)]

    def _operate(self, name: str, action: str, win: str) -> None:
        given = win if action == "settle" else None
        allowed = book.operate(self._now(name), action, given, self._world)
        step = {"do": "operate", "bet": name, "action": action, "win": given, "allowed": sorted(allowed)}
        heard = self._do(step)
        if heard not in allowed:
            self._disagree(f"{name}: {action} hears {heard}, allowed {sorted(allowed)}")
        self._bets[name] = allowed[heard]

    @precondition(lambda self: "grand" in self._jackpots.values() and "grand" not in self._disabled)
    @rule(amount=st.sampled_from([0, 0, 250, -250, -5000]))
    def change_pool(self, amount: int) -> None:
        """Let operators change what a pool has, or disable it."""
        if amount:
            allowed = pools.adjusted(self._pool_now("grand"), amount)
            heard = self._do({"do": "adjust", "pool": "grand", "amount": amount, "allowed": sorted(allowed)})
            if heard not in allowed:
                self._disagree(f"the pool grand: {amount} more is {heard}, allowed {sorted(allowed)}")
            self._pools["grand"] = allowed[heard]
            return
        # What has settled by then still counts.
        self.rest()
        self._do({"do": "disable", "pool": "grand"})
        self._disabled.add("grand")
        self._pools["grand"] = pools.disabled(self._pools["grand"])

    @rule(player=st.sampled_from(PLAYERS), what=st.sampled_from(["session", "block here", "block at the casino"]))
    def people(self, player: str, what: str) -> None:
        """End a player's session, or begin another one; block a player, or unblock it."""
        name = f"{player}-{self._seats[player]}"
        if what != "session":
            here = what == "block here"
            those = self._world.blocked if here else self._world.blocked_at_casino
            step: Step = {"do": "block", "player": player, "where": "here" if here else "casino"}
            step |= {"blocked": player not in those}
            self._change_world(step, lambda: those.symmetric_difference_update({player}))
        elif name in self._world.ended:
            self._seats[player] += 1
            self._do({"do": "session", "name": f"{player}-{self._seats[player]}", "player": player})
        else:
            self._change_world({"do": "end_session", "name": name}, lambda: self._world.ended.add(name))

    # Rest

    @rule()
    def rest(self) -> None:
        """Let the casino work and all come to rest; check rows, journal and balances."""
        self.mend()
        if not (self._calls or self._cashbacks) or self._script[-1]["do"] == "book":
            return
        ends = {name: book.at_rest(bets, self._world) for name, bets in self._bets.items()}
        views = {name: once(view for bet in bets for view in bet.views()) for name, bets in ends.items()}
        held = {pool: [_pool_view(one) for one in self._pool_now(pool)] for pool in POOLS}
        step: Step = {"do": "rest", "allowed": {"bets": views, "pools": held, "cashbacks": self._cashback_views()}}
        seen = self._do(step)
        for name, view in seen["bets"].items():
            if view not in views[name]:
                self._disagree(f"{name}: at rest it is {view}, allowed {views[name]}")
            self._bets[name] = frozenset(bet for bet in ends[name] if view in bet.views())
        self._pools_agree(seen["pools"])
        self._cashbacks_rest(seen["cashbacks"])
        owned = {player: str(self._balance(player, seen)) for player in PLAYERS}
        step["allowed"]["balances"] = owned
        if seen["balances"] != owned:
            self._disagree(f"balances are {seen['balances']}, must be {owned}")
        self._books_agree(seen["own"])
        self._book(seen["bets"])

    def _pools_agree(self, seen: dict[str, Any]) -> None:
        """Check that what pools have, and which bets have won them, is one of the things that may be so."""
        for pool, view in seen.items():
            may = self._pool_now(pool)
            winners = {name for name, bets in self._bets.items() if any(_has_won(bet, pool) for bet in bets)}
            self._pools[pool] = frozenset(one for one in may if _pool_view(one) == view)
            if not self._pools[pool] or {name for name, _ in view["won"]} != winners:
                self._disagree(f"the pool {pool} is {view}, won by {winners}, allowed {[_pool_view(m) for m in may]}")

    def _book(self, seen: dict[str, Any]) -> None:
        """Book what stakes contribute to pools, and check what the pools have then."""
        step: Step = {"do": "book", "allowed": []}
        for pool, (game, currency) in POOLS.items():
            settled, taken_back = {}, []
            for name, view in seen.items():
                opened = next(iter(self._bets[name])).opened
                if view["state"] != "settled" or opened is None or (opened.game, opened.currency) != (game, currency):
                    continue
                settled[name] = _minor(opened.stake or "0")
                taken_back.extend([name] if view["reversal"] == "reversed" else [])
            more = self._contributions[pool].book(settled, taken_back, disabled=pool in self._disabled)
            self._pools[pool] = pools.grown(self._pools[pool], more)
        # At rest it is known what each of them has.
        step["allowed"].append({pool: next(iter(may)).amount for pool, may in self._pools.items()})
        if self._do(step) not in step["allowed"]:
            self._disagree(f"pools have {step['heard']}, allowed {step['allowed']}")

    def _books_agree(self, own: dict[str, Any]) -> None:
        ours = own["done with us alone"]
        # What is parked, or was marked as not taken, and the casino has all the same, is not known to us.
        unbooked = [[name, kind] for name, bets in self._bets.items() for bet in bets for kind in bet.unbooked]
        unbooked += [[name, one.unbooked] for name, these in self._cashbacks.items() for one in these]
        theirs = [one for one in own["at the casino alone"] if one not in unbooked]
        if ours or theirs:
            self._disagree(f"done with us alone: {ours}; at the casino alone: {theirs}")

    def _balance(self, player: str, seen: dict[str, Any]) -> Decimal:
        """Exact: what the player began with, and the movements of every bet and cashback as it rests."""
        moved = BALANCE + self._moved_by_cashbacks(player, seen["cashbacks"])
        for name, view in seen["bets"].items():
            if any(bet.player == player for bet in self._bets[name]):
                moved += sum(self._moved(name, kind, amount) for kind, amount in view["journal"])
        return moved

    def _moved(self, name: str, kind: int, amount: str) -> Decimal:
        """Return what a movement has added to the balance of its player."""
        if amount in POOLS:
            return Decimal(dict(next(iter(self._pools[amount])).won)[name]) / 100
        return Decimal(amount) * (-1 if kind < 0 else 1)

    def teardown(self) -> None:
        """At the end all is healed, and the provider asks for what it does not know yet."""
        if not self._failed:
            self._play_scene()
        if self._failed or not (self._calls or self._cashbacks):
            return
        self._end_cashbacks()
        # At rest no win in review was dropped or paid: people decide.
        for name in self._held():
            self._operate(name, "refuse" if name == "b3" else "release", "")
        for call in list(self._open_ended):
            if book.will_be_known(self._now(call.bet), call, self._world):
                self._say_until_known(call)
        self.trials.counts["lists at the casino"] += self._do({"do": "lists"})
        ends = [next(iter(bets)).stage for bets in self._bets.values()]
        self.trials.ends.update([*ends, *(next(iter(these)).stage for these in self._cashbacks.values())])
        for name in sorted(self._bets):
            # Asked once more, every call hears what it must hear now.
            for call in [one for one in self._calls if one.bet == name]:
                self._ask(call)
        self.rest()


def _minor(amount: str) -> int:
    return int(Decimal(amount) * 100)


def _has_won(bet: book.Bet, pool: str) -> bool:
    return bet.jackpot == pool and bet.stage in _WON


def _pool_view(pool: pools.Pool) -> dict[str, Any]:
    return {"amount": pool.amount, "won": [list(one) for one in pool.won]}


def _words(call: Call) -> Step:
    """Return a call as the script has it."""
    body = {"betId": call.bet}
    if call.operation != "refund":
        body["gameRoundId"] = call.round
    if call.stake is not None:
        body["betAmount"] = call.stake
    if call.win is not None:
        body["winAmount"] = call.win
    if call.jackpot is not None:
        body["jackpotId" if call.jackpot in POOLS else "jackpotAmount"] = call.jackpot
    path = f"/v1/sessions/{{{call.session}}}/bets/{call.operation}"
    return {"method": "POST", "path": path, "operation": call.operation, "session": call.session, "body": body}
