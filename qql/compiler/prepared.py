"""Prepared statements: a text that is read once, and bound to values as often as one likes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qql.compiler.ahead import Ahead
from qql.compiler.bind import Params
from qql.compiler.context import CompileOptions, prepare
from qql.compiler.parameters import Parameter, listing, parameters_of
from qql.compiler.plan import Context
from qql.compiler.script import Compiled, compile_script, no_requests, requests_of
from qql.errors import Diagnostic, QQLCompileError, QQLPlanError, Source, Span
from qql.rest.linear_fusion import awaits_lists
from qql.rest.request import Request
from qql.syntax.parser import Parsed, parse_script, raise_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Unpack

    from qql.syntax.parser import TextOrTree

__all__ = ["Compile", "Prepared", "prepare_text"]

Compile = Callable[[Source, Params, Sequence[Parsed]], list[Compiled]]
"""Makes the statements of a text, which was parsed already, ready for values. Raises `QQLCompileError`."""


def prepare_text(text: TextOrTree, **options: Unpack[CompileOptions]) -> Prepared:
    """A statement or a script, read once, to be bound to values many times.

    >>> statement = prepare_text("QUERY :v FROM docs USING dense LIMIT :k")
    >>> [str(parameter) for parameter in statement.parameters]
    [':v (a text, a vector or the id of a point)', ':k (a whole number)']
    >>> statement.bind(v=[0.1, 0.2], k=5).body
    {'query': {'nearest': [0.1, 0.2]}, 'using': 'dense', 'limit': 5, 'with_payload': True}

    The options are those of `compile`; ``stages`` and ``schema`` are read now, but for a ``schema`` that is a
    function, which is asked at each binding. Raises `QQLSyntaxError`, or `QQLScriptError`; what is wrong with
    a text without parameters is found now too, and raised as by `compile`.
    """
    source, context = prepare(text, options)

    def compiled(source: Source, params: Params, parsed: Sequence[Parsed]) -> list[Compiled]:
        return compile_script(source, params, context, parsed=parsed)

    # A function may know something else of the collections at each binding.
    found = Prepared(source, compiled, None if callable(options.get("schema")) else context)
    if not found.parameters:
        found.requests()
    return found


class Prepared:
    """A text with places for values. It cannot be changed, and several threads may bind it at once.

    Values are given by name (``bind(q="…", k=10)``, or as one mapping), and in the order of the text where it
    has ``?`` (``bind("…", 10)``). Each binding checks all of it, raises as `compile` does with these values,
    and gives requests of its own: whoever changes one, or what was bound, changes no other.
    """

    def __init__(self, source: Source, compile: Compile, context: Context | None = None) -> None:
        """With a ``context`` that stays as it is, the text is planned ahead."""
        self._source = source
        self._compile = compile
        parsed, errors = parse_script(source)
        raise_all(errors)
        self._parsed = tuple(parsed)
        self._ahead = Ahead(source, self._parsed, context) if context else None
        written = [param for one in parsed for param in one.params]
        self._parameters = parameters_of(written, [one.statement for one in parsed])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.text!r}>"

    @property
    def text(self) -> str:
        """The text as it was given."""
        return self._source.text

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, each once, in the order of the text, with what their places take."""
        return self._parameters

    def bind(self, /, *values: Any, **named: Any) -> Request:
        """The request of these values.

        Raises as `compile` does, and `QQLPlanError` (``one-request``) where the text makes none or several.
        """
        if self._ahead is not None and not values:
            found = self._ahead.requests(named)
            if found is not None and len(found) == 1:
                return self._whole(found, self._given(values, named))[0]
        return self._only_request(self._requests(self._given(values, named)))

    def requests(self, /, *values: Any, **named: Any) -> list[Request]:
        """The requests of these values, in order: of a script, and of a statement that makes several or none.

        Raises as `compile` does.
        """
        return self._requests(self._given(values, named))

    def check(self, /, *values: Any, **named: Any) -> list[Diagnostic]:
        """What is wrong with these values, or worth saying: errors and warnings. Nothing is raised for it."""
        try:
            found = self._complete(self._given(values, named))
        except QQLCompileError as exc:
            return list(exc.diagnostics)
        return [warning for one in found for warning in one.warnings] + no_requests(found)

    # -- in steps

    def _given(self, values: tuple[Any, ...], named: Mapping[str, Any]) -> Params:
        """What a caller has given, as one mapping or one sequence."""
        numbered = bool(self._parameters) and isinstance(self._parameters[0].name, int)
        if named and not values:
            return named
        if numbered and not named:
            return values
        if not values:
            return None
        if len(values) == 1 and isinstance(values[0], Mapping) and not named:
            return values[0]
        if numbered or named:
            message = "values are given by their names, or in the order of the text: never both"
        else:
            message = "this text takes its values by name"
        error = QQLPlanError(Diagnostic("wrong-parameters", message, source=self._source))
        raise listing(error, self._parameters)

    def _requests(self, given: Params) -> list[Request]:
        """The requests of values: planned ahead where that can be done."""
        found = self._ahead.requests(given) if self._ahead else None
        if found is None and given is not None:
            from qql.compiler.given import settled

            if (own := settled(given)) is not given:  # what was an array is a list, which may fit
                given, found = own, self._ahead.requests(own) if self._ahead else None
        requests = requests_of(self._complete(given)) if found is None else found
        return self._whole(requests, given)

    def _whole(self, requests: list[Request], given: Params) -> list[Request]:
        """The requests, where none of them waits for the answer to another one."""
        if any(awaits_lists(one.body) for one in requests):
            from qql.compiler.one_request import refuse

            refuse(self._complete(given))
        return requests

    def _complete(self, given: Params) -> list[Compiled]:
        """The statements bound to values, the whole way: all is checked, and all errors are raised, here."""
        try:
            found = self._compile(self._source, given, self._parsed)
        except QQLCompileError as exc:
            raise listing(exc, self._parameters) from None
        for one in found:
            one.own_requests()
        return found

    def _only_request(self, found: list[Request]) -> Request:
        if len(found) == 1:
            return found[0]
        made = f"{len(found)} requests" if found else "no request"
        message = f"bind gives one request, and this text makes {made}"
        hint = "requests(…) gives all of them; a session carries out what makes none"
        raise QQLPlanError(Diagnostic("one-request", message, Span(0, 0), hint, source=self._source))
