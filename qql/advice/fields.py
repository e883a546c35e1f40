"""Rules about the payload fields that a statement names, by what the points of the collection hold."""

from __future__ import annotations

import math
from collections.abc import Iterator

from qql import nodes
from qql.advice.field_kinds import (
    compared_values,
    fitting_index,
    held_kinds,
    indexed_kinds,
    misfit_of,
    told_kinds,
)
from qql.advice.field_names import field_tests, named_fields
from qql.advice.filters import index_statement, span_here, type_of_index
from qql.advice.rules import Found, rule
from qql.advice.view import View, as_name
from qql.errors import did_you_mean, many
from qql.schema import Fields, SeenField, normal_path

__all__ = ["FIELD_RULES"]

FIELD_RULES = frozenset({"unknown-field", "field-type", "whole-number-match", "fractions-not-indexed"})
"""The rules that go by what points hold: they say why an answer has no hits."""
_EXACT = 2**53
_MOST_NAMED = 8  # fields that are listed where none is close


def _seen(view: View, path: str) -> SeenField | None:
    return view.facts.fields.find(path) if view.facts.fields is not None else None


def _in_points(seen: SeenField) -> str:
    return f" in {many(seen.points, 'point')} looked at"


@rule(
    "unknown-field",
    "A field that no point has",
    "A condition on a field that is not there holds for no point, and nothing else says so.",
    needs=("fields",),
    severity="warning",
    any_statement=True,
)
def unknown_field(view: View) -> Iterator[Found]:
    """Qdrant has no columns: a name that is written wrong is a field without values.

    Known are the payload indexes of the collection, and the fields of up to 200 of its points, which are
    looked at for `qql lint`, EXPLAIN, WHY and answers without hits. A rare field may be in none of them, so
    this is likely and not certain, unless these are all points. IS NULL, IS EMPTY, CREATE INDEX and KEY may
    mean a field that is not there yet: of them it is said only where another name is close.
    """
    fields = view.facts.fields
    if fields is None:
        return
    said: set[str] = set()
    for path, span, may_lack in named_fields(view):
        if path in said or not view.lacks(path):
            continue
        said.add(path)
        close = _close_field(normal_path(path), [*fields.seen, *(view.facts.indexes or ())])
        if close is None and may_lack:
            continue
        if fields.whole:
            message = f"`{view.collection}` has no field `{path}`"
        else:
            message = f"none of the {many(fields.points, 'point')} looked at has a field `{path}`"
        yield Found(span_here(view, span), message, close or _listed_fields(fields))


def _close_field(path: str, known: list[str]) -> str | None:
    """A hint at the field that was meant: one that differs by brackets of lists only, or by letters."""
    bare = path.replace("[]", "")
    same = next((name for name in known if name.replace("[]", "") == bare), None)
    return f"did you mean `{same}`?" if same is not None else did_you_mean(path, known)


def _listed_fields(fields: Fields) -> str:
    names = sorted(fields.seen, key=lambda name: (-fields.seen[name].points, name))
    if not names:
        return "the points looked at have no payload"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"the fields are {', '.join(map(as_name, names[:_MOST_NAMED]))}{more}"


@rule(
    "field-type",
    "A condition that fits nothing the field holds",
    "A text is never equal to a number: '2023' is not 2023, and 'true' is not true.",
    needs=("indexes",),
    severity="warning",
    any_statement=True,
    tells_values=True,
)
def field_type(view: View) -> Iterator[Found]:
    """Values of another type are never equal, and nothing is converted.

    What a field holds is known by its payload index, and by the points that `qql lint`, EXPLAIN, WHY and
    answers without hits look at. It is said where neither fits the condition. CREATE INDEX of a type that
    fits none of the values makes an index that holds nothing, and GROUP BY makes groups of texts and of
    integers only.
    """
    if view.facts.fields is None and not view.facts.indexes:
        return
    for path, condition, span in field_tests(view):
        seen, index = _seen(view, path), type_of_index(view, path)
        misfit = misfit_of(condition, seen, index)
        if misfit is None:
            continue
        held = misfit.kinds
        if seen is not None and seen.kinds.keys() & held:
            message = f"`{path}` holds {told_kinds(held)}{_in_points(seen)}, and {misfit.says()}"
        else:
            message = f"`{path}` has an index of type {index}, and {misfit.says()}"
        inner = _fields_below(view, path) if held == {"object"} else ""
        yield Found(span_here(view, span), message, inner or misfit.hint(as_name(path)))
    if view.plan is not None and view.plan.group is not None:
        yield from _no_groups(view, view.plan.group.name)
    if isinstance(view.statement, nodes.CreateIndex):
        yield from _index_of_nothing(view, view.statement)


def _fields_below(view: View, path: str) -> str:
    fields = view.facts.fields
    names = [name for name in fields.seen if name.startswith((f"{path}.", f"{path}[]."))] if fields else []
    return f"its own fields: {', '.join(map(as_name, names[:_MOST_NAMED]))}" if names else ""


def _no_groups(view: View, name: nodes.Name) -> Iterator[Found]:
    """GROUP BY a field none of whose values makes a group."""
    seen = _seen(view, str(name.text))
    held = held_kinds(seen)
    if seen is None or not held or held & {"text", "date", "uuid", "integer"}:
        return
    message = f"`{name.text}` holds {told_kinds(held)}{_in_points(seen)}, and groups are of texts or integers"
    hint = _fields_below(view, str(name.text)) or "GROUP BY a field that holds texts or integers"
    yield Found(name.span, message, hint)


def _index_of_nothing(view: View, statement: nodes.CreateIndex) -> Iterator[Found]:
    """CREATE INDEX whose type takes none of the values that were seen."""
    kind = str(statement.type.text).lower() if statement.type else "keyword"
    name, seen = statement.name, _seen(view, str(statement.name.text))
    held = held_kinds(seen)
    if seen is None or not held or indexed_kinds(kind) & held:
        return
    holds = f"`{name.text}` holds {told_kinds(held)}{_in_points(seen)}"
    message = f"{holds}: an index of type {kind} takes none of them"
    best = fitting_index(held)
    hint = index_statement(view, str(name.text), best) if best else _fields_below(view, str(name.text))
    yield Found((statement.type or name).span, message, hint or "index what it holds")


# ------------------------------------------------------------------------------------ numbers


@rule(
    "whole-number-match",
    "A match of whole numbers on a field of floating numbers",
    "Without an integer index, `n = 1` does not hold for the value 1.0.",
    needs=("fields", "indexes"),
    any_statement=True,
    tells_values=True,
)
def whole_number_match(view: View) -> Iterator[Found]:
    """`n = 1` and IN compare with the integer 1. The value 1.0 is equal to it only where `n` has an integer
    index: that holds whole numbers however they were written. `n = 1.0` is sent as a range, which
    compares the numbers, with any index and without. The local mode of qdrant-client has no indexes.
    """
    if view.facts.fields is None:  # as with every answer that has hits
        return
    for path, condition, span in field_tests(view):
        seen = _seen(view, path)
        if seen is None or type_of_index(view, path) == "integer":
            continue
        values = [
            value for _, value, ordered in compared_values(condition) if _is_whole(value) and not ordered
        ]
        if not values or not {"whole", "float"} & seen.kinds.keys():
            continue
        if "whole" not in seen.kinds and "integer" in seen.kinds:
            continue
        message = (
            f"`{path}` holds floating numbers: {values[0]} is not equal to {float(values[0])!r} in a match"
        )
        yield Found(
            span_here(view, span), message, f"compare the numbers: {as_name(path)} = {float(values[0])!r}"
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _EXACT


@rule(
    "fractions-not-indexed",
    "An integer index on a field of floating numbers",
    "An integer index leaves out 1.5, and what it answers does not find it.",
    needs=("fields", "indexes"),
    severity="warning",
    any_statement=True,
)
def fractions_not_indexed(view: View) -> Iterator[Found]:
    """An integer index holds whole numbers, 1.0 among them. A range that it answers leaves out every point
    whose value has a fraction, though it lies in the range. A float index holds all numbers.
    """
    if view.facts.fields is None:
        return
    if isinstance(view.statement, nodes.CreateIndex) and view.statement.type is not None:
        kind, path = view.statement.type, str(view.statement.name.text)
        seen = _seen(view, path)
        if (
            str(kind.text).lower() == "integer"
            and held_kinds(seen) & {"integer", "whole"}
            and _fractions(seen)
        ):
            message = f"`{path}` holds numbers with a fraction, which an integer index leaves out"
            yield Found(kind.span, message, index_statement(view, path, "float"))
    for path, condition, span in field_tests(view):
        if not _fractions(_seen(view, path)) or type_of_index(view, path) != "integer":
            continue
        compared = compared_values(condition)
        if any(
            wanted == "number" and (ordered or isinstance(value, float))
            for wanted, value, ordered in compared
        ):
            message = f"`{path}` holds numbers with a fraction, which its integer index leaves out"
            yield Found(span_here(view, span), message, index_statement(view, path, "float"))


def _bounds_beside(value: int) -> str:
    """The floating numbers below and above a whole number that is none."""
    near = int(float(value))
    other = int(math.nextafter(float(value), -math.inf if near > value else math.inf))
    return f"{min(near, other)} and {max(near, other)}"


def _fractions(seen: SeenField | None) -> bool:
    return seen is not None and "float" in seen.kinds


@rule(
    "range-beyond-2-53",
    "A range of numbers beyond 2⁵³",
    "Ranges are compared as 64-bit floating numbers, which do not tell 9007199254740993 from its neighbours.",
    severity="warning",
    any_statement=True,
    tells_values=True,
)
def range_beyond_2_53(view: View) -> Iterator[Found]:
    """Beyond 2⁵³ = 9007199254740992, a floating number stands for several whole ones. The bound of a range is
    one: one that is not is rounded to the next. Without an integer index the values are, too, so that
    `n > 9007199254740992` misses 9007199254740993. With the index the values are compared exactly. `=` and IN
    are exact with any index and without.
    """
    for path, condition, span in field_tests(view):
        bounds = [
            value for _, value, ordered in compared_values(condition) if ordered and isinstance(value, int)
        ]
        far = [value for value in bounds if abs(value) >= _EXACT]
        rounded = next((value for value in far if int(float(value)) != value), None)
        if rounded is not None:
            message = f"the bound {rounded} is compared as {int(float(rounded))}"
            hint = f"= and IN compare exactly; the bounds beside it are {_bounds_beside(rounded)}"
            yield Found(span_here(view, span), message, hint)
        elif far and type_of_index(view, path) not in (None, "integer"):
            message = f"beyond 2⁵³ the values of `{path}` are rounded when they are compared with {far[0]}"
            yield Found(span_here(view, span), message, index_statement(view, path, "integer"))
