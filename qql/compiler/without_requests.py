"""What `compile` gives of a text that sends nothing: an empty list, which says why where a request is taken.

``[request] = qql.compile("USE docs")`` would be a ValueError about no values, and ``[0]`` an IndexError.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from qql import nodes
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLPlanError
from qql.late import overload
from qql.rest.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, SupportsIndex

__all__ = ["NoRequestError", "NoRequests", "explained"]

_ITS_REQUEST = "without it, `compile` gives the request of the statement behind it"
_HINTS: dict[type[nodes.Node], str] = {
    nodes.Use: "`compile(…, collection=)` says the same of texts that name none",
    nodes.Define: "`compile(…, stages=)` gives stages to texts that use them",
    nodes.Undefine: "`compile(…, stages=)` gives stages to texts that use them",
    nodes.Explain: _ITS_REQUEST,
    nodes.Why: _ITS_REQUEST,
}
_OF_SESSIONS = "`qql.connect(…).execute(text)` carries it out"


class NoRequestError(QQLPlanError, ValueError, IndexError):
    """``no-request``: what was compiled sends nothing. It is what Python raises of an empty list, too."""


class NoRequests(list[Request]):
    """No requests. Taking one raises `NoRequestError`; a loop has no turns, all else is as of any list."""

    fault: Diagnostic | None = None

    def __iter__(self) -> Iterator[Request]:
        if self.fault is not None and _takes_some(sys._getframe(1)):
            raise NoRequestError(self.fault)
        return super().__iter__()

    @overload
    def __getitem__(self, key: SupportsIndex) -> Request: ...
    @overload
    def __getitem__(self, key: slice) -> list[Request]: ...
    def __getitem__(self, key: Any) -> Any:
        if self.fault is not None and not isinstance(key, slice):
            raise NoRequestError(self.fault)
        return super().__getitem__(key)


def _takes_some(frame: FrameType) -> bool:
    """Whether a frame is at ``[a] = …``: CPython asks for an iterator there, as it does for a loop."""
    from opcode import opmap

    code, at = frame.f_code.co_code, frame.f_lasti
    operation, values = code[at], code[at + 1]
    return values > 0 and operation in (opmap.get("UNPACK_SEQUENCE"), opmap.get("UNPACK_EX"))


def explained(requests: list[Request], found: Sequence[Compiled]) -> list[Request]:
    """The requests of statements; where there is none, a list that says why."""
    if requests:
        return requests
    nothing = NoRequests()
    nothing.fault = _fault(found)
    return nothing


def _fault(found: Sequence[Compiled]) -> Diagnostic:
    if not found:
        return Diagnostic("no-request", "the text has no statement, and so there is no request")
    first = found[0]
    kind = type(first.statement)
    word = nodes.STATEMENTS[kind].text.partition("{")[0].strip()
    hint = _HINTS.get(kind, _OF_SESSIONS)
    if len(found) > 1:
        message = f"none of the {len(found)} statements is a request, beginning with {word}"
    else:
        message = f"{word} is no request: a session carries it out, and sends what it takes"
        if kind in (nodes.Use, nodes.Define, nodes.Undefine, nodes.ShowStages, nodes.ShowModels):
            message = f"{word} is no request: it is between a session and its statements"
    return Diagnostic("no-request", message, first.span, hint, source=first.source)
