"""What fields a collection has: a few of its points are looked at where that helps, and it is kept."""

from __future__ import annotations

import time
from collections.abc import Callable

from qql.errors import QQLError
from qql.records import dataclass
from qql.rest.request import Request, collection_path
from qql.rest.types import Json, JsonObject
from qql.schema import Fields

__all__ = ["KnownFields"]

_POINTS = 200
"""Points that are looked at."""
_FIRST = 20
"""Points that are fetched first: by their size it is decided how many more are."""
_MOST_BYTES = 2_000_000
"""Of payloads, about, that are fetched of a collection."""
_MAX_AGE = 30.0
"""Seconds for which points are taken to be as they were: a server has other clients too."""
_FORGOTTEN_AFTER = 600.0
"""Seconds after which not even a guess is made by what was seen."""


@dataclass(slots=True)
class _Sample:
    at: float
    fields: Fields
    changed: bool = False

    @property
    def is_fresh(self) -> bool:
        return not self.changed and time.monotonic() - self.at < _MAX_AGE


class KnownFields:
    """The fields of collections, by their payloads.

    One request fetches the payloads of 20 points. Where there are more, and they are not very large, another
    fetches 200, drawn by chance from a large collection. What an engine refuses is not known, and no error.
    """

    def __init__(self, call: Callable[[Request], Json]) -> None:
        self._call = call
        self._samples: dict[str, _Sample] = {}
        self._refused: dict[str, float] = {}
        self._changes = 0  # that were told of, so that nothing that was seen before one is kept as seen since

    def kept(self, collection: str) -> Fields | None:
        """What was seen last, which may have changed since; nothing is sent."""
        found = self._samples.get(collection)
        if found is None or time.monotonic() - found.at >= _FORGOTTEN_AFTER:
            return None
        return found.fields if found.fields.points or found.is_fresh else None

    def is_fresh(self, collection: str) -> bool:
        """Whether what is kept is to be believed as it stands."""
        found = self._samples.get(collection)
        return found is not None and found.is_fresh

    def now(self, collection: str, points: int | None) -> Fields | None:
        """What is there now, of a collection of about so many points; None where it cannot be known."""
        found = self._samples.get(collection)
        if found is not None and found.is_fresh:
            return found.fields
        if self._is_refused(collection):
            return None
        changes = self._changes
        try:
            fields = self._look(collection, points)
        except QQLError:  # strict mode, a time limit, a server of another age: then nothing is known
            self._samples.pop(collection, None)
            self._refused[collection] = time.monotonic()
            return None
        self._samples[collection] = sample = _Sample(time.monotonic(), fields)
        sample.changed = changes != self._changes
        return fields

    def _is_refused(self, collection: str) -> bool:
        """Whether an engine has refused a short while ago: it is not asked again with every answer."""
        at = self._refused.get(collection)
        return at is not None and time.monotonic() - at < _FORGOTTEN_AFTER

    def changed(self) -> None:
        """To be called where points may have changed, of whatever aliases stand for."""
        self._changes += 1
        for sample in list(self._samples.values()):  # another thread may be looking
            sample.changed = True

    def forget(self) -> None:
        """To be called where collections are made, or go."""
        self._changes += 1
        self._samples.clear()
        self._refused.clear()

    def _look(self, collection: str, points: int | None) -> Fields:
        payloads, whole = self._first_page(collection, _FIRST)
        if payloads and not whole:
            size = sum(map(_size_of, payloads)) / len(payloads)
            most = min(_POINTS, int(_MOST_BYTES / size))
            few = points is not None and points <= _POINTS
            if most > _FIRST:
                fetch = self._first_page if few else self._drawn
                payloads, whole = fetch(collection, most)
        return Fields.of(payloads, whole=whole)

    def _first_page(self, collection: str, limit: int) -> tuple[list[JsonObject], bool]:
        """The first payloads in the order of ids, and whether these are all."""
        body = {"limit": limit, "with_payload": True, "with_vector": False}
        answer = self._call(Request("POST", collection_path(collection, "points", "scroll"), {}, body))
        found = _payloads(answer)
        return found, bool(found) and answer.get("next_page_offset") is None

    def _drawn(self, collection: str, limit: int) -> tuple[list[JsonObject], bool]:
        """Payloads of points from anywhere in the collection."""
        body = {"query": {"sample": "random"}, "limit": limit, "with_payload": True, "with_vector": False}
        answer = self._call(Request("POST", collection_path(collection, "points", "query"), {}, body))
        return _payloads(answer), False


def _payloads(answer: Json) -> list[JsonObject]:
    """The payloads in an answer; none where it is no answer of Qdrant's."""
    points = answer.get("points") if isinstance(answer, dict) else None
    if not isinstance(points, list):
        return []
    found = [point.get("payload") or {} for point in points if isinstance(point, dict)]
    return [payload for payload in found if isinstance(payload, dict)]


def _size_of(value: Json) -> int:
    """About how many bytes a value takes as JSON."""
    size, todo = 0, [value]
    while todo:
        one = todo.pop()
        size += 8
        if isinstance(one, str):
            size += len(one)
        elif isinstance(one, dict):
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            todo += one
    return size
