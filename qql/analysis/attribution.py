"""WITH PROVENANCE: which stages a hit comes from, and what each has contributed to its score."""

from __future__ import annotations

import math
from collections.abc import Iterator

from qql.analysis.fusion import Fusion, fuse
from qql.analysis.model import Analysis, Candidate, Fused, Id, Path
from qql.records import dataclass
from qql.rest.types import JsonObject
from qql.result import StageShare

__all__ = ["Provenance", "StageShare", "provenance"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """A hit and what each stage has to do with it, in the order of the request, depth first.

    ``score`` is the engine's: of a query with RERANK, that of the search. ``recomposed`` is the sum of what
    the root's direct inputs give to the point, in 32-bit floats. The two are equal but for what the root's
    verdict reports, ties above all; then the score is divided as ``recomposed`` is. None: the root fuses
    nothing, and its own share is all of the score. 0: no input has the point, so that nothing is known of
    where its score comes from, and no stage has a contribution.

    Below a nested fusion a stage's contribution is the nested one's, divided as the nested score is: its
    share of the nested score, of the nested stage's contribution. Where the parts of a score cancel one
    another, or are infinite, so that there are no such shares, it is divided evenly among the inputs that
    have the point. Where the nested fusion has a point that its inputs, asked again, lack (a tie was cut
    otherwise), what is below it has no contribution. So the contributions right below a fusion add up to the
    fusion's, to 32-bit floats (2e-6 of the greatest of them).
    """

    id: Id
    rank: int
    score: float
    recomposed: float | None
    shares: tuple[StageShare, ...]

    def sources(self) -> tuple[StageShare, ...]:
        """The lowest stages that have a contribution.

        What they contributed adds up to the score, and their shares to 1. A score of 0 (weights of 0, DBSF)
        and an infinite one have no shares: those are None. Without a source, no input has the point.
        """
        counted = [share for share in self.shares if share.contribution is not None]
        inner = {share.path[:-1] for share in counted if share.path}
        return tuple(share for share in counted if share.path not in inner)

    def to_dict(self) -> JsonObject:
        """``{"id", "rank", "score", "recomposed", "stages": […]}``.

        Each stage is ``{"stage", "path", "rank", "score", "contribution", "share"}``.
        """
        return {
            "id": self.id,
            "rank": self.rank,
            "score": self.score,
            "recomposed": self.recomposed,
            "stages": [share.to_dict() for share in self.shares],
        }


def provenance(analysis: Analysis) -> list[Provenance]:
    """The provenance of every hit, in order; ``analyse(…, runs=0)`` has all that it takes."""
    if not analysis.stages:
        return []
    lookups = _Lookups(analysis)
    return [
        _hit_provenance(hit, rank, lookups) for rank, hit in enumerate(analysis.hits, analysis.offset + 1)
    ]


class _Lookups:
    """What is looked up for each hit: the points of each stage, and the recomputed fusions."""

    def __init__(self, analysis: Analysis) -> None:
        self.stages = analysis.stages
        self.places = [
            {one.id: (rank, one.score) for rank, one in reversed(list(enumerate(stage.candidates, 1)))}
            for stage in analysis.stages
        ]
        self.fused = [self._recomputed(at) for at in range(len(analysis.stages))]

    def _recomputed(self, at: int) -> dict[Id, Fused] | None:
        stage = self.stages[at]
        fusion = Fusion.of(stage.run.body)
        if fusion is None:
            return None
        lists = [self.stages[one].candidates for one in stage.run.inputs]
        turned = stage.verdict is not None and stage.verdict.by_direction
        return {one.id: one for one in fuse(fusion, lists, by_direction=turned)}


def _hit_provenance(hit: Candidate, rank: int, lookups: _Lookups) -> Provenance:
    fused = lookups.fused[0]
    if fused is None:
        own = StageShare(lookups.stages[0].label, (), rank, hit.score, hit.score, 1.0)
        return Provenance(hit.id, rank, hit.score, None, (own, *_shares_below(hit, 0, (), None, lookups)))
    found = fused.get(hit.id)
    total = found.score if found is not None else 0.0
    return Provenance(hit.id, rank, hit.score, total, tuple(_shares_below(hit, 0, (), hit.score, lookups)))


def _shares_below(
    hit: Candidate, at: int, path: Path, amount: float | None, lookups: _Lookups
) -> Iterator[StageShare]:
    """The shares of the stages below one, through which ``amount`` of the hit's score has come."""
    inputs, fused = lookups.stages[at].run.inputs, lookups.fused[at]
    parts: list[float | None] = [None] * len(inputs)
    if amount is not None and fused is not None:
        found = fused.get(hit.id)
        if found is not None and not path and amount == found.score:
            parts = [part or 0.0 for part in found.parts]  # as they are, so that no rounding comes between
        else:
            parts = _divide_amount(amount, found, len(inputs))
    for number, one in enumerate(inputs):
        part = parts[number]
        rank, score = lookups.places[one].get(hit.id, (None, None))
        share = part / hit.score if part is not None and hit.score and math.isfinite(hit.score) else None
        place = (*path, number)
        yield StageShare(lookups.stages[one].label, place, rank, score, part, share)
        yield from _shares_below(hit, one, place, part, lookups)


_CANCELLED = 1e-3
"""A sum that is less than this part of its summands' sizes says nothing about their shares."""


def _divide_amount(amount: float, found: Fused | None, inputs: int) -> list[float | None]:
    """An amount, divided among the inputs of a fusion as the fused score is; None where that is not known."""
    if amount == 0:
        return [0.0] * inputs
    if found is None:
        return [None] * inputs
    given = [part or 0.0 for part in found.parts]
    total, size = sum(given), sum(map(abs, given))
    if math.isfinite(amount) and math.isfinite(total) and abs(total) > _CANCELLED * size:
        return [amount * part / total for part in given]
    having = [part is not None for part in found.parts]
    return [amount / sum(having) if has else 0.0 for has in having]
