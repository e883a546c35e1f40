"""EXPLAIN: a plan as a tree of stages, the requests that are sent, and advice, as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from qql import nodes
from qql.advice import advised, facts_of
from qql.advice.view import limit_of
from qql.analysis.explain_requests import request_lines
from qql.analysis.stage_text import IN_DETAIL, condition_ids, stage_details, stage_does
from qql.analysis.text import Branch, as_name, counted, one_line, shortened, tree_lines
from qql.compiler.bind import Params
from qql.compiler.context import CompileOptions, prepare
from qql.compiler.effective_filters import Filters
from qql.compiler.embed_clauses import fields_read
from qql.compiler.plan import Input, QueryPlan
from qql.compiler.script import STACK_IS_FULL, Compiled, compile_script
from qql.errors import Diagnostic, QQLPlanError, many
from qql.schema import Schema
from qql.syntax.printer import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from qql.syntax.parser import TextOrTree

__all__ = ["advice_lines", "explain_compiled", "explain_text", "group_lines", "plan_lines"]


def explain_text(
    text: TextOrTree,
    params: Params = None,
    **options: Unpack[CompileOptions],
) -> str:
    """The plan, the requests and advice of every statement of a text, without an engine.

    The options are those of `CompileOptions`. Raises as `qql.compile` does.
    """
    source, context = prepare(text, options)
    done = advised(compile_script(source, params, context), context.schema, facts_of(options.get("schema")))
    return "\n\n".join(map(explain_compiled, done))


def explain_compiled(compiled: Compiled) -> str:
    """The plan (for queries) or the filter, the requests of one statement, and its advice.

    What the compiler warns of is in ``compiled.warnings``, and not said here. Raises `QQLPlanError`
    (``too-deep``) where the caller's own stack is nearly full.
    """
    try:
        return "\n\n".join(filter(None, map("\n".join, _parts(compiled))))
    except RecursionError:
        found = Diagnostic("too-deep", STACK_IS_FULL, compiled.span, source=compiled.source)
        raise QQLPlanError(found) from None


def _parts(compiled: Compiled) -> list[Iterable[str]]:
    statement = nodes.subject(compiled.statement)
    if isinstance(statement, nodes.Fallback):
        return [*_branch_parts(statement, compiled.branches), advice_lines(compiled.advice)]
    if compiled.plan is not None:
        parts: list[Iterable[str]] = [plan_lines(compiled.plan, compiled.schema)]
    else:
        parts = [Filters(compiled.schema).statement_lines(statement)]
    parts += map(request_lines, compiled.requests)
    if not compiled.requests:
        words = " ".join(re.findall("[A-Z][a-z]*", type(statement).__name__)).upper()
        parts.append([f"{words}: carried out by the session; no request"])
    parts.append(advice_lines(compiled.advice))
    return parts


def _branch_parts(statement: nodes.Fallback, branches: Sequence[Compiled]) -> Iterator[Iterable[str]]:
    """Each query of QUERY … ELSE … below a heading that says when it is asked."""
    from qql.compiler.fallbacks import when_asked

    for number, (branch, when) in enumerate(zip(branches, when_asked(statement), strict=True), 1):
        yield [one_line(f"query {number} of {len(branches)}: {when}")]
        yield from _parts(branch)


def advice_lines(advice: Iterable[Diagnostic]) -> Iterator[str]:
    """Advice with its places, below a heading; nothing where there is none."""
    for number, one in enumerate(advice):
        if not number:
            yield "advice:"
        place = f" at {one.line}:{one.column}" if one.line is not None else ""
        yield one_line(f"  {one.severity}[{one.code}]{place}: {one.message}")
        if one.hint:
            yield one_line(f"    help: {one.hint}")


# ------------------------------------------------------------------------------------ the tree


def plan_lines(plan: QueryPlan, schema: Schema | None = None) -> list[str]:
    """The plan as a tree, the root first; the same plan prints the same lines.

    By the schema, the fields of filters are said to be indexed or not.
    """
    lines = [one_line(f"Query on {plan.collection}: {_plan_size(plan)}")]
    lines += tree_lines(_PlanTree(plan, Filters(schema)).branch((Input(plan.root),)))
    return lines + [one_line(line) for line in (*_second_stage_lines(plan), *group_lines(plan))]


class _PlanTree:
    """Makes the branches of a plan. What feeds a stage is shown where the stage is met first."""

    def __init__(self, plan: QueryPlan, filters: Filters) -> None:
        self.plan = plan
        self.filters = filters
        self.shown: dict[int, tuple[int, ...]] = {}

    def branch(self, chain: tuple[Input, ...]) -> Branch:
        stage = chain[-1].stage
        uses = self.plan.uses[id(stage)]
        title = f"{stage.label}: {stage_does(stage)}" + (f"  [emitted {uses} times]" if uses > 1 else "")
        details = tuple(stage_details(self.plan, chain, self.filters))
        merged = condition_ids(self.filters.merged(self.plan, chain))
        if id(stage) not in self.shown or not stage.inputs:
            self.shown[id(stage)] = merged
            return Branch(title, details, tuple(self.branch((*chain, given)) for given in stage.inputs))
        above = "its own stages are shown above"
        if merged != self.shown[id(stage)]:
            above += "; here the filter of this place holds for them"
        return Branch(title, (*details, above))


def _plan_size(plan: QueryPlan) -> str:
    distinct = len(plan.stages) - 1
    if distinct:
        text = f"{counted(distinct, 'stage')}, {plan.depth} deep"
    else:
        fetched = plan.root.by_id or isinstance(plan.root.target, nodes.Points)
        text = "a fetch of points" if fetched else "one search"
    if plan.expanded > distinct:
        text += f"; sent as {plan.expanded} prefetches, since Qdrant shares no stages"
    return text


def group_lines(plan: QueryPlan) -> Iterator[str]:
    """What a session does with the hits of GROUP BY … FUSE FIRST; nothing of other plans."""
    here = plan.groups_here
    if here is not None:
        skipped = f" behind the first {here.offset}" if here.offset else ""
        groups = f"{many(here.limit, 'group')}{skipped}"
        yield f"then grouped by {as_name(here.name)} by the session: {groups}, each"
        yield f"    with its best {here.size}; what is shown of them is fetched by their ids"


def _second_stage_lines(plan: QueryPlan) -> Iterator[str]:
    second = plan.second
    if second is None:
        return
    kept = "all" if second.top is None else f"the best {second.top}"
    skipped = f" behind the first {second.offset}" if second.offset else ""
    model = second.model or "a model that is not known"
    yield f"then reranked by {model}: {kept} of {limit_of(plan.root)} candidates{skipped}"
    yield f"    compared with: {shortened(show(nodes.Scalar(second.text)), IN_DETAIL)}"
    fields = fields_read(second)
    which = "" if len(fields) == 1 else "  (the first of them that a candidate has)"
    yield f"    field: {', '.join(map(as_name, fields))}{which}"
