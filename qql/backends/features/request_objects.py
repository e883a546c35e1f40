"""The objects of a request's body that are Qdrant's words, and not a user's own."""

from __future__ import annotations

from collections.abc import Iterator

from qql.rest.types import Json, JsonObject

__all__ = ["USER_DATA", "Path", "objects_of"]

Path = tuple[str | int, ...]
"""Keys, and places in lists, from a body to something in it."""
USER_DATA = frozenset({"payload", "payloads", "metadata", "defaults"})
"""The keys of what is a user's own."""
_VECTORS_OF_POINTS = frozenset({"vector", "vectors"})
_VECTORS_BY_NAME = frozenset({"vectors", "sparse_vectors"})
_ADDED = {"dense": "vectors", "sparse": "sparse_vectors"}
_NOT_SETTINGS = USER_DATA - {"payload"} | {"strict_mode_config"}
"""What of a body of settings has a user's names for keys, and nothing else that matters here."""
_Place = tuple[str, Json, Path]
"""The key that something stands at, what it is, and its path."""


def objects_of(body: JsonObject, *, settles: bool) -> Iterator[tuple[str, JsonObject, Path]]:
    """The objects of a body in its order, each with the key that it stands at and its path.

    ``settles`` says that the body is one of settings (CREATE, ALTER). There ``payload`` is Qdrant's word, and
    each vector stands at the key ``vectors`` or ``sparse_vectors``, whatever its name is.
    """
    pending: list[_Place] = [("", body, ())]
    while pending:
        key, value, path = pending.pop()
        if isinstance(value, list):
            pending += reversed(_items(key, value, path))
        elif settles:
            names = key in _VECTORS_BY_NAME and path == (key,) and all(map(_nests, value.values()))
            if not names:
                yield key, value, path
            pending += reversed(_settings(key if names else None, value, path))
        else:
            if key not in _VECTORS_OF_POINTS or isinstance(value.get("model"), str):
                yield key, value, path
            pending += reversed(
                [
                    (at, item, (*path, at))
                    for at, item in value.items()
                    if _nests(item) and at not in USER_DATA
                ]
            )


def _items(key: str, values: list[Json], path: Path) -> list[_Place]:
    """What of a list holds objects. A list that begins with a fraction is a vector, but in a formula."""
    if values and isinstance(values[0], float) and "formula" not in path:
        return []
    return [(key, item, (*path, n)) for n, item in enumerate(values) if _nests(item)]


def _settings(kind: str | None, value: JsonObject, path: Path) -> list[_Place]:
    """The objects in one of settings; ``kind`` is the key of them all where they stand by a user's names."""
    places = []
    for at, item in value.items():
        if _nests(item) and at not in _NOT_SETTINGS:
            stands_at = kind or (at if path else _ADDED.get(at, at))
            places.append((stands_at, item, (*path, at)))
    return places


def _nests(value: Json) -> bool:
    return isinstance(value, dict | list)
