"""The command line. Results go to standard output, everything else to standard error.

Exit codes: 0 done; 1 a statement failed, `fmt --check` found a script to change, `lint --fail-on` something
to say, or `diff --exit-code` a difference; 2 wrong usage, or a file that cannot be read; 3 the text is at
fault and nothing was sent; 4 no connection; 70 a fault of qql itself; 130 Ctrl-C; 141 nobody reads the
output.

Rich, prompt_toolkit and the engines are imported where a command needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import qql
from qql.cli.commands import help_texts, run
from qql.cli.commands.options import (
    BODIES,
    COMPARISON,
    CONNECTED,
    LINTING,
    MANY,
    MEASURING,
    MODELS,
    OFFLINE,
    OPTIONS,
    REPORTS,
    REWRITING,
    RUNNING,
    SEARCH,
    TARGET,
    Command,
    Given,
    Option,
    Parser,
    later,
)
from qql.cli.render import FORMATS, Renderer, wants_color
from qql.cli.repl import UsageError
from qql.errors import QQLError, did_you_mean

__all__ = ["main"]

_SECRET = 4  # characters; hiding shorter ones would hide words
_CRASHED, _INTERRUPTED, _PIPE_CLOSED = 70, 130, 141

# -------------------------------------------------------------------------------------------------- arguments


def _parser() -> Parser:
    parents = {name: _parent(name, option) for name, option in OPTIONS.items()}
    settings: dict[str, Any] = {
        "allow_abbrev": False,
        "argument_default": argparse.SUPPRESS,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
    top = Parser(prog="qql", description=_ABOUT, epilog=_EPILOG, parents=list(parents.values()), **settings)
    top.commands = tuple(_COMMANDS)
    top.add_argument("--version", action="version", version=f"qql {qql.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in _COMMANDS.items():
        formats = f"formats: {', '.join(command.formats)}" if command.formats else ""
        own = commands.add_parser(
            name,
            help=command.help,
            description=command.help,
            epilog="\n".join(filter(None, (command.about, formats))) or None,
            parents=[parents[option] for option in command.options],
            **settings,
        )
        metavar, about = command.takes
        own.add_argument("files", nargs=command.files, metavar=metavar, help=about)
    return top


def _parent(name: str, option: Option) -> Parser:
    # One action object serves all parsers: _Pairs and _Once remember what came before the command.
    parent = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    parent.add_argument_group(option.group).add_argument(*option.flags, **{"dest": name, **option.settings})
    return parent


def _given(argv: Sequence[str] | None) -> tuple[Command | None, Given]:
    """The command (None: none was named) and its arguments. Raises `UsageError`."""
    argv = sys.argv[1:] if argv is None else argv
    _refuse_unknown(argv)
    parser = _parser()
    namespace, unknown = parser.parse_known_args(argv)
    given = Given(vars(namespace))
    name = given.pop("command", None)
    command = _COMMANDS[name or "run"]
    flags = [word.partition("=")[0] for word in unknown]
    misplaced = [
        option.flags[-1]
        for key, option in OPTIONS.items()
        if key not in command.options and {*option.flags} & {*flags}
    ]
    misplaced += [given.flag(option) for option in given if option not in (*command.options, "files")]
    if misplaced:
        raise UsageError.make("usage", f"{misplaced[0]} has no meaning for `qql {name or 'run'}`")
    if unknown:
        hint = f"`qql {name or 'run'} --help` shows what there is; what has spaces needs quotes"
        if unknown[0].startswith("-"):
            hint = "options stand in front of `--`"
        raise UsageError.make("usage", f"unrecognized argument {unknown[0]}", hint=hint)
    if "format" in given and given["format"] not in command.formats:
        known = ", ".join(command.formats)
        hint = did_you_mean(given["format"], command.formats) or f"the formats are {known}"
        raise UsageError.make("usage", f"there is no format {given['format']}", hint=hint)
    return _COMMANDS.get(name), given


def _refuse_unknown(argv: Sequence[str]) -> None:
    # argparse would take the value of a misspelt option for a command, and show it: it might be a secret.
    known = {flag for option in OPTIONS.values() for flag in option.flags}
    known |= {"--help", "--version", "--no-progress"}
    for word in argv:
        flag = re.fullmatch(r"(--[a-z][\w-]*)(=.*)?", word, re.DOTALL)
        if word == "--":
            return
        if flag and flag[1] not in known:
            raise UsageError.make(
                "usage", f"unrecognized argument {flag[1]}", hint=did_you_mean(flag[1], known)
            )


# --------------------------------------------------------------------------------------------------- commands

_COMMANDS = {
    "run": Command(run.run, "run a script, and show each result", RUNNING, tuple(FORMATS)),
    "compile": Command(
        later("offline", "compile_"),
        "show the requests of a script, and send nothing",
        (*OFFLINE, "format", "output"),
        ("json", "jsonl"),
    ),
    "explain": Command(
        later("offline", "explain"),
        "show the plan of a script; with --url or --db, by the collections there",
        (*OFFLINE, *TARGET, "format", "output"),
        ("text", "json"),
    ),
    "check": Command(
        later("offline", "check"),
        "show the errors and warnings of scripts, and send nothing",
        (*OFFLINE, "format"),
        ("text", "json", "jsonl"),
        MANY,
    ),
    "lint": Command(
        later("lint", "lint"),
        "show the errors and warnings of scripts, and what could be better about them",
        (*OFFLINE, *TARGET, *LINTING, "format", "output"),
        ("text", "json", "sarif"),
        MANY,
        about=help_texts.LINT,
    ),
    "fmt": Command(
        later("fmt", "fmt"),
        "show scripts in the canonical spelling and layout, or rewrite them so",
        (*REWRITING, "color", "quiet"),
        files=MANY,
    ),
    "convert": Command(
        later("offline", "convert"),
        "show the QQL of requests: JSON, curl commands, or POST /path with JSON below it",
        ("text", "collection", *BODIES, "color", "quiet", "format", "output"),
        ("script", "line"),
        takes=("FILE", "a file of requests; `-` is standard input"),
    ),
    "query": Command(
        later("query", "query"),
        "search with one text, in one or two stages; --show prints the QQL that it stands for",
        (*SEARCH, *TARGET, *MODELS, "output", "format", "color", "quiet", "advice"),
        tuple(FORMATS),
        takes=("TEXT", "what to search for; a JSON array is a vector, `-` is standard input"),
        about=help_texts.QUERY,
    ),
    "diff": Command(
        later("diff", "diff"),
        "show the results of two pipelines, or of one on two databases, side by side",
        (*COMPARISON, "queries", "limit_queries", "setup", *CONNECTED),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query; `-` is standard input"),
        help_texts.DIFF,
    ),
    "eval": Command(
        later("eval", "eval_"),
        "measure how good pipelines are on queries with judgements, and compare them",
        (
            *MEASURING,
            *("qrels", "measures", "baseline", "stages", "per_query", "run_dir", "on_error"),
        ),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query, or a TREC run file"),
        help_texts.EVAL,
    ),
    "bench": Command(
        later("bench", "bench"),
        "measure how fast pipelines are, and how much of the exact result they find",
        (*MEASURING, "repeat", "seconds", "warmup", "concurrency", "recall"),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query"),
        help_texts.BENCH,
    ),
    "tune": Command(
        later("tune", "tune"),
        "try settings of a pipeline, and show those worth having for their quality and time",
        (
            *MEASURING,
            *("qrels", "measures", "grid", "latency", "repeat", "sample", "max_settings", "holdout", "seed"),
        ),
        REPORTS,
        MANY,
        ("PIPELINE", "a script with one query"),
        help_texts.TUNE,
    ),
    "help": Command(
        later("offline", "help_"),
        "show what the manual says of a word; without one, its contents",
        (),
        files=MANY,
        takes=("WORD", "a statement, clause, filter, function or option; several words are one name"),
    ),
}

_ABOUT = """\
QQL for Qdrant. Alone: a prompt on a terminal, and standard input as a script elsewhere.
With -c TEXT: `run`. Options may stand before or after the command."""
_EPILOG = f"""\
formats of results: {", ".join(FORMATS)} (else: table on a terminal, jsonl elsewhere)
json is one array for each statement, jsonl one object on a line.
QQL_DB is stronger than QDRANT_URL, an option is stronger than both; with none of them, a database in memory.
QQL_HISTORY names the prompt's history file; empty, it keeps none. QQL_DEBUG=1 shows tracebacks.
exit codes: 0 done, 1 a statement failed, 2 usage, 3 the text is at fault (nothing was sent), 4 no connection

  qql --db ./data                          a prompt on a database in a directory
  qql run load.qql --url localhost:6333    a script against a server
  qql -c "SHOW COLLECTIONS" --format json
  qql compile query.qql --param q='red shoes'
  qql fmt --write *.qql                    scripts in the canonical spelling"""


# ------------------------------------------------------------------------------------------------------- main


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (``sys.argv``) and give the exit code. Nothing is raised."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    console = Renderer(sys.stdout, err=sys.stderr, err_color=wants_color(sys.stderr))
    try:
        return _guarded(argv, console)
    except BrokenPipeError:
        _let_go(sys.stdout)
        return _PIPE_CLOSED


def _guarded(argv: Sequence[str] | None, console: Renderer) -> int:
    try:
        code = _dispatch(argv, console)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        raise
    except QQLError as error:
        console.error(error)
        if error.code == "output-unwritable":
            _let_go(console.file)
        return error.exit_code
    except SystemExit as leave:  # --help and --version
        sys.stdout.flush()
        return leave.code if isinstance(leave.code, int) else 0
    except KeyboardInterrupt:
        console.note("interrupted")
        return _INTERRUPTED
    except BaseException as fault:  # a panic of an engine is no Exception
        console.crash(fault)
        return _CRASHED


def _dispatch(argv: Sequence[str] | None, console: Renderer) -> int:
    command, given = _given(argv)
    keys = [given.get(name) for name in ("api_key", "embed_key", "rerank_key")]
    keys.append(os.environ.get("QDRANT_API_KEY"))
    console.secrets = tuple(key for key in keys if key and len(key) >= _SECRET)
    console.quiet = given.get("quiet", False)
    console.err_color &= given.get("color", True)
    if command:
        return command.run(given, console)
    if "text" in given:
        return run.run(given, console)
    if sys.stdin.isatty() and sys.stdout.isatty():
        return run.prompt(given, console)
    return run.run(Given(given, files="-"), console)


def _let_go(file: TextIO) -> None:
    """Point a broken output at nothing, or the interpreter complains when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
