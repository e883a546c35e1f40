"""What `qql eval`, `bench` and `tune` have in common: pipelines, the queries they are asked, and tables."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qql.backends.base import Progress
from qql.cli.commands.connection import MEMORY, open_session, target_of
from qql.cli.commands.inputs import opened_output, params_of
from qql.cli.commands.options import REPORTS, Given
from qql.cli.render import ProgressBar, Renderer, json_text, sanitize, wants_color
from qql.cli.repl import UsageError, read_script
from qql.errors import Diagnostic, QQLError, QQLExecutionError, did_you_mean
from qql.evaluation.files import Query, read_queries
from qql.evaluation.pipelines import Pipeline
from qql.result import Result

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = [
    "FORMATS",
    "Question",
    "Section",
    "as_usage",
    "check_output",
    "constants_of",
    "located",
    "named",
    "needed",
    "opened_session",
    "pipelines_of",
    "questions_of",
    "read_questions",
    "said_once",
    "show",
]

FORMATS = REPORTS
_SUFFIXES = {".json": "json", ".jsonl": "jsonl", ".csv": "csv", ".md": "markdown"}


# ------------------------------------------------------------------------------------------- what is given


def needed(given: Given, *names: str) -> None:
    """Raises `UsageError` where an option or the pipelines are missing."""
    if not given.get("files"):
        raise UsageError.make("usage", "this command requires a pipeline: a file with one QUERY")
    for name in names:
        if name not in given:
            raise UsageError.make("usage", f"this command requires {given.flag(name)}")


@contextlib.contextmanager
def as_usage() -> Iterator[None]:
    """What is wrong with an argument, or with a file of figures that it names, is wrong usage."""
    try:
        yield
    except QQLExecutionError as exc:
        raise UsageError(*exc.diagnostics) from exc


def named(files: Sequence[str]) -> dict[str, str]:
    """Names to show for files, each with its file: what a file is called, its whole path where two agree."""
    stems = ["stdin" if file == "-" else Path(file.removesuffix(".gz")).stem or file for file in files]
    names = [file if stems.count(stem) > 1 else stem for file, stem in zip(files, stems, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise UsageError.make("usage", f"{name} is named twice")
    return dict(zip(names, files, strict=True))


def constants_of(given: Given) -> dict[str, Any]:
    """The parameters of ``--param``, which are the same for every query."""
    values = params_of(given)
    if isinstance(values, list):
        raise UsageError.make("usage", "a pipeline's parameters have names", hint="--param NAME=VALUE")
    return values


@contextlib.contextmanager
def opened_session(given: Given, console: Renderer) -> Iterator[tuple[Session, Progress]]:
    """A session on the database that is measured, after ``--setup``, and what is called with progress."""
    target = target_of(given)
    if given.get("setup") == "-":
        raise UsageError.make("usage", "--setup requires a file, and standard input is none")
    if target == MEMORY and "setup" not in given:
        hint = "--db DIR or --url URL names one; --setup FILE is a script that fills one in memory"
        raise UsageError.make("usage", "there is no database to measure", hint=hint)
    bars = ProgressBar(sys.stderr, color=console.err_color)
    shown = given.get("progress", sys.stderr.isatty())
    session = open_session(given, target, bars if shown else None, advice=False)
    try:
        if "setup" in given:
            script = Pipeline(session, read_script(given["setup"]), given["setup"])
            taken = script.taken(constants_of(given))
            for result in session.stream(script.text, taken or None, name=script.name):
                console.warn(result.warnings)
            bars.clear()
        yield session, bars if shown else _silent
    finally:
        bars.clear()
        session.close()


def _silent(what: str, done: int, total: int | None) -> None:
    """Shows no progress."""


def pipelines_of(
    given: Given, session: Session, files: Mapping[str, str], tried: Sequence[str] = ()
) -> dict[str, Pipeline]:
    """The pipelines by their names; ``tried`` are parameters that get their values elsewhere.

    Raises `QQLCompileError` for a script that is no pipeline, and `UsageError` for ``?`` and for a
    ``--param`` that neither a pipeline nor ``--setup`` has.
    """
    found = {
        name: Pipeline(session, read_script(file), "<stdin>" if file == "-" else file)
        for name, file in files.items()
    }
    constants = constants_of(given)
    used = set(tried)
    for pipeline in found.values():
        pipeline.check()
        if any(isinstance(key, int) for key in pipeline.parameters):
            hint = "write :query for the text of a query, and :name for the field `name` of its row"
            raise UsageError.make(
                "wrong-parameters", f"a parameter of {pipeline.name} is `?`, which has no name", hint=hint
            )
        used |= pipeline.taken(constants).keys()
    if "setup" in given:
        used |= Pipeline(session, read_script(given["setup"])).taken(constants).keys()
    for name in constants:
        if name not in used:
            known = [str(key) for one in found.values() for key in one.parameters]
            raise UsageError.make(
                "unknown-parameter", f"nothing has the parameter :{name}", hint=did_you_mean(name, known)
            )
    return found


def check_output(given: Given) -> None:
    """Raises `UsageError` where ``-o`` cannot be written, before much time is spent."""
    if "output" in given:
        path = Path(given["output"])
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError.make("file-unwritable", f"cannot write {path}")


# ------------------------------------------------------------------------------------------- queries


@dataclass(frozen=True, slots=True)
class Question:
    """One call of a pipeline: the query, whose id is empty where there is no file, and its parameters."""

    query: Query
    params: dict[str, Any] = field(hash=False)


def read_questions(given: Given) -> list[Query]:
    """The queries of ``--queries``, as many of them as are wanted."""
    with as_usage():
        return read_queries(given["queries"])[: given.get("limit_queries")]


def questions_of(
    given: Given, pipeline: Pipeline, queries: Sequence[Query], tried: Sequence[str] = ()
) -> list[Question]:
    """The queries with the values of the pipeline's parameters: fields of the row, and ``--param``.

    Raises `UsageError`: ``missing-parameter``, ``wrong-parameters`` (a value is given by both; or nothing
    depends on the query).
    """
    constants, roots = constants_of(given), dict[str, str]()
    fields = {name for query in queries for name in query.params}
    for key in map(str, pipeline.parameters):
        whole = key in fields or key in constants or key in tried
        roots[key] = key if whole else key.partition(".")[0]
    found = []
    for query in queries:
        place = f"{given['queries']}:{query.line}"
        for key, name in roots.items():
            if name in tried:
                continue
            if name in constants and name in query.params:
                message = f"{place}: the query {query.id!r} has a field `{name}`, and so has --param"
                raise UsageError.make("wrong-parameters", message, hint="rename one, or leave one out")
            if name not in constants and name not in query.params:
                message = f"{place}: the query {query.id!r} has no `{name}`, and {pipeline.name} has :{key}"
                hint = did_you_mean(name, query.params) or f"its fields are {', '.join(query.params)}"
                raise UsageError.make("missing-parameter", message, hint=hint)
        values = {**query.params, **constants}
        found.append(Question(query, {name: values[name] for name in roots.values() if name in values}))
    if found and not any(name in fields for name in roots.values()):
        hint = "write :query where the text of the query belongs"
        raise UsageError.make(
            "wrong-parameters", f"{pipeline.name} asks the same whatever the query is", hint=hint
        )
    return found


def located(error: QQLError, pipeline: str, question: Question, given: Given) -> QQLError:
    """The error with the query that it befell."""
    if not question.query.line:
        return error
    where = f"{pipeline}, query {question.query.id!r} ({given['queries']}:{question.query.line})"
    first, *more = error.diagnostics
    return type(error)(replace(first, message=f"{where}: {first.message}"), *more)


# ------------------------------------------------------------------------------------------- output


@dataclass(frozen=True, slots=True)
class Section:
    """A table with what stands above and below it."""

    title: str
    rows: list[dict[str, Any]]
    notes: tuple[str, ...] = ()
    text: str = ""


def show(
    given: Given,
    console: Renderer,
    sections: Sequence[Section],
    data: dict[str, Any],
    rows: list[dict[str, Any]],
) -> None:
    """Writes the result: ``sections`` for people, ``data`` as JSON, ``rows`` as jsonl and csv."""
    with opened_output(given) as file:
        suffix = Path(given.get("output", "")).suffix.lower()
        console.file = file
        console.format = given.get("format") or _SUFFIXES.get(suffix, "table")
        console.color = given.get("color", True) and wants_color(file)
        console.timing = False
        match console.format:
            case "json":
                console.put(json_text(data, ascii_only=console.ascii_only, indent=2))
            case "jsonl" | "csv":
                console.show(Result("rows", rows=rows))
            case _:
                for number, section in enumerate(sections):
                    _show_section(console, section, first=not number)


def _show_section(console: Renderer, section: Section, *, first: bool) -> None:
    marked = console.format == "markdown"
    if section.title:
        lead = () if first else ("",)
        title = sanitize(section.title)
        console.put(*lead, f"### {title}" if marked else title, *([""] if marked else ()))
    if section.rows:
        fresh = replace(console)  # a renderer puts an empty line between two tables; here it has its place
        fresh.show(Result("rows", rows=section.rows))
    if section.text:
        console.put(*(["```sql"] if marked else []), section.text.rstrip("\n"), *(["```"] if marked else []))
    for note in section.notes:
        console.put(*([""] if marked else ()), sanitize(note))


def said_once(warnings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The first warning of each kind."""
    return list({(one.code, one.severity): one for one in reversed(warnings)}.values())[::-1]
