"""From the name of a target to a session on its engine."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial

from qql.allowed import host_entry, parse_allowed
from qql.backends.base import Backend, Progress
from qql.compiler.context import MODELS, STAGES, Stages, make_context
from qql.compiler.named_models import models_in
from qql.errors import QQLConnectionError, fail
from qql.flows import active
from qql.kinds import FLAG, FUNCTION, TEXT, Kind, mapping_of, require_kinds
from qql.late import cast, late_pattern
from qql.models.embedders import Embedder, Embedders
from qql.models.embedders import Function as EmbedFunction
from qql.models.rerankers import Function as RerankFunction
from qql.models.rerankers import Reranker, Rerankers
from qql.records import replace
from qql.rest.addresses import public_url
from qql.session.external import External
from qql.session.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.backends.client import ClientBackend
    from qql.compiler.plan import Context

__all__ = ["connect", "engine_apart"]

_INSTEAD = "a directory or :memory: does without"

_BY_NAME: dict[str, Kind] = {
    "embedders": mapping_of("functions or embedders", lambda one: callable(one) or hasattr(one, "embed")),
    "rerankers": mapping_of("functions or rerankers", lambda one: callable(one) or hasattr(one, "score")),
    "models": MODELS,
    "stages": STAGES,
}
_KINDS: dict[str, Kind] = _BY_NAME | {
    **dict.fromkeys(("grpc", "cloud_inference", "advice", "count", "read_only", "safe"), FLAG),
    **dict.fromkeys(
        ("collection", "embed_url", "embed_key", "rerank_model", "rerank_url", "rerank_key"), TEXT
    ),
    "api_key": TEXT,
    "grpc_port": Kind("a whole number", lambda port: isinstance(port, int) and not isinstance(port, bool)),
    "on_progress": FUNCTION,
    "trace": Kind(
        "True or a TracerProvider", lambda given: isinstance(given, bool) or hasattr(given, "get_tracer")
    ),
}
"""What the arguments of `connect` may be; the others are looked at where they are used."""

_SERVER = late_pattern(r"(?:https?|grpcs?)://", re.I)
_APART: ContextVar[bool] = ContextVar("qql_engine_apart", default=False)
_NO_DIRECTORY = late_pattern(r"\w{2,}://|[\w.-]+:[0-9]+$|[^/\\]+:[^/\\]*@")


def connect(
    target: object = ":memory:",
    *,
    api_key: str | None = None,
    timeout: float | None = None,
    retries: int | None = None,
    grpc: bool = False,
    grpc_port: int | None = None,
    cloud_inference: bool = False,
    assume_version: str | None = None,
    collection: str | None = None,
    stages: Stages | None = None,
    models: Mapping[str, str] | None = None,
    embedders: Mapping[str, EmbedFunction | Embedder] | None = None,
    embed_url: str | None = None,
    embed_key: str | None = None,
    rerankers: Mapping[str, RerankFunction | Reranker] | None = None,
    rerank_model: str | None = None,
    rerank_url: str | None = None,
    rerank_key: str | None = None,
    on_progress: Progress | None = None,
    advice: bool = True,
    count: bool = False,
    read_only: bool = False,
    trace: object = None,
    safe: bool = False,
    allow: Iterable[str] = (),
) -> Session:
    """Open a session.

    ``target`` is a directory (the embedded engine; where it is missing nothing is made before the first
    CREATE COLLECTION or RESTORE SNAPSHOT), ``":memory:"`` (the same, thrown away at the end),
    ``http(s)://host:port`` or ``grpc(s)://host:port`` (a server), or an existing
    ``qdrant_client.QdrantClient``. ``api_key``, ``timeout``, ``grpc``, ``grpc_port`` and ``cloud_inference``
    are for servers. ``grpc`` at an http address means the port after that of REST, once the same server has
    turned out to be there; ``grpc_port`` names the port. ``timeout`` is how many seconds queries (else 5)
    and writes of points (else 60) may take; CREATE, DROP and their like have 5 minutes, or ``timeout`` where
    it is longer, and indexes and snapshots as long as they take. Within that time a request that fails
    and may pass is sent again, ``retries`` times (else 3; 0: never): what reads, and what does no harm if
    it is carried out twice. ``assume_version`` (``"1.18"``) is the server's version where it does not
    tell it: what it lacks is refused before anything is sent. ``embedders`` adds models of your own: name
    → function (list of texts → vectors), and ``rerankers`` such for RERANK: name → function (query, list
    of texts → scores); ``rerank_model`` is the model of a RERANK that names none. ``advice`` puts what
    could be better about a statement among the warnings of its result, each advice once. ``count`` has
    the points counted that DELETE, UPDATE and CLEAR change (`Result.matched`), by one more request before
    each. ``trace`` tells OpenTelemetry what each statement does (``qql.session.tracing``): True by the
    program's own ``TracerProvider``, or one of those. ``read_only`` refuses whatever writes to the database,
    before anything is sent (`QQLRefusedError`; `Session.read_only` may be changed later). DUMP writes a file
    alone, so it may; `Session.client` is Qdrant's own client, and asks nobody.

    ``safe`` lets statements reach nothing beside the database: no file, no address, and no model but those
    of the program and of the caller (``embedders``, ``models``), unless ``allow`` has it: ``folder:DIR``,
    ``host:NAME[:PORT]``, ``model:NAME`` with ``*`` for anything. Without ``safe``, ``allow`` names the hosts
    of models whose addresses a collection's metadata has: what the caller has not written is not called.

    ``collection`` is what statements without FROM work on, as after USE, and ``stages`` (name → text or tree)
    are known as after DEFINE. ``models`` names a model for each vector that has none of its own (``"*"``: for
    any dense one). ``embed_url`` is where ``openai/NAME`` is served, ``rerank_url`` the same for ``cohere/``,
    ``jina/``, ``voyage/`` and ``tei/``; ``embed_key`` and ``rerank_key`` are the keys. ``on_progress`` is
    called, while COPY, OPTIMIZE and their like work, with what is done in words, how much of it is done, and
    how much there is (None: not known).

    Raises `QQLConnectionError` where nothing can be opened and for an option that the target has no use for,
    `QQLSyntaxError` for a bad stage, ``TypeError`` for an argument of another kind.
    """
    require_kinds(locals(), _KINDS)
    context = replace(make_context(collection, stages, models), reranker=rerank_model)
    functions = [*(embedders or ()), *(rerankers or ())]
    external = _external(context, allow, safe, [embed_url, rerank_url], functions)
    permit = external.require_model
    reranking = Rerankers(rerankers, url=rerank_url, api_key=rerank_key, permit=permit)
    embedding = Embedders(embedders, url=embed_url, api_key=embed_key, permit=permit)
    options = {
        "api_key": api_key or None,
        "timeout": timeout,
        "retries": retries,
        "grpc": grpc or None,
        "grpc_port": grpc_port,
        "cloud_inference": cloud_inference or None,
        "assume_version": assume_version,
    }
    given = {name: value for name, value in options.items() if value is not None}
    backend = _open_backend(target, given)
    shown = str(target) if isinstance(target, (str, os.PathLike)) else type(target).__name__
    make: Callable[..., Session] = Session
    if trace is not None and trace is not False:
        from qql.session.tracing import TracedSession

        make = partial(TracedSession, provider=trace)
    session = make(
        backend,
        context,
        embedding,
        reranking,
        target=shown,
        on_progress=on_progress,
        advice=advice,
        count=count,
    )
    session.read_only, session._external = read_only, external
    return session


def _external(
    context: Context, allow: Iterable[str], safe: bool, urls: list[str | None], functions: list[str]
) -> External:
    """What the caller lets text reach: what is allowed, and the models that come from the caller."""
    if isinstance(allow, str):
        raise TypeError(f"allow requires a list of texts, not {allow!r:.40}")
    hosts = [f"host:{host_entry(url)}" for url in urls if url]
    own = [*functions, *context.models.values(), *filter(None, [context.reranker])]
    return External(
        parse_allowed([*allow, *hosts]), safe=safe, own=[*own, *models_in(context.stages.values())]
    )


def _open_backend(target: object, options: Mapping[str, Any]) -> Backend:
    if hasattr(target, "call") and hasattr(target, "infers"):
        _refuse_unused(options, (), "a backend has its own settings")
        if active():
            from qql.backends.threaded import ThreadedBackend

            return ThreadedBackend(cast(Backend, target))
        return cast(Backend, target)
    if isinstance(target, str) and _SERVER.match(target):
        return _client_backend().connect(target, **options)
    if not isinstance(target, (str, os.PathLike)):
        own = ("cloud_inference", "assume_version", "retries")
        _refuse_unused(options, own, "a QdrantClient has its own settings")
        return _client_backend()(cast("Any", target), **options)  # it refuses whatever is no client
    if isinstance(target, str) and _NO_DIRECTORY.match(target):
        fail(
            "invalid-url",
            f"{public_url(target)} is no address of a server",
            hint="a server's address begins with http://, https://, grpc:// or grpcs://",
            error=QQLConnectionError,
        )
    # A timeout is kept in any case: nothing is waited for, and nothing is sent again.
    _refuse_unused(options, ("timeout", "retries"), "the embedded engine is no server")
    directory = None if target == ":memory:" else target
    if active():
        from qql.missing import needed_for

        with needed_for("the embedded engine", "qdrant_edge", error=QQLConnectionError):
            from qql.backends.edge.worker import EngineProcess
        return EngineProcess(directory)
    try:
        if _APART.get():
            from qql.backends.edge.apart import EngineApart

            return EngineApart(directory)
        from qql.backends.edge import EdgeBackend
    except ImportError as exc:
        from qql.missing import missing

        raise missing(exc, "the embedded engine", error=QQLConnectionError) from exc
    return EdgeBackend(directory)


@contextlib.contextmanager
def engine_apart() -> Iterator[None]:
    """Within it, `connect` starts an embedded engine in a process of its own: Ctrl-C does not wait for it."""
    before = _APART.set(True)
    try:
        yield
    finally:
        _APART.reset(before)


def _client_backend() -> type[ClientBackend]:
    from qql.missing import needed_for

    with needed_for("a server", "qdrant_client", instead=_INSTEAD, error=QQLConnectionError):
        from qql.backends.client import ClientBackend
    return ClientBackend


def _refuse_unused(options: Mapping[str, object], known: tuple[str, ...], why: str) -> None:
    for name in options:
        if name not in known:
            fail(
                "idle-option",
                f"{name} has no use here: {why}",
                hint=f"{name} goes with the address of a server, http://host:6333",
                error=QQLConnectionError,
            )
