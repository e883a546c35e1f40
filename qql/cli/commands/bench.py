"""`qql bench`: how fast pipelines are, and how much of the exact result they find."""

from __future__ import annotations

from qql.cli.commands.connection import open_session, target_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import pluralize
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
from qql.cli.commands.report import check_output, show_report
from qql.cli.render import Renderer
from qql.cli.usage import INTERRUPTED, UsageError
from qql.evaluation import benchmark

__all__ = ["bench"]

_OF_TABLE = ("using", "rerank_field", "qrels", "measures")
"""Options that only `--stages-table` has a use for."""
_PASSED = ("repeat", "seconds", "warmup", "concurrency", "recall", "doc_id")
"""Options that are arguments of `qql.evaluation.bench` under the same names."""


def bench(args: Arguments, console: Renderer) -> int:
    if "stages_table" in args:
        from qql.cli.commands.stages_table import stages_table

        return stages_table(args, console)
    for name in _OF_TABLE:
        if name in args:
            raise UsageError.make("usage", f"{args.flag(name)} requires {args.flag('stages_table')}")
    require(args)
    files = pipeline_names(args["files"])
    with options_named(args):
        if {"repeat", "seconds"} <= args.keys():
            raise UsageError.make("usage", "--repeat and --seconds exclude each other")
        benchmark.check_concurrency(args.get("concurrency", 1), target_of(args))
    check_output(args)
    queries = load_queries(args) if "queries" in args else None
    with open_measured_session(args, console) as (session, progress):
        pipelines = pipelines_of(args, session, files)
        found = benchmark.bench(
            pipelines,
            session,
            queries=queries,
            params=taken_by(pipelines, constants_of(args)),
            another=lambda: open_session(args, target_of(args), None, advice=False),
            partial=True,
            progress=progress,
            **{name: args[name] for name in _PASSED if name in args},
        )
    show_report(args, console, found.sections(), found.to_dict(), found.rows())
    few = [name for name, one in found.found.items() if one.times.count < benchmark.DEFAULT_CALLS]
    if few:
        names = ", ".join(few)
        console.note(
            f"note: with fewer than {benchmark.DEFAULT_CALLS} calls, p99 is the slowest of them: {names}"
        )
    if not found.complete:
        console.note(f"interrupted: {len(found.found)} of {pluralize(len(files), 'pipeline')} were measured")
        return INTERRUPTED
    return 0
