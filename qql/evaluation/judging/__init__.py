"""Which of two pipelines is better, with the fewest judgements: `judge`, and its core, `Judging`."""

from __future__ import annotations

from qql.evaluation.judging.differences import Bounds
from qql.evaluation.judging.judgement_file import GivenJudgement
from qql.evaluation.judging.judges import Answer, Judge
from qql.evaluation.judging.judging import Decision, Judging, Question
from qql.evaluation.judging.running import judge
from qql.evaluation.judging.verdict import Verdict

__all__ = [
    "Answer",
    "Bounds",
    "Decision",
    "GivenJudgement",
    "Judge",
    "Judging",
    "Question",
    "Verdict",
    "judge",
]
