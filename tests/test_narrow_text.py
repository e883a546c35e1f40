"""Text whose every character takes one cell is measured without rich, and then as rich measures it."""

from __future__ import annotations

from rich.cells import cell_len

from qql.cli.render.wrapping import _NARROW, text_width


def test_what_is_measured_by_its_length_has_that_width() -> None:
    narrow = [chr(code) for code in range(0x3000) if _NARROW.fullmatch(chr(code))]
    assert {"a", "é", "…", "→", "─", "│"} <= {*narrow}
    assert [char for char in narrow if cell_len(char) != 1] == []


def test_wide_text_is_wide() -> None:
    assert [text_width(text) for text in ("abc", "é─…", "日本", "é日")] == [3, 3, 4, 3]
