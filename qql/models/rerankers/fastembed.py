"""Cross-encoders of the fastembed package (the extra ``fastembed``): ONNX files that run in the process.

``fastembed:NAME`` is the model NAME of fastembed's own list, ``fastembed:DIR`` a cross-encoder in a local
folder: ``tokenizer.json``, ``tokenizer_config.json`` and an ONNX file as ``optimum-cli export onnx --task
text-classification`` writes them. Without the prefix, any name that nothing else claims is looked up here, so
models that the application itself registered by ``TextCrossEncoder.add_custom_model`` are found as well.

Importing this module imports nothing heavy. The package is imported by the first model, which switches off
its log messages (``loguru.logger.enable("fastembed")`` brings them back).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, cast

from qql.errors import QQLModelError, fail
from qql.models.onnx import (
    LOCK,
    FastembedClass,
    ModelOutput,
    OnnxModel,
    bare_name,
    import_fastembed,
    listed_models,
    model_folder,
    register_folder,
)
from qql.models.rerankers.base import check_scores
from qql.models.rerankers.names import CROSS_ENCODERS, OVERLAP, unknown_reranker

__all__ = ["BATCH", "FastembedReranker"]

BATCH = 32
"""Pairs of one run of the model; each is padded to the longest of them."""


class CrossEncoder(Protocol):
    """What is used of a loaded model of fastembed."""

    def rerank(self, query: str, documents: list[str], /, *, batch_size: int) -> Iterable[float]:
        """A score for each document."""
        ...


class FastembedReranker:
    """One cross-encoder; its files are read (and downloaded, if they must be) at the first `score`.

    The scores are the model's logits, of any sign, those of empty texts too. A pair that is too long for the
    model is cut. ``cache_dir`` is where the files are kept: as given, else ``FASTEMBED_CACHE_PATH``, else a
    folder of the system's temporary files; ``others`` are names to suggest for an unknown one. Raises
    `QQLModelError`: ``model-package-missing``, ``unknown-model`` and, for a folder, ``model-failed`` when
    made; ``model-unavailable`` (no files and no download) and ``model-failed`` (the files are no model, or it
    fails) by `score`.
    """

    def __init__(self, model: str, *, cache_dir: str | None = None, others: Iterable[str] = ()) -> None:
        self.model = model
        with LOCK:
            _import_package(model, others)
            folder = model_folder(model)
            name = _name_in_folder(model, folder) if folder else _name_in_list(model, others)
        self._onnx = OnnxModel(
            model, name, encoder_class, cache_dir=cache_dir, folder=folder, instead=OVERLAP
        )

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """The logit of each pair of query and text."""
        scores = self._onnx.run(lambda loaded: list(loaded.rerank(query, list(texts), batch_size=BATCH)))
        return check_scores(scores, count=len(texts), model=self.model)


def encoder_class() -> FastembedClass[CrossEncoder]:
    """The class of fastembed whose models read a question and a text together."""
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    return cast("FastembedClass[CrossEncoder]", TextCrossEncoder)


def _import_package(model: str, others: Iterable[str]) -> None:
    try:
        import_fastembed(f" of model `{model}`", f"`{OVERLAP}` works")
    except QQLModelError as exc:
        name = bare_name(model)
        listed = name != model or name.lower() in (known.lower() for known in CROSS_ENCODERS)
        if exc.code == "model-package-missing" and not listed:
            raise unknown_reranker(model, others) from exc.__cause__
        raise


def _name_in_list(model: str, others: Iterable[str]) -> str:
    """The name as fastembed spells it."""
    listed = listed_models(encoder_class())
    entry = listed.get(bare_name(model).lower())
    if entry is None:
        raise unknown_reranker(model, {*others, *(known["model"] for known in listed.values())})
    name: str = entry["model"]
    return name


def _name_in_folder(model: str, folder: Path) -> str:
    """The name that a folder has in fastembed, which it is made known to."""

    def describe(output: ModelOutput) -> dict[str, object]:
        # fastembed reads the first column, whatever it means.
        if not output.pooled or output.columns not in (1, None):
            given = f"{output.columns} numbers" if output.pooled else "a vector for each word"
            fail(
                "unknown-model",
                f"model `{model}` is no cross-encoder: it gives {given} and not one score for a pair",
                hint="`optimum-cli export onnx --task text-classification` exports a model with one label",
                error=QQLModelError,
            )
        return {}

    name: str = register_folder(model, folder, encoder_class(), describe)["model"]
    return name
