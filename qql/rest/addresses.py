"""Addresses: as messages may show them, and whether what goes there can be read on the way."""

from __future__ import annotations

import re

__all__ = ["public_url", "read_by_others"]

_LONGEST = 200  # characters of an address that a message shows


def public_url(url: str) -> str:
    """An address without what might be secret in it: a user part, a query, a fragment."""
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        scheme, rest = "", url
    before, at, after = rest.rpartition("@")
    if at:  # a password might hold any of / ? #
        rest = "***" if re.search("[?#]", before) else f"***@{after}"
    shown = f"{scheme}{slashes}{re.split('[?#]', rest)[0]}"
    printable = "".join(c if c.isprintable() else " " for c in shown[: _LONGEST + 1])
    return printable if len(printable) <= _LONGEST else f"{printable[:_LONGEST]}…"


def read_by_others(url: str) -> bool:
    """Whether what is sent to an address leaves this machine unencrypted."""
    from urllib.parse import urlsplit  # with `ipaddress`, which takes long

    parts = urlsplit(url)
    host = parts.hostname or ""
    here = host in ("localhost", "::1") or host.startswith("127.")
    return parts.scheme == "http" and not here
