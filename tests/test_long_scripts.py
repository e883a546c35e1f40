"""Scripts of any length: cut in pieces, checked whole, and carried out in bounded memory."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from long_scripts import write_script

import qql
from qql.cli import main
from qql.cli.usage import script_file
from qql.errors import Source
from qql.session.script_files import ScriptText
from qql.syntax import parser, pieces

GOLDEN = Path(__file__).parent / "golden"
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(GOLDEN.glob("*.qql"))]
LONG = f"/* {'long ' * (pieces.WHOLE // 5)} */"
"""A comment that is longer than a script that is read as one piece."""


# ------------------------------------------------------------------------------------ pieces


def read(sources: Iterator[Source]) -> tuple[list[object], list[tuple[str, str]]]:
    """Where statements begin and end, and the errors of the others."""
    places, errors = list[object](), list[tuple[str, str]]()
    for source in sources:
        done, found = parser.parse_script(source)
        places += [(source.position(one.span.start), source.position(one.span.end)) for one in done]
        errors += [(said.code, said.render()) for error in found for said in error.diagnostics]
    return places, errors[:100]


def without_semicolons(text: str, rng: random.Random) -> str:
    return text.replace(";\n", "\n")


def with_a_fault(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return (
        text[:at] + rng.choice(["'", '"', "`", "!", "/*", "}", "BATCH {", "'''", "(", "r'", ";"]) + text[at:]
    )


@pytest.mark.parametrize("changed", [lambda text, rng: text, without_semicolons, with_a_fault])
def test_pieces_hold_what_the_whole_script_holds_at_the_same_places(
    changed: Callable[[str, random.Random], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(13)
    for text in map(changed, [*TEXTS, "\n".join(TEXTS[:9])], [rng] * (len(TEXTS) + 1)):
        monkeypatch.setattr(pieces, "PIECE", rng.choice([20, 90, 400]))
        step = rng.choice([1, 7, 64, 301])
        chunks = (text[at : at + step] for at in range(0, len(text), step))
        assert read(pieces.cut_pieces(chunks, "a")) == read(iter([Source(text, "a")]))


def test_a_script_is_cut_in_pieces_of_bounded_length() -> None:
    text = "COUNT FROM c WHERE a = 'x; y';\n" * 40_000
    found = list(pieces.in_pieces(Source(text)))
    assert "".join(piece.text for piece in found) == text
    assert max(len(piece.text) for piece in found) <= pieces.PIECE
    assert len(list(pieces.in_pieces(Source(text[: pieces.WHOLE])))) == 1


@pytest.mark.parametrize("end", [";\n", "\n"])
def test_statements_that_are_longer_than_a_piece_stay_whole(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", 1000)
    rows = ",\n".join(f'{{"id": {at}, "text": "SHOW;\\nQUERY"}}' for at in range(500))
    text = f"UPSERT INTO c VALUES\n{rows}{end}" * 6
    found = list(pieces.cut_pieces((text[at : at + 64] for at in range(0, len(text), 64)), "a"))
    assert [len(parser.parse_script(piece)[0]) for piece in found] == [1] * 6


def test_a_comment_behind_a_statement_stays_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 10)
    text = "COUNT FROM a; -- of a\nCOUNT FROM b; /* of b */ COUNT FROM c;"
    found = [piece.text for piece in pieces.cut_pieces(iter(text), "a")]
    assert found == ["COUNT FROM a; -- of a", "\nCOUNT FROM b; /* of b */ ", "COUNT FROM c;"]


def test_a_statement_that_is_too_long_is_refused_at_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 1000)
    monkeypatch.setattr(parser, "MAX_BYTES", 5000)
    for more, code in ((", 1" * 3000, "text-too-long"), (", 'it" + "x" * 9000, "unterminated-string")):
        text = "COUNT FROM c;\n\n  COUNT FROM c WHERE a IN (1" + more
        with pytest.raises(qql.QQLSyntaxError) as caught:
            list(pieces.cut_pieces(iter(text), "a"))
        assert (caught.value.code, caught.value.line) == (code, 3)


# ------------------------------------------------------------------------------------ running


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        yield session


def collections(db: qql.Session) -> list[str]:
    return [str(row["collection"]) for row in db.execute("SHOW COLLECTIONS").rows]


def test_nothing_of_a_long_script_is_sent_where_its_last_statement_is_at_fault(db: qql.Session) -> None:
    script = f"CREATE COLLECTION c (v VECTOR(2, DOT));\n{LONG}\nCOUNT FROM c; COUNT FORM c;"
    with pytest.raises(qql.QQLSyntaxError) as caught:
        db.run(script)
    assert (caught.value.line, caught.value.column) == (3, 21)
    assert collections(db) == []


def test_all_that_is_wrong_about_a_long_script_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.qql"
    path.write_text(f"COUNT FORM c;\n{LONG}\n COUNT FROM c WHERE a RANGE (b = 1);\n{LONG}\nCOUNT FROM :c;")
    with pytest.raises(qql.QQLScriptError) as caught, qql.connect() as db:
        db.checked(script_file(str(path)))
    said = [(one.code, one.line, one.column) for one in caught.value.diagnostics]
    assert said == [("syntax", 1, 7), ("bad-range", 3, 30), ("syntax", 5, 12)]


def test_what_a_long_script_defines_holds_in_all_of_it(db: qql.Session) -> None:
    parts = [
        "CREATE COLLECTION c (v VECTOR(2, DOT)); USE c; DEFINE near AS (QUERY [1, 0] LIMIT 5);",
        "UPSERT INTO c VALUES {id: 1, vector: {v: [1, 2]}}, {id: 2, vector: {v: [2, 1]}};",
        "QUERY FUSION RRF PREFETCH (near) LIMIT 1; COUNT;",
    ]
    results = db.run(f"\n{LONG}\n".join(parts))
    assert [hit.id for hit in results[4].hits] == [2]
    assert results[5].rows == [{"count": 2}]


@pytest.mark.slow
def test_parameters_of_a_long_script(db: qql.Session) -> None:
    db.run("CREATE COLLECTION c (v VECTOR(2, DOT))")
    text = f"COUNT FROM c WHERE a = :a;\n{LONG}\nCOUNT FROM c WHERE b = :b"
    assert len(db.run(text, {"a": 1, "b": 2})) == 2
    for given, code in (({"a": 1}, "missing-parameter"), ({"a": 1, "b": 2, "bb": 3}, "unknown-parameter")):
        with pytest.raises(qql.QQLPlanError) as caught:
            db.run(text, given)
        assert caught.value.code == code
    assert db.run(f"COUNT FROM c WHERE a = ?;\n{LONG}\n", [1])[0].rows == [{"count": 0}]


def test_a_long_script_comes_through_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"CREATE COLLECTION c (v VECTOR(2, DOT));\n{LONG}\nCOUNT FROM c;"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + text.encode())))
    assert main(["run", "-"]) == 0
    assert capsys.readouterr().out == '{"count":0}\n'


def test_a_long_file_is_executed(tmp_path: Path, db: qql.Session) -> None:
    path = tmp_path / "a.qql"
    path.write_text(f"CREATE COLLECTION c (v VECTOR(2, DOT));\n{LONG}\nCOUNT FROM c;")
    results = db.run(f"EXECUTE '{path}'; COUNT FROM c")
    assert [result.kind for result in results] == ["message", "rows", "message", "rows"]
    path.write_text(f"{LONG}\nCOUNT FROM c;\n  COUNT FROM gone;")
    with pytest.raises(qql.QQLPlanError) as caught:
        db.run(f"EXECUTE '{path}'")
    [said] = caught.value.diagnostics
    assert (said.code, said.line, said.column) == ("unknown-collection", 3, 14)


def test_check_tells_of_a_long_script_in_its_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.qql"
    path.write_text(f"QUERY 'a' FROM c;\n{LONG}\nCOUNT FORM c;\n{LONG}\nQUERY 'b' FROM c;")
    assert main(["check", str(path), "--format", "jsonl"]) == 3
    lines = [line.split('"line":')[1].split(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["1", "3", "5"]


# ------------------------------------------------------------------------------------ changed files


def appended(path: Path) -> None:
    with path.open("a") as file:
        file.write("\nCOUNT FROM c;")


def other_bytes_of_the_same_size_and_time(path: Path) -> None:
    found = path.stat()
    path.write_text(path.read_text().replace("COUNT", "Count"))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def another_file_in_its_place(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize(
    "change", [appended, other_bytes_of_the_same_size_and_time, another_file_in_its_place]
)
def test_a_script_that_changed_after_it_was_checked_is_not_run(
    change: Callable[[Path], None], tmp_path: Path, db: qql.Session
) -> None:
    path = tmp_path / "a.qql"
    path.write_text(f"CREATE COLLECTION c (v VECTOR(2, DOT));\n{LONG}\nCOUNT FROM c;")
    checked = db.checked(script_file(str(path)))
    change(path)
    with pytest.raises(qql.QQLError) as caught:
        for one in checked.statements():
            db.carry_out(one)
    assert caught.value.code == "script-changed"
    assert collections(db) == []


def test_no_more_is_run_of_a_script_that_changes_while_it_is_run(tmp_path: Path, db: qql.Session) -> None:
    path = tmp_path / "a.qql"
    path.write_text(
        f"CREATE COLLECTION c (v VECTOR(2, DOT));\n{LONG}\n{LONG}\nCREATE COLLECTION d (v VECTOR(2, DOT))"
    )
    statements = db.checked(script_file(str(path))).statements()
    db.carry_out(next(statements))
    appended(path)
    with pytest.raises(qql.QQLError, match="changed while it was being run"):
        db.carry_out(next(statements))
    assert collections(db) == ["c"]


def test_a_file_that_is_executed_and_changed_is_an_error_of_execute(tmp_path: Path, db: qql.Session) -> None:
    path = tmp_path / "a.qql"
    path.write_text("SHOW COLLECTIONS;")
    checked = db.checked(qql_script(f"SHOW STAGES;\n{LONG}\nEXECUTE '{path}'"))
    appended(path)
    with pytest.raises(qql.QQLPlanError) as caught:
        list(checked.statements())
    assert (caught.value.code, caught.value.line) == ("script-changed", 3)


def qql_script(text: str) -> ScriptText:
    return ScriptText(Source(text))


# ------------------------------------------------------------------------------------ memory


def memory_for(how: str, path: Path) -> float:
    """MiB above the start that a process needs for a script of a file."""
    program = [sys.executable, str(Path(__file__).parent / "long_scripts.py"), how, str(path)]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=600)
    return float(done.stdout.split()[-1])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read as Linux tells it")
@pytest.mark.parametrize(
    ("how", "megabytes", "end"),
    [
        pytest.param("run", 12, ";", marks=pytest.mark.slow),
        pytest.param("check", 12, ";", marks=pytest.mark.slow),
        pytest.param("run", 24, "", marks=pytest.mark.slow),
        pytest.param("run", 100, ";", marks=pytest.mark.slow),
    ],
)
def test_memory_is_that_of_a_statement_however_long_the_script_is(
    how: str, megabytes: int, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.qql"
    write_script(path, megabytes, end=end)
    assert path.stat().st_size > megabytes << 20
    assert memory_for(how, path) < 32
