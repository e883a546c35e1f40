"""No character of somebody else's text drives the terminal or hides in it, wherever it stands."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

import qql
from qql.cli import main
from qql.cli.render import FORMATS, ProgressBar, Renderer, sanitize
from qql.errors import Diagnostic, QQLExecutionError, QQLSyntaxError, Source, Span
from qql.rest.request import Request
from qql.result import Hit, Result

VISIBLE_FORMATS = {*"\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"}
"""What Unicode calls a format character, and every font draws."""
INVISIBLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2065\u2800\u3164\ufe00\ufe0f\uffa0\ufff0"
    "\U000e0100\U000e01ef\U000e0fff\U00016fe4\U0001d159\ufdd0\uffff\U0001ffff"
)
HIDDEN = [
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") and char not in VISIBLE_FORMATS
]
HIDDEN += [*INVISIBLE, "\ud800", "\udc80", "\udfff"]
ALL = "a".join(["", *HIDDEN, ""])
WRITABLE = "".join(char for char in ALL if not "\ud800" <= char <= "\udfff")
"""What a server or a file could have sent."""
STYLES = re.compile("\x1b\\[[0-9;]*m")
POINTS = Request("POST", "/collections/docs/points/query", {}, {})


class Terminal(io.TextIOWrapper):
    """A terminal that keeps what it is sent, and says how wide it is."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="backslashreplace", newline="\n")

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        self.flush()
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode()


def hidden_in(text: str) -> set[str]:
    """What a terminal would obey or not show, of a text whose lines may end."""
    return {*HIDDEN} & {*text} - {"\n"}


RESULTS = {
    "hits": Result(
        "hits",
        hits=[
            Hit(n, 0.5 / n, {ALL: ALL, "deep": {ALL: [ALL]}, "text": ALL}, {ALL: [0.1, 0.2]}, group=ALL)
            for n in (1, 2)
        ],
        requests=(POINTS,),
        next=ALL,
        paged=True,
    ),
    "a hit whose id is a text": Result("hits", hits=[Hit(ALL, 0.5, {})], requests=(POINTS,)),
    "rows": Result("rows", rows=[{ALL: ALL, "payload": {ALL: ALL}}]),
    "a message": Result("message", message=f"created collection {ALL}"),
    "a text": Result("text", message=f"{ALL}\n  {ALL}"),
}
TEXT_FORMATS = [name for name, one in FORMATS.items() if one.content is None]


@pytest.mark.parametrize("color", [False, True], ids=["plain", "coloured"])
@pytest.mark.parametrize("format", TEXT_FORMATS)
@pytest.mark.parametrize("name", RESULTS)
def test_no_format_lets_anything_through_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, name: str, format: str, color: bool
) -> None:
    result, terminal = RESULTS[name], Terminal()
    monkeypatch.setenv("COLUMNS", "80")
    refused = False
    view = Renderer(terminal, format, color=color, expanded="auto")
    try:
        view.show(result)
    except qql.QQLError as error:
        refused = True
        view.error(error)
    assert not hidden_in(STYLES.sub("", terminal.text) if color else terminal.text)
    # A run has ids alone, and of a long text there may be a part that was written with less.
    assert refused or format == "trec" or "\\x1b" in terminal.text or "\\u001b" in terminal.text


def test_errors_and_notes_and_progress_let_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for color in (False, True):
        terminal = Terminal()
        view = Renderer(terminal, err=terminal, err_color=color)
        source = Source(f"QUERY '{ALL}' FROM docs WRONG", f"{ALL}.qql")
        wrong = Span(len(source.text) - 5, len(source.text))
        for item in (
            Diagnostic("x", f"bad {ALL}", wrong, f"try {ALL}", ((wrong, f"near {ALL}"),), source=source),
            Diagnostic("x", "early", Span(3, 9), source=source),
        ):
            view.error(QQLSyntaxError(item))
            view.warn([item])
        view.note(f"note: {ALL}")
        view.crash(ValueError(ALL))
        view.put_json({ALL: ALL})
        view.put_text(ALL)
        view.put(ALL)
        bar = ProgressBar(terminal, delay=0)
        bar(f"copying {ALL}", 5, 10)
        text = terminal.text.replace("\r\x1b[2K", "")
        assert not hidden_in(STYLES.sub("", text) if color else text)
        assert text.count(r"\u202e") > 5


def test_what_is_hidden_in_a_line_of_a_script_is_shown_and_the_caret_stands_below() -> None:
    text = "QUERY 'a\u200b\u3164b' FROM docs LIMT 3"
    with pytest.raises(qql.QQLError) as caught:
        qql.compile(text)
    lines = caught.value.render().splitlines()
    [source] = [line for line in lines if "QUERY" in line and "|" in line]
    [caret] = [line for line in lines if "^" in line]
    assert r"'a\u200b\u3164b'" in source
    assert source[caret.index("^") :].startswith("LIMT")


@pytest.mark.parametrize("width", [20, 40, 80, 200, None])
def test_a_line_full_of_what_is_hidden_is_no_wider_than_others(width: int | None) -> None:
    source = Source("\u200b" * 500 + "WRONG" + "\u200b" * 500)
    found = Diagnostic("x", "wrong", Span(500, 505), source=source)
    lines = found.render(width).splitlines()
    assert max(map(len, lines)) <= max(width or 170, 24)
    shown, caret = lines[-2], lines[-1]
    assert shown[caret.index("^") :].startswith("WR")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["run", "-c", f"QUERY '{WRITABLE}' FROM '{WRITABLE}' USING d"], "error["),
        (["run", "-c", WRITABLE], "error["),
        (["run", "-c", f"EXPLAIN QUERY [1] FROM docs WHERE a = '{WRITABLE}'"], "docs"),
        (["run", WRITABLE.replace("\0", "") + ".qql"], "error["),
        (["run", "-o", f"/no/such/{WRITABLE[20:60]}", "-c", "SHOW COLLECTIONS"], "error["),
        (["run", "--format", WRITABLE, "-c", "SHOW COLLECTIONS"], "error["),
        (["run", f"--{WRITABLE}"], "error["),
        (["run", "--param", f"{WRITABLE}=1", "-c", "SHOW COLLECTIONS"], "error["),
        ([WRITABLE], "error["),
        (["explain", "-c", f"QUERY [1] FROM docs WHERE a = '{WRITABLE}'"], "docs"),
        (["explain", "--format", "json", "-c", f"QUERY [1] FROM docs WHERE a = '{WRITABLE}'"], "docs"),
        (["explain", "--format", "html", "-c", f"QUERY [1] FROM docs WHERE a = '{WRITABLE}'"], "docs"),
        (["compile", "-c", f"QUERY [1] FROM docs WHERE a = '{WRITABLE}'"], "docs"),
        (["check", "-c", f"QUERY [1] FROM docs LIMT '{WRITABLE}'"], "error["),
        (["check", "--format", "json", "-c", f"QUERY [1] FROM docs LIMT '{WRITABLE}'"], "line"),
        (["lint", "-c", f"QUERY [1] FROM docs WHERE a = '{WRITABLE}'"], ""),
        (["convert", "-c", json.dumps({"query": WRITABLE}), "--collection", "d"], "error["),
        (["help", WRITABLE], "error["),
        (["query", WRITABLE, "--from", WRITABLE, "--show"], "error["),
        (["run", "--url", f"http://{WRITABLE}:1", "-c", "SHOW COLLECTIONS"], "error["),
    ],
    ids=lambda value: (
        " ".join(value[:3])[:24].encode("ascii", "replace").decode() if isinstance(value, list) else ""
    ),
)
def test_no_command_lets_anything_through_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], told: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    main(argv)
    assert told in terminal.text
    assert not hidden_in(terminal.text)


# ------------------------------------------------------------------------------------ what stays


@pytest.mark.parametrize(
    "text",
    [
        "می‌خواهم",
        "क्‍ष",
        "👩‍👩‍👧",
        "👩🏽‍🚀",
        "❤️‍🔥",
        "❤️",
        "1️⃣",
        "🇩🇪",
        "שלום",
        "é",
        "ﬁ",
        "a\u00a0b",
        "\ue000",
        "🫨",
    ],
)
def test_what_a_script_or_an_emoji_needs_stays(text: str) -> None:
    assert sanitize(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200db", r"a\u200db"),
        ("\u200d", r"\u200d"),
        ("👩\u200d", "👩\\u200d"),
        ("م\u200c\u200cم", "م\\u200c\\u200cم"),
        ("a\ufe0f", r"a\ufe0f"),
        ("❤\ufe0f\ufe0f", "❤\ufe0f\\ufe0f"),
        ("葛\U000e0100", "葛\\U000e0100"),
        ("🏴\U000e0067", "🏴\\U000e0067"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_the_same_characters_are_shown_where_they_would_hide(text: str, shown: str) -> None:
    assert sanitize(text) == shown


def test_a_script_on_a_terminal_is_formatted_with_what_hides_in_it_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, terminal = tmp_path / "a.qql", Terminal()
    file.write_text(f"SCROLL FROM docs WHERE a = '{WRITABLE}'", encoding="utf-8", newline="")
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(["fmt", str(file)]) == 0
    assert "\\u202e" in terminal.text and not hidden_in(terminal.text)


# ------------------------------------------------------------------------------------ pipes and files


def piped(result: Result, format: str) -> str:
    file = io.StringIO()
    Renderer(file, format).show(result)
    return file.getvalue()


def test_data_in_a_pipe_is_what_it_was() -> None:
    result = Result("hits", hits=[Hit(1, 0.5, {ALL: ALL})], requests=(POINTS,))
    assert json.loads(piped(result, "jsonl"))["payload"] == {ALL: ALL}
    assert json.loads(piped(result, "json"))[0]["payload"] == {ALL: ALL}
    kept = Result("hits", hits=[Hit(1, 0.5, {"t": WRITABLE})], requests=(POINTS,))
    [_, row] = csv.reader(io.StringIO(piped(kept, "csv"), newline=""))
    assert row == ["1", "0.5", WRITABLE]


def test_json_on_a_terminal_is_the_same_json() -> None:
    for format, read in (("jsonl", json.loads), ("json", lambda text: json.loads(text)[0])):
        terminal = Terminal()
        Renderer(terminal, format).show(Result("rows", rows=[{ALL: ALL}]))
        assert read(terminal.text) == {ALL: ALL}


def test_a_script_in_a_pipe_makes_the_same_points_again() -> None:
    payload = {"t": WRITABLE, "deep": [{"id": None, "n": 2**63}], "id": "mine"}
    with qql.connect() as db:
        db.run("CREATE COLLECTION docs (d VECTOR(2, DOT), s SPARSE)")
        db.run(
            "UPSERT INTO docs VALUES {id: 7, vector: {d: [0.1, 0.2], s: {indices: [3], values: [0.5]}},"
            " payload: :p}, {id: '0b9f7e1c-1111-4222-8333-444455556666', vector: {d: [1, 2]}}",
            {"p": payload},
        )
        before = db.execute("SCROLL FROM docs WITH VECTOR WITH PAYLOAD")
        script = piped(before, "qql")
        db.run("DELETE FROM docs WHERE id IN (7, '0b9f7e1c-1111-4222-8333-444455556666')")
        assert not db.execute("SCROLL FROM docs")
        db.run(script)
        assert db.execute("SCROLL FROM docs WITH VECTOR WITH PAYLOAD").hits == before.hits


# ------------------------------------------------------------------------------------ long words


@pytest.mark.parametrize(
    "make",
    [
        lambda word: qql.compile(f"QUERY [1] FROM docs {word} 3"),
        lambda word: qql.compile(f"{word} docs"),
        lambda word: qql.compile(f"QUERY [1] FROM docs WHERE a = {word} 'b'"),
        lambda word: qql.compile(f"QUERY 'x' FROM docs USING {word} PARAMS ({word} = 1)"),
    ],
)
@pytest.mark.parametrize("length", [81, 100, 159, 299, 5000])
def test_an_error_repeats_at_most_80_characters_of_a_word(make: Callable[[str], object], length: int) -> None:
    with pytest.raises(qql.QQLError) as caught:
        make("w" * length)
    assert max(map(len, re.findall("w+", caught.value.render()))) <= 80


def test_a_path_in_an_error_is_whole() -> None:
    path = "/" + "/".join(["a" * 90] * 3)
    assert path in QQLExecutionError.make("file-unreadable", f"cannot read {path}").message
