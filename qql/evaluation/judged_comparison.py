"""Two pipelines on queries with judgements: which queries win and lose, and which documents moved there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from qql.errors import Diagnostic, did_you_mean, many
from qql.evaluation.faults import InputError, argument
from qql.evaluation.files import Query, Scored
from qql.evaluation.measures import Evaluation, Measure, parse_measure
from qql.evaluation.outcome import Outcome
from qql.evaluation.report import comparison_dict, readable_rows
from qql.evaluation.sections import Report, Section, stamp_section
from qql.evaluation.significance import MeasureDifference
from qql.records import dataclass, field
from qql.rest.types import Json, JsonObject

__all__ = [
    "DELTA",
    "JudgedComparison",
    "MovedDocument",
    "QueryChange",
    "judged_comparison",
    "sorted_rows",
    "with_deltas",
]

DELTA = "delta"
"""What rows are sorted by: the change of the first measure."""
_QUERIES_SHOWN = 5
_DOCUMENTS_SHOWN = 5
_LOOKED_AT = 10
"""How deep documents without a judgement are told, where the first measure has no cutoff."""
_LONGEST_TEXT = 40


@dataclass(frozen=True, slots=True)
class MovedDocument:
    """A document in the rankings of A and B: ranks count from 1, None where the ranking lacks it.

    ``label`` is its relevance, None where nobody judged it.
    """

    document: str
    label: float | None
    rank_a: int | None
    rank_b: int | None
    title: str = ""

    @property
    def effect(self) -> float:
        """How much its move adds to DCG: its relevance times the change of 1 / log₂(rank + 1)."""
        return max(self.label or 0, 0) * (_discount(self.rank_b) - _discount(self.rank_a))

    def to_dict(self) -> JsonObject:
        """``{"document", "label", "rank_a", "rank_b"[, "title"]}``."""
        row: JsonObject = {"document": self.document, "label": self.label}
        row |= {"rank_a": self.rank_a, "rank_b": self.rank_b}
        return row | ({"title": self.title} if self.title else {})


def _discount(rank: int | None) -> float:
    return 0.0 if rank is None else 1 / math.log2(rank + 1)


@dataclass(frozen=True, slots=True)
class QueryChange:
    """A query: each measure's value for A and for B, and the documents that moved.

    ``moved`` are the judged documents whose rank differs, and of those without a judgement the ones that
    moved within the first measure's cutoff (else 10); what moves DCG most stands first.
    """

    query: Query
    values: Mapping[Measure, tuple[float, float]] = field(hash=False)
    moved: tuple[MovedDocument, ...]

    @property
    def text(self) -> str:
        """The text of the query; empty where it has none."""
        return str(self.query.params.get("query", ""))

    def delta(self, measure: Measure) -> float:
        """B's value minus A's."""
        a, b = self.values[measure]
        return b - a

    def row(self) -> JsonObject:
        """``query``, ``text``, and for each measure ``NAME A``, ``NAME B`` and ``NAME delta``."""
        row: JsonObject = {"query": self.query.id, "text": self.text}
        for measure, (a, b) in self.values.items():
            row |= {f"{measure} A": round(a, 4), f"{measure} B": round(b, 4)}
            row[f"{measure} {DELTA}"] = round(b - a, 4)
        return row

    def to_dict(self) -> JsonObject:
        """``{"query", "text", "measures": {name: {"a", "b", "delta"}}, "moved"}``; see `MovedDocument`."""
        values = {str(m): {"a": a, "b": b, DELTA: b - a} for m, (a, b) in self.values.items()}
        moved = [one.to_dict() for one in self.moved]
        return {"query": self.query.id, "text": self.text, "measures": values, "moved": moved}


@dataclass(frozen=True, slots=True)
class JudgedComparison(Report):
    """Pipeline B beside A on queries with judgements, as `compare` gives it for ``qrels``.

    ``differences`` has a row a measure (wins are B's), ``queries`` each judged query in the order asked,
    ``outcome`` all else that `evaluate` finds. All measures are better where they are higher.
    """

    a: str
    b: str
    differences: tuple[MeasureDifference, ...]
    queries: tuple[QueryChange, ...]
    outcome: Outcome
    notes: tuple[Diagnostic, ...] = field(default=(), compare=False)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures; the first is the one by which queries are called won or lost."""
        return tuple(one.measure for one in self.differences)

    @property
    def same(self) -> bool:
        """Whether both have the same rankings for every query, judged or not."""
        one, other = (
            {query: [hit.doc for hit in hits] for query, hits in self.outcome.measured[name].run.items()}
            for name in (self.a, self.b)
        )
        return one == other

    def worst(self, measure: Measure | str | None = None) -> list[QueryChange]:
        """The queries that B is worse on by a measure (the first, without one), the largest loss first.

        Raises `InputError`: ``unknown-measure``, and ``usage`` for one that was not measured.
        """
        wanted = self._measured(measure)
        lost = [one for one in self.queries if one.delta(wanted) < 0]
        return sorted(lost, key=lambda one: one.delta(wanted))

    def best(self, measure: Measure | str | None = None) -> list[QueryChange]:
        """The queries that B is better on, the largest gain first. Raises as `worst` does."""
        wanted = self._measured(measure)
        won = [one for one in self.queries if one.delta(wanted) > 0]
        return sorted(won, key=lambda one: -one.delta(wanted))

    def _measured(self, given: Measure | str | None) -> Measure:
        measure = parse_measure(given) if isinstance(given, str) else given
        if measure is not None and measure not in self.measures:
            known = ", ".join(map(str, self.measures))
            raise InputError.make("usage", f"{measure} was not measured", hint=f"there are {known}")
        return measure or self.measures[0]

    def sections(self) -> list[Section]:
        """Each measure with its wins and losses, the queries that lost and won most, and what moved there."""
        first, lost, won = self.measures[0], self.worst(), self.best()
        over = many(len(self.queries), "judged query", "judged queries")
        title = f"{self.b} (B) against {self.a} (A), over {over}"
        said = (
            *(
                f"{one.measure}: the change is {one.low:+.4f} to {one.high:+.4f} (95 %)"
                for one in self.differences
            ),
            "p: of a paired randomization test, corrected for all of these tests (Holm)",
        )
        out = [Section(title, [_measure_row(one, len(self.queries)) for one in self.differences], said)]
        for what, found in (("Worst regressions", lost), ("Greatest gains", won)):
            if found:
                some = found[:_QUERIES_SHOWN]
                more = (f"{many(len(found) - len(some), 'more query', 'more queries')} of this kind",)
                rows = [_change_row(one, first) for one in some]
                out.append(Section(f"{what} by {first}", rows, more if len(found) > len(some) else ()))
        out += [_moved_section(one, first) for one in lost[:_QUERIES_SHOWN]]
        stamp = self.outcome.stamp
        return [*out, *([] if stamp is None else [stamp_section(stamp)])]

    def rows(self) -> list[JsonObject]:
        """A row a query: ``query``, ``text``, and for each measure ``NAME A``, ``NAME B``, ``NAME delta``."""
        return [one.row() for one in self.queries]

    def to_dict(self) -> JsonObject:
        """As JSON data. Keys are added in later versions, never renamed or removed.

        ``{"version": 1, "a", "b", "queries", "same", "measures", "regressions", "gains", "rows", "notes",
        "stamp"}``: ``measures`` as `comparison_dict` has them, with ``ties``; ``regressions`` and ``gains``
        are measure → ids of queries, the largest change first; ``rows`` as `QueryChange` has them.
        """
        return {
            "version": 1,
            "a": self.a,
            "b": self.b,
            "queries": len(self.queries),
            "same": self.same,
            "measures": [comparison_dict(one) | {"ties": self._ties(one)} for one in self.differences],
            "regressions": {str(m): [one.query.id for one in self.worst(m)] for m in self.measures},
            "gains": {str(m): [one.query.id for one in self.best(m)] for m in self.measures},
            "rows": [one.to_dict() for one in self.queries],
            "notes": [one.to_dict() for one in self.notes],
            "stamp": None if self.outcome.stamp is None else self.outcome.stamp.to_dict(),
        }

    def _ties(self, one: MeasureDifference) -> int:
        return len(self.queries) - one.wins - one.losses


def _measure_row(one: MeasureDifference, queries: int) -> JsonObject:
    verdict = ("better" if one.difference > 0 else "worse") if one.significant() else "chance?"
    return {
        "measure": str(one.measure),
        "A": f"{one.base_mean:.4f}",
        "B": f"{one.mean:.4f}",
        "change": f"{one.difference:+.4f}",
        "wins": one.wins,
        "losses": one.losses,
        "ties": queries - one.wins - one.losses,
        "p": f"{one.p_holm:.4f}" if one.p_holm >= 0.0001 else "<0.0001",
        "verdict": verdict,
    }


def _change_row(one: QueryChange, measure: Measure) -> JsonObject:
    a, b = one.values[measure]
    text = one.text if len(one.text) <= _LONGEST_TEXT else one.text[: _LONGEST_TEXT - 1] + "…"
    return {"query": one.query.id, "text": text, "A": f"{a:.4f}", "B": f"{b:.4f}", "change": f"{b - a:+.4f}"}


def _moved_section(one: QueryChange, measure: Measure) -> Section:
    a, b = one.values[measure]
    shown = one.moved[:_DOCUMENTS_SHOWN]
    rows = [
        {"rank_a": moved.rank_a, "rank_b": moved.rank_b, "label": moved.label, "document": moved.document}
        | ({"title": moved.title} if any(one.title for one in shown) else {})
        for moved in shown
    ]
    text = f": {one.text}" if one.text else ""
    rest = len(one.moved) - len(shown)
    notes = (f"{many(rest, 'more document')} moved",) if rest else ()
    return Section(f"{one.query.id}{text} ({measure} {a:.4f} → {b:.4f})", readable_rows(rows), notes)


def judged_comparison(outcome: Outcome, queries: Iterable[Query] = ()) -> JudgedComparison:
    """What `evaluate` found for two pipelines, as a comparison; ``queries`` have the texts that are shown.

    Raises `InputError` ``usage`` unless there are two pipelines.
    """
    if len(outcome.measured) != 2:
        found = many(len(outcome.measured), "pipeline")
        raise InputError.make("usage", f"two pipelines are compared, found {found}")
    a = outcome.baseline or next(iter(outcome.measured))
    (b,) = (name for name in outcome.measured if name != a)
    known = {query.id: query for query in queries}
    of_a, of_b = outcome.evaluations[a], outcome.evaluations[b]
    changes = tuple(
        QueryChange(
            known.get(query) or Query(query, {}),
            {
                measure: (of_a.values[measure][query], of_b.values[measure][query])
                for measure in of_a.measures
            },
            _moved(outcome, a, b, query, of_a.measures[0].cutoff or _LOOKED_AT),
        )
        for query in of_a.queries
    )
    return JudgedComparison(a, b, tuple(outcome.comparisons), changes, outcome, outcome.notes)


def _moved(outcome: Outcome, a: str, b: str, query: str, depth: int) -> tuple[MovedDocument, ...]:
    one, other = (outcome.measured[name] for name in (a, b))
    ranks_a, ranks_b = (_ranks(side.run.get(query, ())) for side in (one, other))
    judged = outcome.qrels.get(query, {})
    moved = [
        MovedDocument(
            doc,
            judged.get(doc),
            ranks_a.get(doc),
            ranks_b.get(doc),
            one.titles.get(doc) or other.titles.get(doc, ""),
        )
        for doc in dict.fromkeys([*ranks_a, *ranks_b])
        if ranks_a.get(doc) != ranks_b.get(doc)
    ]
    told = [moved for moved in moved if moved.label is not None or _highest(moved) <= depth]
    return tuple(sorted(told, key=lambda moved: (-abs(moved.effect), _highest(moved))))


def _highest(moved: MovedDocument) -> int:
    return min(rank for rank in (moved.rank_a, moved.rank_b) if rank is not None)


def _ranks(hits: Sequence[Scored]) -> dict[str, int]:
    return {hit.doc: rank for rank, hit in enumerate(hits, 1)}


# ------------------------------------------------------------------------------------ each query, sorted


def sorted_rows(
    rows: Sequence[JsonObject], by: str, measures: Sequence[Measure], side: str = ""
) -> list[JsonObject]:
    """Rows of queries, the worst first: by a measure (its column has ``side`` behind its name), or by
    ``delta``, the change of the first one.

    Raises `InputError`: ``unknown-measure``, ``bad-measure``, and ``usage`` for one that was not measured.
    """
    if by == DELTA:
        column = f"{measures[0]} {DELTA}"
    else:
        measure = parse_measure(by)
        if measure not in measures:
            known = [*map(str, measures), DELTA]
            hint = did_you_mean(by, known) or f"there are {', '.join(known)}"
            raise InputError.make("usage", f"{argument('sort', by)}: it was not measured", hint=hint)
        column = f"{measure}{side}"
    return sorted(rows, key=lambda row: _number(row.get(column)))


def _number(value: Json) -> float:
    return float(value) if isinstance(value, (int, float)) else math.inf


def with_deltas(
    rows: Sequence[JsonObject], evaluations: Mapping[str, Evaluation], baseline: str | None
) -> list[JsonObject]:
    """The rows of `query_rows` with the change of the first measure against the baseline, as ``NAME delta``.

    The baseline's own have none. Raises `InputError` ``usage`` where there is nothing to compare with.
    """
    if baseline is None:
        hint = "a second pipeline, or a measure"
        raise InputError.make("usage", f"{argument('sort', DELTA)} requires two pipelines", hint=hint)
    measure = evaluations[baseline].measures[0]
    base = evaluations[baseline].values[measure]
    out = []
    for row in rows:
        mine = evaluations[row["pipeline"]].values[measure][row["query"]]
        change = None if row["pipeline"] == baseline else round(mine - base[row["query"]], 4)
        out.append({**row, f"{measure} {DELTA}": change})
    return out
