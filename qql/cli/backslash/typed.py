r"""``\e``, ``\p``, ``\fmt``, ``\watch``, ``\history``: what was typed last, and before."""

from __future__ import annotations

import math
import time

from qql.cli.access import TYPED
from qql.cli.backslash.table import command
from qql.cli.render import sanitize
from qql.cli.usage import UsageError
from qql.errors import Source
from qql.session.script_files import ScriptText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell

_GROUP = "The last statement"
_INTERVAL = 2.0
"""Seconds between two runs of `\\watch`, where it does not say."""
_ENTRIES_SHOWN = 20
"""Entries of the history that are shown where no word is given."""


def _require_typed(shell: Shell) -> str:
    if not shell.typed:
        raise UsageError.make(
            "no-statement", "there is no statement yet", hint="type one, then use the command"
        )
    return shell.typed


@command("\\p", group=_GROUP)
def print_typed(shell: Shell, argument: str) -> None:
    """Print the last statement as it was typed."""
    shell.renderer.put(sanitize(_require_typed(shell).strip("\n"), newline="\n"))


@command("\\fmt", group=_GROUP)
def lay_out(shell: Shell, argument: str) -> None:
    r"""Lay the last statement out as `qql fmt` does.

    It becomes the last statement in this form: `\e` edits it.
    """
    from qql.syntax.formatter import format_text

    shell.typed = format_text(_require_typed(shell), name="<input>")
    print_typed(shell, "")


@command("\\e", argument="[FILE]", group=_GROUP)
def edit(shell: Shell, argument: str) -> None:
    r"""Edit the last statement in $EDITOR, then run it.

    What does not end with `;` is not run but stands at the prompt next; what was not changed is not run. With
    a file, its text is edited, and the file stays as it is.
    """
    from qql.cli.prompt.editor import edit as edited
    from qql.cli.usage import read_script
    from qql.syntax.parser import is_complete

    before = read_script(argument) if argument else shell.typed
    text = edited(before.removesuffix("\n"))
    if text == before.removesuffix("\n"):
        shell.say("not changed")
    elif is_complete(text):
        shell.renderer.put(sanitize(text.strip("\n"), newline="\n"))
        shell.remember(text.strip("\n"))
        shell.feed(text)
    else:
        shell.draft = text.rstrip("\n")


@command("\\watch", argument="[SECONDS [TIMES]]", group=_GROUP)
def watch(shell: Shell, argument: str) -> None:
    r"""Run the last statement over and over.

    Until Ctrl-C. `\watch 5` waits five seconds between two runs (else 2); `\watch 5 10` ends after ten.
    """
    seconds, times = _interval(argument)
    text = _require_typed(shell)
    pager, shell.renderer.pager = shell.renderer.pager, "off"  # it would wait for somebody each time
    try:
        _run_again(shell, text, seconds, times)
    finally:
        shell.renderer.pager = pager


def _run_again(shell: Shell, text: str, seconds: float, times: int | None) -> None:
    done = 0
    while True:
        shell.renderer.put_text(time.strftime("%Y-%m-%d %H:%M:%S"))
        shell.run(ScriptText(Source(text, TYPED)), some=True)
        done += 1
        if done == times:
            return
        try:
            time.sleep(seconds)
        except KeyboardInterrupt:
            shell.say(f"watched {done} times" if done > 1 else "watched once")
            return


def _interval(argument: str) -> tuple[float, int | None]:
    """Seconds between two runs, and their number (None: no end). Raises `UsageError`."""
    words = argument.split()
    try:
        seconds = float(words[0]) if words else _INTERVAL
        times = int(words[1]) if len(words) > 1 else None
        fits = len(words) <= 2 and math.isfinite(seconds) and 0 <= seconds <= 86_400 and times != 0
        if fits and (times is None or times > 0):
            return seconds, times
    except ValueError:
        pass
    message = (
        rf"\watch requires seconds (at most a day) and a number of times, found {sanitize(argument)[:80]}"
    )
    raise UsageError.make("usage", message, hint=r"as in `\watch 5`")


@command("\\history", argument="[WORD]", group=_GROUP)
def show_history(shell: Shell, argument: str) -> None:
    r"""List what was typed, or what of it has a word.

    Without a word the last 20 entries, oldest first. QQL_HISTORY names the file; what may hold a key is not
    kept.
    """
    from qql.cli.prompt.history import history_file, open_history

    if history_file() is None:
        raise UsageError.make(
            "no-history", "no history is kept: QQL_HISTORY is empty", hint="QQL_HISTORY=FILE keeps one"
        )
    history, warning = open_history(shell.renderer.secrets)
    if warning:
        raise UsageError.make("no-history", warning)
    found = [entry for entry in history.load_history_strings() if argument.lower() in entry.lower()]
    shown = found if argument else found[:_ENTRIES_SHOWN]
    if not found:
        shell.say("nothing in the history has that in it" if argument else "the history is empty")
    else:
        shell.show_text(reversed(shown))
    if len(shown) < len(found):
        shell.say(rf"{len(found) - len(shown):,} older ones are not shown; `\history WORD` looks for one")
