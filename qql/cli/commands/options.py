"""The options of the command line, and the arguments that it gave."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from qql.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict, Unpack

    class OptionSettings(TypedDict, total=False):
        """What there is to say of an option: as to argparse, with collectors, and ``either`` for --no-X."""

        action: str | type[Collector]
        metavar: str
        type: Callable[[str], object]
        help: str


__all__ = [
    "BODIES",
    "COMPARISON",
    "CONNECTED",
    "KEYS",
    "LINTING",
    "MEASURING",
    "MODELS",
    "OFFLINE",
    "OPTIONS",
    "PROFILE",
    "RECORDING",
    "REPORTS",
    "RERANKERS",
    "REWRITING",
    "RUNNING",
    "SEARCH",
    "SERVER",
    "TARGET",
    "Arguments",
    "Collector",
    "Option",
]


class Collector:
    """What an option does with its values, beside keeping the last; one for each reading of the arguments."""

    def take(self, value: str) -> object:
        """The value of the option with this one. Raises ValueError with words behind the option's name."""
        raise NotImplementedError


class _Pairs(Collector):
    """Collects NAME=VALUE into a dict."""

    metavar = "NAME=VALUE"

    def __init__(self) -> None:
        self._pairs: dict[str, str] = {}

    def take(self, value: str) -> object:
        name, equals, held = value.partition("=")
        if not name or not equals:
            raise ValueError(f"requires {self.metavar}, found {value!r}")
        self._pairs = {**self._pairs, name: held}
        return self._pairs


class _Models(_Pairs):
    """The same; a value alone is that of ``*``, every dense vector."""

    metavar = "VECTOR=MODEL"

    def take(self, value: str) -> object:
        return super().take(value if "=" in value or not value else f"*={value}")


class _Many(Collector):
    """Collects values into a list."""

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()

    def take(self, value: str) -> object:
        self._values = (*self._values, value)
        return [*self._values]


class _Once(Collector):
    """Takes a value, and refuses a second one."""

    _taken = False

    def take(self, value: str) -> object:
        if self._taken:
            raise ValueError("was already given; one text may hold several statements")
        self._taken = True
        return value


def _unfit(message: str) -> Exception:
    """What argparse shows of a value that an option does not take."""
    from argparse import ArgumentTypeError

    return ArgumentTypeError(message)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise _unfit(f"a number of seconds above 0 is required, found {text}")
    return value


def _server_version(text: str) -> str:
    from qql.backends.features.gaps import assumed_version
    from qql.errors import QQLError

    try:
        assumed_version(text)
    except QQLError as exc:
        raise _unfit(exc.message) from None
    return text


def _integer(low: int) -> Callable[[str], int]:
    """Reads a whole number of at least ``low``."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < low:
            raise _unfit(f"a whole number from {low} is required, found {text}")
        return int(text)

    return read


def _fraction(text: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]{1,9}", text) or not float(text):
        raise _unfit(f"a part between 0 and 1 is required, as in 0.3, found {text}")
    return float(text)


def _one_of(*words: str) -> Callable[[str], str]:
    """Reads one of some words."""

    def read(text: str) -> str:
        if text not in words:
            raise _unfit(f"{' or '.join(words)} is required, found {text}")
        return text

    return read


def _finite_number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _unfit(f"a number is required, found {text}")
    return value


@dataclass(frozen=True, slots=True)
class Option:
    """An option: the group of ``--help`` it stands in, its flags, and the settings of argparse for it."""

    group: str
    flags: tuple[str, ...]
    settings: OptionSettings


def _value_option(group: str, *flags: str, **settings: Unpack[OptionSettings]) -> Option:
    return Option(group, flags, settings)


def _switch(group: str, *flags: str, help: str) -> Option:
    return Option(group, flags, {"action": "store_true", "help": help})


def _key_option(group: str, flag: str, *, hidden: str) -> Option:
    """The option of a key; ``hidden`` is the variable that gives it too."""
    about = f"its API key, for all to see in `ps`; unseen: {hidden}, {flag}-file, or `-`, which asks for it"
    return _value_option(group, flag, metavar="KEY", help=about)


def _key_file_option(group: str, flag: str) -> Option:
    return _value_option(group, flag, metavar="FILE", help="a file that holds its API key and nothing else")


OPTIONS = {
    "text": _value_option(
        "statements", "-c", "--command", metavar="TEXT", action=_Once, help="take this, not a file"
    ),
    "yes": _switch(
        "statements", "--yes", help="do not ask; carry out what destroys something in a protected profile too"
    ),
    "go_on": _switch(
        "statements", "--continue", help="go on after a statement that fails; exit with the highest code"
    ),
    "collection": _value_option(
        "statements", "--collection", metavar="NAME", help="where statements work that name no collection"
    ),
    "method": _value_option(
        "statements", "--method", metavar="METHOD", help="what a body is sent by that names no method"
    ),
    "path": _value_option(
        "statements", "--path", metavar="PATH", help="where a body is sent to that names no path"
    ),
    "param": _value_option(
        "statements",
        "--param",
        metavar=_Pairs.metavar,
        action=_Pairs,
        help="the value of :NAME (1=VALUE: of the first `?`), as JSON or text; repeatable",
    ),
    "depth": _value_option(
        "comparison", "-k", "--depth", metavar="N", type=_integer(1), help="compare at most N hits of each"
    ),
    "rbo_p": _value_option(
        "comparison", "--rbo-p", metavar="P", type=_fraction, help="the p of rank-biased overlap [0.9]"
    ),
    "url_b": _value_option("comparison", "--url-b", metavar="URL", help="a server for the second pipeline"),
    "db_b": _value_option("comparison", "--db-b", metavar="DIR", help="a database for the second pipeline"),
    "exit_code": _switch("comparison", "--exit-code", help="exit 1 if the results differ"),
    "from": _value_option("search", "--from", metavar="COLLECTION", help="the collection to search"),
    "using": _value_option("search", "--using", metavar="VECTOR", help="the vector to search"),
    "hybrid": _switch("search", "--hybrid", help="search a dense and a sparse vector, and fuse"),
    "where": _value_option(
        "search", "--where", metavar="CONDITION", help="only points like: priority = 'high'"
    ),
    "threshold": _value_option(
        "search", "--threshold", metavar="SCORE", type=_finite_number, help="only scores as good as this"
    ),
    "limit": _value_option(
        "search", "--limit", metavar="N", type=_integer(1), help="candidates [10; 50 with a second stage]"
    ),
    "top_k": _value_option(
        "search",
        "--top-k",
        metavar="N",
        type=_integer(1),
        help="hits shown of the candidates [10, or --limit]",
    ),
    "no_rerank": _switch(
        "search", "--no-rerank", help="no second stage, though QQL_RERANK_MODEL names a model"
    ),
    "rerank_field": _value_option(
        "search", "--rerank-field", metavar="FIELD", help="the payload field that the second stage reads"
    ),
    "payload": _value_option("search", "--payload", metavar="FIELD,…", help="show these payload fields only"),
    "with_vector": _switch("search", "--with-vector", help="show the vectors too"),
    "show": _switch("search", "--show", help="print the QQL of it, and send nothing"),
    "explain": _switch("search", "--explain", help="show its plan: EXPLAIN"),
    "analyze": _switch("search", "--analyze", help="show what each stage did: EXPLAIN ANALYZE"),
    "why_not": _value_option(
        "search", "--why-not", metavar="CONDITION", help="why points with this are no hits: WHY NOT WHERE"
    ),
    "profile": _value_option(
        "target", "-p", "--profile", metavar="NAME", help="the connection of this name in config.toml"
    ),
    "read_only": _switch("target", "--read-only", help="refuse whatever writes to the database"),
    "url": _value_option("target", "--url", metavar="URL", help="a Qdrant server [QDRANT_URL]"),
    "api_key": _key_option("target", "--api-key", hidden="QDRANT_API_KEY"),
    "api_key_file": _key_file_option("target", "--api-key-file"),
    "db": _value_option("target", "--db", metavar="DIR", help="a database in a directory [QQL_DB]"),
    "timeout": _value_option(
        "target",
        "--timeout",
        metavar="S",
        type=_seconds,
        help="seconds that a query [5] and a write of points [60] may take; what builds has its time",
    ),
    "retries": _value_option(
        "target",
        "--retries",
        metavar="N",
        type=_integer(0),
        help="how often to send again, within --timeout, what does no harm [3]",
    ),
    "grpc": _switch("target", "--grpc", help="talk gRPC to the server"),
    "grpc_port": _value_option(
        "target",
        "--grpc-port",
        metavar="PORT",
        type=_integer(1),
        help="talk gRPC at this port [that of REST + 1, if the same server is there]",
    ),
    "assume_version": _value_option(
        "target",
        "--assume-version",
        metavar="VERSION",
        type=_server_version,
        help="take the server to be of this version, as 1.18: what it lacks is refused",
    ),
    "model": _value_option(
        "models",
        "--model",
        metavar=_Models.metavar,
        action=_Models,
        help="the model of a vector; MODEL alone: of every dense one; repeatable [QQL_MODEL: of HYBRID]",
    ),
    "embed_url": _value_option("models", "--embed-url", metavar="URL", help="a service that embeds texts"),
    "embed_key": _key_option("models", "--embed-key", hidden="QQL_EMBEDDINGS_API_KEY"),
    "embed_key_file": _key_file_option("models", "--embed-key-file"),
    "rerank_model": _value_option(
        "models",
        "--rerank-model",
        metavar="MODEL",
        help="the model of a RERANK that names none [QQL_RERANK_MODEL]",
    ),
    "rerank_url": _value_option("models", "--rerank-url", metavar="URL", help="a service that reranks texts"),
    "rerank_key": _key_option("models", "--rerank-key", hidden="QQL_RERANK_API_KEY"),
    "rerank_key_file": _key_file_option("models", "--rerank-key-file"),
    "cloud_inference": _switch("models", "--cloud-inference", help="let the server embed texts"),
    "queries": _value_option(
        "measuring",
        "--queries",
        metavar="FILE",
        help="the queries: JSON Lines (BEIR), id<TAB>text or XML (TREC), Quepid, UBI",
    ),
    "qrels": _value_option(
        "measuring",
        "--qrels",
        metavar="FILE",
        help="which documents are relevant to which query (BEIR, TREC, Quepid, UBI)",
    ),
    "min_impressions": _value_option(
        "measuring",
        "--min-impressions",
        metavar="N",
        type=_integer(1),
        help="of events of UBI as judgements: how often a document has to have been shown [10]",
    ),
    "measures": _value_option(
        "measuring",
        *("--measure", "--measures"),
        metavar="NAMES",
        action=_Many,
        help="measures by ir-measures' names, separated by spaces [nDCG@10 R@100 RR@10]",
    ),
    "doc_id": _value_option(
        "measuring",
        "--doc-id",
        metavar="FIELD",
        help="the payload field that names the document (else the id)",
    ),
    "setup": _value_option("measuring", "--setup", metavar="FILE", help="run this script first"),
    "limit_queries": _value_option(
        "measuring", "--limit-queries", metavar="N", type=_integer(1), help="only the first N queries"
    ),
    "ties": _value_option(
        "measuring",
        "--ties",
        metavar="ORDER",
        help="the order of equal scores: id (of the point), doc (as trec_eval), best, worst [id]",
    ),
    "baseline": _value_option(
        "measuring",
        "--baseline",
        metavar="NAME",
        help="the pipeline that others are compared with [the first]",
    ),
    "stages": _switch(
        "measuring",
        "--stages",
        help="show where relevant documents are lost, and of which scores the hits are",
    ),
    "per_query": _switch("measuring", "--per-query", help="show the measures of each query too"),
    "sort": _value_option(
        "measuring",
        "--sort",
        metavar="MEASURE",
        help="with --per-query, the worst first: by a measure, or by `delta`, the first one's change",
    ),
    "fail_if_worse": _value_option(
        "measuring",
        "--fail-if-worse",
        metavar="RULE",
        action=_Many,
        help="exit 1 if a measure fell by more than nDCG@10:0.01, or (nDCG@10) than chance; repeatable",
    ),
    "against": _value_option(
        "measuring",
        "--against",
        metavar="FILE",
        help="what --fail-if-worse compares with: a report (--format json), or a TREC run",
    ),
    "run_dir": _value_option(
        "measuring",
        "--run-dir",
        metavar="DIR",
        help="write each pipeline's ranking there, as a TREC run file",
    ),
    "on_error": _value_option(
        "measuring",
        "--on-error",
        metavar="DO",
        help="where a query fails: stop (as without), or skip it, which finds nothing then",
    ),
    "judge": _value_option(
        "measuring",
        "--judge",
        metavar="WHO",
        help="person[:NAME] (at this terminal), a FILE of judgements, MODULE:FUNCTION, https://… [person]",
    ),
    "scope": _value_option(
        "measuring",
        "--scope",
        metavar="WHAT",
        type=_one_of("population", "log"),
        help="what the verdict is about: all queries of this kind, or these alone (log) [population]",
    ),
    "alpha": _value_option(
        "measuring", "--alpha", metavar="PART", type=_fraction, help="how likely a verdict may err [0.05]"
    ),
    "smallest": _value_option(
        "measuring", "--smallest", metavar="D", type=_fraction, help="a difference up to this is none [0]"
    ),
    "grades": _value_option(
        "measuring", "--grades", metavar="N", type=_integer(1), help="the largest relevance [3]"
    ),
    "most": _value_option(
        "measuring", "--most", metavar="N", type=_integer(1), help="ask for at most N judgements"
    ),
    "doc_field": _value_option(
        "measuring",
        "--doc-field",
        metavar="FIELD",
        help="the payload field with the text that is judged (else text, body, …)",
    ),
    "stages_table": _switch(
        "measuring",
        "--stages-table",
        help="of --collection: what each stage costs and finds, from exact search to reranking",
    ),
    "repeat": _value_option(
        "measuring", "--repeat", metavar="N", type=_integer(1), help="ask each query N times"
    ),
    "seconds": _value_option(
        "measuring", "--seconds", metavar="S", type=_seconds, help="ask for so long, whatever the number"
    ),
    "warmup": _value_option(
        "measuring", "--warmup", metavar="N", type=_integer(0), help="calls before those that count [10]"
    ),
    "concurrency": _value_option(
        "measuring",
        "--concurrency",
        metavar="N",
        type=_integer(1),
        help="calls at the same time (servers) [1]",
    ),
    "recall": _value_option(
        "measuring",
        "--recall",
        metavar="K",
        type=_integer(0),
        help="compare the first K hits with exact search; 0 does not [10]",
    ),
    "grid": _value_option(
        "measuring",
        "--grid",
        metavar="NAME=V,V…",
        action=_Many,
        help="values to try of a parameter, or of a stage's setting (dense.limit=50,100); repeatable",
    ),
    "deep": _value_option(
        "measuring", "--deep", metavar="N", type=_integer(1), help="points of each stage to record [1000]"
    ),
    "resume": _switch(
        "measuring", "--resume", help="go on with the file of -o; what it has is not asked again"
    ),
    "latency": _value_option(
        "measuring", "--latency", metavar="P", help="what counts as a setting's time: p50 or p95 [p50]"
    ),
    "sample": _value_option(
        "measuring", "--sample", metavar="N", type=_integer(1), help="try N settings, drawn by chance"
    ),
    "max_settings": _value_option(
        "measuring",
        "--max-settings",
        metavar="N",
        type=_integer(1),
        help="the most to try without asking [200]",
    ),
    "holdout": _value_option(
        "measuring",
        "--holdout",
        metavar="PART",
        type=_fraction,
        help="keep this part of the queries apart, for proof",
    ),
    "seed": _value_option(
        "measuring", "--seed", metavar="N", type=_integer(0), help="where random choices start [0]"
    ),
    "format": _value_option("output", "--format", metavar="FORMAT", help="see below"),
    "output": _value_option("output", "-o", "--output", metavar="FILE", help="write results to a file"),
    "check": _switch("output", "--check", help="name the scripts that would change, and exit 1"),
    "write": _switch("output", "--write", help="rewrite the files that change"),
    "overwrite": _switch("output", "--overwrite", help="replace a file that is there"),
    "fail_on": _value_option(
        "output", "--fail-on", metavar="LEVEL", help="exit 1 for a warning, or for advice too"
    ),
    "disable": _value_option(
        "output", "--disable", metavar="CODE", action=_Many, help="leave this advice out; repeatable"
    ),
    "rules": _switch("output", "--rules", help="show all rules"),
    "man": _switch("output", "--man", help="print the page of `man qql`, as roff"),
    "rule": _value_option("output", "--rule", metavar="CODE", help="show what a rule says, and why"),
    "color": _value_option("output", "--no-color", action="store_false", help="no colours [NO_COLOR]"),
    "progress": _value_option(
        "output",
        "--progress",
        action="either",
        help="show how far a long statement is (else: on a terminal)",
    ),
    "error_format": _value_option(
        "output",
        "--error-format",
        metavar="FORMAT",
        type=_one_of("text", "json"),
        help="json: each error and warning is an object on a line of standard error",
    ),
    "advice": _value_option(
        "output", "--no-advice", action="store_false", help="no advice among the warnings"
    ),
    "quiet": _switch("output", "-q", "--quiet", help="no notes, no messages of statements without rows"),
}
"""Every option of every command, by the name of its value."""

# Options that go together, for the table of commands.
SERVER = (
    "api_key_file",
    "api_key",
    "timeout",
    "retries",
    "grpc",
    "grpc_port",
    "cloud_inference",
    "assume_version",
)
"""What has a meaning for a server alone."""
KEYS = {name: f"{name}_file" for name in ("api_key", "embed_key", "rerank_key")}
"""The options of keys, and of files with keys; from standard input, keys are read in this order."""
TARGET = (
    "profile",
    "url",
    "api_key",
    "api_key_file",
    "db",
    "timeout",
    "retries",
    "grpc",
    "grpc_port",
    "assume_version",
)
PROFILE = (
    *("url", "db", "timeout", "retries", "grpc", "grpc_port", "assume_version", "cloud_inference"),
    *("read_only", "collection", "model", "embed_url", "rerank_model", "rerank_url", "format", "advice"),
)
"""What a profile may say, beside where keys come from."""
RERANKERS = ("rerank_model", "rerank_url", "rerank_key", "rerank_key_file")
MODELS = ("model", "embed_url", "embed_key", "embed_key_file", *RERANKERS, "cloud_inference")
BODIES = ("method", "path")
COMPARISON = ("depth", "rbo_p", "url_b", "db_b", "exit_code")
SEARCH = (
    *("from", "using", "hybrid", "where", "threshold", "limit", "top_k", "no_rerank", "rerank_field"),
    *("payload", "with_vector", "show", "explain", "analyze", "why_not"),
)
REWRITING = ("check", "write")
LINTING = ("fail_on", "disable", "rules", "rule")
OFFLINE = ("text", "collection", "param", "model", "rerank_model", "color", "quiet")
CONNECTED = (
    *("collection", "param", *TARGET, "read_only", "yes", *MODELS),
    *("output", "format", "color", "progress", "quiet"),
)
RUNNING = ("text", *CONNECTED, "go_on", "advice")
MEASURING = (*CONNECTED, "setup", "queries", "limit_queries", "doc_id")
RECORDING = (
    *(name for name in CONNECTED if name != "format"),
    *("setup", "queries", "limit_queries", "deep", "resume", "overwrite"),
)
REPORTS = ("table", "vertical", "markdown", "json", "jsonl", "csv")
"""The formats of what is measured."""


class Arguments(dict[str, "Any"]):
    """What the command line gave, by the name of the value; what it did not give is not there."""

    def flag(self, name: str) -> str:
        """The spelling of an option, for messages."""
        return OPTIONS[name].flags[-1]
