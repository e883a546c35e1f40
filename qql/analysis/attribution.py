"""WITH PROVENANCE: which stages a hit comes from, and what each has contributed to its score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qql.analysis.fusion import Candidate, Fused, Fusion, Id, fuse
from qql.analysis.measure import Analysis
from qql.analysis.stages import Path
from qql.result import StageShare

__all__ = ["Provenance", "StageShare", "provenance"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """A hit and what each stage has to do with it, in the order of the request, depth first.

    ``score`` is the engine's, ``recomposed`` the sum of the contributions of the root's direct inputs, in
    32-bit floats; they are equal but for ties and what the root's verdict reports. None: the root fuses
    nothing, and its own share is all of the score.

    Below a nested fusion a stage's contribution is the nested one's, divided as the nested score is: its
    share of the nested score, of the nested stage's contribution. So the contributions right below a fusion
    add up to the fusion's.
    """

    id: Id
    rank: int
    score: float
    recomposed: float | None
    shares: tuple[StageShare, ...]

    def sources(self) -> tuple[StageShare, ...]:
        """The lowest stages that have a contribution; what they contributed adds up to the score."""
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
    found = fused.get(hit.id) if fused is not None else None
    if fused is None:
        own = StageShare(known.stages[0].label, (), rank, hit.score, hit.score, 1.0)
        shares = (own, *_below(hit, 0, (), None, known))
        return Provenance(hit.id, rank, hit.score, None, shares)
    total = found.score if found is not None else 0.0
    return Provenance(hit.id, rank, hit.score, total, tuple(_below(hit, 0, (), total, known)))


def _below(hit: Candidate, at: int, path: Path, amount: float | None, known: _Known) -> Iterator[StageShare]:
    """The shares of the stages below one, through which ``amount`` of the hit's score has come."""
    fused = known.fused[at]
    found = fused.get(hit.id) if fused is not None else None
    root = known.fused[0]
    whole = root[hit.id].score if root is not None and hit.id in root else None
    for number, one in enumerate(known.stages[at].run.inputs):
        part = None if amount is None or fused is None else _part(found, number, amount)
        rank, score = known.places[one].get(hit.id, (None, None))
        share = part / whole if part is not None and whole else None
        place = (*path, number)
        yield StageShare(known.stages[one].label, place, rank, score, part, share)
        yield from _below(hit, one, place, part, known)


def _part(found: Fused | None, number: int, amount: float) -> float:
    """What one input has of an amount that is divided as the fused score is."""
    given = None if found is None else found.parts[number]
    if found is None or given is None:
        return 0.0
    if amount == found.score:
        return given  # right below the root the amount is the score, and no rounding may come between
    if found.score == 0:  # parts that cancel one another: the amount is due to the rank, so to all alike
        return amount / sum(part is not None for part in found.parts)
    return amount * given / found.score
