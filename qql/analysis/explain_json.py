"""EXPLAIN as JSON data: the plan, its filters as Qdrant merges them, and the requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from qql import nodes
from qql.advice.view import limit_of
from qql.analysis.explain_requests import request_dict
from qql.analysis.stage_text import condition_ids, stage_details, stage_does, vector_facts
from qql.compiler.effective_filters import Filters, Part, statement_parts
from qql.compiler.embed_clauses import fields_read
from qql.compiler.plan import GroupsHere, Input, QueryPlan, SecondStage, Stage
from qql.compiler.script import Compiled
from qql.rest.types import JsonObject
from qql.syntax.printer import show

__all__ = ["explain_dict"]

_Chain = tuple[Input, ...]
"""The way from the root to a stage, both ends included."""


def explain_dict(compiled: Compiled) -> JsonObject:
    """What `explain_compiled` says, as JSON data. Keys are added in later versions, never renamed or removed.

    ``{"version": 1, "statement", "collection", "plan", "filter", "requests", "branches", "warnings",
    "advice"}``. What is missing is null, texts are QQL, and stages are named by their label and by their
    number.

    * ``statement``: as it was written.
    * ``plan``: null for what is no query, else ``{"stages", "expanded", "depth", "offset", "group", "shard",
      "options", "second", "groups_here"}``. ``expanded`` counts the prefetches of the request,
      ``options`` are those of the request as a whole (timeout, consistency).
    * ``stages``: in the order in which they can run, the root last, each ``{"number", "label", "origin",
      "does", "target", "fusion", "rrf", "linear", "using", "kind", "size", "distance", "model", "threshold",
      "params", "lookup", "limit", "emitted", "inputs", "where", "filters", "details"}``. ``number`` is the
      place in this list, from 0; ``origin`` HYBRID or FORMULA for a stage that nobody wrote. ``does`` says
      what the stage does and ``details`` all else, in the words of EXPLAIN's text. ``kind`` (dense, sparse,
      multi) and ``size`` (dimensions) are the vector's; without a schema, those of what it is compared with,
      as far as they are known. ``limit`` null is Qdrant's 10, ``rrf`` without k its 2; ``linear`` is what
      FUSION LINEAR says, and by how many requests. ``emitted`` says how often the stage stands in the
      request, as Qdrant shares none. ``where`` is the stage's own.
    * ``inputs``: ``[{"stage", "number", "where", "threshold", "lookup"}]``, with what the reference adds.
    * ``filters``: what Qdrant applies, once for each different filter that the stages above lead to:
      ``[{"emitted", "parts"}]``; all parts have to hold. A part is ``{"text", "source", "stage", "number",
      "member", "fields"}``; ``source`` is stage, reference (of PREFETCH), points (those that a query names
      are left out) or GROUP BY (which leaves out points without the field), ``stage`` and ``number`` the
      stage in whose words, or in the reference to which, it stands.
    * ``fields``: ``[{"name", "indexed", "index"}]``, the payload fields that the part tests: whether they
      are indexed (null: not known), and the type of the index.
    * ``second``: the stage of RERANK, null or ``{"text", "model", "fields", "candidates", "top", "offset"}``;
      the text of a candidate is that of the first of ``fields`` that it has.
    * ``groups_here``: what a session does for GROUP BY … FUSE FIRST: null or ``{"field", "size", "limit",
      "offset"}``; ``group`` is null then.
    * ``filter``: the parts of the filter of a statement that is no query; ``source`` is WHERE or UPDATE
      FILTER, and ``member`` the statement of a BATCH, from 1.
    * ``requests``: ``[{"method", "path", "query", "body", "bytes", "prefetches", "embedding"}]``; ``bytes``
      is the size of the body as compact JSON, before texts become vectors.
    * ``embedding``: what models make of the request, ``[{"model", "form", "purpose", "distinct",
      "places"}]``; ``form`` is text, image or object, ``purpose`` query or document. Each of ``distinct``
      inputs is embedded once, for ``places`` places.
    * ``branches``: the queries of QUERY … ELSE … in their order, each as here (without ``version``), and with
      ``"when"``, in words: when it is asked. It is empty for all else.
    * ``warnings`` (of the compiler) and ``advice``: ``[{"code", "severity", "message"}]``, where known with
      ``"file"``, ``"line"``, ``"column"``, ``"end_line"``, ``"end_column"`` and ``"hint"``.
    """
    return {"version": 1, **_explained(compiled)}


def _explained(compiled: Compiled) -> JsonObject:
    plan, filters = compiled.plan, Filters(compiled.schema)
    subject = nodes.subject(compiled.statement)
    statement = statement_parts(subject) if plan is None and not compiled.branches else []
    return {
        "statement": compiled.text,
        "collection": compiled.collection,
        "plan": None if plan is None else _plan_dict(plan, filters),
        "filter": [filters.data(part) for part in statement],
        "requests": [request_dict(request) for request in compiled.requests],
        "branches": [*_branches(subject, compiled.branches)],
        "warnings": [one.to_dict() for one in compiled.warnings],
        "advice": [one.to_dict() for one in compiled.advice],
    }


def _branches(statement: nodes.Statement, branches: Iterable[Compiled]) -> Iterator[JsonObject]:
    if isinstance(statement, nodes.Fallback):
        from qql.compiler.fallbacks import when_asked

        for branch, when in zip(branches, when_asked(statement), strict=True):
            yield {"when": when, **_explained(branch)}


def _plan_dict(plan: QueryPlan, filters: Filters) -> JsonObject:
    numbers = {id(stage): number for number, stage in enumerate(plan.stages)}
    chains, merged = _filters_of_stages(plan, filters)
    return {
        "stages": [
            _stage_dict(plan, chains[id(stage)], numbers, merged[id(stage)], filters) for stage in plan.stages
        ],
        "expanded": plan.expanded,
        "depth": plan.depth,
        "offset": plan.offset,
        "group": _as_qql(plan.group),
        "shard": _as_qql(plan.shard),
        "options": dict(plan.request),
        "second": None if plan.second is None else _rerank_dict(plan, plan.second),
        "groups_here": _groups_dict(plan.groups_here),
    }


def _linear(stage: Stage) -> JsonObject | None:
    linear = stage.linear
    if linear is None:
        return None
    weights = list(linear.weights)
    return {"normalizer": linear.normalizer, "weights": weights, "requests": 2 if linear.awaits_lists else 1}


def _stage_dict(
    plan: QueryPlan,
    chain: _Chain,
    numbers: Mapping[int, int],
    merged: Iterable[tuple[int, list[Part]]],
    filters: Filters,
) -> JsonObject:
    stage = chain[-1].stage
    kind, size = vector_facts(stage)
    return {
        "number": numbers[id(stage)],
        "label": stage.label,
        "origin": stage.origin,
        "does": stage_does(stage),
        "target": _as_qql(stage.target),
        "fusion": stage.fusion,
        "rrf": None if stage.rrf is None else dict(stage.rrf),
        "linear": _linear(stage),
        "using": stage.text_field or stage.using,
        "kind": kind,
        "size": size,
        "distance": stage.vector.distance if stage.vector else None,
        "model": stage.model,
        "threshold": stage.threshold,
        "params": dict(stage.params),
        "lookup": _as_qql(stage.lookup),
        "limit": stage.limit,
        "emitted": plan.uses[id(stage)],
        "inputs": [
            {
                "stage": given.stage.label,
                "number": numbers[id(given.stage)],
                "where": _as_qql(given.where),
                "threshold": given.threshold,
                "lookup": _as_qql(given.lookup),
            }
            for given in stage.inputs
        ],
        "where": _as_qql(stage.where),
        "filters": [
            {"emitted": emitted, "parts": [filters.data(part, numbers) for part in parts]}
            for emitted, parts in merged
        ],
        "details": [*stage_details(plan, chain, filters)],
    }


def _filters_of_stages(
    plan: QueryPlan, filters: Filters
) -> tuple[dict[int, _Chain], dict[int, list[tuple[int, list[Part]]]]]:
    """The plan as it is expanded: the way to each stage, its different filters, how often each is emitted."""
    found: dict[int, dict[tuple[int, ...], tuple[int, list[Part]]]] = {}
    chains: dict[int, _Chain] = {}
    todo: list[_Chain] = [(Input(plan.root),)]
    while todo:
        chain = todo.pop()
        stage = chain[-1].stage
        chains.setdefault(id(stage), chain)
        parts = filters.merged(plan, chain)
        merged = found.setdefault(id(stage), {})
        key = condition_ids(parts)
        merged[key] = merged.get(key, (0, parts))[0] + 1, parts
        todo += [(*chain, given) for given in reversed(stage.inputs)]
    return chains, {stage: list(merged.values()) for stage, merged in found.items()}


def _rerank_dict(plan: QueryPlan, second: SecondStage) -> JsonObject:
    return {
        "text": second.text,
        "model": second.model,
        "fields": list(fields_read(second)),
        "candidates": limit_of(plan.root),
        "top": second.top,
        "offset": second.offset,
    }


def _groups_dict(here: GroupsHere | None) -> JsonObject | None:
    if here is None:
        return None
    return {"field": here.name, "size": here.size, "limit": here.limit, "offset": here.offset}


def _as_qql(node: nodes.Node | None) -> str | None:
    return None if node is None else show(node)
