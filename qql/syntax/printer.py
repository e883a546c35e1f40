"""Tree → text, in the canonical spelling."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from qql import nodes
from qql.errors import Span
from qql.syntax.doc import HARD, LINE, SOFT, Anchor, Doc, Later, cat, group, join, nest, render_flat
from qql.syntax.functions import FUNCTIONS, GUARDS

__all__ = ["document", "show"]

_BARE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(\[\])?(\.[A-Za-z_$][A-Za-z0-9_$]*(\[\])?)*", re.ASCII)
_SCORE = re.compile(r"\$[A-Za-z0-9_]+\[[0-9]+\]", re.ASCII)
_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_QUOTED = frozenset(
    {
        "AND",
        "AS",
        "BY",
        "CASE",
        "COLLECTION",
        "ELSE",
        "END",
        "EXISTS",
        "FOR",
        "FROM",
        "IF",
        "IN",
        "INTO",
        "IS",
        "NOT",
    }
    | {"ON", "OR", "SET", "THEN", "TO", "USING", "WHEN", "WHERE", "WITH"}
)
"""Names that are quoted though they need not be: bare, they read as the words of the language."""


def show(node: Any) -> str:
    """The QQL text of a statement or any part of one, on one line."""
    return render_flat(document(node))


def document(node: Any) -> Doc:
    """The text of a node or a value as a document that can be laid out."""
    make = _DOCUMENTS.get(type(node))
    if make is not None:
        return make(node)
    return _value(node)


def _at(node: nodes.Node, *parts: Doc) -> Doc:
    """The parts as what was written at the node's place."""
    return Anchor(node.span, cat(*parts))


# ------------------------------------------------------------------------------------ values


def _value(value: Any) -> Doc:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int() | float():
            return repr(value)
        case nodes.Param():
            return f":{value.key}" if isinstance(value.key, str) else "?"
        case nodes.Scalar():
            return _value(value.value)
        case nodes.Uuid():
            return cat("UUID(", _value(value.text), ")")
        case list() | dict() | tuple():
            return Later(_container, value)
    return document(value)


def _container(value: Any) -> Doc:
    match value:
        case dict():
            pairs = [cat(f"{_key(key)}: ", _value(item)) for key, item in value.items()]
            return _bracketed("{", pairs, "}")
        case tuple():
            return _options(value)
    if {*map(type, value)} <= _NUMBERS:  # a vector is one thing, however long
        return f"[{', '.join(map(repr, value))}]"
    return _bracketed("[", [_value(item) for item in value], "]")


_NUMBERS = {int, float}


def _bracketed(opening: str, items: Iterable[Doc], closing: str, *, lines: bool = False) -> Doc:
    """Items in brackets, on one line or on one each; with ``lines`` always on one each."""
    inside = list(items)
    if not inside:
        return opening + closing
    edge = HARD if lines else SOFT
    doc = group(opening, nest(edge, join(inside, ",", LINE)), edge, closing)
    match inside:
        case [Anchor(span=first), *_] if isinstance(inside[-1], Anchor):
            return Anchor(Span(first.start, inside[-1].span.end), doc, bracketed=True, bare=True)
    return doc


def _spread(parts: Iterable[Doc]) -> Doc:
    """The parts on one line, or all but the first on indented lines of their own."""
    return group(nest(join(parts, LINE)))


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    if escaped.startswith("'"):
        escaped = "\\" + escaped[1:]  # three quotes in a row would begin another kind of string
    return f"'{_visible(escaped)}'"


def _visible(text: str) -> str:
    """The text with escapes for what cannot be seen, and for what would change how the rest is shown."""
    if text.isprintable():
        return text
    return _INVISIBLE.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text)


def _name(name: nodes.Name) -> str:
    if isinstance(name.text, nodes.Param):
        return f"IDENTIFIER({_value(name.text)})"
    bare = _BARE.fullmatch(name.text) and name.text.upper() not in _QUOTED
    return name.text if bare else _string(name.text)


def _unlike(name: nodes.Name, *words: str) -> str:
    """The name, in quotes where it is a word that would begin something else at its place."""
    return _string(name.text) if isinstance(name.text, str) and name.text.upper() in words else _name(name)


def _names(names: Iterable[nodes.Name]) -> Doc:
    return _bracketed("(", [_name(name) for name in names], ")")


def _key(key: str) -> str:
    if _KEY.fullmatch(key):
        return key
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_visible(escaped)}"'


def _option(option: nodes.Option) -> Doc:
    if isinstance(option.value, nodes.Condition):
        return _at(option, f"{_key(option.name)} = WHERE ", _condition(option.value))
    return _at(option, f"{_key(option.name)} = ", _value(option.value))


def _options(options: Iterable[nodes.Option]) -> Doc:
    return _bracketed("(", [_option(option) for option in options], ")")


def _word(word: str, value: Any) -> list[Doc]:
    """``WORD value``, or nothing where the value is missing."""
    return [] if value is None else [cat(f"{word} ", document(value))]


# ------------------------------------------------------------------------------------ targets


_WORDS_OR_PARAM = (str, nodes.Param)


def _embedded(target: Any, kind: str, value: Any, *, word: bool = True) -> Doc:
    """``TEXT 'words' MODEL 'm' OPTIONS {…}``, or Qdrant's own object where a part is no text."""
    given = value.value if isinstance(value, nodes.Scalar) else value
    model = None if target.model is None else target.model.value
    plain = isinstance(given, (dict, nodes.Param) if kind == "object" else _WORDS_OR_PARAM)
    options = target.options is None or isinstance(target.options, (dict, nodes.Param))
    if not (plain and options and (target.model is None or isinstance(model, _WORDS_OR_PARAM))):
        written = {kind: given, "model": model, "options": target.options}
        return _value({key: item for key, item in written.items() if key == kind or item is not None})
    parts = [cat(f"{kind.upper()} " if word else "", _value(given)), *_word("MODEL", target.model)]
    if target.options is not None:
        parts.append(cat("OPTIONS ", _value(target.options)))
    return _spread(parts)


def _text(target: nodes.Text) -> Doc:
    text = target.text.value
    # Alone, a parameter could be any target, and the text of a UUID would be a point.
    bare = isinstance(text, str) and not nodes.is_uuid(text)
    return _embedded(target, "text", target.text, word=not bare)


def _example_text(target: nodes.Text) -> Doc:
    return _embedded(target, "text", target.text)


def _vector(target: nodes.Vector) -> Doc:
    bound = isinstance(target.value, nodes.Param)
    return cat("VECTOR ", _value(target.value)) if bound else _value(target.value)


def _example(target: nodes.Input) -> Doc:
    """An input in a list of examples, where a bare string is the id of a point."""
    match target:
        case nodes.Text():
            return _example_text(target)
        case nodes.Point(id=nodes.Scalar(value=nodes.Param())):
            return document(target)
        case nodes.Point():
            return _value(target.id)
    return document(target)


def _examples(word: str, examples: Any) -> list[Doc]:
    if isinstance(examples, nodes.Param):
        return [cat(f"{word} ", _value(examples))]
    if not examples:
        return []
    if any(map(_only_listed, examples)):
        return [cat(f"{word} ", _value([_listed_example(one) for one in examples]))]
    return [cat(f"{word} ", _bracketed("(", [_at(one, _example(one)) for one in examples], ")"))]


def _only_listed(example: nodes.Input) -> bool:
    """Whether an example can stand in ``[…]`` only: the planner has an error for it."""
    match example:
        case nodes.Point(id=nodes.Scalar(value=value)):
            return value is None or isinstance(value, bool)
        case nodes.Vector(value=dict() as value):
            return value.keys() != {"indices", "values"}
    return False


def _listed_example(example: Any) -> Any:
    return example.id if isinstance(example, nodes.Point) else example.value


def _recommend(target: nodes.Recommend) -> Doc:
    parts = _examples("POSITIVE", target.positive) + _examples("NEGATIVE", target.negative)
    return _spread(["RECOMMEND", *(parts or ["POSITIVE ()"]), *_word("STRATEGY", target.strategy)])


def _pairs(pairs: Iterable[nodes.ContextPair]) -> Doc:
    docs = [
        _at(pair, "POSITIVE ", document(pair.positive), " NEGATIVE ", document(pair.negative))
        for pair in pairs
    ]
    return _bracketed("(", docs, ")")


def _discover(target: nodes.Discover) -> Doc:
    wanted = cat("DISCOVER TARGET ", document(target.target))
    return _spread([wanted, *([cat("CONTEXT ", _pairs(target.pairs))] if target.pairs else [])])


def _order_by(order: nodes.OrderBy) -> Doc:
    direction = [order.direction.upper()] if order.direction else []
    return join([f"ORDER BY {_name(order.name)}", *direction, *_word("START FROM", order.start)], " ")


def _formula(formula: nodes.Formula) -> Doc:
    parts = [cat("FORMULA ", group(nest(_expression(formula.expression))))]
    if formula.defaults:
        parts.append(cat("DEFAULTS ", _options(formula.defaults)))
    return join(parts, LINE)


def _mmr(target: nodes.Mmr) -> Doc:
    parts = [cat("MMR ", document(target.target)), *_word("DIVERSITY", target.diversity)]
    return _spread([*parts, *_word("CANDIDATES", target.candidates)])


def _feedback(target: nodes.RelevanceFeedback) -> Doc:
    items = [_at(i, "(", _example(i.example), ", ", _value(i.score), ")") for i in target.feedback]
    parts: list[Doc] = [cat("RELEVANCE FEEDBACK TARGET ", document(target.target))]
    parts.append(cat("FEEDBACK ", _bracketed("(", items, ")")))
    if target.strategy is not None:
        options = cat(" ", _options(target.options)) if target.options else ""
        parts.append(cat(f"STRATEGY {_name(target.strategy)}", options))
    return _spread(parts)


def _hybrid(target: nodes.Hybrid) -> Doc:
    parts = [cat("HYBRID ", _value(target.text)), *_word("MODEL", target.model)]
    for side, name, model in (
        ("DENSE", target.dense, target.dense_model),
        ("SPARSE", target.sparse, target.sparse_model),
    ):
        if model is not None:
            parts.append(join([side, *_word("VECTOR", name), *_word("MODEL", model)], " "))
        elif name is not None:
            parts.append(f"{side} {_unlike(name, 'MODEL', 'VECTOR')}")
    return _spread(parts)


def _full_text(target: nodes.FullText) -> Doc:
    options = cat(" ", _options(target.options)) if target.options else ""
    return cat("MATCH ", _value(target.text), f" ON {_name(target.name)}", options)


# ------------------------------------------------------------------------------------ formulas

_WORDS = {known.name: word for word, known in FUNCTIONS.items()}
_ADDING, _MULTIPLYING, _FACTOR = 1, 2, 3
"""How tightly an expression holds together: a sum, a product, all else."""


def _binding(node: nodes.Expression) -> int:
    match node:
        case nodes.Call(function="sum", args=(_, _), default=None):
            return _ADDING
        case nodes.Call(function="mult", args=(_, _), default=None) | nodes.Divide():
            return _MULTIPLYING
    return _FACTOR


def _operand(node: nodes.Expression, least: int) -> Doc:
    inside = _expression(node)
    return inside if _binding(node) >= least else _inside(inside)


def _term(node: nodes.Expression, least: int, sign: str = "") -> Doc:
    """An operand of a sum with its sign; comments hold on to it."""
    doc = _operand(node, least)
    return Anchor(node.span, cat(sign, doc) if sign else doc, bracketed=_binding(node) < least)


def _expression(node: nodes.Expression) -> Doc:
    return Later(_made_expression, node)


def _made_expression(node: nodes.Expression) -> Doc:
    match node:
        case nodes.Name(text=str() as text) if _SCORE.fullmatch(text):
            return text
        case nodes.Name():
            return _name(node)
        case nodes.Scalar():
            return _value(node)
        case nodes.Call(
            function="sum", args=(left, nodes.Call(function="neg", default=None) as right), default=None
        ):
            return cat(_term(left, _ADDING), LINE, _term(right.args[0], _MULTIPLYING, "- "))
        case nodes.Call(function="sum", args=(left, right), default=None):
            return cat(_term(left, _ADDING), LINE, _term(right, _MULTIPLYING, "+ "))
        case nodes.Call(function="mult", args=(left, right), default=None):
            return cat(_operand(left, _MULTIPLYING), " * ", _operand(right, _FACTOR))
        case nodes.Call(function="neg", args=(inner,), default=None):
            return cat("-", _expression(inner) if _negatable(inner) else _inside(_expression(inner)))
        case nodes.Call():
            args = [_expression(arg) for arg in node.args]
            return cat(_WORDS[node.function], _bracketed("(", args, ")"), _default(node.default))
        case nodes.Divide():
            below = _operand(node.right, _FACTOR)
            if node.default is not None and _takes_default(node.right):
                below = _inside(below)
            return cat(_operand(node.left, _MULTIPLYING), " / ", below, _default(node.default))
        case nodes.Case():
            whens = [
                _at(w, "WHEN ", _condition(w.condition), " THEN ", _expression(w.value)) for w in node.whens
            ]
            last = [] if node.otherwise is None else [cat("ELSE ", _expression(node.otherwise))]
            return group("CASE", nest(LINE, join([*whens, *last], LINE)), LINE, "END")
        case nodes.Truth():
            return group("CONDITION(", nest(SOFT, _condition(node.condition)), SOFT, ")")
        case nodes.GeoDistance():
            return cat("GEO_DISTANCE(", _value(node.origin), f", {_name(node.name)})")
        case nodes.Datetime():
            return cat("DATETIME(", _value(node.value), ")")
        case nodes.DatetimeKey():
            return f"DATETIME_KEY({_name(node.name)})"
        case nodes.Decay():
            parts = [_expression(node.x)]
            for word in ("target", "scale", "midpoint"):
                value = getattr(node, word)
                if value is not None:
                    parts.append(cat(f"{word.upper()} = ", _expression(value)))
            return cat(f"{node.kind.upper()}_DECAY", _bracketed("(", parts, ")"))


def _negatable(node: nodes.Expression) -> bool:
    """Whether a minus can stand right before it; before a number or another minus, it reads otherwise."""
    signed = isinstance(node, nodes.Scalar) or (isinstance(node, nodes.Call) and node.function == "neg")
    return _binding(node) == _FACTOR and not signed


def _takes_default(node: nodes.Expression) -> bool:
    """Whether ``[DEFAULT = …]`` right behind the divisor would not be the division's."""
    match node:
        case nodes.Call(function="neg", args=(inner,), default=None) if _negatable(inner):
            return isinstance(inner, nodes.Call)
        case nodes.Call():
            return _binding(node) == _FACTOR and (node.function in GUARDS or node.default is not None)
    return False


def _default(default: nodes.Scalar | None) -> Doc:
    return "" if default is None else cat(" [DEFAULT = ", _value(default), "]")


# ------------------------------------------------------------------------------------ queries


def _query(query: nodes.Query) -> Doc:
    parts: list[Doc] = []
    if query.ctes:
        parts.append(cat("WITH", nest(LINE, join([_cte(cte) for cte in query.ctes], ",", LINE))))
    head = _head(query)
    source = _clauses(query, "source")
    parts.append(group(head, LINE, source[0]) if source else head)
    parts += _clauses(query, "using", "where", "prefetch")
    if query.fusion is not None and query.target is not None:
        parts += _clauses(query, "fusion")
    parts += _clauses(query, "formula")
    if not _is_cross(query):
        parts += _clauses(query, "rerank")
    parts += _clauses(query, "threshold", "params")
    parts += _clauses(query, *_shown(query))
    parts += _clauses(query, "limit", "offset")
    return group(join(parts, LINE))


def _shown(query: nodes.Query) -> tuple[str, ...]:
    """The order in which a LOOKUP takes none of the clauses behind it for its own."""
    if query.group is not None and query.group.lookup is not None:
        return ("payload", "vectors", "provenance", "shard", "lookup", "group")
    if query.lookup is not None:
        return ("payload", "vectors", "provenance", "shard", "lookup", "group")
    return ("group", "payload", "vectors", "provenance", "lookup", "shard")


def _head(query: nodes.Query) -> Doc:
    if query.target is not None:
        return Anchor(_extent(query.target), cat("QUERY ", document(query.target)))
    if query.fusion is not None:
        return _at(query.fusion, f"QUERY FUSION {query.fusion.method.upper()}")
    if query.rerank is not None and _is_cross(query):
        return _at(query.rerank, "QUERY CROSS ", _rerank(query.rerank, "RERANK TEXT"))
    return "QUERY"


def _is_cross(query: nodes.Query) -> bool:
    """Whether the query begins with its RERANK, since it has nothing else to begin with."""
    alone = query.target is None and query.fusion is None
    return alone and query.rerank is not None and query.rerank.text is not None


def _cte(cte: nodes.Cte) -> Doc:
    return _at(cte, f"{_name(cte.name)} AS ", _stage(cte.stage))


def _inside(doc: Doc) -> Doc:
    return group("(", nest(SOFT, doc), SOFT, ")")


def _stage(stage: nodes.Query) -> Doc:
    return _inside(Later(_query, stage))


def _using(using: nodes.Using) -> Doc:
    return f"USING {_unlike(using.name, 'HYBRID', 'MODEL', 'VECTOR')}" + (
        f" AS {using.kind.upper()}" if using.kind else ""
    )


def _ref(ref: nodes.Ref) -> Doc:
    parts: list[Doc] = [_name(ref.stage) if isinstance(ref.stage, nodes.Name) else _stage(ref.stage)]
    parts += _clauses(ref, "where", "threshold", "lookup")
    return _at(ref, _spread(parts) if parts[1:] else parts[0])


def _lookup(lookup: nodes.Lookup) -> Doc:
    parts: list[Doc] = [f"LOOKUP FROM {_name(lookup.collection)}", *_word("VECTOR", lookup.vector)]
    return join(parts + ([_shard(lookup.shard)] if lookup.shard else []), " ")


def _group(by: nodes.Group) -> Doc:
    parts: list[Doc] = [join([f"GROUP BY {_name(by.name)}", *_word("SIZE", by.size)], " ")]
    if by.lookup is not None:
        parts.append(_at(by.lookup, f"LOOKUP FROM {_name(by.lookup.collection)}"))
        parts += _clauses(by.lookup, "payload", "vectors")
    return _spread(parts)


def _shard(shard: nodes.Shard) -> Doc:
    one = len(shard.keys) == 1
    keys = _value(shard.keys[0]) if one else _bracketed("(", [_value(key) for key in shard.keys], ")")
    return join([cat("SHARD ", keys), *_word("FALLBACK", shard.fallback)], " ")


def _rerank(rerank: nodes.Rerank, word: str = "RERANK") -> Doc:
    text = [] if rerank.text is None else [_value(rerank.text)]
    rest = [*_word("MODEL", rerank.model), *_word("ON", rerank.name), *_word("TOP", rerank.top)]
    return _spread([join([word, *text], " "), *rest])


def _selection(word: str) -> Callable[[nodes.Selection], Doc]:
    def doc(selection: nodes.Selection) -> Doc:
        if selection.mode in ("all", "none"):
            return f"WITH {word} {'true' if selection.mode == 'all' else 'false'}"
        return cat(f"WITH {word} {selection.mode.upper()} ", _names(selection.names))

    return doc


def _filter(word: str) -> Callable[[nodes.Condition], Doc]:
    def doc(condition: nodes.Condition) -> Doc:
        inside = _condition(condition)
        chain = isinstance(condition, (nodes.And, nodes.Or))
        return group(f"{word} ", nest(inside) if chain else inside)

    return doc


def _prefetch(refs: tuple[nodes.Ref, ...]) -> Doc:
    docs = [_ref(ref) for ref in refs]
    match refs:
        case [nodes.Ref(stage=nodes.Query(), where=None, threshold=None, lookup=None)]:
            # The brackets of one stage open and close together.
            return cat("PREFETCH ", Anchor(refs[0].span, cat("(", docs[0], ")"), bracketed=True, bare=True))
    return cat("PREFETCH ", _bracketed("(", docs, ")"))


def _simple(word: str) -> Callable[[Any], Doc]:
    return lambda value: cat(f"{word} ", document(value))


_CLAUSES: dict[str, Callable[[Any], Doc]] = {
    "source": _simple("FROM"),
    "using": _using,
    "where": _filter("WHERE"),
    "prefetch": _prefetch,
    "fusion": lambda fusion: f"FUSION {fusion.method.upper()}",
    "formula": _formula,
    "rerank": _rerank,
    "threshold": _simple("SCORE THRESHOLD"),
    "params": lambda options: cat("PARAMS ", _options(options)),
    "group": _group,
    "payload": _selection("PAYLOAD"),
    "vectors": _selection("VECTOR"),
    "provenance": lambda _: "WITH PROVENANCE",
    "lookup": _lookup,
    "after": _simple("AFTER"),
    "order_by": _order_by,
    "embeds": lambda embeds: group(_listing("USING", map(_embedding, embeds))),
    "mode": _simple("UPDATE MODE"),
    "update_filter": _filter("UPDATE FILTER"),
    "key": _simple("KEY"),
    "overwrite": lambda _: "OVERWRITE",
    "shard": _shard,
    "limit": _simple("LIMIT"),
    "offset": _simple("OFFSET"),
    "wait": _simple("WAIT"),
    "analyze": lambda _: "ANALYZE",
    "runs": _simple("RUNS"),
    "ablate": lambda _: "ABLATE",
    "format": _simple("FORMAT"),
    "map": lambda mappings: cat("MAP ", _bracketed("(", [_mapping(m) for m in mappings], ")")),
    "batch": _simple("BATCH"),
    "on_error": lambda word: f"ON ERROR {word.upper()}",
}
"""How a clause is written, by the field that holds it."""


def _extent(node: nodes.Node) -> Span:
    """The span of a node with that of the clauses that were folded into it."""
    match node:
        case (
            nodes.Formula(defaults=(*_, last))
            | nodes.RelevanceFeedback(options=(*_, last))
            | nodes.RelevanceFeedback(strategy=nodes.Name() as last)
            | nodes.Recommend(strategy=nodes.Name() as last)
        ):
            return Span(node.span.start, max(node.span.end, last.span.end))
    return node.span


def _clauses(node: Any, *names: str) -> list[Doc]:
    """The clauses that a node has, in the order of the names."""
    found: list[Doc] = []
    for name in names:
        value = getattr(node, name)
        if value is None or value is False or value == ():
            continue
        doc = _CLAUSES[name](value)
        ends = (value[0], value[-1]) if isinstance(value, tuple) else (value, value)
        if isinstance(ends[0], nodes.Node):
            doc = Anchor(Span(ends[0].span.start, _extent(ends[1]).end), doc)
        found.append(doc)
    return found


# ------------------------------------------------------------------------------------ conditions

_MATCH = {
    "text": "MATCH",
    "phrase": "MATCH PHRASE",
    "prefix": "MATCH PREFIX",
    "substring": "MATCH SUBSTRING",
    "text_any": "MATCH TOKENS",
}


def _condition(condition: nodes.Condition, negated: str = "") -> Doc:
    """``negated`` stands where NOT is read most easily: ``a NOT IN (…)``, ``a IS NOT NULL``."""
    return Later(_made_condition, condition, negated)


def _made_condition(condition: nodes.Condition, negated: str) -> Doc:
    match condition:
        case nodes.Compare():
            return cat(f"{_name(condition.name)} {condition.op} ", _value(condition.value))
        case nodes.Between():
            ends = cat(_value(condition.low), " AND ", _value(condition.high))
            return cat(f"{_name(condition.name)} {negated}BETWEEN ", ends)
        case nodes.In():
            return cat(f"{_name(condition.name)} {negated}IN ", _list(condition.values))
        case nodes.IsNull():
            return f"{_name(condition.name)} IS {negated}NULL"
        case nodes.IsEmpty():
            return f"{_name(condition.name)} IS {negated}EMPTY"
        case nodes.Match(kind="any" | "except"):
            word = f"{negated}MATCH {condition.kind.upper()} "
            return cat(f"{_name(condition.name)} {word}", _list(condition.value))
        case nodes.Match():
            return cat(f"{_name(condition.name)} {negated}{_MATCH[condition.kind]} ", _value(condition.value))
        case nodes.Range():
            return cat(f"{_name(condition.name)} {negated}RANGE ", _options(condition.bounds))
        case nodes.ValuesCount():
            return cat(f"{_name(condition.name)} VALUES_COUNT ", _counted(condition.bounds))
        case nodes.Geo():
            word = f"{negated}GEO_{condition.shape.upper()} "
            return cat(f"{_name(condition.name)} {word}", _value(condition.value))
        case nodes.Nested():
            inside = cat(f"{_name(condition.name)},", LINE, _condition(condition.condition))
            return group("NESTED(", nest(SOFT, inside), SOFT, ")")
        case nodes.MinShould():
            parts = [Anchor(one.span, _condition(one)) for one in condition.conditions]
            return cat("MIN SHOULD ", _value(condition.count), " ", _bracketed("(", parts, ")"))
        case nodes.Slice():
            return cat("SLICE(", _value(condition.total), ", ", _value(condition.index), ")")
        case nodes.HasVector():
            return f"HAS_VECTOR {_name(condition.name)}"
        case nodes.And():
            return _chain(condition.children, "AND ", (nodes.And, nodes.Or))
        case nodes.Or():
            return _chain(condition.children, "OR ", (nodes.Or,))
        case nodes.Not(child=nodes.And() | nodes.Or()):
            return cat("NOT ", _inside(_condition(condition.child)))
        case nodes.Not(child=child):
            if isinstance(child, _NEGATED):
                return _condition(child, "NOT ")
            return cat("NOT ", _condition(child))


_NEGATED = (nodes.In, nodes.Between, nodes.Match, nodes.Range, nodes.Geo, nodes.IsNull, nodes.IsEmpty)
"""Conditions with a place for NOT in them."""


def _chain(children: tuple[nodes.Condition, ...], word: str, kinds: tuple[type, ...]) -> Doc:
    docs: list[Doc] = []
    for child in children:
        doc = _condition(child)
        inside = isinstance(child, kinds)
        if inside:
            doc = _inside(doc)
        elif isinstance(child, nodes.And):
            doc = group(nest(doc))
        docs.append(Anchor(child.span, cat(word, doc) if docs else doc, bracketed=inside))
    return join(docs, LINE)


_COUNTS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def _counted(bounds: tuple[nodes.Option, ...]) -> Doc:
    if any(isinstance(bound.value, (list, dict, tuple, nodes.Condition)) for bound in bounds):
        return _options(bounds)
    match bounds:
        case (nodes.Option(name="gte", value=low), nodes.Option(name="lte", value=high)):
            # 1, 1.0 and true are equal, but not the same.
            return cat("= ", _value(low)) if repr(low) == repr(high) else _options(bounds)
        case (nodes.Option(name=name, value=value),) if name in _COUNTS:
            return cat(f"{_COUNTS[name]} ", _value(value))
    return _options(bounds)


def _list(values: Any) -> Doc:
    if not isinstance(values, tuple):
        return _value(values)
    if any(isinstance(value.value, (list, dict)) for value in values):  # the planner has an error for it
        return _value([value.value for value in values])
    return _bracketed("(", [_at(value, _value(value)) for value in values], ")")


# ------------------------------------------------------------------------------------ statements


def _statement(words: str, *names: str) -> Callable[[Any], Doc]:
    """A statement that is its words and its clauses."""
    return lambda node: _laid(words, node, *names)


def _laid(head: Doc, node: Any, *names: str) -> Doc:
    """A head and the clauses of a node, each on a line of its own where they do not fit on one."""
    clauses = _clauses(node, *names)
    if names and names[0] == "source" and node.source is not None:
        head, clauses = cat(head, " ", clauses[0]), clauses[1:]
    return group(join([head, *clauses], LINE))


_ENDS = ("shard", "wait")


def _listing(head: str, parts: Iterable[Doc]) -> Doc:
    """A head with items behind it, or each on an indented line."""
    return cat(head, nest(LINE, join(list(parts), ",", LINE)))


def _rows(rows: Any) -> Doc:
    if isinstance(rows, nodes.Param):
        return cat("VALUES ", _value(rows))
    docs = [Anchor(_UNKNOWN, _value(row), of=row) for row in rows]
    plain = all(isinstance(row, (dict, nodes.Param)) for row in rows)
    if not plain or not rows or (len(rows) == 1 and isinstance(rows[0], nodes.Param)):
        return cat("VALUES ", _bracketed("[", docs, "]"))  # one parameter alone would be all rows
    return cat("VALUES ", docs[0]) if len(docs) == 1 else group(_listing("VALUES", docs))


_UNKNOWN = Span(0, 0)


def _upsert(node: nodes.Upsert) -> Doc:
    word = "INSERT" if node.insert else "UPSERT"
    head = cat(f"{word} INTO {_name(node.collection)} ", _rows(node.rows))
    return _laid(head, node, "embeds", "mode", "update_filter", *_ENDS)


def _embedding(node: nodes.Embedding) -> Doc:
    parts: list[Doc] = [node.kind.upper()] if node.kind else []
    rest = [*_word("MODEL", node.model), *_word("VECTOR", node.vector), *_word("ON", node.name)]
    return _at(node, join(parts + rest, " "))


def _update_payload(node: nodes.UpdatePayload) -> Doc:
    head = cat(f"UPDATE {_name(node.collection)} SET PAYLOAD = ", _value(node.value))
    return _laid(head, node, "key", "overwrite", "where", *_ENDS)


def _update_vector(node: nodes.UpdateVector) -> Doc:
    name = f" {_name(node.name)}" if node.name is not None else ""
    head = cat(f"UPDATE {_name(node.collection)} SET VECTOR{name} = ", _value(node.value))
    return _laid(head, node, "where", *_ENDS)


def _update_vectors(node: nodes.UpdateVectors) -> Doc:
    head = cat(f"UPDATE {_name(node.collection)} SET VECTOR ", _rows(node.rows))
    return _laid(head, node, "where", *_ENDS)


def _deleting(word: str) -> Callable[[Any], Doc]:
    def doc(node: Any) -> Doc:
        names = ", ".join(_name(name) for name in node.names)
        return _laid(f"DELETE {word} {names}", node, "source", "where", *_ENDS)

    return doc


_ENDED_BY_A_NAME = ("BOOST", "EXACT", "FORMULA", "LOOKUP", "OVERWRITE", "RERANK", "STRATEGY")
"""Clauses for which the clause behind a name of the same spelling could be taken."""


def _facet(node: nodes.Facet) -> Doc:
    head: Doc = "FACET"
    if node.key is not None:
        head = _at(node.key, f"FACET {_unlike(node.key, *_ENDED_BY_A_NAME)}")
    return _laid(head, node, "source", "where", "params", "shard", "limit")


def _batch(node: nodes.Batch) -> Doc:
    inside = [_at(one, Later(document, one), ";") for one in node.statements]
    return _laid(cat("BATCH {", nest(LINE, join(inside, LINE)), LINE, "}"), node, "wait", "params")


def _copy(node: nodes.Copy) -> Doc:
    head = cat(f"COPY {_name(node.collection)} FROM ", _value(node.path))
    return _laid(head, node, "format", "map", "batch", "on_error")


def _mapping(node: nodes.Mapping) -> Doc:
    if isinstance(node.source, tuple):
        return _at(node, f"{_name(node.target)} = ", _names(node.source))
    source = f"UUID({_name(node.source)})" if node.uuid else _name(node.source)
    return _at(node, f"{_name(node.target)} = {source}")


def _block(node: nodes.Block) -> Doc:
    return _at(node, f"WITH {node.kind.upper()} ", _options(node.options))


def _vector_def(node: nodes.VectorDef) -> Doc:
    if node.kind == "sparse":
        head: Doc = f"{_name(node.name)} SPARSE"
    else:
        shape = [_value(node.size)] if node.size is not None else []
        shape += [node.distance.upper()] if node.distance else []
        head = cat(f"{_name(node.name)} VECTOR", cat("(", join(shape, ", "), ")") if shape else "")
    parts = [head, *_word("MODEL", node.model), *(_block(block) for block in node.blocks)]
    return _at(node, _spread(parts))


def _create_collection(node: nodes.CreateCollection) -> Doc:
    there = "IF NOT EXISTS " if node.if_not_exists else ""
    head: Doc = f"CREATE COLLECTION {there}{_name(node.name)}"
    if node.vectors:
        several = len(node.vectors) > 1
        vectors = _bracketed("(", map(_vector_def, node.vectors), ")", lines=several)
        head = cat(head, " ", vectors)
    return group(join([head, *(_block(block) for block in node.blocks)], LINE))


def _alter_collection(node: nodes.AlterCollection) -> Doc:
    parts = [_block(block) for block in node.blocks]
    for change in node.changes:
        word = "SPARSE" if change.kind == "sparse" else "VECTOR"
        inside = [_at(b, f"{b.kind.upper()} ", _options(b.options)) for b in change.blocks]
        parts.append(_at(change, f"WITH {word} {_name(change.name)} ", _bracketed("(", inside, ")")))
    return group(join([f"ALTER COLLECTION {_name(node.name)}", *parts], LINE))


def _create_index(node: nodes.CreateIndex) -> Doc:
    there = "IF NOT EXISTS " if node.if_not_exists else ""
    head = f"CREATE INDEX {there}ON {_name(node.collection)} FOR {_name(node.name)}"
    parts: list[Doc] = [join([head, *_word("TYPE", node.type)], " ")]
    if node.options:
        parts.append(cat("WITH ", _options(node.options)))
    return group(join(parts + _clauses(node, "wait"), LINE))


def _drop_index(node: nodes.DropIndex) -> Doc:
    there = "IF EXISTS " if node.if_exists else ""
    head = f"DROP INDEX {there}ON {_name(node.collection)} FOR {_name(node.name)}"
    return _laid(head, node, "wait")


def _create_alias(node: nodes.CreateAlias) -> Doc:
    replacing = "OR REPLACE " if node.replace else ""
    there = "IF NOT EXISTS " if node.if_not_exists else ""
    return f"CREATE {replacing}ALIAS {there}{_name(node.name)} FOR {_name(node.collection)}"


def _snapshot(words: str) -> Callable[[Any], Doc]:
    def doc(node: Any) -> Doc:
        there = "IF EXISTS " if getattr(node, "if_exists", False) else ""
        head = cat(f"{words} {there}", _value(node.snapshot), f" ON {_name(node.collection)}")
        options = getattr(node, "options", ())
        return join([head, *([cat("WITH ", _options(options))] if options else [])], " ")

    return doc


def _shard_key(words: str) -> Callable[[Any], Doc]:
    def doc(node: Any) -> Doc:
        head = cat(f"{words} ", _value(node.key), f" ON {_name(node.collection)}")
        options = getattr(node, "options", ())
        return group(join([head, *([cat("WITH ", _options(options))] if options else [])], LINE))

    return doc


def _on(words: str) -> Callable[[Any], Doc]:
    return lambda node: f"{words} ON {_name(node.collection)}"


def _of(words: str, field: str = "name") -> Callable[[Any], Doc]:
    """``DROP COLLECTION IF EXISTS c`` and its like: the words and one name."""

    def doc(node: Any) -> Doc:
        there = "IF EXISTS " if getattr(node, "if_exists", False) else ""
        return f"{words} {there}{_name(getattr(node, field))}"

    return doc


def _show_aliases(node: nodes.ShowAliases) -> Doc:
    return "SHOW ALIASES" if node.collection is None else f"SHOW ALIASES ON {_name(node.collection)}"


_DOCUMENTS: dict[type, Callable[[Any], Doc]] = {
    nodes.Name: _name,
    nodes.Option: _option,
    nodes.Text: _text,
    nodes.Image: lambda t: _embedded(t, "image", t.image),
    nodes.Inference: lambda t: _embedded(t, "object", t.object),
    nodes.Vector: _vector,
    nodes.Point: lambda t: cat("POINT ", _value(t.id)),
    nodes.Points: lambda t: cat("POINTS ", _list(t.ids)),
    nodes.AnyInput: lambda t: _value(t.value),
    nodes.Recommend: _recommend,
    nodes.Context: lambda t: cat("CONTEXT ", _pairs(t.pairs)),
    nodes.ContextPair: lambda p: _pairs((p,)),
    nodes.Discover: _discover,
    nodes.OrderBy: _order_by,
    nodes.Sample: lambda _: "SAMPLE RANDOM",
    nodes.Formula: _formula,
    nodes.Mmr: _mmr,
    nodes.RelevanceFeedback: _feedback,
    nodes.Hybrid: _hybrid,
    nodes.FullText: _full_text,
    nodes.Query: _query,
    nodes.Cte: _cte,
    nodes.Using: _using,
    nodes.Ref: _ref,
    nodes.Lookup: _lookup,
    nodes.Group: _group,
    nodes.Shard: _shard,
    nodes.Rerank: _rerank,
    nodes.Count: lambda n: _laid("COUNT", n, "source", "where", "params", "shard"),
    nodes.Scroll: lambda n: _laid(
        *("SCROLL", n, "source", "where", "after", "order_by"),
        *("params", "payload", "vectors", "shard", "limit"),
    ),
    nodes.Facet: _facet,
    nodes.Delete: lambda n: _laid("DELETE", n, "source", "where", *_ENDS),
    nodes.DeletePayload: _deleting("PAYLOAD"),
    nodes.DeleteVector: _deleting("VECTOR"),
    nodes.ClearPayload: lambda n: _laid("CLEAR PAYLOAD", n, "source", "where", *_ENDS),
    nodes.Upsert: _upsert,
    nodes.Embedding: _embedding,
    nodes.UpdatePayload: _update_payload,
    nodes.UpdateVector: _update_vector,
    nodes.UpdateVectors: _update_vectors,
    nodes.Batch: _batch,
    nodes.Copy: _copy,
    nodes.Mapping: _mapping,
    nodes.Block: _block,
    nodes.VectorDef: _vector_def,
    nodes.CreateCollection: _create_collection,
    nodes.AlterCollection: _alter_collection,
    nodes.AddVector: lambda n: cat(f"ALTER COLLECTION {_name(n.collection)} ADD ", _vector_def(n.vector)),
    nodes.DropVector: lambda n: f"ALTER COLLECTION {_name(n.collection)} DROP VECTOR {_name(n.name)}",
    nodes.DropCollection: _of("DROP COLLECTION"),
    nodes.CreateIndex: _create_index,
    nodes.DropIndex: _drop_index,
    nodes.ShowIndexes: _on("SHOW INDEXES"),
    nodes.CreateAlias: _create_alias,
    nodes.DropAlias: _of("DROP ALIAS"),
    nodes.RenameAlias: lambda n: f"ALTER ALIAS {_name(n.name)} RENAME TO {_name(n.to)}",
    nodes.ShowAliases: _show_aliases,
    nodes.CreateSnapshot: _on("CREATE SNAPSHOT"),
    nodes.DropSnapshot: _snapshot("DROP SNAPSHOT"),
    nodes.RestoreSnapshot: _snapshot("RESTORE SNAPSHOT"),
    nodes.ShowSnapshots: _on("SHOW SNAPSHOTS"),
    nodes.CreateShardKey: _shard_key("CREATE SHARD KEY"),
    nodes.DropShardKey: _shard_key("DROP SHARD KEY"),
    nodes.ShowShardKeys: _on("SHOW SHARD KEYS"),
    nodes.SetQuota: lambda n: _laid(cat("SET QUOTA ", _options(n.options)), n, "wait"),
    nodes.ShowQuotas: lambda _: "SHOW QUOTAS",
    nodes.Optimize: _of("OPTIMIZE", "collection"),
    nodes.Execute: lambda n: cat("EXECUTE ", _value(n.path)),
    nodes.Dump: lambda n: cat(f"DUMP {_name(n.collection)} ", _value(n.path)),
    nodes.Use: _of("USE", "collection"),
    nodes.Define: lambda n: cat(f"DEFINE {_name(n.name)} AS ", _stage(n.stage)),
    nodes.Undefine: _of("UNDEFINE"),
    nodes.ShowStages: lambda _: "SHOW STAGES",
    nodes.ShowCollections: lambda _: "SHOW COLLECTIONS",
    nodes.ShowCollection: _of("SHOW COLLECTION"),
    nodes.Explain: lambda n: cat(
        join(["EXPLAIN", *_clauses(n, "analyze", "runs", "ablate", "format")], " "),
        " ",
        Later(document, n.statement),
    ),
    nodes.Why: lambda n: cat(
        "WHY NOT " if n.negated else "WHY ",
        join([_value(n.id), *_clauses(n, "format")], " "),
        " ",
        Later(document, n.statement),
    ),
}
_DOCUMENTS |= dict.fromkeys(nodes.Condition.__args__, _condition)
_DOCUMENTS |= dict.fromkeys(
    (
        *(nodes.Call, nodes.Divide, nodes.Case, nodes.Truth),
        *(nodes.GeoDistance, nodes.Datetime, nodes.DatetimeKey, nodes.Decay),
    ),
    _expression,
)
