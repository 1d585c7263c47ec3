"""The Accepts that a casino sends, as ``GET /_accepts`` shows them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from devkit.sandbox.casino.wire import Accept, message_of


class State(StrEnum):
    """The progress of a sending. WAITING is before its first try and between two tries."""

    WAITING = "waiting"
    ANSWERED = "answered"
    DROPPED = "dropped"
    GIVEN_UP = "given_up"


@dataclass
class Sending:
    """One Accept on its way, after ``tries`` tries; ``body`` is what is sent of it.

    ``status`` and ``answer_code`` are the aggregator's last answer (None: nothing that could be read), ``failure`` is
    why a try got no answer, ``fault`` the kind that met it.
    """

    accept: Accept
    body: Mapping[str, object]
    fault: str | None = None
    state: State = State.WAITING
    tries: int = 0
    status: int | None = None
    answer_code: int | None = None
    failure: str | None = None
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    tried_at: datetime | None = None
    ended_at: datetime | None = None

    def begin_try(self) -> None:
        """Count a try and clear the result of the previous one."""
        self.tries += 1
        self.tried_at = datetime.now(UTC)
        self.status = self.answer_code = self.failure = None

    def end(self, state: State) -> None:
        """Record that no more tries are made."""
        self.state, self.ended_at = state, datetime.now(UTC)

    def show(self) -> dict[str, Any]:
        """Return the message and what became of it, as JSON can carry it."""
        message = asdict(self.accept) | {"message": message_of(self.accept.error_code)}
        shown = asdict(self)
        del shown["accept"], shown["body"]
        times = {name: at.isoformat() for name, at in shown.items() if isinstance(at, datetime)}
        return message | shown | times
