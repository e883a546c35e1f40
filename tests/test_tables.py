"""CSV and TSV in the dialects that people have: types of columns, delimiters, headers, quotes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from row_file_helpers import Write, writer

import qql
from qql.compiler.bind import stable_uuid
from qql.errors import QQLExecutionError
from qql.session.row_files import BadRow, Row, RowReader, read_rows
from qql.session.row_files import records as records_module


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return writer(tmp_path, "rows.csv")


def read(path: Path, **more: Any) -> tuple[list[dict[str, Any]], RowReader]:
    """The payloads of a file without bad rows, and its reader."""
    reader = read_rows(path, **more)
    rows = list(reader)
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.payload for row in rows if isinstance(row, Row)], reader


def column(write: Write, *cells: str, delimiter: str = ",", **more: Any) -> list[Any]:
    """The values of a column beside another that has a text in each row; None where there is none."""
    lines = [f"c{delimiter}d", *(f"{cell}{delimiter}x" for cell in cells)]
    return [payload.get("c") for payload in read(write("\n".join(lines)), **more)[0]]


def fails(code: str, call: Callable[[], Any]) -> QQLExecutionError:
    with pytest.raises(QQLExecutionError) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value


# ------------------------------------------------------------------------------------ types of columns


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["0.5", "1e-05", "1.5e-05", "1E3"], [0.5, 1e-05, 1.5e-05, 1000.0]),
        (["1", "1E3"], [1.0, 1000.0]),
        (["1e5", "2e3"], ["1e5", "2e3"]),
        (["1.5e3", "2.5e3"], [1500.0, 2500.0]),
        (["007", "12"], ["007", "12"]),
        (["1e5", "007", "12"], ["1e5", "007", "12"]),
        (["12", "abc"], ["12", "abc"]),
        (["12", "", "-3"], [12, None, -3]),
        (["1", "2.0"], [1.0, 2.0]),
        (["9007199254740993", "0.5"], [9007199254740993, 0.5]),
        (["9223372036854775807", "1"], [2**63 - 1, 1]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["1", "+1"], ["1", "+1"]),
        (["1", "1_000"], ["1", "1_000"]),
        (["1", "0x10"], ["1", "0x10"]),
        (["1", " 2"], ["1", " 2"]),
        (["1", "1e999"], ["1", "1e999"]),
        (["1", "1" * 5_000], ["1", "1" * 5_000]),
        (["1.5", "-0"], [1.5, -0.0]),
        (["true", "FALSE"], [True, False]),
        (["true", "yes"], ["true", "yes"]),
        (["true", "1"], ["true", "1"]),
        (["nan", "inf"], ["nan", "inf"]),
        (["NULL", "NA"], ["NULL", "NA"]),
        (["nan", "x"], ["nan", "x"]),
    ],
)
def test_a_column_has_one_type(write: Write, cells: list[str], values: list[Any]) -> None:
    found = column(write, *cells)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_the_last_cell_of_a_long_file_decides_as_well(write: Write) -> None:
    numbers = [str(n) for n in range(5_000)]
    assert column(write, *numbers) == list(range(5_000))
    assert column(write, *numbers, "0.5") == [*map(float, range(5_000)), 0.5]
    assert column(write, *numbers, "x") == [*numbers, "x"]
    assert column(write, "0.5", *numbers, "1e2", "") == [0.5, *map(float, range(5_000)), 100.0, None]


def test_a_text_after_many_numbers_is_told(write: Write) -> None:
    path = write("price\n" + "5\n" * 50 + "free\n5\n")
    [note] = read(path)[1].notes
    assert "`price`" in note and "'free' in line 52" in note
    assert read(write("sku\n5\nfree\n"))[1].notes == []


@pytest.mark.parametrize("word", ["NaN", "nan", "-inf", "Infinity"])
def test_no_number_among_numbers_is_a_bad_row_that_names_its_column(write: Write, word: str) -> None:
    rows = list(read_rows(write(f"id,cost\n1,0.5\n2,{word}\n3,1\n")))
    assert isinstance(rows[1], BadRow)
    assert rows[1].line == 3 and f"column `cost`: '{word}' is no number" in rows[1].reason
    assert [row.payload for row in rows if isinstance(row, Row)] == [{"cost": 0.5}, {"cost": 1.0}]


@pytest.mark.parametrize("word", ["NULL", "null", "NA", "N/A", "None", "\\N"])
def test_words_for_no_value_are_null_among_numbers_and_bools_and_told(write: Write, word: str) -> None:
    path = write(f"n,ok,text\n1,true,x\n{word},{word},{word}\n")
    payloads, reader = read(path)
    assert payloads[1] == {"n": None, "ok": None, "text": word}
    assert [
        f"`{name}`" in note and "line 3" in note for name, note in zip(("n", "ok"), reader.notes, strict=True)
    ]
    assert read(path, columns=[("n", "string"), ("ok", "string")])[0][1] == {
        "n": word,
        "ok": word,
        "text": word,
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_cell_by_cell(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("a,b\n1,1e5\nx,0.5\n", encoding="utf-8"))
    writer.start()
    reader = read_rows(pipe, columns=[("b", "float")])
    rows = list(reader)
    writer.join()
    assert [row.payload for row in rows if isinstance(row, Row)] == [{"a": 1, "b": 1e5}, {"a": "x", "b": 0.5}]


def test_keys_that_become_uuids_are_integers_or_texts(write: Write) -> None:
    def keys(*cells: str) -> list[Any]:
        path = write("\n".join(["key,t", *(f"{cell},x" for cell in cells)]))
        rows = [row for row in read_rows(path, fields={"id": "key"}, id_uuid=True) if isinstance(row, Row)]
        assert [row.id for row in rows] == [stable_uuid(cell) for cell in cells]
        return [row.payload["key"] for row in rows]

    assert keys("1", "2") == [1, 2]
    assert keys("1", "a") == ["1", "a"]
    assert keys("1", "1.50") == ["1", "1.50"]
    assert keys("true", "false") == ["true", "false"]


def test_a_file_that_grows_while_it_is_read_has_bad_rows(write: Write) -> None:
    path = write("id,n\n1,5\n")
    reader = read_rows(path)
    next(reader)
    again = reader.again()
    path.write_text("id,n\n1,5\n2,x\n", encoding="utf-8")
    rows = list(again)
    assert rows[0] == Row(2, 1, {"n": 5})
    assert isinstance(rows[1], BadRow) and "column `n`: 'x'" in rows[1].reason


def test_copy_finds_numbers_in_every_column_of_them(tmp_path: Path) -> None:
    table, other = tmp_path / "a.csv", tmp_path / "b.csv"
    table.write_text("id,sku,cost\n1,1e5,0.5\n2,007,1e-05\n3,12,1E3\n", encoding="utf-8")
    other.write_text("id;sku;cost\n4;a, b;3,5\n", encoding="utf-8")
    with qql.connect() as db:
        db.execute("CREATE COLLECTION docs (v VECTOR(2, DOT))")
        for path in (table, other):
            db.execute("COPY docs FROM :path", {"path": str(path)})
        assert db.execute("COUNT FROM docs WHERE cost < 1").rows[0]["count"] == 2
        assert db.execute("COUNT FROM docs WHERE cost BETWEEN 3.5 AND 1000").rows[0]["count"] == 2
        assert db.execute("COUNT FROM docs WHERE sku IN ('1e5', '007', '12', 'a, b')").rows[0]["count"] == 4


# ------------------------------------------------------------------------------------ delimiters


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_found_and_told(write: Write, delimiter: str) -> None:
    content = 'id;text;cost\r\n1;a, b;3.5\r\n2;"x;y";4\r\n'.replace(";", delimiter)
    payloads, reader = read(write("\ufeff" + content))
    assert payloads == [{"text": "a, b", "cost": 3.5}, {"text": f"x{delimiter}y", "cost": 4.0}]
    [note] = reader.notes
    assert "DELIMITER ','" in note


def test_a_comma_is_the_delimiter_where_it_can_be(write: Write) -> None:
    content = "id,a;b\n1,x;y\n2,z;w\n"
    assert read(write(content))[0] == [{"a;b": "x;y"}, {"a;b": "z;w"}]
    assert read(write('id,"a;b"\n1,2\n'))[1].notes == []
    # Nothing but semicolons gives each row as many cells.
    assert read(write("id;price, EUR;t\n1;2;x, y, z\n"))[0] == [{"price, EUR": 2, "t": "x, y, z"}]


def test_commas_in_a_tsv_of_texts_are_no_delimiters(write: Write) -> None:
    path = write("Hello, world\nall on its own\n", "r.tsv")
    assert read(path, columns=[("t", None)])[0] == [{"t": "Hello, world"}, {"t": "all on its own"}]


@pytest.mark.parametrize(("name", "hint"), [("r.csv", "DELIMITER ';'"), ("r.tsv", "DELIMITER ','")])
def test_a_header_of_one_cell_that_may_be_several_is_an_error(write: Write, name: str, hint: str) -> None:
    content = "a;b\n1\n" if name == "r.csv" else "a,b\n1,2\n"
    error = fails("file-format", lambda: list(read_rows(write(content, name))))
    assert hint in str(error.hint)
    usual = "," if name == "r.csv" else "\t"
    assert list(read(write(content, name), delimiter=usual)[0][0]) == [content.split("\n")[0]]


def test_a_spreadsheet_may_name_its_delimiter(write: Write) -> None:
    for line in ("sep=;\r\n", "\ufeffsep=;\r\n", '"SEP=;"\n'):
        reader = read_rows(write(f"{line}id;a,b;n\r\n1;x,y;3,5\r\n"))
        expected = [Row(3, 1, {"a,b": "x,y", "n": 3.5})]
        assert list(reader) == list(reader.again()) == expected
        assert reader.notes == []
    assert read(write("sep\n5\n"))[0] == [{"sep": 5}]


def test_a_delimiter_that_is_given(write: Write) -> None:
    path = write("id:text\n1:a,b\n")
    assert read(path, delimiter=":")[0] == [{"text": "a,b"}]
    for delimiter in ("", ",,", '"', "\n"):
        fails("bad-delimiter", lambda d=delimiter: read_rows(path, delimiter=d))


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["3,5", "4"], [3.5, 4.0]),
        (["-0,125", "1,500"], [-0.125, 1.5]),
        (["1,234", "2,5"], [1.234, 2.5]),
        (["3,5", "1e2"], [3.5, 100.0]),
        (["3,5", "abc"], ["3,5", "abc"]),
        (["03,5", "1,5"], ["03,5", "1,5"]),
    ],
)
def test_decimal_commas(write: Write, cells: list[str], values: list[Any]) -> None:
    assert column(write, *cells, delimiter=";") == values


@pytest.mark.parametrize("cells", [["1,234", "2,500"], ["1.234,5", "2,5"], ["1,234", "3.5"], ["1,5", "3.5"]])
def test_commas_that_may_be_something_else_stay_and_are_told(write: Write, cells: list[str]) -> None:
    path = write("\n".join(["c;d", *(f"{cell};x" for cell in cells)]))
    payloads, reader = read(path)
    assert [payload["c"] for payload in payloads] == cells
    assert "`c`" in reader.notes[-1] and "COLUMNS (c FLOAT)" in reader.notes[-1]


def test_a_quoted_comma_between_commas_is_a_text(write: Write) -> None:
    assert column(write, '"3,5"', '"4,5"') == ["3,5", "4,5"]
    assert column(write, "3,5", "1,234", delimiter=";", columns=[("c", "float")]) == [3.5, 1.234]


# ------------------------------------------------------------------------------------ headers


def test_columns_name_what_a_file_without_a_header_has(write: Write) -> None:
    path = write("0\tone small passage\n1\tanother small passage\n", "passages.tsv")
    error = fails("file-format", lambda: list(read_rows(path)))
    assert "COLUMNS (id, text)" in str(error.hint) and "HEADER true" in str(error.hint)
    rows = list(read_rows(path, columns=[("id", None), ("text", "string")]))
    assert rows == [Row(1, 0, {"text": "one small passage"}), Row(2, 1, {"text": "another small passage"})]
    assert read(path, header=True)[0] == [{"0": 1, "one small passage": "another small passage"}]
    assert read(path, header=False)[0][0] == {"column1": 0, "column2": "one small passage"}


def test_columns_give_types_to_some_of_a_header(write: Write) -> None:
    path = write("sku,price,n\n12,3,4\n")
    [payload], _ = read(path, columns=[("sku", "string"), ("price", "float")])
    assert payload == {"sku": "12", "price": 3.0, "n": 4} and isinstance(payload["price"], float)
    rows = list(read_rows(write("sku,n\nx,1\n"), columns=[("sku", "integer")]))
    assert isinstance(rows[0], BadRow) and "column `sku`: 'x' is not an integer" in rows[0].reason


@pytest.mark.parametrize(
    ("names", "header"),
    [(("id",), None), (("id", "b", "c"), None), (("ID", "Text"), None), (("x", "y"), True), (("x",), False)],
)
def test_columns_that_do_not_fit_the_file_are_an_error_with_both(
    write: Write, names: tuple[str, ...], header: bool | None
) -> None:
    path = write("id,text\n1,x\n") if names[0] == "ID" else write("0,one\n1,two\n")
    columns = [(name, None) for name in names]
    error = fails("unknown-column", lambda: list(read_rows(path, columns=columns, header=header)))
    assert ", ".join(names) in error.message and ("'0'" in error.message or "'id'" in error.message)


def test_columns_of_other_formats_and_wrong_ones_are_refused(write: Write) -> None:
    path = write('{"a": 1}\n', "rows.jsonl")
    for more in ({"columns": [("a", None)]}, {"delimiter": ";"}, {"header": False}):
        assert "CSV and TSV" in fails("bad-columns", lambda m=more: read_rows(path, **m)).message
    fails("bad-columns", lambda: read_rows(write("a,b\n"), columns=[("a", None), ("a", None)]))
    fails("unknown-type", lambda: read_rows(write("a,b\n"), columns=[("a", "money")]))


@pytest.mark.parametrize("first", ["5,x", "x,0.5", "x," + "long " * 30, 'a,"[0.5, 1]"'])
def test_a_first_line_that_looks_like_a_row_is_no_header(write: Write, first: str) -> None:
    path = write(f"{first}\n1,2\n")
    assert "COLUMNS (id, text)" in str(fails("file-format", lambda: list(read_rows(path))).hint)
    assert len(read(path, header=True)[0]) == 1


def test_a_first_line_of_names_that_columns_do_not_have_is_a_row_and_told(write: Write) -> None:
    path = write("Key,Title\na,b\n")
    columns = [("id", None), ("text", None)]
    payloads, reader = read(path, columns=columns, fields={"payload": ("text",), "id": "id"}, id_uuid=True)
    assert payloads == [{"text": "Title"}, {"text": "b"}]
    assert "'Key', 'Title'" in reader.notes[0] and "HEADER false" in reader.notes[0]
    assert read(path, columns=[("k", None), ("t", None)], header=False)[1].notes == []


def test_years_may_be_names_and_are_told(write: Write) -> None:
    payloads, reader = read(write("country,2019,2020\nDE,1,2\n"))
    assert payloads == [{"country": "DE", "2019": 1, "2020": 2}]
    assert "HEADER false" in reader.notes[0]


def test_an_empty_file_with_columns_has_no_rows(write: Write) -> None:
    assert read(write(""), columns=[("a", None)])[0] == []


# ------------------------------------------------------------------------------------ lines and quotes


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_all_line_ends(write: Write, end: str, delimiter: str) -> None:
    content = end.join(["id,t", "1,x", "", "2,y"]).replace(",", delimiter)
    name = "r.csv" if delimiter == "," else "r.tsv"
    assert list(read_rows(write(content, name))) == [Row(2, 1, {"t": "x"}), Row(4, 2, {"t": "y"})]


def test_long_lines_that_end_with_cr(write: Write) -> None:
    texts = ["x" * size for size in (10, 100_000, 70_000, 5)]
    path = write("t\r" + "\r".join(texts))
    assert [payload["t"] for payload in read(path)[0]] == texts


def test_quotes_in_a_tsv_are_texts_unless_they_are_around_a_cell(write: Write) -> None:
    texts = ['"Quoted" he said', 'she said "no"', '"open', 'x "y"', '"']
    lines = ["id\ttext", *(f"{n}\t{text}" for n, text in enumerate(texts))]
    payloads, _ = read(write("\n".join([*lines, '9\t"a ""b"" c"']) + "\n", "r.tsv"))
    assert [payload["text"] for payload in payloads] == [*texts, 'a "b" c']


def test_quoted_cells_of_a_tsv_hold_tabs_and_line_ends(write: Write) -> None:
    path = write('id\ttext\tn\n1\t"two\nlines"\t3\n2\t"tab\tin"\t4\n3\tx\t"1\n2"\n', "r.tsv")
    rows = list(read_rows(path))
    assert [(row.line, row.payload["text"]) for row in rows if isinstance(row, Row)] == [
        (2, "two\nlines"),
        (4, "tab\tin"),
        (5, "x"),
    ]


def test_an_open_quote_in_a_tsv_takes_no_other_rows_along(write: Write) -> None:
    rows = list(read_rows(write('id\ttext\tn\n1\t"open\n2\ty\tz\n3\t"y\t"z"\n', "r.tsv")))
    assert [type(row) for row in rows] == [BadRow, Row, Row]
    assert [row.line for row in rows] == [2, 3, 4]


def test_records_of_too_many_cells_are_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "MAX_CELLS", 10)
    rows = list(read_rows(write("a,b\n1,2\n" + "," * 30 + "\n3,4\n")))
    assert [type(row) for row in rows] == [Row, BadRow, Row]
    assert isinstance(rows[1], BadRow) and "more than 10 cells" in rows[1].reason
    fails("file-format", lambda: list(read_rows(write("," * 30 + "\n"))))


def test_utf_16_without_a_mark_is_named(write: Write) -> None:
    for content in ("id,text\n1,x\n".encode("utf-16-le"), "id,text\n1,x\n".encode("utf-16-be")):
        assert "iconv" in str(fails("file-encoding", lambda c=content: list(read_rows(write(c)))).hint)
