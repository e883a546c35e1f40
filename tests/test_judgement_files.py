"""Topics of TREC in XML, cases of Quepid and click logs of UBI as queries and judgements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import qql.evaluation as ev
from qql.cli import main
from qql.evaluation.files import ClickQrels

XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<topics>
  <topic number="1" type="faceted">
    <query>größe &amp; origin</query>
    <description>two
    lines <b>of it</b></description>
    <subtopic number="1">a</subtopic>
    <subtopic number="2">b</subtopic>
  </topic>
  <topic><num>2</num><title>the title</title></topic>
</topics>
"""
SGML = """<top>
<num> Number: 301
<title> International Organized Crime

<desc> Description:
Identify organizations
that participate.
</top>

<top>
<num> Number: 302 <title> Polio
</top>
"""


def written(tmp_path: Path, text: str, name: str = "file") -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_topics_in_xml_are_queries(tmp_path: Path) -> None:
    one, two = ev.read_queries(written(tmp_path, XML))
    assert (one.id, one.params["query"], one.line) == ("1", "größe & origin", 3)
    assert (one.params["description"], one.params["subtopic"]) == ("two lines of it", "a b")
    assert one.params["type"] == "faceted"
    assert (two.id, two.params) == ("2", {"title": "the title", "query": "the title"})
    assert two.place == f"{tmp_path / 'file'}:10"


def test_topics_in_sgml_are_queries(tmp_path: Path) -> None:
    one, two = ev.read_queries(written(tmp_path, SGML))
    assert (one.id, one.params["query"]) == ("301", "International Organized Crime")
    assert (one.params["desc"], one.line) == ("Identify organizations that participate.", 1)
    assert (two.id, two.params["query"], two.line) == ("302", "Polio", 10)


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("<topics>\n<topic><query>x</query></topic></topics>", ":2", "has no number"),
        ("<topics>\n<topic number='1'><desc>x</desc></topic></topics>", ":2", "neither a query nor a title"),
        ("<topics>\n<topic number='1'>\n</topics>", ":3", "not XML: mismatched tag"),
        ("<topics>\n<topic number='1'>", ":2", "not XML: no element found"),
        ("<!DOCTYPE t [\n<!ENTITY a 'aaaa'>\n]><t/>", ":2", "declares entities"),
        ("<top>\n<num> 1\n<title> x\n<top>\n", ":4", "the topic of line 1 has no </top>"),
        ("<top>\n<num> 1\n<title> x\n", ":3", "the topic of line 1 has no </top>"),
        ("<topics></topics>", ":1", "it has no queries"),
        ("<top>\n<num> 1 <title> x\n</top>\n<top>\n<num> 1 <title> y\n</top>", ":4", "is there twice"),
    ],
)
def test_faults_of_topics_name_their_line(tmp_path: Path, text: str, where: str, why: str) -> None:
    with pytest.raises(ev.InputError, match=why) as caught:
        ev.read_queries(written(tmp_path, text))
    assert f"{tmp_path / 'file'}{where}: " in caught.value.message


CASE = {
    "queries": [
        {"query": "star wars", "ratings": {"11": 3, "12": 0}},
        {"query": "nobody rated", "ratings": {}},
        {"query": "rambo", "ratings": {"7": 1}},
    ]
}
CSV = 'query,docid,rating\nstar wars,11,3\nstar wars,12,0\nnobody rated\n"rambo",7,1.0\n'


@pytest.mark.parametrize("text", [json.dumps(CASE), json.dumps(CASE, indent=2), CSV])
def test_a_case_of_quepid_is_queries_and_judgements(tmp_path: Path, text: str) -> None:
    file = written(tmp_path, text)
    queries = ev.read_queries(file)
    assert [(one.id, one.params) for one in queries] == [
        ("1", {"query": "star wars"}),
        ("2", {"query": "nobody rated"}),
        ("3", {"query": "rambo"}),
    ]
    assert ev.read_qrels(file) == ev.read_qrels(file, queries) == {"1": {"11": 3, "12": 0}, "3": {"7": 1}}
    others = [ev.Query("a", {"query": "rambo"})]  # judgements find their queries by the text
    assert ev.read_qrels(file, others) == {"star wars": {"11": 3, "12": 0}, "a": {"7": 1}}
    found = ev.evaluate({"3": ["7"]}, str(file), str(file), measures="RR")
    assert found.evaluations["pipeline"].values[ev.parse_measure("RR")] == {"1": 0, "3": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"queries": {}}', "`queries` is not an array"),
        ('{"queries": [1]}', r"`queries\[0\]` is not an object"),
        ('{"queries": [{"query": 1}]}', r"`queries\[0\].query` is not a string"),
        ('{"queries": [{"query": "a", "ratings": [1]}]}', r"`queries\[0\].ratings` is not an object"),
        ('{"queries": [{"query": "a", "ratings": {"1": "x"}}]}', "the relevance x is not a number"),
        ('{"queries": [', "not JSON"),
        ("query,docid,rating\na,1\n", ":2: 2 cells instead of 3"),
        ("query,docid,rating\na,1,x\n", ":2: the relevance x is not a number"),
        ('query,docid,rating\n"a,1,1\n', "not CSV"),
        ("query,docid,rating\na,1,1\na,1,2\n", ":3: the document '1' of the query '1' is judged twice"),
        ("query,docid,rating\na\n", "it has no judgements"),
    ],
)
def test_faults_of_cases_name_their_place(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ev.InputError, match=why) as caught:
        ev.read_qrels(written(tmp_path, text))
    assert caught.value.code == "bad-qrels"


def search(key: str, text: str, *hits: str) -> dict[str, Any]:
    return {"query_id": key, "user_query": text, "query_response_hit_ids": [*hits], "client_id": "c"}


def event(key: str, doc: str, action: str = "click") -> dict[str, Any]:
    return {
        "action_name": action,
        "query_id": key,
        "event_attributes": {"object": {"object_id": doc}, "position": {"ordinal": 1}},
    }


SEARCHES = [search(f"s{at}", "shoes", "a", "b", "c") for at in range(4)] + [search("t", "hats", "a")]
EVENTS = [
    *(event(f"s{at}", "a") for at in range(4)),  # 4 of 4
    event("s0", "b"),
    event("s0", "b"),  # a second click in one search is no other
    event("t", "a"),
    event("t", "rare", "impression"),
    {"action_name": "login", "query_id": "unknown"},
]


def lines(rows: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, rows))


def test_clicks_over_impressions_are_judgements(tmp_path: Path) -> None:
    log, events = written(tmp_path, lines(SEARCHES), "q"), written(tmp_path, lines(EVENTS), "e")
    queries = ev.read_queries(log)
    assert [(one.id, one.params) for one in queries] == [("s0", {"query": "shoes"}), ("t", {"query": "hats"})]
    qrels = ev.read_qrels(events, queries, impressions=2)
    assert qrels == {"s0": {"a": 4, "b": 2, "c": 0}}  # 4/4, 1/4, 0/4; hats were asked for once
    assert isinstance(qrels, ClickQrels) and qrels.left_out == 2
    assert ev.read_qrels(events, queries, impressions=1)["t"] == {"a": 4, "rare": 0}
    with pytest.raises(ev.InputError, match="no document has 10 impressions"):
        ev.read_qrels(events, queries)
    found = ev.evaluate({"s0": ["b", "a"]}, queries, qrels, measures="nDCG@2")
    (note,) = [one for one in found.notes if one.code == "click-judgements"]
    assert "not corrected for positions: 3 documents; 2 with fewer than 2 impressions" in note.message


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([event("x", "a")], ":1: the query 'x' is not in the file of queries"),
        ([event("t", "a"), {"action_name": "click"}], ":2: it has no query"),
        ([{"action_name": "click", "query_id": "t"}], ":1: `event_attributes.object.object_id` is neither"),
    ],
)
def test_faults_of_events_name_their_line(tmp_path: Path, events: list[dict[str, Any]], why: str) -> None:
    queries = ev.read_queries(written(tmp_path, lines(SEARCHES), "q"))
    with pytest.raises(ev.InputError, match=why):
        ev.read_qrels(written(tmp_path, lines(events), "e"), queries, impressions=1)


def test_events_without_their_searches_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ev.InputError, match="events of UBI belong to searches"):
        ev.read_qrels(written(tmp_path, lines(EVENTS)))


def test_the_command_reads_clicks_and_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, lines(SEARCHES), "q")
    written(tmp_path, lines(EVENTS), "e")
    written(tmp_path, "s0 Q0 a 1 2.0 x\ns0 Q0 c 2 1.0 x\n", "r.run")
    argv = ["eval", "r.run", "--queries", "q", "--measures", "RR", "--format", "json"]
    assert main([*argv, "--qrels", "e", "--min-impressions", "2"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["pipelines"][0]["measures"] == {"RR": 1.0}
    assert any(one["code"] == "click-judgements" for one in data["notes"])
    written(tmp_path, "s0 0 a 1\n", "plain")
    assert main([*argv, "--qrels", "plain", "--min-impressions", "2"]) == 2
    assert "--min-impressions has no meaning" in " ".join(capsys.readouterr().err.split())
