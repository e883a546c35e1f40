"""The forms of a dump: a script, JSON Lines, Parquet. Each gets the same statements and the same points."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import TextIOWrapper

from qql.compiler.row_keys import needs_block
from qql.late import Protocol
from qql.packed_files import form_of, packed, require_unpacked
from qql.records import dataclass
from qql.rest.types import Body, Json, JsonObject
from qql.session.dump_headers import DumpHeader
from qql.syntax.printer import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from qql.schema import VectorInfo

__all__ = ["DumpFile", "Dumped", "dump_file"]


@dataclass(frozen=True, slots=True)
class Dumped:
    """What is dumped, apart from its points: the collection (as the language writes it), and its vectors.

    ``header`` has the statements around the points; ``most`` are points of one UPSERT.
    """

    name: str
    vectors: Mapping[str, VectorInfo]
    header: DumpHeader
    most: int


class DumpFile(Protocol):
    """A dump that is being written."""

    def write(self, points: list[Body], shard_key: int | str | None) -> None:
        """Write points as the engine gives them, all of one shard key."""

    def finish(self) -> None:
        """Write what comes last."""


@contextmanager
def dump_file(raw: IO[bytes], path: str, dumped: Dumped) -> Iterator[DumpFile]:
    """A dump in the form, and compressed, as the name of its file says.

    Raises `QQLError`, `OSError`, and `ValueError` for a name that promises what there is not.
    """
    if form_of(path) == "parquet":
        require_unpacked(path)
        writer = _Parquet(raw, dumped)
        try:
            yield writer
        finally:
            writer.close()
        return
    with packed(raw, path) as inside:
        text = TextIOWrapper(inside, encoding="utf-8", newline="\n", write_through=False)
        try:
            yield _JsonLines(text, dumped) if form_of(path) == "jsonl" else _Script(text, dumped)
            text.flush()
        finally:
            with suppress(OSError, ValueError):  # of a full disk; what it was raised by is on its way
                text.detach()


class _Script:
    """CREATE statements, UPSERT statements, and what comes after the points."""

    def __init__(self, file: TextIOWrapper, dumped: Dumped) -> None:
        self._file = file
        self._dumped = dumped
        file.write(dumped.header.before)

    def write(self, points: list[Body], shard_key: int | str | None) -> None:
        shard = "" if shard_key is None else f"\nSHARD {show(shard_key)}"
        for at in range(0, len(points), self._dumped.most):
            rows = ",\n".join(map(self._row, points[at : at + self._dumped.most]))
            self._file.write(f"UPSERT INTO {self._dumped.name} VALUES\n{rows}{shard};\n")

    def _row(self, point: Body) -> str:
        """Fields that would be something else beside ``id`` and ``vector`` are in a ``payload: {…}``."""
        payload = point.get("payload") or {}
        if needs_block(payload, self._dumped.vectors):
            payload = {"payload": payload}
        return _row_text(point, self._dumped.vectors, payload)

    def finish(self) -> None:
        self._file.write(self._dumped.header.after)


class _JsonLines:
    """A line for the statements, and a line for each point."""

    def __init__(self, file: TextIOWrapper, dumped: Dumped) -> None:
        self._file = file
        self._dumped = dumped
        file.write(json.dumps(dumped.header.as_row(), ensure_ascii=False) + "\n")

    def write(self, points: list[Body], shard_key: int | str | None) -> None:
        key = {} if shard_key is None else {"shard_key": shard_key}
        for point in points:
            rest: JsonObject = {"payload": point.get("payload") or {}, **key}
            self._file.write(_row_text(point, self._dumped.vectors, rest) + "\n")

    def finish(self) -> None:
        """All is said by then."""


def _row_text(point: Body, vectors: Collection[str], rest: JsonObject) -> str:
    vector = _json_text(_row_vectors(point.get("vector"), vectors))
    fields = "".join(f", {_json_text(key)}: {_json_text(value)}" for key, value in rest.items())
    return f'{{"id": {_json_text(point["id"])}, "vector": {vector}{fields}}}'


def _row_vectors(vector: Json, vectors: Collection[str]) -> Json:
    """The vectors of a row. One that the point has not is null: none is made, and none is missed."""
    if isinstance(vector, list):
        return vector
    given = dict.fromkeys(vectors) | dict(vector or {})
    return {name: given[name] for name in sorted(given)}


def _json_text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


_ROWS = 1000  # of a group of rows in Parquet


class _Parquet:
    """Columns ``id`` (a text), ``vector`` (a list, or a struct of them by name), ``payload`` (a text of JSON)
    and, where there are shard keys, ``shard_key`` (a text of JSON). The metadata has the statements.
    """

    def __init__(self, raw: IO[bytes], dumped: Dumped) -> None:
        pyarrow, parquet = _pyarrow()
        self._pyarrow = pyarrow
        self._dumped = dumped
        self._rows: list[JsonObject] = []
        columns = {
            "id": pyarrow.string(),
            "vector": _vector_type(pyarrow, dumped.vectors),
            "payload": pyarrow.string(),
            "shard_key": pyarrow.string(),
        }
        self._schema = pyarrow.schema(columns, metadata=dumped.header.as_metadata())
        self._writer = parquet.ParquetWriter(raw, self._schema, compression="zstd")

    def write(self, points: list[Body], shard_key: int | str | None) -> None:
        key = None if shard_key is None else _json_text(shard_key)
        for point in points:
            vector = _row_vectors(point.get("vector"), self._dumped.vectors) or None
            if isinstance(vector, dict) and "" in vector:
                vector = vector[""]
            payload = _json_text(point.get("payload") or {})
            self._rows.append(
                {"id": str(point["id"]), "vector": vector, "payload": payload, "shard_key": key}
            )
        if len(self._rows) >= _ROWS:
            self._write_group()

    def finish(self) -> None:
        self._write_group()
        self.close()

    def close(self) -> None:
        if self._writer.is_open:
            self._writer.close()

    def _write_group(self) -> None:
        if self._rows:
            self._writer.write_table(self._pyarrow.Table.from_pylist(self._rows, self._schema))
            self._rows.clear()


def _vector_type(pyarrow: Any, vectors: Mapping[str, VectorInfo]) -> Any:
    numbers = pyarrow.list_(pyarrow.float32())
    sparse = pyarrow.struct({"indices": pyarrow.list_(pyarrow.uint32()), "values": numbers})
    kinds = {"dense": numbers, "multi": pyarrow.list_(numbers), "sparse": sparse}
    types = {name: kinds[one.kind] for name, one in sorted(vectors.items())}
    if not types:
        return pyarrow.null()
    return types[""] if list(types) == [""] else pyarrow.struct(types)


def _pyarrow() -> tuple[Any, Any]:
    from qql.session.row_files.parquet import require_pyarrow

    return require_pyarrow("a file of Parquet")
