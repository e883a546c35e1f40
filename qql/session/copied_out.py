"""COPY ( statement ) TO 'file': the hits or rows of a statement as JSON Lines, CSV or Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from itertools import chain
from typing import IO

from qql import nodes
from qql.backends.base import Progress, Work
from qql.compiler.copy_target import format_of_target
from qql.compiler.scalars import scalar_value
from qql.compiler.script import Compiled
from qql.errors import many
from qql.frames.columns import columns_of
from qql.packed_files import packed, require_unpacked
from qql.rest.types import Json, JsonObject
from qql.result import Hit, Result
from qql.session.placed_files import file_of_result
from qql.session.walks import Walk
from qql.syntax.printer import show

__all__ = ["copied_to", "csv_cell"]


def copied_to(
    statement: nodes.CopyTo,
    inner: Compiled,
    walk: Callable[[Compiled], Walk],
    answer: Callable[[Compiled], Result],
    progress: Progress | None,
) -> Result:
    """Carries ``inner`` out and writes what it gives, in one step at the end; the folder must exist.

    ``walk`` gives the hits of a SCROLL one by one, all of them where it has no LIMIT; ``answer`` is for all
    other statements. Raises `QQLExecutionError` (``file-unwritable``, ``file-exists``, ``missing-library``),
    and what those two raise.
    """
    path, format = str(scalar_value(statement.path)), format_of_target(statement)
    again = show(nodes.CopyTo(statement.statement, statement.path, statement.format, overwrite=True))
    hits = None
    with file_of_result(path, overwrite=statement.overwrite, again=again) as raw:
        if isinstance(inner.statement, nodes.Scroll):
            hits = walk(inner)
            result = Result("hits", hits=[] if format == "jsonl" else [*_counted(hits, progress)], paged=True)
            left: Iterable[Hit] = _counted(hits, progress)
        else:
            result, left = answer(inner), ()
        items = chain((hit.to_dict() for hit in left), _items(result))
        count = _write(raw, path, format, result, items)
    message = f"copied {many(count, 'row')} into {path}"
    # A walk also has what compiling told, which is told of the whole statement.
    said = (
        result.warnings if hits is None else tuple(one for one in hits.warnings if one not in inner.warnings)
    )
    return Result("message", message=message, warnings=said, data={"rows": count, "file": path})


def _counted(hits: Iterable[Hit], progress: Progress | None) -> Iterator[Hit]:
    count = 0
    for count, hit in enumerate(hits, 1):
        yield hit
        if progress is not None and count % 1000 == 0:
            progress(Work("copying", "rows"), count, None)
    if progress is not None and count:
        progress(Work("copying", "rows"), count, count)


def _items(result: Result) -> Iterable[JsonObject]:
    return (hit.to_dict() for hit in result.hits) if result.kind == "hits" else result.rows


def _write(raw: IO[bytes], path: str, format: str, result: Result, items: Iterable[JsonObject]) -> int:
    """How many rows were written."""
    if format == "parquet":
        return _write_parquet(raw, path, result)
    with packed(raw, path) as inside:
        text = TextIOWrapper(inside, encoding="utf-8", newline="")
        count = _write_json_lines(text, items) if format == "jsonl" else _write_csv(text, result)
        text.detach()
    return count


def _write_json_lines(text: TextIOWrapper, items: Iterable[JsonObject]) -> int:
    count = 0
    for item in items:
        text.write(json.dumps(item, ensure_ascii=False) + "\n")
        count += 1
    text.flush()
    return count


def _write_csv(text: TextIOWrapper, result: Result) -> int:
    """RFC 4180 with a header; the columns are those of frames, lists and objects are JSON."""
    import csv

    columns = columns_of(result)
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([*map(csv_cell, row)] for row in zip(*columns.values(), strict=True))
    text.flush()
    return len(result)


def csv_cell(value: Json) -> str:
    """A value as a cell: texts as they are, nothing for None, JSON for all else."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _write_parquet(raw: IO[bytes], path: str, result: Result) -> int:
    from qql.session.row_files.parquet import require_pyarrow

    require_unpacked(path)
    _, parquet = require_pyarrow("a file of Parquet")
    parquet.write_table(result.to_arrow(), raw, compression="zstd")
    return len(result)
