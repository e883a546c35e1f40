"""`qql doctor`: what it finds, and what it never shows."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.cli import main

Doctor = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB", "QQL_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FASTEMBED_CACHE_PATH", str(tmp_path / "models"))


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    def call(*argv: str) -> tuple[int, dict[str, Any]]:
        code = main(["doctor", *argv, "--format", "json"])
        data: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, data

    return call


def of(data: dict[str, Any], area: str, level: str = "") -> list[dict[str, Any]]:
    return [one for one in data["findings"] if one["area"] == area and level in ("", one["level"])]


def test_all_is_well_where_all_is_well(doctor: Doctor) -> None:
    code, data = doctor()
    assert (code, data["ok"]) == (0, True)
    assert not [one for one in data["findings"] if one["level"] == "fault"]
    assert of(data, "engine", "ok")
    assert data["packages"]["qdrant-edge-py"] == importlib.metadata.version("qdrant-edge-py")
    assert data["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_fault_is_an_exit_code_and_every_note_has_a_remedy(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1 << 20})())
    code, data = doctor()
    assert (code, data["ok"]) == (1, False)
    assert of(data, "disk", "fault")
    assert all(one["remedy"] for one in data["findings"] if one["level"] != "ok")


def test_a_package_that_is_missing_is_a_fault_or_a_note(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("pyarrow", "orjson", "rich"):
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    code, data = doctor()
    assert code == 1
    assert [one["says"].split()[0] for one in of(data, "packages", "fault")] == ["orjson"]
    remedies = [one["remedy"] for one in of(data, "packages", "note")]
    assert remedies == ["pip install rich", "pip install 'qql-lang[arrow]'"]


def test_an_engine_that_breaks_is_a_finding_and_no_crash(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("the disk is made of cheese")

    monkeypatch.setattr(qql, "connect", broken)
    code, data = doctor()
    assert code == 1
    assert "cheese" in of(data, "engine", "fault")[0]["says"]
    assert of(data, "disk")  # what comes behind it is looked at all the same


def test_models_that_need_no_download_are_named(doctor: Doctor, tmp_path: Path) -> None:
    assert of(doctor()[1], "models", "note")
    (tmp_path / "models" / "models--owner--some-model").mkdir(parents=True)
    _, data = doctor()
    assert any("owner/some-model" in one["says"] for one in of(data, "models", "ok"))


def test_a_database_is_opened_and_its_collections_are_counted(doctor: Doctor, tmp_path: Path) -> None:
    home = str(tmp_path / "db")
    assert of(doctor("--db", home)[1], "database", "note")
    with qql.connect(home) as db:
        db.run(
            "CREATE COLLECTION docs (v VECTOR(2, DOT)); UPSERT INTO docs VALUES {id: 1, vector: {v: [1, 0]}}"
        )
    code, data = doctor("--db", home)
    assert code == 0
    assert any("docs: 1 point; v (dense, 2 × Dot)" in one["says"] for one in of(data, "database"))


def test_a_server_that_is_not_there_is_a_fault(doctor: Doctor) -> None:
    code, data = doctor("--url", "http://127.0.0.1:1", "--retries", "0")
    assert code == 1
    assert "connection-failed" in of(data, "server", "fault")[0]["says"]


def test_a_server_tells_its_version(doctor: Doctor, fake_server: Any) -> None:
    server = fake_server("1.19.0")
    code, data = doctor("--url", server.url)
    assert code == 0
    assert "Qdrant 1.19.0" in of(data, "server", "ok")[0]["says"]


def test_no_key_is_shown(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hidden-one")
    monkeypatch.setenv("QQL_EMBEDDINGS_URL", "http://user:hidden-two@host/v1?key=hidden-three")
    argv = ("--url", "http://user:hidden-four@127.0.0.1:1/?k=hidden-five", "--api-key", "hidden-six")
    _, data = doctor(*argv, "--retries", "0")
    assert "hidden" not in json.dumps(data)
    assert "OPENAI_API_KEY is set" in of(data, "environment")[0]["says"]


def test_people_get_a_line_for_each_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FASTEMBED_CACHE_PATH")  # a long path is not cut
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert "ok     engine: qdrant-edge makes, writes, searches and opens again a database\n" in out
    assert max(map(len, out.splitlines())) <= 80
    assert err.startswith("0 faults, ")


def test_it_takes_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "x.qql"]) == 2
    assert "doctor takes no file" in capsys.readouterr().err
