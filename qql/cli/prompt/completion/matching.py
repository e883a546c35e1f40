"""Which names fit what was typed: as their beginning, at the beginnings of words, letter by letter."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

__all__ = ["Names", "rank"]

_MOST = 200


def rank(typed: str, name: str) -> int | None:
    """How well a name fits: 0 it begins so, 1 its words do, 2 it has the letters in this order; None: not.

    Case does not matter. ``gb`` fits ``GROUP BY`` as its words, and ``globe`` by its letters.
    """
    lower, wanted = name.lower(), typed.lower()
    if lower.startswith(wanted):
        return 0
    if _by_words(wanted).search(lower):
        return 1
    return 2 if _by_letters(wanted).match(lower) else None


@lru_cache(64)
def _by_words(wanted: str) -> re.Pattern[str]:
    """What begins at the beginning of a word, and whose each further letter follows or begins another one."""
    parts = [re.escape(char) for char in wanted]
    return re.compile(r"(?<![^\W_])" + r"(?:|[^\n]*?(?<![^\W_]))".join(parts))


@lru_cache(64)
def _by_letters(wanted: str) -> re.Pattern[str]:
    # Each part takes the least that it can, so no name is gone over twice.
    return re.compile("".join(rf"[^{re.escape(char)}]*+{re.escape(char)}" for char in wanted))


class Names:
    """Many names, made ready to be searched with each key: 10,000 fields are looked through as one text."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names: Sequence[str] = tuple(names)
        lowered = [name.lower().replace("\n", " ") for name in self.names]
        self._lowered = lowered
        order = sorted(range(len(lowered)), key=lowered.__getitem__)
        self._sorted = [lowered[index] for index in order]
        self._order = order
        self._text = "\n".join(lowered)
        self._starts: list[int] = []
        at = 0
        for one in lowered:
            self._starts.append(at)
            at += len(one) + 1

    def fitting(self, typed: str, most: int = _MOST) -> list[str]:
        """At most so many names that fit, the best first, else in the order in which they were given."""
        if not typed:
            return list(self.names[:most])
        wanted = typed.lower()
        found: dict[int, None] = dict.fromkeys(sorted(self._beginning(wanted, most)))
        for ways in (self._with_word, self._with_letters):
            if len(found) >= most:
                break
            for index in ways(wanted):
                found.setdefault(index)
                if len(found) >= most:
                    break
        return [self.names[index] for index in found]

    def _beginning(self, wanted: str, most: int) -> Iterator[int]:
        at = bisect_left(self._sorted, wanted)
        while at < len(self._sorted) and self._sorted[at].startswith(wanted) and most > 0:
            yield self._order[at]
            at, most = at + 1, most - 1

    def _with_word(self, wanted: str) -> Iterator[int]:
        """The names in which what was typed begins a word. Of many names, no more is tried of their words."""
        for match in re.finditer(rf"(?<![^\W_]){re.escape(wanted)}", self._text):
            yield bisect_right(self._starts, match.start()) - 1

    def _with_letters(self, wanted: str) -> Iterator[int]:
        fits = _by_letters(wanted).match
        return (index for index, name in enumerate(self._lowered) if fits(name))
