"""SECURITY.md: each promise has a test, and the test is there."""

from __future__ import annotations

import re

from conftest import ROOT

PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_the_tests_that_it_names_are_there() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 20
    for file, name in named:
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {name}\(", text, re.M), f"{file} has no {name}"


def test_each_promise_names_one() -> None:
    promises = re.findall(r"^\| (?!promise)(?!---)(.*?) \| (.*?) \|$", PAGE, re.M)
    assert len(promises) > 15
    for promise, tests in promises:
        assert "::" in tests, promise
