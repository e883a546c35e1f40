"""What a pipeline does with the lists of its lowest stages: a recipe, which a recording can follow.

A lowest stage is known by its request without LIMIT and SCORE THRESHOLD: these are cuts of a list that is
there. So is a stage that rescores others, but for what it rescores. What stands above is limits, thresholds,
fusions and formulas: arithmetic. What is none of that is an obstacle, and named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from qql import nodes
from qql.analysis.fusion import Fusion
from qql.analysis.model import Path, StageRun
from qql.analysis.query_body import compares_vectors, grouped_by
from qql.analysis.stage_requests import stage_requests
from qql.compiler.plan import QueryPlan
from qql.evaluation.recording.score_formulas import formula_obstacle
from qql.records import NamedTuple, dataclass
from qql.rest.request import Request
from qql.rest.types import Body, JsonObject

__all__ = [
    "Computing",
    "Cut",
    "Found",
    "Fusing",
    "Part",
    "Recipe",
    "Rescoring",
    "graphs_of",
    "recipe_of",
    "stage_name",
]


class Cut(NamedTuple):
    """What a stage leaves of its list: at most ``limit`` points, up to the first that fails ``threshold``."""

    limit: int
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A lowest stage, by its place in the request.

    ``by_value``: a field orders it. ``by_id``: its points come in the order of their ids. ``graph`` is the
    vector whose index may answer it approximately, if there is one; None where none can. ``smaller``: small
    scores are the better ones, as of distances; None where nobody can say what a threshold does.
    """

    path: Path
    cut: Cut
    by_value: bool = False
    by_id: bool = False
    graph: str | None = None
    smaller: bool | None = None


@dataclass(frozen=True, slots=True)
class Fusing:
    """A fusion of what its inputs leave."""

    fusion: Fusion
    inputs: tuple[Part, ...]
    cut: Cut


@dataclass(frozen=True, slots=True)
class Rescoring:
    """A search among what its inputs leave; ``path``, ``graph`` and ``smaller`` as of `Found`."""

    path: Path
    inputs: tuple[Part, ...]
    cut: Cut
    graph: str | None = None
    smaller: bool | None = None


@dataclass(frozen=True, slots=True)
class Computing:
    """A formula over the scores of its inputs: the ``formula`` query as JSON text."""

    formula: str
    inputs: tuple[Part, ...]
    cut: Cut


Part: TypeAlias = Found | Fusing | Rescoring | Computing


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a pipeline's hits come of lists.

    ``root`` is None where ``obstacles`` say why there is none; ``offset`` hits of its list are left out.
    ``keys`` are what each stage that a recording may hold is known by, by its place in the request, and
    ``labels`` what it is called.
    """

    root: Part | None
    offset: int
    keys: Mapping[Path, str]
    labels: Mapping[Path, str]
    obstacles: tuple[str, ...] = ()


def recipe_of(plan: QueryPlan, request: Request, *, named: bool = True) -> Recipe:
    """The recipe of a query. ``request`` is its own, with its texts not embedded: so stages are known.

    Without ``named`` it has neither keys nor labels, which take their time.
    """
    runs = stage_requests(plan, request)
    body = request.body or {}
    obstacles = tuple(dict.fromkeys(_obstacles(plan, body, runs)))
    keys: dict[Path, str] = {}
    labels: dict[Path, str] = {}
    for run in runs:
        if named and _is_recorded(run):
            name = stage_name(run)
            keys |= dict.fromkeys(run.paths, name)
            labels |= dict.fromkeys(run.paths, run.label)
    offset = plan.offset or 0
    if obstacles:
        return Recipe(None, offset, keys, labels, obstacles)
    return Recipe(_Parts(runs).part(0), offset, keys, labels)


def graphs_of(part: Part) -> Iterator[str]:
    """The vectors whose indexes may answer a part of a recipe approximately."""
    if isinstance(part, Found | Rescoring) and part.graph is not None:
        yield part.graph
    for one in () if isinstance(part, Found) else part.inputs:
        yield from graphs_of(one)


# ------------------------------------------------------------------------------------ names


_WHAT = ("query", "using", "lookup_from", "shard_key")


def stage_name(run: StageRun) -> str:
    """What a stage is known by: digests of what it searches for, its filter and its PARAMS.

    LIMIT and SCORE THRESHOLD are no part of it, and of a stage that rescores others (``r:…``) neither is
    what these find.
    """
    what = _digest({key: run.body[key] for key in _WHAT if key in run.body})
    params = _digest(run.body.get("params") or {})
    if run.inputs:
        return f"r:{what}.{params}"
    return f"{what}.{params}.{_digest(run.body.get('filter') or {})}"


def _digest(value: object) -> str:
    from hashlib import sha256

    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=repr)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _is_recorded(run: StageRun) -> bool:
    """Whether a recording holds a list of the stage."""
    target = run.stage.target
    if isinstance(target, nodes.Mmr | nodes.Sample):
        return False
    return not run.inputs or (Fusion.of(run.body) is None and compares_vectors(run.body))


# ------------------------------------------------------------------------------------ obstacles


def _obstacles(plan: QueryPlan, body: Body, runs: Sequence[StageRun]) -> Iterator[str]:
    """Why no recording says what a query answers."""
    if not runs:
        yield "the points come by their ids, and nothing is searched"
    if plan.ignores_missing:
        yield "IGNORE MISSING looks for the examples whenever it is asked"
    if plan.groups_here is not None:
        yield "GROUP BY … FUSE FIRST groups by the payload, which is not recorded"
    if grouped_by(body) is not None:
        yield "GROUP BY asks several times, and each time fuses anew"
    if plan.second is not None:
        yield "RERANK reads the texts of its candidates"
    for run in runs:
        yield from _obstacles_of_stage(run)


def _obstacles_of_stage(run: StageRun) -> Iterator[str]:
    target = run.stage.target
    if isinstance(target, nodes.Mmr):
        yield f"`{run.label}`: MMR compares the vectors of its candidates with one another"
    elif isinstance(target, nodes.Sample):
        yield f"`{run.label}`: SAMPLE draws its points by chance"
    elif "score_threshold" in run.body and (run.stage.by_id or isinstance(target, nodes.OrderBy)):
        yield f"`{run.label}`: SCORE THRESHOLD on points that have no scores"
    elif run.inputs and Fusion.of(run.body) is None:
        why = _no_rescoring(run)
        if why is not None:
            yield f"`{run.label}`: {why}"


def _no_rescoring(run: StageRun) -> str | None:
    """Why the scores that a stage gives to its inputs' points are not in a recording."""
    query = run.body.get("query")
    if isinstance(query, Mapping) and "formula" in query:
        return formula_obstacle(query)
    if not compares_vectors(run.body):
        return "it orders what its inputs find by something else than vectors"
    if (run.body.get("params") or {}).get("idf") is not None:
        return "its IDF counts the points that a filter leaves"
    return None


# ------------------------------------------------------------------------------------ parts


class _Parts:
    """Makes the parts of a recipe, from the root down; a stage that is used twice is one part."""

    def __init__(self, runs: Sequence[StageRun]) -> None:
        self.runs = runs
        self.made: dict[int, Part] = {}

    def part(self, at: int) -> Part:
        if at not in self.made:
            self.made[at] = self._part(self.runs[at])
        return self.made[at]

    def _part(self, run: StageRun) -> Part:
        cut = Cut(run.limit, run.body.get("score_threshold"))
        inputs = tuple(self.part(one) for one in run.inputs)
        fusion = Fusion.of(run.body)
        if fusion is not None:
            return Fusing(fusion, inputs, cut)
        query: JsonObject = run.body.get("query") or {}
        if "formula" in query:
            return Computing(json.dumps(query, sort_keys=True), inputs, cut)
        if inputs:
            return Rescoring(run.paths[0], inputs, cut, _graph_of(run), _smaller_is_better(run))
        ordered = isinstance(run.stage.target, nodes.OrderBy)
        graph, smaller = _graph_of(run), _smaller_is_better(run)
        return Found(run.paths[0], cut, ordered, run.stage.by_id, graph, smaller)


def _graph_of(run: StageRun) -> str | None:
    """The vector whose index may answer a stage approximately: not a sparse one."""
    vector = run.stage.vector
    if not compares_vectors(run.body) or (run.body.get("params") or {}).get("exact"):
        return None
    if vector is None:
        return run.stage.using or ""
    return None if vector.kind == "sparse" else vector.name


def _smaller_is_better(run: StageRun) -> bool | None:
    """Whether small scores are good ones, as of distances.

    None where a threshold cannot be applied here: engines hold it against a distance, and what compares
    examples by distances gives scores that are none.
    """
    query, vector = run.body.get("query"), run.stage.vector
    if not compares_vectors(run.body):
        return False
    if vector is None:
        return None
    if vector.distance not in ("Euclid", "Manhattan"):
        return False
    return True if isinstance(query, Mapping) and "nearest" in query else None
