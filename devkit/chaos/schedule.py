"""The schedule of faults, drawn from a seed: the same seed and length give the same schedule.

A kind is written as the report counts it: ``kill api``, ``freeze postgres``, ``worker-postgres reset``. Kinds come in
rounds, each round in an order of its own, so that a short run has many kinds and a long one has all of them, many
times.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

PROCESSES = ("api", "worker", "casino", "postgres", "temporal")
# Each pair of processes that talk to each other, the one that calls first.
LINKS = (
    *("provider-api", "api-postgres", "api-temporal", "worker-postgres", "worker-temporal"),
    *("service-casino", "casino-api"),
)
TROUBLES = ("delay", "black_hole", "reset", "cut", "lose_answers")
_CASHBACK, _CASHBACK_ACCEPT = "/cashback-payments/make", "/cashback-payments/accept"
_CASINO_FAULTS: dict[str, dict[str, Any]] = {
    "lost": {"kind": "lost", "path": "/payments/make"},
    "refuse": {"kind": "error_code", "path": "/payments/make", "transaction_type": -1, "error_code": 102823},
    "error": {"kind": "error", "path": "/payments/make"},
    "late": {"kind": "delay", "delay": 3},
    "blind": {"kind": "error", "path": "/payments/info"},
    "no accept": {"kind": "drop", "path": "/payments/accept"},
    "conflict": {"kind": "answer", "path": "/payments/make", "status": 409, "body": "already there", "commit": True},
    "duplicate of nothing": {"kind": "error_code", "path": "/payments/make", "error_code": 103803},
    "other types": {"kind": "other_types"},
    "accept in other types": {"kind": "other_types", "path": "/payments/accept"},
    "dirty texts": {"kind": "dirty_texts"},
    "accept with dirty texts": {"kind": "dirty_texts", "path": "/payments/accept"},
    "unreadable": {"kind": "answer", "path": "/payments/make", "status": 200, "body": "[" * 5_000, "commit": True},
    "unreadable balance": {"kind": "answer", "path": "/users/data", "status": 200, "body": "[" * 5_000},
    "refusing accept": {"kind": "error_code", "path": "/payments/accept", "transaction_type": 1, "error_code": 102823},
    "no close": {"kind": "error", "path": "/payments/close"},
    "lost list": {"kind": "lost", "path": "/payments/make-list"},
    "list with a missing item": {"kind": "item_missing", "path": "/payments/make-list"},
    "list with a doubled item": {"kind": "item_doubled", "path": "/payments/make-list"},
    "list without its last item": {"kind": "last_item_missing", "path": "/payments/make-list"},
    # Of returns: a casino that takes a stake and refuses it at its first send is believed.
    "refused list": {
        "kind": "refuse_after_commit",
        "path": "/payments/make-list",
        "error_code": 102145,
        "transaction_type": 2,
    },
    "lost jackpot": {"kind": "lost", "path": "/payments/make", "transaction_type": 4},
    "jackpot error": {"kind": "error", "path": "/payments/make", "transaction_type": 4},
    "refusing accept of a jackpot": {
        "kind": "error_code",
        "path": "/payments/accept",
        "transaction_type": 4,
        "error_code": 102823,
    },
    "lost cashback": {"kind": "lost", "path": _CASHBACK},
    "cashback error": {"kind": "error", "path": _CASHBACK},
    "cashback conflict": {"kind": "answer", "path": _CASHBACK, "status": 409, "body": "already there", "commit": True},
    "cashback duplicate of nothing": {"kind": "error_code", "path": _CASHBACK, "error_code": 103803},
    "cashback unreadable": {"kind": "answer", "path": _CASHBACK, "status": 200, "body": "[" * 5_000, "commit": True},
    # The player has spent the money.
    "refuse cancel": {"kind": "error_code", "path": _CASHBACK, "transaction_type": -2, "error_code": 103802},
    "no cashback accept": {"kind": "drop", "path": _CASHBACK_ACCEPT},
    "cashback accept in other types": {"kind": "other_types", "path": _CASHBACK_ACCEPT},
    "refusing cashback accept": {
        "kind": "error_code",
        "path": _CASHBACK_ACCEPT,
        "transaction_type": 1,
        "error_code": 102823,
    },
}
RESTORE = "restore postgres"
KEYS = ("rotate provider secret", "rotate casino secret", "rotate signing key")
KINDS = (
    *(f"{how} {name}" for how in ("kill", "freeze") for name in PROCESSES),
    *("redeploy worker", "wrong clock", "kill api and worker", "kill postgres and temporal"),
    *KEYS,
    RESTORE,
    *(f"casino {name}" for name in _CASINO_FAULTS),
    *(f"{link} {trouble}" for link in LINKS for trouble in TROUBLES),
)
# Seconds from one fault's beginning to the next one's, and seconds that one lasts: sometimes two overlap.
_GAP = (5.5, 10.5)
_LASTS = (1.0, 7.5)
_MOMENTS = ("kill", "redeploy", "rotate", "wrong clock", "restore")
# A restore sets aside the bets begun before it: it comes once, among the first faults, but not before there
# is a base backup and a span that is lost. The next fault leaves the load time to start again.
_PLACES_OF_RESTORE = (2, 4)
_RESTORE_FROM = 20.0
_AFTER_RESTORE = 12.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is in force from ``at`` seconds after the load began, for ``seconds``.

    What happens in a moment (a kill, a new key) has no length: all that comes after it is recovery.
    """

    at: float
    kind: str
    seconds: float
    details: dict[str, Any] = field(default_factory=dict)


def kinds_named(prefix: str) -> tuple[str, ...]:
    """Return the kinds whose names begin so, in the order of ``KINDS``."""
    return tuple(kind for kind in KINDS if kind.startswith(prefix))


def schedule(seed: int, seconds: float, kinds: Sequence[str] = KINDS) -> list[Fault]:
    """Return the faults of a run of this length, in the order of their beginning; each is over when the run is."""
    chance = random.Random(seed)  # noqa: S311  a schedule, not a secret
    faults: list[Fault] = []
    at = chance.uniform(*_GAP) / 2
    for kind in _rounds(chance, kinds):
        if kind == RESTORE:
            at = max(at, _RESTORE_FROM)
        lasts = 0.0 if kind.startswith(_MOMENTS) else round(chance.uniform(*_LASTS), 1)
        if at + lasts > seconds:
            return faults
        faults.append(Fault(round(at, 1), kind, lasts, _details(kind, chance)))
        at += chance.uniform(*_GAP) + (_AFTER_RESTORE if kind == RESTORE else 0)
    return faults


def _rounds(chance: random.Random, kinds: Sequence[str]) -> Iterator[str]:
    """Yield one round after the other, without end; the restore alone if the kinds have nothing else."""
    others = [kind for kind in kinds if kind != RESTORE]
    first = chance.sample(others, len(others))
    if RESTORE in kinds:
        first.insert(chance.randint(*_PLACES_OF_RESTORE), RESTORE)
    yield from first
    while others:
        yield from chance.sample(others, len(others))


def _details(kind: str, chance: random.Random) -> dict[str, Any]:
    head, _, tail = kind.partition(" ")
    if head == "casino":
        share = 1 if tail == "blind" else round(chance.uniform(0.2, 0.8), 2)
        return _CASINO_FAULTS[tail] | {"probability": share}
    if tail == "delay":
        return {"seconds": round(chance.uniform(0.05, 1.0), 2)}
    if tail == "cut":
        return {"after_bytes": chance.randrange(200)}
    if kind in ("rotate provider secret", "rotate casino secret"):
        # Every process knows it by then: longer than ``partner_cache_seconds``.
        return {"taken_into_use_after": round(chance.uniform(3.0, 6.0), 1)}
    if kind == "wrong clock":
        return {"minutes": chance.choice([-60, -5, 5, 60])}
    return {}
