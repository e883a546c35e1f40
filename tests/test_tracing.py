"""Spans of OpenTelemetry, as its own SDK gives them out.

Those that need the SDK are skipped, by name, where it is not installed; `make integrations` installs it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from http_recorder import HttpRecorder

import qql
from qql.session.tracing import without_literals

SECRET = "a-key-that-nobody-may-see"
COUNTED = "COUNT FROM docs WHERE a ="
SCRIPT = """
CREATE COLLECTION docs (a VECTOR MODEL 'local/hash-64');
UPSERT INTO docs VALUES {id: 1, text: 'private words'}, {id: 2, text: 'others'};
QUERY 'private words' FROM docs USING a WHERE id IN (1, 2) LIMIT 2 RERANK MODEL 'local/overlap' TOP 1
"""


class Kept:
    """A provider of the SDK, with the spans that ended."""

    def __init__(self) -> None:
        trace = pytest.importorskip(
            "opentelemetry.sdk.trace", reason="the SDK of OpenTelemetry is not installed"
        )
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self.exporter = InMemorySpanExporter()
        self.provider = trace.TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> list[Any]:
        return list(self.exporter.get_finished_spans())

    def below(self, parent: Any) -> list[str]:
        return [one.name for one in self.spans if one.parent and one.parent.span_id == parent.context.span_id]

    def named(self, name: str) -> list[Any]:
        return [one for one in self.spans if one.name == name]


@pytest.fixture
def kept() -> Iterator[Kept]:
    yield Kept()


def test_a_statement_has_a_span_with_those_of_its_phases_below(kept: Kept) -> None:
    with qql.connect(":memory:", trace=kept.provider) as db:
        db.run(SCRIPT)
    assert [one.name for one in kept.spans if one.parent is None] == [
        "qql.compile",
        "CREATE COLLECTION docs",
        "UPSERT docs",
        "QUERY docs",
    ]
    [query] = kept.named("QUERY docs")
    assert kept.below(query) == ["qql.embed", "qql.engine", "qql.rerank"]
    assert query.kind.name == "CLIENT"
    assert query.attributes == {
        "db.system.name": "qdrant",
        "db.operation.name": "QUERY",
        "db.collection.name": "docs",
        "db.query.text": "QUERY ? FROM docs USING a WHERE id IN (?) LIMIT ? RERANK MODEL ? TOP ?",
        "db.response.returned_rows": 1,
    }
    [embed] = [one for one in kept.named("qql.embed") if one.parent.span_id == query.context.span_id]
    assert embed.attributes == {"qql.texts": 1, "qql.models": ("local/hash-64",)}
    [engine] = [one for one in kept.named("qql.engine") if one.parent.span_id == query.context.span_id]
    assert engine.attributes == {"qql.requests": 1, "qql.route": "POST points/query"}
    [rerank] = kept.named("qql.rerank")
    assert rerank.attributes["qql.candidates"] == 2


def test_no_value_of_a_statement_is_told(kept: Kept) -> None:
    with qql.connect(":memory:", trace=kept.provider) as db:
        db.run(SCRIPT)
        with pytest.raises(qql.QQLError):
            db.execute("QUERY 'private words' FROM docs USING a WHERE MATCH 'private words'")
        with pytest.raises(qql.QQLError):
            db.execute("UPDATE docs SET PAYLOAD {a: 'private words'} WHERE nothing.[", {})
    assert "private" not in str([one.to_json() for one in kept.spans])


def test_a_failure_has_the_code_of_its_error_and_nothing_of_its_message(kept: Kept) -> None:
    with qql.connect(":memory:", trace=kept.provider) as db:
        db.execute("CREATE COLLECTION docs (a VECTOR(2, DOT))")
        with pytest.raises(qql.QQLExecutionError) as caught:
            db.execute("COPY docs FROM 'private.jsonl'")
    [failed] = kept.named("COPY docs")
    assert failed.status.status_code.name == "ERROR"
    assert failed.status.description is None and not failed.events
    assert failed.attributes["error.type"] == caught.value.code


def test_a_batch_says_how_many_statements_it_has(kept: Kept) -> None:
    with qql.connect(":memory:", trace=kept.provider) as db:
        db.execute("CREATE COLLECTION docs (a VECTOR(2, DOT))")
        db.execute("BATCH { QUERY [1, 0] FROM docs; QUERY [0, 1] FROM docs; }")
    [batch] = kept.named("BATCH docs")
    assert batch.attributes["db.operation.batch.size"] == 2


@pytest.mark.usefixtures("no_proxy")
def test_a_server_is_named_without_its_key(kept: Kept) -> None:
    with (
        HttpRecorder() as server,
        qql.connect(server.url, api_key=SECRET, trace=kept.provider) as db,
    ):
        db.execute("COUNT FROM docs")
    [count] = kept.named("COUNT docs")
    assert count.attributes["server.address"] == "127.0.0.1"
    assert count.attributes["server.port"] == server.port
    assert SECRET not in str([one.to_json() for one in kept.spans])


def test_tasks_of_an_event_loop_have_spans_of_their_own(kept: Kept) -> None:
    tracer = kept.provider.get_tracer("the program")

    async def ask(db: qql.AsyncSession, name: str) -> None:
        with tracer.start_as_current_span(name):
            await db.execute("COUNT FROM docs")

    async def program() -> None:
        async with qql.connect_async(":memory:", trace=kept.provider) as db:
            await db.execute("CREATE COLLECTION docs (a VECTOR(2, DOT))")
            await asyncio.gather(*(ask(db, f"task {n}") for n in range(5)))

    asyncio.run(program())
    for n in range(5):
        [task] = kept.named(f"task {n}")
        assert kept.below(task) == ["qql.compile", "COUNT docs"]


def test_the_provider_of_the_program_is_taken_where_none_is_given(kept: Kept) -> None:
    program = """
import qql
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
qql.connect(":memory:", trace=True).execute("SHOW COLLECTIONS")
print([one.name for one in exporter.get_finished_spans()])
"""
    assert printed(program) == "['qql.compile', 'qql.engine', 'SHOW COLLECTIONS']"


# ---------------------------------------------------------------------------------------- without the package


def printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    return done.stdout.strip()


def test_who_asks_for_spans_without_the_package_is_told_what_to_install() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
import qql
try: qql.connect(":memory:", trace=True)
except qql.QQLError as error: print(error.code, error.diagnostic.hint)
"""
    assert printed(program) == 'missing-library pip install "qql-lang[otel]"'


def test_who_does_not_ask_imports_nothing_of_it(tmp_path: Path) -> None:
    program = """
import sys, qql
for trace in (None, False):
    qql.connect(":memory:", trace=trace).execute("SHOW COLLECTIONS")
print([one for one in sys.modules if one.startswith("opentelemetry") or one == "qql.session.tracing"])
"""
    assert printed(program) == "[]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("QUERY [0.1, -2e3] FROM docs LIMIT 5;", "QUERY [?] FROM docs LIMIT ?"),
        (
            "COUNT FROM docs -- private\nWHERE a = 'x''y' /* private */ AND b = :b",
            "COUNT FROM docs WHERE a = ? AND b = :b",
        ),
        (
            'UPSERT INTO docs VALUES {id: 1, "a": r\'x\', b: """y"""}',
            "UPSERT INTO docs VALUES {id: ?, ?: ?, b: ?}",
        ),
        ("QUERY {indices: [1, 2], values: [0.5, 1]} FROM `docs`", "QUERY {indices: [?], values: [?]} FROM ?"),
        ("FACET city FROM docs WHERE at > 5d", "FACET city FROM docs WHERE at > ?"),
        ("COUNT FROM docs WHERE 'an open text", "COUNT FROM docs WHERE"),
    ],
)
def test_the_text_of_a_statement_is_told_without_its_literals(text: str, told: str) -> None:
    assert without_literals(text) == told


def test_a_long_text_is_told_in_part() -> None:
    text = "QUERY [1] FROM docs WHERE " + " AND ".join(f"field_{n} = {n}" for n in range(10_000))
    assert len(without_literals(text)) <= 2000
