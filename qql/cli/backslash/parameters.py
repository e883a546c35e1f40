r"""``\set``, ``\unset``, ``\param``: the values of ``:name`` and ``?``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qql.cli.backslash.table import command
from qql.cli.render import json_text, sanitize
from qql.cli.usage import UsageError, parse_value
from qql.errors import did_you_mean
from qql.rest.types import Json, JsonObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell


@command("\\set", argument="[NAME VALUE]", group="Parameters", raw=True)
def set_parameter(shell: Shell, argument: str) -> None:
    r"""Set :NAME (JSON, or text), or list parameters.

    `\set n 5` is a number, `\set q red shoes` and `\set zip "02139"` are texts, `\set v [0.1, 0.2]` is a
    vector. A number in place of the name is that of a `?`: `\set 1 red`.
    """
    name, value = _name_and_value(argument)
    if value:
        _put(shell, name, parse_value(value))
    elif name:
        hint = rf"`\unset {name}` removes it"
        raise UsageError.make("usage", r"\set requires a name and a value", hint=hint)
    else:
        for known, held in _parameters(shell):
            shell.renderer.put_text(sanitize(f"{known} = {json_text(held)}"))


@command("\\unset", argument="NAME", group="Parameters")
def unset_parameter(shell: Shell, argument: str) -> None:
    r"""Forget a parameter.

    Of `?` parameters, which have no gaps, the last one can be forgotten.
    """
    name = argument.removeprefix(":")
    params = shell.params
    if isinstance(params, list) and params and name == str(len(params)):
        del params[-1]
        return
    if isinstance(params, list) or name not in params:
        known = () if isinstance(params, list) else params
        shown = f"parameter :{name}" if name else "parameter without a name"
        raise UsageError.make("usage", f"there is no {sanitize(shown)[:80]}", hint=did_you_mean(name, known))
    del params[name]


@command("\\param", argument="[NAME TYPE VALUE]", group="Parameters", raw=True)
def parameter(shell: Shell, argument: str) -> None:
    r"""Set :NAME to a value of a type, or show them.

    The types are text, integer, float, bool, list and object: `\param zip text 02139` is a text and
    `\param zip integer 02139` an error. Without a value it shows the parameters, or one, with their types.
    """
    name, rest = _name_and_value(argument)
    kind, _, written = rest.partition(" ")
    if kind:
        _put(shell, name, _typed(kind.lower(), written.strip()))
        return
    known = list(_parameters(shell))
    if name and name not in (one.removeprefix(":") for one, _ in known):
        names = [one.removeprefix(":") for one, _ in known]
        message = f"there is no parameter :{sanitize(name)[:80]}"
        raise UsageError.make("usage", message, hint=did_you_mean(name, names))
    rows: list[JsonObject] = [
        {"parameter": one, "type": _kind_of(value), "value": value}
        for one, value in known
        if not name or one.removeprefix(":") == name
    ]
    shell.show_rows(rows)


def _name_and_value(argument: str) -> tuple[str, str]:
    name, _, value = argument.partition(" ")
    return name.removeprefix(":"), value.strip()


def _parameters(shell: Shell) -> Iterator[tuple[str, Json]]:
    if isinstance(shell.params, list):
        yield from ((f"{at}", value) for at, value in enumerate(shell.params, 1))
    else:
        yield from ((f":{name}", value) for name, value in shell.params.items())


def _put(shell: Shell, name: str, value: Json) -> None:
    """Raises `UsageError` where names and numbers would be mixed, or a number left out."""
    if name.isdecimal() and name.isascii():
        _put_number(shell, int(name), value)
        return
    if not name.isidentifier():
        message = f"a parameter is a name, found {sanitize(name)[:80]}"
        raise UsageError.make("usage", message, hint=r"as in `\set q red shoes`")
    if isinstance(shell.params, list):
        if shell.params:
            hint = rf"`\unset {len(shell.params)}` removes the last one"
            raise UsageError.make("usage", "there are parameters for `?`; names cannot be added", hint=hint)
        shell.params = {}
    shell.params[name] = value


def _put_number(shell: Shell, number: int, value: Json) -> None:
    if isinstance(shell.params, dict):
        if shell.params:
            hint = rf"`\unset {next(iter(shell.params))}` removes the first one"
            raise UsageError.make("usage", "there are parameters with names; `?` cannot be added", hint=hint)
        shell.params = []
    if not 0 < number <= len(shell.params) + 1:
        message = f"the parameters for `?` have no gaps: the next one is {len(shell.params) + 1}"
        raise UsageError.make("usage", message)
    shell.params[number - 1 : number] = [value]


def _is_number(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_KINDS: dict[str, Callable[[Json], bool]] = {
    "text": lambda value: isinstance(value, str),
    "integer": _is_number,
    "float": lambda value: isinstance(value, float),
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _kind_of(value: Json) -> str:
    return next((kind for kind, holds in _KINDS.items() if holds(value)), "null")


def _typed(kind: str, written: str) -> Json:
    """What is written, as a value of a type. Raises `UsageError`."""
    if kind not in _KINDS:
        hint = did_you_mean(kind, _KINDS) or f"the types are {', '.join(_KINDS)}"
        raise UsageError.make("usage", f"there is no type {sanitize(kind)[:80]}", hint=hint)
    value = parse_value(written)
    if kind == "text":
        return value if isinstance(value, str) else written
    if kind == "float" and _is_number(value):
        return float(value)
    if not _KINDS[kind](value):
        found = sanitize(written)[:80] or "nothing"
        raise UsageError.make("usage", f"a value of type {kind} is required, found {found}")
    return value
