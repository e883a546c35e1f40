"""What faults while typing go by: what completion has read in the background."""

from __future__ import annotations

from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.prompt.completion.reader import BackgroundReader
    from qql.schema import Schema

__all__ = ["ReadSoFar"]


class ReadSoFar:
    """A `qql.cli.prompt.problems.Known`: what the reader knows; what it does not, it is asked to read."""

    def __init__(self, reader: BackgroundReader) -> None:
        self._reader = reader

    @property
    def state(self) -> object:
        """Another object whenever more is known."""
        return self._reader.state

    def collections(self) -> Sequence[str] | None:
        """The names of all collections and aliases; None where none was read."""
        known = self._reader.known()
        return [*known.collections, *known.aliases] or None

    def schema(self, collection: str) -> Schema | None:
        """The vectors of a collection, and its indexes; None where they are not known."""
        known = self._reader.known().described.get(collection)
        if known is None:
            self._reader.want(collection)
            return None
        return known.schema

    def fields(self, collection: str) -> Sequence[str] | None:
        """The payload fields that were seen; None where no points were looked at."""
        known = self._reader.known().of(collection)
        return None if known.fields is None else list(known.paths.names)
