"""A session with a terminal around it: scripts, backslash commands, and the prompt.

`Shell` runs a script (``qql run``, a pipe) and the lines of a prompt in the same way; `interact` is the
prompt. A new command is one decorated function; ``\\?`` reads the same table.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qql.cli.render import FORMATS, ProgressBar, Renderer, json_text, sanitize
from qql.errors import QQLError, Source, did_you_mean

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import History
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from qql.session.session import Session

__all__ = [
    "COMMANDS",
    "Shell",
    "UsageError",
    "decode_script",
    "interact",
    "manual_lines",
    "open_history",
    "parse_value",
    "read_script",
    "reason",
    "submits",
]


class UsageError(QQLError):
    """The command line or a backslash command is at fault, or a file that it names."""

    exit_code = 2


# ---------------------------------------------------------------------------------------------------- scripts


def read_script(path: str) -> str:
    """The text of a script; ``-`` is standard input. Raises `UsageError` with code ``file-unreadable``."""
    try:
        if path == "-":
            raw = getattr(sys.stdin, "buffer", None)
            return decode_script(raw.read(), "<stdin>") if raw else sys.stdin.read()
        return decode_script(Path(path).expanduser().read_bytes(), path)
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as exc:  # ValueError: a NUL in the path; RuntimeError: `~nobody`
        raise UsageError.make("file-unreadable", f"cannot read {path}: {reason(exc)}") from exc


def reason(exc: Exception) -> str:
    """What an operating system's error says, without its number and its path."""
    return exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)


def decode_script(raw: bytes, name: str) -> str:
    """UTF-8, with or without a byte-order mark. Raises `UsageError` with the code ``file-unreadable``."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise UsageError.make(
            "file-unreadable",
            f"{name} is not UTF-8 text: byte 0x{raw[exc.start]:02x} at offset {exc.start}",
            hint="it might be UTF-16; save it as UTF-8" if wide else "save it as UTF-8",
        ) from exc


def parse_value(text: str) -> Any:
    """The value of a parameter: JSON where the text is JSON, the text itself otherwise."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are no JSON


# ------------------------------------------------------------------------------------------------------ shell


@dataclass(slots=True)
class Shell:
    """A session, where its results go, and what the commands of the prompt change.

    ``connect`` opens a session on another target, for ``\\c``. ``params`` are the values of ``:name``
    parameters (a list: of the ``?`` ones).
    """

    session: Session
    renderer: Renderer
    connect: Callable[[str], Session]
    params: dict[str, Any] | list[Any] = field(default_factory=dict)
    progress: ProgressBar | None = None

    def run(self, text: str, name: str = "<input>", *, some: bool = False) -> None:
        """Run a script and show each result as soon as it is there.

        With ``some`` the text gets the parameters that it uses; else it has to use all of them. Raises
        `QQLError`; the results before the statement that failed have been shown by then.
        """
        params = self._used(text) if some else self.params
        try:
            for result in self.session.stream(text, params or None, name=name):
                self._clear()
                self.renderer.show(result)
        finally:
            self._clear()

    def feed(self, text: str) -> bool:
        """Carry out what was typed: commands (one a line), or statements. False: leave. Raises `QQLError`."""
        typed = text.strip()
        if typed.rstrip(";").lower() in COMMANDS:
            return COMMANDS[typed.rstrip(";").lower()].run(self, "") is not False
        if typed.startswith("\\") or _asks_for_help(typed):
            line, _, rest = typed.partition("\n")
            return self._command(line) and self.feed(rest)
        if typed:
            self.run(text, some=True)
        return True

    def _used(self, text: str) -> dict[str, Any] | list[Any]:
        if not self.params:
            return self.params
        from qql.syntax.parser import parse_script

        used = {param.key for one in parse_script(Source(text))[0] for param in one.params}
        if isinstance(self.params, list):
            return self.params if used else []
        return {name: value for name, value in self.params.items() if name in used}

    def _command(self, line: str) -> bool:
        word, *rest = line.rstrip("; \r").split(None, 1)
        word = word if word.startswith("\\") else word.lower()
        if word not in COMMANDS:
            hint = did_you_mean(word, COMMANDS) or r"`\?` lists the commands"
            raise UsageError.make("unknown-command", f"there is no command {word}", hint=hint)
        return COMMANDS[word].run(self, _unquoted("".join(rest).strip())) is not False

    def reconnect(self, target: str) -> None:
        """Leave this session for one on another target; the old one stays when that fails."""
        session = self.connect(target)
        self.session.close()
        self.session = session

    def _clear(self) -> None:
        if self.progress:
            self.progress.clear()


def _asks_for_help(typed: str) -> bool:
    return typed.split(None, 1)[0].lower() == "help" if typed else False


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`"
    return text[1:-1] if quoted else text


# --------------------------------------------------------------------------------------------------- commands

Action = Callable[[Shell, str], "bool | None"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the prompt. ``run`` gets the shell and the rest of the line; it gives False to leave."""

    name: str
    argument: str
    help: str
    run: Action


COMMANDS: dict[str, Command] = {}
"""Every spelling of every command."""


def _command(*names: str, argument: str = "", help: str) -> Callable[[Action], Action]:
    def register(function: Action) -> Action:
        COMMANDS.update(dict.fromkeys(names, Command(names[0], argument, help, function)))
        return function

    return register


@_command("\\q", "quit", "exit", help="leave")
def _quit(shell: Shell, argument: str) -> bool:
    return False


@_command("\\?", "help", help="this list")
def _help(shell: Shell, argument: str) -> None:
    if argument:
        _manual(shell, argument)
        return
    commands = dict.fromkeys(COMMANDS.values())
    usage = {command: f"{command.name} {command.argument}".rstrip() for command in commands}
    width = max(map(len, usage.values()))
    put = shell.renderer.put
    put("A statement runs at its `;`; Alt-Enter runs it as it stands; Ctrl-C cancels.", "")
    put(*(f"  {usage[command]:<{width}}  {command.help}" for command in commands))


@_command("\\h", argument="[WORD]", help="the manual: its contents, or what it says of a word")
def _manual(shell: Shell, argument: str) -> None:
    shell.renderer.put(*manual_lines(argument))


def manual_lines(words: str) -> list[str]:
    """What the manual says of words; its contents where there are none. Raises `UsageError`."""
    from qql.manual.lookup import contents_text, suggestion, text_about

    text = text_about(words) if words else contents_text()
    if not text:
        hint = suggestion(words) or "`help` alone lists the entries"
        raise UsageError.make("unknown-word", f"the manual has no entry for {words}", hint=hint)
    return text.splitlines()


@_command("\\d", argument="[NAME]", help="list the collections, or describe one")
def _describe(shell: Shell, argument: str) -> None:
    text = "SHOW COLLECTION IDENTIFIER(:name)" if argument else "SHOW COLLECTIONS"
    shell.renderer.show(shell.session.execute(text, {"name": argument} if argument else None, name="\\d"))


@_command("\\c", argument="[TARGET]", help="connect to a URL, a directory or :memory:")
def _connect(shell: Shell, argument: str) -> None:
    if argument:
        shell.reconnect(argument)
    shell.renderer.put(sanitize(f"connected to {shell.session.target}"))


@_command("\\i", argument="FILE", help="run a script")
def _include(shell: Shell, argument: str) -> None:
    if not argument:
        raise UsageError.make("usage", r"\i requires a file")
    shell.run(read_script(argument), argument, some=True)


@_command("\\set", argument="[NAME VALUE]", help="set :NAME (as JSON, or text); list the parameters")
def _set(shell: Shell, argument: str) -> None:
    if isinstance(shell.params, list):
        shell.params = {}
    name, _, value = argument.partition(" ")
    if value.strip():
        shell.params[name.removeprefix(":")] = parse_value(value.strip())
    elif name:
        raise UsageError.make(
            "usage", r"\set requires a name and a value", hint=rf"`\unset {name}` removes it"
        )
    else:
        for known, what in shell.params.items():
            shell.renderer.put(sanitize(f":{known} = {json_text(what)}"))


@_command("\\unset", argument="NAME", help="forget a parameter")
def _unset(shell: Shell, argument: str) -> None:
    name = argument.removeprefix(":")
    if not isinstance(shell.params, dict) or name not in shell.params:
        raise UsageError.make(
            "usage", f"there is no parameter :{name}", hint=did_you_mean(name, shell.params)
        )
    del shell.params[name]


@_command("\\format", argument="[NAME]", help=", ".join(FORMATS))
def _format(shell: Shell, argument: str) -> None:
    if argument and argument not in FORMATS:
        hint = did_you_mean(argument, FORMATS) or f"the formats are {', '.join(FORMATS)}"
        raise UsageError.make("usage", f"there is no format {argument}", hint=hint)
    shell.renderer.format = argument or shell.renderer.format
    shell.renderer.put(f"format is {shell.renderer.format}")


@_command("\\x", help="switch between the formats vertical and table")
def _expanded(shell: Shell, argument: str) -> None:
    _format(shell, "table" if shell.renderer.format == "vertical" else "vertical")


@_command("\\timing", argument="[on|off]", help="show how long a statement took")
def _timing(shell: Shell, argument: str) -> None:
    if argument not in ("", "on", "off"):
        raise UsageError.make("usage", f"\\timing requires on or off, found {argument}")
    shell.renderer.timing = argument == "on" if argument else not shell.renderer.timing
    shell.renderer.put(f"timing is {'on' if shell.renderer.timing else 'off'}")


# ----------------------------------------------------------------------------------------------------- prompt


def submits(text: str) -> bool:
    """Whether Enter sends the text: it is blank, a command, or its last statement has its `;`."""
    from qql.syntax.parser import is_complete

    typed = text.strip()
    if not typed or typed.startswith("\\") or typed.rstrip(";").lower() in COMMANDS or _asks_for_help(typed):
        return True
    return is_complete(text) or _interrupted(text) is not None


def _interrupted(text: str) -> tuple[str, str] | None:
    """An unfinished statement and the command that was typed on the line after it, or None."""
    from qql.syntax.parser import is_complete

    statement, _, line = text.rstrip().rpartition("\n")
    word = line.strip().rstrip(";").split(None, 1)[:1]
    if not statement.strip() or not word or word[0] not in COMMANDS or not word[0].startswith("\\"):
        return None
    # A `;` would end the statement only where the line is not inside a string or a comment.
    return (statement + "\n", line) if is_complete(statement + "\n;") else None


def open_history() -> tuple[History, str | None]:
    """The history of the prompt, and a warning when it cannot be kept.

    It is the file that QQL_HISTORY names (empty: none), or one in the user's state directory. Nobody else may
    read it, for statements hold data.
    """
    from prompt_toolkit.history import InMemoryHistory

    named = os.environ.get("QQL_HISTORY")
    if named == "":
        return InMemoryHistory(), None
    try:
        path = Path(named).expanduser() if named else _state_directory() / "history"
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            regular = stat.S_ISREG(os.fstat(handle).st_mode)
        finally:
            os.close(handle)
        if not regular:  # /dev/null, whose mode must not be touched
            return InMemoryHistory(), None
        path.chmod(0o600)
    except (OSError, ValueError, RuntimeError) as exc:
        return InMemoryHistory(), f"history is not kept: cannot write {named or 'its file'}: {reason(exc)}"
    return _kept(path), None


def _kept(path: Path) -> History:
    from prompt_toolkit.history import FileHistory

    class Kept(FileHistory):
        """A history file; a full disk or a removed directory must not stop the prompt."""

        def store_string(self, string: str) -> None:
            with contextlib.suppress(OSError):
                super().store_string(string)

        def load_history_strings(self) -> Iterable[str]:
            with contextlib.suppress(OSError):
                yield from super().load_history_strings()

    return Kept(str(path))


def _state_directory() -> Path:
    from platformdirs import user_state_path

    return user_state_path("qql", appauthor=False)


def interact(shell: Shell, *, input: Input | None = None, output: Output | None = None) -> int:
    """Prompt, carry out, and show, until ``\\q`` or Ctrl-D. An error is shown and the prompt comes back."""
    history, warning = open_history()
    prompt = _prompt_session(history, input, output)
    if warning:
        shell.renderer.note(warning)
    kept = ""
    while True:
        try:
            text = prompt.prompt(lambda: f"{_where(shell.session.target)}> ", default=kept)
        except KeyboardInterrupt:
            kept = ""
            continue
        except EOFError:
            return 0
        kept, text = _interrupted(text) or ("", text)
        if not _carry_out(shell, text):
            return 0


def _carry_out(shell: Shell, text: str) -> bool:
    try:
        return shell.feed(text)
    except KeyboardInterrupt:
        shell.renderer.note("cancelled")
    except QQLError as error:
        shell.renderer.error(error)
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as fault:  # a panic of an engine is no Exception
        shell.renderer.crash(fault)
    return True


_PROMPT_WIDTH = 32


def _where(target: str) -> str:
    shown = sanitize(target)
    return shown if len(shown) <= _PROMPT_WIDTH else "…" + shown[1 - _PROMPT_WIDTH :]


def _prompt_session(history: History, input: Input | None, output: Output | None) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.enums import DEFAULT_BUFFER
    from prompt_toolkit.filters import has_focus
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    @keys.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if submits(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.newline(copy_margin=True)

    return PromptSession(
        history=history,
        input=input,
        output=output,
        key_bindings=keys,
        multiline=True,
        prompt_continuation=lambda width, line, wrapped: "-> ".rjust(width),
        enable_open_in_editor=True,
        tempfile_suffix=".qql",
    )
