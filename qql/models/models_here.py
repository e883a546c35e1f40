"""Which models a session can use, without loading any: SHOW MODELS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qql.errors import QQLModelError
from qql.models.embedders import Embedders
from qql.models.rerankers import Rerankers
from qql.models.rerankers.names import OVERLAP
from qql.rest.limits import BM25
from qql.rest.types import JsonObject

__all__ = ["models_here"]

_BUILT_IN, _OWN, _KEPT, _TO_LOAD = "built in", "given to connect", "kept", "after a download"


def models_here(embedders: Embedders, rerankers: Rerankers) -> tuple[list[JsonObject], str | None]:
    """A row for each model, and where fastembed's are not among them, what installs them.

    A row has ``model``, ``kind`` (dense, sparse, multi, rerank; None of a function that was not called yet),
    ``dimensions``, ``gb`` (of its files), ``runs`` (``built in``, ``given to connect``, ``kept`` on this
    machine, ``after a download``) and ``licence``. Models behind servers are as many as there are servers:
    they are not listed.
    """
    rows = [
        _row("local/hash-N", "dense", _BUILT_IN),
        _row(BM25, "sparse", _BUILT_IN),
        _row(OVERLAP, "rerank", _BUILT_IN),
        *(_row(name, kind, _OWN, size) for name, (kind, size) in embedders.own.items()),
        *(_row(name, "rerank", _OWN) for name in rerankers.own),
    ]
    try:
        return rows + list(_of_fastembed(embedders.cache_dir)), None
    except QQLModelError as exc:
        return rows, exc.message


def _row(model: str, kind: str | None, runs: str, dimensions: int | None = None) -> JsonObject:
    return {
        "model": model,
        "kind": kind,
        "dimensions": dimensions,
        "gb": None,
        "runs": runs,
        "licence": None,
    }


def _of_fastembed(cache_dir: str | None) -> Iterator[JsonObject]:
    from qql.models.embedders.fastembed import embedding_classes
    from qql.models.onnx import cache_folder, listed_models
    from qql.models.rerankers.fastembed import encoder_class

    folder = cache_folder(cache_dir)
    seen: set[str] = {BM25}
    classes: list[tuple[Any, str]] = [*embedding_classes(), (encoder_class(), "rerank")]
    for cls, kind in classes:
        for name, entry in listed_models(cls).items():
            if name not in seen:  # a folder that was loaded is on the list, too
                seen.add(name)
                row = _row(
                    entry["model"], kind, _KEPT if _is_kept(folder, entry) else _TO_LOAD, entry.get("dim")
                )
                yield row | {"gb": entry.get("size_in_GB"), "licence": entry.get("license") or None}


def _is_kept(folder: Path, entry: JsonObject) -> bool:
    """Whether the files of a model are in fastembed's directory, from its hub or from its own archives."""
    source, file = entry["sources"]["hf"], entry["model_file"]
    if source and any(folder.glob(f"models--{source.replace('/', '--')}/snapshots/*/{file}")):
        return True
    name = entry["model"].rpartition("/")[2]
    return any((folder / one / file).is_file() for one in (name, f"fast-{name}"))
