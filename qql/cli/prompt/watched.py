"""What is typed at a prompt, watched: its colours and its faults, once what tells them is loaded.

The prompt stands before the language is loaded, which a thread does meanwhile; a long text is looked at in a
thread as well, so that no key waits for that.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING

from qql.cli.prompt.problem import Problem
from qql.errors import QQLError

if TYPE_CHECKING:
    from prompt_toolkit.document import Document
    from prompt_toolkit.lexers import Lexer

    Look = Callable[[str, int], Problem | None]

__all__ = ["Watched"]

_AT_ONCE = 1_500
"""Characters of a text that is looked at between two keys."""


class Watched:
    """One prompt's text. ``look`` gives what is wrong with it at a cursor, and ``redraw`` shows it anew."""

    def __init__(self, look: Look, redraw: Callable[[], None]) -> None:
        self._look, self._redraw = look, redraw
        self._ready = False
        self._loading: Thread | None = None
        self._seen: tuple[str, int] | None = None
        self._found: Problem | None = None
        self._waits: tuple[str, int] | None = None
        self._looking: Thread | None = None
        self._said: tuple[str, Problem] | None = None

    def load(self) -> None:
        """Loads in a thread what tells colours and faults. A second call of it does nothing."""
        if self._loading is None:
            self._loading = Thread(target=self._load, daemon=True)
            self._loading.start()

    def _load(self) -> None:
        from qql.highlight import QQLLexer

        [*QQLLexer().get_tokens_unprocessed("COUNT FROM c")]
        self._see(("COUNT FROM c;", 0))
        self._ready = True
        self._redraw()

    def say(self, text: str, error: QQLError) -> None:
        """Shows an error until the text is another one."""
        first = error.diagnostic
        place = (first.span.start, first.span.end) if first.span is not None else (0, 0)
        self._said = text, Problem(*place, first.message, first.hint)

    def problem(self, text: str, cursor: int) -> Problem | None:
        """What is wrong with a text. Of a long one that is known later, and `redraw` is called then."""
        if self._said is not None:
            if self._said[0] == text:
                return self._said[1]
            self._said = None
        if not self._ready or not text.strip():
            return None
        asked = text, cursor
        if asked == self._seen:
            return self._found
        if len(text) <= _AT_ONCE:
            self._see(asked)
            return self._found
        self._waits = asked
        if self._looking is None:
            self._looking = Thread(target=self._look_aside, daemon=True)
            self._looking.start()
        return None

    def _see(self, asked: tuple[str, int]) -> None:
        try:
            found = self._look(*asked)
        except Exception:  # whatever that is, who types must be able to go on
            found = None
        self._seen, self._found = asked, found

    def _look_aside(self) -> None:
        """Looks at what was asked for last, until that is what was seen."""
        while (asked := self._waits) != self._seen and asked is not None:
            self._see(asked)
        self._looking = None
        self._redraw()

    def know_more(self) -> None:
        """More is known than when the text was looked at."""
        self.forget()
        self._redraw()

    def forget(self) -> None:
        """What was found may be otherwise now: a statement was carried out."""
        self._seen = None

    def lexer(self) -> Lexer:
        """What colours the text: nothing, until it is loaded."""
        from prompt_toolkit.lexers import DynamicLexer, PygmentsLexer

        made: list[Lexer] = []

        def current() -> Lexer | None:
            if self._ready and not made:
                from prompt_toolkit.lexers.pygments import SyntaxSync

                from qql.highlight import QQLLexer

                class Whole(SyntaxSync):
                    """The text is read from its beginning."""

                    def get_sync_start_position(self, document: Document, lineno: int) -> tuple[int, int]:
                        return 0, 0

                made.append(PygmentsLexer(QQLLexer, sync_from_start=True, syntax_sync=Whole()))
            return made[0] if made else None

        return DynamicLexer(current)
