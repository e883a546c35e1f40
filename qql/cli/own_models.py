"""`--embedder` and `--reranker`: functions of modules of the user as models.

They are named on the command line alone: no text of a script and no profile can have a module loaded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from qql.cli.commands.options import FUNCTIONS, OPTIONS, Arguments
from qql.cli.usage import UsageError
from qql.errors import QQLError, QQLModelError
from qql.models import is_async
from qql.models.user_code import CannotLoad, load_named, told_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.cli.render import Renderer

__all__ = ["with_own_models"]

_METHODS = {"embedder": "embed", "reranker": "score"}
"""The method by which an object is a model, where it is no function."""


def with_own_models(args: Arguments, console: Renderer, run: Callable[[Arguments], int]) -> int:
    """Runs a command with the functions that its options name, and gives its exit code.

    What runs code is told, and what was not called. Raises `UsageError` (``unknown-module``,
    ``module-failed``, ``unknown-function``, ``no-function``, ``async-model``), and what ``run`` raises.
    """
    own = _OwnModels(console)
    code = run(own.bound(args))
    if code == 0 and not console.interactive:
        own.tell_idle()
    return code


class _OwnModels:
    """The functions of one command."""

    def __init__(self, console: Renderer) -> None:
        self._console = console
        self._told: set[str] = set()
        self._calls: dict[str, int] = {}
        """How often each function was called, by its option as it was written."""

    def bound(self, args: Arguments) -> Arguments:
        """The arguments with the functions in the place of their names; those without a NAME are the models
        of dense vectors that have none, and of a RERANK that names none, unless options say otherwise.
        """
        found = Arguments(args)
        for option in FUNCTIONS:
            written: dict[str, str] = args.get(option, {})
            if written:
                found[option] = {name: self._loaded(name, where, option) for name, where in written.items()}
            for name, where in written.items():
                if name == where and option == "embedder":
                    found["model"] = {"*": name, **args.get("model", {})}
                elif name == where:
                    found.setdefault("rerank_model", name)
        return found

    def tell_idle(self) -> None:
        """Says which functions no statement has come by."""
        for written, calls in self._calls.items():
            if not calls:
                self._console.note(f"note: {written} was not called: nothing had a text for its model")

    def _loaded(self, name: str, where: str, option: str) -> Any:
        flag = OPTIONS[option].flags[-1]
        path = where.partition(":")[2]
        try:
            module, found = load_named(where)
        except CannotLoad as exc:
            raise UsageError.make(exc.code, f"{flag}: {exc}", hint=exc.hint) from exc.__cause__
        method = _METHODS[option]
        if isinstance(found, type) or not (callable(found) or hasattr(found, method)):
            what = f"the class {path}" if isinstance(found, type) else f"of type {type(found).__name__}"
            message = f"{flag} requires a function, and {where} is {what}"
            hint = f"an object with a method `{method}` does, too"
            raise UsageError.make("no-function", message, hint=hint)
        if is_async(getattr(found, method, found)):
            message = f"{flag} requires a plain function, and {where} is async: nothing awaits it here"
            raise UsageError.make("async-model", message, hint="`asyncio.run(…)` inside a plain one")
        if where not in self._told:
            self._told.add(where)
            file = getattr(module, "__file__", None) or module.__name__
            self._console.note(f"note: {flag} {where} runs the code of {file}")
        return found if hasattr(found, method) else self._counted(found, name, f"{flag} {where}")

    def _counted(self, function: Callable[..., object], name: str, written: str) -> Callable[..., object]:
        """The function; what it raises has the line in it, and an end of the process is a failure, too."""
        self._calls[written] = 0

        @functools.wraps(function, updated=())
        def call(*given: object) -> object:
            self._calls[written] += 1
            try:
                return function(*given)
            except QQLError:
                raise
            except (Exception, SystemExit) as exc:
                raise QQLModelError.make(
                    "model-failed", f"model `{name}` failed: {told_of(exc, __file__)}"
                ) from exc

        return call
