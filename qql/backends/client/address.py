"""Addresses and headers: what `ClientBackend.connect` is given, and what messages call the other end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from qdrant_client.http.api_client import ApiClient

from qql.errors import QQLConnectionError, QQLError, fail
from qql.rest.types import Body, JsonObject

from .messages import excerpt

__all__ = ["address_of", "endpoint", "is_loopback", "public_url", "require_headers"]

_REST_PORT, _GRPC_PORT = 6333, 6334
_SCHEMES = {"http": False, "https": True, "grpc": False, "grpcs": True}  # with TLS or without
_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def endpoint(url: str, prefer_grpc: bool) -> JsonObject:
    """Arguments of `QdrantClient` for an address.

    Raises `QQLConnectionError` (``invalid-url``).
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise _invalid_url(url, "cannot be read") from exc
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise _invalid_url(url, "requires http://, https://, grpc:// or grpcs:// and a host")
    if parts.username is not None or parts.password is not None:
        raise _invalid_url(
            url, "holds a user name or a password", "`--api-key` or QDRANT_API_KEY gives the key"
        )
    if parts.query or parts.fragment:
        raise _invalid_url(url, "holds a `?` or `#` part, which would not be sent")
    host = _bracketed_host(parts.hostname)
    scheme = "https" if _SCHEMES[parts.scheme] else "http"
    if not parts.scheme.startswith("grpc"):
        address = f"{scheme}://{host}:{port or _REST_PORT}{parts.path.rstrip('/')}"
        return {"url": address, "prefer_grpc": prefer_grpc, "grpc_port": _GRPC_PORT}
    if parts.path.strip("/"):
        raise _invalid_url(url, "holds a path, which gRPC cannot use")
    return {"url": f"{scheme}://{host}:{_REST_PORT}", "prefer_grpc": True, "grpc_port": port or _GRPC_PORT}


def address_of(http: ApiClient | None, options: Body, grpc: bool) -> str:
    """What messages call the other end of a client with these `QdrantClient.init_options`.

    ``http`` is its HTTP machinery (None in local mode); ``grpc`` says that gRPC is spoken.
    """
    if http is None:
        path = options.get("path")
        return f"local mode ({path if path is not None else ':memory:'})"
    if not grpc:
        return str(http.host).rstrip("/")
    parts = urlsplit(http.host)
    scheme = "grpcs" if parts.scheme == "https" else "grpc"
    return f"{scheme}://{_bracketed_host(parts.hostname)}:{options.get('grpc_port', _GRPC_PORT)}"


def _bracketed_host(host: str | None) -> str | None:
    """A host as an address has it: IPv6 in brackets."""
    return f"[{host}]" if ":" in (host or "") else host


def is_loopback(url: str) -> bool:
    """Whether an address is one of this machine."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def public_url(url: str) -> str:
    """An address without what might be secret in it: a user part, a query, a fragment."""
    return re.split(r"[?#]", re.sub(r"//[^/?#]*@", "//***@", excerpt(url)))[0]


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
