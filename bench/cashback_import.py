"""How fast ``cashback import`` opens cashbacks, and that its memory does not grow with the file.

A process of its own imports a file of a hundredth of the lines into an embedded PostgreSQL, another one a file of all.
Prints one JSON object.
"""

import argparse
import asyncio
import io
import json
import os
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.fernet import Fernet
from pydantic import SecretStr

from bench import harness
from betcore.cli.main import app
from betcore.db.engine import create_engine
from betcore.runtime.settings import Settings
from devkit.stack import postgres

_PLAYERS = 10_000
_ADDED = """
INSERT INTO player (casino_id, partner_user_id)
SELECT casino_id, 'player-' || n FROM casino, generate_series(0, $1::int - 1) AS n
"""


async def main(lines: int) -> dict[str, Any]:
    """Import a hundredth of this many lines, and then all of them, and compare."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with postgres.running(Path(folder) / "postgres", options={"fsync": "off"}) as url:
            settings = Settings(
                database_url=SecretStr(url), secret_key=SecretStr(Fernet.generate_key().decode()), data_dir=Path(folder)
            )
            engine = create_engine(settings)
            await harness.prepare(engine, settings, "http://127.0.0.1:1")
            await engine.dispose()
            connection = await asyncpg.connect(url)
            await connection.execute(_ADDED, _PLAYERS)
            hundredth = await _imported(Path(folder), url, "hundredth", lines // 100)
            whole = await _imported(Path(folder), url, "whole", lines)
            opened = await connection.fetchval("SELECT count(*) FROM cashback")
            await connection.close()
    if opened != lines // 100 + lines:
        raise RuntimeError(f"{opened} cashbacks were opened")
    ratio = round(whole["peak_mib"] / hundredth["peak_mib"], 3)
    return {"cores": os.cpu_count(), "hundredth": hundredth, "whole": whole, "peak_ratio": ratio}


async def _imported(folder: Path, url: str, name: str, lines: int) -> dict[str, Any]:
    """Return the figures of a process that imports a file of this many lines."""
    file = folder / f"{name}.csv"
    with file.open("w") as written:
        written.write("key,player,currency,amount\n")
        written.writelines(f"{name}-{n:08},player-{n % _PLAYERS},EUR,0.{1 + n % 99:02}\n" for n in range(lines))
    async with harness.child("bench.cashback_import", "--import", str(file), BETCORE_DATABASE_URL=url) as running:
        return await harness.figures(running)


def _measure(file: str) -> dict[str, Any]:
    command = ["cashback", "import", file, "--casino", "c", "--operator", "bench", "--json"]
    began = time.monotonic()
    with redirect_stdout(io.StringIO()) as printed:
        app(command, standalone_mode=False)
    seconds = time.monotonic() - began
    done = json.loads(printed.getvalue())
    return {
        "lines": done["lines"],
        "outcomes": done["outcomes"],
        "seconds": round(seconds, 2),
        "lines_per_second": round(done["lines"] / seconds),
        "peak_mib": round(harness.peak_mib(), 1),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=1_000_000)
    options.add_argument("--import", dest="file", help=argparse.SUPPRESS)
    asked_for = options.parse_args()
    if asked_for.file:
        print("begun", flush=True)
        print(json.dumps(_measure(asked_for.file)), flush=True)
    else:
        print(json.dumps(asyncio.run(main(asked_for.lines)), indent=2))
