"""Arguments of another kind are refused where they are given, by their name, and not taken for something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.evaluation import InputError, bench, compare, evaluate, record
from qql.evaluation.files import Scored, read_qrels, read_run, write_run

TEXT = "QUERY 'a' FROM docs LIMIT 3"
ASKS = "QUERY :query FROM docs LIMIT 3"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("read_only", "no"),
        ("advice", "no"),
        ("count", 0),
        ("grpc", "yes"),
        ("cloud_inference", 1),
        ("trace", "yes"),
        ("on_progress", 3),
        ("collection", 3),
        ("api_key", b"secret"),
        ("stages", ["QUERY 'a'"]),
        ("stages", {"near": 3}),
        ("models", {"dense": 3}),
        ("embedders", {"mine": 3}),
        ("rerankers", "mine"),
        ("rerank_model", 3),
        ("embed_url", 3),
        ("embed_key", 3),
        ("rerank_url", 3),
        ("rerank_key", 3),
        ("grpc_port", "6334"),
    ],
)
def test_connect_refuses_an_argument_of_another_kind(option: str, value: object) -> None:
    given: dict[str, Any] = {option: value}
    with pytest.raises(TypeError, match=rf"^{option} requires .*, not "):
        qql.connect("http://localhost:1", **given)


@pytest.mark.parametrize("value", [3, {"a", "b"}, "a", object()])
def test_params_are_a_mapping_or_a_sequence(value: Any) -> None:
    with pytest.raises(TypeError, match="params is a mapping or a sequence of values"):
        qql.compile("QUERY ? FROM docs", value)
    with qql.connect() as db, pytest.raises(TypeError, match="params is a mapping or a sequence"):
        db.execute("QUERY ? FROM docs", value)


@pytest.mark.parametrize(
    ("option", "call"),
    [
        ("collection", lambda: qql.compile(TEXT, collection=3)),
        ("stages", lambda: qql.explain(TEXT, stages=[3])),
        ("models", lambda: qql.lint(TEXT, models="dense")),
        ("schema", lambda: qql.compile(TEXT, schema=3)),
        ("rerank_model", lambda: qql.compile(TEXT, rerank_model=3)),
        ("default_model", lambda: qql.compile(TEXT, default_model=3)),
        ("name", lambda: qql.check(TEXT, name=3)),
        ("disabled", lambda: qql.lint(TEXT, disabled="no-limit")),
        ("text", lambda: qql.parse(3)),
        ("collection", lambda: qql.from_request({"query": [0.5]}, collection=3)),
        (
            "method",
            lambda: qql.from_request({"query": [0.5]}, method=3),
        ),
    ],
)
def test_the_compiler_refuses_an_option_of_another_kind(option: str, call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=f"^{option} requires "):
        call()


QRELS: dict[str, dict[str | int, int]] = {"q": {1: 1}}


@pytest.mark.parametrize(
    ("option", "call"),
    [
        ("stages", lambda **given: evaluate(ASKS, {"q": "a"}, QRELS, **given)),
        ("partial", lambda **given: evaluate(ASKS, {"q": "a"}, QRELS, **given)),
        ("baseline", lambda **given: evaluate(ASKS, {"q": "a"}, QRELS, **given)),
        ("doc_id", lambda **given: evaluate(ASKS, {"q": "a"}, QRELS, **given)),
        ("run_dir", lambda **given: evaluate(ASKS, {"q": "a"}, QRELS, **given)),
        ("progress", lambda **given: compare(TEXT, TEXT, **given)),
        ("doc_id", lambda **given: bench(TEXT, **given)),
        ("another", lambda **given: bench(TEXT, **given)),
        ("resume", lambda **given: record(ASKS, {"q": "a"}, None, "x.qqlrun", **given)),
    ],
)
def test_an_evaluation_refuses_an_argument_of_another_kind(option: str, call: Callable[..., object]) -> None:
    with pytest.raises(InputError, match=f"`{option}` takes ") as found:
        call(**{option: 3.5})
    assert found.value.code == "usage"


@pytest.mark.parametrize("ending", ["", ".gz", ".xz", ".bz2"])
def test_a_run_is_written_and_read_as_its_name_says(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"found.run{ending}"
    run = {"q1": [Scored("7", 0.5), Scored("8", 0.25)]}
    write_run(path, run)
    assert read_run(path) == run
    assert path.read_bytes().startswith(b"q1 Q0 7") is (not ending)


def test_judgements_may_be_compressed_in_any_of_the_ways(tmp_path: Path) -> None:
    import bz2
    import lzma

    lines = b"q1 0 7 2\nq1 0 8 1\n"
    (tmp_path / "a.qrels.xz").write_bytes(lzma.compress(lines))
    (tmp_path / "a.qrels.bz2").write_bytes(bz2.compress(lines))
    assert read_qrels(tmp_path / "a.qrels.xz") == read_qrels(tmp_path / "a.qrels.bz2")
    (tmp_path / "cut.qrels.xz").write_bytes(lzma.compress(lines)[:-9])
    with pytest.raises(InputError, match="cannot be read") as found:
        read_qrels(tmp_path / "cut.qrels.xz")
    assert found.value.code == "file-unreadable"


def test_a_run_of_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(qql.QQLExecutionError, match=r"\.zip is not written"):
        write_run(tmp_path / "found.zip", {"q1": [Scored("7", 0.5)]})
    assert not any(tmp_path.iterdir())
