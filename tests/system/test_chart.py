"""The Helm chart as ``helm template`` renders it: what Kubernetes would be given, and that it is safe."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

_ROOT = Path(__file__).parents[2]
_CHART = _ROOT / "deploy/helm/betcore"
_HELM = shutil.which(os.environ.get("HELM", "helm"))

pytestmark = pytest.mark.skipif(_HELM is None, reason="helm is not there, or not named in HELM")


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    assert _HELM is not None
    command = [_HELM, "template", "live", str(_CHART), "--kube-version", "1.33.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def _named(rendered: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in rendered if document["kind"] == kind}


def _pods(rendered: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {**_named(rendered, "Deployment"), **_named(rendered, "Job")}
    return {name: document["spec"]["template"]["spec"] for name, document in found.items()}


def test_each_process_is_scaled_kept_and_fenced(rendered: list[dict[str, Any]]) -> None:
    processes = {"live-api", "live-feed", "live-worker"}
    for kind in ("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"):
        assert set(_named(rendered, kind)) == processes, kind
    assert set(_named(rendered, "Service")) == {"live-api", "live-feed"}
    for name, deployment in _named(rendered, "Deployment").items():
        labels = deployment["spec"]["selector"]["matchLabels"]
        assert deployment["spec"]["template"]["metadata"]["labels"] == labels
        assert _named(rendered, "PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"] == labels
        assert _named(rendered, "NetworkPolicy")[name]["spec"]["podSelector"]["matchLabels"] == labels
        # A number of replicas would undo, at each release, what the autoscaler has decided.
        assert "replicas" not in deployment["spec"]


def test_no_pod_has_more_than_it_needs(rendered: list[dict[str, Any]]) -> None:
    for name, pod in _pods(rendered).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False, name
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"], name


def test_secrets_are_named_and_each_process_has_its_own(rendered: list[dict[str, Any]]) -> None:
    assert _named(rendered, "Secret") == {}
    given: dict[str, dict[str, str]] = {}
    for name, pod in _pods(rendered).items():
        environment = pod["containers"][0]["env"]
        given[name] = {
            row["name"]: row["valueFrom"]["secretKeyRef"]["name"] for row in environment if "valueFrom" in row
        }
        plain = [row["name"] for row in environment if "value" in row]
        assert not {"BETCORE_DATABASE_URL", "BETCORE_SECRET_KEY", "BETCORE_TEMPORAL_PAYLOAD_KEY"} & set(plain)
    databases = {name: secrets["BETCORE_DATABASE_URL"] for name, secrets in given.items()}
    assert len(set(databases.values())) == len(databases)
    assert {name for name, secrets in given.items() if "BETCORE_TEMPORAL_PAYLOAD_KEY" in secrets} == {
        "live-api",
        "live-worker",
    }


def test_probes_ask_the_inner_port_and_partners_cannot(rendered: list[dict[str, Any]]) -> None:
    for name, deployment in _named(rendered, "Deployment").items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == "inner", name
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["inner"] == {"live-api": 9080, "live-feed": 9083, "live-worker": 9081}[name]
    for service in _named(rendered, "Service").values():
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["partners"]
    (rule,) = _named(rendered, "Ingress")["live"]["spec"]["rules"]
    assert {path["path"] for path in rule["http"]["paths"]} == {
        "/v1/",
        "/mis-api/",
        "/webframe/",
        "/partnersmediator-service/",
        "/live",
    }
