"""`--embedder` and `--reranker`: functions of modules in the current directory, as models of a command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from terminals import prompt

from qql.cli import main
from qql.cli.commands import COMMANDS
from qql.cli.commands.options import FUNCTIONS, PROFILE, TARGET

Run = Callable[..., tuple[int, str, str]]

MODULE = '''
"""What a user has in a file."""
print("loading")
import math
from pathlib import Path

def embed(texts):
    return [[float(text.count(letter)) + 0.1 for letter in "aei"] for text in texts]

def sparse(texts):
    return [{"indices": [len(text)], "values": [1.0]} for text in texts]

def score(query, texts):
    return [float(len(text)) for text in texts]

def fewer(texts):
    return [[1.0, 2.0, 3.0]][: len(texts) - 1]

def nan(texts):
    return [[math.nan, 1.0, 2.0] for _ in texts]

def two(texts):
    return [[1.0, 2.0] for _ in texts]

def nothing(texts):
    return None

def fails(texts):
    return {}["key"]

def leaves(texts):
    raise SystemExit(7)

def few_scores(query, texts):
    return []

def nan_scores(query, texts):
    return [math.nan for _ in texts]

async def waits(texts):
    return []

class Model:
    model, kind, size = "own", "dense", 3
    def embed(self, texts, purpose):
        return embed(texts)

thing = Model()
number = 3
'''
SCRIPT = """
CREATE COLLECTION docs (dense VECTOR(3, COSINE), words SPARSE);
UPSERT INTO docs VALUES {id: 1, text: 'a bee'}, {id: 2, text: 'i, a fig'};
QUERY 'bee' FROM docs USING dense LIMIT 2 WITH PAYLOAD false;
"""
RERANKED = SCRIPT.replace("WITH PAYLOAD false", "RERANK TOP 1")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    for name in ("QDRANT_URL", "QQL_DB", "QQL_RERANK_MODEL", "QQL_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("own_words.py").write_text(MODULE, encoding="utf-8")
    before = {*sys.modules}

    def call(*argv: str) -> tuple[int, str, str]:
        code = main(list(argv))
        return code, *capsys.readouterr()

    yield call
    for name in {*sys.modules} - before:
        del sys.modules[name]


def test_a_function_is_the_model_of_vectors_that_have_none(run: Run) -> None:
    code, out, err = run("--embedder", "own_words:embed", "-c", SCRIPT)
    assert code == 0 and [json.loads(line)["id"] for line in out.splitlines()] == [1, 2], err


def test_it_is_said_once_that_code_runs_and_nothing_but_results_is_on_standard_output(run: Run) -> None:
    given = ("--embedder", "own_words:embed", "--embedder", "b=own_words:embed", "-c", RERANKED)
    code, out, err = run(*given, "--reranker", "own_words:score")
    hits = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [hit["second_stage_score"] for hit in hits] == [len("i, a fig")]
    assert err.count("note: --embedder own_words:embed runs the code of ") == 1
    assert err.count("note: --reranker own_words:score runs the code of ") == 1


def test_quiet_says_nothing_of_it(run: Run) -> None:
    _, _, err = run("-q", "--embedder", "own_words:embed", "-c", SCRIPT)
    assert "runs the code" not in err


def test_several_functions_have_the_names_that_they_are_given(run: Run) -> None:
    given = ("--embedder", "mine=own_words:embed", "--embedder", "spare=own_words:sparse", "--reranker")
    script = SCRIPT.replace("COSINE)", "COSINE) MODEL 'mine'").replace("SPARSE", "SPARSE MODEL 'spare'")
    asked = "QUERY 'abcde' FROM docs USING words LIMIT 1 RERANK MODEL 'long' TOP 1;"
    code, out, err = run(*given, "long=own_words:score", "-c", f"{script}{asked}", "--format", "jsonl")
    last = json.loads(out.splitlines()[-1])
    assert (code, last["id"], last["first_stage_score"], last["score"]) == (0, 1, 1.0, 5.0), err


def test_a_name_that_a_collection_records_can_be_given_to_a_function(run: Run) -> None:
    script = SCRIPT.replace("COSINE)", "COSINE) MODEL 'acme/best-3'")
    assert run("-q", "-c", script)[0] != 0
    code, out, _ = run("--embedder", "acme/best-3=own_words:embed", "-c", script)
    assert code == 0 and out.count('"id"') == 2


def test_an_object_with_the_methods_of_a_model_is_one(run: Run) -> None:
    code, out, _ = run("--embedder", "own_words:thing", "-c", SCRIPT)
    assert code == 0 and out.count('"id"') == 2


def test_what_was_not_called_is_told(run: Run) -> None:
    code, _, err = run("--embedder", "own_words:embed", "--reranker", "own_words:score", "-c", SCRIPT)
    assert code == 0 and "--reranker own_words:score was not called" in " ".join(err.split())
    assert "own_words:embed was not called" not in " ".join(err.split())


@pytest.mark.parametrize(
    ("option", "written", "code", "says"),
    [
        ("--embedder", "own_word:embed", "unknown-module", "did you mean `own_words`?"),
        ("--embedder", "no.such:embed", "unknown-module", "the current directory"),
        ("--embedder", "own_words:embde", "unknown-function", "did you mean `embed`?"),
        ("--embedder", "own_words:Model.emed", "unknown-function", "did you mean `embed`?"),
        ("--embedder", "own_words:number", "no-function", "of type int"),
        ("--reranker", "own_words:Model", "no-function", "the class Model"),
        ("--embedder", "own_words:waits", "async-model", "asyncio.run"),
        ("--embedder", "raises:x", "module-failed", "ValueError: at load"),
        ("--embedder", "lacks:x", "module-failed", "No module named 'not_there_at_all'"),
        ("--embedder", "ends:x", "module-failed", "SystemExit: 4"),
        ("--embedder", "faulty:x", "module-failed", "faulty.py, line 2"),
        ("--embedder", "own_words", "usage", "requires [NAME=]MODULE:FUNCTION"),
        ("--embedder", "own_words.py:embed.", "usage", "requires [NAME=]MODULE:FUNCTION"),
        ("--reranker", "=own_words:score", "usage", "requires [NAME=]MODULE:FUNCTION"),
    ],
)
def test_what_is_no_function_is_told_before_anything_is_done(
    run: Run, option: str, written: str, code: str, says: str
) -> None:
    Path("raises.py").write_text("raise ValueError('at load')")
    Path("lacks.py").write_text("import not_there_at_all")
    Path("ends.py").write_text("import sys; sys.exit(4)")
    Path("faulty.py").write_text("\ndef x(:")
    status, out, err = run("--db", "new", "-c", SCRIPT, option, written)
    told = " ".join(err.split())
    assert (status, out) == (2, "") and f"error[{code}]" in told and says in told, err
    assert "Traceback" not in err and not Path("new").exists()


def test_a_second_function_without_a_name_is_refused(run: Run) -> None:
    two = ("--embedder", "own_words:embed", "--embedder", "own_words:sparse")
    code, _, err = run(*two, "-c", SCRIPT)
    assert code == 2 and "NAME=own_words:sparse gives it one" in " ".join(err.split())


@pytest.mark.parametrize(
    ("written", "code", "says"),
    [
        ("fewer", "model-answer", "gave 1 vector for 2 texts"),
        ("nan", "model-answer", "NaN or an infinity"),
        ("two", "wrong-dimension", "3 dimensions"),
        ("nothing", "model-failed", "TypeError"),
        ("fails", "model-failed", "own_words.py, line"),
        ("leaves", "model-failed", "SystemExit: 7"),
        ("thing.embed", "model-failed", "purpose"),
    ],
)
def test_what_an_embedder_gives_is_checked(run: Run, written: str, code: str, says: str) -> None:
    status, _, err = run("--embedder", f"own_words:{written}", "-c", SCRIPT)
    told = " ".join(err.split())
    assert status == 1 and f"error[{code}]" in told and says in told and "Traceback" not in told


@pytest.mark.parametrize(("written", "says"), [("few_scores", "0 scores for 2 texts"), ("nan_scores", "nan")])
def test_what_a_reranker_gives_is_checked(run: Run, written: str, says: str) -> None:
    models = ("--embedder", "own_words:embed", "--reranker", f"own_words:{written}")
    status, _, err = run(*models, "-c", RERANKED)
    assert status == 1 and "error[model-answer]" in err and says in " ".join(err.split())


def test_no_text_and_no_profile_has_a_module_loaded(run: Run) -> None:
    script = SCRIPT.replace("COSINE)", "COSINE) MODEL 'own_words:embed'")
    code, _, err = run("-c", script)
    assert code != 0 and "own_words" not in sys.modules and "loading" not in err
    assert not {*FUNCTIONS} & {*PROFILE}


def test_every_command_that_makes_vectors_or_reranks_takes_them() -> None:
    models = {
        name for name, one in COMMANDS.items() if "model" in one.options and {*TARGET} <= {*one.options}
    }
    assert {"run", "query", "eval", "record", "tune", "bench", "diff", "restore"} <= models
    takes = {name for name, one in COMMANDS.items() if {*FUNCTIONS} <= {*one.options}}
    assert takes == models - {"explain", "lint"}


def test_the_search_of_one_text_has_them(run: Run) -> None:
    assert run("-q", "--db", "data", "--embedder", "own_words:embed", "-c", SCRIPT)[0] == 0
    given = ("bee", "--from", "docs", "--db", "data", "--using", "dense", "--embedder", "own_words:embed")
    code, out, err = run("query", *given, "--reranker", "own_words:score", "--top-k", "1")
    assert code == 0 and "8" in out, err
    code, _, err = run("query", *given, "--reranker", "own_words:score", "--no-rerank")
    assert code == 2 and "--no-rerank and --reranker exclude each other" in err


def test_python_can_be_told_not_to_look_in_the_current_directory(tmp_path: Path) -> None:
    (tmp_path / "own_words.py").write_text(MODULE, encoding="utf-8")
    command = [sys.executable, "-m", "qql", "-c", "SHOW COLLECTIONS", "--embedder", "own_words:embed"]
    for safe, code in (("", 0), ("1", 2)):
        env = {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": safe}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr


@pytest.mark.slow
def test_at_the_prompt_too_where_the_engine_has_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "own_words.py").write_text(MODULE, encoding="utf-8")
    options = ("--embedder", "own_words:embed", "--reranker", "own_words:score")
    with prompt(tmp_path, *options) as shell:
        shell.shows(":memory:>")
        shell.type("CREATE COLLECTION docs (dense VECTOR(3, COSINE));\r")
        shell.shows("created collection docs")
        shell.type("UPSERT INTO docs VALUES {id: 1, text: 'a bee'}, {id: 2, text: 'i, a fig'};\r")
        shell.shows("upserted 2 points")
        shell.type("QUERY 'bee' FROM docs USING dense LIMIT 2 RERANK TOP 1;\r")
        assert "8.0" in shell.shows("(1 row")
