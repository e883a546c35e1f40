"""What a statement would destroy: whether somebody has to agree to it, and in which words they are asked."""

from __future__ import annotations

from collections.abc import Iterator

from qql import nodes
from qql.compiler.scalars import scalar_value
from qql.errors import QQLError, many
from qql.nodes.declare import REMOVES
from qql.records import dataclass
from qql.rest.request import Request, collection_path
from qql.session.answers import name_of
from qql.session.files import from_home
from qql.session.matched import counting_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.compiler.script import Compiled
    from qql.rest.types import JsonObject
    from qql.session.session import Session

__all__ = ["MOST_UNASKED", "Touched", "what_it_touches"]

MOST_UNASKED = 1000
"""Points that DELETE, CLEAR and UPDATE may touch with nobody asked."""
_ABSENT = ("unknown-collection", "no-database")


@dataclass(frozen=True, slots=True)
class Touched:
    """What a statement would destroy: the ``words`` of the statement, and what it touches.

    ``points`` is how many points that are; None where it is not known.
    """

    words: str
    what: str
    points: int | None

    def __str__(self) -> str:
        return f"{self.words} touches {self.what}"


def what_it_touches(statement: Compiled, session: Session, *, sure: bool = True) -> Touched | None:
    """What a statement would destroy; None where nobody has to agree to it.

    That is DROP and RESTORE of what is there, a DUMP or COPY that overwrites a file, and what changes more
    than `MOST_UNASKED` points. They are counted by requests that read. Without ``sure`` the names in it may
    stand for something else by then, so what changes points is taken to change many.
    """
    found = statement.statement
    match found:
        case nodes.Dump(overwrite=True):
            return _replaced("DUMP OVERWRITE", found.path, _points_of(session, str(statement.collection)))
        case nodes.CopyTo(overwrite=True):
            return _replaced("COPY OVERWRITE", found.path, None)
        case nodes.Batch():
            return _batch(found, statement, session, sure)
    info = nodes.STATEMENTS[type(found)]
    if info.effect == REMOVES:
        return _removal(found, info.words, str(statement.collection), session)
    if not info.counts_points or not statement.requests:
        return None
    points = _counted(session, counting_request(statement.requests[0])) if sure else None
    return _many_points(info.words, str(statement.collection), points)


def _many_points(words: str, collection: str, points: int | None) -> Touched | None:
    if points is not None and points <= MOST_UNASKED:
        return None
    return Touched(words, f"{_so_many(points)} of {collection}", points)


def _so_many(points: int | None) -> str:
    return "an unknown number of points" if points is None else many(points, "point")


def _counted(session: Session, request: Request) -> int | None:
    """How many points there are; none where there is no collection, and None where it cannot be told."""
    try:
        return int(session.ask(request)["count"])
    except QQLError as exc:
        return 0 if exc.code in _ABSENT else None


def _points_of(session: Session, collection: str, body: JsonObject | None = None) -> int | None:
    path = collection_path(collection, "points", "count")
    return _counted(session, Request("POST", path, {}, {"exact": True, **(body or {})}))


def _removal(found: nodes.Statement, words: str, collection: str, session: Session) -> Touched | None:
    """What DROP or RESTORE takes away. A collection that is not there has nothing to lose."""
    if isinstance(found, nodes.DropAlias):
        return Touched(words, f"the alias {name_of(found)}, and no points", 0)
    if not _is_there(session, collection):
        return None
    shard = {"shard_key": scalar_value(found.key)} if isinstance(found, nodes.DropShardKey) else None
    points = _points_of(session, collection, shard)
    told = _so_many(points)
    match found:
        case nodes.DropCollection():
            what = f"the collection {collection} with {told}"
        case nodes.DropVector():
            what = f"the vector {name_of(found)} of {told} of {collection}"
        case nodes.DropIndex():
            what = f"the index on {name_of(found)} of {collection}, which has {told}"
        case nodes.DropShardKey():
            what = f"the shard key {name_of(found)} of {collection} with {told}"
        case nodes.RestoreSnapshot():
            what = f"{told} of {collection}, which the snapshot replaces"
        case nodes.DropSnapshot():
            what, points = f"the snapshot {name_of(found)} of {collection}, and no points", 0
        case _:
            what = f"{told} of {collection}"
    return Touched(words, what, points)


def _is_there(session: Session, collection: str) -> bool:
    try:
        return bool(session.ask(Request("GET", collection_path(collection, "exists")))["exists"])
    except QQLError as exc:
        return exc.code not in _ABSENT


def _replaced(words: str, named: nodes.Scalar, points: int | None) -> Touched | None:
    """What a file is replaced by; None where there is no such file."""
    import os

    path = str(scalar_value(named))
    try:
        there = os.path.exists(from_home(path))  # noqa: PTH110 - as in `from_home`
    except (ValueError, RuntimeError):  # the statement will say what is wrong with it
        there = False
    what = "the answer replaces" if words.startswith("COPY") else f"{_so_many(points)} replace"
    return Touched(words, f"the file {path}, which {what}", points) if there else None


def _batch(found: nodes.Batch, statement: Compiled, session: Session, sure: bool) -> Touched | None:
    """What the members of a BATCH touch together."""
    drops = [one for one in found.statements if isinstance(one, nodes.DropAlias)]
    if drops:
        return Touched("BATCH", f"the aliases {', '.join(map(name_of, drops))}, and no points", 0)
    total: int | None = 0
    for request in _changes_in(statement):
        points = _counted(session, counting_request(request)) if sure else None
        total = None if total is None or points is None else total + points
    return _many_points("BATCH", str(statement.collection), total)


def _changes_in(statement: Compiled) -> Iterator[Request]:
    """The writes in a BATCH that change points which are there, as requests of their own."""
    for request in statement.requests:
        for operation in (request.body or {}).get("operations", ()):
            [(name, body)] = operation.items()
            if name != "upsert":
                yield Request("POST", request.path, {}, body)
