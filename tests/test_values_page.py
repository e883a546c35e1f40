"""docs/values.md: its blocks run in their order, as those of the README do."""

from __future__ import annotations

import re

from conftest import ROOT

PAGE = (ROOT / "docs" / "values.md").read_text(encoding="utf-8")


def test_the_blocks_run_in_their_order() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {"__name__": "values"}
    for block in blocks:
        exec(compile(block, "docs/values.md", "exec", dont_inherit=True), names)


def test_the_page_is_short() -> None:
    assert len(PAGE.splitlines()) <= 80
