r"""``\c``, ``\profile``, ``\use``, ``\readonly``, ``\demo``: what the prompt works on."""

from __future__ import annotations

import sys

from qql.cli.backslash.table import command
from qql.cli.render import sanitize
from qql.cli.usage import UsageError
from qql.errors import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.cli.shell import Shell

__all__ = ["switched"]


def switched(argument: str, now: bool, name: str) -> bool:
    """What ``on``, ``off`` or nothing (the other one) makes of a switch. Raises `UsageError`."""
    said = argument.lower()
    if said not in ("", "on", "off"):
        raise UsageError.make("usage", f"{name} requires on or off, found {sanitize(argument)[:80]}")
    return said == "on" if said else not now


@command("\\c", argument="[TARGET]", group="Connection")
def connect(shell: Shell, argument: str) -> None:
    """Connect to a URL, a directory or :memory:.

    Without an argument it says what the prompt is connected to. Where no connection comes about, the old one
    stays. The keys and settings of the command line are not shown to another server.
    """
    if argument:
        reads_only = bool(getattr(shell.session, "read_only", False))
        shell.reconnect(argument)
        _keep_read_only(shell, reads_only)
    shell.renderer.put_text(sanitize(f"connected to {shell.session.target}"))


def _keep_read_only(shell: Shell, reads_only: bool) -> None:
    session: Any = shell.session
    if reads_only and hasattr(session, "read_only"):
        session.read_only = True


@command("\\profile", argument="[PROFILE]", group="Connection")
def use_profile(shell: Shell, argument: str) -> None:
    """Connect as a profile says, or list the profiles."""
    profiles = _optional("qql.cli.profiles")
    shell.renderer.put_text(sanitize(profiles.connect_profile(shell, argument), newline="\n"))


@command("\\use", argument="[COLLECTION]", group="Connection")
def use(shell: Shell, argument: str) -> None:
    r"""Use a collection where a statement names none.

    It is `USE collection`, which has to be there. `\use` alone says which one it is.
    """
    if not argument:
        now = shell.session.context.collection
        shell.renderer.put_text(sanitize(f"using {now}") if now else r"no collection is in use; `\use NAME`")
        return
    require_collection(shell, argument)
    shell.renderer.show(shell.ask("USE IDENTIFIER(:name)", {"name": argument}, name=r"\use"))


def require_collection(shell: Shell, name: str) -> None:
    """Raises `UsageError` where there is no such collection, and no alias of that name."""
    if shell.session.schema(name) is None:
        known = shell.session.collections()
        hint = did_you_mean(name, known) or r"`\l` lists the collections"
        raise UsageError.make("no-collection", f"there is no collection `{sanitize(name)[:80]}`", hint=hint)


@command("\\readonly", argument="[on|off]", group="Connection")
def read_only(shell: Shell, argument: str) -> None:
    """Refuse all statements that write.

    They are refused before anything is sent. It stays on when the prompt connects to something else.
    """
    session: Any = shell.session
    if not hasattr(session, "read_only"):
        raise UsageError.make("unsupported", "this session cannot be made read-only")
    session.read_only = switched(argument, session.read_only, r"\readonly")
    shell.say(f"read-only is {'on' if session.read_only else 'off'}")


@command("\\demo", group="Connection")
def load_demo(shell: Shell, argument: str) -> None:
    """Load a sample collection, with lines to try."""
    said = _optional("qql.cli.demo").load_demo(shell.session)
    shell.renderer.put_text(*sanitize(said, newline="\n").split("\n"))


def _optional(module: str) -> Any:
    """A part of the command line that the commands of the prompt alone load. Raises `UsageError`."""
    try:
        __import__(module)  # not that of importlib, which -X importtime does not see
    except ModuleNotFoundError as exc:
        raise UsageError.make("unsupported", f"this installation lacks {module}") from exc
    return sys.modules[module]
