"""Rerankers by name: shared words, servers of four shapes, fastembed's cross-encoders, functions."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import pytest
import tiny_onnx
from conftest import examples
from http_recorder import HttpRecorder, Received, Reply
from hypothesis import given, settings
from hypothesis import strategies as st

from qql.compiler.rows import TEXT_FIELDS
from qql.errors import QQLModelError
from qql.models.rerankers import Rerankers, hit_text, is_remote
from qql.models.rerankers.http import SERVERS, HttpReranker
from qql.models.rerankers.names import CROSS_ENCODERS, SHAPES, Remote, remote
from qql.models.rerankers.overlap import OverlapReranker


def fails(code: str, call: Callable[[], Any]) -> QQLModelError:
    with pytest.raises(QQLModelError) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value


# -- local/overlap


def overlap(query: str, text: str) -> float:
    return OverlapReranker().score(query, [text])[0]


def test_overlap_is_the_formula_that_is_documented() -> None:
    # Three terms of the query, one of them twice in the text of five, and one pair of two as neighbours.
    saturation = 1.2 * (0.25 + 0.75 * 5 / 256)
    found = (1 / (1 + saturation) + 2 / (2 + saturation) + 0) / 3
    assert overlap("red sea port", "red sea or a sea") == pytest.approx(0.85 * found + 0.15 / 2)
    assert overlap("sea", "sea or a sea, sea") == pytest.approx(3 / (3 + saturation))


words = st.lists(st.sampled_from(["red", "sea", "port", "sky", "of", "grass", "東京", "42"]), max_size=12)


@settings(max_examples=examples(200), deadline=None)
@given(words, words)
def test_overlap_is_between_0_and_1_and_0_only_without_a_shared_word(
    query: list[str], text: list[str]
) -> None:
    score = overlap(" ".join(query), " ".join(text))
    assert 0 <= score < 1
    assert (score > 0) == bool(set(query) & set(text))


@settings(max_examples=examples(200), deadline=None)
@given(words, words, st.integers(1, 5))
def test_overlap_of_a_text_falls_with_words_that_the_query_does_not_have(
    query: list[str], text: list[str], more: int
) -> None:
    before = overlap(" ".join(query), " ".join(text))
    after = overlap(" ".join(query), " ".join(text + ["unrelated"] * more))
    assert after < before or before == after == 0


@settings(max_examples=examples(200), deadline=None)
@given(words, words)
def test_overlap_grows_with_the_words_of_the_query(query: list[str], text: list[str]) -> None:
    asked = " ".join(query)
    before = overlap(asked, " ".join([*text, "unrelated"]))
    assert all(overlap(asked, " ".join([*text, word])) > before for word in query)


@settings(max_examples=examples(200), deadline=None)
@given(words, words)
def test_overlap_counts_another_word_more_than_the_same_one_again(query: list[str], text: list[str]) -> None:
    # Words between them keep neighbours out of it.
    after = {word: overlap(" ".join(query), " x ".join([*text, word])) for word in query}
    new = [score for word, score in after.items() if word not in text]
    again = [score for word, score in after.items() if word in text]
    assert not new or not again or min(new) > max(again)


def test_overlap_prefers_neighbours_in_order_by_a_little() -> None:
    scores = {text: overlap("red sea", " ".join(text)) for text in permutations(["red", "sea", "x", "y"])}
    near = {score for text, score in scores.items() if ("red", "sea") in pairwise(text)}
    far = {score for text, score in scores.items() if ("red", "sea") not in pairwise(text)}
    assert len(near) == len(far) == 1
    assert near.pop() - far.pop() == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("query", "text"), [("STRASSE", "Straße"), ("ﬁle", "FILE"), ("cafe\u0301", "CAFÉ"), ("京都", "東京都")]
)
def test_overlap_reads_words_of_any_script_and_case(query: str, text: str) -> None:
    assert overlap(query, text) > 0.5


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_overlap_takes_any_text(query: str, text: str) -> None:
    score = overlap(query, text)
    assert 0 <= score < 1
    assert overlap(query, text) == score


def test_overlap_orders_a_small_search() -> None:
    texts = ["the harbour", "a quiet sea", "the port of the Red Sea", "the red car by the sea", ""]
    scores = Rerankers().rerank("Local/Overlap", "red sea port", texts)
    assert sorted(texts, key=lambda text: -scores[texts.index(text)])[:3] == [texts[2], texts[3], texts[1]]
    assert scores[0] == scores[4] == 0


# -- the registry


def test_each_distinct_text_is_scored_once_and_the_order_kept() -> None:
    asked: list[tuple[str, list[str]]] = []

    def lengths(query: str, texts: list[str]) -> list[int]:
        asked.append((query, texts))
        return [len(text) for text in texts]

    rerankers = Rerankers({"m": lengths})
    assert rerankers.rerank("m", "q", ["bb", "", "a", "bb", "ccc", "a"]) == [2.0, 0.0, 1.0, 2.0, 3.0, 1.0]
    assert asked == [("q", ["bb", "", "a", "ccc"])]
    assert rerankers.rerank("m", "q", []) == []
    assert len(asked) == 1


def test_a_function_may_answer_with_any_sequence_of_numbers() -> None:
    import numpy as np

    answers: dict[str, Any] = {
        "tuple": (1, 2.5),
        "array": np.array([1, 2.5], dtype=np.float32),
        "scalars": [np.float64(1), np.int8(2)],
        "iterator": iter([1, 2]),
    }
    rerankers = Rerankers({name: lambda q, texts, a=answer: a for name, answer in answers.items()})
    for name in answers:
        scores = rerankers.rerank(name, "q", ["a", "b"])
        assert [int(score) for score in scores] == [1, 2]
        assert all(type(score) is float for score in scores)


def test_an_object_with_score_is_a_model_as_it_is() -> None:
    class Mine:
        model = "mine"

        def score(self, query: str, texts: list[str]) -> list[float]:
            return [float(query == text) for text in texts]

    assert Rerankers({"mine": Mine()}).rerank("mine", "b", ["a", "b"]) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        (lambda q, texts: [1.0], "model-answer", "1 score for 2 texts"),
        (lambda q, texts: [1.0] * 3, "model-answer", "3 scores for 2 texts"),
        (lambda q, texts: [1.0, float("nan")], "model-answer", "the score nan"),
        (lambda q, texts: [1.0, float("-inf")], "model-answer", "the score -inf"),
        (lambda q, texts: [1.0, 10**400], "model-answer", "too large"),
        (lambda q, texts: [1.0, "2"], "model-answer", "a str in place of a score"),
        (lambda q, texts: [1.0, True], "model-answer", "a bool in place of a score"),
        (lambda q, texts: [1.0, None], "model-answer", "a NoneType in place of a score"),
        (lambda q, texts: [[1.0], [2.0]], "model-answer", "a list in place of a score"),
        (lambda q, texts: None, "model-answer", "a NoneType in place of a list"),
        (lambda q, texts: {"a": 1, "b": 2}, "model-answer", "a dict in place of a list"),
        (lambda q, texts: "ab", "model-answer", "a str in place of a list"),
        (lambda q, texts: 1 / 0, "model-failed", "ZeroDivisionError: division by zero"),
        (lambda q: [1.0, 2.0], "model-failed", "TypeError"),
        (lambda q, texts: (1 / 0 for _ in texts), "model-failed", "ZeroDivisionError"),
    ],
)
def test_what_a_function_does_wrong_is_named(function: Any, code: str, words: str) -> None:
    error = fails(code, lambda: Rerankers({"my-model": function}).rerank("my-model", "q", ["a", "b"]))
    assert words in error.message
    assert "my-model" in error.message
    assert code != "model-failed" or isinstance(error.__cause__, Exception)


def test_models_are_made_once_even_by_many_threads() -> None:
    rerankers = Rerankers(url="http://127.0.0.1:1")
    start = threading.Barrier(8)
    got: list[Any] = []

    def ask() -> None:
        start.wait()
        got.append(rerankers.get("tei/m"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(reranker) for reranker in got}) == 1
    assert rerankers.get("LOCAL/overlap") is rerankers.get("local/overlap")
    assert rerankers.get("tei/M") is not got[0]
    rerankers.close()
    assert rerankers.get("tei/m") is not got[0]
    rerankers.close()
    rerankers.close()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cohere/rerank-v3.5", Remote("cohere", None, "rerank-v3.5")),
        ("Jina/Org/Name", Remote("jina", None, "Org/Name")),
        ("http://host:1/v1#BAAI/x", Remote("jina", "http://host:1/v1", "BAAI/x")),
        ("TEI+https://host", Remote("tei", "https://host", "")),
        ("voyage+http://host/v1#m#n", Remote("voyage", "http://host/v1", "m#n")),
        ("jinaai/jina-reranker-v1-tiny-en", None),
        ("openai+http://host#m", None),
        ("local/overlap", None),
    ],
)
def test_names_say_how_a_server_is_spoken_to(name: str, found: Remote | None) -> None:
    assert remote(name) == found
    assert is_remote(name) == (found is not None)


def test_every_shape_has_its_server() -> None:
    assert tuple(SERVERS) == SHAPES


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("local/overlab", "did you mean `local/overlap`?"),
        ("local/hash-64", "makes vectors, and RERANK requires"),
        ("BAAI/bge-small-en-v1.5", "makes vectors, and RERANK requires"),
        ("BAAI/bge-reranker-bas", "did you mean `BAAI/bge-reranker-base`?"),
        ("my-reranke", "did you mean `my-reranker`?"),
        ("zzz", "`cohere/NAME`"),
    ],
)
@pytest.mark.parametrize("installed", [True, False])
def test_an_unknown_model_names_the_nearest(
    name: str, words: str, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if installed:
        pytest.importorskip("fastembed")
    else:
        monkeypatch.setitem(sys.modules, "fastembed", None)
    rerankers = Rerankers({"my-reranker": lambda q, texts: [1.0] * len(texts)})
    # No candidates are no reason to accept a name that nothing has.
    error = fails("unknown-model", lambda: rerankers.rerank(name, "q", []))
    assert words in error.render()
    assert name in error.message


def test_nothing_heavy_is_imported_to_know_a_model() -> None:
    code = (
        "import sys, qql.models.rerankers as r, qql.models.rerankers.http, qql.models.rerankers.fastembed;"
        "m = r.Rerankers(url='http://127.0.0.1:1'); m.rerank('local/overlap', 'a', ['a']); m.get('tei/m');"
        "print([n for n in ('numpy', 'fastembed', 'qdrant_edge', 'httpx', 'qdrant_client', 'onnxruntime')"
        " if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# -- servers

KEYS = {"cohere": "COHERE_API_KEY", "jina": "JINA_API_KEY", "voyage": "VOYAGE_API_KEY"}


def rows(scores: list[Any], name: str = "relevance_score") -> list[dict[str, Any]]:
    """As servers give them: the best first, each with the place of its text."""
    return sorted(
        ({"index": i, name: score} for i, score in enumerate(scores)), key=lambda row: -float(row[name])
    )


def by_length(received: Received) -> Reply:
    """Scores a text by its length, in the form that belongs to the request."""
    body = received.body
    if "texts" in body:
        return Reply(rows([len(text) for text in body["texts"]], "score"))
    scored = rows([len(text) for text in body["documents"]])
    return Reply({"data" if "top_k" in body else "results": scored, "model": body["model"]})


class Server(HttpRecorder):
    """Answers by the next of its replies, else by `by_length`."""

    def __init__(self) -> None:
        super().__init__(otherwise=self.answer)
        self.replies: list[Reply | Callable[[Received], Reply]] = []

    def answer(self, received: Received) -> Reply:
        reply = self.replies.pop(0) if self.replies else by_length
        return reply(received) if callable(reply) else reply


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("QQL_RERANK_URL", "RERANK_BASE_URL", "QQL_RERANK_API_KEY", "CO_API_KEY", *KEYS.values()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        yield server


@pytest.fixture
def at(server: Server) -> Iterator[Callable[..., Any]]:
    made: list[HttpReranker] = []

    def make(model: str = "jina/m", **more: Any) -> Any:
        waits: list[float] = []
        reranker = HttpReranker(model, **{"url": f"{server.url}/v1", "sleep": waits.append, **more})
        reranker.waits = waits  # type: ignore[attr-defined]
        made.append(reranker)
        return reranker

    yield make
    for reranker in made:
        reranker.close()


Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("cohere", {"model": "m", "query": "q", "documents": ["bb", "a"], "top_n": 2}),
        (
            "jina",
            {"model": "m", "query": "q", "documents": ["bb", "a"], "top_n": 2, "return_documents": False},
        ),
        ("voyage", {"model": "m", "query": "q", "documents": ["bb", "a"], "top_k": 2}),
        ("tei", {"query": "q", "texts": ["bb", "a"], "truncate": True}),
    ],
)
def test_each_shape_is_spoken(server: Server, at: Make, shape: str, body: Any) -> None:
    assert at(f"{shape}/m").score("q", ["bb", "a"]) == [2.0, 1.0]
    assert (server.last.method, server.last.path) == ("POST", "/v1/rerank")
    assert server.last.body == body
    assert server.last.headers["content-type"] == "application/json"
    assert "authorization" not in server.last.headers


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", ["results", "data", "list", "scores"])
def test_an_answer_of_any_form_is_read(server: Server, at: Make, shape: str, form: str) -> None:
    scored = rows([0.25, -1.5, 0.5], "score" if form in ("list", "scores") else "relevance_score")
    server.replies = [
        Reply({"results": scored} if form == "scores" else scored if form == "list" else {form: scored})
    ]
    assert at(f"{shape}/m").score("q", ["a", "b", "c"]) == [0.25, -1.5, 0.5]


def test_providers_have_the_addresses_of_their_documentation() -> None:
    assert {shape: server.url for shape, server in SERVERS.items()} == {
        "cohere": "https://api.cohere.com/v2",
        "jina": "https://api.jina.ai/v1",
        "voyage": "https://api.voyageai.com/v1",
        "tei": None,
    }


@pytest.mark.parametrize("end", ["", "/", "/rerank", "/rerank/"])
def test_an_address_may_end_with_the_endpoint(server: Server, at: Make, end: str) -> None:
    at(url=f"{server.url}/v2{end}").score("q", ["a"])
    at(f"cohere+{server.url}/v2{end}?version=3#Org/Name").score("q", ["a"])
    assert [one.path for one in server.received] == ["/v2/rerank"] * 2
    assert server.last.query == {"version": "3"}
    assert server.last.body["model"] == "Org/Name"


def test_a_tei_server_needs_no_name(server: Server) -> None:
    rerankers = Rerankers()
    assert rerankers.rerank(f"tei+{server.url}", "q", ["a", "bb"]) == [1.0, 2.0]
    assert server.last.path == "/rerank"
    rerankers.close()


def test_texts_go_in_batches_and_come_back_in_order(server: Server, at: Make) -> None:
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    assert at(documents=2).score("q", texts) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [one.body["documents"] for one in server.received] == [texts[:2], texts[2:4], texts[4:]]
    assert [one.body["top_n"] for one in server.received] == [2, 2, 1]


def test_a_request_has_so_many_characters_with_the_query_for_each_text(server: Server, at: Make) -> None:
    at(characters=10).score("query", ["aaaaa", "b", "c" * 50, "d", ""])
    # 5 + 5; 5 + 1, and 5 + 50 would be too many; one that is too long goes alone.
    assert [one.body["documents"] for one in server.received] == [["aaaaa"], ["b"], ["c" * 50], ["d"]]
    server.received.clear()
    at(characters=12).score("query", ["a", "b", "c"])
    assert [one.body["documents"] for one in server.received] == [["a", "b"], ["c"]]


@pytest.mark.parametrize(("shape", "most"), [("tei", 32), ("cohere", 1000), ("jina", 256), ("voyage", 1000)])
def test_a_request_has_as_many_texts_as_the_shape_allows(
    server: Server, at: Make, shape: str, most: int
) -> None:
    at(f"{shape}/m").score("q", [str(i) for i in range(most + 1)])
    sent = [one.body.get("documents") or one.body["texts"] for one in server.received]
    assert [len(texts) for texts in sent] == [most, 1]


def test_empty_texts_are_not_sent_and_stand_last(server: Server, at: Make) -> None:
    assert at().score("q", ["", "aa", " \n"]) == [0.0, 2.0, 0.0]
    assert server.last.body["documents"] == ["aa"]
    server.replies = [Reply({"results": rows([-3.0, -2.0])})]
    assert at().score("q", ["b", "", "c"]) == [-3.0, -3.0, -2.0]
    server.received.clear()
    assert at().score("q", ["", ""]) == [0.0, 0.0]
    assert at().score("q", []) == []
    assert server.received == []


def test_where_address_and_key_come_from(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def key_sent(model: str = "jina/m", **more: Any) -> str | None:
        reranker = HttpReranker(model, **more)
        reranker.score("q", ["x"])
        reranker.close()
        return server.last.headers.get("authorization")

    nowhere = "http://127.0.0.1:1/v1"
    monkeypatch.setenv("RERANK_BASE_URL", f"{server.url}/v1")
    assert key_sent() is None
    monkeypatch.setenv("QQL_RERANK_API_KEY", " sk-qql\n")
    assert key_sent() == "Bearer sk-qql"
    monkeypatch.setenv("RERANK_BASE_URL", nowhere)
    monkeypatch.setenv("QQL_RERANK_URL", server.url)
    assert key_sent() == "Bearer sk-qql"
    monkeypatch.setenv("QQL_RERANK_URL", nowhere)
    assert key_sent(url=server.url, api_key="sk-config") == "Bearer sk-config"
    # An address that a model's name gives is sent the key where it is of the configured origin only.
    assert key_sent(f"{server.url}/v1#m", api_key="sk-config") is None
    assert key_sent(f"tei+{server.url}/x#m", url=server.url, api_key="sk-config") == "Bearer sk-config"
    rerankers = Rerankers(url=server.url, api_key="sk-session")
    assert rerankers.rerank("jina/Some/Model", "q", ["x", "yy"]) == [1.0, 2.0]
    assert server.last.headers["authorization"] == "Bearer sk-session"
    assert server.last.body["model"] == "Some/Model"
    rerankers.close()


@pytest.mark.parametrize(("shape", "variable"), KEYS.items())
def test_the_key_of_a_provider_is_for_the_provider(
    server: Server, monkeypatch: pytest.MonkeyPatch, shape: str, variable: str
) -> None:
    def key_of(model: str, **more: Any) -> str | None:
        reranker = HttpReranker(model, **more)
        key: str | None = reranker._key
        return key

    for name in KEYS.values():
        monkeypatch.setenv(name, f"sk-{name}")
    home = SERVERS[shape].url
    assert key_of(f"{shape}/m") == f"sk-{variable}"
    assert key_of(f"{shape}+{home}#m", url=server.url) == f"sk-{variable}"
    assert key_of(f"{shape}/m", api_key="sk-mine") == "sk-mine"
    assert key_of(f"{shape}/m", url=server.url) is None
    assert key_of(f"{shape}+{server.url}#m") is None
    assert key_of(f"{shape}+{home}#m".replace("https", "http")) is None
    assert key_of("tei/m", url=server.url) is None
    # A key that belongs to the configured address is not one for the provider.
    assert key_of(f"{shape}+{home}#m", url=server.url, api_key="sk-mine") == f"sk-{variable}"


@pytest.mark.parametrize(
    "name", ["cohere/", "jina/", "tei/", "http://host/v1", "http://host/v1#", "voyage+http://u:pw@host/v1"]
)
def test_names_without_a_model(name: str) -> None:
    error = fails("unknown-model", lambda: Rerankers(url="http://127.0.0.1:1").get(name))
    assert "names no model" in error.message
    assert "pw" not in error.render()


def test_a_tei_model_has_no_address_of_its_own(server: Server) -> None:
    error = fails("unknown-model", lambda: Rerankers().get("tei/m"))
    assert "requires the address" in error.message
    assert "QQL_RERANK_URL" in (error.hint or "")


@pytest.mark.parametrize(
    "url", ["ftp://x/v1", "localhost:1/v1", "http://:80/v1", "http://h:99999/v1", "http://[x"]
)
def test_addresses_that_are_none(url: str) -> None:
    error = fails("unknown-model", lambda: Rerankers(url=url).get("jina/m"))
    assert "http(s)://host/v1" in error.message


def test_trouble_that_passes_is_waited_for(server: Server, at: Make) -> None:
    server.replies = [
        Reply({"error": {"message": "slow down"}}, 429, {"retry-after": "7"}),
        Reply(b"busy", 503),
        Reply({}, 500, {"retry-after": "0"}),
    ]
    reranker = at()
    assert reranker.score("q", ["x"]) == [1.0]
    assert reranker.waits == [7.0, 1.0, 0.0]
    assert len({one.raw for one in server.received}) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_that_stays_is_given_up(server: Server, at: Make, status: int) -> None:
    server.replies = [Reply({"error": "loading"}, status)] * 6
    reranker = at()
    error = fails("model-unavailable", lambda: reranker.score("q", ["x"]))
    assert f"HTTP {status}: loading" in error.message
    assert server.url in error.message
    assert reranker.waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert len(server.received) == 6


def test_a_long_wait_is_not_waited(server: Server, at: Make) -> None:
    server.replies = [Reply({"message": "trial keys: 10 a minute"}, 429, {"retry-after": "600"})]
    reranker = at("cohere/m")
    error = fails("model-unavailable", lambda: reranker.score("q", ["x"]))
    assert "trial keys: 10 a minute (the server asks to wait 600 s)" in error.message
    assert reranker.waits == []


@pytest.mark.parametrize(
    ("status", "answer", "words", "hint"),
    [
        (400, {"message": "invalid request: too many"}, "HTTP 400: invalid request: too many", None),
        (401, {"detail": "bad key sk-secret-1"}, "bad key ***", "QQL_RERANK_API_KEY"),
        (403, {"error": {"message": "no"}}, "HTTP 403: no", "QQL_RERANK_API_KEY"),
        (404, b"<html>\n\x1b[31mnot here</html>", "HTTP 404: <html> [31mnot here</html>", "version"),
        (
            413,
            {"error": "batch size 33 > 32", "error_type": "Validation"},
            "batch size 33",
            "max-client-batch-size",
        ),
        (422, {"detail": ["x"]}, "HTTP 422: {'detail': ['x']}", None),
        (400, b"z" * 5000, "zzz…", None),
    ],
)
def test_refusals_show_what_the_server_says(
    server: Server, at: Make, status: int, answer: Any, words: str, hint: str | None
) -> None:
    server.replies = [Reply(answer, status)]
    reranker = at(api_key="sk-secret-1")
    error = fails("model-refused", lambda: reranker.score("q", ["x"]))
    assert words in error.message
    assert (error.hint is None) if hint is None else (hint in (error.hint or ""))
    assert "sk-secret-1" not in error.render()
    assert len(error.message) < 700
    assert reranker.waits == []
    assert len(server.received) == 1


def test_a_key_that_was_held_back_is_said_to_be(server: Server, at: Make) -> None:
    server.replies = [Reply({"detail": "who are you"}, 401)]
    reranker = at(f"{server.url}/v1#m", url="http://127.0.0.1:1/v1", api_key="sk-secret-1")
    assert "no key was sent" in (fails("model-refused", lambda: reranker.score("q", ["x"])).hint or "")


def test_redirects_are_not_followed(server: Server, at: Make) -> None:
    server.replies = [Reply(b"", 307, {"location": f"{server.url}/elsewhere"})]
    error = fails("model-refused", lambda: at(api_key="sk-secret-1").score("q", ["x"]))
    assert f"redirect to {server.url}/elsewhere" in error.message
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"hello", "did not answer with scores"),
        (b'{"results": [{"index": 0, "relev', "did not answer with scores"),
        (b"[" * 100_000, "did not answer with scores"),
        (7, "did not answer with scores"),
        ({"results": None}, "did not answer with scores"),
        ({"object": "list"}, "did not answer with scores"),
        ({"results": [0.5, 0.25]}, "did not answer with scores"),
        ({"results": [{"relevance_score": 1.0}] * 2}, "did not answer with scores"),
        ({"results": [{"index": 0}, {"index": 1}]}, "did not answer with scores"),
        ({"results": [{"index": [0], "score": 1}] * 2}, "did not answer with scores"),
        ({"results": rows([1.0])}, "1 for 2, of the texts 0"),
        ({"results": rows([1.0, 2.0, 3.0])}, "3 for 2, of the texts 2, 1, 0"),
        ({"results": [{"index": 0, "score": 1.0}] * 2}, "2 for 2, of the texts 0"),
        ({"results": rows([1.0, 2.0]) * 2}, "4 for 2, of the texts 1, 0"),
        ({"results": [{"index": i, "score": 1.0} for i in (1, 2)]}, "of the texts 1, 2"),
        ({"results": [{"index": i, "score": 1.0} for i in (-1, 0)]}, "of the texts -1, 0"),
        ({"results": [{"index": i, "score": 1.0} for i in ("0", "1")]}, "did not give one score for each"),
        ({"results": [{"index": i, "score": 1.0} for i in (False, True)]}, "of the texts False, True"),
        ({"results": [{"index": i, "score": 1.0} for i in (0.0, 1.0)]}, "of the texts 0.0, 1.0"),
        ({"results": [{"index": i, "score": float("nan")} for i in (0, 1)]}, "the score nan"),
        ({"results": [{"index": i, "score": float("inf")} for i in (0, 1)]}, "the score inf"),
        ({"results": [{"index": i, "score": None} for i in (0, 1)]}, "a NoneType in place of a score"),
        ({"results": [{"index": i, "score": "0.5"} for i in (0, 1)]}, "a str in place of a score"),
    ],
)
def test_answers_that_are_no_scores(server: Server, at: Make, answer: Any, words: str) -> None:
    server.replies = [Reply(answer)]
    assert words in fails("model-answer", lambda: at().score("q", ["x", "y"])).message
    assert len(server.received) == 1


def test_an_answer_that_is_cut_off_is_asked_for_again(server: Server, at: Make) -> None:
    cut = Reply({"results": rows([1.0])}, announce=1000)
    server.replies = [cut]
    reranker = at()
    assert reranker.score("q", ["x"]) == [1.0]
    assert reranker.waits == [0.5]
    server.replies = [cut] * 6
    assert "RemoteProtocolError" in fails("model-unavailable", lambda: reranker.score("q", ["x"])).message


def test_a_server_that_takes_too_long_is_given_up(server: Server, at: Make) -> None:
    done = threading.Event()

    def late(received: Received) -> Reply:
        done.wait(10)
        return by_length(received)

    server.replies = [late]
    reranker = at(read_timeout=0.05)
    try:
        error = fails("model-unavailable", lambda: reranker.score("q", ["x"]))
    finally:
        done.set()
    assert "nothing came in time (ReadTimeout)" in error.message
    assert error.__cause__ is not None
    assert reranker.waits == []


def test_a_server_that_is_not_there_is_not_waited_for(server: Server, at: Make) -> None:
    reranker = at(url="http://user:pw-1@127.0.0.1:1/v1", api_key="sk-secret-1")
    error = fails("model-unavailable", lambda: reranker.score("q", ["x"]))
    assert "http://127.0.0.1:1/v1" in error.message
    assert "pw-1" not in error.render()
    assert "QQL_RERANK_URL" in (error.hint or "")
    assert reranker.waits == []


def test_a_server_that_went_away_is_waited_for(server: Server, at: Make) -> None:
    reranker = at()
    reranker.score("q", ["x"])
    reranker._endpoint = "http://127.0.0.1:1/v1/rerank"
    fails("model-unavailable", lambda: reranker.score("q", ["x"]))
    assert len(reranker.waits) == 5


def test_a_key_that_no_header_can_carry_is_not_shown() -> None:
    error = fails("model-key", lambda: Rerankers(api_key="sk-geheim\x01ä").get("jina/m"))
    assert "geheim" not in error.render()


def test_a_text_that_is_not_unicode_is_no_mystery(server: Server, at: Make) -> None:
    assert "surrogate" in fails("model-failed", lambda: at().score("q", ["a\ud800"])).message
    assert server.received == []


def test_a_closed_reranker_opens_again(server: Server, at: Make) -> None:
    reranker = at()
    for _ in range(2):
        assert reranker.score("q", ["x"]) == [1.0]
        reranker.close()
        reranker.close()


# -- fastembed


def build(folder: Path, *, columns: int = 1) -> Path:
    """A cross-encoder of a few kilobytes: how many words query and text share, less one."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    tiny_onnx.build(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A:0 $B:1", special_tokens=[])
    tokenizer.save(str(folder / "tokenizer.json"))

    size = len(tiny_onnx.WORDS)
    table = np.eye(size, dtype=np.float32)
    table[:2] = 0  # padding and unknown words are shared by none
    constants = {
        "table": table,
        "ones": np.ones(1, dtype=np.float32),
        "over_places": np.array([1], dtype=np.int64),
        "last": np.array([2], dtype=np.int64),
        "columns": np.ones((1, columns), dtype=np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Cast", ["token_type_ids"], ["types"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["types", "last"], ["in_text"]),
        helper.make_node("Sub", ["ones", "in_text"], ["in_query"]),
        helper.make_node("Mul", ["words", "in_query"], ["query_words"]),
        helper.make_node("Mul", ["words", "in_text"], ["text_words"]),
        helper.make_node("ReduceMax", ["query_words"], ["of_query"], axes=[1], keepdims=0),
        helper.make_node("ReduceMax", ["text_words"], ["of_text"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["of_query", "of_text"], ["shared"]),
        helper.make_node("ReduceSum", ["shared", "over_places"], ["count"], keepdims=1),
        helper.make_node("Sub", ["count", "columns"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "token_type_ids")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", columns])],
        initializer=[onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("fastembed", "onnx", "onnxruntime", "tokenizers"):
        pytest.importorskip(package)
    return build(tmp_path_factory.mktemp("models") / "tiny")


def test_the_list_agrees_with_fastembed() -> None:
    pytest.importorskip("fastembed")
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    listed = {entry["model"] for entry in TextCrossEncoder.list_supported_models()}
    # Older versions have fewer models, newer ones more.
    assert len(listed & set(CROSS_ENCODERS)) >= 5


def test_a_folder_is_a_model(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rerankers = Rerankers()
    texts = ["the green grass", "red sea", "", "blue sky and red sea", "sea"]
    assert rerankers.rerank(f"fastembed:{tiny}", "red blue sea", texts) == [-1.0, 1.0, -1.0, 2.0, 0.0]
    many = [texts[i % 2] + f" {i}" for i in range(80)]  # more than one batch
    assert rerankers.rerank(f"fastembed:{tiny}", "red", many) == [-1.0, 0.0] * 40
    assert capfd.readouterr() == ("", "")


def test_a_model_that_the_application_registered_is_found(tiny: Path, tmp_path: Path) -> None:
    from fastembed.common.model_description import ModelSource
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    TextCrossEncoder.add_custom_model(
        "test/tiny-reranker", sources=ModelSource(hf="test/tiny-reranker"), model_file="model.onnx"
    )
    # The layout of Hugging Face's cache, as a download leaves it.
    cached = tmp_path / "models--test--tiny-reranker"
    build(cached / "snapshots" / ("0" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40)
    rerankers = Rerankers(cache_dir=str(tmp_path))
    assert rerankers.rerank("Test/tiny-RERANKER", "green", ["red", "green"]) == [-1.0, 0.0]


@pytest.mark.parametrize("offline", [True, False])
def test_files_that_are_not_there_and_cannot_be_fetched(
    offline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fastembed")
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    def slept(_: float) -> None:
        raise AssertionError("waited for a network that is not there")

    monkeypatch.setattr(huggingface_hub, "model_info", unreachable)
    monkeypatch.setattr(time, "sleep", slept)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if offline else "")
    rerankers = Rerankers(cache_dir=str(tmp_path))
    name = "Xenova/ms-marco-MiniLM-L-6-v2"
    assert rerankers.rerank(name, "q", []) == []
    error = fails("model-unavailable", lambda: rerankers.rerank(name, "q", ["x"]))
    assert name in error.message
    assert str(tmp_path) in error.message
    assert "FASTEMBED_CACHE_PATH" in (error.hint or "")
    assert error.__cause__ is not None
    assert capfd.readouterr() == ("", "")


def test_files_are_downloaded_once_the_hub_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastembed")
    import huggingface_hub
    from fastembed.rerank import cross_encoder

    made: list[dict[str, Any]] = []

    class Downloading(cross_encoder.TextCrossEncoder):  # type: ignore[misc]
        def __init__(self, name: str, **arguments: Any) -> None:
            made.append(arguments)
            print("a progress bar")
            if arguments.get("local_files_only"):
                raise ValueError("Could not load model from any source.")

        def rerank(self, query: str, documents: Any, **_: Any) -> Any:
            return iter([0.5] * len(documents))

    asked: list[str] = []
    monkeypatch.setattr(cross_encoder, "TextCrossEncoder", Downloading)
    monkeypatch.setattr(huggingface_hub, "model_info", lambda name, **_: asked.append(name))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    rerankers = Rerankers(cache_dir="/cache")
    rerankers.get("BAAI/bge-reranker-base")
    assert made == []
    for _ in range(2):
        assert rerankers.rerank("BAAI/bge-reranker-base", "q", ["x"]) == [0.5]
    assert made == [{"cache_dir": "/cache", "local_files_only": True}, {"cache_dir": "/cache"}]
    assert asked == ["BAAI/bge-reranker-base"]


def test_folders_that_hold_no_cross_encoder(tiny: Path, tmp_path: Path) -> None:
    rerankers = Rerankers()
    assert "holds no ONNX" in fails("unknown-model", lambda: rerankers.get(f"fastembed:{tmp_path}")).message
    assert (
        "does not exist" in fails("unknown-model", lambda: rerankers.get(f"fastembed:{tmp_path}/no")).message
    )
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    fails("model-failed", lambda: rerankers.get(f"fastembed:{tmp_path}"))
    two = build(tmp_path / "two", columns=2)
    assert "gives 2 numbers" in fails("unknown-model", lambda: rerankers.get(f"fastembed:{two}")).message
    embedder = tiny_onnx.build(tmp_path / "embedder")
    assert "each word" in fails("unknown-model", lambda: rerankers.get(f"fastembed:{embedder}")).message


def test_a_folder_without_a_tokenizer_fails_clearly(tiny: Path, tmp_path: Path) -> None:
    folder = build(tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    reranker = Rerankers().get(f"fastembed:{folder}")
    assert "tokenizer.json" in fails("model-failed", lambda: reranker.score("q", ["x"])).message


def test_a_text_that_the_model_cannot_read_is_no_mystery(tiny: Path) -> None:
    reranker = Rerankers().get(f"fastembed:{tiny}")
    assert str(tiny) in fails("model-failed", lambda: reranker.score("q", ["a\ud800"])).message


@pytest.mark.parametrize("name", ["BAAI/bge-reranker-base", "baai/BGE-reranker-base", "fastembed:any/model"])
def test_the_package_may_be_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    error = fails("model-package-missing", lambda: Rerankers().rerank(name, "q", ["x"]))
    assert "pip install fastembed" in (error.hint or "")
    assert name in error.message


# -- the text of a hit

PAYLOAD = {
    "title": "a title",
    "body": "",
    "price": 7,
    "author": {"name": "Ada", "born": 1815},
    "tags": ["sea", 3, "port"],
    "parts": [{"text": "one", "notes": ["x", "y"]}, {"text": "two"}, {"other": 1}],
    "a.b": {"c d": "dotted"},
    "weird[": "as it is",
}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (None, "a title"),
        ("title", "a title"),
        ("body", ""),
        ("author.name", "Ada"),
        ("tags", "sea\nport"),
        ("tags[]", "sea\nport"),
        ("tags[2]", "port"),
        ("parts[].text", "one\ntwo"),
        ("parts[].notes", "x\ny"),
        ("parts[].notes[1]", "y"),
        ("parts[1].text", "two"),
        ('"a.b".c d', "dotted"),
        ("weird[", "as it is"),
        ("price", None),
        ("author", None),
        ("author.born", None),
        ("author.name.first", None),
        ("parts.text", None),
        ("parts[9].text", None),
        ("title[]", None),
        ("missing", None),
        ("", None),
    ],
)
def test_the_text_of_a_hit(field: str | None, text: str | None) -> None:
    assert hit_text(PAYLOAD, field) == text


def test_the_text_of_a_hit_without_a_field() -> None:
    assert hit_text(None) is hit_text({}) is hit_text({"price": 1, "text": 3}) is hit_text(None, "a") is None
    assert hit_text({"body": ""}) == ""
    for place, name in enumerate(TEXT_FIELDS):
        assert hit_text({other: other for other in TEXT_FIELDS[place:]}) == name


@settings(max_examples=examples(200), deadline=None)
@given(st.text(st.characters(), max_size=12))
def test_any_field_is_looked_for_without_a_fault(field: str) -> None:
    found = hit_text({"a": [{"b": "x"}], "b": "y"}, field)
    assert found in (None, "x", "y")
