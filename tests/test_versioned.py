"""Mappings that share one record of changes are what copies of a dict would be."""

from __future__ import annotations

import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qql.versioned import Versioned, versioned

CHANGES = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc"), st.none() | st.integers(0, 3)))


@given(CHANGES)
def test_each_is_what_a_copy_would_be(changes: list[tuple[int, str, int | None]]) -> None:
    made: list[tuple[Versioned, dict[str, Any]]] = [(versioned({"a": 0}), {"a": 0})]
    for at, key, value in changes:
        ours, copy = made[at % len(made)]
        if value is None:
            made.append((ours.without(key), {k: v for k, v in copy.items() if k != key}))
        else:
            made.append((ours.changed(key, value), {**copy, key: value}))
    for ours, copy in made:
        assert ours == copy
        assert (len(ours), bool(ours), sorted(ours)) == (len(copy), bool(copy), sorted(copy))
        assert [ours.get(key) for key in "abcd"] == [copy.get(key) for key in "abcd"]


def test_a_thousand_take_the_room_of_one() -> None:
    def room(count: int) -> int:
        tracemalloc.start()
        kept = [versioned({})]
        for number in range(count):
            kept.append(kept[-1].changed(f"field {number}", "keyword"))
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return size

    assert room(4000) < 7 * room(1000)
