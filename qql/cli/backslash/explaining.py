r"""``\plan``, ``\why``, ``\whynot``, ``\curl``, ``\py``: what is behind the last query."""

from __future__ import annotations

import re

from qql.cli.backslash.table import command
from qql.cli.render import sanitize
from qql.cli.usage import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell
    from qql.rest.request import Request
    from qql.result import Result

_GROUP = "Looking into a query"
_SERVER = "http://localhost:6333"
_UUID = r"[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}"


@command("\\plan", argument="[ANALYZE]", group=_GROUP)
def show_plan(shell: Shell, argument: str) -> None:
    r"""Show the plan of the last statement: EXPLAIN.

    `\plan analyze` runs its stages and shows what each of them found, and how long it took.
    """
    from qql.cli.backslash.ran import READS, last_ran

    option = argument.strip().upper()
    if option not in ("", "ANALYZE"):
        message = rf"\plan takes nothing or ANALYZE, found {sanitize(argument)[:80]}"
        raise UsageError.make("usage", message)
    ran = last_ran(shell, READS, "statement that reads")
    text = f"EXPLAIN {option} {ran.text}" if option else f"EXPLAIN {ran.text}"
    _show_text(shell, text, ran.params, r"\plan")


@command("\\why", argument="ID", group=_GROUP, raw=True)
def explain_hit(shell: Shell, argument: str) -> None:
    r"""Say why a point is a hit of the last query.

    Or why it is none. `\why 7` is `WHY 7 QUERY …`; `\why WHERE year > 2020` is about all hits of which that
    holds.
    """
    _why(shell, argument, "WHY", r"\why")


@command("\\whynot", argument="ID", group=_GROUP, raw=True)
def explain_miss(shell: Shell, argument: str) -> None:
    r"""Say why a point is no hit of the last query.

    And what would make it one, with the query that is changed in that way. `\whynot WHERE year > 2020` is
    about the points of which that holds and that the last query did not find.
    """
    found = _why(shell, argument, "WHY NOT", r"\whynot")
    ways = (found.data or {}).get("ways") or {}
    if ways.get("found") and shell.plain_texts:
        from qql.syntax.formatter import format_script

        changed = format_script(f"{ways['found'][0]['statement']};")
        shell.renderer.put_text(sanitize(changed.rstrip(), newline="\n"))


def _why(shell: Shell, argument: str, words: str, name: str) -> Result:
    from qql.cli.backslash.ran import QUERIES, last_ran

    if not argument:
        hint = f"as in `{name} 7`, or `{name} WHERE year > 2020`"
        raise UsageError.make("usage", f"{name} requires the id of a point, or a condition", hint=hint)
    ran = last_ran(shell, QUERIES, "query")
    point = f"'{argument}'" if re.fullmatch(_UUID, argument) else argument
    return _show_text(shell, f"{words} {point} {ran.text}", ran.params, name)


def _show_text(shell: Shell, text: str, params: object, name: str) -> Result:
    """Runs a statement that gives a text, which is shown as it is where nobody chose a format."""
    from qql.cli.usage import ParamValues
    from qql.late import cast

    result = shell.ask(text, cast(ParamValues, params), name=name)
    shell.renderer.plain = shell.plain_texts
    shell.renderer.show(result)
    return result


@command("\\curl", group=_GROUP)
def show_curl(shell: Shell, argument: str) -> None:
    r"""Show the last query as commands for a shell.

    Keys are not shown: `QDRANT_API_KEY` stands in their place. Texts stay texts, which a server embeds only
    where it runs the model itself.
    """
    url, key = _address(shell)
    for request in _requests(shell):
        shell.renderer.put(sanitize(request.curl(url, key), newline="\n"))


@command("\\py", group=_GROUP)
def show_python(shell: Shell, argument: str) -> None:
    r"""Show the last query as a Python program.

    It uses qdrant-client. Keys are not shown: `QDRANT_API_KEY` stands in their place. Texts stay texts,
    as with `\curl`.
    """
    url, key = _address(shell)
    for request in _requests(shell):
        shell.renderer.put(sanitize(request.python(url, key).rstrip("\n"), newline="\n"))


def _address(shell: Shell) -> tuple[str, str | None]:
    """The server's address, and the variable with its key; the usual one where there is no server."""
    target = shell.session.target
    if "://" not in target:
        return _SERVER, None
    from qql.rest.addresses import public_url

    return public_url(target), "QDRANT_API_KEY" if shell.renderer.secrets else None


def _requests(shell: Shell) -> list[Request]:
    """The requests of the last statement that reads; says what is different about them. Raises `QQLError`."""
    from qql.cli.backslash.ran import READS, last_ran
    from qql.rest.inference_objects import inferred_of

    ran = last_ran(shell, READS, "statement that reads")
    compiled = shell.session.compile(ran.text, ran.params or None, name="<last>", sent=False)
    found = [request for one in compiled for request in one.requests]
    backend = shell.session.backend
    models = {one.model for request in found for one in inferred_of(request)}
    here = sorted(str(model) for model in models if model and not backend.infers(model))
    if here:
        shell.say(f"the texts are embedded here, by {', '.join(here)}; a server has to run the model itself")
    return found
