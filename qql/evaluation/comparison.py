"""Two results side by side: which hits moved, and how alike the rankings are; for one query or for many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from qql.analysis.fusion import close
from qql.analysis.titles import title_of
from qql.errors import Diagnostic, QQLExecutionError, fail, many
from qql.evaluation.documents import in_order, order_key
from qql.evaluation.files import Query
from qql.evaluation.rankings import (
    DEFAULT_PERSISTENCE,
    jaccard,
    kendall_tau,
    overlap_at,
    rank_biased_overlap,
)
from qql.evaluation.report import readable_rows
from qql.evaluation.sections import Report, Section
from qql.records import dataclass, field
from qql.rest.types import Json, JsonObject
from qql.result import Hit, Result

__all__ = ["Comparison", "Moved", "Survey", "compare_results", "title_of"]

_ALIKE = ("same", "tie")
_OVERLAP_DEPTH = 10
"""The k of the overlap that is shown for each of many queries, where results are as long."""
_SIGNS = {"same": "=", "up": "↑", "down": "↓"}

HitKey = tuple[Json, int | str]
"""What makes a hit the same in both results: its group (None without GROUP BY) and its id."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A hit in two results, A and B. Ranks are counted from 1 and None where the result lacks the hit.

    ``move`` is ``same``, ``up`` or ``down`` (B has it higher or lower), ``new`` (only B has it), ``gone``, or
    ``tie``: the ranks differ, and equal scores explain it, whose order is the engine's chance.
    """

    id: int | str
    group: Json
    move: str
    rank_a: int | None
    rank_b: int | None
    score_a: float | None
    score_b: float | None
    title: str = ""

    def __str__(self) -> str:
        """The move in short: ``=``, ``↑2``, ``↓1``, ``new``, ``gone``, ``tie``."""
        sign = _SIGNS.get(self.move, self.move)
        if self.move not in ("up", "down") or self.rank_a is None or self.rank_b is None:
            return sign
        return f"{sign}{abs(self.rank_a - self.rank_b)}"


@dataclass(frozen=True, slots=True)
class Comparison(Report):
    """Two results compared: ``moved`` has the hits of A in their order, then those that only B has.

    ``a`` and ``b`` are the rankings. ``jaccard`` is of the hits as a set, ``rbo`` with the persistence ``p``,
    ``tau`` over the ``common`` hits, of which ties are those of equal scores; None where fewer than two hits
    are common, or all of them tie.
    """

    moved: tuple[Moved, ...]
    a: tuple[HitKey, ...]
    b: tuple[HitKey, ...]
    jaccard: float
    rbo: float
    p: float
    tau: float | None
    notes: tuple[Diagnostic, ...] = field(default=(), compare=False)

    def overlap(self, k: int) -> float:
        """`overlap_at` k."""
        return overlap_at(self.a, self.b, k)

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The k of overlap@k: 1, 5, 10, 20, 50, 100, …, and the length of the longer ranking."""
        return _overlap_cutoffs(max(len(self.a), len(self.b)))

    @property
    def common(self) -> int:
        """How many hits are in both."""
        return len({*self.a} & {*self.b})

    @property
    def same(self) -> bool:
        """Whether these are the same hits in the same order, up to ties."""
        return all(one.move in _ALIKE for one in self.moved)

    @property
    def same_scores(self) -> bool:
        """Whether no score of a common hit differs by more than rounding."""
        pairs = [(one.score_a, one.score_b) for one in self.moved if one.rank_a and one.rank_b]
        return all(x == y or (x is not None and y is not None and close(x, y)) for x, y in pairs)

    @property
    def verdict(self) -> str:
        """In words what is the same."""
        if not self.moved:
            return "no hits on either side"
        if self.same:
            ties = "" if all(one.move == "same" for one in self.moved) else ", up to ties"
            scores = "" if self.same_scores else "; the scores differ"
            return f"the same hits in the same order{ties}{scores}"
        changed = [one for one in self.moved if one.move in ("new", "gone")]
        if not changed:
            return "the same hits in another order"
        new = sum(one.move == "new" for one in changed)
        return f"{many(self.common, 'hit')} in common, {len(changed) - new} gone, {new} new"

    def lines(self) -> tuple[str, ...]:
        """The measures and the verdict in sentences."""
        tau = "nothing to compare: fewer than two common hits, or all of them tie"
        if self.tau is not None:
            tau = f"{self.tau:.3f} over the {self.common} common hits"
        overlaps = ", ".join(f"@{k} {self.overlap(k):.3f}" for k in self.cutoffs)
        return (
            *([f"overlap {overlaps}"] if overlaps else []),
            f"Jaccard {self.jaccard:.3f}",
            f"rank-biased overlap {self.rbo:.3f} (p = {self.p:g})",
            f"Kendall's tau {tau}",
            self.verdict,
        )

    def sections(self) -> list[Section]:
        """The hits side by side, and how alike the rankings are."""
        return [Section("the hits", readable_rows(self.rows()), self.lines())]

    def measures(self, cutoffs: Iterable[int] | None = None) -> dict[str, float | None]:
        """Every measure by its name: ``overlap@k`` for each cutoff, ``jaccard``, ``rbo``, ``tau``."""
        overlaps = {f"overlap@{k}": self.overlap(k) for k in (self.cutoffs if cutoffs is None else cutoffs)}
        return {**overlaps, "jaccard": self.jaccard, "rbo": self.rbo, "tau": self.tau}

    def rows(self) -> list[JsonObject]:
        """A row a hit: ``rank_a``, ``group`` (where there is one), ``id``, ``rank_b``, ``move``, ``score_a``,
        ``score_b``, ``title`` (where there is one)."""
        grouped = any(one.group is not None for one in self.moved)
        titled = any(one.title for one in self.moved)
        return [
            {"rank_a": one.rank_a}
            | ({"group": one.group} if grouped else {})
            | {"id": one.id, "rank_b": one.rank_b, "move": str(one)}
            | {"score_a": one.score_a, "score_b": one.score_b}
            | ({"title": one.title} if titled else {})
            for one in self.moved
        ]

    def to_dict(self) -> JsonObject:
        """As JSON data: ``{"same", "same_scores", "verdict", "hits": {"a", "b", "common"}, "measures", "p",
        "rows"}``. The moves of the rows are named as in `Moved`."""
        return {
            "same": self.same,
            "same_scores": self.same_scores,
            "verdict": self.verdict,
            "hits": {"a": len(self.a), "b": len(self.b), "common": self.common},
            "measures": self.measures(),
            "p": self.p,
            "rows": [row | {"move": one.move} for row, one in zip(self.rows(), self.moved, strict=True)],
        }


def compare_results(
    a: Result | Sequence[Hit],
    b: Result | Sequence[Hit],
    *,
    depth: int | None = None,
    p: float = DEFAULT_PERSISTENCE,
) -> Comparison:
    """Compare the hits of two results, of each at most the first ``depth`` (from 1); ``p`` is RBO's.

    Equal hits stand `in_order`. A hit is known again by its id, and by its group too where both results have
    groups; a point that several groups of one result hold counts where it stands first. Raises
    `QQLExecutionError`: ``no-hits`` for a result of another kind, ``bad-depth``, ``bad-persistence``.
    """
    if depth is not None and depth < 1:
        fail(
            "bad-depth",
            f"a comparison requires a depth of at least 1, found {depth}",
            error=QQLExecutionError,
        )
    found_a, found_b = _hits_to_compare(a)[:depth], _hits_to_compare(b)[:depth]
    grouped = all(hit.group is not None for hit in (*found_a, *found_b))
    side_a = _Side.from_hits(found_a, order_key(a), grouped)
    side_b = _Side.from_hits(found_b, order_key(b), grouped)
    common = [key for key in side_a.hits if key in side_b.hits]
    keys = [*side_a.hits, *(key for key in side_b.hits if key not in side_a.hits)]
    return Comparison(
        moved=tuple(_moved_hit(key, side_a, side_b) for key in keys),
        a=tuple(side_a.hits),
        b=tuple(side_b.hits),
        jaccard=jaccard([*side_a.hits], [*side_b.hits]),
        rbo=rank_biased_overlap([*side_a.hits], [*side_b.hits], p),
        p=p,
        tau=kendall_tau((side_a.ties[key].start, side_b.ties[key].start) for key in common),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """One result: its hits, their ranks, and the ranks that chance could have given each among its equals."""

    hits: dict[HitKey, Hit]
    ranks: dict[HitKey, int]
    ties: dict[HitKey, range]

    @classmethod
    def from_hits(cls, found: Sequence[Hit], order: Callable[[Hit], object], grouped: bool) -> _Side:
        hits: dict[HitKey, Hit] = {}
        for hit in found:
            hits.setdefault((hit.group if grouped else None, hit.id), hit)
        ties: dict[HitKey, range] = {}
        for _, equals in groupby(hits.items(), lambda item: order(item[1])):
            keys = [key for key, _ in equals]
            ties |= dict.fromkeys(keys, range(len(ties) + 1, len(ties) + len(keys) + 1))
        return cls(hits, {key: rank for rank, key in enumerate(hits, 1)}, ties)


def _hits_to_compare(found: Result | Sequence[Hit]) -> Sequence[Hit]:
    if isinstance(found, Result) and found.kind != "hits":
        fail(
            "no-hits",
            "this result has no hits to compare",
            hint="compare queries",
            error=QQLExecutionError,
        )
    return in_order(found)


def _moved_hit(key: HitKey, a: _Side, b: _Side) -> Moved:
    rank_a, rank_b = a.ranks.get(key), b.ranks.get(key)
    hit_a, hit_b = a.hits.get(key), b.hits.get(key)
    if rank_a is None or rank_b is None:
        move = "new" if rank_a is None else "gone"
    elif rank_a == rank_b:
        move = "same"
    elif {*a.ties[key]} & {*b.ties[key]}:
        move = "tie"
    else:
        move = "up" if rank_b < rank_a else "down"
    return Moved(
        id=key[1],
        group=key[0],
        move=move,
        rank_a=rank_a,
        rank_b=rank_b,
        score_a=hit_a.score if hit_a else None,
        score_b=hit_b.score if hit_b else None,
        title=next((title for hit in (hit_a, hit_b) if hit and (title := title_of(hit))), ""),
    )


def _overlap_cutoffs(longest: int) -> tuple[int, ...]:
    steps = [1, *(step * 10**power for power in range(len(str(longest))) for step in (5, 10, 20))]
    return (*(k for k in steps if k < longest), *([longest] if longest else []))


# ------------------------------------------------------------------------------------ many queries


@dataclass(frozen=True, slots=True)
class Survey(Report):
    """Two pipelines compared over many queries: ``found`` has each query with its comparison, in order."""

    found: tuple[tuple[Query, Comparison], ...]
    notes: tuple[Diagnostic, ...] = field(default=(), compare=False)

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The k of overlap@k, up to the longest ranking of all."""
        return _overlap_cutoffs(
            max((len(side) for _, one in self.found for side in (one.a, one.b)), default=0)
        )

    @property
    def same(self) -> bool:
        """Whether every query has the same hits in the same order, up to ties."""
        return all(one.same for _, one in self.found)

    @property
    def verdict(self) -> str:
        """In words for how many queries the results are the same."""
        same = sum(one.same for _, one in self.found)
        give = "gives" if len(self.found) == 1 else "give"
        queries = many(len(self.found), "query", "queries")
        return f"{same} of {queries} {give} the same hits in the same order, up to ties"

    def sections(self) -> list[Section]:
        """The measures over all queries, and the queries that differ most."""
        k = max((k for k in self.cutoffs if k <= _OVERLAP_DEPTH), default=_OVERLAP_DEPTH)
        shown = ("query", "text", "gone", "new", f"overlap@{k}", "rbo", "tau")
        most = [{name: row[name] for name in shown if name in row} for row in self.most_different()]
        means = Section("over all queries", readable_rows(self.means()), (self.verdict,))
        return [means, Section("the queries that differ most", readable_rows(most))] if most else [means]

    def means(self) -> list[JsonObject]:
        """A row a measure: ``measure``, ``mean``, ``least``, and the number of ``queries`` that have it."""
        values: dict[str, list[float]] = {}
        for _, one in self.found:
            for name, value in one.measures(self.cutoffs).items():
                values.setdefault(name, []).extend([] if value is None else [value])
        return [
            {
                "measure": name,
                "mean": math.fsum(of) / len(of) if of else None,
                "least": min(of, default=None),
                "queries": len(of),
            }
            for name, of in values.items()
        ]

    def rows(self) -> list[JsonObject]:
        """A row a query: ``query`` (its id), ``text``, ``same``, ``gone``, ``new``, and every measure."""
        return [_query_row(query, one, self.cutoffs) for query, one in self.found]

    def most_different(self, most: int = 10) -> list[JsonObject]:
        """The rows of the queries whose results differ, those with the least RBO first."""
        ranked = sorted((one.rbo, at) for at, (_, one) in enumerate(self.found) if not one.same)
        return [_query_row(*self.found[at], self.cutoffs) for _, at in ranked[:most]]

    def to_dict(self) -> JsonObject:
        """As JSON data: ``{"queries", "same", "verdict", "means", "rows"}``."""
        return {
            "queries": len(self.found),
            "same": sum(one.same for _, one in self.found),
            "verdict": self.verdict,
            "means": self.means(),
            "rows": self.rows(),
        }


def _query_row(query: Query, one: Comparison, cutoffs: Iterable[int]) -> JsonObject:
    moves = [moved.move for moved in one.moved]
    return {
        "query": query.id,
        "text": str(query.params.get("query", "")),
        "same": one.same,
        "gone": moves.count("gone"),
        "new": moves.count("new"),
        **one.measures(cutoffs),
    }
