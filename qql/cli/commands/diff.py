"""`qql diff`: two pipelines, or one on two databases, side by side."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import qql
from qql.backends.base import Progress, Work
from qql.cli.commands.connection import open_session, target_of
from qql.cli.commands.options import SERVER, Arguments
from qql.cli.commands.pipelines import (
    Call,
    calls_of,
    constants_of,
    load_queries,
    locate_error,
    open_measured_session,
    pipelines_of,
)
from qql.cli.commands.report import (
    IDS_ELSEWHERE,
    Section,
    check_output,
    distinct_warnings,
    show_report,
    six_digits,
    without_bare_ids,
)
from qql.cli.render import Renderer, sanitize
from qql.cli.usage import UsageError
from qql.errors import Diagnostic, QQLError
from qql.evaluation import Query
from qql.evaluation.comparison import Comparison, Survey, compare_results
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.rankings import DEFAULT_PERSISTENCE
from qql.rest.types import JsonObject
from qql.result import Result

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["diff", "hits_section"]

_OVERLAP_DEPTH = 10
"""The k of the overlap that is shown for each of many queries, where results are as long."""
_SECOND_DATABASE = {"url_b": "url", "db_b": "db"}
_OF_FIRST = ("url", "db", *SERVER)


def diff(args: Arguments, console: Renderer) -> int:
    """The exit code is 0 where results differ, and 1 then with ``--exit-code``."""
    _check_diff(args)
    check_output(args)
    queries = load_queries(args) if "queries" in args else None
    warnings: list[Diagnostic] = []
    with (
        open_measured_session(args, console) as (session, progress),
        _second_session(args, session) as other,
    ):
        a, b = _pipelines(args, session, other)
        if queries is None:
            found: Comparison | Survey = _compare_once(args, a, b, warnings)
        else:
            found = _compare_each_query(args, a, b, queries, progress, warnings)
    changes = _text_diff(a, b)
    show_report(
        args,
        console,
        _diff_sections(found, changes, args, console),
        {"diff": changes, **found.to_dict()},
        found.rows(),
    )
    console.warn(distinct_warnings(warnings))
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


def _compare_once(args: Arguments, a: Pipeline, b: Pipeline, warnings: list[Diagnostic]) -> Comparison:
    constants = constants_of(args)
    of_a, of_b = (one.ask(one.taken(constants) or None) for one in (a, b))
    warnings += [*of_a.warnings, *of_b.warnings]
    return _compare_results(args, of_a, of_b)


def _compare_each_query(
    args: Arguments,
    a: Pipeline,
    b: Pipeline,
    queries: Sequence[Query],
    progress: Progress,
    warnings: list[Diagnostic],
) -> Survey:
    compared = []
    calls_of_both = zip(calls_of(args, a, queries), calls_of(args, b, queries), strict=True)
    for done, (call_a, call_b) in enumerate(calls_of_both, 1):
        of_a, of_b = _ask_query(args, a, call_a), _ask_query(args, b, call_b)
        warnings += [*of_a.warnings, *of_b.warnings]
        compared.append((call_a.query, _compare_results(args, of_a, of_b)))
        progress(Work("comparing", "queries"), done, len(queries))
    return Survey(tuple(compared))


def _ask_query(args: Arguments, pipeline: Pipeline, call: Call) -> Result:
    try:
        return pipeline.ask(call.params or None)
    except QQLError as exc:
        raise locate_error(exc, pipeline.name, call, args) from exc.__cause__


def _compare_results(args: Arguments, a: Result, b: Result) -> Comparison:
    return compare_results(a, b, depth=args.get("depth"), p=args.get("rbo_p", DEFAULT_PERSISTENCE))


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
    if isinstance(found, Comparison):
        return [*sections, hits_section(found, console, _table_width(args, console))]
    k = max((k for k in found.cutoffs if k <= _OVERLAP_DEPTH), default=_OVERLAP_DEPTH)
    shown = ("query", "text", "gone", "new", f"overlap@{k}", "rbo", "tau")
    most = [{name: row[name] for name in shown if name in row} for row in found.most_different()]
    sections.append(Section("over all queries", _readable_rows(found.means()), (found.verdict,)))
    return [*sections, Section("the queries that differ most", _readable_rows(most))] if most else sections


def hits_section(found: Comparison, console: Renderer, width: int | None) -> Section:
    """Which hits moved, and the measures, for people; ``width`` is that of the table (None: no limit)."""
    rows = [{**row, "move": _ascii_move(row["move"], console)} for row in found.rows()]
    readable = _readable_rows(rows)
    fitting = without_bare_ids(readable, width)
    elsewhere = (IDS_ELSEWHERE,) if readable and "id" not in fitting[0] else ()
    return Section("the hits", fitting, (*_measure_lines(found), *elsewhere))


def _table_width(args: Arguments, console: Renderer) -> int | None:
    """How wide a table may be; None where it goes to a file, or is no table of boxes."""
    drawn = args.get("format", "table") == "table" and "output" not in args
    return console.line_width if drawn else None


def _measure_lines(found: Comparison) -> tuple[str, ...]:
    tau = "nothing to compare: fewer than two common hits, or all of them tie"
    if found.tau is not None:
        tau = f"{found.tau:.3f} over the {found.common} common hits"
    overlaps = ", ".join(f"@{k} {found.overlap(k):.3f}" for k in found.cutoffs)
    return (
        *([f"overlap {overlaps}"] if overlaps else []),
        f"Jaccard {found.jaccard:.3f}",
        f"rank-biased overlap {found.rbo:.3f} (p = {found.p:g})",
        f"Kendall's tau {tau}",
        found.verdict,
    )


def _readable_rows(rows: Sequence[JsonObject]) -> list[JsonObject]:
    """The rows as people read them; what is missing is blank."""
    titles = {name: _column_title(name) for name in rows[0]} if rows else {}
    columns = {
        title: _pad_cells(title, [six_digits(row[name]) for row in rows]) for name, title in titles.items()
    }
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _pad_cells(title: str, values: Sequence[object]) -> Sequence[object]:
    if None not in values:
        return values
    texts = [title, *("" if value is None else str(value) for value in values)]
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts[1:]]


def _column_title(name: str) -> str:
    """The title of a column: ``rank A`` for ``rank_a``."""
    what, _, side = name.partition("_")
    return f"{what} {side.upper()}" if side in ("a", "b") else name


def _ascii_move(move: str, console: Renderer) -> str:
    return move.replace("↑", "+").replace("↓", "-") if console.ascii_only else move
