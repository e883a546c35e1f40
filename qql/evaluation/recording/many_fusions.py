"""Fusions of the same lists with thousands of settings, by numpy: in 32 bits, step by step, as engines do.

What a list gives to its points is a row of numbers over all points; a fusion is a sum of rows, in the order
of its inputs. Which rows and sums there are is seen once for all queries (`FusionProgram`); for each query,
rows are filled, and sums are made many at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Generic, TypeVar

import numpy

from qql.analysis.fusion import Fusion, ascending, contributions, rank_keys
from qql.analysis.model import Candidate, Id, Path
from qql.evaluation.recording.recipes import Found, Fusing, Part, Recipe
from qql.evaluation.recording.recomputing import EQUAL, NEEDS_RUN, TIES, Evaluation, NeedsRun
from qql.records import NamedTuple
from qql.rest.fusion import f32

__all__ = ["Answers", "FusionProgram", "ListRow", "ListSum", "Source"]

Array = Any
"""An array of numpy."""
_T = TypeVar("_T")
_AT_ONCE = 1 << 19
"""Numbers that are summed at once: they fit into a processor's cache."""
_CODES = numpy.array([EQUAL, TIES, NEEDS_RUN], dtype=object)


class ListRow(NamedTuple):
    """What the list of a part gives to its points, in a fusion with this one list."""

    part: int
    fusion: Fusion


class ListSum(NamedTuple):
    """Rows to add, and the SCORE THRESHOLD of the sums."""

    rows: tuple[int, ...]
    threshold: float | None


class Source(NamedTuple):
    """A list as a fusion takes it; ``tied``: the order of equals matters; ``why`` it is none, or an estimate.

    ``ascends``: it goes from small to large scores.
    """

    found: Sequence[Candidate] = ()
    tied: bool = False
    none: bool = False
    why: tuple[str, ...] = ()
    ascends: bool = False


class _Numbers(Generic[_T]):
    """Distinct things, numbered as they come."""

    def __init__(self) -> None:
        self.known: dict[_T, int] = {}

    def of(self, one: _T) -> int:
        return self.known.setdefault(one, len(self.known))


class FusionProgram:
    """The fusions of some settings: what is computed for each query."""

    def __init__(self, recipes: Mapping[int, Recipe], top: int | None) -> None:
        """``recipes`` by the numbers of their settings; each root is a fusion."""
        parts, rows, sums = _Numbers[Part](), _Numbers[ListRow](), _Numbers[ListSum]()
        self.settings: Array = numpy.array([*recipes], dtype=numpy.intp)
        of: list[int] = []
        cuts: list[tuple[int, int]] = []
        inputs: dict[tuple[Part, ...], tuple[int, ...]] = {}
        for recipe in recipes.values():
            root = recipe.root
            assert isinstance(root, Fusing)
            if root.inputs not in inputs:
                inputs[root.inputs] = tuple(map(parts.of, root.inputs))
            of.append(sums.of(_sum_of(root, inputs[root.inputs], rows)))
            end = root.cut.limit if top is None else min(root.cut.limit, recipe.offset + top)
            cuts.append((recipe.offset, end))
        self.parts: list[Part] = [*parts.known]
        self.rows: list[ListRow] = [*rows.known]
        self.sums: list[ListSum] = [*sums.known]
        self.of: Array = numpy.array(of, dtype=numpy.intp)
        self.offsets: Array = numpy.array([one for one, _ in cuts], dtype=numpy.intp)
        self.ends: Array = numpy.array([one for _, one in cuts], dtype=numpy.intp)
        self.width: int = max((end - offset for offset, end in cuts), default=0)
        self.depths: Array = numpy.zeros(len(self.sums), dtype=numpy.intp)
        numpy.maximum.at(self.depths, self.of, self.ends)
        self.row_parts: Array = numpy.array([one.part for one in self.rows], dtype=numpy.intp)
        self.batches: list[tuple[Array, Array, bool]] = self._batches()

    def _batches(self) -> list[tuple[Array, Array, bool]]:
        """Sums with as many rows: their numbers, their rows, and whether every point of a list gets more
        than 0; those with short lists first, so that sums of one batch look at as few points as they can."""
        found: dict[tuple[int, bool], list[int]] = {}
        for at, one in enumerate(self.sums):
            positive = all(_is_positive(self.rows[row].fusion) for row in one.rows)
            found.setdefault((len(one.rows), positive), []).append(at)
        out = []
        for (_, positive), some in found.items():
            some.sort(key=lambda at: max(self._most(row) for row in self.sums[at].rows))
            numbers = numpy.array(some, dtype=numpy.intp)
            rows = numpy.array([self.sums[at].rows for at in some], dtype=numpy.intp)
            out.append((numbers, rows, positive))
        return out

    def _most(self, row: int) -> int:
        return self.parts[self.rows[row].part].cut.limit

    def answered(self, evaluation: Evaluation) -> Answers:
        """All of it for one query."""
        return Answers(self, evaluation)


def _sum_of(root: Fusing, parts: Sequence[int], rows: _Numbers[ListRow]) -> ListSum:
    fusion = root.fusion
    weights = fusion.weights or (1.0,) * len(parts)
    alone = [
        Fusion("rrf", fusion.k, (weight,)) if fusion.method == "rrf" else Fusion("dbsf") for weight in weights
    ]
    numbers = tuple(rows.of(ListRow(part, one)) for part, one in zip(parts, alone, strict=True))
    return ListSum(numbers, root.cut.threshold)


def _is_positive(fusion: Fusion) -> bool:
    return fusion.method == "rrf" and f32((fusion.weights or (1.0,))[0]) > 0


class Answers:
    """The answers to one query.

    ``ids`` are the points of all columns; ``places`` has a row of columns for each setting of the program,
    -1 behind the last hit; ``codes`` are the verdicts' numbers, ``reasons`` those of settings by number.
    """

    def __init__(self, program: FusionProgram, evaluation: Evaluation) -> None:
        self.program: FusionProgram = program
        self.evaluation: Evaluation = evaluation
        self._first_ties: dict[Path, int] = {}
        self.sources: list[Source] = [self._source(part) for part in program.parts]
        ids, last = _columns(self.sources)
        self.ids: list[Id] = ids
        self.last: Array = last
        count, depth = len(program.sums), int(program.depths.max(initial=0))
        self.best: Array = numpy.full((count, depth + 1), -1, dtype=numpy.int32)
        self.scores: Array = numpy.full((count, depth + 1), -numpy.inf, dtype=numpy.float32)
        lost = self._lost_rows()
        values, has = self._matrix(lost)
        for numbers, rows, positive in program.batches:
            self._add_up(numbers, rows, values, None if positive else has)
        self._cut(lost)

    # -- lists

    def _source(self, part: Part) -> Source:
        evaluation = self.evaluation
        try:
            if isinstance(part, Found):
                passing, whole = evaluation.passing(part)
                found = passing[: part.cut.limit]
                tied = self._first_tie(part) < len(found) or (not whole and len(found) == len(passing))
            else:
                given = evaluation.given(part)
                found, tied = given.found, not given.bounds.settled
        except NeedsRun as why:
            return Source(none=True, why=(str(why),))
        return Source(found, tied, why=evaluation.doubts(part, root=False), ascends=ascending(found))

    def _first_tie(self, part: Found) -> int:
        """The first position whose point is equal to the next one's; of no such one, the length."""
        if part.path not in self._first_ties:
            keys = rank_keys(self.evaluation.candidates(part.path), part.by_value)
            pairs = enumerate(pairwise(keys))
            equal = (at for at, (one, other) in pairs if one == other and not part.by_id)
            self._first_ties[part.path] = next(equal, len(keys))
        return self._first_ties[part.path]

    def _lost_rows(self) -> Array:
        """Which rows nobody can fill: those of no list, and of distances of which the end is not known."""
        unknown = self.evaluation.row.turned is None
        lost = [
            self.sources[row.part].none
            or (unknown and row.fusion.method == "dbsf" and self.sources[row.part].ascends)
            for row in self.program.rows
        ]
        return numpy.array(lost, dtype=bool)

    def _matrix(self, lost: Array) -> tuple[Array, Array]:
        """All rows over all points: 0 where a list lacks one; and which it has."""
        columns = {key: at for at, key in enumerate(self.ids)}
        places = [
            numpy.array([columns[one.id] for one in source.found], dtype=numpy.intp)
            for source in self.sources
        ]
        values = numpy.zeros((len(self.program.rows), len(self.ids)), dtype=numpy.float32)
        part_has = numpy.zeros((len(self.sources), len(self.ids)), dtype=bool)
        for at, one in enumerate(places):
            part_has[at, one] = True
        for at, row in enumerate(self.program.rows):
            if not lost[at]:
                values[at, places[row.part]] = self._row(row)
        return values, part_has

    def _row(self, row: ListRow) -> Array:
        found = self.sources[row.part].found
        if row.fusion.method == "rrf":
            weight = (row.fusion.weights or (1.0,))[0]
            return _rrf_row(1 << max(len(found) - 1, 1).bit_length(), row.fusion.k, weight)[: len(found)]
        turned = bool(self.evaluation.row.turned)
        (given,) = contributions(row.fusion, [found], by_direction=turned)
        return numpy.fromiter(given.values(), dtype=numpy.float32, count=len(found))

    # -- sums

    def _add_up(self, numbers: Array, rows: Array, values: Array, has: Array | None) -> None:
        parts = self.program.row_parts[rows]
        widths = self.last[parts].max(axis=1)
        at = 0
        while at < len(numbers):
            # Lists grow from sum to sum, so the last of a batch is about the one that needs most points.
            step = max(1, _AT_ONCE // max(1, int(widths[at])))
            some = slice(at, at + step)
            width = int(widths[some].max())
            total = values[rows[some, 0], :width]
            for one in range(1, rows.shape[1]):
                total += values[rows[some, one], :width]
            if has is not None:
                total[~has[parts[some], :width].any(axis=1)] = -numpy.inf
            depth = int(self.program.depths[numbers[some]].max()) + 1
            self._keep_best(numbers[some], total, depth, least=0.0 if has is None else -numpy.inf)
            at += step

    def _keep_best(self, numbers: Array, total: Array, depth: int, least: float) -> None:
        """The columns of the greatest numbers of each row that are above ``least``, the greatest first."""
        bar = numpy.full(len(total), least, dtype=numpy.float32)
        head = 4 * depth
        if head < total.shape[1]:  # among the first points stand most of the best: a bar for the others
            place = head - depth
            bar = numpy.maximum(bar, numpy.partition(total[:, :head], place, axis=1)[:, place])
        above = (total >= bar[:, None]) & (total > least)
        row, column = numpy.divmod(numpy.flatnonzero(above), total.shape[1])
        scores = total[row, column]
        order = numpy.lexsort((-scores, row))
        row, column, scores = row[order], column[order], scores[order]
        counts = numpy.bincount(row, minlength=len(total))
        rank = numpy.arange(len(row)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
        kept = rank < depth
        row, rank = numbers[row[kept]], rank[kept]
        self.best[row, rank] = column[kept]
        self.scores[row, rank] = scores[kept]

    # -- answers

    def _cut(self, lost: Array) -> None:
        program = self.program
        none, doubted, tied = self._flags(lost)
        counts = numpy.isfinite(self.scores).sum(axis=1)
        thresholds = numpy.array(
            [-numpy.inf if one.threshold is None else f32(one.threshold) for one in program.sums],
            dtype=numpy.float32,
        )
        counts = numpy.minimum(counts, (self.scores >= thresholds[:, None]).sum(axis=1))
        equal = (self.scores[:, 1:] == self.scores[:, :-1]) & numpy.isfinite(self.scores[:, 1:])
        first_equal = numpy.where(equal.any(axis=1), equal.argmax(axis=1), self.scores.shape[1])
        ends = numpy.minimum(program.ends, counts[program.of])
        columns = program.offsets[:, None] + numpy.arange(program.width)[None, :]
        inside = (columns < ends[:, None]) & ~none[program.of][:, None]
        best = self.best[program.of[:, None], numpy.minimum(columns, self.best.shape[1] - 1)]
        self.places: Array = numpy.where(inside, best, -1)
        open_order = tied[program.of] | (first_equal[program.of] < ends)
        unsure = none[program.of] | doubted[program.of]
        self.verdicts: list[str] = _CODES[numpy.where(unsure, 2, numpy.where(open_order, 1, 0))].tolist()
        self.reasons: dict[int, tuple[str, ...]] = {
            int(program.settings[at]): self._why(program.sums[program.of[at]], lost)
            for at in numpy.flatnonzero(unsure)
        }

    def _flags(self, lost: Array) -> tuple[Array, Array, Array]:
        """Of each sum: whether there is none, whether it is an estimate, whether ties below it matter."""
        sources = self.sources
        doubted = numpy.array([bool(one.why) for one in sources], dtype=bool)
        tied = numpy.array([one.tied for one in sources], dtype=bool)
        out = [numpy.zeros(len(self.program.sums), dtype=bool) for _ in range(3)]
        for numbers, rows, _ in self.program.batches:
            parts = self.program.row_parts[rows]
            for flags, one in zip(out, (lost[rows], doubted[parts], tied[parts]), strict=True):
                flags[numbers] = one.any(axis=1)
        none, doubtful, open_order = out
        return none, doubtful, open_order

    def _why(self, one: ListSum, lost: Array) -> tuple[str, ...]:
        why: list[str] = []
        for at in one.rows:
            source = self.sources[self.program.rows[at].part]
            why += source.why
            if lost[at] and not source.none:
                why.append("DBSF of distances: no recorded stage shows which end the engine prefers")
        return tuple(dict.fromkeys(why))


def _columns(sources: Sequence[Source]) -> tuple[list[Id], Array]:
    """All points, those first that stand high in any list; and behind which column each list has none."""
    ranks: dict[Id, int] = {}
    for source in sources:
        for rank, one in enumerate(source.found):
            if ranks.get(one.id, rank) >= rank:
                ranks[one.id] = rank
    ids = sorted(ranks, key=ranks.__getitem__)
    columns = {key: at for at, key in enumerate(ids)}
    last = [max((columns[one.id] + 1 for one in source.found), default=1) for source in sources]
    return ids, numpy.array(last, dtype=numpy.intp)


@lru_cache(8192)
def _rrf_row(count: int, k: float, weight: float) -> Array:
    """`rrf_score` of the first positions, by the same steps in 32 bits."""
    one, wide = numpy.float32(1.0), numpy.float32(weight)
    if wide <= 0:
        return numpy.zeros(count, dtype=numpy.float32)
    ranks = numpy.arange(1, count + 1, dtype=numpy.float32) / wide
    with numpy.errstate(divide="ignore"):
        return one / ((ranks + numpy.float32(k)) - one)
