"""Statements of a session, statements about statements, and all of them together."""

from __future__ import annotations

from qql.nodes.collections import CollectionStatement, CreateAlias, DropAlias, RenameAlias
from qql.nodes.core import Name, Node, NodeType, Option, Scalar
from qql.nodes.declare import INNER, READS, REMOVES, STATEMENTS, WRITES, statement
from qql.nodes.filters import Condition
from qql.nodes.points import PointStatement
from qql.nodes.queries import Fallback, Query

__all__ = [
    "Batch",
    "CopyTo",
    "Define",
    "Dump",
    "Execute",
    "Explain",
    "ShowModels",
    "ShowStages",
    "Statement",
    "Undefine",
    "Use",
    "Why",
    "changes_aliases",
    "effect_of",
    "subject",
]


@statement("BATCH {statements}", "wait params", effect=INNER)
class Batch(Node, metaclass=NodeType):
    """``BATCH { statement; statement; } [WAIT b] [PARAMS (…)]``: statements of one kind in one request."""

    statements: tuple[Statement, ...]
    wait: Scalar | None = None
    params: tuple[Option, ...] = ()


@statement("EXECUTE {path}", effect=READS)
class Execute(Node, metaclass=NodeType):
    """``EXECUTE 'file.qql'``: the statements of a file."""

    path: Scalar


@statement("DUMP {collection} TO {path}", "overwrite", effect=READS)
class Dump(Node, metaclass=NodeType):
    """``DUMP c TO 'file.qql' [OVERWRITE]``: a script that makes the collection again, with its points."""

    collection: Name
    path: Scalar
    overwrite: bool = False


@statement("COPY {statement} TO {path}", "format overwrite", effect=READS)
class CopyTo(Node, metaclass=NodeType):
    """``COPY ( statement ) TO 'file' [FORMAT f] [OVERWRITE]``: the hits or rows of a statement, in a file."""

    statement: Statement
    path: Scalar
    format: Name | None = None
    overwrite: bool = False


@statement("USE {collection}", effect=READS)
class Use(Node, metaclass=NodeType):
    """``USE c``: the collection of statements that name none."""

    collection: Name


@statement("DEFINE {name} AS {stage}", effect=READS)
class Define(Node, metaclass=NodeType):
    """``DEFINE name AS ( stage )``: a stage for the rest of the session or script."""

    name: Name
    stage: Query


@statement("UNDEFINE {name}", effect=READS)
class Undefine(Node, metaclass=NodeType):
    """``UNDEFINE name``."""

    name: Name


@statement("SHOW STAGES", effect=READS)
class ShowStages(Node, metaclass=NodeType):
    """``SHOW STAGES``."""


@statement("SHOW MODELS", effect=READS)
class ShowModels(Node, metaclass=NodeType):
    """``SHOW MODELS``."""


@statement("EXPLAIN {statement}", "analyze runs ablate format", effect=INNER)
class Explain(Node, metaclass=NodeType):
    """``EXPLAIN [ANALYZE [RUNS n] [ABLATE]] [FORMAT text | json | html] statement``."""

    statement: Statement
    analyze: bool = False
    runs: Scalar | None = None
    ablate: bool = False
    format: Name | None = None


@statement("WHY {negated} {id} {statement}", "where limit format", effect=INNER)
class Why(Node, metaclass=NodeType):
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
    | Fallback
    | PointStatement
    | CollectionStatement
    | Batch
    | Execute
    | Dump
    | CopyTo
    | Use
    | Define
    | Undefine
    | ShowStages
    | ShowModels
    | Explain
    | Why
)


def subject(statement: Statement) -> Statement:
    """The statement that EXPLAIN or WHY speaks of, or COPY … TO writes; any other is itself."""
    while isinstance(statement, (Explain, Why, CopyTo)):
        statement = statement.statement
    return statement


def changes_aliases(statement: Statement) -> bool:
    """Whether a statement changes an alias; of a BATCH, whether one of its members does."""
    if isinstance(statement, Batch):
        return any(changes_aliases(one) for one in statement.statements)
    return isinstance(statement, (CreateAlias, DropAlias, RenameAlias))


def effect_of(statement: Statement) -> str:
    """What a statement does to the database: `READS`, `WRITES` or `REMOVES`; of a BATCH, the worst of it.

    EXPLAIN without ANALYZE sends nothing, whatever it explains.
    """
    if isinstance(statement, Explain) and not statement.analyze:
        return READS
    declared = STATEMENTS[type(statement)].effect or WRITES
    if declared != INNER:
        return declared
    inner = statement.statements if isinstance(statement, Batch) else (subject(statement),)
    return max((effect_of(one) for one in inner), key=(READS, WRITES, REMOVES).index)
