"""The settings of the command that archives."""

from betcore.runtime.settings import Settings


class ArchiveSettings(Settings):
    """Those of a process whose database role, and no other, may delete events."""

    process = "archive"
