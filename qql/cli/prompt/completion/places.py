"""What a name or a text at the cursor would stand for: a collection, a vector, a field, a file.

The tables say which rules of the grammar could take it; `ROLES` says what those rules take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from qql.cli.prompt.completion.legal import Frame, take
from qql.syntax.driver import plain_tables

__all__ = [
    "LIST_RULES",
    "ROLES",
    "TEXT_ROLES",
    "in_stage",
    "owner",
    "role_of_name",
    "role_of_text",
    "rules_taking",
]

_DEEPEST = 8

Roles = str | Mapping[str, str]
"""A role, or one by the terminal in front of the name (``""``: any other)."""

_FIELD_ELSE = {"INTO": "vector", "VECTOR": "vector", "": "field"}


def _each(role: str, rules: str) -> dict[str, Roles]:
    return dict.fromkeys(rules.split(), role)


ROLES: dict[str, Roles] = {
    **_each(
        "collection",
        "source use show_collection exists_collection optimize dump copy select search recommend_from upsert "
        "update drop_collection alter_collection show_indexes show_snapshots create_snapshot drop_snapshot "
        "restore_snapshot create_shard_key drop_shard_key show_shard_keys group_lookup show_aliases "
        "show_optimizations show_memory",
    ),
    "lookup": {"VECTOR": "vector", "": "collection"},
    "create_alias": {"ALIAS": "new", "EXISTS": "new", "": "collection"},
    "drop_alias": "alias",
    "rename_alias": {"TO": "new", "": "alias"},
    "create_index": {"FOR": "field", "TYPE": "index type", "": "collection"},
    "drop_index": {"FOR": "indexed field", "": "collection"},
    **dict.fromkeys(("create_collection", "cte", "define", "vector_def", "preset", "column"), "new"),
    **_each(
        "field",
        "compare between in is_null is_empty match range values_count geo facet key group order_by "
        "order_target nested on_field full_text boosted_field analyze_text geo_distance datetime_key truth "
        "atom",
    ),
    **dict.fromkeys(
        ("using", "using_part", "hybrid_part", "has_vector", "alteration", "assignment", "assigned"), "vector"
    ),
    "added_vector": {"VECTOR": "vector", "": "new"},
    "embedding_part": _FIELD_ELSE,
    "embed": _FIELD_ELSE,
    "undefine": "defined stage",
    "named_ref": "stage",
    "strategy": "strategy",
    "upsert_clause": "mode",
    **dict.fromkeys(("explain_option", "why_option"), "report format"),
    "copy_option": "file format",
    "copy_to_option": "written format",
    "quantize": "quantization",
    "mapping": "mapped",
    "_map_source": "column",
    "joined_part": "column",
    "joined": "column",
}
"""What a name is in the rules that take one."""
LIST_RULES: dict[str, tuple[str, ...]] = {
    "names": ("VECTOR", "VECTORS", "EQUAL"),
    "field_list": ("VECTOR", "VECTORS"),
}
"""Rules that list names, which the terminal in front of the list tells apart."""
TEXT_ROLES: dict[str, str] = {
    **dict.fromkeys(("copy", "copy_to", "execute", "dump", "vector_file"), "file"),
    "fusion": "fusion",
    "using": "vector",
    "using_part": "model",
}
"""What a text is in the rules that take one and no name."""


@cache
def rules_taking(state: int) -> frozenset[str]:
    """The rules that the symbol which leads to a state can be a part of, by the nearest of their ends."""
    tables = plain_tables()
    seen = {state}
    level = [state]
    for depth in range(_DEEPEST):
        found: set[str] = set()
        following: list[int] = []
        for number in level:
            for to in tables.state(number).symbols.values():
                if to < 0:
                    rule = tables.rule(to)
                    if rule.size > depth:
                        found.add(rule.origin)
                elif to not in seen:
                    seen.add(to)
                    following.append(to)
        if found:
            return frozenset(found)
        level = following
    return frozenset()


def _spot(way: Frame, terminal: str, symbol: str) -> tuple[Frame, int] | None:
    """Where a terminal stands that a symbol is made of: what is below it, and the state behind the symbol."""
    after = take(way, terminal, "", way.end, way.end)
    below = after.below if after is not None else None
    to = below.state.symbols.get(symbol, -1) if below is not None else -1
    return (below, to) if below is not None and to >= 0 else None


def role_of_name(way: Frame) -> tuple[str, Frame] | None:
    """What a name is here, and what stands in front of it; None where none can stand."""
    spot = _spot(way, "NAME", "name") or _spot(way, "STRING", "name")
    if spot is None:
        return None
    below, to = spot
    role = _role(rules_taking(to), below)
    return None if role is None else (role, below)


def _role(rules: Iterable[str], below: Frame) -> str | None:
    for rule in sorted(rules):
        base = rule
        if rule.startswith("__"):
            base = rule.removeprefix("__").rpartition("_")[0].rpartition("_")[0]
        if base in LIST_RULES:
            return _listed(LIST_RULES[base], below)
        known = ROLES.get(base)
        if known is not None:
            return known if isinstance(known, str) else known.get(below.symbol, known.get("", ""))
    return None


def _listed(vectors: tuple[str, ...], below: Frame) -> str:
    """What is listed in parentheses: names of vectors, or of fields, as the word in front of them says."""
    for frame in below.down():
        if frame.symbol == "LPAR" or frame.symbol == "COMMA" or frame.symbol.startswith("__"):
            continue
        if frame.symbol in ("name", "INCLUDE", "EXCLUDE"):
            continue
        if frame.symbol == "EQUAL":
            return "column"
        return "vector" if frame.symbol in vectors else "field"
    return "field"


def role_of_text(way: Frame) -> tuple[str, Frame] | None:
    """What a text in quotes is here that is no name: a file, a model, a value."""
    words = _spot(way, "STRING", "words")
    if words is not None:
        below, _ = words
        if below.symbol == "MODEL":
            reranks = any(frame.symbol == "RERANK" and _behind(frame) != "QUERY" for frame in _clause(below))
            return ("reranker" if reranks else "model"), below
    for symbol in ("string", "STRING"):
        spot = _spot(way, "STRING", symbol)
        if spot is None:
            continue
        below, to = spot
        for rule in sorted(rules_taking(to)):
            if rule in TEXT_ROLES:
                return TEXT_ROLES[rule], below
        if symbol == "string" and owner(below) is not None:
            return "value", below
    return None


def _behind(frame: Frame) -> str:
    return frame.below.symbol if frame.below is not None else ""


def in_stage(head: Frame) -> bool:
    """Whether a query is a stage of another one: it stands in parentheses that are not those of COPY."""
    return any(frame.symbol == "LPAR" and _behind(frame) != "COPY" for frame in head.down())


def _clause(below: Frame) -> Iterable[Frame]:
    """The frames down to the beginning of a clause."""
    for frame in below.down():
        if frame.symbol in ("_head", "LPAR", "COMMA") or frame.symbol.startswith("__query"):
            return
        yield frame


_BEHIND_FIELD = frozenset(
    {"EQUAL", "COMPARISON", "IN", "NOT", "LPAR", "LSQB", "COMMA", "MATCH", "ANY", "EXCEPT", "scalar", "value"}
    | {"operand", "items", "number", "string"}
)


def owner(below: Frame) -> Frame | None:
    """The name of the field that a value here is compared with; None where it is no such value."""
    compared = False
    for frame in below.down():
        if frame.symbol == "name":
            return frame if compared else None
        if frame.symbol not in _BEHIND_FIELD and not frame.symbol.startswith("__"):
            return None
        compared |= frame.symbol in ("EQUAL", "IN", "EXCEPT", "ANY", "COMMA", "COMPARISON")
    return None
