"""Rows of a file → points, for ``COPY c FROM 'file'``: JSON Lines, CSV and TSV, plain or gzipped.

Rows come one at a time and memory does not grow with the file. A row at fault is a `BadRow` with its line
and the reason, and the rest goes on; a file at fault is a `QQLExecutionError`.

**Columns.** ``id`` is the point's id, ``vector`` its vector or vectors, everything else payload. ``fields``
(target ← source) renames a column and leaves the others as they are: ``{"id": "doc_id", "text": "body"}``.
Two targets take parts of the point whole: ``payload`` ← a name is an object that is the payload (points as
Qdrant writes them: ``{"payload": "payload"}``), ``payload`` ← several names keeps only these columns.

**Ids.** An unsigned integer or a UUID; with ``id_uuid`` any string or integer, turned into a UUIDv5
(`qql.compiler.bind.stable_uuid`), and the column stays in the payload as well. A row without an id gets the
UUIDv5 of its content (payload and vector, `qql.compiler.rows.content_uuid`), so loading a file again, moved
or compressed or appended to, makes no duplicates, and two files that happen to have the same name do not
overwrite each other. Equal rows are one point; an edited row is a new one.

**JSON Lines.** One object a line; blank lines are skipped. A row is bad that is not JSON (NaN included) or
not UTF-8, has a key twice, an integer outside of 64 bits, or nests deeper than `MAX_DEPTH`.

**CSV, TSV.** A header row; quoted cells may hold newlines; a row's line is where it starts. Empty cells are
missing fields. A cell that reads ``true``, ``false``, an integer without leading zeros within 64 bits, or a
decimal with a point becomes that; all else (``007``, ``1e5``, ``+1``) stays a string, so that a column may
hold both. ``types`` gives a column one of `TYPES` instead, and a cell that does not fit makes its row bad.
``id`` and ``vector`` are read by their own rules (a vector is JSON text).

`reader` opens a file and chooses its format; `lines` splits bytes into lines; `json_lines` and `delimited`
read the two kinds of format, `cells` the cells of the second; `points` makes a point of a row.
"""

from qql.session.row_files.cells import TYPES
from qql.session.row_files.json_lines import MAX_DEPTH
from qql.session.row_files.reader import FORMATS, RowReader, batches, read_rows
from qql.session.row_files.row import BadRow, Row

__all__ = ["FORMATS", "MAX_DEPTH", "TYPES", "BadRow", "Row", "RowReader", "batches", "read_rows"]
