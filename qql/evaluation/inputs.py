"""What an evaluation is given, as values, files or frames: queries, judgements, pipelines, measures."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, SupportsFloat, TypeAlias

from qql.compiler.frames import is_frame, rows_of
from qql.errors import QQLError, did_you_mean, shown
from qql.evaluation.faults import InputError, argument, whole_from
from qql.evaluation.files import (
    DOC_IDS,
    QUERY_IDS,
    RELEVANCES,
    SUBTOPICS,
    ClickQrels,
    Judgement,
    Judgements,
    Qrels,
    Query,
    Run,
    Scored,
    read_qrels,
    read_queries,
    read_run,
)
from qql.evaluation.files.qrels import collected_qrels, relevance_of
from qql.evaluation.files.queries import query_params
from qql.evaluation.measures import Measure, parse_measures
from qql.evaluation.pipelines import Pipeline
from qql.late import late_pattern
from qql.nodes.core import Node
from qql.records import dataclass
from qql.rest.types import Body
from qql.session.files import reason
from qql.syntax.parser import text_given

__all__ = [
    "Given",
    "PipelineLike",
    "Pipelines",
    "QrelsLike",
    "QueriesLike",
    "RunLike",
    "baseline_of",
    "is_run_file",
    "measures_of",
    "named_pipelines",
    "qrels_of",
    "queries_of",
]

QueriesLike: TypeAlias = str | os.PathLike[str] | Mapping[Any, Any] | Iterable[Any]
"""Queries: a file's name (see `read_queries`); id → text, or id → ``{parameter: value}``; texts, which are
called 1, 2, …; rows with an id (`QUERY_IDS`) and a text (``query`` or ``text``); a frame of such rows."""
QrelsLike: TypeAlias = str | os.PathLike[str] | Mapping[Any, Any] | Iterable[Any]
"""Judgements: a file's name (see `read_qrels`); query id → document id → relevance; query id → relevant
document ids; rows with `QUERY_IDS`, `DOC_IDS` and `RELEVANCES`, or a frame of such rows."""
RunLike: TypeAlias = Mapping[str, Sequence[Scored] | Sequence[str] | Mapping[str, float]]
"""Rankings that are there already: query id → documents, the best first, or document id → score."""
PipelineLike: TypeAlias = str | os.PathLike[str] | Node | Pipeline | RunLike
"""A pipeline: its text or tree, the `Path` of a script or of a TREC run file, a `Pipeline`, or rankings."""
Pipelines: TypeAlias = PipelineLike | Mapping[str, PipelineLike] | Sequence[PipelineLike]
"""One pipeline, several by their names, or several that are called by their files or ``pipeline 1``, …"""

_HEAD = 4096  # bytes of a file that tell whether it is a run
_RUN_LINE = late_pattern(r"\S+\s+\S+\s+\S+\s+[0-9]+\s+[-+0-9.eEinfINF]+\s+\S+")


# ------------------------------------------------------------------------------------------- queries


def queries_of(given: QueriesLike, limit: int | None = None) -> list[Query]:
    """The queries, at most ``limit`` of them. Raises `InputError`: ``bad-queries``, and what files raise."""
    whole_from(1, limit=limit)
    found = [*_queries(given)][:limit]
    ids = [one.id for one in found]
    if not found:
        raise InputError.make("bad-queries", "there are no queries")
    if len({*ids}) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise InputError.make("bad-queries", f"the query {twice!r} is there twice")
    return found


def _queries(given: QueriesLike) -> Iterator[Query]:
    if isinstance(given, (str, os.PathLike)):
        yield from read_queries(os.fspath(given))
    elif isinstance(given, Mapping):
        for key, value in given.items():
            row = value if isinstance(value, Mapping) else {"query": value}
            yield Query(_id(key, "bad-queries", "the id of a query"), query_params(row))
    else:
        for at, row in enumerate(_rows(given, "bad-queries", "queries"), 1):
            if isinstance(row, Query):
                yield row
            elif isinstance(row, str):
                yield Query(str(at), {"query": row})
            elif isinstance(row, Mapping):
                key = _field(row, QUERY_IDS, "bad-queries", f"query {at}", "an id")
                yield Query(_id(key, "bad-queries", f"the id of query {at}"), query_params(row))
            else:
                raise InputError.make("bad-queries", f"a query is a text or a mapping, not {shown(row)}")


# ------------------------------------------------------------------------------------------- judgements


def qrels_of(given: QrelsLike, queries: Sequence[Query] = ()) -> Qrels:
    """The judgements; ``queries`` are those that `read_qrels` takes.

    Raises `InputError`: ``bad-qrels``, and what files raise.
    """
    if isinstance(given, (str, os.PathLike)):
        return read_qrels(os.fspath(given), queries)
    if isinstance(given, ClickQrels):
        return given
    out = collected_qrels(_judgements(given), _bad_qrels)
    if not out:
        raise InputError.make("bad-qrels", "there are no judgements")
    return out


def _bad_qrels(message: str) -> NoReturn:
    raise InputError.make("bad-qrels", message)


def _judgements(given: Mapping[Any, Any] | Iterable[Any]) -> Iterator[Judgement]:
    if isinstance(given, Mapping):
        for key, judged in given.items():
            query = _id(key, "bad-qrels", "the id of a query")
            if isinstance(judged, (str, bytes)) or not isinstance(judged, Iterable):
                hint = "{query: {document: relevance}}, or {query: [relevant document, …]}"
                message = f"the judgements of the query {query!r} are {shown(judged)}"
                raise InputError.make("bad-qrels", message, hint=hint)
            pairs = judged.items() if isinstance(judged, Mapping) else ((doc, 1) for doc in judged)
            for doc, relevance in pairs:
                name = _id(doc, "bad-qrels", f"a document of the query {query!r}")
                if isinstance(judged, Judgements):
                    for subtopic, one in judged.subtopics[doc].items():
                        yield Judgement(query, name, one, subtopic)
                else:
                    yield Judgement(query, name, _relevance(relevance))
        return
    for at, row in enumerate(_rows(given, "bad-qrels", "judgements"), 1):
        if not isinstance(row, Mapping):
            raise InputError.make("bad-qrels", f"a judgement is a mapping, not {shown(row)}")
        place = f"judgement {at}"
        asked = _field(row, QUERY_IDS, "bad-qrels", place, "a query")
        doc = _field(row, DOC_IDS, "bad-qrels", place, "a document")
        relevance = _field(row, RELEVANCES, "bad-qrels", place, "a relevance")
        about = next((row[name] for name in SUBTOPICS if name in row), None)
        yield Judgement(
            _id(asked, "bad-qrels", f"the query of {place}"),
            _id(doc, "bad-qrels", f"the document of {place}"),
            _relevance(relevance),
            None if about is None else _id(about, "bad-qrels", f"the subtopic of {place}"),
        )


def _relevance(value: object) -> float:
    """A relevance as a plain number; those of numpy are none that JSON knows."""
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return relevance_of(value.__index__(), _bad_qrels)
    if isinstance(value, (float, SupportsFloat)) and not isinstance(value, (bool, str, bytes)):
        number = float(value)
        if math.isfinite(number):
            return relevance_of(number, _bad_qrels)
    _bad_qrels(f"the relevance {shown(value)} is not a number")


def _rows(given: Iterable[Any], code: str, what: str) -> Iterable[Any]:
    if is_frame(given):
        return rows_of(given)
    if isinstance(given, (bytes, bytearray)) or not isinstance(given, Iterable):
        message = f"{what} are a file's name, a mapping, rows or a frame, not {shown(given)}"
        raise InputError.make(code, message)
    return given


def _field(row: Body, names: Sequence[str], code: str, place: str, what: str) -> object:
    name = next((name for name in names if name in row), None)
    if name is None:
        hint = f"{what} is the value of {', '.join(names)}"
        raise InputError.make(code, f"{place} has no {what.split()[-1]}", hint=hint)
    return row[name]


def _id(value: object, code: str, what: str) -> str:
    """An id as text; integers (of numpy too) become their digits."""
    if isinstance(value, str) and value:
        return str(value)
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return str(value.__index__())
    raise InputError.make(code, f"{what} is {shown(value)}, which is neither a text nor an integer")


# ------------------------------------------------------------------------------------------- pipelines


@dataclass(frozen=True, slots=True)
class Given:
    """A pipeline as it was given: a text, a `Pipeline`, or rankings; ``file`` is what it was read from."""

    name: str
    file: str
    text: str = ""
    pipeline: Pipeline | None = None
    run: Run | None = None


def named_pipelines(given: Pipelines) -> dict[str, Given]:
    """The pipelines by the names that are shown for them.

    Raises `InputError`: ``usage`` (none, or two of one name), ``file-unreadable``, ``file-encoding``,
    ``bad-run``; and `QQLPlanError` for what is no pipeline at all.
    """
    pairs: list[tuple[str, Any]]
    if isinstance(given, Mapping) and not _is_run(given):
        pairs = [(str(name), one) for name, one in given.items()]
    elif isinstance(given, (str, os.PathLike, Node, Pipeline, Mapping)):
        pairs = [(_name_of(given) or "pipeline", given)]
    elif isinstance(given, Iterable):
        pairs = [(_name_of(one) or f"pipeline {at}", one) for at, one in enumerate(given, 1)]
    else:
        raise _no_pipeline(given)
    names = [name for name, _ in pairs]
    if not pairs:
        raise InputError.make("usage", "there is no pipeline")
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError.make("usage", f"{twice} is named twice", hint="a mapping gives pipelines names")
    return {name: _given(name, one) for name, one in pairs}


def _name_of(given: object) -> str:
    if isinstance(given, os.PathLike):
        return Path(os.fspath(given).removesuffix(".gz")).stem
    return Path(given.name).stem if isinstance(given, Pipeline) and given.name != "<string>" else ""


def _is_run(given: Mapping[Any, Any]) -> bool:
    """Whether a mapping is a run: what its keys lead to are rankings."""
    return bool(given) and all(
        isinstance(one, (list, tuple)) or (isinstance(one, Mapping) and _is_scores(one))
        for one in given.values()
    )


def _is_scores(given: Mapping[Any, Any]) -> bool:
    return all(isinstance(score, (int, float)) for score in given.values())


def _given(name: str, one: Any) -> Given:
    if isinstance(one, Pipeline):
        return Given(name, one.name, pipeline=one)
    if isinstance(one, os.PathLike):
        file = os.fspath(one)
        return (
            Given(name, file, run=read_run(file)) if is_run_file(file) else Given(name, file, _text_of(file))
        )
    if isinstance(one, Mapping):
        return Given(name, name, run=_run_of(one))
    if not isinstance(one, (str, Node)):
        raise _no_pipeline(one)
    tree: Any = one
    return Given(name, name, text_given(tree))


def _no_pipeline(given: object) -> QQLError:
    hint = "its text, a tree, the `Path` of a script or of a run file, or query → documents"
    return InputError.make("usage", f"a pipeline is no {type(given).__name__}: {shown(given)}", hint=hint)


def _run_of(given: RunLike) -> Run:
    out: Run = {}
    for query, ranking in given.items():
        if isinstance(ranking, Mapping):
            pairs = sorted(ranking.items(), key=lambda pair: (pair[1], str(pair[0])), reverse=True)
            out[str(query)] = [Scored(str(doc), float(score)) for doc, score in pairs]
        else:
            out[str(query)] = [one if isinstance(one, Scored) else Scored(str(one)) for one in ranking]
    return out


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        raise InputError.make("file-unreadable", f"cannot read {file}: {reason(exc)}") from exc


def is_run_file(file: str) -> bool:
    """Whether a file is a TREC run: by its name if that is a script's or gzipped, else by its first line.

    Raises `InputError` ``file-unreadable``.
    """
    if file == "-" or file.endswith(".qql") or not Path(file).is_file():  # a pipe can be read once only
        return False
    if file.endswith(".gz"):
        return True
    try:
        with Path(file).open("rb") as lines:
            first = next((line for line in lines.read(_HEAD).splitlines() if line.strip()), b"")
    except (OSError, ValueError) as exc:
        raise InputError.make("file-unreadable", f"cannot read {file}: {reason(exc)}") from exc
    return _RUN_LINE.fullmatch(first.decode("utf-8-sig", "replace").strip()) is not None


def measures_of(given: str | Measure | Iterable[str | Measure]) -> tuple[Measure, ...]:
    """The measures; texts may hold several, separated by spaces or commas outside of parentheses.

    Raises `InputError`: ``usage`` for none, ``unknown-measure``, ``bad-measure``.
    """
    several = (given,) if isinstance(given, (str, Measure)) or not isinstance(given, Iterable) else [*given]
    out: list[Measure] = []
    for one in several:
        if isinstance(one, Measure):
            out.append(one)
        elif not isinstance(one, str):
            message = f"{argument('measures')} takes names, as nDCG@10, not {shown(one)}"
            raise InputError.make("bad-measure", message)
        else:
            out += parse_measures(re.findall(r"(?:\([^)]*\)|[^\s,(])+", one))
    if not out:
        raise InputError.make("usage", f"{argument('measures')} requires a value, found an empty one")
    return tuple(dict.fromkeys(out))


def baseline_of(files: Mapping[str, str], baseline: str | None) -> str | None:
    """The name of the baseline, of pipelines and their files; it may be given as its file.

    Raises `InputError` ``usage``.
    """
    for name, file in files.items():
        if baseline in (name, file):
            return name
    if baseline is not None:
        hint = did_you_mean(baseline, files) or f"they are called {', '.join(files)}"
        raise InputError.make("usage", f"{argument('baseline')} names no pipeline: {baseline}", hint=hint)
    return None
