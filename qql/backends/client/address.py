"""Addresses and headers: what `ClientBackend.connect` is given, and what messages call the other end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import SplitResult, urlsplit

from qdrant_client.http.api_client import ApiClient, AsyncApiClient

from qql.errors import QQLConnectionError, QQLError, fail
from qql.late import late_pattern
from qql.records import dataclass
from qql.rest.addresses import public_url, read_by_others
from qql.rest.types import Body

from .messages import excerpt, is_secret_header

__all__ = [
    "PORT_HINT",
    "Endpoint",
    "address_of",
    "endpoint",
    "require_headers",
    "sent_in_clear",
]

_REST_PORT, _GRPC_PORT = 6333, 6334
_LAST_PORT = 65_535
_SCHEMES = {"http": False, "https": True, "grpc": False, "grpcs": True}  # with TLS or without
_HEADER = late_pattern(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
PORT_HINT = "`--grpc-port PORT` (in Python `grpc_port=`) or the address grpc://host:PORT names it"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is.

    ``rest`` is the address of its REST interface, ``grpc_port`` that of gRPC, where ``grpc`` is to be spoken.
    ``guessed`` says that nobody gave that port: it is the one after REST's, as in Qdrant's own configuration.
    """

    rest: str
    grpc: bool = False
    grpc_port: int = _GRPC_PORT
    guessed: bool = False


def endpoint(url: str, grpc: bool = False, grpc_port: int | None = None) -> Endpoint:
    """The ways to a server. A ``grpc_port`` means gRPC.

    Raises `QQLConnectionError` (``invalid-url``).
    """
    parts, port = _parts(url)
    if grpc_port is not None and not 0 < grpc_port <= _LAST_PORT:
        fail("invalid-url", f"no port has the number {grpc_port}", hint=PORT_HINT, error=QQLConnectionError)
    host = _bracketed_host(parts.hostname)
    scheme = "https" if _SCHEMES[parts.scheme] else "http"
    if parts.scheme.startswith("grpc"):
        if parts.path.strip("/"):
            raise _invalid_url(url, "holds a path, which gRPC cannot use")
        if grpc_port is not None and port not in (None, grpc_port):
            raise _invalid_url(url, f"names another port than {grpc_port}, which is given too", PORT_HINT)
        return Endpoint(f"{scheme}://{host}:{_REST_PORT}", True, port or grpc_port or _GRPC_PORT)
    port = port or _REST_PORT
    rest = f"{scheme}://{host}:{port}{parts.path.rstrip('/')}"
    if grpc_port is not None:
        return Endpoint(rest, True, grpc_port)
    if grpc and port == _LAST_PORT:
        raise _invalid_url(url, "has the last port, and no port for gRPC follows it", PORT_HINT)
    return Endpoint(rest, True, port + 1, guessed=True) if grpc else Endpoint(rest)


def _parts(url: str) -> tuple[SplitResult, int | None]:
    """The parts of an address, and its port; raises for what no request could be sent to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port, parts = None, None
    if parts is None:
        raise _invalid_url(url, "cannot be read")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise _invalid_url(url, "requires http://, https://, grpc:// or grpcs:// and a host")
    if parts.username is not None or parts.password is not None:
        raise _invalid_url(
            url, "holds a user name or a password", "QDRANT_API_KEY or `--api-key-file` gives the key"
        )
    if parts.query or parts.fragment:
        raise _invalid_url(url, "holds a `?` or `#` part, which would not be sent")
    return parts, port


def address_of(http: ApiClient | AsyncApiClient | None, options: Body, grpc: bool) -> str:
    """What messages call the other end of a client with these `QdrantClient.init_options`.

    ``http`` is its HTTP machinery (None in local mode); ``grpc`` says that gRPC is spoken.
    """
    if http is None:
        path = options.get("path")
        return f"local mode ({path if path is not None else ':memory:'})"
    if not grpc:
        return public_url(str(http.host).rstrip("/"))
    parts = urlsplit(http.host)
    scheme = "grpcs" if parts.scheme == "https" else "grpc"
    return f"{scheme}://{_bracketed_host(parts.hostname)}:{options.get('grpc_port', _GRPC_PORT)}"


def _bracketed_host(host: str | None) -> str | None:
    """A host as an address has it: IPv6 in brackets."""
    return f"[{host}]" if ":" in (host or "") else host


def sent_in_clear(url: str, headers: Iterable[str]) -> str | None:
    """What of the headers would be read on the way to an address: a few words, or None."""
    if not read_by_others(url):
        return None
    names = [name for name in headers if is_secret_header(name)]
    if "api-key" in names:
        return "the API key"
    return f"the header `{excerpt(names[0])}`" if names else None


def _invalid_url(
    url: str, why: str, hint: str = "e.g. http://localhost:6333 or grpc://localhost:6334"
) -> QQLError:
    return QQLConnectionError.make("invalid-url", f"the address {public_url(url)} {why}", hint=hint)


def require_headers(headers: Mapping[str, str]) -> None:
    """Raises `QQLConnectionError` (``invalid-header``) without the value.

    HTTP libraries name the value of a bad header in their error, so it must not get there.
    """
    for name, value in headers.items():
        if not _HEADER.fullmatch(value):
            what = "the API key" if name == "api-key" else f"the header `{excerpt(name)}`"
            fail(
                "invalid-header",
                f"{what} holds a character that cannot be sent, such as a line break or a space at an end",
                hint="a key that was read from a file might end with a line break",
                error=QQLConnectionError,
            )
