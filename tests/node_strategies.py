"""Hypothesis strategies for every node of `qql.nodes`: the trees that parsing can produce.

``statements`` is what most tests want: whole statements whose parameters are all ``:name`` or all ``?``. The
other strategies give parts, with ``:name`` parameters only. ``parameters=False`` leaves parameters out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from qql import nodes
from qql.nodes import (
    FUNCTION_OF,
    FUNCTIONS,
    Call,
    Divide,
    Formula,
    Name,
    Node,
    Option,
    Param,
    Query,
    Rerank,
    Scalar,
)
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Choice
from qql.syntax.parser import keywords
from qql.syntax.printer import show

__all__ = [
    "KINDS",
    "conditions",
    "expressions",
    "inputs",
    "names",
    "options",
    "queries",
    "statements",
    "targets",
    "values",
]

Strategy = SearchStrategy[Any]

# ------------------------------------------------------------------------------------ leaves

_TEXTS = [
    *(
        "",
        " ",
        "a",
        "emergency care",
        "it's",
        "''",
        "'''",
        '"',
        '"""',
        "\\",
        "\\'",
        "\\n",
        "a\nb",
        "\r\n",
        "\t",
    ),
    *(
        "\x00",
        "\x01\x7f",
        "\x85\u2028\u2029",
        "\ufeff",
        "\u202e",
        "--",
        "/*",
        "*/",
        ";",
        ":p",
        "?",
        "r'",
        "`",
    ),
    *("日本", "e\u0301", "😀", "👩\u200d🚀", "true", "null", "NaN", "1", "-1", "{}", "[]", "x" * 100),
    *("550e8400-e29b-41d4-a716-446655440000", "550E8400E29B41D4A716446655440000", "2024-05-01T12:00:00Z"),
]
_PLAIN_NAMES = ["a", "docs", "dense", "sparse", "text", "title", "price", "tags", "city", "_x", "A", "é"]
_ODD_NAMES = ["a.b", "a[].b", "a[]", "$x", "$score", "$score[0]", "$a[12]", "1a", "a-b", "a..b", "2024-05-01"]
_NUMBERS = [
    *(0, 1, -1, 42, 2**63 - 1, -(2**63), 2**64 - 1, 384),
    *(0.0, -0.0, 0.5, -0.25, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, -2.5e-10, 100.0),
]
_KEYWORDS = sorted(keywords())

_text = st.sampled_from(_TEXTS) | st.text(st.characters(codec="utf-8"), max_size=12)
_number = st.sampled_from(_NUMBERS) | st.integers(-(2**63), 2**64 - 1)
_param = st.sampled_from(["p", "tags", "a.b", "query", "from", "_", "A9"]).map(Param)
_word = st.one_of(
    st.sampled_from(_PLAIN_NAMES),
    st.sampled_from(_PLAIN_NAMES),
    st.sampled_from(_KEYWORDS),
    st.sampled_from([word.lower() for word in _KEYWORDS]),
    st.sampled_from(_ODD_NAMES),
    _text,
)


def _maybe(strategy: Strategy) -> Strategy:
    return st.none() | strategy


def _tuples(strategy: Strategy, least: int = 1, most: int = 3) -> Strategy:
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


names = st.one_of(_word.map(Name), _word.map(Name), _word.map(Name), _param.map(Name))
_literal_names = _word.map(Name)
_texts = st.one_of(_text, _text, _param).map(Scalar)
_uuids = st.one_of(_text, _param).map(Scalar).map(nodes.Uuid)
_optional_param = _param.map(lambda param: replace(param, optional=True))
_optional_scalars = _optional_param.map(Scalar)
_scalars = st.one_of(_text, _number, st.sampled_from([True, False, None]), _param, _uuids).map(Scalar)
_numbers_or_params = st.one_of(_number, _param).map(Scalar)
_ids = st.one_of(_number, _text, _uuids, _param).map(Scalar)


def _sized(make: Callable[..., Strategy]) -> Callable[..., Strategy]:
    """A strategy for each depth, made once."""
    return cache(make)


@_sized
def values(depth: int = 2) -> Strategy:
    """JSON values with parameters and UUIDs in them; lists and dicts nest as deep as told."""
    leaf = _scalars.map(lambda scalar: scalar.value)
    if not depth:
        return leaf
    return st.one_of(leaf, leaf, st.lists(values(depth - 1), max_size=3), objects(depth))


@_sized
def objects(depth: int = 2) -> Strategy:
    """Objects: ``{…}``."""
    return st.dictionaries(_word, values(max(0, depth - 1)), max_size=3)


_vectors = st.one_of(
    st.lists(_number, max_size=40),
    st.lists(st.lists(_number, max_size=3), max_size=3),
    st.lists(values(1), max_size=3),
)

# ------------------------------------------------------------------------------------ options


@_sized
def options(depth: int = 1) -> Strategy:
    """One option whose name is in lower case, as `Option` names are outside of METADATA and DEFAULTS."""
    return st.builds(Option, _word.map(str.lower), _option_values(depth) | _optional_param)


@_sized
def _entries(depth: int = 1) -> Strategy:
    """Options of METADATA and DEFAULTS: their names keep their case, and WHERE is no value of theirs."""
    return st.builds(Option, _word, values(depth) | _tuples(options(depth), 0, 2))


@_sized
def _option_values(depth: int) -> Strategy:
    flat = values(depth)
    if not depth:
        return flat
    return st.one_of(flat, flat, flat, _tuples(options(depth - 1), 0, 2), st.deferred(lambda: conditions(0)))


_some_options = st.one_of(st.just(()), _tuples(options(1), 0))
_params = _some_options.map(lambda given: tuple(o for o in given if not o.name.startswith("mmr_")))

# ------------------------------------------------------------------------------------ filters


def _scalar_or_list(least: int = 0) -> Strategy:
    return st.one_of(_tuples(_scalars, least), _tuples(_scalars, least), _param)


def _operators(*, values: bool) -> list[str]:
    return [known.kind for known in nodes.MATCH_OPERATORS.values() if known.values == values]


_COUNT_BOUNDS = st.sampled_from(["lt", "lte", "gt", "gte"])
_leaf_conditions = st.one_of(
    st.builds(nodes.Compare, names, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), _scalars),
    st.builds(nodes.Between, names, _scalars, _scalars),
    st.builds(nodes.In, names, _scalar_or_list()),
    st.builds(nodes.IsNull, names),
    st.builds(nodes.IsEmpty, names),
    st.builds(nodes.Match, names, st.sampled_from(_operators(values=False)), _texts),
    st.builds(nodes.Match, names, st.sampled_from(_operators(values=True)), _scalar_or_list()),
    st.deferred(lambda: st.builds(nodes.Range, names, _tuples(options(0), 0))),
    st.deferred(lambda: st.builds(nodes.ValuesCount, names, _tuples(options(1), 0))),
    st.builds(nodes.ValuesCount, names, _tuples(st.builds(Option, _COUNT_BOUNDS, values(0)))),
    st.builds(
        lambda name, low, high: nodes.ValuesCount(name, (Option("gte", low), Option("lte", high))),
        names,
        st.sampled_from([1, 1.0, True, 2]),
        st.sampled_from([1, 1.0, True, 2]),
    ),
    st.builds(nodes.Geo, names, st.sampled_from(["bbox", "radius", "polygon"]), objects(2) | _param),
    st.builds(nodes.Slice, _scalars, _scalars),
    st.builds(nodes.HasVector, names),
    st.builds(nodes.BoundCondition, _param),
)


def _optional(condition: Any, param: Param) -> nodes.Optional:
    """OPTIONAL has a parameter in it."""
    if any(isinstance(node, Param) for node in nodes.walk(condition)):
        return nodes.Optional(condition)
    return nodes.Optional(nodes.And((condition, nodes.BoundCondition(param))))


@_sized
def conditions(depth: int = 2) -> Strategy:
    """Conditions; AND, OR, NOT, NESTED, OPTIONAL and MIN SHOULD nest as deep as told."""
    if not depth:
        return _leaf_conditions
    below = conditions(depth - 1)
    return st.one_of(
        _leaf_conditions,
        _leaf_conditions,
        st.builds(nodes.And, _tuples(below, 2)),
        st.builds(nodes.Or, _tuples(below, 2)),
        st.builds(nodes.Not, below),
        st.builds(_optional, below, _param),
        st.builds(nodes.Nested, names, below),
        st.builds(nodes.MinShould, _scalars, _tuples(below)),
    )


# ------------------------------------------------------------------------------------ formulas

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?", re.ASCII)


def _target_of_decay(target: Any) -> Any:
    """A quoted date is a point in time there."""
    if isinstance(target, Name) and isinstance(target.text, str) and _DATE.fullmatch(target.text):
        return nodes.Datetime(Scalar(target.text))
    return target


def _divide(left: Any, right: Any, default: Any) -> Divide:
    """Brackets behind a function that has no use for them are the division's."""
    if isinstance(right, Call) and right.default and FUNCTION_OF[right.function].guard is None:
        right, default = replace(right, default=None), right.default
    return Divide(left, right, default)


def _calls(args: Strategy, default: Strategy) -> Iterator[Strategy]:
    for known in FUNCTIONS.values():
        most = known.most or 3
        yield st.builds(Call, st.just(known.name), _tuples(args, known.least, most), default)


_leaf_expressions = st.one_of(
    names,
    names,
    _numbers_or_params,
    _uuids.map(Scalar),
    st.builds(nodes.Datetime, _scalars),
    st.builds(nodes.DatetimeKey, names),
    st.builds(nodes.GeoDistance, objects(1) | _param, names),
    st.builds(
        lambda lat, lon, name: nodes.GeoDistance({"lat": lat.value, "lon": lon.value}, name),
        _numbers_or_params,
        _numbers_or_params,
        names,
    ),
)


@_sized
def expressions(depth: int = 2) -> Strategy:
    """Expressions of formulas; arithmetic, functions, CASE and decays nest as deep as told."""
    if not depth:
        return _leaf_expressions
    below = expressions(depth - 1)
    default = st.one_of(st.none(), st.none(), _scalars)
    whens = st.builds(nodes.When, conditions(1), below)
    return st.one_of(
        _leaf_expressions,
        st.builds(lambda left, right: Call("sum", (left, right)), below, below),
        st.builds(lambda left, right: Call("sum", (left, Call("neg", (right,)))), below, below),
        st.builds(lambda left, right: Call("mult", (left, right)), below, below),
        st.builds(lambda inner: Call("neg", (inner,)), below),
        st.builds(_divide, below, below, default),
        st.one_of(*_calls(below, default)),
        st.builds(nodes.Case, _tuples(whens, 1, 2), _maybe(below)),
        st.builds(nodes.Truth, conditions(1)),
        st.builds(
            nodes.Decay,
            st.sampled_from(["gauss", "exp", "lin"]),
            below,
            _maybe(below).map(_target_of_decay),
            _maybe(below),
            _maybe(below),
        ),
    )


# ------------------------------------------------------------------------------------ targets

_models = _maybe(_texts)
_model_options = st.one_of(st.none(), st.none(), objects(1), _param)
_sparse_vectors = st.fixed_dictionaries(
    {"indices": st.lists(_number, max_size=3), "values": st.lists(_number, max_size=3)}
)
_points = st.builds(nodes.Point, _ids)
inputs = st.one_of(
    st.builds(nodes.Text, _texts),
    st.builds(nodes.Text, _texts, _models, _model_options),
    st.builds(nodes.Image, _texts, _models, _model_options),
    st.builds(nodes.Inference, objects(1) | _param, _models, _model_options),
    st.builds(nodes.Vector, st.one_of(_vectors, _sparse_vectors, _param)),
    _points,
    st.builds(nodes.AnyInput, _param),
    # Of Qdrant's own objects, `{text: 5, model: …}`, which only the planner refuses.
    st.builds(nodes.Text, _texts | _scalars, _maybe(_number.map(Scalar)), values(1)),
    st.builds(nodes.Inference, values(1), _models, st.none()),
)


def _example(value: Any) -> Any:
    """What `POSITIVE […]` makes of a value."""
    if isinstance(value, (list, dict)):
        return nodes.Vector(value)
    return nodes.AnyInput(value) if isinstance(value, Param) else nodes.Point(Scalar(value))


_examples = st.one_of(
    _tuples(inputs, 0),
    _tuples(_points, 0),
    _tuples(values(1), 0, 2).map(lambda v: tuple(map(_example, v))),
    _param,
)
_pairs = _tuples(st.builds(nodes.ContextPair, inputs, inputs), 1, 2)
_directions = st.sampled_from([None, "asc", "desc"]) | _param | _optional_param
_orders = st.builds(nodes.OrderBy, names, _directions, _maybe(_scalars))
_feedback = _tuples(st.builds(nodes.FeedbackItem, inputs, _scalars), 1, 2)


@_sized
def formulas(depth: int = 2) -> Strategy:
    """``FORMULA … DEFAULTS …``."""
    return st.builds(Formula, expressions(depth), st.just(()) | _tuples(_entries(1), 0, 2))


def _declared(kind: type[Node]) -> Strategy:
    """A target by its declaration: what cannot be missing is there, the rest may be."""
    roles = {
        INPUT: inputs,
        INPUTS: _examples,
        PAIRS: _pairs,
        SCORED: _feedback,
    }
    parts = {}
    for part in nodes.TARGETS[kind].parts:
        made = roles.get(part.role, names if isinstance(part.role, Choice) else _scalars)
        parts[part.field] = made if part.required or part.role is INPUTS else _maybe(made)
    return st.builds(kind, **parts)


targets = st.one_of(
    *[inputs] * 4,
    *(_declared(kind) for kind, info in nodes.TARGETS.items() if info.parts),
    st.builds(nodes.Points, _tuples(_ids) | _param),
    st.builds(nodes.Discover, inputs, st.just(())),
    _orders,
    st.just(nodes.Sample()),
    formulas(2),
    st.builds(nodes.RelevanceFeedback, inputs, _feedback, names, _some_options),
    st.builds(nodes.Hybrid, _texts, _models, _maybe(names), _maybe(names), _models, _models),
    st.builds(nodes.FullText, _texts, names, _some_options),
    st.builds(
        nodes.FieldsText,
        _texts,
        _tuples(st.builds(nodes.BoostedField, names, _maybe(_scalars)), 1, 3),
        _some_options,
    ),
)

# ------------------------------------------------------------------------------------ clauses

_selections = st.one_of(
    st.sampled_from([nodes.Selection("all"), nodes.Selection("none")]),
    st.builds(nodes.Selection, st.sampled_from(["include", "exclude"]), _tuples(names)),
    st.builds(nodes.Selection, _param | _optional_param),
)
_shards = st.builds(nodes.Shard, _tuples(_scalars, 0, 2), _maybe(_scalars))
_lookups = st.builds(nodes.Lookup, names, _maybe(names), _maybe(_shards))
_sizes = _maybe(_scalars | _optional_scalars)
_groups = st.builds(
    nodes.Group,
    names,
    _sizes,
    _maybe(st.builds(nodes.GroupLookup, names, _maybe(_selections), _maybe(_selections))),
    st.booleans(),
)
_rerank = st.builds(Rerank, _models, _models, _maybe(names), _sizes)
_usings = st.builds(nodes.Using, names, st.sampled_from([None, "dense", "sparse", "multi"]))
_fusions = st.sampled_from(sorted(nodes.FUSIONS)).map(nodes.Fusion)
_wheres = _maybe(conditions(2))


def _settled(query: Query) -> Query:
    """The query as parsing would have it: with a head, and with what can stand behind that head."""
    if query.target is None and query.fusion is None:
        query = replace(query, target=query.formula, formula=None)
    headless = query.target is None and query.fusion is None and query.source is None
    if headless and query.rerank is not None and query.rerank.text is None:  # QUERY RERANK … is a target
        query = replace(query, source=Name("docs"))
    if query.formula is not None and isinstance(query.target, Formula):
        query = replace(query, target=replace(query.target, defaults=()))  # DEFAULTS is the clause's
    if isinstance(query.target, nodes.Hybrid):
        query = replace(query, params=(*query.params, Option("mmr_diversity", 0.5)))
    return query


@_sized
def queries(depth: int = 1, *, ctes: bool = True) -> Strategy:
    """Queries with stages as deep as told. In a stage, ``ctes`` are those of DEFINE only."""
    stages = queries(depth - 1, ctes=False) if depth else None
    refs = st.builds(
        nodes.Ref,
        names if stages is None else names | stages,
        _maybe(conditions(1)),
        _sizes,
        _maybe(_lookups),
    )
    own = st.just(()) if stages is None or not ctes else _tuples(st.builds(nodes.Cte, names, stages), 0, 2)
    few = st.one_of(st.none(), st.none(), st.none())  # seldom, since these make the largest trees
    return st.builds(
        Query,
        ctes=own,
        target=_maybe(targets),
        source=_maybe(names),
        using=_maybe(_usings),
        where=_wheres,
        prefetch=st.just(()) | _tuples(refs, 0, 2),
        fusion=_maybe(_fusions),
        formula=few | formulas(1),
        rerank=few | _rerank,
        threshold=_sizes,
        params=_params,
        group=_maybe(_groups),
        payload=_maybe(_selections),
        vectors=_maybe(_selections),
        provenance=_maybe(st.just(nodes.Provenance())),
        lookup=_maybe(_lookups),
        shard=_maybe(_shards),
        limit=_sizes,
        offset=_sizes,
    ).map(_settled)


@_sized
def _defined(depth: int) -> Strategy:
    """The stage of DEFINE: its stages may define further ones."""
    stages = _defined(depth - 1) if depth else queries(0, ctes=False)
    ctes = _tuples(st.builds(nodes.Cte, names, stages), 0, 2)
    return st.builds(lambda query, own: replace(query, ctes=own), queries(0, ctes=False), ctes)


# ------------------------------------------------------------------------------------ other statements

_source = {"source": _maybe(names), "where": _wheres}
_ends = {"shard": _maybe(_shards), "wait": _maybe(_scalars)}
_rows = st.one_of(_tuples(objects(2)), _tuples(objects(2) | _param), _tuples(values(1), 0, 2), _param)


def _embedding(given: nodes.Embedding) -> nodes.Embedding:
    """One that says something: an empty one has no text."""
    return given if repr(given) != repr(nodes.Embedding()) else nodes.Embedding("dense")


_embeddings = st.builds(
    nodes.Embedding,
    st.sampled_from([None, "dense", "sparse", "multi", "image"]),
    _models,
    _maybe(names),
    _maybe(names),
).map(_embedding)
# A name in backticks cannot have one in it, or a line break, so in a join it has to be a parameter's.
_joined_names = names.filter(
    lambda name: isinstance(name.text, Param) or not re.search("[`\0-\x1f]", name.text)
)
_joins = st.builds(nodes.Joined, _tuples(_joined_names | _texts, 2, 4))
_mappings = st.one_of(
    st.builds(nodes.Mapping, names, names),
    st.builds(nodes.Mapping, names, names, st.just(True)),
    st.builds(nodes.Mapping, names, _tuples(names)),
    st.builds(nodes.Mapping, names, st.builds(nodes.VectorFile, _texts)),
    st.builds(nodes.Mapping, names, _joins, st.just(True)),
    st.builds(nodes.Mapping, names, names | _joins, st.just(False), st.booleans()),
)
_columns = st.builds(nodes.Column, names, _maybe(names))
_SUB_KINDS = [
    *("hnsw", "vector", "quantization", "multivector", "sparse", "index", "optimizers", "params", "wal"),
    "strict_mode",
]
_sub_blocks = st.builds(nodes.Block, st.sampled_from(_SUB_KINDS), _tuples(options(1), 0))
_blocks = _sub_blocks | st.builds(nodes.Block, st.just("metadata"), _tuples(_entries(1), 0))
_defs = st.one_of(
    st.builds(
        nodes.VectorDef,
        names,
        st.just("dense"),
        _maybe(_numbers_or_params),
        st.sampled_from([None, "Cosine", "Dot", "Euclid", "Manhattan"]),
        _models,
        _tuples(_blocks, 0, 2),
    ),
    st.builds(
        lambda name, model, blocks: nodes.VectorDef(name, "sparse", None, None, model, blocks),
        names,
        _models,
        _tuples(_blocks, 0, 2),
    ),
)
_changes = st.builds(
    nodes.VectorChange, names, st.sampled_from(["dense", "sparse"]), _tuples(_sub_blocks, 1, 2)
)
_flag = st.booleans()
_shard_keys = st.one_of(_text, _number, _param).map(Scalar)


def _altered(given: nodes.AlterCollection) -> nodes.AlterCollection:
    return given if given.blocks or given.changes else replace(given, blocks=(nodes.Block("hnsw", ()),))


def _statement(kind: type[Node]) -> Strategy:
    """A statement by the types of its fields; those with other values are written out in `_WRITTEN`."""
    made: dict[str, Strategy] = {}
    for one in fields(kind):
        if one.name == "span":
            continue
        by_type = str(one.type).removesuffix(" | None")
        strategy = _BY_NAME[one.name] if one.name in _BY_NAME else _BY_TYPE[by_type]
        made[one.name] = _maybe(strategy) if str(one.type).endswith("| None") else strategy
    return st.builds(kind, **made)


_BY_TYPE: dict[str, Strategy] = {
    "Name": names,
    "Scalar": _scalars,
    "bool": _flag,
    "tuple[Name, ...]": _tuples(names),
    "tuple[Option, ...]": _some_options,
    "Condition": conditions(2),
    "Shard": _shards,
    "Using": _usings,
    "Selection": _selections,
    "OrderBy": _orders,
}
_BY_NAME: dict[str, Strategy] = {
    "path": _texts,
    "snapshot": _texts,
    "text": _texts,
    "key": _shard_keys,
    "after": _ids,
}


def _whys(**points: Strategy) -> Strategy:
    """WHY of the points that are named so."""
    return st.builds(nodes.Why, _batched, negated=st.booleans(), format=_maybe(names), **points)


_else_branches = st.builds(nodes.ElseBranch, queries(1), _maybe(_scalars), _maybe(_scalars), _flag).map(
    lambda one: replace(one, distance=one.distance and one.score is not None)
)

_WRITTEN: dict[type[Node], Strategy] = {
    Query: queries(2),
    nodes.Fallback: st.builds(nodes.Fallback, queries(1), _tuples(_else_branches, 1, 2)),
    nodes.Facet: st.builds(
        nodes.Facet,
        _maybe(names),
        **_source,
        params=_some_options,
        shard=_maybe(_shards),
        limit=_maybe(_scalars),
    ),
    nodes.Upsert: st.builds(
        nodes.Upsert,
        names,
        _rows,
        _flag,
        _tuples(_embeddings, 0, 2),
        _maybe(names),
        _wheres,
        **_ends,
    ),
    nodes.UpdatePayload: st.builds(
        nodes.UpdatePayload, names, objects(2) | _param, _maybe(names), _flag, _wheres, **_ends
    ),
    nodes.UpdateVector: st.builds(
        nodes.UpdateVector, names, _vectors | values(2), _maybe(names), _wheres, **_ends
    ),
    nodes.UpdateVectors: st.builds(nodes.UpdateVectors, names, _rows, _wheres, **_ends),
    nodes.Batch: st.deferred(
        lambda: st.builds(nodes.Batch, _tuples(_batched, 1, 3), wait=_maybe(_scalars), params=_some_options)
    ),
    nodes.Copy: st.builds(
        nodes.Copy,
        names,
        _texts,
        _maybe(names),
        _tuples(_mappings, 0),
        _maybe(_scalars),
        st.sampled_from([None, "skip", "stop"]),
        _tuples(_columns, 0),
        _maybe(_scalars),
        _maybe(_scalars),
        _maybe(_shards),
    ),
    nodes.CreateCollection: st.builds(
        nodes.CreateCollection, names, _flag, _tuples(_defs, 0), _tuples(_blocks, 0, 2)
    ),
    nodes.AlterCollection: st.builds(
        nodes.AlterCollection, names, _tuples(_blocks, 0, 2), _tuples(_changes, 0, 2)
    ).map(_altered),
    nodes.AddVector: st.builds(nodes.AddVector, names, _defs),
    nodes.Define: st.builds(nodes.Define, names, st.one_of(queries(1, ctes=False), _defined(1))),
    nodes.Explain: st.deferred(
        lambda: st.builds(
            *(nodes.Explain, _batched, st.booleans(), _maybe(_scalars), st.booleans(), _maybe(names))
        )
    ),
    nodes.CopyTo: st.deferred(
        lambda: st.builds(nodes.CopyTo, _batched, _texts, _maybe(names), st.booleans())
    ),
    nodes.Why: st.deferred(
        lambda: st.one_of(_whys(id=_ids), _whys(where=conditions(), limit=_maybe(_scalars)))
    ),
}
"""The statements whose fields hold more than their types say."""
KINDS: dict[type[Node], Strategy] = {
    kind: _WRITTEN[kind] if kind in _WRITTEN else _statement(kind) for kind in nodes.STATEMENTS
}
"""A strategy for the statements of each kind."""
_HEAVY = (Query, nodes.Fallback, nodes.Batch, nodes.CopyTo, nodes.Explain, nodes.Why)
_batched: Strategy = st.one_of(queries(1), *(made for kind, made in KINDS.items() if kind not in _HEAVY))

# ------------------------------------------------------------------------------------ parameters


def _rebuilt(value: Any, change: Callable[[Param], Any]) -> Any:
    """A tree with each parameter put through a function."""
    match value:
        case Param():
            return change(value)
        case Node():
            found = {
                f.name: _rebuilt(getattr(value, f.name), change) for f in fields(value) if f.name != "span"
            }
            return type(value)(**found, span=value.span)
        case tuple():
            return tuple(_rebuilt(item, change) for item in value)
        case list():
            return [_rebuilt(item, change) for item in value]
        case dict():
            return {key: _rebuilt(item, change) for key, item in value.items()}
    return value


def positional(statement: Any) -> Any:
    """The statement with ``?`` for its parameters, counted in the order of the canonical text."""
    counter = iter(range(1 << 30))
    numbered = _rebuilt(statement, lambda param: replace(param, key=f"__param_{next(counter)}__"))
    order = dict.fromkeys(re.findall(r"(?<!\w):(__param_[0-9]+__)", show(numbered)))
    places = {key: place for place, key in enumerate(order)}
    return _rebuilt(numbered, lambda param: replace(param, key=places[param.key]))


def statements(kind: type[Node] | None = None, *, parameters: bool = True) -> Strategy:
    """Statements, of one kind or of any."""
    made = st.one_of(*KINDS.values()) if kind is None else KINDS[kind]
    if not parameters:
        return made.filter(lambda one: not any(isinstance(node, Param) for node in nodes.walk(one)))
    return st.one_of(made, made, made.map(positional))
