"""Features for learning to rank: what the stages of a pipeline say of each document that it finds.

A row is a document that was found for a query. It has its label (how relevant it was judged), where it stands
in the answer, and in each stage of the pipeline: its score there and its rank, both missing where the stage
did not find it; and fields of the payload.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qql import nodes
from qql.analysis.stage_requests import stage_requests
from qql.backends.base import Progress, Work
from qql.errors import Diagnostic, QQLError, many
from qql.evaluation.calls import Call, calls_of, check_pipelines, locate_error
from qql.evaluation.documents import Key, document_key, payload_value
from qql.evaluation.evaluator import distinct_warnings
from qql.evaluation.faults import InputError, argument, check_kinds, fixed_params
from qql.evaluation.feature_files import FeatureColumn, FeatureFile, require_format, written_features
from qql.evaluation.files import Qrels
from qql.evaluation.inputs import PipelineLike, QrelsLike, QueriesLike, named_pipelines, qrels_of, queries_of
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.points import absent_documents, points_of
from qql.evaluation.sections import Report, Section
from qql.evaluation.sessions import measured_session, pipelines_on, progress_of
from qql.models.rerank_hits import rerank
from qql.records import dataclass, replace
from qql.rest.types import Body, JsonObject
from qql.result import Hit, column_of_field

if TYPE_CHECKING:
    from qql.compiler.plan import QueryPlan
    from qql.compiler.script import Compiled

__all__ = [
    "Asked",
    "FeatureRows",
    "Features",
    "asked_features",
    "cells_of",
    "columns_of",
    "features",
    "write_features",
]

_SHOWN = 10  # rows that `str` shows


@dataclass(frozen=True, slots=True)
class Features(Report):
    """Features of all documents that a pipeline finds.

    ``columns`` are those of the rows: ``query_id``, ``doc_id``, ``label`` (None where nobody judged the
    document; not there without judgements), and the features: ``rank`` (from 1) and ``score`` in the answer;
    of a pipeline with RERANK also ``second_stage_score``, ``first_stage_score`` and ``first_stage_rank``;
    for each stage below the root ``STAGE.score`` and ``STAGE.rank``, None where it did not find the document;
    and the fields of the payload. ``notes`` are warnings.
    """

    columns: tuple[FeatureColumn, ...]
    found: tuple[JsonObject, ...]
    queries: int
    notes: tuple[Diagnostic, ...] = ()

    def rows(self) -> list[JsonObject]:
        """A row for each document of each query, in the order of queries and answers."""
        return list(self.found)

    def sections(self) -> list[Section]:
        """The first rows."""
        title = f"Features of {many(len(self.found), 'document')} for {_queries(self.queries)}"
        more = len(self.found) - _SHOWN
        notes = (f"and {many(more, 'row')} more",) if more > 0 else ()
        return [Section(title, self.rows()[:_SHOWN], notes)]

    def to_dict(self) -> JsonObject:
        """``{"columns": [name], "rows": […]}``."""
        return {"columns": [one.name for one in self.columns], "rows": self.rows()}

    def write(
        self, path: str | os.PathLike[str], *, format: str | None = None, overwrite: bool = False
    ) -> FeatureFile:
        """The same as a file, as `write_features` makes it. Raises as it does."""
        return written_features(self.columns, self.found, os.fspath(path), format, overwrite, self.notes)


def features(
    pipeline: PipelineLike,
    queries: QueriesLike,
    db: object,
    qrels: QrelsLike | None = None,
    *,
    fields: Iterable[str] = (),
    doc_id: str | None = None,
    params: Body | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Features:
    """What the stages of a pipeline say of each document that it finds, for learning to rank.

    >>> found = features(hybrid, queries, db, qrels, fields=["year"])
    >>> found.to_pandas()[["dense.score", "words.rank", "year", "label"]]

    Each stage is asked once more for each query, together with the query (as WITH PROVENANCE does).

    Args:
        pipeline, queries, db, params, limit, progress, options: as for `evaluate`; one pipeline.
        qrels: judgements as for `evaluate`; without them, rows have no ``label``.
        fields: fields of the payload; ``a.b`` leads into objects.
        doc_id: the field of the payload with the id of the document; as for `evaluate`. Of several points
            of one document, the first has its row.

    Returns:
        `Features`; ``to_pandas()``, ``to_polars()`` and ``to_arrow()`` give frames.

    Raises:
        InputError: what was given is at fault, and nothing was asked; ``usage`` for rankings and several
            pipelines.
        QQLCompileError: the script is no pipeline, or is at fault.
        QQLExecutionError: a query failed; ``absent-documents``, ``no-document-id``.
        QQLConnectionError, QQLModelError: as `Session.execute`.
    """
    check_kinds(locals())
    asked = Asked(queries, qrels, tuple(fields), doc_id, params, limit, progress)
    with asked_features(pipeline, asked, db, options) as found:
        rows = tuple(found)
        return Features(found.columns, rows, found.queries, tuple(found.warnings()))


def write_features(
    pipeline: PipelineLike,
    queries: QueriesLike,
    db: object,
    path: str | os.PathLike[str],
    qrels: QrelsLike | None = None,
    *,
    format: str | None = None,
    overwrite: bool = False,
    fields: Iterable[str] = (),
    doc_id: str | None = None,
    params: Body | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> FeatureFile:
    """The `features` of a pipeline as a file, written query by query; it is there once all is done.

    Args:
        path: the file. Its name says what it is: ``.parquet`` (the extra ``arrow``; written at the end),
            ``.jsonl``, ``.csv``, or ``.svm``, ``.svmlight``, ``.libsvm``, ``.letor`` for SVM-light; ``.gz``,
            ``.xz`` or ``.bz2`` behind it compress all but Parquet.
        format: ``parquet``, ``jsonl``, ``csv`` or ``svmlight``, whatever the name is.
        overwrite: whether a file that is there is replaced.
        pipeline, queries, db, qrels, fields, doc_id, params, limit, progress, options: as for `features`.

    SVM-light has a line ``label qid:n 1:value … # document query`` for each row, and what its features are
    in comments in front of them. A document without a judgement has the label 0. A score that is missing is
    left out, which readers take for 0; a rank that is missing is the LIMIT of its stage plus 1. A field that
    is missing is left out, too; one that is neither a number nor a bool is an error.

    Returns:
        A `FeatureFile`.

    Raises:
        InputError: as `features`; ``usage`` for a name that says no format, ``no-number``.
        QQLExecutionError: as `features`; ``file-exists``, ``file-unwritable``, ``missing-library``.
        QQLCompileError, QQLConnectionError, QQLModelError: as `features`.
    """
    check_kinds(locals())
    file = os.fspath(path)
    kind = require_format(file, format)
    asked = Asked(queries, qrels, tuple(fields), doc_id, params, limit, progress)
    with asked_features(pipeline, asked, db, options) as found:
        made = written_features(found.columns, found, file, kind, overwrite)
        return replace(made, notes=tuple(found.warnings()))


# ------------------------------------------------------------------------------------ asking


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a pipeline, as it was given."""

    queries: QueriesLike
    qrels: QrelsLike | None
    fields: tuple[str, ...]
    doc_id: str | None = None
    params: Body | None = None
    limit: int | None = None
    progress: Progress | None = None


@contextlib.contextmanager
def asked_features(
    pipeline: PipelineLike, asked: Asked, db: object, options: Mapping[str, Any]
) -> Iterator[FeatureRows]:
    """The rows of a pipeline, which are asked for one query after the other. Raises as `features`."""
    given = named_pipelines(pipeline)
    if len(given) > 1 or any(one.run is not None for one in given.values()):
        what = f"{len(given)} pipelines" if len(given) > 1 else f"{next(iter(given))}, which is a ranking"
        raise InputError.make("usage", f"features are those of the stages of one pipeline, not of {what}")
    for name in asked.fields:
        if not name:
            raise InputError.make("usage", f"{argument('fields')} takes names of fields, found an empty one")
    queries = queries_of(asked.queries, asked.limit)
    qrels = None if asked.qrels is None else qrels_of(asked.qrels, queries)
    constants = fixed_params(asked.params)
    with measured_session(db, options) as session:
        scripts = pipelines_on(session, given)
        check_pipelines([*scripts.values()], constants)
        [(name, script)] = scripts.items()
        calls = calls_of(script, queries, constants)
        yield FeatureRows(name, script, calls, qrels, asked)


class FeatureRows:
    """The rows of a pipeline; iterating asks. ``columns`` are known before."""

    def __init__(
        self, name: str, pipeline: Pipeline, calls: Sequence[Call], qrels: Qrels | None, asked: Asked
    ) -> None:
        self.name: str = name
        self.pipeline: Pipeline = pipeline
        self.calls: Sequence[Call] = calls
        self.qrels: Qrels | None = qrels
        self.fields: Mapping[str, str] = _field_columns(asked.fields)
        self.needed: tuple[str, ...] = tuple(
            dict.fromkeys((*asked.fields, *([asked.doc_id] if asked.doc_id else [])))
        )
        self.key: Key = document_key(qrels or {}, asked.doc_id)
        self.progress: Progress = progress_of(asked.progress)
        self.empty: list[str] = []
        self._said: list[Diagnostic] = []
        self._limits: dict[str, int] = {}
        self._distances: list[str] = []
        plan = self._planned()
        self._collection: str = plan.collection
        self._second: bool = plan.second is not None
        if qrels is not None and asked.doc_id is None:
            queries = [call.query for call in calls]
            self._said += absent_documents(pipeline.session, [plan.collection], queries, qrels)
        self.columns: tuple[FeatureColumn, ...] = tuple(
            columns_of(
                self._limits, judged=qrels is not None, second=self._second, fields=self.fields.values()
            )
        )

    @property
    def queries(self) -> int:
        """How many queries are asked."""
        return len(self.calls)

    def _planned(self) -> QueryPlan:
        """Plans every query: so all stages are known, and what is at fault is told before any is asked."""
        plan: QueryPlan | None = None
        for call in self.calls:
            try:
                compiled = self.pipeline.compiled(call.params)
            except QQLError as exc:
                raise locate_error(exc, self.name, call) from exc
            plan = compiled.plan
            assert plan is not None, "a pipeline's statement is a query"
            for run in stage_requests(plan, compiled.requests[0])[1:]:
                self._limits[run.label] = max(run.limit, self._limits.get(run.label, 0))
                vector = run.stage.vector
                if vector is not None and vector.distance in ("Euclid", "Manhattan"):
                    self._distances.append(run.label)
        assert plan is not None, "there are queries"
        return plan

    def __iter__(self) -> Iterator[JsonObject]:
        for done, call in enumerate(self.calls):
            self.progress(Work(self.name, "queries"), done, len(self.calls))
            try:
                rows = self._rows(call)
            except QQLError as exc:
                raise locate_error(exc, self.name, call) from exc
            if not rows:
                self.empty.append(call.query.id)
            yield from rows
        self.progress(Work(self.name, "queries"), len(self.calls), len(self.calls))

    def warnings(self) -> Iterator[Diagnostic]:
        """What there is to say once all was asked."""
        yield from distinct_warnings(self._said)
        if self.empty:
            message = (
                f"{_queries(len(self.empty))} found nothing, and have no rows: {', '.join(self.empty[:5])}"
            )
            yield Diagnostic("no-hits", message, severity="warning")
        if self._distances:
            names = ", ".join(dict.fromkeys(self._distances))
            message = f"scores of {names} are distances, of which small ones are good: 0, which SVM-light has"
            message += " where one is missing, would be the best; the ranks say what is missing"
            yield Diagnostic("distances", message, severity="warning")

    def _rows(self, call: Call) -> list[JsonObject]:
        first, hits = self._found(self.pipeline.embedded(call.params))
        payloads = self._payloads(hits)
        judged = (self.qrels or {}).get(call.query.id, {})
        ranks = {hit.id: rank for rank, hit in enumerate(first, 1)}
        stages = {
            hit.id: {one.label: (one.rank, one.score) for one in hit.stages if one.path} for hit in first
        }
        rows: dict[str, JsonObject] = {}
        for rank, hit in enumerate(hits, 1):
            payload = payloads.get(hit.id, {})
            document = self.key(replace(hit, payload=dict(payload)))
            if document in rows:
                continue
            row: JsonObject = {"query_id": call.query.id, "doc_id": document}
            row |= {} if self.qrels is None else {"label": judged.get(document)}
            row |= {"rank": rank, "score": hit.score}
            if self._second:
                row |= {
                    "second_stage_score": hit.second_stage_score,
                    "first_stage_score": hit.first_stage_score,
                    "first_stage_rank": ranks[hit.id],
                }
            row |= cells_of(self._limits, stages[hit.id])
            row |= {column: payload_value(payload, name) for name, column in self.fields.items()}
            rows[document] = row
        return [*rows.values()]

    def _found(self, compiled: Compiled) -> tuple[list[Hit], list[Hit]]:
        """The hits of the search, with what stages have to do with them, and those behind RERANK."""
        plan, statement = compiled.plan, compiled.statement
        assert plan is not None and isinstance(statement, nodes.Query), "a pipeline's statement is a query"
        second, session = plan.second, self.pipeline.session
        searched = replace(
            compiled,
            statement=replace(statement, provenance=nodes.Provenance(), rerank=None),
            plan=replace(plan, second=None),
        )
        result = session.carry_out(searched)
        self._said += result.warnings
        if second is None:
            return result.hits, result.hits
        return result.hits, rerank(result, second, plan.payload, session.rerankers).hits

    def _payloads(self, hits: Sequence[Hit]) -> dict[int | str, Body]:
        """The fields that are needed, by the points' ids: the query itself may ask for others."""
        if not self.needed:
            return {}
        names = list(dict.fromkeys(part for name in self.needed for part in (name.partition(".")[0], name)))
        found = points_of(self.pipeline.session, self._collection, [hit.id for hit in hits], names)
        return {point["id"]: point.get("payload") or {} for point in found}


def columns_of(
    limits: Mapping[str, int], *, judged: bool, second: bool = False, fields: Iterable[str] = ()
) -> Iterator[FeatureColumn]:
    """The columns of rows; ``limits`` are those of the stages below the root, by their labels."""
    yield from (FeatureColumn("query_id"), FeatureColumn("doc_id"))
    if judged:
        yield FeatureColumn("label")
    yield from (FeatureColumn("rank", feature=True), FeatureColumn("score", feature=True))
    if second:
        for name in ("second_stage_score", "first_stage_score", "first_stage_rank"):
            yield FeatureColumn(name, feature=True)
    for label, limit in limits.items():
        yield FeatureColumn(f"{label}.score", feature=True)
        yield FeatureColumn(f"{label}.rank", feature=True, missing=limit + 1)
    for column in fields:
        yield FeatureColumn(column, feature=True)


def cells_of(labels: Iterable[str], found: Mapping[str, tuple[int | None, float | None]]) -> JsonObject:
    """What a row says of the stages; ``found`` has the rank and the score in those that gave the document."""
    cells: JsonObject = {}
    for label in labels:
        rank, score = found.get(label, (None, None))
        cells |= {f"{label}.score": score, f"{label}.rank": rank}
    return cells


def _field_columns(fields: Sequence[str]) -> dict[str, str]:
    """Each field and the name of its column, which is no other column's."""
    taken = {"query_id", "doc_id", "label", "rank", "first_stage_rank"}
    return {name: column_of_field(name, taken) for name in fields}


def _queries(count: int) -> str:
    return many(count, "query", "queries")
