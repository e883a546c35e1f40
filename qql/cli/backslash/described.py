"""All that is known of a collection, for who looks at it."""

from __future__ import annotations

from collections.abc import Iterator

from qql.errors import many
from qql.records import dataclass
from qql.rest.request import Request
from qql.rest.types import JsonObject
from qql.schema import Fields, Schema, SeenField, VectorInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.session.session import Session

__all__ = ["Described", "described", "readable", "sections_of"]


@dataclass(frozen=True, slots=True)
class Described:
    """A collection.

    ``vectors`` and ``indexes`` are rows; ``fields`` is what was seen in some of its points, None where nobody
    looked, or the engine refused. ``disk`` is in bytes, None where the engine does not tell.
    """

    name: str
    points: int | None
    status: str
    vectors: list[JsonObject]
    indexes: list[JsonObject]
    disk: int | None
    segments: int | None = None
    fields: Fields | None = None

    def disk_text(self) -> str:
        """The size on the disk as people read it."""
        return "" if self.disk is None else _bytes_text(self.disk)

    def field_rows(self) -> list[JsonObject]:
        """A row for each payload field: ``field``, ``types``, ``share``, ``index``."""
        if self.fields is None:
            return []
        types = {str(row["field"]): str(row["type"]) for row in self.indexes}
        by_points = sorted(self.fields.seen.items(), key=lambda one: (-one[1].points, one[0]))
        return [
            {
                "field": path,
                "types": _types_text(seen),
                "share": _share_text(seen.points, self.fields.points),
                "index": types.get(path, ""),
            }
            for path, seen in by_points
        ]

    def to_dict(self) -> JsonObject:
        """As JSON data; of the fields how many of ``sampled_points`` had them, and values of which kinds."""
        out: JsonObject = {"collection": self.name, "points": self.points, "status": self.status}
        out |= {"segments": self.segments, "disk_bytes": self.disk}
        out |= {"vectors": self.vectors, "indexes": self.indexes}
        if self.fields is not None:
            out["sampled_points"] = self.fields.points
            out["fields"] = [
                {"field": path, "points": seen.points, "kinds": dict(seen.kinds)}
                for path, seen in sorted(self.fields.seen.items())
            ]
        return out


def described(session: Session, name: str, *, fields: bool = False) -> Described:
    """What is known of a collection; with ``fields``, also what its indexes are like, and what some of its
    points hold. Raises `QQLError`.
    """
    shown = session.execute("SHOW COLLECTION IDENTIFIER(:name)", {"name": name}, name=r"\d")
    info, options = shown.data, {row["name"]: row["details"] for row in shown.rows}
    schema = session.schema(name) or Schema.from_info(info)
    indexes: list[JsonObject] = [{"field": one} for one in schema.indexes]
    if fields:
        indexes = session.execute("SHOW INDEXES ON IDENTIFIER(:name)", {"name": name}, name=r"\d").rows
    facts = session.full_facts(name) if fields else None
    return Described(
        name,
        info.get("points_count"),
        str(info.get("status", "")),
        [_vector_row(one, str(options.get(one.name or "(unnamed)", ""))) for one in schema.vectors.values()],
        indexes,
        _disk_size(session, name),
        info.get("segments_count"),
        None if facts is None else facts.fields,
    )


def _disk_size(session: Session, name: str) -> int | None:
    """The bytes on the disk, of a collection of a directory; a server does not tell of its own."""
    path = getattr(session.backend, "path", None)
    if session.backend.name != "edge" or path is None:
        return None
    from qql.backends.edge.database import collection_size

    size = collection_size(path, name)
    if size is not None:
        return size
    aliases = session.ask(Request("GET", "/aliases"))["aliases"]
    named = [one["collection_name"] for one in aliases if one["alias_name"] == name]
    return collection_size(path, named[0]) if named else None


def _vector_row(vector: VectorInfo, options: str) -> JsonObject:
    row: JsonObject = {"vector": vector.name or "(unnamed)", "role": vector.kind, "size": vector.size}
    return row | {"distance": vector.distance, "model": vector.model, "options": options}


def sections_of(found: Described) -> Iterator[tuple[str, list[JsonObject]]]:
    """The title and the rows of each part, for people."""
    points = "points not counted" if found.points is None else many(found.points, "point")
    told = [points, found.status, *([f"{found.disk_text()} on disk"] if found.disk is not None else [])]
    yield f"collection {found.name}: {', '.join(one for one in told if one)}", []
    yield "vectors" if found.vectors else "no vectors", readable(found.vectors)
    yield "indexes" if found.indexes else "no payload indexes", readable(found.indexes)
    yield from _fields_section(found)


def _fields_section(found: Described) -> Iterator[tuple[str, list[JsonObject]]]:
    fields = found.fields
    if fields is None:
        if found.points:
            yield "payload fields: not known, the engine shows no points", []
        return
    if not fields.points:
        yield "no payload fields", []
        return
    looked = f"{'all' if fields.whole else 'a sample of'} {many(fields.points, 'point')}"
    if fields.whole and fields.points == 1:
        looked = "the one point"
    cut = "; some of very many are left out" if fields.cut else ""
    rows = found.field_rows()
    yield f"{'payload fields' if rows else 'no payload fields'} seen in {looked}{cut}", rows


def readable(rows: list[JsonObject]) -> list[JsonObject]:
    """Rows for people: what is missing is blank, and there are no options where none has any."""
    optional = {"options"} if not any(row.get("options") for row in rows) else set()
    return [
        {key: "" if value is None else value for key, value in row.items() if key not in optional}
        for row in rows
    ]


_WORDS = {"whole": "float", "empty": "empty list"}


def _types_text(seen: SeenField) -> str:
    """The types of values, the most frequent one first, with their shares where there are several."""
    counts: dict[str, int] = {}
    for kind, count in seen.kinds.items():
        word = _WORDS.get(kind, kind)
        counts[word] = counts.get(word, 0) + count
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    if len(ordered) == 1:
        return ordered[0][0]
    return ", ".join(f"{kind} {_share_text(count, total)}" for kind, count in ordered)


def _share_text(part: int, whole: int) -> str:
    """A share in percent; never 0 % of what is there, and never 100 % of what is not all."""
    if not part or part == whole:
        return "100%" if part else "0%"
    share = 100 * part / whole
    return "<1%" if share < 1 else ">99%" if share > 99 else f"{share:.0f}%"


def _bytes_text(size: int) -> str:
    amount, unit = float(size), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{size:,} {unit}" if unit == "bytes" else f"{amount:.3g} {unit}"
