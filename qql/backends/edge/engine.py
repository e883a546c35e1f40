"""The engine's library, and what its failures mean.

Nothing outside this package imports ``qdrant_edge``. Its type stub misses names that exist
(``SliceCondition``) and promises names that do not (``DecayKind``), so it is taken as ``Any``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from qql.errors import QQLConnectionError, QQLError, QQLExecutionError

__all__ = ["edge", "failure", "guarded", "is_panic", "member", "members"]

edge: Any = import_module("qdrant_edge")


def members(enum: Any) -> dict[str, Any]:
    """The members of one of the engine's enums, by the spelling that REST uses: lower case, no ``_``.

    ``TurboQuantBitSize.Bits1_5`` and REST's ``bits1_5`` both become ``bits15``.
    """
    found = ((name, getattr(enum, name)) for name in dir(enum) if not name.startswith("_"))
    return {_plain(name): value for name, value in found if isinstance(value, enum)}


def member(enum: Any, word: Any) -> Any:
    """The member that REST spells ``word``, or None."""
    return members(enum).get(_plain(word)) if isinstance(word, str) else None


def _plain(word: str) -> str:
    return word.replace("_", "").lower()


def is_panic(exc: BaseException) -> bool:
    """Whether the engine's own code broke: a ``PanicException``, which is no ``Exception``."""
    return type(exc).__name__ == "PanicException"


def _order_by(match: re.Match[str], collection: str) -> tuple[str, str, str | None]:
    field = match[1]
    return (
        "index-required",
        f"ORDER BY `{field}` requires an index of numbers or dates on `{field}`",
        f"CREATE INDEX ON {collection} FOR {field} TYPE integer (or float, datetime)",
    )


def _facet(match: re.Match[str], collection: str) -> tuple[str, str, str | None]:
    field = match[1]
    return (
        "index-required",
        f"FACET requires an index on `{field}`",
        f"CREATE INDEX ON {collection} FOR {field} TYPE keyword (or integer, bool, uuid)",
    )


def _text_index(match: re.Match[str], collection: str) -> tuple[str, str, str | None]:
    field = match[1]
    return (
        "index-required",
        f"a text query requires a scoring text index on `{field}`",
        f"CREATE INDEX ON {collection} FOR {field} TYPE text WITH (scoring = true)",
    )


def _formula(match: re.Match[str], collection: str) -> tuple[str, str, str | None]:
    return (
        "formula-failed",
        f"the formula could not be computed for some point of `{collection}`",
        "the cause might be a field that a point lacks or that holds no number (give it a default), "
        "a division by zero, or a root or logarithm outside its range",
    )


def _plain_text(code: str, hint: str | None = None) -> _Meaning:
    return lambda match, collection: (code, f"`{collection}`: {match[1]}", hint)


_Meaning = Callable[[re.Match[str], str], tuple[str, str, str | None]]

_MEANINGS: tuple[tuple[re.Pattern[str], _Meaning], ...] = (
    (re.compile(r"No range index for `order_by` key: `(.*?)`"), _order_by),
    (re.compile(r"No appropriate index for faceting: `(.*?)`"), _facet),
    (re.compile(r"BM25 requires a text index on field (\S+?),"), _text_index),
    (re.compile(r"The text index on `(.*?)` does not score"), _text_index),
    (re.compile(r"(process cancelled by service)"), _formula),
    (re.compile(r"Not existing vector name error: (.*)"), _plain_text("unknown-vector")),
    (re.compile(r"(Vector dimension error: .*)"), _plain_text("wrong-dimension")),
    (re.compile(r"(No point with id .*)"), _plain_text("unknown-point")),
    (re.compile(r"Validation failed: (.*)"), _plain_text("invalid-request")),
    (re.compile(r"(invalid JSON path .*)"), _plain_text("invalid-field")),
    (re.compile(r"(failed to parse date-time: .*)"), _plain_text("invalid-datetime")),
)
"""What is known about the engine's texts. It raises bare ``Exception``s, so the text is all there is."""


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
        first = text.splitlines()[0] if text else "no reason given"
        return QQLExecutionError.make(
            "engine-error",
            f"the engine broke while it worked on `{collection}`: {first}",
            hint="the collection is opened afresh for the next statement",
        )
    for pattern, meaning in _MEANINGS:
        if match := pattern.search(text):
            code, message, hint = meaning(match, collection)
            return QQLExecutionError.make(code, message, hint=hint)
    first = text.splitlines()[0] if text else type(exc).__name__
    code = "invalid-request" if isinstance(exc, ValueError | TypeError | OverflowError) else "engine-error"
    return QQLExecutionError.make(code, f"`{collection}`: {first}")


@contextmanager
def guarded(collection: str, on_panic: Callable[[], None] | None = None) -> Iterator[None]:
    """Turn whatever the engine raises inside into a `QQLError`; call ``on_panic`` after a panic."""
    try:
        yield
    except QQLError:
        raise
    except Exception as exc:
        raise failure(exc, collection) from exc
    except BaseException as exc:
        if not is_panic(exc):
            raise
        if on_panic is not None:
            on_panic()
        raise failure(exc, collection) from exc
