"""Which conditions of a stage's filter a point fails; Qdrant merges into it those of the stages above."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qql import nodes
from qql.advice.field_kinds import misfit_of, told_kinds
from qql.analysis.model import StageRun
from qql.analysis.point_queries import PointQueries
from qql.analysis.why_result import FailedCondition
from qql.compiler.bind import resolved
from qql.compiler.effective_filters import tested_fields
from qql.compiler.emit_filters import emit_filter
from qql.compiler.plan import QueryPlan
from qql.records import NamedTuple
from qql.rest.types import Body
from qql.schema import Fields
from qql.syntax.printer import show

__all__ = ["ConditionCheck", "FailedPart"]


class ConditionCheck:
    """The conditions of several stages, checked for one point by asking the engine once.

    ``truths`` has what is known of the point already, by the condition; what is found is added to it.
    """

    def __init__(self, point: PointQueries, runs: Iterable[StageRun], truths: dict[str, bool]) -> None:
        self.plan: QueryPlan = point.engine.plan
        self.point = point
        self.fields: Fields | None = None
        leaves: dict[str, Body] = {}
        for run in runs:
            for written in _conditions_of(run, self.plan):
                for leaf in _leaves(written.condition):
                    if (said := show(leaf)) not in truths:
                        found = emit_filter(leaf)
                        assert found is not None
                        leaves[said] = found
        self.truths = truths
        truths |= zip(leaves, point.matches(leaves.values()), strict=True)

    def failed(self, run: StageRun) -> tuple[FailedCondition, ...]:
        """What the point fails of the merged filter of a stage."""
        found = [
            FailedCondition(self._told(part), written.stage, written.source, self._note(part))
            for written in _conditions_of(run, self.plan)
            for part in self._failing_parts(written.condition)
        ]
        return tuple(dict.fromkeys(found))

    def failed_parts(self, run: StageRun) -> list[FailedPart]:
        """The same, each with the place in the chain of the stage where it is written."""
        found = [
            FailedPart(show(part), written.depth, written.source)
            for written in _conditions_of(run, self.plan)
            for part in self._failing_parts(written.condition)
        ]
        return list(dict.fromkeys(found))

    def _is_true(self, condition: nodes.Condition) -> bool:
        """Whether a condition holds, by what was asked about its leaves."""
        match condition:
            case nodes.And():
                return all(map(self._is_true, condition.children))
            case nodes.Or():
                return any(map(self._is_true, condition.children))
            case nodes.Not():
                return not self._is_true(condition.child)
            case nodes.MinShould():
                return sum(map(self._is_true, condition.conditions)) >= _minimum(condition)
        return self.truths[show(condition)]

    def _note(self, part: nodes.Condition) -> str | None:
        """What the point has not that a failing part asks for: the field, or a value of its type."""
        tests = list(tested_fields(part))
        if isinstance(part, (nodes.Not, nodes.IsNull)) or not tests:
            return None
        if self.fields is None:
            self.fields = Fields.of([self.point.payload])
        seen = {path: self.fields.find(path) for path, _ in tests}
        lacking = [f"`{path}`" for path, found in seen.items() if found is None]
        if len(lacking) == len(seen):
            return f"the point has no field {' and no '.join(lacking)}"
        path, test = tests[0]
        misfit = misfit_of(test, seen[path], None)
        if misfit is None or len(tests) > 1:
            return None
        return f"its `{path}` holds {told_kinds(misfit.kinds)}, and {misfit.says()}"

    def _told(self, part: nodes.Condition) -> str:
        """A part that fails, as QQL; of MIN SHOULD also how much of it holds."""
        if not isinstance(part, nodes.MinShould):
            return show(part)
        held = sum(map(self._is_true, part.conditions))
        return f"{show(part)}, of which {held} hold{'s' if held == 1 else ''}"

    def _failing_parts(self, condition: nodes.Condition) -> Iterator[nodes.Condition]:
        """The smallest parts of a condition that fail."""
        match condition:
            case nodes.And():
                for child in condition.children:
                    yield from self._failing_parts(child)
            case nodes.Not(child=nodes.Not() as inner):
                yield from self._failing_parts(inner.child)
            case nodes.Not(child=nodes.Or() as inner) if self._is_true(inner):
                for child in inner.children:
                    yield from self._failing_parts(nodes.Not(child))
            case _ if not self._is_true(condition):
                yield condition


class FailedPart(NamedTuple):
    """A part of a condition that fails, as QQL; ``depth`` says which stage of the chain it is written in."""

    text: str
    depth: int
    source: str


class _Written(NamedTuple):
    """A condition, the label of the stage in whose words it stands, and where there.

    ``depth`` is the place of that stage in the chain.
    """

    condition: nodes.Condition
    stage: str
    source: str
    depth: int


def _conditions_of(run: StageRun, plan: QueryPlan) -> Iterator[_Written]:
    """The conditions of a stage and of those above it.

    HYBRID and a trailing FORMULA hand the words of one WHERE on to the stages that they stand for.
    """
    if plan.group is not None:
        empty = nodes.IsEmpty(plan.group.name, span=plan.group.span)
        yield _Written(nodes.Not(empty, span=plan.group.span), plan.root.label, "GROUP BY", 0)
    known: list[nodes.Condition] = []
    for depth, given in enumerate(run.chain):
        for condition, source in ((given.stage.where, "stage"), (given.where, "reference")):
            if condition is not None and not any(condition is one for one in known):
                known.append(condition)
                yield _Written(condition, given.stage.label, source, depth)


def _leaves(condition: nodes.Condition) -> Iterator[nodes.Condition]:
    """The conditions that AND, OR, NOT and MIN SHOULD join."""
    match condition:
        case nodes.And(children=children) | nodes.Or(children=children):
            inner = children
        case nodes.Not():
            inner = (condition.child,)
        case nodes.MinShould():
            inner = condition.conditions
        case _:
            yield condition
            return
    for one in inner:
        yield from _leaves(one)


def _minimum(condition: nodes.MinShould) -> int:
    return int(resolved(condition.count.value, condition.count.span))
