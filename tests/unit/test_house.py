"""The rules of the house, as tests. A rule that is broken on purpose gets its exception here, with the reason."""

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from betcore.db.migrate import config

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "workflows", "activities", "betcore", "devkit")
SOURCES = [ROOT / "worker.py", *(file for name in PACKAGES for file in sorted((ROOT / name).rglob("*.py")))]
BENCH = sorted((ROOT / "bench").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

MAX_FUNCTION, MAX_FILE = 70, 300
# Modules through which money passes: a float there rounds silently.
MONEY = [
    *(
        ROOT / "betcore" / "domain" / f"{name}.py"
        for name in ("money", "currencies", "answers", "stake_checks", "casino_responses")
    ),
    *(ROOT / "betcore" / "db" / f"{name}.py" for name in ("accepts", "bets", "open_bets", "row_mapping")),
    *(ROOT / "betcore" / "db" / f"{name}.py" for name in ("owed", "reconciliations", "reversals")),
    *(file for file in sorted((ROOT / "betcore" / "db" / "statements").glob("*.py")) if file.stem != "verify"),
    *(ROOT / "betcore" / "domain" / "reconciliation.py", ROOT / "api" / "casino" / "schemas.py"),
    ROOT / "betcore" / "casino" / "client.py",
    *(ROOT / "api" / "provider" / f"{name}.py" for name in ("responses", "schemas")),
    *sorted((ROOT / "workflows").rglob("*.py")),
    *sorted((ROOT / "devkit" / "sandbox").rglob("*.py")),
]
# file -> why a float may stand in it
FLOATS_ALLOWED = {
    "devkit/sandbox/casino/control.py": "seconds to wait",
    "devkit/sandbox/casino/faults.py": "seconds of delay, probabilities",
    "devkit/sandbox/casino/__main__.py": "seconds to finish",
    "devkit/sandbox/provider/client.py": "seconds to wait",
}
# Each is the main module of a process. What they compose gets the settings, or a part of them, as an argument.
COMPOSITION_ROOTS = {
    "worker.py",
    "api/main.py",
    "api/codec/main.py",
    "api/feed/main.py",
    "betcore/cli/output.py",
    "devkit/sandbox/casino/__main__.py",
}


# The rules go through a thousand files: each test has them all, and names those that break its rule.


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


@cache
def _nodes(file: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_tree(file)))


@pytest.fixture(scope="module", autouse=True)
def _read_once() -> Iterator[None]:
    """Forget the files after the last test: they take more memory than all else that a process of the run has."""
    yield
    _tree.cache_clear()
    _nodes.cache_clear()


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _place(file: Path, node: ast.ExceptHandler) -> str:
    return f"{_name(file)}:{node.lineno}"


def _functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in _nodes(file) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_files_and_functions_are_short() -> None:
    files = [_name(file) for file in (*SOURCES, *BENCH) if len(file.read_text().splitlines()) > MAX_FILE]
    assert files == []
    long = [
        f"{_name(file)} {function.name}"
        for file in (*SOURCES, *BENCH, *TESTS)
        for function in _functions(file)
        if (function.end_lineno or 0) - function.lineno + 1 > MAX_FUNCTION
    ]
    assert long == []


def test_no_exception_is_caught_without_a_name() -> None:
    nameless = [
        _place(file, node)
        for file in (*SOURCES, *BENCH)
        for node in _nodes(file)
        if isinstance(node, ast.ExceptHandler) and not node.type
    ]
    assert nameless == []


def test_no_float_is_near_money() -> None:
    floats = {
        _name(file): node.lineno
        for file in MONEY
        for node in _nodes(file)
        if (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
    }
    assert floats.keys() - FLOATS_ALLOWED.keys() == set()
    assert FLOATS_ALLOWED.keys() - floats.keys() == set(), "need no exception any more"


def test_init_files_are_empty() -> None:
    inits = [file for file in (*SOURCES, *BENCH) if file.name == "__init__.py"]
    assert [_name(file) for file in inits if file.read_text() != ""] == []


def _imports(file: Path) -> set[str]:
    found = set()
    for node in _nodes(file):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_settings_are_read_in_composition_roots_alone() -> None:
    calls = ((file, node.func) for file in SOURCES for node in _nodes(file) if isinstance(node, ast.Call))
    reads = {_name(file) for file, called in calls if isinstance(called, ast.Name) and called.id.endswith("Settings")}
    assert reads == COMPOSITION_ROOTS


def test_the_worker_imports_neither_the_api_nor_the_tools() -> None:
    # import-linter watches the packages, but takes no single file as a root.
    assert not any(
        name.split(".")[0] in ("api", "devkit", "fastapi", "uvicorn") for name in _imports(ROOT / "worker.py")
    )


def _is_loaded_by_the_sandbox(file: Path) -> bool:
    """Return whether a workflow imports the file. What is about releases is for the worker and a command."""
    return _name(file).startswith("workflows/") and not _name(file).startswith("workflows/releases/")


def test_a_workflow_imports_nothing_that_the_sandbox_would_load_again() -> None:
    stdlib = {"asyncio", "collections.abc", "contextlib", "dataclasses", "datetime", "typing"}
    others = {
        f"{_name(file)} {name}"
        for file in SOURCES
        if _is_loaded_by_the_sandbox(file)
        for name in _imports(file) - _passed_through(file) - stdlib
        if name.split(".")[0] not in ("temporalio", "workflows")
    }
    assert others == set()


def _passed_through(file: Path) -> set[str | None]:
    return {
        inner.module
        for node in _nodes(file)
        if isinstance(node, ast.With) and "imports_passed_through" in ast.unparse(node.items[0])
        for inner in node.body
        if isinstance(inner, ast.ImportFrom)
    }


def test_no_installed_distribution_claims_our_names() -> None:
    claimed = importlib.metadata.packages_distributions()
    assert {name: claimed[name] for name in (*PACKAGES, "worker") if name in claimed} == {}


# The table of edge cases


def _edge_cases_of_the_page() -> dict[int, bool]:
    """Return the number of every edge case in docs/edge-cases.md, and whether it is played already."""
    page = (ROOT / "docs" / "edge-cases.md").read_text()
    lines = re.findall(r"^\| *(\d+) *\|(.*)$", page, re.MULTILINE)
    # The file is merged line by line (.gitattributes): two changes of one line would leave both.
    assert len(lines) == len({number for number, _ in lines}), "an edge case stands twice"
    return {int(number): "planned" not in text.lower() for number, text in lines}


def _edge_cases_of_the_tests() -> dict[int, list[str]]:
    cases: dict[int, list[str]] = {}
    for file in TESTS:
        for function in _functions(file):
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.edge_case":
                    for argument in mark.args:
                        cases.setdefault(ast.literal_eval(argument), []).append(f"{file.name}::{function.name}")
    return cases


def test_every_edge_case_has_a_test_and_every_edge_case_of_a_test_exists() -> None:
    page, tests = _edge_cases_of_the_page(), _edge_cases_of_the_tests()
    assert page, "the page has no edge cases"
    assert {case for case, played in page.items() if played} - set(tests) == set(), "edge cases without a test"
    assert set(tests) - set(page) == set(), "tests of edge cases that the page does not have"


def test_every_scenario_names_its_edge_cases() -> None:
    nameless = [
        f"{_name(file)} {function.name}"
        for file in sorted((ROOT / "tests" / "system").glob("test_scenarios_*.py"))
        for function in _tree(file).body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and function.name.startswith("test_")
        and not any("pytest.mark.edge_case(" in ast.unparse(mark) for mark in function.decorator_list)
    ]
    assert nameless == []


def test_migrations_are_one_chain_in_the_order_of_their_names() -> None:
    found = []
    for file in sorted((ROOT / "betcore" / "db" / "migrations" / "versions").glob("v*.py")):
        assigned = {
            ast.unparse(node.targets[0]): ast.literal_eval(node.value)
            for node in _tree(file).body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("revision", "down_revision")
        }
        found.append((file.name[1:5], assigned["revision"], assigned["down_revision"]))
    numbers = [f"{place:04}" for place in range(1, len(found) + 1)]
    assert found == list(zip(numbers, numbers, [None, *numbers], strict=False))


def test_lock_files_name_no_host() -> None:
    for file in ROOT.glob("requirements*.txt"):
        assert "://" not in file.read_text()


def test_migrations_are_one_chain() -> None:
    """Two that follow the same one keep every database from being upgraded."""
    assert len(ScriptDirectory.from_config(config()).get_heads()) == 1
