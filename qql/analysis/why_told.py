"""Changes of a query's words as they are told: what a clause says, what it is to say, how large that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from qql import nodes
from qql.analysis.formula_numbers import formula_of, numbers_in
from qql.analysis.query_edits import Edit, Value, edited, stage_at
from qql.analysis.why_result import Change, WordsChange
from qql.analysis.why_tuning import relative_change
from qql.records import NamedTuple
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE, RRF_K
from qql.rest.types import Json
from qql.syntax.printer import show

__all__ = ["Size", "size_of", "text_of", "told"]

_SLOTS = ("LIMIT", "CANDIDATES", "TOP", "SIZE", "mmr_candidates")
"""Words that say how many points are taken."""


class Size(NamedTuple):
    """How large changes are: the conditions that are dropped, then how many candidates more are taken, then
    the largest relative change of a number, as a logarithm (0.69 doubles or halves it)."""

    dropped: int
    slots: int
    relative: float


def size_of(query: nodes.Query, edits: Iterable[Edit]) -> Size:
    """The size of changes of a query."""
    dropped, slots, relative = 0, 0, 0.0
    for edit in edits:
        before = _value_in(query, edit)
        if edit.word == "WHERE":
            dropped += 1
        elif edit.word in _SLOTS and isinstance(edit.value, int):
            slots += max(edit.value - (before if isinstance(before, int) else 0), 0)
        else:
            weights = isinstance(before, Mapping | list)
            old = tuple(before.values() if isinstance(before, Mapping) else before) if weights else before
            relative = max(relative, _change(old, edit.value))
    return Size(dropped, slots, relative)


def _change(before: Value, after: Value) -> float:
    found = relative_change(before, after)
    both = isinstance(before, (int, float)) and isinstance(after, (int, float))
    if math.isfinite(found) or not both or isinstance(after, bool):
        return found
    assert isinstance(before, (int, float)) and isinstance(after, (int, float))
    return 1 + abs(after - before)


def told(query: nodes.Query, edit: Edit) -> WordsChange:
    """A change of a query, in its parts and as text."""
    stage = None if edit.address == ("",) else edit.label
    source = "reference" if edit.in_reference else "stage"
    condition = str(edit.part) if edit.word == "WHERE" else None
    after = None if edit.value is None else _value_in(edited(query, [edit]), edit)
    text = text_of(query, edit)
    return WordsChange(text, edit.word, after, condition, stage, source, _value_in(query, edit))


def text_of(query: nodes.Query, edit: Edit) -> str:
    """An edit as words that can be typed, and where they stand: ``LIMIT 40 → 73 in dense``."""
    if edit.word == "WHERE":
        where = f"the reference to {edit.label}" if edit.in_reference else edit.label
        return f"dropping {edit.part} from WHERE of {where}"
    text = _change_text(query, edit)
    if edit.in_reference:
        return f"{text} at the reference to {edit.label}"
    return text if edit.address == ("",) else f"{text} in {edit.label}"


def _change_text(query: nodes.Query, edit: Edit) -> str:
    if edit.value is None:
        return f"without {edit.word}"
    before, after = _value_in(query, edit), _value_in(edited(query, [edit]), edit)
    if edit.word == "FORMULA":
        return f"{_shown(before)} → {_shown(after)} in FORMULA"
    if before is None:
        return str(Change(edit.word, after)) if isinstance(after, int | float | str) else str(after)
    return f"{edit.word} {_shown(before)} → {_shown(after)}"


def _shown(value: Json) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return value.upper() if isinstance(value, str) else show(value)


# ------------------------------------------------------------------------------------ what the words say


def _number(scalar: nodes.Scalar | None, default: Json = None) -> Json:
    return default if scalar is None or isinstance(scalar.value, nodes.Param) else scalar.value


def _mmr_of(stage: nodes.Query) -> nodes.Mmr | None:
    return stage.target if isinstance(stage.target, nodes.Mmr) else None


def _candidates(stage: nodes.Query) -> Json:
    mmr = _mmr_of(stage)
    return _option(stage, "mmr_candidates") if mmr is None else _number(mmr.candidates)


def _diversity(stage: nodes.Query) -> Json:
    mmr = _mmr_of(stage)
    return _option(stage, "mmr_diversity", 0.5) if mmr is None else _number(mmr.diversity, 0.5)


def _method(stage: nodes.Query) -> Json:
    return "rrf" if stage.fusion is None else stage.fusion.method


def _size(stage: nodes.Query) -> Json:
    return None if stage.group is None else _number(stage.group.size, GROUP_SIZE)


def _top(stage: nodes.Query) -> Json:
    return None if stage.rerank is None else _number(stage.rerank.top)


def _start(stage: nodes.Query) -> Json:
    return _number(stage.target.start) if isinstance(stage.target, nodes.OrderBy) else None


_SAYS: dict[str, Callable[[nodes.Query], Json]] = {
    "LIMIT": lambda stage: _number(stage.limit, DEFAULT_LIMIT),
    "OFFSET": lambda stage: _number(stage.offset, 0),
    "SCORE THRESHOLD": lambda stage: _number(stage.threshold),
    "SIZE": _size,
    "TOP": _top,
    "CANDIDATES": _candidates,
    "START FROM": _start,
    "DIVERSITY": _diversity,
    "FUSION": _method,
    "rrf_k": lambda stage: _option(stage, "rrf_k", RRF_K),
    "mmr_diversity": _diversity,
}
"""What each clause says; any other word is an option of PARAMS."""


def _option(stage: nodes.Query, name: str, default: Json = None) -> Json:
    found = next((one.value for one in stage.params if one.name.lower() == name), default)
    if isinstance(found, tuple):
        return {one.name: one.value for one in found}
    return found


def _value_in(query: nodes.Query, edit: Edit) -> Json:
    """What the words say that an edit changes, or what holds where they say nothing."""
    words = stage_at(query, edit)
    if edit.word == "WHERE":
        return None
    if isinstance(words, nodes.Ref):
        return _number(words.threshold)
    if edit.word == "FORMULA":
        formula = formula_of(words)
        assert formula is not None and isinstance(edit.part, int)
        return numbers_in(formula.expression)[edit.part]
    if edit.word == "rrf_weights":
        given = _option(words, edit.word)
        if given is None and isinstance(edit.value, tuple):
            even = edited(query, [Edit(edit.address, edit.word, (1,) * len(edit.value))])
            return _value_in(even, edit)
        return given
    found = _SAYS.get(edit.word)
    return _option(words, edit.word) if found is None else found(words)
