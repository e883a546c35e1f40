"""The lines of a file of queries, judgements or a run, and its faults with their places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import IO, NoReturn

from qql.errors import QQLError
from qql.evaluation.faults import InputError
from qql.packed_files import HEAD, damage, unpacked
from qql.rest.types import Json, JsonObject
from qql.session.files import reason

__all__ = ["LONGEST", "LineReader"]

LONGEST = 64 * 1024 * 1024
"""Bytes of a line, at most."""


class LineReader:
    """The lines of a file as text, blank ones left out, with the number of the last one read.

    Use it as a context manager. ``code`` is that of the errors about what the file says; reading raises
    `InputError` ``file-unreadable`` and ``file-encoding``, too.
    """

    def __init__(self, path: str | Path, code: str) -> None:
        self.path: Path = Path(path)
        self.line: int = 0
        self._code = code
        self._open = ExitStack()

    def __enter__(self) -> LineReader:
        try:
            raw = self._open.enter_context(self.path.open("rb"))
            head = raw.peek(HEAD)[:HEAD]
        except (OSError, ValueError) as exc:
            self._open.close()
            raise self._unreadable_file(exc) from exc
        # What decompresses a file that is open already needs no closing of its own.
        self._lines = self._numbered_lines(unpacked(raw, head))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.line, line = next(self._lines)
        return line

    def peek(self, *, markup: bool = False) -> str:
        """The first line that is not blank, which stays to be read; "" where there is none.

        With ``markup`` it may be XML or SGML.
        """
        first = next(self._lines, None)
        if first is None:
            return ""
        self.line = first[0]
        self._lines = chain([first], self._lines)
        if first[1].startswith("["):
            self.fail(
                "a JSON array, and not one object a line", "`jq -c '.[]' file.json > file.jsonl` converts it"
            )
        if first[1].startswith("<") and not markup:
            self.fail("a file in XML or SGML, as topics are", "topics are queries")
        return first[1]

    def objects(self) -> Iterator[JsonObject]:
        """Each line as a JSON object."""
        for line in self:
            try:
                row = _JSON.decode(line)
            except (ValueError, RecursionError) as exc:
                reason = "it nests too deep" if isinstance(exc, RecursionError) else str(exc)
                raise self._fault(f"not JSON: {reason}") from exc
            if not isinstance(row, dict):
                self.fail("not a JSON object")
            yield row

    def field(self, row: JsonObject, names: Sequence[str], what: str) -> tuple[str, Json]:
        """The first of the names that a row has, and its value; ``what`` it is, for the message."""
        name = next((name for name in names if name in row), None)
        if name is None:
            self.fail(f"it has no {what.split()[-1]}", f"{what} is the value of {', '.join(names)}")
        return name, row[name]

    def id(self, name: str, value: Json) -> str:
        """The id that a row has under this name."""
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            self.fail(f"`{name}` is neither a string nor an integer")
        if not value:
            self.fail(f"`{name}` is empty")
        return value

    def fail(self, why: str, hint: str | None = None) -> NoReturn:
        """Raises `InputError` about the line that was read last (about the file, where none was)."""
        raise self._fault(why, hint)

    def _fault(self, why: str, hint: str | None = None) -> QQLError:
        place = f"{self.path}:{self.line}" if self.line else f"the file {self.path}"
        return InputError.make(self._code, f"{place}: {why}", hint=hint)

    def _numbered_lines(self, source: IO[bytes]) -> Iterator[tuple[int, str]]:
        number = 0
        try:
            while line := source.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    self.line = number
                    self.fail(f"the line is longer than {LONGEST >> 20} MiB")
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n ")
                if text.strip():
                    yield number, text
        except damage() as exc:
            raise self._unreadable_file(exc) from exc
        except UnicodeDecodeError as exc:
            raise InputError.make(
                "file-encoding", f"{self.path}:{number}: not UTF-8 text (byte {exc.start + 1} of the line)"
            ) from exc

    def _unreadable_file(self, exc: Exception) -> QQLError:
        return InputError.make("file-unreadable", f"the file {self.path} cannot be read: {reason(exc)}")


def _distinct_keys(pairs: list[tuple[str, Json]]) -> JsonObject:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key `{twice}` is there twice")
    return made


def _no_constants(name: str) -> NoReturn:
    raise ValueError(f"there is no {name} in JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_distinct_keys, parse_constant=_no_constants)
