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

from __future__ import annotations

from qql.late import late_names

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    "Standing",
    "Timing",
    "Verdict",
    "Way",
    "Ways",
    "WordsChange",
    "analyse",
    "analysis_lines",
    "provenance",
    "provenance_lines",
    "second_stage",
    "why_each",
    "with_stages",
]

_late = late_names(
    __name__,
    {
        "Provenance": "attribution",
        "provenance": "attribution",
        "Call": "engine",
        "Engine": "engine",
        "analyse": "measure",
        "Ablation": "model",
        "Analysis": "model",
        "Difference": "model",
        "Move": "model",
        "Overlap": "model",
        "Reached": "model",
        "Reranked": "model",
        "Rescored": "model",
        "ScoreRange": "model",
        "Scores": "model",
        "SecondStageReport": "model",
        "StageReport": "model",
        "StageRun": "model",
        "Timing": "model",
        "Verdict": "model",
        "with_stages": "query_edits",
        "analysis_lines": "report",
        "provenance_lines": "report",
        "second_stage": "rerank",
        "MOST_FOLLOWED": "why_points",
        "Explained": "why_points",
        "Explanations": "why_points",
        "why_each": "why_points",
        "Change": "why_result",
        "Explanation": "why_result",
        "FailedCondition": "why_result",
        "Obstacle": "why_result",
        "Standing": "why_result",
        "Way": "why_result",
        "Ways": "why_result",
        "WordsChange": "why_result",
        "Reranking": "why_ways",
        "Rewriting": "why_ways",
    },
)

if not TYPE_CHECKING:  # a type checker knows the names above, and says so of any other
    __getattr__ = _late
