"""The database that the command line names, and a session on it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

import qql
from qql.cli.commands.default_models import default_model, rerank_model_of
from qql.cli.commands.options import SERVER, TARGET, Arguments
from qql.cli.usage import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.cli.render import ProgressBar
    from qql.session.server_gaps import Gaps
    from qql.session.session import Session

__all__ = [
    "MEMORY",
    "LateSession",
    "gaps_by",
    "open_known_database",
    "open_other_session",
    "open_session",
    "target_of",
]

MEMORY = ":memory:"


def target_of(args: Arguments) -> str:
    """The URL or the directory to connect to. Raises `UsageError` where options contradict each other."""
    if "url" in args and "db" in args:
        raise UsageError.make("usage", "--url and --db exclude each other")
    for name in ("url", "db"):
        if args.get(name) == "":
            raise UsageError.make("usage", f"{args.flag(name)} requires a value, found an empty one")
    if "db" in args and "://" in args["db"]:
        from qql.rest.addresses import public_url

        found = public_url(args["db"])
        raise UsageError.make("usage", f"--db requires a directory, found {found}", hint="use --url")
    db = args.get("db") or (None if "url" in args else os.environ.get("QQL_DB"))
    url = None if db else args.get("url") or os.environ.get("QDRANT_URL")
    if url:
        return url if "://" in url else f"http://{url}"
    for name in SERVER:
        if name in args:
            raise UsageError.make("usage", f"{args.flag(name)} requires a server", hint="name it with --url")
    return db or MEMORY


def open_session(
    args: Arguments, target: str, progress: ProgressBar | None = None, *, advice: bool = True
) -> Session:
    """A session on a target, with the settings of the command line. Raises `QQLConnectionError`."""
    # At the prompt Ctrl-C has to reach a statement, which the engine would not let it do in this process.
    if args.get("apart"):
        from qql.session.connect import engine_apart

        with engine_apart():
            session = _connected(args, target, progress, advice)
    else:
        session = _connected(args, target, progress, advice)
    session.context.default_model = default_model()
    if "://" not in target:
        from qql.backends.edge.panic_text import hold_panics

        hold_panics()
    return session


def _connected(args: Arguments, target: str, progress: ProgressBar | None, advice: bool) -> Session:
    return qql.connect(
        target,
        api_key=args.get("api_key", os.environ.get("QDRANT_API_KEY") or None) if "://" in target else None,
        timeout=args.get("timeout"),
        retries=args.get("retries"),
        grpc=args.get("grpc", False),
        grpc_port=args.get("grpc_port"),
        cloud_inference=args.get("cloud_inference", False),
        assume_version=args.get("assume_version"),
        collection=args.get("collection"),
        models=args.get("model"),
        embedders=args.get("embedder"),
        embed_url=args.get("embed_url"),
        embed_key=args.get("embed_key"),
        rerankers=args.get("reranker"),
        rerank_model=rerank_model_of(args),
        rerank_url=args.get("rerank_url"),
        rerank_key=args.get("rerank_key"),
        on_progress=progress,
        advice=args.get("advice", advice),
        count=True,
        read_only=args.get("read_only", False),
        safe=args.get("safe", False),
        allow=args.get("allow", ()),
    )


class LateSession:
    """A session on a database in memory, opened when more than its name is asked for."""

    target = MEMORY

    def __init__(self, args: Arguments, progress: ProgressBar | None) -> None:
        from threading import Lock

        self._args, self._progress = args, progress
        self._session: Session | None = None
        self._opening = Lock()  # what reads in the background asks for it, too

    @property
    def read_only(self) -> bool:
        """What the session is to be, or is."""
        return self._args.get("read_only", False) if self._session is None else self._session.read_only

    @property
    def is_open(self) -> bool:
        """Whether it was asked for more than its name."""
        return self._session is not None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened(), name)

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:  # what is set is meant for the session, and not for what stands in its place
            setattr(self._opened(), name, value)

    def _opened(self) -> Session:
        with self._opening:
            if self._session is None:
                self._session = open_session(self._args, MEMORY, self._progress)
            return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


@contextlib.contextmanager
def open_known_database(args: Arguments) -> Iterator[Session | None]:
    """A session on the database that ``--url`` or ``--db`` names; without them None, and nothing is sent.

    Raises `UsageError` where there is an option of a database, and no database.
    """
    if {"url", "db"} & args.keys():
        session = open_session(args, target_of(args))
        try:
            yield session
        finally:
            session.close()
        return
    for option in TARGET:
        if option in args and option != "assume_version":  # which says what to reckon with, too
            raise UsageError.make("usage", f"{args.flag(option)} requires --url or --db")
    yield None


def gaps_by(args: Arguments, session: Session | None) -> Gaps | None:
    """What the server lacks that is connected to, or that ``--assume-version`` speaks of; None without."""
    from qql.session.server_gaps import gaps_for, gaps_of

    if session is not None:
        return gaps_of(session.backend)
    return gaps_for(args["assume_version"]) if "assume_version" in args else None


def open_other_session(args: Arguments, target: str, progress: ProgressBar | None) -> Session:
    """A session on another target, for ``\\c``: what belongs to the first server is not shown to another."""
    if re.fullmatch(r"[\w.-]+:[0-9]+", target):
        target = f"http://{target}"
    same = target == target_of(args)
    own = [] if same else [name for name in SERVER if name not in ("timeout", "retries")]
    kept = Arguments({name: value for name, value in args.items() if name not in own})
    return open_session(kept, target, progress)
