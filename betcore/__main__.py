"""``python -m betcore``."""

from betcore.cli.main import app
from betcore.runtime.process import exit_now

if __name__ == "__main__":
    try:
        app(prog_name="python -m betcore")
    except SystemExit as end:
        # Typer ends every command like this, with a number.
        exit_now(int(end.code or 0))
