"""The options of the command line, what a command is, and what the command line gave."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from qql.errors import did_you_mean
from qql.repl import UsageError

if TYPE_CHECKING:
    from qql.render import Renderer

__all__ = [
    "BODIES",
    "CONNECTED",
    "MANY",
    "MODELS",
    "OFFLINE",
    "ONE",
    "OPTIONS",
    "RERANKERS",
    "REWRITING",
    "RUNNING",
    "TARGET",
    "Command",
    "Given",
    "Option",
    "Parser",
]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours; ``commands`` are the words that a misspelt one may have meant."""

    commands: tuple[str, ...] = ()

    def error(self, message: str) -> NoReturn:
        if word := re.match(r"argument COMMAND: invalid choice: '(.*)' \(", message):
            hint = did_you_mean(word[1], self.commands) or f"`qql run {word[1]}` runs a file"
            raise UsageError.make("usage", f"there is no command {word[1]}", hint=hint)
        raise UsageError.make("usage", message, hint=f"`{self.prog} --help` shows what there is")


class _Pairs(argparse.Action):
    """Collects NAME=VALUE into a dict.

    The dict is the action's own: the parser of a command starts with an empty namespace, and what was given
    before the command must not be lost.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.pairs: dict[str, str] = {}

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        name, equals, value = values.partition("=")
        if not name or not equals:
            parser.error(f"{option} requires {self.metavar}, found {values!r}")
        self.pairs[name] = value
        setattr(namespace, self.dest, self.pairs)


class _Once(argparse.Action):
    """Stores a value, and refuses a second one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.taken = False

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        if self.taken:
            parser.error(f"{option} was already given; one text may hold several statements")
        self.taken = True
        setattr(namespace, self.dest, values)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of seconds above 0 is required, found {text}")
    return value


@dataclass(frozen=True, slots=True)
class Option:
    """An option: the group of ``--help`` it stands in, its flags, and the settings of argparse for it."""

    group: str
    flags: tuple[str, ...]
    settings: dict[str, Any]


def _option(group: str, *flags: str, **settings: Any) -> Option:
    return Option(group, flags, settings)


_SWITCH = {"action": "store_true"}
OPTIONS = {
    "text": _option(
        "statements", "-c", "--command", metavar="TEXT", action=_Once, help="take this, not a file"
    ),
    "collection": _option(
        "statements", "--collection", metavar="NAME", help="where statements work that name no collection"
    ),
    "method": _option(
        "statements", "--method", metavar="METHOD", help="what a body is sent by that names no method"
    ),
    "path": _option(
        "statements", "--path", metavar="PATH", help="where a body is sent to that names no path"
    ),
    "param": _option(
        "statements",
        "--param",
        metavar="NAME=VALUE",
        action=_Pairs,
        help="the value of :NAME (1=VALUE: of the first `?`), as JSON or text; repeatable",
    ),
    "url": _option("target", "--url", metavar="URL", help="a Qdrant server [QDRANT_URL]"),
    "api_key": _option("target", "--api-key", metavar="KEY", help="its API key [QDRANT_API_KEY]"),
    "db": _option("target", "--db", metavar="DIR", help="a database in a directory [QQL_DB]"),
    "timeout": _option(
        "target", "--timeout", metavar="S", type=_seconds, help="seconds to wait for an answer"
    ),
    "grpc": _option("target", "--grpc", help="talk gRPC to the server", **_SWITCH),
    "model": _option(
        "models", "--model", metavar="VECTOR=MODEL", action=_Pairs, help="the model of a vector; repeatable"
    ),
    "embed_url": _option("models", "--embed-url", metavar="URL", help="a service that embeds texts"),
    "embed_key": _option("models", "--embed-key", metavar="KEY", help="its API key"),
    "rerank_model": _option(
        "models", "--rerank-model", metavar="MODEL", help="the model of a RERANK that names none"
    ),
    "rerank_url": _option("models", "--rerank-url", metavar="URL", help="a service that reranks texts"),
    "rerank_key": _option("models", "--rerank-key", metavar="KEY", help="its API key"),
    "cloud_inference": _option("models", "--cloud-inference", help="let the server embed texts", **_SWITCH),
    "format": _option("output", "--format", metavar="FORMAT", help="see below"),
    "output": _option("output", "-o", "--output", metavar="FILE", help="write results to a file"),
    "check": _option("output", "--check", help="name the scripts that would change, and exit 1", **_SWITCH),
    "write": _option("output", "--write", help="rewrite the files that change", **_SWITCH),
    "color": _option(
        "output", "--no-color", dest="color", action="store_false", help="no colours [NO_COLOR]"
    ),
    "progress": _option(
        "output",
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show how far a long statement is (else: on a terminal)",
    ),
    "quiet": _option(
        "output", "-q", "--quiet", help="no notes, no messages of statements without rows", **_SWITCH
    ),
}
"""Every option of every command, by the name of its value."""

# Options that go together, for the table of commands.
TARGET = ("url", "api_key", "db", "timeout", "grpc")
RERANKERS = ("rerank_model", "rerank_url", "rerank_key")
MODELS = ("model", "embed_url", "embed_key", *RERANKERS, "cloud_inference")
BODIES = ("method", "path")
REWRITING = ("check", "write")
OFFLINE = ("text", "collection", "param", "model", "color", "quiet")
CONNECTED = ("collection", "param", *TARGET, *MODELS, "output", "format", "color", "progress", "quiet")
RUNNING = ("text", *CONNECTED)
MANY = "*"
ONE = "?"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what runs it and gives the exit code, and what ``--help`` says of it.

    ``options`` are names of `OPTIONS`, ``formats`` the values of ``--format``, ``files`` the number of
    positional arguments as argparse writes it, ``takes`` their name and what they are.
    """

    run: Callable[[Given, Renderer], int]
    help: str
    options: tuple[str, ...]
    formats: tuple[str, ...] = ()
    files: str = ONE
    takes: tuple[str, str] = ("FILE", "a script; `-` is standard input")


class Given(dict[str, Any]):
    """What the command line gave, by the name of the value; what it did not give is not there."""

    def flag(self, name: str) -> str:
        """The spelling of an option, for messages."""
        return OPTIONS[name].flags[-1]
