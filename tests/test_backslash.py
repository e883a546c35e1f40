"""The commands of the prompt, each on a real database in memory."""

from __future__ import annotations

import io
import json
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from conftest import ROOT
from fake_server import FakeServer

import qql
from qql.cli.backslash import COMMANDS, GROUPS, SUBJECTS
from qql.cli.backslash.scripts import parts_of
from qql.cli.commands.connection import LateSession
from qql.cli.commands.options import Arguments
from qql.cli.profiles.profile import Profile
from qql.cli.render import Renderer
from qql.cli.shell import Shell
from qql.errors import QQLError, QQLScriptError, QQLSyntaxError, Source
from qql.session.session import Session

SETUP = """
CREATE COLLECTION docs (dense VECTOR(2, DOT), words SPARSE MODEL 'qdrant/bm25');
CREATE INDEX ON docs FOR year TYPE integer;
UPSERT INTO docs VALUES
  {id: 1, vector: {dense: [1, 0]}, title: 'one', year: 2021},
  {id: 2, vector: {dense: [0.5, 0]}, title: 'two', year: 2022, tags: ['a', 'b']},
  {id: 3, vector: {dense: [0, 1]}, title: 'three', year: '2023'},
  {id: 4, vector: {dense: [0, 0.5]}, title: 'four', year: 2024};
"""
QUERY = "QUERY [1, 0] FROM docs USING dense LIMIT 2;"


def connected(target: str) -> Session:
    return qql.connect(target, retries=0)


class Prompt:
    """A shell on a database in memory, and what it has shown since it was last asked."""

    def __init__(self, width: int = 80) -> None:
        self.files = io.StringIO(), io.StringIO()
        view = Renderer(self.files[0], err=self.files[1], width=width)
        self.shell = Shell(qql.connect(":memory:"), view, connected, plain_texts=True)

    def __call__(self, *lines: str) -> str:
        """What lines give, messages behind results."""
        for line in lines:
            assert self.shell.feed(line), f"{line} left the prompt"
        return self.shown()

    def shown(self) -> str:
        found = ""
        for file in self.files:
            found += file.getvalue()
            file.seek(0)
            file.truncate()
        return found

    def rows(self, line: str) -> list[dict[str, object]]:
        """The rows that a line gives, as data."""
        before, self.shell.renderer.format = self.shell.renderer.format, "jsonl"
        try:
            return [json.loads(row) for row in self(line).splitlines() if row.startswith("{")]
        finally:
            self.shell.renderer.format = before

    def told(self, line: str) -> str:
        """An error of a line as it is shown."""
        with pytest.raises(QQLError) as failed:
            self.shell.feed(line)
        self.shell.renderer.error(failed.value)
        return self.shown()

    def error(self, line: str) -> str:
        """The error of a line: its code, message and hint."""
        with pytest.raises(QQLError) as failed:
            self.shell.feed(line)
        return f"{failed.value.code}: {failed.value.message} ({failed.value.hint})"


@pytest.fixture
def prompt() -> Iterator[Prompt]:
    made = Prompt()
    yield made
    made.shell.close()


@pytest.fixture
def docs(prompt: Prompt) -> Prompt:
    prompt(SETUP)
    return prompt


# ------------------------------------------------------------------------------------ the table


def test_every_command_says_what_it_does_in_a_line_that_fits() -> None:
    for name, one in COMMANDS.items():
        assert one.group in GROUPS
        said = one.help_text()
        assert said and said[0].isupper() and not said.endswith("."), name
        assert len(said) <= 50, f"{name}: what is said of it does not fit beside the names"


def test_every_command_stands_in_a_module_of_the_package() -> None:
    files = {path.stem for path in (ROOT / "qql" / "cli" / "backslash").glob("*.py")}
    subjects = {module.__name__.rpartition(".")[2] for module in SUBJECTS}
    assert subjects <= files
    assert {one.run.__module__.rpartition(".")[2] for one in COMMANDS.values()} == subjects


WANTED = (
    r"\? \h \c \demo \fmt \l \d \di \dv \ds \i \ir \o \once \copy \e \p \x \format \timing \watch \set \unset"
    r" \param \use \profile \readonly \last \history \compare \why \whynot \curl \py \plan \bench \optimize"
    r" \pager \! \q"
)


def test_all_commands_that_were_asked_for_are_there() -> None:
    assert set(WANTED.split()) <= COMMANDS.keys()


def test_the_list_of_commands_fits_and_is_grouped(prompt: Prompt) -> None:
    text = prompt(r"\?")
    assert max(map(len, text.splitlines())) <= 80
    assert [line for line in text.splitlines() if line in GROUPS] == list(GROUPS)
    for one in COMMANDS.values():
        assert re.search(rf"^  {re.escape(one.usage())}  +{re.escape(one.help_text())}$", text, re.M), (
            one.name
        )


def test_the_list_of_commands_fits_into_twenty_columns() -> None:
    narrow = Prompt(20)
    text = narrow(r"\?")
    narrow.shell.close()
    assert max(map(len, text.splitlines())) <= 20
    for one in COMMANDS.values():
        assert f"{one.usage()} {one.help_text()}" in " ".join(text.split())


def test_a_list_that_is_longer_than_the_screen_goes_through_the_pager(
    prompt: Prompt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(prompt.files[0], "isatty", lambda: True)
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm")
    prompt.shell.renderer.interactive, path = True, tmp_path / "paged"
    prompt(rf"\pager cat > {path}")
    assert prompt(r"\?") == ""
    assert r"\whynot ID" in path.read_text()
    assert r"Build the indexes" in prompt(r"\? \optimize")  # which fits


def test_a_command_is_told_about_with_all_that_is_said_of_it(prompt: Prompt) -> None:
    text = " ".join(prompt(r"\? \d").split())
    assert text.startswith(r"\d [COLLECTION] Describe a collection.")
    assert "a sample of at most 200 points" in text
    assert r"did you mean `\watch`?" in prompt.error(r"\? \wach")
    assert "at most" in prompt("help limit") and prompt(r"\h limit") == prompt("help limit")


def test_running_a_script_loads_no_commands(tmp_path: Path) -> None:
    program = "import sys; from qql.cli import main; main(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, "run", "-c", "SHOW STAGES"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded = done.stdout.split()
    assert "qql.cli.shell" in loaded
    assert not [name for name in loaded if name.startswith("qql.cli.backslash")]


def test_a_command_in_a_pipe_is_an_error_that_says_where_it_belongs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qql"], input="\\d\n", capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 3
    assert r"commands like `\d` are for the prompt" in done.stderr


# ------------------------------------------------------------------------------------ what there is


def test_collections_are_listed_with_points_and_size(docs: Prompt) -> None:
    [row] = docs.rows(r"\l")
    disk = row.pop("disk")
    assert row == {"collection": "docs", "points": 4, "vectors": 2, "indexes": 1, "status": "green"}
    assert isinstance(disk, int) and 10_000 < disk < 100_000_000
    assert docs.rows(r"\d")[0]["collection"] == "docs"
    assert re.search(r"│ docs +│ +4 │.* [0-9.]+ [kM]B │", docs(r"\l"))


def test_a_collection_that_is_damaged_hides_none_of_the_others(docs: Prompt, tmp_path: Path) -> None:
    docs(rf"\c {tmp_path / 'data'}", SETUP, "CREATE COLLECTION bad (v VECTOR(2, DOT));")
    docs(r"\c :memory:")
    (tmp_path / "data" / "collections" / "bad" / "edge_config.json").write_text("{")
    docs(rf"\c {tmp_path / 'data'}")
    bad, good = docs.rows(r"\l")
    assert bad["points"] is None and bad["status"] == "database-corrupt"
    assert good["points"] == 4 and good["status"] == "green"
    docs(r"\c :memory:")  # for its folder goes before its fixture


def test_a_collection_is_described_whole(docs: Prompt) -> None:
    text = docs(r"\d docs")
    assert re.search(r"^collection docs: 4 points, green, [0-9.]+ [kM]B on disk$", text, re.M)
    assert re.search(r"│ dense +│ dense +│ 2 +│ Dot +│ +│ +│", text)
    assert re.search(r"│ words +│ sparse +│ +│ +│ qdrant/bm25 │ modifier = 'idf' │", text)
    assert re.search(r"│ year +│ integer │ +3 │", text)
    assert "payload fields seen in all 4 points" in text
    assert re.search(r"│ title │ text +│ 100% +│ +│", text)
    assert re.search(r"│ year +│ integer 75%, text 25% │ 100% +│ integer │", text)
    assert re.search(r"│ tags +│ text +│ 25% +│ +│", text)
    assert text == docs(r"\d 'docs'")


def test_a_sample_of_a_large_collection_says_how_large_it_is(docs: Prompt) -> None:
    rows = ", ".join(f"{{id: {number}, vector: {{dense: [1, 1]}}, n: {number}}}" for number in range(10, 400))
    docs(f"UPSERT INTO docs VALUES {rows};")
    assert "payload fields seen in a sample of 200 points" in docs(r"\d docs")


def test_a_description_as_data_has_numbers(docs: Prompt) -> None:
    [found] = docs.rows(r"\d docs")
    assert found["points"] == found["sampled_points"] == 4
    assert {"field": "year", "points": 4, "kinds": {"integer": 3, "text": 1}} in found["fields"]  # type: ignore[operator]
    assert [vector["vector"] for vector in found["vectors"]] == ["dense", "words"]  # type: ignore[attr-defined]


def test_an_empty_collection_is_described(prompt: Prompt) -> None:
    prompt("CREATE COLLECTION bare (dense VECTOR(2, DOT));")
    text = prompt(r"\d bare")
    assert "0 points" in text and "no payload indexes" in text and "no payload fields" in text


@pytest.mark.parametrize("name", ["\\d", "\\di", "\\dv", "\\use", "\\optimize"])
def test_a_collection_that_there_is_not_is_refused_with_the_one_that_was_meant(
    docs: Prompt, name: str
) -> None:
    assert docs.error(f"{name} dcs") == "no-collection: there is no collection `dcs` (did you mean `docs`?)"


def test_a_name_of_controls_cannot_drive_the_terminal(prompt: Prompt) -> None:
    prompt("CREATE COLLECTION a (v VECTOR(2, DOT)); DEFINE `\x1b[31m` AS (QUERY [1, 0] LIMIT 3);")
    prompt("UPSERT INTO a VALUES {id: 1, vector: {v: [1, 0]}, `\x1b[31m`: '\x1b[32m'};")
    prompt("SCROLL FROM a WHERE kind != '\x1b[32m';", "\\set q \x1b[31m")
    for line in (r"\d a", r"\ds", r"\p", r"\last", r"\set", r"\param"):
        text = prompt(line)
        assert "\x1b" not in text, line
        assert re.search(r"\\x1b\[3|\\u001b\[3", text), line
    for line in ("\\use \x1b[31m", "\\last \x1b[31m", "\\timing \x1b[31m", "\\nothing\x1b[31m"):
        assert "\x1b" not in prompt.told(line), line


def test_indexes_and_vectors_are_listed_of_all_collections_or_of_one(docs: Prompt) -> None:
    docs("CREATE COLLECTION other (v VECTOR(3, COSINE)); CREATE INDEX ON other FOR kind TYPE keyword;")
    assert [(row["collection"], row["field"]) for row in docs.rows(r"\di")] == [
        ("docs", "year"),
        ("other", "kind"),
    ]
    assert [row["field"] for row in docs.rows(r"\di other")] == ["kind"]
    assert [(row["vector"], row["size"]) for row in docs.rows(r"\dv")] == [
        ("dense", 2),
        ("words", None),
        ("v", 3),
    ]
    assert [row["distance"] for row in docs.rows(r"\dv other")] == ["Cosine"]


def test_stages_and_aliases_are_listed(docs: Prompt) -> None:
    docs("DEFINE near AS (QUERY [1, 0] USING dense LIMIT 9); CREATE ALIAS d FOR COLLECTION docs;")
    assert docs.rows(r"\ds") == [
        {"name": "near", "kind": "stage", "stands for": "QUERY [1, 0] USING dense LIMIT 9"},
        {"name": "d", "kind": "alias", "stands for": "docs"},
    ]


def test_a_collection_is_optimized(docs: Prompt) -> None:
    assert "optim" in docs(r"\optimize docs")
    assert r"\use docs" in docs.error(r"\optimize")
    docs(r"\use docs")
    assert "docs is already optimal" in docs(r"\optimize")


# ------------------------------------------------------------------------------------ connection


def test_a_collection_in_use_is_that_of_statements_that_name_none(docs: Prompt) -> None:
    assert "no collection is in use" in docs(r"\use")
    docs(r"\use docs")
    assert "using docs" in docs(r"\use")
    assert docs.rows("COUNT;") == [{"count": 4}]


def test_connecting_elsewhere_leaves_the_old_database(docs: Prompt, tmp_path: Path) -> None:
    assert "connected to :memory:" in docs(r"\c")
    docs(rf"\c {tmp_path / 'other'}", "CREATE COLLECTION there (v VECTOR(2, DOT));")
    assert [row["collection"] for row in docs.rows(r"\l")] == ["there"]
    assert docs.error(r"\c http://127.0.0.1:1").startswith("connection-failed")
    assert [row["collection"] for row in docs.rows(r"\l")] == ["there"]
    docs(r"\c :memory:")


def test_a_connection_that_fails_leaves_the_profile_as_well(docs: Prompt) -> None:
    protected = Profile("prod", {"url": "http://127.0.0.1:2"}, protected=True)

    def elsewhere(target: str) -> Session:
        docs.shell.access.profile = None
        return connected(target)

    docs.shell.access.profile, docs.shell.connect = protected, elsewhere
    assert docs.error(r"\c http://127.0.0.1:1").startswith("connection-failed")
    assert docs.shell.access.profile is protected


def test_a_read_only_prompt_refuses_what_writes_and_stays_so(docs: Prompt) -> None:
    assert docs(r"\readonly on") == "read-only is on\n"
    assert docs.error("DELETE FROM docs WHERE id = 1;").startswith("read-only")
    assert docs.error(r"\optimize docs").startswith("read-only")
    assert docs.rows("COUNT FROM docs;") == [{"count": 4}]
    docs(r"\c :memory:")
    assert docs.error("CREATE COLLECTION c (v VECTOR(2, DOT));").startswith("read-only")
    assert docs(r"\readonly") == "read-only is off\n"
    docs("CREATE COLLECTION c (v VECTOR(2, DOT));")
    assert docs.error(r"\readonly maybe") == r"usage: \readonly requires on or off, found maybe (None)"


def test_a_database_in_memory_that_is_not_open_yet_is_made_read_only() -> None:
    shell = Prompt().shell
    shell.take_session(cast(Session, LateSession(Arguments(), None)))
    shell.feed(r"\readonly on")
    with pytest.raises(QQLError, match="read-only"):
        shell.feed("CREATE COLLECTION c (v VECTOR(2, DOT));")
    shell.close()


def test_profiles_are_listed_without_what_is_secret_in_them(
    docs: Prompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    monkeypatch.setenv("QQL_CONFIG", str(path))
    assert "there are no profiles in" in docs(r"\profile")
    path.write_text(
        '[profiles.prod]\nurl = "http://host:6333"\nprotected = true\n[profiles.here]\ndb = "data"\n'
    )
    path.chmod(0o600)
    rest = {"read-only": False, "in use": False}
    assert docs.rows(r"\profile") == [
        {"profile": "prod", "target": "http://host:6333", "protected": True} | rest,
        {"profile": "here", "target": "data", "protected": False} | rest,
    ]


def test_a_profile_is_connected_to(docs: Prompt) -> None:
    profile = Profile("here", {"db": ":memory:", "read_only": True})

    def opened(name: str) -> tuple[Session, Profile]:
        assert name == "here"
        return qql.connect(":memory:", read_only=True), profile

    docs.shell.access.open_profile = opened
    assert docs(r"\profile here") == "connected to :memory:, by the profile here, read-only\n"
    assert docs.rows(r"\l") == []
    assert docs(r"\c") == "connected to :memory:, by the profile here, read-only\n"


def test_the_sample_collection_is_loaded_and_its_lines_run(prompt: Prompt) -> None:
    text = prompt(r"\demo")
    assert prompt.rows("COUNT FROM demo;") == [{"count": 30}]
    assert "QUERY" in text
    prompt(text)
    assert "there is a collection demo already" in prompt.error(r"\demo")


# ------------------------------------------------------------------------------------ what was typed


def test_the_last_statement_is_printed_and_laid_out(docs: Prompt) -> None:
    docs("query [1,0]   from docs using dense limit 2 ;")
    assert docs(r"\p") == "query [1,0]   from docs using dense limit 2 ;\n"
    assert docs(r"\fmt") == "QUERY [1, 0] FROM docs USING dense LIMIT 2;\n"
    assert docs(r"\p") == "QUERY [1, 0] FROM docs USING dense LIMIT 2;\n"


@pytest.mark.parametrize(
    "name", [rf"\{one}" for one in ("p", "fmt", "watch", "why 1", "curl", "py", "plan", "bench")]
)
def test_what_needs_a_statement_says_so_where_there_is_none(prompt: Prompt, name: str) -> None:
    assert prompt.error(name).startswith("no-statement: there is no")


def editor(path: Path, program: str) -> str:
    """A command that changes the file it is given: ``text`` is what is in it."""
    path.write_text(
        f"import sys, pathlib\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n{program}"
    )
    return f"{sys.executable} {path}"


def test_the_last_statement_is_edited_and_run(
    docs: Prompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    program = (
        f"pathlib.Path({str(seen)!r}).write_text(f'{{file}} {{file.stat().st_mode:o}}')\n"
        "file.write_text(text.replace('LIMIT 2', 'LIMIT 3'))"
    )
    monkeypatch.setenv("EDITOR", editor(tmp_path / "edit.py", program))
    monkeypatch.delenv("VISUAL", raising=False)
    docs(QUERY)
    kept: list[str] = []
    docs.shell.remember = kept.append
    assert "(3 rows" in docs(r"\e")
    assert kept == ["QUERY [1, 0] FROM docs USING dense LIMIT 3;"]
    assert docs.shell.typed == "QUERY [1, 0] FROM docs USING dense LIMIT 3;"
    path, mode = seen.read_text().split()
    assert stat.S_IMODE(int(mode, 8)) == 0o600
    assert path.endswith(".qql") and not Path(path).exists()


def test_an_edited_statement_without_its_end_stands_at_the_prompt(
    docs: Prompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "VISUAL", editor(tmp_path / "edit.py", "file.write_text('QUERY [1, 0]\\nFROM docs\\n')")
    )
    assert docs(r"\e") == ""
    assert docs.shell.taken_draft() == "QUERY [1, 0]\nFROM docs"
    assert docs.shell.taken_draft() == ""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("sys.exit(3)", "ended with code 3; the text is as it was"),
        ("file.write_bytes(b'\\xff')", "what the editor left cannot be read"),
        ("file.unlink()", "what the editor left cannot be read"),
    ],
)
def test_an_editor_that_fails_runs_nothing(
    docs: Prompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    docs(QUERY)
    monkeypatch.setenv("VISUAL", editor(tmp_path / "edit.py", program))
    assert said in docs.error(r"\e")
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    assert "cannot start /no/such/editor: No such file or directory" in docs.error(r"\e")
    monkeypatch.setenv("VISUAL", editor(tmp_path / "edit.py", ""))
    assert docs(r"\e") == "not changed\n"
    assert docs.shell.typed == QUERY


def test_a_statement_is_watched_so_many_times_or_until_ctrl_c(
    docs: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    docs("COUNT FROM docs;")
    monkeypatch.setattr(time, "sleep", waited.append)
    assert len(docs.rows(r"\watch 3 4")) == 4
    assert waited == [3, 3, 3]

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop)
    assert "watched once" in docs(r"\watch")
    for wrong in ("often", "-1", "nan", "1 0", "1 2 3", "1e9"):
        assert docs.error(rf"\watch {wrong}").startswith(r"usage: \watch requires seconds")


def test_what_was_typed_is_listed(docs: Prompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qql.cli.prompt.history import open_history

    monkeypatch.setenv("QQL_HISTORY", str(tmp_path / "history"))
    assert docs(r"\history") == "the history is empty\n"
    history = open_history()[0]
    for number in range(30):
        history.append_string(f"COUNT FROM c{number};")
    history.append_string("SHOW\nSTAGES;")
    text = docs(r"\history")
    assert text.startswith("COUNT FROM c11;\n")
    assert text.endswith("SHOW\nSTAGES;\n11 older ones are not shown; `\\history WORD` looks for one\n")
    assert docs(r"\history stages") == "SHOW\nSTAGES;\n"
    assert docs(r"\history c1").count("COUNT") == 11
    monkeypatch.setenv("QQL_HISTORY", "")
    assert docs.error(r"\history").startswith("no-history")


# ------------------------------------------------------------------------------------ results


def test_the_last_result_is_shown_again_and_nothing_is_asked(docs: Prompt) -> None:
    docs(QUERY)
    docs.shell.session.close()  # whoever asks now is refused
    assert docs(r"\last json") == (
        '[{"id":1,"score":1.0,"payload":{"title":"one","year":2021}},\n'
        ' {"id":2,"score":0.5,"payload":{"title":"two","year":2022,"tags":["a","b"]}}]\n'
    )
    assert docs.shell.renderer.format == "table"
    assert "│  1 │   1.0 │ one" in docs(r"\last")
    assert "did you mean `jsonl" in docs.error(r"\last jsnl")


def test_there_is_no_last_result_before_the_first(prompt: Prompt) -> None:
    assert prompt.error(r"\last").startswith("no-result")


def test_the_expanded_view_is_switched_and_set(docs: Prompt) -> None:
    docs(r"\x")
    assert "──[ 1 ]" in docs(QUERY)
    docs(r"\x")
    assert "──[ 1 ]" not in docs(QUERY)
    assert "expanded view is on" in docs(r"\x on") and "──[ 1 ]" in docs(QUERY)
    assert "expanded view is auto" in docs(r"\x auto") and "──[ 1 ]" not in docs(QUERY)
    assert docs.error(r"\x maybe") == r"usage: \x requires on, off or auto, found maybe (None)"


def test_the_pager_is_chosen(prompt: Prompt) -> None:
    assert prompt(r"\pager") == "the pager is on\n"
    assert prompt(r"\pager OFF") == "the pager is off\n" and prompt.shell.renderer.pager == "off"
    prompt(r"\pager less -S")
    assert prompt.shell.renderer.pager == "less -S"


def test_the_last_result_is_shown_whole_where_only_its_beginning_was_shown(
    docs: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docs.files[0], "isatty", lambda: True)
    docs.shell.renderer.interactive, docs.shell.renderer.most_rows = True, 2
    docs.shell.renderer.pager = "off"
    assert "the first 2 of 4 rows" in docs("SCROLL FROM docs LIMIT 4;")
    docs(r"\format jsonl")
    assert docs(r"\last").count('"id"') == 4


def test_the_formats_are_listed_and_chosen(docs: Prompt) -> None:
    assert "format is table; the formats are table, vertical, json, jsonl" in docs(r"\format")
    docs(r"\format csv")
    assert docs("COUNT FROM docs;").strip() == "count\n4"


# ------------------------------------------------------------------------------------ parameters


def test_a_parameter_has_the_type_that_was_asked_for(docs: Prompt) -> None:
    docs(r"\param zip text 02139", r"\param n integer 3", r"\param x float 3", r"\param v list [1, 0]")
    docs(r"\param yes bool true", r"\param o object {\"a\": 1}".replace('\\"', '"'))
    assert docs.shell.params == {"zip": "02139", "n": 3, "x": 3.0, "v": [1, 0], "yes": True, "o": {"a": 1}}
    assert isinstance(docs.shell.params["x"], float)
    assert {"parameter": ":v", "type": "list", "value": [1, 0]} in docs.rows(r"\param")
    assert docs.rows(r"\param n") == [{"parameter": ":n", "type": "integer", "value": 3}]
    assert docs.rows("QUERY :v FROM docs USING dense LIMIT :n;")[0]["id"] == 1
    for wrong in ("n integer 1.5", "n integer true", "v list 5", "yes bool 1", "n integer"):
        assert "a value of type" in docs.error(rf"\param {wrong}")
    assert "the types are text, integer" in docs.error(r"\param n date 2024-01-01")
    assert "did you mean `zip`?" in docs.error(r"\param zp")


def test_numbers_and_names_of_parameters_do_not_mix(docs: Prompt) -> None:
    docs(r"\set 1 [1, 0]", r"\set 2 1")
    assert docs.rows("QUERY ? FROM docs USING dense LIMIT ?;") == [
        {"id": 1, "score": 1.0, "payload": {"title": "one", "year": 2021}}
    ]
    assert "names cannot be added" in docs.error(r"\set q red")
    assert "the next one is 3" in docs.error(r"\set 5 red")
    docs(r"\unset 2", r"\unset 1", r"\set q red")
    assert docs.shell.params == {"q": "red"}
    assert "`?` cannot be added" in docs.error(r"\set 1 red")
    assert docs.error(r"\set a-b 1").startswith("usage: a parameter is a name, found a-b")
    assert docs(r"\set") == ':q = "red"\n'


# ------------------------------------------------------------------------------------ files


def test_results_go_to_a_file_until_they_do_not(docs: Prompt, tmp_path: Path) -> None:
    path = tmp_path / "hits.csv"
    docs(rf"\o {path}")
    assert docs("COUNT FROM docs;", "COUNT FROM docs WHERE year = 2021;") == ""
    docs(r"\o")
    assert path.read_text() == "count\n4\n\ncount\n1\n"
    assert "│     4 │" in docs("COUNT FROM docs;")


def test_the_next_results_go_to_a_file_once(docs: Prompt, tmp_path: Path) -> None:
    path = tmp_path / "a hit.jsonl"
    docs(rf"\once '{path}'")
    assert docs(QUERY) == ""
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [1, 2]
    assert "(2 rows" in docs(QUERY)
    docs(rf"\once {tmp_path / 'last.md'}", r"\last")
    assert (tmp_path / "last.md").read_text().startswith("| id | score |")
    assert docs.shell.output is None


def test_results_go_to_a_file_once_even_where_the_statement_fails(docs: Prompt, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    docs(rf"\once {path}")
    assert "syntax" in docs.error("COUNT FORM docs;")  # which runs nothing
    assert "invalid-field" in docs.error("COUNT FROM docs; COUNT FROM docs WHERE `\a` = 1;")
    assert path.read_text() == '{"count":4}\n'
    assert "│     4 │" in docs("COUNT FROM docs;")


def test_a_file_that_cannot_be_written_leaves_the_terminal(docs: Prompt, tmp_path: Path) -> None:
    assert docs.error(rf"\o {tmp_path}").startswith("file-unwritable")
    assert docs.error(r"\once").startswith(r"usage: \once requires a file or a command")
    assert "(2 rows" in docs(QUERY)


def test_results_go_to_a_command(docs: Prompt, tmp_path: Path) -> None:
    path = tmp_path / "upper"
    docs(r"\format jsonl", rf"\once | tr a-z A-Z > {path}", "COUNT FROM docs;")
    assert path.read_text() == '{"COUNT":4}\n'
    docs(r"\once | true")  # which reads nothing
    docs("SCROLL FROM docs LIMIT 4;")
    docs(r"\once | exit 3")
    assert docs.error("COUNT FROM docs;") == "command-failed: `| exit 3` ended with 3 (None)"
    assert docs.rows("COUNT FROM docs;") == [{"count": 4}]


def test_a_script_has_commands_between_its_statements(docs: Prompt, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "inner.qql").write_text("\\set n 1\nCOUNT FROM docs WHERE id = :n;\n")
    (tmp_path / "main.qql").write_text(
        "\ufeff-- a comment\n\\format jsonl\r\nCOUNT FROM docs;\r\n\\ir parts/inner.qql\n"
        "SCROLL FROM docs WHERE title = 'no\n\\n\ncommand';\n\\q\nDROP COLLECTION docs;\n"
    )
    assert docs(rf"\i {tmp_path / 'main.qql'}").splitlines()[:2] == ['{"count":4}', '{"count":1}']
    assert docs.shell.scripts == []
    assert docs.rows("COUNT FROM docs;") == [{"count": 4}]


def test_a_script_that_is_wrong_somewhere_does_nothing(docs: Prompt, tmp_path: Path) -> None:
    path = tmp_path / "wrong.qql"
    path.write_text("DROP COLLECTION docs;\n\\tming\nCOUNT FORM docs;\n")
    with pytest.raises(QQLScriptError) as failed:
        docs.shell.feed(rf"\i {path}")
    unknown, syntax = failed.value.diagnostics
    assert unknown.code == "unknown-command" and unknown.hint == r"did you mean `\timing`?"
    assert [one.source and one.span and one.source.position(one.span.start) for one in (unknown, syntax)] == [
        (2, 1),
        (3, 7),
    ]
    assert docs.rows("COUNT FROM docs;") == [{"count": 4}]


def test_a_script_that_runs_itself_ends(docs: Prompt, tmp_path: Path) -> None:
    path = tmp_path / "circle.qql"
    path.write_text(f"\\i {path}\n")
    assert docs.error(rf"\i {path}").startswith("too-deep: more than 16 scripts run each other")
    assert docs.shell.scripts == []


def test_a_command_is_found_outside_of_strings_comments_and_batches_only() -> None:
    text = "A '\n\\b\n' /*\n\\c\n*/;\n  \\d e\nBATCH {\n\\f\n};\n\\g\n"
    found = [(part.is_command, part.source.text.strip()) for part in parts_of(Source(text, "x"))]
    assert found == [
        (False, "A '\n\\b\n' /*\n\\c\n*/;"),
        (True, "\\d e"),
        (False, "BATCH {\n\\f\n};"),
        (True, "\\g"),
    ]


def test_a_pasted_block_has_statements_and_commands_in_its_order(docs: Prompt) -> None:
    docs(r"\format jsonl")
    text = docs("COUNT FROM docs;\n\\set n 1\nCOUNT FROM docs\n  WHERE id = :n;\n\\p")
    assert text.splitlines()[:4] == ['{"count":4}', '{"count":1}', "COUNT FROM docs", "  WHERE id = :n;"]
    assert not docs.shell.feed("COUNT FROM docs;\n\\q\nDROP COLLECTION docs;")
    docs.shown()
    assert "unknown-command" in docs.error("DROP COLLECTION docs;\n\\nothing")
    assert docs.rows("COUNT FROM docs;") == [{"count": 4}]


def test_copy_of_the_prompt_is_copy_and_says_so(docs: Prompt, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": 9, "dense": [1, 1], "title": "nine"}\n')
    text = docs(rf"\copy docs FROM '{tmp_path / 'rows.jsonl'}'")
    assert r"\copy is COPY here" in text
    assert docs.rows("COUNT FROM docs;") == [{"count": 5}]
    with pytest.raises(QQLSyntaxError):
        docs(r"\copy docs")
    docs.shown()
    assert docs.error(r"\copy").startswith("usage")


# ------------------------------------------------------------------------------------ queries


def test_why_is_about_the_last_query_and_its_parameters(docs: Prompt) -> None:
    docs(
        r"\set v [1, 0]",
        r"\set year 2022",
        "QUERY :v FROM docs USING dense LIMIT 2;",
        "COUNT FROM docs;",
        r"\unset v",
    )
    assert "point 1 is hit 1 of 2" in docs(r"\why 1")
    assert "point 3 is no hit" in docs(r"\whynot 3")
    assert "point 4 (four) is no hit" in docs(r"\whynot WHERE year = 2024")
    assert docs.error(r"\why").startswith(r"usage: \why requires the id of a point, or a condition (as in")


def test_a_uuid_needs_no_quotes(docs: Prompt) -> None:
    key = "0b9f7e1c-1111-4222-8333-444455556666"
    docs(f"UPSERT INTO docs VALUES {{id: '{key}', vector: {{dense: [2, 0]}}}};", QUERY)
    assert f"point {key} is hit 1 of 2" in docs(rf"\why {key}")
    assert docs(rf"\why '{key}'") == docs(rf"\why {key}")


def test_the_plan_is_that_of_the_last_statement_that_reads(docs: Prompt) -> None:
    docs(QUERY, "UPSERT INTO docs VALUES {id: 5, vector: {dense: [0, 0]}};")
    assert "POST /collections/docs/points/query" in docs(r"\plan")
    assert "measured with" in docs(r"\plan analyze")
    assert docs.error(r"\plan fast").startswith(r"usage: \plan takes nothing or ANALYZE")


def test_the_last_query_as_curl_and_as_python(docs: Prompt) -> None:
    docs(r"\set v [1, 0]", "QUERY :v FROM docs USING dense LIMIT 2;", r"\unset v")
    text = docs(r"\curl")
    assert text.startswith("curl -X POST 'http://localhost:6333/collections/docs/points/query'")
    assert '"nearest": [1, 0]' in text
    code = docs(r"\py")
    compile(code, "py", "exec")
    assert 'client.query_points(\n    collection_name="docs",' in code


def test_what_would_be_embedded_here_is_said(docs: Prompt) -> None:
    docs("QUERY 'one' FROM docs USING words;")
    assert "the texts are embedded here, by qdrant/bm25" in docs(r"\curl")


def test_the_last_two_queries_are_compared(docs: Prompt) -> None:
    assert docs.error(r"\compare").startswith(
        "no-statement: two queries that differ are required, found none"
    )
    docs(QUERY, QUERY)
    assert "found 1" in docs.error(r"\compare")
    docs("QUERY [0.4, 1] FROM docs USING dense LIMIT 3;")
    assert docs.rows(r"\compare") == [
        {
            "rank_a": 1,
            "id": 1,
            "rank_b": 3,
            "move": "↓2",
            "score_a": 1.0,
            "score_b": pytest.approx(0.4),
            "title": "one",
        },
        {
            "rank_a": 2,
            "id": 2,
            "rank_b": None,
            "move": "gone",
            "score_a": 0.5,
            "score_b": None,
            "title": "two",
        },
        {
            "rank_a": None,
            "id": 3,
            "rank_b": 1,
            "move": "new",
            "score_a": None,
            "score_b": 1.0,
            "title": "three",
        },
        {
            "rank_a": None,
            "id": 4,
            "rank_b": 2,
            "move": "new",
            "score_a": None,
            "score_b": 0.5,
            "title": "four",
        },
    ]
    text = docs(r"\compare")
    assert "A: QUERY [1, 0] FROM docs USING dense LIMIT 2\n" in text
    assert "1 hit in common, 1 gone, 2 new" in text


def test_two_files_are_compared(docs: Prompt, tmp_path: Path) -> None:
    for name, limit in (("a b.qql", 1), ("c.qql", 2)):
        (tmp_path / name).write_text(f"QUERY :v FROM docs USING dense LIMIT {limit};")
    docs(r"\set v [1, 0]", r"\set other 1")
    assert "1 hit in common, 0 gone, 1 new" in docs(
        rf"\compare '{tmp_path / 'a b.qql'}' {tmp_path / 'c.qql'}"
    )
    assert docs.error(r"\compare one.qql").startswith(r"usage: \compare takes two files or none, found 1")
    assert docs.error(r"\compare no.qql nope.qql").startswith("file-unreadable")


def test_a_query_is_timed_as_often_as_is_said(docs: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    docs(QUERY)
    asked: list[str] = []
    execute = docs.shell.session.execute

    def counted(text: str, *given: object, **named: object) -> object:
        asked.append(text)
        return execute(text, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(docs.shell.session, "execute", counted)
    [row] = docs.rows(r"\bench 7")
    assert row["runs"] == 7 and len(asked) == 8
    assert row["min ms"] <= row["p50 ms"] <= row["p95 ms"] <= row["max ms"]  # type: ignore[operator]
    for wrong in ("0", "-1", "many", "1000000"):
        assert docs.error(rf"\bench {wrong}").startswith(r"usage: \bench requires a number")


def test_a_command_line_of_the_system_is_run(prompt: Prompt, tmp_path: Path) -> None:
    path = tmp_path / "made by 'it'"
    assert prompt(rf'\! touch "{path}"') == ""
    assert path.exists()
    assert prompt(r"\! exit 4") == "the command ended with 4\n"


def test_memory_is_not_kept_for_statements_that_are_long(docs: Prompt) -> None:
    docs(f"COUNT FROM docs WHERE title = '{'x' * 200_000}';")
    for number in range(30):
        docs(f"COUNT FROM docs WHERE id = {number};")
    assert len(docs.shell.ran) == 20
    assert docs.shell.ran[-1].text == "COUNT FROM docs WHERE id = 29"
    assert all(len(one.text) < 1000 for one in docs.shell.ran)


def test_a_server_is_looked_at_with_the_same_commands_and_its_key_stays_unsaid() -> None:
    prompt = Prompt()
    with FakeServer() as server:
        prompt.shell.take_session(qql.connect(server.url, api_key="k3y-of-a-canary"))
        prompt.shell.renderer.secrets = ("k3y-of-a-canary",)
        prompt(SETUP)
        [row] = prompt.rows(r"\l")
        assert row["points"] == 4 and "disk" not in row
        text = prompt(r"\d docs")
        assert "collection docs: 4 points, green\n" in text and "payload fields seen in all 4 points" in text
        assert [index["field"] for index in prompt.rows(r"\di")] == ["year"]
        prompt(QUERY)
        assert "point 1 is hit 1 of 2" in prompt(r"\why 1")
        assert "collection d: 4 points" in prompt("CREATE ALIAS d FOR COLLECTION docs;", r"\d d")
        for shown in (prompt(r"\curl"), prompt(r"\py")):
            assert server.url in shown and "QDRANT_API_KEY" in shown and "k3y" not in shown
        prompt.shell.close()


def test_an_alias_is_described_with_the_size_of_its_collection(docs: Prompt) -> None:
    docs("CREATE ALIAS d FOR COLLECTION docs;")
    assert docs.rows(r"\d d")[0]["disk_bytes"] == docs.rows(r"\d docs")[0]["disk_bytes"]


def test_a_statement_is_watched_without_the_pager(docs: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    docs("COUNT FROM docs;")
    pagers: list[str] = []
    monkeypatch.setattr(time, "sleep", lambda _: pagers.append(docs.shell.renderer.pager))
    docs(r"\watch 1 2")
    assert pagers == ["off"] and docs.shell.renderer.pager == "on"
