"""Rules → nodes: what a query searches for."""

from __future__ import annotations

from qql import nodes
from qql.errors import many
from qql.late import cast
from qql.nodes import Name, Param, Scalar
from qql.records import replace
from qql.syntax.build_clauses import Direction, direction_of
from qql.syntax.clauses import NOW, Clause, hole_at, literal, span_now, with_clauses
from qql.syntax.dialects import HybridSide, Rescored, hybrid_sides, make_query
from qql.syntax.lexer import Token, number_value, string_at, string_value, syntax_error

__all__ = ["Targets"]

Json = object
"""A JSON value, with parameters and UUIDs in it."""


class Targets:
    """Methods named as the rules of targets are. A declared target that has none is built by its
    declaration.
    """

    # -- inputs

    def bare_text(self, token: Token, model: Scalar | None, options: Json) -> nodes.Text | nodes.Point:
        start, end = token.start, token.end
        value = string_at(token.text, start)
        hole = hole_at(start, end)
        text = Scalar.at(start, end, value if hole is None else hole)
        if model is None and options is None and nodes.is_uuid(value):
            return nodes.Point.make(text, span=span_now())
        return nodes.Text.make(text, model, options, span=span_now())

    def inference(self, given: Json, model: Scalar | None, options: Json) -> nodes.Inference:
        return nodes.Inference(_bare(given), model, options, span=span_now())

    def model_options(self, given: Json) -> Json:
        return _bare(given)

    def vector(self, *values: Json) -> nodes.Input:
        value = values[-1]
        if isinstance(value, Scalar):
            return nodes.Vector.make(value.value, span=span_now())
        if isinstance(value, dict) and set(value) != {"indices", "values"}:
            return _embedded_object(value)
        return nodes.Vector.make(value, span=span_now())

    def bare_point(self, token: Token) -> nodes.Point:
        return nodes.Point.make(Scalar.make(literal(token, number_value), span=span_now()), span=span_now())

    def example_point(self, given: Token | Scalar) -> nodes.Point:
        if isinstance(given, Token):
            value = string_value(given) if given.type == "STRING" else literal(given, number_value)
            given = Scalar.make(value, span=given.span)
        return nodes.Point.make(given, span=span_now())

    def any_input(self, param: Scalar) -> nodes.AnyInput:
        return nodes.AnyInput.make(param.value, span=span_now())

    # -- examples

    def examples(self, *examples: nodes.Input | None) -> tuple[nodes.Input, ...]:
        return tuple([example for example in examples if example is not None])

    def listed_examples(self, values: list[Json]) -> tuple[nodes.Input, ...]:
        return tuple(_example(value) for value in values)

    def bound_examples(self, param: Scalar) -> Param:
        return cast(Param, param.value)

    # -- targets that are more than their parts

    def target(self, *children: nodes.Target) -> nodes.Target:
        return children[-1]

    def rerank_target(self, target: nodes.Target, model: Scalar | None) -> Rescored:
        if model is not None:
            NOW.warn("idle-model", "MODEL has no meaning here: nothing is embedded", model.span)
        return Rescored(target)

    def points(self, *ids: Scalar | None) -> nodes.Points:
        return nodes.Points.make(tuple([one for one in ids if one is not None]), span=span_now())

    def bound_points(self, param: Scalar) -> nodes.Points:
        return nodes.Points.make(cast(Param, param.value), span=span_now())

    def order_target(self, name: Name, direction: Direction, start: Scalar | None) -> nodes.OrderBy:
        return nodes.OrderBy.make(name, direction_of(direction), start, span=span_now())

    def strategy(self, name: Name, options: tuple[nodes.Option, ...] | None) -> Clause:
        return Clause("strategy", (name, options or ()), span_now())

    def hybrid(self, text: Scalar, model: Scalar | None, *sides: HybridSide) -> nodes.Hybrid:
        return replace(nodes.Hybrid(text, model, span=span_now()), **hybrid_sides(sides))

    def full_text(self, text: Scalar, name: Name, options: tuple[nodes.Option, ...] | None) -> nodes.FullText:
        return nodes.FullText(text, name, options or (), span=span_now())

    def fields_text(
        self, text: Scalar, *children: nodes.BoostedField | tuple[nodes.Option, ...] | None
    ) -> nodes.FieldsText:
        fields = tuple(one for one in children if isinstance(one, nodes.BoostedField))
        options = next((one for one in children if isinstance(one, tuple)), ())
        return nodes.FieldsText(text, fields, options, span=span_now())

    def recommend_from(self, collection: Name, *clauses: Clause) -> nodes.Query:
        """The cli dialect's ``RECOMMEND FROM c POSITIVE IDS (…)``."""
        own = [clause for clause in clauses if clause.name in ("positive", "negative")]
        rest = [clause for clause in clauses if clause.name not in ("positive", "negative")]
        target = with_clauses(nodes.Recommend, "RECOMMEND", own)
        return make_query(rest, {"target": target, "source": collection})


def _bare(value: Json) -> Json:
    return value.value if isinstance(value, Scalar) else value


def _example(value: Json) -> nodes.Input:
    if isinstance(value, (list, dict)):
        return nodes.Vector.make(value, span=span_now())
    if isinstance(value, Param):
        return nodes.AnyInput.make(value, span=span_now())
    return nodes.Point.make(Scalar(cast(int | str, value), span=span_now()), span=span_now())


def _embedded_object(value: dict[str, Json]) -> nodes.Input:
    """``{text: 'words', model: 'm'}``: Qdrant's own objects for what a model embeds."""
    rows = _flat_rows(value)
    if rows is not None:
        return nodes.Vector.make(rows, span=span_now())
    kind = next((kind for kind in nodes.EMBEDDED if kind in value), None)
    if kind is None or not set(value) <= {kind, "model", "options"}:
        hint = "a text, an image or an object is written {text: 'words', model: 'name'}"
        message = "a sparse vector is written {indices: […], values: […]}"
        syntax_error("malformed-vector", message, span_now(), hint)
    model = _scalar_or_none(value.get("model"))
    if kind == "object":
        return nodes.Inference(value[kind], model, value.get("options"), span=span_now())
    make = nodes.Text if kind == "text" else nodes.Image
    return make(_scalar(value[kind]), model, value.get("options"), span=span_now())


def _scalar(value: Json) -> Scalar:
    return Scalar(cast(str | None, value), span=span_now())


def _scalar_or_none(value: Json) -> Scalar | None:
    return None if value is None else _scalar(value)


def _flat_rows(value: dict[str, Json]) -> list[Json] | None:
    """The rows of ``{data: [1, 2, 3, 4], dim: 2}``, v1's flat multivector; None where it is none."""
    data, dim = value.get("data"), value.get("dim")
    if set(value) != {"data", "dim"} or not isinstance(data, list) or type(dim) is not int or dim < 1:
        return None
    if len(data) % dim:
        message = f"{many(len(data), 'number')} cannot be cut into rows of {dim}"
        syntax_error("malformed-vector", message, span_now())
    return [data[start : start + dim] for start in range(0, len(data), dim)]
