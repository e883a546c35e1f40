"""COPY: what can be checked of it without its file."""

from __future__ import annotations

from collections.abc import Mapping

from qql import nodes
from qql.compiler.scalars import count_limit, scalar_value, shard_key, text_of
from qql.errors import QQLError, QQLPlanError, did_you_mean, fail, shown
from qql.records import dataclass, field

__all__ = [
    "COLUMN_TYPES",
    "COPY_FORMATS",
    "DELIMITED",
    "Beside",
    "CopyFields",
    "Digits",
    "Joined",
    "Source",
    "check_copy",
    "columns_of",
    "copy_columns",
    "copy_fields",
    "copy_format",
    "only_delimited",
]

COPY_FORMATS = ("jsonl", "json", "csv", "tsv", "parquet", "npy")
DELIMITED = ("csv", "tsv")
"""The formats that have cells, which COLUMNS, DELIMITER and HEADER are about."""
COLUMN_TYPES = {
    **dict.fromkeys(("TEXT", "STRING"), "string"),
    **dict.fromkeys(("INTEGER", "INT"), "integer"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "float"),
    **dict.fromkeys(("BOOL", "BOOLEAN"), "bool"),
    "JSON": "json",
}
"""A type of COLUMNS as it is written → as the readers of files call it."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Columns with texts around them: ``texts[0] columns[0] texts[1] … columns[-1] texts[-1]``."""

    columns: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Digits:
    """``INT(column)``: the integer that a text of digits is."""

    of: str | Joined


@dataclass(frozen=True, slots=True)
class Beside:
    """``NPY('file')``: vectors in a file of their own, which come as the column with this name."""

    column: str
    path: str


Source = str | tuple[str, ...] | Joined | Digits | Beside
"""What a part of a point is made of: a column, several, or what is made of columns."""


@dataclass(frozen=True, slots=True)
class CopyFields:
    """What MAP says: target → source, whether ids are UUIDs made of it, and where it says so."""

    fields: Mapping[str, Source]
    id_uuid: bool
    places: Mapping[str, nodes.Mapping] = field(default_factory=dict)


def columns_of(source: object) -> tuple[str, ...]:
    """The names of the columns that a source reads."""
    match source:
        case str():
            return (source,)
        case Joined():
            return source.columns
        case Digits():
            return columns_of(source.of)
        case Beside():
            return ()
        case list() | tuple():
            return tuple(source)
    raise TypeError(f"no source: {source!r}")


def check_copy(statement: nodes.Copy) -> None:
    """Checks what can be checked of COPY without its file. Raises `QQLPlanError`."""
    count_limit(statement.batch, "BATCH", 1)
    text_of(statement.path, "the path of COPY")
    _check_shards(statement)
    copy_columns(statement)
    _check_delimiter(statement.delimiter)
    if statement.header is not None and not isinstance(scalar_value(statement.header), bool):
        message = f"HEADER takes true or false, not {shown(scalar_value(statement.header))}"
        fail("bad-header", message, statement.header.span)
    format = copy_format(statement)
    if statement.format and format not in COPY_FORMATS:
        name = str(statement.format.text)
        hint = did_you_mean(name, COPY_FORMATS) or f"the formats are {', '.join(COPY_FORMATS)}"
        fail("file-format", f"there is no file format `{name}`", statement.format.span, hint)
    if format is not None:
        only_delimited(statement, format)


def _check_shards(statement: nodes.Copy) -> None:
    """Raises `QQLPlanError` where the shard keys are said twice: for all rows, and for each."""
    shard_key(statement.shard)
    own = copy_fields(statement).places.get("shard_key")
    if own is not None and statement.shard is not None:
        message = "SHARD gives one key to all rows, and MAP (shard_key = …) gives each its own"
        related = ((own.span, "each row's own is mapped here"),)
        fail("bad-shard-key", message, statement.shard.span, "leave one out", related)


def copy_format(statement: nodes.Copy) -> str | None:
    """The format that FORMAT names; None where the file's name has to tell it."""
    return str(statement.format.text).lower() if statement.format else None


# ------------------------------------------------------------------------------------ COLUMNS and its like


def only_delimited(statement: nodes.Copy, format: str, error: type[QQLError] = QQLPlanError) -> None:
    """Refuses what is about cells for a format that has none."""
    if format in DELIMITED:
        return
    for word, given in (
        ("COLUMNS", statement.columns and statement.columns[0]),
        ("DELIMITER", statement.delimiter),
        ("HEADER", statement.header),
    ):
        if given:
            message = f"{word} is for CSV and TSV; the rows of {format} files bring their own names and types"
            fail("bad-columns", message, given.span, f"leave {word} out, or name another FORMAT", (), error)


def copy_columns(statement: nodes.Copy) -> list[tuple[str, str | None]] | None:
    """The names and types of COLUMNS in their order, a type None where the cells decide; None without it.

    Raises `QQLPlanError` for an unknown type and for a name that is there twice.
    """
    found: dict[str, str | None] = {}
    for column in statement.columns:
        name = str(column.name.text)
        if name in found:
            fail("bad-columns", f"COLUMNS names `{name}` twice", column.span)
        found[name] = None if column.type is None else _column_type(column.type)
    return list(found.items()) or None


def _column_type(given: nodes.Name) -> str:
    known = COLUMN_TYPES.get(str(given.text).upper())
    if known is None:
        hint = did_you_mean(str(given.text), COLUMN_TYPES) or f"the types are {', '.join(COLUMN_TYPES)}"
        fail("unknown-type", f"there is no column type `{given.text}`", given.span, hint)
    return known


def _check_delimiter(given: nodes.Scalar | None) -> None:
    if given is None:
        return
    value = scalar_value(given)
    if not isinstance(value, str) or len(value) != 1 or value in '"\r\n\0':
        hint = r"DELIMITER ';' and DELIMITER '\t' are such; quotes and line ends have a meaning of their own"
        fail("bad-delimiter", f"DELIMITER takes one character, not {shown(value)}", given.span, hint)


# ------------------------------------------------------------------------------------ MAP


def copy_fields(statement: nodes.Copy) -> CopyFields:
    """What MAP says. Raises `QQLPlanError` for what cannot arrive anywhere."""
    fields: dict[str, Source] = {}
    places: dict[str, nodes.Mapping] = {}
    id_uuid = False
    for mapping in statement.map:
        target = str(mapping.target.text)
        if target in places:
            related = ((places[target].span, "mapped here first"),)
            fail("bad-mapping", f"`{target}` is mapped twice", mapping.span, related=related)
        _check_target(target, mapping)
        places[target] = mapping
        fields[target] = _source(mapping)
        id_uuid = id_uuid or mapping.uuid
    _check_selected(places)
    return CopyFields(fields, id_uuid, places)


_WHOLE = {"vector": "one column", "payload": "a column that holds an object, or columns in parentheses"}
_PARTS = (*_WHOLE, "id", "shard_key")
"""Targets that take parts of the point whole, and what these are made of."""


def _check_target(target: str, mapping: nodes.Mapping) -> None:
    """Refuses a target that its source cannot be written to."""
    head, _, rest = target.partition(".")
    if head in _PARTS and rest:
        hint = f"MAP ({rest} = column) writes the vector or the field `{rest}`"
        fail("bad-mapping", f"a point has no part `{target}`", mapping.target.span, hint)
    if isinstance(mapping.source, tuple) and target != "payload":
        if target == "vector":
            hint = "one vector is named by itself: MAP (dense = column_a, sparse = column_b)"
        else:
            hint = "a list of fields is given as payload = (title, body); title || ' ' || body joins columns"
        fail("bad-mapping", f"`{target}` takes one field", mapping.span, hint)
    if (mapping.uuid or mapping.integer) and target != "id":
        word = "UUID" if mapping.uuid else "INT"
        cells = f"of CSV and TSV, COLUMNS ({target} INTEGER) reads integers"
        fail("bad-mapping", f"{word}(…) makes ids only", mapping.span, cells if mapping.integer else None)
    if isinstance(mapping.source, nodes.VectorFile) and target in ("id", "payload", "shard_key"):
        fail("bad-mapping", "NPY(…) brings vectors only", mapping.span, "MAP (dense = NPY('file.npy'))")
    if isinstance(mapping.source, nodes.Joined) and target in _WHOLE:
        fail("bad-mapping", f"`{target}` takes {_WHOLE[target]}, and no text", mapping.source.span)


def _check_selected(places: Mapping[str, nodes.Mapping]) -> None:
    """Refuses names of ``payload = (a, b)`` that are there twice, or are targets of their own."""
    names = places["payload"].source if "payload" in places else ()
    seen: set[str] = set()
    for one in names if isinstance(names, tuple) else ():
        name = str(one.text)
        if name in seen:
            fail("bad-mapping", f"payload names `{name}` twice", one.span)
        seen.add(name)
        if name in places and name not in _PARTS:
            related = ((places[name].span, "mapped here, too"),)
            fail("bad-mapping", f"`{name}` is mapped twice", one.span, "leave it out of the list", related)


def _source(mapping: nodes.Mapping) -> Source:
    given = mapping.source
    if isinstance(given, tuple):
        return tuple(str(name.text) for name in given)
    if isinstance(given, nodes.VectorFile):
        return Beside(str(mapping.target.text), text_of(given.path, "the path of NPY(…)"))
    source = str(given.text) if isinstance(given, nodes.Name) else _joined(given)
    return Digits(source) if mapping.integer else source


def _joined(given: nodes.Joined) -> Joined:
    columns: list[str] = []
    texts = [""]
    for part in given.parts:
        if isinstance(part, nodes.Name):
            columns.append(str(part.text))
            texts.append("")
            continue
        value = scalar_value(part)
        if not isinstance(value, str):
            fail("bad-mapping", f"columns are joined by texts, not by {shown(value)}", part.span)
        texts[-1] += value
    if not columns:
        message = "this joins texts and no column, so every row would have the same"
        hint = "a column whose name needs quotes has backticks in a join: `my title` || ' ' || text"
        fail("bad-mapping", message, given.span, hint)
    return Joined(tuple(columns), tuple(texts))
