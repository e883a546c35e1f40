"""A condition that is made apart, to be the value of a parameter: ``WHERE :filter``."""

from __future__ import annotations

from qql import nodes
from qql.compiler.bind import bind
from qql.compiler.given import settled
from qql.compiler.parameters import listing, parameters_of
from qql.errors import QQLCompileError, QQLSyntaxError, Source
from qql.late import cast
from qql.records import replace
from qql.syntax.parser import parse_condition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["condition"]


def condition(text: str, /, *values: Any, **named: Any) -> nodes.Condition:
    """A condition as a value, for ``WHERE :filter`` and wherever else a condition may stand.

    >>> recent = condition("year > :since AND NOT draft = true", since=2020)
    >>> from qql.compiler.compile import compile_text
    >>> compile_text("COUNT FROM docs WHERE :which", {"which": recent})[0].body["filter"]["must"]
    [{'key': 'year', 'range': {'gt': 2020}}]

    Its parameters get their values here, by name or in the order of the text, or as one mapping. What a user
    gives belongs in them and never in the text. The condition cannot be changed and may be used often. Raises
    `QQLSyntaxError` and `QQLPlanError`; a word without quotes, of which statements warn, is an error here.
    """
    source = Source(text, "<condition>")
    parsed = parse_condition(source)
    if parsed.warnings:
        raise QQLSyntaxError(replace(parsed.warnings[0], severity="error")).at(source)
    given = values[0] if len(values) == 1 and isinstance(values[0], dict) and not named else named or values
    try:
        bound = bind(cast("Any", parsed.statement), parsed.params, settled(given))
    except QQLCompileError as exc:
        found = parameters_of(parsed.params, [parsed.statement])
        raise listing(exc, found).at(source, parsed.span) from None
    return cast(nodes.Condition, bound)
