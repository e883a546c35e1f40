"""`qql features`: what the stages of a pipeline say of each document, for learning to rank."""

from __future__ import annotations

from qql.cli.commands.judgements import load_qrels
from qql.cli.commands.options import Arguments
from qql.cli.commands.output import pluralize
from qql.cli.commands.pipelines import (
    constants_of,
    load_queries,
    open_measured_session,
    options_named,
    pipeline_names,
    pipelines_of,
    require,
    taken_by,
)
from qql.cli.render import Renderer
from qql.cli.usage import UsageError
from qql.errors import many
from qql.evaluation.feature_files import feature_lines, require_format, written_features
from qql.evaluation.feature_rows import Asked, asked_features

__all__ = ["features"]


def features(args: Arguments, console: Renderer) -> int:
    require(args, "queries")
    path, kind = args.get("output"), args.get("format", "jsonl")
    for name, needed in (("overwrite", "output"), ("min_impressions", "qrels")):
        if name in args and needed not in args:
            raise UsageError.make("usage", f"{args.flag(name)} requires {args.flag(needed)}")
    with options_named(args):
        if path is not None:
            kind = require_format(path, args.get("format"))
        elif kind == "parquet":
            feature_lines(kind, (), ())
    queries = load_queries(args)
    qrels = load_qrels(args, queries) if "qrels" in args else None
    with open_measured_session(args, console) as (session, progress):
        scripts = pipelines_of(args, session, pipeline_names(args["files"]))
        if len(scripts) > 1:
            message = f"features are those of one pipeline, and there are {len(scripts)}"
            raise UsageError.make("usage", message)
        [pipeline] = scripts.values()
        params = taken_by(scripts, constants_of(args))
        fields, doc_id = tuple(args.get("fields", ())), args.get("doc_id")
        asked = Asked(queries, qrels, fields, doc_id, params, progress=progress)
        with asked_features(pipeline, asked, session, {}) as found:
            if path is None:
                for line in feature_lines(kind, found.columns, found):
                    console.put(line)
                console.warn(found.warnings())
                return 0
            made = written_features(found.columns, found, path, kind, "overwrite" in args)
            console.warn(found.warnings())
    count = sum(one.feature for one in made.columns)
    rows = f"{many(made.rows, 'document')} for {many(len(queries), 'query', 'queries')}"
    console.note(f"wrote {pluralize(count, 'feature')} of {rows} into {path}")
    return 0
