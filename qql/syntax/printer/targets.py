"""Targets as text: those that declare their parts by their declarations, the others each in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from qql import nodes
from qql.nodes import Input, Param, Scalar
from qql.nodes.declare import Part
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Role
from qql.syntax.doc import Doc, cat, join
from qql.syntax.printer.values import (
    anchored,
    bracketed,
    document,
    list_doc,
    name_text,
    options_doc,
    prints,
    quoted_among,
    spread,
    value_doc,
    worded,
)

__all__ = ["order_by_doc", "target_doc"]

# ------------------------------------------------------------------------------------ inputs


_WORDS_OR_PARAM = (str, Param)


def _embedded(target: nodes.Embedded, kind: str, *, word: bool = True) -> Doc:
    """``TEXT 'words' MODEL 'm' OPTIONS {…}``, or Qdrant's own object where a part is no text."""
    value = getattr(target, kind)
    given = value.value if isinstance(value, Scalar) else value
    model = None if target.model is None else target.model.value
    plain = isinstance(given, (dict, Param) if kind == "object" else _WORDS_OR_PARAM)
    options = target.options is None or isinstance(target.options, (dict, Param))
    if not (plain and options and (target.model is None or isinstance(model, _WORDS_OR_PARAM))):
        written = {kind: given, "model": model, "options": target.options}
        return value_doc({key: item for key, item in written.items() if key == kind or item is not None})
    parts = [cat(f"{kind.upper()} " if word else "", value_doc(given)), *worded("MODEL", target.model)]
    if target.options is not None:
        parts.append(cat("OPTIONS ", value_doc(target.options)))
    return spread(parts)


@prints(nodes.Text)
def _text(target: nodes.Text) -> Doc:
    text = target.text.value
    # Alone, a parameter could be any target, and the text of a UUID would be a point.
    bare = isinstance(text, str) and not nodes.is_uuid(text)
    return _embedded(target, "text", word=not bare)


@prints(nodes.Image)
def _image(target: nodes.Image) -> Doc:
    return _embedded(target, "image")


@prints(nodes.Inference)
def _inference(target: nodes.Inference) -> Doc:
    return _embedded(target, "object")


@prints(nodes.Vector)
def _vector(target: nodes.Vector) -> Doc:
    bound = isinstance(target.value, Param)
    return cat("VECTOR ", value_doc(target.value)) if bound else value_doc(target.value)


@prints(nodes.Point)
def _point(target: nodes.Point) -> Doc:
    return cat("POINT ", value_doc(target.id))


@prints(nodes.AnyInput)
def _any_input(target: nodes.AnyInput) -> Doc:
    return value_doc(target.value)


# ------------------------------------------------------------------------------------ lists of inputs


def _example(target: Input) -> Doc:
    """An input in a list of examples, where a bare string is the id of a point."""
    match target:
        case nodes.Text():
            return _embedded(target, "text")
        case nodes.Point(id=Scalar(value=Param())):
            return document(target)
        case nodes.Point():
            return value_doc(target.id)
    return document(target)


def _examples(examples: Sequence[Input] | Param) -> Doc:
    if isinstance(examples, Param):
        return value_doc(examples)
    if any(map(_only_listed, examples)):
        return value_doc([_listed_example(one) for one in examples])
    return bracketed("(", [anchored(one, _example(one)) for one in examples], ")")


def _only_listed(example: Input) -> bool:
    """Whether an example can stand in ``[…]`` only: the planner has an error for it."""
    match example:
        case nodes.Point(id=Scalar(value=value)):
            return value is None or isinstance(value, bool)
        case nodes.Vector(value=dict() as value):
            return value.keys() != {"indices", "values"}
    return False


def _listed_example(example: Input) -> object:
    return example.id if isinstance(example, nodes.Point) else getattr(example, "value", None)


def _pairs(pairs: Iterable[nodes.ContextPair]) -> Doc:
    docs = [
        anchored(pair, "POSITIVE ", document(pair.positive), " NEGATIVE ", document(pair.negative))
        for pair in pairs
    ]
    return bracketed("(", docs, ")")


@prints(nodes.ContextPair)
def _pair(pair: nodes.ContextPair) -> Doc:
    return _pairs((pair,))


def _scored(items: Iterable[nodes.FeedbackItem]) -> Doc:
    docs = [anchored(one, "(", _example(one.example), ", ", value_doc(one.score), ")") for one in items]
    return bracketed("(", docs, ")")


# ------------------------------------------------------------------------------------ targets by declaration

_ROLES: Mapping[Role, Callable[..., Doc]] = {
    INPUT: document,
    INPUTS: _examples,
    PAIRS: _pairs,
    SCORED: _scored,
}
"""What prints a part that holds inputs; every other part is a scalar or a name."""


@prints(*(kind for kind, info in nodes.TARGETS.items() if info.parts))
def target_doc(target: nodes.Target) -> Doc:
    """``WORDS first-part WORD part …``: a first part that cannot be missing stands beside the words."""
    docs = _declared(target)
    return spread(docs) if len(nodes.TARGETS[type(target)].parts) > 1 else docs[0]


def _declared(target: nodes.Target) -> list[Doc]:
    info = nodes.TARGETS[type(target)]
    written = [(one, _part(one, getattr(target, one.field))) for one in info.parts]
    docs = [doc for _, doc in written if doc is not None]
    if info.parts[0].required:
        return [cat(f"{info.words} ", docs[0]), *docs[1:]]
    if not any(doc is not None for one, doc in written if one.has_inputs):
        docs.insert(0, f"{info.parts[0].word} ()")
    return [info.words, *docs]


def _part(one: Part, value: object) -> Doc | None:
    """``WORD value``; None where the part is missing."""
    if value is None or (value == () and one.word):
        return None
    doc = _ROLES.get(one.role, document)(value)
    return cat(f"{one.word} ", doc) if one.word else doc


# ------------------------------------------------------------------------------------ targets of their own


@prints(nodes.RelevanceFeedback)
def _relevance_feedback(target: nodes.RelevanceFeedback) -> Doc:
    parts = _declared(target)
    if target.strategy is not None:
        options = cat(" ", options_doc(target.options)) if target.options else ""
        parts.append(cat(f"STRATEGY {name_text(target.strategy)}", options))
    return spread(parts)


@prints(nodes.Points)
def _points(target: nodes.Points) -> Doc:
    return cat("POINTS ", list_doc(target.ids))


@prints(nodes.OrderBy)
def order_by_doc(order: nodes.OrderBy) -> Doc:
    """``ORDER BY field DESC START FROM value``."""
    given = order.direction
    direction = [value_doc(given) if isinstance(given, nodes.Param) else given.upper()] if given else []
    return join([f"ORDER BY {name_text(order.name)}", *direction, *worded("START FROM", order.start)], " ")


@prints(nodes.Sample)
def _sample(_: nodes.Sample) -> Doc:
    return "SAMPLE RANDOM"


@prints(nodes.Hybrid)
def _hybrid(target: nodes.Hybrid) -> Doc:
    parts = [cat("HYBRID ", value_doc(target.text)), *worded("MODEL", target.model)]
    for side, name, model in (
        ("DENSE", target.dense, target.dense_model),
        ("SPARSE", target.sparse, target.sparse_model),
    ):
        if model is not None:
            parts.append(join([side, *worded("VECTOR", name), *worded("MODEL", model)], " "))
        elif name is not None:
            parts.append(f"{side} {quoted_among(name, 'MODEL', 'VECTOR')}")
    return spread(parts)


@prints(nodes.FieldsText)
def _fields_text(target: nodes.FieldsText) -> Doc:
    options = cat(" ", options_doc(target.options)) if target.options else ""
    fields = bracketed("(", map(_boosted_field, target.fields), ")", lines=False)
    return cat("MATCH ", value_doc(target.text), " ON ", fields, options)


@prints(nodes.BoostedField)
def _boosted_field(field: nodes.BoostedField) -> Doc:
    boost = "" if field.boost is None else cat(" ^ ", value_doc(field.boost))
    return anchored(field, name_text(field.name), boost)


@prints(nodes.FullText)
def _full_text(target: nodes.FullText) -> Doc:
    options = cat(" ", options_doc(target.options)) if target.options else ""
    return cat("MATCH ", value_doc(target.text), f" ON {name_text(target.name)}", options)
