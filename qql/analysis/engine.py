"""The engine, asked for more about a query than the query itself asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qql.analysis.model import Candidate, Id
from qql.compiler.plan import QueryPlan
from qql.errors import QQLError
from qql.records import dataclass
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, Json, JsonObject

__all__ = ["Call", "Engine", "Took"]

Call = Callable[[Request], Json]
"""A backend's `call`: one request whose texts are embedded → the ``result`` of the answer."""

Took = Callable[[], float | None]
"""A backend's `took`: the seconds of the last call by the engine's own account, None where it tells none."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine as a query's request reaches it: the same collection, the same options in the URL.

    All raise what ``call`` raises.
    """

    plan: QueryPlan
    request: Request
    call: Call
    remote: bool = False
    """Whether it is a server, of whose shards and versions less is known than of the engine in here."""

    def query_request(self, body: Body) -> Request:
        """The request for one query body."""
        path = collection_path(self.plan.collection, "points", "query")
        return Request("POST", path, self.request.query, dict(body))

    def queries(self, bodies: Sequence[Body]) -> list[tuple[Candidate, ...]]:
        """The answers to several query bodies, asked for at once."""
        if not bodies:
            return []
        path = collection_path(self.plan.collection, "points", "query", "batch")
        searches = {"searches": [dict(body) for body in bodies]}
        answers = self.call(Request("POST", path, self.request.query, searches))
        return [Candidate.of_all(answer["points"]) for answer in answers]

    def points(self, ids: Sequence[Id], *, with_payload: bool = False) -> list[JsonObject]:
        """Those of the points that exist, without vectors."""
        path = collection_path(self.plan.collection, "points")
        body = {"ids": list(ids), "with_payload": with_payload, "with_vector": False} | self.shared
        found: list[JsonObject] = self.call(Request("POST", path, self.request.query, body))
        return found

    def shards(self) -> int:
        """The number of shards that the query asks; 1 where the engine knows none."""
        info = self.call(Request("GET", collection_path(self.plan.collection)))
        params = info.get("config", {}).get("params", {})
        number = int(params.get("shard_number") or 1)
        return self._custom_shards() or number if params.get("sharding_method") == "custom" else number

    def _custom_shards(self) -> int:
        """The shards of the keys of the query, or of all keys; 0 where the engine does not tell.

        What a collection's configuration has is the number for one key.
        """
        try:
            found = self.call(Request("GET", collection_path(self.plan.collection, "cluster")))
        except QQLError:
            return 0
        given = self.shared.get("shard_key")
        keys = given if isinstance(given, list) or given is None else [given]
        every = [*(found.get("local_shards") or ()), *(found.get("remote_shards") or ())]
        return len({one["shard_id"] for one in every if keys is None or one.get("shard_key") in keys})

    @property
    def shared(self) -> JsonObject:
        """What of the query's body holds for whatever is asked beside it."""
        body = self.request.body or {}
        return {"shard_key": body["shard_key"]} if "shard_key" in body else {}
