"""The pages name what exists: files, modules, classes, functions, tests. Their links lead somewhere.

A name is a span in backticks, outside of code blocks, in one of these forms:

- ``workflows/bet.py``, ``tests/histories/``: it begins with a folder of the repository, or ends in ``.py``. The file or
  folder exists.
- ``Bet._reverse_if_asked``, ``answers.to_refund``, ``betcore.verify.run``: words with dots between them. It is a
  module, by its path or the end of it; something in a module; or a method, field or attribute of a class. A column
  (``bet.state``) and a key of a profile (``send.close``) have this form too, and exist.
- ``MAY_LEAVE``: capitals with an underscore. It occurs in the sources or in a file of the deployment.
- ``test_...``: it is a function or a file of the tests.
- ``_ask`` behind a path in the same line: that file defines it.
- ``Wallet``, alone: it is a class, in a table's last column if that is headed "in the code"; elsewhere it may be a word
  of the protocol or of Temporal.
"""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_DOTTED = re.compile(r"_?[A-Za-z]\w*(\.[A-Za-z_]\w*)+(\(\))?")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
# Ends of the names of files which are no modules; most of these files are made by the service.
_OTHER_FILES = {"csv", "db", "html", "json", "jsonl", "key", "log", "lost", "md", "pem", "yaml", "yml"}
# Names of Temporal's own in the dotted form and among the constants.
_TEMPORAL = {
    "history.timerProcessorMaxTimeShift",
    "matching.numTaskqueueWritePartitions",
    "NON_DETERMINISTIC_ERROR",
}


@cache
def _tracked() -> frozenset[str]:
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return frozenset(name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


@cache
def _folders() -> frozenset[str]:
    """Return the folders of the repository's root."""
    return frozenset(name.partition("/")[0] for name in _tracked() if "/" in name)


@cache
def _exists(path: str) -> bool:
    """Return whether there is a file or folder of this path, or, without a slash, a file of this name anywhere."""
    if "/" not in path:
        return any(f"/{name}".endswith(f"/{path}") for name in _tracked())
    return any(name == path or name.startswith(f"{path.rstrip('/')}/") for name in _tracked())


class _Code:
    """What the sources define."""

    def __init__(self) -> None:
        texts = []
        # By file: the names that it defines, in classes too.
        self.names: dict[str, set[str]] = defaultdict(set)
        # By class: its attributes, and its bases. By table: its columns. By field: the words of its type.
        self.attributes: dict[str, set[str]] = defaultdict(set)
        self.bases: dict[str, set[str]] = defaultdict(set)
        self.columns: dict[str, set[str]] = defaultdict(set)
        self.types: dict[str, set[str]] = defaultdict(set)
        for name in sorted(_tracked()):
            if name.endswith((".py", ".yml", ".yaml", ".sh", ".toml", "Makefile")):
                text = (ROOT / name).read_text()
                texts.append(text)
                if name.endswith(".py"):
                    self._read(name, ast.parse(text))
                if "/migrations/versions/" in name:
                    self._read_tables(text)
        self.text = "".join(texts)
        self.words = frozenset(re.findall(r"\w+", self.text))

    def _read(self, file: str, tree: ast.Module) -> None:
        self.names[file] |= _defined(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                defined = _defined(node)
                self.names[file] |= defined
                attributes = (inner for inner in ast.walk(node) if isinstance(inner, ast.Attribute))
                stored = {inner.attr for inner in attributes if isinstance(inner.ctx, ast.Store)}
                self.attributes[node.name] |= defined | stored
                self.bases[node.name] |= {ast.unparse(base).rpartition(".")[2] for base in node.bases} - {node.name}
            elif isinstance(node, ast.AnnAssign):
                self.types[ast.unparse(node.target)] |= set(re.findall(r"\w+", ast.unparse(node.annotation)))

    def _read_tables(self, text: str) -> None:
        for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)^\s*\)", text, re.MULTILINE | re.DOTALL):
            self.columns[table] |= set(re.findall(r"^\s*(\w+) ", body, re.MULTILINE))
        for table, body in re.findall(r"ALTER TABLE (\w+)(.*?)\"\"\"", text, re.DOTALL):
            self.columns[table] |= set(re.findall(r"ADD (?:COLUMN )?(\w+)", body))

    def has_attribute(self, owner: str, name: str) -> bool:
        """Return whether a class, or a base of it, has an attribute."""
        return name in self.attributes[owner] or any(self.has_attribute(base, name) for base in self.bases[owner])

    def files(self, path: list[str]) -> list[str]:
        """Return the files whose dotted path is this one, or ends so."""
        end = "/" + "/".join(path)
        return [file for file in self.names if f"/{file}".endswith((f"{end}.py", f"{end}/__init__.py"))]

    def defines(self, path: str, name: str) -> bool:
        """Return whether a file of this path, or the end of its path, defines a name."""
        return any(name in self.names[file] for file in self.files(path.removesuffix(".py").split("/")))

    def has(self, dotted: str) -> bool:
        """Return whether a dotted name is a module, in a module, an attribute, a column or a key of a profile."""
        *path, name = dotted.split(".")
        owner = path[-1]
        return bool(
            self.files([*path, name])
            or any(name in self.names[file] for file in self.files(path))
            or self.has_attribute(owner, name)
            or name in self.columns[owner]
            or any(self.has_attribute(kind, name) for kind in self.types[owner])
        )


def _defined(parent: ast.Module | ast.ClassDef) -> set[str]:
    names = set()
    for node in parent.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return names


@pytest.fixture(scope="module")
def code() -> _Code:
    return _Code()


def _is_path(span: str) -> bool:
    plain = not re.search(r"[\s<>{}*$]", span)
    return plain and (span.endswith(".py") or ("/" in span and span.partition("/")[0] in _folders()))


def _missing(code: _Code, line: str, table: str = "") -> list[str]:
    """Return the spans of a line that name something which does not exist."""
    spans, file = _SPAN.findall(line), ""
    missing = [span for span in spans if not _is_known(code, span)]
    if table.endswith(" in the code |"):
        last = _SPAN.findall(line.rpartition(" | ")[2])
        missing += [span for span in last if re.fullmatch(r"[A-Z][a-z]\w+", span) and span not in code.attributes]
    for span in spans:
        if _is_path(span):
            file = span
        elif file.endswith(".py") and re.fullmatch(r"_[a-z_]+", span) and not code.defines(file, span):
            missing.append(f"{file} {span}")
    return missing


def _is_known(code: _Code, span: str) -> bool:
    if _is_path(span):
        return _exists(span)
    if span in _TEMPORAL:
        return True
    if span.startswith("betcore.") and f'"{span}"' in code.text:
        # An attribute of spans.
        return True
    if _DOTTED.fullmatch(span):
        return span.rpartition(".")[2] in _OTHER_FILES or code.has(span.removesuffix("()"))
    if _CONSTANT.fullmatch(span):
        # A setting is written as its field.
        return not code.words.isdisjoint({span, span.removeprefix("BETCORE_").lower()})
    if re.fullmatch(r"test_\w+", span):
        return _exists(f"{span}.py") or any(span in names for names in code.names.values())
    return True


def _page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_what_a_page_names_exists(code: _Code) -> None:
    assert [f"{_page_name(page)}: {name}" for page in PAGES for name in _missing_of(code, page)] == []


def _missing_of(code: _Code, page: Path) -> Iterator[str]:
    table = ""
    for line in _FENCE.sub("", page.read_text()).splitlines():
        table = (table or line) if line.startswith("|") else ""
        yield from _missing(code, line, table)


def test_links_between_pages_lead_somewhere() -> None:
    assert [f"{_page_name(page)}: {link}" for page in PAGES for link in _broken_links(page)] == []


def _broken_links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", page.read_text())):
        file, _, anchor = link.partition("#")
        to = (page.parent / file) if file else page
        if "://" not in link and not (to.exists() and (not anchor or anchor in _anchors(to))):
            yield link


@cache
def _anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page, as GitHub makes them from its headings."""
    titles = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles)


def test_each_attack_names_a_test_that_plays_it() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    attacks = page.partition("\n## What each attack gets\n")[2].partition("\n## ")[0]
    rows = [line for line in attacks.splitlines() if line.startswith("|") and not line.startswith(("| attack", "|---"))]
    assert len(rows) > 30
    assert [row for row in rows if not re.fullmatch(r"`test_\w+`(, `test_\w+`)* \|", row.rpartition(" | ")[2])] == []


def test_lines_outside_of_tables_are_short() -> None:
    long = [
        f"{_page_name(page)}: {line}"
        for page in PAGES
        for line in page.read_text().splitlines()
        if len(line) > 120 and not line.startswith("|")
    ]
    assert long == []


@pytest.mark.parametrize(
    ("line", "table", "missing"),
    [
        ("`Bet.run`, `Bet.pay_out`, `bet.state`, `send.close`, `ids.BetKey`, `betcore.domain.answers`", "", []),
        ("`workflows/bet.py`, `test_docs.py`, `tests/histories/`, `stack.json`, `/payments/make`, `SIGTERM`", "", []),
        ("`Bet._parked`", "", ["Bet._parked"]),
        ("`answers.to_nothing`, `judging.to_refund`", "", ["answers.to_nothing", "judging.to_refund"]),
        ("`workflows/none.py`, `tests/none/`", "", ["workflows/none.py", "tests/none/"]),
        ("`workflows/bet.py` `_none`, `_responseCode`", "", ["workflows/bet.py _none"]),
        ("`test_none`, `Wallet`, `BetId`, `ContinuedAsNew`", "", ["test_none"]),
        ("| `BetId` | `Wallet`, `BetId` |", "| case | in the code |", ["BetId"]),
    ],
)
def test_what_counts_as_a_name(code: _Code, line: str, table: str, missing: list[str]) -> None:
    assert _missing(code, line, table) == missing
