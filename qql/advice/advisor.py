"""All rules on one statement, and on a script whose statements make what later ones use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

# The modules of the rules put them into the table when they are imported.
from qql import nodes
from qql.advice import filters, limits, scores, searches
from qql.advice.collection_facts import CollectionFacts, facts_from_info, with_schema
from qql.advice.rules import RULES, View, view_of
from qql.compiler.plan import Context, plan_query
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLPlanError
from qql.schema import Schema

__all__ = ["MODULES", "FactsOf", "SchemaOf", "advise", "advise_all", "advise_script"]

SchemaOf = Callable[[str], Schema | None]
FactsOf = Callable[[str], CollectionFacts | None]
MODULES = (limits, scores, searches, filters)
"""Where the rules are, in the order of the table."""


def advise(
    compiled: Compiled,
    context_schema: SchemaOf,
    facts: CollectionFacts | None = None,
) -> list[Diagnostic]:
    """What could be better about a statement, in the order of the text; nothing is raised or sent.

    ``context_schema`` gives what is known of a collection, None where nothing is; ``facts`` are those of the
    statement's own. A rule that needs what is not known says nothing. The severity of a diagnostic is
    ``"warning"`` where what was written cannot work as it reads, else ``"advice"``; its code is the rule's.
    What the compiler warns of (stages that are never used) is in ``compiled.warnings``, and not said again.
    """
    found: list[Diagnostic] = []
    for view in _views(compiled, context_schema, facts):
        for rule in RULES.values():
            if view.plan is None and not rule.beyond:
                continue
            for span, message, hint, related in rule.check(view):
                one = Diagnostic(rule.code, message, span, hint, related, rule.severity, compiled.source)
                if one not in found:
                    found.append(one)
    return sorted(found, key=lambda one: one.span.start if one.span else 0)


def _views(
    compiled: Compiled,
    context_schema: SchemaOf,
    facts: CollectionFacts | None,
) -> Iterator[View]:
    statement = nodes.told(compiled.statement)
    collection = compiled.collection
    if collection is None:
        return
    schema = context_schema(collection)
    if isinstance(statement, nodes.CreateCollection):  # its facts are those that it makes
        yield view_of(statement, None, collection, None, facts_from_info(_body(compiled)))
        return
    known = with_schema(facts, schema)
    if not isinstance(statement, nodes.Batch):
        yield view_of(statement, compiled.plan, collection, schema, known)
        return
    for member in statement.statements:
        if not isinstance(member, nodes.Query):
            yield view_of(member, None, collection, schema, known)
            continue
        try:
            plan = plan_query(member, Context(collection, schema=lambda _: schema))
        except QQLPlanError:  # it names stages or models of the session, which a batch does not carry along
            continue
        yield view_of(member, plan, collection, schema, known)


def advise_all(
    statements: Iterable[Compiled], schema_of: SchemaOf, facts_of: FactsOf = lambda _: None
) -> Iterator[tuple[Compiled, list[Diagnostic]]]:
    """The statements of a script with the advice on each, by what CREATE, ALTER and DROP among them change.

    Both functions give what is known of a collection before the script runs. What is advised on one query of
    two stages takes about 0.1 ms.
    """
    made = _Made(schema_of, facts_of)
    for compiled in statements:
        facts = made.facts(compiled.collection) if compiled.collection is not None else None
        yield compiled, advise(compiled, made.schema, facts)
        made.follow(compiled)


def advise_script(
    statements: Iterable[Compiled], schema_of: SchemaOf, facts_of: FactsOf = lambda _: None
) -> list[Diagnostic]:
    """The advice on all statements of a script, as `advise_all` finds it."""
    return [found for _, advice in advise_all(statements, schema_of, facts_of) for found in advice]


class _Made:
    """What is known of collections at a place of a script."""

    def __init__(
        self,
        context_schema: SchemaOf,
        context_facts: FactsOf,
    ) -> None:
        self.context_schema = context_schema
        self.context_facts = context_facts
        self.now: dict[str, tuple[Schema | None, CollectionFacts | None]] = {}

    def known(self, collection: str) -> tuple[Schema | None, CollectionFacts | None]:
        if collection not in self.now:
            self.now[collection] = self.context_schema(collection), self.context_facts(collection)
        return self.now[collection]

    def schema(self, collection: str) -> Schema | None:
        return self.known(collection)[0]

    def facts(self, collection: str) -> CollectionFacts | None:
        return self.known(collection)[1]

    def follow(self, compiled: Compiled) -> None:
        """What a statement changes for those after it."""
        statement, name = compiled.statement, compiled.collection
        if name is None or nodes.told(statement) is not statement:
            return
        schema, facts = self.known(name)
        match statement:
            case nodes.CreateCollection() if not (statement.if_not_exists and schema is not None):
                body = _body(compiled)
                # How many points a new collection will have is not known until a statement adds some.
                made = facts_from_info({**body, "payload_schema": {}, "indexed_vectors_count": 0})
                self.now[name] = Schema.from_info(body), made
            case nodes.CreateIndex() | nodes.DropIndex():
                self.now[name] = schema, _indexed(compiled, statement, with_schema(facts, schema))
            case nodes.CreateAlias():
                self.now[str(statement.name.text)] = schema, facts
            case nodes.DropCollection() | nodes.RestoreSnapshot():
                self.now[name] = None, None
            case nodes.AlterCollection() | nodes.AddVector() | nodes.DropVector():
                # The plans of later statements know the vectors; their other settings are not followed.
                changed = (
                    None if facts is None else replace(facts, quantization=None, modifiers=None, links=None)
                )
                self.now[name] = schema, changed
            case nodes.Upsert() | nodes.Batch() | nodes.Copy() | nodes.Optimize():
                self.now[name] = _written(schema, with_schema(facts, schema), _rows(compiled))


def _written(
    schema: Schema | None, facts: CollectionFacts, rows: int | None
) -> tuple[Schema | None, CollectionFacts]:
    """With the points that a statement adds at most; None stands for any number of them."""
    new = facts.points is None and facts.indexed_vectors == 0
    known = rows is not None and (new or facts.points is not None)
    points = (facts.points or 0) + (rows or 0) if known else None
    # Indexes are built while the script runs, so how much is indexed is not known from here on.
    kept = replace(facts, points=points, indexed_vectors=None)
    return schema and replace(schema, points=points), kept


def _rows(compiled: Compiled) -> int | None:
    """How many points a statement adds at most; None for those of a file."""
    body = _body(compiled) if compiled.requests else {}
    match compiled.statement:
        case nodes.Upsert():
            return len(body["points"])
        case nodes.Batch():
            return sum(len(one["upsert"]["points"]) for one in body.get("operations", ()) if "upsert" in one)
        case nodes.Copy():
            return None
    return 0


def _body(compiled: Compiled) -> dict[str, Any]:
    return compiled.requests[0].body or {}


def _indexed(
    compiled: Compiled, statement: nodes.CreateIndex | nodes.DropIndex, facts: CollectionFacts
) -> CollectionFacts:
    if facts.indexes is None:
        return facts
    field = str(statement.name.text)
    indexes = {name: index for name, index in facts.indexes.items() if name != field}
    if isinstance(statement, nodes.CreateIndex):
        given = _body(compiled).get("field_schema", "keyword")
        indexes[field] = {"type": given} if isinstance(given, str) else dict(given)
    return replace(facts, indexes=indexes)
