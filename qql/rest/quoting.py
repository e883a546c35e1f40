"""Names in the paths of requests."""

from __future__ import annotations

__all__ = ["quoted", "unquoted"]

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")


def quoted(name: str) -> str:
    """A name as a segment of a path, percent-encoded. (What needs no encoding is spared the import.)"""
    if _PLAIN.issuperset(name):
        return name
    from urllib.parse import quote

    return quote(name, safe="")


def unquoted(segment: str) -> str:
    """The name that a segment of a path stands for."""
    if "%" not in segment:
        return segment
    from urllib.parse import unquote

    return unquote(segment)
