"""What is compiled for others to send has to be one request; only a session sends what goes before it."""

from __future__ import annotations

from collections.abc import Iterable

from qql import nodes
from qql.errors import QQLPlanError
from qql.rest.linear_fusion import require_one_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.compiler.script import Compiled
    from qql.errors import Span

__all__ = ["refuse"]


def refuse(found: Iterable[Compiled]) -> None:
    """Raises `QQLPlanError` (``two-requests``) for a fusion that goes by lists which nobody has seen."""
    for one in found:
        for request in one.requests:
            try:
                require_one_request(request.body)
            except QQLPlanError as exc:
                raise exc.at(one.source, _place(one)) from None


def _place(compiled: Compiled) -> Span:
    """Where the fusion stands, which may be in a stage that was defined before."""
    stages = () if compiled.plan is None else compiled.plan.stages
    waiting = {one.span for one in stages if one.linear is not None and one.linear.awaits_lists}
    for node in nodes.walk(compiled.statement):
        if isinstance(node, nodes.Query) and node.fusion is not None and node.span in waiting:
            return node.fusion.span
    return compiled.span
