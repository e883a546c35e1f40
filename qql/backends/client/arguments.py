"""A request as keyword arguments of a method of `QdrantClient`, with its body as the library's models."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from qdrant_client.http import models

from qql.errors import QQLError, QQLExecutionError, QQLUnsupportedError, fail
from qql.records import dataclass
from qql.rest.request import Request, body_adapter
from qql.rest.types import Json, JsonObject

from .faults import SERVER, TOO_DEEP
from .messages import excerpt
from .routes import Route

__all__ = ["GRPC", "LOCAL", "Arguments", "Channel", "arguments_for"]


@dataclass(frozen=True, slots=True)
class Channel:
    """How the library's methods reach the engine; ``alternative`` is the hint to one that can do more."""

    name: str
    alternative: str


GRPC = Channel("over gRPC", "an http:// address sends the request as it is")
LOCAL = Channel("in local mode", SERVER)

Arguments = dict[str, Any]
"""Keyword arguments of a method: plain values and the library's models."""


@cache
def _query_parameters() -> dict[str, TypeAdapter[Any]]:
    return {
        "wait": TypeAdapter(bool),
        "timeout": TypeAdapter(int),
        "ordering": TypeAdapter(models.WriteOrdering),
        "consistency": TypeAdapter(models.ReadConsistency),
    }


def arguments_for(
    method: Callable[..., object], route: Route, request: Request, channel: Channel
) -> Arguments:
    """The keyword arguments for the client's method.

    Raises `QQLUnsupportedError` (``unsupported-key``) for what the method cannot carry, and
    `QQLExecutionError` (``invalid-request``) for what no Qdrant takes.
    """
    arguments: Arguments = dict(route.defaults)
    if request.collection is not None:
        arguments["collection_name"] = request.collection
    if route.named:
        arguments[route.named] = unquote(request.path.rstrip("/").rsplit("/", 1)[1])
    arguments |= _query_arguments(route, request, channel)
    adapter = body_adapter(request.route)
    if adapter is None:
        if request.body:
            raise _unsupported_keys(request.body, channel)
    else:
        body = _validated(adapter, request.body if request.body is not None else {}, channel)
        arguments |= {route.whole: body} if route.whole else _body_arguments(route, body)
        _leave_out_unless_asked(arguments.get("requests", ()))
    missing = [name for name in arguments if name not in inspect.signature(method).parameters]
    if missing:
        raise _unsupported_keys(missing, channel, f" by {_library()}")
    return arguments


def _leave_out_unless_asked(queries: Iterable[models.QueryRequest]) -> None:
    """REST leaves payloads and vectors out unless asked for; local mode puts payloads in."""
    for query in queries:
        query.with_payload = False if query.with_payload is None else query.with_payload
        query.with_vector = False if query.with_vector is None else query.with_vector


def _body_arguments(route: Route, body: BaseModel) -> Arguments:
    fields: Arguments = {}
    for key in body.model_fields_set:
        value = getattr(body, key)
        if value is None:
            continue
        argument = route.rename.get(key, key)
        if argument in fields:
            fail(
                "unsupported-key",
                "qdrant-client takes points or a filter, not both, in one request",
                error=QQLUnsupportedError,
            )
        fields[argument] = value
    if route.selects and "points" not in fields:
        fail("invalid-request", "the request requires points or a filter", error=QQLExecutionError)
    return fields


def _query_arguments(route: Route, request: Request, channel: Channel) -> Arguments:
    given = {key: value for key, value in request.query.items() if value is not None}
    foreign = [key for key in given if key not in route.query]
    if foreign:
        raise _unsupported_keys(foreign, channel)
    out = {}
    for key, value in given.items():
        try:
            out[key] = _query_parameters()[key].validate_python(value)
        except ValidationError:
            out[key] = _from_text(key, value)
    if out.get("wait") is False and "snapshot" in route.method:
        fail(
            "unsupported-key",
            f"`wait = false` is not sent for snapshots {channel.name}",
            hint=channel.alternative,
            error=QQLUnsupportedError,
        )
    # Local mode acts on none of them. One copy is consistent and ordered; the others are noted.
    return {} if channel is LOCAL else out


def _from_text(key: str, value: Json) -> object:
    """A parameter whose type is strict, from the text that a query string would carry (``consistency=2``)."""
    try:
        return _query_parameters()[key].validate_python(int(value))
    except (ValidationError, ValueError, TypeError) as exc:
        raise QQLExecutionError.make("invalid-request", f"`{key}` cannot be {excerpt(repr(value))}") from exc


def _unsupported_keys(keys: Iterable[str], channel: Channel, by: str = "") -> QQLError:
    names = ", ".join(f"`{key}`" for key in keys)
    return QQLUnsupportedError.make(
        "unsupported-key", f"{names} cannot be sent {channel.name}{by}", hint=channel.alternative
    )


def _library() -> str:
    return f"qdrant-client {version('qdrant-client')}"


def _validated(adapter: TypeAdapter[BaseModel], body: JsonObject, channel: Channel) -> BaseModel:
    """The body as the first of the route's models that takes it."""
    try:
        return adapter.validate_python(body)
    except ValidationError as exc:
        path, kind, message = _likeliest(exc, body)
        name = path or "the request"
        if kind == "extra_forbidden":
            raise QQLUnsupportedError.make(
                "unsupported-key",
                f"{_library()} does not know `{name}` and cannot send it {channel.name}",
                hint=channel.alternative,
            ) from exc
        raise QQLExecutionError.make(
            "invalid-request", f"qdrant-client does not take `{name}`: {message}"
        ) from exc
    except RecursionError as exc:
        raise QQLExecutionError.make("invalid-request", TOO_DEEP) from exc


def _likeliest(exc: ValidationError, body: Json) -> tuple[str, str, str]:
    """Path, kind and text of the error that is meant: the deepest, and among equals the one that most
    branches of a union agree on."""
    errors = [(_path_in(e, body), e["type"], e["msg"]) for e in exc.errors(include_url=False)]
    votes = Counter(path for path, _, _ in errors)
    # A key that some branch knows is not an unknown one: its value is at fault.
    path, kind, message = max(errors, key=lambda e: (len(e[0]), votes[e[0]], e[1] != "extra_forbidden"))
    return ".".join(path), kind, message


def _path_in(error: ErrorDetails, body: Json) -> tuple[str, ...]:
    """The parts of an error's location that are keys and indices of the body; the others name models."""
    path: list[str] = []
    for part in error["loc"]:
        of_list = isinstance(body, list) and isinstance(part, int) and part < len(body)
        if of_list or (isinstance(body, dict) and part in body):
            body = body[part]
            path.append(str(part))
    if error["type"] == "missing":
        path.append(str(error["loc"][-1]))
    return tuple(path)
