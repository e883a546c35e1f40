"""The collections as a script's own CREATE and DROP leave them, before any of it is carried out."""

from __future__ import annotations

from qql import nodes
from qql.compiler.plan import Context
from qql.errors import Diagnostic, QQLPlanError, Span, did_you_mean
from qql.late import cast
from qql.records import replace
from qql.rest.request import Request
from qql.schema import METADATA_KEY, Schema
from qql.versioned import versioned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ANY_COLLECTION", "Overlay", "create", "named_at"]

ANY_COLLECTION = (nodes.RestoreSnapshot, nodes.DropSnapshot, nodes.ShowSnapshots, nodes.ExistsCollection)
"""Statements about the snapshots of a collection that may be gone, or about whether it is there."""


class Overlay:
    """The schemas as the script's own CREATE and DROP leave them, before any of it is carried out."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.checked = context.collections is not None
        self.changed: dict[str, Schema | None] = {}
        self.unsure: set[str] = set()
        self.listed: set[str] | None = None

    def get(self, collection: str) -> Schema | None:
        if collection in self.unsure:
            return None
        if collection not in self.changed:
            found = self.context.schema(collection)
            return found.with_models(self.context.models) if found else None
        return self.changed[collection]

    def change(self, collection: str, schema: Schema | None) -> None:
        self.unsure.discard(collection)
        self.changed[collection] = schema.with_models(self.context.models) if schema else None

    def alias(self, alias: str, collection: str) -> None:
        """From now on the alias stands for what the collection is now."""
        self.change(alias, self.get(collection))
        if collection in self.unsure:
            self.unsure.add(alias)

    def existing(self) -> set[str]:
        """The collections that there are at this point of the script."""
        if self.listed is None:
            assert self.context.collections is not None
            self.listed = set(self.context.collections())
        gone = {name for name, schema in self.changed.items() if schema is None}
        return (self.listed - gone) | (self.changed.keys() - gone)

    def lists(self, collection: str) -> bool:
        """Whether it is one of `existing`; there may be very many."""
        if collection in self.changed:
            return self.changed[collection] is not None
        return collection in (self.existing() if self.listed is None else self.listed)

    def require(self, statement: nodes.Statement, collection: str, context: Context) -> None:
        """Raises `QQLPlanError` for a collection that has to be there and is not, or the other way round."""
        if not self.checked or collection in self.unsure or isinstance(statement, ANY_COLLECTION):
            return
        # What can be described is there. A list of all is asked for only where something seems wrong,
        # and for DROP, which has to work on a collection that cannot be read.
        drops = isinstance(statement, nodes.DropCollection)
        there = self.lists(collection) if drops else self.get(collection) is not None
        if isinstance(statement, nodes.CreateCollection):
            if there and not statement.if_not_exists:
                hint = f"CREATE COLLECTION IF NOT EXISTS, or DROP COLLECTION {collection}; before it"
                message = f"there is a collection `{collection}` already"
                raise QQLPlanError(Diagnostic("collection-exists", message, statement.name.span, hint))
            return
        if there or (isinstance(statement, nodes.DropCollection) and statement.if_exists):
            return
        close, absence = did_you_mean(collection, self.existing()), self.context.absence()
        hint = close or "SHOW COLLECTIONS lists what there is"
        if isinstance(statement, (nodes.Upsert, nodes.Copy)) or (absence and not close):
            before = close or (f"{absence};" if absence else "")
            hint = f"{before} CREATE COLLECTION {collection} (…) makes it".lstrip()
        if drops:
            hint = close or absence or hint
        message, span = f"there is no collection `{collection}`", named_at(statement)
        if isinstance(statement, nodes.Use):  # it may be made later
            context.warn("unknown-collection", message, span, hint)
            return
        raise QQLPlanError(Diagnostic("unknown-collection", message, span, hint))


def named_at(statement: Any) -> Span:
    """Where a statement names its collection."""
    if isinstance(statement, nodes.Batch):
        return named_at(statement.statements[0])
    for one in ("source", "collection", "name"):
        name = getattr(statement, one, None)
        if isinstance(name, nodes.Name):
            return name.span
    return cast(Span, statement.span)


def create(statement: nodes.Statement, requests: list[Request], overlay: Overlay) -> None:
    """What CREATE and DROP COLLECTION mean for the statements after them."""
    match statement:
        case nodes.CreateCollection():
            name = str(statement.name.text)
            if not (statement.if_not_exists and overlay.get(name)):
                overlay.change(name, Schema.from_info(requests[0].body or {}))
        case nodes.DropCollection():
            overlay.change(str(statement.name.text), None)
        case nodes.AddVector():
            _add_vector(str(statement.collection.text), requests[0], statement.vector, overlay)
        case nodes.DropVector():
            schema = overlay.get(str(statement.collection.text))
            if schema is not None:
                vectors = versioned(schema.vectors).without(str(statement.name.text))
                overlay.change(str(statement.collection.text), replace(schema, vectors=vectors))
        case nodes.CreateIndex() | nodes.DropIndex():
            _index(statement, overlay)
        case nodes.CreateAlias() | nodes.RenameAlias() | nodes.DropAlias():
            _alias(statement, overlay)
        case nodes.Batch():
            for one in statement.statements:
                create(one, [], overlay)  # changes of aliases, or of points
        case nodes.RestoreSnapshot():
            overlay.unsure.add(str(statement.collection.text))


def _add_vector(collection: str, request: Request, written: nodes.VectorDef, overlay: Overlay) -> None:
    schema = overlay.get(collection)
    if schema is None:
        return
    body = request.body or {}
    group = "sparse_vectors" if "sparse" in body else "vectors"
    name = str(written.name.text)
    model = str(written.model.value) if written.model else None
    made = {"metadata": {METADATA_KEY: {"models": {name: model}}}} if model else {}
    added = Schema.from_info({group: {name: next(iter(body.values()))}, **made})
    vectors = versioned(schema.vectors).changed(name, added.vectors[name])
    overlay.change(collection, replace(schema, vectors=vectors))


def _alias(statement: nodes.CreateAlias | nodes.RenameAlias | nodes.DropAlias, overlay: Overlay) -> None:
    name = str(statement.name.text)
    if isinstance(statement, nodes.CreateAlias):
        if not (statement.if_not_exists and overlay.get(name)):
            overlay.alias(name, str(statement.collection.text))
        return
    if isinstance(statement, nodes.RenameAlias):
        overlay.alias(str(statement.to.text), name)
    overlay.change(name, None)


def _index(statement: nodes.CreateIndex | nodes.DropIndex, overlay: Overlay) -> None:
    collection, field = str(statement.collection.text), str(statement.name.text)
    schema = overlay.get(collection)
    if schema is None:
        return
    indexes = versioned(schema.indexes)
    if isinstance(statement, nodes.CreateIndex):
        indexes = indexes.changed(field, str(statement.type.text).lower() if statement.type else "keyword")
    else:
        indexes = indexes.without(field)
    overlay.change(collection, replace(schema, indexes=indexes))
