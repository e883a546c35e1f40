"""A server that answers at once, in a process of its own: what is counted is what a client does.

It takes whatever comes. Over REST every query gets the same ten hits.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["stub"]


def _info(size: int) -> bytes:
    """What SHOW COLLECTION is told: one vector of this size without a name; 0: those of README's query."""
    params: dict[str, Any] = {"vectors": {"size": size, "distance": "Cosine"}}
    if not size:
        params = {"vectors": {"dense": {"size": 384, "distance": "Cosine"}}, "sparse_vectors": {"sparse": {}}}
    fields = {"priority": {"data_type": "keyword", "points": 1000}}
    config = {"params": params}
    return _answer({"status": "green", "points_count": 1000, "config": config, "payload_schema": fields})


def _answer(result: object) -> bytes:
    return json.dumps({"result": result, "status": "ok", "time": 0.0001}).encode()


def _hits() -> bytes:
    text = "the quick brown fox jumps over the lazy dog"
    hits = [
        {
            "id": n,
            "version": n,
            "score": 1 / (n + 2),
            "payload": {"text": f"row {n}: {text}", "priority": "high", "year": 2000 + n},
        }
        for n in range(10)
    ]
    return _answer({"points": hits})


def serve(size: int) -> None:
    """Answers over REST and gRPC on two free ports, which are printed, until its input is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers = {
        b"GET / ": b'{"title": "qdrant", "version": "1.19.0"}',
        b"GET /collections/docs ": _info(size),
        b"POST /collections/docs/points/query": _hits(),
        b"": _answer({"operation_id": 1, "status": "completed"}),
    }
    threading.Thread(target=_accept, args=(listener, answers), daemon=True).start()
    server, port = _grpc_server(size)
    print(listener.getsockname()[1], port, flush=True)
    sys.stdin.read()
    server.stop(None)


def _accept(listener: socket.socket, answers: dict[bytes, bytes]) -> None:
    while True:
        taken, _ = listener.accept()
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_converse, args=(taken, answers), daemon=True).start()


def _converse(taken: socket.socket, answers: dict[bytes, bytes]) -> None:
    """Reads requests from one connection, and answers each when its body is there."""
    with suppress(ConnectionError), taken, taken.makefile("rb", 1 << 20) as source:
        while first := source.readline():
            length = 0
            while (line := source.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            while length:
                length -= len(source.read(min(length, 1 << 20)))
            body = next(body for start, body in answers.items() if first.startswith(start))
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            taken.sendall(head % len(body) + body)


def _grpc_server(size: int) -> tuple[Any, int]:
    """A server that does not even parse what it gets."""
    import grpc
    from qdrant_client import grpc as pb

    vectors = pb.VectorsConfig(params=pb.VectorParams(size=size, distance=pb.Distance.Cosine))
    config = pb.CollectionConfig(
        params=pb.CollectionParams(vectors_config=vectors, shard_number=1, on_disk_payload=True),
        hnsw_config=pb.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=1),
        optimizer_config=pb.OptimizersConfigDiff(default_segment_number=0, flush_interval_sec=5),
        wal_config=pb.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
    )
    green, well = pb.CollectionStatus.Green, pb.OptimizerStatus(ok=True)
    info = pb.CollectionInfo(status=green, optimizer_status=well, segments_count=1, config=config)
    done = pb.UpdateResult(operation_id=1, status=pb.UpdateStatus.Completed)
    answers = {
        "/qdrant.Points/Upsert": pb.PointsOperationResponse(result=done),
        "/qdrant.Collections/Get": pb.GetCollectionInfoResponse(result=info),
        "/qdrant.Qdrant/HealthCheck": pb.HealthCheckReply(title="qdrant", version="1.19.0"),
    }
    encoded = {route: answer.SerializeToString() for route, answer in answers.items()}

    class Handler(grpc.GenericRpcHandler):
        def service(self, call: Any) -> Any:
            answer = encoded.get(call.method)
            return None if answer is None else grpc.unary_unary_rpc_method_handler(lambda *_: answer)

    limit = ("grpc.max_receive_message_length", -1)
    server = grpc.server(ThreadPoolExecutor(4), handlers=(Handler(),), options=[limit])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


@contextmanager
def stub(size: int) -> Iterator[tuple[int, int]]:
    """The ports for REST and gRPC of a stub in a process of its own."""
    command = [sys.executable, str(Path(__file__)), str(size)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        rest, grpc = map(int, process.stdout.readline().split())
        yield rest, grpc
    finally:
        process.communicate("")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
