"""What all rules of the machine share: the stack, the time, and the script that is written while it is played."""

import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from tests.model.book import World
from tests.model.play import Play, Step
from tests.partner import Stack

_T = TypeVar("_T")
# Seconds without a change after which a bet is at rest; while a failure is made shorter, little more than is needed.
_STILL, _STILL_WHILE_SHRINKING = 12, 7


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


class Script(RuleBasedStateMachine):
    """One example: its steps are written down as they are played."""

    trials: ClassVar[Trials]

    def __init__(self) -> None:
        super().__init__()
        self.trials.may_go_on()
        self.trials.examples += 1
        self._play = Play(self.trials.stack, _STILL_WHILE_SHRINKING if self.trials.failed_at else _STILL)
        self._script: list[Step] = []
        self._world = World()
        self._failed = False

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

    def _settle(self) -> None:
        """Let all that may happen by itself have happened, or not, by now."""


def picked(pick: int, those: Sequence[_T]) -> Iterator[_T]:
    """Draw one of those, if there is one. What is drawn never depends on an answer: that may differ next time."""
    if those:
        yield those[pick % len(those)]


def once(views: Any) -> list[dict[str, Any]]:
    """Return views without repeats."""
    found: list[dict[str, Any]] = []
    for view in views:
        if view not in found:
            found.append(view)
    return found
