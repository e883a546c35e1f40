"""A row's columns → the id, the vectors and the payload of a point."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence

from qql.compiler.base64_vectors import is_base64
from qql.compiler.bind import stable_uuid
from qql.compiler.copy_mapping import Beside, Digits, Joined, columns_of
from qql.compiler.rows import content_uuid
from qql.errors import QQLExecutionError, fail
from qql.nodes import is_uuid
from qql.rest.limits import U64
from qql.rest.types import Json, JsonObject
from qql.session.row_files.columns import (
    MISSING,
    Sightings,
    Used,
    find,
    joined,
    put,
    remove,
    steps_of,
    unused,
)
from qql.session.row_files.row import Row, RowError, abbreviated

__all__ = ["Fields", "PointMapping"]

Fields = Mapping[str, str | Sequence[str] | Joined | Digits | Beside]
"""Part of the point (``id``, ``vector``, ``payload``, a field of it; ``shard_key``) ← what it is made of."""
_MOST_LEFT_OUT = 100  # names that are kept for a warning


class PointMapping:
    """What ``fields`` and ``id_uuid`` say about the way from a row to a point.

    ``sources`` are the columns that ``fields`` names, ``opened`` those that a path goes into (unless another
    column has the whole path for its name), ``joins`` says whether columns are joined. ``seen`` knows which
    columns were in a row, ``left_out`` those that arrived nowhere.

    ``vectors`` are names of vectors: such a column is not lost where ``fields`` says what the payload is.

    Raises `QQLExecutionError` (``bad-mapping``).
    """

    def __init__(self, fields: Fields, id_uuid: bool, vectors: Collection[str] = ()) -> None:
        self._id_uuid = id_uuid
        self._id_required = id_uuid or "id" in fields
        whole = fields.get("payload")
        self.payload_name: str | None = whole if isinstance(whole, str) else None
        selected = isinstance(whole, Sequence) and not isinstance(whole, str)
        self._selected = tuple(columns_of(whole)) if selected else None
        single = {
            target: _one_column(target, source) for target, source in fields.items() if target != "payload"
        }
        shard = single.pop("shard_key", None)
        self._shard = None if isinstance(shard, Digits) else shard
        identity = single.pop("id", "id")
        self._id_digits = isinstance(identity, Digits)
        self._identity = identity.of if isinstance(identity, Digits) else identity
        self.id_name: str | None = self._identity if isinstance(self._identity, str) else None
        # MAP (v = vector) gives that column to the vector `v`.
        vector = single.pop("vector", None if "vector" in single.values() else "vector")
        self.vector_name: str | None = vector if isinstance(vector, str) else None
        self._fields: dict[str, str | Joined] = {
            target: source for target, source in single.items() if not isinstance(source, Digits)
        }
        self.sources: list[str] = list(
            dict.fromkeys(name for one in fields.values() for name in columns_of(one))
        )
        self.opened: Collection[str] = {name.partition(".")[0] for name in self.sources if "." in name}
        self.joins: bool = any(
            isinstance(one, Joined) for one in (*self._fields.values(), self._identity, self._shard)
        )
        self.seen: Sightings = Sightings(self.sources)
        self.left_out: dict[str, None] = {}
        self._moved = self._moved_columns()
        self._moved_paths = [name for name in self._moved if "." in name]
        self._paths = [name for name in self.sources if "." in name]
        self._narrows = whole is not None
        named = {*fields, *self.sources}
        self.beside: list[str] = [name for name in vectors if self._narrows and name not in named]
        self._used = self._used_columns({})

    def point(self, line: int, row: JsonObject, written: Mapping[str, str] | None = None) -> Row:
        """The point of a row; ``written`` are the cells of a table as they stand there. Raises `RowError`."""
        self.seen.look(row)
        beside = {name: row[name] for name in self.beside if name in row} if self.beside else {}
        payload = self._payload(row, written, beside)
        vector = None if self.vector_name is None else find(self.vector_name, row)
        vector = None if vector is MISSING else vector
        if vector is not None and not isinstance(vector, list | dict) and not is_base64(vector):
            raise RowError(f"`{self.vector_name}` has to be a list or an object, not {abbreviated(vector)}")
        identity = self._value(self._identity, row, written)
        shard = None if self._shard is None else self._shard_key(self._shard, row, written)
        if identity is not MISSING and identity is not None:
            return Row(line, self._id(identity), payload, vector, beside=beside, shard_key=shard)
        if self._id_required:
            raise RowError(f"there is no {_named(self._identity)} for the id")
        made = content_uuid(payload, vector)
        return Row(line, made, payload, vector, made=True, beside=beside, shard_key=shard)

    def absent(self, header: Collection[str]) -> list[str]:
        """The columns among ``sources`` that a table with this header has not.

        The others count as seen, whatever their cells hold; ``opened`` are those that a path goes into.
        """
        unknown = [name for name in self.sources if name not in header]
        heads = {name: name.partition(".")[0] for name in unknown if "." in name}
        self.opened = set(heads.values())
        self.seen.unseen = dict.fromkeys(unknown)
        return [name for name in unknown if heads.get(name) not in header]

    # -- what becomes of the columns

    def _moved_columns(self) -> set[str]:
        """The columns that are not payload under their own names."""
        moved = {name for name in (self.vector_name, self.payload_name) if name is not None}
        # What an id or a text is made of cannot be read back from it, so it stays in the payload.
        if self.id_name is not None and not self._id_uuid:
            moved.add(self.id_name)
        for target, source in self._fields.items():
            if isinstance(source, str):
                moved.add(source)
            elif target in source.columns:
                moved.add(target)  # `text = title || text` replaces the text
        return moved

    def _used_columns(self, row: JsonObject) -> Used:
        """The columns of a row that arrive somewhere."""
        used: Used = {}
        single = (self.id_name, self.vector_name, *self._fields.values())
        for name in [*self.sources, *(one for one in single if isinstance(one, str))]:
            *path, last = steps_of(name, row)
            inner: Used | None = used
            for step in path:
                inner = None if inner is None else inner.setdefault(step, {})
            if inner is not None:
                inner[last] = None
        return used

    def _note_left_out(self, row: JsonObject, beside: Collection[str]) -> None:
        if len(self.left_out) < _MOST_LEFT_OUT:
            literal = any(name in row for name in self._paths)
            used = self._used_columns(row) if literal else self._used
            self.left_out.update((name, None) for name in unused(row, used) if name not in beside)

    def _payload(
        self, row: JsonObject, written: Mapping[str, str] | None, beside: Collection[str]
    ) -> JsonObject:
        if self._narrows:
            self._note_left_out(row, beside)
        payload = self._own_payload(row)
        for target, source in self._fields.items():
            value = self._value(source, row, written)
            if value is not MISSING:
                if target in payload:
                    message = f"`{target}` is there twice: as itself, and mapped from {_named(source)}"
                    raise RowError(message)
                payload[target] = value
        return payload

    def _own_payload(self, row: JsonObject) -> JsonObject:
        """The payload without the fields that are mapped."""
        if self.payload_name is not None:
            whole = find(self.payload_name, row)
            whole = None if whole is MISSING else whole
            if not isinstance(whole, dict | None):
                raise RowError(f"`{self.payload_name}` has to be an object, not {abbreviated(whole)}")
            return dict(whole or {})
        payload: JsonObject = {}
        if self._selected is not None:
            for name in self._selected:
                if (value := find(name, row)) is not MISSING:
                    put(payload, steps_of(name, row), value)
            return payload
        payload = {name: value for name, value in row.items() if name not in self._moved}
        for name in self._moved_paths:
            if name not in row:
                remove(payload, steps_of(name, row))
        return payload

    def _value(self, source: str | Joined, row: JsonObject, written: Mapping[str, str] | None) -> Json:
        if isinstance(source, str):
            return find(source, row)
        text = joined(source, row, written)
        return MISSING if text is None else text

    # -- shard keys and ids

    def _shard_key(
        self, source: str | Joined, row: JsonObject, written: Mapping[str, str] | None
    ) -> int | str:
        """The row's own shard key; its column stays in the payload, as no point gives it back."""
        value = self._value(source, row, written)
        if value is MISSING or value is None or value == "":
            raise RowError(f"there is no {_named(source)} for the shard key")
        if isinstance(value, str) or (type(value) is int and 0 <= value <= U64):
            return value
        raise RowError(f"the shard key {abbreviated(value)} is neither a text nor an unsigned integer")

    def _id(self, value: Json) -> int | str:
        integer = isinstance(value, int) and not isinstance(value, bool)
        if self._id_uuid and (integer or isinstance(value, str)):
            return stable_uuid(str(value))
        if integer and 0 <= value <= U64:
            return int(value)
        if self._id_digits:
            return self._integer(value)
        if isinstance(value, str) and is_uuid(value):
            return str(uuid.UUID(value))
        column = self.id_name or "…"
        digits = ""
        if isinstance(value, str) and value.isdecimal():
            digits = f", `id = INT({column})` one of digits"
        raise RowError(
            f"the id {abbreviated(value)} is neither an unsigned integer nor a UUID; "
            f"`id = UUID({column})` makes one of any string{digits}"
        )

    def _integer(self, value: Json) -> int:
        """The integer that ``INT(column)`` makes: one that gives the same digits back."""
        plain = isinstance(value, str) and value.isascii() and value.isdecimal()
        if plain and len(value) <= 20 and str(int(value)) == value and int(value) <= U64:
            return int(value)
        why = "has leading zeros" if plain and value[0] == "0" else "is no unsigned integer of 64 bits"
        column = self.id_name or "…"
        raise RowError(f"the id {abbreviated(value)} {why}; `id = UUID({column})` makes an id of any string")


def _one_column(target: str, source: str | Sequence[str] | Joined | Digits | Beside) -> str | Joined | Digits:
    """A source that is no list. Raises `QQLExecutionError`."""
    if isinstance(source, Joined | str):
        return source
    if isinstance(source, Beside):
        return source.column
    if isinstance(source, Digits) and target == "id":
        return source
    message = f"`{target}` takes one column; only `payload` takes several"
    fail("bad-mapping", message, error=QQLExecutionError)


def _named(source: str | Joined) -> str:
    return " or ".join(f"`{name}`" for name in columns_of(source))
