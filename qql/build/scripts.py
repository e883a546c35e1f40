"""Statements about statements, those of a session, and what exists already as a tree."""

from __future__ import annotations

from typing import overload

from qql import nodes
from qql.build import values
from qql.build.built import Filter, Statement
from qql.build.fallbacks import Fallback
from qql.build.points import statement
from qql.build.queries import Query, Reference
from qql.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.build.clauses import Name, Options
    from qql.build.conditions import Condition
    from qql.build.fields import Value, Words
    from qql.build.targets import Id

    Subject = Statement | nodes.Statement


__all__ = [
    "batch",
    "built",
    "copy_to",
    "define",
    "dump",
    "execute",
    "explain",
    "show_models",
    "show_stages",
    "undefine",
    "use",
    "why",
]


@overload
def built(given: nodes.Query) -> Query: ...
@overload
def built(given: nodes.Fallback) -> Fallback: ...
@overload
def built(given: nodes.Condition) -> Filter: ...
@overload
def built(given: nodes.Statement) -> Query | Statement: ...
def built(given: nodes.Statement | nodes.Condition) -> Query | Statement | Filter:
    """A tree that is there, of `qql.parse` or `qql.condition`, with what the builder's own have.

    >>> import qql
    >>> from qql.build import field
    >>> [tree] = qql.parse("QUERY 'emergency care' FROM docs USING dense LIMIT 5")
    >>> str(built(tree).where(field("tenant") == "acme"))
    "QUERY 'emergency care' FROM docs USING dense WHERE tenant = 'acme' LIMIT 5"
    """
    if isinstance(given, nodes.Query):
        refs = tuple(Reference(one.stage, one) for one in given.prefetch)
        return Query(replace(given, prefetch=()), refs)
    if isinstance(given, nodes.Condition):
        return Filter(given)
    if isinstance(given, nodes.Fallback):
        return Fallback(given)
    if type(given) not in nodes.STATEMENTS:
        values.wrong("built(…)", f"takes a statement or a condition, not {values.kind_of(given)}")
    return Statement(given)


def _subject(given: object, at: str) -> nodes.Statement:
    tree: nodes.Statement = nodes.tree_of(given)
    if type(tree) not in nodes.STATEMENTS:
        values.wrong(at, f"takes a statement, not {values.kind_of(given)}")
    return tree


def batch(*statements: Subject, wait: Value = None, params: Options | None = None) -> Statement:
    """``BATCH { …; … }``: statements of one kind in one request."""
    inside = tuple(_subject(one, f"batch(…)[{place}]") for place, one in enumerate(statements))
    return statement(nodes.Batch, {"statements": inside, "wait": wait, "params": params})


def explain(
    given: Subject,
    *,
    analyze: bool = False,
    runs: Value = None,
    ablate: bool = False,
    format: Name | None = None,
) -> Statement:
    """``EXPLAIN [ANALYZE [RUNS n] [ABLATE]] [FORMAT json] statement``, for a session to carry out."""
    parts = {"analyze": analyze, "runs": runs, "ablate": ablate, "format": format}
    return statement(nodes.Explain, {"statement": _subject(given, "explain(…)"), **parts})


def why(
    given: Subject,
    id: Id | None = None,
    *,
    where: Condition | None = None,
    limit: Value = None,
    negated: bool = False,
    format: Name | None = None,
) -> Statement:
    """``WHY [NOT] id query``: where a point stands in every stage; or the points of ``where``."""
    parts = {"id": id, "where": where, "limit": limit, "negated": negated, "format": format}
    return statement(nodes.Why, {"statement": _subject(given, "why(…)"), **parts})


def use(collection: Name) -> Statement:
    """``USE c``: the collection of statements that name none."""
    return statement(nodes.Use, locals())


def define(name: Name, stage: Query | nodes.Query) -> Statement:
    """``DEFINE name AS ( stage )``: a stage for the rest of the session or script."""
    return statement(nodes.Define, {"name": name, "stage": _subject(stage, "define(stage)")})


def undefine(name: Name) -> Statement:
    """``UNDEFINE name``."""
    return statement(nodes.Undefine, locals())


def show_models() -> Statement:
    """``SHOW MODELS``."""
    return statement(nodes.ShowModels, {})


def show_stages() -> Statement:
    """``SHOW STAGES``."""
    return statement(nodes.ShowStages, {})


def execute(path: Words) -> Statement:
    """``EXECUTE 'file.qql'``: the statements of a file."""
    return statement(nodes.Execute, locals())


def copy_to(given: Subject, path: Words, *, format: Name | None = None, overwrite: bool = False) -> Statement:
    """``COPY ( statement ) TO 'file'``: the hits or rows of a statement, in a file."""
    parts = {"path": path, "format": format, "overwrite": overwrite}
    return statement(nodes.CopyTo, {"statement": _subject(given, "copy_to(…)"), **parts})


def dump(collection: Name, path: Words, *, overwrite: bool = False) -> Statement:
    """``DUMP c TO 'file.qql'``: a script that makes the collection again."""
    return statement(nodes.Dump, locals())
