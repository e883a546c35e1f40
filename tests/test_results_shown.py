"""A result as a text and as HTML: bounded, readable, and safe with whatever a payload holds."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from conftest import ROOT

import qql
from qql.cli.render import render, text_width
from qql.errors import Diagnostic
from qql.records import replace
from qql.result import Hit, Result

HOSTILE = "</td></pre><script>alert('x')</script><img src=x onerror=\"a()\">&amp;\x1b[31m\u202e\x00"


class Page(HTMLParser):
    """What a browser makes of HTML: its tags with their attributes, the cells of its table, its texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == [], "tags that nothing closes"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def hits(*payloads: dict[str, object], scores: tuple[float, ...] = ()) -> Result:
    found = [
        Hit(at, score, payload) for at, (payload, score) in enumerate(zip(payloads, scores, strict=True), 1)
    ]
    return Result("hits", "QUERY 'x' FROM docs", hits=found)


def many_hits(count: int) -> Result:
    return Result("hits", hits=[Hit(at, 1 / (at + 1), {"title": f"t{at}"}) for at in range(count)])


EVERY = [
    Result("hits"),
    Result("rows", rows=[{"count": 1}]),
    Result("message", message="done"),
    Result("text", message="one\n  two", data={}),
    many_hits(3),
    Result(
        "hits", hits=[Hit(1, vector={"a": [0.5] * 5000}, payload={"t": "word " * 50_000, HOSTILE: HOSTILE})]
    ),
    Result("hits", hits=[Hit(at, payload={f"key{n}": n for n in range(300)}) for at in range(200)]),
    Result("rows", rows=[{"query": 1, "id": 1, "score": 0.5, "payload": {"id": HOSTILE}}]),
    Result("message", message=HOSTILE),
]


# ------------------------------------------------------------------------------------ str


@pytest.mark.parametrize("result", EVERY)
def test_the_text_is_80_columns_wide_and_bounded(result: Result) -> None:
    lines = str(result).split("\n")
    assert max(map(text_width, lines)) <= 80
    assert len(lines) <= 402
    assert all(line.isprintable() or not line for line in lines), "a terminal could be driven"


def test_the_text_is_the_table_of_the_command() -> None:
    result = many_hits(3)
    out = io.StringIO()
    render(result, "table", width=80, file=out)
    *table, footer = out.getvalue().splitlines()
    assert str(result).splitlines() == [*table, "(3 rows)"]
    assert footer.startswith("(3 rows, ")  # with the time, which is not the result's value


def test_of_many_rows_there_are_the_first_and_it_is_said() -> None:
    text = str(many_hits(1234))
    assert "(the first 40 of 1,234 rows)" in text
    assert "t39" in text and "t40" not in text


def test_long_values_are_cut_with_a_mark() -> None:
    text = str(Result("hits", hits=[Hit(1, payload={"t": "word " * 5000})]))
    assert "…" in text and text.count("word") < 250


def test_a_text_is_shown_as_it_is() -> None:
    with qql.connect() as db:
        db.run("CREATE COLLECTION docs (v VECTOR(2, DOT))")
        result = db.execute("EXPLAIN QUERY [1, 0] FROM docs LIMIT 1")
    assert str(result) == result.message


def test_without_rich_the_text_is_the_same() -> None:
    program = (
        "import sys; sys.modules['rich'] = None\n"
        "from qql.result import Hit, Result\n"
        "print(Result('hits', hits=[Hit(1, 0.5, {'t': '紅い靴'})]))"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program],
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=True,
        encoding="utf-8",
    )
    assert done.stdout == f"{Result('hits', hits=[Hit(1, 0.5, {'t': '紅い靴'})])}\n"
    assert "│  1 │   0.5 │ 紅い靴 │" in done.stdout


def test_two_columns_never_have_one_name() -> None:
    payload = {"first_stage_score": "own", "payload.id": 1, "id": 2}
    result = Result("hits", hits=[Hit(1, 0.5, payload, first_stage_score=0.25)])
    out = io.StringIO()
    render(result, "csv", file=out)
    header, row = out.getvalue().splitlines()
    assert header == "id,score,first_stage_score,payload.first_stage_score,payload.payload.id,payload.id"
    assert row == "1,0.5,0.25,own,1,2"


# ------------------------------------------------------------------------------------ HTML


@pytest.mark.parametrize("result", EVERY)
def test_html_has_no_tag_and_no_attribute_but_ours(result: Result) -> None:
    page = Page(result._repr_html_())
    assert {tag for tag, _ in page.tags} <= {"div", "table", "thead", "tbody", "tr", "th", "td", "p", "pre"}
    for _, attributes in page.tags:
        assert attributes.keys() <= {"style", "scope"}
        assert not re.search(r"url\(|expression|@|<", attributes.get("style", ""))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", page.text)
    assert len(result._repr_html_()) < 500_000


def test_a_hostile_payload_stands_there_as_text() -> None:
    result = hits({HOSTILE: HOSTILE, "list": [HOSTILE]}, scores=(0.5,))
    page = Page(result._repr_html_())
    shown = HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e").replace("\x00", "\\x00")
    assert page.rows[0][2] == shown and page.rows[1][2] == shown
    assert "<script>" in page.rows[1][3]


@pytest.mark.parametrize("kind", ["message", "text"])
def test_messages_texts_and_warnings_are_escaped(kind: str) -> None:
    warning = Diagnostic("odd", f"a {HOSTILE}", hint=HOSTILE, severity="warning")
    result = replace(Result("message"), kind=kind, message=f"{HOSTILE}\nsecond", warnings=(warning,))
    page = Page(result._repr_html_())
    assert page.text.count("<script>") == 3
    assert "\nsecond" in page.text
    assert [tag for tag, _ in page.tags] == ["div", "pre", "pre"]


def bars(result: Result, column: int = 1) -> list[str]:
    """The bar of each cell of a column: its colour and length, or nothing."""
    cells = [attributes["style"] for tag, attributes in Page(result._repr_html_()).tags if tag == "td"]
    width = len(Page(result._repr_html_()).rows[0])
    found = [re.search(r"to right,(rgba\(.*?\)) ([\d.]+%)", style) for style in cells[column::width]]
    return [f"{one[1]} {one[2]}" if one else "" for one in found]


def test_scores_have_bars_by_the_largest() -> None:
    blue, red = "rgba(76,138,240,.35)", "rgba(224,108,84,.35)"
    assert bars(hits({}, {}, {}, scores=(0.8, 0.4, 0.0))) == [
        f"{blue} 100.0%",
        f"{blue} 50.0%",
        f"{blue} 0.0%",
    ]
    assert bars(hits({}, {}, scores=(1.0, -2.0))) == [f"{blue} 50.0%", f"{red} 100.0%"]
    assert bars(hits({}, {}, scores=(0.0, 0.0))) == ["", ""]
    assert bars(hits({}, {}, {}, scores=(float("inf"), float("nan"), 1.0))) == ["", "", f"{blue} 100.0%"]
    assert bars(hits({"n": 1}, scores=(1.0,)), column=2) == [""]  # a number that is no score


def test_the_number_of_a_score_stands_in_its_cell() -> None:
    assert [row[1] for row in Page(hits({}, {}, scores=(0.8, 0.4))._repr_html_()).rows] == [
        "score",
        "0.8",
        "0.4",
    ]


def test_of_many_rows_and_columns_there_are_the_first_and_it_is_said() -> None:
    page = Page(many_hits(1234)._repr_html_())
    assert len(page.rows) == 51
    assert "1,234 hits; the first 50 are shown, 1,184 left out; to_pandas() has all of it" in page.text
    wide = Result("rows", rows=[{f"c{n}": n for n in range(40)}])
    page = Page(wide._repr_html_())
    assert len(page.rows[0]) == 30
    assert "1 row; 10 columns left out, from c30 on" in page.text


def test_a_page_says_that_there_is_another() -> None:
    assert "AFTER :next" in Result("hits", hits=[Hit(1)], next=1, paged=True)._repr_html_()
    assert "AFTER" not in Result("hits", hits=[Hit(1)], paged=True)._repr_html_()


def test_an_empty_result_says_so() -> None:
    assert Page(Result("hits")._repr_html_()).text == "0 hits"


def test_colours_are_those_of_the_page_around() -> None:
    """On a dark page, a colour of text or an opaque background of ours would not be readable."""
    for _, attributes in Page(many_hits(60)._repr_html_()).tags:
        style = attributes.get("style", "")
        assert not re.search(r"(^|;)color:", style)
        for background in re.findall(r"background(?:-\w+)?:([^;]*)", style):
            assert background == "none" or "rgba(" in background
