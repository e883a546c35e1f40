"""Which values of a statement's parameters its advice hangs on, and how.

Advice on one text is the same for most values: a search for another text, a comparison with another number.
Advice is kept by what is told apart here, so whatever may make a difference to a rule is told apart.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from qql import nodes
from qql.advice.view import is_long
from qql.compiler.bind import Params
from qql.compiler.dates import looks_like_date
from qql.compiler.plan import stage_key
from qql.rest.types import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ValueKinds"]

_EXACT_FLOATS = 2**53
"""From here on floating numbers do not tell whole ones apart, of which a rule speaks."""
_PLAIN = (str, bool, int, float, type(None))


class ValueKinds:
    """The parameters of one statement, by what its rules look at.

    Of a text or a vector that is searched for, that is its shape, and whether it equals another one of the
    statement. Of what AFTER takes, it is whether it is there. Of a value that a field is compared with, which
    the statement names once, it is the kind. Of all other values (LIMIT, thresholds, options, ids, several
    tests of one field) it is the value itself.
    """

    def __init__(self, statement: nodes.Statement, wanted: Sequence[nodes.Param]) -> None:
        self._keys = tuple(dict.fromkeys(one.key for one in wanted))
        self._inputs = _only_in(_inputs(statement), wanted)
        self._pages = _only_in(_pages(statement), wanted)
        self._compared: dict[str | int, bool] = {}  # whether it is a bound of a range
        self._literals = [value for value in _input_values(statement) if not isinstance(value, nodes.Param)]
        if _is_whole(statement):
            equal, ordered = _compared(statement)
            for keys, is_bound in ((_only_in(equal, wanted), False), (_only_in(ordered, wanted), True)):
                self._compared |= dict.fromkeys(keys, is_bound)
        cuts = any(getattr(one, "threshold", None) is not None for one in nodes.walk(statement))
        self._cuts = cuts  # below a threshold it counts how long a vector is

    def key(self, params: Params) -> tuple[Hashable, ...] | None:
        """What is the same for all values that get the same advice; None where that is not known."""
        if not self._keys:
            return ()
        given: Mapping[Any, Json] = params if isinstance(params, Mapping) else dict(enumerate(params or ()))
        found: list[Hashable] = []
        for name in self._keys:
            if name not in given:
                return None  # `:place.lat`, and what is missing
            one = self._kind(name, given[name])
            if one is None:
                return None
            found.append(one)
        if len(self._inputs) + len(self._literals) > 1:
            equal = self._equal_inputs([given[name] for name in self._keys if name in self._inputs])
            if equal is None:
                return None
            found.append(equal)
        return tuple(found)

    @property
    def is_by_kind(self) -> bool:
        """Whether any value that a field is compared with counts by its kind alone."""
        return bool(self._compared)

    def _kind(self, name: str | int, value: Json) -> Hashable:
        if name in self._inputs and (shape := _shape(value)) is not None:
            return _with_length(shape, value) if self._cuts else shape
        if name in self._pages and type(value) in (int, str):
            return "page"
        if name in self._compared:
            return _kind(value, self._compared[name])
        return (type(value), value) if type(value) in _PLAIN else None

    def _equal_inputs(self, values: list[Json]) -> Hashable:
        """Which of the inputs are equal, as rules compare the targets of stages."""
        if any(type(one) not in (str, list, dict) for one in values):
            return None
        return tuple(one == other for one, other in combinations([*values, *self._literals], 2))


def _only_in(found: Iterable[nodes.Param], wanted: Sequence[nodes.Param]) -> set[str | int]:
    """The parameters that stand at these places, and nowhere else."""
    places = [one.key for one in found]
    everywhere = [one.key for one in wanted]
    return {key for key in places if places.count(key) == everywhere.count(key)}


def _pages(statement: nodes.Statement) -> Iterator[nodes.Param]:
    """The parameter that says behind which point a page begins."""
    match statement:
        case nodes.Scroll(after=nodes.Scalar(value=nodes.Param() as param)):
            yield param


def _inputs(statement: nodes.Statement) -> Iterator[nodes.Param]:
    """Each parameter that is searched for, or is the query of RERANK."""
    yield from (value for value in _input_values(statement) if isinstance(value, nodes.Param))


def _input_values(statement: nodes.Statement) -> Iterator[Json]:
    for one in nodes.walk(statement):
        match one:
            case nodes.AnyInput(value=value) | nodes.Text(text=nodes.Scalar(value=value)):
                yield value
            case nodes.Vector(value=value):
                yield value
            case nodes.Rerank(text=nodes.Scalar(value=nodes.Param() as param)):
                yield param


def _shape(value: Json) -> Hashable:
    """What is seen of an input; None of what may be the id of a point."""
    match value:
        case str():
            return None if nodes.is_uuid(value) else "text"
        case list() | tuple() if value:
            rows = isinstance(value[0], (list, tuple))
            return (len(value), len(value[0])) if rows else (len(value),)
        case dict():
            return ("sparse", *value)
    size = getattr(value, "shape", None)  # an array
    return size if isinstance(size, tuple) and size else None


def _with_length(shape: Hashable, value: Json) -> Hashable:
    """What is seen of an input above whose scores there is a threshold; None where more may be."""
    if type(value) is not list:
        return shape if isinstance(value, (str, dict)) else None
    try:
        return shape, is_long(value)
    except OverflowError:  # an integer beyond all floats
        return None


def _kind(value: Json, ordered: bool) -> Hashable:
    """What is seen of a value that one field is compared with; the value itself where more may be."""
    match value:
        case str() if ordered:
            return "date" if looks_like_date(value) else (str, value)
        case str():
            return "uuid" if nodes.is_uuid(value) else "text"
        case bool() | None:
            return (type(value), value)
        case int():
            return "int" if type(value) is int and abs(value) < _EXACT_FLOATS else None
        case float():
            return "float" if type(value) is float else None
    return None


def _compared(statement: nodes.Statement) -> tuple[list[nodes.Param], list[nodes.Param]]:
    """The parameters that a field is compared with, which is named once: as equal, and as bounds."""
    written = [one for one in nodes.walk(statement) if isinstance(one, nodes.Name)]
    if any(isinstance(one.text, nodes.Param) for one in written):
        return [], []  # IDENTIFIER(:name) may be any of them
    names = [_bare(one) for one in written]
    equal: list[nodes.Param] = []
    ordered: list[nodes.Param] = []
    for one in nodes.walk(statement):
        match one:
            case nodes.Compare(name=name, value=nodes.Scalar(value=nodes.Param() as param)):
                if names.count(_bare(name)) == 1 and _bare(name) != "id":
                    (equal if one.op in ("=", "!=") else ordered).append(param)
    return equal, ordered


def _bare(name: nodes.Name) -> str:
    return str(name.text).replace("[]", "")


def _is_whole(statement: nodes.Statement) -> bool:
    """Whether all tests of a field stand in the statement, by its own name: none in NESTED, and no stage that
    is defined elsewhere.
    """
    written: set[str] = set()
    for one in nodes.walk(statement):
        match one:
            case nodes.Nested():
                return False
            case nodes.Cte():
                written.add(stage_key(one.name))
    refs = (one.stage for one in nodes.walk(statement) if isinstance(one, nodes.Ref))
    return all(stage_key(stage) in written for stage in refs if isinstance(stage, nodes.Name))
