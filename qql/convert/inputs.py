"""What a caller has (text, JSON, objects of qdrant-client) → requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from urllib.parse import parse_qsl, urlsplit

from qql.compiler.python_values import AS_SENT, NoJson, bare, jsonified
from qql.convert.loose_json import MAX_DEPTH, fits
from qql.convert.texts import Written, written
from qql.errors import QQLCompileError, Source, Span, shown
from qql.late import late_pattern
from qql.records import dataclass
from qql.rest.request import BODY_MODELS, Request, collection_path
from qql.rest.shapes import refusal
from qql.rest.types import Body, Json, JsonObject

__all__ = ["Found", "Hints", "read_all"]


@dataclass(frozen=True, slots=True)
class Hints:
    """What a caller says beside a body. What the request itself says goes before it."""

    method: str | None = None
    path: str | None = None
    collection: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One request of what was given: where it stands, and the places at which its text says ``...``."""

    request: Request
    span: Span | None = None
    source: Source | None = None
    left_out: tuple[str, ...] = ()

    def placed(self, error: QQLCompileError) -> QQLCompileError:
        """An error about this request, with its place where the error knows none."""
        if self.source is None or any(one.source for one in error.diagnostics):
            return error
        moved = error.at(self.source, self.span)
        assert isinstance(moved, QQLCompileError)
        return moved


def read_all(given: Json, hints: Hints, name: str = "<request>") -> Iterator[Found]:
    """The requests in what is given: text with one or several, or a list, dict, `Request` or model.

    Raises `QQLSyntaxError` (``malformed-request``) for text that is no request, and `QQLPlanError`
    (``cannot-convert``) where it does not say which request a body belongs to.
    """
    if isinstance(given, (bytes, bytearray)):
        given = given.decode("utf-8", "replace")
    if isinstance(given, str):
        yield from (_found(one, hints) for one in list(written(given, name)))
    elif isinstance(given, Sequence):
        yield from (Found(_request(one, hints)) for one in given)
    else:
        yield Found(_request(given, hints))


def _found(one: Written, hints: Hints) -> Found:
    place = Found(Request("", ""), one.span, one.source)
    try:
        alone = one.path is None
        request = _request(one.body, hints) if alone else _located(one.method, one.path, one.body)
    except QQLCompileError as exc:
        raise place.placed(exc) from exc
    return Found(request, place.span, place.source, one.left_out)


def _request(given: Json, hints: Hints) -> Request:
    """One request. Raises `QQLPlanError`."""
    if isinstance(given, Request):
        body = None if given.body is None else _plain(given.body)
        return Request(given.method.upper(), "/" + given.path.lstrip("/"), dict(given.query), body)
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


_FIRST = late_pattern(
    r"/(?:collections|aliases|quotas|snapshots|cluster|telemetry|metrics|locks|issues)(?:[/?#]|\Z)"
)


def _split(url: str) -> tuple[str, dict[str, str]]:
    """The path of a URL from Qdrant's own part on, and its parameters."""
    if "://" not in url and _FIRST.match(f"/{url}"):
        url = f"/{url}"  # as the console of Qdrant's web interface takes it
    elif not url.startswith("/"):
        url = url.partition("://")[2] or url
        url = "/" + url.partition("/")[2]  # without the host, whatever it is
    first = _FIRST.search(url)
    try:
        parts = urlsplit(url[first.start() :] if first else url, allow_fragments=True)
    except ValueError as exc:
        raise refusal("path", f"{shown(url)} is no address: {exc}") from exc
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
    "positive": ("POST", "points/recommend"),
    "negative": ("POST", "points/recommend"),
    "target": ("POST", "points/discover"),
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
    if "vector" in body and body.keys() & {"limit", "top"}:
        return ("POST", "points/search")
    if "vector" in body and body.keys() & {"points", "filter"} and isinstance(body["vector"], list):
        return ("POST", "points/vectors/delete")
    if "key" in body and "payload" not in body:
        return ("POST", "facet")
    return None


_AMBIGUOUS = frozenset({"PointIdsList", "FilterSelector", "SearchMatrixRequest", "SetPayload"})
"""Models that are the body of several requests."""


def _of_model(given: Json, hints: Hints) -> Request:
    """The request of an object of ``qdrant_client.models``."""
    name = type(given).__name__
    body = _plain(given.model_dump(**AS_SENT))
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
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, (int, float)) and not fits(value):
        raise refusal("the request", f"{shown(value)} does not fit 64 bits, or is no number")
    if value is None or isinstance(value, (int, float, str)):
        return value if value is None else bare(value)
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        if wrong is not None:
            raise refusal("the request", f"the key {shown(wrong)} is no text")
        return {key: _plain(item, level + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, level + 1) for item in value]
    try:
        found = jsonified(value)
    except NoJson as exc:
        raise refusal("the request", str(exc), exc.hint) from None
    return _plain(found, level + 1)
