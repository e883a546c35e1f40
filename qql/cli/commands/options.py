"""The options of the command line, what a command is, and what the command line gave."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from qql.cli.repl import UsageError
from qql.errors import did_you_mean

if TYPE_CHECKING:
    from qql.cli.render import Renderer

__all__ = [
    "BODIES",
    "COMPARISON",
    "CONNECTED",
    "LINTING",
    "MANY",
    "MEASURING",
    "MODELS",
    "OFFLINE",
    "ONE",
    "OPTIONS",
    "REPORTS",
    "RERANKERS",
    "REWRITING",
    "RUNNING",
    "SEARCH",
    "TARGET",
    "Command",
    "Given",
    "Option",
    "Parser",
    "later",
]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours; ``commands`` are the words that a misspelt one may have meant."""

    commands: tuple[str, ...] = ()

    def error(self, message: str) -> NoReturn:
        if word := re.match(r"argument COMMAND: invalid choice: '(.*)' \(", message):
            hint = did_you_mean(word[1], self.commands) or f"`qql run {word[1]}` runs a file"
            raise UsageError.make("usage", f"there is no command {word[1]}", hint=hint)
        hint = f"`{self.prog} --help` shows what there is"
        if "ignored explicit argument" in message:  # as in -heart, of which -h is an option
            hint = f"what begins with `-` and is no option stands behind `--`: {self.prog} … -- -text"
        raise UsageError.make("usage", message, hint=hint)


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


class _Many(argparse.Action):
    """Collects values into a list; the list is the action's own, as with `_Pairs`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.values: list[str] = []

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        self.values.append(values)
        setattr(namespace, self.dest, self.values)


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


def _whole(low: int) -> Callable[[str], int]:
    """Reads a whole number of at least ``low``."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < low:
            raise argparse.ArgumentTypeError(f"a whole number from {low} is required, found {text}")
        return int(text)

    return read


def _part(text: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]{1,9}", text) or not float(text):
        raise argparse.ArgumentTypeError(f"a part between 0 and 1 is required, as in 0.3, found {text}")
    return float(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"a number is required, found {text}")
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
    "depth": _option(
        "comparison", "-k", "--depth", metavar="N", type=_whole(1), help="compare at most N hits of each"
    ),
    "rbo_p": _option(
        "comparison", "--rbo-p", metavar="P", type=_part, help="the p of rank-biased overlap [0.9]"
    ),
    "url_b": _option("comparison", "--url-b", metavar="URL", help="a server for the second pipeline"),
    "db_b": _option("comparison", "--db-b", metavar="DIR", help="a database for the second pipeline"),
    "exit_code": _option("comparison", "--exit-code", help="exit 1 if the results differ", **_SWITCH),
    "from": _option("search", "--from", metavar="COLLECTION", help="the collection to search"),
    "using": _option("search", "--using", metavar="VECTOR", help="the vector to search"),
    "hybrid": _option("search", "--hybrid", help="search a dense and a sparse vector, and fuse", **_SWITCH),
    "where": _option("search", "--where", metavar="CONDITION", help="only points like: priority = 'high'"),
    "threshold": _option(
        "search", "--threshold", metavar="SCORE", type=_number, help="only scores as good as this"
    ),
    "limit": _option(
        "search", "--limit", metavar="N", type=_whole(1), help="candidates [10; 50 with a second stage]"
    ),
    "top_k": _option(
        "search", "--top-k", metavar="N", type=_whole(1), help="hits shown of the candidates [10, or --limit]"
    ),
    "no_rerank": _option(
        "search", "--no-rerank", help="no second stage, though QQL_RERANK_MODEL names a model", **_SWITCH
    ),
    "rerank_field": _option(
        "search", "--rerank-field", metavar="FIELD", help="the payload field that the second stage reads"
    ),
    "payload": _option("search", "--payload", metavar="FIELD,…", help="show these payload fields only"),
    "with_vector": _option("search", "--with-vector", help="show the vectors too", **_SWITCH),
    "show": _option("search", "--show", help="print the QQL of it, and send nothing", **_SWITCH),
    "explain": _option("search", "--explain", help="show its plan: EXPLAIN", **_SWITCH),
    "analyze": _option("search", "--analyze", help="show what each stage did: EXPLAIN ANALYZE", **_SWITCH),
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
        "models",
        "--rerank-model",
        metavar="MODEL",
        help="the model of a RERANK that names none [QQL_RERANK_MODEL]",
    ),
    "rerank_url": _option("models", "--rerank-url", metavar="URL", help="a service that reranks texts"),
    "rerank_key": _option("models", "--rerank-key", metavar="KEY", help="its API key"),
    "cloud_inference": _option("models", "--cloud-inference", help="let the server embed texts", **_SWITCH),
    "queries": _option(
        "measuring", "--queries", metavar="FILE", help="the queries: JSON Lines (BEIR), or id<TAB>text (TREC)"
    ),
    "qrels": _option(
        "measuring",
        "--qrels",
        metavar="FILE",
        help="which documents are relevant to which query (BEIR, TREC)",
    ),
    "measures": _option(
        "measuring",
        *("--measure", "--measures"),
        metavar="NAMES",
        action=_Many,
        help="measures by ir-measures' names, separated by spaces [nDCG@10 R@100 RR@10]",
    ),
    "doc_id": _option(
        "measuring",
        "--doc-id",
        metavar="FIELD",
        help="the payload field that names the document (else the id)",
    ),
    "setup": _option("measuring", "--setup", metavar="FILE", help="run this script first"),
    "limit_queries": _option(
        "measuring", "--limit-queries", metavar="N", type=_whole(1), help="only the first N queries"
    ),
    "baseline": _option(
        "measuring",
        "--baseline",
        metavar="NAME",
        help="the pipeline that others are compared with [the first]",
    ),
    "stages": _option(
        "measuring", "--stages", help="show in which stage relevant documents are lost", **_SWITCH
    ),
    "per_query": _option("measuring", "--per-query", help="show the measures of each query too", **_SWITCH),
    "run_dir": _option(
        "measuring",
        "--run-dir",
        metavar="DIR",
        help="write each pipeline's ranking there, as a TREC run file",
    ),
    "on_error": _option(
        "measuring",
        "--on-error",
        metavar="DO",
        help="where a query fails: stop (as without), or skip it, which finds nothing then",
    ),
    "repeat": _option("measuring", "--repeat", metavar="N", type=_whole(1), help="ask each query N times"),
    "seconds": _option(
        "measuring", "--seconds", metavar="S", type=_seconds, help="ask for so long, whatever the number"
    ),
    "warmup": _option(
        "measuring", "--warmup", metavar="N", type=_whole(0), help="calls before those that count [10]"
    ),
    "concurrency": _option(
        "measuring", "--concurrency", metavar="N", type=_whole(1), help="calls at the same time (servers) [1]"
    ),
    "recall": _option(
        "measuring",
        "--recall",
        metavar="K",
        type=_whole(0),
        help="compare the first K hits with exact search; 0 does not [10]",
    ),
    "grid": _option(
        "measuring",
        "--grid",
        metavar="NAME=V,V…",
        action=_Many,
        help="values to try of a parameter, or of a stage's setting (dense.limit=50,100); repeatable",
    ),
    "latency": _option(
        "measuring", "--latency", metavar="P", help="what counts as a setting's time: p50 or p95 [p50]"
    ),
    "sample": _option(
        "measuring", "--sample", metavar="N", type=_whole(1), help="try N settings, drawn by chance"
    ),
    "max_settings": _option(
        "measuring",
        "--max-settings",
        metavar="N",
        type=_whole(1),
        help="the most to try without asking [200]",
    ),
    "holdout": _option(
        "measuring",
        "--holdout",
        metavar="PART",
        type=_part,
        help="keep this part of the queries apart, for proof",
    ),
    "seed": _option(
        "measuring", "--seed", metavar="N", type=_whole(0), help="where random choices start [0]"
    ),
    "format": _option("output", "--format", metavar="FORMAT", help="see below"),
    "output": _option("output", "-o", "--output", metavar="FILE", help="write results to a file"),
    "check": _option("output", "--check", help="name the scripts that would change, and exit 1", **_SWITCH),
    "write": _option("output", "--write", help="rewrite the files that change", **_SWITCH),
    "fail_on": _option(
        "output", "--fail-on", metavar="LEVEL", help="exit 1 for a warning, or for advice too"
    ),
    "disable": _option(
        "output", "--disable", metavar="CODE", action=_Many, help="leave this advice out; repeatable"
    ),
    "rules": _option("output", "--rules", help="show all rules", **_SWITCH),
    "rule": _option("output", "--rule", metavar="CODE", help="show what a rule says, and why"),
    "color": _option(
        "output", "--no-color", dest="color", action="store_false", help="no colours [NO_COLOR]"
    ),
    "progress": _option(
        "output",
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show how far a long statement is (else: on a terminal)",
    ),
    "advice": _option(
        "output", "--no-advice", dest="advice", action="store_false", help="no advice among the warnings"
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
COMPARISON = ("depth", "rbo_p", "url_b", "db_b", "exit_code")
SEARCH = (
    *("from", "using", "hybrid", "where", "threshold", "limit", "top_k", "no_rerank", "rerank_field"),
    *("payload", "with_vector", "show", "explain", "analyze"),
)
REWRITING = ("check", "write")
LINTING = ("fail_on", "disable", "rules", "rule")
OFFLINE = ("text", "collection", "param", "model", "color", "quiet")
CONNECTED = ("collection", "param", *TARGET, *MODELS, "output", "format", "color", "progress", "quiet")
RUNNING = ("text", *CONNECTED, "advice")
MEASURING = (*CONNECTED, "setup", "queries", "limit_queries", "doc_id")
REPORTS = ("table", "vertical", "markdown", "json", "jsonl", "csv")
"""The formats of what is measured."""
MANY = "*"
ONE = "?"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what runs it and gives the exit code, and what ``--help`` says of it.

    ``options`` are names of `OPTIONS`, ``formats`` the values of ``--format``, ``files`` the number of
    positional arguments as argparse writes it, ``takes`` their name and what they are, ``about`` what there
    is to say beside that.
    """

    run: Callable[[Given, Renderer], int]
    help: str
    options: tuple[str, ...]
    formats: tuple[str, ...] = ()
    files: str = ONE
    takes: tuple[str, str] = ("FILE", "a script; `-` is standard input")
    about: str = ""


def later(module: str, name: str) -> Callable[[Given, Renderer], int]:
    """A command of a module of this package, which is loaded when the command is run: ``--help`` is quick."""

    def run(given: Given, console: Renderer) -> int:
        code: int = getattr(import_module(f"qql.cli.commands.{module}"), name)(given, console)
        return code

    return run


class Given(dict[str, Any]):
    """What the command line gave, by the name of the value; what it did not give is not there."""

    def flag(self, name: str) -> str:
        """The spelling of an option, for messages."""
        return OPTIONS[name].flags[-1]
