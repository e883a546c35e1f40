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
from typing import Any

from qql.compiler.model_names import FASTEMBED
from qql.errors import QQLModelError
from qql.models.onnx import (
    LOCK,
    OnnxModel,
    bare_name,
    import_fastembed,
    model_file,
    model_folder,
    model_output,
    one_line,
)
from qql.models.rerankers.models import CROSS_ENCODERS, OVERLAP, unknown
from qql.models.rerankers.scores import checked

__all__ = ["BATCH", "FastembedReranker"]

BATCH = 32
"""Pairs of one run of the model; each is padded to the longest of them."""


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
        arguments: dict[str, Any] = {"cache_dir": cache_dir}
        with LOCK:
            _import(model, others)
            folder = model_folder(model)
            if folder:
                name = _register(model, folder)
                arguments["specific_model_path"] = str(folder)
            else:
                name = _look_up(model, others)
        self._onnx = OnnxModel(model, name, _encoder, arguments, instead=OVERLAP)

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """The logit of each pair of query and text."""
        loaded = self._onnx.load()
        try:
            scores = list(loaded.rerank(query, list(texts), batch_size=BATCH))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:  # a panic of the tokenizer is no `Exception`
            raise QQLModelError.make("model-failed", f"model `{self.model}` failed: {one_line(exc)}") from exc
        return checked(scores, count=len(texts), model=self.model)


def _encoder() -> Any:
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    return TextCrossEncoder


def _import(model: str, others: Iterable[str]) -> None:
    try:
        import_fastembed(f" of model `{model}`", f"`{OVERLAP}` works")
    except QQLModelError as exc:
        name = bare_name(model)
        listed = name != model or name.lower() in (known.lower() for known in CROSS_ENCODERS)
        if exc.code == "model-package-missing" and not listed:
            raise unknown(model, others) from exc.__cause__
        raise


def _look_up(model: str, others: Iterable[str]) -> str:
    """The name as fastembed spells it."""
    known = {entry["model"].lower(): entry["model"] for entry in _encoder().list_supported_models()}
    found: str | None = known.get(bare_name(model).lower())
    if found is None:
        raise unknown(model, {*others, *known.values()})
    return found


def _register(model: str, folder: Path) -> str:
    """Make a folder known to fastembed, once; the name it has there."""
    file = model_file(model, folder)
    name = f"{FASTEMBED}{folder}"
    if all(entry["model"].lower() != name.lower() for entry in _encoder().list_supported_models()):
        _, table, columns = model_output(model, folder / file)
        if not table or columns not in (1, None):  # fastembed reads the first column, whatever it means
            raise QQLModelError.make(
                "unknown-model",
                f"model `{model}` is no cross-encoder: it gives "
                f"{f'{columns} numbers' if table else 'a vector for each word'} and not one score for a pair",
                hint="`optimum-cli export onnx --task text-classification` exports a model with one label",
            )
        from fastembed.common.model_description import ModelSource

        _encoder().add_custom_model(name, sources=ModelSource(url="file:"), model_file=file)
    return name
