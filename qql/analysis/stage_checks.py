"""Whether each stage did with its inputs what it says, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence

from qql import nodes
from qql.analysis.cut_tie import CutTie
from qql.analysis.engine import Engine
from qql.analysis.fusion import Fusion, close, fuse, goes_by_value, is_own_fusion, rank_key
from qql.analysis.model import Candidate, Difference, Fused, Id, Rescored, StageRun, Verdict
from qql.analysis.query_body import all_filters, grouped_by
from qql.analysis.recomposition import compare
from qql.analysis.tie_bounds import FusionBounds, TieBounds, list_bounds, union_bounds
from qql.records import replace
from qql.rest.types import JsonObject

__all__ = ["StageChecks"]

_BEYOND = 20
"""How many points behind the limit of a full stage are asked for, to see whether it cuts a tie."""


class StageChecks:
    """Compares each stage's list with what its inputs gave, and finds the reasons of differences.

    ``answers`` has what each stage gave alone, ``lists`` what it gives to the stages above it. The engine is
    asked again only where a difference wants a reason, and once.
    """

    def __init__(
        self, engine: Engine, stages: Sequence[StageRun], answers: Sequence[tuple[Candidate, ...]]
    ) -> None:
        self.stages = stages
        self.answers = answers
        self._mmr_lists: dict[int, tuple[Candidate, ...]] = {}
        self.lists: list[tuple[Candidate, ...]] = [self._given_list(at) for at in range(len(stages))]
        self._engine = engine
        self._grouped = grouped_by(engine.request.body or {}) is not None
        self._below: dict[int, frozenset[int]] = {}
        self._verdicts: dict[int, Verdict | None] = {}
        self._bounds: dict[int, TieBounds] = {}
        self._cuts: dict[int, frozenset[Id]] | None = None
        self._deeper: dict[int, tuple[Candidate, ...]] | None = None
        self._changed: frozenset[int] | None = None
        self._shards: int | None = None

    def below(self, at: int) -> frozenset[int]:
        """All stages below one."""
        known = self._below.get(at)
        if known is None:
            inputs = self.stages[at].inputs
            known = self._below[at] = frozenset(inputs).union(*(self.below(one) for one in inputs))
        return known

    def others(self, at: int) -> list[int]:
        """The stages that stand neither above nor below one."""
        below = self.below(at)
        return [
            other
            for other in range(1, len(self.stages))
            if other != at and other not in below and at not in self.below(other)
        ]

    def _given_list(self, at: int) -> tuple[Candidate, ...]:
        """What a stage gives to those above it.

        MMR below another stage orders the points of its prefetches and leaves them the scores that they came
        with, those of the first prefetch that has them (``mmr_rescore`` of Qdrant 1.19).
        """
        run, answer = self.stages[at], self.answers[at]
        if at == 0 or not run.inputs or not isinstance(run.stage.target, nodes.Mmr):
            return answer
        if at not in self._mmr_lists:
            known = {one.id: one for number in reversed(run.inputs) for one in self._given_list(number)}
            self._mmr_lists[at] = tuple(known.get(one.id, one) for one in answer)
        return self._mmr_lists[at]

    # -- verdicts

    def verdict(self, at: int) -> Verdict | None:
        """The comparison of a fusion with what it is made of; None for other stages."""
        if at not in self._verdicts:
            fusion = Fusion.of(self.stages[at].body)
            self._verdicts[at] = None if fusion is None else self._verdict_of(at, fusion)
        return self._verdicts[at]

    def _verdict_of(self, at: int, fusion: Fusion) -> Verdict | None:
        run = self.stages[at]
        if not run.inputs:
            return None
        plain = self._verdict_one_way(at, fusion, False)
        if fusion.method != "dbsf" or not plain.unexplained:
            return self._counted(self._with_reasons(at, fusion, plain))
        turned = self._verdict_one_way(at, fusion, True)
        if not turned.unexplained and any(one.rank is not None for one in plain.differences):
            return turned  # the scores themselves say so
        plain = self._with_reasons(at, fusion, plain)
        turned = self._with_reasons(at, fusion, turned) if plain.unexplained else turned
        return self._counted(turned if plain.unexplained and not turned.unexplained else plain)

    def _counted(self, verdict: Verdict) -> Verdict:
        """The verdict with the number of shards, where that is a reason."""
        return replace(verdict, shards=self._shards or 0) if "shards" in verdict.reasons else verdict

    def _verdict_one_way(self, at: int, fusion: Fusion, by_direction: bool) -> Verdict:
        run, found = self.stages[at], self.lists[at]
        lists = [self.lists[one] for one in run.inputs]
        limit = None if self._grouped and at == 0 else run.limit
        threshold = run.body.get("score_threshold")
        return compare(fusion, lists, found, limit, threshold, by_direction=by_direction)

    def _with_reasons(self, at: int, fusion: Fusion, verdict: Verdict) -> Verdict:
        """The verdict with a reason for each difference that has one."""
        if not any(_may_have_reason(one) for one in verdict.differences):
            return verdict
        inputs = self.stages[at].inputs
        bounds, lists = [self._bounds_of(one) for one in inputs], [self.lists[one] for one in inputs]
        fused = FusionBounds(fusion, bounds, lists, verdict.by_direction)
        differences = []
        for one in verdict.differences:
            if _may_have_reason(one) and self._by_chance(fused, one, at):
                one = replace(one, reason=self._chance_reason(at))
            elif one.reason == "unexplained":
                one = replace(one, reason=self._other_reason(at, one, fused))
            differences.append(one)
        return replace(verdict, differences=tuple(differences))

    def _by_chance(self, fused: FusionBounds, one: Difference, at: int) -> bool:
        """Whether the order of equals can bring a difference about."""
        run, found = self.stages[at], self.lists[at]
        if one.score is not None:
            if one.expected is not None and close(one.score, one.expected):  # so it is not where it should be
                return not all(bounds.settled for bounds in fused.inputs)
            return fused.allows(one.id, one.score)
        threshold = run.body.get("score_threshold")
        if threshold is None and len(found) < fused.fewest(run.limit):
            return False
        if fused.may_lack(one.id):
            return True
        if len(found) >= run.limit:
            return fused.may_rank_below(one.id, found[-1])
        return threshold is not None and fused.may_score_below(one.id, threshold)

    def rescored(self, at: int) -> Rescored | None:
        """What became of the union of the inputs; None for fusions and for stages without inputs."""
        run = self.stages[at]
        if not run.inputs or Fusion.of(run.body) is not None:
            return None
        union = {one.id for number in run.inputs for one in self.lists[number]}
        own = list(dict.fromkeys(one.id for one in self.lists[at]))
        strangers = tuple(key for key in own if key not in union)
        reason = None
        if strangers:
            possible = {key for one in run.inputs for key in self._bounds_of(one).places}
            reason = self._chance_reason(at) if possible.issuperset(strangers) else self._other_reason(at)
        shards = (self._shards or 0) if reason == "shards" else 0
        return Rescored(len(union), len(own) - len(strangers), strangers, reason, shards)

    # -- reasons

    def _chance_reason(self, at: int) -> str:
        """By what chance the list of a stage comes out otherwise."""
        sampled = any(isinstance(self.stages[one].stage.target, nodes.Sample) for one in self.below(at))
        return "sample" if sampled else "ties"

    def _other_reason(self, at: int, one: Difference | None = None, fused: FusionBounds | None = None) -> str:
        """Why a stage worked on something else than its inputs gave when asked, if not by chance."""
        if at == 0 and self._grouped and (one is None or fused is None or self._later_page(one, fused)):
            return "groups"
        # What rescores does so in each shard, with the points that its inputs find there; and each of them
        # gives all the candidates of an MMR.
        below = [self.stages[other] for other in self.below(at)]
        diverse = any(isinstance(run.stage.target, nodes.Mmr) for run in below)
        split = fused is None or not is_own_fusion(fused.fusion)
        if diverse or split or any(run.inputs for run in below):
            if self._shards is None:
                self._shards = self._engine.shards()
            if self._shards > 1:
                return "shards"
        if diverse and self._engine.remote:
            return "mmr"
        return "nondeterminism" if self._changed_stages() & self.below(at) else "unexplained"

    def _later_page(self, one: Difference, fused: FusionBounds) -> bool:
        """Whether GROUP BY may have found a point not by its first request, but by one that narrows it.

        Qdrant first asks for as many points as all groups can hold, and keeps what it finds; then it asks
        again without them (``group_by.rs``). Among fewer points, none ranks lower in RRF.
        """
        if one.expected is None or one.score is None:
            return True
        every = fuse(fused.fusion, fused.lists, by_direction=fused.by_direction)
        page = self.stages[0].limit
        if len(every) <= page or one.expected > every[page - 1].score:
            return False
        return fused.fusion.method != "rrf" or one.score > one.expected

    def _changed_stages(self) -> frozenset[int]:
        """The lowest stages whose scores are others when they are asked once more.

        The scores of these are certain, whatever becomes of ties; those above them need not be.
        """
        if self._changed is None:
            lowest = [at for at in range(1, len(self.stages)) if not self.stages[at].inputs]
            again = self._engine.queries([self.stages[at].body for at in lowest])
            pairs = zip(lowest, again, strict=True)
            self._changed = frozenset(at for at, other in pairs if not _same_scores(self.lists[at], other))
        return self._changed

    # -- chance

    def _bounds_of(self, at: int) -> TieBounds:
        """What chance leaves open in a stage's list; computed once."""
        known = self._bounds.get(at)
        if known is None:
            known = self._bounds[at] = self._open_bounds(at)
        return known

    def _open_bounds(self, at: int) -> TieBounds:
        run, found = self.stages[at], self.lists[at]
        fusion = Fusion.of(run.body)
        if run.stage.by_id:
            return list_bounds(found, False, None, equals=False)
        if not run.inputs:
            return list_bounds(found, goes_by_value(run), self._cut_ties(at))
        inputs = [self._bounds_of(one) for one in run.inputs]
        if fusion is not None:
            verdict = self.verdict(at)
            turned = verdict is not None and verdict.by_direction
            fused = FusionBounds(fusion, inputs, [self.lists[one] for one in run.inputs], turned)
            return fused.bounds(found, run.limit, run.body.get("score_threshold"))
        target = run.stage.target
        if isinstance(target, nodes.Mmr):
            # Which of two equals is taken first decides on all that come after.
            equal = len({one.score for one in self.answers[at]}) < len(found)
            if equal or not all(one.settled for one in inputs):
                return union_bounds(found, False, inputs, run.limit, loose=True)
            return list_bounds(found, False, None, equals=False)
        if all(one.complete for one in inputs) and (
            all(one.fixed for one in inputs) or not isinstance(target, nodes.Formula)
        ):
            return list_bounds(found, goes_by_value(run), self._cut_ties(at))
        loose = isinstance(target, nodes.Formula)
        return union_bounds(found, goes_by_value(run), inputs, run.limit, loose)

    def _cut_ties(self, at: int) -> frozenset[Id] | None:
        """Those known points outside of a stage that rank as high as its last; None where there is no tie."""
        if self._cuts is None:
            self._cuts = self._find_cuts()
        return self._cuts.get(at)

    def _find_cuts(self) -> dict[int, frozenset[Id]]:
        """Of each full stage that cuts a tie: those of all known points that it ranks as high as its last."""
        tied = [at for at, found in self._deeper_lists().items() if at and self._equals_of_last(at, found)]
        known = list(dict.fromkeys(one.id for found in self.lists for one in found))
        alone = self._engine.queries([self._body_among(at, known) for at in tied])
        return {at: self._equals_of_last(at, found) for at, found in zip(tied, alone, strict=True)}

    def _deeper_lists(self) -> dict[int, tuple[Candidate, ...]]:
        """What each full stage that is no fusion gives with a larger limit; asked for all at once."""
        if self._deeper is None:
            full = [
                at
                for at, run in enumerate(self.stages)
                if not (at == 0 and self._grouped)
                and Fusion.of(run.body) is None
                and not run.stage.by_id
                and 0 < run.limit <= len(self.lists[at])
            ]
            bodies = [{**self.stages[at].body, "limit": self.stages[at].limit + _BEYOND} for at in full]
            self._deeper = dict(zip(full, self._engine.queries(bodies), strict=True))
        return self._deeper

    def cut_tie(self, at: int) -> CutTie | None:
        """The tie that the limit of a stage cut; None too where it is not known, as of MMR and of groups."""
        run, found = self.stages[at], self.lists[at]
        if not found or len(found) < run.limit or (at == 0 and self._grouped) or not _is_by_rank(run):
            return None
        outside = len(self._equals_of_last(at, self._behind(at)))
        if not outside:
            return None
        by_value = goes_by_value(run)
        bar = rank_key(found[-1], by_value)
        inside = sum(rank_key(one, by_value) == bar for one in found)
        return CutTie(inside, outside, Fusion.of(run.body) is None and outside >= _BEYOND)

    def _behind(self, at: int) -> Sequence[Candidate | Fused]:
        """What a full stage gives, and points behind its limit: of a fusion all that there are."""
        run, verdict = self.stages[at], self.verdict(at)
        fusion = Fusion.of(run.body)
        if fusion is None:
            return self._deeper_lists().get(at, ())
        turned = verdict is not None and verdict.by_direction
        return fuse(fusion, [self.lists[one] for one in run.inputs], by_direction=turned)

    def _body_among(self, at: int, keys: Sequence[Id]) -> JsonObject:
        body = self.stages[at].body
        merged = all_filters([body.get("filter") or {}, {"must": [{"has_id": list(keys)}]}])
        return {**body, "filter": merged, "limit": len(keys)}

    def _equals_of_last(self, at: int, found: Sequence[Candidate | Fused]) -> frozenset[Id]:
        """Of other candidates, those that rank as high as the last of a stage."""
        own, by_value = self.lists[at], goes_by_value(self.stages[at])
        given, bar = {one.id for one in own}, rank_key(own[-1], by_value)
        return frozenset(one.id for one in found if one.id not in given and rank_key(one, by_value) == bar)


def _is_by_rank(run: StageRun) -> bool:
    """Whether a stage keeps the best by score or value: not where chance, MMR or the ids order its points."""
    target = run.stage.target
    if target is None:
        return Fusion.of(run.body) is not None
    return not isinstance(target, nodes.Mmr | nodes.Sample)


def _may_have_reason(one: Difference) -> bool:
    """Whether a difference may have another reason than the lists alone show."""
    return one.reason == "unexplained" or (one.reason == "rounding" and one.rank is None)


def _same_scores(one: Sequence[Candidate], other: Sequence[Candidate]) -> bool:
    """Whether two lists have the same scores, up to rounding."""
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(close(a.score, b.score) or a.score != a.score for a, b in pairs)
