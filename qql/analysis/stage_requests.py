"""A query's request → a request for each of its stages, which gives what the stage contributes.

A stage of a nested query is not what its own words say alone. Qdrant merges the filter of each query into
those of all prefetches below it; the points that any stage names are in none of them; an MMR below another
stage is something else than at the root; GROUP BY multiplies the limits of the prefetches. What is sent here
for a stage has all of that in it, so that its answer is the list that the stages above it work on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from qql import nodes
from qql.analysis.fusion import Fusion, is_own_fusion
from qql.analysis.model import Path, StageRun
from qql.analysis.query_body import all_filters, grouped_by, is_conjunction, mmr_of, plain_search
from qql.compiler.emit_filters import all_of
from qql.compiler.plan import Input, QueryPlan, Stage
from qql.records import NamedTuple, replace
from qql.rest.limits import DEFAULT_LIMIT, GROUP_SIZE, U32
from qql.rest.named_points import all_named_points, named_points
from qql.rest.request import Request
from qql.rest.types import Body, Json, JsonObject
from qql.syntax.printer import show

__all__ = ["AloneStages", "stage_requests"]


def stage_requests(plan: QueryPlan, request: Request) -> list[StageRun]:
    """The distinct stages of a query, each once, in the order of the request; the root is the first.

    ``request`` is the plan's (`emit_query`), with or without its texts embedded. Two emissions are one stage
    where what is sent for them is equal. The bodies are those of POST …/points/query without payload. For
    QUERY POINTS (…), which searches nothing, the list is empty.
    """
    if isinstance(plan.root.target, nodes.Points) or request.body is None:
        return []
    runs = AloneStages(plan.collection, request.body).all(plan.root)
    labels = _unique_labels(runs)
    return [
        run if run.label == label else replace(run, label=label)
        for run, label in zip(runs, labels, strict=True)
    ]


class _Alone(NamedTuple):
    """A stage as it is run alone: its body, its limit, and where it does otherwise than its words say."""

    body: JsonObject
    limit: int
    notes: tuple[str, ...] = ()


class AloneStages:
    """The stages of a body as they are run alone; `all` walks the plan beside it."""

    def __init__(self, collection: str, body: Body) -> None:
        self.collection = collection
        self.root = body
        self.shared: JsonObject = {"shard_key": body["shard_key"]} if "shard_key" in body else {}
        group = grouped_by(body)
        self.factor = body.get("group_size", GROUP_SIZE) if group else 1
        self.above_all: list[Json] = [{"must_not": [{"is_empty": {"key": group}}]}] if group else []
        self.named: list[int | str] = all_named_points(body, collection)
        self.found: list[StageRun] = []
        self.known: dict[str, int] = {}

    def all(self, root: Stage) -> list[StageRun]:
        self.add((Input(root),), self.root, (), list(self.above_all))
        return self.found

    def add(
        self,
        chain: tuple[Input, ...],
        body: Body,
        path: Path,
        above: list[Body],
    ) -> int:
        """Adds a stage and those below it; gives its position. ``above`` are the ancestors' filters."""
        alone = self.alone(body, above, path)
        # The root holds all others, and is equal to none of them; it may have long vectors.
        key = json.dumps(alone.body, sort_keys=True, default=repr) if path else ""
        at = self.known.get(key)
        if at is not None:
            self.add_path(at, path)
            return at
        at = self.known[key] = len(self.found)
        own = tuple(named_points(body, self.collection))
        label = chain[-1].stage.label
        self.found.append(
            StageRun(label, (path,), chain, alone.body, alone.limit, named=own, notes=alone.notes)
        )
        below = [*above, *([body["filter"]] if body.get("filter") else [])]
        prefetches = zip(chain[-1].stage.inputs, body.get("prefetch") or (), strict=True)
        inputs = [
            self.add((*chain, given), inner, (*path, number), below)
            for number, (given, inner) in enumerate(prefetches)
        ]
        if inputs:
            self.found[at] = replace(self.found[at], inputs=tuple(inputs))
        return at

    def add_path(self, at: int, path: Path) -> None:
        """Notes another place of a stage that was met before, and of those below it."""
        run = self.found[at]
        self.found[at] = replace(run, paths=(*run.paths, path))
        for number, inner in enumerate(run.inputs):
            self.add_path(inner, (*path, number))

    def alone(self, body: Body, above: Sequence[Body], path: Path) -> _Alone:
        """What is sent to run a stage alone."""
        is_root = not path
        out = {key: body[key] for key in _STAGE_KEYS if key in body} | self.shared
        limit = body.get("limit", DEFAULT_LIMIT)
        limit = min((limit + body.get("offset", 0) if is_root else limit) * self.factor, U32)
        notes: tuple[str, ...] = ()
        mmr = mmr_of(out)
        if mmr is not None and not is_root:
            fused = len(path) == 1 and is_own_fusion(Fusion.of(self.root))
            out, limit, notes = self.nested_mmr(out, mmr, limit, fused=fused)
        elif mmr is not None and "candidates_limit" not in mmr:
            # What OFFSET adds to the limit is not among the candidates that Qdrant takes by itself.
            out = _with_candidates(out, mmr, body.get("limit", DEFAULT_LIMIT))
        out["limit"] = limit
        if "prefetch" in out and self.factor > 1:
            out["prefetch"] = [_widened(inner, self.factor) for inner in out["prefetch"]]
        merged = all_filters([*above, self.named_elsewhere(body), body.get("filter") or {}])
        if merged:
            # Qdrant would merge alternatives with those of the prefetches; inside `must` they stay together.
            held = "prefetch" in out and not is_conjunction(merged)
            out["filter"] = {"must": [merged]} if held else merged
        return _Alone(out | {"with_payload": False}, limit, notes)

    def nested_mmr(self, body: JsonObject, mmr: Body, limit: int, *, fused: bool) -> _Alone:
        """MMR below another stage (`leaf_source_from_scoring_query` and `mmr_rescore` of Qdrant 1.19).

        Without prefetches it is a plain search for its candidates, of which a fusion at the root takes as
        many as the limit says (`intermediate_query_infos`); with them it selects from all that they found,
        whatever the number of its candidates and its threshold.
        """
        if not body.get("prefetch"):
            candidates = mmr.get("candidates_limit", limit)
            note = "below another stage, MMR without prefetches is a plain search for its CANDIDATES:"
            note += " DIVERSITY is not applied" if fused else " DIVERSITY and LIMIT are not applied"
            return _Alone(plain_search(body), min(candidates, limit) if fused else candidates, (note,))
        every = min(sum(map(self.slots, body["prefetch"])), U32)
        out = _with_candidates(body, mmr, every)
        dropped = out.pop("score_threshold", None)
        note = "below another stage, MMR selects from all that its prefetches found, and leaves them the"
        note += " scores that they gave: CANDIDATES"
        note += " is not applied" if dropped is None else " and SCORE THRESHOLD are not applied"
        return _Alone(out, limit, (note,))

    def named_elsewhere(self, body: Body) -> JsonObject:
        """What leaves out the points that other stages name; its own, the engine leaves out by itself."""
        own = set(all_named_points(body, self.collection)) if self.named else ()
        others = [key for key in self.named if key not in own]
        return {"must_not": [{"has_id": others}]} if others else {}

    def slots(self, body: Body) -> int:
        """How many points a prefetch can give."""
        limit: int = body.get("limit", DEFAULT_LIMIT) * self.factor
        mmr = mmr_of(body)
        candidates: int = limit if mmr is None or body.get("prefetch") else mmr.get("candidates_limit", limit)
        return candidates


_STAGE_KEYS = ("prefetch", "query", "using", "params", "score_threshold", "lookup_from")


def _with_candidates(body: Body, mmr: Body, count: int) -> JsonObject:
    """The body with so many candidates of its MMR."""
    return {**body, "query": {**body["query"], "mmr": {**mmr, "candidates_limit": count}}}


def _widened(body: Body, factor: int) -> JsonObject:
    """A prefetch as GROUP BY asks for it: its limit and those below multiplied."""
    out = dict(body) | {"limit": min(body.get("limit", DEFAULT_LIMIT) * factor, U32)}
    if out.get("prefetch"):
        out["prefetch"] = [_widened(inner, factor) for inner in out["prefetch"]]
    return out


# ------------------------------------------------------------------------------------ labels


def _unique_labels(runs: Sequence[StageRun]) -> list[str]:
    """A name for each stage: its own, with what the reference adds; alike ones by what is above them."""
    plain = [_run_label(run.given) for run in runs]
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


def _run_label(given: Input) -> str:
    label = given.stage.label
    if given.where is not None:
        label += f" WHERE {show(all_of([given.where]))}"
    if given.threshold is not None:
        label += f" SCORE THRESHOLD {given.threshold}"
    return label
