"""What IF [NOT] EXISTS forgives, and what an engine would take without a word though it is a mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qql import nodes
from qql.backends.base import Backend
from qql.compiler.scalars import scalar_value
from qql.errors import QQLExecutionError, did_you_mean, fail
from qql.rest.request import Request
from qql.rest.types import Json
from qql.schema import Schema
from qql.session.answers import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["check_answer", "check_preconditions", "forgiven"]


def check_preconditions(
    statement: nodes.Statement, collection: str, backend: Backend, schema: Callable[[str], Schema]
) -> None:
    """Checks what has to be there, or must not be there, before a statement is sent.

    ``schema`` gives what is known of a collection at this moment. Raises `QQLExecutionError`.
    """
    match statement:
        case nodes.CreateIndex(if_not_exists=True) | nodes.DropIndex():
            _check_index(statement, collection, schema(collection).indexes)
        case nodes.CreateAlias(replace=False) | nodes.DropAlias() | nodes.RenameAlias():
            _check_alias(statement, _aliases(backend))
        case nodes.Batch() if nodes.changes_aliases(statement):
            known = _aliases(backend)
            for one in statement.statements:
                assert isinstance(one, (nodes.CreateAlias, nodes.DropAlias, nodes.RenameAlias))
                _check_alias(one, known)
        case nodes.RestoreSnapshot():
            place = str(scalar_value(statement.snapshot))
            if backend.name == "server" and "/" in place and "://" not in place:
                hint = (
                    f"file://{place} on its own disk" if place.startswith("/") else "file:///… or http(s)://…"
                )
                _refuse("bad-location", "a server takes the name or the address of a snapshot, no path", hint)


def check_answer(statement: nodes.Statement, collection: str, answer: Json) -> None:
    """A server answers DROP COLLECTION with False where there was none. Raises `QQLExecutionError`."""
    if answer is False and isinstance(statement, nodes.DropCollection):
        _refuse("unknown-collection", f"there is no collection `{collection}`")


def forgiven(statement: nodes.Statement, collection: str, code: str) -> str | None:
    """What is said where IF [NOT] EXISTS forgives a refusal of this code; None where it does not."""
    clause, forgives, message = _FORGIVEN.get(type(statement), ("", "", ""))
    if not getattr(statement, clause, False) or code != forgives:
        return None
    return message.format(collection=collection, name=name_of(statement))


_FORGIVEN: Mapping[type[nodes.Node], tuple[str, str, str]] = {
    nodes.CreateCollection: ("if_not_exists", "collection-exists", "{collection} exists already"),
    nodes.DropCollection: ("if_exists", "unknown-collection", "{collection} does not exist"),
    nodes.CreateIndex: ("if_not_exists", "index-exists", "{name} of {collection} is indexed already"),
    nodes.DropIndex: ("if_exists", "unknown-index", "{name} of {collection} has no index"),
    nodes.CreateAlias: ("if_not_exists", "alias-exists", "the alias {name} exists already"),
    nodes.DropAlias: ("if_exists", "unknown-alias", "the alias {name} does not exist"),
    nodes.DropSnapshot: ("if_exists", "unknown-snapshot", "{collection} has no snapshot {name}"),
}
"""The clause IF [NOT] EXISTS, the code that it forgives, and what is said then."""


def _check_index(
    statement: nodes.CreateIndex | nodes.DropIndex, collection: str, indexes: Mapping[str, str]
) -> None:
    field, adds = str(statement.name.text), isinstance(statement, nodes.CreateIndex)
    if adds and field in indexes:
        _refuse("index-exists", f"`{collection}` has an index on `{field}` already")
    if not adds and field not in indexes:
        hint = did_you_mean(field, indexes) or f"SHOW INDEXES ON {collection} lists them"
        _refuse("unknown-index", f"`{collection}` has no index on `{field}`", hint)


def _aliases(backend: Backend) -> dict[str, str]:
    """What each alias stands for."""
    answer = backend.call(Request("GET", "/aliases"))
    return {str(one["alias_name"]): str(one["collection_name"]) for one in answer["aliases"]}


def _check_alias(
    statement: nodes.CreateAlias | nodes.DropAlias | nodes.RenameAlias, known: dict[str, str]
) -> None:
    """Checks one change, and makes it in ``known``, which the next change of a BATCH is held against."""
    name = str(statement.name.text)
    if not isinstance(statement, nodes.CreateAlias) and name not in known:
        hint = did_you_mean(name, known) or "SHOW ALIASES lists what there is"
        _refuse("unknown-alias", f"there is no alias `{name}`", hint)
    if isinstance(statement, nodes.DropAlias):
        del known[name]
        return
    made = str(statement.to.text) if isinstance(statement, nodes.RenameAlias) else name
    if made in known and not getattr(statement, "replace", False):
        hint = "CREATE OR REPLACE ALIAS changes what it stands for"
        message = f"there is an alias `{made}` already; it stands for `{known[made]}`"
        _refuse("alias-exists", message, hint)
    known[made] = (
        known.pop(name) if isinstance(statement, nodes.RenameAlias) else str(statement.collection.text)
    )


def _refuse(code: str, message: str, hint: str | None = None) -> NoReturn:
    fail(code, message, hint=hint, error=QQLExecutionError)
