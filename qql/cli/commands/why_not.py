"""`qql why-not`: what makes a point a hit of a query, and what that does to the other queries of a set."""

from __future__ import annotations

from typing import Any

from qql.cli.commands.judgements import load_qrels, measures_of
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
from qql.cli.commands.report import check_output, show_report
from qql.cli.render import Renderer
from qql.cli.usage import UsageError
from qql.evaluation.recording.recordings import read_recording
from qql.evaluation.why_not import why_not as explain_point

__all__ = ["why_not"]


def why_not(args: Arguments, console: Renderer) -> int:
    """The exit code is 0 where the point is a hit, or something makes it one; else 1."""
    require(args, "point")
    if len(args["files"]) > 1:
        raise UsageError.make("usage", "why-not takes one pipeline; `qql diff` compares two")
    _check_set(args)
    check_output(args)
    queries = load_queries(args) if "queries" in args else None
    with options_named(args):
        recording = read_recording(args["recording"]) if "recording" in args else None
    judged: dict[str, Any] = {}
    if "qrels" in args:
        judged = {"qrels": load_qrels(args, queries or ()), "measures": measures_of(args)}
    with open_measured_session(args, console) as (session, progress):
        scripts = pipelines_of(args, session, pipeline_names(args["files"]), ["query"])
        constants = taken_by(scripts, constants_of(args))
        asked = args.get("query")
        if asked is None and "query" in constants:
            asked = str(constants.pop("query"))
        found = explain_point(
            next(iter(scripts.values())),
            asked,
            _point_of(args["point"]),
            session,
            queries=queries,
            recording=recording,
            params=constants,
            doc_id=args.get("doc_id"),
            limit=args.get("limit_queries"),
            progress=progress,
            **judged,
        )
    show_report(args, console, found.sections(), found.to_dict(), found.rows())
    console.warn(found.notes)
    return 0 if found.is_hit or found.advice else 1


def _point_of(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _check_set(args: Arguments) -> None:
    """Raises `UsageError` for options that have a meaning for a set of queries alone."""
    if "queries" not in args and "recording" not in args:
        for name in ("qrels", "limit_queries"):
            if name in args:
                hint = "--queries names the set; or --recording, which has one"
                raise UsageError.make("usage", f"{args.flag(name)} has no meaning without a set", hint=hint)
    if "qrels" not in args:
        for name in ("measures", "min_impressions", "doc_id"):
            if name in args:
                raise UsageError.make("usage", f"{args.flag(name)} has no meaning without --qrels")
