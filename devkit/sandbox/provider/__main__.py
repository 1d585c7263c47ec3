"""``python -m devkit.sandbox.provider``: serve the sandbox provider until SIGINT or SIGTERM."""

import asyncio
import os
import signal
import sys

from aiohttp import web

from devkit.sandbox.provider.server import create_app

PORT_SETTING = "BETCORE_SANDBOX_PROVIDER_PORT"
AGGREGATOR_SETTING = "BETCORE_SANDBOX_AGGREGATOR_URL"


async def serve(port: int, aggregator_url: str) -> None:
    """Serve on the loopback address; port 0 takes a free one, which is printed. Raises OSError for a port in use."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(create_app(aggregator_url), access_log=None, shutdown_timeout=2)
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
        asyncio.run(serve(int(os.environ.get(PORT_SETTING, "8082")), aggregator_url))
    except OSError as failure:
        sys.exit(f"sandbox provider: {failure} ({PORT_SETTING})")
