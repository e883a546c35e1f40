"""Text, cursor and what is known → suggestions. Nothing is asked of an engine, and nothing is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qql.cli.prompt.completion.candidates import Candidate, Sources, files, functions, option_about
from qql.cli.prompt.completion.commands import command_suggestions, is_command_line
from qql.cli.prompt.completion.keyword_texts import about_keyword
from qql.cli.prompt.completion.keywords import clause_order, legal_keywords, starting_keywords
from qql.cli.prompt.completion.legal import Frame, take
from qql.cli.prompt.completion.matching import rank
from qql.cli.prompt.completion.options import given_keys, opener_of, option_keys, option_words
from qql.cli.prompt.completion.places import owner, role_of_name, role_of_text
from qql.cli.prompt.completion.schema import KnownSchema
from qql.cli.prompt.completion.statement import around, begin_of
from qql.cli.prompt.completion.suggestion import MOST, Suggestion, cased, quoted_name, quoted_text
from qql.cli.prompt.completion.up_to_cursor import Read, read
from qql.records import dataclass
from qql.syntax.driver import begins_line

__all__ = ["Completion", "complete", "suggestions"]


@dataclass(frozen=True, slots=True)
class Completion:
    """Suggestions, and what it would help to know: of a collection, and the values of one of its fields.

    ``tokens`` counts the terminals that the parser's tables were driven over.
    """

    suggestions: tuple[Suggestion, ...] = ()
    collection: str = ""
    field: str = ""
    tokens: int = 0


def suggestions(text: str, cursor: int, known: KnownSchema) -> list[Suggestion]:
    """What may stand at a place of a text, best first. ``cursor`` counts characters."""
    return [*complete(text, cursor, known).suggestions]


def complete(text: str, cursor: int, known: KnownSchema) -> Completion:
    """`suggestions` with what else a completer has to know."""
    if is_command_line(text, cursor):
        return Completion(tuple(command_suggestions(text, cursor, known)))
    found = read(text, begin_of(text, cursor), cursor)
    if not found.ways:
        return Completion(tokens=found.tokens)
    sources = Sources(known, around(text, cursor, found))
    place = _Place(text, cursor, found, sources)
    ranked = _ranked(place, [*place.candidates()])
    return Completion(ranked, sources.collection, place.compared(), found.tokens)


class _Place:
    """Where the cursor is: in which statement, behind what."""

    def __init__(self, text: str, cursor: int, found: Read, sources: Sources) -> None:
        self.text, self.found, self.sources = text, found, sources
        self.typed = text[found.word : cursor]
        begun = text[found.start : found.word].split(None, 1)
        self.first = begun[0] if begun else ""

    def candidates(self) -> Iterator[Candidate]:
        """All that may stand here, before it is held against what was typed."""
        for way in self.found.ways:
            yield from self.in_string(way) if self.found.quote else self.plain(way)
        if not self.found.quote:
            yield from self.keywords()

    # -- names and values

    def plain(self, way: Frame) -> Iterator[Candidate]:
        """What may stand here outside of quotes, but for keywords."""
        options = option_keys(way, self.text)
        if options is not None:
            table, below = options
            keys = [key for key in table if key not in given_keys(below)]
            yield from (Candidate(key, "option", option_about(key, table[key])) for key in keys)
        yield from (Candidate(word, "value", text=word) for word in option_words(way, self.text))
        yield from self.row_keys(way)
        yield from self.named(way)
        yield from self.texts(way)
        if "atom" in way.state.symbols:
            yield from functions()
        if self.typed.startswith(":") and take(way, "PARAM", self.text, way.end, way.end) is not None:
            known = self.sources.known.params
            yield from (Candidate(f":{name}", "parameter", text=f":{name}") for name in known)

    def in_string(self, way: Frame) -> Iterator[Candidate]:
        """What may stand here in the quotes that are open: a text, or a name."""
        yield from self.texts(way)
        for one in self.named(way):
            yield one._replace(text=quoted_name(one.name, self.found.quote))

    def named(self, way: Frame) -> Iterator[Candidate]:
        """What a name may be that stands here."""
        role = role_of_name(way)
        if role is not None:
            kind, below = role
            yield from self.sources.of_role(kind, self.typed, _looked_up(below, self.text))

    def row_keys(self, way: Frame) -> Iterator[Candidate]:
        """The keys of a row, or of a payload."""
        after = take(way, "NAME", self.text, way.end, way.end)
        below = after.below if after is not None else None
        words = _row_words(below) if below is not None and "pair" in below.state.symbols else set()
        if below is not None and words:
            given = given_keys(below)
            keys = self.sources.keys_of_row(self.typed, whole="VALUES" in words)
            yield from (one for one in keys if one.name.lower() not in given)

    def texts(self, way: Frame) -> Iterator[Candidate]:
        """The values of the field that stands in front, and other texts: models, files."""
        role = role_of_text(way)
        if role is None:
            return
        kind, below = role
        quote = self.found.quote
        found: Iterable[Candidate]
        if kind == "value":
            found = self.sources.values_of(self.field_of(below))
        elif kind == "file":
            found = files(self.typed) if quote else ()
        else:
            found = self.sources.of_role(kind, self.typed)
        for one in found:
            if one.kind != "number":
                # A directory goes on.
                text = one.name if one.kind == "directory" else quoted_text(one.name, quote)
                yield one._replace(text=text)
            elif not quote:
                yield one

    def field_of(self, below: Frame) -> str:
        name = owner(below)
        return self.text[name.start : name.end].strip("'\"`") if name is not None else ""

    def compared(self) -> str:
        """The field whose values may stand here; "" where none is compared."""
        for way in self.found.ways:
            role = role_of_text(way)
            if role is not None and role[0] == "value":
                return self.field_of(role[1])
        return ""

    # -- keywords

    def keywords(self) -> Iterator[Candidate]:
        text, at = self.text, self.found.word
        words = dict.fromkeys(word for way in self.found.ways for word in legal_keywords(way, text, at))
        if self.found.start < at and begins_line(text, at) and self.may_end():
            words.update(dict.fromkeys(starting_keywords(text, at)))
        if kind := self.sources.there.type_of(field) if (field := self.compared()) else "":
            words = {word: None for word in words if kind == "bool" or word not in ("TRUE", "FALSE")}
        for word in sorted(words, key=clause_order):
            written = cased(word, self.typed, self.first)
            yield Candidate(written, "keyword", about_keyword(word), written)

    def may_end(self) -> bool:
        at = self.found.word
        return any(take(way, "$END", self.text, at, at) is not None for way in self.found.ways)


_ROWS = frozenset({"VALUES", "COMMA", "EQUAL", "_row", "LSQB"})


def _row_words(below: Frame) -> set[str]:
    """VALUES where an object is a row, PAYLOAD where it is set as one; else its keys are no fields."""
    opener = opener_of(below)
    if opener is None or opener.below is None or opener.below.symbol not in _ROWS:
        return set()
    return {"VALUES", "PAYLOAD"} & {one.symbol for one in opener.below.down()}


def _looked_up(below: Frame, text: str) -> str | None:
    """The collection of LOOKUP FROM, whose vector is named here; None where it is the statement's."""
    if below.symbol != "VECTOR" or below.below is None or below.below.symbol != "name":
        return None
    name = below.below
    behind = [frame.symbol for frame in name.down()][1:3]
    return text[name.start : name.end].strip("'\"`") if behind == ["FROM", "LOOKUP"] else None


# ------------------------------------------------------------------------------------ what fits


def _ranked(place: _Place, found: Iterable[Candidate]) -> tuple[Suggestion, ...]:
    """What fits what was typed, the best first, else in the order in which it was found; each text once."""
    ranked: list[tuple[int, int, Suggestion]] = []
    seen: set[str] = set()
    for index, one in enumerate(found):
        how = rank(place.typed, one.name)
        text = one.text or quoted_name(one.name)
        if how is None or text in seen:
            continue
        seen.add(text)
        ranked.append((how, index, Suggestion(text, place.found.word, one.kind, one.about, one.name)))
    ranked.sort(key=lambda item: item[:2])
    if len(ranked) == 1 and ranked[0][2].text == place.typed:
        return ()
    return tuple(one for _, _, one in ranked[:MOST])
