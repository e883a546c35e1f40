"""A formula that fails: which field it was, and which point."""

from __future__ import annotations

from typing import Any

import pytest

import qql
from qql.errors import QQLExecutionError

PLACE = {"lat": 1.0, "lon": 2.0}


def failure(values: list[Any], formula: str, tail: str = "") -> QQLExecutionError:
    """What a formula over points says whose field `a` holds the values; ``...`` stands for none."""
    rows = [{"id": n, "vector": {"v": [1.0, n]}, "kind": n % 2} for n in range(1, len(values) + 1)]
    for row, value in zip(rows, values, strict=True):
        if value is not ...:
            row["a"] = value
    with qql.connect() as db:
        db.run("CREATE COLLECTION c (v VECTOR(2, COSINE));")
        db.run("UPSERT INTO c VALUES :rows", {"rows": rows})
        with pytest.raises(QQLExecutionError) as caught:
            db.run(f"QUERY FORMULA {formula} FROM c PREFETCH (QUERY [1, 0] USING v LIMIT 50) {tail}")
    assert caught.value.code == "formula-failed"
    return caught.value


@pytest.mark.parametrize(
    ("values", "formula", "message", "hint"),
    [
        ([1, ..., 3], "$score + a", "takes a number from `a`, and point 2 has none", "DEFAULTS (a = 0)"),
        ([..., 1, ...], "LN(a)", "point 1 has none (1 more candidate lacks it, too)", "DEFAULTS (a = 0)"),
        ([1, "x"], "a DEFAULTS (a = 0)", "that of point 2 is 'x'", "leave such points out"),
        ([1, True], "ABS(a)", "that of point 2 is true", "leave such points out"),
        ([1, None], "a DEFAULTS (a = 0)", "that of point 2 is null", "leave such points out"),
        ([[7], [7, 8]], "a", "that of point 2 is a list of 2 values", "leave such points out"),
        ([{"b": 1}, {}], "EXP(a.b)", "from `a.b`, and point 2 has none", "DEFAULTS (a.b = 0)"),
        (["2024-01-01", ...], "DATETIME_KEY(a)", "takes a date from `a`", "DEFAULTS (a = '2000-01-01')"),
        (["2024-01-01", "soon"], "DATETIME_KEY(a)", "that of point 2 is 'soon'", "leave such points out"),
        ([PLACE, ...], "GEO_DISTANCE(1, 2, a)", "takes a place from `a`", "DEFAULTS (a = {lat: 0, lon: 0})"),
        ([1, 0], "1 / a", "gives no number for some point of `c`", "a / b [DEFAULT = 1]"),
    ],
)
def test_the_field_and_the_point_are_named(values: list[Any], formula: str, message: str, hint: str) -> None:
    error = failure(values, formula)
    assert message in error.message
    assert error.hint is not None and hint in error.hint


def test_what_is_hinted_at_mends_it() -> None:
    error = failure([1, ...], "a")
    assert error.hint is not None
    defaults = error.hint.split(" gives")[0]
    with qql.connect() as db:
        db.run("CREATE COLLECTION c (v VECTOR(1, DOT)); UPSERT INTO c VALUES {id: 1, vector: {v: [1]}};")
        found = db.execute(f"QUERY FORMULA a + 7 FROM c PREFETCH (QUERY [1] USING v) {defaults}")
    assert [hit.score for hit in found.hits] == [7]


def test_points_that_a_filter_leaves_out_are_not_blamed() -> None:
    """Point 1 lacks the field, but the WHERE of the query keeps it away from the formula."""
    error = failure([..., 2, 3, ...], "a", "WHERE id != 1")
    assert "point 4 has none" in error.message and "more" not in error.message


def test_a_formula_in_a_stage_and_in_groups_is_looked_into() -> None:
    with qql.connect() as db:
        db.run(
            "CREATE COLLECTION c (v VECTOR(1, DOT)); UPSERT INTO c VALUES {id: 5, vector: {v: [1]}, k: 1};"
        )
        stage = "(QUERY FORMULA a PREFETCH (QUERY [1] USING v LIMIT 9) LIMIT 9)"
        for text in (
            f"QUERY [1] FROM c USING v PREFETCH {stage} LIMIT 3",
            "QUERY FORMULA a FROM c PREFETCH (QUERY [1] USING v LIMIT 9) GROUP BY k LIMIT 3",
            "BATCH { QUERY FORMULA a FROM c PREFETCH (QUERY [1] USING v); QUERY [1] FROM c USING v };",
        ):
            with pytest.raises(QQLExecutionError, match="`a`, and point 5 has none"):
                db.run(text)
