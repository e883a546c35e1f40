"""The database that the command line names, and a session on it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import qql
from qql.cli.commands.default_models import default_model, rerank_model_of
from qql.cli.commands.options import TARGET, Arguments
from qql.cli.render import ProgressBar
from qql.cli.usage import UsageError

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = [
    "MEMORY",
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
        raise UsageError.make("usage", f"--db requires a directory, found {args['db']}", hint="use --url")
    db = args.get("db") or (None if "url" in args else os.environ.get("QQL_DB"))
    url = None if db else args.get("url") or os.environ.get("QDRANT_URL")
    if url:
        return url if "://" in url else f"http://{url}"
    for name in ("api_key", "timeout", "retries", "grpc", "cloud_inference"):
        if name in args:
            raise UsageError.make("usage", f"{args.flag(name)} requires a server", hint="name it with --url")
    return db or MEMORY


def open_session(
    args: Arguments, target: str, progress: ProgressBar | None = None, *, advice: bool = True
) -> Session:
    """A session on a target, with the settings of the command line. Raises `QQLConnectionError`."""
    session = qql.connect(
        target,
        api_key=args.get("api_key", os.environ.get("QDRANT_API_KEY") or None) if "://" in target else None,
        timeout=args.get("timeout"),
        retries=args.get("retries"),
        grpc=args.get("grpc", False),
        cloud_inference=args.get("cloud_inference", False),
        collection=args.get("collection"),
        models=args.get("model"),
        embed_url=args.get("embed_url"),
        embed_key=args.get("embed_key"),
        rerank_model=rerank_model_of(args),
        rerank_url=args.get("rerank_url"),
        rerank_key=args.get("rerank_key"),
        on_progress=progress,
        advice=args.get("advice", advice),
        count=True,
    )
    session.context.default_model = default_model()
    if "://" not in target:
        from qql.backends.edge.panic_text import hold_panics

        hold_panics()
    return session


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
        if option in args:
            raise UsageError.make("usage", f"{args.flag(option)} requires --url or --db")
    yield None


def open_other_session(args: Arguments, target: str, progress: ProgressBar | None) -> Session:
    """A session on another target, for ``\\c``: what belongs to the first server is not shown to another."""
    if re.fullmatch(r"[\w.-]+:[0-9]+", target):
        target = f"http://{target}"
    own = () if target == target_of(args) else ("api_key", "grpc", "cloud_inference")
    kept = Arguments({name: value for name, value in args.items() if name not in own})
    return open_session(kept, target, progress)
