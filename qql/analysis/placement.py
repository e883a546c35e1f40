"""How many points a stage can take, and where a point would stand among those that it could take."""

from __future__ import annotations

from collections.abc import Sequence

from qql import nodes
from qql.analysis.fusion import RankKey
from qql.analysis.model import StageRun
from qql.analysis.why_result import Change
from qql.compiler.plan import QueryPlan
from qql.compiler.scalars import scalar_value
from qql.records import NamedTuple, dataclass
from qql.rest.limits import DEFAULT_LIMIT

__all__ = ["Placement", "Slots", "slots_of"]


class Placement(NamedTuple):
    """Where the point would stand: by what, at which rank, and the ranks of those that are equal to it.

    ``by`` says in words what it is placed by. The rank is None beyond the deepest that is looked at.
    """

    by: str
    score: float | None
    rank: int | None = None
    first: int = 0
    last: int = 0

    @classmethod
    def among(cls, by: str, score: float, rank: int | None, keys: Sequence[RankKey]) -> Placement:
        """In a list that goes by the keys."""
        if rank is None:
            return cls(by, score)
        mine = keys[rank - 1]
        first = next((at + 1 for at in range(rank - 1, 0, -1) if keys[at - 1] != mine), 1)
        last = next((at for at in range(rank, len(keys)) if keys[at] != mine), len(keys))
        return cls(by, score, rank, first, last)

    @classmethod
    def alone(cls, rank: int) -> Placement:
        """At a rank where nothing is equal to it."""
        return cls("", None, rank, rank, rank)

    def is_split(self, count: int, keys: Sequence[RankKey]) -> bool:
        """Whether a limit keeps some of the equals and cuts others off."""
        return self.rank is not None and self.last > count and keys[count - 1] == keys[self.rank - 1]


@dataclass(frozen=True, slots=True)
class Slots:
    """How many points a stage can take, and the words that say so.

    ``word`` is the clause, ``limit`` what it says (or Qdrant takes for it), ``factor`` the SIZE that GROUP BY
    multiplies it by. ``notes`` say where the number comes from. ``fixed``: the user cannot change it.
    ``beside`` is another clause, and its number, that bounds the same list.
    """

    count: int
    word: str
    limit: int
    offset: int = 0
    factor: int = 1
    notes: tuple[str, ...] = ()
    fixed: bool = False
    beside: tuple[str, int] | None = None

    def cut_text(self) -> str:
        """The words, as a sentence about what they do."""
        page = f" OFFSET {self.offset}" if self.offset else ""
        notes = "".join(f", {note}" for note in self.notes) + ("," if self.notes else "")
        return f"{self.word} {self.limit}{page}{notes} cuts it off"

    def changes_for(self, place: Placement) -> tuple[Change, ...] | None:
        """What makes room for the point and its equals: nothing where there is; None where no word does."""
        if place.last > self.count:
            parted = place.first <= self.offset
            value = -(-place.last // self.factor) - self.offset
            if self.fixed or parted:
                return None
            narrow = self.beside is not None and value > self.beside[1]
            words = (self.word, self.beside[0]) if self.beside is not None and narrow else (self.word,)
            return tuple(Change(word, value) for word in words)
        if place.first > self.offset:
            return ()
        start = max(0, place.last - self.limit)
        return (Change("OFFSET", start),) if place.first > start else None


def slots_of(run: StageRun, plan: QueryPlan) -> Slots:
    """The slots of a stage's own list: of MMR, of the points that it chooses."""
    limit, origin = run.stage.limit, run.stage.origin
    said = DEFAULT_LIMIT if limit is None else limit
    default = ("Qdrant's default",) if limit is None else ()
    if run.depth == 0:
        candidates = ("the number of candidates",) if plan.second else ()
        return Slots(run.limit, "LIMIT", said, plan.offset or 0, notes=default + candidates)
    target, factor = run.stage.target, run.limit // said
    beside: tuple[str, int] | None = None
    if isinstance(target, nodes.Mmr) and target.candidates is not None and not run.inputs:
        above = run.chain[0].stage
        fused = len(run.chain) == 2 and above.fusion is not None and above.linear is None
        if not fused:
            return Slots(run.limit, "CANDIDATES", run.limit)
        most = int(str(scalar_value(target.candidates)))
        if most < said:
            return Slots(run.limit, "CANDIDATES", run.limit, beside=("LIMIT", said))
        beside = ("CANDIDATES", most)
    size = (f"times SIZE {factor}",) if factor > 1 else ()
    sets = (f"which {origin} sets",) if origin else ()
    notes = (*sets, *default, *size)
    return Slots(run.limit, "LIMIT", said, 0, factor, notes, bool(origin), beside)
