"""`qql calibrate`: a fusion whose scores are probabilities, where held-out queries say that it is better."""

from __future__ import annotations

from qql.cli.commands.judgements import load_qrels, measures_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import open_output
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
from qql.cli.render import Renderer, sanitize
from qql.cli.usage import UsageError, read_script
from qql.evaluation.calibration import Calibrated
from qql.evaluation.calibration import calibrate as calibrate_fusion
from qql.evaluation.recording import read_recording

__all__ = ["calibrate"]

_NOT_BETTER = 1
_PASSED = ("folds", "penalty", "judged_only", "log_odds", "doc_id", "seed")
"""Options that are arguments of `qql.evaluation.calibrate` under the same names."""


def calibrate(args: Arguments, console: Renderer) -> int:
    require(args, "qrels", *(() if "recording" in args else ("queries",)))
    if len(args["files"]) > 1:
        raise UsageError.make("usage", "calibrate takes one pipeline")
    check_output(args)
    found = _from_recording(args) if _needs_no_database(args) else _on_database(args, console)
    console.warn(found.notes)
    console.note(found.verdict)
    if "format" in args:
        show_report(args, console, found.sections(), found.to_dict(), found.rows())
    elif found.better or "anyway" in args:
        with open_output(args, console) as file:
            # As it is: it is a script to be run.
            text = found.script.rstrip("\n")
            console.put(sanitize(text, newline="\n") if file.isatty() else text)
    else:
        console.note("the pipeline is not shown; --anyway shows it all the same")
    return 0 if found.better or "anyway" in args else _NOT_BETTER


def _needs_no_database(args: Arguments) -> bool:
    return "recording" in args and "db" not in args and "url" not in args and "profile" not in args


def _from_recording(args: Arguments) -> Calibrated:
    queries = load_queries(args) if "queries" in args else None
    qrels = load_qrels(args, queries or ())
    text, measures = read_script(args["files"][0]), measures_of(args)
    with options_named(args):
        return calibrate_fusion(
            text,
            queries,
            qrels,
            recording=read_recording(args["recording"]),
            params=constants_of(args),
            measures=measures,
            **{name: args[name] for name in _PASSED if name in args},
        )


def _on_database(args: Arguments, console: Renderer) -> Calibrated:
    queries = load_queries(args)
    qrels, measures = load_qrels(args, queries), measures_of(args)
    with open_measured_session(args, console) as (session, progress):
        scripts = pipelines_of(args, session, pipeline_names(args["files"]))
        recording = read_recording(args["recording"]) if "recording" in args else None
        return calibrate_fusion(
            next(iter(scripts.values())).text,
            queries,
            qrels,
            session,
            recording=recording,
            params=taken_by(scripts, constants_of(args)),
            measures=measures,
            progress=progress,
            **{name: args[name] for name in _PASSED if name in args},
        )
