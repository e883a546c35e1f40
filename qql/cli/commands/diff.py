"""`qql diff`: two pipelines, or one on two databases, side by side."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import qql
from qql.cli.commands.connection import open_session, target_of
from qql.cli.commands.options import SERVER, Arguments
from qql.cli.commands.pipelines import (
    constants_of,
    load_queries,
    open_measured_session,
    pipelines_of,
    taken_by,
)
from qql.cli.commands.report import IDS_ELSEWHERE, check_output, show_report, without_bare_ids
from qql.cli.render import Renderer, sanitize
from qql.cli.usage import UsageError
from qql.evaluation.comparing import compare
from qql.evaluation.comparison import Comparison, Survey
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.rankings import DEFAULT_PERSISTENCE
from qql.evaluation.sections import Section
from qql.records import replace

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["diff", "hits_section"]

_SECOND_DATABASE = {"url_b": "url", "db_b": "db"}
_OF_FIRST = ("url", "db", *SERVER)


def diff(args: Arguments, console: Renderer) -> int:
    """The exit code is 0 where results differ, and 1 then with ``--exit-code``."""
    _check_diff(args)
    check_output(args)
    queries = load_queries(args) if "queries" in args else None
    with (
        open_measured_session(args, console) as (session, progress),
        _second_session(args, session) as other,
    ):
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
