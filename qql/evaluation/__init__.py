"""Measuring pipelines, as a library: how good they are (`evaluate`), how two differ (`compare`), which
settings are worth having (`tune`), how fast they are (`bench`); and what they would answer with others, from
what their stages gave once (`record`, `recompute`, `what_if`). ``docs/evaluation.md`` shows how.

>>> from qql.evaluation import evaluate
>>> print(evaluate("QUERY :query FROM docs USING dense LIMIT 10", queries, qrels, "./data"))

The commands `qql eval`, `diff`, `tune`, `bench` and `record` are these functions. `aevaluate`, `acompare` and
`atune` are the same for an `AsyncSession`. What they are made of can be used alone: measures (`measures`),
where pipelines lose documents (`stages`), whether a difference matters (`significance`), times (`speed`), how
alike rankings are (`comparison`, `rankings`), settings (`settings`, `grid`), what equal scores leave open
(`ties`), files (`files`).
"""

from __future__ import annotations

from qql.analysis.model import Candidate
from qql.analysis.tie_bounds import PossiblePlace
from qql.evaluation.awaited import acompare, aevaluate, atune
from qql.evaluation.behind_limit import Ranked, ranked
from qql.evaluation.benchmark import Benchmark, bench
from qql.evaluation.best_settings import tune
from qql.evaluation.collection_stages import StagesTable, bench_stages
from qql.evaluation.comparing import compare
from qql.evaluation.comparison import Comparison, Moved, Survey, compare_results, title_of
from qql.evaluation.documents import document_key, in_order, order_key, ranking, source_of
from qql.evaluation.evaluating import evaluate
from qql.evaluation.faults import InputError
from qql.evaluation.files import (
    ClickQrels,
    Judgement,
    Judgements,
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
from qql.evaluation.gate import Gate, GateFinding, margins_of, worse_than
from qql.evaluation.grid import expand_grid, grid_size, pareto_front, read_axis
from qql.evaluation.judged_comparison import (
    JudgedComparison,
    MovedDocument,
    QueryChange,
    judged_comparison,
)
from qql.evaluation.measures import (
    DEFAULT_MEASURES,
    Evaluation,
    Measure,
    evaluate_run,
    parse_measure,
    parse_measures,
    residual,
)
from qql.evaluation.outcome import Measured, Outcome, outcome_of
from qql.evaluation.pipelines import Pipeline, Steps
from qql.evaluation.possible_settings import Possible, possible_settings
from qql.evaluation.rankings import jaccard, kendall_tau, overlap_at, rank_biased_overlap
from qql.evaluation.recording import (
    Recomputed,
    RecordedQuery,
    RecordedStage,
    Recording,
    WhatIf,
    read_recording,
    recompute,
    record,
    what_if,
)
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
from qql.evaluation.score_ranges import ScoreRange, StageRanges, stage_ranges
from qql.evaluation.sections import Report, Section
from qql.evaluation.settings import Settable
from qql.evaluation.significance import (
    MeasureDifference,
    bootstrap_interval,
    compare_evaluations,
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
from qql.evaluation.tuned import Tuned
from qql.evaluation.tuning import Standing, Times, standings
from qql.rest.usage import Usage

__all__ = [
    "DEFAULT_MEASURES",
    "TIE_ORDERS",
    "Benchmark",
    "Candidate",
    "ClickQrels",
    "Comparison",
    "Evaluation",
    "Gate",
    "GateFinding",
    "InputError",
    "JudgedComparison",
    "Judgement",
    "Judgements",
    "Latency",
    "LossReport",
    "Measure",
    "MeasureDifference",
    "Measured",
    "Moved",
    "MovedDocument",
    "Outcome",
    "Pipeline",
    "Possible",
    "PossiblePlace",
    "Qrels",
    "Query",
    "QueryChange",
    "Ranked",
    "Recomputed",
    "RecordedQuery",
    "RecordedStage",
    "Recording",
    "Report",
    "Run",
    "ScoreRange",
    "Scored",
    "Section",
    "Settable",
    "Spread",
    "StageFound",
    "StageRanges",
    "StageRecall",
    "StageTrace",
    "StagesTable",
    "Standing",
    "Steps",
    "Survey",
    "TiedRanking",
    "Times",
    "Timing",
    "Tuned",
    "Usage",
    "WhatIf",
    "acompare",
    "aevaluate",
    "atune",
    "bench",
    "bench_stages",
    "bootstrap_interval",
    "compare",
    "compare_evaluations",
    "compare_results",
    "comparison_dict",
    "comparison_rows",
    "document_key",
    "evaluate",
    "evaluate_run",
    "exact_request",
    "expand_grid",
    "fates",
    "grid_size",
    "holm",
    "in_order",
    "jaccard",
    "judged_comparison",
    "kendall_tau",
    "latency",
    "latency_cells",
    "latency_dict",
    "margins_of",
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
    "read_recording",
    "read_run",
    "recall_at",
    "recompute",
    "record",
    "residual",
    "run_lines",
    "short_cells",
    "source_of",
    "spread",
    "stage_ranges",
    "stage_report",
    "stage_rows",
    "stages_dict",
    "standings",
    "three_digits",
    "tied_ranking",
    "tied_run",
    "title_of",
    "traces",
    "tune",
    "what_if",
    "worse_than",
    "write_run",
]
