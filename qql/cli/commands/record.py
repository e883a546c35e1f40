"""`qql record`: what the stages of pipelines gave, kept in a file."""

from __future__ import annotations

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
from qql.cli.usage import INTERRUPTED, UsageError
from qql.errors import many
from qql.evaluation.recording.lines import check_name
from qql.evaluation.recording.recorder import record as record_stages
from qql.flows import Stopped

__all__ = ["record"]


def record(args: Arguments, console: Renderer) -> int:
    require(args, "queries", "output")
    path = args["output"]
    if "resume" in args and "overwrite" in args:
        raise UsageError.make("usage", "--resume keeps a file that --overwrite replaces")
    with options_named(args):
        check_name(path)
    queries = load_queries(args)
    try:
        with open_measured_session(args, console) as (session, progress):
            scripts = pipelines_of(args, session, pipeline_names(args["files"]))
            found = record_stages(
                scripts,
                queries,
                session,
                path,
                params=taken_by(scripts, constants_of(args)),
                progress=progress,
                **{name: args[name] for name in ("deep", "resume", "overwrite") if name in args},
            )
    except KeyboardInterrupt as stop:
        if isinstance(stop, Stopped):
            raise
        console.note(f"interrupted: what was asked stays in {path}; --resume goes on with it")
        return INTERRUPTED
    console.warn(found.notes)
    first = next(found.queries())
    stages = pluralize(len(first.stages), "stage")
    console.note(f"recorded {many(len(queries), 'query', 'queries')}, {stages} of each, in {path}")
    return 0
