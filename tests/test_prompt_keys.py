"""The keys of the prompt: Enter and Alt-Enter, those of vi, the editor, the layout, history."""

from __future__ import annotations

import pytest
from test_repl import Typed, asked, shell, typed  # noqa: F401

from qql.cli.prompt.history import open_history
from qql.cli.prompt.keys import uses_vi
from qql.cli.shell import Shell
from qql.cli.usage import UsageError

UNDO = "\x1f"
F4, F6 = "\x1bOS", "\x1b[17~"


def test_alt_enter_does_the_other_of_the_two(shell: Shell, typed: Typed) -> None:  # noqa: F811
    typed("ONE\x1b\rTWO;\x1b\rTHREE;\r")
    assert asked(shell) == ["ONE", "TWO", "THREE"]
    assert [*open_history()[0].load_history_strings()] == ["TWO;\nTHREE;", "ONE"], "what is complete went on"


def test_a_paste_runs_nothing_and_keeps_its_indents(shell: Shell, typed: Typed) -> None:  # noqa: F811
    typed("\x1b[200~ONE;\n  TWO;\n    THREE;\n\x1b[201~\x03FOUR;\r")
    assert asked(shell) == ["FOUR"]


def test_a_new_line_begins_where_the_one_before_did(shell: Shell, typed: Typed) -> None:  # noqa: F811
    typed("ONE (\r  a\rb);\r")
    assert [*open_history()[0].load_history_strings()] == ["ONE (\n  a\n  b);"]


def test_with_the_keys_of_vi(
    monkeypatch: pytest.MonkeyPatch,
    shell: Shell,  # noqa: F811
    typed: Typed,  # noqa: F811
) -> None:
    monkeypatch.setenv("QQL_EDITING", "vi")
    typed("ONE;\x1b0xi \r" + "TWO\x1b\rTHREE\r;\r")
    assert asked(shell) == ["NE", "TWO", "THREE"], "Enter forces what stands there while one navigates"


def test_f4_switches(shell: Shell, typed: Typed) -> None:  # noqa: F811
    typed(f"ONE;{F4}\x1b0x\r{F4}\x01T\x05WO;\r")
    assert asked(shell) == ["NE", "TWO"]


@pytest.mark.parametrize(("said", "vi"), [("", False), ("emacs", False), ("vi", True), (" VI ", True)])
def test_which_keys_there_are(monkeypatch: pytest.MonkeyPatch, said: str, vi: bool) -> None:
    monkeypatch.setenv("QQL_EDITING", said)
    assert uses_vi() is vi


def test_other_keys_are_an_error_with_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QQL_EDITING", "nano")
    with pytest.raises(UsageError) as failed:
        uses_vi()
    assert failed.value.hint == "QQL_EDITING=vi, or QQL_EDITING=emacs"


@pytest.mark.parametrize("key", [F6, "\x18\x06"])
def test_what_is_typed_is_laid_out_and_that_can_be_undone(shell: Shell, typed: Typed, key: str) -> None:  # noqa: F811
    typed(f"count  from a{key};\rcount  from b{key}{UNDO};\r")
    assert asked(shell) == ["COUNT FROM a", "count  from b"]


def test_what_does_not_parse_is_left_as_it_is(shell: Shell, typed: Typed) -> None:  # noqa: F811
    typed(f"count  frmo a{F6};\r")
    assert asked(shell) == ["count  frmo a"]
