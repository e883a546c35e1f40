"""Results and errors as text: a table for people, exact formats for programs.

A payload is somebody else's text. Before it reaches a terminal `sanitize` makes everything visible in it that
could drive the terminal, reorder a line or change its width. Rich gives widths only, so its markup
is never read, and a table of 10,000 rows takes 0.3 s.
"""

from __future__ import annotations

from qql.late import late_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.render.diagnostics import render_diagnostics, render_error
    from qql.cli.render.formats import FORMATS
    from qql.cli.render.progress import ProgressBar
    from qql.cli.render.renderer import FOR_PEOPLE, Renderer, render
    from qql.cli.render.terminal import json_text, sanitize, wants_color
    from qql.cli.render.wrapping import text_width

__all__ = [
    "FORMATS",
    "FOR_PEOPLE",
    "ProgressBar",
    "Renderer",
    "json_text",
    "render",
    "render_diagnostics",
    "render_error",
    "sanitize",
    "text_width",
    "wants_color",
]

_late = late_names(
    __name__,
    {
        "render_diagnostics": "diagnostics",
        "render_error": "diagnostics",
        "FORMATS": "formats",
        "ProgressBar": "progress",
        "FOR_PEOPLE": "renderer",
        "Renderer": "renderer",
        "render": "renderer",
        "json_text": "terminal",
        "sanitize": "terminal",
        "wants_color": "terminal",
        "text_width": "wrapping",
    },
)

if not TYPE_CHECKING:  # a type checker knows the names above, and says so of any other
    __getattr__ = _late
