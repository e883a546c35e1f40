"""What a query searches for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import overload

from qql import nodes
from qql.build import values
from qql.build.built import Built

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias
    from uuid import UUID

    from qql.build.fields import Field, Value, Words

    Id = int | str | UUID | nodes.Uuid | nodes.Param
    Given = nodes.Input | str | int | UUID | nodes.Uuid | nodes.Param | Iterable[Any] | Mapping[str, Any]
    Pairs = Iterable[nodes.ContextPair | tuple[Given, Given]]
    Name: TypeAlias = str | Field | nodes.Param

__all__ = [
    "context",
    "discover",
    "feedback",
    "full_text",
    "hybrid",
    "image",
    "inference",
    "input_of",
    "mmr",
    "order_by",
    "point",
    "points",
    "recommend",
    "sample",
    "target",
    "text",
    "vector",
]


# ------------------------------------------------------------------------------------ inputs


def text(given: Words, model: Words | None = None, options: Mapping[str, Any] | None = None) -> nodes.Text:
    """``TEXT '…' [MODEL m] [OPTIONS {…}]``; a bare string is one too, where one input stands."""
    return nodes.Text(_words(given, "text(…)"), *_by_model("text", model, options))


def image(given: Words, model: Words | None = None, options: Mapping[str, Any] | None = None) -> nodes.Image:
    """``IMAGE '…' MODEL m``: an address or base64 data."""
    return nodes.Image(_words(given, "image(…)"), *_by_model("image", model, options))


def inference(
    given: Mapping[str, Any] | nodes.Param,
    model: Words | None = None,
    options: Mapping[str, Any] | None = None,
) -> nodes.Inference:
    """``OBJECT {…} MODEL m``: whatever a model takes."""
    held = values.data(given, "inference(…)")
    if not isinstance(held, (dict, nodes.Param)):
        values.wrong("inference(…)", f"takes an object, not {values.kind_of(given)}")
    return nodes.Inference(held, *_by_model("inference", model, options))


def _words(given: object, at: str) -> nodes.Scalar:
    if not isinstance(given, (str, nodes.Param)):
        values.wrong(at, f"takes a text, not {values.kind_of(given)}")
    return values.scalar(given, at)


def _by_model(call: str, model: object, options: object) -> tuple[nodes.Scalar | None, Any]:
    named = None if model is None else _words(model, f"{call}(model)")
    return named, None if options is None else values.data(options, f"{call}(options)")


def vector(given: Iterable[Any] | Mapping[str, Any] | nodes.Param) -> nodes.Vector:
    """A dense vector, a list of them, or a sparse one: ``{"indices": […], "values": […]}``."""
    held = values.data(given, "vector(…)")
    if not isinstance(held, (list, dict, nodes.Param)):
        values.wrong("vector(…)", f"takes a list of numbers, not {values.kind_of(given)}")
    return _vector(held, "vector(…)")


def _vector(held: Any, at: str) -> nodes.Vector:
    if isinstance(held, dict) and held.keys() != {"indices", "values"}:
        values.wrong(at, "a sparse vector is {'indices': […], 'values': […]}")
    return nodes.Vector(held)


def point(id: Id) -> nodes.Point:
    """``POINT 42``: the vector of a point that is there."""
    return nodes.Point(_id(id, "point(id)"))


def _id(given: object, at: str) -> nodes.Scalar:
    made = values.scalar(given, at)
    if made.value is None or isinstance(made.value, (bool, float)):
        values.wrong(at, f"takes the id of a point, not {values.kind_of(given)}")
    return made


def input_of(given: object, at: str, *, listed: bool = False) -> nodes.Input:
    """A text, a vector, the id of a point, or what the functions of this module give.

    A bare string is a text, and ``listed``, in a list of examples, the id of a point.
    """
    tree = nodes.tree_of(given)
    if isinstance(tree, nodes.Input):
        return tree
    if isinstance(tree, nodes.Param):
        return nodes.AnyInput(tree)
    if isinstance(given, (Built, nodes.Node)) and not isinstance(tree, (nodes.Uuid, nodes.Scalar)):
        values.wrong(at, f"takes a text, a vector or a point, not {values.kind_of(given)}")
    if isinstance(given, str) and not listed:
        return nodes.Text(values.scalar(given, at))
    held = values.data(given, at)
    if isinstance(held, (list, dict)):
        return _vector(held, at)
    if held is None or isinstance(held, (bool, float)):
        values.wrong(at, f"takes a text, a vector or the id of a point, not {values.kind_of(given)}")
    return nodes.Point(nodes.Scalar(held))


def _inputs(given: object, at: str) -> tuple[nodes.Input, ...] | nodes.Param:
    if isinstance(given, nodes.Param):
        return given
    if isinstance(given, (str, int, Mapping)) or not hasattr(given, "__iter__"):
        values.wrong(at, f"takes a list of points or vectors, not {values.kind_of(given)}")
    found = enumerate(values.several(given, at))
    return tuple(input_of(one, f"{at}[{place}]", listed=True) for place, one in found)


def _pairs(given: Pairs, at: str) -> tuple[nodes.ContextPair, ...]:
    found = []
    for place, pair in enumerate(values.several(given, at)):
        if isinstance(pair, nodes.ContextPair):
            found.append(pair)
        elif isinstance(pair, tuple) and len(pair) == 2:
            made = [input_of(one, f"{at}[{place}]", listed=True) for one in pair]
            found.append(nodes.ContextPair(*made))
        else:
            values.wrong(f"{at}[{place}]", f"takes (positive, negative), not {values.kind_of(pair)}")
    return tuple(found)


# ------------------------------------------------------------------------------------ targets


def points(ids: Iterable[Id] | nodes.Param) -> nodes.Points:
    """``POINTS (1, 2)``: the points themselves, without a search."""
    return nodes.Points(values.listed(ids, "points(ids)"))


def recommend(
    positive: Iterable[Given] | nodes.Param = (),
    negative: Iterable[Given] | nodes.Param = (),
    strategy: Literal["average_vector", "best_score", "sum_scores"] | nodes.Param | None = None,
) -> nodes.Recommend:
    """``RECOMMEND POSITIVE (…) NEGATIVE (…) STRATEGY …``. A string in the lists is the id of a point."""
    lists = (_inputs(positive, "recommend(positive)"), _inputs(negative, "recommend(negative)"))
    return nodes.Recommend(*lists, _maybe_name(strategy, "recommend(strategy)"))


def context(pairs: Pairs) -> nodes.Context:
    """``CONTEXT (POSITIVE … NEGATIVE …, …)``; pairs are (positive, negative), a string the id of a point."""
    return nodes.Context(_pairs(pairs, "context(pairs)"))


def discover(target: Given, pairs: Pairs = ()) -> nodes.Discover:
    """``DISCOVER TARGET … CONTEXT (…)``; pairs as those of `context`."""
    return nodes.Discover(input_of(target, "discover(target)"), _pairs(pairs, "discover(pairs)"))


def order_by(
    field: Name, direction: Literal["asc", "desc"] | nodes.Param | None = None, start: Value = None
) -> nodes.OrderBy:
    """``ORDER BY field [ASC|DESC] [START FROM start]``: a target of `query`, and a clause of `scroll`."""
    if direction not in ("asc", "desc", None) and not isinstance(direction, nodes.Param):
        values.wrong("order_by(direction)", f"takes 'asc' or 'desc', not {values.kind_of(direction)}")
    first = None if start is None else values.scalar(start, "order_by(start)")
    return nodes.OrderBy(values.name(field, "order_by(field)"), direction, first)


def sample() -> nodes.Sample:
    """``SAMPLE RANDOM``: points drawn by chance."""
    return nodes.Sample()


def mmr(target: Given, *, diversity: Value = None, candidates: Value = None) -> nodes.Mmr:
    """``MMR … DIVERSITY 0.5 CANDIDATES 100``: near the target, and far from one another."""
    parts = (_maybe(diversity, "mmr(diversity)"), _maybe(candidates, "mmr(candidates)"))
    return nodes.Mmr(input_of(target, "mmr(target)"), *parts)


def feedback(
    target: Given,
    scored: Iterable[tuple[Given, Value]],
    strategy: Words | None = None,
    options: Mapping[str, Any] | None = None,
) -> nodes.RelevanceFeedback:
    """``RELEVANCE FEEDBACK TARGET … FEEDBACK ((POINT 2, 0.9), …) STRATEGY NAIVE (a = 1, …)``.

    ``scored`` are (input, score); a string there is the id of a point.
    """
    found = []
    for place, item in enumerate(values.several(scored, "feedback(scored)")):
        at = f"feedback(scored)[{place}]"
        if not isinstance(item, tuple) or len(item) != 2:
            values.wrong(at, f"takes (input, score), not {values.kind_of(item)}")
        found.append(nodes.FeedbackItem(input_of(item[0], at, listed=True), values.scalar(item[1], at)))
    return nodes.RelevanceFeedback(
        input_of(target, "feedback(target)"),
        tuple(found),
        _maybe_name(strategy, "feedback(strategy)"),
        values.options(options or {}, "feedback(options)"),
    )


def hybrid(
    text: Words,
    *,
    model: Words | None = None,
    dense: str | nodes.Param | None = None,
    sparse: str | nodes.Param | None = None,
    dense_model: Words | None = None,
    sparse_model: Words | None = None,
) -> nodes.Hybrid:
    """``HYBRID 'text' [DENSE d] [SPARSE s]``: two searches, fused. ``dense`` and ``sparse`` name vectors."""
    models = [
        None if one is None else _words(one, f"hybrid({key})")
        for key, one in (("model", model), ("dense_model", dense_model), ("sparse_model", sparse_model))
    ]
    sides = (_maybe_name(dense, "hybrid(dense)"), _maybe_name(sparse, "hybrid(sparse)"))
    return nodes.Hybrid(_words(text, "hybrid(text)"), models[0], *sides, *models[1:])


@overload
def full_text(words: Words, on: Name, options: Mapping[str, Any] | None = None) -> nodes.FullText: ...
@overload
def full_text(
    words: Words, on: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> nodes.FieldsText: ...
def full_text(
    words: Words, on: Name | Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> nodes.FullText | nodes.FieldsText:
    """``MATCH 'words' ON field [(k = 1.2, b = 0.75)]``: BM25 over the text index of a field.

    ``on`` may be several fields with their boosts: ``{"title": 2, "body": None}``.
    """
    if isinstance(on, Mapping):
        fields = tuple(
            nodes.BoostedField(values.name(name, "full_text(on)"), _maybe(boost, f"full_text(on[{name!r}])"))
            for name, boost in on.items()
        )
        text = _words(words, "full_text(words)")
        return nodes.FieldsText(text, fields, values.options(options or {}, "full_text(options)"))
    parts = (_words(words, "full_text(words)"), values.name(on, "full_text(on)"))
    return nodes.FullText(*parts, values.options(options or {}, "full_text(options)"))


def _maybe(given: object, at: str) -> nodes.Scalar | None:
    return None if given is None else values.scalar(given, at)


def _maybe_name(given: object, at: str) -> nodes.Name | None:
    return None if given is None else values.name(given, at)


def target(given: object, at: str) -> nodes.Target | None:
    """What `query` takes first."""
    tree = nodes.tree_of(given)
    if tree is None or isinstance(tree, nodes.Target):
        return tree
    if isinstance(tree, nodes.Expression) and not isinstance(tree, (nodes.Scalar, nodes.Name)):
        return nodes.Formula(tree)
    return input_of(given, at)
