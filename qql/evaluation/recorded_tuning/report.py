"""What `tune` found on a recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import TypeAlias

from qql.errors import Diagnostic, many
from qql.evaluation.faults import argument
from qql.evaluation.measures import Measure
from qql.evaluation.recorded_tuning.boards import Board, ScoredSetting
from qql.evaluation.recorded_tuning.changes import SettingChange
from qql.evaluation.recorded_tuning.folds import CheckedChoice
from qql.evaluation.recorded_tuning.real_runs import RealRun
from qql.evaluation.recorded_tuning.spaces import Space
from qql.evaluation.recording.recordings import Recording
from qql.evaluation.report import three_digits
from qql.evaluation.sections import Report, Section
from qql.evaluation.significance import bootstrap_interval
from qql.evaluation.variants import value_text, values_text
from qql.records import dataclass
from qql.rest.types import JsonObject

__all__ = ["Front", "RecordedTuned"]

Front: TypeAlias = tuple[ScoredSetting, ...]
"""Settings that no other beats, from the cheapest to the best."""
_ALPHA = 0.05
_COLUMNS = 80


@dataclass(frozen=True, slots=True)
class RecordedTuned(Report):
    """All that `tune` found on a recording.

    ``current`` is the pipeline as it is, ``chosen`` the best of all that was tried (``board.scored``), by
    the first measure; ``checked`` says how good such a choice is for queries that had no part in it, and
    ``by_chance`` is the p-value of the best of so many (None where queries were kept apart). ``adverse`` is
    the least by which ``chosen`` can be above ``current``, whatever the order of equal scores. ``fronts``:
    the settings that no other beats in quality and ``candidates``, or ``ms``. ``changes`` is what each change
    does alone, ``real`` what runs of the ``shown`` gave. Not ``complete``: Ctrl-C ended the runs.
    """

    space: Space
    board: Board
    current: ScoredSetting | None
    chosen: ScoredSetting
    shown: tuple[ScoredSetting, ...]
    fronts: Mapping[str, Front]
    checked: CheckedChoice
    by_chance: float | None
    adverse: float | None
    changes: tuple[SettingChange, ...]
    real: tuple[RealRun, ...]
    search: str
    recording: Recording
    latency: str
    complete: bool
    notes: tuple[Diagnostic, ...]

    @property
    def measures(self) -> Sequence[Measure]:
        """The measures; the first one chooses."""
        return self.board.measures

    @property
    def winner(self) -> ScoredSetting | None:
        """The chosen setting, where it is better than the pipeline as it is, beyond noise and ties: held out,
        the difference is above 0 with a p-value below 0.05; the best of so many would be as good by chance
        with a probability below 0.05; and no order of equal scores undoes it."""
        if self.current is None or self.chosen is self.current:
            return None
        if not self._is_better or (self.adverse or 0.0) <= 0:
            return None
        return self.chosen

    @property
    def _is_better(self) -> bool:
        """Whether the choice is better by more than noise."""
        found = self.checked
        if found.difference is None or found.p is None:
            return False
        return found.difference > 0 and found.p < _ALPHA and (self.by_chance or 0.0) < _ALPHA

    @property
    def texts(self) -> list[str]:
        """The pipeline with the winner's settings; empty without a winner."""
        return [] if self.winner is None else [self.space.text(self.winner.values)]

    def rows(self) -> list[JsonObject]:
        """A row a setting, for programs."""
        return [self._row(one) for one in self.board.scored]

    def _row(self, one: ScoredSetting) -> JsonObject:
        row = dict(one.values)
        row |= {str(measure): round(mean, 4) for measure, mean in one.means.items()}
        row |= {"candidates": one.candidates, "ms deep": round(one.ms, 3)}
        verdicts = [
            "current" if one is self.current else "",
            "winner" if one is self.winner else "chosen" if one is self.chosen else "",
            *(f"front of {name}" for name, front in self.fronts.items() if one in front),
        ]
        return row | {"verdict": ", ".join(filter(None, verdicts))}

    def to_dict(self) -> JsonObject:
        """``{"version", "measures", "search", "latency", "complete", "queries", "recording", "settings",
        "verdict", "winner", "chosen", "current", "cross_validation", "by_chance", "adverse", "changes",
        "fronts", "tried", "real", "left_out"}``.

        * ``settings``: ``[{"name", "now", "tried": [value]}]``.
        * ``chosen``, ``current``, and each of ``tried``: ``{"values", "measures": {name: mean}, "candidates",
          "ms_deep", "ties", "estimates"}``, the last two counts of queries; ``chosen`` and ``current`` have
          ``per_query`` (``{query: {name: value}}``), ``chosen`` its ``script`` and ``params`` as well.
        * ``winner``: whether ``chosen`` is better beyond noise and ties; ``verdict`` says it in words.
        * ``cross_validation``: `CheckedChoice.to_dict`; ``by_chance``: the p-value of the best of all
          settings; ``adverse``: the least difference, whatever the order of equal scores.
        * ``changes``: ``[{"values", "text", "lost", "recovered", "cost", "difference", "low", "high", "p",
          "sentence"}]``; ``fronts``: ``{"candidates": [values], "ms": [values]}``, the cheapest first.
        * ``real``: ``[{"values", "measures", "recomputed", "ms", "differing": [query]}]``.
        * ``left_out``: ``[{"why", "settings"}]``, counts of what the recording says nothing of.
        """
        return {
            "version": 1,
            "measures": [str(one) for one in self.measures],
            "search": self.search,
            "latency": self.latency,
            "complete": self.complete,
            "queries": len(self.board.queries),
            "recording": {"depth": self.recording.depth, "stamp": dict(self.recording.stamp)},
            "settings": [
                {"name": name, "now": self.space.now(name), "tried": [*values]}
                for name, values in self.space.axes.items()
            ],
            "verdict": self.verdict,
            "winner": self.winner is not None,
            "chosen": self._dict(self.chosen, whole=True)
            | {
                "script": self.space.text(self.chosen.values),
                "params": {name: self.chosen.values[name] for name in self.space.params},
            },
            "current": None if self.current is None else self._dict(self.current, whole=True),
            "cross_validation": self.checked.to_dict(),
            "by_chance": self.by_chance,
            "adverse": self.adverse,
            "changes": [one.to_dict(self.measures[0]) for one in self.changes],
            "fronts": {name: [dict(one.values) for one in front] for name, front in self.fronts.items()},
            "tried": [self._dict(one) for one in self.board.scored],
            "real": [
                {
                    "values": dict(one.scored.values),
                    "measures": {str(measure): mean for measure, mean in one.trial.means.items()},
                    "recomputed": {str(measure): mean for measure, mean in one.scored.means.items()},
                    "ms": one.trial.times.seconds * 1000,
                    "differing": list(one.others),
                }
                for one in self.real
            ],
            "left_out": [{"why": why, "settings": count} for why, count in self.board.left_out.items()],
        }

    def _dict(self, one: ScoredSetting, *, whole: bool = False) -> JsonObject:
        found: JsonObject = {
            "values": dict(one.values),
            "measures": {str(measure): mean for measure, mean in one.means.items()},
            "candidates": one.candidates,
            "ms_deep": one.ms,
            "ties": one.ties,
            "estimates": one.estimates,
        }
        if whole:
            found["per_query"] = {
                query: {str(measure): of[at] for measure, of in one.figures.items()}
                for at, query in enumerate(self.board.queries)
            }
        return found

    # -- for people

    @property
    def verdict(self) -> str:
        """What is to be done, in a sentence."""
        found, measure = self.checked, self.measures[0]
        folds = many(len(found.folds), "fold") if len(found.folds) > 1 else "queries kept apart"
        if found.difference is None or found.now is None:
            return (
                f"held out ({folds}), the choice has {measure} {found.held_out:.4f}; nothing is as it is now"
            )
        figures = (
            f"held out ({folds}), {measure} {found.now:.4f} → {found.held_out:.4f}"
            f" ({found.difference:+.4f}, 95 % {found.low:+.4f} to {found.high:+.4f}, p = {found.p:.2g})"
        )
        if self.by_chance is not None:
            count = len(self.board.scored)
            figures += f"; by chance, the best of {count:,} would be as good with p = {self.by_chance:.2g}"
        if self.winner is not None:
            return f"{self._changes(self.chosen)} is better beyond noise: {figures}"
        if self.chosen is self.current:
            return f"no setting is better than the pipeline as it is: {figures}"
        if self._is_better:
            return f"no setting is better beyond ties: another order of equal scores undoes it; {figures}"
        return f"no setting is better beyond noise: {figures}"

    def sections(self) -> list[Section]:
        """The verdict with a table, what changes do, the runs, and the text of the best pipeline."""
        return [*self._sections()]

    def _sections(self) -> Iterator[Section]:
        measure, found = self.measures[0], self.checked
        title = (
            f"{many(len(self.board.scored), 'setting')} recomputed for"
            f" {many(len(self.board.queries), 'query', 'queries')}"
        )
        numbers = {id(one): at for at, one in enumerate(self.shown, 1)}
        rows = [{"nr": at} | self._readable(one) for at, one in enumerate(self.shown, 1)]
        notes = [f"{numbers[id(one)]}: {self._changes(one) or 'as it is'}" for one in self.shown]
        notes.append(self.verdict)
        notes.append(
            f"the choices have {measure} {found.training:.4f} for the queries that chose them,"
            f" {found.held_out:.4f} for those held out"
        )
        notes.append(
            f"ms deep: of the stages when they were asked for {self.recording.depth}, so it is the most"
        )
        for why, count in self.board.left_out.items():
            notes.append(f"left out: {many(count, 'setting')}, which need runs ({why})")
        if self.board.left_out:
            notes.append(f"without {argument('recording')} and its like, tune runs what it tries")
        tied = self.chosen.ties
        if tied:
            count = len(self.board.queries)
            notes.append(f"ties: {tied} of {count} answers of the chosen setting are equal but for ties")
        yield Section(title, rows, tuple(notes))
        if self.changes:
            yield Section("What each change does", [], tuple(one.sentence(measure) for one in self.changes))
        if self.real:
            yield self._real_section(numbers)
        if self.chosen is not self.current:
            params = {name: value_text(self.chosen.values[name]) for name in self.space.params}
            lead = f"-- {argument('params', params)}\n" if params else ""
            about = "\n".join(f"-- {line}" for line in wrap(self._changes(self.chosen), _COLUMNS - 3))
            name = "The winner" if self.winner is not None else "The best of all, which may be chance"
            yield Section(name, [], text=f"{about}\n{lead}{self.space.text(self.chosen.values)}")

    def _readable(self, one: ScoredSetting) -> JsonObject:
        row: JsonObject = {str(measure): f"{mean:.4f}" for measure, mean in one.means.items()}
        row |= {"candidates": one.candidates, "ms deep": three_digits(one.ms)}
        return row | {"vs now": self._beside(one)}

    def _beside(self, one: ScoredSetting) -> str:
        if self.current is None:
            return ""
        if one is self.current:
            return "now"
        measure = self.measures[0]
        pairs = zip(one.figures[measure], self.current.figures[measure], strict=True)
        low, high = bootstrap_interval([mine - now for mine, now in pairs])
        return f"{low:+.4f} to {high:+.4f}"

    def _real_section(self, numbers: Mapping[int, int]) -> Section:
        measure = self.measures[0]
        rows: list[JsonObject] = []
        for one in self.real:
            mean, own = one.trial.means[measure], one.scored.means[measure]
            rows.append(
                {
                    "nr": numbers[id(one.scored)],
                    "recomputed": f"{own:.4f}",
                    "run": f"{mean:.4f}",
                    "difference": f"{mean - own:+.4f}",
                    "queries that differ": len(one.others),
                    f"{self.latency} ms": three_digits(one.trial.times.seconds * 1000),
                }
            )
        title = f"Run for real: {measure}" if self.complete else f"Run for real: {measure} (incomplete)"
        return Section(title, rows)

    def _changes(self, one: ScoredSetting) -> str:
        return values_text(self.space.changes(one.values))
