"""Files of queries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qql.errors import many
from qql.evaluation.files.clicks import logged_texts
from qql.evaluation.files.lines import LineReader
from qql.evaluation.files.quepid import is_case, rated
from qql.evaluation.files.topics import topics
from qql.records import dataclass, field
from qql.rest.types import Body, JsonObject

__all__ = ["QUERY_IDS", "QUERY_TEXTS", "Query", "query_params", "read_queries"]

QUERY_IDS = ("_id", "id", "query_id", "query-id", "qid")
"""Names of a query's id in files of queries and judgements; the first that is there counts."""
QUERY_TEXTS = ("query", "text")
"""Names of a query's text; the first that is there is the parameter ``:query``."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query: ``params`` has its text as ``query``, and each other field of its row under its own name.

    The id is among them too, under the name that the file gives it and with the value as it is there.
    """

    id: str
    params: JsonObject = field(hash=False)
    line: int = field(default=0, compare=False)
    file: str = field(default="", compare=False)

    @property
    def place(self) -> str:
        """``file:line``; empty where it comes from no file."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file


def read_queries(path: str | Path) -> list[Query]:
    """The queries of a file, in its order.

    Raises `InputError`: ``file-unreadable``, ``file-encoding``, ``bad-queries``.
    """
    file = LineReader(path, "bad-queries")
    with file:
        first = file.peek(markup=True)
        queries = list(_queries(file, first))
    seen: set[str] = set()
    for query in queries:
        if query.id in seen:
            file.line = query.line
            file.fail(f"the query {query.id!r} is there twice")
        seen.add(query.id)
    if not queries:
        file.fail("it has no queries")
    return queries


def _queries(file: LineReader, first: str) -> Iterator[Query]:
    if first.startswith("<"):
        return (Query(number, fields, file.line, str(file.path)) for number, fields in topics(file, first))
    if is_case(first):
        texts = dict.fromkeys(text for text, _, _ in rated(file, first))
        return (Query(str(at), {"query": text}, 0, str(file.path)) for at, text in enumerate(texts, 1))
    if first.startswith("{") and '"user_query"' in first:
        return _logged_queries(file)
    return _json_queries(file) if first.startswith("{") else _column_queries(file, first)


def _logged_queries(file: LineReader) -> Iterator[Query]:
    """The searches of a log, those for the same text once."""
    seen: set[str] = set()
    for line, key, text, _ in logged_texts(file.path, "bad-queries"):
        if text not in seen:
            seen.add(text)
            yield Query(key, {"query": text}, line, str(file.path))


def _json_queries(file: LineReader) -> Iterator[Query]:
    for row in file.objects():
        id_name, value = file.field(row, QUERY_IDS, "an id")
        yield Query(file.id(id_name, value), query_params(row), file.line, str(file.path))


def _column_queries(file: LineReader, first: str) -> Iterator[Query]:
    head = [name.strip() for name in first.split("\t")]
    if head[0].lower() not in QUERY_IDS:
        head = [QUERY_IDS[0], QUERY_TEXTS[0]]
    elif len(set(head)) < len(head):
        file.fail("two columns of the header have the same name")
    else:
        next(file)
    for line in file:
        cells = line.split("\t")
        if len(cells) != len(head):
            file.fail(
                f"{many(len(cells), 'column')} instead of {len(head)}",
                "a line of queries is `id<TAB>text`, or JSON",
            )
        row = dict(zip(head, map(str.strip, cells), strict=True))
        yield Query(file.id(head[0], row[head[0]]), query_params(row), file.line, str(file.path))


def query_params(row: Body) -> JsonObject:
    """The parameters that the fields of a query's row are."""
    text = next((name for name in QUERY_TEXTS if name in row), None)
    return {"query" if name == text else name: value for name, value in row.items()}
