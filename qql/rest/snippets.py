"""A request as text that others run: a command for curl, a program for qdrant-client.

Both are laid out as a person writes them: a value that fits into a line stays on one, a longer one gets
a line for each of its parts, and a list of numbers is never broken.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from keyword import iskeyword
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from qql.errors import QQLConnectionError, QQLError, QQLPlanError

if TYPE_CHECKING:
    from inspect import Parameter

    from pydantic import BaseModel

__all__ = ["curl", "python"]

_WIDTH = 88  # what most formatters break lines at
_ARGUMENT = 100_000  # bytes; Linux takes 128 KiB for one argument of a command
_HEIGHT = 40  # brackets in brackets; Python's parser takes 200
_PORT = 6333


# --- layout -----------------------------------------------------------------------------------------------


class _Group:
    """Brackets around items, each with what stands before it (a key, a parameter's name, or nothing)."""

    __slots__ = ("close", "height", "items", "open", "width")

    def __init__(self, opening: str, items: list[tuple[str, _Node]], closing: str) -> None:
        self.open, self.items, self.close = opening, items, closing
        inner = sum(len(lead) + _width(item) + 2 for lead, item in items)
        self.width = len(opening) + max(0, inner - 2) + len(closing)
        self.height = 1 + max((_height(item) for _, item in items), default=0)


_Node = str | _Group


def _width(node: _Node) -> int:
    return len(node) if isinstance(node, str) else node.width


def _height(node: _Node) -> int:
    return 0 if isinstance(node, str) else node.height


def _flat(node: _Node) -> str:
    if isinstance(node, str):
        return node
    return node.open + ", ".join([lead + _flat(item) for lead, item in node.items]) + node.close


def _laid_out(node: _Node, step: int, comma: str, indent: int = 0, column: int = 0) -> str:
    """The text of a node that starts at ``column``; ``comma`` stands behind the last of several lines."""
    if isinstance(node, str) or not node.items or column + node.width < _WIDTH:
        return _flat(node)
    inner = indent + step
    lines = [
        f"{' ' * inner}{lead}{_laid_out(item, step, comma, inner, inner + len(lead))}"
        for lead, item in node.items
    ]
    return f"{node.open}\n" + ",\n".join(lines) + f"{comma}\n{' ' * indent}{node.close}"


def _data(value: Any, scalar: Callable[[Any], str]) -> _Node:
    """JSON data, in the language that ``scalar`` writes the strings and constants of."""
    if isinstance(value, dict):
        return _Group("{", [(_key(key, scalar), _data(item, scalar)) for key, item in value.items()], "}")
    if isinstance(value, list | tuple):
        return _numbers(value) or _Group("[", [("", _data(item, scalar)) for item in value], "]")
    return scalar(value)


def _key(key: Any, scalar: Callable[[Any], str]) -> str:
    if not isinstance(key, str):
        raise _not_json(f"the key {key!r} is no string")
    return f"{scalar(key)}: "


def _numbers(value: Any) -> str | None:
    """A list of finite numbers as text, which JSON and Python write alike; None for other lists."""
    plain = value and all(type(item) is float or type(item) is int for item in value)
    return repr(list(value)) if plain and all(map(_finite, value)) else None


def _finite(number: float) -> bool:
    return isinstance(number, int) or math.isfinite(number)


def _number(value: Any) -> str:
    """Digits that give the same number again. Raises `QQLPlanError` (``invalid-value``) for what is none."""
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float) and math.isfinite(value):
        return float.__repr__(value)
    if isinstance(value, float):
        raise _not_json(f"{value} is no number that JSON has")
    raise _not_json(f"a {type(value).__name__} is no JSON value")


def _not_json(why: str) -> QQLError:
    return QQLPlanError.make("invalid-value", f"the request cannot be written as JSON: {why}")


def _too_deep() -> QQLError:
    return QQLPlanError.make("too-deep", "the body nests deeper than the call stack has room for")


# --- addresses --------------------------------------------------------------------------------------------


def _base(url: str) -> str:
    """An address with its port, without a slash at the end.

    Raises `QQLConnectionError` (``invalid-url``).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORT
    except ValueError as exc:
        raise _bad_url("cannot be read") from exc
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.:%-]+", host):
        raise _bad_url("requires http:// or https:// and a host")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise _bad_url("holds more than a host, a port and a path")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}:{port}{quote(unquote(parts.path.rstrip('/')))}"


def _bad_url(why: str) -> QQLError:  # the address stays unsaid: there might be a password in it
    return QQLConnectionError.make("invalid-url", f"the address {why}", hint="e.g. http://localhost:6333")


def _segments(path: str) -> list[str]:
    """The decoded parts of a path. Raises `QQLPlanError` (``invalid-name``) for dots alone."""
    segments = [unquote(segment) for segment in path.strip("/").split("/")]
    if "." in segments or ".." in segments:
        raise QQLPlanError.make("invalid-name", f"`.` and `..` cannot be names in a path: {path}")
    return segments


def _require_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        message = f"an environment variable's name requires letters, digits and underscores, not {name!r}"
        raise QQLPlanError.make("invalid-name", message)
    return name


# --- curl -------------------------------------------------------------------------------------------------

_CONSTANTS = {True: "true", False: "false"}
_UNSHOWN = re.compile(r"[^\x20-\x7e]")


def curl(
    method: str,
    path: str,
    query: Mapping[str, Any],
    body: Mapping[str, Any] | None,
    *,
    url: str,
    api_key_variable: str | None,
) -> str:
    """A command for a POSIX shell that sends a request; see `qql.request.Request.curl`."""
    given = {key: _parameter(value) for key, value in query.items() if value is not None}
    try:
        address = _base(url) + "/" + "/".join(quote(segment, safe="") for segment in _segments(path))
        if given:
            address += "?" + urlencode(given, quote_via=quote, safe="")
    except UnicodeEncodeError as exc:
        raise QQLPlanError.make("invalid-value", f"the address cannot be sent: {exc.reason}") from exc
    words = [f"curl -X {_quoted(method)} {_shell(address)}"]
    if api_key_variable is not None:
        words.append(f'-H "api-key: ${{{_require_variable(api_key_variable)}}}"')
    if body is None:
        return " \\\n  ".join(words)
    words.append("-H 'Content-Type: application/json'")
    try:
        text = _shell(_laid_out(_data(body, _json_scalar), 2, "", column=len("  -d '")))
    except RecursionError as exc:
        raise _too_deep() from exc
    if len(text.encode()) < _ARGUMENT:
        return " \\\n  ".join([*words, f"-d {text}"])
    # `printf` is part of the shell, so no system's limit for arguments holds for it.
    return f"printf '%s' {text} |\n" + " \\\n  ".join([*words, "--data-binary @-"])


def _parameter(value: Any) -> str:
    return _CONSTANTS[value] if isinstance(value, bool) else str(value)


def _shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _quoted(word: str) -> str:
    return word if word.isalpha() and word.isascii() else _shell(word)


def _json_scalar(value: Any) -> str:
    if isinstance(value, str):
        return _UNSHOWN.sub(_visible, json.dumps(value, ensure_ascii=False))
    if isinstance(value, bool):
        return _CONSTANTS[value]
    return "null" if value is None else _number(value)


def _visible(match: re.Match[str]) -> str:
    """A character as it is, or as JSON's escape where it cannot be seen (or be written in UTF-8)."""
    character = match.group()
    return character if character.isprintable() else json.dumps(character)[1:-1]


# --- qdrant-client ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Call:
    """How a route is called: ``low`` by a method below ``client.http``, and ``high`` by one of the client.

    ``whole`` is the argument of ``high`` that takes the whole body. ``unsaid`` are arguments whose default
    in Python is not the server's; they say the server's where the request says nothing.
    """

    low: str
    high: str | None
    whole: str | None = None
    unsaid: Mapping[str, Any] = field(default_factory=dict)


def _write(low: str, high: str, whole: str | None = None) -> _Call:
    return _Call(low, high, whole, {"wait": False})


def _query(name: str) -> _Call:
    return _Call(f"search_api.{name}", name, None, {"with_payload": False})


_C = "/collections/{collection_name}"
_CALLS: dict[str, _Call] = {
    "GET /": _Call("service_api.root", "info"),
    "GET /aliases": _Call("aliases_api.get_collections_aliases", "get_aliases"),
    "GET /cluster": _Call("distributed_api.cluster_status", "cluster_status"),
    "GET /quotas": _Call("quotas_api.get_quotas", None),
    "PUT /quotas": _Call("quotas_api.update_quotas", None),
    "GET /snapshots": _Call("snapshots_api.list_full_snapshots", "list_full_snapshots"),
    "POST /snapshots": _Call("snapshots_api.create_full_snapshot", "create_full_snapshot"),
    "DELETE /snapshots/{snapshot_name}": _Call("snapshots_api.delete_full_snapshot", "delete_full_snapshot"),
    "GET /collections": _Call("collections_api.get_collections", "get_collections"),
    "POST /collections/aliases": _Call("aliases_api.update_aliases", "update_collection_aliases"),
    f"GET {_C}": _Call("collections_api.get_collection", "get_collection"),
    f"PUT {_C}": _Call("collections_api.create_collection", "create_collection"),
    f"PATCH {_C}": _Call("collections_api.update_collection", "update_collection"),
    f"DELETE {_C}": _Call("collections_api.delete_collection", "delete_collection"),
    f"GET {_C}/exists": _Call("collections_api.collection_exists", "collection_exists"),
    f"GET {_C}/aliases": _Call("aliases_api.get_collection_aliases", "get_collection_aliases"),
    f"GET {_C}/cluster": _Call("distributed_api.collection_cluster_info", "collection_cluster_info"),
    f"POST {_C}/cluster": _Call(
        "distributed_api.update_collection_cluster", "cluster_collection_update", "cluster_operation"
    ),
    f"PUT {_C}/index": _write("indexes_api.create_field_index", "create_payload_index"),
    f"DELETE {_C}/index/{{field_name}}": _write("indexes_api.delete_field_index", "delete_payload_index"),
    f"PUT {_C}/vectors/{{vector_name}}": _write(
        "collections_api.create_vector_name", "create_vector_name", "vector_name_config"
    ),
    f"DELETE {_C}/vectors/{{vector_name}}": _write(
        "collections_api.delete_vector_name", "delete_vector_name"
    ),
    f"GET {_C}/points/{{id}}": _Call("points_api.get_point", None),
    f"POST {_C}/points": _Call("points_api.get_points", "retrieve"),
    f"POST {_C}/points/scroll": _Call("points_api.scroll_points", "scroll"),
    f"POST {_C}/points/count": _Call("points_api.count_points", "count"),
    f"POST {_C}/facet": _Call("points_api.facet", "facet"),
    f"POST {_C}/points/query": _query("query_points"),
    f"POST {_C}/points/query/groups": _query("query_points_groups"),
    f"POST {_C}/points/query/batch": _Call("search_api.query_batch_points", "query_batch_points"),
    f"POST {_C}/points/search/matrix/pairs": _Call("search_api.search_matrix_pairs", "search_matrix_pairs"),
    f"POST {_C}/points/search/matrix/offsets": _Call(
        "search_api.search_matrix_offsets", "search_matrix_offsets"
    ),
    f"PUT {_C}/points": _write("points_api.upsert_points", "upsert"),
    f"POST {_C}/points/delete": _write("points_api.delete_points", "delete", "points_selector"),
    f"POST {_C}/points/payload": _write("points_api.set_payload", "set_payload"),
    f"PUT {_C}/points/payload": _write("points_api.overwrite_payload", "overwrite_payload"),
    f"POST {_C}/points/payload/delete": _write("points_api.delete_payload", "delete_payload"),
    f"POST {_C}/points/payload/clear": _write("points_api.clear_payload", "clear_payload", "points_selector"),
    f"PUT {_C}/points/vectors": _write("points_api.update_vectors", "update_vectors"),
    f"POST {_C}/points/vectors/delete": _write("points_api.delete_vectors", "delete_vectors"),
    f"POST {_C}/points/batch": _write("points_api.batch_update", "batch_update_points"),
    f"GET {_C}/shards": _Call("distributed_api.list_shard_keys", "list_shard_keys"),
    f"PUT {_C}/shards": _Call("distributed_api.create_shard_key", "create_shard_key"),
    f"POST {_C}/shards/delete": _Call("distributed_api.delete_shard_key", "delete_shard_key"),
    f"GET {_C}/snapshots": _Call("snapshots_api.list_snapshots", "list_snapshots"),
    f"POST {_C}/snapshots": _Call("snapshots_api.create_snapshot", "create_snapshot"),
    f"PUT {_C}/snapshots/recover": _Call("snapshots_api.recover_from_snapshot", "recover_snapshot"),
    f"DELETE {_C}/snapshots/{{snapshot_name}}": _Call("snapshots_api.delete_snapshot", "delete_snapshot"),
}
# What the client's methods call the keys of a body, where they do not call them by the same name.
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "actions": ("change_aliases_operations",),
    "batch": ("points",),
    "filter": ("query_filter", "scroll_filter", "count_filter", "facet_filter", "points"),
    "operations": ("update_operations",),
    "params": ("search_params", "collection_params"),
    "searches": ("requests",),
    "shard_key": ("shard_key_selector",),
    "sparse_vectors": ("sparse_vectors_config",),
    "vector": ("vectors",),
    "vectors": ("vectors_config",),
    "with_vector": ("with_vectors",),
}
_NUMBERED = ("id", "peer_id", "shard_id")  # what a path holds as text and a method takes as a number
_INFERRED = ("Document", "Image", "InferenceObject")
_PARAMETERS = ("consistency", "ordering", "timeout", "wait")

_Arguments = dict[str, _Node]


def python(
    method: str,
    path: str,
    query: Mapping[str, Any],
    body: Mapping[str, Any] | None,
    model: BaseModel | None,
    *,
    url: str,
    api_key_variable: str | None,
) -> str:
    """A program that sends a request with qdrant-client; see `qql.request.Request.python`.

    ``model`` is the body as an object of ``qdrant_client.models``.
    """
    call, names = _call_of(method, path)
    writer = _Writer()
    try:
        statement = _program(_invocation(writer, call, names, query, body, model))
        parts = [f"{name} = {_program(part, len(name) + 3)}" for name, part in writer.parts]
    except RecursionError as exc:
        raise _too_deep() from exc
    options: _Arguments = {"url": _literal(_base(url))}
    imports = ["from qdrant_client import QdrantClient" + (", models" if writer.uses_models else "")]
    if api_key_variable is not None:
        options["api_key"] = f"os.environ[{_literal(_require_variable(api_key_variable))}]"
        imports = ["import os", "", *imports]
    if writer.infers:
        options["cloud_inference"] = "True"
    client = f"client = {_program(_calling('QdrantClient', options), len('client = '))}"
    return "\n".join([*imports, "", client, "", *parts, statement, ""])


def _program(node: _Node, column: int = 0) -> str:
    return _laid_out(node, 4, ",", column=column)


def _calling(function: str, arguments: _Arguments) -> _Group:
    return _Group(f"{function}(", [(f"{key}=", value) for key, value in arguments.items()], ")")


def _call_of(method: str, path: str) -> tuple[_Call, dict[str, str]]:
    """What carries a route out, and the names in the path by the parameters that take them."""
    segments = _segments(path)
    for route, call in _CALLS.items():
        verb, _, template = route.partition(" ")
        pattern = template.strip("/").split("/")
        if verb != method or len(pattern) != len(segments):
            continue
        pairs = list(zip(pattern, segments, strict=True))
        if all(part == segment or part[:1] == "{" for part, segment in pairs):
            return call, {part[1:-1]: segment for part, segment in pairs if part[:1] == "{"}
    raise QQLPlanError.make(
        "no-client-model", f"qdrant-client has no method for {method} {path}", hint=_BY_CURL
    )


_BY_CURL = "Request.curl() writes any request"


def _invocation(
    writer: _Writer,
    call: _Call,
    names: Mapping[str, str],
    query: Mapping[str, Any],
    body: Mapping[str, Any] | None,
    model: BaseModel | None,
) -> _Group:
    """The call: of the client's own method where that can say all of the request."""
    leading: _Arguments = {key: _name(key, name) for key, name in names.items()}
    trailing: _Arguments = {
        key: writer.parameter(key, value) for key, value in query.items() if value is not None
    }
    low = _parameters_of(call.low)
    takes_body = next(reversed(low), None) not in (None, *names, *_PARAMETERS)
    if call.high is not None and takes_body == (body is not None):
        high = _parameters_of(call.high)
        spread = writer.arguments(body or {}, model, high, call.whole)
        if spread is not None:
            given = leading | spread | trailing
            given |= {key: repr(value) for key, value in call.unsaid.items() if key not in given}
            required = {key for key, parameter in high.items() if parameter.default is parameter.empty}
            if required <= given.keys() <= high.keys():
                return _calling(f"client.{call.high}", given)
    if model is not None:
        leading[next(reversed(low))] = writer.node(model, body)
    for key in trailing:
        if key not in low:
            message = f"qdrant-client cannot send the parameter `{key}` by {call.low}"
            raise QQLPlanError.make("no-client-model", message, hint=_BY_CURL)
    return _calling(f"client.http.{call.low}", leading | trailing)


def _parameters_of(method: str) -> dict[str, Parameter]:
    """The parameters of a method of the client, or of one below ``client.http`` (``api.method``)."""
    from inspect import Parameter, signature

    from qdrant_client import QdrantClient
    from qdrant_client.http import api_client

    api, _, name = method.rpartition(".")
    owner = getattr(api_client, "Sync" + api.title().replace("_", "")) if api else QdrantClient
    found = signature(getattr(owner, name)).parameters
    return {key: one for key, one in found.items() if key != "self" and one.kind is not Parameter.VAR_KEYWORD}


def _name(key: str, name: str) -> str:
    return name if key in _NUMBERED and re.fullmatch("0|[1-9][0-9]*", name) else _literal(name)


def _literal(value: Any) -> str:
    """A string, number or constant in Python, strings in double quotes where that needs no escapes."""
    if not isinstance(value, str):
        return repr(value) if value is None or isinstance(value, bool) else _number(value)
    text = str.__repr__(value)
    return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text


class _Writer:
    """Writes objects of ``qdrant_client.models`` as calls that make them.

    ``infers`` and ``uses_models`` say what came by; ``parts`` are the names of values that had to be taken
    out, since the whole nests deeper than Python's parser goes.
    """

    def __init__(self) -> None:
        self.infers = self.uses_models = False
        self.parts: list[tuple[str, _Node]] = []

    def arguments(
        self,
        body: Mapping[str, Any],
        model: BaseModel | None,
        parameters: Mapping[str, Parameter],
        whole: str | None,
    ) -> _Arguments | None:
        """The body as arguments of a method; None where the method cannot take all of it."""
        if whole is not None:
            return {whole: self.node(model, body)}
        out: _Arguments = {}
        for key, value, raw in _fields(model, body):
            name = next((n for n in (key, *_ARGUMENTS.get(key, ())) if n in parameters), None)
            if name is None or name in out:
                return None
            # The client puts a query's vector, id or text into a `NearestQuery` itself.
            bare = name == "query" and isinstance(raw, dict) and raw.keys() == {"nearest"}
            out[name] = self.node(value.nearest, raw["nearest"]) if bare else self.node(value, raw)
        return out

    def parameter(self, key: str, value: Any) -> str:
        """A parameter of the query string. Raises `QQLPlanError` (``invalid-value``)."""
        from qdrant_client import models

        text = _parameter(value)
        kinds: dict[str, type[Enum]] = {
            "consistency": models.ReadConsistencyType,
            "ordering": models.WriteOrdering,
        }
        if key == "wait" and text in _CONSTANTS.values():
            return text.capitalize()
        if key in ("timeout", "consistency") and re.fullmatch("[0-9]+", text):
            return str(int(text))
        if key in kinds and text in [one.value for one in kinds[key]]:
            return self._member(kinds[key](text))
        if key not in _PARAMETERS:
            return _literal(text)
        raise QQLPlanError.make("invalid-value", f"`{key}` cannot be {text!r}")

    def node(self, value: Any, raw: Any) -> _Node:
        """A validated value, as it was written: ``raw`` is what it was made of.

        Numbers and dates are taken from ``raw``, so that their digits stay.
        """
        if isinstance(value, Enum):
            return self._member(value)
        if isinstance(raw, dict) and not isinstance(value, dict):
            return self._named(self._model(value, raw))
        if isinstance(raw, dict):
            items = [(_key(key, _literal), self.node(value[key], raw[key])) for key in raw]
            return self._named(_Group("{", items, "}"))
        if isinstance(raw, list) and isinstance(value, list):
            numbers = _numbers(raw)
            if numbers is not None:
                return numbers
            pairs = zip(value, raw, strict=True)
            return self._named(_Group("[", [("", self.node(*pair)) for pair in pairs], "]"))
        return _data(raw, _literal)

    def _member(self, value: Enum) -> str:
        self.uses_models = True
        return f"models.{type(value).__name__}.{value.name}"

    def _model(self, value: BaseModel, raw: Mapping[str, Any]) -> _Group:
        name = type(value).__name__
        self.uses_models = True
        self.infers = self.infers or name in _INFERRED
        items: list[tuple[str, _Node]] = []
        for key, part, source in _fields(value, raw):
            node = self.node(part, source)
            if iskeyword(key):
                items.append(("**", _Group("{", [(_key(key, _literal), node)], "}")))
            else:
                items.append((f"{key}=", node))
        return _Group(f"models.{name}(", items, ")")

    def _named(self, group: _Group) -> _Node:
        if group.height < _HEIGHT:
            return group
        name = f"part_{len(self.parts) + 1}"
        self.parts.append((name, group))
        return name


def _fields(model: BaseModel | None, raw: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Key, value and what the value was made of, of each field that is not null, as ``raw`` orders them."""
    if model is None:
        return
    names = {info.alias or name: name for name, info in type(model).model_fields.items()}
    for key, source in raw.items():
        if source is not None:
            yield key, getattr(model, names[key]), source
