"""Rerankers behind a ``/rerank`` endpoint: Cohere, Jina, Voyage, Text Embeddings Inference, vLLM, Infinity, …

* cohere: ``{model, query, documents, top_n}`` → ``{results: [{index, relevance_score}]}``
* jina: ``{model, query, documents, top_n, return_documents: false}`` → the same
* voyage: ``{model, query, documents, top_k}`` → ``{data: [{index, relevance_score}]}``
* tei: ``{query, texts, truncate: true}`` → ``[{index, score}]``

An answer of any of these forms is read whatever the shape of the request, as servers mix them (SGLang takes
Jina's request and gives a bare list). Every text's score is asked for: TOP is for the caller to apply.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlunsplit

from qql.errors import QQLError, QQLModelError
from qql.models.http_service import Service, parse_address, same_origin, usable_key, without_secrets
from qql.models.rerankers.models import remote, unknown
from qql.models.rerankers.scores import checked

__all__ = ["CHARACTERS", "SERVERS", "HttpReranker", "Server"]

CHARACTERS = 300_000
"""Characters of one request at most, the query counted with each text, as servers count it. Voyage allows
100,000 to 600,000 tokens of about 4 characters, by model; Text Embeddings Inference 2 MB. A text that is
longer makes a request of its own."""
READ_TIMEOUT = 120.0
"""Seconds without a sign of the answer before it is given up."""
_TIMEOUTS = {"connect": 10.0, "write": 30.0, "pool": 30.0}
_LONGEST_ASKED = 60.0  # seconds, for a wait that the server asks for
_LISTED = 100  # characters of the places of scores that a message shows


class Server(NamedTuple):
    """What a shape stands for.

    The provider's address, the variables that hold its key, the most texts of one request, and the request's
    body for a model, a query and texts.
    """

    url: str | None
    keys: tuple[str, ...]
    documents: int
    body: Callable[[str, str, list[str]], dict[str, Any]]


def _body(limit: str, **more: Any) -> Callable[[str, str, list[str]], dict[str, Any]]:
    def body(model: str, query: str, texts: list[str]) -> dict[str, Any]:
        return {"model": model, "query": query, "documents": texts, limit: len(texts), **more}

    return body


def _tei_body(model: str, query: str, texts: list[str]) -> dict[str, Any]:
    # The others cut a text that is too long for the model; this one would refuse the request.
    return {"query": query, "texts": texts, "truncate": True}


SERVERS: dict[str, Server] = {
    "cohere": Server(
        "https://api.cohere.com/v2", ("COHERE_API_KEY", "CO_API_KEY"), 1000, _body(limit="top_n")
    ),
    # Fewer, as many servers that speak so run a model on a machine without a graphics card.
    "jina": Server(
        "https://api.jina.ai/v1", ("JINA_API_KEY",), 256, _body(limit="top_n", return_documents=False)
    ),
    "voyage": Server("https://api.voyageai.com/v1", ("VOYAGE_API_KEY",), 1000, _body(limit="top_k")),
    # 32 is its `--max-client-batch-size`, where nobody set another.
    "tei": Server(None, (), 32, _tei_body),
}

_URLS = ("QQL_RERANK_URL", "RERANK_BASE_URL")
_KEY = "QQL_RERANK_API_KEY"
_ADDRESS_HINT = (
    f"the address is taken from the configuration, {' or '.join(_URLS)}, or from the model's own name"
)
_HINTS = {
    404: "the address requires its version (`…/v1`, Cohere's `…/v2`); the server might not have the model",
    413: "the server might take fewer texts in a request (`--max-client-batch-size` of "
    "Text Embeddings Inference, 32 or more)",
}


class HttpReranker:
    """``SHAPE/NAME`` at the configured address, or ``[SHAPE+]http(s)://host/v1#NAME`` at its own.

    The address of ``SHAPE/NAME``: ``url``, else ``QQL_RERANK_URL``, ``RERANK_BASE_URL``, the provider's.
    ``/rerank`` is put behind it, unless it ends so already. The key ``api_key``, else ``QQL_RERANK_API_KEY``,
    is sent only where scheme, host and port are those of the configured address (of the provider's, where
    none is configured): the model's name may come from a script that somebody else wrote. The key of a
    provider's own variable (``COHERE_API_KEY``, ``JINA_API_KEY``, ``VOYAGE_API_KEY``) is sent to that
    provider only.

    A text that is empty, or only white space, is not sent, since servers refuse it: its score is 0, or the
    lowest of the others where that is negative. Raises `QQLModelError`: ``unknown-model`` (no name, no or a
    malformed address), ``model-key``, ``model-unavailable`` (no connection, no answer in time, or still 429
    or 5xx after several tries), ``model-refused`` (any other status), ``model-answer`` (no scores, or not one
    for each text), ``model-failed`` (a text that is not Unicode). No message holds the key.
    """

    def __init__(
        self,
        model: str,
        *,
        url: str | None = None,
        api_key: str | None = None,
        documents: int | None = None,
        characters: int = CHARACTERS,
        read_timeout: float = READ_TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.model = model
        said = remote(model)
        if said is None:
            raise unknown(model)
        self._server = SERVERS[said.shape]
        self._name = said.name or ("tei" if said.shape == "tei" and said.url else "")
        if not self._name:
            raise QQLModelError.make(
                "unknown-model", f"`{said.shape}/` names no model", hint=f"`{said.shape}/NAME`, `…/v1#NAME`"
            )
        configured = url or next(filter(None, map(os.environ.get, _URLS)), None) or self._server.url
        address = _address(said.url or configured)._replace(fragment="")
        path = address.path.rstrip("/")
        self._endpoint = urlunsplit(
            address._replace(path=path if path.endswith("/rerank") else f"{path}/rerank")
        )
        at_home = _same_origin(address, self._server.url)
        trusted = not said.url or _same_origin(address, configured)
        self._key = _find_key(api_key, self._server, trusted, at_home)
        key_hint = _key_hint(self._server, trusted, at_home)
        self._service = Service(
            f"reranker `{self._name}`",
            without_secrets(address),
            key=self._key,
            timeouts={**_TIMEOUTS, "read": read_timeout},
            longest_asked=_LONGEST_ASKED,
            hints={401: key_hint, 403: key_hint, **_HINTS},
            address_hint=_ADDRESS_HINT,
            secrets=(address.password or "",),
            final=_final,
            sleep=sleep,
        )
        self._documents = documents or self._server.documents
        self._characters = characters

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score for each text, by as many requests as it takes."""
        sent = [text for text in texts if text.strip()]
        scores: list[float] = []
        for batch in _batches(query, sent, self._documents, self._characters):
            scores += self._one_batch(query, batch)
        lowest, rest = min([0.0, *scores]), iter(scores)
        return [next(rest) if text.strip() else lowest for text in texts]

    def close(self) -> None:
        """Close the connection; a later `score` opens another."""
        self._service.close()

    # -- one request

    def _one_batch(self, query: str, texts: list[str]) -> list[float]:
        response = self._service.post(self._endpoint, self._server.body(self._name, query, texts))
        return checked(self._read(response, len(texts)), count=len(texts), model=self._name)

    def _read(self, response: Any, count: int) -> list[Any]:
        """The scores of an answer in the order of the texts, which ``index`` gives."""
        try:
            answer = response.json()
            rows = answer if isinstance(answer, list) else answer.get("results", answer.get("data"))
            scores = {
                row["index"]: row["relevance_score"] if "relevance_score" in row else row["score"]
                for row in rows
            }
            whole = all(type(index) is int for index in scores)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
            raise QQLModelError.make(
                "model-answer",
                f"{self._service.shown} did not answer with scores of {self._service.label}: "
                f"{self._service.clean(response.text)}",
                hint="`cohere/`, `jina/`, `voyage/` or `tei/` before the name says what the server speaks",
            ) from exc
        if not whole or len(rows) != count or scores.keys() != set(range(count)):
            raise QQLModelError.make(
                "model-answer",
                f"{self._service.shown} did not give one score for each text: {len(rows)} for {count}, "
                f"of the texts {self._service.clean(', '.join(map(str, scores)), _LISTED)}",
            )
        return [scores[i] for i in range(count)]


def _batches(query: str, texts: list[str], documents: int, characters: int) -> Iterator[list[str]]:
    """The texts in order, at most so many at once, and so many characters where more than one is."""
    batch: list[str] = []
    size = 0
    for text in texts:
        more = len(query) + len(text)
        if batch and (len(batch) == documents or size + more > characters):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += more
    if batch:
        yield batch


def _final(service: Service, exc: Exception) -> QQLError | None:
    import httpx

    if isinstance(exc, httpx.TimeoutException):
        # What was too slow is too slow again, and somebody waits for the result of a query.
        return service.unavailable(f"nothing came in time ({type(exc).__name__})")
    if isinstance(exc, UnicodeEncodeError):
        return QQLModelError.make("model-failed", f"{service.label} cannot read a text with a lone surrogate")
    return None


def _find_key(given: str | None, server: Server, trusted: bool, at_home: bool) -> str | None:
    own = (given or os.environ.get(_KEY) or "") if trusted else ""
    provided = [os.environ.get(name) or "" for name in server.keys if at_home]
    return usable_key(next((key for key in (own, *provided) if key.strip()), ""), "reranking")


def _key_hint(server: Server, trusted: bool, at_home: bool) -> str:
    if not trusted and not at_home:
        return f"no key was sent, as the configured address ({_URLS[0]}) is not of this host"
    names = [_KEY, *(server.keys if at_home else ())]
    return f"the key is taken from the configuration or {' or '.join(names)}"


def _same_origin(address: SplitResult, url: str | None) -> bool:
    return url is not None and same_origin(address, _address(url))


def _address(url: str | None) -> SplitResult:
    if url is None:
        raise QQLModelError.make(
            "unknown-model", "a model of `tei/` requires the address of its server", hint=_ADDRESS_HINT
        )
    return parse_address(url, "reranking", _ADDRESS_HINT)
