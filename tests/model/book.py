"""The specification of a bet as a program: what each call may hear, and what may then stand at the casino.

A bet that several things may have happened to is a *set* of the states below. Nothing here knows the service: a call
arrives, money moves in steps of its own, an answer is given, in any order that the rows of docs/edge-cases.md allow.
What a provider hears narrows the set; "not known" (99) narrows it least. An empty set is a contradiction.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tests.model.reachable import reachable

Said = tuple[int, str | None]
Journal = tuple[tuple[int, str], ...]

DONE: Said = (1, None)
UNKNOWN: Said = (99, "outcome_unknown")
DIFFERENT: Said = (6, "different_data")
SETTLED: Said = (6, "already_settled")
REFUNDED: Said = (6, "already_refunded")
REFUSED_BET: Said = (6, "bet_refused")
NEVER_SEEN: Said = (5, "never_seen")
KEPT_WIN: Said = (7, "casino_refused")
NO_MONEY: Said = (4, "no_money")
BLOCKED: Said = (7, "player_blocked")
UNAVAILABLE: Said = (7, "casino_unavailable")
NO_POOL: Said = (2, "jackpot_unknown")
WIN_REFUSED: Said = (7, "win_refused")

FUNDS, MIN_BET, MAX_BET = Decimal("1000.00"), Decimal("0.10"), Decimal("6000")
# With limits a win above it, its jackpot included, waits for two operators.
MAX_WIN = Decimal("20.00")
MAKE, LIST, INFO, ACCEPTS = "/payments/make", "/payments/make-list", "/payments/info", "/payments/accept"
# The calls that are about cashbacks, and the calls about bets that are like them.
OF_CASHBACKS = {"/cashback-payments/make": MAKE, "/cashback-payments/accept": ACCEPTS}
# "Duplicate", which decides nothing unless payments/info lists the movement (edge cases 32, 88).
DUPLICATE = 103803
# The same answers in other clothes (edge case 85): they change nothing that anybody hears.
CLEAN = ("other_types", "dirty_texts")
# A definite refusal of a stake that leaves this house for the first time (edge cases 29, 30).
_REFUSALS: dict[int, Said] = {
    103801: KEPT_WIN,
    103802: NO_MONEY,
    103805: BLOCKED,
    103806: (7, "limit_reached"),
    102823: KEPT_WIN,
}
PARKING = frozenset({103805, 103806})
STAKE, WIN, RETURN, CLAW_BACK, JACKPOT = -1, 1, 2, -2, 4
# The pools that a script knows by a name, with the game and the currency of the bets that can win them.
POOLS = {"grand": ("dice", "EUR"), "wheel": ("wheel", "EUR")}
# What a bet wins of a pool that another one has emptied.
NOTHING = "0.00"


class Stage(StrEnum):
    """How far a bet is."""

    NONE = "nobody has seen it"
    TAKING = "the stake is being taken"
    TAKEN = "the stake is taken"
    PAYING = "the win is being paid"
    PAYING_JACKPOT = "the win is paid, the jackpot is being paid"
    PAID = "settled"
    RETURNING = "the stake is being returned"
    RETURNED = "refunded"
    BURIED = "refunded, and no stake was ever taken"
    REFUSED = "refused"
    CLAWING = "the win is being taken back"
    GIVING_BACK = "the win is back, the stake is being returned"
    REVERSED = "win and stake are back"
    KEPT = "the casino does not give the win back"


# The movement that is on its way at a stage, and the stage after it.
_MOVES = {
    Stage.TAKING: (STAKE, Stage.TAKEN),
    Stage.PAYING: (WIN, Stage.PAID),
    Stage.PAYING_JACKPOT: (JACKPOT, Stage.PAID),
    Stage.RETURNING: (RETURN, Stage.RETURNED),
    Stage.CLAWING: (CLAW_BACK, Stage.GIVING_BACK),
    Stage.GIVING_BACK: (RETURN, Stage.REVERSED),
}
# What our row says of a bet at rest: the state of the bet, and of its reversal. What is on its way rests when parked.
_ROWS = {
    Stage.TAKING: ("accepting", None),
    Stage.RETURNING: ("refunding", None),
    Stage.CLAWING: ("settled", "reversing"),
    Stage.GIVING_BACK: ("settled", "reversing"),
    Stage.TAKEN: ("acceptance", None),
    Stage.PAYING: ("settling", None),
    Stage.PAYING_JACKPOT: ("settling", None),
    Stage.PAID: ("settled", None),
    Stage.RETURNED: ("refunded", None),
    Stage.BURIED: ("refunded", None),
    Stage.REFUSED: ("refused", None),
    Stage.REVERSED: ("settled", "reversed"),
    Stage.KEPT: ("settled", "refused"),
}


class Doubt(StrEnum):
    """What sends without a definite answer leave behind."""

    NO = "every send was answered"
    ABSENT = "a send was not answered, and the casino would not have taken it"
    PERHAPS = "a send was not answered, and the casino may have taken it"
    MADE = "the casino has it, and lists it as another one"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a provider. ``stake`` and ``win`` as the operation has them, in major units.

    ``jackpot`` is an amount of the provider's own, or the name of a pool.
    """

    operation: str
    bet: str
    session: str
    player: str
    currency: str
    game: str
    round: str = ""
    stake: str | None = None
    win: str | None = None
    jackpot: str | None = None

    @property
    def opens(self) -> bool:
        """Return whether it brings a stake."""
        return self.stake is not None

    @property
    def facts(self) -> tuple[str | None, ...]:
        """Return what distinguishes a repeat from a contradiction (edge case 3)."""
        return (self.player, self.currency, self.game, self.round, self.stake, self.win, self.jackpot)


@dataclass(frozen=True, slots=True)
class Bet:
    """One thing that may be so. ``filed``: PayOut with win and jackpot, and Refund, in the order in which they came.

    ``jackpot`` is what the row has: an amount, or the name of a pool; ``empty``: there was nothing in it. ``marked`` is
    the operators' action on a parked movement, until it is carried out; ``by_hand`` are the movements that were paid
    outside of this service. ``unseen``: the casino has made what our row ended without. ``listed``: stake and win have
    left in one list. ``held`` are win and jackpot that wait for two operators, ``turned_down`` those that two operators
    have refused last.
    """

    stage: Stage = Stage.NONE
    opened: Call | None = None
    player: str = ""
    currency: str = ""
    game: str = ""
    refusal: Said | None = None
    win: str | None = None
    jackpot: str | None = None
    empty: bool = False
    told: bool = False
    filed: tuple[tuple[str, str | None, str | None], ...] = ()
    early: bool = False
    doubt: Doubt = Doubt.NO
    parked: bool = False
    marked: str = ""
    by_hand: frozenset[int] = frozenset()
    unseen: bool = False
    listed: bool = False
    held: tuple[str, str | None] | None = None
    turned_down: tuple[str, str | None] | None = None

    @property
    def one_step(self) -> bool:
        """Return whether stake and win came together."""
        return self.opened is not None and self.opened.win is not None

    @property
    def refund_filed(self) -> bool:
        """Return whether the bet has a Refund."""
        return any(name == "refund" for name, *_ in self.filed)

    @property
    def is_refunded(self) -> bool:
        """Return whether a Refund decides it."""
        return bool(self.filed) and self.filed[0][0] == "refund"

    @property
    def won(self) -> str | None:
        """Return what it wins beside the win: an amount, the name of a pool, nothing of one; None: no jackpot."""
        return NOTHING if self.empty else self.jackpot

    @property
    def pays_jackpot(self) -> bool:
        """Return whether a jackpot follows the win."""
        return self.won not in (None, NOTHING)

    @property
    def moving(self) -> int | None:
        """Return the type of the movement that is on its way, or parked."""
        return _MOVES[self.stage][0] if self.stage in _MOVES else None

    @property
    def unbooked(self) -> tuple[int, ...]:
        """Return the types of the movements that may be at the casino alone when the bet rests."""
        if self.unseen and self.stage is Stage.KEPT:
            return (CLAW_BACK,)
        if self.unseen or (self.stage is Stage.TAKING and self.doubt is Doubt.MADE):
            return (STAKE, WIN) if self.listed else (STAKE,)
        return (self.moving,) if self.moving is not None and self.parked and self.doubt is not Doubt.NO else ()

    def made(self, **changed: Any) -> "Bet":
        """With the movement made that is on its way."""
        told = {"doubt": Doubt.NO, "parked": False, "marked": "", **changed}
        after = _MOVES[self.stage][1]
        if self.stage is Stage.PAYING and self.pays_jackpot:
            after = Stage.PAYING_JACKPOT
        if self.stage is Stage.TAKING and self.listed:
            # Nothing can return the stake any more: the win may be at the casino (edge case 142).
            after, told["win"] = Stage.PAYING, self.opened.win if self.opened else None
        return replace(self, stage=after, **told)

    def files(self, name: str, win: str | None = None, jackpot: str | None = None) -> "Bet":
        """With a message more: at most one of each kind counts."""
        known = any(filed == name for filed, *_ in self.filed)
        return self if known else replace(self, filed=(*self.filed, (name, win, jackpot)))

    def journals(self) -> Iterator[Journal]:
        """Return what the casino's journal of the bet may be once it rests."""
        before, moving = self._made_before(), self._movement()
        if moving is None or self.doubt is not Doubt.MADE:
            yield before
        if moving is not None and self.doubt in (Doubt.PERHAPS, Doubt.MADE):
            yield (*before, moving)
        if self.listed and WIN in self.unbooked and self.opened is not None:
            yield ((STAKE, str(self.opened.stake)), (WIN, str(self.opened.win)))

    def _made_before(self) -> Journal:
        """Return what is certainly there, in its order."""
        opened, stage = self.opened, self.stage
        if opened is None or stage in (Stage.NONE, Stage.TAKING):
            return ()
        stake, back = (STAKE, str(opened.stake)), (RETURN, str(opened.stake))
        returned: Journal = () if RETURN in self.by_hand else (back,)
        if stage in (Stage.BURIED, Stage.REFUSED):
            return (stake,) if self.unseen else ()
        if stage in (Stage.TAKEN, Stage.PAYING, Stage.RETURNING):
            return (stake,)
        if stage is Stage.RETURNED:
            return (stake, *returned)
        paid: Journal = () if WIN in self.by_hand else ((WIN, str(self.win)),)
        if stage is Stage.PAYING_JACKPOT:
            return (stake, *paid)
        if stage is Stage.PAID and self.pays_jackpot and JACKPOT not in self.by_hand:
            return (stake, *paid, (JACKPOT, str(self.won)))
        clawed: Journal = () if Decimal(self.win or 0) == 0 else ((CLAW_BACK, str(self.win)),)
        if stage in (Stage.PAID, Stage.CLAWING) or (stage is Stage.KEPT and not self.unseen):
            return (stake, *paid)
        return (stake, *paid, *clawed, *(returned if stage is Stage.REVERSED else ()))

    def _movement(self) -> tuple[int, str] | None:
        """Return what is on its way, as the journal will have it."""
        if self.opened is None or self.moving is None:
            return None
        amounts = {WIN: self.win, CLAW_BACK: self.win, JACKPOT: self.won}
        return self.moving, str(amounts.get(self.moving, self.opened.stake))

    def views(self) -> list[dict[str, Any]]:
        """Return what row and journal may show of it at rest."""
        state, reversal = _ROWS.get(self.stage, (None, None))
        refusal = self.refusal and self.refusal[1]
        return [
            {
                "state": state,
                "refusal": refusal,
                "jackpot": self.jackpot,
                "told": self.told,
                "reversal": reversal,
                "parked": [self.moving] if self.parked else [],
                "in_review": self.held is not None,
                "journal": [list(movement) for movement in journal],
            }
            for journal in self.journals()
        ]


Bets = frozenset[Bet]
UNSEEN: Bets = frozenset({Bet()})


@dataclass
class World:
    """All that is not the bet: profiles, sessions that have ended, blocked players, the casino's faults of now.

    ``one_step``: the casino takes stake and win of a PayInOut in one list. ``accepts``: it confirms by Accept.
    ``limited``: the provider's wins have a limit.
    ``late``: a worker is away, for a moment or because it has died. What is on its way may be sent once more, or too
    late.
    """

    soon_never_seen: bool = False
    soon_withdrawn: bool = False
    reverses: bool = False
    one_step: bool = False
    accepts: bool = False
    limited: bool = False
    ended: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    blocked_at_casino: set[str] = field(default_factory=set)
    faults: list[dict[str, Any]] = field(default_factory=list)
    late: bool = False

    def of_cashbacks(self) -> "World":
        """Return the same for cashbacks: their faults, as if they were those of bets."""
        about = [fault for fault in self.faults if fault["path"] in OF_CASHBACKS]
        return replace(self, faults=[fault | {"path": OF_CASHBACKS[fault["path"]]} for fault in about])

    @property
    def calm(self) -> bool:
        """Return whether no fault changes what a provider hears."""
        return all(fault["kind"] in CLEAN or fault["path"] in OF_CASHBACKS for fault in self.faults)

    def own_refusal(self, call: Call) -> Said | None:
        """Return our own refusal of a new stake (edge cases 52, 54, 56)."""
        stake = Decimal(call.stake or 0)
        if call.session in self.ended:
            return 3, "session_ended"
        if call.player in self.blocked:
            return BLOCKED
        if 0 < stake < MIN_BET:
            return 7, "below_min_bet"
        return (7, "above_max_bet") if stake > MAX_BET else None

    def verdict(self, call: Call) -> Said | None:
        """Return how a casino without faults refuses a stake; None: it takes it."""
        if call.player in self.blocked_at_casino:
            return BLOCKED
        return NO_MONEY if Decimal(call.stake or 0) > FUNDS else None

    def is_beyond(self, win: str, jackpot: str | None) -> set[bool]:
        """Return whether a win may wait for two operators. A pool is weighed as it stands, which nobody here knows."""
        if not self.limited:
            return {False}
        if Decimal(win) > MAX_WIN:
            return {True}
        if jackpot in POOLS:
            return {True, False}
        return {Decimal(win) + Decimal(jackpot or 0) > MAX_WIN}

    def unclear(self, kind: int, *, listed: bool = False) -> bool:
        """Return whether a send of this type may stay without a definite answer. ``listed``: one in a list."""
        return self.late or any(_decides_nothing(fault) for fault in self._of(kind, listed=listed))

    def refused(self, kind: int, *, listed: bool = False) -> list[int]:
        """Return the codes with which the casino may refuse this type; a refusing answer means that it took nothing,
        but for an item of a list. ``listed``: as the first of a list, with which the whole of it may be refused."""
        answers = [fault["error_code"] for fault in self._of(kind) if _is_refusal(fault)]
        if listed:
            answers += [fault["error_code"] for fault in self.faults if _refuses_list(fault)]
        return answers + [fault["fields"]["ErrorCode"] for fault in self._of(kind) if _refuses_items(fault)]

    def says_duplicate(self, kind: int) -> bool:
        """Return whether the casino may call this type a duplicate, having taken nothing."""
        return any(fault.get("error_code") == DUPLICATE for fault in self._of(kind))

    @property
    def refuses_what_it_made(self) -> bool:
        """Return whether the Accept of what was made may refuse it, or the item that answers it in a list."""
        by_accept = any(fault["path"] == ACCEPTS and _is_refusal(fault) for fault in self.faults)
        return by_accept or any(_refuses_items(fault) for fault in self.faults)

    @property
    def misreads(self) -> bool:
        """Return whether payments/info names another amount than was moved."""
        return any(fault["path"] == INFO and fault["kind"] == "rewrite" for fault in self.faults)

    @property
    def blind(self) -> bool:
        """Return whether payments/info may say nothing."""
        return any(fault["path"] == INFO and fault["kind"] not in (*CLEAN, "rewrite") for fault in self.faults)

    @property
    def tells(self) -> bool:
        """Return whether every movement ends, or is parked, while these faults stand (edge cases 84, 85, 88, 90).

        A credit that is taken and not answered well is found by payments/info; a debit when it may not be sent any
        more.
        """
        return not self.late and not self.blind and all(_is_found(fault) for fault in self.faults)

    def _of(self, kind: int, *, listed: bool = False) -> list[dict[str, Any]]:
        paths = (MAKE, ACCEPTS, LIST) if kind > 0 or listed else (MAKE, ACCEPTS)
        about = [fault for fault in self.faults if fault["path"] in paths and fault["kind"] not in CLEAN]
        return [fault for fault in about if fault.get("transaction_type") in (None, kind)]


def _is_refusal(fault: dict[str, Any]) -> bool:
    # An answer that refuses a whole list refuses none of its items by itself (edge case 131).
    return bool(fault["kind"] == "error_code" and fault["error_code"] != DUPLICATE and fault["path"] != LIST)


def _refuses_list(fault: dict[str, Any]) -> bool:
    return bool(fault["path"] == LIST and fault["kind"] == "error_code")


def _refuses_items(fault: dict[str, Any]) -> bool:
    """Return whether each item of a list is made, and answered with a refusal (edge case 132)."""
    return bool(fault["path"] == LIST and fault["kind"] == "rewrite")


def _decides_nothing(fault: dict[str, Any]) -> bool:
    # An Accept that refuses comes after the movement was made.
    return fault["path"] == ACCEPTS or not _is_refusal(fault)


def _is_found(fault: dict[str, Any]) -> bool:
    # What a list leaves unknown goes on alone.
    if fault["path"] in (INFO, LIST, *OF_CASHBACKS) or fault["kind"] in CLEAN:
        return True
    if fault.get("error_code") == DUPLICATE:
        # A claw-back that is certainly not there is sent again, without end.
        return fault.get("transaction_type") not in (None, CLAW_BACK)
    return fault["path"] == MAKE and fault["kind"] == "answer" and bool(fault.get("commit"))


# What happens by itself


def steps(bet: Bet, world: World) -> Iterator[Bet]:
    """Return what a bet may become without any call."""
    if bet.marked:
        yield from _marked(bet, world)
        return
    if bet.parked:
        return
    match bet.stage:
        case Stage.TAKING:
            yield from _taking(bet, world)
        case Stage.TAKEN:
            yield from _taken(bet, world)
        case Stage.PAYING | Stage.PAYING_JACKPOT | Stage.RETURNING | Stage.GIVING_BACK:
            yield from _owed(bet, world)
        case Stage.PAID if bet.refund_filed and _wants_reversal(bet, world):
            yield _reversing(bet)
        case Stage.CLAWING:
            yield from _clawing(bet, world)


def _taking(bet: Bet, world: World) -> Iterator[Bet]:
    call = bet.opened
    assert call is not None
    verdict = world.verdict(call)
    at_casino = bet.doubt in (Doubt.PERHAPS, Doubt.MADE)
    if world.unclear(STAKE, listed=bet.listed):
        doubt = Doubt.ABSENT if verdict else Doubt.PERHAPS
        if not at_casino:
            yield replace(bet, doubt=doubt)
    if verdict is None or at_casino:
        # The win of a list may be at the casino as well.
        yield from (bet.made(doubt=doubt) for doubt in ((Doubt.NO, Doubt.PERHAPS) if bet.listed else (Doubt.NO,)))
    if world.misreads and at_casino:
        yield replace(bet, parked=True, doubt=Doubt.MADE)
    if bet.doubt is Doubt.MADE:
        return
    if bet.doubt is not Doubt.NO:
        # A refusal of a repeat says nothing (edge case 79): what is certainly absent ends the bet (row 27).
        yield _ended_without_stake(bet, UNAVAILABLE)
        return
    if bet.is_refunded:
        yield replace(bet, stage=Stage.BURIED)
    for code in world.refused(STAKE, listed=bet.listed):
        yield replace(bet, stage=Stage.REFUSED, refusal=_REFUSALS[code])
    if verdict is not None:
        yield replace(bet, stage=Stage.REFUSED, refusal=verdict)


def _ended_without_stake(bet: Bet, refusal: Said, *, unseen: bool = False) -> Bet:
    ended = replace(bet, doubt=Doubt.NO, parked=False, marked="", unseen=unseen)
    if bet.is_refunded:
        return replace(ended, stage=Stage.BURIED)
    return replace(ended, stage=Stage.REFUSED, refusal=refusal)


def _taken(bet: Bet, world: World) -> Iterator[Bet]:
    if bet.held is not None:
        # Whatever comes, it waits.
        return
    if bet.one_step:
        # Edge case 46: a Refund that is there before the win is sent keeps it from being sent.
        assert bet.opened is not None
        yield from _paid_or_held(bet, str(bet.opened.win), bet.opened.jackpot, world)
        if bet.refund_filed:
            yield replace(bet, stage=Stage.RETURNING)
    elif bet.filed:
        name, win, jackpot = bet.filed[0]
        if name == "refund":
            yield replace(bet, stage=Stage.RETURNING)
        elif name == "settle":
            yield from _decided(replace(bet, told=True), win, jackpot)
        else:
            yield from _paid_or_held(replace(bet, told=True), str(win), jackpot, world)
    elif world.soon_withdrawn and not bet.told:
        yield replace(bet, stage=Stage.RETURNING)


def _paid_or_held(bet: Bet, win: str, jackpot: str | None, world: World) -> Iterator[Bet]:
    """Edge case 262: what is beyond a limit waits, and nothing of it is sent."""
    beyond = world.is_beyond(win, jackpot)
    if False in beyond:
        yield from _decided(bet, win, jackpot)
    if True in beyond:
        yield replace(bet, held=(win, jackpot))


def _decided(bet: Bet, win: str | None, jackpot: str | None) -> Iterator[Bet]:
    """Return a bet whose row has win and jackpot. What a pool has, ``pools`` knows."""
    decided = replace(bet, stage=Stage.PAYING, win=win, jackpot=jackpot)
    yield decided
    if jackpot in POOLS:
        yield replace(decided, empty=True)


def _owed(bet: Bet, world: World) -> Iterator[Bet]:
    """Return what becomes of a credit: it is made in the end, or parked."""
    kind = _MOVES[bet.stage][0]
    yield bet.made()
    if world.unclear(kind) and bet.doubt is Doubt.NO:
        yield replace(bet, doubt=Doubt.PERHAPS)
    if kind in (WIN, JACKPOT) and PARKING & set(world.refused(kind)):
        # What may be a repeat is looked for before it is parked (edge case 84); the first send cannot be there.
        clear = bet.doubt is Doubt.PERHAPS and not world.blind and not world.refuses_what_it_made
        yield replace(bet, parked=True, doubt=Doubt.NO if clear else bet.doubt)
    if world.says_duplicate(kind) and bet.doubt is not Doubt.MADE:
        # Twice absent, and twice called a duplicate.
        yield replace(bet, parked=True, doubt=Doubt.NO)
    if world.misreads and bet.doubt is not Doubt.NO:
        yield replace(bet, parked=True, doubt=Doubt.MADE)


def _clawing(bet: Bet, world: World) -> Iterator[Bet]:
    # What was paid by hand is not the casino's to take back.
    if WIN in bet.by_hand or (world.refused(CLAW_BACK) and bet.doubt is not Doubt.MADE):
        yield replace(bet, stage=Stage.KEPT, doubt=Doubt.NO)
    if WIN in bet.by_hand:
        return
    yield bet.made()
    if world.unclear(CLAW_BACK) and bet.doubt is Doubt.NO:
        yield replace(bet, doubt=Doubt.PERHAPS)
    if world.misreads and bet.doubt is not Doubt.NO:
        yield replace(bet, parked=True, doubt=Doubt.MADE)


def _marked(bet: Bet, world: World) -> Iterator[Bet]:
    """Carry out the operators' action; the casino's own record takes precedence."""
    match bet.marked:
        case "release" if bet.held is not None:
            yield from _decided(replace(bet, held=None, marked=""), *bet.held)
        case "refuse":
            # Edge cases 263 and 264: stake and win of one call do not stand without each other.
            refused = replace(bet, held=None, marked="", turned_down=bet.held, filed=bet.filed[not bet.one_step :])
            yield replace(refused, stage=Stage.RETURNING) if bet.one_step else refused
        case "mark-taken":
            yield bet.made()
        case "mark-not-taken":
            if not world.misreads:
                yield bet.made()
            if world.misreads or world.blind:
                if bet.stage is Stage.TAKING:
                    yield _ended_without_stake(bet, KEPT_WIN, unseen=True)
                else:
                    yield replace(bet, stage=Stage.KEPT, doubt=Doubt.NO, parked=False, marked="", unseen=True)
        case _:
            if bet.doubt is not Doubt.NO:
                yield replace(bet, marked="", doubt=Doubt.MADE) if world.misreads else bet.made()
            if bet.doubt is not Doubt.MADE:
                yield bet.made(by_hand=bet.by_hand | {_MOVES[bet.stage][0]})


def _reversing(bet: Bet) -> Bet:
    """Edge cases 20 and 46: the win first, if there is one."""
    return replace(bet, stage=Stage.CLAWING if Decimal(bet.win or 0) else Stage.GIVING_BACK)


def closure(bets: Iterable[Bet], world: World) -> Bets:
    """Return all that may have become of these by now."""
    return reachable(bets, lambda one: steps(one, world))


def at_rest(bets: Iterable[Bet], world: World) -> Bets:
    """Return what these become after a long time without any call."""
    return frozenset(bet for bet in closure(bets, world) if next(steps(bet, world), None) is None)


# What a call does, and what it may hear


def arrive(bet: Bet, call: Call, world: World) -> Iterator[Bet]:
    """Return what the arrival of a call makes of a bet."""
    match call.operation:
        case "pay-in" | "pay-in-out":
            yield _opens(bet, call, world)
        case "pay-out":
            yield from _pay_out_arrives(bet, call, world)
        case _:
            yield _refund_arrives(bet, call, world)


def _opens(bet: Bet, call: Call, world: World) -> Bet:
    if bet.stage is not Stage.NONE:
        return bet
    fresh = replace(bet, opened=call, player=call.player, currency=call.currency, game=call.game, jackpot=call.jackpot)
    if refusal := world.own_refusal(call):
        return replace(fresh, stage=Stage.REFUSED, refusal=refusal)
    # A jackpot comes after its win, which has to be known first.
    listed = world.one_step and call.win is not None and call.jackpot is None
    # A win that has limits is weighed when its stake is taken (edge case 264).
    listed = listed and not (world.limited and Decimal(call.win or 0) > 0)
    return replace(fresh, stage=Stage.TAKING, listed=listed)


def _pay_out_arrives(bet: Bet, call: Call, world: World) -> Iterator[Bet]:
    if bet.stage is Stage.NONE:
        yield replace(bet, early=True)
        if bet.early and world.soon_never_seen:
            yield replace(_tombstone(bet, call), stage=Stage.REFUSED, refusal=NEVER_SEEN)
    elif bet.stage in (Stage.TAKING, Stage.TAKEN) and not (_contradicts(bet, call) or _is_turned_down(bet, call)):
        yield bet.files("pay-out", call.win, call.jackpot)
    else:
        yield bet


def _is_turned_down(bet: Bet, call: Call) -> bool:
    return bet.held is None and bet.turned_down == (call.win, call.jackpot)


def _refund_arrives(bet: Bet, call: Call, world: World) -> Bet:
    if bet.stage is Stage.NONE:
        return replace(_tombstone(bet, call), stage=Stage.BURIED)
    if call.player != bet.player:
        return bet
    wants_reversal = _wants_reversal(bet, world)
    if bet.stage in (Stage.TAKING, Stage.TAKEN) or (bet.stage is Stage.PAYING and wants_reversal):
        return bet.files("refund")
    return _reversing(bet) if bet.stage is Stage.PAID and wants_reversal else bet


def _tombstone(bet: Bet, call: Call) -> Bet:
    return replace(bet, player=call.player, currency=call.currency, game=call.game)


def _wants_reversal(bet: Bet, world: World) -> bool:
    """Return whether a Refund takes back the win of a bet: never with a jackpot (edge case 183)."""
    return bet.jackpot is None and (bet.one_step or world.reverses)


def _contradicts(bet: Bet, call: Call) -> bool:
    """Return whether a PayOut is not of this bet (edge cases 3, 6, 11, 53, 182)."""
    if bet.player != call.player or bet.currency != call.currency or bet.one_step:
        return True
    if bet.opened is not None and bet.opened.round != call.round:
        return True
    return bet.win is not None and (bet.win, bet.jackpot) != (call.win, call.jackpot)


def _can_win(bet: Bet, call: Call) -> set[bool]:
    """Return whether the API lets a bet win what the call names (edge case 195).

    The row of the bet decides; as long as there is none, the call's own session.
    """
    if call.jackpot not in POOLS:
        return {True}
    by_session = POOLS[call.jackpot] == (call.game, call.currency)
    by_row = bet.jackpot == call.jackpot or POOLS[call.jackpot] == (bet.game, bet.currency)
    return {
        Stage.NONE: {by_session},
        Stage.TAKING: {by_session, by_row},
    }.get(bet.stage, {by_row})


def answer(bet: Bet, call: Call, world: World) -> Said:
    """Return what a call is answered by a bet that it has reached."""
    match call.operation:
        case "pay-in" | "pay-in-out":
            return _to_opening(bet, call)
        case "pay-out":
            return _to_pay_out(bet, call)
        case _:
            return _to_refund(bet, call, world)


def _to_opening(bet: Bet, call: Call) -> Said:
    if bet.opened is not None and bet.opened.facts != call.facts:
        return DIFFERENT
    if bet.stage is Stage.REFUSED:
        return REFUSED_BET if bet.refusal == NEVER_SEEN else bet.refusal or REFUSED_BET
    if bet.stage in (Stage.BURIED, Stage.NONE):
        return REFUNDED
    if bet.stage is Stage.TAKING:
        return UNKNOWN
    if bet.stage in (Stage.RETURNING, Stage.RETURNED, Stage.REVERSED) and not bet.told:
        return REFUNDED
    if bet.one_step and bet.stage in (Stage.TAKEN, Stage.PAYING, Stage.PAYING_JACKPOT):
        return UNKNOWN
    return _done(bet.won if bet.one_step else None)


def _done(won: str | None) -> Said:
    """Return "done", with what the answer says of a jackpot."""
    return (1, None if won is None else f"jackpot {won}")


def _to_pay_out(bet: Bet, call: Call) -> Said:
    if bet.stage is Stage.NONE:
        return UNKNOWN
    if _contradicts(bet, call):
        return DIFFERENT
    match bet.stage:
        case Stage.REFUSED:
            return NEVER_SEEN if bet.refusal == NEVER_SEEN else REFUSED_BET
        case Stage.RETURNING | Stage.RETURNED | Stage.BURIED | Stage.REVERSED:
            return REFUNDED
        case Stage.TAKEN if _is_turned_down(bet, call):
            return WIN_REFUSED
        case Stage.TAKING | Stage.TAKEN | Stage.PAYING | Stage.PAYING_JACKPOT:
            return UNKNOWN
        case _:
            return _done(bet.won)


def _to_refund(bet: Bet, call: Call, world: World) -> Said:
    if bet.player != call.player:
        return DIFFERENT
    match bet.stage:
        case Stage.REFUSED:
            return REFUSED_BET
        case Stage.PAYING | Stage.PAYING_JACKPOT | Stage.PAID if not _wants_reversal(bet, world):
            return SETTLED
        case Stage.RETURNED | Stage.BURIED | Stage.REVERSED:
            return DONE
        case Stage.KEPT:
            return KEPT_WIN
        case _:
            return UNKNOWN


def _is_told(bet: Bet, call: Call, said: Said) -> Bet:
    return replace(bet, told=True) if call.opens and said[0] == 1 else bet


# Calls at once

_AWAY, _THERE = "away", "there"


def hear(bets: Bets, calls: tuple[Call, ...], world: World) -> dict[tuple[Said, ...], Bets]:
    """Return every answer that these calls, made at the same moment, may get, with the states that are possible then.

    Each arrives and is answered at some moment of its own; in between money may move. Each may be answered 99.
    """
    start = [(bet, (_AWAY,) * len(calls)) for bet in bets]
    seen: set[Any] = set(start)
    new: list[Any] = list(start)
    heard: dict[tuple[Said, ...], set[Bet]] = {}
    while new:
        bet, standing = new.pop()
        if all(isinstance(one, tuple) for one in standing):
            heard.setdefault(standing, set()).add(bet)
            continue
        for node in _onward(bet, standing, calls, world):
            if node not in seen:
                seen.add(node)
                new.append(node)
    return {said: frozenset(found) for said, found in heard.items()}


def _onward(bet: Bet, standing: tuple[Any, ...], calls: tuple[Call, ...], world: World) -> Iterator[Any]:
    for step in steps(bet, world):
        yield step, standing
    for place, (call, one) in enumerate(zip(calls, standing, strict=True)):

        def put(what: Any, place: int = place) -> tuple[Any, ...]:
            return (*standing[:place], what, *standing[place + 1 :])

        if one == _AWAY:
            for there, how in _arriving(bet, call, world):
                yield there, put(how)
        elif one == _THERE:
            said = answer(bet, call, world)
            yield _is_told(bet, call, said), put(said)
            if call.opens and bet.stage is Stage.TAKING and bet.doubt is Doubt.NO:
                # Its deadline may be over before a busy worker has sent the stake: then it is not sent (edge case 75).
                yield replace(bet, doubt=Doubt.ABSENT), put(UNKNOWN)
            if said != UNKNOWN:
                yield bet, put(UNKNOWN)
                yield _is_told(bet, call, said), put(UNKNOWN)


def _arriving(bet: Bet, call: Call, world: World) -> Iterator[tuple[Bet, Any]]:
    """Return what the arrival of a call makes of a bet, and how the call stands then."""
    can_win = _can_win(bet, call)
    if True in can_win:
        for there in arrive(bet, call, world):
            yield there, _THERE
    if False in can_win:
        yield bet, NO_POOL
    # It may not have come to its bet, and has to be repeated: its time may be over before a busy service has looked,
    # and if it crosses the PayIn it may find neither bet nor room for a tombstone.
    yield bet, UNKNOWN


def will_be_known(bets: Bets, call: Call, world: World) -> bool:
    """Return whether a call gets a definite answer in the end, without any other call."""
    passed = [bet for bet in closure(bets, world) if True in _can_win(bet, call)]
    there = [bet for before in passed for bet in arrive(before, call, world)]
    return all(answer(bet, call, world) != UNKNOWN for bet in at_rest(there, world))


# Operators

# What cannot end by itself, before an operator acts.
_FIRM = ("void", "settle", "mark-paid", "release", "refuse")


def operate(bets: Bets, action: str, win: str | None, world: World) -> dict[str, Bets]:
    """Return an operator's possible answers, "done" or "refused", with the states then (edge cases 44, 73).

    "alone" is that of one operator who asks twice for the release of a win.
    """
    heard: dict[str, set[Bet]] = {"done": set(), "refused": set(), "alone": set()}
    for bet in closure(bets, world):
        if action == "release alone":
            heard["refused" if bet.held is None or bet.marked else "alone"].add(bet)
            continue
        changed = _acted(bet, action, win)
        if changed is not None:
            heard["done"].add(changed)
        if changed is None or bet.stage is Stage.TAKING or action not in _FIRM:
            # A stake that is being taken may not have a row yet; a movement may end before it is tried again.
            heard["refused"].add(bet)
    return {said: frozenset(found) for said, found in heard.items() if found}


def _acted(bet: Bet, action: str, win: str | None) -> Bet | None:
    undecided = bet.stage in (Stage.TAKING, Stage.TAKEN) and not bet.filed and bet.held is None
    if bet.marked:
        return None
    match action:
        case "void" if bet.stage is Stage.TAKING and bet.parked and (undecided or bet.is_refunded):
            # It is looked for again, and not sent (edge case 90).
            return replace(bet.files("refund"), parked=False)
        case "void" if undecided:
            return bet.files("refund")
        case "settle" if undecided and bet.stage is Stage.TAKEN and not bet.one_step and bet.turned_down != (win, None):
            return bet.files("settle", win)
        case "release" | "refuse" if bet.held is not None:
            return replace(bet, marked=action)
        case "mark-paid" if bet.parked and bet.moving in (WIN, RETURN, JACKPOT):
            return replace(bet, marked=action)
        case "mark-taken" | "mark-not-taken" if bet.parked and bet.moving in (STAKE, CLAW_BACK):
            return replace(bet, marked=action)
        case "retry" if bet.stage in (*_MOVES, Stage.TAKEN):
            return replace(bet, parked=False)
        case _:
            return None
