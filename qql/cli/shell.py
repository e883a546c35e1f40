"""A session with a terminal around it: it runs scripts, and the backslash commands of the prompt.

`Shell` runs a script (``qql run``, a pipe) and the lines of a prompt in the same way. A new command is one
decorated function; ``\\?`` reads the same table.
"""

from __future__ import annotations

from collections.abc import Callable

from qql.cli.access import TYPED, Access
from qql.cli.render import ProgressBar, Renderer, json_text, sanitize
from qql.cli.usage import ParamValues, UsageError, parse_value, script_file
from qql.errors import Source, did_you_mean
from qql.records import dataclass, field
from qql.session.script_files import ScriptText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.session.session import Session
    from qql.syntax.pieces import Pieces

__all__ = ["COMMANDS", "Command", "Shell", "is_command", "manual_lines"]

# ------------------------------------------------------------------------------------------------------ shell


@dataclass(slots=True)
class Shell:
    """A session, where its results go, and what the commands of the prompt change.

    ``connect`` opens a session on another target, for ``\\c``. ``params`` are the values of ``:name``
    parameters (a list: of the ``?`` ones). With ``plain_texts`` a script that gives texts only (EXPLAIN, WHY)
    has them shown as they are, for nobody chose a format. ``access`` says what it may do.
    """

    session: Session
    renderer: Renderer
    connect: Callable[[str], Session]
    params: ParamValues = field(default_factory=dict)
    progress: ProgressBar | None = None
    plain_texts: bool = False
    access: Access = field(default_factory=Access)

    def run(self, script: Pieces, *, some: bool = False) -> None:
        """Run a script and show each result as soon as it is there.

        With ``some`` the script gets the parameters that it uses; else it has to use all of them. Raises
        `QQLError`; the results before the statement that failed have been shown by then.
        """
        params = self._params_used_in(script) if some else self.params
        checked = self.access.checked(self.session, script, params or None)
        self.renderer.plain = self.plain_texts and not checked.gives_data
        try:
            for one in checked.statements():
                result = self.access.carry_out(self, one)
                self._clear_progress()
                if result is not None:
                    self.renderer.show(result)
        finally:
            self._clear_progress()

    def feed(self, text: str) -> bool:
        """Carry out what was typed: commands (one a line), or statements. False: leave. Raises `QQLError`."""
        typed = text.strip()
        if typed.rstrip(";").lower() in COMMANDS:
            return COMMANDS[typed.rstrip(";").lower()].run(self, "") is not False
        if is_command(typed):
            line, _, rest = typed.partition("\n")
            return self._run_command(line) and self.feed(rest)
        if typed:
            self.run(ScriptText(Source(text, TYPED)), some=True)
        return True

    def _params_used_in(self, script: Pieces) -> ParamValues:
        if not self.params:
            return self.params
        from qql.syntax.parser import parse_script

        used = {param.key for piece in script for one in parse_script(piece)[0] for param in one.params}
        if isinstance(self.params, list):
            return self.params if used else []
        return {name: value for name, value in self.params.items() if name in used}

    def _run_command(self, line: str) -> bool:
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

    def _clear_progress(self) -> None:
        if self.progress:
            self.progress.clear()


def is_command(typed: str) -> bool:
    """Whether a text is a command of the prompt, and no statement."""
    if typed.startswith("\\") or typed.rstrip(";").lower() in COMMANDS:
        return True
    return typed.split(None, 1)[0].lower() == "help" if typed else False


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`"
    return text[1:-1] if quoted else text


# --------------------------------------------------------------------------------------------------- commands

Action = Callable[[Shell, str], "bool | None"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the prompt. ``run`` gets the shell and the rest of the line; it gives False to leave.

    ``help`` may be a function, where it would need what is not loaded before it is shown.
    """

    name: str
    argument: str
    help: str | Callable[[], str]
    run: Action

    def help_text(self) -> str:
        return self.help if isinstance(self.help, str) else self.help()


COMMANDS: dict[str, Command] = {}
"""Every spelling of every command."""


def _prompt_command(
    *names: str, argument: str = "", help: str | Callable[[], str]
) -> Callable[[Action], Action]:
    def register(function: Action) -> Action:
        COMMANDS.update(dict.fromkeys(names, Command(names[0], argument, help, function)))
        return function

    return register


@_prompt_command("\\q", "quit", "exit", help="leave")
def _leave(shell: Shell, argument: str) -> bool:
    return False


@_prompt_command("\\?", "help", help="this list")
def _list_commands(shell: Shell, argument: str) -> None:
    if argument:
        _show_manual(shell, argument)
        return
    commands = dict.fromkeys(COMMANDS.values())
    usage = {command: f"{command.name} {command.argument}".rstrip() for command in commands}
    width = max(map(len, usage.values()))
    put = shell.renderer.put_text
    put("A statement runs at its `;`; Alt-Enter runs it as it stands; Ctrl-C cancels.", "")
    put(*(f"  {usage[command]:<{width}}  {command.help_text()}" for command in commands))


@_prompt_command("\\h", argument="[WORD]", help="the manual: its contents, or what it says of a word")
def _show_manual(shell: Shell, argument: str) -> None:
    shell.renderer.put_text(*manual_lines(argument, shell.renderer.line_width))


def manual_lines(words: str, width: int | None = None) -> list[str]:
    """What the manual says of words; its contents where there are none. Raises `UsageError`.

    Its sentences are filled for ``width`` columns.
    """
    from qql.manual.lookup import contents_text, suggestion, text_about

    text = text_about(words, width) if words else contents_text(width)
    if not text:
        hint = suggestion(words) or "`help` alone lists the entries"
        raise UsageError.make("unknown-word", f"the manual has no entry for {words}", hint=hint)
    return text.splitlines()


@_prompt_command("\\d", argument="[NAME]", help="list the collections, or describe one")
def _describe(shell: Shell, argument: str) -> None:
    text = "SHOW COLLECTION IDENTIFIER(:name)" if argument else "SHOW COLLECTIONS"
    shell.renderer.show(shell.session.execute(text, {"name": argument} if argument else None, name="\\d"))


@_prompt_command("\\c", argument="[TARGET]", help="connect to a URL, a directory or :memory:")
def _connect_to(shell: Shell, argument: str) -> None:
    if argument:
        shell.reconnect(argument)
    shell.renderer.put_text(sanitize(f"connected to {shell.session.target}"))


@_prompt_command("\\i", argument="FILE", help="run a script")
def _run_file(shell: Shell, argument: str) -> None:
    if not argument:
        raise UsageError.make("usage", r"\i requires a file")
    shell.run(script_file(argument), some=True)


@_prompt_command("\\set", argument="[NAME VALUE]", help="set :NAME (as JSON, or text); list the parameters")
def _set_param(shell: Shell, argument: str) -> None:
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
        for known, value in shell.params.items():
            shell.renderer.put_text(sanitize(f":{known} = {json_text(value)}"))


@_prompt_command("\\unset", argument="NAME", help="forget a parameter")
def _unset_param(shell: Shell, argument: str) -> None:
    name = argument.removeprefix(":")
    if not isinstance(shell.params, dict) or name not in shell.params:
        raise UsageError.make(
            "usage", f"there is no parameter :{name}", hint=did_you_mean(name, shell.params)
        )
    del shell.params[name]


def _format_names() -> str:
    from qql.cli.render.formats import FORMATS

    return ", ".join(FORMATS)


@_prompt_command("\\format", argument="[NAME]", help=_format_names)
def _set_format(shell: Shell, argument: str) -> None:
    from qql.cli.render.formats import FORMATS

    if argument and argument not in FORMATS:
        hint = did_you_mean(argument, FORMATS) or f"the formats are {_format_names()}"
        raise UsageError.make("usage", f"there is no format {argument}", hint=hint)
    if argument:
        shell.renderer.format, shell.renderer.apart, shell.plain_texts = argument, False, False
    shell.renderer.put(f"format is {shell.renderer.format}")


@_prompt_command("\\x", help="switch between the formats vertical and table")
def _toggle_vertical(shell: Shell, argument: str) -> None:
    _set_format(shell, "table" if shell.renderer.format == "vertical" else "vertical")


@_prompt_command("\\timing", argument="[on|off]", help="show how long a statement took")
def _set_timing(shell: Shell, argument: str) -> None:
    if argument not in ("", "on", "off"):
        raise UsageError.make("usage", f"\\timing requires on or off, found {argument}")
    shell.renderer.timing = argument == "on" if argument else not shell.renderer.timing
    shell.renderer.put(f"timing is {'on' if shell.renderer.timing else 'off'}")
