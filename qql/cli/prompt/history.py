"""The history of the prompt: whole entries, for its user's eyes alone, without secrets."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qql.cli.private_lines import holds_secret
from qql.session.files import reason

if TYPE_CHECKING:
    from prompt_toolkit.history import History

__all__ = ["history_file", "is_kept", "open_history"]


def is_kept(text: str, keys: Sequence[str] = ()) -> bool:
    """Whether what was typed may be kept: not what begins with a space, nor what may hold a secret."""
    return not text.startswith((" ", "\t")) and not holds_secret(text, keys)


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
            if is_kept(string, keys):
                super().append_string(string)

    class LenientHistory(WithoutSecrets, FileHistory):
        """A history file; neither a full disk nor half a character must stop the prompt."""

        def store_string(self, string: str) -> None:
            with contextlib.suppress(OSError, ValueError):
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
