"""A profile as the command line and the prompt take it."""

from __future__ import annotations

from qql.cli.commands.options import SERVER, Arguments
from qql.cli.usage import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.commands import Command
    from qql.cli.profiles.profile import Profile

__all__ = ["profile_of", "with_profile", "without_connection", "without_profile"]

_KEPT = ("timeout", "retries")


def profile_of(args: Arguments) -> Profile | None:
    """The profile that ``-p`` names. Raises `UsageError` where there is none, or where it has no use."""
    if "profile" not in args:
        return None
    from qql.cli.profiles.config import find_profile

    profile = find_profile(args["profile"])
    for name in ("url", "db"):
        if name in args and profile.target is not None:
            message = f"--profile and {args.flag(name)} exclude each other: the profile names a database"
            raise UsageError.make("usage", message)
    return profile


def with_profile(args: Arguments, profile: Profile | None, command: Command) -> Arguments:
    """The arguments of a command, with what the profile says where they say nothing. Raises `UsageError`.

    ``profile`` is the profile then, and ``by_profile`` has the names of what it has said.
    """
    if profile is None:
        return args
    found = profile.arguments(args, command.options, command.format_names())
    said = frozenset(found.keys() - args.keys())
    return Arguments(found, profile=profile, by_profile=said)


def without_profile(args: Arguments) -> Arguments:
    """The arguments as the command line gave them, for another target."""
    left_out = {*args.get("by_profile", ()), "profile", "by_profile"}
    return Arguments({name: value for name, value in args.items() if name not in left_out})


def without_connection(args: Arguments) -> Arguments:
    """What the command line gave beside its database, for a connection by a profile."""
    left_out = {"url", "db", *SERVER} - {*_KEPT}
    return Arguments({name: value for name, value in without_profile(args).items() if name not in left_out})
