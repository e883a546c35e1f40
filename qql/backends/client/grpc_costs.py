"""What an answer over gRPC says of its cost, which the methods of `QdrantClient` leave out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from qql.rest.types import Json, JsonObject
from qql.rest.usage import Usage

__all__ = ["Costs", "costs", "heard", "sound_seconds"]

_LONGEST = 1e9  # seconds that a server may say a call took; more is no time


class Costs:
    """The calls that were made; of the last one, its seconds and its usage, None where unsaid."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    @property
    def took(self) -> float | None:
        """The server's own time."""
        return sound_seconds(getattr(self._answer(), "time", None))

    @property
    def usage(self) -> Usage | None:
        """What the server counted."""
        answer = self._answer()
        if "usage" not in getattr(getattr(answer, "DESCRIPTOR", None), "fields_by_name", ()):
            return None
        return Usage.of(_plain(answer.usage)) if answer.HasField("usage") else None

    def _answer(self) -> Any:
        return self.calls[-1].result() if self.calls else None


_listening: ContextVar[Costs | None] = ContextVar("listening", default=None)


@contextmanager
def costs() -> Iterator[Costs]:
    """Notes the answers over gRPC of this thread."""
    found = Costs()
    before = _listening.set(found)
    try:
        yield found
    finally:
        _listening.reset(before)


def heard(call: Any) -> Any:
    """Notes a call that has been made, whose answer is there when somebody asks; gives the call."""
    listening = _listening.get()
    if listening is not None:
        listening.calls.append(call)
    return call


def _plain(usage: Any) -> JsonObject:
    """A message as REST has it."""
    out: JsonObject = {}
    if usage.HasField("hardware"):
        out["hardware"] = {
            one.name: getattr(usage.hardware, one.name) for one in usage.hardware.DESCRIPTOR.fields
        }
    if usage.HasField("inference"):
        models = usage.inference.models
        out["inference"] = {"models": {name: {"tokens": models[name].tokens} for name in models}}
    return out


def sound_seconds(seconds: Json) -> float | None:
    """What a server says a call took, where it is a time."""
    return seconds if isinstance(seconds, int | float) and 0 <= seconds < _LONGEST else None
