"""ANALYZE TEXT: the tokens that a text index or BM25 makes of a text, and what it drops."""

from __future__ import annotations

from collections.abc import Iterator

from qql import nodes
from qql.compiler.scalars import text_of
from qql.compiler.script import Compiled
from qql.errors import QQLExecutionError, did_you_mean, fail
from qql.models.embedders.bm25_tokens import Token, TokenizedText, Tokenizer
from qql.rest.limits import BM25
from qql.rest.types import Json, JsonObject
from qql.result import Result
from qql.schema import Schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["tokens_listed"]

_COLUMNS = ("token", "words", "times", "documents", "queries", "dropped")


def tokens_listed(compiled: Compiled, info: Json) -> Result:
    """What ANALYZE TEXT gives, by the description of the collection.

    Raises `QQLExecutionError` ``not-analyzed`` for what is neither, and what `Tokenizer` raises.
    """
    statement = compiled.statement
    assert isinstance(statement, nodes.AnalyzeText)
    text, name = text_of(statement.text, "the text of ANALYZE TEXT"), str(statement.name.text)
    index = (info.get("payload_schema") or {}).get(name) or {}
    vector = Schema.from_info(info).vectors.get(name)
    if index.get("data_type") == "text":
        found = Tokenizer.of_index(index.get("params") or {})
        return Result("rows", rows=[*_rows(found, text, weighed=False)], columns=_COLUMNS)
    if vector is not None and str(vector.model).lower() == BM25:
        columns = ("token", "id", *_COLUMNS[1:])
        return Result("rows", rows=[*_rows(Tokenizer({}), text, weighed=True)], columns=columns)
    _refuse(statement.name, compiled, info)


def _rows(by: Tokenizer, text: str, *, weighed: bool) -> Iterator[JsonObject]:
    """A row for each token, then one for each word that makes none."""
    document, query = by.tokens(text, "document"), by.tokens(text, "query")
    stored, asked = _by_id(document), _by_id(query)
    for key, token in (stored | asked).items():
        row: JsonObject = {"token": token.text, "words": ", ".join(token.words), "times": token.times}
        if weighed:
            row |= {"id": key, "documents": _weight(stored.get(key)), "queries": _weight(asked.get(key))}
        else:
            row |= {"documents": key in stored, "queries": key in asked}
        yield {column: value for column, value in row.items() if value is not None}
    unsearched = {one.word for one in query.dropped}
    for one in document.dropped:
        if one.word in unsearched:
            yield {"words": one.word, "dropped": one.reason}


def _by_id(found: TokenizedText) -> dict[int, Token]:
    return {one.id: one for one in found.tokens}


def _weight(token: Token | None) -> float | None:
    return None if token is None else round(token.weight, 4)


def _refuse(name: nodes.Name, compiled: Compiled, info: Json) -> NoReturn:
    indexes = info.get("payload_schema") or {}
    texts = [field for field, one in indexes.items() if one.get("data_type") == "text"]
    vectors = [one.name for one in Schema.from_info(info).vectors.values() if str(one.model).lower() == BM25]
    known = [*texts, *vectors]
    hint = did_you_mean(str(name.text), known) or (
        f"these are: {', '.join(known)}"
        if known
        else f"CREATE INDEX ON {compiled.collection} FOR {name.text} TYPE text makes one"
    )
    message = (
        f"`{name.text}` is neither a field of {compiled.collection} with a text index nor a vector of {BM25}"
    )
    fail("not-analyzed", message, name.span, hint, error=QQLExecutionError)
