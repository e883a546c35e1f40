"""ABLATE: what a fusion would answer without each of its inputs in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from qql.analysis.compare import recompose
from qql.analysis.fusion import Candidate, Fused, Fusion, Id

__all__ = ["Ablation", "Move", "ablations"]


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
    order: tuple[Fused, ...]
    entered: tuple[Id, ...]
    left: tuple[Id, ...]
    moved: tuple[Move, ...]
    overlap: float


def ablations(
    fusion: Fusion,
    inputs: Sequence[tuple[str, Sequence[Candidate]]],
    page: slice,
    threshold: float | None = None,
    *,
    by_direction: bool = False,
) -> tuple[Ablation, ...]:
    """One for each input (its label and its list); the weights of the others stay as they are.

    ``page`` cuts the fused lists as OFFSET and LIMIT do. Both sides are recomputed, so that ties, which the
    engine orders by chance, do not look like moves.
    """

    def hits(without: int | None) -> list[Fused]:
        kept = [at for at in range(len(inputs)) if at != without]
        weights = fusion.weights and tuple(fusion.weights[at] for at in kept)
        lists = [inputs[at][1] for at in kept]
        rest = replace(fusion, weights=weights)
        return recompose(rest, lists, threshold, by_direction=by_direction)[page]

    first = page.start or 0
    before = {one.id: rank for rank, one in enumerate(hits(None), first + 1)}
    out = []
    for at, (label, _) in enumerate(inputs):
        order = hits(at)
        after = {one.id: rank for rank, one in enumerate(order, first + 1)}
        stayed = [key for key in before if key in after]
        out.append(
            Ablation(
                label,
                tuple(order),
                tuple(key for key in after if key not in before),
                tuple(key for key in before if key not in after),
                tuple(Move(key, before[key], after[key]) for key in stayed if before[key] != after[key]),
                len(stayed) / len(before) if before else 1.0,
            )
        )
    return tuple(out)
