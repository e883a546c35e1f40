"""Statements of a session, statements about statements, and all of them together."""

from __future__ import annotations

from qql.nodes.collections import CollectionStatement, CreateAlias, DropAlias, RenameAlias
from qql.nodes.core import Name, Node, Option, Scalar, node
from qql.nodes.declare import statement
from qql.nodes.filters import Condition
from qql.nodes.points import PointStatement
from qql.nodes.queries import Query

__all__ = [
    "Batch",
    "Define",
    "Dump",
    "Execute",
    "Explain",
    "ShowStages",
    "Statement",
    "Undefine",
    "Use",
    "Why",
    "changes_aliases",
    "subject",
]


@statement("BATCH {statements}", "wait params")
@node
class Batch(Node):
    """``BATCH { statement; statement; } [WAIT b] [PARAMS (…)]``: statements of one kind in one request."""

    statements: tuple[Statement, ...]
    wait: Scalar | None = None
    params: tuple[Option, ...] = ()


@statement("EXECUTE {path}")
@node
class Execute(Node):
    """``EXECUTE 'file.qql'``: the statements of a file."""

    path: Scalar


@statement("DUMP {collection} TO {path}", "overwrite")
@node
class Dump(Node):
    """``DUMP c TO 'file.qql' [OVERWRITE]``: a script that makes the collection again, with its points."""

    collection: Name
    path: Scalar
    overwrite: bool = False


@statement("USE {collection}")
@node
class Use(Node):
    """``USE c``: the collection of statements that name none."""

    collection: Name


@statement("DEFINE {name} AS {stage}")
@node
class Define(Node):
    """``DEFINE name AS ( stage )``: a stage for the rest of the session or script."""

    name: Name
    stage: Query


@statement("UNDEFINE {name}")
@node
class Undefine(Node):
    """``UNDEFINE name``."""

    name: Name


@statement("SHOW STAGES")
@node
class ShowStages(Node):
    """``SHOW STAGES``."""


@statement("EXPLAIN {statement}", "analyze runs ablate format")
@node
class Explain(Node):
    """``EXPLAIN [ANALYZE [RUNS n] [ABLATE]] [FORMAT json] statement``."""

    statement: Statement
    analyze: bool = False
    runs: Scalar | None = None
    ablate: bool = False
    format: Name | None = None


@statement("WHY {negated} {id} {statement}", "where limit format")
@node
class Why(Node):
    """``WHY [NOT] id [FORMAT json] query``: where a point stands in every stage of a query.

    ``WHY [NOT] WHERE f [LIMIT n] …`` is about the points that satisfy a filter; then ``id`` is None.
    """

    statement: Statement
    id: Scalar | None = None
    where: Condition | None = None
    limit: Scalar | None = None
    negated: bool = False
    format: Name | None = None


Statement = (
    Query
    | PointStatement
    | CollectionStatement
    | Batch
    | Execute
    | Dump
    | Use
    | Define
    | Undefine
    | ShowStages
    | Explain
    | Why
)


def subject(statement: Statement) -> Statement:
    """The statement that EXPLAIN or WHY speaks of; the statement itself where it is neither."""
    while isinstance(statement, (Explain, Why)):
        statement = statement.statement
    return statement


def changes_aliases(statement: Statement) -> bool:
    """Whether a statement changes an alias; of a BATCH, whether one of its members does."""
    if isinstance(statement, Batch):
        return any(changes_aliases(one) for one in statement.statements)
    return isinstance(statement, (CreateAlias, DropAlias, RenameAlias))
