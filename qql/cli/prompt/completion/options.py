"""Options of the block that the cursor is in, by their declarations: keys, and the words that they take."""

from __future__ import annotations

from collections.abc import Mapping

from qql.cli.prompt.completion.legal import Frame, take
from qql.cli.prompt.completion.places import in_stage
from qql.compiler.options import collection, index, query
from qql.compiler.options.checks import anything, flag, keys_of, number, one_of, words_of
from qql.compiler.options.table import Check, Setting
from qql.errors import QQLPlanError

__all__ = [
    "block_kinds",
    "given_keys",
    "opener_of",
    "option_keys",
    "option_name",
    "option_words",
    "takes_value",
]

Table = Mapping[str, Check]

_RANGE: Table = dict.fromkeys(("gt", "gte", "lt", "lte"), number(0))
_SHAPES: Mapping[str, Table] = {
    "GEO_RADIUS": {"center": anything, "radius": number(0)},
    "GEO_BBOX": {"top_left": anything, "bottom_right": anything},
    "GEO_POLYGON": {"exterior": anything, "interiors": anything},
}
_QUANTIZATION: Table = {
    "type": one_of(*collection.QUANTIZATION),
    **{name: one for table in collection.QUANTIZATION.values() for name, one in table.items()},
}
_BLOCKS: Mapping[str, Table] = {
    "hnsw": collection.HNSW,
    "vector": collection.VECTOR,
    "vectors": collection.VECTOR,
    "quantization": _QUANTIZATION,
    "multivector": {"comparator": one_of("max_sim")},
    "sparse": collection.SPARSE,
    "index": collection.SPARSE,
    "optimizers": collection.OPTIMIZERS,
    "params": collection.PARAMS,
    "wal": collection.WAL,
    "strict_mode": collection.STRICT_MODE,
}
_CHANGED: Mapping[str, Table] = {
    **_BLOCKS,
    "quantization": {"disabled": flag, **_QUANTIZATION},
    "params": collection.LATER_PARAMS,
}
_CLAUSES: Mapping[str, Table] = {
    "COUNT": {**query.COUNT_OPTIONS, **query.REQUEST_OPTIONS},
    "FACET": {**query.FACET_OPTIONS, **query.REQUEST_OPTIONS},
    "MATRIX": {**query.MATRIX_OPTIONS, **query.REQUEST_OPTIONS},
    "SCROLL": query.REQUEST_OPTIONS,
    "RESTORE": query.SNAPSHOT_OPTIONS,
    "OPTIMIZE": query.OPTIMIZE_OPTIONS,
    "SHARD": query.SHARD_KEY_OPTIONS,
    "BATCH": query.REQUEST_OPTIONS,
    "_head": query.QUERY_OPTIONS,
    "SELECT": query.QUERY_OPTIONS,
    "SEARCH": query.QUERY_OPTIONS,
}
"""The options behind WITH or PARAMS, by the statement."""
_WITHOUT_TABLE = frozenset(
    {"COMMA", "option", "entry", "pair", "option_name", "EQUAL", "COLON", "NAME", "STRING"}
)


def opener_of(frame: Frame) -> Frame | None:
    """The bracket whose keys stand at a frame."""
    for one in frame.down():
        if one.symbol in ("LPAR", "LBRACE"):
            return one
        if one.symbol not in _WITHOUT_TABLE and not one.symbol.startswith("__"):
            return None
    return None


def given_keys(frame: Frame) -> set[str]:
    """The keys that stand in the block already."""
    found: set[str] = set()
    for one in frame.down():
        if one.symbol in ("LPAR", "LBRACE"):
            break
        found |= {*one.given}
    return found


def option_keys(way: Frame, text: str) -> tuple[Table, Frame] | None:
    """The options whose keys may stand here, and what stands in front; None where no option can stand."""
    after = take(way, "NAME", text, way.end, way.end)
    below = after.below if after is not None else None
    if below is None or not {"option_name", "pair"} & below.state.symbols.keys():
        return None
    opener = opener_of(below)
    table = _table(opener, text) if opener is not None else None
    return None if table is None else (table, below)


def option_words(way: Frame, text: str) -> tuple[str, ...]:
    """The words that the option takes whose value stands here; () where it takes none."""
    check = _check_at(way, text)
    return () if check is None else words_of(check)


def takes_value(way: Frame, text: str, value: object) -> bool:
    """Whether the option whose value stands here takes a value; True where the option is not known."""
    check = _check_at(way, text)
    if check is None:
        return True
    try:
        check(value)
    except (ValueError, QQLPlanError):
        return False
    return True


def option_name(way: Frame, text: str) -> str:
    """The name of the option whose value stands here, in small letters; "" where it is none."""
    key = way.below if way.symbol in ("EQUAL", "COLON") else None
    return "" if key is None else text[key.start : key.end].strip("'\"`").lower()


def _check_at(way: Frame, text: str) -> Check | None:
    if way.symbol not in ("EQUAL", "COLON") or way.below is None:
        return None
    opener = opener_of(way.below)
    table = _table(opener, text) if opener is not None else None
    found = table.get(option_name(way, text)) if table is not None else None
    return found.check if isinstance(found, Setting) else found


def _table(opener: Frame, text: str) -> Table | None:
    """The options of a block, by what stands in front of its bracket."""
    head = opener.below
    if head is None:
        return None
    if head.symbol in ("EQUAL", "COLON"):
        check = _check_at(head, text)
        return keys_of(check) or None if check is not None else None
    if head.symbol in _SHAPES:
        return _SHAPES[head.symbol]
    if head.symbol in ("RANGE", "VALUES_COUNT"):
        return _RANGE
    symbols = [frame.symbol for frame in head.down()]
    if head.symbol in ("block_name", "HNSW", "ID_TRACKER", "PAYLOAD"):
        return _block(text[head.start : head.end].lower(), symbols)
    if head.symbol in ("QUOTA", "QUOTAS"):
        return query.QUOTA_OPTIONS
    if head.symbol in ("WITH", "PARAMS"):
        return _of_statement(head, symbols, text)
    if head.symbol == "name":
        return {"STRATEGY": query.FEEDBACK_OPTIONS, "ON": query.BM25_OPTIONS}.get(symbols[1])
    return None


def _block(kind: str, symbols: list[str]) -> Table | None:
    if "ALTER" in symbols:
        return _CHANGED.get(kind)
    if "COLLECTION" not in symbols:
        return dict.fromkeys(("include", "exclude"), anything) if kind == "payload" else None
    return collection.PARAMS if kind in ("payload", "id_tracker") else _BLOCKS.get(kind)


def _of_statement(head: Frame, symbols: list[str], text: str) -> Table | None:
    if "INDEX" in symbols:
        under = head.below
        typed = under is not None and symbols[1:3] == ["name", "TYPE"]
        kind = text[under.start : under.end].lower() if typed and under is not None else "keyword"
        return index.INDEX_TYPES.get(kind)
    for symbol in symbols[1:]:
        if symbol == "RECOMMEND" and "QUERY" in symbols:
            return None
        if symbol == "_head" and in_stage(head):
            return {
                name: one for name, one in query.QUERY_OPTIONS.items() if name not in query.REQUEST_OPTIONS
            }
        if symbol in _CLAUSES:
            return _CLAUSES[symbol]
    return None


def block_kinds(under: Frame, text: str) -> frozenset[str] | None:
    """The blocks that may stand behind WITH in CREATE and ALTER COLLECTION; None where it begins no block."""
    symbols = [frame.symbol for frame in under.down()]
    if "COLLECTION" not in symbols or "block" not in under.state.symbols:
        return None
    given = {one.upper() for frame in _up_to_bracket(under) for one in frame.given}
    kinds: Mapping[str, object]
    more: tuple[str, ...] = ()
    if "vector_def" in symbols[:2] or "LPAR" in symbols or "ADD" in symbols:
        sparse = next((one for one in symbols if one in ("SPARSE", "VECTOR")), "VECTOR") == "SPARSE"
        kinds = collection.VECTOR_BLOCKS["sparse" if sparse else "dense"]
        if "ADD" in symbols:
            kinds = {kind: one for kind, one in kinds.items() if kind not in ("hnsw", "quantization")}
    elif "ALTER" in symbols:
        kinds, more = collection.ALTER_BLOCKS, ("SPARSE", "VECTORS", "ID_TRACKER", "PAYLOAD")
        kinds = {kind: one for kind, one in kinds.items() if kind != "wal"}
        given -= {"VECTOR"}  # WITH VECTOR name (…) may stand for each vector
    else:
        kinds, more = collection.COLLECTION_BLOCKS, ("VECTORS", "ID_TRACKER", "PAYLOAD")
    return frozenset({*(kind.upper() for kind in kinds), *more}) - given


def _up_to_bracket(under: Frame) -> list[Frame]:
    found = []
    for frame in under.down():
        if frame.symbol in ("LPAR", "VECTOR", "SPARSE"):
            break
        found.append(frame)
    return found
