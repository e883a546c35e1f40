"""What a server says when it does not do as it is told: its text, with the status of either transport."""

from __future__ import annotations

import re

import grpc

from qql.errors import QQLError, QQLUnsupportedError

_GRPC = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.ALREADY_EXISTS,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    507: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class Refusal(Exception):
    """An answer that is none: ``status`` is HTTP's; an empty ``text`` is an empty body (an unknown route)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    @property
    def code(self) -> grpc.StatusCode:
        """The same over gRPC."""
        return _GRPC.get(self.status, grpc.StatusCode.INTERNAL)


class Disconnection(Exception):
    """The connection breaks where the answer should be."""


def malformed(text: str) -> Refusal:
    """The refusal of a body that the server cannot read."""
    return Refusal(400, f"Format error in JSON body: {text}")


def bad_request(text: str) -> Refusal:
    """The refusal of what can be read and cannot be done."""
    return Refusal(400, f"Bad request: {text}")


_MISSING = {
    "unknown-collection": "Not found: Collection `{name}` doesn't exist!",
    "unknown-point": "Not found: No point with id {point} found",
    "unknown-snapshot": "Not found: Snapshot {name} not found",
    "unknown-alias": "Not found: Alias {name} does not exists!",
}


def refusal_of(error: QQLError, collection: str | None) -> Refusal:
    """The embedded engine's refusal as a server says it."""
    code, message = error.code, error.diagnostic.message
    if isinstance(error, QQLUnsupportedError):
        return Refusal(500, f"Service internal error: the fake server's engine lacks this: {message}")
    if code in _MISSING:
        names = re.findall("`(.*?)`", message) or [collection]
        point = re.search(r"[0-9a-f-]{36}|\d+", message)
        return Refusal(404, _MISSING[code].format(name=names[-1], point=point and point[0]))
    if code == "collection-exists":
        return Refusal(409, f"Wrong input: Collection `{collection}` already exists!")
    return Refusal(400, f"Wrong input: {message}")
