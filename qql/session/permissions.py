"""Whether a session may do what is asked of it: a session that is read-only changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from qql import nodes
from qql.backends.base import Backend
from qql.errors import Diagnostic, QQLRefusedError, Source
from qql.nodes.declare import READS
from qql.rest.repeats import reads
from qql.rest.request import Request
from qql.session.server_gaps import gaps_of, require_server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.compiler.script import Compiled

__all__ = ["Permissions"]

_HINT = (
    "what lets it write: `read_only = False` of the session, `\\readonly off` at the prompt; "
    "on the command line, leave out --read-only or the `read_only` of the profile"
)


class Permissions:
    """The part of `Session` that says no. ``read_only`` may be set at any time; it holds from the next
    statement on, for all threads and tasks that share the session.
    """

    read_only: bool = False
    backend: Backend

    def _require(self, statements: Iterable[Compiled]) -> None:
        """Raises `QQLRefusedError` (``read-only``) for all that write where the session may not, and
        `QQLUnsupportedError` for what the server at hand is too old for. Nothing was sent then.
        """
        statements = [*statements]
        self._require_allowed(*statements)
        require_server(statements, gaps_of(self.backend))

    def _require_allowed(self, *statements: Compiled) -> None:
        """Raises `QQLRefusedError` (``read-only``) for all statements that write where none may."""
        if not self.read_only:
            return
        writes = [one for one in statements if nodes.effect_of(one.written) != READS]
        if writes:
            raise QQLRefusedError(*map(_refusal, writes))

    def _require_read(self, what: str) -> None:
        """Raises `QQLRefusedError` (``read-only``) for a write that has no text, which is called ``what``."""
        if self.read_only:
            raise QQLRefusedError(_read_only(what))

    def _sendable(self, request: Request) -> Request:
        """The request, which no statement makes. Raises `QQLRefusedError` (``read-only``)."""
        if not reads(request):
            self._require_read(f"{request.method} {request.path}")
        return request


def _refusal(compiled: Compiled) -> Diagnostic:
    found = compiled.written
    while isinstance(found, (nodes.Batch, nodes.Explain, nodes.Why)):
        inner = found.statements if isinstance(found, nodes.Batch) else (found.statement,)
        found = next(one for one in inner if nodes.effect_of(one) != READS)
    words = nodes.STATEMENTS[type(found)].words
    return _read_only(words, compiled.source).at(None, found.span or compiled.span)


def _read_only(what: str, source: Source | None = None) -> Diagnostic:
    return Diagnostic("read-only", f"this session is read-only, and {what} writes", hint=_HINT, source=source)
