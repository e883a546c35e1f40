"""Settings that were recomputed, run for real: whether the figures are the same, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence

from qql.evaluation.calls import Call
from qql.evaluation.files import Query
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recorded_tuning.boards import Board, ScoredSetting
from qql.evaluation.recorded_tuning.spaces import Space
from qql.evaluation.sections import collected
from qql.evaluation.trials import Experiment, Trial
from qql.evaluation.variants import Trying, Variant
from qql.records import dataclass

__all__ = ["RealRun", "real_runs"]


@dataclass(frozen=True, slots=True, eq=False)
class RealRun:
    """A setting and what a run of it gave; ``others``: the queries whose figures are not as recomputed."""

    scored: ScoredSetting
    trial: Trial
    others: tuple[str, ...]


def real_runs(
    settings: Sequence[tuple[ScoredSetting, str]],
    space: Space,
    board: Board,
    pipeline: Pipeline,
    how: Trying,
    *,
    partial: bool,
) -> tuple[list[RealRun], bool]:
    """Runs settings, which are given with their texts, and times them in turn; and whether that is complete.

    Raises `QQLError` where a query fails.
    """
    variants = []
    for place, (one, text) in enumerate(settings):
        params = {name: value for name, value in one.values.items() if name in space.params}
        script = Pipeline(pipeline.session, text, pipeline.name)
        calls = [
            Call(
                Query(row.query, dict(row.params)), script.taken({**row.params, **space.constants, **params})
            )
            for row in board.rows
        ]
        variants.append(Variant(one.values, script, calls, place))
    experiment = Experiment(how, board.qrels, board.measures, {*board.queries}, set())
    trials, complete = collected(experiment.qualities(variants, None), partial=partial)
    if complete:
        trials, complete = experiment.timed(trials, partial=partial)
    found = []
    for (one, _), trial in zip(settings, trials, strict=False):
        others = dict.fromkeys(
            query
            for measure, of in one.figures.items()
            for query, value in zip(board.queries, of, strict=True)
            if abs(value - trial.chosen.values[measure][query]) > 1e-9
        )
        found.append(RealRun(one, trial, tuple(others)))
    return found, complete
