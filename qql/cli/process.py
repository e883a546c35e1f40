"""The process of a command. Results go to standard output, everything else to standard error.

Exit codes: 0 done; 1 a statement failed, `fmt --check` found a script to change, `lint --fail-on` something
to say, or `diff --exit-code` a difference; 2 wrong usage, or a file that cannot be read; 3 the text is at
fault and nothing was sent; 4 no connection, or no answer in time; 5 refused, as it may not be done here, and
nothing was sent; 70 a fault of qql itself; 130 Ctrl-C; 141 nobody reads the output. With `--continue` it is
the highest of the statements that failed.

What a command works with is imported when it runs, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys

from qql.cli.arguments import parse_arguments
from qql.cli.commands import COMMANDS, PROMPT
from qql.cli.commands.options import Arguments
from qql.cli.keys import known_keys, read_keys, visible_keys
from qql.cli.render import Renderer, wants_color
from qql.cli.usage import INTERRUPTED, said_of_stop
from qql.errors import QQLError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from qql.cli.commands import Command

__all__ = ["run"]

_CRASHED, _PIPE_CLOSED = 70, 141


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line (``sys.argv``) and give the exit code. Nothing is raised."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if reconfigure := getattr(stream, "reconfigure", None):
                reconfigure(errors="backslashreplace")
        console = Renderer(sys.stdout, err=sys.stderr, err_color=wants_color(sys.stderr))
        _name_error_format(sys.argv[1:] if argv is None else argv, console)
        code = _exit_code(argv, console)
        if argv is None:  # the process ends here, and what Python does at its end cannot be interrupted
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            gc.freeze()  # nor has it to look for garbage, all memory is given back anyway
        return code
    except BrokenPipeError:
        _discard_output(sys.stdout)
        return _PIPE_CLOSED
    except KeyboardInterrupt:  # a second one, while the first was told
        return INTERRUPTED


def _exit_code(argv: Sequence[str] | None, console: Renderer) -> int:
    try:
        code = _dispatch(argv, console)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        raise
    except QQLError as error:
        console.error(error)
        if error.code == "output-unwritable":
            _discard_output(console.file)
        return error.exit_code
    except SystemExit as leave:  # --help
        sys.stdout.flush()
        return leave.code if isinstance(leave.code, int) else 0
    except KeyboardInterrupt as stop:
        console.note(said_of_stop("interrupted", stop))
        return INTERRUPTED
    except ModuleNotFoundError as exc:
        return _said_of_missing(exc, console)
    except BaseException as fault:  # a panic of an engine is no Exception
        console.crash(fault)
        return _CRASHED


def _said_of_missing(exc: ModuleNotFoundError, console: Renderer) -> int:
    from qql.missing import missing

    try:
        wanted = missing(exc, "this command")
    except ModuleNotFoundError as fault:  # it is one of ours
        console.crash(fault)
        return _CRASHED
    console.error(wanted)
    return wanted.exit_code


def _dispatch(argv: Sequence[str] | None, console: Renderer) -> int:
    command, args = parse_arguments(argv)
    console.quiet = args.get("quiet", False)
    console.err_color &= args.get("color", True)
    visible = visible_keys(args)
    if "profile" in args:
        args = _by_profile(args, command or COMMANDS["run"])
    args = read_keys(args)
    console.secrets = known_keys(args)
    if visible is not None:
        console.note(visible)
    dashes = any(one == "-" or (isinstance(one, list) and "-" in one) for one in args.values())
    if dashes or command is COMMANDS["fmt"]:
        args = _with_streams(command, args, console)
    if "log_level" in args:
        from qql.cli.log_lines import log_lines

        with log_lines(console, args["log_level"]):  # lines and bars would stand in each other's way
            return _with_models(command, Arguments({"progress": False, **args}), console)
    return _with_models(command, args, console)


def _with_models(command: Command | None, args: Arguments, console: Renderer) -> int:
    if "embedder" in args or "reranker" in args:
        from qql.cli.own_models import with_own_models

        return with_own_models(args, console, lambda bound: _run(command, bound, console))
    return _run(command, args, console)


def _run(command: Command | None, args: Arguments, console: Renderer) -> int:
    if command is not None:
        return command.run(args, console)
    if "text" in args:
        return COMMANDS["run"].run(args, console)
    if sys.stdin.isatty() and sys.stdout.isatty():
        return PROMPT(args, console)
    return COMMANDS["run"].run(Arguments(args, files="-"), console)


def _name_error_format(argv: Sequence[str], console: Renderer) -> None:
    """Read before all other arguments, which may be at fault."""
    if any(word.startswith("--error-format") for word in argv):
        from qql.cli.render.error_objects import named_error_format

        console.error_format = named_error_format(argv)


def _by_profile(args: Arguments, command: Command) -> Arguments:
    """The arguments with what their profile says, and with the profile in the place of its name."""
    from qql.cli.profiles.applied import profile_of, with_profile

    profile = profile_of(args)
    return with_profile(args, profile, command)


def _with_streams(command: Command | None, args: Arguments, console: Renderer) -> Arguments:
    """The arguments with standard input and output where they name `-`."""
    from qql.cli.streams import waits_for, with_streams

    args = with_streams(args)
    if waits_for(command, args):  # or who sits there would wait, too
        console.note("reading what is typed here, up to Ctrl-D on a line of its own")
    return args


def _discard_output(file: TextIO) -> None:
    """Point a broken output at nothing, or the interpreter complains when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
