"""The ratios of every target to one of them, figure by figure: medians of the rounds' own ratios, with their spread."""

from bench.bets.rounds import Load, Results

_FIGURES = (
    *("bets_per_s", "pay_in_p50", "pay_in_p95", "pay_in_p99", "pay_out_p50", "pay_out_p95", "pay_out_p99"),
    *("pay_in_out_p50", "pay_in_out_p95", "pay_in_out_p99"),
    *("cpu_own", "cpu_api", "cpu_worker", "cpu_temporal", "cpu_postgres", "cpu_all"),
)


def ratios_to(base: str, results: Results) -> list[dict[str, object]]:
    """Return a row for each load and each target but the base; figures that one of them lacks are left out."""
    return [
        _place(load, target)
        | {
            figure: {"median": ratio.median, "low": ratio.low, "high": ratio.high}
            for figure in _FIGURES
            if (ratio := results.ratio(load, figure, target, base)) is not None
        }
        for load, targets in results.rounds.items()
        if base in targets
        for target in targets
        if target != base
    ]


def _place(load: Load, target: str) -> dict[str, object]:
    return {"confirmation": load.confirmation, "kind": str(load.kind), "in_flight": load.in_flight, "target": target}
