"""Why a formula failed: the engine says only that, so its fields are read from the points that it met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

from qql.compiler.dates import reads_as_date
from qql.errors import QQLError, QQLExecutionError, many, shown
from qql.records import NamedTuple, replace
from qql.rest.limits import DEFAULT_LIMIT, U32
from qql.rest.types import Body, Json

from .collection import Collection
from .filters import CONDITION_KEYS
from .queries import QueryReader
from .records import plain_id

__all__ = ["FORMULA_FAILED", "NamingFormulaFields"]

FORMULA_FAILED = "formula-failed"
_MOST_CANDIDATES = 10_000
"""Candidates that are looked at."""


class _Need(NamedTuple):
    """What a formula takes a field for: in words, whether a value serves, and a default as QQL has it."""

    what: str
    serves: Callable[[Json], bool]
    default: str


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_place(value: Json) -> bool:
    return isinstance(value, dict) and all(_is_number(value.get(key)) for key in ("lat", "lon"))


_NUMBER = _Need("a number", _is_number, "0")
_DATE = _Need("a date", lambda value: isinstance(value, str) and reads_as_date(value), "'2000-01-01'")
_PLACE = _Need("a place", _is_place, "{lat: 0, lon: 0}")


class NamingFormulaFields:
    """Has the failure of a formula in one of the requests name a field and a point, where there is one."""

    __slots__ = ("_bodies", "_collection", "_reader")

    def __init__(self, collection: Collection, reader: QueryReader, *bodies: Json) -> None:
        self._collection = collection
        self._reader = reader
        self._bodies = bodies

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, QQLExecutionError) and error.code == FORMULA_FAILED:
            raise _explained(error, self._collection, self._reader, self._bodies) from error


def _explained(
    error: QQLExecutionError, collection: Collection, reader: QueryReader, bodies: tuple[Json, ...]
) -> QQLError:
    """The error in better words; as it is where what it met cannot be read."""
    try:
        for stage, filters in _formula_stages(list(bodies)):
            fault = _fault_of(stage, filters, collection, reader)
            if fault is not None:
                message, hint = fault
                return QQLExecutionError(replace(error.diagnostic, message=message, hint=hint))
    except QQLError:
        return error
    return error


def _formula_stages(bodies: list[Json]) -> Iterator[tuple[Body, list[Json]]]:
    """The stages with formulas, the lowest first, each with the filters that hold for its candidates."""
    todo: list[tuple[Json, list[Json]]] = [(body, []) for body in bodies]
    found = []
    while todo:
        stage, above = todo.pop()
        if not isinstance(stage, Mapping):
            continue
        filters = [*above, stage["filter"]] if stage.get("filter") is not None else above
        query = stage.get("query")
        if isinstance(query, Mapping) and "formula" in query:
            found.append((stage, filters))
        inner = stage.get("prefetch") or []
        todo += [(one, filters) for one in ([inner] if isinstance(inner, Mapping) else inner)]
    yield from reversed(found)


def _fault_of(
    stage: Body, filters: list[Json], collection: Collection, reader: QueryReader
) -> tuple[str, str] | None:
    """Message and hint for the first candidate that has not what the formula needs."""
    from qql.rest.group_values import values_at

    query = stage["query"]
    needs = dict(_fields(query["formula"]))
    inner = stage.get("prefetch") or []
    limits = [one.get("limit", DEFAULT_LIMIT) for one in ([inner] if isinstance(inner, Mapping) else inner)]
    body = {
        "prefetch": inner,
        "query": {"fusion": "rrf"},
        "filter": {"must": filters},
        "limit": min(sum(limits), _MOST_CANDIDATES, U32),
        "with_payload": [*needs] or False,
    }
    request = reader.request(body)
    with collection.engine() as shard:
        candidates = shard.query(request)
    defaults = query.get("defaults") or {}
    for name, need in needs.items():
        bad = [
            (point.id, values)
            for point in candidates
            if not _serves(values := values_at(point.payload or {}, name), need, name in defaults)
        ]
        if bad:
            identity, values = bad[0]
            others = sum(not values for _, values in bad[1:])
            return _words(name, need, values, f"point {plain_id(identity)}", others)
    if len(candidates) < body["limit"] or sum(limits) <= _MOST_CANDIDATES:
        message = (
            f"the formula gives no number for some point of `{collection.name}`, though no field is missing"
        )
        return (
            message,
            "a / b [DEFAULT = 1] is for a division by 0, LN(x) [DEFAULT = 1] for what has no logarithm",
        )
    return None


def _serves(values: list[Json], need: _Need, has_default: bool) -> bool:
    """Whether the engine takes what a point holds: one value of the type; none where there is a default."""
    return has_default if not values else len(values) == 1 and need.serves(values[0])


def _words(name: str, need: _Need, values: list[Json], point: str, others: int) -> tuple[str, str]:
    lack = "lacks" if others == 1 else "lack"
    more = f" ({many(others, 'more candidate')} {lack} it, too)" if others else ""
    if not values:
        message = f"the formula takes {need.what} from `{name}`, and {point} has none{more}"
        return message, f"DEFAULTS ({name} = {need.default}) gives the points without it a value"
    held = shown(values[0]) if len(values) == 1 else f"a list of {many(len(values), 'value')}"
    message = f"the formula takes {need.what} from `{name}`, and that of {point} is {held}"
    return (
        message,
        f"a default does not help where `{name}` holds something else: leave such points out by WHERE",
    )


def _fields(expression: Json) -> Iterator[tuple[str, _Need]]:
    """The payload fields that a formula reads, each with what it takes it for."""
    todo = [expression]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            if not one.startswith("$score"):
                yield one, _NUMBER
        elif isinstance(one, list):
            todo += reversed(one)
        elif isinstance(one, Mapping) and one.keys().isdisjoint(CONDITION_KEYS):
            for key, operand in one.items():
                if key == "datetime_key":
                    yield operand, _DATE
                elif key == "geo_distance":
                    yield operand["to"], _PLACE
                elif key != "datetime":
                    todo += operand.values() if key in _NAMED else [operand]


_NAMED = frozenset({"div", "pow", "lin_decay", "exp_decay", "gauss_decay"})
"""Expressions whose operands have names."""
