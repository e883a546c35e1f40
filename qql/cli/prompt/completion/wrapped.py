"""Which statements may stand inside of another: what COPY writes, WHY follows, EXPLAIN ANALYZE carries out,
and BATCH sends at once.
"""

from __future__ import annotations

from qql.cli.prompt.completion.legal import Frame
from qql.syntax.lexer import STARTERS

__all__ = ["may_stand"]

_SEARCHES = frozenset({"QUERY", "FUSION", "WITH", "SEARCH", "RECOMMEND"})
_QUERIES = _SEARCHES | {"SELECT"}
_OF_ALIASES = frozenset({"CREATE", "DROP", "ALTER"})
_INSIDE: dict[str, frozenset[str]] = {
    "COPY": _QUERIES | {"COUNT", "SCROLL", "FACET", "MATRIX", "SHOW"},
    "WHY": _QUERIES,
    "ANALYZE": _SEARCHES,
    "BATCH": _SEARCHES | {"UPSERT", "INSERT", "UPDATE", "DELETE", "CLEAR"} | _OF_ALIASES,
}
"""The first words of statements, by the word of the one that they stand in."""


def may_stand(word: str, below: Frame) -> bool:
    """Whether a keyword that the grammar takes may stand behind a symbol, by the statement around that."""
    if "_statement" in below.state.symbols:
        allowed = _INSIDE.get(_around(below))
        return allowed is None or word in allowed or word not in STARTERS  # as RUNS of EXPLAIN ANALYZE
    if below.symbol in _OF_ALIASES and below.below is not None and _around(below.below) == "BATCH":
        return word == "ALIAS"
    return True


def _around(below: Frame) -> str:
    """The word of the statement in which another begins; "" where it stands alone, or may be any."""
    for frame in below.down():
        if frame.symbol == "ANALYZE" or "ANALYZE" in frame.given:
            return "ANALYZE"
        if frame.symbol in _INSIDE or frame.symbol == "EXPLAIN":
            return frame.symbol
    return ""
