r"""``\c``, ``\profile``, ``\use``, ``\readonly``, ``\demo``: what the prompt works on."""

from __future__ import annotations

from qql.cli.access import connect_profile, connected
from qql.cli.backslash.table import command
from qql.cli.render import sanitize
from qql.cli.usage import UsageError
from qql.errors import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell
    from qql.rest.types import JsonObject

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
    stays. The keys and settings of the command line are not shown to another server. What was read-only
    stays so.
    """
    if argument:
        read_only = shell.session.read_only
        shell.reconnect(argument)
        shell.session.read_only = shell.session.read_only or read_only
    shell.renderer.put_text(sanitize(connected(shell.session, shell.access.profile)))


@command("\\profile", argument="[PROFILE]", group="Connection")
def use_profile(shell: Shell, argument: str) -> None:
    """Connect as a profile says, or list the profiles.

    Profiles stand in `config.toml`. Where no connection comes about, the old one stays.
    """
    if argument:
        shell.renderer.put_text(sanitize(connect_profile(shell, argument)))
        return
    from qql.cli.profiles.config import config_file, read_profiles
    from qql.rest.addresses import public_url

    rows: list[JsonObject] = []
    now = shell.access.profile
    for name, one in read_profiles().items():
        target = one.target and (public_url(one.target) if "://" in one.target else one.target)
        row: JsonObject = {"profile": name, "target": target or "", "read-only": one.read_only}
        row |= {"protected": one.protected, "in use": now is not None and now.name == name}
        rows.append(row)
    if rows:
        shell.show_rows(rows)
    else:
        shell.say(f"there are no profiles in {config_file()}")


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
    shell.session.read_only = switched(argument, shell.session.read_only, r"\readonly")
    shell.say(f"read-only is {'on' if shell.session.read_only else 'off'}")


@command("\\demo", group="Connection")
def load_demo(shell: Shell, argument: str) -> None:
    """Load a sample collection, with lines to try."""
    from qql.cli.demo import load_demo as load

    shell.renderer.put_text(*sanitize(load(shell.session), newline="\n").split("\n"))
