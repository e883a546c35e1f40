"""Models of the fastembed package (the extra ``fastembed``): ONNX files that run in the process.

``fastembed:NAME`` is the model NAME of fastembed's own lists, ``fastembed:DIR`` a dense model in a local
folder: ``tokenizer.json``, ``tokenizer_config.json``, ``config.json`` and one of `_MODEL_FILES`, as
``optimum-cli export onnx`` and Sentence Transformers write them. Without the prefix, any name that no other
provider claims is looked up here, so models that the application itself registered by
``TextEmbedding.add_custom_model`` are found as well.

Importing this module imports nothing heavy; the package is imported by the first embedder. That switches off
fastembed's log messages (``loguru.logger.enable("fastembed")`` brings them back).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qql.embedders.base import Kind, Purpose, Vector
from qql.embedders.models import FASTEMBED
from qql.embedders.options import Table, count, flag, number, positive, read_options, text
from qql.embedders.vectors import plain
from qql.errors import QQLError, QQLModelError, did_you_mean

__all__ = ["FastembedEmbedder"]

_BATCH = 64  # texts of one run of the model; each is padded to the longest of them
_MODEL_FILES = (
    "model_optimized.onnx",
    "model.onnx",
    "onnx/model.onnx",
    "model_quantized.onnx",
    "onnx/model_quantized.onnx",
)
_CLASSES: dict[str, Kind] = {
    "TextEmbedding": "dense",
    "SparseTextEmbedding": "sparse",
    "LateInteractionTextEmbedding": "multi",
}

_LOADING: Table = {
    "threads": ("a positive integer", positive),
    "cuda": ("true or false", flag),
    "local_files_only": ("true or false", flag),
}
_PREFIXES: Table = {"query_prefix": ("a string", text), "document_prefix": ("a string", text)}
_WEIGHTS: Table = {
    "k": ("a number", number),
    "b": ("a number from 0 to 1", number),
    "avg_len": ("a number above 0", number),
}
_OPTIONS: dict[str, Table] = {
    "qdrant/minicoil-v1": {**_LOADING, **_WEIGHTS},
    "qdrant/bm25": {
        **_LOADING,
        **_WEIGHTS,
        "language": ("the English name of a language", text),
        "token_max_length": ("an unsigned integer", count),
        "disable_stemmer": ("true or false", flag),
    },
}
"""Options of single models; any other sparse or multi model takes `_LOADING`, a dense one `_PREFIXES` too."""

_lock = threading.RLock()


class FastembedEmbedder:
    """One model of fastembed; its files are read (and downloaded, if they must be) at the first `embed`.

    ``cache_dir`` is where the files are kept: as given, else ``FASTEMBED_CACHE_PATH``, else a folder of the
    system's temporary files. Raises `QQLModelError`: ``model-package-missing``, ``unknown-model``,
    ``model-option`` when made; ``model-unavailable`` (no files and no download) and ``model-failed`` (the
    files are no model, or it fails) by `embed`.
    """

    def __init__(
        self, model: str, options: Mapping[str, Any] | None = None, *, cache_dir: str | None = None
    ) -> None:
        self.model = model
        name = model[len(FASTEMBED) :] if model.lower().startswith(FASTEMBED) else model
        with _lock:
            _import()
            folder = _folder(name) if name != model else None
            if folder:
                class_name, self._name, self._size = "TextEmbedding", *_register(model, folder)
            else:
                class_name, self._name, self._size = _look_up(model, name)
        self.kind: Kind = _CLASSES[class_name]
        dense = {**_LOADING, **_PREFIXES} if self.kind == "dense" else _LOADING
        given = read_options(model, options, _OPTIONS.get(self._name.lower(), dense))
        self._prefixes = {name: given.pop(name) for name in _PREFIXES if name in given}
        self._arguments = {"cache_dir": cache_dir, **given}
        if folder:
            self._arguments["specific_model_path"] = str(folder)
        self._class_name = class_name
        self._loaded: Any = None

    @property
    def size(self) -> int | None:
        """The dimensions that fastembed's list (or the model's folder) gives; None for sparse models."""
        return self._size

    def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """``query_embed`` or ``passage_embed`` of the model."""
        prefix = self._prefixes.get(f"{purpose}_prefix", "")
        inputs = [prefix + item for item in texts]
        loaded = self._load()
        try:
            if purpose == "query":
                return [plain(vector) for vector in loaded.query_embed(inputs)]
            return [plain(vector) for vector in loaded.passage_embed(inputs, batch_size=_BATCH)]
        except Exception as exc:
            raise QQLModelError.make("model-failed", f"model `{self.model}` failed: {_line(exc)}") from exc

    def _load(self) -> Any:
        with _lock:
            if self._loaded is None:
                with _quiet():
                    self._loaded = self._cached() or self._downloaded()
        return self._loaded

    def _make(self, **more: Any) -> Any:
        import fastembed

        return getattr(fastembed, self._class_name)(self._name, **{**self._arguments, **more})

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
            if not local and not self._arguments.get("local_files_only") and not _offline():
                self._reach_hub()
            return self._make()
        except QQLError:
            raise
        except Exception as exc:
            if local or "from any source" not in str(exc):
                raise QQLModelError.make(
                    "model-failed", f"model `{self.model}` could not be loaded: {_line(exc)}"
                ) from exc
            raise self._unavailable(exc) from exc

    def _reach_hub(self) -> None:
        import fastembed
        import huggingface_hub

        listed = getattr(fastembed, self._class_name).list_supported_models()
        source = next(m["sources"]["hf"] for m in listed if m["model"] == self._name)
        if source is None:
            return
        try:
            huggingface_hub.model_info(source, timeout=10)
        except Exception as exc:
            raise self._unavailable(exc) from exc

    def _unavailable(self, cause: Exception) -> QQLError:
        from fastembed.common.utils import define_cache_dir

        folder = define_cache_dir(self._arguments["cache_dir"])
        return QQLModelError.make(
            "model-unavailable",
            f"the files of model `{self.model}` are not in {folder} and cannot be downloaded: {_line(cause)}",
            hint="a cache directory filled on another machine serves offline use: FASTEMBED_CACHE_PATH names "
            f"it; `{FASTEMBED}/path/to/folder` loads a model's folder, `local/hash-256` needs no files",
        )


def _import() -> None:
    try:
        import fastembed  # noqa: F401
        from loguru import logger
    except ImportError as exc:
        missing = exc.name in ("fastembed", "loguru")
        raise QQLModelError.make(
            "model-package-missing" if missing else "model-failed",
            f"the package `fastembed` {'is not installed' if missing else f'cannot be imported: {exc}'}",
            hint="pip install 'qql-lang[fastembed]'; `local/hash-N` and `qdrant/bm25` work without it",
        ) from exc
    logger.disable("fastembed")


def _look_up(model: str, name: str) -> tuple[str, str, int | None]:
    """Class, name as fastembed spells it, dimensions."""
    import fastembed

    known: dict[str, tuple[str, str, int | None]] = {}
    for class_name in _CLASSES:
        for entry in getattr(fastembed, class_name).list_supported_models():
            known.setdefault(entry["model"].lower(), (class_name, entry["model"], entry.get("dim")))
    found = known.get(name.lower())
    if found is None:
        raise QQLModelError.make(
            "unknown-model",
            f"there is no model `{model}`",
            hint=did_you_mean(name, [spelled for _, spelled, _ in known.values()])
            or "fastembed's models, `local/hash-N`, `qdrant/bm25`, `openai/NAME` and `http://host/v1#NAME` "
            "are known",
        )
    return found


# -- a model in a local folder


def _folder(name: str) -> Path | None:
    """The folder that the rest of ``fastembed:…`` names, or None where it is a model's name."""
    with contextlib.suppress(RuntimeError):  # `~nobody`
        name = str(Path(name).expanduser())
    path = Path(name)
    looks_like_a_path = name.startswith(("/", "./", "../", "~")) or path.is_absolute()
    return path.absolute() if looks_like_a_path or path.is_dir() else None


def _register(model: str, folder: Path) -> tuple[str, int | None]:
    """Make a folder known to fastembed, once; the name it has there, and its dimensions.

    Pooling: none where the model gives one vector for each text; else what ``1_Pooling/config.json`` says;
    else the mean. Vectors are normalised unless ``modules.json`` lists no ``Normalize``. What the two say and
    fastembed cannot do (another pooling, a ``Dense`` layer) is an error.
    """
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    file = next((file for file in _MODEL_FILES if (folder / file).is_file()), None)
    if file is None:
        raise QQLModelError.make(
            "unknown-model",
            f"the folder {folder} of model `{model}` "
            f"{'holds no ONNX model' if folder.is_dir() else 'does not exist'}",
            hint=f"it requires one of {', '.join(_MODEL_FILES)}",
        )
    name = f"{FASTEMBED}{folder}"
    for entry in TextEmbedding.list_supported_models():
        if entry["model"] == name:
            return name, entry["dim"] or None
    output, pooled, size = _output(model, folder / file)
    size = size or _json(folder / "config.json", {}).get("hidden_size")
    listed = [module for module in _json(folder / "modules.json", []) if isinstance(module, dict)]
    modules = {str(module.get("type")).rpartition(".")[2] for module in listed}
    if not pooled and modules - _MODULES:
        raise _unsupported(model, f"the module {', '.join(sorted(modules - _MODULES))}")
    pooling = "DISABLED" if pooled else _pooling(model, folder)
    TextEmbedding.add_custom_model(
        name,
        pooling=PoolingType[pooling],
        normalization=not modules or "Normalize" in modules,
        sources=ModelSource(url="file:"),
        dim=size or 0,
        model_file=file,
        output_name=output,
    )
    return name, size


def _output(model: str, file: Path) -> tuple[str, bool, int | None]:
    """The output of an ONNX file to use: its name, whether it is one vector for each text, its dimensions."""
    onnxruntime: Any = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as exc:
        raise QQLModelError.make(
            "model-failed", f"model `{model}` could not be loaded: {_line(exc)}"
        ) from exc
    outputs = session.get_outputs()
    chosen = next((output for output in outputs if output.name == "sentence_embedding"), outputs[0])
    size = chosen.shape[-1] if chosen.shape else None
    return chosen.name, len(chosen.shape) == 2, size if isinstance(size, int) else None


_MODULES = {"Transformer", "Pooling", "Normalize"}
_POOLINGS = {
    "pooling_mode_cls_token": "CLS",
    "pooling_mode_mean_tokens": "MEAN",
    "pooling_mode_lasttoken": "LAST_TOKEN",
}


def _pooling(model: str, folder: Path) -> str:
    config = _json(folder / "1_Pooling" / "config.json", {})
    modes = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    if len(modes) > 1 or not set(modes) <= _POOLINGS.keys():
        raise _unsupported(model, " with ".join(modes))
    return _POOLINGS[modes[0]] if modes else "MEAN"


def _unsupported(model: str, what: str) -> QQLError:
    return QQLModelError.make(
        "model-failed",
        f"model `{model}` needs {what}, which fastembed does not have",
        hint="an export with the output `sentence_embedding` holds all of the model "
        "(`optimum-cli export onnx --task sentence-similarity`)",
    )


def _json(path: Path, default: Any) -> Any:
    """The content of a JSON file; the default where it is missing, damaged or of another type."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return default
    return content if isinstance(content, type(default)) else default


# -- keeping the terminal clean


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, warnings or messages of the libraries below while a model is loaded."""
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.CRITICAL)
    sink = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sink),
            contextlib.redirect_stderr(sink),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        hub.setLevel(level)


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").strip().upper() in {"1", "TRUE", "YES", "ON"}


def _line(exc: Exception) -> str:
    """An exception's text on one short line."""
    said = " ".join(str(exc).split()) or type(exc).__name__
    return said[:300] + ("…" if len(said) > 300 else "")
