"""COPY: what can be checked of it without its file."""

from __future__ import annotations

from qql import nodes
from qql.compiler.scalars import count_limit, text_of
from qql.errors import did_you_mean, fail

__all__ = ["COPY_FORMATS", "check_copy", "copy_fields"]


COPY_FORMATS = ("jsonl", "json", "csv", "tsv", "parquet", "npy")


def check_copy(statement: nodes.Copy) -> None:
    """Checks what can be checked of COPY without its file. Raises `QQLPlanError`."""
    count_limit(statement.batch, "BATCH", 1)
    text_of(statement.path, "the path of COPY")
    copy_fields(statement)
    if statement.format and str(statement.format.text).lower() not in COPY_FORMATS:
        name = str(statement.format.text)
        hint = did_you_mean(name, COPY_FORMATS) or f"the formats are {', '.join(COPY_FORMATS)}"
        fail("file-format", f"there is no file format `{name}`", statement.format.span, hint)


def copy_fields(statement: nodes.Copy) -> tuple[dict[str, str | list[str]], bool]:
    """What MAP says: target → column or columns, and whether ids are UUIDs made of the column."""
    fields: dict[str, str | list[str]] = {}
    id_uuid = False
    for mapping in statement.map:
        target, source = str(mapping.target.text), mapping.source
        names = [str(name.text) for name in source] if isinstance(source, tuple) else str(source.text)
        if target in fields:
            fail("bad-mapping", f"`{target}` is mapped twice", mapping.span)
        if isinstance(names, list) and target != "payload":
            hint = "a list of fields is given as payload = (title, body)"
            fail("bad-mapping", f"`{target}` takes one field", mapping.span, hint)
        if mapping.uuid and target != "id":
            fail("bad-mapping", "UUID(…) makes ids only", mapping.span)
        fields[target] = names
        id_uuid = id_uuid or mapping.uuid
    return fields, id_uuid
