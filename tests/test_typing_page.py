"""docs/typing.md: what it shows is what the prompt shows."""

from __future__ import annotations

import re

from conftest import ROOT

from qql.cli.prompt.problems import problem_at
from qql.cli.prompt.screen import continuation

PAGE = (ROOT / "docs" / "typing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def test_what_stands_in_front_of_each_line_is_so() -> None:
    lines = blocks("text")[0].splitlines()
    width = len(":memory:> ")
    text = "\n".join(line[width:] for line in lines)
    for number, line in enumerate(lines[1:], 1):
        assert line[:width].ljust(width) == continuation(width, text, number, 0)


def test_the_fault_is_found() -> None:
    text, found, hint = blocks("text")[1].splitlines()
    problem = problem_at(text, len(text))
    assert problem is not None
    assert (f"found: {problem.message}", f"hint: {problem.hint}") == (found, hint)


def test_the_program_runs() -> None:
    (program,) = blocks("python")
    exec(compile(program, "docs/typing.md", "exec"), {})


def test_the_keys_are_those_of_the_prompt() -> None:
    from prompt_toolkit.keys import Keys

    from qql.cli.prompt.keys import key_bindings

    bound = {tuple(one.keys) for one in key_bindings(lambda text, error: None).bindings}
    for named, keys in {
        "F4": (Keys.F4,),
        "F6": (Keys.F6,),
        "Ctrl-X Ctrl-F": (Keys.ControlX, Keys.ControlF),
        "Ctrl-X Ctrl-E": (Keys.ControlX, Keys.ControlE),
        "Alt-Enter": (Keys.Escape, Keys.ControlM),
    }.items():
        assert f"| {named}" in PAGE or f"{named}," in PAGE or f", {named}" in PAGE
        assert keys in bound
