"""`qql query`: one search as options, in one stage or two."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import qql
from qql import nodes
from qql.cli.commands.connection import MEMORY, opened_shell, target_of
from qql.cli.commands.diff import short
from qql.cli.commands.inputs import opened_output
from qql.cli.commands.options import Given
from qql.cli.render import Renderer, sanitize
from qql.cli.repl import UsageError, parse_value, read_script
from qql.errors import Diagnostic, QQLCompileError, QQLPlanError, Source, Span
from qql.evaluation.comparison import title_of
from qql.result import Hit, Result

__all__ = ["query"]

_HITS = 10
_CANDIDATES = 50
"""What is shown, and what a second stage reads, where nothing says how much."""
_BEFORE_CONDITION = "QUERY 1 WHERE "
_COLUMNS = ("rank", "first rank", "id", "first score", "second score", "vector")
_EXCLUSIVE = (
    *(("no_rerank", other) for other in ("rerank_model", "rerank_url", "rerank_key", "rerank_field")),
    ("hybrid", "using"),
    ("explain", "analyze"),
    ("show", "format"),
)


def query(given: Given, console: Renderer) -> int:
    """``--show`` prints the statement, and sends nothing."""
    _check(given)
    statement = _statement(given)
    text = qql.format(statement)
    if "show" in given:
        qql.compile(text, models=given.get("model"), name="<query>")
        with opened_output(given) as console.file:
            console.put(sanitize(text.rstrip("\n"), newline="\n"))
        return 0
    if target_of(given) == MEMORY:
        raise UsageError.make("usage", "there is no database to ask", hint="--db DIR or --url URL names one")
    with opened_shell(given, console) as shell:
        try:
            result = shell.session.execute(text, name="<query>")
        except QQLPlanError as exc:
            if exc.code != "using-missing":
                raise
            hint = "; here: --using VECTOR, or --hybrid"
            raise QQLPlanError(replace(exc.diagnostic, hint=f"{exc.hint}{hint}")) from None
        if isinstance(statement, nodes.Explain):
            if not {"format", "output"} & given.keys():
                console.format = "table"  # its text, wherever it goes
            console.show(result)
        elif statement.rerank and result.hits:
            _show_stages(result, statement, console)
        else:
            console.show(result)
    return 0


# ------------------------------------------------------------------------------------ options → statement


def _check(given: Given) -> None:
    """Raises `UsageError` for options that contradict each other or have no use."""
    for name, value in given.items():
        if value == "" and name != "files":
            raise UsageError.make("usage", f"{given.flag(name)} requires a value, found an empty one")
    for one, other in _EXCLUSIVE:
        if one in given and other in given:
            message = f"{given.flag(one)} and {given.flag(other)} exclude each other"
            raise UsageError.make("usage", message)
    if "from" not in given:
        raise UsageError.make("usage", "query requires a collection", hint="--from COLLECTION names it")
    if given.get("top_k", 0) > given.get("limit", given.get("top_k", 0)):
        message = f"--top-k {given['top_k']} is more than --limit {given['limit']}"
        raise UsageError.make("usage", message, hint="--limit is the number of candidates, --top-k of hits")
    for name in ("rerank_url", "rerank_key", "rerank_field"):
        if name in given and not _reranker(given):
            raise UsageError.make("usage", f"{given.flag(name)} requires --rerank-model")


def _reranker(given: Given) -> str | None:
    if "no_rerank" in given:
        return None
    return given.get("rerank_model") or os.environ.get("QQL_RERANK_MODEL") or None


def _statement(given: Given) -> nodes.Query | nodes.Explain:
    """The statement that the options stand for. Raises `UsageError`, `QQLSyntaxError` for a condition."""
    target, model = _target(given), _reranker(given)
    top = given.get("top_k")
    rerank, limit = None, top or given.get("limit", _HITS)
    if model:
        limit = given.get("limit") or max(top or 0, _CANDIDATES)
        rerank = nodes.Rerank(
            model=nodes.Scalar(model),
            name=_name(given, "rerank_field"),
            top=nodes.Scalar(top or min(limit, _HITS)),
        )
    payload = tuple(nodes.Name(name.strip()) for name in given.get("payload", "").split(",") if name.strip())
    if "payload" in given and not payload:
        raise UsageError.make("usage", "--payload requires the names of fields, separated by commas")
    using = _name(given, "using")
    found = nodes.Query(
        target=target,
        source=_name(given, "from"),
        using=nodes.Using(using) if using else None,
        where=_condition(given["where"]) if "where" in given else None,
        rerank=rerank,
        threshold=nodes.Scalar(given["threshold"]) if "threshold" in given else None,
        payload=nodes.Selection("include", payload) if payload else None,
        vectors=nodes.Selection("all") if "with_vector" in given else None,
        limit=nodes.Scalar(limit),
    )
    if "explain" in given or "analyze" in given:
        return nodes.Explain(found, analyze="analyze" in given)
    return found


def _name(given: Given, option: str) -> nodes.Name | None:
    return nodes.Name(given[option]) if option in given else None


def _target(given: Given) -> nodes.Target:
    text = given.get("files", "").strip()
    if text == "-":
        text = read_script("-").strip()
    if not text:
        hint = "as in qql query 'how do I …' --from docs; `-` reads it from standard input"
        raise UsageError.make("usage", "query requires a text to search for", hint=hint)
    value = parse_value(text) if text[0] in "[{" else text
    if isinstance(value, str):
        words = nodes.Scalar(text)
        return nodes.Hybrid(words) if "hybrid" in given else nodes.Text(words)
    if "hybrid" in given:
        raise UsageError.make("usage", "--hybrid requires a text, found a vector")
    if _reranker(given):
        hint = "--no-rerank searches in one stage"
        raise UsageError.make("usage", "a second stage requires a text, found a vector", hint=hint)
    return nodes.Vector(value)


def _condition(text: str) -> nodes.Condition:
    """The condition of ``--where``; errors show their place in it. Raises `UsageError`, `QQLSyntaxError`."""
    try:
        found = qql.parse(_BEFORE_CONDITION + text)
    except QQLCompileError as exc:
        raise type(exc)(*_in_condition(exc.diagnostics, Source(text, "--where"))) from None
    where = getattr(found[0], "where", None)
    if where is None or found != [nodes.Query(target=nodes.Point(nodes.Scalar(1)), where=where)]:
        raise UsageError.make("usage", "--where takes a condition, and nothing behind it")
    if any(isinstance(part, nodes.Param) for part in nodes.walk(where)):
        raise UsageError.make("usage", "--where takes values, and no parameters")
    return cast(nodes.Condition, where)


def _in_condition(diagnostics: Iterable[Diagnostic], source: Source) -> list[Diagnostic]:
    """Diagnostics of the text that the condition was parsed in, at their places in the condition alone."""

    def moved(span: Span) -> Span:
        ends = (max(0, at - len(_BEFORE_CONDITION)) for at in (span.start, span.end))
        return Span(*ends)

    return [
        replace(
            one,
            source=source,
            span=one.span and moved(one.span),
            related=tuple((moved(span), label) for span, label in one.related),
        )
        for one in diagnostics
    ]


# ------------------------------------------------------------------------------------ what is shown


def _show_stages(result: Result, asked: nodes.Query, console: Renderer) -> None:
    """The hits with their ranks and scores in both stages; for people, where the first stage had them too."""
    from qql.analysis import second_stage

    candidates = [(point["id"], point["score"]) for point in result.data["points"]]
    order = [(hit.id, hit.second_stage_score) for hit in result.hits]
    report = second_stage("", candidates, order, slice(None))
    for_people = console.format in ("table", "markdown")
    was = "first rank" if for_people else "first_stage_rank"
    ranks = [{"rank": one.rank, was: one.first_rank} for one in report.hits]
    rows = [
        {**rank, **(_short_row(hit, asked) if for_people else hit.to_dict())}
        for rank, hit in zip(ranks, result.hits, strict=True)
    ]
    console.show(replace(result, kind="rows", rows=rows))
    if not for_people:
        return
    ranges = [
        {
            "first score": f"{one.low:.4g} to {one.high:.4g}",
            "candidates": one.candidates,
            "hits": one.hits,
            "share": f"{one.share:.0%}",
        }
        for one in report.ranges
    ]
    console.timing = False
    console.put("", "the hits by their scores in the first stage:")
    console.show(Result("rows", rows=ranges))


def _short_row(hit: Hit, asked: nodes.Query) -> dict[str, Any]:
    """A hit for people: both scores, and a title, or the payload where its fields were chosen."""
    row = {
        "id": hit.id,
        "first score": short(hit.first_stage_score),
        "second score": short(hit.second_stage_score),
    }
    if asked.payload is None:
        row["title"] = title_of(hit)
    else:
        fields = hit.payload or {}
        row |= {f"payload.{name}" if name in _COLUMNS else name: fields[name] for name in fields}
    return row if asked.vectors is None else {**row, "vector": hit.vector}
