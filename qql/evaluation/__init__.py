"""Measuring pipelines: how good (`measures`), where it is lost (`stages`), whether it matters
(`significance`), how fast (`speed`), and which settings are worth having (`grid`). Files are read and written
in `files`; `documents` leads from a point to a judged document, `report` from figures to tables.

Nothing here runs a pipeline or knows an engine.
"""

from __future__ import annotations

from qql.evaluation.documents import document_key, ranking
from qql.evaluation.files import (
    Qrels,
    Query,
    Run,
    Scored,
    read_qrels,
    read_queries,
    read_run,
    run_lines,
    write_run,
)
from qql.evaluation.grid import expand_grid, pareto_front, read_axis
from qql.evaluation.measures import (
    DEFAULT_MEASURES,
    Evaluation,
    Measure,
    evaluate,
    parse_measure,
    parse_measures,
)
from qql.evaluation.report import comparison_rows, latency_cells, measure_rows, query_rows, stage_rows
from qql.evaluation.significance import (
    Comparison,
    bootstrap_interval,
    compare,
    holm,
    paired_t_test,
    randomization_test,
)
from qql.evaluation.speed import Latency, Timing, latency, measure_calls, percentile, recall_at
from qql.evaluation.stages import StageShare, StagesReport, StageTrace, fates, stage_report

__all__ = [
    "DEFAULT_MEASURES",
    "Comparison",
    "Evaluation",
    "Latency",
    "Measure",
    "Qrels",
    "Query",
    "Run",
    "Scored",
    "StageShare",
    "StageTrace",
    "StagesReport",
    "Timing",
    "bootstrap_interval",
    "compare",
    "comparison_rows",
    "document_key",
    "evaluate",
    "expand_grid",
    "fates",
    "holm",
    "latency",
    "latency_cells",
    "measure_calls",
    "measure_rows",
    "paired_t_test",
    "pareto_front",
    "parse_measure",
    "parse_measures",
    "percentile",
    "query_rows",
    "randomization_test",
    "ranking",
    "read_axis",
    "read_qrels",
    "read_queries",
    "read_run",
    "recall_at",
    "run_lines",
    "stage_report",
    "stage_rows",
    "write_run",
]
