"""Arrays and objects that are read whole are what the grammar makes of them, and every error is its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import qql
from qql import nodes
from qql.errors import Diagnostic, Source
from qql.syntax import whole_values
from qql.syntax.parser import parse_script
from qql.syntax.whole_values import ValueReader

LONG = "x" * 70_000
"""Makes a text so long that its values are read by orjson."""


def rows_of(text: str) -> Any:
    (upsert,) = qql.parse(text)
    assert isinstance(upsert, nodes.Upsert)
    return upsert.rows


def outcome(text: str) -> tuple[list[str], list[Diagnostic]]:
    done, errors = parse_script(Source(text))
    return [repr(one.statement) for one in done], [d for error in errors for d in error.diagnostics]


VALUES = [
    "{id: 1, text: 'it', year: 2023, score: -0.5, on: true, off: False, none: NULL}",
    "{id: 1, 'quoted key': 'a', \"other\": \"b\", text: ''}",
    "{id: 1, text: 'it''s', more: \"a \\n b \\u00e9\", tail: 'x',}",
    "{id: 007, n: -0, e: 1e3, d: 12.50}",
    "{id: 1, vector: [0.1, -2, 3e2], inside: {a: {b: [1, 'x']}, \"c\": {}}}",
    "{id: 1, vector: {dense: [1, 2], words: {indices: [1], values: [0.5]}}}",
    "{id: 1, a: plain, b: :p}",
    "{id: 1 /* comment */, a: 2} -- end",
    "{id: 1, a.b: 2, $c: 3, d: r'\\raw', e: '''tri''ple''', f: `tick`}",
    "{id:1,a:-1,b:c,true:1,TRUE:2}",
    '{"id": 1, "text": "a \\"quoted\\": colon", "list": [1, 2.5, "x", [true, null]]}',
    '{"id": 18446744073709551615, "n": -9223372036854775808, "f": 1e300}',
    '{"id": 1, "text": "12:30", "url": "http://x/y", "open": "{[", "close": "]}"}',
]
FAULTS = [
    "{id: 1, id: 2}",
    "{id: 1, in: {a: 1, 'a': 2}}",
    '{"id": 1, "a": {"b": 1, "b": 2}}',
    '{"id": 1, "a" : 1, "a": 2, "c": ":"}',
    '{"id": 1, "n": 18446744073709551616}',
    "{id: 1, n: 18446744073709551616}",
    "{id: 1, n: -99999999999999999999}",
    '{"id": 1, "n": [0.5, 1e999]}',
    "{id: 1, n: 1e999}",
    '{"id": 1, "n": [NaN]}',
    "{id: 1, n: nan}",
    '{"id": 1, "t": "\\ud800"}',
    "{id: 1, t: '\\ud800'}",
    "{id: 1, t: 'a \\q'}",
    "{id: 1, a: 5m}",
    "{id: 1 b: 2}",
    "{id: 1{b: 2}}",
    "{id: 1, in: {a: 1}{b: 2}}",
    "{id: 1, in: [1]{b: 2}, c: 3}",
    "{, id: 1}",
    "{id: 1, a: 2,, b: 3}",
    "{id: 1, a: 'unclosed}",
    f"{'{a: ' * 201}1{'}' * 201}",
]


@pytest.mark.parametrize("text", [*VALUES, *FAULTS], ids=lambda one: one[:40])
@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
def test_a_value_means_what_the_grammar_makes_of_it(
    text: str, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = f"UPSERT INTO docs VALUES {text}, {{id: 2, text: '{LONG if long else ''}'}}"
    read = outcome(statement)
    monkeypatch.setattr(ValueReader, "read", lambda *_: None)
    by_grammar = outcome(statement + "\n")  # another text, so that nothing comes from a cache
    assert read == by_grammar
    assert bool(read[1]) == (text in FAULTS)


def test_long_rows_are_read_by_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    import orjson

    rows = [{"id": n, "time": "12:30", "vector": {"dense": [n / 7] * 200}} for n in range(50)]
    calls = []
    monkeypatch.setattr(whole_values, "_decoder", None)  # Python's own decoder would fail
    honest = orjson.loads
    monkeypatch.setattr(orjson, "loads", lambda text: calls.append(text) or honest(text))
    assert list(rows_of("UPSERT INTO docs VALUES " + json.dumps(rows)[1:-1])) == rows
    assert len(calls) == len(rows)
    assert list(rows_of("UPSERT INTO docs VALUES " + json.dumps(rows))) == rows
    assert len(calls) == len(rows) + 1


def test_a_short_text_does_not_import_orjson() -> None:
    program = """
        import sys, qql
        qql.parse('UPSERT INTO docs VALUES {"id": 1, "vector": [0.1, 0.2]}, {id: 2, vector: [0.3, 0.4]}')
        print("orjson" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line.strip() for line in program.splitlines())],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


def test_brackets_in_texts_do_not_make_the_search_for_an_end_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_through = 0
    honest = ValueReader._end_of

    def counted(self: ValueReader, pos: int) -> int:
        nonlocal looked_through
        end = honest(self, pos)
        looked_through += end - pos if end > pos else len(self._text) - pos
        return end

    monkeypatch.setattr(ValueReader, "_end_of", counted)
    rows = [{"id": n, "text": "{ opens nothing", "more": "x" * 300} for n in range(3000)]
    text = "UPSERT INTO docs VALUES " + json.dumps(rows)[1:-1]
    assert list(rows_of(text)) == rows
    assert looked_through < 10 * len(text)


@pytest.mark.parametrize("depth", [5, 100])
def test_a_value_that_the_grammar_has_to_read_is_not_tried_at_each_of_its_brackets(depth: int) -> None:
    numbers = ", ".join(map(str, range(20_000)))
    text = f"{'[' * depth}{numbers}, :last{']' * depth}"
    reader = ValueReader(text)
    tried = 0
    for pos in range(depth):
        before = reader._wasted
        assert reader.read(pos) is None
        tried += reader._wasted - before
    assert tried < 3 * len(text)
