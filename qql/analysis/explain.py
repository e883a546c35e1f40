"""A plan as text and as data: the tree of stages, what each does, and the requests that are sent."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from qql import nodes
from qql.advice import advised, facts_of
from qql.advice.rules import GROUP_SIZE
from qql.compiler.bind import Params
from qql.compiler.effective_filters import Filters, Part, statement_parts
from qql.compiler.embed_clauses import fields_read
from qql.compiler.model_names import known_kind, known_size
from qql.compiler.plan import (
    DEFAULT_LIMIT,
    OVERSAMPLING,
    Input,
    QueryPlan,
    SecondStage,
    Stage,
    count_limit,
    inputs_of,
)
from qql.compiler.script import Compiled, SchemaSource, Stages, compile_script, make_context
from qql.compiler.vectors import vector_kind
from qql.errors import Diagnostic, Source
from qql.rest.inference_objects import Inferred, inferred_of
from qql.rest.request import Request
from qql.schema import Schema
from qql.syntax.printer import show

__all__ = [
    "Branch",
    "advice_lines",
    "explain_compiled",
    "explain_dict",
    "explain_text",
    "plan_lines",
    "stage_details",
    "stage_does",
    "tree_lines",
    "wrapped",
]

_SHOWN_NUMBERS = 4
_IN_TITLE = 60  # characters of a target
_IN_DETAIL = 400
_LEAST = 50  # columns of a text in a tree


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
    """The plan, the requests and advice of every statement of a text, without an engine.

    The arguments are those of `compile_text`. Raises as that does.
    """
    context = make_context(collection, stages, models, schema)
    done = advised(compile_script(Source(text, name), params, context), context.schema, facts_of(schema))
    return "\n\n".join(map(explain_compiled, done))


def explain_compiled(compiled: Compiled) -> str:
    """The plan (for queries) or the filter, the requests of one statement, and its advice.

    What the compiler warns of is in ``compiled.warnings``, and not said here.
    """
    parts = []
    if compiled.plan is not None:
        parts.append("\n".join(plan_lines(compiled.plan, compiled.schema)))
    else:
        parts.append("\n".join(Filters(compiled.schema).statement_lines(nodes.subject(compiled.statement))))
    parts += ["\n".join(_request_lines(request)) for request in compiled.requests]
    if not compiled.requests:
        words = " ".join(re.findall("[A-Z][a-z]*", type(nodes.subject(compiled.statement)).__name__)).upper()
        parts.append(f"{words}: carried out by the session; no request")
    if compiled.advice:
        parts.append("\n".join(advice_lines(compiled.advice)))
    return "\n\n".join(part for part in parts if part)


def explain_dict(compiled: Compiled) -> dict[str, Any]:
    """What `explain_compiled` says, as JSON data. Keys are added in later versions, never renamed or removed.

    ``{"version": 1, "statement", "collection", "plan", "filter", "requests", "warnings", "advice"}``. What is
    missing is null, texts are QQL, and stages are named by their label and by their number.

    * ``statement``: as it was written.
    * ``plan``: null for what is no query, else ``{"stages", "expanded", "depth", "offset", "group", "shard",
      "options", "second"}``. ``expanded`` counts the prefetches of the request, ``options`` are those of the
      request as a whole (timeout, consistency).
    * ``stages``: in the order in which they can run, the root last, each ``{"number", "label", "origin",
      "target", "fusion", "rrf", "using", "kind", "size", "distance", "model", "threshold", "params",
      "lookup", "limit", "emitted", "inputs", "where", "filters"}``. ``number`` is the place in this list,
      from 0; ``origin`` HYBRID or FORMULA for a stage that nobody wrote. ``kind`` (dense, sparse, multi) and
      ``size`` (dimensions) are the vector's; without a schema, those of what it is compared with, as far as
      they are known. ``limit`` null is Qdrant's 10, ``rrf`` without k its 2. ``emitted`` says how often the
      stage stands in the request, as Qdrant shares none. ``where`` is the stage's own.
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
    * ``filter``: the parts of the filter of a statement that is no query; ``source`` is WHERE or UPDATE
      FILTER, and ``member`` the statement of a BATCH, from 1.
    * ``requests``: ``[{"method", "path", "query", "body", "bytes", "prefetches", "embedding"}]``; ``bytes``
      is the size of the body as compact JSON, before texts become vectors.
    * ``embedding``: what models make of the request, ``[{"model", "form", "purpose", "distinct",
      "places"}]``; ``form`` is text, image or object, ``purpose`` query or document. Each of ``distinct``
      inputs is embedded once, for ``places`` places.
    * ``warnings`` (of the compiler) and ``advice``: ``[{"code", "severity", "message"}]``, where known with
      ``"file"``, ``"line"``, ``"column"``, ``"end_line"``, ``"end_column"`` and ``"hint"``.
    """
    plan, told = compiled.plan, Filters(compiled.schema)
    statement = statement_parts(nodes.subject(compiled.statement)) if plan is None else []
    return {
        "version": 1,
        "statement": compiled.text,
        "collection": compiled.collection,
        "plan": None if plan is None else _plan_dict(plan, told),
        "filter": [told.data(part) for part in statement],
        "requests": [_request_dict(request) for request in compiled.requests],
        "warnings": [one.to_dict() for one in compiled.warnings],
        "advice": [one.to_dict() for one in compiled.advice],
    }


def advice_lines(advice: Iterable[Diagnostic]) -> Iterator[str]:
    """Advice with its places, below a heading; nothing where there is none."""
    for number, one in enumerate(advice):
        if not number:
            yield "advice:"
        place = f" at {one.line}:{one.column}" if one.line is not None else ""
        yield _line(f"  {one.severity}[{one.code}]{place}: {one.message}")
        if one.hint:
            yield _line(f"    help: {one.hint}")


# ------------------------------------------------------------------------------------ JSON


def _plan_dict(plan: QueryPlan, told: Filters) -> dict[str, Any]:
    numbers = {id(stage): number for number, stage in enumerate(plan.stages)}
    merged = _all_merged(plan, told)
    return {
        "stages": [_stage_dict(plan, stage, numbers, merged[id(stage)], told) for stage in plan.stages],
        "expanded": plan.expanded,
        "depth": plan.depth,
        "offset": plan.offset,
        "group": _qql(plan.group),
        "shard": _qql(plan.shard),
        "options": dict(plan.request),
        "second": None if plan.second is None else _second_dict(plan, plan.second),
    }


def _stage_dict(
    plan: QueryPlan,
    stage: Stage,
    numbers: Mapping[int, int],
    merged: Iterable[tuple[int, list[Part]]],
    told: Filters,
) -> dict[str, Any]:
    kind, size = _kind_and_size(stage)
    return {
        "number": numbers[id(stage)],
        "label": stage.label,
        "origin": stage.origin,
        "target": _qql(stage.target),
        "fusion": stage.fusion,
        "rrf": None if stage.rrf is None else dict(stage.rrf),
        "using": stage.using,
        "kind": kind,
        "size": size,
        "distance": stage.vector.distance if stage.vector else None,
        "model": stage.model,
        "threshold": stage.threshold,
        "params": dict(stage.params),
        "lookup": _qql(stage.lookup),
        "limit": stage.limit,
        "emitted": plan.uses[id(stage)],
        "inputs": [
            {
                "stage": given.stage.label,
                "number": numbers[id(given.stage)],
                "where": _qql(given.where),
                "threshold": given.threshold,
                "lookup": _qql(given.lookup),
            }
            for given in stage.inputs
        ],
        "where": _qql(stage.where),
        "filters": [
            {"emitted": emitted, "parts": [told.data(part, numbers) for part in parts]}
            for emitted, parts in merged
        ],
    }


def _all_merged(plan: QueryPlan, told: Filters) -> dict[int, list[tuple[int, list[Part]]]]:
    """For each stage its different filters, and how often each is emitted: the plan as it is expanded."""
    found: dict[int, dict[tuple[int, ...], tuple[int, list[Part]]]] = {}
    todo: list[tuple[Input, ...]] = [(Input(plan.root),)]
    while todo:
        chain = todo.pop()
        stage = chain[-1].stage
        parts = told.merged(plan, chain)
        filters = found.setdefault(id(stage), {})
        key = _ids(parts)
        filters[key] = filters.get(key, (0, parts))[0] + 1, parts
        todo += [(*chain, given) for given in reversed(stage.inputs)]
    return {stage: list(filters.values()) for stage, filters in found.items()}


def _second_dict(plan: QueryPlan, second: SecondStage) -> dict[str, Any]:
    return {
        "text": second.text,
        "model": second.model,
        "fields": list(fields_read(second)),
        "candidates": _limit(plan.root),
        "top": second.top,
        "offset": second.offset,
    }


def _ids(parts: Iterable[Part]) -> tuple[int, ...]:
    """What two filters have in common that are the same; to compare conditions would take longer."""
    return tuple(id(part.condition) for part in parts)


def _qql(node: nodes.Node | None) -> str | None:
    return None if node is None else show(node)


def _limit(stage: Stage) -> int:
    return DEFAULT_LIMIT if stage.limit is None else stage.limit


# ------------------------------------------------------------------------------------ requests


def _request_dict(request: Request) -> dict[str, Any]:
    return {
        **request.to_dict(),
        "bytes": _bytes(request),
        "prefetches": _prefetches(request),
        "embedding": [one._asdict() for one in inferred_of(request)],
    }


def _request_lines(request: Request) -> Iterator[str]:
    inferred = inferred_of(request)
    if inferred:
        whose = "embedded before it is sent, or by the server"
        yield f"embedding: {', '.join(map(_inferred, inferred))}; {whose}"
    if request.body is not None:
        prefetches = _prefetches(request)
        size = f"request: {_many(_bytes(request), 'byte')} of JSON"
        size += f", {_many(prefetches, 'prefetch', 'prefetches')}" if prefetches else ""
        yield size + ("; vectors take the place of what is embedded" if inferred else "")
    query = "&".join(f"{key}={value}" for key, value in request.query.items())
    yield f"{request.method} {request.path}{'?' + query if query else ''}"
    if request.body is not None:
        yield _json(request.body)


def _inferred(one: Inferred) -> str:
    text = _many(one.distinct, one.form)
    if one.places != one.distinct:
        text += f" for {_many(one.places, 'place')}"
    return _line(f"{text} by {one.model or 'a model that is not known'}")


def _many(count: int, word: str, words: str | None = None) -> str:
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def _bytes(request: Request) -> int:
    """The size of the body as JSON without spaces, in UTF-8; 0 where there is none."""
    if request.body is None:
        return 0
    text = json.dumps(request.body, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))


def _prefetches(request: Request) -> int:
    """How many prefetches a request holds, on all levels."""
    count, todo = 0, [request.body or {}, *(request.body or {}).get("searches", ())]
    while todo:
        below = todo.pop().get("prefetch") or ()
        count += len(below)
        todo += below
    return count


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


@dataclass(frozen=True, slots=True)
class Branch:
    """A stage of a tree: its title, the lines below it, and the stages that feed it."""

    title: str
    details: tuple[str, ...] = ()
    inputs: tuple[Branch, ...] = ()


def tree_lines(branch: Branch, lead: str = "", below: str = "", *, width: int | None = None) -> Iterator[str]:
    """A tree drawn with lines, the root first.

    What is longer than ``width`` goes on in the next line, though a deep tree leaves 50 columns to each text.
    """
    bar = below + ("│   " if branch.inputs else "    ")
    room = None if width is None else max(width - len(bar), _LEAST)
    title, *more = wrapped([_line(branch.title)], room)
    yield lead + title
    yield from (bar + line for line in (*more, *wrapped(map(_line, branch.details), room)))
    for number, one in enumerate(branch.inputs, 1):
        last = number == len(branch.inputs)
        lead, inner = ("└── ", "    ") if last else ("├── ", "│   ")
        yield from tree_lines(one, below + lead, below + inner, width=width)


def wrapped(lines: Iterable[str], width: int | None) -> list[str]:
    """Lines of which the long ones go on, indented, in the next; None leaves all as they are."""
    if width is None:
        return list(lines)
    out = []
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        short = len(line) <= width
        out += (
            [line] if short else textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)
        )
    return out


def plan_lines(plan: QueryPlan, schema: Schema | None = None) -> list[str]:
    """The plan as a tree, the root first; the same plan prints the same lines.

    By the schema, the fields of filters are said to be indexed or not.
    """
    lines = [_line(f"Query on {plan.collection}: {_size(plan)}")]
    lines += tree_lines(_Tree(plan, Filters(schema)).branch((Input(plan.root),)))
    return lines + [_line(line) for line in _second_lines(plan)]


class _Tree:
    """Makes the branches of a plan. What feeds a stage is shown where the stage is met first."""

    def __init__(self, plan: QueryPlan, told: Filters) -> None:
        self.plan = plan
        self.told = told
        self.shown: dict[int, tuple[int, ...]] = {}

    def branch(self, chain: tuple[Input, ...]) -> Branch:
        stage = chain[-1].stage
        uses = self.plan.uses[id(stage)]
        title = f"{stage.label}: {stage_does(stage)}" + (f"  [emitted {uses} times]" if uses > 1 else "")
        details = tuple(stage_details(self.plan, chain, self.told))
        held = _ids(self.told.merged(self.plan, chain))
        if id(stage) not in self.shown or not stage.inputs:
            self.shown[id(stage)] = held
            return Branch(title, details, tuple(self.branch((*chain, given)) for given in stage.inputs))
        above = "its own stages are shown above"
        if held != self.shown[id(stage)]:
            above += "; here the filter of this place holds for them"
        return Branch(title, (*details, above))


def _size(plan: QueryPlan) -> str:
    distinct = len(plan.stages) - 1
    if distinct:
        text = f"{_many(distinct, 'stage')}, {plan.depth} deep"
    else:
        text = "one search" if not isinstance(plan.root.target, nodes.Points) else "a fetch of points"
    if plan.expanded > distinct:
        text += f"; sent as {plan.expanded} prefetches, since Qdrant shares no stages"
    return text


def stage_does(stage: Stage) -> str:
    """What a stage does, in a few words: ``search for 'burns' on dense``."""
    if stage.fusion:
        return f"fuse by {stage.fusion.upper()}"
    verb = "rescore by" if stage.inputs else "search for"
    using = f" on {_name(stage.using)}" if stage.using else ""
    match stage.target:
        case nodes.Vector():
            return f"{verb} {_article(vector_kind(stage.target.value))}{using}"
        case nodes.Points():
            return f"fetch {_target(stage.target, _IN_TITLE)}"
        case nodes.OrderBy():
            return f"{'what its stages found' if stage.inputs else 'all points'}, {show(stage.target)}"
        case nodes.Sample():
            return "points drawn by chance"
        case nodes.FullText():  # its field stands in it
            return f"{verb} {_target(stage.target, _IN_TITLE)}"
    return f"{verb} {_target(stage.target, _IN_TITLE)}{using}"


def _article(kind: str) -> str:
    return {"sparse": "a sparse vector", "multi": "a multivector"}.get(kind, "a vector")


def stage_details(plan: QueryPlan, chain: Sequence[Input], told: Filters) -> Iterator[str]:
    """All else that a plan says of a stage, line by line. ``chain`` leads to it from the root."""
    given = chain[-1]
    stage = given.stage
    yield from _target_lines(stage)
    yield from _vector_lines(stage)
    yield from _fusion_lines(stage)
    yield from told.stage_lines(plan, chain)
    if given.threshold is not None:
        was = f", in place of {stage.threshold}" if stage.threshold is not None else ""
        yield f"score threshold: {given.threshold}  (of the reference{was})"
    elif stage.threshold is not None:
        yield f"score threshold: {stage.threshold}"
    if stage.params:
        yield "params: " + ", ".join(f"{key} = {show(value)}" for key, value in stage.params.items())
    lookup = given.lookup or stage.lookup
    if lookup:
        yield f"vector of the point from: {show(lookup).removeprefix('LOOKUP FROM ')}"
    if not isinstance(stage.target, nodes.Points):
        yield f"limit: {_limit(stage)}{_limited(plan, stage)}"
    if stage is plan.root:
        if plan.group is not None:
            yield f"group by: {show(plan.group).removeprefix('GROUP BY ')}"
        if plan.shard is not None:
            yield f"shard: {show(plan.shard).removeprefix('SHARD ')}"
        if plan.request:
            yield "options: " + ", ".join(f"{key} = {show(value)}" for key, value in plan.request.items())


def _limited(plan: QueryPlan, stage: Stage) -> str:
    """Of a limit: whether it is Qdrant's, OFFSET, and what GROUP BY makes of it."""
    default = "" if stage.limit is not None else " (Qdrant's default)"
    if stage is plan.root:
        counted = " groups" if plan.group is not None else ""
        return counted + default + (f", offset: {plan.offset}" if plan.offset else "")
    size = None if plan.group is None else count_limit(plan.group.size, "SIZE", 1) or GROUP_SIZE
    return default + (f", times {size} for the hits of a group" if size else "")


def _target_lines(stage: Stage) -> Iterator[str]:
    target = stage.target
    if isinstance(target, nodes.Hybrid):
        text = _target(target, _IN_DETAIL)
        yield f"{text}: two searches, each for {OVERSAMPLING} times as many hits"
    elif target is not None and stage.fusion:
        yield f"{_target(target, _IN_DETAIL)} is not searched again: the fusion is the query"
    elif target is not None:
        text = _target(target, _IN_DETAIL)
        if text not in stage_does(stage):
            yield f"target: {text}"
    if stage.origin == "FORMULA":
        yield f"FORMULA rescores {OVERSAMPLING} times as many hits as are asked for"


def _vector_lines(stage: Stage) -> Iterator[str]:
    """The vector with its role, size, metric and model, as far as they are known."""
    known = stage.vector
    if known is not None:
        other = stage.model if stage.model != known.model else None
        yield f"vector: {known.describe()}" + (f", embedded by {other}" if other else "")
        return
    kind, size = _kind_and_size(stage)
    facts = [kind, size and _many(size, "dimension"), stage.model and f"model {stage.model}"]
    said = ", ".join(str(fact) for fact in facts if fact)
    words = [_name(stage.using) if stage.using else "", f"({said})" if said else ""]
    if any(words) and stage.target is not None and inputs_of(stage.target) and not stage.fusion:
        yield f"vector: {' '.join(filter(None, words))}"


def _kind_and_size(stage: Stage) -> tuple[str | None, int | None]:
    """Of the vector; without a schema, of what it is compared with: a literal, or what the model makes."""
    if stage.vector is not None:
        return stage.vector.kind, stage.vector.size
    for one in inputs_of(stage.target) if stage.target is not None and not stage.fusion else ():
        if isinstance(one, nodes.Vector):
            kind = vector_kind(one.value)
            row = one.value[0] if kind == "multi" else one.value
            return kind, None if kind == "sparse" else len(row)
    return (known_kind(stage.model), known_size(stage.model)) if stage.model else (None, None)


def _fusion_lines(stage: Stage) -> Iterator[str]:
    if stage.fusion != "rrf":
        return
    options = stage.rrf or {}
    yield f"k: {options['k']}" if options.get("k") is not None else "k: 2 (Qdrant's default)"
    if "weights" in options:
        pairs = zip((one.stage.label for one in stage.inputs), options["weights"], strict=True)
        yield "weights: " + ", ".join(f"{name} {weight}" for name, weight in pairs)


def _second_lines(plan: QueryPlan) -> Iterator[str]:
    second = plan.second
    if second is None:
        return
    kept = "all" if second.top is None else f"the best {second.top}"
    skipped = f" behind the first {second.offset}" if second.offset else ""
    model = second.model or "a model that is not known"
    yield f"then reranked by {model}: {kept} of {_limit(plan.root)} candidates{skipped}"
    yield f"    compared with: {_cut(show(nodes.Scalar(second.text)), _IN_DETAIL)}"
    fields = fields_read(second)
    which = "" if len(fields) == 1 else "  (the first of them that a candidate has)"
    yield f"    field: {', '.join(map(_name, fields))}{which}"


# ------------------------------------------------------------------------------------ small texts


def _line(text: str) -> str:
    """A text that stays one line, whatever names are in it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _name(name: str) -> str:
    """A name as QQL writes it."""
    return show(nodes.Name(name))


_MORE = re.compile(":\0([0-9]+)\0")


def _target(target: nodes.Target | None, most: int) -> str:
    """A target as QQL, cut to so many characters; of its vectors, the first numbers."""
    if target is not None and inputs_of(target):
        target = _short(target)
    return _cut(_MORE.sub(r"… \1 more", show(target)), most)


def _short(value: Any) -> Any:
    """A target whose vectors are cut; what is left out is a parameter that no text can hold."""
    match value:
        case nodes.Vector(value=dict() as sparse):
            return replace(value, value={key: _head(numbers) for key, numbers in sparse.items()})
        case nodes.Vector(value=list() as numbers):
            rows = [_head(row) if isinstance(row, list) else row for row in numbers[: _SHOWN_NUMBERS + 1]]
            return replace(value, value=_head([*rows, *numbers[_SHOWN_NUMBERS + 1 :]]))
        case tuple():
            return tuple(_short(item) for item in value)
        case nodes.Node():
            return replace(value, **{f.name: _short(getattr(value, f.name)) for f in fields(value)})
    return value


def _head(numbers: list[Any]) -> list[Any]:
    more = len(numbers) - _SHOWN_NUMBERS
    return numbers if more <= 0 else [*numbers[:_SHOWN_NUMBERS], nodes.Param(f"\0{more}\0")]
