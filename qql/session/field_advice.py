"""Words about the fields that a statement names, where it finds nothing or the engine refuses it."""

from __future__ import annotations

from collections.abc import Callable

from qql import nodes
from qql.backends.base import Backend
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLError, many
from qql.records import replace
from qql.rest.point_order import ORDER_OF_IDS
from qql.result import Result, is_empty
from qql.schema import Fields
from qql.session.known_fields import KnownFields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.advice import CollectionFacts

__all__ = ["FieldAdvice"]

_MAY_BE_NAMES = ("index-required", "formula-failed")
"""Refusals that a field brings about which does not exist."""


class FieldAdvice:
    """Advice on fields, for one session.

    ``advice_by`` gives the advice on a statement by the fields, ``names_fields`` says whether it names any,
    and ``facts`` is what else the session knows of a collection. ``given`` has the code and the message of
    each advice that was given before: it is added to.
    """

    def __init__(
        self,
        backend: Backend,
        advice_by: Callable[[Compiled, Fields], tuple[Diagnostic, ...]],
        names_fields: Callable[[Compiled], bool],
        facts: Callable[[str], CollectionFacts | None],
        given: set[tuple[str, str]],
    ) -> None:
        self.known: KnownFields = KnownFields(backend.call)
        self._take_notes = backend.take_notes
        self._advice_by, self._names_fields = advice_by, names_fields
        self._facts, self._given = facts, given

    def full_facts(self, collection: str) -> CollectionFacts | None:
        """The facts with the fields of the collection, for which some of its points are fetched."""
        facts = self._facts(collection)
        if facts is None:
            return None
        found = replace(facts, fields=self.known.now(collection, facts.points))
        self._take_notes()  # nobody asked for that request
        return found

    def added(
        self,
        fresh: tuple[Diagnostic, ...],
        advice: tuple[Diagnostic, ...],
        compiled: Compiled,
        result: Result,
    ) -> tuple[Diagnostic, ...]:
        """The new ones of the advice on a statement, and behind them what is said of its fields where it has
        found nothing.

        An index on a field that no point has is not advised then.
        """
        if _is_usual(compiled.written, result):
            return fresh
        absent = _payload_absent(compiled, result)
        if not absent and not _found_nothing(compiled, result):
            return fresh
        said = self._said_behind(compiled, advice, absent)
        unknown = {one.span.start for one in said if one.code == "unknown-field" and one.span}
        kept = tuple(one for one in fresh if one.span is None or one.span.start not in unknown)
        return kept + said

    def _said_behind(
        self, compiled: Compiled, advice: tuple[Diagnostic, ...], absent: Diagnostic | None
    ) -> tuple[Diagnostic, ...]:
        """What may be wrong with the fields that a statement names which has found nothing.

        Points are fetched only where there is something to say that was not said before: a loop of COUNT and
        UPSERT must not look at the collection each time.
        """
        if not self._names_fields(compiled):
            return ()
        collection = str(compiled.collection)
        kept = self.known.kept(collection)
        said = self._said_by(compiled, advice, kept)
        if kept is None or (said and not self.known.is_fresh(collection)):
            try:
                facts = self.full_facts(collection)
            except QQLError:
                return ()
            said = self._said_by(compiled, advice, facts.fields if facts is not None else None)
        self._given |= {(one.code, one.message) for one in said}
        return said or ((absent,) if absent else ())

    def hinted(self, error: QQLError, compiled: Compiled, advice: tuple[Diagnostic, ...]) -> QQLError:
        """A refusal; where it is about a field that no point has, with the hint that says so."""
        if error.code not in _MAY_BE_NAMES:
            return error
        try:
            facts = self.full_facts(str(compiled.collection))
            said = self._said_by(compiled, advice, facts.fields if facts is not None else None)
        except QQLError:
            return error
        unknown = next((one for one in said if one.code == "unknown-field"), None)
        if unknown is None:
            return error
        first, *others = error.diagnostics
        if first.hint == ORDER_OF_IDS:
            return error  # ids are no field, and that says more
        hint = f"{unknown.message}: {unknown.hint}"
        return type(error)(replace(first, hint=hint), *others)

    def _said_by(
        self, compiled: Compiled, advice: tuple[Diagnostic, ...], fields: Fields | None
    ) -> tuple[Diagnostic, ...]:
        """What there is to say by what is known of the fields, beside the advice, and was not said before."""
        from qql.advice import FIELD_RULES

        if fields is None:
            return ()
        said = {(one.code, one.span) for one in advice}
        return tuple(
            one
            for one in self._advice_by(compiled, fields)
            if one.code in FIELD_RULES
            and (one.code, one.span) not in said
            and (one.code, one.message) not in self._given
        )


_ASK = frozenset((nodes.Query, nodes.Scroll, nodes.Facet))


def _is_usual(written: nodes.Statement, result: Result) -> bool:
    """Whether something was found, and nothing was said of its payload: seen at once, as most answers are."""
    return type(written) in _ASK and getattr(written, "payload", None) is None and not is_empty(result)


def _found_nothing(compiled: Compiled, result: Result) -> bool:
    """Whether no point was found where one was looked for: no hit, a count of 0, no value, no match.

    A page behind the last one is no answer without hits. Nor is one of which nothing was asked for.
    """
    match compiled.written:
        case nodes.Query() if not is_empty(result):
            return False
        case nodes.Query(group=None):
            return not (compiled.requests[0].body or {}).get("offset")
        case nodes.Query():
            offset = compiled.plan.offset if compiled.plan is not None else None
            return not offset
        case nodes.Scroll(after=None) | nodes.Facet() | nodes.Fallback():
            return is_empty(result)
        case nodes.Count():
            return all(row.get("count") == 0 for row in result.rows)
        case nodes.Batch(statements=(nodes.Query(), *_)):
            return any(not one.get("points") for one in result.data or ())
    return result.matched == 0


def _payload_absent(compiled: Compiled, result: Result) -> Diagnostic | None:
    """A warning where WITH PAYLOAD names fields, and no hit has any of them."""
    written = compiled.written
    if not isinstance(written, (nodes.Query, nodes.Scroll)) or written.payload is None:
        return None
    if not result.hits or any(hit.payload for hit in result.hits):
        return None
    asked: nodes.Selection | None = written.payload
    if any(isinstance(one, nodes.Param) for one in nodes.walk(written.payload)):
        statement = compiled.statement
        assert isinstance(statement, (nodes.Query, nodes.Scroll))
        asked = statement.payload
    if asked is None or asked.mode != "include" or not asked.names:
        return None
    names = ", ".join(f"`{name.text}`" for name in asked.names)
    which = (
        f"none of the {many(len(result.hits), 'hit')} has" if len(result.hits) > 1 else "the only hit has not"
    )
    one = "the field" if len(asked.names) == 1 else "any of the fields"
    hint = "WITH PAYLOAD true shows what there is"
    found = Diagnostic(
        "payload-field-absent", f"{which} {one} {names}", asked.names[0].span, hint, (), "warning"
    )
    return found.at(compiled.source, compiled.span)
