"""What is sent: one HTTP exchange in the vocabulary of Qdrant's REST interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from qql.errors import Diagnostic, QQLPlanError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["BODY_MODELS", "Request", "body_adapter", "collection_path"]


def collection_path(collection: str, *rest: str) -> str:
    """``/collections/{collection}/…`` with the name percent-encoded."""
    return "/".join(["/collections", quote(collection, safe=""), *rest])


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as plain data.

    ``path`` starts with ``/``; ``query`` holds the query string's parameters; ``body`` is the JSON
    body, or None where the request has none. Bodies are shared: do not change them in place.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None

    @property
    def route(self) -> tuple[str, str]:
        """Method and path with the collection's name taken out, e.g. ``("PUT", "points")``."""
        parts = self.path.strip("/").split("/", 2)
        aliases = self.method == "POST" and parts == ["collections", "aliases"]
        if parts[0] != "collections" or aliases:
            return self.method, "/" + self.path.strip("/")
        if len(parts) == 1:
            return self.method, "/collections"
        return self.method, parts[2] if len(parts) == 3 else ""

    @property
    def collection(self) -> str | None:
        """The collection that the path names, decoded, or None."""
        parts = self.path.strip("/").split("/", 2)
        return unquote(parts[1]) if parts[0] == "collections" and len(parts) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """``{"method", "path", "query", "body"}``, ready for ``json.dumps``."""
        return {
            "method": self.method,
            "path": self.path,
            "query": dict(self.query),
            "body": self.body,
        }

    def to_models(self) -> Any:
        """The body as an object of ``qdrant_client.models`` (None where there is no body).

        Raises `QQLPlanError`: ``no-model`` where a text names no model (qdrant-client has no object for
        that), ``no-client-model`` where qdrant-client does not know the route or refuses the body.
        """
        if self.body is None:
            return None
        from pydantic import ValidationError

        adapter = body_adapter(self.route)
        if adapter is None:
            message = f"qdrant-client has no model for {self.method} {self.path}"
            raise QQLPlanError(Diagnostic("no-client-model", message))
        try:
            return adapter.validate_python(self.body)
        except ValidationError as exc:
            if any(error["loc"][-2:] == ("Document", "model") for error in exc.errors()):
                hint = "write MODEL 'name' behind the text, or give models={vector: model}"
                diagnostic = Diagnostic("no-model", "a text of this request names no model", hint=hint)
            else:
                first = exc.errors()[0]
                place = ".".join(str(part) for part in first["loc"])
                message = f"qdrant-client refuses the body at {place}: {first['msg']}"
                diagnostic = Diagnostic("no-client-model", message)
            raise QQLPlanError(diagnostic) from exc


BODY_MODELS: dict[tuple[str, str], tuple[str, ...]] = {
    ("POST", "/collections/aliases"): ("ChangeAliasesOperation",),
    ("PUT", ""): ("CreateCollection",),
    ("PATCH", ""): ("UpdateCollection",),
    ("PUT", "index"): ("CreateFieldIndex",),
    ("POST", "points"): ("PointRequest",),
    ("POST", "points/scroll"): ("ScrollRequest",),
    ("POST", "points/count"): ("CountRequest",),
    ("POST", "facet"): ("FacetRequest",),
    ("POST", "points/query"): ("QueryRequest",),
    ("POST", "points/query/groups"): ("QueryGroupsRequest",),
    ("POST", "points/query/batch"): ("QueryRequestBatch",),
    ("PUT", "points"): ("PointsList", "PointsBatch"),
    ("POST", "points/delete"): ("PointIdsList", "FilterSelector"),
    ("POST", "points/payload"): ("SetPayload",),
    ("PUT", "points/payload"): ("SetPayload",),
    ("POST", "points/payload/delete"): ("DeletePayload",),
    ("POST", "points/payload/clear"): ("PointIdsList", "FilterSelector"),
    ("PUT", "points/vectors"): ("UpdateVectors",),
    ("POST", "points/vectors/delete"): ("DeleteVectors",),
    ("POST", "points/batch"): ("UpdateOperations",),
    ("PUT", "shards"): ("CreateShardingKey",),
    ("POST", "shards/delete"): ("DropShardingKey",),
}
"""By `Request.route`: the names in ``qdrant_client.models`` of what a body can be, the likeliest first."""


@cache
def body_adapter(route: tuple[str, str]) -> TypeAdapter[Any] | None:
    """What makes qdrant-client's models of the bodies of a `Request.route`; None where they have none."""
    from pydantic import TypeAdapter
    from qdrant_client import models

    names = BODY_MODELS.get(route)
    return TypeAdapter(reduce(or_, (getattr(models, name) for name in names))) if names else None
