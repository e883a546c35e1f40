"""Measuring pipelines: how good (`measures`), where they lose documents (`stages`), whether a difference
matters (`significance`), how fast they are (`speed`), how two of them differ (`comparison`, `rankings`),
which settings there are (`settings`), which are worth having (`grid`), what equal scores leave open (`ties`).

A `Pipeline` is a script with one query, and the one thing here that runs anything. Files are read and written
in `files`; `documents` leads from a point to a judged document, `report` from figures to tables, `outcome`
holds all figures of an evaluation.
"""

from __future__ import annotations

from qql.evaluation.behind_limit import Ranked, ranked
from qql.evaluation.comparison import Comparison, Moved, Survey, compare_results, title_of
from qql.evaluation.documents import document_key, in_order, order_key, ranking, source_of
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
from qql.evaluation.pipelines import Pipeline, Steps
from qql.evaluation.possible_settings import Possible, possible_settings
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
    MeasureDifference,
    bootstrap_interval,
    compare,
    holm,
    paired_t_test,
    randomization_test,
)
from qql.evaluation.speed import Latency, Timing, exact_request, latency, measure_calls, percentile, recall_at
from qql.evaluation.stages import (
    LossReport,
    StageFound,
    StageRecall,
    StageTrace,
    fates,
    stage_report,
    traces,
)
from qql.evaluation.ties import TIE_ORDERS, Spread, TiedRanking, spread, tied_ranking, tied_run
from qql.evaluation.tuning import Standing, Times, standings

__all__ = [
    "DEFAULT_MEASURES",
    "TIE_ORDERS",
    "Comparison",
    "Evaluation",
    "Latency",
    "LossReport",
    "Measure",
    "MeasureDifference",
    "Measured",
    "Moved",
    "Outcome",
    "Pipeline",
    "Possible",
    "Qrels",
    "Query",
    "Ranked",
    "Run",
    "Scored",
    "Settable",
    "Spread",
    "StageFound",
    "StageRecall",
    "StageTrace",
    "Standing",
    "Steps",
    "Survey",
    "TiedRanking",
    "Times",
    "Timing",
    "bootstrap_interval",
    "compare",
    "compare_results",
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
    "order_key",
    "outcome_of",
    "overlap_at",
    "paired_t_test",
    "pareto_front",
    "parse_measure",
    "parse_measures",
    "percentile",
    "possible_settings",
    "query_rows",
    "randomization_test",
    "rank_biased_overlap",
    "ranked",
    "ranking",
    "read_axis",
    "read_qrels",
    "read_queries",
    "read_run",
    "recall_at",
    "run_lines",
    "short_cells",
    "source_of",
    "spread",
    "stage_report",
    "stage_rows",
    "stages_dict",
    "standings",
    "three_digits",
    "tied_ranking",
    "tied_run",
    "title_of",
    "traces",
    "write_run",
]
