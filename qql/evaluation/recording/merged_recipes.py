"""The recipe of several changes at once, of the recipes of each of them.

A pipeline with ten limits of one stage and ten of another has a hundred recipes, and twenty compilations say
all of them: what changes a cut or a fusion of one stage changes nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from qql.evaluation.recording.recipes import Cut, Found, Fusing, Part, Recipe
from qql.records import replace

__all__ = ["MergedRecipes"]

_T = TypeVar("_T")


class _Unclear(Exception):
    """Two changes meet, or a change is more than a cut or a fusion."""


class MergedRecipes:
    """Recipes of several changes, of those with one each: ``base`` is the one without changes.

    What was merged once is kept, and so are the recipes that are given: parts are known by being the same.
    """

    def __init__(self, base: Recipe) -> None:
        self._base = base
        self._given: dict[int, Recipe] = {}
        self._same: dict[tuple[int, int], bool] = {}
        self._made: dict[tuple[int, ...], Part] = {}

    def of(self, changed: Sequence[Recipe]) -> Recipe | None:
        """The recipe with all of the changes; None where that has to be compiled. Stages keep the places that
        they have in the one without changes."""
        base = self._base
        if base.root is None or any(one.root is None for one in changed):
            return None
        self._given.update((id(one), one) for one in changed)
        try:
            root = self._merged(base.root, [one.root for one in changed if one.root is not None])
            offset = _one_of(base.offset, [one.offset for one in changed])
        except _Unclear:
            return None
        return Recipe(root, offset, base.keys, base.labels)

    def _merged(self, base: Part, changed: Sequence[Part]) -> Part:
        others = [one for one in changed if not self._is_same(one, base)]
        if not others:
            return base
        key = (id(base), *map(id, others))
        if key not in self._made:
            self._made[key] = self._merge(base, others)
        return self._made[key]

    def _is_same(self, one: Part, base: Part) -> bool:
        key = (id(one), id(base))
        if key not in self._same:
            self._same[key] = one == base
        return self._same[key]

    def _merge(self, base: Part, others: Sequence[Part]) -> Part:
        if any(type(one) is not type(base) for one in others):
            raise _Unclear
        cut = Cut(
            _one_of(base.cut.limit, [one.cut.limit for one in others]),
            _one_of(base.cut.threshold, [one.cut.threshold for one in others]),
        )
        if isinstance(base, Found):
            return replace(base, cut=cut)
        below = [one.inputs for one in others if not isinstance(one, Found)]
        if any(len(each) != len(base.inputs) for each in below):
            raise _Unclear
        inputs = tuple(self._merged(one, [each[at] for each in below]) for at, one in enumerate(base.inputs))
        if isinstance(base, Fusing):
            fusion = _one_of(base.fusion, [one.fusion for one in others if isinstance(one, Fusing)])
            return Fusing(fusion, inputs, cut)
        return replace(base, inputs=inputs, cut=cut)


def _one_of(base: _T, changed: Sequence[_T]) -> _T:
    """The value that a change gives. Raises `_Unclear` where several do."""
    others = [one for one in changed if one != base]
    if len(others) > 1:
        raise _Unclear
    return others[0] if others else base
