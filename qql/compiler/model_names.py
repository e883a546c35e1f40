"""What is known of a model by its name alone. Pure data: nothing is imported and no model is loaded."""

from __future__ import annotations

import re

from qql.late import late_pattern
from qql.records import NamedTuple
from qql.rest.limits import BM25, MAX_VECTOR_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal["dense", "sparse", "multi"]
else:
    Kind = str

__all__ = [
    "BM25",
    "DEFAULT_DENSE",
    "FASTEMBED",
    "MODELS",
    "OPENAI",
    "Kind",
    "Known",
    "full_name",
    "hash_size",
    "is_url",
    "known_kind",
    "known_size",
]

OPENAI = "openai/"
FASTEMBED = "fastembed:"
DEFAULT_DENSE = "sentence-transformers/all-MiniLM-L6-v2"
"""The model of a dense vector that CREATE COLLECTION gives neither a size nor a model (HYBRID)."""


class Known(NamedTuple):
    """The kind of a model's vectors, and their dimensions (None for sparse ones)."""

    kind: Kind
    size: int | None


_SHORT: dict[str, str] = {}
"""The end of a name in lower case → the whole name; of two models with the same end, the first."""


def _known_as(known: Known, names: tuple[str, ...]) -> dict[str, Known]:
    for name in names:
        _SHORT.setdefault(name.rpartition("/")[2].lower(), name)
    return {name.lower(): known for name in names}


def _dense(size: int, *names: str) -> dict[str, Known]:
    return _known_as(Known("dense", size), names)


def _multi(size: int, *names: str) -> dict[str, Known]:
    return _known_as(Known("multi", size), names)


def _sparse(*names: str) -> dict[str, Known]:
    return _known_as(Known("sparse", None), names)


MODELS: dict[str, Known] = {
    **_dense(256, "minishlab/potion-base-8M", "minishlab/potion-multilingual-128M"),
    **_dense(
        384,
        "BAAI/bge-small-en",
        "BAAI/bge-small-en-v1.5",
        "ibm-granite/granite-embedding-small-english-r2",
        "intfloat/e5-small-v2",
        "intfloat/multilingual-e5-small",
        "sentence-transformers/all-MiniLM-L6-v2",
        "sentence-transformers/all-MiniLM-L12-v2",
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
        "snowflake/snowflake-arctic-embed-s",
        "snowflake/snowflake-arctic-embed-xs",
    ),
    **_dense(
        512,
        "BAAI/bge-small-zh-v1.5",
        "jinaai/jina-embeddings-v2-small-en",
        "minishlab/potion-retrieval-32M",
        "Qdrant/clip-ViT-B-32-text",
    ),
    **_dense(
        768,
        "BAAI/bge-base-en",
        "BAAI/bge-base-en-v1.5",
        "google/embeddinggemma-300m",
        "google/siglip2-base-patch16-224",
        "intfloat/e5-base-v2",
        "intfloat/multilingual-e5-base",
        "jinaai/jina-clip-v1",
        "jinaai/jina-embeddings-v2-base-code",
        "jinaai/jina-embeddings-v2-base-de",
        "jinaai/jina-embeddings-v2-base-en",
        "jinaai/jina-embeddings-v2-base-es",
        "jinaai/jina-embeddings-v2-base-zh",
        "nomic-ai/nomic-embed-text-v1",
        "nomic-ai/nomic-embed-text-v1.5",
        "nomic-ai/nomic-embed-text-v1.5-Q",
        "sentence-transformers/all-mpnet-base-v2",
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        "snowflake/snowflake-arctic-embed-m",
        "snowflake/snowflake-arctic-embed-m-long",
        "thenlper/gte-base",
    ),
    **_dense(
        1024,
        "BAAI/bge-large-en-v1.5",
        "BAAI/bge-m3",
        "intfloat/e5-large-v2",
        "intfloat/multilingual-e5-large",
        "jinaai/jina-embeddings-v3",
        "mixedbread-ai/mxbai-embed-large-v1",
        "Qdrant/constella-nano",
        "Qdrant/constella-zero",
        "Qdrant/stella-en-400M-v5-doc-onnx",
        "Qwen/Qwen3-Embedding-0.6B",
        "Qwen/Qwen3-Embedding-0.6B-Q",
        "snowflake/snowflake-arctic-embed-l",
        "thenlper/gte-large",
    ),
    **_dense(1536, "openai/text-embedding-3-small", "openai/text-embedding-ada-002"),
    **_dense(3072, "openai/text-embedding-3-large"),
    **_multi(96, "answerdotai/answerai-colbert-small-v1"),
    **_multi(
        128,
        "colbert-ir/colbertv2.0",
        "jinaai/jina-colbert-v2",
        "lightonai/LateOn",
        "lightonai/mLateOn",
    ),
    **_sparse(
        BM25,
        "opensearch-project/opensearch-neural-sparse-encoding-doc-v3-gte",
        "prithivida/Splade_PP_en_v1",
        "prithvida/Splade_PP_en_v1",
        "Qdrant/bm42-all-minilm-l6-v2-attentions",
        "Qdrant/minicoil-v1",
    ),
}
"""Model name in lower case → what is known of it. `known_size` and `known_kind` read more than this."""

_SHORT |= {
    "all-minilm": DEFAULT_DENSE,
    "bge-small": "BAAI/bge-small-en-v1.5",
    "bge-base": "BAAI/bge-base-en-v1.5",
    "bge-large": "BAAI/bge-large-en-v1.5",
    "colbert": "colbert-ir/colbertv2.0",
    "mxbai-embed-large": "mixedbread-ai/mxbai-embed-large-v1",
    "nomic-embed-text": "nomic-ai/nomic-embed-text-v1.5",
    "splade": "prithivida/Splade_PP_en_v1",
}

_HASH = late_pattern(r"local/hash-([1-9][0-9]{0,4})", re.ASCII)


def hash_size(model: str) -> int | None:
    """N of ``local/hash-N``; None for any other name, and for an N outside 1 to 65,536."""
    match = _HASH.fullmatch(model.lower())
    size = int(match[1]) if match else 0
    return size if 0 < size <= MAX_VECTOR_SIZE else None


def full_name(model: str) -> str:
    """The whole name of a well-known model that is called by its end (``all-MiniLM-L6-v2``), or more shortly
    (``nomic-embed-text``); any other name as it is.
    """
    return _SHORT.get(model.lower(), model)


def is_url(model: str) -> bool:
    """Whether the name is an address of its own, ``http(s)://host/v1#NAME``."""
    return model.lower().startswith(("http://", "https://"))


def _known(model: str) -> Known | None:
    name = model.lower()
    size = hash_size(name)
    if size is not None:
        return Known("dense", size)
    if is_url(name):
        return Known("dense", None)
    known = MODELS.get(full_name(name.removeprefix(FASTEMBED)).lower())
    if known is None and name.startswith(OPENAI):
        return Known("dense", None)
    return known


def known_size(model: str) -> int | None:
    """The dimensions of a model's vectors by its name; None for sparse models and where not known."""
    known = _known(model)
    return known.size if known else None


def known_kind(model: str) -> Kind | None:
    """The kind of a model's vectors by its name; None where it is not known."""
    known = _known(model)
    return known.kind if known else None
