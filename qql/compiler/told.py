"""The options of EXPLAIN and WHY, and what they can tell of."""

from __future__ import annotations

from qql import nodes
from qql.compiler.emit_filters import emit_filter
from qql.compiler.scalars import count_limit, point_id
from qql.errors import Diagnostic, QQLPlanError, did_you_mean, fail

__all__ = ["check_told"]

_TOLD_FORMATS = {"EXPLAIN": ("text", "json", "html"), "WHY": ("text", "json")}


def check_told(statement: nodes.Explain | nodes.Why) -> None:
    """Checks the options of EXPLAIN and WHY. Raises `QQLPlanError`."""
    if isinstance(statement, nodes.Explain):
        _check_explain(statement)
    else:
        _check_points_of(statement)
        if not isinstance(statement.statement, nodes.Query):
            hint = "write WHY id QUERY …, WHY NOT id QUERY …, or WHY NOT WHERE condition QUERY …"
            if isinstance(statement.statement, nodes.Fallback):
                hint = "it follows one query: write the one whose answer you ask about, without ELSE"
            message = "WHY follows a point through a query"
            raise QQLPlanError(Diagnostic("why-query", message, statement.statement.span, hint))
        inner = statement.statement
        if isinstance(inner, nodes.Query) and inner.group is not None and inner.group.fuse_first:
            hint = "leave GROUP BY out: WHY then says where the point stands among the hits that are grouped"
            fail("why-query", "WHY does not follow a point into groups of FUSE FIRST", inner.group.span, hint)
    word = type(statement).__name__.upper()
    formats = _TOLD_FORMATS[word]
    if statement.format is not None and str(statement.format.text).lower() not in formats:
        name = str(statement.format.text)
        hint = did_you_mean(name, formats) or f"the formats are {', '.join(formats[:-1])} and {formats[-1]}"
        message = f"{word} has no format `{name}`"
        raise QQLPlanError(Diagnostic("bad-option", message, statement.format.span, hint))


def _check_points_of(statement: nodes.Why) -> None:
    """Checks which points WHY is about."""
    count_limit(statement.limit, "LIMIT", 1)
    if statement.id is not None:
        point_id(statement.id)
        if statement.limit is not None:
            hint = "LIMIT behind QUERY is that of the query"
            fail("idle-clause", "LIMIT has no meaning behind the id of one point", statement.limit.span, hint)
    else:
        emit_filter(statement.where)


def _check_explain(statement: nodes.Explain) -> None:
    for name in ("runs", "ablate"):
        value = getattr(statement, name)
        if value and not statement.analyze:
            span = value.span if isinstance(value, nodes.Node) else statement.span
            message = f"{name.upper()} has no meaning without ANALYZE"
            raise QQLPlanError(Diagnostic("idle-clause", message, span, "write EXPLAIN ANALYZE …"))
    count_limit(statement.runs, "RUNS", 1)
    inner = statement.statement
    if not statement.analyze:
        return
    if isinstance(inner, nodes.Fallback):
        return
    if not isinstance(inner, nodes.Query) or isinstance(inner.target, nodes.Points):
        hint = "EXPLAIN without ANALYZE shows any statement, and sends nothing"
        message = "EXPLAIN ANALYZE carries a search out: it takes queries only"
        raise QQLPlanError(Diagnostic("analyze-query", message, inner.span, hint))
