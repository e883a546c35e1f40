"""What destroys something is asked about at the prompt; scripts of a protected profile need --yes for it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT

import qql
from qql import nodes
from qql.cli import access, main
from qql.cli.access import Access, asked_on_terminal
from qql.cli.confirmation import MOST_UNASKED, what_it_touches
from qql.cli.profiles.profile import Profile
from qql.cli.render import Renderer
from qql.cli.shell import Shell
from qql.cli.usage import script_file
from qql.nodes.declare import REMOVES
from qql.session.session import Session

MANY = MOST_UNASKED + 1


@pytest.fixture(scope="module")
def kept() -> Iterator[Session]:
    """A collection of one point more than may be changed unasked; of them, one has b = 1."""
    with qql.connect(":memory:") as session:
        session.run(
            "CREATE COLLECTION docs (v VECTOR(2, COSINE));"
            "CREATE COLLECTION few (v VECTOR(2, COSINE));"
            "CREATE INDEX ON docs FOR a TYPE integer;"
            "CREATE ALIAS known FOR docs;"
        )
        payload = [{"a": 0 if at < MANY - 1 else 1} for at in range(MANY)]
        session.upsert("docs", ids=list(range(MANY)), vectors={"v": [[1.0, 0.5]] * MANY}, payload=payload)
        session.upsert("few", ids=[1, 2], vectors={"v": [[1.0, 0.5]] * 2})
        yield session


def touched(session: Session, text: str, *, sure: bool = True) -> str | None:
    [compiled] = session.compile(text, sent=False)
    found = what_it_touches(compiled, session, sure=sure)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("DROP COLLECTION docs", f"DROP COLLECTION touches the collection docs with {MANY:,} points"),
        ("DROP COLLECTION few", "DROP COLLECTION touches the collection few with 2 points"),
        ("DROP INDEX ON docs FOR a", f"DROP INDEX touches the index on a of docs, which has {MANY:,} points"),
        ("DROP ALIAS known", "DROP ALIAS touches the alias known, and no points"),
        ("DROP SNAPSHOT 's' ON few", "DROP SNAPSHOT touches the snapshot s of few, and no points"),
        (
            "RESTORE SNAPSHOT 's' ON few",
            "RESTORE SNAPSHOT touches 2 points of few, which the snapshot replaces",
        ),
        (
            "ALTER COLLECTION few DROP VECTOR v",
            "ALTER COLLECTION touches the vector v of 2 points of few",
        ),
        ("DELETE FROM docs WHERE a >= 0", f"DELETE touches {MANY:,} points of docs"),
        ("CLEAR PAYLOAD FROM docs WHERE a >= 0", f"CLEAR PAYLOAD touches {MANY:,} points of docs"),
        ("DELETE PAYLOAD a FROM docs WHERE a >= 0", f"DELETE PAYLOAD touches {MANY:,} points of docs"),
        ("DELETE VECTOR v FROM docs WHERE a >= 0", f"DELETE VECTOR touches {MANY:,} points of docs"),
        ("UPDATE docs SET PAYLOAD = {b: 1} WHERE a >= 0", f"UPDATE touches {MANY:,} points of docs"),
        (
            "BATCH { DELETE FROM docs WHERE a = 0; CLEAR PAYLOAD FROM docs WHERE a = 1; }",
            f"BATCH touches {MANY:,} points of docs",
        ),
        (
            "BATCH { DROP ALIAS known; CREATE ALIAS known FOR few; }",
            "BATCH touches the aliases known, and no points",
        ),
    ],
)
def test_it_says_how_many_points_a_statement_touches(kept: Session, text: str, said: str) -> None:
    assert touched(kept, text) == said


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM docs WHERE a = 0",  # as many as may be
        "CLEAR PAYLOAD FROM docs WHERE a = 1",
        "UPDATE few SET PAYLOAD = {b: 1} WHERE id IN (1, 2, 3)",
        "UPDATE few SET VECTOR v = [1, 1] WHERE id = 1",
        "BATCH { DELETE FROM docs WHERE a = 1; UPSERT INTO docs VALUES {id: 1, vector: {v: [1, 0]}}; }",
        "UPSERT INTO docs VALUES {id: 1, vector: {v: [1, 0]}}",
        "DROP COLLECTION IF EXISTS nothing",
        "RESTORE SNAPSHOT 's' ON nothing",
        "CREATE COLLECTION other (v VECTOR(2, COSINE))",
        "EXPLAIN DROP COLLECTION docs",
        "SCROLL FROM docs",
        "SHOW COLLECTIONS",
        "DUMP docs TO '/no/such/file.qql' OVERWRITE",
    ],
)
def test_nobody_is_asked_about_what_destroys_little_or_nothing(kept: Session, text: str) -> None:
    assert touched(kept, text) is None


def test_a_dump_asks_where_it_overwrites_a_file(kept: Session, tmp_path: Path) -> None:
    (tmp_path / "a.qql").write_text("mine")
    said = f"DUMP OVERWRITE touches the file {tmp_path}/a.qql, which 2 points replace"
    assert touched(kept, f"DUMP few TO '{tmp_path}/a.qql' OVERWRITE") == said
    assert touched(kept, f"DUMP few TO '{tmp_path}/a.qql'") is None  # it is refused


def test_what_is_not_sure_counts_as_many(kept: Session) -> None:
    text = "DELETE FROM few WHERE id = 1"
    assert touched(kept, text, sure=False) == "DELETE touches an unknown number of points of few"


def test_every_statement_that_removes_has_words_of_its_own(kept: Session) -> None:
    """What is declared to remove something, and is not tried above, needs a cluster."""
    tried = {"DropCollection", "DropIndex", "DropAlias", "DropSnapshot", "RestoreSnapshot", "DropVector"}
    removing = {kind.__name__ for kind, info in nodes.STATEMENTS.items() if info.effect == REMOVES}
    assert removing == tried | {"DropShardKey"}


# ------------------------------------------------------------------------------------ at the prompt


class Screen:
    """A shell on a database in memory, whose user gives the same answer always."""

    def __init__(self, answer: bool | None, **settings: object) -> None:
        self.questions: list[str] = []
        self.answer = answer
        self.out = io.StringIO()
        session = qql.connect(":memory:")
        session.run(
            "CREATE COLLECTION docs (v VECTOR(2, COSINE));"
            "UPSERT INTO docs VALUES {id: 1, vector: {v: [1, 0]}};"
        )
        self.access = Access(ask=self.asked, **settings)  # type: ignore[arg-type]
        renderer = Renderer(self.out, timing=False)
        self.shell = Shell(session, renderer, lambda target: session, access=self.access)

    def asked(self, question: str) -> bool | None:
        self.questions.append(question)
        return self.answer

    def collections(self) -> list[str]:
        return self.shell.session.collections()


@pytest.fixture
def screen() -> Iterator[Callable[..., Screen]]:
    made: list[Screen] = []

    def make(answer: bool | None, **settings: object) -> Screen:
        made.append(Screen(answer, **settings))
        return made[-1]

    yield make
    for one in made:
        one.shell.session.close()


def test_a_typed_statement_is_carried_out_after_a_yes(screen: Callable[..., Screen]) -> None:
    at = screen(True)
    at.shell.feed("COUNT FROM docs; DROP COLLECTION docs;")
    assert at.questions == ["DROP COLLECTION touches the collection docs with 1 point. Go on? (y/N) "]
    assert at.collections() == []


@pytest.mark.parametrize(("answer", "said"), [(False, "the answer was no"), (None, "no terminal to ask on")])
def test_without_a_yes_it_is_not_and_neither_is_what_follows(
    screen: Callable[..., Screen], answer: bool | None, said: str
) -> None:
    at = screen(answer)
    with pytest.raises(qql.QQLRefusedError) as found:
        at.shell.feed("DROP COLLECTION docs;\nCREATE COLLECTION more (v VECTOR(2, COSINE));")
    assert (found.value.code, found.value.line, said in found.value.message) == ("not-confirmed", 1, True)
    assert at.collections() == ["docs"]


def test_what_a_statement_before_it_has_made_counts(screen: Callable[..., Screen]) -> None:
    at = screen(True)
    at.shell.feed("UPSERT INTO docs VALUES {id: 2, vector: {v: [1, 0]}}; DROP COLLECTION docs;")
    assert "with 2 points" in at.questions[0]


def test_with_yes_nobody_is_asked(screen: Callable[..., Screen]) -> None:
    at = screen(False, yes=True)
    at.shell.feed("DROP COLLECTION docs;")
    assert (at.questions, at.collections()) == ([], [])


def test_a_script_asks_nobody(screen: Callable[..., Screen], tmp_path: Path) -> None:
    (tmp_path / "drop.qql").write_text("DROP COLLECTION docs;")
    for typed in (rf"\i {tmp_path}/drop.qql", f"EXECUTE '{tmp_path}/drop.qql';"):
        at = screen(False)
        at.shell.feed(typed)
        assert (at.questions, at.collections()) == ([], [])


def test_a_script_at_the_prompt_of_a_protected_profile_is_refused_and_what_is_typed_asked(
    screen: Callable[..., Screen], tmp_path: Path
) -> None:
    (tmp_path / "drop.qql").write_text("DROP COLLECTION docs;")
    at = screen(True, profile=Profile("prod", protected=True))
    for typed in (rf"\i {tmp_path}/drop.qql", f"EXECUTE '{tmp_path}/drop.qql';"):
        with pytest.raises(qql.QQLRefusedError) as found:
            at.shell.feed(typed)
        source = found.value.diagnostic.source
        assert (found.value.code, source and source.name) == ("needs-yes", f"{tmp_path}/drop.qql")
    assert at.questions == []
    at.shell.feed("DROP COLLECTION docs;")
    assert (len(at.questions), at.collections()) == (1, [])


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("y\n", True),
        ("YES\n", True),
        (" y \n", True),
        ("n\n", False),
        ("\n", False),
        ("", False),
        ("yo\n", False),
    ],
)
def test_only_y_and_yes_are_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, answer: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(line))
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    monkeypatch.setattr(access, "_forget_typed", lambda: None)
    assert asked_on_terminal("a\x1b[2J? ") is answer
    assert shown.getvalue().startswith("a") and "\x1b" not in shown.getvalue()


def test_what_is_no_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert asked_on_terminal("? ") is None


# ------------------------------------------------------------------------------------ protected profiles


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of 1,001 points in docs and 2 in few, with the profiles safe (protected) and plain."""
    config = tmp_path / "config.toml"
    db = tmp_path / "db"
    config.write_text(f"[profiles.safe]\ndb = '{db}'\nprotected = true\n[profiles.plain]\ndb = '{db}'\n")
    monkeypatch.setenv("QQL_CONFIG", str(config))
    monkeypatch.setenv("QQL_HISTORY", "")
    with qql.connect(db) as session:
        session.run(
            "CREATE COLLECTION docs (v VECTOR(2, COSINE)); CREATE COLLECTION few (v VECTOR(2, COSINE));"
        )
        session.upsert("docs", ids=list(range(MANY)), vectors={"v": [[1.0, 0.5]] * MANY})
        session.upsert("few", ids=[1, 2], vectors={"v": [[1.0, 0.5]] * 2})
    return db


def points(db: Path, collection: str) -> int:
    with qql.connect(db) as session:
        return int(session.execute(f"COUNT FROM {collection}").rows[0]["count"])


def test_a_script_of_a_protected_profile_needs_yes_before_anything_is_sent(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clean.qql").write_text(
        "DELETE FROM few WHERE id = 1;\nDELETE FROM docs WHERE HAS_VECTOR v;\nDROP COLLECTION few;\n"
    )
    assert main(["-p", "safe", "run", str(tmp_path / "clean.qql")]) == 5
    err = capsys.readouterr().err
    assert "clean.qql:2:1" in err and "clean.qql:3:1" in err and "--yes" in err and err.count("error[") == 2
    assert (points(database, "few"), points(database, "docs")) == (2, MANY)
    assert main(["-p", "safe", "--yes", "run", str(tmp_path / "clean.qql")]) == 0
    assert points(database, "docs") == 0


def test_what_destroys_little_needs_none_and_a_profile_that_is_not_protected_neither(database: Path) -> None:
    assert main(["-p", "safe", "-q", "-c", "DELETE FROM few WHERE id = 1"]) == 0
    assert points(database, "few") == 1
    assert main(["-p", "plain", "-q", "-c", "DROP COLLECTION docs; DELETE FROM few WHERE id = 2"]) == 0
    assert points(database, "few") == 0


@pytest.mark.parametrize(
    "script",
    [
        "CREATE ALIAS a FOR few; DELETE FROM a WHERE id = 1",
        "BATCH { CREATE ALIAS a FOR docs; }; UPDATE few SET PAYLOAD = {a: 1} WHERE id = 1",
    ],
)
def test_behind_a_change_of_aliases_nothing_is_sure(
    database: Path, capsys: pytest.CaptureFixture[str], script: str
) -> None:
    assert main(["-p", "safe", "-c", script]) == 5
    assert "an unknown number of points" in capsys.readouterr().err


def test_what_a_script_has_made_itself_it_may_drop(database: Path) -> None:
    script = "CREATE COLLECTION mine (v VECTOR(2, COSINE)); DROP COLLECTION mine"
    assert main(["-p", "safe", "-q", "-c", script]) == 0


def test_a_long_script_is_checked_as_a_whole_too(database: Path, tmp_path: Path) -> None:
    row = "UPSERT INTO few VALUES {id: 3, vector: {v: [1, 0]}, text: '" + "x" * 4000 + "'};\n"
    (tmp_path / "long.qql").write_text(row * 300 + "DROP COLLECTION few;\n")
    assert main(["-p", "safe", "-q", "run", str(tmp_path / "long.qql")]) == 5
    assert points(database, "few") == 2


def test_what_a_measurement_runs_first_needs_it_too(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "setup.qql").write_text("DROP COLLECTION few;")
    (tmp_path / "p.qql").write_text("QUERY :q FROM docs USING v LIMIT 1;")
    (tmp_path / "q.jsonl").write_text('{"_id": "1", "text": "a"}\n')
    given = ["bench", str(tmp_path / "p.qql"), "--queries", str(tmp_path / "q.jsonl")]
    assert main([*given, "-p", "safe", "--setup", str(tmp_path / "setup.qql")]) == 5
    assert "needs-yes" in capsys.readouterr().err
    assert points(database, "few") == 2


def test_a_shell_without_a_profile_checks_as_before(tmp_path: Path) -> None:
    (tmp_path / "a.qql").write_text("CREATE COLLECTION docs (v VECTOR(2, COSINE)); DROP COLLECTION docs;")
    with qql.connect(":memory:") as session:
        shell = Shell(session, Renderer(io.StringIO()), lambda target: session)
        shell.run(script_file(str(tmp_path / "a.qql")))
        assert session.collections() == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
def test_on_a_terminal_the_answer_is_read_from_the_keys(tmp_path: Path) -> None:
    """Ctrl-C and Ctrl-D are no; the prompt comes back after each."""
    import pexpect

    with qql.connect(tmp_path / "db") as session:
        session.run("CREATE COLLECTION docs (v VECTOR(2, COSINE));")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "QQL_HISTORY": "", "PROMPT_TOOLKIT_NO_CPR": "1"}
    given = ["-m", "qql", "--db", str(tmp_path / "db")]
    shell = pexpect.spawn(sys.executable, given, env=env, dimensions=(24, 80), encoding="utf-8", timeout=60)
    for answer, said in (
        ("n\r", "not-confirmed"),
        ("\x04", "not-confirmed"),
        ("\x03", "cancelled"),
        ("y\r", "dropped"),
    ):
        shell.expect_exact("\x1b[?25h")  # the prompt waits
        shell.send("DROP COLLECTION docs;\r")
        shell.expect_exact("with 0 points. Go on? (y/N) ")
        shell.send(answer)
        shell.expect_exact(said)
    shell.expect_exact("\x1b[?25h")
    shell.send("\\q\r")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0
    with qql.connect(tmp_path / "db") as session:
        assert session.collections() == []
