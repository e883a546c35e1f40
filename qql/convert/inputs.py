"""What a caller has (text, curl, JSON, objects of qdrant-client) → requests."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from qql.compiler.python_values import NoJson, jsonified
from qql.convert.shapes import refusal
from qql.errors import Diagnostic, QQLSyntaxError, Source, Span
from qql.rest.request import BODY_MODELS, Request, collection_path
from qql.rest.types import Body, Json, JsonObject

__all__ = ["MAX_DEPTH", "Hints", "read_all"]

MAX_DEPTH = 400
"""Levels of JSON; what nests deeper, no statement can say."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a caller says beside a body. What the request itself says goes before it."""

    method: str | None = None
    path: str | None = None
    collection: str | None = None


def read_all(given: Json, hints: Hints, name: str = "<request>") -> list[Request]:
    """The requests in what is given: text with one or several, or a list, dict, `Request` or model.

    Raises `QQLSyntaxError` (``malformed-request``) for text that is no request, and `QQLPlanError`
    (``cannot-convert``) where it does not say which request a body belongs to.
    """
    if isinstance(given, (bytes, bytearray)):
        given = given.decode("utf-8", "replace")
    if isinstance(given, str):
        return [_request(one, hints) for one in _Text(given, name).requests()]
    if isinstance(given, Sequence):
        return [_request(one, hints) for one in given]
    return [_request(given, hints)]


def _request(given: Json, hints: Hints) -> Request:
    """One request. Raises `QQLPlanError`."""
    if isinstance(given, Request):
        body = None if given.body is None else _plain(given.body)
        return Request(given.method.upper(), given.path, dict(given.query), body)
    if hasattr(given, "model_dump"):
        return _of_model(given, hints)
    if not isinstance(given, Mapping):
        what = type(given).__name__
        raise refusal(
            "the request", f"a request, its JSON or an object of qdrant-client is required, not {what}"
        )
    found = _plain(given)
    if "method" not in found or "path" not in found:
        return _of_body(found, hints)
    unknown = next((key for key in found if key not in ("method", "path", "query", "body")), None)
    if unknown is not None:
        raise refusal(unknown, "a request has the keys method, path, query and body")
    return _located(found["method"], found["path"], found.get("body"), found.get("query") or {})


def _located(method: Json, path: Json, body: Json, query: Json = None) -> Request:
    """A request by method and path (or whole URL), whose query string may stand in the path."""
    if not isinstance(method, str) or not isinstance(path, str):
        raise refusal("method, path", "texts are required")
    if not isinstance(query or {}, dict):
        raise refusal("query", "an object with the parameters of the URL is required")
    if body is not None and not isinstance(body, dict):
        raise refusal("body", "an object is required")
    own, found = _split(path)
    return Request(method.upper(), own, {**found, **(query or {})}, body)


_FIRST = re.compile(r"/(?:collections|aliases|quotas)(?:[/?#]|\Z)")


def _split(url: str) -> tuple[str, dict[str, str]]:
    """The path of a URL from Qdrant's own part on, and its parameters."""
    if not url.startswith("/"):
        url = url.partition("://")[2] or url
        url = "/" + url.partition("/")[2]  # without the host, whatever it is
    first = _FIRST.search(url)
    parts = urlsplit(url[first.start() :] if first else url, allow_fragments=True)
    return parts.path.rstrip("/") or "/", dict(parse_qsl(parts.query, keep_blank_values=True))


# ------------------------------------------------------------------------------------ bodies alone


def _of_body(body: JsonObject, hints: Hints) -> Request:
    if hints.path is not None:
        return _located(hints.method or "POST", hints.path, body)
    route = _guess(body)
    if route is None:
        how = "give method= and path= (--method, --path)"
        raise refusal("the body", "it does not say which request it belongs to", how)
    return _at(route, body, hints)


def _at(route: tuple[str, str], body: JsonObject | None, hints: Hints) -> Request:
    method, rest = route
    if rest.startswith("/"):
        return Request(hints.method or method, rest, {}, body)
    if hints.collection is None:
        how = "give collection= (--collection), or the path of the request"
        raise refusal("the request", "it does not say which collection it is for", how)
    if rest.endswith("/*"):
        raise refusal("the request", "its path names a vector", "give path=")
    return Request(hints.method or method, collection_path(hints.collection, *filter(None, [rest])), {}, body)


_TELLING: Mapping[str, tuple[str, str]] = {
    "group_by": ("POST", "points/query/groups"),
    "searches": ("POST", "points/query/batch"),
    "operations": ("POST", "points/batch"),
    "actions": ("POST", "/collections/aliases"),
    "batch": ("PUT", "points"),
    "ids": ("POST", "points"),
    "field_name": ("PUT", "index"),
    "field_schema": ("PUT", "index"),
    "location": ("PUT", "snapshots/recover"),
    "keys": ("POST", "points/payload/delete"),
    "query": ("POST", "points/query"),
    "prefetch": ("POST", "points/query"),
    "order_by": ("POST", "points/scroll"),
    "wal_config": ("PUT", ""),
    "shard_number": ("PUT", ""),
    "sharding_method": ("PUT", ""),
}
"""Keys that one route's bodies have alone, or that tell enough beside others."""


def _guess(body: Body) -> tuple[str, str] | None:
    """The route that a body belongs to; None where its keys fit several."""
    for key, route in _TELLING.items():
        if key in body:
            return route
    points, vectors = body.get("points"), body.get("vectors")
    if isinstance(points, list) and points and all(isinstance(p, dict) for p in points):
        return ("PUT", "points") if any("payload" in p for p in points) else None
    if isinstance(vectors, dict):
        sized = "size" in vectors or any(isinstance(v, dict) and "size" in v for v in vectors.values())
        return ("PUT", "") if sized else ("PATCH", "")
    if "vector" in body and body.keys() & {"points", "filter"} and isinstance(body["vector"], list):
        return ("POST", "points/vectors/delete")
    if "key" in body and "payload" not in body:
        return ("POST", "facet")
    return None


_AMBIGUOUS = frozenset({"PointIdsList", "FilterSelector", "SetPayload"})
"""Models that are the body of several requests."""


_AS_SENT: JsonObject = {"mode": "json", "by_alias": True, "exclude_none": True, "exclude_unset": True}
"""How qdrant-client's models become JSON. What they set by themselves is what Qdrant does by itself."""


def _of_model(given: Json, hints: Hints) -> Request:
    """The request of an object of ``qdrant_client.models``."""
    name = type(given).__name__
    body = _plain(given.model_dump(**_AS_SENT))
    if hints.path is not None:
        return _of_body(body, hints)
    if name in _AMBIGUOUS:
        routes = [f"{method} …/{rest}" for (method, rest), names in BODY_MODELS.items() if name in names]
        raise refusal(
            "the request", f"{name} is the body of {' and '.join(routes)}", "give method= and path="
        )
    route = next((route for route, names in BODY_MODELS.items() if name in names), None)
    if route is None:
        raise refusal("the request", f"{name} is the body of no request that QQL knows")
    return _at(route, body, hints)


def _plain(value: Json, level: int = 0) -> Json:
    """The value as JSON: tuples, arrays, UUIDs, dates, enums and models of qdrant-client as what they say."""
    if level > MAX_DEPTH:
        raise refusal("the request", f"it nests deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        if wrong is not None:
            raise refusal("the request", f"the key {wrong!r} is no text")
        return {key: _plain(item, level + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, level + 1) for item in value]
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "model_dump"):
        return _plain(value.model_dump(**_AS_SENT), level + 1)
    try:
        found = jsonified(value)
    except NoJson as exc:
        raise refusal("the request", str(exc), exc.hint) from None
    return _plain(found, level + 1)


# ------------------------------------------------------------------------------------ text

_METHODS = "GET|PUT|POST|PATCH|DELETE|HEAD|OPTIONS"
_CONSOLE = re.compile(rf"(?P<method>{_METHODS})[ \t]+(?P<path>\S+)(?:[ \t]+HTTP/[\d.]+)?[ \t]*(?:\n|\Z)")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*:[^\n]*(?:\n|\Z)")
_BLANK = re.compile(r"(?:\s+|(?:#|//)[^\n]*(?:\n|\Z)|```[^\n]*(?:\n|\Z)|[;,])*")
_CURL = re.compile(r"(?:\$[ \t]+)?curl(?:\.exe)?(?=[\s])")


class _Text:
    """Text with requests one behind the other: JSON, console style (``POST /path`` and JSON), or curl."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.name = name
        self.decoder = json.JSONDecoder(parse_constant=_no_number, object_pairs_hook=_once)

    def fail(self, message: str, at: int, hint: str | None = None) -> QQLSyntaxError:
        source = Source(self.text, self.name)
        span = Span(min(at, len(self.text)), min(at + 1, len(self.text)))
        return QQLSyntaxError(Diagnostic("malformed-request", message, span, hint, source=source))

    def requests(self) -> Iterator[Any]:
        pos, found = self.skip(0), False
        while pos < len(self.text):
            found = True
            if self.text[pos] in "{[":
                value, pos = self.json(pos)
                yield from value if isinstance(value, list) else [value]
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
        match = _BLANK.match(self.text, pos)
        return match.end() if match else pos

    def json(self, pos: int) -> tuple[Json, int]:
        try:
            return self.decoder.raw_decode(self.text, pos)
        except json.JSONDecodeError as exc:
            raise self.fail(f"this is no JSON: {exc.msg}", exc.pos) from exc
        except _BadJson as exc:
            raise self.fail(str(exc), pos) from exc
        except RecursionError as exc:
            raise refusal("the request", f"it nests deeper than {MAX_DEPTH} levels") from exc

    def console(self, line: re.Match[str]) -> tuple[Request, int]:
        pos, body = line.end(), None
        while header := _HEADER.match(self.text, pos):
            pos = header.end()
        following = self.skip(pos)
        if self.text.startswith("{", following):
            body, pos = self.json(following)
        return _located(line["method"], line["path"], body), pos

    def curl(self, pos: int) -> tuple[Request, int]:
        words, end = self.command(pos)
        return self.called(words, pos), end

    def command(self, pos: int) -> tuple[list[str], int]:
        """The words of a shell command, and its end: the first newline outside of quotes."""
        out: list[str] = []
        quote, at, text = "", pos, self.text
        while at < len(text):
            char = text[at]
            if char == "\\" and quote != "'":
                pair = text[at : at + 2]
                if len(pair) < 2:
                    raise self.fail("nothing follows this backslash", at)
                out.append("" if pair == "\\\n" else pair)
                at += 2
                continue
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                if text[at - 1] == "$":
                    raise self.fail("quotes of the form $'…' are not read", at - 1, "use plain quotes")
                quote = char
            elif char in "\n;|&<>":
                break
            out.append(char)
            at += 1
        if quote:
            raise self.fail("this quote is never closed", pos)
        if text[at : at + 2] == "<<":
            raise self.fail("a here-document is not read", at, "give the JSON behind -d in quotes")
        if text[at : at + 1] in ("|", "&", "<", ">"):
            raise self.fail("one command is read, without pipes and redirections", at)
        return shlex.split("".join(out)), at

    def called(self, words: list[str], pos: int) -> Request:
        """The request of a curl command."""
        given: dict[str, list[str]] = {"url": []}
        rest = iter(words[words.index(next(w for w in words if w.startswith("curl"))) + 1 :])
        for word in rest:
            self.option(word, rest, given, pos)
        if len(given["url"]) != 1:
            raise self.fail("a curl command with one URL is required", pos)
        data = given.get("data", []) + given.get("json", [])
        if len(data) > 1:
            raise self.fail("the body is given twice", pos, "one -d (or --json) holds it")
        body = self.inline(data[0], pos) if data else None
        method = given.get("request", ["POST" if data else "GET"])[-1]
        return _located(method, given["url"][0], body)

    def option(self, word: str, rest: Iterator[str], given: dict[str, list[str]], pos: int) -> None:
        """Reads one word of a curl command, and its value where it has one."""
        if not word.startswith("-") or word == "-":
            given["url"].append(word)
            return
        name, value = word, None
        if word.startswith("--"):
            name, equals, tail = word.partition("=")
            value = tail if equals else None
        elif len(word) > 2:
            if all(f"-{letter}" in _FLAGS for letter in word[1:]):
                return
            name, value = word[:2], word[2:]
        if name in _FLAGS:
            return
        kind = _VALUES.get(name)
        if kind is None:
            raise self.fail(f"the option {name} of curl is not read", pos)
        value = next(rest, None) if value is None else value
        if value is None:
            raise self.fail(f"the option {name} of curl lacks its value", pos)
        given.setdefault(kind, []).append(value)

    def inline(self, data: str, pos: int) -> Json:
        if data.startswith("@"):
            raise self.fail("the body stands in a file", pos, "give the JSON itself behind -d")
        try:
            value, end = self.decoder.raw_decode(data.strip())
        except (json.JSONDecodeError, _BadJson) as exc:
            raise self.fail(f"the body of this command is no JSON: {exc}", pos) from exc
        except RecursionError as exc:
            raise refusal("the request", f"it nests deeper than {MAX_DEPTH} levels") from exc
        if end != len(data.strip()):
            raise self.fail("something stands behind the JSON of this command", pos)
        return value


_FLAGS = frozenset(
    {
        *(
            "-s",
            "-S",
            "-k",
            "-i",
            "-v",
            "-L",
            "-f",
            "-g",
            "-#",
            "-N",
            "--silent",
            "--show-error",
            "--insecure",
        ),
        *("--include", "--verbose", "--location", "--fail", "--fail-with-body", "--globoff", "--compressed"),
        *("--progress-bar", "--no-progress-meter", "--no-buffer", "--http1.1", "--http2"),
    }
)
"""Options of curl that change nothing of the request."""
_IGNORED = (
    *("-H", "--header", "-o", "--output", "-w", "--write-out", "-m", "--max-time", "--connect-timeout"),
    *("-A", "--user-agent", "-u", "--user", "-b", "--cookie", "-e", "--referer", "-x", "--proxy"),
    *("--cacert", "--cert", "--key", "--retry", "--resolve"),
)
_VALUES = {
    **dict.fromkeys(("-X", "--request"), "request"),
    **dict.fromkeys(("-d", "--data", "--data-raw", "--data-binary", "--data-ascii"), "data"),
    "--json": "json",
    "--url": "url",
    **dict.fromkeys(_IGNORED, "ignored"),
}
"""Options of curl that have a value, by what it is for. Headers (an API key may be one) are not kept."""


class _BadJson(ValueError):
    """What Python's JSON reader would take, and JSON does not."""


def _no_number(word: str) -> Json:
    raise _BadJson(f"{word} is no number of JSON")


def _once(pairs: list[tuple[str, Json]]) -> JsonObject:
    found: JsonObject = {}
    for key, value in pairs:
        if key in found:
            raise _BadJson(f"the key {json.dumps(key)} stands twice in one object")
        found[key] = value
    return found
