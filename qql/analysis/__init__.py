"""What each stage of a query did: EXPLAIN ANALYZE, WITH PROVENANCE, WHY and ABLATE.

`stages` makes a request for each stage, `measure` runs them, `fusion` and `compare` recompute what the
engine fused, `judging` says why it differs (`leeway`: what ties leave open), `attribution` divides the
scores of the hits among the stages,
`ablation` leaves each out in turn, `second` is about RERANK, `why` follows one point (`standing` is its
answer, `asked` asks the engine, `slots` counts places), `report` tells it all.
"""

from qql.analysis.ablation import Ablation, Move
from qql.analysis.attribution import Provenance, StageShare, provenance
from qql.analysis.measure import (
    Analysis,
    Overlap,
    Reached,
    Scores,
    StageReport,
    Timing,
    analyse,
)
from qql.analysis.probe import Call
from qql.analysis.recomposition import Difference, Verdict
from qql.analysis.report import analysis_dict, analysis_lines, provenance_dict, provenance_lines
from qql.analysis.rerank_report import Reranked, ScoreRange, SecondStageReport, second_stage
from qql.analysis.stage_requests import StageRun, stage_requests
from qql.analysis.verdicts import Rescored
from qql.analysis.why import why
from qql.analysis.why_result import Change, Explanation, FailedCondition, Standing

__all__ = [
    "Ablation",
    "Analysis",
    "Call",
    "Change",
    "Difference",
    "Explanation",
    "FailedCondition",
    "Move",
    "Overlap",
    "Provenance",
    "Reached",
    "Reranked",
    "Rescored",
    "ScoreRange",
    "Scores",
    "SecondStageReport",
    "StageReport",
    "StageRun",
    "StageShare",
    "Standing",
    "Timing",
    "Verdict",
    "analyse",
    "analysis_dict",
    "analysis_lines",
    "provenance",
    "provenance_dict",
    "provenance_lines",
    "second_stage",
    "stage_requests",
    "why",
]
