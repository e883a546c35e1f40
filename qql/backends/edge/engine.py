"""The engine's library, and what its failures mean.

Nothing outside this package imports ``qdrant_edge``. Annotations name the aliases of its type stub too
(``edge.ConditionType``), which exist for the type checker alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

import qdrant_edge as edge

from qql.errors import QQLConnectionError, QQLError, QQLExecutionError
from qql.late import late_pattern
from qql.rest.point_order import NO_ORDER_BY_ID, ORDER_OF_IDS

from .system_errors import system_error_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    _Enum = TypeVar("_Enum")

__all__ = [
    "Guard",
    "SliceCondition",
    "edge",
    "failure",
    "first_line",
    "guarded",
    "is_panic",
    "member",
    "members",
]

SliceCondition: Callable[[int, int], edge.ConditionType] = vars(edge)["SliceCondition"]
"""Its stub misses this class."""


def members(enum: type[_Enum]) -> dict[str, _Enum]:
    """The members of one of the engine's enums, by the spelling that REST uses: lower case, no ``_``.

    ``TurboQuantBitSize.Bits1_5`` and REST's ``bits1_5`` both become ``bits15``.
    """
    found = ((name, getattr(enum, name)) for name in dir(enum) if not name.startswith("_"))
    return {_without_underscores(name): value for name, value in found if isinstance(value, enum)}


def member(enum: type[_Enum], word: object) -> _Enum | None:
    """The member that REST spells ``word``, or None."""
    return members(enum).get(_without_underscores(word)) if isinstance(word, str) else None


def _without_underscores(word: str) -> str:
    return word.replace("_", "").lower()


def is_panic(exc: BaseException) -> bool:
    """Whether the engine's own code broke: a ``PanicException``, which is no ``Exception``."""
    return type(exc).__name__ == "PanicException"


def first_line(said: object, otherwise: str = "no reason given") -> str:
    """The first line of what an exception says; ``otherwise`` where it says nothing."""
    lines = str(said).splitlines()
    return lines[0] if lines else otherwise


_INDEX = "CREATE INDEX ON {collection} FOR {0} TYPE "
_TEXT_INDEX = (
    "index-required",
    "a text query requires a scoring text index on `{0}`",
    _INDEX + "text WITH (scoring = true)",
)
_AS_SAID = "`{collection}`: {0}"
_MEANINGS: tuple[tuple[re.Pattern[str], tuple[str, str, str | None]], ...] = (
    (
        late_pattern(NO_ORDER_BY_ID),
        (
            "index-required",
            "the id of a point is no field of the payload, and ORDER BY takes one that has an index",
            ORDER_OF_IDS,
        ),
    ),
    (
        late_pattern(r"No range index for `order_by` key: `(.*?)`"),
        (
            "index-required",
            "ORDER BY `{0}` requires an index of numbers or dates on `{0}`",
            _INDEX + "integer (or float, datetime)",
        ),
    ),
    (
        late_pattern(r"No appropriate index for faceting: `(.*?)`"),
        (
            "index-required",
            "FACET requires an index on `{0}`",
            _INDEX + "keyword (or integer, bool, uuid)",
        ),
    ),
    (late_pattern(r"BM25 requires a text index on field (\S+?),"), _TEXT_INDEX),
    (late_pattern(r"The text index on `(.*?)` does not score"), _TEXT_INDEX),
    (
        late_pattern(r"process cancelled by service"),
        (
            "formula-failed",
            "the formula could not be computed for some point of `{collection}`",
            "the cause might be a field that a point lacks or that holds no number (give it a default), "
            "a division by zero, or a root or logarithm outside its range",
        ),
    ),
    (late_pattern(r"Not existing vector name error: (.*)"), ("unknown-vector", _AS_SAID, None)),
    (late_pattern(r"(Vector dimension error: .*)"), ("wrong-dimension", _AS_SAID, None)),
    (late_pattern(r"(No point with id .*)"), ("unknown-point", _AS_SAID, None)),
    (late_pattern(r"Validation failed: (.*)"), ("invalid-request", _AS_SAID, None)),
    (late_pattern(r"(invalid JSON path .*)"), ("invalid-field", _AS_SAID, None)),
    (late_pattern(r"(failed to parse date-time: .*)"), ("invalid-datetime", _AS_SAID, None)),
)
"""What the engine's texts mean: code, message and hint, with what the pattern found for ``{0}``.

It raises bare ``Exception``s, so the text is all there is."""


def failure(exc: BaseException, collection: str) -> QQLError:
    """The error to raise for what the engine raised while it worked on a collection."""
    text = str(exc).strip()
    if "WouldBlock" in text:
        return QQLConnectionError.make(
            "database-locked",
            f"collection `{collection}` is in use by another process",
            hint="a process that optimized it and was stopped might still be running",
        )
    if is_panic(exc):
        return QQLExecutionError.make(
            "engine-error",
            f"the engine broke while it worked on `{collection}`: {first_line(text)}",
            hint="the collection is opened afresh for the next statement",
        )
    for pattern, (code, message, hint) in _MEANINGS:
        if match := pattern.search(text):
            said, way = (
                words and words.format(*match.groups(), collection=collection) for words in (message, hint)
            )
            return QQLExecutionError.make(code, said or "", hint=way)
    code = "invalid-request" if isinstance(exc, ValueError | TypeError | OverflowError) else "engine-error"
    return QQLExecutionError.make(code, f"`{collection}`: {first_line(text, type(exc).__name__)}")


class Guard:
    """What `guarded` gives. A class, as a generator takes more time than a small request."""

    __slots__ = ("_collection", "_on_panic")

    def __init__(self, collection: str, on_panic: Callable[[], None] | None) -> None:
        self._collection = collection
        self._on_panic = on_panic

    def __enter__(self) -> Any:
        return None  # `Collection.engine` gives its shard

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if exc is None or isinstance(exc, (QQLError, OSError)):
            return  # the engine raises no OSError; a file of ours has its reason
        if isinstance(exc, Exception):
            if system := system_error_in(str(exc)):
                raise system from exc
        elif not is_panic(exc):
            return
        elif self._on_panic is not None:
            self._on_panic()
        raise failure(exc, self._collection) from exc


def guarded(collection: str, on_panic: Callable[[], None] | None = None) -> AbstractContextManager[None]:
    """Turn whatever the engine raises inside into a `QQLError`; call ``on_panic`` after a panic."""
    return Guard(collection, on_panic)
