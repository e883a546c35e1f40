"""What a text is compiled with: the options that a caller gives, and the context that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql import nodes
from qql.compiler.model_names import full_name
from qql.compiler.plan import Context, stage_key
from qql.errors import Source
from qql.kinds import TEXT, Kind, mapping_of, require_kinds
from qql.late import TypedDict
from qql.nodes.core import Composed, tree_of
from qql.schema import Schema
from qql.syntax.parser import parse_stage, source_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.syntax.parser import TextOrTree

__all__ = ["MODELS", "STAGES", "CompileOptions", "SchemaSource", "Stages", "make_context", "prepare"]

Stages = Mapping[str, "str | nodes.Query | Composed"]
"""Stages by name, each a text (``"QUERY 'a' USING dense LIMIT 100"``) or a tree."""
SchemaSource = Mapping[str, "Schema | Mapping[str, Any]"] | Callable[[str], Schema | None] | None


class CompileOptions(TypedDict, total=False):
    """What `qql.compile`, `qql.check`, `qql.explain` and `qql.lint` take by name beside the text and its
    parameters.

    ``collection`` stands in for a missing FROM, ``stages`` for stages that no WITH defines, ``models``
    gives a model by the name of a vector (``"*"``: any other dense one), ``schema`` what is known of
    the collections: a mapping of name → `Schema`, or the body that created it, or the engine's answer
    to ``GET /collections/{name}``. ``rerank_model`` is the model of a RERANK that names none,
    ``default_model`` that of the dense vector of HYBRID. ``name`` is what messages call the text.
    """

    collection: str | None
    stages: Stages | None
    models: Mapping[str, str] | None
    schema: SchemaSource
    rerank_model: str | None
    name: str
    default_model: str


def prepare(text: TextOrTree, options: CompileOptions) -> tuple[Source, Context]:
    """The text and the context in which it is compiled.

    Raises ``TypeError`` for an option that does not exist or is of another kind, `QQLSyntaxError` for a stage
    that does not parse.
    """
    if not options:
        return source_of(text), Context()
    unknown = options.keys() - CompileOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(CompileOptions.__annotations__)
        raise TypeError(f"there is no option {min(unknown)!r}; the options are {known}")
    require_kinds(options, _OPTION_KINDS)
    context = make_context(
        options.get("collection"), options.get("stages"), options.get("models"), options.get("schema")
    )
    context.reranker = options.get("rerank_model")
    if "default_model" in options:
        context.default_model = full_name(options["default_model"])
    return source_of(text, options.get("name", "<string>")), context


STAGES = mapping_of(
    "texts or trees", lambda stage: isinstance(stage, (str, nodes.Node)) or hasattr(stage, "tree")
)
MODELS = mapping_of("names of models", lambda model: isinstance(model, str))
_OPTION_KINDS: dict[str, Kind] = {
    "collection": TEXT,
    "stages": STAGES,
    "models": MODELS,
    "schema": Kind("a mapping, or a function", lambda given: isinstance(given, Mapping) or callable(given)),
    "rerank_model": TEXT,
    "name": TEXT,
    "default_model": TEXT,
}


def make_context(
    collection: str | None = None,
    stages: Stages | None = None,
    models: Mapping[str, str] | None = None,
    schema: SchemaSource = None,
) -> Context:
    """A context from what a caller gives. Raises `QQLSyntaxError` for a stage that does not parse."""
    defined = {}
    for name, stage in (stages or {}).items():
        tree = parse_stage(stage, name=f"<stage {name}>") if isinstance(stage, str) else tree_of(stage)
        cte = nodes.Cte(nodes.Name(name), tree)
        defined[stage_key(cte.name)] = cte
    known = {vector: full_name(model) for vector, model in (models or {}).items()}
    if callable(schema):
        return Context(collection, defined, known, schema)
    schemas = {
        name: given if isinstance(given, Schema) else Schema.from_info(given)
        for name, given in (schema or {}).items()
    }
    return Context(collection, defined, known, schemas.get)
