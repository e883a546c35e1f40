"""Statements that are saved under names: files of a folder, for their user's eyes alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from qql.cli.private_lines import holds_secret
from qql.cli.usage import UsageError
from qql.errors import did_you_mean
from qql.late import late_pattern
from qql.session.files import reason

__all__ = ["forget", "save", "saved_names", "saved_text"]

_NAME = late_pattern(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_ENDING = ".qql"


def _folder() -> Path:
    """The folder that QQL_QUERIES names, or one in the user's configuration. Raises as `Path.expanduser`."""
    named = os.environ.get("QQL_QUERIES")
    if named:
        return Path(named).expanduser()
    from qql.missing import needed_for

    with needed_for("a saved statement", instead="QQL_QUERIES names a folder", error=UsageError):
        from platformdirs import user_config_path

    return user_config_path("qql", appauthor=False) / "queries"


def saved_names() -> list[str]:
    """The names, in the order of the alphabet; none where the folder cannot be read."""
    try:
        found = [path.stem for path in _folder().iterdir() if path.suffix == _ENDING]
    except (OSError, RuntimeError):
        return []
    return sorted(name for name in found if _NAME.fullmatch(name))


def saved_text(name: str) -> str:
    """The text that a name stands for. Raises `UsageError` (``no-statement``)."""
    try:
        return _file(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        known = saved_names()
        hint = did_you_mean(name, known) or r"`\n` lists them, `\ns NAME` saves the last statement"
        raise UsageError.make("no-statement", f"nothing is saved as {name}", hint=hint) from None
    except (OSError, ValueError) as exc:
        raise UsageError.make("no-statement", f"cannot read what is saved as {name}: {reason(exc)}") from exc


def save(name: str, text: str, keys: Sequence[str] = ()) -> None:
    """Save a text under a name, in the place of what had it. Nobody else may read it.

    Raises `UsageError`: ``secret`` for one in which there may be a key, and where it cannot be written.
    """
    from qql.session.placed_files import placed_file

    if holds_secret(text, keys):
        hint = "a :name in its place takes a value when it runs"
        raise UsageError.make("secret", "what may hold a key or a password is not saved", hint=hint)
    file = _file(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(0o600)
        with placed_file(str(file), overwrite=True) as written:
            written.write(text.encode(errors="surrogateescape"))
    except (OSError, ValueError) as exc:
        raise UsageError.make("file-unwritable", f"cannot save {name}: {reason(exc)}") from exc


def forget(name: str) -> None:
    """Forget what is saved under a name. Raises `UsageError`."""
    saved_text(name)
    try:
        _file(name).unlink()
    except OSError as exc:
        raise UsageError.make("file-unwritable", f"cannot forget {name}: {reason(exc)}") from exc


def _file(name: str) -> Path:
    if not _NAME.fullmatch(name):
        hint = "letters, digits, _ and -, as in nearest-open"
        raise UsageError.make("usage", f"{name[:80]!r} is no name of a saved statement", hint=hint)
    return _folder() / (name + _ENDING)
