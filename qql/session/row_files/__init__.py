"""Rows of a file → points, for ``COPY c FROM 'file'``: JSON, CSV, TSV, plain or compressed; Parquet, NumPy.

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

**JSON.** One object a line, and blank lines are skipped; or an array of objects; or objects over several
lines, one after the other: what the file holds decides, not its name. A row is bad that is not JSON (NaN
included, which is named with its key) or not UTF-8, has a key twice, an integer outside of 64 bits, or
nests deeper than `MAX_DEPTH`. Lines go on after a line at fault. In an array what is wrong inside of a row
is that row's fault; a row that does not end is the file's. Of objects over several lines the next one is
looked for where a line begins with ``{``, if the lines inside of objects are indented.

**CSV, TSV.** A header row, or ``columns``. A header has no numbers in it (a year is told) and no long
texts; ``header`` decides otherwise. Commas separate the cells of CSV, and tabs those of TSV; where only
semicolons, tabs or bars make sense in a ``.csv``, these do, and a note says so. Quoted cells may hold
newlines and delimiters; a row's line is where it starts. In TSV a quote has no meaning unless it is around
a whole cell.

**Types of cells.** Empty cells are missing fields. ``columns`` and ``types`` give a column one of `TYPES`,
and a cell that does not fit makes its row bad. Otherwise all cells of a column decide (`column_kinds`),
for which a file is read once more: integers, floats, bools, or texts. NaN and infinity among numbers make
bad rows, words for no value (``NULL``, ``NA``) among them are null, with a note. Where commas do not
separate cells, ``3,5`` is a number; where it may be 3,500 as well, it stays a text, with a note. A pipe is
read once: a cell that reads ``true``, ``false``, an integer without leading zeros within 64 bits, or a
decimal with a point becomes that there; all else (``007``, ``1e5``, ``+1``) stays a text. ``id`` and
``vector`` are read by their own rules (a vector is JSON text).

**Parquet** (with pyarrow). Nulls are missing fields. Timestamps are texts of RFC 3339; decimals are
numbers where a float has all of their digits, and texts where it has not; lists, structs and maps are
lists and objects. A column of bytes is an error that names it.

**NumPy.** A ``.npy`` file brings a vector for each row of another file (``arrays``), or rows that are
nothing but vectors. It stays on the disk.

**Bounds.** A row has at most `MAX_LINE_BYTES` bytes and `MAX_CELLS` cells; the end of a line that is
longer is looked for in `MAX_SKIPPED_BYTES`. Files and pipes may be of any size. Devices are refused.

`source` opens a file; `lines` splits bytes into lines; `json_lines` and `json_values` read JSON; `table`
finds out how a table is to be read, `records` splits it, `column_kinds` and `cells` make values of its
cells, `delimited` brings these together; `parquet` and `npy` read files of others; `points` makes a point
of a row; `reader` chooses among all of these.
"""

from qql.session.row_files.cells import TYPES
from qql.session.row_files.json_lines import MAX_DEPTH
from qql.session.row_files.lines import MAX_LINE_BYTES, MAX_SKIPPED_BYTES
from qql.session.row_files.reader import FORMATS, RowReader, batches, read_rows
from qql.session.row_files.records import MAX_CELLS
from qql.session.row_files.row import BadRow, Row

__all__ = [
    "FORMATS",
    "MAX_CELLS",
    "MAX_DEPTH",
    "MAX_LINE_BYTES",
    "MAX_SKIPPED_BYTES",
    "TYPES",
    "BadRow",
    "Row",
    "RowReader",
    "batches",
    "read_rows",
]
