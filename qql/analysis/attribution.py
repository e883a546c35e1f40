"""WITH PROVENANCE: which stages a hit comes from, and what each has contributed to its score."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from qql.analysis.fusion import Candidate, Fused, Fusion, Id, fuse
from qql.analysis.measure import Analysis
from qql.analysis.stage_requests import Path
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


def provenance(analysis: Analysis) -> list[Provenance]:
    """The provenance of every hit, in order; ``analyse(…, runs=0)`` has all that it takes."""
    if not analysis.stages:
        return []
    known = _Known(analysis)
    return [_provenance(hit, rank, known) for rank, hit in enumerate(analysis.hits, analysis.offset + 1)]


class _Known:
    """What is looked up for each hit: the points of each stage, and the recomputed fusions."""

    def __init__(self, analysis: Analysis) -> None:
        self.stages = analysis.stages
        self.places = [
            {one.id: (rank, one.score) for rank, one in reversed(list(enumerate(stage.candidates, 1)))}
            for stage in analysis.stages
        ]
        self.fused = [self._fused(at) for at in range(len(analysis.stages))]

    def _fused(self, at: int) -> dict[Id, Fused] | None:
        stage = self.stages[at]
        fusion = Fusion.of(stage.run.body)
        if fusion is None:
            return None
        lists = [self.stages[one].candidates for one in stage.run.inputs]
        turned = stage.verdict is not None and stage.verdict.by_direction
        return {one.id: one for one in fuse(fusion, lists, by_direction=turned)}


def _provenance(hit: Candidate, rank: int, known: _Known) -> Provenance:
    fused = known.fused[0]
    if fused is None:
        own = StageShare(known.stages[0].label, (), rank, hit.score, hit.score, 1.0)
        return Provenance(hit.id, rank, hit.score, None, (own, *_below(hit, 0, (), None, known)))
    found = fused.get(hit.id)
    total = found.score if found is not None else 0.0
    return Provenance(hit.id, rank, hit.score, total, tuple(_below(hit, 0, (), hit.score, known)))


def _below(hit: Candidate, at: int, path: Path, amount: float | None, known: _Known) -> Iterator[StageShare]:
    """The shares of the stages below one, through which ``amount`` of the hit's score has come."""
    inputs, fused = known.stages[at].run.inputs, known.fused[at]
    parts: list[float | None] = [None] * len(inputs)
    if amount is not None and fused is not None:
        found = fused.get(hit.id)
        if found is not None and not path and amount == found.score:
            parts = [part or 0.0 for part in found.parts]  # as they are, so that no rounding comes between
        else:
            parts = _divided(amount, found, len(inputs))
    for number, one in enumerate(inputs):
        part = parts[number]
        rank, score = known.places[one].get(hit.id, (None, None))
        share = part / hit.score if part is not None and hit.score and math.isfinite(hit.score) else None
        place = (*path, number)
        yield StageShare(known.stages[one].label, place, rank, score, part, share)
        yield from _below(hit, one, place, part, known)


_CANCELLED = 1e-3
"""A sum that is less than this part of its summands' sizes says nothing about their shares."""


def _divided(amount: float, found: Fused | None, inputs: int) -> list[float | None]:
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
