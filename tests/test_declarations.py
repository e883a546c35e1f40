"""Every construct of the language is known wherever it has to be."""

from __future__ import annotations

from declarations import gaps


def test_nothing_is_missing_of_any_construct() -> None:
    assert gaps() == []
