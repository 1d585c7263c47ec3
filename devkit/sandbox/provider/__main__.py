"""``python -m devkit.sandbox.provider``: serve the sandbox provider until SIGINT or SIGTERM."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from devkit.sandbox.provider.server import create_app

PORT_SETTING = "BETCORE_SANDBOX_PROVIDER_PORT"
AGGREGATOR_SETTING = "BETCORE_SANDBOX_AGGREGATOR_URL"
# The length of a round of the draw game in whole seconds; 0 plays none.
DRAW_SETTING = "BETCORE_SANDBOX_DRAW_SECONDS"
FOLDER_SETTING = "BETCORE_DATA_DIR"


async def serve(port: int, app: web.Application) -> None:
    """Serve on the loopback address; port 0 takes a free one, which is printed. Raises OSError for a port in use."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        bound = runner.addresses[0][1]
        sys.stderr.write(f"sandbox provider on http://127.0.0.1:{bound}\n")
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    try:
        aggregator_url = os.environ.get(AGGREGATOR_SETTING, "http://127.0.0.1:8080")
        folder = os.environ.get(FOLDER_SETTING)
        book = Path(folder) / "sandbox-draw.json" if folder else None
        length = timedelta(seconds=int(os.environ.get(DRAW_SETTING, "20")))
        asyncio.run(serve(int(os.environ.get(PORT_SETTING, "8082")), create_app(aggregator_url, book, length)))
    except OSError as failure:
        sys.exit(f"sandbox provider: {failure} ({PORT_SETTING})")
