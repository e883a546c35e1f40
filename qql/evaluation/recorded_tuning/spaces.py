"""What is tried on a recording: the values of each setting, and their combinations that differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from qql.compiler.options.query import FUSION_OPTIONS
from qql.compiler.plan import QueryPlan
from qql.errors import many
from qql.evaluation.faults import Blank, InputError, argument
from qql.evaluation.grid import MOST_SETTINGS, expand_grid, grid_size
from qql.evaluation.possible_settings import Possible, fitting, sensible_grid
from qql.evaluation.recorded_tuning.boards import text_of
from qql.evaluation.settings import TRIED_FUSIONS, Settable
from qql.records import dataclass, replace
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.types import Body, Json, JsonObject

__all__ = ["Space", "recorded_settings"]

_LIMITS = (10, 20, 50, 100, 200, 500, 1000)
_KS = (None, 5, 10, 20, 60, 100)
_PAIRS = ([3, 1], [2, 1], [3, 2], [2, 3], [1, 2], [1, 3])
MOST_TRIED = 3000
"""Combinations that are made without a grid, at most."""


def recorded_settings(settable: Settable, plan: QueryPlan, depth: int) -> Iterator[Possible]:
    """The settings that a recording of ``depth`` answers for, with values worth a try."""
    stages = {stage.label: stage for stage in plan.stages}
    for label in sorted(settable.stages, key=lambda label: label != "root"):
        stage = stages[label]
        if stage.fusion is not None:
            yield Possible(f"{label}.fusion", settable.value(f"{label}.fusion"), TRIED_FUSIONS, rank=0)
            default = FUSION_OPTIONS["rrf_k"].shown or ""
            now = settable.value(f"{label}.rrf_k")
            ks = _with(now, (one for one in _KS if str(one) != default))
            yield Possible(f"{label}.rrf_k", now, ks, default=default, rank=1)
            count, now = len(stage.inputs), settable.value(f"{label}.rrf_weights")
            doubled = ([2 if one == at else 1 for one in range(count)] for at in range(count))
            weights = _with(now, [None, *(_PAIRS if count == 2 else doubled)])
            yield Possible(f"{label}.rrf_weights", now, weights, default="equal", rank=2)
        elif stage is not plan.root and not stage.inputs:
            now = settable.value(f"{label}.limit")
            if isinstance(now, str):
                continue  # a parameter
            limits = sorted({*(one for one in _LIMITS if one <= depth), stage.limit or DEFAULT_LIMIT})
            found = tuple(None if now is None and one == DEFAULT_LIMIT else one for one in limits)
            yield Possible(f"{label}.limit", now, found, default=str(DEFAULT_LIMIT), rank=3)


def _with(now: Json, values: Iterator[Json] | Sequence[Json]) -> tuple[Json, ...]:
    found = [*values]
    return tuple(found if now in found else [now, *found])


@dataclass(frozen=True, slots=True)
class Space:
    """The values of each setting and parameter that is tried: ``axes``. ``constants`` are parameters that are
    the same for all queries, ``params`` the names of those that are tried."""

    settable: Settable
    axes: Mapping[str, Sequence[Json]]
    params: tuple[str, ...]
    constants: Body
    possible: tuple[Possible, ...]
    named: bool
    current: JsonObject | None = None
    """The values as they are; None where a parameter has none."""

    @classmethod
    def of(
        cls,
        settable: Settable,
        plan: QueryPlan,
        parameters: Sequence[str],
        grid: Mapping[str, Sequence[Json]],
        constants: Body,
        *,
        depth: int,
        most: int | None,
    ) -> Space:
        """Of a grid; without one, of what suits the pipeline: all of it, or at most ``most`` combinations.

        Raises `InputError`: ``unknown-setting``, ``usage``, ``bad-grid`` where there is nothing to try.
        """
        params = tuple(name for name in grid if name in parameters)
        named: dict[str, Sequence[Json]] = {}
        for name, values in grid.items():
            known = name if name in params else settable.find(name)
            if known in named:
                message = f"{argument('grid', Blank(name))} is given twice, as {known}"
                raise InputError.make("usage", message)
            if not values:
                raise InputError.make("bad-grid", f"there are no values to try for `{name}`")
            named[known] = values
        possible = tuple(recorded_settings(settable, plan, depth))
        bare = cls(settable, {}, params, constants, possible, bool(grid))
        if not named and most is None:
            named = {one.name: one.tries for one in possible if len(one.tries) > 1}
        elif not named:
            named = {**sensible_grid(possible, bare.size, most or MOST_TRIED)}
        if not named:
            example = argument("grid", {"NAME": [Blank("VALUE"), Blank("VALUE")]})
            message = "nothing suggests itself to be tried"
            raise InputError.make("bad-grid", message, hint=f"{example} names what to try")
        made = replace(bare, axes=named)
        if any(name not in constants for name in params):
            return made
        return replace(made, current=made.fitted({name: made.now(name) for name in named}))

    def size(self, grid: Mapping[str, Sequence[Json]]) -> int:
        """How many combinations of a grid differ; of a large one, how many there are."""
        if grid_size(grid) > MOST_SETTINGS:
            return grid_size(grid)
        return len({text_of(self.fitted(one)) for one in expand_grid(grid)})

    def fitted(self, values: Body) -> JsonObject:
        """The values, null for those that have no meaning beside the others."""
        kept = fitting(self.settable, values)
        return {name: value if name in kept else None for name, value in values.items()}

    def now(self, name: str) -> Json:
        """The value that a setting or a parameter has now."""
        return self.constants.get(name) if name in self.params else self.settable.value(name)

    def changes(self, values: Body) -> JsonObject:
        """Those of some values that are others than now."""
        current = self.current or {}
        return {name: value for name, value in values.items() if value != current.get(name)}

    def combinations(self, sample: int | None, most: int | None, seed: int) -> list[JsonObject]:
        """All combinations that differ, or a sample of them. Raises `InputError` ``bad-grid``."""
        count = grid_size(self.axes)
        most = most if most is not None and self.named else MOST_SETTINGS
        if sample is None and count > most:
            hint = f"{argument('sample', Blank('N'))} tries N of them, drawn by chance"
            raise InputError.make("bad-grid", f"the grid has {many(count, 'combination')}", hint=hint)
        found = expand_grid(self.axes, sample, seed)
        return list({text_of(one): one for one in map(self.fitted, found)}.values())

    def text(self, values: Body) -> str:
        """The pipeline with these settings; parameters stay what they are."""
        own = {name: value for name, value in values.items() if name not in self.params}
        changes = {name: value for name, value in own.items() if value != self.settable.value(name)}
        return self.settable.changed(changes) if changes else self.settable.text
