"""What the command line and the prompt read of a user: scripts and values, and the error of wrong usage."""

from __future__ import annotations

import codecs
import sys
from functools import partial

from qql.errors import QQLError
from qql.rest.types import Json, JsonObject
from qql.session.files import decode_utf8, from_home, read_bounded, read_utf8, reason, stream_kind
from qql.session.script_files import (
    CHANGED_HINT,
    NO_SCRIPT_HINT,
    Faults,
    ScriptFile,
    changed_message,
    is_script,
    no_script_message,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = [
    "INTERRUPTED",
    "ParamValues",
    "UsageError",
    "parse_value",
    "read_script",
    "said_of_stop",
    "script_file",
]

INTERRUPTED = 130
"""The exit code after Ctrl-C."""
ParamValues = JsonObject | list[Json]
"""The values of parameters: of ``:name`` ones by name, or of the ``?`` ones in order."""


_MOST_DIGITS = 4000  # of a number; Python refuses to read more than 4,300


class UsageError(QQLError):
    """The command line or a backslash command is at fault, or a file that it names."""

    exit_code = 2


def read_script(path: str, *, requests: bool = False) -> str:
    """The text of a script, or of ``requests``, which may be a pipe; ``-`` is standard input.

    Raises `UsageError`: ``file-unreadable``, ``no-script``.
    """
    unreadable = partial(_unreadable, path)
    if path != "-":
        not_text = partial(_encoding_error, path)
        text = read_utf8(path, unreadable=unreadable, not_text=not_text, streams=True)
        if not (requests or is_script(path, text) or stream_kind(from_home(path))):
            raise _no_script(path)
        return text
    try:
        buffer = getattr(sys.stdin, "buffer", None)
        raw = read_bounded(buffer) if buffer else sys.stdin.read()
    except (OSError, ValueError, RuntimeError) as exc:
        raise unreadable(exc) from exc
    return raw if isinstance(raw, str) else decode_utf8(raw, partial(_encoding_error, "<stdin>"))


def script_file(path: str) -> ScriptFile:
    """A script of any length, which may be a pipe; ``-`` is standard input.

    Raises `UsageError` (``file-unreadable``); so does the script while it is read (``script-changed`` too).
    """

    def changed() -> QQLError:
        return UsageError.make("script-changed", changed_message(path), hint=CHANGED_HINT)

    wrong_byte = partial(_wrong_byte, "<stdin>" if path == "-" else path)
    faults = Faults(partial(_unreadable, path), wrong_byte, changed, partial(_no_script, path))
    script = ScriptFile(path, faults, streams=True)
    script.require()
    return script


def _no_script(path: str) -> QQLError:
    return UsageError.make("no-script", no_script_message(path), hint=NO_SCRIPT_HINT)


def _unreadable(path: str, exc: Exception) -> QQLError:
    return UsageError.make("file-unreadable", f"cannot read {path}: {reason(exc)}")


def _encoding_error(name: str, raw: bytes, offset: int) -> QQLError:
    return _wrong_byte(name, raw[:4], raw[offset], offset)


def _wrong_byte(name: str, head: bytes, byte: int, offset: int) -> QQLError:
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return UsageError.make(
        "file-unreadable",
        f"{name} is not UTF-8 text: byte 0x{byte:02x} at offset {offset}",
        hint="it might be UTF-16; save it as UTF-8" if wide else "save it as UTF-8",
    )


def parse_value(text: str) -> Json:
    """The value of a parameter: JSON where the text is JSON, the text itself otherwise.

    Raises `UsageError` for a number that Python cannot read.
    """
    import json

    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_int=_integer)
    except (ValueError, RecursionError):
        return text


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise UsageError.make("usage", f"a number of {len(digits):,} digits does not fit 64 bits")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are no JSON


def said_of_stop(word: str, stop: KeyboardInterrupt) -> str:
    """What is shown of Ctrl-C: ``interrupted``, and what the statement has noted that it stopped."""
    notes = getattr(stop, "__notes__", ())
    return f"{word}: {'; '.join(reversed(notes))}" if notes else word
