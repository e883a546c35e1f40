"""`qql dump` and `qql restore`: a collection into a file, and out of one."""

from __future__ import annotations

import sys

from qql.cli.commands.options import Arguments
from qql.cli.commands.run import open_shell
from qql.cli.render import Renderer
from qql.cli.usage import UsageError, script_file
from qql.errors import Source
from qql.session.script_files import ScriptText

__all__ = ["dump", "restore"]


def dump(args: Arguments, console: Renderer) -> int:
    collection, path = _collection_and_file(args)
    if path == "-":
        return _to_standard_output(collection, args, console)
    with open_shell(args, console) as shell:
        shell.run(_statement(collection, path, overwrite=args.get("overwrite", False)))
    return 0


def restore(args: Arguments, console: Renderer) -> int:
    file, *more = args.get("files") or [""]
    if not file or more:
        raise UsageError.make("usage", "restore requires one file, as `qql dump` has written it")
    with open_shell(args, console) as shell:
        shell.run(script_file(file))
    return 0


def _collection_and_file(args: Arguments) -> tuple[str, str]:
    files = args.get("files") or []
    if len(files) != 2:
        hint = "qql dump docs docs.qql.gz --db ./data"
        raise UsageError.make("usage", "dump requires a collection and a file, or `-`", hint=hint)
    return files[0], files[1]


def _statement(collection: str, path: str, *, overwrite: bool) -> ScriptText:
    from qql.nodes import Dump, Name, Scalar
    from qql.syntax.printer import show

    return ScriptText(Source(f"{show(Dump(Name(collection), Scalar(path), overwrite))};", "<command>"))


def _to_standard_output(collection: str, args: Arguments, console: Renderer) -> int:
    """The whole script, or nothing: it is written to a file first."""
    import shutil
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder, open_shell(args, console) as shell:
        file = Path(folder) / "dump.qql"
        (compiled,) = shell.session.checked(_statement(collection, str(file), overwrite=False)).statements()
        result = shell.session.carry_out(compiled)
        console.err = console.err or sys.stderr
        console.warn(result.warnings)
        with file.open("rb") as whole:
            sys.stdout.flush()
            shutil.copyfileobj(whole, sys.stdout.buffer)
    return 0
