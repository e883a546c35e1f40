"""EXPLAIN ANALYZE, WHY and WITH PROVENANCE: queries that are run to see what their stages do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import orjson

from qql import nodes
from qql.analysis.explain import advice_lines, group_lines
from qql.backends.base import Backend, Progress, Work, usage_of
from qql.compiler.emit_filters import emit_filter
from qql.compiler.emit_queries import emit_query
from qql.compiler.empty_lists import said_in_reads
from qql.compiler.plan import Context, QueryPlan
from qql.compiler.planner import plan_query
from qql.compiler.scalars import count_limit, point_id, scalar_value
from qql.compiler.script import Compiled
from qql.errors import QQLError
from qql.models.embed_request import embedded_values, with_embedded
from qql.models.rerank_hits import page_of, rank_candidates
from qql.models.rerankers import Rerankers
from qql.records import dataclass, replace
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, Json
from qql.result import Hit, Result, StageShare
from qql.session import phases
from qql.session.answers import result_of
from qql.syntax.printer import show

if TYPE_CHECKING:
    from qql.analysis import Analysis, Explanation, Provenance, Rewriting, SecondStageReport
    from qql.analysis.score_parts import Words
    from qql.session.stamp import Stamp

__all__ = ["Introspection", "Shares", "told"]

Shares = dict[int | str, tuple[StageShare, ...]]
"""Id of a hit → what each stage has to do with it."""


@dataclass(frozen=True, slots=True)
class Introspection:
    """A compiled query and what it is run with; ``request`` is its own, with its texts embedded.

    ``context`` is what a changed query is planned by. All methods raise what ``backend`` and ``rerankers``
    raise.
    """

    compiled: Compiled
    request: Request
    backend: Backend
    rerankers: Rerankers
    context: Context
    progress: Progress | None = None

    def _tell(self, what: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(Work(what, "runs"), done, total)

    @property
    def _remote(self) -> bool:
        """Whether a server answers."""
        return self.backend.name == "server"

    @property
    def plan(self) -> QueryPlan:
        """The query's plan."""
        assert self.compiled.plan is not None, "only a query has stages"
        return self.compiled.plan

    def analysis(self, *, runs: int = 0, ablate: bool = False) -> Analysis:
        """What each stage does, each timed ``runs`` times; with that of RERANK where there is one."""
        from qql.analysis import analyse

        call, took, used = self.backend.call, lambda: self.backend.took, lambda: usage_of(self.backend)
        tell = partial(self._tell, "timing stages")
        found = analyse(
            self.plan,
            self.request,
            call,
            runs=runs,
            ablate=ablate,
            took=took,
            used=used,
            remote=self._remote,
            progress=tell,
        )
        if self.plan.second is not None:
            found = found.reranked(self.rerank_report(runs))
        phases.analysed(found)
        return found

    def rerank_report(self, runs: int) -> SecondStageReport:
        """What RERANK does with its candidates; its model is timed ``runs`` times, and called once for 0."""
        from qql.analysis import second_stage

        second = self.plan.second
        assert second is not None
        candidates, times = self.candidates(), []
        for done in range(1, max(runs, 1) + 1):
            started = time.perf_counter()
            order = rank_candidates(candidates, second, self.rerankers)
            times.append((time.perf_counter() - started) * 1000)
            self._tell("timing RERANK", done, max(runs, 1))
        return second_stage(
            str(second.model),
            [(hit.id, hit.score or 0.0) for hit in candidates],
            [(hit.id, score) for hit, score in order],
            page_of(second),
            times if runs else (),
        )

    def candidates(self, plan: QueryPlan | None = None, request: Request | None = None) -> list[Hit]:
        """The hits of the query without its RERANK, with the texts that it reads; or those of another one."""
        query = nodes.subject(self.compiled.statement)
        compiled = replace(self.compiled, statement=query, plan=plan or self.plan)
        return result_of(compiled, self.backend.call(request or self.request)).hits

    def reranked(self, plan: QueryPlan, request: Request) -> list[tuple[int | str, float, float | None]]:
        """All candidates of the RERANK of a plan in its order: the id, and both scores."""
        assert plan.second is not None
        found = rank_candidates(self.candidates(plan, request), plan.second, self.rerankers)
        return [(hit.id, hit.score or 0.0, score) for hit, score in found]

    def explain_analyze(self, statement: nodes.Explain, stamp: Stamp) -> Result:
        """EXPLAIN ANALYZE, with the advice; data: those of `Analysis.to_dict`, ``provenance``, ``stamp``."""
        from qql.analysis import analysis_lines, provenance_lines
        from qql.analysis.report import stages_in_words
        from qql.analysis.text import wrapped

        runs = int(scalar_value(statement.runs)) if statement.runs else 1
        found = self.analysis(runs=runs, ablate=statement.ablate)
        found = replace(found, notes=(*found.notes, *self._notes_of_words(found)))
        form = _format_of(statement)
        names = {} if form == "json" else self._names(found, every=form == "html")
        data, lines = found.to_dict(), analysis_lines(found, schema=self.compiled.schema, names=names)
        query = statement.statement
        if isinstance(query, nodes.Query) and query.provenance is not None:
            shares = _provenance_of_hits(found)
            data["provenance"] = [one.to_dict() for one in shares]
            lines += provenance_lines(shares, names)
        lines += wrapped([*group_lines(self.plan)], 80)
        lines += wrapped(["measured with", *(f"  {line}" for line in stamp.lines())], 80)
        lines += advice_lines(self.compiled.advice)
        data["warnings"] = [one.to_dict() for one in self.compiled.warnings]
        data["advice"] = [one.to_dict() for one in self.compiled.advice]
        data["stamp"] = stamp.to_dict() | {"said": stamp.lines()}
        data["statement"] = self.compiled.text
        for stage, words in zip(data["stages"], stages_in_words(found, self.compiled.schema), strict=True):
            stage |= words
        for hit in data["hits"]:
            if hit["id"] in names:
                hit["title"] = names[hit["id"]]
        return told(lines, data, statement)

    def _notes_of_words(self, found: Analysis) -> Iterator[str]:
        """What a server's scores by rare words count; it is no reason to fail."""
        sparse = {
            one.run.stage.using: one.label
            for one in found.stages
            if one.run.stage.vector is not None and one.run.stage.vector.kind == "sparse"
        }
        if not sparse or not self._remote:
            return
        try:
            info = self.backend.call(Request("GET", collection_path(str(self.plan.collection))))
            known = info["config"]["params"].get("sparse_vectors") or {}
        except (QQLError, KeyError, TypeError):
            return
        for using, label in sparse.items():
            if (known.get(using or "") or {}).get("modifier") == "idf":
                yield (
                    f"{label}: until a server has optimized them away, points that were replaced or deleted "
                    "count in the IDF, so scores may differ from those of the same points written once"
                )

    def _names(self, found: Analysis, *, every: bool) -> dict[int | str, str]:
        """What people call the points: of ``every`` hit, or of those of which a text shows UUIDs.

        That they cannot be read is no reason to fail.
        """
        from qql.analysis.titles import TITLE_FIELDS, names_of

        query = nodes.subject(self.compiled.statement)
        traced = isinstance(query, nodes.Query) and query.provenance is not None
        if not (every or found.second or found.ablation or traced):
            return {}
        ids = {one.id for one in (found.second.hits if found.second else found.hits)}
        ids |= {key for one in found.ablation for key in (*one.entered, *(move.id for move in one.moved))}
        if not ids or not (every or any(isinstance(key, str) for key in ids)):
            return {}
        body = {"ids": list(ids), "with_payload": {"include": list(TITLE_FIELDS)}, "with_vector": False}
        path = collection_path(str(self.plan.collection), "points")
        try:
            answer = self.backend.call(Request("POST", path, body=body))
        except QQLError:
            return {}
        return names_of(Hit(point["id"], payload=point.get("payload")) for point in answer)

    def explanation(self, key: int | str, words: Words | None = None) -> Explanation:
        """Where a point stands in each stage, and what makes it a hit where it is none; with ``words``, what
        its scores are made of.
        """
        from qql.analysis.why import why

        second = None if self.plan.second is None else self.reranked
        rewriting, call = self.rewriting(), self.backend.call
        return why(
            self.plan,
            self.request,
            call,
            key,
            second=second,
            rewriting=rewriting,
            remote=self._remote,
            words=words,
        )

    def why(self, statement: nodes.Why) -> Result:
        """WHY [NOT] id, and WHY [NOT] WHERE."""
        from qql.analysis import MOST_FOLLOWED, Engine, why_each

        follow = self.explanation
        if statement.id is not None:
            from qql.session.term_names import words_of

            found = follow(point_id(statement.id), words_of(self.compiled.requests[0]))
            return told(found.lines(), found.to_dict(), statement)
        assert statement.where is not None
        where = show(statement.where), emit_filter(statement.where) or {}
        limit = count_limit(statement.limit, "LIMIT", 1) or MOST_FOLLOWED
        each = why_each(
            Engine(self.plan, self.request, self.backend.call),
            where,
            self.hit_ids(),
            follow,
            limit=limit,
            misses_only=statement.negated,
        )
        return told(each.lines(), each.to_dict(), statement)

    def hit_ids(self) -> list[int | str]:
        """The ids of the hits of the query, as a person gets them."""
        if self.plan.second is None:
            return [hit.id for hit in self.candidates()]
        order = self.reranked(self.plan, self.request)
        return [key for key, _, _ in order[page_of(self.plan.second)]]

    def rewriting(self) -> Rewriting:
        """The query, to be changed. Its texts are not embedded again: no change is one of a text."""
        from qql.analysis import Rewriting, with_stages

        query = nodes.subject(self.compiled.statement)
        assert isinstance(query, nodes.Query)
        known = embedded_values(self.compiled.requests[0], self.request)

        def plan(changed: nodes.Query) -> tuple[QueryPlan, Request]:
            context = replace(self.context, warnings=[])
            with said_in_reads(context):
                made = plan_query(changed, context)
            return made, with_embedded(emit_query(made), known)

        return Rewriting(with_stages(query, self.context.stages.values()), plan)

    def answer_and_shares(self) -> tuple[Json, Shares]:
        """The query's answer, and what each stage has to do with each of its hits, by their ids.

        The query and its stages run together: run again, equals might come in another order.
        """
        from qql.analysis import analyse, provenance

        answers: list[Json] = []

        def call_and_keep(request: Request) -> Json:
            if request is self.request:  # GROUP BY, beside the batch
                answers.append(self.backend.call(request))
                return answers[0]
            if answers:
                return self.backend.call(request)
            body = self.request.body or {}
            searches = (request.body or {})["searches"]
            shown = {key: body[key] for key in ("with_payload", "with_vector") if key in body}
            whole = {"searches": [{**searches[0], **shown}, *searches[1:]]}
            found = self.backend.call(replace(request, body=whole))
            answers.append({"points": found[0]["points"][self.plan.offset or 0 :]})
            return found

        analysis = analyse(self.plan, self.request, call_and_keep, runs=0, remote=self._remote)
        phases.analysed(analysis)
        return answers[0], {one.id: one.shares for one in provenance(analysis)}


def _provenance_of_hits(found: Analysis) -> list[Provenance]:
    """Of each hit; behind RERANK about the search, whose scores the stages have shares of."""
    from qql.analysis import provenance

    if found.second is None:
        return provenance(found)
    searched = provenance(replace(found, hits=found.stages[0].candidates, offset=0))
    known = {one.id: one for one in searched}
    return [replace(known[hit.id], rank=hit.rank) for hit in found.second.hits if hit.id in known]


def _format_of(statement: nodes.Explain | nodes.Why) -> str:
    """What FORMAT says, else text."""
    return "text" if statement.format is None else str(statement.format.text).lower()


def told(lines: list[str], data: Body, statement: nodes.Explain | nodes.Why) -> Result:
    """Lines as a text, or what FORMAT says: a page, or the data as JSON, where what is not finite is null."""
    form = _format_of(statement)
    if form == "html":
        from qql.pictures import page

        return Result("text", message=page([data]), data=data)
    if form == "text":
        return Result("text", message="\n".join(lines), data=data)
    text = orjson.dumps(data, option=orjson.OPT_INDENT_2)
    return Result("text", rows=[orjson.loads(text)], message=text.decode(), data=data)
