"""What holds for every text and every tree."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import examples, spoil
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import qql
from qql import nodes
from qql.compiler.emit_filters import emit_filter
from qql.errors import Diagnostic, QQLCompileError, Source
from qql.syntax import driver
from qql.syntax import parser as syntax
from qql.syntax.printer import show

GOLDEN = Path(__file__).parent / "golden"
SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))


def _statements() -> Iterator[str]:
    """The statements of the golden cases that compile without settings."""
    for case in sorted(GOLDEN.rglob("*.qql")):
        text = case.read_text(encoding="utf-8")
        if case.with_suffix(".json").exists() and not re.match(r"-- \w+: ", text):
            yield from qql.split(text)


STATEMENTS = list(_statements())
SCRIPT_STATEMENTS = [text for text in STATEMENTS if not text.startswith("FUSION")]


# ------------------------------------------------------------------------------------ any text


def check_errors(found: list[Diagnostic], text: str) -> None:
    """Each diagnostic has a code in words and a place in the text, and can be shown."""
    for diagnostic in found:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", diagnostic.code)
        assert diagnostic.message
        for span in [diagnostic.span, *(span for span, _ in diagnostic.related)]:
            assert span is not None
            assert 0 <= span.start <= span.end <= len(text)
        assert diagnostic.source is not None
        assert diagnostic.line is not None
        assert diagnostic.column is not None
        assert diagnostic.line >= 1
        assert diagnostic.column >= 1
        assert diagnostic.code in diagnostic.render()
        assert json.dumps(diagnostic.to_dict())


def survives(text: str) -> None:
    """Parsing, compiling and explaining raise nothing but our own errors."""
    for phase in (qql.parse, qql.compile, qql.explain):
        try:
            phase(text)
        except qql.QQLError as exc:
            assert isinstance(exc, QQLCompileError)
            if "missing-parameter" not in {d.code for d in exc.diagnostics}:
                check_errors(list(exc.diagnostics), text)
    check_errors([d for d in qql.check(text) if d.span], text)
    syntax.is_complete(text)


_FRAGMENTS = st.sampled_from(
    [
        *"()[]{},;:=<>!?'\"`-+*/\\.$ \n\t",
        *["''", "'''", "/*", "*/", "--", "\\u12", "1e9", "-0", "1", "0.5", "\ufeff", "\x00", "\ud800"],
        *["QUERY", "FROM", "WITH", "AS", "WHERE", "NOT", "IN", "PREFETCH", "FUSION", "RRF", "MATCH", "UUID"],
        *["a", "é", "日本", "e\u0301", "VALUES", "UPSERT INTO c", "COUNT FROM c"],
    ]
)


@SETTINGS
@given(st.one_of(st.text(max_size=60), st.lists(_FRAGMENTS, max_size=25).map(" ".join)))
@example("")
@example(";")
@example("'" * 7)
@example("QUERY [1] FROM c WITH PAYLOAD ()")
@example("QUERY [1] FROM c WITH PAYLOAD (include = [])")
@example("UPSERT INTO c VALUES {id: 1, a: UUID(5)}")
@example("QUERY [1] FROM c PARAMS (hnsw_ef = UUID('x'))")
@example("DROP INDEX ON c FOR '\\ud800'")
def test_any_text(text: str) -> None:
    survives(text)


@SETTINGS
@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    survives(data.decode("utf-8", "surrogateescape"))
    survives(data.decode("latin-1"))


def _tokens(text: str) -> list[str]:
    """The terminals of a text with the space before each."""
    out, pos = [], 0
    while True:
        token = syntax.cut(text, pos)
        if token.type == "$END":
            return out
        out.append(text[pos : token.end])
        pos = token.end


@settings(SETTINGS, max_examples=examples(300))
@given(st.sampled_from(STATEMENTS), st.randoms(use_true_random=False))
def test_damaged_statements(text: str, rng: random.Random) -> None:
    tokens = _tokens(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(tokens))
        damage = rng.randrange(4)
        if damage == 0:
            del tokens[at : at + 1]
        elif damage == 1:
            tokens.insert(at, tokens[at])
        elif damage == 2:
            other = rng.randrange(len(tokens))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        else:
            tokens.insert(at, rng.choice(_tokens(rng.choice(STATEMENTS))))
        tokens = tokens or [" "]
    survives("".join(tokens))


@pytest.mark.parametrize("text", sorted(set(STATEMENTS), key=lambda one: (len(one), one))[::3])
@pytest.mark.parametrize("pieces", [20, pytest.param(60, marks=pytest.mark.slow)])
def test_cut_off_anywhere(text: str, pieces: int) -> None:
    for end in range(0, len(text), max(1, len(text) // pieces)):
        survives(text[:end])


@settings(SETTINGS, max_examples=20)
@given(st.sampled_from(STATEMENTS), st.sampled_from(["", "'", "(", "\n", ";", "/*", "\\'", "NOT "]))
def test_work_grows_with_the_text(text: str, noise: str) -> None:
    """Ten times the text takes no more than some twelve times the terminals."""
    with pytest.MonkeyPatch.context() as patch:

        def work(times: int) -> int:
            count = 0

            def counted(original: Callable[[str, int], Any]) -> Callable[[str, int], Any]:
                def cut(source: str, pos: int) -> Any:
                    nonlocal count
                    count += 1
                    return original(source, pos)

                return cut

            originals = [(syntax, "cut", syntax.cut), (driver, "cut", driver.cut)]
            originals.append((driver, "match_next", driver.match_next))
            for module, name, original in originals:
                patch.setattr(module, name, counted(original))
            syntax.parse_script(Source(f"{noise}{text}\n" * times))
            for module, name, original in originals:
                patch.setattr(module, name, original)
            return count

        assert 0 < work(50) <= 12 * work(5) + 1000


# ------------------------------------------------------------------------------------ layout


@settings(SETTINGS, max_examples=examples(150))
@given(
    st.lists(st.sampled_from(SCRIPT_STATEMENTS), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n", "\n\n  "]),
)
def test_lines_part_statements_as_semicolons_do(texts: list[str], line_end: str) -> None:
    apart = [statement for text in texts for statement in qql.parse(text)]
    assert qql.parse(line_end.join(texts)) == apart
    assert qql.parse(";".join(texts)) == apart
    assert qql.parse(" ;\n".join(texts) + ";;") == apart
    assert len(qql.split(line_end.join(texts))) == len(texts)


def test_an_update_that_says_collection_begins_a_statement_behind_an_upsert() -> None:
    upsert = "UPSERT INTO c VALUES {id: 1}"
    for update in ("UPDATE COLLECTION c SET PAYLOAD = {a: 1}", "UPDATE collection SET PAYLOAD = {a: 1}"):
        assert qql.parse(f"{upsert}\n{update}") == qql.parse(f"{upsert};\n{update}")
    assert len(qql.parse(f"{upsert}\nUPDATE MODE insert_only")) == 1


_SPACES = [" ", "\n", "\t", "\r\n", "  ", "/**/", " /* ' */ ", "\n-- it's ; a comment\n", "\ufeff"]


@settings(SETTINGS, max_examples=examples(200))
@given(st.sampled_from(STATEMENTS), st.randoms(use_true_random=False))
def test_layout_and_comments_do_not_matter(text: str, rng: random.Random) -> None:
    expected = qql.parse(text)
    # A line break might begin a statement, so a keyword that can begin one gets no line to itself.
    spaces = [space for space in _SPACES if "\n" not in space] if re.search(r"FUSION|WITH", text) else _SPACES
    laid_out = "".join(rng.choice(spaces) + token.strip() for token in _bare_tokens(text))
    assert qql.parse(rng.choice(_SPACES) + laid_out.lstrip() + rng.choice(["", ";", " -- end"])) == expected


def _bare_tokens(text: str) -> list[str]:
    out, pos = [], 0
    while True:
        token = syntax.cut(text, pos)
        if token.type == "$END":
            return out
        out.append(token.text)
        pos = token.end


def _has_no_names_in_capitals(text: str) -> bool:
    words = {token for token in map(str.strip, _tokens(text)) if re.fullmatch("[A-Z][A-Z_]+", token)}
    return words <= syntax.keywords() and not re.search(r"USING SPARSE|\(A\)", text)


@settings(SETTINGS, max_examples=examples(150))
@given(
    st.sampled_from([text for text in STATEMENTS if _has_no_names_in_capitals(text)]),
    st.sampled_from([str.lower, str.title, str.swapcase]),
)
def test_case_of_keywords_does_not_matter(text: str, change: Callable[[str], str]) -> None:
    """In the cases chosen keywords are in capitals and names are not."""
    tokens = _tokens(text)
    changed = [re.sub(r"(?<![\w'\"`])[A-Z_]{2,}$", lambda m: change(m.group()), t) for t in tokens]
    assert qql.parse("".join(changed)) == qql.parse(text)


CLAUSES = [
    "FROM docs",
    "USING dense AS DENSE",
    "WHERE a = 1 AND NOT b IN (2, 3)",
    "PREFETCH (QUERY [2] LIMIT 5, x WHERE c = 2 SCORE THRESHOLD 0.5)",
    "SCORE THRESHOLD 0.25",
    "PARAMS (hnsw_ef = 5)",
    "WITH PAYLOAD INCLUDE (a, b)",
    "WITH VECTOR (dense)",
    "LOOKUP FROM other VECTOR v",
    "LIMIT 3",
    "OFFSET 4",
]


@settings(SETTINGS, max_examples=examples(150))
@given(st.permutations(CLAUSES), st.integers(1, len(CLAUSES)))
def test_clauses_come_in_any_order(clauses: list[str], count: int) -> None:
    chosen = clauses[:count]
    (expected,) = qql.parse(f"QUERY [1] {' '.join(c for c in CLAUSES if c in chosen)}")
    assert qql.parse(f"QUERY [1] {' '.join(chosen)}") == [expected]
    assert qql.parse("QUERY [1]\n" + "\n".join(chosen)) == [expected]


# ------------------------------------------------------------------------------------ soft keywords

NAME_PLACES = [
    "COUNT FROM {} WHERE a = 1",
    "QUERY [1] FROM {} LIMIT 3",
    "QUERY [1] LIMIT 3 FROM {};",
    "QUERY [1] FROM {} WHERE a = 1 USING {}",
    "QUERY [1] FROM c USING {} AS DENSE LIMIT 3",
    "QUERY [1] FROM c LOOKUP FROM {} VECTOR {} LIMIT 3",
    "COUNT FROM c WHERE {} = 1",
    "COUNT FROM c WHERE {} IN (1) AND {} IS NOT NULL OR NOT {} BETWEEN 1 AND 2",
    "COUNT FROM c WHERE NOT {} MATCH ANY ('a') AND ({} != 2 OR {} NOT IN (3))",
    "QUERY [1] FROM c WITH PAYLOAD INCLUDE ({}, a, {})",
    "QUERY [1] FROM c WITH VECTOR ({})",
    "WITH {} AS (QUERY [1] LIMIT 5), x AS (QUERY [2]) QUERY FUSION RRF FROM c PREFETCH ({}, x)",
    "WITH {} AS (QUERY [1]) QUERY FUSION RRF FROM c PREFETCH (x, {} WHERE {} = 1 SCORE THRESHOLD 0.5)",
    "SCROLL FROM {} ORDER BY {} DESC LIMIT 3",
    "UPSERT INTO {} VALUES {{id: 1, {}: 2}}",
    "CREATE COLLECTION {} ({} VECTOR(3, COSINE), s SPARSE) WITH METADATA ({} = 1)",
    "CREATE INDEX ON COLLECTION {} FOR {} TYPE keyword",
    "DROP INDEX ON {} FOR {}",
    "SHOW COLLECTION {}",
    "DROP COLLECTION {}",
    "USE {}; DEFINE {} AS (QUERY [1]); UNDEFINE {}",
    "COPY {} FROM 'f' MAP ({} = a, {} = b)",
    "QUERY ORDER BY {} DESC FROM {} LIMIT 3",
    "QUERY RECOMMEND POSITIVE (1) NEGATIVE (2) FROM {} USING {} AS DENSE",
    "QUERY [1] FROM c GROUP BY {} SIZE 2 LOOKUP FROM {} WITH PAYLOAD ({}) LIMIT 3",
    "QUERY HYBRID 'x' DENSE {} SPARSE {} FROM {}",
    "QUERY MATCH 'x' ON {} FROM c",
    "COUNT FROM c WHERE NESTED({}, {} = 1 OR {} VALUES_COUNT > 2) AND HAS_VECTOR {}",
    "COUNT FROM c WHERE MIN SHOULD 1 ({} = 1, {} IS EMPTY, {} RANGE (gt = 1))",
    "COUNT FROM c WHERE {} GEO_RADIUS {{center: {{lat: 1, lon: 2}}, radius: 3}}",
    "QUERY FORMULA MATCH({}, 'x') + GEO_DISTANCE(1, 2, {}) + DATETIME_KEY({}) FROM {}",
    "QUERY FORMULA CASE WHEN {} = 1 THEN 2 ELSE 3 END FROM {}",
    "QUERY FORMULA $score DEFAULTS ({} = 1) FROM {}",
    "DELETE PAYLOAD {}, a FROM {} WHERE {} = 1",
    "DELETE VECTOR {} FROM {} WHERE {} > 1",
    "UPDATE {} SET PAYLOAD = {{a: 1}} KEY {} WHERE {} = 1",
    "UPDATE {} SET VECTOR {} = [1] WHERE id = 1",
    "CREATE ALIAS {} FOR {}",
]


@pytest.mark.parametrize("place", NAME_PLACES)
@pytest.mark.parametrize("spell", [str.lower, pytest.param(str.upper, marks=pytest.mark.slow)])
def test_keywords_are_names_where_nothing_else_can_stand(place: str, spell: Callable[[str], str]) -> None:
    # These can be read in two ways: `not NOT IN (3)`, `OR not VALUES_COUNT`, `USING hybrid`, `SPARSE vector`,
    # `PREFETCH (query WHERE …)`.
    doubts = {"{} NOT": "NOT", "OR {}": "NOT", "USING {}": "HYBRID", "SPARSE {}": "VECTOR"}
    doubts["x, {} WHERE"] = "QUERY"
    doubtful = {word for written, word in doubts.items() if written in place}
    for word in map(spell, sorted(syntax.keywords() - doubtful)):
        quoted = place.replace("{}", f"'{word}'").replace("{{", "{").replace("}}", "}")
        bare = place.replace("{}", word).replace("{{", "{").replace("}}", "}")
        assert qql.parse(bare) == qql.parse(quoted), bare


def test_option_names_may_be_keywords() -> None:
    for keyword in sorted(syntax.keywords()):
        (query,) = qql.parse(
            f"QUERY [1] FROM c PARAMS ({keyword} = 1, x = (({keyword} = {keyword}))".replace("((", "(")
        )
        assert isinstance(query, nodes.Query)
        assert [option.name for option in query.params] == [keyword.lower(), "x"]


# ------------------------------------------------------------------------------------ values

_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.sampled_from(
            [
                "\\u0041",
                "''",
                "\x00\x1f\x7f",
                "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
            ]
        ),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=15,
)


def _same(a: Any, b: Any) -> bool:
    """Equal, and of the same types all the way down."""
    return repr(a) == repr(b)


@settings(SETTINGS, max_examples=examples(200))
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), _JSON, max_size=4), st.booleans())
def test_json_and_grammar_read_the_same_values(value: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    (by_json,) = qql.parse(f"UPSERT INTO c VALUES {text}")
    # A comment is no JSON, so the grammar has to read this one.
    (by_grammar,) = qql.parse(f"UPSERT INTO c VALUES {text[0]}/**/{text[1:]}")
    # Bare keys, texts in single quotes, a trailing comma, keywords in capitals.
    (in_qql,) = qql.parse(f"UPSERT INTO c VALUES {show(value)}")
    assert isinstance(by_json, nodes.Upsert)
    assert isinstance(by_grammar, nodes.Upsert)
    assert isinstance(in_qql, nodes.Upsert)
    assert _same(by_json.rows, (value,))
    assert _same(by_grammar.rows, (value,))
    assert _same(in_qql.rows, (value,))


@pytest.mark.parametrize(
    "text",
    [
        *[
            '{"a": 1, "a": 2}',
            "{a: 1, 'a': 2}",
            '{"a": NaN}',
            '{"a": Infinity}',
            '{"a": 1e400}',
            "{a: 1e400}",
        ],
        *['{"a": 18446744073709551616}', "{a: -9223372036854775809}", '{"a": "\\ud800"}', "{a: '\\ud800x'}"],
        *[
            '{"a": 01x}',
            '{"a": .5}',
            '{"a": +1}',
            '{"a" 1}',
            '{"a": [1 2]}',
            '{"a": "\\q"}',
            '{"a": "\\u12"}',
        ],
    ],
)
def test_no_path_accepts_what_the_other_refuses(text: str) -> None:
    for written in (text, f"{text[0]}/**/{text[1:]}"):
        with pytest.raises(qql.QQLSyntaxError):
            qql.parse(f"UPSERT INTO c VALUES {written}")


# ------------------------------------------------------------------------------------ trees

_TEXT = st.text(st.characters(codec="utf-8"), max_size=10)
_NAMES = st.builds(
    nodes.Name,
    st.one_of(
        st.sampled_from(["a", "b.c", "tags[].x", "$s", "_1", "1a", "it's", "", "日本", "a\nb"]),
        st.sampled_from(sorted(syntax.keywords())),
        _TEXT,
        st.builds(nodes.Param, st.sampled_from(["p", "q1"])),
    ),
)
_PARAMS = st.builds(nodes.Param, st.sampled_from(["p", "q", "limit"]))
_UUIDS = st.builds(nodes.Uuid, st.builds(nodes.Scalar, st.one_of(_TEXT, _PARAMS)))
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_INTS = st.integers(-(2**63), 2**64 - 1)
_SCALARS = st.builds(
    nodes.Scalar, st.one_of(_TEXT, _INTS, _FINITE, st.booleans(), st.none(), _PARAMS, _UUIDS)
)
_WORDS = st.builds(nodes.Scalar, st.one_of(_TEXT, _PARAMS))
_LISTED = st.one_of(st.lists(_SCALARS, min_size=1, max_size=3).map(tuple), _PARAMS)

_LEAVES = st.one_of(
    st.builds(nodes.Compare, _NAMES, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), _SCALARS),
    st.builds(nodes.Between, _NAMES, _SCALARS, _SCALARS),
    st.builds(nodes.In, _NAMES, _LISTED),
    st.builds(nodes.IsNull, _NAMES),
    st.builds(nodes.IsEmpty, _NAMES),
    st.builds(nodes.Match, _NAMES, st.sampled_from(["text", "phrase", "prefix", "text_any"]), _WORDS),
    st.builds(nodes.Match, _NAMES, st.sampled_from(["any", "except"]), _LISTED),
)


def _logic(leaves: st.SearchStrategy[Any], max_leaves: int = 8) -> st.SearchStrategy[Any]:
    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(
            st.builds(nodes.And, several), st.builds(nodes.Or, several), st.builds(nodes.Not, inner)
        )

    return st.recursive(leaves, deeper, max_leaves=max_leaves)


_CONDITIONS = _logic(_LEAVES)


@settings(SETTINGS, max_examples=examples(300))
@given(_CONDITIONS)
def test_conditions_survive_printing(tree: nodes.Condition) -> None:
    (count,) = qql.parse(f"COUNT FROM c WHERE {show(tree)}")
    assert isinstance(count, nodes.Count)
    assert count.where == tree


_NUMBERS = st.one_of(st.integers(-(2**31), 2**31), _FINITE)
_VECTOR_VALUES = st.one_of(
    st.lists(_NUMBERS, max_size=4),
    st.lists(st.lists(_NUMBERS, max_size=3), min_size=1, max_size=3),
    st.builds(lambda i, v: {"indices": i, "values": v}, st.lists(st.integers(0, 9)), st.lists(_NUMBERS)),
    _PARAMS,
)
_IDS = st.builds(nodes.Scalar, st.one_of(_INTS, _TEXT, _PARAMS, _UUIDS))
_TEXTS = st.one_of(_TEXT, _PARAMS, st.just("550e8400-e29b-41d4-a716-446655440000"))
_TARGETS = st.one_of(
    st.builds(nodes.Text, st.builds(nodes.Scalar, _TEXTS), st.none() | _WORDS),
    st.builds(nodes.Vector, _VECTOR_VALUES),
    st.builds(nodes.Point, _IDS),
    st.builds(nodes.Points, st.one_of(st.lists(_IDS, min_size=1, max_size=3).map(tuple), _PARAMS)),
    st.builds(nodes.AnyInput, _PARAMS),
)
_OPTION_NAMES = st.one_of(
    st.sampled_from(["hnsw_ef", "exact", "limit", "true", "a b"]),
    _TEXT.map(str.lower).filter(lambda t: t == t.lower()),
)
_OPTION_VALUES = st.recursive(
    st.one_of(_TEXT, _INTS, _FINITE, st.booleans(), st.none(), _PARAMS, st.lists(_INTS, max_size=3)),
    lambda inner: st.lists(st.builds(nodes.Option, _OPTION_NAMES, inner), min_size=1, max_size=2).map(tuple),
    max_leaves=3,
)
_OPTIONS = st.lists(st.builds(nodes.Option, _OPTION_NAMES, _OPTION_VALUES), max_size=2).map(tuple)
_SELECTIONS = st.one_of(
    st.sampled_from(["all", "none"]).map(nodes.Selection),
    st.builds(
        nodes.Selection,
        st.sampled_from(["include", "exclude"]),
        st.lists(_NAMES, min_size=1, max_size=2).map(tuple),
    ),
)
_LOOKUPS = st.none() | st.builds(nodes.Lookup, _NAMES, st.none() | _NAMES)
_USINGS = st.none() | st.builds(nodes.Using, _NAMES, st.sampled_from([None, "dense", "sparse", "multi"]))
_FUSIONS = st.sampled_from(["rrf", "dbsf"]).map(nodes.Fusion)


@st.composite
def query_trees(draw: st.DrawFn, depth: int = 0) -> nodes.Query:
    fields: dict[str, Any] = {}
    if draw(st.booleans()):
        fields["target"] = draw(_TARGETS)
    if "target" not in fields or draw(st.booleans()):
        fields["fusion"] = draw(_FUSIONS)
    optional: dict[str, st.SearchStrategy[Any]] = {
        "source": _NAMES,
        "using": _USINGS,
        "where": _logic(_LEAVES, 3),
        "threshold": _SCALARS,
        "params": _OPTIONS,
        "lookup": _LOOKUPS,
        "payload": _SELECTIONS,
        "vectors": _SELECTIONS,
        "limit": _SCALARS,
        "offset": _SCALARS,
    }
    for name in draw(st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=5)):
        fields[name] = draw(optional[name])
    if depth < 2:
        stage = _NAMES | query_trees(depth + 1)
        ref = st.builds(nodes.Ref, stage, st.none() | _LEAVES, st.none() | _SCALARS, _LOOKUPS)
        fields["prefetch"] = tuple(draw(st.lists(ref, max_size=2)))
    if depth == 0:
        ctes = st.lists(st.builds(nodes.Cte, _NAMES, query_trees(2)), max_size=2)
        fields["ctes"] = tuple(draw(ctes))
    return nodes.Query(**fields)


@settings(SETTINGS, max_examples=examples(200))
@given(query_trees())
def test_queries_survive_printing(tree: nodes.Query) -> None:
    text = show(tree)
    assert qql.parse(text) == [tree]
    assert qql.parse(text + "\nCOUNT FROM c")[0] == tree
    if not tree.ctes:
        assert syntax.parse_stage(text) == tree


@pytest.mark.parametrize("text", sorted(set(STATEMENTS)))
def test_statements_survive_printing(text: str) -> None:
    (tree,) = qql.parse(text)
    assert qql.parse(show(tree)) == [tree]


# ------------------------------------------------------------------------------------ what filters mean

_SMALL = st.sampled_from([0, 1, 2, "x", "y"])
_FIELD = st.builds(nodes.Name, st.sampled_from(["a", "b", "c"]))
_VALUE = st.builds(nodes.Scalar, _SMALL)
_NUMBER = st.builds(nodes.Scalar, st.sampled_from([0, 1, 2]))
_ALIKE = st.one_of(
    st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=3),
    st.lists(st.sampled_from(["x", "y"]), min_size=1),
).map(lambda values: tuple(nodes.Scalar(value) for value in values))
_MEANT = _logic(
    st.one_of(
        st.builds(nodes.Compare, _FIELD, st.sampled_from(["=", "!="]), _VALUE),
        st.builds(nodes.Compare, _FIELD, st.sampled_from(["<", "<=", ">", ">="]), _NUMBER),
        st.builds(nodes.Between, _FIELD, st.just(nodes.Scalar(0)), _NUMBER),
        st.builds(nodes.In, _FIELD, _ALIKE),
        st.builds(nodes.Match, _FIELD, st.just("except"), _ALIKE),
        st.builds(nodes.IsNull, _FIELD),
        st.builds(nodes.IsEmpty, _FIELD),
        st.builds(nodes.Compare, st.just(nodes.Name("id")), st.sampled_from(["=", "!="]), _NUMBER),
    ),
    12,
)
_PAYLOADS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.one_of(_SMALL, st.none(), st.lists(_SMALL, max_size=2)), max_size=3
)


def _found(payload: dict[str, Any], key: str) -> list[Any]:
    value = payload.get(key)
    return value if isinstance(value, list) else [] if value is None else [value]


def holds(tree: nodes.Condition, number: int, payload: dict[str, Any]) -> bool:
    """What a condition says of a point, straight from the tree."""
    match tree:
        case nodes.And():
            return all(holds(child, number, payload) for child in tree.children)
        case nodes.Or():
            return any(holds(child, number, payload) for child in tree.children)
        case nodes.Not():
            return not holds(tree.child, number, payload)
        case nodes.Compare(op="!="):
            return not holds(nodes.Compare(tree.name, "=", tree.value), number, payload)
        case nodes.Compare(name=nodes.Name(text="id")):
            return number == tree.value.value
        case nodes.IsNull():
            return str(tree.name.text) in payload and payload[str(tree.name.text)] is None
        case nodes.IsEmpty():
            return not _found(payload, str(tree.name.text))
    found = _found(payload, str(tree.name.text))
    numbers = [value for value in found if isinstance(value, int)]
    match tree:
        case nodes.Compare():
            want: Any = tree.value.value
            tests: dict[str, Callable[[Any], bool]] = {
                "=": lambda v: bool(v == want),
                "<": lambda v: bool(v < want),
                "<=": lambda v: bool(v <= want),
                ">": lambda v: bool(v > want),
                ">=": lambda v: bool(v >= want),
            }
            return any(tests[tree.op](v) for v in (found if tree.op == "=" else numbers))
        case nodes.Between():
            low, high = tree.low.value, tree.high.value
            return any(low <= v <= high for v in numbers)  # type: ignore[operator]
        case nodes.In() | nodes.Match():
            listed: Any = tree.values if isinstance(tree, nodes.In) else tree.value
            values = [scalar.value for scalar in listed]
            return any((v in values) == isinstance(tree, nodes.In) for v in found)
    raise AssertionError(tree)


def matches(condition: dict[str, Any], number: int, payload: dict[str, Any]) -> bool:
    """What Qdrant makes of a filter or of one of its conditions."""
    if condition.keys() <= {"must", "should", "must_not"}:
        assert condition
        assert all(condition.values())
        return (
            all(matches(c, number, payload) for c in condition.get("must", []))
            and ("should" not in condition or any(matches(c, number, payload) for c in condition["should"]))
            and not any(matches(c, number, payload) for c in condition.get("must_not", []))
        )
    match condition:
        case {"has_id": ids}:
            return number in ids
        case {"is_null": {"key": key}}:
            return key in payload and payload[key] is None
        case {"is_empty": {"key": key}}:
            return not _found(payload, key)
        case {"key": key, "match": {"value": value}}:
            return value in _found(payload, key)
        case {"key": key, "match": {"any": values}}:
            return any(v in values for v in _found(payload, key))
        case {"key": key, "match": {"except": values}}:
            return any(v not in values for v in _found(payload, key))
        case {"key": key, "range": bounds}:
            tests = {"lt": int.__lt__, "lte": int.__le__, "gt": int.__gt__, "gte": int.__ge__}
            numbers = [v for v in _found(payload, key) if isinstance(v, int)]
            return any(all(tests[name](v, end) for name, end in bounds.items()) for v in numbers)
    raise AssertionError(condition)


def flat(condition: dict[str, Any], around: str = "") -> bool:
    """Whether no AND stands in an AND, no OR in an OR, and no wrapper around one condition."""
    if not condition.keys() <= {"must", "should", "must_not"}:
        return True
    if around == "must" and "should" not in condition:
        return False
    if around == "should" and condition.keys() == {"should"}:
        return False
    if around and condition.keys() == {"must"} and len(condition["must"]) == 1:
        return False
    return all(flat(child, key) for key, children in condition.items() for child in children)


@settings(SETTINGS, max_examples=examples(500))
@given(_MEANT, st.lists(_PAYLOADS, min_size=1, max_size=6))
def test_filters_mean_what_was_written(tree: nodes.Condition, payloads: list[dict[str, Any]]) -> None:
    emitted = emit_filter(tree)
    assert emitted is not None
    assert flat(emitted)
    for number, payload in enumerate(payloads):
        assert matches(emitted, number, payload) == holds(tree, number, payload), (show(tree), emitted)


# ------------------------------------------------------------------------------------ parameters

_BOUND = st.one_of(_TEXT, st.integers(-(2**63), 2**63 - 1), _FINITE, st.booleans())


@settings(SETTINGS, max_examples=examples(200))
@given(
    st.fixed_dictionaries(
        {
            "text": _TEXT.filter(lambda t: bool(t) and not nodes.is_uuid(t)),
            "value": _BOUND,
            "vector": st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3),
            "limit": st.integers(1, 2**32 - 1),
            "score": st.floats(-10, 10),
            "tags": st.lists(_TEXT, min_size=1, max_size=3),
            "id": st.integers(0, 2**64 - 1),
            "row": st.dictionaries(
                _TEXT.filter(lambda k: k.lower() not in ("id", "vector", "vectors")), _BOUND, max_size=3
            ),
        }
    )
)
def test_bound_values_are_as_good_as_written_ones(values: dict[str, Any]) -> None:
    for template in [
        "QUERY :text FROM c WHERE a = :value AND b MATCH :text AND c != :value LIMIT :limit OFFSET :limit",
        "QUERY TEXT :text FROM c WHERE a IN :tags OR NOT b IN (:text, 'x') SCORE THRESHOLD :score",
        "QUERY :vector FROM c WHERE id = :id AND a MATCH ANY :tags AND b MATCH EXCEPT :tags",
        "QUERY POINT :id FROM c WHERE id IN (:id, 7) AND a MATCH ANY :text",
        "QUERY POINTS (:id) FROM c",
        "UPSERT INTO c VALUES {id: :id, a: :value, b: [:text, {c: :row}], vector: :vector}",
        "DELETE FROM c WHERE id IN (:id)",
        "SCROLL FROM c WHERE a = :value LIMIT :limit",
        "WITH s AS (QUERY :vector WHERE a = :value) QUERY FUSION RRF FROM c"
        " PREFETCH (s WHERE b = :value SCORE THRESHOLD :score) LIMIT :limit",
        "QUERY [1] FROM c PARAMS (hnsw_ef = :limit)",
    ]:
        used = {key: value for key, value in values.items() if f":{key}" in template}
        text = template
        for key, value in used.items():
            literal = show(value)
            if key == "tags":
                literal = "(" + ", ".join(show(item) for item in value) + ")"
            text = text.replace(f":{key}", literal) if key != "text" else text
        text = text.replace(":text", show(values["text"]))
        assert qql.compile(template, used) == qql.compile(text)
        order = re.findall(r":(\w+)", template)
        positional = re.sub(r":\w+", "?", re.sub(r"\{(\w+): ", r"{\1 : ", template))
        if "UPSERT" not in template:
            assert qql.compile(positional, [values[key] for key in order]) == qql.compile(text)


INJECTIONS = [
    "'",
    "''; DELETE FROM c WHERE a = 1; --",
    "x' OR a = 'y",
    "\\",
    "\\'",
    "/*",
    "*/ LIMIT 1",
    "\n-- \nDROP COLLECTION c",
    ":value",
    "?",
    "IDENTIFIER(:x)",
    "${x}",
    "{id: 2}",
    "`",
    '"',
    "\x00",
    "\u2028",
    "%s",
]


@pytest.mark.parametrize("attack", INJECTIONS)
def test_a_value_stays_a_value(attack: str) -> None:
    values = {"value": attack}
    (request,) = qql.compile("COUNT FROM c WHERE a = :value", values)
    assert request.body == {"filter": {"must": [{"key": "a", "match": {"value": attack}}]}}
    (request,) = qql.compile("QUERY TEXT :value FROM c", values)
    assert request.body is not None
    assert request.body["query"] == {"nearest": {"text": attack}}
    (request,) = qql.compile("UPSERT INTO c VALUES {id: 1, a: :value, b: [:value]}", values)
    assert request.body is not None
    assert request.body["points"][0]["payload"] == {"a": attack, "b": [attack]}
    (request,) = qql.compile("COUNT FROM c WHERE a IN (?, 'x')", [attack])
    assert request.body == {"filter": {"must": [{"key": "a", "match": {"any": [attack, "x"]}}]}}
    (request,) = (
        qql.compile("COUNT FROM c WHERE IDENTIFIER(:value) = 1", values) if attack.isprintable() else [None]
    )
    if request is not None:
        assert request.body == {"filter": {"must": [{"key": attack, "match": {"value": 1}}]}}
    for text in (
        "QUERY [1] FROM c LIMIT :value",
        "COUNT FROM c WHERE id = :value",
        "DELETE FROM c WHERE id IN (:value)",
    ):
        with pytest.raises(qql.QQLPlanError):
            qql.compile(text, values)
    # The printed form of a bound tree is one statement that means the same.
    from qql.compiler.bind import bind

    statement = qql.parse("QUERY TEXT :value FROM c WHERE a = :value")[0]
    params = [node for node in nodes.walk(statement) if isinstance(node, nodes.Param)]
    bound = bind(statement, params, values)
    assert qql.parse(show(bound)) == [bound]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**64, -(2**63) - 1, "\ud800", object(), {1: 2}, b"x", 1j]
)
def test_values_that_are_no_json_are_refused(value: Any) -> None:
    for text in ("COUNT FROM c WHERE a > :v", "UPSERT INTO c VALUES {id: 1, a: :v}", "QUERY :v FROM c"):
        for given_value in (value, [value]):
            with pytest.raises(qql.QQLPlanError) as caught:
                qql.compile(text, {"v": given_value})
            check_errors(list(caught.value.diagnostics), text)


def test_values_without_end_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(qql.QQLPlanError, match="nest deeper"):
        qql.compile("UPSERT INTO c VALUES {id: 1, a: :v}", {"v": endless})


# ------------------------------------------------------------------------------------ threads


def test_compiling_in_many_threads() -> None:
    texts = [
        text
        for text in STATEMENTS
        if not text.startswith(("UNDEFINE", "USE", "DEFINE", "FUSION", "SHOW STAGES"))
    ]
    jobs = [text for text in texts if not re.search(r"PREFETCH \((MEANING|meaning)", text)] * 8
    random.Random(1).shuffle(jobs)

    def outcome(text: str) -> Any:
        try:
            return [request.to_dict() for request in qql.compile(text)]
        except qql.QQLCompileError as exc:
            return exc.render()

    alone = {text: outcome(text) for text in set(jobs)}
    with ThreadPoolExecutor(8) as pool:
        for text, found in zip(jobs, pool.map(outcome, jobs), strict=True):
            assert found == alone[text]


# ------------------------------------------------------------------------------------ compiled again

AGAIN = [
    "QUERY [0.1, 0.2] FROM docs WHERE tag IN ('a', 'b') LIMIT 3",
    "QUERY {indices: [1], values: [2]} FROM docs USING s PARAMS (quantization = {rescore: true})",
    "WITH a AS (QUERY [[1, 2]] USING m LIMIT 9) FUSION RRF FROM docs PREFETCH (a) WITH (rrf_weights = [2])",
    "UPSERT INTO docs VALUES {id: 1, vector: [1, 2], tags: ['a', {b: [1]}]}",
    "SCROLL FROM docs WHERE place GEO_RADIUS {center: {lat: 1, lon: 2}, radius: 3}",
]


@pytest.mark.parametrize("text", AGAIN)
def test_a_request_shares_nothing_with_the_next_of_its_text(text: str) -> None:
    first = [request.to_dict() for request in qql.compile(text)]
    wanted = json.dumps(first)
    for _ in range(2):
        for request in qql.compile(text):
            spoil(request.body)
        assert json.dumps([request.to_dict() for request in qql.compile(text)]) == wanted


def test_a_text_that_is_kept_takes_new_parameters_and_names() -> None:
    text = "QUERY [1] FROM docs WHERE a = :a AND b = :b"
    (one,) = qql.compile(text, {"a": 1, "b": "x"})
    (other,) = qql.compile(text, {"a": 2, "b": "y"})
    assert one.body != other.body
    for name in ("one.qql", "two.qql"):
        with pytest.raises(qql.QQLError) as caught:
            qql.compile("QUERY [1] FROM docs WHERE a = :a", {"a": None}, name=name)
        assert f"{name}:1:" in caught.value.render()
