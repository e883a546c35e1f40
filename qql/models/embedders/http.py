"""Models behind an OpenAI-compatible ``/embeddings`` endpoint: OpenAI, vLLM, Ollama, TEI, LM Studio, …"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit, urlunsplit

from qql.compiler.model_names import OPENAI, is_url, known_size
from qql.errors import QQLModelError, fail, many
from qql.models.embedders.base import Kind, Purpose, check_vectors
from qql.models.embedders.options import Table, positive, read_options, text
from qql.models.http_service import (
    Service,
    batches,
    configured,
    parse_address,
    same_origin,
    usable_key,
    without_secrets,
)
from qql.rest.types import Body, Json, JsonObject

if TYPE_CHECKING:
    import httpx

__all__ = ["BATCH", "DEFAULT_URL", "OPTIONS", "HttpEmbedder"]

DEFAULT_URL = "https://api.openai.com/v1"
BATCH = 128
"""Inputs of one request, at most."""
_LONGEST_RETRY_AFTER = 120.0  # seconds
_TIMEOUTS = {"connect": 10.0, "read": 120.0, "write": 60.0, "pool": 60.0}

OPTIONS: Table = {
    "dimensions": ("a positive integer", positive),
    "query_prefix": ("a string", text),
    "document_prefix": ("a string", text),
}
"""``dimensions`` is sent on; the prefixes are put before each text (E5, Nomic and others are trained so)."""

_URLS = ("QQL_EMBEDDINGS_URL", "OPENAI_BASE_URL")
_KEYS = ("QQL_EMBEDDINGS_API_KEY", "OPENAI_API_KEY")
_SOURCE = f"is taken from the configuration, {' or '.join(_URLS)}"
_ADDRESS_HINT = f"the address {_SOURCE}"
_KEY_HINT = f"the key is taken from the configuration, {' or '.join(_KEYS)}"
_HINTS = {
    401: _KEY_HINT,
    403: _KEY_HINT,
    404: "the address requires its version (`…/v1`); the server might not have the model",
}


class HttpEmbedder:
    """``openai/NAME`` at the configured address, or ``http(s)://host/v1#NAME`` at its own. Dense.

    The address of ``openai/NAME``: ``url``, else ``QQL_EMBEDDINGS_URL``, ``OPENAI_BASE_URL``, `DEFAULT_URL`.
    The key: ``api_key``, else ``QQL_EMBEDDINGS_API_KEY``, ``OPENAI_API_KEY``. A model that names its own
    address is sent the key only if scheme, host and port are those of the configured address: the name
    may come from a collection that somebody else made.

    An empty text is sent as one space, since servers refuse empty input. Raises `QQLModelError`:
    ``unknown-model`` (no name, a malformed address), ``model-option``, ``model-unavailable`` (no connection,
    or still 429 or 5xx after several tries), ``model-refused`` (any other 4xx), ``model-answer`` (not JSON,
    wrong count, not numbers, changing dimensions). No message holds the key.
    """

    kind: Kind = "dense"

    def __init__(
        self,
        model: str,
        options: Body | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        batch: int = BATCH,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.model = model
        self._options = read_options(model, options, OPTIONS)
        base = configured(url, _URLS) or DEFAULT_URL
        own, self._name = _split_model(model)
        address = _embeddings_address(own or base)
        self._endpoint = urlunsplit(address._replace(path=address.path.rstrip("/") + "/embeddings"))
        trusted = not own or same_origin(address, _embeddings_address(base))
        self._service = Service(
            f"model `{self._name}`",
            address,
            key=usable_key(configured(api_key, _KEYS) or "", "embeddings") if trusted else None,
            timeouts=_TIMEOUTS,
            longest_retry_after=_LONGEST_RETRY_AFTER,
            hints=_HINTS,
            address_hint=_ADDRESS_HINT,
            sleep=sleep,
        )
        self.note: str | None = self._service.note
        self._batch = batch
        dimensions = self._options.get("dimensions")
        self._size: int | None = dimensions or known_size(model)

    @property
    def size(self) -> int | None:
        """The dimensions asked for, or known by the name, or seen in the first answer."""
        return self._size

    def embed(self, texts: Sequence[str], purpose: Purpose) -> list[list[float]]:
        """One vector for each text, by as many requests of at most ``batch`` inputs as it takes."""
        prefix = self._options.get(f"{purpose}_prefix", "")
        inputs = [(prefix + item) or " " for item in texts]
        vectors: list[list[float]] = []
        for batch in batches(inputs, self._batch):
            vectors += self._embed_batch(batch)
        return vectors

    def close(self) -> None:
        """Close the connection; a later `embed` opens another."""
        self._service.close()

    # -- one request

    def _embed_batch(self, inputs: list[str]) -> list[list[float]]:
        body: JsonObject = {"model": self._name, "input": inputs, "encoding_format": "float"}
        if "dimensions" in self._options:
            body["dimensions"] = self._options["dimensions"]
        answer = self._vectors_of(self._service.post(self._endpoint, body), len(inputs))
        vectors = check_vectors(answer, count=len(inputs), model=self.model, kind="dense", size=self._size)
        self._size = len(vectors[0])
        return vectors

    def _vectors_of(self, response: httpx.Response, count: int) -> list[Json]:
        """The vectors of an answer in the order of the inputs, which ``index`` gives."""
        rows, by_index = self._service.read(
            response,
            _vectors_by_index,
            content="embeddings",
            hint="the address requires an OpenAI-compatible server, as in http://localhost:11434/v1",
        )
        if rows != count or by_index.keys() != set(range(count)):
            raise self._service.bad_answer(f"gave {many(rows, 'embedding')} for {many(count, 'text')}")
        return [by_index[i] for i in range(count)]


def _vectors_by_index(answer: Json) -> tuple[int, dict[Json, Json]]:
    """How many rows an answer has, and their vectors by the places of the inputs."""
    rows = answer["data"]
    return len(rows), {row.get("index", place): row["embedding"] for place, row in enumerate(rows)}


def _split_model(model: str) -> tuple[str | None, str]:
    """The address that the model's name holds, if any, and the name to send."""
    own, name = model.split("#", 1) if is_url(model) and "#" in model else (None, model)
    if own is None:
        name = "" if is_url(model) else model[len(OPENAI) :]
    if not name:
        fail(
            "unknown-model",
            f"`{_without_password(model)}` names no model",
            hint="`openai/NAME` or `http://host/v1#NAME`",
            error=QQLModelError,
        )
    return own, name


def _without_password(model: str) -> str:
    try:
        return without_secrets(urlsplit(model)) if is_url(model) else model
    except ValueError:
        return "http:…"


def _embeddings_address(url: str) -> SplitResult:
    return parse_address(url, "embeddings", f"it {_SOURCE}, or from the model's own name")
