"""How `tune` measures: the quality of each setting once, then the times of all in turn."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence

from qql.backends.base import Progress, Work
from qql.errors import QQLError
from qql.evaluation.behind_limit import Ranked, ranked
from qql.evaluation.calls import Call, locate_error
from qql.evaluation.documents import Key, document_key
from qql.evaluation.files import Qrels
from qql.evaluation.measures import Evaluation, Measure, evaluate_run
from qql.evaluation.tuning import Times
from qql.evaluation.variants import Trying, Variant, values_text
from qql.flows import Stopped
from qql.records import dataclass, replace

__all__ = ["PERCENTILES", "Experiment", "Trial"]

PERCENTILES = {"p50": 50, "p95": 95}
_LEAST_ROUNDS = 3
_LEAST_CALLS = 60
"""Calls of each setting that are timed at least: with few queries, there are more rounds."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What was measured of a variant: ``chosen`` of the queries to choose by, ``kept`` of those kept apart.

    ``queries`` are those of ``times``, in their order; ``ranked`` is what equal scores leave open.
    """

    variant: Variant
    chosen: Evaluation
    kept: Evaluation | None
    times: Times
    queries: tuple[str, ...]
    ranked: Mapping[str, Ranked]
    current: bool = False

    @property
    def means(self) -> Mapping[Measure, float]:
        """The mean of each measure, over the queries to choose by."""
        return self.chosen.means

    @property
    def kept_means(self) -> Mapping[Measure, float]:
        """The same over the queries that were kept apart."""
        return {} if self.kept is None else self.kept.means


class Experiment:
    """Runs all judged queries through each variant."""

    def __init__(
        self,
        how: Trying,
        qrels: Qrels,
        measures: Sequence[Measure],
        chosen: set[str],
        kept: set[str],
    ) -> None:
        self.how: Trying = how
        self.qrels: Qrels = qrels
        self.measures: Sequence[Measure] = measures
        self.progress: Progress = how.progress
        self.chosen: set[str] = chosen
        self.kept: set[str] = kept
        self.key: Key = document_key(qrels, how.doc_id)
        self.percent: float = PERCENTILES[how.latency]
        count = len(chosen | kept)
        self.rounds: int = how.repeat or max(_LEAST_ROUNDS, -(-_LEAST_CALLS // count))

    def qualities(self, variants: Sequence[Variant], current: Variant | None) -> Iterator[Trial]:
        """The quality of each, with the times of these first calls, which are not compared."""
        for at, variant in enumerate(variants):
            self.progress(Work("settings", "settings"), at, len(variants))
            yield self._quality(variant, current=variant is current)
        self.progress(Work("settings", "settings"), len(variants), len(variants))

    def timed(self, trials: Sequence[Trial], *, partial: bool = True) -> tuple[list[Trial], bool]:
        """The trials with the times of all rounds, and whether Ctrl-C left any round out (with ``partial``).

        Each query is asked of all variants in turn, in another order each time, so that whatever slows the
        machine down falls on all of them.
        """
        dice = random.Random(self.how.seed)
        calls = [self._calls_of(one.variant) for one in trials]
        rounds: list[list[list[float]]] = []
        complete = True
        try:
            for at in range(self.rounds):
                self.progress(Work("rounds of times", "rounds"), at, self.rounds)
                rounds.append(self._round(trials, calls, dice))
            self.progress(Work("rounds of times", "rounds"), self.rounds, self.rounds)
        except KeyboardInterrupt as stop:
            if isinstance(stop, Stopped) or not partial:
                raise
            complete = False
        if not rounds:
            return [*trials], False
        timed = [
            replace(one, times=Times(tuple(tuple(each[at]) for each in rounds), self.percent))
            for at, one in enumerate(trials)
        ]
        return timed, complete

    def _round(
        self, trials: Sequence[Trial], calls: Sequence[Sequence[Call]], dice: random.Random
    ) -> list[list[float]]:
        """The seconds of each trial's calls."""
        seconds = [[0.0] * len(own) for own in calls]
        order = list(range(len(trials)))
        for query in range(len(calls[0])):
            dice.shuffle(order)
            for at in order:
                start = time.perf_counter()
                self._ask(trials[at].variant, calls[at][query])
                seconds[at][query] = time.perf_counter() - start
        return seconds

    def _calls_of(self, variant: Variant) -> list[Call]:
        return [call for call in variant.calls if call.query.id in self.chosen | self.kept]

    def _quality(self, variant: Variant, *, current: bool) -> Trial:
        found: dict[str, Ranked] = {}
        seconds = []
        calls = self._calls_of(variant)
        for call in calls:
            start = time.perf_counter()
            try:
                asked = variant.pipeline.embedded(call.params)
                result = variant.pipeline.answer(asked)
                seconds.append(time.perf_counter() - start)
                found[call.query.id] = ranked(variant.pipeline, asked, result, self.key)
            except QQLError as exc:
                raise locate_error(exc, values_text(variant.values), call) from exc
        chosen, kept = (self._evaluation(found, part) for part in (self.chosen, self.kept))
        assert chosen is not None, "there are queries to choose by"
        times = Times((tuple(seconds),), self.percent)
        return Trial(variant, chosen, kept, times, tuple(c.query.id for c in calls), found, current)

    def _evaluation(self, found: Mapping[str, Ranked], part: set[str]) -> Evaluation | None:
        if not part:
            return None
        run = {
            query: [hit.doc for hit in one.ranking.ordered(self.how.ties, self.qrels.get(query, {}))]
            for query, one in found.items()
        }
        return evaluate_run(run, self.qrels, self.measures, sorted(part))

    def _ask(self, variant: Variant, call: Call) -> None:
        try:
            variant.pipeline.ask(call.params)
        except QQLError as exc:
            raise locate_error(exc, values_text(variant.values), call) from exc
