"""Retrieval as a call: a question goes into a pipeline, and documents come out, with what stages gave them.

A pipeline is the text of one query; the question is one of its parameters, `:q` unless told otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeGuard

from qql import nodes
from qql.compiler.embed_clauses import TEXT_FIELDS, text_at
from qql.compiler.prepared import Prepared, prepare_text
from qql.errors import Diagnostic, QQLExecutionError, QQLPlanError, did_you_mean, fail, many, shown
from qql.models.rerankers.base import hit_text
from qql.records import dataclass, field, replace
from qql.rest.types import Json, JsonObject
from qql.result import Hit, StageShare
from qql.session.connect import connect
from qql.session.session import Session
from qql.syntax.formatter import format_text
from qql.syntax.parser import parse, text_given

if TYPE_CHECKING:
    from qql.session.async_session import AsyncSession
    from qql.syntax.parser import TextOrTree

__all__ = ["Document", "Retriever", "document_of", "retriever"]


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was found.

    ``id`` is the point's. ``text`` is what its payload has to say: the field that the retriever was told of,
    else the first of ``text``, ``body``, ``content``, ``page_content`` …; empty where there is none.
    ``metadata`` is the rest of the payload; of a point that LangChain, LlamaIndex or Haystack made, the
    metadata that it was given.
    ``score`` puts the documents in their order. ``first_stage_score`` is that of the search and
    ``second_stage_score`` that of RERANK, None without one. ``stages`` is what each stage of the search has
    to do with it, the last ones first; empty unless the retriever tells of stages. ``payload`` is the
    point's, as the engine gave it.
    """

    id: int | str
    text: str
    score: float | None
    first_stage_score: float | None
    second_stage_score: float | None = None
    metadata: JsonObject = field(default_factory=dict)
    stages: tuple[StageShare, ...] = ()
    payload: JsonObject = field(default_factory=dict)

    @property
    def ranks(self) -> dict[str, int]:
        """Its rank, from 1, in each stage that found it; of one that stands in several places, the best."""
        found: dict[str, int] = {}
        for one in self.stages:
            if one.rank is not None:
                found[one.label] = min(one.rank, found.get(one.label, one.rank))
        return found

    def to_dict(self) -> JsonObject:
        """As JSON data: ``{"id", "text", "score", "first_stage_score", "second_stage_score", "metadata",
        "stages"}``.
        """
        return {
            "id": self.id,
            "text": self.text,
            "score": self.score,
            "first_stage_score": self.first_stage_score,
            "second_stage_score": self.second_stage_score,
            "metadata": self.metadata,
            "stages": [one.to_dict() for one in self.stages],
        }


class Retriever:
    """A retriever: ``retriever(pipeline, db).retrieve("how do I …?")`` gives a list of `Document`.

    Args:
        pipeline: one query, as text or as a tree of `qql.build`, with a parameter for the question
            (``QUERY :q FROM docs …``).
        db: a `Session`, an `AsyncSession`, or what `qql.connect` takes: then it is opened at the first
            question, with ``options``, which are those of `qql.connect`, and closed by `Retriever.close`.
        query: the name of the parameter for the question.
        params: values for the other parameters; a question may bring others.
        text: the payload's field with a document's text. Where none of the documents has one there,
            `retrieve` raises `QQLExecutionError` (``no-text``).
        stages: whether documents tell of the stages that found them (WITH PROVENANCE), which runs each
            stage of the pipeline once more.

    Raises:
        QQLSyntaxError, QQLPlanError: for a text at fault, one that is not one query (``one-statement``), and
            for names of parameters that it does not have (``unknown-parameter``).
    """

    def __init__(
        self,
        pipeline: TextOrTree,
        db: object,
        *,
        query: str = "q",
        params: Mapping[str, Any] | None = None,
        text: str | None = None,
        stages: bool = True,
        **options: Any,
    ) -> None:
        pipeline = text_given(pipeline)
        self.pipeline: str = pipeline
        self.query = query
        if params is not None and not isinstance(params, Mapping):
            message = f"`params` takes a mapping of names to values, not {shown(params)}"
            raise QQLPlanError(Diagnostic("wrong-parameter", message))
        self.params: dict[str, Any] = dict(params or {})
        self.text = text
        self.stages = stages
        self._options = options
        self._db = db
        self._text = _told_of_stages(pipeline) if stages else pipeline
        self._known = _checked(prepare_text(self._text, collection="any"), query, self.params)
        self._session: Session | None = None
        self._statement: Any = None
        self._async: AsyncSession | None = None
        self._async_statement: Any = None
        if options and (isinstance(db, Session) or _awaits(db)):
            names = ", ".join(options)
            message = f"a session has its options already: {names}"
            raise QQLPlanError(Diagnostic("idle-option", message))

    # -- asking

    def retrieve(self, question: Any, /, **params: Any) -> list[Document]:
        """The documents for a question: a text, a vector or the id of a point, as the pipeline takes it.

        ``params`` go before those of the retriever. Raises as `Session.execute` does, and
        `QQLExecutionError` (``async-session``) where the database is an `AsyncSession`: `aretrieve` asks it.
        """
        values = self._values(question, params)
        if _awaits(self._db):
            message = "this retriever has an AsyncSession, whose answers are awaited"
            fail("async-session", message, hint="await retriever.aretrieve(…)", error=QQLExecutionError)
        if self._statement is None:
            self._session = self._db if isinstance(self._db, Session) else connect(self._db, **self._options)
            self._statement = self._session.prepare(self._text)
        return self._documents(self._statement.execute(**values).hits)

    async def aretrieve(self, question: Any, /, **params: Any) -> list[Document]:
        """The same, awaited: over an `AsyncSession`, or one that is opened for the target at the first call.

        A `Session` answers in a thread. Raises as `retrieve` does.
        """
        if isinstance(self._db, Session):
            return await asyncio.to_thread(self.retrieve, question, **params)
        values = self._values(question, params)
        if self._async_statement is None:
            from qql.session.async_session import connect_async

            given = self._db
            self._async = given if _awaits(given) else await connect_async(given, **self._options)
            self._async_statement = self._async.prepare(self._text)
        return self._documents((await self._async_statement.execute(**values)).hits)

    def _values(self, question: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        if self.query in params:
            message = f"`{self.query}` is the question, and stands first"
            raise QQLPlanError(Diagnostic("unknown-parameter", message))
        return {self.query: question, **self.params, **params}

    def _documents(self, hits: list[Hit]) -> list[Document]:
        """Raises `QQLExecutionError` (``no-text``) where no document has a text in the field named for it."""
        if self.text is not None and hits and all(hit_text(hit.payload, self.text) is None for hit in hits):
            fields = dict.fromkeys(field for hit in hits for field in hit.payload or {})
            known = f"their fields are {', '.join(fields)}" if fields else "they have no payload"
            message = f"none of the {many(len(hits), 'document')} has a text in `{self.text}`"
            fail("no-text", message, hint=did_you_mean(self.text, fields) or known, error=QQLExecutionError)
        return [document_of(hit, self.text) for hit in hits]

    # -- as a value

    def to_dict(self) -> JsonObject:
        """What makes such a retriever again, as JSON data: ``{"pipeline", "db", "query", "params", "text",
        "stages"}``, the arguments of `retriever`. Its other options, as keys and models, are left out:
        whoever makes it again gives them.

        Raises `QQLExecutionError` (``no-target``) where the database is nothing that a text can name.
        """
        target = getattr(self._db, "target", self._db)
        if isinstance(target, os.PathLike):
            target = os.fspath(target)
        if not isinstance(target, str) or target == ":memory:":
            what = "a database in memory" if target == ":memory:" else f"a {type(self._db).__name__}"
            message = f"{what} cannot be written down; the address of a database can"
            hint = "retriever(pipeline, 'http://…'), or a directory"
            fail("no-target", message, hint=hint, error=QQLExecutionError)
        return {
            "pipeline": self.pipeline,
            "db": target,
            "query": self.query,
            "params": self.params,
            "text": self.text,
            "stages": self.stages,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (self.to_dict(),)

    def __repr__(self) -> str:
        return f"<Retriever: {' '.join(self.pipeline.split())[:60]}>"

    # -- its end

    def close(self) -> None:
        """Close the session that it opened; one that it was given stays open."""
        session, self._session, self._statement = self._session, None, None
        if session is not None and session is not self._db:
            session.close()

    async def aclose(self) -> None:
        """Close what `aretrieve` and `retrieve` opened."""
        self.close()
        session, self._async, self._async_statement = self._async, None, None
        if session is not None and session is not self._db:
            await session.close()

    def __enter__(self) -> Retriever:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Retriever:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


retriever = Retriever
"""The door: ``qql.retriever(pipeline, db)``."""


def _awaits(db: object) -> TypeGuard[AsyncSession]:
    """Whether it is an `AsyncSession`: somebody who has one has loaded what it is."""
    module = sys.modules.get("qql.session.async_session")
    return module is not None and isinstance(db, module.AsyncSession)


def _made_again(found: JsonObject) -> Retriever:
    return retriever(**found)


def _told_of_stages(pipeline: str) -> str:
    """The query WITH PROVENANCE."""
    statements = parse(pipeline)
    match statements:
        case [nodes.Query() as query]:
            return format_text(_traced(query))
        case [nodes.Fallback(first=first, others=others)]:
            traced = tuple(replace(one, query=_traced(one.query)) for one in others)
            return format_text(nodes.Fallback(_traced(first), traced))
    return pipeline


def _traced(query: nodes.Query) -> nodes.Query:
    return query if query.provenance is not None else replace(query, provenance=nodes.Provenance())


def _checked(known: Prepared, query: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the parameters. Raises `QQLPlanError` where they are not those that are given."""
    statements = parse(known.text)
    if len(statements) != 1 or not isinstance(statements[0], (nodes.Query, nodes.Fallback)):
        raise QQLPlanError(Diagnostic("one-statement", "a pipeline is the text of one QUERY"))
    names = tuple(str(one.name) for one in known.parameters)
    for name in (query, *params):
        if name not in names:
            listed = ", ".join(f":{one}" for one in names) or "no parameter"
            what = "the question" if name == query else "a value"
            message = f"the pipeline has no `:{name}` for {what}; it has {listed}"
            hint = did_you_mean(name, list(names))
            if name == query and hint is None:
                hint = "write QUERY :q, or name it: retriever(…, query='text')"
            raise QQLPlanError(Diagnostic("unknown-parameter", message, hint=hint))
    return names


# ------------------------------------------------------------------------------------ documents


def document_of(hit: Hit, text: str | None = None) -> Document:
    """A hit as a document; ``text`` names the field of its text, which may be a path as Qdrant writes it."""
    payload: JsonObject = hit.payload or {}
    found, metadata = _read(payload) if text is None else (hit_text(payload, text), _without(payload, text))
    first = hit.score if hit.first_stage_score is None else hit.first_stage_score
    scores = hit.score, first, hit.second_stage_score
    return Document(hit.id, found or "", *scores, dict(metadata), tuple(hit.stages), payload)


def _read(payload: JsonObject) -> tuple[str | None, JsonObject]:
    """The text of a payload, and its metadata: as three frameworks write them, or all other fields."""
    if isinstance(payload.get("page_content"), str) and isinstance(payload.get("metadata"), dict):
        return payload["page_content"], payload["metadata"]  # LangChain
    if isinstance(payload.get("content"), str) and isinstance(payload.get("meta"), dict):
        return payload["content"], payload["meta"]  # Haystack
    if isinstance(payload.get("_node_content"), str):
        return text_at(payload, "_node_content"), _metadata_of_node(payload)  # LlamaIndex
    name = next((name for name in TEXT_FIELDS if text_at(payload, name)), None)
    return (None, payload) if name is None else (text_at(payload, name), _without(payload, name))


def _without(payload: JsonObject, name: str) -> JsonObject:
    return {key: value for key, value in payload.items() if key != name}


_OF_LLAMA_INDEX = ("_node_content", "_node_type", "document_id", "doc_id", "ref_doc_id")


def _metadata_of_node(payload: JsonObject) -> JsonObject:
    """A node's metadata; where the node cannot be read, the other fields, among which it keeps them too."""
    try:
        node: Json = json.loads(payload["_node_content"])
        if isinstance(node, dict) and isinstance(node.get("metadata"), dict) and node["metadata"]:
            return dict(node["metadata"])
    except (ValueError, RecursionError):
        pass
    return {key: value for key, value in payload.items() if key not in _OF_LLAMA_INDEX}
