"""Tables of options, and one function that reads the ``( key = value, … )`` blocks by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qql import nodes
from qql.compiler.bind import PLAIN, resolved
from qql.compiler.guards import is_scalar
from qql.errors import Diagnostic, QQLPlanError, Span, did_you_mean, fail, shown
from qql.nodes.declare import EVERYWHERE, Support
from qql.nodes.holes import Hole, NeedsValue, Slot
from qql.records import dataclass
from qql.rest.types import Json, JsonObject

__all__ = [
    "Blocks",
    "Check",
    "Setting",
    "Settings",
    "Table",
    "block_of",
    "listed",
    "read_blocks",
    "read_options",
    "read_values",
    "table",
]

Check = Callable[[Json], Json]
"""Gives the value as it goes into the request; raises ValueError with what it takes instead."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One option: the only place that says what it is.

    ``check`` reads its value; ``takes`` is what the manual says that it takes, where the check does not say
    all of it. ``default`` is what Qdrant does where it is missing, as JSON (None: that is not one value
    everywhere), and ``shown`` how the manual says that. ``approximate`` says that it trades recall for speed,
    so an exact search does without it.
    """

    name: str
    check: Check
    default: Json = None
    shown: str = ""
    takes: str = ""
    support: Support = EVERYWHERE
    approximate: bool = False

    def __call__(self, value: Json) -> Json:
        return self.check(value)


Table = Mapping[str, Check]
"""The options that may stand in one place, by name."""


Settings = Mapping[str, Setting]
"""A table whose options the manual shows."""


def table(*settings: Setting) -> dict[str, Setting]:
    """A table of these options."""
    return {one.name: one for one in settings}


def listed(words: Iterable[str]) -> str:
    """Words for a message."""
    return ", ".join(words)


def read_options(
    options: Iterable[nodes.Option], known: Table, where: str, *, seen: dict[str, Span | None] | None = None
) -> JsonObject:
    """The options as a dict with checked values.

    ``seen`` are the places of what other blocks gave already. Raises `QQLPlanError` for a name that the
    table lacks (``unknown-option``), a value that it refuses (``bad-option``) and an option that is given
    twice (``duplicate-option``).
    """
    return read_values(
        [(o.name, o.value, o.span) for o in options], known, where, {} if seen is None else seen
    )


def read_values(
    items: Iterable[tuple[str, Json, Span | None]],
    known: Table,
    where: str,
    places: dict[str, Span | None] | None = None,
) -> JsonObject:
    """`read_options` by name, value and place. A place that is None is that of the option around it."""
    out: JsonObject = {}
    places = {} if places is None else places
    for name, given, span in items:
        if name not in known:
            hint = did_you_mean(name, known) or f"the options are {listed(known)}"
            fail("unknown-option", f"{where} has no option `{name}`", span, hint)
        if name in places:
            first = places[name]
            related = ((first, "given here first"),) if first else ()
            fail("duplicate-option", f"the option `{name}` stands twice", span, None, related)
        places[name] = span
        if isinstance(given, Hole):
            if isinstance(given, Slot):  # a list, of which the option wants to know more
                raise NeedsValue(given.key)
            out[name] = Slot(given, taken_as_it_is(known[name]))
            continue
        value = given if type(given) in PLAIN or _of_grammar(given) else resolved(given, span)
        try:
            out[name] = known[name](value)
        except ValueError as exc:
            message = f"`{name}` takes {exc}, not {shown(value)}"
            raise QQLPlanError(Diagnostic("bad-option", message, span)) from None
        except QQLPlanError as exc:
            raise exc.at(span=span) from None
    return out


def taken_as_it_is(check: Check) -> Callable[[Json], bool]:
    """Whether an option takes a value, and sends it unchanged."""

    def fits(value: Json) -> bool:
        try:
            return is_scalar(value) and check(value) is value
        except (ValueError, QQLPlanError):
            return False

    return fits


def _of_grammar(value: Json) -> bool:
    """Whether a value is no JSON but options in parentheses or a condition, which few options take."""
    return isinstance(value, (tuple, nodes.Node)) and not isinstance(value, nodes.Uuid)


Blocks = Mapping[str, Callable[[nodes.Block], Json]]
"""What may stand behind WITH in one place, and how it is read."""


def block_of(known: Table) -> Callable[[nodes.Block], JsonObject]:
    """Reads a block by a table."""
    return lambda block: read_options(block.options, known, block.kind.upper())


def read_blocks(blocks: Iterable[nodes.Block], allowed: Blocks) -> JsonObject:
    """The options of ``WITH HNSW (…)`` and its like by kind. Raises `QQLPlanError`.

    A kind that is not allowed here is ``misplaced-block``, a second one of its kind ``duplicate-clause``.
    """
    found: JsonObject = {}
    places: dict[str, Span] = {}
    for block in blocks:
        word = f"WITH {block.kind.upper()}"
        if block.kind not in allowed:
            hint = f"the blocks here are {listed(f'WITH {kind.upper()}' for kind in allowed)}"
            fail("misplaced-block", f"{word} has no meaning here", block.span, hint)
        if block.kind in places:
            related = ((places[block.kind], "given here first"),)
            message, hint = f"{word} stands twice", "give all of its options in one block"
            fail("duplicate-clause", message, block.span, hint, related)
        places[block.kind] = block.span
        found[block.kind] = allowed[block.kind](block)
    return found
