"""A recording: what each lowest stage of some pipelines gave for each query, deep down."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from qql.analysis.model import Candidate, Id, OrderValue
from qql.backends.short_floats import shortest_floats
from qql.evaluation.faults import InputError
from qql.evaluation.recording.lines import whole_lines
from qql.records import dataclass, field
from qql.rest.types import Body, JsonObject
from qql.rest.usage import Usage
from qql.schema import Schema

if TYPE_CHECKING:
    from qql.errors import Diagnostic

__all__ = ["FORMAT", "RecordedQuery", "RecordedStage", "Recording", "read_recording"]

FORMAT = 1
"""The version of the format: what has another one is not read."""


@dataclass(frozen=True, slots=True)
class RecordedStage:
    """What a stage gave for a query when ``asked`` points were asked for, the best first.

    ``scores`` are 32-bit floats, ``values`` those of the field of ORDER BY (empty without one), ``ms`` the
    milliseconds that the answer took; ``server_ms`` and ``usage`` are its time and its cost by the server's
    own account, None where it does not say. ``of``: the keys of the stages whose points it rescored; empty
    of a stage that searches everything.
    """

    label: str
    asked: int
    ids: tuple[Id, ...]
    scores: Sequence[float]
    values: tuple[OrderValue | None, ...] = ()
    ms: float = 0.0
    of: tuple[str, ...] = ()
    server_ms: float | None = None
    usage: Usage | None = None

    @property
    def whole(self) -> bool:
        """Whether there is nothing behind these points."""
        return len(self.ids) < self.asked

    def candidates(self) -> tuple[Candidate, ...]:
        """The points as the analysis of pipelines has them."""
        rows = zip(self.ids, self.scores, self.values or repeat(None), strict=False)
        return tuple(map(tuple.__new__, repeat(Candidate), rows))

    def to_dict(self) -> JsonObject:
        """As a recording's file has it."""
        found: JsonObject = {"label": self.label, "asked": self.asked, "ms": round(self.ms, 3)}
        found |= {"ids": list(self.ids), "scores": shortest_floats(list(self.scores))}
        found |= {"values": list(self.values)} if self.values else {}
        found |= {} if self.server_ms is None else {"server_ms": round(self.server_ms, 3)}
        found |= {} if self.usage is None else {"usage": self.usage.to_dict()}
        return found | ({"of": list(self.of)} if self.of else {})

    @classmethod
    def of_dict(cls, found: Body) -> RecordedStage:
        """From what `to_dict` gives. Raises ValueError where its lists are of several lengths."""
        scores, values, of = found["scores"], found.get("values") or (), found.get("of") or ()
        ids = tuple(found["ids"])
        if len(scores) != len(ids) or (values and len(values) != len(ids)):
            raise ValueError("a list of a stage is not as long as another")
        made = array("f", scores)
        given = found.get("usage")
        usage = None if given is None else Usage(given["hardware"], given["tokens"])
        listed, server = (made, tuple(values), found["ms"], tuple(of)), found.get("server_ms")
        return cls(found["label"], found["asked"], ids, *listed, server, usage)


@dataclass(frozen=True, slots=True)
class RecordedQuery:
    """A query, the ``params`` that its row gives to pipelines, and its ``stages`` by their keys."""

    query: str
    params: Mapping[str, Any]
    stages: Mapping[str, RecordedStage]
    turned: bool | None = None
    """Whether the engine's DBSF turns lists of distances round; None where nothing shows it."""

    def to_dict(self) -> JsonObject:
        """As a line of a recording's file."""
        stages = {key: one.to_dict() for key, one in self.stages.items()}
        return {"query": self.query, "params": dict(self.params), "turned": self.turned, "stages": stages}

    @classmethod
    def of_dict(cls, found: Body) -> RecordedQuery:
        """From what `to_dict` gives."""
        stages = {key: RecordedStage.of_dict(one) for key, one in found["stages"].items()}
        return cls(found["query"], found["params"], stages, found.get("turned"))


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of recorded queries, which are read when they are wanted, one after the other.

    ``pipelines`` are the texts that it was made for, by name, ``count`` the number of queries that it was
    made for, ``depth`` how many points of each stage it holds at least where there were so many. ``params``
    were the same for all queries. ``info`` is the description of the collection and ``shards`` the number of
    its shards, ``stamp`` what figures depend on (`qql eval` shows the same). ``models``, ``defined`` and
    ``collection_in_use`` are what the session gave to texts. ``notes`` are warnings of `record`.
    """

    path: str
    collection: str
    pipelines: Mapping[str, str]
    count: int
    depth: int
    params: Mapping[str, Any]
    info: Mapping[str, Any]
    shards: int
    stamp: Mapping[str, Any]
    models: Mapping[str, str] = field(default_factory=dict)
    defined: tuple[str, ...] = ()
    collection_in_use: str | None = None
    notes: tuple[Diagnostic, ...] = ()

    def may_be_approximate(self, vector: str) -> bool:
        """Whether an index may answer searches of a dense vector, which finds other points for another LIMIT.

        Indexes of sparse vectors, which are exact, are counted with others. So there is surely none where
        the count is no larger than these explain, and all vectors are too few for an index to be built.
        """
        counted = self.info.get("indexed_vectors_count") or 0
        config = self.info.get("config") or {}
        known, points = Schema.from_info(self.info), self.info.get("points_count") or 0
        sparse = sum(one.kind == "sparse" for one in known.vectors.values())
        found = known.vectors.get(vector)
        if not counted or not points:
            return False
        if found is None or found.kind != "dense" or not found.size or counted > sparse * points:
            return True
        threshold = (config.get("optimizer_config") or {}).get("indexing_threshold")
        return threshold is None or points * found.size * 4 > threshold * 1024 > 0

    def queries(self) -> Iterator[RecordedQuery]:
        """The queries in the order of the file, read as they are asked for.

        What a process that was killed left of a last line is no query. Raises `InputError`:
        ``file-unreadable``, ``bad-recording``.
        """
        lines = whole_lines(self.path)
        next(lines, None)
        for number, (line, _) in enumerate(lines, 2):
            try:
                yield RecordedQuery.of_dict(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as exc:
                message = f"{self.path}, line {number}: this is no query of a recording"
                raise InputError.make("bad-recording", message) from exc

    def header(self) -> JsonObject:
        """As the first line of the file has it."""
        return {
            "qql_recording": FORMAT,
            "collection": self.collection,
            "pipelines": dict(self.pipelines),
            "queries": self.count,
            "depth": self.depth,
            "params": dict(self.params),
            "shards": self.shards,
            "models": dict(self.models),
            "defined": list(self.defined),
            "use": self.collection_in_use,
            "stamp": dict(self.stamp),
            "info": dict(self.info),
        }

    @classmethod
    def of_header(cls, path: str, found: Body) -> Recording:
        """From what `header` gives."""
        return cls(
            path,
            found["collection"],
            found["pipelines"],
            found["queries"],
            found["depth"],
            found["params"],
            found["info"],
            found["shards"],
            found["stamp"],
            found["models"],
            tuple(found["defined"]),
            found["use"],
        )


def read_recording(path: str) -> Recording:
    """A recording's header; its queries are read when they are asked for (`Recording.queries`).

    Raises `InputError`: ``file-unreadable``, ``bad-recording`` for a file that is none, or one of another
    version.
    """
    first = next(whole_lines(path), None)
    try:
        found = json.loads(first[0]) if first else {}
        version = found["qql_recording"]
    except (ValueError, KeyError, TypeError) as exc:
        message = f"{path} is no recording"
        raise InputError.make("bad-recording", message, hint="`qql record` makes one") from exc
    if version != FORMAT:
        message = f"{path} is a recording of version {version}; this QQL reads version {FORMAT}"
        raise InputError.make("bad-recording", message)
    try:
        return Recording.of_header(path, found)
    except (KeyError, TypeError) as exc:
        message = f"{path}: the header of this recording lacks something"
        raise InputError.make("bad-recording", message) from exc
