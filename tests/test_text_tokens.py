"""ANALYZE TEXT: the tokens that it shows are those of the engine, as MATCH and BM25 show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import qql
from qql.errors import QQLError, QQLExecutionError, QQLModelError, QQLPlanError
from qql.models.embedders.bm25 import Bm25Embedder
from qql.models.embedders.bm25_tokens import Tokenizer
from qql.session.session import Session

TEXT = "The quick runners happily RUN; running to emergencies, CAFÉ-society skies x y2k o'clock naïve हिन्दी"
LONE = (
    "quick",
    "runners",
    "RUN",
    "running",
    "emergencies",
    "CAFÉ",
    "society",
    "skies",
    "x",
    "y2k",
    "o",
    "the",
    "to",
)
OPTIONS = (
    "",
    "tokenizer = whitespace",
    "tokenizer = whitespace, lowercase = false",
    "lowercase = false",
    "stopwords = 'english'",
    "stopwords = {custom: ['skies', 'x']}",
    "stemmer = english",
    "stopwords = 'english', stemmer = english, ascii_folding = true",
    "min_token_len = 3, max_token_len = 7",
    "tokenizer = prefix, min_token_len = 2, max_token_len = 5",
    "tokenizer = prefix, min_token_len = 1, max_token_len = 3, stopwords = 'english'",
    "phrase_matching = true, ascii_folding = true",
)


@pytest.fixture
def db() -> Iterator[Session]:
    with qql.connect(":memory:") as session:
        session.run(
            "CREATE COLLECTION docs (words SPARSE MODEL 'qdrant/bm25', plain SPARSE, dense VECTOR(2, DOT))"
        )
        yield session


def analyzed(db: Session, text: str, name: str = "t") -> list[dict[str, Any]]:
    return db.execute(f"ANALYZE TEXT :text ON {name} FROM docs", {"text": text}).rows


def finds(db: Session, word: str) -> bool:
    return db.execute("COUNT FROM docs WHERE t MATCH :word", {"word": word}).rows[0]["count"] == 1


@pytest.mark.parametrize("options", OPTIONS)
def test_what_is_shown_is_what_the_engine_matches(db: Session, options: str) -> None:
    db.execute(f"CREATE INDEX ON docs FOR t TYPE text{f' WITH ({options})' if options else ''}")
    db.execute("UPSERT INTO docs VALUES {id: 1, t: :text}", {"text": TEXT})
    shown = analyzed(db, TEXT)
    assert all("token" in row for row in shown if "dropped" not in row)  # each has its name
    stored = {row["token"] for row in shown if row.get("documents")}
    for word in (*LONE, "absent", "run", "quic", "emerg", "caf", "café", "cafe"):
        asked = [row["token"] for row in analyzed(db, word) if row.get("queries")]
        # Qdrant matches where the document has all tokens of the query; one without tokens matches nothing.
        assert finds(db, word) == (bool(asked) and set(asked) <= stored), word


def test_a_token_that_is_left_out_of_a_document_is_not_found(db: Session) -> None:
    db.execute("CREATE INDEX ON docs FOR t TYPE text WITH (stopwords = 'english', max_token_len = 6)")
    db.execute("UPSERT INTO docs VALUES {id: 1, t: 'The emergency of hearts'}")
    shown = analyzed(db, "The emergency of hearts")
    dropped = {row["words"]: row["dropped"] for row in shown if "dropped" in row}
    assert dropped == {
        "The": "a stop word",
        "emergency": "longer than max_token_len = 6",
        "of": "a stop word",
    }
    assert [finds(db, word) for word in ("The", "emergency", "of", "hearts")] == [False, False, False, True]


def test_prefixes_stand_in_documents_and_the_longest_of_them_in_queries(db: Session) -> None:
    db.execute(
        "CREATE INDEX ON docs FOR t TYPE text WITH (tokenizer = prefix, min_token_len = 2, max_token_len = 4)"
    )
    shown = {row["token"]: (row["documents"], row["queries"]) for row in analyzed(db, "hello")}
    assert shown == {"he": (True, False), "hel": (True, False), "hell": (True, True)}


def test_the_tokens_of_bm25_are_those_of_its_vectors(db: Session) -> None:
    model = Bm25Embedder("qdrant/bm25")
    shown = analyzed(db, TEXT, "words")
    for column, purpose in (("documents", "document"), ("queries", "query")):
        (vector,) = model.embed([TEXT], "document" if purpose == "document" else "query")
        expected = dict(zip(vector["indices"], vector["values"], strict=True))
        found = {row["id"]: row[column] for row in shown if row.get(column) is not None}
        assert found == pytest.approx(expected, abs=1e-4)
    by_token = {row["token"]: row for row in shown if "token" in row}
    assert by_token["run"]["words"] == "RUN, running" and by_token["run"]["times"] == 2
    assert by_token["happili"]["words"] == "happily"  # a stem that is no beginning of its word
    assert {row["words"] for row in shown if row.get("dropped") == "a stop word"} >= {"The", "to"}


def test_every_token_that_has_a_name_is_known_by_the_number_of_that_name() -> None:
    plain = Bm25Embedder(
        "qdrant/bm25", {"tokenizer": "whitespace", "stemmer": {"type": "none"}, "lowercase": False}
    )
    for options in ({}, {"tokenizer": "code"}, {"language": "german"}):
        found = Tokenizer(options).tokens("helloWorld snake_case Häuser der Ärzte laufen", "document")
        assert found.tokens and all(one.text for one in found.tokens)
        for one in found.tokens:
            (vector,) = plain.embed([str(one.text)], "query")
            assert vector["indices"] == [one.id]


def test_what_cannot_be_known_is_refused(db: Session) -> None:
    db.execute("CREATE INDEX ON docs FOR t TYPE text WITH (tokenizer = multilingual)")
    with pytest.raises(QQLModelError) as caught:
        analyzed(db, "日本語を話す")
    assert caught.value.code == "tokens-unknown" and "multilingual" in str(caught.value)


@pytest.mark.parametrize("name", ["plain", "dense", "nothing", "n"])
def test_what_has_no_tokens_is_refused_with_what_has(db: Session, name: str) -> None:
    db.run("CREATE INDEX ON docs FOR title TYPE text; CREATE INDEX ON docs FOR n TYPE integer;")
    with pytest.raises(QQLExecutionError) as caught:
        analyzed(db, "red shoes", name)
    assert caught.value.code == "not-analyzed"
    assert caught.value.diagnostic.span is not None and "title, words" in str(caught.value.hint)


def test_the_collection_may_be_that_in_use_and_has_to_be_some(db: Session) -> None:
    with pytest.raises(QQLPlanError):
        db.execute("ANALYZE TEXT 'red shoes' ON words")
    db.execute("USE docs")
    assert [row["token"] for row in db.execute("ANALYZE TEXT 'red shoes' ON words").rows] == ["red", "shoe"]


def test_other_clauses_and_other_texts_are_refused(db: Session) -> None:
    for text in ("ANALYZE TEXT 'x' ON words FROM docs LIMIT 3", "ANALYZE TEXT 3 ON words FROM docs"):
        with pytest.raises(QQLError):
            db.execute(text)
    with pytest.raises(QQLError):
        db.execute("ANALYZE TEXT :t ON words FROM docs", {"t": 3})


def test_a_text_without_words_has_no_tokens(db: Session) -> None:
    assert analyzed(db, " ... ", "words") == []


def test_the_tokens_of_a_long_text_are_looked_for_word_by_word() -> None:
    text = " ".join(f"wording{at % 50}" for at in range(20_000))
    found = Tokenizer({}).tokens(text, "document")
    assert len(found.tokens) == 50 and found.tokens[0].times == 400
