"""`qql completion`: the script by which a shell completes the words of the command."""

from __future__ import annotations

from qql.cli.commands.options import Arguments
from qql.cli.render import Renderer
from qql.cli.usage import UsageError
from qql.errors import did_you_mean

__all__ = ["SHELLS", "completion"]

SHELLS = ("bash", "zsh", "fish")


def completion(args: Arguments, console: Renderer) -> int:
    shell = args.get("files") or ""
    if shell not in SHELLS:
        hint = did_you_mean(shell, SHELLS) or f"the shells are {', '.join(SHELLS)}"
        found = f"found {shell}" if shell else "found none"
        raise UsageError.make("usage", f"completion takes the name of a shell, {found}", hint=hint)
    from qql.cli.completion_scripts import completion_script

    console.put(completion_script(shell).rstrip("\n"))
    return 0
