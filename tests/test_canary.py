"""A key of a canary, given in every way there is: nothing that comes out of QQL may hold it.

Each test also sees to it that the key arrives, or else it would find nothing for want of a key.
"""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_recorder import GrpcRecorder
from http_recorder import Answer, HttpRecorder, Reply, ok, refused
from qdrant_client import QdrantClient

import qql
from qql.backends.client import ClientBackend
from qql.cli import main
from qql.errors import Diagnostic, QQLError
from qql.rest.addresses import public_url
from qql.rest.request import Request

KEY = "c4nary-K3y-of+QQL"
COUNT = "COUNT FROM docs"
INFO = {
    "status": "green",
    "points_count": 1,
    "config": {
        "params": {"vectors": {"size": 2, "distance": "Dot"}},
        "hnsw_config": {},
        "optimizer_config": {},
    },
    "payload_schema": {},
}
HIT = {"id": 1, "version": 1, "score": 0.5, "payload": {"title": "a"}}
POINTS = {"points": [{"id": 1, "payload": {"title": "a"}, "vector": [0.5, 1.0]}], "next_page_offset": None}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, schema_is_shared: None, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("QDRANT_URL", "QDRANT_API_KEY", "QQL_DB", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    monkeypatch.setenv("QQL_HISTORY", "")
    monkeypatch.setenv("QQL_DEBUG", "1")
    caplog.set_level(logging.DEBUG)


@pytest.fixture
def server() -> Iterator[HttpRecorder]:
    answers: dict[tuple[str, str], Answer] = {
        ("GET", "/collections"): ok({"collections": [{"name": "docs"}]}),
        ("GET", "/collections/docs"): ok(INFO),
        ("GET", "/"): Reply({"title": "qdrant", "version": "1.19.0"}),
        ("POST", "/collections/docs/points/count"): ok({"count": 1}),
        ("POST", "/collections/docs/points/scroll"): ok(POINTS),
        ("POST", "/collections/docs/points/query"): ok({"points": [HIT]}),
    }
    with HttpRecorder(answers) as recorder:
        yield recorder


class Ways:
    """How the command line is given the key."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch, self._folder = monkeypatch, folder

    def give(self, way: str, name: str, variable: str) -> tuple[list[str], str]:
        """Arguments and standard input for a key of this name."""
        match way:
            case "option":
                return [f"--{name}", KEY], ""
            case "file":
                (self._folder / "key").write_text(KEY + "\n")
                return [f"--{name}-file", str(self._folder / "key")], ""
            case "stdin":
                return [f"--{name}", "-"], KEY + "\n"
        self._monkeypatch.setenv(variable, KEY)
        return [], ""


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ways:
    return Ways(monkeypatch, tmp_path)


WAYS = pytest.mark.parametrize("way", ["option", "file", "stdin", "environment"])


class Screen:
    """Runs the command line, and keeps all that it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch
        self.text = ""

    def run(self, *argv: str, stdin: str = "") -> int:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(list(argv))
        self.text += "".join(self._capsys.readouterr())
        return code


@pytest.fixture
def screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Screen:
    return Screen(capsys, monkeypatch)


REFUSALS = [
    refused(400, f"you sent {KEY}"),
    refused(401, f"{KEY} is no key"),
    refused(429, KEY, Retry_After="0"),
    refused(500, KEY),
    Reply(f"<html>{KEY}".encode(), 502),
    Reply(f"<html>{KEY}".encode(), 200),
    Reply({"echo": KEY}),
    Reply(b"", 302, {"Location": f"https://u:{KEY}@elsewhere/?k={KEY}"}),
    Reply(b'{"result": [1', 200, {"X-Echo": KEY}, announce=1000),
    Reply(KEY.encode(), 200, {"Content-Encoding": "gzip"}),
]


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged, at the level DEBUG, but for the headers of answers: they are the server's."""
    return "\n".join(one for one in caplog.messages if not one.startswith("receive_response_headers"))


# --- the command line -------------------------------------------------------------------------------------


@WAYS
def test_no_output_of_the_command_line_holds_the_key(
    server: HttpRecorder,
    ways: Ways,
    screen: Screen,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    given, stdin = ways.give(way, "api-key", "QDRANT_API_KEY")
    target = ("--url", server.url, *given)
    dump = tmp_path / "out" / "docs.qql"
    dump.parent.mkdir()
    statements = (
        "SHOW COLLECTIONS",
        "EXPLAIN QUERY [0.5, 1] FROM docs LIMIT 1",
        "EXPLAIN (FORMAT JSON) QUERY [0.5, 1] FROM docs LIMIT 1",
        f"DUMP COLLECTION docs TO '{dump}'",
        COUNT,
    )
    for statement, style in zip(statements, ("json", "table", "vertical", "csv", "jsonl"), strict=True):
        result = str(tmp_path / "out" / style)
        screen.run("-c", statement, *target, "--format", style, "-o", result, stdin=stdin)
    screen.run("-c", "SHOW COLLECTIONS", *target, stdin=stdin)
    for refusal in REFUSALS:
        server.answers[("POST", "/collections/docs/points/count")] = refusal
        assert screen.run("-c", COUNT, *target, stdin=stdin) in (1, 4)
    screen.run("explain", "-c", COUNT, *target, stdin=stdin)
    screen.run("lint", "-c", COUNT, *target, stdin=stdin) if way != "stdin" else None
    assert {one.headers.get("api-key") for one in server.received} == {KEY}
    assert "***" in screen.text and "docs" in screen.text and caplog.messages
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written
    for text in (screen.text, logged(caplog), *(path.read_text() for path in written)):
        assert KEY not in text


@WAYS
@pytest.mark.parametrize("what", ["embed", "rerank"])
def test_no_output_holds_the_key_of_a_model(
    server: HttpRecorder, ways: Ways, screen: Screen, caplog: pytest.LogCaptureFixture, way: str, what: str
) -> None:
    variable = {"embed": "QQL_EMBEDDINGS_API_KEY", "rerank": "QQL_RERANK_API_KEY"}[what]
    given, stdin = ways.give(way, f"{what}-key", variable)
    path = {"embed": "/v1/embeddings", "rerank": "/v1/rerank"}[what]
    text = {
        "embed": "QUERY TEXT 'a' MODEL 'openai/m' FROM docs LIMIT 1",
        "rerank": "QUERY [0.5, 1] FROM docs LIMIT 1 RERANK 'a' MODEL 'jina/m' ON title",
    }[what]
    with HttpRecorder() as models:
        for status in (400, 401):
            models.otherwise = refused(status, f"you sent {KEY}")
            address = f"{models.url}/v1"
            code = screen.run("-c", text, "--url", server.url, f"--{what}-url", address, *given, stdin=stdin)
            assert code == 1, screen.text
            assert models.last.path == path
            assert models.last.headers["authorization"] == f"Bearer {KEY}"
    assert "***" in screen.text
    assert KEY not in screen.text + logged(caplog)


@pytest.mark.parametrize(
    "url",
    [
        f"http://u:{KEY}@host:6333",
        f"http://{KEY}@host",
        f"u:{KEY}@host:6333",
        f"grpc://u:{KEY}@host",
        f"ftp://u:{KEY}@host",
        f"http://host?api-key={KEY}",
        f"http://host/#{KEY}",
        f"http://u:a@b{KEY}@host",
        f"http://u:{KEY}/x@host",
        f"http://u:{KEY}?x@host",
        f"http://u:{KEY}#x@host:nine",
        f"https://host?k=a@{KEY}",
    ],
)
def test_the_user_part_of_an_address_is_masked_wherever_it_is_given(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    pipeline = tmp_path / "a.qql"
    pipeline.write_text("QUERY [0.5, 1] FROM docs LIMIT 1")
    assert screen.run("-c", COUNT, "--url", url) == 4
    screen.run("-c", COUNT, "--db", url)
    screen.run("diff", str(pipeline), "--url-b", url)
    monkeypatch.setenv("QDRANT_URL", url)
    assert screen.run("-c", COUNT) == 4
    with pytest.raises(QQLError) as info:
        qql.connect(url)
    request = Request("GET", "/collections")
    for write in (request.curl, request.python):
        with pytest.raises(QQLError) as refused_:
            write(url)
        screen.text += str(refused_.value)
    screen.text += str(info.value) + public_url(url)
    assert screen.text.count("error[") >= 4
    assert KEY not in screen.text and KEY not in "".join(held(info.value))
    assert list(tmp_path.iterdir()) == [pipeline]  # none of them was taken for a directory


# --- errors, in Python ------------------------------------------------------------------------------------


def held(error: BaseException) -> Iterator[str]:
    """All that an error says and holds: texts, attributes, causes and contexts, their requests."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or one is None:
            continue
        seen.add(id(one))
        yield f"{one!s} {one!r}"
        if isinstance(one, BaseException):
            waiting += [one.__cause__, one.__context__, *one.args, *getattr(one, "__notes__", ())]
        waiting += list(vars(one).values()) if hasattr(one, "__dict__") else []
        waiting += [
            value
            for name in ("request", "response", "headers", "doc", "object")
            if (value := attribute(one, name)) is not None
        ]


def attribute(one: object, name: str) -> Any:
    try:
        value = getattr(one, name, None)
    except RuntimeError:  # httpx: it was not set
        return None
    return str(dict(value)) if name == "headers" and value is not None else value


def frames(error: BaseException) -> str:
    """The traceback, with the values of all local variables but those of this file."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    waiting: list[traceback.TracebackException | None] = [whole]
    lines = []
    while waiting:
        one = waiting.pop()
        if one is None:
            continue
        waiting += [one.__cause__, one.__context__]
        lines += [str(frame.locals) for frame in one.stack if frame.filename != __file__]
    assert lines
    return "\n".join(lines)


def backends(url: str) -> Iterator[ClientBackend]:
    """A backend for each way of giving a key in Python."""
    yield ClientBackend.connect(url, api_key=KEY, timeout=5)
    yield ClientBackend.connect(url, headers={"api-key": KEY}, timeout=5)
    yield ClientBackend.connect(url, headers={"Authorization": f"Bearer {KEY}"}, timeout=5)
    if url.startswith("http"):
        yield ClientBackend(QdrantClient(url, headers={"api-key": KEY}, check_compatibility=False))


def sent(headers: dict[str, str]) -> bool:
    return KEY in (headers.get("api-key"), headers.get("authorization", "").removeprefix("Bearer "))


def test_no_error_over_rest_holds_the_key(server: HttpRecorder, caplog: pytest.LogCaptureFixture) -> None:
    for refusal in REFUSALS:
        server.otherwise = refusal
        server.answers.clear()
        for backend in backends(server.url):
            with qql.connect(backend) as session, pytest.raises(QQLError) as info:
                session.execute(COUNT)
            assert sent(server.last.headers)
            assert KEY not in "".join(held(info.value)), refusal
            assert KEY not in repr(session) + repr(backend) + repr(vars(backend))
    assert KEY not in logged(caplog)


def test_no_local_variable_in_a_traceback_holds_the_key(server: HttpRecorder) -> None:
    with HttpRecorder() as gone:
        unreachable = gone.url
    server.answers.clear()
    server.otherwise = refused(400, "bad")
    for url in (server.url, unreachable):
        for backend in backends(url):
            with qql.connect(backend) as session, pytest.raises(QQLError) as info:
                session.execute(COUNT)
            assert KEY not in frames(info.value)
            assert KEY not in "".join(held(info.value))


def test_no_error_over_grpc_holds_the_key(caplog: pytest.LogCaptureFixture) -> None:
    with GrpcRecorder() as server:
        url = f"grpc://127.0.0.1:{server.port}"
        for code in (
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.UNAUTHENTICATED,
            grpc.StatusCode.INTERNAL,
        ):
            server.refusal = (code, f"you sent {KEY}")
            for backend in backends(url):
                with qql.connect(backend, advice=False) as session, pytest.raises(QQLError) as info:
                    session.backend.call(Request("POST", "/collections/docs/points/count", {}, {}))
                assert sent(server.metadata)
                assert "***" in str(info.value)
                assert KEY not in "".join(held(info.value))
                assert KEY not in frames(info.value).replace(f"you sent {KEY}", "")
    assert KEY not in logged(caplog)


def test_no_error_of_a_model_holds_its_key(server: HttpRecorder) -> None:
    with HttpRecorder() as gone:
        unreachable = gone.url
    with HttpRecorder() as models:
        for url in (models.url, unreachable):
            for refusal in (refused(400, KEY), Reply({"echo": KEY}), Reply(KEY.encode())):
                models.otherwise = refusal
                session = qql.connect(server.url, embed_url=f"{url}/v1", embed_key=KEY)
                with session, pytest.raises(QQLError) as info:
                    session.execute("QUERY TEXT 'a' MODEL 'openai/m' FROM docs LIMIT 1")
                assert KEY not in "".join(held(info.value)), refusal
                assert KEY not in repr(vars(session.embedders).keys()) + str(info.value)
        assert models.last.headers["authorization"] == f"Bearer {KEY}"


def test_a_key_that_cannot_be_sent_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    ways: list[dict[str, Any]] = [{"api_key": f"{KEY}\n"}, {"headers": {"X-Token": f"{KEY}\u2019"}}]
    for options in ways:
        with pytest.raises(QQLError) as info:
            ClientBackend.connect("https://host", **options)
        assert info.value.code == "invalid-header"
        assert KEY not in "".join(held(info.value))


@pytest.mark.parametrize("filler", ["", " " * 400])
def test_no_error_about_a_statement_shows_the_keys_in_it(server: HttpRecorder, filler: str) -> None:
    address = f"https://u:{KEY}@host/a.snapshot"
    restore = f"RESTORE SNAPSHOT '{address}'{filler} ON docs WITH (api_key = '{KEY}')"
    server.otherwise = refused(400, f"cannot download {address}")
    with qql.connect(server.url) as session:
        for text, code in ((restore, "server-refused"), (f"{restore} NONSENSE", "syntax")):
            with pytest.raises(QQLError) as info:
                session.execute(text)
            assert info.value.code == code, str(info.value)
            assert KEY not in str(info.value)
    assert server.received[-1].body["api_key"] == KEY


def test_a_masked_line_keeps_its_caret_in_place() -> None:
    with pytest.raises(QQLError) as info:
        qql.compile(f"RESTORE SNAPSHOT 'https://u:{KEY}@h/a' NONSENSE")
    line, caret = str(info.value).splitlines()[3:5]
    assert line.index("NONSENSE") == caret.index("^")
    assert f"https://{'*' * len('u:' + KEY)}@h/a" in line


@pytest.mark.parametrize("text", ["see http://host:6333/a@b", "mail me@host", "https://host/x", "a@b://c"])
def test_what_is_no_password_is_left_alone(text: str) -> None:
    assert Diagnostic("code", text, hint=text).message == text


# --- what is said of a key that others can read -----------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("http://db.example", {"api_key": KEY}, "the API key travels unencrypted to http://db.example:6333"),
        ("grpc://db.example", {"api_key": KEY}, "the API key travels unencrypted to grpc://db.example:6334"),
        ("http://db.example", {"headers": {"X-Auth": KEY}}, "the header `X-Auth` travels unencrypted"),
        ("http://db.example", {"headers": {"X-Team": "search"}}, None),
        ("http://db.example", {}, None),
        ("https://db.example", {"api_key": KEY}, None),
        ("grpcs://db.example", {"api_key": KEY}, None),
        ("http://127.0.0.1", {"api_key": KEY}, None),
        ("http://localhost", {"api_key": KEY}, None),
        ("http://[::1]", {"api_key": KEY}, None),
    ],
)
def test_a_key_in_the_clear_is_warned_of(url: str, options: dict[str, Any], said: str | None) -> None:
    notes = ClientBackend.connect(url, **options).take_notes()
    if said is None:
        assert notes == []
    else:
        (note,) = notes
        assert said in note and KEY not in note


@pytest.mark.parametrize(
    ("url", "key", "warned"),
    [
        ("http://models.example/v1", KEY, True),
        (f"http://u:{KEY}@models.example/v1", None, True),
        ("http://models.example/v1", None, False),
        ("https://models.example/v1", KEY, False),
        ("http://localhost:11434/v1", KEY, False),
    ],
)
def test_the_key_of_a_model_in_the_clear_is_warned_of_once(url: str, key: str | None, warned: bool) -> None:
    with qql.connect(embed_url=url, embed_key=key, rerank_url=url, rerank_key=key) as session:
        session.execute("CREATE COLLECTION docs VECTOR(2, DOT)")
        session.embedders.get("openai/m")
        session.rerankers.get("jina/r")
        first, second = ([one.message for one in session.execute(COUNT).warnings] for _ in range(2))
    whose = ("model `m`", "reranker `r`") if warned else ()
    assert first == [
        f"the key of {one} travels unencrypted to http://models.example/v1: it names no TLS" for one in whose
    ]
    assert second == []
