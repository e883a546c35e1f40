"""A session with a terminal around it: it runs scripts, and what is typed at the prompt.

`Shell` runs a script (``qql run``, a pipe) and the lines of a prompt in the same way. The commands of the
prompt stand in `qql.cli.backslash`, which is loaded when the first of them is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qql.cli.access import TYPED, Access
from qql.cli.render import ProgressBar, Renderer
from qql.cli.usage import ParamValues, UsageError
from qql.errors import QQLConnectionError, QQLError, Source, did_you_mean
from qql.records import dataclass, field
from qql.session.script_files import ScriptText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.cli.backslash import COMMANDS, Command
    from qql.cli.backslash.output import Output
    from qql.errors import Diagnostic
    from qql.rest.types import JsonObject
    from qql.result import Result
    from qql.session.session import Session
    from qql.syntax.pieces import Pieces

__all__ = ["COMMANDS", "Command", "Ran", "Shell", "is_command", "manual_lines"]

_RAN_KEPT = 20
"""Statements that the prompt remembers, for the commands about the last one of a kind."""
_LONGEST_KEPT = 100_000
"""Characters of a statement that it remembers: of a longer one nobody asks why."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A statement that was carried out, and all parameters that there were then."""

    text: str
    params: ParamValues


@dataclass(slots=True)
class Shell:
    """A session, where its results go, and what the commands of the prompt change.

    ``connect`` opens a session on another target, for ``\\c``. ``params`` are the values of ``:name``
    parameters (a list: of the ``?`` ones). With ``plain_texts`` a script that gives texts only (EXPLAIN, WHY)
    has them shown as they are, for nobody chose a format. ``access`` says what it may do.

    ``typed`` is what was typed last that is no command; ``last`` the result that was shown last; ``ran`` the
    last statements of the prompt, the newest one at the end; ``draft`` the text with which the prompt begins
    next; ``scripts`` the files that are being run, the innermost one at the end; ``output`` where results go
    that do not go to the terminal; ``remember`` puts into the history what was typed elsewhere.
    """

    session: Session
    renderer: Renderer
    connect: Callable[[str], Session]
    params: ParamValues = field(default_factory=dict)
    progress: ProgressBar | None = None
    plain_texts: bool = False
    access: Access = field(default_factory=Access)
    typed: str = ""
    draft: str = ""
    last: Result | None = None
    ran: list[Ran] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    output: Output | None = None
    remember: Callable[[str], object] = lambda text: None

    def run(self, script: Pieces, *, some: bool = False) -> None:
        """Run a script and show each result as soon as it is there.

        With ``some`` (at the prompt) the script gets the parameters that it uses, and is remembered; else it
        has to use all of them. Raises `QQLError`; the results before the statement that failed have been
        shown by then.
        """
        params = self.params_used_in(script, self.params) if some else self.params
        with self.access.busy():
            checked = self.access.checked(self.session, script, params or None)
        self.renderer.plain = self.plain_texts and not checked.gives_data
        try:
            for one in self.access.statements(checked):
                result = self.access.carry_out(self, one)
                self.clear_progress()
                if result is None:
                    continue
                if some:
                    self._remember(result)
                self.renderer.show(result)
        finally:
            self.clear_progress()
            self.end_once()

    def _remember(self, result: Result) -> None:
        self.last = result
        if 0 < len(result.statement) <= _LONGEST_KEPT:
            held = self.params.copy()
            self.ran = [*self.ran[1 - _RAN_KEPT :], Ran(result.statement, held)]

    def feed(self, text: str) -> bool:
        """Carry out what was typed: commands (one a line), statements, both. False: leave. Raises `QQLError`.

        Where commands stand behind statements, nothing is carried out if some of it does not parse.
        """
        typed = text.strip()
        if is_command(typed):
            line, _, rest = typed.partition("\n")
            return self.command(line) and self.feed(rest)
        source = Source(text, TYPED)
        if "\n" in typed and "\\" in typed:
            from qql.cli.backslash.scripts import parts_of, require_sound, run_parts

            if len(parts := list(parts_of(source))) > 1:
                require_sound(parts)
                return run_parts(self, parts)
        if typed:
            self.run_typed(source)
        return True

    def run_typed(self, source: Source) -> None:
        """Run statements that were typed, the last ones. Raises as `run` does."""
        if source.name == TYPED:
            self.typed = source.text.strip("\n")
        self.run(ScriptText(source), some=True)

    def command(self, line: str) -> bool:
        """Carry out a line with a command. False: leave. Raises `QQLError`."""
        from qql.cli.backslash import COMMANDS

        word, *rest = line.rstrip("; \r").split(None, 1) or [""]
        word = word if word.startswith("\\") else word.lower()
        if word not in COMMANDS:
            hint = did_you_mean(word, COMMANDS) or r"`\?` lists the commands"
            raise UsageError.make("unknown-command", f"there is no command {word}", hint=hint)
        with self.access.echoing():
            return COMMANDS[word].carry_out(self, "".join(rest).strip())

    def ask(self, text: str, params: ParamValues | None = None, *, name: str) -> Result:
        """The result of one statement of ours. Raises `QQLError`."""
        try:
            with self.access.busy():
                return self.session.execute(text, params or None, name=name)
        finally:
            self.clear_progress()

    def show_rows(self, rows: list[JsonObject], warnings: tuple[Diagnostic, ...] = ()) -> None:
        """Show rows of ours, with no time. Raises as `Renderer.show` does."""
        from qql.result import Result

        timing, self.renderer.timing = self.renderer.timing, False
        try:
            self.renderer.show(Result("rows", rows=rows, warnings=warnings))
        finally:
            self.renderer.timing = timing

    def show_text(self, lines: Iterable[str]) -> None:
        """Show lines for people, whatever the format is: wrapped, and in the pager where they are many."""
        from qql.result import Result

        plain, self.renderer.plain = self.renderer.plain, True
        try:
            self.renderer.show(Result("text", message="\n".join(lines)))
        finally:
            self.renderer.plain = plain

    def say(self, text: str) -> None:
        """Tell what a command has done, where notes go and not among results."""
        self.renderer.note(text)

    def params_used_in(self, script: Pieces, params: ParamValues) -> ParamValues:
        """Those of the parameters that a script uses. Raises `QQLSyntaxError`."""
        if not params:
            return params
        from qql.syntax.parser import parse_script

        used = {param.key for piece in script for one in parse_script(piece)[0] for param in one.params}
        if isinstance(params, list):
            return params if used else []
        return {name: value for name, value in params.items() if name in used}

    def reconnect(self, target: str) -> None:
        """Leave this session for one on another target; the old one stays when that fails.

        A server is asked for something, for it might not be there. Raises `QQLError`.
        """
        profile = self.access.profile
        session = self.connect(target)
        if "://" in session.target:
            try:
                session.collections()
            except QQLConnectionError:
                session.close()
                self.access.profile = profile
                raise
            except QQLError:  # a key may be for one collection alone
                pass
        self.take_session(session)

    def take_session(self, session: Session) -> None:
        """Leave this session for another one."""
        self.session.close()
        self.session = session

    def close(self) -> None:
        """Close the session, and the file that results went to. Raises `QQLError`."""
        try:
            self.end_output()
        finally:
            self.session.close()

    def taken_draft(self) -> str:
        """The text with which the prompt is to begin; it is given once."""
        draft, self.draft = self.draft, ""
        return draft

    def end_once(self) -> None:
        """Results go to the terminal again, where they went elsewhere for one time. Raises `QQLError`."""
        if self.output is not None and self.output.once:
            self.end_output()

    def end_output(self) -> None:
        """Results go to the terminal again. Raises `QQLError` where the last of them could not be written."""
        output, self.output = self.output, None
        if output is not None:
            output.end(self.renderer)

    def clear_progress(self) -> None:
        """Take the progress of what was running from the screen."""
        if self.progress:
            self.progress.clear()


def is_command(typed: str) -> bool:
    """Whether a text is a command of the prompt, and no statement."""
    if typed.startswith("\\"):
        return True
    from qql.cli.backslash import COMMANDS

    return typed.rstrip(";").lower() in COMMANDS or (
        bool(typed) and typed.split(None, 1)[0].lower() == "help"
    )


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


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # The table of commands, for who asks for it here: `qql run` has no use for it.
        if name not in ("COMMANDS", "Command"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from qql.cli import backslash

        return getattr(backslash, name)
