"""The commands of the command line: a row of `COMMANDS` each, and a function in a module named for it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from qql.cli.commands import help
from qql.cli.commands.options import (
    BODIES,
    COMPARISON,
    FEATURES,
    LINTING,
    MEASURING,
    MODELS,
    OFFLINE,
    READING,
    RECORDING,
    REPORTS,
    REWRITING,
    RUNNING,
    SEARCH,
    TARGET,
    Arguments,
)
from qql.records import dataclass, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.render import Renderer

    Action = Callable[[Arguments, Renderer], int]
    """Carries a command out, and gives its exit code."""

__all__ = ["COMMANDS", "MANY", "PROMPT", "Command"]

MANY, ONE = "*", "?"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what runs it and gives the exit code, and what ``--help`` says of it.

    ``options`` are names of `OPTIONS`, ``formats`` the values of ``--format``, ``files`` the number of
    positional arguments as argparse writes it, ``takes`` their name and what they are, ``about`` what there
    is to say beside that, with an example at its end, and ``group`` where `qql --help` has it.
    """

    run: Action
    help: str
    options: tuple[str, ...]
    formats: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    files: str = ONE
    takes: tuple[str, str] = ("FILE", "a script; `-` is standard input")
    about: str = ""
    group: str = "Other"

    def format_names(self) -> tuple[str, ...]:
        """The values of ``--format``."""
        return self.formats() if callable(self.formats) else self.formats


def _lazy(module: str, name: str) -> Action:
    """A command of a module of this package, which is loaded when the command is run: ``--help`` is quick."""

    def run(args: Arguments, console: Renderer) -> int:
        path = f"qql.cli.commands.{module}"
        __import__(path)  # not that of importlib, which -X importtime does not see
        code: int = getattr(sys.modules[path], name)(args, console)
        return code

    return run


def _result_formats() -> tuple[str, ...]:
    from qql.cli.render.formats import FORMATS

    return tuple(FORMATS)


PROMPT = _lazy("run", "prompt")
"""What no command at all stands for, on a terminal."""
COMMANDS = {
    "run": Command(
        _lazy("run", "run"),
        "run a script, and show each result",
        RUNNING,
        _result_formats,
        about=help.RUN,
        group="Scripts",
    ),
    "compile": Command(
        _lazy("compile", "compile_"),
        "show the requests of a script, and send nothing",
        (*OFFLINE, "assume_version", "format", "output"),
        ("json", "jsonl", "curl", "python"),
        about=help.COMPILE,
        group="Scripts",
    ),
    "explain": Command(
        _lazy("compile", "explain"),
        "show the plan of a script; with --url or --db, by the collections there",
        (*OFFLINE, *TARGET, *READING, "format", "output"),
        ("text", "json", "html"),
        about=help.EXPLAIN,
        group="Scripts",
    ),
    "check": Command(
        _lazy("compile", "check"),
        "show the errors and warnings of scripts, and send nothing",
        (*OFFLINE, *READING, "format"),
        ("text", "json", "jsonl"),
        MANY,
        about=help.CHECK,
        group="Scripts",
    ),
    "lint": Command(
        _lazy("lint", "lint"),
        "show the errors and warnings of scripts, and what could be better about them",
        (*OFFLINE, *TARGET, *READING, *LINTING, "format", "output"),
        ("text", "json", "sarif"),
        MANY,
        about=help.LINT,
        group="Scripts",
    ),
    "fmt": Command(
        _lazy("fmt", "fmt"),
        "show scripts in the canonical spelling and layout, or rewrite them so",
        (*REWRITING, "color", "quiet"),
        files=MANY,
        about=help.FMT,
        group="Scripts",
    ),
    "convert": Command(
        _lazy("compile", "convert"),
        "show the QQL of requests: JSON, curl commands, POST /path with JSON below it, a page with such",
        ("text", "collection", *BODIES, "allow", "color", "quiet", "format", "output"),
        ("script", "line"),
        takes=("FILE", "a file of requests; `-` is standard input"),
        about=help.CONVERT,
        group="Scripts",
    ),
    "query": Command(
        _lazy("query", "query"),
        "search with one text, in one or two stages; --show prints the QQL that it stands for",
        (*SEARCH, *TARGET, *MODELS, "output", "format", "color", "quiet", "log_level", "advice"),
        _result_formats,
        takes=("TEXT", "what to search for; a JSON array is a vector, `-` is standard input"),
        about=help.QUERY,
        group="Search",
    ),
    "diff": Command(
        _lazy("diff", "diff"),
        "show the results of two pipelines, or of one on two databases, side by side",
        (*COMPARISON, *MEASURING, "qrels", "min_impressions", "measures", "per_query", "sort"),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query (`-` is standard input); with --qrels, a TREC run too"),
        help.DIFF,
        "Measuring",
    ),
    "judge": Command(
        _lazy("judge", "judge"),
        "ask for the fewest judgements that say which of two pipelines is better",
        (
            *MEASURING,
            *("qrels", "judge", "measures", "scope", "alpha", "smallest", "grades", "seed", "most"),
            *("doc_field", "per_query", "sort"),
        ),
        REPORTS,
        MANY,
        ("PIPELINE", "two scripts with one query each, or TREC run files"),
        help.JUDGE,
        "Measuring",
    ),
    "eval": Command(
        _lazy("eval", "eval_"),
        "measure how good pipelines are on queries with judgements, and compare them",
        (
            *MEASURING,
            *("qrels", "min_impressions", "measures", "ties", "baseline", "stages"),
            *("per_query", "sort", "run_dir", "on_error"),
            *("fail_if_worse", "against"),
        ),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query, or a TREC run file"),
        help.EVAL,
        "Measuring",
    ),
    "bench": Command(
        _lazy("bench", "bench"),
        "measure how fast pipelines are, and how much of the exact result they find",
        (
            *MEASURING,
            *("repeat", "seconds", "warmup", "concurrency", "recall"),
            *("stages_table", "using", "rerank_field", "qrels", "measures"),
        ),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query"),
        help.BENCH,
        "Measuring",
    ),
    "tune": Command(
        _lazy("tune", "tune"),
        "try settings of a pipeline, and show those worth having for their quality and time",
        (
            *MEASURING,
            *(
                "qrels",
                "min_impressions",
                "measures",
                "ties",
                "grid",
                "latency",
                "repeat",
                "sample",
                "max_settings",
                "holdout",
                "seed",
                "recording",
                "search",
                "folds",
                "deep",
            ),
        ),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query"),
        help.TUNE,
        "Measuring",
    ),
    "calibrate": Command(
        _lazy("calibrate", "calibrate"),
        "make of a fusion one whose scores are probabilities, fitted on judgements",
        (
            *MEASURING,
            *("qrels", "min_impressions", "measures", "recording", "folds", "penalty"),
            *("judged_only", "log_odds", "anyway", "seed"),
        ),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query that fuses stages"),
        help.CALIBRATE,
        "Measuring",
    ),
    "record": Command(
        _lazy("record", "record"),
        "ask each stage of pipelines once, deep down, and keep what it gave",
        RECORDING,
        files=MANY,
        takes=("PIPELINE", "a script with one query"),
        about=help.RECORD,
        group="Measuring",
    ),
    "why-not": Command(
        _lazy("why_not", "why_not"),
        "say what makes a point a hit, and what that does to other queries",
        (
            *MEASURING,
            *("point", "query", "recording", "qrels", "min_impressions", "measures"),
        ),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query"),
        help.WHY_NOT,
        "Measuring",
    ),
    "features": Command(
        _lazy("features", "features"),
        "write what the stages of a pipeline say of each document, for learning to rank",
        FEATURES,
        ("parquet", "jsonl", "csv", "svmlight"),
        MANY,
        ("PIPELINE", "a script with one query"),
        help.FEATURES,
        "Measuring",
    ),
    "dump": Command(
        _lazy("dump", "dump"),
        "write a collection with its settings, indexes, aliases and points into a file",
        (*TARGET, "read_only", "yes", "overwrite", "color", "progress", "quiet", "log_level", "format"),
        _result_formats,
        MANY,
        ("COLLECTION FILE", "what to dump, and where to; `-` is standard output"),
        help.DUMP,
        group="Data",
    ),
    "restore": Command(
        _lazy("dump", "restore"),
        "make a collection again from a file that dump has written",
        (*TARGET, "read_only", "yes", *MODELS, "color", "progress", "quiet", "log_level", "format"),
        _result_formats,
        MANY,
        about=help.RESTORE,
        group="Data",
    ),
    "doctor": Command(
        _lazy("doctor", "doctor"),
        "show what is installed and what works here, and what to do where something does not",
        (*TARGET, "color", "quiet", "format", "output"),
        ("text", "json"),
        takes=("FILE", "none: --db and --url name a database to look at"),
        about=help.DOCTOR,
        group="Help",
    ),
    "help": Command(
        _lazy("help", "help_"),
        "show what the manual says of a word; without one, its contents",
        ("man",),
        files=MANY,
        takes=("WORD", "a statement, clause, filter, function or option; several words are one name"),
        about=help.HELP,
        group="Help",
    ),
    "completion": Command(
        _lazy("completion", "completion"),
        "print the script by which a shell completes the words of this command",
        (),
        takes=("SHELL", "bash, zsh or fish"),
        about=help.COMPLETION,
        group="Help",
    ),
    "profiles": Command(
        _lazy("profiles", "profiles"),
        "list the connections that config.toml has for -p NAME, without their keys",
        ("output", "format", "color", "quiet"),
        _result_formats,
        takes=("FILE", "none: QQL_CONFIG names another config.toml"),
        about=help.PROFILES,
        group="Help",
    ),
}
COMMANDS = {name: replace(one, options=(*one.options, "error_format")) for name, one in COMMANDS.items()}
