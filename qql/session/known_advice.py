"""The advice on the statements of a session, which is found once for a text and what is known."""

from __future__ import annotations

from collections.abc import Hashable

from qql.compiler.script import Compiled
from qql.errors import Diagnostic
from qql.kept import Kept
from qql.records import dataclass, field, replace
from qql.schema import Fields
from qql.session.knowledge import Knowledge, Known
from qql.syntax.parser import LONGEST_KEPT, Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.advice import ValueKinds

__all__ = ["KnownAdvice"]

_MOST_TEXTS = 256
_MOST_KINDS = 64
"""Kinds of values of one text that advice is kept for."""

Advice = tuple[Diagnostic, ...]


@dataclass(slots=True)
class _Text:
    """What the advice on a statement hangs on, and what was found so far, by the kinds of its values."""

    known: Known | None
    stages: object
    kinds: ValueKinds
    found: Kept[Hashable, Advice] = field(default_factory=lambda: Kept(_MOST_KINDS))
    fields: Fields | None = None
    found_by_fields: Kept[Hashable, Advice] = field(default_factory=lambda: Kept(_MOST_KINDS))
    names_fields: Kept[Hashable, bool] = field(default_factory=lambda: Kept(_MOST_KINDS))

    def kept(self, fields: Fields | None) -> Kept[Hashable, Advice]:
        """What was found with the same knowledge of the fields."""
        if fields is None:
            return self.found
        if self.fields is not fields:
            self.fields, self.found_by_fields = fields, Kept(_MOST_KINDS)
        return self.found_by_fields


class KnownAdvice:
    """Gives the advice on statements. Several threads may ask at once: what is kept is never changed."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._texts: Kept[Hashable, _Text] = Kept(_MOST_TEXTS)

    def on(self, compiled: Compiled, stages: object, fields: Fields | None = None) -> Advice:
        """The advice on a statement, where the session has defined these stages; by the fields, if these are
        given.

        Raises what an engine raises that is asked for its collection.
        """
        known = self._known(compiled)
        text = self._text(compiled, known, stages)
        key = None if text is None or compiled.origin is None else text.kinds.key(compiled.origin.params)
        if text is None or key is None:
            return self._found(compiled, known, fields)
        kept = text.kept(fields)
        found = kept.get(key)
        if found is None:
            found = self._found(compiled, known, fields)
            if not (text.kinds.is_by_kind and _tells_values(found)):
                kept.put(key, found)
        return found

    def names_fields(self, compiled: Compiled, stages: object) -> bool:
        """Whether a statement names payload fields. Raises as `on` does."""
        from qql.advice import names_fields

        text = self._text(compiled, self._known(compiled), stages)
        key = None if text is None or compiled.origin is None else text.kinds.key(compiled.origin.params)
        if text is None or key is None:
            return names_fields(compiled)
        found = text.names_fields.get(key)
        if found is None:
            found = names_fields(compiled)
            text.names_fields.put(key, found)
        return found

    def _known(self, compiled: Compiled) -> Known | None:
        collection = compiled.collection
        return None if collection is None else self._knowledge.of(collection)

    def _text(self, compiled: Compiled, known: Known | None, stages: object) -> _Text | None:
        """What is kept of the text of a statement; None where nothing is."""
        origin, source = compiled.origin, compiled.source
        if origin is None or len(source.text) > LONGEST_KEPT:
            return None
        place = source.text, source.name, compiled.span.start, compiled.collection
        text = self._texts.get(place)
        if text is None or text.known is not known or text.stages is not stages:
            text = self._begun(place, origin.parsed, known, stages)
        return text

    def _begun(self, place: Hashable, parsed: Parsed, known: Known | None, stages: object) -> _Text:
        from qql.advice import ValueKinds

        text = _Text(known, stages, ValueKinds(parsed.statement, parsed.params))
        self._texts.put(place, text)
        return text

    def _found(self, compiled: Compiled, known: Known | None, fields: Fields | None) -> Advice:
        from qql.advice import advised

        schema, facts = (None, None) if known is None else (known.schema, known.facts)
        if facts is not None and fields is not None:
            facts = replace(facts, fields=fields)
        (found,) = advised([compiled], lambda _: schema, lambda _: facts)
        return found.advice


def _tells_values(advice: Advice) -> bool:
    from qql.advice import RULES

    return any(RULES[one.code].tells_values for one in advice)
