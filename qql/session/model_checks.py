"""Models against the collections that record them: those of a new vector can run, those given have effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql import nodes
from qql.compiler.model_names import known_size
from qql.compiler.plan import Context
from qql.compiler.script import Compiled
from qql.compiler.vector_models import vector_models
from qql.errors import Diagnostic, QQLModelError
from qql.flows import aside
from qql.models.embedders import Embedders
from qql.rest.inference_objects import places_of
from qql.schema import Schema

__all__ = ["check_new_models", "defaults_said", "models_of_new_vectors", "overridden", "overridden_in"]


def models_of_new_vectors(
    compiled: Compiled, context: Context, embedders: Embedders, infers: Callable[[str], bool]
) -> tuple[Diagnostic, ...]:
    """As `check_new_models`, unless IF NOT EXISTS makes no vectors."""
    statement = compiled.statement
    forgiven = isinstance(statement, nodes.CreateCollection) and statement.if_not_exists
    if forgiven and context.schema(str(compiled.collection)) is not None:
        return ()
    return check_new_models(statement, context, embedders, infers)


def check_new_models(
    statement: nodes.Statement, context: Context, embedders: Embedders, infers: Callable[[str], bool]
) -> tuple[Diagnostic, ...]:
    """Loads the models of new vectors; what keeps the default model from running is a warning.

    What the engine infers itself is not loaded. Raises `QQLModelError` for a model that somebody chose.
    """
    warnings = []
    for one in vector_models(statement, context):
        if infers(one.model):
            continue
        try:
            aside(embedders.load, one.model)
        except QQLModelError as exc:
            if one.chosen:
                raise exc.at(span=one.span) from exc.__cause__
            message = f"`{one.vector}` is to be made by `{one.model}`, the default: {exc.diagnostic.message}"
            another = f"MODEL 'name' behind the vector, or --model {one.vector}=name, takes another model"
            hint = "; ".join(filter(None, (exc.hint, another)))
            warnings.append(Diagnostic("default-model", message, one.span, hint, severity="warning"))
    return tuple(warnings)


def defaults_said(statement: nodes.Statement, context: Context) -> str:
    """`` (dense by sentence-transformers/…, 384 dimensions)`` where nobody chose the model, else nothing."""
    said = []
    for one in vector_models(statement, context):
        if not one.chosen:
            size = known_size(one.model)
            said.append(f"{one.vector} by {one.model}" + (f", {size} dimensions" if size else ""))
    return f" ({'; '.join(said)})" if said else ""


def overridden_in(
    compiled: Compiled, models: Mapping[str, str], schema: Callable[[str], Schema | None]
) -> list[Diagnostic]:
    """As `overridden`, for a statement that has texts for models; none for any other."""
    texts = (place for request in compiled.requests for place in places_of(request))
    if not (isinstance(compiled.written, nodes.Copy) or any(True for _ in texts)):
        return []
    collection = str(compiled.collection)
    return overridden(models, collection, schema(collection))


def overridden(models: Mapping[str, str], collection: str, schema: Schema | None) -> list[Diagnostic]:
    """A warning for each configured model that has no effect, since the collection records another."""
    found = []
    recorded = {vector.name: vector.model for vector in schema.vectors.values()} if schema else {}
    dense = [vector.model for vector in schema.vectors.values() if vector.kind == "dense"] if schema else []
    for name, model in models.items():
        if name == "*":
            others = [own for own in dense if own != model] if all(dense) else []
            idle = len(others) == len(dense) and bool(dense)
            which, own = "for any dense vector", ", ".join(f"`{one}`" for one in dict.fromkeys(others))
        else:
            other = recorded.get(name)
            idle = other is not None and other.lower() != model.lower()
            which, own = f"for `{name}`", f"`{other}`"
        if idle:
            message = f"the model `{model}` that is given {which} is not used: `{collection}` records {own}"
            hint = f"MODEL '{model}' behind a text uses it; leave it out of --model (models=) else"
            found.append(Diagnostic("model-overridden", message, hint=hint, severity="warning"))
    return found
