"""What completion knows of an engine, read in the background: no key waits, and no fault of it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from threading import Condition, Thread

from qql.cli.prompt.completion.schema import KnownCollection, KnownSchema
from qql.late import Protocol
from qql.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.schema import Fields, Schema
    from qql.session.session import Session

__all__ = ["BackgroundReader", "Engine", "SessionEngine", "Values"]

Values = tuple[tuple["str | int | bool", int], ...]
"""Values of a field with how many points have each, the most frequent first."""

_MAX_AGE = 10.0
"""Seconds for which collections are taken to be as they were read: a server has other clients too."""
_MOST_VALUES = 20
_MOST_DESCRIBED = 50
"""Collections of which it is kept what is in them."""
_COUNTED = frozenset({"keyword", "integer", "bool", "uuid"})
"""Indexes whose values Qdrant counts."""


class Engine(Protocol):
    """What the reader asks for, from a thread of its own. Each may raise anything: then it is not known."""

    def collections(self) -> list[str]:
        """The names of the collections."""

    def aliases(self) -> Mapping[str, str]:
        """The collection of each alias."""

    def describe(self, name: str) -> Schema | None:
        """The vectors and indexes of a collection; None where there is none of this name."""

    def sample(self, name: str) -> Fields | None:
        """The fields of some points of a collection; None where they cannot be known."""

    def facet(self, name: str, field: str) -> Values:
        """The most frequent values of a field."""

    def target(self) -> object:
        """What is asked: another object where the prompt has gone to another engine."""

    def settings(self, known: KnownSchema) -> KnownSchema:
        """What is known with what the session has set. Nothing is asked for that."""


class SessionEngine:
    """An `Engine` over the session that a function gives: a prompt may connect to another one.

    ``params`` gives the names of the parameters that have a value.
    """

    def __init__(self, session: Callable[[], Session], params: Callable[[], Iterable[str]] = tuple) -> None:
        self._session = session
        self._params = params

    def _is_open(self) -> bool:
        # One that is opened late has nothing in it yet, and two threads must not open it.
        return getattr(self._session(), "is_open", True)

    def collections(self) -> list[str]:
        return self._session().collections() if self._is_open() else []

    def aliases(self) -> Mapping[str, str]:
        from qql.rest.request import Request

        if not self._is_open():
            return {}
        found = self._session().ask(Request("GET", "/aliases"))["aliases"]
        return {one["alias_name"]: one["collection_name"] for one in found}

    def describe(self, name: str) -> Schema | None:
        return self._session().schema(name) if self._is_open() else None

    def sample(self, name: str) -> Fields | None:
        # Not the session's own sample, which takes away the notes of the statement that runs meanwhile.
        from qql.session.known_fields import KnownFields

        session = self._session()
        known = session.schema(name) if self._is_open() else None
        return None if known is None else KnownFields(session.ask).now(name, known.points)

    def facet(self, name: str, field: str) -> Values:
        from qql.rest.request import Request, collection_path

        body = {"key": field, "limit": _MOST_VALUES}
        answer = self._session().ask(Request("POST", collection_path(name, "facet"), {}, body))
        return tuple((hit["value"], hit["count"]) for hit in answer["hits"])

    def target(self) -> object:
        return self._session()

    def settings(self, known: KnownSchema) -> KnownSchema:
        known = replace(known, params=tuple(self._params()))
        if not self._is_open():
            return known
        context = self._session().context
        stages = tuple(str(cte.name.text) for cte in context.stages.values())
        return replace(known, default=context.collection, stages=stages)


Wanted = tuple[str, str]
"""A collection and a field of it whose values are wanted; "" for none."""


class BackgroundReader:
    """Knows what was read, and reads what is asked for in a thread that ends where nothing is left to do.

    ``first`` is called in that thread before anything is read; ``now`` gives the seconds of a clock. ``told``
    is called in it when more is known.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        first: Callable[[], object] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._first: Callable[[], object] | None = first
        self._now = now
        self._known = KnownSchema()
        self._read_at: dict[Wanted, float] = {}
        self._tried: set[Wanted] = set()
        self._wanted: dict[Wanted, None] = {}
        self._target: object = None
        self._changes = Condition()
        self._busy = False
        self.told: Callable[[], object] = lambda: None

    # -- from the thread of the prompt

    def known(self) -> KnownSchema:
        """What is known now. Nothing is waited for."""
        return self._engine.settings(self._known)

    @property
    def state(self) -> object:
        """Another object whenever more is known."""
        return self._known

    def want(self, collection: str = "", field: str = "") -> bool:
        """Have the collections read, what is in one, and the values of one of its fields.

        Gives whether some of that was never read, so that it may be worth waiting for.
        """
        wanted = [("", ""), *([(collection, "")] if collection else [])]
        with self._changes:
            self._follow()
            if collection and field and self._known.of(collection).type_of(field) in _COUNTED:
                wanted.append((collection, field))
            self._wanted.update(dict.fromkeys(one for one in wanted if self._is_old(one)))
            if self._wanted and not self._busy:
                self._busy = True
                Thread(target=self._work, name="qql-completion", daemon=True).start()
            return any(one not in self._tried for one in wanted)

    def refresh(self) -> None:
        """Have read again what is wanted from now on: something may have changed.

        What is known stays until then.
        """
        with self._changes:
            self._read_at.clear()

    def _follow(self) -> None:
        target = self._engine.target()
        if target is not self._target:
            self._target, self._known = target, KnownSchema()
            self._read_at.clear()
            self._tried.clear()

    def _is_old(self, wanted: Wanted) -> bool:
        at = self._read_at.get(wanted)
        return at is None or self._now() - at >= _MAX_AGE

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is left to read, at most so long. Gives whether that is so."""
        with self._changes:
            return self._changes.wait_for(lambda: not self._busy, seconds)

    # -- from its own thread

    def _work(self) -> None:
        first, self._first = self._first, None
        if first is not None:
            first()
        while True:
            with self._changes:
                if not self._wanted:
                    self._busy = False
                    self._changes.notify_all()
                    return
                wanted = next(iter(self._wanted))
                del self._wanted[wanted]
                self._read_at[wanted] = self._now()
                target = self._target
            known = self._known
            try:
                known = self._read(known, *wanted)
            except (SystemExit, GeneratorExit):
                raise
            except BaseException:  # a panic of an engine is no Exception; a statement that meets it says so
                known = self._known
            with self._changes:
                is_more = target is self._target and known is not self._known
                if target is self._target:
                    self._known = known
                    self._tried.add(wanted)
            if is_more:
                self.told()

    def _read(self, known: KnownSchema, collection: str, field: str) -> KnownSchema:
        """What is known behind one look at the engine. Raises whatever the engine does."""
        if not collection:
            names = tuple(self._engine.collections())
            return replace(known, collections=names, aliases=self._engine.aliases())
        before = known.of(collection)
        if field:
            values = {**before.values, field: self._engine.facet(collection, field)}
            return _with(known, collection, KnownCollection(before.schema, before.fields, values))
        schema = self._engine.describe(collection)
        if schema is None:
            return replace(known, described={n: one for n, one in known.described.items() if n != collection})
        fields = self._engine.sample(collection)
        if schema is before.schema and fields is before.fields:
            return known
        return _with(known, collection, KnownCollection(schema, fields, before.values))


def _with(known: KnownSchema, collection: str, one: KnownCollection) -> KnownSchema:
    described = {name: other for name, other in known.described.items() if name != collection}
    while len(described) >= _MOST_DESCRIBED:
        del described[next(iter(described))]
    return replace(known, described={**described, collection: one})
