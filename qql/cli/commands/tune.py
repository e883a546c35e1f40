"""`qql tune`: which settings of a pipeline are worth having."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qql.cli.commands.connection import MEMORY, target_of
from qql.cli.commands.judgements import load_qrels, measures_of
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
from qql.cli.usage import INTERRUPTED, UsageError, read_script
from qql.evaluation.best_settings import check_latency
from qql.evaluation.best_settings import tune as tune_settings
from qql.evaluation.evaluating import check_ties
from qql.evaluation.grid import read_axis
from qql.evaluation.tuned import Tuned
from qql.rest.types import Json

if TYPE_CHECKING:
    from qql.evaluation.recorded_tuning.report import RecordedTuned
    from qql.evaluation.sections import Section

__all__ = ["tune"]


def tune(args: Arguments, console: Renderer) -> int:
    require(args, "queries", "qrels")
    if len(args["files"]) > 1:
        raise UsageError.make("usage", "tune takes one pipeline; `qql eval` compares several")
    with options_named(args):
        check_latency(args.get("latency", "p50"))
        check_ties(args.get("ties"))
    measures, axes = measures_of(args), _grid_axes(args)
    check_output(args)
    queries = load_queries(args)
    qrels = load_qrels(args, queries)
    given = {name: args[name] for name in _PASSED if name in args}
    if "recording" in args and "setup" not in args and target_of(args) == MEMORY:
        ((name, file),) = pipeline_names(args["files"]).items()
        with options_named(args):
            told = tune_settings(
                {name: read_script(file)},
                queries,
                qrels,
                grid=axes,
                params=constants_of(args),
                measures=measures,
                **given,
            )
            sections = told.sections()
        return _show(args, console, told, sections)
    with open_measured_session(args, console) as (session, progress):
        scripts = pipelines_of(args, session, pipeline_names(args["files"]), list(axes))
        found = tune_settings(
            next(iter(scripts.values())),
            queries,
            qrels,
            session,
            grid=axes,
            params=taken_by(scripts, constants_of(args)),
            measures=measures,
            partial=True,
            progress=progress,
            **given,
        )
        sections = found.sections()
    return _show(args, console, found, sections)


def _show(args: Arguments, console: Renderer, found: Tuned | RecordedTuned, sections: list[Section]) -> int:
    show_report(args, console, sections, found.to_dict(), found.rows())
    console.warn(found.notes)
    if not isinstance(found, Tuned):
        if not found.complete:
            console.note("interrupted: not all runs of the best settings were made")
        return 0 if found.complete else INTERRUPTED
    if not found.kept_apart:
        flattered = f"note: the queries that chose these settings ({found.chosen_by}) flatter them"
        console.note(f"{flattered}; --holdout 0.3 keeps some apart, and measures with those too")
    if not found.complete:
        count, rounds = pluralize(found.count, "setting"), len(found.trials[0].times.rounds)
        tried = f"{len(found.trials)} of {count} were tried"
        console.note(f"interrupted: {tried}, in {pluralize(rounds, 'round')} of times")
        return INTERRUPTED
    return 0


_PASSED = (
    *("latency", "ties", "doc_id", "repeat", "sample", "max_settings", "holdout", "seed"),
    *("recording", "search", "folds", "deep"),
)
"""Options that are arguments of `qql.evaluation.tune` under the same names."""


def _grid_axes(args: Arguments) -> dict[str, list[Json]]:
    axes: dict[str, list[Json]] = {}
    for text in args.get("grid", ()):
        name, values = read_axis(text)
        if name in axes:
            raise UsageError.make("usage", f"--grid {name} is given twice", hint="name=value,value,…")
        axes[name] = values
    return axes
