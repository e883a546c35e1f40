"""The command line. Results go to standard output, everything else to standard error.

Exit codes: 0 done; 1 a statement failed, or `fmt --check` found a script to change; 2 wrong usage, or a file
that cannot be read; 3 the text is at fault and nothing was sent; 4 no connection; 70 a fault of qql itself;
130 Ctrl-C; 141 nobody reads the output.

Rich, prompt_toolkit and the engines are imported where a command needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import errno
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import qql
from qql.errors import Diagnostic, QQLError, did_you_mean
from qql.render import FORMATS, ProgressBar, Renderer, json_text, render_diagnostics, sanitize, wants_color
from qql.repl import Shell, UsageError, interact, manual_lines, parse_value, read_script, reason

if TYPE_CHECKING:
    from qql.session import Session

__all__ = ["main"]

_SECRET = 4  # characters; hiding shorter ones would hide words
_CRASHED, _INTERRUPTED, _PIPE_CLOSED = 70, 130, 141
_MEMORY = ":memory:"

# -------------------------------------------------------------------------------------------------- arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if word := re.match(r"argument COMMAND: invalid choice: '(.*)' \(", message):
            hint = did_you_mean(word[1], _COMMANDS) or f"`qql run {word[1]}` runs a file"
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
class _Option:
    group: str
    flags: tuple[str, ...]
    settings: dict[str, Any]


def _option(group: str, *flags: str, **settings: Any) -> _Option:
    return _Option(group, flags, settings)


_SWITCH = {"action": "store_true"}
_OPTIONS = {
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

_TARGET = ("url", "api_key", "db", "timeout", "grpc")
_BODIES = ("method", "path")
_REWRITING = ("check", "write")
_OFFLINE = ("text", "collection", "param", "model", "color", "quiet")
_MANY = "*"
_ONE = "?"


@dataclass(frozen=True, slots=True)
class _Command:
    run: Callable[[_Given, Renderer], int]
    help: str
    options: tuple[str, ...]
    formats: tuple[str, ...] = ()
    files: str = _ONE
    takes: tuple[str, str] = ("FILE", "a script; `-` is standard input")


class _Given(dict[str, Any]):
    """What the command line gave, by the name of the value; what it did not give is not there."""

    def flag(self, name: str) -> str:
        """The spelling of an option, for messages."""
        return _OPTIONS[name].flags[-1]


def _parser() -> _Parser:
    parents = {name: _parent(name, option) for name, option in _OPTIONS.items()}
    settings: dict[str, Any] = {
        "allow_abbrev": False,
        "argument_default": argparse.SUPPRESS,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }
    top = _Parser(prog="qql", description=_ABOUT, epilog=_EPILOG, parents=list(parents.values()), **settings)
    top.add_argument("--version", action="version", version=f"qql {qql.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in _COMMANDS.items():
        formats = f"formats: {', '.join(command.formats)}" if command.formats else None
        own = commands.add_parser(
            name,
            help=command.help,
            description=command.help,
            epilog=formats,
            parents=[parents[option] for option in command.options],
            **settings,
        )
        metavar, about = command.takes
        own.add_argument("files", nargs=command.files, metavar=metavar, help=about)
    return top


def _parent(name: str, option: _Option) -> _Parser:
    # One action object serves all parsers: _Pairs and _Once remember what came before the command.
    parent = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    parent.add_argument_group(option.group).add_argument(*option.flags, **{"dest": name, **option.settings})
    return parent


def _given(argv: Sequence[str] | None) -> tuple[_Command | None, _Given]:
    """The command (None: none was named) and its arguments. Raises `UsageError`."""
    argv = sys.argv[1:] if argv is None else argv
    _refuse_unknown(argv)
    parser = _parser()
    namespace, unknown = parser.parse_known_args(argv)
    given = _Given(vars(namespace))
    name = given.pop("command", None)
    command = _COMMANDS[name or "run"]
    flags = [word.partition("=")[0] for word in unknown]
    misplaced = [option.flags[-1] for option in _OPTIONS.values() if {*option.flags} & {*flags}]
    misplaced += [given.flag(option) for option in given if option not in (*command.options, "files")]
    if misplaced:
        raise UsageError.make("usage", f"{misplaced[0]} has no meaning for `qql {name or 'run'}`")
    if unknown:
        parser.error(f"unrecognized argument {unknown[0]}")
    if "format" in given and given["format"] not in command.formats:
        known = ", ".join(command.formats)
        hint = did_you_mean(given["format"], command.formats) or f"the formats are {known}"
        raise UsageError.make("usage", f"there is no format {given['format']}", hint=hint)
    return _COMMANDS.get(name), given


def _refuse_unknown(argv: Sequence[str]) -> None:
    # argparse would take the value of a misspelt option for a command, and show it: it might be a secret.
    known = {flag for option in _OPTIONS.values() for flag in option.flags}
    known |= {"--help", "--version", "--no-progress"}
    for word in argv:
        flag = re.fullmatch(r"(--[a-z][\w-]*)(=.*)?", word, re.DOTALL)
        if word == "--":
            return
        if flag and flag[1] not in known:
            raise UsageError.make(
                "usage", f"unrecognized argument {flag[1]}", hint=did_you_mean(flag[1], known)
            )


def _params(given: _Given) -> dict[str, Any] | list[Any]:
    values = {name: parse_value(text) for name, text in given.get("param", {}).items()}
    numbers = {int(name): value for name, value in values.items() if re.fullmatch("[0-9]+", name)}
    if not numbers:
        return values
    if len(numbers) != len(values) or sorted(numbers) != list(range(1, len(values) + 1)):
        raise UsageError.make(
            "usage", "--param requires either names, or the numbers 1, 2, … without a gap for `?`"
        )
    return [numbers[at] for at in sorted(numbers)]


def _scripts(given: _Given) -> list[tuple[str, str]]:
    """The texts to work on, each with its name. Raises `UsageError`."""
    files = given.get("files") or []
    files = [files] if isinstance(files, str) else files
    if ("text" in given) == bool(files):
        what = "either a file or -c TEXT, not both" if files else "a file, `-` for standard input, or -c TEXT"
        raise UsageError.make("usage", f"this command requires {what}")
    if files:
        return [(read_script(file), "<stdin>" if file == "-" else file) for file in files]
    try:
        given["text"].encode()
    except UnicodeEncodeError as exc:  # bytes of an argument that the locale cannot read
        raise UsageError.make("usage", "the text of -c is not UTF-8", hint="use a UTF-8 locale") from exc
    return [(given["text"], "<command>")]


def _script(given: _Given) -> tuple[str, str]:
    return _scripts(given)[0]


# ----------------------------------------------------------------------------------------------------- target


def _target(given: _Given) -> str:
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
    return db or _MEMORY


def _connect(given: _Given, target: str, progress: ProgressBar | None) -> Session:
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
        rerank_model=given.get("rerank_model"),
        rerank_url=given.get("rerank_url"),
        rerank_key=given.get("rerank_key"),
        on_progress=progress,
    )


def _elsewhere(given: _Given, target: str, progress: ProgressBar | None) -> Session:
    """A session on another target, for ``\\c``: what belongs to the first server is not shown to another."""
    if re.fullmatch(r"[\w.-]+:[0-9]+", target):
        target = f"http://{target}"
    own = () if target == _target(given) else ("api_key", "grpc", "cloud_inference")
    kept = _Given({name: value for name, value in given.items() if name not in own})
    return _connect(kept, target, progress)


# --------------------------------------------------------------------------------------------------- commands


@contextlib.contextmanager
def _output(given: _Given) -> Iterator[TextIO]:
    if "output" not in given:
        yield sys.stdout
        return
    file = _created(given["output"])
    try:
        yield file
        file.close()
    finally:
        with contextlib.suppress(OSError):  # a full disk has been reported by now
            file.close()


def _created(path: str) -> TextIO:
    try:
        return Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
    except (OSError, ValueError) as exc:
        raise UsageError.make("file-unwritable", f"cannot write {path}: {reason(exc)}") from exc


_SUFFIXES = {".json": "json", ".csv": "csv", ".md": "markdown", ".txt": "table"}


def _result_format(given: _Given, file: TextIO) -> str:
    if "format" in given:
        return str(given["format"])
    if "output" in given:
        return _SUFFIXES.get(Path(given["output"]).suffix.lower(), "jsonl")
    return "table" if file.isatty() else "jsonl"


@contextlib.contextmanager
def _shell(given: _Given, console: Renderer) -> Iterator[Shell]:
    """A connected shell; closed at the end."""
    target, params = _target(given), _params(given)
    bars = ProgressBar(sys.stderr, color=console.err_color)
    progress = bars if given.get("progress", sys.stderr.isatty()) else None
    with _output(given) as file:
        console.file = file
        console.format = _result_format(given, file)
        console.color = given.get("color", True) and wants_color(file)
        session = _connect(given, target, progress)
        shell = Shell(session, console, lambda to: _elsewhere(given, to, progress), params, progress)
        try:
            yield shell
        finally:
            shell.session.close()


def _run(given: _Given, console: Renderer) -> int:
    text, name = _script(given)
    with _shell(given, console) as shell:
        if _target(given) == _MEMORY and "db" not in given:
            console.note("note: a database in memory, gone at the end; --db DIR or --url URL names another")
        shell.run(text, name)
    return 0


def _prompt(given: _Given, console: Renderer) -> int:
    with _shell(given, console) as shell:
        memory = r" (gone at the end; \c DIR opens a directory)" if _target(given) == _MEMORY else ""
        console.note(f"qql {qql.__version__}, connected to {shell.session.target}{memory}")
        console.note(r"\? lists the commands, \q leaves")
        return interact(shell)


def _compile(given: _Given, console: Renderer) -> int:
    text, name = _script(given)
    warnings: list[Diagnostic] = []
    requests = qql.compile(
        text,
        _params(given) or None,
        collection=given.get("collection"),
        models=given.get("model"),
        name=name,
        warnings=warnings,
    )
    console.warn(warnings)
    bodies = [request.to_dict() for request in requests]
    with _output(given) as file:
        console.file = file
        if given.get("format") == "jsonl":
            for body in bodies:
                console.put(json_text(body, ascii_only=console.ascii_only))
        else:
            console.put(json_text(bodies, ascii_only=console.ascii_only, indent=2))
    return 0


def _explain(given: _Given, console: Renderer) -> int:
    text, name = _script(given)
    params = _params(given) or None
    if {"url", "db"} & given.keys():
        session = _connect(given, _target(given), None)
        try:
            plan = session.explain(text, params, name=name)
        finally:
            session.close()
    else:
        for option in set(_TARGET) & given.keys():
            raise UsageError.make("usage", f"{given.flag(option)} requires --url or --db")
        plan = qql.explain(
            text, params, collection=given.get("collection"), models=given.get("model"), name=name
        )
    console.put(sanitize(plan.rstrip("\n"), newline="\n"))
    return 0


def _check(given: _Given, console: Renderer) -> int:
    found: list[Diagnostic] = []
    params = _params(given) or None
    scripts = _scripts(given)
    for text, name in scripts:
        found += qql.check(
            text, params, collection=given.get("collection"), models=given.get("model"), name=name
        )
    match given.get("format", "text"):
        case "json":
            console.put(
                json_text([item.to_dict() for item in found], ascii_only=console.ascii_only, indent=2)
            )
        case "jsonl":
            for item in found:
                console.put(json_text(item.to_dict(), ascii_only=console.ascii_only))
        case _ if found:
            console.put(render_diagnostics(found, color=given.get("color", True) and wants_color(sys.stdout)))
    count = Counter(item.severity for item in found)
    console.note(
        f"{_counted(len(scripts), 'script')}: {_counted(count['error'], 'error')}, "
        f"{_counted(count['warning'], 'warning')}"
    )
    return 3 if count["error"] else 0


def _convert(given: _Given, console: Renderer) -> int:
    text, name = _script(given)
    found = qql.from_request(
        text,
        method=given.get("method"),
        path=given.get("path"),
        collection=given.get("collection"),
        format=given.get("format", "script"),
        name=name,
    )
    with _output(given) as file:
        console.file = file
        written = found.rstrip("\n")  # as it is: it may go into a file, to be run
        console.put(sanitize(written, newline="\n") if file.isatty() else written)
    return 0


def _help(given: _Given, console: Renderer) -> int:
    console.put(*manual_lines(" ".join(given.get("files", ()))))
    return 0


def _fmt(given: _Given, console: Renderer) -> int:
    files = given.get("files") or ["-"]
    if "check" in given and "write" in given:
        raise UsageError.make("usage", "--check and --write exclude each other")
    if "write" in given and "-" in files:
        raise UsageError.make("usage", "--write requires files, and standard input is none")
    codes, changed = [0], 0
    for file in files:
        try:
            changed += _formatted(file, given, console)
        except BrokenPipeError:
            raise
        except QQLError as error:
            if error.code == "output-unwritable":
                raise
            console.error(error)
            codes.append(error.exit_code)
        except Exception as fault:  # the other files are none the worse for it
            console.crash(fault)
            codes.append(_CRASHED)
    if {*_REWRITING} & given.keys():
        would = "would change" if "check" in given else "rewritten"
        console.note(f"{_counted(len(files), 'script')}: {changed} {would}")
    return max(*codes, int("check" in given and changed > 0))


def _formatted(file: str, given: _Given, console: Renderer) -> bool:
    """Format one script as the command line says. Gives whether it changed."""
    from qql.formatter import format_script

    name = "<stdin>" if file == "-" else file
    if file != "-" and Path(file).is_dir():
        hint = f"name its scripts: qql fmt {file.rstrip('/')}/*.qql"
        raise UsageError.make("file-unreadable", f"{file} is a directory", hint=hint)
    text = read_script(file)
    new = format_script(text, name=name)
    if "write" in given and new != text:
        _rewrite(Path(file), new)
    elif "check" in given and new != text:
        console.put(sanitize(name))
    elif not {*_REWRITING} & given.keys() and new:
        written = new.removesuffix("\n")  # as it is: it may go into a file
        console.put(sanitize(written, newline="\n") if sys.stdout.isatty() else written)
    return new != text


def _rewrite(path: Path, text: str) -> None:
    """Replace a file's text, all of it or nothing; permissions and a byte-order mark remain."""
    try:
        path = path.expanduser().resolve()  # a link remains a link
        mark = path.read_bytes()[:3]
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        handle, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write((mark if mark == codecs.BOM_UTF8 else b"") + text.encode())
            shutil.copymode(path, fresh)
            Path(fresh).replace(path)
        except BaseException:
            Path(fresh).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise UsageError.make("file-unwritable", f"cannot write {path}: {reason(exc)}") from exc


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_RUN = tuple(name for name in _OPTIONS if name not in (*_BODIES, *_REWRITING))
_COMMANDS = {
    "run": _Command(_run, "run a script, and show each result", _RUN, tuple(FORMATS)),
    "compile": _Command(
        _compile,
        "show the requests of a script, and send nothing",
        (*_OFFLINE, "format", "output"),
        ("json", "jsonl"),
    ),
    "explain": _Command(
        _explain,
        "show the plan of a script; with --url or --db, by the collections there",
        (*_OFFLINE, *_TARGET),
    ),
    "check": _Command(
        _check,
        "show the errors and warnings of scripts, and send nothing",
        (*_OFFLINE, "format"),
        ("text", "json", "jsonl"),
        _MANY,
    ),
    "fmt": _Command(
        _fmt,
        "show scripts in the canonical spelling and layout, or rewrite them so",
        (*_REWRITING, "color", "quiet"),
        files=_MANY,
    ),
    "convert": _Command(
        _convert,
        "show the QQL of requests: JSON, curl commands, or POST /path with JSON below it",
        ("text", "collection", *_BODIES, "color", "quiet", "format", "output"),
        ("script", "line"),
        takes=("FILE", "a file of requests; `-` is standard input"),
    ),
    "help": _Command(
        _help,
        "show what the manual says of a word; without one, its contents",
        (),
        files=_MANY,
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
        return _run(given, console)
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _prompt(given, console)
    return _run(_Given(given, files="-"), console)


def _let_go(file: TextIO) -> None:
    """Point a broken output at nothing, or the interpreter complains when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
