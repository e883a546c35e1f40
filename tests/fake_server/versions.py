"""What a version of Qdrant makes of a request: what it does not know is refused, passed over or dropped."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from qql.backends.features.versions import Lack, Transport, Version, lacking, parse_version
from qql.rest.request import Request

from .refusals import Refusal, malformed

__all__ = ["as_version_reads_it", "number"]

_CLAUSES = ("must", "should", "must_not")


def number(version: str) -> Version:
    """``"1.15.2"`` → (1, 15, 2)."""
    read = parse_version(version)
    if read is None:
        raise ValueError(f"no version: {version}")
    return read


def as_version_reads_it(request: Request, version: str, transport: Transport) -> Request:
    """The request as that version takes it; raises `Refusal` for what it answers with an error."""
    lacks = lacking(request, number(version), transport)
    for lack in lacks:
        if lack.effect == "refuses":
            raise _refusal_of(lack, transport)
    body, query = deepcopy(request.body), dict(request.query)
    for lack in reversed(lacks):  # the last first, so that places in lists stay what they are
        if lack.construct.in_url:
            query.pop(lack.construct.key, None)
        elif lack.effect == "ignores":
            del _at(body, lack.path[:-1])[lack.path[-1]]
        elif lack.effect == "drops":
            _drop_condition(body, lack.path[:-1])
    if transport == "rest":
        _read_untagged(body)
    return replace(request, body=body, query=query)


def _refusal_of(lack: Lack, transport: Transport) -> Refusal:
    """What a server says that cannot read this."""
    construct = lack.construct
    if construct.kind == "route":
        return Refusal(404, "") if transport == "rest" else Refusal(501, "")
    if transport == "grpc":
        return Refusal(
            400, "Query variant is missing" if construct.kind == "query" else "Malformed match condition"
        )
    if construct.kind == "word":
        return malformed(f"unknown variant `{construct.value or construct.key}` at line 1 column 80")
    return malformed("data did not match any variant of untagged enum QueryInterface at line 1 column 80")


def _at(body: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        body = body[key]
    return body


def _drop_condition(body: Any, path: tuple[str | int, ...]) -> None:
    """Leave the condition at this path out of its list; a list that is empty then is none."""
    *to_list, place = path
    conditions = _at(body, tuple(to_list))
    del conditions[place]
    if not conditions and to_list and to_list[-1] in _CLAUSES:
        del _at(body, tuple(to_list[:-1]))[to_list[-1]]


def _read_untagged(part: Any) -> None:
    """A vector of two lists of which the first holds integers alone is read as the two lists of a sparse one.

    Servers try the kinds of vectors one after another, and that of a sparse one comes first. In place.
    """
    if isinstance(part, dict):
        for key, value in part.items():
            if key in ("payload", "metadata"):
                continue
            if _reads_as_sparse(value):
                part[key] = {"indices": value[0], "values": value[1]}
            else:
                _read_untagged(value)
    elif isinstance(part, list):
        for index, value in enumerate(part):
            if _reads_as_sparse(value):
                part[index] = {"indices": value[0], "values": value[1]}
            elif isinstance(value, dict | list):
                _read_untagged(value)


def _reads_as_sparse(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(row, list) and row for row in value)
        and all(type(number) is int for number in value[0])
        and all(type(number) in (int, float) for number in value[1])
    )
