"""ABLATE: what a fusion would answer without each of its inputs in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qql.analysis.fusion import Fusion
from qql.analysis.model import Ablation, Candidate, Fused, Id, Move
from qql.analysis.recomposition import recompose
from qql.records import replace
from qql.rest.types import Body, JsonObject

__all__ = ["ablation", "ablations", "without_input"]


def ablations(
    fusion: Fusion,
    inputs: Sequence[tuple[str, Sequence[Candidate]]],
    page: slice,
    threshold: float | None = None,
    *,
    others: Mapping[int, Sequence[Sequence[Candidate]]],
    by_direction: bool = False,
) -> tuple[Ablation, ...]:
    """One for each input (its label and its list); the weights of the others stay as they are.

    ``page`` cuts the fused lists as OFFSET and LIMIT do. ``others``: number of an input → the lists of the
    others without it, where those are not what they were. Both sides are recomputed, so that ties, which the
    engine orders by chance, do not look like moves.
    """

    def hits(without: int | None) -> list[Fused]:
        kept = [at for at in range(len(inputs)) if at != without]
        weights = fusion.weights and tuple(fusion.weights[at] for at in kept)
        changed = None if without is None else others.get(without)
        lists = [inputs[at][1] for at in kept] if changed is None else changed
        rest = replace(fusion, weights=weights)
        return recompose(rest, lists, threshold, by_direction=by_direction)[page]

    before, first = hits(None), page.start or 0
    return tuple(ablation(label, before, hits(at), first) for at, (label, _) in enumerate(inputs))


def ablation(
    label: str, before: Sequence[Candidate | Fused], after: Sequence[Candidate | Fused], first: int = 0
) -> Ablation:
    """What changes from the hits with an input to those without it; ``first`` others stand before both."""
    old, new = _first_ranks(before, first), _first_ranks(after, first)
    stayed = [key for key in old if key in new]
    return Ablation(
        label,
        tuple(after),
        tuple(key for key in new if key not in old),
        tuple(key for key in old if key not in new),
        tuple(Move(key, old[key], new[key]) for key in stayed if old[key] != new[key]),
        len(stayed) / len(old) if old else 1.0,
    )


def _first_ranks(hits: Sequence[Candidate | Fused], first: int) -> dict[Id, int]:
    """The first rank of each point: in groups it may have several."""
    ranks: dict[Id, int] = {}
    for rank, one in enumerate(hits, first + 1):
        ranks.setdefault(one.id, rank)
    return ranks


def without_input(body: Body, at: int) -> JsonObject | None:
    """The body of a fusion without one of its inputs; None where it has no other."""
    prefetch = [one for number, one in enumerate(body["prefetch"]) if number != at]
    if not prefetch:
        return None
    query, fusion = body["query"], Fusion.of(body)
    if fusion is not None and fusion.weights is not None:
        kept = [weight for number, weight in enumerate(fusion.weights) if number != at]
        query = {**query, "rrf": {**query["rrf"], "weights": kept}}
    if fusion is not None and fusion.linear is not None:
        query = fusion.linear.without(at).query()
    return {**body, "prefetch": prefetch, "query": query}
