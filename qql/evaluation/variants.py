"""The pipelines that `tune` tries: one with each combination of values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qql.backends.base import Progress
from qql.errors import QQLError, many
from qql.evaluation.calls import Call, calls_of
from qql.evaluation.faults import Blank, InputError, argument
from qql.evaluation.files import Query
from qql.evaluation.grid import MOST_SETTINGS, expand_grid, grid_size
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.possible_settings import (
    MOST_TRIED,
    Possible,
    fitting,
    possible_settings,
    sensible_grid,
)
from qql.evaluation.settings import Settable
from qql.records import dataclass
from qql.rest.types import Body, Json, JsonObject

if TYPE_CHECKING:
    from qql.compiler.plan import QueryPlan
    from qql.compiler.script import Compiled
    from qql.session.session import Session

__all__ = ["LeftOut", "Trying", "Tunable", "Variant", "value_text", "values_text"]

_MAX_SETTINGS = 200
_IDLE = "without meaning beside dbsf"


@dataclass(frozen=True, slots=True)
class Trying:
    """How settings are tried: the arguments of `tune`, whose documentation says what they are."""

    params: Body
    latency: str
    ties: str
    doc_id: str | None
    repeat: int | None
    sample: int | None
    max_settings: int | None
    seed: int
    progress: Progress


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A pipeline with one combination of values: of parameters, and of settings that its text has.

    ``place`` counts the combinations in the order of the grid.
    """

    values: Body
    pipeline: Pipeline
    calls: Sequence[Call]
    place: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A combination that cannot be tried; ``idle`` are settings that have no meaning beside the others."""

    values: Body
    why: str
    idle: tuple[str, ...] = ()


class Tunable:
    """The pipeline as it is, and what can be changed about it. Without a grid, a sensible one is made."""

    def __init__(
        self, pipeline: Pipeline, axes: Mapping[str, list[Json]], queries: Sequence[Query], how: Trying
    ) -> None:
        self.how: Trying = how
        self.session: Session = pipeline.session
        self.queries: Sequence[Query] = queries
        self.pipeline: Pipeline = pipeline
        self.named: bool = bool(axes)
        self.params: list[str] = [name for name in axes if name in self.pipeline.parameters]
        for name in self.params:
            if any(name in query.params for query in queries):
                message = f"{argument('grid', Blank(name))} is a field of the queries, too"
                raise InputError.make("wrong-parameters", message, hint="rename one")
        self.calls: list[Call] = calls_of(self.pipeline, queries, how.params, self.params)
        some = {**self.calls[0].params, **{name: axes[name][0] for name in self.params}}
        self.compiled: Compiled = self.pipeline.compiled(some)
        plan = self.compiled.plan
        assert plan is not None, "a pipeline's statement is a query"
        self.plan: QueryPlan = plan
        self.settable: Settable = Settable(self.pipeline.text, plan, self.pipeline.name)
        facts = self.session.facts(plan.collection)
        self.possible: list[Possible] = possible_settings(self.settable, plan, facts)
        self.left_out: list[LeftOut] = []
        self.axes: dict[str, list[Json]] = self._named_axes(axes) if axes else self._sensible_axes()

    def _named_axes(self, axes: Mapping[str, list[Json]]) -> dict[str, list[Json]]:
        named: dict[str, list[Json]] = {}
        for name, values in axes.items():
            known = name if name in self.params else self.settable.find(name)
            if known in named:
                message = f"{argument('grid', Blank(name))} is given twice, as {known}"
                raise InputError.make("usage", message)
            named[known] = values
        return named

    def _sensible_axes(self) -> dict[str, list[Json]]:
        most = min(self.how.max_settings or MOST_TRIED, MOST_SETTINGS)

        def count(grid: Mapping[str, Sequence[Json]]) -> int:
            if grid_size(grid) > MOST_SETTINGS:
                return grid_size(grid)
            return len({_json_text(self._fitted(values)) for values in expand_grid(grid)})

        found = sensible_grid(self.possible, count, most)
        if not found:
            names = ", ".join(one.name for one in self.possible)
            example = argument("grid", {"NAME": [Blank("VALUE"), Blank("VALUE")]})
            hint = f"{example} names what to try; there are {names} and search parameters"
            raise InputError.make("bad-grid", "nothing suggests itself to be tried", hint=hint)
        return found

    def left_out_notes(self) -> list[str]:
        """How many combinations were left out, and why."""
        idle = dict.fromkeys(name for one in self.left_out for name in one.idle)
        counts = Counter(f"{_IDLE}: {', '.join(idle)}" if one.idle else one.why for one in self.left_out)
        return [f"left out: {many(count, 'combination')} ({why})" for why, count in counts.items()]

    def current_value(self, name: str) -> Json:
        """The value that a parameter or setting has now; None where there is none."""
        return self.how.params.get(name) if name in self.params else self.settable.value(name)

    def current(self) -> Variant | None:
        """The pipeline as it is; None where a parameter of the grid has no other value."""
        constants = self.how.params
        if not constants.keys() >= {*self.params}:
            return None
        values = {name: self.current_value(name) for name in self.axes}
        params = {name: constants[name] for name in self.params}
        return Variant(values, self.pipeline, self._calls_with(params), -1)

    def variants(self) -> list[Variant]:
        """A pipeline for each combination, the current one first; each compiles.

        What does not fit together is `left_out`, and what is the same as another. Raises `InputError` for a
        value that fits nowhere.
        """
        current = self.current()
        out = [] if current is None else [current]
        seen = {_json_text(one.values) for one in out}
        failed: list[tuple[JsonObject, QQLError]] = []
        given = self._combinations()
        for place, values in enumerate(given):
            fitted = self._fitted(values)
            if _json_text(fitted) in seen:
                idle = tuple(name for name, value in values.items() if value != fitted[name])
                if idle:
                    self.left_out.append(LeftOut(values, f"{_IDLE}: {', '.join(idle)}", idle))
                continue
            seen.add(_json_text(fitted))
            try:
                out.append(self._variant(fitted, place))
            except QQLError as exc:
                failed.append((values, exc))
        self._check_failed(given, failed)
        self.left_out += [LeftOut(values, exc.message) for values, exc in failed]
        if len(out) == (current is not None):
            why = f": {self.left_out[0].why}" if self.left_out else ""
            raise InputError.make("bad-grid", f"there is nothing to try beside the pipeline as it is{why}")
        return out

    def _combinations(self) -> list[JsonObject]:
        count = grid_size(self.axes)
        most = self.how.max_settings or _MAX_SETTINGS
        if self.named and self.how.sample is None and count > most:
            all_of_them = argument("max_settings", count)
            more = f"; {all_of_them} tries them all" if count <= MOST_SETTINGS else ""
            hint = f"{argument('sample', Blank('N'))} tries N of them, drawn by chance{more}"
            raise InputError.make("bad-grid", f"the grid has {count:,} combinations", hint=hint)
        return expand_grid(self.axes, self.how.sample, self.how.seed)

    def _fitted(self, values: Body) -> JsonObject:
        """The values, null for those that have no meaning beside the others."""
        kept = fitting(self.settable, values)
        return {name: value if name in kept else None for name, value in values.items()}

    def _variant(self, values: Body, place: int) -> Variant:
        """A pipeline with these values. Raises `QQLError` where it does not compile."""
        params = {name: value for name, value in values.items() if name in self.params}
        changes = fitting(self.settable, {k: v for k, v in values.items() if k not in self.params})
        text = self.settable.changed(changes) if changes else self.pipeline.text
        pipeline = Pipeline(self.session, text, self.pipeline.name)
        calls = self._calls_with(params)
        pipeline.compiled(calls[0].params)
        return Variant(values, pipeline, calls, place)

    def _check_failed(
        self, given: Sequence[JsonObject], failed: Sequence[tuple[JsonObject, QQLError]]
    ) -> None:
        """Raises `InputError` for a value all of whose combinations fail: the fault is its own."""
        tried = Counter(key for values in given for key in _keys(values))
        bad = Counter(key for values, _ in failed for key in _keys(values))
        for values, exc in failed:
            if any(bad[key] == tried[key] for key in _keys(values)):
                raise InputError.make(
                    "bad-setting", f"{values_text(values)}: {exc.message}", hint=exc.hint
                ) from exc

    def _calls_with(self, params: Body) -> list[Call]:
        return [Call(one.query, {**one.params, **params}) for one in self.calls]


def _keys(values: Body) -> list[tuple[str, str]]:
    return [(name, _json_text(value)) for name, value in values.items()]


def values_text(values: Body) -> str:
    """``name=value name=value``."""
    return " ".join(f"{name}={value_text(value)}" for name, value in values.items())


def value_text(value: object) -> str:
    """A value as `read_axis` reads it; null is nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _json_text(value)


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
