"""A small gRPC server in the process: it says which server it is, and answers when a test lets it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import grpc
from qdrant_client import grpc as pb


class GrpcRecorder:
    """Use as a context manager. ``answering`` holds back the answers to COUNT and to what defines and builds.

    ``refusal`` is what all calls are answered, where there is one.
    ``times`` are the seconds that each call had, by the name of its method (None: no end).
    """

    def __init__(self, version: str = "1.18.3", names: tuple[str, ...] = ("docs",), port: int = 0) -> None:
        self.version, self.names = version, names
        self.answering = Event()
        self.answering.set()
        self.times: dict[str, float | None] = {}
        self.metadata: dict[str, str] = {}
        self.refusal: tuple[grpc.StatusCode, str] | None = None
        self._pool = ThreadPoolExecutor(4)
        # Without it, Linux lets two servers have one port, and shares the connections out.
        self._server = grpc.server(self._pool, options=[("grpc.so_reuseport", 0)])
        for add in (self._root, self._collections, self._points, self._snapshots):
            add()
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")

    def __enter__(self) -> GrpcRecorder:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answering.set()
        self._server.stop(None).wait()
        self._pool.shutdown()

    def _hear(self, name: str, context: Any) -> None:
        left = context.time_remaining()
        self.times[name] = left if left is None or left < 1e6 else None
        self.metadata = dict(context.invocation_metadata())
        if self.refusal:
            context.abort(*self.refusal)

    def _root(self) -> None:
        recorder = self

        class Root(pb.QdrantServicer):
            def HealthCheck(self, request: Any, context: Any) -> Any:
                recorder._hear("HealthCheck", context)
                return pb.HealthCheckReply(title="qdrant", version=recorder.version)

        pb.add_QdrantServicer_to_server(Root(), self._server)

    def _collections(self) -> None:
        recorder = self

        class Collections(pb.CollectionsServicer):
            def List(self, request: Any, context: Any) -> Any:
                recorder._hear("List", context)
                names = [pb.CollectionDescription(name=name) for name in recorder.names]
                return pb.ListCollectionsResponse(collections=names)

            def Create(self, request: Any, context: Any) -> Any:
                recorder._hear("Create", context)
                recorder.answering.wait(30)
                return pb.CollectionOperationResponse(result=True)

        pb.add_CollectionsServicer_to_server(Collections(), self._server)

    def _points(self) -> None:
        recorder = self

        class Points(pb.PointsServicer):
            def Count(self, request: Any, context: Any) -> Any:
                recorder._hear("Count", context)
                recorder.answering.wait(30)
                return pb.CountResponse(result=pb.CountResult(count=12))

            def CreateFieldIndex(self, request: Any, context: Any) -> Any:
                recorder._hear("CreateFieldIndex", context)
                recorder.answering.wait(30)
                return pb.PointsOperationResponse(result=pb.UpdateResult(status=pb.UpdateStatus.Completed))

            def Upsert(self, request: Any, context: Any) -> Any:
                recorder._hear("Upsert", context)
                return pb.PointsOperationResponse(result=pb.UpdateResult(status=pb.UpdateStatus.Completed))

        pb.add_PointsServicer_to_server(Points(), self._server)

    def _snapshots(self) -> None:
        recorder = self

        class Snapshots(pb.SnapshotsServicer):
            def Create(self, request: Any, context: Any) -> Any:
                recorder._hear("CreateSnapshot", context)
                return pb.CreateSnapshotResponse(
                    snapshot_description=pb.SnapshotDescription(name="a.snapshot")
                )

        pb.add_SnapshotsServicer_to_server(Snapshots(), self._server)


@contextmanager
def served(*handlers: grpc.GenericRpcHandler, **servicers: object) -> Iterator[str]:
    """The address at which handlers answer, and servicers by the names of their services (``Points=…``)."""
    pool = ThreadPoolExecutor(2)
    server = grpc.server(pool, handlers=handlers)
    for name, one in servicers.items():
        getattr(pb, f"add_{name}Servicer_to_server")(one, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
        pool.shutdown()


def collection_config(size: int, distance: str) -> pb.CollectionConfig:
    """How a server describes a collection with one unnamed vector."""
    vectors = pb.VectorsConfig(params=pb.VectorParams(size=size, distance=pb.Distance.Value(distance)))
    return pb.CollectionConfig(
        params=pb.CollectionParams(vectors_config=vectors, shard_number=1, on_disk_payload=True),
        hnsw_config=pb.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=1),
        optimizer_config=pb.OptimizersConfigDiff(default_segment_number=0, flush_interval_sec=5),
        wal_config=pb.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
    )
