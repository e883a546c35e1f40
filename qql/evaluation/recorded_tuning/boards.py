"""The figures of all settings that were recomputed, query by query."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from qql.analysis.model import Id
from qql.backends.base import Progress, Work
from qql.evaluation.documents import Key, document_key
from qql.evaluation.files import Qrels
from qql.evaluation.measures import Evaluation, Measure
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recorded_tuning.many_measures import depth_of, values_of
from qql.evaluation.recording.planning import Planner
from qql.evaluation.recording.recipes import Found, Part, Recipe, Rescoring
from qql.evaluation.recording.recomputing import NEEDS_RUN, TIES
from qql.evaluation.recording.recordings import RecordedQuery
from qql.evaluation.recording.settings_at_once import SettingsPlan, WhatIf
from qql.records import dataclass, field
from qql.rest.types import Body, JsonObject
from qql.result import Hit

__all__ = ["Board", "ScoredSetting", "order_of", "text_of"]


def text_of(values: Body) -> str:
    """What settings are told apart by."""
    return json.dumps(values, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredSetting:
    """A setting: its ``values``, by each measure the figure of each query (of `Board.queries`, in their
    order), the ``candidates`` that its lowest stages are asked for together, and ``ms``, the mean of what
    these took when they were recorded: asked deep down, and so more than they take.

    ``ties`` and ``estimates`` count the queries whose answer is equal but for ties, and an estimate.
    """

    values: JsonObject
    figures: Mapping[Measure, tuple[float, ...]] = field(repr=False)
    candidates: int
    ms: float
    ties: int
    estimates: int
    reasons: tuple[str, ...] = ()

    @property
    def means(self) -> dict[Measure, float]:
        """The mean of each measure over all queries."""
        return {measure: math.fsum(of) / len(of) for measure, of in self.figures.items()}

    def evaluation(self, queries: Sequence[str]) -> Evaluation:
        """The same as `evaluate` gives it."""
        values = {one: dict(zip(queries, of, strict=True)) for one, of in self.figures.items()}
        return Evaluation(values, tuple(queries))


def order_of(
    ties: str, doc: Callable[[Id], str], judged: Mapping[str, float]
) -> Callable[[Id], tuple[Any, ...]]:
    """What equals are ordered by, as `TIE_ORDERS` has it, the least first."""
    if ties == "doc":  # the greatest first: no character is as small as what stands behind the last one
        return lambda one: (*(-ord(letter) for letter in doc(one)), 1)
    if ties == "id":
        return lambda one: (isinstance(one, str), one)
    sign = 1 if ties == "worst" else -1
    return lambda one: (sign * judged.get(doc(one), -math.inf), isinstance(one, str), one)


class Board:
    """Recomputes settings of a pipeline for the judged queries of a recording, each setting once.

    ``left_out`` counts, by the reason, the settings that a recording says nothing of.
    """

    def __init__(
        self,
        planner: Planner,
        script: Pipeline,
        rows: Sequence[RecordedQuery],
        qrels: Qrels,
        measures: Sequence[Measure],
        ties: str,
        progress: Progress,
        bases: dict[tuple[str, str], Recipe] | None = None,
    ) -> None:
        self.planner: Planner = planner
        self.script: Pipeline = script
        self.rows: Sequence[RecordedQuery] = rows
        self.queries: tuple[str, ...] = tuple(one.query for one in rows)
        self.qrels: Qrels = qrels
        self.measures: Sequence[Measure] = measures
        self.ties: str = ties
        self.progress: Progress = progress
        self.left_out: Counter[str] = Counter()
        self._bases: dict[tuple[str, str], Recipe] = {} if bases is None else bases
        self._key: Key = document_key(qrels)
        self._scored: dict[str, ScoredSetting | None] = {}

    @property
    def scored(self) -> list[ScoredSetting]:
        """All settings that were recomputed, in the order in which they came."""
        return [one for one in self._scored.values() if one is not None]

    def doc(self, point: Id) -> str:
        """The document that a point is."""
        return self._key(Hit(point, None))

    def add(self, settings: Sequence[JsonObject]) -> list[ScoredSetting | None]:
        """The figures of settings; None for those of which the recording says nothing.

        Raises `InputError` ``bad-setting`` for one that does not fit.
        """
        new = list({text_of(one): one for one in settings if text_of(one) not in self._scored}.values())
        if new:
            for values, found in zip(new, self._recomputed(new), strict=True):
                self._scored[text_of(values)] = found
        return [self._scored[text_of(one)] for one in settings]

    def found(
        self, settings: Sequence[JsonObject], top: int | None
    ) -> Iterator[tuple[RecordedQuery, WhatIf]]:
        """The answers of some settings, query by query, equals in their order."""
        plan = self._plan(settings, top)
        for row in self.rows:
            yield row, plan.answered(row, order_of(self.ties, self.doc, self.qrels[row.query]))

    def apart(self, ties: str | None = None) -> Board:
        """Another one for the same, without settings; ``ties`` is the order of its equals."""
        given = (self.planner, self.script, self.rows, self.qrels, self.measures)
        return Board(*given, ties or self.ties, self.progress, self._bases)

    def _plan(self, settings: Sequence[JsonObject], top: int | None) -> SettingsPlan:
        return SettingsPlan(self.planner, self.script, self.rows[0], settings, top, self._bases)

    def _recomputed(self, settings: Sequence[JsonObject]) -> Iterator[ScoredSetting | None]:
        plan = self._plan(settings, depth_of(self.measures))
        figures: dict[Measure, list[list[float]]] = {one: [] for one in self.measures}
        ties, estimates = [0] * len(settings), [0] * len(settings)
        reasons: dict[int, tuple[str, ...]] = {}
        unknown: dict[int, tuple[str, ...]] = {}
        for done, row in enumerate(self.rows):
            self.progress(Work("recomputing", "queries"), done, len(self.rows))
            judged = self.qrels[row.query]
            found = plan.answered(row, order_of(self.ties, self.doc, judged))
            for at, why in found.reasons.items():
                if found.known(at):
                    estimates[at] += 1
                    reasons.setdefault(at, why)
                else:
                    unknown.setdefault(at, why)
            for at, verdict in enumerate(found.verdicts):
                ties[at] += verdict == TIES
            for measure, own in values_of(found, self.doc, judged, self.measures).items():
                figures[measure].append(own)
        self.progress(Work("recomputing", "queries"), len(self.rows), len(self.rows))
        turned = {measure: list(zip(*of, strict=True)) for measure, of in figures.items()}
        seconds = self._seconds()
        for at, values in enumerate(settings):
            if at in unknown:
                self.left_out[unknown[at][0] if unknown[at] else NEEDS_RUN] += 1
                yield None
                continue
            recipe = plan.recipe(at)
            mine = {measure: of[at] for measure, of in turned.items()}
            ms = math.fsum(seconds.get(key, 0.0) for key in _labels(recipe))
            yield ScoredSetting(
                dict(values),
                *(mine, _candidates(recipe), ms, ties[at], estimates[at], reasons.get(at, ())),
            )

    def _seconds(self) -> dict[str, float]:
        """The mean milliseconds of the stages, by their labels."""
        total: defaultdict[str, float] = defaultdict(float)
        for row in self.rows:
            for stage in row.stages.values():
                total[stage.label] += stage.ms
        return {label: ms / len(self.rows) for label, ms in total.items()}


def _parts(part: Part) -> Iterator[Part]:
    yield part
    for one in () if isinstance(part, Found) else part.inputs:
        yield from _parts(one)


def _labels(recipe: Recipe) -> set[str]:
    """The stages that were recorded for it."""
    if recipe.root is None:
        return set()
    return {recipe.labels[one.path] for one in _parts(recipe.root) if isinstance(one, Found | Rescoring)}


def _candidates(recipe: Recipe) -> int:
    if recipe.root is None:
        return 0
    return sum(one.cut.limit for one in _parts(recipe.root) if isinstance(one, Found))
