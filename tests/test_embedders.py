"""Models by name: the hash model, BM25, fastembed, OpenAI-compatible servers, functions."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import isclose, sqrt
from pathlib import Path
from typing import Any

import pytest
import tiny_onnx
from hypothesis import given, settings
from hypothesis import strategies as st

from qql.compiler.model_names import MODELS
from qql.errors import QQLModelError
from qql.models.embedders import Embedders, known_kind, known_size
from qql.models.embedders.base import check_vectors as checked
from qql.models.embedders.bm25 import OPTIONS as BM25_OPTIONS
from qql.models.embedders.hash import HashEmbedder
from qql.models.embedders.http import HttpEmbedder
from qql.models.http_service import TRIES


def fails(code: str, call: Callable[[], Any]) -> QQLModelError:
    with pytest.raises(QQLModelError) as caught:
        call()
    assert caught.value.code == code, caught.value
    return caught.value


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


# -- local/hash-N


@pytest.fixture(scope="module")
def hashed() -> Callable[[str], list[float]]:
    embedder = HashEmbedder("local/hash-512")
    return lambda text: embedder.embed([text], "document")[0]


@pytest.mark.parametrize("size", [1, 2, 255, 65_536])
def test_hash_gives_unit_vectors_of_its_size(size: int) -> None:
    embedder = Embedders().get(f"local/hash-{size}")
    vectors = embedder.embed(["a text", "", "?!"], "query")
    assert (embedder.kind, embedder.size) == ("dense", size)
    for vector in vectors:
        assert len(vector) == size
        assert isclose(sqrt(sum(x * x for x in vector)), 1.0, rel_tol=1e-9)


@pytest.mark.parametrize(
    "name", ["local/hash-0", "local/hash-65537", "local/hash-", "local/hash-1e3", "local/x"]
)
def test_hash_sizes_beyond_the_limits_are_no_models(name: str) -> None:
    error = fails("unknown-model", lambda: Embedders().get(name))
    assert name in error.message
    assert "local/hash-256" in (error.hint or "")
    assert known_size(name) is None


def test_hash_vectors_never_change(hashed: Callable[[str], list[float]]) -> None:
    # Stored vectors have to match those of later versions, processes and platforms.
    code = (
        "from qql.models.embedders.hash import HashEmbedder;"
        "print([x.hex() for x in HashEmbedder('local/hash-6').embed(['Größe and 東京 42'], 'query')[0]])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    here = HashEmbedder("local/hash-6").embed(["Größe and 東京 42"], "document")[0]
    assert run.stdout.strip() == str([x.hex() for x in here])
    assert [round(x, 12) for x in here] == PINNED


PINNED = [-0.132154090942, 0.491154157028, -0.031197348967, 0.333630337658, -0.591011061702, -0.52889161313]


def test_hash_puts_texts_that_share_words_nearer(hashed: Callable[[str], list[float]]) -> None:
    query = hashed("vector search with filters")
    shared = cosine(query, hashed("filters narrow a vector search"))
    stem = cosine(query, hashed("filtering while searching vectors"))
    other = cosine(query, hashed("the cake needs two eggs and butter"))
    assert shared > stem > other
    assert shared > 0.5
    assert abs(other) < 0.2


@pytest.mark.parametrize(
    ("text", "misspelt"),
    [
        ("embedding", "embeding"),
        ("recommendation engine", "recomendation engine"),
        ("Wiederherstellung", "wiederhestellung"),
    ],
)
def test_hash_keeps_misspellings_near(hashed: Callable[[str], list[float]], text: str, misspelt: str) -> None:
    assert cosine(hashed(text), hashed(misspelt)) > 0.4
    assert cosine(hashed(text), hashed("quantization")) < 0.2


def test_hash_reads_case_and_compatibility_forms_alike(hashed: Callable[[str], list[float]]) -> None:
    assert hashed("ﬁle CAFÉ") == hashed("file cafe\u0301")
    assert hashed("STRASSE") == hashed("Straße")
    assert hashed("read_file(x)") == hashed("read file x")


def test_hash_finds_words_inside_of_unspaced_scripts(hashed: Callable[[str], list[float]]) -> None:
    text = hashed("東京都の天気予報")
    assert cosine(text, hashed("天気")) > cosine(text, hashed("音楽")) + 0.2
    hindi = hashed("हिन्दी भाषा")
    assert cosine(hindi, hashed("हिन्दी")) > 0.5


def test_hash_lets_function_words_weigh_little(hashed: Callable[[str], list[float]]) -> None:
    query = hashed("the speed of the engine")
    assert cosine(query, hashed("engine speed")) > 2 * cosine(query, hashed("the end of the day"))


def test_hash_counts_a_repeated_word_less_than_in_proportion(hashed: Callable[[str], list[float]]) -> None:
    query = hashed("whale")
    once, often = (cosine(query, hashed(t)) for t in ("whale ocean", "whale " * 9 + "ocean"))
    # Amounts 3 : 1 and not 9 : 1.
    assert once < often < 0.97


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=80))
def test_hash_takes_any_text(text: str) -> None:
    vector = HashEmbedder("local/hash-3").embed([text], "query")[0]
    assert isclose(sum(x * x for x in vector), 1.0, rel_tol=1e-9)


@pytest.mark.slow
def test_hash_memory_of_words_is_bounded() -> None:
    embedder = HashEmbedder("local/hash-8")
    embedder.embed([" ".join(f"w{i}" for i in range(40_000)), "x" * 1000], "document")
    info = embedder._features.cache_info()  # type: ignore[attr-defined]
    assert info.currsize == info.maxsize == 32_768


# -- qdrant/bm25


@pytest.mark.parametrize("name", ["qdrant/bm25", "Qdrant/bm25", "QDRANT/BM25"])
def test_bm25_weighs_documents_and_not_queries(name: str) -> None:
    embedder = Embedders().get(name)
    assert (embedder.kind, embedder.size) == ("sparse", None)
    document = embedder.embed(["Hello hello worlds, the world"], "document")[0]
    query = embedder.embed(["hello worlds"], "query")[0]
    assert sorted(document["indices"]) == sorted(query["indices"])
    assert query["values"] == [1.0, 1.0]
    assert all(value > 1 for value in document["values"])


def test_bm25_of_nothing_is_a_sparse_vector_without_entries() -> None:
    for purpose in ("query", "document"):
        assert (
            Embedders().get("qdrant/bm25").embed(["", "the of"], purpose)
            == [{"indices": [], "values": []}] * 2
        )


def test_bm25_options_reach_the_engine() -> None:
    models = Embedders()

    def tokens(text: str, **options: Any) -> set[int]:
        return set(models.get("qdrant/bm25", options).embed([text], "document")[0]["indices"])

    assert tokens("die Häuser", language="german") == tokens("Häuser", language="german")
    assert tokens("die Häuser") != tokens("Häuser")
    assert tokens("running", stemmer={"type": "none"}) != tokens("run", stemmer={"type": "none"})
    assert tokens("running", stemmer={"type": "snowball", "language": "english"}) == tokens("run")
    assert not tokens("the foo", stopwords={"languages": ["english"], "custom": ["foo"]})
    assert tokens("the", stopwords="german")
    assert tokens("Éa", lowercase=False) != tokens("éa", lowercase=False)
    assert tokens("été", ascii_folding=True) == tokens("ete")
    assert len(tokens("a-b cd", tokenizer="whitespace")) == 2
    assert not tokens("cat", min_token_len=4)
    assert not tokens("horses", max_token_len=3)
    flat = models.get("qdrant/bm25", {"b": 0, "k": 1, "avg_len": 9}).embed(["cat", "cat dog"], "document")
    assert flat[0]["values"] == [1.0]
    assert flat[1]["values"] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lenguage": "german"}, "did you mean `language`?"),
        ({"zzzzzz": 1}, "its options are k, b, avg_len"),
        ({"language": "klingon"}, "klingon"),
        ({"k": "1"}, "`k`"),
        ({"k": -1}, "k1"),
        ({"b": 2}, "[0.0, 1.0]"),
        ({"avg_len": 0}, "> 0"),
        ({"tokenizer": "words"}, "'word'"),
        ({"stopwords": {"custom": "the"}}, "`stopwords`"),
        ({"stemmer": "none"}, "{type: 'none'}"),
        ({"lowercase": 1}, "true or false"),
        ({"max_token_len": -1}, "unsigned"),
    ],
)
def test_bm25_options_that_are_not_legal_are_named(options: dict[str, Any], words: str) -> None:
    error = fails("model-option", lambda: Embedders().get("qdrant/bm25", options))
    assert words in error.render()


def test_bm25_knows_every_option_of_the_engine() -> None:
    import qdrant_edge

    assert set(BM25_OPTIONS) == {name for name in dir(qdrant_edge.Bm25Config) if not name.startswith("_")}


def test_bm25_names_a_text_that_is_not_unicode() -> None:
    error = fails("model-failed", lambda: Embedders().get("qdrant/bm25").embed(["a\ud800"], "query"))
    assert "surrogate" in error.message


# -- functions of the application


def test_a_function_is_a_model_and_its_kind_is_found() -> None:
    import numpy as np

    models = Embedders(
        {
            "dense": lambda texts: np.array([[len(t), 1.5] for t in texts], dtype=np.float32),
            "multi": lambda texts: [np.ones((2, 3)) for _ in texts],
            "sparse": lambda texts: [{"indices": np.array([3]), "values": (0.5,)} for _ in texts],
            "tuples": lambda texts: ((np.float32(1), 2) for _ in texts),
        }
    )
    assert models.get("dense").size is None
    assert [models.get(name).kind for name in ("dense", "multi", "sparse", "tuples")] == [
        "dense",
        "multi",
        "sparse",
        "dense",
    ]
    assert models.get("dense").embed(["ab", "c"], "query") == [[2.0, 1.5], [1.0, 1.5]]
    assert models.get("sparse").embed(["a"], "query") == [{"indices": [3], "values": [0.5]}]
    assert [models.get(name).size for name in ("dense", "multi", "sparse")] == [2, 3, None]
    assert all(type(x) is float for x in models.get("dense").embed(["ab"], "query")[0])


def test_an_object_with_embed_is_a_model_as_it_is() -> None:
    class Mine:
        model, kind, size = "mine", "dense", 2

        def embed(self, texts: list[str], purpose: str) -> list[list[float]]:
            return [[1.0, 2.0 if purpose == "query" else 3.0] for _ in texts]

    embedder = Embedders({"mine": Mine()}).get("mine")
    assert (embedder.kind, embedder.size) == ("dense", 2)
    assert embedder.embed(["x"], "query") == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("function", "code", "words"),
    [
        (lambda texts: [], "model-answer", "0 vectors for 1 text"),
        (lambda texts: [[1.0, float("nan")]], "model-answer", "NaN"),
        (lambda texts: [["a"]], "model-answer", "other than numbers"),
        (lambda texts: [[]], "model-answer", "without dimensions"),
        (lambda texts: ["text"], "model-failed", "str is no vector"),
        (lambda texts: None, "model-failed", "NoneType"),
        (lambda texts: 1 / 0, "model-failed", "ZeroDivisionError"),
        (lambda texts: [{"indices": [1, 1], "values": [1, 2]}], "model-answer", "twice"),
        (lambda texts: [{"indices": [1], "values": [1, 2]}], "model-answer", "1 index and 2 values"),
        (lambda texts: [{"indices": [-1], "values": [1]}], "model-answer", "unsigned"),
        (lambda texts: [[[1.0], [1.0, 2.0]]], "model-answer", "unequal"),
    ],
)
def test_what_a_function_does_wrong_is_named(function: Any, code: str, words: str) -> None:
    error = fails(code, lambda: Embedders({"my-model": function}).get("my-model").embed(["x"], "query"))
    assert words in error.message
    assert "my-model" in error.message


def test_a_function_has_to_keep_kind_and_size() -> None:
    answers = iter([[[1.0, 2.0]], [[1.0]], [[[1.0, 2.0]]]])
    embedder = Embedders({"m": lambda texts: next(answers)}).get("m")
    embedder.embed(["a"], "query")
    assert "1 dimension, and 2" in fails("model-answer", lambda: embedder.embed(["a"], "query")).message
    assert (
        "multi vector where a dense" in fails("model-answer", lambda: embedder.embed(["a"], "query")).message
    )


def test_finite_numbers_whose_sum_is_not_are_legal() -> None:
    assert checked([[1e308, 1e308]], count=1, model="m") == [[1e308, 1e308]]


def test_models_without_options_refuse_them() -> None:
    models = Embedders({"m": lambda texts: [[1.0]] * len(texts)})
    for name in ("m", "local/hash-4"):
        assert "takes no options" in fails("model-option", lambda n=name: models.get(n, {"k": 1})).render()
    assert models.get("local/hash-4", {"k": None}).size == 4


# -- the registry


def test_models_are_made_once_even_by_many_threads() -> None:
    models = Embedders()
    start = threading.Barrier(8)
    got: list[Any] = []

    def ask() -> None:
        start.wait()
        got.append(models.get("local/hash-16"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(embedder) for embedder in got}) == 1
    assert models.get("LOCAL/hash-16") is got[0]
    assert models.get("qdrant/bm25", {"k": 1}) is not models.get("qdrant/bm25", {"k": 2})
    assert models.get("qdrant/bm25", {"k": 1, "b": 0.5}) is models.get("Qdrant/bm25", {"b": 0.5, "k": 1})


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("local/hash-300", "dense", 300),
        ("BAAI/bge-small-en-v1.5", "dense", 384),
        ("baai/BGE-small-en-v1.5", "dense", 384),
        ("fastembed:thenlper/gte-large", "dense", 1024),
        ("openai/text-embedding-3-large", "dense", 3072),
        ("openai/whatever", "dense", None),
        ("http://localhost/v1#x", "dense", None),
        ("colbert-ir/colbertv2.0", "multi", 128),
        ("Qdrant/bm25", "sparse", None),
        ("prithivida/Splade_PP_en_v1", "sparse", None),
        ("nobody/knows", None, None),
    ],
)
def test_names_tell_kind_and_size(name: str, kind: str | None, size: int | None) -> None:
    assert (known_kind(name), known_size(name)) == (kind, size)


def test_nothing_heavy_is_imported_to_know_a_model() -> None:
    code = (
        "import sys, qql.models.embed_request, qql.compiler.model_names as m, qql.models.embedders;"
        "m.known_size('BAAI/bge-small-en-v1.5'); qql.models.embedders.Embedders().get('local/hash-4');"
        "print([n for n in ('numpy', 'fastembed', 'qdrant_edge', 'httpx', 'qdrant_client', 'onnxruntime')"
        " if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# -- fastembed


def test_the_table_agrees_with_fastembed() -> None:
    fastembed = pytest.importorskip("fastembed")
    classes = {
        "dense": fastembed.TextEmbedding,
        "sparse": fastembed.SparseTextEmbedding,
        "multi": fastembed.LateInteractionTextEmbedding,
    }
    agreed = 0
    for kind, cls in classes.items():
        for entry in cls.list_supported_models():
            known = MODELS.get(entry["model"].lower())
            if known is not None:
                assert known == (kind, entry.get("dim")), entry["model"]
                agreed += 1
    assert agreed > 30


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    for package in ("fastembed", "onnx", "onnxruntime", "tokenizers"):
        pytest.importorskip(package)
    base = tmp_path_factory.mktemp("models")
    return {
        "tokens": tiny_onnx.build(base / "tokens"),
        "pooled": tiny_onnx.build(base / "pooled", pooled=True),
    }


@pytest.mark.parametrize("which", ["tokens", "pooled"])
def test_a_folder_is_a_model(tiny: dict[str, Path], which: str, capfd: pytest.CaptureFixture[str]) -> None:
    embedder = Embedders().get(f"fastembed:{tiny[which]}")
    assert (embedder.kind, embedder.size) == ("dense", 4)
    half = sqrt(0.5)
    assert embedder.embed(["red", "red blue"], "query") == [
        pytest.approx([1, 0, 0, 0]),
        pytest.approx([half, 0, half, 0]),
    ]
    assert embedder.embed(["red"] * 130, "document") == [pytest.approx([1, 0, 0, 0])] * 130
    assert capfd.readouterr() == ("", "")


def test_a_folder_says_how_to_pool_and_normalise(tiny: dict[str, Path], tmp_path: Path) -> None:
    folder = tiny_onnx.build(tmp_path / "first")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Transformer"}]')
    embedder = Embedders().get(f"fastembed:{folder}")
    assert embedder.embed(["sea red"], "query") == [pytest.approx([0, 0, 1, 1])]  # the first token, as it is


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "pooling_mode_cls_token with pooling_mode_mean_tokens",
        ),
        ("modules.json", [{"type": "sentence_transformers.models.Dense"}], "the module Dense"),
    ],
)
def test_a_folder_that_asks_for_more_than_fastembed_can(
    tiny: dict[str, Path], tmp_path: Path, file: str, content: Any, words: str
) -> None:
    for pooled in (False, True):
        folder = tiny_onnx.build(tmp_path / str(pooled), pooled=pooled)
        (folder / "1_Pooling").mkdir()
        (folder / file).write_text(json.dumps(content))
    error = fails("model-failed", lambda: Embedders().get(f"fastembed:{tmp_path}/False"))
    assert words in error.message
    # A graph that pools by itself holds all of the model.
    assert Embedders().get(f"fastembed:{tmp_path}/True").size == 4


def test_prefixes_are_put_before_the_texts(tiny: dict[str, Path]) -> None:
    options = {"query_prefix": "red ", "document_prefix": "green "}
    embedder = Embedders().get(f"fastembed:{tiny['tokens']}", options)
    half = sqrt(0.5)
    assert embedder.embed(["blue"], "query") == [pytest.approx([half, 0, half, 0])]
    assert embedder.embed(["blue"], "document") == [pytest.approx([0, half, half, 0])]


def test_a_model_that_the_application_registered_is_found(tiny: dict[str, Path], tmp_path: Path) -> None:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    TextEmbedding.add_custom_model(
        "test/tiny-cached",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="test/tiny-cached"),
        dim=4,
        model_file="model.onnx",
    )
    # The layout of Hugging Face's cache, as a download leaves it.
    snapshot = tmp_path / "models--test--tiny-cached" / "snapshots" / ("0" * 40)
    tiny_onnx.build(snapshot)
    refs = tmp_path / "models--test--tiny-cached" / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    embedder = Embedders(cache_dir=str(tmp_path)).get("Test/tiny-CACHED")
    assert (embedder.kind, embedder.size) == ("dense", 4)
    assert embedder.embed(["green"], "document") == [pytest.approx([0, 1, 0, 0])]


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
    embedder = Embedders(cache_dir=str(tmp_path)).get("BAAI/bge-small-en-v1.5")
    assert embedder.size == 384
    error = fails("model-unavailable", lambda: embedder.embed(["x"], "query"))
    assert "BAAI/bge-small-en-v1.5" in error.message
    assert str(tmp_path) in error.message
    assert "FASTEMBED_CACHE_PATH" in (error.hint or "")
    assert error.__cause__ is not None
    assert capfd.readouterr() == ("", "")


def test_files_are_downloaded_once_the_hub_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    fastembed = pytest.importorskip("fastembed")
    import huggingface_hub

    made: list[dict[str, Any]] = []

    class Downloading(fastembed.TextEmbedding):  # type: ignore[misc]
        def __init__(self, name: str, **arguments: Any) -> None:
            made.append(arguments)
            print("a progress bar")
            print("a progress bar", file=sys.stderr)
            if arguments.get("local_files_only"):
                raise ValueError("Could not load model from any source.")

        def query_embed(self, texts: Any, **_: Any) -> Any:
            return [[1.0] * 384 for _ in texts]

    asked: list[str] = []
    monkeypatch.setattr(fastembed, "TextEmbedding", Downloading)
    monkeypatch.setattr(huggingface_hub, "model_info", lambda name, **_: asked.append(name))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    embedder = Embedders(cache_dir="/cache").get("BAAI/bge-small-en-v1.5", {"threads": 1})
    assert made == []
    for _ in range(2):
        assert len(embedder.embed(["x"], "query")[0]) == 384
    assert made == [
        {"cache_dir": "/cache", "threads": 1, "local_files_only": True},
        {"cache_dir": "/cache", "threads": 1},
    ]
    assert asked == ["Qdrant/bge-small-en-v1.5-onnx-Q"]


def test_an_unknown_model_names_the_nearest() -> None:
    pytest.importorskip("fastembed")
    error = fails("unknown-model", lambda: Embedders().get("BAAI/bge-smal-en-v1.5"))
    assert error.hint == "did you mean `BAAI/bge-small-en-v1.5`?"
    assert "local/hash-N" in (fails("unknown-model", lambda: Embedders().get("zz")).hint or "")


def test_kinds_come_from_fastembeds_lists() -> None:
    pytest.importorskip("fastembed")
    models = Embedders()
    assert models.get("prithivida/Splade_PP_en_v1").kind == "sparse"
    assert models.get("answerdotai/answerai-colbert-small-v1").kind == "multi"
    assert models.get("fastembed:Qdrant/bm25", {"language": "german"}).kind == "sparse"
    error = fails("model-option", lambda: models.get("BAAI/bge-small-en-v1.5", {"k": 1.0}))
    assert "threads" in (error.hint or "")
    assert (
        "`query_prefix`"
        in fails("model-option", lambda: models.get("BAAI/bge-small-en-v1.5", {"query_prefix": 1})).message
    )


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    pytest.importorskip("fastembed")
    models = Embedders()
    assert "holds no ONNX" in fails("unknown-model", lambda: models.get(f"fastembed:{tmp_path}")).message
    assert "does not exist" in fails("unknown-model", lambda: models.get(f"fastembed:{tmp_path}/no")).message
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    error = fails("model-failed", lambda: models.get(f"fastembed:{tmp_path}"))
    assert "could not be loaded" in error.message


def test_a_folder_without_a_tokenizer_fails_clearly(tmp_path: Path) -> None:
    for package in ("fastembed", "onnx", "tokenizers"):
        pytest.importorskip(package)
    folder = tiny_onnx.build(tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    embedder = Embedders().get(f"fastembed:{folder}")
    assert "tokenizer.json" in fails("model-failed", lambda: embedder.embed(["x"], "query")).message


def test_the_package_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    error = fails("model-package-missing", lambda: Embedders().get("BAAI/bge-small-en-v1.5"))
    assert "pip install fastembed" in (error.hint or "")


# -- OpenAI-compatible servers


class Server:
    """Answers ``/embeddings`` by the next of its ``answers``, else with a vector [length, 1] a text."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any, dict[str, str]]] = []
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status, answer, headers = outer.answers.pop(0) if outer.answers else (200, None, {})
                if answer is None:
                    rows = [
                        {"index": i, "embedding": [float(len(text)), 1.0]}
                        for i, text in enumerate(body["input"])
                    ]
                    answer = {"data": rows[::-1]}
                raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("QQL_EMBEDDINGS_URL", "OPENAI_BASE_URL", "QQL_EMBEDDINGS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.close()


@pytest.fixture
def remote(server: Server) -> Iterator[Callable[..., HttpEmbedder]]:
    made: list[HttpEmbedder] = []

    def make(model: str = "openai/m", **more: Any) -> HttpEmbedder:
        waits: list[float] = []
        more = {"url": server.url, "sleep": waits.append, **more}
        embedder = HttpEmbedder(model, more.pop("options", None), **more)
        embedder.waits = waits  # type: ignore[attr-defined]
        made.append(embedder)
        return embedder

    yield make
    for embedder in made:
        embedder.close()


Make = Callable[..., Any]


def test_texts_go_in_batches_and_come_back_in_order(server: Server, remote: Make) -> None:
    embedder = remote(batch=2)
    assert embedder.embed(["a", "bb", "ccc", "", "eeeee"], "query") == [
        [1.0, 1.0],
        [2.0, 1.0],
        [3.0, 1.0],
        [1.0, 1.0],
        [5.0, 1.0],
    ]
    assert [path for path, _, _ in server.asked] == ["/v1/embeddings"] * 3
    assert [body for _, _, body in server.asked] == [
        {"model": "m", "input": texts, "encoding_format": "float"}
        for texts in (["a", "bb"], ["ccc", " "], ["eeeee"])
    ]
    assert embedder.size == 2
    assert remote().embed([], "query") == []


def test_a_request_has_128_texts_at_most(server: Server, remote: Make) -> None:
    remote().embed([str(i) for i in range(129)], "document")
    assert [len(body["input"]) for _, _, body in server.asked] == [128, 1]


def test_options_of_a_server_model(server: Server, remote: Make) -> None:
    options = {"dimensions": 2, "query_prefix": "query: ", "document_prefix": "passage: "}
    embedder = remote(options=options)
    assert embedder.size == 2
    embedder.embed(["x"], "query")
    embedder.embed(["x"], "document")
    assert [(body["input"], body["dimensions"]) for _, _, body in server.asked] == [
        (["query: x"], 2),
        (["passage: x"], 2),
    ]
    assert (
        "did you mean `dimensions`"
        in fails("model-option", lambda: remote(options={"dimension": 2})).render()
    )
    fails("model-option", lambda: remote(options={"dimensions": 0}))


def test_where_address_and_key_come_from(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def key_sent(**more: Any) -> str | None:
        embedder = HttpEmbedder("openai/m", **more)
        embedder.embed(["x"], "query")
        embedder.close()
        return server.asked[-1][1].get("authorization")

    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/")
    assert key_sent() is None
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    assert key_sent() == "Bearer sk-openai"
    monkeypatch.setenv("QQL_EMBEDDINGS_API_KEY", " sk-qql\n")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("QQL_EMBEDDINGS_URL", server.url)
    assert key_sent() == "Bearer sk-qql"
    monkeypatch.setenv("QQL_EMBEDDINGS_URL", "http://127.0.0.1:1/v1")
    assert key_sent(url=server.url, api_key="sk-config") == "Bearer sk-config"
    models = Embedders(url=server.url, api_key="sk-session")
    assert models.get("openai/Some/Model").embed(["x"], "query") == [[1.0, 1.0]]
    assert server.asked[-1][1]["authorization"] == "Bearer sk-session"
    assert server.asked[-1][2]["model"] == "Some/Model"
    models.close()


def test_an_address_can_be_the_model(server: Server, remote: Make) -> None:
    embedder = remote(f"{server.url}?version=3#Org/Name", api_key="sk-secret")
    embedder.embed(["x"], "query")
    assert server.asked[0][0] == "/v1/embeddings?version=3"
    assert server.asked[0][2]["model"] == "Org/Name"
    # The configured address is of the same origin, so the key goes along.
    assert server.asked[0][1]["authorization"] == "Bearer sk-secret"


def test_the_key_is_not_sent_to_an_address_that_a_model_name_gives(server: Server, remote: Make) -> None:
    embedder = remote(f"{server.url}#m", url="http://127.0.0.1:1/v1", api_key="sk-secret")
    embedder.embed(["x"], "query")
    assert "authorization" not in server.asked[0][1]


@pytest.mark.parametrize("name", ["openai/", "http://host/v1", "http://host/v1#", "http://u:pw@host/v1"])
def test_names_without_a_model(name: str) -> None:
    error = fails("unknown-model", lambda: Embedders().get(name))
    assert "pw" not in error.render()


@pytest.mark.parametrize(
    "url", ["ftp://x/v1", "localhost:1/v1", "http://:80/v1", "http://h:99999/v1", "http://[x"]
)
def test_addresses_that_are_none(url: str) -> None:
    error = fails("unknown-model", lambda: Embedders(url=url).get("openai/m"))
    assert "http(s)://host/v1" in error.message


def test_trouble_that_passes_is_waited_for(server: Server, remote: Make) -> None:
    later = formatdate(time.time() - 60, usegmt=True)
    server.answers = [
        (429, {"error": {"message": "slow down"}}, {"retry-after": "7"}),
        (503, b"busy", {}),
        (500, {}, {"retry-after": later}),
        (502, b"", {"retry-after": "soon"}),
    ]
    embedder = remote()
    assert embedder.embed(["x"], "query") == [[1.0, 1.0]]
    assert embedder.waits == [7.0, 1.0, 0.0, 4.0]


def test_trouble_that_stays_is_given_up(server: Server, remote: Make) -> None:
    server.answers = [(503, {"error": "loading"}, {})] * TRIES
    embedder = remote()
    error = fails("model-unavailable", lambda: embedder.embed(["x"], "query"))
    assert "HTTP 503: loading" in error.message
    assert server.url in error.message
    assert embedder.waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert len(server.asked) == TRIES


def test_a_long_wait_is_not_waited(server: Server, remote: Make) -> None:
    server.answers = [(429, {"error": {"message": "daily limit"}}, {"retry-after": "3600"})]
    embedder = remote()
    error = fails("model-unavailable", lambda: embedder.embed(["x"], "query"))
    assert "daily limit (the server asks to wait 3600 s)" in error.message
    assert embedder.waits == []


def test_an_account_without_credit_is_not_asked_again(server: Server, remote: Make) -> None:
    quota = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    server.answers = [(429, quota, {})]
    error = fails("model-refused", lambda: remote().embed(["x"], "query"))
    assert "You exceeded your quota" in error.message
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (400, {"error": {"message": "input too long"}}, "HTTP 400: input too long"),
        (401, {"error": {"message": "bad key sk-secret-1"}}, "HTTP 401: bad key ***"),
        (404, b"<html>\n\x1b[31mnot here</html>", "HTTP 404: <html> [31mnot here</html>"),
        (422, {"detail": ["x"]}, "HTTP 422: {'detail': ['x']}"),
        (400, b"z" * 5000, "zzz…"),
    ],
)
def test_refusals_show_what_the_server_says(
    server: Server, remote: Make, status: int, answer: Any, words: str
) -> None:
    server.answers = [(status, answer, {})]
    embedder = remote(api_key="sk-secret-1")
    error = fails("model-refused", lambda: embedder.embed(["x"], "query"))
    assert words in error.message
    assert "sk-secret-1" not in error.render()
    assert len(error.message) < 700
    assert (status in (401, 404)) == (error.hint is not None)
    assert embedder.waits == []


def test_redirects_are_not_followed(server: Server, remote: Make) -> None:
    server.answers = [(307, b"", {"location": "http://127.0.0.1:1/elsewhere"})]
    error = fails("model-refused", lambda: remote().embed(["x"], "query"))
    assert "redirect to http://127.0.0.1:1/elsewhere" in error.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"hello", "did not answer with embeddings"),
        (b"[" * 100_000, "did not answer with embeddings"),
        ({"data": {"a": 1}}, "did not answer with embeddings"),
        ({"object": "list"}, "did not answer with embeddings"),
        ({"data": [{"index": 0, "embedding": [1.0]}]}, "1 embedding for 2 texts"),
        ({"data": [{"index": 0, "embedding": [1.0]}] * 2}, "2 embeddings for 2 texts"),
        ({"data": [{"index": i, "embedding": [1.0, 2.0][i:]} for i in (0, 1)]}, "1 dimension, and 2"),
        ({"data": [{"index": i, "embedding": [float("nan")]} for i in (0, 1)]}, "NaN"),
        ({"data": [{"index": i, "embedding": "AAAA"} for i in (0, 1)]}, "str in place of a vector"),
        ({"data": [{"index": i, "embedding": [None]} for i in (0, 1)]}, "other than numbers"),
    ],
)
def test_answers_that_are_no_embeddings(server: Server, remote: Make, answer: Any, words: str) -> None:
    server.answers = [(200, answer, {})]
    assert words in fails("model-answer", lambda: remote().embed(["x", "y"], "query")).message


def test_dimensions_may_not_change_between_requests(server: Server, remote: Make) -> None:
    embedder = remote(batch=1)
    server.answers = [
        (200, {"data": [{"embedding": [1.0, 2.0]}]}, {}),
        (200, {"data": [{"embedding": [1.0]}]}, {}),
    ]
    assert "1 dimension, and 2" in fails("model-answer", lambda: embedder.embed(["x", "y"], "query")).message


def test_a_server_that_is_not_there_is_not_waited_for(remote: Make) -> None:
    embedder = remote(url="http://user:pw@127.0.0.1:1/v1", api_key="sk-secret")
    error = fails("model-unavailable", lambda: embedder.embed(["x"], "query"))
    assert "http://127.0.0.1:1/v1" in error.message
    assert "pw" not in error.render()
    assert embedder.waits == []


def test_a_server_that_went_away_is_waited_for(server: Server, remote: Make) -> None:
    embedder = remote()
    embedder.embed(["x"], "query")
    embedder._endpoint = "http://127.0.0.1:1/v1/embeddings"
    fails("model-unavailable", lambda: embedder.embed(["x"], "query"))
    assert len(embedder.waits) == TRIES - 1


def test_a_key_that_no_header_can_carry_is_not_shown() -> None:
    error = fails("model-key", lambda: Embedders(api_key="sk-geheim\x01ä").get("openai/m"))
    assert "geheim" not in error.render()
