"""The metrics of calls to casinos."""

from prometheus_client import Counter, Histogram

ANSWERS = Counter("betcore_casino_answers", "Casinos' responses by call and kind", ["casino", "call", "kind"])
SECONDS = Histogram(
    "betcore_casino_seconds",
    "Time from a call to a casino to its answer, or to giving it up",
    ["casino", "call"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16),
)


def count_answer(casino: str, call: str, kind: str, seconds: float) -> None:
    """Count the response to a call, and the time that it took."""
    SECONDS.labels(casino, call).observe(seconds)
    ANSWERS.labels(casino, call, kind).inc()
