"""Whether a session may do what is asked of it: a session that is read-only changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from qql import nodes
from qql.backends.base import Backend
from qql.errors import Diagnostic, QQLRefusedError, Source
from qql.nodes.declare import READS
from qql.rest.repeats import reads
from qql.rest.request import Request
from qql.session.script_files import read_executed
from qql.session.server_gaps import gaps_of, require_server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.compiler.script import Compiled
    from qql.session.external import External
    from qql.session.script_files import ScriptFile, Seen

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
    _external: External | None = None
    backend: Backend

    def _granted_as(self, other: Permissions, models: Iterable[str] = ()) -> None:
        """Has this session do what another may, and use ``models`` beside."""
        self.read_only = other.read_only
        self._external = None if other._external is None else other._external.with_models(models)

    def _read_executed(self, statement: nodes.Execute, seen: Seen | None = None) -> ScriptFile:
        """The script that EXECUTE names, if it may be read. Raises `QQLRefusedError` (``no-access``)."""
        if self._external is not None:
            self._external.require_path(statement)
        return read_executed(statement, seen)

    def _require(self, statements: Iterable[Compiled]) -> None:
        """Raises `QQLRefusedError` (``read-only``) for all that write where the session may not, and
        `QQLUnsupportedError` for what the server at hand is too old for. Nothing was sent then.
        """
        statements = [*statements]
        if self._external is not None:
            self._external.note(one for one in statements if _may_name_address(one.text))
        self._require_allowed(*statements)
        require_server(statements, gaps_of(self.backend))

    def _require_allowed(self, *statements: Compiled) -> None:
        """Raises `QQLRefusedError` for all statements that may not do what they say: ``no-access`` for what
        they reach beside the database, ``read-only`` for those that write where none may.
        """
        if self._external is not None:
            self._external.require(statements, self.backend.infers)
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


def _may_name_address(text: str) -> bool:
    """Whether a statement may name the address of a model, be it by a parameter."""
    return "://" in text or "model" in text.lower()


def _refusal(compiled: Compiled) -> Diagnostic:
    found = compiled.written
    while isinstance(found, (nodes.Batch, nodes.Explain, nodes.Why)):
        inner = found.statements if isinstance(found, nodes.Batch) else (found.statement,)
        found = next(one for one in inner if nodes.effect_of(one) != READS)
    words = nodes.STATEMENTS[type(found)].words
    return _read_only(words, compiled.source).at(None, found.span or compiled.span)


def _read_only(what: str, source: Source | None = None) -> Diagnostic:
    return Diagnostic("read-only", f"this session is read-only, and {what} writes", hint=_HINT, source=source)
