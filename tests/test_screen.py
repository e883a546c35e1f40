"""What people see on a terminal: no line is wider, ids are whole, and what tells hits apart is there."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from rich.cells import cell_len

import qql
from qql.cli import main
from qql.cli.render import Renderer, render_error
from qql.cli.render.passages import best_passage, words_of_requests
from qql.cli.render.wrapping import wrap_line, wrap_text
from qql.errors import Diagnostic, QQLSyntaxError, Source, Span
from qql.rest.request import Request
from qql.result import Hit, Result
from qql.session.session import Session

LOREM = "The library keeps its records in a box under the stairs, and nobody has looked at them for years. "
TOPICS = {
    "emergency room": "Triage in the emergency room decides who is seen first, the chest pain or the cut.",
    "harbour": "The harbour freezes over in winter, and ships wait outside for the ice to break.",
    "beekeeping": "A beekeeper opens the hive in the morning, while most of the bees are out for nectar.",
}
LONG_MODEL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
UUIDS = [str(uuid.UUID(int=0xABCDEF << 100 | n)) for n in range(3)]
HYBRID = """WITH
  near AS (QUERY 'pain in the chest' USING dense LIMIT 50), far AS (QUERY 'chest pain' USING words LIMIT 50)
QUERY FUSION RRF FROM docs PREFETCH (near, far) LIMIT 3"""


class Terminal(io.StringIO):
    """A terminal of some width."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def db() -> Iterator[Session]:
    with qql.connect() as session:
        session.run(
            "CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64'"
            " WITH QUANTIZATION (type = scalar, always_ram = true), words SPARSE MODEL 'qdrant/bm25');"
            "CREATE INDEX ON docs FOR kind TYPE keyword; CREATE INDEX ON docs FOR title TYPE keyword;"
        )
        rows = [
            {
                "id": key,
                "title": f"An article about the {topic}",
                "kind": "article",
                "source": "",
                "text": f"{LOREM * 6}\n\n{text}\n\n{LOREM * 6}",
                "length": 100 + n,
                "meta": {"language": "en", "authors": [{"name": "A. Author"}, {"name": "B. Writer"}]},
            }
            for n, (key, (topic, text)) in enumerate(zip(UUIDS, TOPICS.items(), strict=True))
        ]
        session.run("UPSERT INTO docs VALUES :rows", {"rows": rows})
        yield session


def screen(session: Session, script: str, monkeypatch: pytest.MonkeyPatch, width: int = 80) -> str:
    """What a script shows on a terminal of so many columns."""
    monkeypatch.setenv("COLUMNS", str(width))
    terminal = Terminal()
    renderer = Renderer(terminal)
    for result in session.run(script):
        renderer.show(result)
    return terminal.getvalue()


def widest(text: str) -> int:
    return max(map(cell_len, text.splitlines()))


# ------------------------------------------------------------------------------------ every statement


STATEMENTS = {
    "query": "QUERY 'chest pain' FROM docs USING words LIMIT 3",
    "chosen fields": "QUERY 'chest pain' FROM docs USING dense WITH PAYLOAD (title, kind, length) LIMIT 3",
    "vectors": "QUERY 'chest pain' FROM docs USING dense WITH VECTOR LIMIT 2",
    "scroll": "SCROLL FROM docs LIMIT 2",
    "groups": "QUERY 'chest pain' FROM docs USING dense GROUP BY title SIZE 1 LIMIT 3",
    "batch": "BATCH { QUERY 'pain' FROM docs USING words LIMIT 2;"
    " QUERY 'ice' FROM docs USING words LIMIT 2; }",
    "facet": "FACET kind FROM docs",
    "collection": "SHOW COLLECTION docs",
    "collections": "SHOW COLLECTIONS",
    "indexes": "SHOW INDEXES ON docs",
    "aliases": "SHOW ALIASES",
    "provenance": f"{HYBRID} WITH PROVENANCE",
    "explain": f"EXPLAIN {HYBRID}",
    "analyze": f"EXPLAIN ANALYZE ABLATE {HYBRID} WITH PROVENANCE",
    "rerank": f"EXPLAIN ANALYZE {HYBRID} RERANK 'chest pain' MODEL 'local/overlap' TOP 2",
    "why": f"WHY '{UUIDS[0]}' {HYBRID}",
    "why not": f"WHY NOT '{UUIDS[2]}' {HYBRID.replace('LIMIT 3', 'LIMIT 1')}",
}


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("name", STATEMENTS)
def test_no_line_is_wider_than_the_terminal(
    db: Session, monkeypatch: pytest.MonkeyPatch, name: str, width: int
) -> None:
    text = screen(db, STATEMENTS[name], monkeypatch, width)
    assert widest(text) <= width
    boxes = [line for line in text.splitlines() if line[:1] in ("┌", "└", "├") and "──┐" in text]
    assert len({cell_len(line) for line in boxes if line.endswith(("┐", "┘", "┤"))}) <= 2 - (name != "batch")


@pytest.mark.parametrize("name", ["query", "chosen fields", "vectors", "scroll", "groups", "provenance"])
def test_ids_are_whole_at_80_columns(db: Session, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text = screen(db, STATEMENTS[name], monkeypatch)
    assert "┌" in text
    shown = db.run(STATEMENTS[name])[0].ids
    assert shown
    assert all(text.count(str(key)) >= 1 for key in shown)


def test_a_narrow_terminal_shows_everything_one_below_the_other(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = screen(db, STATEMENTS["chosen fields"], monkeypatch, 20)
    assert "──[ 3 ]" in text
    assert all(key in text for key in UUIDS)
    assert {line for line in text.splitlines() if cell_len(line) > 20} == {f"id     │ {key}" for key in UUIDS}


# ------------------------------------------------------------------------------------ what a hit shows


def test_the_passage_holds_the_words_of_the_query(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(db, "QUERY 'who has chest pain' FROM docs USING words LIMIT 1", monkeypatch)
    passage = " ".join(re.sub("[│\n ]+", " ", text).split())
    assert "chest pain" in passage
    assert "Triage in the emergency room" in passage
    assert text.count("box under the stairs") <= 1
    for query, words in (("ice of ships", "ships wait outside"), ("bees", "the bees are out")):
        text = screen(db, f"QUERY '{query}' FROM docs USING dense LIMIT 3", monkeypatch)
        assert words in " ".join(re.sub("[│\n ]+", " ", text).split())


def test_what_all_hits_share_is_said_once(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(db, STATEMENTS["scroll"], monkeypatch)
    table, _, notes = text.partition("┘")
    assert "article" not in table.replace("An article", "")
    assert "in all rows: kind = article, meta = " in notes
    assert "empty in all rows: source" in notes
    assert table.count("An article about the") == 2


def test_the_field_of_the_groups_is_no_second_column(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    text = screen(db, STATEMENTS["groups"], monkeypatch, 120)
    assert "title = group" in text
    assert text.count("An article about the harbour") == 1


def test_scores_of_a_batch_are_as_short_as_those_of_hits(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = db.run("QUERY 'pain' FROM docs USING words LIMIT 1")[0].hits[0].score
    assert len(str(score)) > 12, "the engine gives it in 64 bits"
    text = screen(db, STATEMENTS["batch"], monkeypatch)
    assert str(score) not in text
    assert str(score)[:8] in text


def test_what_fits_is_shown_as_it_is() -> None:
    found = Result("hits", hits=[Hit(n, 0.5, {"kind": "a", "none": None}) for n in (1, 2)])
    assert shown(found, 80).splitlines()[3:5] == [
        "│  1 │   0.5 │ a    │ null │",
        "│  2 │   0.5 │ a    │ null │",
    ]


def shown(result: Result, width: int) -> str:
    file = io.StringIO()
    Renderer(file, width=width, timing=False).show(result)
    return file.getvalue()


def test_texts_of_a_few_lines_are_wrapped_in_their_columns() -> None:
    rows = [{"code": f"rule-{n}", "reason": LOREM.strip()} for n in range(2)]
    text = shown(Result("rows", rows=[*rows, {"code": "other", "reason": "short"}]), 60)
    assert "long values are cut" not in text
    column = " ".join(line.split("│")[2].strip() for line in text.splitlines() if line.startswith("│"))
    assert column.count(LOREM.strip()) == 2


def test_show_collection_is_a_table_with_long_models() -> None:
    row = {"kind": "dense", "shape": "384 × Cosine", "model": LONG_MODEL, "details": "on_disk = true, m = 16"}
    text = shown(Result("rows", rows=[{"name": "dense", **row}, {"name": "other", **row, "model": ""}]), 80)
    assert text.startswith("┌")
    assert LONG_MODEL in text
    assert "in all rows: " in text
    assert widest(text) <= 80


def test_many_long_rows_take_a_line_of_text_each() -> None:
    found = Result(
        "hits", hits=[Hit(key, 0.5, {"text": f"{n} " + LOREM * 9}) for n, key in enumerate(many())]
    )
    lines = shown(found, 80).splitlines()
    assert len(lines) <= 2 * 300 + 6
    assert max(map(cell_len, lines)) == 80


def many() -> list[str]:
    return [str(uuid.UUID(int=n)) for n in range(300)]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize(
    "text", ["日本語テキスト" * 40, "👩‍👩‍👧 " * 60, "\x1b[2J\x1b[31m\u202e" * 30, "x" * 500]
)
def test_wide_and_hostile_texts_stay_in_the_box(text: str, width: int) -> None:
    found = Result("hits", hits=[Hit(n, 0.5, {"a": f"{n}{text}", "b": f"{text}{n}"}) for n in (1, 2)])
    drawn = shown(found, width)
    assert "\x1b" not in drawn and "\u202e" not in drawn
    assert {cell_len(line) for line in drawn.splitlines() if line[0] in "┌│├└"} == {width}


# ------------------------------------------------------------------------------------ passages


def test_a_passage_is_where_most_words_are() -> None:
    text = "A cat. " * 50 + "The black cat sat on the mat. " + "A cat. " * 50
    found = best_passage(text, ("black", "cat", "mat"), 60)
    assert "black cat sat on the mat" in found
    assert found.startswith("…") and found.endswith("…")
    assert cell_len(found) <= 60


@pytest.mark.parametrize(
    ("query", "word"),
    [("directory", "directories"), ("remove", "removing"), ("files", "file"), ("Box", "BOX")],
)
def test_a_passage_finds_other_forms_of_a_word(query: str, word: str) -> None:
    assert word in best_passage(
        "nothing here " * 40 + f"but {word} there " + "more " * 40, (query.lower(),), 50
    )


@pytest.mark.parametrize("words", [(), ("absent",)])
def test_without_a_word_of_the_query_it_is_the_beginning(words: tuple[str, ...]) -> None:
    assert best_passage(LOREM * 3, words, 30) == "The library keeps its records…"
    assert best_passage("short", words, 30) == "short"


def test_words_are_those_of_texts_to_embed_and_of_full_text_conditions() -> None:
    body = {
        "prefetch": [{"query": {"nearest": {"text": "Chest pain", "model": "m"}}}],
        "query": {"fusion": "rrf"},
        "filter": {
            "must": [{"key": "text", "match": {"text": "emergency"}}, {"key": "k", "match": {"value": "no"}}]
        },
    }
    found = words_of_requests([Request("POST", "/collections/docs/points/query", {}, body)])
    assert set(found) == {"chest", "pain", "emergency"}
    assert words_of_requests([Request("PUT", "/collections/docs/points", {}, {"points": []})]) == ()


# ------------------------------------------------------------------------------------ lines that are wrapped


def test_the_rest_of_a_line_keeps_its_place_in_the_tree() -> None:
    line = "│   ├── where: " + "kind = 'article' AND " * 5
    first, *rest = wrap_line(line, 50)
    assert first.startswith("│   ├── where:")
    assert rest
    assert all(one.startswith("│   │       ") for one in rest)
    assert [*wrap_line("    └── " + "word " * 20, 40)][1].startswith("            word")


def test_wrapped_json_reads_as_the_same_json() -> None:
    line = '  "filter": {"must": [{"key": "a b c", "match": {"any": ["one two", "three four", "five six"]}}]}'
    lines = [*wrap_line(line, 40)]
    assert len(lines) > 2
    assert "".join(lines).replace(" ", "") == line.replace(" ", "")
    assert all(one.count('"') % 2 == 0 for one in lines)


def test_words_that_are_wrapped_are_all_there() -> None:
    text = "a " + "b" * 70 + " c " + "日本語" * 20
    lines = wrap_text(text, 20)
    assert all(cell_len(line) <= 20 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("at", [0, 30, 150, 299, 390])
def test_the_caret_stands_below_its_word_on_a_long_line(at: int) -> None:
    text = "x" * at + "WRONG" + "y" * (400 - at)
    found = Diagnostic("x", "bad " * 40, Span(at, at + 5), "help " * 40, source=Source(text, "a.qql"))
    lines = render_error(QQLSyntaxError(found), width=80).splitlines()
    assert max(map(cell_len, lines)) <= 80
    [source] = [line for line in lines if "WRONG" in line]
    [caret] = [line for line in lines if "^" in line]
    assert caret.index("^^^^^") == source.index("WRONG")
    assert sum("bad" in line for line in lines) > 1


# ------------------------------------------------------------------------------------ commands


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def call(*argv: str) -> str:
        monkeypatch.setenv("COLUMNS", "80")
        out = Terminal()
        monkeypatch.setattr("sys.stdout", out)
        main([*argv, "--no-color"] if argv[0] != "help" else argv)
        return out.getvalue()

    return call


@pytest.mark.parametrize("word", ["", "QUERY", "CREATE COLLECTION", "COPY", "HNSW", "MMR"])
def test_the_manual_fits_the_terminal(on_terminal: Callable[..., str], word: str) -> None:
    text = on_terminal("help", *word.split())
    assert widest(text) <= 80
    assert len(text.splitlines()) > 5


def test_diff_is_a_table_of_titles_at_80_columns(
    db: Session, on_terminal: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    with qql.connect(folder / "db") as other:
        db.run("DUMP docs TO :path", {"path": str(folder / "docs.qql")})
        other.run((folder / "docs.qql").read_text(encoding="utf-8"))
    for name, vector in (("a", "words"), ("b", "dense")):
        (folder / f"{name}.qql").write_text(f"QUERY 'ice and bees' FROM docs USING {vector} LIMIT 3;")
    files = (str(folder / "a.qql"), str(folder / "b.qql"))
    text = on_terminal("diff", *files, "--db", str(folder / "db"))
    assert widest(text) <= 80
    assert "│ rank A │ rank B │ move │" in text
    assert "An article about" in text
    assert not any(key in text for key in UUIDS)
    assert "--format vertical, shows their ids" in " ".join(text.split())
    assert UUIDS[1] in on_terminal("diff", *files, "--db", str(folder / "db"), "--format", "vertical")


def test_explain_analyze_calls_points_by_their_titles(db: Session) -> None:
    text = db.execute(STATEMENTS["rerank"]).message
    moves = re.sub(r"\s+", " ", text.partition("ranks before and after:")[2])
    assert "An article about the emergency room: " in moves
    assert UUIDS[0] not in moves


@pytest.mark.parametrize("columns", ["60", "", "many", "0"])
def test_a_pipe_is_as_wide_as_columns_says_a_file_has_no_end_and_nothing_is_cut(
    monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    found = Result("hits", hits=[Hit(UUIDS[0], 0.5, {"text": LOREM * 9}), Hit(UUIDS[1], 0.5, {"text": "x"})])
    pipe, file = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stdout", pipe)
    for to in (pipe, file):
        Renderer(to).show(found)
    assert LOREM * 9 in file.getvalue()
    assert UUIDS[0] in pipe.getvalue()
    if columns == "60":
        assert 50 < widest(pipe.getvalue()) <= 60
        assert " ".join((LOREM * 9).split()) in " ".join(re.sub(r"\n +│", " ", pipe.getvalue()).split())
    else:
        assert pipe.getvalue() == file.getvalue()


def test_a_terminal_of_ascii_gets_no_other_characters() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    rows = [Hit(key, 0.5, {f"key{n}": f"{key} {LOREM}" for n in range(9)}) for key in UUIDS]
    Renderer(file, width=70).show(Result("hits", hits=rows))
    assert "... 5 more fields: " in raw.getvalue().decode("ascii")
