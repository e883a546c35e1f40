"""What a changed pipeline does to the queries of a set: which hits change, and what measures say to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from qql.errors import QQLError
from qql.evaluation.calls import Call, locate_error
from qql.evaluation.documents import Key, document_key, ranking
from qql.evaluation.files import Qrels, Query, Scored
from qql.evaluation.measures import Evaluation, Measure, evaluate_run
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recording.recomputing import NEEDS_RUN, recompute
from qql.evaluation.significance import MeasureDifference, compare_evaluations
from qql.records import dataclass
from qql.rest.types import Body, JsonObject
from qql.result import Hit

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.evaluation.recording.recordings import Recording

__all__ = ["ChangedQuery", "OtherQueries", "QuerySet"]

_WORST = 5
_SHOWN_TEXT = 40


@dataclass(frozen=True, slots=True)
class ChangedQuery:
    """A query whose best hits are others: the documents that enter and leave, and the first measure before
    and after; None without judgements of it."""

    query: Query
    entered: tuple[str, ...]
    left: tuple[str, ...]
    before: float | None = None
    after: float | None = None

    @property
    def change(self) -> float:
        """What the first measure gains; 0 without judgements."""
        return 0.0 if self.before is None or self.after is None else self.after - self.before

    def row(self) -> JsonObject:
        """``query``, ``text``, ``before``, ``after``, ``left``."""
        text = str(self.query.params.get("query", ""))
        text = text if len(text) <= _SHOWN_TEXT else text[: _SHOWN_TEXT - 1] + "…"
        row: JsonObject = {"query": self.query.id, "text": text}
        if self.before is not None and self.after is not None:
            row |= {"before": round(self.before, 4), "after": round(self.after, 4)}
        return row | {"entered": ", ".join(self.entered), "left": ", ".join(self.left)}

    def to_dict(self) -> JsonObject:
        """As JSON data: the fields, the query by its id."""
        return {
            "query": self.query.id,
            "entered": list(self.entered),
            "left": list(self.left),
            "before": self.before,
            "after": self.after,
        }


@dataclass(frozen=True, slots=True)
class OtherQueries:
    """What a change does to ``count`` other queries.

    ``changed`` are those whose first ``depth`` hits are others than before, those that lose most first.
    ``differences`` has a row a measure where there are judgements. Rankings of ``recomputed`` queries came
    from a recording, the others were asked for.
    """

    count: int
    depth: int
    changed: tuple[ChangedQuery, ...]
    differences: tuple[MeasureDifference, ...] = ()
    recomputed: int = 0

    def worst(self) -> list[ChangedQuery]:
        """The queries that lose by the first measure, the largest loss first, at most five."""
        return [one for one in self.changed if one.change < 0][:_WORST]

    def cells(self) -> JsonObject:
        """As columns of a table."""
        row: JsonObject = {f"top {self.depth} changed": f"{len(self.changed)} of {self.count}"}
        for one in self.differences:
            row[f"{one.measure} change"] = f"{one.difference:+.4f}"
        if self.differences:
            first = self.differences[0]
            row |= {"wins": first.wins, "losses": first.losses}
        return row

    def to_dict(self) -> JsonObject:
        """As JSON data."""
        measures = {
            str(one.measure): {
                "before": one.base_mean,
                "after": one.mean,
                "change": one.difference,
                "wins": one.wins,
                "losses": one.losses,
                "p": one.p,
            }
            for one in self.differences
        }
        return {
            "queries": self.count,
            "depth": self.depth,
            "changed": [one.to_dict() for one in self.changed],
            "measures": measures,
            "recomputed": self.recomputed,
        }


Rankings = Mapping[str, Sequence[Scored]]


class QuerySet:
    """Queries, and the rankings that pipelines have for them.

    With a recording, rankings are recomputed where it says them for certain (but for ties), and asked for
    otherwise. ``qrels`` and ``measures`` may be empty. ``calls`` counts the queries that were asked.
    """

    def __init__(
        self,
        queries: Sequence[Query],
        params: Body,
        *,
        recording: Recording | None,
        qrels: Qrels,
        measures: Sequence[Measure],
        doc_id: str | None,
        progress: Progress,
    ) -> None:
        self.queries = queries
        self.params = params
        self.recording = recording
        self.qrels = qrels
        self.measures = measures
        self.key: Key = document_key(qrels, doc_id)
        self.by_ids: bool = doc_id is None
        self.progress = progress
        self.calls: int = 0
        self.recomputed: int = 0

    def rankings(self, pipeline: Pipeline) -> dict[str, list[Scored]]:
        """The documents of each query, the best first. Raises as `Session.execute` does."""
        from qql.backends.base import Work

        found = dict(self._recomputed(pipeline))
        self.recomputed = len(found)
        for at, query in enumerate(self.queries, 1):
            if query.id not in found:
                values = pipeline.taken({**query.params, **self.params})
                try:
                    found[query.id] = ranking(pipeline.ask(values or None), self.key)
                except QQLError as exc:
                    raise locate_error(exc, pipeline.name, Call(query, values)) from exc
                self.calls += 1
            self.progress(Work("asking the other queries", "queries"), at, len(self.queries))
        return found

    def _recomputed(self, pipeline: Pipeline) -> Iterator[tuple[str, list[Scored]]]:
        """What a recording says: not the documents that a payload names, which it has not."""
        if self.recording is None or not self.by_ids:
            return
        wanted = {query.id for query in self.queries}
        for one in recompute(self.recording, pipeline.text, params=self.params):
            if one.query in wanted and one.verdict != NEEDS_RUN and one.hits is not None:
                hits = [Hit(hit.id, score=hit.score) for hit in one.hits]
                yield one.query, ranking(hits, self.key)

    def compared(self, before: Rankings, after: Rankings, depth: int) -> OtherQueries:
        """What is different about the first hits, and about the measures."""
        evaluations = self._evaluations(before, after)
        differences = tuple(compare_evaluations(evaluations)) if evaluations else ()
        changed = []
        for query in self.queries:
            old, new = ([one.doc for one in side[query.id]][:depth] for side in (before, after))
            entered = tuple(doc for doc in new if doc not in old)
            left = tuple(doc for doc in old if doc not in new)
            if old != new:
                values = [self._value(one, query) for one in evaluations.values()] or [None, None]
                changed.append(ChangedQuery(query, entered, left, *values))
        changed.sort(key=lambda one: (one.change, -len(one.left)))
        return OtherQueries(len(self.queries), depth, tuple(changed), differences, self.recomputed)

    def _evaluations(self, before: Rankings, after: Rankings) -> dict[str, Evaluation]:
        asked = [query.id for query in self.queries]
        if not self.measures or not any(self.qrels.get(query) for query in asked):
            return {}
        sides = {"before": before, "after": after}
        runs = {
            name: {query: [one.doc for one in found] for query, found in side.items()}
            for name, side in sides.items()
        }
        return {name: evaluate_run(run, self.qrels, self.measures, asked) for name, run in runs.items()}

    def _value(self, evaluation: Evaluation, query: Query) -> float | None:
        return evaluation.values[self.measures[0]].get(query.id)
