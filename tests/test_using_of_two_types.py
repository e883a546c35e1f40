"""USING names a vector, MATCH … ON a payload field: requests call both ``using``, plans do not."""

from __future__ import annotations

import pytest

import qql
from qql.compiler.plan import Context
from qql.compiler.script import compile_script
from qql.errors import Source

SETUP = (
    "CREATE COLLECTION c (dense VECTOR(2, DOT)); CREATE INDEX ON c FOR body TYPE text WITH (scoring = true);"
    "UPSERT INTO c VALUES {id: 1, vector: {dense: [1, 1]}, body: 'quick fox'},"
    "{id: 2, vector: {dense: [2, 1]}, body: 'lazy dog'};"
)


def test_a_plan_keeps_the_field_apart_from_vectors() -> None:
    (made,) = compile_script(Source("QUERY MATCH 'fox' ON body FROM c"), None, Context())
    assert made.plan is not None
    assert (made.plan.root.text_field, made.plan.root.using) == ("body", None)
    assert (made.requests[0].body or {})["using"] == "body"


def test_a_field_is_no_vector_and_a_vector_no_field() -> None:
    with qql.connect(":memory:") as session:
        session.run(SETUP)
        assert session.execute("QUERY MATCH 'fox' ON body FROM c").ids == [1]
        with pytest.raises(qql.QQLPlanError, match="no vector `body`") as caught:
            session.execute("QUERY [1, 2] FROM c USING body")
        assert "QUERY MATCH 'words' ON body" in (caught.value.hint or "")
        with pytest.raises(qql.QQLPlanError, match="`dense` is a vector of `c`") as caught:
            session.execute("QUERY MATCH 'fox' ON dense FROM c")
        assert caught.value.code == "wrong-kind" and "USING dense" in (caught.value.hint or "")


def test_explain_says_the_field() -> None:
    assert "MATCH 'fox' ON body" in qql.explain("QUERY MATCH 'fox' ON body FROM c")
