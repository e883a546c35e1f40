"""Rows of files: JSON Lines, CSV, TSV, gzip; ids, field maps, rows and files at fault."""

from __future__ import annotations

import csv
import gzip
import json
import os
import tracemalloc
import uuid
from pathlib import Path
from typing import Any

import pytest
from conftest import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_file_helpers import Write, fails, payloads, writer

from qql.compiler.bind import stable_uuid
from qql.compiler.copy_mapping import COPY_FORMATS
from qql.compiler.rows import content_uuid
from qql.errors import QQLExecutionError
from qql.session.row_files import FORMATS, BadRow, Row, batches, lines, read_rows


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return writer(tmp_path, "rows.jsonl")


def bad(path: Path, **more: Any) -> BadRow:
    (row,) = [row for row in read_rows(path, **more) if isinstance(row, BadRow)]
    return row


# -- JSON Lines


def test_objects_are_points(write: Write) -> None:
    path = write(
        '{"id": 1, "vector": [0.5, 1], "title": "A", "n": {"x": [1, null]}}\n'
        "\n  \r\n"
        '{"id": 18446744073709551615, "vector": {"a": [1.0], "s": {"indices": [1], "values": [2.0]}}}\r\n'
        '{"id": "6F9619FF-8B86-D011-B42D-00C04FC964FF", "vector": null, "t": "é"}'
    )
    assert list(read_rows(path)) == [
        Row(1, 1, {"title": "A", "n": {"x": [1, None]}}, [0.5, 1]),
        Row(4, 2**64 - 1, {}, {"a": [1.0], "s": {"indices": [1], "values": [2.0]}}),
        Row(5, "6f9619ff-8b86-d011-b42d-00c04fc964ff", {"t": "é"}, None),
    ]


@pytest.mark.parametrize(
    "spelling",
    ["6f9619ff8b86d011b42d00c04fc964ff", "urn:uuid:6f9619ff-8b86-d011-b42d-00c04fc964ff"],
)
def test_uuids_are_brought_to_one_form(write: Write, spelling: str) -> None:
    (row,) = read_rows(write(json.dumps({"id": spelling})))
    assert isinstance(row, Row)
    assert row.id == "6f9619ff-8b86-d011-b42d-00c04fc964ff"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "has to be a JSON object"),
        ("3", "has to be a JSON object"),
        ('{"a": NaN}', "`a` is NaN, which JSON does not have"),
        ('{"x": 1, "a": {"b": [0, -Infinity]}}', "`a.b[1]` is -Infinity"),
        ('{"a": NaN, "b": ' + "1" * 5_000 + "}", "not JSON"),
        ('{"a": 1e999}', "not JSON"),
        ('{"a": 1} {"b": 2}', "not JSON"),
        ('{"a": "\\ud800"}', "not JSON"),
        ('{"a": 1, "a": 1}', "the key `a` is there twice"),
        ('{"a": {"b" : 1, "c": "x\\":", "b"\t: 1}}', "the key `b` is there twice"),
        ('{"a": [[{"q": 1, "q": 2}]]}', "the key `q` is there twice"),
        ('{"a": 18446744073709551616}', "the integer 18446744073709551616 has more than 64 bits"),
        ('{"a": [1.5, -9223372036854775809]}', "has more than 64 bits"),
        ('{"a": ' + "1" * 10_000 + "}", "has more than 64 bits|not JSON"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "nested deeper than 200"),
        ('{"a": ' * 5000 + "1" + "}" * 5000, "nested deeper than 200"),
        ('{"id": "doc-1"}', "'doc-1' is neither an unsigned integer nor a UUID; `id = UUID(id)`"),
        ('{"id": -1}', "the id -1"),
        ('{"id": 1.0}', "the id 1.0"),
        ('{"id": true}', "the id true"),
        ('{"id": "12"}', "the id '12'"),
        ('{"id": 18446744073709551616}', "more than 64 bits"),
        ('{"id": "6f9619ff-8b86-d011-b42d"}', "the id"),
        ('{"vector": "0.5"}', "`vector` has to be a list or an object, not '0.5'"),
    ],
)
def test_lines_at_fault_and_the_rest_goes_on(write: Write, line: str, reason: str) -> None:
    rows = list(read_rows(write(f'{{"id": 1}}\n{line}\n{{"id": 3}}\n')))
    assert [row.line for row in rows] == [1, 2, 3]
    assert rows[0] == Row(1, 1, {})
    assert rows[2] == Row(3, 3, {})
    assert isinstance(rows[1], BadRow)
    assert any(part in rows[1].reason for part in reason.split("|")), rows[1]
    assert len(rows[1].reason) < 250


def test_what_only_looks_like_a_fault(write: Write) -> None:
    good = [
        {"a": '":', "b": ':"', "c": [":x", '"a":']},
        {"a": {"x": 1}, "b": {"x": 1}, "x": [{"x": 1}]},
        {"n": 18446744073709551615, "m": -9223372036854775808, "f": 1e300, "g": [1e25, 2, -3e40]},
        {"deep": json.loads("[" * 199 + "]" * 199)},
    ]
    path = write("\n".join(json.dumps(row) for row in good))
    assert payloads(path) == good


def test_bad_utf8_is_a_bad_row(write: Write) -> None:
    path = write(b'{"id": 1}\n{"id": 2, "t": "\xff"}\n{"id": 3}\n')
    rows = list(read_rows(path))
    assert rows[1] == BadRow(2, "not UTF-8 text (byte 17 of the line)")
    assert [row.line for row in rows] == [1, 2, 3]


def test_byte_order_marks_and_encodings(write: Write) -> None:
    assert payloads(write(b'\xef\xbb\xbf{"t": "x"}\r\n{"t": "y"}')) == [{"t": "x"}, {"t": "y"}]
    latin = write('{"t": "é"}\n'.encode("latin-1"))
    assert payloads(latin, encoding="latin-1") == [{"t": "é"}]
    assert "UTF-8" in bad(latin).reason
    cp = write(b'{"id": 1, "t": "\x81"}')
    assert "CP1252" in bad(cp, encoding="cp1252").reason
    error = fails("file-encoding", lambda: list(read_rows(write('{"t": 1}'.encode("utf-16")))))
    assert "iconv" in (error.hint or "")
    for encoding in ("utf-16", "klingon", "zlib", "cp037"):
        fails("file-encoding", lambda e=encoding: read_rows(latin, encoding=e))


def test_lines_beyond_the_limit(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100)
    at_limit = json.dumps({"id": 2, "t": "x" * 80})
    at_limit = at_limit[:-2] + "x" * (100 - len(at_limit)) + '"}'
    over = at_limit[:-2] + 'x"}'
    long = json.dumps({"t": "y" * 5000})
    path = write("\n".join(['{"id": 1}', at_limit, over, long, '{"id": 5}', at_limit]))
    rows = list(read_rows(path))
    assert [type(row) for row in rows] == [Row, Row, BadRow, BadRow, Row, Row]
    assert [row.line for row in rows] == [1, 2, 3, 4, 5, 6]
    assert isinstance(rows[2], BadRow)
    assert "longer than" in rows[2].reason


# -- ids


def test_rows_without_id_have_the_id_of_their_content(write: Write) -> None:
    first = write('{"t": "a", "n": 1}\n{"t": "b"}\n', "one.jsonl")
    moved = write('{"t": "new"}\n{"n": 1, "t": "a"}\n{"t": "b"}\n', "two.jsonl")
    zipped = write(gzip.compress(first.read_bytes()), "three.jsonl.gz")
    ids = [row.id for row in read_rows(first) if isinstance(row, Row)]
    assert ids == [row.id for row in read_rows(first) if isinstance(row, Row)]
    assert ids == [row.id for row in read_rows(moved) if isinstance(row, Row)][1:]
    assert ids == [row.id for row in read_rows(zipped) if isinstance(row, Row)]
    assert len(set(ids)) == 2
    assert all(uuid.UUID(str(i)).version == 5 for i in ids)
    assert content_uuid({"a": 1}, None) != content_uuid({"a": 1}, [1.0])


def test_uuids_of_keys(write: Write) -> None:
    path = write('{"_id": "doc-1", "text": "x"}\n{"_id": 7}\n{"text": "no id"}\n{"_id": ["a"]}\n')
    rows = list(read_rows(path, fields={"id": "_id"}, id_uuid=True))
    assert rows[:2] == [
        Row(1, stable_uuid("doc-1"), {"_id": "doc-1", "text": "x"}),
        Row(2, stable_uuid("7"), {"_id": 7}),
    ]
    assert rows[2] == BadRow(3, "there is no `_id` for the id")
    assert isinstance(rows[3], BadRow)
    assert stable_uuid("doc-1") == str(uuid.uuid5(uuid.NAMESPACE_URL, "doc-1"))
    first = next(read_rows(path, fields={"id": "_id"}))
    assert isinstance(first, BadRow)
    assert "`id = UUID(_id)`" in first.reason


def test_beir_corpora(write: Write) -> None:
    path = write('{"_id": "4983", "title": "T", "text": "X", "metadata": {}}\n')
    # Only a mapping makes `_id` the id.
    assert payloads(path) == [{"_id": "4983", "title": "T", "text": "X", "metadata": {}}]
    (row,) = read_rows(path, fields={"id": "_id"}, id_uuid=True)
    # A key cannot be read back from its UUID: it stays in the payload.
    assert row == Row(1, stable_uuid("4983"), {"_id": "4983", "title": "T", "text": "X", "metadata": {}})


# -- field maps


def test_renamed_fields_and_the_others(write: Write) -> None:
    path = write('{"id": 9, "doc_id": 5, "body": "x", "other": 1, "emb": [1.0]}\n{"doc_id": 6}\n')
    rows = list(read_rows(path, fields={"id": "doc_id", "text": "body", "vector": "emb"}))
    assert rows[0] == Row(1, 5, {"id": 9, "text": "x", "other": 1}, [1.0])
    assert rows[1] == Row(2, 6, {})


def test_one_column_for_two_targets(write: Write) -> None:
    path = write('{"key": 5, "t": "x"}\n')
    (row,) = read_rows(path, fields={"id": "key", "key": "key", "a": "t", "b": "t"})
    assert row == Row(1, 5, {"key": 5, "a": "x", "b": "x"})


def test_a_target_that_is_there_already(write: Write) -> None:
    path = write('{"text": "old", "body": "new"}\n')
    assert (
        bad(path, fields={"text": "body"}).reason
        == "`text` is there twice: as itself, and mapped from `body`"
    )
    assert payloads(path, fields={"text": "body", "old": "text"}) == [{"text": "new", "old": "old"}]


def test_payload_whole_or_selected(write: Write) -> None:
    path = write('{"id": 1, "score": 0.5, "payload": {"a": 1, "id": 2}, "x": 3, "y": 4}\n')
    assert payloads(path, fields={"payload": "payload"}) == [{"a": 1, "id": 2}]
    assert payloads(path, fields={"payload": ("x", "score")}) == [{"x": 3, "score": 0.5}]
    assert payloads(path, fields={"payload": ["x"], "why": "y"}) == [{"x": 3, "why": 4}]
    assert "`x` has to be an object, not 3" in bad(path, fields={"payload": "x"}).reason
    fails("bad-mapping", lambda: read_rows(path, fields={"text": ("x", "y")}))


# -- CSV and TSV


def test_csv_rows(write: Write) -> None:
    path = write(
        '\ufeffid,title,"say ""so""",n\r\n1,"a, b",x,5\r\n\r\n2,"two\nlines\r\n",,7\r\n3,ü,"",\r\n',
        "rows.csv",
    )
    assert list(read_rows(path)) == [
        Row(2, 1, {"title": "a, b", 'say "so"': "x", "n": 5}),
        Row(4, 2, {"title": "two\nlines\r\n", "n": 7}),
        Row(7, 3, {"title": "ü"}),
    ]


def test_tsv_rows(write: Write) -> None:
    for name in ("rows.tsv", "rows.tab"):
        assert payloads(write('a\tb\nx, y\t"q\tr"\n', name)) == [{"a": "x, y", "b": "q\tr"}]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12),
        ("-7", -7),
        ("0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", "9223372036854775808"),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("1.5e3", 1500.0),
        ("true", True),
        ("False", False),
        ("007", "007"),
        ("-0", -0.0),
        ("00.5", "00.5"),
        ("+1", "+1"),
        ("1e5", "1e5"),
        ("1.", "1."),
        (".5", ".5"),
        ("1.5e999", "1.5e999"),
        ("1_000", "1_000"),
        ("٣", "٣"),
        ("NaN", "NaN"),
        ("inf", "inf"),
        ("-", "-"),
        (" 12", " 12"),
        ("12 apples", "12 apples"),
        ("falsehood", "falsehood"),
        ("null", "null"),
        ("2024-01-02", "2024-01-02"),
    ],
)
def test_cells_that_convert_and_that_do_not(write: Write, cell: str, value: Any) -> None:
    (payload,) = payloads(write(f"c,d\n{cell},x\n", "rows.csv"))
    assert payload == {"c": value, "d": "x"}
    assert type(payload["c"]) is type(value)


def test_column_types(write: Write) -> None:
    path = write('zip,n,f,b,j,u\n12345,0012,3,TRUE,"[1, {""a"": 2}]",18446744073709551615\n', "rows.csv")
    types = {"zip": "string", "n": "integer", "f": "float", "b": "bool", "j": "json", "u": "integer"}
    assert "`n`: '0012' is not an integer" in bad(path, types=types).reason
    (payload,) = payloads(path, types={**types, "n": "float"})
    assert payload == {
        "zip": "12345",
        "n": 12.0,
        "f": 3.0,
        "b": True,
        "j": [1, {"a": 2}],
        "u": 2**64 - 1,
    }
    for column, kind, reason in [
        ("zip", "bool", "neither true nor false"),
        ("b", "float", "not a number"),
        ("b", "json", "not JSON"),
    ]:
        assert f"column `{column}`: " in bad(path, types={column: kind}).reason
        assert reason in bad(path, types={column: kind}).reason
    error = fails("unknown-type", lambda: list(read_rows(path, types={"zip": "strin"})))
    assert error.hint == "did you mean `string`?"


def test_csv_ids_and_vectors(write: Write) -> None:
    path = write(
        'id,vector,t\n7,"[0.5, 1]",x\n,,y\n007,,z\n'
        '6f9619ff8b86d011b42d00c04fc964ff,"{""a"": [1]}",\n8,0.5,w\n',
        "rows.csv",
    )
    rows = list(read_rows(path))
    assert rows[0] == Row(2, 7, {"t": "x"}, [0.5, 1])
    assert rows[1] == Row(3, content_uuid({"t": "y"}, None), {"t": "y"})
    assert rows[3] == Row(5, "6f9619ff-8b86-d011-b42d-00c04fc964ff", {}, {"a": [1]})
    assert isinstance(rows[2], BadRow)
    assert "'007'" in rows[2].reason
    assert isinstance(rows[4], BadRow)
    keyed = list(read_rows(path, id_uuid=True))
    assert [row.id for row in keyed if isinstance(row, Row)][:2] == [stable_uuid("7"), stable_uuid("007")]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("1,2,3", "3 cells where the header has 2"),
        ("1", "1 cells where the header has 2"),
        ('"a"b,2', "not CSV"),
    ],
)
def test_records_at_fault_and_the_rest_goes_on(write: Write, record: str, reason: str) -> None:
    rows = list(read_rows(write(f"a,b\n1,2\n{record}\n3,4\n", "rows.csv")))
    assert [row.line for row in rows] == [2, 3, 4]
    assert isinstance(rows[1], BadRow)
    assert reason in rows[1].reason
    assert isinstance(rows[2], Row)


def test_bad_bytes_in_csv(write: Write) -> None:
    path = write(b'a,b\n1,"x\n\xff"\n3,4\n', "rows.csv")
    rows = list(read_rows(path))
    assert rows[0] == BadRow(2, "not UTF-8 text (byte 1 of the line)")
    assert rows[1].line == 4
    assert isinstance(rows[1], Row)


def test_a_quote_that_is_never_closed(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    open_quote = write('a,b\n1,2\n3,"x\n5,6\n', "rows.csv")
    rows = list(read_rows(open_quote))
    assert isinstance(rows[0], Row)
    assert rows[1:] == [BadRow(3, "not CSV: unexpected end of data")]
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100)
    endless = write('a,b\n1,2\n3,"x\n' + "5,6\n" * 100, "rows.csv")
    rows = list(read_rows(endless))
    assert isinstance(rows[1], BadRow)
    assert "a quote might be left open" in rows[1].reason
    assert rows[1].line == 3
    assert isinstance(rows[-1], Row)
    assert rows[-1].line == 103


def test_large_cells(write: Write) -> None:
    assert payloads(write(f"a,b\n{'x' * 300_000},1\n", "rows.csv"))[0]["a"] == "x" * 300_000


def test_headers(write: Write) -> None:
    # pandas writes its index under an empty name.
    assert payloads(write("\n, a ,\n0,1,2\n", "rows.csv")) == [{"column1": 0, "a": 1, "column3": 2}]
    for content, words in [
        ("", "empty"),
        ("\n\n", "empty"),
        ("a,b,a\n", "two columns"),
        (b"\xff,a\n", "UTF-8"),
    ]:
        assert words in fails("file-format", lambda c=content: list(read_rows(write(c, "h.csv")))).message
    assert payloads(write("a,b\n", "rows.csv")) == []


@pytest.mark.parametrize("more", [{"fields": {"id": "titel"}}, {"types": {"titel": "string"}}])
def test_columns_that_the_header_does_not_have(write: Write, more: Any) -> None:
    error = fails("unknown-column", lambda: list(read_rows(write("id,title\n", "r.csv"), **more)))
    assert error.hint == "did you mean `title`?"


# -- files


def test_formats_by_name_and_by_word(write: Write) -> None:
    row = '{"a": 1}\n'
    for name in ("r.jsonl", "R.JSONL", "r.ndjson", "r.jsonlines", "r.json"):
        assert payloads(write(row, name)) == [{"a": 1}]
    assert payloads(write(row, "rows.txt"), format="JSONL") == [{"a": 1}]
    assert payloads(write("a\n1\n", "rows.jsonl"), format="csv") == [{"a": 1}]
    assert "FORMAT" in (fails("file-format", lambda: read_rows(write(row, "rows.txt"))).hint or "")
    error = fails("file-format", lambda: read_rows(write(row), format="cvs"))
    assert error.hint == "did you mean `csv`?"


@pytest.mark.parametrize(("name", "content"), [("r.jsonl.gz", '{"a": 1}\n'), ("r.csv.gz", "a\n1\n")])
def test_gzip(write: Write, name: str, content: str) -> None:
    path = write(gzip.compress(content.encode() * 1), name)
    assert payloads(path) == [{"a": 1}]
    # By content, whatever the name says.
    assert payloads(write(gzip.compress(content.encode()), name.removesuffix(".gz"))) == [{"a": 1}]
    assert payloads(write(content, name)) == [{"a": 1}]


def test_damaged_gzip(write: Write) -> None:
    noise = os.urandom(200_000).hex()
    whole = gzip.compress(f'{{"id": 1}}\n{{"id": 2, "t": "{noise}"}}\n'.encode())
    for damaged in (whole[: len(whole) // 2], whole[:10] + b"\xff" * 50, whole[:-4] + b"zzzz"):
        error = fails("file-unreadable", lambda d=damaged: list(read_rows(write(d, "r.jsonl.gz"))))
        assert "r.jsonl.gz" in error.message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "missing.jsonl"
    error = fails("file-unreadable", lambda: read_rows(missing))
    assert str(missing) in error.message
    assert "No such file" in error.message
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert "it is a folder" in fails("file-unreadable", lambda: read_rows(folder)).message
    fails("file-unreadable", lambda: read_rows("nul\0.csv"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_files_without_permission(write: Write) -> None:
    path = write("{}")
    path.chmod(0)
    assert "Permission denied" in fails("file-unreadable", lambda: read_rows(path)).message


def test_progress_in_bytes(write: Write) -> None:
    content = "".join(json.dumps({"id": i, "t": "x" * 50}) + "\n" for i in range(2000))
    path = write(content)
    rows = read_rows(path)
    assert (rows.bytes_read, rows.total) == (0, len(content))
    next(rows)
    assert rows.bytes_read == content.index("\n") + 1
    seen = [rows.bytes_read for _ in rows]
    assert seen == sorted(seen)
    assert rows.bytes_read == rows.total == seen[-1]
    packed = write(gzip.compress(content.encode()), "r.jsonl.gz")
    with read_rows(packed) as zipped:
        assert zipped.total == packed.stat().st_size < len(content)
        assert sum(1 for _ in zipped) == 2000
        assert zipped.bytes_read == zipped.total


def test_closing_early_ends_the_rows(write: Write) -> None:
    with read_rows(write('{"id": 1}\n{"id": 2}\n')) as rows:
        next(rows)
        place = rows.bytes_read
    rows.close()
    assert list(rows) == []
    assert rows.bytes_read == place == 10


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_has_no_total(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    keep_open = os.open(pipe, os.O_RDWR)
    try:
        os.write(keep_open, b'{"id": 1}\n')
        rows = read_rows(pipe)
        assert rows.total is None
        assert next(rows) == Row(1, 1, {})
        assert rows.bytes_read == 10
        rows.close()
    finally:
        os.close(keep_open)


@pytest.mark.parametrize(
    "name",
    [
        "big.jsonl",
        pytest.param("big.csv", marks=pytest.mark.slow),
        pytest.param("big.jsonl.gz", marks=pytest.mark.slow),
        "array.json",
        pytest.param("objects.json", marks=pytest.mark.slow),
    ],
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    opener: Any = gzip.open if name.endswith(".gz") else open
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        if "csv" in name:
            file.write("id,t,n\n")
        for i in range(8_000):
            text = f"{i} " * 60
            row = json.dumps({"id": i, "t": text, "n": i}, indent=1 if "objects" in name else None)
            row = "[,"[i > 0] + row + "]"[i < 7_999 :] if "array" in name else f"{row}\n"
            file.write(f"{i},{text},{i}\n" if "csv" in name else row)
    tracemalloc.start()
    try:
        assert sum(len(batch) for batch in batches(read_rows(path), 100)) == 8_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000  # of a file of 2.4 million bytes


def test_batches() -> None:
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batches([], 2)) == []


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5))
def test_csv_gives_back_what_was_written(write: Write, rows: list[list[str]]) -> None:
    path = write("", "round.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    expected = [{k: v for k, v in zip("ab", row, strict=True) if v} for row in rows]
    assert payloads(path, types={"a": "string", "b": "string"}) == expected


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | cells,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(cells, inner, max_size=3),
    max_leaves=10,
)


@settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.dictionaries(cells.filter(lambda k: k not in ("id", "vector")), json_values), max_size=4))
def test_json_gives_back_what_was_written(write: Write, rows: list[dict[str, Any]]) -> None:
    path = write("\n".join(json.dumps(row, ensure_ascii=len(row) % 2 == 0) for row in rows))
    assert payloads(path) == rows


@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=60), st.sampled_from(["f.jsonl", "f.csv", "f.tsv"]))
def test_any_bytes_give_rows_bad_rows_or_a_clear_error(write: Write, content: bytes, name: str) -> None:
    try:
        for row in read_rows(write(content, name)):
            assert isinstance(row, Row | BadRow)
    except QQLExecutionError:
        pass


def test_the_compiler_knows_the_formats_of_files() -> None:
    assert list(FORMATS) == list(COPY_FORMATS)
