"""A row's columns → the id, the vectors and the payload of a point."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from qql.compiler.bind import stable_uuid
from qql.compiler.rows import content_uuid
from qql.errors import QQLExecutionError, fail
from qql.nodes import is_uuid
from qql.rest.limits import U64
from qql.rest.types import Json, JsonObject
from qql.session.row_files.row import Row, RowError, abbreviated

__all__ = ["Fields", "PointMapping"]

Fields = Mapping[str, str | Sequence[str]]
"""Part of the point (``id``, ``vector``, ``payload``, or a field of the payload) ← column or columns."""


class PointMapping:
    """What ``fields`` and ``id_uuid`` say about the way from a row to a point.

    ``sources`` are the columns that ``fields`` names. Raises `QQLExecutionError` (``bad-mapping``).
    """

    def __init__(self, fields: Fields, id_uuid: bool) -> None:
        self._id_uuid = id_uuid
        self._id_required = id_uuid or "id" in fields
        whole = fields.get("payload")
        self.payload_name = whole if isinstance(whole, str) else None
        self._selected = None if whole is None or isinstance(whole, str) else tuple(whole)
        single: dict[str, str] = {}
        for target, source in fields.items():
            if target != "payload":
                if not isinstance(source, str):
                    message = f"`{target}` takes one column; only `payload` takes several"
                    fail("bad-mapping", message, error=QQLExecutionError)
                single[target] = source
        self.id_name = single.pop("id", "id")
        self.vector_name = single.pop("vector", "vector")
        self._renamed = single
        self.joins = False
        self.opened: set[str] = set()
        # A UUID cannot be read back, so the column that it is made of stays in the payload.
        made = set() if id_uuid else {self.id_name}
        self._taken = made | {self.vector_name, *single.values()}
        self.sources = [
            name for source in fields.values() for name in ((source,) if isinstance(source, str) else source)
        ]

    def point(self, line: int, row: JsonObject, written: Mapping[str, str] | None = None) -> Row:
        """The point of a row; ``written`` are the cells of a table as they stand there. Raises `RowError`."""
        payload = self._payload(row)
        vector = row.get(self.vector_name)
        if vector is not None and not isinstance(vector, list | dict):
            raise RowError(f"`{self.vector_name}` has to be a list or an object, not {abbreviated(vector)}")
        identity = row.get(self.id_name)
        if identity is not None:
            return Row(line, self._id(identity), payload, vector)
        if self._id_required:
            raise RowError(f"there is no `{self.id_name}` for the id")
        return Row(line, content_uuid(payload, vector), payload, vector)

    def _payload(self, row: JsonObject) -> JsonObject:
        if self.payload_name is not None:
            whole = row.get(self.payload_name)
            if not isinstance(whole, dict | None):
                raise RowError(f"`{self.payload_name}` has to be an object, not {abbreviated(whole)}")
            payload = dict(whole or {})
        elif self._selected is not None:
            payload = {name: row[name] for name in self._selected if name in row}
        else:
            payload = {name: value for name, value in row.items() if name not in self._taken}
        for target, source in self._renamed.items():
            if source in row:
                if target in payload:
                    raise RowError(f"`{target}` is there twice: as itself, and mapped from `{source}`")
                payload[target] = row[source]
        return payload

    def _id(self, value: Json) -> int | str:
        integer = isinstance(value, int) and not isinstance(value, bool)
        if self._id_uuid and (integer or isinstance(value, str)):
            return stable_uuid(str(value))
        if integer and 0 <= value <= U64:
            return int(value)
        if isinstance(value, str) and is_uuid(value):
            return str(uuid.UUID(value))
        raise RowError(
            f"the id {abbreviated(value)} is neither an unsigned integer nor a UUID; "
            f"`id = UUID({self.id_name})` makes one of any string"
        )
