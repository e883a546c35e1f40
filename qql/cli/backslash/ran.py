"""The statements that the prompt has run: the last query, as other commands ask about it."""

from __future__ import annotations

from collections.abc import Iterator

from qql import nodes
from qql.cli.shell import Ran
from qql.cli.usage import UsageError
from qql.errors import QQLError, Source
from qql.session.script_files import ScriptText
from qql.syntax.parser import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.shell import Shell

__all__ = ["QUERIES", "READS", "last_queries", "last_ran"]

QUERIES = (nodes.Query,)
READS = (nodes.Query, nodes.Scroll, nodes.Count, nodes.Facet)


def last_ran(shell: Shell, kinds: tuple[type[nodes.Node], ...], what: str) -> Ran:
    """The last statement of these kinds, with the parameters that it uses. Raises `UsageError`."""
    found = next(_ran_of(shell, kinds), None)
    if found is None:
        hint = "run one first, as in QUERY 'what I look for' FROM docs;"
        raise UsageError.make("no-statement", f"there is no {what} yet", hint=hint)
    return found


def last_queries(shell: Shell, most: int) -> list[Ran]:
    """The last queries whose texts or parameters differ, the newest one first."""
    found: list[Ran] = []
    for one in _ran_of(shell, QUERIES):
        if one not in found:
            found.append(one)
        if len(found) == most:
            break
    return found


def _ran_of(shell: Shell, kinds: tuple[type[nodes.Node], ...]) -> Iterator[Ran]:
    for one in reversed(shell.ran):
        try:
            statements = parse(one.text)
        except QQLError:
            continue
        if len(statements) == 1 and isinstance(statements[0], kinds):
            text = ScriptText(Source(one.text))
            yield Ran(one.text, shell.params_used_in(text, one.params))
