"""Text with requests one behind the other: JSON, console style (``POST /path`` and JSON), curl, Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qql.convert.curl import CurlFault, called
from qql.convert.loose_json import MAX_DEPTH, JsonFault, Read, read_json
from qql.convert.markdown import only_requests
from qql.convert.shell import ShellFault, read_command
from qql.errors import Diagnostic, QQLSyntaxError, Source, Span
from qql.late import late_pattern
from qql.records import NamedTuple
from qql.rest.shapes import refusal
from qql.rest.types import Json

__all__ = ["Written", "written"]

_METHODS = "GET|PUT|POST|PATCH|DELETE|HEAD|OPTIONS"
_CONSOLE = late_pattern(
    rf"(?P<method>{_METHODS})[ \t]+(?P<path>\S+)(?:[ \t]+HTTP/[\d.]+)?[ \t]*(?:(?:#|//)[^\n]*)?(?:\n|\Z)"
)
_HEADER = late_pattern(r"[A-Za-z][A-Za-z0-9-]*:[^\n]*(?:\n|\Z)")
_BLANK = late_pattern(r"(?:\s+|(?:#|//)[^\n]*(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*\*/|[;,]|&&|\|\|)*")
_KEY = late_pattern(r"(api[-_]?key['\"]?[ \t]*[:=][ \t]*|bearer[ \t]+|(?:-u|--user)[ \t=]+)([^\s'\"]+)", re.I)
"""What no message may show of a text."""
_CURL = late_pattern(r"(?:\$[ \t]+)?(?=curl(?:\.exe)?\s)")


class Written(NamedTuple):
    """One request of a text. ``method`` and ``path`` are None where it is JSON alone.

    ``span`` is the line by which a request is known, ``left_out`` are the places where its JSON says ``...``.
    """

    method: str | None
    path: str | None
    body: Json
    span: Span
    source: Source
    left_out: tuple[str, ...] = ()


def written(text: str, name: str) -> Iterator[Written]:
    """The requests of a text. Raises `QQLSyntaxError` (``malformed-request``), and `QQLPlanError`."""
    return _Text(text, name).requests()


def _begins(text: str) -> bool:
    """Whether a text begins with a request that says which it is."""
    start = _end(_BLANK, text, 0)
    return bool(_CONSOLE.match(text, start) or _CURL.match(text, start))


def _end(pattern: re.Pattern[str], text: str, pos: int) -> int:
    found = pattern.match(text, pos)
    return found.end() if found else pos


class _Text:
    def __init__(self, text: str, name: str) -> None:
        given = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.source = Source(_KEY.sub(lambda found: found[1] + "*" * len(found[2]), given), name)
        self.text = only_requests(given, _begins)

    def fail(self, message: str, at: int, hint: str | None = None) -> QQLSyntaxError:
        span = Span(min(at, len(self.text)), min(at + 1, len(self.text)))
        return QQLSyntaxError(Diagnostic("malformed-request", message, span, hint, source=self.source))

    def requests(self) -> Iterator[Written]:
        pos, found = self.skip(0), False
        while pos < len(self.text):
            found = True
            if self.text[pos] in "{[":
                read = self.json(pos)
                several = read.value if isinstance(read.value, list) else [read.value]
                yield from (Written(None, None, one, *self.at(pos), read.left_out) for one in several)
                pos = read.end
            elif line := _CONSOLE.match(self.text, pos):
                request, pos = self.console(line)
                yield request
            elif _CURL.match(self.text, pos):
                request, pos = self.curl(pos)
                yield request
            else:
                hint = "a request begins with {, with POST /collections/docs/points/query, or with curl"
                raise self.fail("this is no request", pos, hint)
            pos = self.skip(pos)
        if not found:
            raise self.fail("there is no request", 0)

    def skip(self, pos: int) -> int:
        return _end(_BLANK, self.text, pos)

    def at(self, pos: int) -> tuple[Span, Source]:
        """A place in the text: the line that begins there."""
        end = self.text.find("\n", pos)
        return Span(pos, len(self.text) if end < 0 else end), self.source

    def json(self, pos: int) -> Read:
        try:
            return read_json(self.text, pos)
        except JsonFault as exc:
            raise self.fail(str(exc), exc.at) from exc
        except RecursionError as exc:
            raise refusal("the request", f"it nests deeper than {MAX_DEPTH} levels") from exc

    def console(self, line: re.Match[str]) -> tuple[Written, int]:
        pos, read = line.end(), Read(None, 0)
        while header := _HEADER.match(self.text, pos):
            pos = header.end()
        following = self.skip(pos)
        if self.text.startswith("{", following):
            read = self.json(following)
            pos = read.end
        return Written(line["method"], line["path"], read.value, *self.at(line.start()), read.left_out), pos

    def curl(self, pos: int) -> tuple[Written, int]:
        try:
            command = read_command(self.text, _end(_CURL, self.text, pos))
            call = called(command.words, command.stdin)
        except ShellFault as exc:
            raise self.fail(str(exc), exc.at, exc.hint) from exc
        except CurlFault as exc:
            raise self.fail(str(exc), pos, exc.hint) from exc
        read = Read(None, 0) if call.body is None else self.inline(call.body, pos)
        return Written(call.method, call.url, read.value, *self.at(pos), read.left_out), command.end

    def inline(self, data: str, pos: int) -> Read:
        try:
            read = read_json(data, len(data) - len(data.lstrip()))
        except JsonFault as exc:
            raise self.fail(f"the body of this command is no JSON: {exc}", pos) from exc
        except RecursionError as exc:
            raise refusal("the request", f"it nests deeper than {MAX_DEPTH} levels") from exc
        if data[read.end :].strip():
            raise self.fail("something stands behind the JSON of this command", pos)
        return read
