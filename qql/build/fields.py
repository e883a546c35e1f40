"""Fields of payloads, and what can be asked of them; expressions of formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import overload

from qql import nodes
from qql.build import values
from qql.build.built import Built, Filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import date
    from enum import Enum
    from typing import Any, SupportsFloat, TypeAlias
    from uuid import UUID

    Value = str | int | float | bool | date | UUID | SupportsFloat | Enum | nodes.Param | nodes.Uuid | None
    Values = Iterable[Value] | nodes.Param
    Words = str | nodes.Param
    Operand: TypeAlias = "Expression | nodes.Expression | SupportsFloat | date | nodes.Param"


__all__ = ["Expression", "Field", "field"]


class _Arithmetic(Built):
    """What is counted with in formulas."""

    __slots__ = ()

    def __add__(self, other: Operand) -> Expression:
        return _binary("sum", self, other, "+")

    def __radd__(self, other: Operand) -> Expression:
        return _binary("sum", other, self, "+")

    def __sub__(self, other: Operand) -> Expression:
        return _binary("sum", self, _negative(other), "-")

    def __rsub__(self, other: Operand) -> Expression:
        return _binary("sum", other, _negative(self), "-")

    def __mul__(self, other: Operand) -> Expression:
        return _binary("mult", self, other, "*")

    def __rmul__(self, other: Operand) -> Expression:
        return _binary("mult", other, self, "*")

    def __truediv__(self, other: Operand) -> Expression:
        return _divided(self, other)

    def __rtruediv__(self, other: Operand) -> Expression:
        return _divided(other, self)

    def __neg__(self) -> Expression:
        return Expression(_negative(self))


class Expression(_Arithmetic):
    """A part of a formula: ``score() + 0.1 * field("popularity")``."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def tree(self) -> nodes.Expression: ...


def _binary(function: str, left: object, right: object, sign: str) -> Expression:
    parts = (values.expression(left, f"… {sign}"), values.expression(right, f"{sign} …"))
    return Expression(nodes.Call(function, parts))


def _negative(given: object) -> nodes.Call:
    return nodes.Call("neg", (values.expression(given, "- …"),))


def _divided(left: object, right: object) -> Expression:
    return Expression(nodes.Divide(values.expression(left, "… /"), values.expression(right, "/ …")))


class Field(_Arithmetic):
    """A field of the payload, or ``id``. Its operators and methods give conditions (`Filter`).

    All of them raise `QQLPlanError` for a value that the language has not: ``number-out-of-range`` for NaN
    and for what 64 bits do not hold, ``wrong-argument`` for a list where one value stands.
    """

    __slots__ = ()

    def __init__(self, name: str | nodes.Param | nodes.Name) -> None:
        super().__init__(values.name(name, "field(name)"))

    if TYPE_CHECKING:

        @property
        def tree(self) -> nodes.Name: ...

    # -- comparisons

    @overload
    def __eq__(self, other: Value) -> Filter: ...
    @overload
    def __eq__(self, other: object) -> Any: ...
    def __eq__(self, other: object) -> Any:
        return self._compare("=", other)

    @overload
    def __ne__(self, other: Value) -> Filter: ...
    @overload
    def __ne__(self, other: object) -> Any: ...
    def __ne__(self, other: object) -> Any:
        return self._compare("!=", other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: Value) -> Filter:
        return self._compare("<", other)

    def __le__(self, other: Value) -> Filter:
        return self._compare("<=", other)

    def __gt__(self, other: Value) -> Filter:
        return self._compare(">", other)

    def __ge__(self, other: Value) -> Filter:
        return self._compare(">=", other)

    def _compare(self, sign: str, value: object) -> Filter:
        at = f"{self._called} {sign} …"
        if value is None:
            values.wrong(
                at, "nothing is compared with None", "field('a').is_null(), or ~field('a').is_null()"
            )
        return Filter(nodes.Compare(self.tree, sign, values.scalar(value, at)))

    @property
    def _called(self) -> str:
        text = self.tree.text
        return f"field({text!r})" if isinstance(text, str) else f"field(param({text.key!r}))"

    def _at(self, method: str) -> str:
        return f"{self._called}.{method}(…)"

    def between(self, low: Value, high: Value) -> Filter:
        """``BETWEEN low AND high``, both ends included."""
        ends = [values.scalar(end, self._at("between")) for end in (low, high)]
        return Filter(nodes.Between(self.tree, *ends))

    def any_of(self, given: Values) -> Filter:
        """``IN (…)``: one of the values. Nothing is one of an empty list."""
        return Filter(nodes.In(self.tree, values.listed(given, self._at("any_of"))))

    def none_of(self, given: Values) -> Filter:
        """``NOT IN (…)``."""
        return Filter(nodes.Not(nodes.In(self.tree, values.listed(given, self._at("none_of")))))

    def range(self, *, gt: Value = None, gte: Value = None, lt: Value = None, lte: Value = None) -> Filter:
        """``RANGE (gt = 1, lte = 5)``: bounds that one element of the field has to satisfy."""
        bounds = self._bounds("range", {"gt": gt, "gte": gte, "lt": lt, "lte": lte})
        return Filter(nodes.Range(self.tree, bounds))

    def values_count(
        self,
        exactly: Value = None,
        *,
        gt: Value = None,
        gte: Value = None,
        lt: Value = None,
        lte: Value = None,
    ) -> Filter:
        """``VALUES_COUNT = 2``, or with bounds: how many values the field holds."""
        given = {"gt": gt, "gte": gte, "lt": lt, "lte": lte}
        if exactly is not None:
            if any(one is not None for one in given.values()):
                values.wrong(self._at("values_count"), "takes a number, or bounds, and not both")
            given = {"gte": exactly, "lte": exactly}
        return Filter(nodes.ValuesCount(self.tree, self._bounds("values_count", given)))

    def _bounds(self, method: str, bounds: Mapping[str, Value]) -> tuple[nodes.Option, ...]:
        given = {key: value for key, value in bounds.items() if value is not None}
        if not given:
            values.wrong(self._at(method), "no bound is given", "the bounds are gt, gte, lt and lte")
        return values.options(given, self._at(method))

    # -- what is there

    def is_null(self) -> Filter:
        """``IS NULL``."""
        return Filter(nodes.IsNull(self.tree))

    def is_empty(self) -> Filter:
        """``IS EMPTY``: missing, null or an empty list."""
        return Filter(nodes.IsEmpty(self.tree))

    # -- texts

    def match_text(self, words: Words) -> Filter:
        """``MATCH 'words'``: all of them."""
        return self._match("text", words)

    def match_phrase(self, words: Words) -> Filter:
        """``MATCH PHRASE 'words'``: in a row."""
        return self._match("phrase", words)

    def match_tokens(self, words: Words) -> Filter:
        """``MATCH TOKENS 'words'``: one of them."""
        return self._match("text_any", words)

    def match_prefix(self, words: Words) -> Filter:
        """``MATCH PREFIX 'words'``: the beginning of a keyword."""
        return self._match("prefix", words)

    def match_substring(self, words: Words) -> Filter:
        """``MATCH SUBSTRING 'words'``: a part of a keyword."""
        return self._match("substring", words)

    def match_any(self, given: Values) -> Filter:
        """``MATCH ANY ('a', 'b')``: one of the values."""
        return self._match("any", given)

    def match_except(self, given: Values) -> Filter:
        """``MATCH EXCEPT ('a', 'b')``: a value that is none of them."""
        return self._match("except", given)

    def _match(self, kind: str, given: object) -> Filter:
        known = nodes.MATCH_OPERATORS[kind]
        at = self._at(f"match_{(known.word or kind).lower()}")
        if known.values:
            return Filter(nodes.Match(self.tree, kind, values.listed(given, at)))
        if not isinstance(given, (str, nodes.Param)):
            values.wrong(at, f"takes a text, not {values.kind_of(given)}")
        return Filter(nodes.Match(self.tree, kind, values.scalar(given, at)))

    # -- places

    def geo_radius(self, lat: Value, lon: Value, radius: Value) -> Filter:
        """``GEO_RADIUS``: at most ``radius`` metres from a place, given in degrees."""
        center = {"lat": lat, "lon": lon}
        return self._geo("radius", {"center": center, "radius": radius})

    def geo_bbox(self, top_left: tuple[Value, Value], bottom_right: tuple[Value, Value]) -> Filter:
        """``GEO_BBOX``: inside of a box, by (lat, lon) of two of its corners."""
        corners = {"top_left": top_left, "bottom_right": bottom_right}
        return self._geo("bbox", {key: self._place(one, key) for key, one in corners.items()})

    def geo_polygon(
        self, exterior: Iterable[tuple[Value, Value]], interiors: Iterable[Iterable[tuple[Value, Value]]] = ()
    ) -> Filter:
        """``GEO_POLYGON``: inside of a ring of (lat, lon), the last of which is the first; not inside of one
        of the ``interiors``, which are rings too.
        """
        inside = [self._ring(one, "interiors") for one in interiors]
        outside = self._ring(exterior, "exterior")
        return self._geo("polygon", {"exterior": outside} | ({"interiors": inside} if inside else {}))

    def geo(self, shape: str, given: Mapping[str, Any] | nodes.Param) -> Filter:
        """The ``bbox``, ``radius`` or ``polygon`` that a parameter has, or an object in Qdrant's words."""
        if shape not in ("bbox", "radius", "polygon"):
            values.wrong(self._at("geo"), f"the shapes are bbox, radius and polygon, not {shape!r}")
        return self._geo(shape, given)

    def _geo(self, shape: str, given: object) -> Filter:
        return Filter(nodes.Geo(self.tree, shape, values.data(given, self._at(f"geo_{shape}"))))

    def _ring(self, places: Iterable[tuple[Value, Value]], which: str) -> dict[str, Any]:
        return {
            "points": [self._place(one, which) for one in values.several(places, self._at("geo_polygon"))]
        }

    def _place(self, given: object, which: str) -> dict[str, Value]:
        if not isinstance(given, tuple) or len(given) != 2:
            message = f"{which} takes (lat, lon), not {values.kind_of(given)}"
            values.wrong(self._at("geo"), message)
        return dict(zip(("lat", "lon"), given, strict=True))

    # -- elements

    def nested(self, condition: Filter | nodes.Condition) -> Filter:
        """``NESTED('field', condition)``: one object in the list at this path satisfies all of it."""
        inside = nodes.tree_of(condition)
        if not isinstance(inside, nodes.Condition):
            values.wrong(self._at("nested"), f"takes a condition, not {values.kind_of(condition)}")
        return Filter(nodes.Nested(self.tree, inside))


def field(name: str | nodes.Param) -> Field:
    """A field of the payload by its path (``a.b``, ``a[].b``), or ``id``.

    >>> str((field("year") >= 2020) & ~field("tags").any_of(["draft", "old"]))
    "year >= 2020 AND tags NOT IN ('draft', 'old')"
    """
    return Field(name)
