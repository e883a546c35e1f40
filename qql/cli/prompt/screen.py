"""What the prompt shows beside the text: colours, marks of open brackets, faults, and the line below."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qql.cli.prompt.typed import bracket_pair, marks
from qql.cli.render import sanitize
from qql.cli.render.wrapping import text_width

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.layout.processors import Processor
    from prompt_toolkit.styles import BaseStyle

    from qql.cli.prompt.problem import Problem

__all__ = ["STYLES", "columns", "continuation", "processors", "resting", "short_target", "style", "toolbar"]

STYLES = {
    "pygments.keyword": "bold",
    "pygments.literal.string": "ansigreen",
    "pygments.literal.number": "ansimagenta",
    "pygments.comment": "ansibrightblack italic",
    "pygments.name.function": "ansicyan",
    "pygments.name.attribute": "ansibrightblue",
    "pygments.name.label": "ansicyan italic",
    "pygments.name.variable": "ansibrightred",
    "pygments.literal": "ansimagenta",
    "problem": "underline ansired",
    "bracket": "bold underline",
    "prompt-continuation": "ansibrightblack",
    "bottom-toolbar": "noreverse ansibrightblack",
    "bottom-toolbar.message": "ansired",
    "bottom-toolbar.hint": "",
}
"""The looks of what is typed. The colours have names: a terminal makes them to be read on its own ground."""

_KEYS = "Alt-Enter runs or goes on · F4 {} · F6 layout · Ctrl-X Ctrl-E editor"


def style() -> BaseStyle:
    from prompt_toolkit.styles import Style

    return Style.from_dict(STYLES)


_TARGET_WIDTH = 32


def short_target(target: str, width: int) -> str:
    """A target as the prompt shows it: its end, where it is long. Half of ``width`` is left to type in."""
    room = max(1, min(_TARGET_WIDTH, width // 2 - len("> ")))
    shown = sanitize(target)
    if text_width(shown) <= room:
        return shown
    while text_width(shown) > room - 1:
        shown = shown[1:]
    return "…" + shown


def continuation(width: int, text: str, line: int, wrapped: int) -> str:
    """What stands in front of a line that goes on: what is open there, as in ``'> ``, ``(> ``, ``-> ``."""
    if wrapped:
        return " " * width
    found = marks(text)
    mark = found[line] if line < len(found) else "-"
    return f"{mark}> ".rjust(width)[-max(width, 3) :]


def toolbar(problem: Problem | None, resting: str, width: int) -> StyleAndTextTuples:
    """The line below: what is wrong at the cursor's statement, and what to write instead; else ``resting``.

    What does not fit is cut at the end, the message before the hint.
    """
    if problem is None:
        return [("", _cut(resting, width))]
    message = sanitize(problem.message)
    if not problem.hint:
        return [("class:bottom-toolbar.message", _cut(message, width))]
    hint = sanitize(problem.hint)
    if len(message) + len(hint) + 2 > width:  # the hint on a line of its own: it is what helps
        gap, room = "\n", width
    else:
        gap, room = "; ", width - len(message) - 2
    return [
        ("class:bottom-toolbar.message", _cut(message, width)),
        ("class:bottom-toolbar.hint", gap + _cut(hint, room)),
    ]


def resting(app: Application[str]) -> str:
    """What the line below says where nothing is wrong."""
    from prompt_toolkit.enums import EditingMode

    if app.editing_mode is not EditingMode.VI:
        return _KEYS.format("vi")
    mode = app.vi_state.input_mode.value.removeprefix("vi-")
    return f"vi {mode} · {_KEYS.format('emacs')}"


def columns(app: Application[str]) -> int:
    """How wide the terminal is."""
    return app.output.get_size().columns


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def processors(problem: Callable[[], Problem | None]) -> list[Processor]:
    """Draws a line below the place of a fault, and shows which brackets belong together."""
    from prompt_toolkit.application import get_app
    from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
    from prompt_toolkit.layout.utils import explode_text_fragments

    class Marked(Processor):
        """Adds looks to some characters of a line."""

        def apply_transformation(self, given: TransformationInput) -> Transformation:
            document = given.document
            if get_app().is_done:
                return Transformation(given.fragments)
            begin = document.translate_row_col_to_index(given.lineno, 0)
            fragments = explode_text_fragments(given.fragments)
            for start, end, look in _marked(document.text, document.cursor_position, problem()):
                for at in range(max(0, start - begin), min(len(fragments), end - begin)):
                    fragments[at] = (f"{fragments[at][0]} class:{look} ", fragments[at][1])
            return Transformation(fragments)

    return [Marked()]


def _marked(text: str, cursor: int, problem: Problem | None) -> list[tuple[int, int, str]]:
    """From where to where what look is added."""
    found = [] if problem is None else [(problem.start, problem.end, "problem")]
    return found + [(at, at + 1, "bracket") for at in bracket_pair(text, cursor)]
