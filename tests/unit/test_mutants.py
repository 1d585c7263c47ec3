"""The list of mutants fits the sources: each can be made, and its test is there."""

import ast
from pathlib import Path

import pytest

from tests.mutants.rules import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "decisions" / "0018-rules-and-their-tests.md"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_can_be_made_and_its_test_exists(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    file, _, name = mutant.test.partition("::")
    functions = (node for node in ast.walk(ast.parse((ROOT / file).read_text())) if hasattr(node, "name"))
    assert name in {node.name for node in functions}


def test_every_rule_has_its_mutants_and_the_page_lists_them() -> None:
    assert {mutant.rule for mutant in MUTANTS} == set(range(1, 9))
    page = PAGE.read_text()
    rows = [
        f"| {mutant.rule} | {mutant.what} | `{mutant.test.rpartition('/')[2].replace('::', '`: `')}` |"
        for mutant in MUTANTS
    ]
    found = [line for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert found == rows, "the rows must be:\n" + "\n".join(rows)
