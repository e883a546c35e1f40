"""Queries, their stages and their clauses."""

from __future__ import annotations

from collections.abc import Mapping

from qql.nodes.core import Name, Node, NodeType, Option, Param, Scalar
from qql.nodes.declare import READS, statement
from qql.nodes.filters import Condition
from qql.nodes.targets import Formula, Target

__all__ = [
    "FUSIONS",
    "Cte",
    "ElseBranch",
    "Fallback",
    "Fusion",
    "Group",
    "GroupLookup",
    "Lookup",
    "Provenance",
    "Query",
    "Ref",
    "Rerank",
    "Selection",
    "Shard",
    "Using",
]


FUSIONS: Mapping[str, str] = {
    "rrf": "by ranks",
    "dbsf": "by scores",
    "linear": "by a weighed sum of scores",
}
"""The methods of FUSION, each with what it goes by."""


class Fusion(Node, metaclass=NodeType):
    """``FUSION RRF``, ``FUSION DBSF``, ``FUSION LINEAR``."""

    method: str


class Using(Node, metaclass=NodeType):
    """``USING dense [AS DENSE|SPARSE|MULTI]``."""

    name: Name
    kind: str | None = None


class Selection(Node, metaclass=NodeType):
    """``true``, ``false``, ``INCLUDE (a, b)``, ``EXCLUDE (a)`` after WITH PAYLOAD or WITH VECTOR.

    ``mode`` is all, none, include, exclude, or the parameter whose value says which.
    """

    mode: str | Param
    names: tuple[Name, ...] = ()


class Lookup(Node, metaclass=NodeType):
    """``LOOKUP FROM other [VECTOR v] [SHARD key]``."""

    collection: Name
    vector: Name | None = None
    shard: Shard | None = None


class GroupLookup(Node, metaclass=NodeType):
    """``LOOKUP FROM c [WITH PAYLOAD …] [WITH VECTOR …]`` behind GROUP BY: a point for each group."""

    collection: Name
    payload: Selection | None = None
    vectors: Selection | None = None


class Group(Node, metaclass=NodeType):
    """``GROUP BY field [SIZE n] [FUSE FIRST] [LOOKUP FROM c …]``.

    ``fuse_first``: the hits that the query has without GROUP BY are put into groups, by the session.
    """

    name: Name
    size: Scalar | None = None
    lookup: GroupLookup | None = None
    fuse_first: bool = False


class Shard(Node, metaclass=NodeType):
    """``SHARD 'key'``, ``SHARD ('a', 'b')``, ``SHARD 'key' FALLBACK 'other'``."""

    keys: tuple[Scalar, ...]
    fallback: Scalar | None = None


class Rerank(Node, metaclass=NodeType):
    """``RERANK 'query' MODEL 'm' [ON field] [TOP n]``, ``QUERY CROSS RERANK …``: a cross-encoder's order."""

    text: Scalar | None = None
    model: Scalar | None = None
    name: Name | None = None
    top: Scalar | None = None


class Ref(Node, metaclass=NodeType):
    """``name [WHERE f] [SCORE THRESHOLD x] [LOOKUP FROM c]`` or an inline stage in PREFETCH."""

    stage: Name | Query
    where: Condition | None = None
    threshold: Scalar | None = None
    lookup: Lookup | None = None


class Cte(Node, metaclass=NodeType):
    """``name AS ( stage )`` after WITH."""

    name: Name
    stage: Query


class Provenance(Node, metaclass=NodeType):
    """``WITH PROVENANCE``."""


@statement("QUERY", effect=READS)
class Query(Node, metaclass=NodeType):
    """``[WITH …] QUERY target FROM c USING v WHERE f PREFETCH (…) FUSION RRF … LIMIT n``; also a stage."""

    ctes: tuple[Cte, ...] = ()
    target: Target | None = None
    source: Name | None = None
    using: Using | None = None
    where: Condition | None = None
    prefetch: tuple[Ref, ...] = ()
    fusion: Fusion | None = None
    formula: Formula | None = None
    rerank: Rerank | None = None
    threshold: Scalar | None = None
    params: tuple[Option, ...] = ()
    group: Group | None = None
    payload: Selection | None = None
    vectors: Selection | None = None
    provenance: Provenance | None = None
    lookup: Lookup | None = None
    shard: Shard | None = None
    limit: Scalar | None = None
    offset: Scalar | None = None
    ignore_missing: bool = False


class ElseBranch(Node, metaclass=NodeType):
    """``ELSE [WHEN HITS < n OR BEST SCORE < s] QUERY …``: what is asked where the query before it is weak.

    It is weak where it brings fewer than ``hits`` hits (or none), or where the score of its first hit is
    worse than ``score``: below it, or with ``distance`` (``BEST SCORE > s``) above it.
    """

    query: Query
    hits: Scalar | None = None
    score: Scalar | None = None
    distance: bool = False


@statement("QUERY ELSE {first} {others}", effect=READS)
class Fallback(Node, metaclass=NodeType):
    """``QUERY … ELSE [WHEN …] QUERY …``: queries of which the first that is not weak answers, else the last.

    The stages of the first one's WITH are there for all of them.
    """

    first: Query
    others: tuple[ElseBranch, ...]
