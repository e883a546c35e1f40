"""Each limit at the limit and one past it, and texts that are large, deep or odd."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from refusals import refused

import qql
from qql import nodes
from qql.compiler import planner
from qql.errors import Source
from qql.syntax import parser as syntax

U32 = 2**32 - 1


def sizes(suite: int, soak: int) -> pytest.MarkDecorator:
    """What holds at any size is tried with a large text, and in a soak with a larger one."""
    return pytest.mark.parametrize("size", [suite, pytest.param(soak, marks=pytest.mark.slow)])


# ------------------------------------------------------------------------------------ nesting

Nested = Callable[[int], str]


def parentheses(depth: int) -> str:
    return f"COUNT FROM c WHERE {'(' * depth}a = 1{')' * depth}"


def negations(depth: int) -> str:
    return f"COUNT FROM c WHERE {'NOT ' * depth}a = 1"


def and_or_tree(depth: int) -> str:
    text = "a = 0"
    for level in range(depth):
        text = f"({text}) {('AND', 'OR')[level % 2]} a = 1"
    return f"COUNT FROM c WHERE {text}"


def json_arrays(depth: int) -> str:
    return f'UPSERT INTO c VALUES {{"id": 1, "a": {"[" * (depth - 1)}{"]" * (depth - 1)}}}'


def json_objects(depth: int) -> str:
    return "UPSERT INTO c VALUES " + '{"id": 1, "a": ' + '{"a": ' * (depth - 1) + "1" + "}" * depth


def qql_arrays(depth: int) -> str:
    return f"UPSERT INTO c VALUES {{id: 1, a: {'[' * (depth - 1)}{']' * (depth - 1)}}}"


def qql_objects(depth: int) -> str:
    return "UPSERT INTO c VALUES " + "{id: 1, a: " + "{a: " * (depth - 1) + "1" + "}" * depth


def inline_stages(depth: int) -> str:
    return "QUERY [1] FROM c " + "PREFETCH (QUERY [1] " * depth + ")" * depth


def parenthesised_stages(depth: int) -> str:
    return "QUERY [1] FROM c " + "PREFETCH ((QUERY [1] " * depth + "))" * depth


def cte_chain(depth: int) -> str:
    ctes = [f"s{i} AS (QUERY [1] PREFETCH (s{i + 1}))" for i in range(depth - 1)] + [
        f"s{depth - 1} AS (QUERY [1])"
    ]
    return f"WITH {', '.join(ctes)} QUERY [1] FROM c PREFETCH (s0)"


def _formula(expression: str) -> str:
    return f"QUERY FORMULA {expression} FROM c PREFETCH (QUERY [1])"


def formula_parentheses(depth: int) -> str:
    return _formula(f"{'(' * depth}a{')' * depth}")


def minuses(depth: int) -> str:
    return _formula(f"{'- ' * depth}a")


def calls(depth: int) -> str:
    return _formula(f"{'ABS(' * depth}a{')' * depth}")


def sums(depth: int) -> str:
    return _formula("a" + " + a" * depth)


def divisions(depth: int) -> str:
    return _formula("a" + " / a" * depth)


def decays(depth: int) -> str:
    return _formula(f"{'EXP_DECAY(' * depth}a{', 1, 2)' * depth}")


def boosts(depth: int) -> str:
    return f"QUERY [1] FROM c BOOST {'- ' * depth}a"


def conditions_in_formulas(depth: int) -> str:
    return _formula(f"CONDITION({'NOT ' * (depth - 1)}a = 1)")


def nested_conditions(depth: int) -> str:
    return f"COUNT FROM c WHERE {'NESTED(a, ' * depth}b = 1{')' * depth}"


def counted_conditions(depth: int) -> str:
    return f"COUNT FROM c WHERE {'MIN SHOULD 1 (' * depth}b = 1{')' * depth}"


def cases_in_then(depth: int) -> str:
    return _formula(f"{'CASE WHEN a = 1 THEN ' * depth}2{' END' * depth}")


def cases_in_else(depth: int) -> str:
    return _formula(f"{'CASE WHEN a = 1 THEN 1 ELSE ' * depth}2{' END' * depth}")


def whens(depth: int) -> str:
    return _formula(f"CASE{' WHEN a = 1 THEN 2' * depth} ELSE 1 END")


@sizes(3_000, 20_000)  # at 3,000, pyqql crashes
@pytest.mark.parametrize("make", [cases_in_then, cases_in_else, whens], ids=lambda make: make.__name__)
def test_nesting_of_cases(make: Nested, size: int) -> None:
    """Each WHEN lies inside the one before it, and CASE and WHEN are a level each."""
    assert json.dumps(qql.compile(make(100))[0].body)
    assert qql.explain(make(100))
    for depth in (101, size):
        assert "200" in refused(make(depth), "too-deep").message


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        *[(make, 200) for make in (parentheses, negations, and_or_tree)],
        *[(make, 200) for make in (formula_parentheses, minuses, calls, sums, divisions, decays, boosts)],
        *[(make, 200) for make in (conditions_in_formulas, nested_conditions, counted_conditions)],
        *[(make, 200) for make in (json_arrays, json_objects, qql_arrays, qql_objects)],
        *[(make, 64) for make in (inline_stages, parenthesised_stages, cte_chain)],
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
@sizes(3_000, 20_000)
def test_nesting(make: Nested, limit: int, size: int) -> None:
    assert len(qql.compile(make(limit))) == 1
    assert qql.explain(make(limit))
    error = refused(make(limit + 1), "too-deep")
    assert str(limit) in error.message
    # Far beyond, the same error: no stack is needed to find out.
    assert str(limit) in refused(make(size), "too-deep").message


def test_all_limits_at_once() -> None:
    """The deepest filter in the deepest stage, with parameters, from a stack that is not empty."""
    condition = negations(199).partition("WHERE ")[2].replace("a = 1", "a = :v")
    text = "QUERY [1] FROM c " + "PREFETCH (QUERY [1] " * 64 + f"WHERE {condition}" + ")" * 64
    tree = and_or_tree(200).partition("WHERE ")[2].replace("a = 0", "a = :v")
    deep = "QUERY [1] FROM c " + "PREFETCH (QUERY [1] " * 64 + f"WHERE {tree}" + ")" * 64

    def from_below(frames: int) -> None:
        if frames:
            from_below(frames - 1)
            return
        for one in (text, deep):
            assert qql.compile(one, {"v": 1}) == qql.compile(one.replace(":v", "1"))
            assert qql.explain(one, {"v": 1})

    from_below(100)


def test_a_stack_that_is_nearly_full_is_an_error_of_ours() -> None:
    text = and_or_tree(200)
    qql.compile(text)

    def from_below(frames: int) -> str:
        if frames:
            return from_below(frames - 1)
        try:
            qql.compile(text)
        except qql.QQLPlanError as exc:
            return exc.code
        return "compiled"

    assert from_below(sys.getrecursionlimit() - 250) in ("too-deep", "compiled")


@pytest.mark.parametrize("make", [and_or_tree, nested_conditions, whens], ids=lambda make: make.__name__)
def test_what_tells_of_a_deep_text_needs_no_empty_stack(make: Nested) -> None:
    text = make(100 if make is whens else 200)
    calls: list[Callable[[str], object]] = [qql.explain, qql.lint, qql.format, qql.check]

    def from_below(frames: int, call: Callable[[str], object]) -> object:
        return from_below(frames - 1, call) if frames else call(text)

    for call in calls:
        for free in (900, 700, 400, 150):
            try:
                assert from_below(sys.getrecursionlimit() - free, call) is not None
            except qql.QQLPlanError as exc:
                assert exc.code == "too-deep"


def test_a_deep_tree_can_be_printed() -> None:
    (tree,) = qql.parse(and_or_tree(200))
    assert repr(tree).startswith("Count(")
    assert "…" in repr(tree)
    (flat,) = qql.parse("COUNT FROM c")
    assert "…" not in repr(flat)


def test_depth_of_bound_values() -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return value

    text = "UPSERT INTO c VALUES {id: 1, a: :v}"
    assert qql.compile(text, {"v": nested(199)})
    refused(text, "too-deep", {"v": nested(200)})
    refused(text, "too-deep", {"v": nested(100_000)})


# ------------------------------------------------------------------------------------ stages


def test_expanded_stages() -> None:
    assert qql.compile(f"QUERY FUSION RRF FROM c PREFETCH ({', '.join(['QUERY [1]'] * 1024)})")
    error = refused(
        f"QUERY FUSION RRF FROM c PREFETCH ({', '.join(['QUERY [1]'] * 1025)})", "too-many-stages"
    )
    assert "1,025" in error.message
    assert "1,024" in error.message


def doubling(levels: int) -> str:
    ctes = [
        f"s{i} AS (QUERY [1] PREFETCH (s{i - 1}, s{i - 1}))" if i else "s0 AS (QUERY [1])"
        for i in range(levels)
    ]
    return f"WITH {', '.join(ctes)} QUERY [1] FROM c PREFETCH (s{levels - 1})"


def test_shared_stages_are_counted_before_they_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    body = qql.compile(doubling(10))[0].body  # 1 + 2 + … + 512 = 1,023 prefetches
    assert body is not None
    assert str(body).count("nearest") == 1024
    refused(doubling(11), "too-many-stages")

    calls = 0
    original = planner._Planner.stage

    def counted(self: Any, *args: Any, **given: Any) -> Any:
        nonlocal calls
        calls += 1
        return original(self, *args, **given)

    monkeypatch.setattr(planner._Planner, "stage", counted)
    refused(doubling(15), "too-many-stages")
    short, calls = calls, 0
    error = refused(doubling(30), "too-many-stages")
    assert calls == short + 15, "the work is that of the stages written, not of the stages meant"
    assert f"{2**30 - 1:,}" in error.message
    assert "2^" in refused(doubling(64), "too-many-stages").message


@sizes(2_000, 10_000)
def test_a_long_chain(size: int) -> None:
    refused(cte_chain(size), "too-deep")
    unused = ", ".join(f"s{i} AS (QUERY [1])" for i in range(size))
    warnings: list[qql.Diagnostic] = []
    assert qql.compile(f"WITH {unused} QUERY [1] FROM c PREFETCH (s{size - 1})", warnings=warnings)
    assert len(warnings) == size - 1
    circle = ", ".join(f"s{i} AS (QUERY [1] PREFETCH (s{(i + 1) % size}))" for i in range(size))
    error = refused_long(f"WITH {circle} QUERY [1] FROM c PREFETCH (s0)", "stage-cycle")
    assert len(error.message) < 1000


def refused_long(text: str, code: str) -> qql.QQLError:
    with pytest.raises(qql.QQLCompileError) as caught:
        qql.compile(text)
    assert caught.value.code == code
    return caught.value


# ------------------------------------------------------------------------------------ numbers and length


@pytest.mark.parametrize(("clause", "least"), [("LIMIT", 1), ("OFFSET", 0)])
def test_limit_and_offset(clause: str, least: int) -> None:
    for number in (least, U32):
        body = qql.compile(f"QUERY [1] FROM c {clause} {number}")[0].body
        assert body is not None
        assert body[clause.lower()] == number
        assert qql.compile(f"QUERY [1] FROM c {clause} :n", {"n": number})[0].body == body
    for number in (least - 1, U32 + 1):
        error = refused(f"QUERY [1] FROM c {clause} {number}", "bad-limit")
        assert str(U32) in error.message
        refused(f"QUERY [1] FROM c {clause} :n", "bad-limit", {"n": number})
    for wrong in ("1.0", "'1'", "true", "null"):
        refused(f"QUERY [1] FROM c {clause} {wrong}", "bad-limit")


def test_length_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert syntax.MAX_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(syntax, "MAX_BYTES", 40)
    text = "COUNT FROM c WHERE a = 'é'"
    assert qql.parse(text.ljust(39))  # é takes two bytes
    with pytest.raises(qql.QQLSyntaxError, match="41 bytes") as caught:
        qql.parse(text.ljust(40))
    assert caught.value.code == "text-too-long"
    with pytest.raises(qql.QQLSyntaxError, match="41 bytes"):
        syntax.parse_stage("QUERY 'é'".ljust(40))


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        (2**64 - 1, True),
        (2**64, False),
        (-(2**63), True),
        (-(2**63) - 1, False),
        (10**5000, False),
        (-(10**5000), False),
    ],
    ids=lambda value: str(value)[:12] if abs(value) < 2**70 else "huge",
)
def test_integers_fit_64_bits(number: int, fits: bool) -> None:
    digits = f"{'-' if number < 0 else ''}{'1' + '0' * 5000 if abs(number) >= 10**5000 else abs(number)}"
    for row in (f'{{"id": 1, "a": {digits}}}', f"{{id: 1, a: {digits}}}", f"{{id: 1, a: [[{digits}]]}}"):
        if fits:
            assert qql.compile(f"UPSERT INTO c VALUES {row}")
        else:
            refused(f"UPSERT INTO c VALUES {row}", "number-out-of-range")


def test_matched_integers_fit_signed_64_bits() -> None:
    for condition in ("a = {}", "a != {}", "a IN (1, {})", "a MATCH EXCEPT ({})"):
        assert qql.compile(f"COUNT FROM c WHERE {condition.format(2**63 - 1)}")
        refused(f"COUNT FROM c WHERE {condition.format(2**63)}", "number-out-of-range")
    assert qql.compile(f"COUNT FROM c WHERE a < {2**64 - 1} AND id = {2**64 - 1}")


# ------------------------------------------------------------------------------------ large texts


@sizes(12_000, 100_000)
@pytest.mark.parametrize(("word", "key"), [("AND", "must"), ("OR", "should")])
def test_many_conditions(word: str, key: str, size: int) -> None:
    text = f"COUNT FROM c WHERE {f' {word} '.join(f'a = {i}' for i in range(size))}"
    body = qql.compile(text)[0].body
    assert body is not None
    assert len(body["filter"][key]) == size
    assert body["filter"][key][-1] == {"key": "a", "match": {"value": size - 1}}


@sizes(12_000, 100_000)
def test_many_nots(size: int) -> None:
    refused(negations(size), "too-deep")
    text = f"COUNT FROM c WHERE {' AND '.join(['NOT a = 1'] * size)}"
    body = qql.compile(text)[0].body
    assert body is not None
    assert len(body["filter"]["must_not"]) == size


@sizes(12_000, 50_000)
def test_many_values(size: int) -> None:
    numbers = ", ".join(map(str, range(size)))
    texts = ", ".join(f"'{i}'" for i in range(size))
    text = f"COUNT FROM c WHERE a IN ({numbers}) AND b IN ({texts})"
    body = qql.compile(text)[0].body
    assert body is not None
    first, second = body["filter"]["must"]
    assert first["match"]["any"] == list(range(size))
    assert second["match"]["any"][-1] == str(size - 1)
    assert qql.compile("COUNT FROM c WHERE a IN :v", {"v": list(range(size))})[0].body == {
        "filter": {"must": [first]}
    }


@sizes(1_000_000, 10_000_000)
@pytest.mark.parametrize("quote", ["'{}'", '"{}"', "'''{}'''", "`{}`", "r'{}'"])
def test_long_strings(quote: str, size: int) -> None:
    long = "x" * size
    (count,) = qql.parse(f"COUNT FROM c WHERE a = {quote.format(long)}")
    assert isinstance(count, nodes.Count)
    assert isinstance(count.where, nodes.Compare)
    assert count.where.value.value == long
    with pytest.raises(qql.QQLSyntaxError, match="no closing"):
        qql.parse(f"COUNT FROM c WHERE a = {quote.format(long)[:-1]}")


def test_many_backslashes() -> None:
    text = "\\\\" * 15_000
    (count,) = qql.parse(f"COUNT FROM c WHERE a = '{text}'")
    assert isinstance(count, nodes.Count)
    assert isinstance(count.where, nodes.Compare)
    assert count.where.value.value == "\\" * 15_000
    for broken in (f"'{text}", f"'{text}\\'", f'"{text}', f'"{text}\\"', "'" + "\\'" * 30_000, "'" * 30_001):
        with pytest.raises(qql.QQLSyntaxError):
            qql.parse(f"COUNT FROM c WHERE a = {broken}")


@pytest.mark.parametrize("text", ["/* " * 100_000, "/* " + "*" * 100_000, "-- " * 100_000, "/**/" * 100_000])
def test_comments(text: str) -> None:
    done, errors = syntax.parse_script(Source(text))
    assert not done
    assert [error.code for error in errors] == (
        ["unterminated-comment"] if "*" in text and "/**/" not in text else []
    )


@sizes(12_000, 100_000)
@pytest.mark.parametrize("bracket", ["(", "[", "{", "[{", "([", "PREFETCH (", "a = (", "{a: "])
def test_brackets_without_end(bracket: str, size: int) -> None:
    for before in (
        "",
        "QUERY ",
        "COUNT FROM c WHERE ",
        "UPSERT INTO c VALUES ",
        "QUERY [1] FROM c PREFETCH (",
    ):
        done, errors = syntax.parse_script(Source(before + bracket * size))
        assert not done
        assert errors


@sizes(2_000, 20_000)
def test_many_statements(size: int) -> None:
    text = "COUNT FROM c WHERE a = 1\n" * size
    assert len(qql.split(text)) == size
    broken = "COUNT FORM c\n" * size
    with pytest.raises(qql.QQLScriptError) as caught:
        qql.parse(broken)
    assert len(caught.value.diagnostics) == 100
    assert caught.value.diagnostics[99].line == 100


# ------------------------------------------------------------------------------------ odd characters


def caret(text: str) -> list[str]:
    with pytest.raises(qql.QQLCompileError) as caught:
        qql.compile(text)
    return caught.value.render().splitlines()


def test_a_byte_order_mark_is_not_counted() -> None:
    assert qql.compile("\ufeffCOUNT FROM c") == qql.compile("COUNT FROM c")
    assert caret("\ufeffCOUNT FORM c")[1:] == caret("COUNT FORM c")[1:]
    assert caret("\ufeffCOUNT FORM c")[1].endswith(":1:7")


def test_lines_may_end_in_crlf() -> None:
    lines = caret("COUNT FROM c\r\nWHERE a = 1\r\n  LIMITS 3\r\n")
    assert lines[1].endswith(":3:3")
    assert lines[3] == "3 |   LIMITS 3"
    assert lines[4] == "  |   ^^^^^^"


@pytest.mark.parametrize(
    ("text", "column", "line", "pointer"),
    [
        ("COUNT\tFROM c\tFOO", 14, "COUNT FROM c FOO", "             ^^^"),
        ("COUNT FROM '日本' FOO", 17, "COUNT FROM '日本' FOO", "                  ^^^"),
        ("COUNT FROM 'e\u0301' FOO", 17, "COUNT FROM 'e\u0301' FOO", "               ^^^"),
        ("COUNT FROM '\U0001f600' FOO", 16, "COUNT FROM '\U0001f600' FOO", "                ^^^"),
        ("COUNT FROM 'a\x1b[31m' FOO", 21, r"COUNT FROM 'a\x1b[31m' FOO", "                       ^^^"),
    ],
    ids=["tab", "wide", "combining", "emoji", "escape"],
)
def test_carets_stand_under_what_they_mean(text: str, column: int, line: str, pointer: str) -> None:
    lines = caret(text)
    assert lines[1].endswith(f":1:{column}")
    assert lines[3] == f"1 | {line}"
    assert lines[4] == f"  | {pointer}"


def test_long_lines_are_cut_around_the_caret() -> None:
    lines = caret(f"COUNT FROM c WHERE a = '{'x' * 5000}' FOO AND b = '{'y' * 5000}'")
    assert max(map(len, lines)) < 200
    assert lines[3].index("FOO") == lines[4].index("^^^")


@pytest.mark.parametrize("half", ["\ud800", "\udfff", "\udc80"])
def test_half_of_a_character_is_refused(half: str) -> None:
    for text in (f"COUNT FROM c WHERE a = '{half}'", f"COUNT FROM {half}", half, f"-- {half}"):
        error = refused(text, "lone-surrogate")
        assert error.render().encode()
    with pytest.raises(qql.QQLSyntaxError):
        syntax.parse_stage(f"QUERY '{half}'")
    refused("DROP INDEX ON c FOR IDENTIFIER(:f)", "wrong-parameter", {"f": half})
    refused("COUNT FROM c WHERE a = :v", "lone-surrogate", {"v": half})
    refused("UPSERT INTO c VALUES {id: 1, a: :v}", "lone-surrogate", {"v": [{half: 1}]})


def test_whole_pairs_of_escapes_are_one_character() -> None:
    for text in ("'\\ud83d\\ude00'", '"\\uD83D\\uDE00"'):
        (count,) = qql.parse(f"COUNT FROM c WHERE a = {text}")
        assert isinstance(count, nodes.Count)
        assert isinstance(count.where, nodes.Compare)
        assert count.where.value.value == "\U0001f600"
