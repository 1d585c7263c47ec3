"""How many connections a process holds, and how long a caller may take over a request."""

from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import Counter

from betcore.runtime.process import allow_open_files
from betcore.runtime.seldom_log import SeldomLog
from betcore.runtime.settings import Settings

ENDED = Counter("betcore_http_connections_ended", "Connections that the HTTP edge has ended, by reason.", ["reason"])

# Files that a process needs beside the connections of its callers: to its servers, to casinos and providers, its own.
_OTHER_FILES = 1000
_LOG = SeldomLog()
# The name under which a server's protocol finds them in the state of its lifespan.
STATE = "connections"


class Connection(Protocol):
    """A connection of a caller."""

    def make_room(self) -> None:
        """End the connection for a newer one."""


@dataclass(slots=True)
class Connections:
    """The limits of one listening port, and which of its connections have not sent a whole request yet.

    The defaults are for ports that only operators reach.
    """

    most: int = 100
    head_seconds: float = 5.0
    body_seconds: float = 10.0
    # In the order in which they came.
    _unproven: dict[Connection, None] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "Connections":
        """Return the limits of the settings, with fewer connections if the process may not open so many files."""
        most = settings.http_connections
        files = allow_open_files(most + _OTHER_FILES)
        fitting = files - min(_OTHER_FILES, files // 2)
        if fitting < most:
            _LOG.warning("few open files: fewer connections are kept", open_files=files, connections=fitting)
        return cls(min(most, fitting), settings.http_head_seconds, settings.http_body_seconds)

    def admit(self, connection: Connection, present: int) -> bool:
        """Return whether a new connection may stay; ``present`` counts it too.

        If there are too many, the oldest that has not sent a whole request makes room: connections that are held
        open for nothing must not keep callers out.
        """
        if present > self.most:
            oldest = next(iter(self._unproven), None)
            self.count_ended("too_many")
            _LOG.warning("connections are ended: there are too many", connections=self.most)
            if oldest is None:
                return False
            self.forget(oldest)
            oldest.make_room()
        self._unproven[connection] = None
        return True

    def forget(self, connection: Connection) -> None:
        """Take a connection for one that has sent a whole request, or has ended."""
        self._unproven.pop(connection, None)

    def count_ended(self, reason: str) -> None:
        """Count a connection that is ended by a rule of the edge."""
        ENDED.labels(reason).inc()
