"""What a statement gives back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from qql.errors import Diagnostic, QQLExecutionError, fail, many, shown
from qql.late import overload
from qql.records import dataclass, field
from qql.rest.request import Request
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, NoReturn, SupportsIndex

    import pandas
    import polars
    import pyarrow

    Kind = Literal["hits", "rows", "message", "text"]
else:
    Kind = str

__all__ = [
    "HIT_COLUMNS",
    "Group",
    "Hit",
    "Kind",
    "Result",
    "StageShare",
    "amended",
    "column_of_field",
    "hits_of",
    "is_empty",
    "result_of_points",
]


@dataclass(frozen=True, slots=True)
class StageShare:
    """What one emission of a stage has to do with a hit.

    ``label`` is the name of the stage (``root``, ``inline 1`` …), ``path`` its place in the request. ``rank``
    (from 1) and ``score`` are the point's in the stage, None where the stage did not give it.
    ``contribution`` is the part of the hit's score that came through the stage, in the unit of the score, and
    ``share`` that part of the whole (a fraction, mostly 0 to 1); both are None below a stage that rescores:
    there it counts that a stage found the point, not how. DBSF's contributions may be negative.
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
    the unnamed vector, or a dict of name → vector for named ones: a dense one is a list of floats, a
    multivector a list of such, a sparse one ``{"indices": […], "values": […]}``. ``group`` is the
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

    def __getitem__(self, field: str) -> Json:
        """The value of a field of the payload: ``hit["title"]``; KeyError where the payload lacks it."""
        if self.payload is None:
            raise KeyError(f"{field}: the hit has no payload; WITH PAYLOAD makes the statement return it")
        return self.payload[field]

    def __contains__(self, field: object) -> bool:
        return self.payload is not None and field in self.payload

    __iter__ = None  # else Python would try 0, 1, 2 … as fields

    def get(self, field: str, default: Json = None) -> Json:
        """As ``hit["title"]``, but ``default`` where the payload lacks the field."""
        return default if self.payload is None else self.payload.get(field, default)

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
class Group:
    """One group of a GROUP BY: the ``value`` of its field, its ``hits``, and the point that LOOKUP FROM found
    for it, or None (``lookup``). It is read as the list of its hits.
    """

    value: Json
    hits: list[Hit]
    lookup: JsonObject | None = None

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)


@dataclass(frozen=True, slots=True, repr=False)
class Result(_LateHits):
    """The outcome of one statement.

    Exactly one of the three says what came back: ``hits`` for statements that return points,
    ``rows`` for other tables (each row a dict with the same keys in the same order), ``message`` for
    statements that only do something (``"created collection docs"``). ``kind`` says which:
    ``"hits"``, ``"rows"`` or ``"message"``; ``"text"`` is a message of several lines to be shown as it
    is (EXPLAIN); with FORMAT json, ``rows`` has its object too. ``data`` is the engine's answer unchanged;
    where a page of a SCROLL took several requests, with all points of the page.

    ``statement`` is the text that was carried out, ``requests`` what was sent for it, and ``seconds`` how
    long all of that took here. ``warnings`` is what there is to say of it, advice too, each a `Diagnostic`.

    ``matched`` is how many points there were for a DELETE, UPDATE or CLEAR, counted just before it where that
    was asked for (``count=True``), else None.

    ``timing`` has the seconds of the phases of ``seconds`` that were measured: ``embed`` (texts became
    vectors), ``engine`` (it answered), ``rerank`` (a model read the candidates).

    ``next`` is where the next page of a SCROLL begins: ``SCROLL … AFTER :next`` takes it as it is, an
    integer or a text. It is None after the last page. ``paged`` says that the statement gives pages: it is a
    SCROLL. ``columns`` are the names of the columns of rows where there is none to tell them.

    ``branch`` says of QUERY … ELSE QUERY … which query answered, from 1; it is None elsewhere. Then
    ``requests`` are those of the queries that were asked.

    A result is read as the list of its hits or rows: ``len``, ``for``, ``result[0]``, ``result[:3]`` (a
    list). It is false where that list is empty, and true where it is a message or a text. To type checkers
    all of these are hits; rows are read by their keys, ``row["count"]``, as hits can be, and ``rows`` has
    them as dicts. Two results are equal where the same came back, whatever statement, time and warnings were.
    """

    kind: Kind
    statement: str = field(default="", compare=False)
    hits: list[Hit] = field(default_factory=list)
    rows: list[JsonObject] = field(default_factory=list)
    message: str = ""
    data: Json = field(default=None, compare=False)
    requests: tuple[Request, ...] = field(default=(), compare=False)
    seconds: float = field(default=0.0, compare=False)
    timing: dict[str, float] = field(default_factory=dict, compare=False)
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False)
    matched: int | None = None
    next: int | str | None = None
    paged: bool = False
    columns: tuple[str, ...] = field(default=(), compare=False)
    branch: int | None = None

    # -- as a list

    @property
    def _items(self) -> list[Any]:
        return self.hits if self.kind == "hits" else self.rows

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __bool__(self) -> bool:
        return self.kind in ("message", "text") or bool(self._items)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> list[Hit]: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Hit | list[Hit]:
        """A hit or a row by its place from 0; a list of them for a slice.

        Raises IndexError where there are fewer, and `QQLExecutionError` ``wrong-kind`` for a message.
        """
        self._require_items("an index")
        found: Hit | list[Hit] = self._items[place]
        return found

    # -- single values

    @property
    def ids(self) -> list[int | str]:
        """The ids of the hits, in order."""
        return [hit.id for hit in self.hits]

    def first(self) -> Hit | None:
        """The first hit or row; None where there is none.

        Raises `QQLExecutionError` ``wrong-kind`` for a message.
        """
        self._require_items("first()")
        return self._items[0] if self._items else None

    def scalar(self) -> Json:
        """The one value of a result of one row and one column, as of COUNT.

        Raises `QQLExecutionError`: ``wrong-kind`` for hits and for a message, ``no-single-value`` for rows of
        another shape.
        """
        self._require_items("scalar()")
        if self.kind == "hits":
            self._refuse(
                "scalar()",
                "`len(result)` is how many there are, `result.first()` the first; COUNT counts points",
            )
        if len(self.rows) == 1 and len(self.rows[0]) == 1:
            return next(iter(self.rows[0].values()))
        columns = [*(self.rows[0] if self.rows else ())]
        hint = f'`result.rows[0]["{columns[-1]}"]` is a value of the first row' if columns else None
        shape = f"{many(len(self.rows), 'row')}" + (f" of {many(len(columns), 'column')}" if columns else "")
        message = f"scalar() takes one row of one column, and {self._named()} has {shape}"
        fail("no-single-value", message, hint=hint, error=QQLExecutionError)

    @property
    def groups(self) -> list[Group]:
        """The groups of a GROUP BY, in order, each with its hits; ``hits`` has those of all groups in turn.

        Raises `QQLExecutionError` ``wrong-kind`` for a result that has no groups.
        """
        grouped = isinstance(self.data, dict) and "groups" in self.data
        if self.kind != "hits" or not (grouped or any(hit.group is not None for hit in self.hits)):
            self._refuse("groups", "GROUP BY makes groups of a QUERY: `QUERY … FROM docs GROUP BY topic`")
        found: dict[tuple[type, Json], Group] = {}
        for hit in self.hits:
            key = type(hit.group), hit.group
            if key not in found:
                found[key] = Group(hit.group, [], hit.lookup)
            found[key].hits.append(hit)
        return [*found.values()]

    def _require_items(self, asked: str) -> None:
        if self.kind == "message":
            self._refuse(asked, "`result.message` is its text")
        if self.kind == "text" and not self.rows:
            self._refuse(asked, "`result.message` is its text, `result.data` the same as JSON data")

    def _refuse(self, asked: str, hint: str) -> NoReturn:
        wanted = {"groups": "the hits of a GROUP BY", "scalar()": "rows"}.get(asked, "hits or rows")
        message = f"{asked} takes {wanted}, and {self._named()} is {_KINDS[self.kind]}"
        fail("wrong-kind", message, hint=hint, error=QQLExecutionError)

    def _named(self) -> str:
        """How messages call it."""
        return f"the result of `{self._title(40)}`" if self.statement else "this result"

    def _title(self, most: int) -> str:
        """The statement on one line, cut to ``most`` characters."""
        text = " ".join(self.statement[: 10 * most].split())
        return text if len(text) <= most else text[: most - 1] + "…"

    # -- other forms

    def to_dicts(self) -> list[JsonObject]:
        """Hits or rows (or the message) as a list of JSON objects."""
        if self.kind == "hits":
            return [hit.to_dict() for hit in self.hits]
        if self.kind == "rows" or self.rows:
            return self.rows
        counted = {} if self.matched is None else {"matched": self.matched}
        return [{"message": self.message, **counted}]

    def to_pandas(self) -> pandas.DataFrame:
        """A frame with a row for each hit or row.

        Columns of hits, each where some hit has it: ``group``, ``id`` (always), ``score`` (but of SCROLL),
        ``first_stage_score``, ``second_stage_score``; the fields of the payloads under their own names, in
        the order in which they are met; ``vector``, or ``vector.NAME`` for each named one, as lists;
        ``lookup``, ``stages``. A field of a payload that is called like one of these, or whose name begins
        with ``payload.`` or ``vector.``, is ``payload.NAME``, so that no column hides another. A BATCH of
        queries has the same columns, with the number of the ``query`` in front.

        What a point lacks is null, as null itself is. Integers stay integers (``Int64`` where some are null),
        dates are the texts that the payload holds, objects and lists are Python's, in columns of objects,
        as is a field whose values are of several kinds. A column with ids of both kinds, integers and UUIDs,
        is text.

        Raises `QQLExecutionError`: ``missing-library`` (``pip install "qql-lang[pandas]"``), ``wrong-kind``
        for a message.
        """
        self._require_items("to_pandas()")
        frame: pandas.DataFrame = _above("qql.frames.pandas", "frame_of")(self)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """The same columns as `to_pandas` as a frame of polars, with types for all that is nested.

        Lists are ``List``, objects ``Struct`` (of the keys that any of them has). A field, or a part of one,
        whose values have no common type is text: the JSON of each value.

        Raises as `to_pandas` does (``pip install "qql-lang[polars]"``).
        """
        self._require_items("to_polars()")
        frame: polars.DataFrame = _above("qql.frames.polars", "frame_of")(self)
        return frame

    def to_arrow(self) -> pyarrow.Table:
        """The same columns and types as `to_polars` as a table of pyarrow.

        Raises as `to_pandas` does (``pip install "qql-lang[arrow]"``).
        """
        self._require_items("to_arrow()")
        table: pyarrow.Table = _above("qql.frames.arrow", "table_of")(self)
        return table

    def __str__(self) -> str:
        """As the command shows it, 80 columns wide without colours; long values and many rows are cut."""
        text: str = _above("qql.cli.render.brief", "brief_text")(self)
        return text

    def __repr__(self) -> str:
        what = many(len(self), self.kind[:-1]) if self.kind in ("hits", "rows") else shown(self.message, 60)
        return f"<Result: {what} of {self._title(60)}>" if self.statement else f"<Result: {what}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: a table with bars for scores, of bounded size; all of it is escaped."""
        html: str = _above("qql.cli.render.html", "html_of")(self)
        return html

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython prints in a terminal."""
        printer.text(str(self))


_KINDS = {"hits": "hits", "rows": "rows", "message": "a message", "text": "a text"}


def _above(module: str, name: str) -> Callable[[Result], Any]:
    """What gives results another form, from a room above this one: it is loaded when it is asked for.

    Results have methods for their forms, and the forms need what stands above results.
    """
    import sys

    __import__(module)
    found: Callable[[Result], Any] = getattr(sys.modules[module], name)
    return found


HIT_COLUMNS = frozenset(
    {
        *("group", "id", "score", "first_stage_score", "second_stage_score"),
        *("payload", "vector", "lookup", "stages"),
    }
)
"""What a column may be called that is no field of a payload."""
_PREFIXES = ("payload.", "vector.")


def column_of_field(field: str, taken: Collection[str] = ()) -> str:
    """The column of a payload's field: its name, or ``payload.NAME`` where that is the name of another.

    Two fields never have one column, since names that begin so themselves get it once more.
    """
    other = field in HIT_COLUMNS or field in taken or field.startswith(_PREFIXES)
    return f"payload.{field}" if other else field


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
