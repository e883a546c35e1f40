"""USING and EMBED of UPSERT → which field of a row becomes which vector, by which model."""

from __future__ import annotations

from collections.abc import Sequence

from qql import nodes
from qql.compiler.model_names import BM25, known_kind
from qql.compiler.plan import Context, SecondStage
from qql.compiler.vector_models import named_model
from qql.errors import did_you_mean, fail
from qql.records import dataclass, replace
from qql.rest.types import Body
from qql.schema import Schema, VectorInfo

__all__ = ["IMAGE_FIELDS", "TEXT_FIELDS", "Embed", "field_of", "resolve_embeds", "text_at"]

_NODE_CONTENT = "_node_content"
"""Where LlamaIndex keeps a node, as JSON text; the node's text is its key ``text``."""
TEXT_FIELDS = (
    *("text", "body", "content", "page_content", _NODE_CONTENT),  # the last two: LangChain's and LlamaIndex's
    *("title", "description", "name", "summary", "document"),
)
"""The payload field that is embedded: the first of these that a row has."""
IMAGE_FIELDS = ("image", "image_url", "picture", "photo")
"""The same for images."""

_ROLES = {"dense": "dense", "sparse": "sparse", "multi": "colbert"}
"""Kind → what its vector is called where nothing is known of the collection."""


@dataclass(frozen=True, slots=True)
class Embed:
    """One vector to make: ``vector`` (``""`` is the unnamed one) of ``field``, or of the usual fields.

    ``form`` is text or image, the key of Qdrant's inference object.
    """

    vector: str
    form: str = "text"
    model: str | None = None
    field: str | None = None

    @property
    def fields(self) -> Sequence[str]:
        """The fields that are looked at, in this order."""
        if self.field is not None:
            return (self.field,)
        return IMAGE_FIELDS if self.form == "image" else TEXT_FIELDS


def field_of(row: Body, embed: Embed) -> str | None:
    """What is to be embedded: the first of the fields that holds a text; None where none does."""
    return next((text for name in embed.fields if (text := text_at(row, name))), None)


def text_at(payload: Body, name: str) -> str | None:
    """The text that a field of a payload holds, None where it holds none; a node's where it holds a node."""
    value = payload.get(name)
    if not isinstance(value, str):
        return None
    if name == _NODE_CONTENT and value.startswith("{"):
        return _node_text(value)
    return value


def _node_text(content: str) -> str:
    from json import JSONDecodeError, loads

    try:
        text = loads(content).get("text")
    except (JSONDecodeError, RecursionError):
        return content
    return text if isinstance(text, str) else content


def resolve_embeds(
    embeds: Sequence[nodes.Embedding], schema: Schema | None, collection: str, context: Context
) -> tuple[Embed, ...]:
    """Each embedding with its vector and model.

    What is left out is found by the schema: the vector called as its kind, or the only one of the kind; the
    model recorded for it, or the configured one. Sparse vectors fall back on BM25. Raises `QQLPlanError`.
    """
    found: dict[str, Embed] = {}
    for given in embeds:
        one = _resolve(given, schema, collection, context)
        if one.vector in found:
            name = one.vector or "(unnamed)"
            hint = "each vector is made of one field; VECTOR name (or INTO name) tells them apart"
            fail("duplicate-vector", f"the vector `{name}` is made twice", given.span, hint)
        found[one.vector] = one
    return tuple(found.values())


def _resolve(given: nodes.Embedding, schema: Schema | None, collection: str, context: Context) -> Embed:
    model = named_model(given.model) if given.model is not None else None
    kind = _kind(given, model)
    vector = _vector(given, kind, schema, collection)
    _check_kind(given, vector, collection)
    if model is None:
        model = vector.model or context.models.get(vector.name)
    if model is None and vector.kind == "sparse":
        model = BM25
    if model is None and vector.kind == "dense":
        model = context.models.get("*")
    if model is None:
        _no_model(given, vector, schema, collection, context)
    else:
        _check_model(given, vector, model)
    form = "image" if given.kind == "image" else "text"
    field = str(given.name.text) if given.name is not None else None
    return Embed(vector.name, form, model, field)


def _kind(given: nodes.Embedding, model: str | None) -> str | None:
    """dense, sparse or multi as it is written; else as the model is known; else None."""
    if given.kind is not None:
        return "dense" if given.kind == "image" else given.kind
    return known_kind(model) if model else None


def _vector(given: nodes.Embedding, kind: str | None, schema: Schema | None, collection: str) -> VectorInfo:
    if schema is None:
        if given.vector is not None:
            return VectorInfo(str(given.vector.text), kind or "dense")
        if given.kind == "image":
            message = "the vector of the images is not named, and nothing is known of the collection"
            fail("vector-missing", message, given.span, "write USING IMAGE MODEL '…' VECTOR name")
        return VectorInfo(_ROLES[kind or "dense"], kind or "dense")
    if given.vector is not None:
        return _named_vector(given.vector, schema, collection)
    wanted = kind or "dense"
    fitting = [vector for vector in schema.vectors.values() if vector.kind == wanted]
    exact = [vector for vector in fitting if vector.name == _ROLES[wanted]]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    why = f"more than one {wanted} vector" if fitting else f"no {wanted} vector"
    hint = f"name it by VECTOR; its vectors: {schema.describe_vectors()}"
    fail("vector-missing", f"`{collection}` has {why}", given.span, hint)


def _named_vector(name: nodes.Name, schema: Schema, collection: str) -> VectorInfo:
    found = schema.vectors.get(str(name.text))
    if found is None:
        hint = did_you_mean(str(name.text), schema.vectors) or f"its vectors: {schema.describe_vectors()}"
        fail("unknown-vector", f"`{collection}` has no vector `{name.text}`", name.span, hint)
    return found


def _no_model(
    given: nodes.Embedding, vector: VectorInfo, schema: Schema | None, collection: str, context: Context
) -> None:
    """As with a text to search for: an error where the collection is known, a warning where it is not."""
    which = (
        f"the vector `{vector.name}` of `{collection}`" if vector.name else f"the vector of `{collection}`"
    )
    hint = "write MODEL 'name', give --model vector=name, or CREATE COLLECTION with MODEL"
    message = f"no model is known that makes {which}"
    if schema is not None:
        fail("no-model", message, given.span, hint)
    context.warn("no-model", f"{message}, so the request names none", given.span, hint)


def _check_kind(given: nodes.Embedding, vector: VectorInfo, collection: str) -> None:
    written = "dense" if given.kind == "image" else given.kind
    if written is not None and written != vector.kind:
        message = f"{str(given.kind).upper()} makes a {written} vector, but the vector `{vector.name}` of"
        fail("wrong-kind", f"{message} `{collection}` is {vector.kind}", given.span)


def _check_model(given: nodes.Embedding, vector: VectorInfo, model: str) -> None:
    made = known_kind(model)
    if made is not None and made != vector.kind and given.kind != "image":
        message = f"the model `{model}` makes {made} vectors, but the vector `{vector.name}` is {vector.kind}"
        fail("wrong-kind", message, given.span)


# ------------------------------------------------------------------------------------ texts of candidates


def fields_read(second: SecondStage) -> tuple[str, ...]:
    """The payload fields that hold a candidate's text, or may hold it."""
    return (second.name,) if second.name else TEXT_FIELDS


def with_texts(selection: nodes.Selection | None, second: SecondStage) -> nodes.Selection | None:
    """What has to be loaded of the payload, so that the texts are there."""
    if selection is None or selection.mode == "all":
        return selection
    needed = {name: nodes.Name(name, span=selection.span) for name in fields_read(second)}
    if selection.mode == "none":
        return nodes.Selection("include", tuple(needed.values()), span=selection.span)
    given = {str(name.text): name for name in selection.names}
    if selection.mode == "include":
        return replace(selection, names=tuple((given | needed).values()))
    kept = tuple(name for text, name in given.items() if text not in needed)
    return replace(selection, names=kept) if kept else nodes.Selection("all", span=selection.span)
