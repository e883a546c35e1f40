"""A script is checked whole, and then carried out statement by statement, in memory that is bounded.

A short one is kept as it was planned. Of a long one nothing is kept: it is read and planned a second time,
by the schemas as its own statements leave them, as the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qql.backends.base import rows_told
from qql.compiler.script import Compiled, each_compiled
from qql.errors import Diagnostic, QQLCompileError, QQLRefusedError, QQLSyntaxError, QQLUnsupportedError
from qql.session.answers import gives_data
from qql.session.script_files import ExecutedFiles
from qql.syntax.pieces import WHOLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.compiler.bind import Params
    from qql.session.session import Session
    from qql.syntax.pieces import Pieces

__all__ = ["CheckedScript"]

_MOST_TOLD = 100


class CheckedScript:
    """A script that compiles, that the session may carry out, and of which the server lacks nothing.

    ``gives_data`` says whether hits, rows or JSON come of a statement. Raises `QQLCompileError`, and what
    `Permissions.require` raises. ``also`` is called with each statement, and may raise a `QQLRefusedError`.
    """

    def __init__(
        self,
        session: Session,
        pieces: Pieces,
        params: Params,
        also: Callable[[Compiled], None] | None = None,
    ) -> None:
        self._session = session
        self._also = also
        self._pieces = pieces
        if params is not None:
            from qql.compiler.given import settled

            params = settled(params)
        self._params: Params = params
        self._files = ExecutedFiles(session._read_executed)
        self._kept: list[Compiled] | None = None
        self.gives_data: bool = False
        by_memory = session.knows_collections
        try:
            self._check()
        except QQLCompileError as exc:
            if not by_memory or isinstance(exc, QQLSyntaxError):
                raise
            session.forget_collections()  # what was known of them is not held against the script
            self._check()

    def _each(self, *, once: bool) -> Iterator[Compiled]:
        found = each_compiled(self._pieces, self._params, self._session.context, self._files, once=once)
        while True:
            with rows_told(self._session.on_progress):  # who asks for it does other work with it
                one = next(found, None)
            if one is None:
                return
            yield one

    def _check(self) -> None:
        kept: list[Compiled] | None = []
        self.gives_data, size, last = False, 0, None
        lacks, refused = list[Diagnostic](), list[Diagnostic]()
        for one in self._each(once=False):
            self.gives_data = self.gives_data or gives_data(one.statement)
            try:
                self._session._require([one])
                if self._also is not None:
                    self._also(one)
            except QQLUnsupportedError as exc:
                lacks += exc.diagnostics if len(lacks) < _MOST_TOLD else ()
            except QQLRefusedError as exc:
                refused += exc.diagnostics if len(refused) < _MOST_TOLD else ()
            if one.source is not last:
                last, size = one.source, size + len(one.source.text)
            if size > WHOLE:
                kept = None
            elif kept is not None:
                kept.append(one)
        if refused:
            raise QQLRefusedError(*refused)
        if lacks:
            raise QQLUnsupportedError(*lacks)
        self._kept = kept

    def statements(self) -> Iterator[Compiled]:
        """The statements, each of which is carried out before the next one is asked for.

        Raises the error for a file that is not as it was when it was checked, and `QQLCompileError` where
        what others have changed since does not allow a statement any more.
        """
        if self._kept is not None:
            yield from self._kept
        else:
            for one in self._each(once=True):
                self._pieces.require_unchanged()
                yield one
