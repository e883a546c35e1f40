"""IGNORE MISSING: the points that a query names as examples, and the query without those that are absent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from qql import nodes
from qql.compiler.plan import Context, QueryPlan, Stage, inputs_of
from qql.compiler.scalars import point_id
from qql.errors import QQLExecutionError, fail
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Role
from qql.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["Place", "named_examples", "names_examples", "plan_without", "query_without"]

Id = int | str
Place = tuple[str, nodes.Shard | None]
"""Where an example is looked up: the collection, and its shard."""
Absent = Mapping[Place, Collection[Id]]


def names_examples(query: nodes.Query, target: nodes.Target | None, context: Context) -> bool:
    """Whether there are points that IGNORE MISSING can be about; where there are none, a warning says so."""
    given = [] if target is None or isinstance(target, nodes.Points) else inputs_of(target)
    if any(isinstance(one, nodes.Point) for one in given):
        return True
    hint = "it is about points that are given by their ids, as in RECOMMEND POSITIVE (1, 2)"
    context.warn("idle-clause", "IGNORE MISSING has no effect here: no point is named", query.span, hint)
    return False


def named_examples(plan: QueryPlan) -> dict[Place, dict[Id, None]]:
    """The points that stages with IGNORE MISSING name, by where they are looked up, in the text's order."""
    found: dict[Place, dict[Id, None]] = {}
    for stage, places in _places(plan):
        for one in inputs_of(stage.target) if stage.target is not None else ():
            if isinstance(one, nodes.Point):
                for place in places:
                    found.setdefault(place, {})[point_id(one.id)] = None
    return found


def _places(plan: QueryPlan) -> Iterator[tuple[Stage, list[Place]]]:
    """The stages with IGNORE MISSING, and where their examples are: each use may have a LOOKUP of its own."""
    lookups: dict[int, list[nodes.Lookup | None]] = {id(plan.root): [plan.root.lookup]}
    for stage in plan.stages:
        for given in stage.inputs:
            lookups.setdefault(id(given.stage), []).append(given.lookup or given.stage.lookup)
    own: Place = (plan.collection, plan.shard)
    for stage in plan.stages:
        if stage.ignore_missing:
            found = [
                own if one is None else (str(one.collection.text), one.shard) for one in lookups[id(stage)]
            ]
            yield stage, list(dict.fromkeys(found))


def plan_without(plan: QueryPlan, absent: Absent) -> QueryPlan:
    """The plan without the examples that are absent. Raises `QQLExecutionError` (``unknown-point``) where a
    stage has none left.
    """
    places = {id(stage): where for stage, where in _places(plan)}
    made: dict[int, Stage] = {}
    for stage in plan.stages:
        inputs = tuple(replace(one, stage=made[id(one.stage)]) for one in stage.inputs)
        target = stage.target
        if id(stage) in places and target is not None:
            gone = {key for place in places[id(stage)] for key in absent.get(place, ())}
            target = _without(target, gone)
        made[id(stage)] = replace(stage, target=target, inputs=inputs, ignore_missing=False)
    return replace(
        plan,
        root=made[id(plan.root)],
        stages=tuple(made.values()),
        uses={id(one): plan.uses[key] for key, one in made.items()},
        ignores_missing=False,
    )


def query_without(query: nodes.Query, absent: Collection[Id]) -> nodes.Query:
    """The tree of a query without the examples that are absent, wherever it says IGNORE MISSING."""
    target = query.target
    if query.ignore_missing and target is not None:
        target = _without(target, absent)
    ctes = tuple(replace(cte, stage=query_without(cte.stage, absent)) for cte in query.ctes)
    refs = tuple(
        replace(ref, stage=query_without(ref.stage, absent)) if isinstance(ref.stage, nodes.Query) else ref
        for ref in query.prefetch
    )
    return replace(query, target=target, ctes=ctes, prefetch=refs, ignore_missing=False)


def _without(target: nodes.Target, absent: Collection[Id]) -> nodes.Target:
    if not absent or not any(_is_absent(one, absent) for one in inputs_of(target)):
        return target
    if isinstance(target, nodes.Input):
        _fail(target, absent)
    parts = nodes.TARGETS[type(target)].parts
    changed: dict[str, Any] = {
        one.field: _part(target, one.role, getattr(target, one.field), absent) for one in parts
    }
    if isinstance(target, nodes.Recommend) and not _can_recommend(target, changed):
        _fail(target, absent)
    return replace(target, **changed)


def _part(target: nodes.Target, role: Role, value: Any, absent: Collection[Id]) -> Any:
    """A part of a target without what is absent; the one thing that is searched for cannot be missing."""
    if role is INPUT and _is_absent(value, absent):
        _fail(target, absent)
    if role is INPUTS and isinstance(value, tuple):
        return tuple(one for one in value if not _is_absent(one, absent))
    if role is PAIRS and isinstance(value, tuple):
        kept = tuple(
            one for one in value if not (_is_absent(one.positive, absent) or _is_absent(one.negative, absent))
        )
        return kept or _fail(target, absent)
    if role is SCORED and isinstance(value, tuple):
        kept = tuple(one for one in value if not _is_absent(one.example, absent))
        return kept or _fail(target, absent)
    return value


def _can_recommend(target: nodes.Recommend, left: Mapping[str, Any]) -> bool:
    """Whether there are examples left: without a strategy, or with average_vector, a positive one."""
    strategy = "average_vector" if target.strategy is None else str(target.strategy.text).lower()
    return bool(left["positive"] or (strategy != "average_vector" and left["negative"]))


def _is_absent(one: object, absent: Collection[Id]) -> bool:
    return isinstance(one, nodes.Point) and point_id(one.id) in absent


def _fail(target: nodes.Target, absent: Collection[Id]) -> NoReturn:
    gone = [str(point_id(one.id)) for one in inputs_of(target) if isinstance(one, nodes.Point)]
    named = ", ".join(key for key in dict.fromkeys(gone) if key in {str(one) for one in absent})
    message = f"too few examples are left: there is no point {named}"
    hint = "IGNORE MISSING leaves out what does not exist, and a search needs something to search for"
    fail("unknown-point", message, target.span, hint, error=QQLExecutionError)
