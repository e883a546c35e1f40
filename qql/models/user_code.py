"""Code of the user that is named ``module:function``.

A module is looked for as `python -m` does: in the current directory first (unless PYTHONSAFEPATH is set),
then among those that are installed for the Python that runs QQL. To load it runs its code.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path

from qql.errors import did_you_mean
from qql.late import late_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

__all__ = ["CannotLoad", "is_function_name", "load_named", "told_of"]

_NAME = late_pattern(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")


class CannotLoad(Exception):
    """Why there is no such function: ``unknown-module``, ``module-failed`` or ``unknown-function``."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code: str = code
        self.hint: str | None = hint


def is_function_name(text: str) -> bool:
    """Whether a text has the form ``module:function``."""
    return _NAME.fullmatch(text) is not None


def load_named(name: str) -> tuple[ModuleType, Any]:
    """The module, and what stands at the path in it, of ``module:path``. Raises `CannotLoad`."""
    module_name, _, path = name.partition(":")
    module = _module(module_name)
    return module, _attribute(module, path)


def _module(name: str) -> ModuleType:
    """The module of this name. What it prints while it is loaded is no result."""
    _look_here()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except (Exception, SystemExit) as exc:
        missing = exc.name if isinstance(exc, ModuleNotFoundError) else None
        if missing is None or not f"{name}.".startswith(f"{missing}."):
            message = f"the module {name} cannot be loaded: {told_of(exc, __file__)}"
            raise CannotLoad("module-failed", message) from exc
        known = [path.stem for path in Path().glob("*.py")]
        hint = did_you_mean(missing, known) or (
            "it is looked for in the current directory, and where the Python that runs qql has its modules"
        )
        raise CannotLoad("unknown-module", f"there is no module {missing}", hint) from exc


def _look_here() -> None:
    """Has modules be found in the current directory, as `python -m` does."""
    if sys.flags.safe_path:
        return
    with contextlib.suppress(OSError):  # the directory is gone
        here = os.getcwd()  # noqa: PTH109 - as Python writes it there
        if sys.path[:1] not in ([""], [here]):
            sys.path.insert(0, here)


def _attribute(module: ModuleType, path: str) -> Any:
    """What stands at a path in a module."""
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            names = [one for one in dir(found) if callable(getattr(found, one, None))]
            message = f"{module.__name__} has no {path}"
            raise CannotLoad("unknown-function", message, did_you_mean(name, names)) from None
    return found


def told_of(exc: BaseException, own: str) -> str:
    """An exception of a user's code: its kind, its words, and the line that it comes from, which is none of
    the file ``own``.
    """
    if isinstance(exc, SyntaxError):
        place = exc.filename, exc.lineno
    else:
        place = None, None
        step = exc.__traceback__
        while step is not None:
            file = step.tb_frame.f_code.co_filename
            if file != own and not file.startswith("<frozen"):
                place = file, step.tb_lineno
            step = step.tb_next
    words = exc.msg if isinstance(exc, SyntaxError) else str(exc)
    where = "" if place[0] is None else f" ({place[0]}, line {place[1]})"
    return f"{type(exc).__name__}{': ' if words else ''}{words}{where}"
