"""Files of judgements (qrels)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from qql.errors import many
from qql.evaluation.faults import InputError, argument, whole_from
from qql.evaluation.files.clicks import IMPRESSIONS, click_qrels
from qql.evaluation.files.lines import LineReader
from qql.evaluation.files.quepid import is_case, rated
from qql.evaluation.files.queries import QUERY_IDS, Query
from qql.late import late_pattern
from qql.records import NamedTuple
from qql.rest.types import Json

__all__ = [
    "DOC_IDS",
    "MOST_RELEVANT",
    "RELEVANCES",
    "SUBTOPICS",
    "Judgement",
    "Judgements",
    "Qrels",
    "collected_qrels",
    "read_qrels",
    "relevance_of",
    "subtopics_of",
]

DOC_IDS = ("doc_id", "doc-id", "corpus_id", "corpus-id", "docid", "document", "doc")
"""Names of a judged document's id."""
RELEVANCES = ("relevance", "score", "rel", "label")
"""Names of a judgement's relevance."""
SUBTOPICS = ("subtopic", "subtopic_id", "iteration")
"""Names of the subtopic that a judgement is about."""
MOST_RELEVANT = 1000
"""The largest relevance; ``2^relevance``, the gain of ``dcg='exp-log2'``, has to be a float."""

Qrels = dict[str, dict[str, float]]
"""Query id → document id → relevance."""

_NUMBER = late_pattern(r"[+-]?([0-9]{1,9}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)


class Judgements(dict[str, float]):
    """The judgements of a query whose documents are judged for each of its subtopics.

    A document's relevance is the largest that it has for a subtopic.
    """

    __slots__ = ("subtopics",)

    def __init__(self, subtopics: Mapping[str, Mapping[str, float]]) -> None:
        super().__init__((doc, max(about.values())) for doc, about in subtopics.items())
        self.subtopics: dict[str, dict[str, float]] = {doc: {**about} for doc, about in subtopics.items()}
        """Document id → subtopic → relevance."""


def subtopics_of(judged: Mapping[str, float]) -> Mapping[str, Mapping[str, float]]:
    """Document id → subtopic → relevance; where there are no subtopics, the query is one."""
    if isinstance(judged, Judgements):
        return judged.subtopics
    return {doc: {"": relevance} for doc, relevance in judged.items()}


class Judgement(NamedTuple):
    """One judgement; the subtopic is None where it names none."""

    query: str
    doc: str
    relevance: float
    subtopic: str | None = None


def collected_qrels(found: Iterable[Judgement], fail: Callable[[str], NoReturn]) -> Qrels:
    """The judgements by their queries. ``fail`` is called with what is wrong with the one read last.

    Where they name several subtopics, or differ in whether they name one, queries have `Judgements`.
    """
    every: dict[str, dict[str, dict[str, float]]] = {}
    names: set[str | None] = set()
    for one in found:
        about = every.setdefault(one.query, {}).setdefault(one.doc, {})
        if (one.subtopic or "") in about:
            fail(f"the document {one.doc!r} of the query {one.query!r} is judged twice")
        about[one.subtopic or ""] = one.relevance
        names.add(one.subtopic)
    if len(names) > 1:
        return {query: Judgements(docs) for query, docs in every.items()}
    return {
        query: {doc: next(iter(about.values())) for doc, about in docs.items()}
        for query, docs in every.items()
    }


def read_qrels(path: str | Path, queries: Sequence[Query] = (), *, impressions: int | None = None) -> Qrels:
    """The judgements of a file; queries and documents are in its order.

    Ratings of Quepid are for texts, which are looked up in ``queries``; without those, queries have the
    numbers that `read_queries` gives them. Events of UBI belong to the searches in the file that ``queries``
    were read from; ``impressions`` is the least number of them that a document requires (10).

    Raises `InputError`: ``file-unreadable``, ``file-encoding``, ``bad-qrels``, ``usage`` for ``impressions``
    of other judgements.
    """
    whole_from(1, min_impressions=impressions)
    file = LineReader(path, "bad-qrels")
    with file:
        first = file.peek()
        if first.startswith("{") and '"action_name"' in first:
            return click_qrels(file, _log_of(file, queries), impressions or IMPRESSIONS)
        if impressions is not None:
            message = f"{argument('min_impressions')} has no meaning for judgements that are no events of UBI"
            raise InputError.make("usage", message)
        if is_case(first):
            rows = _rated_qrels(file, first, queries)
        else:
            rows = _json_qrels(file) if first.startswith("{") else _column_qrels(file, first)
        qrels = collected_qrels(rows, file.fail)
    if not qrels:
        file.fail("it has no judgements")
    return qrels


def _log_of(file: LineReader, queries: Sequence[Query]) -> str:
    log = queries[0].file if queries else ""
    if not log:
        file.fail("events of UBI belong to searches", "the queries have to be read from UBI's file of them")
    return log


def _rated_qrels(file: LineReader, first: str, queries: Sequence[Query]) -> Iterator[Judgement]:
    known = {str(query.params.get("query", "")).strip(): query.id for query in queries}
    numbers: dict[str, str] = {}
    for text, doc, rating in rated(file, first):
        number = numbers.setdefault(text, str(len(numbers) + 1))
        if doc is not None:
            name = known.get(text, text if known else number)
            yield Judgement(name, file.id("docid", doc), _read_relevance(file, rating))


def _json_qrels(file: LineReader) -> Iterator[Judgement]:
    for row in file.objects():
        query_name, query = file.field(row, QUERY_IDS, "a query")
        doc_name, doc = file.field(row, DOC_IDS, "a document")
        _, relevance = file.field(row, RELEVANCES, "a relevance")
        about = next((name for name in SUBTOPICS if name in row), None)
        subtopic = None if about is None else file.id(about, row[about])
        read = _read_relevance(file, relevance)
        yield Judgement(file.id(query_name, query), file.id(doc_name, doc), read, subtopic)


def _column_qrels(file: LineReader, first: str) -> Iterator[Judgement]:
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
        subtopic = None if tabbed else cells[1]
        read = _read_relevance(file, relevance)
        yield Judgement(file.id("query", query), file.id("document", doc), read, subtopic)


def _read_relevance(file: LineReader, value: Json) -> float:
    text = json.dumps(value) if not isinstance(value, str) else value
    if not _NUMBER.fullmatch(text):
        file.fail(f"the relevance {text[:40]} is not a number")
    return relevance_of(float(text), file.fail)


def relevance_of(value: float, fail: Callable[[str], NoReturn]) -> float:
    """The relevance, an integer where it is whole. ``fail`` is called for one that is too large."""
    if not abs(value) <= MOST_RELEVANT:
        fail(f"the relevance {value:g} is outside of -{MOST_RELEVANT} to {MOST_RELEVANT}")
    return int(value) if value == int(value) else value
