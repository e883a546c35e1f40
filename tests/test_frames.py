"""Frames of pandas, polars and pyarrow hold what the command writes as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow
import pytest
from conftest import ROOT, examples
from hypothesis import given, settings
from hypothesis import strategies as st

import qql
from qql.cli import main
from qql.frames.shapes import ListOf, Shape, StructOf, typed
from qql.result import Hit, Result

UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
SCRIPT = f"""
CREATE COLLECTION docs (dense VECTOR(2, DOT), words SPARSE, late VECTOR(2, DOT) WITH MULTIVECTOR ());
UPSERT INTO docs VALUES
  {{id: 1, vector: {{dense: [1, 0], words: {{indices: [1, 7], values: [0.5, 2]}}, late: [[1, 0], [0, 1]]}},
    payload: {{title: 'é', year: 2020, at: '2024-01-02T03:04:05Z', tags: ['a', 'b'], mixed: 1,
              author: {{name: 'A', born: 1950}}, done: true, id: 77, score: 'high', vector: 'up'}}}},
  {{id: '{UUID}', vector: {{dense: [0.5, 0]}},
    payload: {{title: 'b', year: 18446744073709551615, price: 2.5, tags: [], mixed: 'x',
              author: {{name: 'B', towns: ['X']}}, 'payload.id': 78, 'vector.dense': [9], empty: {{}}}}}},
  {{id: 3, vector: {{dense: [0.25, 0]}}, payload: {{price: 2, gone: null, mixed: [1, 'y'], done: false}}}};
"""
QUERY = "QUERY [1, 0] FROM docs USING dense WITH VECTOR true LIMIT 5"


def records(frame: Any) -> list[dict[str, Any]]:
    """The rows of a frame of any of the three."""
    if isinstance(frame, pandas.DataFrame):
        found: list[dict[str, Any]] = []
        for row in frame.astype(object).to_dict("records"):
            found.append({str(k): None if v is pandas.NA or v != v else v for k, v in row.items()})
        return found
    return frame.to_dicts() if isinstance(frame, polars.DataFrame) else frame.to_pylist()


def plain(value: Any) -> Any:
    """Without nulls: a frame has them for what is not there, too."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if one is not None}
    return [plain(one) for one in value] if isinstance(value, list) else value


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a frame as the hit that the command writes: by the names that the documentation gives."""
    hit: dict[str, Any] = {"payload": {}, "vector": {}}
    for name, value in plain(row).items():
        if name in ("id", "score"):
            hit[name] = value
        elif name.startswith("vector."):
            hit["vector"][name.removeprefix("vector.")] = value
        else:
            hit["payload"][name.removeprefix("payload.")] = value
    return hit


@pytest.mark.parametrize("form", ["to_pandas", "to_polars", "to_arrow"])
def test_a_frame_holds_what_the_command_writes(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "db")
    main(["--db", target, "-c", SCRIPT, "--quiet"])
    capsys.readouterr()
    main(["--db", target, "-c", QUERY, "--format", "json"])
    written = json.loads(capsys.readouterr().out)
    assert len(written) == 3
    with qql.connect(target) as db:
        found = [as_json(row) for row in records(getattr(db.execute(QUERY), form)())]
    for hit, row in zip(written, found, strict=True):
        hit["id"] = str(hit["id"])  # ids of both kinds are text
        if form != "to_pandas":  # values without a common type are JSON
            for field in {"mixed", "empty"} & set(row["payload"]):
                row["payload"][field] = json.loads(row["payload"][field])
        assert row == plain(hit)


def test_types_of_columns() -> None:
    hits = [
        Hit(1, 0.5, {"n": 1, "m": 2, "f": 1, "t": "a", "b": True, "big": 2**63, "o": {"x": 1}, "l": [1]}),
        Hit(2, None, {"n": 2, "f": 1.5, "b": False, "big": 1, "o": {"y": "z"}, "l": [2.5]}),
    ]
    result = Result("hits", hits=hits)
    assert result.to_pandas().dtypes.astype(str).to_dict() | {"t": ""} == {
        "id": "int64",
        "score": "float64",
        "n": "int64",
        "m": "Int64",
        "f": "float64",
        "t": "",
        "b": "bool",
        "big": "uint64",
        "o": "object",
        "l": "object",
    }
    assert dict(result.to_polars().schema) == {
        "id": polars.Int64,
        "score": polars.Float64,
        "n": polars.Int64,
        "m": polars.Int64,
        "f": polars.Float64,
        "t": polars.String,
        "b": polars.Boolean,
        "big": polars.UInt64,
        "o": polars.Struct({"x": polars.Int64, "y": polars.String}),
        "l": polars.List(polars.Float64),
    }
    assert result.to_arrow().schema.field("o").type == pyarrow.struct(
        {"x": pyarrow.int64(), "y": pyarrow.string()}.items()
    )


def test_integers_that_a_float_cannot_hold_are_kept() -> None:
    result = Result("rows", rows=[{"n": 2**60 + 1}, {"n": 0.5}])
    assert [json.loads(text) for text in result.to_polars()["n"]] == [2**60 + 1, 0.5]
    assert list(result.to_pandas()["n"]) == [2**60 + 1, 0.5]
    result = Result("rows", rows=[{"n": 2**60 + 1}, {"n": None}])
    assert result.to_pandas()["n"][0] == 2**60 + 1


def test_unnamed_vectors_are_one_column() -> None:
    frame = Result("hits", hits=[Hit(1, vector=[0.5, 1.0])]).to_polars()
    assert frame.to_dicts() == [{"id": 1, "vector": [0.5, 1.0]}]


@pytest.mark.parametrize("form", ["to_pandas", "to_polars", "to_arrow"])
def test_columns_are_there_without_rows(form: str) -> None:
    for result, wanted in ((Result("hits"), ["id", "score"]), (Result("hits", paged=True), ["id"])):
        frame = getattr(result, form)()
        assert [*(frame.column_names if form == "to_arrow" else frame.columns)] == wanted
        assert len(frame) == 0


@pytest.mark.parametrize("form", ["to_pandas", "to_polars", "to_arrow"])
@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        ("FACET city FROM docs", ["value", "count"]),
        ("MATRIX FROM docs USING v", ["a", "b", "score"]),
        ("SHOW STAGES", ["stage", "definition"]),
        ("SHOW ALIASES", ["alias", "collection"]),
        ("SHOW INDEXES ON docs", ["field", "type", "options", "points"]),
        ("BATCH { QUERY [1, 0] FROM docs; }", ["query", "id", "score"]),
    ],
)
def test_rows_that_are_none_have_their_columns(form: str, statement: str, columns: list[str]) -> None:
    with qql.connect(":memory:") as db:
        db.execute("CREATE COLLECTION docs (v VECTOR(2, DOT))")
        frame = getattr(db.execute(statement), form)()
    names = frame.column_names if form == "to_arrow" else list(frame.columns)
    assert (names, len(frame)) == (columns, 0)


def test_groups_stages_and_both_scores_have_columns() -> None:
    hits = [Hit(1, 2.0, {"group": "own"}, group="a", lookup={"id": 5}, first_stage_score=0.5)]
    assert Result("hits", hits=hits).to_polars().to_dicts() == [
        {
            "group": "a",
            "id": 1,
            "score": 2.0,
            "first_stage_score": 0.5,
            "payload.group": "own",
            "lookup": {"id": 5},
        }
    ]


def test_a_batch_has_the_columns_of_a_query() -> None:
    with qql.connect() as db:
        db.run(SCRIPT)
        one = "QUERY [1, 0] FROM docs USING dense LIMIT 1"
        frame = db.execute(f"BATCH {{ {one}; {one}; }}").to_polars()
    assert frame["query"].to_list() == [1, 2]
    assert frame.columns[:4] == ["query", "id", "score", "title"]
    assert frame["payload.id"].to_list() == [77, 77]


def test_rows_of_other_statements_are_frames() -> None:
    with qql.connect() as db:
        db.run(SCRIPT)
        assert db.execute("COUNT FROM docs").to_pandas().to_dict("list") == {"count": [3]}
        assert db.execute("SHOW COLLECTIONS").to_arrow().to_pylist() == db.execute("SHOW COLLECTIONS").rows


TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
NAMES = st.sampled_from("xyz")
PAYLOADS = st.dictionaries(
    st.sampled_from(["id", "score", "payload", "payload.id", "vector", "vector.a", "a", "", "b c", "stages"]),
    st.recursive(
        st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=5,
)


@given(st.lists(PAYLOADS, min_size=1, max_size=4))
@settings(max_examples=examples(300), deadline=None)
def test_no_value_is_lost(payloads: list[dict[str, Any]]) -> None:
    """Each value of each payload is found again by the type of its column."""
    result = Result("hits", hits=[Hit(at, payload=payload) for at, payload in enumerate(payloads)])
    for frame in (result.to_polars(), result.to_arrow()):
        found: list[dict[str, Any]] = [{} for _ in payloads]
        for field in {field for payload in payloads for field in payload}:
            own = field in ("id", "score", "payload", "vector", "stages")
            name = f"payload.{field}" if own or field.startswith(("payload.", "vector.")) else field
            shape, _ = typed([payload.get(field) for payload in payloads])
            column = frame[name].to_list() if isinstance(frame, polars.DataFrame) else frame[name].to_pylist()
            for at, value in enumerate(column):
                if value is not None:
                    found[at][field] = unpacked(shape, value)
        assert found == payloads
    for row, payload in zip(records(result.to_pandas()), payloads, strict=True):
        assert [v for v in row.values() if v is not None][1:] == [
            payload[key] for key in order(payloads) if key in payload
        ]


def order(payloads: list[dict[str, Any]]) -> list[str]:
    """The fields of payloads as they are met."""
    return [*dict.fromkeys(field for payload in payloads for field in payload)]


def unpacked(shape: Shape, value: Any) -> Any:
    """A value of a frame as JSON has it."""
    match shape:
        case StructOf():
            return {key: unpacked(shape.fields[key], one) for key, one in value.items() if one is not None}
        case ListOf():
            return [unpacked(shape.item, one) for one in value]
    return json.loads(value) if getattr(shape.convert, "__name__", "") == "_json" else value


@pytest.mark.parametrize(
    ("form", "package", "extra"),
    [("to_pandas", "pandas", "pandas"), ("to_polars", "polars", "polars"), ("to_arrow", "pyarrow", "arrow")],
)
def test_a_missing_library_is_named_with_what_installs_it(form: str, package: str, extra: str) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import qql; from qql.result import Hit\n"
        f"try: qql.Result('hits', hits=[Hit(1)]).{form}()\n"
        "except qql.QQLError as error: print(error.code, error.message, error.hint, sep='|')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert done.stdout.strip() == (
        f'missing-library|{form}() needs {package}, which is not installed|pip install "qql-lang[{extra}]"'
    )


def test_each_extra_that_is_named_exists() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"pandas", "polars", "arrow", "notebook"} <= set(extras["optional-dependencies"])


@pytest.mark.parametrize(("form", "others"), [("to_pandas", "polars"), ("to_polars", "pandas")])
def test_a_frame_asks_for_no_other_library(form: str, others: str) -> None:
    program = (
        "import sys; from qql.result import Hit, Result\n"
        f"Result('hits', hits=[Hit(1, 0.5, {{'a': 'b'}})]).{form}()\n"
        f"print({others!r} in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert done.stdout.strip() == "False"
