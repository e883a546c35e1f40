"""Statements as text: most by what they declare, the others each in its own way."""

from __future__ import annotations

import re

from qql import nodes
from qql.errors import Span
from qql.nodes import Name, Node, Param
from qql.nodes.declare import StatementInfo
from qql.syntax.doc import LINE, Anchor, Doc, Later, cat, group, join, nest
from qql.syntax.printer.queries import clauses, listing, stage_doc
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

__all__ = ["statement_doc"]


def _with_clauses(head: Doc, node: Node, *names: str) -> Doc:
    """A head and the clauses of a node, each on a line of its own where they do not fit on one."""
    given = clauses(node, *(names or nodes.STATEMENTS[type(node)].clauses))
    if getattr(node, "source", None) is not None:  # FROM stays beside the head
        head, given = cat(head, " ", given[0]), given[1:]
    return group(join([head, *given], LINE))


# ------------------------------------------------------------------------------------ by declaration

_FLAGS = {"if_exists": "IF EXISTS", "if_not_exists": "IF NOT EXISTS", "replace": "OR REPLACE"}
"""Fields that are true or false, and the words that say so."""


@prints(*(kind for kind in nodes.STATEMENTS if kind not in (nodes.Query, nodes.Fallback)))
def statement_doc(node: Node) -> Doc:
    """A statement as the text of its declaration has it, with its clauses behind."""
    return _with_clauses(_head(node, nodes.STATEMENTS[type(node)]), node)


def _head(node: Node, info: StatementInfo) -> Doc:
    """The text of the declaration; words in front of a field that is missing are left out with it."""
    parts: list[Doc] = []
    for words, field in re.findall(r"([^{}]*)(?:\{(\w+)\})?", info.text):
        value = getattr(node, field) if field else None
        if not field:
            parts += [words.strip()] if words.strip() else []
        elif field in _FLAGS:
            parts += [one for one in (words.strip(), _FLAGS[field] if value else "") if one]
        elif value is not None and not (value == () and parts):
            parts.append(cat(words.lstrip(), _field(value)))
        elif not parts:
            parts.append(_first_words(words))
    return join(parts, " ")


def _first_words(words: str) -> str:
    """The words of a statement whose only field is missing: ``SHOW ALIASES`` of ``SHOW ALIASES ON``."""
    return words.strip().removesuffix(" ON")


def _field(value: object) -> Doc:
    match value:
        case Name():
            return name_text(value)
        case tuple() if value and all(isinstance(one, Name) for one in value):
            return join([document(one) for one in value], ", ")
        case tuple():
            return options_doc(value)
        case nodes.Query():
            return stage_doc(value)
    return document(value)


# ------------------------------------------------------------------------------------ points


def _rows(rows: tuple[object, ...] | Param) -> Doc:
    if isinstance(rows, Param):
        return cat("VALUES ", value_doc(rows))
    docs = [Anchor(_UNKNOWN, value_doc(row), of=row) for row in rows]
    plain = all(isinstance(row, (dict, Param)) for row in rows)
    if not plain or not rows or (len(rows) == 1 and isinstance(rows[0], Param)):
        return cat("VALUES ", bracketed("[", docs, "]"))  # one parameter alone would be all rows
    return cat("VALUES ", docs[0]) if len(docs) == 1 else group(listing("VALUES", docs))


_UNKNOWN = Span(0, 0)


@prints(nodes.Upsert)
def _upsert(node: nodes.Upsert) -> Doc:
    word = "INSERT" if node.insert else "UPSERT"
    return _with_clauses(cat(f"{word} INTO {name_text(node.collection)} ", _rows(node.rows)), node)


@prints(nodes.Embedding)
def _embedding(node: nodes.Embedding) -> Doc:
    parts: list[Doc] = [node.kind.upper()] if node.kind else []
    rest = [*worded("MODEL", node.model), *worded("VECTOR", node.vector), *worded("ON", node.name)]
    return anchored(node, join(parts + rest, " "))


@prints(nodes.UpdateVector)
def _update_vector(node: nodes.UpdateVector) -> Doc:
    name = f" {name_text(node.name)}" if node.name is not None else ""
    head = cat(f"UPDATE {name_text(node.collection)} SET VECTOR{name} = ", value_doc(node.value))
    return _with_clauses(head, node)


@prints(nodes.UpdateVectors)
def _update_vectors(node: nodes.UpdateVectors) -> Doc:
    return _with_clauses(cat(f"UPDATE {name_text(node.collection)} SET VECTOR ", _rows(node.rows)), node)


_ENDED_BY_A_NAME = ("BOOST", "EXACT", "FORMULA", "LOOKUP", "OVERWRITE", "RERANK", "STRATEGY")
"""Clauses for which the clause behind a name of the same spelling could be taken."""


@prints(nodes.Facet)
def _facet(node: nodes.Facet) -> Doc:
    head: Doc = "FACET"
    if node.key is not None:
        head = anchored(node.key, f"FACET {quoted_among(node.key, *_ENDED_BY_A_NAME)}")
    return _with_clauses(head, node)


@prints(nodes.Batch)
def _batch(node: nodes.Batch) -> Doc:
    inside = [anchored(one, Later(document, one), ";") for one in node.statements]
    return _with_clauses(cat("BATCH {", nest(LINE, join(inside, LINE)), LINE, "}"), node)


@prints(nodes.Mapping)
def _mapping(node: nodes.Mapping) -> Doc:
    if isinstance(node.source, tuple):
        return anchored(node, f"{name_text(node.target)} = ", name_list(node.source))
    source = document(node.source)
    word = "UUID" if node.uuid else "INT" if node.integer else ""
    return anchored(node, f"{name_text(node.target)} = ", cat(word, "(", source, ")") if word else source)


@prints(nodes.VectorFile)
def _vector_file(node: nodes.VectorFile) -> Doc:
    return cat("NPY(", value_doc(node.path), ")")


@prints(nodes.Joined)
def _joined(node: nodes.Joined) -> Doc:
    return join([_joined_part(part) for part in node.parts], " || ")


def _joined_part(part: Name | nodes.Scalar) -> Doc:
    """A column's name that needs quotes has backticks here: other quotes would make a text of it."""
    written = document(part)
    if isinstance(part, Name) and isinstance(part.text, str) and written != part.text:
        return f"`{part.text}`"
    return written


@prints(nodes.Column)
def _column(node: nodes.Column) -> Doc:
    return anchored(node, join([name_text(node.name), *([name_text(node.type)] if node.type else [])], " "))


# ------------------------------------------------------------------------------------ collections


@prints(nodes.Block)
def _block(node: nodes.Block) -> Doc:
    return anchored(node, f"WITH {node.kind.upper()} ", options_doc(node.options))


@prints(nodes.VectorDef)
def _vector_def(node: nodes.VectorDef, *, named: bool = True) -> Doc:
    if node.kind == "sparse":
        head: Doc = f"{name_text(node.name)} SPARSE"
    else:
        shape = [value_doc(node.size)] if node.size is not None else []
        shape += [node.distance.upper()] if node.distance else []
        name = f"{name_text(node.name)} " if named else ""
        head = cat(f"{name}VECTOR", cat("(", join(shape, ", "), ")") if shape else "")
    parts = [head, *worded("MODEL", node.model), *(_block(block) for block in node.blocks)]
    return anchored(node, spread(parts))


def _needs_no_name(node: nodes.VectorDef) -> bool:
    """Whether it is the unnamed vector, of which nothing is said that would be taken for the collection's."""
    shaped = node.size is not None or node.distance is not None
    return node.name.text == "" and node.kind == "dense" and shaped and not node.blocks


@prints(nodes.CreateCollection)
def _create_collection(node: nodes.CreateCollection) -> Doc:
    there = "IF NOT EXISTS " if node.if_not_exists else ""
    head: Doc = f"CREATE COLLECTION {there}{name_text(node.name)}"
    if len(node.vectors) == 1 and _needs_no_name(node.vectors[0]):
        head = cat(head, " ", _vector_def(node.vectors[0], named=False))
    elif node.vectors:
        several = len(node.vectors) > 1
        vectors = bracketed("(", map(_vector_def, node.vectors), ")", lines=several)
        head = cat(head, " ", vectors)
    return group(join([head, *(_block(block) for block in node.blocks)], LINE))


@prints(nodes.AlterCollection)
def _alter_collection(node: nodes.AlterCollection) -> Doc:
    parts = [_block(block) for block in node.blocks]
    for change in node.changes:
        word = "SPARSE" if change.kind == "sparse" else "VECTOR"
        inside = [anchored(b, f"{b.kind.upper()} ", options_doc(b.options)) for b in change.blocks]
        parts.append(anchored(change, f"WITH {word} {name_text(change.name)} ", bracketed("(", inside, ")")))
    return group(join([f"ALTER COLLECTION {name_text(node.name)}", *parts], LINE))


@prints(nodes.RestoreSnapshot)
def _restore_snapshot(node: nodes.RestoreSnapshot) -> Doc:
    head = cat("RESTORE SNAPSHOT ", value_doc(node.snapshot), f" ON {name_text(node.collection)}")
    return join([head, *clauses(node, "options")], " ")


# ------------------------------------------------------------------------------------ about statements


@prints(nodes.Explain)
def _explain(node: nodes.Explain) -> Doc:
    head = join(["EXPLAIN", *clauses(node, *nodes.STATEMENTS[nodes.Explain].clauses)], " ")
    return cat(head, " ", Later(document, node.statement))


@prints(nodes.CopyTo)
def _copy_to(node: nodes.CopyTo) -> Doc:
    inside = parenthesized(Later(document, node.statement))
    return _with_clauses(cat("COPY ", inside, " TO ", value_doc(node.path)), node)


@prints(nodes.Why)
def _why(node: nodes.Why) -> Doc:
    point = [] if node.id is None else [value_doc(node.id)]
    head = join([*point, *clauses(node, *nodes.STATEMENTS[nodes.Why].clauses)], " ")
    return cat("WHY NOT " if node.negated else "WHY ", head, " ", Later(document, node.statement))
