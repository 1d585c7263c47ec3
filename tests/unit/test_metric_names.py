"""Metrics, frozen: boards and alerts of operators name them and their labels; docs/observability.md lists them all."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from betcore.telemetry import database_gauges

_PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
# A name or a label is never renamed or taken away: add what is new.
METRICS = {
    "betcore_accepts_total": ("casino", "outcome"),
    "betcore_breaker_open": ("casino",),
    "betcore_breaker_open_seconds": ("casino",),
    "betcore_breaker_opened_total": ("casino",),
    "betcore_call_seconds": ("operation",),
    "betcore_calls_over_rate_total": ("caller",),
    "betcore_calls_total": ("operation", "response_code"),
    "betcore_cashback_rule_opened_total": (),
    "betcore_cashback_rule_runs_ended_total": (),
    "betcore_cashbacks_started_total": (),
    "betcore_casino_answers_total": ("casino", "call", "kind"),
    "betcore_casino_busy_total": ("casino", "lane"),
    "betcore_casino_calls_in_flight": ("casino", "lane"),
    "betcore_casino_seconds": ("casino", "call"),
    "betcore_ended_total": ("workflow_type", "outcome", "provider", "casino"),
    "betcore_feed_connections": (),
    "betcore_feed_connections_ended_total": ("reason",),
    "betcore_http_calls_in_flight": (),
    "betcore_http_calls_refused_total": ("reason",),
    "betcore_http_connections_ended_total": ("reason",),
    "betcore_incidents": ("kind",),
    "betcore_incidents_readable": (),
    "betcore_jackpot_minor_units": ("casino", "jackpot", "currency"),
    "betcore_jackpot_stakes_booked_total": (),
    "betcore_jackpot_unbooked": ("casino", "jackpot", "currency"),
    "betcore_launches_total": ("provider", "outcome"),
    "betcore_live_refunds_filed_total": (),
    "betcore_live_review": ("game_type",),
    "betcore_live_review_oldest_seconds": ("game_type",),
    "betcore_live_rounds_total": ("game_type", "state"),
    "betcore_open": ("subject", "provider", "casino", "currency", "status"),
    "betcore_open_minor_units": ("subject", "provider", "casino", "currency", "status"),
    "betcore_open_oldest_seconds": ("subject", "provider", "casino", "currency", "status"),
    "betcore_request_seconds": ("surface", "partner"),
    "betcore_requests_total": ("surface", "partner", "operation", "code"),
    "betcore_snapshot_age_seconds": ("part",),
    "betcore_spans_lost_total": ("reason",),
    "betcore_stake_limit": (),
    "betcore_stakes_in_flight": (),
    "betcore_stakes_shed_total": (),
    "betcore_stuck": ("why",),
    "betcore_temporal_payloads_refused_total": (),
    "betcore_wins_held_total": ("limit",),
}
# Counted by Temporal's SDK, in workflows (``workflows/support/outcomes.py``).
OF_THE_SDK = {"betcore_ended_total"}


def _metrics() -> Iterator[tuple[str, tuple[str, ...]]]:
    for module in ("api.main", "api.feed.main", "worker"):
        import_module(module)
    of_database = CollectorRegistry()
    database_gauges.register(of_database)
    for registry in (REGISTRY, of_database):
        for one in registry._collector_to_names:
            if isinstance(one, MetricWrapperBase):
                yield one._name + ("_total" if one._type == "counter" else ""), tuple(one._labelnames)


def test_no_metric_is_renamed_and_none_is_new() -> None:
    assert dict(_metrics()) == {name: labels for name, labels in METRICS.items() if name not in OF_THE_SDK}


def test_the_page_lists_every_metric_with_its_labels() -> None:
    listed: dict[str, tuple[str, ...]] = {}
    labels: tuple[str, ...] = ()
    for line in _PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[1].startswith("`betcore_"):
            labels = labels if cells[2] == "the same" else tuple(re.findall(r"`(\w+)`", cells[2]))
            for name in re.findall(r"`(betcore_\w+)`", cells[1]):
                assert name not in listed
                listed[name] = labels
    assert listed == METRICS
