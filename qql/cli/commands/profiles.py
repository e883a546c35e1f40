"""`qql profiles`: the connections that `config.toml` has names for."""

from __future__ import annotations

from collections.abc import Mapping

from qql.cli.commands.options import Arguments
from qql.cli.commands.output import format_of, open_output, use_color
from qql.cli.profiles.config import config_file, read_profiles
from qql.cli.profiles.profile import Profile
from qql.cli.render import Renderer
from qql.cli.usage import UsageError
from qql.rest.addresses import public_url
from qql.rest.types import JsonObject
from qql.result import Result

__all__ = ["listed", "profiles"]


def profiles(args: Arguments, console: Renderer) -> int:
    if args.get("files"):
        raise UsageError.make("usage", "profiles takes no file", hint="QQL_CONFIG names another config.toml")
    found = read_profiles()
    with open_output(args, console) as file:
        console.format = format_of(args, "table" if file.isatty() and "output" not in args else "jsonl")
        console.color = use_color(args, file)
        console.timing = False
        if found:
            console.show(listed(found))
    console.note(f"{config_file()} has {'these' if found else 'no'} profiles")
    return 0


def listed(found: Mapping[str, Profile]) -> Result:
    """The profiles as rows, without their keys."""
    return Result("rows", rows=[_row(profile) for profile in found.values()])


def _row(profile: Profile) -> JsonObject:
    key = profile.keys.get("api_key")
    return {
        "profile": profile.name,
        "target": None if profile.target is None else public_url(profile.target),
        "read_only": profile.read_only,
        "protected": profile.protected,
        "key": None if key is None else key.told(),
    }
