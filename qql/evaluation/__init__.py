"""Measuring pipelines, as a library: how good they are (`evaluate`), how two differ (`compare`), which
settings are worth having (`tune`), how fast they are (`bench`), which is better by the fewest judgements
(`judge`), what makes a point a hit (`why_not`), a fusion whose scores are probabilities (`calibrate`), what
their stages say of each document (`features`); and what they would answer with others, from what their stages
gave once (`record`, `recompute`, `what_if`). ``docs/evaluation.md`` shows how.

>>> from qql.evaluation import evaluate
>>> print(evaluate("QUERY :query FROM docs USING dense LIMIT 10", queries, qrels, "./data"))

The commands `qql eval`, `diff`, `tune`, `bench`, `judge`, `why-not`, `calibrate`, `features` and `record` are
these functions. `aevaluate`, `acompare`, `atune` and `ajudge` are the same for an `AsyncSession`. What they
are made of can be used alone: measures (`measures`), where pipelines lose documents (`stages`), whether a
difference matters (`significance`), times (`speed`), how alike rankings are (`comparison`, `rankings`),
settings (`settings`, `grid`), what equal scores leave open (`ties`), files (`files`), what judgements leave
open (`judging`).
"""

from __future__ import annotations

from qql.analysis.model import Candidate
from qql.analysis.tie_bounds import PossiblePlace
from qql.evaluation.awaited import acompare, aevaluate, ajudge, atune
from qql.evaluation.behind_limit import Ranked, ranked
from qql.evaluation.benchmark import Benchmark, bench
from qql.evaluation.best_settings import tune
from qql.evaluation.calibration import Calibrated, Curve, MeasureBeside, Quality, StageCurve, calibrate
from qql.evaluation.collection_stages import StagesTable, bench_stages
from qql.evaluation.comparing import compare
from qql.evaluation.comparison import Comparison, Moved, Survey, compare_results, title_of
from qql.evaluation.documents import document_key, in_order, order_key, ranking, source_of
from qql.evaluation.evaluating import evaluate
from qql.evaluation.faults import InputError
from qql.evaluation.feature_files import FeatureColumn, FeatureFile
from qql.evaluation.feature_rows import Features, features, write_features
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
from qql.evaluation.judging import (
    Answer,
    Bounds,
    Decision,
    GivenJudgement,
    Judge,
    Judging,
    Question,
    Verdict,
    judge,
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
from qql.evaluation.other_queries import ChangedQuery, OtherQueries
from qql.evaluation.outcome import Measured, Outcome, outcome_of
from qql.evaluation.pipelines import Pipeline, Steps
from qql.evaluation.possible_settings import Possible, possible_settings
from qql.evaluation.rankings import jaccard, kendall_tau, overlap_at, rank_biased_overlap
from qql.evaluation.recorded_features import recorded_features
from qql.evaluation.recorded_tuning.boards import ScoredSetting
from qql.evaluation.recorded_tuning.changes import SettingChange
from qql.evaluation.recorded_tuning.folds import CheckedChoice, ChoiceFold
from qql.evaluation.recorded_tuning.real_runs import RealRun
from qql.evaluation.recorded_tuning.report import RecordedTuned
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
from qql.evaluation.why_not import Advice, WhyNot, why_not
from qql.rest.usage import Usage

__all__ = [
    "DEFAULT_MEASURES",
    "TIE_ORDERS",
    "Advice",
    "Answer",
    "Benchmark",
    "Bounds",
    "Calibrated",
    "Candidate",
    "ChangedQuery",
    "CheckedChoice",
    "ChoiceFold",
    "ClickQrels",
    "Comparison",
    "Curve",
    "Decision",
    "Evaluation",
    "FeatureColumn",
    "FeatureFile",
    "Features",
    "Gate",
    "GateFinding",
    "GivenJudgement",
    "InputError",
    "Judge",
    "JudgedComparison",
    "Judgement",
    "Judgements",
    "Judging",
    "Latency",
    "LossReport",
    "Measure",
    "MeasureBeside",
    "MeasureDifference",
    "Measured",
    "Moved",
    "MovedDocument",
    "OtherQueries",
    "Outcome",
    "Pipeline",
    "Possible",
    "PossiblePlace",
    "Qrels",
    "Quality",
    "Query",
    "QueryChange",
    "Question",
    "Ranked",
    "RealRun",
    "Recomputed",
    "RecordedQuery",
    "RecordedStage",
    "RecordedTuned",
    "Recording",
    "Report",
    "Run",
    "ScoreRange",
    "Scored",
    "ScoredSetting",
    "Section",
    "Settable",
    "SettingChange",
    "Spread",
    "StageCurve",
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
    "Verdict",
    "WhatIf",
    "WhyNot",
    "acompare",
    "aevaluate",
    "ajudge",
    "atune",
    "bench",
    "bench_stages",
    "bootstrap_interval",
    "calibrate",
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
    "features",
    "grid_size",
    "holm",
    "in_order",
    "jaccard",
    "judge",
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
    "recorded_features",
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
    "why_not",
    "worse_than",
    "write_features",
    "write_run",
]
