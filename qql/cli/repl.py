"""The prompt: reads statements and commands from a terminal, and shows what they give."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from qql.cli.greeting import greeting, is_first_start
from qql.cli.profiles.profile import prompt_style
from qql.cli.prompt.history import history_file, open_history
from qql.cli.prompt.keys import key_bindings, uses_vi
from qql.cli.prompt.known import ReadSoFar
from qql.cli.prompt.screen import columns, continuation, processors, resting, short_target, style, toolbar
from qql.cli.prompt.typed import command_below, submits
from qql.cli.prompt.watched import Watched
from qql.cli.shell import Shell
from qql.cli.usage import said_of_stop
from qql.errors import QQLError

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.history import History
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from qql.cli.prompt.completion.completer import PromptCompleter
    from qql.cli.prompt.problem import Problem

__all__ = ["history_file", "interact", "open_history", "submits"]


def interact(shell: Shell, *, input: Input | None = None, output: Output | None = None) -> int:
    """Prompt, carry out, and show, until ``\\q`` or Ctrl-D. An error is shown and the prompt comes back."""
    from qql.cli.prompt.completion.completer import completer_for

    is_new = False
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # a warning says what is wrong with it
        is_new = is_first_start(history_file())
    history, warning = open_history(shell.renderer.secrets)
    shell.remember = history.append_string
    completer = completer_for(shell)
    prompt = _prompt_session(shell, history, input, output, completer)
    if warning:
        shell.renderer.note(warning)
    for line in greeting() if is_new else ():
        shell.renderer.note(line)
    unfinished = ""
    while True:
        completer.refresh()
        try:
            text = prompt.prompt(
                lambda: _prompt_text(shell, columns(prompt.app)), default=unfinished or shell.taken_draft()
            )
        except KeyboardInterrupt:
            unfinished = ""
            continue
        except EOFError:
            return 0
        unfinished, text = command_below(text) or ("", text)
        if not _carry_out(shell, text):
            return 0


def _carry_out(shell: Shell, text: str) -> bool:
    before = _writes(shell)
    try:
        return shell.feed(text)
    except KeyboardInterrupt as stop:
        if before is not None and before == _writes(shell) and not hasattr(stop, "__notes__"):
            stop.add_note("nothing was written")
        shell.renderer.note(said_of_stop("cancelled", stop))
    except QQLError as error:
        shell.renderer.error(error)
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as fault:  # a panic of an engine is no Exception
        shell.renderer.crash(fault)
    return True


def _writes(shell: Shell) -> int | None:
    """How many requests the session has sent that write; None where nobody counts them."""
    if not getattr(shell.session, "is_open", True):
        return 0
    found = getattr(getattr(shell.session, "backend", None), "writes", None)
    return found if isinstance(found, int) else None


def _prompt_text(shell: Shell, width: int) -> StyleAndTextTuples:
    """The prompt, in the colour of the profile that it is connected by."""
    return [(prompt_style(shell.access.profile), f"{short_target(shell.session.target, width)}> ")]


def _prompt_session(
    shell: Shell, history: History, input: Input | None, output: Output | None, completer: PromptCompleter
) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.enums import EditingMode

    def redraw() -> None:
        with contextlib.suppress(RuntimeError):  # the prompt has ended meanwhile, and its event loop with it
            session.app.invalidate()

    known = ReadSoFar(completer.inner)
    watched = Watched(partial(_look, shell, known), redraw)

    def problem() -> Problem | None:
        return watched.problem(session.default_buffer.text, session.default_buffer.cursor_position)

    session: PromptSession[str] = PromptSession(
        history=history,
        input=input,
        output=output,
        editing_mode=EditingMode.VI if uses_vi() else EditingMode.EMACS,
        key_bindings=key_bindings(watched.say),
        lexer=watched.lexer(),
        style=style(),
        include_default_pygments_style=False,
        input_processors=processors(problem),
        bottom_toolbar=lambda: toolbar(problem(), resting(session.app), columns(session.app)),
        multiline=True,
        prompt_continuation=lambda width, line, wrapped: continuation(
            width, session.default_buffer.text, line, wrapped
        ),
        enable_suspend=True,
        tempfile_suffix=".qql",
        completer=completer,
        complete_while_typing=True,
        auto_suggest=AutoSuggestFromHistory(),
    )
    completer.inner.told = watched.know_more
    session.app.after_render += lambda _: watched.load()
    session.default_buffer.on_text_insert += lambda _: watched.load()
    return session


def _look(shell: Shell, known: ReadSoFar, text: str, cursor: int) -> Problem | None:
    from qql.cli.prompt.problems import problem_at

    opened = getattr(shell.session, "is_open", True)  # to ask one that is not would open it
    context, at_hand = (shell.session.context, known) if opened else (None, None)
    return problem_at(text, cursor, at_hand, context, shell.params)
