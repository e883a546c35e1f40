"""The parser's tables, and the nodes that it makes: what is fast there is also what it was."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

import qql
from qql import nodes
from qql.errors import Source, Span
from qql.nodes import Node
from qql.syntax import lalr
from qql.syntax.builder import NODE_RULES
from qql.syntax.parser import parse_script


@pytest.mark.parametrize("kind", sorted(NODE_RULES.values(), key=lambda kind: kind.__name__))
def test_a_node_that_is_made_fast_is_a_node_like_any_other(kind: type[Node]) -> None:
    values = {name: f"value of {name}" for name in kind.__match_args__}
    made = kind.make(**values, span=Span(3, 7))
    assert made == kind(**values)
    assert type(made) is kind
    assert hash(made) == hash(kind(**values))
    assert made.span == Span(3, 7)
    for twin in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (twin, twin.span) == (made, made.span)
    moved: Any = dataclasses.replace(made, span=Span(0, 1))
    assert (moved, moved.span) == (made, Span(0, 1))
    for name in ("span", *values):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, name, None)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(made, name)
    with pytest.raises(TypeError):
        kind.make(**values, unknown=1)


def test_spans_of_parsed_nodes_cannot_be_changed() -> None:
    (query,) = qql.parse("QUERY [0.1] FROM docs LIMIT 5")
    assert query.span == Span(0, 29)
    assert hash(query.span) == hash(Span(0, 29))
    with pytest.raises(dataclasses.FrozenInstanceError):
        query.span.start = 1  # type: ignore[misc]


def test_tables_are_read_as_they_were_written_and_only_for_their_grammar() -> None:
    text = 'start: "COUNT" NAME\nstage: "QUERY"\nlone_condition: "WHERE"\nNAME: /a/'
    data = lalr.build(text)
    content = lalr.packed(data)
    assert lalr._unpacked(content, text) == data
    assert lalr._unpacked(content, text + " ") is None
    assert lalr._unpacked(content[: len(content) // 2], text) is None
    assert lalr._unpacked(b"", text) is None
    assert lalr._unpacked(b"no tables", text) is None
    assert lalr._unpacked(lalr.packed({"grammar": [text]}), text) is None


def test_threads_that_parse_at_once_do_not_mix_their_statements() -> None:
    """Each has its own parameters, warnings and places."""
    workers, rounds = 8, 40
    together = Barrier(workers)

    def read(worker: int) -> None:
        lead = " " * worker
        together.wait()
        for number in range(rounds):
            text = f"{lead}QUERY :q{worker} FROM docs WHERE a = w{worker}_{number} LIMIT :k{worker}"
            ((one,), errors) = parse_script(Source(text))
            assert not errors
            assert [param.key for param in one.params] == [f"q{worker}", f"k{worker}"]
            assert [warning.span for warning in one.warnings] == [
                Span(text.index("= w") + 2, text.index(" LIMIT"))
            ]
            assert isinstance(one.statement, nodes.Query)
            assert one.statement.span == Span(worker, len(text))

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(read, range(workers)))
