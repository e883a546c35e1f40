"""What a collection consisted of when it was closed: damage that the engine passes over is seen by it.

The engine deletes a segment that lacks a file, without a word, and loses the points of a table that was cut.
So a file beside the schema lists the files of each segment with their sizes, and the number of points:

    collections/<name>/clean.json    {"points": 301, "log": "…", "segments": {id: {file: bytes}}}

``log`` is where the engine's log had come to: where that is another place now, something else has worked on
the collection since (an older QQL, the engine by itself), and the list says nothing.

It is there while the collection is closed and as it was left. Before the engine opens a collection, what
there is is compared, and the list is set aside; it is gone for good before the first change, and written anew
when the collection is closed. After a kill there is none, and nothing is compared: no false alarm.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from .files import sync_directory, write_json

__all__ = ["Damage", "Manifest"]

_NAME = "clean.json"
_SEGMENTS = "segments"
_DESCRIPTIONS = (".json", ".info")
"""Files that another version of the engine might write shorter: they must not be empty."""

Sizes = dict[str, dict[str, int]]
"""Segment → file below it → bytes."""


class Damage(Exception):
    """Something is not as it was left; the text says what."""


class Manifest:
    """The list of one collection's files."""

    def __init__(self, collection: Path) -> None:
        self._collection = collection
        self._kept: Sizes | None = None
        self._points: int | None = None

    @property
    def _place(self) -> Path:
        return self._collection / _NAME

    @property
    def _aside(self) -> Path:
        return self._collection / f"{_NAME}.open"

    def moved_to(self, collection: Path) -> None:
        """The directory has another name now."""
        self._collection = collection

    def compare(self) -> None:
        """Before the engine opens the collection: raises `Damage`, or sets the list aside."""
        self._kept = self._points = None
        try:
            found = json.loads(self._place.read_text(encoding="utf-8"))
            segments, points, log = dict(found["segments"]), int(found["points"]), str(found["log"])
        except (OSError, ValueError, LookupError, TypeError):  # none, or half of one: nothing is known
            with suppress(OSError):
                self.forget()
            return
        there = _sizes(self._collection)
        if there.keys() - segments.keys() or _log(self._collection) not in (log, ""):
            with suppress(OSError):
                self.forget()  # damage makes no segments, and does not go on with the log
            return
        if why := _missing(segments, there):
            raise Damage(f"{why}; {_points(points)} when it was closed")
        with suppress(OSError):  # on a disk that refuses it, the engine will say so
            self._place.replace(self._aside)
        self._kept, self._points = segments, points

    def require_points(self, there: int) -> None:
        """After the engine has opened it. Raises `Damage` where points are gone, and puts the list back."""
        if self._points is not None and there < self._points:
            points = self._points
            self._put_back()
            raise Damage(f"{_points(points)} when it was closed, and {there} are left")

    def forget(self) -> None:
        """Before the first change, and durably: from now on nothing is known."""
        known, self._kept, self._points = self._kept is not None, None, None
        gone = [path for path in (self._place, self._aside) if path.exists()]
        for path in gone:
            path.unlink(missing_ok=True)
        if gone or known:
            sync_directory(self._collection)

    def write(self, points: int | None) -> None:
        """After the collection was flushed and closed. ``points`` None: as many as there were."""
        sizes = _sizes(self._collection)
        points = self._points if points is None else points
        if points is None:
            return
        if self._kept == sizes and self._points == points:
            self._put_back()
        else:
            log = _log(self._collection)
            with suppress(OSError):  # a full disk: the next time nothing is known
                write_json(self._place, {"points": points, "log": log, "segments": sizes})
            self._aside.unlink(missing_ok=True)
        self._kept = self._points = None

    def _put_back(self) -> None:
        self._kept = self._points = None
        with suppress(OSError):
            self._aside.replace(self._place)


def _points(number: int) -> str:
    return "there was 1 point" if number == 1 else f"there were {number} points"


def _log(collection: Path) -> str:
    """What the engine notes of its log: how many changes are in the segments."""
    try:
        return (collection / "wal" / "first-index").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _sizes(collection: Path) -> Sizes:
    sizes: Sizes = {}
    with suppress(OSError):
        with os.scandir(collection / _SEGMENTS) as entries:
            segments = list(entries)
        for segment in segments:
            if segment.is_dir():
                sizes[segment.name] = dict(_files(segment.path, ""))
    return sizes


def _files(directory: str, before: str) -> Iterator[tuple[str, int]]:
    with suppress(OSError):
        with os.scandir(directory) as entries:
            found = list(entries)
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{before}{entry.name}/")
                continue
            with suppress(FileNotFoundError):  # it is gone by now; the others are there
                yield f"{before}{entry.name}", entry.stat().st_size


def _missing(kept: Mapping[str, Mapping[str, int]], there: Sizes) -> str | None:
    """What is not there any more, in words; None where all is."""
    found = [
        f"{_SEGMENTS}/{segment}/{name} {what}"
        for segment, files in kept.items()
        for name, size in files.items()
        if (what := _fault(name, size, there.get(segment, {}).get(name)))
    ]
    if not found:
        return None
    more = f", and {len(found) - 1} more files are missing or cut" if len(found) > 1 else ""
    return f"{found[0]}{more}"


def _fault(name: str, size: int, now: int | None) -> str | None:
    if now is None:
        return "is missing"
    least = min(size, 1) if name.endswith(_DESCRIPTIONS) else size
    return f"was cut from {size} bytes to {now}" if now < least else None
