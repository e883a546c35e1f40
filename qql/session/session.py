"""A session: the one place where compiler, models and engine meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import Lock
from types import TracebackType

from qql import nodes
from qql.backends.base import Backend, Progress, absence_of, rows_told, texts_told, told_of_writing, watch
from qql.compiler.bind import Params
from qql.compiler.plan import Context
from qql.compiler.script import Compiled, apply, compile_script
from qql.errors import (
    Diagnostic,
    QQLCompileError,
    QQLError,
    QQLExecutionError,
    QQLPlanError,
    QQLSyntaxError,
    Source,
    Span,
)
from qql.models.embed_request import embed_request
from qql.models.embedders import Embedders
from qql.models.rerankers import Rerankers
from qql.records import replace
from qql.rest.inference_objects import places_at
from qql.rest.repeats import reads
from qql.rest.request import Request
from qql.rest.types import Json
from qql.result import Result, amended
from qql.schema import Schema
from qql.session import phases
from qql.session.answers import message_of, points_written, result_of
from qql.session.column_writes import ColumnWrites
from qql.session.field_advice import FieldAdvice
from qql.session.index_builds import IndexBuilds
from qql.session.knowledge import Knowledge, changes_definitions
from qql.session.known_advice import KnownAdvice
from qql.session.linear_fusions import with_formulas
from qql.session.planned_texts import PlannedTexts
from qql.session.script_files import ScriptText
from qql.session.script_runs import CheckedScript
from qql.session.server_gaps import gaps_of, with_gaps
from qql.session.strict_mode import WithinLimits
from qql.syntax.parser import source_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from qql.advice import CollectionFacts
    from qql.analysis import Analysis
    from qql.session.introspection import Introspection, Shares
    from qql.session.prepared import SessionStatement
    from qql.session.stamp import Stamp
    from qql.session.walks import Walk
    from qql.syntax.parser import Parsed, TextOrTree
    from qql.syntax.pieces import Pieces

    Call = Callable[[Request], Json]

__all__ = ["Session"]

_WITHOUT = nullcontext()
_READS = (nodes.Query, nodes.Fallback, nodes.Scroll, nodes.Count, nodes.Facet)


class Session(ColumnWrites):
    """Carries out statements on one engine. Several threads may share it, for all that it does; what one of
    them sets (USE, DEFINE) holds for all, from the next statement on.

    ``context`` holds what USE and DEFINE have set; ``target`` is what the session is connected to. With
    ``count``, the points that DELETE, UPDATE and CLEAR change are counted before (a call may say otherwise);
    with ``read_only`` (which may be set) whatever writes is refused.
    """

    def __init__(
        self,
        backend: Backend,
        context: Context,
        embedders: Embedders,
        rerankers: Rerankers | None = None,
        *,
        target: str = "",
        on_progress: Progress | None = None,
        advice: bool = True,
        count: bool = False,
    ) -> None:
        self.backend = backend
        self.advice = advice
        self.count = count
        self.embedders = embedders
        self.rerankers: Rerankers = rerankers or Rerankers()
        self.target = target
        self.on_progress = on_progress
        watch(backend, on_progress)
        self.context: Context = replace(
            context,
            schema=self.schema,
            collections=self.collections,
            absence=lambda: absence_of(self.backend),
            size_of=self._size_of,
        )
        self._knowledge = Knowledge(backend, lambda: self._field_advice.known.forget())
        self._known_advice = KnownAdvice(self._knowledge)
        self._planned = PlannedTexts(self._knowledge)
        self._advice_given: set[tuple[str, str]] = set()
        self._answered: dict[int, Json] = {}  # by the `id` of a statement that others were asked with
        self._giving = Lock()  # never held while the engine is asked
        self._within_limits = WithinLimits(backend, self._described)
        self._field_advice = FieldAdvice(
            self._within_limits,
            lambda compiled, fields: self._known_advice.on(compiled, self.context.stages, fields),
            lambda compiled: self._known_advice.names_fields(compiled, self.context.stages),
            self.facts,
            self._advice_given,
        )
        self._builds = IndexBuilds(backend, self._knowledge.forget)

    def _size_of(self, model: str) -> int | None:
        return None if self.backend.infers(model) else self.embedders.size_of(model)

    # -- the public face

    def execute(
        self,
        statement: TextOrTree,
        params: Params = None,
        *,
        name: str = "<string>",
        count: bool | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Carry out exactly one statement. ``count`` goes before the session's own.

        ``timeout`` is how many seconds the server may take for all that the statement asks of it, whatever
        the connection says; where they are over, `QQLTimeoutError`. The embedded engine and local mode run a
        statement until it is done, and refuse it (`QQLUnsupportedError`, ``no-timeout``).

        The result of EXECUTE is a message; `run` gives those of the file's statements too. Raises
        `QQLCompileError` where it cannot be compiled (``one-statement`` for a script), `QQLExecutionError`
        where the engine refuses it, `QQLConnectionError`.
        """
        with self._within(timeout):
            return self._executed(source_of(statement, name), params, count)

    def _within(self, timeout: float | None) -> AbstractContextManager[None]:
        if timeout is None:
            return _WITHOUT
        from qql.backends.call_time import CallTime

        return CallTime(timeout, self.backend)

    def _executed(self, source: Source, params: Params, count: bool | None) -> Result:
        with rows_told(self.on_progress):
            compiled = self._compile(source, params)
        if len(own := [one for one in compiled if one.source is source]) != 1:
            message = f"execute takes one statement, not {len(own)}; run takes a script"
            span = own[1].span if len(own) > 1 else Span(0, 0)
            raise QQLPlanError(Diagnostic("one-statement", message, span, source=source))
        self._require(compiled)
        for one in compiled[:-1]:  # those of a file, which stand before EXECUTE
            self.carry_out(one, count=count)
        return self.carry_out(compiled[-1], count=count)

    def run(
        self,
        script: TextOrTree,
        params: Params = None,
        *,
        name: str = "<string>",
        count: bool | None = None,
        timeout: float | None = None,
    ) -> list[Result]:
        """Carry out a script. Nothing is sent where any statement fails to compile.

        ``count`` and ``timeout`` are for each; without the second, queries side by side are one request to
        a server. Raises as `execute` does; a statement that fails ends the script.
        """
        if timeout is not None:
            return list(self.stream(script, params, name=name, count=count, timeout=timeout))
        from qql.session.query_batches import carried_out_together

        checked = self.checked(ScriptText(source_of(script, name)), params)
        return list(carried_out_together(self, checked.statements(), count))

    def stream(
        self,
        script: TextOrTree,
        params: Params = None,
        *,
        name: str = "<string>",
        count: bool | None = None,
        timeout: float | None = None,
    ) -> Iterator[Result]:
        """As `run`, with each result as soon as it is there. The script is checked at once."""
        with self._within(timeout):
            checked = self.checked(ScriptText(source_of(script, name)), params)
        return (self.carry_out(one, count=count, timeout=timeout) for one in checked.statements())

    def checked(self, script: Pieces, params: Params = None) -> CheckedScript:
        """A script of any length, to be carried out statement by statement. Raises as `compile` does."""
        return CheckedScript(self, script, params)

    def compile(
        self, script: TextOrTree, params: Params = None, *, name: str = "<string>", sent: bool = True
    ) -> list[Compiled]:
        """The statements of a script, ready for `carry_out`. Raises `QQLCompileError`; and, where they are to
        be ``sent``, `QQLUnsupportedError` for what the server at hand is too old for.
        """
        compiled = self._compile(source_of(script, name), params)
        if sent:
            self._require(compiled)
        return compiled

    def scroll(
        self,
        statement: TextOrTree,
        params: Params = None,
        *,
        page: int = 1000,
        name: str = "<string>",
        timeout: float | None = None,
    ) -> Walk:
        """An iterator of all hits of one SCROLL, fetched in pages of ``page`` points, one of which is held.

        ``LIMIT`` is how many hits come in all; without it all come. The order is that of ORDER BY, else that
        of the ids. Each point that is not changed meanwhile comes exactly once (`Walk`). ``timeout`` is for
        each page. Compiles at once, and raises as `execute` does, also ``not-a-scroll`` and ``invalid-page``.
        """
        from qql.session.walks import Walk, scroll_of

        source, time = source_of(statement, name), partial(self._within, timeout)
        with time():
            self._require([ready := scroll_of(self._compile(source, params), source)])
        return Walk(ready, self._within_limits, page, partial(self._told, ready), self._take_notes, time)

    def prepare(self, text: TextOrTree, *, name: str = "<string>") -> SessionStatement:
        """A statement or a script, read once, to be carried out with other values each time.

        What the session knows when it is carried out counts: USE, DEFINE and changes of collections between
        two executions do. Raises `QQLSyntaxError`, or `QQLScriptError`.
        """
        from qql.session.prepared import SessionStatement

        return SessionStatement(self, source_of(text, name), self._compile, self._reranked)

    def analyse(self, compiled: Compiled, *, runs: int = 0, ablate: bool = False) -> Analysis:
        """What each stage of a query does; each is timed ``runs`` times. Raises as `execute` does."""
        return self._introspection(self._ready(compiled)).analysis(runs=runs, ablate=ablate)

    def stamp(self, *compiled: Compiled) -> Stamp:
        """What figures of statements depend on: versions, machine and data. Raises as `execute` does."""
        from qql.session.stamp import stamp_of

        return stamp_of(self, compiled)

    def explain(self, text: TextOrTree, params: Params = None, *, name: str = "<string>") -> str:
        """Plans, requests and advice for a text, of which nothing is sent. Raises as `compile` does."""
        from qql.advice import advised
        from qql.analysis.explain import explain_compiled

        done = advised(self._compile(source_of(text, name), params), self.schema, self.full_facts)
        return "\n\n".join(explain_compiled(with_gaps(one, gaps_of(self.backend))) for one in done)

    def ask(self, request: Request) -> Json:
        """The engine's answer to a request that no statement makes, in pieces as small as strict mode wants.

        Raises `QQLExecutionError` and `QQLConnectionError`.
        """
        return self._within_limits.call(self._sendable(request))

    def collections(self) -> list[str]:
        """The names of the collections, sorted. Raises `QQLConnectionError` and `QQLExecutionError`."""
        answer = self.backend.call(Request("GET", "/collections"))
        return sorted(str(one["name"]) for one in answer["collections"])

    def schema(self, collection: str) -> Schema | None:
        """What is known of a collection, at most 30 s old; None if there is none. Raises as `collections`."""
        known = self._knowledge.of(collection)
        return None if known is None else known.schema

    def _described(self, collection: str) -> Json:
        """The engine's description of a collection, where it is known; it is not asked for."""
        known = self._knowledge.kept(collection)
        return None if known is None else known.info

    def facts(self, collection: str) -> CollectionFacts | None:
        """What advice goes by beside the schema, of the same age; None where there is no such collection."""
        known = self._knowledge.of(collection)
        return None if known is None else known.facts

    @property
    def knows_collections(self) -> bool:
        """Whether collections are taken to be as they were last seen, and not looked up anew."""
        return bool(self._knowledge)

    def forget_collections(self) -> None:
        """Has the collections looked up anew."""
        self._knowledge.forget_all()

    def full_facts(self, collection: str) -> CollectionFacts | None:
        """The facts with the payload fields of the collection, for which some of its points are fetched."""
        return self._field_advice.full_facts(collection)

    @property
    def client(self) -> Any:
        """The `QdrantClient` below (of an `AsyncSession` the `AsyncQdrantClient`); None over the engine."""
        return getattr(self.backend, "client", None)

    def close(self) -> None:
        """Release the engine and the models. Closing twice is allowed."""
        try:
            self.embedders.close()
            self.rerankers.close()
        finally:
            self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- statements

    def _compile(
        self, source: Source, params: Params, parsed: Sequence[Parsed] | None = None
    ) -> list[Compiled]:
        """Compiles all of a script, and tells of it."""
        started = phases.start()
        found = self._compiled(source, params, parsed)
        phases.compiled(started, found)
        return found

    def _compiled(self, source: Source, params: Params, parsed: Sequence[Parsed] | None) -> list[Compiled]:
        """What was known of the collections is not held against a script."""
        planned, params = self._planned.compiled(source, params, self.context)
        if planned is not None:
            return [planned]
        by_memory = bool(self._knowledge)
        try:
            found = compile_script(source, params, self.context, files=self._read_executed, parsed=parsed)
            self._planned.keep(found, self.context)
            return found
        except QQLCompileError as exc:
            if not by_memory or isinstance(exc, QQLSyntaxError):
                raise
        self._knowledge.forget_all()
        return compile_script(source, params, self.context, files=self._read_executed, parsed=parsed)

    def carry_out(
        self, compiled: Compiled, *, count: bool | None = None, timeout: float | None = None
    ) -> Result:
        """Carry out one statement of `compile`. Raises as `execute`, with its ``count`` and ``timeout``."""
        with self._within(timeout):
            return self._carried_out(compiled, count)

    def _carried_out(self, compiled: Compiled, count: bool | None) -> Result:
        started = phases.begin()
        advice = compiled.advice
        try:
            self._require_allowed(compiled)
            self._knowledge.require_shard_keys(compiled)
            compiled = self._ready(compiled)
            advice = self._advice_on(compiled)
            if isinstance(compiled.written, (nodes.Explain, nodes.Why)):
                compiled = replace(compiled, advice=advice)
            result = self._result(compiled, self.count if count is None else count)
        except QQLError as exc:
            raise self._told(compiled, exc, advice) from exc.__cause__
        except KeyboardInterrupt:  # Ctrl-C, or a task that was cancelled: what was sent may be done
            self._doubt(compiled)
            raise
        notes = self._take_notes()
        seconds = time.perf_counter() - started
        fresh = self._new_advice(compiled, advice)
        if self.advice:
            fresh = self._field_advice.added(fresh, advice, compiled, result)
        phases.statement(started, compiled, result)
        return amended(
            result,
            statement=compiled.text,
            requests=result.requests or compiled.requests,
            seconds=seconds,
            timing=phases.spent(),
            warnings=compiled.warnings + result.warnings + notes + self._overridden(compiled) + fresh,
        )

    def _ready(self, compiled: Compiled) -> Compiled:
        """The statement, where it says IGNORE MISSING, without the examples that do not exist."""
        explains = isinstance(compiled.written, nodes.Explain) and not compiled.written.analyze
        if explains or not compiled.ignores_missing:
            return compiled
        from qql.session.missing_examples import with_examples_there

        return with_examples_there(self, compiled)

    def _told(self, compiled: Compiled, exc: QQLError, advice: tuple[Diagnostic, ...] = ()) -> QQLError:
        """The error of a statement that has failed, with its place, and with what may be behind it."""
        self._doubt(compiled)
        located = exc.at(compiled.source, compiled.span)
        return self._field_advice.hinted(located, compiled, advice) if self.advice else located

    def _doubt(self, compiled: Compiled) -> None:
        """Where a statement has failed: what was known may be what misled, and some of it may be done."""
        if isinstance(compiled.written, _READS):
            self._knowledge.forget_all()
        else:
            self._knowledge.changed()

    def _take_notes(self) -> tuple[Diagnostic, ...]:
        """What engine and models have taken and not acted on, or have to say, since the last call of this."""
        of_models = self.embedders.take_notes() + self.rerankers.take_notes()
        notes = self._within_limits.take_notes() + of_models
        return tuple([Diagnostic("engine-note", note, severity="warning") for note in notes]) if notes else ()

    def _advice_on(self, compiled: Compiled) -> tuple[Diagnostic, ...]:
        if not self.advice:
            return compiled.advice
        try:
            facts = None
            if isinstance(compiled.written, (nodes.Explain, nodes.Why)):  # which look closer
                facts = self.full_facts(str(compiled.collection))
            fields = None if facts is None else facts.fields
            return self._known_advice.on(compiled, self.context.stages, fields)
        except QQLError:  # whatever is wrong with the engine or the collection, the statement will say it
            return compiled.advice

    def _new_advice(self, compiled: Compiled, advice: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
        """The advice that was not given before; EXPLAIN shows its own."""
        if not advice or isinstance(compiled.written, nodes.Explain):
            return ()
        return self._fresh(advice)

    def _fresh(self, found: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Those that were not given before, be it in another thread."""
        with self._giving:
            fresh = tuple(one for one in found if (one.code, one.message) not in self._advice_given)
            self._advice_given |= {(one.code, one.message) for one in fresh}
        return fresh

    def _overridden(self, compiled: Compiled) -> tuple[Diagnostic, ...]:
        """Says once of each configured model that a collection's own goes before it."""
        if not self.context.models:
            return ()
        from qql.session.model_checks import overridden_in

        return self._fresh(overridden_in(compiled, self.context.models, self.schema))

    def _result(self, compiled: Compiled, count: bool) -> Result:
        if isinstance(compiled.written, _READS):
            return self._read(compiled)
        from qql.session import own_work

        return own_work.carried_out(self, compiled, count)

    def _apply(self, statement: nodes.Statement) -> None:
        with self._giving:  # of two stages at once, one would be forgotten
            apply(statement, self.context)

    # -- statements that have requests

    def _read(self, compiled: Compiled) -> Result:
        """Sends what asks for points, and shows the answer."""
        if compiled.branches:
            from qql.session.fallbacks import fallen_back

            return fallen_back(self, compiled)
        answer, shares = self._answer(compiled)
        if isinstance(compiled.written, nodes.Scroll):
            return self._page(compiled, answer)
        if getattr(compiled.written, "group", None) and compiled.plan and compiled.plan.groups_here:
            from qql.session.fused_groups import grouped

            answer = grouped(self, compiled, answer)
        result = self._reranked(phases.answered(compiled, result_of(compiled, answer)), compiled)
        if shares:
            hits = [replace(hit, stages=shares.get(hit.id, ())) for hit in result.hits]
            result = replace(result, hits=hits)
        return amended(result, data=answer)

    def _send(self, compiled: Compiled, count: bool) -> Result:
        """Sends the requests of any other statement and shows the answer."""
        from qql.session.matched import count_matched
        from qql.session.model_checks import defaults_said, models_of_new_vectors
        from qql.session.preconditions import check_answer, check_preconditions, forgiven

        statement, collection = compiled.statement, str(compiled.collection)
        matched, uncounted = count_matched(compiled, self.backend.call) if count else (None, ())
        unusable = models_of_new_vectors(compiled, self.context, self.embedders, self.backend.infers)
        try:
            check_preconditions(statement, collection, self.backend, self._schema_now)
            answer, _ = self._answer(compiled)
            check_answer(statement, collection, answer)
        except QQLExecutionError as exc:
            message = forgiven(statement, collection, exc.code)
            if message is None:
                raise
            return message_of(message)
        self._note_changes(compiled)
        result = result_of(compiled, answer, matched)
        if said := defaults_said(statement, self.context):
            result = replace(result, message=result.message + said)
        built = self._builds.written(collection, points_written(compiled), self.on_progress)
        warnings = result.warnings + uncounted + unusable + built
        absence = absence_of(self.backend)
        if absence and isinstance(statement, nodes.ShowCollections):
            hint = "CREATE COLLECTION or RESTORE SNAPSHOT makes it"
            warnings += (Diagnostic("no-database", absence, hint=hint, severity="warning"),)
        return replace(result, data=answer, warnings=warnings)

    def _note_changes(self, compiled: Compiled) -> None:
        """What was sent says what is to be looked at again: no statement has to be named for it."""
        if any(map(changes_definitions, compiled.requests)):
            self._knowledge.changed()
        elif not all(map(reads, compiled.requests)):
            self._field_advice.known.changed()

    def _answer(self, compiled: Compiled) -> tuple[Json, Shares]:
        """The answer to the first request; with PROVENANCE, also the shares that stages have in the hits."""
        if id(compiled) in self._answered:
            return self._answered.pop(id(compiled)), {}
        written = compiled.written
        started = phases.start()
        requests = [self._embedded(request, compiled) for request in compiled.requests]
        phases.embedded(started, compiled.requests, requests)
        if isinstance(written, nodes.Query) and written.provenance is not None:
            return self._introspection(compiled, requests[0]).answer_and_shares()
        # A COUNT that does not say whether it is exact may be what strict mode allows.
        counts = isinstance(written, nodes.Count) and "exact" not in (requests[0].body or {})
        call = self._within_limits.call if counts else self.backend.call
        return self._sent(call, compiled, requests)[0], {}

    def _sent(self, call: Call, compiled: Compiled, requests: Sequence[Request]) -> list[Json]:
        started = phases.start()
        told = told_of_writing(requests, self.on_progress)
        answers = [call(with_formulas(call, request)) for request in told]
        phases.engine(started, compiled, requests)
        return answers

    def _page(self, compiled: Compiled, answer: Json) -> Result:
        from qql.session.pages import page_of

        page = page_of(compiled, answer, self.backend.call)
        result = result_of(compiled, page.answer)
        return amended(result, data=page.answer, next=page.next, paged=True, warnings=page.warnings)

    def _embedded(self, request: Request, compiled: Compiled | None = None) -> Request:
        """The request, which may be the one of a statement, with vectors in the places of its texts."""
        places, origin = None, compiled.origin if compiled else None
        if origin is not None and origin.texts is not None:
            if not origin.texts:
                return request
            places = places_at(request, origin.texts)
        told = texts_told(self.on_progress)
        return embed_request(request, self.embedders, self.backend.infers, places=places, told=told)

    def _reranked(self, result: Result, compiled: Compiled) -> Result:
        if not isinstance(written := compiled.written, nodes.Query) or written.rerank is None:
            return result
        if (plan := compiled.plan) is None or plan.second is None:
            return result
        from qql.models.rerank_hits import rerank

        started = phases.start()
        found = rerank(result, plan.second, plan.payload, self.rerankers)
        phases.reranked(started, plan.second.model, result, found)
        return found

    def _schema_now(self, collection: str) -> Schema:
        self._knowledge.forget(collection)
        return self.schema(collection) or Schema()

    def _introspection(self, compiled: Compiled, embedded: Request | None = None) -> Introspection:
        from qql.session.introspection import Introspection

        asked, limits = embedded or self._embedded(compiled.requests[0]), self._within_limits
        return Introspection(compiled, asked, limits, self.rerankers, self.context, self.on_progress)
