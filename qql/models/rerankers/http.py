"""Rerankers behind a ``/rerank`` endpoint: Cohere, Jina, Voyage, Text Embeddings Inference, vLLM, Infinity, …

* cohere: ``{model, query, documents, top_n}`` → ``{results: [{index, relevance_score}]}``
* jina: ``{model, query, documents, top_n, return_documents: false}`` → the same
* voyage: ``{model, query, documents, top_k}`` → ``{data: [{index, relevance_score}]}``
* tei: ``{query, texts, truncate: true}`` → ``[{index, score}]``

An answer of any of these forms is read whatever the shape of the request, as servers mix them (SGLang takes
Jina's request and gives a bare list). Every text's score is asked for: TOP is for the caller to apply.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlunsplit

from qql.errors import QQLError, QQLModelError, fail
from qql.models.http_service import Service, batches, configured, parse_address, same_origin, usable_key
from qql.models.rerankers.base import check_scores
from qql.models.rerankers.names import remote, unknown_reranker
from qql.records import NamedTuple
from qql.rest.types import Json, JsonObject

if TYPE_CHECKING:
    import httpx

__all__ = ["CHARACTERS", "SERVERS", "HttpReranker", "Server"]

CHARACTERS = 300_000
"""Characters of one request at most, the query counted with each text, as servers count it. Voyage allows
100,000 to 600,000 tokens of about 4 characters, by model; Text Embeddings Inference 2 MB. A text that is
longer makes a request of its own."""
READ_TIMEOUT = 120.0
"""Seconds without a sign of the answer before it is given up."""
_TIMEOUTS = {"connect": 10.0, "write": 30.0, "pool": 30.0}
_LONGEST_RETRY_AFTER = 60.0  # seconds
_LONGEST_LIST = 100  # characters of the places of scores that a message shows


RequestBody = Callable[[str, str, list[str]], JsonObject]
"""What a server is sent for a model's name, a query and texts."""


class Server(NamedTuple):
    """What a shape stands for.

    The provider's address, the variables that hold its key, the most texts of one request, and its body.
    """

    url: str | None
    keys: tuple[str, ...]
    documents: int
    body: RequestBody


def _documents_body(limit: str, **more: object) -> RequestBody:
    def body(model: str, query: str, texts: list[str]) -> JsonObject:
        return {"model": model, "query": query, "documents": texts, limit: len(texts), **more}

    return body


def _tei_body(model: str, query: str, texts: list[str]) -> JsonObject:
    # The others cut a text that is too long for the model; this one would refuse the request.
    return {"query": query, "texts": texts, "truncate": True}


SERVERS: dict[str, Server] = {
    "cohere": Server(
        "https://api.cohere.com/v2", ("COHERE_API_KEY", "CO_API_KEY"), 1000, _documents_body(limit="top_n")
    ),
    # Fewer, as many servers that speak so run a model on a machine without a graphics card.
    "jina": Server(
        "https://api.jina.ai/v1",
        ("JINA_API_KEY",),
        256,
        _documents_body(limit="top_n", return_documents=False),
    ),
    "voyage": Server(
        "https://api.voyageai.com/v1", ("VOYAGE_API_KEY",), 1000, _documents_body(limit="top_k")
    ),
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
        found = remote(model)
        if found is None:
            raise unknown_reranker(model)
        self._server = SERVERS[found.shape]
        self._name = found.name or ("tei" if found.shape == "tei" and found.url else "")
        if not self._name:
            fail(
                "unknown-model",
                f"`{found.shape}/` names no model",
                hint=f"`{found.shape}/NAME`, `…/v1#NAME`",
                error=QQLModelError,
            )
        base = configured(url, _URLS) or self._server.url
        address = _rerank_address(found.url or base)._replace(fragment="")
        path = address.path.rstrip("/")
        self._endpoint = urlunsplit(
            address._replace(path=path if path.endswith("/rerank") else f"{path}/rerank")
        )
        at_provider = _is_at(address, self._server.url)
        trusted = not found.url or _is_at(address, base)
        provider_keys = self._server.keys if at_provider else ()
        self._key = _find_key(api_key if trusted else None, (_KEY,) if trusted else (), provider_keys)
        key_hint = _key_hint(trusted, at_provider, provider_keys)
        self._service = Service(
            f"reranker `{self._name}`",
            address,
            key=self._key,
            timeouts={**_TIMEOUTS, "read": read_timeout},
            longest_retry_after=_LONGEST_RETRY_AFTER,
            hints={401: key_hint, 403: key_hint, **_HINTS},
            address_hint=_ADDRESS_HINT,
            permanent=_permanent_error,
            sleep=sleep,
        )
        self.note: str | None = self._service.note
        self._documents = documents or self._server.documents
        self._characters = characters

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score for each text, by as many requests as it takes."""
        sent = [text for text in texts if text.strip()]
        scores: list[float] = []
        for batch in batches(sent, self._documents, characters=self._characters, overhead=len(query)):
            scores += self._score_batch(query, batch)
        lowest, rest = min([0.0, *scores]), iter(scores)
        return [next(rest) if text.strip() else lowest for text in texts]

    def close(self) -> None:
        """Close the connection; a later `score` opens another."""
        self._service.close()

    # -- one request

    def _score_batch(self, query: str, texts: list[str]) -> list[float]:
        response = self._service.post(self._endpoint, self._server.body(self._name, query, texts))
        return check_scores(self._scores_of(response, len(texts)), count=len(texts), model=self._name)

    def _scores_of(self, response: httpx.Response, count: int) -> list[Json]:
        """The scores of an answer in the order of the texts, which ``index`` gives."""
        rows, scores = self._service.read(
            response,
            _scores_by_index,
            content="scores",
            hint="`cohere/`, `jina/`, `voyage/` or `tei/` before the name says what the server speaks",
        )
        whole = all(type(index) is int for index in scores)
        if not whole or rows != count or scores.keys() != set(range(count)):
            raise self._service.bad_answer(
                f"did not give one score for each text: {rows} for {count}, "
                f"of the texts {self._service.clean(', '.join(map(str, scores)), _LONGEST_LIST)}"
            )
        return [scores[i] for i in range(count)]


def _scores_by_index(answer: Json) -> tuple[int, dict[Json, Json]]:
    """How many rows an answer has, and their scores by the places of the texts."""
    rows = answer if isinstance(answer, list) else answer.get("results", answer.get("data"))
    return len(rows), {
        row["index"]: row["relevance_score"] if "relevance_score" in row else row["score"] for row in rows
    }


def _permanent_error(service: Service, exc: Exception) -> QQLError | None:
    import httpx

    if isinstance(exc, httpx.TimeoutException):
        # What was too slow is too slow again, and somebody waits for the result of a query.
        return service.unavailable(f"nothing came in time ({type(exc).__name__})")
    if isinstance(exc, UnicodeEncodeError):
        return QQLModelError.make("model-failed", f"{service.label} cannot read a text with a lone surrogate")
    return None


def _find_key(given: str | None, variables: Iterable[str], provider_keys: Iterable[str]) -> str | None:
    """The key that is given or in one of the variables, else the provider's."""
    keys = (configured(given, variables), *(configured(None, [name]) for name in provider_keys))
    return usable_key(next((key for key in keys if key and key.strip()), ""), "reranking")


def _key_hint(trusted: bool, at_provider: bool, provider_keys: Iterable[str]) -> str:
    if not trusted and not at_provider:
        return f"no key was sent, as the configured address ({_URLS[0]}) is not of this host"
    return f"the key is taken from the configuration or {' or '.join([_KEY, *provider_keys])}"


def _is_at(address: SplitResult, url: str | None) -> bool:
    return url is not None and same_origin(address, _rerank_address(url))


def _rerank_address(url: str | None) -> SplitResult:
    if url is None:
        fail(
            "unknown-model",
            "a model of `tei/` requires the address of its server",
            hint=_ADDRESS_HINT,
            error=QQLModelError,
        )
    return parse_address(url, "reranking", _ADDRESS_HINT)
