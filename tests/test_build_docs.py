"""What `docs/build.md` and the builder's docstrings show runs, in its order, and is typed."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from typing import Any

from conftest import ROOT

PAGE = ROOT / "docs" / "build.md"


def test_the_page_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(found) >= 4
    names: dict[str, Any] = {}
    for block in found:
        exec(compile(block, PAGE.name, "exec"), names)
    assert len(text.splitlines()) <= 80


def test_examples_in_docstrings_give_what_they_show() -> None:
    tried = 0
    for name in (
        "qql.build",
        *(f"qql.build.{one.stem}" for one in (ROOT / "qql" / "build").glob("[a-z]*.py")),
    ):
        result = doctest.testmod(import_module(name))
        assert not result.failed, name
        tried += result.attempted
    assert tried >= 10


def test_the_page_names_what_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    build = import_module("qql.build")
    fields = vars(build.Field)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for method in re.findall(r"`\.(\w+)", prose):
        assert method in fields, f"a field has no .{method}"
    for name in re.findall(r"(?<![.\w])([a-z]\w+)\(", prose):
        assert name in build.__all__, f"qql.build has no {name}"
