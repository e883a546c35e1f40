"""`tune` on a recording: from what was given to what was found."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qql.errors import Diagnostic
from qql.evaluation.calls import check_pipelines
from qql.evaluation.faults import InputError, argument
from qql.evaluation.files import Qrels, Query
from qql.evaluation.grid import pareto_front
from qql.evaluation.measures import Measure
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recorded_tuning.best_of_many import chance_of_best
from qql.evaluation.recorded_tuning.boards import Board, ScoredSetting
from qql.evaluation.recorded_tuning.changes import changes_of
from qql.evaluation.recorded_tuning.folds import checked, split
from qql.evaluation.recorded_tuning.real_runs import RealRun, real_runs
from qql.evaluation.recorded_tuning.report import Front, RecordedTuned
from qql.evaluation.recorded_tuning.searches import SEARCHES, mean_of
from qql.evaluation.recorded_tuning.spaces import MOST_TRIED, Space
from qql.evaluation.recording.planning import Planner
from qql.evaluation.recording.recorder import DEPTH, record
from qql.evaluation.recording.recordings import RecordedQuery, Recording, read_recording
from qql.evaluation.settings import Settable
from qql.evaluation.variants import Trying
from qql.records import dataclass
from qql.rest.types import Json

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["RecordedWork", "tuned_by_recording"]

_RUN = 5
"""Settings that are run for real, at most."""


@dataclass(frozen=True, slots=True)
class RecordedWork:
    """What `tune` was given, checked; without a ``recording`` (or its file), one is made for this."""

    text: str
    name: str
    queries: Sequence[Query]
    qrels: Qrels
    grid: Mapping[str, list[Json]]
    measures: tuple[Measure, ...]
    how: Trying
    recording: Recording | str | os.PathLike[str] | None
    search: str
    folds: int | None
    holdout: float | None
    deep: int | None
    partial: bool


def tuned_by_recording(
    work: RecordedWork, session: Session | None, pipeline: Pipeline | None
) -> RecordedTuned:
    """All of it; ``session`` and ``pipeline`` are where stages are recorded, and the front is run.

    Raises as `tune` does.
    """
    if work.search not in SEARCHES:
        message = f"{argument('search')} takes {' or '.join(SEARCHES)}, not {work.search}"
        raise InputError.make("usage", message)
    _check_use(work, session)
    with contextlib.ExitStack() as kept:
        recording = _recording(work, session, pipeline, kept)
        return _tuned(work, recording, pipeline)


def _check_use(work: RecordedWork, session: Session | None) -> None:
    """Raises `InputError` for arguments that would have no use."""
    if work.how.doc_id is not None:
        message = f"{argument('doc_id')} is in payloads, which a recording does not have"
        hint = "tune without a recording runs every setting"
        raise InputError.make("usage", message, hint=hint)
    if session is not None:
        return
    idle = {"repeat": work.how.repeat is not None, "latency": work.how.latency != "p50"}
    for name, given in idle.items():
        if given:
            raise InputError.make("idle-option", f"{argument(name)} is about runs, and there is no `db`")


def _recording(
    work: RecordedWork, session: Session | None, pipeline: Pipeline | None, kept: contextlib.ExitStack
) -> Recording:
    """The recording that was given, or one that is made: in its file, or in one that is thrown away."""
    given = work.recording
    if isinstance(given, Recording):
        return _without_idle(work, given)
    if given is not None and (session is None or Path(given).expanduser().exists()):
        return _without_idle(work, read_recording(os.fspath(given)))
    if session is None or pipeline is None:
        message = f"without {argument('recording')}, the stages have to be asked, and there is no `db`"
        raise InputError.make("usage", message)
    path = given
    if path is None:
        path = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="qql-"))) / "run.qqlrun"
    queries = [one for one in work.queries if work.qrels.get(one.id)]
    constants = {name: value for name, value in work.how.params.items() if name not in work.grid}
    varied = {name: values[0] for name, values in work.grid.items() if name in pipeline.parameters}
    deep = DEPTH if work.deep is None else work.deep
    return record(
        {work.name: pipeline},
        queries,
        session,
        path,
        deep=deep,
        params={**varied, **constants},
        progress=work.how.progress,
    )


def _without_idle(work: RecordedWork, recording: Recording) -> Recording:
    if work.deep is not None:
        message = f"{argument('deep')} is for a recording that is made, and {recording.path} is there"
        raise InputError.make("idle-option", message)
    return recording


def _tuned(work: RecordedWork, recording: Recording, pipeline: Pipeline | None) -> RecordedTuned:
    planner = Planner(recording, work.how.params)
    script = planner.pipeline(work.text, work.name)
    check_pipelines([script], work.how.params, work.grid)
    rows = _rows(work, recording, script)
    first = {**{name: values[0] for name, values in work.grid.items()}, **planner.params}
    plan = script.compiled(script.taken({**rows[0].params, **first})).plan
    assert plan is not None, "a pipeline's statement is a query"
    settable = Settable(script.text, plan, script.name)
    parameters = [str(one) for one in script.parameters]
    for name in work.grid:
        if name in parameters and name in rows[0].params:
            message = f"{argument('grid', name)} is a field of the queries, too"
            raise InputError.make("wrong-parameters", message, hint="rename one")
    how = work.how
    most = how.max_settings or (None if work.search == "optuna" else MOST_TRIED)
    constants = {name: value for name, value in recording.params.items() if name not in work.grid}
    constants |= how.params
    space = Space.of(settable, plan, parameters, work.grid, constants, depth=recording.depth, most=most)
    board = Board(planner, script, rows, work.qrels, work.measures, how.ties, how.progress)
    return _searched(work, recording, pipeline, space, board)


def _rows(work: RecordedWork, recording: Recording, script: Pipeline) -> list[RecordedQuery]:
    """The recorded queries that are judged and asked. Raises `InputError` ``other-recording``."""
    asked = {one.id: one for one in work.queries}
    rows = [one for one in recording.queries() if work.qrels.get(one.query) and one.query in asked]
    for row in rows:
        if script.taken(row.params) != script.taken(asked[row.query].params):
            message = f"the query {row.query!r} was recorded with other fields"
            raise InputError.make("other-recording", message)
    known = {one.query for one in rows}
    missing = [one for one in asked if work.qrels.get(one) and one not in known]
    if missing:
        message = f"{len(missing)} of the judged queries were not recorded: {', '.join(missing[:5])}"
        hint = f"{argument('limit')} asks fewer, and `qql record` records others"
        raise InputError.make("other-recording", message, hint=hint)
    if len(rows) < 2:
        raise InputError.make("usage", "to tune on a recording takes two judged queries at least")
    return rows


def _searched(
    work: RecordedWork, recording: Recording, pipeline: Pipeline | None, space: Space, board: Board
) -> RecordedTuned:
    how, measure = work.how, work.measures[0]
    current = None if space.current is None else board.add([space.current])[0]
    if space.current is not None and current is None:
        why = next(iter(board.left_out))
        hint = f"without {argument('recording')}, every setting is run"
        raise InputError.make("needs-run", f"the pipeline as it is cannot be recomputed: {why}", hint=hint)
    splits = split(len(board.queries), work.folds, work.holdout, how.seed)
    search = SEARCHES[work.search]

    def tried(queries: Sequence[int]) -> list[ScoredSetting]:
        found = search(space, board, measure, queries, how.sample, how.max_settings, how.seed)
        found = [*([current] if current is not None else []), *found]
        if not found:
            why = next(iter(board.left_out), "there is none")
            raise InputError.make("needs-run", f"no setting can be recomputed: {why}")
        return list({id(one): one for one in found}.values())

    def choose(queries: Sequence[int]) -> ScoredSetting:
        return _best(tried(queries), space, measure, queries, current)

    every = range(len(board.queries))
    cross = checked(splits, choose, current, measure, board.queries)
    if work.holdout is None:
        # Folds may have tried what the search of all queries has not, and all queries choose.
        tried(every)
        chosen = _best(board.scored, space, measure, every, current)
    else:
        chosen = choose(splits[0][0])
    by_chance = None
    if work.holdout is None and current is not None:
        differences = [_beside(one, current, measure) for one in board.scored]
        by_chance = chance_of_best(differences, _beside(chosen, current, measure), seed=how.seed)
    fronts = {
        "candidates": _front(board.scored, space, measure, lambda one: one.candidates),
        "ms": _front(board.scored, space, measure, lambda one: one.ms),
    }
    adverse = _adverse(board, measure, chosen, current)
    changes = changes_of(space, board, measure, chosen)
    shown = _shown(current, chosen, fronts["candidates"])
    real: list[RealRun] = []
    complete, notes = True, list(recording.notes)
    if pipeline is not None:
        variants = [(one, space.text(one.values)) for one in shown]
        real, complete = real_runs(variants, space, board, pipeline, how, partial=work.partial)
    return RecordedTuned(
        *(space, board, current, chosen, tuple(shown), fronts, cross, by_chance, adverse, tuple(changes)),
        *(
            tuple(real),
            work.search,
            recording,
            how.latency,
            complete,
            tuple(_notes(notes, board)),
        ),
    )


def _beside(one: ScoredSetting, current: ScoredSetting, measure: Measure) -> list[float]:
    return [mine - now for mine, now in zip(one.figures[measure], current.figures[measure], strict=True)]


def _notes(notes: Sequence[Diagnostic], board: Board) -> Iterator[Diagnostic]:
    yield from notes
    guessed = sum(bool(one.estimates) for one in board.scored)
    if guessed:
        message = f"{guessed} of {len(board.scored)} settings are estimates: a run may answer otherwise"
        why = next(one.reasons[0] for one in board.scored if one.estimates)
        yield Diagnostic("estimates", f"{message} ({why})", severity="warning")


def _best(
    scored: Sequence[ScoredSetting],
    space: Space,
    measure: Measure,
    queries: Sequence[int],
    current: ScoredSetting | None,
) -> ScoredSetting:
    """The best; of equals the pipeline as it is, or what changes the least and asks for the least."""

    def worth(one: ScoredSetting) -> tuple[float, bool, int, int]:
        changes = len(space.changes(one.values))
        return -round(mean_of(one, measure, queries), 9), one is not current, changes, one.candidates

    return min(scored, key=worth)


def _front(scored: Sequence[ScoredSetting], space: Space, measure: Measure, cost: Any) -> Front:
    """The settings that no other beats in quality and cost, from the cheapest; of equals the one that changes
    the least."""
    found = pareto_front(scored, quality=lambda one: round(one.means[measure], 9), latency=cost)
    kept: dict[tuple[float, float], ScoredSetting] = {}
    for one in sorted(found, key=lambda one: len(space.changes(one.values))):
        kept.setdefault((cost(one), round(one.means[measure], 9)), one)
    return tuple(sorted(kept.values(), key=cost))


def _adverse(
    board: Board, measure: Measure, chosen: ScoredSetting, current: ScoredSetting | None
) -> float | None:
    """The least that the chosen one's mean can be above that of the pipeline as it is, over all orders of
    equal scores."""
    if current is None:
        return None
    (least,) = board.apart("worst").add([chosen.values])
    (most,) = board.apart("best").add([current.values])
    return None if least is None or most is None else least.means[measure] - most.means[measure]


def _shown(current: ScoredSetting | None, chosen: ScoredSetting, front: Front) -> list[ScoredSetting]:
    """The pipeline as it is, what was chosen, and some of the front, as far apart as they can be."""
    found = [one for one in (current, chosen) if one is not None]
    others = [one for one in front if one not in found]
    room = _RUN - len(dict.fromkeys(found))
    if len(others) > room:
        others = [others[round(at * (len(others) - 1) / (room - 1))] for at in range(room)]
    return list(dict.fromkeys([*found, *others]))
