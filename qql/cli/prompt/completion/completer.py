"""Completion for prompt_toolkit: suggestions by what is known now, while more is read in the background."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING

from prompt_toolkit.application.current import get_app_or_none
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, ThreadedCompleter

from qql.cli.prompt.completion.core import complete
from qql.cli.prompt.completion.reader import BackgroundReader, SessionEngine
from qql.cli.prompt.completion.schema import KnownSchema
from qql.cli.render import sanitize

if TYPE_CHECKING:
    from prompt_toolkit.document import Document

    from qql.cli.shell import Shell

__all__ = ["PromptCompleter", "QQLCompleter", "completer_for"]

_PATIENCE = 2.0
"""Seconds that a list waits for what was never read, at most until the next key, which waits for nothing."""
_LOOK = 0.05
"""Seconds after which it looks whether the text is still the same."""
_WIDEST = 60


class QQLCompleter(Completer):
    """Suggestions for the text before the cursor.

    It is run in a thread (`completer_for`), so that a key never waits for a list.
    """

    def __init__(self, reader: BackgroundReader, patience: float = _PATIENCE) -> None:
        self._reader = reader
        self._patience = patience

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text, cursor = document.text, document.cursor_position
        while True:
            state = self._reader.state
            found = complete(text, cursor, self._reader.known())
            if self._reader.want(found.collection, found.field):
                self._wait(document)
            if self._reader.state is state:
                break
            # Something came that was not known: the index of a field, say, whose values are wanted now.
        for one in found.suggestions:
            yield Completion(
                one.text,
                start_position=one.start - cursor,
                display=_line(one.shown or one.text),
                display_meta=_line(f"{one.kind}: {one.about}" if one.about else one.kind),
            )

    def _wait(self, document: Document) -> None:
        """Wait for the reader, as long as the list would be of use."""
        app = get_app_or_none()
        until = monotonic() + self._patience
        while not self._reader.wait(_LOOK) and monotonic() < until:
            if app is not None and app.current_buffer.text != document.text:
                return


def _line(text: str) -> str:
    shown = sanitize(text.replace("\n", " "))
    return shown if len(shown) <= _WIDEST else shown[: _WIDEST - 1] + "…"


class PromptCompleter(ThreadedCompleter):
    """`QQLCompleter` in a thread, so that no key waits for it."""

    def __init__(self, reader: BackgroundReader) -> None:
        super().__init__(QQLCompleter(reader))
        self.reader = reader

    def refresh(self) -> None:
        """To be called in front of each prompt: what ran since the last one may have changed anything."""
        self.reader.refresh()
        self.reader.want()


def completer_for(shell: Shell) -> PromptCompleter:
    """The completer of a prompt: it follows the shell's session, also to another target."""
    engine = SessionEngine(
        lambda: shell.session, lambda: shell.params if isinstance(shell.params, dict) else ()
    )
    return PromptCompleter(BackgroundReader(engine, first=_warm_up))


def _warm_up() -> None:
    """Loads what a list needs, so that the first key does not."""
    complete("QUERY ", 6, KnownSchema())
