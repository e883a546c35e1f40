"""What both transports ask: the embedded engine, with what servers have beside it, as their versions do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from qql.backends.edge import EdgeBackend
from qql.backends.features.versions import Transport
from qql.errors import QQLError
from qql.models.embed_request import embed_request
from qql.models.embedders import Embedders
from qql.rest.limits import BM25
from qql.rest.request import Request

from .refusals import Disconnection, Refusal, bad_request, refusal_of
from .settings import ServerSettings
from .strict_mode import check_limits
from .versions import as_version_reads_it, number

__all__ = ["Engine"]

_MISSING_EXAMPLES_REFUSED = (1, 19, 0)
_PEER = 7_000_000_000_000_001
_WRITES = {
    ("PUT", "points"), ("PUT", "points/payload"), ("PUT", "points/vectors"),
    ("POST", "points/delete"), ("POST", "points/payload"), ("POST", "points/payload/delete"),
    ("POST", "points/payload/clear"), ("POST", "points/vectors/delete"), ("POST", "points/batch"),
}  # fmt: skip


class Engine:
    """The data of the fake server, and what it does with a request, whichever way that came.

    ``version`` is the one that it announces and behaves as; it may be changed in the middle, as in an
    upgrade. ``cluster`` is whether it knows shard keys. ``full`` says that a quota is used up, and ``yellow``
    how many of the next accounts of a collection say that its optimizers are at work.
    """

    def __init__(self, version: str, *, cluster: bool) -> None:
        self.version = version
        self.cluster = cluster
        self.full = False
        self.yellow = 0
        self._edge = EdgeBackend(None)
        self._lock = threading.RLock()
        self._settings: dict[str, ServerSettings] = {}
        self._quotas: dict[str, Any] = {"enabled": False}
        self._embedders = Embedders()
        self._operations = 0

    def close(self) -> None:
        """Remove the data."""
        self._edge.close()

    def answer(self, request: Request, transport: Transport) -> Any:
        """The ``result`` of the answer; ``transport`` is ``rest`` or ``grpc``.

        Raises `Refusal`, and `Disconnection` where a server of this version breaks off.
        """
        with self._lock:
            request = as_version_reads_it(request, self.version, transport)
            try:
                return self._route(request)(request)
            except QQLError as error:
                raise refusal_of(error, request.collection) from error

    def _route(self, request: Request) -> Callable[[Request], Any]:
        own: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "/"): self._about,
            ("GET", "/quotas"): self._quota_status,
            ("PUT", "/quotas"): self._set_quotas,
            ("GET", "/cluster"): self._cluster_status,
            ("GET", "cluster"): self._cluster_info,
            ("GET", "shards"): self._shard_keys,
            ("PUT", "shards"): self._create_shard_key,
            ("POST", "shards/delete"): self._drop_shard_key,
            ("PUT", ""): self._create,
            ("PATCH", ""): self._alter,
            ("DELETE", ""): self._drop,
            ("GET", ""): self._info,
            ("POST", "snapshots"): self._edge.call,
            ("GET", "snapshots"): self._edge.call,
            ("DELETE", "snapshots/*"): self._edge.call,
            ("PUT", "snapshots/recover"): self._recover,
        }
        return own.get(request.route) or self._on_points

    # --- the server as a whole ---------------------------------------------------------------------------

    def _about(self, _: Request) -> Any:
        return {"title": "qdrant - vector search engine", "version": self.version, "commit": "0" * 40}

    def _quota_status(self, _: Request) -> Any:
        known = {"enabled": False, "max_resident_memory_percent": None, "max_disk_usage_percent": None}
        usage = {"resident_memory_percent": 3, "disk_usage_percent": 41}
        return {"config": {**known, **self._quotas}, "usage": usage | {"exceeded": {"disk_usage": self.full}}}

    def _set_quotas(self, request: Request) -> Any:
        self._quotas = {"enabled": False} | (request.body or {})  # the whole is replaced
        return True

    def _cluster_status(self, _: Request) -> Any:
        if not self.cluster:
            return {"status": "disabled"}
        peers = {str(_PEER): {"uri": "http://127.0.0.1:6335/"}}
        raft = {
            "term": 1,
            "commit": 1,
            "pending_operations": 0,
            "leader": _PEER,
            "role": "Leader",
            "is_voter": True,
        }
        return {
            "status": "enabled",
            "peer_id": _PEER,
            "peers": peers,
            "raft_info": raft,
            "consensus_thread_status": {
                "consensus_thread_status": "working",
                "last_update": "2026-01-01T00:00:00Z",
            },
            "message_send_failures": {},
        }

    # --- collections -------------------------------------------------------------------------------------

    def _name(self, request: Request) -> str:
        """The collection that the path means, by its name or an alias."""
        name = request.collection or ""
        aliases = self._edge.call(Request("GET", "/aliases"))["aliases"]
        return next((one["collection_name"] for one in aliases if one["alias_name"] == name), name)

    def _kept(self, request: Request) -> ServerSettings:
        return self._settings.setdefault(self._name(request), ServerSettings())

    def _create(self, request: Request) -> Any:
        self._require_room()
        made = ServerSettings.taken_from(request.body or {})
        answer = self._edge.call(_timeless(request))
        self._settings[request.collection or ""] = made
        return answer

    def _alter(self, request: Request) -> Any:
        self._require_there(request)
        self._kept(request).alter(request.body or {})
        return self._edge.call(_timeless(request)) if request.body else True

    def _drop(self, request: Request) -> Any:
        self._settings.pop(self._name(request), None)
        try:
            return self._edge.call(_timeless(request))
        except QQLError as error:
            if error.code == "unknown-collection":
                return False  # no refusal
            raise

    def _info(self, request: Request) -> Any:
        told = self._kept(request).into(self._edge.call(_timeless(request)))
        if self.yellow:
            self.yellow -= 1
            told["status"] = "yellow"
        return told

    def _require_there(self, request: Request) -> None:
        self._edge.call(Request("GET", f"/collections/{request.path.split('/')[2]}"))

    def _recover(self, request: Request) -> Any:
        location = (request.body or {}).get("location", "")
        if "://" not in location:
            raise bad_request(f"relative URL without a base: {location!r}")
        return self._edge.call(_timeless(request))

    # --- shards ------------------------------------------------------------------------------------------

    def _cluster_info(self, request: Request) -> Any:
        self._require_there(request)
        kept = self._kept(request)
        count = self._edge.call(_of_collection(request, "POST", "points/count", {}))["count"]
        number_of = len(kept.shards) if kept.is_custom else kept.params.get("shard_number", 1)
        shards = [
            {"shard_id": index, "points_count": count if index == 0 else 0, "state": "Active"}
            | ({"shard_key": key} if kept.is_custom else {})
            for index, key in enumerate(kept.shards or range(number_of))
        ]
        return {
            "peer_id": _PEER,
            "shard_count": number_of,
            "local_shards": shards,
            "remote_shards": [],
            "shard_transfers": [],
        }

    def _shard_keys(self, request: Request) -> Any:
        self._require_there(request)
        kept = self._kept(request)
        return {"shard_keys": [{"key": key} for key in kept.shards] if kept.is_custom else None}

    def _create_shard_key(self, request: Request) -> Any:
        self._require_cluster()
        self._require_there(request)
        self._kept(request).create_key((request.body or {})["shard_key"])
        return True

    def _drop_shard_key(self, request: Request) -> Any:
        self._require_cluster()
        self._require_there(request)
        gone = self._kept(request).drop_key((request.body or {})["shard_key"])
        if gone:
            self._edge.call(
                _of_collection(request, "POST", "points/delete", {"points": sorted(gone, key=str)})
            )
        return True

    def _require_cluster(self) -> None:
        if not self.cluster:
            raise Refusal(501, "Distributed mode disabled")

    # --- points ------------------------------------------------------------------------------------------

    def _on_points(self, request: Request) -> Any:
        """Everything else: what only a cluster acts on is seen to here, the rest is the engine's."""
        writes = request.route in _WRITES
        if writes:
            self._require_room()
        kept = self._kept(request) if request.collection else ServerSettings()
        if kept.strict_mode.get("enabled"):
            check_limits(request, kept.strict_mode, self._indexed(request))
        if kept.is_custom and not kept.shards and number(self.version) >= (1, 19):
            raise Disconnection
        request = self._embedded(_timeless(request))
        if number(self.version) < _MISSING_EXAMPLES_REFUSED:
            self._leave_out_missing_examples(request)
        for body in _bodies(request.body):
            _place(body, kept, request.route)
        answer = self._edge.call(request)
        return self._numbered(answer, request) if writes else answer

    def _leave_out_missing_examples(self, request: Request) -> None:
        """Until 1.19, ids of RECOMMEND that are not there were left out."""
        for body in _stages(request.body):
            if body.get("lookup_from"):  # ids of another collection, of which nothing was measured
                continue
            examples = body["query"]["recommend"]
            for key in ("positive", "negative"):
                ids = [one for one in examples.get(key) or () if isinstance(one, int | str)]
                found = self._edge.call(_of_collection(request, "POST", "points", {"ids": ids}))
                missing = set(ids) - {one["id"] for one in found}
                examples[key] = [
                    one
                    for one in examples.get(key) or ()
                    if isinstance(one, dict | list) or one not in missing
                ]

    def _indexed(self, request: Request) -> set[str]:
        return set(self._edge.call(_of_collection(request, "GET", "", None))["payload_schema"])

    def _require_room(self) -> None:
        if self.full:
            raise Refusal(507, "Insufficient storage: the quota of this server is used up")

    def _embedded(self, request: Request) -> Request:
        """Texts of BM25 as vectors, which servers make since 1.15.2; no other model is configured."""

        def refuses(model: str) -> bool:
            known = model.lower() == BM25 and number(self.version) >= (1, 15, 2)
            if not known:
                raise Refusal(
                    500,
                    "Service internal error: InferenceService is not initialized. "
                    "Please check if it was properly configured and initialized during startup.",
                )
            return False

        return embed_request(request, self._embedders, refuses)

    def _numbered(self, answer: Any, request: Request) -> Any:
        """The answer of a write with the number of the operation; ``wait = false`` is acknowledged only."""
        self._operations += 1
        waited = str(request.query.get("wait", "true")).lower() == "true"
        told = {"operation_id": self._operations, "status": "completed" if waited else "acknowledged"}
        return [told for _ in answer] if isinstance(answer, list) else told


def _timeless(request: Request) -> Request:
    """The request without the parameters of the URL, which only a cluster acts on."""
    return replace(request, query={})


def _of_collection(request: Request, method: str, path: str, body: Any) -> Request:
    collection = request.path.split("/")[2]
    return Request(method, f"/collections/{collection}" + (f"/{path}" if path else ""), {}, body)


def _bodies(body: Any) -> list[dict[str, Any]]:
    """The bodies that may name shards: the whole, those of a batch, the points of an upsert."""
    if not isinstance(body, dict):
        return []
    operations = [one for operation in body.get("operations") or () for one in operation.values()]
    return [body, *(body.get("searches") or ()), *operations]


def _stages(body: Any) -> Iterator[dict[str, Any]]:
    """The stages of queries that recommend."""
    for one in _bodies(body):
        query = one.get("query")
        if isinstance(query, dict) and "recommend" in query:
            yield one
        prefetch = one.get("prefetch") or []
        for inner in prefetch if isinstance(prefetch, list) else [prefetch]:
            yield from _stages(inner)


def _place(body: dict[str, Any], kept: ServerSettings, route: tuple[str, str]) -> None:
    """See to the shards that a body names: writes go there, reads find nothing else."""
    selector = body.pop("shard_key", None)
    points = body.get("points")
    if isinstance(points, list) and points and isinstance(points[0], dict):
        kept.put(selector, [point["id"] for point in points])
        return
    reached = kept.reach(selector)
    if reached is not None and not isinstance(points, list) and "ids" not in body:
        condition = {"has_id": sorted(reached, key=str)}
        body["filter"] = {"must": [condition, *([body["filter"]] if body.get("filter") else [])]}
