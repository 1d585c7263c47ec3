"""Print how many lines of Python ship, and how many are tools and tests: ``python -m bench.lines``."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPS = ("api", "workflows", "activities", "betcore", "worker.py")
BESIDE = ("devkit", "bench", "tests")


def count(name: str) -> tuple[int, int]:
    """Return the number of files and of lines of a folder or a file."""
    files = [ROOT / name] if name.endswith(".py") else list((ROOT / name).rglob("*.py"))
    return len(files), sum(len(file.read_text().splitlines()) for file in files)


def table() -> str:
    """Return the counts as lines of text."""
    counts = {name: count(name) for name in (*SHIPS, *BESIDE)}
    ships = [sum(column) for column in zip(*(counts[name] for name in SHIPS), strict=True)]
    rows = [*((name, *counts[name]) for name in SHIPS), ("ships", *ships), *((name, *counts[name]) for name in BESIDE)]
    lines = [f"{name:<11}{files:>5} files {lines:>7,} lines" for name, files, lines in rows]
    lines.insert(len(SHIPS), "-" * len(lines[0]))
    lines.insert(len(SHIPS) + 2, "")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
