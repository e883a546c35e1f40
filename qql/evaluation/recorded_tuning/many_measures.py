"""Measures of the rankings of many settings: each way in which judged documents stand is measured once.

A measure sees of a ranking which judged documents stand where. Thousands of settings leave few dozens of such
patterns, which are told apart as whole numbers; what each is worth, the measure itself says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qql.analysis.model import Id
from qql.evaluation.measures import MEASURES, Measure
from qql.evaluation.recording.settings_at_once import WhatIf

__all__ = ["depth_of", "values_of"]

_NOTHING, _UNJUDGED = 0, 1


def depth_of(measures: Sequence[Measure]) -> int | None:
    """How many hits the measures look at; None where one looks at all."""
    most = 0
    for one in measures:
        if _width(one) is None:
            return None
        most = max(most, one.cutoff or 0)
    return most


def _width(measure: Measure) -> int | None:
    return None if measure.judged_only or MEASURES[measure.name].cutoff == "refused" else measure.cutoff


def values_of(
    found: WhatIf, doc: Callable[[Id], str], judged: Mapping[str, float], measures: Sequence[Measure]
) -> dict[Measure, list[float]]:
    """The value of each measure for each setting of one query: just what the measure gives for its ranking.

    A document that several points belong to stands where its first does. Raises what measures raise.
    """
    docs = [doc(one) for one in found.ids]
    if len({*docs}) == len(docs) and hasattr(found.places, "dtype"):
        return _by_patterns(found, docs, judged, measures)
    known: dict[tuple[str, ...], list[float]] = {}
    out: dict[Measure, list[float]] = {one: [] for one in measures}
    for row in found.places:
        ranking = tuple(dict.fromkeys(docs[at] for at in row if at >= 0))
        if ranking not in known:
            known[ranking] = [measure(ranking, judged) for measure in measures]
        for measure, value in zip(measures, known[ranking], strict=True):
            out[measure].append(value)
    return out


def _by_patterns(
    found: WhatIf, docs: Sequence[str], judged: Mapping[str, float], measures: Sequence[Measure]
) -> dict[Measure, list[float]]:
    import numpy

    numbers = {one: at for at, one in enumerate((one for one in docs if one in judged), _UNJUDGED + 1)}
    kind = numpy.uint8 if len(numbers) < 250 else numpy.uint16 if len(numbers) < 65_000 else numpy.uint32
    code = numpy.array([*(numbers.get(one, _UNJUDGED) for one in docs), _NOTHING], dtype=kind)
    names = ["", "", *numbers]
    every = code[numpy.asarray(found.places)]
    patterns: dict[int | None, tuple[list[tuple[str, ...]], list[int]]] = {}
    out = {}
    for measure in measures:
        width = _width(measure)
        if width not in patterns:
            patterns[width] = _patterns(every[:, :width], names)
        rankings, numbered = patterns[width]
        values = [measure(one, judged) for one in rankings]
        out[measure] = [values[at] for at in numbered]
    return out


def _patterns(codes: object, names: Sequence[str]) -> tuple[list[tuple[str, ...]], list[int]]:
    """The distinct rows as rankings, whose unjudged documents have no names of their own; and which of them
    each row is."""
    import numpy

    rows = numpy.ascontiguousarray(codes)
    size, data = rows.shape[1] * rows.itemsize, rows.tobytes()
    if not size:
        return [()], [0] * len(rows)
    known: dict[bytes, int] = {}
    numbered = [known.setdefault(data[at : at + size], len(known)) for at in range(0, len(data), size)]
    rankings = []
    for one in known:
        own = numpy.frombuffer(one, dtype=rows.dtype).tolist()
        # No judged document has a name like these: it holds what no id of a document can.
        rankings.append(tuple(names[at] or f"\0{place}" for place, at in enumerate(own) if at != _NOTHING))
    return rankings, numbered
