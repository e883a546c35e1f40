"""WHY NOT: what is named makes the point a hit, once it is typed into the statement; and WHY NOT WHERE."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pipelines
import pytest

import qql
from qql import QQLCompileError, QQLExecutionError, nodes
from qql.analysis import Way, Ways, WordsChange
from qql.analysis.why import why
from qql.compiler.plan import QueryPlan
from qql.records import replace
from qql.rest.request import Request
from qql.session.session import Session

ROUNDS = int(os.environ.get("QQL_SOAK_ROUNDS", "2"))
EXAMPLES = Path(__file__).parents[1] / "examples"
WORDS = re.findall(
    r"\w+",
    "apple river stone cloud tiger piano glass maple storm paper engine garden silver window letter bridge "
    "candle forest mirror anchor basket copper dragon falcon hammer island jacket kettle ladder marble",
)


@pytest.fixture(scope="module")
def docs() -> Iterator[Session]:
    """300 short texts in three vectors; some points lack one of them."""
    rng = random.Random(1)
    with qql.connect(":memory:", advice=False) as session:
        session.run(
            "CREATE COLLECTION docs (fine VECTOR MODEL 'local/hash-256', rough VECTOR MODEL 'local/hash-32', "
            "words SPARSE MODEL 'qdrant/bm25')"
        )
        rows: list[dict[str, Any]] = []
        for at in range(300):
            text = " ".join(rng.choices(WORDS, k=rng.randrange(4, 12)))
            row = {"id": at, "name": f"text {at}", "text": text, "kind": rng.choice("abc"), "n": at % 50}
            rows.append(row)
        session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
        session.execute("DELETE VECTOR rough FROM docs WHERE id IN :some", {"some": [*range(0, 300, 9)]})
        yield session


PIPELINES = (
    "QUERY '{q}' FROM docs USING fine LIMIT 5",
    "QUERY '{q}' FROM docs USING words WHERE kind = 'a' LIMIT 10",
    "QUERY '{q}' FROM docs USING rough WHERE kind = 'b' AND n > 25 LIMIT 10",
    "QUERY '{q}' FROM docs USING fine SCORE THRESHOLD 0.5 LIMIT 10",
    "WITH named AS (QUERY '{q}' USING words LIMIT 20), alike AS (QUERY '{q}' USING rough LIMIT 20) "
    "QUERY FUSION RRF FROM docs PREFETCH (named, alike) LIMIT 10",
    "WITH named AS (QUERY '{q}' USING words LIMIT 20), alike AS (QUERY '{q}' USING fine LIMIT 20) "
    "QUERY FUSION DBSF FROM docs PREFETCH (named, alike) LIMIT 10 OFFSET 2",
    "WITH named AS (QUERY '{q}' USING words LIMIT 60), alike AS (QUERY '{q}' USING rough LIMIT 60), "
    "fused AS (QUERY FUSION RRF LIMIT 30 "
    "PREFETCH (named WHERE kind IN ('a', 'b'), alike SCORE THRESHOLD 0.4)) "
    "QUERY '{q}' FROM docs USING fine PREFETCH (fused WHERE n >= 8) LIMIT 10",
    "WITH named AS (QUERY '{q}' USING words LIMIT 30), alike AS (QUERY '{q}' USING fine LIMIT 30) "
    "QUERY '{q}' FROM docs USING rough PREFETCH (named, alike) WHERE n > 10 LIMIT 10",
    "QUERY HYBRID '{q}' DENSE fine SPARSE words FROM docs LIMIT 3",
    "QUERY '{q}' FROM docs USING words LIMIT 20 RERANK MODEL 'local/overlap' TOP 5",
    "QUERY '{q}' FROM docs USING fine GROUP BY n SIZE 2 LIMIT 5",
    "QUERY MMR '{q}' DIVERSITY 0.6 CANDIDATES 40 FROM docs USING fine LIMIT 8",
    "WITH named AS (QUERY '{q}' USING words LIMIT 40) "
    "QUERY FORMULA $score + n * 0.01 DEFAULTS (n = 1) FROM docs PREFETCH (named) LIMIT 10",
    "QUERY '{q}' FROM docs USING words FORMULA $score + n * 0.01 DEFAULTS (n = 1) LIMIT 3",
    "QUERY '{q}' FROM docs USING fine LIMIT 10 OFFSET 10",
)


# ------------------------------------------------------------------------------------ typing a change


def words_of(text: str, stage: str | None) -> tuple[int, int]:
    """Where the words of a stage stand: those of a CTE, in its brackets; those of the query, behind all."""
    at, depth = 0, 0
    if stage is None:
        if not text.startswith("WITH"):
            return 0, len(text)
        for found in re.finditer(r"[()]|\bQUERY\b", text):
            depth += {"(": 1, ")": -1}.get(found[0], 0)
            if found[0] == "QUERY" and depth == 0:
                return found.start(), len(text)
    begins = re.search(rf"\b{stage} AS \(", text)
    assert begins, (text, stage)
    at, depth = begins.end(), 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return begins.end(), at - 1


def outside_brackets(text: str) -> str:
    """The text with what stands in brackets blotted out."""
    out, depth = [], 0
    for char in text:
        depth -= char in ")]}"
        out.append(char if not depth else "\0")
        depth += char in "([{"
    return "".join(out)


def typed(text: str, change: dict[str, Any]) -> str:
    """The statement with one of the changes, done to its text as a person would."""
    word, value, condition = change["word"], change["value"], change["condition"]
    begin, end = words_of(text, change["stage"])
    words = text[begin:end]
    if change["source"] == "reference":
        name = change["stage"]
        if condition is not None:
            out = re.sub(rf"\b{name} WHERE {re.escape(condition)}", name, text)
        else:
            out = re.sub(rf"\b({name} {word}) [-\d.]+", rf"\1 {value}", text)
    elif word == "FORMULA":
        old = f"n * {change['before']}" if change["before"] == 0.01 else str(change["before"])
        out = (
            text[:begin] + words.replace(old, old.replace(str(change["before"]), str(value)), 1) + text[end:]
        )
    elif word == "FUSION":
        out = text[:begin] + re.sub(r"FUSION \w+|$", f" FUSION {value}", words, count=1) + text[end:]
    elif condition is not None:
        for old in (f" AND {condition}", f"{condition} AND ", f" WHERE {condition}"):
            if old in words:
                break
        out = text[:begin] + words.replace(old, "", 1) + text[end:]
    elif word.islower():
        out = f"{text[:begin]}{words} PARAMS ({word} = {str(value).lower()}){text[end:]}"
    elif found := re.search(rf"\b{word} ([-\d.]+)", outside_brackets(words)):
        out = text[:begin] + words[: found.start(1)] + str(value) + words[found.end(1) :] + text[end:]
    else:
        out = f"{text[:begin]}{words} {word} {value}{text[end:]}"
    assert out != text, (text, change)
    return out


def with_all(text: str, changes: Sequence[dict[str, Any]]) -> str:
    for change in changes:
        text = typed(text, change)
    return text


def check_ways(session: Session, text: str, key: Any) -> str:
    """All ways make the point a hit, and with one change less none does; gives in how many changes."""
    told = session.execute(f"WHY NOT {json.dumps(key)} {text}".replace('"', "'"))
    ways = told.data["ways"]
    for way in ways["found"]:
        changes = way["changes"]
        whole = with_all(text, changes)
        assert key in session.execute(whole).ids, f"{told.message}\n{whole}"
        assert qql.parse(way["statement"]) == qql.parse(whole)
        for some in combinations(changes, len(changes) - 1):
            less = with_all(text, some)
            assert key not in session.execute(less).ids or tied(session, less), f"{told.message}\n{less}"
    if not ways["found"]:
        assert ways["obstacles"] and "makes it a hit" in told.message, told.message
        return "none"
    assert len({len(way["changes"]) for way in ways["found"]}) == 1
    return f"{len(ways['found'][0]['changes'])} changes"


def tied(session: Session, text: str) -> bool:
    """Whether hits are equal, or stages below have equals, so that another time others are there."""
    return any(session.execute(text).ids != session.execute(text).ids for _ in range(6))


def misses(session: Session, text: str, rng: random.Random, every: Sequence[Any], count: int) -> list[Any]:
    hits = set(session.execute(text).ids)
    return rng.sample([key for key in every if key not in hits], count)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_what_is_named_makes_it_a_hit_once_it_is_typed(docs: Session, pipeline: str) -> None:
    rng, seen = random.Random(pipeline), Counter[str]()
    for _ in range(3):
        text = pipeline.format(q=" ".join(rng.sample(WORDS, 3)))
        for key in misses(docs, text, rng, range(300), 2):
            seen[check_ways(docs, text, key)] += 1
    assert seen.total() == 6 and seen["none"] < 6


@pytest.mark.parametrize("count", [12, pytest.param(200 * ROUNDS, marks=pytest.mark.slow)])
def test_generated_pipelines(count: int) -> None:
    rng, seen = random.Random(count), Counter[str]()
    names = ("some", "many")
    with qql.connect(":memory:", advice=False) as session:
        pipelines.create(session, names)
        while seen.total() < count:
            drawn = pipelines.draw(rng, rng.choice(names))
            every = range(1, pipelines.COLLECTIONS[drawn.collection][0] + 1)
            hits = session.execute(drawn.text).ids
            missed = [one for one in every if one not in hits]
            if not missed or drawn.sampled:
                continue
            key = rng.choice(missed)
            told = session.execute(f"WHY NOT {key} {drawn.text}").data
            ways = told["ways"] or {"found": []}
            for way in ways["found"][:1]:
                there = key in session.execute(way["statement"]).ids
                seen["hit" if there else "missed" if way["steady"] else "missed by chance"] += 1
            seen["none"] += not ways["found"]
    assert seen["hit"] > count / 2 and seen["missed"] <= count / 50, seen


@pytest.mark.slow
def test_sixty_pairs_of_a_real_collection(tmp_path: Path) -> None:
    """The documentation of the standard library, with an approximate search; README's demo makes it."""
    rows = tmp_path / "stdlib.jsonl"
    subprocess.run([sys.executable, EXAMPLES / "stdlib_docs.py", rows], check=True, capture_output=True)
    script = (EXAMPLES / "stdlib.qql").read_text(encoding="utf-8").partition("-- Stage one")[0]
    rng, seen = random.Random(3), Counter[str]()
    with qql.connect(":memory:", advice=False) as session:
        session.run(script, {"docs": str(rows)})
        every = session.execute("SCROLL FROM stdlib LIMIT 5000 WITH PAYLOAD false").ids
        for number in range(60):
            pipeline = PIPELINES[number % len(PIPELINES)].replace("FROM docs", "FROM stdlib")
            pipeline = re.sub(
                r"\bn\b", "words", pipeline.replace("'a'", "'class'").replace("'b'", "'method'")
            )
            text = pipeline.format(q=rng.choice(["remove a directory tree", "parse a date", "open a socket"]))
            text += " WITH PAYLOAD false"
            (key,) = misses(session, text, rng, every, 1)
            seen[check_ways(session, text, key)] += 1
    assert seen.total() == 60 and seen["none"] < 30, seen


# ------------------------------------------------------------------------------------ single answers

FUSED = (
    "WITH named AS (QUERY 'apple river' USING words LIMIT 40), "
    "alike AS (QUERY 'apple river' USING fine LIMIT 40) "
    "QUERY FUSION RRF FROM docs PREFETCH (named, alike) PARAMS (rrf_k = 20) LIMIT {}"
)


def ways_of(session: Session, text: str, key: int) -> Any:
    return session.execute(f"WHY NOT {key} {text}").data["ways"]


def told_by(ways: Any) -> list[list[str]]:
    return [[change["text"] for change in way["changes"]] for way in ways["found"]]


def test_an_outranked_point_is_told_the_limit_that_has_it(docs: Session) -> None:
    hits = docs.execute(FUSED.format(60)).hits
    scores = Counter(hit.score for hit in hits)
    at = next(at for at, hit in enumerate(hits[20:], 20) if scores[hit.score] == 1)
    told = docs.execute(f"WHY NOT {hits[at].id} {FUSED.format(10)}")
    assert [f"LIMIT 10 → {at + 1}"] in told_by(told.data["ways"])
    assert f"LIMIT 10 → {at + 1} (tried: hit {at + 1} of {at + 1})" in str(told.message)
    assert hits[at].id not in docs.execute(FUSED.format(at)).ids


def test_one_change_goes_before_two(docs: Session) -> None:
    """A stage could be opened by LIMIT, and then the query; dropping the condition does it at once."""
    text = FUSED.replace("QUERY FUSION RRF", "QUERY FUSION RRF WHERE kind = 'a'").format(10)
    first = next(hit for hit in docs.execute(FUSED.format(10)).hits if (hit.payload or {})["kind"] != "a")
    ways = ways_of(docs, text, int(first.id))
    assert told_by(ways) == [["dropping kind = 'a' from WHERE of root"]]
    assert ways["found"][0]["rank"] == docs.execute(FUSED.format(10)).ids.index(first.id) + 1


def test_where_nothing_makes_it_a_hit_the_reason_is_told(docs: Session) -> None:
    """Point 9 lacks the vector, so no words of the query help."""
    told = docs.execute("WHY NOT 9 QUERY 'apple' FROM docs USING rough WHERE n > 40 LIMIT 3")
    assert told.data["ways"]["found"] == []
    reason = "root: it has no value of the vector rough"
    expected = f"no limit, threshold, filter or number of this query makes it a hit: {reason}"
    assert str(told.message).splitlines()[1] == expected


def test_a_point_that_the_query_names_stays_out(docs: Session) -> None:
    told = docs.execute("WHY NOT 7 QUERY POINT 7 FROM docs USING fine LIMIT 3")
    assert "makes it a hit: root: excluded: named by root" in str(told.message)


def test_stages_of_the_session_are_changed_too(docs: Session) -> None:
    docs.execute("DEFINE near AS (QUERY 'apple river' USING fine LIMIT 5)")
    try:
        text = "FUSION RRF FROM docs PREFETCH (near) LIMIT 400"
        key = docs.execute("QUERY 'apple river' FROM docs USING fine LIMIT 60").ids[50]
        ways = ways_of(docs, text, int(key))
        ((change,),) = told_by(ways)
        assert re.fullmatch(r"LIMIT 5 → 5\d in near", change)
    finally:
        docs.execute("UNDEFINE near")
    assert key in docs.execute(ways["found"][0]["statement"]).ids  # which has the stage in it


def test_a_limit_has_room_for_all_equals() -> None:
    """With less, chance would decide which of the equals are hits."""
    with qql.connect(":memory:", advice=False) as session:
        session.execute("CREATE COLLECTION c (v VECTOR(2, DOT))")
        rows = [{"id": at, "v": [1.0, float(max(0, 4 - at))]} for at in range(20)]
        session.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        for stages in ("", " PREFETCH ((QUERY [1, 1] USING v LIMIT 400))"):
            told = session.execute(f"WHY NOT 15 QUERY [1, 1] FROM c USING v{stages} LIMIT 3").data
            (way,) = told["ways"]["found"]
            assert [change["text"] for change in way["changes"]] == ["LIMIT 3 → 20"] and way["steady"]


def test_of_what_hangs_on_chance_that_is_said() -> None:
    change = WordsChange("LIMIT 5", "LIMIT", 5, None, None, "stage")
    ways = Ways((Way((change,), 4, 5, False, "QUERY …"),), 1, False, ())
    assert ways.lines() == ["made a hit by LIMIT 5 (tried: hit 4 of 5, but chance decides, among equals)"]


def test_a_text_is_embedded_once_however_many_changes_are_tried() -> None:
    calls: list[int] = []

    def embed(texts: Sequence[str]) -> list[list[float]]:
        calls.append(len(texts))
        return [[len(text) % 7 + 1.0, len(text) % 5 + 1.0] for text in texts]

    with qql.connect(":memory:", embedders={"mine": embed}, advice=False) as session:
        session.execute("CREATE COLLECTION c (v VECTOR(2, DOT) MODEL 'mine')")
        rows = [{"id": at, "n": at, "v": [1.0, float(at)]} for at in range(50)]
        session.execute("UPSERT INTO c VALUES :rows", {"rows": rows})
        calls.clear()
        told = session.execute("WHY NOT 3 QUERY 'abc' FROM c USING v WHERE n = 9 AND n != 3 LIMIT 2").data
        assert told["ways"]["tries"] > 1 and len(told["ways"]["found"]) == 1
        assert calls == [1]


def test_what_is_not_tried_is_said() -> None:
    assert Ways((), 40, True, ()).lines() == ["of 40 changed queries that were tried, none makes it a hit"]


def test_a_query_that_nobody_can_change_has_no_ways(docs: Session) -> None:
    (one,) = docs.compile(f"QUERY {[0.1] * 256} FROM docs USING fine LIMIT 1")
    assert one.plan is not None
    found = why(one.plan, one.requests[0], docs.backend.call, 1)
    assert not found.is_hit and found.ways is None


# ------------------------------------------------------------------------------------ WHERE


def test_points_are_found_by_a_filter(docs: Session) -> None:
    text = "QUERY 'apple river' FROM docs USING fine LIMIT 30"
    hits = docs.execute(text).hits
    those = [hit.id for hit in hits if (hit.payload or {})["kind"] == "a"]
    count = docs.execute("COUNT FROM docs WHERE kind = 'a'").rows[0]["count"]
    told = docs.execute(f"WHY NOT WHERE kind = 'a' LIMIT 3 {text}")
    data = told.data
    assert (data["where"], data["matching"], data["hits"]) == ("kind = 'a'", count, len(those))
    nearest = docs.execute("QUERY 'apple river' FROM docs USING fine WHERE kind = 'a' LIMIT 400").ids
    assert [one["id"] for one in data["told"]] == [key for key in nearest if key not in those][:3]
    first, *lines = str(told.message).splitlines()
    assert first == f"{count} points of docs with kind = 'a', of which {len(those)} are hits"
    key = data["told"][0]["id"]
    assert lines[0].startswith(f"point {key} (text {key}) is no hit: with score ")
    assert lines[1].startswith("  made a hit by LIMIT ")
    assert lines[-1] == f"… and {count - len(those) - 3} more; LIMIT behind WHERE says how many are told"
    both = docs.execute(f"WHY WHERE kind = 'a' LIMIT 400 {text}").data["told"]
    assert [one["id"] for one in both[: len(those)]] == those and len(both) == count
    assert [one["outcome"] for one in both].count("hit") == len(those)


def test_a_filter_with_values_that_are_bound(docs: Session) -> None:
    text = "WHY NOT WHERE name = :name QUERY :q FROM docs USING words LIMIT 1"
    told = docs.execute(text, {"name": "text 5", "q": "apple"}).data
    assert (told["matching"], told["where"]) == (1, "name = 'text 5'") and told["told"][0]["id"] == 5


def test_an_empty_list_in_the_filter_is_warned_of(docs: Session) -> None:
    told = docs.execute("WHY NOT WHERE kind IN () QUERY 'apple' FROM docs USING fine LIMIT 1")
    assert [one.code for one in told.warnings] == ["empty-list"] and told.data["matching"] == 0


def test_a_try_that_is_refused_is_no_way(docs: Session) -> None:
    """As by a server in strict mode, which allows no such LIMIT."""
    changed: list[nodes.Query] = []

    def plan(query: nodes.Query) -> tuple[QueryPlan, Request]:
        changed.append(query)
        return rewriting.plan(query)

    def strict(request: Request) -> Any:
        if changed:
            raise QQLExecutionError.make("engine-error", "limit exceeds 10")
        return docs.backend.call(request)

    text = "QUERY 'apple river' FROM docs USING fine LIMIT 10"
    key = docs.execute(text.replace("10", "40")).ids[-1]
    (one,) = docs.compile(text)
    told = docs._introspection(one)
    rewriting = told.rewriting()
    assert one.plan is not None
    found = why(one.plan, told.request, strict, int(key), rewriting=replace(rewriting, plan=plan))
    assert changed and found.ways is not None and found.ways.found == ()
    assert "LIMIT 10 → 40: limit exceeds 10" in found.ways.lines()[0]


def test_a_filter_that_no_point_satisfies(docs: Session) -> None:
    told = docs.execute("WHY NOT WHERE name = 'x' QUERY 'apple' FROM docs USING fine LIMIT 1")
    assert told.message == "no point of docs has name = 'x'" and told.data["told"] == []


@pytest.mark.parametrize(
    "query",
    [
        "QUERY 'apple' FROM docs USING fine GROUP BY n SIZE 2 LIMIT 2",
        "QUERY 'apple' FROM docs USING words LIMIT 4 RERANK MODEL 'local/overlap' TOP 2",
        "QUERY POINTS (1, 2) FROM docs",
        "QUERY SAMPLE FROM docs LIMIT 4",
    ],
)
def test_points_of_every_kind_of_query(docs: Session, query: str) -> None:
    told = docs.execute(f"WHY NOT WHERE id IN (1, 2, 3, 4, 5, 6) LIMIT 2 {query}").data
    hits = told["hits"]
    assert told["matching"] == 6 and len(told["told"]) == min(2, 6 - hits)
    if "SAMPLE" not in query:
        assert hits == len({1, 2, 3, 4, 5, 6} & set(docs.execute(query).ids))
        assert all(one["outcome"] != "hit" for one in told["told"])


def test_limit_belongs_to_where(docs: Session) -> None:
    with pytest.raises(QQLCompileError) as caught:
        docs.execute("WHY NOT 3 LIMIT 2 QUERY 'apple' FROM docs USING fine")
    assert (caught.value.code, caught.value.column) == ("idle-clause", 17)
