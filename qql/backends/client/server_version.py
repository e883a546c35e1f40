"""The version of the server at the other end: read once, late, and held against what is to be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qql.backends.features.constructs import KINDS
from qql.backends.features.gaps import Gap, heeds_not, told, unknown_gaps
from qql.backends.features.versions import (
    BM25_SINCE,
    OLDEST_VERSION,
    Transport,
    Version,
    is_write,
    lacks_of,
    parse_version,
    reads_what_is_known,
    shown_version,
    since_of,
    younger,
)
from qql.errors import QQLConnectionError, QQLError, QQLUnsupportedError
from qql.rest.request import Request
from qql.rest.types import Json

__all__ = ["ServerVersion", "refuse"]

_PASSING = frozenset({"server-error", "rate-limited", "timed-out"})
"""Codes of what might be over when the version is asked for the next time."""


class ServerVersion:
    """What a server is known to be, for one connection.

    ``ask`` asks the server for its version, and raises a `QQLError` where it does not tell. ``assumed`` goes
    before what it would say; nothing is asked then. ``address`` is what messages call it.
    """

    def __init__(
        self, ask: Callable[[], Json], transport: Transport, address: str, assumed: Version | None
    ) -> None:
        self._ask = ask
        self._transport: Transport = transport
        self._address = address
        self._assumed = assumed
        self._read: Version | None = None
        self._mute = False

    @property
    def shown(self) -> str | None:
        """The version as text, asked for once; None where the server does not tell it, or does not answer."""
        try:
            version = self.known()
        except QQLError:
            return None
        return None if version is None else shown_version(version)

    def known(self, *, anew: bool = False) -> Version | None:
        """The version, asked for once, or anew; None where the server does not tell it.

        Raises `QQLConnectionError` where the server does not answer at all.
        """
        if self._assumed is not None:
            return self._assumed
        if anew or (self._read is None and not self._mute):
            self._read = self._version()
        return self._read

    def _version(self) -> Version | None:
        self._mute = False
        try:
            said = self._ask()
        except QQLConnectionError as exc:
            if exc.code == "connection-failed":
                raise  # nobody is there; an answer that is none of Qdrant's is another matter
            said = None
        except QQLError as exc:
            if exc.code in _PASSING:
                return None
            said = None
        version = parse_version(said) if isinstance(said, str) else None
        self._mute = version is None
        return version

    def gaps(self, request: Request) -> list[Gap]:
        """What the server lacks of a request, or does not tell that it has; nothing is asked for a request
        without a younger construct.

        A write that changes too much where a construct is not heeded has the version read again: nodes of a
        cluster are upgraded one by one. Raises as `known` does.
        """
        version = self._assumed or self._read
        if version is not None and reads_what_is_known(request, version, self._transport):
            return []
        found = younger(request)
        if all(since_of(one, self._transport) is None for one, _ in found):
            return told(lacks_of(found, OLDEST_VERSION, self._transport), OLDEST_VERSION)
        guarded = is_write(request) and any(KINDS[one.kind].guards for one, _ in found)
        version = self.known(anew=guarded and (self._read is None or heeds_not(found, self._transport)))
        if version is None:
            return unknown_gaps(request, found, self._transport, self._address)
        return told(lacks_of(found, version, self._transport), version)

    def check(self, request: Request, note: Callable[[str], None]) -> None:
        """Notes what is only to be said. Raises `QQLUnsupportedError` for what is refused."""
        gaps = [gap for gap in self.gaps(request) if since_of(gap.construct, self._transport) is not None]
        if gaps:
            refuse(gaps)
            for gap in gaps:
                note(f"{gap.diagnostic.message}; {gap.diagnostic.hint}")

    def embeds_bm25(self) -> bool:
        """Whether the server makes vectors of ``qdrant/bm25`` itself; True where it is not known."""
        try:
            version = self.known()
        except QQLError:
            return True
        return version is None or version >= BM25_SINCE


def refuse(gaps: Iterable[Gap]) -> None:
    """Raises `QQLUnsupportedError` where there are errors among these."""
    errors = [gap.diagnostic for gap in gaps if gap.diagnostic.severity == "error"]
    if errors:
        raise QQLUnsupportedError(*errors)
