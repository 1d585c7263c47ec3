"""In which order a run takes the files of tests: what takes long, or waits for long, comes first."""

import pytest

# The longest first, then folder by folder. At the end short files are left, which all processes can share.
FIRST = (
    "tests/system/test_scenarios_outages.py",
    "tests/system/test_scenarios_lost_workflows.py",
    "tests/system/test_scenarios_operators.py",
    "tests/model/",
    "tests/system/test_scenarios_crashes.py",
    "tests/system/test_interrupted.py",
    "tests/system/test_scenarios_two_apis.py",
    "tests/system/test_verify.py",
    "tests/system/test_scenarios_deploy.py",
    "tests/fuzz/",
    "tests/system/",
    "tests/workflows/",
    "tests/api/",
    "tests/unit/",
)


def long_first(items: list[pytest.Item]) -> None:
    """Sort by file; the tests of a file stay as they are."""

    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(FIRST) if item.nodeid.startswith(name)), len(FIRST))

    items.sort(key=place)
