"""Which model makes a vector that CREATE or ALTER COLLECTION defines, and of which size that makes it."""

from __future__ import annotations

from collections.abc import Sequence

from qql import nodes
from qql.compiler.model_names import full_name, known_size
from qql.compiler.plan import Context
from qql.compiler.scalars import text_of
from qql.errors import QQLError, Span, fail
from qql.records import NamedTuple

__all__ = ["VectorModel", "default_vectors", "model_of_vector", "named_model", "size_made", "vector_models"]


class VectorModel(NamedTuple):
    """A vector with the model that makes it. ``chosen``: somebody named it, and it is not the default."""

    vector: str
    model: str
    chosen: bool
    span: Span | None


def named_model(scalar: nodes.Scalar) -> str:
    """The model behind MODEL, by its whole name. Raises `QQLPlanError`."""
    return full_name(text_of(scalar, "MODEL"))


def model_of_vector(
    vector: nodes.VectorDef, context: Context, beside: Sequence[nodes.VectorDef] = ()
) -> str | None:
    """The model of a vector: as it is written; where its size is missing, the configured one, or the default.

    The default is for what HYBRID stands for: a bare dense vector, ``beside`` which is a sparse one with a
    model. None where the vector has a size and no model, and where nothing says of which model it is.
    """
    found = _chosen_model(vector, context)
    if found is None and _is_bare(vector):
        hybrid = any(other.kind == "sparse" and other.model is not None for other in beside)
        return context.default_model if hybrid else None
    return found


def _chosen_model(vector: nodes.VectorDef, context: Context) -> str | None:
    if vector.model is not None:
        return named_model(vector.model)
    if vector.kind == "sparse" or vector.size is not None:
        return None
    configured = context.models.get(str(vector.name.text))
    return configured or (context.models.get("*") if _is_bare(vector) else None)


def _is_bare(vector: nodes.VectorDef) -> bool:
    """Whether it is a dense vector of which nothing is said."""
    said = vector.kind == "sparse" or vector.size is not None or vector.model is not None
    return not said and not any(block.kind == "multivector" for block in vector.blocks)


def default_vectors(statement: nodes.CreateCollection, context: Context) -> tuple[nodes.VectorDef, ...]:
    """Where no vector is written: `dense`, if a model is configured that makes it; else there is none."""
    if not (context.models.get("dense") or context.models.get("*")):
        return ()
    span = statement.name.span
    return (nodes.VectorDef(nodes.Name("dense", span=span), "dense", span=span),)


def vector_models(statement: nodes.Statement, context: Context) -> list[VectorModel]:
    """The vectors that a statement makes, each with its model; those without a model are left out."""
    match statement:
        case nodes.CreateCollection():
            vectors = statement.vectors or default_vectors(statement, context)
        case nodes.AddVector():
            vectors = (statement.vector,)
        case _:
            return []
    found = []
    for vector in vectors:
        model = model_of_vector(vector, context, vectors)
        if model is not None:
            span = vector.model.span if vector.model is not None else vector.span
            chosen = _chosen_model(vector, context) is not None
            found.append(VectorModel(str(vector.name.text), model, chosen, span))
    return found


def size_made(model: str, vector: nodes.VectorDef, context: Context) -> int | None:
    """The dimensions of a model's vectors, as its name tells or its files do; None where neither does.

    Files are only asked where no size is written. Raises `QQLPlanError` where they cannot be read.
    """
    known = known_size(model)
    if known is not None or vector.size is not None:
        return known
    try:
        return context.size_of(model)
    except QQLError as exc:
        fail(exc.code, exc.diagnostic.message, vector.model.span if vector.model else vector.span, exc.hint)
