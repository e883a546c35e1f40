"""What completion knows: a value that a reader fills in the background and the completer looks at."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from qql.cli.prompt.completion.matching import Names
from qql.records import dataclass, field
from qql.schema import Fields, Schema, SeenField

__all__ = ["KnownCollection", "KnownSchema"]

_TYPES = {"whole": "float", "date": "datetime"}


@dataclass(frozen=True, eq=False)
class KnownCollection:
    """A collection: its vectors and indexes, the fields that a sample of its points has.

    ``values`` are the most frequent values of keyword fields, each with how many points have it.
    """

    schema: Schema = field(default_factory=Schema)
    fields: Fields | None = None
    values: Mapping[str, tuple[tuple[str | int | bool, int], ...]] = field(default_factory=dict)

    @cached_property
    def paths(self) -> Names:
        """The payload fields: the indexed ones first, then those of the sample, the most frequent first."""
        seen: Mapping[str, SeenField] = self.fields.seen if self.fields else {}
        by_share = sorted(seen, key=lambda path: (-seen[path].points, path))
        return Names(dict.fromkeys([*self.schema.indexes, *by_share]))

    @cached_property
    def keys(self) -> Names:
        """The keys that payloads have at their outermost level, as they are in JSON."""
        seen = self.fields.seen if self.fields else {}
        return Names(
            dict.fromkeys(key for path in (*seen, *self.schema.indexes) if (key := _outermost_key(path)))
        )

    def describe_field(self, path: str) -> str:
        """``keyword index, 80%``: the index of a field or its type, and the share of points that have it."""
        index = self.schema.indexes.get(path)
        found = self.fields.find(path) if self.fields else None
        parts = [f"{index} index"] if index else []
        if found is not None:
            kinds = [_TYPES.get(kind, kind) for kind in found.kinds if kind not in ("null", "empty")]
            if not index:
                parts.append(f"{' or '.join(dict.fromkeys(kinds)) or 'null'}, no index")
            if self.fields and self.fields.points:
                parts.append(f"{100 * found.points // self.fields.points}%")
        return ", ".join(parts)

    def type_of(self, path: str) -> str:
        """The type of a field by its index, else by what was seen of it; "" where that is not one."""
        index = self.schema.indexes.get(path)
        if index:
            return index
        found = self.fields.find(path) if self.fields else None
        kinds = [kind for kind in found.kinds if kind not in ("null", "empty")] if found else []
        return _TYPES.get(kinds[0], kinds[0]) if len(kinds) == 1 else ""


@dataclass(frozen=True, slots=True)
class KnownSchema:
    """All that is known: names of collections, what is in those that were looked at, what the session set.

    ``aliases`` gives the collection of each alias, ``default`` is the collection of USE, ``stages`` are the
    names that DEFINE has given, ``params`` those of parameters that have a value.
    """

    collections: tuple[str, ...] = ()
    described: Mapping[str, KnownCollection] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    stages: tuple[str, ...] = ()
    params: tuple[str, ...] = ()

    def of(self, name: str) -> KnownCollection:
        """What is known of a collection: nothing, where nothing is."""
        return self.described.get(name, _NOTHING)


_NOTHING = KnownCollection()


def _outermost_key(path: str) -> str | None:
    """The key of a field that lies in no other; None for one that does."""
    if path.startswith('"'):
        return path[1:-1] if path.find('"', 1) == len(path) - 1 else None
    return None if "." in path or "[" in path else path
