"""One tree for every dialect: what older spellings say by a tail or in another order is put in its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qql import nodes
from qql.errors import Span
from qql.late import cast
from qql.nodes import Name, Scalar
from qql.records import dataclass, replace
from qql.syntax.clauses import Clause, stands_twice, with_clauses
from qql.syntax.lexer import syntax_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "HybridSide",
    "NamedPart",
    "Parts",
    "Rescored",
    "Tail",
    "hoist_ctes",
    "hybrid_sides",
    "inner_stages",
    "make_query",
    "parts_once",
    "query_of_head",
]

NamedPart = tuple[str, Name | Scalar, Span]
"""``MODEL 'm'`` or ``VECTOR v``: its word in small letters, its value, its place."""
Parts = dict[str, "Any"]
"""Values by the names of a node's fields, each of the type that its field has."""
HybridSide = tuple[str, Parts, Span]
"""``DENSE …`` or ``SPARSE …`` behind HYBRID: dense or sparse, its parts, its place."""


@dataclass(frozen=True, slots=True)
class Rescored:
    """``QUERY RERANK input``: the input, which needs something to rescore."""

    target: nodes.Target


@dataclass(frozen=True, slots=True)
class Tail:
    """``USING HYBRID …``, ``USING MODEL 'm'``, ``USING SPARSE VECTOR 'v'``: it changes the target too."""

    hybrid: bool
    given: Parts
    kind: str | None = None
    fusion: nodes.Fusion | None = None


def parts_once(parts: Iterable[NamedPart]) -> Parts:
    """``MODEL 'm' VECTOR 'v'`` in any order, each once."""
    found: Parts = {}
    places: dict[str, Span] = {}
    for word, value, span in parts:
        if word in found:
            stands_twice(word.upper(), span, places[word])
        found[word], places[word] = value, span
    return found


def hybrid_sides(sides: Iterable[HybridSide]) -> Parts:
    """The parts behind HYBRID as fields of `nodes.Hybrid`."""
    found: Parts = {}
    places: dict[str, Span] = {}
    for side, given, span in sides:
        for word, value in given.items():
            field = side if word == "vector" else f"{side}_model"
            if field in found:
                stands_twice(f"{side.upper()} {word.upper()}", span, places[field])
            found[field], places[field] = value, span
    return found


# ------------------------------------------------------------------------------------ stages in stages


def inner_stages(query: nodes.Query) -> list[nodes.Query]:
    """The stages of a query that have no name or are its CTEs, at every level."""
    found: list[nodes.Query] = []
    todo = [query]
    while todo:
        one = todo.pop()
        inside = [cte.stage for cte in one.ctes] if one.ctes else []
        if one.prefetch:
            inside += [ref.stage for ref in one.prefetch if isinstance(ref.stage, nodes.Query)]
        found += inside
        todo += inside
    return found


def hoist_ctes(query: nodes.Query) -> tuple[nodes.Query, list[nodes.Cte]]:
    """The query whose stages define no stages of their own, and those stages: they are the statement's."""
    found: list[nodes.Cte] = []
    return _without_ctes(query, found), found


def _without_ctes(query: nodes.Query, found: list[nodes.Cte], *, inner: bool = False) -> nodes.Query:
    ctes = tuple(replace(cte, stage=_without_ctes(cte.stage, found, inner=True)) for cte in query.ctes)
    refs = tuple(
        replace(ref, stage=_without_ctes(ref.stage, found, inner=True))
        if isinstance(ref.stage, nodes.Query)
        else ref
        for ref in query.prefetch
    )
    if inner:
        found += ctes
        ctes = ()
    if ctes != query.ctes or any(new is not old for new, old in zip(refs, query.prefetch, strict=True)):
        return replace(query, ctes=ctes, prefetch=refs)
    return query


# ------------------------------------------------------------------------------------ queries


def query_of_head(
    head: nodes.Target | Clause | Rescored | None, clauses: Sequence[Clause], fixed: dict[str, object]
) -> nodes.Query:
    """The query whose text begins with a target, or with a clause: QUERY FUSION …, QUERY WHERE …"""
    if head is None:
        pass  # QUERY alone
    elif isinstance(head, Clause):
        clauses = (head, *clauses)
    elif isinstance(head, Rescored):
        fixed["target"] = head.target
        if not any(clause.name == "prefetch" for clause in clauses):
            hint = "name the stages whose hits are rescored: PREFETCH (dense)"
            syntax_error("rerank-without-prefetch", "RERANK needs a PREFETCH", head.target.span, hint)
    else:
        fixed["target"] = head
    return make_query(clauses, fixed)


def make_query(clauses: Sequence[Clause], fixed: dict[str, object]) -> nodes.Query:
    """The tree of a query, whatever the dialect: tails and options that change the target are put into it."""
    for clause in clauses:
        if clause.name in _FOLDED:
            clauses = _fold_group_lookup(list(clauses))
            clauses = _fold_apart(clauses, fixed)
            break
    query = with_clauses(nodes.Query, "query", clauses, fixed)
    tail: object = query.using
    if isinstance(tail, Tail):
        span = next(clause.span for clause in clauses if clause.name == "using")
        query = _with_hybrid(query, tail, span) if tail.hybrid else _with_parts(query, tail, span)
    if query.target is None and query.fusion is None and query.formula is not None:
        query = replace(query, target=query.formula, formula=None)
    return _with_mmr(query) if query.params else query


@dataclass(frozen=True, slots=True)
class _Apart:
    """A clause that may stand apart from what it belongs to.

    ``clause`` is the name of the clause that it goes into ("": the target), ``field`` its place there,
    ``word`` how it is written, ``owners`` the nodes that have such a place, ``belongs`` what they are called.
    """

    clause: str
    field: str
    word: str
    owners: tuple[type[nodes.Node], ...]
    belongs: str


_APART = {
    "defaults": _Apart("formula", "defaults", "DEFAULTS", (nodes.Formula,), "a formula"),
    "strategy": _Apart(
        *("", "strategy", "STRATEGY"),
        tuple(kind for kind in nodes.TARGETS if "strategy" in kind.__match_args__),
        "RECOMMEND or RELEVANCE FEEDBACK",
    ),
    "group_size": _Apart("group", "size", "GROUP_SIZE", (nodes.Group,), "GROUP BY"),
    "model": _Apart(
        *("", "model", "WITH MODEL"), (*nodes.EMBEDDED.values(), nodes.Hybrid), "a text to search for"
    ),
}


_FOLDED = {"group", *_APART}
"""Clauses that take others in, or go into others."""


def _fold_apart(clauses: list[Clause], fixed: dict[str, object]) -> list[Clause]:
    """DEFAULTS, STRATEGY, GROUP_SIZE and WITH MODEL may stand apart from what they belong to."""
    out = list(clauses)
    for clause in [clause for clause in clauses if clause.name in _APART]:
        apart = _APART[clause.name]
        held = next((one for one in out if one.name == apart.clause), None)
        owner = held.value if held else fixed.get("target")
        if not isinstance(owner, apart.owners):
            message = f"{apart.word} has no meaning here"
            syntax_error("misplaced-clause", message, clause.span, f"it belongs to {apart.belongs}")
        if getattr(owner, apart.field):
            stands_twice(apart.word, clause.span, owner.span)
        if clause.name == "strategy":
            owner = _with_strategy(owner, clause)
        else:
            changes: Parts = {apart.field: clause.value}
            owner = replace(owner, **changes)
        out.remove(clause)
        if held:
            out[out.index(held)] = replace(held, value=owner)
        else:
            fixed["target"] = owner
    return out


def _with_strategy(owner: nodes.Node, clause: Clause) -> nodes.Node:
    name, options = cast(tuple[Name, tuple[nodes.Option, ...]], clause.value)
    if isinstance(owner, nodes.RelevanceFeedback):
        return replace(owner, strategy=name, options=options)
    if options:
        syntax_error("idle-option", "this STRATEGY takes no options", clause.span)
    changes: Parts = {"strategy": name}
    return replace(owner, **changes)


def _fold_group_lookup(clauses: list[Clause]) -> list[Clause]:
    """GROUP BY takes the LOOKUP FROM right behind it, with its selections, and a WITH LOOKUP anywhere."""
    group = next((clause for clause in clauses if clause.name == "group"), None)
    if group is None:
        return clauses
    rest: list[Clause] = []
    lookup: nodes.GroupLookup | None = None
    taking = False
    for number, clause in enumerate(clauses):
        direct = number > 0 and clauses[number - 1].name == "group" and _is_group_lookup(clause)
        if clause.name == "group_lookup" or direct:
            if lookup is not None:
                stands_twice("LOOKUP", clause.span, lookup.span)
            found = cast(nodes.Lookup | nodes.GroupLookup, clause.value)
            lookup = nodes.GroupLookup(found.collection, span=clause.span)
            taking = direct
        elif lookup is not None and taking and _fits(clause, lookup):
            changes: Parts = {clause.name: clause.value}
            lookup = replace(lookup, **changes)
        else:
            taking = False
            rest.append(clause)
    if lookup is not None:
        by = cast(nodes.Group, group.value)
        rest[rest.index(group)] = replace(group, value=replace(by, lookup=lookup))
    return rest


def _is_group_lookup(clause: Clause) -> bool:
    """Whether a LOOKUP FROM right behind GROUP BY can be the group's."""
    lookup = clause.value
    return isinstance(lookup, nodes.Lookup) and lookup.vector is None and lookup.shard is None


def _fits(clause: Clause, lookup: nodes.GroupLookup) -> bool:
    """Whether a selection behind a group's LOOKUP is the first of its kind, and so the lookup's."""
    return clause.name in ("payload", "vectors") and getattr(lookup, clause.name) is None


def _with_hybrid(query: nodes.Query, tail: Tail, span: Span) -> nodes.Query:
    """``QUERY 'text' … USING HYBRID``."""
    target = query.target
    if not isinstance(target, nodes.Text) or not isinstance(target.text.value, (str, nodes.Param)):
        hint = "PREFETCH (a, b) FUSION RRF fuses searches of any kind"
        where = target.span if target is not None else span
        syntax_error("hybrid-without-text", "USING HYBRID searches for a text", where, hint)
    if target.options is not None:
        hint = "search each vector by its own text: PREFETCH (QUERY TEXT … OPTIONS …, QUERY …) FUSION RRF"
        syntax_error("idle-option", "OPTIONS has no meaning for USING HYBRID", target.span, hint)
    hybrid = replace(nodes.Hybrid(target.text, target.model, span=target.span), **tail.given)
    if tail.fusion and query.fusion:
        stands_twice("FUSION", query.fusion.span, tail.fusion.span)
    return replace(query, using=None, target=hybrid, fusion=query.fusion or tail.fusion)


def _with_parts(query: nodes.Query, tail: Tail, span: Span) -> nodes.Query:
    """``QUERY 'text' … USING MODEL 'm' VECTOR v``."""
    vector, model = cast(Name | None, tail.given.get("vector")), cast(Scalar | None, tail.given.get("model"))
    name = vector or (Name(tail.kind, span=span) if tail.kind else None)
    kind = tail.kind if vector else None
    using = nodes.Using(name, kind, span=span) if name else None
    query = replace(query, using=using)
    if model is None:
        return query
    if not isinstance(query.target, nodes.Text):
        syntax_error("idle-model", "USING MODEL needs a text to search for", span)
    if query.target.model is not None:
        stands_twice("MODEL", span, query.target.model.span)
    return replace(query, target=replace(query.target, model=model))


_MMR = {"mmr_diversity": "diversity", "mmr_candidates": "candidates"}


def _with_mmr(query: nodes.Query) -> nodes.Query:
    """``WITH (mmr_diversity = 0.5, mmr_candidates = 100)`` makes the target an MMR."""
    own = [option for option in query.params if option.name in _MMR]
    if not own or isinstance(query.target, nodes.Hybrid):  # of a HYBRID, the planner makes the dense half so
        return query
    if not isinstance(query.target, nodes.Input):
        hint = "write QUERY MMR 'text' DIVERSITY 0.5 CANDIDATES 100"
        message = f"`{own[0].name}` needs a text, a vector or a point to search for"
        syntax_error("idle-option", message, own[0].span, hint)
    given: dict[str, Scalar] = {}
    for option in own:
        word = _MMR[option.name]
        if word in given:
            stands_twice(option.name, option.span, given[word].span)
        if isinstance(option.value, (list, dict, tuple, nodes.Condition)):
            syntax_error("bad-option", f"`{option.name}` takes a number", option.span)
        given[word] = Scalar(option.value, span=option.span)
    rest = tuple(option for option in query.params if option.name not in _MMR)
    return replace(query, params=rest, target=nodes.Mmr(query.target, **given, span=query.target.span))
