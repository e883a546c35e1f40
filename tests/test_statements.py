"""Statements carried out: writes, indexes, vectors, aliases, snapshots, files; and the results they give."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from edge_helpers import python
from refusals import failure

import qql
from qql.backends.recording import RecordingBackend
from qql.errors import QQLExecutionError, QQLPlanError, QQLScriptError, QQLSyntaxError
from qql.rest.request import Request

CREATE = "CREATE COLLECTION docs (dense VECTOR(2, DOT), words SPARSE MODEL 'qdrant/bm25');"
ROWS = """
UPSERT INTO docs VALUES
  {id: 1, text: 'chest pain', year: 2023, vector: {dense: [1, 0]}},
  {id: 2, text: 'burns in children', year: 2024, vector: {dense: [0, 1]}},
  {id: 3, text: 'annual check-up', year: 2024, vector: {dense: [0.5, 0.5]}};
"""


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run(CREATE + ROWS)
        yield session


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def payload(db: qql.Session, identity: int) -> dict[str, Any] | None:
    return db.execute(f"QUERY POINTS ({identity}) FROM docs").hits[0].payload


def vectors(db: qql.Session, identity: int) -> Any:
    return db.execute(f"QUERY POINTS ({identity}) FROM docs WITH VECTOR true").hits[0].vector


# ------------------------------------------------------------------------------------ points


def test_payloads_are_added_to_replaced_and_taken_apart(db: qql.Session) -> None:
    db.execute("UPDATE docs SET PAYLOAD = {at: {city: 'Bern'}, year: 2020} WHERE id = 1")
    assert payload(db, 1) == {"text": "chest pain", "year": 2020, "at": {"city": "Bern"}}
    db.execute("UPDATE docs SET PAYLOAD = {zip: 3000} KEY at WHERE text MATCH 'chest'")
    assert payload(db, 1) == {"text": "chest pain", "year": 2020, "at": {"city": "Bern", "zip": 3000}}
    db.execute("DELETE PAYLOAD 'at.city', year FROM docs WHERE id = 1")
    assert payload(db, 1) == {"text": "chest pain", "at": {"zip": 3000}}
    db.execute("UPDATE docs SET PAYLOAD = {a: 1} OVERWRITE WHERE id IN (1, 2)")
    assert (payload(db, 1), payload(db, 2)) == ({"a": 1}, {"a": 1})
    db.execute("CLEAR PAYLOAD FROM docs WHERE year = 2024")
    assert (payload(db, 2), payload(db, 3)) == ({"a": 1}, {})


def test_vectors_are_changed_alone(db: qql.Session) -> None:
    before = vectors(db, 1)["words"]
    db.execute("UPDATE docs SET VECTOR dense = [3, 4] WHERE id = 1")
    assert vectors(db, 1) == {"dense": [3.0, 4.0], "words": before}
    db.execute("UPDATE docs SET VECTOR dense = [5, 5] WHERE id IN (2, 3)")
    assert vectors(db, 2)["dense"] == vectors(db, 3)["dense"] == [5.0, 5.0]
    db.execute(
        "UPDATE docs SET VECTOR VALUES {id: 1, vector: {dense: [1, 1]}},"
        " {id: 2, vector: {words: {indices: [7], values: [1]}}}"
    )
    assert vectors(db, 1)["dense"] == [1.0, 1.0]
    assert vectors(db, 2)["words"] == {"indices": [7], "values": [1.0]}
    db.execute("DELETE VECTOR words FROM docs WHERE id = 2")
    assert vectors(db, 2) == {"dense": [5.0, 5.0]}


def test_a_vector_is_set_from_a_text(db: qql.Session) -> None:
    db.execute("UPDATE docs SET VECTOR words = 'sprained ankle' WHERE id = 1")
    assert db.execute("QUERY 'ankle' FROM docs USING words").ids == [1]


def test_update_modes_keep_what_is_there(db: qql.Session) -> None:
    db.execute("UPSERT INTO docs VALUES {id: 1, a: 1}, {id: 9, a: 1} UPDATE MODE insert_only")
    assert (payload(db, 1), payload(db, 9)) == ({"text": "chest pain", "year": 2023}, {"a": 1})
    db.execute("UPSERT INTO docs VALUES {id: 1, a: 2}, {id: 10, a: 2} UPDATE MODE update_only")
    assert payload(db, 1) == {"a": 2}
    assert db.execute("COUNT FROM docs").rows == [{"count": 4}]
    db.execute("UPSERT INTO docs VALUES {id: 1, a: 3}, {id: 9, a: 3} UPDATE FILTER a = 1")
    assert (payload(db, 1), payload(db, 9)) == ({"a": 2}, {"a": 3})


def test_what_is_inserted_again_replaces_itself_and_is_what_copy_loads(db: qql.Session, folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"text": "rain", "year": 2024}\n', encoding="utf-8")
    for _ in range(2):
        db.execute("INSERT INTO docs VALUES {year: 2024, text: 'rain'}")
    db.execute("COPY docs FROM 'rows.jsonl'")
    assert db.execute("COUNT FROM docs WHERE text = 'rain'").rows == [{"count": 1}]
    failure(QQLPlanError, "missing-id", lambda: db.execute("UPSERT INTO docs VALUES {text: 'rain'}"))


def test_using_says_which_vector_is_made_of_which_field(db: qql.Session) -> None:
    db.execute("UPSERT INTO docs VALUES {id: 8, text: 'snow', title: 'avalanche'} USING SPARSE ON title")
    assert db.execute("QUERY 'avalanche' FROM docs USING words").ids == [8]
    assert db.execute("QUERY 'snow' FROM docs USING words").ids == []
    result = db.execute("UPSERT INTO docs VALUES {id: 9, title: 5} EMBED title INTO words")
    assert [w.code for w in result.warnings] == ["no-text", "no-vector"]  # of `words`, of `dense`
    assert vectors(db, 9) == {}


def test_a_vector_that_is_null_is_not_made(db: qql.Session) -> None:
    result = db.execute("UPSERT INTO docs VALUES {id: 8, text: 'snow', vector: {words: null}}")
    assert vectors(db, 8) == {}
    assert [w.message for w in result.warnings] == ["1 row without the vector `dense` (row 1)"]
    result = db.execute("UPSERT INTO docs VALUES {id: 8, text: 'snow', vector: {words: null, dense: null}}")
    assert (vectors(db, 8), result.warnings) == ({}, ())


def test_facets_count_values(db: qql.Session) -> None:
    db.execute("CREATE INDEX ON docs FOR year TYPE integer")
    assert db.execute("FACET year FROM docs").rows == [
        {"value": 2024, "count": 2},
        {"value": 2023, "count": 1},
    ]
    assert db.execute("FACET year FROM docs WHERE id != 2 LIMIT 5 EXACT").rows == [
        {"value": 2023, "count": 1},
        {"value": 2024, "count": 1},
    ]


def test_a_batch_of_queries_gives_rows_with_the_querys_number(db: qql.Session) -> None:
    result = db.execute(
        "BATCH { QUERY [1, 0] FROM docs USING dense LIMIT 2;"
        " QUERY 'burns' FROM docs USING words LIMIT 1 WITH PAYLOAD (year) }"
    )
    assert [(row["query"], row["id"]) for row in result] == [(1, 1), (1, 3), (2, 2)]
    assert result.rows[2]["payload"] == {"year": 2024}
    assert {tuple(row) for row in result.rows} == {("query", "id", "score", "payload")}
    assert len(result.requests) == 1


def test_a_batch_of_writes_is_carried_out_in_order(db: qql.Session) -> None:
    result = db.execute(
        """BATCH {
             UPSERT INTO docs VALUES {id: 7, text: 'frost', year: 1};
             UPDATE docs SET PAYLOAD = {year: 2} WHERE id = 7;
             DELETE FROM docs WHERE id = 1;
           }"""
    )
    assert result.message == "carried out 3 statements on docs"
    assert payload(db, 7) == {"text": "frost", "year": 2}
    assert db.execute("QUERY 'frost' FROM docs USING words").ids == [7]
    assert db.execute("COUNT FROM docs").rows == [{"count": 3}]


def test_groups_begin_behind_the_offset(db: qql.Session) -> None:
    query = "QUERY [1, 0.1] FROM docs USING dense GROUP BY year SIZE 1 LIMIT 1 OFFSET {}"
    assert [(hit.group, hit.id) for hit in db.execute(query.format(0))] == [(2023, 1)]
    assert [(hit.group, hit.id) for hit in db.execute(query.format(1))] == [(2024, 3)]


def test_insert_into_nothing_says_what_makes_a_collection(db: qql.Session) -> None:
    error = failure(
        QQLPlanError, "unknown-collection", lambda: db.execute("INSERT INTO dogs VALUES {text: 'a'}")
    )
    assert error.hint == "did you mean `docs`? CREATE COLLECTION dogs (…) makes it"


# ------------------------------------------------------------------------------------ collections


def test_presets_take_the_configured_model() -> None:
    with qql.connect(models={"*": "local/hash-16"}) as db:
        db.execute("CREATE COLLECTION notes HYBRID")
        db.execute("INSERT INTO notes VALUES {text: 'rain'}, {text: 'snow'}")
        assert len(db.execute("QUERY 'rain' FROM notes USING HYBRID LIMIT 2")) == 2
        models = {row["name"]: row["model"] for row in db.execute("SHOW COLLECTION notes")}
        assert models == {"dense": "local/hash-16", "sparse": "qdrant/bm25", "(points)": ""}


def test_a_vector_that_is_added_is_filled_searched_and_dropped(db: qql.Session) -> None:
    db.execute("ALTER COLLECTION docs WITH METADATA (owner = 'me')")
    db.execute("ALTER COLLECTION docs ADD meaning VECTOR MODEL 'local/hash-8'")
    db.execute("UPSERT INTO docs VALUES {id: 8, text: 'snow'}")
    assert set(vectors(db, 8)) == {"meaning", "words"}
    assert db.execute("QUERY 'snow' FROM docs USING meaning").ids == [8]
    metadata = db.execute("SHOW COLLECTION docs").data["config"]["metadata"]
    assert metadata == {
        "owner": "me",
        "qql": {"models": {"meaning": "local/hash-8", "words": "qdrant/bm25"}},
    }
    db.execute("ALTER COLLECTION docs DROP VECTOR meaning")
    assert set(vectors(db, 8)) == {"words"}
    metadata = db.execute("SHOW COLLECTION docs").data["config"]["metadata"]
    assert metadata["qql"] == {"models": {"words": "qdrant/bm25"}}
    failure(QQLPlanError, "unknown-vector", lambda: db.execute("QUERY 'snow' FROM docs USING meaning"))


def test_alter_changes_every_dense_vector(db: qql.Session) -> None:
    db.execute("ALTER COLLECTION docs WITH VECTOR (on_disk = true) WITH HNSW (m = 8)")
    config = db.execute("SHOW COLLECTION docs").data["config"]
    assert config["params"]["vectors"]["dense"]["on_disk"] is True
    assert config["hnsw_config"]["m"] == 8


def test_indexes_are_listed_and_forgiven(db: qql.Session) -> None:
    create = "CREATE INDEX {}ON docs FOR year TYPE integer WITH (range = true, lookup = false)"
    db.execute(create.format(""))
    result = db.execute(create.format("IF NOT EXISTS "))
    assert result.message == "year of docs is indexed already"
    assert db.execute("SHOW INDEXES ON docs").rows == [
        {"field": "year", "type": "integer", "options": "lookup = false, range = true", "points": 3}
    ]
    error = failure(QQLExecutionError, "unknown-index", lambda: db.execute("DROP INDEX ON docs FOR yaer"))
    assert error.hint == "did you mean `year`?"
    db.execute("DROP INDEX ON docs FOR year")
    assert db.execute("DROP INDEX IF EXISTS ON docs FOR year").message == "year of docs has no index"
    assert db.execute("SHOW INDEXES ON docs").rows == []


# ------------------------------------------------------------------------------------ aliases


def test_an_alias_is_made_once_and_replaced_on_purpose(db: qql.Session) -> None:
    db.run("CREATE COLLECTION more (dense VECTOR(3, DOT)); CREATE ALIAS current FOR docs")
    assert db.execute("COUNT FROM current").rows == [{"count": 3}]
    error = failure(QQLExecutionError, "alias-exists", lambda: db.execute("CREATE ALIAS current FOR more"))
    assert "stands for `docs`" in error.message
    said = db.execute("CREATE ALIAS IF NOT EXISTS current FOR more").message
    assert said == "the alias current exists already"
    assert db.execute("SHOW ALIASES").rows == [{"alias": "current", "collection": "docs"}]
    db.execute("CREATE OR REPLACE ALIAS current FOR more")
    db.execute("CREATE OR REPLACE ALIAS other FOR more")
    assert db.execute("COUNT FROM current").rows == [{"count": 0}]
    assert [row["alias"] for row in db.execute("SHOW ALIASES ON more")] == ["current", "other"]
    assert db.execute("SHOW ALIASES ON docs").rows == []


def test_the_schema_of_an_alias_follows_it(db: qql.Session) -> None:
    db.run("CREATE COLLECTION more (dense VECTOR(3, DOT)); CREATE ALIAS current FOR docs")
    db.execute("QUERY [1, 2] FROM current USING dense")
    db.execute("CREATE OR REPLACE ALIAS current FOR more")
    failure(QQLPlanError, "wrong-dimension", lambda: db.execute("QUERY [1, 2] FROM current USING dense"))


def test_a_batch_of_aliases_changes_all_or_nothing(db: qql.Session) -> None:
    db.run("CREATE COLLECTION more (v VECTOR(2, COSINE)); CREATE ALIAS current FOR docs")
    swap = "BATCH { DROP ALIAS current; CREATE ALIAS current FOR more; CREATE ALIAS last FOR docs; }"
    assert db.execute(swap).message == "made 3 changes of aliases at one stroke"
    wanted = [{"alias": "current", "collection": "more"}, {"alias": "last", "collection": "docs"}]
    assert db.execute("SHOW ALIASES").rows == wanted
    for bad, code in (("DROP ALIAS nobody", "unknown-alias"), ("CREATE ALIAS last FOR more", "alias-exists")):
        failure(
            QQLExecutionError, code, lambda bad=bad: db.execute(f"BATCH {{ DROP ALIAS current; {bad}; }}")
        )
    assert db.execute("SHOW ALIASES").rows == wanted


def test_the_schema_of_an_alias_follows_a_batch(db: qql.Session) -> None:
    db.run("CREATE COLLECTION more (other VECTOR(3, COSINE)); CREATE ALIAS current FOR docs")
    db.execute("QUERY [1, 0] FROM current LIMIT 1")
    db.execute("BATCH { DROP ALIAS current; CREATE ALIAS current FOR more; }")
    assert db.execute("QUERY [1, 0, 0] FROM current USING other LIMIT 1").hits == []


def test_a_matrix_has_the_same_rows_in_either_form(db: qql.Session) -> None:
    pairs = db.execute("MATRIX FROM docs USING dense LIMIT 1")
    offsets = db.execute("MATRIX FROM docs USING dense LIMIT 1 PARAMS (form = offsets)")
    assert offsets.data["offsets_row"] == [0, 1, 2]
    scored = [[(row["a"], row["score"]) for row in found.rows] for found in (pairs, offsets)]
    assert scored[0] == scored[1]  # which of two that are as near is named, is chance
    assert [row["a"] for row in pairs.rows] == [1, 2, 3]
    assert list(pairs.rows[0]) == ["a", "b", "score"]


def test_a_collection_exists_by_its_name_or_an_alias(db: qql.Session) -> None:
    db.execute("CREATE ALIAS current FOR docs")
    for name, there in (("docs", True), ("current", True), ("nobody", False)):
        found = db.execute(f"EXISTS COLLECTION {name}").rows
        assert found == [{"collection": name, "exists": there}]


def test_aliases_are_renamed_and_dropped(db: qql.Session) -> None:
    db.run("CREATE ALIAS a FOR docs; CREATE ALIAS b FOR docs")
    failure(QQLExecutionError, "alias-exists", lambda: db.execute("ALTER ALIAS a RENAME TO b"))
    failure(QQLExecutionError, "unknown-alias", lambda: db.execute("ALTER ALIAS x RENAME TO y"))
    assert db.execute("ALTER ALIAS a RENAME TO c").message == "renamed the alias a to c"
    db.execute("DROP ALIAS b")
    failure(QQLExecutionError, "unknown-alias", lambda: db.execute("DROP ALIAS b"))
    assert db.execute("DROP ALIAS IF EXISTS b").message == "the alias b does not exist"
    assert [row["alias"] for row in db.execute("SHOW ALIASES")] == ["c"]


def test_a_script_knows_the_aliases_that_it_makes(db: qql.Session) -> None:
    results = db.run("CREATE ALIAS a FOR docs; ALTER ALIAS a RENAME TO b; COUNT FROM b")
    assert results[2].rows == [{"count": 3}]
    results = db.run(
        "BATCH { ALTER ALIAS b RENAME TO c; CREATE ALIAS b FOR docs; }; COUNT FROM c; COUNT FROM b"
    )
    assert [one.rows for one in results[1:]] == [[{"count": 3}]] * 2
    failure(QQLPlanError, "unknown-collection", lambda: db.run("BATCH { DROP ALIAS b; }; COUNT FROM b"))
    failure(QQLPlanError, "unknown-collection", lambda: db.run("DROP ALIAS b; COUNT FROM b"))
    assert db.execute("COUNT FROM b").rows == [{"count": 3}]  # nothing was sent


# ------------------------------------------------------------------------------------ snapshots


def test_a_snapshot_brings_back_what_there_was(db: qql.Session) -> None:
    made = db.execute("CREATE SNAPSHOT ON docs")
    name = made.data["name"]
    assert made.message == f"created the snapshot {name} of docs"
    assert [row["name"] for row in db.execute("SHOW SNAPSHOTS ON docs")] == [name]
    db.execute("DELETE FROM docs WHERE year = 2024")
    results = db.run(f"RESTORE SNAPSHOT '{name}' ON docs; COUNT FROM docs")
    assert results[1].rows == [{"count": 3}]
    db.run(f"DROP COLLECTION docs; RESTORE SNAPSHOT '{name}' ON docs")
    assert db.execute("QUERY 'burns' FROM docs USING words").ids == [2]
    db.execute(f"DROP SNAPSHOT '{name}' ON docs")
    failure(QQLExecutionError, "unknown-snapshot", lambda: db.execute(f"DROP SNAPSHOT '{name}' ON docs"))
    said = db.execute(f"DROP SNAPSHOT IF EXISTS '{name}' ON docs").message
    assert said == f"docs has no snapshot {name}"


# ------------------------------------------------------------------------------------ what servers have


class Server(RecordingBackend):
    """Answers as a server does, by `Request.route`."""

    name = "server"


def served(*answers: tuple[tuple[str, str], Any]) -> tuple[qql.Session, RecordingBackend]:
    found = {
        ("GET", ""): {"config": {"params": {"vectors": {"v": {"size": 2, "distance": "Dot"}}}}},
        ("GET", "/collections"): {"collections": [{"name": "docs"}]},
        **dict(answers),
    }
    backend = Server(answers=lambda request: found.get(request.route, True))
    return qql.connect(backend), backend


def test_shard_keys_and_quotas_are_tables() -> None:
    db, _ = served(
        (("GET", "shards"), {"shard_keys": [{"key": "b"}, {"key": "a"}, {"key": 5}]}),
        (("GET", "/quotas"), {"config": {"enabled": True}, "usage": {"disk": {"percent": 7}}}),
    )
    assert db.execute("SHOW SHARD KEYS ON docs").rows == [
        {"shard_key": 5},
        {"shard_key": "a"},
        {"shard_key": "b"},
    ]
    assert db.execute("SHOW QUOTAS").rows == [
        {"quota": "enabled", "value": True},
        {"quota": "usage.disk.percent", "value": 7},
    ]
    assert db.execute("CREATE SHARD KEY 'x' ON docs").message == "created the shard key x of docs"
    assert db.execute("SET QUOTA (enabled = false)").message == "set the quota"


def test_a_server_restores_from_a_name_or_an_address_but_no_path() -> None:
    db, backend = served()
    error = failure(
        QQLExecutionError, "bad-location", lambda: db.execute("RESTORE SNAPSHOT '/b/a.snapshot' ON docs")
    )
    assert "file:///b/a.snapshot" in error.hint
    assert not any(request.method == "PUT" for request in backend.requests)
    db.execute("RESTORE SNAPSHOT 'file:///a.snapshot' ON docs")
    assert backend.requests[-1].body == {"location": "file:///a.snapshot"}


def test_a_collection_with_shard_keys_takes_several_requests() -> None:
    missing = QQLExecutionError.make("unknown-collection", "there is none")
    db, backend = served((("GET", ""), missing))
    result = db.execute(
        "CREATE COLLECTION IF NOT EXISTS fresh (v VECTOR(2, DOT))"
        " WITH PARAMS (sharding_method = custom, shard_keys = ['a', 5], read_fan_out_factor = 1)"
    )
    sent = [(request.method, request.path, request.body) for request in backend.requests[-4:]]
    assert [(method, path) for method, path, _ in sent] == [
        ("PUT", "/collections/fresh"),
        ("PATCH", "/collections/fresh"),
        ("PUT", "/collections/fresh/shards"),
        ("PUT", "/collections/fresh/shards"),
    ]
    assert [body for _, _, body in sent[1:]] == [
        {"params": {"read_fan_out_factor": 1}},
        {"shard_key": "a"},
        {"shard_key": 5},
    ]
    assert result.message == "created collection fresh"


# ------------------------------------------------------------------------------------ EXECUTE


def test_a_file_is_executed_in_its_place(db: qql.Session, folder: Path) -> None:
    (folder / "inner.qql").write_text("COUNT;\nCREATE COLLECTION more (v VECTOR(2, DOT))", encoding="utf-8")
    (folder / "outer.qql").write_text("\ufeffUSE docs;\r\nEXECUTE 'inner.qql';\r\n", encoding="utf-8")
    results = db.run("EXECUTE 'outer.qql'; COUNT FROM more; COUNT")
    assert [result.message or result.rows[0]["count"] for result in results] == [
        "using docs",
        3,
        "created collection more",
        "executed inner.qql",
        "executed outer.qql",
        0,
        3,
    ]


def test_execute_gives_one_result_for_a_file(db: qql.Session, folder: Path) -> None:
    (folder / "a.qql").write_text("COUNT FROM docs; COUNT FROM docs;", encoding="utf-8")
    assert db.execute("EXECUTE 'a.qql'").message == "executed a.qql"
    assert db.execute("EXECUTE :file", {"file": "a.qql"}).message == "executed a.qql"
    failure(QQLPlanError, "one-statement", lambda: db.execute("EXECUTE 'a.qql'; COUNT FROM docs"))


def test_a_file_takes_its_parameters_by_name(db: qql.Session, folder: Path) -> None:
    (folder / "a.qql").write_text("COUNT FROM docs WHERE year = :year", encoding="utf-8")
    assert db.run("EXECUTE :f", {"f": "a.qql", "year": 2024})[0].rows == [{"count": 2}]
    failure(QQLPlanError, "missing-parameter", lambda: db.run("EXECUTE 'a.qql'"))
    failure(QQLPlanError, "unknown-parameter", lambda: db.run("EXECUTE 'a.qql'", {"year": 1, "yaer": 2}))


def test_faults_of_a_file_are_found_before_anything_is_sent(db: qql.Session, folder: Path) -> None:
    (folder / "a.qql").write_text("DELETE FROM docs WHERE id = 1;\nCOUNT FROM dogs;\n", encoding="utf-8")
    (folder / "c.qql").write_text("DELETE FROM docs WHERE id = 1;\nSCROLL FROM docs LIMIT 0;\n", "utf-8")
    (folder / "b.qql").write_text("DELETE FROM docs WHERE id = 1;\nCOUNT FORM docs;\n", encoding="utf-8")
    error = failure(QQLPlanError, "unknown-collection", lambda: db.run("EXECUTE 'a.qql'"))
    assert (error.diagnostic.source.name, error.line) == ("a.qql", 2)
    error = failure(QQLSyntaxError, "syntax", lambda: db.run("EXECUTE 'b.qql'"))
    assert (error.diagnostic.source.name, error.line) == ("b.qql", 2)
    with pytest.raises(QQLScriptError) as caught:
        db.run("COUNT FORM docs;\nEXECUTE 'c.qql';\nCOUNT FORM docs;")
    places = [(one.source.name, one.line) for one in caught.value.diagnostics if one.source]
    assert places == [("<string>", 1), ("c.qql", 2), ("<string>", 3)]
    assert db.execute("COUNT FROM docs").rows == [{"count": 3}]


def test_what_fails_in_a_file_names_the_file(db: qql.Session, folder: Path) -> None:
    (folder / "a.qql").write_text("\nCREATE ALIAS x FOR docs;\nDROP ALIAS y;\n", encoding="utf-8")
    error = failure(QQLExecutionError, "unknown-alias", lambda: db.run("EXECUTE 'a.qql'"))
    assert (error.diagnostic.source.name, error.line) == ("a.qql", 3)


def test_files_that_execute_one_another_come_to_an_end(db: qql.Session, folder: Path) -> None:
    (folder / "a.qql").write_text("EXECUTE 'b.qql'", encoding="utf-8")
    (folder / "b.qql").write_text("COUNT FROM docs; EXECUTE 'a.qql'", encoding="utf-8")
    error = failure(QQLPlanError, "file-cycle", lambda: db.run("EXECUTE 'a.qql'"))
    assert "a.qql → b.qql → a.qql" in error.message
    for number in range(17):
        (folder / f"{number}.qql").write_text(f"EXECUTE '{number + 1}.qql'", encoding="utf-8")
    (folder / "16.qql").write_text("COUNT FROM docs", encoding="utf-8")
    assert len(db.run("EXECUTE '1.qql'")) == 17
    failure(QQLPlanError, "too-deep", lambda: db.run("EXECUTE '0.qql'"))


def test_a_file_that_cannot_be_read_says_why(db: qql.Session, folder: Path) -> None:
    error = failure(QQLPlanError, "file-unreadable", lambda: db.execute("EXECUTE 'no.qql'"))
    assert "No such file" in error.message
    (folder / "latin.qql").write_bytes(b"COUNT FROM docs -- caf\xe9")
    error = failure(QQLPlanError, "file-unreadable", lambda: db.execute("EXECUTE 'latin.qql'"))
    assert (error.hint, error.column) == ("save it as UTF-8", 9)
    failure(QQLPlanError, "file-unreadable", lambda: db.execute("EXECUTE 'a\0b'"))


# ------------------------------------------------------------------------------------ DUMP

EVERYTHING = """
CREATE COLLECTION 'all sorts' (
  dense VECTOR(3, COSINE) MODEL 'local/hash-3',
  'odd name' VECTOR(2, EUCLID) WITH VECTOR (datatype = uint8)
    WITH QUANTIZATION (type = scalar, quantile = 0.9),
  late VECTOR(2, DOT) WITH MULTIVECTOR () WITH HNSW (m = 0),
  words SPARSE MODEL 'qdrant/bm25' WITH INDEX (on_disk = true),
  raw SPARSE WITH SPARSE (modifier = none)
) WITH HNSW (m = 32, payload_m = 8) WITH OPTIMIZERS (deleted_threshold = 0.3)
  WITH METADATA (owner = 'me', 'odd key' = {list: [1, null, true]});
CREATE INDEX ON 'all sorts' FOR year TYPE integer WITH (lookup = true, range = false);
CREATE INDEX ON 'all sorts' FOR body TYPE text WITH (stemmer = english, stopwords = german);
CREATE INDEX ON 'all sorts' FOR tag;
CREATE ALIAS current FOR 'all sorts';
UPSERT INTO 'all sorts' VALUES
  {id: 1, text: 'rain', vector: {late: [[1, 2], [3, 4]], raw: {indices: [4294967295, 1], values: [0.1, -1]}},
   year: 2024, nothing: null, yes: true, f: 1e-7, big: 9223372036854775807, small: -9223372036854775808,
   nest: {'ä "key"': [[], {}, {a: ['it''s', "\\n\\t\\\\", '🙂']}]}, Vector: 1, ID: 2,
   vectors: 3, '': 'empty'},
  {id: '550e8400-e29b-41d4-a716-446655440000', text: 'no vectors', vector: {dense: null, words: null}},
  {id: 18446744073709551615, vector: {dense: [0.1, -0.2, 1e-8], 'odd name': [0, 255]}};
UPDATE 'all sorts' SET PAYLOAD = {id: 'mine', vector: {a: [1]}, deep: {id: 5}} WHERE id = 1;
"""


def shape(db: qql.Session, name: str) -> Any:
    info = db.execute(f"SHOW COLLECTION {name}").data
    return {key: info[key] for key in ("config", "payload_schema", "points_count")}


def points(db: qql.Session, name: str) -> list[Any]:
    return db.execute(f"SCROLL FROM {name} LIMIT 100000 WITH VECTOR true").to_dicts()


def test_a_dump_makes_the_collection_again(folder: Path) -> None:
    with qql.connect() as db:
        db.run(EVERYTHING)
        before = shape(db, "'all sorts'"), points(db, "'all sorts'")
        result = db.execute("DUMP 'all sorts' 'all.qql'")
        assert result.message == "dumped 3 points of all sorts into all.qql"
        assert result.data == {"points": 3, "file": "all.qql"}
        assert result.warnings == ()
        assert [one.name for one in folder.iterdir()] == ["all.qql"]
        text = (folder / "all.qql").read_text(encoding="utf-8")
        assert text.endswith("\nCREATE ALIAS current FOR 'all sorts';\n")
        db.execute("DROP COLLECTION 'all sorts'")
        results = db.run("EXECUTE 'all.qql'")
        assert [w.message for one in results for w in one.warnings] == []
        assert (shape(db, "'all sorts'"), points(db, "'all sorts'")) == before
        db.execute("DUMP 'all sorts' 'again.qql'")
        again = (folder / "again.qql").read_text(encoding="utf-8")
        assert again == text


def test_a_dump_of_many_points_has_a_hundred_in_a_statement(folder: Path) -> None:
    with qql.connect() as db:
        db.execute("CREATE COLLECTION plain ('' VECTOR(2, DOT) MODEL 'local/hash-2')")
        rows = [{"id": i, "vector": [i, 1], "text": f"row {i}"} for i in range(250)]
        db.execute("UPSERT INTO plain VALUES :rows", {"rows": rows})
        db.execute("UPSERT INTO plain VALUES {id: 300, text: 'none', vector: {'': null}}")
        before = shape(db, "plain"), points(db, "plain")
        assert before[1][0]["vector"] == [0.0, 1.0]
        assert not before[1][250].get("vector")
        db.execute("DUMP COLLECTION plain 'plain.qql'")
        text = (folder / "plain.qql").read_text(encoding="utf-8")
        assert text.count("UPSERT INTO plain VALUES") == 3
        db.run("DROP COLLECTION plain; EXECUTE 'plain.qql'")
        assert (shape(db, "plain"), points(db, "plain")) == before


def test_an_empty_collection_is_dumped(folder: Path) -> None:
    with qql.connect() as db:
        db.run("CREATE COLLECTION bare (s SPARSE); DUMP bare 'bare.qql'; DROP COLLECTION bare")
        db.execute("EXECUTE 'bare.qql'")
        assert db.collections() == ["bare"]


def test_a_dump_replaces_a_file_only_where_it_is_told_to(folder: Path) -> None:
    place = folder / "precious.txt"
    place.write_text("mine", encoding="utf-8")
    place.chmod(0o640)
    with qql.connect() as db:
        db.run(CREATE + ROWS)
        for text in ("DUMP docs 'precious.txt'", "DUMP docs TO 'precious.txt'", "DUMP docs TO :file"):
            params = {"file": "precious.txt"} if ":file" in text else None
            error = failure(QQLExecutionError, "file-exists", partial(db.execute, text, params))
            assert "precious.txt" in error.message
            assert error.hint == "DUMP docs TO 'precious.txt' OVERWRITE replaces it"
            assert place.read_text(encoding="utf-8") == "mine"
        db.execute(error.hint.removesuffix(" replaces it"))
    assert place.read_text(encoding="utf-8").startswith("CREATE COLLECTION docs")
    assert place.stat().st_mode & 0o777 == (0o640 if os.name == "posix" else 0o666)
    assert [one.name for one in folder.iterdir()] == ["precious.txt"]


@pytest.mark.skipif(os.name != "posix", reason="makes a pipe and links")
def test_a_dump_takes_no_place_of_a_device_and_follows_links(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "dir").mkdir()
    (folder / "link").symlink_to(folder / "dir" / "target.qql")
    with qql.connect() as db:
        db.run(CREATE + ROWS)
        for name, said in (
            ("pipe", "a device or a pipe"),
            ("/dev/null", "a device"),
            ("dir", "Is a directory"),
        ):
            dump = f"DUMP docs TO '{name}' OVERWRITE"
            error = failure(QQLExecutionError, "file-unwritable", partial(db.execute, dump))
            assert said in error.message
        db.execute("DUMP docs TO 'link'")
        failure(QQLExecutionError, "file-exists", lambda: db.execute("DUMP docs TO 'link'"))
        db.execute("DUMP docs TO 'link' OVERWRITE")
    assert (folder / "link").is_symlink()
    assert (folder / "dir" / "target.qql").read_text(encoding="utf-8").startswith("CREATE")
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


KILLED = """
    import os, signal, sys, qql
    from qql.session.placed_files import placed_file
    with placed_file("docs.qql", overwrite=False) as file:
        file.write(b"half of it")
        file.flush()
        print("writing", flush=True)
        sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_a_dump_removes_what_a_killed_one_left_and_not_what_another_writes(folder: Path) -> None:
    (folder / ".docs.qql.notours").write_text("x", encoding="utf-8")
    child = python(KILLED)
    assert child.stdout is not None and child.stdout.readline() == "writing\n"
    (half,) = folder.glob(".docs.qql.*.qql-partial")
    with qql.connect() as db:
        db.run(CREATE + ROWS)
        db.execute("DUMP docs TO 'docs.qql'")
        assert half.exists()  # its process is at work
        child.kill()
        child.communicate()
        assert half.exists()
        db.execute("DUMP docs TO 'docs.qql' OVERWRITE")
    assert sorted(one.name for one in folder.iterdir()) == [".docs.qql.notours", "docs.qql"]


def test_a_dump_that_fails_leaves_what_was_there(folder: Path) -> None:
    (folder / "docs.qql").write_text("kept", encoding="utf-8")

    def answer(request: Request) -> Any:
        if request.route == ("POST", "points/scroll"):
            return QQLExecutionError.make("server-error", "it broke")
        return backend.inner.call(request)

    with qql.connect() as inner:
        inner.run(CREATE + ROWS)
        backend: Any = RecordingBackend(inner.backend, answer)
        dump = "DUMP docs TO 'docs.qql' OVERWRITE"
        failure(QQLExecutionError, "server-error", lambda: qql.connect(backend).execute(dump))
        error = failure(
            QQLExecutionError, "file-unwritable", lambda: inner.execute("DUMP docs 'none/docs.qql'")
        )
        assert error.line == 1
        failure(QQLPlanError, "unknown-collection", lambda: inner.execute("DUMP dogs 'docs.qql'"))
    assert (folder / "docs.qql").read_text(encoding="utf-8") == "kept"
    assert [one.name for one in folder.iterdir()] == ["docs.qql"]


def test_a_dump_of_shards_says_where_each_point_is(folder: Path) -> None:
    config = {
        "params": {
            "vectors": {"v": {"size": 2, "distance": "Dot"}},
            "shard_number": 1,
            "sharding_method": "custom",
            "replication_factor": 2,
            "payload": {"memory": "cold"},
            "novelty": 7,
        },
        "hnsw_config": {
            "m": 16,
            "ef_construct": 100,
            "full_scan_threshold": 10000,
            "max_indexing_threads": 0,
        },
        "optimizer_config": {"flush_interval_sec": 5, "max_optimization_threads": 2},
        "wal_config": {"wal_capacity_mb": 64, "wal_segments_ahead": 0},
        "strict_mode_config": {"enabled": True, "max_query_limit": 9, "sparse_config": None},
        "quantization_config": {"binary": {"always_ram": True}},
    }

    def page(request: Request) -> Any:
        key = (request.body or {})["shard_key"]
        found = [{"id": 1, "payload": {"id": 7}, "vector": {"v": [1, 2]}}] if key == "a" else []
        return {"points": found, "next_page_offset": None}

    def answer(request: Request) -> Any:
        return {
            ("GET", ""): {"config": config, "payload_schema": {}},
            ("GET", "/collections"): {"collections": [{"name": "docs"}]},
            ("GET", "shards"): {"shard_keys": [{"key": "a"}, {"key": 5}]},
            ("GET", "cluster"): None,
            ("GET", "aliases"): {"aliases": []},
            ("POST", "points/scroll"): page(request) if request.body else None,
        }[request.route]

    result = qql.connect(RecordingBackend(answers=answer)).execute("DUMP docs 'docs.qql'")
    assert [w.message for w in result.warnings] == ["PARAMS has `novelty = 7`, which the script cannot say"]
    text = (folder / "docs.qql").read_text(encoding="utf-8")
    requests = qql.compile(text)
    assert [(one.method, one.path, one.body) for one in requests] == [
        (
            "PUT",
            "/collections/docs",
            {
                "vectors": {"v": {"size": 2, "distance": "Dot"}},
                "optimizers_config": {"max_optimization_threads": 2},
                "shard_number": 1,  # a cluster would choose another
                "sharding_method": "custom",
                "replication_factor": 2,
                "payload": {"memory": "cold"},
                "wal_config": {"wal_capacity_mb": 64},
                "quantization_config": {"binary": {"always_ram": True}},
                "strict_mode_config": {"enabled": True, "max_query_limit": 9},
            },
        ),
        ("PUT", "/collections/docs/shards", {"shard_key": "a"}),
        ("PUT", "/collections/docs/shards", {"shard_key": 5}),
        (
            "PUT",
            "/collections/docs/points",
            {"points": [{"id": 1, "vector": {"v": [1, 2]}, "payload": {"id": 7}}], "shard_key": "a"},
        ),
    ]
