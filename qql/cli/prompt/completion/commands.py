r"""Completion of the commands of the prompt: their names, and what their arguments are by their declarations.

A command says what it takes by words: ``FILE``, ``[COLLECTION]``, ``[on|off]``. Each word stands for one
argument, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from qql.cli.prompt.completion.candidates import Candidate, files
from qql.cli.prompt.completion.matching import rank
from qql.cli.prompt.completion.schema import KnownSchema
from qql.cli.prompt.completion.statement import begin_of
from qql.cli.prompt.completion.suggestion import MOST, Suggestion
from qql.cli.prompt.completion.up_to_cursor import read
from qql.errors import QQLError

__all__ = ["SLOTS", "command_suggestions", "is_command_line"]


def is_command_line(text: str, cursor: int) -> bool:
    r"""Whether the cursor's line is a command, and not inside of a string of the lines above it."""
    begin = text.rfind("\n", 0, cursor) + 1
    line = text[begin:cursor].lstrip()
    if not line.startswith("\\"):
        return begin == 0 and line.lower().startswith("help ")
    return begin == 0 or not read(text, begin_of(text, begin), begin).quote


def command_suggestions(text: str, cursor: int, known: KnownSchema) -> list[Suggestion]:
    """What may stand at the cursor in a line with a command."""
    from qql.cli.shell import COMMANDS

    begin = text.rfind("\n", 0, cursor) + 1
    line = text[begin:cursor]
    start = begin + len(line) - len(line.lstrip())
    word, space, rest = line.strip(" \t").partition(" ") if not line.endswith(" ") else (*_parts(line),)
    if not space:
        shown = {name: one for name, one in COMMANDS.items() if name.startswith("\\")}
        found = [
            Candidate(name, "command", one.help_text(), name + (" " if one.argument else ""))
            for name, one in shown.items()
        ]
        return _fitting(line.lstrip(), start, found)
    command = COMMANDS.get(word if word.startswith("\\") else word.lower())
    if command is None:
        return []
    return list(_arguments(command.name, command.argument, rest, cursor, known))


def _parts(line: str) -> tuple[str, str, str]:
    word, _, rest = line.lstrip().partition(" ")
    return word, " ", rest


def _arguments(name: str, argument: str, rest: str, cursor: int, known: KnownSchema) -> Iterator[Suggestion]:
    slots = argument.replace("[", " ").replace("]", " ").split()
    rest = rest.lstrip()
    given, typed = _split(rest)
    slot = slots[min(given, len(slots) - 1)] if slots else ""
    if given >= len(slots) and slot not in _MANY:
        return
    if "|" in slot:
        words = [word for word in slot.split("|") if not word.isupper()]
        found: Iterable[Candidate] = [Candidate(word, "value", text=word) for word in words]
    elif slot in SLOTS:
        kind = _NAMES.get(name, slot) if slot == "NAME" else slot
        found = SLOTS[kind](typed.lstrip("'\""), known)
    elif slot.isupper() and slot in _WORDS:
        found = [Candidate(slot, "keyword", text=slot)]
    else:
        return
    if slot in _MANY:
        typed = rest
    quote = typed[:1] if typed[:1] in ("'", '"') and slot == "FILE" else ""
    yield from _fitting(typed[len(quote) :], cursor - len(typed) + len(quote), found)


def _split(rest: str) -> tuple[int, str]:
    """How many arguments are whole, and what is typed of the next one. One in quotes may have spaces."""
    count, at = 0, 0
    while True:
        while rest[at : at + 1] == " ":
            at += 1
        quote = rest[at : at + 1]
        end = rest.find(quote, at + 1) if quote in ("'", '"') and quote else rest.find(" ", at)
        if end < 0:
            return count, rest[at:]
        at, count = end + 1, count + 1


def _fitting(typed: str, start: int, found: Iterable[Candidate]) -> list[Suggestion]:
    ranked = []
    for index, one in enumerate(found):
        how = rank(typed, one.name)
        if how is not None:
            shown = one.name
            ranked.append((how, index, Suggestion(one.text or one.name, start, one.kind, one.about, shown)))
    ranked.sort(key=lambda item: item[:2])
    if len(ranked) == 1 and ranked[0][2].text == typed:
        return []
    return [one for _, _, one in ranked[:MOST]]


# ------------------------------------------------------------------------------------ arguments

_MANY = ("WORD",)
"""Arguments that may be several words."""
_WORDS = ("FROM", "ANALYZE")
_NAMES = {
    **dict.fromkeys(("\\set", "\\unset", "\\param"), "PARAMETER"),
    **dict.fromkeys(("\\n", "\\ns", "\\nd"), "SAVED"),
}
"""What a NAME is that is none of a collection."""


def _collections(_: str, known: KnownSchema) -> Iterable[Candidate]:
    return [Candidate(name, "collection", text=name) for name in known.collections]


def _formats(_: str, known: KnownSchema) -> Iterable[Candidate]:
    from qql.cli.render.formats import FORMATS

    return [Candidate(name, "format", text=name) for name in FORMATS]


def _entries(_: str, known: KnownSchema) -> Iterable[Candidate]:
    from qql.cli.prompt.completion.keyword_texts import shortened
    from qql.manual.entries import ENTRIES

    return [Candidate(entry.name, "manual", shortened(entry.text), entry.name) for entry in ENTRIES]


def _commands(_: str, known: KnownSchema) -> Iterable[Candidate]:
    from qql.cli.shell import COMMANDS

    return [Candidate(name, "command", one.help_text(), name) for name, one in COMMANDS.items()]


def _params(_: str, known: KnownSchema) -> Iterable[Candidate]:
    return [Candidate(name, "parameter", text=name) for name in known.params]


def _targets(typed: str, known: KnownSchema) -> Iterable[Candidate]:
    yield Candidate(":memory:", "target", "a database in memory", ":memory:")
    for one in files(typed):
        if one.kind == "directory":
            yield one


def _profiles(_: str, known: KnownSchema) -> Iterable[Candidate]:
    from qql.cli.profiles.config import read_profiles

    try:
        return [Candidate(name, "profile", text=name) for name in read_profiles()]
    except QQLError:  # the command says what is wrong with the file
        return []


def _saved(_: str, known: KnownSchema) -> Iterable[Candidate]:
    from qql.cli.saved_statements import saved_names

    return [Candidate(name, "saved statement", text=name) for name in saved_names()]


SLOTS: dict[str, Callable[[str, KnownSchema], Iterable[Candidate]]] = {
    "FILE": lambda typed, _: files(typed),
    "NAME": _collections,
    "COLLECTION": _collections,
    "FORMAT": _formats,
    "WORD": _entries,
    "COMMAND": _commands,
    "TARGET": _targets,
    "PARAMETER": _params,
    "PROFILE": _profiles,
    "SAVED": _saved,
}
"""What the arguments of commands are, by the words of their declarations."""
