"""Hypothesis as a provider, a casino and an operator: it makes up what happens, ``book`` says what may come of it.

Every step is written down as it is played. The shortest sequence in which service and book disagree is kept as a
script that ``python -m tests.model.replay`` plays again.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model import book
from tests.model.book import UNKNOWN, Bets, Call, Said, World
from tests.model.play import BALANCE, PLAYERS, Play, Step
from tests.partner import Stack

_T = TypeVar("_T")
_DEFINITE_WITHIN = 30
# Seconds without a change after which a bet is at rest; while a failure is made shorter, little more than is needed.
_STILL, _STILL_WHILE_SHRINKING = 12, 7
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
_SLOTS = {
    "b1": _Slot("anna", "r1", "10.00", "25.00"),
    "b2": _Slot("anna", "r2", "20.00", "5.50"),
    "b3": _Slot("boris", "r3", "30.00", "60.00"),
}


class Disagreement(AssertionError):
    """Service and book say different things."""


class Enough(KeyboardInterrupt):
    """The time is over. Of this family so that Hypothesis lets it through."""


@dataclass
class Trials:
    """What all examples of a run share: the stack, the time, and the shortest script that failed."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    stack: Stack
    seconds: float
    shrink_seconds: float = 60
    began: float = field(default_factory=time.monotonic)
    examples: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    script: list[Step] = field(default_factory=list)
    why: str = ""
    failed_at: float | None = None

    def may_go_on(self) -> None:
        """Raises Enough once the time for new examples, or for shorter ones, is over."""
        now = time.monotonic()
        if now - (self.failed_at or self.began) > (self.shrink_seconds if self.failed_at else self.seconds):
            raise Enough

    def failed(self, script: list[Step], why: str) -> None:
        """Keep the shortest."""
        self.failed_at = self.failed_at or time.monotonic()
        if not self.script or _size(script) < _size(self.script):
            self.script, self.why = list(script), why

    def keep(self, folder: Path) -> Path:
        """Write the script down, a step a line."""
        file = folder / "disagreement.jsonl"
        file.write_text("".join(json.dumps(step) + "\n" for step in self.script))
        return file


def _size(script: list[Step]) -> tuple[int, int]:
    return sum(step["do"] != "rest" for step in script), len(json.dumps(script))


# What is drawn

_slots = st.sampled_from(sorted(_SLOTS))
_twists = st.sampled_from(["", "", "", "", "amount", "player", "round", "currency", "game"])
_stakes = st.sampled_from(["", "", "", "", "", "5000.00", "0.05", "9999.00"])
_picks = st.integers(0, 11)
_wins = st.sampled_from(["", "", "", "0.00"])
_openings = st.sampled_from(["pay-in", "pay-in-out"])
_kinds = st.sampled_from([None, -1, 1, 2, -2])
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
    _fault(path=_ACCEPT, kind=st.just("contradict"), transaction_type=st.sampled_from([1, 2]), times=_times),
    _fault(
        path=_ACCEPT,
        kind=st.just("error_code"),
        error_code=st.sampled_from([103805, 102823]),
        transaction_type=st.sampled_from([1, 2]),
        times=_times,
    ),
)
# What a casino does with a list. The whole of it is refused, and nothing of it was made; or each item, and was made.
_LIST_FAULTS: list[dict[str, Any]] = [
    *({"kind": kind} for kind in (*_MISHEARD, "item_missing", "item_doubled", "item_foreign", "items_reversed")),
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


_SCENES = {"": 30, "odd words": 6, "credits in a list": 6, "a misread list": 2, "a death": 1}
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


class Machine(RuleBasedStateMachine):
    """Three bets of two players; each rule is one step of the script."""

    trials: ClassVar[Trials]

    def __init__(self) -> None:
        super().__init__()
        self.trials.may_go_on()
        self.trials.examples += 1
        self._play = Play(self.trials.stack, _STILL_WHILE_SHRINKING if self.trials.failed_at else _STILL)
        self._script: list[Step] = []
        self._world = World()
        self._bets: dict[str, Bets] = {}
        self._seats = {player: 0 for player in PLAYERS}
        self._calls: list[Call] = []
        self._open_ended: dict[Call, None] = {}
        self._failed = False
        self._accept, self._codes_104, self._lists = False, False, ""
        self._scene: _Scene | None = None
        self._steps = 0
        # Whether the provider asks until it knows, though the casino is not well.
        self._patient = False

    # How a step is played

    def _do(self, step: Step) -> Any:
        self._script.append(step)
        self.trials.counts[step["do"]] += 1
        try:
            step["heard"] = self.trials.run(self._play.do(step))
        except Exception as error:
            self._disagree(f"the step cannot be played: {type(error).__name__}: {error}", error)
        return step["heard"]

    def _disagree(self, why: str, cause: Exception | None = None) -> None:
        self._failed = True
        self.trials.failed(self._script, why)
        raise Disagreement(why) from cause

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
        self._bets = {name: book.closure(bets, self._world) for name, bets in self._bets.items()}

    # Calls

    def _say(self, *calls: Call, away: float | None = None) -> tuple[Said, ...]:
        """Make these calls at once; all are of one bet. ``away``: the worker is stopped meanwhile."""
        name = calls[0].bet
        allowed = book.hear(self._now(name), calls, self._world)
        heard = self._hear(calls, allowed, away)
        self._bets[name] = allowed[heard]
        if any(said[0] == 1 for said in heard):
            self._look(name)
        return heard

    def _say_together(self, calls: Sequence[Call], away: float | None = None) -> None:
        """Make these calls at once; each is of a bet of its own."""
        allowed = [book.hear(self._now(call.bet), (call,), self._world) for call in calls]
        heard = self._hear(calls, [tuple(said for (said,) in answers) for answers in product(*allowed)], away)
        for call, said, one in zip(calls, heard, allowed, strict=True):
            self._bets[call.bet] = one[(said,)]
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
        heard = tuple(self._normal(said) for said in self._do(step))
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

    def _look(self, name: str) -> None:
        """Check that what was answered "done" is done: once nothing is on its way, the money is where it belongs."""
        bets = self._now(name)
        if any(next(book.steps(bet, self._world), None) for bet in bets):
            return
        allowed = sorted({journal for bet in bets for journal in bet.journals()})
        step: Step = {"do": "look", "bet": name, "allowed": [[list(one) for one in journal] for journal in allowed]}
        if self._do(step) not in step["allowed"]:
            self._disagree(f"{name}: after this answer the casino's journal is {step['heard']}, allowed {allowed}")

    def _normal(self, said: list[Any]) -> Said:
        """104 is 1; no answer is 99."""
        code, reason = said
        if code == 99:
            return UNKNOWN
        return (1, None) if code == 104 and self._codes_104 else (code, reason)

    def _say_until_known(self, call: Call) -> None:
        """Repeat the call until its answer is definite, as a provider does; the casino must work, or confirm."""
        until = time.monotonic() + _DEFINITE_WITHIN
        while self._say(call) == (UNKNOWN,):
            if time.monotonic() > until:
                self._disagree(f"{call.bet}: {call.operation} hears 99 for {_DEFINITE_WITHIN} s, and is to be known")
            time.sleep(0.05)

    def _ask(self, call: Call) -> None:
        calm = self._patient or all(fault["kind"] in book.CLEAN for fault in self._world.faults)
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
        return Call(
            operation,
            name,
            session,
            player,
            currency,
            game,
            round="" if operation == "refund" else slot.round + ("x" if twist == "round" else ""),
            stake=str(Decimal(stake or slot.stake) + raised) if opens else None,
            win=str(Decimal(win or slot.win) + raised) if operation in ("pay-out", "pay-in-out") else None,
        )

    # Rules: the casino and its profile

    @initialize(
        accept=st.booleans(),
        soon_never_seen=st.booleans(),
        soon_withdrawn=st.booleans(),
        reverses=st.booleans(),
        code_104=st.booleans(),
        duplicates=st.booleans(),
        lists=st.sampled_from(["false", "credits"]),
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
        scene: _Scene,
    ) -> None:
        """Set up a provider and a casino of this example's own."""
        # An Accept would end what the list leaves in doubt.
        accept = accept and scene.what != "a misread list"
        lists = "credits" if scene.what == "credits in a list" else lists
        self._accept, self._codes_104, self._lists, self._scene = accept, code_104, lists, scene
        self._world = World(soon_never_seen=soon_never_seen, soon_withdrawn=soon_withdrawn, reverses=reverses)
        provider = {
            "answer_deadline": _DEADLINE,
            "order_window": _SHORT if soon_never_seen else _NEVER,
            "unconfirmed_within": _SHORT if soon_withdrawn else _NEVER,
            "refund_after_pay_out": "reverse" if reverses else "refuse",
            "duplicates": "code_104" if code_104 else "replay",
        }
        switches = {"repeats": "duplicate"} if duplicates else {"repeats": "replay"}
        way = "accept" if accept else "reply"
        self._do(
            {"do": "open", "confirmation": way, "provider": json.dumps(provider), "casino": _CASINO.format(lists=lists)}
            | {"switches": switches}
        )

    @rule(pick=_picks, operation=st.sampled_from(["pay-in", "pay-in", "pay-in-out"]))
    def bet(self, pick: int, operation: str) -> None:
        """Open a new bet that no rule refuses."""
        for name in _picked(pick, self._in(_Stage.NONE)):
            self._ask(self._call(operation, name))

    @rule(pick=_picks, operation=st.sampled_from(["pay-out", "refund"]), win=_wins)
    def result(self, pick: int, operation: str, win: str) -> None:
        """Send the result of an open bet."""
        for name in _picked(pick, self._in(*_OPEN)):
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
            nexts = [("pay-out", 1), ("refund", 2)]
        else:
            nexts = [("refund", -2), ("refund", 2)]
        operation, moves = nexts[pick % len(nexts)]
        codes = {-1: [103802, 102823], 1: [103805, 103806, 102823], 2: [103805], -2: [103802]}[moves]
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
        for call in _picked(pick, self._calls):
            self._ask(call)

    @rule(
        name=_slots,
        first=st.sampled_from(["pay-in", "pay-in-out", "pay-out", "refund"]),
        second=st.sampled_from(["pay-in", "pay-out", "refund"]),
        twist=st.sampled_from(["", "", "", "amount", "player"]),
        win=st.sampled_from(["", "0.00"]),
    )
    def at_once(self, name: str, first: str, second: str, twist: str, win: str) -> None:
        """Make two calls of one bet at the same moment: the same one twice, or two that cross."""
        self._say(self._call(first, name), self._call(second, name, twist, win=win))

    @rule(
        pick=_picks,
        opening=st.sampled_from(["pay-in", "pay-in", "pay-in-out"]),
        operation=st.sampled_from(["pay-out", "pay-out", "refund", "pay-in"]),
        twist=st.sampled_from(["round", "player", "player", "amount"]),
        right_first=st.sampled_from([False, False, True]),
    )
    def right_and_wrong(self, pick: int, opening: str, operation: str, twist: str, right_first: bool) -> None:
        """Stop the worker for a moment, and open a bet meanwhile; call it with its own data and with others."""
        for name in _picked(pick, self._in(_Stage.NONE)):
            calls = [self._call(operation, name, twist), self._call(operation, name)]
            if right_first:
                calls.reverse()
            with self._late():
                self._say(self._call(opening, name), *calls, away=_AWAY)

    @precondition(lambda self: self._lists == "credits")
    @rule(fault=_of_lists)
    def break_lists(self, fault: dict[str, Any]) -> None:
        """Let the casino fail with lists alone."""
        self._break([fault])

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
        for name in _picked(pick, sorted(_SLOTS) if anywhere else (parked or self._in(*_OPEN, _Stage.PAYING))):
            self._operate(name, action, win)

    def _operate(self, name: str, action: str, win: str) -> None:
        given = win if action == "settle" else None
        allowed = book.operate(self._now(name), action, given, self._world)
        step = {"do": "operate", "bet": name, "action": action, "win": given, "allowed": sorted(allowed)}
        heard = self._do(step)
        if heard not in allowed:
            self._disagree(f"{name}: {action} hears {heard}, allowed {sorted(allowed)}")
        self._bets[name] = allowed[heard]

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
        if not self._calls or self._script[-1]["do"] == "rest":
            return
        ends = {name: book.at_rest(bets, self._world) for name, bets in self._bets.items()}
        views = {name: _once(view for bet in bets for view in bet.views()) for name, bets in ends.items()}
        step: Step = {"do": "rest", "allowed": {"bets": views}}
        seen = self._do(step)
        for name, view in seen["bets"].items():
            if view not in views[name]:
                self._disagree(f"{name}: at rest it is {view}, allowed {views[name]}")
            self._bets[name] = frozenset(bet for bet in ends[name] if view in bet.views())
        owned = {player: str(self._balance(player, seen["bets"])) for player in PLAYERS}
        step["allowed"]["balances"] = owned
        if seen["balances"] != owned:
            self._disagree(f"balances are {seen['balances']}, must be {owned}")
        self._books_agree(seen["own"])

    def _books_agree(self, own: dict[str, Any]) -> None:
        by_hand = [[name, 1] for name, bets in self._bets.items() if all(bet.by_hand for bet in bets)]
        ours = [one for one in own["done with us alone"] if one not in by_hand]
        # What is parked, or was marked as not taken, and the casino has all the same, is not known to us.
        unbooked = [[name, bet.unbooked] for name, bets in self._bets.items() for bet in bets]
        theirs = [one for one in own["at the casino alone"] if one not in unbooked]
        if ours or theirs:
            self._disagree(f"done with us alone: {ours}; at the casino alone: {theirs}")

    def _balance(self, player: str, views: dict[str, Any]) -> Decimal:
        """Exact: what the player began with, and the movements of every bet as it rests."""
        moved = BALANCE
        for name, view in views.items():
            if any(bet.player == player for bet in self._bets[name]):
                moved += sum(Decimal(amount) * (-1 if kind < 0 else 1) for kind, amount in view["journal"])
        return moved

    def teardown(self) -> None:
        """At the end all is healed, and the provider asks for what it does not know yet."""
        if not self._failed:
            self._play_scene()
        if self._failed or not self._calls:
            return
        self.rest()
        for call in list(self._open_ended):
            if book.will_be_known(self._now(call.bet), call, self._world):
                self._say_until_known(call)
        self.trials.counts["lists of two or three"] += self._do({"do": "lists"})
        for bets in self._bets.values():
            self.trials.ends[next(iter(bets)).stage] += 1
        for name in sorted(self._bets):
            # Asked once more, every call hears what it must hear now.
            for call in [one for one in self._calls if one.bet == name]:
                self._ask(call)
        self.rest()


def _picked(pick: int, those: Sequence[_T]) -> Iterator[_T]:
    """Draw one of those, if there is one. What is drawn never depends on an answer: that may differ next time."""
    if those:
        yield those[pick % len(those)]


def _once(views: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for view in views:
        if view not in found:
            found.append(view)
    return found


def _words(call: Call) -> Step:
    """Return a call as the script has it."""
    body = {"betId": call.bet}
    if call.operation != "refund":
        body["gameRoundId"] = call.round
    if call.stake is not None:
        body["betAmount"] = call.stake
    if call.win is not None:
        body["winAmount"] = call.win
    path = f"/v1/sessions/{{{call.session}}}/bets/{call.operation}"
    return {"method": "POST", "path": path, "operation": call.operation, "session": call.session, "body": body}
