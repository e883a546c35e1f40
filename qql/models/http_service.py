"""Models behind servers: where they are, which key they get, when to try again, what an error says.

httpx and not ``urllib``: it keeps the connection open between requests (a COPY makes thousands), brings
its own root certificates, and is there already, as qdrant-client stands on it. It is imported by the first
request.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from math import isnan
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, urlsplit, urlunsplit

from qql.errors import LibraryError, QQLError, QQLModelError, fail
from qql.missing import needed_for
from qql.rest.addresses import read_by_others
from qql.rest.types import Body, Json

if TYPE_CHECKING:
    import httpx

__all__ = [
    "TRIES",
    "Service",
    "batches",
    "configured",
    "parse_address",
    "same_origin",
    "usable_key",
    "without_secrets",
]

Found = TypeVar("Found")

TRIES = 6
"""Requests made for one answer before giving up, the first one included."""
_FIRST_WAIT = 0.5  # seconds; doubled by each further try
_LONGEST_WAIT = 20.0  # seconds, for a wait that is ours to choose
_TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_EXCERPT = 500  # characters of a server's answer that a message shows


class Service:
    """A model on a server, as far as requests, further tries and errors go.

    ``label`` is what messages call the model (``model `NAME```), ``key`` goes into the ``Authorization``
    header; neither it nor the user's name, the password and the query of ``address`` stand in a message.
    ``timeouts`` are those of ``httpx.Timeout`` in seconds, ``longest_retry_after`` the longest wait in
    seconds that a server may ask for. ``hints`` are by HTTP status, ``address_hint`` says where the address
    comes from. ``permanent`` may give the error for an exception after which another try is of no use, or
    None. ``note`` is what a session is told of it.
    """

    def __init__(
        self,
        label: str,
        address: SplitResult,
        *,
        key: str | None,
        timeouts: Mapping[str, float],
        longest_retry_after: float,
        hints: Mapping[int, str],
        address_hint: str,
        permanent: Callable[[Service, Exception], QQLError | None] = lambda service, exc: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.label = label
        self._shown_address = without_secrets(address)
        self._key = key
        self._timeouts = timeouts
        self._longest_retry_after = longest_retry_after
        self._hints = hints
        self._address_hint = address_hint
        # The user's name alone is a token.
        secrets = (key, address.password, None if address.password else address.username)
        self._secrets = [secret for secret in secrets if secret]
        self.note: str | None = None
        if self._secrets and read_by_others(urlunsplit(address)):
            self.note = f"the key of {label} travels unencrypted to {self._shown_address}: it names no TLS"
        self._permanent = permanent
        self._sleep = sleep
        self._client: httpx.Client | None = None
        self._answered = False

    def post(self, endpoint: str, body: Body) -> httpx.Response:
        """The server's 2xx answer, after as many tries as it takes.

        Raises `QQLModelError`: ``model-unavailable`` (no connection, or still 429 or 5xx after `TRIES`),
        ``model-refused`` (any other status), and what ``permanent`` gives.
        """
        with needed_for(self.label, error=QQLModelError):
            import httpx

        waits = _waits()
        while True:
            response, cause = None, None
            try:
                response = self._open_client().post(endpoint, json=body)
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, ImportError) as exc:
                cause = exc
            # Outside of `except`, or the error would hold the library's own, and so the key, as its context.
            if response is not None and response.is_success:
                self._answered = True
                return response
            failure = self._failure(response, cause)
            wait = next(waits, None)
            retry_after = _retry_after(response)
            too_long = (retry_after or 0) > self._longest_retry_after
            if wait is None or too_long or not self._may_recover(response, cause):
                raise failure from self._cause(cause)
            self._sleep(wait if retry_after is None else retry_after)

    def _failure(self, response: httpx.Response | None, cause: Exception | None) -> QQLError:
        """The error for a refusal, or for what was raised; raises where another try is of no use."""
        import httpx

        if response is not None:
            return self._refusal(response)
        assert cause is not None
        if permanent := self._permanent(self, cause):
            raise permanent from self._cause(cause)
        if not isinstance(cause, httpx.TransportError):
            raise self.unavailable(str(cause)) from self._cause(cause)
        return self.unavailable(f"{type(cause).__name__}: {cause}")

    def _cause(self, cause: Exception | None) -> LibraryError | None:
        return None if cause is None else LibraryError(self.clean(f"{type(cause).__name__}: {cause}"))

    def read(
        self, response: httpx.Response, find: Callable[[Json], Found], *, content: str, hint: str
    ) -> Found:
        """What ``find`` finds in the JSON of an answer.

        Raises `QQLModelError` (``model-answer``) where the answer is no JSON or ``find`` runs into another
        form of it; ``content`` says in the message what was to be found.
        """
        try:
            return find(response.json())
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
            cause = exc
        message = f"did not answer with {content} of {self.label}: {self.clean(response.text)}"
        raise self.bad_answer(message, hint) from self._cause(cause)

    def bad_answer(self, what: str, hint: str | None = None) -> QQLError:
        """The error ``model-answer``: the server's address, and ``what`` it did."""
        return QQLModelError.make("model-answer", f"{self._shown_address} {what}", hint=hint)

    def close(self) -> None:
        """Close the connection; a later `post` opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def clean(self, text: str, most: int = _EXCERPT) -> str:
        """Text of a server or library, on one line, ``most`` characters of it, and without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
        return text[:most] + ("…" if len(text) > most else "")

    def unavailable(self, what: str) -> QQLError:
        """The error ``model-unavailable`` for what went wrong."""
        return QQLModelError.make(
            "model-unavailable",
            f"{self.label} at {self._shown_address} did not answer: {self.clean(what)}",
            hint=self._address_hint,
        )

    def _refusal(self, response: httpx.Response) -> QQLError:
        status = response.status_code
        text = self.clean(_error_text(response))
        if _is_transient(response):
            wait = _retry_after(response)
            later = f" (the server asks to wait {wait:.0f} s)" if wait else ""
            return self.unavailable(f"HTTP {status}: {text}{later}")
        to = response.headers["location"] if response.has_redirect_location else ""
        where = f" (a redirect to {self.clean(to)})" if to else ""
        return QQLModelError.make(
            "model-refused",
            f"{self._shown_address} refused {self.label}: HTTP {status}{where}: {text}",
            hint=self._hints.get(status),
        )

    def _may_recover(self, response: httpx.Response | None, cause: Exception | None) -> bool:
        if response is not None:
            return _is_transient(response)
        import httpx

        # A server that was never there is most likely not started; one that was might be restarting.
        return self._answered or not isinstance(cause, httpx.ConnectError | httpx.UnsupportedProtocol)

    def _open_client(self) -> httpx.Client:
        if self._client is None:
            import httpx

            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            timeout = httpx.Timeout(**self._timeouts)
            # Redirects are not followed: they would take the key and the texts to another host.
            client = httpx.Client(headers=headers, timeout=timeout, follow_redirects=False)
            weakref.finalize(self, client.close)
            self._client = client
        return self._client


def configured(given: str | None, variables: Iterable[str]) -> str | None:
    """What is given, else the first of the environment's variables that is set and not empty, else None."""
    return given or next(filter(None, map(os.environ.get, variables)), None)


def batches(
    texts: Iterable[str], most: int, *, characters: int | None = None, overhead: int = 0
) -> Iterator[list[str]]:
    """The texts in order, at most ``most`` at once.

    With ``characters``, also at most so many of them at once, ``overhead`` counted with each text; a text
    that is longer is a batch of its own.
    """
    batch: list[str] = []
    size = 0
    for text in texts:
        added = overhead + len(text)
        if batch and (len(batch) == most or (characters is not None and size + added > characters)):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += added
    if batch:
        yield batch


def parse_address(url: str, server: str, hint: str) -> SplitResult:
    """The parts of a server's address; `QQLModelError` (``unknown-model``) where it is none.

    ``server`` says in the message what the server is for, ``hint`` where the address comes from.
    """
    try:
        parts = urlsplit(url)
        legal = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        legal = False
    if not legal:
        fail(
            "unknown-model",
            f"the address of the {server} server requires the form http(s)://host/v1",
            hint=hint,
            error=QQLModelError,
        )
    return parts


def without_secrets(parts: SplitResult) -> str:
    """An address as a message may show it: no user's name, no password, no query."""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def same_origin(one: SplitResult, other: SplitResult) -> bool:
    """Whether scheme, host and port of two addresses are the same."""
    return _origin(one) == _origin(other)


def usable_key(key: str, server: str) -> str | None:
    """The key without white space around it, or None where nothing is left.

    Raises `QQLModelError` (``model-key``) for characters that a header cannot carry; ``server`` is as for
    `parse_address`.
    """
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        fail(
            "model-key",
            f"the key of the {server} server requires printable ASCII characters",
            error=QQLModelError,
        )
    return key or None


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def _waits() -> Iterator[float]:
    """Seconds to wait before the second try, the third, …"""
    for i in range(TRIES - 1):
        yield min(_FIRST_WAIT * 2**i, _LONGEST_WAIT)


def _is_transient(response: httpx.Response) -> bool:
    """Whether trying again may help; an account without credit answers 429 too."""
    return response.status_code in _TRANSIENT and "insufficient_quota" not in response.text


def _retry_after(response: httpx.Response | None) -> float | None:
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


def _error_text(response: httpx.Response) -> str:
    """What the server says is wrong: ``error.message`` of OpenAI's form, or the whole answer."""
    try:
        answer = response.json()
        error = answer.get("error", answer)
        text = error.get("message", error) if isinstance(error, dict) else error
        return str(text)
    except (ValueError, AttributeError, RecursionError):
        return str(response.text)
