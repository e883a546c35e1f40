"""COPY ( statement ) TO: which statements there can be, and which formats."""

from __future__ import annotations

from qql import nodes
from qql.compiler.scalars import text_of
from qql.errors import Diagnostic, QQLPlanError, did_you_mean
from qql.packed_files import unpacked_name

__all__ = ["COPY_FORMATS", "check_copy_to", "format_of_target"]

COPY_FORMATS: dict[str, tuple[str, ...]] = {
    "jsonl": (".jsonl", ".ndjson", ".jsonlines"),
    "csv": (".csv",),
    "parquet": (".parquet", ".pq"),
}
"""Format → the endings of names that mean it; behind those of text, .gz, .xz and .bz2 compress."""
_SHOWN = {kind for kind in nodes.STATEMENTS if kind.__name__.startswith("Show")}
_READS = {
    nodes.Query,
    nodes.Fallback,
    nodes.Scroll,
    nodes.Count,
    nodes.Facet,
    nodes.Matrix,
    nodes.AnalyzeText,
}
_WRITTEN = _READS | _SHOWN


def check_copy_to(statement: nodes.CopyTo) -> None:
    """Raises `QQLPlanError` for a statement that gives neither hits nor rows, and for an unknown format."""
    inner = statement.statement
    if type(inner) not in _WRITTEN:
        message = "COPY … TO writes hits or rows, and this statement gives none"
        hint = "COPY (QUERY …), COPY (SCROLL …), COPY (FACET …) and COPY (SHOW …) can be written"
        raise QQLPlanError(Diagnostic("copy-reads", message, inner.span, hint))
    text_of(statement.path, "the path of COPY")
    if statement.format is not None or isinstance(statement.path.value, str):
        format_of_target(statement)


def format_of_target(statement: nodes.CopyTo) -> str:
    """The format that FORMAT or the file's name says. Raises `QQLPlanError`."""
    formats = ", ".join(COPY_FORMATS)
    if statement.format is not None:
        given = str(statement.format.text).lower()
        if given in COPY_FORMATS:
            return given
        hint = did_you_mean(given, COPY_FORMATS) or f"the formats are {formats}"
        message = f"COPY … TO has no format `{given}`"
        raise QQLPlanError(Diagnostic("bad-option", message, statement.format.span, hint))
    path = str(statement.path.value)
    name = unpacked_name(path).lower()
    for format, endings in COPY_FORMATS.items():
        if name.endswith(endings):
            return format
    message = f"the name of {path} does not tell its format"
    raise QQLPlanError(Diagnostic("file-format", message, statement.path.span, f"FORMAT names it: {formats}"))
