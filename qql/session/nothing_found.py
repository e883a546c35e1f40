"""Answers that hold nothing: what is said of them behind the answer, by what fields the collection has."""

from __future__ import annotations

from qql import nodes
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, many
from qql.result import Result

__all__ = ["found_nothing", "payload_absent"]


def found_nothing(compiled: Compiled, result: Result) -> bool:
    """Whether no point was found where one was looked for: no hit, a count of 0, no value, no match.

    A page behind the last one is no answer without hits. Nor is one of which nothing was asked for.
    """
    match compiled.statement:
        case nodes.Query():
            offset = compiled.plan.offset if compiled.plan is not None else None
            return not offset and not result.hits
        case nodes.Scroll(after=None) | nodes.Facet():
            return not len(result)
        case nodes.Count():
            return all(row.get("count") == 0 for row in result.rows)
        case nodes.Batch(statements=(nodes.Query(), *_)):
            return any(not one.get("points") for one in result.data or ())
    return result.matched == 0


def payload_absent(compiled: Compiled, result: Result) -> Diagnostic | None:
    """A warning where WITH PAYLOAD names fields, and no hit has any of them."""
    statement = compiled.statement
    if not isinstance(statement, (nodes.Query, nodes.Scroll)):
        return None
    asked = statement.payload
    if asked is None or asked.mode != "include" or not asked.names or not result.hits:
        return None
    if any(hit.payload for hit in result.hits):
        return None
    names = ", ".join(f"`{name.text}`" for name in asked.names)
    which = (
        f"none of the {many(len(result.hits), 'hit')} has" if len(result.hits) > 1 else "the only hit has not"
    )
    one = "the field" if len(asked.names) == 1 else "any of the fields"
    hint = "WITH PAYLOAD true shows what there is"
    found = Diagnostic(
        "payload-field-absent", f"{which} {one} {names}", asked.names[0].span, hint, (), "warning"
    )
    return found.at(compiled.source, compiled.span)
