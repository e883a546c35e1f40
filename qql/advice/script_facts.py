"""What is known of collections at a place of a script: CREATE, ALTER, DROP and writes change it."""

from __future__ import annotations

from collections.abc import Callable

from qql import nodes
from qql.advice.collection_facts import CollectionFacts, facts_from_info, with_schema
from qql.compiler.script import Compiled
from qql.records import replace
from qql.rest.types import JsonObject
from qql.schema import Schema
from qql.versioned import versioned

__all__ = ["FactsOf", "SchemaOf", "ScriptFacts", "body_of"]

SchemaOf = Callable[[str], Schema | None]
FactsOf = Callable[[str], CollectionFacts | None]


class ScriptFacts:
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
        if name is None or nodes.subject(statement) is not statement:
            return
        schema, facts = self.known(name)
        match statement:
            case nodes.CreateCollection() if not (statement.if_not_exists and schema is not None):
                body = body_of(compiled)
                # How many points a new collection will have is not known until a statement adds some.
                made = facts_from_info({**body, "payload_schema": {}, "indexed_vectors_count": 0})
                self.now[name] = Schema.from_info(body), made
            case nodes.CreateIndex() | nodes.DropIndex():
                self.now[name] = schema, _with_index(compiled, statement, with_schema(facts, schema))
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
            case nodes.Batch() if nodes.changes_aliases(statement):
                for one in statement.statements:
                    if isinstance(one, nodes.CreateAlias):
                        self.now[str(one.name.text)] = self.known(str(one.collection.text))
            case nodes.Upsert() | nodes.Batch() | nodes.Copy() | nodes.Optimize():
                self.now[name] = _with_points(schema, with_schema(facts, schema), _points_added(compiled))
            case nodes.UpdatePayload() if facts is not None:
                self.now[name] = schema, replace(facts, fields=None)


def _with_points(
    schema: Schema | None, facts: CollectionFacts, rows: int | None
) -> tuple[Schema | None, CollectionFacts]:
    """With the points that a statement adds at most; None stands for any number of them."""
    new = facts.points is None and facts.indexed_vectors == 0
    known = rows is not None and (new or facts.points is not None)
    points = (facts.points or 0) + (rows or 0) if known else None
    # Indexes are built while the script runs, so how much is indexed is not known from here on.
    kept = replace(facts, points=points, indexed_vectors=None, fields=None)
    return schema and replace(schema, points=points), kept


def _points_added(compiled: Compiled) -> int | None:
    """How many points a statement adds at most; None for those of a file."""
    body = body_of(compiled) if compiled.requests else {}
    match compiled.statement:
        case nodes.Upsert():
            return len(body["points"])
        case nodes.Batch():
            return sum(len(one["upsert"]["points"]) for one in body.get("operations", ()) if "upsert" in one)
        case nodes.Copy():
            return None
    return 0


def body_of(compiled: Compiled) -> JsonObject:
    """The body of a statement's first request; empty where that has none."""
    return compiled.requests[0].body or {}


def _with_index(
    compiled: Compiled, statement: nodes.CreateIndex | nodes.DropIndex, facts: CollectionFacts
) -> CollectionFacts:
    if facts.indexes is None:
        return facts
    field = str(statement.name.text)
    indexes = versioned(facts.indexes)
    if isinstance(statement, nodes.CreateIndex):
        given = body_of(compiled).get("field_schema", "keyword")
        indexes = indexes.changed(field, {"type": given} if isinstance(given, str) else dict(given))
    else:
        indexes = indexes.without(field)
    return replace(facts, indexes=indexes)
