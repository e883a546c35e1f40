"""Text to nodes, and nodes to text."""

from __future__ import annotations

from qql.late import late_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.syntax.parser import parse, parse_script, split

__all__ = ["parse", "parse_script", "split"]

_late = late_names(__name__, dict.fromkeys(__all__, "parser"))

if not TYPE_CHECKING:  # a type checker knows the names above, and says so of any other
    __getattr__ = _late
