"""`qql features`: what the stages of a pipeline say of each document, for learning to rank."""

from __future__ import annotations

from pathlib import Path

from qql.cli.commands.judgements import load_qrels
from qql.cli.commands.options import MODELS, TARGET, Arguments
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
from qql.cli.usage import UsageError, read_script
from qql.errors import many
from qql.evaluation.feature_files import feature_lines, require_format, written_features
from qql.evaluation.feature_rows import Asked, FeatureRows, asked_features
from qql.evaluation.recorded_features import RecordedRows
from qql.evaluation.recording import read_recording

__all__ = ["features"]


_OF_AN_ENGINE = (
    *(*TARGET, *MODELS, "collection", "read_only", "yes"),
    *("setup", "queries", "limit_queries", "doc_id", "fields"),
)
"""What has no meaning for a recording, which has its queries, and neither payloads nor an engine."""


def features(args: Arguments, console: Renderer) -> int:
    require(args, *(() if "recording" in args else ("queries",)))
    path, kind = _output(args)
    if "recording" in args:
        return _written(_recorded(args), args, console, path, kind)
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
            return _written(found, args, console, path, kind)


def _output(args: Arguments) -> tuple[str | None, str]:
    """The file, None for standard output, and the format. Raises `UsageError` and `InputError`."""
    for name, needed in (("overwrite", "output"), ("min_impressions", "qrels")):
        if name in args and needed not in args:
            raise UsageError.make("usage", f"{args.flag(name)} requires {args.flag(needed)}")
    path, kind = args.get("output"), args.get("format", "jsonl")
    with options_named(args):
        if path is not None:
            kind = require_format(path, args.get("format"))
        elif kind == "parquet":
            feature_lines(kind, (), ())
    return path, kind


def _recorded(args: Arguments) -> RecordedRows:
    for name in _OF_AN_ENGINE:
        if name in args:
            message = f"{args.flag(name)} has no meaning for a recording"
            raise UsageError.make("usage", message)
    with options_named(args):
        recording = read_recording(args["recording"])
        names = pipeline_names(args["files"])
        if len(names) > 1:
            message = f"features are those of one pipeline, and there are {len(names)}"
            raise UsageError.make("usage", message)
        qrels = load_qrels(args) if "qrels" in args else None
        [file] = names.values()
        return RecordedRows(recording, {Path(file).stem: read_script(file)}, qrels, constants_of(args))


def _written(
    found: FeatureRows | RecordedRows, args: Arguments, console: Renderer, path: str | None, kind: str
) -> int:
    if path is None:
        for line in feature_lines(kind, found.columns, found):
            console.put(line)
        console.warn(found.warnings())
        return 0
    made = written_features(found.columns, found, path, kind, "overwrite" in args)
    console.warn(found.warnings())
    count = sum(one.feature for one in made.columns)
    rows = f"{many(made.rows, 'document')} for {many(found.queries, 'query', 'queries')}"
    console.note(f"wrote {pluralize(count, 'feature')} of {rows} into {path}")
    return 0
