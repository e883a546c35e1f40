"""Tables are safe and whole, machine formats are exact."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import pytest
from rich.cells import cell_len

from qql.backends.base import Work
from qql.cli.render import (
    FORMATS,
    ProgressBar,
    Renderer,
    json_text,
    render,
    render_error,
    sanitize,
    wants_color,
)
from qql.cli.render.progress import progress_text
from qql.errors import Diagnostic, QQLExecutionError, QQLSyntaxError, Source, Span
from qql.rest.request import Request
from qql.result import Hit, Result

UUID = "0b9f7e1c-1111-4222-8333-444455556666"
BIGGEST = 2**64 - 1


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Latin(io.TextIOWrapper):
    """A file that cannot hold most characters."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="iso-8859-1", errors="strict", newline="\n")

    def text(self) -> str:
        self.flush()
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode("iso-8859-1")


def hits(*items: Hit, **more: object) -> Result:
    return Result("hits", hits=list(items), seconds=0.0013, **more)  # type: ignore[arg-type]


def rows(*items: dict[str, object]) -> Result:
    return Result("rows", rows=list(items), seconds=0.0013)


def shown(result: Result, format: str, width: int | None = None, color: bool = False) -> str:
    file = io.StringIO()
    render(result, format, width=width, color=color, file=file)
    return file.getvalue()


NASTY = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear screen": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
    "c1 csi": "\x9b31mred",
    "c1 osc": "\x9d0;owned\x9c",
    "nul": "a\x00b",
    "backspace": "good\b\b\b\bevil",
    "delete": "a\x7fb",
    "carriage return": "good\revil",
    "line end": "one\ntwo",
    "tab": "a\tb",
    "line separator": "a\u2028b\u2029c",
    "next line": "a\x85b",
    "override": "\u202egnp.exe",
    "embedding": "\u202a\u202b\u202c\u202d",
    "isolate": "\u2066a\u2067b\u2068c\u2069",
    "bidi mark": "a\u200eb\u200fc\u061cd",
    "zero width space": "a\u200bb\u2060c\ufeffd",
    "tags": "a\U000e0041\U000e0042",
    "surrogate": "a\udc80b",
    "markup": "[/] [red]x[/red] [link=http://evil]x[/link]",
}
RAW = {chr(c) for c in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F)]}
RAW |= {chr(c) for c in [0x200B, 0x200E, 0x200F, 0x61C, *range(0x2060, 0x2070), 0xFEFF, 0xDC80, 0xE0041]}


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY.keys())
@pytest.mark.parametrize("format", ["table", "vertical", "markdown"])
def test_formats_for_people_let_nothing_through(format: str, nasty: str) -> None:
    for result in (
        hits(Hit(1, 0.5, {"text": nasty, nasty: 1, "deep": {nasty: [nasty]}})),
        hits(*(Hit(n, 0.5, {f"{k}{nasty}": nasty for k in range(20)}) for n in range(2))),
        rows({nasty: nasty}),
        Result("message", message=nasty),
        Result("text", message=nasty),
    ):
        for width in (None, 40, 80):
            assert not RAW & set(shown(result, format, width).replace("\n", ""))


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY.keys())
def test_errors_let_nothing_through(nasty: str) -> None:
    source = Source(f"QUERY '{nasty}'", f"{nasty}.qql")
    found = Diagnostic("x", f"bad {nasty}", Span(0, 5), nasty, ((Span(0, 2), nasty),), source=source)
    text = render_error(QQLSyntaxError(found))
    assert not RAW & set(text.replace("\n", ""))
    assert not any(line.startswith(("two", "error[y]")) for line in text.splitlines())


def test_what_is_escaped_stays_readable() -> None:
    assert sanitize("\x1b[31m\x00\x9b\u202e\n\t") == r"\x1b[31m\x00\x9b\u202e\n\t"
    assert sanitize("a\r\nb\x1b", newline="\n  ") == "a\n  b\\x1b"


@pytest.mark.parametrize("text", ["Größe", "日本語", "می‌خواهم", "👩‍👩‍👧", "❤️", "שלום", "[/]", "a\u00a0b"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert sanitize(text) == text
    assert text in shown(rows({"t": text}), "table")


def test_a_line_end_in_a_message_cannot_pose_as_another_error() -> None:
    error = QQLExecutionError.make("engine", "refused\nerror[fake]: all is lost")
    assert render_error(error) == "error[engine]: refused\n    error[fake]: all is lost"


# ------------------------------------------------------------------------------------------------------ table


def test_table() -> None:
    result = hits(Hit(1, 0.8999999761581421, {"title": "one", "n": 5}), Hit(20, 0.5, {"title": None}))
    assert shown(result, "table") == (
        "┌────┬───────┬───────┬───┐\n"
        "│ id │ score │ title │ n │\n"
        "├────┼───────┼───────┼───┤\n"
        "│  1 │   0.9 │ one   │ 5 │\n"
        "│ 20 │   0.5 │ null  │   │\n"
        "└────┴───────┴───────┴───┘\n"
        "(2 rows, 1.3 ms)\n"
    )


@pytest.mark.parametrize("width", [30, 40, 60, 80, 81, 120])
@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"text": "word " * 100, "url": "http://example.com/" + "x" * 200},
        {f"key{n}": n for n in range(30)},
        {f"key{n}": "text " * 20 for n in range(8)},
        {"nested": {"a": [1, 2, {"b": "c" * 300}]}},
        {"日本語" * 10: "日本語テキスト" * 30, "emoji": "👩‍👩‍👧" * 50},
        {"n": -1.2345678901234567e-300, "i": -(2**63)},
    ],
)
def test_ids_and_numbers_are_whole_and_lines_fit(payload: dict[str, object], width: int) -> None:
    result = hits(Hit(UUID, 0.123456789, payload), Hit(BIGGEST, 12345.678, payload))
    text = shown(result, "table", width)
    assert UUID in text
    assert str(BIGGEST) in text
    assert "0.123456789" in text
    assert "12345.678" in text
    boxes = [line for line in text.splitlines() if line[0] in "┌│├└"]
    if "┌" in text:
        assert {cell_len(line) for line in boxes} == {cell_len(boxes[0])}
    too_wide = [line for line in text.splitlines() if cell_len(line) > width]
    assert all(UUID in line or re.search(r"│ -?[\d.e-]+$", line) for line in too_wide)
    assert not too_wide or width < 45


def test_uuids_are_whole_beside_long_texts_at_80_columns() -> None:
    result = hits(*(Hit(UUID, 0.5 / n, {"title": "long " * 40, "n": n}) for n in range(1, 4)))
    text = shown(result, "table", 80)
    assert text.count(UUID) == 3
    assert "in all rows: title = long long" in text
    assert "─[" not in text


def test_columns_of_uuids_are_whole_in_any_column() -> None:
    text = shown(rows({"parent": UUID, "text": "x" * 200}), "table", 60)
    assert UUID in text
    assert "x…" in text


def test_nothing_is_cut_when_there_is_no_width() -> None:
    long = "word " * 1000
    assert long in shown(rows({"text": long}), "table")


def test_what_a_crowded_payload_has_no_room_for_is_named() -> None:
    found = hits(*(Hit(m, None, {f"key{n}": n * m for n in range(60)}) for m in (1, 2)))
    text = shown(found, "table", 80)
    assert "key59" not in text.partition("└")[0]
    assert re.search(r"… \d+ more fields: key\d+, ", text)
    assert "key59" in text
    assert "in all rows: key0 = 0" in text
    assert all(f"key{n} " in shown(found, "table") for n in range(60))


def test_a_table_that_cannot_fit_is_shown_vertically() -> None:
    text = shown(rows({f"a column with a name {n}": 10**18 + n for n in range(6)}), "table", 20)
    assert "──[ 1 ]" in text
    assert all(str(10**18 + n) in text for n in range(6))


def test_payload_keys_that_are_called_like_columns() -> None:
    text = shown(hits(Hit(1, 0.5, {"id": "mine", "score": 7})), "csv")
    assert text == "id,score,payload.id,payload.score\n1,0.5,mine,7\n"


def test_vertical_shows_everything() -> None:
    long = "first line\nsecond line " + "x" * 500
    text = shown(hits(Hit(UUID, 0.5, {"text": long}, [0.1, 0.2])), "vertical", 80)
    assert "x" * 500 in re.sub(r"\n *│ ", "", text)
    assert "text   │ first line\n       │ second line" in text
    assert "vector │ [0.1,0.2]" in text


@pytest.mark.parametrize(
    ("result", "footer"),
    [
        (hits(), "(0 rows, 1.3 ms)\n"),
        (rows(), "(0 rows, 1.3 ms)\n"),
        (Result("rows", rows=[{"a": 1}], seconds=2.5), "(1 row, 2.50 s)\n"),
        (Result("rows", rows=[{"a": 1}], seconds=125), "(1 row, 2 min 5 s)\n"),
        (
            Result("message", message="created collection docs", seconds=0.01),
            "created collection docs (10.0 ms)\n",
        ),
        (Result("text", message="a\n  b"), "a\n  b\n"),
    ],
)
def test_footers(result: Result, footer: str) -> None:
    assert shown(result, "table").endswith(footer)


def test_no_timing() -> None:
    file = io.StringIO()
    view = Renderer(file, timing=False)
    view.show(rows({"a": 1}))
    view.show(Result("message", message="done"))
    assert file.getvalue().endswith("(1 row)\ndone\n")


def test_a_table_in_a_narrow_encoding() -> None:
    file = Latin()
    render(rows({"a": "x" * 50}), "table", width=20, file=file)
    assert file.text().splitlines()[0] == "+------------------+"
    assert "xx..." in file.text()


def test_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    terminal = Terminal()
    render(rows({"a": "x" * 500}), "table", file=terminal)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) == 50
    assert lines[0] == f"┌{'─' * 48}┐"


def test_colour_adds_nothing_but_colour() -> None:
    result = hits(Hit(1, 0.5, {"a": "\x1b[31m"}))
    plain, colored = shown(result, "table"), shown(result, "table", color=True)
    assert colored != plain
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m"):
        colored = colored.replace(code, "")
    assert colored == plain


def test_a_thousand_rows_of_wide_text_are_aligned() -> None:
    texts = ["日本", "abc", "é", "👍🏽", "한국어", "🇩🇪", "ｗｉｄｅ"]
    result = hits(*(Hit(n, 1 / (n + 1), {"t": texts[n % 7] * (n % 9)}) for n in range(1000)))
    lines = [line for line in shown(result, "table", 60).splitlines() if line[0] in "┌│├└"]
    assert {cell_len(line) for line in lines} == {cell_len(lines[0])}


# ------------------------------------------------------------------------------------------- machine formats

EXACT = {
    "big": BIGGEST,
    "small": -(2**63),
    "float": 0.1 + 0.2,
    "tiny": 5e-324,
    "score": 0.8999999761581421,
    "text": "Größe 日本 👩‍👩‍👧",
    "nasty": "".join(NASTY.values()),
    "nothing": None,
    "yes": True,
    "nested": {"a": [1, [2, {"b": None}]]},
}


def test_jsonl_is_exact() -> None:
    items = [Hit(BIGGEST, 0.8999999761581421, EXACT, {"v": [0.1]}), Hit(UUID, None, None, None)]
    lines = shown(hits(*items), "jsonl", color=True).splitlines()
    assert [json.loads(line) for line in lines] == [item.to_dict() for item in items]
    assert list(json.loads(lines[0])) == ["id", "score", "payload", "vector"]
    assert json.loads(lines[1]) == {"id": UUID}
    assert "Größe 日本 👩‍👩‍👧" in lines[0]
    assert str(BIGGEST) in lines[0]
    assert (
        not RAW - {"\u200b", "\u200e", "\u200f", "\u061c", "\ufeff", "\U000e0041"} & set(lines[0]) & {"\x1b"}
    )


def test_jsonl_of_rows_and_messages() -> None:
    assert shown(rows({"a": 1}, {"a": None}), "jsonl") == '{"a":1}\n{"a":null}\n'
    assert shown(Result("message", message="done"), "jsonl") == '{"message":"done"}\n'
    assert shown(Result("text", message="a\nb"), "jsonl") == '{"message":"a\\nb"}\n'
    assert shown(hits(), "jsonl") == ""


def test_json_is_one_array() -> None:
    assert json.loads(shown(rows(EXACT, EXACT), "json")) == [EXACT, EXACT]
    assert shown(hits(), "json") == "[]\n"


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY.keys())
def test_json_carries_no_raw_controls_and_no_bidi(nasty: str) -> None:
    text = json_text({"t": nasty})
    controls = {
        chr(c) for c in [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    }
    assert not controls & set(text)
    assert json.loads(text) == {"t": nasty}
    text.encode()


def test_json_in_a_narrow_encoding_is_still_exact() -> None:
    file = Latin()
    render(rows(EXACT), "jsonl", file=file)
    assert json.loads(file.text()) == EXACT


def test_json_has_no_nan() -> None:
    nulls: list[float] = []
    text = json_text({"a": math.nan, "b": [math.inf, -math.inf], "c": 1.5}, nulls=nulls)
    assert json.loads(text) == {"a": None, "b": [None, None], "c": 1.5}
    assert [str(one) for one in nulls] == ["nan", "inf", "-inf"]


def test_csv_reads_back() -> None:
    result = hits(
        Hit(BIGGEST, 0.1 + 0.2, {"t": 'a "b", c\nd', "n": None, "l": [1, "x"], "b": True}), Hit(UUID)
    )
    read = list(csv.reader(io.StringIO(shown(result, "csv"))))
    assert read == [
        ["id", "score", "t", "n", "l", "b"],
        [str(BIGGEST), "0.30000000000000004", 'a "b", c\nd', "", '[1,"x"]', "true"],
        [UUID, "", "", "", "", ""],
    ]


def test_csv_is_raw_in_a_file_and_safe_on_a_terminal() -> None:
    result = rows({"t": "\x1b[31m"})
    assert shown(result, "csv") == "t\n\x1b[31m\n"
    terminal = Terminal()
    render(result, "csv", file=terminal)
    assert terminal.getvalue() == "t\n\\x1b[31m\n"


def test_two_csv_results_are_apart() -> None:
    file = io.StringIO()
    view = Renderer(file, "csv")
    view.show(rows({"a": 1}))
    view.show(rows({"b": 2}))
    assert file.getvalue() == "a\n1\n\nb\n2\n"


def test_markdown() -> None:
    text = shown(hits(Hit(1, 0.5, {"t": "a|b <i> *x*"})), "markdown")
    assert text == "| id | score | t |\n| ---: | ---: | --- |\n| 1 | 0.5 | a\\|b \\<i> \\*x\\* |\n"
    assert shown(hits(), "markdown") == "(0 rows)\n"
    assert shown(Result("text", message="plan"), "markdown") == "```\nplan\n```\n"


class Bytes(io.TextIOWrapper):
    """A file in memory that text and bytes can be written to, and may be a terminal."""

    def __init__(self, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="backslashreplace", newline="\n")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def content(self) -> bytes:
        self.flush()
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue()


POINTS = Request("POST", "/collections/docs/points/query", {}, {})
REFUSED = {("trec", "rows"), ("trec", "text"), ("parquet", "text")}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "result",
    [
        hits(Hit(1), requests=(POINTS,)),
        hits(requests=(POINTS,)),
        rows({"a": 1}),
        rows(),
        Result("message", message="m"),
        Result("text", message="one\ntwo"),
    ],
    ids=lambda result: f"{result.kind} {len(result)}",
)
def test_every_format_shows_every_kind_or_says_why_not(format: str, result: Result) -> None:
    file, err = Bytes(), io.StringIO()
    view = Renderer(file, format, err=err)
    if (format, result.kind) in REFUSED:
        with pytest.raises(QQLExecutionError, match=f"the format {format} cannot hold this result") as caught:
            view.show(result)
        assert caught.value.hint
        return
    view.show(result)
    if result.kind == "message":
        assert "m" in file.content.decode() + err.getvalue()
    elif len(result):
        assert file.content


# -------------------------------------------------------------------------------------- warnings and errors


def warned(kind: str = "message") -> Result:
    return Result(kind, message="done", warnings=(Diagnostic("old", "it \x1b is old", severity="warning"),))


def test_warnings_stand_below_a_table_and_never_in_jsonl() -> None:
    assert shown(warned(), "table").endswith("\nwarning[old]: it \\x1b is old\n")
    assert "old" not in shown(warned(), "jsonl")


def test_warnings_go_to_the_error_file() -> None:
    file, err = io.StringIO(), io.StringIO()
    Renderer(file, "jsonl", err=err).show(warned())
    assert file.getvalue() == '{"message":"done"}\n'
    assert err.getvalue() == "warning[old]: it \\x1b is old\n"


def test_quiet_leaves_out_messages_but_no_rows_and_no_warnings() -> None:
    file, err = io.StringIO(), io.StringIO()
    view = Renderer(file, "jsonl", quiet=True, err=err)
    view.show(warned())
    view.show(rows({"a": 1}))
    view.note("remark")
    assert file.getvalue() == '{"a":1}\n'
    assert err.getvalue() == "warning[old]: it \\x1b is old\n"


def test_errors_keep_secrets() -> None:
    err = io.StringIO()
    view = Renderer(io.StringIO(), err=err, secrets=("s3cr3t",))
    view.error(QQLExecutionError.make("x", "bad header b's3cr3t'"))
    view.crash(ValueError("s3cr3t"))
    assert "s3cr3t" not in err.getvalue()
    assert "***" in err.getvalue()


def test_coloured_errors() -> None:
    source = Source("form docs", "a.qql")
    error = QQLSyntaxError.make("syntax", "expected FROM", Span(0, 4), "did you mean `FROM`?").at(source)
    assert render_error(error) == (
        "error[syntax]: expected FROM\n"
        "  --> a.qql:1:1\n"
        "  |\n"
        "1 | form docs\n"
        "  | ^^^^\n"
        "  = help: did you mean `FROM`?"
    )
    colored = render_error(error, color=True)
    assert colored.startswith("\x1b[1;31merror[syntax]\x1b[0m")
    assert "\x1b[1;31m^^^^\x1b[0m" in colored


def test_several_diagnostics() -> None:
    error = QQLSyntaxError(Diagnostic("a", "one"), Diagnostic("b", "two"))
    assert render_error(error) == "error[a]: one\n\nerror[b]: two"


@pytest.mark.parametrize(
    ("file", "env", "wanted"),
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, file: io.StringIO, env: dict[str, str], wanted: bool
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert wants_color(file) is wanted


def test_a_full_disk_is_an_error_of_ours() -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(QQLExecutionError, match="No space left on device") as caught:
        render(rows({"a": 1}), "jsonl", file=Full())
    assert caught.value.code == "output-unwritable"


# --------------------------------------------------------------------------------------------------- progress


def test_progress_in_a_file_is_a_line_for_each_tenth() -> None:
    file = io.StringIO()
    bar = ProgressBar(file)
    for done in range(0, 10_001, 50):
        bar("copy \x1b[31m", done, 10_000)
    bar.clear()
    lines = file.getvalue().splitlines()
    assert lines[0] == r"copy \x1b[31m: 0 of 10,000"
    assert lines[-1] == r"copy \x1b[31m: 10,000 of 10,000"
    assert len(lines) == 11


def test_progress_on_a_terminal_draws_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    bar = ProgressBar(terminal, delay=0)
    bar("copy [red]", 5, 10)
    bar("copy [red]", 10, 10)
    bar("unknown", 3, None)
    bar.clear()
    bar.clear()
    text = terminal.getvalue()
    assert "copy [red] ━━━━━━━━━━━━ 10 of 10" in text
    assert "\n" not in text
    assert text.endswith("unknown 3\r\x1b[2K")  # the last thing is an erased line


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_line_of_progress_never_wraps(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    terminal, now = Terminal(), iter(range(100))
    bar = ProgressBar(terminal, delay=0, clock=lambda: float(next(now)))
    for done in range(0, 50_000, 5_000):
        bar(Work("copying 日本語" + "long" * 30, "rows"), done, 50_000)
    lines = [line for line in terminal.getvalue().split("\r\x1b[2K") if line]
    assert len(lines) == 10
    assert all(cell_len(line) < width for line in lines)
    assert width < 80 or "45,000 of 50,000 rows · 5,000 rows/s · 1 s left" in lines[-1]


def test_what_is_done_at_once_shows_no_progress() -> None:
    terminal = Terminal()
    bar = ProgressBar(terminal, clock=lambda: 1.0)
    bar("quick", 1, 1)
    bar.clear()
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("done", "total", "unit", "share", "seconds", "text"),
    [
        (12_000, 50_000, "rows", None, 4.0, "12,000 of 50,000 rows · 3,000 rows/s · 13 s left"),
        (12_000, 50_000, "rows", None, 0.5, "12,000 of 50,000 rows"),
        (50_000, 50_000, "rows", None, 10.0, "50,000 of 50,000 rows · 5,000 rows/s"),
        (900, None, "rows", 0.25, 3.0, "900 rows · 25% · 300 rows/s · 9 s left"),
        (900, None, "rows", None, 3.0, "900 rows · 300 rows/s"),
        (9, None, "s", None, 9.0, "9 s"),
        (12, 30, "s", None, 12.0, "12 of 30 s · 18 s left"),
        (3, 100, "settings", None, 60.0, "3 of 100 settings · 0.1 settings/s · 32 min left"),
        (1, 1000, "queries", None, 60.0, "1 of 1,000 queries · 0.0 queries/s · 16 h 39 min left"),
        (0, 0, "rows", None, 5.0, "0 of 0 rows"),
    ],
)
def test_progress_says_unit_rate_and_time_left(
    done: int, total: int | None, unit: str, share: float | None, seconds: float, text: str
) -> None:
    assert progress_text(done, total, unit, share, seconds) == text
