"""The pipelines that `qql diff`, `eval`, `bench` and `tune` measure, and the queries that they run."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qql.backends.base import Progress
from qql.cli.access import require_consent
from qql.cli.commands.connection import MEMORY, open_session, target_of
from qql.cli.commands.options import Arguments
from qql.cli.commands.scripts import params_of
from qql.cli.render import ProgressBar, Renderer
from qql.cli.usage import UsageError, read_script
from qql.errors import Source
from qql.evaluation.calls import check_pipelines
from qql.evaluation.faults import spelled
from qql.evaluation.files import Query, read_queries
from qql.evaluation.pipelines import Pipeline
from qql.rest.types import JsonObject
from qql.session.script_files import ScriptText

if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = [
    "constants_of",
    "load_queries",
    "open_measured_session",
    "options_named",
    "pipeline_names",
    "pipelines_of",
    "require",
    "taken_by",
]

_OPTION_OF = {
    "params": "param",
    "models": "model",
    "path": "output",
    "measure": "measures",
    "judgements": "qrels",
}
"""Arguments of `qql.evaluation` whose option has another name."""


@contextlib.contextmanager
def options_named(args: Arguments) -> Iterator[None]:
    """Has the errors of `qql.evaluation` call its arguments by the options of the command."""

    def spelling(name: str, value: object) -> str:
        flag = args.flag(_OPTION_OF.get(name, name))
        if isinstance(value, Mapping):
            return " ".join(f"{flag} {_pair(key, one)}" for key, one in value.items())
        return flag if value is None else f"{flag} {value}"

    with spelled(spelling):
        yield


def _pair(name: str, value: object) -> str:
    if isinstance(value, list):
        return f"{name}={','.join(map(str, value))}"
    return shlex.quote(f"{name}={value}")


def require(args: Arguments, *names: str) -> None:
    """Raises `UsageError` where an option or the pipelines are missing."""
    if not args.get("files"):
        raise UsageError.make("usage", "this command requires a pipeline: a file with one QUERY")
    for name in names:
        if name not in args:
            raise UsageError.make("usage", f"this command requires {args.flag(name)}")


def pipeline_names(files: Sequence[str]) -> dict[str, str]:
    """Names to show for files, each with its file: what a file is called, its whole path where two agree."""
    stems = ["stdin" if file == "-" else Path(file.removesuffix(".gz")).stem or file for file in files]
    names = [file if stems.count(stem) > 1 else stem for file, stem in zip(files, stems, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise UsageError.make("usage", f"{name} is named twice")
    return dict(zip(names, files, strict=True))


def constants_of(args: Arguments) -> JsonObject:
    """The parameters of ``--param``, which are the same for every query."""
    values = params_of(args)
    if isinstance(values, list):
        raise UsageError.make("usage", "a pipeline's parameters have names", hint="--param NAME=VALUE")
    return values


@contextlib.contextmanager
def open_measured_session(args: Arguments, console: Renderer) -> Iterator[tuple[Session, Progress]]:
    """A session on the database that is measured, after ``--setup``, and what is called with progress."""
    target = target_of(args)
    if target == MEMORY and "setup" not in args:
        hint = "--db DIR or --url URL names one; --setup FILE is a script that fills one in memory"
        raise UsageError.make("usage", "there is no database to measure", hint=hint)
    bars = ProgressBar(sys.stderr, color=console.err_color)
    shown = args.get("progress", sys.stderr.isatty())
    session = open_session(args, target, bars if shown else None, advice=False)
    try:
        if "setup" in args:
            script = Pipeline(session, read_script(args["setup"]), args["setup"])
            params = script.taken(constants_of(args))
            text = ScriptText(Source(script.text, script.name))
            require_consent(session, text, params or None, args.get("profile"), yes="yes" in args)
            for result in session.stream(script.text, params or None, name=script.name):
                console.warn(result.warnings)
            bars.clear()
        with options_named(args):
            yield session, bars if shown else _no_progress
    finally:
        bars.clear()
        session.close()


def _no_progress(what: str, done: int, total: int | None) -> None:
    """Shows no progress."""


def pipelines_of(
    args: Arguments, session: Session, files: Mapping[str, str], varied: Sequence[str] = ()
) -> dict[str, Pipeline]:
    """The pipelines by their names; ``varied`` are parameters whose values come from a grid.

    Raises `QQLCompileError` for a script that is no pipeline, and `UsageError` for ``?`` and for a
    ``--param`` that neither a pipeline nor ``--setup`` has.
    """
    pipelines = {
        name: Pipeline(session, read_script(file), "<stdin>" if file == "-" else file)
        for name, file in files.items()
    }
    constants = constants_of(args)
    used = {*varied}
    if "setup" in args:
        used |= Pipeline(session, read_script(args["setup"])).taken(constants).keys()
    check_pipelines([*pipelines.values()], constants, used)
    return pipelines


def taken_by(pipelines: Mapping[str, Pipeline], constants: JsonObject) -> JsonObject:
    """Those of the constants that are parameters of a pipeline, and not of ``--setup`` alone."""
    return {name: value for one in pipelines.values() for name, value in one.taken(constants).items()}


# ------------------------------------------------------------------------------------------- queries


def load_queries(args: Arguments) -> list[Query]:
    """The queries of ``--queries``, at most ``--limit-queries`` of them."""
    return read_queries(args["queries"])[: args.get("limit_queries")]
