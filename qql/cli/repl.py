"""The prompt: reads statements and commands from a terminal, and shows what they give."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qql.cli.private_lines import holds_secret
from qql.cli.render import sanitize
from qql.cli.shell import COMMANDS, Shell, is_command
from qql.cli.usage import said_of_stop
from qql.errors import QQLError
from qql.session.files import reason

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.history import History
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

__all__ = ["history_file", "interact", "open_history", "submits"]


def submits(text: str) -> bool:
    """Whether Enter sends the text: it is blank, a command, or its last statement has its `;`."""
    from qql.syntax.parser import is_complete

    typed = text.strip()
    if not typed or is_command(typed):
        return True
    return is_complete(text) or _command_below(text) is not None


def _command_below(text: str) -> tuple[str, str] | None:
    """An unfinished statement and the command that was typed on the line after it, or None."""
    from qql.syntax.parser import is_complete

    statement, _, line = text.rstrip().rpartition("\n")
    word = line.strip().rstrip(";").split(None, 1)[:1]
    if not statement.strip() or not word or word[0] not in COMMANDS or not word[0].startswith("\\"):
        return None
    # A `;` would end the statement only where the line is not inside a string or a comment.
    return (statement + "\n", line) if is_complete(statement + "\n;") else None


def open_history(keys: Sequence[str] = ()) -> tuple[History, str | None]:
    """The history of the prompt, and a warning when it cannot be kept.

    It is the file that QQL_HISTORY names (empty: none), or one in the user's state directory. Nobody else may
    read it, for statements hold data. What holds one of ``keys``, or might hold another, is not kept.
    """
    named = os.environ.get("QQL_HISTORY")
    try:
        path = history_file()
        if path is None:
            return _history(None, keys), None
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            regular = stat.S_ISREG(os.fstat(handle).st_mode)
        finally:
            os.close(handle)
        if not regular:  # /dev/null, whose mode must not be touched
            return _history(None, keys), None
        path.chmod(0o600)
    except (OSError, ValueError, RuntimeError) as exc:
        warning = f"history is not kept: cannot write {named or 'its file'}: {reason(exc)}"
        return _history(None, keys), warning
    return _history(path, keys), None


def _history(path: Path | None, keys: Sequence[str]) -> History:
    """A history in a file, or one that ends with the prompt."""
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    class WithoutSecrets(History):
        """Keeps nothing that may hold a key, neither in the file nor for the arrow keys."""

        def append_string(self, string: str) -> None:
            if not holds_secret(string, keys):
                super().append_string(string)

    class LenientHistory(WithoutSecrets, FileHistory):
        """A history file; a full disk or a removed directory must not stop the prompt."""

        def store_string(self, string: str) -> None:
            with contextlib.suppress(OSError):
                super().store_string(string)

        def load_history_strings(self) -> Iterable[str]:
            with contextlib.suppress(OSError):
                yield from super().load_history_strings()

    class PassingHistory(WithoutSecrets, InMemoryHistory):
        """A history in memory."""

    return PassingHistory() if path is None else LenientHistory(str(path))


def history_file() -> Path | None:
    """The file of the history; None where there is to be none. Raises what `Path.expanduser` does."""
    named = os.environ.get("QQL_HISTORY")
    if named == "":
        return None
    return Path(named).expanduser() if named else _state_directory() / "history"


def _state_directory() -> Path:
    from platformdirs import user_state_path

    return user_state_path("qql", appauthor=False)


def interact(shell: Shell, *, input: Input | None = None, output: Output | None = None) -> int:
    """Prompt, carry out, and show, until ``\\q`` or Ctrl-D. An error is shown and the prompt comes back."""
    from qql.cli.prompt.completion.completer import completer_for

    history, warning = open_history(shell.renderer.secrets)
    completer = completer_for(shell)
    prompt = _prompt_session(history, input, output, completer)
    if warning:
        shell.renderer.note(warning)
    unfinished = ""
    while True:
        completer.refresh()
        try:
            text = prompt.prompt(
                lambda: f"{_short_target(shell.session.target)}> ", default=unfinished or shell.taken_draft()
            )
        except KeyboardInterrupt:
            unfinished = ""
            continue
        except EOFError:
            return 0
        unfinished, text = _command_below(text) or ("", text)
        if not _carry_out(shell, text):
            return 0


def _carry_out(shell: Shell, text: str) -> bool:
    try:
        return shell.feed(text)
    except KeyboardInterrupt as stop:
        shell.renderer.note(said_of_stop("cancelled", stop))
    except QQLError as error:
        shell.renderer.error(error)
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as fault:  # a panic of an engine is no Exception
        shell.renderer.crash(fault)
    return True


_TARGET_WIDTH = 32


def _short_target(target: str) -> str:
    shown = sanitize(target)
    return shown if len(shown) <= _TARGET_WIDTH else "…" + shown[1 - _TARGET_WIDTH :]


def _prompt_session(
    history: History, input: Input | None, output: Output | None, completer: Completer
) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.enums import DEFAULT_BUFFER
    from prompt_toolkit.filters import has_focus
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    @keys.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if submits(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.newline(copy_margin=True)

    return PromptSession(
        history=history,
        input=input,
        output=output,
        key_bindings=keys,
        multiline=True,
        prompt_continuation=lambda width, line, wrapped: "-> ".rjust(width),
        enable_open_in_editor=True,
        tempfile_suffix=".qql",
        completer=completer,
        complete_while_typing=True,
        auto_suggest=AutoSuggestFromHistory(),
    )
