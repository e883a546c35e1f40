"""An array of objects, or objects over several lines → the text of each, read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

from qql.errors import QQLError, QQLExecutionError
from qql.late import late_pattern
from qql.session.row_files.lines import MAX_SKIPPED_BYTES, Lines
from qql.session.row_files.row import RowError

__all__ = ["json_array", "json_objects"]

Text = tuple[int, bytes | RowError]
"""The line that a value begins in, and its text, or why it has none."""


def json_array(lines: Lines) -> Iterator[Text]:
    """The values of an array. Raises `QQLExecutionError` where it cannot be read on."""
    text = _Pieces(lines)
    text.skip_space()
    text.forward(1)  # [
    text.skip_space()
    while text.head() != b"]":
        end = text.end_of_value()
        if isinstance(end, str):
            raise text.fault(end)
        yield text.line, text.take(end)
        text.skip_space()
        if text.head() == b",":
            text.forward(1)
            text.skip_space()
            if text.head() == b"]":
                raise text.fault("a comma, and no row after it")
        elif text.head() != b"]":
            raise text.fault("the array does not end" if not text.head() else "`,` or `]` is missing")
    text.forward(1)
    text.skip_space()
    if text.head():
        raise text.fault("there is text after the array")


def json_objects(lines: Lines) -> Iterator[Text]:
    """Objects, one after the other, over any number of lines.

    After an object that does not end, the next one is looked for where a line begins with ``{``. Raises
    `QQLExecutionError` where it cannot be told from objects inside, since lines are not indented.
    """
    text = _Pieces(lines)
    text.skip_space()
    text.look_for_indents()
    while text.head():
        line = text.line
        end: int | str = "a row has to be a JSON object" if text.head() != b"{" else text.end_of_value()
        if isinstance(end, int):
            yield line, text.take(end)
        else:
            if not text.indented:
                raise text.fault(end)
            yield line, RowError(end)
            text.skip_to_next_object()
        text.skip_space()


_STRING = rb'"(?:[^"\\\n]++|\\[^\n])*+"'
_OTHER = rb'[^{}\[\]"]++'


def _nested(opened: bytes, closed: bytes, *inside: bytes) -> bytes:
    return opened + b"(?:" + b"|".join((_OTHER, _STRING, *inside)) + b")*+" + closed


_LIST = _nested(rb"\[", rb"\]")
_FLAT = _nested(rb"\{", rb"\}", _LIST)
_LISTS = _nested(rb"\[", rb"\]", _LIST, _FLAT)
_OBJECT = late_pattern(_nested(rb"\{", rb"\}", _LISTS, _FLAT))
"""Objects as most rows are; `_end_by_depth` finds the end of what nests deeper."""
_TOKEN = late_pattern(_STRING + rb'|[{}\[\]"]')
_WHOLE_STRING = late_pattern(_STRING)
_SCALAR = late_pattern(rb'[^\s,{}\[\]"]+')
_SPACE = late_pattern(rb"[ \t\r\n]*")
_TOO_DEEP = 10_000  # levels at which the end of a value is not looked for any further
_UNINDENTED = late_pattern(rb"\n\{")
_INDENTS = late_pattern(rb"\{[^\n]*\n[ \t]")


class _Pieces:
    """A text of which a part is held: from where reading stands, ``at``, to what was read last.

    ``line`` is the line of ``at``. ``indented`` says that only rows begin with ``{`` at a line's beginning.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._held = b""
        self._at = 0
        self._ended = False
        self.line = lines.number + 1
        self.indented = False

    # -- moving on

    def head(self) -> bytes:
        """The byte that comes next; empty at the end."""
        while self._at >= len(self._held) and self._more():
            pass
        return self._held[self._at : self._at + 1]

    def forward(self, count: int) -> None:
        """Go on by some bytes that are there."""
        self.line += self._held.count(b"\n", self._at, self._at + count)
        self._at += count

    def take(self, end: int) -> bytes:
        """The text up to the place that `end_of_value` gave."""
        taken = self._held[self._at : end]
        self.forward(end - self._at)
        return taken

    def skip_space(self) -> None:
        """Go to what is no space."""
        while True:
            space = _SPACE.match(self._held, self._at)
            self.forward(space.end() - self._at if space else 0)
            if self._at < len(self._held) or not self._more():
                return

    def look_for_indents(self) -> None:
        """Find out whether what is inside of the first object is indented."""
        while self._held.count(b"\n", self._at) < 2 and len(self._held) < 1 << 20 and self._more():
            pass
        self.indented = _INDENTS.match(self._held, self._at) is not None

    def skip_to_next_object(self) -> None:
        """Go to where the next object begins at the beginning of a line."""
        left = MAX_SKIPPED_BYTES
        while not (found := _UNINDENTED.search(self._held, self._at)):
            behind = len(self._held) - 1 if self._held.endswith(b"\n") else len(self._held)
            left -= behind - self._at
            self.forward(behind - self._at)
            if left < 0:
                raise self.fault(f"no object begins in the next {MAX_SKIPPED_BYTES >> 20} MiB")
            if not self._more():
                self.forward(len(self._held) - self._at)
                return
        self.forward(found.start() + 1 - self._at)

    def fault(self, why: str) -> QQLError:
        """The error for a text that cannot be read on."""
        return QQLExecutionError.make(
            "file-format",
            f"{self._lines.path}, line {self.line}: {why}; nothing after it can be read",
            hint="a file with one object a line can be read on after a row at fault",
        )

    # -- values

    def end_of_value(self) -> int | str:
        """Where the value ends that begins here, or why it does not."""
        while True:
            end = self._end()
            if self.indented and (at := self._next_row(end)) is not None:
                line = self.line + self._held.count(b"\n", self._at, at)
                return f"not JSON: the object does not end before the next one begins (line {line})"
            if end is not None:
                return end
            if len(self._held) - self._at > self._lines.max_bytes:
                return self._lines.too_long("row that begins here")
            if not self._more():
                return "not JSON: the row that begins here does not end"

    def _next_row(self, end: int | str | None) -> int | None:
        """Where the next row begins, if that is inside of this one."""
        found = _UNINDENTED.search(self._held, self._at, end if isinstance(end, int) else len(self._held))
        return found.end() if found else None

    def _end(self) -> int | str | None:
        """Where the value ends; None where the end is not held; or why there is none."""
        first = self._held[self._at : self._at + 1]
        if first in (b"{", b"["):
            found = _OBJECT.match(self._held, self._at)
            return found.end() if found else self._end_by_depth()
        if first == b'"':
            found = _WHOLE_STRING.match(self._held, self._at)
            return found.end() if found else self._open_string(self._at)
        found = _SCALAR.match(self._held, self._at)
        if found is None:
            return "not JSON: a row is missing" if first else None
        return found.end() if found.end() < len(self._held) or self._ended else None

    def _end_by_depth(self) -> int | str | None:
        depth = 0
        for token in _TOKEN.finditer(self._held, self._at):
            match token[0]:
                case b"{" | b"[":
                    depth += 1
                    if depth > _TOO_DEEP:
                        return "nested far too deep"
                case b"}" | b"]":
                    depth -= 1
                    if not depth:
                        return token.end()
                case b'"':
                    return self._open_string(token.start())
        return None

    def _open_string(self, at: int) -> str | None:
        """Of a quote without its second: why it has none; None where that may come."""
        return "not JSON: a text does not end on its line" if self._held.find(b"\n", at) >= 0 else None

    def _more(self) -> bool:
        """Read on; whether there was anything."""
        if self._ended:
            return False
        pieces = [self._held[self._at :]]
        wanted = (
            len(pieces[0]) if len(pieces[0]) > 1 << 20 else 1
        )  # a long value is not searched anew too often
        while wanted > 0:
            piece = self._lines.rest()
            if not piece:
                self._ended = True
                break
            pieces.append(piece)
            wanted -= len(piece)
        self._held = b"".join(pieces)
        self._at = 0
        return len(pieces) > 1
