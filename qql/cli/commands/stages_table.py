"""`qql bench --stages-table`: what each stage of a retrieval costs and finds in a collection."""

from __future__ import annotations

from qql.cli.commands.default_models import rerank_model_of
from qql.cli.commands.judgements import load_qrels, measures_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.pipelines import constants_of, load_queries, open_measured_session
from qql.cli.commands.report import check_output, show_report
from qql.cli.render import Renderer
from qql.cli.usage import UsageError
from qql.evaluation.collection_stages import QUALITY, bench_stages

__all__ = ["stages_table"]

_NOT_WITH = ("seconds", "concurrency", "recall")
_PASSED = ("using", "rerank_field", "doc_id", "repeat", "warmup")
"""Options that are arguments of `bench_stages` under the same names."""


def stages_table(args: Arguments, console: Renderer) -> int:
    """Measures the configurations that a collection has all for, and shows what the others lack."""
    _check(args)
    measures = measures_of(args) if "measures" in args else QUALITY
    queries = load_queries(args) if "queries" in args else None
    qrels = load_qrels(args, queries or ()) if "qrels" in args else None
    check_output(args)
    with open_measured_session(args, console) as (session, progress):
        if constants_of(args) and "setup" not in args:
            message = "--param has no use here: the pipelines have no parameters of yours"
            raise UsageError.make("usage", message)
        found = bench_stages(
            session,
            args.get("collection"),
            queries=queries,
            qrels=qrels,
            measures=measures,
            models=args.get("model"),
            rerank_model=rerank_model_of(args),
            progress=progress,
            **{name: args[name] for name in _PASSED if name in args},
        )
    show_report(args, console, found.sections(), found.to_dict(), found.rows())
    console.warn(found.notes)
    return 0


def _check(args: Arguments) -> None:
    if args.get("files"):
        hint = "without --stages-table, a pipeline is measured as it stands"
        raise UsageError.make("usage", "--stages-table makes its own pipelines, and takes none", hint=hint)
    for name in _NOT_WITH:
        if name in args:
            message = f"{args.flag('stages_table')} and {args.flag(name)} exclude each other"
            raise UsageError.make("usage", message)
    for name in ("qrels", "measures"):
        if name in args and not {"queries", "qrels"} <= args.keys():
            lacking = "queries" if "queries" not in args else "qrels"
            raise UsageError.make("usage", f"{args.flag(name)} requires {args.flag(lacking)}")
