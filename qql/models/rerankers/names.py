"""What is known of a reranker by its name alone. Pure data: nothing is imported and no model is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable

from qql.compiler.model_names import known_kind
from qql.errors import QQLError, QQLModelError, did_you_mean
from qql.late import late_pattern
from qql.records import NamedTuple

__all__ = [
    "CROSS_ENCODERS",
    "OVERLAP",
    "SHAPES",
    "Remote",
    "full_reranker_name",
    "is_remote",
    "remote",
    "unknown_reranker",
]

OVERLAP = "local/overlap"
SHAPES = ("cohere", "jina", "voyage", "tei")
"""The forms of a request for scores that servers take; `qql.models.rerankers.http` has them."""
CROSS_ENCODERS = (
    "BAAI/bge-reranker-base",
    "BAAI/bge-reranker-v2-m3",
    "BAAI/bge-reranker-v2-m3-int8",
    "jinaai/jina-reranker-v1-tiny-en",
    "jinaai/jina-reranker-v1-turbo-en",
    "jinaai/jina-reranker-v2-base-multilingual",
    "Xenova/ms-marco-MiniLM-L-6-v2",
    "Xenova/ms-marco-MiniLM-L-12-v2",
)
"""fastembed's models, to be known where it is not installed."""

_SHAPE = "|".join(SHAPES)
_NAMED = late_pattern(rf"({_SHAPE})/(.*)", re.I | re.S)
_ADDRESSED = late_pattern(rf"(?:({_SHAPE})\+)?(https?://[^#]*)(?:#(.*))?", re.I | re.S)


class Remote(NamedTuple):
    """A model behind a server: the form of its requests, its own address (or None), and the name to send."""

    shape: str
    url: str | None
    name: str


def remote(model: str) -> Remote | None:
    """What ``SHAPE/NAME``, ``http(s)://…#NAME`` and ``SHAPE+http(s)://…#NAME`` say; None for other names."""
    if match := _NAMED.fullmatch(model):
        return Remote(match[1].lower(), None, match[2])
    if match := _ADDRESSED.fullmatch(model):
        return Remote((match[1] or "jina").lower(), match[2], match[3] or "")
    return None


_SHORT = {name.rpartition("/")[2].lower(): name for name in CROSS_ENCODERS}


def full_reranker_name(model: str) -> str:
    """The whole name of one of `CROSS_ENCODERS` that is called by its end; any other name as it is."""
    return _SHORT.get(model.lower(), model)


def is_remote(model: str) -> bool:
    """Whether texts are sent to a server by this model."""
    return remote(model) is not None


def unknown_reranker(model: str, others: Iterable[str] = ()) -> QQLError:
    """The error for a name that no reranker has; ``others`` are known besides those of this module."""
    if known_kind(model):
        message = f"model `{model}` makes vectors, and RERANK requires one that scores texts for a query"
    else:
        message = f"there is no reranker `{model}`"
    return QQLModelError.make(
        "unknown-model",
        message,
        hint=did_you_mean(model, {OVERLAP, *CROSS_ENCODERS, *others})
        or f"`{OVERLAP}`, fastembed's cross-encoders (the extra `fastembed`), `cohere/NAME`, `jina/NAME`, "
        "`voyage/NAME`, `tei/NAME` and `http://host/v1#NAME` are known",
    )
