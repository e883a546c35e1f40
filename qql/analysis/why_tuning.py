"""Which numbers of a stage would let a point through that the stages below it give: k and weights of a
fusion, the factors of a formula, the DIVERSITY of MMR, and the `hnsw_ef` of a search that misses it.

A fusion is computed here from what its stages gave, so its values are found by bisection and cost no call.
What only the engine can compute is asked for with several values at once: two calls for a stage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from qql import nodes
from qql.analysis.formula_numbers import formula_of, numbers_in
from qql.analysis.fusion import Fusion, slack
from qql.analysis.model import Candidate, Fused, Id
from qql.analysis.query_body import compares_vectors, mmr_of
from qql.analysis.query_edits import Edit, Place, Value, stage_at
from qql.analysis.recomposition import recompose
from qql.analysis.why_changes import MOST_CANDIDATES
from qql.analysis.why_trace import StageTrace
from qql.records import NamedTuple, dataclass, replace
from qql.rest.limits import U32
from qql.rest.types import Body

__all__ = ["Tuning", "relative_change", "tunings"]

BodyOf = Callable[[Edit], Body | None]
"""The stage's body with an edit; None where the query cannot be so."""

_METHODS = ("rrf", "dbsf")
"""Fusions that can take the place of one another."""
_RATIOS = (1.25, 2.0, 5.0, 20.0, 100.0)
"""By how much a number is multiplied or divided, until the point is let through."""
_HALVINGS = 6
_BETWEEN = 4
"""Values that are asked for between the last that does not do and the first that does."""
_EFS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_EF = 100
"""What `hnsw_ef` is where nothing is said: Qdrant takes `ef_construct`, whose default this is."""
_MOST_FACTORS = 6


class Tuning(NamedTuple):
    """Another value of a number, and how many other points enter or leave the stage's list by it."""

    edit: Edit
    others: int
    size: float


def relative_change(before: Value, after: Value) -> float:
    """How large a change is, as the logarithm of a ratio: 0.69 doubles or halves a number.

    A number that passes zero, and what is no number, is beyond all ratios.
    """
    if isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after):
        return max(map(relative_change, before, after), default=0.0)
    if before == after:
        return 0.0
    numbers = [one for one in (before, after) if isinstance(one, (int, float)) and not isinstance(one, bool)]
    if len(numbers) < 2 or not numbers[0] * numbers[1] > 0:
        return math.inf
    return abs(math.log(numbers[1] / numbers[0]))


def tunings(
    stage: StageTrace, place: Place, query: nodes.Query, label: str, outcome: str, body_of: BodyOf
) -> list[Tuning]:
    """The values of the stage's numbers that are nearest to what they are and let the point through.

    The smallest change first: the fewest other points that enter or leave, then the least relative change.
    ``query`` is the one that is run, ``outcome`` what became of the point in the stage, ``label`` the name of
    the stage in whose words the numbers stand. Raises what the engine raises.
    """
    found: list[Tuning] = []
    if stage.makes_groups:
        return found
    fusion = Fusion.of(stage.run.body)
    known = _Knobs(stage, place, query, label)
    if fusion is not None and fusion.method in _METHODS:
        found += _of_fusion(known, fusion)
    elif stage.run.inputs or mmr_of(stage.run.body) is not None:
        found += _of_engine(known, body_of)
    elif outcome == "approximate":
        found += _of_graph(known)
    return sorted(found, key=lambda one: (one.others, one.size))


@dataclass(frozen=True, slots=True)
class _Knobs:
    """A stage, and the words that its numbers stand in."""

    stage: StageTrace
    place: Place
    query: nodes.Query
    label: str

    def edit(self, word: str, value: Value, part: int | None = None) -> Edit:
        return Edit(self.place.address, word, value, part, False, self.label)

    @property
    def words(self) -> nodes.Query:
        found = stage_at(self.query, self.edit("LIMIT", None))
        assert isinstance(found, nodes.Query)
        return found

    def page(self) -> slice:
        """Where in the stage's list the point has to stand."""
        offset = self.stage.trace.plan.offset or 0 if self.stage.at == 0 else 0
        return slice(offset, self.stage.run.limit)

    def others(self, found: Sequence[Id]) -> int:
        """How many points enter or leave the page, beside the one that is looked for."""
        before = {one.id for one in self.stage.found[self.page()]}
        return len(before.symmetric_difference(found) - {self.stage.key})

    def surely(self, order: Sequence[Candidate | Fused]) -> list[Id] | None:
        """The points of the page, of a list that goes beyond it; None where the point is none of them, or
        may be none, as it is equal to one behind the page or before it."""
        page = self.page()
        ids = [one.id for one in order[page]]
        if self.stage.key not in ids:
            return None
        mine = order[page.start + ids.index(self.stage.key)].score
        edges = [*order[page.stop : page.stop + 1], *order[max(page.start - 1, 0) : page.start]]
        return None if any(abs(mine - one.score) <= slack(mine) for one in edges) else ids


# ------------------------------------------------------------------------------------ numbers


def _steps(value: float, low: float, high: float) -> list[list[float]]:
    """Values ever farther from one, upwards and downwards."""
    if value == 0:
        up, down = [0.01, 0.1, 1.0, 10.0], [-0.01, -0.1, -1.0, -10.0]
    else:
        up, down = [value * ratio for ratio in _RATIOS], [value / ratio for ratio in _RATIOS]
    return [[one for one in side if low <= one <= high] for side in (up, down)]


def _short(value: float, towards: float) -> float:
    """A number of two digits, or of as many as it takes not to pass ``value`` on the way from ``towards``."""
    for digits in (2, 3, 4):
        short = float(f"{value:.{digits}g}")
        if (short - value) * (value - towards) >= 0:
            return short
        step = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1) if value else 0.0
        short = float(f"{short + math.copysign(step, value - towards):.{digits}g}")
        if abs(short - value) <= abs(value - towards):
            return short
    return value


def _nearest(
    start: float, steps: Sequence[float], works: Callable[[float], bool], *, whole: bool
) -> float | None:
    """The value nearest to the start that works, by bisection between the last that does not and the first
    that does; with few digits, where these work, too."""
    given = [float(round(one)) for one in steps] if whole else list(steps)
    near = start
    for far in given:
        if far == near:
            continue
        if works(far):
            break
        near = far
    else:
        return None
    for _ in range(_HALVINGS):
        middle = _between(near, far)
        middle = float(round(middle)) if whole else middle
        if middle in (near, far):
            break
        near, far = (near, middle) if works(middle) else (middle, far)
    short = far if whole else _short(far, start)
    return short if short == far or works(short) else far


def _between(one: float, other: float) -> float:
    return math.copysign(math.sqrt(one * other), one) if one * other > 0 else (one + other) / 2


# ------------------------------------------------------------------------------------ fusions


def _of_fusion(known: _Knobs, fusion: Fusion) -> Iterator[Tuning]:
    """Another k, another weight of one stage, another fusion: computed from what the stages gave."""
    stage = known.stage
    lists = [one.found for one in stage.inputs]
    if not any(one.place() for one in stage.inputs):
        return
    fused = _Fused(known, lists)
    other = "dbsf" if fusion.method == "rrf" else "rrf"
    ids = fused.page(Fusion(other))
    if ids is not None:
        yield Tuning(known.edit("FUSION", other), known.others(ids), math.inf)
    if fusion.method != "rrf":
        return
    for value in _of_k(fused, fusion):
        yield fused.tuning(replace(fusion, k=value), known.edit("rrf_k", value), fusion.k, value)
    weights = fusion.weights or (1.0,) * len(lists)
    for at, one in enumerate(stage.inputs):
        found = _of_weight(fused, fusion, weights, at, given=one.place() is not None)
        if found is not None:
            edit = known.edit("rrf_weights", tuple(int(one) if one == int(one) else one for one in found))
            yield fused.tuning(replace(fusion, weights=found), edit, weights, found)


def _of_k(fused: _Fused, fusion: Fusion) -> Iterator[int]:
    def works(k: float) -> bool:
        return fused.page(replace(fusion, k=int(k))) is not None

    for side in _steps(fusion.k, 1, 100_000):
        value = _nearest(fusion.k, side, works, whole=True)
        if value is not None:
            yield int(value)


def _of_weight(
    fused: _Fused, fusion: Fusion, weights: tuple[float, ...], at: int, *, given: bool
) -> tuple[float, ...] | None:
    """Of a stage that gives the point a greater weight, of another one a smaller."""

    def with_weight(value: float) -> tuple[float, ...]:
        return (*weights[:at], value, *weights[at + 1 :])

    def works(value: float) -> bool:
        return fused.page(replace(fusion, weights=with_weight(value))) is not None

    up, down = _steps(weights[at], 0, 1e6)
    value = _nearest(weights[at], up if given else [*down, 0.0], works, whole=False)
    return None if value is None else with_weight(value)


class _Fused:
    """A fusion of lists that are known, in other ways than the query says."""

    def __init__(self, known: _Knobs, lists: Sequence[Sequence[Candidate]]) -> None:
        self.known, self.lists = known, lists
        verdict = known.stage.report.verdict
        self.turned = verdict is not None and verdict.by_direction

    def page(self, fusion: Fusion) -> list[Id] | None:
        """The points that the stage then gives; None where the point is none of them, or by chance."""
        threshold = self.known.stage.run.body.get("score_threshold")
        return self.known.surely(recompose(fusion, self.lists, threshold, by_direction=self.turned))

    def tuning(self, fusion: Fusion, edit: Edit, before: Value, after: Value) -> Tuning:
        """A value that works."""
        return Tuning(edit, self.known.others(self.page(fusion) or ()), relative_change(before, after))


# ------------------------------------------------------------------------------------ asked of the engine


def _of_engine(known: _Knobs, body_of: BodyOf) -> list[Tuning]:
    """Another factor of a formula, another DIVERSITY: many values in one call, then some between."""
    knobs = [*_factors(known), *_diversities(known)]
    far_ones = [
        known.edit(word, value, part) for word, _, part, sides in knobs for side in sides for value in side
    ]
    works = _asked(known, far_ones, body_of)
    closer: list[tuple[float, Edit]] = []
    for word, start, part, sides in knobs:
        for side in sides:
            values = [start, *side]
            at = next((n for n, one in enumerate(side) if known.edit(word, one, part) in works), None)
            if at is not None:
                near, far = values[at], values[at + 1]
                steps = [near + (far - near) * n / (_BETWEEN + 1) for n in range(1, _BETWEEN + 1)]
                # The far one is known to do; the others are asked for.
                closer += [(start, known.edit(word, _short(one, start), part)) for one in (*steps, far)]
    works |= _asked(known, [edit for _, edit in closer if edit not in works], body_of)
    best: dict[tuple[object, ...], Tuning] = {}
    for start, edit in closer:
        if edit in works:
            assert isinstance(edit.value, (int, float))
            found = Tuning(edit, known.others(works[edit]), _size(start, edit.value))
            key = (*edit.key, edit.value > start)
            if key not in best or found.size < best[key].size:
                best[key] = found
    return list(best.values())


def _size(before: float, after: float) -> float:
    """The relative change; by the difference where there is no ratio."""
    found = relative_change(before, after)
    return found if math.isfinite(found) else 1 + abs(after - before)


_Knob = tuple[str, float, int | None, list[list[float]]]
"""The word, the value that it has, which number of a formula it is, and values ever farther from it."""


def _factors(known: _Knobs) -> list[_Knob]:
    formula = formula_of(known.words)
    query = known.stage.run.body.get("query")
    if formula is None or not isinstance(query, Mapping) or "formula" not in query:
        return []
    if not any(one.place() for one in known.stage.inputs):
        return []
    numbers = [(at, one) for at, one in enumerate(numbers_in(formula.expression)) if one is not None]
    return [("FORMULA", one, at, _steps(one, -math.inf, math.inf)) for at, one in numbers[:_MOST_FACTORS]]


def _diversities(known: _Knobs) -> list[_Knob]:
    mmr = mmr_of(known.stage.run.body)
    if mmr is None:
        return []
    word = "DIVERSITY" if isinstance(known.words.target, nodes.Mmr) else "mmr_diversity"
    if (mmr.get("candidates_limit") or known.stage.run.limit) > MOST_CANDIDATES:
        return []
    given = mmr.get("diversity")
    start = 0.5 if given is None else float(given)
    down = [round(start * part, 3) for part in (0.8, 0.6, 0.4, 0.2, 0.0) if start]
    up = [round(start + (1 - start) * part, 3) for part in (0.25, 0.5, 0.75, 1.0) if start < 1]
    return [(word, start, None, [down, up])]


def _asked(known: _Knobs, edits: Sequence[Edit], body_of: BodyOf) -> dict[Edit, list[Id]]:
    """The edits with which the stage gives the point, and what it gives then."""
    bodies = [(edit, body) for edit in dict.fromkeys(edits) if (body := body_of(edit)) is not None]
    # One more shows whether chance decides at the end; MMR has other points where more are asked for.
    more = 0 if mmr_of(known.stage.run.body) is not None else 1
    deeper = [{**body, "limit": min(known.stage.run.limit + more, U32)} for _, body in bodies]
    answers = known.stage.point.queries(*deeper)
    found = [known.surely(list(answer)) for answer in answers]
    return {edit: ids for (edit, _), ids in zip(bodies, found, strict=True) if ids is not None}


def _of_graph(known: _Knobs) -> Iterator[Tuning]:
    """More candidates on the way through the graph, where an approximate search has missed the point."""
    body = known.stage.run.body
    params = body.get("params") or {}
    if not compares_vectors(body) or params.get("exact"):
        return
    given = params.get("hnsw_ef") or _EF
    wider = [one for one in _EFS if one > max(given, known.stage.run.limit)]
    answers = known.stage.point.queries(*({**body, "params": {**params, "hnsw_ef": one}} for one in wider))
    for value, found in zip(wider, answers, strict=True):
        ids = [one.id for one in found[known.page()]]
        if known.stage.key in ids:
            yield Tuning(known.edit("hnsw_ef", value), known.others(ids), relative_change(given, value))
            return
