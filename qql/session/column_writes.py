"""What a session offers to those whose points are columns: arrays, tables, lists."""

from __future__ import annotations

import time

from qql.late import cast
from qql.records import replace
from qql.session.permissions import Permissions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.result import Result

__all__ = ["ColumnWrites"]


class ColumnWrites(Permissions):
    """The part of `Session` that writes columns."""

    def upsert(
        self,
        collection: str,
        *,
        ids: Any,
        vectors: Any = None,
        payload: Any = None,
        wait: bool = True,
        batch_size: int | None = None,
        shard: str | int | None = None,
    ) -> Result:
        """Write points that are given as columns of n values each, as ``UPSERT INTO … VALUES :rows`` does.

        ``ids``: n unsigned integers or UUIDs (a list, an array, a column, an iterator), or the name of a
        column of ``payload``, which is then no field. The index of a table is used where it is asked for:
        ``ids=frame.index``.

        ``vectors``: the name of each vector → its column: an array of the shape (n, dimensions); for
        multivectors one of (n, rows, dimensions), or n arrays of (rows, dimensions); for sparse ones n
        objects with ``indices`` and ``values``; n texts, for the vector's model. For the one vector without
        a name, its column alone. Vectors with models that are not given are made of the payload's text.

        ``payload``: a table of n rows (pandas, polars, pyarrow), with null for what is missing in it, or n
        objects.

        All of it is checked before any of it is written. It goes as one request, so the embedded engine
        writes all or nothing; servers get as many points in one as they take, 30 MB. With ``batch_size``, a
        request has at most so many points. With ``wait`` false a server answers before the points can be
        found. ``shard`` is the key of a shard. An array stays one: its numbers are objects of Python for a
        few rows at a time.

        The result is a message; its ``data`` is ``{"upserted": n}``.

        Raises `QQLPlanError` (``unequal-columns``; else as UPSERT does, with the number of the row),
        `QQLExecutionError` (what was written before is in the message), `QQLConnectionError`,
        `QQLRefusedError` where the session is read-only.
        """
        self._require_read("upsert()")
        from qql.session.session import Session
        from qql.session.upserts import Columns, ColumnUpsert

        columns = Columns(collection, ids=ids, vectors=vectors, payload=payload)
        load = ColumnUpsert(columns, wait=wait, batch_size=batch_size, shard=shard)
        session, started = cast(Session, self), time.perf_counter()
        session._knowledge.forget(collection)  # many points are worth another look, as a file is
        session._field_advice.known.changed()
        result = load.run(session.backend, session.context, session.schema(collection), session._embedded)
        built = session._builds.written(collection, len(columns.ids), session.on_progress)
        warnings = result.warnings + session._take_notes() + built
        return replace(result, warnings=warnings, seconds=time.perf_counter() - started)
