"""What does COPY cost a client beside qdrant-client's own bulk load? Both are measured in turn in one run.

python benchmarks/bulk.py [--rows N] [--size N] [--batch N] [--rounds N] [--transport rest|grpc]

A stub of a server, in a process of its own, takes whatever comes and answers at once, so that what is counted
is what the client does. It is CPU time (user and system, all threads) of loading one file of JSON Lines:

* ``upload_points`` reads it as programs do, one ``json.loads`` and one ``PointStruct`` for each line;
* ``COPY`` with ON ERROR SKIP reads it once, checks each row, and sends it;
* ``COPY`` without it reads it twice: the whole file is checked before anything is sent;
* ``UPSERT`` takes the same rows as a parameter, and ``upload_points, in memory`` the same points as objects.

A ratio is that of two neighbours in one round: it hardly feels what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stub import stub

Step = Callable[[], object]

# ------------------------------------------------------------------------------------- the two sides


def written(path: Path, rows: int, size: int) -> Path:
    """A file of points with a vector, and a payload as texts have it."""
    chance = random.Random(7)
    with path.open("w", encoding="utf-8") as out:
        for n in range(rows):
            vector = [round(chance.gauss(0, 0.06), 6) for _ in range(size)]
            text = f"row {n}: " + "the quick brown fox jumps over the lazy dog " * 6
            row = {"id": n, "vector": vector, "title": f"title {n}", "text": text, "year": 2000 + n % 25}
            print(json.dumps({**row, "tags": ["a", f"t{n % 9}"]}), file=out)
    return path


def steps(path: Path, ports: tuple[int, int], transport: str, batch: int) -> dict[str, Step]:
    """What is measured, by name; what a step is compared with stands before it."""
    from qdrant_client import QdrantClient
    from qdrant_client.models import PointStruct

    import qql

    rest, grpc = ports
    grpc_too = {"prefer_grpc": True, "grpc_port": grpc} if transport == "grpc" else {}
    client = QdrantClient(port=rest, check_compatibility=False, host="127.0.0.1", **grpc_too)
    url = f"grpc://127.0.0.1:{grpc}" if transport == "grpc" else f"http://127.0.0.1:{rest}"
    session = qql.connect(url)
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    points = [point_of(PointStruct, dict(row)) for row in rows]

    def read() -> Iterator[Any]:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield point_of(PointStruct, json.loads(line))

    def upsert() -> None:
        for at in range(0, len(rows), batch):
            session.execute("UPSERT INTO docs VALUES :rows", {"rows": rows[at : at + batch]})

    copy = f"COPY docs FROM '{path}' BATCH {batch}"
    return {
        "upload_points": lambda: client.upload_points("docs", read(), batch_size=batch, wait=True),
        "COPY ON ERROR SKIP": lambda: session.execute(f"{copy} ON ERROR SKIP"),
        "COPY": lambda: session.execute(copy),
        "upload_points, in memory": lambda: client.upload_points("docs", points, batch_size=batch, wait=True),
        "UPSERT VALUES :rows": upsert,
    }


def point_of(kind: type[Any], row: dict[str, Any]) -> Any:
    identity, vector = row.pop("id"), row.pop("vector")
    return kind(id=identity, vector=vector, payload=row)


def seconds(step: Step) -> float:
    """CPU seconds of all threads of this process."""
    started = time.process_time()
    step()
    return time.process_time() - started


# --------------------------------------------------------------------------------------- the program


def main() -> None:
    parser = argparse.ArgumentParser(
        description="CPU time of COPY beside that of QdrantClient.upload_points."
    )
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--size", type=int, default=384, help="dimensions of the vectors")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--transport", choices=("rest", "grpc"), action="append")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="qql-bench-") as folder, stub(given.size) as ports:
        path = written(Path(folder, "rows.jsonl"), given.rows, given.size)
        print(f"CPU ms of {given.rows} rows of {given.size} dimensions, {given.batch} in a batch")
        print(f"{'transport':10}{'case':26} {'ms':>8} {'median':>8} {'min':>7} {'max':>7}")
        for transport in given.transport or ("rest", "grpc"):
            show(transport, steps(path, ports, transport, given.batch), given.rounds)


def show(transport: str, cases: dict[str, Step], rounds: int) -> None:
    """A line for each case: its time, and its ratio to the last ``upload_points`` before it."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for step in cases.values():
        step()  # what is imported and made once
    for turn in range(rounds):
        for name in cases if turn % 2 == 0 else reversed(cases):
            taken[name].append(seconds(cases[name]))
    base: list[float] = []
    for name, times in taken.items():
        base = times if name.startswith("upload_points") else base
        ratios = [b / a for a, b in zip(base, times, strict=True)]
        print(
            f"{transport:10}{name:26} {statistics.median(times) * 1000:8.1f}"
            f" {statistics.median(ratios):8.2f} {min(ratios):7.2f} {max(ratios):7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
