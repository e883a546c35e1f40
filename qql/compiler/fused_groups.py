"""GROUP BY … FUSE FIRST: the query whose hits a session puts into groups.

Qdrant runs a grouped query with other limits: servers multiply those of all prefetches by the size of a
group (local mode takes all points), so ranks, scores and the order of groups differ from those without it.
Here the query is asked as it stands, for all that its stages can give.
"""

from __future__ import annotations

from qql import nodes
from qql.compiler.plan import GroupsHere, Stage
from qql.compiler.scalars import count_limit
from qql.errors import fail
from qql.records import replace
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE, U32

__all__ = ["groups_here", "with_all_candidates"]


def groups_here(query: nodes.Query) -> tuple[nodes.Query, GroupsHere]:
    """The query without its groups, and what is done with its hits. Raises `QQLPlanError`."""
    by = query.group
    assert by is not None
    if not query.prefetch and not isinstance(query.target, nodes.Hybrid):
        hint = "leave FUSE FIRST out: without PREFETCH, GROUP BY groups the same hits"
        fail("bad-group", "FUSE FIRST needs stages that are fused or rescored", by.span, hint)
    if by.lookup is not None:
        hint = "leave FUSE FIRST out, or fetch the points by their ids: QUERY POINTS (…) FROM other"
        fail("bad-group", "LOOKUP FROM cannot go with FUSE FIRST", by.lookup.span, hint)
    if not by.name.text:
        fail("bad-group", "GROUP BY names no field", by.name.span, "write GROUP BY field")
    size = count_limit(by.size, "SIZE", 1)
    limit = count_limit(query.limit, "LIMIT", 1)
    found = GroupsHere(
        str(by.name.text),
        GROUP_SIZE if size is None else size,
        DEFAULT_LIMIT if limit is None else limit,
        count_limit(query.offset, "OFFSET", 0) or 0,
        query.payload,
        query.vectors,
        by.span,
    )
    field = nodes.Selection("include", (by.name,), span=by.span)
    return replace(query, group=None, offset=None, payload=field, vectors=None), found


def with_all_candidates(root: Stage) -> Stage:
    """The root stage with a limit that its inputs cannot exceed."""
    limits = [DEFAULT_LIMIT if one.stage.limit is None else one.stage.limit for one in root.inputs]
    return replace(root, limit=min(sum(limits), U32))
