"""A profile: what the command line takes for given where ``-p NAME`` names it."""

from __future__ import annotations

from qql.cli.commands.options import KEYS, Arguments
from qql.records import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from qql.cli.profiles.key_sources import KeySource

__all__ = ["COLORS", "Profile", "prompt_style"]

_PRODUCTION = ("prod", "production", "live")
COLORS = (
    *("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"),
    *(f"bright-{one}" for one in ("red", "green", "yellow", "blue", "magenta", "cyan")),
)
"""The values of ``prompt_color``."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A table ``[profiles.NAME]``.

    ``settings`` are values of options by their names, ``keys`` say where the key of an option comes from.
    With ``protected``, scripts that destroy something need ``--yes``.
    """

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    keys: Mapping[str, KeySource] = field(default_factory=dict)
    protected: bool = False
    prompt_color: str | None = None

    @property
    def target(self) -> str | None:
        """The address or the directory that it names; None where it names none."""
        found = self.settings.get("url") or self.settings.get("db")
        return None if found is None else str(found)

    @property
    def read_only(self) -> bool:
        return bool(self.settings.get("read_only"))

    @property
    def production(self) -> bool:
        """Whether a slip would be felt: it is ``protected``, or named so."""
        return self.protected or self.name.lower() in _PRODUCTION

    def arguments(self, known: Arguments, names: tuple[str, ...], formats: tuple[str, ...]) -> Arguments:
        """What it adds to ``known`` for a command with options of these names and these formats.

        Keys are asked for here, where none is given. Raises `UsageError` for one that cannot be had.
        """
        found = Arguments(known)
        for name, value in self.settings.items():
            fits = name in names and (name != "format" or value in formats)
            if fits and name not in known:
                found[name] = value
        for name, file in KEYS.items():
            if name not in names or name in known or file in known:
                continue
            if name in self.keys:
                found[name] = self.keys[name].read(self.name)
            elif name == "api_key" and "url" in self.settings:
                found[name] = None  # that of QDRANT_API_KEY belongs to another server
        return found


def prompt_style(profile: Profile | None) -> str:
    """The style of the prompt, as prompt_toolkit writes it; empty for none of its own.

    ``prompt_color`` says it; without, it is red where a slip would be felt.
    """
    if profile is None:
        return ""
    color = profile.prompt_color or ("red" if profile.production else "")
    bright = color.startswith("bright-")
    plain = color.removeprefix("bright-")
    return f"bold ansi{'bright' if bright else ''}{plain}" if color else ""
