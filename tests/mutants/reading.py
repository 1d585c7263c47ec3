"""Defects made on purpose: each is a patch file that says which rule it breaks and which test must fail then.

Three lines of head (``Rule``, ``Defect``, ``Caught by``) stand above a diff that ``git apply`` reads. The rules are
in docs/decisions/0018-rules-and-their-tests.md, the defects in docs/testing.md.
"""

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "patches"
_HEAD = re.compile(r"Rule: (?P<rule>\d+)\nDefect: (?P<defect>.+)\nCaught by: (?P<test>\S+)\n\n")


class Mutant(NamedTuple):
    """A patch, and the test (a pytest node) that must fail with it."""

    patch: Path
    rule: int
    defect: str
    test: str

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.patch.stem


def read(patch: Path) -> Mutant:
    """Read a patch file's head. Raises ValueError if it has none."""
    head = _HEAD.match(patch.read_text())
    if head is None:
        raise ValueError(f"{patch.name} does not say what it is")
    return Mutant(patch, int(head["rule"]), head["defect"], head["test"])


MUTANTS = [read(patch) for patch in sorted(FOLDER.glob("*.patch"))]
