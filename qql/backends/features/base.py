"""A feature: what each engine makes of it, and the requests that show whether that is true.

The requests work on collections that ``tests/test_capabilities.py`` makes: ``docs`` with the vectors
``dense`` (4, cosine), ``rows`` (2, a multivector), ``sparse`` and ``words`` (idf), and with an index on each
field that needs one; ``users`` with ``dense``; and an empty ``spare``. ``{snapshot}`` stands for the name of
a snapshot of ``docs``.
"""

from __future__ import annotations

from qql.nodes.declare import YES, Support
from qql.records import dataclass
from qql.rest.request import Request, collection_path
from qql.rest.types import Json, JsonObject

__all__ = [
    "AS_THEY_ARE",
    "DENSE",
    "EMBEDS",
    "EXACT",
    "NOT_ITS",
    "ONE_COPY",
    "ONE_PIECE",
    "RED",
    "ROWS",
    "RUNS_ON",
    "SPARSE",
    "YES",
    "Feature",
    "declared",
    "feature",
    "request",
    "write",
]

# Reasons and notes of features of more than one kind.
EMBEDS = "no model runs in it; QQL turns texts into vectors on this side"
ONE_PIECE = "it keeps a collection in one piece on one machine"
ONE_COPY = "there is one copy of the data: what is read is consistent, what is written keeps its order"
NOT_ITS = "it has none"
RUNS_ON = "noted: a statement runs until it is done"
EXACT = "noted: every search is exact"
AS_THEY_ARE = "noted: vectors are kept as they are"

DENSE = [0.1, 0.9, 0.3, 0.2]
SPARSE: JsonObject = {"indices": [1, 4], "values": [0.5, 1.5]}
ROWS = [[0.1, 0.9], [0.4, 0.3]]
RED: JsonObject = {"key": "word", "match": {"value": "red"}}


@dataclass(frozen=True, slots=True)
class Feature:
    """One row. ``id`` begins with the kind of thing (``target.``, ``filter.``, ``alter.``, …)."""

    id: str
    title: str
    """As QQL writes it."""
    edge: str
    server: str
    """E.g. ``"1.17"``."""
    local: str
    probe: tuple[Request, ...]
    """Requests that are carried out in order; the last one is what the row is about."""
    only_rest: bool = False
    """Whether servers have it over REST alone, and not over gRPC."""


def feature(
    name: str,
    title: str,
    *probe: Request,
    since: str = "1.10",
    edge: str = YES,
    local: str = YES,
    only_rest: bool = False,
) -> Feature:
    """A row; ``since`` is the first version of a server that has it."""
    return Feature(name, title, edge, since, local, probe, only_rest)


def declared(name: str, title: str, support: Support, *probe: Request) -> Feature:
    """The row of a construct of the language, which declares what carries it out."""
    return Feature(name, title, support.edge, support.since, support.local, probe)


def request(
    method: str, route: str, body: JsonObject | None = None, *, to: str = "docs", **query: Json
) -> Request:
    """A request to a collection; ``query`` are the parameters of the URL."""
    path = collection_path(to, route) if route else collection_path(to)
    return Request(method, path, query, body)


def write(method: str, route: str, body: JsonObject, **query: Json) -> Request:
    """A request that is waited for unless it says otherwise."""
    return request(method, route, body, **({"wait": "true"} | query))
