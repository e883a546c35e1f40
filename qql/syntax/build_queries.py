"""Rules → nodes: targets, clauses and formulas of queries, in the spellings of every dialect."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, NoReturn, cast

from qql import nodes
from qql.errors import Diagnostic, QQLSyntaxError, Span, did_you_mean
from qql.syntax.clauses import NOW, Clause, check_depth, span_now, with_clauses
from qql.syntax.functions import FUNCTIONS, GUARDS, SPELLINGS
from qql.syntax.lexer import Token, number_value, string_value, syntax_error

__all__ = ["Queries", "listed", "make_query", "parts_of", "sides_of"]

_CANDIDATES = 4
_ARITHMETIC = {"PLUS": "sum", "MINUS": "sum", "STAR": "mult"}
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?", re.ASCII)
_DECAYS = {"X": "x", "TARGET": "target", "SCALE": "scale", "MIDPOINT": "midpoint", "DECAY": "midpoint"}


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


def _texts(value: Any) -> Any:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _stands_twice(word: str, span: Span, first: Span) -> NoReturn:
    related = ((first, "given here first"),)
    raise QQLSyntaxError(Diagnostic("duplicate-clause", f"{word} stands twice", span, related=related))


class Queries:
    """Methods named as the rules of queries are; `qql.builder.Builder` inherits them."""

    # -- targets

    def bare_text(self, c: list[Any]) -> Any:
        token, model, options = c
        text = nodes.Scalar(string_value(token), span=token.span)
        if model is None and options is None and nodes.is_uuid(cast(str, text.value)):
            return nodes.Point(text, span=span_now())
        return nodes.Text(text, model, options, span=span_now())

    def inference(self, c: list[Any]) -> Any:
        value = c[0].value if isinstance(c[0], nodes.Scalar) else c[0]
        return nodes.Inference(value, c[1], c[2], span=span_now())

    def model_options(self, c: list[Any]) -> Any:
        return c[0].value if isinstance(c[0], nodes.Scalar) else c[0]

    def vector(self, c: list[Any]) -> Any:
        value = c[-1]
        if isinstance(value, nodes.Scalar):
            value = value.value
        elif isinstance(value, dict) and set(value) != {"indices", "values"}:
            return _inference(value)
        return nodes.Vector(value, span=span_now())

    def bare_point(self, c: list[Any]) -> Any:
        return nodes.Point(nodes.Scalar(number_value(c[0]), span=span_now()), span=span_now())

    def example_point(self, c: list[Any]) -> Any:
        given = c[0]
        if isinstance(given, Token):
            value = string_value(given) if given.type == "STRING" else number_value(given)
            given = nodes.Scalar(value, span=given.span)
        return nodes.Point(given, span=span_now())

    def points(self, c: list[Any]) -> Any:
        return nodes.Points(tuple(c), span=span_now())

    def bound_points(self, c: list[Any]) -> Any:
        return nodes.Points(c[0].value, span=span_now())

    def any_input(self, c: list[Any]) -> Any:
        return nodes.AnyInput(c[0].value, span=span_now())

    def target(self, c: list[Any]) -> Any:
        return c[-1]

    def rerank_target(self, c: list[Any]) -> Any:
        target, model = c
        if model is not None:
            NOW.warn("idle-model", "MODEL has no meaning here: nothing is embedded", model.span)
        return _Rescored(target)

    def examples(self, c: list[Any]) -> Any:
        return tuple(example for example in c if example is not None)

    def listed_examples(self, c: list[Any]) -> Any:
        return tuple(_example(value) for value in c[0])

    def bound_examples(self, c: list[Any]) -> Any:
        return c[0].value

    def positive(self, c: list[Any]) -> Any:
        return Clause("positive", c[0], span_now())

    def negative(self, c: list[Any]) -> Any:
        return Clause("negative", c[0], span_now())

    def recommend(self, c: list[Any]) -> Any:
        return with_clauses(nodes.Recommend, "RECOMMEND", [part for part in c if part is not None])

    def context(self, c: list[Any]) -> Any:
        return nodes.Context(tuple(c), span=span_now())

    def discover(self, c: list[Any]) -> Any:
        pairs = tuple(pair for pair in c[1:] if pair is not None)
        return nodes.Discover(c[0], pairs, span=span_now())

    def order_target(self, c: list[Any]) -> Any:
        return nodes.OrderBy(c[0], c[1] and c[1].type.lower(), c[2], span=span_now())

    def mmr(self, c: list[Any]) -> Any:
        return with_clauses(nodes.Mmr, "MMR", c[1:], {"target": c[0]})

    def diversity(self, c: list[Any]) -> Any:
        return Clause("diversity", c[0], span_now())

    def candidates(self, c: list[Any]) -> Any:
        return Clause("candidates", c[0], span_now())

    def relevance_feedback(self, c: list[Any]) -> Any:
        return nodes.RelevanceFeedback(c[0], tuple(c[1:]), span=span_now())

    def hybrid(self, c: list[Any]) -> Any:
        return nodes.Hybrid(c[0], c[1], **sides_of(c[2:]), span=span_now())

    def full_text(self, c: list[Any]) -> Any:
        return nodes.FullText(c[0], c[1], c[2] or (), span=span_now())

    # -- clauses

    def clause(self, c: list[Any]) -> Any:
        return c[0]

    modifier = write_clause = clause

    def using(self, c: list[Any]) -> Any:
        name, kind = c
        word = kind and kind.type.lower().replace("multivector", "multi")
        return Clause("using", nodes.Using(name, word, span=span_now()), span_now())

    def using_hybrid(self, c: list[Any]) -> Any:
        fusions = [part.value for part in c if isinstance(part, Clause)]
        if len(fusions) > 1:
            _stands_twice("FUSION", fusions[1].span, fusions[0].span)
        sides = sides_of([part for part in c if not isinstance(part, Clause)])
        return Clause("using", _Tail(True, sides, fusion=fusions[0] if fusions else None), span_now())

    def using_parts(self, c: list[Any]) -> Any:
        kind = c[0].type.lower() if c[0] else None
        return Clause("using", _Tail(False, parts_of(c[1:]), kind), span_now())

    def using_role(self, c: list[Any]) -> Any:
        name = nodes.Name(c[1].value, span=c[1].span)
        return Clause("using", nodes.Using(name, c[0].type.lower(), span=span_now()), span_now())

    def hybrid_part(self, c: list[Any]) -> Any:
        side = c[0].type.lower()
        given = {"vector": c[1]} if isinstance(c[1], nodes.Name) else parts_of(c[1:])
        return side, given, span_now()

    def with_model(self, c: list[Any]) -> Any:
        return "model", c[0], span_now()

    def with_vector(self, c: list[Any]) -> Any:
        return "vector", c[0], span_now()

    def with_field(self, c: list[Any]) -> Any:
        return "name", c[0], span_now()

    def where(self, c: list[Any]) -> Any:
        check_depth(c[0], "filters")
        return Clause("where", c[0], span_now())

    def prefetch(self, c: list[Any]) -> Any:
        return Clause("prefetch", tuple(ref for ref in c if ref is not None), span_now())

    def fusion(self, c: list[Any]) -> Any:
        token = c[0]
        method = (string_value(token) if token.type == "STRING" else token.type).lower()
        if method not in ("rrf", "dbsf"):
            hint = did_you_mean(method, ("rrf", "dbsf"))
            hint = hint or "the methods are RRF and DBSF"
            syntax_error("unknown-fusion", f"there is no fusion `{method}`", token.span, hint)
        return Clause("fusion", nodes.Fusion(method, span=span_now()), span_now())

    def formula(self, c: list[Any]) -> Any:
        check_depth(c[0], "formulas", "SUM(a, b, …) and PRODUCT(a, b, …) take many values at once")
        return nodes.Formula(c[0], span=span_now())

    def boost(self, c: list[Any]) -> Any:
        formula = c[0] if isinstance(c[0], nodes.Formula) else self.formula(c)
        return Clause("formula", formula, span_now())

    def defaults(self, c: list[Any]) -> Any:
        return Clause("defaults", c[0], span_now())

    def strategy(self, c: list[Any]) -> Any:
        return Clause("strategy", (c[0], c[1] or ()), span_now())

    def with_model_clause(self, c: list[Any]) -> Any:
        return Clause("model", c[0], span_now())

    def group_size(self, c: list[Any]) -> Any:
        return Clause("group_size", c[0], span_now())

    def rerank(self, c: list[Any]) -> Any:
        return Clause("rerank", nodes.Rerank(*c, span=span_now()), span_now())

    cross_rerank = rerank

    def on_field(self, c: list[Any]) -> Any:
        return c[0]

    def params(self, c: list[Any]) -> Any:
        return Clause("params", c[0], span_now())

    def exact(self, c: list[Any]) -> Any:
        value = c[0] is None or c[0].type == "TRUE"
        return Clause("params", (nodes.Option("exact", value, span=span_now()),), span_now())

    def group(self, c: list[Any]) -> Any:
        return Clause("group", nodes.Group(c[0], c[1], span=span_now()), span_now())

    def group_lookup(self, c: list[Any]) -> Any:
        return Clause("group_lookup", nodes.GroupLookup(c[0], span=span_now()), span_now())

    def payload(self, c: list[Any]) -> Any:
        return Clause("payload", c[0] or nodes.Selection("all", span=span_now()), span_now())

    def vectors(self, c: list[Any]) -> Any:
        return Clause("vectors", c[0] or nodes.Selection("all", span=span_now()), span_now())

    def provenance(self, _: list[Any]) -> Any:
        return Clause("provenance", nodes.Provenance(span=span_now()), span_now())

    def lookup(self, c: list[Any]) -> Any:
        return Clause("lookup", nodes.Lookup(c[0], c[1], c[2] and c[2].value, span=span_now()), span_now())

    def shard(self, c: list[Any]) -> Any:
        keys = c[0] if isinstance(c[0], tuple) else (c[0],)
        return Clause("shard", nodes.Shard(keys, c[1], span=span_now()), span_now())

    def overwrite(self, _: list[Any]) -> Any:
        return Clause("overwrite", True, span_now())

    def order_by(self, c: list[Any]) -> Any:
        return Clause("order_by", self.order_target(c), span_now())

    def select_all(self, _: list[Any]) -> Any:
        return nodes.Selection("all", span=span_now())

    def select_none(self, _: list[Any]) -> Any:
        return nodes.Selection("none", span=span_now())

    def select_include(self, c: list[Any]) -> Any:
        return nodes.Selection("include", c[0], span=span_now())

    def select_exclude(self, c: list[Any]) -> Any:
        return nodes.Selection("exclude", c[0], span=span_now())

    def select_options(self, c: list[Any]) -> Any:
        given: dict[str, Any] = {option.name: option.value for option in c[0]}
        known = given and given.keys() <= {"include", "exclude"} and all(map(_texts, given.values()))
        if not known or len(given) < len(c[0]):
            syntax_error(
                "malformed-selection",
                "a selection is written (a, b), INCLUDE (a, b), EXCLUDE (a) or (include = ['a', 'b'])",
                span_now(),
            )
        if len(given) == 2:
            given = {"include": _without(given["include"], given["exclude"])}
        ((mode, texts),) = given.items()
        names = tuple(nodes.Name(text, span=span_now()) for text in cast(list[str], texts))
        return nodes.Selection(cast(Any, mode), names, span=span_now())

    def options(self, c: list[Any]) -> tuple[nodes.Option, ...]:
        return tuple(option for option in c if option is not None)

    settings = entries = options

    def object_entries(self, c: list[Any]) -> tuple[nodes.Option, ...]:
        return tuple(nodes.Option(key, value, span=span_now()) for key, value in c[0].items())

    def object_options(self, c: list[Any]) -> tuple[nodes.Option, ...]:
        return tuple(replace(entry, name=entry.name.lower()) for entry in self.object_entries(c))

    def entry(self, c: list[Any]) -> Any:
        value = c[1].value if isinstance(c[1], nodes.Scalar) else c[1]
        return nodes.Option(c[0].value, value, span=span_now())

    def option(self, c: list[Any]) -> Any:
        entry = self.entry(c)
        return nodes.Option(entry.name.lower(), entry.value, span=span_now())

    def filter_option(self, c: list[Any]) -> Any:
        check_depth(c[1], "filters")
        return nodes.Option(c[0].value.lower(), c[1], span=span_now())

    # -- queries

    def cte(self, c: list[Any]) -> Any:
        return nodes.Cte(c[0], c[1], span=span_now())

    def ctes(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def query(self, c: list[Any]) -> Any:
        query = _from_head(c[1:], {"ctes": c[0]} if c[0] else {})
        inner: list[nodes.Cte] = []
        if any(one.stage.ctes for one in _stages(query)):
            query = _without_ctes(query, inner)
        return replace(query, ctes=(*inner, *query.ctes)) if inner else query

    def stage(self, c: list[Any]) -> Any:
        return _from_head(c[1:], {"ctes": c[0]} if c[0] else {})

    def named_ref(self, c: list[Any]) -> Any:
        return with_clauses(nodes.Ref, "reference", c[1:], {"stage": c[0]})

    inline_ref = named_ref

    def search(self, c: list[Any]) -> Any:
        target = nodes.Text(c[1], span=c[1].span)
        query = make_query(c[2:], {"target": target, "source": c[0]})
        if query.rerank is None or query.limit is None or not isinstance(query.limit.value, int):
            return query
        # Its RERANK reads four times as many candidates as hits are asked for.
        most = replace(query.limit, value=_CANDIDATES * query.limit.value)
        return replace(query, limit=most, rerank=replace(query.rerank, top=query.limit))

    def recommend_from(self, c: list[Any]) -> Any:
        own = [part for part in c[1:] if part.name in ("positive", "negative")]
        rest = [part for part in c[1:] if part.name not in ("positive", "negative")]
        target = with_clauses(nodes.Recommend, "RECOMMEND", own)
        return make_query(rest, {"target": target, "source": c[0]})

    def select(self, c: list[Any]) -> Any:
        where = next((one for one in c[2:] if one.name == "where"), Clause("where", None, span_now()))
        rest = [one for one in c[2:] if one is not where]
        match where.value:
            case nodes.Compare(name=nodes.Name(text="id"), op="=", value=value):
                ids: Any = (value,)
            case nodes.In(name=nodes.Name(text="id"), values=values):
                ids = values
            case _:
                hint = "SCROLL FROM docs WHERE … walks through the points that satisfy a condition"
                message = "SELECT fetches points by id: WHERE id = 1, or WHERE id IN (1, 2)"
                syntax_error("select-by-id", message, where.span, hint)
        if isinstance(ids, tuple) and not (ids and all(_may_be_id(one.value) for one in ids)):
            syntax_error("invalid-point-id", "ids are unsigned integers or UUIDs", where.span)
        target = nodes.Points(ids, span=where.span)
        return make_query(rest, {"target": target, "source": c[1]})

    # -- formulas

    def arithmetic(self, c: list[Any]) -> Any:
        left, sign, right = c
        if sign.type == "MINUS":
            right = nodes.Call("neg", (right,), span=right.span)
        return nodes.Call(_ARITHMETIC[sign.type], (left, right), span=span_now())

    def negate(self, c: list[Any]) -> Any:
        return nodes.Call("neg", (c[1],), span=span_now())

    def call(self, c: list[Any]) -> Any:
        token, *args, default = c
        word = SPELLINGS.get(token.text.upper(), token.text.upper())
        known = FUNCTIONS.get(word)
        args = [arg for arg in args if arg is not None]
        if known is None:
            more = (
                "DATETIME",
                "DATETIME_KEY",
                "GEO_DISTANCE",
                "GAUSS_DECAY",
                "EXP_DECAY",
                "LIN_DECAY",
                "MATCH",
            )
            names = (*FUNCTIONS, *more, "MATCH_ANY", "CONDITION")
            hint = did_you_mean(token.text, names) or f"the functions are {', '.join(names)}"
            message = f"there is no function `{token.text}`"
            syntax_error("unknown-function", message, token.span, hint)
        if not known.least <= len(args) or (known.most is not None and len(args) > known.most):
            takes = f"{known.least}" if known.most else "at least one"
            values = "value" if known.most == 1 or not known.most else "values"
            message = f"{word} takes {takes} {values}, not {len(args)}"
            syntax_error("wrong-arguments", message, span_now())
        return nodes.Call(known.name, tuple(args), default, span=span_now())

    def divide(self, c: list[Any]) -> Any:
        left, _, right, default = c
        if isinstance(right, nodes.Call) and right.default and right.function not in GUARDS:
            # The brackets stood behind a function that has no use for them: they are the division's.
            if default is not None:
                _stands_twice("DEFAULT", default.span, right.default.span)
            right, default = replace(right, default=None), right.default
        return nodes.Divide(left, right, default, span=span_now())

    def case(self, c: list[Any]) -> Any:
        return nodes.Case(tuple(c[:-1]), c[-1], span=span_now())

    def match_value(self, c: list[Any]) -> Any:
        return nodes.Truth(nodes.Compare(c[0], "=", c[1], span=span_now()), span=span_now())

    def match_any(self, c: list[Any]) -> Any:
        return nodes.Truth(nodes.In(c[0], listed(c[1]), span=span_now()), span=span_now())

    def geo_distance(self, c: list[Any]) -> Any:
        *origin, name = c
        if len(origin) == 2:
            given: Any = {"lat": origin[0].value, "lon": origin[1].value}
        else:
            given = origin[0].value if isinstance(origin[0], nodes.Scalar) else origin[0]
        return nodes.GeoDistance(given, name, span=span_now())

    def decay(self, c: list[Any]) -> Any:
        kind, *options = c
        found: dict[str, Any] = {}
        order = iter(("x", "target", "scale", "midpoint"))
        for token, value, span in options:
            word = _DECAYS[token.type] if token else next(order, None)
            if word is None:
                syntax_error("wrong-arguments", "a decay takes TARGET, SCALE and MIDPOINT", span)
            if word in found:
                _stands_twice(word.upper(), span, found[word].span)
            found[word] = _date(value) if word == "target" else value
        if "x" not in found:
            syntax_error("wrong-arguments", "a decay needs the value that decays", span_now())
        return nodes.Decay(kind.type.removesuffix("_DECAY").lower(), **found, span=span_now())

    def decay_option(self, c: list[Any]) -> Any:
        return c[0], c[1], span_now()

    def duration(self, c: list[Any]) -> Any:
        number, unit = cast(re.Match[str], re.fullmatch(r"([0-9.]+)([a-z]+)", c[0].text.lower())).groups()
        seconds = float(number) * _SECONDS[unit]
        whole = int(seconds) if seconds == int(seconds) else seconds
        return nodes.Scalar(whole, span=span_now())


def listed(value: Any) -> Any:
    """The list of IN: parenthesised scalars as they are, an array's items as scalars, or a parameter."""
    if isinstance(value, list):
        return tuple(nodes.Scalar(item, span=span_now()) for item in value)
    return value.value if isinstance(value, nodes.Scalar) else value


def _may_be_id(value: Any) -> bool:
    return isinstance(value, (int, str, nodes.Param, nodes.Uuid)) and not isinstance(value, bool)


def _date(value: Any) -> Any:
    """A quoted date as a point in time; everything else as it is (a quoted name is a variable)."""
    if isinstance(value, nodes.Name) and isinstance(value.text, str) and _DATE.fullmatch(value.text):
        return nodes.Datetime(nodes.Scalar(value.text, span=value.span), span=value.span)
    return value


def _inference(value: dict[str, Any]) -> Any:
    """``{text: 'words', model: 'm'}``: Qdrant's own objects for what a model embeds."""
    rows = _rows(value)
    if rows is not None:
        return nodes.Vector(rows, span=span_now())
    kinds: dict[str, Any] = {"text": nodes.Text, "image": nodes.Image, "object": nodes.Inference}
    kind = next((kind for kind in kinds if kind in value), None)
    if kind is None or not set(value) <= {kind, "model", "options"}:
        hint = "a text, an image or an object is written {text: 'words', model: 'name'}"
        message = "a sparse vector is written {indices: […], values: […]}"
        syntax_error("malformed-vector", message, span_now(), hint)
    model = value.get("model")
    given = value[kind] if kind == "object" else nodes.Scalar(value[kind], span=span_now())
    named = None if model is None else nodes.Scalar(model, span=span_now())
    return kinds[kind](given, named, value.get("options"), span=span_now())


def _rows(value: dict[str, Any]) -> list[Any] | None:
    """The rows of ``{data: [1, 2, 3, 4], dim: 2}``, v1's flat multivector; None where it is none."""
    data, dim = value.get("data"), value.get("dim")
    if set(value) != {"data", "dim"} or not isinstance(data, list) or type(dim) is not int or dim < 1:
        return None
    if len(data) % dim:
        message = f"{len(data)} numbers make no rows of {dim}"
        syntax_error("malformed-vector", message, span_now())
    return [data[start : start + dim] for start in range(0, len(data), dim)]


def _example(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return nodes.Vector(value, span=span_now())
    if isinstance(value, nodes.Param):
        return nodes.AnyInput(value, span=span_now())
    return nodes.Point(nodes.Scalar(value, span=span_now()), span=span_now())


# ------------------------------------------------------------------------------------ older spellings


class _Rescored:
    """``QUERY RERANK input``: the input, which needs something to rescore."""

    def __init__(self, target: nodes.Target) -> None:
        self.target = target


class _Tail:
    """``USING HYBRID …``, ``USING MODEL 'm'``, ``USING SPARSE VECTOR 'v'``: it changes the target too."""

    def __init__(
        self, hybrid: bool, given: dict[str, Any], kind: str | None = None, fusion: nodes.Fusion | None = None
    ) -> None:
        self.hybrid = hybrid
        self.given = given
        self.kind = kind
        self.fusion = fusion


def parts_of(parts: list[tuple[str, Any, Span]]) -> dict[str, Any]:
    """``MODEL 'm' VECTOR 'v'`` in any order, each once."""
    found: dict[str, Any] = {}
    places: dict[str, Span] = {}
    for word, value, span in parts:
        if word in found:
            _stands_twice(word.upper(), span, places[word])
        found[word], places[word] = value, span
    return found


def sides_of(parts: list[tuple[str, dict[str, Any], Span]]) -> dict[str, Any]:
    """The parts behind HYBRID as fields of `nodes.Hybrid`."""
    found: dict[str, Any] = {}
    places: dict[str, Span] = {}
    for side, given, span in parts:
        for word, value in given.items():
            field = side if word == "vector" else f"{side}_model"
            if field in found:
                _stands_twice(f"{side.upper()} {word.upper()}", span, places[field])
            found[field], places[field] = value, span
    return found


def _from_head(children: list[Any], fixed: dict[str, Any]) -> Any:
    head, *clauses = children
    if isinstance(head, Clause):  # QUERY FUSION …, FUSION …, QUERY CROSS RERANK …, QUERY FROM …
        clauses.insert(0, head)
    elif isinstance(head, _Rescored):
        fixed["target"] = head.target
        if not any(clause.name == "prefetch" for clause in clauses):
            hint = "name the stages whose hits are rescored: PREFETCH (dense)"
            syntax_error("rerank-without-prefetch", "RERANK needs a PREFETCH", head.target.span, hint)
    else:
        fixed["target"] = head
    return make_query(clauses, fixed)


def _stages(query: Any) -> list[Any]:
    """The CTEs and references that hold the stages of a query, at every level."""
    found: list[Any] = []
    todo = [query]
    while todo:
        one = todo.pop()
        held = [*one.ctes, *(ref for ref in one.prefetch if isinstance(ref.stage, nodes.Query))]
        found += held
        todo += [holder.stage for holder in held]
    return found


def _without_ctes(query: Any, found: list[nodes.Cte], *, inner: bool = False) -> Any:
    """The query whose stages define no stages of their own; theirs are found: they are the statement's."""
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


def make_query(clauses: list[Clause], fixed: dict[str, Any]) -> Any:
    """The tree of a query, whatever the dialect: tails and options that change the target are put into it."""
    clauses = _folded(_grouped(clauses), fixed)
    query = with_clauses(nodes.Query, "query", clauses, fixed)
    using = query.using
    if isinstance(using, _Tail):
        span = next(clause.span for clause in clauses if clause.name == "using")
        query = _hybrid(query, using, span) if using.hybrid else _with_parts(query, using, span)
    if query.target is None and query.fusion is None and query.formula is not None:
        query = replace(query, target=query.formula, formula=None)
    return _diverse(query)


def _folded(clauses: list[Clause], fixed: dict[str, Any]) -> list[Clause]:
    """DEFAULTS, STRATEGY, GROUP_SIZE and WITH MODEL may stand apart from what they belong to."""
    out = list(clauses)
    for apart in [clause for clause in clauses if clause.name in _APART]:
        place, field, what = _APART[apart.name]
        held = next((one for one in out if one.name == place), None)
        node = held.value if held else fixed.get("target")
        makes = _TAKES[apart.name]
        if not isinstance(node, makes):
            syntax_error(
                "misplaced-clause",
                f"{what} has no meaning here",
                apart.span,
                f"it belongs to {_OWNERS[apart.name]}",
            )
        if getattr(node, field):
            _stands_twice(what, apart.span, node.span)
        changes = {field: apart.value}
        if apart.name == "strategy":
            changes = {"strategy": apart.value[0]}
            if isinstance(node, nodes.RelevanceFeedback):
                changes["options"] = apart.value[1]
            elif apart.value[1]:
                syntax_error("idle-option", "this STRATEGY takes no options", apart.span)
        node = replace(node, **changes)
        out.remove(apart)
        if held:
            out[out.index(held)] = replace(held, value=node)
        else:
            fixed["target"] = node
    return out


_APART = {
    "defaults": ("formula", "defaults", "DEFAULTS"),
    "strategy": ("", "strategy", "STRATEGY"),
    "group_size": ("group", "size", "GROUP_SIZE"),
    "model": ("", "model", "WITH MODEL"),
}
"""Clauses that go into the clause (or else the target) that they belong to, and the field there."""
_TAKES: dict[str, Any] = {
    "defaults": nodes.Formula,
    "strategy": (nodes.Recommend, nodes.RelevanceFeedback),
    "group_size": nodes.Group,
    "model": (nodes.Text, nodes.Image, nodes.Inference, nodes.Hybrid),
}
_OWNERS = {
    "defaults": "a formula",
    "strategy": "RECOMMEND or RELEVANCE FEEDBACK",
    "group_size": "GROUP BY",
    "model": "a text to search for",
}


def _grouped(clauses: list[Clause]) -> list[Clause]:
    """GROUP BY takes the LOOKUP FROM right behind it, with its selections, and a WITH LOOKUP anywhere."""
    group = next((clause for clause in clauses if clause.name == "group"), None)
    if group is None:
        return clauses
    rest, lookup = [], None
    for number, clause in enumerate(clauses):
        before = clauses[number - 1].name if number else ""
        direct = (
            clause.name == "lookup"
            and before == "group"
            and clause.value.vector is None
            and clause.value.shard is None
        )
        if clause.name == "group_lookup" or direct:
            if lookup is not None:
                _stands_twice("LOOKUP", clause.span, lookup.span)
            lookup = nodes.GroupLookup(clause.value.collection, span=clause.span)
            taking = direct
        elif (
            lookup is not None
            and taking
            and clause.name in ("payload", "vectors")
            and getattr(lookup, clause.name) is None
        ):
            lookup = replace(lookup, **{clause.name: clause.value})
        else:
            taking = False
            rest.append(clause)
    if lookup is not None:
        rest[rest.index(group)] = replace(group, value=replace(group.value, lookup=lookup))
    return rest


def _hybrid(query: Any, tail: _Tail, span: Span) -> Any:
    target = query.target
    if not isinstance(target, nodes.Text) or not isinstance(target.text.value, (str, nodes.Param)):
        hint = "PREFETCH (a, b) FUSION RRF fuses searches of any kind"
        where = target.span if target is not None else span
        syntax_error("hybrid-without-text", "USING HYBRID searches for a text", where, hint)
    if target.options is not None:
        hint = "search each vector by its own text: PREFETCH (QUERY TEXT … OPTIONS …, QUERY …) FUSION RRF"
        syntax_error("idle-option", "OPTIONS has no meaning for USING HYBRID", target.span, hint)
    hybrid = nodes.Hybrid(target.text, target.model, **tail.given, span=target.span)
    if tail.fusion and query.fusion:
        _stands_twice("FUSION", query.fusion.span, tail.fusion.span)
    return replace(query, using=None, target=hybrid, fusion=query.fusion or tail.fusion)


def _with_parts(query: Any, tail: _Tail, span: Span) -> Any:
    vector, model = tail.given.get("vector"), tail.given.get("model")
    name = vector or (nodes.Name(tail.kind, span=span) if tail.kind else None)
    kind = tail.kind if vector else None
    using = nodes.Using(name, kind, span=span) if name else None
    query = replace(query, using=using)
    if model is None:
        return query
    if not isinstance(query.target, nodes.Text):
        syntax_error("idle-model", "USING MODEL needs a text to search for", span)
    if query.target.model is not None:
        _stands_twice("MODEL", span, query.target.model.span)
    return replace(query, target=replace(query.target, model=model))


_MMR = {"mmr_diversity": "diversity", "mmr_candidates": "candidates"}


def _diverse(query: Any) -> Any:
    """``WITH (mmr_diversity = 0.5, mmr_candidates = 100)`` makes the target an MMR."""
    own = [option for option in query.params if option.name in _MMR]
    if not own or isinstance(query.target, nodes.Hybrid):  # of a HYBRID, the planner makes the dense half so
        return query
    if not isinstance(query.target, nodes.Input):
        hint = "write QUERY MMR 'text' DIVERSITY 0.5 CANDIDATES 100"
        syntax_error(
            "idle-option",
            f"`{own[0].name}` needs a text, a vector or a point to search for",
            own[0].span,
            hint,
        )
    given: dict[str, Any] = {}
    for option in own:
        word = _MMR[option.name]
        if word in given:
            _stands_twice(option.name, option.span, given[word].span)
        if isinstance(option.value, (list, dict, tuple, nodes.Condition)):
            syntax_error("bad-option", f"`{option.name}` takes a number", option.span)
        given[word] = nodes.Scalar(option.value, span=option.span)
    rest = tuple(option for option in query.params if option.name not in _MMR)
    return replace(query, params=rest, target=nodes.Mmr(query.target, **given, span=query.target.span))
