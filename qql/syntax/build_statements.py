"""Rules → nodes: every statement but queries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qql import nodes
from qql.syntax.build_queries import parts_of, sides_of
from qql.syntax.clauses import Clause, check_depth, span_now, waited, with_clauses
from qql.syntax.lexer import Token, syntax_error

__all__ = ["Statements"]

BM25 = "qdrant/bm25"


class _Assignment:
    """What stands behind SET in UPDATE. ``value`` None: it stands at the end of the statement."""

    def __init__(self, payload: bool, name: Any, value: Any) -> None:
        self.payload = payload
        self.name = name
        self.value = value
        self.rows: Any = None


class Statements:
    """Methods named as the rules of statements are; `qql.builder.Builder` inherits them."""

    # -- reading

    def count(self, c: list[Any]) -> Any:
        return with_clauses(nodes.Count, "COUNT", c)

    def scroll(self, c: list[Any]) -> Any:
        return with_clauses(nodes.Scroll, "SCROLL", c)

    def facet(self, c: list[Any]) -> Any:
        clauses = [item for item in c if isinstance(item, Clause)]
        names = [item for item in c if isinstance(item, nodes.Name)]
        return with_clauses(nodes.Facet, "FACET", clauses, {"key": names[0]} if names else {})

    def key(self, c: list[Any]) -> Any:
        return Clause("key", c[0], span_now())

    # -- writing

    def delete(self, c: list[Any]) -> Any:
        return with_clauses(nodes.Delete, "DELETE", c)

    def delete_payload(self, c: list[Any]) -> Any:
        return with_clauses(nodes.DeletePayload, "DELETE PAYLOAD", c[1:], {"names": c[0]})

    def delete_vector(self, c: list[Any]) -> Any:
        return with_clauses(nodes.DeleteVector, "DELETE VECTOR", c[1:], {"names": c[0]})

    def clear_payload(self, c: list[Any]) -> Any:
        return with_clauses(nodes.ClearPayload, "CLEAR PAYLOAD", c)

    def field_list(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def upsert(self, c: list[Any]) -> Any:
        word, collection, rows, *clauses = c
        embeds = [clause for clause in clauses if clause.name == "embeds"]
        if len(embeds) > 1:  # USING and EMBED both say what is embedded
            both = tuple(item for clause in embeds for item in clause.value)
            clauses = [clause for clause in clauses if clause.name != "embeds"]
            clauses.append(replace(embeds[0], value=both))
        fixed = {"collection": collection, "rows": rows, "insert": word.type == "INSERT"}
        return with_clauses(nodes.Upsert, word.type, clauses, fixed)

    def upsert_clause(self, c: list[Any]) -> Any:
        return c[0]

    def embeds(self, c: list[Any]) -> Any:
        found: list[Any] = []
        for item in c:
            found += item if isinstance(item, list) else [item]
        return Clause("embeds", tuple(found), span_now())

    def embedding(self, c: list[Any]) -> Any:
        return nodes.Embedding(_kind(c[0]), **parts_of(c[1:]), span=span_now())

    def hybrid_embedding(self, c: list[Any]) -> Any:
        sides: dict[str, Any] = {"dense": {}, "sparse": {}}
        for side, given, _ in c:
            sides[side] = {**sides[side], **given}
        return [nodes.Embedding(side, **given, span=span_now()) for side, given in sides.items()]

    def hybrid_side(self, c: list[Any]) -> Any:
        return c[0].type.lower(), parts_of(c[1:]), span_now()

    def embed(self, c: list[Any]) -> Any:
        name, vector, kind, model = (*c, None, None)[:4]
        return nodes.Embedding(_kind(kind), model, vector, name, span=span_now())

    def mode(self, c: list[Any]) -> Any:
        return Clause("mode", c[0], span_now())

    def update_filter(self, c: list[Any]) -> Any:
        check_depth(c[0], "filters")
        return Clause("update_filter", c[0], span_now())

    def rows(self, c: list[Any]) -> Any:
        if isinstance(c[0], list):
            return tuple(c[0])
        rows = tuple(_unwrapped(row) for row in c if row is not None)
        return rows[0] if len(rows) == 1 and isinstance(rows[0], nodes.Param) else rows

    def set_payload(self, c: list[Any]) -> Any:
        return _Assignment(True, None, _unwrapped(c[0]) if c else None)

    def set_vector(self, c: list[Any]) -> Any:
        return _Assignment(False, c[0], c[1] if len(c) > 1 else None)

    def set_vectors(self, c: list[Any]) -> Any:
        assignment = _Assignment(False, None, None)
        assignment.rows = c[0]
        return assignment

    def update(self, c: list[Any]) -> Any:
        collection, assignment, *clauses = c
        value = assignment.value
        if clauses and not isinstance(clauses[-1], Clause):
            *clauses, value = clauses
            if assignment.payload and not isinstance(value, dict):
                hint = "write SET PAYLOAD = {field: value}"
                syntax_error("bad-payload", "SET PAYLOAD takes an object", span_now(), hint)
        if assignment.payload:
            fixed = {"collection": collection, "value": value}
            return with_clauses(nodes.UpdatePayload, "UPDATE … SET PAYLOAD", clauses, fixed)
        if assignment.rows is not None:
            fixed = {"collection": collection, "rows": assignment.rows}
            return with_clauses(nodes.UpdateVectors, "UPDATE … SET VECTOR VALUES", clauses, fixed)
        fixed = {"collection": collection, "value": value, "name": assignment.name}
        return with_clauses(nodes.UpdateVector, "UPDATE … SET VECTOR", clauses, fixed)

    def batch(self, c: list[Any]) -> Any:
        statements = tuple(one for one in c if not isinstance(one, Clause))
        clauses = [one for one in c if isinstance(one, Clause)]
        return with_clauses(nodes.Batch, "BATCH", clauses, {"statements": statements})

    def explain(self, c: list[Any]) -> Any:
        *options, statement = c
        return with_clauses(nodes.Explain, "EXPLAIN", options, {"statement": statement})

    def why(self, c: list[Any]) -> Any:
        negated, point, *options, statement = c
        fixed = {"id": point, "statement": statement, "negated": negated is not None}
        return with_clauses(nodes.Why, "WHY", options, fixed)

    def analyze(self, _: list[Any]) -> Any:
        return Clause("analyze", True, span_now())

    def runs(self, c: list[Any]) -> Any:
        return Clause("runs", c[0], span_now())

    def ablate(self, _: list[Any]) -> Any:
        return Clause("ablate", True, span_now())

    # -- COPY

    def copy(self, c: list[Any]) -> Any:
        return with_clauses(nodes.Copy, "COPY", c[2:], {"collection": c[0], "path": c[1]})

    def copy_format(self, c: list[Any]) -> Any:
        return Clause("format", c[0], span_now())

    def copy_map(self, c: list[Any]) -> Any:
        return Clause("map", c[0], span_now())

    def copy_batch(self, c: list[Any]) -> Any:
        return Clause("batch", c[0], span_now())

    def copy_on_error(self, c: list[Any]) -> Any:
        return Clause("on_error", c[0].type.lower(), span_now())

    def map(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def uuid_mapping(self, c: list[Any]) -> Any:
        return nodes.Mapping(c[0], c[1], True, span=span_now())

    def list_mapping(self, c: list[Any]) -> Any:
        return nodes.Mapping(c[0], c[1], span=span_now())

    # -- collections

    def create_collection(self, c: list[Any]) -> Any:
        vectors: list[Any] = []
        blocks: list[Any] = []
        for part in c[2:]:
            if isinstance(part, nodes.Block):
                blocks.append(part)
            else:
                vectors += part
        return nodes.CreateCollection(c[1], c[0] is not None, tuple(vectors), tuple(blocks), span=span_now())

    def hybrid_preset(self, c: list[Any]) -> Any:
        sides = sides_of(c)
        dense = _preset("dense", sides.get("dense"), sides.get("dense_model"))
        model = sides.get("sparse_model") or nodes.Scalar(BM25, span=span_now())
        return [dense, _preset("sparse", sides.get("sparse"), model)]

    def rerank_preset(self, c: list[Any]) -> Any:
        multivector = nodes.Block("multivector", (), span=span_now())
        colbert = replace(_preset("dense", _named("colbert"), None), blocks=(multivector,))
        return [*self.hybrid_preset([]), colbert]

    def dense_preset(self, c: list[Any]) -> Any:
        parts = parts_of(c[1:])
        return [_preset("dense", parts.get("vector"), parts.get("model"))]

    def named_preset(self, c: list[Any]) -> Any:
        return [_preset("dense", c[0], None)]

    def drop_collection(self, c: list[Any]) -> Any:
        return nodes.DropCollection(c[1], c[0] is not None, span=span_now())

    def if_exists(self, _: list[Any]) -> bool:
        return True

    if_not_exists = if_exists

    def vector_defs(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(definition for definition in c if definition is not None)

    def vector_def(self, c: list[Any]) -> Any:
        size, distance = c[1] or (None, None)
        return nodes.VectorDef(c[0], "dense", size, distance, c[2], tuple(c[3:]), span=span_now())

    def sparse_def(self, c: list[Any]) -> Any:
        return nodes.VectorDef(c[0], "sparse", None, None, c[1], tuple(c[2:]), span=span_now())

    def shape(self, c: list[Any]) -> Any:
        return c[0], c[1]

    def distance_only(self, c: list[Any]) -> Any:
        return None, c[0]

    def distance(self, c: list[Any]) -> str:
        return str(c[0].type.capitalize())

    def block(self, c: list[Any]) -> Any:
        kind = c[0].type.lower()
        return nodes.Block("vector" if kind == "vectors" else kind, c[1], span=span_now())

    sub_block = block

    def quantize(self, c: list[Any]) -> Any:
        kind = nodes.Option("type", str(c[0].text).lower(), span=c[0].span)
        if kind.value == "disabled":
            if len(c) > 1:
                syntax_error("idle-option", "QUANTIZE DISABLED takes no options", c[1].span)
            kind = nodes.Option("disabled", True, span=c[0].span)
        return nodes.Block("quantization", (kind, *c[1:]), span=span_now())

    def quantile(self, c: list[Any]) -> Any:
        return nodes.Option("quantile", c[0].value, span=span_now())

    def bits(self, c: list[Any]) -> Any:
        return nodes.Option("bits", c[0].value, span=span_now())

    def compression(self, c: list[Any]) -> Any:
        return nodes.Option("compression", c[0].value, span=span_now())

    def always_ram(self, _: list[Any]) -> Any:
        return nodes.Option("always_ram", True, span=span_now())

    def alter_collection(self, c: list[Any]) -> Any:
        name, *parts = c
        if isinstance(parts[0], (nodes.AddVector, nodes.DropVector)):
            return replace(parts[0], collection=name, span=span_now())
        blocks = tuple(part for part in parts if isinstance(part, nodes.Block))
        changes = tuple(part for part in parts if not isinstance(part, nodes.Block))
        return nodes.AlterCollection(name, blocks, changes, span=span_now())

    def vector_change(self, c: list[Any]) -> Any:
        kind = "sparse" if c[0].type == "SPARSE" else "dense"
        return nodes.VectorChange(c[1], kind, tuple(b for b in c[2:] if b), span=span_now())

    def add_vector(self, c: list[Any]) -> Any:
        return nodes.AddVector(_NOBODY, c[0], span=span_now())

    def drop_vector(self, c: list[Any]) -> Any:
        return nodes.DropVector(_NOBODY, c[0], span=span_now())

    def create_index(self, c: list[Any]) -> Any:
        there, collection, name, kind, options, wait = c
        return nodes.CreateIndex(
            collection, name, kind, options or (), waited(wait), there is not None, span=span_now()
        )

    def drop_index(self, c: list[Any]) -> Any:
        return nodes.DropIndex(c[1], c[2], waited(c[3]), c[0] is not None, span=span_now())

    # -- aliases, snapshots, shards

    def create_alias(self, c: list[Any]) -> Any:
        return nodes.CreateAlias(c[2], c[3], c[0] is not None, c[1] is not None, span=span_now())

    def drop_alias(self, c: list[Any]) -> Any:
        return nodes.DropAlias(c[1], c[0] is not None, span=span_now())

    def drop_snapshot(self, c: list[Any]) -> Any:
        return nodes.DropSnapshot(c[1], c[2], c[0] is not None, span=span_now())

    def restore_snapshot(self, c: list[Any]) -> Any:
        return nodes.RestoreSnapshot(c[0], c[1], c[2] or (), span=span_now())

    def create_shard_key(self, c: list[Any]) -> Any:
        return nodes.CreateShardKey(c[0], c[1], c[2] or (), span=span_now())

    def set_quota(self, c: list[Any]) -> Any:
        return nodes.SetQuota(c[0], waited(c[1]), span=span_now())


_NOBODY = nodes.Name("")


def _kind(token: Token | None) -> str | None:
    return token.type.lower().replace("multivector", "multi") if token else None


def _unwrapped(value: Any) -> Any:
    return value.value if isinstance(value, nodes.Scalar) else value


def _named(text: str) -> nodes.Name:
    return nodes.Name(text, span=span_now())


def _preset(kind: str, name: nodes.Name | None, model: nodes.Scalar | None) -> nodes.VectorDef:
    return nodes.VectorDef(name or _named(kind), kind, model=model, span=span_now())
