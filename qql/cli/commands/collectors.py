"""What options of the command line do with their values, beside keeping the last."""

from __future__ import annotations

__all__ = ["Allowed", "Collector", "Functions", "Many", "Once", "Pairs", "VectorModels"]


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
