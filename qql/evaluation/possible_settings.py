"""What can be set about a pipeline, what it is now, and which values are worth a try."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from qql import nodes
from qql.compiler.options.query import FUSION_OPTIONS
from qql.compiler.plan import QueryPlan, Stage
from qql.evaluation.settings import FUSIONS, TRIED_FUSIONS, Settable
from qql.records import dataclass
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.types import Body, Json

if TYPE_CHECKING:
    from qql.advice.collection_facts import CollectionFacts

__all__ = ["MOST_TRIED", "Possible", "fitting", "possible_settings", "sensible_grid"]

MOST_TRIED = 48
"""Combinations that `sensible_grid` makes, at most."""
_LEAST_LIMIT, _MOST_LIMIT = 10, 1000


@dataclass(frozen=True, slots=True)
class Possible:
    """A setting by its name, ``stage.name``.

    ``now`` is its value (None: the script says nothing), ``default`` what holds then, where that is known.
    ``tries``: values worth a try, the cheapest first; where there are none, ``why`` says why. The lower the
    ``rank``, the more it matters.
    """

    name: str
    now: Json
    tries: tuple[Json, ...] = ()
    why: str = ""
    default: str = ""
    rank: int = 9


def possible_settings(
    settable: Settable, plan: QueryPlan, facts: CollectionFacts | None = None
) -> list[Possible]:
    """The settings of each stage that its text has, the root first, by what is known of the collection."""
    stages = {stage.label: stage for stage in plan.stages}
    labels = sorted(settable.stages, key=lambda label: label != "root")
    several = sum(label != "root" and not stages[label].inputs for label in labels) > 1
    out: list[Possible] = []
    for label in labels:
        stage = stages[label]
        found = [
            *_limits(plan, stage, several),
            *_fusion(stage),
            *_search(stage, facts),
            *_mmr(stage),
        ]
        out += (_with_value(settable, label, one) for one in found)
    return out


def _with_value(settable: Settable, label: str, one: Possible) -> Possible:
    name = f"{label}.{one.name}"
    now = settable.value(name)
    tries, why = one.tries, one.why
    if now is None:
        tries = tuple(None if str(value) == one.default else value for value in tries)
    if isinstance(now, str) and now.startswith(":"):
        tries, why = (), f"a parameter: --grid {now[1:]}=…"
    elif tries and now not in tries:
        tries = (now, *tries)
    return Possible(name, now, tries, why, one.default, one.rank)


def _limits(plan: QueryPlan, stage: Stage, several: bool) -> Iterator[Possible]:
    now = stage.limit or DEFAULT_LIMIT
    halved, doubled = max(now // 2, _LEAST_LIMIT), min(now * 2, _MOST_LIMIT)
    wider = tuple(dict.fromkeys([now, doubled] if several else [halved, now, doubled]))
    if stage is not plan.root:
        yield Possible("limit", None, wider, default=str(DEFAULT_LIMIT), rank=2)
    elif plan.second is not None:
        yield Possible("limit", None, tuple(dict.fromkeys([halved, now, doubled])), rank=2)
    else:
        yield Possible("limit", None, why="what is measured are its hits", default=str(DEFAULT_LIMIT))


def _fusion(stage: Stage) -> Iterator[Possible]:
    if stage.fusion is None:
        return
    yield Possible("fusion", None, TRIED_FUSIONS, rank=0)
    yield Possible("rrf_k", None, (None, 20, 60), default=FUSION_OPTIONS["rrf_k"].shown or "", rank=0)
    if len(stage.inputs) == 2:
        yield Possible("rrf_weights", None, (None, [2, 1], [1, 2]), default="equal", rank=1)
    else:
        yield Possible("rrf_weights", None, why="give them by --grid", default="equal")


def _search(stage: Stage, facts: CollectionFacts | None) -> Iterator[Possible]:
    vector = stage.vector
    info = None if stage.target is None else nodes.TARGETS.get(type(stage.target))
    if vector is None or vector.kind == "sparse" or stage.inputs or (info is not None and not info.by_vector):
        return
    indexed = None if facts is None else facts.indexed_vectors
    if stage.params.get("exact"):
        yield Possible("hnsw_ef", None, why="its search is exact")
    elif indexed == 0:
        yield Possible("hnsw_ef", None, why="no vectors are indexed: search is exact")
    else:
        yield Possible("hnsw_ef", None, (None, 64, 256), default="default", rank=3)
    if facts is not None and (facts.quantization or {}).get(vector.name):
        yield Possible("quantization.rescore", None, (False, True), rank=4)
        yield Possible("quantization.oversampling", None, (None, 2, 4), default="1", rank=5)


def _mmr(stage: Stage) -> Iterator[Possible]:
    if isinstance(stage.target, nodes.Mmr):
        now = stage.limit or DEFAULT_LIMIT
        yield Possible("diversity", None, (0.2, 0.5, 0.8), default="0.5", rank=1)
        yield Possible("candidates", None, (None, min(5 * now, _MOST_LIMIT)), default="LIMIT", rank=3)


def fitting(settable: Settable, values: Body) -> Body:
    """The values of settings without those that have no meaning beside the others: of RRF, with DBSF."""
    return {name: value for name, value in values.items() if not _is_idle(settable, name, values)}


def _is_idle(settable: Settable, name: str, values: Body) -> bool:
    for option in {option for options in FUSIONS.values() for option in options}:
        stage, dot, rest = name.partition(f".{option}")
        if dot and stage in settable.stages and rest[:1] in ("", "."):
            method = str(values.get(f"{stage}.fusion", settable.value(f"{stage}.fusion"))).lower()
            return method in FUSIONS and option not in FUSIONS[method]
    return False


def sensible_grid(
    possible: Sequence[Possible], count: Callable[[Mapping[str, Sequence[Json]]], int], most: int = MOST_TRIED
) -> dict[str, list[Json]]:
    """The values to try: all of the settings that matter most, while there are at most ``most`` combinations.

    ``count`` gives the number of different combinations of a grid.
    """
    grid: dict[str, list[Json]] = {}
    for one in sorted((one for one in possible if len(one.tries) > 1), key=lambda one: one.rank):
        larger = {**grid, one.name: [*one.tries]}
        if count(larger) <= most:
            grid = larger
    return grid
