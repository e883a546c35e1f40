"""What names, values, options, functions and files there are for a place, each with a short description."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache

from qql.cli.prompt.completion.matching import Names
from qql.cli.prompt.completion.schema import KnownCollection, KnownSchema
from qql.cli.prompt.completion.statement import Around
from qql.cli.prompt.completion.suggestion import quoted_text
from qql.compiler.options.table import Check, Setting
from qql.errors import many
from qql.records import NamedTuple, dataclass

__all__ = ["Candidate", "Sources", "files", "functions", "option_about", "words"]


class Candidate(NamedTuple):
    """A name or a value before it is matched; ``text`` is how it is written ("": as a name)."""

    name: str
    kind: str
    about: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """What is known where the cursor is: of the collections, and of the statement around it."""

    known: KnownSchema
    around: Around

    @property
    def collection(self) -> str:
        """The collection that the statement is about; "" where none is known. The only one needs no name."""
        named = self.around.collection or self.around.used or self.known.default
        alone = self.known.collections if len(self.known.collections) == 1 else ("",)
        return named or alone[0]

    @property
    def there(self) -> KnownCollection:
        """What is known of that."""
        return self.known.of(self.collection)

    def of_role(self, role: str, typed: str, collection: str | None = None) -> Iterator[Candidate]:
        """What a name of a role may be."""
        there = self.there if collection is None else self.known.of(collection)
        if role in ("field", "indexed field"):
            yield from self._fields(there, typed, role)
        elif role == "collection":
            yield from (Candidate(name, "collection", self._about(name)) for name in self.known.collections)
            yield from self._aliases()
        elif role == "alias":
            yield from self._aliases()
        elif role == "vector":
            yield from _vectors(there)
        elif role in ("stage", "defined stage"):
            own = self.around.stages if role == "stage" else ()
            names = dict.fromkeys([*own, *self.around.defined, *self.known.stages])
            yield from (
                Candidate(name, "stage", "defined here" if name in own else "defined") for name in names
            )
        elif role == "mapped":
            yield Candidate("id", "field", "the point's id")
            yield from _vectors(there)
            yield from self._fields(there, typed, "field")
        elif role == "model":
            yield from self._models()
        elif role == "reranker":
            from qql.models.rerankers.names import CROSS_ENCODERS, OVERLAP

            yield from (
                Candidate(name, "model", "scores texts for a query") for name in (OVERLAP, *CROSS_ENCODERS)
            )
        else:
            yield from (Candidate(word, role) for word in words(role, self.around.first))

    def _aliases(self) -> Iterator[Candidate]:
        yield from (Candidate(name, "alias", f"of {one}") for name, one in self.known.aliases.items())

    def _about(self, name: str) -> str:
        known = self.known.described.get(name)
        points = known.schema.points if known is not None else None
        return "" if points is None else many(points, "point")

    def _fields(self, there: KnownCollection, typed: str, role: str) -> Iterator[Candidate]:
        names = Names(there.schema.indexes) if role == "indexed field" else there.paths
        if role == "field" and typed and "id".startswith(typed.lower()):
            yield Candidate("id", "field", "the point's id")
        for path in names.fitting(typed):
            yield Candidate(path, "field", there.describe_field(path))

    def _models(self) -> Iterator[Candidate]:
        from qql.compiler.model_names import MODELS, full_name

        used: dict[str, str] = {}
        for known in self.known.described.values():
            for vector in known.schema.vectors.values():
                if vector.model:
                    used.setdefault(vector.model, f"model of {vector.name or 'the vector'}")
        yield from (Candidate(name, "model", about) for name, about in used.items())
        taken = {name.lower() for name in used}
        for lowered, model in MODELS.items():
            whole = full_name(lowered.rpartition("/")[2])
            if lowered not in taken and whole.lower() == lowered:
                yield Candidate(whole, "model", f"{model.kind}, {model.size}" if model.size else model.kind)

    def keys_of_row(self, typed: str, *, whole: bool) -> Iterator[Candidate]:
        """What a payload may have as keys; with ``whole`` a row, which has an id and vectors too."""
        if whole:
            yield Candidate("id", "field", "the point's id")
            yield from _vectors(self.there)
        for key in self.there.keys.fitting(typed):
            path = key if key.isidentifier() else f'"{key}"'
            yield Candidate(key, "field", self.there.describe_field(path), _key(key))

    def values_of(self, field: str) -> Iterator[Candidate]:
        """The most frequent values of a field, where they are known."""
        for value, count in self.there.values.get(field, ()):
            about = many(count, "point")
            if isinstance(value, str):
                yield Candidate(value, "value", about)
            else:
                word = str(value).upper() if isinstance(value, bool) else str(value)
                yield Candidate(word, "number", about, word)


def _key(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else quoted_text(name)


def _vectors(there: KnownCollection) -> Iterator[Candidate]:
    for name, vector in there.schema.vectors.items():
        if name:
            size = f" {vector.size} × {vector.distance}" if vector.size else ""
            model = f", {vector.model}" if vector.model else ""
            yield Candidate(name, "vector", f"{vector.kind}{size}{model}")


@cache
def words(role: str, first: str) -> tuple[str, ...]:
    """The words of a role that has its own: strategies, formats, types of indexes."""
    from qql.compiler.options import collection, index
    from qql.manual import lists

    if role == "report format":
        return ("text", "json") if first == "WHY" else ("text", "json", "html")
    if role == "file format":
        from qql.session.row_files import FORMATS

        return tuple(FORMATS)
    if role == "written format":
        from qql.compiler.copy_target import COPY_FORMATS

        return tuple(COPY_FORMATS)
    return {
        "strategy": (*lists.RECOMMEND_STRATEGIES, *lists.FEEDBACK_STRATEGIES),
        "mode": lists.UPDATE_MODES,
        "index type": tuple(index.INDEX_TYPES),
        "quantization": tuple(collection.QUANTIZATION),
        "fusion": tuple(lists.FUSIONS),
    }.get(role, ())


def option_about(name: str, check: Check) -> str:
    """What an option takes, and what it is without it."""
    from qql.manual.entry import option_lines

    setting = check if isinstance(check, Setting) else Setting(name, check)
    line = option_lines({name: setting})[0]
    return f"{line.takes} (default: {line.default})" if line.default else line.takes


def functions() -> Iterator[Candidate]:
    """The functions of formulas, with their arguments."""
    from qql.nodes.formulas import FUNCTIONS

    for known in FUNCTIONS.values():
        yield Candidate(f"{known.word}(", "function", f"{known.example}: {known.says}", f"{known.word}(")
    yield Candidate("$score", "function", "the score of the query or the prefetch", "$score")


_MOST_FILES = 500


def files(typed: str, endings: Iterable[str] = ()) -> Iterator[Candidate]:
    """The files and directories that a path may go on with. What cannot be read has none."""
    folder, _, begun = typed.rpartition("/")
    looked_in = os.path.expanduser(folder + "/" if folder or typed.startswith("/") else ".")  # noqa: PTH111
    try:
        with os.scandir(looked_in) as entries:
            found = sorted(_entries(entries, begun))
    except OSError:
        return
    above = f"{folder}/" if folder or typed.startswith("/") else ""
    wanted = tuple(endings)
    for name, directory in found:
        if directory:
            path = f"{above}{name}/"
            yield Candidate(path, "directory", text=path)
        elif not wanted or name.endswith(wanted):
            path = f"{above}{name}"
            yield Candidate(path, "file", text=path)


def _entries(entries: Iterable[os.DirEntry[str]], begun: str) -> Iterator[tuple[str, bool]]:
    for count, entry in enumerate(entries):
        if count > _MOST_FILES * 20:
            return
        hidden = entry.name.startswith(".") and not begun.startswith(".")
        if not hidden and entry.name.isprintable():
            try:
                yield entry.name, entry.is_dir()
            except OSError:
                yield entry.name, False
