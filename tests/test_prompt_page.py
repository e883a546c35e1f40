"""docs/prompt.md: what is typed there gives what is shown there, and the list of commands is whole."""

from __future__ import annotations

import io
import re

from conftest import ROOT

import qql
from qql.cli.backslash.general import command_lines
from qql.cli.render import Renderer
from qql.cli.shell import Shell

PAGE = (ROOT / "docs" / "prompt.md").read_text(encoding="utf-8")
WIDTH = 100


def shown(shell: Shell, out: io.StringIO, line: str) -> list[str]:
    """What a line gives; times and sizes, which are others each time, as dots."""
    out.seek(0)
    out.truncate()
    assert shell.feed(line)
    text = re.sub(r"[0-9.]+ ms", "… ms", out.getvalue())
    return re.sub(r"[0-9.]+ [kM]B on disk", "… kB on disk", text).splitlines()


def test_what_is_typed_gives_what_is_shown() -> None:
    blocks = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    out = io.StringIO()
    view = Renderer(out, err=out, width=WIDTH)
    typed = 0
    with qql.connect(":memory:") as db:
        shell = Shell(db, view, qql.connect, plain_texts=True)
        for block in blocks[:-1]:
            pieces = re.split(r"^qql> (.*)\n", block, flags=re.MULTILINE)
            assert pieces[0] == ""
            for line, text in zip(pieces[1::2], pieces[2::2], strict=True):
                assert shown(shell, out, line) == text.splitlines(), line
                typed += 1
    assert typed > 10


def test_the_list_of_commands_is_whole() -> None:
    listed = PAGE.rpartition("```text\n")[2].removesuffix("```\n").splitlines()
    assert listed == list(command_lines(WIDTH))[1:]
