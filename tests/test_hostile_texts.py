"""Texts that were made to break something: whatever comes in, an error of ours or an answer comes out."""

from __future__ import annotations

import gc
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from test_properties import SETTINGS, STATEMENTS

import qql
from qql.advice import parameter_values
from qql.cli import main
from qql.cli.render.terminal import json_text
from qql.compiler import script
from qql.errors import did_you_mean, shown
from qql.rest.fusion import f32
from qql.rest.limits import MAX_VECTOR_SIZE
from qql.syntax import parser as syntax

HUGE = 10**5000  # more digits than Python writes or reads


# ------------------------------------------------------------------------------------ any text at all

_WORD = "w" * 50_000
_ODD = {
    "NUMBER": [
        *("9" * 310, "-" + "9" * 5000, "1e308", "1e-320", "2000000000", str(2**64 - 1), "-0.0", "null"),
        *("9" * 310 + "d", "1e400", "'x'", "[1]", "{a: 1}", "(b = (c = 1))", "(b = 1)", "UUID('x')", "[]"),
    ],
    "WORD": [_WORD, "id", "$score", "show", "_x", "(b = 1)", f"'{_WORD}'"],
    "STRING": [
        *("''", f"'{_WORD}'", "'9999-99-99'", "'local/hash-2000000000'", f"'local/hash-{'9' * 5000}'"),
        *(r"'\ud83d'", r"'\u0000'", "5", "[1]", "{}", "(b = 1)", "UUID('x')", "'/dev/zero'"),
    ],
    "SIGN": ["(", "[", "{", "!", ""],
}


def _odd_for(token: syntax.Token) -> list[str]:
    if token.type in ("NUMBER", "DURATION"):
        return _ODD["NUMBER"]
    if token.type in syntax.STRINGS:
        return _ODD["STRING"]
    return _ODD["WORD" if token.type == "WORD" else "SIGN"]


def with_something_odd(text: str, rng: random.Random) -> str:
    """The text with one or two of its terminals replaced."""
    for _ in range(rng.randint(1, 2)):
        tokens, pos = [], 0
        while len(tokens) < 300:
            try:
                token = syntax.cut(text, pos)
            except qql.QQLSyntaxError:
                break
            if token.type == "$END":
                break
            tokens.append(token)
            pos = token.end
        if tokens:
            token = rng.choice(tokens)
            text = text[: token.start] + rng.choice(_odd_for(token)) + text[token.end :]
    return text


def answer_or_error(call: Callable[[], Any]) -> Any:
    """What a call gives; None for an error of ours, which has to be of a length that can be read."""
    try:
        return call()
    except qql.QQLError as exc:
        for one in exc.diagnostics:
            assert len(one.message) <= 1000
            assert len(one.hint or "") <= 1000
            assert len(one.render()) <= 6000
            assert json.dumps(one.to_dict())
        return None


def is_json(value: object) -> bool:
    """Whether a value is what JSON holds, and nothing but that."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_json(item) for key, item in value.items())
    if type(value) is list:
        return all(map(is_json, value))
    return value is None or type(value) in (str, int, float, bool)


@settings(SETTINGS, max_examples=examples(160))
@given(st.sampled_from(STATEMENTS), st.randoms(use_true_random=False))
def test_odd_numbers_words_and_texts_end_in_an_error_or_in_plain_json(text: str, rng: random.Random) -> None:
    text = with_something_odd(text, rng)
    for call in (qql.check, qql.lint, qql.explain, qql.format):
        answer_or_error(lambda call=call: call(text))
    for request in answer_or_error(lambda: qql.compile(text)) or ():
        assert is_json(request.body)
        json.dumps(request.body, allow_nan=False).encode()
        answer_or_error(lambda request=request: qql.from_request(request))


def test_what_the_golden_statements_send_is_plain_json() -> None:
    for text in STATEMENTS:
        for request in answer_or_error(lambda text=text: qql.compile(text)) or ():
            assert is_json(request.body), text


# ------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize("unit", ["ms", "s", "m", "h", "d", "w"])
def test_a_duration_is_a_number_that_fits(unit: str) -> None:
    def scale(duration: str) -> Any:
        body = qql.compile(f"QUERY FORMULA EXP_DECAY(a, 1, {duration}) FROM c PREFETCH (QUERY [1])")[0].body
        assert body is not None
        return body["query"]["formula"]["exp_decay"]["scale"]

    assert scale(f"{10**40}{unit}") == pytest.approx(10**40 * scale(f"1{unit}"))
    assert isinstance(scale(f"{10**40}{unit}"), float)  # an integer of that size is none of Qdrant's
    refused(
        f"QUERY FORMULA EXP_DECAY(a, 1, {'9' * 310}{unit}) FROM c PREFETCH (QUERY [1])", "number-out-of-range"
    )


def test_whole_durations_are_integers() -> None:
    body = qql.compile("QUERY FORMULA EXP_DECAY(a, 1, 2d) FROM c PREFETCH (QUERY [1])")[0].body
    assert body is not None
    assert body["query"]["formula"]["exp_decay"]["scale"] == 172_800
    assert isinstance(body["query"]["formula"]["exp_decay"]["scale"], int)


def test_parameters_of_thousands_of_digits_are_refused() -> None:
    for value in (HUGE, -HUGE, [HUGE], {"a": [HUGE]}):
        for text in ("COUNT FROM c WHERE a = :v", "UPSERT INTO c VALUES {id: 1, a: :v}", "QUERY :v FROM c"):
            assert "5,000 digits" in refused(text, "number-out-of-range", {"v": value}).message


def test_a_request_with_a_number_of_thousands_of_digits_is_refused() -> None:
    def request(value: Any) -> dict[str, Any]:
        condition = {"key": "a", "match": {"value": value}}
        return {
            "method": "POST",
            "path": "/collections/c/points/count",
            "body": {"filter": {"must": [condition]}},
        }

    text = json.dumps(request(0))
    for huge in ("9" * 5000, "-" + "9" * 400, "1e999"):
        with pytest.raises(qql.QQLSyntaxError, match=r"does not fit 64 bits|larger than any double"):
            qql.from_request(text.replace(": 0", f": {huge}"))
    for value in (HUGE, 2**64, -(2**63) - 1, float("inf"), float("nan")):
        with pytest.raises(qql.QQLPlanError, match="64 bits"):
            qql.from_request(request(value))
    assert "2.5" in qql.from_request(
        request(2.5) | {"body": {"filter": {"must": [{"key": "a", "range": {"gt": 2.5}}]}}}
    )


def test_numbers_of_answers_are_written_however_large_they_are() -> None:
    assert json.loads(json_text({"a": [HUGE, float("nan"), 1]})) == {"a": ["1" + "0" * 5000, None, 1]}
    assert f32(10**400) == float("inf")
    assert f32(-(10**400)) == float("-inf")


def test_values_of_messages_are_cut() -> None:
    assert shown(HUGE) == "a number of some 5,000 digits"
    assert shown([1, "a", None, True, {}, [2]]) == "[1, 'a', null, true, an object, [2]]"
    assert len(shown(list(range(10**6)))) == 40
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert len(shown(deep)) <= 41


def test_places_and_parameters_of_thousands_of_digits_are_no_fault_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    digits = "9" * 5000
    formula = f"QUERY FORMULA '$score[{digits}]' + score FROM c PREFETCH (QUERY [1])"
    assert qql.lint(formula) is not None
    with qql.connect() as db:
        db.run("CREATE COLLECTION c (v VECTOR(2, DOT)); UPSERT INTO c VALUES {id: 1, vector: {v: [1, 2]}}")
        with pytest.raises(qql.QQLExecutionError, match="invalid-field"):
            db.execute(f"QUERY [1, 2] FROM c GROUP BY 'a[{digits}]'")
    assert main(["compile", "-c", "COUNT FROM c WHERE a = :v", "--param", f"v={digits}"]) == 2
    assert "5,000 digits" in capsys.readouterr().err
    assert main(["compile", "-c", "COUNT FROM c WHERE a = ?", "--param", f"{digits}=1"]) == 3
    assert "wrong-parameters" in capsys.readouterr().err


def test_weights_too_small_for_a_rank_are_no_fault_of_lint() -> None:
    text = (
        "QUERY FUSION RRF FROM c PREFETCH (QUERY [1], QUERY [2]) WITH (rrf_k = 20, rrf_weights = [1e-320, 1])"
    )
    assert not [one for one in qql.lint(text) if one.severity == "error"]


# ------------------------------------------------------------------------------------ sizes


@pytest.mark.parametrize("size", [MAX_VECTOR_SIZE + 1, 2_000_000_000, 2**64 - 1])
def test_the_size_of_a_vector_is_never_taken_as_a_size_of_memory(size: int) -> None:
    found = qql.lint(f"CREATE COLLECTION c (v VECTOR({size}, COSINE)); QUERY :v FROM c USING v")
    assert [one.code for one in found if one.severity == "error"] == ["bad-limit"]
    schema = {"c": {"vectors": {"v": {"size": size, "distance": "Cosine"}}}}
    assert qql.lint("QUERY :v FROM c USING v", schema=schema) is not None
    refused(f"CREATE COLLECTION c (v VECTOR MODEL 'local/hash-{size}')", "size-missing")


def test_the_largest_vector_can_be_made_and_linted() -> None:
    text = f"CREATE COLLECTION c (v VECTOR({MAX_VECTOR_SIZE}, COSINE)); QUERY :v FROM c USING v"
    assert not [one for one in qql.lint(text) if one.severity == "error"]


# ------------------------------------------------------------------------------------ options


@pytest.mark.parametrize("value", ["(b = 1)", "(b = (c = 1))", "()"])
def test_options_in_parentheses_are_no_value(value: str) -> None:
    error = refused(f"CREATE COLLECTION c (v VECTOR(4, DOT)) WITH METADATA (a = {value})", "bad-option")
    assert error.hint == "an object is written {key: value}"
    refused(f"QUERY [1] FROM c BOOST (score + a) DEFAULTS (a = {value})", "bad-option")
    body = qql.compile("CREATE COLLECTION c (v VECTOR(4, DOT)) WITH METADATA (a = {b: 1})")[0].body
    assert body is not None
    assert body["metadata"] == {"a": {"b": 1}}


def test_options_in_parentheses_remain_where_an_option_takes_them() -> None:
    body = qql.compile("QUERY [1] FROM c PARAMS (quantization = (rescore = true))")[0].body
    assert body is not None
    assert body["params"] == {"quantization": {"rescore": True}}


# ------------------------------------------------------------------------------------ long words


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "COUNT FROM c {}",
        "COUNT FROM c WHERE a = NULL AND {} = NULL",
        "QUERY [1] FROM c WITH ({} = 1)",
        "QUERY [1] FROM c PREFETCH ({})",
        "QUERY FORMULA {}(a) FROM c",
        "CREATE COLLECTION c ({} VECTOR)",
        "CREATE INDEX ON c FOR a TYPE {}",
        "UPSERT INTO c VALUES {{{0}: 1, {0}: 2}}",
        "COUNT FROM c WHERE a = :{}",
        "COUNT FROM c WHERE a = 1{}",
        "USE {}; DEFINE s AS (QUERY [1] FROM d); FUSION RRF PREFETCH (s, t)",
    ],
)
def test_no_message_repeats_a_word_of_a_megabyte(text: str) -> None:
    is_told_briefly(text.format("w" * 1_000_000))


@pytest.mark.parametrize("text", ["COUNT FROM c WHERE a > '{}'", "COUNT FROM c {}", "COUNT FROM '{}\\q'"])
def test_no_message_repeats_a_text_of_a_megabyte(text: str) -> None:
    is_told_briefly(text.format(f"'{'w ' * 500_000}'" if "'" not in text else "w " * 500_000))


def is_told_briefly(text: str) -> None:
    with pytest.raises(qql.QQLCompileError) as caught:
        qql.compile(text)
    assert len(caught.value.render()) < 5000
    for one in caught.value.diagnostics:
        assert len(json.dumps(one.to_dict())) < 3000


def test_a_message_that_can_be_read_is_left_as_it_is() -> None:
    path = "/" + "a" * 250
    assert qql.Diagnostic("x", path).message == path
    cut = qql.Diagnostic("x", f"the name `{'a' * 5000}` is long", related=((syntax.Span(0, 1), "b" * 5000),))
    assert re.fullmatch(r"the name `a{49}…a{28}` is long", cut.message)
    assert len(cut.related[0][1]) <= 80


def test_a_close_name_is_found_among_very_many() -> None:
    names = [f"field{number}" for number in range(100_000)]
    assert did_you_mean("feild7", [*names, "field7"]) == "did you mean `field7`?"
    assert did_you_mean("w" * 1_000_000, names) is None


# ------------------------------------------------------------------------------------ time


def _rows(row: str) -> Callable[[int], str]:
    return lambda size: "UPSERT INTO c VALUES\n" + ",\n".join(row.replace("#", str(at)) for at in range(size))


GROWING: dict[str, tuple[int, Callable[[int], str]]] = {
    "negations": (100_000, lambda size: "NOT " * size),
    "signs": (150_000, lambda size: "!" * size),
    "signs and words": (20_000, lambda size: "! a " * size),
    "backslashes": (50_000, lambda size: "\\" * size),
    "statement words on one line": (50_000, lambda size: "! " + "SHOW " * size),
    "statement words on lines": (
        5_000,
        lambda size: "COUNT FROM c WHERE\n" + " AND\n".join(["show = 1"] * size),
    ),
    "a field called show": (
        5_000,
        lambda size: "QUERY [1] FROM c WITH PAYLOAD ! (\n" + ",\n".join(["show"] * size) + ")",
    ),
    "indented statement words": (200, lambda size: (" " * size + "SHOW ") * 100),
    "rows nearly JSON": (300, _rows('{"id": #, "a": \'x\', "vector": [0.1, 0.2]}')),
    "rows with one value that is no JSON": (300, _rows('{"id": #, "a": [1, {b: 1}], "t": "x"}')),
    "JSON rows": (1_000, _rows('{"id": #, "a": "x", "vector": [0.1, 0.2]}')),
    "statements": (500, lambda size: "COUNT FROM c;" * size),
    "statements with a fault": (5_000, lambda size: "COUNT FORM c;" * size),
    "unclosed strings": (5_000, lambda size: "COUNT FROM c WHERE a = 'x\n" * (size | 1)),
    "shard keys": (2_000, lambda size: f"QUERY [1] FROM c SHARD ({', '.join(map(str, range(size)))})"),
    "digits": (100_000, lambda size: "1" * size + "a"),
}


def seconds(text: str) -> float:
    """CPU time of parsing, compiling and telling about a text, whatever comes of it; the best of three."""
    best = float("inf")
    for _ in range(3):
        gc.collect()
        start = time.process_time()
        answer_or_error(lambda: qql.compile(text))
        syntax.is_complete(text)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.slow
@pytest.mark.parametrize("name", GROWING)
def test_time_grows_with_the_text(name: str) -> None:
    """Four times the text takes four times as long; sixteen times would be the square."""
    size, make = GROWING[name]
    while (small := seconds(make(size))) < 0.02:
        size *= 2
    assert seconds(make(4 * size)) < 10 * small


def test_json_is_read_without_counting_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value that is nearly JSON costs an error of the decoder, which would count all lines before it."""
    text = _rows('{"id": #, "a": \'x\'}')(50)
    asked: list[str] = []
    original = json.JSONDecodeError.__init__

    def noted(self: json.JSONDecodeError, message: str, document: str, at: int) -> None:
        asked.append(type(document).__name__)
        original(self, message, document, at)

    monkeypatch.setattr(json.JSONDecodeError, "__init__", noted)
    assert len(qql.parse(text)) == 1
    assert len(asked) == 50
    assert "str" not in asked


def test_lint_gives_up_on_very_many_parameters_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No value that is tried first fits these, and each attempt tells of one of them only."""
    monkeypatch.setattr(parameter_values, "_WORK", 400)
    text = "COUNT FROM c WHERE " + " AND ".join(f"f{at} MATCH :p{at}" for at in range(40))
    [said] = qql.lint(text)
    assert (said.code, said.severity, said.span) == ("many-parameters", "warning", syntax.Span(28, 31))
    assert qql.lint(text, {f"p{at}": "word" for at in range(40)}) == []
    assert qql.lint("COUNT FROM c WHERE f MATCH :p") == []


# ------------------------------------------------------------------------------------ files


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return str(path)


@pytest.mark.parametrize("command", ["check", "run", "lint"])
def test_execute_reads_files_only(command: str, fifo: str, capsys: pytest.CaptureFixture[str]) -> None:
    for path, kind in ((fifo, "a pipe"), ("/dev/zero", "a device"), ("/dev/null", "a device")):
        assert main([command, "-c", f"EXECUTE '{path}'"]) == 3
        said = "".join(capsys.readouterr())
        assert f"it is {kind}, and no file" in said
    with qql.connect() as db, pytest.raises(qql.QQLPlanError, match="a pipe"):
        db.execute(f"EXECUTE '{fifo}'")


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_statement_without_end_is_read_no_further_than_a_statement_may_go(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(syntax, "MAX_BYTES", 1 << 20)
    assert main([command, "/dev/zero"]) == 3
    assert "error[text-too-long]: this statement has more than 1 MiB" in "".join(capsys.readouterr())


@pytest.mark.parametrize("command", ["fmt", "lint", "compile", "convert"])
def test_a_script_without_end_is_read_no_further_than_a_script_may_go(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(syntax, "MAX_BYTES", 1 << 20)
    assert main([command, "/dev/zero"]) == 2
    assert "cannot read /dev/zero: it has more than 1 MiB" in capsys.readouterr().err


def test_a_file_of_the_most_bytes_is_read_and_one_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(syntax, "MAX_BYTES", 1 << 20)
    path = tmp_path / "a.qql"
    path.write_text("COUNT FROM c".ljust(1 << 20))
    assert main(["compile", str(path)]) == 0
    assert main(["check", str(path)]) == 0
    path.write_text("COUNT FROM c".ljust((1 << 20) + 1))
    assert main(["compile", str(path)]) == 2
    assert main(["check", "-c", f"EXECUTE '{path}'"]) == 3  # it is the statement that is too long
    assert "it has more than 1 MiB" in "".join(capsys.readouterr())


def test_a_script_can_come_through_a_pipe(fifo: str, capsys: pytest.CaptureFixture[str]) -> None:
    writer = threading.Thread(target=lambda: Path(fifo).write_text("COUNT FROM c"))
    writer.start()
    assert main(["compile", fifo]) == 0
    writer.join(10)
    assert json.loads(capsys.readouterr().out)[0]["path"] == "/collections/c/points/count"


def test_files_that_execute_files_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script, "MAX_EXECUTED", 30)
    for level in range(10):  # 3 + 9 + 27 + … files in all
        Path(f"{level}.qql").write_text(f"EXECUTE '{level + 1}.qql';\n" * 3)
    Path("10.qql").write_text("SHOW COLLECTIONS")
    with qql.connect() as db:
        with pytest.raises(qql.QQLCompileError) as caught:
            db.execute("EXECUTE '0.qql'")
        assert {one.code for one in caught.value.diagnostics} == {"too-many-files"}
        assert db.execute("EXECUTE '8.qql'") is not None


# ------------------------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("curl http://a/collections/c http://b/collections/d", "one URL is required"),
        ("curl 'http://[::1' -X GET", "no statement for this route"),
        ("GET //[::x", "is no address"),
        ('curl -d \'{"a": 1}', "never closed"),
    ],
)
def test_addresses_and_quotes_that_are_none_are_named(text: str, says: str) -> None:
    with pytest.raises(qql.QQLError, match=says):
        qql.from_request(text)


# ------------------------------------------------------------------------------------ Ctrl-C

_INTERRUPTED_AT = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = ["qql", "-c", "SHOW COLLECTIONS"]
from qql.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module",
    [
        "qql.cli.process",
        "qql.errors",
        "qql.cli.arguments",
        "qql.cli.render",
        "qql.session.connect",
        "qql.compiler",
    ],
)
def test_ctrl_c_while_starting_ends_quietly(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_AT.format(module=module)], capture_output=True, timeout=60
    )
    assert done.returncode == 130
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_ctrl_c_at_the_very_end_ends_quietly() -> None:
    code = (
        "import atexit, os, signal, sys\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "sys.argv = ['qql', 'fmt', '-c', 'COUNT FROM c']\n"
        "from qql.cli import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGINT  # which a shell calls 130
    assert b"Traceback" not in done.stderr


def test_starting_leaves_the_handler_of_ctrl_c_alone() -> None:
    code = "import signal; before = signal.getsignal(2); import qql.cli; assert signal.getsignal(2) is before"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
