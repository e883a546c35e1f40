"""Plain arguments are read without argparse, and then as argparse reads them."""

from __future__ import annotations

import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from qql.cli.arguments import parse_arguments, read_plainly
from qql.cli.commands import COMMANDS
from qql.cli.commands.options import OPTIONS
from qql.cli.full_parser import parse_fully
from qql.cli.usage import UsageError
from qql.errors import QQLError

VALUES = ["x", "5", "0", "0.3", "a=b", "1=2", "", "-", "-5", "--", "json", "table", "two words", "run"]
FLAGS = sorted({flag for option in OPTIONS.values() for flag in option.flags})
LONG = [flag for flag in FLAGS if flag.startswith("--")]
WORDS = st.one_of(
    st.sampled_from(VALUES),
    st.sampled_from([*COMMANDS]),
    st.sampled_from([*FLAGS, "--no-progress", "--nothing", "-x", "--help", "--version"]),
    st.tuples(st.sampled_from(LONG), st.sampled_from(VALUES)).map("=".join),
)


@st.composite
def plausible(draw: st.DrawFn) -> list[str]:
    """Arguments most of which make sense: a command, its options, each with a value where it takes one."""
    name = draw(st.sampled_from([*COMMANDS]))
    parts = [[name]]
    for option in draw(st.lists(st.sampled_from(COMMANDS[name].options or ("quiet",)), max_size=5)):
        flag = draw(st.sampled_from(OPTIONS[option].flags))
        value = draw(st.sampled_from(VALUES))
        takes = OPTIONS[option].settings.get("action") not in ("store_true", "store_false", "either")
        parts.append([flag, value] if takes else [flag])
    parts += [[file] for file in draw(st.lists(st.sampled_from(["a.qql", "b.qql", "-"]), max_size=2))]
    return [word for part in draw(st.permutations(parts)) for word in part]


@settings(max_examples=examples(400), deadline=None)
@given(st.one_of(plausible(), st.lists(WORDS, max_size=7)))
def test_what_is_read_plainly_is_what_argparse_reads(argv: list[str]) -> None:
    plain = read_plainly(argv)
    if plain is not None:
        assert plain == parse_fully(argv)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["run", "q.qql"],
        ["-c", "COUNT FROM docs"],
        ["run", "--db", "data", "-c", "COUNT FROM docs", "--format", "jsonl", "--no-color", "-q"],
        ["--url=http://h", "run", "--param", "a=1", "--param", "b=2", "--model", "m", "-", "--no-progress"],
        ["check", "a.qql", "b.qql", "--collection", "docs", "--format", "json"],
        ["eval", "a.qql", "--queries", "q", "--qrels", "r", "--measure", "nDCG@10", "--measure", "R@5"],
        ["bench", "a.qql", "--seconds", "3", "--recall", "0"],
        ["help", "group", "by"],
    ],
    ids=" ".join,
)
def test_what_is_written_plainly_needs_no_argparse(argv: list[str]) -> None:
    assert read_plainly(argv) == parse_fully(argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["run", "-h"],
        ["run", "--wrong"],
        ["run", "--grid", "a=1"],
        ["run", "--timeout", "soon"],
        ["run", "--timeout"],
        ["run", "--quiet=1"],
        ["run", "-cCOUNT FROM docs"],
        ["run", "--format", "sarif"],
        ["run", "a.qql", "b.qql"],
        ["check", "a.qql", "-q", "b.qql"],
        ["run", "--", "a.qql"],
        ["nothing"],
        ["-c", "A", "-c", "B"],
        ["--param", "a"],
    ],
    ids=" ".join,
)
def test_the_rest_is_left_to_argparse(argv: list[str]) -> None:
    assert read_plainly(argv) is None


def test_what_is_wrong_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError) as error:
        parse_arguments(["run", "--timeout", "soon"])
    assert isinstance(error.value, QQLError)
    assert "--timeout" in error.value.message
