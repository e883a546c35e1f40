"""A session that tells OpenTelemetry what it does: a span for each statement, and one for each of its phases.

| span | attributes |
|---|---|
| ``QUERY docs`` (client) | those below |
| ``qql.compile`` | ``qql.statements``: how many; a script is compiled before its first statement begins |
| ``qql.embed`` | ``qql.texts``, ``qql.models``: what became vectors |
| ``qql.engine`` | ``qql.requests``: how many the engine has answered, and ``qql.route`` of the first |
| ``qql.rerank`` | ``qql.candidates``, ``qql.models`` |

A statement has ``db.system.name``, ``db.operation.name``, ``db.collection.name``,
``db.operation.batch.size``, ``db.query.text`` (a ``?`` for each literal, so no value of a text is in it),
``db.response.returned_rows``, ``server.address`` and ``server.port``; where it fails ``error.type``, the code
of the error, whose message may hold values and is not told. No attribute holds a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qql import nodes
from qql.compiler.bind import Params
from qql.compiler.script import Compiled
from qql.errors import QQLError, Source
from qql.late import late_pattern
from qql.missing import library
from qql.rest.inference_objects import inferred_of
from qql.rest.request import Request
from qql.rest.types import Json
from qql.result import Result
from qql.session.phases import named
from qql.session.script_runs import CheckedScript
from qql.session.session import Session
from qql.syntax.lexer import match_next

if TYPE_CHECKING:
    from qql.syntax.parser import Parsed
    from qql.syntax.pieces import Pieces

__all__ = ["TracedSession", "without_literals"]

_LITERALS = frozenset({"RAW", "DURATION", "NUMBER", "TRIPLE", "STRING", "VERBATIM"})
_LONGEST = 2000  # characters of a statement that are told
_ADDRESS = late_pattern(r"\w+://(\[[^\]]+\]|[^/:?#@]+)(?::([0-9]+))?(?:[/?#]|$)")


def without_literals(text: str) -> str:
    """A statement with a ``?`` for each number and text, several of them in a row as one; no comments."""
    parts, at, size = [], 0, 0
    while (found := match_next(text, at)) is not None and found.end() > at and size < _LONGEST:
        kind = found.lastgroup or ""
        parts.append("?" if kind in _LITERALS else found[kind])
        size += len(parts[-1]) + 1
        at = found.end()
    whole = re.sub(r"\?(?: , \?)+(?! :)", "?", " ".join(filter(None, parts)))
    whole = re.sub(r"(?<=[(\[{]) | (?=[)\]},;]|:(?: |$))", "", whole)
    return whole[:_LONGEST].rstrip("; ")


class TracedSession(Session):
    """A `Session` with spans. ``provider`` is a ``TracerProvider``; True takes the program's own.

    Raises `QQLExecutionError` (``missing-library``) where OpenTelemetry is not installed.
    """

    def __init__(self, *given: Any, provider: Any, **options: Any) -> None:
        trace = library("opentelemetry.trace", "connect(trace=…)")
        import qql

        source = trace if provider is True else provider
        self._tracer = source.get_tracer("qql", qql.__version__)
        self._failed = trace.Status(trace.StatusCode.ERROR)
        self._client = trace.SpanKind.CLIENT
        super().__init__(*given, **options)
        found = _ADDRESS.match(self.target)
        self._server = {"server.address": found[1]} if found else {}
        if found and found[2]:
            self._server["server.port"] = int(found[2])

    @contextmanager
    def _span(self, name: str, **options: Any) -> Iterator[Any]:
        """A span around what is done in it, which is the parent of those that begin meanwhile."""
        silent = {"record_exception": False, "set_status_on_exception": False}
        with self._tracer.start_as_current_span(name, **silent, **options) as span:
            try:
                yield span
            except BaseException as exc:
                code = exc.code if isinstance(exc, QQLError) else type(exc).__name__
                span.set_attribute("error.type", code)
                span.set_status(self._failed)
                raise

    # -- phases

    def checked(self, script: Pieces, params: Params = None) -> CheckedScript:
        """As `Session.checked`."""
        with self._span("qql.compile"):
            return super().checked(script, params)

    def _compile(
        self, source: Source, params: Params, parsed: Sequence[Parsed] | None = None
    ) -> list[Compiled]:
        with self._span("qql.compile") as span:
            found = super()._compile(source, params, parsed)
            span.set_attribute("qql.statements", len(found))
            return found

    def _carried_out(self, compiled: Compiled, count: bool | None) -> Result:
        told = self._attributes_of(compiled)
        with self._span(named(compiled, " "), kind=self._client, attributes=told) as span:
            result = super()._carried_out(compiled, count)
            if result.kind in ("hits", "rows"):
                span.set_attribute("db.response.returned_rows", len(result))
            return result

    def _attributes_of(self, compiled: Compiled) -> dict[str, Any]:
        told = {
            "db.system.name": "qdrant",
            "db.operation.name": named(compiled, None),
            "db.query.text": without_literals(compiled.text),
            **self._server,
        }
        if compiled.collection:
            told["db.collection.name"] = compiled.collection
        if isinstance(compiled.written, nodes.Batch):
            told["db.operation.batch.size"] = len(compiled.written.statements)
        return told

    def _embedded(self, request: Request, compiled: Compiled | None = None) -> Request:
        texts = [one for one in inferred_of(request) if one.model and not self.backend.infers(one.model)]
        if not texts:
            return super()._embedded(request, compiled)
        told = {"qql.texts": sum(one.distinct for one in texts), "qql.models": [one.model for one in texts]}
        with self._span("qql.embed", attributes=told):
            return super()._embedded(request, compiled)

    def _sent(
        self, call: Callable[[Request], Json], compiled: Compiled, requests: Sequence[Request]
    ) -> list[Json]:
        route = " ".join(requests[0].route) if requests else ""
        with self._span("qql.engine", attributes={"qql.requests": len(requests), "qql.route": route}):
            return super()._sent(call, compiled, requests)

    def _reranked(self, result: Result, compiled: Compiled) -> Result:
        second = compiled.plan.second if compiled.plan is not None else None
        if second is None:
            return super()._reranked(result, compiled)
        told = {"qql.candidates": len(result), "qql.models": [second.model or ""]}
        with self._span("qql.rerank", attributes=told):
            return super()._reranked(result, compiled)
