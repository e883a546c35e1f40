"""QQL as a database of Python's DB-API 2.0 (PEP 249), for tools that know that interface.

>>> from qql import dbapi
>>> with dbapi.connect(":memory:") as connection:
...     cursor = connection.cursor()
...     _ = cursor.execute("CREATE COLLECTION docs VECTOR(2, COSINE)")
...     _ = cursor.execute("UPSERT INTO docs VALUES {id: 1, vector: [1.0, 0.0], title: 'one'}")
...     _ = cursor.execute("QUERY [1.0, 0.0] FROM docs LIMIT :k", {"k": 5})
...     [column[0] for column in cursor.description], cursor.fetchone()
(['id', 'score', 'title'], (1, 1.0, 'one'))

Hits are rows, and the fields of their payloads are columns, as in `Result.to_pandas`; a column has the
values that the payloads hold, objects and lists as Python's. The text of EXPLAIN and WHY is one column with a
row for each line.

Qdrant has no transactions: a statement is done when it returns, and ``commit`` does nothing. ``rollback``
does nothing where nothing was written since; else it cannot take that back, and raises `NotSupportedError`.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from qql.errors import (
    Diagnostic,
    QQLCompileError,
    QQLConnectionError,
    QQLError,
    QQLExecutionError,
    QQLModelError,
    QQLRefusedError,
    QQLUnsupportedError,
)
from qql.frames.columns import columns_of
from qql.records import NamedTuple
from qql.rest.types import Json
from qql.result import Result
from qql.session.answers import gives_data
from qql.session.connect import connect as open_session
from qql.session.session import Session

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "OBJECT",
    "ROWID",
    "STRING",
    "Binary",
    "Column",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
"""The version of the DB-API."""
threadsafety = 2
"""Threads may share the module and connections, not cursors."""
paramstyle = "named"
"""``:name``, with a mapping of values; ``?`` with a sequence of them is understood too."""

Parameters = Mapping[str, Any] | Sequence[Any] | None
Row = tuple[Json, ...]


# ------------------------------------------------------------------------------------ errors


class Warning(Exception):  # the name that PEP 249 gives it
    """What a statement's warnings are, in ``Cursor.messages``."""


class Error(Exception):
    """Base of all errors of this module. ``diagnostics`` has code, message, place and hint, where known."""

    def __init__(self, message: object = "") -> None:
        super().__init__(message)
        self.diagnostics: Sequence[Diagnostic] = getattr(message, "diagnostics", ())


class InterfaceError(Error):
    """A connection or a cursor is used as it cannot be, as after it was closed."""


class DatabaseError(Error):
    """The engine refused a statement, or failed at it."""


class DataError(DatabaseError):
    """A value cannot stand where it was given."""


class OperationalError(DatabaseError):
    """No server answered, the database could not be opened, or a model failed."""


class IntegrityError(DatabaseError):
    """Two things cannot have one name: a collection, an alias, a vector, an index."""


class InternalError(DatabaseError):
    """The engine failed at something that it should not fail at."""


class ProgrammingError(DatabaseError):
    """The text is at fault: it does not parse, or what it says cannot be carried out."""


class NotSupportedError(DatabaseError):
    """The engine in use cannot do it, or Qdrant cannot."""


_BY_CODE: dict[str, type[Error]] = {
    **dict.fromkeys(("collection-exists", "alias-exists", "vector-exists"), IntegrityError),
    **dict.fromkeys(
        ("unknown-collection", "unknown-alias", "unknown-point", "unknown-vector", "unknown-snapshot"),
        ProgrammingError,
    ),
    **dict.fromkeys(
        (
            *("invalid-point", "invalid-point-id", "invalid-payload", "invalid-value", "invalid-vector"),
            *("parameter-type", "vector-size", "wrong-dimension", "wrong-vector-kind"),
        ),
        DataError,
    ),
    **dict.fromkeys(("engine-error", "engine-panic", "server-error"), InternalError),
    **dict.fromkeys(("database-corrupt", "database-locked", "disk-full"), OperationalError),
}
_BY_CLASS: tuple[tuple[type[QQLError], type[Error]], ...] = (
    (QQLConnectionError, OperationalError),
    (QQLModelError, OperationalError),
    (QQLUnsupportedError, NotSupportedError),
    (QQLCompileError, ProgrammingError),
    (QQLRefusedError, OperationalError),
    (QQLExecutionError, DatabaseError),
    (QQLError, DatabaseError),
)


def _translated(exc: QQLError) -> Error:
    """The error of PEP 249's tree that stands for one of ours."""
    codes = {one.code for one in exc.diagnostics}
    by_code = _BY_CODE.get(codes.pop()) if len(codes) == 1 else None
    kind = by_code or next(theirs for ours, theirs in _BY_CLASS if isinstance(exc, ours))
    return kind(exc)


# ------------------------------------------------------------------------------------ types


class _TypeObject:
    """What a column's ``type_code`` is; it equals the codes of the kinds of values that it stands for."""

    def __init__(self, name: str, *kinds: type) -> None:
        self.name = name
        self.kinds = kinds

    def __repr__(self) -> str:
        return f"qql.dbapi.{self.name}"


STRING = _TypeObject("STRING", str)
"""Texts, and columns whose values are of several kinds."""
NUMBER = _TypeObject("NUMBER", bool, int, float)
"""Numbers, and true and false."""
OBJECT = _TypeObject("OBJECT", dict, list)
"""Lists and objects of payloads, vectors; not of PEP 249."""
ROWID = _TypeObject("ROWID")
"""Ids of points: integers and UUIDs."""
DATETIME = _TypeObject("DATETIME")
"""No column has it: payloads hold dates as texts."""
BINARY = _TypeObject("BINARY")
"""No column has it: payloads hold no bytes."""

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> datetime.date:
    """The day of a time, ``ticks`` in seconds since 1970, by the clock of this machine."""
    return datetime.date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    """The time of day of a time, ``ticks`` in seconds since 1970, by the clock of this machine."""
    return datetime.time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    """A time, ``ticks`` in seconds since 1970, by the clock of this machine."""
    return datetime.datetime(*time.localtime(ticks)[:6])


class Column(NamedTuple):
    """A column of ``Cursor.description``: PEP 249's seven items, of which a search knows three.

    ``name``; ``type_code``, which equals `STRING`, `NUMBER` or their like; ``null_ok``, whether a row lacks
    it. ``display_size``, ``internal_size``, ``precision`` and ``scale`` are None.
    """

    name: str
    type_code: _TypeObject
    display_size: None
    internal_size: None
    precision: None
    scale: None
    null_ok: bool


def _column(name: str, values: Sequence[Json]) -> Column:
    kinds = {type(value) for value in values if value is not None}
    fitting = (one for one in (NUMBER, STRING, OBJECT) if kinds and kinds <= {*one.kinds})
    code = ROWID if name == "id" else next(fitting, STRING)
    return Column(
        name, code, None, None, None, None, len(values) > sum(value is not None for value in values)
    )


# ------------------------------------------------------------------------------------ connections


def connect(target: object = ":memory:", **options: Any) -> Connection:
    """A connection to a target: a directory, ``":memory:"``, the address of a server, a `QdrantClient`.

    The options are those of `qql.connect`; ``count=True``, as it is here unless said otherwise, lets DELETE
    and UPDATE tell how many points they met. A `Session` is taken as it is, and stays open.

    Raises `OperationalError`, and `NotSupportedError` for what the target cannot do.
    """
    if isinstance(target, Session):
        if options:
            raise InterfaceError(f"a session has its options already: {', '.join(options)}")
        return Connection(target, owned=False)
    try:
        return Connection(open_session(target, **{"count": True, **options}), owned=True)
    except QQLError as exc:
        raise _translated(exc) from exc


class Connection:
    """A connection. It is closed at the end of its ``with`` block."""

    Warning = Warning
    Error = Error
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    DataError = DataError
    OperationalError = OperationalError
    IntegrityError = IntegrityError
    InternalError = InternalError
    ProgrammingError = ProgrammingError
    NotSupportedError = NotSupportedError

    def __init__(self, session: Session, *, owned: bool) -> None:
        self._session: Session | None = session
        self._owned = owned
        self._written = False

    @property
    def session(self) -> Session:
        """The session below. Raises `InterfaceError` where the connection is closed."""
        if self._session is None:
            raise InterfaceError("the connection is closed")
        return self._session

    def cursor(self) -> Cursor:
        """A new cursor. Raises `InterfaceError` where the connection is closed."""
        return Cursor(self, self.session)

    def commit(self) -> None:
        """Nothing: what was written is written. Raises `InterfaceError` where the connection is closed."""
        if self.session:
            self._written = False

    def rollback(self) -> None:
        """Nothing, where nothing was written since the last `commit`.

        Raises `NotSupportedError` where something was: Qdrant has no transactions, so it stays. Raises
        `InterfaceError` where the connection is closed.
        """
        if self.session and self._written:
            self._written = False
            raise NotSupportedError("Qdrant has no transactions: what was written since the commit stays")

    def close(self) -> None:
        """End it. Raises `InterfaceError` where it is closed already."""
        session = self.session
        self._session = None
        if self._owned:
            session.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self.close()


# ------------------------------------------------------------------------------------ cursors


class Cursor:
    """Carries statements out, and has the rows of the last one."""

    arraysize = 1
    """How many rows `fetchmany` gives unless it is told."""
    lastrowid = None
    """Ids are the caller's own."""

    def __init__(self, connection: Connection, session: Session) -> None:
        self.connection = connection
        self._session = session
        self._closed = False
        self.result: Result | None = None
        """What the last statement gave, as `Session.execute` gives it."""
        self._reset()

    def _reset(self) -> None:
        self.description: list[Column] | None = None
        self.rowcount: int = -1
        self.messages: list[tuple[type[Warning], Warning]] = []
        self._rows: list[Row] | None = None
        self._at = 0

    def _open(self) -> Session:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        return self.connection.session

    @property
    def rownumber(self) -> int | None:
        """The number of the next row, from 0; None where there are no rows."""
        return None if self._rows is None else self._at

    def execute(self, operation: str, parameters: Parameters = None) -> Cursor:
        """Carry out one statement, ``operation``; gives the cursor, so that its rows can be read at once.

        ``parameters`` is a mapping for ``:name``, a sequence for ``?``. Raises an `Error`: `ProgrammingError`
        for a text at fault, before anything is sent.
        """
        session = self._open()
        self._reset()
        try:
            result = session.execute(operation, parameters)
        except QQLError as exc:
            raise _translated(exc) from exc
        self._take([result])
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[Parameters]) -> Cursor:
        """Carry out one statement, ``operation``, with each of ``seq_of_parameters``: writes as one request.

        All are checked first; where one is at fault nothing is sent, and the error has its number. Raises as
        `execute` does, and `ProgrammingError` for a statement that gives rows, of which nothing is sent.
        """
        session = self._open()
        self._reset()
        try:
            statement = session.prepare(operation)
            if any(gives_data(one.statement) for one in statement._parsed or ()):
                raise ProgrammingError(
                    "executemany is for writes; execute gives the rows of one set of values"
                )
            results = statement.execute_many([{} if one is None else one for one in seq_of_parameters])
        except QQLError as exc:
            raise _translated(exc) from exc
        self._take(results)
        return self

    def _take(self, results: list[Result]) -> None:
        self.result = results[-1] if results else None
        self.messages = [(Warning, Warning(str(said))) for one in results for said in one.warnings]
        if any(one.kind == "message" and not _is_about_the_session(one) for one in results):
            self.connection._written = True
        if self.result is None:
            return
        if self.result.kind == "message":
            counts = [_written_by(one) for one in results]
            self.rowcount = -1 if None in counts else sum(count for count in counts if count is not None)
            return
        if self.result.kind == "text":
            columns: dict[str, list[Json]] = {"text": [*self.result.message.split("\n")]}
        else:
            columns = columns_of(self.result)
        self.description = [_column(name, values) for name, values in columns.items()]
        self._rows = [*zip(*columns.values(), strict=True)]
        self.rowcount = len(self._rows)

    # -- rows

    def _given(self) -> list[Row]:
        self._open()
        if self._rows is None:
            raise ProgrammingError("there are no rows to fetch: no statement was carried out that gives rows")
        return self._rows

    def fetchone(self) -> Row | None:
        """The next row; None behind the last. Raises `ProgrammingError` where no statement gave rows."""
        found = self.fetchmany(1)
        return found[0] if found else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next rows: ``size`` of them, or ``arraysize``. Raises as `fetchone` does."""
        rows = self._given()
        start = self._at
        self._at = min(len(rows), start + max(0, self.arraysize if size is None else size))
        return rows[start : self._at]

    def fetchall(self) -> list[Row]:
        """All rows that are left. Raises as `fetchone` does."""
        return self.fetchmany(len(self._given()))

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    # -- what else PEP 249 has

    def setinputsizes(self, sizes: Sequence[object]) -> None:
        """Nothing, as PEP 249 allows it."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing, as PEP 249 allows it."""

    def close(self) -> None:
        """No more use of it. Closing twice is allowed."""
        self._closed = True
        self._rows = None

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_about_the_session(result: Result) -> bool:
    """Whether a statement that only does something changes no collection: USE, DEFINE and UNDEFINE."""
    return not result.requests and result.statement.split(None, 1)[0].upper() in ("USE", "DEFINE", "UNDEFINE")


def _written_by(result: Result) -> int | None:
    """How many points a statement wrote or met; None where it is not known."""
    if result.matched is not None:
        return result.matched
    written = [(one.body or {}).get("points") for one in result.requests if one.method == "PUT"]
    known = [len(points) for points in written if isinstance(points, list)]
    return sum(known) if known and len(known) == len(result.requests) else None
