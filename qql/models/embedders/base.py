"""What a text-to-vector model offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from qql.compiler.model_names import Kind
from qql.rest.inference_objects import Purpose

__all__ = ["Embedder", "Kind", "Purpose", "Vector"]

Vector = Any
"""Dense: ``list[float]``; multi: ``list[list[float]]``; sparse: ``{"indices": …, "values": …}``."""


class Embedder(Protocol):
    """One model."""

    model: str
    kind: Kind

    @property
    def size(self) -> int | None:
        """The number of dimensions; None for sparse models, and where it is not known before use."""
        ...

    def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """One vector for each text, in order, in one batch.

        Raises `QQLModelError` when the model cannot be loaded or does not answer.
        """
        ...
