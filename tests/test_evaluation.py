"""Measuring: files, measures against trec_eval, lost documents, significance against SciPy, speed, grids."""

from __future__ import annotations

import gzip
import itertools
import json
import math
import random
import shutil
import statistics
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qql import evaluation as ev
from qql.compiler.bind import stable_uuid
from qql.errors import QQLError
from qql.evaluation import files
from qql.evaluation.measures import MEASURES
from qql.evaluation.significance import _incomplete_beta
from qql.rest.request import Request
from qql.result import Hit, Result


def written(tmp_path: Path, text: str | bytes, name: str = "file") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def fault(code: str, function: Any, *args: Any, **kwargs: Any) -> QQLError:
    with pytest.raises(QQLError) as caught:
        function(*args, **kwargs)
    assert caught.value.code == code, caught.value
    return caught.value


# ---------------------------------------------------------------------------------------------------- queries


def test_queries_of_beir(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '{"_id": "q1", "text": "what is \\"it\\"?", "metadata": {"year": 2020}}\n\n'
        '{"_id": 7, "text": "ÄÖ", "vector": [0.5, 1]}\n',
    )
    first, second = ev.read_queries(path)
    assert (first.id, first.line) == ("q1", 1)
    assert first.params == {"_id": "q1", "query": 'what is "it"?', "metadata": {"year": 2020}}
    assert (second.id, second.line) == ("7", 3)
    assert second.params == {"_id": 7, "query": "ÄÖ", "vector": [0.5, 1]}


@pytest.mark.parametrize("name", files.QUERY_IDS)
def test_a_querys_id_has_several_names(tmp_path: Path, name: str) -> None:
    (query,) = ev.read_queries(written(tmp_path, f'{{"{name}": "a", "query": "x", "text": "y"}}'))
    assert query.id == "a"
    assert query.params == {name: "a", "query": "x", "text": "y"}


def test_a_query_needs_no_text(tmp_path: Path) -> None:
    (query,) = ev.read_queries(written(tmp_path, '{"id": 1, "dense": [1, 0]}'))
    assert query.params == {"id": 1, "dense": [1, 0]}


def test_topics_are_split_at_the_tab_alone(tmp_path: Path) -> None:
    queries = ev.read_queries(written(tmp_path, '\ufeff51\ta "quoted, text\r\n52\tb\n'))
    assert [(q.id, q.params["query"]) for q in queries] == [("51", 'a "quoted, text'), ("52", "b")]


def test_a_header_names_the_columns(tmp_path: Path) -> None:
    (query,) = ev.read_queries(written(tmp_path, "qid\ttext\tlang\n1\thi\tde\n"))
    assert query.params == {"qid": "1", "query": "hi", "lang": "de"}


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", "", "it has no queries"),
        ('{"text": "x"}', ":1", "it has no id"),
        ('{"id": null}', ":1", "`id` is neither a string nor an integer"),
        ('{"id": true}', ":1", "`id` is neither a string nor an integer"),
        ('{"id": ""}', ":1", "`id` is empty"),
        ('{"id": 1}\n{"id": 1, "id": 2}', ":2", "the key `id` is there twice"),
        ('{"id": 1, "v": [NaN]}', ":1", "there is no NaN in JSON"),
        ('{"id": 1}\n\n{"id": 2', ":3", "not JSON"),
        ('{"id": 1}\n[]', ":2", "not a JSON object"),
        ('{"id": ' + "[" * 100_000, ":1", "it nests too deep"),
        ('[{"id": 1}]', ":1", "a JSON array"),
        ("<top>\n<num> 1", ":2", "the topic of line 1 has no </top>"),
        ('{"id": 1}\n{"id": "1"}', ":2", "the query '1' is there twice"),
        ("1\ta\n2\tb\tc", ":2", "3 columns instead of 2"),
        ("1 a", ":1", "1 column instead of 2"),
        ("id\ttext\ttext\n", ":1", "two columns of the header"),
        ("\ta", ":1", "`_id` is empty"),
    ],
)
def test_faults_of_queries(tmp_path: Path, text: str, where: str, why: str) -> None:
    path = written(tmp_path, text)
    message = fault("bad-queries", ev.read_queries, path).message
    assert f"{path}{where}: {'' if 'JSON: ' not in message else 'not JSON: '}" in message
    assert why in message


# ------------------------------------------------------------------------------------------------- judgements


@pytest.mark.parametrize(
    "text",
    [
        "query-id\tcorpus-id\tscore\nq1\td 1\t2\nq1\td2\t0\nq2\t3\t-1\n",
        "q1\td 1\t2\nq1\td2\t0.0\nq2\t3\t-1\n",
        '{"query_id": "q1", "doc_id": "d 1", "relevance": 2}\n{"qid": "q1", "corpus-id": "d2", "score": 0}\n'
        '{"_id": "q2", "doc": 3, "rel": -1.0}',
    ],
)
def test_qrels_of_three_columns(tmp_path: Path, text: str) -> None:
    assert ev.read_qrels(written(tmp_path, text)) == {"q1": {"d 1": 2, "d2": 0}, "q2": {"3": -1}}


@pytest.mark.parametrize("gap", [" ", "\t", "   "])
def test_qrels_of_trec(tmp_path: Path, gap: str) -> None:
    text = "\n".join(
        gap.join(row) for row in (("1", "0", "A-1", "1"), ("1", "Q0", "B", "0"), ("2", "0", "A-1", "3"))
    )
    assert ev.read_qrels(written(tmp_path, text)) == {"1": {"A-1": 1, "B": 0}, "2": {"A-1": 3}}


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", "", "it has no judgements"),
        ("query-id\tcorpus-id\tscore\n", ":1", "it has no judgements"),
        ("1 0 d 1\n1 0 d 1", ":2", "the document 'd' of the query '1' is judged twice"),
        ("1 0 d\n", ":1", "3 columns instead of 4"),
        ("1\td\t1\n1\td", ":2", "2 columns instead of 3"),
        ("1 0 d 0.5.1", ":1", "the relevance 0.5.1 is not a number"),
        ("1 0 d nan", ":1", "the relevance nan is not a number"),
        ("1 0 d 1000.5", ":1", "the relevance 1000.5 is outside of"),
        ("1 0 d high", ":1", "the relevance high is not a number"),
        ("1 0 d 1001", ":1", "the relevance 1001 is outside"),
        ("1 0 d " + "9" * 5000, ":1", "is not a number"),
        ("a\tb\tc\n1\td\t1", ":1", "the relevance c is not a number"),
        ('{"qid": 1, "doc": 2}', ":1", "it has no relevance"),
        ('{"qid": 1, "rel": 2}', ":1", "it has no document"),
        ('{"qid": 1, "doc": 2, "rel": true}', ":1", "the relevance true is not a number"),
        ('{"qid": 1, "doc": [], "rel": 1}', ":1", "`doc` is neither a string nor an integer"),
        ("1\t\t1", ":1", "`document` is empty"),
    ],
)
def test_faults_of_qrels(tmp_path: Path, text: str, where: str, why: str) -> None:
    path = written(tmp_path, text)
    message = fault("bad-qrels", ev.read_qrels, path).message
    assert f"{path}{where}: " in message and why in message


@pytest.mark.parametrize("read", [ev.read_queries, ev.read_qrels, ev.read_run])
def test_faults_of_any_file(tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fault("file-unreadable", read, tmp_path / "nothing")
    fault("file-unreadable", read, tmp_path)
    fault("file-unreadable", read, "a\0b")
    whole = gzip.compress(b"1 0 d 1\n" * 100, mtime=0)
    fault("file-unreadable", read, written(tmp_path, whole[:12]))
    error = fault("file-encoding", read, written(tmp_path, b"\n1 0 \xff 1"))
    assert ":2: not UTF-8 text (byte 5" in error.message
    monkeypatch.setattr(files.lines, "LONGEST", 10)
    with pytest.raises(QQLError, match=":1: the line is longer"):
        read(written(tmp_path, b"1" * 11))


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    packed = gzip.compress(b"1 0 d 1\n")
    assert ev.read_qrels(written(tmp_path, packed, "qrels.tsv")) == {"1": {"d": 1}}
    assert ev.read_qrels(written(tmp_path, b"1 0 d 1", "qrels.gz")) == {"1": {"d": 1}}


# ------------------------------------------------------------------------------------------------------- runs


def ranked(*scores: float | None) -> list[ev.Scored]:
    return [ev.Scored(f"d{place}", score) for place, score in enumerate(scores)]


def test_run_lines_have_the_columns_of_trec() -> None:
    run = {"q1": [ev.Scored("a", 0.75), ev.Scored("b", 0.5)], "q2": []}
    assert list(ev.run_lines(run, "mine")) == ["q1 Q0 a 1 0.75 mine", "q1 Q0 b 2 0.5 mine"]


def written_scores(*scores: float | None) -> list[float]:
    return [float(line.split()[4]) for line in ev.run_lines({"q": ranked(*scores)})]


def test_scores_that_fall_are_kept() -> None:
    assert written_scores(3.5, 0.25, -1) == [3.5, 0.25, -1]


@pytest.mark.parametrize(
    "scores", [(0.1, 0.2), (None, None), (1.0, None), (math.nan, 1.0), (1e39, 1.0), (math.inf, 1)]
)
def test_scores_that_do_not_descend_become_ranks(scores: tuple[float | None, ...]) -> None:
    assert written_scores(*scores) == [-1, -2]


def test_equal_scores_become_neighbours() -> None:
    scores = written_scores(1.0, 1.0, 1.0, 0.5)
    assert scores[0] == 1.0 and scores[3] == 0.5
    assert [round((1 - score) * 2**24) for score in scores[:3]] == [0, 1, 2]


SCORES = st.lists(
    st.one_of(st.none(), st.floats(width=32), st.sampled_from([0.0, -0.0, 1.0, 1 + 1e-9])), max_size=9
)


@settings(deadline=None)
@given(SCORES)
def test_written_runs_rank_as_the_engine_did(
    tmp_path_factory: pytest.TempPathFactory, scores: list[float | None]
) -> None:
    run = {"q": ranked(*scores)}
    singles = [files.runs._as_float32(score) for score in written_scores(*scores)]
    assert all(later < earlier for earlier, later in itertools.pairwise(singles))
    path = tmp_path_factory.mktemp("runs") / "run.gz"
    ev.write_run(path, run)
    assert [hit.doc for hit in ev.read_run(path).get("q", [])] == [hit.doc for hit in run["q"]]


def test_a_run_is_read_in_the_order_of_trec_eval(tmp_path: Path) -> None:
    path = written(
        tmp_path, "1 Q0 a 1 0.5 t\n1 Q0 c 9 0.5000000001 t\n1\tQ0\tb\t2\t0.7\tt\n2 Q0 a 1 -inf t\n"
    )
    assert ev.read_run(path) == {"1": [("b", 0.7), ("c", 0.5000000001), ("a", 0.5)], "2": [("a", -math.inf)]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 Q0 a 1 0.5", "5 columns instead of 6"),
        ("1 Q0 a 1 x t", "the score 'x' is not a number"),
        ("1 Q0 a 1 nan t", "the score 'nan' is not a number"),
        ("1 Q0 a 1 1 t\n1 Q0 a 2 0 t", "the document 'a' is there twice"),
    ],
)
def test_faults_of_runs(tmp_path: Path, text: str, why: str) -> None:
    assert why in fault("bad-run", ev.read_run, written(tmp_path, text)).message


def test_what_a_run_cannot_hold_is_refused(tmp_path: Path) -> None:
    for run, tag in [
        ({"a b": ranked(1)}, "t"),
        ({"q": [ev.Scored("a\tb", 1)]}, "t"),
        ({"q": [ev.Scored("", 1)]}, "t"),
        ({"q": [ev.Scored("\udc80", 1)]}, "t"),
        ({"q": [ev.Scored("a", 1), ev.Scored("a", 0)]}, "t"),
        ({"q": ranked(1)}, "my tag"),
    ]:
        fault("bad-run", ev.write_run, tmp_path / "run", run, tag)
    fault("file-unwritable", ev.write_run, tmp_path / "none" / "run", {})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run"
    ev.write_run(path, {"q": ranked(1)})
    before = path.read_bytes()
    fault("bad-run", ev.write_run, path, {"q": ranked(1), "b b": ranked(1)})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


# -------------------------------------------------------------------------------------------------- documents


def test_hits_are_documents_by_id_or_by_uuid() -> None:
    spelled = "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"
    key = ev.document_key({"q": {"7": 1, "MED-10": 1}, "r": {spelled: 0}})
    assert key(Hit(7)) == "7"
    assert key(Hit(8)) == "8"
    assert key(Hit(stable_uuid("MED-10"))) == "MED-10"
    assert key(Hit(stable_uuid("7"))) == "7"
    assert key(Hit("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")) == spelled
    assert key(Hit(stable_uuid("other"))) == stable_uuid("other")


def test_hits_are_documents_by_a_field() -> None:
    key = ev.document_key({}, "meta.doc")
    assert key(Hit(1, payload={"meta": {"doc": "a"}})) == "a"
    assert key(Hit(1, payload={"meta.doc": 5})) == "5"
    assert "WITH PAYLOAD (meta.doc)" in (fault("no-document-id", key, Hit(1)).hint or "")
    assert fault("no-document-id", key, Hit(1, payload={"meta": 3})).hint is None
    assert "neither a string" in fault("no-document-id", key, Hit(1, payload={"meta": {"doc": [1]}})).message


def test_the_field_that_an_id_was_made_of() -> None:
    payload = {"title": "MED", "flag": True, "_id": "MED-10", "text": "MED-10"}
    assert ev.source_of(Hit(stable_uuid("MED-10"), payload=payload)) == "_id"
    assert ev.source_of(Hit(stable_uuid("7"), payload={"n": [7], "key": 7})) == "key"
    assert ev.source_of(Hit(stable_uuid("True"), payload=payload)) is None
    assert ev.source_of(Hit(stable_uuid("MED-10"))) is None
    assert ev.source_of(Hit(7, payload={"key": 7})) is None


def test_equal_hits_stand_in_the_order_of_their_ids() -> None:
    key = ev.document_key({})
    hits = [Hit(9, 2.0), Hit(5, 1.0), Hit(stable_uuid("a"), 1.0), Hit(2, 1.0), Hit(3, 0.5)]
    ids = [9, 2, 5, stable_uuid("a"), 3]
    for _ in range(3):
        random.shuffle(tied := hits[1:4])
        assert [one.doc for one in ev.ranking([hits[0], *tied, hits[4]], key)] == [str(id_) for id_ in ids]
    judged = ev.document_key({"q": {"zzz": 1}})
    pair = [Hit(stable_uuid(name), 1.0) for name in ("zzz", "other")]
    both = [ev.ranking(order, judged) for order in (pair, pair[::-1])]
    assert both[0] == both[1]  # whether or not the one is judged
    assert [one.doc == "zzz" for one in both[0]] == [id_ == pair[0].id for id_ in sorted(h.id for h in pair)]


@pytest.mark.parametrize(
    "hits",
    [
        [Hit(2), Hit(1)],  # POINTS
        [Hit(2, 1.0, group="a"), Hit(1, 1.0, group="b")],
        [
            Hit(2, 0.5, first_stage_score=0.9, second_stage_score=0.5),
            Hit(1, 0.5, first_stage_score=0.8, second_stage_score=0.5),
        ],
    ],
    ids=["no scores", "groups", "both stages"],
)
def test_hits_that_something_tells_apart_stay_in_their_order(hits: list[Hit]) -> None:
    assert [one.doc for one in ev.ranking(hits, ev.document_key({}))] == ["2", "1"]


def test_hits_of_order_by_stay_in_their_order() -> None:
    hits = [Hit(3, 0.0), Hit(1, 0.0), Hit(2, 0.0)]
    points = [{"id": 3, "order_value": 1}, {"id": 1, "order_value": 2}, {"id": 2, "order_value": 2}]
    found = Result("hits", hits=[hits[0], hits[2], hits[1]], data={"points": points})
    assert [one.doc for one in ev.ranking(found, ev.document_key({}))] == ["3", "1", "2"]


def test_a_document_of_several_points_stands_where_its_first_does() -> None:
    hits = [
        Hit(at, score, {"doc": doc}) for at, (doc, score) in enumerate([("a", 3.0), ("b", 2.0), ("a", 1.0)])
    ]
    assert ev.ranking(hits, ev.document_key({}, "doc")) == [("a", 3.0), ("b", 2.0)]
    found = Result("hits", hits=hits)
    assert ev.ranking(found, ev.document_key({}, "doc")) == [("a", 3.0), ("b", 2.0)]


# -------------------------------------------------------------------------------------------- measures' names


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("nDCG@10", "nDCG@10"),
        ("ndcg", "nDCG"),
        (" R@100 ", "R@100"),
        ("Recall(rel=2)@5", "R(rel=2)@5"),
        ("MRR@10", "RR@10"),
        ("MAP", "AP"),
        ("P(cutoff=5)", "P@5"),
        ("P(rel=1)@5", "P@5"),
        ('nDCG(dcg="exp-log2")@10', "nDCG(dcg='exp-log2')@10"),
        ("AP(judged_only=True,rel=2)", "AP(rel=2,judged_only=True)"),
        ("RPrec", "Rprec"),
        ("Judged@10", "Judged@10"),
    ],
)
def test_names_of_measures(text: str, canonical: str) -> None:
    measure = ev.parse_measure(text)
    assert str(measure) == canonical
    assert ev.parse_measure(canonical) == measure


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not read"),
        ("nDCG@", "does not read"),
        ("nDCG@10@5", "does not read"),
        ("1", "does not read"),
        ("nDCG\0", "does not read"),
        ("(" * 5000, "does not read"),
        ("nDCG(5)", "have to be named"),
        ("nDCG(**{})", "its values have to be"),
        ("nDCG(gains={1:2})", "its values have to be"),
        ("nDCG@-1", "its values have to be"),
        ("nDCG@k", "its values have to be"),
        ("nDCG@0", "an integer above 0"),
        ("nDCG@1.5", "an integer above 0"),
        ("nDCG@True", "an integer above 0"),
        ("R", "R requires a cutoff: `R@10`"),
        ("Rprec@5", "Rprec takes no cutoff"),
        ("nDCG(rel=2)", "nDCG has no parameter `rel`; it takes dcg, judged_only"),
        ("Judged(rel=2)", "it takes no parameters"),
        ("nDCG(dcg='log10')", "`dcg` has to be 'log2' or 'exp-log2'"),
        ("P(rel=0)@5", "`rel` has to be a number above 0"),
        ("P(judged_only=1)@5", "`judged_only` has to be True or False"),
    ],
)
def test_names_that_are_no_measures(text: str, why: str) -> None:
    assert why in fault("bad-measure", ev.parse_measure, text).message


def test_an_unknown_measure_gets_a_hint() -> None:
    assert fault("unknown-measure", ev.parse_measure, "nDCGG@10").hint == "did you mean `nDCG`?"
    assert "nDCG, R, P" in (fault("unknown-measure", ev.parse_measure, "xyz").hint or "")


def test_measures_come_once() -> None:
    assert [str(m) for m in ev.parse_measures(["R@5", "AP", "recall@5"])] == ["R@5", "AP"]
    assert len(ev.parse_measures(ev.DEFAULT_MEASURES)) == 3


# -------------------------------------------------------------------------------------- measures' definitions

JUDGED = {"a": 3, "b": 0, "c": 1, "d": 2, "e": -1, "f": 1}
RANKING = ["x", "c", "b", "a", "e", "y"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("P@4", 2 / 4),
        ("P@10", 2 / 10),
        ("P(rel=2)@4", 1 / 4),
        ("R@4", 2 / 4),
        ("R@2", 1 / 4),
        ("Success@1", 0),
        ("Success@2", 1),
        ("Success(rel=3)@3", 0),
        ("RR", 1 / 2),
        ("RR@1", 0),
        ("RR(rel=2)", 1 / 4),
        ("AP", (1 / 2 + 2 / 4) / 4),
        ("AP@2", (1 / 2) / 4),
        ("Rprec", 2 / 4),
        ("Rprec(rel=3)", 0),
        ("Judged", 4 / 6),
        ("Judged@1", 0),
        ("Judged@100", 4 / 6),
        ("RR(judged_only=True)", 1),
        ("P(judged_only=True)@3", 2 / 3),
        ("nDCG@2", (1 / math.log2(3)) / (3 + 2 / math.log2(3))),
        ("nDCG", (1 / math.log2(3) + 3 / math.log2(5)) / (3 + 2 / math.log2(3) + 1 / 2 + 1 / math.log2(5))),
        ("nDCG(dcg='exp-log2')@2", (1 / math.log2(3)) / (7 + 3 / math.log2(3))),
    ],
)
def test_measures_by_hand(name: str, value: float) -> None:
    assert ev.parse_measure(name)(RANKING, JUDGED) == pytest.approx(value, abs=1e-15)


def test_every_measure_of_nothing_is_0() -> None:
    for name in MEASURES:
        measure = ev.Measure(name, None if name == "Rprec" else 10)
        assert measure([], JUDGED) == 0
        assert measure(RANKING, {"z": 0}) == 0
        assert measure([], {}) == 0


def random_collection(seed: int) -> tuple[dict[str, dict[str, int]], dict[str, list[ev.Scored]]]:
    """Judgements and a run with ties, queries without results, judgements or relevant documents."""
    dice = random.Random(seed)
    docs = [f"d{at}" for at in range(dice.choice([5, 30, 120]))]
    qrels, run = {}, {}
    for query in map(str, range(1, 9)):
        judged = dice.sample(docs, dice.randint(1, len(docs)))
        levels = dice.choice([(0, 1), (0, 1, 2, 3, 4), (-1, 0, 2), (0,)])
        if dice.random() < 0.9:
            qrels[query] = {doc: dice.choice(levels) for doc in judged}
            # trec_eval's nDCG reads memory that is not its own where no judgement is 0 or more.
            qrels[query][judged[0]] = max(0, qrels[query][judged[0]])
        found = dice.sample(docs, dice.randint(0, len(docs)))
        scores = sorted((dice.choice([dice.random(), 0.5, 1e-8]) for _ in found), reverse=dice.random() < 0.8)
        if dice.random() < 0.9 and found:
            run[query] = [ev.Scored(*pair) for pair in zip(found, scores, strict=True)]
    return qrels or {"1": {"d0": 1}}, run or {"1": [ev.Scored("d0", 1.0)]}


def ids(run: dict[str, list[ev.Scored]]) -> dict[str, list[str]]:
    return {query: [hit.doc for hit in ranking] for query, ranking in run.items()}


TREC_EVAL = [
    *("nDCG", "nDCG@1", "nDCG@5", "nDCG@10", "nDCG@1000", "nDCG(judged_only=True)@10"),
    *("R@1", "R@10", "R@100", "R(rel=2)@10", "P@1", "P@10", "P(rel=2)@10", "P(judged_only=True)@5"),
    *("AP", "AP@10", "AP(rel=2)", "AP(judged_only=True)", "RR", "RR@3", "RR(rel=2)", "RR(rel=3)@10"),
    *("RR(judged_only=True)", "Success@1", "Success@5", "Success(rel=2)@5", "Rprec", "Rprec(rel=2)"),
    *("Judged", "Judged@10", "R(judged_only=True)@5", "Success(judged_only=True)@1"),
]


def theirs(irm: Any, measure: ev.Measure) -> Any:
    """ir-measures' object of the measure, without its parser, which newer Pythons warn of."""
    given = {"cutoff": measure.cutoff} if measure.cutoff else {}
    if measure.rel != 1:
        given["rel"] = measure.rel
    if measure.dcg != "log2":
        given["dcg"] = measure.dcg
    if measure.judged_only:
        given["judged_only"] = True
    return getattr(irm, measure.name)(**given)


@pytest.mark.parametrize(
    "seed", [*range(100), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 300))]
)
def test_trec_eval_gives_the_same_figures_for_our_run_files(tmp_path: Path, seed: int) -> None:
    irm = pytest.importorskip("ir_measures")
    qrels, run = random_collection(seed)
    ours = ev.parse_measures(TREC_EVAL)
    ev.write_run(tmp_path / "run", run)
    with (tmp_path / "run").open() as file:
        their_run = list(irm.read_trec_run(file))
    measures = {str(theirs(irm, m)): m for m in ours}
    assert set(measures) == set(map(str, ours))
    result = irm.calc([theirs(irm, m) for m in ours], qrels, their_run)
    found = ev.evaluate_run(ids(run), qrels, ours)
    for metric in result.per_query:
        mine = found.values[measures[str(metric.measure)]][metric.query_id]
        assert mine == pytest.approx(metric.value, abs=1e-9), (metric, seed)
    assert len(result.per_query) == len(ours) * len(qrels)
    for measure, mean in result.aggregated.items():
        assert found.means[measures[str(measure)]] == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_gdeval_gives_the_same_exponential_gains(tmp_path: Path, seed: int) -> None:
    irm = pytest.importorskip("ir_measures")
    if not shutil.which("perl"):
        pytest.skip("gdeval is a Perl program")
    qrels, run = random_collection(seed)
    measure = ev.parse_measure("nDCG(dcg='exp-log2')@10")
    ev.write_run(tmp_path / "run", run)
    with (tmp_path / "run").open() as file:
        their_run = list(irm.read_trec_run(file))
    found = ev.evaluate_run(ids(run), qrels, [measure])
    compared = 0
    for metric in theirs(irm, measure).iter_calc(qrels, their_run):
        if metric.query_id in qrels:
            assert found.values[measure][metric.query_id] == pytest.approx(metric.value, abs=1e-5)
            compared += 1
    assert compared == len(qrels)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_measures_are_shares_and_more_depth_finds_no_less(seed: int) -> None:
    qrels, run = random_collection(seed)
    for query, judged in qrels.items():
        ranking = ids(run).get(query, [])
        for name in TREC_EVAL:
            assert 0 <= ev.parse_measure(name)(ranking, judged) <= 1 + 1e-12
        for name in ("R", "Success", "RR", "AP"):
            values = [ev.Measure(name, k)(ranking, judged) for k in (1, 3, 10, 100)]
            assert values == sorted(values)
        best = sorted(judged, key=judged.__getitem__, reverse=True)
        assert ev.Measure("nDCG")(best, judged) == pytest.approx(float(max(judged.values()) > 0))


# ------------------------------------------------------------------------------------------------ evaluations


def test_which_queries_count() -> None:
    measures = ev.parse_measures(["R@10", "Judged@10"])
    qrels = {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 0}, "e": {"x": 1}, "empty": {}}
    run = {"a": ["x"], "c": ["x", "y"], "d": ["x"], "empty": ["x"]}
    found = ev.evaluate_run(run, qrels, measures, asked=["a", "b", "c", "d", "a", "empty"])
    assert found.queries == ("a", "b", "c")
    assert found.unjudged == ("d", "empty")
    assert found.missing == ("b",)
    assert found.unasked == ("e",)
    assert found.judged_hits == 2
    assert found.means == {measures[0]: pytest.approx(1 / 3), measures[1]: pytest.approx(1.5 / 3)}
    assert found.values[measures[0]] == {"a": 1, "b": 0, "c": 0}
    assert [w.code for w in found.warnings()] == ["unjudged-queries"]
    assert "2 queries have no judgements and do not count: d, empty" in found.warnings()[0].message
    everything = ev.evaluate_run(run, qrels, measures)
    assert everything.queries == ("a", "b", "c", "e") and everything.missing == ("b", "e")


def test_ids_that_do_not_meet_are_told() -> None:
    (measure,) = ev.parse_measures(["R@10"])
    found = ev.evaluate_run({"a": ["other"]}, {"a": {"x": 1}}, [measure])
    assert [w.code for w in found.warnings()] == ["no-judged-hits"]
    assert ev.evaluate_run({"a": ["x"]}, {"a": {"x": 1}}, [measure]).warnings() == []
    fault("no-judged-queries", ev.evaluate_run, {"1": ["x"]}, {"a": {"x": 1}}, [measure], ["1"])


# ----------------------------------------------------------------------------------------------------- stages


def pipeline(dense: str, sparse: str, rerank: str, root: str) -> dict[str, ev.StageTrace]:
    """root ← rerank ← dense, and root ← sparse; each letter is a document."""
    return {
        "dense": ev.StageTrace(dense),
        "sparse": ev.StageTrace(sparse),
        "rerank": ev.StageTrace(rerank, ("dense",)),
        "root": ev.StageTrace(root, ("rerank", "sparse")),
    }


def test_where_documents_are_lost() -> None:
    trace = pipeline(dense="abcdx", sparse="aefy", rerank="abx", root="aey")
    assert ev.fates(trace, "abcefz") == {"b": "root", "c": "rerank", "f": "root", "z": None}


def test_a_document_lost_on_several_ways_counts_at_the_last() -> None:
    assert ev.fates(pipeline(dense="a", sparse="a", rerank="", root="b"), "a") == {"a": "root"}
    assert ev.fates(pipeline(dense="a", sparse="a", rerank="", root="a"), "a") == {}


def test_shares_of_stages() -> None:
    traces = {
        "1": pipeline(dense="abcd", sparse="ae", rerank="ab", root="ae"),
        "2": pipeline(dense="p", sparse="", rerank="p", root="p"),
        "no relevant": pipeline(dense="", sparse="", rerank="", root=""),
    }
    qrels = {"1": {"a": 1, "b": 2, "c": 1, "e": 1, "z": 1, "x": 0}, "2": {"p": 1}, "no relevant": {"a": 0}}
    report = ev.stage_report(traces, qrels)
    assert report.queries == 2
    dense, sparse, rerank, root = report.stages
    assert (dense.found, dense.only, dense.entered, dense.lost) == pytest.approx(
        ((3 / 5 + 1) / 2, (2 / 5 + 1) / 2, 1, 0)
    )
    assert (sparse.found, sparse.only, sparse.lost, sparse.docs) == pytest.approx(
        (2 / 5 / 2, 1 / 5 / 2, 0, 1)
    )
    assert (rerank.found, rerank.only, rerank.entered, rerank.lost) == pytest.approx(
        ((2 / 5 + 1) / 2, (1 / 5 + 1) / 2, (3 / 5 + 1) / 2, 1 / 5 / 2)
    )
    assert (root.found, root.entered, root.lost) == pytest.approx(
        ((2 / 5 + 1) / 2, (3 / 5 + 1) / 2, 1 / 5 / 2)
    )
    assert (report.kept, report.never) == pytest.approx((root.found, 1 / 5 / 2))
    strict = ev.stage_report(traces, qrels, rel=2)
    assert (strict.queries, strict.kept, strict.stages[3].lost) == (1, 0, 1)


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.text("abcdef", max_size=6)] * 4), min_size=1, max_size=4))
def test_the_shares_of_what_was_lost_add_up(found: list[tuple[str, str, str, str]]) -> None:
    traces = {str(at): pipeline(*docs) for at, docs in enumerate(found)}
    report = ev.stage_report(traces, {query: dict.fromkeys("abcg", 1) for query in traces})
    assert report.kept + report.never + sum(stage.lost for stage in report.stages) == pytest.approx(1)
    assert all(stage.only <= stage.found + 1e-12 for stage in report.stages)


def test_faults_of_traces() -> None:
    qrels = {"1": {"a": 1}, "2": {"a": 1}}
    backwards = {"root": ev.StageTrace("a", ("dense",)), "dense": ev.StageTrace("a")}
    assert "does not stand before it" in fault("bad-trace", ev.stage_report, {"1": backwards}, qrels).message
    idle = {"dense": ev.StageTrace("a"), "root": ev.StageTrace("a")}
    assert (
        "nothing reads the stage `dense`" in fault("bad-trace", ev.stage_report, {"1": idle}, qrels).message
    )
    traces = {"1": pipeline("", "", "", ""), "2": {"root": ev.StageTrace("a")}}
    assert "'2' has other stages than '1'" in fault("bad-trace", ev.stage_report, traces, qrels).message
    fault("no-judged-queries", ev.stage_report, {"3": idle}, qrels)


# ----------------------------------------------------------------------------------------------- significance


def test_the_exact_randomization_test() -> None:
    # Of the 16 assignments of signs to 1, 2, 3, 4 two reach a sum of ±10, and four one of ±8 or more.
    assert ev.randomization_test([1, 2, 3, 4]) == 2 / 16
    assert ev.randomization_test([-1, 2, 3, 4, 0, 0]) == 4 / 16
    assert ev.randomization_test([0.1, 0.2, -0.3]) == 1
    assert ev.randomization_test([0.0, 0.0]) == ev.randomization_test([]) == 1
    assert ev.randomization_test([0.1] * 16) == 2 / 2**16


def differences(seed: int, n: int, shift: float = 0.02) -> list[float]:
    dice = random.Random(seed)
    return [dice.choice([0.0, dice.gauss(shift, 0.1), 0.5 * shift]) for _ in range(n)]


def test_the_sampled_randomization_test_agrees_with_the_exact_one() -> None:
    dice = random.Random(5)
    values = [dice.gauss(0.03, 0.1) for _ in range(17)]
    sums = [0.0]
    for value in values:
        sums = [total + signed for total in sums for signed in (value, -value)]
    exact = sum(abs(total) >= abs(sum(values)) - 1e-12 for total in sums) / len(sums)
    assert ev.randomization_test(values, rounds=20_000) == pytest.approx(exact, abs=0.015)
    assert ev.randomization_test([1.0] * 60, rounds=999) == 1 / 1000
    assert ev.randomization_test(values) == ev.randomization_test(values)
    assert ev.randomization_test(values, seed=1) != ev.randomization_test(values, seed=2)


@pytest.mark.parametrize("seed", range(6))
def test_the_randomization_test_against_scipy(seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for n, tolerance in ((11, 1e-12), (60, 0.02)):
        values = differences(seed, n)
        expected = stats.permutation_test(
            (values,), lambda x, axis: x.mean(axis), permutation_type="samples", vectorized=True, rng=seed
        )
        assert ev.randomization_test(values) == pytest.approx(expected.pvalue, abs=tolerance)


@pytest.mark.parametrize(
    ("freedom", "t", "p"),
    [(1, 12.706204736, 0.05), (4, 2.776445105, 0.05), (10, 3.169272673, 0.01), (30, 1.697260887, 0.1)],
)
def test_the_t_test_against_tables(freedom: int, t: float, p: float) -> None:
    # n - 1 numbers alike and one apart, moved so that t is as wanted.
    values = [0.0] * freedom + [1.0]
    spread = statistics.stdev(values) / math.sqrt(len(values))
    values = [value - statistics.mean(values) + t * spread for value in values]
    assert ev.paired_t_test(values) == pytest.approx(p, abs=1e-9)


def test_the_t_test_at_its_edges() -> None:
    assert ev.paired_t_test([]) == ev.paired_t_test([0.3]) == ev.paired_t_test([0.0, 0.0]) == 1
    assert ev.paired_t_test([0.1] * 10) == 0
    assert ev.paired_t_test([1.0, -1.0]) == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_t_test_against_scipy(seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for n, shift in ((2, 0.1), (7, 0.0), (50, 0.02), (500, 0.05), (5000, 0.01)):
        dice = random.Random(seed * n)
        values = [dice.gauss(shift, 0.1) for _ in range(n)]
        expected = float(stats.ttest_1samp(values, 0).pvalue)
        assert ev.paired_t_test(values) == pytest.approx(expected, rel=1e-8, abs=1e-300)


def test_the_incomplete_beta_function_against_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    for a, b, x in itertools.product((0.5, 1, 3.5, 1000), (0.5, 2, 40), (0, 1e-9, 0.2, 0.5, 0.999, 1)):
        assert _incomplete_beta(a, b, x) == pytest.approx(
            float(special.betainc(a, b, x)), rel=1e-9, abs=1e-300
        )


def test_holm() -> None:
    assert ev.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert ev.holm([0.5, 0.9]) == [1.0, 1.0]
    assert ev.holm([0.2]) == [0.2]
    assert ev.holm([]) == []


@settings(deadline=None)
@given(st.lists(st.floats(0, 1)))
def test_holm_keeps_the_order_and_lowers_nothing(p_values: list[float]) -> None:
    adjusted = ev.holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    pairs = sorted(zip(p_values, adjusted, strict=True))
    assert [q for _, q in pairs] == sorted(q for _, q in pairs)


def test_the_bootstrap() -> None:
    values = differences(3, 80)
    low, high = ev.bootstrap_interval(values)
    assert (low, high) == ev.bootstrap_interval(values)
    mean, error = statistics.mean(values), statistics.stdev(values) / math.sqrt(80)
    assert low == pytest.approx(mean - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.3 * error)
    narrow = ev.bootstrap_interval(values, level=0.5)
    assert low < narrow[0] < mean < narrow[1] < high
    assert ev.bootstrap_interval([0.25] * 5) == (0.25, 0.25)
    assert all(map(math.isnan, ev.bootstrap_interval([])))


def test_the_bootstrap_against_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    numpy = pytest.importorskip("numpy")
    values = differences(8, 120)
    expected = stats.bootstrap((values,), numpy.mean, method="percentile", rng=1).confidence_interval
    assert ev.bootstrap_interval(values) == pytest.approx((expected.low, expected.high), abs=0.003)


def three_pipelines() -> dict[str, ev.Evaluation]:
    measures = ev.parse_measures(["RR", "P@1"])
    qrels = {str(q): {"x": 1} for q in range(40)}
    return {
        "first": ev.evaluate_run({q: ["y", "x"] for q in qrels}, qrels, measures),
        "better": ev.evaluate_run({q: ["x", "y"] for q in qrels}, qrels, measures),
        "same": ev.evaluate_run({q: ["x"] if q == "0" else ["z", "x"] for q in qrels}, qrels, measures),
    }


def test_pipelines_are_compared_with_the_first() -> None:
    found = ev.compare_evaluations(three_pipelines(), rounds=999)
    assert [(c.name, str(c.measure)) for c in found] == [
        *(("better", "RR"), ("better", "P@1"), ("same", "RR"), ("same", "P@1")),
    ]
    better, _, same, _ = found
    assert (better.baseline, better.mean, better.base_mean, better.difference) == ("first", 1.0, 0.5, 0.5)
    assert (better.wins, better.losses, better.p, better.p_holm) == (40, 0, 1 / 1000, 4 / 1000)
    assert (better.low, better.high, better.p_t) == (0.5, 0.5, 0.0)
    assert (same.wins, same.p, same.p_holm) == (1, 1.0, 1.0)
    assert better.significant() and not same.significant()


def test_pipelines_are_compared_with_the_named_one() -> None:
    found = ev.compare_evaluations(three_pipelines(), "better", rounds=99)
    assert {c.name for c in found} == {"first", "same"}
    assert all(c.difference < 0 and c.losses > 30 for c in found)
    assert ev.compare_evaluations({"only": three_pipelines()["first"]}) == []


def test_what_cannot_be_compared() -> None:
    runs = three_pipelines()
    (measure,) = ev.parse_measures(["AP"])
    fault("unpaired-runs", ev.compare_evaluations, runs, "nobody")
    fault("unpaired-runs", ev.compare_evaluations, {})
    other = ev.evaluate_run({}, {"0": {"x": 1}}, runs["first"].measures)
    assert (
        "`other` and `first`"
        in fault("unpaired-runs", ev.compare_evaluations, runs | {"other": other}).message
    )
    fault(
        "unpaired-runs",
        ev.compare_evaluations,
        runs | {"other": ev.evaluate_run({}, {"0": {"x": 1}}, [measure])},
    )


# ------------------------------------------------------------------------------------ stages of many queries


def found(label: str, docs: str, *places: tuple[int, ...], name: str = "") -> ev.StageFound:
    return ev.StageFound(label, name or label, places, docs)


def test_stages_are_the_same_for_every_query() -> None:
    traces = ev.traces(
        {
            # Two places hold one stage here …
            "1": [found("root", "a", ()), found("dense WHERE x = 1", "ab", (0,), (1, 0), name="dense"),
                  found("fused", "ba", (1,))],
            # … and two there, and the label holds a parameter's value.
            "2": [found("root", "c", ()), found("dense WHERE x = 2", "c", (0,), name="dense"),
                  found("other", "d", (1, 0)), found("fused", "cd", (1,))],
        }
    )  # fmt: skip
    assert list(traces) == ["1", "2"]
    shape = {label: stage.inputs for label, stage in traces["1"].items()}
    assert shape == {label: stage.inputs for label, stage in traces["2"].items()}
    assert shape == {"dense": (), "dense #2": (), "fused": ("dense #2",), "root": ("dense", "fused")}
    assert list(shape)[-1] == "root"
    assert traces["1"]["dense"].docs == traces["1"]["dense #2"].docs == "ab"
    assert (traces["2"]["dense"].docs, traces["2"]["dense #2"].docs) == ("c", "d")
    assert ev.stage_report(traces, {"1": {"a": 1, "b": 1}, "2": {"d": 1}}).kept == 0.25


def test_a_shared_stage_stands_once_and_before_its_readers() -> None:
    stages = [found("root", "a", ()), found("left", "b", (0,)), found("shared", "abc", (0, 0), (1,))]
    (trace,) = ev.traces({"1": stages}).values()
    assert {label: stage.inputs for label, stage in trace.items()} == {
        "shared": (),
        "left": ("shared",),
        "root": ("left", "shared"),
    }
    assert list(trace) == ["shared", "left", "root"]


# ------------------------------------------------------------------------------------------------------ speed


def test_percentiles_are_measured_values() -> None:
    values = [float(v) for v in range(1, 201)]
    random.Random(1).shuffle(values)
    assert [ev.percentile(values, p) for p in (50, 95, 99, 99.5, 100, 0)] == [100, 190, 198, 199, 200, 1]
    assert ev.percentile([3.0, 1.0], 50) == 1.0
    assert ev.percentile([3.0], 99) == 3.0


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1), st.sampled_from([1, 5, 25, 50, 90, 95, 99, 99.9]))
def test_percentiles_against_their_definition(values: list[float], percent: float) -> None:
    enough = [v for v in values if sum(other <= v for other in values) * 100 >= percent * len(values) - 1e-9]
    assert ev.percentile(values, percent) == min(enough)


def test_a_summary_of_times() -> None:
    times = ev.latency(ev.Timing((0.1, 0.3, 0.2, 0.4), wall=0.5))
    assert (times.count, times.mean, times.qps) == (4, pytest.approx(0.25), 8.0)
    assert (times.p50, times.p95, times.p99, times.least, times.most) == (0.2, 0.4, 0.4, 0.1, 0.4)
    assert ev.latency(ev.Timing((0.0,), 0.0)).qps == math.inf
    fault("nothing-measured", ev.latency, ev.Timing((), 1.0))


def test_calls_are_measured_one_after_the_other() -> None:
    now = itertools.count()
    calls: list[str] = []
    seen: list[tuple[int, int]] = []
    timing = ev.measure_calls(
        calls.append, "abc", warmup=4, clock=lambda: float(next(now)), progress=lambda *at: seen.append(at)
    )
    assert "".join(calls) == "abca" + "abc"
    assert timing.seconds == (1.0, 1.0, 1.0)
    assert timing.wall == 7.0  # between the first reading of the clock and the eighth
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_calls_are_measured_by_several_workers() -> None:
    both = threading.Barrier(2, timeout=30)
    timing = ev.measure_calls(lambda _: both.wait(), range(6), workers=2)
    assert len(timing.seconds) == 6 and timing.wall > 0


def test_calls_are_measured_for_a_time() -> None:
    now = itertools.count()
    calls: list[str] = []
    seen: list[tuple[int, int]] = []
    timing = ev.measure_calls(
        calls.append, "ab", seconds=10, clock=lambda: float(next(now)), progress=lambda *at: seen.append(at)
    )
    assert len(timing.seconds) == len(calls) > 2
    assert calls[:3] == ["a", "b", "a"]
    assert seen[-1][1] == 10 and [at for at, _ in seen] == sorted(at for at, _ in seen)
    assert ev.measure_calls(print, [], seconds=10).seconds == ()


def test_an_item_may_be_none() -> None:
    assert len(ev.measure_calls(lambda item: item, [None, None]).seconds) == 2


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_stops_the_measurement(workers: int) -> None:
    def call(item: int) -> None:
        if item == 2:
            raise KeyError(item)

    with pytest.raises(KeyError):
        ev.measure_calls(call, range(100), workers=workers)


def test_nothing_to_measure() -> None:
    assert ev.measure_calls(print, [], warmup=3).seconds == ()


def test_exact_search_is_asked_for_at_every_level() -> None:
    body = {
        "prefetch": [
            {"query": {"nearest": [1.0]}, "params": {"hnsw_ef": 9, "idf": "global"}, "limit": 5},
            {
                "query": {"fusion": "rrf"},
                "prefetch": [{"query": {"recommend": {"positive": [1]}}}],
                "limit": 7,
            },
        ],
        "query": {"rrf": {"k": 3}},
        "limit": 10,
    }
    before = json.dumps(body)
    request = Request("POST", "/collections/docs/points/query", {"timeout": 3}, body)
    exact = ev.exact_request(request, 50)
    assert json.dumps(body) == before
    assert (exact.path, exact.query) == (request.path, request.query)
    assert exact.body == {
        "prefetch": [
            {"query": {"nearest": [1.0]}, "params": {"idf": "global", "exact": True}, "limit": 5},
            {
                "query": {"fusion": "rrf"},
                "prefetch": [{"query": {"recommend": {"positive": [1]}}, "params": {"exact": True}}],
                "limit": 7,
            },
        ],
        "query": {"rrf": {"k": 3}},
        "limit": 60,
    }


def test_exact_search_of_what_is_not_searched() -> None:
    points = Request("POST", "/collections/docs/points", {}, {"ids": [1]})
    assert ev.exact_request(points, 5) is points
    mmr = Request("POST", "/x", {}, {"query": {"nearest": [1.0], "mmr": {}}, "limit": 4})
    assert (ev.exact_request(mmr, 5).body or {})["limit"] == 4
    plain = Request("POST", "/x", {}, {"query": {"nearest": [1.0]}})
    assert (ev.exact_request(plain, 5).body or {})["limit"] == 15


EXACT = [ev.Scored(*pair) for pair in zip("abcdef", (0.9, 0.8, 0.5, 0.5, 0.5, 0.1), strict=True)]


@pytest.mark.parametrize(
    ("found", "k", "share"),
    [
        ("abc", 3, 1),
        ("abe", 3, 1),  # e is as good as c
        ("acd", 3, 2 / 3),  # b is missing; a second of the tied does not make up for it
        ("cde", 3, 1 / 3),
        ("xyz", 3, 0),
        ("ba", 2, 1),
        ("ac", 2, 1 / 2),
        ("abfcde", 4, 3 / 4),  # f is within the first four, d and e are not
        ("abcdef", 10, 1),
        ("", 2, 0),
    ],
)
def test_recall_against_exact_search(found: str, k: int, share: float) -> None:
    assert ev.recall_at(found, EXACT, k) == pytest.approx(share)


def test_recall_without_scores_or_results() -> None:
    assert ev.recall_at("ac", ranked_letters("abc"), 2) == 0.5
    assert ev.recall_at("ab", [], 2) == 1.0


def ranked_letters(letters: str) -> list[ev.Scored]:
    return [ev.Scored(letter) for letter in letters]


# ------------------------------------------------------------------------------------------------------- grid


def test_a_grid_is_expanded_in_order() -> None:
    grid = {"limit": [10, 20], "k": [1, 2]}
    assert ev.expand_grid(grid) == [
        {"limit": 10, "k": 1},
        {"limit": 10, "k": 2},
        {"limit": 20, "k": 1},
        {"limit": 20, "k": 2},
    ]
    assert ev.expand_grid({}) == [{}]
    assert "`k`" in fault("bad-grid", ev.expand_grid, {"limit": [1], "k": []}).message
    too_many = {name: range(100) for name in "abcd"}
    assert "100,000,000" in fault("bad-grid", ev.expand_grid, too_many).message
    fault("bad-grid", ev.expand_grid, too_many, 10_001)


def test_a_grid_is_sampled_without_being_expanded() -> None:
    huge = {name: range(1000) for name in "abcdef"}
    assert ev.grid_size(huge) == 10**18
    found = ev.expand_grid(huge, 50)
    assert len({tuple(one.items()) for one in found}) == 50 and all(list(one) == list(huge) for one in found)
    assert found == ev.expand_grid(huge, 50) != ev.expand_grid(huge, 50, seed=1)
    small = {"limit": [10, 20], "k": [1, 2, 3]}
    every = ev.expand_grid(small)
    drawn = ev.expand_grid(small, 4)
    assert drawn == [one for one in every if one in drawn] and len(drawn) == 4
    assert ev.expand_grid(small, 6) == ev.expand_grid(small, 7) == every


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("limit=10,20,10", ("limit", [10, 20])),
        (" k = 60 ", ("k", [60])),
        ("weights=[0.3,0.7],[0.5,0.5]", ("weights", [[0.3, 0.7], [0.5, 0.5]])),
        ("fusion=rrf, dbsf", ("fusion", ["rrf", "dbsf"])),
        ("threshold=null,0.5,low", ("threshold", [None, 0.5, "low"])),
        ('text="a,b","c"', ("text", ["a,b", "c"])),
        ("a=b=c", ("a", ["b=c"])),
    ],
)
def test_an_axis_is_read(text: str, axis: tuple[str, list[Any]]) -> None:
    assert ev.read_axis(text) == axis


@pytest.mark.parametrize("text", ["", "limit", "limit=", "=1", " = "])
def test_an_axis_needs_name_and_values(text: str) -> None:
    fault("bad-grid", ev.read_axis, text)


def front(*points: tuple[float, float]) -> list[tuple[float, float]]:
    return ev.pareto_front(points, quality=lambda p: p[0], latency=lambda p: p[1])


def test_the_pareto_front() -> None:
    assert front((0.5, 10), (0.9, 50), (0.4, 20), (0.9, 60), (0.7, 20)) == [(0.5, 10), (0.7, 20), (0.9, 50)]
    assert front((0.5, 10), (0.5, 10), (0.5, 11), (0.4, 10)) == [(0.5, 10), (0.5, 10)]
    assert front() == []
    fault("bad-grid", front, (math.nan, 1))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_the_pareto_front_against_its_definition(points: list[tuple[int, int]]) -> None:
    def beaten(p: tuple[int, int]) -> bool:
        return any(q != p and q[0] >= p[0] and q[1] <= p[1] for q in points)

    assert sorted(front(*points)) == sorted(p for p in points if not beaten(p))
    assert front(*points) == sorted(front(*points), key=lambda p: p[1])


# ---------------------------------------------------------------------------------------------------- reports


def test_rows_of_the_reports() -> None:
    runs = three_pipelines()
    stages = ev.stage_report({"1": pipeline("ab", "c", "a", "a")}, {"1": dict.fromkeys("abcd", 1)})
    assert ev.query_rows(runs)[0] == {"pipeline": "first", "query": "0", "RR": 0.5, "P@1": 0.0}
    rows = ev.comparison_rows(ev.compare_evaluations(runs))
    assert len({tuple(row) for row in rows}) == 1
    better, same = rows[0], rows[2]
    assert (better["change"], better["verdict"], better["queries"]) == ("+0.5000", "better", "+40 -0")
    assert (same["p"], same["verdict"]) == ("1.0000", "chance?")
    rows = ev.stage_rows(stages)
    assert [row.get("lost at it") for row in rows] == [None, None, "25.0%", "25.0%", "25.0%"]
    assert [row.get("by it only") for row in rows] == ["50.0%", "25.0%", None, None, None]
    assert rows[2]["reads"] == ", ".join(stages.stages[2].inputs)
    assert [stage["lost"] for stage in ev.stages_dict(stages)["stages"]] == [0, 0, 0.25, 0.25]


def test_the_best_of_a_column_is_marked() -> None:
    rows = [
        {"name": "a", "x": 0.5, "n": 2},
        {"name": "b", "x": 0.25, "n": 9},
        {"name": "c", "x": 0.5, "n": 1},
    ]
    assert [row["x"] for row in ev.marked(rows, {"x"})] == ["0.5000 *", "0.2500", "0.5000 *"]
    assert [row["n"] for row in ev.marked(rows, {"x"})] == [2, 9, 1]
    assert ev.marked(rows[:1], {"x"}) == [{"name": "a", "x": "0.5000", "n": 2}]


def measured(name: str, run: dict[str, str], **given: Any) -> ev.Measured:
    return ev.Measured(
        name, f"{name}.qql", {q: [ev.Scored(d) for d in docs] for q, docs in run.items()}, **given
    )


def test_the_outcome_of_an_evaluation() -> None:
    qrels = {"1": {"a": 2, "b": 0}, "2": {"c": 1}, "3": {"d": 1}, "9": {"a": 1}}
    one = measured("one", {"1": "ab", "2": "xc"}, seconds=[0.001, 0.003], skipped={"3": "no"})
    two = measured("two", {"1": "ba", "2": "", "3": "d", "4": "a"})
    found = ev.outcome_of(
        {"one": one, "two": two}, qrels, ev.parse_measures(["RR", "P@1"]), ["1", "2", "3", "4"], "two"
    )
    assert found.rows() == [
        {"pipeline": "one", "RR": 0.5, "P@1": 0.3333, "p50 ms": 1.0, "p95 ms": 3.0},
        {"pipeline": "two", "RR": 0.5, "P@1": 0.3333},
    ]
    data = found.to_dict()
    assert (data["version"], data["measures"], data["baseline"]) == (1, ["RR", "P@1"], "two")
    first, second = data["pipelines"]
    assert first["per_query"] == {
        "1": {"RR": 1, "P@1": 1},
        "2": {"RR": 0.5, "P@1": 0},
        "3": {"RR": 0, "P@1": 0},
    }
    assert (first["skipped"], first["empty"], first["times"]["calls"]) == ({"3": "no"}, ["3"], 2)
    assert (second["empty"], second["times"], second["stages"]) == (["2"], None, None)
    assert [(c["pipeline"], c["baseline"], c["measure"]) for c in data["comparisons"]] == [
        ("one", "two", "RR"),
        ("one", "two", "P@1"),
    ]
    said = {warning.code: warning.message for warning in found.warnings()}
    assert said == {
        "unjudged-queries": "1 query has no judgements and does not count: 4",
        "unasked-queries": "there are judgements of 1 query that were not asked: 9",
        "skipped-queries": "one: 1 query failed and so found nothing (no): 3",
        "empty-results": "two: 1 query found nothing: 2",
    }
    assert "unasked-queries" not in {warning.code for warning in found.warnings(partly=True)}


def test_an_outcome_says_that_ids_differ() -> None:
    found = ev.outcome_of({"one": measured("one", {"1": "xy"})}, {"1": {"a": 1}}, [ev.Measure("RR")], ["1"])
    (warning,) = found.warnings()
    assert warning.code == "no-judged-hits" and warning.message.endswith(": x, y")
    assert (found.baseline, found.comparisons) == (None, ())


def test_the_lost_documents_are_in_the_data() -> None:
    trace = {"1": pipeline("ab", "c", "a", "a")}
    one = measured("one", {"1": "a"}, traces=trace)
    qrels = {"1": {**dict.fromkeys("abcd", 1), "e": 0}}
    found = ev.outcome_of({"one": one}, qrels, [ev.Measure("RR")], ["1"])
    stages = found.to_dict()["pipelines"][0]["stages"]
    assert stages["lost"] == {"1": ev.fates(trace["1"], "bcd")}
    assert stages["kept"] == 0.25


def test_cells_of_latency() -> None:
    cells = ev.latency_cells(ev.latency(ev.Timing((0.001, 0.0025), wall=0.004)))
    assert cells == {
        "calls": 2,
        "mean ms": 1.75,
        "p50 ms": 1.0,
        "p95 ms": 2.5,
        "p99 ms": 2.5,
        "min ms": 1.0,
        "max ms": 2.5,
        "queries/s": 500.0,
    }
    assert ev.short_cells(ev.latency(ev.Timing((0.001, 0.0025), wall=0.004))) == {
        "calls": 2,
        "mean": 1.75,
        "p50": 1.0,
        "p95": 2.5,
        "p99": 2.5,
        "min": 1.0,
        "max": 2.5,
        "calls/s": 500,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, 0.0),
        (0.00031, 0.0),
        (0.0561, 0.056),
        (1.2345, 1.23),
        (99.96, 100.0),
        (123.4, 123),
        (45678.9, 45679),
    ],
)
def test_three_digits(value: float, shown: float) -> None:
    assert ev.three_digits(value) == shown
    data = ev.latency_dict(ev.latency(ev.Timing((0.001, 0.0025), wall=0.004)))
    assert (data["min_ms"], data["p95_ms"], data["queries_per_second"]) == (1.0, 2.5, 500.0)
