"""Figures as rows for a table, each row a dict with the same keys (`qql.result.Result.rows`).

Shares and measures have four decimals, times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qql.evaluation.measures import Evaluation
from qql.evaluation.significance import Comparison
from qql.evaluation.speed import Latency
from qql.evaluation.stages import StagesReport

__all__ = ["comparison_rows", "latency_cells", "measure_rows", "query_rows", "stage_rows"]

Rows = list[dict[str, Any]]


def measure_rows(evaluations: Mapping[str, Evaluation]) -> Rows:
    """A row a pipeline: its name, the mean of each measure, the number of queries."""
    return [
        {
            "pipeline": name,
            **{str(measure): round(mean, 4) for measure, mean in evaluation.means.items()},
            "queries": len(evaluation.queries),
        }
        for name, evaluation in evaluations.items()
    ]


def query_rows(evaluations: Mapping[str, Evaluation]) -> Rows:
    """A row a pipeline and query: the value of each measure."""
    return [
        {
            "pipeline": name,
            "query": query,
            **{str(measure): round(of[query], 4) for measure, of in evaluation.values.items()},
        }
        for name, evaluation in evaluations.items()
        for query in evaluation.queries
    ]


def comparison_rows(comparisons: Sequence[Comparison], alpha: float = 0.05) -> Rows:
    """A row a comparison; the verdict is better, worse, or not told apart: ``alpha`` or more after Holm."""
    return [
        {
            "pipeline": c.name,
            "against": c.baseline,
            "measure": str(c.measure),
            "difference": f"{c.difference:+.4f}",
            "95 % interval": f"{c.low:+.4f} … {c.high:+.4f}",
            "wins": c.wins,
            "losses": c.losses,
            "p": _p(c.p),
            "p (t-test)": _p(c.p_t),
            "p (Holm)": _p(c.p_holm),
            "verdict": ("better" if c.difference > 0 else "worse")
            if c.significant(alpha)
            else "not told apart",
        }
        for c in comparisons
    ]


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else "<0.0001"


def stage_rows(report: StagesReport) -> Rows:
    """A row a stage, and one for the documents that no stage found."""
    rows: Rows = [
        {
            "stage": stage.label,
            "documents": round(stage.docs, 1),
            "relevant found": round(stage.found, 4),
            "by it only": round(stage.only, 4),
            "lost at it": round(stage.lost, 4),
        }
        for stage in report.stages
    ]
    rows.append(
        {
            "stage": "(no stage)",
            "documents": None,
            "relevant found": None,
            "by it only": None,
            "lost at it": round(report.never, 4),
        }
    )
    return rows


def latency_cells(times: Latency) -> dict[str, Any]:
    """The cells of a row: calls, mean, p50, p95, p99 and the longest in milliseconds, queries per second."""
    named = {"mean": times.mean, "p50": times.p50, "p95": times.p95, "p99": times.p99, "most": times.most}
    return {
        "calls": times.count,
        **{f"{name} ms": round(seconds * 1000, 3) for name, seconds in named.items()},
        "queries/s": round(times.qps, 1),
    }
