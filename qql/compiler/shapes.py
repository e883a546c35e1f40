"""Texts that differ in their literals only: one is planned ahead for all of them.

A program that writes its values into the text sends ever new texts of a few shapes. The shape of a text is
what stands between its strings, numbers and lists of numbers. Those among them that the plan does not hang
on become holes; the others belong to the shape, as do all that the parser does not take for literals (what
stands in comments and quoted names).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from qql import nodes
from qql.compiler.ahead import Planned, planned
from qql.compiler.plan import Context
from qql.compiler.script import compile_script, requests_of
from qql.compiler.templates import Template
from qql.errors import QQLError, Source
from qql.kept import Kept, Noted
from qql.late import late_pattern
from qql.nodes.core import UUID_LENGTHS
from qql.nodes.holes import NeedsValue, keys_in
from qql.rest.request import Request
from qql.syntax.clauses import LiteralHoles
from qql.syntax.lexer import number_of
from qql.syntax.parser import LONGEST_KEPT, parse_with_holes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from qql.compiler.shape_patterns import Read

__all__ = ["LONGEST_READ", "Shape", "Shapes", "cut_literals"]

LONGEST_READ = 1 << 17
"""Characters of a text whose literals are looked for, at most: of a vector of 4096 numbers, and more."""

# Where this takes for a literal what the parser does not, or the other way round, nothing is wrong: it is
# then a part of the shape.
# Which literal it is, and what stands before it, is looked at behind its first character: a pattern that
# begins with a set of characters is searched for fastest.
_LITERAL = late_pattern(
    r"""
    ( ['0-9\[-]
      (?: (?<=')  (?!'') [^'\\]*+ (?:''[^'\\]*+)*+ '
        | (?<=\d) (?<![\w$.\]'"`:-].)        [0-9]*+ (?:\.[0-9]++)?+ (?:[eE][+-]?[0-9]++)?+ (?![\w$.])
        | (?<=-)  (?<![\w$.\]'"`:-].)  [0-9] [0-9]*+ (?:\.[0-9]++)?+ (?:[eE][+-]?[0-9]++)?+ (?![\w$.])
        | (?<=\[) (?<![\w$.\]].)       \s*+ -?[0-9] [0-9eE.,+\s-]*+ \]
      )
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_MOST_VARIANTS = 16
"""Plans of one shape for different values of what cannot be a hole, at most."""
_MAYBE_UUIDS = frozenset(length + 2 for length in UUID_LENGTHS)
_DIGITS = str.maketrans("123456789", "000000000")

_MOST_TRIED = 4
"""Patterns that a text is held against, at most: those of the shapes that came last."""

Literals = Sequence[str]
Shape = tuple[str, ...]
"""The kinds of the literals, and the texts between them."""


def cut_literals(text: str) -> tuple[Shape, list[str]]:
    """The shape of a text, and its literals in order."""
    parts: list[str] = _LITERAL.split(text)
    literals = parts[1::2]
    # What a literal is to the parser hangs on how it begins; and a text that is a UUID is the id of a point.
    kinds = "".join([one[0] for one in literals]).translate(_DIGITS)
    if not _MAYBE_UUIDS.isdisjoint(map(len, literals)):
        for number, one in enumerate(literals):
            if one[0] == "'" and nodes.is_uuid(one[1:-1]):
                kinds = f"{kinds[:number]}u{kinds[number + 1 :]}"
    return (kinds, *parts[::2]), literals


class _Variant:
    """A plan of a shape. The second text that it is filled for gets it a pattern."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.filled = False
        self.looked_for = False
        self.read: Read | None = None


class _Variants:
    """The plans of one shape: by the values of those of its literals that cannot be holes."""

    def __init__(self, fixed: frozenset[int], count: int) -> None:
        self.fixed = tuple(sorted(fixed))
        self.holes = tuple([n for n in range(count) if n not in fixed]) if fixed else range(count)
        self.plans: dict[tuple[str, ...], _Variant | None] = {}


class Shapes:
    """The shapes of the texts that were compiled, in one context.

    A shape that comes a second time is planned ahead. One that cannot be costs little more than that.
    """

    def __init__(self, context: Context, most: int) -> None:
        self._context = context
        self._kept: Kept[Shape, _Variants] = Kept(most)
        self._once = Noted(most)  # by hash: two shapes of one would be planned too early, no more
        self._recent: Kept[int, tuple[Read, ...]] = Kept(most)

    def clear(self) -> None:
        self._kept.clear()
        self._once.clear()
        self._recent.clear()

    def known(self, text: str) -> list[Request] | None:
        """The requests of a text of a shape that came often; None for most others, and nothing is raised."""
        for read in self._recent.get(text.count("'")) or ():
            requests = read(text)
            if requests is not None:
                return requests
        return None

    def requests(self, text: str) -> list[Request] | None:
        """The requests of a text of a known shape; None where it has to be compiled.

        Raises what is wrong with the text, where it was compiled here.
        """
        shape, literals = cut_literals(text)
        known = self._kept.get(shape)
        if known is None:
            if hash(shape) not in self._once:
                self._once.add(hash(shape))
                return None
            if _length(shape) > LONGEST_KEPT:
                return None
            known = _Variants(frozenset(), len(literals))
            self._kept.put(shape, known)
        variant = tuple([literals[number] for number in known.fixed])
        if variant in known.plans:
            found = known.plans[variant]
        else:
            if len(known.plans) == _MOST_VARIANTS or _length(variant) > LONGEST_KEPT:
                return None
            source = Source(text)
            compiled = requests_of(compile_script(source, None, self._context))
            fixed, plan = _planned(source, self._context, literals, known.fixed, compiled)
            if fixed != {*known.fixed}:
                known = _Variants(fixed, len(literals))
                self._kept.put(shape, known)
            found = None if plan is None else _Variant(plan.template)
            variant = tuple([literals[number] for number in known.fixed])
            if _length(variant) <= LONGEST_KEPT:
                known.plans[variant] = found
        if found is None:
            return None
        values = _values(literals, known.holes)
        requests = None if values is None else found.template.fill(values)
        if requests is not None:
            self._filled(found, known, shape, text, literals)
        return requests

    def _filled(
        self, found: _Variant, known: _Variants, shape: Shape, text: str, literals: list[str]
    ) -> None:
        """Notes that a text was filled in: its pattern is now the first that is tried for those like it."""
        if not found.filled:
            found.filled = True
            return
        if not found.looked_for:
            from qql.compiler.shape_patterns import reader  # few texts come so often

            found.looked_for = True
            found.read = reader(shape, literals, known.fixed, found.template)
        if found.read is None:
            return
        quotes = text.count("'")
        others = [read for read in self._recent.get(quotes) or () if read is not found.read]
        self._recent.put(quotes, (found.read, *others[: _MOST_TRIED - 1]))


def _length(texts: Iterable[str]) -> int:
    return sum(map(len, texts))


def _values(literals: Literals, holes: Sequence[int]) -> list[Any] | None:
    """The values of the holes at their numbers; None where the parser has to say what is wrong with one."""
    values: list[Any] = [None] * len(literals)
    for number in holes:
        literal = literals[number]
        if literal[0] == "'":
            text = literal[1:-1]
            values[number] = text.replace("''", "'") if "'" in text else text
        elif literal[0] == "[":
            from qql.compiler.shape_patterns import list_of

            try:
                values[number] = list_of(literal)
            except ValueError:
                return None
        else:
            values[number] = number_of(literal)
            if values[number] is None:
                return None
    return values


def _planned(
    source: Source, context: Context, literals: Literals, known: Sequence[int], compiled: list[Request]
) -> tuple[frozenset[int], Planned | None]:
    """Which literals of a text cannot be holes, and its plan with holes for the others.

    The plan is None where there is none that gives what was compiled of this text.
    """
    places = [found.span() for found in _LITERAL.finditer(source.text)]
    fixed = {*known}
    while True:
        ends = {start: (number, end) for number, (start, end) in enumerate(places) if number not in fixed}
        holes = LiteralHoles(ends)
        try:
            parsed = parse_with_holes(source, holes)
            fixed |= {number for number in range(len(literals)) if number not in holes.taken}
            plan = planned(source, parsed, context, {}, holes.taken)
        except NeedsValue as exc:
            fixed |= {int(key) for key in keys_in(exc.key)}
            continue
        except QQLError:
            plan = None
        values = _values(literals, range(len(literals))) if plan and holes.taken else None
        if plan is None or values is None or not _same(plan.template.fill(values), compiled):
            plan = None
        return frozenset(fixed), plan


def _same(filled: list[Request] | None, compiled: list[Request]) -> bool:
    """Whether these are the same requests: by their text, as 1 and 1.0 are equal, and sent in two ways."""
    try:
        return repr(filled) == repr(compiled)
    except RecursionError:
        return False
