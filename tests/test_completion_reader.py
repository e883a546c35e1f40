"""Completion at a prompt: what is read of an engine in the background, and what Tab does with it."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import cast

import pytest
from prompt_toolkit.application.current import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import qql
from qql.cli.arguments import Arguments
from qql.cli.commands.connection import LateSession
from qql.cli.prompt.completion import completer
from qql.cli.prompt.completion.completer import PromptCompleter, QQLCompleter, completer_for
from qql.cli.prompt.completion.core import suggestions
from qql.cli.prompt.completion.reader import BackgroundReader, SessionEngine, Values
from qql.cli.prompt.completion.schema import KnownSchema
from qql.cli.render import Renderer
from qql.cli.repl import interact
from qql.cli.shell import Shell
from qql.schema import Fields, Schema

LONG = 30.0
"""Seconds after which a test gives up; nothing waits so long."""


class FakeEngine:
    """Answers by rote, and writes down what it was asked, and by which thread."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.names = ["docs"]
        self.fails: BaseException | None = None
        self.session: object = object()
        self.gate: threading.Event | None = None
        self.started = threading.Event()

    def _note(self, what: str) -> None:
        self.asked.append(what)
        self.threads.add(threading.current_thread())
        self.started.set()
        if self.gate is not None:
            assert self.gate.wait(LONG)
        if self.fails is not None:
            raise self.fails

    def collections(self) -> list[str]:
        names = self.names
        self._note("collections")
        return names

    def aliases(self) -> dict[str, str]:
        return {"live": "docs"}

    def describe(self, name: str) -> Schema | None:
        self._note(f"describe {name}")
        return Schema(indexes={"kind": "keyword", "title": "text"}) if name in self.names else None

    def sample(self, name: str) -> Fields | None:
        self._note(f"sample {name}")
        return Fields.of([{"kind": "a", "free": 1}])

    def facet(self, name: str, field: str) -> Values:
        self._note(f"facet {name} {field}")
        return (("a", 2), ("b", 1))

    def target(self) -> object:
        return self.session

    def settings(self, known: KnownSchema) -> KnownSchema:
        return known


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(engine: FakeEngine, clock: Clock) -> BackgroundReader:
    return BackgroundReader(engine, now=clock)


def read(reader: BackgroundReader, collection: str = "", field: str = "") -> KnownSchema:
    reader.want(collection, field)
    assert reader.wait(LONG)
    return reader.known()


# ------------------------------------------------------------------------------------ the reader


def test_what_is_wanted_is_read_in_another_thread(reader: BackgroundReader, engine: FakeEngine) -> None:
    known = read(reader, "docs")
    assert known.collections == ("docs",)
    assert known.of("docs").schema.indexes["kind"] == "keyword"
    assert known.of("docs").paths.names == ("kind", "title", "free")
    assert engine.asked == ["collections", "describe docs", "sample docs"]
    assert threading.current_thread() not in engine.threads


def test_wanting_and_knowing_wait_for_no_engine(reader: BackgroundReader, engine: FakeEngine) -> None:
    engine.gate = threading.Event()
    try:
        assert reader.want("docs")  # would hang, if it waited
        assert reader.known().collections == ()
        assert not reader.wait(0)
    finally:
        engine.gate.set()
    assert reader.wait(LONG)
    assert reader.known().collections == ("docs",)


def test_nothing_is_read_twice_until_it_is_old(
    reader: BackgroundReader, engine: FakeEngine, clock: Clock
) -> None:
    for _ in range(5):
        read(reader, "docs")
    assert engine.asked == ["collections", "describe docs", "sample docs"]
    clock.now = 11
    read(reader, "docs")
    assert engine.asked[3:] == ["collections", "describe docs", "sample docs"]


def test_what_ran_has_everything_read_again(reader: BackgroundReader, engine: FakeEngine) -> None:
    read(reader, "docs")
    engine.names = ["docs", "new"]
    reader.refresh()
    assert reader.known().collections == ("docs",)  # until it is read
    assert read(reader).collections == ("docs", "new")


def test_a_collection_that_is_gone_is_known_no_more(reader: BackgroundReader, engine: FakeEngine) -> None:
    read(reader, "docs")
    engine.names = []
    reader.refresh()
    known = read(reader, "docs")
    assert known.collections == () and not known.described


def test_another_target_has_nothing_of_the_one_before(reader: BackgroundReader, engine: FakeEngine) -> None:
    read(reader, "docs")
    engine.session, engine.names = object(), ["other"]
    known = read(reader)
    assert known.collections == ("other",) and not known.described


def test_an_answer_of_the_target_before_is_dropped(reader: BackgroundReader, engine: FakeEngine) -> None:
    engine.gate, engine.names = threading.Event(), ["old"]
    reader.want()
    assert engine.started.wait(LONG)
    engine.session, engine.names = object(), ["docs"]
    reader.want()
    engine.gate.set()
    assert reader.wait(LONG)
    assert reader.known().collections == ("docs",)


def test_values_are_read_of_fields_whose_index_counts_them(
    reader: BackgroundReader, engine: FakeEngine
) -> None:
    read(reader, "docs")
    known = read(reader, "docs", "kind")
    assert known.of("docs").values["kind"] == (("a", 2), ("b", 1))
    read(reader, "docs", "title")
    assert [one for one in engine.asked if one.startswith("facet")] == ["facet docs kind"]


class Panic(BaseException):
    """What a Rust library raises when it gives up."""


@pytest.mark.parametrize("fault", [RuntimeError("boom"), OSError("gone"), Panic("rust")])
def test_a_fault_of_the_engine_is_silent(
    reader: BackgroundReader,
    engine: FakeEngine,
    fault: BaseException,
    clock: Clock,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = read(reader, "docs")
    engine.fails, clock.now = fault, 100
    assert read(reader, "docs", "kind") == before
    assert capfd.readouterr() == ("", "")
    engine.fails, clock.now = None, 200
    engine.names = ["docs", "new"]
    assert read(reader).collections == ("docs", "new")


def test_what_fails_is_not_asked_with_every_key(reader: BackgroundReader, engine: FakeEngine) -> None:
    engine.fails = RuntimeError("boom")
    for _ in range(5):
        read(reader, "docs")
    assert engine.asked == ["collections", "describe docs"]


def test_no_thread_is_left_when_nothing_is_to_be_read(reader: BackgroundReader, engine: FakeEngine) -> None:
    read(reader, "docs")
    for thread in engine.threads:
        thread.join(LONG)
        assert not thread.is_alive()


def test_no_more_than_fifty_collections_are_kept(reader: BackgroundReader, engine: FakeEngine) -> None:
    engine.names = [f"c{index}" for index in range(60)]
    for name in engine.names:
        known = read(reader, name)
    assert len(known.described) == 50
    assert "c59" in known.described and "c0" not in known.described


# ------------------------------------------------------------------------------------ the completer


def completions(reader: BackgroundReader, text: str) -> list[str]:
    found = QQLCompleter(lambda: reader, LONG).get_completions(Document(text), CompleteEvent())
    return [one.text for one in found]


def test_the_first_list_waits_for_what_was_never_read(reader: BackgroundReader) -> None:
    assert "docs" in completions(reader, "COUNT FROM ")
    assert "free" in completions(reader, "COUNT FROM docs WHERE ")
    assert "'a'" in completions(reader, "COUNT FROM docs WHERE kind = ")


def test_a_first_list_may_want_all_at_once(reader: BackgroundReader) -> None:
    assert completions(reader, "COUNT FROM docs WHERE kind = ")[:2] == ["'a'", "'b'"]


def test_names_are_shown_without_what_could_drive_a_terminal(
    reader: BackgroundReader, engine: FakeEngine
) -> None:
    engine.names = ["a\x1b[31m\nred"]
    found = [*QQLCompleter(lambda: reader, LONG).get_completions(Document("COUNT FROM "), CompleteEvent())]
    assert not any("\x1b" in one.display_text + one.display_meta_text for one in found)
    assert any("red" in one.display_text for one in found)


def test_behind_a_whole_statement_nothing_is_listed_but_where_it_is_asked_for(
    reader: BackgroundReader,
) -> None:
    completer = QQLCompleter(lambda: reader, patience=0)

    def listed(text: str, *, asked: bool) -> list[str]:
        event = CompleteEvent(text_inserted=not asked, completion_requested=asked)
        return [one.text for one in completer.get_completions(Document(text), event)]

    assert listed("COUNT FROM trails;", asked=False) == listed("COUNT FROM trails; ", asked=False) == []
    assert "QUERY" in listed("COUNT FROM trails;", asked=True)
    assert "QUERY" in listed("COUNT FROM trails; Q", asked=False)


def test_a_completer_loads_nothing_of_the_language_until_it_is_used() -> None:
    program = (
        "import sys, types\n"
        "from qql.cli.prompt.completion.completer import completer_for\n"
        "made = completer_for(types.SimpleNamespace(session=None, params={}))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rooms = {"qql.syntax", "qql.compiler", "qql.nodes", "qql.session.session", "qql.manual"}
    assert not rooms & {*done.stdout.split()}


# ------------------------------------------------------------------------------------ the real engine

TRAILS = """
CREATE COLLECTION trails (dense VECTOR(3, DOT), words SPARSE MODEL 'qdrant/bm25');
CREATE INDEX ON trails FOR kind TYPE keyword;
UPSERT INTO trails VALUES
  {id: 1, kind: 'ridge', km: 7, dense: [1, 2, 3]},
  {id: 2, kind: 'lake', km: 9.5, dense: [1, 0, 3]},
  {id: 3, kind: 'ridge', dense: [0, 2, 3]};
"""


@pytest.fixture
def session() -> Iterator[qql.Session]:
    with qql.connect(":memory:") as opened:
        opened.run(TRAILS)
        yield opened


def test_the_engine_is_read_and_read_again_behind_what_ran(session: qql.Session) -> None:
    shell = SimpleNamespace(session=session, params={"limit": 3})
    reader = BackgroundReader(SessionEngine(lambda: shell.session, lambda: shell.params))
    known = read(reader, "trails")
    said = {one.text: one.about for one in suggestions("COUNT FROM trails WHERE ", 24, known)}
    assert said["kind"] == "keyword index, 100%"
    assert said["km"] == "integer or float, no index, 66%"
    known = read(reader, "trails", "kind")
    assert known.of("trails").values["kind"] == (("ridge", 2), ("lake", 1))
    vectors = suggestions("QUERY 'x' FROM trails USING ", 28, known)[:2]
    assert [(one.text, one.about) for one in vectors] == [
        ("dense", "dense 3 × Dot"),
        ("words", "sparse, qdrant/bm25"),
    ]
    session.run(
        "CREATE COLLECTION peaks (v VECTOR(2, DOT)); USE peaks; DEFINE near AS (QUERY [1, 2] USING v);"
        "UPSERT INTO trails VALUES {id: 4, fresh: true, dense: [1, 1, 1]}; CREATE ALIAS live FOR trails;"
    )
    reader.refresh()
    known = read(reader, "trails")
    assert known.collections == ("peaks", "trails") and known.aliases == {"live": "trails"}
    assert read(reader, "live").of("live").schema == known.of("trails").schema
    assert "fresh" in known.of("trails").paths.names
    assert (known.default, known.stages, known.params) == ("peaks", ("near",), ("limit",))


def test_a_session_that_is_not_open_yet_is_not_opened_for_a_list() -> None:
    late = LateSession(Arguments(), None)
    reader = BackgroundReader(SessionEngine(lambda: cast(qql.Session, late)))
    assert read(reader, "trails").collections == ()
    assert not late.is_open
    late.execute("CREATE COLLECTION peaks (v VECTOR(2, DOT))")
    reader.refresh()
    assert read(reader).collections == ("peaks",)
    late.close()


def test_reading_takes_no_note_from_the_statement_that_runs(
    session: qql.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken() -> list[str]:
        raise AssertionError("the notes are the statement's")

    monkeypatch.setattr(session.backend, "take_notes", taken)
    known = read(BackgroundReader(SessionEngine(lambda: session)), "trails")
    assert "km" in known.of("trails").paths.names


def test_a_closed_session_leaves_what_is_known(session: qql.Session) -> None:
    reader = BackgroundReader(SessionEngine(lambda: session))
    read(reader, "trails")
    session.close()
    reader.refresh()
    assert read(reader, "trails").collections == ("trails",)


# ------------------------------------------------------------------------------------ keys at the prompt


class Typist(PromptCompleter):
    """A completer that tells which lists it has given, and what the line was changed to."""

    def __init__(self, reader: BackgroundReader) -> None:
        super().__init__(lambda: reader)
        self.lists: Queue[list[str]] = Queue()
        self.lines: Queue[str] = Queue()
        self.suggested: Queue[str] = Queue()
        self.buffers: list[Buffer] = []

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        buffer = get_app().current_buffer
        if buffer not in self.buffers:
            self.buffers.append(buffer)
            buffer.on_text_changed += lambda changed: self.lines.put(changed.text)
            buffer.on_suggestion_set += lambda set_to: self.suggested.put(
                set_to.suggestion.text if set_to.suggestion else ""
            )
        found = []
        async for one in super().get_completions_async(document, complete_event):
            found.append(one.text)
            yield one
        self.lists.put(found)

    def listed(self, text: str) -> None:
        """Wait until a list has a text."""
        while text not in self.lists.get(timeout=LONG):
            pass

    def grey(self, text: str) -> None:
        """Wait until a text stands in grey behind what is typed."""
        while self.suggested.get(timeout=LONG) != text:
            pass

    def line(self, text: str) -> None:
        """Wait until the line is a text."""
        while self.lines.get(timeout=LONG) != text:
            pass


Keys = Callable[[Callable[[str], None], Typist], None]


@pytest.fixture
def at_prompt(session: qql.Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Keys], str]:
    """Runs a prompt at which a function types in another thread, and gives what was shown."""

    def run(keys: Keys) -> str:
        monkeypatch.setenv("QQL_HISTORY", str(tmp_path / "history"))
        typists: list[Typist] = []
        ready = threading.Event()
        faults: list[BaseException] = []

        def made(shell: Shell) -> PromptCompleter:
            typists.append(Typist(completer_for(shell).reader))
            ready.set()
            return typists[0]

        monkeypatch.setattr(completer, "completer_for", made)
        out, err = io.StringIO(), io.StringIO()
        shell = Shell(session, Renderer(out, err=err, width=80), lambda _: session)
        with create_pipe_input() as pipe:

            def type_keys() -> None:
                try:
                    assert ready.wait(LONG)
                    typists[0].reader.want("trails")
                    assert typists[0].reader.wait(LONG)
                    keys(pipe.send_text, typists[0])
                except BaseException as fault:
                    faults.append(fault)
                finally:
                    pipe.send_text("\x03\x04")

            typing = threading.Thread(target=type_keys)
            typing.start()
            interact(shell, input=pipe, output=DummyOutput())
            typing.join(LONG)
        assert not faults, faults
        return out.getvalue() + err.getvalue()

    return run


def test_tab_completes_what_is_typed_and_enter_runs_it(at_prompt: Callable[[Keys], str]) -> None:
    def keys(send: Callable[[str], None], typist: Typist) -> None:
        send("COUNT FROM tra")
        typist.listed("trails")
        send("\t")
        typist.line("COUNT FROM trails")
        send(" WHERE ki")
        typist.listed("kind")
        send("\t")
        typist.line("COUNT FROM trails WHERE kind")
        send(" = 'ri")
        typist.listed("ridge'")
        send("\t")
        typist.line("COUNT FROM trails WHERE kind = 'ridge'")
        send(";\r")

    assert "│     2 │" in at_prompt(keys)


def test_enter_takes_what_is_selected_in_the_list_and_the_next_one_runs(
    at_prompt: Callable[[Keys], str],
) -> None:
    def keys(send: Callable[[str], None], typist: Typist) -> None:
        send("COUNT FROM ;\x1b[Dtra")
        typist.listed("trails")
        send("\t")
        typist.line("COUNT FROM trails;")
        send("\r")  # takes it, though the statement is whole
        send(" WHERE km = 7")
        typist.line("COUNT FROM trails WHERE km = 7;")
        send("\r")

    shown = at_prompt(keys)
    assert "│     1 │" in shown and "│     3 │" not in shown


def test_escape_closes_the_list_and_leaves_what_was_typed(at_prompt: Callable[[Keys], str]) -> None:
    def keys(send: Callable[[str], None], typist: Typist) -> None:
        send("COUNT FROM trails WHERE k")
        typist.listed("kind")
        send("\t")
        typist.line("COUNT FROM trails WHERE kind")
        send("\x1b")
        typist.line("COUNT FROM trails WHERE k")

    at_prompt(keys)


def test_what_was_created_at_the_prompt_is_suggested_there(at_prompt: Callable[[Keys], str]) -> None:
    def keys(send: Callable[[str], None], typist: Typist) -> None:
        send("CREATE COLLECTION peaks (v VECTOR(2, DOT));\r")
        send("COUNT FROM ")
        typist.listed("trails")
        typist.reader.wait(LONG)
        send("pea")
        typist.listed("peaks")
        send("\t")
        typist.line("COUNT FROM peaks")

    at_prompt(keys)


def test_a_line_of_the_history_stands_in_grey_and_the_arrow_takes_it(
    at_prompt: Callable[[Keys], str],
) -> None:
    def keys(send: Callable[[str], None], typist: Typist) -> None:
        send("COUNT FROM trails WHERE km > 8;\r")
        send("COUNT FROM trails W")
        typist.grey("HERE km > 8;")
        send("\x1b[C")
        typist.line("COUNT FROM trails WHERE km > 8;")
        send("\r")

    assert at_prompt(keys).count("│     1 │") == 2
