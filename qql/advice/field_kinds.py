"""Whether a condition can hold for what a field has: texts, numbers, dates, places, true and false."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qql import nodes
from qql.compiler.scalars import scalar_value
from qql.errors import shown
from qql.records import dataclass
from qql.rest.types import Json
from qql.schema import SeenField

__all__ = [
    "Misfit",
    "compared_values",
    "fitting_index",
    "held_kinds",
    "indexed_kinds",
    "misfit_of",
    "told_kinds",
]

_FITTING: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text", "date", "uuid"}),
    "number": frozenset({"integer", "whole", "float"}),
    "date": frozenset({"date"}),
    "bool": frozenset({"bool"}),
    "geo": frozenset({"geo"}),
}
"""What a value is → the kinds of a field's values (`SeenField`) that it can be compared with."""
_OF_INDEX: Mapping[str, frozenset[str]] = {
    "keyword": _FITTING["text"],
    "text": _FITTING["text"],
    "uuid": _FITTING["text"],
    "integer": _FITTING["number"],
    "float": _FITTING["number"],
    "bool": _FITTING["bool"],
    "datetime": frozenset({"date"}),
    "geo": _FITTING["geo"],
}
"""The kinds of values that an index of a type is made for."""
_WORDS = {
    "integer": "integers",
    "whole": "floating numbers",
    "float": "floating numbers",
    "text": "texts",
    "date": "dates",
    "uuid": "UUIDs",
    "bool": "true and false",
    "geo": "places",
    "object": "objects",
}


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value of a condition that nothing in the field can be equal to, or be in order with.

    ``wanted`` is what the condition compares with: text, number, date, bool or geo. ``kinds`` are what the
    field has instead, and ``value`` is None where it is no single one (MATCH, GEO).
    """

    wanted: str
    kinds: frozenset[str]
    value: Json = None
    ordered: bool = False

    def says(self) -> str:
        """What the condition compares with, as the end of a sentence."""
        if self.ordered:
            return f"this is a range of {'dates' if self.wanted == 'date' else 'numbers'}"
        if self.wanted == "geo":
            return "this is a condition on places"
        if self.value is None:
            return "MATCH reads texts"
        named = {"text": "a text", "number": "a number", "bool": "no text and no number"}
        return f"{shown(self.value)} is {named[self.wanted]}"

    def hint(self, name: str) -> str:
        """How it is written for what the field has; ``name`` is the field as QQL writes it."""
        value, kinds = self.value, self.kinds
        if not self.ordered and value is not None:
            if isinstance(value, str) and _reads_as(value, kinds):
                return f"write {value.strip().lower()} without quotes"
            if not isinstance(value, str) and kinds <= _FITTING["text"]:
                return f"write '{shown(value)}', in quotes"
        if kinds <= _FITTING["number"]:
            return "it may hold seconds since 1970" if self.wanted == "date" else f"{name} = 1, {name} > 1"
        if kinds == {"date"}:
            return f"{name} >= '2024-05-01'"
        if kinds <= _FITTING["text"]:
            return f"{'texts have no order: ' if self.ordered else ''}{name} = '…', {name} MATCH '…'"
        return {
            frozenset({"bool"}): f"{name} = true",
            frozenset({"geo"}): f"{name} GEO_RADIUS {{center: {{lat: 52.5, lon: 13.4}}, radius: 1000}}",
        }.get(kinds, "compare it with what it holds")


def _reads_as(text: str, kinds: frozenset[str]) -> bool:
    """Whether a text is a value of these kinds that was written in quotes."""
    if kinds == {"bool"}:
        return text.strip().lower() in ("true", "false")
    if not kinds <= _FITTING["number"]:
        return False
    body = text.strip().removeprefix("-")
    return body.replace(".", "", 1).isdecimal() and body.isascii() and body[0] != "." and body[-1] != "."


def held_kinds(seen: SeenField | None) -> frozenset[str]:
    """The kinds of values that were seen of a field, without nulls and empty lists."""
    return frozenset(seen.kinds) - {"null", "empty"} if seen is not None else frozenset()


def indexed_kinds(index: str) -> frozenset[str]:
    """The kinds of values that an index of a type takes in."""
    narrow = {"integer": {"integer", "whole"}, "uuid": {"uuid"}}
    return frozenset(narrow.get(index, _OF_INDEX.get(index, frozenset())))


def fitting_index(kinds: frozenset[str]) -> str | None:
    """The type of index that takes in all of the kinds; None where none does."""
    order = ("integer", "float", "datetime", "uuid", "keyword", "bool", "geo")
    return next((one for one in order if kinds <= indexed_kinds(one)), None)


def misfit_of(condition: nodes.Condition, seen: SeenField | None, index: str | None) -> Misfit | None:
    """What of a condition fits neither the values that were seen nor the type of the index.

    None where it fits, and where nothing is known: ``seen`` is None, or saw nothing but nulls, and there is
    no index.
    """
    held = held_kinds(seen)
    meant = _OF_INDEX.get(index or "", frozenset())
    if not held and not meant:
        return None
    for wanted, value, ordered in compared_values(condition):
        fitting = _FITTING[wanted]
        # A datetime index holds texts, which `=` compares as they stand.
        made_for = meant | (_FITTING["text"] if index == "datetime" and not ordered else set())
        if not fitting & held and not fitting & made_for:
            return Misfit(wanted, held or meant, value, ordered)
    return None


def compared_values(condition: nodes.Condition) -> Iterator[tuple[str, Json, bool]]:
    """What a condition compares a field with: a key of `_FITTING`, the value, and whether it is a range."""
    match condition:
        case nodes.Compare(op="=" | "!="):
            yield from _equal([condition.value])
        case nodes.In(values=tuple() as values):
            yield from _equal(values)
        case nodes.Match(value=tuple() as values):
            yield from _equal(values)
        case nodes.Match():
            yield "text", None, False
        case nodes.Compare():
            yield from _ordered([condition.value])
        case nodes.Between():
            yield from _ordered([condition.low, condition.high])
        case nodes.Range():
            yield from _ordered([nodes.Scalar(bound.value) for bound in condition.bounds])
        case nodes.Geo():
            yield "geo", None, False


def _equal(scalars: list[nodes.Scalar] | tuple[nodes.Scalar, ...]) -> Iterator[tuple[str, Json, bool]]:
    for scalar in scalars:
        value = scalar_value(scalar)
        if value is not None:
            wanted = "bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
            yield wanted, value, False


def _ordered(scalars: list[nodes.Scalar]) -> Iterator[tuple[str, Json, bool]]:
    for scalar in scalars:
        value = scalar_value(scalar)
        yield "date" if isinstance(value, str) else "number", value, True


def told_kinds(kinds: frozenset[str]) -> str:
    """``integers``, ``integers and texts``."""
    words = list(dict.fromkeys(_WORDS[kind] for kind in _WORDS if kind in kinds))
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
