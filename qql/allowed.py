"""What the caller allows text to reach beside the database: folders, hosts and models."""

from __future__ import annotations

import os
from collections.abc import Iterable

from qql.errors import QQLConnectionError, did_you_mean, fail
from qql.records import NamedTuple

__all__ = ["Allowed", "expanded", "holds_host", "host_entry", "host_of", "parse_allowed"]

_KINDS = ("folder", "host", "model")


def expanded(path: str) -> str:
    """A path with the home directory for ``~``. Raises `RuntimeError` where there is no such user."""
    if not path.startswith("~"):
        return path
    from pathlib import Path

    return str(Path(path).expanduser())


class Allowed(NamedTuple):
    """What is allowed: the real paths of folders, hosts (``name`` or ``name:port``), patterns of models."""

    folders: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def parse_allowed(given: Iterable[str]) -> Allowed:
    """``folder:DIR``, ``host:NAME[:PORT]`` and ``model:NAME`` (``*`` stands for anything) as what they allow.

    Raises `QQLConnectionError` ``invalid-allow``.
    """
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for one in given:
        kind, colon, value = str(one).partition(":")
        if kind not in found or not colon or not value:
            near = None if kind in found else did_you_mean(kind, _KINDS)
            hint = near or "as in folder:/data, host:models.example, model:openai/*"
            message = f"folder:DIR, host:NAME or model:NAME can be allowed, not {one!r:.80}"
            fail("invalid-allow", message, hint=hint, error=QQLConnectionError)
        if kind == "host" and ("/" in value or "@" in value):
            message = f"a host is a name, with a port or without, not {value!r:.80}"
            fail("invalid-allow", message, hint="as in host:models.example", error=QQLConnectionError)
        found[kind].append(os.path.realpath(expanded(value)) if kind == "folder" else value)
    hosts = tuple(map(str.lower, found["host"]))
    return Allowed(tuple(found["folder"]), hosts, tuple(found["model"]))


def host_of(address: str) -> tuple[str, int | None]:
    """The host of an address and its port; "" for what is no address."""
    from urllib.parse import urlsplit

    try:
        found = urlsplit(address)
        port = found.port or {"http": 80, "https": 443}.get(found.scheme)
        return (found.hostname or "").lower(), port
    except ValueError:
        return "", None


def holds_host(allowed: Allowed, address: str) -> bool:
    """Whether the host of an address is allowed, at this port or at any."""
    host, port = host_of(address)
    return bool(host) and (host in allowed.hosts or f"{host}:{port}" in allowed.hosts)


def host_entry(url: str) -> str:
    """The entry of ``allow=`` for the host of an address that the caller has given, with its port."""
    host, port = host_of(url)
    return f"{host}:{port}" if port else host
