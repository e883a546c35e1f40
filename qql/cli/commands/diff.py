"""`qql diff`: two pipelines, or one on two databases, side by side."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qql
from qql.cli.commands.connection import open_session, target_of
from qql.cli.commands.judgements import check_sort, load_qrels, measures_of
from qql.cli.commands.options import SERVER, Arguments
from qql.cli.commands.pipelines import (
    constants_of,
    load_queries,
    open_measured_session,
    options_named,
    pipelines_of,
    taken_by,
)
from qql.cli.commands.report import IDS_ELSEWHERE, check_output, show_report, without_bare_ids
from qql.cli.render import Renderer, sanitize
from qql.cli.usage import UsageError
from qql.evaluation.comparing import compare
from qql.evaluation.comparison import Comparison, Survey
from qql.evaluation.inputs import is_run_file
from qql.evaluation.judged_comparison import sorted_rows
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.rankings import DEFAULT_PERSISTENCE
from qql.evaluation.sections import Section
from qql.records import replace

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.evaluation.files import Query
    from qql.evaluation.judged_comparison import JudgedComparison
    from qql.evaluation.measures import Measure
    from qql.session.session import Session

__all__ = ["diff", "hits_section"]

_SECOND_DATABASE = {"url_b": "url", "db_b": "db"}
_OF_FIRST = ("url", "db", *SERVER)


def diff(args: Arguments, console: Renderer) -> int:
    """The exit code is 0 where results differ, and 1 then with ``--exit-code``."""
    _check_diff(args)
    measures = _judging(args)
    check_output(args)
    queries = load_queries(args) if "queries" in args else None
    if measures is not None and all(is_run_file(file) for file in args["files"]):
        return _judged(
            args, console, compare(*map(Path, args["files"]), **_judgements(args, queries, measures)), []
        )
    with (
        open_measured_session(args, console) as (session, progress),
        _second_session(args, session) as other,
    ):
        if measures is not None:
            return _judged(args, console, *_ask_judged(args, session, other, queries, measures, progress))
        a, b = _pipelines(args, session, other)
        found = compare(
            a,
            b,
            session,
            queries=queries,
            params=taken_by({"a": a, "b": b}, constants_of(args)),
            depth=args.get("depth"),
            p=args.get("rbo_p", DEFAULT_PERSISTENCE),
            progress=progress,
        )
    changes = _text_diff(a, b)
    show_report(
        args,
        console,
        _diff_sections(found, changes, args, console),
        {"diff": changes, **found.to_dict()},
        found.rows(),
    )
    console.warn(found.notes)
    return 1 if "exit_code" in args and not found.same else 0


# ------------------------------------------------------------------------------------ with judgements


def _judging(args: Arguments) -> tuple[Measure, ...] | None:
    """The measures, where there are judgements. Raises `UsageError` for options that need them."""
    if "qrels" in args:
        for name in ("depth", "rbo_p"):
            if name in args:
                hint = "a measure looks as deep as its cutoff: --measures nDCG@10"
                raise UsageError.make("usage", f"{args.flag(name)} has no meaning with --qrels", hint=hint)
        if "queries" not in args:
            raise UsageError.make("usage", "--qrels requires --queries, whose answers are judged")
        measures = measures_of(args)
        check_sort(args, measures, several=True)
        return measures
    for name in ("measures", "doc_id", "per_query", "sort"):
        if name in args:
            raise UsageError.make("usage", f"{args.flag(name)} has no meaning without --qrels")
    return None


def _judgements(
    args: Arguments, queries: Sequence[Query] | None, measures: Sequence[Measure]
) -> dict[str, Any]:
    given = {"qrels": load_qrels(args, queries or ()), "queries": queries, "measures": measures}
    return given | {"doc_id": args.get("doc_id"), "limit": args.get("limit_queries")}


def _ask_judged(
    args: Arguments,
    session: Session,
    other: Session,
    queries: Sequence[Query] | None,
    measures: Sequence[Measure],
    progress: Progress,
) -> tuple[JudgedComparison, list[str]]:
    """The comparison of pipelines, of which one may be a run, and the difference of their texts."""
    runs = [is_run_file(file) for file in args["files"]]
    sides: list[Any]
    changes: list[str] = []
    if any(runs):
        (script,) = (file for file, is_run in zip(args["files"], runs, strict=True) if not is_run)
        (one,) = pipelines_of(args, session, {"a": script}).values()
        sides = [Path(file) if is_run else one for file, is_run in zip(args["files"], runs, strict=True)]
        constants = taken_by({"a": one}, constants_of(args))
    else:
        a, b = _pipelines(args, session, other)
        sides, changes = [a, b], _text_diff(a, b)
        constants = taken_by({"a": a, "b": b}, constants_of(args))
    more = _judgements(args, queries, measures)
    return compare(*sides, params=constants, progress=progress, **more), changes


def _judged(args: Arguments, console: Renderer, found: JudgedComparison, changes: list[str]) -> int:
    sections = found.sections()
    rows = found.rows()
    with options_named(args):
        rows = sorted_rows(rows, args["sort"], found.measures, " B") if "sort" in args else rows
    if "per_query" in args:
        at = len(sections) - (found.outcome.stamp is not None)
        sections.insert(at, Section("Each query", rows))
    text = "\n".join(map(sanitize, changes))
    sections = [*([Section("the texts", [], text=text)] if changes else []), *sections]
    show_report(args, console, sections, {"diff": changes, **found.to_dict()}, rows)
    console.warn(found.notes)
    return 1 if "exit_code" in args and not found.same else 0


# ------------------------------------------------------------------------------------ comparison


def _check_diff(args: Arguments) -> None:
    """Raises `UsageError` unless there are two things to compare."""
    files = args.get("files") or []
    if "url_b" in args and "db_b" in args:
        raise UsageError.make("usage", "--url-b and --db-b exclude each other")
    second = next((name for name in _SECOND_DATABASE if name in args), None)
    if second and "setup" in args:
        hint = "`qql run` prepares a database before"
        raise UsageError.make("usage", f"--setup and {args.flag(second)} exclude each other", hint=hint)
    if not (1 if second else 2) <= len(files) <= 2:
        expected = "one pipeline or two" if second else "two pipelines"
        hint = "one pipeline on two databases: --db-b DIR or --url-b URL names the second"
        raise UsageError.make("usage", f"diff compares {expected}, found {len(files) or 'none'}", hint=hint)
    if files.count("-") > 1:
        raise UsageError.make("usage", "standard input can be read only once")


@contextlib.contextmanager
def _second_session(args: Arguments, first: Session) -> Iterator[Session]:
    """The session of B: the first one, or one on what ``--url-b`` or ``--db-b`` names."""
    name = next((name for name in _SECOND_DATABASE if name in args), None)
    if name is None:
        yield first
        return
    # Neither the key nor the settings of the first server are the second's.
    kept = {key: value for key, value in args.items() if key not in _OF_FIRST}
    other = Arguments({**kept, _SECOND_DATABASE[name]: args[name]})
    if target_of(other) == target_of(args):
        raise UsageError.make("usage", f"{args.flag(name)} names the database that A runs on")
    with open_session(other, target_of(other), None, advice=False) as session:
        yield session


def _pipelines(args: Arguments, session: Session, other: Session) -> tuple[Pipeline, Pipeline]:
    files = dict(zip("ab", args["files"], strict=False))
    a, *more = pipelines_of(args, session, files).values()
    b = more[0] if more else a
    return a, Pipeline(other, b.text, b.name)


# ------------------------------------------------------------------------------------ report


def _text_diff(a: Pipeline, b: Pipeline) -> list[str]:
    """The difference of the two texts in their canonical spelling, as ``diff -u`` shows it."""
    one, other = (qql.format(pipeline.text, name=pipeline.name).splitlines() for pipeline in (a, b))
    return list(difflib.unified_diff(one, other, a.name, b.name, lineterm=""))


def _diff_sections(
    found: Comparison | Survey, changes: list[str], args: Arguments, console: Renderer
) -> list[Section]:
    text = "\n".join(map(sanitize, changes))
    sections = [Section("the texts", [], text=text)] if changes else []
    if isinstance(found, Survey):
        return [*sections, *found.sections()]
    return [*sections, hits_section(found, console, _table_width(args, console))]


def hits_section(found: Comparison, console: Renderer, width: int | None) -> Section:
    """Which hits moved, and the measures, for people; ``width`` is that of the table (None: no limit)."""
    (hits,) = found.sections()
    readable = [{**row, "move": _ascii_move(row["move"], console)} for row in hits.rows]
    fitting = without_bare_ids(readable, width)
    elsewhere = (IDS_ELSEWHERE,) if readable and "id" not in fitting[0] else ()
    return replace(hits, rows=fitting, notes=(*hits.notes, *elsewhere))


def _table_width(args: Arguments, console: Renderer) -> int | None:
    """How wide a table may be; None where it goes to a file, or is no table of boxes."""
    drawn = args.get("format", "table") == "table" and "output" not in args
    return console.line_width if drawn else None


def _ascii_move(move: str, console: Renderer) -> str:
    return move.replace("↑", "+").replace("↓", "-") if console.ascii_only else move
