"""Models behind servers: where they are, which key they get, when to try again, what an error says.

httpx and not ``urllib``: it keeps the connection open between requests (a COPY makes thousands), brings
its own root certificates, and is there already, as qdrant-client stands on it. It is imported by the first
request.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from qql.errors import QQLError, QQLModelError

__all__ = ["TRIES", "Service", "parse_address", "same_origin", "usable_key", "without_secrets"]

TRIES = 6
"""Requests made for one answer before giving up, the first one included."""
_FIRST_WAIT = 0.5  # seconds; doubled by each further try
_LONGEST_WAIT = 20.0  # seconds, for a wait that is ours to choose
_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_EXCERPT = 500  # characters of a server's answer that a message shows


class Service:
    """A model on a server, as far as requests, further tries and errors go.

    ``label`` is what messages call the model (``model `NAME```), ``shown`` the address as they may show it,
    ``key`` goes into the ``Authorization`` header; neither it nor any of ``secrets`` stands in a message.
    ``timeouts`` are those of ``httpx.Timeout`` in seconds, ``longest_asked`` the longest wait in seconds that
    a server may ask for. ``hints`` are by HTTP status, ``address_hint`` says where the address comes from.
    ``final`` may give the error for an exception after which another try is of no use, or None.
    """

    def __init__(
        self,
        label: str,
        shown: str,
        *,
        key: str | None,
        timeouts: Mapping[str, float],
        longest_asked: float,
        hints: Mapping[int, str],
        address_hint: str,
        secrets: tuple[str, ...] = (),
        final: Callable[[Service, Exception], QQLError | None] = lambda service, exc: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.label = label
        self.shown = shown
        self._key = key
        self._timeouts = timeouts
        self._longest_asked = longest_asked
        self._hints = hints
        self._address_hint = address_hint
        self._secrets = tuple(filter(None, (key, *secrets)))
        self._final = final
        self._sleep = sleep
        self._client: Any = None
        self._answered = False

    def post(self, endpoint: str, body: dict[str, Any]) -> Any:
        """The server's 2xx answer (an ``httpx.Response``), after as many tries as it takes.

        Raises `QQLModelError`: ``model-unavailable`` (no connection, or still 429 or 5xx after `TRIES`),
        ``model-refused`` (any other status), and what ``final`` gives.
        """
        import httpx

        waits = _waits()
        while True:
            response, cause = None, None
            try:
                response = self._opened().post(endpoint, json=body)
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, ImportError) as exc:
                if final := self._final(self, exc):
                    raise final from exc
                if not isinstance(exc, httpx.TransportError):
                    raise self.unavailable(str(exc)) from exc
                cause = exc
                failure = self.unavailable(f"{type(exc).__name__}: {exc}")
            if response is not None:
                if response.is_success:
                    self._answered = True
                    return response
                failure = self._refusal(response)
            wait = next(waits, None)
            asked = _retry_after(response)
            if wait is None or not self._worth_a_try(response, cause) or (asked or 0) > self._longest_asked:
                raise failure from cause
            self._sleep(wait if asked is None else asked)

    def close(self) -> None:
        """Close the connection; a later `post` opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def clean(self, said: str, most: int = _EXCERPT) -> str:
        """Text of a server or library, on one line, ``most`` characters of it, and without secrets."""
        for secret in self._secrets:
            said = said.replace(secret, "***")
        said = " ".join("".join(c if c.isprintable() else " " for c in said[: 4 * most]).split())
        return said[:most] + ("…" if len(said) > most else "")

    def unavailable(self, what: str) -> QQLError:
        """The error ``model-unavailable`` for what went wrong."""
        return QQLModelError.make(
            "model-unavailable",
            f"{self.label} at {self.shown} did not answer: {self.clean(what)}",
            hint=self._address_hint,
        )

    def _refusal(self, response: Any) -> QQLError:
        status = response.status_code
        said = self.clean(_server_text(response))
        if _retried(response):
            asked = _retry_after(response)
            later = f" (the server asks to wait {asked:.0f} s)" if asked else ""
            return self.unavailable(f"HTTP {status}: {said}{later}")
        to = response.headers["location"] if response.has_redirect_location else ""
        where = f" (a redirect to {self.clean(to)})" if to else ""
        return QQLModelError.make(
            "model-refused",
            f"{self.shown} refused {self.label}: HTTP {status}{where}: {said}",
            hint=self._hints.get(status),
        )

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
            timeout = httpx.Timeout(**self._timeouts)
            # Redirects are not followed: they would take the key and the texts to another host.
            client = httpx.Client(headers=headers, timeout=timeout, follow_redirects=False)
            weakref.finalize(self, client.close)
            self._client = client
        return self._client


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
        raise QQLModelError.make(
            "unknown-model",
            f"the address of the {server} server requires the form http(s)://host/v1",
            hint=hint,
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
        raise QQLModelError.make(
            "model-key", f"the key of the {server} server requires printable ASCII characters"
        )
    return key or None


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
