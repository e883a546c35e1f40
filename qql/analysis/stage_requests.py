"""A query's request → a request for each of its stages, which gives what the stage contributes.

A stage of a nested query is not what its own words say alone. Qdrant merges the filter of each query into
those of all prefetches below it, and so the ids that a query by point leaves out; an MMR below another stage
is something else than at the root; GROUP BY multiplies the limits of the prefetches. What is sent here for a
stage has all of that in it, so that its answer is the list that the stages above it work on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qql import nodes
from qql.compiler.emit_filters import all_of
from qql.compiler.plan import Input, QueryPlan, Stage
from qql.rest.request import Request
from qql.syntax.printer import show

__all__ = ["DEFAULT_LIMIT", "Path", "StageRun", "all_filters", "grouped_by", "stage_requests"]

DEFAULT_LIMIT = 10
"""What Qdrant takes for a missing limit."""
_U32 = 2**32 - 1
_GROUP_SIZE = 3  # Qdrant's default

Path = tuple[int, ...]
"""The positions in the lists of prefetches that lead from the root to a stage; the root's is empty."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One distinct stage of a request, and the body that runs it alone.

    ``label`` is unique within the query. ``paths`` are its places in the request, ``chain`` the plan's
    inputs from the root to the first of them, both ends included. ``inputs`` are the positions of the
    stages below it in the list of all runs, in the order of the prefetches, with repetitions. ``limit`` is
    the number of slots: how many candidates it can give at most (the root's includes OFFSET). ``named`` are
    the points that it or a stage above names, which are left out. ``notes`` say where the engine does
    something else than the stage says.
    """

    label: str
    paths: tuple[Path, ...]
    chain: tuple[Input, ...]
    body: Mapping[str, Any]
    limit: int
    inputs: tuple[int, ...] = ()
    named: tuple[int | str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def given(self) -> Input:
        """The reference: the plan's stage, and the WHERE and SCORE THRESHOLD that PREFETCH adds to it."""
        return self.chain[-1]

    @property
    def stage(self) -> Stage:
        """The plan's stage."""
        return self.chain[-1].stage

    @property
    def depth(self) -> int:
        """How far below the root it stands at the nearest; 0 is the root."""
        return min(map(len, self.paths))


def grouped_by(body: Mapping[str, Any]) -> str | None:
    """The field of GROUP BY, or None."""
    field = body.get("group_by")
    return None if field is None else str(field)


def stage_requests(plan: QueryPlan, request: Request) -> list[StageRun]:
    """The distinct stages of a query, each once, in the order of the request; the root is the first.

    ``request`` is the plan's (`emit_query`), with or without its texts embedded. Two emissions are one stage
    where what is sent for them is equal. The bodies are those of POST …/points/query without payload. For
    QUERY POINTS (…), which searches nothing, the list is empty.
    """
    if isinstance(plan.root.target, nodes.Points) or request.body is None:
        return []
    runs = _Runs(plan.collection, request.body).all(plan.root)
    return [replace(run, label=label) for run, label in zip(runs, _labels(runs), strict=True)]


class _Runs:
    """Walks the plan and the request's body side by side."""

    def __init__(self, collection: str, body: Mapping[str, Any]) -> None:
        self.collection = collection
        self.root = body
        self.shared = {"shard_key": body["shard_key"]} if "shard_key" in body else {}
        group = grouped_by(body)
        self.factor = body.get("group_size", _GROUP_SIZE) if group else 1
        self.above_all = [{"must_not": [{"is_empty": {"key": group}}]}] if group else []
        self.found: list[StageRun] = []
        self.known: dict[str, int] = {}

    def all(self, root: Stage) -> list[StageRun]:
        self.add((Input(root),), self.root, (), list(self.above_all), ())
        return self.found

    def add(
        self,
        chain: tuple[Input, ...],
        body: Mapping[str, Any],
        path: Path,
        above: list[Mapping[str, Any]],
        named: tuple[int | str, ...],
    ) -> int:
        """Adds a stage and those below it; gives its position.

        ``above`` are the ancestors' filters, ``named`` the points that they name.
        """
        alone, limit, notes = self.alone(body, above, is_root=not path)
        key = json.dumps(alone, sort_keys=True, default=repr)
        at = self.known.get(key)
        if at is not None:
            known = self.found[at]
            self.found[at] = replace(known, paths=(*known.paths, path))
            self.repeat(at, path)
            return at
        at = self.known[key] = len(self.found)
        own = _named_points(body, self.collection)
        every = tuple(dict.fromkeys((*named, *own)))
        label = chain[-1].stage.label
        self.found.append(StageRun(label, (path,), chain, alone, limit, named=every, notes=notes))
        below = [*above, *([body["filter"]] if body.get("filter") else [])]
        if own:
            below.append({"must_not": [{"has_id": own}]})
        prefetches = zip(chain[-1].stage.inputs, body.get("prefetch") or (), strict=True)
        inputs = [
            self.add((*chain, given), inner, (*path, number), below, every)
            for number, (given, inner) in enumerate(prefetches)
        ]
        self.found[at] = replace(self.found[at], inputs=tuple(inputs))
        return at

    def repeat(self, at: int, path: Path) -> None:
        """Notes the places of what stands below a stage that was met before."""
        for number, inner in enumerate(self.found[at].inputs):
            run = self.found[inner]
            self.found[inner] = replace(run, paths=(*run.paths, (*path, number)))
            self.repeat(inner, (*path, number))

    def alone(
        self, body: Mapping[str, Any], above: Sequence[Mapping[str, Any]], *, is_root: bool
    ) -> tuple[dict[str, Any], int, tuple[str, ...]]:
        """What is sent to run a stage alone, how many it can give, and where it differs from its words."""
        out = {key: body[key] for key in _STAGE_KEYS if key in body} | self.shared
        limit = body.get("limit", DEFAULT_LIMIT)
        limit = min((limit + body.get("offset", 0) if is_root else limit) * self.factor, _U32)
        notes: tuple[str, ...] = ()
        mmr = _mmr_of(out)
        if mmr is not None and not is_root:
            limit, notes = self.nested_mmr(out, mmr, limit)
        elif mmr is not None and "candidates_limit" not in mmr:
            # What OFFSET adds to the limit is not among the candidates that Qdrant takes by itself.
            out["query"] = {
                **out["query"],
                "mmr": {**mmr, "candidates_limit": body.get("limit", DEFAULT_LIMIT)},
            }
        out["limit"] = limit
        if "prefetch" in out and self.factor > 1:
            out["prefetch"] = [_wider(inner, self.factor) for inner in out["prefetch"]]
        merged = all_filters([*above, body.get("filter") or {}])
        if merged:
            # Qdrant would merge alternatives with those of the prefetches; inside `must` they stay together.
            held = "prefetch" in out and not merged.keys() <= _ONLY_AND
            out["filter"] = {"must": [merged]} if held else merged
        return out | {"with_payload": False}, limit, notes

    def nested_mmr(
        self, out: dict[str, Any], mmr: Mapping[str, Any], limit: int
    ) -> tuple[int, tuple[str, ...]]:
        """MMR below another stage (`leaf_source_from_scoring_query` and `mmr_rescore` of Qdrant 1.19).

        Without prefetches it is a plain search for its candidates; with them it selects from all that they
        found, whatever the number of its candidates and its threshold.
        """
        if out.get("prefetch"):
            every = min(sum(map(self.slots, out["prefetch"])), _U32)
            out["query"] = {**out["query"], "mmr": {**mmr, "candidates_limit": every}}
            dropped = out.pop("score_threshold", None)
            note = "below another stage, MMR selects from all that its prefetches found, and leaves them the"
            note += " scores that they gave: CANDIDATES"
            note += " is not applied" if dropped is None else " and SCORE THRESHOLD are not applied"
            return limit, (note,)
        out["query"] = {"nearest": out["query"]["nearest"]}
        note = "below another stage, MMR without prefetches is a plain search for its CANDIDATES:"
        return mmr.get("candidates_limit", limit), (note + " DIVERSITY and LIMIT are not applied",)

    def slots(self, body: Mapping[str, Any]) -> int:
        """How many points a prefetch can give."""
        limit: int = body.get("limit", DEFAULT_LIMIT) * self.factor
        mmr = _mmr_of(body)
        candidates: int = limit if mmr is None or body.get("prefetch") else mmr.get("candidates_limit", limit)
        return candidates


_STAGE_KEYS = ("prefetch", "query", "using", "params", "score_threshold", "lookup_from")


def _mmr_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    query = body.get("query")
    found = query.get("mmr") if isinstance(query, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _wider(body: Mapping[str, Any], factor: int) -> dict[str, Any]:
    """A prefetch as GROUP BY asks for it: its limit and those below multiplied."""
    out = dict(body) | {"limit": min(body.get("limit", DEFAULT_LIMIT) * factor, _U32)}
    if out.get("prefetch"):
        out["prefetch"] = [_wider(inner, factor) for inner in out["prefetch"]]
    return out


# ------------------------------------------------------------------------------------ filters


_ONLY_AND = {"must", "must_not"}


def all_filters(filters: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Filters joined by AND; alternatives stay together, whatever stands beside them."""
    given = [one for one in filters if one]
    if len(given) == 1:
        return dict(given[0])
    out: dict[str, list[Any]] = {}
    for one in given:
        if one.keys() <= _ONLY_AND:
            for key, conditions in one.items():
                out.setdefault(key, []).extend(conditions if isinstance(conditions, list) else [conditions])
        else:
            out.setdefault("must", []).append(dict(one))
    return dict(out)


def _named_points(body: Mapping[str, Any], collection: str) -> list[int | str]:
    """The ids that a query names as points of the collection that it searches."""
    lookup = body.get("lookup_from")
    if lookup and lookup.get("collection") != collection:
        return []
    named = [one for one in _inputs(body.get("query") or {}) if isinstance(one, (int, str))]
    return list(dict.fromkeys(named))


def _inputs(query: Mapping[str, Any]) -> Iterator[Any]:
    """The vectors, texts and points that a query compares with."""
    if "nearest" in query:
        yield query["nearest"]
    recommend, discover = query.get("recommend") or {}, query.get("discover") or {}
    feedback = query.get("relevance_feedback") or {}
    yield from recommend.get("positive") or ()
    yield from recommend.get("negative") or ()
    for pair in (*(query.get("context") or ()), *(discover.get("context") or ())):
        yield from (pair["positive"], pair["negative"])
    yield from (one["target"] for one in (discover, feedback) if one)
    yield from (item["example"] for item in feedback.get("feedback") or ())


# ------------------------------------------------------------------------------------ labels


def _labels(runs: Sequence[StageRun]) -> list[str]:
    """A name for each stage: its own, with what the reference adds; alike ones by what is above them."""
    plain = [_label(run.given) for run in runs]
    named = [
        f"{label} below {run.chain[-2].stage.label}"
        if plain.count(label) > 1 and len(run.chain) > 2
        else label
        for run, label in zip(runs, plain, strict=True)
    ]
    seen: dict[str, int] = {}
    out = []
    for label in named:
        seen[label] = seen.get(label, 0) + 1
        out.append(f"{label} #{seen[label]}" if seen[label] > 1 else label)
    return out


def _label(given: Input) -> str:
    label = given.stage.label
    if given.where is not None:
        label += f" WHERE {show(all_of([given.where]))}"
    if given.threshold is not None:
        label += f" SCORE THRESHOLD {given.threshold}"
    return label
