"""A plan as text: the tree of stages, what each does, and the request that is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from qql import nodes
from qql.bind import Params
from qql.compiler import Compiled, SchemaSource, Stages, compile_script, make_context
from qql.errors import Source
from qql.filters import all_of
from qql.plan import OVERSAMPLING, Input, QueryPlan, SecondStage, Stage
from qql.printer import show
from qql.request import Request

__all__ = ["explain_compiled", "explain_dict", "explain_text", "plan_lines"]

_SHOWN_NUMBERS = 4


def explain_text(
    text: str,
    params: Params = None,
    *,
    collection: str | None = None,
    stages: Stages | None = None,
    models: Mapping[str, str] | None = None,
    schema: SchemaSource = None,
    name: str = "<string>",
) -> str:
    """The plan and the request of every statement of a text, without an engine. Raises as compile does."""
    context = make_context(collection, stages, models, schema)
    return "\n\n".join(explain_compiled(one) for one in compile_script(Source(text, name), params, context))


def explain_compiled(compiled: Compiled) -> str:
    """The plan (for queries) and the requests of one statement."""
    parts = []
    if compiled.plan is not None:
        parts.append("\n".join(plan_lines(compiled.plan)))
    parts += [_request(request) for request in compiled.requests]
    if not parts:
        inner = compiled.statement
        while isinstance(inner, nodes.Explain):
            inner = inner.statement
        words = " ".join(re.findall("[A-Z][a-z]*", type(inner).__name__)).upper()
        parts.append(f"{words}: carried out by the session; no request")
    return "\n\n".join(parts)


def explain_dict(compiled: Compiled) -> dict[str, Any]:
    """What `explain_compiled` says, as JSON data. Keys are added in later versions, never renamed or removed.

    ``{"version": 1, "collection", "plan", "requests"}``; ``plan`` is null for what is no query, and else
    ``{"stages", "expanded", "depth", "offset"}``. ``stages`` are in the order in which they can run, the root
    last: ``{"label", "target", "fusion", "rrf", "using", "kind", "size", "distance", "model", "where",
    "threshold", "params", "limit", "emitted", "inputs"}``, what is missing being null; texts are QQL.
    ``inputs``: ``[{"stage", "where", "threshold", "lookup"}]``, the stages by their labels, with what the
    reference adds.
    """
    plan = compiled.plan
    return {
        "version": 1,
        "collection": compiled.collection,
        "plan": None if plan is None else _plan_dict(plan),
        "requests": [request.to_dict() for request in compiled.requests],
    }


def _plan_dict(plan: QueryPlan) -> dict[str, Any]:
    return {
        "stages": [_stage_dict(stage, plan.uses[id(stage)]) for stage in plan.stages],
        "expanded": plan.expanded,
        "depth": plan.depth,
        "offset": plan.offset,
    }


def _stage_dict(stage: Stage, emitted: int) -> dict[str, Any]:
    known = stage.vector
    return {
        "label": stage.label,
        "target": None if stage.target is None else show(stage.target),
        "fusion": stage.fusion,
        "rrf": None if stage.rrf is None else dict(stage.rrf),
        "using": stage.using,
        "kind": known.kind if known else None,
        "size": known.size if known else None,
        "distance": known.distance if known else None,
        "model": stage.model,
        "where": None if stage.where is None else show(stage.where),
        "threshold": stage.threshold,
        "params": dict(stage.params),
        "limit": stage.limit,
        "emitted": emitted,
        "inputs": [
            {
                "stage": given.stage.label,
                "where": None if given.where is None else show(given.where),
                "threshold": given.threshold,
                "lookup": None if given.lookup is None else show(given.lookup),
            }
            for given in stage.inputs
        ],
    }


def _request(request: Request) -> str:
    query = "&".join(f"{key}={value}" for key, value in request.query.items())
    line = f"{request.method} {request.path}{'?' + query if query else ''}"
    return line if request.body is None else f"{line}\n{_json(request.body)}"


def _json(value: Any, indent: str = "") -> str:
    """JSON with lists of numbers, and whatever else is short, on one line; long vectors are cut."""
    if isinstance(value, list) and len(value) > 8 and all(isinstance(v, (int, float)) for v in value):
        head = ", ".join(json.dumps(v) for v in value[:_SHOWN_NUMBERS])
        return f"[{head}, … {len(value) - _SHOWN_NUMBERS} more]"
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = indent + "  "
    items = []
    if isinstance(value, dict):
        opening, closing = "{", "}"
        for key, item in value.items():
            items.append(f"{json.dumps(key, ensure_ascii=False)}: {_json(item, inner)}")
    else:
        opening, closing = "[", "]"
        for item in value:
            items.append(_json(item, inner))
    line = opening + ", ".join(items) + closing
    if len(line) + len(indent) <= 88 and "\n" not in line:
        return line
    return opening + "\n" + ",\n".join(inner + item for item in items) + "\n" + indent + closing


# ------------------------------------------------------------------------------------ the tree


def plan_lines(plan: QueryPlan) -> list[str]:
    """The plan as a tree, the root first; the same plan prints the same lines."""
    lines = [f"Query on {plan.collection}: {_size(plan)}"]
    shared = {id(s) for s in plan.stages if sum(i.stage is s for t in plan.stages for i in t.inputs) > 1}
    lines += _tree(plan, Input(plan.root), "", "", shared, set())
    return lines


def _size(plan: QueryPlan) -> str:
    distinct = len(plan.stages) - 1
    if not distinct:
        return "one search" if not isinstance(plan.root.target, nodes.Points) else "a fetch of points"
    text = f"{distinct} stage{'s' if distinct > 1 else ''}, {plan.depth} deep"
    if plan.expanded > distinct:
        text += f"; sent as {plan.expanded} prefetches, since Qdrant shares no stages"
    return text


def _tree(
    plan: QueryPlan, given: Input, lead: str, below: str, shared: set[int], shown: set[int]
) -> list[str]:
    stage = given.stage
    title = f"{lead}{stage.label}: {_what(stage)}"
    uses = plan.uses[id(stage)]
    if uses > 1:
        title += f"  [emitted {uses} times]"
    lines = [title]
    again = id(stage) in shown
    shown.add(id(stage))
    inputs = () if again else stage.inputs
    bar = below + ("│   " if inputs else "    ")
    lines += [f"{bar}{detail}" for detail in _details(plan, given, again and bool(stage.inputs))]
    for number, one in enumerate(inputs, 1):
        last = number == len(inputs)
        lines += _tree(
            plan,
            one,
            below + ("└── " if last else "├── "),
            below + ("    " if last else "│   "),
            shared,
            shown,
        )
    return lines


def _what(stage: Stage) -> str:
    if stage.fusion:
        return f"fuse by {stage.fusion.upper()}"
    match stage.target:
        case nodes.Points():
            return f"fetch {show(stage.target)}"
        case nodes.OrderBy():
            return f"all points, {show(stage.target)}"
        case nodes.Sample():
            return "points drawn by chance"
        case nodes.Formula():
            return f"rescore by {show(stage.target)}"
        case nodes.FullText():
            return f"search for {show(stage.target)}"
    verb = "rescore by" if stage.inputs else "search for"
    return f"{verb} {_target(stage.target)}{_using(stage)}"


def _target(target: nodes.Target | None) -> str:
    if not isinstance(target, nodes.Vector):
        return show(target)
    value = target.value
    if isinstance(value, dict):
        return f"a sparse vector of {len(value['indices'])} entries"
    if value and isinstance(value[0], list):
        return f"a multivector of {len(value)} × {len(value[0])}"
    if len(value) <= _SHOWN_NUMBERS:
        return show(value)
    head = ", ".join(show(v) for v in value[:_SHOWN_NUMBERS])
    return f"[{head}, … {len(value) - _SHOWN_NUMBERS} more]"


def _using(stage: Stage) -> str:
    if stage.vector is not None:
        known = stage.vector
        model = stage.model if stage.model != known.model else None
        return f" on {known.describe()}" + (f", embedded by {model}" if model else "")
    using = f" on {stage.using}" if stage.using else ""
    return using + (f", embedded by {stage.model}" if stage.model else "")


def _second_stage(second: SecondStage) -> str:
    field = f" on {second.name}" if second.name else ""
    top = f", top {second.top}" if second.top is not None else ""
    skipped = f", the first {second.offset} left out" if second.offset else ""
    return f"then reranked by {second.model or 'a model'}{field}: {show(second.text)}{top}{skipped}"


def _details(plan: QueryPlan, given: Input, repeated: bool) -> Iterator[str]:
    stage = given.stage
    if isinstance(stage.target, nodes.Hybrid):
        yield f"{show(stage.target)}: two searches, each for {OVERSAMPLING} times as many hits"
    elif stage.fusion and stage.target is not None:
        yield f"{show(stage.target)} is not searched again: the fusion is the query"
    if stage.origin == "FORMULA":
        yield f"FORMULA rescores {OVERSAMPLING} times as many hits as are asked for"
    if stage.rrf is not None:
        k = stage.rrf.get("k")
        yield f"k: {k}" if k is not None else "k: 2 (Qdrant's default)"
        if "weights" in stage.rrf:
            names = [one.stage.label for one in stage.inputs]
            pairs = zip(names, stage.rrf["weights"], strict=True)
            yield "weights: " + ", ".join(f"{name} {weight}" for name, weight in pairs)
    elif stage.fusion == "rrf":
        yield "k: 2 (Qdrant's default)"
    condition = all_of([stage.where, given.where])
    if condition is not None:
        part = "in part " if stage.where is not None else ""
        yield f"where: {show(condition)}" + (f" ({part}from the reference)" if given.where else "")
    if given.threshold is not None:
        was = f", in place of {stage.threshold}" if stage.threshold is not None else ""
        yield f"score threshold: {given.threshold} (from the reference{was})"
    elif stage.threshold is not None:
        yield f"score threshold: {stage.threshold}"
    if stage.params:
        yield "params: " + ", ".join(f"{key} = {show(value)}" for key, value in stage.params.items())
    lookup = given.lookup or stage.lookup
    if lookup:
        yield f"vector of the point from: {show(lookup).removeprefix('LOOKUP FROM ')}"
    if not isinstance(stage.target, nodes.Points):
        limit = f"limit: {stage.limit}" if stage.limit is not None else "limit: 10 (Qdrant's default)"
        yield limit + (f", offset: {plan.offset}" if stage is plan.root and plan.offset else "")
    if stage is plan.root:
        if plan.second is not None:
            yield _second_stage(plan.second)
        if plan.group is not None:
            yield f"group by: {show(plan.group).removeprefix('GROUP BY ')}"
        if plan.shard is not None:
            yield f"shard: {show(plan.shard).removeprefix('SHARD ')}"
        if plan.request:
            yield "request: " + ", ".join(f"{key} = {show(value)}" for key, value in plan.request.items())
    if repeated:
        yield "its own stages are shown above"
