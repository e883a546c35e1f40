"""What is to be said of the rows of one UPSERT or COPY, each thing once, with a count and the first row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from qql.compiler.embed_clauses import TEXT_FIELDS, Embed
from qql.errors import Diagnostic, Span, many
from qql.records import dataclass, field
from qql.schema import Schema

__all__ = ["RowNotes"]

_MAX_SHOWN = 5
"""Kinds of rows without a vector that are told one by one."""


@dataclass(slots=True)
class _Without:
    """How many rows are without the same vectors, the first of them, and fields that might be the vectors."""

    count: int = 0
    first: int = 0
    telling: tuple[str, ...] = ()


@dataclass(slots=True)
class RowNotes:
    """Collects while rows are read; ``number`` is that of the row at hand: a row's, or a line's of a file.

    ``fields`` are the fields that may have been meant as vectors, ``telling`` those of the row at hand
    that are called as vectors often are. ``scanned`` are lists in the row at hand that its reader found to
    hold nothing but numbers of 32 bits; ``is_json`` says that it was read as JSON or made JSON of Python's
    data, so it has none beyond 64 bits.
    """

    span: Span
    collection: str
    schema: Schema | None = None
    embeds: Sequence[Embed] = ()
    copies: bool = False
    number: int = 1
    fields: dict[str, bool] = field(default_factory=dict)
    telling: tuple[str, ...] = ()
    scanned: Set[int] = frozenset()
    is_json: bool = False
    _block: bool = False
    _without: dict[tuple[str, ...], _Without] = field(default_factory=dict)

    def add_field(self, key: str) -> None:
        """A field of the payload that may have been meant as a vector."""
        self.fields[key] = True

    def add_block(self) -> None:
        """``payload: {…}`` where the fields could as well stand beside the id."""
        self._block = True

    def add_without(self, names: Sequence[str]) -> None:
        """The row at hand ends without these vectors."""
        made = self._made()
        for part in (
            tuple(name for name in names if name in made),
            tuple(name for name in names if name not in made),
        ):
            if part:
                known = self._without.setdefault(part, _Without(first=self.number))
                known.count += 1
                known.telling = known.telling or self.telling

    def warnings(self) -> Iterator[Diagnostic]:
        """What there is to say when all rows are read."""
        if self._block:
            yield self._of_block()
        for key in self.fields:
            yield self._of_field(key)
        by_count = sorted(self._without.items(), key=lambda item: (-item[1].count, item[1].first))
        for names, found in by_count[:_MAX_SHOWN]:
            yield self._of_rows_without(names, found)
        if by_count[_MAX_SHOWN:]:
            count = sum(found.count for _, found in by_count[_MAX_SHOWN:])
            message = f"{many(count, 'row')} without other vectors of `{self.collection}`"
            yield self.warn("no-vector", message)

    def warn(self, code: str, message: str, hint: str | None = None) -> Diagnostic:
        return Diagnostic(code, message, self.span, hint, severity="warning")

    def _of_block(self) -> Diagnostic:
        message = "`payload: {…}` is taken for the payload, not for a field that is called `payload`"
        hint = "the field is written payload: {payload: {…}}"
        if self.copies:
            hint = f"MAP (payload = payload) says so; {hint}"
        return self.warn("nested-payload", message, hint)

    def _of_field(self, key: str) -> Diagnostic:
        if self.schema is None:
            why = f"nothing is known here of the vectors of `{self.collection}`"
            message = f"`{key}` is taken for a field of the payload: {why}"
        else:
            message = f"`{key}` is a field of the payload, not a vector"
        hint = f"a vector is written vector: {{{key}: …}}, a field for certain payload: {{{key}: …}}"
        if self.schema is not None or key.lower() in ("vector", "vectors"):
            hint = "the vector of a point is called `vector`: write vector: …"
        if self.copies:
            hint = f"MAP (vector = {key}) takes it for the vectors"
        return self.warn("vector-in-payload", message, hint)

    def _of_rows_without(self, names: tuple[str, ...], found: _Without) -> Diagnostic:
        place = f"line {found.first}" if self.copies else f"row {found.first}"
        first = f"({place})" if found.count == 1 else f"(the first in {place})"
        shown = _listed(names)
        if names[0] in self._made():
            message = f"{many(found.count, 'row')} without a text to make {shown} of {first}"
            return self.warn("no-text", message, self._hint(names, found))
        message = f"{many(found.count, 'row')} without {shown} {first}"
        return self.warn("no-vector", message, self._hint(names, found))

    def _made(self) -> Mapping[str, Sequence[str]]:
        """The vectors that are made of a text, with the fields that it is looked for in."""
        if self.embeds:
            return {one.vector: one.fields for one in self.embeds}
        known = self.schema.vectors.values() if self.schema is not None else ()
        return {vector.name: TEXT_FIELDS for vector in known if vector.model}

    def _hint(self, names: Sequence[str], found: _Without) -> str:
        name = names[0]
        if found.telling:
            key = found.telling[0]
            if self.copies:
                return f"`{key}` is payload here; MAP ({name or 'vector'} = {key}) makes it the vector"
            how = f"vector: {{{name}: …}}" if name else "vector: …"
            return f"`{key}` is a field of the payload here; the vector is written {how}"
        fields = self._made().get(name)
        if fields is not None:
            return self._hint_of_text(fields)
        if self.embeds and self.schema is not None and self.schema.vectors[name].model:
            return "USING makes what it names and nothing else; it can name several: USING DENSE, SPARSE"
        nulls = ", ".join(f"{name or _UNNAMED}: null" for name in names[:_MAX_SHOWN])
        null = f"vector: {{{nulls}}} says that a point has none"
        if self.copies:
            return f"MAP ({name or 'vector'} = column) names the column of a vector; {null}"
        return f"write vector: {f'{{{name}: […]}}' if name else '[…]'}; {null}"

    def _hint_of_text(self, fields: Sequence[str]) -> str:
        listed = ", ".join(fields)
        if self.copies:
            return f"MAP (text = column) names the column; otherwise it is one of {listed}"
        return (
            f"the text is a row's first field of {listed}" if len(fields) > 1 else f"it is made of {listed}"
        )


_UNNAMED = "''"


def _listed(names: Sequence[str]) -> str:
    """Vectors for a sentence: the vector `a`; the vectors `a`, `b` and `c`; at most five of them."""
    if len(names) == 1:
        return f"the vector `{names[0]}`" if names[0] else "a vector"
    shown = [f"`{name}`" if name else "without a name" for name in names[:_MAX_SHOWN]]
    more = f"{len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else shown.pop()
    return f"the vectors {', '.join(shown)} and {more}"
