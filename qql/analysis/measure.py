"""EXPLAIN ANALYZE: the query and each of its stages are run and measured, and the fusions recomputed."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from qql.analysis.ablation import Ablation, ablation, ablations, without
from qql.analysis.fusion import Candidate, Fusion, Id
from qql.analysis.probe import Asker, Call, Took
from qql.analysis.recomposition import Verdict
from qql.analysis.stage_requests import StageRun, grouped_by, stage_requests
from qql.analysis.verdicts import Judge, Rescored
from qql.compiler.plan import QueryPlan
from qql.rest.request import Request

if TYPE_CHECKING:
    from qql.analysis.rerank_report import SecondStageReport

__all__ = [
    "Analysis",
    "Overlap",
    "Reached",
    "Scores",
    "StageReport",
    "Timing",
    "analyse",
]

_BINS = 10


# ------------------------------------------------------------------------------------ what is found


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a stage's candidates; ``histogram`` counts them in equal steps from low to high."""

    low: float
    median: float
    high: float
    histogram: tuple[int, ...]

    @classmethod
    def of(cls, values: Sequence[float], bins: int = _BINS) -> Scores | None:
        """Of no scores: None. Equal scores all stand in the first step, and where one is infinite all."""
        if not values:
            return None
        low, high = min(values), max(values)
        counts = [0] * bins
        width = (high - low) / bins
        for value in values:
            counts[min(bins - 1, int((value - low) / width)) if 0 < width < math.inf else 0] += 1
        return cls(low, statistics.median(values), high, tuple(counts))


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of single calls, seen from here; ``server``: the server's own median, where it says it."""

    runs: int
    p50: float
    p95: float
    server: float | None = None

    @classmethod
    def of(cls, times: Sequence[float], server: Sequence[float] = ()) -> Timing:
        """Of one or more measured times."""
        p95 = sorted(times)[math.ceil(0.95 * len(times)) - 1]
        told = statistics.median(server) if server else None
        return cls(len(times), statistics.median(times), p95, told)


class Reached(NamedTuple):
    """A candidate that is among the final hits: its rank there and its rank in the stage, both from 1."""

    id: Id
    rank: int
    stage_rank: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """Candidates that two stages have in common, and their share of all that either has (Jaccard)."""

    label: str
    count: int
    jaccard: float


@dataclass(frozen=True, slots=True)
class StageReport:
    """What one stage did. The root's ``candidates`` are all that it found, those before OFFSET too.

    ``exclusive`` are the candidates that no other stage found; stages above and below are no others.
    ``verdict`` is there for fusions, ``rescored`` for other stages with inputs.
    """

    run: StageRun
    candidates: tuple[Candidate, ...]
    reached: tuple[Reached, ...] = ()
    exclusive: frozenset[Id] = frozenset()
    overlaps: tuple[Overlap, ...] = ()
    timing: Timing | None = None
    verdict: Verdict | None = None
    rescored: Rescored | None = None

    @property
    def label(self) -> str:
        """The stage's name within the query."""
        return self.run.label

    @property
    def returned(self) -> int:
        """How many candidates it gave."""
        return len(self.candidates)

    @property
    def unused(self) -> int:
        """How many of its slots it left empty."""
        return max(0, self.run.limit - len(self.candidates))

    @property
    def scores(self) -> Scores | None:
        """The scores of its candidates, None where there are none."""
        return Scores.of([one.score for one in self.candidates])

    @property
    def exclusive_hits(self) -> tuple[Reached, ...]:
        """The final hits that no other stage found."""
        return tuple(one for one in self.reached if one.id in self.exclusive)


@dataclass(frozen=True, slots=True)
class Analysis:
    """A query as it ran. ``stages`` has the root first; it is empty for QUERY POINTS (…).

    ``hits`` are what the query answers: of GROUP BY those of one group after the other. Their ranks count
    from ``offset`` + 1 (groups: from 1). ``timing`` is the whole query's, None where nothing was timed.
    ``second`` is what RERANK did, whose hits they are then.
    """

    plan: QueryPlan
    request: Request
    stages: tuple[StageReport, ...]
    hits: tuple[Candidate, ...]
    offset: int = 0
    timing: Timing | None = None
    ablation: tuple[Ablation, ...] = ()
    notes: tuple[str, ...] = ()
    second: SecondStageReport | None = None

    @property
    def root(self) -> StageReport | None:
        """The root's report; None for QUERY POINTS (…)."""
        return self.stages[0] if self.stages else None

    @property
    def grouped(self) -> bool:
        """Whether GROUP BY made the hits."""
        return grouped_by(self.request.body or {}) is not None

    def reranked(self, second: SecondStageReport) -> Analysis:
        """The same, with RERANK behind it: the hits, and what of each stage reaches them, are its own."""
        scores = (
            (one.id, one.first_score if one.second_score is None else one.second_score) for one in second.hits
        )
        hits = tuple(Candidate(key, score) for key, score in scores)
        first = second.hits[0].rank - 1 if second.hits else 0
        stages = tuple(
            replace(stage, reached=_reached(stage.candidates, hits, first)) for stage in self.stages
        )
        return replace(self, stages=stages, hits=hits, offset=first, second=second)

    def inputs_of(self, report: StageReport) -> tuple[StageReport, ...]:
        """The reports of the stages that feed one, in the order of its PREFETCH."""
        return tuple(self.stages[at] for at in report.run.inputs)

    def to_dict(self) -> dict[str, Any]:
        """As JSON data; `qql.analysis.report.analysis_dict` says what is in it."""
        from qql.analysis.report import analysis_dict

        return analysis_dict(self)


# ------------------------------------------------------------------------------------ asking


def analyse(
    plan: QueryPlan,
    request: Request,
    call: Call,
    *,
    runs: int = 1,
    ablate: bool = False,
    took: Took = lambda: None,
) -> Analysis:
    """Run a query and its stages, and look at what each did.

    ``request`` is the plan's with its texts embedded. The query and its distinct stages are sent in one batch
    (GROUP BY: its query beside it), without payload; then each is sent ``runs`` times by itself, for the
    times; 0 leaves them out. ``took`` gives the seconds that the last call took by the engine's own account.
    Raises what ``call`` raises.
    """
    stages = stage_requests(plan, request)
    if not stages:
        hits = tuple(Candidate(point["id"], 0.0) for point in call(request))
        return Analysis(plan, request, (), hits, timing=_timed(request, call, runs, took))
    asker = Asker(plan, request, call)
    offset = plan.offset or 0
    if grouped_by(request.body or {}) is None:
        lists = asker.batch([run.body for run in stages])
        hits = lists[0][offset:]
    else:
        hits = _group_hits(call(request), offset)
        lists = [hits, *asker.batch([run.body for run in stages[1:]])]
        offset = 0
    judge = Judge(asker, stages, lists)
    lists = judge.lists
    reports = []
    for at, run in enumerate(stages):
        single = request if at == 0 else asker.single(run.body)
        reports.append(
            StageReport(
                run,
                lists[at],
                _reached(lists[at], hits, offset),
                _exclusive(at, judge),
                _overlaps(at, stages, lists),
                _timed(single, call, runs, took),
                judge.verdict(at),
                judge.rescored(at),
            )
        )
    notes = tuple(f"{run.label}: {note}" for run in stages for note in run.notes)
    found = Analysis(plan, request, tuple(reports), hits, offset, reports[0].timing, (), notes)
    return _ablated(found, lists, call) if ablate else found


def _group_hits(answer: Mapping[str, Any], offset: int) -> tuple[Candidate, ...]:
    return tuple(Candidate.of(hit) for group in answer["groups"][offset:] for hit in group["hits"])


def _timed(request: Request, call: Call, runs: int, took: Took) -> Timing | None:
    """One request, sent ``runs`` times."""
    if runs < 1:
        return None
    times, server = [], []
    for _ in range(runs):
        started = time.perf_counter()
        call(request)
        times.append((time.perf_counter() - started) * 1000)
        told = took()
        if told is not None:
            server.append(told * 1000)
    return Timing.of(times, server)


# ------------------------------------------------------------------------------------ looking


def _reached(found: Sequence[Candidate], hits: Sequence[Candidate], offset: int) -> tuple[Reached, ...]:
    ranks = {one.id: rank for rank, one in enumerate(found, 1)}
    final = {one.id: rank for rank, one in reversed(list(enumerate(hits, offset + 1)))}
    return tuple(
        Reached(key, rank, ranks[key])
        for key, rank in sorted(final.items(), key=lambda item: item[1])
        if key in ranks
    )


def _exclusive(at: int, judge: Judge) -> frozenset[Id]:
    if at == 0:
        return frozenset()
    others = {one.id for other in judge.others(at) for one in judge.lists[other]}
    return frozenset(one.id for one in judge.lists[at]) - others


def _overlaps(
    at: int, stages: Sequence[StageRun], lists: Sequence[Sequence[Candidate]]
) -> tuple[Overlap, ...]:
    if at == 0:
        return ()
    own = {one.id for one in lists[at]}
    out = []
    for other in range(1, len(stages)):
        if other != at:
            theirs = {one.id for one in lists[other]}
            either, both = len(own | theirs), len(own & theirs)
            out.append(Overlap(stages[other].label, both, both / either if either else 0.0))
    return tuple(out)


def _ablated(found: Analysis, lists: Sequence[Sequence[Candidate]], call: Call) -> Analysis:
    root = found.stages[0].run
    fusion = Fusion.of(root.body)
    if fusion is None:
        note = "ABLATE leaves the inputs of a fusion out in turn, and the root of this query fuses nothing"
        return replace(found, notes=(*found.notes, note))
    if found.grouped:
        return replace(found, ablation=tuple(_regrouped(found, call)))
    inputs = [(found.stages[one].label, lists[one]) for one in root.inputs]
    page = slice(found.offset, root.limit)
    threshold = root.body.get("score_threshold")
    turned = found.stages[0].verdict is not None and found.stages[0].verdict.by_direction
    return replace(found, ablation=ablations(fusion, inputs, page, threshold, by_direction=turned))


def _regrouped(found: Analysis, call: Call) -> Iterator[Ablation]:
    """Of GROUP BY, which is asked again: the lists do not say what groups their points are in."""
    for at, number in enumerate(found.stages[0].run.inputs):
        body = without(found.request.body or {}, at)
        answer = {"groups": []} if body is None else call(replace(found.request, body=body))
        yield ablation(found.stages[number].label, found.hits, _group_hits(answer, found.plan.offset or 0))
