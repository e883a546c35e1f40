"""Lists with nothing in them: said of what reads, refused of what writes.

`IN ()` holds for no point and `NOT IN ()` for every one. A read shows that; a write with a list that was
empty by accident would have emptied the collection.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from qql import nodes
from qql.compiler.plan import Context
from qql.errors import fail

__all__ = ["note_empty_list", "refused_in_writes", "said_in_reads"]

_List = nodes.In | nodes.Match | nodes.Points
_Note = Callable[[_List], None]
_note: ContextVar[_Note | None] = ContextVar("_note", default=None)
"""What is done about an empty list.

A variable and no argument, for the sake of the emitters of conditions, which are called from a table and nest
200 deep: that one of them finds an empty list is rare.
"""


def note_empty_list(found: _List) -> None:
    """To be called where a list is empty. Raises `QQLPlanError` (``empty-list``) in a write."""
    note = _note.get()
    if note is not None:
        note(found)


class Noting:
    """What is done about an empty list, as long as it lasts. (A class: every statement passes here, and what
    `contextlib` makes of a generator takes three times as long.)
    """

    __slots__ = ("_note", "_token")

    def __init__(self, note: _Note) -> None:
        self._note = note

    def __enter__(self) -> None:
        self._token = _note.set(self._note)

    def __exit__(self, *_: object) -> None:
        _note.reset(self._token)


def said_in_reads(context: Context) -> Noting:
    """Empty lists are warnings of the context from here on."""

    def say(found: _List) -> None:
        context.warn("empty-list", _meaning(found), found.span)

    return Noting(say)


def refused_in_writes() -> Noting:
    """Empty lists are errors from here on."""
    return Noting(_refuse)


def _refuse(found: _List) -> None:
    hint = "where there is nothing to change, send nothing"
    fail("empty-list", f"a write takes no empty list: {_meaning(found)}", found.span, hint)


def _meaning(found: _List) -> str:
    match found:
        case nodes.Points():
            return "no id is given, so no point is fetched"
        case nodes.Match(kind="except"):
            return f"MATCH EXCEPT () holds for every point that has a value of `{found.name.text}`"
        case _:
            words = "IN ()" if isinstance(found, nodes.In) else "MATCH ANY ()"
            return f"`{found.name.text} {words}` holds for no point, and its NOT for every point"
