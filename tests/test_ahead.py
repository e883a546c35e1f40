"""What is planned ahead gives what the compiler gives: requests, and faults with their places."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import spoil

import qql
from qql.compiler import compile as compiled
from qql.compiler.ahead import Ahead
from qql.compiler.context import make_context, prepare
from qql.compiler.script import compile_script
from qql.compiler.shapes import Shapes, cut_literals
from qql.errors import QQLCompileError, Source
from qql.schema import Schema, VectorInfo
from qql.syntax.parser import parse_script

GOLDEN = Path(__file__).parent / "golden"
TEXTS = sorted(
    {
        one
        for path in GOLDEN.rglob("*.json")
        for one in qql.split(path.with_suffix(".qql").read_text("utf-8"))
        if len(one) < 1000
    }
)
"""Every statement of the golden files that compiles there."""
OTHERS: dict[str, list[str]] = {
    "'": [
        *("'words'", "''", "'it''s'", "'2024-02-30'", "'2024-05-01'", "'emergency — ä'"),
        *("'550e8400-e29b-41d4-a716-446655440000'", "'550e8400e29b41d4a716446655440000'"),
    ],
    "[": ["[0.5, 0.25, 0.125, 1]", "[1, 2]", "[1e300, 0.5]", "[3]", "[01, 2]", "[0.1,, 2]"],
    "0": ["0", "1", "7", "2.5", "1e3", "1e400", "4294967296", "99999999999999999999", "3.0", "0.0"],
    "-": ["-1", "-0.5", "-9223372036854775809", "-0"],
}


def outcome(call: Callable[[], list[qql.Request] | None]) -> str:
    """The requests, or what is wrong and where. (1, 1.0 and true are equal, and not the same.)"""
    try:
        return repr(call())
    except QQLCompileError as exc:
        return repr([(one, one.span, one.hint) for one in exc.diagnostics])


def count_calls(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> Callable[[], int]:
    """How often a function of a module is called from now on."""
    home = import_module(module)
    function, calls = getattr(home, name), []

    def counted(*args: Any, **options: Any) -> Any:
        calls.append(name)
        return function(*args, **options)

    monkeypatch.setattr(home, name, counted)
    return lambda: len(calls)


def slowly(text: str, params: Any = None) -> str:
    def compile() -> list[qql.Request]:
        found = compile_script(Source(text), params, make_context())
        return [
            request
            for one in found
            if type(one.statement).__name__ not in ("Explain", "Why")
            for request in one.requests
        ]

    return outcome(compile)


def variants(text: str, count: int, seed: int) -> Iterator[str]:
    """The text with other literals in some of its places."""
    choose = random.Random(seed)
    shape, literals = cut_literals(text)
    between = shape[1:]
    for _ in range(count):
        changed = [
            choose.choice(OTHERS["0" if one[0].isdigit() else one[0]]) if choose.random() < 0.4 else one
            for one in literals
        ]
        yield "".join(part for pair in zip(between, [*changed, ""], strict=True) for part in map(str, pair))


@pytest.mark.parametrize("text", TEXTS[::8])
def test_a_text_gives_the_same_however_often_it_is_compiled(text: str) -> None:
    wanted = slowly(text)
    for _ in range(4):
        assert outcome(lambda: qql.compile(text)) == wanted


@pytest.mark.parametrize("text", TEXTS[::8])
def test_texts_of_one_shape_give_what_each_gives_alone(text: str) -> None:
    shapes = Shapes(make_context(), 64)
    for one in (text, text, text, text, *variants(text, 12, seed=len(text))):
        wanted = ("None", slowly(one))
        assert outcome(lambda one=one: shapes.known(one)) in wanted, one
        assert outcome(lambda one=one: shapes.requests(one)) in wanted, one


@pytest.mark.parametrize(
    "text",
    [
        "-- don't 5\nQUERY 'a' FROM c LIMIT 5",
        "/* 'x' */ QUERY 'a' FROM c /* 5 */ LIMIT 5",
        "QUERY r'a' FROM c WHERE b = \"it's\" LIMIT 5",
        "QUERY 'a' FROM \"it's\" WHERE \"x'y\" = 'b' LIMIT 3",
        "QUERY '''a''' FROM c WHERE b = '''x''' LIMIT 2",
        "QUERY [0.1,0.2] FROM c WHERE a BETWEEN 1 AND 5; QUERY 'b' FROM c LIMIT 3",
        "COUNT FROM c WHERE a = -5 AND `a'b` = 'x' AND b = 5",
        "UPDATE c SET PAYLOAD = {a: 'x', b: 5, \"c\": -1.5, d: [0.5, 2], e: {f: 1}} WHERE a = 'x'",
        "UPSERT INTO c VALUES {id: 5, vector: {d: [0.5, 2], e: [1, 0.5]}, a: 'x', b: -1.5, c: [1]}",
        "UPSERT INTO c VALUES {id: 5, a: 'x'}, {id: 6, a: 'y'}",
        "COUNT FROM c WHERE id IN ('550e8400-e29b-41d4-a716-446655440000', 5)",
    ],
)
def test_what_only_looks_like_a_literal_stays_as_it_is(text: str) -> None:
    shapes = Shapes(make_context(), 64)
    read = 0
    for one in (text, text, text, text, *variants(text, 60, seed=7)):
        found, wanted = outcome(lambda one=one: shapes.known(one)), slowly(one)
        assert found in ("None", wanted), one
        read += found == wanted
        assert outcome(lambda one=one: shapes.requests(one)) in ("None", wanted), one
    assert read


def test_literals_of_a_shape_that_comes_often_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = count_calls(monkeypatch, "qql.compiler.shapes", "cut_literals")
    shapes = Shapes(make_context(), 64)
    for number in range(100):
        text = f"QUERY 'care {number}' FROM often_test WHERE a = -{number} AND b < {number / 7} LIMIT 5"
        found = shapes.known(text) or shapes.requests(text)
        assert repr(found) in ("None", slowly(text))
    assert cut() == 3  # it comes, it is planned and filled in, it is filled in again


def test_a_text_with_a_long_vector_is_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(4)
    planned = count_calls(monkeypatch, "qql.compiler.script", "plan_query")
    for number in range(50):
        vector = [chance.gauss(0, 0.05) for _ in range(900)]
        [request] = qql.compile(f"QUERY {vector} FROM long_test USING dense LIMIT {number + 1}")
        assert request.body == {
            "query": {"nearest": vector},
            "using": "dense",
            "limit": number + 1,
            "with_payload": True,
        }
    assert planned() < 6


@pytest.mark.parametrize("last", ["9" * 25, "1e400", "true", "null", '"a"', "2", "-1", "1.5e3", "[1]"])
def test_a_long_list_is_read_as_by_the_parser(last: str) -> None:
    shapes = Shapes(make_context(), 64)
    begin = "QUERY [" + ", ".join(f"{n}.5" for n in range(400))
    read = [f"{begin}, {one}] FROM c LIMIT 3" for one in ("0.5", "1.5", "2.5", "3.5", last, "4.5")]
    found = [outcome(lambda one=one: shapes.known(one) or shapes.requests(one)) for one in read]
    assert found[1:4] + found[5:] == list(map(slowly, read[1:4] + read[5:]))
    assert found[4] in ("None", slowly(read[4]))


def test_long_texts_that_no_plan_can_do_without_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = Shapes(make_context(), 64)
    weights = ", ".join("0.5" for _ in range(4000))
    compiled_here = count_calls(monkeypatch, "qql.compiler.shapes", "compile_script")
    for limit in range(1, 8):
        for text in (
            f"QUERY FUSION RRF FROM c PREFETCH (QUERY 'a') WITH (rrf_k = 2) LIMIT {limit} -- [{weights}]",
            f"QUERY 'a' FROM c{'c' * 9000} LIMIT {limit}",
        ):
            shapes.requests(text)
    assert compiled_here() == 1
    kept = [*shapes._kept._values.values()]
    assert [one.plans for one in kept] == [{}]


def test_few_shapes_are_tried_for_a_text() -> None:
    shapes = Shapes(make_context(), 64)
    for number in range(30):
        for limit in range(4):
            shapes.requests(f"QUERY 'care {limit}' FROM tried{number} LIMIT {limit + 1}")
    assert [len(tried) for tried in shapes._recent._values.values()] == [4]
    assert shapes.known("QUERY 'more' FROM tried29 LIMIT 9")
    assert shapes.known("QUERY 'more' FROM tried0 LIMIT 9") is None


def test_a_text_of_a_known_shape_that_comes_again_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"QUERY 'care {number}' FROM kept_test LIMIT {number + 1}" for number in range(8)]
    for text in texts:
        qql.compile(text)
    qql.compile(texts[7])
    parsed = count_calls(monkeypatch, "qql.compiler.compile", "parse_script")
    for _ in range(3):
        [request] = qql.compile(texts[7])
        assert repr([request]) == slowly(texts[7])
        spoil(request.body)
    assert texts[7] in compiled._READY._values
    assert parsed() == 0


def test_the_shape_of_a_query_is_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = count_calls(monkeypatch, "qql.compiler.script", "plan_query")
    for number in range(100):
        where = f"WHERE year >= {number} AND tag IN ('a', 'b{number}')"
        [request] = qql.compile(f"QUERY 'care {number}' FROM shape_test {where} LIMIT {number + 1}")
        assert request.body is not None
        assert request.body["limit"] == number + 1
        assert request.body["query"] == {"nearest": {"text": f"care {number}"}}
    assert planned() < 6


def test_what_a_caller_changes_is_its_own() -> None:
    text = "QUERY [0.1, 0.2] FROM own_test USING dense WHERE tag IN ('a', 'b') LIMIT 5"
    wanted = slowly(text)
    for _ in range(4):
        [request] = qql.compile(text)
        assert repr([request]) == wanted
        spoil(request.body)
        assert isinstance(request.query, dict)
        request.query["wait"] = "spoilt"


def test_a_bound_list_is_copied() -> None:
    text, vector, tags = "QUERY :v FROM copied_test USING dense WHERE tag IN :tags", [0.1, 0.2], ["a", "b"]
    for _ in range(4):
        [request] = qql.compile(text, {"v": vector, "tags": tags})
        assert request.body is not None
        spoil(request.body)
    assert (vector, tags) == ([0.1, 0.2], ["a", "b"])


def test_caches_are_shared_by_threads() -> None:
    texts = [f"QUERY :q FROM threads{n} WHERE year > :y LIMIT {n + 1}" for n in range(40)]

    def hammer(seed: int) -> list[str]:
        choose = random.Random(seed)
        wrong = []
        for _ in range(150):
            number, year = choose.randrange(40), choose.randrange(1000)
            [found] = qql.compile(texts[number], {"q": f"care {seed}", "y": year})
            body = {
                "query": {"nearest": {"text": f"care {seed}"}},
                "filter": {"must": [{"key": "year", "range": {"gt": year}}]},
                "limit": number + 1,
                "with_payload": True,
            }
            if found.body != body or found.path != f"/collections/threads{number}/points/query":
                wrong.append(repr(found))
        return wrong

    with ThreadPoolExecutor(16) as pool:
        assert [wrong for each in pool.map(hammer, range(16)) for wrong in each] == []


def test_the_caches_are_bounded() -> None:
    for number in range(1200):
        for text in (f"QUERY 'a' FROM bound{number}", f"QUERY :q FROM bound{number}"):
            qql.compile(text, {"q": "a"} if ":q" in text else None)
    assert len(compiled._KEPT) <= 256
    assert len(compiled._SHAPES._kept) <= 256


VALUES: list[Any] = [
    *("care", "", "it's' OR 1=1 --", "\ud800", "2024-05-01", "550e8400-e29b-41d4-a716-446655440000"),
    *(
        0,
        1,
        -1,
        7,
        2**63,
        2**64,
        10**30,
        True,
        False,
        None,
        0.5,
        2.0,
        -0.0,
        float("nan"),
        float("inf"),
        1e308,
    ),
    *(
        [],
        [1],
        [0.5, 0.25],
        ["a", "b"],
        ["a", "a"],
        [1, "a"],
        [True],
        [[1, 2], [3, 4]],
        [float("nan")],
        [2**70],
    ),
    *([None], [1e39, 0.1], {}, {"a": 1}, {"indices": [1], "values": [0.5]}, (1, 2), {1, 2}, b"x", object, 1j),
]
PLACES = [
    "QUERY :p FROM c",
    "QUERY :p FROM c USING dense WHERE a = :p LIMIT 3",
    "QUERY 'a' FROM c LIMIT :p",
    "QUERY 'a' FROM c LIMIT 5 OFFSET :p",
    "QUERY 'a' FROM c SCORE THRESHOLD :p",
    "QUERY 'a' FROM c WHERE a = :p",
    "QUERY 'a' FROM c WHERE a != :p OR NOT b < :p",
    "QUERY 'a' FROM c WHERE a BETWEEN :p AND :p",
    "QUERY 'a' FROM c WHERE a BETWEEN 1 AND :p",
    "QUERY 'a' FROM c WHERE a IN :p",
    "QUERY 'a' FROM c WHERE a IN (:p, 'x')",
    "QUERY 'a' FROM c WHERE id IN :p",
    "QUERY 'a' FROM c WHERE id = :p",
    "QUERY 'a' FROM c WHERE a MATCH :p",
    "QUERY 'a' FROM c WHERE a MATCH ANY :p",
    "QUERY 'a' FROM c WHERE a MATCH EXCEPT :p",
    "QUERY 'a' FROM c WHERE a VALUES_COUNT > :p",
    "QUERY 'a' FROM c WHERE a RANGE (gte = :p, lt = 5)",
    "QUERY 'a' FROM c WITH (hnsw_ef = :p)",
    "QUERY 'a' FROM c WITH (exact = :p)",
    "QUERY 'a' FROM c WITH (timeout = :p)",
    "QUERY 'a' FROM c SHARD :p",
    "QUERY 'a' FROM c GROUP BY a SIZE :p",
    "QUERY RECOMMEND POSITIVE (:p) FROM c",
    "QUERY RECOMMEND POSITIVE :p FROM c",
    "QUERY MMR [1, 2] DIVERSITY :p FROM c",
    "QUERY HYBRID 'a' FROM c LIMIT :p",
    "QUERY :p FROM c PREFETCH (QUERY 'a' USING d) FUSION RRF",
    "QUERY FORMULA $score * :p FROM c PREFETCH (QUERY [1])",
    "QUERY POINTS :p FROM c",
    "QUERY POINTS (:p) FROM c",
    "QUERY ORDER BY a FROM c LIMIT :p",
    "SCROLL FROM c LIMIT :p",
    "SCROLL FROM c AFTER :p",
    "QUERY 'a' FROM c LIMIT :p OR DEFAULT",
    "QUERY 'a' FROM c WHERE OPTIONAL (a = :p)",
    "QUERY 'a' FROM c WHERE OPTIONAL (a = :p) AND (b = :p OR c = 1)",
    "QUERY 'a' FROM c WHERE b = 1 AND :p",
    "QUERY 'a' FROM c WITH PAYLOAD :p",
    "SCROLL FROM c ORDER BY a :p",
    "COUNT FROM c WHERE a >= :p",
    "FACET a FROM c LIMIT :p WHERE b = :p",
    "DELETE FROM c WHERE id IN :p",
    "DELETE FROM c WHERE a = :p",
    "UPDATE c SET PAYLOAD = {a: :p} WHERE id = 1",
    "UPDATE c SET PAYLOAD = {a: :p, b: {c: 1}, d: :p} WHERE id = :p",
    "UPDATE c SET PAYLOAD = {a: {b: :p}, c: [1, :p]} WHERE id = 1",
    "UPDATE c SET PAYLOAD = {a: UUID(:p), b: :p} OVERWRITE WHERE a = :p",
    "UPDATE c SET PAYLOAD = {a: :p} KEY b WHERE id = 1",
    "UPDATE c SET PAYLOAD = :p WHERE id = 1",
    "UPDATE c SET VECTOR = :p WHERE id = 1",
    "UPDATE c SET VECTOR d = :p WHERE id = :p",
    "UPSERT INTO c VALUES {id: :p, vector: [1, 2]}",
    "UPSERT INTO c VALUES {id: 1, vector: :p}",
    "UPSERT INTO c VALUES {id: 1, vector: {d: :p, e: [1, 2]}, a: :p}",
    "UPSERT INTO c VALUES {id: 1, vector: {text: :p}, text: 'x', e: [1, :p]}",
    "UPSERT INTO c VALUES {id: 1, vector: {indices: :p, values: [1]}}",
    "UPSERT INTO c VALUES {id: 1, vector: {data: [1, 2], dim: :p}}",
    "UPSERT INTO c VALUES {id: 1, vectors: :p, embedding: :p, a: :p}",
    "UPSERT INTO c VALUES {id: 1, payload: :p}",
    "UPSERT INTO c VALUES {id: 1, payload: {a: :p}}",
    "UPSERT INTO c VALUES {id: 1, a: :p}, {id: 2, a: 3}",
    "UPSERT INTO c VALUES {id: :p, a: 1}, {id: 1, a: 2}",
    "UPSERT INTO c VALUES {id: 1, a: :p}, {id: UUID('x'), a: UUID('y'), vector: {d: [1, 2]}}",
    "UPSERT INTO c VALUES {id: UUID('x'), a: :p, b: {c: UUID('y')}}",
    "UPSERT INTO c VALUES {id: UUID(:p), a: 1}",
    "UPSERT INTO c VALUES {id: 1, text: :p} USING DENSE MODEL 'm'",
    "INSERT INTO c VALUES {id: 1, a: :p} SHARD :p",
    "UPSERT INTO c VALUES {a: :p}",
    "INSERT INTO c VALUES {a: :p}",
    "UPSERT INTO c VALUES :p",
    "UPSERT INTO c VALUES {id: 1, a: 2}, :p",
    "QUERY 'a' FROM IDENTIFIER(:p)",
    "QUERY 'a' FROM c PREFETCH (QUERY :p USING d LIMIT :p WHERE a = :p) USING e",
]


@pytest.mark.parametrize("text", PLACES)
def test_every_value_in_every_place_is_taken_or_refused_as_by_the_compiler(text: str) -> None:
    source, context = Source(text), make_context()
    ahead = Ahead(source, parse_script(source)[0], context)
    for value in VALUES:
        for params in ({"p": value}, {"p": value, "q": 1}, {}, [value], [], None, {"q": value}):
            found = ahead.requests(params)
            assert found is None or repr(found) == slowly(text, params), params


@pytest.mark.parametrize("text", PLACES[:8])
def test_every_value_is_taken_by_its_place_as_by_the_compiler(text: str) -> None:
    text = text.replace(":p", "?")
    source, context = Source(text), make_context()
    ahead = Ahead(source, parse_script(source)[0], context)
    for value in VALUES:
        for params in ([value], (value,), [value, value], (value, 1, 2), {0: value}, {"p": value}, [], None):
            found = ahead.requests(params)
            assert found is None or repr(found) == slowly(text, params), params


SCHEMAS = [
    Schema({name: VectorInfo(name, "dense", 2) for name in "dea"}),
    Schema({"": VectorInfo("", "dense", 2)}),
    Schema({"d": VectorInfo("d", "dense", 2, model="m"), "text": VectorInfo("text", "dense", 2)}),
    Schema({"d": VectorInfo("d", "multi", 2), "vector": VectorInfo("vector", "sparse")}),
]


@pytest.mark.parametrize("text", [text for text in PLACES if text.startswith(("UP", "IN"))])
def test_what_is_written_is_taken_or_refused_as_by_the_compiler_where_vectors_are_known(text: str) -> None:
    for schema in SCHEMAS:
        source, context = prepare(text, {"schema": {"c": schema}})
        ahead = Ahead(source, parse_script(source)[0], context)
        for value in [*VALUES, "AACAPwAAgD8="]:
            found = ahead.requests({"p": value})
            if found is not None:
                wanted = compile_script(source, {"p": value}, context)
                assert repr(found) == repr([request for one in wanted for request in one.requests]), value


def test_plans_for_kinds_of_values_are_bounded() -> None:
    text = "COUNT FROM c WHERE " + " AND ".join(f"OPTIONAL (a{n} = :p{n})" for n in range(10))
    ahead = Ahead(Source(text), parse_script(Source(text))[0], make_context())
    for number in range(200):
        params = {f"p{n}": None if number >> n & 1 else n for n in range(10)}
        found = ahead.requests(params)
        assert found is None or repr(found) == slowly(text, params)
    assert len(ahead._plans) <= 16


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("QUERY :p FROM c", "care"),
        ("QUERY :p FROM c", [0.5, 0.25]),
        ("QUERY :p FROM c", 7),
        ("QUERY 'a' FROM c LIMIT :p", 7),
        ("QUERY 'a' FROM c WHERE a = :p", "x"),
        ("QUERY 'a' FROM c WHERE a IN :p", ["x", "y"]),
        ("QUERY 'a' FROM c WHERE a BETWEEN :p AND 5", None),
        ("QUERY 'a' FROM c WHERE a >= :p", "2024-05-01"),
        ("QUERY 'a' FROM c SCORE THRESHOLD :p", 0.5),
        ("QUERY 'a' FROM c WITH (hnsw_ef = :p)", 64),
        ("SCROLL FROM c WHERE a MATCH :p LIMIT 3", "x"),
        ("COUNT FROM c WHERE id IN :p", [1, 2]),
        ("UPDATE c SET PAYLOAD = {a: :p} WHERE id = 1", "x"),
        ("UPDATE c SET VECTOR d = :p WHERE id = 1", [0.5, 0.25]),
        ("UPSERT INTO c VALUES {id: :p, vector: {d: [1, 2]}}", 7),
        ("UPSERT INTO c VALUES {id: 1, vector: {d: :p}}", [0.5, 0.25]),
        ("UPSERT INTO c VALUES {id: 1, vector: {d: [1, 2]}, a: :p}", "x"),
        ("UPDATE c SET PAYLOAD = {a: :p} WHERE id = 1", ["x", 1, 0.5, True, None]),
    ],
)
def test_usual_places_are_planned_ahead(text: str, value: Any) -> None:
    source = Source(text)
    plan = Ahead(source, parse_script(source)[0], make_context()).plan({"p": value})
    filled = plan.template.fill({"p": value}) if plan else None
    assert (filled is not None) == (value is not None)
    assert filled is None or repr(filled) == slowly(text, {"p": value})
