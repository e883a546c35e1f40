"""What would make a point a hit of the whole query: as few changes of its words as it takes, each tried.

What keeps the point out of one stage is known (`why_stage`), and so is what lets it in there. But in the
stages above, it then stands somewhere else. So the query is run with the change, and the point is followed
again, until it is a hit or nothing more is to be changed. Numbers that change the order of a stage (k and
weights of a fusion, factors of a formula, …) are tried beside that, alone and with one change below them.

Of two sets of changes, the smaller is the one with fewer changes; then what does not hang on the order of
equals; then what drops fewer conditions; then what fewer other points enter or leave the hits by; then what
takes fewer candidates more; then what changes a number less, by its ratio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations

from qql import nodes
from qql.analysis.engine import Call, Engine
from qql.analysis.measure import analyse
from qql.analysis.model import Candidate, Id, Path
from qql.analysis.placement import Placement
from qql.analysis.point_queries import DEEPEST, PointQueries, place_of
from qql.analysis.query_body import mmr_of
from qql.analysis.query_edits import Edit, Place, edited, places_in
from qql.analysis.stage_requests import stage_requests
from qql.analysis.why_changes import MOST_CANDIDATES
from qql.analysis.why_result import Change, Obstacle, Standing, Way, Ways
from qql.analysis.why_stage import standing_in
from qql.analysis.why_told import size_of, text_of, told
from qql.analysis.why_trace import QueryTrace, StageTrace
from qql.analysis.why_tuning import Tuning, tunings
from qql.compiler.plan import QueryPlan
from qql.compiler.planner import OVERSAMPLING
from qql.errors import QQLCompileError, QQLExecutionError
from qql.records import NamedTuple, dataclass, replace
from qql.rest.limits import DEFAULT_LIMIT, U32
from qql.rest.request import Request
from qql.rest.types import Body
from qql.syntax.printer import show

__all__ = ["Reranking", "Rewriting", "ways_in"]

Reranking = Callable[[QueryPlan, Request], Sequence[tuple[Id, float, float | None]]]
"""All candidates of a RERANK in the order of its model, before OFFSET and TOP: the id, the score of the
first stage, and that of the model, None where the candidate has no text."""

_MOST_TRIES = 40
"""Changed queries that are run for one point."""
_MOST_RERANKED = 12
"""The same where each is reranked by a model."""
_MOST_TUNED = 8
"""Queries with other numbers that are run beside those, each in one call."""
_TUNED_BY_STAGE = 4
"""Those of one stage: the smallest changes first."""
_MOST_WAYS = 5
_MOST_STEPS = 16
"""Changes in turn on the way from one stage to the hits."""
_AGAIN, _AGAIN_WITH_EQUALS, _AGAIN_RERANKED = 1, 7, 2
"""How often a query is asked again that has the point: the order of equals changes each time."""
_ROOT: Path = ()


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A query's tree, and how a changed one becomes a request whose texts are embedded.

    The stages that the query uses are its own (`with_stages`). ``plan`` raises `QQLCompileError`.
    """

    query: nodes.Query
    plan: Callable[[nodes.Query], tuple[QueryPlan, Request]]


def ways_in(
    trace: QueryTrace,
    rewriting: Rewriting,
    call: Call,
    second: Reranking | None = None,
) -> Ways:
    """The smallest sets of changes, each of which makes the point a hit.

    ``trace`` is that of the query as it is. First each stage that could give the point and
    does not is opened alone, then two of them together, and so on while that could take fewer changes than
    what is found. Raises what ``call`` and ``second`` raise.
    """
    return _Search(trace, rewriting, call, second).run()


class _Budget(Exception):
    """As many changed queries as may be were run."""


class _Place(NamedTuple):
    """Where the point is among the hits: its rank, that of the last hit, whether it is there each time, and
    all of the hits."""

    rank: int
    last: int
    steady: bool
    hits: tuple[Id, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """Edits that make the point a hit, and where it then is."""

    edits: tuple[Edit, ...]
    place: _Place


class _Search:
    def __init__(
        self,
        trace: QueryTrace,
        rewriting: Rewriting,
        call: Call,
        second: Reranking | None,
    ) -> None:
        self.base = trace
        self.rewriting, self.call, self.second = rewriting, call, second
        self.key = trace.key
        self.places = places_in(rewriting.query)
        self.known: dict[frozenset[Edit], _Trial | None] = {}
        self.counted: set[frozenset[Edit]] = set()
        self.obstacles: dict[Path, Obstacle] = {}
        self.entries: dict[Path, frozenset[tuple[object, ...]]] = {}
        self.entered: list[tuple[Path, tuple[Edit, ...]]] = []
        self.outcomes: dict[Path, str] = {}
        self.tuned = 0
        self.found: dict[frozenset[Edit], _Found] = {}

    def run(self) -> Ways:
        """All that was found; also where it had to be stopped."""
        stopped = False
        try:
            self.try_all()
        except _Budget:
            stopped = True
        return Ways(tuple(self.ways()), len(self.counted), stopped, tuple(self.obstacles.values()))

    # -- which stages are opened together

    def try_all(self) -> None:
        closed = self.closed_stages()
        for path in closed:
            self.open((path,))
        for path in closed:
            self.tune((), path)
        for path, edits in self.entered:
            self.tune(edits, path)
        usable = [path for path in closed if path in self.entries]
        for count in range(2, len(usable) + 1):
            for paths in combinations(usable, count):
                least = len(frozenset().union(*(self.entries[path] for path in paths)))
                if least < self.fewest:
                    self.open(paths)

    @property
    def fewest(self) -> float:
        """The number of changes of the smallest set that is found."""
        return min((len(one.edits) for one in self.found.values()), default=math.inf)

    def closed_stages(self) -> list[Path]:
        """The stages that do not give the point although they could; the root first, where it is one.

        A point that the root has and that is no hit yet was left out by OFFSET or RERANK.
        """
        closed = [
            stage.run.paths[0]
            for stage in self.base.stages
            if not stage.place() and (not stage.inputs or any(one.place() for one in stage.inputs))
        ]
        return closed if self.base.stages[0].place() is None else list(dict.fromkeys([_ROOT, *closed]))

    def open(self, paths: Sequence[Path]) -> None:
        """Changes what keeps the point out of some stages, then of those above them, up to the hits."""
        above = {path[:depth] for path in paths for depth in range(len(path) + 1)}
        way = sorted(above, key=len, reverse=True)
        edits: dict[tuple[object, ...], Edit] = {}
        for _ in range(_MOST_STEPS):
            trial = self.trial(edits.values())
            if trial is None:
                return
            entered = paths[0] != _ROOT and all(trial.gives(path) for path in paths)
            if len(paths) == 1 and (entered or (paths[0] == _ROOT and edits)):
                self.note_entry(paths[0], edits)
            if edits and trial.place is not None and (trial.place.steady or not self.more(trial, way, edits)):
                self.entries.setdefault(paths[0], frozenset(edits))
                self.add(trial, tuple(edits.values()))
                return
            more = self.more(trial, way, edits)
            if not more or len(edits) > self.fewest:
                return
            edits |= {edit.key: edit for edit in _wider_first(more, edits)}

    def note_entry(self, path: Path, edits: Mapping[tuple[object, ...], Edit]) -> None:
        """Notes what lets the point into a stage, once; with another number above, one change may do."""
        if path not in self.entries:
            self.entries[path] = frozenset(edits)
            if path != _ROOT and len(edits) == 1:
                self.entered.append((path, tuple(edits.values())))

    # -- other numbers

    def tune(self, edits: tuple[Edit, ...], path: Path) -> None:
        """Tries other numbers of the first stage, from one up to the hits, that keeps the point out.

        Behind a number that lets the point into a stage, what lets it into the next one is tried, too.
        """
        if len(edits) >= self.fewest or self.tuned >= _MOST_TUNED:
            return
        trial = self.trial(edits)
        if trial is None or (edits and trial.place is not None):
            return
        way = [path[:depth] for depth in range(len(path), -1, -1)]
        at = next((one for one in way if one == _ROOT or not trial.gives(one)), _ROOT)
        found = [one.edit for one in self.tunings(trial, at, edits)[:_TUNED_BY_STAGE]]
        more = self.more(trial, way, {one.key: one for one in edits}) if edits else []
        for one in (*found, *(more if len(more) == 1 else ())):
            if len(edits) + 1 <= self.fewest and self.tuned < _MOST_TUNED:
                self.check((*edits, one))
        if found and not edits and at != _ROOT:
            self.entered.append((at, (found[0],)))

    def tunings(self, trial: _Trial, path: Path, edits: tuple[Edit, ...]) -> Sequence[Tuning]:
        """Other numbers of a stage of a query with edits, that let the point through it."""
        query = edited(self.rewriting.query, edits)
        stage, place = trial.stage(path), self.places[path]
        if stage.place() is not None and path != _ROOT:
            return []

        def body_of(edit: Edit) -> Body | None:
            try:
                plan, request = self.rewriting.plan(edited(query, [edit]))
            except QQLCompileError:
                return None
            runs = stage_requests(plan, request)
            return next((run.body for run in runs if path in run.paths), None)

        outcome = "" if edits else self.outcomes.get(path, "")
        try:
            return tunings(stage, place, query, _label_of(stage, place), outcome, body_of)
        except QQLExecutionError:  # a value that the engine refuses, as of a formula that is undefined for it
            return []

    def check(self, edits: tuple[Edit, ...]) -> None:
        """Runs a query with another number, and again, in one call; notes it where the point is a hit."""
        given = frozenset(edits)
        if given in self.counted:
            return
        self.tuned += 1
        if self.base.plan.second is not None or self.base.analysis.grouped:
            trial = self.trial(edits)
            if trial is not None and trial.place is not None:
                self.found.setdefault(given, _Found(edits, trial.place))
            return
        self.counted.add(given)
        try:
            plan, request = self.rewriting.plan(edited(self.rewriting.query, edits))
            body = {**(request.body or {}), "with_payload": False, "with_vector": False}
            again = _AGAIN_WITH_EQUALS if self.base.uneven else _AGAIN
            deeper = {**body, "limit": min(body.get("limit", DEFAULT_LIMIT) + 1, U32)}
            *lists, beyond = self.base.point.queries(*[body] * (1 + again), deeper)
        except (QQLCompileError, QQLExecutionError):  # what was found without it stays
            return
        hits, first = [one.id for one in lists[0]], 1 + (plan.offset or 0)
        if self.key in hits:
            steady = all(place_of(one, self.key) for one in lists) and not _cuts_equals(
                lists[0], beyond, body
            )
            place = _Place(first + hits.index(self.key), first - 1 + len(hits), steady, tuple(hits))
            self.found.setdefault(given, _Found(edits, place))

    def more(self, trial: _Trial, way: Sequence[Path], edits: dict[tuple[object, ...], Edit]) -> list[Edit]:
        """What lets the point into the next stage on its way, as far as that was not changed already."""
        for path in way:
            if path != _ROOT and trial.gives(path):
                continue
            obstacle, found = trial.openings(path)
            if obstacle is not None:
                self.obstacles.setdefault(path, obstacle)
            return [one for one in found if edits.get(one.key) != one]
        return []

    # -- trying

    def trial(self, edits: Iterable[Edit]) -> _Trial | None:
        """The query with the edits; None where it cannot be, or is refused."""
        given = frozenset(edits)
        if given in self.known:
            return self.known[given]
        if not given:
            plan, request = self.base.plan, self.base.point.engine.request
            trial: _Trial | None = _Trial(self, plan, request)
        else:
            self.count(given)
            trial = self.tried(given)
        self.known[given] = trial
        return trial

    def count(self, edits: frozenset[Edit]) -> None:
        """Counts a changed query, each once. Raises `_Budget`."""
        if edits not in self.counted:
            if len(self.counted) >= (_MOST_RERANKED if self.second else _MOST_TRIES):
                raise _Budget
            self.counted.add(edits)

    def tried(self, edits: frozenset[Edit]) -> _Trial | None:
        try:
            trial = _Trial(self, *self.rewriting.plan(edited(self.rewriting.query, edits)))
            _ = trial.place
        except (QQLCompileError, QQLExecutionError) as exc:
            changes = sorted(text_of(self.rewriting.query, one) for one in edits)
            text = f"with {' and '.join(changes)}: {exc.message}"
            self.obstacles.setdefault((-1,), Obstacle("", text))
            return None
        return trial

    def add(self, trial: _Trial, edits: tuple[Edit, ...]) -> None:
        """Notes what makes the point a hit, without what is not needed for it."""
        for one in edits:
            if len(edits) > 1:
                less = tuple(other for other in edits if other is not one)
                if _lets_into_all(one):  # without that, the point is in no stage: it need not be run
                    self.count(frozenset(less))
                    continue
                without = self.trial(less)
                if without is not None and without.place is not None and without.place.steady:
                    edits, trial = less, without
        assert trial.place is not None
        self.found.setdefault(frozenset(edits), _Found(edits, trial.place))

    def ways(self) -> Iterator[Way]:
        """The smallest sets, those of the same clauses once, and the smallest of them first."""
        fewest, query = self.fewest, self.rewriting.query
        best = [one for one in self.found.values() if len(one.edits) == fewest]
        if not best:
            return
        before = self.hits_before
        order = {one.edits: self.preference(one) for one in best}
        best.sort(key=lambda one: order[one.edits])
        different: dict[frozenset[tuple[object, ...]], _Found] = {}
        for one in best:
            different.setdefault(frozenset(edit.key for edit in one.edits), one)
        for one in [*different.values()][:_MOST_WAYS]:
            statement = show(edited(query, one.edits))
            deepest_first = sorted(one.edits, key=lambda edit: -len(edit.address))
            changes = tuple(told(query, edit) for edit in deepest_first)
            out = tuple(key for key in before if key not in one.place.hits)
            entered = len({*one.place.hits} - {*before, self.key})
            place = one.place
            yield Way(
                *(changes, place.rank, place.last, place.steady, statement, out, entered, one.edits),
            )

    def preference(self, found: _Found) -> tuple[object, ...]:
        """What comes first: a hit that does not hang on chance; then what leaves conditions alone; then the
        fewest other points that enter or leave the hits; the fewest candidates more; the least change of a
        number."""
        size = size_of(self.rewriting.query, found.edits)
        others = {*self.hits_before}.symmetric_difference(found.place.hits) - {self.key}
        return not found.place.steady, size.dropped, len(others), size.slots, size.relative

    @cached_property
    def hits_before(self) -> Sequence[Id]:
        """The hits of the query as it is."""
        return _Trial(self, self.base.plan, self.base.point.engine.request).first_hits


def _cuts_equals(hits: Sequence[Candidate], beyond: Sequence[Candidate], body: Body) -> bool:
    """Whether the last hit is equal to the first that LIMIT cuts off; of MMR that is not to be seen."""
    if mmr_of(body) is not None or len(beyond) <= len(hits):
        return False
    return beyond[len(hits)].score == hits[-1].score


class _Trial:
    """A changed query: where the point is among its hits, and what keeps it out of its stages."""

    def __init__(self, search: _Search, plan: QueryPlan, request: Request) -> None:
        self.search, self.plan, self.request = search, plan, request

    @cached_property
    def place(self) -> _Place | None:
        """Where the point is among the hits, as a person gets them."""
        hits, first = self.first_hits, self.first_rank
        rank = next((rank for rank, one in enumerate(hits, first) if one == self.search.key), None)
        if rank is None:
            return None
        uneven = bool(self.trace.uneven) or self._has_uneven_hits()
        if self.plan.second is not None:
            again = _AGAIN_RERANKED if uneven else 0
        else:
            again = _AGAIN_WITH_EQUALS if uneven else _AGAIN
        return _Place(rank, first - 1 + len(hits), self._is_steady(again), tuple(hits))

    @property
    def first_rank(self) -> int:
        """The rank of the first hit; groups are counted from 1 on each page."""
        if self.plan.second is not None:
            return self.plan.second.offset + 1
        return 1 + (0 if self.trace.stages[0].makes_groups else self.trace.analysis.offset)

    @cached_property
    def first_hits(self) -> Sequence[Id]:
        """The hits, of the run that is looked at anyway."""
        if self.plan.second is not None:
            return self._ask()
        return [one.id for one in self.trace.analysis.hits]

    def _has_uneven_hits(self) -> bool:
        """Whether equals among the hits may leave the point out; `_cuts_equals` is for the end of a page."""
        root = self.trace.stages[0]
        if self.plan.second is None and not root.makes_groups and not self.plan.offset:
            return False
        return len(set(root.keys(root.found))) < len(root.found)

    def _is_steady(self, again: int) -> bool:
        """Whether the point is a hit each time that the query is asked ``again``, and no chance decides.

        That it would where the point is equal to the last hit, and to the first one that LIMIT cuts off.
        """
        root = self.trace.stages[0]
        mine = root.place()
        alone = root.makes_groups or self.plan.second is not None
        if mine is not None and not alone and len(set(root.keys([mine[1], root.found[-1]]))) == 1:
            keys = root.keys([mine[1], *self._end_of_page(root)])
            if len(keys) > 2 and len(set(keys)) == 1:
                return False
            if len(keys) > 1 and keys[0] == keys[1] and not self.plan.offset:
                again -= 1  # that was to ask again: as many points as before are as good as this one
        return all(self.search.key in self._ask() for _ in range(again))

    def _end_of_page(self, root: StageTrace) -> Sequence[Candidate]:
        """The last hit, and the first one that LIMIT cuts off, as the query has them now."""
        last, body = root.run.limit - 1, root.run.body
        if mmr_of(body) is not None:  # which has other hits where more are asked for
            return root.point.queries({**body, "limit": min(last + 2, U32)})[0][last:]
        return root.point.queries({**body, "offset": last, "limit": 2})[0]

    def _ask(self) -> Sequence[Id]:
        """The hits, asked for once more."""
        search = self.search
        if self.plan.second is not None and search.second is not None:
            order = [one[0] for one in search.second(self.plan, self.request)]
            first, top = self.plan.second.offset, self.plan.second.top
            return order[first : None if top is None else first + top]
        bare = {**(self.request.body or {}), "with_payload": False, "with_vector": False}
        answer = search.call(replace(self.request, body=bare))
        if "groups" in answer:
            first = self.plan.offset or 0
            return [hit["id"] for group in answer["groups"][first:] for hit in group["hits"]]
        return [hit["id"] for hit in answer["points"]]

    @cached_property
    def trace(self) -> QueryTrace:
        """Its stages, run."""
        base = self.search.base
        if self.request is base.point.engine.request and not base.point.engine.remote:
            return base.tried_whole()
        engine = Engine(self.plan, self.request, self.search.call)
        analysis = analyse(self.plan, self.request, self.search.call, runs=0, compare=False)
        point = PointQueries(engine, self.search.key, base.point.payload)
        return QueryTrace(point, analysis, tries_whole=True, truths=base.conditions.truths)

    def stage(self, path: Path) -> StageTrace:
        """The stage at a place in the request."""
        return next(one for one in self.trace.stages if path in one.run.paths)

    def gives(self, path: Path) -> bool:
        """Whether a stage gives the point."""
        return self.stage(path).place() is not None

    def openings(self, path: Path) -> tuple[Obstacle | None, list[Edit]]:
        """The edits that let the point into a stage, or what no edit changes."""
        stage = self.stage(path)
        standing = standing_in(stage)
        if self.plan is self.search.base.plan:
            self.search.outcomes[path] = standing.outcome
        if path == _ROOT and standing.outcome == "found" and self.plan.second is not None:
            return self._openings_of_second()
        place = self.search.places[path]
        if standing.outcome == "found":  # which the root is, where the order of equals decides
            return None, _by_its_own_list(place, stage)
        if standing.outcome == "filtered":
            found = self._left_out(stage, path)
        else:
            found = [_edit_of(one, place, stage) for one in standing.changes]
            found = found or _widened_maker(standing, place, stage)
            found = found or _by_its_own_list(place, stage)
        return (None, found) if found else (Obstacle(stage.run.label, _untried(standing, stage)), [])

    def _left_out(self, stage: StageTrace, path: Path) -> list[Edit]:
        """The conditions that fail, left out; nothing where that would not do."""
        parts = self.trace.conditions.failed_parts(stage.run)
        if stage.named_by or any(part.source == "GROUP BY" for part in parts):
            return []
        edits = []
        for part in parts:
            place = self.search.places[path[: part.depth]]
            label = stage.run.chain[part.depth].stage.label
            if part.source == "reference":
                assert place.reference is not None
                edits.append(Edit(place.reference, "WHERE", None, part.text, True, label))
            else:
                edits.append(Edit(place.address, "WHERE", None, part.text, False, label))
        return edits

    def _openings_of_second(self) -> tuple[Obstacle | None, list[Edit]]:
        """The edits where the point is a candidate of RERANK and no hit."""
        second, search = self.plan.second, self.search
        assert second is not None and search.second is not None
        order = [one[0] for one in search.second(self.plan, self.request)]
        rank = next((rank for rank, one in enumerate(order, 1) if one == search.key), None)
        if rank is None:
            return Obstacle("RERANK", "it is none of the candidates"), []
        if rank <= second.offset:
            return None, [Edit(("",), "OFFSET", rank - 1)]
        return None, [Edit(("",), "TOP", rank - second.offset)]


# ------------------------------------------------------------------------------------ changes as edits


def _wider_first(more: list[Edit], edits: Mapping[tuple[object, ...], Edit]) -> list[Edit]:
    """Where a search with a greater LIMIT has missed the point, a little more of it before an exact search.

    That is one change less.
    """
    if not more or any(edit.word not in ("exact", "indexed_only") for edit in more):
        return more
    limit = edits.get(replace(more[0], word="LIMIT").key)
    if limit is None or not isinstance(limit.value, int) or limit.widened:
        return more
    return [replace(limit, value=-(-limit.value * 3 // 2), widened=True)]


def _untried(standing: Standing, stage: StageTrace) -> str:
    """What is said of a stage that no words open."""
    wide = mmr_of(stage.run.body) is not None and (standing.rank or 0) > MOST_CANDIDATES
    return standing.text + (f"; more than {MOST_CANDIDATES} CANDIDATES are not tried" if wide else "")


def _by_its_own_list(place: Place, stage: StageTrace) -> list[Edit]:
    """LIMIT by the rank in the stage's own list, which may be another one than an exact search has."""
    if place.made or stage.makes_groups:
        return []
    body = {**stage.run.body, "limit": DEEPEST}
    lists = stage.point.queries(*[body] * (_AGAIN_WITH_EQUALS if stage.depends_on_chance else 1))
    mine = [(found, place_of(found, stage.key)) for found in lists]
    last = [
        Placement.among("", at[1].score, at[0], stage.keys(found)).last
        for found, at in mine
        if at is not None
    ]
    if not last or max(last) <= stage.run.limit:
        return []
    room = stage.slots.changes_for(Placement.alone(max(last)))
    return [_edit_of(one, place, stage) for one in room or ()]


def _edit_of(change: Change, place: Place, stage: StageTrace) -> Edit:
    """A change of a stage as an edit of its words."""
    address, inside, word = place.address, False, change.word
    if word == "SCORE THRESHOLD" and stage.run.given.threshold is not None:
        assert place.reference is not None
        address, inside = place.reference, True
    if word == "CANDIDATES" and not isinstance(stage.run.stage.target, nodes.Mmr):
        word = "mmr_candidates"
    return Edit(address, word, change.value, None, inside, _label_of(stage, place))


def _label_of(stage: StageTrace, place: Place) -> str:
    """The name of the stage in whose words the place is."""
    return stage.run.chain[-2].stage.label if place.made else stage.run.stage.label


def _widened_maker(standing: Standing, place: Place, stage: StageTrace) -> list[Edit]:
    """Of a stage that nobody wrote: the LIMIT of the query that sets its own."""
    if not place.made or standing.rank is None or standing.rank <= stage.run.limit:
        return []
    more = -(-standing.rank // OVERSAMPLING) - (stage.trace.plan.offset or 0)
    return [Edit(place.address, "LIMIT", max(more, 1), label=_label_of(stage, place))]


def _lets_into_all(edit: Edit) -> bool:
    """Whether a change leaves out a part of the query's own WHERE, which keeps the point out of all."""
    return edit.word == "WHERE" and edit.address == ("",) and not edit.in_reference
