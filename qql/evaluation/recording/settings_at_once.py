"""`what_if`: what a pipeline would answer with each of many settings, from a recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qql.analysis.model import Id
from qql.errors import QQLError
from qql.evaluation.faults import InputError, whole_from
from qql.evaluation.inputs import PipelineLike
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recording.planning import Planner, given_text
from qql.evaluation.recording.recipes import Found, Fusing, Recipe
from qql.evaluation.recording.recomputing import NEEDS_RUN, Evaluation, Recomputed
from qql.evaluation.recording.recordings import RecordedQuery, Recording
from qql.evaluation.settings import Settable
from qql.records import dataclass, field, replace
from qql.rest.types import Body, Json

if TYPE_CHECKING:
    from qql.evaluation.recording.many_fusions import Answers, FusionProgram
    from qql.syntax.parser import Parsed

__all__ = ["WhatIf", "what_if"]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a pipeline would answer to a query with each of the settings.

    ``ids`` are all points that are in some answer. ``places`` has a row for each setting, in their order:
    positions in ``ids``, the best hit first, -1 behind the last; all rows have one length. It is an array of
    numpy where that is installed, else lists. ``verdicts`` are those of `Recomputed`, one for each setting:
    with ``equal but for ties`` said too often rather than too seldom. ``reasons`` are, by the number of the
    setting, why it needs a run.
    """

    query: str
    ids: Sequence[Id]
    places: Sequence[Sequence[int]]
    verdicts: Sequence[str]
    reasons: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

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
    trying = _Trying(planner, script, first, settings, top)
    for row in recording.queries():
        yield trying.answered(row)


_CUTS = frozenset({"limit", "threshold", "fusion", "rrf_k", "rrf_weights"})
"""Settings that change what is done with lists, and never which lists there are."""


class _Group:
    """Settings whose stages are the same: ``base`` is what all of them but their cuts makes of the first
    query, ``parsed`` the statements of that, ``params`` the values that they give to parameters."""

    def __init__(self, parsed: Sequence[Parsed], params: Body, base: Recipe) -> None:
        self.parsed = parsed
        self.params = params
        self.base = base
        self.recipes: dict[int, Recipe] = {}
        self.program: FusionProgram | None = None
        self.others: dict[int, Recipe] = {}


class _Trying:
    """Plans each setting once, where the query has no part in what its cuts do; else for each query."""

    def __init__(
        self,
        planner: Planner,
        script: Pipeline,
        first: RecordedQuery,
        settings: Sequence[Body],
        top: int | None,
    ) -> None:
        self.planner = planner
        self.script = script
        self.top = top
        self.names = {str(key) for key in script.parameters}
        plan = script.compiled(planner.values(script, first)).plan
        assert plan is not None, "a pipeline's statement is a query"
        self.settable = Settable(script.text, plan, script.name)
        self.count = len(settings)
        self.parsed: list[Sequence[Parsed]] = []
        self.groups: dict[str, _Group] = {}
        for number, values in enumerate(settings):
            self._add(number, values, first)
        for group in self.groups.values():
            self._divide(group)

    def _add(self, number: int, values: Body, first: RecordedQuery) -> None:
        changes = {self.settable.find(one): value for one, value in values.items() if one not in self.names}
        params = {one: value for one, value in values.items() if one in self.names}
        others = {one: value for one, value in changes.items() if not self._is_cut(one)}
        try:
            self.parsed.append(self.settable.edited(changes))
            recipe = self._recipe(self.parsed[-1], first, params, named=False)
            key = repr((others, params))
            if key not in self.groups:
                base = self.settable.edited(others)
                self.groups[key] = _Group(base, params, self._recipe(base, first, params))
        except QQLError as exc:
            said = ", ".join(f"{one}={value}" for one, value in values.items())
            raise InputError.make("bad-setting", f"{said}: {exc.message}", hint=exc.hint) from exc
        self.groups[key].recipes[number] = recipe

    def _is_cut(self, name: str) -> bool:
        label = max((one for one in self.settable.stages if name.startswith(f"{one}.")), key=len)
        return name[len(label) + 1 :].partition(".")[0] in _CUTS

    def _recipe(
        self, parsed: Sequence[Parsed], row: RecordedQuery, params: Body, *, named: bool = True
    ) -> Recipe:
        values = self.planner.values(self.script, replace(row, params={**row.params, **params}))
        return self.planner.recipe_of(self.planner.compiled(self.script, values, parsed), named=named)

    def _divide(self, group: _Group) -> None:
        """Into the fusions that are computed at once, and what is recomputed one by one."""
        fusions = {number: one for number, one in group.recipes.items() if _is_plain_fusion(one)}
        group.program = _program(fusions, self.top)
        if group.program is None:
            fusions = {}
        group.others = {number: one for number, one in group.recipes.items() if number not in fusions}

    def answered(self, row: RecordedQuery) -> WhatIf:
        """All settings for one query."""
        sheet = _Sheet(row.query, self.count, self.top)
        for group in self.groups.values():
            base = self._recipe(group.parsed, row, group.params)
            evaluation = Evaluation(self.planner.recording, row, base.keys, base.labels)
            others = group.others
            if base.root != group.base.root or base.obstacles != group.base.obstacles:
                others = {
                    at: self._recipe(self.parsed[at], row, group.params, named=False) for at in group.recipes
                }
            elif group.program is not None:
                sheet.put_all(group.program.answered(evaluation))
            for number, one in others.items():
                sheet.put(number, evaluation.recomputed(one))
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

    def put(self, number: int, found: Recomputed) -> None:
        """The answer of one setting."""
        ids = [one.id for one in (found.hits or ())[: self.top]]
        self.rows[number] = [self.ids.setdefault(key, len(self.ids)) for key in ids]
        self.verdicts[number] = found.verdict
        if found.reasons:
            self.reasons[number] = found.reasons

    def put_all(self, found: Answers) -> None:
        """The answers of all settings of a program."""
        self.many.append(found)
        for at, verdict in zip(found.program.settings.tolist(), found.verdicts, strict=True):
            self.verdicts[at] = verdict
        self.reasons |= found.reasons

    def done(self) -> WhatIf:
        width = max(map(len, self.rows), default=0)
        if not self.many:
            lists = [[*row, *[-1] * (width - len(row))] for row in self.rows]
            return WhatIf(self.query, [*self.ids], lists, self.verdicts, self.reasons)
        import numpy

        width = max(width, *(one.places.shape[1] for one in self.many))
        places = numpy.full((len(self.rows), width), -1, dtype=numpy.int32)
        for number, row in enumerate(self.rows):
            places[number, : len(row)] = row
        for one in self.many:
            names = [self.ids.setdefault(key, len(self.ids)) for key in one.ids]
            named = numpy.array([*names, -1], dtype=numpy.int32)[one.places]
            places[one.program.settings, : named.shape[1]] = named
        found: Any = places
        return WhatIf(self.query, [*self.ids], found, self.verdicts, self.reasons)
