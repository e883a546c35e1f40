"""Queries, stages and clauses as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qql import nodes
from qql.errors import Span
from qql.syntax.clauses import CLAUSE_WORDS
from qql.syntax.doc import LINE, Anchor, Doc, Later, cat, group, join, nest
from qql.syntax.printer.conditions import condition_doc
from qql.syntax.printer.formulas import formula_doc
from qql.syntax.printer.values import (
    anchored,
    bracketed,
    document,
    name_list,
    name_text,
    options_doc,
    parenthesized,
    prints,
    quoted_among,
    spread,
    value_doc,
    worded,
)

__all__ = ["clauses", "listing", "stage_doc"]


@prints(nodes.Query)
def _query(query: nodes.Query) -> Doc:
    parts: list[Doc] = []
    if query.ctes:
        parts.append(cat("WITH", nest(LINE, join([_cte(cte) for cte in query.ctes], ",", LINE))))
    head = _head(query)
    source = clauses(query, "source")
    parts.append(group(head, LINE, source[0]) if source else head)
    parts += clauses(query, "using", "where", "prefetch")
    if query.fusion is not None and query.target is not None:
        parts += clauses(query, "fusion")
    parts += clauses(query, "formula")
    if not _is_cross(query):
        parts += clauses(query, "rerank")
    parts += clauses(query, "threshold", "params")
    parts += clauses(query, *_closing_clauses(query))
    parts += clauses(query, "limit", "offset", "ignore_missing")
    return group(join(parts, LINE))


def _closing_clauses(query: nodes.Query) -> tuple[str, ...]:
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
        return anchored(query.fusion, f"QUERY FUSION {query.fusion.method.upper()}")
    if query.rerank is not None and _is_cross(query):
        return anchored(query.rerank, "QUERY CROSS ", _rerank(query.rerank, "RERANK TEXT"))
    return "QUERY"


def _is_cross(query: nodes.Query) -> bool:
    """Whether the query begins with its RERANK, since it has nothing else to begin with."""
    alone = query.target is None and query.fusion is None
    return alone and query.rerank is not None and query.rerank.text is not None


@prints(nodes.Cte)
def _cte(cte: nodes.Cte) -> Doc:
    return anchored(cte, f"{name_text(cte.name)} AS ", stage_doc(cte.stage))


def stage_doc(stage: nodes.Query) -> Doc:
    """A stage in its parentheses."""
    return parenthesized(Later(_query, stage))


@prints(nodes.Using)
def _using(using: nodes.Using) -> Doc:
    return f"USING {quoted_among(using.name, 'HYBRID', 'MODEL', 'VECTOR')}" + (
        f" AS {using.kind.upper()}" if using.kind else ""
    )


@prints(nodes.Ref)
def _ref(ref: nodes.Ref) -> Doc:
    narrowed = clauses(ref, "where", "threshold", "lookup")
    if isinstance(ref.stage, nodes.Query):
        stage = stage_doc(ref.stage)
    else:  # `query WHERE …` begins a stage in place
        stage = quoted_among(ref.stage, *["QUERY"] * bool(narrowed))
    parts: list[Doc] = [stage, *narrowed]
    return anchored(ref, spread(parts) if parts[1:] else parts[0])


@prints(nodes.Fallback)
def _fallback(node: nodes.Fallback) -> Doc:
    return group(join([Later(document, node.first), *map(_else_branch, node.others)], LINE))


@prints(nodes.ElseBranch)
def _else_branch(branch: nodes.ElseBranch) -> Doc:
    sign = ">" if branch.distance else "<"
    weak = [*worded("HITS <", branch.hits), *worded(f"BEST SCORE {sign}", branch.score)]
    head: Doc = cat("ELSE WHEN ", join(weak, " OR ")) if weak else "ELSE"
    ends = [one.span.end for one in (branch.hits, branch.score) if one is not None]
    head = Anchor(Span(branch.span.start, max(ends, default=branch.span.start + len("ELSE"))), head)
    return anchored(branch, group(head, LINE, Later(document, branch.query)))


@prints(nodes.Lookup)
def _lookup(lookup: nodes.Lookup) -> Doc:
    parts: list[Doc] = [f"LOOKUP FROM {name_text(lookup.collection)}", *worded("VECTOR", lookup.vector)]
    return join(parts + ([_shard(lookup.shard)] if lookup.shard else []), " ")


@prints(nodes.Group)
def _group(by: nodes.Group) -> Doc:
    first = ["FUSE FIRST"] if by.fuse_first else []
    parts: list[Doc] = [join([f"GROUP BY {name_text(by.name)}", *worded("SIZE", by.size), *first], " ")]
    if by.lookup is not None:
        parts.append(anchored(by.lookup, f"LOOKUP FROM {name_text(by.lookup.collection)}"))
        parts += clauses(by.lookup, "payload", "vectors")
    return spread(parts)


@prints(nodes.Shard)
def _shard(shard: nodes.Shard) -> Doc:
    one = len(shard.keys) == 1
    keys = value_doc(shard.keys[0]) if one else bracketed("(", [value_doc(key) for key in shard.keys], ")")
    return join([cat("SHARD ", keys), *worded("FALLBACK", shard.fallback)], " ")


@prints(nodes.Rerank)
def _rerank(rerank: nodes.Rerank, word: str = "RERANK") -> Doc:
    text = [] if rerank.text is None else [value_doc(rerank.text)]
    rest = [*worded("MODEL", rerank.model), *worded("ON", rerank.name), *worded("TOP", rerank.top)]
    return spread([join([word, *text], " "), *rest])


def _selection(word: str) -> Callable[[nodes.Selection], Doc]:
    def doc(selection: nodes.Selection) -> Doc:
        if isinstance(selection.mode, nodes.Param):
            return cat(f"WITH {word} ", value_doc(selection.mode))
        if selection.mode in ("all", "none"):
            return f"WITH {word} {'true' if selection.mode == 'all' else 'false'}"
        return cat(f"WITH {word} {selection.mode.upper()} ", name_list(selection.names))

    return doc


def _filter(word: str) -> Callable[[nodes.Condition], Doc]:
    def doc(condition: nodes.Condition) -> Doc:
        inside = condition_doc(condition)
        chain = isinstance(condition, (nodes.And, nodes.Or))
        return group(f"{word} ", nest(inside) if chain else inside)

    return doc


def _prefetch(refs: tuple[nodes.Ref, ...]) -> Doc:
    docs = [_ref(ref) for ref in refs]
    match refs:
        case [nodes.Ref(stage=nodes.Query(), where=None, threshold=None, lookup=None)]:
            # The brackets of one stage open and close together.
            return cat("PREFETCH ", Anchor(refs[0].span, cat("(", docs[0], ")"), bracketed=True, bare=True))
    return cat("PREFETCH ", bracketed("(", docs, ")"))


_PRINTERS: Mapping[str, Callable[..., Doc]] = {
    "where": _filter("WHERE"),
    "prefetch": _prefetch,
    "fusion": lambda fusion: f"FUSION {fusion.method.upper()}",
    "formula": formula_doc,
    "params": lambda options: cat("PARAMS ", options_doc(options)),
    "options": lambda options: cat("WITH ", options_doc(options)),
    "payload": _selection("PAYLOAD"),
    "vectors": _selection("VECTOR"),
    "provenance": lambda _: "WITH PROVENANCE",
    "embeds": lambda embeds: group(listing("USING", map(document, embeds))),
    "update_filter": _filter("UPDATE FILTER"),
    "columns": lambda columns: cat("COLUMNS ", bracketed("(", map(document, columns), ")")),
    "map": lambda mappings: cat("MAP ", bracketed("(", map(document, mappings), ")")),
    "on_error": lambda word: f"ON ERROR {word.upper()}",
}
"""How a clause is written that is more than its word and a value, by the field that holds it."""
_NODES_WITH_WORDS = (nodes.Using, nodes.Group, nodes.Lookup, nodes.Shard, nodes.Rerank, nodes.OrderBy)
"""Clauses whose nodes print their own words."""


def _clause(name: str, value: object) -> Doc:
    make = _PRINTERS.get(name)
    if make is not None:
        return make(value)
    if isinstance(value, _NODES_WITH_WORDS):
        return document(value)
    word = CLAUSE_WORDS[name]
    return word if value is True else cat(f"{word} ", document(value))


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


def clauses(node: nodes.Node, *names: str) -> list[Doc]:
    """The clauses that a node has, in the order of the names."""
    found: list[Doc] = []
    for name in names:
        value = getattr(node, name)
        if value is None or value is False or value == ():
            continue
        doc = _clause(name, value)
        ends = (value[0], value[-1]) if isinstance(value, tuple) else (value, value)
        if isinstance(ends[0], nodes.Node) and name != "options":  # in brackets, which comments hold on to
            doc = Anchor(Span(ends[0].span.start, _extent(ends[1]).end), doc)
        found.append(doc)
    return found


def listing(head: str, parts: Iterable[Doc]) -> Doc:
    """A head with items behind it, or each on an indented line."""
    return cat(head, nest(LINE, join(list(parts), ",", LINE)))
