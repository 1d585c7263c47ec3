"""Alerts and boards of ``deploy/``: every metric and label that an expression names is exported by a running stack."""

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pytest
import yaml

from tests.partner import PATIENCE, ROOT, Stack, TestPartner, eventually
from tests.system.test_metrics import scraped
from tests.unit.test_metric_names import METRICS

PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTS = PROMETHEUS / "alerts.yml"
BOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
PROMTOOL = shutil.which("promtool")
# Prometheus adds these to whatever it scrapes, and makes ``up``.
ADDED = {"job", "instance"}
# The SDK exports it from the first failure on.
OF_FAILURES = {"temporal_workflow_task_execution_failed_total": {"workflow_type", "failure_reason", "task_queue"}}
_METRIC = re.compile(r"\b((?:betcore|temporal|process)_\w+|up)\b(?!\s*\()(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def rules() -> list[Mapping[str, object]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield where an expression stands, and the expression."""
    for rule in rules():
        yield str(rule["alert"]), str(rule["expr"])
    for board in BOARDS:
        for panel in json.loads(board.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{board.stem}: {panel['title']}", target["expr"]


def wrong(expression: str, exported: Mapping[str, set[str]]) -> list[str]:
    """Return what an expression names that is not exported."""
    found, known = [], set(ADDED)
    for name, selector in _METRIC.findall(expression):
        labels = exported.get(name)
        if labels is None:
            found.append(name)
            continue
        known |= labels
        found += [f"{name}{{{label}}}" for label in _LABEL.findall(selector) if label not in labels | ADDED]
    grouped = {label.strip() for labels in _GROUPED.findall(expression) for label in labels.split(",")}
    return [*found, *sorted(grouped - known)]


async def test_every_expression_names_what_is_exported(stack: Stack, partner: TestPartner) -> None:
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).code == 1
    assert (await partner.pay_out(bet)).code == 1
    about = {"provider": partner.provider, "outcome": "settled"}

    async def counted() -> bool:
        return (await scraped(stack, stack.addresses["workers"])).total("betcore_ended_total", **about) == 1

    await eventually(counted, PATIENCE)
    exported: dict[str, set[str]] = defaultdict(set, {"up": set(), **OF_FAILURES})
    # What needs a jackpot, a launch or a casino that fails: a test holds this list and the code together.
    for name, labels in METRICS.items():
        exported[name] |= set(labels)
    for address in (stack.addresses["api_inner"], stack.addresses["feed_inner"], *stack.addresses["workers"]):
        for sample in (await scraped(stack, [address])).samples:
            exported[sample.name] |= sample.labels.keys()
    bad = {place: names for place, expression in expressions() if (names := wrong(expression, exported))}
    assert bad == {}


def test_an_expression_that_names_what_is_not_exported_is_noticed() -> None:
    exported = {"betcore_open": {"status"}}
    assert wrong('sum by (status) (betcore_open{status="owed", job="x"})', exported) == []
    assert wrong("sum by (casino) (betcore_opened)", exported) == ["betcore_opened", "casino"]
    assert wrong('max(betcore_open{state="owed"})', exported) == ["betcore_open{state}"]


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text()
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in rules():
        labels, annotations = rule["labels"], rule["annotations"]
        assert isinstance(labels, dict)
        assert isinstance(annotations, dict)
        assert labels["severity"] in ("page", "ticket"), rule["alert"]
        file, _, anchor = annotations["runbook"].partition("#")
        assert (file, anchor in anchors) == ("docs/runbook.md", True), annotations["runbook"]
        assert annotations["summary"]


@pytest.mark.skipif(
    PROMTOOL is None and not os.environ.get("CI"), reason="promtool is not installed: make observability-setup"
)
def test_prometheus_takes_the_rules_and_they_fire() -> None:
    for arguments in (("check", "config", str(PROMETHEUS / "prometheus.yml")), ("test", "rules", "alerts_test.yml")):
        ran = subprocess.run([str(PROMTOOL), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
