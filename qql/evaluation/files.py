"""Queries, judgements (qrels) and runs as files: BEIR, TREC and JSON Lines, plain or gzipped, UTF-8.

What a file is, its first line says: one that begins with ``{`` is JSON Lines, the rest is text in columns.
Blank lines are skipped. Ids are strings, integers in JSON become their digits. The first fault ends the
reading with a `QQLExecutionError` that names the file and the line, since figures of half a file mislead.

**Queries.** JSON Lines: an object a query, with its id under one of `QUERY_IDS`. Columns:
``id<TAB>text`` (TREC topics), or a header line that begins with one of these names and names every column.

**Judgements.** TREC: ``query iteration document relevance``, separated by whitespace. BEIR:
``query-id<TAB>corpus-id<TAB>score``; the header line may be missing. JSON Lines: objects with one name each
of `QUERY_IDS`, `DOC_IDS` and `RELEVANCES`. Relevance is an integer; 0 and below is judged and not relevant.

**Runs.** TREC: ``query Q0 document rank score tag``.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn, cast

from qql.errors import QQLExecutionError

__all__ = [
    "DOC_IDS",
    "LONGEST",
    "MOST_RELEVANT",
    "QUERY_IDS",
    "QUERY_TEXTS",
    "RELEVANCES",
    "Qrels",
    "Query",
    "Run",
    "Scored",
    "read_qrels",
    "read_queries",
    "read_run",
    "run_lines",
    "write_run",
]

LONGEST = 64 * 1024 * 1024
"""Bytes of a line, at most."""
MOST_RELEVANT = 1000
"""The largest relevance; ``2^relevance``, the gain of ``dcg='exp-log2'``, has to be a float."""
QUERY_IDS = ("_id", "id", "query_id", "query-id", "qid")
"""Names of a query's id in files of queries and judgements; the first that is there counts."""
QUERY_TEXTS = ("query", "text")
"""Names of a query's text; the first that is there is the parameter ``:query``."""
DOC_IDS = ("doc_id", "doc-id", "corpus_id", "corpus-id", "docid", "document", "doc")
"""Names of a judged document's id."""
RELEVANCES = ("relevance", "score", "rel", "label")
"""Names of a judgement's relevance."""

Qrels = dict[str, dict[str, int]]
"""Query id → document id → relevance."""


class Scored(NamedTuple):
    """A document of a ranking, with the engine's score (None where nothing was scored)."""

    doc: str
    score: float | None = None


Run = dict[str, list[Scored]]
"""Query id → its documents, the best first."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query: ``params`` has its text as ``query``, and each other field of its row under its own name.

    The id is among them too, under the name that the file gives it and with the value as it is there.
    """

    id: str
    params: dict[str, Any] = field(hash=False)
    line: int = field(default=0, compare=False)


# -- reading


def read_queries(path: str | Path) -> list[Query]:
    """The queries of a file, in its order.

    Raises `QQLExecutionError`: ``file-unreadable``, ``file-encoding``, ``bad-queries``.
    """
    file = _File(path, "bad-queries")
    with file:
        first = file.peek()
        queries = list(_json_queries(file) if first.startswith("{") else _column_queries(file, first))
    seen: set[str] = set()
    for query in queries:
        if query.id in seen:
            file.line = query.line
            file.fail(f"the query {query.id!r} is there twice")
        seen.add(query.id)
    if not queries:
        file.fail("it has no queries")
    return queries


def read_qrels(path: str | Path) -> Qrels:
    """The judgements of a file; queries and documents are in its order.

    Raises `QQLExecutionError`: ``file-unreadable``, ``file-encoding``, ``bad-qrels``.
    """
    file = _File(path, "bad-qrels")
    qrels: Qrels = {}
    with file:
        first = file.peek()
        for query, doc, relevance in (
            _json_qrels(file) if first.startswith("{") else _column_qrels(file, first)
        ):
            judged = qrels.setdefault(query, {})
            if doc in judged:
                file.fail(f"the document {doc!r} of the query {query!r} is judged twice")
            judged[doc] = relevance
    if not qrels:
        file.fail("it has no judgements")
    return qrels


def read_run(path: str | Path) -> Run:
    """The rankings of a TREC run file, in trec_eval's order: score descending, then document id descending.

    The column ``rank`` is not read, as trec_eval does not read it; scores are compared as 32-bit floats,
    as there. Raises `QQLExecutionError`: ``file-unreadable``, ``file-encoding``, ``bad-run``.
    """
    file = _File(path, "bad-run")
    run: dict[str, dict[str, float]] = {}
    with file:
        for line in file:
            cells = line.split()
            if len(cells) != 6:
                file.fail(
                    f"{len(cells)} columns instead of 6",
                    "a line of a TREC run is `query Q0 document rank score tag`",
                )
            query, _, doc, _, text, _ = cells
            scores = run.setdefault(query, {})
            if doc in scores:
                file.fail(f"the document {doc!r} is there twice for the query {query!r}")
            scores[doc] = _score(file, text)
    return {
        query: [Scored(doc, scores[doc]) for doc in sorted(scores, key=_order(scores), reverse=True)]
        for query, scores in run.items()
    }


def _order(scores: Mapping[str, float]) -> Callable[[str], tuple[float, str]]:
    def key(doc: str) -> tuple[float, str]:
        return _as_single(scores[doc]), doc

    return key


def _score(file: _File, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        file.fail(f"the score {text[:40]!r} is not a number")
    return value


def _json_queries(file: _File) -> Iterator[Query]:
    for row in file.objects():
        id_name, value = _named(file, row, QUERY_IDS, "an id")
        yield Query(_id(file, id_name, value), _params(row), file.line)


def _column_queries(file: _File, first: str) -> Iterator[Query]:
    head = [name.strip() for name in first.split("\t")]
    if head[0].lower() not in QUERY_IDS:
        head = [QUERY_IDS[0], QUERY_TEXTS[0]]
    elif len(set(head)) < len(head):
        file.fail("two columns of the header have the same name")
    else:
        next(file)
    for line in file:
        cells = line.split("\t")
        if len(cells) != len(head):
            file.fail(
                f"{len(cells)} columns instead of {len(head)}", "a line of queries is `id<TAB>text`, or JSON"
            )
        row = dict(zip(head, map(str.strip, cells), strict=True))
        yield Query(_id(file, head[0], row[head[0]]), _params(row), file.line)


def _params(row: dict[str, Any]) -> dict[str, Any]:
    text = next((name for name in QUERY_TEXTS if name in row), None)
    return {"query" if name == text else name: value for name, value in row.items()}


def _json_qrels(file: _File) -> Iterator[tuple[str, str, int]]:
    for row in file.objects():
        query_name, query = _named(file, row, QUERY_IDS, "a query")
        doc_name, doc = _named(file, row, DOC_IDS, "a document")
        _, relevance = _named(file, row, RELEVANCES, "a relevance")
        yield _id(file, query_name, query), _id(file, doc_name, doc), _relevance(file, relevance)


def _column_qrels(file: _File, first: str) -> Iterator[tuple[str, str, int]]:
    tabbed = len(first.split("\t")) == 3
    places = (0, 1, 2) if tabbed else (0, 2, 3)
    wanted = 3 if tabbed else 4
    if tabbed and first.split("\t")[0].strip().lower() in QUERY_IDS:
        next(file)
    for line in file:
        cells = [cell.strip() for cell in line.split("\t")] if tabbed else line.split()
        if len(cells) != wanted:
            file.fail(
                f"{len(cells)} columns instead of {wanted}",
                "a line is `query 0 document relevance` (TREC) or `query<TAB>document<TAB>relevance` (BEIR)",
            )
        query, doc, relevance = (cells[place] for place in places)
        yield _id(file, "query", query), _id(file, "document", doc), _relevance(file, relevance)


def _named(file: _File, row: dict[str, Any], names: Sequence[str], what: str) -> tuple[str, Any]:
    name = next((name for name in names if name in row), None)
    if name is None:
        file.fail(f"it has no {what.split()[-1]}", f"{what} is the value of {', '.join(names)}")
    return name, row[name]


def _id(file: _File, name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        file.fail(f"`{name}` is neither a string nor an integer")
    if not value:
        file.fail(f"`{name}` is empty")
    return value


_WHOLE = re.compile(r"[+-]?[0-9]{1,9}(\.0*)?", re.ASCII)


def _relevance(file: _File, value: Any) -> int:
    text = json.dumps(value) if not isinstance(value, str) else value
    if not _WHOLE.fullmatch(text):
        file.fail(f"the relevance {text[:40]} is not an integer")
    number = int(text.partition(".")[0])
    if abs(number) > MOST_RELEVANT:
        file.fail(f"the relevance {number} is outside of -{MOST_RELEVANT} to {MOST_RELEVANT}")
    return number


class _File:
    """The lines of a file as text, blank ones left out, with the number of the last one read."""

    def __init__(self, path: str | Path, code: str) -> None:
        self.path = Path(path)
        self.line = 0
        self._code = code
        self._open = ExitStack()

    def __enter__(self) -> _File:
        try:
            raw = self._open.enter_context(self.path.open("rb"))
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
        except (OSError, ValueError) as exc:
            self._open.close()
            raise self._unreadable(exc) from exc
        # A GzipFile over a file that is open already needs no closing of its own.
        source = cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb")) if packed else raw
        self._lines = self._read(source)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.line, line = next(self._lines)
        return line

    def peek(self) -> str:
        """The first line that is not blank, which stays to be read; "" where there is none."""
        first = next(self._lines, None)
        if first is None:
            return ""
        self.line = first[0]
        self._lines = chain([first], self._lines)
        if first[1].startswith("["):
            self.fail(
                "a JSON array, and not one object a line", "`jq -c '.[]' file.json > file.jsonl` converts it"
            )
        if first[1].startswith("<"):
            self.fail("a file in XML or SGML", "its topics are read as lines of `id<TAB>text`")
        return first[1]

    def objects(self) -> Iterator[dict[str, Any]]:
        """Each line as a JSON object."""
        for line in self:
            try:
                row = _JSON.decode(line)
            except (ValueError, RecursionError) as exc:
                reason = "it nests too deep" if isinstance(exc, RecursionError) else str(exc)
                raise self.fault(f"not JSON: {reason}") from exc
            if not isinstance(row, dict):
                self.fail("not a JSON object")
            yield row

    def fault(self, why: str, hint: str | None = None) -> Exception:
        place = f"{self.path}:{self.line}" if self.line else f"the file {self.path}"
        return QQLExecutionError.make(self._code, f"{place}: {why}", hint=hint)

    def fail(self, why: str, hint: str | None = None) -> NoReturn:
        raise self.fault(why, hint)

    def _read(self, source: IO[bytes]) -> Iterator[tuple[int, str]]:
        number = 0
        try:
            while line := source.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    self.line = number
                    self.fail(f"the line is longer than {LONGEST >> 20} MiB")
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n ")
                if text.strip():
                    yield number, text
        except (OSError, EOFError, zlib.error) as exc:
            raise self._unreadable(exc) from exc
        except UnicodeDecodeError as exc:
            raise QQLExecutionError.make(
                "file-encoding", f"{self.path}:{number}: not UTF-8 text (byte {exc.start + 1} of the line)"
            ) from exc

    def _unreadable(self, exc: Exception) -> Exception:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return QQLExecutionError.make("file-unreadable", f"the file {self.path} cannot be read: {reason}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key `{twice}` is there twice")
    return made


def _constant(name: str) -> NoReturn:
    raise ValueError(f"there is no {name} in JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


# -- writing


def write_run(path: str | Path, run: Mapping[str, Sequence[Scored]], tag: str = "qql") -> None:
    """Write a TREC run file, gzipped where the name ends in ``.gz``; see `run_lines`.

    The file appears whole: it is written beside its place first. Raises `QQLExecutionError`:
    ``file-unwritable``, ``bad-run``.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        # A gzip header without a time: the same run is the same file.
        with part.open("wb") as raw:
            if path.name.endswith(".gz"):
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                    packed.writelines(line.encode() + b"\n" for line in run_lines(run, tag))
            else:
                raw.writelines(line.encode() + b"\n" for line in run_lines(run, tag))
        part.replace(path)
    except OSError as exc:
        raise QQLExecutionError.make(
            "file-unwritable", f"the file {path} cannot be written: {exc.strerror or exc}"
        ) from exc
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
    _check_word(tag, "the tag")
    for query, ranking in run.items():
        _check_word(query, "the query")
        if len({hit.doc for hit in ranking}) < len(ranking):
            raise QQLExecutionError.make(
                "bad-run", f"a document is there twice in the ranking of the query {query!r}"
            )
        for rank, (hit, score) in enumerate(
            zip(ranking, _falling([h.score for h in ranking]), strict=True), 1
        ):
            _check_word(hit.doc, "the document")
            yield f"{query} Q0 {hit.doc} {rank} {score:.9g} {tag}"


def _check_word(text: str, what: str) -> None:
    # What was not UTF-8 (in an argument, say) is in a string as surrogates, and cannot be written.
    if text.split() != [text] or any("\ud800" <= char <= "\udfff" for char in text):
        raise QQLExecutionError.make(
            "bad-run",
            f"{what} {text!r} cannot be in a TREC run file, whose columns are separated by whitespace",
        )


_LEAST = -3.4028234663852886e38  # the lowest finite 32-bit float


def _falling(scores: Sequence[float | None]) -> Iterable[float]:
    given = [_as_single(score) for score in scores if score is not None]
    if len(given) < len(scores) or not all(map(math.isfinite, given)):
        return _by_rank(scores)
    if any(later > earlier for earlier, later in pairwise(given)):
        return _by_rank(scores)
    for place in range(1, len(given)):
        if given[place] >= given[place - 1]:
            if given[place - 1] == _LEAST:
                return _by_rank(scores)
            given[place] = _next_below(given[place - 1])
    return given


def _by_rank(scores: Sequence[float | None]) -> Iterable[float]:
    return (-float(rank) for rank in range(1, len(scores) + 1))


def _as_single(value: float) -> float:
    """The nearest 32-bit float; what is beyond their range is infinite."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _next_below(value: float) -> float:
    """The largest 32-bit float below a finite one. As integers, the floats of one sign are in order."""
    if value == 0:
        return -float(struct.unpack("<f", b"\x01\0\0\0")[0])
    bits = struct.unpack("<i", struct.pack("<f", value))[0]
    return float(struct.unpack("<f", struct.pack("<i", bits - 1 if value > 0 else bits + 1))[0])
