"""Models of collections: the default of HYBRID, short names, what cannot run, what has no effect."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_onnx

import qql
from qql.backends.edge import EdgeBackend
from qql.backends.recording import RecordingBackend
from qql.cli import main
from qql.compiler.model_names import DEFAULT_DENSE, MODELS, full_name, known_size
from qql.models.embedders import Embedders
from qql.models.rerankers.names import full_reranker_name

HYBRID = "CREATE COLLECTION docs HYBRID"
CHOSEN = "CREATE COLLECTION docs (dense VECTOR MODEL 'bge-small-en-v1.5')"


@pytest.fixture
def without_fastembed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)


def created(text: str, **options: Any) -> tuple[int, str]:
    """Size and model of the vector `dense` of the collection that a text makes."""
    [request] = qql.compile(text, **options)
    assert request.body is not None
    return request.body["vectors"]["dense"]["size"], request.body["metadata"]["qql"]["models"]["dense"]


# ------------------------------------------------------------------------------------ the default of HYBRID


def test_hybrid_has_a_default_model_that_can_be_changed() -> None:
    assert created(HYBRID) == (384, DEFAULT_DENSE)
    assert created(HYBRID, models={"dense": "local/hash-64"}) == (64, "local/hash-64")
    assert created(HYBRID, models={"*": "bge-base"}) == (768, "BAAI/bge-base-en-v1.5")
    assert created(HYBRID, default_model="local/hash-8") == (8, "local/hash-8")
    assert created(f"{HYBRID} DENSE MODEL 'local/hash-32'") == (32, "local/hash-32")
    assert created(qql.format(HYBRID)) == created(HYBRID)


def test_a_bare_vector_by_itself_still_needs_a_size() -> None:
    with pytest.raises(qql.QQLPlanError, match="`dense` needs a size"):
        qql.compile("CREATE COLLECTION docs (dense VECTOR)")


def test_the_default_is_named_and_warned_of_where_it_cannot_run(without_fastembed: None) -> None:
    with qql.connect() as db:
        result = db.execute(HYBRID)
        assert result.message == f"created collection docs (dense by {DEFAULT_DENSE}, 384 dimensions)"
        [warning] = result.warnings
        assert warning.code == "default-model" and "`fastembed` is not installed" in warning.message
        assert "pip install fastembed" in str(warning.hint) and "--model dense=name" in str(warning.hint)
        with pytest.raises(qql.QQLModelError, match="not installed"):
            db.execute("UPSERT INTO docs VALUES {id: 1, text: 'a'}")


def test_the_environment_changes_the_default_on_the_command_line_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QQL_MODEL", "local/hash-16")
    script = f"{HYBRID}; SHOW COLLECTION docs"
    assert main(["-q", "-c", script, "--format", "jsonl"]) == 0
    assert "16 × Cosine" in capsys.readouterr().out
    assert main(["compile", "-c", HYBRID]) == 0
    assert json.loads(capsys.readouterr().out)[0]["body"]["vectors"]["dense"]["size"] == 16
    assert main(["-q", "-c", script, "--format", "jsonl", "--model", "local/hash-24"]) == 0
    assert "24 × Cosine" in capsys.readouterr().out
    assert created(HYBRID) == (384, DEFAULT_DENSE)


# ------------------------------------------------------------------------------------ short names


@pytest.mark.parametrize(
    ("short", "whole", "size"),
    [
        ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", 384),
        ("ALL-MINILM-L6-V2", "sentence-transformers/all-MiniLM-L6-v2", 384),
        ("nomic-embed-text", "nomic-ai/nomic-embed-text-v1.5", 768),
        ("nomic-embed-text-v1", "nomic-ai/nomic-embed-text-v1", 768),
        ("bge-small-en-v1.5", "BAAI/bge-small-en-v1.5", 384),
        ("bge-m3", "BAAI/bge-m3", 1024),
        ("mxbai-embed-large", "mixedbread-ai/mxbai-embed-large-v1", 1024),
        ("text-embedding-3-small", "openai/text-embedding-3-small", 1536),
        ("bm25", "qdrant/bm25", None),
        ("mine", "mine", None),
    ],
)
def test_well_known_models_have_short_names(short: str, whole: str, size: int | None) -> None:
    assert (full_name(short), known_size(short), known_size(f"fastembed:{short}")) == (whole, size, size)


def test_each_name_is_found_again_by_its_end() -> None:
    for name in MODELS:
        assert MODELS[full_name(name.rpartition("/")[2]).lower()] == MODELS[name], name


def test_short_names_stand_wherever_a_model_is_named() -> None:
    assert created(CHOSEN) == (384, "BAAI/bge-small-en-v1.5")
    [query] = qql.compile("QUERY 'x' MODEL 'bge-m3' FROM docs USING dense")
    [upsert] = qql.compile("UPSERT INTO docs VALUES {id: 1, text: 'x'} USING DENSE MODEL 'nomic-embed-text'")
    [search] = qql.compile("QUERY 'x' FROM docs USING dense", models={"dense": "all-minilm-l6-v2"})
    sent = [json.dumps(request.body) for request in (query, upsert, search)]
    names = ("BAAI/bge-m3", "nomic-ai/nomic-embed-text-v1.5", DEFAULT_DENSE)
    assert [name in body for name, body in zip(names, sent, strict=True)] == [True] * 3
    assert full_reranker_name("ms-marco-MiniLM-L-6-v2") == "Xenova/ms-marco-MiniLM-L-6-v2"


def test_a_function_may_be_called_like_a_well_known_model() -> None:
    function = lambda texts: [[1.0] * 384 for _ in texts]  # noqa: E731
    for name in ("all-MiniLM-L6-v2", DEFAULT_DENSE):
        with qql.connect(embedders={name: function}) as db:
            db.run(HYBRID + "; UPSERT INTO docs VALUES {id: 1, text: 'a'}")
            [hit] = db.execute("QUERY 'b' MODEL 'all-MiniLM-L6-v2' FROM docs USING dense")
            assert hit.id == 1


# ------------------------------------------------------------------------------------ models that cannot run


def test_a_chosen_model_that_cannot_run_is_an_error_before_anything_is_made(without_fastembed: None) -> None:
    with qql.connect() as db:
        for text in (CHOSEN, "CREATE COLLECTION docs (dense VECTOR(384, COSINE) MODEL 'bge-small-en-v1.5')"):
            with pytest.raises(qql.QQLModelError) as caught:
                db.execute(text)
            assert caught.value.code == "model-package-missing"
            assert caught.value.column == text.index("'") + 1
        assert db.collections() == []
        db.run("CREATE COLLECTION docs (words SPARSE MODEL 'qdrant/bm25')")
        with pytest.raises(qql.QQLModelError):
            db.execute("ALTER COLLECTION docs ADD dense VECTOR MODEL 'bge-small-en-v1.5'")
        assert "exists" in db.execute(CHOSEN.replace("COLLECTION", "COLLECTION IF NOT EXISTS")).message
    with qql.connect(models={"dense": "bge-m3"}) as db, pytest.raises(qql.QQLModelError):
        db.execute(HYBRID)


def test_a_model_that_the_server_infers_need_not_run_here(without_fastembed: None) -> None:
    for text in (CHOSEN, HYBRID):
        with qql.connect(RecordingBackend(EdgeBackend(None), infers=True)) as db:
            assert db.execute(text).warnings == ()


# ------------------------------------------------------------------------------------ models without effect


def test_a_configured_model_that_the_collections_own_overrides_is_told_once() -> None:
    with qql.connect(models={"dense": "local/hash-32", "other": "local/hash-8"}) as db:
        db.run("CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-16')")
        [warning] = db.execute("UPSERT INTO docs VALUES {id: 1, text: 'a'}").warnings
        assert warning.code == "model-overridden"
        assert "`local/hash-32`" in warning.message and "`local/hash-16`" in warning.message
        assert db.execute("QUERY 'a' FROM docs USING dense").warnings == ()


@pytest.mark.parametrize(
    ("models", "warned"),
    [
        ({"*": "local/hash-32"}, True),
        ({"*": "local/hash-16"}, False),
        ({"dense": "LOCAL/hash-16"}, False),
        ({"fine": "local/hash-8"}, False),
    ],
)
def test_a_model_that_has_an_effect_is_not_warned_of(models: dict[str, str], warned: bool) -> None:
    with qql.connect(models=models, advice=False) as db:
        db.run("CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-16')")
        result = db.execute("QUERY 'a' FROM docs USING dense")
        assert [one.code for one in result.warnings] == ["model-overridden"] * warned


def test_a_default_that_one_vector_takes_is_not_warned_of() -> None:
    with qql.connect(models={"*": "local/hash-8"}, advice=False) as db:
        db.run("CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-16', plain VECTOR(8, DOT))")
        assert db.execute("QUERY 'a' FROM docs USING plain").warnings == ()


# ------------------------------------------------------------------------------------ folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for package in ("fastembed", "onnx", "onnxruntime", "tokenizers"):
        pytest.importorskip(package)
    return tiny_onnx.build(tmp_path / "tiny")


def test_a_folder_says_the_size_of_its_vectors(folder: Path) -> None:
    with qql.connect() as db:
        db.run(f"CREATE COLLECTION docs (dense VECTOR MODEL 'fastembed:{folder}')")
        schema = db.schema("docs")
        assert schema is not None and schema.vectors["dense"].size == 4
        db.run("UPSERT INTO docs VALUES {id: 1, text: 'red'}, {id: 2, text: 'sea'}")
        assert db.execute("QUERY 'blue' FROM docs USING dense LIMIT 1").ids == [2]
        with pytest.raises(qql.QQLError, match="does not exist"):
            db.run(f"CREATE COLLECTION more (dense VECTOR MODEL 'fastembed:{folder}/no')")


def test_a_folder_says_how_much_of_a_text_is_read(folder: Path) -> None:
    text = "red " * 4 + "green " * 4
    short = "red " * 4
    embedder = Embedders().get(f"fastembed:{folder}")
    whole = embedder.embed([text], "document")
    assert whole != embedder.embed([short], "document")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 4}')
    embedder = Embedders().get(f"fastembed:{folder}")
    assert embedder.embed([text], "document") == embedder.embed([short], "document")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 4000}')
    embedder = Embedders().get(f"fastembed:{folder}")
    assert embedder.embed([text], "document") == whole
