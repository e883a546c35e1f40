"""Whether each stage did with its inputs what it says, and if not, why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from qql import nodes
from qql.analysis.asking import Asker
from qql.analysis.compare import Source, Verdict, compare
from qql.analysis.fusion import Candidate, Fusion, Id, fuse, tie_groups
from qql.analysis.stages import StageRun, grouped_by

__all__ = ["Judge", "Rescored"]


@dataclass(frozen=True, slots=True)
class Rescored:
    """What a rescoring stage did with the ``union`` of its inputs.

    ``kept`` is how many of them it has; ``strangers`` are points that it has and no input gave, ``reason``
    why (one of those of `Difference`).
    """

    union: int
    kept: int
    strangers: tuple[Id, ...] = ()
    reason: str | None = None


class Judge:
    """Knows which stages stand below which, and what is left to chance among their points.

    ``lists`` has the candidates of each stage. The engine is asked again only where a difference wants a
    reason, and once.
    """

    def __init__(
        self, asker: Asker, stages: Sequence[StageRun], lists: Sequence[Sequence[Candidate]]
    ) -> None:
        self.stages, self.lists = stages, lists
        self._asker = asker
        self._grouped = grouped_by(asker.request.body or {}) is not None
        self._below: dict[int, frozenset[int]] = {}
        self._changed: frozenset[int] | None = None

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

    def verdict(self, at: int) -> Verdict | None:
        """The comparison of a fusion with what it is made of; None for other stages."""
        run, found = self.stages[at], self.lists[at]
        fusion = Fusion.of(run.body)
        if fusion is None or not run.inputs:
            return None
        grouped = self._grouped and at == 0
        sources = [self._source(one) for one in run.inputs]
        limit = len(found) if grouped else run.limit
        verdict = compare(fusion, sources, found, limit, run.body.get("score_threshold"))
        if grouped:
            # A list of groups is no list of the best points, so only what is there can be compared.
            kept = tuple(one for one in verdict.differences if one.rank is not None)
            verdict = replace(verdict, differences=kept)
        # All points of a sample have one score, so that everything would look like a tie.
        wanting = {"unexplained", "ties"} if self._sampled(at) else {"unexplained"}
        if not wanting & {one.reason for one in verdict.differences}:
            return verdict
        below_inputs = frozenset().union(*(self.below(one) for one in run.inputs))
        reason = self._reason(at, below_inputs)
        differences = (
            replace(one, reason=reason) if one.reason in wanting else one for one in verdict.differences
        )
        return replace(verdict, differences=tuple(differences))

    def rescored(self, at: int) -> Rescored | None:
        """What became of the union of the inputs; None for fusions and for stages without inputs."""
        run = self.stages[at]
        if not run.inputs or Fusion.of(run.body) is not None:
            return None
        union = {one.id for number in run.inputs for one in self.lists[number]}
        own = list(dict.fromkeys(one.id for one in self.lists[at]))
        strangers = tuple(key for key in own if key not in union)
        reason = self._reason(at, self.below(at)) if strangers else None
        return Rescored(len(union), len(own) - len(strangers), strangers, reason)

    def _reason(self, at: int, doubtful: Iterable[int]) -> str:
        """Why a stage worked on something else than its inputs gave when they were asked.

        ``doubtful`` are the stages whose ties can have changed what it worked on.
        """
        below = self.below(at)
        if self._sampled(at):
            return "sample"
        if any(self._tied(one) for one in doubtful):
            return "ties"
        if self._grouped and at == 0:
            return "groups"
        if any(self.stages[one].inputs for one in below) and self._asker.shards() > 1:
            return "shards"
        return "nondeterminism" if self._changes() & below else "unexplained"

    def _source(self, at: int) -> Source:
        """A stage as the input of a fusion."""
        run, found = self.stages[at], self.lists[at]
        fusion = Fusion.of(run.body)
        dbsf = fusion is not None and fusion.method == "dbsf"
        ordered = dbsf or isinstance(run.stage.target, nodes.OrderBy)
        return Source(found, len(found) >= run.limit, ordered)

    def _sampled(self, at: int) -> bool:
        """Whether points below a stage are drawn by chance."""
        return any(isinstance(self.stages[one].stage.target, nodes.Sample) for one in self.below(at))

    def _tied(self, at: int) -> bool:
        """Whether points of a stage are equal, so that chance decides on their order, or on who is cut."""
        source = self._source(at)
        if any(first != last for first, last in tie_groups(source.candidates, source.ordered)):
            return True
        run = self.stages[at]
        fusion = Fusion.of(run.body)
        if fusion is None or not source.full:
            return False
        every = fuse(fusion, [self.lists[one] for one in run.inputs])
        return len(every) > run.limit and every[run.limit - 1].score == every[run.limit].score

    def _changes(self) -> frozenset[int]:
        """The stages whose scores are others when they are asked once more."""
        if self._changed is None:
            again = self._asker.batch([run.body for run in self.stages[1:]])
            pairs = enumerate(zip(self.lists[1:], again, strict=True), 1)
            self._changed = frozenset(at for at, (one, other) in pairs if _scores(one) != _scores(other))
        return self._changed


def _scores(found: Sequence[Candidate]) -> list[float]:
    return [one.score for one in found]
