"""Logs of User Behavior Insights (UBI, of OpenSearch): what people asked, saw and clicked, as judgements.

Two files of JSON Lines. **Queries**: ``query_id``, ``user_query`` (the text), ``query_response_hit_ids``
(what was shown). **Events**: ``action_name``, ``query_id``, and ``event_attributes.object.object_id``.
Searches for one and the same text are one query, called by the ``query_id`` of the first.

The click model is the simplest there is. A document has an impression in each search that showed it: it is
among ``query_response_hit_ids``, or there is an event ``impression`` or ``click``. It has a click in each
search with an event ``click``, however many. The rate is clicks over impressions; documents with fewer than
`IMPRESSIONS` of them are left out. Relevance is 0 without a click, else 1, 2, 3, 4 for rates below 1/4, below
1/2, below 3/4, and above. Nothing corrects that people click what stands first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from qql.errors import Diagnostic, many
from qql.evaluation.files.lines import LineReader
from qql.rest.types import Json, JsonObject

__all__ = ["IMPRESSIONS", "ClickQrels", "click_qrels", "logged_texts"]

IMPRESSIONS = 10
"""The least number of impressions that a document requires."""
_HITS = "query_response_hit_ids"


class ClickQrels(dict[str, dict[str, float]]):
    """Judgements made of clicks: query id → document id → relevance, 0 to 4.

    ``minimum`` is the least number of impressions, ``left_out`` how many pairs of query and document had
    fewer.
    """

    __slots__ = ("left_out", "minimum")

    def __init__(self, found: dict[str, dict[str, float]], minimum: int, left_out: int) -> None:
        super().__init__(found)
        self.minimum: int = minimum
        self.left_out: int = left_out

    def note(self) -> Diagnostic:
        """How the judgements were made, and that they are not corrected for positions."""
        pairs = sum(map(len, self.values()))
        message = (
            "judgements are rates of clicks over impressions (0 without a click, else 1 to 4), not corrected"
            f" for positions: {many(pairs, 'document')}; {self.left_out} with fewer than {self.minimum}"
            " impressions are left out"
        )
        return Diagnostic("click-judgements", message, severity="note")


def logged_texts(path: str | Path, code: str) -> Iterator[tuple[int, str, str, list[str]]]:
    """The line, the ``query_id``, the text and the documents shown of each search of a log.

    Raises `InputError` with this code.
    """
    file = LineReader(path, code)
    with file:
        for row in file.objects():
            _, key = file.field(row, ("query_id",), "an id")
            _, text = file.field(row, ("user_query",), "a text")
            if not isinstance(text, str):
                file.fail("`user_query` is not a string")
            hits = row.get(_HITS) or []
            if not isinstance(hits, list):
                file.fail(f"`{_HITS}` is not an array")
            yield file.line, file.id("query_id", key), text.strip(), [file.id(_HITS, hit) for hit in hits]


def click_qrels(file: LineReader, queries: str | Path, minimum: int = IMPRESSIONS) -> ClickQrels:
    """The judgements of a file of events that is open, whose searches are in the file ``queries``.

    Raises `InputError` ``bad-qrels``, and what reading raises.
    """
    called: dict[str, str] = {}
    searches: dict[str, str] = {}
    shown: dict[str, set[str]] = {}
    for _, key, text, hits in logged_texts(queries, "bad-qrels"):
        searches[key] = called.setdefault(text, key)
        shown.setdefault(key, set()).update(hits)
    clicked: dict[str, set[str]] = {}
    for search, action, doc in _events(file, searches):
        shown.setdefault(search, set()).add(doc)  # what was clicked was seen
        if action == "click":
            clicked.setdefault(search, set()).add(doc)
    impressions, clicks = (
        Counter((searches[key], doc) for key, docs in found.items() for doc in docs)
        for found in (shown, clicked)
    )
    out: dict[str, dict[str, float]] = {}
    for (query, doc), seen in impressions.items():
        if seen >= minimum:
            out.setdefault(query, {})[doc] = _grade(clicks[query, doc], seen)
    if not out:
        file.line = 0
        file.fail(
            f"no document has {minimum} impressions for a query", "--min-impressions takes a smaller number"
        )
    return ClickQrels(out, minimum, sum(seen < minimum for seen in impressions.values()))


def _grade(clicks: int, impressions: int) -> int:
    return 1 + min(3, 4 * clicks // impressions) if clicks else 0


def _events(file: LineReader, known: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """The search, the action and the document of each event that is a click or an impression."""
    for row in file.objects():
        _, action = file.field(row, ("action_name",), "an action")
        if action not in ("click", "impression"):
            continue
        _, key = file.field(row, ("query_id",), "a query")
        search = file.id("query_id", key)
        if search not in known:
            file.fail(f"the query {search!r} is not in the file of queries")
        yield search, action, file.id("event_attributes.object.object_id", _object_id(row))


def _object_id(row: JsonObject) -> Json:
    value: Json = row
    for name in ("event_attributes", "object", "object_id"):
        value = value.get(name) if isinstance(value, dict) else None
    return value
