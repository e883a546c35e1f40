"""The file of judgements: a line for each, written as it is given, and gone on with later."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from qql.backends.file_locks import lock_file
from qql.evaluation.faults import InputError
from qql.evaluation.files import Qrels, read_qrels
from qql.evaluation.judging.judges import Answer
from qql.packed_files import unpacked_name
from qql.records import dataclass
from qql.rest.types import JsonObject
from qql.session.files import reason

__all__ = ["GivenJudgement", "JudgementFile"]


@dataclass(frozen=True, slots=True)
class GivenJudgement:
    """A judgement that was given: who gave it (``source``), when (``at``, UTC), and why, where that is
    said."""

    query: str
    document: str
    relevance: int
    source: str
    at: str
    reason: str | None = None

    @classmethod
    def now(cls, query: str, document: str, answer: Answer, source: str) -> GivenJudgement:
        """One that was given now. ``answer`` has a relevance."""
        assert answer.relevance is not None, "an answer with a relevance"
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(query, document, answer.relevance, source, at, answer.reason)

    def to_dict(self) -> JsonObject:
        """``{"query_id", "doc_id", "relevance", "source", "at"[, "reason"]}``, a line of the file."""
        row: JsonObject = {"query_id": self.query, "doc_id": self.document, "relevance": self.relevance}
        row |= {"source": self.source, "at": self.at}
        return row | ({} if self.reason is None else {"reason": self.reason})


class JudgementFile:
    """A file of JSON Lines that nobody else writes to meanwhile. Judgements that it has stay.

    `qrels` are those at the beginning. It is a file that `read_qrels` reads.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises `InputError`: ``usage``, ``file-unwritable``, ``file-in-use``, and as `read_qrels`."""
        self.path: str = os.fspath(path)
        if unpacked_name(self.path) != self.path:
            message = f"judgements are written as plain JSON Lines, and {self.path} has another name"
            raise InputError.make("usage", message, hint="judged.jsonl")
        try:
            self._file: IO[bytes] = Path(self.path).expanduser().open("a+b")
        except (OSError, ValueError) as exc:
            raise InputError.make("file-unwritable", f"cannot write {self.path}: {reason(exc)}") from exc
        try:
            self._lock()
            self._end_last_line()
            whole = self._file.seek(0, os.SEEK_END)
            self.qrels: Qrels = read_qrels(Path(self.path).expanduser()) if whole else {}
            self._require_json(whole)
        except BaseException:
            self._file.close()
            raise
        self._starts: list[int] = []  # where the lines begin that were added

    def _lock(self) -> None:
        try:
            lock_file(self._file.fileno())
        except OSError as exc:
            raise InputError.make("file-in-use", f"another process writes to {self.path}") from exc

    def _end_last_line(self) -> None:
        """A last line that a kill has cut off goes; a whole one gets its end."""
        self._file.seek(0)
        content = self._file.read()
        start = content.rfind(b"\n") + 1
        last = content[start:]
        if not last.strip():
            return
        try:
            json.loads(last)
        except ValueError:
            if last.lstrip().startswith(b"{"):
                self._file.truncate(start)
            return
        self._write(b"\n")

    def _require_json(self, size: int) -> None:
        self._file.seek(0)
        if size and not self._file.read(4096).lstrip(b"\xef\xbb\xbf \r\n").startswith(b"{"):
            message = f"{self.path} has judgements of another form, and these are written as JSON Lines"
            raise InputError.make("usage", message, hint="another name; the file can be --qrels")

    def add(self, made: GivenJudgement) -> None:
        """Writes a judgement; once this is done, a kill does not take it. Raises `InputError`."""
        line = json.dumps(made.to_dict(), ensure_ascii=False) + "\n"
        self._starts.append(self._file.seek(0, os.SEEK_END))
        self._write(line.encode("utf-8", "surrogatepass"))

    def drop_last(self) -> None:
        """Takes the judgement back that was added last."""
        self._file.truncate(self._starts.pop())
        self._flush()

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._flush()
        except OSError as exc:
            raise InputError.make("file-unwritable", f"cannot write {self.path}: {reason(exc)}") from exc

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file, which frees it for others."""
        self._file.close()
