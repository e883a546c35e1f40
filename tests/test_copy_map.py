"""COPY: what MAP makes of the columns, what it says of those that arrive nowhere, and tables with COLUMNS."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

import qql
from qql.compiler.bind import stable_uuid
from qql.errors import QQLError, QQLExecutionError, QQLPlanError
from qql.session.row_files.points import PointMapping
from qql.session.row_files.row import RowError

Row = dict[str, Any]


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run("CREATE COLLECTION docs (words SPARSE MODEL 'qdrant/bm25')")
        yield session


def write(path: Path, *rows: Row | str) -> Path:
    """JSON Lines; a row that is a string is a line as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def copy(db: qql.Session, path: Path, rest: str = "", **params: Any) -> qql.Result:
    return db.execute(f"COPY docs FROM :path {rest}", {"path": str(path), **params})


def payloads(db: qql.Session) -> dict[Any, Any]:
    return {hit.id: hit.payload for hit in db.execute("SCROLL FROM docs LIMIT 1000").hits}


def payload(db: qql.Session, path: Path, rest: str, **params: Any) -> Any:
    """The payload of a file's only row."""
    copy(db, path, rest, **params)
    (found,) = payloads(db).values()
    return found


def fails(
    db: qql.Session, path: Path, rest: str, code: str, kind: type[QQLError] = QQLExecutionError
) -> QQLError:
    with pytest.raises(kind) as caught:
        copy(db, path, rest)
    assert caught.value.code == code, caught.value
    return caught.value


def told(result: qql.Result, code: str) -> list[str]:
    return [one.message for one in result.warnings if one.code == code]


# ------------------------------------------------------------------------------------ joins


TITLED = "title || ' ' || text"
LABELLED = "'Q: ' || title || ' A: ' || text || '.'"


@pytest.mark.parametrize(
    ("join", "row", "text"),
    [
        (TITLED, {"title": "Wings", "text": "lift"}, "Wings lift"),
        (TITLED, {"text": "lift"}, "lift"),
        (TITLED, {"title": "", "text": "lift"}, "lift"),
        (TITLED, {"title": None, "text": "lift"}, "lift"),
        (TITLED, {"title": "Wings"}, "Wings"),
        ("title || ' (' || year || ') ' || text", {"title": "a", "year": 1999, "text": "b"}, "a (1999) b"),
        ("title || ' (' || year || ')'", {"title": "a"}, "a"),
        ("title || year || ok || share", {"title": "a", "year": 7, "ok": True, "share": 0.5}, "a7true0.5"),
        (LABELLED, {"title": "who", "text": "me"}, "Q: who A: me."),
        (LABELLED, {"text": "me"}, "A: me."),
        (LABELLED, {"title": "who"}, "Q: who"),
        ("`the title` || \"-\" || r'\\' || text", {"the title": "x", "text": "y"}, "x-\\y"),
        ("meta.title || ' ' || meta.text", {"meta": {"title": "in", "text": "side"}}, "in side"),
        ("INT || ' ' || UUID || ' ' || payload", {"INT": "a", "UUID": "b", "payload": "c"}, "a b c"),
    ],
)
def test_columns_are_joined(db: qql.Session, tmp_path: Path, join: str, row: Row, text: str) -> None:
    every = dict.fromkeys({"title", "text", "year"} - row.keys(), "*")  # each column is in some row
    copy(db, write(tmp_path / "a.jsonl", row, every | row | {"id": 9}), f"MAP (joined = {join})")
    (found,) = [one for key, one in payloads(db).items() if key != 9]
    assert found["joined"] == text


def test_a_join_replaces_its_target_and_keeps_what_it_is_made_of(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "title": "Wings", "text": "lift"})
    assert payload(db, path, f"MAP (text = {TITLED})") == {"title": "Wings", "text": "Wings lift"}
    assert db.execute("QUERY 'wings' FROM docs USING words").ids == [1]
    both = {"title": "Wings", "text": "lift", "all": "Wings: lift"}
    assert payload(db, path, "MAP (all = title || :by || text)", by=": ") == both
    write(path, {"id": 1, "title": "Wings", "body": "lift", "text": "old"})
    assert "`text` is there twice" in fails(db, path, "MAP (text = title || body)", "bad-row").message


def test_a_row_that_has_none_of_the_columns_gets_no_text(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "title": "", "n": 1}, {"id": 2, "title": "a", "text": "b"})
    result = copy(db, path, "MAP (text = 'Title: ' || title || ' ' || text)")
    assert payloads(db)[1] == {"title": "", "n": 1}
    assert [message[:5] for message in told(result, "no-text")] == ["1 row"]


def test_only_texts_numbers_and_truth_values_are_joined(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "title": "a", "tags": ["b", "c"]})
    error = fails(db, path, "MAP (text = title || tags)", "bad-row")
    assert 'line 1: `tags` is ["b", "c"]' in error.message


def test_the_cells_of_a_table_are_joined_as_they_are_written(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,code,price,ok,text\n1,007,1.50,True,x\n", encoding="utf-8")
    found = payload(db, path, "MAP (text = code || ' ' || price || ' ' || ok || ' ' || text)")
    assert found == {"code": "007", "price": 1.5, "ok": True, "text": "007 1.50 True x"}


# ------------------------------------------------------------------------------------ ids


def test_integers_of_digits(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *({"_id": n, "text": "x"} for n in ("4983", "0", str(2**64 - 1), 5)))
    copy(db, path, "MAP (id = INT(_id))")
    assert payloads(db) == {n: {"text": "x"} for n in (0, 5, 4983, 2**64 - 1)}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("007", "leading zeros"),
        ("00", "leading zeros"),
        ("-5", "unsigned"),
        ("+5", "unsigned"),
        (" 5", "unsigned"),
        ("5.0", "unsigned"),
        ("٣", "unsigned"),
        ("", "unsigned"),
        (str(2**64), "64 bits"),
        ("9" * 5000, "64 bits"),
        (-1, "unsigned"),
        (5.0, "unsigned"),
        (True, "unsigned"),
        (["5"], "unsigned"),
    ],
)
def test_what_is_no_integer_of_digits(db: qql.Session, tmp_path: Path, value: Any, why: str) -> None:
    path = write(tmp_path / "a.jsonl", {"_id": "1"}, {"_id": value})
    error = fails(db, path, "MAP (id = INT(_id))", "bad-row")
    assert "line 2: the id" in error.message and why in error.message
    assert "`id = UUID(_id)`" in error.message
    assert len(error.message) < 400
    done = copy(db, path, "MAP (id = INT(_id)) ON ERROR SKIP")
    assert done.data == {"copied": 1, "skipped": 1, "file": str(path)}


def test_an_id_of_digits_without_a_word_names_both(db: qql.Session, tmp_path: Path) -> None:
    error = fails(db, write(tmp_path / "a.jsonl", {"_id": "12"}), "MAP (id = _id)", "bad-row")
    assert "`id = UUID(_id)`" in error.message and "`id = INT(_id)`" in error.message


def test_ids_are_made_of_joins_and_paths(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"row": {"key": "7", "lang": "en"}, "text": "x"})
    copy(db, path, "MAP (id = UUID(row.lang || '/' || row.key))")
    copy(db, path, "MAP (id = INT(row.key))")
    assert payloads(db) == {
        stable_uuid("en/7"): {"row": {"key": "7", "lang": "en"}, "text": "x"},
        7: {"row": {"lang": "en"}, "text": "x"},
    }


# ------------------------------------------------------------------------------------ paths


def test_a_path_goes_into_an_object(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "row": {"text": "deep", "n": 1}, "old": "x"})
    assert payload(db, path, "MAP (text = row.text)") == {"row": {"n": 1}, "old": "x", "text": "deep"}
    kept = {"row": {"n": 1}, "text": "deep"}
    assert payload(db, path, "MAP (text = row.text, payload = (row.n))") == kept
    assert payload(db, path, "MAP (payload = row)") == {"text": "deep", "n": 1}
    write(path, {"id": 1, "row": {"text": "only"}})
    assert payload(db, path, "MAP (text = row.text)") == {"text": "only"}


def test_a_column_that_has_the_dot_in_its_name_comes_first(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "row.text": "flat", "row": {"text": "deep"}})
    for name in ("row.text", "'row.text'", "`row.text`"):
        assert payload(db, path, f"MAP (text = {name})") == {"text": "flat", "row": {"text": "deep"}}
    table = tmp_path / "a.csv"
    table.write_text("id,row.text,row\n1,flat,[x\n", encoding="utf-8")
    assert payload(db, table, "MAP (text = row.text)") == {"text": "flat", "row": "[x"}


def test_a_path_goes_into_the_json_of_a_cell(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,meta\n1,"{""lang"": ""en"", ""n"": 1}"\n', encoding="utf-8")
    assert payload(db, path, "MAP (lang = meta.lang)") == {"meta": {"n": 1}, "lang": "en"}
    error = fails(db, path, "MAP (lang = meta.lnag)", "unknown-column")
    assert error.hint == "did you mean `meta.lang`?"


# ------------------------------------------------------------------------------------ what is not there


@pytest.mark.parametrize("rest", ["", "ON ERROR SKIP"])
@pytest.mark.parametrize(
    ("mapping", "missing", "hint"),
    [
        ("text = titel", "titel", "`title`"),
        ("id = INT(key)", "key", "_id"),
        ("text = title || ' ' || abstract", "abstract", "its columns are"),
        ("text = row.txet", "row.txet", "`row.text`"),
        ("payload = (title, yaer)", "yaer", "`year`"),
        ("payload = point", "point", "its columns are"),
        ("vector = words", "words", "MAP (words = column)"),
    ],
)
def test_a_column_that_no_row_has_is_an_error_before_anything_is_written(
    db: qql.Session, tmp_path: Path, rest: str, mapping: str, missing: str, hint: str
) -> None:
    rows = [{"_id": str(n), "title": "a", "year": 1, "row": {"text": "x"}} for n in range(300)]
    path = write(tmp_path / "a.jsonl", *rows)
    error = fails(db, path, f"MAP ({mapping}) {rest}", "unknown-column")
    assert error.message == f"no row of {path} has a column `{missing}`"
    assert hint in str(error.hint)
    assert error.column == 27  # of the mapping
    assert payloads(db) == {}


def test_a_column_that_is_in_the_last_row_only_is_there(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", "", *({"id": n} for n in range(300)), {"id": 300, "body": None})
    result = copy(db, path, "MAP (text = body)")
    assert (result.data or {})["copied"] == 301 and told(result, "unknown-column") == []


def test_a_table_needs_the_column_and_no_cell_of_it(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,body,text\n1,,x\n", encoding="utf-8")
    assert payload(db, path, "MAP (title = body)") == {"text": "x"}
    assert "`body`" in str(fails(db, path, "MAP (title = boddy)", "unknown-column").hint)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_of_a_pipe_it_is_told_at_the_end(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    handle = os.open(path, os.O_RDWR)
    os.write(handle, b'{"id": 1, "title": "a"}\n')
    closed: list[bool] = []

    def close(what: str, done: int, total: int | None) -> None:
        if done and not closed:
            closed.append(True)
            os.close(handle)  # the end of the pipe, once its first row was read

    db.on_progress = close
    result = copy(db, path, "MAP (text = titel) BATCH 1 ON ERROR SKIP")
    assert told(result, "unknown-column") == [f"no row of {path} has a column `titel`"]
    assert payloads(db) == {1: {"title": "a"}}


def test_a_file_without_rows_lacks_no_column(db: qql.Session, tmp_path: Path) -> None:
    result = copy(db, write(tmp_path / "a.jsonl"), "MAP (id = INT(_id), text = body)")
    assert (result.message, result.warnings) == ("copied 0 rows into docs", ())


# ------------------------------------------------------------------------------------ what arrives nowhere


@pytest.mark.parametrize("rest", ["", "ON ERROR SKIP"])
@pytest.mark.parametrize(
    ("mapping", "left"),
    [
        ("payload = (title)", "2 columns of {}: n, row"),
        ("payload = (title, row.text), text = n", "1 column of {}: row.n"),
        ("payload = row", "2 columns of {}: title, n"),
        ("payload = row, title = title, number = n", None),
        ("payload = (title, n, row)", None),
        ("text = title", None),
    ],
)
def test_what_is_left_out_is_said_once(
    db: qql.Session, tmp_path: Path, rest: str, mapping: str, left: str | None
) -> None:
    rows = [{"id": n, "title": "a", "n": n, "row": {"text": "x", "n": 1}} for n in range(40)]
    path = write(tmp_path / "a.jsonl", *rows)
    found = told(copy(db, path, f"MAP ({mapping}) {rest}"), "columns-left-out")
    assert found == ([] if left is None else [f"MAP leaves out {left.format(path)}"])


def test_many_names_are_cut(db: qql.Session, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "text": "x"} | {f"c{n}": n for n in range(50)})
    (message,) = told(copy(db, path, "MAP (payload = (text))"), "columns-left-out")
    assert message.endswith("c10, c11 and 38 more")


# ------------------------------------------------------------------------------------ vectors


@pytest.mark.parametrize("source", ["embedding", "vector"])
def test_a_target_named_like_a_vector_is_the_vector(tmp_path: Path, source: str) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, source: [1, 2], "n": 1})
    with qql.connect() as db:
        db.run("CREATE COLLECTION docs (v VECTOR(2, DOT), w VECTOR(2, DOT))")
        copy(db, path, f"MAP (v = {source}, w = {source})")
        (hit,) = db.execute("SCROLL FROM docs WITH VECTOR").hits
        assert (hit.vector, hit.payload) == ({"v": [1.0, 2.0], "w": [1.0, 2.0]}, {"n": 1})


def test_one_vector_for_several_says_what_to_write(tmp_path: Path) -> None:
    with qql.connect() as db:
        db.run("CREATE COLLECTION docs (v VECTOR(2, DOT), w VECTOR(3, DOT))")
        path = write(tmp_path / "a.jsonl", {"id": 1, "embedding": [1, 2, 3]})
        error = fails(db, path, "MAP (vector = embedding)", "bad-row")
        assert "MAP (w = embedding)" in str(error.hint)
        assert "MAP (v = column)" in str(fails(db, path, "MAP (vector = v)", "unknown-column").hint)


def test_vectors_lie_beside_the_rows(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    numpy.save(tmp_path / "v.npy", numpy.array([[1.0, 2.0], [3.0, 4.0]], dtype="float32"))
    path = write(tmp_path / "a.jsonl", {"id": 1, "n": 1, "m": 1}, {"id": 2, "n": 2})
    with qql.connect() as db:
        db.run("CREATE COLLECTION docs (v VECTOR(2, DOT))")
        copy(db, path, "MAP (v = NPY(:file), payload = (n))", file=str(tmp_path / "v.npy"))
        hits = db.execute("SCROLL FROM docs WITH VECTOR").hits
        assert [(hit.vector, hit.payload) for hit in hits] == [
            ({"v": [1.0, 2.0]}, {"n": 1}),
            ({"v": [3.0, 4.0]}, {"n": 2}),
        ]
        write(path, {"id": 1})
        assert "2 vectors" in fails(db, path, f"MAP (v = NPY('{tmp_path}/v.npy'))", "file-format").message


# ------------------------------------------------------------------------------------ tables


def test_columns_of_a_table_without_a_header(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "passages.tsv"
    path.write_text("7\tHow hearts beat\n8\tWhy skin burns\n", encoding="utf-8")
    copy(db, path, "COLUMNS (pid INTEGER, text TEXT) MAP (id = pid)")
    assert payloads(db) == {7: {"text": "How hearts beat"}, 8: {"text": "Why skin burns"}}


def test_types_and_a_delimiter(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id;sku;price;ok;extra\n1;1e5;1E3;True;"{""a"": 1}"\n', encoding="utf-8")
    rest = "DELIMITER ';' COLUMNS (extra JSON, sku string, 'price' Double, ok BOOLEAN)"
    assert payload(db, path, rest) == {"sku": "1e5", "price": 1000.0, "ok": True, "extra": {"a": 1}}


def test_a_header_is_said_outright(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n1,x\n", encoding="utf-8")
    assert payload(db, path, "HEADER") == {"text": "x"}
    copy(db, path, "COLUMNS (id, text) HEADER false MAP (id = UUID(id))")
    assert stable_uuid("id") in payloads(db)


@pytest.mark.parametrize("clause", ["COLUMNS (a TEXT)", "DELIMITER ';'", "HEADER false"])
def test_rows_that_bring_their_names_take_no_columns(db: qql.Session, tmp_path: Path, clause: str) -> None:
    path = write(tmp_path / "a.jsonl", {"id": 1, "a": 1})
    error = fails(db, path, clause, "bad-columns")
    assert error.message.startswith(f"{clause.split()[0]} is for CSV and TSV") and error.column
    fails(db, path, f"FORMAT jsonl {clause}", "bad-columns", QQLPlanError)
    assert payloads(db) == {}


# ------------------------------------------------------------------------------------ nothing gets lost


_names = st.sampled_from(["a", "b", "c", "a.b", "b.c", "a.b.c", "c.a"])
_rows = st.recursive(
    st.just(0),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c", "a.b"]), inner, min_size=1, max_size=3),
    max_leaves=6,
).filter(lambda row: isinstance(row, dict))
_mappings = st.fixed_dictionaries(
    {}, optional={"x": _names, "y": _names, "payload": _names | st.lists(_names, max_size=3, unique=True)}
)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def numbered(row: Any, number: Iterator[int]) -> Any:
    """The row with another number at each leaf."""
    if isinstance(row, dict):
        return {key: numbered(value, number) for key, value in row.items()}
    return next(number)


@settings(max_examples=examples(400), deadline=None)
@given(_rows, _mappings)
def test_every_value_arrives_somewhere_or_is_named(given_row: Any, fields: dict[str, Any]) -> None:
    row = numbered(given_row, count())
    mapping = PointMapping(fields, id_uuid=False)
    try:
        point = mapping.point(1, deepcopy(row))
    except RowError:
        return
    arrived = {value for _, value in leaves(point.payload)}
    left = [tuple(name.split(".")) for name in mapping.left_out]
    for path, value in leaves(row):
        flat = tuple(step for one in path for step in one.split("."))
        assert value in arrived or any(flat[: len(one)] == one for one in left), (path, point, left)
    assert set(arrived) <= {value for _, value in leaves(row)}
