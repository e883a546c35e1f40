"""Completion for prompt_toolkit: suggestions by what is known now, while more is read in the background.

What makes them is loaded in a thread, so that the prompt is shown before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING

from prompt_toolkit.application.current import get_app_or_none
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, ThreadedCompleter

from qql.cli.render import sanitize

if TYPE_CHECKING:
    from prompt_toolkit.document import Document

    from qql.cli.prompt.completion.reader import BackgroundReader
    from qql.cli.shell import Shell

__all__ = ["PromptCompleter", "QQLCompleter", "completer_for"]

_PATIENCE = 2.0
"""Seconds that a list waits for what was never read, at most until the next key, which waits for nothing."""
_LOOK = 0.05
"""Seconds after which it looks whether the text is still the same."""
_WIDEST = 60


class QQLCompleter(Completer):
    """Suggestions for the text before the cursor, by what a reader knows, which is made when it is needed.

    It is to be run in a thread (`PromptCompleter`), so that a key never waits for a list.
    """

    def __init__(self, make: Callable[[], BackgroundReader], patience: float = _PATIENCE) -> None:
        self._make = make
        self._patience = patience
        self._made: BackgroundReader | None = None
        self._making = Lock()
        self.told: Callable[[], object] = lambda: None
        """Called, from another thread, when more is known."""

    @property
    def reader(self) -> BackgroundReader:
        """Its reader; making it loads much."""
        with self._making:
            if self._made is None:
                self._made = self._make()
                self._made.told = lambda: self.told()
            return self._made

    @property
    def is_made(self) -> bool:
        """Whether it has its reader."""
        return self._made is not None

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        from qql.cli.prompt.completion.core import complete

        reader, text, cursor = self.reader, document.text, document.cursor_position
        if complete_event.text_inserted and document.text_before_cursor.rstrip().endswith(";"):
            return  # a statement ends here: all those that could follow are listed where Tab asks for them
        while True:
            state = reader.state
            found = complete(text, cursor, reader.known())
            if reader.want(found.collection, found.field):
                self._wait(reader, document)
            if reader.state is state:
                break
            # Something came that was not known: the index of a field, say, whose values are wanted now.
        for one in found.suggestions:
            yield Completion(
                one.text,
                start_position=one.start - cursor,
                display=_line(one.shown or one.text),
                display_meta=_line(f"{one.kind}: {one.about}" if one.about else one.kind),
            )

    def _wait(self, reader: BackgroundReader, document: Document) -> None:
        """Wait for the reader, as long as the list would be of use."""
        app = get_app_or_none()
        until = monotonic() + self._patience
        while not reader.wait(_LOOK) and monotonic() < until:
            if app is not None and app.current_buffer.text != document.text:
                return


def _line(text: str) -> str:
    shown = sanitize(text.replace("\n", " "))
    return shown if len(shown) <= _WIDEST else shown[: _WIDEST - 1] + "…"


class PromptCompleter(ThreadedCompleter):
    """`QQLCompleter` in a thread, so that no key waits for it."""

    def __init__(self, make: Callable[[], BackgroundReader]) -> None:
        self.inner: QQLCompleter = QQLCompleter(make)
        super().__init__(self.inner)

    @property
    def reader(self) -> BackgroundReader:
        """What it knows, made where it is not yet."""
        return self.inner.reader

    def refresh(self) -> None:
        """To be called in front of each prompt: what ran since the last one may have changed anything."""
        if self.inner.is_made:
            self._refresh()
        else:
            Thread(target=self._refresh, name="qql-completion-first", daemon=True).start()

    def _refresh(self) -> None:
        self.reader.refresh()
        self.reader.want()


def completer_for(shell: Shell) -> PromptCompleter:
    """The completer of a prompt: it follows the shell's session, also to another target."""

    def make() -> BackgroundReader:
        from qql.cli.prompt.completion.core import complete
        from qql.cli.prompt.completion.reader import BackgroundReader, SessionEngine
        from qql.cli.prompt.completion.schema import KnownSchema

        def params() -> Iterable[str]:
            return shell.params if isinstance(shell.params, dict) else ()

        engine = SessionEngine(lambda: shell.session, params)
        # The first list is made without anybody, so that the first key finds all loaded.
        return BackgroundReader(engine, first=lambda: complete("QUERY ", 6, KnownSchema()))

    return PromptCompleter(make)
