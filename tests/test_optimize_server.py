"""OPTIMIZE on a server: it waits for the optimizers, sets them off where they wait, and says what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from grpc_recorder import collection_config, served
from http_recorder import HttpRecorder, Received, Reply, ok, refused
from qdrant_client import grpc as pb

import qql
from qql.backends.client import ClientBackend, optimize
from qql.errors import QQLError, QQLTimeoutError

COLLECTION = ("GET", "/collections/docs")
OPTIMIZATIONS = ("GET", "/collections/docs/optimizations")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch, schema_is_shared: None) -> None:
    monkeypatch.setattr(optimize, "_FIRST_PAUSE", 0.0)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


def info(status: str = "green", *, indexed: int = 0, points: int = 1000, **more: Any) -> dict[str, Any]:
    described = {
        "status": status,
        "optimizer_status": "ok",
        "indexed_vectors_count": indexed,
        "points_count": points,
        "segments_count": 2,
        "config": {
            "params": {"vectors": {"v": {"size": 256, "distance": "Dot"}}, "shard_number": 1},
            "hnsw_config": {"m": 16},
            "optimizer_config": {"indexing_threshold": 10_000},
        },
        "payload_schema": {},
    }
    return described | more


class Server(HttpRecorder):
    """Describes the collection as it is told to, one look after the other; the last answer stays."""

    def __init__(self, *looks: dict[str, Any]) -> None:
        super().__init__({OPTIMIZATIONS: Reply(b"", 404), COLLECTION: self.look})
        self.looks = list(looks)

    def look(self, received: Received) -> Reply:
        return ok(self.looks.pop(0) if len(self.looks) > 1 else self.looks[0])

    @property
    def changes(self) -> list[Any]:
        return [one.body for one in self.received if one.method == "PATCH"]


Optimize = Callable[..., Any]


@pytest.fixture
def run() -> Iterator[Callable[[Server, str], str]]:
    opened: list[Any] = []

    def run_it(server: Server, statement: str = "OPTIMIZE docs") -> str:
        opened.append(qql.connect(server.url))
        return str(opened[-1].execute(statement).message)

    yield run_it
    for one in opened:
        one.close()


def test_it_waits_until_the_collection_is_green(run: Optimize) -> None:
    with Server(info("yellow"), info("yellow", indexed=400), info(indexed=1000)) as server:
        assert run(server) == "optimized docs: 1,000 of 1,000 vectors are indexed"
        assert server.looks == [info(indexed=1000)]
        assert server.changes == []


def test_what_is_green_is_not_touched_and_says_why_vectors_have_no_index(run: Optimize) -> None:
    with Server(info(indexed=0)) as server:
        said = run(server)
        assert said.startswith("docs is already optimal: 0 of 1,000 vectors are indexed; segments below")
        assert "indexing_threshold = 10000 kB" in said
        assert server.changes == []


@pytest.mark.parametrize(
    ("group", "setting", "words"),
    [
        ("hnsw_config", {"m": 0}, "m = 0 builds no graph"),
        ("optimizer_config", {"indexing_threshold": 0}, "indexing_threshold = 0 switches indexing off"),
    ],
)
def test_settings_that_build_no_index_are_named(
    run: Optimize, group: str, setting: dict[str, int], words: str
) -> None:
    described = info(points=10**9)
    described["config"][group] = setting
    with Server(described) as server:
        assert words in run(server)
        assert server.changes == []


@pytest.mark.parametrize(
    "waiting",
    [
        info("grey"),
        info("yellow", optimizer_status={"error": "optimizations pending, awaiting update operation"}),
    ],
)
def test_optimizers_that_wait_are_set_off_once(run: Optimize, waiting: dict[str, Any]) -> None:
    with Server(waiting, waiting, info("yellow"), info(indexed=1000)) as server:
        said = run(server)
        assert said.startswith("optimized docs: 1,000 of 1,000 vectors are indexed")
        assert said.endswith("the optimizers waited, and were set off")
        assert server.changes == [{"optimizers_config": {}}]


def test_a_green_collection_with_far_too_much_unindexed_is_set_off(run: Optimize) -> None:
    with Server(
        info(points=10**6), info("yellow", points=10**6), info(points=10**6, indexed=10**6)
    ) as server:
        assert run(server).startswith("optimized docs: 1,000,000 of 1,000,000 vectors are indexed")
        assert server.changes == [{"optimizers_config": {}}]


def test_a_green_collection_that_stays_as_it_is_does_not_hold_it_up(run: Optimize) -> None:
    with Server(info(points=10**6)) as server:
        assert run(server).startswith("docs is already optimal: 0 of 1,000,000 vectors")
        assert server.changes == [{"optimizers_config": {}}]


def test_updates_that_still_wait_in_the_queue_are_waited_for(run: Optimize) -> None:
    queued, deferred = {"length": 3}, {"length": 0, "deferred_points": 9}
    with Server(info(update_queue=queued), info(update_queue=deferred), info(indexed=1000)) as server:
        assert "1,000 of 1,000" in run(server)
        assert len(server.looks) == 1


def test_optimizations_that_the_server_still_lists_are_waited_for(run: Optimize) -> None:
    listed = [
        {"summary": {"queued_optimizations": 1}, "running": []},
        {"summary": {"queued_optimizations": 0}, "running": [{"optimizer": "indexing"}]},
        {"summary": {"queued_optimizations": 0}, "running": []},
    ]
    with Server(info(indexed=1000)) as server:
        server.answers[OPTIMIZATIONS] = lambda _: ok(listed.pop(0) if len(listed) > 1 else listed[0])
        run(server)
        assert len(listed) == 1


def test_progress_counts_vectors_and_where_the_server_tells_it_the_parts_of_the_work() -> None:
    told: list[tuple[str, str, float | None, int, int | None]] = []

    def progress(what: Any, done: int, total: int | None) -> None:
        told.append((str(what), what.unit, what.share, done, total))

    tree = {
        "name": "all",
        "children": [{"name": "a", "done": 3, "total": 4}, {"name": "b", "done": 0, "total": 4}],
    }
    with Server(info("yellow"), info("yellow", indexed=400), info(indexed=1000)) as server:
        ClientBackend.connect(server.url).optimize("docs", progress)
        server.looks = [info("yellow"), info("yellow"), info(indexed=1000)]
        working = {"summary": {"queued_optimizations": 0}, "running": [{"progress": tree}]}
        answers = [working, {"summary": {}, "running": []}]
        server.answers[OPTIMIZATIONS] = lambda _: ok(answers.pop(0) if len(answers) > 1 else answers[0])
        ClientBackend.connect(server.url).optimize("docs", progress)
    assert told[0] == ("optimizing docs", "vectors", None, 400, 1000)
    assert ("optimizing docs", "s", 3 / 8) in [one[:3] for one in told]


@pytest.mark.parametrize(
    ("state", "words", "hint"),
    [
        (info("red", optimizer_status={"error": "no space left"}), "failed: no space left", None),
        (info("red"), "failed: its status is red", None),
        (info("grey"), "set off, and wait all the same", "log"),
        (
            info("yellow", config=info()["config"] | {"optimizer_config": {"max_optimization_threads": 0}}),
            "switched off (max_optimization_threads = 0)",
            "max_optimization_threads = auto",
        ),
    ],
)
def test_optimizers_that_failed_are_an_error(
    run: Optimize, state: dict[str, Any], words: str, hint: str | None
) -> None:
    with Server(state) as server, pytest.raises(QQLError) as caught:
        run(server)
    assert caught.value.code == "optimize-failed"
    assert words in caught.value.message
    assert hint is None or hint in (caught.value.hint or "")


def test_a_deadline_ends_the_waiting_and_says_that_the_server_goes_on(
    run: Optimize, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(optimize.time, "monotonic", lambda: float(next(clock)))
    with Server(info("yellow", indexed=250)) as server, pytest.raises(QQLTimeoutError) as caught:
        run(server, "OPTIMIZE docs WITH (timeout = 5)")
    assert caught.value.code == "timed-out"
    assert "not optimized within 5 s: 250 of 1,000 vectors" in caught.value.message
    assert "goes on by itself" in (caught.value.hint or "")


def test_ctrl_c_ends_the_waiting_only(run: Optimize, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(optimize.time, "sleep", interrupted)
    with Server(info("yellow")) as server, pytest.raises(KeyboardInterrupt) as caught:
        run(server)
    assert "the server goes on optimizing docs by itself" in caught.value.__notes__[0]


def test_a_look_that_a_busy_server_does_not_answer_is_made_again() -> None:
    lost = Reply(b'{"result": [1', announce=1000)
    answers = [ok(info("yellow")), lost, lost, ok(info(indexed=1000))]
    with HttpRecorder({COLLECTION: lambda _: answers.pop(0)}) as server:
        assert ClientBackend.connect(server.url).optimize("docs").changed
    assert answers == []


def test_a_server_that_is_gone_is_not_waited_for() -> None:
    answers = [ok(info("yellow"))]
    lost = Reply(b'{"result": [1', announce=1000)
    look = {COLLECTION: lambda _: answers.pop(0) if answers else lost}
    with HttpRecorder(look) as server, pytest.raises(QQLError) as caught:
        ClientBackend.connect(server.url).optimize("docs")
    assert caught.value.code == "connection-failed"


@pytest.mark.parametrize("answer", [ok(None), ok([]), ok({"status": 5}), ok({})])
def test_what_is_no_description_of_a_collection_is_an_error(answer: Reply) -> None:
    with HttpRecorder({COLLECTION: answer}) as server, pytest.raises(QQLError) as caught:
        ClientBackend.connect(server.url).optimize("docs")
    assert caught.value.code == "server-error"


def test_a_collection_that_does_not_exist_is_named() -> None:
    missing = refused(404, "Not found: Collection `docs` doesn't exist!")
    with HttpRecorder({COLLECTION: missing}) as server, pytest.raises(QQLError) as caught:
        ClientBackend.connect(server.url).optimize("docs")
    assert caught.value.code == "unknown-collection"


class GrpcCollections(pb.CollectionsServicer):
    def __init__(self) -> None:
        self.statuses = ["Grey", "Grey", "Yellow", "Green"]
        self.updates: list[Any] = []

    def Get(self, request: Any, context: Any) -> Any:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        config = collection_config(4, "Dot")
        described = pb.CollectionInfo(
            status=pb.CollectionStatus.Value(status),
            optimizer_status=pb.OptimizerStatus(ok=True),
            points_count=7,
            indexed_vectors_count=7 if status == "Green" else 0,
            segments_count=1,
            config=config,
        )
        return pb.GetCollectionInfoResponse(result=described)

    def Update(self, request: Any, context: Any) -> Any:
        self.updates.append(request)
        return pb.CollectionOperationResponse(result=True)


def test_over_grpc_it_waits_and_sets_off_the_same() -> None:
    collections = GrpcCollections()
    with served(Collections=collections) as url:
        backend = ClientBackend.connect(url, timeout=10)
        done = backend.optimize("docs")
        backend.close()
    assert done.changed
    assert done.said.startswith("7 of 7 vectors are indexed")
    (update,) = collections.updates
    assert update.HasField("optimizers_config")
    assert not update.optimizers_config.ListFields()
