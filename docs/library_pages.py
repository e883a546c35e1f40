"""What is public: the pages of the library's reference, by name, which docs/library.py writes.

What has no place here may change in any release; docs/stability.md says what that means.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

__all__ = ["NOT_PUBLIC", "PAGES", "Page", "Part"]


class Part(NamedTuple):
    """A chapter of a page: ``names`` are public, each with its module."""

    title: str
    about: str
    names: tuple[str, ...]


class Page(NamedTuple):
    """A page of the reference."""

    file: str
    title: str
    about: str
    parts: tuple[Part, ...]
    words: dict[str, str]
    """What signatures name and no heading has."""


def _of(module: str, names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names.split())


def _all_of(module: str) -> tuple[str, ...]:
    """The names of a module: classes first, for functions take and give them."""
    return _of(module, " ".join(importlib.import_module(module).__all__))


QQL = (
    Part(
        "Sessions",
        "A session carries statements out.",
        _of("qql", "connect Session connect_async AsyncSession Walk AsyncWalk"),
    ),
    Part(
        "Results",
        "What a statement gives.",
        _of("qql", "Result Hit Group StageShare"),
    ),
    Part(
        "From texts to requests",
        "All of this works without an engine.",
        _of("qql", "compile check explain lint format parse split from_request condition embed")
        + _of("qql", "CompileOptions Request Compiled Schema VectorInfo __version__"),
    ),
    Part(
        "Prepared statements",
        "Texts that are read once and carried out with many values. A session's are made by its `prepare`.",
        _of("qql", "prepare Prepared SessionStatement AsyncStatement Parameter"),
    ),
    Part(
        "Retrievers",
        "A pipeline as a call. Those of frameworks need their extras: "
        '`pip install "qql-lang[langchain]"`, `[llama-index]`, `[haystack]`.',
        (
            *_of("qql", "retriever Retriever Document"),
            "qql.integrations.langchain.QQLRetriever",
            "qql.integrations.llama_index.QQLRetriever",
            "qql.integrations.haystack.QQLRetriever",
        ),
    ),
    Part(
        "Errors",
        "Every error is a `QQLError`. Codes are as stable as names, messages and hints are not.",
        _of(
            "qql",
            "QQLError QQLCompileError QQLSyntaxError QQLPlanError QQLScriptError QQLExecutionError",
        )
        + _of("qql", "QQLRefusedError QQLUnsupportedError QQLModelError QQLConnectionError QQLTimeoutError")
        + _of("qql", "Diagnostic Span Source"),
    ),
    Part(
        "Models and engines of your own",
        "What an object has to have that stands for a model, or that `connect` takes for an engine. For most "
        "models a function will do.",
        (
            "qql.models.embedders.Embedders",
            "qql.models.embedders.base.Embedder",
            "qql.models.rerankers.base.Reranker",
            "qql.backends.base.Backend",
        ),
    ),
    Part(
        "The DB-API",
        "`qql.dbapi` is Python's DB-API 2.0 (PEP 249); what that says of a name holds here.",
        _all_of("qql.dbapi"),
    ),
)
_JSON = {
    "Json": "None, or a bool, number, text, list or dict of such",
    "Id": "the id of a point: an int or a str",
    "JsonObject": "a dict of texts to `Json`",
    "OrderValue": "a value of the field of ORDER BY: a float or a str",
    "Body": "a mapping of texts to `Json`",
    "Params": "values of parameters: a mapping for `:name`, a sequence for `?`; see [values.md](values.md)",
    "TextOrTree": "a text, a tree of `qql.build` or `qql.parse`, or several trees",
    "QueryPlan": "a query's stages; its fields are not public",
}
_NODES = {
    "nodes.…": "a class of `qql.nodes`, the tree: its classes and fields follow the grammar",
}
WORDS = {
    **_JSON,
    **_NODES,
    "Kind": 'of a result: `"hits"`, `"rows"`, `"message"`, `"text"`; of a model: `"dense"`, `"multi"`, '
    '`"sparse"`',
    "Stages": "name → a stage, as text, as a tree or as what `qql.build` makes",
    "SchemaSource": "name → `Schema`, the body that creates it, or the answer to `GET /collections/{name}`; "
    "or a function of the name",
    "EmbedFunction": "(list of n texts) → n vectors: lists of floats or arrays of the shape (dimensions); of "
    "multivectors (rows, dimensions); sparse ones are objects with `indices` and `values`. In an event loop "
    "it may be `async`",
    "Function": "as `EmbedFunction`",
    "RerankFunction": "(query, list of n texts) → n scores, the higher the better; it may be `async` as well",
    "Vector": 'a list of floats; a list of such; or `{"indices": [int], "values": [float]}`',
    "Purpose": '`"query"` or `"document"`',
    "Progress": "(what is done, how much of it, how much there is or None) → None",
    "Optimized": "true where something was done; `said` is what there is to say of it",
    "Parameters": "as `Params`",
    "Row": "a tuple of `Json`, a value for each column",
    "HaystackDocument": "`haystack.Document`",
    "Secret": "`haystack.utils.Secret`",
    "_TypeObject": "compares equal to the `type_code` of the columns that it stands for",
}
BUILD_WORDS = {
    **_NODES,
    "Name": "a text, `field(…)` or `param(…)`; `Names`: several",
    "Names": "an iterable of `Name`",
    "Words": "a text or `param(…)`",
    "Value": "a text, number, bool, date, UUID or enum, `param(…)`, or None",
    "Values": "an iterable of `Value`, or `param(…)` for a list",
    "Keys": "keys of shards: a `Value`, several, or `shard(…)`",
    "Options": "a mapping of names to values, as PARAMS and WITH have them",
    "Blocks": "the name of a block (`hnsw`, `optimizers`, …) → its `Options`",
    "Selected": "true, false, names, `include(…)`, `exclude(…)`, or `param(…)`",
    "Condition": "a filter, a tree of one, or `param(…)` for one",
    "Operand": "an expression, a number, a date or `param(…)`",
    "Given": "what is searched for: a text, a vector (list or array, of rows for multivectors; a sparse one "
    'is `{"indices": […], "values": […]}`), the id of a point, or `param(…)`',
    "Id": "an unsigned integer, a UUID or `param(…)`",
    "Pairs": "pairs of what is near and what is far, each a `Given`",
    "Rows": "a mapping with `id`, `vector` and the payload, or several",
    "Row": "one of them",
    "Target": "what a query looks for: a call of this page, a `Given`, or an expression that is a formula",
    "Stage": "a query, `ref(…)`, or the name of a stage",
    "Reference": "what `ref` makes",
    "Subject": "a statement, or a tree of one",
    "Direction": 'a text (`"year DESC"`), a field, or `order_by(…)`',
    "Distance": '`"cosine"`, `"dot"`, `"euclid"` or `"manhattan"`',
}
EVALUATION_WORDS = {
    **_JSON,
    "Key": "(a `qql.Hit`) → the id of its document",
    "HitKey": "the group of a hit (None without GROUP BY) and its id",
    "Place": "the positions in the lists of prefetches that lead from the root to a stage",
    "Trace": "label → `StageTrace`, inputs before what reads them",
    "Rows": "a list of `JsonObject`, each a row of a table",
    "Item": "whatever the caller has",
    "Path": "`pathlib.Path`",
    "Analysis": "what each stage of a query did; its fields are not public",
    "CollectionFacts": "what is known of a collection beside its `Schema`; its fields are not public",
    "QueriesLike": "queries: a file's name; id → text, or id → parameters; texts; rows, or a frame of them",
    "Earlier": "figures to compare with: the file of a report as JSON or of a TREC run, or an `Outcome`",
    "MarginsLike": "rules: `nDCG@10:0.01`, several of them, or measure → margin (None: more than chance)",
    "QrelsLike": "judgements: a file's name; query id → document id → relevance, or → documents; rows",
    "PipelineLike": "a text or tree, the `Path` of a script or TREC run, a `Pipeline`, or rankings by query",
    "JudgeLike": "a `Judge`; a function of the texts of a query and a document; `module:function`; "
    "`https://…`; judgements as `QrelsLike`",
    "Pipelines": "one `PipelineLike`, several in a list, or several by their names",
    "Progress": "called with what is done in words, how much of it is done, and how much there is",
    "Stamp": "versions, machine and data of a measurement; its fields are not public",
    "Board": "`scored`: all settings that were recomputed; its other fields are not public",
    "Front": "a tuple of `ScoredSetting` that no other beats, from the cheapest to the best",
    "Space": "`text(values)`: the pipeline with the values of a setting; its fields are not public",
    "Trial": "what was measured of one of the settings; its fields are not public",
    "Tunable": "a pipeline and what can be changed about it; its fields are not public",
    "Figures": "times, recall and steps of one pipeline, as `to_dict` has them; its fields are not public",
    "_Figures": "times, recall and ranks of each configuration; its fields are not public",
    "Configuration": "a way to search that is compared; its fields are not public",
    "StageLimits": "how many candidates each stage has; its fields are not public",
    "Subject": "what is searched, by which vectors; its fields are not public",
    "os": "`os.PathLike` is a path",
}

PAGES = (
    Page(
        "library.md",
        "The library",
        "What a program may import, with signatures and errors.\n"
        "[library-build.md](library-build.md) has `qql.build`, "
        "[library-evaluation.md](library-evaluation.md) `qql.evaluation`.\n"
        "[stability.md](stability.md) says what is public, and for how long it stays.",
        QQL,
        WORDS,
    ),
    Page(
        "library-build.md",
        "qql.build",
        "Filters, queries and statements of Python objects; [build.md](build.md) puts them together.",
        (
            Part(
                "Names",
                "Arguments are called as the clauses that they become; None is as if one were left out.\n"
                "All raise `QQLPlanError` (`wrong-argument`) for what cannot stand where it is given, and "
                "`TypeError` for an\nargument that there is not.",
                ("qql.build.clauses.QueryClauses", *_all_of("qql.build")),
            ),
        ),
        BUILD_WORDS,
    ),
    Page(
        "library-evaluation.md",
        "qql.evaluation",
        "How good pipelines are, how fast, how they differ, and which settings are worth having.",
        (Part("Names", "", _all_of("qql.evaluation")),),
        EVALUATION_WORDS,
    ),
)

NOT_PUBLIC: dict[str, str] = {
    "Session": "__init__ backend checked analyse stamp facts full_facts knows_collections",
    "AsyncSession": "__init__ carried checked context analyse stamp facts full_facts knows_collections inner",
    "AsyncStatement": "__init__ carried inner",
    "SessionStatement": "__init__",
    "Walk": "__init__",
    "AsyncWalk": "__init__",
    "Connection": "__init__",
    "Cursor": "__init__",
    "Retriever": "__init__",
    "Compiled": "made_of filled own_requests written origin ignores_missing",
    "Pipeline": "whole answering",
    "Prepared": "__init__",
    "Diagnostic": "at",
    "Embedders": "get size_of load take_notes with_functions own cache_dir",
    "QQLError": "at make exit_code",
    "Source": "position line hidden",
    "Recording": "header of_header",
    "Settable": "edited",
    "RecordedQuery": "to_dict of_dict",
    "RecordedStage": "to_dict of_dict",
    "Usage": "of",
}
"""Members that have no underscore, as other rooms of the house use them, and that are not public."""
