"""What is sent: one HTTP exchange in the vocabulary of Qdrant's REST interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from qql.errors import Diagnostic, QQLPlanError

__all__ = ["Request", "collection_path"]


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
        if parts[0] != "collections" or self.path == "/collections/aliases":
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
        from pydantic import TypeAdapter, ValidationError
        from qdrant_client import models

        names = _BODY_MODELS.get(self.route)
        if names is None:
            message = f"qdrant-client has no model for {self.method} {self.path}"
            raise QQLPlanError(Diagnostic("no-client-model", message))
        union: Any = getattr(models, names[0])
        for name in names[1:]:
            union = union | getattr(models, name)
        try:
            return TypeAdapter(union).validate_python(self.body)
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


_BODY_MODELS: dict[tuple[str, str], tuple[str, ...]] = {
    ("POST", "points/query"): ("QueryRequest",),
    ("POST", "points"): ("PointRequest",),
    ("POST", "points/scroll"): ("ScrollRequest",),
    ("POST", "points/count"): ("CountRequest",),
    ("PUT", "points"): ("PointsList", "PointsBatch"),
    ("POST", "points/delete"): ("PointIdsList", "FilterSelector"),
    ("PUT", ""): ("CreateCollection",),
    ("PATCH", ""): ("UpdateCollection",),
    ("PUT", "index"): ("CreateFieldIndex",),
}
