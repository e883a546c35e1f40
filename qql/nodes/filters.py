"""The conditions of filters, and the operators of MATCH."""

from __future__ import annotations

from qql.nodes.core import Name, Node, NodeType, Option, Param, Scalar
from qql.nodes.declare import EVERYWHERE, Support
from qql.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "MATCH_OPERATORS",
    "MATCH_WORDS",
    "And",
    "Between",
    "BoundCondition",
    "Compare",
    "Condition",
    "Geo",
    "HasVector",
    "In",
    "IsEmpty",
    "IsNull",
    "Match",
    "MatchOperator",
    "MinShould",
    "Nested",
    "Not",
    "Optional",
    "Or",
    "Range",
    "Slice",
    "ValuesCount",
]


class Compare(Node, metaclass=NodeType):
    """``field = value``; the operators are ``= != < <= > >=``."""

    name: Name
    op: str
    value: Scalar


class Between(Node, metaclass=NodeType):
    """``field BETWEEN low AND high``, both ends included."""

    name: Name
    low: Scalar
    high: Scalar


class In(Node, metaclass=NodeType):
    """``field IN ('a', 'b')``, ``field IN :tags``."""

    name: Name
    values: tuple[Scalar, ...] | Param


class IsNull(Node, metaclass=NodeType):
    """``field IS NULL``."""

    name: Name


class IsEmpty(Node, metaclass=NodeType):
    """``field IS EMPTY``: missing, null or an empty list."""

    name: Name


class MatchOperator(NamedTuple):
    """An operator of MATCH.

    ``word`` is its keyword behind MATCH ("" for MATCH alone) and ``kind`` Qdrant's key of it. It takes words
    (one text), or with ``values`` a list of values. ``says`` is which of its words it looks for. ``index``
    are the types of payload index that answer it; with ``values``, that hangs on the values. ``example`` is
    tried on the engines. ``spellings`` are other keywords for it.
    """

    word: str
    kind: str
    says: str
    example: str
    indexes: tuple[str, ...] = ("text",)
    values: bool = False
    spellings: tuple[str, ...] = ()
    support: Support = EVERYWHERE

    @property
    def words(self) -> str:
        """``MATCH PHRASE``."""
        return f"MATCH {self.word}".rstrip()


_OPERATORS = (
    MatchOperator("", "text", "all of them", "quick fox", spellings=("TEXT",)),
    MatchOperator("PHRASE", "phrase", "in a row", "quick brown", support=Support("1.15")),
    MatchOperator(
        "TOKENS", "text_any", "one of them", "quick slow", spellings=("ANY",), support=Support("1.16")
    ),
    MatchOperator(
        "PREFIX", "prefix", "the beginning of a keyword", "re", ("keyword",), support=Support("1.19")
    ),
    MatchOperator("SUBSTRING", "substring", "a part of it", "ed", ("keyword",), support=Support("1.20")),
    MatchOperator("ANY", "any", "one of the values", "('a', 'b')", (), values=True),
    MatchOperator("EXCEPT", "except", "none of the values", "('a', 'b')", (), values=True),
)
MATCH_OPERATORS = {known.kind: known for known in _OPERATORS}
"""By Qdrant's key."""
MATCH_WORDS = {
    word: known.kind for known in _OPERATORS if not known.values for word in (known.word, *known.spellings)
}
"""The operators that take words, by their keywords."""


class Match(Node, metaclass=NodeType):
    """``field MATCH [PHRASE|PREFIX|SUBSTRING|TOKENS] 'words'``, ``field MATCH ANY|EXCEPT ('a', 'b')``.

    ``kind`` is a key of `MATCH_OPERATORS`.
    """

    name: Name
    kind: str
    value: Scalar | tuple[Scalar, ...] | Param


class And(Node, metaclass=NodeType):
    """``a AND b AND …``."""

    children: tuple[Condition, ...]


class Or(Node, metaclass=NodeType):
    """``a OR b OR …``."""

    children: tuple[Condition, ...]


class Not(Node, metaclass=NodeType):
    """``NOT a``, and the NOT of NOT IN, NOT BETWEEN, IS NOT NULL, IS NOT EMPTY and NOT MATCH."""

    child: Condition


class Range(Node, metaclass=NodeType):
    """``field RANGE (gt = 1, lte = 5)``: both bounds in one condition, which one element has to satisfy."""

    name: Name
    bounds: tuple[Option, ...]


class ValuesCount(Node, metaclass=NodeType):
    """``field VALUES_COUNT > 2``, ``VALUES_COUNT (gt = 1, lt = 5)``: by how many values a field holds."""

    name: Name
    bounds: tuple[Option, ...]


class Geo(Node, metaclass=NodeType):
    """``field GEO_RADIUS {center: {lat: …, lon: …}, radius: 1000}``, ``GEO_BBOX {…}``, ``GEO_POLYGON {…}``.

    ``shape`` is bbox, radius or polygon.
    """

    name: Name
    shape: str
    value: Any


class Nested(Node, metaclass=NodeType):
    """``NESTED('path', a = 1 AND b = 2)``: one element of the array at the path satisfies all of it."""

    name: Name
    condition: Condition


class MinShould(Node, metaclass=NodeType):
    """``MIN SHOULD 2 (a = 1, b = 2, c = 3)``: at least so many of them hold."""

    count: Scalar
    conditions: tuple[Condition, ...]


class Slice(Node, metaclass=NodeType):
    """``SLICE(4, 0)``: the first of four disjoint parts of all points."""

    total: Scalar
    index: Scalar


class HasVector(Node, metaclass=NodeType):
    """``HAS_VECTOR dense``: the point has a vector of that name."""

    name: Name


class Optional(Node, metaclass=NodeType):
    """``OPTIONAL (year >= :y)``: as if it were not written where its parameters are null."""

    condition: Condition


class BoundCondition(Node, metaclass=NodeType):
    """``:filter`` in the place of a condition, which the value is."""

    value: Param


Condition = (
    Compare
    | Between
    | In
    | IsNull
    | IsEmpty
    | Match
    | Range
    | ValuesCount
    | Geo
    | Nested
    | MinShould
    | Slice
    | HasVector
    | Optional
    | BoundCondition
    | And
    | Or
    | Not
)
