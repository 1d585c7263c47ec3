"""In which order a run takes the files of tests, and which files stay together in one process."""

import pytest
from xdist.scheduler import LoadFileScheduling

# Their tests kill workers, lock tables, or stop the sweep: one process takes a group, and starts a stack for it. Tests
# of pages share a browser.
TOGETHER: tuple[tuple[str, ...], ...] = (
    ("tests/system/test_scenarios_operators.py",),
    (
        "tests/system/test_scenarios_crashes.py",
        "tests/system/test_scenarios_accept.py",
        "tests/system/test_scenarios_reconciliation.py",
    ),
    (
        "tests/system/test_scenarios_two_apis.py",
        "tests/system/test_scenarios_one_step.py",
        "tests/system/test_scenarios_order.py",
        "tests/system/test_scenarios_replays.py",
        "tests/system/test_scenarios_request_bodies.py",
        "tests/system/test_traces.py",
    ),
    (
        "tests/system/test_scenarios_lost_workflows.py",
        "tests/system/test_scenarios_breakers.py",
        "tests/system/test_scenarios_workers.py",
    ),
    ("tests/browser/",),
)
# The longest first, then folder by folder. At the end short files are left, which all processes can share.
FIRST = (
    "tests/system/test_scenarios_outages.py",
    *(file for group in TOGETHER for file in group),
    "tests/model/",
    "tests/system/test_interrupted.py",
    "tests/system/test_verify.py",
    "tests/system/test_scenarios_deploy.py",
    "tests/fuzz/",
    "tests/unit/test_scans.py",
    "tests/workflows/test_parked_debits.py",
    "tests/system/",
    "tests/api/test_overload.py",
    "tests/workflows/",
    "tests/unit/test_ops_queries.py",
    "tests/api/",
    # These wait more than they work.
    "tests/unit/test_sandbox_casino_tokens.py",
    "tests/unit/test_database.py",
    "tests/unit/",
)
_GROUPS = {name: group[0] for group in TOGETHER for name in group}


def long_first(items: list[pytest.Item]) -> None:
    """Sort by file; the tests of a file stay as they are."""

    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(FIRST) if item.nodeid.startswith(name)), len(FIRST))

    items.sort(key=place)


class TogetherByStack(LoadFileScheduling):
    """Give a process whole files, and whole groups of files that share a stack."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return next((group for name, group in _GROUPS.items() if file.startswith(name)), file)
