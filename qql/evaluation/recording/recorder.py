"""`record`: the lowest stages of pipelines, asked once for each query, deep down, and kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qql import nodes
from qql.analysis.engine import Engine
from qql.analysis.fusion import ascending
from qql.analysis.model import Candidate, StageRun
from qql.analysis.model import Path as Place
from qql.analysis.query_body import without_threshold
from qql.analysis.stage_requests import stage_requests
from qql.backends.base import Progress, Work, usage_of
from qql.errors import Diagnostic, QQLError
from qql.evaluation.calls import Call, calls_of, check_pipelines, locate_error, stamp_of
from qql.evaluation.faults import InputError, argument, check_kinds, fixed_params, whole_from
from qql.evaluation.files import Query
from qql.evaluation.inputs import Given, Pipelines, QueriesLike, named_pipelines, queries_of
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recording.lines import LineWriter, check_name, whole_lines
from qql.evaluation.recording.recipes import Recipe, graphs_of, recipe_of
from qql.evaluation.recording.recordings import RecordedQuery, RecordedStage, Recording, read_recording
from qql.evaluation.sessions import measured_session, pipelines_on, progress_of
from qql.models.embed_request import embed_request
from qql.records import dataclass, replace
from qql.rest.limits import U32
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, JsonObject
from qql.session import phases
from qql.session.session import Session
from qql.syntax.printer import show

if TYPE_CHECKING:
    from qql.compiler.script import Compiled

__all__ = ["DEPTH", "record"]

DEPTH = 1000
"""Points of each stage, where nothing else is said."""


def record(
    pipelines: Pipelines,
    queries: QueriesLike,
    db: object,
    path: str | os.PathLike[str],
    *,
    deep: int = DEPTH,
    params: Body | None = None,
    limit: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Recording:
    """Ask the lowest stages of pipelines for each query, deep down, and keep what they gave in a file.

    >>> kept = record({"hybrid": text}, queries, db, "run.qqlrun.gz")
    >>> recompute(kept, text)["q1"].verdict

    A stage that several pipelines share is asked once: it is known by its request without LIMIT and SCORE
    THRESHOLD. Of a stage that rescores others, the scores of all points that these gave are kept. The file
    is JSON Lines, the first line its header, gzipped where its name ends with ``.gz``; a line for each query
    is added once it is answered, so a process that is killed leaves a file that can be gone on with.

    Args:
        pipelines, queries, db, params, limit, progress, options: as for `evaluate`. All pipelines search one
            collection.
        path: the file; its folder exists.
        deep: how many points of each stage are asked for at least: more where a LIMIT is larger.
        resume: whether to go on with a file that is there. Its queries are not asked again, and what was cut
            off of its last line is dropped. Where there is no file, one is made.
        overwrite: whether a file that is there is replaced.

    Returns:
        The `Recording`; its ``notes`` say which pipelines no recording can answer, and why.

    Raises:
        InputError: what was given is at fault, and nothing was asked: as `evaluate`; ``other-recording``
            where ``resume`` would mix two recordings; ``recording-in-use``; ``bad-recording``.
        QQLExecutionError: a query failed: what was kept before stays, and can be gone on with;
            ``file-exists``, ``file-unwritable``.
        QQLCompileError, QQLConnectionError, QQLModelError: as `Session.execute`.
    """
    check_kinds(locals())
    file = os.fspath(path)
    check_name(file)
    whole_from(1, deep=deep)
    given = named_pipelines(pipelines)
    _check_no_runs(given)
    asked, constants = queries_of(queries, limit), fixed_params(params)
    with measured_session(db, options) as session:
        if session is None:
            message = f"{argument('db')} is what the stages are asked on, and there is none"
            raise InputError.make("usage", message)
        scripts = pipelines_on(session, given)
        check_pipelines([*scripts.values()], constants)
        calls = {name: calls_of(one, asked, constants) for name, one in scripts.items()}
        recorder = _Recorder(session, scripts, calls)
        begun = recorder.begun(file, deep, len(asked), constants)
        known: set[str] = set()
        keep: int | None = None
        notes: tuple[Diagnostic, ...] = ()
        if resume and _is_there(file):
            known, keep, notes = _known(begun)
        if keep is None:
            LineWriter.begin(file, _line(begun.header()), overwrite=overwrite, again=argument("overwrite"))
        tell = progress_of(progress)
        with LineWriter(file, keep) as writer:
            for at, query in enumerate(asked):
                tell(Work("recording", "queries"), at, len(asked))
                if query.id not in known:
                    writer.write(_line(recorder.recorded(at, query, deep).to_dict()))
            tell(Work("recording", "queries"), len(asked), len(asked))
    return replace(begun, notes=(*recorder.notes(begun), *notes))


def _check_no_runs(given: Mapping[str, Given]) -> None:
    runs = [name for name, one in given.items() if one.run is not None]
    if runs:
        raise InputError.make("usage", f"{runs[0]} is a ranking: it has no stages to record")


def _line(value: Body) -> bytes:
    return (
        json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
    )


def _is_there(file: str) -> bool:
    return Path(file).expanduser().exists()


# ------------------------------------------------------------------------------------ going on


def _known(begun: Recording) -> tuple[set[str], int, tuple[Diagnostic, ...]]:
    """The queries that a file has, and how many bytes of it stay. Raises `InputError` as `record` does."""
    there = read_recording(begun.path)
    for name in ("collection", "pipelines", "params", "depth", "count", "shards", "models", "defined"):
        old, new = getattr(there, name), getattr(begun, name)
        if old != new:
            message = f"{begun.path} was begun with other {_WORDS.get(name, name)}"
            if isinstance(old, int | str):
                message += f": {old}, not {new}"
            hint = f"{argument('overwrite')} begins anew"
            raise InputError.make("other-recording", message, hint=hint)
    ends = [end for _, end in whole_lines(begun.path)]
    return {one.query for one in there.queries()}, ends[-1], tuple(_changes(there, begun))


_WORDS = {"count": "queries", "shards": "numbers of shards", "defined": "stages of DEFINE"}


def _changes(there: Recording, begun: Recording) -> Iterator[Diagnostic]:
    """What is not as it was when the file was begun."""
    for name in ("qql", "engine", "points"):
        old, new = there.stamp.get(name), begun.stamp.get(name)
        if old != new:
            message = f"this recording was begun with other {name}: {old}, now {new}"
            yield Diagnostic("changed-since", message, severity="warning")


# ------------------------------------------------------------------------------------ asking


@dataclass(slots=True)
class _Wanted:
    """A stage to be asked: ``of`` are the keys of the lists that it rescores."""

    run: StageRun
    body: Body
    request: Request
    limit: int
    of: tuple[str, ...]


class _Recorder:
    """Asks the stages of all pipelines for one query after the other."""

    def __init__(
        self, session: Session, pipelines: Mapping[str, Pipeline], calls: Mapping[str, Sequence[Call]]
    ) -> None:
        self.session = session
        self.pipelines = pipelines
        self.calls = calls
        self.collection = ""
        self.turned: bool | None = None
        self.recipes: dict[str, Recipe] = {}

    def begun(self, file: str, depth: int, count: int, params: Body) -> Recording:
        """The recording without queries. Raises `InputError` for pipelines of several collections."""
        first = {name: one.compiled(self.calls[name][0].params) for name, one in self.pipelines.items()}
        plans = {name: one.plan for name, one in first.items() if one.plan is not None}
        collections = list(dict.fromkeys(plan.collection for plan in plans.values()))
        if len(collections) > 1:
            message = f"a recording is of one collection, and these are {', '.join(collections)}"
            raise InputError.make("usage", message)
        self.collection = collections[0]
        for name, one in first.items():
            self.recipes[name] = recipe_of(plans[name], one.requests[0])
        session, (name, *_) = self.session, plans
        info = session.ask(Request("GET", collection_path(self.collection)))
        engine = Engine(plans[name], first[name].requests[0], session.ask, session.backend.name == "server")
        context = session.context
        defined = tuple(show(nodes.Define(cte.name, cte.stage)) for cte in context.stages.values())
        texts = {name: one.text for name, one in self.pipelines.items()}
        stamp = stamp_of(self.pipelines, self.calls).to_dict()
        return Recording(
            *(file, self.collection, texts, count, depth, params, info, engine.shards(), stamp),
            models=dict(context.models),
            defined=defined,
            collection_in_use=context.collection,
        )

    def notes(self, begun: Recording) -> Iterator[Diagnostic]:
        """Which pipelines this recording cannot answer."""
        for name, recipe in self.recipes.items():
            for why in recipe.obstacles:
                message = f"{name} needs runs: {why}"
                yield Diagnostic("needs-runs", message, severity="warning")
        roots = [one.root for one in self.recipes.values() if one.root is not None]
        graphs = dict.fromkeys(name for root in roots for name in graphs_of(root))
        vague = [name or "the vector" for name in graphs if begun.may_be_approximate(name)]
        if vague:
            which = ", ".join(vague)
            message = (
                f"{which} may be searched approximately: with a smaller LIMIT, other points may be found"
            )
            hint = "PARAMS (exact = true) makes stages exact"
            yield Diagnostic("approximate", message, hint=hint, severity="warning")

    def recorded(self, at: int, query: Query, depth: int) -> RecordedQuery:
        """What the stages give for a query. Raises as `Session.execute` does."""
        started = phases.start()
        wanted: dict[str, _Wanted] = {}
        for name, pipeline in self.pipelines.items():
            call = self.calls[name][at]
            try:
                self._add_stages(pipeline.compiled(call.params), depth, wanted)
            except QQLError as exc:
                raise locate_error(exc, name, call) from exc
        stages: dict[str, RecordedStage] = {}
        for key, one in sorted(wanted.items(), key=lambda item: bool(item[1].of)):
            try:
                stages[key] = self._answered(one, stages)
            except QQLError as exc:
                where = Call(query, {})
                raise locate_error(exc, f"`{one.run.label}`", where) from exc
        phases.recorded(started, query.id, len(stages))
        return RecordedQuery(query.id, query.params, stages, self.turned)

    def _add_stages(self, compiled: Compiled, depth: int, wanted: dict[str, _Wanted]) -> None:
        plan, request = compiled.plan, compiled.requests[0]
        assert plan is not None, "a pipeline's statement is a query"
        keys = recipe_of(plan, request).keys
        embedded = embed_request(request, self.session.embedders, self.session.backend.infers)
        bodies = {path: run.body for run in stage_requests(plan, embedded) for path in run.paths}
        runs = stage_requests(plan, request)
        for run in runs:
            key = keys.get(run.paths[0])
            if key is None:
                continue
            of = tuple(dict.fromkeys(_lowest(run, runs, keys)))
            if run.inputs and not of:
                continue
            limit = min(max(depth, run.limit) + 1, U32)  # one more, to see whether a tie is cut
            known = wanted.get(key)
            if known is None:
                wanted[key] = _Wanted(run, bodies[run.paths[0]], request, limit, of)
            else:
                known.limit = max(known.limit, limit)
                known.of = tuple(dict.fromkeys((*known.of, *of)))

    def _answered(self, one: _Wanted, stages: Mapping[str, RecordedStage]) -> RecordedStage:
        body = without_threshold(one.body) | {"limit": one.limit}
        if one.of:
            ids = list(dict.fromkeys(key for name in one.of for key in stages[name].ids))
            if not ids:
                return RecordedStage(one.run.label, 1, (), (), of=one.of)
            body |= {"limit": len(ids) + 1, "filter": {"must": [{"has_id": ids}]}}
            del body["prefetch"]
        started = time.perf_counter()
        found = self._ask(one.request, body)
        ms = (time.perf_counter() - started) * 1000
        took, usage = self.session.backend.took, usage_of(self.session.backend)
        server_ms = None if took is None else took * 1000
        phases.stage_asked(one.run, body["limit"], found, ms)
        if self.turned is None and not one.of and ascending(found):
            self._see_direction(one.request, {**body, "limit": len(found)}, found)
        points, scores = tuple(hit.id for hit in found), [hit.score for hit in found]
        values = tuple(hit.order_value for hit in found)
        if not any(value is not None for value in values):
            values = ()
        asked = one.run.label, body["limit"]
        return RecordedStage(*asked, points, scores, values, ms, one.of, server_ms, usage)

    def _ask(self, request: Request, body: JsonObject) -> tuple[Candidate, ...]:
        path = collection_path(self.collection, "points", "query")
        answer = self.session.ask(Request("POST", path, request.query, body))
        return Candidate.of_all(answer["points"])

    def _see_direction(self, request: Request, body: JsonObject, found: Sequence[Candidate]) -> None:
        """Whether the engine's DBSF takes small distances for the better ones, as it should."""
        shared = {"shard_key": body.pop("shard_key")} if "shard_key" in body else {}
        for key in ("with_payload", "with_vector"):
            body.pop(key, None)
        fused = {"prefetch": [body], "query": {"fusion": "dbsf"}, "limit": 1, "with_payload": False} | shared
        (best, *_) = self._ask(request, fused)
        scores = {hit.id: hit.score for hit in found}
        if best.id in scores:
            self.turned = scores[best.id] == found[0].score


def _lowest(run: StageRun, runs: Sequence[StageRun], keys: Mapping[Place, str]) -> Iterator[str]:
    """The keys of the lowest stages below one."""
    for at in run.inputs:
        inner = runs[at]
        if inner.inputs:
            yield from _lowest(inner, runs, keys)
        elif inner.paths[0] in keys:
            yield keys[inner.paths[0]]
