"""Whatever a text has many of, the work for it grows with their number, and not with its square.

Work is what can be counted: calls of functions, Python's own and those of libraries, and bytes.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from growing_texts import GROWING, of_grammar

import qql
from qql.errors import Source
from qql.kept import Kept, Noted
from qql.syntax import parser

SMALL, LARGE = 24, 96
UNKEPT = f"-- {'long ' * 4000}\n"
"""Makes a text too long to be kept: what is remembered of it would be no work the second time."""
MOST = 4.5
"""By how much more work four times as much may be: the rest of a text makes it less than 4, mostly."""


def values_for(text: str) -> Any:
    """Values for all parameters of a text."""
    done, _ = parser.parse_script(Source(text))
    keys = [param.key for one in done for param in one.params]
    return dict.fromkeys(keys, 1) if any(isinstance(key, str) for key in keys) else [1] * len(keys) or None


def tasks(text: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """What can be done with a text, each with its name; all of it may end in an error of ours."""
    values = values_for(text)
    yield "parse", lambda: parser.parse_script(Source(text))
    yield "is_complete", lambda: parser.is_complete(text)
    yield "compile", lambda: qql.compile(text, values)
    yield "explain", lambda: qql.explain(text, values)
    yield "lint", lambda: qql.lint(text, values)
    yield "format", lambda: qql.format(text)
    try:
        requests = qql.compile(text, values)
    except qql.QQLError:
        return
    if len(requests) == 1:
        yield "convert", lambda: qql.from_request(requests[0])


NESTED = {"factor: recursion": 6.0}
"""Where a level costs a little more than the one above it; there are 200 at most."""


def told(task: Callable[[], object]) -> None:
    """Does it, and tells of what comes of it."""
    try:
        task()
    except qql.QQLError as exc:
        exc.render()


def forget() -> None:
    """Clears what is kept of texts: what a task writes may be a short text that came before."""
    for name, module in list(sys.modules.items()):
        if name.startswith("qql."):
            for one in vars(module).values():
                if isinstance(one, (Kept, Noted)):
                    one.clear()


def calls_of(task: Callable[[], object]) -> int:
    forget()
    count = 0

    def called(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        told(task)
    finally:
        sys.setprofile(None)
    return count


def peak_of(task: Callable[[], object]) -> int:
    """The most bytes that were in use at once. When garbage is collected would be chance, so none is."""
    forget()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        told(task)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()


def test_each_repetition_of_the_grammar_has_a_text_that_grows() -> None:
    named = {name for name in GROWING if ": " in name}
    assert set(of_grammar()) - named == set(), "growing_texts.py lacks a text for what the grammar repeats"
    assert named - set(of_grammar()) == set(), "the grammar repeats this no more"


@pytest.mark.parametrize("name", GROWING)
def test_work_grows_with_the_text(name: str) -> None:
    make = GROWING[name]
    both = [dict(tasks(UNKEPT + make(size))) for size in (SMALL, LARGE)]
    for task in both[0].keys() & both[1].keys():
        small, large = (calls_of(one[task]) for one in both)
        most = NESTED.get(name, MOST)
        assert large <= most * small, f"{task}: {small:,} calls for {SMALL}, {large:,} for {LARGE}"


@pytest.mark.slow
@pytest.mark.parametrize("name", GROWING)
def test_memory_grows_with_the_text(name: str) -> None:
    make = GROWING[name]
    # Another text goes first: what is made once in a process is made then, and nothing of these is kept.
    other, *both = (dict(tasks(UNKEPT + make(size))) for size in (4 * LARGE - 4, 4 * SMALL, 4 * LARGE))
    for task in both[0].keys() & both[1].keys():
        told(other[task])
        # The least of two: what a thread of another test still does is counted as well.
        small, large = (min(peak_of(one[task]), peak_of(one[task])) for one in both)
        # A table of the interpreter that doubles meanwhile is no growth of the text.
        assert large <= MOST * small + 100_000, f"{task}: {small:,} bytes at once, and {large:,}"


def seconds(task: Callable[[], object]) -> float:
    """CPU time, the least of two."""
    times = []
    for _ in range(2):
        start = time.process_time()
        told(task)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.slow
@pytest.mark.parametrize("name", GROWING)
def test_what_no_call_shows_grows_with_the_text(name: str) -> None:
    """A slice of a list and a copy of a dict are no calls: their square shows in the time of longer texts."""
    both = [dict(tasks(UNKEPT + GROWING[name](size))) for size in (200, 800)]
    for task in {"compile", "format", "convert"} & both[0].keys() & both[1].keys():
        small, large = (seconds(one[task]) for one in both)
        assert large < 10 * max(small, 0.005), f"{task}: {small:.3f} s, and {large:.3f} s"
