"""Files of runs: the rankings that a system gave, as TREC writes them."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from qql.errors import QQLExecutionError, fail, many
from qql.evaluation.files.lines import LineReader
from qql.packed_files import packed
from qql.records import NamedTuple
from qql.session.files import reason

__all__ = ["Run", "Scored", "read_run", "run_lines", "write_run"]


class Scored(NamedTuple):
    """A document of a ranking, with the engine's score (None where nothing was scored)."""

    doc: str
    score: float | None = None


Run = dict[str, list[Scored]]
"""Query id → its documents, the best first."""


def read_run(path: str | Path) -> Run:
    """The rankings of a TREC run file, in trec_eval's order: score descending, then document id descending.

    The column ``rank`` is not read, as trec_eval does not read it; scores are compared as 32-bit floats,
    as there. Raises `InputError`: ``file-unreadable``, ``file-encoding``, ``bad-run``.
    """
    file = LineReader(path, "bad-run")
    run: dict[str, dict[str, float]] = {}
    with file:
        for line in file:
            cells = line.split()
            if len(cells) != 6:
                file.fail(
                    f"{many(len(cells), 'column')} instead of 6",
                    "a line of a TREC run is `query Q0 document rank score tag`",
                )
            query, _, doc, _, text, _ = cells
            scores = run.setdefault(query, {})
            if doc in scores:
                file.fail(f"the document {doc!r} is there twice for the query {query!r}")
            scores[doc] = _read_score(file, text)
    return {
        query: [Scored(doc, scores[doc]) for doc in sorted(scores, key=_trec_order(scores), reverse=True)]
        for query, scores in run.items()
    }


def _trec_order(scores: Mapping[str, float]) -> Callable[[str], tuple[float, str]]:
    def key(doc: str) -> tuple[float, str]:
        return _as_float32(scores[doc]), doc

    return key


def _read_score(file: LineReader, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        file.fail(f"the score {text[:40]!r} is not a number")
    return value


def write_run(path: str | Path, run: Mapping[str, Sequence[Scored]], tag: str = "qql") -> None:
    """Write a TREC run file, compressed where its name ends in ``.gz``, ``.xz`` or ``.bz2``; see `run_lines`.

    The file appears whole: it is written beside its place first. Raises `QQLExecutionError`:
    ``file-unwritable``, ``bad-run``.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as raw, packed(raw, path.name) as file:
            file.writelines(line.encode() + b"\n" for line in run_lines(run, tag))
        part.replace(path)
    except (OSError, ValueError) as exc:
        message = f"the file {path} cannot be written: {reason(exc)}"
        raise QQLExecutionError.make("file-unwritable", message) from exc
    finally:
        if part.exists():
            part.unlink()


def run_lines(run: Mapping[str, Sequence[Scored]], tag: str = "qql") -> Iterator[str]:
    """The lines of a TREC run file: ``query Q0 document rank score tag``, ranks counted from 1.

    trec_eval ranks by score alone, compares scores as 32-bit floats, and puts equal ones in descending order
    of document id. So that it sees the engine's ranking, written scores fall strictly from rank to rank: one
    that does not is lowered to the next 32-bit float below the one before it. Where the scores do not
    descend (a distance, ORDER BY, no scores at all), ``-rank`` is written instead.

    Raises `QQLExecutionError` ``bad-run`` for an id or a tag that is empty or holds whitespace, and for a
    document that is in a ranking twice.
    """
    _check_column(tag, "the tag")
    for query, ranking in run.items():
        _check_column(query, "the query")
        if len({hit.doc for hit in ranking}) < len(ranking):
            fail(
                "bad-run",
                f"a document is there twice in the ranking of the query {query!r}",
                error=QQLExecutionError,
            )
        scores = _falling_scores([hit.score for hit in ranking])
        for rank, (hit, score) in enumerate(zip(ranking, scores, strict=True), 1):
            _check_column(hit.doc, "the document")
            yield f"{query} Q0 {hit.doc} {rank} {score:.9g} {tag}"


def _check_column(text: str, what: str) -> None:
    # What was not UTF-8 (in an argument, say) is in a string as surrogates, and cannot be written.
    if text.split() != [text] or any("\ud800" <= char <= "\udfff" for char in text):
        fail(
            "bad-run",
            f"{what} {text!r} cannot be in a TREC run file, whose columns are separated by whitespace",
            error=QQLExecutionError,
        )


_LEAST_FLOAT32 = -3.4028234663852886e38  # the lowest finite 32-bit float


def _falling_scores(scores: Sequence[float | None]) -> Iterable[float]:
    given = [_as_float32(score) for score in scores if score is not None]
    if len(given) < len(scores) or not all(map(math.isfinite, given)):
        return _negative_ranks(scores)
    if any(later > earlier for earlier, later in pairwise(given)):
        return _negative_ranks(scores)
    for place in range(1, len(given)):
        if given[place] >= given[place - 1]:
            if given[place - 1] == _LEAST_FLOAT32:
                return _negative_ranks(scores)
            given[place] = _float32_below(given[place - 1])
    return given


def _negative_ranks(scores: Sequence[float | None]) -> Iterable[float]:
    return (-float(rank) for rank in range(1, len(scores) + 1))


def _as_float32(value: float) -> float:
    """The nearest 32-bit float; what is beyond their range is infinite."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _float32_below(value: float) -> float:
    """The largest 32-bit float below a finite one. As integers, the floats of one sign are in order."""
    if value == 0:
        return -float(struct.unpack("<f", b"\x01\0\0\0")[0])
    bits = struct.unpack("<i", struct.pack("<f", value))[0]
    return float(struct.unpack("<f", struct.pack("<i", bits - 1 if value > 0 else bits + 1))[0])
