"""Models of the fastembed package, whatever they compute: folders, the package itself, loading, downloads.

Importing this module imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from qql.compiler.model_names import FASTEMBED
from qql.errors import QQLError, QQLModelError, fail
from qql.records import NamedTuple
from qql.rest.types import JsonObject

__all__ = [
    "LOCK",
    "MODEL_FILES",
    "FastembedClass",
    "ModelOutput",
    "OnnxModel",
    "bare_name",
    "import_fastembed",
    "kept_models",
    "listed_models",
    "model_folder",
    "register_folder",
]

Loaded = TypeVar("Loaded")
Loaded_co = TypeVar("Loaded_co", covariant=True)
Answer = TypeVar("Answer")

MODEL_FILES = (
    "model_optimized.onnx",
    "model.onnx",
    "onnx/model.onnx",
    "model_quantized.onnx",
    "onnx/model_quantized.onnx",
)
"""Where a folder has its ONNX file; the first that is there is used."""
LOCK = threading.RLock()
"""Held while fastembed's lists are read and added to, and while a model is loaded."""
_LONGEST_LINE = 300  # characters of an exception that a message shows


class FastembedClass(Protocol[Loaded_co]):
    """What is used of a class of fastembed, such as ``TextEmbedding``."""

    def __call__(self, model_name: str, /, **arguments: object) -> Loaded_co:
        """The model of this name, loaded."""
        ...

    def list_supported_models(self) -> list[JsonObject]:
        """The models of its list, those that were added included; the name is under ``model``."""
        ...

    def add_custom_model(self, model: str, /, **description: object) -> None:
        """Put another model on its list."""
        ...


class OnnxModel(Generic[Loaded]):
    """One model of fastembed; its files are read (and downloaded, if they must be) by the first `run`.

    ``model`` is what messages call it, ``name`` what fastembed does; ``cls`` finds fastembed's class. The
    files are those of ``folder``, or kept in ``cache_dir``; ``options`` are more arguments of the
    constructor. ``instead`` is a model that needs no files, for a hint; ``prepare`` is called with what was
    loaded.
    """

    def __init__(
        self,
        model: str,
        name: str,
        cls: Callable[[], FastembedClass[Loaded]],
        *,
        cache_dir: str | None,
        folder: Path | None,
        instead: str,
        options: Mapping[str, object] = MappingProxyType({}),
        prepare: Callable[[Loaded], None] | None = None,
    ) -> None:
        self._model = model
        self._name = name
        self._class = cls
        self._local = folder is not None
        self._cache_dir = cache_dir
        self._arguments: dict[str, object] = {"cache_dir": cache_dir, **options}
        if folder is not None:
            self._arguments["specific_model_path"] = str(folder)
        self._instead = instead
        self._prepare = prepare
        self._loaded: Loaded | None = None

    def run(self, call: Callable[[Loaded], Answer]) -> Answer:
        """What ``call`` makes of the object of fastembed's class.

        Raises `QQLModelError`: ``model-unavailable`` (no files and no download), ``model-failed`` (the files
        are no model, or it fails).
        """
        loaded = self.load()
        try:
            return call(loaded)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:  # a panic of the tokenizer is no `Exception`
            raise QQLModelError.make(
                "model-failed", f"model `{self._model}` failed: {_one_line(exc)}"
            ) from exc

    def load(self) -> Loaded:
        """The object of fastembed's class, made at the first call. Raises as `run` does."""
        with LOCK:
            if self._loaded is None:
                with _silenced():
                    loaded = self._cached() or self._downloaded()
                if self._prepare is not None:
                    self._prepare(loaded)
                self._loaded = loaded
        return self._loaded

    def _construct(self, **more: object) -> Loaded:
        return self._class()(self._name, **{**self._arguments, **more})

    def _cached(self) -> Loaded | None:
        """The model from files that are there already, without a look at the network; None if that fails."""
        if self._local:
            return None
        try:
            return self._construct(local_files_only=True)
        except Exception:  # whatever is wrong with the files, the next step repairs or reports it
            return None

    def _downloaded(self) -> Loaded:
        """The model after a download. fastembed waits 39 s between tries: see first if there is a network."""
        try:
            if not self._local and not self._arguments.get("local_files_only") and not _hub_is_offline():
                self._reach_hub()
            return self._construct()
        except QQLError:
            raise
        except Exception as exc:
            if self._local or "from any source" not in str(exc):
                raise _load_failure(self._model, exc) from exc
            raise self._unavailable(exc) from exc

    def _reach_hub(self) -> None:
        import huggingface_hub

        source = listed_models(self._class())[self._name.lower()]["sources"]["hf"]
        if source is None:
            return
        try:
            huggingface_hub.model_info(source, timeout=10)
        except Exception as exc:
            raise self._unavailable(exc) from exc

    def _unavailable(self, cause: Exception) -> QQLError:
        from fastembed.common.utils import define_cache_dir

        folder = define_cache_dir(self._cache_dir)
        return QQLModelError.make(
            "model-unavailable",
            f"the files of model `{self._model}` are not in {folder} and cannot be downloaded: "
            f"{_one_line(cause)}",
            hint="a cache directory filled on another machine serves offline use: FASTEMBED_CACHE_PATH names "
            f"it; `{FASTEMBED}/path/to/folder` loads a model's folder, `{self._instead}` needs no files",
        )


def kept_models() -> tuple[str, list[str]]:
    """Where fastembed keeps its files, and the models there: ``owner/name``. Raises as `import_fastembed`."""
    folder = cache_folder(None)
    names = (one.name.removeprefix("models--") for one in folder.glob("models--*"))
    return str(folder), sorted(name.replace("--", "/", 1) for name in names)


def cache_folder(cache_dir: str | None) -> Path:
    """Where fastembed keeps its files: what was said, or its own choice. Raises as `import_fastembed`."""
    import_fastembed("", "local/hash-N and qdrant/bm25 work")
    from fastembed.common.utils import define_cache_dir

    return Path(define_cache_dir(cache_dir))


def import_fastembed(which: str, others: str) -> None:
    """Import the package and switch off its log messages.

    ``which`` stands behind the package's name in a message, ``others`` in its hint: ``X works`` or ``X and Y
    work``, of models that do without the package. Raises `QQLModelError`: ``model-package-missing``,
    ``model-failed`` (it is there and broken).
    """
    try:
        import fastembed  # noqa: F401
        from loguru import logger
    except ImportError as exc:
        missing = exc.name in ("fastembed", "loguru")
        raise QQLModelError.make(
            "model-package-missing" if missing else "model-failed",
            f"the package `fastembed`{which} "
            f"{'is not installed' if missing else f'cannot be imported: {exc}'}",
            hint=f"pip install fastembed; {others} without it",
        ) from exc
    logger.disable("fastembed")


def bare_name(model: str) -> str:
    """The name without ``fastembed:`` before it."""
    return model[len(FASTEMBED) :] if model.lower().startswith(FASTEMBED) else model


def model_folder(model: str) -> Path | None:
    """The folder that ``fastembed:DIR`` names, or None for ``fastembed:NAME`` and without the prefix."""
    name = bare_name(model)
    if name == model:
        return None
    with contextlib.suppress(RuntimeError):  # `~nobody`
        name = str(Path(name).expanduser())
    path = Path(name)
    looks_like_a_path = name.startswith(("/", "./", "../", "~")) or path.is_absolute()
    return path.absolute() if looks_like_a_path or path.is_dir() else None


def listed_models(cls: FastembedClass[object]) -> dict[str, JsonObject]:
    """fastembed's entries for the models of one of its classes, by their names in lower case."""
    return {entry["model"].lower(): entry for entry in cls.list_supported_models()}


def register_folder(
    model: str,
    folder: Path,
    cls: FastembedClass[object],
    describe: Callable[[ModelOutput], Mapping[str, object]],
) -> JsonObject:
    """Make a folder known to a class of fastembed, once; its entry there.

    ``describe`` gives what ``add_custom_model`` wants to know besides name and file. Raises `QQLModelError`
    (``unknown-model``, ``model-failed``) where the folder holds no model, and what ``describe`` raises.
    """
    file = _model_file(model, folder)
    name = f"{FASTEMBED}{folder}"
    if name.lower() not in listed_models(cls):
        described = describe(_model_output(model, folder / file))
        from fastembed.common.model_description import ModelSource

        cls.add_custom_model(name, sources=ModelSource(url="file:"), model_file=file, **described)
    entry = listed_models(cls)[name.lower()]
    if entry["model"] != name:
        message = f"`{model}` differs from `{entry['model']}` by case only: fastembed keeps one of them"
        fail("model-failed", message, error=QQLModelError)
    return entry


def _model_file(model: str, folder: Path) -> str:
    """Which of `MODEL_FILES` the folder has. Raises `QQLModelError` (``unknown-model``) where it has none."""
    file = next((file for file in MODEL_FILES if (folder / file).is_file()), None)
    if file is None:
        fail(
            "unknown-model",
            f"the folder {folder} of model `{model}` "
            f"{'holds no ONNX model' if folder.is_dir() else 'does not exist'}",
            hint=f"it requires one of {', '.join(MODEL_FILES)}",
            error=QQLModelError,
        )
    return file


class ModelOutput(NamedTuple):
    """The output of an ONNX file that is used.

    ``pooled``: it has one row for each text, and not one for each token. ``columns`` is the row's length,
    None where the file leaves it open.
    """

    name: str
    pooled: bool
    columns: int | None


def _model_output(model: str, file: Path) -> ModelOutput:
    """Raises `QQLModelError` (``model-failed``) where the file is no model."""
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as exc:
        raise _load_failure(model, exc) from exc
    outputs = session.get_outputs()
    chosen = next((output for output in outputs if output.name == "sentence_embedding"), outputs[0])
    size = chosen.shape[-1] if chosen.shape else None
    return ModelOutput(chosen.name, len(chosen.shape) == 2, size if isinstance(size, int) else None)


def _load_failure(model: str, cause: Exception) -> QQLError:
    """The error ``model-failed`` for files that cannot be loaded."""
    return QQLModelError.make("model-failed", f"model `{model}` could not be loaded: {_one_line(cause)}")


def _one_line(exc: BaseException) -> str:
    """An exception's text on one short line."""
    text = " ".join(str(exc).split()) or type(exc).__name__
    return text[:_LONGEST_LINE] + ("…" if len(text) > _LONGEST_LINE else "")


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
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


def _hub_is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").strip().upper() in {"1", "TRUE", "YES", "ON"}
