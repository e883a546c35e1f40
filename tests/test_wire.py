"""QQL through the wire: REST and gRPC give what the embedded engine gives, and older servers are known.

The server is the fake one (`fake_server`), which stands on the embedded engine, so what differs was lost or
changed on the way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from test_reference import DOCS, manual

import qql
from qql.backends.client import ClientBackend
from qql.backends.edge import EdgeBackend
from qql.cli import main
from qql.errors import QQLConnectionError, QQLError, QQLUnsupportedError
from qql.manual.entries import ENTRIES
from qql.manual.entry import Entry
from qql.rest.request import Request
from qql.result import Result
from qql.session.session import Session

MakeServer = Callable[..., FakeServer]
TRANSPORTS = pytest.mark.parametrize("transport", ["rest", "grpc"])


def address(server: FakeServer, transport: str) -> str:
    return server.grpc_url if transport == "grpc" else server.url


def connected(server: FakeServer, transport: str) -> Session:
    return qql.connect(address(server, transport), advice=False)


# --- the examples of the manual -----------------------------------------------------------------------------

ONLY_ON_SERVERS = {
    "CREATE SHARD KEY": "Auto sharding method",
    "DROP SHARD KEY": "not found",
    "SHOW SHARD KEYS": "(0 rows)",
    "SHARD": "not found",
    "REQUEST OPTIONS": "(1 row)",
    "WAL": "created collection c",
    "STRICT_MODE": "created collection c",
    "OPTIMIZE": "docs is already optimal: 4 vectors of 4 points are indexed",
}
"""What a server gives for examples that the embedded engine refuses, or says less of."""
ONLY_OVER_REST = {
    "SET QUOTA": "",
    "SHOW QUOTAS": "max_disk_usage_percent",
    **dict.fromkeys(("SHOW OPTIMIZATIONS", "SHOW MEMORY"), "the fake server's engine lacks this"),
}
UNLIKE = {"RESTORE SNAPSHOT": "the server would load it from another one"}
"""Examples that a server cannot answer as the embedded engine does, and why."""


FIELDS = "key title body text topic year name price opened tags place rooms closed lat lon"


class InOrder(ClientBackend):
    """Fields of a payload come in the order of the manual's data, and not in that of their names."""

    def call(self, request: Request) -> Any:
        return self._ordered(super().call(request))

    def _ordered(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._ordered(item) for item in value]
        if not isinstance(value, dict):
            return value
        known = [name for name in FIELDS.split() if name in value]
        return {name: self._ordered(value[name]) for name in dict.fromkeys([*known, *value])}


def shown_of(runs: Any, entry: Entry) -> str:
    try:
        return str(runs.attempt(entry))
    except QQLError as error:
        return str(manual.refusal(error))


def is_right(entry: Entry, shown: str, page: str, transport: str) -> bool:
    if entry.name in ONLY_ON_SERVERS:
        return ONLY_ON_SERVERS[entry.name] in shown
    if entry.name in ONLY_OVER_REST:
        return ("over gRPC" if transport == "grpc" else ONLY_OVER_REST[entry.name]) in shown
    if entry.varies:
        return not shown.startswith("error[")
    return _alike(f"```text\n{shown.rstrip()}\n```") in _alike(section_of(entry, page))


def _alike(text: str) -> str:
    """A text without what is otherwise over the wire: how often the engine was called."""
    return re.sub(r"\bin \d+ calls in all\b", "in all", text)


def section_of(entry: Entry, page: str) -> str:
    return page.partition(f"\n### {entry.name}\n")[2].partition("\n### ")[0]


def differing(server: FakeServer, transport: str, entries: Iterable[Entry]) -> dict[str, str]:
    """The examples that do not give what the page shows, with what they give."""
    page = (DOCS / manual.REFERENCE).read_text(encoding="utf-8")
    backend = InOrder.connect(address(server, transport))
    with manual.examples(backend) as runs:
        given = [(entry, shown_of(runs, entry)) for entry in entries if entry.name not in UNLIKE]
    return {entry.name: shown for entry, shown in given if not is_right(entry, shown, page, transport)}


@TRANSPORTS
def test_a_share_of_the_examples_gives_the_same_through_the_wire(
    fake_server: MakeServer, transport: str
) -> None:
    assert differing(fake_server(cluster=True), transport, ENTRIES[::6]) == {}


@pytest.mark.slow
@TRANSPORTS
def test_every_example_gives_the_same_through_the_wire(fake_server: MakeServer, transport: str) -> None:
    assert differing(fake_server(cluster=True), transport, ENTRIES) == {}


# --- values that a transport may lose -----------------------------------------------------------------------

POINTS = """
CREATE COLLECTION odd (d VECTOR(3, COSINE), e VECTOR(2, DOT),
  m VECTOR(2, DOT) WITH MULTIVECTOR (comparator = max_sim), s SPARSE);
CREATE INDEX ON odd FOR w TYPE keyword;
CREATE INDEX ON odd FOR n TYPE integer;
CREATE INDEX ON odd FOR t TYPE datetime;
UPSERT INTO odd VALUES
  {id: 1, vector: {d: [0.1, 0.2, 0.7], e: [1, 0], m: [[0.1, 0.25], [0.5, 0.5]],
                   s: {indices: [4294967295, 1], values: [0.5, 0.25]}},
   payload: {n: 9007199254740993, f: 1.0, w: 'ä"', b: true, t: '2024-01-01T00:00:00Z', nul: null,
             deep: {z: [1, 2.0, null, {}], a: {}}, el: [], eo: {}, es: ''}},
  {id: 18446744073709551615, vector: {e: [0, 1]}, payload: {n: -5, f: 1e-7, w: '7', b: false}},
  {id: '5c56c793-69f3-4fbf-87e6-c4bf54c28c26', vector: {e: [0.3, 0.25]}, payload: {n: -9223372036854775808}},
  {id: 4, vector: {d: [0, 0, 1]}};
"""
READS = """
SCROLL FROM odd WITH VECTOR true LIMIT 10
SCROLL FROM odd WITH VECTOR (s, m) WITH PAYLOAD (n, w) LIMIT 2
SCROLL FROM odd WITH PAYLOAD EXCLUDE (deep) LIMIT 10
SCROLL FROM odd WITH PAYLOAD false LIMIT 10
SCROLL FROM odd ORDER BY n LIMIT 10
SELECT * FROM odd WHERE id IN (4, 18446744073709551615)
QUERY [0.1, 0.2, 0.3] FROM odd USING d WITH VECTOR (e) LIMIT 10
QUERY [0.1, 0.2, 0.3] FROM odd USING d WITH PAYLOAD false LIMIT 10
QUERY [1, 0.5] FROM odd USING e SCORE THRESHOLD 0.4 LIMIT 10
QUERY ORDER BY n DESC FROM odd LIMIT 10
QUERY [1, 0.5] FROM odd USING e GROUP BY n SIZE 2 LIMIT 10
QUERY {indices: [1], values: [1]} FROM odd USING s LIMIT 1
COUNT FROM odd WHERE n = 9007199254740993
COUNT FROM odd WHERE n IN (1, -5)
COUNT FROM odd WHERE NOT (b = true OR n = 7)
COUNT FROM odd WHERE t >= '2023-12-31T23:59:59.999999+00:00'
COUNT FROM odd WHERE nul IS NULL
COUNT FROM odd WHERE el IS EMPTY
COUNT FROM odd WHERE HAS_VECTOR s
FACET w FROM odd
FACET n FROM odd
SHOW INDEXES ON odd
BATCH { QUERY [1, 0.5] FROM odd USING e LIMIT 1; QUERY [0, 1] FROM odd USING e WITH PAYLOAD false LIMIT 1; }
"""


def plain(result: Result) -> Any:
    """Hits and rows with nothing of the order of keys, which JSON and messages do not promise."""
    told = {"hits": [asdict(hit) for hit in result.hits], "rows": result.rows}
    return json.loads(json.dumps(told, sort_keys=True))


def answers(session: Session) -> dict[str, Any]:
    session.run(POINTS)
    return {text: plain(session.execute(text)) for text in READS.strip().splitlines()}


@pytest.fixture(scope="module")
def embedded() -> dict[str, Any]:
    """What the embedded engine gives for `READS`."""
    backend = EdgeBackend(None)
    try:
        return answers(qql.connect(backend, advice=False))
    finally:
        backend.close()


@TRANSPORTS
def test_values_come_back_as_the_embedded_engine_gives_them(
    fake_server: MakeServer, transport: str, embedded: dict[str, Any]
) -> None:
    with connected(fake_server(), transport) as session:
        assert answers(session) == embedded


def test_a_collection_is_described_in_the_same_order_over_both_transports(fake_server: MakeServer) -> None:
    server = fake_server()
    described = []
    for transport in ("rest", "grpc"):
        with connected(server, transport) as session:
            if transport == "rest":
                session.run("CREATE COLLECTION c (a VECTOR(2, DOT), b VECTOR(2, DOT), k SPARSE, l SPARSE)")
                session.run("".join(f"CREATE INDEX ON c FOR {name} TYPE keyword;" for name in "zyxw"))
            described.append([row["name"] for row in session.execute("SHOW COLLECTION c").rows])
    assert described[0] == described[1] == [*"abkl", *"wxyz", "(points)"]


@TRANSPORTS
def test_an_ordinary_collection_has_no_shard_keys(fake_server: MakeServer, transport: str) -> None:
    with connected(fake_server(cluster=True), transport) as session:
        session.run("CREATE COLLECTION c (v VECTOR(2, DOT))")
        assert session.execute("SHOW SHARD KEYS ON c").rows == []


@TRANSPORTS
def test_shards_are_written_and_read_by_their_keys(fake_server: MakeServer, transport: str) -> None:
    with connected(fake_server(cluster=True), transport) as session:
        session.run("CREATE COLLECTION c (v VECTOR(2, DOT)) WITH PARAMS (sharding_method = custom)")
        session.run("CREATE SHARD KEY 'eu' ON c; CREATE SHARD KEY 7 ON c")
        session.run(
            "UPSERT INTO c VALUES {id: 1, vector: {v: [1, 0.5]}}, {id: 2, vector: {v: [0, 1.5]}} SHARD 'eu'"
        )
        session.run("UPSERT INTO c VALUES {id: 3, vector: {v: [1, 0.5]}} SHARD 7")
        keys = {row["shard_key"] for row in session.execute("SHOW SHARD KEYS ON c").rows}
        counts = [
            session.execute(f"COUNT FROM c {of}").rows[0]["count"] for of in ("SHARD 'eu'", "SHARD 7", "")
        ]
        assert (keys, counts) == ({"eu", 7}, [2, 1, 3])


# --- older servers ------------------------------------------------------------------------------------------

TEN = "CREATE COLLECTION sl (v VECTOR(2, DOT)); UPSERT INTO sl VALUES " + ", ".join(
    f"{{id: {n}, vector: {{v: [1, 0.5]}}, n: {n}}}" for n in range(10)
)
UPSERT = "UPSERT INTO sl VALUES {id: 1, vector: {v: [0, 0.5]}}"


@TRANSPORTS
@pytest.mark.parametrize(
    ("text", "version", "words"),
    [
        ("DELETE FROM sl WHERE SLICE(100, 99)", "1.18.3", "SLICE needs Qdrant 1.19; this server is 1.18.3"),
        ("DELETE FROM sl WHERE n > 3 AND NOT SLICE(2, 0)", "1.18.3", "SLICE needs Qdrant 1.19"),
        ("UPDATE sl SET PAYLOAD = {n: 1} WHERE SLICE(2, 0) OR n = 3", "1.18.3", "SLICE needs Qdrant 1.19"),
        (f"{UPSERT} UPDATE MODE insert_only", "1.16.3", "UPDATE MODE needs Qdrant 1.17"),
        (f"{UPSERT} UPDATE FILTER n = 7", "1.15.5", "UPDATE FILTER needs Qdrant 1.16"),
    ],
)  # fmt: skip
def test_a_write_that_an_older_server_would_overdo_is_not_sent(
    fake_server: MakeServer, transport: str, text: str, version: str, words: str
) -> None:
    server = fake_server(version)
    with connected(server, transport) as session:
        session.run(TEN)
        before = plain(session.execute("SCROLL FROM sl WITH VECTOR true LIMIT 20"))
        with pytest.raises(QQLUnsupportedError) as info:
            session.execute(text)
        assert words in str(info.value)
        assert plain(session.execute("SCROLL FROM sl WITH VECTOR true LIMIT 20")) == before
    assert all(call.request.route[1] != "points/delete" for call in server.calls)


@TRANSPORTS
def test_a_downgrade_in_the_middle_is_noticed_before_a_guarded_write(
    fake_server: MakeServer, transport: str
) -> None:
    server = fake_server("1.19.0")
    with connected(server, transport) as session:
        session.run(TEN)
        session.run("DELETE FROM sl WHERE SLICE(5, 0)")
        left = session.execute("COUNT FROM sl").rows[0]["count"]
        server.engine.version = "1.18.3"  # another node of a cluster that is being upgraded
        with pytest.raises(QQLError, match=r"SLICE needs Qdrant 1\.19|Format error in JSON body"):
            session.execute("DELETE FROM sl WHERE SLICE(5, 1)")
        assert 0 < left == session.execute("COUNT FROM sl").rows[0]["count"] < 10


# --- breaks -------------------------------------------------------------------------------------------------


@TRANSPORTS
def test_a_session_goes_on_after_a_restart(fake_server: MakeServer, transport: str) -> None:
    server = fake_server()
    with connected(server, transport) as session:
        session.run(TEN)
        server.restart()
        assert eventually(lambda: session.execute("COUNT FROM sl")).rows[0]["count"] == 10


def eventually(call: Callable[[], Result]) -> Result:
    """The first result; a channel of gRPC may take a while to notice that its server is back."""
    for _ in range(200):
        try:
            return call()
        except QQLConnectionError:
            continue
    raise AssertionError("no call came through")


@TRANSPORTS
def test_a_copy_that_loses_its_server_has_written_no_more_than_one_batch_beyond_what_it_says(
    fake_server: MakeServer, transport: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"id": {n}, "v": [1.0, 0.5]}}\n' for n in range(40)))
    server = fake_server()
    with connected(server, transport) as session:
        session.run("CREATE COLLECTION c (v VECTOR(2, DOT))")
        server.cut_after(2)
        with pytest.raises(QQLConnectionError):
            session.execute(f"COPY c FROM '{rows}' BATCH 10")
        assert session.execute("COUNT FROM c").rows[0]["count"] == 30


# --- the command --------------------------------------------------------------------------------------------

SCRIPT = """
CREATE COLLECTION docs (dense VECTOR MODEL 'local/hash-64', words SPARSE MODEL 'qdrant/bm25');
UPSERT INTO docs VALUES {id: 1, text: 'emergency care'}, {id: 2, text: 'sleep and rest'};
QUERY 'care' FROM docs USING words WITH PAYLOAD (text) LIMIT 1;
"""


@TRANSPORTS
def test_the_command_runs_a_script_on_a_server(
    fake_server: MakeServer, transport: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.qql"
    script.write_text(SCRIPT)
    server = fake_server()
    assert main(["run", str(script), "--url", address(server, transport), "--format", "csv"]) == 0
    out, _ = capsys.readouterr()
    assert "emergency care" in out
    assert {call.transport for call in server.calls} == {transport}


@TRANSPORTS
def test_the_command_refuses_what_the_server_is_too_old_for(
    fake_server: MakeServer, transport: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = fake_server("1.18.3")
    with connected(server, transport) as session:
        session.run(TEN)
    code = main(["--url", address(server, transport), "-c", "DELETE FROM sl WHERE SLICE(100, 99)"])
    assert code != 0
    assert "SLICE needs Qdrant 1.19; this server is 1.18.3" in capsys.readouterr().err


def test_the_command_sends_its_key_over_both_transports(
    fake_server: MakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = fake_server(api_key="s3cret-key")
    for url in (server.url, server.grpc_url):
        monkeypatch.setenv("QDRANT_API_KEY", "s3cret-key")
        assert main(["--url", url, "-c", "SHOW COLLECTIONS"]) == 0
        monkeypatch.setenv("QDRANT_API_KEY", "wrong-key")
        assert main(["--url", url, "-c", "SHOW COLLECTIONS"]) != 0
        assert "not-authorised" in capsys.readouterr().err


def test_the_command_finds_grpc_beside_rest(
    fake_server: MakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server = fake_server()
    with connected(server, "rest") as session:
        session.run(TEN)
    assert main(["--url", server.url, "--grpc", "-c", "COUNT FROM sl"]) == 0
    (count,) = server.asked("POST points/count")
    assert count.transport == "grpc"
    assert "10" in capsys.readouterr().out


@TRANSPORTS
def test_whole_numbers_of_vectors_arrive_by_copy(
    fake_server: MakeServer, transport: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": 1, "m": [[1, 0], [0, 1]], "v": [1, 2]}\n')
    with connected(fake_server(), transport) as session:
        kind = "m VECTOR(2, DOT) WITH MULTIVECTOR (comparator = max_sim)"
        session.run(f"CREATE COLLECTION c ({kind}, v VECTOR(2, DOT)); COPY c FROM '{rows}'")
        (point,) = session.execute("SCROLL FROM c WITH VECTOR true").hits
        assert point.vector == {"m": [[1.0, 0.0], [0.0, 1.0]], "v": [1.0, 2.0]}
