"""The retrievers of LangChain, LlamaIndex and Haystack, with the real packages.

Each test is skipped, by name, where its framework is not installed; `make integrations` installs all three.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import qql

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")

PIPELINE = "QUERY :q FROM docs USING a WHERE n >= :least LIMIT 2"
TEXTS = ["burns in children", "care of wounds", "annual check-up", "emergency numbers"]


@pytest.fixture
def target(tmp_path: Path) -> str:
    path = str(tmp_path / "db")
    with qql.connect(path) as db:
        db.execute("CREATE COLLECTION docs (a VECTOR MODEL 'local/hash-64')")
        rows = [{"id": n, "text": text, "n": n} for n, text in enumerate(TEXTS, 1)]
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": rows})
    return path


def expected(target: str) -> list[Any]:
    with qql.connect(target) as db:
        hits = db.execute(PIPELINE, {"q": "care of wounds", "least": 1}).hits
        return [(str(hit.id), hit["text"], {"n": hit["n"]}, hit.score) for hit in hits]


async def once(ask: Callable[[str], Awaitable[Any]], retriever: Any) -> Any:
    """The answer to one question; what was opened for it is closed again."""
    try:
        return await ask("care of wounds")
    finally:
        await retriever._retriever.aclose()


def without_ours(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if not key.startswith("qql_")}


# ------------------------------------------------------------------------------------ LangChain


def langchain(**options: Any) -> Any:
    pytest.importorskip("langchain_core", reason="test_integrations.py needs langchain-core")
    from qql.integrations.langchain import QQLRetriever

    return QQLRetriever(**options)


def test_langchain_documents(target: str) -> None:
    retriever = langchain(pipeline=PIPELINE, db=target, params={"least": 1}, stages=True)
    awaited = asyncio.run(once(retriever.ainvoke, retriever))
    found = retriever.invoke("care of wounds")
    retriever._retriever.close()
    for documents in (found, awaited):
        assert [
            (one.id, one.page_content, without_ours(one.metadata), one.metadata["qql_score"])
            for one in documents
        ] == expected(target)
        assert documents[0].metadata["qql_ranks"] == {"root": 1}


def test_langchain_values_of_a_question(target: str) -> None:
    retriever = langchain(pipeline=PIPELINE, db=target, params={"least": 1})
    assert {one.id for one in retriever.invoke("care of wounds", least=3)} == {"3", "4"}
    retriever._retriever.close()


@pytest.mark.filterwarnings("ignore:.*beta.*")
def test_langchain_writes_it_down_and_reads_it(target: str) -> None:
    retriever = langchain(pipeline=PIPELINE, db=target, params={"least": 1}, options={"api_key": "s3cret"})
    from langchain_core.load import dumps, loads

    written = dumps(retriever)
    assert "s3cret" not in written and "s3cret" not in repr(retriever)
    again = loads(written, valid_namespaces=["qql"], allowed_objects=[type(retriever)])
    assert (again.pipeline, again.db, again.params) == (PIPELINE, target, {"least": 1})


def test_langchain_in_a_chain(target: str) -> None:
    with qql.connect(target) as db:
        retriever = langchain(pipeline=PIPELINE, db=db, params={"least": 1})
        chain = retriever | (lambda documents: [one.page_content for one in documents])
        assert chain.invoke("care of wounds")[0] == "care of wounds"


def test_langchain_a_text_at_fault_is_an_error_at_once() -> None:
    with pytest.raises(qql.QQLCompileError):
        langchain(pipeline="QUERY :q FORM docs", db=":memory:")


def test_langchain_reads_what_langchain_wrote(tmp_path: Path) -> None:
    module = pytest.importorskip("langchain_qdrant", reason="test_integrations.py needs langchain-qdrant")
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    embedding = DeterministicFakeEmbedding(size=16)
    client.create_collection("docs", models.VectorParams(size=16, distance=models.Distance.COSINE))
    store = module.QdrantVectorStore(client=client, collection_name="docs", embedding=embedding)
    store.add_texts(TEXTS, [{"page": n} for n in range(4)])
    with qql.connect(client, embedders={"fake": embedding.embed_documents}) as db:
        retriever = langchain(pipeline="QUERY TEXT :q MODEL 'fake' FROM docs LIMIT 1", db=db)
        [found] = retriever.invoke("care of wounds")
        [own] = store.similarity_search("care of wounds", k=1)
    assert (found.page_content, without_ours(found.metadata)) == ("care of wounds", {"page": 1})
    assert found.page_content == own.page_content


# ------------------------------------------------------------------------------------ LlamaIndex


def llama_index(*args: Any, **options: Any) -> Any:
    pytest.importorskip("llama_index.core", reason="test_integrations.py needs llama-index-core")
    from qql.integrations.llama_index import QQLRetriever

    return QQLRetriever(*args, **options)


def test_llama_index_nodes(target: str) -> None:
    retriever = llama_index(PIPELINE, target, params={"least": 1}, stages=True)
    awaited = asyncio.run(once(retriever.aretrieve, retriever))
    found = retriever.retrieve("care of wounds")
    retriever._retriever.close()
    for nodes in (found, awaited):
        assert [
            (one.node.node_id, one.node.get_content(), without_ours(one.node.metadata), one.score)
            for one in nodes
        ] == expected(target)
    assert llama_index(**retriever.to_dict()).to_dict() == retriever.to_dict()


def test_llama_index_reads_what_llama_index_writes(tmp_path: Path) -> None:
    pytest.importorskip("llama_index.core", reason="test_integrations.py needs llama-index-core")
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.utils import node_to_metadata_dict

    node = TextNode(id_="n1", text="care of wounds", metadata={"page": 3, "title": "T"})
    payload = node_to_metadata_dict(node, remove_text=False, flat_metadata=False)
    assert json.loads(payload["_node_content"])["text"] == "care of wounds"
    with qql.connect(":memory:") as db:
        db.execute("CREATE COLLECTION docs (a VECTOR MODEL 'local/hash-64')")
        db.execute("UPSERT INTO docs VALUES :rows", {"rows": [{"id": 1, **payload}]})
        retriever = llama_index("QUERY :q FROM docs USING a RERANK MODEL 'local/overlap' TOP 1", db)
        [found] = retriever.retrieve("wounds")
    assert (found.node.node_id, found.node.get_content()) == ("n1", "care of wounds")
    assert without_ours(found.node.metadata) == {"page": 3, "title": "T"}
    assert found.node.metadata["qql_second_stage_score"] == found.score


# ------------------------------------------------------------------------------------ Haystack


def haystack(*args: Any, **options: Any) -> Any:
    pytest.importorskip("haystack", reason="test_integrations.py needs haystack-ai")
    from qql.integrations.haystack import QQLRetriever

    return QQLRetriever(*args, **options)


def test_haystack_documents_in_a_pipeline(target: str) -> None:
    component = haystack(PIPELINE, target, params={"least": 1})
    from haystack import Pipeline

    pipeline = Pipeline()
    pipeline.add_component("retriever", component)
    found = pipeline.run({"retriever": {"query": "care of wounds"}})["retriever"]["documents"]
    component._retriever.close()
    awaited = asyncio.run(once(component.run_async, component))["documents"]
    for documents in (found, awaited):
        assert [(one.id, one.content, without_ours(one.meta), one.score) for one in documents] == expected(
            target
        )


def test_haystack_writes_it_down_and_reads_it(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("haystack", reason="test_integrations.py needs haystack-ai")
    from haystack import Pipeline
    from haystack.utils import Secret

    monkeypatch.setenv("QQL_TEST_KEY", "s3cret")
    pipeline = Pipeline()
    made = haystack(PIPELINE, target, params={"least": 1}, api_key=Secret.from_env_var("QQL_TEST_KEY"))
    pipeline.add_component("retriever", made)
    written = pipeline.dumps()
    assert "s3cret" not in written and "QQL_TEST_KEY" in written
    again = Pipeline.loads(written, allowed_modules=["qql.integrations.haystack"]).get_component("retriever")
    assert again.to_dict() == made.to_dict()


# ------------------------------------------------------------------------------------ without


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("langchain", "langchain_core", "langchain"),
        ("llama_index", "llama_index", "llama-index"),
        ("haystack", "haystack", "haystack"),
    ],
)
def test_a_framework_that_is_missing_is_named_with_what_to_install(
    module: str, library: str, extra: str
) -> None:
    code = f"import sys; sys.modules[{library!r}] = None\nimport qql\ntry: import qql.integrations.{module}\n"
    code += "except qql.QQLError as exc: print(exc)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert f'pip install "qql-lang[{extra}]"' in done.stdout, done.stderr


def test_each_extra_is_declared() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"langchain", "llama-index", "haystack"} <= extras.keys()
