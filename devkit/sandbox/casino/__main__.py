"""``python -m devkit.sandbox.casino``: run the sandbox casino as a process."""

import asyncio
import logging
import signal
import sys

import asyncpg
from aiohttp import web
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from devkit.sandbox.casino.app import create_app
from devkit.sandbox.casino.database import open_pool

_LOOPBACK = "127.0.0.1"
_JWKS = "/mis-api/api/v2/auth/jwks"
_SECONDS_TO_FINISH = 2.0

_log = logging.getLogger("devkit.sandbox.casino")


class CasinoSettings(BaseSettings):
    """The settings of the process, each an environment variable ``BETCORE_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="BETCORE_", extra="ignore", frozen=True)

    database_url: SecretStr | None = None
    database_pool_size: int = Field(10, ge=1)
    sandbox_casino_port: int = Field(8081, ge=0, le=65_535)
    sandbox_casino_host: str = Field(_LOOPBACK, description="Address on which the sandbox casino listens.")
    api_port: int = Field(8080, ge=0, le=65_535)
    feed_port: int = Field(8083, ge=0, le=65_535)
    log_level: str = "info"
    sandbox_aggregator_url: str | None = Field(
        None, description="Base address of the aggregator whose keys the sandbox casino trusts, and which it calls."
    )

    def aggregator(self) -> str:
        """Return the aggregator's base address."""
        return (self.sandbox_aggregator_url or f"http://{_LOOPBACK}:{self.api_port}").rstrip("/")


async def serve(settings: CasinoSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises OSError if the port is taken or the database out of reach, asyncpg's errors if it refuses the login.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    if settings.database_url is None:
        raise OSError("BETCORE_DATABASE_URL is not set")
    async with await open_pool(settings.database_url.get_secret_value(), settings.database_pool_size) as pool:
        feed = f"http://{_LOOPBACK}:{settings.feed_port}"
        app = create_app(pool, settings.aggregator() + _JWKS, aggregator=settings.aggregator(), feed=feed)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SECONDS_TO_FINISH)
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.sandbox_casino_host, settings.sandbox_casino_port)
            await site.start()
            _log.info("sandbox casino listens on http://%s:%s", *runner.addresses[0][:2])
            await stopped.wait()
        finally:
            await runner.cleanup()
    _log.info("sandbox casino stopped")


def main() -> int:
    """Run the server and return the exit status."""
    settings = CasinoSettings()
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        asyncio.run(serve(settings))
    except (OSError, asyncpg.PostgresError) as error:
        _log.error("the sandbox casino cannot start: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
