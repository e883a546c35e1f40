"""Values for parameters that nobody gave, so that a pipeline can be checked without them.

What is found for one value may be due to that value. So a script is checked with several, and what counts is
what is found with all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from qql import nodes
from qql.compiler.bind import Params
from qql.compiler.model_names import known_size
from qql.compiler.plan import Context
from qql.compiler.scalars import scalar_value
from qql.errors import Diagnostic
from qql.rest.limits import MAX_VECTOR_SIZE
from qql.rest.types import Json

__all__ = ["ParameterValues", "unbound_params", "vector_sizes"]

Values = dict[str | int, Json]
ErrorsOf = Callable[[Params], Sequence[Diagnostic]]
"""Compiles with values for all parameters, and gives the errors."""

_ROUNDS = 12
_WORK = 50_000
"""Values that are put in, of all parameters together: with many of them, a script is compiled less often."""
_LEAST_TRIES = 30
_OF_THE_GIVEN = ("unknown-parameter", "wrong-parameters")
"""Errors about the values that were given, wherever they are reported."""
_VALUES: tuple[Json, ...] = (
    *(1, "word", [1.0], {"id": 1}, [{"id": 1}], [{"id": 1, "vector": [1.0]}], ["word"], [1]),
    *(True, 0.5, "2024-01-01"),
    {"indices": [1], "values": [1.0]},
    *(7, 40, 300, 2500, 20_000, -0.5, 30.5),
    *("asc", "desc", {"must": [{"has_id": [1]}]}, {"must": [{"key": "word", "match": {"value": "a"}}]}),
)
"""Something for every place where a parameter may stand; of numbers, small and large ones."""


def unbound_params(wanted: Iterable[Sequence[nodes.Param]], params: Params) -> tuple[nodes.Param, ...]:
    """The parameters without a value; ``:place.lat`` has one where ``:place`` has."""
    known: set[str | int] = set(params) if isinstance(params, Mapping) else set(range(len(params or ())))
    return tuple(
        one
        for of_statement in wanted
        for one in of_statement
        if one.key not in known and str(one.key).partition(".")[0] not in known
    )


class ParameterValues:
    """The values that fit each open parameter, found by trying.

    ``sizes`` are the dimensions of the vectors that a parameter may stand for. ``base`` has a value for
    each parameter; where none fits, it is left without one. ``given_up`` says that values for so many
    parameters could not be found in reasonable time.
    """

    def __init__(
        self, unbound: Sequence[nodes.Param], given: Params, sizes: Iterable[int], errors_of: ErrorsOf
    ) -> None:
        self.unbound = unbound
        self.given = given
        self.errors_of = errors_of
        self.tries: int = max(_LEAST_TRIES, _WORK // len(unbound))
        self.given_up: bool = False
        vectors = [vector for size in sizes for vector in ([0.5] * size, [[0.5] * size])]
        # Null where nothing else fits: the first page, behind AFTER.
        self.pool: list[Json] = [*_VALUES, *vectors, None]
        self.first: Values = self._find_first()
        self.base: Params = self._with_given(self.first)
        self.fitting: dict[str | int, list[Json]] = {key: [value] for key, value in self.first.items()}

    def others(self) -> list[Params]:
        """More values for all parameters, several times over, drawn of those that fit."""
        for value in self.pool[:-1]:
            self._add_fitting(value)
        found: list[Params] = []
        from random import Random

        chance = Random(0)  # the same every time
        for _ in range(3 * _ROUNDS):
            if len(found) == _ROUNDS:
                break
            drawn = self._with_given({key: chance.choice(values) for key, values in self.fitting.items()})
            if not self.errors_of(drawn):  # values that do not fit one another are passed over
                found.append(drawn)
        return found

    def _with_given(self, values: Values) -> Params:
        """The values, and those that were given."""
        if isinstance(self.unbound[0].key, str):
            named: dict[str, Json] = dict(self.given) if isinstance(self.given, Mapping) else {}
            return named | {str(key): value for key, value in values.items()}
        listed = () if isinstance(self.given, Mapping) else self.given or ()
        every = dict(enumerate(listed)) | values
        found: list[Json] = []  # for `?`, in the order of the text
        while len(found) in every:
            found.append(every[len(found)])
        return found

    def _blamed(self, error: Diagnostic) -> list[str | int]:
        """The parameters in whose place something is wrong, in the order of the text."""
        if error.span is None or error.code in _OF_THE_GIVEN:
            return []
        places = [error.span, *(span for span, _ in error.related)]
        inside = [
            one
            for one in self.unbound
            if any(span.start <= one.span.start and one.span.end <= span.end for span in places)
        ]
        return [one.key for one in sorted(inside, key=lambda one: one.span.start)]

    def _find_first(self) -> Values:
        """The first value that fits each parameter, one parameter at a time."""
        at = {one.key: 0 for one in self.unbound}
        spent: set[str | int] = set()
        while True:
            self.tries -= 1
            self.given_up = self.tries < 0
            errors = self.errors_of(self._with_given({key: self.pool[number] for key, number in at.items()}))
            suspects = [[key for key in self._blamed(error) if key not in spent] for error in errors]
            if self.given_up or not any(suspects):
                break
            for key in {keys[0] for keys in suspects if keys}:
                at[key] = (at[key] + 1) % len(self.pool)
                if at[key] == 0:
                    spent.add(key)
        alone = {one.key for one in self.unbound for error in errors if error.span == one.span}
        # Where nothing fits and the fault is not the parameter's alone, the statement is at fault.
        return {key: self.pool[number] for key, number in at.items() if key not in spent & alone}

    def _add_fitting(self, value: Json) -> None:
        """Adds a value to those of the parameters that it fits."""
        tried = dict.fromkeys(self.first, value)
        while True:
            self.tries -= 1
            if self.tries < 0:
                return
            errors = self.errors_of(self._with_given(tried))
            blamed = {key for error in errors for key in self._blamed(error) if key in tried}
            blamed = {key for key in blamed if tried[key] is not self.first[key]}
            if not blamed:
                break
            tried |= {key: self.first[key] for key in blamed}
        for key, kept in tried.items():
            if kept is not self.first[key]:
                self.fitting[key].append(kept)


def vector_sizes(statements: Iterable[nodes.Statement], context: Context) -> list[int]:
    """The dimensions of the vectors that a script makes, and of those of the collections that it names."""
    found: set[int | None] = set()
    names = {context.collection}
    for statement in statements:
        inner = nodes.subject(statement)
        name = getattr(inner, "source", None) or getattr(inner, "collection", None)
        if isinstance(name, nodes.Name) and isinstance(name.text, str):
            names.add(name.text)
        for vector in nodes.walk(inner):
            if isinstance(vector, nodes.VectorDef):
                found.add(_defined_size(vector))
    schemas = [context.schema(name) for name in sorted(filter(None, names))]
    found |= {vector.size for schema in schemas if schema for vector in schema.vectors.values()}
    return sorted(size for size in found if size is not None and 0 < size <= MAX_VECTOR_SIZE)


def _defined_size(vector: nodes.VectorDef) -> int | None:
    if vector.size is not None:
        value = scalar_value(vector.size)
        return value if isinstance(value, int) else None
    model = scalar_value(vector.model) if vector.model is not None else None
    return known_size(model) if isinstance(model, str) else None
