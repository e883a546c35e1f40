"""What a command works with: the database that the command line names, and a shell around it."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import qql
from qql.cli.commands.inputs import opened_output, params_of
from qql.cli.commands.options import Given
from qql.cli.render import ProgressBar, Renderer, wants_color
from qql.cli.repl import Shell, UsageError

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["MEMORY", "open_session", "opened_shell", "target_of"]

MEMORY = ":memory:"


def target_of(given: Given) -> str:
    """The URL or the directory to connect to. Raises `UsageError` where options contradict each other."""
    if "url" in given and "db" in given:
        raise UsageError.make("usage", "--url and --db exclude each other")
    for name in ("url", "db"):
        if given.get(name) == "":
            raise UsageError.make("usage", f"{given.flag(name)} requires a value, found an empty one")
    if "db" in given and "://" in given["db"]:
        raise UsageError.make("usage", f"--db requires a directory, found {given['db']}", hint="use --url")
    db = given.get("db") or (None if "url" in given else os.environ.get("QQL_DB"))
    url = None if db else given.get("url") or os.environ.get("QDRANT_URL")
    if url:
        return url if "://" in url else f"http://{url}"
    for name in ("api_key", "timeout", "grpc", "cloud_inference"):
        if name in given:
            raise UsageError.make("usage", f"{given.flag(name)} requires a server", hint="name it with --url")
    return db or MEMORY


def open_session(given: Given, target: str, progress: ProgressBar | None, *, advice: bool = True) -> Session:
    return qql.connect(
        target,
        api_key=given.get("api_key", os.environ.get("QDRANT_API_KEY") or None) if "://" in target else None,
        timeout=given.get("timeout"),
        grpc=given.get("grpc", False),
        cloud_inference=given.get("cloud_inference", False),
        collection=given.get("collection"),
        models=given.get("model"),
        embed_url=given.get("embed_url"),
        embed_key=given.get("embed_key"),
        rerank_model=given.get("rerank_model") or os.environ.get("QQL_RERANK_MODEL") or None,
        rerank_url=given.get("rerank_url"),
        rerank_key=given.get("rerank_key"),
        on_progress=progress,
        advice=given.get("advice", advice),
    )


def _elsewhere(given: Given, target: str, progress: ProgressBar | None) -> Session:
    """A session on another target, for ``\\c``: what belongs to the first server is not shown to another."""
    if re.fullmatch(r"[\w.-]+:[0-9]+", target):
        target = f"http://{target}"
    own = () if target == target_of(given) else ("api_key", "grpc", "cloud_inference")
    kept = Given({name: value for name, value in given.items() if name not in own})
    return open_session(kept, target, progress)


_SUFFIXES = {".json": "json", ".csv": "csv", ".md": "markdown", ".txt": "table"}


def _result_format(given: Given, file: TextIO) -> str:
    if "format" in given:
        return str(given["format"])
    if "output" in given:
        return _SUFFIXES.get(Path(given["output"]).suffix.lower(), "jsonl")
    return "table" if file.isatty() else "jsonl"


@contextlib.contextmanager
def opened_shell(given: Given, console: Renderer) -> Iterator[Shell]:
    """A connected shell; closed at the end."""
    target, params = target_of(given), params_of(given)
    bars = ProgressBar(sys.stderr, color=console.err_color)
    progress = bars if given.get("progress", sys.stderr.isatty()) else None
    with opened_output(given) as file:
        console.file = file
        console.format = _result_format(given, file)
        console.color = given.get("color", True) and wants_color(file)
        session = open_session(given, target, progress)
        shell = Shell(session, console, lambda to: _elsewhere(given, to, progress), params, progress)
        try:
            yield shell
        finally:
            shell.session.close()
