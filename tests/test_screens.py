"""What a terminal gets beside the data: bars, marks, vectors in short, times, pages; and what it does not."""

from __future__ import annotations

import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

import qql
from qql.cli import main
from qql.cli.render import FORMATS, ProgressBar, Renderer
from qql.cli.render.pager import fits_screen, pager_command
from qql.cli.render.vectors import vector_text
from qql.evaluation.files.runs import read_run
from qql.rest.request import Request
from qql.result import Hit, Result

UUIDS = [f"0b9f7e1c-1111-4222-8333-{n:012d}" for n in range(3)]
STYLE = re.compile("\x1b\\[([0-9;]*)m")
TEXT = "The library keeps its records in a box under the stairs. " * 5
FACET = Request("POST", "/collections/docs/facet", {}, {})
ASKED = Request("POST", "/collections/docs/points/query", {}, {"query": {"nearest": {"text": "chest pains"}}})


class Terminal(io.StringIO):
    """A terminal of so many columns and lines, as COLUMNS and LINES say."""

    def isatty(self) -> bool:
        return True


def on_screen(result: Result, format: str = "table", **settings: object) -> str:
    """What a terminal is sent."""
    terminal = Terminal()
    Renderer(terminal, format, **settings).show(result)  # type: ignore[arg-type]
    return terminal.getvalue()


def in_pipe(result: Result, format: str = "table") -> str:
    file = io.StringIO()
    Renderer(file, format).show(result)
    return file.getvalue()


def scored(*scores: float, **payload: object) -> Result:
    found = [Hit(n, score, {"n": n, **payload}) for n, score in enumerate(scores, 1)]
    return Result("hits", hits=found, requests=(ASKED,))


@pytest.fixture(autouse=True)
def usual_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAGER", "QQL_PAGER", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


@pytest.fixture
def of_width(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda columns: monkeypatch.setenv("COLUMNS", str(columns))


# ------------------------------------------------------------------------------------ bars


def bar_of(line: str) -> float:
    """How long the bar of a line is, in cells."""
    return sum(
        1.0 if char == "█" else (0x2590 - ord(char)) / 8 for char in line if "▉" <= char <= "▏" or char == "█"
    )


def test_scores_have_bars_by_the_largest() -> None:
    lines = [line for line in on_screen(scored(0.8, 0.4, 0.1, 0.0)).splitlines() if line.startswith("│")][1:]
    assert [bar_of(line) for line in lines] == [8, 4, 1, 0]
    assert {cell_len(line) for line in lines} == {cell_len(lines[0])}


def test_the_counts_of_a_facet_have_bars_and_other_counts_have_none() -> None:
    rows = [{"value": "a", "count": 10}, {"value": "b", "count": 5}]
    facet = Result("rows", rows=rows, requests=(FACET,))
    assert [bar_of(line) for line in on_screen(facet).splitlines() if "│ a" in line or "│ b" in line] == [
        8,
        4,
    ]
    assert "█" not in on_screen(Result("rows", rows=rows))


def test_bars_are_for_terminals_that_have_room_and_for_numbers_that_differ(
    of_width: Callable[[int], None],
) -> None:
    assert "█" in on_screen(scored(0.5, 0.4))
    assert "█" not in in_pipe(scored(0.5, 0.4))
    assert "█" not in on_screen(scored(0.5))
    assert "█" not in on_screen(scored(0.0, 0.0))
    assert "█" not in on_screen(scored(math.nan, math.inf))
    of_width(20)
    narrow = on_screen(scored(0.5, 0.4))
    assert "█" not in narrow and max(map(cell_len, narrow.splitlines())) <= 20


def test_a_bar_below_zero_has_another_colour() -> None:
    lines = on_screen(scored(0.8, -0.4), color=True).splitlines()
    assert "\x1b[34m████" in next(line for line in lines if "0.8" in line)
    assert "\x1b[31m████" in next(line for line in lines if "-0.4" in line)


@pytest.mark.parametrize("width", [20, 60, 80, 120, 200])
def test_ids_are_whole_and_columns_straight_beside_bars_and_wide_characters(
    of_width: Callable[[int], None], width: int
) -> None:
    of_width(width)
    titles = ["日本語のタイトル" * 4, "e\u0301te\u0301 Größe", "👍🏽 emoji 🇩🇪"]
    found = [
        Hit(key, 1 / (n + 1), {"title": title, "text": TEXT})
        for n, (key, title) in enumerate(zip(UUIDS, titles, strict=True))
    ]
    text = STYLE.sub("", on_screen(Result("hits", hits=found, requests=(ASKED,)), color=True))
    assert all(key in text for key in UUIDS)
    boxed = [line for line in text.splitlines() if line[0] in "┌├│└"] if "┌" in text else []
    assert len({cell_len(line) for line in boxed}) <= 1
    assert max(map(cell_len, text.splitlines())) <= max(width, 45)


# ------------------------------------------------------------------------------------ marks


def marked(text: str) -> list[str]:
    return re.findall("\x1b\\[1;33m([^\x1b]*)\x1b", text)


@pytest.mark.parametrize("format", ["table", "vertical"])
def test_the_words_of_the_query_are_marked_in_texts(format: str) -> None:
    result = scored(0.5, text=f"{TEXT} She has chest pain, and it is painful. {TEXT}")
    assert marked(on_screen(result, format, color=True)) == ["chest", "pain", "painful"]
    assert marked(on_screen(result, format)) == []


def test_marks_add_nothing_but_colour(of_width: Callable[[int], None]) -> None:
    result = scored(0.5, 0.4, text=f"{TEXT} 日本語 chest pain {TEXT}", title="chest")
    for width in (20, 60, 80, 200):
        of_width(width)
        assert STYLE.sub("", on_screen(result, color=True)) == on_screen(result)


# ------------------------------------------------------------------------------------ vectors


@pytest.mark.parametrize(
    ("vector", "text"),
    [
        ([0.6, 0.8] + [0.0] * 382, "f32[384] ‖1.00‖ [0.6, 0.8, …]"),
        ([0.1, 0.2], "[0.1,0.2]"),
        ([[0.25, 1.0, 0.5]] * 4, "f32[4×3] [[0.25, …], …]"),
        ({"indices": [4, 9, 11, 12, 13], "values": [3, 4, 0, 0, 0]}, "sparse[5] ‖5.00‖ {4: 3, 9: 4, …}"),
        ({"b": [1, 0, 0, 0, 0], "a": [2.0]}, "a [2.0], b f32[5] ‖1.00‖ [1, 0, …]"),
        ([], "[]"),
        (None, "null"),
    ],
)
def test_vectors_are_shown_by_size_length_and_beginning(vector: object, text: str) -> None:
    assert vector_text(vector) == text
    assert vector_text(vector, ascii_only=True).isascii()


@pytest.mark.parametrize("format", ["table", "vertical"])
def test_vectors_are_in_short_on_a_terminal_which_says_so_and_whole_in_a_pipe(format: str) -> None:
    vector = [n / 1000 for n in range(1, 385)]
    result = Result("hits", hits=[Hit(1, 0.5, None, {"dense": vector})])
    screen = on_screen(result, format)
    assert "dense f32[384] ‖4.35‖ [0.001, 0.002, …]" in screen
    assert "`json` has all their numbers" in " ".join(screen.split())
    pipe = in_pipe(result, format)
    assert "0.384" in pipe and "in short" not in pipe
    assert json.loads(on_screen(result, "jsonl"))["vector"] == {"dense": vector}


# ------------------------------------------------------------------------------------ times


def test_the_footer_has_the_times_of_the_phases() -> None:
    with qql.connect() as db:
        db.run(
            "CREATE COLLECTION docs (d VECTOR MODEL 'local/hash-64');"
            "UPSERT INTO docs VALUES {id: 1, text: 'red wine'}, {id: 2, text: 'tea'};"
        )
        result = db.execute("QUERY 'wine' FROM docs USING d RERANK 'wine' MODEL 'local/overlap'")
        assert list(result.timing) == ["embed", "engine", "rerank"]
        assert 0 < sum(result.timing.values()) <= result.seconds
        assert re.search(
            r"rows?, embed [\d.]+ m?s, engine [\d.]+ m?s, rerank [\d.]+ m?s, total [\d.]+ m?s\)",
            in_pipe(result),
        )
        later = db.execute("SCROLL FROM docs")
        assert "embed" not in later.timing and later.timing["engine"] <= later.seconds


# ------------------------------------------------------------------------------------ expanded, rows, pager


def test_expanded_is_vertical_always_or_where_the_table_would_be_cut() -> None:
    short, long = scored(0.5, 0.4), scored(0.5, 0.4, text=TEXT, other=TEXT + "x")
    assert "──[ 1 ]" in on_screen(short, expanded="on")
    assert "──[ 1 ]" not in on_screen(short, expanded="auto")
    assert "──[ 1 ]" not in on_screen(long)
    shown = on_screen(long, expanded="auto")
    assert "──[ 2 ]" in shown
    assert " ".join(TEXT.split()) in " ".join(re.sub(r"\n +│", " ", shown).split())
    assert json.loads(on_screen(short, "jsonl", expanded="on").splitlines()[0])["id"] == 1


@pytest.mark.parametrize("format", ["table", "vertical", "jsonl", "csv"])
def test_a_prompt_shows_the_first_rows_and_says_how_to_see_all(format: str) -> None:
    many = Result("rows", rows=[{"n": n} for n in range(1200)])
    watched = on_screen(many, format, interactive=True, pager="off")
    assert "999" in watched and "1001" not in watched
    assert r"the first 1,000 of 1,200 rows" in watched and r"`\last` shows all" in watched
    terminal = Terminal()
    Renderer(terminal, format, interactive=True, pager="off").show(many, full=True)
    assert "1199" in terminal.getvalue() and "the first" not in terminal.getvalue()
    for everything in (on_screen(many, format), in_pipe(many, format)):
        assert "1199" in everything and "the first" not in everything


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A pager that keeps what it is given."""
    seen = tmp_path / "seen"
    yield f"\"{sys.executable}\" -c \"import sys; open(r'{seen}', 'w').write(sys.stdin.read())\"", seen


def test_what_does_not_fit_on_the_screen_goes_through_the_pager(
    monkeypatch: pytest.MonkeyPatch, pager: tuple[str, Path]
) -> None:
    command, seen = pager
    long, short = scored(*[0.5] * 40), scored(0.5, 0.4)
    assert "(2 rows" in on_screen(short, interactive=True, pager=command)
    assert not seen.exists()
    assert on_screen(long, interactive=True, pager=command) == ""
    assert seen.read_text(encoding="utf-8") == on_screen(long)
    seen.unlink()
    monkeypatch.setenv("PAGER", command)
    assert on_screen(long, interactive=True) == ""
    assert seen.exists()
    seen.unlink()
    assert "(40 rows" in on_screen(long, interactive=True, pager="off")
    assert "(40 rows" in on_screen(long)
    monkeypatch.setenv("TERM", "dumb")
    assert "(40 rows" in on_screen(long, interactive=True)
    assert not seen.exists()


def test_a_pager_that_is_left_at_once_is_no_fault_and_one_that_is_not_there_is_told(
    capfd: pytest.CaptureFixture[str],
) -> None:
    long = Result("rows", rows=[{"n": n, "text": TEXT} for n in range(900)])
    assert on_screen(long, "vertical", interactive=True, pager="true") == ""
    text = on_screen(long, "vertical", interactive=True, pager="no-such-pager-here")
    assert "there is no pager no-such-pager-here" in text and "(900 rows" in text
    capfd.readouterr()  # what the shell says of it


def test_no_more_lines_are_made_than_the_screen_has_room_for() -> None:
    made: list[int] = []

    def lines() -> Iterator[str]:
        for n in range(10_000):
            made.append(n)
            yield "\x1b[1m" + "x" * 80 + "\x1b[0m"

    first, fits = fits_screen(lines(), Terminal())
    assert not fits and len(first) == len(made) == 23
    assert fits_screen(iter(["x" * 800] * 3), Terminal())[1] is False
    assert fits_screen(iter(["x"] * 22), Terminal())[1] is True


def test_the_pager_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "most")
    assert (pager_command("on"), pager_command("off"), pager_command("less -N")) == ("most", None, "less -N")
    monkeypatch.setenv("QQL_PAGER", "less -J")
    assert pager_command("on") == "less -J"
    monkeypatch.setenv("QQL_PAGER", "")
    assert pager_command("on") is None


# ------------------------------------------------------------------------------------ what JSON cannot say


@pytest.mark.parametrize("format", ["json", "jsonl"])
def test_what_is_no_number_is_null_in_json_with_a_warning(format: str) -> None:
    result = Result("hits", hits=[Hit(1, math.nan, {"a": [math.inf, 1.5], "b": {"c": -math.inf}})])
    file, err = io.StringIO(), io.StringIO()
    Renderer(file, format, err=err).show(result)
    [read] = json.loads(f"[{file.getvalue()}]") if format == "jsonl" else json.loads(file.getvalue())
    assert read == {"id": 1, "score": None, "payload": {"a": [None, 1.5], "b": {"c": None}}}
    assert "warning[not-a-number]: 3 numbers are NaN or infinite" in err.getvalue()
    assert "NaN" in in_pipe(result) and in_pipe(result, "csv").splitlines()[1].startswith("1,NaN,")


# ------------------------------------------------------------------------------------ formats for programs


@pytest.fixture(scope="module")
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run(
            "CREATE COLLECTION docs (d VECTOR(2, DOT));"
            "UPSERT INTO docs VALUES {id: 1, d: [1, 0], t: 'a'}, {id: 2, d: [0.5, 0], t: 'b'};"
        )
        yield session


def test_a_run_is_read_as_it_was_ranked(db: qql.Session, tmp_path: Path) -> None:
    file, err, path = io.StringIO(), io.StringIO(), tmp_path / "a.run"
    view = Renderer(file, "trec", err=err)
    for text in (
        "QUERY [1, 0] FROM docs",
        "CREATE COLLECTION other (d VECTOR(2, DOT))",
        "QUERY [-1, 0] FROM docs",
        "BATCH { QUERY [1, 0] FROM docs; QUERY [-1, 0] FROM docs; }",
        "SCROLL FROM docs",
    ):
        view.show(db.execute(text))
    assert "created collection other" in err.getvalue()
    path.write_text(file.getvalue(), encoding="utf-8")
    ranked = {query: [hit.doc for hit in hits] for query, hits in read_run(path).items()}
    assert ranked == {"1": ["1", "2"], "2": ["2", "1"], "3-1": ["1", "2"], "3-2": ["2", "1"], "4": ["1", "2"]}


def test_a_script_of_results_compiles_and_says_what_is_missing(db: qql.Session) -> None:
    texts = [
        "SCROLL FROM docs",
        "COUNT FROM docs",
        "EXPLAIN COUNT FROM docs",
        "USE docs",
        "QUERY [1, 0] FROM docs",
    ]
    texts += ["BATCH { QUERY [1, 0] FROM docs; }", "SCROLL FROM docs WHERE t = 'none'"]
    script = "".join(in_pipe(db.execute(text), "qql") for text in texts)
    sent = [(request.method, request.path) for request in qql.compile(script)]
    assert sent == [("PUT", "/collections/docs/points")] * 3
    assert script.count("-- without vectors: WITH VECTOR in the statement brings them along") == 3
    assert '-- {"count":2}' in script and "-- using docs" in script and "-- no points of 'docs'" in script


def test_parquet_goes_into_a_file_and_one_result_into_each(db: qql.Session, tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    database = str(tmp_path / "db")
    with qql.connect(database) as other:
        other.run(
            "CREATE COLLECTION docs (d VECTOR(2, DOT));UPSERT INTO docs VALUES {id: 1, d: [1, 0], t: 'é'};"
        )
    assert main(["run", "--db", database, "-o", str(path), "-c", "SCROLL FROM docs WITH VECTOR"]) == 0
    assert parquet.read_table(path).to_pylist() == [{"id": 1, "t": "é", "vector.d": [1.0, 0.0]}]
    assert main(["run", "--db", database, "-o", str(path), "-c", "SCROLL FROM docs; SCROLL FROM docs"]) == 1


def test_parquet_on_a_terminal_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out, err = Terminal(), io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    place = tmp_path / "db"
    assert (
        main(
            ["run", "--db", str(place), "--format", "parquet", "-c", "CREATE COLLECTION a (d VECTOR(2, DOT))"]
        )
        != 0
    )
    assert out.getvalue() == "" and "-o FILE.parquet" in err.getvalue()
    assert not place.exists()


def test_html_is_one_page_of_all_results_with_nothing_cut_and_all_escaped() -> None:
    file = io.StringIO()
    view = Renderer(file, "html")
    long = "<b>&" + "word " * 2000
    view.show(Result("hits", hits=[Hit(n, 1 / n, {"<i>": long}) for n in range(1, 101)]))
    view.show(Result("message", message="<script>"))
    page = file.getvalue()
    assert page.count("<!doctype html>") == 1
    assert page.count("&lt;b&gt;&amp;" + "word " * 2000) == 100
    assert page.count("linear-gradient") == 100
    assert "<script>" not in page and "<i>" not in page


def test_the_suffix_of_a_file_names_its_format(tmp_path: Path) -> None:
    beginnings = {
        ".qql": "--",
        ".html": "<!doctype",
        ".htm": "<!doctype",
        ".ndjson": "{",
        ".json": "[",
        ".md": "|",
    }
    for suffix, beginning in beginnings.items():
        path = tmp_path / f"a{suffix}"
        assert (
            main(["run", "-o", str(path), "-c", "CREATE COLLECTION a (d VECTOR(2, DOT)); COUNT FROM a"]) == 0
        )
        assert path.read_text(encoding="utf-8").startswith(beginning)
    assert {one for form in FORMATS.values() for one in form.suffixes} >= {
        *beginnings,
        ".trec",
        ".parquet",
        ".csv",
    }


# ------------------------------------------------------------------------------------ plain terminals


def test_a_dumb_terminal_gets_lines_of_progress_and_no_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    bar = ProgressBar(terminal, delay=0)
    for done in range(0, 101, 10):
        bar("copying", done, 100)
    bar.clear()
    assert "\x1b" not in terminal.getvalue() and "\r" not in terminal.getvalue()
    assert terminal.getvalue().endswith("copying: 100 of 100\n")


def test_a_terminal_that_does_not_know_its_size_has_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    monkeypatch.delenv("LINES")
    widths = {cell_len(line) for line in on_screen(scored(0.5, 0.4, text=TEXT, other=TEXT)).splitlines()}
    assert 70 < max(widths) <= 80


def test_messages_are_objects_where_json_is_asked_for_and_stand_apart_where_it_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = "CREATE COLLECTION a (d VECTOR(2, DOT)); COUNT FROM a; USE a;"
    assert main(["run", "-c", script, "--format", "json"]) == 0
    out = capsys.readouterr().out
    assert [json.loads(line) for line in out.splitlines()] == [
        [{"message": "created collection a"}],
        [{"count": 0}],
        [{"message": "using a"}],
    ]
    assert main(["run", "-c", script]) == 0
    found = capsys.readouterr()
    assert found.out == '{"count":0}\n'
    assert "created collection a" in found.err
