"""`recompute`: what a pipeline answers, from what its stages gave, and how certain that is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from qql.analysis.fusion import ascending, is_own_fusion, rank_key, rank_keys
from qql.analysis.model import Candidate, Id, OrderValue
from qql.analysis.model import Path as StagePlace
from qql.analysis.recomposition import recompose
from qql.analysis.tie_bounds import FusionBounds, PossiblePlace, TieBounds, list_bounds, union_bounds
from qql.evaluation.inputs import PipelineLike
from qql.evaluation.recording.planning import Planner, given_text
from qql.evaluation.recording.recipes import Computing, Cut, Found, Fusing, Part, Recipe, Rescoring
from qql.evaluation.recording.recordings import RecordedQuery, RecordedStage, Recording
from qql.evaluation.recording.score_formulas import ScoreFormula
from qql.records import NamedTuple, dataclass, field, replace
from qql.rest.fusion import f32
from qql.rest.limits import U32
from qql.rest.types import JsonObject

__all__ = ["EQUAL", "NEEDS_RUN", "TIES", "Evaluation", "Given", "NeedsRun", "Recomputed", "recompute"]

EQUAL, TIES, NEEDS_RUN = "equal", "equal but for ties", "needs a run"


class NeedsRun(Exception):
    """A recording does not say what a stage gives; the text says why."""


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What a pipeline answers to a query.

    ``verdict``: ``equal`` (the engine answers just this), ``equal but for ties`` (the engine's chance orders
    equals, and may choose which of them are in; ``possible`` says what it can do), ``needs a run`` (nothing
    is certain, for the ``reasons``). ``hits`` are the points with their scores, the best first, behind
    OFFSET; None where nothing can be said. Beside ``needs a run`` they are an estimate: what would be the
    answer if the engine searched as exactly as it did when it was asked deep down.
    """

    query: str
    verdict: str
    hits: tuple[Candidate, ...] | None
    reasons: tuple[str, ...] = ()
    possible: Mapping[Id, PossiblePlace] = field(default_factory=dict, compare=False)
    """Where each point may stand in the list before OFFSET (positions from 0) and with which score; of points
    that are in no recorded list, nothing."""
    strangers: int = 0
    """How many points may be in the list that are in no recorded one."""

    @property
    def ids(self) -> tuple[Id, ...]:
        """The ids of the hits; empty where nothing can be said."""
        return tuple(one.id for one in self.hits or ())

    def to_dict(self) -> JsonObject:
        """``{"query", "verdict", "reasons", "hits": [{"id", "score"[, "order_value"]}] or null}``."""
        hits = None if self.hits is None else [one.to_dict() for one in self.hits]
        return {"query": self.query, "verdict": self.verdict, "reasons": list(self.reasons), "hits": hits}


def recompute(
    recording: Recording, pipeline: PipelineLike, *, params: Mapping[str, Any] | None = None
) -> Iterator[Recomputed]:
    """What a pipeline answers to each query of a recording, one after the other, without an engine.

    >>> for one in recompute(read_recording("run.qqlrun.gz"), text):
    ...     print(one.query, one.verdict, one.ids)

    It may have any LIMIT up to the depth, any OFFSET, SCORE THRESHOLD, fusion, k and weights, formulas over
    scores, and more or fewer stages, as long as each is among those that were recorded.

    Args:
        recording: of `record` or `read_recording`.
        pipeline: as for `evaluate`; or the name of one of the recording's.
        params: parameters that are the same for all queries, beside those of the recording.

    Returns:
        An iterator that reads the file as it goes; a `Recomputed` for each query, in the order of the file.

    Raises:
        InputError: as `Recording.queries`; ``usage`` for several pipelines, or none.
        QQLCompileError: the pipeline is at fault, or no pipeline; or lacks a parameter.
    """
    name, text = given_text(recording, pipeline)
    planner = Planner(recording, params)
    script = planner.pipeline(text, name)
    for row in recording.queries():
        recipe = planner.recipe(script, row)
        yield Evaluation(recording, row, recipe.keys, recipe.labels).recomputed(recipe)


class Given(NamedTuple):
    """What a stage gives to those above it: its list, and what chance leaves open in it."""

    found: tuple[Candidate, ...]
    bounds: TieBounds


class Evaluation:
    """Follows recipes for one query. Parts that recipes have in common are computed once.

    ``keys`` and ``labels`` are those of the recipes. ``doubts`` has, for each part, why its list is an
    estimate.
    """

    def __init__(
        self,
        recording: Recording,
        row: RecordedQuery,
        keys: Mapping[StagePlace, str],
        labels: Mapping[StagePlace, str],
    ) -> None:
        self.recording: Recording = recording
        self.row: RecordedQuery = row
        self.keys: Mapping[StagePlace, str] = keys
        self.labels: Mapping[StagePlace, str] = labels
        self._known: dict[Part, Given | NeedsRun] = {}
        self._doubts: dict[Part, tuple[str, ...]] = {}
        self._lists: dict[StagePlace, tuple[Candidate, ...]] = {}
        self._graphs: dict[str, bool] = {}

    def recomputed(self, recipe: Recipe) -> Recomputed:
        """What the query answers by a recipe."""
        if recipe.root is None:
            return Recomputed(self.row.query, NEEDS_RUN, None, recipe.obstacles)
        try:
            given = self.given(recipe.root)
        except NeedsRun as why:
            return Recomputed(self.row.query, NEEDS_RUN, None, (str(why),))
        hits, bounds = given.found[recipe.offset :], given.bounds
        doubts = self.doubts(recipe.root)
        verdict = NEEDS_RUN if doubts else EQUAL if bounds.settled else TIES
        return Recomputed(self.row.query, verdict, hits, doubts, bounds.places, bounds.strangers)

    def ordered(self, recipe: Recipe, order: Callable[[Id], Any]) -> tuple[Candidate, ...]:
        """The hits of `recomputed`, those of equal score by ``order``, the least first: also of those that a
        LIMIT cuts, as far as they are known. Raises `NeedsRun`."""
        part = recipe.root
        assert part is not None, "there are hits"
        limit = part.cut.limit
        if isinstance(part, Found):
            if part.by_value or part.by_id:
                return self.given(part).found[recipe.offset :]
            every = self.passing(part)[0]
        else:
            every = self.given(replace(part, cut=Cut(U32, part.cut.threshold))).found
        if any(one.order_value is not None for one in every):
            return self.given(part).found[recipe.offset :]
        smaller = ascending(every)
        ranked = sorted(every, key=lambda one: (one.score if smaller else -one.score, order(one.id)))
        return tuple(ranked[recipe.offset : limit])

    def given(self, part: Part) -> Given:
        """What a stage gives. Raises `NeedsRun`."""
        known = self._known.get(part)
        if known is None:
            try:
                known = self._made(part)
            except NeedsRun as why:
                known = why
            self._known[part] = known
        if isinstance(known, NeedsRun):
            raise known
        return known

    def doubts(self, part: Part, *, root: bool = True) -> tuple[str, ...]:
        """Why the list of a stage is an estimate; empty where it is not."""
        inner = () if isinstance(part, Found) else part.inputs
        every = [*self._doubts.get(part, ())]
        own = isinstance(part, Fusing) and is_own_fusion(part.fusion)
        if self.recording.shards > 1 and inner and not (root and own):
            every.append(
                f"each of the {self.recording.shards} shards fuses and rescores what it has by itself"
            )
        for one in inner:
            every += self.doubts(one, root=False)
        return tuple(dict.fromkeys(every))

    def _made(self, part: Part) -> Given:
        match part:
            case Found():
                return self._found(part)
            case Fusing():
                return self._fused(part)
            case Rescoring():
                return self._rescored(part)
            case Computing():
                return self._computed(part)

    # -- lists that were recorded

    def stage(self, path: StagePlace) -> RecordedStage:
        """The recorded stage at a place. Raises `NeedsRun` where there is none."""
        key, label = self.keys[path], self.labels[path]
        found = self.row.stages.get(key)
        if found is not None:
            return found
        what, params, *filters = key.split(".")
        known = [one.split(".") for one in self.row.stages]
        if filters and any(one[:2] == [what, params] for one in known):
            raise NeedsRun(f"`{label}`: no stage with its WHERE was recorded")
        if any(one[0] == what for one in known):
            raise NeedsRun(f"`{label}`: no stage with its PARAMS was recorded")
        raise NeedsRun(f"`{label}` was not recorded")

    def candidates(self, path: StagePlace) -> tuple[Candidate, ...]:
        """All points that the stage at a place gave."""
        if path not in self._lists:
            found = self.stage(path).candidates()
            if len({one.id for one in found}) < len(found):
                raise NeedsRun(f"`{self.labels[path]}`: a point stands in its list several times")
            self._lists[path] = found
        return self._lists[path]

    def passing(self, part: Found) -> tuple[tuple[Candidate, ...], bool]:
        """The recorded points of a stage that pass its threshold, and whether there are no others.

        Raises `NeedsRun` where these are too few for its limit.
        """
        recorded, every = self.stage(part.path), self.candidates(part.path)
        passing = self._passing(every, part)
        whole = recorded.whole or len(passing) < len(every)
        limit = part.cut.limit
        if limit > len(passing) and not whole:
            label = self.labels[part.path]
            raise NeedsRun(f"`{label}`: LIMIT {limit} is beyond the {len(passing)} points recorded")
        if self._is_approximate(part.graph) and limit != recorded.asked:
            label = self.labels[part.path]
            doubt = f"`{label}` searches approximately: with LIMIT {limit} it may find other points"
            self._doubts[part] = (doubt,)
        return passing, whole

    def _found(self, part: Found) -> Given:
        passing, whole = self.passing(part)
        return _cut_list(passing, part.cut.limit, part.by_value, part.by_id, whole=whole)

    def _is_approximate(self, vector: str | None) -> bool:
        if vector is None:
            return False
        if vector not in self._graphs:
            self._graphs[vector] = self.recording.may_be_approximate(vector)
        return self._graphs[vector]

    def _passing(self, found: tuple[Candidate, ...], part: Found | Rescoring) -> tuple[Candidate, ...]:
        """The points up to the first that fails the threshold: a score that equals it fails, too."""
        if part.cut.threshold is None or not found:
            return found
        if part.smaller is None:
            raise NeedsRun(f"`{self.labels[part.path]}`: SCORE THRESHOLD on examples compared by distances")
        bar = f32(part.cut.threshold)
        passes = (lambda one: one.score < bar) if part.smaller else (lambda one: one.score > bar)
        return tuple(takewhile(passes, found))

    # -- stages above

    def _fused(self, part: Fusing) -> Given:
        inputs = [self.given(one) for one in part.inputs]
        lists = [one.found for one in inputs]
        turned = self.turns(part, lists)
        below = [one.bounds for one in inputs]
        values = _order_values(lists)
        if (
            values
            and part.fusion.by_value
            and not all(
                one.settled or isinstance(given, Found) for one, given in zip(below, part.inputs, strict=True)
            )
        ):
            raise NeedsRun("DBSF above what chance leaves of an ORDER BY")
        fused = recompose(part.fusion, lists, part.cut.threshold, by_direction=turned)[: part.cut.limit]
        found = tuple(Candidate(one.id, one.score, values.get(one.id)) for one in fused)
        bounds = FusionBounds(part.fusion, below, lists, turned).bounds(
            found, part.cut.limit, part.cut.threshold
        )
        if not any(one.strangers for one in below):
            bounds = replace(bounds, strangers=0)
        return Given(found, bounds)

    def turns(self, part: Fusing, lists: Sequence[Sequence[Candidate]]) -> bool:
        """Whether a fusion turns lists of distances round. Raises `NeedsRun` where nobody knows."""
        if part.fusion.method != "dbsf" or not any(map(ascending, lists)):
            return False
        if self.row.turned is None:
            raise NeedsRun("DBSF of distances: no recorded stage shows which end the engine prefers")
        return self.row.turned

    def _rescored(self, part: Rescoring) -> Given:
        inputs = [self.given(one) for one in part.inputs]
        recorded, every = self.stage(part.path), self.candidates(part.path)
        label = self.labels[part.path]
        union = {one.id for given in inputs for one in given.found}
        asked = {key for name in recorded.of for key in self.row.stages[name].ids}
        unknown = len(union - asked)
        if unknown:
            raise NeedsRun(f"`{label}`: {unknown} of its points have no recorded score")
        if self._is_approximate(part.graph):
            self._doubts[part] = (f"`{label}` may search approximately among its points",)
        among = tuple(one for one in every if one.id in union)
        passing, limit = self._passing(among, part), part.cut.limit
        below = [one.bounds for one in inputs]
        if all(one.complete for one in below):
            return _cut_list(passing, limit, by_value=False, by_id=False, whole=True)
        found = passing[:limit]
        return Given(found, union_bounds(found, False, below, limit, loose=False))

    def _computed(self, part: Computing) -> Given:
        inputs = [self.given(one) for one in part.inputs]
        scores = [{one.id: one.score for one in given.found} for given in inputs]
        formula = ScoreFormula(json.loads(part.formula))
        found = []
        for key in dict.fromkeys(one.id for given in inputs for one in given.found):
            try:
                found.append(Candidate(key, formula.score([known.get(key) for known in scores])))
            except (ValueError, OverflowError, ZeroDivisionError) as exc:
                raise NeedsRun(f"FORMULA has no value for the point {key}: {exc}") from exc
        found.sort(key=lambda one: one.score, reverse=True)
        if part.cut.threshold is not None:
            bar = f32(part.cut.threshold)
            found = [one for one in found if one.score >= bar]
        below, limit = [one.bounds for one in inputs], part.cut.limit
        if all(one.complete and _scores_are_certain(one) for one in below):
            return _cut_list(tuple(found), limit, by_value=False, by_id=False, whole=True)
        cut = tuple(found[:limit])
        return Given(cut, union_bounds(cut, False, below, limit, loose=True))


def _order_values(lists: Sequence[Sequence[Candidate]]) -> dict[Id, OrderValue]:
    """The values of ORDER BY that points come with: those of the first list that has them."""
    every = [one for found in reversed(lists) for one in reversed(found)]
    if not any(one.order_value is not None for one in every):
        return {}
    return {
        key: value for key, value in {one.id: one.order_value for one in every}.items() if value is not None
    }


def _scores_are_certain(bounds: TieBounds) -> bool:
    return all(place.low == place.high for place in bounds.places.values())


def _cut_list(every: tuple[Candidate, ...], limit: int, by_value: bool, by_id: bool, *, whole: bool) -> Given:
    """The first points of a list, and the tie that the limit cuts. ``whole``: nothing is behind the list."""
    found = every[:limit]
    if by_id or not found:
        return Given(found, list_bounds(found, by_value, None, equals=False))
    bar = rank_key(found[-1], by_value)
    behind = rank_keys(every[limit:], by_value)
    tied = [
        one.id for one, key in zip(every[limit:], takewhile(lambda key: key == bar, behind), strict=False)
    ]
    more = not whole and len(tied) == len(behind)
    if not tied and not more:
        return Given(found, list_bounds(found, by_value, None))
    bounds = list_bounds(found, by_value, tied)
    return Given(found, bounds if more else replace(bounds, strangers=0))
