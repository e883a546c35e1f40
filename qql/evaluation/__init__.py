"""Measuring pipelines: how good (`measures`), where it is lost (`stages`), whether it matters
(`significance`), how fast (`speed`), which settings there are (`settings`), which are worth having (`grid`).

Files are read and written in `files`; `documents` leads from a point to a judged document, `report` from
figures to tables, `outcome` holds all figures of an evaluation.

Nothing here runs a pipeline or knows an engine.
"""

from __future__ import annotations

from qql.evaluation.documents import document_key, in_order, ranking, source_of, worth
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
from qql.evaluation.grid import expand_grid, grid_size, pareto_front, read_axis
from qql.evaluation.measures import (
    DEFAULT_MEASURES,
    Evaluation,
    Measure,
    evaluate,
    parse_measure,
    parse_measures,
)
from qql.evaluation.outcome import Measured, Outcome, outcome_of
from qql.evaluation.rankings import jaccard, kendall_tau, overlap_at, rank_biased_overlap
from qql.evaluation.report import (
    comparison_dict,
    comparison_rows,
    latency_cells,
    latency_dict,
    marked,
    query_rows,
    short_cells,
    stage_rows,
    stages_dict,
    three_digits,
)
from qql.evaluation.settings import Settable
from qql.evaluation.significance import (
    Comparison,
    bootstrap_interval,
    compare,
    holm,
    paired_t_test,
    randomization_test,
)
from qql.evaluation.speed import Latency, Timing, exact_request, latency, measure_calls, percentile, recall_at
from qql.evaluation.stages import (
    StageFound,
    StageShare,
    StagesReport,
    StageTrace,
    fates,
    stage_report,
    traces,
)

__all__ = [
    "DEFAULT_MEASURES",
    "Comparison",
    "Evaluation",
    "Latency",
    "Measure",
    "Measured",
    "Outcome",
    "Qrels",
    "Query",
    "Run",
    "Scored",
    "Settable",
    "StageFound",
    "StageShare",
    "StageTrace",
    "StagesReport",
    "Timing",
    "bootstrap_interval",
    "compare",
    "comparison_dict",
    "comparison_rows",
    "document_key",
    "evaluate",
    "exact_request",
    "expand_grid",
    "fates",
    "grid_size",
    "holm",
    "in_order",
    "jaccard",
    "kendall_tau",
    "latency",
    "latency_cells",
    "latency_dict",
    "marked",
    "measure_calls",
    "outcome_of",
    "overlap_at",
    "paired_t_test",
    "pareto_front",
    "parse_measure",
    "parse_measures",
    "percentile",
    "query_rows",
    "randomization_test",
    "rank_biased_overlap",
    "ranking",
    "read_axis",
    "read_qrels",
    "read_queries",
    "read_run",
    "recall_at",
    "run_lines",
    "short_cells",
    "source_of",
    "stage_report",
    "stage_rows",
    "stages_dict",
    "three_digits",
    "traces",
    "worth",
    "write_run",
]
