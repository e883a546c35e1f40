"""What each stage of a retrieval costs and finds in a collection, from exact search to reranking:
`bench_stages`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qql.backends.base import Progress, Work
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLError, did_you_mean, many
from qql.evaluation.calls import Call, locate_error
from qql.evaluation.documents import Key, document_key, ranking
from qql.evaluation.faults import Blank, InputError, argument, whole_from
from qql.evaluation.files import Qrels, Query, Scored
from qql.evaluation.inputs import QrelsLike, QueriesLike, measures_of, qrels_of, queries_of
from qql.evaluation.measures import Measure, evaluate_run
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.points import absent_documents
from qql.evaluation.report import three_digits
from qql.evaluation.sections import Report, Section, stamp_section
from qql.evaluation.sessions import measured_session, progress_of
from qql.evaluation.speed import percentile, recall_at
from qql.evaluation.stage_table import (
    EXACT,
    FINAL,
    STAGE_LIMITS,
    Configuration,
    Searched,
    StageLimits,
    Subject,
    configurations,
    dense_vectors,
    limits_for,
)
from qql.records import dataclass, field
from qql.rest.request import Request, collection_path
from qql.rest.types import JsonObject
from qql.schema import Schema, VectorInfo
from qql.session.session import Session
from qql.syntax.formatter import format_text

if TYPE_CHECKING:
    from qql.session.stamp import Stamp

__all__ = ["QUALITY", "StagesTable", "bench_stages"]

_CALLS = 100
_WARMUP = 10
_SAMPLE = 50
"""Points that are searched for where there are no queries."""
_TIE_RANKS = 50  # ranks behind the last one that are fetched of the exact result, for ties
QUALITY = "nDCG@10"
"""What is measured by judgements where nobody says what."""


@dataclass()
class _Figures:
    """What was measured of one configuration: seconds of its stages, and the documents of each query."""

    seconds: list[float] = field(default_factory=list)
    outside: list[float] = field(default_factory=list)
    found: dict[str, list[str]] = field(default_factory=dict)
    recalls: list[float] = field(default_factory=list)


def bench_stages(
    db: object,
    collection: str | None = None,
    *,
    queries: QueriesLike | None = None,
    qrels: QrelsLike | None = None,
    measures: str | Measure | Iterable[str | Measure] = QUALITY,
    using: str | None = None,
    models: Mapping[str, str] | None = None,
    rerank_model: str | None = None,
    rerank_field: str | None = None,
    doc_id: str | None = None,
    repeat: int | None = None,
    warmup: int = _WARMUP,
    limit: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> StagesTable:
    """What each stage of a retrieval costs and finds in a collection; pipelines for that are made.

    These are exact search, HNSW, quantized vectors, the same scored anew, reranked, and compared by a
    multivector, as far as the collection has what they need.

    Args:
        db, options, doc_id, limit, progress: as for `evaluate`.
        collection: its name; without it, the only one.
        queries: see `QueriesLike`; without any, points of the collection are searched for.
        qrels, measures: judgements of the queries, and what is measured by them.
        using: a dense vector for all stages. models: vector → model, where the collection records none.
        rerank_model, rerank_field: the model of the reranked stages, and the field that it reads.
        repeat: calls of each query; else as many as make 100. warmup: calls that come first.

    Returns:
        A `StagesTable`. Its times are those of the stages, without compiling and embedding; its recall is
        that of the exact hits, 0 to 1.

    Raises:
        InputError: what was given is at fault; else as `evaluate` does.
    """
    whole_from(1, repeat=repeat)
    whole_from(0, warmup=warmup)
    asked = None if queries is None else queries_of(queries, limit)
    judged = {} if qrels is None else qrels_of(qrels, asked or ())
    wanted = measures_of(measures) if judged else ()
    notes: list[Diagnostic] = []
    with measured_session(db, options) as session:
        if session is None:
            raise InputError.make("usage", "a collection has to be asked, and there is no `db`")
        name = _collection_of(session, collection)
        wishes = _Wishes(using, models or {}, rerank_model, rerank_field)
        subject, calls = _subject_of(wishes, session, name, asked)
        if judged and asked is not None and doc_id is None:
            notes += absent_documents(session, [name], asked, judged)
        limits = limits_for(subject.points)
        rows = configurations(subject, limits)
        count = math.ceil(_CALLS / len(calls)) if repeat is None else repeat
        run = _Run(session, rows, calls, document_key(judged, doc_id), count, warmup, progress_of(progress))
        run.measure()
        stamp = session.stamp(*run.compiled())
    return StagesTable(*(subject, limits, rows, run.figures, judged, wanted, len(calls)), tuple(notes), stamp)


@dataclass(frozen=True, slots=True)
class _Wishes:
    """Which vectors and models the stages are to have; None: those that the collection suggests."""

    using: str | None
    models: Mapping[str, str]
    rerank_model: str | None
    rerank_field: str | None


def _collection_of(session: Session, name: str | None) -> str:
    there = session.collections()
    if name is None:
        if len(there) == 1:
            return there[0]
        found = f"are {', '.join(there)}" if there else "is none"
        message = f"{argument('collection', Blank('NAME'))} is required: there {found}"
        raise InputError.make("usage", message)
    if session.schema(name) is None:
        raise InputError.make("usage", f"there is no collection {name}", hint=did_you_mean(name, there))
    return name


# -------------------------------------------------------------------------------------- what is searched


def _subject_of(
    wishes: _Wishes, session: Session, collection: str, queries: Sequence[Query] | None
) -> tuple[Subject, list[Call]]:
    schema = session.schema(collection)
    facts = session.facts(collection)
    assert schema is not None and facts is not None
    schema = schema.with_models(wishes.models)
    quantization = facts.quantization or {}
    quantized = [name for name, config in quantization.items() if config]
    rough, full = _dense_of(wishes.using, schema, quantized)
    multi = next((one for one in schema.vectors.values() if one.kind == "multi"), None)
    info = session.ask(Request("GET", collection_path(collection)))
    calls = _calls(session, collection, queries)
    fields = None if queries is None else {name for query in queries for name in query.params}
    target = _target_of(rough, fields)
    if target is None:
        raise _no_target(rough)
    if _target_of(full, fields) is None:
        full = rough
    subject = Subject(
        collection=collection,
        points=int(info.get("points_count") or 0),
        indexed=int(info.get("indexed_vectors_count") or 0),
        rough=Searched(rough, target),
        full=Searched(full, _target_of(full, fields)),
        quantized=rough.name in quantized,
        multi=Searched(multi, _target_of(multi, fields)) if multi else None,
        words=":query" if fields and "query" in fields else None,
        rerank_model=wishes.rerank_model,
        field=wishes.rerank_field,
    )
    return subject, calls


def _dense_of(using: str | None, schema: Schema, quantized: Sequence[str]) -> tuple[VectorInfo, VectorInfo]:
    """The vectors of the first stage and of the full comparison; ``using`` names one that is both."""
    named = {name: one for name, one in schema.vectors.items() if one.kind == "dense"}
    if using is not None:
        if using not in named:
            hint = did_you_mean(using, named) or f"its dense vectors are {', '.join(named)}"
            raise InputError.make("usage", f"there is no dense vector {using}", hint=hint)
        return named[using], named[using]
    found = dense_vectors(schema.vectors, quantized)
    if found is None:
        raise InputError.make("usage", "the stages are those of a dense vector, and the collection has none")
    return found


def _target_of(vector: VectorInfo, fields: set[str] | None) -> str | None:
    """What a vector is searched for: a field of the queries of its name, their text; a point without any."""
    if fields is None:
        return "POINT :id"
    if vector.name in fields and vector.name != "query":
        return f":{vector.name}"
    return ":query" if vector.model and "query" in fields else None


def _no_target(dense: VectorInfo) -> InputError:
    name = dense.name or "(unnamed)"
    model = argument("models", {name: Blank("MODEL")})
    hint = f"{model} embeds them; or give each query its vector as a field `{dense.name}`"
    return InputError(Diagnostic("usage", f"no model is known for {name}, to search it for texts", hint=hint))


def _calls(session: Session, collection: str, queries: Sequence[Query] | None) -> list[Call]:
    """The queries; without any, a few points of the collection: each leaves out its own point."""
    if queries is not None:
        return [Call(query, query.params) for query in queries]
    body = {"limit": _SAMPLE, "with_payload": False, "with_vector": False}
    answer = session.ask(Request("POST", collection_path(collection, "points/scroll"), {}, body))
    ids = [point["id"] for point in answer["points"]]
    if len(ids) < 2:
        raise InputError.make("usage", f"{collection} has {many(len(ids), 'point')}: nothing to search")
    return [Call(Query(str(one), {}), {"id": one}) for one in ids]


# ------------------------------------------------------------------------------------------- measuring


class _Run:
    """Asks every query of each configuration in turn, so that all feel alike what else the machine does."""

    def __init__(
        self,
        session: Session,
        rows: Sequence[Configuration],
        calls: Sequence[Call],
        key: Key,
        repeat: int,
        warmup: int,
        progress: Progress,
    ) -> None:
        self.calls, self.key, self.progress = calls, key, progress
        self.pipelines = {row.name: Pipeline(session, row.text, row.name) for row in rows if row.text}
        self.figures = {name: _Figures() for name in self.pipelines}
        self.repeat, self.warmup = repeat, warmup

    def compiled(self) -> list[Compiled]:
        """The requests of the first query."""
        call = self.calls[0]
        return [one.compiled(one.taken(call.params)) for one in self.pipelines.values()]

    def measure(self) -> None:
        """Fills the figures."""
        for at in range(self.warmup):
            for name in self.pipelines:
                self._ask(name, self.calls[at % len(self.calls)])
        for figures in self.figures.values():
            figures.seconds.clear()
            figures.outside.clear()
        done, total = 0, self.repeat * len(self.calls)
        for _ in range(self.repeat):
            for call in self.calls:
                for name in self.pipelines:
                    self._ask(name, call)
                done += 1
                self.progress(Work("stages", "calls"), done, total)
        self._compare()

    def _ask(self, name: str, call: Call) -> None:
        pipeline, figures = self.pipelines[name], self.figures[name]
        try:
            result, steps = pipeline.timed(pipeline.taken(call.params))
        except QQLError as exc:
            raise locate_error(exc, name, call) from exc
        figures.seconds.append(steps.engine + steps.rerank)
        figures.outside.append(steps.compile + steps.embed)
        figures.found[call.query.id] = [scored.doc for scored in ranking(result, self.key)]

    def _compare(self) -> None:
        """The share of the exact hits that each configuration finds, query by query."""
        exact = self.pipelines[EXACT]
        for call in self.calls:
            wanted: list[Scored] = ranking(exact.ask_exactly(exact.taken(call.params), _TIE_RANKS), self.key)
            for figures in self.figures.values():
                figures.recalls.append(recall_at(figures.found[call.query.id], wanted, FINAL))


# --------------------------------------------------------------------------------------------- report


@dataclass(frozen=True, slots=True)
class StagesTable(Report):
    """What `bench_stages` found: the ``configurations``, their figures, and what the others lack.

    ``notes`` is what makes the figures mean less than they seem to, ``stamp`` what they depend on.
    """

    subject: Subject
    limits: StageLimits
    configurations: Sequence[Configuration]
    figures: Mapping[str, _Figures]
    qrels: Qrels
    measures: Sequence[Measure]
    queries: int
    notes: tuple[Diagnostic, ...]
    stamp: Stamp

    def rows(self) -> list[JsonObject]:
        """A row for each configuration; one that is not here has no figures."""
        return [self._row(one) for one in self.configurations]

    def _row(self, one: Configuration) -> JsonObject:
        measures = [str(measure) for measure in self.measures]
        if one.name not in self.figures:
            empty = dict.fromkeys(("p95 ms", "recall", *measures), "")
            return {"stage configuration": one.name, "p50 ms": "not here", **empty}
        figures = self.figures[one.name]
        p50, p95 = (three_digits(percentile(figures.seconds, percent) * 1000) for percent in (50, 95))
        recall = round(sum(figures.recalls) / len(figures.recalls), 4)
        return {
            "stage configuration": one.name,
            "p50 ms": p50,
            "p95 ms": p95,
            "recall": recall,
            **{name: round(value, 4) for name, value in self._quality(figures).items()},
        }

    def _quality(self, figures: _Figures) -> dict[str, float]:
        if not self.measures:
            return {}
        means = evaluate_run(figures.found, self.qrels, self.measures, list(figures.found)).means
        return {str(measure): value for measure, value in means.items()}

    def _best(self) -> Configuration:
        """The deepest configuration that is here: the pipeline that this collection suggests."""
        return [one for one in self.configurations if one.text][-1]

    def sections(self) -> list[Section]:
        """The stages, the limits that suit them, the deepest pipeline, and what was measured with."""
        outside = [seconds for one in self.figures.values() for seconds in one.outside]
        about = "points searched for" if self.subject.rough.target == "POINT :id" else "queries"
        first = next(iter(self.figures.values()))
        full, rough = self.subject.full.vector.name, self.subject.rough.vector.name
        notes = [
            *([f"full vectors: {full}; quantized: {rough}"] if self.subject.in_two_vectors else []),
            f"{self.queries} {about}, {len(first.seconds)} calls each; recall@{FINAL}: of the exact hits;",
            f"each call takes {three_digits(percentile(outside, 50) * 1000)} ms more to compile and to embed",
            *self._lacking(),
        ]
        title = f"Stages of {self.subject.collection}, {self.subject.points:,} points"
        limits = [
            {**one.row(), "": f"← {self.subject.collection}" if one is self.limits else ""}
            for one in STAGE_LIMITS
        ]
        best = self._best()
        pipeline = format_text(f"{best.text};").rstrip()
        return [
            Section(title, self.rows(), tuple(notes)),
            Section("Stage limits by size", limits, ("Each stage keeps a tenth of the one before.",)),
            Section(f"What {self.subject.collection} suggests: {best.name}", [], text=pipeline),
            stamp_section(self.stamp),
        ]

    def _lacking(self) -> list[str]:
        """What is not here and why, those of one reason together."""
        by_reason: dict[tuple[str, str], list[str]] = {}
        for one in self.configurations:
            if not one.text:
                by_reason.setdefault((one.lacks, one.remedy), []).append(one.name)
        return [
            f"not here: {', '.join(names)}: {lacks}; {remedy}" for (lacks, remedy), names in by_reason.items()
        ]

    def to_dict(self) -> JsonObject:
        """``{"version", "collection", "points", "stages", "limits", "suggests", "stamp"}``.

        * ``stages``: ``[{"name", "statement", "p50_ms", "p95_ms", "recall", "measures": {name: mean},
          "not_here"}]``; ``not_here`` is null or ``{"why", "remedy"}``, and then there are no figures.
        * ``limits``: ``[{"size", "stage1", "stage2", "final"}]``; ``suggests``: ``{"size", "name",
          "statement"}``, the deepest configuration that is here.
        """
        best = self._best()
        return {
            "version": 1,
            "collection": self.subject.collection,
            "points": self.subject.points,
            "stages": [self._dict(one) for one in self.configurations],
            "limits": [
                {"size": one.size, "stage1": one.stage1, "stage2": one.stage2, "final": FINAL}
                for one in STAGE_LIMITS
            ],
            "suggests": {"size": self.limits.size, "name": best.name, "statement": best.text},
            "stamp": self.stamp.to_dict(),
        }

    def _dict(self, one: Configuration) -> JsonObject:
        if one.name not in self.figures:
            return {"name": one.name, "not_here": {"why": one.lacks, "remedy": one.remedy}}
        figures = self.figures[one.name]
        return {
            "name": one.name,
            "statement": one.text,
            "p50_ms": percentile(figures.seconds, 50) * 1000,
            "p95_ms": percentile(figures.seconds, 95) * 1000,
            "recall": sum(figures.recalls) / len(figures.recalls),
            "measures": self._quality(figures),
            "not_here": None,
        }
