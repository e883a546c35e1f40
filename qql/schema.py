"""What the compiler may know of a collection: its vectors, their models, its payload indexes, its fields."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from qql.late import late_pattern
from qql.nodes import is_uuid
from qql.records import dataclass, field, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["METADATA_KEY", "Fields", "Schema", "SeenField", "VectorInfo", "normal_path"]

METADATA_KEY = "qql"
"""Where a collection's own metadata holds ours: ``{"qql": {"models": {vector: model}}}``."""


@dataclass(frozen=True, slots=True)
class VectorInfo:
    """One vector of a collection.

    ``name`` is empty for the unnamed one; ``kind`` is dense, sparse or multi; ``size`` is the number of
    dimensions and ``distance`` Qdrant's word (``Cosine``, ``Dot`` …), both None for sparse. ``model`` is the
    model that the collection records for it, or None.
    """

    name: str
    kind: str
    size: int | None = None
    distance: str | None = None
    model: str | None = None

    def describe(self) -> str:
        """``dense (dense, 384 × Cosine, model m)`` for error messages and plans."""
        shape = f"{self.kind}, {self.size} × {self.distance}" if self.size else self.kind
        return f"{self.name or '(unnamed)'} ({shape}{f', model {self.model}' if self.model else ''})"


@dataclass(frozen=True, slots=True)
class Schema:
    """What is known of a collection.

    ``vectors`` are its vectors by name (``""`` is the unnamed one), ``indexes`` the type of each indexed
    field of the payload, and ``points`` how many there are about, None where that is not known.
    """

    vectors: Mapping[str, VectorInfo] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    points: int | None = None

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Schema:
        """From ``info``: the ``result`` of ``GET /collections/{name}``, or a body that creates a collection.

        Raises `QQLPlanError` (``wrong-schema``) for anything else.
        """
        try:
            return cls._of(info)
        except (AttributeError, TypeError):  # a part of it is not of the kind that it should be
            from qql.errors import fail

            hint = "give the answer to GET /collections/{name}, or a body that creates a collection"
            fail("wrong-schema", "this describes no collection", hint=hint)

    @classmethod
    def _of(cls, info: Mapping[str, Any]) -> Schema:
        config = info.get("config", {})
        params = config.get("params", info)
        metadata = config.get("metadata") or info.get("metadata") or {}
        ours = metadata.get(METADATA_KEY)
        models = (ours.get("models") if isinstance(ours, Mapping) else None) or {}
        indexes = {
            name: str(described.get("data_type", ""))
            for name, described in sorted((info.get("payload_schema") or {}).items())
        }
        return cls(_vectors(params, models), indexes, info.get("points_count"))

    def with_models(self, models: Mapping[str, str]) -> Schema:
        """With one of ``models`` for each vector that records none: by name, or ``"*"`` for dense ones."""
        if not models:
            return self
        found = {}
        for name, vector in self.vectors.items():
            model = vector.model or models.get(name) or (models.get("*") if vector.kind == "dense" else None)
            found[name] = replace(vector, model=model)
        return replace(self, vectors=found)

    def describe_vectors(self) -> str:
        """The vectors in one line."""
        return ", ".join(v.describe() for v in self.vectors.values()) or "none"


def _vectors(params: Mapping[str, Any], models: Mapping[str, str]) -> dict[str, VectorInfo]:
    found: dict[str, VectorInfo] = {}
    dense = params.get("vectors") or {}
    if "size" in dense and not isinstance(dense["size"], Mapping):
        dense = {"": dense}
    for name, described in dense.items():
        kind = "multi" if described.get("multivector_config") else "dense"
        size, distance = described.get("size"), described.get("distance")
        found[name] = VectorInfo(name, kind, size, distance, models.get(name))
    for name in params.get("sparse_vectors") or {}:
        found[name] = VectorInfo(name, "sparse", model=models.get(name))
    return found


# ------------------------------------------------------------------------------------ fields

_MOST_PATHS = 1000
_MOST_VALUES = 100_000  # looked at in all payloads together
_MOST_ITEMS = 32  # looked at of each list
_LONGEST_KEY = 200
_DATE = late_pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:.*)?", re.DOTALL)
_PLAIN_KEY = late_pattern(r"[\w-]+")
_QUOTED_PLAIN_KEY = late_pattern(r'"([\w-]+)"')
_ITEM = late_pattern(r"\[[0-9]+\]")


@dataclass(frozen=True, slots=True)
class SeenField:
    """What a field held: how many values of each kind, and how many points had it.

    The kinds are ``integer``, ``whole`` (1.0), ``float`` (1.5), ``text``, ``date`` and ``uuid`` (texts that
    read as such), ``bool``, ``geo`` (an object with lat and lon), ``object``, ``null`` and ``empty`` (a list
    of nothing). The items of a list count as its field's own values, as they do in a filter.
    """

    kinds: Mapping[str, int]
    points: int


@dataclass(frozen=True, slots=True)
class Fields:
    """The payload fields of some points of a collection, by paths as filters write them: ``a.b``, ``a[].b``.

    ``points`` is how many were looked at; ``whole`` says that there are no others. With ``cut``, some fields
    were passed over (beyond 1,000 of them, and in very long lists or names): one that is missing here may be
    there.
    """

    seen: Mapping[str, SeenField]
    points: int
    whole: bool = False
    cut: bool = False

    @classmethod
    def of(cls, payloads: Iterable[Mapping[str, Any] | None], *, whole: bool = False) -> Fields:
        """From payloads, one for each point; of very large ones, only as many as 100,000 values take."""
        reader = _FieldReader()
        points = 0
        for payload in payloads:
            if reader.values >= _MOST_VALUES:
                whole = False
                break
            reader.read(payload or {})
            points += 1
        seen = {path: SeenField(dict(kinds), reader.points[path]) for path, kinds in reader.kinds.items()}
        return cls(seen, points, whole and not reader.cut, reader.cut)

    def find(self, path: str) -> SeenField | None:
        """What was seen of a field, however a filter spells its path; None where no point had it."""
        path = normal_path(path)
        found = self.seen.get(path)
        if found is None and path.endswith("[]"):  # `tags[]` has the items of `tags`
            return self.seen.get(path.removesuffix("[]"))
        return found


def normal_path(path: str) -> str:
    """A path as `Fields` has it: ``a[0]."b"`` is ``a[].b``."""
    return _QUOTED_PLAIN_KEY.sub(r"\1", _ITEM.sub("[]", path))


class _FieldReader:
    """Counts the values of payloads by path and kind. Depth is not limited."""

    def __init__(self) -> None:
        self.kinds: dict[str, Counter[str]] = {}
        self.points: Counter[str] = Counter()
        self.values = 0
        self.cut = False

    def read(self, payload: Mapping[str, Any]) -> None:
        paths: set[str] = set()
        todo: list[tuple[str, Any]] = [*self._members("", payload)]
        while todo:
            path, value = todo.pop()
            self.values += 1
            if path not in self.kinds and len(self.kinds) >= _MOST_PATHS:
                self.cut = True
                continue
            paths.add(path)
            items = value if isinstance(value, list) else [value]
            if not items:
                self._count(path, "empty")
            for item in items[:_MOST_ITEMS]:
                if isinstance(item, dict):
                    todo += self._members(f"{path}[]." if items is value else f"{path}.", item)
                elif isinstance(item, list):  # a filter reaches what lists in lists hold by `a[]`
                    todo.append((f"{path}[]", item))
                    continue
                self._count(path, _kind(item))
            nested = any(isinstance(item, (dict, list)) for item in items[:_MOST_ITEMS])
            self.cut |= len(items) > _MOST_ITEMS and nested
        self.points.update(paths)

    def _members(self, above: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, member in value.items():
            if len(key) + len(above) > _LONGEST_KEY:
                self.cut = True
                continue
            yield above + (key if _PLAIN_KEY.fullmatch(key) else f'"{key}"'), member

    def _count(self, path: str, kind: str) -> None:
        self.kinds.setdefault(path, Counter())[kind] += 1


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "integer"
        case float():
            return "whole" if value.is_integer() else "float"
        case str():
            return "date" if _DATE.fullmatch(value) else "uuid" if is_uuid(value) else "text"
    return "geo" if isinstance(value, dict) and {"lat", "lon"} <= value.keys() else "object"
