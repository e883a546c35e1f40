"""MATCH 'words' ON (title ^ 2, body): full text in several fields, as one request.

Each field is searched by BM25 in a stage of its own, and a formula adds the scores up, each times its boost.
A field in which a point was not found counts 0. It is a `multi_match` of type `most_fields` in Elasticsearch.
"""

from __future__ import annotations

import math

from qql import nodes
from qql.compiler.scalars import count_limit, number_of
from qql.errors import fail, shown
from qql.records import replace
from qql.rest.limits import DEFAULT_LIMIT, U32

__all__ = ["CANDIDATES", "MAX_FIELDS", "by_fields"]

CANDIDATES = 10
"""How many candidates each field gives for each hit that is asked for."""


MAX_FIELDS = 32
"""Fields that are searched, at most: each is a stage."""


def by_fields(query: nodes.Query, target: nodes.FieldsText) -> nodes.Query:
    """The query with a stage for each field, and the formula that adds up their scores.

    Raises `QQLPlanError` for clauses that have no meaning beside it, fields that are given twice or are too
    many, and boosts that are no positive numbers.
    """
    if query.using is not None:
        fail("misplaced-clause", "MATCH … ON names the fields; USING names vectors", query.using.span)
    if query.prefetch:
        hint = "write FUSION RRF over both, or MATCH … ON one field"
        fail(
            "misplaced-clause", "MATCH … ON several fields searches them itself", query.prefetch[0].span, hint
        )
    if len(target.fields) > MAX_FIELDS:
        span = target.fields[MAX_FIELDS].span
        fail("too-many-fields", f"MATCH … ON takes {MAX_FIELDS} fields at most", span)
    taken: dict[object, nodes.BoostedField] = {}
    for one in target.fields:
        _check_boost(one)
        if one.name.text in taken:
            related = ((taken[one.name.text].span, "given here first"),)
            message = f"the field `{one.name.text}` stands twice"
            fail("duplicate-field", message, one.span, related=related)
        taken[one.name.text] = one
    limit = nodes.Scalar(_candidates(query), span=query.limit.span if query.limit else target.span)
    refs = tuple(
        nodes.Ref(nodes.Query(target=_search(target, one), limit=limit, span=one.span), span=one.span)
        for one in target.fields
    )
    return replace(query, target=_sum(target), prefetch=refs)


def _search(target: nodes.FieldsText, one: nodes.BoostedField) -> nodes.FullText:
    return nodes.FullText(target.text, one.name, target.options, span=one.span)


def _sum(target: nodes.FieldsText) -> nodes.Formula:
    parts: list[nodes.Expression] = []
    defaults = []
    for at, one in enumerate(target.fields):
        score: nodes.Expression = nodes.Name(f"$score[{at}]", span=one.span)
        defaults.append(nodes.Option(f"$score[{at}]", 0, span=one.span))
        if one.boost is not None:
            score = nodes.Call("mult", (one.boost, score), span=one.span)
        parts.append(score)
    whole = parts[0] if len(parts) == 1 else nodes.Call("sum", tuple(parts), span=target.span)
    return nodes.Formula(whole, tuple(defaults), span=target.span)


def _check_boost(one: nodes.BoostedField) -> None:
    if one.boost is None:
        return
    boost = number_of(one.boost, "the boost of a field")
    if not (isinstance(boost, (int, float)) and math.isfinite(boost) and boost > 0):
        message = f"the boost of a field is a positive number, not {shown(boost)}"
        fail("bad-number", message, one.boost.span, "write it as in (title ^ 2, body)")


def _candidates(query: nodes.Query) -> int:
    limit = count_limit(query.limit, "LIMIT", 1)
    offset = count_limit(query.offset, "OFFSET", 0) or 0
    return min(((DEFAULT_LIMIT if limit is None else limit) + offset) * CANDIDATES, U32)
