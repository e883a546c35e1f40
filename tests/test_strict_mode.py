"""Collections in strict mode: what the session asks by itself is asked for in smaller pieces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import qql
from qql.backends.recording import RecordingBackend
from qql.errors import QQLError, QQLExecutionError
from qql.rest.request import Request, collection_path
from qql.rest.strict_mode import STRICT_MODE, Allowed
from qql.session.strict_mode import WithinLimits

ROWS = 47


def limits_of(request: Request) -> list[int]:
    """The sizes of all that a request asks for: of its queries and of their stages."""
    sizes: list[int] = []
    todo: list[Any] = [*(request.body or {}).get("searches", [request.body or {}])]
    while todo:
        one = todo.pop()
        if "limit" in one or request.route[1] != "points/count":
            sizes.append(one.get("limit", 10) * (one.get("group_size", 3) if "group_by" in one else 1))
        todo += one.get("prefetch") or []
    return sizes


class Strict:
    """A server's strict mode in front of the embedded engine, in the words of servers."""

    def __init__(
        self, inner: Any, *, told: bool, hits: int = 10, searches: int = 100, exact: bool = True
    ) -> None:
        self.inner, self.told = inner, told
        self.hits, self.searches, self.exact = hits, searches, exact
        self.refused: list[str] = []
        self.backend = RecordingBackend(inner, self.answer)

    def answer(self, request: Request) -> Any:
        if request.method == "POST" and request.route[1].startswith("points/"):
            refusal = self.refusal(request)
            if refusal is not None:
                self.refused.append(refusal)
                said = f"the server refused the request: Bad request: {refusal}"
                return QQLExecutionError.make("server-refused", said)
        answer = self.inner.call(request)
        if request.route == ("GET", "") and self.told:
            strict = {"enabled": True, "max_query_limit": self.hits, "search_max_batchsize": self.searches}
            strict |= {"search_allow_exact": self.exact}
            answer = {**answer, "config": {**answer["config"], "strict_mode_config": strict}}
        return answer

    def refusal(self, request: Request) -> str | None:
        body = request.body or {}
        if request.route == ("POST", "points"):
            return None
        for size in limits_of(request):
            if request.route[1] != "points/count" and size > self.hits:
                return (
                    f'Limit exceeded {size} > {self.hits} for "limit". '
                    f'Help: Reduce the "limit" parameter to or below {self.hits}.'
                )
        if len(body.get("searches", ())) > self.searches:
            return (
                f'Limit exceeded {len(body["searches"])} > {self.searches} for "search batch size". Help: …'
            )
        if not self.exact and (
            re.search(r"'exact': True", str(body))
            or (request.route[1] == "points/count" and body.get("exact", True))
        ):
            return "Exact search disabled!. Help: Set exact=false."
        return None


@pytest.fixture
def engine() -> Iterator[Any]:
    rows = ", ".join(f"{{id: {n}, n: {n}, v: [{n + 1}, {50 - n}]}}" for n in range(ROWS))
    with qql.connect() as db:
        db.run(f"CREATE COLLECTION docs (v VECTOR(2, DOT)); UPSERT INTO docs VALUES {rows}")
        yield db.backend


Under = Callable[..., tuple[Strict, qql.Session]]


@pytest.fixture(params=[True, False], ids=["described", "found out"])
def under(request: pytest.FixtureRequest, engine: Any) -> Under:
    def make(**limits: Any) -> tuple[Strict, qql.Session]:
        strict = Strict(engine, told=request.param, **limits)
        return strict, qql.connect(strict.backend)

    return make


FUSED = "QUERY FUSION RRF FROM docs PREFETCH (QUERY [1, 0] LIMIT 9, QUERY [2, 1] LIMIT 7) LIMIT 5"


def lines(result: Any) -> str:
    return str(result.message)


def test_a_dump_fetches_smaller_pages_and_writes_the_same(under: Under, engine: Any, tmp_path: Path) -> None:
    strict, db = under(hits=10)
    db.execute(f"DUMP docs TO '{tmp_path / 'strict.qql'}'")
    qql.connect(engine).execute(f"DUMP docs TO '{tmp_path / 'free.qql'}'")
    found = (tmp_path / "strict.qql").read_text(encoding="utf-8")
    points = found.partition("UPSERT")[2]
    assert points == (tmp_path / "free.qql").read_text(encoding="utf-8").partition("UPSERT")[2]
    assert len(strict.refused) == (0 if strict.told else 1)


def test_a_dump_writes_no_more_rows_at_once_than_may_be_written(engine: Any, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        found = engine.call(request)
        if request.route == ("GET", ""):
            strict = {"enabled": True, "upsert_max_batchsize": 20}
            found = {**found, "config": {**found["config"], "strict_mode_config": strict}}
        return found

    db = qql.connect(RecordingBackend(answers=answer))
    db.execute(f"DUMP docs TO '{tmp_path / 'a.qql'}'")
    requests = qql.compile((tmp_path / "a.qql").read_text(encoding="utf-8"))
    sizes = [len((one.body or {})["points"]) for one in requests if one.route == ("PUT", "points")]
    assert sizes == [20, 20, 7]


@pytest.mark.parametrize(
    "statement",
    [
        "WHY 3 QUERY [1, 0] FROM docs LIMIT 5",
        "WHY NOT 3 QUERY [1, 0] FROM docs LIMIT 5",
        f"EXPLAIN ANALYZE {FUSED}",
        f"WHY NOT 3 {FUSED}",
    ],
)
@pytest.mark.parametrize("searches", [1, 100])
def test_why_and_analysis_say_the_same_as_without_limits(
    under: Under, engine: Any, statement: str, searches: int
) -> None:
    def without_times(result: Any) -> str:
        text = re.sub(r"\n\s*QQL \d.*", "", lines(result), flags=re.DOTALL)  # nor what was measured with
        return re.sub(r"[\d.,]+ (ms|µs|s)\b", "", text)

    strict, db = under(hits=10, searches=searches)
    if "LIMIT 9" in statement and "NOT" in statement:
        # What would need a wider stage than is allowed is no way in, so only the verdict is the same.
        def compared(result: Any) -> str:
            return without_times(result).splitlines()[0]
    else:
        compared = without_times
    assert compared(db.execute(statement)) == compared(qql.connect(engine).execute(statement))
    assert all(size <= 10 for one, _ in strict.backend.exchanges for size in limits_of(one))


def test_an_exact_search_that_is_not_allowed_is_said(under: Under) -> None:
    _, db = under(exact=False)
    result = db.execute("WHY NOT 3 QUERY [1, 0] FROM docs LIMIT 5")
    assert "3" in lines(result)
    assert any("allows no exact search" in one.message for one in result.warnings)


def test_a_count_is_approximate_where_it_may_not_be_exact_and_says_so(under: Under) -> None:
    strict, db = under(exact=False)
    result = db.execute("COUNT FROM docs")
    assert result.rows == [{"count": ROWS}]
    assert any("the count is approximate" in one.message for one in result.warnings)
    with pytest.raises(QQLError, match="Exact search disabled"):
        db.execute("COUNT FROM docs PARAMS (exact = true)")
    assert len(strict.refused) == (1 if strict.told else 2)


def test_what_a_write_means_is_counted_exactly_or_not_at_all(under: Under) -> None:
    _, db = under(exact=False)
    result = db.execute("DELETE FROM docs WHERE n < 3", count=True)
    assert result.matched is None
    assert [one.code for one in result.warnings if "exact" in one.message.lower()] == ["not-counted"]


def test_what_is_learnt_is_kept(engine: Any) -> None:
    strict = Strict(engine, told=False)
    db = qql.connect(strict.backend)
    for _ in range(3):
        db.execute("WHY NOT 3 QUERY [1, 0] FROM docs LIMIT 5")
    assert len(strict.refused) == 1


def test_a_refusal_about_something_else_is_raised(engine: Any, tmp_path: Path) -> None:
    refusal = QQLExecutionError.make("server-refused", 'Limit exceeded 9 > 3 for "timeout"')
    backend = RecordingBackend(engine, lambda r: refusal if "scroll" in r.path else engine.call(r))
    with pytest.raises(QQLError) as caught:
        qql.connect(backend).execute(f"DUMP docs TO '{tmp_path / 'a.qql'}'")
    assert caught.value.code == "server-refused"


def test_a_users_own_limit_is_left_to_the_server(under: Under) -> None:
    strict, db = under(hits=10)
    with pytest.raises(QQLError, match="Limit exceeded 20 > 10"):
        db.execute("QUERY [1, 0] FROM docs LIMIT 20")
    assert len(strict.refused) == 1


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ('Limit exceeded 100 > 10 for "limit". Help: …', Allowed(hits=10, points=7)),
        ('Limit exceeded 9 > 3 for "search batch size"', Allowed(searches=3, points=7)),
        ('Limit exceeded 9 > 3 for "batch size"', Allowed(searches=3, points=7)),
        ('Limit exceeded 9 > 3 for "upsert limit"', Allowed(points=3)),
        ("Exact search disabled!", Allowed(exact=False, points=7)),
        ('Limit exceeded 9 > 0 for "limit"', None),
        ('Limit exceeded 3.5 > 2.5 for "oversampling"', None),
        ("it broke", None),
    ],
)
def test_a_refusal_tells_a_limit_beside_those_that_are_known(words: str, allowed: Allowed | None) -> None:
    assert Allowed(points=7).told(words) == allowed


@pytest.mark.parametrize(
    "info",
    [
        None,
        {},
        {"config": None},
        {"config": {"strict_mode_config": None}},
        {"config": {"strict_mode_config": {"enabled": False, "max_query_limit": 3}}},
        {"config": {"strict_mode_config": {"enabled": True, "max_query_limit": 0}}},
    ],
)
def test_whatever_is_not_said_is_allowed(info: Any) -> None:
    assert Allowed.by_settings(info) == Allowed()


@pytest.mark.parametrize(
    "words",
    [
        'Bad request: Limit exceeded 100 > 10 for "limit". Help: Reduce the "limit" parameter.',
        'Forbidden: Index required but not found for "a" of one of the following types: [keyword]',
        "Exact search disabled!. Help: Set exact=false.",
        "Filter condition limit reached (9 > 3). Help: Reduce the amount of conditions of your filter.",
    ],
)
def test_the_words_of_strict_mode_are_known(words: str) -> None:
    assert STRICT_MODE.search(words)


# ------------------------------------------------------------------------------------ request by request

TEN = {"config": {"strict_mode_config": {"enabled": True, "max_query_limit": 10}}}


def asked(
    path: str, body: dict[str, Any], answer: Callable[[Request], Any]
) -> tuple[Any, list[Any], list[str]]:
    """The answer within a limit of ten; the bodies that were sent for it; and what was said."""
    backend = RecordingBackend(answers=answer)
    limits = WithinLimits(backend, lambda collection: TEN)
    found = limits.call(Request("POST", collection_path("docs", *path.split("/")), {}, body))
    return found, [one.body for one in backend.requests], limits.take_notes()


def hits(request: Request) -> Any:
    """Twenty-five points, by pages."""
    found = []
    for one in (request.body or {})["searches"]:
        start = one.get("offset", 0)
        found.append({"points": [{"id": n} for n in range(start, min(25, start + one["limit"]))]})
    return found


def test_a_query_is_fetched_page_by_page_until_there_are_no_more() -> None:
    found, sent, _ = asked("points/query", {"query": [1], "limit": 1000}, hits)
    assert [one["id"] for one in found["points"]] == list(range(25))
    assert [one["searches"][0].get("offset") for one in sent] == [None, 10, 20]


def test_a_page_goes_on_behind_the_offset_of_its_query() -> None:
    found, sent, _ = asked("points/query", {"query": [1], "limit": 12, "offset": 5}, hits)
    assert [one["id"] for one in found["points"]] == list(range(5, 17))
    assert [(one["searches"][0]["offset"], one["searches"][0]["limit"]) for one in sent] == [(5, 10), (15, 2)]


def test_points_that_are_drawn_by_chance_come_in_one_page() -> None:
    found, sent, _ = asked("points/query", {"query": {"sample": "random"}, "limit": 200}, hits)
    assert len(found["points"]) == 10
    assert len(sent) == 1


def test_of_groups_there_are_as_many_as_one_page_has_and_that_is_said() -> None:
    body = {"query": [1], "group_by": "a", "limit": 10_000, "group_size": 3}
    _, sent, notes = asked("points/query/groups", body, lambda request: {"groups": []})
    assert sent == [body | {"limit": 3}]
    assert notes == ["strict mode of docs allows 10 hits: of the groups, the first 3 were looked at"]


def test_a_limit_that_takes_a_thousand_pages_is_an_error_with_a_way_out() -> None:
    endless = {"points": [{"id": 1}] * 10, "next_page_offset": 2}
    with pytest.raises(QQLError) as caught:
        asked("points/scroll", {"limit": 10**6}, lambda request: endless)
    assert caught.value.code == "too-many-pages"
    assert "STRICT_MODE (max_query_limit" in (caught.value.hint or "")
