"""Figures as rows for a table (`qql.result.Result.rows`), and as JSON data.

Measures have four decimals, times are in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from qql.evaluation.measures import Evaluation
from qql.evaluation.significance import MeasureDifference
from qql.evaluation.speed import Latency
from qql.evaluation.stages import LossReport
from qql.rest.types import Json, JsonObject

__all__ = [
    "comparison_dict",
    "comparison_rows",
    "latency_cells",
    "latency_dict",
    "marked",
    "query_rows",
    "readable_rows",
    "short_cells",
    "six_digits",
    "stage_rows",
    "stages_dict",
    "three_digits",
]

Rows = list[JsonObject]


def marked(rows: Rows, names: Collection[str], mark: str = " *") -> Rows:
    """The rows with four decimals in the columns ``names``, and a mark behind the best of each column.

    One row has nothing to be better than.
    """
    best = {name: max(row[name] for row in rows) for name in names} if len(rows) > 1 else {}

    def cell(name: str, value: Json) -> Json:
        if name not in names:
            return value
        return f"{value:.4f}{mark if best.get(name) == value else ''}"

    return [{name: cell(name, value) for name, value in row.items()} for row in rows]


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


def comparison_rows(comparisons: Sequence[MeasureDifference], alpha: float = 0.05) -> Rows:
    """A row a comparison, for people; ``chance?`` where the p-value is ``alpha`` or more after Holm.

    ``queries``: on how many the pipeline is better and worse. Eighty columns hold it.
    """
    return [
        {
            "pipeline": c.name,
            "measure": str(c.measure),
            "change": f"{c.difference:+.4f}",
            "95 % interval": f"{c.low:+.3f} … {c.high:+.3f}",
            "queries": f"+{c.wins} -{c.losses}",
            "p": f"{c.p_holm:.4f}" if c.p_holm >= 0.0001 else "<0.0001",
            "verdict": ("better" if c.difference > 0 else "worse") if c.significant(alpha) else "chance?",
        }
        for c in comparisons
    ]


def comparison_dict(c: MeasureDifference) -> JsonObject:
    """A comparison as JSON data; see `MeasureDifference` for what its fields are."""
    return {
        "pipeline": c.name,
        "baseline": c.baseline,
        "measure": str(c.measure),
        "mean": c.mean,
        "baseline_mean": c.base_mean,
        "difference": c.difference,
        "interval": [c.low, c.high],
        "wins": c.wins,
        "losses": c.losses,
        "p": c.p,
        "p_t": c.p_t,
        "p_holm": c.p_holm,
    }


def stage_rows(report: LossReport) -> Rows:
    """A row a stage, and one for the documents that no stage found. What has no meaning is left out.

    A stage that reads others finds nothing by itself.
    """
    rows: Rows = []
    for stage in report.stages:
        row = {
            "stage": stage.label,
            "documents": round(stage.docs, 1),
            "relevant found": _percent(stage.found),
        }
        if stage.inputs:
            row |= {"reads": ", ".join(stage.inputs), "lost at it": _percent(stage.lost)}
        else:
            row["by it only"] = _percent(stage.only)
        rows.append(row)
    return [*rows, {"stage": "(no stage)", "lost at it": _percent(report.never)}]


def _percent(value: float) -> str:
    return f"{value:.1%}"


def stages_dict(report: LossReport) -> JsonObject:
    """``{"queries", "kept", "never", "stages": [stage]}``, the stages in the order in which they run.

    Each is ``{"stage", "found", "only", "entered", "lost", "documents", "inputs"}``; see `StageRecall`.
    """
    return {
        "queries": report.queries,
        "kept": report.kept,
        "never": report.never,
        "stages": [
            {
                "stage": stage.label,
                "found": stage.found,
                "only": stage.only,
                "entered": stage.entered,
                "lost": stage.lost,
                "documents": stage.docs,
                "inputs": list(stage.inputs),
            }
            for stage in report.stages
        ],
    }


def latency_dict(times: Latency) -> JsonObject:
    """``{"calls", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "min_ms", "max_ms", "queries_per_second"}``."""
    return {
        "calls": times.count,
        **{f"{name}_ms": seconds * 1000 for name, seconds in _seconds_by_name(times).items()},
        "queries_per_second": times.qps,
    }


def _seconds_by_name(times: Latency) -> dict[str, float]:
    return {
        "mean": times.mean,
        "p50": times.p50,
        "p95": times.p95,
        "p99": times.p99,
        "min": times.least,
        "max": times.most,
    }


def latency_cells(times: Latency) -> JsonObject:
    """The cells of a row: calls, milliseconds, queries per second."""
    return {
        "calls": times.count,
        **{f"{name} ms": round(seconds * 1000, 3) for name, seconds in _seconds_by_name(times).items()},
        "queries/s": round(times.qps, 1),
    }


def short_cells(times: Latency) -> JsonObject:
    """The same for people, with three digits and the unit left out: eighty columns hold them."""
    cells = {name: three_digits(seconds * 1000) for name, seconds in _seconds_by_name(times).items()}
    return {"calls": times.count, **cells, "calls/s": three_digits(times.qps)}


def three_digits(value: float) -> float:
    """The number with three significant digits and those before the point, but at most three decimals."""
    if not value or not math.isfinite(value):
        return value
    places = min(3, 2 - math.floor(math.log10(abs(value))))
    return round(value, places) if places > 0 else round(value)


def readable_rows(rows: Sequence[JsonObject]) -> list[JsonObject]:
    """The rows as people read them; what is missing is blank."""
    titles = {name: _column_title(name) for name in rows[0]} if rows else {}
    columns = {
        title: _pad_cells(title, [six_digits(row[name]) for row in rows]) for name, title in titles.items()
    }
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _pad_cells(title: str, values: Sequence[object]) -> Sequence[object]:
    if None not in values:
        return values
    texts = [title, *("" if value is None else str(value) for value in values)]
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts[1:]]


def _column_title(name: str) -> str:
    """The title of a column: ``rank A`` for ``rank_a``."""
    what, _, side = name.partition("_")
    return f"{what} {side.upper()}" if side in ("a", "b") else name


def six_digits(value: object) -> object:
    """A score or a measure as people read it, with six digits; any other value as it is."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
