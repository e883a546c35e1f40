"""Features for learning to rank from a recording: without an engine, as deep as the recording is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qql.analysis.model import Candidate, Id, StageRun
from qql.analysis.stage_requests import stage_requests
from qql.errors import Diagnostic, QQLError, many
from qql.evaluation.calls import locate_error
from qql.evaluation.documents import document_key
from qql.evaluation.feature_files import FeatureColumn
from qql.evaluation.feature_rows import Features, cells_of, columns_of
from qql.evaluation.files import Qrels
from qql.evaluation.inputs import PipelineLike, QrelsLike, qrels_of
from qql.evaluation.recording.planning import Planner, given_text
from qql.evaluation.recording.recipes import Found, Part
from qql.evaluation.recording.recomputing import NEEDS_RUN, TIES, Evaluation
from qql.rest.types import JsonObject
from qql.result import Hit

if TYPE_CHECKING:
    from qql.compiler.script import Compiled
    from qql.evaluation.pipelines import Pipeline
    from qql.evaluation.recording.recordings import RecordedQuery, Recording

__all__ = ["RecordedRows", "recorded_features"]


def recorded_features(
    recording: Recording,
    pipeline: PipelineLike,
    qrels: QrelsLike | None = None,
    *,
    params: Mapping[str, Any] | None = None,
) -> Features:
    """The `features` that a pipeline would have, from a recording of its stages, without asking an engine.

    >>> recorded_features(read_recording("run.qqlrun.gz"), deeper, qrels).to_pandas()

    The pipeline may have any LIMIT up to the depth and other fusions, as for `recompute`. There are no fields
    of the payload, and documents are known by the points' ids.

    Args:
        recording, pipeline, params: as for `recompute`.
        qrels: judgements as for `evaluate`; without them, rows have no ``label``.

    Returns:
        `Features`. A query of which the recording cannot say what is answered has no rows; its ``notes`` say
        so, and where equal scores or an approximate search make rows an estimate.

    Raises:
        InputError, QQLCompileError: as `recompute`.
    """
    rows = RecordedRows(recording, pipeline, None if qrels is None else qrels_of(qrels), params)
    return Features(rows.columns, tuple(rows), rows.queries, tuple(rows.warnings()))


class RecordedRows:
    """The rows of a recording, query by query. ``columns`` are known before."""

    def __init__(
        self,
        recording: Recording,
        pipeline: PipelineLike,
        qrels: Qrels | None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self._recording = recording
        self._qrels = qrels
        self._key = document_key(qrels or {})
        name, text = given_text(recording, pipeline)
        self._planner = Planner(recording, params)
        self._pipeline: Pipeline = self._planner.pipeline(text, name)
        self.queries: int = 0
        self._limits: dict[str, int] = {}
        self._verdicts: dict[str, list[str]] = {TIES: [], NEEDS_RUN: [], "": []}
        self._why = ""
        for row in recording.queries():
            self.queries += 1
            for run in self._runs(self._compiled(row))[1:]:
                self._limits[run.label] = max(run.limit, self._limits.get(run.label, 0))
        self.columns: tuple[FeatureColumn, ...] = tuple(columns_of(self._limits, judged=qrels is not None))

    def _compiled(self, row: RecordedQuery) -> Compiled:
        try:
            return self._pipeline.compiled(self._planner.values(self._pipeline, row))
        except QQLError as exc:
            raise locate_error(exc, self._pipeline.name, self._planner.call(self._pipeline, row)) from exc

    @staticmethod
    def _runs(compiled: Compiled) -> list[StageRun]:
        assert compiled.plan is not None, "a pipeline's statement is a query"
        return stage_requests(compiled.plan, compiled.requests[0])

    def __iter__(self) -> Iterator[JsonObject]:
        for row in self._recording.queries():
            compiled = self._compiled(row)
            recipe = self._planner.recipe_of(compiled)
            evaluation = Evaluation(self._recording, row, recipe.keys, recipe.labels)
            done = evaluation.recomputed(recipe)
            if done.hits is None or recipe.root is None:
                self._verdicts[""].append(row.query)
                self._why = self._why or next(iter(done.reasons), "")
                continue
            if done.verdict in self._verdicts:
                self._verdicts[done.verdict].append(row.query)
                self._why = self._why or next(iter(done.reasons), "")
            lists = dict(_lists(self._runs(compiled), 0, recipe.root, evaluation))
            yield from self._rows(row.query, done.hits, lists)

    def _rows(
        self, query: str, hits: tuple[Candidate, ...], lists: Mapping[str, Mapping[Id, tuple[int, float]]]
    ) -> Iterator[JsonObject]:
        judged = (self._qrels or {}).get(query, {})
        for rank, hit in enumerate(hits, 1):
            document = self._key(Hit(hit.id))
            cells: JsonObject = {"query_id": query, "doc_id": document}
            cells |= {} if self._qrels is None else {"label": judged.get(document)}
            cells |= {"rank": rank, "score": hit.score}
            found = {label: places[hit.id] for label, places in lists.items() if hit.id in places}
            yield cells | cells_of(self._limits, found)

    def warnings(self) -> Iterator[Diagnostic]:
        """What there is to say once all rows were made."""
        why = f": {self._why}" if self._why else ""
        for verdict, code, what in (
            ("", "needs-runs", f"the recording does not say what is answered, and there are no rows{why}"),
            (NEEDS_RUN, "estimates", f"rows are an estimate{why}"),
            (TIES, "ties", "equal scores leave open which document stands where"),
        ):
            queries = self._verdicts[verdict]
            if queries:
                of = f"{many(len(queries), 'query', 'queries')} ({', '.join(queries[:3])})"
                yield Diagnostic(code, f"of {of}, {what}", severity="warning")


def _lists(
    runs: list[StageRun], at: int, part: Part, evaluation: Evaluation
) -> Iterator[tuple[str, dict[Id, tuple[int, float]]]]:
    """What each stage below one gives, by its label: the rank and the score of its points."""
    if isinstance(part, Found):
        return
    for below, inner in zip(runs[at].inputs, part.inputs, strict=True):
        found = evaluation.given(inner).found
        yield runs[below].label, {one.id: (rank, one.score) for rank, one in enumerate(found, 1)}
        yield from _lists(runs, below, inner, evaluation)
