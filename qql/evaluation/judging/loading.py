"""Functions that are named ``module:function``: code of the user, which is run."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from qql.evaluation.faults import InputError
from qql.late import late_pattern

__all__ = ["is_function_name", "load_function"]

_NAME = late_pattern(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", re.ASCII)


def is_function_name(text: str) -> bool:
    """Whether a text has the form ``module:function``."""
    return _NAME.fullmatch(text) is not None


def load_function(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names, of what is installed, and else of the working directory.

    To load it runs the code of the module. Raises `InputError` ``bad-function``.
    """
    module_name, _, path = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # at its end: no file there stands in the place of a library
    try:
        found: Any = import_module(module_name)
    except Exception as exc:
        what = f"{type(exc).__name__}: {exc}"
        hint = None
        if isinstance(exc, ModuleNotFoundError) and exc.name == module_name.partition(".")[0]:
            what, hint = "there is no such module", f"{module_name}.py in this directory, or PYTHONPATH"
        raise InputError.make("bad-function", f"cannot load {name}: {what}", hint=hint) from exc
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        message = f"cannot load {name}: {module_name} has no function {path}"
        raise InputError.make("bad-function", message)
    loaded: Callable[..., Any] = found
    return loaded
