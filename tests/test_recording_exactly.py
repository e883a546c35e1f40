"""Generated pipelines: what a recording says of their variants, beside what the engine answers to these."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pipelines import Drawn, create, draw

from qql import nodes
from qql.analysis.fusion import close
from qql.errors import QQLCompileError, QQLError, Source
from qql.evaluation.recording.recomputing import EQUAL, NEEDS_RUN, TIES, Recomputed, recompute
from qql.evaluation.recording.recorder import record
from qql.evaluation.recording.settings_at_once import what_if
from qql.evaluation.settings import Settable
from qql.records import replace
from qql.result import Result
from qql.session.connect import connect
from qql.session.session import Session
from qql.syntax.parser import parse_script
from qql.syntax.printer import show

ROUNDS = int(os.environ.get("QQL_SOAK_ROUNDS", "2"))  # of the slow tests; a real soak gives more
EXACT = ("nothing", "single", "three", "some", "equals", "many")
LIMITS = (1, 2, 5, 10, 20, 50, 400, 1000, 1500)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect(":memory:", advice=False) as made:
        create(made, EXACT)
        yield made


def with_parameter(drawn: Drawn) -> str:
    """The text with its LIMIT as a parameter, so that something hangs on the query."""
    head, root, tail = drawn.text.rpartition(drawn.root.text)
    return head + root + tail.replace(f" LIMIT {drawn.limit}", "", 1) + " LIMIT :n"


def settings(rng: random.Random, script: Settable) -> dict[str, Any]:
    """Some settings of a pipeline with other values; not all of them fit."""
    found: dict[str, Any] = {}
    for label, query in script.stages.items():
        if label != "root" and rng.random() < 0.5:
            found[f"{label}.limit"] = rng.choice(LIMITS)
        if rng.random() < 0.15:
            found[f"{label}.threshold"] = rng.choice([None, -0.2, 0.0, 0.2, 0.35, 0.5, 1.0])
        if query.fusion is not None and rng.random() < 0.5:
            found[f"{label}.fusion"] = rng.choice(["rrf", "dbsf"])
        if query.fusion is not None and found.get(f"{label}.fusion", query.fusion.method) == "rrf":
            found[f"{label}.k"] = rng.choice([1, 2, 10, 61])
            if rng.random() < 0.5:
                found[f"{label}.weights"] = [rng.choice([0, 0.3, 1, 2.5]) for _ in query.prefetch]
    return found


def without_an_input(rng: random.Random, text: str) -> str:
    """The text with one reference of the root less, and without weights, whose number would not fit."""
    ((one, *_), _) = parse_script(Source(text))
    query = one.statement
    assert isinstance(query, nodes.Query)
    if len(query.prefetch) < 2:
        return text
    refs = [*query.prefetch]
    del refs[rng.randrange(len(refs))]
    params = tuple(option for option in query.params if option.name != "rrf_weights")
    return show(replace(query, prefetch=tuple(refs), params=params))


def variants(rng: random.Random, session: Session, text: str, count: int) -> Iterator[str]:
    """The pipeline itself, and others made of its stages."""
    yield text
    (compiled,) = session.compile(text, {"n": 10})
    assert compiled.plan is not None
    script = Settable(text, compiled.plan)
    for _ in range(count):
        try:
            changed = script.changed(settings(rng, script))
            yield without_an_input(rng, changed) if rng.random() < 0.3 else changed
        except QQLError:
            continue


def wrong(one: Recomputed, answer: Result, offset: int) -> str | None:
    """What the engine answered that the recording rules out."""
    hits = answer.hits
    assert one.hits is not None
    if one.verdict == EQUAL:
        if [hit.id for hit in hits] != [*one.ids]:
            return f"{[hit.id for hit in hits]} and not {one.ids}"
        far = [(a.score, b.score) for a, b in zip(hits, one.hits, strict=True) if not _near(a.score, b.score)]
        return f"scores {far}" if far else None
    for at, hit in enumerate(hits, offset):
        place = one.possible.get(hit.id)
        if place is None:
            if not one.strangers:
                return f"{hit.id} is possible nowhere"
            continue
        if not place.first <= at <= place.last:
            return f"{hit.id} stands at {at}, not from {place.first} to {place.last}"
        near = _near(hit.score, place.low) or _near(hit.score, place.high)
        if not near and not place.low <= (hit.score or 0.0) <= place.high:
            return f"{hit.id} has {hit.score}, not {place.low} to {place.high}"
    given = {hit.id for hit in hits}
    lacking = [key for key, place in one.possible.items() if place.sure and place.first >= offset]
    missing = [key for key in lacking if key not in given]
    return f"{missing} are not there" if missing else None


def _near(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and (close(one, other) or abs(one - other) < 2e-6)


def check(rng: random.Random, session: Session, folder: Path, census: Counter[str], count: int = 4) -> None:
    """One pipeline is recorded, and all of its variants are recomputed and run."""
    drawn = draw(rng, rng.choices(EXACT, [1, 1, 2, 5, 5, 8])[0])
    text = with_parameter(drawn)
    row = {"id": "q", "n": drawn.limit}
    path = folder / "run.qqlrun"
    try:
        kept = record(text, [row], session, path, deep=1000, overwrite=True)
    except QQLError as exc:
        census[f"refused: {exc.code}"] += 1
        return
    for one in variants(rng, session, text, count):
        values = {"n": rng.choice([drawn.limit, *LIMITS])}
        try:
            (compiled,) = session.compile(one, values)
            answer = session.carry_out(compiled)
        except QQLError as exc:
            assert isinstance(exc, QQLCompileError) or exc.code, exc
            census[f"not run: {exc.code}"] += 1
            continue
        (found,) = recompute(kept, one.replace(":n", str(values["n"])))
        census[found.verdict] += 1
        census[f"{found.verdict}: {', '.join(found.reasons)[:40]}" if found.reasons else "no reason"] += 1
        if found.verdict == NEEDS_RUN:
            assert found.reasons, one
            continue
        assert compiled.plan is not None
        why = wrong(found, answer, compiled.plan.offset or 0)
        assert why is None, (why, found.verdict, one, values, text, drawn.collection)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_recomputed_is_what_the_engine_answers(session: Session, tmp_path: Path, seed: int) -> None:
    census: Counter[str] = Counter()
    rng = random.Random(f"recorded {seed}")
    while census[EQUAL] < 3 or census[TIES] < 2:
        check(rng, session, tmp_path, census)


def test_points_that_a_field_makes_equal_keep_their_own_scores(session: Session, tmp_path: Path) -> None:
    words = "{indices: [4, 18, 19, 21], values: [0.257, 0.5798, 0.9904, 0.4172]}"
    text = (
        f"WITH a AS (QUERY ORDER BY number LIMIT 1000), b AS (QUERY {words} USING sparse LIMIT 400)"
        " QUERY FUSION DBSF FROM many PREFETCH (a, b) LIMIT :n"
    )
    kept = record(text, [{"id": "q", "n": 10}], session, tmp_path / "run.qqlrun")
    (one,) = recompute(kept, text)
    assert one.verdict == TIES
    assert len({place.low for place in one.possible.values() if place.last == 9}) > 2
    for _ in range(5):
        assert wrong(one, session.execute(text, {"n": 10}), 0) is None


def check_at_once(rng: random.Random, session: Session, folder: Path, census: Counter[str]) -> None:
    """What is said of many settings at once is what is said of each alone."""
    drawn = draw(rng, rng.choices(EXACT, [1, 1, 2, 5, 5, 8])[0])
    text = with_parameter(drawn)
    try:
        kept = record(text, [{"id": "q", "n": 10}], session, folder / "run.qqlrun", deep=1000, overwrite=True)
    except QQLError:
        return
    (compiled,) = session.compile(text, {"n": 10})
    assert compiled.plan is not None
    script = Settable(text, compiled.plan)
    grid = []
    for _ in range(8):
        values = settings(rng, script) | {"n": rng.choice(LIMITS)}
        try:
            next(what_if(kept, text, [values]))
        except QQLError:
            continue
        grid.append(values)
    (many,) = what_if(kept, text, grid)
    for at, values in enumerate(grid):
        changed = script.changed({name: value for name, value in values.items() if name != "n"})
        (alone,) = recompute(kept, changed.replace(":n", str(values["n"])))
        census[alone.verdict] += 1
        if alone.verdict == EQUAL:
            assert many.ranking(at) == [*alone.ids], (changed, values)
        assert many.verdicts[at] in {alone.verdict, TIES if alone.verdict == EQUAL else ""}, (changed, values)
        assert len(many.ranking(at)) == len(alone.ids), (changed, values)
        if alone.verdict == NEEDS_RUN:
            assert many.reasons[at], (changed, values)


@pytest.mark.parametrize("seed", range(6))
def test_many_settings_at_once_are_what_each_of_them_is(session: Session, tmp_path: Path, seed: int) -> None:
    census: Counter[str] = Counter()
    rng = random.Random(f"at once {seed}")
    while census[EQUAL] < 5:
        check_at_once(rng, session, tmp_path, census)


@pytest.mark.slow
def test_thousands_of_variants_are_what_the_engine_answers(session: Session, tmp_path: Path) -> None:
    census: Counter[str] = Counter()
    rng = random.Random("recorded, many")
    for _ in range(150 * ROUNDS):
        check(rng, session, tmp_path, census, count=9)
    assert census[EQUAL] > census[TIES] > 0
