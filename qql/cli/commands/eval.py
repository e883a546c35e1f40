"""`qql eval`: how good pipelines are, and where they lose what is relevant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qql.cli.commands.judgements import check_sort, load_qrels, measures_of
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
from qql.errors import Diagnostic, QQLError
from qql.evaluation.evaluating import check_ties, evaluate
from qql.evaluation.gate import check_earlier, margins_of, worse_than
from qql.evaluation.inputs import baseline_of, is_run_file
from qql.evaluation.judged_comparison import DELTA, sorted_rows, with_deltas
from qql.evaluation.sections import Section

if TYPE_CHECKING:
    from qql.backends.base import Progress
    from qql.evaluation.gate import Gate
    from qql.evaluation.inputs import PipelineLike
    from qql.evaluation.measures import Measure
    from qql.evaluation.outcome import Outcome
    from qql.rest.types import JsonObject
    from qql.session.session import Session

__all__ = ["eval_"]


def eval_(args: Arguments, console: Renderer) -> int:
    require(args, "queries", "qrels")
    rules = _rules(args)
    measures, files = _measures(args, rules), pipeline_names(args["files"])
    queries = load_queries(args)
    qrels = load_qrels(args, queries)
    scripts = {name: file for name, file in files.items() if not is_run_file(file)}
    with options_named(args):
        baseline_of(files, args.get("baseline"))
        check_ties(args.get("ties"), [name for name in files if name not in scripts])
    _check_eval(args, scripts, measures)
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
    gate = None if rules is None else worse_than(outcome, args["against"], rules)
    sections, data = outcome.sections(), outcome.to_dict()
    rows = outcome.rows()
    at = len(sections) - (outcome.stamp is not None)
    if "per_query" in args:
        rows = _query_rows(args, outcome)
        sections.insert(at, Section("Each query", rows))
    if gate is not None:
        sections[at:at] = gate.sections()
        data["gate"] = gate.to_dict()
    show_report(args, console, sections, data, rows)
    console.warn(outcome.notes)
    for one in outcome.measured.values():
        if one.written:
            console.note(f"wrote {one.written}")
    if not outcome.complete:
        count = pluralize(len(files), "pipeline")
        console.note(f"interrupted: {len(outcome.measured)} of {count} were measured")
        return INTERRUPTED
    return 0 if gate is None else _verdict(gate, console)


def _verdict(gate: Gate, console: Renderer) -> int:
    """What the gate says, and the exit code."""
    console.warn(gate.notes)
    broken = [Diagnostic("worse", str(one)) for one in gate.findings if one.worse]
    if broken:
        console.error(QQLError(*broken))
    return 1 if broken else 0


def _rules(args: Arguments) -> dict[Measure, float | None] | None:
    """The rules of ``--fail-if-worse``. Raises `UsageError` where one of the two options is alone."""
    if ("fail_if_worse" in args) != ("against" in args):
        alone, other = (
            ("fail_if_worse", "against") if "fail_if_worse" in args else ("against", "fail_if_worse")
        )
        raise UsageError.make(
            "usage",
            f"{args.flag(alone)} requires {args.flag(other)}",
            hint="--fail-if-worse nDCG@10:0.01 --against before.json",
        )
    if "fail_if_worse" not in args:
        return None
    if not Path(args["against"]).is_file():
        raise UsageError.make("file-unreadable", f"cannot read {args['against']}: there is no such file")
    with options_named(args):
        rules = margins_of(args["fail_if_worse"])
        check_earlier(args["against"], rules)
    return rules


def _measures(args: Arguments, rules: Mapping[Measure, float | None] | None) -> tuple[Measure, ...]:
    """The measures of ``--measures``, and those of rules."""
    return tuple(dict.fromkeys([*measures_of(args), *(rules or ())]))


def _query_rows(args: Arguments, outcome: Outcome) -> list[JsonObject]:
    rows = outcome.query_rows()
    if "sort" not in args:
        return rows
    measures = next(iter(outcome.evaluations.values())).measures
    with options_named(args):
        if args["sort"] == DELTA:
            rows = with_deltas(rows, outcome.evaluations, outcome.baseline)
        return sorted_rows(rows, args["sort"], measures)


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


def _check_eval(args: Arguments, scripts: Mapping[str, str], measures: Sequence[Measure]) -> None:
    if args.get("on_error", "stop") not in ("stop", "skip"):
        raise UsageError.make("usage", f"--on-error takes stop or skip, not {args['on_error']}")
    for name in ("setup", "stages", "run_dir", "doc_id", "on_error", "param"):
        if not scripts and name in args:
            raise UsageError.make("usage", f"{args.flag(name)} has no meaning for run files alone")
    check_sort(args, measures, several=len(args["files"]) > 1)
    check_output(args)
