"""What faults while typing go by: what completion has read in the background."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from qql.cli.prompt.completion.completer import QQLCompleter
    from qql.cli.prompt.completion.schema import KnownSchema
    from qql.schema import Schema

__all__ = ["ReadSoFar"]


class ReadSoFar:
    """A `qql.cli.prompt.problems.Known`: what the completer's reader knows; what it does not, it is to read.

    A reader that is not made yet knows nothing, and is not made for this.
    """

    def __init__(self, completer: QQLCompleter) -> None:
        self._completer = completer

    def _known(self) -> KnownSchema | None:
        return self._completer.reader.known() if self._completer.is_made else None

    def collections(self) -> Sequence[str] | None:
        """The names of all collections and aliases; None where none was read."""
        known = self._known()
        return None if known is None else [*known.collections, *known.aliases] or None

    def schema(self, collection: str) -> Schema | None:
        """The vectors of a collection, and its indexes; None where they are not known."""
        known = self._known()
        if known is None:
            return None
        found = known.described.get(collection)
        if found is None:
            self._completer.reader.want(collection)
            return None
        return found.schema

    def fields(self, collection: str) -> Sequence[str] | None:
        """The payload fields that were seen; None where no points were looked at."""
        known = self._known()
        found = None if known is None else known.of(collection)
        return None if found is None or found.fields is None else list(found.paths.names)
