"""What the text of statements may reach beside the database: in a safe session only what was allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

import qql
from qql import nodes
from qql.compiler.named_models import MODELS
from qql.session.external import PATHS

CREATE = "CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-16')"
NAMES_OF_PLACES = {"path", "snapshot", "image", "location", "file", "url", "address"}
KEPT_BY_THE_ENGINE = {nodes.DropSnapshot}
"""Nodes with such a field that name what lies in the database."""


@pytest.fixture
def safe() -> Iterator[qql.Session]:
    with qql.connect(safe=True) as db:
        db.execute(CREATE)
        yield db


def refusal(db: qql.Session, text: str) -> qql.QQLError:
    with pytest.raises(qql.QQLRefusedError) as found:
        db.execute(text)
    assert found.value.code == "no-access"
    assert found.value.exit_code == 5
    return found.value


def test_each_node_that_may_name_something_outside_is_decided_on() -> None:
    classes = [one for one in vars(nodes).values() if isinstance(one, type) and issubclass(one, nodes.Node)]
    named = {one for one in classes if NAMES_OF_PLACES & {*getattr(one, "__match_args__", ())}}
    assert named == PATHS.keys() | KEPT_BY_THE_ENGINE
    modelled = {one for one in classes if "model" in getattr(one, "__match_args__", ())}
    assert modelled == MODELS.keys()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("COPY docs FROM '/etc/hosts'", 16),
        ("COPY docs FROM 'rows.jsonl' MAP (dense = NPY('/etc/vectors.npy'))", 16),
        ("DUMP docs TO 'dump.qql'", 14),
        ("COPY (SCROLL FROM docs) TO 'out.jsonl'", 28),
        ("EXECUTE 'other.qql'", 9),
        ("RESTORE SNAPSHOT '/etc/passwd' ON docs", 18),
        ("RESTORE SNAPSHOT 'file:///etc/passwd' ON docs", 18),
        ("RESTORE SNAPSHOT 'http://evil.example/s' ON docs", 18),
        ("QUERY IMAGE 'http://evil.example/a.png' MODEL 'm' FROM docs", 13),
        ("QUERY 'a' MODEL 'http://evil.example/v1#m' FROM docs", 17),
        ("QUERY 'a' MODEL 'openai/m' FROM docs", 17),
        ("QUERY 'a' MODEL 'fastembed:/etc' FROM docs", 17),
        ("QUERY 'a' MODEL 'all-MiniLM-L6-v2' FROM docs", 17),
        ("QUERY 'a' FROM docs RERANK MODEL 'jina+http://evil.example/v1#m'", 34),
        ("CREATE COLLECTION more (d VECTOR(2) MODEL 'http://evil.example/v1#m')", 43),
        ("WITH a AS (QUERY 'a' MODEL 'http://evil.example/v1#m') QUERY 'b' FROM docs PREFETCH (a)", 28),
        ("EXPLAIN ANALYZE QUERY 'a' MODEL 'http://evil.example/v1#m' FROM docs", 33),
        ("DEFINE s AS (QUERY 'a' MODEL 'http://evil.example/v1#m')", 30),
    ],
)
def test_a_safe_session_refuses_what_lies_outside(safe: qql.Session, text: str, place: int) -> None:
    assert refusal(safe, text).column == place
    assert safe.execute("COUNT FROM docs").rows == [{"count": 0}]


def test_nothing_of_a_script_is_carried_out_where_one_statement_reaches_outside(safe: qql.Session) -> None:
    with pytest.raises(qql.QQLRefusedError):
        safe.run("UPSERT INTO docs VALUES {id: 1, text: 'a'}; DUMP docs TO 'dump.qql'")
    assert safe.execute("COUNT FROM docs").rows == [{"count": 0}]


def test_models_of_the_program_and_of_the_caller_need_no_leave() -> None:
    with qql.connect(safe=True, embedders={"mine": lambda texts: [[1.0, 0.0]] * len(texts)}) as db:
        db.run(
            "CREATE COLLECTION docs (d VECTOR(2) MODEL 'mine', s SPARSE MODEL 'qdrant/bm25');"
            "UPSERT INTO docs VALUES {id: 1, text: 'a word'}"
        )
        assert len(db.execute("QUERY 'word' FROM docs USING d RERANK MODEL 'local/overlap'")) == 1
        assert len(db.execute("QUERY 'word' FROM docs USING s")) == 1


def test_an_allowed_folder_is_open_and_no_link_leads_out_of_it(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    for folder in (inside, outside):
        (folder / "rows.jsonl").write_text('{"id": 1, "text": "a"}\n')
    (inside / "link").symlink_to(outside)
    (tmp_path / "inside").mkdir()  # its name begins as that of the allowed one
    with qql.connect(safe=True, allow=[f"folder:{inside}"]) as db:
        db.execute(CREATE)
        assert db.execute(f"COPY docs FROM '{inside}/rows.jsonl'").message == "copied 1 row into docs"
        db.execute(f"DUMP docs TO '{inside}/dump.qql'")
        refusal(db, f"COPY docs FROM '{inside}/link/rows.jsonl'")
        refusal(db, f"COPY docs FROM '{inside}/../out/rows.jsonl'")
        refusal(db, f"DUMP docs TO '{inside}/link/dump.qql'")
        refusal(db, f"DUMP docs TO '{tmp_path}/inside/dump.qql'")
        refusal(db, f"COPY docs FROM '{inside}/a\\u0000b'")
    assert not (outside / "dump.qql").exists()


def test_an_executed_file_has_the_rights_of_the_text_that_names_it(tmp_path: Path) -> None:
    script = tmp_path / "script.qql"
    script.write_text("COUNT FROM docs;\nDUMP docs TO '/elsewhere/dump.qql';\n")
    with qql.connect(safe=True, allow=[f"folder:{tmp_path}"]) as db:
        db.execute(CREATE)
        for carry_out in (db.execute, db.run):
            with pytest.raises(qql.QQLRefusedError) as found:
                carry_out(f"EXECUTE '{script}'")
            assert (found.value.line, found.value.column) == (2, 14)


@pytest.mark.parametrize("ending", ["", ".txt", ".conf"])
def test_no_line_of_a_file_that_is_no_script_is_quoted(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"secrets{ending}"
    path.write_text("password = hunter2\nroot:x:0:0\n")
    with qql.connect() as db, pytest.raises(qql.QQLPlanError) as found:
        db.execute(f"EXECUTE '{path}'")
    assert found.value.code == "no-script"
    assert "hunter2" not in str(found.value)
    assert "password" not in str(found.value)


def test_a_script_with_a_misspelt_first_word_is_told_of_it(tmp_path: Path) -> None:
    path = tmp_path / "script.qql"
    path.write_text("QUERRY 'a' FROM docs")
    with qql.connect() as db, pytest.raises(qql.QQLSyntaxError, match="QUERY"):
        db.execute(f"EXECUTE '{path}'")


STORED = "CREATE COLLECTION docs (d VECTOR(2, COSINE) MODEL 'http://127.0.0.1:9/v1#m')"


def test_an_address_that_a_collection_has_stored_is_not_called(tmp_path: Path) -> None:
    with qql.connect(tmp_path / "data") as db:
        db.execute(STORED)
        with pytest.raises(qql.QQLModelError):  # it is the caller's own, and nobody answers
            db.execute("QUERY 'a' FROM docs")
    with qql.connect(tmp_path / "data") as db:
        found = refusal(db, "QUERY 'a' FROM docs")
        assert "host:127.0.0.1" in str(found)
        assert "--allow" in str(found)
        refusal(db, "UPSERT INTO docs VALUES {id: 1, text: 'a'}")
        with pytest.raises(qql.QQLModelError):  # the caller writes it
            db.execute("QUERY 'a' MODEL 'http://127.0.0.1:9/v1#m' FROM docs")


@pytest.mark.parametrize(
    "options",
    [
        {"allow": ["host:127.0.0.1"]},
        {"allow": ["host:127.0.0.1:9"]},
        {"allow": ["model:http://127.0.0.1*"]},
        {"embed_url": "http://127.0.0.1:9/v1"},
        {"models": {"d": "http://127.0.0.1:9/v1#m"}},
    ],
)
def test_a_stored_address_is_called_where_its_host_was_named(
    tmp_path: Path, options: dict[str, object]
) -> None:
    with qql.connect(tmp_path / "data") as db:
        db.execute(STORED)
    with qql.connect(tmp_path / "data", **options) as db, pytest.raises(qql.QQLModelError):  # type: ignore[arg-type]
        db.execute("QUERY 'a' FROM docs")


def test_another_port_of_the_host_is_another_address(tmp_path: Path) -> None:
    with qql.connect(tmp_path / "data") as db:
        db.execute(STORED)
    with qql.connect(tmp_path / "data", allow=["host:127.0.0.1:8"]) as db:
        refusal(db, "QUERY 'a' FROM docs")


def test_an_address_in_the_rows_of_a_file_is_not_called(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": 1, "vector": {"d": {"text": "a", "model": "http://127.0.0.1:9/v1#m"}}}\n')
    with qql.connect() as db:
        db.execute("CREATE COLLECTION docs (d VECTOR(2, COSINE))")
        with pytest.raises(qql.QQLError) as found:
            db.execute(f"COPY docs FROM '{rows}'")
        assert "127.0.0.1" not in str(found.value) or found.value.code == "no-access"
        assert db.execute("COUNT FROM docs").rows == [{"count": 0}]


def test_an_address_in_a_converted_request_is_refused_until_its_host_is_allowed() -> None:
    body = {"query": {"nearest": {"text": "a", "model": "http://evil.example/v1#m"}}, "using": "d"}
    with pytest.raises(qql.QQLRefusedError, match=r"host:evil\.example") as found:
        qql.from_request(body, collection="docs")
    assert found.value.code == "no-access"
    text = qql.from_request(body, collection="docs", allow=["host:evil.example"])
    assert "MODEL 'http://evil.example/v1#m'" in text


@pytest.mark.parametrize("entry", ["folder", "folders:/x", "host:http://x", "host:a@b", "model:", ":x", ""])
def test_what_can_be_allowed_is_a_folder_a_host_or_a_model(entry: str) -> None:
    with pytest.raises(qql.QQLConnectionError) as found:
        qql.connect(allow=[entry])
    assert found.value.code == "invalid-allow"
    with pytest.raises(TypeError, match="allow requires a list"):
        qql.connect(allow="host:x")


def test_the_command_line_has_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from qql.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "text": "a"}\n')
    text = f"{CREATE}; COPY docs FROM 'rows.jsonl'; COUNT FROM docs"
    assert main(["run", "--db", "data", "--safe", "-c", text]) == 5
    assert "no-access" in capsys.readouterr().err
    assert main(["run", "--db", "data", "--safe", "--allow", "folder:.", "-c", text]) == 0
    assert main(["run", "--db", "data", "--allow", "nothing", "-c", text]) == 2
    assert "--allow" in capsys.readouterr().err
    assert main(["check", str(ROOT / "LICENSE")]) == 2
    assert "no-script" in capsys.readouterr().err


def test_what_an_evaluation_asks_is_asked_as_the_session_may(tmp_path: Path) -> None:
    from qql.evaluation import evaluate

    qrels: dict[str, dict[str | int, int]] = {"q": {1: 1}}
    with qql.connect(safe=True) as db:
        db.execute(CREATE)
        db.execute("UPSERT INTO docs VALUES {id: 1, text: 'a'}")
        text = "QUERY TEXT :query MODEL 'openai/m' FROM docs LIMIT 3"
        with pytest.raises(qql.QQLRefusedError):
            evaluate(text, {"q": "a"}, qrels, db)
        own = {"mine": lambda texts: [[1.0] * 16] * len(texts)}
        found = evaluate(
            "QUERY TEXT :query MODEL 'mine' FROM docs LIMIT 3",
            {"q": "a"},
            qrels,
            db,
            embedders=own,
            measures="RR",
        )
        assert [*found.means.values()] == [{"RR": 1.0}]


@pytest.mark.parametrize("command", ["check", "lint", "explain"])
def test_what_reads_scripts_without_a_database_can_be_safe_too(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from qql.cli import main

    (tmp_path / "inner.qql").write_text("COUNT FROM docs")
    text = f"EXECUTE '{tmp_path}/inner.qql'"
    assert main([command, "-c", text]) == 0
    capsys.readouterr()
    assert main([command, "--safe", "-c", text]) == 5
    assert "error[no-access]" in capsys.readouterr().err
    assert main([command, "--safe", "--allow", f"folder:{tmp_path}", "-c", text]) == 0
    assert main([command, "--allow", f"folder:{tmp_path}", "-c", text]) == 2
    assert "--allow goes with --safe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("COPY docs FROM :given", "/etc/hosts"),
        ("DUMP docs TO :given", "dump.qql"),
        ("COPY (SCROLL FROM docs) TO :given", "out.jsonl"),
        ("EXECUTE :given", "other.qql"),
        ("RESTORE SNAPSHOT :given ON docs", "/etc/passwd"),
        ("QUERY TEXT 'a' MODEL :given FROM docs", "http://evil.example/v1#m"),
        ("QUERY 'a' FROM docs RERANK MODEL :given", "openai/m"),
    ],
)
def test_what_a_parameter_names_is_refused_too(safe: qql.Session, text: str, value: str) -> None:
    for carry_out in (safe.execute, safe.run, lambda *given: safe.prepare(given[0]).execute(given[1])):
        with pytest.raises(qql.QQLRefusedError) as found:
            carry_out(text, {"given": value})
        assert found.value.code == "no-access"


def test_the_home_of_nobody_is_refused_as_any_other(safe: qql.Session) -> None:
    refusal(safe, "COPY docs FROM '~nobody-of-this-name/rows.jsonl'")


def test_a_model_that_the_caller_gives_as_a_parameter_is_the_callers() -> None:
    with qql.connect() as db:
        db.execute(STORED)
        with pytest.raises(qql.QQLModelError):  # it is called, and nobody answers
            db.execute("QUERY TEXT 'a' MODEL :m FROM docs", {"m": "http://127.0.0.1:9/v1#other"})
