"""Rules → nodes: statements that are more than the fields that their declarations name."""

from __future__ import annotations

from collections.abc import Sequence

from qql import nodes
from qql.late import cast
from qql.nodes import Condition, Name, Option, Param, Scalar
from qql.records import dataclass, replace
from qql.rest.limits import BM25
from qql.syntax.clauses import Clause, check_depth, same, span_now, with_clauses
from qql.syntax.dialects import HybridSide, NamedPart, Parts, hybrid_sides, parts_once
from qql.syntax.lexer import Token, string_value, syntax_error

__all__ = ["Statements"]

Row = dict[str, object] | Param


@dataclass(frozen=True, slots=True)
class _Assignment:
    """What stands behind SET in UPDATE. ``value`` None: it stands at the end of the statement."""

    payload: bool
    name: Name | None = None
    value: object = None
    rows: tuple[Row, ...] | Param | None = None


class Statements:
    """Methods named as the rules of statements are. The others are built by their declarations."""

    # -- reading

    def facet(self, *children: Name | Clause | None) -> nodes.Facet:
        clauses = [child for child in children if isinstance(child, Clause)]
        names = [child for child in children if isinstance(child, Name)]
        return with_clauses(nodes.Facet, "FACET", clauses, {"key": names[0]} if names else {})

    def analyze_text(self, text: Scalar, name: Name, *clauses: Clause) -> nodes.AnalyzeText:
        return with_clauses(nodes.AnalyzeText, "ANALYZE TEXT", clauses, {"text": text, "name": name})

    def fallback(self, first: nodes.Query, *others: nodes.ElseBranch) -> nodes.Fallback:
        return nodes.Fallback(first, others, span=span_now())

    def else_branch(self, *children: Clause | nodes.Query | None) -> nodes.ElseBranch:
        *conditions, query = [child for child in children if child is not None]
        score = next((one for one in conditions if isinstance(one, Clause) and one.name == "score"), None)
        distance = score is not None and score.value[0] == ">"
        weak = [replace(one, value=one.value[1]) for one in conditions if isinstance(one, Clause)]
        return with_clauses(nodes.ElseBranch, "ELSE", weak, {"query": query, "distance": distance})

    def few_hits(self, sign: Token, count: Scalar) -> Clause:
        return _weakness("hits", sign, count, ("<",), "write HITS < n: fewer than n hits are too few")

    def poor_score(self, sign: Token, score: Scalar) -> Clause:
        hint = "write BEST SCORE < s, or BEST SCORE > s where lower scores are better"
        return _weakness("score", sign, score, ("<", ">"), hint)

    def explain(self, *children: Clause | nodes.Statement) -> nodes.Explain:
        *options, statement = children
        clauses = cast(list[Clause], options)
        return with_clauses(nodes.Explain, "EXPLAIN", clauses, {"statement": statement})

    def why(
        self, negated: Token | None, point: Scalar | Clause, *children: Clause | nodes.Statement
    ) -> nodes.Why:
        *options, statement = children
        fixed: dict[str, object] = {"statement": statement, "negated": negated is not None}
        if isinstance(point, Clause):
            options = [point, *options]
        else:
            fixed["id"] = point
        return with_clauses(nodes.Why, "WHY", cast(list[Clause], options), fixed)

    def analyze(self) -> Clause:
        return Clause("analyze", True, span_now())

    def ablate(self) -> Clause:
        return Clause("ablate", True, span_now())

    # -- writing

    def field_list(self, *names: Name) -> tuple[Name, ...]:
        return names

    def upsert(
        self, word: Token, collection: Name, rows: tuple[Row, ...] | Param, *clauses: Clause
    ) -> nodes.Upsert:
        given = list(clauses)
        embeds = [clause for clause in given if clause.name == "embeds"]
        if len(embeds) > 1:  # USING and EMBED both say what is embedded
            both = [item for one in embeds for item in cast(tuple[nodes.Embedding, ...], one.value)]
            given = [clause for clause in given if clause.name != "embeds"]
            given.append(replace(embeds[0], value=tuple(both)))
        fixed = {"collection": collection, "rows": rows, "insert": word.type == "INSERT"}
        return with_clauses(nodes.Upsert, word.type, given, fixed)

    upsert_clause = same

    def embeds(self, *children: nodes.Embedding | list[nodes.Embedding]) -> Clause:
        found: list[nodes.Embedding] = []
        for child in children:
            found += child if isinstance(child, list) else [child]
        return Clause("embeds", tuple(found), span_now())

    def embedding(self, kind: Token | None, *parts: NamedPart) -> nodes.Embedding:
        return replace(nodes.Embedding(_vector_kind(kind), span=span_now()), **parts_once(parts))

    def hybrid_embedding(self, *sides: HybridSide) -> list[nodes.Embedding]:
        found: dict[str, Parts] = {"dense": {}, "sparse": {}}
        for side, given, _ in sides:
            found[side] = {**found[side], **given}
        return [replace(nodes.Embedding(side, span=span_now()), **given) for side, given in found.items()]

    def hybrid_side(self, side: Token, *parts: NamedPart) -> HybridSide:
        return side.type.lower(), parts_once(parts), span_now()

    def embed(
        self, field: Name, vector: Name, kind: Token | None = None, model: Scalar | None = None
    ) -> nodes.Embedding:
        return nodes.Embedding(_vector_kind(kind), model, vector, field, span=span_now())

    def update_filter(self, condition: Condition) -> Clause:
        check_depth(condition, "filters")
        return Clause("update_filter", condition, span_now())

    def rows(self, *children: list[Row] | Row | Scalar | None) -> tuple[Row, ...] | Param:
        if isinstance(children[0], list):
            return tuple(children[0])
        rows = tuple(cast(Row, _bare(child)) for child in children if child is not None)
        return rows[0] if len(rows) == 1 and isinstance(rows[0], Param) else rows

    def set_payload(self, *values: object) -> _Assignment:
        return _Assignment(True, value=_bare(values[0]) if values else None)

    def set_vector(self, name: Name | None, *values: object) -> _Assignment:
        return _Assignment(False, name, values[0] if values else None)

    def set_vectors(self, rows: tuple[Row, ...] | Param) -> _Assignment:
        return _Assignment(False, rows=rows)

    def update(
        self, collection: Name, assignment: _Assignment, *children: object
    ) -> nodes.UpdatePayload | nodes.UpdateVector | nodes.UpdateVectors:
        clauses = [child for child in children if isinstance(child, Clause)]
        value = assignment.value
        if len(clauses) < len(children):  # the cli dialect has the value at the end
            value = children[-1]
            if assignment.payload and not isinstance(value, dict):
                hint = "write SET PAYLOAD = {field: value}"
                syntax_error("bad-payload", "SET PAYLOAD takes an object", span_now(), hint)
        fixed: dict[str, object] = {"collection": collection}
        if assignment.payload:
            fixed |= {"value": value}
            return with_clauses(nodes.UpdatePayload, "UPDATE … SET PAYLOAD", clauses, fixed)
        if assignment.rows is not None:
            fixed |= {"rows": assignment.rows}
            return with_clauses(nodes.UpdateVectors, "UPDATE … SET VECTOR VALUES", clauses, fixed)
        fixed |= {"value": value, "name": assignment.name}
        return with_clauses(nodes.UpdateVector, "UPDATE … SET VECTOR", clauses, fixed)

    def batch(self, *children: nodes.Statement | Clause) -> nodes.Batch:
        statements = tuple(child for child in children if not isinstance(child, Clause))
        clauses = [child for child in children if isinstance(child, Clause)]
        return with_clauses(nodes.Batch, "BATCH", clauses, {"statements": statements})

    # -- COPY

    def copy_format(self, name: Name) -> Clause:
        return Clause("format", name, span_now())

    def copy_map(self, mappings: tuple[nodes.Mapping, ...]) -> Clause:
        return Clause("map", mappings, span_now())

    def copy_columns(self, *columns: nodes.Column | None) -> Clause:
        return Clause("columns", tuple(one for one in columns if one is not None), span_now())

    def copy_delimiter(self, delimiter: Scalar) -> Clause:
        return Clause("delimiter", delimiter, span_now())

    def copy_header(self, given: Scalar | None) -> Clause:
        return Clause("header", given or Scalar(True, span=span_now()), span_now())

    def copy_batch(self, size: Scalar) -> Clause:
        return Clause("batch", size, span_now())

    def copy_on_error(self, word: Token) -> Clause:
        return Clause("on_error", word.type.lower(), span_now())

    def map(self, *mappings: nodes.Mapping | None) -> tuple[nodes.Mapping, ...]:
        return tuple(one for one in mappings if one is not None)

    def uuid_mapping(self, target: Name, source: Name | nodes.Joined) -> nodes.Mapping:
        return nodes.Mapping(target, source, uuid=True, span=span_now())

    def integer_mapping(self, target: Name, source: Name | nodes.Joined) -> nodes.Mapping:
        return nodes.Mapping(target, source, integer=True, span=span_now())

    def joined(self, *parts: Name | Scalar) -> nodes.Joined:
        return nodes.Joined(parts, span=span_now())

    def joined_text(self, token: Token) -> Name | Scalar:
        text = string_value(token)
        if not token.text.startswith("`"):
            return Scalar(text, span=span_now())
        if any(char < " " for char in text):  # it could not be written on one line
            message = "the name of a column has no line breaks here"
            syntax_error("bad-mapping", message, span_now(), "IDENTIFIER(:name) takes any name")
        return Name(text, span=span_now())

    def list_mapping(self, target: Name, sources: tuple[Name, ...]) -> nodes.Mapping:
        return nodes.Mapping(target, sources, span=span_now())

    # -- collections

    def create_collection(
        self, if_not_exists: bool | None, name: Name, *parts: nodes.Block | list[nodes.VectorDef]
    ) -> nodes.CreateCollection:
        vectors: list[nodes.VectorDef] = []
        blocks: list[nodes.Block] = []
        for part in parts:
            if isinstance(part, nodes.Block):
                blocks.append(part)
            else:
                vectors += part
        there = if_not_exists is not None
        return nodes.CreateCollection(name, there, tuple(vectors), _fold_kept(blocks), span=span_now())

    def hybrid_preset(self, *given: HybridSide) -> list[nodes.VectorDef]:
        sides = hybrid_sides(given)
        dense = _preset("dense", sides.get("dense"), sides.get("dense_model"))
        model = sides.get("sparse_model") or Scalar(BM25, span=span_now())
        return [dense, _preset("sparse", sides.get("sparse"), model)]

    def rerank_preset(self) -> list[nodes.VectorDef]:
        multivector = nodes.Block("multivector", (), span=span_now())
        colbert = replace(_preset("dense", _name("colbert"), None), blocks=(multivector,))
        return [*self.hybrid_preset(), colbert]

    def dense_preset(self, _: Token | None, *given: NamedPart) -> list[nodes.VectorDef]:
        parts = parts_once(given)
        return [_preset("dense", parts.get("vector"), parts.get("model"))]

    def named_preset(self, name: Name) -> list[nodes.VectorDef]:
        return [_preset("dense", name, None)]

    def if_exists(self) -> bool:
        return True

    if_not_exists = if_exists

    def vector_defs(self, *definitions: nodes.VectorDef | None) -> tuple[nodes.VectorDef, ...]:
        return tuple(definition for definition in definitions if definition is not None)

    def vector_def(
        self,
        name: Name,
        shape: tuple[Scalar | None, str | None] | None,
        model: Scalar | None,
        *blocks: nodes.Block,
    ) -> nodes.VectorDef:
        size, distance = shape or (None, None)
        return nodes.VectorDef(name, "dense", size, distance, model, blocks, span=span_now())

    def unnamed_def(
        self, shape: tuple[Scalar | None, str | None], model: Scalar | None
    ) -> list[nodes.VectorDef]:
        return [self.vector_def(Name("", span=span_now()), shape, model)]

    def sparse_def(self, name: Name, model: Scalar | None, *blocks: nodes.Block) -> nodes.VectorDef:
        return nodes.VectorDef(name, "sparse", None, None, model, blocks, span=span_now())

    def shape(self, size: Scalar, distance: str | None) -> tuple[Scalar, str | None]:
        return size, distance

    def distance_only(self, distance: str) -> tuple[None, str]:
        return None, distance

    def distance(self, word: Token) -> str:
        return str(word.type.capitalize())

    def block(self, word: Token, options: tuple[Option, ...]) -> nodes.Block:
        kind = word.type.lower()
        return nodes.Block("vector" if kind == "vectors" else kind, options, span=span_now())

    sub_block = block

    def quantize(self, name: Name, *options: Option) -> nodes.Block:
        kind = Option("type", str(name.text).lower(), span=name.span)
        if kind.value == "disabled":
            if options:
                syntax_error("idle-option", "QUANTIZE DISABLED takes no options", options[0].span)
            kind = Option("disabled", True, span=name.span)
        return nodes.Block("quantization", (kind, *options), span=span_now())

    def quantile(self, value: Scalar) -> Option:
        return Option("quantile", value.value, span=span_now())

    def bits(self, value: Scalar) -> Option:
        return Option("bits", value.value, span=span_now())

    def compression(self, value: Scalar) -> Option:
        return Option("compression", value.value, span=span_now())

    def always_ram(self) -> Option:
        return Option("always_ram", True, span=span_now())

    def alter_collection(
        self, name: Name, *parts: nodes.Block | nodes.VectorChange | nodes.AddVector | nodes.DropVector
    ) -> nodes.AlterCollection | nodes.AddVector | nodes.DropVector:
        if isinstance(parts[0], (nodes.AddVector, nodes.DropVector)):
            return replace(parts[0], collection=name, span=span_now())
        blocks = tuple(part for part in parts if isinstance(part, nodes.Block))
        changes = tuple(part for part in parts if isinstance(part, nodes.VectorChange))
        return nodes.AlterCollection(name, _fold_kept(blocks), changes, span=span_now())

    def vector_change(self, word: Token, name: Name, *blocks: nodes.Block | None) -> nodes.VectorChange:
        kind = "sparse" if word.type == "SPARSE" else "dense"
        given = tuple(block for block in blocks if block)
        return nodes.VectorChange(name, kind, given, span=span_now())

    def add_vector(self, vector: nodes.VectorDef) -> nodes.AddVector:
        return nodes.AddVector(_NOBODY, vector, span=span_now())

    def drop_vector(self, name: Name) -> nodes.DropVector:
        return nodes.DropVector(_NOBODY, name, span=span_now())


_NOBODY = Name("")
"""The collection of an ALTER until its name is put in."""


def _vector_kind(token: Token | None) -> str | None:
    return token.type.lower().replace("multivector", "multi") if token else None


def _bare(value: object) -> object:
    return value.value if isinstance(value, Scalar) else value


def _name(text: str) -> Name:
    return Name(text, span=span_now())


_KEPT = ("id_tracker", "payload")


def _fold_kept(blocks: Sequence[nodes.Block]) -> tuple[nodes.Block, ...]:
    """``WITH ID_TRACKER (memory = cold)`` is ``WITH PARAMS (id_tracker_memory = cold)``."""
    kept = [one for one in blocks if one.kind in _KEPT]
    if not kept:
        return tuple(blocks)
    options = tuple(replace(o, name=f"{one.kind}_{o.name}") for one in kept for o in one.options)
    rest = [one for one in blocks if one.kind not in _KEPT]
    for at, one in enumerate(rest):
        if one.kind == "params":
            rest[at] = replace(one, options=one.options + options)
            return tuple(rest)
    return (*rest, nodes.Block("params", options, span=kept[0].span))


def _preset(kind: str, name: Name | Scalar | None, model: Name | Scalar | None) -> nodes.VectorDef:
    vector = cast(Name | None, name) or _name(kind)
    return nodes.VectorDef(vector, kind, model=cast(Scalar | None, model), span=span_now())


def _weakness(name: str, sign: Token, value: Scalar, signs: tuple[str, ...], hint: str) -> Clause:
    """What ELSE waits for: its sign and its value."""
    if sign.text not in signs:
        syntax_error("syntax", f"expected {' or '.join(signs)}, found `{sign.text}`", sign.span, hint)
    return Clause(name, (sign.text, value), span_now())
