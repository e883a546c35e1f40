"""QUERY … ELSE QUERY …: queries of which the next is asked where the one before brings too little."""

from __future__ import annotations

from qql import nodes
from qql.build import values
from qql.build.built import Statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.build.fields import Value
    from qql.build.queries import Query

__all__ = ["Fallback"]


class Fallback(Statement):
    """``QUERY … ELSE QUERY …``, which `Query.else_` makes."""

    __slots__ = ()

    _tree: nodes.Fallback

    if TYPE_CHECKING:

        @property
        def tree(self) -> nodes.Fallback: ...

    def else_(
        self,
        other: Query | nodes.Query,
        *,
        hits: Value = None,
        score_below: Value = None,
        score_above: Value = None,
    ) -> Fallback:
        """The same with one more query, which is asked where the last one so far is weak.

        Args:
            other: the query. Without a collection of its own it asks the first one's.
            hits: fewer hits than that are too few; without it, and without a score, one is enough.
            score_below: a best score below that is too bad.
            score_above: a best score above that is too bad, where lower ones are better (Euclid, Manhattan).
        """
        tree = self.tree
        branch = _branch(other, hits, score_below, score_above)
        return Fallback(nodes.Fallback(tree.first, (*tree.others, branch)))


def fallback(
    first: nodes.Query, other: object, hits: object, score_below: object, score_above: object
) -> Fallback:
    """What `Query.else_` gives."""
    return Fallback(nodes.Fallback(first, (_branch(other, hits, score_below, score_above),)))


def _branch(other: object, hits: object, below: object, above: object) -> nodes.ElseBranch:
    query = nodes.tree_of(other)
    if not isinstance(query, nodes.Query):
        values.wrong("else_(…)", f"takes a query, not {values.kind_of(other)}")
    if below is not None and above is not None:
        values.wrong("else_(…)", "takes score_below or score_above, not both")
    score = below if above is None else above
    name = "score_below" if above is None else "score_above"
    return nodes.ElseBranch(
        query,
        None if hits is None else values.scalar(hits, "else_(hits=…)"),
        None if score is None else values.scalar(score, f"else_({name}=…)"),
        above is not None,
    )
