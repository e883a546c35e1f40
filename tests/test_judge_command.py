"""`qql judge` and `qql.evaluation.judge`: who judges, the file of judgements, and what is said at the end."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_recorder import HttpRecorder, Received, Reply
from terminals import prompt

import qql
import qql.evaluation as ev
from qql.cli import main
from qql.cli.judging_screen import excerpt
from qql.errors import QQLModelError
from qql.evaluation.judging.judgement_file import JudgementFile
from qql.evaluation.judging.judges import HttpJudge, judge_of

Run = Callable[..., tuple[int, str, str]]

SETUP = """
CREATE COLLECTION docs (v VECTOR(2, DOT));
UPSERT INTO docs VALUES
  {id: 1, vector: {v: [9, 0]}, text: 'all of shoes'}, {id: 2, vector: {v: [8, 1]}, text: 'some of shoes'},
  {id: 3, vector: {v: [7, 2]}, text: 'nothing', body: 'of shoes'}, {id: 4, vector: {v: [0, 9]}, text: 'no'};
"""
AHEAD = "QUERY :near FROM docs USING v LIMIT 2"
"""1, 2 for [1, 0]; 4, 3 for [0, 1]."""
ASIDE = "QUERY :near FROM docs USING v LIMIT 2 OFFSET 1"
"""2, 3 for [1, 0]; 3, 2 for [0, 1]."""
ROWS = [
    {"_id": "q1", "query": "shoes", "near": [1, 0]},
    {"_id": "q2", "query": "other shoes", "near": [1, 0]},
    {"_id": "q3", "query": "no shoes", "near": [0, 1]},
]
RUN = "{query} Q0 {doc} {rank} {score} x\n"


def worth(query: str, document: str) -> int:
    """All documents with `shoes` are relevant, the first the most."""
    return 2 if document.startswith("all") else int("shoes" in document)


@pytest.fixture
def db() -> Iterator[qql.Session]:
    with qql.connect() as session:
        session.run(SETUP)
        yield session


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with two pipelines, queries, and two runs: B finds d1 first, where A has d2."""
    monkeypatch.chdir(tmp_path)
    for name in ("QDRANT_URL", "QQL_DB", "QQL_JUDGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    Path("setup.qql").write_text(SETUP)
    Path("ahead.qql").write_text(AHEAD)
    Path("aside.qql").write_text(ASIDE)
    Path("log.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    for name, docs in (("a.run", ["d2", "d3"]), ("b.run", ["d1", "d4"])):
        lines = [
            RUN.format(query=row["_id"], doc=doc, rank=rank, score=9 - rank)
            for row in ROWS
            for rank, doc in enumerate(docs, 1)
        ]
        Path(name).write_text("".join(lines))
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(*argv: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(["judge", *argv, "--queries", "log.jsonl"])
        out, err = capsys.readouterr()
        return code, out, err

    return call


SCRIPTS = ("ahead.qql", "aside.qql", "--setup", "setup.qql", "--measure", "nDCG@2", "--scope", "log")
RUNS = ("a.run", "b.run", "--measure", "P@1", "--scope", "log", "-o", "judged.jsonl")


def lines_of(path: str = "judged.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


# ------------------------------------------------------------------------------------ the library


def test_a_function_judges_what_the_engine_found(db: qql.Session) -> None:
    calls: list[tuple[str, str]] = []

    def by(query: str, document: str) -> int:
        calls.append((query, document))
        return worth(query, document)

    found = ev.judge(AHEAD, ASIDE, ROWS, db, judge=by, measure="nDCG@2", scope="log")
    truth = {row["_id"]: {"1": 2, "2": 1, "3": 0, "4": 0} for row in ROWS}
    whole = ev.compare(AHEAD, ASIDE, db, queries=ROWS, qrels=truth, measures="nDCG@2").differences[0]
    low, high = found.judging.log_bounds()
    assert (found.end, found.better) == ("decided", "A")
    assert low - 1e-9 <= whole.difference <= high + 1e-9 < 0
    assert len(calls) == len(found.made) == found.judging.asked < found.judging.documents == 9
    assert {query for query, _ in calls} <= {"shoes", "other shoes", "no shoes"}
    assert "A is better than B by nDCG@2" in found.sentence()
    assert found.sentence() in " ".join(str(found).split())


def test_each_judgement_is_written_with_its_source_and_another_call_goes_on(
    db: qql.Session, tmp_path: Path
) -> None:
    path = tmp_path / "judged.jsonl"
    first = ev.judge(AHEAD, ASIDE, ROWS, db, judge=worth, path=path, measure="nDCG@2", scope="log", most=2)
    assert (first.end, len(lines_of(str(path)))) == ("most", 2)
    row = lines_of(str(path))[0]
    assert list(row) == ["query_id", "doc_id", "relevance", "source", "at"]
    assert row["source"].startswith("function:") and row["source"].endswith(":worth")
    assert row["at"].endswith("+00:00")
    rest = ev.judge(AHEAD, ASIDE, ROWS, db, judge=worth, path=path, measure="nDCG@2", scope="log")
    assert rest.end == "decided" and rest.judging.judged_before == 2
    assert len(lines_of(str(path))) == 2 + rest.judging.asked
    again = ev.judge(AHEAD, ASIDE, ROWS, db, judge=worth, path=path, measure="nDCG@2", scope="log")
    assert (again.made, again.better) == ((), rest.better)
    ev.evaluate(AHEAD, ROWS, path, db, measures="nDCG@2")  # it is a file of judgements


def test_judgements_that_differ_from_those_in_the_file_are_told(db: qql.Session, tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    path.write_text('{"query_id": "q1", "doc_id": "1", "relevance": 3}\n')
    given = {"q1": {"1": 0, "2": 3}}
    found = ev.judge(
        AHEAD, ASIDE, ROWS, db, judge=worth, judgements=given, path=path, measure="P@2", scope="log"
    )
    assert [(one.code, "1 judgement of" in one.message) for one in found.notes] == [("judged-twice", True)]
    assert found.judging.judged("q1")["1"] == 3


def test_a_judge_that_fails_names_the_document_and_what_is_kept(db: qql.Session, tmp_path: Path) -> None:
    path, calls = tmp_path / "judged.jsonl", iter([1, 0])

    def by(query: str, document: str) -> int:
        return next(calls)

    with pytest.raises(QQLModelError) as caught:
        ev.judge(AHEAD, ASIDE, ROWS, db, judge=by, path=path, measure="RBP@2", scope="log", smallest=0.001)
    assert caught.value.code == "judge-failed" and "StopIteration" in caught.value.message
    assert "query 'q" in caught.value.message and f"is in {path}" in caught.value.message
    assert [row["relevance"] for row in lines_of(str(path))] == [1, 0]


@pytest.mark.parametrize("answer", [4, -1, 0.5, True, "2", [1], float("nan")])
def test_an_answer_that_is_no_grade_is_an_error(db: qql.Session, answer: object) -> None:
    with pytest.raises(QQLModelError, match="a relevance is a whole number from 0 to 3") as caught:
        ev.judge(AHEAD, ASIDE, ROWS, db, judge=lambda *_: answer, measure="nDCG@2", scope="log")
    assert caught.value.code == "bad-judgement"


def test_whole_numbers_of_numpy_are_grades_and_none_is_a_skip(db: qql.Session) -> None:
    import numpy as np

    found = ev.judge(
        AHEAD, ASIDE, ROWS, db, judge=lambda *_: np.float32(1), measure="P@2", scope="log", most=1
    )
    assert [(one.relevance, type(one.relevance)) for one in found.made] == [(1, int)]
    found = ev.judge(AHEAD, ASIDE, ROWS, db, judge=lambda *_: None, measure="P@2", scope="log")
    assert (found.end, found.decided, found.judging.asked) == ("nothing left", False, 0)
    assert found.judging.skipped > 0 and "skipped" in found.sentence()


def test_judgements_that_are_there_judge_and_lacking_ones_are_skipped(db: qql.Session) -> None:
    qrels = {row["_id"]: {"1": 2, "3": -1} for row in ROWS}
    found = ev.judge(AHEAD, ASIDE, ROWS, db, judge=qrels, measure="P@2", scope="log")
    assert {(one.document, one.relevance, one.source) for one in found.made} <= {
        ("1", 2, "judgements"),
        ("3", 0, "judgements"),
    }
    assert (found.end, found.better) == ("decided", "A")


def test_the_field_of_the_text_can_be_named_and_a_document_without_one_is_an_error(db: qql.Session) -> None:
    read: list[str] = []

    def by(_: str, document: str) -> int:
        read.append(document)
        return 1

    with pytest.raises(ev.InputError, match="has no text") as caught:
        ev.judge(AHEAD, ASIDE, ROWS, db, judge=by, measure="P@2", scope="log", doc_field="body")
    assert caught.value.code == "no-text" and set(read) <= {"of shoes"}


def test_an_async_function_judges_in_an_event_loop() -> None:
    async def by(query: str, document: str) -> int:
        await asyncio.sleep(0)
        return worth(query, document)

    async def there() -> ev.Verdict:
        async with qql.connect_async() as session:
            await session.run(SETUP)
            return await ev.ajudge(AHEAD, ASIDE, ROWS, session, judge=by, measure="nDCG@2", scope="log")

    assert asyncio.run(there()).better == "A"


def test_the_report_has_every_figure(db: qql.Session) -> None:
    found = ev.judge(AHEAD, ASIDE, ROWS, db, judge=worth, measure="nDCG@2", scope="log")
    data = json.loads(json.dumps(found.to_dict()))
    assert (data["verdict"], data["end"], data["measure"], data["scope"]) == ("A", "decided", "nDCG@2", "log")
    assert data["judgements"]["asked"] == len(data["made"]) and data["judgements"]["all"] == 9
    assert data["log"]["least"] <= data["log"]["most"] < 0
    assert data["population"]["verdict"] is None and data["population"]["hopeless"]
    rows = found.rows("delta")
    assert [row["least"] + row["most"] for row in rows] == sorted(
        row["least"] + row["most"] for row in found.rows()
    )
    with pytest.raises(ev.InputError, match="delta, width, left"):
        found.rows("text")


# ------------------------------------------------------------------------------------ a server


def graded(received: Received) -> Reply:
    return Reply({"relevance": worth(received.body["query"], received.body["document"]), "reason": "so"})


def test_a_server_judges_and_its_reasons_are_kept(
    db: qql.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QQL_JUDGE_API_KEY", "secret")
    path = tmp_path / "judged.jsonl"
    with HttpRecorder(otherwise=graded) as server:
        url = f"{server.url}/grade?token=hidden"
        found = ev.judge(AHEAD, ASIDE, ROWS, db, judge=url, path=path, measure="nDCG@2", scope="log")
    assert found.better == "A" and len(server.received) == found.judging.asked
    assert set(server.last.body) == {"query", "document", "id"} and server.last.path == "/grade"
    assert server.last.headers["authorization"] == "Bearer secret"
    assert {(row["source"], row["reason"]) for row in lines_of(str(path))} == {(f"{server.url}/grade", "so")}
    assert "hidden" not in path.read_text()


def test_a_server_that_is_busy_is_asked_again() -> None:
    replies = iter([Reply({}, 503), Reply({}, 429), Reply({"relevance": 2.0})])
    with HttpRecorder(otherwise=lambda _: next(replies)) as server:
        by = HttpJudge(server.url, 3, sleep=lambda _: None)
        assert by.answer(ev.Question("q", "d", 1, None, 0.1, "text", "text")) == ev.Answer(2)
        by.close()
    assert len(server.received) == 3


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply({"score": 1}), "model-answer"),
        (Reply(b"no JSON"), "model-answer"),
        (Reply([1]), "model-answer"),
        (Reply({"relevance": 9}), "bad-judgement"),
        (Reply({"relevance": None}), "bad-judgement"),
        (Reply({"error": "who?"}, 401), "model-refused"),
    ],
)
def test_an_answer_of_a_server_that_is_none_loses_nothing(
    db: qql.Session, tmp_path: Path, reply: Reply, code: str
) -> None:
    path, replies = tmp_path / "judged.jsonl", iter([Reply({"relevance": 1})])
    with (
        HttpRecorder(otherwise=lambda _: next(replies, reply)) as server,
        pytest.raises(QQLModelError, match="query 'q") as caught,
    ):
        ev.judge(AHEAD, ASIDE, ROWS, db, judge=server.url, path=path, measure="RBP@2", scope="log")
    assert caught.value.code == code
    assert [row["relevance"] for row in lines_of(str(path))] == [1]


# ------------------------------------------------------------------------------------ the command


def test_a_person_answers_line_by_line_and_the_same_command_goes_on(here: Path, run: Run) -> None:
    code, out, err = run(*RUNS, "--judge", "person:anna", stdin="0\n")
    assert code == 1 and "It is open: the judge stopped" in out
    assert "Query     shoes" in err or "Query     other shoes" in err or "Query     no shoes" in err
    assert "Document  d" in err and "goes on with the judgements in judged.jsonl" in err
    assert [(row["relevance"], row["source"]) for row in lines_of()] == [(0, "person:anna")]
    code, out, err = run(*RUNS, "--judge", "person:ben", stdin="0\n0\n0\n0\n0\n")
    assert (code, len(lines_of())) == (0, 6)
    assert "do not differ by P@1" in out
    assert [row["source"] for row in lines_of()].count("person:ben") == 5


def test_undo_takes_the_line_back_and_skip_writes_none(here: Path, run: Run) -> None:
    code, _, _ = run(*RUNS, stdin="1\ns\nu\nu\n0\nq\n")
    assert code == 1
    assert [row["relevance"] for row in lines_of()] == [0]


def test_ranks_and_pipelines_are_not_shown_to_the_judge(here: Path, run: Run) -> None:
    _, _, err = run(*RUNS, "-q", stdin="1\nq\n")
    assert "a.run" not in err and "rank" not in err and "Document" in err


def test_a_line_that_is_no_answer_is_an_error_and_what_was_given_stays(here: Path, run: Run) -> None:
    code, _, err = run(*RUNS, stdin="1\nperhaps\n")
    assert code == 2 and "error[bad-answer]" in err and "line 2 of the answers is 'perhaps'" in err
    assert len(lines_of()) == 1


def test_a_text_with_control_characters_does_not_reach_the_terminal(here: Path, run: Run) -> None:
    Path("setup.qql").write_text(SETUP.replace("'all of shoes'", r"'all \u001b[2J \u202e of shoes'"))
    _, _, err = run(*SCRIPTS, "-o", "j.jsonl", "--judge", "person", stdin="s\n" * 9)
    assert "\x1b" not in err and "\u202e" not in err and "\\x1b[2J \\u202e of shoes" in err


def test_a_function_of_a_file_beside_judges_and_it_is_said(here: Path, run: Run) -> None:
    Path("my_judges.py").write_text("def shoes(query, text):\n    return 'shoes' in text and 1 or 0\n")
    code, out, err = run(*SCRIPTS, "-o", "j.jsonl", "--judge", "my_judges:shoes", "--format", "json")
    assert code == 0 and "the judge runs the code of my_judges:shoes" in err
    assert {row["source"] for row in lines_of("j.jsonl")} == {"function:my_judges:shoes"}
    assert json.loads(out)["judgements"]["asked"] == len(lines_of("j.jsonl"))


def test_a_file_judges_and_needs_no_other(here: Path, run: Run) -> None:
    Path("qrels.tsv").write_text(
        "".join(f"q{at}\td{doc}\t{int(doc == 1)}\n" for at in (1, 2, 3) for doc in (1, 2))
    )
    given = ("a.run", "b.run", "--measure", "P@1", "--scope", "log", "--judge", "qrels.tsv")
    code, out, _ = run(*given, "--per-query", "--sort", "left", "--format", "csv")
    assert code == 0 and out.splitlines()[0] == "query,text,least,most,judged,left"
    code, out, _ = run(*given)
    assert code == 0 and "b is better than a by P@1" in out
    code, out, err = run(*given[:4], "--judge", "qrels.tsv")
    assert code == 1 and "these queries cannot decide it" in out and "--scope log" in err


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["a.run"], 2, "takes two pipelines, found 1"),
        (["a.run", "b.run"], 2, "judgements would be lost: -o names a file"),
        ([*RUNS, "--judge", "nobody"], 2, "there is no judge nobody"),
        ([*RUNS, "--judge", "no_such:thing"], 2, "there is no module no_such"),
        ([*RUNS, "--judge", "json:nothing"], 2, "json has no nothing"),
        ([*RUNS, "--measure", "AP@5"], 2, "judging goes by one measure"),
        (["a.run", "b.run", "--measure", "AP@5", "-o", "j.jsonl"], 2, "what AP@5 can become"),
        (["a.run", "b.run", "--measure", "nDCG", "-o", "j.jsonl"], 2, "--measures nDCG@10"),
        ([*RUNS, "--sort", "delta"], 2, "add --per-query"),
        ([*RUNS, "--per-query", "--sort", "x"], 2, "--sort takes delta, width, left, not x"),
        ([*RUNS[:-1], "j.jsonl.gz"], 2, "plain JSON Lines"),
        ([*RUNS[:-1], "a.run"], 2, "a.run"),
        ([*RUNS, "--scope", "world"], 2, "population or log is required"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    here: Path, run: Run, given: list[str], code: int, said: str
) -> None:
    before = Path("a.run").read_text()
    found, out, err = run(*given, stdin="1\n" * 9)
    assert (found, out) == (code, "") and said in " ".join(err.split())
    assert "Document" not in err and Path("a.run").read_text() == before


def test_keys_need_no_enter_on_a_terminal_and_ctrl_c_keeps_what_was_given(here: Path) -> None:
    arguments = ("judge", *RUNS, "--queries", "log.jsonl", "--judge", "person:anna")
    with prompt(here, *arguments, columns=60) as terminal:
        terminal.shows("q quit:")
        terminal.type("9")
        terminal.shows("that is none of")
        terminal.shows("q quit:")
        terminal.type("1")
        terminal.shows("1 judgement so far")
        terminal.shows("q quit:")
        terminal.type("u")
        terminal.shows("0 judgements so far")
        terminal.shows("q quit:")
        terminal.type("2")
        terminal.shows("1 judgement so far")
        terminal.shows("q quit:")
        terminal.type("\x03")
        terminal.shows("Ctrl-C stopped the judge")
        assert terminal.leaves() == 130
    assert [row["relevance"] for row in lines_of()] == [2]


# ------------------------------------------------------------------------------------ the file


def test_a_line_that_a_kill_cut_off_goes_and_a_whole_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    whole = '{"query_id": "q", "doc_id": "d", "relevance": 1}'
    path.write_text(f'{whole}\n{{"query_id": "q", "doc')
    file = JudgementFile(path)
    file.close()
    assert file.qrels == {"q": {"d": 1}} and path.read_text() == f"{whole}\n"
    path.write_text(whole)  # written by an editor that ends no line
    JudgementFile(path).close()
    assert path.read_text() == f"{whole}\n"


def test_two_judges_do_not_write_to_one_file(tmp_path: Path) -> None:
    file = JudgementFile(tmp_path / "judged.jsonl")
    with pytest.raises(ev.InputError, match="another process writes to") as caught:
        JudgementFile(tmp_path / "judged.jsonl")
    assert caught.value.code == "file-in-use"
    file.close()
    JudgementFile(tmp_path / "judged.jsonl").close()


def test_a_module_that_fails_is_told_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken_judge.py").write_text("1 / 0\n")
    with pytest.raises(ev.InputError, match="ZeroDivisionError") as caught:
        judge_of("broken_judge:f", [], 3)
    assert caught.value.code == "module-failed"
    with pytest.raises(ev.InputError, match="no function"):
        judge_of("json:__doc__", [], 3)
    assert judge_of("json:JSONDecoder.decode", [], 3).source == "function:json:JSONDecoder.decode"


# ------------------------------------------------------------------------------------ what is read of a text


def test_an_excerpt_stands_around_a_word_of_the_query() -> None:
    text = "filler " * 100 + "the red shoes are here " + "filler " * 100
    shown = excerpt(text, "red SHOES", 60)
    assert "red shoes" in shown and shown.startswith("…") and shown.endswith("…") and len(shown) <= 62
    assert excerpt(text, "unknown", 20).startswith("filler")
    assert excerpt("short \n text", "x", 20) == "short text"
    assert excerpt("a" * 50, "x", 20, "...") == "a" * 20 + "..."
