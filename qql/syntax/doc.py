"""Documents that know how to break: text within a width, after Wadler's "A prettier printer" (2003).

Nothing here calls itself, so a document may nest as deep as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from qql.errors import Span
from qql.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

__all__ = [
    "HARD",
    "LINE",
    "SOFT",
    "Anchor",
    "Comment",
    "Doc",
    "Later",
    "anchors",
    "cat",
    "first_anchor",
    "group",
    "join",
    "nest",
    "render",
    "render_flat",
]


@dataclass(frozen=True, slots=True)
class _Line:
    """A new line, or ``flat`` where its group fits on one line; with a ``hard`` one, it never does."""

    flat: str
    hard: bool = False


@dataclass(frozen=True, slots=True)
class _Cat:
    parts: tuple[Doc, ...]


@dataclass(frozen=True, slots=True)
class _Nest:
    by: int
    doc: Doc


@dataclass(frozen=True, slots=True)
class _Group:
    """On one line if it fits, and else with every line of its own broken."""

    doc: Doc


@dataclass(frozen=True, slots=True)
class Anchor:
    """What was written at a place of the text; comments hold on to it.

    ``bracketed``: the span is that of what stands in brackets that belong to it; ``bare``: and it is no more
    than a list in brackets. ``of`` is the value itself where it knows no place of its own (a row of VALUES).
    """

    span: Span
    doc: Doc
    bracketed: bool = False
    bare: bool = False
    of: Any = None


class Later:
    """A document that is made when it is needed: ``make(*args)``, once."""

    __slots__ = ("_args", "_doc", "_make")

    def __init__(self, make: Callable[..., Doc], *args: Any) -> None:
        self._make = make
        self._args = args
        self._doc: Doc | None = None

    def doc(self) -> Doc:
        """The document itself."""
        if self._doc is None:
            self._doc = self._make(*self._args)
        return self._doc


@dataclass(frozen=True, slots=True)
class _Trail:
    """Comments for the end of the line at hand."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Behind:
    """A comment for the place before the next closing bracket."""

    text: str


Doc = str | _Line | _Cat | _Nest | _Group | Anchor | Later | _Trail | _Behind
LINE = _Line(" ")
SOFT = _Line("")
HARD = _Line("", hard=True)


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as it was written.

    ``place`` is "own" (a line of its own), "trailing" (behind something, at the end of a line), "inline"
    (before something on the same line) or "behind" (the last before a closing bracket on the same line).
    """

    text: str
    span: Span
    place: Literal["own", "trailing", "inline", "behind"]


def cat(*parts: Doc) -> Doc:
    """The parts one behind the other."""
    return _Cat(parts)


def nest(*parts: Doc) -> Doc:
    """The parts, with what follows their line breaks indented by two more columns."""
    return _Nest(2, _Cat(parts))


def group(*parts: Doc) -> Doc:
    """The parts on one line where they fit."""
    return _Group(_Cat(parts))


def join(docs: Iterable[Doc], *between: Doc) -> Doc:
    """The docs with something between each two."""
    out: list[Doc] = []
    for doc in docs:
        if out:
            out += between
        out.append(doc)
    return _Cat(tuple(out))


def anchors(doc: Doc) -> list[Anchor]:
    """Every anchor of a document, in the order of the output."""
    found, todo = [], [doc]
    while todo:
        one = todo.pop()
        match one:
            case Anchor():
                found.append(one)
                todo.append(one.doc)
            case _Cat():
                todo += reversed(one.parts)
            case _Nest() | _Group():
                todo.append(one.doc)
            case Later():
                todo.append(one.doc())
    return found


def first_anchor(doc: Doc) -> Anchor | None:
    """The anchor that a document begins with, if it begins with one."""
    while True:
        match doc:
            case Anchor():
                return doc
            case _Cat(parts=(first, *_)):
                doc = first
            case _Nest() | _Group():
                doc = doc.doc
            case Later():
                doc = doc.doc()
            case _:
                return None


Comments = Mapping[int, Sequence[Comment]]
"""The comments of each anchor, by ``id``."""
_NONE: Comments = {}


def render_flat(doc: Doc) -> str:
    """The text of a document on one line, without comments."""
    out: list[str] = []
    todo = [doc]
    while todo:
        one = todo.pop()
        # By falling frequency; `match` would ask each of them in turn by isinstance.
        if type(one) is str:
            out.append(one)
        elif type(one) is _Cat:
            todo += one.parts[::-1]
        elif type(one) is Later:
            todo.append(one.doc())
        elif type(one) is _Line:
            out.append(one.flat)
        elif isinstance(one, (_Nest, _Group, Anchor)):
            todo.append(one.doc)
    return "".join(out)


def render(doc: Doc, width: int, comments: Comments = _NONE) -> str:
    """The text of a document, in lines of at most ``width`` columns where that is possible.

    Comments on lines of their own stand in front of their anchor, trailing ones at the end of the line on
    which the anchor ends; of several there, those with `--` become one.
    """
    page = _Page(width, comments)
    page.write(doc)
    return "".join(page.out)


_Rest = list[tuple[int, bool, Doc]]
"""What is still to be written, the next one last: the indentation, whether lines are flat, the document."""


class _Page:
    """A text in the making."""

    def __init__(self, width: int, comments: Comments) -> None:
        self.width = width
        self.comments = comments
        self.out: list[str] = []
        self.column = 0
        self.pending: list[str] = []  # comments that wait for the end of the line
        self.behind: list[str] = []  # and those that wait for a closing bracket

    def write(self, doc: Doc) -> None:
        """Add a document."""
        todo: _Rest = [(0, False, doc)]
        while todo:
            indent, flat, one = todo.pop()
            match one:
                case str():
                    self.put(one)
                case _Cat():
                    todo += [(indent, flat, part) for part in reversed(one.parts)]
                case _Nest():
                    todo.append((indent + one.by, flat, one.doc))
                case _Line() if flat:
                    self.put(one.flat)
                case _Line():
                    self.end_line(indent)
                case _Group():
                    fits = flat or _fits(one.doc, self.width - self.column, todo, self.comments)
                    todo.append((indent, fits, one.doc))
                case Anchor():
                    self.anchor(one, indent, flat, todo)
                case Later():
                    todo.append((indent, flat, one.doc()))
                case _Trail():
                    self.pending += one.texts
                case _Behind():
                    self.behind.append(one.text)
        self.end()

    def put(self, text: str) -> None:
        """Add a text without line breaks."""
        if self.behind and text:
            if text[0] in ")]}":
                text = "".join(f" {comment}" for comment in self.behind) + text
            else:
                self.pending += self.behind
            self.behind.clear()
        self.out.append(text)
        self.column += len(text)

    def anchor(self, one: Anchor, indent: int, flat: bool, todo: _Rest) -> None:
        held = self.comments.get(id(one), ())
        leading = [comment for comment in held if comment.place in ("own", "inline")]
        lines = any(comment.place == "own" for comment in leading)
        if lines and self.column > indent:
            self.end_line(indent)
        for comment in leading:
            self.put(comment.text if lines else f"{comment.text} ")
            if lines:
                self.end_line(indent)
        trailing = tuple(comment.text for comment in held if comment.place == "trailing")
        if trailing:
            todo.append((indent, flat, _Trail(trailing)))
        todo += [(indent, flat, _Behind(one.text)) for one in reversed(held) if one.place == "behind"]
        todo.append((indent, flat, one.doc))

    def end_line(self, indent: int) -> None:
        """A new line, indented."""
        self.end()
        self.out.append("\n" + " " * indent)
        self.column = indent

    def end(self) -> None:
        """The end of a line: no spaces, and the comments that waited for it."""
        while self.out:
            self.out[-1] = self.out[-1].rstrip(" ")
            if self.out[-1]:
                break
            self.out.pop()
        # What stands behind a `--` is part of it.
        for text in sorted([*self.behind, *self.pending], key=lambda text: text.startswith("--")):
            self.out.append(f" {text}")
        self.pending.clear()
        self.behind.clear()


def _fits(doc: Doc, room: int, rest: _Rest, comments: Comments) -> bool:
    """Whether a document fits flat on the rest of the line, together with what has to follow it there."""
    todo: list[tuple[bool, Doc]] = [(True, doc)]
    behind = len(rest)
    begun = ending = False  # something stands here already; a comment is to end the line
    while room >= 0:
        if not todo:
            if behind == 0:
                return True
            behind -= 1
            _, flat, one = rest[behind]
            todo.append((flat, one))
            continue
        flat, one = todo.pop()
        match one:
            case str():
                room -= len(one)
                begun = True
            case _Line():
                if not flat:
                    return True
                if ending or one.hard:
                    return False
                room -= len(one.flat)
            case _Trail():
                ending = True
            case _Behind():
                pass  # its anchor, written before, had the room for it
            case Anchor() if held := comments.get(id(one), ()):
                if begun and _has_own_line(held):
                    return False
                room -= _width_beside(held)
                todo += [(flat, _Trail(())) for comment in held if comment.place == "trailing"]
                todo.append((flat, one.doc))
            case _:
                todo += [(flat, part) for part in reversed(_parts_of(one))]
    return False


def _parts_of(doc: Doc) -> Sequence[Doc]:
    """What a document that only holds others is made of."""
    match doc:
        case _Cat():
            return doc.parts
        case _Nest() | _Group() | Anchor():
            return (doc.doc,)
        case Later():
            return (doc.doc(),)
    raise AssertionError(f"it holds nothing: {doc!r}")


def _has_own_line(held: Iterable[Comment]) -> bool:
    return any(comment.place == "own" for comment in held)


def _width_beside(held: Sequence[Comment]) -> int:
    """The columns of the comments on the line of their part; where one has a line of its own, all have."""
    own = _has_own_line(held)
    beside = [one for one in held if one.place == "behind" or (one.place != "trailing" and not own)]
    return sum(len(one.text) + 1 for one in beside)
