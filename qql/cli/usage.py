"""What the command line and the prompt read of a user: scripts and values, and the error of wrong usage."""

from __future__ import annotations

import codecs
import json
import sys
from pathlib import Path
from typing import NoReturn

from qql.errors import QQLError
from qql.rest.types import Json, JsonObject

__all__ = ["ParamValues", "UsageError", "decode_script", "os_reason", "parse_value", "read_script"]

ParamValues = JsonObject | list[Json]
"""The values of parameters: of ``:name`` ones by name, or of the ``?`` ones in order."""


class UsageError(QQLError):
    """The command line or a backslash command is at fault, or a file that it names."""

    exit_code = 2


def read_script(path: str) -> str:
    """The text of a script; ``-`` is standard input. Raises `UsageError` with code ``file-unreadable``."""
    try:
        if path == "-":
            raw = getattr(sys.stdin, "buffer", None)
            return decode_script(raw.read(), "<stdin>") if raw else sys.stdin.read()
        return decode_script(Path(path).expanduser().read_bytes(), path)
    except (OSError, ValueError, RuntimeError) as exc:  # a NUL in the path; `~nobody`
        raise UsageError.make("file-unreadable", f"cannot read {path}: {os_reason(exc)}") from exc


def decode_script(raw: bytes, name: str) -> str:
    """UTF-8, with or without a byte-order mark. Raises `UsageError` with the code ``file-unreadable``."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise UsageError.make(
            "file-unreadable",
            f"{name} is not UTF-8 text: byte 0x{raw[exc.start]:02x} at offset {exc.start}",
            hint="it might be UTF-16; save it as UTF-8" if wide else "save it as UTF-8",
        ) from exc


def os_reason(exc: Exception) -> str:
    """What an operating system's error says, without its number and its path."""
    return exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)


def parse_value(text: str) -> Json:
    """The value of a parameter: JSON where the text is JSON, the text itself otherwise."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are no JSON
