"""What a dump of rows says beside them: the statements that come before and after its points.

A dump in JSON Lines has them in its first line, one in Parquet in its metadata. EXECUTE and ``qql run`` read
such a file as the script that it stands for.
"""

from __future__ import annotations

import json

from qql.packed_files import form_of
from qql.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from qql.rest.types import JsonObject

__all__ = ["HEADER_KEY", "DumpHeader", "is_header", "script_of_dump"]

HEADER_KEY = "qql-dump"
"""The one key of a dump's first line, and the name of a dump's metadata."""
_VERSION = 1
_LONGEST = 64 << 20  # bytes of a header


@dataclass(frozen=True, slots=True)
class DumpHeader:
    """The statements around the points of a dump: ``before`` makes what they go into, ``after`` the rest."""

    collection: str
    before: str
    after: str
    has_shard_keys: bool = False

    def as_row(self) -> JsonObject:
        """The first line of JSON Lines."""
        known: JsonObject = {"version": _VERSION, "collection": self.collection, "before": self.before}
        return {HEADER_KEY: {**known, "after": self.after, "shard_keys": self.has_shard_keys}}

    def as_metadata(self) -> dict[str, str]:
        """The metadata of a Parquet file."""
        return {HEADER_KEY: json.dumps(self.as_row()[HEADER_KEY], ensure_ascii=False)}

    def script(self, path: str) -> str:
        """The script that a file with this header stands for."""
        from qql.nodes import Name
        from qql.syntax.printer import show

        mapped = "payload = payload" + ", shard_key = shard_key" * self.has_shard_keys
        copied = f"COPY {show(Name(self.collection))} FROM {show(path)} MAP ({mapped});\n"
        return self.before + copied + self.after


def is_header(row: JsonObject) -> bool:
    """Whether the first row of a file is a dump's header, and no point."""
    return len(row) == 1 and isinstance(row.get(HEADER_KEY), dict)


def script_of_dump(path: str, file: IO[bytes]) -> str:
    """The script that a dump in JSON Lines or Parquet stands for.

    ``file`` is the file, unpacked. Raises `ValueError` for a file without a header, `QQLError` where pyarrow
    is missing.
    """
    header = _header_of_parquet(path) if form_of(path) == "parquet" else file.readline(_LONGEST)
    try:
        found = json.loads(header or b"null")
        found = found[HEADER_KEY] if form_of(path) == "jsonl" else found
        if found["version"] > _VERSION:
            raise ValueError(f"it was dumped by a newer release, in form {found['version']}")
        given = DumpHeader(found["collection"], found["before"], found["after"], found["shard_keys"])
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as exc:
        from qql.syntax.printer import show

        message = f"it holds rows and is no dump; COPY … FROM {show(path)} loads rows"
        raise ValueError(message) from exc
    return given.script(path)


def _header_of_parquet(path: str) -> bytes:
    from pathlib import Path

    from qql.session.row_files.parquet import metadata_of

    return metadata_of(Path(path).expanduser()).get(HEADER_KEY.encode(), b"")
