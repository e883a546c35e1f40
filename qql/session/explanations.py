"""WHY for who holds a compiled query: the answer as an object, with its changes to be made elsewhere, too."""

from __future__ import annotations

from qql.compiler.script import Compiled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.analysis import Explanation
    from qql.session.session import Session

__all__ = ["explanation_of"]


def explanation_of(session: Session, compiled: Compiled, point: int | str) -> Explanation:
    """Where a point stands in a query, and what makes it a hit where it is none. Raises as `execute` does."""
    return session._introspection(compiled).explanation(point)
