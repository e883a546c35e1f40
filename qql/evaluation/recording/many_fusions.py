"""Fusions of the same lists with thousands of settings, by numpy: in 32 bits, step by step, as engines do.

What a list gives to its points is a row of numbers over all points; a fusion is a sum of rows, in the order
of its inputs. Which rows and sums there are is seen once for all queries (`FusionProgram`); for each query,
rows are filled, and sums are made many at once: of the points that some setting can put among the first
(`contenders`), where ranks alone tell which these are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Generic, TypeVar

import numpy

from qql.analysis.fusion import Fusion, ascending, contributions, rank_keys
from qql.analysis.model import Candidate, Id, Path
from qql.evaluation.recording.contenders import contenders, falls_with_rank, rrf_row
from qql.evaluation.recording.recipes import Found, Fusing, Part, Recipe
from qql.evaluation.recording.recomputing import EQUAL, NEEDS_RUN, TIES, Evaluation, NeedsRun
from qql.records import NamedTuple
from qql.rest.fusion import f32

__all__ = ["Answers", "FusionProgram", "ListRow", "ListSum", "Source"]

Array = Any
"""An array of numpy."""
Order = Callable[[Id], Any]
"""What equals are ordered by, the least first."""
_T = TypeVar("_T")
_AT_ONCE = 1 << 19
"""Numbers that are summed at once: they fit into a processor's cache."""
_FEW = 256
"""Points of which the best are found at once."""
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
        groups = _Numbers[object]()
        self.groups: list[int] = [
            groups.of(one.path if isinstance(one, Found) else one) for one in self.parts
        ]
        """Parts that are cuts of one list have one number."""
        self.rows_of_parts: dict[int, list[int]] = {}
        for at, one in enumerate(self.rows):
            self.rows_of_parts.setdefault(one.part, []).append(at)
        self._ranked: dict[int, Ranked] = {}
        self.thresholds: Array = numpy.array(
            [-numpy.inf if one.threshold is None else f32(one.threshold) for one in self.sums],
            dtype=numpy.float32,
        )
        self.batches: list[Batch] = self._batches()
        self.head: int = max((int(self.depths[one.numbers].max()) + 1 for one in self.batches), default=1)

    def _batches(self) -> list[Batch]:
        """Those with short lists first, so that sums that are made at once look at few points."""
        found: dict[tuple[int, bool, bool], list[int]] = {}
        ranked = [falls_with_rank(one.fusion, self._most(at)) for at, one in enumerate(self.rows)]
        for at, one in enumerate(self.sums):
            positive = all(_is_positive(self.rows[row].fusion) for row in one.rows)
            lists = {self.groups[self.rows[row].part] for row in one.rows}
            by_rank = len(lists) == len(one.rows) and all(ranked[row] for row in one.rows)
            found.setdefault((len(one.rows), positive, by_rank), []).append(at)
        out = []
        for (_, positive, by_rank), some in found.items():
            some.sort(key=lambda at: max(self._most(row) for row in self.sums[at].rows))
            numbers = numpy.array(some, dtype=numpy.intp)
            rows = numpy.array([self.sums[at].rows for at in some], dtype=numpy.intp)
            out.append(Batch(numbers, rows, positive, by_rank))
        return out

    def _most(self, row: int) -> int:
        return self.parts[self.rows[row].part].cut.limit

    def ranked(self, part: int, count: int) -> Ranked:
        """What ranks alone give to the first ``count`` points of a part's list, or more of them."""
        known = self._ranked.get(part)
        if known is None or known.table.shape[1] < count:
            fusions = [self.rows[at].fusion for at in self.rows_of_parts[part]]
            own = [at for at, one in enumerate(fusions) if one.method == "rrf"]
            others = [at for at, one in enumerate(fusions) if one.method != "rrf"]
            count = 1 << max(count - 1, 1).bit_length()
            table = numpy.empty((len(own), count), dtype=numpy.float32)
            for to, at in enumerate(own):
                table[to] = rrf_row(count, fusions[at])
            known = self._ranked[part] = Ranked(own, table, others)
        return known

    def answered(self, evaluation: Evaluation, order: Order | None = None) -> Answers:
        """All of it for one query; without ``order``, equals stand by their best place in any list."""
        return Answers(self, evaluation, order)


class Ranked(NamedTuple):
    """Of the rows of a part, those that hang on ranks alone, what they give, and the others."""

    rows: list[int]
    table: Array
    others: list[int]


class Batch(NamedTuple):
    """Sums of as many rows: their numbers, and their rows.

    ``positive``: every point of a list gets more than 0. ``by_rank``: the higher a point stands in lists, the
    more it gets, and no list comes in twice.
    """

    numbers: Array
    rows: Array
    positive: bool
    by_rank: bool


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
    -1 behind the last hit; ``reasons`` are those of settings by number, ``estimates`` the settings that have
    an answer beside such reasons.
    """

    def __init__(self, program: FusionProgram, evaluation: Evaluation, order: Order | None = None) -> None:
        self.program: FusionProgram = program
        self.evaluation: Evaluation = evaluation
        self._first_ties: dict[Path, int] = {}
        self.sources: list[Source] = [self._source(part) for part in program.parts]
        self.ids: list[Id] = _columns(self.sources)
        self.ranks: Array = self._ranks_of_ids(order)
        count, depth = len(program.sums), int(program.depths.max(initial=0))
        self.best: Array = numpy.full((count, depth + 1), -1, dtype=numpy.int32)
        self.scores: Array = numpy.full((count, depth + 1), -numpy.inf, dtype=numpy.float32)
        lost = self._lost_rows()
        places = self._places()
        some = contenders(places, program.groups, self.ranks, program.head)
        every: Array = numpy.arange(len(self.ids))
        for by_rank, columns in ((True, some), (False, every)):
            batches = [one for one in program.batches if one.by_rank == by_rank]
            if batches:
                self._add_batches(batches, columns, self._matrix(lost, places, columns))
        self._cut(lost)

    def _ranks_of_ids(self, order: Order | None) -> Array:
        """Where each column stands among equals."""
        ranks = numpy.arange(len(self.ids))
        if order is not None:
            keys = [order(one) for one in self.ids]
            ranks[sorted(range(len(keys)), key=keys.__getitem__)] = numpy.arange(len(keys))
        return ranks

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

    def _places(self) -> list[Array]:
        """The columns of the points of each source, in its order."""
        columns = {key: at for at, key in enumerate(self.ids)}
        known: dict[int, Array] = {}
        out = []
        for group, source in zip(self.program.groups, self.sources, strict=True):
            found = known.get(group)
            if found is None or len(found) < len(source.found):
                found = numpy.array([columns[one.id] for one in source.found], dtype=numpy.intp)
                known[group] = found
            out.append(found[: len(source.found)])
        return out

    def _matrix(self, lost: Array, places: Sequence[Array], columns: Array) -> _Matrix:
        """All rows over some points: 0 where a list lacks one; which it has; behind which it has none."""
        among = numpy.full(len(self.ids), -1, dtype=numpy.intp)
        among[columns] = numpy.arange(len(columns))
        there = [among[one] for one in places]
        kept = [one >= 0 for one in there]
        there = [one[some] for one, some in zip(there, kept, strict=True)]
        values = numpy.zeros((len(self.program.rows), len(columns)), dtype=numpy.float32)
        has = numpy.zeros((len(self.sources), len(columns)), dtype=bool)
        for at, one in enumerate(there):
            has[at, one] = True
        for part, numbers in self.program.rows_of_parts.items():
            table = self._rows(part, numbers)[:, kept[part]]
            values[numpy.array(numbers)[:, None], there[part]] = table
        values[lost] = 0
        last = [int(one.max()) + 1 if len(one) else 1 for one in there]
        return _Matrix(values, has, numpy.array(last, dtype=numpy.intp))

    def _rows(self, part: int, numbers: Sequence[int]) -> Array:
        """What a part's list gives to each of its points, in each of some rows."""
        found = self.sources[part].found
        out = numpy.empty((len(numbers), len(found)), dtype=numpy.float32)
        ranked = self.program.ranked(part, len(found))
        out[ranked.rows] = ranked.table[:, : len(found)]
        for at in ranked.others:
            turned = bool(self.evaluation.row.turned)
            fusion = self.program.rows[numbers[at]].fusion
            (given,) = contributions(fusion, [found], by_direction=turned)
            out[at] = numpy.fromiter(given.values(), dtype=numpy.float32, count=len(found))
        return out

    # -- sums

    def _add_batches(self, batches: Sequence[Batch], columns: Array, matrix: _Matrix) -> None:
        ranks = self.ranks[columns]
        by_rank = numpy.empty(len(columns), dtype=numpy.int32)
        by_rank[numpy.argsort(ranks, kind="stable")] = numpy.arange(len(columns), dtype=numpy.int32)
        for one in batches:
            self._add_up(one, columns, by_rank, matrix)

    def _add_up(self, batch: Batch, columns: Array, ranks: Array, matrix: _Matrix) -> None:
        numbers, rows, values = batch.numbers, batch.rows, matrix.values
        parts = self.program.row_parts[rows]
        widths = matrix.last[parts].max(axis=1)
        at = 0
        while at < len(numbers):
            # Lists grow from sum to sum, so the last of a batch is about the one that needs most points.
            step = max(1, _AT_ONCE // max(1, int(widths[at])))
            some = slice(at, at + step)
            width = int(widths[some].max())
            total = values[rows[some, 0], :width]
            for one in range(1, rows.shape[1]):
                total += values[rows[some, one], :width]
            if not batch.positive:
                total[~matrix.has[parts[some], :width].any(axis=1)] = -numpy.inf
            depth = int(self.program.depths[numbers[some]].max()) + 1
            least = 0.0 if batch.positive else -numpy.inf
            self._keep_best(numbers[some], total, depth, least, columns, ranks)
            at += step

    def _keep_best(
        self, numbers: Array, total: Array, depth: int, least: float, columns: Array, ranks: Array
    ) -> None:
        """The columns of the greatest numbers of each row that are above ``least``, the greatest first; of
        equal ones those of the least rank."""
        width = total.shape[1]
        bar = numpy.full(len(total), least, dtype=numpy.float32)
        if depth < width:
            # Among the first points stand most of the best: a bar for the others.
            head = width if width <= _FEW else min(4 * depth, width)
            bar = numpy.maximum(bar, numpy.partition(total[:, :head], head - depth, axis=1)[:, head - depth])
        above = numpy.flatnonzero((total >= bar[:, None]) & (total > least))
        row, column = numpy.divmod(above, width)
        scores = total.ravel()[above]
        row, column, scores = _sorted_rows(row, column, scores, ranks)
        counts = numpy.bincount(row, minlength=len(total))
        rank = numpy.arange(len(row)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
        kept = rank < depth
        row, rank = numbers[row[kept]], rank[kept]
        self.best[row, rank] = columns[column[kept]]
        self.scores[row, rank] = scores[kept]

    # -- answers

    def _cut(self, lost: Array) -> None:
        program = self.program
        none, doubted, tied = self._flags(lost)
        counts = numpy.isfinite(self.scores).sum(axis=1)
        counts = numpy.minimum(counts, (self.scores >= program.thresholds[:, None]).sum(axis=1))
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
        guessed = program.settings[unsure & ~none[program.of]]
        self.estimates: set[int] = {*guessed.tolist()}
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
        for batch in self.program.batches:
            parts = self.program.row_parts[batch.rows]
            for flags, one in zip(out, (lost[batch.rows], doubted[parts], tied[parts]), strict=True):
                flags[batch.numbers] = one.any(axis=1)
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


class _Matrix(NamedTuple):
    """Rows of numbers over points, by the program's numbers of rows; which points each part has, and behind
    which column it has none."""

    values: Array
    has: Array
    last: Array


_RANKS, _ROWS = 17, 14
"""Bits of a rank and of a row beside the 32 of a score, in one number to sort by."""


def _sorted_rows(row: Array, column: Array, scores: Array, ranks: Array) -> tuple[Array, Array, Array]:
    """Entries by their rows, then the greatest scores first, then by the ranks of their columns."""
    if len(ranks) >> _RANKS or (len(row) and int(row[-1]) >> _ROWS):
        order = numpy.lexsort((ranks[column], -scores, row))
        return row[order], column[order], scores[order]
    # One sort of whole numbers takes a fifth of the time. The bits of floats are in their order where these
    # are not negative, and against it below; the sum makes the two zeros one.
    bits = (scores + numpy.float32(0)).view(numpy.int32).astype(numpy.int64)
    bits = numpy.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    lifted = (1 << 31) - 1 - bits
    keys = (row << (32 + _RANKS)) | (lifted << _RANKS) | ranks[column]
    keys.sort()
    columns = numpy.empty(len(ranks), dtype=numpy.int64)
    columns[ranks] = numpy.arange(len(ranks))
    bits = (1 << 31) - 1 - ((keys >> _RANKS) & 0xFFFFFFFF)
    bits = numpy.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    found = bits.astype(numpy.int32).view(numpy.float32)
    return keys >> (32 + _RANKS), columns[keys & ((1 << _RANKS) - 1)], found


def _columns(sources: Sequence[Source]) -> list[Id]:
    """All points, those first that stand high in any list."""
    ranks: dict[Id, int] = {}
    for source in sources:
        for rank, one in enumerate(source.found):
            if ranks.get(one.id, rank) >= rank:
                ranks[one.id] = rank
    return sorted(ranks, key=ranks.__getitem__)
