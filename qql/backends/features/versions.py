"""What of a request is younger than a server, and what that server makes of it.

    lacking(request, parse_version("1.18.3"), "grpc")  →  (Lack(SLICE, since 1.19, effect "drops", path …),)

`CONSTRUCTS` has everything that came after `OLDEST`, as Qdrant writes it in a request: a key in an object of
a certain name, with a value where it hangs on that, or a route. It is made of the declarations of the
language, so ``since`` is written there and nowhere else; what is no declaration takes it from its row in the
table of features. `uses` finds the constructs of a request, `lacking` those that a version lacks.

What an older server does with a construct, its ``effect``, hangs on the kind of its place and on the way it
is sent (`KINDS`):

* ``refuses``: an error, and nothing is done;
* ``ignores``: the key at the end of ``path`` is passed over, success is reported, as if it were not there;
* ``drops``: the whole condition that ends with ``path`` is left out of its list, so a filter of that
  condition alone holds for every point;
* ``differs``: it is carried out, with another meaning: ids of RECOMMEND that do not exist are left out (since
  1.19 they are an error).

A server of a version behaves as ``lacking`` says: with any ``refuses`` among its answers it refuses the
request; else it carries out the request without what is at each ``path``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal

from qql.late import late_pattern
from qql.records import NamedTuple
from qql.rest.limits import BM25
from qql.rest.request import Request
from qql.rest.types import Json, JsonObject

from .constructs import CONSTRUCTS, KINDS, OLDEST, ROUTES, Construct, Effect
from .request_objects import USER_DATA, Path, objects_of

__all__ = [
    "BM25_SINCE",
    "OLDEST",
    "OLDEST_VERSION",
    "Lack",
    "Transport",
    "Use",
    "Version",
    "effect_of",
    "is_write",
    "lacking",
    "lacks_of",
    "parse_version",
    "reads_what_is_known",
    "shown_version",
    "since_of",
    "uses",
    "younger",
]

Version = tuple[int, int, int]
"""``(1, 18, 3)``."""
Transport = Literal["rest", "grpc"]
_VERSION = late_pattern(r"\s*v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:[-+].*)?\s*", re.S)


def parse_version(text: str) -> Version | None:
    """``"1.18.3"``, ``"v1.19.0-dev"`` and ``"1.18"`` (its first release) as numbers; None for all else."""
    found = _VERSION.fullmatch(text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))


def shown_version(version: Version) -> str:
    """``1.18.3``."""
    return ".".join(map(str, version))


def _numbers(since: str) -> Version:
    version = parse_version(since)
    assert version is not None, since
    return version


OLDEST_VERSION = _numbers(OLDEST)
BM25_SINCE = _numbers(next(one.since for one in CONSTRUCTS if one.value == BM25))
"""Since when servers make the vectors of ``qdrant/bm25`` themselves."""


class Use(NamedTuple):
    """A construct in a request, and the path to its key: in the body, or in the query string
    (`Construct.in_url`); empty for a route.
    """

    construct: Construct
    path: Path


class Lack(NamedTuple):
    """What a server lacks: since when others have it (None: none has, this way), what it makes of it."""

    construct: Construct
    path: Path
    since: str | None
    effect: Effect


def lacking(request: Request, version: Version, transport: Transport) -> tuple[Lack, ...]:
    """What a server of this version does not have, in the order of the request."""
    return lacks_of(uses(request), version, transport)


def lacks_of(found: Iterable[Use], version: Version, transport: Transport) -> tuple[Lack, ...]:
    """Those of some uses that a server of this version does not have."""
    lacks = []
    for construct, path in found:
        since = since_of(construct, transport)
        if since is None or _numbers(since) > version:
            lacks.append(Lack(construct, path, since, effect_of(construct, transport)))
    return tuple(lacks)


def since_of(construct: Construct, transport: Transport) -> str | None:
    """Since when servers have it, sent this way; None where it cannot be sent so."""
    return construct.since if transport == "rest" else construct.since_grpc


def effect_of(construct: Construct, transport: Transport) -> Effect:
    """What servers that do not know a construct do with it."""
    kind = KINDS[construct.kind]
    return kind.rest if transport == "rest" else kind.grpc


_OF_POINTS = ("points", "index", "vectors")
"""Routes of writes whose query strings have what is younger; definitions always had a ``timeout``."""


def younger(request: Request) -> tuple[Use, ...]:
    """As `uses`, at next to no cost for a request about points that has none.

    Only a text that a server has to embed in one of the points of an upsert is not seen.
    """
    return () if _has_none(request, _MARKS) else uses(request)


def reads_what_is_known(request: Request, version: Version, transport: Transport) -> bool:
    """Whether a request only reads, and a server of this version is certain to have all of it."""
    return _has_none(request, _marks_beyond(version, transport)) and not is_write(request)


def _has_none(request: Request, marks: _Marks) -> bool:
    about_points = "".join(request.path.split("/", 3)[3:]).startswith(("points", "facet"))
    return about_points and "timeout" not in request.query and not _may_have(request.body, marks)


def uses(request: Request) -> tuple[Use, ...]:
    """The constructs of a request that came after `OLDEST`, in its order."""
    route = request.route
    found = [Use(one, ()) for one in ROUTES.get(route, ())]
    found += [
        Use(one, (one.key,))
        for one in _IN_QUERY_STRING
        if one.key in request.query and is_write(request) and route[1].startswith(_OF_POINTS)
    ]
    if request.body is not None:
        for parent, part, path in objects_of(request.body, settles=not route[1].startswith("points")):
            for key in part:
                found += [Use(one, (*path, key)) for one in _BY_KEY.get(key, ()) if _is_at(one, parent, part)]
    return tuple(found)


def _is_at(construct: Construct, parent: str, part: JsonObject) -> bool:
    """Whether an object, which stands at the key ``parent``, has the construct."""
    if construct.parents and parent not in construct.parents:
        return False
    if construct.unless in part or (construct.beside and construct.beside.isdisjoint(part)):
        return False
    value = part[construct.key]
    if construct.of_points:
        return isinstance(value, dict) and any(map(_names_points, value.values()))
    return construct.value is None or (isinstance(value, str) and value.lower() == construct.value)


def _names_points(examples: Json) -> bool:
    """Whether a list of examples has ids of points among them, and not vectors and texts alone."""
    return isinstance(examples, list) and any(isinstance(one, int | str) for one in examples)


_BY_KEY: dict[str, list[Construct]] = {}
for _one in CONSTRUCTS:
    if not _one.in_url:
        _BY_KEY.setdefault(_one.key, []).append(_one)
_IN_QUERY_STRING = [one for one in CONSTRUCTS if one.in_url and one.key]


class _Marks(NamedTuple):
    """What tells of constructs in a body: keys of any object, and those of a ``match``."""

    keys: frozenset[str]
    matches: frozenset[str]


def _marks_of(constructs: Iterable[Construct]) -> _Marks:
    found = [one for one in constructs if not one.in_url]
    return _Marks(
        frozenset(one.key for one in found), frozenset(one.key for one in found if one.kind == "match")
    )


@cache
def _marks_beyond(version: Version, transport: Transport) -> _Marks:
    """The marks of what a server of a version lacks."""
    since = ((one, since_of(one, transport)) for one in CONSTRUCTS)
    return _marks_of(one for one, known in since if known is None or _numbers(known) > version)


def _may_have(body: JsonObject | None, marks: _Marks) -> bool:
    """Whether a body about points has a mark of any of these constructs; False is certain, True a suspicion.

    This is what each request pays. Points, of which there may be thousands, are not looked at: the one thing
    in them that hangs on a version is a text that the server has to embed, which is settled before.
    """
    if body is None:
        return False
    keys, matches = marks
    pending: list[Json] = [body]
    while pending:
        value = pending.pop()
        if type(value) is dict:
            if not keys.isdisjoint(value):
                return True
            for key, item in value.items():
                if key == "match":  # here stands `text`, which is a query of its own elsewhere
                    if type(item) is dict and not matches.isdisjoint(item):
                        return True
                elif type(item) in _NESTS and key not in _SKIPPED:
                    pending.append(item)
        elif type(value) is list and _holds_nests(value):
            pending += value
    return False


def _holds_nests(values: list[Json]) -> bool:
    """Whether there are objects or lists in a list: among examples, as ids may be; not in a vector."""
    return bool(values) and type(values[0]) is not float and not _NESTS.isdisjoint(map(type, values))


_NESTS = frozenset({dict, list})
_MARKS = _marks_of(CONSTRUCTS)
_SKIPPED = USER_DATA | {"points", "batch", "vector"}

# ------------------------------------------------------------------------------------ requests that write

_READS = frozenset(
    {
        *("points", "points/scroll", "points/count", "facet", "points/query", "points/query/groups"),
        *("points/query/batch", "points/search/matrix/pairs", "points/search/matrix/offsets"),
    }
)


def is_write(request: Request) -> bool:
    """Whether a request changes something."""
    method, route = request.route
    return method != "GET" and not (method == "POST" and route in _READS)
