"""Completion inside of other statements, and behind faults."""

from __future__ import annotations

import random
from typing import Any

import pytest
from test_completion import KNOWN, Q, cuts, statements, texts
from test_completion import test_what_may_come_next_is_suggested_and_nothing_else as is_suggested

import qql
from qql.cli.prompt.completion import recovery, up_to_cursor
from qql.cli.prompt.completion.core import suggestions

_OF = "FROM trails USING dense"
INSIDE = {
    "QUERY": f"QUERY 'x' {_OF}",
    "FUSION": "FUSION RRF FROM trails PREFETCH (QUERY 'x')",
    "WITH": "WITH a AS (QUERY 'x') QUERY FUSION RRF FROM trails PREFETCH (a)",
    "SEARCH": "SEARCH trails SIMILAR TO 'x' LIMIT 3",
    "RECOMMEND": "RECOMMEND FROM trails POSITIVE IDS (1) LIMIT 3",
    "SELECT": "SELECT * FROM trails WHERE id = 3",
    "COUNT": "COUNT FROM trails",
    "SCROLL": "SCROLL FROM trails",
    "FACET": "FACET kind FROM trails",
    "MATRIX": f"MATRIX {_OF}",
    "SHOW": "SHOW COLLECTIONS",
    "UPSERT": "UPSERT INTO trails VALUES {id: 1}",
    "INSERT": "INSERT INTO trails VALUES {id: 1}",
    "UPDATE": "UPDATE trails SET PAYLOAD = {a: 1} WHERE id = 1",
    "DELETE": "DELETE FROM trails WHERE id = 1",
    "CLEAR": "CLEAR PAYLOAD FROM trails WHERE id = 1",
    "CREATE": "CREATE ALIAS a FOR trails",
    "DROP": "DROP ALIAS a",
    "ALTER": "ALTER ALIAS a RENAME TO b",
    "USE": "USE trails",
    "DEFINE": "DEFINE a AS (QUERY 'x')",
    "EXISTS": "EXISTS COLLECTION trails",
    "COPY": "COPY trails FROM 'f.csv'",
    "DUMP": "DUMP trails TO 'f'",
    "EXECUTE": "EXECUTE 'f.qql'",
    "OPTIMIZE": "OPTIMIZE trails",
    "SET": "SET QUOTA (enabled = true)",
    "EXPLAIN": "EXPLAIN COUNT FROM trails",
    "WHY": "WHY 3 QUERY 'x' FROM trails",
}
"""A statement for each first word; some have to go on in another way, as CREATE COLLECTION has."""
AROUND = [
    ("COPY (", ") TO 'f.csv'"),
    ("EXPLAIN ANALYZE ", ""),
    ("EXPLAIN ANALYZE RUNS 3 ", ""),
    ("WHY 3 ", ""),
]
AROUND += [("BATCH { ", " }"), ("EXPLAIN ", "")]


@pytest.mark.parametrize(("before", "behind"), AROUND)
def test_what_may_stand_inside_of_a_statement_is_what_can_be_compiled(before: str, behind: str) -> None:
    suggested = {text.split()[0] for text in texts(before + "|" + behind)}
    for word, statement in INSIDE.items():
        try:
            qql.compile(before + statement + behind)
        except qql.QQLError:
            assert word not in suggested, statement
        else:
            assert word in suggested, statement


# ------------------------------------------------------------------------------------ behind a fault

FAULTS: list[tuple[str, str, str]] = [
    # a sign too many, one that is missing, a word that is none
    (Q + "WHERE kind == |", "'ridge'", "AND LIMIT"),
    (Q + "WHERE kind == 'a' AND |", "kind year", "AND LIMIT"),
    (Q + "WHERE kind 'a' |", "AND OR LIMIT", "WHERE IN"),
    (Q + "WHERE kind 'a' AND |", "kind year", "LIMIT"),
    (Q + "WHERE kind LIKE ('a', 'b') AND |", "kind year", "LIMIT"),
    (Q + "WHERE kind # 3 AND |", "kind year", "LIMIT"),
    (Q + "WHERE 12abc = 3 AND |", "kind year", "LIMIT IN"),
    (Q + "WHERE kind IN ('a' 'b', |", "'ridge'", "AND kind"),
    (Q + "WHERE (kind = 'a' AND year = ) AND |", "kind year", "LIMIT"),
    (Q + "WHERE kind = 'a') AND |", "kind year", "LIMIT"),
    (Q + "WHERE kind = LIMIT |", "OFFSET AND", "WHERE kind"),
    (Q + "LIMIT abc WHERE |", "kind year", "LIMIT"),
    (Q + "LIMT 5 |", "WHERE LIMIT OFFSET", "FROM"),
    (Q + "USNG dense WHERE |", "kind year", "LIMIT"),
    ("QUERY 'x' FORM trails |", "FROM WHERE", "QUERY"),
    (Q + "PARAMS (hnsw_ef = = 4, |", "exact", "hnsw_ef LIMIT"),
    ("UPSERT INTO trails VALUES {id: 1, a b}, {id: 2, |", "dense kind", "id LIMIT"),
    ("CREATE COLLECTION c (v VECTR(3)) WITH |", "HNSW WAL", "WHERE"),
    # what stands in a bracket that nothing takes is passed over with it
    (Q + "WHERE kind LIKE ('a', |", "", "kind AND"),
    # stages, other statements
    ("WITH a AS (QUERY 'x' LIMTI 3) QUERY FUSION RRF FROM trails PREFETCH (|", "a recent", "trails"),
    ("COUNT FORM trails\nCOUNT FROM trails WHERE |", "kind", "LIMIT"),
    ("COUNT FORM (trails\nCOUNT FROM |", "trails", "WHERE"),
    ("BATCH { QUERY 'x' FORM trails; QUERY 'y' FROM |", "trails", "WHERE"),
    # what is no statement from its beginning
    ("FORM trails WHERE |", "", "kind"),
]


@pytest.mark.parametrize(("marked", "must", "must_not"), FAULTS, ids=[case[0] for case in FAULTS])
def test_what_follows_a_fault_is_suggested(marked: str, must: str, must_not: str) -> None:
    is_suggested(marked, must, must_not)


def test_a_text_that_is_valid_is_read_without_a_fault() -> None:
    read = 0
    for text in random.Random(2).sample([*statements()], 150):
        for at in cuts(text):
            read += 1
            assert not up_to_cursor.read(text[:at] + " ", 0, at + 1).faults, text[:at]
    assert read > 1000


def test_a_word_that_is_wrong_anywhere_leaves_suggestions_behind_what_follows() -> None:
    chance = random.Random(8)
    helped = 0
    for text in chance.sample([*statements()], 100):
        places_in = cuts(text)
        if len(places_in) < 6:
            continue
        at, cursor = sorted(chance.sample(places_in[2:], 2))
        before = text[:at] + "zzq zzq " + text[at:cursor]
        if at < cursor and suggestions(text, cursor, KNOWN):
            helped += bool(suggestions(before, len(before), KNOWN))
    assert helped > 30


def test_many_faults_take_no_more_work_than_some(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0

    def counted(*given: Any) -> Any:
        nonlocal tried
        tried += 1
        return recovery.behind_fault(*given)

    monkeypatch.setattr(up_to_cursor, "behind_fault", counted)
    text = "COUNT FROM trails WHERE " + "a = , = AND AND OR , )" * 500
    suggestions(text, len(text), KNOWN)
    assert 0 < tried < 100
