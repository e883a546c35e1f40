"""MATCH 'words' ON (title ^ 2, body): BM25 in each field, added up by one formula of one request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import qql
from qql.errors import QQLError
from qql.session.session import Session

MAKE = """
CREATE COLLECTION notes (v VECTOR(2, DOT));
CREATE INDEX ON notes FOR title TYPE text WITH (tokenizer = 'word', scoring = true);
CREATE INDEX ON notes FOR body TYPE text WITH (tokenizer = 'word', scoring = true);
UPSERT INTO notes VALUES
  {id: 1, v: [1, 0], title: 'burns', body: 'cold water for ten minutes', kind: 'a'},
  {id: 2, v: [0, 1], title: 'wounds', body: 'burns and other wounds; burns are cooled', kind: 'a'},
  {id: 3, v: [1, 1], title: 'burns and wounds', body: 'burns', kind: 'b'},
  {id: 4, v: [2, 1], title: 'fractures', body: 'a splint', kind: 'b'};
"""


@pytest.fixture
def db() -> Iterator[Session]:
    with qql.connect(":memory:", advice=False) as session:
        session.run(MAKE)
        yield session


def scores(db: Session, text: str) -> dict[int | str, float]:
    return {hit.id: hit.score or 0 for hit in db.execute(text)}


@pytest.mark.parametrize("boost", [1, 2, 0.25])
def test_a_score_is_the_sum_of_the_fields_scores_times_their_boosts(db: Session, boost: float) -> None:
    title = scores(db, "QUERY MATCH 'burns wounds' ON title FROM notes")
    body = scores(db, "QUERY MATCH 'burns wounds' ON body FROM notes")
    found = scores(db, f"QUERY MATCH 'burns wounds' ON (title ^ {boost}, body) FROM notes")
    wanted = {key: boost * title.get(key, 0) + body.get(key, 0) for key in {*title, *body}}
    assert found == pytest.approx(wanted)
    assert [*found.values()] == sorted(found.values(), reverse=True)


def test_a_boost_changes_the_order(db: Session) -> None:
    heavy = db.execute("QUERY MATCH 'burns' ON (title ^ 20, body) FROM notes WHERE kind = 'a'").ids
    light = db.execute("QUERY MATCH 'burns' ON (title ^ 0.01, body) FROM notes WHERE kind = 'a'").ids
    assert (heavy, light) == ([1, 2], [2, 1])


def test_where_threshold_limit_options_and_parameters_hold(db: Session) -> None:
    text = "QUERY MATCH :q ON (title ^ :w, body) (k = 1.5) FROM notes WHERE kind = 'a'"
    text += " SCORE THRESHOLD 0.01 LIMIT 1"
    for _ in range(3):
        found = db.execute(text, {"q": "burns", "w": 30})
        assert found.ids == [1]
        assert db.execute(text, {"q": "burns", "w": 0.01}).ids == [2]


def test_it_can_be_a_stage_and_be_analysed(db: Session) -> None:
    stage = "(QUERY MATCH 'burns' ON (title ^ 2, body) LIMIT 5)"
    found = db.execute(f"QUERY FUSION RRF FROM notes PREFETCH ({stage}, (QUERY [1, 0] USING v LIMIT 5))")
    assert {1, 2, 3} <= {*found.ids}
    shown = db.execute("EXPLAIN ANALYZE QUERY MATCH 'burns' ON (title ^ 2, body) FROM notes").message
    assert "2 * $score[0] + $score[1]" in shown and "MATCH 'burns' ON title" in shown
    assert db.execute("WHY NOT 4 QUERY MATCH 'burns' ON (title ^ 2, body) FROM notes LIMIT 2").message


def test_fields_have_a_limit() -> None:
    fields = [f"f{at}" for at in range(33)]
    assert qql.compile(f"QUERY MATCH 'a' ON ({', '.join(fields[:32])}) FROM notes")
    with pytest.raises(QQLError) as caught:
        qql.compile(f"QUERY MATCH 'a' ON ({', '.join(fields)}) FROM notes")
    assert caught.value.code == "too-many-fields"


def test_one_request_goes_out_and_comes_back_as_the_formula_that_it_is() -> None:
    [request] = qql.compile("QUERY MATCH 'burns' ON (title ^ 2, body) FROM notes LIMIT 3")
    back = qql.from_request(request)
    assert "FORMULA 2 * $score[0] + $score[1]" in back
    assert qql.compile(back) == [request]


def test_servers_that_have_no_full_text_query_refuse_it_by_name(fake_server: Any, no_proxy: None) -> None:
    server = fake_server("1.19.0")
    with qql.connect(server.url, advice=False) as db:
        db.run("CREATE COLLECTION notes (v VECTOR(2, DOT))")
        before = len(server.calls)
        with pytest.raises(QQLError) as caught:
            db.execute("QUERY MATCH 'burns' ON (title ^ 2, body) FROM notes")
        assert "1.20" in str(caught.value)
        assert not [call for call in server.calls[before:] if "query" in call.request.path]
