"""What a session was asked before: planned once for what is known, and filled with values since."""

from __future__ import annotations

from qql import nodes
from qql.compiler.ahead import Ahead
from qql.compiler.bind import Params
from qql.compiler.plan import Context
from qql.compiler.script import Compiled, compile_script
from qql.errors import Source
from qql.kept import Kept
from qql.rest.inference_objects import Path, Purpose, places_of
from qql.rest.request import Request
from qql.schema import Schema
from qql.session.knowledge import Knowledge, Known
from qql.syntax.parser import LONGEST_KEPT, Parsed

__all__ = ["PlannedTexts"]

_MOST = 256
Texts = tuple[tuple[Path, Purpose], ...]


class _Planned:
    """A text planned ahead, and what that hangs on: what the session had set, and the collections as seen."""

    def __init__(self, source: Source, parsed: Parsed, context: Context, knowledge: Knowledge) -> None:
        self.parsed = parsed
        self.knowledge = knowledge
        self.seen: dict[str, Known | None] = {}
        self.stale = False
        self.set = _set(context)
        self.context = context.copy()
        self.context.schema = self.schema
        self.ahead = Ahead(source, (parsed,), self.context)
        self.texts: dict[int, Texts] = {}  # by the `id` of a plan, all of which are kept

    def schema(self, collection: str) -> Schema | None:
        """What is known of a collection; from now on the plan hangs on it."""
        known = self.knowledge.of(collection)
        if self.seen.setdefault(collection, known) is not known:  # it has changed in the middle of this
            self.stale = True
        return None if known is None else known.schema

    def holds(self, context: Context) -> bool:
        """Whether all is as it was when the text was planned."""
        if self.stale or self.set != _set(context):
            return False
        # A list, as another thread may be planning.
        return all(self.knowledge.of(name) is known for name, known in list(self.seen.items()))

    def compiled(self, source: Source, params: Params) -> Compiled | None:
        """The statement with these values; None where they have to go the long way."""
        made = self.ahead.filled(params)
        if made is None or self.stale:
            return None
        plan, requests = made
        texts = self.texts.get(id(plan))
        if texts is None:
            texts = self.texts[id(plan)] = _texts_in(requests)

        def complete() -> Compiled:
            return compile_script(source, params, self.context, parsed=(self.parsed,))[0]

        return plan.statements[0].filled(source, tuple(requests), params, complete, texts)


def _texts_in(requests: list[Request]) -> Texts:
    """Where what a model makes vectors of stands in the one request of a plan: for all values at the same
    places, as a text stays a text, and no value is an object with texts in it.
    """
    return tuple((place.path, place.purpose) for request in requests for place in places_of(request))


def _set(context: Context) -> tuple[object, ...]:
    """What a session has set. Its stages and models are never changed in place, so that to be the same is
    to be equal.
    """
    return context.collection, id(context.stages), id(context.models), context.reranker, context.default_model


class PlannedTexts:
    """What asks for points, by its text. Several threads may ask at once."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._kept: Kept[tuple[str, str], _Planned] = Kept(_MOST)

    def compiled(self, source: Source, params: Params, context: Context) -> tuple[Compiled | None, Params]:
        """The statement of a text that was kept, with these values; None where it has to be compiled.

        Beside it are the values to compile it with, which can be read as often as one likes.
        """
        planned = self._kept.get((source.text, source.name))
        if planned is not None and not planned.holds(context):
            planned = None
        found = None if planned is None else planned.compiled(source, params)
        if found is None and params is not None:
            from qql.compiler.given import settled

            given, params = params, settled(params)
            if planned is not None and params is not given:  # what was an array is a list, which may fit
                found = planned.compiled(source, params)
        return found, params

    def keep(self, compiled: list[Compiled], context: Context) -> None:
        """Keeps what was compiled, where it is one statement whose answer is all that it is about."""
        if len(compiled) != 1:
            return
        one = compiled[0]
        if one.origin is None or len(one.source.text) > LONGEST_KEPT or not _only_asks(one.written):
            return
        place = one.source.text, one.source.name
        known = self._kept.get(place)
        if known is None or not known.holds(context):  # else it is these values that do not fit
            self._kept.put(place, _Planned(one.source, one.origin.parsed, context, self._knowledge))


def _only_asks(statement: nodes.Statement) -> bool:
    """Whether a statement shows the answer to its request, and a session does nothing else for it."""
    match statement:
        case nodes.Query():
            return not (statement.rerank or statement.provenance or statement.group)
        case nodes.Scroll():
            return statement.order_by is None
    return isinstance(statement, (nodes.Count, nodes.Facet))
