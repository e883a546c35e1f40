"""Where a table or a key stands in a text of TOML, and that text without its values, which may be secret."""

from __future__ import annotations

import tomllib

from qql.errors import Source, Span
from qql.late import late_pattern

__all__ = ["place_of", "without_values"]

_HEADER = late_pattern(r"\s*\[([^\[\]]+)\]\s*(#.*)?")
_KEY = late_pattern(r"""\s*((?:[\w.\s-]|"[^"]*"|'[^']*')+?)\s*=""")


def without_values(text: str, name: str) -> Source:
    """The text with its lines, its headers and the names of its keys alone: for messages."""
    shown = []
    for line in text.split("\n"):
        key = _KEY.match(line)
        if key:
            shown.append(f"{key[0]} …")
        else:
            shown.append(line.partition("#")[0] if _HEADER.fullmatch(line.rstrip("\r")) else "")
    return Source("\n".join(shown), name)


def place_of(source: Source, path: tuple[str, ...]) -> Span | None:
    """Where a key or a table is first named, or else the table that it is in; None where neither is found."""
    best, depth = None, 0
    for found, span in _places(source.text):
        if found[: len(path)] == path:
            return span
        if path[: len(found)] == found and len(found) > depth:
            best, depth = span, len(found)
    return best


def _places(text: str) -> list[tuple[tuple[str, ...], Span]]:
    """Each header and each key with its path."""
    places: list[tuple[tuple[str, ...], Span]] = []
    table: tuple[str, ...] = ()
    start = 0
    for line in text.split("\n"):
        if header := _HEADER.fullmatch(line):
            table = _path_of(f"[{header[1]}]")
            places.append((table, Span(start + header.start(1), start + header.end(1))))
        elif key := _KEY.match(line):
            path = (*table, *_path_of(f"{key[1]} = 0"))
            places.append((path, Span(start + key.start(1), start + key.end(1))))
        start += len(line) + 1
    return places


def _path_of(line: str) -> tuple[str, ...]:
    """The names in a header, or in front of a value."""
    try:
        found: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(found, dict) and found:
        name, found = next(iter(found.items()))
        path.append(name)
    return tuple(path)
