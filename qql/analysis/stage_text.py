"""What a stage does, in words: a title, and all else that a plan says of it, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from qql import nodes
from qql.advice.view import limit_of
from qql.analysis.text import as_name, counted, shortened
from qql.compiler.effective_filters import Filters, Part
from qql.compiler.model_names import known_kind, known_size
from qql.compiler.plan import Input, QueryPlan, Stage, inputs_of
from qql.compiler.planner import OVERSAMPLING
from qql.compiler.scalars import count_limit
from qql.compiler.vectors import vector_kind
from qql.late import late_pattern
from qql.records import fields, replace
from qql.rest.limits import GROUP_SIZE, RRF_K
from qql.rest.linear_fusion import LinearFusion
from qql.rest.types import Body
from qql.syntax.printer import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["IN_DETAIL", "condition_ids", "stage_details", "stage_does", "vector_facts"]

_SHOWN_NUMBERS = 4
_IN_TITLE = 60  # characters of a target
IN_DETAIL = 400
"""Characters of a target below its stage."""


def stage_does(stage: Stage) -> str:
    """What a stage does, in a few words: ``search for 'burns' on dense``."""
    if stage.fusion:
        return f"fuse by {stage.fusion.upper()}"
    if stage.by_id:
        return "points in the order of their ids, each with score 1"
    verb = "rescore by" if stage.inputs else "search for"
    using = f" on {as_name(stage.using)}" if stage.using else ""
    match stage.target:
        case nodes.Vector():
            return f"{verb} {_vector_noun(vector_kind(stage.target.value))}{using}"
        case nodes.Points():
            return f"fetch {_target_text(stage.target, _IN_TITLE)}"
        case nodes.OrderBy():
            return f"{'what its stages found' if stage.inputs else 'all points'}, {show(stage.target)}"
        case nodes.Sample():
            return "points drawn by chance"
        case nodes.FullText():  # its field stands in it
            return f"{verb} {_target_text(stage.target, _IN_TITLE)}"
    return f"{verb} {_target_text(stage.target, _IN_TITLE)}{using}"


def _vector_noun(kind: str) -> str:
    return {"sparse": "a sparse vector", "multi": "a multivector"}.get(kind, "a vector")


def stage_details(plan: QueryPlan, chain: Sequence[Input], filters: Filters) -> Iterator[str]:
    """All else that a plan says of a stage, line by line. ``chain`` leads to it from the root."""
    given = chain[-1]
    stage = given.stage
    yield from _target_lines(stage)
    yield from _vector_lines(stage)
    yield from _fusion_lines(stage)
    yield from filters.stage_lines(plan, chain)
    yield from _threshold_lines(given)
    if stage.ignore_missing:
        yield "ignore missing: the session leaves out examples that do not exist"
    if stage.params:
        yield f"params: {_settings_text(stage.params)}"
    lookup = given.lookup or stage.lookup
    if lookup:
        yield f"vector of the point from: {show(lookup).removeprefix('LOOKUP FROM ')}"
    if not isinstance(stage.target, nodes.Points):
        yield f"limit: {limit_of(stage)}{_limit_note(plan, stage)}"
    if stage is plan.root:
        yield from _request_option_lines(plan)


def _threshold_lines(given: Input) -> Iterator[str]:
    """The threshold that counts: that of a reference takes the place of the stage's own."""
    own = given.stage.threshold
    if given.threshold is not None:
        was = f", in place of {own}" if own is not None else ""
        yield f"score threshold: {given.threshold}  (of the reference{was})"
    elif own is not None:
        yield f"score threshold: {own}"


def _request_option_lines(plan: QueryPlan) -> Iterator[str]:
    """What holds for the request as a whole."""
    if plan.group is not None:
        yield f"group by: {show(plan.group).removeprefix('GROUP BY ')}"
    if plan.shard is not None:
        yield f"shard: {show(plan.shard).removeprefix('SHARD ')}"
    if plan.request:
        yield f"options: {_settings_text(plan.request)}"


def _settings_text(settings: Body) -> str:
    return ", ".join(f"{key} = {show(value)}" for key, value in settings.items())


def _limit_note(plan: QueryPlan, stage: Stage) -> str:
    """Of a limit: whether it is Qdrant's, OFFSET, and what GROUP BY makes of it."""
    default = "" if stage.limit is not None else " (Qdrant's default)"
    if stage is plan.root:
        counted = " groups" if plan.group is not None else ""
        return counted + default + (f", offset: {plan.offset}" if plan.offset else "")
    size = None if plan.group is None else count_limit(plan.group.size, "SIZE", 1) or GROUP_SIZE
    return default + (f", times {size} for the hits of a group" if size else "")


def _target_lines(stage: Stage) -> Iterator[str]:
    target = stage.target
    if isinstance(target, nodes.Hybrid):
        text = _target_text(target, IN_DETAIL)
        yield f"{text}: two searches, each for {OVERSAMPLING} times as many hits"
    elif target is not None and stage.fusion:
        yield f"{_target_text(target, IN_DETAIL)} is not searched again: the fusion is the query"
    elif target is not None:
        text = _target_text(target, IN_DETAIL)
        if text not in stage_does(stage):
            yield f"target: {text}"
    if stage.origin == "FORMULA":
        yield f"FORMULA rescores {OVERSAMPLING} times as many hits as are asked for"


def _vector_lines(stage: Stage) -> Iterator[str]:
    """The vector with its role, size, metric and model, as far as they are known."""
    known = stage.vector
    if known is not None:
        other = stage.model if stage.model != known.model else None
        yield f"vector: {known.describe()}" + (f", embedded by {other}" if other else "")
        return
    kind, size = vector_facts(stage)
    facts = [kind, size and counted(size, "dimension"), stage.model and f"model {stage.model}"]
    said = ", ".join(str(fact) for fact in facts if fact)
    words = [as_name(stage.using) if stage.using else "", f"({said})" if said else ""]
    if any(words) and stage.target is not None and inputs_of(stage.target) and not stage.fusion:
        yield f"vector: {' '.join(filter(None, words))}"


def vector_facts(stage: Stage) -> tuple[str | None, int | None]:
    """Of the vector; without a schema, of what it is compared with: a literal, or what the model makes."""
    if stage.vector is not None:
        return stage.vector.kind, stage.vector.size
    for one in inputs_of(stage.target) if stage.target is not None and not stage.fusion else ():
        if isinstance(one, nodes.Vector):
            kind = vector_kind(one.value)
            row = one.value[0] if kind == "multi" else one.value
            return kind, None if kind == "sparse" else len(row)
    return (known_kind(stage.model), known_size(stage.model)) if stage.model else (None, None)


_NORMALIZED = {
    "minmax": "the best of a stage is 1, the last 0, and so is what it lacks",
    "zscore": "deviations from the mean of a stage; what it lacks counts as its last",
    "sigmoid": "1 / (1 + exp(-score)); what a stage lacks is 0",
    "none": "scores as they are; what a stage lacks is 0",
}


def _fusion_lines(stage: Stage) -> Iterator[str]:
    if stage.linear is not None:
        yield from _linear_lines(stage, stage.linear)
    if stage.fusion != "rrf":
        return
    options = stage.rrf or {}
    yield f"k: {options['k']}" if options.get("k") is not None else f"k: {RRF_K} (Qdrant's default)"
    if "weights" in options:
        yield _weights_text(stage, options["weights"])


def _weights_text(stage: Stage, weights: Iterable[float]) -> str:
    pairs = zip((one.stage.label for one in stage.inputs), weights, strict=True)
    return "weights: " + ", ".join(f"{name} {weight:g}" for name, weight in pairs)


def _linear_lines(stage: Stage, linear: LinearFusion) -> Iterator[str]:
    """How scores are brought to one scale, and in how many requests."""
    yield f"normalizer: {linear.normalizer} ({_NORMALIZED[linear.normalizer]})"
    yield _weights_text(stage, linear.weights)
    if linear.awaits_lists:
        yield "two requests: the stages alone, for the figures of their scores; then one FORMULA with these"
    else:
        yield "one request: a FORMULA over the scores of the stages"


def condition_ids(parts: Iterable[Part]) -> tuple[int, ...]:
    """What two filters have in common that are the same; to compare conditions would take longer."""
    return tuple(id(part.condition) for part in parts)


# ------------------------------------------------------------------------------------ targets as QQL

_LEFT_OUT = late_pattern(":\0([0-9]+)\0")


def _target_text(target: nodes.Target | None, most: int) -> str:
    """A target as QQL, cut to so many characters; of its vectors, the first numbers."""
    shown = _with_short_vectors(target) if target is not None and inputs_of(target) else target
    return shortened(_LEFT_OUT.sub(r"… \1 more", show(shown)), most)


def _with_short_vectors(value: Any) -> Any:
    """A target whose vectors are cut; what is left out is a parameter that no text can hold."""
    match value:
        case nodes.Vector(value=dict() as sparse):
            return replace(value, value={key: _first_numbers(numbers) for key, numbers in sparse.items()})
        case nodes.Vector(value=list() as numbers):
            rows = [
                _first_numbers(row) if isinstance(row, list) else row for row in numbers[: _SHOWN_NUMBERS + 1]
            ]
            return replace(value, value=_first_numbers([*rows, *numbers[_SHOWN_NUMBERS + 1 :]]))
        case tuple():
            return tuple(_with_short_vectors(item) for item in value)
        case nodes.Node():
            inner = {f.name: getattr(value, f.name) for f in fields(value)}
            return replace(value, **{name: _with_short_vectors(one) for name, one in inner.items()})
    return value


def _first_numbers(numbers: list[object]) -> list[object]:
    more = len(numbers) - _SHOWN_NUMBERS
    return numbers if more <= 0 else [*numbers[:_SHOWN_NUMBERS], nodes.Param(f"\0{more}\0")]
