"""Rules → nodes: queries, their stages and their clauses."""

from __future__ import annotations

from qql import nodes
from qql.errors import did_you_mean
from qql.late import cast
from qql.nodes import Condition, Name, Option, Scalar
from qql.records import replace
from qql.syntax.clauses import Clause, check_depth, clause_of, same, span_now, stands_twice, with_clauses
from qql.syntax.dialects import (
    HybridSide,
    NamedPart,
    Rescored,
    Tail,
    hoist_ctes,
    hybrid_sides,
    inner_stages,
    make_query,
    parts_once,
    query_of_head,
)
from qql.syntax.lexer import Token, string_value, syntax_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Clauses", "Direction", "direction_of"]

_CANDIDATES = 4
"""How many candidates SEARCH … RERANK reads for each hit that is asked for."""

Options = tuple[Option, ...]
Direction = Token | Scalar | None
"""``ASC``, ``DESC`` or a parameter."""


def direction_of(given: Direction) -> str | nodes.Param | None:
    """The direction of ORDER BY."""
    if isinstance(given, Scalar):
        return cast(nodes.Param, given.value)
    return given.type.lower() if given else None


class Clauses:
    """Methods named as the rules of queries and their clauses are."""

    clause = same
    modifier = same
    write_clause = same
    on_field = same

    # -- USING

    def using(self, name: Name, kind: Token | None) -> Clause:
        word = kind.type.lower().replace("multivector", "multi") if kind else None
        return clause_of("using", nodes.Using, name, word)

    def using_hybrid(self, *parts: HybridSide | Clause) -> Clause:
        fusions = [cast(nodes.Fusion, part.value) for part in parts if isinstance(part, Clause)]
        if len(fusions) > 1:
            stands_twice("FUSION", fusions[1].span, fusions[0].span)
        sides = hybrid_sides([part for part in parts if not isinstance(part, Clause)])
        return Clause("using", Tail(True, sides, fusion=fusions[0] if fusions else None), span_now())

    def using_parts(self, kind: Token | None, *parts: NamedPart) -> Clause:
        word = kind.type.lower() if kind else None
        return Clause("using", Tail(False, parts_once(parts), word), span_now())

    def using_role(self, role: Token, name: Scalar) -> Clause:
        named = Name(cast(str, name.value), span=name.span)
        return clause_of("using", nodes.Using, named, role.type.lower())

    def hybrid_part(self, side: Token, *parts: Name | NamedPart) -> HybridSide:
        named = isinstance(parts[0], Name)
        given = {"vector": parts[0]} if named else parts_once(cast(tuple[NamedPart, ...], parts))
        return side.type.lower(), given, span_now()

    def with_model(self, model: Scalar) -> NamedPart:
        return "model", model, span_now()

    def with_vector(self, name: Name) -> NamedPart:
        return "vector", name, span_now()

    def with_field(self, name: Name) -> NamedPart:
        return "name", name, span_now()

    # -- what is searched, and how it is scored

    def where(self, condition: Condition) -> Clause:
        check_depth(condition, "filters")
        return Clause("where", condition, span_now())

    def prefetch(self, *refs: nodes.Ref | None) -> Clause:
        return Clause("prefetch", tuple([ref for ref in refs if ref is not None]), span_now())

    def fusion(self, token: Token) -> Clause:
        method = (string_value(token) if token.type == "STRING" else token.type).lower()
        if method not in nodes.FUSIONS:
            hint = did_you_mean(method, tuple(nodes.FUSIONS))
            hint = hint or f"the methods are {', '.join(nodes.FUSIONS).upper()}"
            syntax_error("unknown-fusion", f"there is no fusion `{method}`", token.span, hint)
        return clause_of("fusion", nodes.Fusion, method)

    def with_model_clause(self, model: Scalar) -> Clause:
        return Clause("model", model, span_now())

    def rerank(
        self, text: Scalar | None, model: Scalar | None, field: Name | None, top: Scalar | None
    ) -> Clause:
        return clause_of("rerank", nodes.Rerank, text, model, field, top)

    cross_rerank = rerank

    def exact(self, given: Token | None) -> Clause:
        option = Option("exact", given is None or given.type == "TRUE", span=span_now())
        return Clause("params", (option,), span_now())

    # -- what comes back

    def group(self, name: Name, size: Scalar | None, fuse: Token | None) -> Clause:
        return clause_of("group", nodes.Group, name, size, None, fuse is not None)

    def group_lookup(self, collection: Name) -> Clause:
        return clause_of("group_lookup", nodes.GroupLookup, collection)

    def payload(self, selection: nodes.Selection | None) -> Clause:
        return Clause("payload", selection or nodes.Selection("all", span=span_now()), span_now())

    def vectors(self, selection: nodes.Selection | None) -> Clause:
        return Clause("vectors", selection or nodes.Selection("all", span=span_now()), span_now())

    def provenance(self) -> Clause:
        return Clause("provenance", nodes.Provenance(span=span_now()), span_now())

    def lookup(self, collection: Name, vector: Name | None, shard: Clause | None) -> Clause:
        keys = cast(nodes.Shard, shard.value) if shard else None
        return clause_of("lookup", nodes.Lookup, collection, vector, keys)

    def shard(self, keys: Scalar | tuple[Scalar, ...], fallback: Scalar | None) -> Clause:
        several = keys if isinstance(keys, tuple) else (keys,)
        return clause_of("shard", nodes.Shard, several, fallback)

    def ignore_missing(self) -> Clause:
        return Clause("ignore_missing", True, span_now())

    def overwrite(self) -> Clause:
        return Clause("overwrite", True, span_now())

    def order_by(self, name: Name, direction: Direction, start: Scalar | None) -> Clause:
        order = nodes.OrderBy(name, direction_of(direction), start, span=span_now())
        return Clause("order_by", order, span_now())

    # -- selections

    def select_all(self, _: Token) -> nodes.Selection:
        return nodes.Selection("all", span=span_now())

    def select_none(self, _: Token) -> nodes.Selection:
        return nodes.Selection("none", span=span_now())

    def select_include(self, names: tuple[Name, ...]) -> nodes.Selection:
        return nodes.Selection("include", names, span=span_now())

    def select_exclude(self, names: tuple[Name, ...]) -> nodes.Selection:
        return nodes.Selection("exclude", names, span=span_now())

    def bound_selection(self, param: Scalar) -> nodes.Selection:
        return nodes.Selection(cast(nodes.Param, param.value), span=span_now())

    def select_options(self, options: Options) -> nodes.Selection:
        given: dict[str, list[str]] = {option.name: option.value for option in options}
        known = given and given.keys() <= {"include", "exclude"} and all(map(_is_names, given.values()))
        if not known or len(given) < len(options):
            syntax_error(
                "malformed-selection",
                "a selection is written (a, b), INCLUDE (a, b), EXCLUDE (a) or (include = ['a', 'b'])",
                span_now(),
            )
        if len(given) == 2:
            given = {"include": _without(given["include"], given["exclude"])}
        ((mode, texts),) = given.items()
        return nodes.Selection(mode, tuple(Name(text, span=span_now()) for text in texts), span=span_now())

    # -- options

    def options(self, *options: Option | None) -> Options:
        return tuple([option for option in options if option is not None])

    settings = options
    entries = options

    def object_entries(self, given: dict[str, object]) -> Options:
        return tuple(Option(key, value, span=span_now()) for key, value in given.items())

    def object_options(self, given: dict[str, object]) -> Options:
        return tuple(replace(entry, name=entry.name.lower()) for entry in self.object_entries(given))

    def entry(self, name: Scalar, value: object) -> Option:
        bare = value.value if isinstance(value, Scalar) else value
        return Option.make(name.value, bare, span=span_now())

    def option(self, name: Scalar, value: object) -> Option:
        bare = value.value if isinstance(value, Scalar) else value
        word: Any = name.value
        return Option.make(word.lower(), bare, span=span_now())

    def filter_option(self, name: Scalar, condition: Condition) -> Option:
        check_depth(condition, "filters")
        return Option(cast(str, name.value).lower(), condition, span=span_now())

    # -- queries

    def ctes(self, *ctes: nodes.Cte) -> tuple[nodes.Cte, ...]:
        return ctes

    def query(
        self,
        ctes: tuple[nodes.Cte, ...] | None,
        head: nodes.Target | Clause | Rescored | None = None,
        *clauses: Clause,
    ) -> nodes.Query:
        query = query_of_head(head, clauses, {"ctes": ctes} if ctes else {})
        if not (query.ctes or query.prefetch) or not any(stage.ctes for stage in inner_stages(query)):
            return query
        query, inner = hoist_ctes(query)
        return replace(query, ctes=(*inner, *query.ctes)) if inner else query

    def stage(
        self,
        ctes: tuple[nodes.Cte, ...] | None,
        head: nodes.Target | Clause | Rescored | None = None,
        *clauses: Clause,
    ) -> nodes.Query:
        return query_of_head(head, clauses, {"ctes": ctes} if ctes else {})

    lone_stage = stage

    def named_ref(self, stage: Name | nodes.Query, *clauses: Clause) -> nodes.Ref:
        return with_clauses(nodes.Ref, "reference", clauses, {"stage": stage})

    inline_ref = named_ref

    # -- queries of the cli dialect

    def search(self, collection: Name, text: Scalar, *clauses: Clause) -> nodes.Query:
        target = nodes.Text(text, span=text.span)
        query = make_query(clauses, {"target": target, "source": collection})
        if query.rerank is None or query.limit is None or not isinstance(query.limit.value, int):
            return query
        most = replace(query.limit, value=_CANDIDATES * query.limit.value)
        return replace(query, limit=most, rerank=replace(query.rerank, top=query.limit))

    def select(self, _: Token, collection: Name, *clauses: Clause) -> nodes.Query:
        where = next((one for one in clauses if one.name == "where"), Clause("where", None, span_now()))
        rest = [one for one in clauses if one is not where]
        ids: tuple[Scalar, ...] | nodes.Param
        match where.value:
            case nodes.Compare(name=Name(text="id"), op="=", value=value):
                ids = (value,)
            case nodes.In(name=Name(text="id"), values=values):
                ids = values
            case _:
                hint = "SCROLL FROM docs WHERE … walks through the points that satisfy a condition"
                message = "SELECT fetches points by id: WHERE id = 1, or WHERE id IN (1, 2)"
                syntax_error("select-by-id", message, where.span, hint)
        if isinstance(ids, tuple) and not all(_may_be_id(one.value) for one in ids):
            syntax_error("invalid-point-id", "ids are unsigned integers or UUIDs", where.span)
        target = nodes.Points(ids, span=where.span)
        return make_query(rest, {"target": target, "source": collection})


def _may_be_id(value: object) -> bool:
    return isinstance(value, (int, str, nodes.Param, nodes.Uuid)) and not isinstance(value, bool)


def _is_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _without(included: list[str], excluded: list[str]) -> list[str]:
    """The names of INCLUDE that EXCLUDE leaves; Qdrant takes one of the two lists."""
    left = [name for name in included if name not in excluded]
    below = next((out for out in excluded for name in left if out.startswith(f"{name}.")), None)
    if below is not None or not left:
        inside = f"`{below}` lies inside an included field"
        what = inside if below is not None else "nothing is left of this selection"
        hint = "Qdrant takes either the fields to include or the fields to exclude"
        syntax_error("malformed-selection", what, span_now(), hint)
    return left
