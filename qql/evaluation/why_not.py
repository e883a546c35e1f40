"""`why_not`: what makes a point a hit of a query, and what that does to the other queries of a set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qql import nodes
from qql.analysis.query_edits import edited, same_edits, with_stages
from qql.compiler.plan import stage_key
from qql.compiler.scalars import point_id
from qql.errors import Diagnostic, QQLError, Source, shown
from qql.evaluation.calls import calls_of, check_pipelines, constant_call, limit_of
from qql.evaluation.faults import InputError, argument, check_kinds, fixed_params
from qql.evaluation.files import Query
from qql.evaluation.inputs import PipelineLike, QrelsLike, QueriesLike, named_pipelines, qrels_of, queries_of
from qql.evaluation.inputs import measures_of as measures_given
from qql.evaluation.measures import DEFAULT_MEASURES, Measure
from qql.evaluation.other_queries import OtherQueries, QuerySet
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.sections import Report, Section
from qql.evaluation.sessions import measured_session, pipelines_on, progress_of
from qql.records import dataclass, replace
from qql.rest.types import Body, JsonObject
from qql.session.explanations import explanation_of
from qql.syntax.formatter import format_script
from qql.syntax.parser import parse_script
from qql.syntax.printer import show

if TYPE_CHECKING:
    from qql.analysis import Explanation, Way
    from qql.backends.base import Progress
    from qql.compiler.script import Compiled
    from qql.evaluation.recording.recordings import Recording

__all__ = ["Advice", "WhyNot", "why_not"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What makes the point a hit, tried on the engine: it then is hit ``rank`` of those up to ``last``.

    ``text`` is the changes as words: ``LIMIT 40 → 73 in dense``. ``steady``: it was a hit each time;
    otherwise the order of equals decides. ``pushed_out`` are hits that are none then, ``entered`` how many
    points are hits beside the one that was asked for, and were none. ``statement`` is the changed query, and
    ``pipeline`` the changed pipeline, with its parameters; None where it cannot be written so, since the
    condition that is dropped stands in a parameter. ``others`` is what it does to the other queries; None
    without a set.
    """

    text: str
    rank: int
    last: int
    steady: bool
    pushed_out: tuple[int | str, ...]
    entered: int
    statement: str
    pipeline: str | None
    others: OtherQueries | None = None

    def row(self) -> JsonObject:
        """``change``, ``hit``, ``pushes out``, and the columns of `OtherQueries.cells`."""
        out = ", ".join(map(str, self.pushed_out))
        row: JsonObject = {"change": self.text, "hit": f"{self.rank} of {self.last}", "pushes out": out}
        return row | ({} if self.others is None else self.others.cells())

    def to_dict(self) -> JsonObject:
        """As JSON data: the fields by their names."""
        return {
            "text": self.text,
            "rank": self.rank,
            "last": self.last,
            "steady": self.steady,
            "pushed_out": list(self.pushed_out),
            "entered": self.entered,
            "statement": self.statement,
            "pipeline": self.pipeline,
            "others": None if self.others is None else self.others.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class WhyNot(Report):
    """Why a point is no hit, and what makes it one, the smallest change first; see `why_not`.

    ``reason`` says it in a sentence, ``lines`` for each stage, too. ``calls`` is how often the engine was
    called for the point, ``asked`` how many queries of the set were run.
    """

    point: int | str
    query: Query
    is_hit: bool
    reason: str
    lines: tuple[str, ...]
    advice: tuple[Advice, ...]
    calls: int
    asked: int = 0
    notes: tuple[Diagnostic, ...] = ()

    def sections(self) -> list[Section]:
        """The reason, the changes with what they do, the queries that lose most, the changed pipeline."""
        out = [Section("", [], self.lines)]
        if self.advice:
            others = self.advice[0].others
            about = "" if others is None else f", and what that does to {others.count} other queries"
            out.append(Section(f"What makes it a hit{about}", self.rows(), self._cost()))
        for one in self.advice:
            worst = one.others.worst() if one.others else []
            if worst:
                out.append(Section(f"Who loses most by {one.text}", [other.row() for other in worst]))
        if self.advice and self.advice[0].pipeline is not None:
            out.append(Section("With the first of them", [], text=self.advice[0].pipeline))
        return out

    def _cost(self) -> tuple[str, ...]:
        if self.advice[0].others is None:
            return ()
        recomputed = self.advice[0].others.recomputed
        more = f"; {recomputed} rankings of each come from the recording" if recomputed else ""
        return (f"for the others, {self.asked} queries were asked{more}",)

    def rows(self) -> list[JsonObject]:
        """A row for each advice: what is changed, where the point is then, and what else that does."""
        return [one.row() for one in self.advice]

    def to_dict(self) -> JsonObject:
        """``{"version": 1, "point", "query", "is_hit", "reason", "lines", "calls", "asked", "advice"}``."""
        return {
            "version": 1,
            "point": self.point,
            "query": {"id": self.query.id, **self.query.params},
            "is_hit": self.is_hit,
            "reason": self.reason,
            "lines": list(self.lines),
            "calls": self.calls,
            "asked": self.asked,
            "advice": [one.to_dict() for one in self.advice],
        }


def why_not(
    pipeline: PipelineLike,
    query: str | Query | Mapping[str, Any] | None,
    point: int | str,
    db: object,
    *,
    queries: QueriesLike | None = None,
    qrels: QrelsLike | None = None,
    recording: Recording | None = None,
    params: Body | None = None,
    measures: str | Measure | Iterable[str | Measure] = DEFAULT_MEASURES,
    doc_id: str | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> WhyNot:
    """Why a point is no hit of a query, what makes it one, and what that does to the other queries of a set.

    >>> found = why_not(text, "red shoes", 17, db, queries=queries, qrels=qrels)
    >>> for one in found.advice:
    ...     print(one.text, one.others.cells())

    Each change was tried on the engine: the point is a hit with it. Of as many changes, those go first by
    which the fewest other points enter or leave the hits.

    Args:
        pipeline: one, as for `evaluate`.
        query: the text of ``:query``, or the id of one of the queries of the set, a `Query`, or
            ``{parameter: value}``; None where the pipeline has no parameters.
        point: its id: a number or a UUID.
        db, options, params, progress: as for `evaluate`.
        queries: the set; without it, that of the recording, or none.
        qrels, measures, doc_id: as for `evaluate`: how good the set's answers are before and after. With
            ``doc_id``, a recording says nothing, as it has no payloads.
        recording: answers for the set, where it says them for certain; else the queries are asked.
        limit: how many queries of the set are asked at most.

    Returns:
        A `WhyNot`; ``rows()`` has a row for each change.

    Raises:
        InputError: what was given is at fault, and nothing was asked: as `evaluate`; ``invalid-point-id``.
        QQLCompileError, QQLExecutionError, QQLConnectionError, QQLModelError: as `Session.execute`.
    """
    check_kinds(locals())
    given = named_pipelines(pipeline)
    if len(given) != 1 or next(iter(given.values())).run is not None:
        raise InputError.make("usage", "this takes one pipeline, and no ranking")
    if qrels is not None and queries is None and recording is None:
        message = f"{argument('qrels')} requires {argument('queries')}, whose answers are judged"
        raise InputError.make("usage", message)
    key = _point(point)
    every = _set(queries, recording, limit)
    judged = {} if qrels is None else qrels_of(qrels, every)
    chosen = measures_given(measures) if qrels is not None else ()
    with measured_session(db, options) as session:
        if session is None:
            raise InputError.make("usage", f"{argument('db')} is what is asked, and there is none")
        (asked,) = pipelines_on(session, given).values()
        fixed = fixed_params(params)
        if recording is not None:
            fixed = {**asked.taken(recording.params), **fixed}
        check_pipelines([asked], fixed)
        asked = _whole(asked)
        mine = _the_query(query, every, asked)
        call = calls_of(asked, [mine], fixed)[0] if asked.parameters and mine.params else None
        values = (call or constant_call(asked, {**mine.params, **fixed})).params
        compiled = asked.compiled(values)
        found = explanation_of(session, compiled, key)
        others = [one for one in every if one.id != mine.id and one.params != mine.params]
        if others:
            calls_of(asked, others, fixed)
        a_set = QuerySet(
            others,
            fixed,
            recording=recording,
            qrels=judged,
            measures=chosen,
            doc_id=doc_id,
            progress=progress_of(progress),
        )
        advice = _advice(found, asked, compiled, values, a_set)
    lines = tuple((replace(found, ways=None) if advice else found).lines())
    return WhyNot(found.id, mine, found.is_hit, found.reason, lines, advice, found.calls, a_set.calls)


def _point(given: int | str) -> int | str:
    """Raises `InputError` ``invalid-point-id``."""
    try:
        return point_id(nodes.Scalar(given))
    except QQLError as exc:
        raise InputError.make("invalid-point-id", exc.message, hint=exc.hint) from exc


def _set(queries: QueriesLike | None, recording: Recording | None, limit: int | None) -> list[Query]:
    if queries is None and recording is None:
        return []
    rows: QueriesLike = queries if queries is not None else _recorded(recording)
    return queries_of(rows, limit)


def _recorded(recording: Recording | None) -> list[Query]:
    assert recording is not None
    return [Query(row.query, dict(row.params)) for row in recording.queries()]


def _the_query(given: object, every: Sequence[Query], pipeline: Pipeline) -> Query:
    """The query that is asked about. Raises `InputError` ``usage``."""
    if isinstance(given, Query):
        return given
    if isinstance(given, str):
        known = next((one for one in every if one.id == given), None)
        return known or Query("", {"query": given})
    if isinstance(given, Mapping):
        return Query("", dict(given))
    if given is None:
        return Query("", {})
    message = f"{argument('query')} takes a text, an id or parameters, not {shown(given)}"
    raise InputError.make("usage", message)


# ------------------------------------------------------------------------------------ the others


def _advice(
    found: Explanation, pipeline: Pipeline, compiled: Compiled, values: Body, others: QuerySet
) -> tuple[Advice, ...]:
    """Each way, as a pipeline, with what it does to the set."""
    ways = () if found.ways is None else found.ways.found
    texts = [_changed_text(way, pipeline, compiled, values) for way in ways]
    if not others.queries or not any(texts):
        return tuple(_told(way, text) for way, text in zip(ways, texts, strict=True))
    plan = compiled.plan
    assert plan is not None, "a pipeline's statement is a query"
    before, depth = others.rankings(pipeline), limit_of(plan)
    out = []
    for way, text in zip(ways, texts, strict=True):
        if text is None:
            out.append(_told(way, None))
            continue
        after = others.rankings(Pipeline(pipeline.session, text, pipeline.name))
        out.append(_told(way, text, others.compared(before, after, depth)))
    return tuple(out)


def _told(way: Way, pipeline: str | None, others: OtherQueries | None = None) -> Advice:
    text = ", ".join(one.text for one in way.changes)
    place = (way.rank, way.last, way.steady, way.pushed_out, way.entered)
    return Advice(text, *place, way.statement, pipeline, others)


def _whole(pipeline: Pipeline) -> Pipeline:
    """The pipeline with the stages that it uses of DEFINE, in the script or before, in its own WITH."""
    before, query = _statements(pipeline)
    stages = {stage_key(cte.name): cte for cte in pipeline.session.context.stages.values()}
    for one in before:
        if isinstance(one, nodes.Define):
            stages[stage_key(one.name)] = nodes.Cte(one.name, one.stage)
    whole = with_stages(query, stages.values())
    if whole is query:
        return pipeline
    kept = [one for one in before if isinstance(one, nodes.Use)]
    return Pipeline(pipeline.session, _text([*kept, whole]), pipeline.name)


def _statements(pipeline: Pipeline) -> tuple[list[nodes.Node], nodes.Query]:
    """What stands before the query, and the query."""
    parsed, _ = parse_script(Source(pipeline.text, pipeline.name))
    found: list[nodes.Node] = [one.statement for one in parsed]
    (query,) = (one for one in found if isinstance(one, nodes.Query))
    return [one for one in found if one is not query], query


def _text(statements: Iterable[nodes.Node]) -> str:
    return format_script(";\n".join([*map(show, statements), ""]))


def _changed_text(way: Way, pipeline: Pipeline, compiled: Compiled, values: Body) -> str | None:
    """The pipeline with the changes in it and its parameters where they were; with the values of the query
    that is asked about, it is the query that was tried."""
    before, query = _statements(pipeline)
    bound = compiled.statement
    assert isinstance(bound, nodes.Query), "a pipeline's statement is a query"
    edits = same_edits(way.edits, bound, query)
    if edits is None:
        return None
    text = _text([*before, edited(query, edits)])
    made = Pipeline(pipeline.session, text, pipeline.name)
    taken = made.taken(values)  # a condition that is dropped takes its parameter along
    return text if made.compiled(taken or None).statement == edited(bound, way.edits) else None
