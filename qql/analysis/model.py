"""What an analysis consists of, as data: candidates, stages, comparisons, and the whole query."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import repeat
from operator import itemgetter

from qql.analysis.cut_tie import CutTie
from qql.analysis.text import joined
from qql.analysis.timing import Timing
from qql.compiler.plan import Input, QueryPlan, Stage
from qql.records import NamedTuple, dataclass, replace
from qql.rest.fusion import f32
from qql.rest.request import Request
from qql.rest.types import Body, JsonObject

__all__ = [
    "EXPLAINED",
    "Ablation",
    "Analysis",
    "Candidate",
    "Difference",
    "Fused",
    "Id",
    "Move",
    "OrderValue",
    "Overlap",
    "Path",
    "Reached",
    "Reranked",
    "Rescored",
    "ScoreRange",
    "Scores",
    "SecondStageReport",
    "StageReport",
    "StageRun",
    "Timing",
    "Verdict",
    "explained",
    "reached_hits",
]

Id = int | str
OrderValue = float | str
"""A value of the field of ORDER BY, as the engine gives it."""
Path = tuple[int, ...]
"""The positions in the lists of prefetches that lead from the root to a stage; the root's is empty."""

_BINS = 10


# ------------------------------------------------------------------------------------ points of a stage


class Candidate(NamedTuple):
    """A point as a stage gave it. ``order_value`` is there where the stage orders by a field."""

    id: Id
    score: float
    order_value: OrderValue | None = None

    @classmethod
    def of(cls, point: Body) -> Candidate:
        """From a point of a query's answer."""
        return cls(point["id"], f32(point["score"]), point.get("order_value"))

    @classmethod
    def of_all(cls, points: Sequence[Body]) -> tuple[Candidate, ...]:
        """From all points of an answer; at once, as there may be thousands."""
        try:
            scores = array("f", [point["score"] for point in points])
        except (OverflowError, TypeError):  # an integer beyond any float
            return tuple(map(cls.of, points))
        ids, values = map(itemgetter("id"), points), [point.get("order_value") for point in points]
        return tuple(map(tuple.__new__, repeat(cls), zip(ids, scores, values, strict=True)))

    def to_dict(self) -> JsonObject:
        """``{"id", "score"[, "order_value"]}``."""
        found: JsonObject = {"id": self.id, "score": self.score}
        return found if self.order_value is None else found | {"order_value": self.order_value}


class Fused(NamedTuple):
    """A point of a recomputed fusion. ``parts``: what each list gave to it, None where it lacks the point.

    ``order_value`` is there where the fusion goes by it: DBSF of points that a field has ordered.
    """

    id: Id
    score: float
    parts: tuple[float | None, ...]
    order_value: OrderValue | None = None


class Reached(NamedTuple):
    """A candidate that is among the final hits: its rank there and its rank in the stage, both from 1."""

    id: Id
    rank: int
    stage_rank: int


def reached_hits(found: Sequence[Candidate], hits: Sequence[Candidate], offset: int) -> tuple[Reached, ...]:
    """Those of a stage's candidates that are among the hits, whose ranks count from ``offset`` + 1."""
    ranks = {one.id: rank for rank, one in enumerate(found, 1)}
    final: dict[Id, int] = {}
    for rank, one in enumerate(hits, offset + 1):
        final.setdefault(one.id, rank)
    return tuple([Reached(key, rank, ranks[key]) for key, rank in final.items() if key in ranks])


# ------------------------------------------------------------------------------------ one stage


@dataclass(frozen=True, slots=True)
class StageRun:
    """One distinct stage of a request, and the body that runs it alone.

    ``label`` is unique within the query. ``paths`` are its places in the request, ``chain`` the plan's
    inputs from the root to the first of them, both ends included. ``inputs`` are the positions of the
    stages below it in the list of all runs, in the order of the prefetches, with repetitions. ``limit`` is
    the number of slots: how many candidates it can give at most (the root's includes OFFSET). ``named`` are
    the points that it names, which are in no stage of the query. ``notes`` say where the engine does
    something else than the stage says.
    """

    label: str
    paths: tuple[Path, ...]
    chain: tuple[Input, ...]
    body: Body
    limit: int
    inputs: tuple[int, ...] = ()
    named: tuple[Id, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def given(self) -> Input:
        """The reference: the plan's stage, and the WHERE and SCORE THRESHOLD that PREFETCH adds to it."""
        return self.chain[-1]

    @property
    def stage(self) -> Stage:
        """The plan's stage."""
        return self.chain[-1].stage

    @property
    def depth(self) -> int:
        """How far below the root it stands at the nearest; 0 is the root."""
        return min(map(len, self.paths))


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a stage's candidates; ``histogram`` counts them in equal steps from low to high."""

    low: float
    median: float
    high: float
    histogram: tuple[int, ...]

    @classmethod
    def of(cls, values: Sequence[float], bins: int = _BINS) -> Scores | None:
        """Of no scores: None. Equal scores all stand in the first step, and where one is infinite all."""
        if not values:
            return None
        low, high = min(values), max(values)
        from statistics import median

        counts = [0] * bins
        width = (high - low) / bins
        for value in values:
            counts[min(bins - 1, int((value - low) / width)) if 0 < width < math.inf else 0] += 1
        return cls(low, median(values), high, tuple(counts))

    def to_dict(self) -> JsonObject:
        """``{"min", "median", "max", "histogram"}``."""
        return {"min": self.low, "median": self.median, "max": self.high, "histogram": list(self.histogram)}


@dataclass(frozen=True, slots=True)
class Overlap:
    """Candidates that two stages have in common, and their share of all that either has (Jaccard)."""

    label: str
    count: int
    jaccard: float

    def to_dict(self) -> JsonObject:
        """``{"stage", "count", "jaccard"}``."""
        return {"stage": self.label, "count": self.count, "jaccard": self.jaccard}


# ------------------------------------------------------------------------------------ comparisons

EXPLAINED = {
    "groups": "GROUP BY asks several times, with other limits and filters, and each time fuses anew",
    "sample": "a stage draws points by chance, others each time",
    "shards": "each shard fuses and rescores for itself what it has, but for a fusion at the root",
    "mmr": "below another stage, a server gives other points for an MMR than it gives alone",
    "nondeterminism": "the engine answered a stage differently when it was asked again",
    "malformed": "the engine's list is out of order, too long, or below its SCORE THRESHOLD",
    "unexplained": "no reason is known",
}
"""The reasons of a `Difference`, but for those that do no harm, as half a sentence."""


def explained(reason: str, shards: int = 0) -> str:
    """A reason as half a sentence; ``shards`` is the number of shards, 0 where nobody asked."""
    text = EXPLAINED[reason]
    return text.replace("each shard", f"each of the {shards} shards") if shards > 1 else text


_OTHERWISE = {"shards", "mmr"}
"""The reasons by which the stages alone cannot say what the engine fuses."""
_HARMLESS = {"ties", "rounding"}
_WRONG = {"malformed", "unexplained"}


@dataclass(frozen=True, slots=True)
class Difference:
    """A point of which engine and recomputation disagree.

    ``rank`` is its place (from 1) in the engine's list, ``score`` its score there, both None where the engine
    left it out; ``expected`` is the recomputed score, None where no input has the point. ``reason`` is
    ``ties``, ``rounding``, ``sample``, ``groups``, ``shards``, ``mmr``, ``nondeterminism``, ``malformed`` or
    ``unexplained``.
    """

    id: Id
    rank: int | None
    score: float | None
    expected: float | None
    reason: str

    def to_dict(self) -> JsonObject:
        """``{"id", "rank", "score", "expected", "reason"}``."""
        from dataclasses import asdict

        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison found. ``order`` is the recomputed list, cut as the stage cuts it.

    ``by_direction`` says that DBSF turned lists of distances round, as servers after 1.19 do. ``shards`` is
    the number of shards, 0 where it is no matter.
    """

    order: tuple[Fused, ...]
    compared: int
    differences: tuple[Difference, ...] = ()
    by_direction: bool = False
    shards: int = 0

    @property
    def same(self) -> bool:
        """Whether the engine's list is the recomputed one, up to ties and rounding."""
        return all(one.reason in _HARMLESS for one in self.differences)

    @property
    def unexplained(self) -> int:
        """How many points differ for no known reason."""
        return sum(one.reason in _WRONG for one in self.differences)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the differences, the most frequent first."""
        found = [one.reason for one in self.differences]
        return tuple(sorted(set(found), key=lambda reason: (-found.count(reason), reason)))

    @property
    def text(self) -> str:
        """``recomposed = engine``, or in how many points they differ and why.

        ``not recomposable, because …`` where the stages alone cannot say what the engine fuses.
        """
        equal = "recomposed = engine" + (", with distances turned round" if self.by_direction else "")
        if not self.differences:
            return equal
        if self.same:
            return f"{equal}, but for {joined(self.reasons)}"
        count = sum(one.reason not in _HARMLESS for one in self.differences)
        points = f"{count} point{'' if count == 1 else 's'}"
        harmful = [reason for reason in self.reasons if reason not in _HARMLESS]
        reasons = [explained(reason, self.shards) for reason in harmful]
        if _OTHERWISE.issuperset(harmful):
            return f"not recomposable, because {joined(reasons)}: {points} differ{'s' if count == 1 else ''}"
        return f"recomposed ≠ engine in {points}: {joined(reasons)}"

    def to_dict(self) -> JsonObject:
        """``{"same", "verdict", "compared", "differences": […]}``."""
        differences = [one.to_dict() for one in self.differences]
        return {
            "same": self.same,
            "verdict": self.text,
            "compared": self.compared,
            "differences": differences,
        }


@dataclass(frozen=True, slots=True)
class Rescored:
    """What a rescoring stage did with the ``union`` of its inputs.

    ``kept`` is how many of them it has; ``strangers`` are points that it has and no input gave, ``reason``
    why (one of those of `Difference`), ``shards`` the number of shards where that is the reason.
    """

    union: int
    kept: int
    strangers: tuple[Id, ...] = ()
    reason: str | None = None
    shards: int = 0

    def to_dict(self) -> JsonObject:
        """``{"union", "kept", "strangers": [id], "reason"}``."""
        from dataclasses import asdict

        found = asdict(self) | {"strangers": list(self.strangers)}
        del found["shards"]
        return found


@dataclass(frozen=True, slots=True)
class StageReport:
    """What one stage did. The root's ``candidates`` are all that it found, those before OFFSET too.

    ``exclusive`` are the candidates that no other stage found; stages above and below are no others.
    ``verdict`` is there for fusions, ``rescored`` for other stages with inputs; ``cut`` where its limit cut a
    tie.
    """

    run: StageRun
    candidates: tuple[Candidate, ...]
    reached: tuple[Reached, ...] = ()
    exclusive: frozenset[Id] = frozenset()
    overlaps: tuple[Overlap, ...] = ()
    timing: Timing | None = None
    verdict: Verdict | None = None
    rescored: Rescored | None = None
    cut: CutTie | None = None

    @property
    def label(self) -> str:
        """The stage's name within the query."""
        return self.run.label

    @property
    def returned(self) -> int:
        """How many candidates it gave."""
        return len(self.candidates)

    @property
    def unused(self) -> int:
        """How many of its slots it left empty."""
        return max(0, self.run.limit - len(self.candidates))

    @property
    def scores(self) -> Scores | None:
        """The scores of its candidates, None where there are none."""
        return Scores.of([one.score for one in self.candidates])

    @property
    def exclusive_hits(self) -> tuple[Reached, ...]:
        """The final hits that no other stage found."""
        return tuple(one for one in self.reached if one.id in self.exclusive)

    def to_dict(self, inputs: Sequence[str]) -> JsonObject:
        """As `Analysis.to_dict` has it; ``inputs`` are the labels of the stages that feed it."""
        return {
            "label": self.label,
            "paths": [list(path) for path in self.run.paths],
            "depth": self.run.depth,
            "inputs": list(inputs),
            "limit": self.run.limit,
            "returned": self.returned,
            "unused": self.unused,
            "timing": self.timing and self.timing.to_dict(),
            "scores": self.scores and self.scores.to_dict(),
            "in_hits": [one._asdict() for one in self.reached],
            "exclusive": {"candidates": len(self.exclusive), "hits": [one.id for one in self.exclusive_hits]},
            "overlaps": [one.to_dict() for one in self.overlaps],
            "fusion": self.verdict and self.verdict.to_dict(),
            "rescored": self.rescored and self.rescored.to_dict(),
            "cut_tie": self.cut and self.cut.to_dict(),
            "candidates": [one.to_dict() for one in self.candidates],
            "notes": list(self.run.notes),
        }


# ------------------------------------------------------------------------------------ ABLATE


class Move(NamedTuple):
    """A hit that is at another rank (from 1) without the stage."""

    id: Id
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Ablation:
    """The hits without one input of the root, beside those with all of them.

    ``order`` are the hits without it; ``entered`` are new among them, ``left`` are gone. ``overlap`` is the
    share of the hits with all inputs that remain, from 0 to 1 (1 where there were none).
    """

    label: str
    order: tuple[Candidate | Fused, ...]
    entered: tuple[Id, ...]
    left: tuple[Id, ...]
    moved: tuple[Move, ...]
    overlap: float

    def to_dict(self) -> JsonObject:
        """``{"without", "overlap", "entered", "left", "moved", "hits"}``."""
        return {
            "without": self.label,
            "overlap": self.overlap,
            "entered": list(self.entered),
            "left": list(self.left),
            "moved": [move._asdict() for move in self.moved],
            "hits": [{"id": hit.id, "score": hit.score} for hit in self.order],
        }


# ------------------------------------------------------------------------------------ RERANK


class Reranked(NamedTuple):
    """A candidate behind the second stage: its rank there and in the first (both from 1), and both scores.

    ``second_score`` is None for a candidate without a text; those stand last.
    """

    id: Id
    rank: int
    first_rank: int
    first_score: float
    second_score: float | None


class ScoreRange(NamedTuple):
    """First-stage scores from ``low`` to ``high``: how many candidates have such a one, and how many hits.

    ``share`` is these hits' of all hits, from 0 to 1.
    """

    low: float
    high: float
    candidates: int
    hits: int
    share: float


@dataclass(frozen=True, slots=True)
class SecondStageReport:
    """What RERANK did. ``order`` are all candidates in its order, ``hits`` those of them that are answered.

    ``ranges`` divide the first stage's scores into equal steps, the best first. ``timing`` is the
    model's alone, in milliseconds for all texts at once; None where nothing was timed.
    """

    model: str
    order: tuple[Reranked, ...]
    hits: tuple[Reranked, ...]
    ranges: tuple[ScoreRange, ...]
    timing: Timing | None = None

    @property
    def texts(self) -> int:
        """How many candidates the model has read."""
        return sum(one.second_score is not None for one in self.order)

    def to_dict(self) -> JsonObject:
        """``{"model", "candidates", "texts", "timing", "hits", "ranges"}``."""
        return {
            "model": self.model,
            "candidates": len(self.order),
            "texts": self.texts,
            "timing": self.timing and self.timing.to_dict(),
            "hits": [one._asdict() for one in self.hits],
            "ranges": [one._asdict() for one in self.ranges],
        }


# ------------------------------------------------------------------------------------ a whole query


@dataclass(frozen=True, slots=True)
class Analysis:
    """A query as it ran. ``stages`` has the root first; it is empty for QUERY POINTS (…).

    ``hits`` are what the query answers: of GROUP BY those of one group after the other. Their ranks count
    from ``offset`` + 1 (groups: from 1). ``timing`` is the whole query's, None where nothing was timed.
    ``second`` is what RERANK did, whose hits they are then.
    """

    plan: QueryPlan
    request: Request
    stages: tuple[StageReport, ...]
    hits: tuple[Candidate, ...]
    offset: int = 0
    timing: Timing | None = None
    ablation: tuple[Ablation, ...] = ()
    notes: tuple[str, ...] = ()
    second: SecondStageReport | None = None

    @property
    def root(self) -> StageReport | None:
        """The root's report; None for QUERY POINTS (…)."""
        return self.stages[0] if self.stages else None

    @property
    def grouped(self) -> bool:
        """Whether GROUP BY made the hits."""
        return (self.request.body or {}).get("group_by") is not None

    def reranked(self, second: SecondStageReport) -> Analysis:
        """The same, with RERANK behind it: the hits, and what of each stage reaches them, are its own."""
        scores = (
            (one.id, one.first_score if one.second_score is None else one.second_score) for one in second.hits
        )
        hits = tuple(Candidate(key, score) for key, score in scores)
        first = second.hits[0].rank - 1 if second.hits else 0
        stages = tuple(
            replace(stage, reached=reached_hits(stage.candidates, hits, first)) for stage in self.stages
        )
        return replace(self, stages=stages, hits=hits, offset=first, second=second)

    def inputs_of(self, report: StageReport) -> tuple[StageReport, ...]:
        """The reports of the stages that feed one, in the order of its PREFETCH."""
        return tuple(self.stages[at] for at in report.run.inputs)

    def to_dict(self) -> JsonObject:
        """As JSON data. Keys are added in later versions, never renamed or removed.

        ``{"version": 1, "collection", "offset", "grouped", "timing", "hits", "stages", "ablation", "second",
        "notes"}``

        * ``timing``: ``{"runs", "p50_ms", "p95_ms", "server_ms", "usage"}`` or null.
        * ``hits``: ``[{"id", "rank", "score"}]``, the query's answer; ranks from offset + 1.
        * ``stages``: the root first, then in the order of the request, each
          ``{"label", "paths", "depth", "inputs", "limit", "returned", "unused", "timing", "scores",
          "in_hits", "exclusive", "overlaps", "fusion", "rescored", "cut_tie", "candidates", "notes"}``:
          ``paths`` are the stage's places as lists of positions in PREFETCH, ``inputs`` the labels of what
          feeds it; ``scores``: ``{"min", "median", "max", "histogram"}`` or null; ``in_hits``: ``[{"id",
          "rank", "stage_rank"}]``; ``exclusive``: ``{"candidates": number, "hits": [id]}``; ``overlaps``:
          ``[{"stage", "count", "jaccard"}]``; ``fusion``: null or ``{"same", "verdict", "compared",
          "differences": [{"id", "rank", "score", "expected", "reason"}]}``; ``rescored``: null or
          ``{"union", "kept", "strangers": [id], "reason"}``; ``cut_tie``: null or ``{"inside", "outside",
          "more"}``; ``candidates``: ``[{"id", "score"[, "order_value"]}]``.
        * ``ablation``: ``[{"without", "overlap", "entered": [id], "left": [id], "moved": [{"id", "before",
          "after"}], "hits": [{"id", "score"}]}]``, empty unless it was asked for.
        * ``second``: null, or what RERANK did, whose answer ``hits`` are then: ``{"model", "candidates",
          "texts", "timing", "hits": [{"id", "rank", "first_rank", "first_score", "second_score"}], "ranges":
          [{"low", "high", "candidates", "hits", "share"}]}``; ``texts`` counts the candidates that have a
          text, ``timing`` is the model's, ``ranges`` are first-stage scores, the best first, with the hits'
          share.
        * ``notes``: sentences about what the engine does otherwise than the text says.

        EXPLAIN ANALYZE adds ``statement``, ``warnings`` and ``advice``, as `explain_dict` has them, ``stamp``
        (what figures depend on), to each stage ``does``, ``details`` and ``said`` (what it does and did, in
        the words of the text), to hits ``title`` where it is known, and for WITH PROVENANCE ``provenance``:
        for each hit what `Provenance.to_dict` gives.
        """
        return {
            "version": 1,
            "collection": self.plan.collection,
            "offset": self.offset,
            "grouped": self.grouped,
            "timing": self.timing and self.timing.to_dict(),
            "hits": [
                {"id": hit.id, "rank": rank, "score": hit.score if self.stages else None}
                for rank, hit in enumerate(self.hits, self.offset + 1)
            ],
            "stages": [stage.to_dict([one.label for one in self.inputs_of(stage)]) for stage in self.stages],
            "ablation": [one.to_dict() for one in self.ablation],
            "second": self.second and self.second.to_dict(),
            "notes": list(self.notes),
        }
