"""Which port gRPC is spoken at: the one that is given, or the one after REST's where the same server is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from grpc_recorder import GrpcRecorder
from http_recorder import HttpRecorder, Received, Reply, ok, refused

from qql.backends.client import ClientBackend
from qql.errors import QQLConnectionError, QQLError
from qql.rest.request import Request, collection_path

pytestmark = pytest.mark.usefixtures("no_proxy")

COUNT = Request("POST", collection_path("docs", "points", "count"), {}, {})
NAMED = "--grpc-port"


class Neighbours:
    """A REST server, and a gRPC server at the port after it."""

    def __init__(self, stack: ExitStack, **grpc_settings: Any) -> None:
        for _ in range(50):  # the next port may be somebody else's
            self.rest = stack.enter_context(HttpRecorder())
            try:
                self.grpc = stack.enter_context(GrpcRecorder(port=self.rest.port + 1, **grpc_settings))
                break
            except RuntimeError:
                continue
        self.says("1.18.3", ["docs"])

    def says(self, version: str, names: list[str]) -> None:
        """What the REST server says of itself."""
        collections = {"collections": [{"name": name} for name in names]}
        self.rest.answers[("GET", "/")] = Reply({"title": "qdrant", "version": version})
        self.rest.answers[("GET", "/collections")] = ok(collections)

    def connect(self, **options: Any) -> ClientBackend:
        return ClientBackend.connect(self.rest.url, grpc=True, **options)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as held:
        yield held


def caught(backend: ClientBackend) -> QQLError:
    with pytest.raises(QQLError) as info:
        backend.call(COUNT)
    backend.close()
    return info.value


def test_the_port_after_rests_is_used_where_the_same_server_is(stack: ExitStack) -> None:
    both = Neighbours(stack)
    backend = both.connect(api_key="a-key-of-mine")
    assert both.rest.received == [] and both.grpc.times == {}  # nothing is looked at before it is needed
    assert repr(backend) == f"ClientBackend(server, grpc://127.0.0.1:{both.grpc.port})"
    assert backend.call(COUNT) == {"count": 12}
    assert both.grpc.metadata["api-key"] == "a-key-of-mine" == both.rest.last.headers["api-key"]
    looked = len(both.rest.received)
    assert backend.call(COUNT) == {"count": 12}
    assert len(both.rest.received) == looked == 2
    assert backend.take_notes() == []
    backend.close()


@pytest.mark.parametrize(
    ("version", "names", "said"),
    [
        ("1.19.0", ["docs"], "it has version `1.18.3`, and {0} has `1.19.0`"),
        ("1.18.3", ["docs", "mine"], "it lacks the collection `mine` of {0}"),
        ("1.18.3", [], "it has the collection `docs`, which {0} lacks"),
    ],
)
def test_another_server_at_that_port_is_not_spoken_to(
    stack: ExitStack, version: str, names: list[str], said: str
) -> None:
    both = Neighbours(stack)
    both.says(version, names)
    error = caught(both.connect())
    assert (type(error), error.code) == (QQLConnectionError, "grpc-port-unknown")
    assert f"at {both.grpc.port}, the one after that of REST, is another server" in error.message
    assert said.format(both.rest.url) in error.message
    assert NAMED in (error.hint or "") and "grpc://host:PORT" in (error.hint or "")
    assert "Count" not in both.grpc.times


def test_a_collection_that_is_made_between_two_looks_is_no_difference(stack: ExitStack) -> None:
    both = Neighbours(stack)
    earlier = [ok({"collections": []})]
    later = ok({"collections": [{"name": "docs"}]})

    def answer(_: Received) -> Reply:
        return earlier.pop() if earlier else later

    both.rest.answers[("GET", "/collections")] = answer
    backend = both.connect()
    assert backend.call(COUNT) == {"count": 12}
    backend.close()


def test_two_empty_servers_of_one_version_cannot_be_told_apart_which_is_said(stack: ExitStack) -> None:
    both = Neighbours(stack, names=())
    both.says("1.18.3", [])
    backend = both.connect()
    assert backend.call(COUNT) == {"count": 12}
    (note,) = backend.take_notes()
    assert f"taken to be at port {both.grpc.port}" in note and NAMED in note
    backend.close()


def test_nothing_at_the_port_after_rests_says_what_to_type(stack: ExitStack) -> None:
    rest = stack.enter_context(HttpRecorder({("GET", "/"): Reply({"title": "qdrant", "version": "1.18.3"})}))
    error = caught(ClientBackend.connect(rest.url, grpc=True, timeout=5))
    assert (error.code, error.exit_code) == ("grpc-port-unknown", 4)
    assert f"it is not {rest.port + 1}, the one after that of REST" in error.message
    assert NAMED in (error.hint or "")


def test_without_an_answer_over_rest_the_port_is_not_known(stack: ExitStack) -> None:
    both = Neighbours(stack)
    both.rest.answers[("GET", "/")] = refused(500, "no")
    error = caught(both.connect())
    assert error.code == "grpc-port-unknown"
    assert f"{both.rest.url} does not say which server it is: the server failed: no" in error.message
    assert both.grpc.times == {}
    both.rest.answers[("GET", "/")] = refused(401, "Must provide an API key")
    assert caught(both.connect()).code == "not-authorised"


def test_a_port_that_is_given_is_not_looked_at(stack: ExitStack) -> None:
    rest, other = stack.enter_context(HttpRecorder()), stack.enter_context(GrpcRecorder(version="1.12.0"))
    ways: list[dict[str, Any]] = [{"grpc_port": other.port}, {"grpc": True, "grpc_port": other.port}]
    for options in ways:
        backend = ClientBackend.connect(rest.url, **options)
        assert backend.call(COUNT) == {"count": 12}
        backend.close()
    backend = ClientBackend.connect(f"grpc://127.0.0.1:{other.port}", grpc=True)
    assert backend.call(COUNT) == {"count": 12}
    backend.close()
    assert rest.received == []


@pytest.mark.parametrize(
    ("url", "port", "shown"),
    [
        ("http://h:6343", None, "grpc://h:6344"),
        ("https://h", None, "grpcs://h:6334"),
        ("https://h:443/qdrant", 6500, "grpcs://h:6500"),
        ("grpc://h", 6344, "grpc://h:6344"),
        ("grpc://h:6344", 6344, "grpc://h:6344"),
        ("grpcs://[::1]", None, "grpcs://[::1]:6334"),
    ],
)
def test_the_address_that_is_used_is_the_one_shown(url: str, port: int | None, shown: str) -> None:
    assert repr(ClientBackend.connect(url, grpc=True, grpc_port=port)) == f"ClientBackend(server, {shown})"


@pytest.mark.parametrize(
    ("url", "port", "said"),
    [
        ("grpc://h:6334", 6344, "names another port than 6344"),
        ("http://h", 0, "no port has the number 0"),
        ("http://h", 65_536, "no port has the number 65536"),
        ("http://h:65535", None, "no port for gRPC follows"),
    ],
)
def test_ports_that_cannot_be(url: str, port: int | None, said: str) -> None:
    with pytest.raises(QQLConnectionError) as info:
        ClientBackend.connect(url, grpc=True, grpc_port=port)
    assert info.value.code == "invalid-url"
    assert said in info.value.message
