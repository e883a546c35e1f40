"""``\\n``, ``\\ns``, ``\\nd``: statements that are saved under names."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from test_backslash import Prompt, docs, prompt  # noqa: F401

from qql.cli.prompt.completion.core import suggestions
from qql.cli.prompt.completion.schema import KnownSchema


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("QQL_QUERIES", str(tmp_path / "saved"))
    return tmp_path / "saved"


def test_a_statement_is_saved_listed_run_and_forgotten(docs: Prompt, folder: Path) -> None:  # noqa: F811
    assert r"nothing is saved; `\ns NAME` saves the last statement" in docs(r"\n")
    docs("COUNT FROM docs;")
    assert docs(r"\ns all") == "saved as all\n"
    docs(r"\ns nearest QUERY ? FROM docs USING dense LIMIT ?")
    file = folder / "nearest.qql"
    assert file.read_text() == "QUERY ? FROM docs USING dense LIMIT ?;"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert docs.rows(r"\n") == [
        {"name": "all", "statement": "COUNT FROM docs;"},
        {"name": "nearest", "statement": "QUERY ? FROM docs USING dense LIMIT ?;"},
    ]
    assert "(2 rows" in docs(r"\n nearest '[1, 0]' 2")
    assert docs.shell.params == {}
    assert "COUNT FROM docs;" in docs(r"\n all")
    assert docs.shell.typed == "COUNT FROM docs;", "what ran is the last statement"
    docs(r"\nd all")
    assert [row["name"] for row in docs.rows(r"\n")] == ["nearest"]


def test_saving_again_takes_the_place(docs: Prompt, folder: Path) -> None:  # noqa: F811
    docs(r"\ns one COUNT FROM docs", r"\ns one COUNT FROM docs WHERE id = 1")
    assert (folder / "one.qql").read_text() == "COUNT FROM docs WHERE id = 1;"


def test_parameters_that_are_set_are_those_of_a_saved_statement(docs: Prompt) -> None:  # noqa: F811
    docs(r"\ns one COUNT FROM docs WHERE id = :id", r"\set id 1")
    assert docs.rows(r"\n one")[-1] == {"count": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (r"\n none", "nothing is saved as none"),
        (r"\nd none", "nothing is saved as none"),
        (r"\ns", r"\ns requires a name and a statement"),
        (r"\ns one", r"\ns requires a name and a statement"),
        (r"\ns ../one COUNT FROM docs", "'../one' is no name of a saved statement"),
        (r"\ns one COUNT FRM docs", "did you mean"),
        (r"\n 'one", "No closing quotation"),
        (r"\ns one COUNT FROM docs WHERE api_key = 'abcdefgh12345678'", "what may hold a key"),
    ],
)
def test_what_cannot_be_done_is_said(prompt: Prompt, folder: Path, line: str, said: str) -> None:  # noqa: F811
    assert said in prompt.error(line)
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_to_is_said(prompt: Prompt, folder: Path) -> None:  # noqa: F811
    folder.write_text("a file")
    assert "cannot save one:" in prompt.error(r"\ns one COUNT FROM docs")


def test_names_are_completed(docs: Prompt) -> None:  # noqa: F811
    docs(r"\ns nearest COUNT FROM docs", r"\ns all COUNT FROM docs")
    for text in (r"\n ", r"\nd "):
        assert [one.text for one in suggestions(text, len(text), KnownSchema())] == ["all", "nearest"]
    assert [one.text for one in suggestions(r"\n ne", 5, KnownSchema())] == ["nearest"]
