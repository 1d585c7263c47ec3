"""What can keep the stack from starting, and what its sandbox refuses::

BetcoreError
├── StackRefused       folder_in_use, port_in_use, not_installed, no_identity, wrong_keys
│   └── StartFailed    start_failed: a process ended, or was not ready in time
│       └── PortTaken  port_in_use: another process took its port between our choice and its start
└── SandboxRefused     sandbox_refused, or the code of the command that prepares the sandbox
"""

from betcore.domain.errors import BetcoreError


class StackRefused(BetcoreError):
    """The stack was not started."""

    code = "stack_refused"


class StartFailed(StackRefused):
    """A process of the stack did not come up; the message holds the end of its log."""

    code = "start_failed"


class PortTaken(StartFailed):
    """A process did not come up because another process has its port; another free port may work."""

    code = "port_in_use"


class SandboxRefused(BetcoreError):
    """The sandbox's control API, or the command that prepares the sandbox, refused."""

    code = "sandbox_refused"
