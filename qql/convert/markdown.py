"""Markdown: the blocks of a page that hold requests."""

from __future__ import annotations

from collections.abc import Callable

from qql.late import late_pattern

__all__ = ["only_requests"]

_FENCE = late_pattern(r"[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w.+#-]*)")
_LANGUAGES = frozenset(
    {"", "http", "rest", "json", "json5", "jsonc", "bash", "sh", "shell", "zsh", "console", "curl", "text"}
)
"""What blocks with requests are called; `python` and the like are passed."""


def only_requests(text: str, begins: Callable[[str], bool]) -> str:
    """The text with blanks for all that is no request, so that every character stays where it is.

    A text with blocks between fences and prose around them is Markdown. Of its blocks those are taken that
    ``begins`` says begin with a request; if none does, all that may be JSON. Another text stays as it is,
    but for fences.
    """
    lines = text.splitlines(keepends=True)
    blocks, outside = _blocks(lines)
    if not blocks:
        return text
    if any(lines[i].strip() for i in outside):
        if begins("".join(lines[i] for i in outside)):
            return text
        found = [block for block in blocks if begins("".join(lines[i] for i in block))]
        blocks = found or blocks
    kept = {i for block in blocks for i in block}
    return "".join(line if i in kept else _blank(line) for i, line in enumerate(lines))


def _blocks(lines: list[str]) -> tuple[list[list[int]], list[int]]:
    """The numbers of the lines of each block in a language that may hold requests, and of those outside."""
    blocks: list[list[int]] = []
    outside: list[int] = []
    fence, taken = "", False
    for number, line in enumerate(lines):
        found = _FENCE.match(line)
        if fence:
            if found and found["fence"].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            elif taken:
                blocks[-1].append(number)
        elif found:
            fence, taken = found["fence"], found["language"].lower() in _LANGUAGES
            if taken:
                blocks.append([])
        else:
            outside.append(number)
    return blocks, outside


def _blank(line: str) -> str:
    return "".join(char if char in "\r\n" else " " for char in line)
