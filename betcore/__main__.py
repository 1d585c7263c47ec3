"""``python -m betcore``, and what ``bin/betcore`` starts."""

from typing import NoReturn

from betcore.cli.main import app
from betcore.runtime.process import exit_now


def main() -> NoReturn:
    """Run the command of this process's arguments, and end the process with its exit status."""
    status = 0
    try:
        # The shells' completion calls the command by this name.
        app(prog_name="betcore")
    except SystemExit as end:
        # Typer ends every command like this, with a number.
        status = int(end.code or 0)
    exit_now(status)


if __name__ == "__main__":
    main()
