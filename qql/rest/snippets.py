"""A request as text that others run: a command for curl, a program for qdrant-client.

Both are laid out as a person writes them: a value that fits into a line stays on one, a longer one gets
a line for each of its parts, and a list of numbers is never broken.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from keyword import iskeyword
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from qql.errors import QQLConnectionError, QQLError, QQLPlanError, fail
from qql.late import late_pattern
from qql.rest.client_calls import (
    ARGUMENT_NAMES,
    CALLS,
    INFERENCE_MODELS,
    NUMBERS_IN_PATHS,
    QUERY_PARAMETERS,
    Call,
)
from qql.rest.types import Body, Json

if TYPE_CHECKING:
    from inspect import Parameter

    from pydantic import BaseModel

__all__ = ["curl", "python"]

_LINE_WIDTH = 88  # what most formatters break lines at
_LONGEST_ARGUMENT = 100_000  # bytes; Linux takes 128 KiB for one argument of a command
_DEEPEST = 40  # brackets in brackets; Python's parser takes 200
_DEFAULT_PORT = 6333


# --- layout -----------------------------------------------------------------------------------------------


class _Brackets:
    """Brackets around items, each with what stands before it (a key, a parameter's name, or nothing)."""

    __slots__ = ("close", "height", "items", "open", "width")

    def __init__(self, opening: str, items: list[tuple[str, _Node]], closing: str) -> None:
        self.open, self.items, self.close = opening, items, closing
        inner = sum(len(lead) + _width(item) + 2 for lead, item in items)
        self.width = len(opening) + max(0, inner - 2) + len(closing)
        self.height = 1 + max((_height(item) for _, item in items), default=0)


_Node = str | _Brackets


def _width(node: _Node) -> int:
    return len(node) if isinstance(node, str) else node.width


def _height(node: _Node) -> int:
    return 0 if isinstance(node, str) else node.height


def _one_line(node: _Node) -> str:
    if isinstance(node, str):
        return node
    return node.open + ", ".join([lead + _one_line(item) for lead, item in node.items]) + node.close


def _lay_out(node: _Node, step: int, comma: str, indent: int = 0, column: int = 0) -> str:
    """The text of a node that starts at ``column``; ``comma`` stands behind the last of several lines."""
    if isinstance(node, str) or not node.items or column + node.width < _LINE_WIDTH:
        return _one_line(node)
    inner = indent + step
    lines = [
        f"{' ' * inner}{lead}{_lay_out(item, step, comma, inner, inner + len(lead))}"
        for lead, item in node.items
    ]
    return f"{node.open}\n" + ",\n".join(lines) + f"{comma}\n{' ' * indent}{node.close}"


# --- data -------------------------------------------------------------------------------------------------

_ScalarWriter = Callable[[object], str]
"""What writes the texts, numbers and constants of a language."""


def _data_node(value: object, write_scalar: _ScalarWriter) -> _Node:
    """JSON data, in the language whose texts and constants ``write_scalar`` writes."""
    if isinstance(value, dict):
        items = [
            (_key_lead(key, write_scalar), _data_node(item, write_scalar)) for key, item in value.items()
        ]
        return _Brackets("{", items, "}")
    if isinstance(value, list | tuple):
        return _number_list(value) or _Brackets(
            "[", [("", _data_node(item, write_scalar)) for item in value], "]"
        )
    return write_scalar(value)


def _key_lead(key: object, write_scalar: _ScalarWriter) -> str:
    """A key with its colon."""
    if not isinstance(key, str):
        raise _not_json(f"the key {key!r} is no string")
    return f"{write_scalar(key)}: "


def _number_list(values: Sequence[object]) -> str | None:
    """A list of finite numbers as text, which JSON and Python write alike; None for other lists."""
    numbers = [item for item in values if type(item) is int or (type(item) is float and math.isfinite(item))]
    return repr(numbers) if values and len(numbers) == len(values) else None


def _number_text(value: object) -> str:
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


def _base_url(url: str) -> str:
    """An address with its port, without a slash at the end.

    Raises `QQLConnectionError` (``invalid-url``).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORT
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


def _path_segments(path: str) -> list[str]:
    """The decoded parts of a path. Raises `QQLPlanError` (``invalid-name``) for dots alone."""
    segments = [unquote(segment) for segment in path.strip("/").split("/")]
    if "." in segments or ".." in segments:
        fail("invalid-name", f"`.` and `..` cannot be names in a path: {path}")
    return segments


def _checked_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        message = f"an environment variable's name requires letters, digits and underscores, not {name!r}"
        fail("invalid-name", message)
    return name


# --- curl -------------------------------------------------------------------------------------------------

_CONSTANTS = {True: "true", False: "false"}
_BEYOND_ASCII = late_pattern(r"[^\x20-\x7e]")


def curl(
    method: str,
    path: str,
    query: Body,
    body: Body | None,
    *,
    url: str,
    api_key_variable: str | None,
) -> str:
    """A command for a POSIX shell that sends a request; see `qql.request.Request.curl`."""
    given = {key: _parameter_text(value) for key, value in query.items() if value is not None}
    try:
        address = _base_url(url) + "/" + "/".join(quote(segment, safe="") for segment in _path_segments(path))
        if given:
            address += "?" + urlencode(given, quote_via=quote, safe="")
    except UnicodeEncodeError as exc:
        raise QQLPlanError.make("invalid-value", f"the address cannot be sent: {exc.reason}") from exc
    words = [f"curl -X {_shell_word(method)} {_shell_text(address)}"]
    if api_key_variable is not None:
        words.append(f'-H "api-key: ${{{_checked_variable(api_key_variable)}}}"')
    if body is None:
        return " \\\n  ".join(words)
    words.append("-H 'Content-Type: application/json'")
    try:
        text = _shell_text(_lay_out(_data_node(body, _json_scalar), 2, "", column=len("  -d '")))
    except RecursionError as exc:
        raise _too_deep() from exc
    if len(text.encode()) < _LONGEST_ARGUMENT:
        return " \\\n  ".join([*words, f"-d {text}"])
    # `printf` is part of the shell, so no system's limit for arguments holds for it.
    return f"printf '%s' {text} |\n" + " \\\n  ".join([*words, "--data-binary @-"])


def _parameter_text(value: object) -> str:
    return _CONSTANTS[value] if isinstance(value, bool) else str(value)


def _shell_text(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _shell_word(word: str) -> str:
    """In quotes only where it needs them."""
    return word if word.isalpha() and word.isascii() else _shell_text(word)


def _json_scalar(value: object) -> str:
    if isinstance(value, str):
        return _BEYOND_ASCII.sub(_escape_invisible, json.dumps(value, ensure_ascii=False))
    if isinstance(value, bool):
        return _CONSTANTS[value]
    return "null" if value is None else _number_text(value)


def _escape_invisible(match: re.Match[str]) -> str:
    """A character as it is, or as JSON's escape where it cannot be seen (or be written in UTF-8)."""
    character = match.group()
    return character if character.isprintable() else json.dumps(character)[1:-1]


# --- qdrant-client ----------------------------------------------------------------------------------------

_Arguments = dict[str, _Node]
"""The arguments of a call by the parameters that take them."""


def python(
    method: str,
    path: str,
    query: Body,
    body: Body | None,
    model: BaseModel | None,
    *,
    url: str,
    api_key_variable: str | None,
) -> str:
    """A program that sends a request with qdrant-client; see `qql.request.Request.python`.

    ``model`` is the body as an object of ``qdrant_client.models``.
    """
    call, names = _find_call(method, path)
    writer = _Writer()
    try:
        statement = _python_text(_call_node(writer, call, names, query, body, model))
        parts = [f"{name} = {_python_text(part, len(name) + 3)}" for name, part in writer.parts]
    except RecursionError as exc:
        raise _too_deep() from exc
    options: _Arguments = {"url": _python_scalar(_base_url(url))}
    imports = ["from qdrant_client import QdrantClient" + (", models" if writer.uses_models else "")]
    if api_key_variable is not None:
        options["api_key"] = f"os.environ[{_python_scalar(_checked_variable(api_key_variable))}]"
        imports = ["import os", "", *imports]
    if writer.infers:
        options["cloud_inference"] = "True"
    client = f"client = {_python_text(_function_call('QdrantClient', options), len('client = '))}"
    return "\n".join([*imports, "", client, "", *parts, statement, ""])


def _python_text(node: _Node, column: int = 0) -> str:
    return _lay_out(node, 4, ",", column=column)


def _function_call(function: str, arguments: _Arguments) -> _Brackets:
    return _Brackets(f"{function}(", [(f"{key}=", value) for key, value in arguments.items()], ")")


def _find_call(method: str, path: str) -> tuple[Call, dict[str, str]]:
    """What carries a route out, and the names in the path by the parameters that take them."""
    segments = _path_segments(path)
    for route, call in CALLS.items():
        verb, _, template = route.partition(" ")
        pattern = template.strip("/").split("/")
        if verb != method or len(pattern) != len(segments):
            continue
        pairs = list(zip(pattern, segments, strict=True))
        if all(part == segment or part[:1] == "{" for part, segment in pairs):
            return call, {part[1:-1]: segment for part, segment in pairs if part[:1] == "{"}
    message = f"qdrant-client has no method for {method} {path}"
    raise QQLPlanError.make("no-client-model", message, hint=_BY_CURL)


_PYTHONS_OWN = ("with",)
"""Parameters that the client's methods cannot call as Qdrant does."""
_BY_CURL = "Request.curl() writes any request"


def _call_node(
    writer: _Writer,
    call: Call,
    names: Mapping[str, str],
    query: Body,
    body: Body | None,
    model: BaseModel | None,
) -> _Brackets:
    """The call: of the client's own method where that can say all of the request."""
    in_path: _Arguments = {key: _path_argument(key, name) for key, name in names.items()}
    in_query: _Arguments = {
        f"{key}_" if key in _PYTHONS_OWN else key: writer.parameter(key, value)
        for key, value in query.items()
        if value is not None
    }
    low = _method_parameters(call.low)
    takes_body = next(reversed(low), None) not in (None, *names, *QUERY_PARAMETERS)
    if takes_body == (body is not None):
        node = _client_call(writer, call, body or {}, model, in_path, in_query)
        if node is not None:
            return node
    if model is not None:
        in_path[next(reversed(low))] = writer.node(model, body)
    for key in in_query:
        if key not in low:
            message = f"qdrant-client cannot send the parameter `{key}` by {call.low}"
            fail("no-client-model", message, hint=_BY_CURL)
    return _function_call(f"client.http.{call.low}", in_path | in_query)


def _client_call(
    writer: _Writer,
    call: Call,
    body: Body,
    model: BaseModel | None,
    in_path: _Arguments,
    in_query: _Arguments,
) -> _Brackets | None:
    """The call of the client's own method; None where there is none that can say all of the request."""
    if call.high is None:
        return None
    parameters = _method_parameters(call.high)
    in_body = writer.arguments(body, model, parameters, call.whole)
    if in_body is None:
        return None
    arguments = in_path | in_body | in_query
    arguments |= {key: repr(value) for key, value in call.unsaid.items() if key not in arguments}
    if not _required_names(parameters) <= arguments.keys() <= parameters.keys():
        return None
    return _function_call(f"client.{call.high}", arguments)


def _method_parameters(method: str) -> dict[str, Parameter]:
    """The parameters of a method of the client, or of one below ``client.http`` (``api.method``)."""
    from inspect import Parameter, signature

    from qdrant_client import QdrantClient
    from qdrant_client.http import api_client

    api, _, name = method.rpartition(".")
    owner = getattr(api_client, "Sync" + api.title().replace("_", "")) if api else QdrantClient
    found = signature(getattr(owner, name)).parameters
    return {key: one for key, one in found.items() if key != "self" and one.kind is not Parameter.VAR_KEYWORD}


def _required_names(parameters: Mapping[str, Parameter]) -> set[str]:
    return {key for key, parameter in parameters.items() if parameter.default is parameter.empty}


def _path_argument(key: str, name: str) -> str:
    """A name in a path as an argument: a number where the method takes one."""
    is_number = key in NUMBERS_IN_PATHS and re.fullmatch("0|[1-9][0-9]*", name)
    return name if is_number else _python_scalar(name)


def _python_scalar(value: object) -> str:
    """A string, number or constant in Python, strings in double quotes where that needs no escapes."""
    if not isinstance(value, str):
        return repr(value) if value is None or isinstance(value, bool) else _number_text(value)
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
        body: Body,
        model: BaseModel | None,
        parameters: Mapping[str, Parameter],
        whole: str | None,
    ) -> _Arguments | None:
        """The body as arguments of a method; None where the method cannot take all of it."""
        if whole is not None:
            return {whole: self.node(model, body)}
        out: _Arguments = {}
        for key, value, raw in _set_fields(model, body):
            name = next((n for n in (key, *ARGUMENT_NAMES.get(key, ())) if n in parameters), None)
            if name is None or name in out:
                return None
            # The client puts a query's vector, id or text into a `NearestQuery` itself.
            bare = name == "query" and isinstance(raw, dict) and raw.keys() == {"nearest"}
            out[name] = self.node(value.nearest, raw["nearest"]) if bare else self.node(value, raw)
        return out

    def parameter(self, key: str, value: object) -> str:
        """A parameter of the query string. Raises `QQLPlanError` (``invalid-value``)."""
        from qdrant_client import models

        text = _parameter_text(value)
        kind = QUERY_PARAMETERS.get(key)
        if kind is None:
            return _python_scalar(text)
        if kind.boolean and text in _CONSTANTS.values():
            return text.capitalize()
        if kind.number and re.fullmatch("[0-9]{1,20}", text):
            return str(int(text))
        if kind.members is not None:
            members: type[Enum] = getattr(models, kind.members)
            if text in [one.value for one in members]:
                return self._enum_member(members(text))
        raise QQLPlanError.make("invalid-value", f"`{key}` cannot be {text!r}")

    def node(self, value: Any, raw: Json) -> _Node:
        """A validated value, as it was written: ``raw`` is what it was made of.

        Numbers and dates are taken from ``raw``, so that their digits stay.
        """
        if isinstance(value, Enum):
            return self._enum_member(value)
        if isinstance(raw, dict) and not isinstance(value, dict):
            return self._bounded(self._model_call(value, raw))
        if isinstance(raw, dict):
            items = [(_key_lead(key, _python_scalar), self.node(value[key], raw[key])) for key in raw]
            return self._bounded(_Brackets("{", items, "}"))
        if isinstance(raw, list) and isinstance(value, list):
            numbers = _number_list(raw)
            if numbers is not None:
                return numbers
            pairs = zip(value, raw, strict=True)
            return self._bounded(_Brackets("[", [("", self.node(*pair)) for pair in pairs], "]"))
        return _data_node(raw, _python_scalar)

    def _enum_member(self, value: Enum) -> str:
        self.uses_models = True
        return f"models.{type(value).__name__}.{value.name}"

    def _model_call(self, value: BaseModel, raw: Body) -> _Brackets:
        name = type(value).__name__
        self.uses_models = True
        self.infers = self.infers or name in INFERENCE_MODELS
        items: list[tuple[str, _Node]] = []
        for key, part, source in _set_fields(value, raw):
            node = self.node(part, source)
            if iskeyword(key):
                items.append(("**", _Brackets("{", [(_key_lead(key, _python_scalar), node)], "}")))
            else:
                items.append((f"{key}=", node))
        return _Brackets(f"models.{name}(", items, ")")

    def _bounded(self, group: _Brackets) -> _Node:
        """The group itself, or the name of a part of its own where it nests too deep for a parser."""
        if group.height < _DEEPEST:
            return group
        name = f"part_{len(self.parts) + 1}"
        self.parts.append((name, group))
        return name


def _set_fields(model: BaseModel | None, raw: Body) -> Iterator[tuple[str, Any, Json]]:
    """Key, value and what the value was made of, of each field that is not null, as ``raw`` orders them."""
    if model is None:
        return
    names = {info.alias or name: name for name, info in type(model).model_fields.items()}
    for key, source in raw.items():
        if source is not None:
            yield key, getattr(model, names[key]), source
