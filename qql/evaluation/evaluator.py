"""All queries asked of one pipeline, with what is needed to judge it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence

from qql.analysis.titles import title_of
from qql.backends.base import Progress, Work
from qql.compiler.plan import QueryPlan
from qql.errors import Diagnostic, QQLConnectionError, QQLError, QQLTimeoutError
from qql.evaluation.behind_limit import ranked
from qql.evaluation.calls import Call, locate_error
from qql.evaluation.documents import Key, document_key
from qql.evaluation.files import Qrels, Run, run_lines
from qql.evaluation.outcome import Measured
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.points import points_of, sources_of
from qql.evaluation.stages import StageFound, traces
from qql.nodes import is_uuid
from qql.records import dataclass
from qql.result import Hit

__all__ = ["Asking", "Evaluator", "distinct_warnings"]


@dataclass(frozen=True, slots=True)
class Asking:
    """How pipelines are asked: the order of equal scores, the field with documents' ids, whether stages are
    looked at, whether a query that fails is skipped, whether a run file is to be written, and what is called
    with progress."""

    ties: str
    doc_id: str | None
    stages: bool
    skips: bool
    writes: bool
    progress: Progress


def distinct_warnings(warnings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The first warning of each kind."""
    return list({(one.code, one.severity): one for one in reversed(warnings)}.values())[::-1]


class Evaluator:
    """Runs all queries through one pipeline, and keeps what is needed to judge it."""

    def __init__(
        self,
        name: str,
        pipeline: Pipeline,
        qrels: Qrels,
        how: Asking,
        warnings: list[Diagnostic],
    ) -> None:
        self.name: str = name
        self.pipeline: Pipeline = pipeline
        self.qrels: Qrels = qrels
        self.how: Asking = how
        self.key: Key = document_key(qrels, how.doc_id)
        self.warnings: list[Diagnostic] = warnings
        self.found: Measured = Measured(name, pipeline.name, ties=how.ties)
        self.stages: dict[str, list[StageFound]] = {}
        self.result_warnings: list[Diagnostic] = []
        self.failures: list[QQLError] = []
        self.known: dict[int | str, str] = {}

    def measure_all(self, calls: Sequence[Call]) -> Measured:
        """What all calls gave. Raises the first error, unless such a query is skipped and another is not."""
        for done, call in enumerate(calls):
            self.how.progress(Work(self.name, "queries"), done, len(calls))
            try:
                self.measure(call)
            except QQLError as exc:
                lost = isinstance(exc, QQLConnectionError) and not isinstance(exc, QQLTimeoutError)
                if lost or not self.how.skips:  # without a connection the next query would fare no better
                    raise locate_error(exc, self.name, call) from exc
                self.found.run.pop(call.query.id, None)
                self.found.ranked.pop(call.query.id, None)
                self.found.skipped[call.query.id] = exc.message
                self.failures.append(locate_error(exc, self.name, call))
        self.how.progress(Work(self.name, "queries"), len(calls), len(calls))
        self.warnings += distinct_warnings(self.result_warnings)
        if self.stages:
            self.found.traces = traces(self.stages)
        if len(self.found.skipped) == len(calls):
            raise self.failures[0]
        return self.found

    def measure(self, call: Call) -> None:
        """Asks one call. Raises as `Session.execute` does."""
        start = time.perf_counter()
        asked = self.pipeline.embedded(call.params)
        result = self.pipeline.answer(asked)
        self.found.seconds.append(time.perf_counter() - start)
        self.result_warnings += result.warnings
        query = call.query.id
        self.found.ranked[query] = one = ranked(self.pipeline, asked, result, self.key)
        self.found.run[query] = one.ranking.ordered(self.found.ties, self.qrels.get(query, {}))
        for hit in result.hits:
            if title := title_of(hit):
                self.found.titles.setdefault(self.key(hit), title)
        if self.how.writes:
            deque(run_lines({query: self.found.run[query]}), 0)  # says now what cannot be written later
        if self.how.stages:
            self.known |= {hit.id: self.key(hit) for hit in result.hits}
            docs = [scored.doc for scored in self.found.run[query]]
            self.stages[query] = self.stages_found(call, docs)

    def run_to_write(self, plan: QueryPlan | None) -> Run:
        """The rankings as they are written: ids that were made of names are those names again."""
        judged = {doc for docs in self.qrels.values() for doc in docs}
        docs = {hit.doc for hits in self.found.run.values() for hit in hits} - judged
        made = [doc for doc in sorted(docs) if is_uuid(doc)]
        if plan is None or self.how.doc_id is not None or not made:
            return self.found.run
        names = sources_of(self.pipeline.session, plan.collection, made)
        return {
            query: [hit._replace(doc=names.get(hit.doc, hit.doc)) for hit in hits]
            for query, hits in self.found.run.items()
        }

    def stages_found(self, call: Call, docs: Sequence[str]) -> list[StageFound]:
        """What each stage found; a second stage stands above the root of the first."""
        analysis = self.pipeline.analyse(call.params)
        reranked = analysis.plan.second is not None
        lead = (0,) if reranked else ()
        ids = {one.id for stage in analysis.stages for one in stage.candidates}
        documents = self.documents_of(analysis.plan.collection, ids)
        out = []
        for stage in analysis.stages:
            if stage.cut is not None:
                self.found.stage_cuts.setdefault(stage.run.stage.label, []).append(call.query.id)
            own: dict[str, float] = {}
            for one in stage.candidates:
                if one.id in documents:
                    own.setdefault(documents[one.id], one.score)
            is_root = not stage.run.depth and not reranked
            places = [(*lead, *path) for path in stage.run.paths]
            found, scores = (docs, ()) if is_root else ([*own], [*own.values()])
            out.append(StageFound(stage.label, stage.run.stage.label, places, found, scores))
        if reranked or not out:
            label = "rerank" if reranked else "root"
            out.append(StageFound(label, label, [()], docs))
        return out

    def documents_of(self, collection: str, ids: Iterable[int | str]) -> dict[int | str, str]:
        """The documents of candidates, which come without payload."""
        field = self.how.doc_id
        if field is None:
            return {one: self.key(Hit(one)) for one in ids}
        unknown = [one for one in ids if one not in self.known]
        fields = [field.partition(".")[0], field]
        for point in points_of(self.pipeline.session, collection, unknown, fields):
            hit = Hit(point["id"], payload=point.get("payload") or {})
            self.known[hit.id] = self.key(hit)
        return self.known
