"""Rules about how many candidates a stage takes, and which stages there are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from qql import nodes
from qql.advice.rules import Found, rule
from qql.advice.view import Use, View, limit_of, listed, rescores, searches
from qql.compiler.plan import Stage
from qql.errors import Span, many
from qql.rest.limits import DEFAULT_LIMIT

__all__ = ["FEW_POINTS", "STAGE_LIMITS", "stage_limits", "thumb_limit"]

STAGE_LIMITS: tuple[tuple[float, int, int], ...] = (
    (100_000, 500, 50),
    (1_000_000, 1000, 100),
    (10_000_000, 2000, 200),
    (float("inf"), 5000, 500),
)
"""Collections below so many points; the LIMIT of the first stage; that of the second. The third has 10."""
FACTOR = 10
"""The rule of thumb: each stage keeps a tenth of the one below it."""
MOST_REDUCTION = 50
FEW_POINTS = 1000
"""Below this, whatever is scanned is scanned at once, and rules of thumb say nothing."""
PAGES = 10
DEEP = 10_000
"""An OFFSET from which on a search is wide for its page."""
_OVERLAP = "local/overlap"
MANY_TEXTS = 1000
"""The most texts that the services which rerank take in one request (Cohere's advice, Voyage's limit)."""


def stage_limits(points: int | None) -> tuple[int, int]:
    """The rule of thumb for the limits of the first two stages; the widest where the size is not known."""
    if points is None:
        return STAGE_LIMITS[-1][1:]
    return next((first, second) for most, first, second in STAGE_LIMITS if points < most)


def thumb_limit(view: View, kept: int, *, first: bool) -> int:
    """The LIMIT of a stage of whose candidates ``kept`` go on, by the rule of thumb.

    Ten for each of them, but no more than the table has where that is still twice as many, and no more than
    there are points; ``first`` is for a stage that searches the collection for another vector to score again.
    """
    points = view.facts.points
    widest = stage_limits(points)[0]
    narrowest = -(-min(widest, points) // FACTOR) if first and points is not None else 0
    advised = max(2 * kept, min(FACTOR * kept, widest), narrowest)
    return min(advised, max(kept, points)) if points else advised


def _advised_limit(view: View, stage: Stage) -> int:
    """The LIMIT that a stage should have, by what uses it."""
    uses = view.site(stage).uses
    first = searches(stage) and any(rescores(use.parent) for use in uses)
    return thumb_limit(view, max(_kept_candidates(view, use.parent) for use in uses), first=first)


def _kept_candidates(view: View, stage: Stage) -> int:
    """How many candidates a stage keeps, or should where it does not say."""
    if view.gathers_candidates(stage):
        assert view.plan is not None and view.plan.second is not None
        return (view.plan.second.top or DEFAULT_LIMIT) + view.plan.second.offset
    if stage.limit is None and not view.is_root(stage):
        return _advised_limit(view, stage)
    return view.kept(stage)


def _rule_of_thumb(view: View) -> str:
    points = view.facts.points
    if points is None:
        return "a rule of thumb is ten candidates for each hit that goes on"
    first, second = stage_limits(points)
    return f"for {points:,} points a rule of thumb is {first} → {second} → {DEFAULT_LIMIT}"


def _written_inputs(view: View, stage: Stage) -> list[Stage]:
    """The inputs, where somebody wrote all of their limits and the stage's own is one of candidates."""
    inputs = [given.stage for given in stage.inputs]
    if view.is_grouped(stage) or view.gathers_candidates(stage):
        return []
    return [] if any(one.limit is None or one.origin is not None for one in inputs) else inputs


@rule(
    "stage-limit-short",
    "A stage gives fewer candidates than are asked of it",
    "A page can only show what the stages below it found.",
    severity="warning",
)
def stage_limit_short(view: View) -> Iterator[Found]:
    """A stage works on what its PREFETCH gave it, so it cannot keep more than that.

    OFFSET counts: it is applied at the end and is not handed down, so a query with LIMIT 10 OFFSET 90
    takes its page from the first hundred candidates. Where the limits below are lower than LIMIT +
    OFFSET, pages are short or empty, and no error says so. With several stages below, the largest of
    them is compared, since they often find the same points. A stage without a LIMIT gives 10. Under
    GROUP BY, LIMIT counts groups, each has a hit at least, and the limits of all stages count for every
    hit of a group.
    """
    for stage in view.stages:
        if not _is_short(view, stage):
            continue
        inputs = [given.stage for given in stage.inputs]
        wanted, largest = view.kept(stage), max(inputs, key=limit_of)
        most, total = limit_of(largest) * view.group_factor, sum(map(limit_of, inputs)) * view.group_factor
        offset = f" ({stage.limit or DEFAULT_LIMIT} behind OFFSET {wanted - limit_of(stage)})"
        asked = many(wanted, "group" if view.is_grouped(stage) else "candidate")
        asked += offset if wanted > limit_of(stage) else ""
        if len(inputs) == 1:
            why = "" if largest.limit else ", since it has no LIMIT"
            gives = f"`{largest.label}` gives at most {most}{why}"
        elif total < wanted:
            gives = f"{listed(one.label for one in inputs)} give {total} together at most"
        else:
            gives = (
                f"none of {listed(one.label for one in inputs)} gives more than {most}, "
                "and they might find the same points"
            )
        at = f"`{largest.label}`" if len(inputs) == 1 else "each of them"
        advised = _advised_limit(view, largest)
        hint = f"LIMIT {advised} in {at}"
        least = -(-wanted // view.group_factor)
        if advised > least:
            hint += f": {least} would do for the page, and {view.title(stage)} chooses among more"
        above, below = view.span(stage, "limit", "offset"), view.span(largest, "limit")
        related = ((above, "needs them"),) if stage.limit is not None else ()
        yield Found(below, f"{view.title(stage)} needs {asked}, and {gives}", hint, related)


def _is_short(view: View, stage: Stage) -> bool:
    inputs = [given.stage for given in stage.inputs]
    if not inputs or view.gathers_candidates(stage) or any(one.origin is not None for one in inputs):
        return False
    return max(map(limit_of, inputs)) * view.group_factor < view.kept(stage)


@rule(
    "stage-without-limit",
    "A stage has no LIMIT",
    "Qdrant takes 10 for a prefetch without a limit, which is rarely meant.",
)
def stage_without_limit(view: View) -> Iterator[Found]:
    """A prefetch without a limit gives ten points, as a query does.

    For a query that is a page; for a stage it means that whatever comes after it can only order those
    ten. The stage should say how many candidates it takes: about ten for each one that the next stage
    keeps. A collection of up to ten points is passed over.
    """
    if view.facts.points is not None and view.facts.points <= DEFAULT_LIMIT:
        return
    for stage in view.stages:
        if stage.limit is not None or stage.origin is not None or view.is_root(stage):
            continue
        parent = max(
            (use.parent for use in view.site(stage).uses), key=lambda one: _kept_candidates(view, one)
        )
        message = f"the stage `{stage.label}` has no LIMIT: Qdrant takes {DEFAULT_LIMIT} candidates"
        keeps = "keeps" if parent.limit is not None or view.is_root(parent) else "should keep"
        kept = f"{view.title(parent)} {keeps} {_kept_candidates(view, parent)} of them"
        yield Found(view.span(stage), message, f"add LIMIT {_advised_limit(view, stage)} to it: {kept}")


@rule(
    "stage-keeps-most",
    "A stage keeps more than half of what it is given",
    "Where most candidates stay, the stage can change their order but not which they are.",
)
def stage_keeps_most(view: View) -> Iterator[Found]:
    """A second stage is worth its cost where it can choose: it needs more candidates than it keeps.

    The rule of thumb is that each stage keeps a tenth. This rule speaks where a stage keeps more than
    half of all that the stages below it can give (the sum of their limits). It is silent about a
    collection that is no larger than those stages, where nothing is cut at all, and about one of fewer than
    1000 points.
    """
    for stage in view.stages:
        inputs = _written_inputs(view, stage)
        wanted, total = view.kept(stage), sum(map(limit_of, inputs))
        largest = max(map(limit_of, inputs), default=0)
        if wanted > largest or wanted * 2 <= total or _is_small(view, largest):
            continue
        below = listed(one.label for one in inputs)
        message = (
            f"{view.title(stage)} keeps {wanted} of the {many(total, 'candidate')} of {below}: more than half"
        )
        at = f"`{inputs[0].label}`" if len(inputs) == 1 else "each of them"
        hint = f"LIMIT {_advised_limit(view, inputs[0])} in {at}; {_rule_of_thumb(view)}"
        related = tuple((view.span(one, "limit"), "its candidates") for one in inputs[:1])
        yield Found(view.span(stage, "limit"), message, hint, related)


@rule(
    "fusion-narrow",
    "A fusion's sources have no more candidates than it shows",
    "What a source ranks just behind its LIMIT counts nothing, though another has it first.",
)
def fusion_narrow(view: View) -> Iterator[Found]:
    """A fusion is good at points that several sources find, and these often stand further down in each.

    Where every source is cut at what the query shows (LIMIT + OFFSET), a point that is eleventh in one of
    them gets nothing for it. Usual are ten times as many candidates as hits. Lower limits are told by
    `stage-limit-short` and `stage-keeps-most`. A fusion whose hits are scored again, and one in a collection
    of fewer than 1000 points, are passed over.
    """
    if view.plan is None or view.plan.second is not None or view.plan.root.fusion is None:
        return
    stage = view.plan.root
    inputs = _written_inputs(view, stage)
    wanted, largest = view.kept(stage), max(map(limit_of, inputs), default=0)
    if len(inputs) < 2 or wanted != largest or wanted * 2 > sum(map(limit_of, inputs)):
        return
    if _is_small(view, largest):
        return
    message = f"none of the {len(inputs):,} sources gives more than the {many(wanted, 'hit')} that"
    message += " the query shows: what a source ranks behind them counts nothing"
    hint = f"LIMIT {_advised_limit(view, inputs[0])} in each of them; {_rule_of_thumb(view)}"
    yield Found(view.span(stage, "limit", "fusion"), message, hint)


@rule(
    "stage-keeps-little",
    "A stage keeps less than a fiftieth of what it is given",
    "Where one stage cuts that much, most of the candidates were fetched for nothing.",
)
def stage_keeps_little(view: View) -> Iterator[Found]:
    """A stage that keeps one of more than fifty candidates does the work of two stages at once.

    A stage between them, which keeps about a tenth, costs less than scoring all of them by the last
    stage's means; or the first stage may take fewer. The largest limit below is compared with LIMIT +
    OFFSET. A query that shows fewer than ten hits is taken to show ten. A query right above a search
    may take as many candidates as the rule of thumb has for the collection's size (500 below 100,000
    points, 1000 below a million, 2000 below ten millions, else 5000; 5000 where the size is not known).
    Fewer than 1000 points are passed over.
    """
    for stage in view.stages:
        inputs = _written_inputs(view, stage)
        if not inputs:
            continue
        largest = max(inputs, key=limit_of)
        wanted = view.kept(stage)
        if view.is_root(stage):
            wanted = max(wanted, DEFAULT_LIMIT)
            if not largest.inputs and limit_of(largest) <= stage_limits(view.facts.points)[0]:
                continue
        if limit_of(largest) <= wanted * MOST_REDUCTION or _is_small(view, limit_of(largest)):
            continue
        message = (
            f"{view.title(stage)} keeps {view.kept(stage)} of the {many(limit_of(largest), 'candidate')} of "
            f"`{largest.label}`: less than a fiftieth"
        )
        hint = f"LIMIT {_advised_limit(view, largest)} in `{largest.label}`, or a stage between them; "
        hint += _rule_of_thumb(view)
        related = ((view.span(largest, "limit"), "its candidates"),)
        yield Found(view.span(stage, "limit"), message, hint, related)


def _is_small(view: View, limit: int) -> bool:
    """Whether a stage takes all points, or all are so few that neither cost nor recall is a question."""
    points = view.facts.points
    return points is not None and (points <= limit or points < FEW_POINTS)


@rule(
    "first-stage-narrow",
    "The first stage is narrow for the size of the collection",
    "What the first stage misses, no later stage finds.",
    needs=("points",),
)
def first_stage_narrow(view: View) -> Iterator[Found]:
    """Recall is decided by the first stage: later ones only order what it found.

    The rule of thumb by the collection's size: 500 candidates below 100,000 points, 1000 below a
    million, 2000 below ten millions, else 5000. This rule speaks of a search whose hits are scored
    again by another vector, and which takes less than a tenth of that. A search that WHERE restricts is
    passed over: how many points are left is not known. So are fewer than 1000 points.
    """
    points = view.facts.points
    if points is None or points < FEW_POINTS:
        return
    first = stage_limits(points)[0]
    for stage in view.stages:
        if not searches(stage) or stage.limit is None or stage.origin is not None:
            continue
        if stage.limit * view.group_factor * FACTOR >= first:
            continue
        if not any(rescores(use.parent) for use in view.site(stage).uses):
            continue
        if view.is_filtered(stage, lambda _: True):
            continue
        message = f"the first stage `{stage.label}` takes {stage.limit} of {points:,} points"
        yield Found(
            view.span(stage, "limit"), message, f"LIMIT {first} in `{stage.label}`; {_rule_of_thumb(view)}"
        )


@rule(
    "limit-beyond-collection",
    "A LIMIT is far above the size of the collection",
    "A limit far above the number of points limits nothing.",
    needs=("points",),
)
def limit_beyond_collection(view: View) -> Iterator[Found]:
    """A LIMIT above 1000 and above ten times the number of points was probably meant for another
    collection.

    It works, but the engine makes room for as many candidates as are asked for. An empty collection is
    passed over: its points are still to come.
    """
    points = view.facts.points
    if not points:
        return
    for stage in view.stages:
        if stage.limit is None or stage.origin is not None or stage.limit <= max(points * 10, 1000):
            continue
        message = f"LIMIT {stage.limit} in {view.title(stage)} is far above the {many(points, 'point')}"
        message += f" of `{view.collection}`"
        hint = f"LIMIT {points} takes all of them; SCROLL walks through a collection"
        yield Found(view.span(stage, "limit"), message, hint)


@rule(
    "deep-offset",
    "A large OFFSET",
    "Every page searches again, for candidates that OFFSET throws away.",
)
def deep_offset(view: View) -> Iterator[Found]:
    """Paging by OFFSET costs more with every page.

    The stages have to take LIMIT + OFFSET candidates, all of them are scored, and all but a page are
    dropped. This rule speaks of an OFFSET beyond ten pages behind prefetches, and of one from 10,000 on in
    a query of one stage. One query with a larger LIMIT, cut into pages by the caller, runs the stages once,
    and its pages do not shift between calls.
    """
    if view.plan is None or view.is_grouped(view.plan.root):
        return
    root, offset = view.plan.root, view.plan.offset or 0
    if root.inputs:
        deep = offset > limit_of(root) * PAGES
        message = f"OFFSET {offset} drops {offset} of {view.kept(root)} hits that all stages have worked for"
    else:
        deep = searches(root) and offset >= DEEP
        message = f"OFFSET {offset} has the search find {view.kept(root)} hits, and drops {offset} of them"
    if not deep:
        return
    hint = "ask once for more hits and cut them into pages, or SCROLL where the order does not matter"
    yield Found(view.span(root, "offset"), message, hint)


# ------------------------------------------------------------------------------------ RERANK


@rule(
    "rerank-keeps-most",
    "RERANK keeps more than half of its candidates",
    "Where most candidates stay, the reranker can change their order but not which they are.",
)
def rerank_keeps_most(view: View) -> Iterator[Found]:
    """A cross-encoder is worth its cost where it can choose.

    LIMIT is the number of candidates that it reads, TOP that of the hits that stay; without TOP all
    candidates are hits. For CROSS RERANK, the candidates are those of all its stages, and LIMIT counts
    hits. Usual are 50 to 200 candidates for ten hits. Fewer than 1000 points are passed over.
    """
    second = view.plan.second if view.plan else None
    if view.plan is None or second is None or second.top is None:
        return
    candidates, kept = limit_of(view.plan.root), second.top + second.offset
    if candidates < kept or 2 * kept <= candidates or _is_small(view, candidates):
        return  # of fewer candidates than hits the compiler warns
    message = f"RERANK keeps {kept} of its {many(candidates, 'candidate')}: more than half"
    enough = max(2 * kept, min(FACTOR * kept, MANY_TEXTS))
    hint = f"LIMIT {enough}, and TOP {second.top} for the hits"
    if view.gathers_candidates(view.plan.root):
        hint = "a higher LIMIT in the stages: their candidates are what it reads"
    yield Found(second.span, message, hint)


@rule(
    "rerank-many",
    "RERANK reads very many texts",
    "A cross-encoder reads every candidate, one by one.",
)
def rerank_many(view: View) -> Iterator[Found]:
    """A reranker's time grows with its candidates: 50 to 200 are usual.

    This rule speaks above 1000, which is also the most that the services take in one request.
    `local/overlap`, which only counts words, is passed over.
    """
    second = view.plan.second if view.plan else None
    if view.plan is None or second is None or (second.model or "").lower() == _OVERLAP:
        return
    candidates = limit_of(view.plan.root)
    if candidates <= MANY_TEXTS or (view.facts.points is not None and view.facts.points <= MANY_TEXTS):
        return
    hint = "LIMIT 100 is a usual number; a stage between them may choose these by another vector"
    if view.gathers_candidates(view.plan.root):
        hint = "a lower LIMIT in the stages: their candidates are what it reads"
    yield Found(second.span, f"RERANK reads the texts of {many(candidates, 'candidate')}", hint)


# ------------------------------------------------------------------------------------ the same twice


@rule(
    "stage-run-twice",
    "A stage is searched more than once",
    "Qdrant shares no stages: each use of one is another search.",
)
def stage_run_twice(view: View) -> Iterator[Found]:
    """A stage that two PREFETCH lists name is emitted twice, and Qdrant searches it twice.

    The answer is right; the time is spent again. Where a lower stage feeds two upper ones, one upper
    stage may do, or the search may be cheap enough. A stage named once by a stage that is itself named
    twice is not reported: the upper one is. References that add a WHERE or a SCORE THRESHOLD of their own
    make different searches of one stage, which could not be shared anyway.
    """
    for stage in view.stages:
        uses = view.site(stage).uses
        if len(uses) < 2 or not any(_same_additions(a, b) for n, a in enumerate(uses) for b in uses[n + 1 :]):
            continue
        count = view.plan.uses[id(stage)] if view.plan else len(uses)
        message = f"the stage `{stage.label}` is searched {count} times: Qdrant shares no stages"
        related = tuple((use.ref.span, "used here") for use in uses if use.ref is not None)
        yield Found(
            view.span(stage), message, "use it once, or take the repeated search into account", related
        )


@rule(
    "same-stage",
    "Two stages are the same search",
    "The same search under two names runs twice and counts twice in a fusion.",
)
def same_stage(view: View) -> Iterator[Found]:
    """Two stages with the same target, vector, filter, limit and inputs find the same points.

    In a fusion they count as two opinions, which doubles one search's weight without saying so;
    `rrf_weights` says so. Often one of the two was meant to search another vector. Points drawn by
    chance are never the same.
    """
    numbers: dict[int, int] = {}
    seen: dict[tuple[object, ...], list[tuple[tuple[object, ...], Stage]]] = {}
    for stage in view.stages:
        inputs = tuple((numbers[id(i.stage)], i.where, i.threshold, i.lookup) for i in stage.inputs)
        key = (
            *(
                stage.target,
                stage.rrf,
                stage.linear,
                stage.where,
                stage.threshold,
                stage.params,
                stage.lookup,
            ),
            stage.model,
            inputs,
        )
        # What can be hashed of a stage parts most of them; the rest is compared.
        named = (stage.fusion, stage.using, stage.limit)
        hashed = (type(stage.target), _mark(stage.target), *named, tuple(n for n, *_ in inputs))
        alike = seen.setdefault(hashed, [])
        twin = next((other for known, other in alike if known == key), None)
        if twin is None or isinstance(stage.target, nodes.Sample):
            alike.append((key, stage))
            numbers[id(stage)] = id(stage)
            continue
        numbers[id(stage)] = numbers[id(twin)]
        if stage.origin is not None or view.is_root(stage) or not _same_uses(view, twin, stage):
            continue
        message = f"the stages `{twin.label}` and `{stage.label}` are the same search"
        hint = "leave one of them out; a weight says how much the other counts: WITH (rrf_weights = […])"
        related: tuple[tuple[Span, str], ...] = ((view.span(twin), "the same search"),)
        yield Found(view.span(stage), message, hint, related)


def _mark(target: nodes.Target | None) -> Hashable:
    """What differs in most targets of a class, as far as it can be hashed."""
    match target:
        case nodes.Vector(value=list() as value) if {*map(type, value)} <= {int, float}:
            return tuple(value)
        case nodes.Text(text=nodes.Scalar(value=str() as value)):
            return value
        case nodes.Point(id=nodes.Scalar(value=int() | str() as value)):
            return value
    return None


def _same_uses(view: View, twin: Stage, stage: Stage) -> bool:
    """Whether any two references to them add the same, so that the searches are the same in the end."""
    return any(_same_additions(one, other) for one in view.site(twin).uses for other in view.site(stage).uses)


def _same_additions(one: Use, other: Use) -> bool:
    """Whether two references add the same to what they refer to."""
    a, b = one.given, other.given
    return (a.where, a.threshold, a.lookup) == (b.where, b.threshold, b.lookup)
