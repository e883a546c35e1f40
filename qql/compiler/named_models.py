"""The models that a tree names, wherever in it."""

from __future__ import annotations

from collections.abc import Iterator

from qql import nodes
from qql.errors import Span
from qql.nodes.core import walk

__all__ = ["MODELS", "has_open_model", "model_of", "models_in"]

MODELS: dict[type[nodes.Node], str] = dict.fromkeys(
    (*nodes.EMBEDDED.values(), nodes.Embedding, nodes.Hybrid, nodes.VectorDef, nodes.Rerank), "model"
)
"""Nodes that name a model → the field that has it."""


def models_in(tree: object) -> Iterator[str]:
    """The models that a tree names."""
    for node in walk(tree):
        yield from (model for model, _ in model_of(node))


def model_of(node: nodes.Node) -> Iterator[tuple[str, Span | None]]:
    field = MODELS.get(type(node))
    scalar = getattr(node, field) if field is not None else None
    if isinstance(scalar, nodes.Scalar) and isinstance(scalar.value, str):
        yield scalar.value, scalar.span


def has_open_model(tree: object) -> bool:
    """Whether a model is a parameter without a value."""
    scalars = (getattr(node, MODELS[type(node)]) for node in walk(tree) if type(node) in MODELS)
    return any(isinstance(one, nodes.Scalar) and isinstance(one.value, nodes.Param) for one in scalars)
