"""How large a query becomes: its stages, how often each is emitted, and how deep they nest."""

from __future__ import annotations

from qql.compiler.plan import Stage
from qql.errors import Span, fail
from qql.rest.limits import MAX_PREFETCH_DEPTH

__all__ = ["MAX_STAGES", "measure"]

MAX_STAGES = 1024
"""Prefetches that a query may expand to."""


def measure(root: Stage, span: Span) -> tuple[tuple[Stage, ...], dict[int, int], int, int]:
    """Order, uses, expanded size and depth, by arithmetic on the DAG: nothing is expanded.

    A stage is emitted as often as the stages that hold it are emitted, once for each of their inputs.
    """
    if not root.inputs:  # as in most queries
        return (root,), {id(root): 1}, 0, 0
    inputs = root.inputs
    if len(inputs) <= MAX_STAGES and not any(given.stage.inputs for given in inputs):  # as in most others
        below = {id(given.stage): given.stage for given in inputs}
        counts = dict.fromkeys(below, 0) | {id(root): 1}
        for given in inputs:
            counts[id(given.stage)] += 1
        return (*below.values(), root), counts, len(inputs), 1
    order = _order(root)
    depth: dict[int, int] = {}
    for stage in order:
        depth[id(stage)] = max((depth[id(i.stage)] + 1 for i in stage.inputs), default=0)
    if depth[id(root)] > MAX_PREFETCH_DEPTH:
        message = f"prefetches nest {depth[id(root)]} deep; Qdrant's limit is {MAX_PREFETCH_DEPTH}"
        fail("too-deep", message, span)
    uses = {id(stage): 0 for stage in order}
    uses[id(root)] = 1
    for stage in reversed(order):
        for given in stage.inputs:
            uses[id(given.stage)] += uses[id(stage)]
    expanded = sum(uses.values()) - 1
    if expanded > MAX_STAGES:
        hint = "Qdrant shares no stages: one that is used twice is searched twice"
        size = f"{expanded:,}" if expanded < 10**15 else f"about 2^{expanded.bit_length() - 1}"
        message = f"this query expands to {size} prefetches; the limit is {MAX_STAGES:,}"
        fail("too-many-stages", message, span, hint)
    return tuple(order), uses, expanded, depth[id(root)]


def _order(root: Stage) -> list[Stage]:
    """The distinct stages below the root and the root itself, inputs before what uses them."""
    done: dict[int, Stage] = {}
    todo: list[tuple[Stage, bool]] = [(root, False)]
    while todo:
        stage, ready = todo.pop()
        if id(stage) in done:
            continue
        if ready:
            done[id(stage)] = stage
            continue
        todo.append((stage, True))
        todo += [(given.stage, False) for given in reversed(stage.inputs)]
    return list(done.values())
