"""`qql query`: one search as options, in one stage or two."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import qql
from qql import nodes
from qql.analysis.titles import title_of
from qql.cli.commands.connection import MEMORY, target_of
from qql.cli.commands.default_models import rerank_model_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import open_output
from qql.cli.commands.report import IDS_ELSEWHERE, without_bare_ids
from qql.cli.commands.run import open_shell
from qql.cli.render import Renderer, sanitize
from qql.cli.usage import UsageError, parse_value, read_script
from qql.errors import Diagnostic, QQLCompileError, QQLPlanError, Source, Span
from qql.evaluation.report import six_digits
from qql.records import replace
from qql.rest.limits import DEFAULT_LIMIT
from qql.rest.types import JsonObject
from qql.result import Hit, Result

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["query"]

_DEFAULT_CANDIDATES = 50
"""What a second stage reads where nothing says how much."""
_CONDITION_PREFIX = "QUERY 1 WHERE "
_OWN_COLUMNS = ("rank", "first rank", "id", "first score", "second score", "vector")
_EXCLUSIVE_OPTIONS = (
    *(
        ("no_rerank", other)
        for other in ("reranker", "rerank_model", "rerank_url", "rerank_key", "rerank_field")
    ),
    ("hybrid", "using"),
    ("explain", "analyze"),
    ("explain", "why_not"),
    ("analyze", "why_not"),
    ("show", "format"),
)


def query(args: Arguments, console: Renderer) -> int:
    """``--show`` prints the statement, and sends nothing."""
    _check_options(args)
    statement = _build_statement(args)
    text = qql.format(statement)
    if "show" in args:
        qql.compile(text, models=args.get("model"), name="<query>")
        with open_output(args, console):
            console.put(sanitize(text.rstrip("\n"), newline="\n"))
        return 0
    if target_of(args) == MEMORY:
        raise UsageError.make("usage", "there is no database to ask", hint="--db DIR or --url URL names one")
    with open_shell(args, console) as shell:
        result = _execute(shell.session, text)
        if not isinstance(statement, nodes.Query):
            console.plain = shell.plain_texts
            console.show(result)
        elif statement.rerank and result.hits:
            _show_stages(result, statement, console)
        else:
            console.show(result)
    return 0


def _execute(session: Session, text: str) -> Result:
    try:
        return session.execute(text, name="<query>")
    except QQLPlanError as exc:
        if exc.code != "using-missing":
            raise
        hint = "; here: --using VECTOR, or --hybrid"
        raise QQLPlanError(replace(exc.diagnostic, hint=f"{exc.hint}{hint}")) from None


# ------------------------------------------------------------------------------------ options → statement


def _check_options(args: Arguments) -> None:
    """Raises `UsageError` for options that contradict each other or have no use."""
    for name, value in args.items():
        if value == "" and name != "files":
            raise UsageError.make("usage", f"{args.flag(name)} requires a value, found an empty one")
    for one, other in _EXCLUSIVE_OPTIONS:
        if one in args and other in args:
            message = f"{args.flag(one)} and {args.flag(other)} exclude each other"
            raise UsageError.make("usage", message)
    if "from" not in args:
        raise UsageError.make("usage", "query requires a collection", hint="--from COLLECTION names it")
    if args.get("top_k", 0) > args.get("limit", args.get("top_k", 0)):
        message = f"--top-k {args['top_k']} is more than --limit {args['limit']}"
        raise UsageError.make("usage", message, hint="--limit is the number of candidates, --top-k of hits")
    for name in ("rerank_url", "rerank_key", "rerank_field"):
        if name in args and not _rerank_model(args):
            raise UsageError.make("usage", f"{args.flag(name)} requires --rerank-model")


def _rerank_model(args: Arguments) -> str | None:
    if "no_rerank" in args:
        return None
    return rerank_model_of(args)


def _build_statement(args: Arguments) -> nodes.Query | nodes.Explain | nodes.Why:
    """The statement that the options stand for. Raises `UsageError`, `QQLSyntaxError` for a condition."""
    target, model = _target_of(args), _rerank_model(args)
    top = args.get("top_k")
    rerank, limit = None, top or args.get("limit", DEFAULT_LIMIT)
    if model:
        limit = args.get("limit") or max(top or 0, _DEFAULT_CANDIDATES)
        rerank = nodes.Rerank(
            model=nodes.Scalar(model),
            name=_name_option(args, "rerank_field"),
            top=nodes.Scalar(top or min(limit, DEFAULT_LIMIT)),
        )
    payload = tuple(nodes.Name(name.strip()) for name in args.get("payload", "").split(",") if name.strip())
    if "payload" in args and not payload:
        raise UsageError.make("usage", "--payload requires the names of fields, separated by commas")
    using = _name_option(args, "using")
    found = nodes.Query(
        target=target,
        source=_name_option(args, "from"),
        using=nodes.Using(using) if using else None,
        where=_parse_condition(args, "where"),
        rerank=rerank,
        threshold=nodes.Scalar(args["threshold"]) if "threshold" in args else None,
        payload=nodes.Selection("include", payload) if payload else None,
        vectors=nodes.Selection("all") if "with_vector" in args else None,
        limit=nodes.Scalar(limit),
    )
    if missed := _parse_condition(args, "why_not"):
        return nodes.Why(found, where=missed, negated=True)
    if "explain" in args or "analyze" in args:
        return nodes.Explain(found, analyze="analyze" in args)
    return found


def _name_option(args: Arguments, option: str) -> nodes.Name | None:
    return nodes.Name(args[option]) if option in args else None


def _target_of(args: Arguments) -> nodes.Target:
    text = args.get("files", "").strip()
    if text == "-":
        text = read_script("-").strip()
    if not text:
        hint = "as in qql query 'how do I …' --from docs; `-` reads it from standard input"
        raise UsageError.make("usage", "query requires a text to search for", hint=hint)
    value = parse_value(text) if text[0] in "[{" else text
    if isinstance(value, str):
        words = nodes.Scalar(text)
        return nodes.Hybrid(words) if "hybrid" in args else nodes.Text(words)
    if "hybrid" in args:
        raise UsageError.make("usage", "--hybrid requires a text, found a vector")
    if _rerank_model(args):
        hint = "--no-rerank searches in one stage"
        raise UsageError.make("usage", "a second stage requires a text, found a vector", hint=hint)
    return nodes.Vector(value)


def _parse_condition(args: Arguments, option: str) -> nodes.Condition | None:
    """The condition of an option, if it is given; errors show their place in it.

    Raises `UsageError`, `QQLSyntaxError`.
    """
    if option not in args:
        return None
    text, flag = args[option], args.flag(option)
    try:
        found = qql.parse(_CONDITION_PREFIX + text)
    except QQLCompileError as exc:
        raise type(exc)(*_relative_to_condition(exc.diagnostics, Source(text, flag))) from None
    where = getattr(found[0], "where", None)
    if where is None or found != [nodes.Query(target=nodes.Point(nodes.Scalar(1)), where=where)]:
        raise UsageError.make("usage", f"{flag} takes a condition, and nothing behind it")
    if any(isinstance(part, nodes.Param) for part in nodes.walk(where)):
        raise UsageError.make("usage", f"{flag} takes values, and no parameters")
    return cast(nodes.Condition, where)


def _relative_to_condition(diagnostics: Iterable[Diagnostic], source: Source) -> list[Diagnostic]:
    """Diagnostics of the text that the condition was parsed in, at their places in the condition alone."""

    def moved(span: Span) -> Span:
        ends = (max(0, at - len(_CONDITION_PREFIX)) for at in (span.start, span.end))
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


# ------------------------------------------------------------------------------------ report


def _show_stages(result: Result, statement: nodes.Query, console: Renderer) -> None:
    """The hits with their ranks and scores in both stages; for people, where the first stage had them too."""
    from qql.analysis import second_stage

    candidates = [(point["id"], point["score"]) for point in result.data["points"]]
    order = [(hit.id, hit.second_stage_score) for hit in result.hits]
    report = second_stage("", candidates, order, slice(None))
    for_people = console.format in ("table", "markdown")
    was = "first rank" if for_people else "first_stage_rank"
    ranks = [{"rank": one.rank, was: one.first_rank} for one in report.hits]
    rows = [
        {**rank, **(_readable_row(hit, statement) if for_people else hit.to_dict())}
        for rank, hit in zip(ranks, result.hits, strict=True)
    ]
    fitting = without_bare_ids(rows, console.line_width) if console.format == "table" else rows
    console.show(replace(result, kind="rows", rows=fitting))
    if len(fitting[0]) < len(rows[0]):
        console.put_text(IDS_ELSEWHERE)
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


def _readable_row(hit: Hit, statement: nodes.Query) -> JsonObject:
    """A hit for people: both scores, and a title, or the payload where its fields were chosen."""
    row = {
        "id": hit.id,
        "first score": six_digits(hit.first_stage_score),
        "second score": six_digits(hit.second_stage_score),
    }
    if statement.payload is None:
        row["title"] = title_of(hit)
    else:
        fields = hit.payload or {}
        row |= {f"payload.{name}" if name in _OWN_COLUMNS else name: fields[name] for name in fields}
    return row if statement.vectors is None else {**row, "vector": hit.vector}
