"""What a shell may do to its database: who agrees to what is destroyed, and whether an error ends a script.

A person at the prompt is asked. A script asks nobody: where its profile is protected, it needs ``--yes``.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from qql.errors import Diagnostic, QQLConnectionError, QQLError, QQLRefusedError, QQLTimeoutError
from qql.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.confirmation import Touched
    from qql.cli.profiles.profile import Profile
    from qql.cli.shell import Shell
    from qql.cli.usage import ParamValues
    from qql.compiler.script import Compiled
    from qql.result import Result
    from qql.session.script_runs import CheckedScript
    from qql.session.session import Session
    from qql.syntax.pieces import Pieces

__all__ = ["TYPED", "Access", "asked_on_terminal", "connect_profile", "connected", "require_consent"]

TYPED = "<input>"
"""What a text is called that was typed at the prompt."""
Busy = Callable[[], contextlib.AbstractContextManager[None]]
Ask = Callable[[str], "bool | None"]
"""Asks a person: yes or no; None where there is nobody to ask."""


@dataclass(slots=True)
class Access:
    """The profile that a shell is connected by, and what it does about statements that destroy something.

    ``ask`` is there at the prompt. With ``yes`` nobody is asked, and nothing is refused. With ``go_on`` a
    statement that fails is told, and ``exit_code`` is the highest of those that failed. ``open_profile``
    opens a session by the name of a profile. ``busy`` is entered while a statement is checked or carried out,
    ``echoing`` while a command is.
    """

    profile: Profile | None = None
    yes: bool = False
    go_on: bool = False
    ask: Ask | None = None
    open_profile: Callable[[str], tuple[Session, Profile]] | None = None
    exit_code: int = 0
    busy: Busy = contextlib.nullcontext
    echoing: Busy = contextlib.nullcontext

    def checked(self, session: Session, script: Pieces, params: ParamValues | None) -> CheckedScript:
        """A script that was checked, as `Session.checked` does it.

        Raises also `QQLRefusedError` (``needs-yes``) with all that a script may not do without ``--yes``.
        """
        if self.profile is None or not self.profile.protected or self.yes:
            return session.checked(script, params)
        from qql.session.script_runs import CheckedScript

        return CheckedScript(session, script, params, _Consent(session, self.profile.name, self._asks_for))

    def statements(self, script: CheckedScript) -> Iterator[Compiled]:
        """The statements of a script, each read anew where the script is long. Raises as they do there."""
        found = iter(script.statements())
        while True:
            with self.busy():
                one = next(found, None)
            if one is None:
                return
            yield one

    def carry_out(self, shell: Shell, one: Compiled) -> Result | None:
        """The result of a statement; None where it failed and the script goes on. Raises `QQLError`."""
        try:
            self._require_yes(shell.session, one)
            with self.busy():
                return shell.session.carry_out(one)
        except QQLError as error:
            gone = isinstance(error, QQLConnectionError) and not isinstance(error, QQLTimeoutError)
            if not self.go_on or gone:
                raise
            self.exit_code = max(self.exit_code, error.exit_code)
            if shell.progress:
                shell.progress.clear()
            shell.renderer.error(error)
            return None

    def _asks_for(self, one: Compiled) -> bool:
        """Whether somebody is asked before a statement: it was typed."""
        return self.ask is not None and one.source.name == TYPED

    def _require_yes(self, session: Session, one: Compiled) -> None:
        """Asks, where somebody has to agree. Raises `QQLRefusedError` (``not-confirmed``)."""
        if self.ask is None or self.yes or not self._asks_for(one):
            return
        from qql.cli.confirmation import what_it_touches

        touched = what_it_touches(one, session)
        if touched is None:
            return
        answer = self.ask(f"{touched}. Go on? (y/N) ")
        if answer:
            return
        why = "the answer was no" if answer is False else "there is no terminal to ask on"
        hint = None if answer is False else "qql --yes asks nobody"
        told = Diagnostic("not-confirmed", f"not carried out, as {why}: {touched}", hint=hint)
        raise QQLRefusedError(told).at(one.source, one.span)


class _Consent:
    """Refuses the statements of a script that destroy something, but for those that somebody is asked for."""

    def __init__(self, session: Session, profile: str, asked: Callable[[Compiled], bool]) -> None:
        self._session, self._profile, self._asked = session, profile, asked
        self._sure = True

    def __call__(self, one: Compiled) -> None:
        from qql.cli.confirmation import what_it_touches
        from qql.nodes import changes_aliases

        if not self._asked(one):
            touched = what_it_touches(one, self._session, sure=self._sure)
            if touched is not None:
                raise _needs_yes(touched, self._profile).at(one.source, one.span)
        # Behind a change of aliases, a name may stand for another collection than at the moment.
        self._sure = self._sure and not changes_aliases(one.statement)


def _needs_yes(touched: Touched, profile: str) -> QQLError:
    message = f"the profile {profile} is protected, and {touched}"
    return QQLRefusedError(Diagnostic("needs-yes", message, hint="--yes on the command line carries it out"))


def require_consent(
    session: Session, script: Pieces, params: ParamValues | None, profile: Profile | None, *, yes: bool
) -> None:
    """Checks a script that no shell runs. Raises as `Access.checked` does."""
    if profile is not None and profile.protected and not yes:
        Access(profile).checked(session, script, params)


def asked_on_terminal(question: str) -> bool | None:
    """The answer of a person at the terminal; no is what anything but y or yes means. It never waits for
    what is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    from qql.cli.render import sanitize

    _forget_typed()
    sys.stderr.write(sanitize(question))
    sys.stderr.flush()
    line = ""
    try:
        line = sys.stdin.readline()
    finally:
        if not line.endswith("\n"):  # Ctrl-D, Ctrl-C
            sys.stderr.write("\n")
    return line.strip().lower() in ("y", "yes")


def _forget_typed() -> None:
    """What was typed before the question is no answer to it."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # no such module on Windows
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def connect_profile(shell: Shell, name: str) -> str:
    """Leave the session of a shell for that of a profile; the old one stays where that fails.

    Gives what to say of it. Raises `QQLError`.
    """
    if shell.access.open_profile is None:
        raise QQLRefusedError.make("no-profiles", "this shell opens no profiles")
    session, profile = shell.access.open_profile(name)
    shell.session.close()
    shell.session = session
    shell.access.profile = profile
    return connected(session, profile)


def connected(session: Session, profile: Profile | None) -> str:
    """What is said of a connection. The session of a database in memory is not opened for that."""
    said = [f"connected to {session.target}"]
    if profile is not None:
        said += [f"by the profile {profile.name}"]
        said += [
            word
            for word, holds in (("read-only", profile.read_only), ("protected", profile.protected))
            if holds
        ]
    return ", ".join(said)
