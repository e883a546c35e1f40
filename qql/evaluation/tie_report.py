"""What the order of equal scores leaves open, for people and as JSON data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qql.evaluation.behind_limit import Ranked
from qql.evaluation.ties import Spread
from qql.rest.types import JsonObject

__all__ = ["spread_rows", "tie_notes", "ties_dict"]


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


def tie_notes(name: str, ranked: Mapping[str, Ranked], ties: str) -> Iterator[str]:
    """What a pipeline's LIMIT did to ties, in sentences."""
    total = len(ranked)
    cut = [one for one in ranked.values() if one.edge == "cut"]
    if cut:
        chosen = {"id": "those with the lowest ids", "doc": "the last documents by id"}
        taken = chosen.get(ties, f"the {ties} of them")
        yield (
            f"{name}: the LIMIT cuts a tie in {len(cut)} of {total} queries, where the engine keeps any of the"
            f" equals; here {taken} are kept"
        )
    unsettled = sum(one.ranking.open for one in cut)
    if unsettled:
        yield f"{name}: in {unsettled} of these more points are equal than were looked at"
    candidates = sum(one.edge == "candidates" for one in ranked.values())
    if candidates:
        yield (
            f"{name}: the LIMIT of RERANK's candidates cuts a tie in {candidates} of {total} queries: the"
            " figures may differ when run again"
        )
    inner = sum(one.inner for one in ranked.values())
    if inner:
        yield (
            f"{name}: in {inner} of {total} queries other scores came when asked again, as stages below cut or"
            " order equals by chance: the figures may differ when run again"
        )


def ties_dict(spread: Spread, ranked: Mapping[str, Ranked], ties: str) -> JsonObject:
    """``{"order", "measures", "per_query", "cut", "open", "candidates", "inner", "unknown"}``.

    ``order`` is that of the figures (see `TIE_ORDERS`); ``measures``: ``{name: [least, most]}``, of means;
    ``per_query``: ``{query: {name: [least, most]}}`` for what is open. The others are ids of queries, as in
    `Ranked`: the LIMIT ``cut`` a tie, which goes on beyond what was looked at (``open``); it cut one below
    RERANK (``candidates``); the stages gave other scores when asked again (``inner``); ``unknown``.
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
    }
