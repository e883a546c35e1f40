"""Files of judgements (qrels)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from qql.errors import many
from qql.evaluation.files.lines import LineReader
from qql.evaluation.files.queries import QUERY_IDS
from qql.late import late_pattern
from qql.rest.types import Json

__all__ = ["DOC_IDS", "MOST_RELEVANT", "RELEVANCES", "Qrels", "read_qrels"]

DOC_IDS = ("doc_id", "doc-id", "corpus_id", "corpus-id", "docid", "document", "doc")
"""Names of a judged document's id."""
RELEVANCES = ("relevance", "score", "rel", "label")
"""Names of a judgement's relevance."""
MOST_RELEVANT = 1000
"""The largest relevance; ``2^relevance``, the gain of ``dcg='exp-log2'``, has to be a float."""

Qrels = dict[str, dict[str, int]]
"""Query id → document id → relevance."""

_INTEGER = late_pattern(r"[+-]?[0-9]{1,9}(\.0*)?", re.ASCII)


def read_qrels(path: str | Path) -> Qrels:
    """The judgements of a file; queries and documents are in its order.

    Raises `InputError`: ``file-unreadable``, ``file-encoding``, ``bad-qrels``.
    """
    file = LineReader(path, "bad-qrels")
    qrels: Qrels = {}
    with file:
        first = file.peek()
        rows = _json_qrels(file) if first.startswith("{") else _column_qrels(file, first)
        for query, doc, relevance in rows:
            judged = qrels.setdefault(query, {})
            if doc in judged:
                file.fail(f"the document {doc!r} of the query {query!r} is judged twice")
            judged[doc] = relevance
    if not qrels:
        file.fail("it has no judgements")
    return qrels


def _json_qrels(file: LineReader) -> Iterator[tuple[str, str, int]]:
    for row in file.objects():
        query_name, query = file.field(row, QUERY_IDS, "a query")
        doc_name, doc = file.field(row, DOC_IDS, "a document")
        _, relevance = file.field(row, RELEVANCES, "a relevance")
        yield file.id(query_name, query), file.id(doc_name, doc), _read_relevance(file, relevance)


def _column_qrels(file: LineReader, first: str) -> Iterator[tuple[str, str, int]]:
    tabbed = len(first.split("\t")) == 3
    places = (0, 1, 2) if tabbed else (0, 2, 3)
    columns = 3 if tabbed else 4
    if tabbed and first.split("\t")[0].strip().lower() in QUERY_IDS:
        next(file)
    for line in file:
        cells = [cell.strip() for cell in line.split("\t")] if tabbed else line.split()
        if len(cells) != columns:
            file.fail(
                f"{many(len(cells), 'column')} instead of {columns}",
                "a line is `query 0 document relevance` (TREC) or `query<TAB>document<TAB>relevance` (BEIR)",
            )
        query, doc, relevance = (cells[place] for place in places)
        yield file.id("query", query), file.id("document", doc), _read_relevance(file, relevance)


def _read_relevance(file: LineReader, value: Json) -> int:
    text = json.dumps(value) if not isinstance(value, str) else value
    if not _INTEGER.fullmatch(text):
        file.fail(f"the relevance {text[:40]} is not an integer")
    number = int(text.partition(".")[0])
    if abs(number) > MOST_RELEVANT:
        file.fail(f"the relevance {number} is outside of -{MOST_RELEVANT} to {MOST_RELEVANT}")
    return number
