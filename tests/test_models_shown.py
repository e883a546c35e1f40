"""SHOW MODELS: what a session can embed and rerank with, and what of it is on this machine."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.models.models_here import models_here

PARTS = {"model", "kind", "dimensions", "gb", "runs", "licence"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTEMBED_CACHE_PATH", str(tmp_path))
    return tmp_path


def shown(db: qql.Session) -> dict[str, Any]:
    result = db.execute("SHOW MODELS")
    assert result.kind == "rows" and all({*row} == PARTS for row in result.rows)
    rows = {row["model"]: row for row in result.rows}
    assert len(rows) == len(result.rows), "each model once"
    return rows


def test_built_in_models_need_nothing(cache: Path) -> None:
    with qql.connect(":memory:") as db:
        rows = shown(db)
    kinds = {name: (row["kind"], row["gb"]) for name, row in rows.items() if row["runs"] == "built in"}
    assert kinds == {
        "local/hash-N": ("dense", None),
        "qdrant/bm25": ("sparse", None),
        "local/overlap": ("rerank", None),
    }


def test_models_of_fastembed_have_their_kind_size_and_licence(cache: Path) -> None:
    pytest.importorskip("fastembed")
    with qql.connect(":memory:") as db:
        rows = shown(db)
    small = rows["BAAI/bge-small-en-v1.5"]
    assert (small["kind"], small["dimensions"], small["licence"]) == ("dense", 384, "mit")
    assert 0.01 < small["gb"] < 1
    assert rows["colbert-ir/colbertv2.0"]["kind"] == "multi"
    assert rows["prithivida/Splade_PP_en_v1"]["kind"] == "sparse"
    assert rows["Xenova/ms-marco-MiniLM-L-6-v2"]["kind"] == "rerank"
    assert {row["runs"] for row in rows.values()} == {"built in", "after a download"}


def test_a_model_is_kept_where_its_files_are_and_not_where_a_download_was_broken_off(cache: Path) -> None:
    pytest.importorskip("fastembed")
    whole = cache / "models--Xenova--ms-marco-MiniLM-L-6-v2" / "snapshots" / "1" / "onnx"
    whole.mkdir(parents=True)
    (whole / "model.onnx").write_bytes(b"x")
    (cache / "models--Qdrant--Splade_PP_en_v1" / "snapshots" / "1").mkdir(parents=True)
    with qql.connect(":memory:") as db:
        rows = shown(db)
    assert [name for name, row in rows.items() if row["runs"] == "kept"] == ["Xenova/ms-marco-MiniLM-L-6-v2"]


def test_models_of_the_application_are_listed_and_not_called(cache: Path) -> None:
    def called(*_: object) -> Any:
        raise AssertionError("it was called")

    class Sized:
        model, kind, size = "sized", "dense", 7
        embed = called

    given: dict[str, Any] = {"mine": called, "sized": Sized()}
    with qql.connect(":memory:", embedders=given, rerankers={"order": called}) as db:
        rows = shown(db)
    own = {name: (r["kind"], r["dimensions"]) for name, r in rows.items() if r["runs"] == "given to connect"}
    assert own == {"mine": (None, None), "sized": ("dense", 7), "order": ("rerank", None)}


def test_without_fastembed_a_warning_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    with qql.connect(":memory:") as db:
        result = db.execute("SHOW MODELS")
    assert len(result.rows) == 3
    [warning] = result.warnings
    assert (warning.code, warning.hint) == ("no-models", 'pip install "qql-lang[fastembed]"')


def test_an_event_loop_lists_the_same(cache: Path) -> None:
    async def listed() -> list[Any]:
        async with qql.connect_async(":memory:") as db:
            return (await db.execute("SHOW MODELS")).rows

    with qql.connect(":memory:") as db:
        assert asyncio.run(listed()) == db.execute("SHOW MODELS").rows
        rows, _ = models_here(db.embedders, db.rerankers)
        assert rows == db.execute("SHOW MODELS").rows


def test_a_collection_may_be_called_models() -> None:
    assert qql.format("COUNT FROM models").strip() == "COUNT FROM models;"
    assert qql.format("show models").strip() == "SHOW MODELS;"
