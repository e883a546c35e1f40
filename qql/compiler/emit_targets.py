"""Targets → the query of a request: by what they declare, and by a case where something is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qql import nodes
from qql.compiler.bind import resolved
from qql.compiler.emit_formulas import emit_formula
from qql.compiler.options.query import BM25_OPTIONS, FEEDBACK_OPTIONS
from qql.compiler.options.table import read_options
from qql.compiler.scalars import count_limit, number_of, point_id, range_bound, text_of
from qql.compiler.vector_models import named_model
from qql.errors import did_you_mean, fail, shown
from qql.nodes.declare import Part
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Choice, Count, Number, Role
from qql.rest.types import Json, JsonObject

__all__ = ["emit_target", "order_of"]


def emit_target(target: nodes.Target, model: str | None) -> JsonObject:
    """The query of a target. ``model`` embeds those of its texts that name none. Raises `QQLPlanError`."""
    if isinstance(target, nodes.Input):
        return {"nearest": _input(target, model)}
    special = _SPECIAL.get(type(target))
    if special is not None:
        return special(target, model)
    return _declared(target, model)


# ------------------------------------------------------------------------------------ by declaration


def _declared(target: nodes.Target, model: str | None) -> JsonObject:
    """Each part at the place that it declares. The key by which the query is known is there in any case."""
    info = nodes.TARGETS[type(target)]
    assert info.rest is not None, f"no query for {target!r}"
    body: JsonObject = {}
    for part in info.parts:
        key, _, inner = part.rest.partition(".")
        holder = body.setdefault(key, {}) if inner else body
        value = _part(part, getattr(target, part.field), model)
        if value is not None:
            holder[inner or key] = value
    body.setdefault(info.rest, {})
    return body


def _part(part: Part, value: Json, model: str | None) -> Json:
    """The value of a part as it is sent; None where it is missing."""
    match part.role:
        case Number(low=low, high=high):
            return number_of(value, part.word, low, high)
        case Count(low=least, high=most):
            return _count(value, part.word, least, most)
        case Choice() as choice:
            return _choice(value, part.word.lower(), choice)
    return _INPUTS[part.role](value, model)


def _count(scalar: nodes.Scalar | None, word: str, least: int, most: int) -> int | None:
    count = count_limit(scalar, word, least)
    if scalar is not None and count is not None and count > most:
        fail("bad-limit", f"{word} goes up to {most}, Qdrant's own limit", scalar.span)
    return count


def _choice(name: nodes.Name | None, what: str, choice: Choice) -> str | None:
    if name is None:
        return None
    word = str(name.text).lower()
    if word not in choice.words:
        hint = did_you_mean(word, choice.words) or f"the {choice.plural} are {', '.join(choice.words)}"
        fail(f"unknown-{what}", f"there is no {what} `{word}`", name.span, hint)
    return word


# ------------------------------------------------------------------------------------ inputs


def _input(target: nodes.Input, model: str | None) -> Json:
    """A text, image, object, vector or point, as it stands wherever a vector is asked for."""
    match target:
        case nodes.Text():
            return _inference("text", text_of(target.text, "the text"), target, model)
        case nodes.Image():
            return _inference("image", text_of(target.image, "the address of the image"), target, model)
        case nodes.Inference():
            return _inference("object", resolved(target.object, target.span), target, model)
        case nodes.Vector():
            return target.value
        case nodes.Point():
            return point_id(target.id)
    raise AssertionError(f"no input: {target!r}")


def _inference(kind: str, value: Json, target: nodes.Embedded, model: str | None) -> JsonObject:
    """Qdrant's inference object."""
    found = {kind: value}
    named = named_model(target.model) if target.model is not None else model
    if named is not None:
        found["model"] = named
    options = resolved(target.options, target.span)
    if options is not None:
        if not isinstance(options, dict):
            fail("bad-option", f"OPTIONS takes an object, not {shown(options)}", target.span)
        found["options"] = options
    return found


def _inputs(targets: Sequence[nodes.Input] | nodes.Param, model: str | None) -> list[Json]:
    assert isinstance(targets, tuple), "parameters are bound before a target is emitted"
    return [_input(one, model) for one in targets]


def _pairs(pairs: tuple[nodes.ContextPair, ...], model: str | None) -> list[Json]:
    return [
        {"positive": _input(pair.positive, model), "negative": _input(pair.negative, model)} for pair in pairs
    ]


def _scored(items: tuple[nodes.FeedbackItem, ...], model: str | None) -> list[Json]:
    return [
        {"example": _input(item.example, model), "score": number_of(item.score, "a score")} for item in items
    ]


_INPUTS: Mapping[Role, Callable[..., Json]] = {
    INPUT: _input,
    INPUTS: _inputs,
    PAIRS: _pairs,
    SCORED: _scored,
}
"""What emits each role that holds inputs."""


# ------------------------------------------------------------------------------------ cases


def _recommend(target: nodes.Recommend, model: str | None) -> JsonObject:
    found = _declared(target, model)
    examples = found["recommend"]
    averaged = examples.get("strategy", "average_vector") == "average_vector"
    if not examples["positive"] and (not examples["negative"] or averaged):
        hint = "with STRATEGY best_score or sum_scores, negative examples are enough"
        fail("examples-missing", "RECOMMEND needs a positive example", target.span, hint)
    return found


def _relevance_feedback(target: nodes.RelevanceFeedback, model: str | None) -> JsonObject:
    hint = "write STRATEGY NAIVE (a = 1, b = 1, c = 1)"
    if target.strategy is None:
        fail("strategy-missing", "RELEVANCE FEEDBACK needs a STRATEGY", target.span, hint)
    if str(target.strategy.text).lower() != "naive":
        message = f"there is no feedback strategy `{target.strategy.text}`"
        fail("unknown-strategy", message, target.strategy.span, hint)
    values = read_options(target.options, FEEDBACK_OPTIONS, "STRATEGY NAIVE")
    missing = [name for name in FEEDBACK_OPTIONS if name not in values]
    if missing:
        fail("option-missing", f"STRATEGY NAIVE needs `{missing[0]}`", target.strategy.span, hint)
    found = _declared(target, model)
    found["relevance_feedback"]["strategy"] = {"naive": values}
    return found


def _order_by(target: nodes.OrderBy, _: str | None) -> JsonObject:
    return {"order_by": {"direction": "asc"} | order_of(target)}


def order_of(order: nodes.OrderBy) -> JsonObject:
    """``{"key", "direction", "start_from"}``."""
    found = {"key": str(order.name.text), "direction": order.direction or "asc"}
    return found | ({"start_from": range_bound(order.start)} if order.start else {})


def _full_text(target: nodes.FullText, _: str | None) -> JsonObject:
    text = text_of(target.text, "the text of MATCH")
    values = read_options(target.options, BM25_OPTIONS, "MATCH … ON")
    return {"text": {"query": text, "scoring": {"bm25": values}} if values else text}


_SPECIAL: Mapping[type[nodes.Node], Callable[..., JsonObject]] = {
    nodes.Recommend: _recommend,
    nodes.RelevanceFeedback: _relevance_feedback,
    nodes.OrderBy: _order_by,
    nodes.Sample: lambda target, _: {"sample": "random"},
    nodes.Formula: lambda target, _: emit_formula(target),
    nodes.FullText: _full_text,
}
