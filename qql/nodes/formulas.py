"""The expressions of formulas, and the functions that they call."""

from __future__ import annotations

from qql.nodes.core import Name, Node, NodeType, Scalar
from qql.nodes.declare import Support
from qql.nodes.filters import Condition
from qql.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "DECAYS",
    "FUNCTIONS",
    "FUNCTION_OF",
    "SPELLINGS",
    "Call",
    "Case",
    "Datetime",
    "DatetimeKey",
    "Decay",
    "Divide",
    "Expression",
    "Function",
    "GeoDistance",
    "Truth",
    "When",
]


_FORMULAS = Support("1.14")


class Function(NamedTuple):
    """A function of formulas.

    ``word`` is its name here, ``name`` Qdrant's key of the expression, ``says`` what it gives, ``example`` a
    use of it. It takes at least ``least`` arguments and at most ``most`` (None: any number). ``keys`` are the
    keys of the arguments where Qdrant wants an object. ``guard`` is the least argument that the function is
    given with ``[DEFAULT = …]``: where it is still defined. ``spellings`` are other names for it.
    """

    word: str
    name: str
    says: str
    example: str
    least: int = 1
    most: int | None = 1
    keys: tuple[str, ...] = ()
    guard: float | None = None
    spellings: tuple[str, ...] = ()
    support: Support = _FORMULAS

    @property
    def many(self) -> bool:
        """Whether Qdrant wants a list of arguments."""
        return self.most is None


_FUNCTIONS = (
    Function("ABS", "abs", "The value without its sign.", "ABS(price - 9)"),
    Function("SQRT", "sqrt", "The square root.", "SQRT(price)", guard=0.0),
    Function(
        "POW",
        "pow",
        "The first value to the power of the second.",
        "POW(price, 2)",
        2,
        2,
        keys=("base", "exponent"),
        spellings=("POWER",),
    ),
    Function("EXP", "exp", "e to the power of the value.", "EXP($score)"),
    Function("LOG", "log10", "The logarithm to base 10.", "LOG(price)", guard=1e-9, spellings=("LOG10",)),
    Function("LN", "ln", "The natural logarithm.", "LN(price)", guard=1e-9),
    Function(
        "ACOSH", "acosh", "The inverse hyperbolic cosine.", "ACOSH(price)", guard=1.0, support=Support("1.20")
    ),
    Function(
        "MAX", "max", "The greatest of the values.", "MAX(price, 3, 4)", most=None, support=Support("1.20")
    ),
    Function("MIN", "min", "The least of the values.", "MIN(price, 5)", most=None, support=Support("1.20")),
    Function("SUM", "sum", "The sum of the values.", "SUM(price, $score, 1)", most=None),
    Function(
        "PRODUCT", "mult", "The product of the values.", "PRODUCT(price, 2)", most=None, spellings=("MULT",)
    ),
    Function("NEG", "neg", "The value with the other sign.", "NEG(price)"),
)
FUNCTIONS = {known.word: known for known in _FUNCTIONS}
"""By name here. ``a + b``, ``a * b`` and ``-a`` are SUM, PRODUCT and NEG."""
FUNCTION_OF = {known.name: known for known in _FUNCTIONS}
"""By Qdrant's key."""
SPELLINGS = {other: known.word for known in _FUNCTIONS for other in known.spellings}
"""Other names for them."""
DECAYS = ("lin", "exp", "gauss")
"""The kinds of `Decay`; Qdrant's key of each ends with ``_decay``."""


class Call(Node, metaclass=NodeType):
    """``ABS(x)``, ``POW(x, 2)``, ``a + b`` (sum), ``a * b`` (mult), ``-a`` (neg); ``a - b`` is ``a + -b``.

    ``function`` is Qdrant's own name of the expression. ``LOG(x) [DEFAULT = 0]``, in brackets as written
    here, keeps the argument where the function is defined.
    """

    function: str
    args: tuple[Expression, ...]
    default: Scalar | None = None


class Divide(Node, metaclass=NodeType):
    """``a / b [DEFAULT = 1]``: the default, in brackets as written here, is for b = 0."""

    left: Expression
    right: Expression
    default: Scalar | None = None


class When(Node, metaclass=NodeType):
    """``WHEN condition THEN value`` in CASE."""

    condition: Condition
    value: Expression


class Case(Node, metaclass=NodeType):
    """``CASE WHEN a = 1 THEN 2 [WHEN …] [ELSE 0] END``."""

    whens: tuple[When, ...]
    otherwise: Expression | None = None


class Truth(Node, metaclass=NodeType):
    """``CONDITION(tag = 'a')``, ``MATCH(tag, 'a')``, ``MATCH_ANY(tag, ['a'])``: 1 or 0."""

    condition: Condition


class GeoDistance(Node, metaclass=NodeType):
    """``GEO_DISTANCE(52.5, 13.4, location)``, ``GEO_DISTANCE({lat: 52.5, lon: 13.4}, location)``: in metres.

    ``origin`` is ``{"lat": …, "lon": …}``, whose values may be parameters.
    """

    origin: Any
    name: Name


class Datetime(Node, metaclass=NodeType):
    """``DATETIME('2024-05-01T12:00:00Z')``: its seconds since 1970."""

    value: Scalar


class DatetimeKey(Node, metaclass=NodeType):
    """``DATETIME_KEY(created_at)``: the seconds since 1970 of a field that holds a date."""

    name: Name


class Decay(Node, metaclass=NodeType):
    """``GAUSS_DECAY(x, TARGET = 3, SCALE = 2, MIDPOINT = 0.5)``; also ``EXP_DECAY`` and ``LIN_DECAY``.

    ``kind`` is gauss, exp or lin.
    """

    kind: str
    x: Expression
    target: Expression | None = None
    scale: Expression | None = None
    midpoint: Expression | None = None


Expression = Scalar | Name | Call | Divide | Case | Truth | GeoDistance | Datetime | DatetimeKey | Decay
