"""Models behind an OpenAI-compatible ``/embeddings`` endpoint: OpenAI, vLLM, Ollama, TEI, LM Studio, …

httpx and not ``urllib``: it keeps the connection open between requests (a COPY makes thousands), brings
its own root certificates, and is there already, as qdrant-client stands on it.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from qql.embedders.base import Kind, Purpose
from qql.embedders.models import OPENAI, is_url, known_size
from qql.embedders.options import Table, positive, read_options, text
from qql.embedders.vectors import checked
from qql.errors import QQLError, QQLModelError

__all__ = ["BATCH", "DEFAULT_URL", "OPTIONS", "TRIES", "HttpEmbedder"]

DEFAULT_URL = "https://api.openai.com/v1"
BATCH = 128
"""Inputs of one request, at most."""
TRIES = 6
"""Requests made for one batch before giving up, the first one included."""
_FIRST_WAIT = 0.5  # seconds; doubled by each further try
_LONGEST_WAIT = 20.0  # seconds, for a wait that is ours to choose
_LONGEST_ASKED = 120.0  # seconds, for a wait that the server asks for
_TIMEOUTS = {"connect": 10.0, "read": 120.0, "write": 60.0, "pool": 60.0}
_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_EXCERPT = 500  # characters of a server's answer that a message shows

OPTIONS: Table = {
    "dimensions": ("a positive integer", positive),
    "query_prefix": ("a string", text),
    "document_prefix": ("a string", text),
}
"""``dimensions`` is sent on; the prefixes are put before each text (E5, Nomic and others are trained so)."""

_HINTS = {
    401: "the key is taken from the configuration, QQL_EMBEDDINGS_API_KEY or OPENAI_API_KEY",
    403: "the key is taken from the configuration, QQL_EMBEDDINGS_API_KEY or OPENAI_API_KEY",
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
    or still 429 or 5xx after `TRIES`), ``model-refused`` (any other 4xx), ``model-answer`` (not JSON, wrong
    count, not numbers, changing dimensions). No message holds the key.
    """

    kind: Kind = "dense"

    def __init__(
        self,
        model: str,
        options: Mapping[str, Any] | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        batch: int = BATCH,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.model = model
        self._options = read_options(model, options, OPTIONS)
        base = url or os.environ.get("QQL_EMBEDDINGS_URL") or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
        own, self._name = _split_model(model)
        address = _address(own or base)
        self._endpoint = urlunsplit(address._replace(path=address.path.rstrip("/") + "/embeddings"))
        self._shown = urlunsplit(address._replace(netloc=_host(address), query=""))
        trusted = not own or _origin(address) == _origin(_address(base))
        self._key = _usable_key(api_key) if trusted else None
        self._batch = batch
        self._sleep = sleep
        self._client: Any = None
        self._answered = False
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
        for start in range(0, len(inputs), self._batch):
            vectors += self._one_batch(inputs[start : start + self._batch])
        return vectors

    def close(self) -> None:
        """Close the connection; a later `embed` opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # -- one request

    def _one_batch(self, inputs: list[str]) -> list[list[float]]:
        body = {"model": self._name, "input": inputs, "encoding_format": "float"}
        if "dimensions" in self._options:
            body["dimensions"] = self._options["dimensions"]
        vectors = checked(
            self._read(self._post(body), len(inputs)),
            count=len(inputs),
            model=self.model,
            kind="dense",
            size=self._size,
        )
        self._size = len(vectors[0])
        return vectors

    def _post(self, body: dict[str, Any]) -> Any:
        """The server's 2xx answer, after as many tries as it takes."""
        import httpx

        waits = _waits()
        while True:
            response, cause = None, None
            try:
                response = self._opened().post(self._endpoint, json=body)
            except httpx.TransportError as exc:
                cause = exc
                failure = self._unavailable(f"{type(exc).__name__}: {exc}")
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, ImportError) as exc:
                raise self._unavailable(str(exc)) from exc
            if response is not None:
                if response.is_success:
                    self._answered = True
                    return response
                failure = self._refusal(response)
            wait = next(waits, None)
            asked = _retry_after(response)
            if wait is None or not self._worth_a_try(response, cause) or (asked or 0) > _LONGEST_ASKED:
                raise failure from cause
            self._sleep(wait if asked is None else asked)

    def _worth_a_try(self, response: Any, cause: Exception | None) -> bool:
        if response is not None:
            return _retried(response)
        import httpx

        # A server that was never there is most likely not started; one that was might be restarting.
        return self._answered or not isinstance(cause, httpx.ConnectError | httpx.UnsupportedProtocol)

    def _opened(self) -> Any:
        if self._client is None:
            import httpx

            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            # Redirects are not followed: they would take the key and the texts to another host.
            client = httpx.Client(headers=headers, timeout=httpx.Timeout(**_TIMEOUTS), follow_redirects=False)
            weakref.finalize(self, client.close)
            self._client = client
        return self._client

    def _read(self, response: Any, count: int) -> list[Any]:
        """The vectors of an answer in the order of the inputs, which ``index`` gives."""
        try:
            rows = response.json()["data"]
            by_index = {row.get("index", place): row["embedding"] for place, row in enumerate(rows)}
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
            raise QQLModelError.make(
                "model-answer",
                f"{self._shown} did not answer with embeddings of model `{self._name}`: "
                f"{self._clean(response.text)}",
                hint="the address requires an OpenAI-compatible server, as in http://localhost:11434/v1",
            ) from exc
        if len(rows) != count or by_index.keys() != set(range(count)):
            raise QQLModelError.make(
                "model-answer", f"{self._shown} gave {len(rows)} embeddings for {count} texts"
            )
        return [by_index[i] for i in range(count)]

    # -- errors

    def _refusal(self, response: Any) -> QQLError:
        status = response.status_code
        said = self._clean(_server_text(response))
        if _retried(response):
            asked = _retry_after(response)
            later = f" (the server asks to wait {asked:.0f} s)" if asked else ""
            return self._unavailable(f"HTTP {status}: {said}{later}")
        to = response.headers["location"] if response.has_redirect_location else ""
        where = f" (a redirect to {self._clean(to)})" if to else ""
        return QQLModelError.make(
            "model-refused",
            f"{self._shown} refused model `{self._name}`: HTTP {status}{where}: {said}",
            hint=_HINTS.get(status),
        )

    def _unavailable(self, what: str) -> QQLError:
        return QQLModelError.make(
            "model-unavailable",
            f"model `{self._name}` at {self._shown} did not answer: {self._clean(what)}",
            hint="the address is taken from the configuration, QQL_EMBEDDINGS_URL or OPENAI_BASE_URL",
        )

    def _clean(self, said: str) -> str:
        """Text of a server or library, on one line, short, and without the key."""
        if self._key:
            said = said.replace(self._key, "***")
        said = " ".join("".join(c if c.isprintable() else " " for c in said[: 4 * _EXCERPT]).split())
        return said[:_EXCERPT] + ("…" if len(said) > _EXCERPT else "")


def _split_model(model: str) -> tuple[str | None, str]:
    """The address that the model's name holds, if any, and the name to send."""
    own, name = model.split("#", 1) if is_url(model) and "#" in model else (None, model)
    if own is None:
        name = "" if is_url(model) else model[len(OPENAI) :]
    if not name:
        raise QQLModelError.make(
            "unknown-model",
            f"`{_without_secrets(model)}` names no model",
            hint="`openai/NAME` or `http://host/v1#NAME`",
        )
    return own, name


def _without_secrets(model: str) -> str:
    try:
        parts = urlsplit(model)
        return urlunsplit(parts._replace(netloc=_host(parts), query="")) if is_url(model) else model
    except ValueError:
        return "http:…"


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        legal = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        legal = False
    if not legal:
        raise QQLModelError.make(
            "unknown-model",
            "the address of the embeddings server requires the form http(s)://host/v1",
            hint="it is taken from the configuration, QQL_EMBEDDINGS_URL or OPENAI_BASE_URL, "
            "or from the model's own name",
        )
    return parts


def _usable_key(given: str | None) -> str | None:
    key = given or os.environ.get("QQL_EMBEDDINGS_API_KEY") or os.environ.get("OPENAI_API_KEY") or ""
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise QQLModelError.make(
            "model-key", "the key of the embeddings server requires printable ASCII characters"
        )
    return key or None


def _host(parts: SplitResult) -> str:
    """Host and port without a user's name and password."""
    return parts.netloc.rpartition("@")[2]


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def _waits() -> Iterator[float]:
    """Seconds to wait before the second try, the third, …"""
    for i in range(TRIES - 1):
        yield min(_FIRST_WAIT * 2**i, _LONGEST_WAIT)


def _retried(response: Any) -> bool:
    """Whether trying again may help; an account without credit answers 429 too."""
    return response.status_code in _RETRIED and "insufficient_quota" not in response.text


def _retry_after(response: Any) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (a number, or a date), or None."""
    value = response.headers.get("retry-after") if response is not None else None
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return None if isnan(seconds) else max(seconds, 0.0)


def _server_text(response: Any) -> str:
    """What the server says is wrong: ``error.message`` of OpenAI's form, or the whole answer."""
    try:
        answer = response.json()
        error = answer.get("error", answer)
        said = error.get("message", error) if isinstance(error, dict) else error
        return str(said)
    except (ValueError, AttributeError, RecursionError):
        return str(response.text)
