"""``python -m betcore``."""

from betcore.cli.main import app
from betcore.runtime.process import leave

if __name__ == "__main__":
    try:
        app(prog_name="python -m betcore")
    except SystemExit as end:
        # Typer ends every command like this, with a number.
        leave(int(end.code or 0))
