"""What the compiler may know of a collection: its vectors, their models, its payload indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["METADATA_KEY", "Schema", "VectorInfo"]

METADATA_KEY = "qql"
"""Where a collection's own metadata holds ours: ``{"qql": {"models": {vector: model}}}``."""


@dataclass(frozen=True, slots=True)
class VectorInfo:
    """One vector of a collection. ``kind`` is dense, sparse or multi; ``size`` is None for sparse."""

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
    """The vectors by name (``""`` is the unnamed one) and the type of each indexed payload field."""

    vectors: Mapping[str, VectorInfo] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    points: int | None = None

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Schema:
        """From the ``result`` of ``GET /collections/{name}``, or the body that created a collection."""
        config = info.get("config", {})
        params = config.get("params", info)
        metadata = config.get("metadata") or info.get("metadata") or {}
        ours = metadata.get(METADATA_KEY)
        models = (ours.get("models") if isinstance(ours, Mapping) else None) or {}
        indexes = {
            name: str(described.get("data_type", ""))
            for name, described in (info.get("payload_schema") or {}).items()
        }
        return cls(_vectors(params, models), indexes, info.get("points_count"))

    def with_models(self, models: Mapping[str, str]) -> Schema:
        """With a model for each vector that records none: by its name, or ``"*"`` for dense ones."""
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
