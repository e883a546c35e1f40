"""`qql judge`: which of two pipelines is better, with the fewest judgements."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qql.cli.commands.judgements import measures_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.pipelines import (
    constants_of,
    load_queries,
    open_measured_session,
    options_named,
    pipeline_names,
    pipelines_of,
    require,
    taken_by,
)
from qql.cli.commands.report import show_report
from qql.cli.judging_screen import Person
from qql.cli.render import Renderer
from qql.cli.usage import INTERRUPTED, UsageError
from qql.evaluation.inputs import is_run_file
from qql.evaluation.judging.judges import FunctionJudge, judge_of
from qql.evaluation.judging.running import judge as judge_pipelines
from qql.evaluation.judging.verdict import SORTS, Verdict
from qql.evaluation.sections import Section

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.evaluation.files import Query
    from qql.evaluation.inputs import PipelineLike
    from qql.evaluation.judging.judges import Judge
    from qql.session.session import Session

__all__ = ["judge"]

_PASSED = ("scope", "alpha", "smallest", "grades", "seed", "most", "doc_id", "doc_field")
"""Options that are arguments of `qql.evaluation.judge` under the same names."""
_PERSON = "person"


def judge(args: Arguments, console: Renderer) -> int:
    """The exit code is 0 where the verdict is decided, and 1 where it is open."""
    require(args, "queries")
    _check(args)
    queries = load_queries(args)
    files = pipeline_names(args["files"])
    scripts = {name: file for name, file in files.items() if not is_run_file(file)}
    with options_named(args):
        by = _judge(args, queries)
    if isinstance(by, FunctionJudge):
        console.note(f"note: the judge runs the code of {args['judge']}")
    with options_named(args), _session(args, console, scripts) as (session, progress):
        if isinstance(by, Person):
            by.clear = getattr(progress, "clear", None)
        sides: dict[str, PipelineLike] = {name: Path(file) for name, file in files.items()}
        params = None
        if session is not None:
            sides |= (pipelines := pipelines_of(args, session, scripts))
            params = taken_by(pipelines, constants_of(args))
        a, b = sides.values()
        found = judge_pipelines(
            a,
            b,
            queries,
            session,
            judge=by,
            judgements=args.get("qrels"),
            path=args.get("output"),
            params=params,
            partial=True,
            progress=progress,
            **_settings(args),
        )
    _report(args, console, found)
    if found.end == "interrupted":
        return INTERRUPTED
    return 0 if found.decided else 1


def _settings(args: Arguments) -> dict[str, Any]:
    given = {name: args[name] for name in _PASSED if name in args}
    return given | ({"measure": measures_of(args)[0]} if "measures" in args else {})


def _check(args: Arguments) -> None:
    if len(args["files"]) != 2:
        message = f"judge takes two pipelines, found {len(args['files'])}"
        raise UsageError.make(
            "usage", message, hint="qql judge a.qql b.qql --queries log.jsonl -o judged.jsonl"
        )
    if len(measures_of(args)) > 1 and "measures" in args:
        raise UsageError.make("usage", "judging goes by one measure", hint="--measure nDCG@10")
    if "sort" in args and "per_query" not in args:
        raise UsageError.make("usage", "--sort orders the queries of --per-query", hint="add --per-query")
    if args.get("sort", SORTS[0]) not in SORTS:
        raise UsageError.make("usage", f"--sort takes {', '.join(SORTS)}, not {args['sort']}")
    if "output" not in args and not Path(args.get("judge", _PERSON)).is_file():
        hint = "-o judged.jsonl"
        raise UsageError.make("usage", "judgements would be lost: -o names a file for them", hint=hint)


def _judge(args: Arguments, queries: list[Query]) -> Judge:
    """The judge of ``--judge``: ``person`` or ``person:NAME``, else as the library takes it."""
    who, grades = args.get("judge", _PERSON), args.get("grades", 3)
    kind, _, name = who.partition(":")
    if kind == _PERSON and not Path(who).is_file():
        return Person(f"{_PERSON}:{name or _user()}", grades)
    return judge_of(who, queries, grades)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


@contextlib.contextmanager
def _session(
    args: Arguments, console: Renderer, scripts: dict[str, str]
) -> Iterator[tuple[Session | None, Progress | None]]:
    """The session that pipelines are asked on; none where both files are runs."""
    if not scripts:
        yield None, None
        return
    with open_measured_session(args, console) as opened:
        yield opened


def _report(args: Arguments, console: Renderer, found: Verdict) -> None:
    sections, rows = found.sections(), found.rows(args.get("sort"))
    if "per_query" in args:
        at = len(sections) - (found.stamp is not None)
        sections.insert(at, Section("Each query", rows))
    shown = Arguments({name: value for name, value in args.items() if name != "output"})
    show_report(shown, console, sections, found.to_dict(), rows)
    console.warn(found.notes)
    if found.end == "hopeless":
        console.note(
            "--scope log asks for what decides it on these queries alone; more queries may decide it"
        )
    if found.end in ("stopped", "interrupted", "most") and "output" in args:
        console.note(f"the same command goes on with the judgements in {args['output']}")
