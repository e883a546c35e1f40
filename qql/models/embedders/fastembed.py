"""Models of the fastembed package (the extra ``fastembed``): ONNX files that run in the process.

``fastembed:NAME`` is the model NAME of fastembed's own lists, ``fastembed:DIR`` a dense model in a local
folder: ``tokenizer.json``, ``tokenizer_config.json``, ``config.json`` and one of `MODEL_FILES`, as
``optimum-cli export onnx`` and Sentence Transformers write them. Of longer texts than the ``max_seq_length``
of ``sentence_bert_config.json`` the beginning is read. Without the prefix, any name that no other provider
claims is looked up here, so models that the application itself registered by
``TextEmbedding.add_custom_model`` are found as well.

Importing this module imports nothing heavy; the package is imported by the first embedder. That switches off
fastembed's log messages (``loguru.logger.enable("fastembed")`` brings them back).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, cast

from qql.compiler.model_names import full_name
from qql.errors import QQLError, QQLModelError, did_you_mean, fail
from qql.models.embedders.base import Kind, Purpose, Vector, plain_vector
from qql.models.embedders.options import Table, count, flag, number, positive, read_options, text
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
from qql.records import NamedTuple
from qql.rest.limits import BM25
from qql.rest.types import Body, Json, JsonObject

__all__ = ["FastembedEmbedder"]

Content = TypeVar("Content", JsonObject, list[Json])

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
    BM25: {
        **_LOADING,
        **_WEIGHTS,
        "language": ("the English name of a language", text),
        "token_max_length": ("an unsigned integer", count),
        "disable_stemmer": ("true or false", flag),
    },
}
"""Options of single models; any other sparse or multi model takes `_LOADING`, a dense one `_PREFIXES` too."""


class TextModel(Protocol):
    """What is used of a loaded model of fastembed."""

    def query_embed(self, query: list[str], /) -> Iterable[object]:
        """A vector for each query."""
        ...

    def passage_embed(self, texts: list[str], /, *, batch_size: int) -> Iterable[object]:
        """A vector for each document."""
        ...


class FastembedEmbedder:
    """One model of fastembed; its files are read (and downloaded, if they must be) at the first `embed`.

    ``cache_dir`` is where the files are kept: as given, else ``FASTEMBED_CACHE_PATH``, else a folder of the
    system's temporary files. Raises `QQLModelError`: ``model-package-missing``, ``unknown-model``,
    ``model-option`` when made; ``model-unavailable`` (no files and no download) and ``model-failed`` (the
    files are no model, or it fails) by `embed`.
    """

    def __init__(self, model: str, options: Body | None = None, *, cache_dir: str | None = None) -> None:
        self.model = model
        with LOCK:
            import_fastembed("", "`local/hash-N` and `qdrant/bm25` work")
            folder = model_folder(model)
            listed = _find_in_folder(model, folder) if folder else _find_in_lists(model)
        self.kind: Kind = _CLASSES[listed.class_name]
        self._size = listed.size
        dense = {**_LOADING, **_PREFIXES} if self.kind == "dense" else _LOADING
        given = read_options(model, options, _OPTIONS.get(listed.name.lower(), dense))
        self._prefixes = {name: given.pop(name) for name in _PREFIXES if name in given}
        self._onnx = OnnxModel(
            model,
            listed.name,
            lambda: _embedding_class(listed.class_name),
            cache_dir=cache_dir,
            folder=folder,
            options=given,
            instead="local/hash-256",
            prepare=_shortener(folder) if folder else None,
        )

    def load(self) -> None:
        """Read the files now. Raises as `embed` does."""
        self._onnx.load()

    @property
    def size(self) -> int | None:
        """The dimensions that fastembed's list (or the model's folder) gives; None for sparse models."""
        return self._size

    def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """``query_embed`` or ``passage_embed`` of the model."""
        prefix = self._prefixes.get(f"{purpose}_prefix", "")
        inputs = [prefix + item for item in texts]

        def embed(loaded: TextModel) -> list[Vector]:
            if purpose == "query":
                return [plain_vector(vector) for vector in loaded.query_embed(inputs)]
            return [plain_vector(vector) for vector in loaded.passage_embed(inputs, batch_size=_BATCH)]

        return self._onnx.run(embed)


class _Listed(NamedTuple):
    """A model on a list of fastembed: the class, the name as it is spelled there, the dimensions."""

    class_name: str
    name: str
    size: int | None


def _embedding_class(name: str) -> FastembedClass[TextModel]:
    import fastembed

    return cast("FastembedClass[TextModel]", getattr(fastembed, name))


def embedding_classes() -> list[tuple[FastembedClass[TextModel], Kind]]:
    """The classes of fastembed that embed texts, each with the kind of its vectors."""
    return [(_embedding_class(name), kind) for name, kind in _CLASSES.items()]


def _find_in_lists(model: str) -> _Listed:
    name = full_name(bare_name(model))
    known: dict[str, _Listed] = {}
    for class_name in _CLASSES:
        for lower, entry in listed_models(_embedding_class(class_name)).items():
            known.setdefault(lower, _Listed(class_name, entry["model"], entry.get("dim")))
    found = known.get(name.lower())
    if found is None:
        fail(
            "unknown-model",
            f"there is no model `{model}`",
            hint=did_you_mean(name, [listed.name for listed in known.values()])
            or "fastembed's models, `local/hash-N`, `qdrant/bm25`, `openai/NAME` and `http://host/v1#NAME` "
            "are known",
            error=QQLModelError,
        )
    return found


# -- a model in a local folder


def _find_in_folder(model: str, folder: Path) -> _Listed:
    """The model in a folder, which is made known to fastembed.

    Pooling: none where the model gives one vector for each text; else what ``1_Pooling/config.json`` says;
    else the mean. Vectors are normalised unless ``modules.json`` lists no ``Normalize``. What the two say and
    fastembed cannot do (another pooling, a ``Dense`` layer) is an error.
    """

    def describe(output: ModelOutput) -> dict[str, object]:
        from fastembed.common.model_description import PoolingType

        config = _read_json(folder / "config.json", {})
        size = output.columns or next((config[key] for key in _SIZES if config.get(key)), None)
        listed = [module for module in _read_json(folder / "modules.json", []) if isinstance(module, dict)]
        modules = {str(module.get("type")).rpartition(".")[2] for module in listed}
        if not output.pooled and modules - _MODULES:
            raise _not_in_fastembed(model, f"the module {', '.join(sorted(modules - _MODULES))}")
        return {
            "pooling": PoolingType["DISABLED" if output.pooled else _pooling(model, folder)],
            "normalization": not modules or "Normalize" in modules,
            "dim": size or 0,
            "output_name": output.name,
        }

    entry = register_folder(model, folder, _embedding_class("TextEmbedding"), describe)
    return _Listed("TextEmbedding", entry["model"], entry["dim"] or None)


_SIZES = ("hidden_size", "dim", "d_model", "n_embd")
"""What families of models call the size of their vectors in ``config.json``."""
_MODULES = {"Transformer", "Pooling", "Normalize"}
_POOLINGS = {
    "pooling_mode_cls_token": "CLS",
    "pooling_mode_mean_tokens": "MEAN",
    "pooling_mode_lasttoken": "LAST_TOKEN",
}


def _shortener(folder: Path) -> Callable[[object], None]:
    """Has a loaded model read no more tokens than ``sentence_bert_config.json`` says it was made for.

    fastembed only reads what the tokenizer could take, which is more: vectors of long texts would differ.
    """

    def shorten(loaded: object) -> None:
        most = _read_json(folder / "sentence_bert_config.json", {}).get("max_seq_length")
        tokenizer = getattr(getattr(loaded, "model", None), "tokenizer", None)
        truncation = getattr(tokenizer, "truncation", None)
        if tokenizer is None or not truncation or not isinstance(most, int):
            return
        if 0 < most < truncation["max_length"]:
            tokenizer.enable_truncation(**{**truncation, "max_length": most})

    return shorten


def _pooling(model: str, folder: Path) -> str:
    config = _read_json(folder / "1_Pooling" / "config.json", {})
    modes = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    if len(modes) > 1 or not set(modes) <= _POOLINGS.keys():
        raise _not_in_fastembed(model, " with ".join(modes))
    return _POOLINGS[modes[0]] if modes else "MEAN"


def _not_in_fastembed(model: str, what: str) -> QQLError:
    return QQLModelError.make(
        "model-failed",
        f"model `{model}` needs {what}, which fastembed does not have",
        hint="an export with the output `sentence_embedding` holds all of the model "
        "(`optimum-cli export onnx --task sentence-similarity`)",
    )


def _read_json(path: Path, default: Content) -> Content:
    """The content of a JSON file; the default where it is missing, damaged or of another type."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return default
    return content if isinstance(content, type(default)) else default
