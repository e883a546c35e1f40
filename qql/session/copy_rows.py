"""COPY: rows of a file, read, checked, embedded and written in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from pathlib import Path

from qql import nodes
from qql.backends.base import Progress, Work
from qql.backends.bulk import MAX_BODY, PointWriter, cut_by_size, with_words
from qql.compiler.copy_mapping import (
    DELIMITED,
    Beside,
    copy_columns,
    copy_fields,
    copy_format,
    only_delimited,
)
from qql.compiler.plan import Context
from qql.compiler.scalars import scalar_value, shard_key
from qql.errors import Diagnostic, QQLError, QQLExecutionError, QQLPlanError, fail, many
from qql.records import replace
from qql.rest.request import Request, collection_path
from qql.rest.types import Json, JsonObject
from qql.result import Result
from qql.schema import Schema
from qql.session.checked_rows import CheckedRows
from qql.session.copy_batches import Batch, Checked, Encoded, batches_of
from qql.session.copy_columns import columns_left_out, unseen_columns
from qql.session.copy_points import CopiedPoints, is_literal
from qql.session.row_files import BadRow, RowReader, read_rows
from qql.session.row_files.reader import format_of

__all__ = ["RowLoad"]

_BATCH_SIZE = 256
_MAX_BAD_ROWS_SHOWN = 20
_JSON = ("jsonl", "json")
_FAULTS_OF_ROWS = {
    *("invalid-payload", "invalid-point", "invalid-point-id", "invalid-request", "invalid-value"),
    *("invalid-vector", "unknown-vector", "wrong-dimension", "wrong-vector-kind"),
    *("nested-too-deep", "server-refused", "too-large"),
}
"""Codes of refusals that some row of a batch may be the cause of; others would befall every row."""
_UNSURE = frozenset(
    {
        *("connection-failed", "no-answer-in-time", "timed-out"),
        *("server-error", "client-error", "answer-too-large"),
    }
)
"""Codes that leave open whether what was sent is written."""
_AGAIN = "to run it again is harmless: each row has the same id as before, and replaces itself"


class RowLoad:
    """One COPY. ``schema`` is None where the collection is not known.

    ``embed`` puts vectors in the place of a request's texts, ``call`` sends it; ``writer`` sends points that
    it has encoded itself, where the engine has such a thing.
    """

    def __init__(
        self,
        statement: nodes.Copy,
        collection: str,
        *,
        schema: Schema | None,
        context: Context,
        embed: Callable[[Request], Request],
        call: Callable[[Request], object],
        writer: PointWriter | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.statement = statement
        self.collection = collection
        self.path: str = str(scalar_value(statement.path))
        self.batch_size: int = int(scalar_value(statement.batch)) if statement.batch else _BATCH_SIZE
        self.skips: bool = statement.on_error == "skip"
        self.schema: Schema | None = schema.with_models(context.models) if schema else None
        self.written: int = 0
        self.skipped: int = 0
        self._rows: int | None = None  # of the file; known once all of it was checked
        self._context = context
        self._embed = embed
        self._call = call
        self._writer = writer
        self._shard_key: Json = shard_key(statement.shard)
        self._progress = progress
        self._bad: list[tuple[int, str]] = []
        self._notes: dict[str, Diagnostic] = {}
        self._mapping = copy_fields(statement)
        self._reader: RowReader | None = None
        self._checked: CheckedRows | None = None
        self._on_their_way: list[int] = []  # lines
        self._made = CopiedPoints(statement, collection, self.schema)

    def run(self) -> None:
        """Load the file. Without ON ERROR SKIP a bad row stops the load before anything is written.

        Raises `QQLError`; what was written before is in its message. All else that ends it, Ctrl-C or a fault
        of an engine, has it in its notes.
        """
        try:
            if self._mapping.fields and Path(self.path).is_file():
                self._find_columns()
            checked = None if self.skips else self._check()
            self._load(checked)
        except QQLError:
            raise
        except BaseException as stop:
            stop.add_note(self._written_so_far())
            raise
        finally:
            if self._checked is not None:
                self._checked.close()

    def result(self) -> Result:
        """What was copied, with the warnings about the rows."""
        message = f"copied {many(self.written, 'row')} into {self.collection}"
        if self.skipped:
            message += f", skipped {self.skipped:,}"
        figures = {"copied": self.written, "skipped": self.skipped, "file": self.path}
        return Result("message", message=message, warnings=self._warnings(), data=figures)

    # -- reading

    def _check(self) -> CheckedRows | None:
        """Reads the whole file and raises for its first bad row; gives its rows, if there is room."""
        kept = self._checked = CheckedRows()
        with self._open() as reader:
            if reader.total is None:
                message = f"{self.path} can be read only once, so its rows cannot be checked first"
                hint = "ON ERROR SKIP loads it while it is read; or put the rows into a file"
                fail("not-a-file", message, self.statement.path.span, hint, error=QQLExecutionError)
            rows = 0
            self._report("checking", reader, 0)
            for rows, row in enumerate(self._points(reader), 1):
                kept.add(row)
                if rows % 512 == 0:
                    self._report("checking", reader, rows)
            self._report("checking", reader, rows, ended=True)
            self._rows = rows
        if kept.complete:
            return kept
        self._checked = None
        self._made = CopiedPoints(self.statement, self.collection, self.schema)
        return None

    def _find_columns(self) -> None:
        """Reads a file until every column that MAP names was there, mostly one row; else raises."""
        with self._open() as reader:
            for _ in reader:
                if not reader.points.seen.unseen:
                    return
        if found := unseen_columns(reader.points, self._mapping, self.path, self.schema):
            raise QQLExecutionError(*found)

    def _open(self) -> RowReader:
        """The rows of the file from the first; what was found out about it before is not looked for again."""
        self._reader = self._reader.again() if self._reader is not None else self._first_reader()
        return self._reader

    def _first_reader(self) -> RowReader:
        given, mapping = self.statement, self._mapping
        format = format_of(Path(self.path), copy_format(given))
        only_delimited(given, format, QQLExecutionError)
        return read_rows(
            self.path,
            format=format,
            fields=mapping.fields,
            id_uuid=mapping.id_uuid,
            columns=copy_columns(given),
            delimiter=None if given.delimiter is None else str(scalar_value(given.delimiter)),
            header=None if given.header is None else bool(scalar_value(given.header)),
            vector_names=self.schema.vectors if self.schema is not None else (),
            arrays={name: one.path for name, one in mapping.fields.items() if isinstance(one, Beside)},
        )

    def _points(self, reader: RowReader) -> Iterator[Checked]:
        """The good rows; a bad one is counted, or raises where errors stop the load."""
        context = replace(self._context, warnings=[])
        cells, is_json = reader.format in DELIMITED, reader.format in _JSON
        scanned, make = reader.scanned, self._made.point
        for row in reader:
            if isinstance(row, BadRow):
                self._refuse(row.line, row.reason)
                continue
            try:
                made = make(row, context.warn, cells=cells, is_json=is_json, scanned=scanned.ids)
                point = self._encoded(made, scanned.ids)
            except (QQLPlanError, QQLExecutionError) as exc:
                self._refuse(row.line, exc.message, exc.hint)
                continue
            for note in context.warnings:
                self._notes.setdefault(note.code, note)
            context.warnings.clear()
            yield row.line, row.shard_key, point

    def _encoded(self, point: JsonObject, scanned: Set[int]) -> Encoded:
        """The point as it will be sent, unless a model has to see its texts first."""
        if self._writer is None or not is_literal(point["vector"]):
            return point
        return self._writer.encode(point, scanned)

    # -- writing

    def _load(self, checked: CheckedRows | None) -> None:
        """Writes the good rows: those that were ``checked``, or else those of the file."""
        try:
            if checked is None:
                with self._open() as reader:
                    self._write_all(self._points(reader), reader)
            else:
                assert self._reader is not None
                self._write_all(checked, self._reader)
        except QQLError as exc:
            raise self._told(exc) from exc.__cause__

    def _write_all(self, rows: Iterable[Checked], reader: RowReader) -> None:
        self._report("copying", reader, 0)
        for batch in batches_of(rows, self.batch_size):
            for part in self._cut(self._embedded(batch)):
                self._write(part)
            self._report("copying", reader, self.written)
        self._report("copying", reader, self.written, ended=True)

    def _embedded(self, batch: Batch) -> Batch:
        """The batch with vectors in the place of texts, encoded for the writer, if there is one."""
        texts = [point for point in batch.points if not isinstance(point, bytes)]
        if not texts:
            return batch
        made = iter((self._embed(self._request(texts)).body or {})["points"])
        whole = Batch(batch.shard_key)
        for line, point in zip(batch.lines, batch.points, strict=True):
            if isinstance(point, bytes):
                whole.add(line, point)
                continue
            try:
                found = next(made)
                whole.add(line, found if self._writer is None else self._writer.encode(found))
            except QQLExecutionError as exc:
                self._refuse(line, exc.message, exc.hint)
        return whole

    def _cut(self, batch: Batch) -> Iterator[Batch]:
        """Parts of a batch that are no larger than servers take; vectors may have made it larger."""
        sizes = [len(point) if isinstance(point, bytes) else 0 for point in batch.points]
        return (batch.part(cut) for cut in cut_by_size(sizes, MAX_BODY))

    def _request(self, points: list[JsonObject], key: Json = None) -> Request:
        body: JsonObject = {"points": points} if key is None else {"points": points, "shard_key": key}
        return Request("PUT", collection_path(self.collection, "points"), {"wait": "true"}, body)

    def _write(self, batch: Batch) -> None:
        """Writes a batch; of a refused one the halves, down to the rows at fault."""
        lines = batch.lines
        self._on_their_way = lines
        try:
            self._send(batch)
        except QQLExecutionError as exc:
            if exc.code not in _FAULTS_OF_ROWS:
                raise
            self._on_their_way = []
            if len(lines) == 1:
                self._refuse(lines[0], exc.message, exc.hint)
            elif self.skips or exc.code == "too-large":
                middle = len(lines) // 2
                self._write(batch.part(slice(middle)))
                self._write(batch.part(slice(middle, None)))
            else:
                message = f"{self.path}, {self._unit}s {lines[0]} to {lines[-1]}: {exc.message}"
                raise type(exc)(replace(exc.diagnostic, message=message)) from exc
        else:
            self.written += len(lines)
            self._on_their_way = []

    def _send(self, batch: Batch) -> None:
        key = self._shard_key if batch.shard_key is None else batch.shard_key
        encoded = [point for point in batch.points if isinstance(point, bytes)]
        if encoded and self._writer is not None:
            self._writer.write(self.collection, encoded, key)
        else:
            self._call(self._request([one for one in batch.points if not isinstance(one, bytes)], key))

    def _told(self, exc: QQLError) -> QQLError:
        """The error with what was written before it, and what may have been."""
        unsure = self._on_their_way if exc.code in _UNSURE else []
        if not self.written and not unsure:
            return exc
        before = f"written before: {many(self.written, 'row')}"
        if not unsure:
            return with_words(exc, before)
        which = f"{many(len(unsure), 'row')} from {self._unit} {unsure[0]} on"
        again = None if "harmless" in (exc.hint or "") else _AGAIN
        return with_words(exc, f"{before}; the last batch may have been written: {which}", again)

    def _written_so_far(self) -> str:
        """What there is to say where the load was stopped from outside."""
        written = f"written before: {many(self.written, 'row')}" if self.written else "nothing was written"
        if not self._on_their_way:
            return written
        count = len(self._on_their_way)
        unsure = "the one that was on its way" if count == 1 else "those that were on their way"
        return f"{written}; {unsure} ({many(count, 'row')}) may be written, too"

    # -- progress and warnings

    def _report(self, what: str, reader: RowReader, rows: int, *, ended: bool = False) -> None:
        """Tells the rows of how many; where that is not known yet, how much of the file was read."""
        if self._progress is None:
            return
        share = None
        if self._rows is None and reader.total is not None:
            share = 1.0 if ended or not reader.total else min(reader.bytes_read / reader.total, 1.0)
        self._progress(Work(f"{what} {Path(self.path).name}", "rows", share), rows, self._rows)

    @property
    def _unit(self) -> str:
        """What rows are counted in."""
        return self._reader.unit if self._reader is not None else "line"

    def _refuse(self, line: int, reason: str, hint: str | None = None) -> None:
        """Counts a bad row, or raises where errors stop the load."""
        message = f"{self.path}, {self._unit} {line}: {reason}"
        if not self.skips:
            hint = hint or "ON ERROR SKIP leaves bad rows out and says which"
            fail("bad-row", message, self.statement.path.span, hint, error=QQLExecutionError)
        self.skipped += 1
        if len(self._bad) < _MAX_BAD_ROWS_SHOWN:
            self._bad.append((line, message))

    def _warnings(self) -> tuple[Diagnostic, ...]:
        """The bad rows in the order of the file, and what else there is to say, once each."""
        found = [Diagnostic("bad-row", message, severity="warning") for _, message in sorted(self._bad)]
        if self.skipped > len(self._bad):
            message = f"{many(self.skipped, 'row')} left out; {len(self._bad)} of them are shown"
            found.append(Diagnostic("bad-row", message, severity="warning"))
        if self._reader is not None:
            points = self._reader.points
            found += [Diagnostic("file-format", note, severity="warning") for note in self._reader.notes]
            if self.skips:  # of a pipe, which is read once, it is known too late for an error
                found += unseen_columns(points, self._mapping, self.path, self.schema, "warning")
            points.left_out.update(self._made.left_out)
            found += columns_left_out(points, self.path)
        return (*found, *self._made.notes.warnings(), *self._notes.values())
