"""The scripts that a command works on, the values of their parameters, and what they are compiled with."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from qql.cli.commands.default_models import default_model, rerank_model_of
from qql.cli.commands.options import Arguments
from qql.cli.usage import ParamValues, UsageError, parse_value, read_script, script_file
from qql.errors import Source
from qql.records import dataclass, replace
from qql.session.script_files import ScriptFile, ScriptText, read_executed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql import nodes
    from qql.compiler.bind import Params
    from qql.compiler.context import CompileOptions as TextOptions
    from qql.compiler.plan import Context
    from qql.compiler.script import Files
    from qql.syntax.pieces import Pieces

__all__ = [
    "CompileOptions",
    "executed_files",
    "params_of",
    "refuse_directory",
    "scripts_of",
    "source_of",
    "sources_of",
]


def scripts_of(args: Arguments) -> list[Pieces]:
    """The scripts to work on, of any length, which raise `UsageError` while they are read. Raises it too."""
    files = _files_of(args)
    return [script_file(file) for file in files] if files else [ScriptText(_command_text(args))]


def sources_of(args: Arguments, *, requests: bool = False) -> list[Source]:
    """The texts to work on: scripts, or requests. Raises `UsageError`."""
    files = _files_of(args)
    if not files:
        return [_command_text(args)]
    return [
        Source(read_script(file, requests=requests), "<stdin>" if file == "-" else file) for file in files
    ]


def _files_of(args: Arguments) -> list[str]:
    """The files that are named; none where ``-c`` has the text. Raises `UsageError`."""
    files = args.get("files") or []
    files = [files] if isinstance(files, str) else files
    if ("text" in args) == bool(files):
        what = "either a file or -c TEXT, not both" if files else "a file, `-` for standard input, or -c TEXT"
        raise UsageError.make("usage", f"this command requires {what}")
    return files


def _command_text(args: Arguments) -> Source:
    try:
        args["text"].encode()
    except UnicodeEncodeError as exc:  # bytes of an argument that the locale cannot read
        raise UsageError.make("usage", "the text of -c is not UTF-8", hint="use a UTF-8 locale") from exc
    return Source(args["text"], "<command>")


def source_of(args: Arguments) -> Source:
    """The first text to work on. Raises `UsageError`."""
    return sources_of(args)[0]


def refuse_directory(file: str, command: str) -> None:
    """Raises `UsageError` for a directory, which a command does not look into."""
    from pathlib import Path

    if file != "-" and Path(file).is_dir():
        hint = f"name its scripts: qql {command} {file.rstrip('/')}/*.qql"
        raise UsageError.make("file-unreadable", f"{file} is a directory", hint=hint)


def params_of(args: Arguments) -> ParamValues:
    """The values of ``--param``: by name, or a list for ``?``. Raises `UsageError` for a mixture."""
    values = {name: parse_value(text) for name, text in args.get("param", {}).items()}
    numbers = {int(name): value for name, value in values.items() if re.fullmatch("[0-9]{1,9}", name)}
    if not numbers:
        return values
    if len(numbers) != len(values) or sorted(numbers) != list(range(1, len(values) + 1)):
        raise UsageError.make(
            "usage", "--param requires either names, or the numbers 1, 2, … without a gap for `?`"
        )
    return [numbers[at] for at in sorted(numbers)]


def executed_files(args: Arguments) -> Files:
    """What reads the files that EXECUTE names: with ``--safe``, only those that ``--allow`` lets it reach.

    Raises `UsageError` for an ``--allow`` that has no use.
    """
    if not args.get("safe"):
        if "allow" in args and not ({"db", "url", "profile"} & args.keys()):
            raise UsageError.make("usage", "--allow goes with --safe here: no model is called")
        return read_executed
    from qql.allowed import parse_allowed
    from qql.session.external import External

    external = External(parse_allowed(args.get("allow", ())), safe=True)

    def read(statement: nodes.Execute) -> ScriptFile:
        external.require_path(statement)
        return read_executed(statement)

    return read


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """What `qql compile`, `explain`, `check` and `lint` compile a script with."""

    params: Params
    collection: str | None
    models: Mapping[str, str] | None
    rerank_model: str | None

    @classmethod
    def of(cls, args: Arguments) -> CompileOptions:
        """What the command line says. Raises `UsageError`."""
        return cls(params_of(args) or None, args.get("collection"), args.get("model"), rerank_model_of(args))

    def named(self, name: str) -> TextOptions:
        """The options of `qql.compile` for a text that messages call so."""
        found: TextOptions = {"collection": self.collection, "models": self.models, "name": name}
        found["rerank_model"] = self.rerank_model
        return {**found, "default_model": default_model()} if os.environ.get("QQL_MODEL") else found

    def context(self) -> Context:
        """What is known before a script, without a database."""
        from qql.compiler.context import make_context

        made = make_context(self.collection, models=self.models)
        return replace(made, default_model=default_model(), reranker=self.rerank_model)
