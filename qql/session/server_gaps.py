"""Statements held against what a server has, before any of a script is sent.

A backend may have a method ``gaps`` (`qql.backends.features.gaps.Gap`) that says what its server lacks of a
request. Where it has none, there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qql import nodes
from qql.compiler.script import Compiled
from qql.errors import Diagnostic, QQLUnsupportedError
from qql.records import replace
from qql.rest.linear_fusion import with_placeholders
from qql.rest.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.backends.base import Backend
    from qql.backends.features.gaps import Gap

__all__ = ["Gaps", "gaps_for", "gaps_of", "lacks_of", "require_server", "with_gaps"]

Gaps = Callable[[Request], "list[Gap]"]
"""What the server lacks of a request."""


def gaps_of(backend: Backend) -> Gaps | None:
    """How a backend says what its server lacks; None for one that has all, or no server."""
    return getattr(backend, "gaps", None)


def gaps_for(version: str) -> Gaps:
    """What a server of a version lacks, over REST. Raises `QQLConnectionError` (``invalid-version``)."""
    from qql.backends.features.gaps import assumed_version, gaps_in

    known = assumed_version(version)
    return lambda request: gaps_in(request, known, "rest")


def require_server(statements: Iterable[Compiled], gaps: Gaps | None) -> None:
    """Raises `QQLUnsupportedError` with all that the server lacks of these statements. EXPLAIN asks nothing
    of it.
    """
    if gaps is None:
        return
    errors = [
        found
        for one in statements
        if not (isinstance(one.written, nodes.Explain) and not one.written.analyze)
        for found in lacks_of(one, gaps)
        if found.severity == "error"
    ]
    if errors:
        raise QQLUnsupportedError(*errors)


def with_gaps(compiled: Compiled, gaps: Gaps | None) -> Compiled:
    """The statement with what the server lacks in front of its advice, for EXPLAIN."""
    return replace(compiled, advice=(*lacks_of(compiled, gaps), *compiled.advice))


def lacks_of(compiled: Compiled, gaps: Gaps | None) -> list[Diagnostic]:
    """What the server lacks of a statement, or understands otherwise, with the places in its text."""
    found: dict[tuple[str, str], Diagnostic] = {}
    if gaps is None:
        return []
    for request in compiled.requests:
        for gap in gaps(replace(request, body=with_placeholders(request.body))):
            if gap.construct.beside:
                continue  # a text or an image: whether the server has to embed it shows when it is sent
            from qql.backends.features.gaps import placed

            one = placed(gap, compiled.source, compiled.span)
            found.setdefault((one.code, one.message), one)
    return list(found.values())
