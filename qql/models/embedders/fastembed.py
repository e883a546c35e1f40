"""Models of the fastembed package (the extra ``fastembed``): ONNX files that run in the process.

``fastembed:NAME`` is the model NAME of fastembed's own lists, ``fastembed:DIR`` a dense model in a local
folder: ``tokenizer.json``, ``tokenizer_config.json``, ``config.json`` and one of `MODEL_FILES`, as
``optimum-cli export onnx`` and Sentence Transformers write them. Without the prefix, any name that no other
provider claims is looked up here, so models that the application itself registered by
``TextEmbedding.add_custom_model`` are found as well.

Importing this module imports nothing heavy; the package is imported by the first embedder. That switches off
fastembed's log messages (``loguru.logger.enable("fastembed")`` brings them back).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qql.compiler.model_names import FASTEMBED
from qql.errors import QQLError, QQLModelError, did_you_mean
from qql.models.embedders.base import Kind, Purpose, Vector
from qql.models.embedders.options import Table, count, flag, number, positive, read_options, text
from qql.models.embedders.vectors import plain
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

__all__ = ["FastembedEmbedder"]

_BATCH = 64  # texts of one run of the model; each is padded to the longest of them
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
        with LOCK:
            import_fastembed("", "`local/hash-N` and `qdrant/bm25` work")
            folder = model_folder(model)
            if folder:
                class_name, self._name, self._size = "TextEmbedding", *_register(model, folder)
            else:
                class_name, self._name, self._size = _look_up(model)
        self.kind: Kind = _CLASSES[class_name]
        dense = {**_LOADING, **_PREFIXES} if self.kind == "dense" else _LOADING
        given = read_options(model, options, _OPTIONS.get(self._name.lower(), dense))
        self._prefixes = {name: given.pop(name) for name in _PREFIXES if name in given}
        arguments = {"cache_dir": cache_dir, **given}
        if folder:
            arguments["specific_model_path"] = str(folder)
        self._onnx = OnnxModel(
            model, self._name, lambda: _class(class_name), arguments, instead="local/hash-256"
        )

    @property
    def size(self) -> int | None:
        """The dimensions that fastembed's list (or the model's folder) gives; None for sparse models."""
        return self._size

    def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """``query_embed`` or ``passage_embed`` of the model."""
        prefix = self._prefixes.get(f"{purpose}_prefix", "")
        inputs = [prefix + item for item in texts]
        loaded = self._onnx.load()
        try:
            if purpose == "query":
                return [plain(vector) for vector in loaded.query_embed(inputs)]
            return [plain(vector) for vector in loaded.passage_embed(inputs, batch_size=_BATCH)]
        except Exception as exc:
            raise QQLModelError.make("model-failed", f"model `{self.model}` failed: {one_line(exc)}") from exc


def _class(name: str) -> Any:
    import fastembed

    return getattr(fastembed, name)


def _look_up(model: str) -> tuple[str, str, int | None]:
    """Class, name as fastembed spells it, dimensions."""
    name = bare_name(model)
    known: dict[str, tuple[str, str, int | None]] = {}
    for class_name in _CLASSES:
        for entry in _class(class_name).list_supported_models():
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


def _register(model: str, folder: Path) -> tuple[str, int | None]:
    """Make a folder known to fastembed, once; the name it has there, and its dimensions.

    Pooling: none where the model gives one vector for each text; else what ``1_Pooling/config.json`` says;
    else the mean. Vectors are normalised unless ``modules.json`` lists no ``Normalize``. What the two say and
    fastembed cannot do (another pooling, a ``Dense`` layer) is an error.
    """
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    file = model_file(model, folder)
    name = f"{FASTEMBED}{folder}"
    for entry in TextEmbedding.list_supported_models():
        if entry["model"] == name:
            return name, entry["dim"] or None
    output, pooled, size = model_output(model, folder / file)
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
