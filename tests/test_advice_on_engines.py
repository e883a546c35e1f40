"""What the rules claim, tried on the engine: conditions, formulas, thresholds, quantization, sources."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
from test_advice import GOLDEN, codes

import qql
from qql.errors import Diagnostic, QQLExecutionError, Source
from qql.rest.request import Request
from qql.session.session import Session
from qql.syntax.parser import parse_script

ELEMENTS = [0, 1, 2, 3, 5, 6, 9, True, "x", "lid", "2024-01-01", "2024-06-01", None, {"name": "lid"}]
HELD = [*ELEMENTS, [], *([one] for one in ELEMENTS), *map(list, itertools.combinations(ELEMENTS, 2))]
"""Whatever a field may hold: single values, and lists of up to two."""
FIELDS = ("a", "b", "day", "lang", "parts")


@pytest.fixture(scope="module")
def points() -> Iterator[Session]:
    """A point for each value in each field, with others of its kind in the other fields."""
    chance = random.Random(1)
    rows: list[dict[str, Any]] = []
    for field, held in itertools.product(FIELDS, HELD):
        row = {name: chance.choice(HELD) for name in FIELDS if chance.random() < 0.8}
        rows.append(row | {field: held, "id": len(rows) + 1, "vector": {"x": [1.0], "y": [1.0]}})
    with qql.connect() as db:
        db.run("CREATE COLLECTION trails (x VECTOR(1, DOT), y VECTOR(1, DOT));")
        db.run("UPSERT INTO trails VALUES :rows", {"rows": rows})
        yield db


def statements(code: str) -> list[str]:
    """The statements that break a rule, which show and change nothing else."""
    text = (GOLDEN / f"{code}.qql").read_text(encoding="utf-8")
    found = [text[one.span.start : one.span.end] for one in parse_script(Source(text))[0]]
    return [one for one in found if "DELETE" not in one]


def found_by(db: Session, text: str) -> list[dict[str, Any]]:
    result = db.execute(text)
    if result.data is not None and "count" in result.data:
        return [{}] * result.data["count"]
    return [dict(row) for row in result.rows] + [{"id": hit.id, **(hit.payload or {})} for hit in result.hits]


@pytest.mark.parametrize("text", statements("where-matches-nothing"))
def test_what_contradicts_itself_matches_nothing(points: Session, text: str) -> None:
    if " OR " in text and "NOT (" not in text:  # one branch alone is told of
        return
    assert found_by(points, text) == []


@pytest.mark.parametrize("text", statements("lists-only"))
def test_what_needs_a_list_finds_nothing_else(points: Session, text: str) -> None:
    [field] = {name for name in FIELDS if f"`{name}` is a list" in said(text)}
    assert all(isinstance(row[field], list) and len(row[field]) > 1 for row in found_by(points, text))


def linted(db: Session, text: str) -> list[Diagnostic]:
    """What lint says where it knows the collection."""
    return qql.lint(text, schema={"c": db.backend.call(Request("GET", "/collections/c"))})


def said(text: str) -> str:
    return " ".join(one.message for one in qql.lint(text))


@pytest.mark.parametrize(
    ("where", "count"), [("a = 1 AND a = 2", 1), ("a > 5 AND a < 3", 1), ("a IS NULL AND a = 1", 1)]
)
def test_a_list_may_fulfil_what_no_single_value_does(points: Session, where: str, count: int) -> None:
    assert len(found_by(points, f"SCROLL FROM trails WHERE {where} LIMIT 500")) >= count


@pytest.fixture
def shop() -> Iterator[Session]:
    rows: list[dict[str, Any]] = [
        {"id": n, "vector": {"v": [1.0, n / 10], "e": [float(n), 0.0]}, "year": n} for n in range(1, 41)
    ]
    del rows[6]["year"]
    with qql.connect() as db:
        db.run("CREATE COLLECTION c (v VECTOR(2, COSINE), e VECTOR(2, EUCLID));")
        db.run("UPSERT INTO c VALUES :rows", {"rows": rows})
        yield db


FORMULA = "QUERY FORMULA $score + year FROM c PREFETCH (QUERY [1, 0] USING v{} LIMIT 40){} LIMIT 5"


@pytest.mark.parametrize(
    ("inside", "tail", "fails"),
    [
        ("", "", True),
        (" WHERE NOT year > 500", "", True),
        (" WHERE year IS NOT NULL", "", True),
        ("", " DEFAULTS (year = 0)", False),
        (" WHERE year > 0", "", False),
        ("", " WHERE year IS NOT EMPTY", False),
    ],
)
def test_a_missing_default_fails_the_query(shop: Session, inside: str, tail: str, fails: bool) -> None:
    text = FORMULA.format(inside, tail)
    assert ("formula-without-default" in codes(text)) == fails
    if not fails:
        assert len(shop.execute(text).hits) == 5
        return
    with pytest.raises(QQLExecutionError, match="point 7 has none"):
        shop.execute(text)


def test_an_index_that_holds_every_point_needs_no_default(shop: Session) -> None:
    shop.run("CREATE INDEX ON c FOR year TYPE integer;")
    text = FORMULA.format("", "")

    def advised() -> set[str]:
        return {one.code for one in linted(shop, text)}

    assert "formula-without-default" in advised()
    shop.run("DELETE FROM c WHERE id = 7;")
    assert "formula-without-default" not in advised()
    assert len(shop.execute(text).hits) == 5


CREATE = "CREATE COLLECTION c (v VECTOR(2, COSINE), e VECTOR(2, EUCLID)); "


@pytest.mark.parametrize(
    ("target", "passing", "out_of_reach"),
    [
        ("RECOMMEND POSITIVE (7) FROM c USING e", 3, -0.5),
        ("RECOMMEND POSITIVE (7) FROM c USING v", 0.9, 1.01),
        ("RECOMMEND POSITIVE (7) STRATEGY average_vector FROM c USING v", 0.9, 1.01),
        ("MMR [7, 0] DIVERSITY 0.5 CANDIDATES 40 FROM c USING e", 3, 0),
        ("MMR [1, 0] DIVERSITY 0.5 CANDIDATES 40 FROM c USING v", 0.5, 1.01),
        ("POINT 7 FROM c USING e", 3, -1),
        ("CONTEXT (POSITIVE 5 NEGATIVE 40) FROM c USING v", -0.5, 0),
        ("CONTEXT (POSITIVE 5 NEGATIVE 40) FROM c USING v", -0.5, 0.3),
    ],
)
def test_thresholds_that_nothing_reaches(
    shop: Session, target: str, passing: float, out_of_reach: float
) -> None:
    text = f"QUERY {target} SCORE THRESHOLD {{}} LIMIT 4"
    said_of = {
        one: {found.code for found in qql.lint(CREATE + text.format(one))} for one in (passing, out_of_reach)
    }
    assert "threshold-unreachable" not in said_of[passing]
    assert "threshold-unreachable" in said_of[out_of_reach]
    assert len(shop.execute(text.format(passing)).hits) > 0
    assert len(shop.execute(text.format(out_of_reach)).hits) == 0


def test_options_of_quantization_have_the_effect_that_the_rules_say() -> None:
    chance = random.Random(1)

    def vector() -> list[float]:
        return [chance.gauss(0, 1) for _ in range(32)]

    rows = [{"id": n, "vector": {"v": (one := vector()), "b": one}} for n in range(1, 601)]
    asked = {"q": vector()}
    with qql.connect() as db:
        quantized = "b VECTOR(32, COSINE) WITH QUANTIZATION (type = binary)"
        db.run(f"CREATE COLLECTION c (v VECTOR(32, COSINE), {quantized});")
        db.run("UPSERT INTO c VALUES :rows", {"rows": rows})

        def hits(using: str, params: str = "") -> list[tuple[Any, float]]:
            found = db.execute(f"QUERY VECTOR :q FROM c USING {using} {params} LIMIT 3", asked)
            return [(hit.id, round(hit.score or 0, 4)) for hit in found.hits]

        exact = hits("v")
        rough = hits("b", "PARAMS (quantization = {rescore: false})")
        finer = hits("b", "PARAMS (quantization = {rescore: true, oversampling: 200.0})")
        assert rough != exact == finer
        wider = hits("b", "PARAMS (quantization = {rescore: false, oversampling: 200.0})")
        assert [score for _, score in wider] == [score for _, score in rough]  # equal ones in any order
        # What has no effect.
        assert hits("v", "PARAMS (quantization = {rescore: true, oversampling: 200.0})") == exact
        assert hits("b", "PARAMS (exact = true, quantization = {rescore: false})") == exact
        assert hits("b", "PARAMS (quantization = {ignore: true, rescore: false})") == exact


def test_a_filter_of_one_source_does_not_hold_for_the_fusion(shop: Session) -> None:
    text = "WITH a AS (QUERY [1, 0] USING v LIMIT 30), b AS (QUERY [9, 0] USING e LIMIT 30)"
    text += " QUERY FUSION RRF FROM c{} PREFETCH (a WHERE year > 30, b{}) LIMIT 10"

    def years(where: str = "", second: str = "") -> list[Any]:
        return [(hit.payload or {}).get("year", 0) for hit in shop.execute(text.format(where, second)).hits]

    assert any(year <= 30 for year in years())
    assert "fusion-half-filtered" in codes(text.format("", ""))
    for cured in ((" WHERE year > 30", ""), ("", " WHERE year > 30")):
        assert all(year > 30 for year in years(*cured))
    assert "fusion-half-filtered" not in codes(text.format("", " WHERE year > 30"))


def test_points_are_ordered_by_id_without_order_by(shop: Session) -> None:
    for order in ("ORDER BY id", "ORDER BY id DESC"):
        with pytest.raises(QQLExecutionError, match="the id of a point is no field") as caught:
            shop.execute(f"SCROLL FROM c {order} LIMIT 3")
        assert (
            caught.value.hint
            == "leave ORDER BY out: points come in the order of their ids, and in that one only"
        )
    assert list(shop.execute("SCROLL FROM c LIMIT 3").ids) == [1, 2, 3]
    [one] = linted(shop, "SCROLL FROM c ORDER BY id LIMIT 3")
    assert one.code == "index-required" and one.hint == caught.value.hint
    shop.run("UPDATE c SET PAYLOAD = {id: 3} WHERE id = 1; CREATE INDEX ON c FOR id TYPE integer;")
    assert list(shop.execute("SCROLL FROM c ORDER BY id LIMIT 1").ids) == [1]


def test_rerank_reads_a_field_that_is_not_shown(shop: Session) -> None:
    shop.run("UPDATE c SET PAYLOAD = {body: 'care of wounds', title: 'w'} WHERE id = 3;")
    found = shop.execute(
        "QUERY [1, 0] FROM c USING v RERANK 'wounds' MODEL 'local/overlap' ON body TOP 1 LIMIT 10"
        " WITH PAYLOAD (title)"
    )
    assert [(hit.id, hit.payload) for hit in found.hits] == [(3, {"title": "w"})]
