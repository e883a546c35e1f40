"""What an option of the command line is, and what its values may be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from qql.cli.commands.collectors import Collector
from qql.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict, Unpack

    class OptionSettings(TypedDict, total=False):
        """What there is to say of an option: as to argparse, with collectors, and ``either`` for --no-X."""

        action: str | type[Collector]
        metavar: str
        type: Callable[[str], object]
        help: str


__all__ = [
    "Option",
    "finite_number",
    "fraction",
    "integer",
    "key_file_option",
    "key_option",
    "one_of",
    "seconds",
    "server_version",
    "switch",
    "value_option",
]


def unfit(message: str) -> Exception:
    """What argparse shows of a value that an option does not take."""
    from argparse import ArgumentTypeError

    return ArgumentTypeError(message)


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise unfit(f"a number of seconds above 0 is required, found {text}")
    return value


def server_version(text: str) -> str:
    from qql.backends.features.gaps import assumed_version
    from qql.errors import QQLError

    try:
        assumed_version(text)
    except QQLError as exc:
        raise unfit(exc.message) from None
    return text


def integer(low: int) -> Callable[[str], int]:
    """Reads a whole number of at least ``low``."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < low:
            raise unfit(f"a whole number from {low} is required, found {text}")
        return int(text)

    return read


def fraction(text: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]{1,9}", text) or not float(text):
        raise unfit(f"a part between 0 and 1 is required, as in 0.3, found {text}")
    return float(text)


def one_of(*words: str) -> Callable[[str], str]:
    """Reads one of some words."""

    def read(text: str) -> str:
        if text not in words:
            raise unfit(f"{' or '.join(words)} is required, found {text}")
        return text

    return read


def finite_number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise unfit(f"a number is required, found {text}")
    return value


@dataclass(frozen=True, slots=True)
class Option:
    """An option: the group of ``--help`` it stands in, its flags, and the settings of argparse for it."""

    group: str
    flags: tuple[str, ...]
    settings: OptionSettings


def value_option(group: str, *flags: str, **settings: Unpack[OptionSettings]) -> Option:
    return Option(group, flags, settings)


def switch(group: str, *flags: str, help: str) -> Option:
    return Option(group, flags, {"action": "store_true", "help": help})


def key_option(group: str, flag: str, *, hidden: str) -> Option:
    """The option of a key; ``hidden`` is the variable that gives it too."""
    about = f"its API key, for all to see in `ps`; unseen: {hidden}, {flag}-file, or `-`, which asks for it"
    return value_option(group, flag, metavar="KEY", help=about)


def key_file_option(group: str, flag: str) -> Option:
    return value_option(group, flag, metavar="FILE", help="a file that holds its API key and nothing else")
