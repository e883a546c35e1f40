"""JSON that is not one object a line: arrays, objects over several lines; and what bounds files of rows."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_file_helpers import Write, fails, payloads, writer

from qql.errors import QQLExecutionError
from qql.session.row_files import BadRow, Row, lines, read_rows

ROWS: list[dict[str, Any]] = [
    {"id": 1, "t": 'a "quoted" {text} [with] \\ all', "é": "ü€"},
    {"id": 2, "a": {"b": [1, {"c": []}], "d": {}}, "n": None},
    {"id": 3, "lines": "one\ntwo", "tags": ["x", "y"], "rows": [{"a": 1}, {"a": [{"b": {}}]}]},
    {"id": 4},
]
PAYLOADS = [{key: value for key, value in row.items() if key != "id"} for row in ROWS]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return writer(tmp_path, "rows.json")


FORMS: dict[str, str] = {
    "array on one line": json.dumps(ROWS),
    "array, indented": json.dumps(ROWS, indent=2),
    "array, a row a line": "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n",
    "array, the comma first": "\n\n  [" + "\r\n , ".join(map(json.dumps, ROWS)) + "]  \n",
    "objects, indented": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "objects, indented by tabs": "\r\n\r\n".join(json.dumps(row, indent="\t") for row in ROWS),
    "objects, not indented": "\n".join(json.dumps(row, indent=0) for row in ROWS),
    "objects, one after the other": "".join(map(json.dumps, ROWS)),
    "objects with all letters": "".join(json.dumps(row, ensure_ascii=False) for row in ROWS),
    "objects between spaces": " ".join(map(json.dumps, ROWS)) + "\n",
    "objects between carriage returns": "\r".join(map(json.dumps, ROWS)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.json.gz"])
def test_rows_are_read_however_they_are_laid_out(write: Write, form: str, name: str) -> None:
    content = ("\ufeff" + FORMS[form]).encode()
    path = write(gzip.compress(content) if name.endswith(".gz") else content, name)
    assert payloads(path) == PAYLOADS
    assert [row.id for row in read_rows(path) if isinstance(row, Row)] == [1, 2, 3, 4]


def test_a_row_has_the_line_that_it_begins_in(write: Write) -> None:
    array = '[\n {"id": 1},\n\n {\n "id": 2},\n {"id": 3}, {"id": 4}]'
    assert [row.line for row in read_rows(write(array))] == [2, 4, 6, 6]
    objects = '{\n  "id": 1\n}\n\n{\n  "id": 2\n}\n'
    assert [row.line for row in read_rows(write(objects))] == [1, 5]


def test_a_bad_row_of_an_array_is_left_out(write: Write) -> None:
    rows = list(
        read_rows(
            write('[{"id": 1}, 3, [{"id": 2}], "x",\n{"id": 4, "n": NaN},\n{"id": 5, "id": 6}, {"id": 7}]')
        )
    )
    assert [row.id for row in rows if isinstance(row, Row)] == [1, 7]
    reasons = [row.reason for row in rows if isinstance(row, BadRow)]
    assert reasons[:3] == ["a row has to be a JSON object"] * 3
    assert "`n` is NaN" in reasons[3] and "`id` is there twice" in reasons[4]


@pytest.mark.parametrize(
    ("rest", "line", "why"),
    [
        (',\n{"id": 2', 2, "does not end"),
        ('\n{"id": 2}]', 2, "`,` or `]` is missing"),
        (",\n]", 2, "no row after it"),
        ("]\nx", 2, "text after the array"),
        ("", 1, "the array does not end"),
        (',\n{"id": "2}\n]', 2, "does not end on its line"),
        (",\n,", 2, "a row is missing"),
        (',\n{"id": 2}}]', 2, "`,` or `]` is missing"),
    ],
)
def test_an_array_that_cannot_be_read_on_is_an_error_after_its_rows(
    write: Write, rest: str, line: int, why: str
) -> None:
    reader = read_rows(write('[{"id": 1}' + rest))
    assert next(reader) == Row(1, 1, {})
    error = fails("file-format", lambda: list(reader))
    assert f"line {line}:" in error.message and why in error.message


def test_after_a_broken_object_the_next_one_is_found(write: Write) -> None:
    good = json.dumps({"id": 1, "a": {"b": [{}]}}, indent=2)
    broken = [
        '{\n  "id": 2\n  "t": 3\n}',  # a comma is missing
        '{\n  "id": 3,\n  "t": "x\n}',  # a quote
        '{\n  "id": 4,\n  "t": {\n}',  # a bracket
        "nonsense",
        '{\n  "id": 5,\n  "t": NaN\n}',
    ]
    content = "\n".join([good, *(part for one in broken for part in (one, good))])
    rows = list(read_rows(write(content)))
    assert [type(row) for row in rows] == [Row, *([BadRow, Row] * len(broken))]
    starts = [n for n, line in enumerate(content.split("\n"), 1) if line in ("{", "nonsense")]
    assert [row.line for row in rows] == starts


def test_a_broken_first_line_is_a_bad_row_of_json_lines(write: Write) -> None:
    for first in ('{"id": 1', '{"id": 1,', '{"a": [1, '):
        rows = list(read_rows(write(first + '\n{"id": 2}\n{"id": 3}\n')))
        assert [type(row) for row in rows] == [BadRow, Row, Row]
        assert [row.line for row in rows] == [1, 2, 3]


def test_an_object_that_does_not_end_among_unindented_ones_is_an_error(write: Write) -> None:
    reader = read_rows(write('{"id": 1}{"id": 2}\n{"id": 3\n{"id": 4}\n'))
    assert [next(reader), next(reader)] == [Row(1, 1, {}), Row(1, 2, {})]
    assert "line 2:" in fails("file-format", lambda: list(reader)).message


def test_empty_arrays_have_no_rows(write: Write) -> None:
    assert payloads(write("[]")) == payloads(write(" [ \n ]\n")) == []


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("wrapped", [True, False])
def test_an_answer_of_qdrant_is_no_row(write: Write, indent: int | None, wrapped: bool) -> None:
    found: dict[str, Any] = {"points": [{"id": 1, "payload": {}}], "next_page_offset": None}
    answer = {"result": found, "status": "ok"} if wrapped else found
    error = fails("file-format", lambda: list(read_rows(write(json.dumps(answer, indent=indent)))))
    assert ("jq -c '.result.points[]'" if wrapped else "jq -c '.points[]'") in str(error.hint)
    # A row that happens to have such a field is one.
    assert payloads(write(json.dumps({"id": 1, "points": [{"x": 1}]}))) == [{"points": [{"x": 1}]}]


def test_values_that_span_pieces_of_the_file(write: Write) -> None:
    texts = ["é" * 70_000, '"' * 100_000, "\\" * 65_536, "x" * 3_000_000]
    rows = [{"t": text, "v": [0.5] * 10_000} for text in texts]
    for content in (json.dumps(rows), json.dumps(rows, ensure_ascii=False, indent=1)):
        assert payloads(write(content)) == rows


def test_other_encodings(write: Write) -> None:
    path = write(json.dumps([{"t": "é"}, {"t": "ü"}], ensure_ascii=False).encode("latin-1"))
    assert payloads(path, encoding="latin-1") == [{"t": "é"}, {"t": "ü"}]
    assert all("UTF-8" in row.reason for row in read_rows(path) if isinstance(row, BadRow))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('ab{}[]",: \n', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.dictionaries(st.text('xyz{}[]\\"', min_size=1, max_size=3), values, min_size=1, max_size=3),
        max_size=5,
    ),
    st.sampled_from([None, 0, 1, "\t"]),
    st.booleans(),
)
def test_any_rows_come_back(
    write: Write, rows: list[dict[str, Any]], indent: int | str | None, array: bool
) -> None:
    if array:
        content = json.dumps(rows, indent=indent)
    else:
        content = "\n".join(json.dumps(row, indent=indent) for row in rows)
    assert payloads(write(content)) == rows


@settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text('[]{}",:\n\\ 1aN', max_size=40), st.sampled_from(["[", "{\n ", '[{"a": 1},']))
def test_any_text_gives_rows_bad_rows_or_a_clear_error(write: Write, content: str, start: str) -> None:
    try:
        for row in read_rows(write(start + content)):
            assert isinstance(row, Row | BadRow)
    except QQLExecutionError as exc:
        assert exc.code in ("file-format", "file-encoding")


# ------------------------------------------------------------------------------------ bounds


def small(monkeypatch: pytest.MonkeyPatch, row: int, skipped: int) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", row)
    monkeypatch.setattr(lines, "MAX_SKIPPED_BYTES", skipped)


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.tsv", "r.jsonl.gz"])
def test_a_line_is_not_read_forever(write: Write, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    small(monkeypatch, 1 << 20, 3 << 20)
    head = b"id,t\n1,x\n" if "json" not in name else b'{"id": 1}\n'
    content = (head.replace(b",", b"\t") if "tsv" in name else head) + b"y" * (8 << 20)
    path = write(gzip.compress(content, 1) if name.endswith(".gz") else content, name)
    error = fails(
        "file-format",
        lambda: list(read_rows(path, types={"t": "string"} if "json" not in name else None)),
    )
    assert "is longer than 3 MiB" in error.message


def test_a_line_that_ends_before_that_is_a_bad_row_and_the_rest_goes_on(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, 1 << 20, 3 << 20)
    rows = list(read_rows(write(b'{"id": 1}\n' + b"y" * (3 << 20) + b'\n{"id": 3}\n', "r.jsonl")))
    assert [(type(row), row.line) for row in rows] == [(Row, 1), (BadRow, 2), (Row, 3)]


@pytest.mark.parametrize(
    "start", ['[{"id": 1}, {"t": "', '[{"id": 1}, {"t": [1, ', '{\n"id": 1\n}\n{\n"t": "', '[{"id": 1}, 1']
)
def test_a_value_is_not_read_forever(write: Write, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    small(monkeypatch, 1 << 20, 1 << 20)
    reader = read_rows(write(start + "1" * (6 << 20)))
    assert isinstance(next(reader), Row)
    error = fails("file-format", lambda: list(reader))
    assert "longer than 1 MiB" in error.message
    assert reader.bytes_read < 5 << 20


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
def test_devices_and_folders_are_refused_at_once(tmp_path: Path) -> None:
    for path, format in (("/dev/zero", "jsonl"), ("/dev/urandom", "csv"), ("/dev/zero", "parquet")):
        error = fails("file-unreadable", lambda p=path, f=format: read_rows(p, format=f))
        assert f"{path} is a device" in error.message
    assert "folder" in fails("file-unreadable", lambda: read_rows(tmp_path, format="json")).message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_waits_for_its_writer_only_when_it_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "rows.json"
    os.mkfifo(pipe)
    with read_rows(pipe) as reader:
        assert reader.total is None and reader.bytes_read == 0
    reader = read_rows(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text('[{"id": 1},\n{"id": 2}]', encoding="utf-8"))
    writer.start()
    assert list(reader) == [Row(1, 1, {}), Row(2, 2, {})]
    writer.join()


def test_rows_that_nest_too_deep_are_bad_and_far_too_deep_ones_end_an_array(write: Write) -> None:
    def nested(levels: int) -> str:
        return '[{"id": 1}, {"a": ' + "[" * levels + "]" * levels + '}, {"id": 3}]'

    assert [type(row) for row in read_rows(write(nested(199)))] == [Row, Row, Row]
    rows = list(read_rows(write(nested(5_000))))
    assert [type(row) for row in rows] == [Row, BadRow, Row]
    assert isinstance(rows[1], BadRow) and "nested deeper than 200" in rows[1].reason
    assert "far too deep" in fails("file-format", lambda: list(read_rows(write(nested(200_000))))).message
