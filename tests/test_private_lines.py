"""What the history of the prompt keeps, and what it does not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from qql.cli.private_lines import holds_secret
from qql.cli.prompt.history import is_kept, open_history

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJhY2Nlc3MiOiJtIn0.Qm9ndXNTaWduYXR1cmU"


@pytest.mark.parametrize(
    "line",
    [
        r"\set key abc",
        r"\set :apiKey abc",
        r"  \set PASSWORD abc;",
        r"\param token abc",
        "COUNT FROM docs;\n\\set key abc",
        r"\set anything Zm9vYmFyYmF6cXV4MTIz",
        "QUERY 'a' FROM docs USING v MODEL 'openai/x' OPTIONS {'openai-api-key': 'abc'};",
        "QUERY 'a' FROM docs OPTIONS {openai_api_key: 'abc'};",
        "CREATE COLLECTION c (v VECTOR(2)) WITH METADATA (cohere_api_key = 'abc');",
        "RESTORE SNAPSHOT 'https://host/a#access_token=abc' ON docs;",
        "RESTORE SNAPSHOT 'https://host/a;sig=abc' ON docs;",
        "RESTORE SNAPSHOT 's3://user:abc@bucket/a' ON docs;",
        r"\! qql --url https://host --api-key abc -c 'COUNT FROM docs'",
        r"\! QDRANT_API_KEY=abc qql",
        r"\! curl -H 'Authorization: Basic YWJj' host",
        "UPSERT INTO users VALUES {id: 1, password: 'abc'};",
        "UPSERT INTO users VALUES {id: 1, \"client_secret\": 'abc'};",
        "COUNT FROM docs WHERE a = 'sk-proj-Ab3dEf6hIj9lMn2pQr';",
        "COUNT FROM docs WHERE a = 'ghp_0123456789abcdefghijABCD';",
        f"COUNT FROM docs WHERE a = '{JWT}';",
        "COUNT FROM docs WHERE a = 'AKIAIOSFODNN7EXAMPLE';",
        "COUNT FROM docs WHERE a = '-----BEGIN RSA PRIVATE KEY-----';",
        "COUNT FROM docs WHERE a = 'the key that is known';",
    ],
)
def test_a_line_with_a_secret_is_told(line: str) -> None:
    assert holds_secret(line, ["the key that is known"])
    assert not is_kept(line, ["the key that is known"])


@pytest.mark.parametrize(
    "line",
    [
        "QUERY 'how do I reset my password' FROM docs LIMIT 5;",
        "QUERY 'the secret of the bearer' FROM docs USING v;",
        "COUNT FROM docs WHERE tokens = 512 AND keyboard = 'qwerty';",
        "SCROLL FROM docs ORDER BY sort_key LIMIT 3; -- keys come later",
        "UPSERT INTO docs VALUES {id: '0b9f7e1c-1111-4222-8333-444455556666', v: [0.1, 0.2]};",
        "CREATE INDEX ON docs FOR key TYPE keyword;",
        "COPY docs FROM 'https://host/a.jsonl?page=2';",
        "QUERY 'risk-averse people' FROM docs;",
        r"\set city Springfield",
    ],
)
def test_any_other_line_is_kept(line: str) -> None:
    assert is_kept(line, ["the key that is known", "how"])


def test_what_begins_with_a_space_is_not_stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QQL_HISTORY", str(tmp_path / "history"))
    history, warning = open_history()
    for line in ("ONE;", " TWO;", "\tTHREE;", "FOUR\n  FIVE;"):
        history.append_string(line)
    assert warning is None
    assert history.get_strings() == ["ONE;", "FOUR\n  FIVE;"]
    assert [*open_history()[0].load_history_strings()] == ["FOUR\n  FIVE;", "ONE;"]
    assert stat.S_IMODE((tmp_path / "history").stat().st_mode) == 0o600


def test_half_a_character_does_not_stop_the_prompt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QQL_HISTORY", str(tmp_path / "history"))
    history, _ = open_history()
    history.append_string("COUNT \udce9;")
    history.append_string("COUNT;")
    assert history.get_strings() == ["COUNT \udce9;", "COUNT;"]
    assert "COUNT;" in [*open_history()[0].load_history_strings()]


def test_a_new_history_is_closed_to_others_whatever_the_umask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QQL_HISTORY", str(tmp_path / "history"))
    before = os.umask(0)
    try:
        open_history()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "history").stat().st_mode) == 0o600
