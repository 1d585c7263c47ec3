"""The deliberate defects fit the sources: each patch applies, its test is there, and the page lists them."""

import ast
import subprocess
from pathlib import Path

import pytest

from tests.mutants.patches import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
# Those that any service of this kind must be tried with.
_CLASSIC = {
    "1-no-idempotency-check",
    "2-a-new-identity-on-retry",
    "2-the-refusal-of-a-repeat-is-trusted",
    "3-no-tombstone",
    "3-not-after-is-ignored",
    "4-told-at-is-not-checked",
    "6-a-stake-is-returned-twice",
    "6-done-before-the-credit",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_patch_applies_and_its_test_exists(mutant: Mutant) -> None:
    subprocess.run(("git", "apply", "--check", str(mutant.patch)), cwd=ROOT, check=True)  # noqa: S607
    file, _, name = mutant.test.partition("::")
    functions = (node for node in ast.walk(ast.parse((ROOT / file).read_text())) if hasattr(node, "name"))
    assert name in {node.name for node in functions}


def test_every_rule_has_its_defects_and_the_page_lists_them() -> None:
    assert {mutant.rule for mutant in MUTANTS} == set(range(1, 9))
    assert {mutant.name for mutant in MUTANTS} >= _CLASSIC
    rows = [
        f"| {mutant.rule} | {mutant.defect} | `{mutant.test.rpartition('/')[2].replace('::', '`: `')}` |"
        for mutant in MUTANTS
    ]
    found = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert found == rows, "the rows must be:\n" + "\n".join(rows)
