"""What the session asks beside a statement's own request, cut to what a collection's strict mode allows.

DUMP, WHY, EXPLAIN ANALYZE and the advice choose their own sizes, and a collection in strict mode may refuse
them. Its limits are read in its description, or in the refusal, and the same is asked for in smaller pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from qql.backends.base import Backend, Optimized, Progress, usage_of
from qql.errors import QQLError, QQLExecutionError, fail
from qql.records import replace
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE
from qql.rest.request import Request, collection_path
from qql.rest.strict_mode import Allowed
from qql.rest.types import Body, Json, JsonObject
from qql.session.linear_fusions import with_formulas

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from qql.rest.usage import Usage

__all__ = ["WithinLimits"]

_MOST_PAGES = 1000
"""Pages in which one answer is fetched: 10,000 hits where strict mode allows 10 at a time."""
_MOST_REFUSALS = 4
"""Refusals of one request that are learnt from: there are fewer kinds of limits."""


class WithinLimits:
    """A backend whose calls are cut to what strict mode allows; all else is the backend's own.

    ``described`` gives what is known of a collection, as the engine describes it.
    """

    def __init__(self, backend: Backend, described: Callable[[str], Json]) -> None:
        self._backend = backend
        self._described = described
        self._learnt: dict[str, Allowed] = {}
        self._notes: list[str] = []
        self._noting = Lock()
        self.name: str = backend.name

    def call(self, request: Request) -> Json:
        """The answer of the backend. Raises what it raises; ``too-many-pages`` where limits are very low."""
        request = with_formulas(self.call, request)
        for _ in range(_MOST_REFUSALS):
            allowed = self.allowed(request.collection)
            try:
                return self._within(request, allowed)
            except QQLError as exc:
                learnt = allowed.told(exc.message)
                if learnt is None or learnt == allowed or request.collection is None:
                    raise
                self._learnt[request.collection] = learnt
        return self._backend.call(request)

    def allowed(self, collection: str | None) -> Allowed:
        """What is known of the limits of a collection."""
        if collection is None:
            return Allowed()
        return self._learnt.get(collection) or Allowed.by_settings(self._described(collection))

    def take_notes(self) -> list[str]:
        """What was made smaller so that it means something else, since the last call of this."""
        with self._noting:
            taken, self._notes = self._notes, []
        return taken + self._backend.take_notes()

    @property
    def took(self) -> float | None:
        """The seconds of the last call, which may have been one of several."""
        return self._backend.took

    @property
    def usage(self) -> Usage | None:
        """What the last call has cost, which may have been one of several."""
        return usage_of(self._backend)

    def infers(self, model: str) -> bool:
        """Whether the engine itself makes the vectors of a model."""
        return self._backend.infers(model)

    def optimize(
        self, collection: str, progress: Progress | None = None, timeout: float | None = None
    ) -> Optimized | bool:
        """What the backend does."""
        return self._backend.optimize(collection, progress, timeout)

    def needs_optimize(self, collection: str) -> bool:
        """What the backend says."""
        return self._backend.needs_optimize(collection)

    def close(self) -> None:
        """Nothing: the backend is the session's."""

    # -- by route

    def _within(self, request: Request, allowed: Allowed) -> Json:
        if allowed == Allowed() or request.body is None:
            return self._backend.call(request)
        if not allowed.exact:
            request = self._without_exact(request)
        match request.route:
            case "POST", "points/query":
                return self._query(request, allowed)
            case "POST", "points/query/batch":
                return self._batch(request, allowed)
            case "POST", "points/query/groups":
                return self._groups(request, allowed)
            case "POST", "points/scroll":
                return self._scroll(request, allowed)
            case _:
                return self._backend.call(request)

    def _query(self, request: Request, allowed: Allowed) -> Json:
        body = request.body or {}
        if _fits(body, allowed):
            return self._backend.call(request)
        (found,) = self._answers(request, [body], allowed)
        return found

    def _batch(self, request: Request, allowed: Allowed) -> Json:
        searches = (request.body or {}).get("searches") or []
        if len(searches) <= (allowed.searches or len(searches)) and all(_fits(s, allowed) for s in searches):
            return self._backend.call(request)
        return self._answers(request, searches, allowed)

    def _answers(self, request: Request, searches: Sequence[Body], allowed: Allowed) -> list[JsonObject]:
        """The answer to each search, in as many pages as it takes; a page of each that is open at a time."""
        found: list[list[Json]] = [[] for _ in searches]
        open_ = [at for at, one in enumerate(searches) if _limit(one) > 0]
        for _ in range(_MOST_PAGES):
            if not open_:
                return [{"points": points} for points in found]
            asked = [_page(searches[at], len(found[at]), allowed) for at in open_]
            pages = self._sent(request, asked, allowed)
            still = []
            for at, page, answer in zip(open_, asked, pages, strict=True):
                found[at] += answer["points"]
                full = len(answer["points"]) >= _limit(page)
                if full and len(found[at]) < _limit(searches[at]) and not _is_drawn(page):
                    still.append(at)
            open_ = still
        _too_many(request)

    def _sent(self, request: Request, searches: list[JsonObject], allowed: Allowed) -> list[JsonObject]:
        """The answers to searches that each are allowed, by as many batches as it takes."""
        path = collection_path(request.collection or "", "points", "query", "batch")
        size = allowed.searches or len(searches)
        answers: list[JsonObject] = []
        for at in range(0, len(searches), size):
            body = {"searches": searches[at : at + size]}
            answers += self._backend.call(Request("POST", path, request.query, body))
        return answers

    def _groups(self, request: Request, allowed: Allowed) -> Json:
        """As many groups as are allowed: there is no second page of groups."""
        body = dict(request.body or {})
        size = body.get("group_size", GROUP_SIZE)
        if allowed.hits is None or _limit(body) * size <= allowed.hits:
            return self._backend.call(replace(request, body=_narrowed(body, allowed)))
        body["group_size"] = min(size, allowed.hits)
        body["limit"] = max(1, allowed.hits // body["group_size"])
        self._note(
            f"strict mode of {request.collection} allows {allowed.hits} hits: of the groups, the first "
            f"{body['limit']} were looked at"
        )
        return self._backend.call(replace(request, body=_narrowed(body, allowed)))

    def _scroll(self, request: Request, allowed: Allowed) -> Json:
        """A page of points, fetched in smaller ones; in the order of a field there is one page only."""
        body = dict(request.body or {})
        wanted = _limit(body)
        if allowed.hits is None or wanted <= allowed.hits or "order_by" in body:
            return self._backend.call(request)
        points: list[Json] = []
        for _ in range(_MOST_PAGES):
            body["limit"] = min(allowed.hits, wanted - len(points))
            page = self._backend.call(replace(request, body=dict(body)))
            points += page["points"]
            body["offset"] = page.get("next_page_offset")
            if body["offset"] is None or len(points) >= wanted:
                return {**page, "points": points}
        _too_many(request)

    def _without_exact(self, request: Request) -> Request:
        body = _inexact(request.body)
        if request.route == ("POST", "points/count"):
            body = {**body, "exact": False}
            self._note(f"strict mode of {request.collection} allows no exact count: the count is approximate")
        elif body != request.body:
            self._note(f"strict mode of {request.collection} allows no exact search, so it is approximate")
        return replace(request, body=body)

    def _note(self, sentence: str) -> None:
        with self._noting:
            if sentence not in self._notes:
                self._notes.append(sentence)


def _limit(body: Body) -> int:
    found = body.get("limit", DEFAULT_LIMIT)
    return found if isinstance(found, int) else DEFAULT_LIMIT


def _is_drawn(body: Body) -> bool:
    """Whether a query draws points by chance: a second page would have some of them again."""
    query = body.get("query")
    return isinstance(query, dict) and "sample" in query


def _fits(body: Body, allowed: Allowed) -> bool:
    if allowed.hits is None:
        return True
    return _limit(body) <= allowed.hits and all(_fits(one, allowed) for one in _prefetches(body))


def _page(body: Body, done: int, allowed: Allowed) -> JsonObject:
    """The part of a search that comes behind as many hits."""
    narrow = _narrowed(body, allowed)
    left = _limit(body) - done
    narrow["limit"] = left if allowed.hits is None else min(left, allowed.hits)
    if done:
        narrow["offset"] = body.get("offset", 0) + done
    return narrow


def _narrowed(body: Body, allowed: Allowed) -> JsonObject:
    """With stages that are as wide as strict mode lets any query of the collection be."""
    narrow = dict(body)
    if allowed.hits is not None and "prefetch" in body:
        narrow["prefetch"] = [
            {**_narrowed(one, allowed), "limit": min(_limit(one), allowed.hits)} for one in _prefetches(body)
        ]
    return narrow


def _prefetches(body: Body) -> list[Body]:
    found = body.get("prefetch") or []
    return found if isinstance(found, list) else [found]


def _inexact(value: Json) -> Json:
    """A body whose searches are not exact; filters and payloads are not looked into."""
    if isinstance(value, list):
        return [_inexact(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: _inexact(value[key]) if key in ("searches", "prefetch") else value[key] for key in value}
    params = found.get("params")
    if isinstance(params, dict) and params.get("exact"):
        found["params"] = {key: one for key, one in params.items() if key != "exact"}
    return found


def _too_many(request: Request) -> NoReturn:
    message = (
        f"strict mode of `{request.collection}` allows so few hits that this takes over {_MOST_PAGES} pages"
    )
    hint = f"ALTER COLLECTION {request.collection} WITH STRICT_MODE (max_query_limit = …) allows more"
    fail("too-many-pages", message, hint=hint, error=QQLExecutionError)
