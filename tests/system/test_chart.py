"""The Helm chart as ``helm template`` renders it: that Kubernetes would take it, and that the processes fit it."""

import copy
import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes_validate
import pytest
import yaml
from cryptography.fernet import Fernet
from uvicorn.importer import import_from_string

from api.casino import routes as casino_routes
from api.feed import hub
from api.feed import routes as feed_routes
from api.webframe import routes as webframe_routes
from betcore.runtime.settings import ApiSettings, FeedSettings, Settings, WorkerSettings
from tests.api.wire import running_codec
from tests.partner import ROOT, Stack

CHART = ROOT / "deploy" / "helm" / "betcore"
_NONE = "no helm: `make deploy-setup` builds it, if there is Go"
_RELEASES = {
    "unversioned": None,
    "1.4.0": {"image": "betcore:1.4.0"},
    "1.5.0+a": {"image": "betcore:1.5.0", "replicas": 1},
}
_DEFAULT, _EVERYTHING, _LEAST = "default", "everything", "least"
# Values of three installations: as the chart has them; all that can be turned on; without TLS, keys and the rest.
_VALUES: dict[str, dict[str, Any]] = {
    _DEFAULT: {},
    _EVERYTHING: {
        "settings": {"BETCORE_PROVIDER_API_PREFIX": "/aggregator", "BETCORE_CRYPTO_CURRENCIES": '{"BTC": 8}'},
        "secrets": {
            "temporalApiKey": "cloud",
            "rateLimitStore": "valkey",
            "tracesHeaders": "collector",
            "codecTokens": "codec",
        },
        "feed": {"image": "betcore:feed", "settings": {"BETCORE_FEED_CONNECTIONS": "5000"}},
        "worker": {"settings": {"BETCORE_WORKER_SLOTS": "200"}, "releases": _RELEASES},
        "codec": {"enabled": True},
        "imagePullSecrets": [{"name": "registry"}],
    },
    _LEAST: {
        "settings": {"BETCORE_TEMPORAL_TLS": "false", "BETCORE_DATABASE_TLS": "off"}
        | {f"BETCORE_TEMPORAL_TLS_{name}": None for name in ("CA", "CERT", "KEY")}
        | {"BETCORE_DATABASE_TLS_CA": None},
        "secrets": {"payloadKey": ""},
        "ops": {"enabled": False},
        "namespace": {"enabled": False},
        "ingress": {"enabled": False},
    },
}
# The oldest Kubernetes that the chart names, and the newest one whose schemas are here.
_VERSIONS = ("1.27", kubernetes_validate.latest_version())
_CLASSES = {"api": ApiSettings, "feed": FeedSettings, "worker": WorkerSettings}
Document: TypeAlias = dict[str, Any]


def _helm() -> str:
    """Return the helm of ``make deploy-setup``, else the machine's. Without one, skip; in CI, fail."""
    path = next((str(path) for path in sorted(ROOT.glob(".tools/helm-*/helm"))), None) or shutil.which("helm")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(_NONE)
    return str(path)


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Document]]:
    """What Kubernetes would be given, by the name of the installation."""
    folder, helm, found = tmp_path_factory.mktemp("chart"), _helm(), {}
    for name, values in _VALUES.items():
        (folder / name).write_text(yaml.safe_dump(values))
        command = [helm, "template", "live", str(CHART), "--values", str(folder / name), "--kube-version", "1.33.0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found[name] = [document for document in yaml.safe_load_all(done.stdout) if document]
    return found


def _named(documents: list[Document], kind: str) -> dict[str, Document]:
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


def _pods(documents: list[Document]) -> dict[str, Document]:
    found = {**_named(documents, "Deployment"), **_named(documents, "Job")}
    return {name: document["spec"]["template"]["spec"] for name, document in found.items()}


@dataclass(frozen=True)
class _Process:
    """A process of our image, as a pod of an installation starts it."""

    component: str
    pod: Document
    container: Document

    @property
    def variables(self) -> dict[str, str]:
        return {row["name"]: row["value"] for row in self.container["env"]}

    @property
    def secrets(self) -> dict[str, str]:
        """The files of secrets that it gets, each with the Secret that has it."""
        secrets = [source["secret"] for source in _volume(self.pod, "secrets")["projected"]["sources"]]
        return {item["path"]: secret["name"] for secret in secrets for item in secret["items"]}

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", ())}

    @property
    def probes(self) -> dict[str, dict[str, str]]:
        return {name: probe["httpGet"] for name, probe in self.container.items() if name.endswith("Probe")}


def _processes(documents: list[Document]) -> list[_Process]:
    found = [(pod["containers"][0]["name"], pod) for pod in _pods(documents).values()]
    return [_Process(component, pod, pod["containers"][0]) for component, pod in found if component != "namespace"]


def _volume(pod: Document, name: str) -> Document:
    found: Document = next((volume for volume in pod["volumes"] if volume["name"] == name), {})
    return found


def _fields(names: Iterable[str]) -> set[str]:
    """Return the settings whose variables these are."""
    return {name.removeprefix("BETCORE_").lower() for name in names}


@pytest.fixture(scope="module")
def processes(charts: dict[str, list[Document]]) -> list[_Process]:
    """The processes of all installations."""
    return [process for documents in charts.values() for process in _processes(documents)]


@pytest.mark.parametrize("version", _VERSIONS)
def test_kubernetes_knows_every_field(charts: dict[str, list[Document]], version: str) -> None:
    for name, documents in charts.items():
        for document in documents:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{name}: {document['kind']} {document['metadata']['name']}: {error.message}")


def test_a_field_that_kubernetes_does_not_know_is_noticed(charts: dict[str, list[Document]]) -> None:
    deployment = copy.deepcopy(_named(charts[_DEFAULT], "Deployment")["live-api"])
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["readynessProbe"] = container.pop("readinessProbe")
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(deployment, _VERSIONS[-1], strict=True)


def test_each_process_is_scaled_kept_and_fenced(charts: dict[str, list[Document]]) -> None:
    documents = charts[_DEFAULT]
    processes = {"live-api", "live-feed", "live-worker"}
    for kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget"):
        assert set(_named(documents, kind)) == processes, kind
    for kind in ("Deployment", "NetworkPolicy"):
        assert set(_named(documents, kind)) == {*processes, "live-ops"}, kind
    assert set(_named(documents, "Service")) == {"live-api", "live-feed"}
    for name in processes:
        deployment = _named(documents, "Deployment")[name]
        labels = deployment["spec"]["selector"]["matchLabels"]
        assert deployment["spec"]["template"]["metadata"]["labels"] == labels
        assert _named(documents, "PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"] == labels
        assert _named(documents, "NetworkPolicy")[name]["spec"]["podSelector"]["matchLabels"] == labels
        # A number of replicas would undo, at each release, what the autoscaler has decided.
        assert "replicas" not in deployment["spec"]


def test_no_pod_has_more_than_it_needs(charts: dict[str, list[Document]]) -> None:
    for documents in charts.values():
        for name, pod in _pods(documents).items():
            assert pod["securityContext"]["runAsNonRoot"] is True, name
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert pod["automountServiceAccountToken"] is False, name
            (container,) = pod["containers"]
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"], name


def test_partners_and_metrics_come_from_named_pods_alone(charts: dict[str, list[Document]]) -> None:
    for name, policy in _named(charts[_EVERYTHING], "NetworkPolicy").items():
        for rule in policy["spec"].get("ingress", ()):
            assert all(source["namespaceSelector"]["matchLabels"] for source in rule["from"]), name
            assert [port["port"] for port in rule["ports"]] in (["partners"], ["inner"], ["codec"]), name
    reached = {
        name: {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
        for name, policy in _named(charts[_EVERYTHING], "NetworkPolicy").items()
        if "Egress" in policy["spec"]["policyTypes"]
    }
    assert reached == {"live-feed": {53, 5432}, "live-codec": {53, 443}}


def test_each_process_has_the_secrets_of_its_own_as_files(
    charts: dict[str, list[Document]], processes: list[_Process]
) -> None:
    assert all(_named(documents, "Secret") == {} for documents in charts.values())
    given: dict[str, dict[str, str]] = defaultdict(dict)
    for process in processes:
        assert all("value" in row for row in process.container["env"]), process.component
        given[process.component] |= process.secrets
    databases = {component: secrets.get("BETCORE_DATABASE_URL") for component, secrets in given.items()}
    assert databases == {
        **{component: f"betcore-{component}" for component in ("api", "feed", "worker", "ops")},
        "migrate": "betcore-owner",
        "codec": None,
    }
    payload_key = {component for component, secrets in given.items() if "BETCORE_TEMPORAL_PAYLOAD_KEY" in secrets}
    assert payload_key == {"api", "worker", "ops", "codec"}
    assert set(given["codec"]) == {"BETCORE_TEMPORAL_PAYLOAD_KEY", "BETCORE_CODEC_TOKENS"}


def test_every_name_is_a_setting_and_every_value_can_be_read(
    processes: list[_Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the secrets as Kubernetes mounts them: links into a folder that it replaces at once."""
    for name in [name for name in os.environ if name.startswith("BETCORE_")]:
        monkeypatch.delenv(name)
    for number, process in enumerate(processes):
        mounted = tmp_path / str(number)
        (mounted / "..2026").mkdir(parents=True)
        (mounted / "..data").symlink_to("..2026")
        for name in process.secrets:
            (mounted / "..2026" / name).write_text(f"{name} of a file\n")
            (mounted / name).symlink_to(f"..data/{name}")
        variables = {name: value for name, value in process.variables.items() if name.startswith("BETCORE_")}
        assert _fields([*variables, *process.secrets]) <= set(Settings.model_fields), process.component
        mounts = {mount["name"]: mount["mountPath"] for mount in process.container["volumeMounts"]}
        assert variables["BETCORE_SECRETS_DIR"] == mounts["secrets"]
        with monkeypatch.context() as environment:
            for name, value in (variables | {"BETCORE_SECRETS_DIR": str(mounted)}).items():
                environment.setenv(name, value)
            settings = _CLASSES.get(process.component, Settings)(data_dir=tmp_path)
        for name in process.secrets:
            assert getattr(settings, *_fields([name])).get_secret_value() == f"{name} of a file"
        assert process.ports.get("inner") == _inner_port(process.component, settings)
    named = re.findall(r"BETCORE_[A-Z_]+", (CHART / "values.yaml").read_text())
    assert _fields(named) <= set(Settings.model_fields)


def _inner_port(component: str, settings: Settings) -> int | None:
    """Return where a process answers Prometheus, which is on another machine; None if it does not."""
    listens = {
        "api": (settings.inner_host, settings.api_inner_port),
        "feed": (settings.inner_host, settings.feed_inner_port),
        "codec": (settings.inner_host, settings.codec_inner_port),
        "worker": (settings.worker_metrics_address, settings.worker_metrics_port),
    }
    host, port = listens.get(component, ("0.0.0.0", None))
    return port if host == "0.0.0.0" else None


def test_the_files_of_tls_are_those_that_the_settings_name(charts: dict[str, list[Document]]) -> None:
    files: dict[str, set[str]] = defaultdict(set)
    for documents in charts.values():
        for name, pod in _pods(documents).items():
            (container,) = pod["containers"]
            named = {row["value"] for row in container["env"] if row["value"].startswith("/run/tls/")}
            items = _volume(pod, "tls").get("secret", {}).get("items", ())
            assert {f"/run/tls/{item['path']}" for item in items} == named, name
            mounted = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "tls"]
            assert mounted == (["/run/tls"] if named else []), name
            files[container["name"]] |= {item["path"] for item in items}
    client = {"ca.pem", "temporal_client.pem", "temporal_client.key"}
    assert {component for component, found in files.items() if found == client} == {"api", "worker", "ops", "namespace"}
    assert {component for component, found in files.items() if found == {"ca.pem"}} == {"feed", "migrate"}
    assert files["codec"] == set()


def test_each_process_is_started_as_its_port_says(processes: list[_Process]) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    of_image = json.loads((ROOT / "Dockerfile").read_text().rpartition("CMD ")[2].replace("\\\n", ""))
    for process in processes:
        command = process.container.get("command", of_image)
        if process.component != "ops":
            assert command == services[process.component].get("command", of_image), process.component
        outer = {str(port) for name, port in process.ports.items() if name != "inner"}
        assert outer == set(re.findall(r"--port[= ](\d+)", " ".join(command))), process.component
        for place in re.findall(r"[\w.]+:\w+", " ".join(command)):
            import_from_string(place)


async def test_every_probe_is_answered(processes: list[_Process], stack: Stack) -> None:
    """On a running stack, by the port that the probe names; it has no codec server, which is started for this."""
    addresses = stack.addresses
    serving = {
        ("api", "partners"): addresses["api"],
        ("api", "inner"): addresses["api_inner"],
        ("feed", "partners"): addresses["feed"],
        ("feed", "inner"): addresses["feed_inner"],
        ("worker", "inner"): addresses["workers"][0],
    }
    probes = {
        (process.component, probe["port"], probe["path"]) for process in processes for probe in process.probes.values()
    }
    assert {component for component, _, _ in probes} == {"api", "feed", "worker", "codec"}
    (codec,) = (process for process in processes if process.component == "codec")
    origins, key = codec.variables["BETCORE_CODEC_ORIGINS"], Fernet.generate_key().decode()
    async with running_codec(codec_origins=origins, temporal_payload_key=key) as running:
        serving["codec", "codec"] = f"http://127.0.0.1:{running.port}"
        serving["codec", "inner"] = f"http://127.0.0.1:{running.inner.port}"
        for component, port, path in probes:
            async with stack.http.get(serving[component, port] + path) as answer:
                assert answer.status == 200, (component, port, path)


def test_partners_stay_with_a_pod_whose_database_is_down(processes: list[_Process]) -> None:
    """The API then answers 99, which tells a provider what to do. A release goes on only if the servers answer."""
    for process in processes:
        if process.component in {"api", "feed"}:
            assert process.probes["readinessProbe"] == {"path": "/health/live", "port": "partners"}
            assert process.probes["startupProbe"] == {"path": "/health/ready", "port": "inner"}


def test_prometheus_finds_the_pods_under_the_names_of_alerts_and_boards(charts: dict[str, list[Document]]) -> None:
    prometheus = ROOT / "deploy" / "prometheus"
    (job,) = yaml.safe_load((prometheus / "kubernetes.yml").read_text())["scrape_configs"]
    keep, named, _ = job["relabel_configs"]
    jobs = set()
    for deployment in _named(charts[_EVERYTHING], "Deployment").values():
        template = deployment["spec"]["template"]
        found = {
            "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", label): value
            for label, value in template["metadata"]["labels"].items()
        }
        for port in template["spec"]["containers"][0].get("ports", ()):
            found["__meta_kubernetes_pod_container_port_name"] = port["name"]
            if re.fullmatch(keep["regex"], ";".join(found[label] for label in keep["source_labels"])):
                jobs.add(named["replacement"].replace("$1", found[named["source_labels"][0]]))
    of_compose = yaml.safe_load((prometheus / "prometheus.yml").read_text())["scrape_configs"]
    assert jobs == {one["job_name"] for one in of_compose} - {"temporal"}


@pytest.mark.parametrize(("chart", "prefix"), [(_DEFAULT, ""), (_EVERYTHING, "/aggregator")])
def test_the_paths_of_partners_lead_to_who_serves_them(
    charts: dict[str, list[Document]], chart: str, prefix: str
) -> None:
    documents = charts[chart]
    for service in _named(documents, "Service").values():
        assert [port["targetPort"] for port in service["spec"]["ports"]] in (["partners"], ["codec"])
    (rule,) = _named(documents, "Ingress")["live"]["spec"]["rules"]
    leads = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    serves = {
        **dict.fromkeys((f"{prefix}/v1/", f"{casino_routes.PREFIX}/", f"{webframe_routes.PREFIX}/"), "live-api"),
        **dict.fromkeys((f"{feed_routes.PREFIX}/", *hub.PATHS, "/live"), "live-feed"),
    }
    for path, service in serves.items():
        assert {leads[prefix] for prefix in leads if path.startswith(prefix)} == {service}, path
    assert [path for path in leads if not any(served.startswith(path) for served in serves)] == []


def test_releases_of_the_worker_run_side_by_side(charts: dict[str, list[Document]]) -> None:
    documents = charts[_EVERYTHING]
    names = ["live-worker", "live-worker-1-4-0", "live-worker-1-5-0-a"]
    deployments = _named(documents, "Deployment")
    assert sorted(name for name in deployments if "worker" in name) == names
    selectors = {json.dumps(deployments[name]["spec"]["selector"]["matchLabels"]) for name in names}
    assert len(selectors) == len(names)
    found = {}
    for worker in (process for process in _processes(documents) if process.component == "worker"):
        variables = worker.variables
        release = variables.get("BETCORE_WORKER_BUILD_ID")
        found[release] = variables["BETCORE_WORKER_VERSIONING"], worker.container["image"]
        assert variables["BETCORE_WORKER_SLOTS"] == "200"
    assert found == {
        None: ("false", "betcore:0.1.0"),
        "1.4.0": ("true", "betcore:1.4.0"),
        "1.5.0+a": ("true", "betcore:1.5.0"),
    }
    scalers = _named(documents, "HorizontalPodAutoscaler")
    assert [scalers[name]["spec"]["minReplicas"] for name in names] == [3, 3, 1]
    assert set(names) <= set(_named(documents, "PodDisruptionBudget"))
    # The first versioned release begins beside the workers that are there: helm does not touch their Deployment.
    before = _named(charts[_DEFAULT], "Deployment")["live-worker"]["spec"]["selector"]
    assert before == deployments["live-worker"]["spec"]["selector"]


def test_jobs_come_before_the_processes_and_the_namespace_before_the_migration(
    charts: dict[str, list[Document]],
) -> None:
    documents = [one for one in charts[_DEFAULT] if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    weights = {
        (one["kind"], one["metadata"]["name"]): int(one["metadata"]["annotations"].get("helm.sh/hook-weight", 0))
        for one in documents
    }
    assert {one["metadata"]["annotations"]["helm.sh/hook"] for one in documents} == {"pre-install,pre-upgrade"}
    first_to_last = [("ConfigMap", "live-namespace"), ("Job", "live-namespace"), ("Job", "live-migrate")]
    assert sorted(weights, key=lambda one: weights[one]) == first_to_last
    script = (ROOT / "deploy" / "temporal" / "namespace.sh").read_text()
    assert _named(documents, "ConfigMap")["live-namespace"]["data"] == {"namespace.sh": script}
    (container,) = _pods(documents)["live-namespace"]["containers"]
    assert set(re.findall(r"\$(TEMPORAL_\w+|RETENTION)", script)) <= {row["name"] for row in container["env"]}
