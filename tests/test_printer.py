"""Trees as text and scripts in their canonical layout, as a library and on the command line."""

from __future__ import annotations

import io
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, examples
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st
from node_strategies import KINDS, conditions, expressions, inputs, queries, statements, targets

import qql
from qql import nodes
from qql.cli import main
from qql.errors import QQLError, QQLPlanError, Source
from qql.nodes import And, Call, Compare, Count, Formula, Name, Not, Option, Or, Param, Query, Ref, Scalar
from qql.syntax.formatter import WIDTH, format_script, format_text, format_tree, same
from qql.syntax.lexer import cut, skip_space
from qql.syntax.parser import Parsed, keywords, parse_script
from qql.syntax.printer import show

Run = Callable[..., tuple[int, str, str]]

SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))
LARGEST = (Query, nodes.Batch, nodes.Explain)
PAIRS = sorted((ROOT / "tests" / "golden_fmt").glob("*.qql"))
TEXTS = {
    str(path.relative_to(ROOT)): path.read_bytes().decode()
    for path in [
        *sorted((ROOT / "tests" / "golden").rglob("*.qql")),
        *sorted((ROOT / "examples").rglob("*.qql")),
        *PAIRS,
    ]
}


def parsed(text: str) -> list[Parsed]:
    found, errors = parse_script(Source(text))
    assert not errors, f"{errors[0]}\n{text[:2000]}"
    return found


def trees(text: str) -> list[nodes.Statement]:
    return [one.statement for one in parsed(text)]


TEXTS = {name: text for name, text in TEXTS.items() if not parse_script(Source(text))[1]}
"""Every golden case, example and script of this test that parses."""


def check_tree(tree: Any) -> None:
    """One statement, as `show` and as `qql.format` write it, is the same tree again."""
    for text in (show(tree), qql.format(tree)):
        back = trees(text)
        assert len(back) == 1, text
        assert same(back[0], tree), f"{text}\n{back[0]}\n{tree}"
    assert "\n" not in show(tree)
    formatted = qql.format(tree)
    assert format_text(formatted) == formatted
    assert not re.search(r"[ \t]$", formatted, re.MULTILINE)


# ------------------------------------------------------------------------------------ generated trees


@pytest.mark.hypothesis
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_every_statement_comes_back(kind: type[nodes.Node]) -> None:
    @settings(SETTINGS, max_examples=examples(300 if kind in LARGEST else 40))
    @given(statements(kind))
    def check(tree: Any) -> None:
        check_tree(tree)

    check()


@settings(SETTINGS, max_examples=examples(250))
@given(conditions(4))
def test_conditions_come_back(condition: Any) -> None:
    check_tree(Count(Name("c"), condition))


@settings(SETTINGS, max_examples=examples(250))
@given(expressions(4))
@example(nodes.Divide(Scalar(1), Call("neg", (Call("abs", (Scalar(1),)),)), Scalar(2)))
@example(Call("neg", (Call("neg", (Scalar(-1),)),)))
@example(Call("sum", (Scalar(1), Call("neg", (Scalar(-1),)))))
def test_expressions_come_back(expression: Any) -> None:
    check_tree(Query(target=Formula(expression), source=Name("c")))


@settings(SETTINGS, max_examples=examples(250))
@given(targets)
def test_targets_come_back(target: Any) -> None:
    check_tree(Query(target=target, source=Name("c")))


@settings(SETTINGS, max_examples=examples(100))
@given(inputs)
def test_examples_come_back(target: Any) -> None:
    check_tree(Query(target=nodes.Recommend((target,), (target, target)), source=Name("c")))


@settings(SETTINGS, max_examples=examples(60))
@given(queries(3))
def test_nested_stages_come_back(query: Any) -> None:
    check_tree(query)


@pytest.mark.slow
def test_the_strategies_make_every_node() -> None:
    made: set[type] = set()

    def collect(several: Any) -> None:
        made.update(type(node) for node in nodes.walk(several))

    settled = settings(SETTINGS, max_examples=100, database=None)
    every = {kind for kind in vars(nodes).values() if isinstance(kind, type) and issubclass(kind, nodes.Node)}
    settings(settled, max_examples=40)(given(st.tuples(*KINDS.values()))(collect))()
    for number in range(20):  # what is drawn hangs on chance, so it is drawn until all of them were there
        seed(number)(
            settled(given(st.tuples(targets, expressions(2), KINDS[nodes.Copy], conditions(2)))(collect))
        )()
        if every - made == {nodes.Node}:
            break
    assert every - made == {nodes.Node}


_SLOTS: dict[str, Callable[[Name], Any]] = {
    "a collection": lambda name: Count(name, Compare(Name("a"), "=", Scalar(1))),
    "a bare source": lambda name: Count(name),
    "a field": lambda name: Count(Name("c"), Compare(name, "=", Scalar(1))),
    "a last field": lambda name: Count(Name("c"), And((nodes.HasVector(name), nodes.IsNull(name)))),
    "a vector": lambda name: Query(target=nodes.AnyInput(Param("q")), using=nodes.Using(name), source=name),
    "a vector before LOOKUP": lambda name: Query(
        target=nodes.AnyInput(Param("q")), using=nodes.Using(name), lookup=nodes.Lookup(name, name)
    ),
    "a stage": lambda name: Query(
        (nodes.Cte(name, Query(target=nodes.Sample())),),
        prefetch=(Ref(name), Ref(name)),
        fusion=nodes.Fusion("rrf"),
    ),
    "halves": lambda name: Query(target=nodes.Hybrid(Scalar("t"), None, name, name, None, Scalar("m"))),
    "a variable": lambda name: Query(target=Formula(Call("sum", (name, Call("neg", (name,)))))),
    "a case": lambda name: Query(
        target=Formula(
            nodes.Case((nodes.When(nodes.IsNull(name), name), nodes.When(nodes.IsNull(name), name)), name)
        )
    ),
    "a key": lambda name: nodes.Facet(name, name),
    "a lone key": lambda name: nodes.Facet(name, params=(Option("exact", True),)),
    "a key before a clause": lambda name: nodes.Facet(name, shard=nodes.Shard((Scalar("k"),))),
    "a group": lambda name: Query(
        target=nodes.Sample(), group=nodes.Group(name, lookup=nodes.GroupLookup(name))
    ),
    "an index": lambda name: nodes.CreateIndex(name, name, name, (Option("a", 1),)),
    "a definition": lambda name: nodes.CreateCollection(
        name, vectors=(nodes.VectorDef(name, "dense"), nodes.VectorDef(name, "sparse"))
    ),
    "a change": lambda name: nodes.AlterCollection(
        name, changes=(nodes.VectorChange(name, "dense", (nodes.Block("hnsw", ()),)),)
    ),
    "an assignment": lambda name: nodes.UpdateVector(name, [1], name),
    "payload": lambda name: nodes.DeletePayload((name, name), name),
    "embeddings": lambda name: nodes.Upsert(
        name,
        ({},),
        embeds=(nodes.Embedding(None, None, name, name), nodes.Embedding("dense", None, name)),
        mode=name,
    ),
    "a mapping": lambda name: nodes.Copy(name, Scalar("f"), name, (nodes.Mapping(name, name),)),
    "a statement": lambda name: nodes.Use(name),
    "an order": lambda name: nodes.Scroll(name, order_by=nodes.OrderBy(name)),
    "a strategy": lambda name: Query(target=nodes.Recommend(Param("p"), (), name), source=name),
}


@pytest.mark.parametrize("slot", _SLOTS)
def test_every_keyword_is_a_name(slot: str) -> None:
    for word in sorted(keywords()):
        tree = _SLOTS[slot](Name(word.lower()))
        text = show(tree)
        found, errors = parse_script(Source(text))
        assert not errors, f"{text}\n{errors[0]}"
        assert [one.statement for one in found] == [tree], text


def test_equal_is_not_the_same() -> None:
    assert same(Count(Name("c"), None), Count(Name("c"), None))
    for left, right in [(1, 1.0), (1, True), (0.0, -0.0), ("a", "b"), ([1], [1.0]), ({"a": 1}, {"b": 1})]:
        assert not same(Scalar(left), Scalar(right))  # type: ignore[arg-type]
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same([1], [1, 2])
    assert not same(Name("a"), Scalar("a"))


# ------------------------------------------------------------------------------------ spellings


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ('COUNT FROM c WHERE a = "it\'s"', "a = 'it''s'"),
        ("COUNT FROM c WHERE a = '''' AND b = 1", "a = '\\''"),
        ("COUNT FROM c WHERE a = 'x\ty\nz'", "a = 'x\\ty\\nz'"),
        ("COUNT FROM c WHERE a = '\x00\u202e\x85'", "a = '\\u0000\\u202e\\u0085'"),
        ("COUNT FROM c WHERE a = 'é😀\xa0'", "a = 'é😀\xa0'"),
        ("COUNT FROM 'c' WHERE 'a' = 1", "COUNT FROM c WHERE a = 1"),
        ('COUNT FROM "from" WHERE `in` = 1', "COUNT FROM 'from' WHERE 'in' = 1"),
        ("COUNT FROM c WHERE NOT a IN (1)", "a NOT IN (1)"),
        ("COUNT FROM c WHERE NOT (a = 1)", "NOT a = 1"),
        ("COUNT FROM c WHERE a VALUES_COUNT (gte = 1, lte = 1)", "a VALUES_COUNT = 1"),
        ("COUNT FROM c WHERE a VALUES_COUNT (gte = 1, lte = 1.0)", "a VALUES_COUNT (gte = 1, lte = 1.0)"),
        ("COUNT FROM c WHERE a IN [[1]]", "a IN [[1]]"),
        ("QUERY [1] FROM c GROUP BY g WITH PAYLOAD true", "GROUP BY g WITH PAYLOAD true"),
        ("QUERY [1] FROM c SHARD 's' LOOKUP FROM d", "SHARD 's' LOOKUP FROM d"),
        ("QUERY [1] FROM c USING 'vector' LOOKUP FROM d VECTOR v", "USING 'vector' LOOKUP"),
        ("QUERY {text: 5, model: 'm'} FROM c", "QUERY {text: 5, model: 'm'} FROM c"),
        ("UPSERT INTO c VALUES [:row]", "VALUES [:row]"),
        ("UPSERT INTO c VALUES [:row, {}]", "VALUES :row, {}"),
        ("QUERY RECOMMEND POSITIVE [null, 1] FROM c", "POSITIVE [null, 1]"),
    ],
)
def test_spellings(given: str, written: str) -> None:
    tree = trees(given)[0]
    assert written in show(tree)
    assert same(trees(show(tree))[0], tree)


def test_numbered_parameters_keep_their_places() -> None:
    tree = trees("QUERY [1] LIMIT ? FROM c WHERE a = ?")[0]
    with pytest.raises(QQLPlanError) as caught:
        format_tree(tree)
    assert caught.value.code == "parameter-order"
    assert qql.format("QUERY [1] LIMIT :n FROM c WHERE a = :a") == "QUERY [1] FROM c WHERE a = :a LIMIT :n;\n"
    kept = "query [1] limit ? from c where a = ?"
    assert qql.format(f"{kept} -- as it is") == f"{kept}; -- as it is\n"
    assert qql.format("query [1] from c limit ? where 'b' = 1") == "QUERY [1] FROM c WHERE b = 1 LIMIT ?;\n"


def test_trees_and_lists_of_trees() -> None:
    assert qql.format(trees("use a")[0]) == "USE a;\n"
    assert qql.format(trees("use a; use b")) == "USE a;\n\nUSE b;\n"
    assert qql.format([]) == qql.format("") == qql.format(" ;; ") == ""
    with pytest.raises(qql.QQLSyntaxError):
        qql.format("QUERY FROM docs LIMIT")


# ------------------------------------------------------------------------------------ layout


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: str(case.stem))
def test_golden(case: Path, update: bool) -> None:
    out = format_text(case.read_bytes().decode()).encode()
    expected = case.with_suffix(".out")
    if update:
        expected.write_bytes(out)
    assert expected.exists(), f"{case.name} gives\n{out.decode()}"
    assert out == expected.read_bytes()


def test_every_layout_has_a_case() -> None:
    for path in (ROOT / "tests" / "golden_fmt").glob("*.out"):
        assert path.with_suffix(".qql").exists(), f"{path.name} belongs to no case"


def comments(text: str) -> list[str]:
    """The comments of a text, word by word, found by cutting it as the parser does."""
    out, pos = [], 0
    while pos < len(text):
        start = skip_space(text, pos)
        for found in re.finditer(r"--[^\n]*|/\*(?:[^*]|\*(?!/))*\*/", text[pos:start]):
            out += re.findall(r"[^\s*/-]+", found[0])
        if start == len(text):
            break
        pos = cut(text, start).end
    return out


@pytest.mark.parametrize("name", TEXTS)
def test_scripts_keep_what_they_say(name: str) -> None:
    text = TEXTS[name]
    formatted = format_text(text)
    assert same(trees(formatted), trees(text))
    assert format_text(formatted) == formatted
    assert sorted(comments(formatted)) == sorted(comments(text))
    assert not re.search(r"[ \t]$", formatted, re.MULTILINE)
    for line in formatted.splitlines():
        one_thing = re.search(r"--|/\*|\*/|'[^']{30,}'|\[[-\d., e]+\]", line)
        assert len(line) <= WIDTH or one_thing, line


def test_vectors_stay_on_one_line() -> None:
    vector = "[" + ", ".join(f"{n / 7}" for n in range(400)) + "]"
    for text in (f"QUERY {vector} FROM c", f"UPSERT INTO c VALUES {{id: 1, vector: {vector}}}, {{id: 2}}"):
        assert vector in qql.format(text)


def test_short_statements_stay_apart_only_where_they_were() -> None:
    assert qql.format("use a;use b;\n\n\nuse c") == "USE a;\nUSE b;\n\nUSE c;\n"


# ------------------------------------------------------------------------------------ comments

_FORMS = ["-- {}\n", "/* {} */", "/* {}\n   on */", "\n-- {}\n", "\n\n/* {} */\n", "\n/* {} */ ", "-- {}\r\n"]


def closes(text: str) -> list[int]:
    """Behind the `;` of each statement, or behind the statement where it has none."""
    out = []
    for one in parsed(text):
        end = skip_space(text, one.span.end)
        out.append(end + 1 if text.startswith(";", end) else one.span.end)
    return out


def statement_of(text: str, label: str, *, lines: bool) -> int:
    """The number of the statement that a comment stands in; with ``lines``, also behind it on its line."""
    at = text.index(label)
    begin = text.rfind("\n", 0, at) + 1 if lines else at
    return sum(end <= begin for end in closes(text))


def check_comments(text: str, places: list[tuple[float, str]]) -> None:
    """Comments put between any two terminals of a text come out once each, in their statement."""
    starts, pos = [], 0
    while (token := cut(text, pos)).type != "$END":
        starts.append(token.start)
        pos = token.end
    noted = text
    labels = [f"k{number}k" for number in range(len(places))]
    spots = sorted((starts[int(share * len(starts))], form) for share, form in places)
    for (at, form), label in reversed([*zip(spots, labels, strict=True)]):
        noted = f"{noted[:at]} {form.format(label)}{noted[at:]}"
    found, errors = parse_script(Source(noted))
    before = trees(text)
    if errors or not same([one.statement for one in found], before):
        return  # a line that begins with a word of a statement begins one
    formatted = format_text(noted)
    assert same(trees(formatted), before), formatted
    for label in labels:
        assert formatted.count(label) == 1, formatted
        inside = any(
            one.span.start < noted.index(label) < end for one, end in zip(found, closes(noted), strict=True)
        )
        if inside:
            assert statement_of(formatted, label, lines=True) == statement_of(noted, label, lines=False), (
                formatted
            )
    assert format_text(formatted) == formatted, f"{noted}\n{formatted}\n{format_text(formatted)}"
    if "?" not in text:  # what keeps the order of its parameters keeps its spaces too
        assert not re.search(r"[ \t]$", formatted, re.MULTILINE), formatted


_places = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(_FORMS)), min_size=1, max_size=5
)
_SMALL = [text for text in TEXTS.values() if len(text) < 4000 and trees(text)]


@settings(SETTINGS, max_examples=examples(700))
@given(st.sampled_from(_SMALL), st.booleans(), _places)
def test_comments_in_scripts(text: str, formatted: bool, places: list[tuple[float, str]]) -> None:
    check_comments(format_text(text) if formatted else text, places)


@settings(SETTINGS, max_examples=examples(400))
@given(statements(), st.booleans(), _places)
def test_comments_in_generated_statements(tree: Any, lines: bool, places: list[tuple[float, str]]) -> None:
    check_comments(qql.format(tree) if lines else show(tree), places)


def test_a_comment_stays_with_a_statement_whose_row_is_no_row() -> None:
    text = "BATCH { SHOW QUOTAS; UPDATE a SET VECTOR VALUES [null] -- c\n; SHOW QUOTAS; }"
    out = "BATCH {\n  SHOW QUOTAS;\n  UPDATE a SET VECTOR VALUES [null]; -- c\n  SHOW QUOTAS;\n};\n"
    assert qql.format(text) == out
    assert qql.format(out) == out


def test_comment_signs_in_strings_are_no_comments() -> None:
    text = "COUNT FROM c WHERE a = '--' AND b = r'/*' AND c = `--` AND d = '''*/--'''; -- yes\n"
    out = "COUNT FROM c WHERE a = '--' AND b = '/*' AND c = '--' AND d = '*/--'; -- yes\n"
    assert qql.format(text) == out


def test_line_ends() -> None:
    text = "use a; -- x\r\n\r\n/* y\r\n z */\r\nquery 'a\r\nb' -- c\r\nfrom c;\r\n"
    out = "USE a; -- x\r\n\r\n/* y\r\n z */\r\nQUERY 'a\\r\\nb' -- c\r\nFROM c;\r\n"
    assert qql.format(text) == out
    assert qql.format(out) == out
    assert qql.format(text.replace("\r", "")) == out.replace("\r", "").replace("\\r", "")


# ------------------------------------------------------------------------------------ deep and long


def alternating(depth: int) -> Any:
    """A condition as deep as told."""
    one = Compare(Name("a"), "=", Scalar(1))
    condition: Any = one
    for level in range(depth - 1):
        around: list[Any] = [Not(condition), And((condition, one)), Or((one, condition))]
        condition = around[level % 3]
    return condition


def test_trees_at_the_limits() -> None:
    expression: Any = Name("a")
    for level in range(199):
        args = (expression, Name("b")) if level % 2 else (Name("b"), expression)
        expression = Call("sum" if level % 2 else "mult", args)
    value: Any = 1
    for level in range(199):
        value = [value] if level % 2 else {"a": value}
    stage = Query(target=nodes.Vector([1]), where=alternating(199))
    for _ in range(63):
        stage = Query(target=nodes.Vector([1]), prefetch=(Ref(stage),))
    query = Query(target=Formula(expression), source=Name("c"), prefetch=(Ref(stage, alternating(199)),))
    wide = And(tuple(Compare(Name(f"a{n}"), "=", Scalar(n)) for n in range(1000)))
    for tree in (query, Count(Name("c"), wide), nodes.Upsert(Name("c"), ({"id": 1, "a": value},))):
        for text in (show(tree), format_tree(tree)):
            assert same(trees(text), [tree])
        assert format_text(text) == text


def test_any_depth_prints() -> None:
    """What no text can hold is printed all the same."""
    condition = alternating(20_000)
    assert show(Count(Name("c"), condition)).count("a = 1") == 1 + sum(
        level % 3 > 0 for level in range(19_999)
    )
    nested: Any = 1
    for _ in range(1500):
        nested = [nested]
    assert format_tree(nodes.Upsert(Name("c"), ({"a": nested},))).count("[") == 1500


def spent(text: str) -> float:
    begin = time.process_time()
    format_text(text)
    return time.process_time() - begin


@pytest.mark.parametrize(
    "piece",
    [
        '{{"id": {0}, "title": "number {0}", "vector": [0.25, 0.5, {0}]}}, -- row {0}\n',
        '/* {0} */ {{"id": {0}}},',
    ],
)
def test_time_grows_with_the_length(piece: str) -> None:
    def text(count: int) -> str:
        return "UPSERT INTO c VALUES " + "".join(piece.format(n) for n in range(count)) + "{}"

    small = min(spent(text(250)) for _ in range(3))
    assert min(spent(text(2000)) for _ in range(2)) < 8 * 4 * small


# ------------------------------------------------------------------------------------ the command line


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``main`` with arguments and standard input: exit code, output, errors."""
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*argv: str, stdin: str | bytes = "") -> tuple[int, str, str]:
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        code = main(["fmt", *argv])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    def make(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    yield make
    assert not [*tmp_path.glob(".*")], "a temporary file was left behind"


Make = Callable[..., Path]


def test_fmt_prints(run: Run, file: Make) -> None:
    one, two = file("one.qql", "use a"), file("two.qql", "-- é\nuse b;")
    assert run(str(one), str(two)) == (0, "USE a;\n-- é\nUSE b;\n", "")
    assert one.read_text() == "use a"


def test_fmt_reads_standard_input(run: Run) -> None:
    assert run(stdin="use a") == (0, "USE a;\n", "")
    assert run("-", stdin="\ufeffuse a -- x\r\n") == (0, "USE a; -- x\r\n", "")
    assert run(stdin="") == (0, "", "")


def test_fmt_check(run: Run, file: Make) -> None:
    done, other = file("done.qql", "USE a;\n"), file("other.qql", "use a")
    assert run("--check", str(done)) == (0, "", "1 script: 0 would change\n")
    assert run("--check", str(done), str(other)) == (1, f"{other}\n", "2 scripts: 1 would change\n")
    assert run("--check", "-q", "-", stdin="use b") == (1, "<stdin>\n", "")
    assert other.read_text() == "use a"


def test_fmt_write(run: Run, file: Make) -> None:
    done, other = file("done.qql", "USE a;\n"), file("other.qql", "use a -- x")
    other.chmod(0o640)
    before = done.stat()
    assert run("--write", str(done), str(other)) == (0, "", "2 scripts: 1 rewritten\n")
    assert other.read_text() == "USE a; -- x\n"
    assert stat.S_IMODE(other.stat().st_mode) == 0o640
    assert (done.stat().st_ino, done.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert run("--check", str(done), str(other))[0] == 0


def test_fmt_keeps_marks_line_ends_and_links(run: Run, file: Make, tmp_path: Path) -> None:
    marked = file("marked.qql", b"\xef\xbb\xbfuse a;\r\n-- x\r\nuse b")
    link = tmp_path / "link.qql"
    link.symlink_to(marked)
    assert run("--write", str(link))[0] == 0
    assert link.is_symlink()
    assert marked.read_bytes() == b"\xef\xbb\xbfUSE a;\r\n-- x\r\nUSE b;\r\n"
    assert run("--check", str(marked))[0] == 0


def test_fmt_goes_on_after_errors(run: Run, file: Make) -> None:
    bad, good = file("bad.qql", "use a;\nQUERY FROM docs LIMIT;"), file("good.qql", "use a")
    code, out, err = run(str(bad), str(good))
    assert (code, out) == (3, "USE a;\n")
    assert "error[syntax]" in err
    assert f"{bad}:2:" in err
    assert run("--write", str(bad), str(good))[0] == 3
    assert bad.read_text() == "use a;\nQUERY FROM docs LIMIT;"
    assert good.read_text() == "USE a;\n"


def test_fmt_names_what_it_cannot_read(run: Run, file: Make, tmp_path: Path) -> None:
    latin = file("latin.qql", b"-- caf\xe9\nuse a")
    code, out, err = run(str(latin), str(tmp_path), str(tmp_path / "none.qql"))
    assert (code, out) == (2, "")
    assert f"{latin} is not UTF-8 text" in err
    assert f"{tmp_path} is a directory" in err
    assert f"qql fmt {tmp_path}/*.qql" in err
    assert "cannot read" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--check", "--write", "a.qql"), "--check and --write exclude each other"),
        (("--write",), "--write requires files"),
        (("--write", "-"), "--write requires files"),
        (("--url", "x", "a.qql"), "--url has no meaning for `qql fmt`"),
    ],
)
def test_fmt_usage(run: Run, argv: tuple[str, ...], said: str) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert said in err


def test_fmt_options_belong_to_fmt() -> None:
    assert main(["run", "--check", "-c", "USE a"]) == 2


def test_fmt_proves_what_it_writes(run: Run, file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the printer never reaches a file."""
    first, second = file("first.qql", "use a"), file("second.qql", "show stages -- x")
    honest = qql.syntax.formatter.document  # type: ignore[attr-defined]
    monkeypatch.setattr(
        "qql.syntax.formatter.document",
        lambda one: honest(nodes.Use(Name("b")) if isinstance(one, nodes.Use) else one),
    )
    code, _, err = run("--write", str(first), str(second))
    assert code == 70
    assert "internal error" in err
    assert str(first) in err
    assert first.read_text() == "use a"
    assert second.read_text() == "SHOW STAGES; -- x\n"
    with pytest.raises(AssertionError):
        format_script("use a")


def test_fmt_writes_all_or_nothing(run: Run, file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = file("one.qql", "use a"), file("two.qql", "use b")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        code, _, err = run("--write", str(one), str(two))
    assert code == 2
    assert err.count("error[file-unwritable]") == 2
    assert "No space left on device" in err
    assert (one.read_text(), two.read_text()) == ("use a", "use b")


def test_fmt_leaves_protected_files(run: Run, file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = file("one.qql", "use a")
    monkeypatch.setattr("os.access", lambda *_: False)
    code, _, err = run("--write", str(one))
    assert code == 2
    assert "Permission denied" in err
    assert one.read_text() == "use a"


def test_formatting_raises_nothing_else() -> None:
    for text in ("'", "QUERY HYBRID", "COUNT FROM c WHERE " + "(" * 5000, "\ud800"):
        with pytest.raises(QQLError):
            qql.format(text)
