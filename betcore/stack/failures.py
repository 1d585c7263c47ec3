"""What can keep the stack from starting::

StackRefused       folder_in_use, port_in_use, not_installed, no_identity
└── StartFailed    start_failed: a process ended, or was not ready in time
    └── PortTaken  port_in_use: somebody else took its port between our choice and its start
"""

from betcore.errors import SetupRefused


class StackRefused(SetupRefused):
    """The stack was not started."""

    code = "stack_refused"


class StartFailed(StackRefused):
    """A process of the stack did not come up; the message holds the end of its log."""

    code = "start_failed"


class PortTaken(StartFailed):
    """A process did not come up because its port is somebody else's; another free port may work."""

    code = "port_in_use"
