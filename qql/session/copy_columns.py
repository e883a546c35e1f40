"""COPY: what is said of columns that MAP names and no row has, and of those that it leaves out."""

from __future__ import annotations

from qql.compiler.copy_mapping import CopyFields, columns_of
from qql.errors import Diagnostic, did_you_mean, many
from qql.schema import Schema
from qql.session.row_files.points import PointMapping

__all__ = ["columns_left_out", "unseen_columns"]

_MOST_SHOWN = 12


def unseen_columns(
    points: PointMapping, mapping: CopyFields, path: str, schema: Schema | None, severity: str = "error"
) -> list[Diagnostic]:
    """An error for each column that MAP names and no row had; none of a file without rows."""
    return [
        _unseen(name, points, mapping, path, schema, severity)
        for name in (points.seen.unseen if points.seen.rows else ())
    ]


def _unseen(
    name: str, points: PointMapping, mapping: CopyFields, path: str, schema: Schema | None, severity: str
) -> Diagnostic:
    target = next(target for target, source in mapping.fields.items() if name in columns_of(source))
    columns = list(points.seen.columns)
    if target == "vector" and schema is not None and name in schema.vectors:
        hint = f"`{name}` is a vector of the collection; MAP ({name} = column) writes a column to it"
    else:
        hint = did_you_mean(name, columns) or f"its columns are {_listed(columns)}"
    message = f"no row of {path} has a column `{name}`"
    return Diagnostic("unknown-column", message, mapping.places[target].span, hint, severity=severity)


def columns_left_out(points: PointMapping, path: str) -> list[Diagnostic]:
    """A warning that names the columns of a file that arrive nowhere."""
    names = list(points.left_out)
    if not names:
        return []
    message = f"MAP leaves out {many(len(names), 'column')} of {path}: {_listed(names)}"
    hint = "`payload = (…)` keeps what it names; without it, all columns are kept"
    if points.payload_name is not None:
        hint = f"beside `payload = {points.payload_name}`, `{names[0]} = {names[0]}` keeps a column"
    return [Diagnostic("columns-left-out", message, None, hint, severity="warning")]


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_SHOWN
    return ", ".join(names[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
