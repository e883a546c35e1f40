"""`qql eval`: how good pipelines are, and where they lose what is relevant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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
from qql.cli.usage import INTERRUPTED, UsageError
from qql.evaluation.evaluating import check_ties, evaluate
from qql.evaluation.inputs import baseline_of, is_run_file
from qql.evaluation.sections import Section

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.evaluation.inputs import PipelineLike
    from qql.session.session import Session

__all__ = ["eval_"]


def eval_(args: Arguments, console: Renderer) -> int:
    require(args, "queries", "qrels")
    measures, files = measures_of(args), pipeline_names(args["files"])
    queries, qrels = load_queries(args), load_qrels(args)
    scripts = {name: file for name, file in files.items() if not is_run_file(file)}
    with options_named(args):
        baseline_of(files, args.get("baseline"))
        check_ties(args.get("ties"), [name for name in files if name not in scripts])
    _check_eval(args, scripts)
    with options_named(args), _session(args, console, scripts) as (session, progress):
        found: dict[str, PipelineLike] = {name: Path(file) for name, file in files.items()}
        if session is not None:
            found |= (pipelines := pipelines_of(args, session, scripts))
        outcome = evaluate(
            found,
            queries,
            qrels,
            session,
            params=taken_by(pipelines, constants_of(args)) if scripts else None,
            measures=measures,
            baseline=args.get("baseline"),
            ties=args.get("ties"),
            doc_id=args.get("doc_id"),
            stages="stages" in args,
            on_error=args.get("on_error", "stop"),
            limit=args.get("limit_queries"),
            run_dir=args.get("run_dir"),
            partial=True,
            progress=progress,
        )
    sections = outcome.sections()
    if "per_query" in args:
        at = len(sections) - (outcome.stamp is not None)
        sections.insert(at, Section("Each query", outcome.query_rows()))
    rows = outcome.query_rows() if "per_query" in args else outcome.rows()
    show_report(args, console, sections, outcome.to_dict(), rows)
    console.warn(outcome.notes)
    for one in outcome.measured.values():
        if one.written:
            console.note(f"wrote {one.written}")
    if not outcome.complete:
        count = pluralize(len(files), "pipeline")
        console.note(f"interrupted: {len(outcome.measured)} of {count} were measured")
        return INTERRUPTED
    return 0


@contextlib.contextmanager
def _session(
    args: Arguments, console: Renderer, scripts: Mapping[str, str]
) -> Iterator[tuple[Session | None, Progress | None]]:
    """The session that pipelines are asked on; none where all files are runs."""
    if not scripts:
        yield None, None
        return
    with open_measured_session(args, console) as opened:
        yield opened


def _check_eval(args: Arguments, scripts: Mapping[str, str]) -> None:
    if args.get("on_error", "stop") not in ("stop", "skip"):
        raise UsageError.make("usage", f"--on-error takes stop or skip, not {args['on_error']}")
    for name in ("setup", "stages", "run_dir", "doc_id", "on_error", "param"):
        if not scripts and name in args:
            raise UsageError.make("usage", f"{args.flag(name)} has no meaning for run files alone")
    check_output(args)
