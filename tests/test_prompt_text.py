"""What is typed at the prompt: when it runs, what is open in front of its lines, brackets, editor, layout."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qql.cli.prompt.editor import edit, laid_out
from qql.cli.prompt.problem import Problem
from qql.cli.prompt.screen import continuation, short_target, toolbar
from qql.cli.prompt.typed import bracket_pair, command_below, marks, submits
from qql.cli.render.wrapping import text_width
from qql.cli.usage import UsageError
from qql.errors import QQLSyntaxError

PIECES = ["'", '"', "`", "'''", "r'", "(", ")", "[", "]", "{", "}", "/*", "*/", "--", "\n", ";", " ", "\\"]
PIECES += ["QUERY", "BATCH", "FROM", "docs", ":a", "?", "1.5e", "#", "\r\n", "\ud800", "\ufeff", "é", "0x"]
PIECES += [*"\x00\x1b\x7f\x85\u200b\u202e\u3000\U0001f600—≥“@!|<=>:,-+*/9"]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "-"),
        ("QUERY 'a'\nFROM docs\n", "- - -"),
        ("QUERY 'a\nb\nc'\nFROM", "- ' ' -"),
        ('QUERY "a\nb"\n', '- " -'),
        ("QUERY `a\nb`\n", "- ` -"),
        ("QUERY r'a\nb'\n", "- ' -"),
        ("QUERY '''a\nb'''\n", "- ' -"),
        ("QUERY 'it''s\n", "- '"),
        ("WITH a AS (\nQUERY [1,\n2]\n)\n", "- ( [ ( -"),
        ("UPSERT INTO d VALUES {\nid: 1}\n", "- { -"),
        ("BATCH {\nCOUNT FROM a;\nCOUNT FROM b;\n}\n", "- { { { -"),
        ("/* a\nb */\nCOUNT", "- /* -"),
        ("/* a\nb", "- /*"),
        ("-- '(\nCOUNT", "- -"),
        ("-- /*\nCOUNT\n", "- - -"),
        ("QUERY (;\nCOUNT", "- -"),
        ("a ) ]\n", "- -"),
        ("a # ~\n( 1x\n", "- - ("),
        ("a\r\n(\r\nb", "- - ("),
    ],
)
def test_what_is_open_stands_in_front_of_a_line(text: str, found: str) -> None:
    assert " ".join(marks(text)) == found


@given(HOSTILE)
def test_each_line_has_a_mark_and_nothing_is_raised(text: str) -> None:
    assert len(marks(text)) == text.count("\n") + 1
    for cursor in range(len(text) + 1):
        pair = bracket_pair(text, cursor)
        assert not pair or {text[pair[0]], text[pair[1]]} in ({"(", ")"}, {"[", "]"}, {"{", "}"})


def test_a_mark_stands_at_the_end_of_its_room() -> None:
    assert continuation(10, "QUERY 'a\nb", 1, 0) == "       '> "
    assert continuation(10, "QUERY 'a\nb", 1, 1) == " " * 10, "a line that is broken goes on"
    assert continuation(4, "/* a\nb", 1, 0) == "/*> "
    assert continuation(2, "QUERY\n", 1, 0) == "-> "


@pytest.mark.parametrize(
    ("text", "cursor", "pair"),
    [
        ("(a)", 0, (0, 2)),
        ("(a)", 3, (2, 0)),
        ("(a)", 1, (0, 2)),
        ("a(b[c])", 3, (3, 5)),
        ("('(')", 0, (0, 4)),
        ("(/*)*/)", 0, (0, 6)),
        ("(a]", 0, ()),
        ("abc", 1, ()),
        ("", 0, ()),
        (")", 0, ()),
    ],
)
def test_brackets_that_belong_together(text: str, cursor: int, pair: tuple[int, ...]) -> None:
    assert bracket_pair(text, cursor) == pair


def test_a_statement_stays_open_below_a_command() -> None:
    assert command_below("COUNT\n\\timing") == ("COUNT\n", "\\timing")
    assert command_below("COUNT '\n\\timing") is None, "it is part of a string"
    assert command_below("\\timing") is None
    assert submits("COUNT\n\\timing") and not submits("COUNT\n\\tim")


# ------------------------------------------------------------------------------------ the line below


def test_the_line_below_says_what_is_wrong_and_what_helps() -> None:
    problem = Problem(0, 1, "there is no FRM", "did you mean `FROM`?")
    wide = toolbar(problem, "keys", 80)
    assert "".join(text for _, text, *_ in wide) == "there is no FRM; did you mean `FROM`?"
    narrow = toolbar(problem, "keys", 20)
    assert "".join(text for _, text, *_ in narrow) == "there is no FRM\ndid you mean `FROM`?"
    assert "".join(text for _, text, *_ in toolbar(problem, "keys", 8)) == "there i…\ndid you…"
    assert toolbar(None, "keys that are many", 8) == [("", "keys th…")]


def test_nothing_of_a_message_controls_the_terminal() -> None:
    shown = toolbar(Problem(0, 1, "no \x1b[31m\u202e", "write \x07"), "", 80)
    assert not {"\x1b", "\u202e", "\x07"} & {char for _, text, *_ in shown for char in text}


@pytest.mark.parametrize(
    "target", [":memory:", "http://host.of.some.where:6333", "/a/日本語の長い名前/の下", "d"]
)
def test_the_prompt_leaves_half_of_a_line(target: str) -> None:
    for width in range(6, 200):
        prompt = f"{short_target(target, width)}> "
        assert text_width(prompt) <= max(width / 2, 3)
        assert target.endswith(prompt.removesuffix("> ").removeprefix("…"))
    assert short_target(target, 200) == target


def test_a_long_target_is_shown_by_its_end() -> None:
    assert short_target("http://search.example.com:6333", 40) == "….example.com:6333"
    assert short_target(":memory:", 20) == ":memory:"
    assert (
        short_target("/home/somebody/a/very/long/path/to/a/database", 200)
        == "…/a/very/long/path/to/a/database"
    )


# ------------------------------------------------------------------------------------ elsewhere


def editor(folder: Path, script: str) -> str:
    path = folder / "my editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"'{path}' -x"


def test_an_editor_gets_the_text_in_a_file_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = 'cp -p "$2" seen; stat -c %a "$2" > mode; echo \'COUNT FROM b;\' > "$2"; echo "$2" > name'
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISUAL", editor(tmp_path, copy))
    monkeypatch.setenv("EDITOR", "false")
    assert edit("COUNT\nFROM 'ä'") == "COUNT FROM b;"
    assert (tmp_path / "seen").read_text() == "COUNT\nFROM 'ä'"
    assert (tmp_path / "mode").read_text().strip() == "600"
    name = (tmp_path / "name").read_text().strip()
    assert name.endswith(".qql") and not Path(name).exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/no/such/editor", "cannot start /no/such/editor: No such file or directory"),
        ("false", "false ended with code 1; the text is as it was"),
        ("cp /dev/null/x", "ended with code 1"),
        ('sh -c \'printf "\\377" > "$0"\'', "cannot be read"),
        ("'open", "cannot start 'open"),
    ],
)
def test_an_editor_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch, command: str, said: str) -> None:
    monkeypatch.setenv("VISUAL", command)
    with pytest.raises(UsageError) as failed:
        edit("COUNT")
    assert said in failed.value.message and failed.value.code == "no-editor"


def test_without_an_editor_the_hint_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no editor") as failed:
        edit("COUNT")
    assert "EDITOR" in (failed.value.hint or "")
    path = tmp_path / "vi"
    path.write_text("#!/bin/sh\necho x >> $1\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    assert edit("COUNT") == "COUNTx"


def test_what_is_typed_is_laid_out_with_no_end_that_it_had_not() -> None:
    assert laid_out("count   from docs where a=1") == "COUNT FROM docs WHERE a = 1"
    assert laid_out("count from docs; count from b ;") == "COUNT FROM docs;\nCOUNT FROM b;"
    assert laid_out("  ") == "  "
    with pytest.raises(QQLSyntaxError):
        laid_out("count frmo docs")
