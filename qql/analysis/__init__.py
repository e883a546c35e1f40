"""What each stage of a query did: EXPLAIN, EXPLAIN ANALYZE, WITH PROVENANCE, WHY and ABLATE.

In the order in which they work:

* `stage_text`, `explain`, `explain_requests`, `explain_json`: EXPLAIN, which needs no engine.
* `stage_requests` makes a request for each stage, `engine` sends them, `measure` makes an analysis of the
  answers (`model`).
* `fusion` and `recomposition` recompute what the engine fused; `stage_checks` says why it differs, and
  `tie_bounds` what ties leave open. `ablation` leaves each input out in turn, `rerank` is about RERANK,
  `attribution` divides the scores of the hits among the stages, `report` says it all in words.
* `why` follows one point: `why_trace` has the stages, `point_queries` asks the engine about the point,
  `failed_conditions` about its filters; `why_stage` and `why_group` say what became of it, `placement` where
  it would stand, `why_changes` what would let it into a stage. `why_ways` tries what would make it a hit, by
  changes of the query's words (`query_edits`). `why_result` is the answer, `why_points` asks
  for all points that satisfy a filter.
"""

from qql.analysis.attribution import Provenance, provenance
from qql.analysis.engine import Call, Engine
from qql.analysis.measure import analyse
from qql.analysis.model import (
    Ablation,
    Analysis,
    Difference,
    Move,
    Overlap,
    Reached,
    Reranked,
    Rescored,
    ScoreRange,
    Scores,
    SecondStageReport,
    StageReport,
    StageRun,
    Timing,
    Verdict,
)
from qql.analysis.query_edits import with_stages
from qql.analysis.report import analysis_lines, provenance_lines
from qql.analysis.rerank import second_stage
from qql.analysis.stage_requests import stage_requests
from qql.analysis.why import why
from qql.analysis.why_points import MOST_FOLLOWED, Explained, Explanations, why_each
from qql.analysis.why_result import (
    Change,
    Explanation,
    FailedCondition,
    Obstacle,
    Standing,
    Way,
    Ways,
    WordsChange,
)
from qql.analysis.why_ways import Reranking, Rewriting
from qql.result import StageShare

analysis_dict = Analysis.to_dict
provenance_dict = Provenance.to_dict

__all__ = [
    "MOST_FOLLOWED",
    "Ablation",
    "Analysis",
    "Call",
    "Change",
    "Difference",
    "Engine",
    "Explained",
    "Explanation",
    "Explanations",
    "FailedCondition",
    "Move",
    "Obstacle",
    "Overlap",
    "Provenance",
    "Reached",
    "Reranked",
    "Reranking",
    "Rescored",
    "Rewriting",
    "ScoreRange",
    "Scores",
    "SecondStageReport",
    "StageReport",
    "StageRun",
    "StageShare",
    "Standing",
    "Timing",
    "Verdict",
    "Way",
    "Ways",
    "WordsChange",
    "analyse",
    "analysis_dict",
    "analysis_lines",
    "provenance",
    "provenance_dict",
    "provenance_lines",
    "second_stage",
    "stage_requests",
    "why",
    "why_each",
    "with_stages",
]
