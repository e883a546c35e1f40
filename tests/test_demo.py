"""The sample collection, and what the prompt says to somebody who is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import qql
from qql.cli.demo import COLLECTION, EXAMPLES, load_demo
from qql.cli.greeting import greeting, is_first_start


@pytest.fixture
def db() -> Any:
    with qql.connect(":memory:") as session:
        yield session


def test_the_sample_has_two_vectors_with_models_three_indexes_and_thirty_points(db: Any) -> None:
    load_demo(db)
    schema = db.schema(COLLECTION)
    assert {name: one.model for name, one in schema.vectors.items()} == {
        "dense": "local/hash-256",
        "sparse": "qdrant/bm25",
    }
    assert set(db.facts(COLLECTION).indexes) == {"topic", "year", "minutes"}
    assert db.execute(f"COUNT FROM {COLLECTION}").scalar() == 30


def test_each_of_the_five_statements_gives_something(db: Any) -> None:
    shown = load_demo(db)
    assert shown == EXAMPLES
    results = db.run(shown)
    assert [one.kind for one in results] == ["hits", "hits", "rows", "hits", "text"]
    assert [len(one) for one in results[:4]] == [3, 5, 6, 5]
    assert [hit.payload["topic"] for hit in results[0].hits] == ["health"] * 3
    assert results[1].hits[0].payload["title"] == "Bird migration"


def test_a_collection_of_that_name_is_left_as_it_is(db: Any) -> None:
    db.run("CREATE COLLECTION demo (small VECTOR(2, DOT))")
    db.run("UPSERT INTO demo VALUES {id: 1, vector: {small: [1, 0]}};")
    with pytest.raises(qql.QQLError, match="there is a collection demo already") as caught:
        load_demo(db)
    assert caught.value.code == "collection-exists"
    assert "DROP COLLECTION demo" in (caught.value.hint or "")
    assert db.execute("COUNT FROM demo").scalar() == 1


@pytest.mark.parametrize("fault", [qql.QQLExecutionError("no room"), KeyboardInterrupt()])
def test_a_sample_that_could_not_be_filled_is_dropped(
    db: Any, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    whole = db.carry_out

    def fails(compiled: Any, **settings: Any) -> Any:
        if compiled.text.startswith("UPSERT"):
            raise fault
        return whole(compiled, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(db, "carry_out", fails)
        with pytest.raises(type(fault)):
            load_demo(db)
    assert db.collections() == []


def test_the_greeting_is_five_lines_that_fit_and_its_statements_run(db: Any) -> None:
    lines = greeting()
    assert len(lines) == 5
    assert max(map(len, lines)) < 80
    load_demo(db)
    results = db.run("\n".join(line for line in lines if line.startswith("  ")))
    assert all(len(one) for one in results)
    assert len(results) == 3


def test_a_first_start_is_one_without_a_history_file(tmp_path: Path) -> None:
    history = tmp_path / "history"
    assert is_first_start(history)
    history.write_text("")
    assert not is_first_start(history)
    assert not is_first_start(None)
