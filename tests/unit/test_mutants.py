"""The deliberate defects fit the sources: each patch applies, its test is there, and the page lists them."""

import ast
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.mutants.reading import MUTANTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "testing.md"
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Those that any service of this kind must be tried with.
_CLASSIC = {
    "1-no-idempotency-check",
    "2-a-new-identity-on-retry",
    "2-the-refusal-of-a-repeat-is-trusted",
    "3-no-tombstone",
    "3-not-after-is-ignored",
    "4-told-at-is-not-checked",
    "6-an-unknown-debit-is-refunded-twice",
    "6-done-before-the-credit",
}


@cache
def _names(file: str) -> frozenset[str]:
    """Return the names of the functions and classes of a file."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, _NAMED))


def test_the_test_of_each_patch_exists() -> None:
    tests = {mutant.name: mutant.test.partition("::") for mutant in MUTANTS}
    assert [name for name, (file, _, test) in tests.items() if test not in _names(file)] == []


def test_every_patch_applies_and_none_only_breaks_the_program(tmp_path: Path) -> None:
    """A name that is not there fails any test, and says nothing about money."""
    for mutant in MUTANTS:
        copy = tmp_path / mutant.name
        files = [line[6:] for line in mutant.patch.read_text().splitlines() if line.startswith("+++ b/")]
        for file in files:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, copy / file)
        applied = subprocess.run(
            ("git", "apply", str(mutant.patch)),  # noqa: S607
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
        assert applied.returncode == 0, f"{mutant.name}: {applied.stderr}"
        assert all((copy / file).read_text() != (ROOT / file).read_text() for file in files)
    ruff = (sys.executable, "-m", "ruff", "check", "--isolated", "--quiet", "--select", "E9,F821,F823", str(tmp_path))
    found = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_every_rule_has_its_defects_and_the_page_lists_them() -> None:
    assert {mutant.rule for mutant in MUTANTS} == set(range(1, 9))
    assert {mutant.name for mutant in MUTANTS} >= _CLASSIC
    page = PAGE.read_text()
    assert all(f"`{name}`" in page for name in _CLASSIC)
    rows = [
        f"| {mutant.rule} | {mutant.defect} | `{mutant.test.rpartition('/')[2].replace('::', '`: `')}` |"
        for mutant in MUTANTS
    ]
    found = [line for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert found == rows, "the rows must be:\n" + "\n".join(rows)
