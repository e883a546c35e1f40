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

from qql.embedders.fastembed import _MODEL_FILES, _folder, _line, _lock, _offline, _output, _quiet
from qql.embedders.models import FASTEMBED
from qql.errors import QQLError, QQLModelError
from qql.rerankers.models import CROSS_ENCODERS, OVERLAP, unknown
from qql.rerankers.scores import checked

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
        prefixed = model.lower().startswith(FASTEMBED)
        name = model[len(FASTEMBED) :] if prefixed else model
        self._arguments: dict[str, Any] = {"cache_dir": cache_dir}
        with _lock:
            _import(model, name, prefixed, others)
            folder = _folder(name) if prefixed else None
            if folder:
                self._name = _register(model, folder)
                self._arguments["specific_model_path"] = str(folder)
            else:
                self._name = _look_up(model, name, others)
        self._loaded: Any = None

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """The logit of each pair of query and text."""
        loaded = self._load()
        try:
            scores = list(loaded.rerank(query, list(texts), batch_size=BATCH))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:  # a panic of the tokenizer is no `Exception`
            raise self._failed("failed", exc) from exc
        return checked(scores, count=len(texts), model=self.model)

    def _load(self) -> Any:
        with _lock:
            if self._loaded is None:
                with _quiet():
                    self._loaded = self._cached() or self._downloaded()
        return self._loaded

    def _make(self, **more: Any) -> Any:
        return _encoder()(self._name, **{**self._arguments, **more})

    def _cached(self) -> Any:
        """The model from files that are there already, without a look at the network; None if that fails."""
        if "specific_model_path" in self._arguments:
            return None
        try:
            return self._make(local_files_only=True)
        except Exception:  # whatever is wrong with the files, the next step repairs or reports it
            return None

    def _downloaded(self) -> Any:
        """The model after a download. fastembed waits 39 s between tries: see first if there is a network."""
        local = "specific_model_path" in self._arguments
        try:
            if not local and not _offline():
                self._reach_hub()
            return self._make()
        except QQLError:
            raise
        except Exception as exc:
            if local or "from any source" not in str(exc):
                raise self._failed("could not be loaded", exc) from exc
            raise self._unavailable(exc) from exc

    def _reach_hub(self) -> None:
        import huggingface_hub

        listed = _encoder().list_supported_models()
        source = next(entry["sources"]["hf"] for entry in listed if entry["model"] == self._name)
        if source is None:
            return
        try:
            huggingface_hub.model_info(source, timeout=10)
        except Exception as exc:
            raise self._unavailable(exc) from exc

    def _failed(self, how: str, cause: BaseException) -> QQLError:
        said = cause if isinstance(cause, Exception) else RuntimeError(cause)
        return QQLModelError.make("model-failed", f"model `{self.model}` {how}: {_line(said)}")

    def _unavailable(self, cause: Exception) -> QQLError:
        from fastembed.common.utils import define_cache_dir

        folder = define_cache_dir(self._arguments["cache_dir"])
        return QQLModelError.make(
            "model-unavailable",
            f"the files of model `{self.model}` are not in {folder} and cannot be downloaded: {_line(cause)}",
            hint="a cache directory filled on another machine serves offline use: FASTEMBED_CACHE_PATH names "
            f"it; `{FASTEMBED}/path/to/folder` loads a model's folder, `{OVERLAP}` needs no files",
        )


def _encoder() -> Any:
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    return TextCrossEncoder


def _import(model: str, name: str, prefixed: bool, others: Iterable[str]) -> None:
    try:
        import fastembed  # noqa: F401
        from loguru import logger
    except ImportError as exc:
        missing = exc.name in ("fastembed", "loguru")
        listed = name.lower() in (known.lower() for known in CROSS_ENCODERS)
        if missing and not prefixed and not listed:
            raise unknown(model, others) from exc
        raise QQLModelError.make(
            "model-package-missing" if missing else "model-failed",
            f"the package `fastembed` of model `{model}` "
            f"{'is not installed' if missing else f'cannot be imported: {exc}'}",
            hint=f"pip install 'qql-lang[fastembed]'; `{OVERLAP}` works without it",
        ) from exc
    logger.disable("fastembed")


def _look_up(model: str, name: str, others: Iterable[str]) -> str:
    """The name as fastembed spells it."""
    known = {entry["model"].lower(): entry["model"] for entry in _encoder().list_supported_models()}
    found: str | None = known.get(name.lower())
    if found is None:
        raise unknown(model, {*others, *known.values()})
    return found


def _register(model: str, folder: Path) -> str:
    """Make a folder known to fastembed, once; the name it has there."""
    file = next((file for file in _MODEL_FILES if (folder / file).is_file()), None)
    if file is None:
        raise QQLModelError.make(
            "unknown-model",
            f"the folder {folder} of model `{model}` "
            f"{'holds no ONNX model' if folder.is_dir() else 'does not exist'}",
            hint=f"it requires one of {', '.join(_MODEL_FILES)}",
        )
    name = f"{FASTEMBED}{folder}"
    if all(entry["model"].lower() != name.lower() for entry in _encoder().list_supported_models()):
        _, table, columns = _output(model, folder / file)
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
