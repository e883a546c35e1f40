"""What a session knows of its engine's collections, and until when it is to be believed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from weakref import WeakKeyDictionary

from qql.backends.base import Backend
from qql.errors import QQLExecutionError
from qql.records import dataclass, replace
from qql.rest.repeats import reads
from qql.rest.request import Request, collection_path
from qql.rest.types import Body
from qql.schema import Schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.advice import CollectionFacts
    from qql.compiler.script import Compiled

__all__ = ["Knowledge", "Known", "changes_definitions"]

_MAX_AGE = 30.0
"""Seconds for which a collection is taken to be as it was last seen: a server has other clients too."""


@dataclass(frozen=True, eq=False)
class Known:
    """A collection as it was last seen: the engine's answer, and what is in it.

    As long as nothing is otherwise, it is the same object: what was made of it holds.
    """

    info: Body
    schema: Schema

    @cached_property
    def facts(self) -> CollectionFacts:
        """What advice goes by beside the schema."""
        from qql.advice import facts_from_info

        return facts_from_info(self.info)


@dataclass(frozen=True, slots=True)
class _Seen:
    at: float
    known: Known
    has_keys: bool = False


@dataclass(slots=True)
class _Changes:
    """Counts the changes that sessions have made by one backend."""

    count: int = 0


_CHANGES: WeakKeyDictionary[object, _Changes] = WeakKeyDictionary()


def _changes_by(backend: object) -> _Changes:
    try:
        return _CHANGES.setdefault(backend, _Changes())
    except TypeError:  # one that cannot be the key of a dict: its sessions do not hear of one another
        return _Changes()


class Knowledge:
    """What is known of the collections of a backend, each at most half a minute old.

    ``forgotten`` is called where anything may have become otherwise, be it by another session.
    """

    def __init__(self, backend: Backend, forgotten: Callable[[], None]) -> None:
        self._backend = backend
        self._forgotten = forgotten
        self._seen: dict[str, _Seen] = {}
        self._before: dict[str, Known] = {}
        self._changes = _changes_by(backend)
        self._heard = self._changes.count

    def of(self, collection: str) -> Known | None:
        """What is known of a collection; None where it does not exist. Raises what the backend raises."""
        if self._heard != self._changes.count:
            self._hear()
        found = self._seen.get(collection)
        if found is None or time.monotonic() - found.at >= _MAX_AGE:
            return self._look(collection)
        return found.known

    def kept(self, collection: str) -> Known | None:
        """What was seen of a collection; it is not asked for."""
        found = self._seen.get(collection)
        return None if found is None else found.known

    def __bool__(self) -> bool:
        """Whether anything is known that may be out of date."""
        return bool(self._seen)

    def _look(self, collection: str) -> Known | None:
        now, changes = time.monotonic(), self._changes.count
        self.forget(collection)
        try:
            info = self._backend.call(Request("GET", collection_path(collection)))
        except QQLExecutionError as exc:
            if exc.code != "unknown-collection":
                raise
            return None
        known = self._before.pop(collection, None)
        if known is None or known.info != info:
            known = Known(info, Schema.from_info(info))
        if changes == self._changes.count:  # else another thread has changed it since it was described
            self._seen[collection] = _Seen(now, known)
        return known

    # -- shard keys

    def require_shard_keys(self, compiled: Compiled) -> None:
        """Refuses what a server would break off at for lack of shard keys; that there are some is kept."""
        if self._backend.name != "server":
            return
        name = str(compiled.collection)
        known = self.kept(name)
        if known is None or self.has_keys(name):
            return
        from qql.session.shard_keys import require_shard_keys

        if require_shard_keys(compiled, known.info, self._backend.call):
            self.keep_keys(name)

    def has_keys(self, collection: str) -> bool:
        """Whether it was seen that a collection has the shard keys that it needs."""
        found = self._seen.get(collection)
        return found is not None and found.has_keys

    def keep_keys(self, collection: str) -> None:
        """Notes that it has."""
        if found := self._seen.get(collection):
            self._seen[collection] = replace(found, has_keys=True)

    # -- what ends it

    def forget(self, collection: str) -> None:
        """Look at a collection again before anything is said of it."""
        if found := self._seen.pop(collection, None):
            self._before[collection] = found.known

    def forget_all(self) -> None:
        """Look at all collections again."""
        self._before = {name: one.known for name, one in self._seen.items()}
        self._seen = {}

    def changed(self) -> None:
        """To be called where collections, or what aliases stand for, may have become otherwise.

        Other sessions of the same backend hear of it.
        """
        self._changes.count += 1
        self._hear()

    def _hear(self) -> None:
        if self._heard != self._changes.count:
            self._heard = self._changes.count
            self.forget_all()
            self._forgotten()


def changes_definitions(request: Request) -> bool:
    """Whether a request changes what collections there are, or what they are: all but their points."""
    return not reads(request) and not request.route[1].startswith("points")
