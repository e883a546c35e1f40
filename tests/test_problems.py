"""Faults while typing: what is wrong at the cursor's statement, and what is only not finished."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import pytest
from hypothesis import given, settings
from test_prompt_text import HOSTILE

from qql.cli.prompt.problem import Problem
from qql.cli.prompt.problems import problem_at, statement_at
from qql.cli.prompt.watched import Watched
from qql.compiler.context import make_context
from qql.errors import QQLExecutionError
from qql.schema import Schema, VectorInfo


class Known:
    """A database of which all is known, but of one collection nothing beside its name."""

    def collections(self) -> Sequence[str]:
        return ["docs", "articles"]

    def schema(self, collection: str) -> Schema | None:
        if collection != "docs":
            return None
        vectors = {
            "dense": VectorInfo("dense", "dense", 2, "Cosine", "m"),
            "sparse": VectorInfo("sparse", "sparse"),
        }
        return Schema(vectors, {"year": "integer"})

    def fields(self, collection: str) -> Sequence[str] | None:
        return ["year", "title", "author.name", "tags[].id"] if collection == "docs" else None


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("QUERY 'a' FRM docs", "FRM", "found `FRM`", "did you mean `FROM`?"),
        ("QUERY 'a' FROM docs USING dens ", "dens", "`docs` has no vector `dens`", "did you mean `dense`?"),
        ("QUERY 'a' FROM dcos USING dense ", "dcos", "no collection `dcos`", "did you mean `docs`?"),
        (
            "QUERY 'a' FROM docs USING dense WHERE yaer = 3 ",
            "yaer",
            "no field `yaer`",
            "did you mean `year`?",
        ),
        ("COUNT FROM docs WHERE author.nmae = 3;", "author.nmae", "no field", "did you mean `author.name`?"),
        ("COUNT FROM docs WHERE a BETWEEN 5 AND 1;", "5 AND 1", "its ends are reversed", "BETWEEN 1 AND 5"),
        ("QUERY 'a';", "QUERY 'a'", "no collection is named", "add FROM collection"),
        ("SCROLL FROM docs LIMIT;", ";", "expected a number, found `;`", None),
        ("SCROLL FROM docs LIMIT ) ", ")", "found `)`", None),
        ("SHOW COLLEC ", "COLLEC", "`COLLEC`", "did you mean `COLLECTION`?"),
        ("COUNT FROM # docs", "#", "unexpected character", "a comment begins with `--`"),
        ("QUERY 'a' FROM docs USING dense PARAMS (hnsw_eff = 3) ", "hnsw_eff", "no option", "`hnsw_ef`"),
        ("QUERY 'a' FROM docs PREFETCH (dnse) FUSION RRF ", "dnse", "no stage `dnse`", "WITH dnse AS"),
        ("QUERY 'a' FROM docs LIMIT :n;", ":n", "no value for the parameter :n", r"\set"),
    ],
)
def test_a_fault_has_its_place_and_its_hint(text: str, place: str, message: str, hint: str | None) -> None:
    found = problem_at(text, len(text), Known())
    assert found is not None
    assert text[found.start : found.end].startswith(place)
    assert message in found.message
    assert found.hint is None if hint is None else hint in (found.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "QUERY",
        "QUERY 'a",
        "QUERY 'a'",
        "QUERY 'a' FROM",
        "QUERY 'a' FRO",  # a word that is being typed
        "QUERY 'a' FROM dcos",
        "QUERY 'a' FROM docs USING dens",
        "QUERY 'a' FROM docs LIMIT",
        "QUERY 'a' FROM docs PARAMS (hnsw_ef = ",
        "WITH a AS (QUERY 'x'",
        "UPSERT INTO docs VALUES {id: 1, ",
        "COUNT FROM docs /* not",
        "COUNT FROM docs WHERE author = 3;",  # above a field that there is
        "COUNT FROM docs WHERE nothing_like_it = 3;",  # fields may be rare
        "COUNT FROM articles WHERE yaer = 1;",
        "COUNT FROM elsewhere;",  # nothing is near
        "CREATE COLLECTION doc (v VECTOR(2, DOT));",
        "DROP COLLECTION IF EXISTS doks_of_old;",
        "QUERY 'a' FROM docs USING dense LIMIT 3;",
        "QUERY [0.1, 0.2] FROM docs USING dense LIMIT 3;",
        "\\d dcos",
        "help frm",
    ],
)
def test_what_is_not_finished_or_not_certain_is_no_fault(text: str) -> None:
    assert problem_at(text, len(text), Known()) is None


def test_only_the_statement_at_the_cursor_is_looked_at() -> None:
    text = "COUNT FROM docs; QUERY 'a' FRM docs; COUNT FROM docs;"
    assert problem_at(text, len(text), Known()) is None
    found = problem_at(text, text.index("docs; COUNT") + 2, Known())
    assert found is not None and text[found.start : found.end] == "FRM"


def test_a_word_that_is_left_is_no_longer_being_typed() -> None:
    text = "QUERY 'a' FRM docs"
    at = text.index("FRM")
    assert [problem_at(text, cursor) is None for cursor in (at - 1, at, at + 3, at + 4)] == [
        False,
        True,
        True,
        False,
    ]


def test_statements_before_may_make_what_one_needs() -> None:
    text = "CREATE COLLECTION dcos (v VECTOR(2, DOT)); COUNT FROM dcos; "
    assert problem_at(text, len(text), Known()) is None


def test_what_use_and_define_have_set_and_parameters_count() -> None:
    context = make_context("docs", {"wide": "QUERY 'a' USING dense LIMIT 100"})
    text = "QUERY 'a' USING dense PREFETCH (wide) LIMIT :n;"
    assert problem_at(text, len(text), Known(), context, {"n": 3, "other": 1}) is None
    assert problem_at(text, len(text), Known()) is not None


def test_nothing_is_asked_of_what_the_context_would_ask() -> None:
    def asked(*_: object) -> None:
        raise AssertionError("the engine is asked")

    context = make_context("docs", schema=asked)
    context.collections = asked  # type: ignore[assignment]
    assert problem_at("COUNT WHERE a = 1;", 18, None, context) is None


@pytest.mark.parametrize(
    ("text", "cursor", "found"),
    [
        ("A; B; C", 0, "A;"),
        ("A; B; C", 2, "A;"),
        ("A; B; C", 3, "B;"),
        ("A; B; C", 7, "C"),
        ("A;", 2, "A;"),
        ("A ';' -- ;\n B; C", 3, "A ';' -- ;\n B;"),
        ("BATCH { A; B; }; C", 10, "BATCH { A; B; };"),
        ("A '; B", 5, "A '; B"),
        ("  # ;", 3, "# ;"),
    ],
)
def test_the_statement_at_the_cursor(text: str, cursor: int, found: str) -> None:
    start, end = statement_at(text, cursor)
    assert text[start:end] == found


@given(HOSTILE)
@settings(max_examples=50)
def test_whatever_is_typed_nothing_is_raised_and_places_lie_in_the_text(text: str) -> None:
    for cursor in {0, len(text) // 2, len(text)}:
        found = problem_at(text, cursor, Known())
        assert found is None or 0 <= found.start < found.end <= len(text)


# ------------------------------------------------------------------------------------ while it is typed


def test_a_text_is_looked_at_once_and_not_before_all_is_loaded() -> None:
    looks: list[str] = []
    loaded = Event()

    def look(text: str, cursor: int) -> Problem | None:
        looks.append(text)
        return Problem(0, 1, "wrong")

    watched = Watched(look, loaded.set)
    assert watched.problem("COUNT", 5) is None and not looks
    watched.load()
    watched.load()
    assert loaded.wait(60)
    looks.clear()
    for _ in range(3):
        assert watched.problem("COUNT", 5) == Problem(0, 1, "wrong")
    assert looks == ["COUNT"]
    watched.forget()
    watched.problem("COUNT", 5)
    assert watched.problem(" ", 1) is None
    assert looks == ["COUNT"] * 2


def test_a_long_text_is_looked_at_aside() -> None:
    go_on, shown = Event(), Event()

    def look(text: str, cursor: int) -> Problem | None:
        if len(text) > 1000:
            assert go_on.wait(60)
        return Problem(0, len(text), "wrong")

    watched = Watched(look, shown.set)
    watched.load()
    assert shown.wait(60)
    shown.clear()
    first, then = "a" * 2000, "a" * 2001
    assert watched.problem(first, 0) is None
    assert watched.problem(then, 0) is None, "no key waits for it"
    go_on.set()
    assert shown.wait(60)
    assert watched.problem(then, 0) == Problem(0, 2001, "wrong")


def test_a_fault_of_the_look_itself_stops_nobody() -> None:
    shown = Event()

    def look(text: str, cursor: int) -> Problem | None:
        raise ZeroDivisionError

    watched = Watched(look, shown.set)
    watched.load()
    assert shown.wait(60)
    assert watched.problem("COUNT", 5) is None


def test_what_an_editor_had_to_say_stays_until_the_text_is_another() -> None:
    watched = Watched(lambda text, cursor: None, lambda: None)
    watched.say("COUNT", QQLExecutionError.make("no-editor", "there is none", hint="EDITOR names one"))
    assert watched.problem("COUNT", 1) == Problem(0, 0, "there is none", "EDITOR names one")
    assert watched.problem("COUNT ", 1) is None
    assert watched.problem("COUNT", 1) is None
