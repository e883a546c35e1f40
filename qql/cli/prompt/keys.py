"""The keys of the prompt, beside those that every line editor has."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from qql.cli.prompt.typed import submits
from qql.cli.usage import UsageError
from qql.errors import QQLError

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    Note = Callable[[str, QQLError], None]

__all__ = ["key_bindings", "uses_vi"]

_EDITING = "QQL_EDITING"


def uses_vi() -> bool:
    """Whether the keys are those of vi: QQL_EDITING says ``vi`` or ``emacs`` (else: emacs).

    Raises `UsageError` where it says anything else.
    """
    said = os.environ.get(_EDITING, "").strip().lower()
    if said not in ("", "vi", "emacs"):
        hint = f"{_EDITING}=vi, or {_EDITING}=emacs"
        raise UsageError.make("usage", f"{_EDITING} is vi or emacs, found {said[:40]}", hint=hint)
    return said == "vi"


def key_bindings(note: Note) -> KeyBindings:
    """The keys; ``note`` is told of a text what an editor or the formatter had to say against it."""
    from prompt_toolkit.application import run_in_terminal
    from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
    from prompt_toolkit.filters import (
        completion_is_selected,
        emacs_mode,
        has_completions,
        has_focus,
        vi_navigation_mode,
    )
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)

    @keys.add("enter", filter=typing & ~vi_navigation_mode)
    def _enter(event: KeyPressEvent) -> None:
        """Runs what is complete, and goes on with what is not."""
        _run_or_go_on(event, submits(event.current_buffer.text))

    @keys.add("enter", filter=typing & completion_is_selected)
    def _take(event: KeyPressEvent) -> None:
        """Takes the completion that is selected, and closes the list: the next Enter runs."""
        event.current_buffer.complete_state = None

    @keys.add("escape", filter=typing & has_completions & emacs_mode)
    def _close(event: KeyPressEvent) -> None:
        """Closes the list of completions, with the text as it was typed."""
        event.current_buffer.cancel_completion()

    @keys.add("escape", "enter", filter=typing & emacs_mode)
    def _force(event: KeyPressEvent) -> None:
        """The other of the two."""
        _run_or_go_on(event, not submits(event.current_buffer.text))

    @keys.add("enter", filter=typing & vi_navigation_mode)
    def _run(event: KeyPressEvent) -> None:
        """Runs what stands there: in vi, Alt-Enter is Escape, which begins to navigate, and Enter."""
        _run_or_go_on(event, True)

    @keys.add("f4")
    def _switch(event: KeyPressEvent) -> None:
        """Switches between the keys of vi and of emacs."""
        app = event.app
        app.editing_mode = EditingMode.EMACS if app.editing_mode is EditingMode.VI else EditingMode.VI

    @keys.add("f6", filter=typing)
    @keys.add("c-x", "c-f", filter=typing)
    def _lay_out(event: KeyPressEvent) -> None:
        """Lays out what is typed, as \\fmt does."""
        from qql.cli.prompt.editor import laid_out

        _change(event, laid_out, note)

    @keys.add("c-x", "c-e", filter=typing)
    def _edit(event: KeyPressEvent) -> None:
        """Opens the user's editor on what is typed, as \\e does."""
        from qql.cli.prompt.editor import edit

        run_in_terminal(lambda: _change(event, edit, note))

    return keys


def _run_or_go_on(event: KeyPressEvent, runs: bool) -> None:
    buffer = event.current_buffer
    if runs:
        buffer.validate_and_handle()
    else:
        buffer.newline(copy_margin=not event.app.paste_mode())


def _change(event: KeyPressEvent, change: Callable[[str], str], note: Note) -> None:
    """Puts another text into the place of what is typed; undo brings that back."""
    buffer = event.current_buffer
    try:
        text = change(buffer.text)
    except QQLError as error:
        note(buffer.text, error)
        return
    if text != buffer.text:
        buffer.save_to_undo_stack()
        buffer.text = text
        buffer.cursor_position = len(text)
