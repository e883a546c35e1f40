"""The options of the command line, and the arguments that it gave."""

from __future__ import annotations

from qql.cli.commands.option_kinds import (
    Allowed,
    Functions,
    Many,
    Once,
    Option,
    Pairs,
    VectorModels,
    finite_number,
    fraction,
    integer,
    key_file_option,
    key_option,
    one_of,
    seconds,
    server_version,
    switch,
    value_option,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BODIES",
    "COMPARISON",
    "CONNECTED",
    "FEATURES",
    "FUNCTIONS",
    "KEYS",
    "LINTING",
    "MEASURING",
    "MODELS",
    "OFFLINE",
    "OPTIONS",
    "PROFILE",
    "READING",
    "RECORDING",
    "REPORTS",
    "RERANKERS",
    "REWRITING",
    "RUNNING",
    "SEARCH",
    "SERVER",
    "TARGET",
    "Arguments",
    "Option",
]


OPTIONS = {
    "text": value_option(
        "statements", "-c", "--command", metavar="TEXT", action=Once, help="take this, not a file"
    ),
    "yes": switch(
        "statements", "--yes", help="do not ask; carry out what destroys something in a protected profile too"
    ),
    "go_on": switch(
        "statements", "--continue", help="go on after a statement that fails; exit with the highest code"
    ),
    "collection": value_option(
        "statements", "--collection", metavar="NAME", help="where statements work that name no collection"
    ),
    "method": value_option(
        "statements", "--method", metavar="METHOD", help="what a body is sent by that names no method"
    ),
    "path": value_option(
        "statements", "--path", metavar="PATH", help="where a body is sent to that names no path"
    ),
    "param": value_option(
        "statements",
        "--param",
        metavar=Pairs.metavar,
        action=Pairs,
        help="the value of :NAME (1=VALUE: of the first `?`), as JSON or text; repeatable",
    ),
    "depth": value_option(
        "comparison", "-k", "--depth", metavar="N", type=integer(1), help="compare at most N hits of each"
    ),
    "rbo_p": value_option(
        "comparison", "--rbo-p", metavar="P", type=fraction, help="the p of rank-biased overlap [0.9]"
    ),
    "url_b": value_option("comparison", "--url-b", metavar="URL", help="a server for the second pipeline"),
    "db_b": value_option("comparison", "--db-b", metavar="DIR", help="a database for the second pipeline"),
    "exit_code": switch("comparison", "--exit-code", help="exit 1 if the results differ"),
    "from": value_option("search", "--from", metavar="COLLECTION", help="the collection to search"),
    "using": value_option("search", "--using", metavar="VECTOR", help="the vector to search"),
    "hybrid": switch("search", "--hybrid", help="search a dense and a sparse vector, and fuse"),
    "where": value_option(
        "search", "--where", metavar="CONDITION", help="only points like: priority = 'high'"
    ),
    "threshold": value_option(
        "search", "--threshold", metavar="SCORE", type=finite_number, help="only scores as good as this"
    ),
    "limit": value_option(
        "search", "--limit", metavar="N", type=integer(1), help="candidates [10; 50 with a second stage]"
    ),
    "top_k": value_option(
        "search",
        "--top-k",
        metavar="N",
        type=integer(1),
        help="hits shown of the candidates [10, or --limit]",
    ),
    "no_rerank": switch(
        "search", "--no-rerank", help="no second stage, though QQL_RERANK_MODEL names a model"
    ),
    "rerank_field": value_option(
        "search", "--rerank-field", metavar="FIELD", help="the payload field that the second stage reads"
    ),
    "payload": value_option("search", "--payload", metavar="FIELD,…", help="show these payload fields only"),
    "with_vector": switch("search", "--with-vector", help="show the vectors too"),
    "show": switch("search", "--show", help="print the QQL of it, and send nothing"),
    "explain": switch("search", "--explain", help="show its plan: EXPLAIN"),
    "analyze": switch("search", "--analyze", help="show what each stage did: EXPLAIN ANALYZE"),
    "why_not": value_option(
        "search", "--why-not", metavar="CONDITION", help="why points with this are no hits: WHY NOT WHERE"
    ),
    "profile": value_option(
        "target", "-p", "--profile", metavar="NAME", help="the connection of this name in config.toml"
    ),
    "read_only": switch("target", "--read-only", help="refuse whatever writes to the database"),
    "safe": switch("target", "--safe", help="no file, address or other model may be reached by statements"),
    "allow": value_option(
        "target",
        "--allow",
        metavar="KIND:NAME",
        action=Allowed,
        help="what they may reach after all: folder:DIR, host:NAME, model:NAME; repeatable",
    ),
    "url": value_option("target", "--url", metavar="URL", help="a Qdrant server [QDRANT_URL]"),
    "api_key": key_option("target", "--api-key", hidden="QDRANT_API_KEY"),
    "api_key_file": key_file_option("target", "--api-key-file"),
    "db": value_option("target", "--db", metavar="DIR", help="a database in a directory [QQL_DB]"),
    "timeout": value_option(
        "target",
        "--timeout",
        metavar="S",
        type=seconds,
        help="seconds that a query [5] and a write of points [60] may take; what builds has its time",
    ),
    "retries": value_option(
        "target",
        "--retries",
        metavar="N",
        type=integer(0),
        help="how often to send again, within --timeout, what does no harm [3]",
    ),
    "grpc": switch("target", "--grpc", help="talk gRPC to the server"),
    "grpc_port": value_option(
        "target",
        "--grpc-port",
        metavar="PORT",
        type=integer(1),
        help="talk gRPC at this port [that of REST + 1, if the same server is there]",
    ),
    "assume_version": value_option(
        "target",
        "--assume-version",
        metavar="VERSION",
        type=server_version,
        help="take the server to be of this version, as 1.18: what it lacks is refused",
    ),
    "model": value_option(
        "models",
        "--model",
        metavar=VectorModels.metavar,
        action=VectorModels,
        help="the model of a vector; MODEL alone: of every dense one; repeatable [QQL_MODEL: of HYBRID]",
    ),
    "embedder": value_option(
        "models",
        "--embedder",
        metavar=Functions.metavar,
        action=Functions,
        help="run this Python function as a model: texts to vectors; without NAME, that of dense vectors",
    ),
    "embed_url": value_option("models", "--embed-url", metavar="URL", help="a service that embeds texts"),
    "embed_key": key_option("models", "--embed-key", hidden="QQL_EMBEDDINGS_API_KEY"),
    "embed_key_file": key_file_option("models", "--embed-key-file"),
    "reranker": value_option(
        "models",
        "--reranker",
        metavar=Functions.metavar,
        action=Functions,
        help="the same: query and texts to scores; without NAME, for a RERANK that names no model",
    ),
    "rerank_model": value_option(
        "models",
        "--rerank-model",
        metavar="MODEL",
        help="the model of a RERANK that names none [QQL_RERANK_MODEL]",
    ),
    "rerank_url": value_option("models", "--rerank-url", metavar="URL", help="a service that reranks texts"),
    "rerank_key": key_option("models", "--rerank-key", hidden="QQL_RERANK_API_KEY"),
    "rerank_key_file": key_file_option("models", "--rerank-key-file"),
    "cloud_inference": switch("models", "--cloud-inference", help="let the server embed texts"),
    "queries": value_option(
        "measuring",
        "--queries",
        metavar="FILE",
        help="the queries: JSON Lines (BEIR), id<TAB>text or XML (TREC), Quepid, UBI",
    ),
    "qrels": value_option(
        "measuring",
        "--qrels",
        metavar="FILE",
        help="which documents are relevant to which query (BEIR, TREC, Quepid, UBI)",
    ),
    "min_impressions": value_option(
        "measuring",
        "--min-impressions",
        metavar="N",
        type=integer(1),
        help="of events of UBI as judgements: how often a document has to have been shown [10]",
    ),
    "measures": value_option(
        "measuring",
        *("--measure", "--measures"),
        metavar="NAMES",
        action=Many,
        help="measures by ir-measures' names, separated by spaces [nDCG@10 R@100 RR@10]",
    ),
    "doc_id": value_option(
        "measuring",
        "--doc-id",
        metavar="FIELD",
        help="the payload field that names the document (else the id)",
    ),
    "fields": value_option(
        "measuring",
        "--field",
        metavar="FIELD",
        action=Many,
        help="a field of the payload that is a feature, too; repeatable",
    ),
    "setup": value_option("measuring", "--setup", metavar="FILE", help="run this script first"),
    "limit_queries": value_option(
        "measuring", "--limit-queries", metavar="N", type=integer(1), help="only the first N queries"
    ),
    "ties": value_option(
        "measuring",
        "--ties",
        metavar="ORDER",
        help="the order of equal scores: id (of the point), doc (as trec_eval), best, worst [id]",
    ),
    "baseline": value_option(
        "measuring",
        "--baseline",
        metavar="NAME",
        help="the pipeline that others are compared with [the first]",
    ),
    "stages": switch(
        "measuring",
        "--stages",
        help="show where relevant documents are lost, and of which scores the hits are",
    ),
    "per_query": switch("measuring", "--per-query", help="show the measures of each query too"),
    "sort": value_option(
        "measuring",
        "--sort",
        metavar="MEASURE",
        help="with --per-query, the worst first: by a measure, or by `delta`, the first one's change",
    ),
    "fail_if_worse": value_option(
        "measuring",
        "--fail-if-worse",
        metavar="RULE",
        action=Many,
        help="exit 1 if a measure fell by more than nDCG@10:0.01, or (nDCG@10) than chance; repeatable",
    ),
    "against": value_option(
        "measuring",
        "--against",
        metavar="FILE",
        help="what --fail-if-worse compares with: a report (--format json), or a TREC run",
    ),
    "run_dir": value_option(
        "measuring",
        "--run-dir",
        metavar="DIR",
        help="write each pipeline's ranking there, as a TREC run file",
    ),
    "on_error": value_option(
        "measuring",
        "--on-error",
        metavar="DO",
        help="where a query fails: stop (as without), or skip it, which finds nothing then",
    ),
    "judge": value_option(
        "measuring",
        "--judge",
        metavar="WHO",
        help="person[:NAME] (at this terminal), a FILE of judgements, MODULE:FUNCTION, https://… [person]",
    ),
    "scope": value_option(
        "measuring",
        "--scope",
        metavar="WHAT",
        type=one_of("population", "log"),
        help="what the verdict is about: all queries of this kind, or these alone (log) [population]",
    ),
    "alpha": value_option(
        "measuring", "--alpha", metavar="PART", type=fraction, help="how likely a verdict may err [0.05]"
    ),
    "smallest": value_option(
        "measuring", "--smallest", metavar="D", type=fraction, help="a difference up to this is none [0]"
    ),
    "grades": value_option(
        "measuring", "--grades", metavar="N", type=integer(1), help="the largest relevance [3]"
    ),
    "most": value_option(
        "measuring", "--most", metavar="N", type=integer(1), help="ask for at most N judgements"
    ),
    "doc_field": value_option(
        "measuring",
        "--doc-field",
        metavar="FIELD",
        help="the payload field with the text that is judged (else text, body, …)",
    ),
    "stages_table": switch(
        "measuring",
        "--stages-table",
        help="of --collection: what each stage costs and finds, from exact search to reranking",
    ),
    "repeat": value_option(
        "measuring", "--repeat", metavar="N", type=integer(1), help="ask each query N times"
    ),
    "seconds": value_option(
        "measuring", "--seconds", metavar="S", type=seconds, help="ask for so long, whatever the number"
    ),
    "warmup": value_option(
        "measuring", "--warmup", metavar="N", type=integer(0), help="calls before those that count [10]"
    ),
    "concurrency": value_option(
        "measuring",
        "--concurrency",
        metavar="N",
        type=integer(1),
        help="calls at the same time (servers) [1]",
    ),
    "recall": value_option(
        "measuring",
        "--recall",
        metavar="K",
        type=integer(0),
        help="compare the first K hits with exact search; 0 does not [10]",
    ),
    "grid": value_option(
        "measuring",
        "--grid",
        metavar="NAME=V,V…",
        action=Many,
        help="values to try of a parameter, or of a stage's setting (dense.limit=50,100); repeatable",
    ),
    "recording": value_option(
        "measuring",
        "--recording",
        metavar="FILE",
        help="what `qql record` has kept of the stages, to recompute; `tune` makes it where there is none",
    ),
    "search": value_option(
        "measuring",
        "--search",
        metavar="HOW",
        help="which settings are recomputed: grid, all of them, or optuna, by what was good before [grid]",
    ),
    "folds": value_option(
        "measuring",
        "--folds",
        metavar="N",
        type=integer(2),
        help="parts of the queries, each measured by what was chosen or fitted on the others [5]",
    ),
    "deep": value_option(
        "measuring", "--deep", metavar="N", type=integer(1), help="points of each stage to record [1000]"
    ),
    "resume": switch(
        "measuring", "--resume", help="go on with the file of -o; what it has is not asked again"
    ),
    "point": value_option("measuring", "--id", metavar="ID", help="the point that is asked about"),
    "query": value_option(
        "measuring", "--query", metavar="TEXT", help="the text of :query, or the id of one of --queries"
    ),
    "latency": value_option(
        "measuring", "--latency", metavar="P", help="what counts as a setting's time: p50 or p95 [p50]"
    ),
    "sample": value_option(
        "measuring", "--sample", metavar="N", type=integer(1), help="try N settings, drawn by chance"
    ),
    "max_settings": value_option(
        "measuring",
        "--max-settings",
        metavar="N",
        type=integer(1),
        help="the most to try without asking [200]",
    ),
    "holdout": value_option(
        "measuring",
        "--holdout",
        metavar="PART",
        type=fraction,
        help="keep this part of the queries apart, for proof",
    ),
    "seed": value_option(
        "measuring", "--seed", metavar="N", type=integer(0), help="where random choices start [0]"
    ),
    "penalty": value_option(
        "measuring", "--penalty", metavar="X", type=finite_number, help="of steep curves [1]"
    ),
    "judged_only": switch("measuring", "--judged-only", help="leave out candidates without a judgement"),
    "log_odds": switch("measuring", "--log-odds", help="the score is the log-odds, not the probability"),
    "anyway": switch("measuring", "--anyway", help="show the pipeline, better or not, and exit 0"),
    "format": value_option("output", "--format", metavar="FORMAT", help="see below"),
    "output": value_option("output", "-o", "--output", metavar="FILE", help="write results to a file"),
    "check": switch("output", "--check", help="name the scripts that would change, and exit 1"),
    "write": switch("output", "--write", help="rewrite the files that change"),
    "overwrite": switch("output", "--overwrite", help="replace a file that is there"),
    "fail_on": value_option(
        "output", "--fail-on", metavar="LEVEL", help="exit 1 for a warning, or for advice too"
    ),
    "disable": value_option(
        "output", "--disable", metavar="CODE", action=Many, help="leave this advice out; repeatable"
    ),
    "rules": switch("output", "--rules", help="show all rules"),
    "man": switch("output", "--man", help="print the page of `man qql`, as roff"),
    "rule": value_option("output", "--rule", metavar="CODE", help="show what a rule says, and why"),
    "color": value_option("output", "--no-color", action="store_false", help="no colours [NO_COLOR]"),
    "progress": value_option(
        "output",
        "--progress",
        action="either",
        help="show how far a long statement is (else: on a terminal)",
    ),
    "log_level": value_option(
        "output",
        "--log-level",
        metavar="LEVEL",
        type=one_of("info", "debug"),
        help="tell on standard error of each statement and stage (info), and of each request (debug)",
    ),
    "error_format": value_option(
        "output",
        "--error-format",
        metavar="FORMAT",
        type=one_of("text", "json"),
        help="json: each error and warning is an object on a line of standard error",
    ),
    "advice": value_option(
        "output", "--no-advice", action="store_false", help="no advice among the warnings"
    ),
    "quiet": switch("output", "-q", "--quiet", help="no notes, no messages of statements without rows"),
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
RERANKERS = ("reranker", "rerank_model", "rerank_url", "rerank_key", "rerank_key_file")
FUNCTIONS = ("embedder", "reranker")
"""What runs code of the user."""
MODELS = (
    *("model", "embedder", "embed_url", "embed_key", "embed_key_file", *RERANKERS, "cloud_inference"),
    *("safe", "allow"),
)
BODIES = ("method", "path")
COMPARISON = ("depth", "rbo_p", "url_b", "db_b", "exit_code")
SEARCH = (
    *("from", "using", "hybrid", "where", "threshold", "limit", "top_k", "no_rerank", "rerank_field"),
    *("payload", "with_vector", "show", "explain", "analyze", "why_not"),
)
REWRITING = ("check", "write")
LINTING = ("fail_on", "disable", "rules", "rule")
READING = ("safe", "allow")
"""What EXECUTE may read."""
OFFLINE = ("text", "collection", "param", "model", "rerank_model", "color", "quiet")
CONNECTED = (
    *("collection", "param", *TARGET, "read_only", "yes", *MODELS),
    *("output", "format", "color", "progress", "quiet", "log_level"),
)
RUNNING = ("text", *CONNECTED, "go_on", "advice")
MEASURING = (*CONNECTED, "setup", "queries", "limit_queries", "doc_id")
RECORDING = (
    *(name for name in CONNECTED if name != "format"),
    *("setup", "queries", "limit_queries", "deep", "resume", "overwrite"),
)
FEATURES = (*MEASURING, "qrels", "min_impressions", "fields", "recording", "overwrite")
REPORTS = ("table", "vertical", "markdown", "json", "jsonl", "csv")
"""The formats of what is measured."""


class Arguments(dict[str, "Any"]):
    """What the command line gave, by the name of the value; what it did not give is not there."""

    def flag(self, name: str) -> str:
        """The spelling of an option, for messages."""
        return OPTIONS[name].flags[-1]
