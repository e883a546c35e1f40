"""`--embedder` and `--reranker`: functions of modules of the user as models.

They are named on the command line alone: no text of a script and no profile can have a module loaded. A
module is looked for as `python -m` does: in the current directory first (unless PYTHONSAFEPATH is set), then
among those that are installed for the Python that runs qql.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from qql.cli.commands.options import FUNCTIONS, OPTIONS, Arguments
from qql.cli.usage import UsageError
from qql.errors import QQLError, QQLModelError, did_you_mean
from qql.models import is_async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
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
        module_name, _, path = where.partition(":")
        module = _module(module_name, flag)
        found = _attribute(module, path, flag)
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
            file = getattr(module, "__file__", None) or module_name
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
                raise QQLModelError.make("model-failed", f"model `{name}` failed: {_told(exc)}") from exc

        return call


def _module(name: str, flag: str) -> ModuleType:
    """The module of this name. What it prints while it is loaded is no result. Raises `UsageError`."""
    _look_here()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except (Exception, SystemExit) as exc:
        missing = exc.name if isinstance(exc, ModuleNotFoundError) else None
        if missing is None or not f"{name}.".startswith(f"{missing}."):
            message = f"{flag}: the module {name} cannot be loaded: {_told(exc)}"
            raise UsageError.make("module-failed", message) from exc
        known = [path.stem for path in Path().glob("*.py")]
        hint = did_you_mean(missing, known) or (
            "it is looked for in the current directory, and where the Python that runs qql has its modules"
        )
        raise UsageError.make("unknown-module", f"{flag}: there is no module {missing}", hint=hint) from exc


def _look_here() -> None:
    """Has modules be found in the current directory, as `python -m` does."""
    if sys.flags.safe_path:
        return
    with contextlib.suppress(OSError):  # the directory is gone
        here = os.getcwd()  # noqa: PTH109 - as Python writes it there
        if sys.path[:1] not in ([""], [here]):
            sys.path.insert(0, here)


def _attribute(module: ModuleType, path: str, flag: str) -> Any:
    """What stands at a path in a module. Raises `UsageError`."""
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            names = [one for one in dir(found) if callable(getattr(found, one, None))]
            hint = did_you_mean(name, names)
            message = f"{flag}: {module.__name__} has no {path}"
            raise UsageError.make("unknown-function", message, hint=hint) from None
    return found


def _told(exc: BaseException) -> str:
    """An exception of a user's code: its kind, its words, and the line that it comes from."""
    if isinstance(exc, SyntaxError):
        place = exc.filename, exc.lineno
    else:
        place = None, None
        step = exc.__traceback__
        while step is not None:
            file = step.tb_frame.f_code.co_filename
            if file != __file__ and not file.startswith("<frozen"):
                place = file, step.tb_lineno
            step = step.tb_next
    words = exc.msg if isinstance(exc, SyntaxError) else str(exc)
    where = "" if place[0] is None else f" ({place[0]}, line {place[1]})"
    return f"{type(exc).__name__}{': ' if words else ''}{words}{where}"
