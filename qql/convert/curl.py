"""curl commands → what they send: a method, a URL and a body."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from qql.records import NamedTuple

__all__ = ["Call", "CurlFault", "called"]


class CurlFault(ValueError):
    """What cannot be read of a curl command, and what to write instead."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Call(NamedTuple):
    """What curl would send. ``body`` is the text behind ``-d`` or ``--json``."""

    method: str
    url: str
    body: str | None


def called(words: list[str], stdin: str | None = None) -> Call:
    """What a command of these words sends; ``stdin`` is what stands in its here-document.

    Raises `CurlFault`.
    """
    given: dict[str, list[str]] = {"url": []}
    rest = iter(words[1:])
    for word in rest:
        _read_word(word, rest, given)
    if len(given["url"]) != 1:
        raise CurlFault("a curl command with one URL is required")
    data = given.get("data", []) + given.get("json", [])
    if len(data) > 1:
        raise CurlFault("the body is given twice", "one -d (or --json) holds it")
    body = _body(data[0], stdin, raw="raw" in given) if data else None
    return Call(given.get("request", ["GET" if body is None else "POST"])[-1], given["url"][0], body)


def _read_word(word: str, rest: Iterator[str], given: dict[str, list[str]]) -> None:
    """Reads one word of a curl command, and its value where it has one."""
    if not word.startswith("-") or word == "-":
        given["url"].append(word)
        return
    for name, value in _options(word):
        if name in _FLAGS:
            continue
        if name in _FILES:
            raise CurlFault(f"{name} of curl sends a file, which no statement does", _FILES[name])
        kind = _VALUES.get(name)
        if kind is None:
            raise CurlFault(f"the option {name} of curl is not read")
        found = next(rest, None) if value is None else value
        if found is None:
            raise CurlFault(f"the option {name} of curl lacks its value")
        given.setdefault("data" if kind == "raw" else kind, []).append(found)
        if kind == "raw":
            given["raw"] = []
        return


def _options(word: str) -> Iterator[tuple[str, str | None]]:
    """The options of one word, each with what stands behind it: ``--json=…``, ``-XPOST``, ``-sSX``."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        yield name, value if equals else None
        return
    for place, letter in enumerate(word[1:], 2):
        yield f"-{letter}", word[place:] or None


def _body(data: str, stdin: str | None, raw: bool) -> str:
    if raw or not data.startswith("@"):
        return data
    if data == "@-" and stdin is not None:
        return stdin
    where = "on the standard input" if data == "@-" else f"in the file {PurePath(data[1:]).name}"
    raise CurlFault(f"the body stands {where}", "give the JSON itself behind -d, or in a here-document")


_FLAGS = frozenset(
    {
        *("-s", "-S", "-k", "-i", "-v", "-L", "-f", "-g", "-#", "-N", "-4", "-6", "-q", "--silent"),
        *("--show-error", "--insecure", "--include", "--verbose", "--location", "--fail", "--fail-with-body"),
        *("--globoff", "--compressed", "--progress-bar", "--no-progress-meter", "--no-buffer", "--http1.1"),
        *("--http2", "--ipv4", "--ipv6", "--tcp-nodelay", "--disable", "--path-as-is"),
    }
)
"""Options of curl that change nothing of the request."""
_SNAPSHOT = "RESTORE SNAPSHOT 'URL' ON c restores from an address"
_FILES = dict.fromkeys(("-F", "--form", "-T", "--upload-file"), _SNAPSHOT)
_IGNORED = (
    *("-H", "--header", "-o", "--output", "-w", "--write-out", "-m", "--max-time", "--connect-timeout"),
    *("-A", "--user-agent", "-u", "--user", "-b", "--cookie", "-e", "--referer", "-x", "--proxy"),
    *("--cacert", "--cert", "--key", "--retry", "--retry-delay", "--resolve", "--oauth2-bearer"),
)
_VALUES = {
    **dict.fromkeys(("-X", "--request"), "request"),
    **dict.fromkeys(("-d", "--data", "--data-binary", "--data-ascii"), "data"),
    "--data-raw": "raw",
    "--json": "json",
    "--url": "url",
    **dict.fromkeys(_IGNORED, "ignored"),
}
"""Options of curl that have a value, by what it is for. Headers (an API key may be one) are not kept."""
