"""EXPLAIN ANALYZE: the query and each of its stages are run and measured, and the fusions recomputed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from qql.analysis.ablation import ablation, ablations, without_input
from qql.analysis.engine import Call, Engine, Took
from qql.analysis.fusion import Fusion
from qql.analysis.model import (
    Ablation,
    Analysis,
    Candidate,
    Id,
    Overlap,
    StageReport,
    StageRun,
    Timing,
    reached_hits,
)
from qql.analysis.query_body import grouped_by
from qql.analysis.stage_checks import StageChecks
from qql.analysis.stage_requests import stage_requests
from qql.compiler.plan import QueryPlan
from qql.records import replace
from qql.rest.named_points import all_named_points
from qql.rest.request import Request
from qql.rest.types import Body
from qql.rest.usage import Used

__all__ = ["analyse"]

_MOST_NAMED = 5

Tell = Callable[[int, int], None]
"""Called with how many runs are done, and how many there will be."""


def analyse(
    plan: QueryPlan,
    request: Request,
    call: Call,
    *,
    runs: int = 1,
    ablate: bool = False,
    took: Took = lambda: None,
    used: Used = lambda: None,
    remote: bool = False,
    compare: bool = True,
    progress: Tell = lambda done, total: None,
) -> Analysis:
    """Run a query and its stages, and look at what each did.

    ``request`` is the plan's with its texts embedded. The query and its distinct stages are sent in one batch
    (GROUP BY: its query beside it), without payload; then each is sent ``runs`` times by itself, for the
    times; 0 leaves them out. ``took`` gives the seconds that the last call took by the engine's own account,
    ``used`` what it has cost by that.
    ``progress`` gets the runs done, and all of them. ``remote``: the engine is a server. Without ``compare``,
    the candidates of a stage are not held against the hits, other stages' and those behind its limit.
    Raises what ``call`` raises.
    """
    stages, told = stage_requests(plan, request), (took, used)
    if not stages:
        hits = tuple(Candidate(point["id"], 0.0) for point in call(request))
        timing = _measure_time(request, call, runs, told, progress)
        return Analysis(plan, request, (), hits, timing=timing)
    engine = Engine(plan, request, call, remote)
    lists, hits = _run_stages(engine, stages)
    checks = StageChecks(engine, stages, lists)
    offset = (plan.offset or 0) if grouped_by(request.body or {}) is None else 0
    reports = []
    for at, run in enumerate(stages):
        single = request if at == 0 else engine.query_request(run.body)
        tell = partial(_tell_run, progress, at * runs, len(stages) * runs)
        report = StageReport(
            run,
            checks.lists[at],
            timing=_measure_time(single, call, runs, told, tell),
            verdict=checks.verdict(at),
            rescored=checks.rescored(at),
        )
        reports.append(_compared(report, at, checks, hits, offset) if compare else report)
    notes = tuple(f"{run.label}: {note}" for run in stages for note in (*run.notes, *_of_named(run, stages)))
    found = Analysis(plan, request, tuple(reports), hits, offset, reports[0].timing, (), notes)
    return _with_ablation(found, checks.lists, engine) if ablate else found


def _of_named(run: StageRun, stages: Sequence[StageRun]) -> Iterator[str]:
    """What is said of the points that a stage names, where there are others that lack them for that."""
    if run.named and len(stages) > 1:
        points, are = ("points", "are") if len(run.named) > 1 else ("point", "is")
        shown = ", ".join(map(str, run.named[:_MOST_NAMED]))
        more = len(run.named) - _MOST_NAMED
        shown += f" and {more} more" if more > 0 else ""
        yield f"{points} {shown}, which it names, {are} in no stage of the query"


def _run_stages(
    engine: Engine, stages: Sequence[StageRun]
) -> tuple[list[tuple[Candidate, ...]], tuple[Candidate, ...]]:
    """What each stage gives, the root's OFFSET not applied, and the hits of the query."""
    offset = engine.plan.offset or 0
    if grouped_by(engine.request.body or {}) is None:
        lists = engine.queries([run.body for run in stages])
        return lists, lists[0][offset:]
    hits = _group_hits(engine.call(engine.request), offset)
    return [hits, *engine.queries([run.body for run in stages[1:]])], hits


def _group_hits(answer: Body, offset: int) -> tuple[Candidate, ...]:
    return tuple(Candidate.of(hit) for group in answer["groups"][offset:] for hit in group["hits"])


def _tell_run(progress: Tell, before: int, total: int, done: int, _: int) -> None:
    """The progress of one stage as that of all: ``before`` is what those before it took."""
    progress(before + done, total)


def _measure_time(
    request: Request, call: Call, runs: int, told: tuple[Took, Used], progress: Tell
) -> Timing | None:
    """One request, sent ``runs`` times."""
    if runs < 1:
        return None
    took, used = told
    times, server, usage = [], [], []
    for done in range(1, runs + 1):
        started = time.perf_counter()
        call(request)
        times.append((time.perf_counter() - started) * 1000)
        by_engine = took()
        if by_engine is not None:
            server.append(by_engine * 1000)
        if (cost := used()) is not None:
            usage.append(cost)
        progress(done, runs)
    return Timing.of(times, server, usage)


# ------------------------------------------------------------------------------------ one stage beside others


def _compared(
    report: StageReport, at: int, checks: StageChecks, hits: Sequence[Candidate], offset: int
) -> StageReport:
    """A report with what the stage's candidates have to do with hits, other stages, and those behind it."""
    return replace(
        report,
        reached=reached_hits(checks.lists[at], hits, offset),
        exclusive=_found_alone(at, checks),
        overlaps=_overlaps_of(at, checks),
        cut=checks.cut_tie(at),
    )


def _found_alone(at: int, checks: StageChecks) -> frozenset[Id]:
    """The candidates of a stage that no other one beside it has."""
    if at == 0:
        return frozenset()
    others = {one.id for other in checks.others(at) for one in checks.lists[other]}
    return frozenset(one.id for one in checks.lists[at]) - others


def _overlaps_of(at: int, checks: StageChecks) -> tuple[Overlap, ...]:
    if at == 0:
        return ()
    own = {one.id for one in checks.lists[at]}
    out = []
    for other in range(1, len(checks.stages)):
        if other != at:
            theirs = {one.id for one in checks.lists[other]}
            either, both = len(own | theirs), len(own & theirs)
            out.append(Overlap(checks.stages[other].label, both, both / either if either else 0.0))
    return tuple(out)


# ------------------------------------------------------------------------------------ ABLATE


def _with_ablation(found: Analysis, lists: Sequence[Sequence[Candidate]], engine: Engine) -> Analysis:
    root = found.stages[0].run
    fusion = Fusion.of(root.body)
    if fusion is None:
        note = "ABLATE leaves the inputs of a fusion out in turn, and the root of this query fuses nothing"
        return replace(found, notes=(*found.notes, note))
    if found.grouped:
        return replace(found, ablation=tuple(_ablations_of_groups(found, engine.call)))
    inputs = [(found.stages[one].label, lists[one]) for one in root.inputs]
    page = slice(found.offset, root.limit)
    threshold = root.body.get("score_threshold")
    turned = found.stages[0].verdict is not None and found.stages[0].verdict.by_direction
    others = {at: _lists_without(at, found, engine) for at in _naming_alone(found.request.body or {}, found)}
    notes = [
        f"without {inputs[at][0]}, the points that it alone names are in the lists of the others"
        for at in others
        if len(inputs) > 1
    ]
    made = ablations(fusion, inputs, page, threshold, others=others, by_direction=turned)
    return replace(found, ablation=made, notes=(*found.notes, *notes))


def _naming_alone(body: Body, found: Analysis) -> Iterator[int]:
    """The inputs of the root without which some point is not named, so that the others may have it."""
    every = set(all_named_points(body, found.plan.collection))
    for at in range(len(body["prefetch"]) if every else 0):
        rest = without_input(body, at)
        if rest is None or every.difference(all_named_points(rest, found.plan.collection)):
            yield at


def _lists_without(at: int, found: Analysis, engine: Engine) -> list[tuple[Candidate, ...]]:
    """What the other inputs of the root give in a query that lacks one of them."""
    body, root = without_input(found.request.body or {}, at), found.plan.root
    if body is None:
        return []
    kept = tuple(one for number, one in enumerate(root.inputs) if number != at)
    plan = replace(found.plan, root=replace(root, inputs=kept))
    stages = stage_requests(plan, replace(found.request, body=body))
    lists = StageChecks(engine, stages, engine.queries([run.body for run in stages])).lists
    return [lists[one] for one in stages[0].inputs]


def _ablations_of_groups(found: Analysis, call: Call) -> Iterator[Ablation]:
    """Of GROUP BY, which is asked again: the lists do not say what groups their points are in."""
    for at, number in enumerate(found.stages[0].run.inputs):
        body = without_input(found.request.body or {}, at)
        answer = {"groups": []} if body is None else call(replace(found.request, body=body))
        yield ablation(found.stages[number].label, found.hits, _group_hits(answer, found.plan.offset or 0))
