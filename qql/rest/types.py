"""Names for what JSON holds. Each key has a type of its own, so values are checked where they are read."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = Any
    """None, a bool, a number, a text, or a list or an object of these."""
else:
    Json = object

__all__ = ["Body", "Json", "JsonObject"]

JsonObject = dict[str, "Any"]
"""An object that its holder may change: the body of a request under construction, a payload."""
Body = Mapping[str, "Any"]
"""An object that is only read: the body of a request, an answer, a part of one."""
