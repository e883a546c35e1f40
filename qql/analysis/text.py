"""Text for people: words in a list, counted things, numbers of few digits, lines that wrap, trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qql.advice.view import as_name, joined
from qql.records import dataclass

__all__ = [
    "Branch",
    "as_name",
    "counted",
    "digits",
    "joined",
    "one_line",
    "plural",
    "shortened",
    "tree_lines",
    "wrapped",
]

_NARROWEST = 50  # columns of a text in a tree


def plural(count: int, word: str, words: str | None = None) -> str:
    """The word that fits the count: ``stage`` or ``stages``."""
    return word if count == 1 else words or word + "s"


def counted(count: int, word: str, words: str | None = None) -> str:
    """``1 stage``, ``1,000 stages``."""
    return f"{count:,} {plural(count, word, words)}"


def digits(value: float, count: int) -> str:
    """A number with so many significant digits."""
    return f"{value:.{count}g}"


def one_line(text: str) -> str:
    """A text that stays one line, whatever names are in it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def wrapped(lines: Iterable[str], width: int | None) -> list[str]:
    """Lines of which the long ones go on, indented, in the next; None leaves all as they are."""
    if width is None:
        return list(lines)
    out = []
    for line in lines:
        if len(line) <= width:
            out.append(line)
            continue
        from textwrap import wrap  # which few texts need

        indent = " " * (len(line) - len(line.lstrip()) + 4)
        out += wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)
    return out


@dataclass(frozen=True, slots=True)
class Branch:
    """A stage of a tree: its title, the lines below it, and the stages that feed it."""

    title: str
    details: tuple[str, ...] = ()
    inputs: tuple[Branch, ...] = ()


def tree_lines(branch: Branch, lead: str = "", below: str = "", *, width: int | None = None) -> Iterator[str]:
    """A tree drawn with lines, the root first.

    What is longer than ``width`` goes on in the next line, though a deep tree leaves 50 columns to each text.
    """
    bar = below + ("│   " if branch.inputs else "    ")
    room = None if width is None else max(width - len(bar), _NARROWEST)
    title, *more = wrapped([one_line(branch.title)], room)
    yield lead + title
    yield from (bar + line for line in (*more, *wrapped(map(one_line, branch.details), room)))
    for number, one in enumerate(branch.inputs, 1):
        last = number == len(branch.inputs)
        lead, inner = ("└── ", "    ") if last else ("├── ", "│   ")
        yield from tree_lines(one, below + lead, below + inner, width=width)
