"""What `tune` found: what can be set, and which settings are worth having."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from qql.errors import Diagnostic, many
from qql.evaluation.faults import Blank, argument
from qql.evaluation.measures import Measure
from qql.evaluation.possible_settings import Possible
from qql.evaluation.report import three_digits
from qql.evaluation.sections import Report, Section, stamp_section
from qql.evaluation.significance import compare_evaluations
from qql.evaluation.speed import percentile
from qql.evaluation.tie_report import tie_notes
from qql.evaluation.trials import Trial
from qql.evaluation.tuning import Standing
from qql.evaluation.variants import Tunable, value_text, values_text
from qql.records import dataclass, replace
from qql.rest.types import JsonObject

if TYPE_CHECKING:
    from qql.session.stamp import Stamp

__all__ = ["Tuned"]

_TEXTS_SHOWN = 3  # settings whose text is printed
_COLUMNS = 80


@dataclass(frozen=True, slots=True)
class Tuned(Report):
    """All that `tune` found; ``best`` are those that no other beats, from the fastest to the best.

    ``trials`` are the settings that were tried, of ``count``; ``chosen_by`` and ``kept_apart`` are the
    numbers of queries;
    ``notes`` is what makes the figures mean less than they seem to, ``stamp`` what they depend on; not
    ``complete``: Ctrl-C ended it.
    """

    script: Tunable
    trials: Sequence[Trial]
    best: Sequence[Standing[Trial]]
    measures: Sequence[Measure]
    count: int
    chosen_by: int
    kept_apart: int
    complete: bool
    notes: tuple[Diagnostic, ...]
    stamp: Stamp

    @property
    def texts(self) -> list[str]:
        """The pipelines of the best settings, from the fastest to the best."""
        return [one.item.variant.pipeline.text for one in self.best]

    def rows(self) -> list[JsonObject]:
        """A row a setting, for programs."""
        return [self._row(one) for one in self.trials]

    def _row(self, one: Trial) -> JsonObject:
        row = dict(one.variant.values)
        row |= {str(measure): round(mean, 4) for measure, mean in one.means.items()}
        row |= {f"{measure} held out": round(mean, 4) for measure, mean in one.kept_means.items()}
        row[f"{self._latency} ms"] = round(one.times.seconds * 1000, 2)
        verdicts = [
            "not beaten" if self._stands_for(one) else "equal to one" if self._is_kept(one) else "",
            "current" if one.current else "",
        ]
        return row | {"verdict": ", ".join(filter(None, verdicts))}

    def to_dict(self) -> JsonObject:
        """``{"version", "measures", "latency", "complete", "queries", "settings", "tried", "best",
        "left_out", "stamp"}``.

        * ``settings``: ``[{"name", "now", "default", "tried": [value], "why"}]``, what can be set.
        * ``tried``: ``[{"values", "measures", "held_out", "per_query": {query: {name: value}}, "ms", "times",
          "current", "front", "params", "script"}]``; ``measures`` and ``held_out`` are ``{name: mean}``,
          ``ms`` the percentile of the times; ``times``: ``{"rounds": [ms], "per_query": {query: [ms]}}``;
          ``front``: no other beats it; ``params`` are those of the values that are parameters, ``script`` has
          the others in it.
        * ``best``: ``[{"values", "equals": [values]}]``, from the fastest to the best: those not beaten, of
          equals the one that is the current, or else first by the number of changes and the grid's order.
        * ``left_out``: ``[{"values", "why"}]``, combinations that do not fit.
        """
        return {
            "version": 1,
            "measures": [str(measure) for measure in self.measures],
            "latency": self._latency,
            "complete": self.complete,
            "queries": {"chosen_by": self.chosen_by, "kept_apart": self.kept_apart},
            "settings": [self._possible_dict(one) for one in self.script.possible],
            "tried": [self._trial_dict(one) for one in self.trials],
            "best": [
                {
                    "values": dict(one.item.variant.values),
                    "equals": [dict(other.variant.values) for other in one.equals],
                }
                for one in self.best
            ],
            "left_out": [{"values": dict(one.values), "why": one.why} for one in self.script.left_out],
            "stamp": self.stamp.to_dict(),
        }

    def _possible_dict(self, one: Possible) -> JsonObject:
        tried = list(self.script.axes.get(one.name, ()))
        return {"name": one.name, "now": one.now, "default": one.default, "tried": tried, "why": one.why}

    def _trial_dict(self, one: Trial) -> JsonObject:
        parts = [part for part in (one.chosen, one.kept) if part is not None]
        return {
            "values": dict(one.variant.values),
            "measures": {str(measure): mean for measure, mean in one.means.items()},
            "held_out": {str(measure): mean for measure, mean in one.kept_means.items()},
            "per_query": {
                query: {str(measure): of[query] for measure, of in part.values.items()}
                for part in parts
                for query in part.queries
            },
            "ms": one.times.seconds * 1000,
            "times": {
                "rounds": [percentile(each, one.times.percent) * 1000 for each in one.times.rounds],
                "per_query": {
                    query: [seconds * 1000 for seconds in each]
                    for query, each in zip(one.queries, zip(*one.times.rounds, strict=True), strict=True)
                },
            },
            "current": one.current,
            "front": self._is_kept(one),
            "params": {name: one.variant.values[name] for name in self.script.params},
            "script": one.variant.pipeline.text,
        }

    # -- for people

    def sections(self) -> list[Section]:
        """The tables, and the texts of the best settings; what can be set, where nobody named it."""
        first, *more = self._all_sections()
        title = first.title if self.complete else f"{first.title} (incomplete)"
        return [replace(first, title=title), *more, stamp_section(self.stamp)]

    def _all_sections(self) -> Iterator[Section]:
        if not self.script.named:
            yield self._settings_section()
        yield self._best_section()
        measure = self.measures[0]
        for standing in [one for one in reversed(self.best) if not one.item.current][:_TEXTS_SHOWN]:
            one = standing.item
            params = {name: value_text(one.variant.values[name]) for name in self.script.params}
            lead = f"-- {argument('params', params)}\n" if params else ""
            text = one.variant.pipeline.text if len(params) < len(self.script.axes) else ""
            figures = f"{measure} {one.means[measure]:.4f}, {one.times.seconds * 1000:.2f} ms"
            title = f"{self._changes(one)}: {figures}"
            if len(title) > _COLUMNS:
                title = figures
                lead = "\n".join([*(f"-- {line}" for line in wrap(self._changes(one), _COLUMNS - 3)), lead])
            yield Section(title, [], text=lead + text)

    def _settings_section(self) -> Section:
        rows: list[JsonObject] = []
        for one in self.script.possible:
            now = value_text(one.now) or (f"({one.default})" if one.default else "–")
            tried = self._tried(one.name) or f"no: {one.why or 'too many combinations'}"
            rows.append({"setting": one.name, "now": now, "tried": tried})
        others = argument("grid", {"NAME": [Blank("V"), Blank("V…")]})
        notes = (f"{others} tries others; the help of tune has all names",)
        return Section("What can be set", rows, notes)

    def _tried(self, name: str) -> str:
        return ", ".join(value_text(value) or "as it is" for value in self.script.axes.get(name, ()))

    def _best_section(self) -> Section:
        measure = self.measures[0]
        kept = [one.item for one in self.best]
        rows = [*self.best, *(Standing(one) for one in self.trials if one.current and not self._is_kept(one))]
        count = many(len(self.trials), "setting")
        verdicts = self._verdicts([one.item for one in rows])
        table = [self._values(one.item) | self._readable(one, verdicts) for one in rows]
        notes = self.script.left_out_notes()
        if _width(table) > _COLUMNS:
            table = [{"nr": at} | self._readable(one, verdicts) for at, one in enumerate(rows, 1)]
            for at, one in enumerate(rows, 1):
                changes = "as it is" if one.item.current else self._changes(one.item)
                notes.append(f"{at}: {changes}")
        if any(one.item.current for one in rows):
            beaten = "" if any(one.current for one in kept) else ", and others beat it"
            notes.append(f"now: the pipeline as it is{beaten}")
        if any(one.equals for one in rows):
            notes.append(
                "equals: so many more are as good, in a time that differs no more than it varies;"
                " the one shown changes the least"
            )
        if verdicts:
            notes.append(f"vs now: whether {measure} differs by more than chance (Holm, 0.05)")
        notes += tie_notes({"the best": self.best[-1].item.ranked} if self.best else {}, self.script.how.ties)
        return Section(f"The best of {count}, by {measure} and {self._latency}", table, tuple(notes))

    def _verdicts(self, shown: Sequence[Trial]) -> dict[Trial, str]:
        """Of settings beside the current one: whether the first measure differs by more than chance."""
        current = next((one for one in self.trials if one.current), None)
        others = [one for one in shown if not one.current]
        if current is None or not others:
            return {}
        measure = self.measures[0]
        named = {str(at): one for at, one in enumerate([current, *others])}
        found = compare_evaluations({name: one.chosen for name, one in named.items()}, "0")
        return {
            named[c.name]: ("better" if c.difference > 0 else "worse") if c.significant() else "chance?"
            for c in found
            if c.measure == measure
        }

    def _values(self, one: Trial) -> JsonObject:
        return {name: value_text(value) for name, value in one.variant.values.items()}

    def _changes(self, one: Trial) -> str:
        """The values that are others than now."""
        values = one.variant.values
        return values_text({k: v for k, v in values.items() if v != self.script.current_value(k)})

    def _readable(self, standing: Standing[Trial], verdicts: dict[Trial, str]) -> JsonObject:
        """A row for people, in eighty columns: of what was held out, the measure that chooses."""
        one = standing.item
        row: JsonObject = {}
        for measure, mean in one.means.items():
            row[str(measure)] = f"{mean:.4f}"
            if one.kept_means and "held out" not in row:
                row["held out"] = f"{one.kept_means[measure]:.4f}"
        row["ms"] = three_digits(one.times.seconds * 1000)
        if any(each.equals for each in self.best):
            row["equals"] = len(standing.equals) or ""
        return row | {"vs now": "now" if one.current else verdicts.get(one, "")}

    @property
    def _latency(self) -> str:
        return self.script.how.latency

    def _stands_for(self, one: Trial) -> bool:
        return any(one is each.item for each in self.best)

    def _is_kept(self, one: Trial) -> bool:
        return any(one is each.item or one in each.equals for each in self.best)


def _width(rows: Sequence[JsonObject]) -> int:
    """The columns that a table of these rows has."""
    return 1 + sum(3 + max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0])
