"""``python -m betcore``."""

from betcore.cli.main import app

if __name__ == "__main__":
    app(prog_name="python -m betcore")
