"""`qql lint`: what it shows and how it ends, comments that silence, and parameters without a value."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import qql
from qql.advice import RULES, Linted, lint_script, to_sarif
from qql.advice.lint import CODES, WARNINGS
from qql.cli import main
from qql.cli.render import render_diagnostics
from qql.compiler.context import make_context
from qql.errors import Diagnostic, Source, Span

Run = Callable[..., tuple[int, str, str]]

SHORT = "QUERY [1] FROM c USING x PREFETCH (QUERY [1] USING y LIMIT 9) LIMIT 10;"  # a warning
MOST = "QUERY [1] FROM c USING x PREFETCH (QUERY [1] USING y LIMIT 12) LIMIT 10;"  # advice
GOOD = "QUERY [1] FROM c USING x PREFETCH (QUERY [1] USING y LIMIT 100) LIMIT 10;"
BAD = "QUERY [1] FORM c;"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB", "QQL_DEBUG", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``qql lint`` with arguments and standard input: exit code, output, errors."""

    def call(*argv: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(["lint", *argv])
        return code, *capsys.readouterr()

    return call


def lint(text: str, params: Any = None, **given: Any) -> Linted:
    return lint_script(Source(text), params, make_context(), **given)


def codes(text: str, params: Any = None) -> list[str]:
    return [one.code for one in lint(text, params).found]


# ------------------------------------------------------------------------------------ what is shown


def test_errors_warnings_and_advice_in_the_order_of_the_text(run: Run) -> None:
    text = f"{MOST}\n{SHORT}\nWITH a AS (QUERY [1] LIMIT 5) COUNT FROM c;"
    code, out, err = run("-c", f"{MOST}\n{SHORT}\nWITH a AS (QUERY [1] LIMIT 5) {GOOD}")
    assert code == 0
    heads = re.findall(r"^(\w+)\[([\w-]+)\]", out, re.M)
    assert heads == [
        ("advice", "stage-keeps-most"),
        ("warning", "stage-limit-short"),
        ("warning", "unused-stage"),
    ]
    assert err == "1 script: 0 errors, 2 warnings, 1 piece of advice\n"
    code, out, err = run("-c", text)
    assert code == 3
    assert re.findall(r"^(\w+)\[", out, re.M) == ["error"]
    assert err == "1 script: 1 error, 0 warnings, 0 pieces of advice\n"


def test_several_scripts(run: Run, tmp_path: Path) -> None:
    files = []
    for name, text in {"a.qql": GOOD, "b.qql": MOST, "c.qql": SHORT}.items():
        files.append(str(tmp_path / name))
        Path(files[-1]).write_text(text, encoding="utf-8")
    code, out, err = run(*files)
    assert (code, err) == (0, "3 scripts: 0 errors, 1 warning, 1 piece of advice\n")
    assert out.index("b.qql:1:") < out.index("c.qql:1:") and "a.qql" not in out
    assert run("-q", files[0]) == (0, "", "")
    assert "<stdin>:1:" in run("-", stdin=MOST)[1]


@pytest.mark.parametrize(
    ("text", "level", "code"),
    [
        *((GOOD, level, 0) for level in (None, "warning", "advice")),
        *((MOST, None, 0), (MOST, "warning", 0), (MOST, "advice", 1)),
        *((SHORT, None, 0), (SHORT, "warning", 1), (SHORT, "advice", 1)),
        *((BAD, level, 3) for level in (None, "warning", "advice")),
    ],
)
def test_exit_codes(run: Run, text: str, level: str | None, code: int) -> None:
    assert run("-c", text, *(("--fail-on", level) if level else ()))[0] == code


def test_rules_can_be_left_out(run: Run) -> None:
    given = ("--fail-on", "advice", "-c", f"{MOST}{SHORT}")
    code, out, _ = run("--disable", "stage-keeps-most", *given)
    assert code == 1 and "stage-keeps-most" not in out and "stage-limit-short" in out
    both = ("--disable", "stage-keeps-most", "--disable", "stage-limit-short")
    assert run(*both, *given)[:2] == (0, "")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--disable", "stage-keeps-moist", "-c", GOOD), "did you mean `stage-keeps-most`?"),
        (("--disable", "syntax", "-c", GOOD), "there is no rule syntax"),
        (("--rule", "mixed-score"), "did you mean `mixed-scores`?"),
        (("--fail-on", "error", "-c", GOOD), "the levels are warning and advice"),
        (("--rules", "-c", GOOD), "--command has no meaning beside --rules"),
        (("--rules", "--format", "sarif"), "rules are shown as text or json"),
        (("--format", "sarfi", "-c", GOOD), "did you mean `sarif`?"),
        (("--grpc", "-c", GOOD), "--grpc requires --url or --db"),
        ((), "requires a file, `-` for standard input, or -c TEXT"),
        ((str(ROOT / "examples"),), f"qql lint {ROOT / 'examples'}/*.qql"),
        (("nowhere.qql",), "cannot read nowhere.qql"),
    ],
)
def test_wrong_usage(run: Run, argv: tuple[str, ...], said: str) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert said in err


def test_the_table_of_rules(run: Run) -> None:
    code, out, _ = run("--rules")
    assert code == 0
    head, _, *rows = [line.strip("| ").split(" | ") for line in out.splitlines()]
    assert head == ["code", "severity", "title", "reason"]
    assert [row[:2] for row in rows] == [[one.code, one.severity] for one in RULES.values()]
    listed = json.loads(run("--rules", "--format", "json")[1])
    assert [one["code"] for one in listed] == list(RULES)
    assert listed[0].keys() == {"code", "severity", "title", "reason", "needs", "text"}


@pytest.mark.parametrize("code", ["mmr-in-stage", "stage-keeps-most"])
def test_the_text_of_a_rule(run: Run, code: str) -> None:
    rule = RULES[code]
    expected = f"{rule.severity}[{code}]: {rule.title}\n\n{rule.reason}\n\n{rule.text}\n"
    assert run("--rule", code) == (0, expected, "")


def test_json_and_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    code, out, _ = run("--format", "json", "-o", str(file), "-c", f"{MOST}\n{SHORT}")
    assert (code, out) == (0, "")
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["count"] == {"advice": 1, "warning": 1}
    assert [(one["code"], one["file"], one["line"]) for one in found["diagnostics"]] == [
        ("stage-keeps-most", "<command>", 1),
        ("stage-limit-short", "<command>", 2),
    ]
    assert json.loads(run("--format", "json", "-c", GOOD)[1]) == {"diagnostics": [], "count": {}}


def test_sarif(run: Run, tmp_path: Path) -> None:
    """The objects, properties and values that SARIF 2.1.0 requires, and no others than it knows."""
    path = tmp_path / "a b.qql"
    path.write_text(f"{MOST}\n{SHORT}\nQUERY FUSION RRF FROM c;", encoding="utf-8")
    code, out, _ = run("--format", "sarif", str(path))
    assert code == 3
    log = json.loads(out)
    assert log.keys() == {"$schema", "version", "runs"} and log["version"] == "2.1.0"
    [result] = log["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("fusion-without-prefetch", "error")
    path.write_text(f"{MOST}\n{SHORT}", encoding="utf-8")
    log = json.loads(run("--format", "sarif", str(path))[1])
    [one] = log["runs"]
    assert one["tool"]["driver"]["version"] == qql.__version__
    rules = one["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["stage-keeps-most", "stage-limit-short"]
    known = {"ruleId", "ruleIndex", "level", "message", "locations", "relatedLocations"}
    for number, result in enumerate(one["results"]):
        assert result.keys() <= known and result["ruleIndex"] == number
        assert result["level"] == ("note", "warning")[number]
        [place] = result["locations"]
        assert place["physicalLocation"]["artifactLocation"]["uri"].endswith("/a%20b.qql")
        assert place["physicalLocation"]["region"]["startLine"] == number + 1


def test_sarif_has_what_code_scanning_requires(run: Run, tmp_path: Path) -> None:
    """A line for each result, relative names without `./`, texts for each rule, and no long snippets."""
    long = " OR ".join(f"a != {number}" for number in range(200))
    bad = f"WITH a AS (QUERY [1]) {GOOD}\nDELETE FROM c WHERE a = 0 OR NOT a = 0 OR {long};"
    log = to_sarif(lint(bad).found)
    assert [one["ruleId"] for one in log["runs"][0]["results"]] == ["unused-stage", "constant-where"]
    lost = Diagnostic("unknown-parameter", "a value too many", source=Source("COUNT FROM c", "./sub/a:b.qql"))
    log["runs"] += to_sarif([lost])["runs"]
    for one in log["runs"]:
        for rule in one["tool"]["driver"]["rules"]:
            assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
        for result in one["results"]:
            region = result["locations"][0]["physicalLocation"]["region"]
            assert region["startLine"] >= 1
            assert len(region.get("snippet", {"text": ""})["text"]) <= 1000
    uri = log["runs"][1]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "sub/a%3Ab.qql"


def test_what_execute_defines_is_known(run: Run, tmp_path: Path) -> None:
    stages = tmp_path / "stages.qql"
    stages.write_text(f"DEFINE a AS (QUERY [1] USING y LIMIT 9);\n{MOST}", encoding="utf-8")
    text = f"EXECUTE '{stages}';\nQUERY [1] FROM c USING x PREFETCH (a) LIMIT 10;"
    code, out, err = run("-c", text)
    assert code == 0 and re.findall(r"^(\w+\[.*?\]).*\n.*?<command>:(\d)", out, re.M) == [
        ("warning[stage-limit-short]", "2")
    ]
    assert err == "1 script: 0 errors, 1 warning, 0 pieces of advice\n"  # that of the file is its own
    stages.write_text(BAD, encoding="utf-8")
    code, out, _ = run("-c", text)
    assert code == 3 and f"--> {stages}:1:11" in out
    code, out, _ = run("-c", "EXECUTE 'nowhere.qql';")
    assert code == 3 and "error[file-unreadable]" in out


def test_advice_has_a_colour_of_its_own() -> None:
    found = [Diagnostic("x-y", "said", Span(0, 1), severity=severity, source=Source("a"))
             for severity in ("error", "warning", "advice")]  # fmt: skip
    heads = [text.split("\n")[0] for text in render_diagnostics(found, color=True).split("\n\n")]
    colours = [re.match(r"\x1b\[([\d;]+)m(\w+)\[x-y\]\x1b\[0m", head) for head in heads]
    assert [match and match[2] for match in colours] == ["error", "warning", "advice"]
    assert len({match and match[1] for match in colours}) == 3


def test_check_gives_no_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-c", f"{MOST}{SHORT}"]) == 0
    assert capsys.readouterr() == ("", "1 script: 0 errors, 0 warnings\n")


# ------------------------------------------------------------------------------------ what is known


def test_collections_are_known_as_the_script_makes_them() -> None:
    create = "CREATE COLLECTION c (v VECTOR(2, COSINE));"
    create += " CREATE INDEX ON c FOR t TYPE keyword WITH (is_tenant = true);"
    assert codes("COUNT FROM c;") == []
    assert codes(f"{create} COUNT FROM c;") == ["tenant-missing"]
    assert codes(f"{create} COUNT FROM c WHERE t = 'x';") == []
    assert codes(f"{create} CREATE ALIAS a FOR c; COUNT FROM a;") == ["tenant-missing"]


def test_collections_are_known_as_the_database_has_them(run: Run, tmp_path: Path) -> None:
    with qql.connect(tmp_path / "db") as db:
        db.run(
            "CREATE COLLECTION c (v VECTOR(2, COSINE) WITH QUANTIZATION (type = scalar));"
            "CREATE INDEX ON c FOR t TYPE keyword WITH (is_tenant = true);"
        )
    text = "COUNT FROM c;\nQUERY [1, 2] FROM c WHERE t = 'x' LIMIT 3;\nQUERY :v FROM c WHERE t = :t LIMIT :n;"
    assert run("-c", text)[1] == ""
    code, out, err = run("-c", text, "--db", str(tmp_path / "db"))
    assert code == 0
    assert re.findall(r"\[([\w-]+)\].*\n.*?:(\d):", out) == [
        ("tenant-missing", "1"),
        ("quantized-without-rescore", "2"),
        ("quantized-without-rescore", "3"),
    ]
    assert "no value for :v, :t, :n" in err
    code, out, _ = run("-c", "COUNT FROM nowhere;", "--db", str(tmp_path / "db"))
    assert code == 3 and "error[unknown-collection]" in out


def test_what_the_compiler_warns_of_can_be_named() -> None:
    """The table has the codes of all calls of ``warn`` in the compiler half."""
    said: set[str] = set()
    half = [path for room in ("syntax", "compiler") for path in (ROOT / "qql" / room).rglob("*.py")]
    for path in half:
        said |= set(re.findall(r"\bwarn\(\s*\"([a-z-]+)\"", path.read_text(encoding="utf-8")))
    assert said == WARNINGS
    assert WARNINGS | set(RULES) <= CODES


# ------------------------------------------------------------------------------------ comments


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"-- qql: ignore stage-keeps-most\n{MOST}", []),
        (f"/* qql: ignore stage-keeps-most */ {MOST}", []),
        (f"{MOST} -- qql: ignore stage-keeps-most", []),
        (f"{MOST[:-1]} -- qql: ignore stage-keeps-most\n;", []),
        (MOST.replace(" LIMIT 10", "\n-- of QQL\n--  qql:  IGNORE stage-keeps-most  \nLIMIT 10"), []),
        (f"-- qql: ignore stage-limit-short, stage-keeps-most\n{MOST[:-1]}\n{SHORT}",
         ["unused-ignore", "stage-limit-short"]),
        (f"{MOST} -- qql: ignore stage-keeps-most\n{MOST}", ["stage-keeps-most"]),
        (f"{MOST}\n-- qql: ignore stage-keeps-most\n\n{MOST}", ["stage-keeps-most"]),
        (f"-- qql: ignore stage-keeps-most\n{GOOD}", ["unused-ignore"]),
        (f"{GOOD}\n-- qql: ignore stage-keeps-most", ["unused-ignore"]),
        (f"-- qql: ignore stage-keep-most\n{MOST}", ["bad-ignore", "stage-keeps-most"]),
        (f"-- qql: silence\n{GOOD}", ["bad-ignore"]),
        (f"-- qql: ignore\n{GOOD}", ["bad-ignore"]),
        (f"-- qql: ignore unused-stage\nWITH a AS (QUERY [1] LIMIT 5) {GOOD}", []),
        (f"-- see qql: ignore nothing\n{MOST}", ["stage-keeps-most"]),
        (f"-- QQL: Ignore stage-keeps-most\n{MOST}", []),
        (f"-- QQL: the query language\n{MOST}", ["stage-keeps-most"]),
        ("COUNT FROM c WHERE a = '-- qql: ignore x' AND b = \"/* qql: y */\";", []),
        (f"-- qql: ignore syntax\n{BAD}", ["bad-ignore", "syntax"]),
        (f"-- qql: ignore stage-keeps-most\n{MOST} {BAD}", ["syntax"]),
    ],
)  # fmt: skip
def test_comments_silence(text: str, left: list[str]) -> None:
    assert codes(text) == left


def test_what_is_silenced_is_counted(run: Run) -> None:
    text = f"-- qql: ignore stage-keeps-most\n{MOST}"
    assert run("--fail-on", "advice", "-c", text) == (
        0,
        "",
        "1 script: 0 errors, 0 warnings, 0 pieces of advice, 1 silenced\n",
    )
    assert "did you mean `stage-keeps-most`?" in run("-c", text.replace("keeps", "keps"))[1]


def test_a_disabled_rule_leaves_no_idle_comment() -> None:
    text = f"-- qql: ignore stage-keeps-most\n{MOST}"
    assert lint(text, disabled={"stage-keeps-most"}).found == ()
    assert lint(f"-- qql: ignore stage-keeps-most\n{GOOD}", disabled={"unused-ignore"}).found == ()


# ------------------------------------------------------------------------------------ open parameters


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.qql")), ids=lambda path: path.name)
def test_the_examples_are_good_whatever_their_parameters_are(run: Run, path: Path) -> None:
    code, out, _ = run("--fail-on", "advice", str(path))
    assert (code, out) == (0, "")


TWO = "WITH a AS (QUERY :v USING x{a}), b AS (QUERY :w USING y{b}) QUERY FUSION RRF FROM c"
TWO += " PREFETCH (a, b){rest};"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # Nothing holds for any value.
        (TWO.format(a=" LIMIT :m", b=" LIMIT 100", rest=" LIMIT :n"), []),
        (TWO.format(a=" LIMIT :m", b=" LIMIT :m", rest=" LIMIT :n OFFSET :o SCORE THRESHOLD :t"), []),
        (TWO.format(a=" LIMIT 9", b=" LIMIT 9", rest=" LIMIT :n"), []),
        ("QUERY :v FROM c USING x PREFETCH (QUERY :w USING x LIMIT 100) LIMIT 10;", []),
        ("QUERY :v FROM c USING x SCORE THRESHOLD :t PARAMS (hnsw_ef = :e) LIMIT :n;", []),
        ("DELETE FROM c WHERE a = :a OR b != :b;", []),
        ("SCROLL FROM c WHERE SLICE(:total, :part) LIMIT :n;", []),
        ("UPSERT INTO c VALUES :rows; COPY c FROM :path; QUERY POINTS (:id) FROM c;", []),
        ("QUERY RECOMMEND POSITIVE :ids FROM c USING x WHERE tag IN :tags LIMIT 5;", []),
        ("QUERY :v FROM IDENTIFIER(:c) USING IDENTIFIER(:u) LIMIT 5;", []),
        ("QUERY ? FROM c USING x WHERE a = ? LIMIT ?;", []),
        ("QUERY :q FROM c USING x RERANK MODEL 'local/overlap' TOP 3 LIMIT 30;", []),
        ("QUERY :q FROM c USING x WHERE a = :a AND a = :b LIMIT 3;", []),
        # These hold, whatever the values are.
        (TWO.format(a="", b=" LIMIT 100", rest=" LIMIT 10"), ["stage-without-limit"]),
        (TWO.format(a="", b=" LIMIT 100", rest=" LIMIT :n"), ["stage-without-limit"]),
        (
            TWO.format(a=" LIMIT :m", b=" LIMIT :m", rest=" SCORE THRESHOLD 2 LIMIT :n"),
            ["threshold-unreachable"],
        ),
        ("QUERY :v FROM c USING x PREFETCH (QUERY :v USING x LIMIT 100) LIMIT 10;", ["rescored-alike"]),
        ("QUERY :v FROM c USING x PREFETCH (QUERY ? USING y LIMIT 100);", ["mixed-parameters"]),
        ("QUERY ? FROM c USING x PREFETCH (QUERY ? USING y LIMIT 15) LIMIT 10;", ["stage-keeps-most"]),
        ("DELETE FROM c WHERE a = :a OR a != :a;", ["constant-where"]),
        ("WITH a AS (QUERY :v LIMIT 5) QUERY :w FROM c LIMIT 5;", ["unused-stage"]),
        # What is wrong whatever the values are.
        ("QUERY :v FROM c PREFETCH (a) LIMIT :n;", ["unknown-stage"]),
    ],
)
def test_what_holds_for_any_value_is_said(text: str, found: list[str]) -> None:
    assert codes(text) == found


def test_words_do_not_depend_on_a_value_that_was_made_up() -> None:
    [one] = lint(TWO.format(a="", b=" LIMIT 100", rest=" LIMIT :n")).found
    assert one.message == "the stage `a` has no LIMIT: Qdrant takes 10 candidates"
    assert one.hint == RULES["stage-without-limit"].reason
    text = "CREATE COLLECTION c (v VECTOR(2, COSINE)); SCROLL FROM c WHERE a = :a LIMIT 10;"
    [one] = lint(text).found
    assert (one.code, one.hint) == ("filter-without-index", RULES["filter-without-index"].reason)
    [one] = lint(text, {"a": "x"}).found
    assert one.hint == "CREATE INDEX ON c FOR a TYPE keyword;"


def test_values_that_are_given_count(run: Run) -> None:
    text = TWO.format(a=" LIMIT :m", b=" LIMIT :m", rest=" LIMIT :n")
    code, out, err = run("-c", text, "--param", "m=9", "--param", "n=10")
    assert "stage-limit-short" in out
    assert "no value for :v, :w: " in err
    assert run("-c", text, "--param", "m=9")[1] == ""
    code, out, _ = run("-c", text, "--param", "z=1")
    assert code == 3 and "unknown-parameter" in out
    listed = "QUERY ? FROM c USING x PREFETCH (QUERY ? USING y LIMIT ?) LIMIT ?;"
    assert codes(listed) == []
    assert codes(listed, [[1.0], [2.0], 15, 10]) == ["stage-keeps-most"]


def test_vectors_of_the_size_that_is_asked_for() -> None:
    create = "CREATE COLLECTION c (d VECTOR(7, DOT), m VECTOR MODEL 'local/hash-11');"
    for vector in ("d", "m"):
        found = lint(f"{create} QUERY VECTOR :v FROM c USING {vector} WHERE id = :id LIMIT :n;")
        assert (found.found, found.unbound) == ((), (":v", ":id", ":n"))


def test_a_parameter_that_no_value_fits_is_missing() -> None:
    create = "CREATE COLLECTION c (d VECTOR(2, DOT));"
    found = lint(f"{create} QUERY [1, 2] FROM c USING IDENTIFIER(:which) LIMIT 5;").found
    assert [(one.code, one.severity) for one in found] == [("missing-parameter", "error")]


def test_a_model_that_reranks_can_be_given(run: Run) -> None:
    text = "QUERY [1] FROM c USING x RERANK 'a' TOP 3 LIMIT 30;"
    assert run("-c", text, "--rerank-model", "local/overlap")[0] == 0
    assert qql.lint(text, rerank_model="local/overlap") == []
    assert "no-model" in {one.code for one in qql.check(text)}
    assert "no-model" not in {one.code for one in qql.check(text, rerank_model="local/overlap")}


# ------------------------------------------------------------------------------------ the library


def test_the_library_lints() -> None:
    info = {"points_count": 90_000, "config": {"params": {"vectors": {"size": 2, "distance": "Dot"}}}}
    text = "QUERY [1, 2] FROM shop WHERE team = :team LIMIT 3"
    found = qql.lint(text, schema={"shop": info | {"payload_schema": {}}}, name="s.qql")
    assert [(one.code, one.column) for one in found] == [("filter-without-index", 30)]
    assert "s.qql:1:30" in found[0].render()
    assert qql.lint(text, schema={"shop": info | {"payload_schema": {}}}, disabled=[found[0].code]) == []
    assert [one.severity for one in qql.lint("QUERY FORM x")] == ["error"]


def test_what_lint_has_not_seen_it_does_not_miss() -> None:
    """Offline, a collection may well have a model for its vectors; of one that is known, lint tells."""
    text = "QUERY 'a' FROM docs USING dense LIMIT 3"
    assert qql.lint(text) == []
    known = {"docs": {"vectors": {"dense": {"size": 2, "distance": "Dot"}}}}
    assert [one.code for one in qql.lint(text, schema=known)] == ["no-model"]
