"""What an option of the command line is, what its values may be, and what becomes of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

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
    "Allowed",
    "Collector",
    "Functions",
    "Many",
    "Once",
    "Option",
    "Pairs",
    "VectorModels",
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


class Collector:
    """What an option does with its values, beside keeping the last; one for each reading of the arguments."""

    def take(self, value: str) -> object:
        """The value of the option with this one. Raises ValueError with words behind the option's name."""
        raise NotImplementedError


class Pairs(Collector):
    """Collects NAME=VALUE into a dict."""

    metavar = "NAME=VALUE"

    def __init__(self) -> None:
        self._pairs: dict[str, str] = {}

    def take(self, value: str) -> object:
        name, equals, held = value.partition("=")
        if not name or not equals:
            raise ValueError(f"requires {self.metavar}, found {value!r}")
        self._pairs = {**self._pairs, name: held}
        return self._pairs


class VectorModels(Pairs):
    """The same; a value alone is that of ``*``, every dense vector."""

    metavar = "VECTOR=MODEL"

    def take(self, value: str) -> object:
        return super().take(value if "=" in value or not value else f"*={value}")


class Many(Collector):
    """Collects values into a list."""

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()

    def take(self, value: str) -> object:
        self._values = (*self._values, value)
        return [*self._values]


class Allowed(Many):
    """The same, each one of what can be allowed."""

    def take(self, value: str) -> object:
        from qql.allowed import parse_allowed
        from qql.errors import QQLConnectionError

        try:
            parse_allowed([value])
        except QQLConnectionError as exc:
            raise ValueError(f"cannot be used: {exc.diagnostic.message}") from None
        return super().take(value)


class Functions(Collector):
    """Collects functions of modules into a dict: the name of a model → where it is. A function without a name
    is called as it is written.
    """

    metavar = "[NAME=]MODULE:FUNCTION"

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    def take(self, value: str) -> object:
        name, equals, where = value.rpartition("=")  # a name may be an address, with a `=` in it
        module, colon, function = where.partition(":")
        dotted = [*module.split("."), *function.split(".")]
        if not colon or (equals and not name) or not all(map(str.isidentifier, dotted)):
            raise ValueError(f"requires {self.metavar}, found {value!r}")
        if name in self._found or (not name and where in self._found):
            raise ValueError(f"has two functions for {name or where}")
        if not name and any(one == written for one, written in self._found.items()):
            raise ValueError(f"has a second function without a name, {where}: NAME={where} gives it one")
        self._found = {**self._found, name or where: where}
        return self._found


class Once(Collector):
    """Takes a value, and refuses a second one."""

    _taken = False

    def take(self, value: str) -> object:
        if self._taken:
            raise ValueError("was already given; one text may hold several statements")
        self._taken = True
        return value


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
