"""`what_if`: what a pipeline would answer with each of many settings, from a recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qql.analysis.model import Id
from qql.errors import QQLError
from qql.evaluation.faults import InputError, whole_from
from qql.evaluation.inputs import PipelineLike
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recording.merged_recipes import MergedRecipes
from qql.evaluation.recording.planning import Planner, given_text
from qql.evaluation.recording.recipes import Found, Fusing, Recipe
from qql.evaluation.recording.recomputing import NEEDS_RUN, Evaluation, Recomputed
from qql.evaluation.recording.recordings import RecordedQuery, Recording
from qql.evaluation.settings import Settable
from qql.records import dataclass, field, replace
from qql.rest.types import Body, Json, JsonObject

if TYPE_CHECKING:
    from qql.evaluation.recording.many_fusions import Answers, FusionProgram, Order
    from qql.syntax.parser import Parsed

__all__ = ["SettingsPlan", "WhatIf", "what_if"]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a pipeline would answer to a query with each of the settings.

    ``ids`` are all points that are in some answer. ``places`` has a row for each setting, in their order:
    positions in ``ids``, the best hit first, -1 behind the last; all rows have one length. It is an array of
    numpy where that is installed, else lists. ``verdicts`` are those of `Recomputed`, one for each setting:
    with ``equal but for ties`` said too often rather than too seldom. ``reasons`` are, by the number of the
    setting, why it needs a run; ``estimates`` are those of them that have a ranking all the same, as
    `Recomputed` has hits.
    """

    query: str
    ids: Sequence[Id]
    places: Sequence[Sequence[int]]
    verdicts: Sequence[str]
    reasons: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    estimates: frozenset[int] = frozenset()

    def known(self, setting: int) -> bool:
        """Whether anything can be said of a setting: its answer, or an estimate of it."""
        return self.verdicts[setting] != NEEDS_RUN or setting in self.estimates

    def ranking(self, setting: int) -> list[Id]:
        """The hits with a setting, by its number from 0; empty where nothing can be said."""
        return [self.ids[at] for at in self.places[setting] if at >= 0]


def what_if(
    recording: Recording,
    pipeline: PipelineLike,
    settings: Sequence[Mapping[str, Json]],
    *,
    params: Mapping[str, Any] | None = None,
    top: int | None = None,
) -> Iterator[WhatIf]:
    """What a pipeline would answer with each of many settings, query by query, without an engine.

    >>> grid = expand_grid({"dense.limit": [20, 50, 100], "root.rrf_k": [2, 60]})
    >>> for one in what_if(kept, text, grid, top=10):
    ...     print(one.query, one.ranking(0), one.verdicts[0])

    Fusions of recorded stages are computed for all settings at once, with numpy where it is installed, else
    one by one.

    Args:
        recording, pipeline, params: as for `recompute`.
        settings: name → value, as for `tune`: ``dense.limit``, ``root.rrf_k``, ``words.threshold`` …, or a
            parameter of the pipeline; null leaves a clause out. What is not named stays as it is.
        top: how many hits are wanted at most; None: as many as LIMIT says.

    Returns:
        An iterator that reads the file as it goes; a `WhatIf` for each query, in the order of the file.

    Raises:
        InputError: as `recompute`; ``bad-setting`` and ``unknown-setting`` for settings that do not fit.
        QQLCompileError: the pipeline is at fault, or no pipeline; or lacks a parameter.
    """
    whole_from(1, top=top)
    name, text = given_text(recording, pipeline)
    planner = Planner(recording, params)
    script = planner.pipeline(text, name)
    first = next(recording.queries(), None)
    if first is None:
        return
    plan = SettingsPlan(planner, script, first, settings, top)
    for row in recording.queries():
        yield plan.answered(row)


_CUTS = frozenset({"limit", "threshold", "fusion", "rrf_k", "rrf_weights"})
"""Settings that change what is done with lists, and never which lists there are."""


class SettingsGroup:
    """Settings whose stages are the same: ``base`` is what all of them but their cuts makes of the first
    query, ``parsed`` the statements of that, ``params`` the values that they give to parameters, ``changes``
    those of settings beside their cuts."""

    def __init__(self, parsed: Sequence[Parsed], params: Body, changes: Body, base: Recipe) -> None:
        self.parsed: Sequence[Parsed] = parsed
        self.params: Body = params
        self.changes: Body = changes
        self.base: Recipe = base
        self.merged: MergedRecipes = MergedRecipes(base)
        self.recipes: dict[int, Recipe] = {}
        self.changed: dict[str, Recipe] = {}
        """The recipe for what is changed of one stage, by that as text."""
        self.program: FusionProgram | None = None
        self.others: dict[int, Recipe] = {}


class SettingsPlan:
    """Settings of a pipeline, planned once where the query has no part in what their cuts do; else for each
    query. Raises as `what_if` does."""

    def __init__(
        self,
        planner: Planner,
        script: Pipeline,
        first: RecordedQuery,
        settings: Sequence[Body],
        top: int | None,
        bases: dict[tuple[str, str], Recipe] | None = None,
    ) -> None:
        """``bases`` keeps what was planned for queries, for other plans of the same pipeline."""
        self.bases: dict[tuple[str, str], Recipe] | None = bases
        self.planner: Planner = planner
        self.script: Pipeline = script
        self.top: int | None = top
        self.names: set[str] = {str(key) for key in script.parameters}
        plan = script.compiled(planner.values(script, first)).plan
        assert plan is not None, "a pipeline's statement is a query"
        self.settable: Settable = Settable(script.text, plan, script.name)
        self.settings: Sequence[Body] = settings
        self.places: dict[str, tuple[str, str, bool]] = {}
        self.groups: dict[str, SettingsGroup] = {}
        for number, values in enumerate(settings):
            self._add(number, values, first)
        for group in self.groups.values():
            self._divide(group)

    def _add(self, number: int, values: Body, first: RecordedQuery) -> None:
        params = {one: value for one, value in values.items() if one in self.names}
        others: JsonObject = {}
        cuts: dict[str, JsonObject] = {}
        try:
            for one, value in values.items():
                if one not in self.names:
                    name, label, is_cut = self._place(one)
                    (cuts.setdefault(label, {}) if is_cut else others)[name] = value
            key = repr((others, params))
            group = self.groups.get(key)
            if group is None:
                parsed = self.settable.edited(others)
                group = SettingsGroup(parsed, params, others, self._recipe(parsed, first, params))
                self.groups[key] = group
            group.recipes[number] = self._planned(group, cuts, first)
        except QQLError as exc:
            said = ", ".join(f"{one}={value}" for one, value in values.items())
            raise InputError.make("bad-setting", f"{said}: {exc.message}", hint=exc.hint) from exc

    def _place(self, given: str) -> tuple[str, str, bool]:
        """A setting's own name, its stage, and whether it is a cut."""
        if given not in self.places:
            name = self.settable.find(given)
            label = max((one for one in self.settable.stages if name.startswith(f"{one}.")), key=len)
            is_cut = name[len(label) + 1 :].partition(".")[0] in _CUTS
            self.places[given] = name, label, is_cut
        return self.places[given]

    def _planned(self, group: SettingsGroup, cuts: Mapping[str, Body], first: RecordedQuery) -> Recipe:
        """The recipe of a setting: made of those of what it changes of each stage, where that is clear."""
        changed = []
        for one in cuts.values():
            key = repr(one)
            if key not in group.changed:
                parsed = self.settable.edited({**group.changes, **one})
                group.changed[key] = self._recipe(parsed, first, group.params, named=False)
            changed.append(group.changed[key])
        found = group.merged.of(changed)
        if found is None:
            every = {name: value for one in cuts.values() for name, value in one.items()}
            parsed = self.settable.edited({**group.changes, **every})
            found = self._recipe(parsed, first, group.params)
        return found

    def _parsed(self, number: int) -> Sequence[Parsed]:
        values = self.settings[number]
        return self.settable.edited(
            {self._place(one)[0]: value for one, value in values.items() if one not in self.names}
        )

    def _recipe(
        self, parsed: Sequence[Parsed], row: RecordedQuery, params: Body, *, named: bool = True
    ) -> Recipe:
        values = {**self.planner.values(self.script, row), **params}
        return self.planner.recipe_of(self.planner.compiled(self.script, values, parsed), named=named)

    def _divide(self, group: SettingsGroup) -> None:
        """Into the fusions that are computed at once, and what is recomputed one by one."""
        fusions = {number: one for number, one in group.recipes.items() if _is_plain_fusion(one)}
        group.program = _program(fusions, self.top)
        if group.program is None:
            fusions = {}
        group.others = {number: one for number, one in group.recipes.items() if number not in fusions}

    def _base(self, row: RecordedQuery, key: str, group: SettingsGroup) -> Recipe:
        known = None if self.bases is None else self.bases.get((row.query, key))
        if known is None:
            known = self._recipe(group.parsed, row, group.params)
            if self.bases is not None:
                self.bases[row.query, key] = known
        return known

    def recipe(self, number: int) -> Recipe:
        """The recipe of a setting for the first query."""
        return next(group.recipes[number] for group in self.groups.values() if number in group.recipes)

    def answered(self, row: RecordedQuery, order: Order | None = None) -> WhatIf:
        """All settings for one query; ``order`` is what equals are ordered by, the least first."""
        sheet = _Sheet(row.query, len(self.settings), self.top)
        for key, group in self.groups.items():
            base = self._base(row, key, group)
            evaluation = Evaluation(self.planner.recording, row, base.keys, base.labels)
            others: Mapping[int, Recipe] = group.others
            if base.root != group.base.root or base.obstacles != group.base.obstacles:
                others = {
                    at: self._recipe(self._parsed(at), row, group.params, named=False) for at in group.recipes
                }
            elif group.program is not None:
                sheet.put_all(group.program.answered(evaluation, order))
            for number, one in others.items():
                found = evaluation.recomputed(one)
                if order is not None and found.hits is not None:
                    found = replace(found, hits=evaluation.ordered(one, order))
                sheet.put(number, found)
        return sheet.done()


def _is_plain_fusion(recipe: Recipe) -> bool:
    """Whether a recipe is a fusion whose order hangs on scores alone."""
    root = recipe.root
    if not isinstance(root, Fusing) or root.fusion.linear is not None:
        return False
    return not root.fusion.by_value or all(isinstance(one, Found) and not one.by_value for one in root.inputs)


def _program(recipes: Mapping[int, Recipe], top: int | None) -> FusionProgram | None:
    """What computes fusions at once; None without numpy, or without fusions."""
    try:
        import numpy  # noqa: F401 - qdrant-client brings it, and a service may do without
    except ModuleNotFoundError:
        return None
    from qql.evaluation.recording.many_fusions import FusionProgram

    return FusionProgram(recipes, top) if recipes else None


class _Sheet:
    """The answers of all settings to one query, as they come."""

    def __init__(self, query: str, count: int, top: int | None) -> None:
        self.query = query
        self.top = top
        self.ids: dict[Id, int] = {}
        self.rows: list[Sequence[int]] = [()] * count
        self.many: list[Answers] = []
        self.verdicts: list[str] = [NEEDS_RUN] * count
        self.reasons: dict[int, tuple[str, ...]] = {}
        self.estimates: set[int] = set()

    def put(self, number: int, found: Recomputed) -> None:
        """The answer of one setting."""
        ids = [one.id for one in (found.hits or ())[: self.top]]
        self.rows[number] = [self.ids.setdefault(key, len(self.ids)) for key in ids]
        self.verdicts[number] = found.verdict
        if found.verdict == NEEDS_RUN and found.hits is not None:
            self.estimates.add(number)
        if found.reasons:
            self.reasons[number] = found.reasons

    def put_all(self, found: Answers) -> None:
        """The answers of all settings of a program."""
        self.many.append(found)
        if len(found.verdicts) == len(self.verdicts):  # of all settings, which are in their order
            self.verdicts = found.verdicts
        else:
            for at, verdict in zip(found.program.settings.tolist(), found.verdicts, strict=True):
                self.verdicts[at] = verdict
        self.reasons |= found.reasons
        self.estimates |= found.estimates

    def _said(self) -> tuple[list[str], dict[int, tuple[str, ...]], frozenset[int]]:
        return self.verdicts, self.reasons, frozenset(self.estimates)

    def done(self) -> WhatIf:
        width = max(map(len, self.rows), default=0)
        if not self.many:
            lists = [[*row, *[-1] * (width - len(row))] for row in self.rows]
            return WhatIf(self.query, [*self.ids], lists, *self._said())
        found: Any = self.many[0].places
        if len(self.many) == 1 and len(found) == len(self.rows):
            return WhatIf(self.query, self.many[0].ids, found, *self._said())
        import numpy

        width = max(width, *(one.places.shape[1] for one in self.many))
        places = numpy.full((len(self.rows), width), -1, dtype=numpy.int32)
        for number, row in enumerate(self.rows):
            places[number, : len(row)] = row
        for one in self.many:
            names = [self.ids.setdefault(key, len(self.ids)) for key in one.ids]
            named = numpy.array([*names, -1], dtype=numpy.int32)[one.places]
            places[one.program.settings, : named.shape[1]] = named
        found = places
        return WhatIf(self.query, [*self.ids], found, *self._said())
