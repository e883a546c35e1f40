"""What a statement gives back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qql.errors import Diagnostic
from qql.records import dataclass, field
from qql.rest.request import Request
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Hit", "Result", "StageShare", "amended", "hits_of", "is_empty", "result_of_points"]


@dataclass(frozen=True, slots=True)
class StageShare:
    """What one emission of a stage has to do with a hit.

    ``path`` is its place in the request. ``rank`` (from 1) and ``score`` are the point's in the stage, None
    where the stage did not give it. ``contribution`` is the part of the hit's score that came through the
    stage, in the unit of the score, and ``share`` that part of the whole; both are None below a stage that
    rescores: there it counts that a stage found the point, not how. DBSF's contributions may be
    negative.
    """

    label: str
    path: tuple[int, ...]
    rank: int | None
    score: float | None
    contribution: float | None
    share: float | None

    @property
    def depth(self) -> int:
        """How far below the root; its direct inputs are at 1."""
        return len(self.path)

    def to_dict(self) -> JsonObject:
        """``{"stage", "path", "rank", "score", "contribution", "share"}``."""
        return {
            "stage": self.label,
            "path": list(self.path),
            "rank": self.rank,
            "score": self.score,
            "contribution": self.contribution,
            "share": self.share,
        }


@dataclass(frozen=True, slots=True)
class Hit:
    """One point of a result.

    ``id`` is an unsigned integer or a UUID as a string; ``score`` is None where nothing was scored
    (SCROLL, POINTS); ``payload`` and ``vector`` are None where they were not asked for. ``vector`` is
    a list for the unnamed dense vector, and a dict of name → vector for named ones. ``group`` is the
    value of the field of GROUP BY, and ``lookup`` the point that its LOOKUP FROM found for the group. Behind
    RERANK, ``score`` is ``second_stage_score``, and ``first_stage_score`` that of the search. ``stages`` is
    what each stage has to do with the hit, where the query says WITH PROVENANCE; it is about the search.
    """

    id: int | str
    score: float | None = None
    payload: JsonObject | None = None
    vector: JsonObject | list[Json] | None = None
    group: Json = None
    lookup: JsonObject | None = None
    first_stage_score: float | None = None
    second_stage_score: float | None = None
    stages: tuple[StageShare, ...] = ()

    def to_dict(self) -> JsonObject:
        """The hit as JSON data, without the parts that were not asked for."""
        out: JsonObject = {"id": self.id} if self.group is None else {"group": self.group, "id": self.id}
        if self.score is not None:
            out["score"] = self.score
        if self.first_stage_score is not None:
            out["first_stage_score"] = self.first_stage_score
        if self.second_stage_score is not None:
            out["second_stage_score"] = self.second_stage_score
        if self.payload is not None:
            out["payload"] = self.payload
        if self.vector is not None:
            out["vector"] = self.vector
        if self.lookup is not None:
            out["lookup"] = self.lookup
        if self.stages:
            out["stages"] = [share.to_dict() for share in self.stages]
        return out


class _Draft:
    """A hit before it is frozen."""

    __slots__ = Hit.__slots__


def hits_of(points: Iterable[JsonObject], group: Json = None, lookup: JsonObject | None = None) -> list[Hit]:
    """The hits of points as an engine answers them; the first has what was looked up for its ``group``.

    In a third of the time of ``Hit(…)``: a frozen class sets each of its fields by a call.
    """
    hits: list[Any] = []
    for point in points:
        get = point.get
        draft: Any = _Draft()
        draft.id = point["id"]
        draft.score = get("score")
        draft.payload = get("payload")
        draft.vector = get("vector")
        draft.group = group
        draft.lookup = lookup
        draft.first_stage_score = None
        draft.second_stage_score = None
        draft.stages = ()
        draft.__class__ = Hit  # the same slots
        hits.append(draft)
        lookup = None
    return hits


class _LateHits:
    """A result of points, whose hits are made when they are first looked at."""

    __slots__ = ("_points",)
    _points: list[JsonObject]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Asked of what is not set: the hits, or the points of a result that was made with its hits.
            if name != "hits":
                raise AttributeError(name, name=name, obj=self)
            _put(self, "hits", hits_of(self._points))
            return self.hits


@dataclass(frozen=True, slots=True)
class Result(_LateHits):
    """The outcome of one statement.

    Exactly one of the three says what came back: ``hits`` for statements that return points,
    ``rows`` for other tables (each row a dict with the same keys in the same order), ``message`` for
    statements that only do something (``"created collection docs"``). ``kind`` says which:
    ``"hits"``, ``"rows"`` or ``"message"``; ``"text"`` is a message of several lines to be shown as it
    is (EXPLAIN); with FORMAT json, ``rows`` has its object too. ``data`` is the engine's answer unchanged;
    where a page of a SCROLL took several requests, with all points of the page.

    ``matched`` is how many points there were for a DELETE, UPDATE or CLEAR, counted just before it where that
    was asked for (``count=True``), else None.

    ``next`` is where the next page of a SCROLL begins: ``SCROLL … AFTER :next`` takes it as it is, an
    integer or a text. It is None after the last page. ``paged`` says that the statement gives pages: it is a
    SCROLL.
    """

    kind: str
    statement: str = ""
    hits: list[Hit] = field(default_factory=list)
    rows: list[JsonObject] = field(default_factory=list)
    message: str = ""
    data: Json = None
    requests: tuple[Request, ...] = ()
    seconds: float = 0.0
    warnings: tuple[Diagnostic, ...] = ()
    matched: int | None = None
    next: int | str | None = None
    paged: bool = False

    def __iter__(self) -> Iterator[Any]:  # Any: hits have attributes, rows have keys
        return iter(self.hits if self.kind == "hits" else self.rows)

    def __len__(self) -> int:
        return len(self.hits if self.kind == "hits" else self.rows)

    @property
    def ids(self) -> list[int | str]:
        """The ids of the hits, in order."""
        return [hit.id for hit in self.hits]

    def to_dicts(self) -> list[JsonObject]:
        """Hits or rows (or the message) as a list of JSON objects."""
        if self.kind == "hits":
            return [hit.to_dict() for hit in self.hits]
        if self.kind == "rows" or self.rows:
            return self.rows
        counted = {} if self.matched is None else {"matched": self.matched}
        return [{"message": self.message, **counted}]


_put, _unset = object.__setattr__, object.__delattr__


def result_of_points(points: list[JsonObject]) -> Result:
    """The result of points as an engine answers them. Its hits are made when they are first looked at: of a
    page of a thousand, that takes a third of the engine's time.
    """
    made = Result("hits")
    _put(made, "_points", points.copy())
    _unset(made, "hits")
    return made


def is_empty(result: Result) -> bool:
    """Whether neither hits nor rows came back. No hit is made to see that."""
    if result.kind != "hits":
        return not result.rows
    points = getattr(result, "_points", None)
    return not (result.hits if points is None else points)


def amended(result: Result, **changes: Any) -> Result:
    """As `replace`, in the result itself: for one that was just made, so that nobody else has it."""
    for name, value in changes.items():
        _put(result, name, value)
    return result
