"""What is sent: one HTTP exchange in the vocabulary of Qdrant's REST interface."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache, reduce
from operator import or_

from qql.errors import Diagnostic, QQLPlanError
from qql.late import overload
from qql.records import dataclass, field
from qql.rest.linear_fusion import require_one_request
from qql.rest.quoting import quoted, unquoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    from pydantic import TypeAdapter
    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = ["BODY_MODELS", "Draft", "Request", "body_adapter", "collection_path", "copied"]


def collection_path(collection: str, *rest: str) -> str:
    """``/collections/{collection}/…`` with the name percent-encoded."""
    return "/".join(["/collections", quoted(collection), *rest])


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as plain data.

    ``method`` is ``"GET"``, ``"POST"`` …; ``path`` starts with ``/``; ``query`` holds the query string's
    parameters; ``body`` is the JSON body, or None where the request has none. Bodies are shared: do not
    change them in place.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None

    @property
    def route(self) -> tuple[str, str]:
        """Method and path without the names, e.g. ``("PUT", "points")`` and ``("DELETE", "index/*")``."""
        return _place_of(self.method, self.path)[0]

    @property
    def collection(self) -> str | None:
        """The collection that the path names, decoded, or None."""
        return _place_of(self.method, self.path)[1]

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
        that), ``no-client-model`` where qdrant-client does not know the route or refuses the body,
        ``two-requests`` for FUSION LINEAR by what no single request knows.
        `QQLExecutionError` ``missing-library`` where qdrant-client is not installed.
        """
        if self.body is None:
            return None
        from qql.missing import needed_for

        require_one_request(self.body)
        with needed_for("an object of qdrant_client.models", "qdrant_client"):
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

    @overload
    def send(self, client: QdrantClient, *, timeout: int | None = None) -> Any: ...
    @overload
    def send(self, client: AsyncQdrantClient, *, timeout: int | None = None) -> Awaitable[Any]: ...
    def send(self, client: Any, *, timeout: int | None = None) -> Any:
        """Send it through a client of one's own: ``request.send(client)``, ``await request.send(client)``.

        Returns what the client's own method gives (``query_points``, ``scroll``, ``upsert``, …), of an
        `AsyncQdrantClient` something to await. Texts stay texts, as in `to_models`: the client embeds
        them, or the server; `qql.embed` makes vectors of them before. ``timeout``, in whole seconds, is that
        of the client's method: of the server, and of the client itself.

        Raises `QQLUnsupportedError` for what no method of the client can say (``unsupported-operation``,
        ``unsupported-key``), and what a session raises: `QQLConnectionError`, `QQLExecutionError`.
        """
        from qql.missing import needed_for

        require_one_request(self.body)
        with needed_for("a client", "qdrant_client"):
            from qql.backends.client.send import send
        return send(self, client, timeout)

    def curl(self, url: str = "http://localhost:6333", api_key_variable: str | None = None) -> str:
        """The request as one command for a POSIX shell, which sends exactly this.

        But for the integers of a multivector of two rows: they get decimals, as servers misread them.
        ``url`` has port 6333 unless it gives another; ``api_key_variable`` names the environment variable
        that holds the API key. A body above 100 kB is piped into curl, as an argument has a limit.

        >>> print(Request("POST", "/collections/docs/points/count", {}, {"exact": True}).curl())
        curl -X POST 'http://localhost:6333/collections/docs/points/count' \\
          -H 'Content-Type: application/json' \\
          -d '{"exact": true}'

        Raises `QQLConnectionError` (``invalid-url``) and `QQLPlanError`: ``invalid-name`` (a name of dots
        alone, or of no environment variable), ``invalid-value`` (what JSON cannot say), ``too-deep``.
        """
        from qql.rest.float_vectors import with_plain_multivectors
        from qql.rest.snippets import curl

        require_one_request(self.body)
        body = with_plain_multivectors(self)
        return curl(self.method, self.path, self.query, body, url=url, api_key_variable=api_key_variable)

    def python(self, url: str = "http://localhost:6333", api_key_variable: str | None = None) -> str:
        """The request as a program that sends it with qdrant-client.

        ``url`` and ``api_key_variable`` are those of `curl`.

        >>> print(Request("POST", "/collections/docs/points/count", {}, {"exact": True}).python())
        from qdrant_client import QdrantClient
        <BLANKLINE>
        client = QdrantClient(url="http://localhost:6333")
        <BLANKLINE>
        client.count(collection_name="docs", exact=True)
        <BLANKLINE>

        The server receives this method, path, query and body, but for what qdrant-client does to each:
        it leaves out keys of its models that are null; it sends its defaults where the body says nothing,
        which are the server's too (``limit`` 10, ``group_size`` 3, ``exact``, ``with_payload``,
        ``with_vector``, ``wait``); it writes dates as ``2024-01-01T00:00:00``, to the microsecond; it wraps
        the vector, id or text that is a whole query into ``{"nearest": …}``. Where a method of `QdrantClient`
        cannot say the request, the code uses the one below ``client.http``, which can. Texts stay texts
        (``cloud_inference=True``), for the server to embed.

        Raises `QQLPlanError` as `to_models` and `curl` do, and `QQLConnectionError` (``invalid-url``).
        """
        from qql.missing import library
        from qql.rest.snippets import python

        require_one_request(self.body)

        # The program is written by the signatures of its methods.
        library("qdrant_client", "a program for qdrant-client", instead="curl() does without")
        return python(
            self.method,
            self.path,
            self.query,
            self.body,
            self.to_models(),
            url=url,
            api_key_variable=api_key_variable,
        )


@lru_cache(1024)  # whoever carries a request on asks for its route, one after the other
def _place_of(method: str, path: str) -> tuple[tuple[str, str], str | None]:
    """Route and collection of a request."""
    whole = path.strip("/")
    parts = whole.split("/", 2)
    if parts[0] != "collections" or len(parts) == 1 or (method == "POST" and whole == "collections/aliases"):
        collection, rest = None, "/" + whole
    else:
        collection, rest = unquoted(parts[1]), parts[2] if len(parts) == 3 else ""
    kind, _, name = rest.rpartition("/")
    return (method, f"{kind}/*" if name and (method, kind) in _NAMED else rest), collection


def copied(request: Request) -> Request:
    """The request with lists and objects that nothing else holds."""
    return Request(request.method, request.path, dict(request.query), _copied(request.body))


def _copied(value: Any) -> Any:
    """A copy of lists and objects, and of those in them. A loop: filters and prefetches nest deeply."""
    top = [value]
    todo: list[Any] = [top]
    while todo:
        holder = todo.pop()
        for key, one in holder.items() if isinstance(holder, dict) else enumerate(holder):
            if isinstance(one, (dict, list)):
                holder[key] = one = one.copy()
                if isinstance(one, dict) or not {*map(type, one)} <= _NUMBERS:  # a vector is long
                    todo.append(one)
    return top[0]


_NUMBERS = {int, float}


class Draft:
    """A `Request` while it is made: the same places, which can be written to.

    Who makes many sets them and then ``__class__``, in a fifth of the time that a frozen class takes.
    """

    __slots__ = ("body", "method", "path", "query")


_NAMED = frozenset(
    {
        ("DELETE", "index"),
        ("PUT", "vectors"),
        ("DELETE", "vectors"),
        ("GET", "snapshots"),
        ("DELETE", "snapshots"),
        ("GET", "/snapshots"),
        ("DELETE", "/snapshots"),
    }
)
"""Methods, and what stands before a name at the end of a path."""

BODY_MODELS: dict[tuple[str, str], tuple[str, ...]] = {
    ("POST", "/collections/aliases"): ("ChangeAliasesOperation",),
    ("PUT", ""): ("CreateCollection",),
    ("PATCH", ""): ("UpdateCollection",),
    ("PUT", "index"): ("CreateFieldIndex",),
    ("PUT", "vectors/*"): ("DenseVectorNameConfig", "SparseVectorNameConfig"),
    ("POST", "points"): ("PointRequest",),
    ("POST", "points/scroll"): ("ScrollRequest",),
    ("POST", "points/count"): ("CountRequest",),
    ("POST", "facet"): ("FacetRequest",),
    ("POST", "points/query"): ("QueryRequest",),
    ("POST", "points/query/groups"): ("QueryGroupsRequest",),
    ("POST", "points/query/batch"): ("QueryRequestBatch",),
    ("POST", "points/search/matrix/pairs"): ("SearchMatrixRequest",),
    ("POST", "points/search/matrix/offsets"): ("SearchMatrixRequest",),
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
    ("PUT", "snapshots/recover"): ("SnapshotRecover",),
    ("PUT", "/quotas"): ("QuotaConfig",),
}
"""By `Request.route`: the names in ``qdrant_client.models`` of what a body can be, the likeliest first."""


@cache
def body_adapter(route: tuple[str, str]) -> TypeAdapter[Any] | None:
    """What makes qdrant-client's models of the bodies of a `Request.route`; None where they have none."""
    from pydantic import TypeAdapter
    from qdrant_client import models

    names = BODY_MODELS.get(route)
    return TypeAdapter(reduce(or_, (getattr(models, name) for name in names))) if names else None
