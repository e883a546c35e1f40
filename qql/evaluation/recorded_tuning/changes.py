"""What each change alone does: which relevant documents it brings back, and which it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qql.errors import many
from qql.evaluation.measures import Measure
from qql.evaluation.recorded_tuning.boards import Board, ScoredSetting
from qql.evaluation.recorded_tuning.spaces import Space
from qql.evaluation.significance import bootstrap_interval, holm, randomization_test
from qql.evaluation.variants import value_text
from qql.records import dataclass, replace
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.types import Json, JsonObject

__all__ = ["SettingChange", "changes_of"]

_CLAUSES = {"limit": "LIMIT", "threshold": "SCORE THRESHOLD", "fusion": "FUSION"}
_MOST = 6
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class SettingChange:
    """What a setting does to the pipeline as it is.

    ``text`` says what is changed. Of the ``lost`` relevant documents, which are not among the hits that the
    measure looks at, ``recovered`` are there with it; ``cost`` counts those that are not there any more.
    ``difference`` is that of the measure's mean, with its 95 % bootstrap interval; ``p`` is corrected for all
    changes that are told (Holm).
    """

    values: JsonObject
    text: str
    lost: int
    recovered: int
    cost: int
    difference: float
    low: float
    high: float
    p: float

    def sentence(self, measure: Measure) -> str:
        """For people."""
        s = "" if " and " in self.text else "s"
        costs = f"cost{s} {self.cost} elsewhere" if self.cost else f"cost{s} none"
        lost = many(self.lost, "relevant document")
        certain = "" if self.p < _ALPHA else ", which may be chance"
        return (
            f"{self.text} recover{s} {self.recovered} of the {lost} that the pipeline loses, and {costs}:"
            f" {measure} {self.difference:+.4f}{certain}"
        )

    def to_dict(self, measure: Measure) -> JsonObject:
        """All of it, and the sentence."""
        names = ("text", "lost", "recovered", "cost", "difference", "low", "high", "p")
        figures = {name: getattr(self, name) for name in names}
        return {"values": dict(self.values), **figures, "sentence": self.sentence(measure)}


def changes_of(space: Space, board: Board, measure: Measure, chosen: ScoredSetting) -> list[SettingChange]:
    """What each change of ``chosen`` does alone, then all of them; and of other settings the value that does
    most alone, where that is more than nothing. The pipeline as it is has to be recomputed."""
    current, board = space.current, board.apart()  # what is only told was not tried
    if current is None:
        return []
    now, best = board.add([current, chosen.values])
    if now is None or best is None:
        return []
    own = space.changes(chosen.values)
    singles = [space.fitted({**current, name: value}) for name, value in own.items()]
    told = [one for one in board.add(singles) if one is not None and one is not now]
    for name, values in space.axes.items():
        if name in own:
            continue
        tried = board.add([space.fitted({**current, name: one}) for one in values if one != current[name]])
        better = [one for one in tried if one is not None and _gain(one, now, measure) > 1e-9]
        if better:
            told.append(max(better, key=lambda one: _gain(one, now, measure)))
    told.sort(key=lambda one: -_gain(one, now, measure))
    told = list({id(one): one for one in told}.values())[:_MOST]
    if len(own) > 1 and best not in told:
        told.append(best)
    if not told:
        return []
    found = _documents(board, measure, [now, *told])
    out = []
    for at, one in enumerate(told, 1):
        differences = _differences(one, now, measure)
        low, high = bootstrap_interval(differences)
        lost, recovered, cost = found[at]
        *first, last = (_told(space, name, value) for name, value in space.changes(one.values).items())
        text = f"{', '.join(first)} and {last} together" if first else last
        mean = math.fsum(differences) / len(differences)
        p = randomization_test(differences)
        out.append(SettingChange(dict(one.values), text, lost, recovered, cost, mean, low, high, p))
    adjusted = holm([one.p for one in out])
    return [replace(one, p=p) for one, p in zip(out, adjusted, strict=True)]


def _differences(one: ScoredSetting, now: ScoredSetting, measure: Measure) -> list[float]:
    return [a - b for a, b in zip(one.figures[measure], now.figures[measure], strict=True)]


def _gain(one: ScoredSetting, now: ScoredSetting, measure: Measure) -> float:
    return one.means[measure] - now.means[measure]


def _documents(
    board: Board, measure: Measure, settings: Sequence[ScoredSetting]
) -> list[tuple[int, int, int]]:
    """Of each setting: how many relevant documents the first one loses, how many of these the setting has,
    and how many that the first one has it loses."""
    counts = [[0, 0, 0] for _ in settings]
    for row, found in board.found([one.values for one in settings], measure.cutoff):
        relevant = {doc for doc, one in board.qrels[row.query].items() if one >= measure.rel}
        there = [relevant.intersection(map(board.doc, found.ranking(at))) for at in range(len(settings))]
        for at, own in enumerate(there):
            counts[at][0] += len(relevant - there[0])
            counts[at][1] += len(own - there[0])
            counts[at][2] += len(there[0] - own)
    return [(lost, recovered, cost) for lost, recovered, cost in counts]


def _told(space: Space, name: str, value: Json) -> str:
    """``LIMIT 50 → 120 in `sparse```."""
    old, new = (_shown(space, name, one) for one in (space.now(name), value))
    if name in space.params:
        return f":{name} {old} → {new}"
    label = max((one for one in space.settable.stages if name.startswith(f"{one}.")), key=len)
    own = name[len(label) + 1 :]
    what = _CLAUSES.get(own, own)
    return f"{what} {old} → {new} in `{label}`"


def _shown(space: Space, name: str, value: Json) -> str:
    if value is not None:
        return value_text(value).upper() if name.endswith(".fusion") else value_text(value)
    default = next((one.default for one in space.possible if one.name == name), "")
    return default or (str(DEFAULT_LIMIT) if name.endswith(".limit") else "none")
