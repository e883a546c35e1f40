"""What the order of equal scores leaves open, for people and as JSON data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qql.evaluation.behind_limit import Ranked
from qql.evaluation.ties import Spread
from qql.rest.types import JsonObject

__all__ = ["spread_rows", "stage_tie_note", "tie_notes", "ties_dict"]


def spread_rows(spreads: Mapping[str, Spread]) -> list[JsonObject]:
    """A row for each pipeline and measure whose mean is not settled, for people.

    ``queries``: for how many of them the value is open.
    """
    return [
        {
            "pipeline": name,
            "measure": str(measure),
            "least … most": f"{low:.4f} … {high:.4f}",
            "queries": len(one.open(measure)),
        }
        for name, one in spreads.items()
        for measure, (low, high) in one.means().items()
        if low < high
    ]


def tie_notes(found: Mapping[str, Mapping[str, Ranked]], ties: str) -> list[str]:
    """What the LIMITs of pipelines did to ties, in sentences."""
    kept = {"id": "those with the lowest ids", "doc": "the last by document"}.get(ties, f"the {ties} of them")
    kinds = (
        (
            "the LIMIT cuts a tie",
            f"the engine keeps any of the equals; in these figures it keeps {kept}",
            lambda one: one.edge == "cut",
        ),
        (
            "there are more equals than were looked at",
            "so that the spread may be wider",
            lambda one: one.ranking.open,
        ),
        (
            "the LIMIT below RERANK cuts a tie",
            "which texts are read is chance, and figures may differ in another run",
            lambda one: one.edge == "candidates",
        ),
        (
            "asked again, the scores were others",
            "stages below cut or order equals by chance, and figures may differ in another run",
            lambda one: one.inner,
        ),
    )
    lines = []
    for what, so, has in kinds:
        counts = {name: sum(map(has, ranked.values())) for name, ranked in found.items()}
        where = [f"{name} in {many} of {len(found[name])} queries" for name, many in counts.items() if many]
        if where:
            lines.append(f"{what}: {', '.join(where)} ({so})")
    return lines


def stage_tie_note(cuts: Mapping[str, Sequence[str]], queries: int) -> list[str]:
    """In how many queries the LIMITs of stages cut ties."""
    if not cuts:
        return []
    where = ", ".join(f"of {stage} in {len(found)}" for stage, found in cuts.items())
    return [f"LIMITs that cut a tie, in {queries} queries: {where}"]


def ties_dict(
    spread: Spread, ranked: Mapping[str, Ranked], ties: str, stages: Mapping[str, Sequence[str]]
) -> JsonObject:
    """``{"order", "measures", "per_query", "cut", "open", "candidates", "inner", "unknown", "stages"}``.

    ``order`` is that of the figures (see `TIE_ORDERS`); ``measures``: ``{name: [least, most]}``, of means;
    ``per_query``: ``{query: {name: [least, most]}}`` for what is open. The others are ids of queries, as in
    `Ranked`: the LIMIT ``cut`` a tie, which goes on beyond what was looked at (``open``); it cut one below
    RERANK (``candidates``); the stages gave other scores when asked again (``inner``); ``unknown``.
    ``stages`` has them for each stage whose LIMIT cut a tie, where stages were asked for.
    """
    per_query: dict[str, JsonObject] = {}
    for measure in spread.least.measures:
        for query, ends in spread.open(measure).items():
            per_query.setdefault(query, {})[str(measure)] = [*ends]
    edges = {
        edge: [query for query, one in ranked.items() if one.edge == edge]
        for edge in ("cut", "candidates", "unknown")
    }
    return {
        "order": ties,
        "measures": {str(measure): [*ends] for measure, ends in spread.means().items()},
        "per_query": per_query,
        "cut": edges["cut"],
        "open": [query for query, one in ranked.items() if one.ranking.open],
        "candidates": edges["candidates"],
        "inner": [query for query, one in ranked.items() if one.inner],
        "unknown": edges["unknown"],
        "stages": {stage: [*queries] for stage, queries in stages.items()},
    }
