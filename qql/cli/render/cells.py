"""A result as a grid of cells: what stands in each column, and how wide the columns are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qql.backends.short_floats import shortest_by_digits
from qql.cli.render.terminal import json_text, sanitize
from qql.cli.render.wrapping import text_width
from qql.late import late_pattern
from qql.records import dataclass, field
from qql.result import Hit, Result, column_of_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = [
    "MISSING",
    "Column",
    "cell_text",
    "cell_writer",
    "columns_of",
    "fit_cell",
    "flat_rows",
    "is_id",
]

MISSING = object()
"""In place of a value: the point has no such key."""
_LEADING_FIELDS = ("group", "id", "score", "first_stage_score")
_TRAILING_FIELDS = ("vector", "lookup", "stages")
_HYPHENATED_UUID = late_pattern(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


# ----------------------------------------------------------------------------------------------------- values


def flat_rows(result: Result) -> tuple[list[str], Iterator[list[object]]]:
    """Column names, and rows of values in that order (`MISSING` where a point has no such key), one by one.

    Hits give group, id, score, a column for each payload key, vector, lookup and stages, of these what some
    hit has; a payload key that is called like one is shown as ``payload.id``.
    """
    if result.kind != "hits":
        rows = result.to_dicts()
        names = list(dict.fromkeys(name for row in rows for name in row))
        return names, ([row.get(name, MISSING) for name in names] for row in rows)
    hits = result.hits
    leading, trailing = (_fields_in_use(hits, names) for names in (_LEADING_FIELDS, _TRAILING_FIELDS))
    keys = list(dict.fromkeys(key for hit in hits for key in hit.payload or ()))
    names = [*leading, *map(column_of_field, keys), *trailing]
    return names, (_hit_row(hit, leading, keys, trailing) for hit in hits)


def _hit_row(hit: Hit, leading: list[str], keys: list[str], trailing: list[str]) -> list[object]:
    payload = hit.payload or {}
    return [
        *[_hit_value(hit, name) for name in leading],
        *[payload.get(key, MISSING) for key in keys],
        *[_hit_value(hit, name) for name in trailing],
    ]


def _fields_in_use(hits: list[Hit], names: tuple[str, ...]) -> list[str]:
    return [
        name for name in names if name == "id" or any(_hit_value(hit, name) is not MISSING for hit in hits)
    ]


def _hit_value(hit: Hit, name: str) -> object:
    if name == "stages":
        return [share.to_dict() for share in hit.stages] or MISSING
    value: object = getattr(hit, name)
    return MISSING if value is None else value


# ------------------------------------------------------------------------------------------------------ texts


def cell_text(value: object) -> str:
    """A value as the text of a cell: strings bare, the rest as compact JSON, nothing for a missing one."""
    if value is MISSING:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not _is_finite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    # Most of the rest are small integers, for which a JSON encoder need not be set up.
    return str(value) if type(value) is int and value.bit_length() < 64 else json_text(value)


Writer = Callable[[object], str]


def cell_writer(result: Result, name: str, vectors: Writer = cell_text) -> Writer:
    """How people are shown the values of a column: scores in 32 bits, as the engines compute them.

    ``vectors`` writes those of hits.
    """
    if name == "vector" and (result.kind == "hits" or _is_batch(result)):
        return vectors
    if name in ("score", "first_stage_score"):
        return lambda value: repr(shortest_by_digits([value])[0]) if _is_finite(value) else cell_text(value)
    if result.kind == "hits" and name == "stages":
        return _ranks_in_stages
    return cell_text


def _is_finite(value: object) -> TypeGuard[float]:
    """Whether it is a float, and a number."""
    return isinstance(value, float) and value - value == 0


def _is_batch(result: Result) -> bool:
    """Whether the rows are the points of several queries."""
    return bool(result.rows) and "query" in result.rows[0]


def _ranks_in_stages(shares: object) -> str:
    """Where a hit stood in the stages that have it, and the share of its score: ``dense #3 (62%)``."""
    if not isinstance(shares, list):
        return ""
    return ", ".join(
        f"{one['stage']} #{one['rank']}" + (f" ({one['share']:.0%})" if one["share"] is not None else "")
        for one in shares
        if one["rank"] is not None
    )


# ----------------------------------------------------------------------------------------- columns and widths


@dataclass(slots=True)
class Column:
    """A column of a table; ``width`` is in terminal cells.

    ``texts`` are the values as they are written, ``cells`` the same on one line that is safe for a terminal;
    what is far too long is cut there already.
    """

    name: str
    header: str
    values: list[object]
    texts: list[str]
    cells: list[str]
    right: bool  # numbers
    whole: bool  # ids and numbers: never cut
    width: int
    is_prose: bool = False  # it holds texts (and no numbers, objects or lists)
    bars: list[str] = field(default_factory=list)
    barred: bool = False

    def show_bars(self, room: int) -> int:
        """Put the bars behind the numbers, where there are some and as much room; how wide it has become."""
        wider = len(self.bars[0]) + 1 if self.bars and not self.barred else 0
        if not wider or wider > room:
            return 0
        self.cells = [
            f"{' ' * (self.width - text_width(cell))}{cell} {bar}"
            for cell, bar in zip(self.cells, self.bars, strict=True)
        ]
        self.header = f"{' ' * (self.width - text_width(self.header))}{self.header}{' ' * wider}"
        self.width += wider
        self.barred = True
        return wider

    @property
    def leads(self) -> bool:
        """Whether it says which hit this is, and how good."""
        return self.name in _LEADING_FIELDS


def columns_of(result: Result, limit: int | None, vectors: Writer = cell_text) -> list[Column]:
    """The columns at their full width. What is far longer than ``limit`` cells is cut already."""
    names, rows = flat_rows(_without_objects(result))
    values = [*map(list, zip(*rows, strict=True))] or [[] for _ in names]
    return [
        _new_column(name, column, cell_writer(result, name, vectors), limit)
        for name, column in zip(names, values, strict=True)
    ]


def _without_objects(result: Result) -> Result:
    """Rows whose ``payload`` is an object (those of BATCH), with the keys of that in its place."""
    if result.kind != "rows" or not any(isinstance(row.get("payload"), dict) for row in result.rows):
        return result
    rows = [
        {key: value for key, value in row.items() if key != "payload"}
        | {column_of_field(key, row): value for key, value in (row.get("payload") or {}).items()}
        for row in result.rows
    ]
    return Result("rows", rows=rows)


def _new_column(name: str, values: list[object], write: Writer, limit: int | None) -> Column:
    present = [value for value in values if value is not MISSING and value is not None]
    number = bool(present) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in present)
    whole = number or all(isinstance(v, int | float) or is_id(v) for v in present)
    texts = [write(value) for value in values]
    most = None if limit is None else 4 * limit  # megabytes need not be measured to be cut
    cells = [sanitize(text if most is None or len(text) <= most else text[:most] + "…") for text in texts]
    header = sanitize(name)
    width = max(text_width(header), max(map(text_width, cells), default=0), 1)
    return Column(
        name,
        header,
        values,
        texts,
        cells,
        number,
        whole,
        width,
        any(isinstance(value, str) for value in values),
    )


def is_id(value: object) -> bool:
    """Whether a value is a UUID as Qdrant writes it."""
    return isinstance(value, str) and _HYPHENATED_UUID.fullmatch(value) is not None


def fit_cell(text: str, column: Column, dots: str) -> tuple[str, bool]:
    """The text in exactly the column's width, and whether it had to be cut."""
    size = text_width(text)
    if size > column.width:
        from qql.cli.render.cells_of_text import set_cell_size

        return set_cell_size(text, max(0, column.width - len(dots))) + dots[: column.width], True
    pad = " " * (column.width - size)
    return (pad + text if column.right else text + pad), False
