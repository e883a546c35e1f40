"""A result as a value: a list of hits or rows, single values, groups; what is said where there are none."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

import qql
from qql.errors import Diagnostic
from qql.records import replace
from qql.result import Group, Hit, Result

HITS = [Hit(1, 0.5, {"title": "a"}), Hit(2, 0.25, {"title": "b"}), Hit(3, 0.125, {})]


@pytest.fixture(scope="module")
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run("""
            CREATE COLLECTION docs (v VECTOR(2, DOT));
            CREATE COLLECTION topics (v VECTOR(2, DOT));
            UPSERT INTO docs VALUES
                {id: 1, topic: 'a', v: [4, 0]}, {id: 2, topic: 'b', v: [3, 0]},
                {id: 3, topic: 'a', v: [2, 0]}, {id: 4, topic: 7, v: [1, 0]};
        """)
        yield session


def message() -> Result:
    return Result("message", "CREATE COLLECTION docs", message="created collection docs")


def text() -> Result:
    return Result("text", "EXPLAIN COUNT FROM docs", message="request\nPOST", data={"requests": []})


def rows(*found: dict[str, object]) -> Result:
    return Result("rows", "SHOW COLLECTIONS", rows=[*found])


# ------------------------------------------------------------------------------------ a list


def test_hits_are_read_as_a_list_is() -> None:
    result = Result("hits", hits=HITS)
    assert (len(result), [*result], result[0], result[-1]) == (3, HITS, HITS[0], HITS[2])
    assert result[:2] == HITS[:2] and isinstance(result[:2], list)
    assert HITS[1] in result
    with pytest.raises(IndexError):
        result[3]


def test_rows_are_read_as_a_list_is() -> None:
    result = rows({"collection": "a"}, {"collection": "b"})
    assert (len(result), [*result], result[1]["collection"]) == (2, result.rows, "b")
    assert result[1:] == [{"collection": "b"}]


def test_a_hit_gives_the_fields_of_its_payload_by_name() -> None:
    assert HITS[0]["title"] == "a"
    with pytest.raises(KeyError, match="title"):
        HITS[2]["title"]
    with pytest.raises(KeyError, match="WITH PAYLOAD"):
        Hit(1)["title"]
    assert "title" in HITS[0] and "title" not in HITS[2] and "title" not in Hit(1)
    assert [hit.get("title", "none") for hit in (*HITS[1:], Hit(4))] == ["b", "none", "none"]
    with pytest.raises(TypeError, match="not iterable"):
        iter(HITS[0])


@pytest.mark.parametrize(
    ("result", "truth"),
    [
        (Result("hits"), False),
        (Result("hits", hits=HITS), True),
        (rows(), False),
        (rows({"count": 0}), True),
        (message(), True),
        (text(), True),
    ],
)
def test_a_result_is_false_where_it_is_an_empty_list(result: Result, truth: bool) -> None:
    assert bool(result) is truth


def test_what_statements_give_is_true_or_false_as_said(db: qql.Session) -> None:
    assert db.execute("USE docs")
    assert db.execute("EXPLAIN COUNT FROM docs")
    assert db.execute("COUNT FROM docs WHERE topic = 'none'")  # one row, that says 0
    assert not db.execute("QUERY [1, 0] FROM docs WHERE topic = 'none'")


# ------------------------------------------------------------------------------------ single values


def test_the_first_of_hits_and_rows() -> None:
    assert Result("hits", hits=HITS).first() is HITS[0]
    assert rows({"count": 3}).first() == {"count": 3}
    assert Result("hits").first() is None
    assert rows().first() is None


def test_scalar_is_the_value_of_count(db: qql.Session) -> None:
    assert db.execute("COUNT FROM docs WHERE topic = 'a'").scalar() == 2
    assert rows({"count": 0}).scalar() == 0


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (rows(), "and the result of `SHOW COLLECTIONS` has 0 rows"),
        (rows({"a": 1}, {"a": 2}), "has 2 rows of 1 column"),
        (rows({"collection": "docs", "exists": True}), "has 1 row of 2 columns"),
    ],
)
def test_scalar_takes_one_row_of_one_column(result: Result, said: str) -> None:
    with pytest.raises(qql.QQLExecutionError) as caught:
        result.scalar()
    assert caught.value.code == "no-single-value" and said in caught.value.message


def test_the_hint_of_scalar_gives_a_value(db: qql.Session) -> None:
    result = db.execute("EXISTS COLLECTION docs")
    with pytest.raises(qql.QQLExecutionError) as caught:
        result.scalar()
    code, _, _ = str(caught.value.hint).removeprefix("`").partition("`")
    assert eval(code, {"result": result}) is True


@pytest.mark.parametrize("asked", ["first", "scalar", "to_pandas", "to_polars", "to_arrow"])
@pytest.mark.parametrize("result", [message(), text()], ids=["message", "text"])
def test_what_needs_rows_says_that_there_are_none_and_where_to_look(asked: str, result: Result) -> None:
    with pytest.raises(qql.QQLExecutionError) as caught:
        getattr(result, asked)()
    error = caught.value
    assert error.code == "wrong-kind"
    assert error.message == (
        f"{asked}() takes {'rows' if asked == 'scalar' else 'hits or rows'}, and the result of "
        f"`{result.statement}` is a {result.kind}"
    )
    assert "result.message" in str(error.hint)


def test_a_text_with_data_has_it_as_a_row(db: qql.Session) -> None:
    result = db.execute("EXPLAIN FORMAT json COUNT FROM docs")
    assert (result.kind, len(result), bool(result)) == ("text", 1, True)
    assert result[0] == result.first() == result.rows[0]


def test_a_message_has_no_places() -> None:
    with pytest.raises(qql.QQLExecutionError, match=r"an index takes hits or rows, and .* is a message"):
        message()[0]
    assert [*message()] == [] and len(message()) == 0


def test_scalar_of_hits_says_what_counts() -> None:
    with pytest.raises(
        qql.QQLExecutionError, match="scalar\\(\\) takes rows, and this result is hits"
    ) as caught:
        Result("hits", hits=HITS).scalar()
    assert "COUNT" in str(caught.value.hint)


# ------------------------------------------------------------------------------------ groups


def test_groups_have_the_hits_that_stand_in_a_row_in_hits(db: qql.Session) -> None:
    result = db.execute("QUERY [1, 0] FROM docs GROUP BY topic SIZE 2")
    groups = {group.value: [hit.id for hit in group] for group in result.groups}
    assert groups == {"a": [1, 3], "b": [2], 7: [4]}
    assert [hit for group in result.groups for hit in group] == result.hits == [*result]
    assert [len(group) for group in result.groups] == [2, 1, 1]


def test_groups_of_none_are_none(db: qql.Session) -> None:
    assert db.execute("QUERY [1, 0] FROM docs WHERE topic = 'none' GROUP BY topic").groups == []


def test_a_group_has_what_was_looked_up_for_it() -> None:
    found = {"id": "a", "payload": {"name": "A"}}
    hits = [Hit(1, group="a", lookup=found), Hit(2, group="a"), Hit(3, group="b")]
    assert Result("hits", hits=hits).groups == [Group("a", hits[:2], found), Group("b", hits[2:])]


def test_values_of_two_types_are_two_groups() -> None:
    hits = [Hit(1, group=1), Hit(2, group=True), Hit(3, group="1")]
    assert [group.value for group in Result("hits", hits=hits).groups] == [1, True, "1"]


@pytest.mark.parametrize("result", [Result("hits", hits=HITS), Result("hits"), rows(), message()])
def test_what_has_no_groups_says_so(result: Result) -> None:
    with pytest.raises(qql.QQLExecutionError) as caught:
        result.groups  # noqa: B018
    assert caught.value.code == "wrong-kind" and "GROUP BY" in str(caught.value.hint)


# ------------------------------------------------------------------------------------ a value


def test_results_are_equal_where_the_same_came_back(db: qql.Session) -> None:
    one, other = (db.execute(f"QUERY [1, 0] FROM docs LIMIT {limit}") for limit in ("4", "4 OFFSET 0"))
    assert one.seconds != other.seconds and one.statement != other.statement
    assert one == other
    assert replace(one, warnings=(Diagnostic("a", "b"),)) == one
    assert one != db.execute("QUERY [1, 0] FROM docs LIMIT 3")
    assert replace(one, next=4) != one
    assert Result("message", message="a", matched=1) != Result("message", message="a", matched=2)
    assert Result("hits") != Result("rows")


def test_a_result_outlives_copying_and_pickling(db: qql.Session) -> None:
    result = db.execute("QUERY [1, 0] FROM docs GROUP BY topic WITH VECTOR true")
    for other in (copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert other == result
        assert (other.statement, other.data, other.requests) == (
            result.statement,
            result.data,
            result.requests,
        )
    deep = copy.deepcopy(result)
    (deep.hits[0].payload or {}).clear()
    assert result.hits[0].payload


def test_a_result_cannot_be_changed_and_has_no_hash() -> None:
    with pytest.raises(AttributeError):
        setattr(message(), "message", "other")  # noqa: B010
    with pytest.raises(TypeError):
        hash(Result("hits", hits=HITS))


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (Result("hits", "QUERY 'x'\n  FROM docs", hits=HITS), "<Result: 3 hits of QUERY 'x' FROM docs>"),
        (rows({"count": 1}), "<Result: 1 row of SHOW COLLECTIONS>"),
        (message(), "<Result: 'created collection docs' of CREATE COLLECTION docs>"),
        (Result("hits"), "<Result: 0 hits>"),
    ],
)
def test_the_repr_is_one_short_line(result: Result, shown: str) -> None:
    assert repr(result) == shown


def test_the_repr_of_a_large_statement_and_message_is_short() -> None:
    assert len(repr(Result("message", "UPSERT " + "x " * 10**6, message="y" * 10**6))) < 160


# ------------------------------------------------------------------------------------ what is written


def test_the_page_about_results_runs() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 3 and len(page.splitlines()) <= 80
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/results.md", "exec"), names)


TYPED = """
from typing import Literal, assert_type
import qql
from qql.result import Group, Hit, Result

with qql.connect() as db:
    result = db.execute("QUERY 'x' FROM docs")
    for hit in result:
        assert_type(hit, Hit)
        print(hit["title"].upper(), hit.score)
    assert_type(result[0], Hit)
    assert_type(result[:2], list[Hit])
    assert_type(result.first(), Hit | None)
    assert_type(result.groups, list[Group])
    assert_type(result.kind, Literal["hits", "rows", "message", "text"])
    print([hit.id for group in result.groups for hit in group])
    if result.kind == "row":  # line 17: no kind is called so
        pass
    Result("nonsense")  # line 19
    qql.conect()  # line 20: no name is taken for anything
"""


@pytest.mark.slow
def test_type_checkers_know_results(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(TYPED, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--no-error-summary", str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    found = re.findall(r"program\.py:(\d+): error: .*\[(.*)\]", done.stdout)
    expected = [("17", "comparison-overlap"), ("19", "arg-type"), ("20", "attr-defined")]
    assert found == expected, done.stdout + done.stderr
