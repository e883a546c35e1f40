"""`qql tune`: which settings of a pipeline are worth having."""

from __future__ import annotations

import random
from collections.abc import Sequence

from qql.cli.commands.judgements import absent_documents, check_ties, load_qrels, measures_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import pluralize
from qql.cli.commands.pipelines import as_usage, load_queries, open_measured_session, require
from qql.cli.commands.report import check_output, collected, show_report, stamp_section
from qql.cli.commands.tune_report import TuneReport
from qql.cli.commands.tune_trials import PERCENTILES, Experiment, Trial
from qql.cli.commands.tune_variants import Tunable
from qql.cli.render import Renderer
from qql.cli.usage import INTERRUPTED, UsageError
from qql.errors import Diagnostic
from qql.evaluation.files import Qrels, Query
from qql.evaluation.grid import read_axis
from qql.evaluation.measures import Measure
from qql.evaluation.tuning import Standing, standings
from qql.rest.types import Json

__all__ = ["tune"]


def tune(args: Arguments, console: Renderer) -> int:
    require(args, "queries", "qrels")
    if len(args["files"]) > 1:
        raise UsageError.make("usage", "tune takes one pipeline; `qql eval` compares several")
    if args.get("latency", "p50") not in PERCENTILES:
        raise UsageError.make("usage", f"--latency takes p50 or p95, not {args['latency']}")
    check_ties(args)
    measures, axes = measures_of(args), _grid_axes(args)
    check_output(args)
    queries, qrels = load_queries(args), load_qrels(args)
    chosen, kept = _split_queries(args, queries, qrels)
    warnings: list[Diagnostic] = []
    with open_measured_session(args, console) as (session, progress):
        script = Tunable(args, session, axes, queries)
        variants = script.variants()
        current = variants[0] if variants[0].place < 0 else None
        if "doc_id" not in args:
            warnings += absent_documents(session, [script.plan.collection], queries, qrels)
        experiment = Experiment(args, qrels, measures, chosen, kept, progress)
        trials, complete = collected(experiment.qualities(variants, current))
        if complete:
            trials, complete = experiment.timed(trials)
        stamp = session.stamp(script.compiled)
    report = TuneReport(args, script, trials, _best(trials, script, measures[0]), measures)
    data = report.to_dict(complete, len(chosen), len(kept)) | {"stamp": stamp.to_dict()}
    sections = [*report.sections(), stamp_section(stamp)]
    show_report(args, console, sections, data, report.rows(), complete=complete)
    console.warn(warnings)
    if not kept:
        flattered = f"note: the queries that chose these settings ({len(chosen)}) flatter them"
        console.note(f"{flattered}; --holdout 0.3 keeps some apart, and measures with those too")
    if not complete:
        count = pluralize(len(variants), "setting")
        rounds = len(trials[0].times.rounds)
        console.note(
            f"interrupted: {len(trials)} of {count} were tried, in {pluralize(rounds, 'round')} of times"
        )
        return INTERRUPTED
    return 0


def _best(trials: Sequence[Trial], script: Tunable, measure: Measure) -> list[Standing[Trial]]:
    """Those that no other beats; of equals, the current one, or the first by its changes and by the grid."""

    def preference(one: Trial) -> tuple[int, ...]:
        changes = sum(value != script.current_value(name) for name, value in one.variant.values.items())
        return not one.current, changes, one.variant.place

    return standings(
        trials, quality=lambda one: one.means[measure], times=lambda one: one.times, preference=preference
    )


def _grid_axes(args: Arguments) -> dict[str, list[Json]]:
    axes: dict[str, list[Json]] = {}
    for text in args.get("grid", ()):
        with as_usage():
            name, values = read_axis(text)
        if name in axes:
            raise UsageError.make("usage", f"--grid {name} is given twice", hint="name=value,value,…")
        axes[name] = values
    return axes


def _split_queries(args: Arguments, queries: Sequence[Query], qrels: Qrels) -> tuple[set[str], set[str]]:
    """The judged queries to choose by, and those that ``--holdout`` keeps apart."""
    judged = [query.id for query in queries if qrels.get(query.id)]
    if "holdout" not in args:
        return {*judged}, set()
    count = round(args["holdout"] * len(judged))
    if not 0 < count < len(judged):
        raise UsageError.make("usage", f"--holdout leaves no query of {len(judged)} on one of the sides")
    kept = {*random.Random(args.get("seed", 0)).sample(judged, count)}
    return {*judged} - kept, kept
