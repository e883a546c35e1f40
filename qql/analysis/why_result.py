"""What WHY answers: where a point stood in each stage, what kept it out, and what would let it in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain

from qql.analysis.model import Id
from qql.analysis.score_parts import ScoreParts
from qql.analysis.text import joined
from qql.errors import many
from qql.records import dataclass, field, fields
from qql.rest.types import Json, JsonObject
from qql.syntax.printer import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.analysis.query_edits import Edit

__all__ = ["Change", "Explanation", "FailedCondition", "Obstacle", "Standing", "Way", "Ways", "WordsChange"]


@dataclass(frozen=True, slots=True)
class Change:
    """A clause, or a search parameter, and the value that it would need: ``LIMIT 73``, ``exact = true``."""

    word: str
    value: int | float | str

    def __str__(self) -> str:
        between = " = " if self.word.islower() else " "
        return f"{self.word}{between}{show(self.value)}"


@dataclass(frozen=True, slots=True)
class FailedCondition:
    """A condition that the point does not satisfy, as QQL, and where it was written.

    ``stage`` is the label of the stage whose words it stands in, ``source`` its ``WHERE`` (of the stage),
    ``reference`` (of PREFETCH) or ``GROUP BY`` (which leaves out points without the field). ``note`` says
    where the point has no such field, or nothing in it that could be compared.
    """

    text: str
    stage: str
    source: str
    note: str | None = None

    def __str__(self) -> str:
        where = {"stage": f"WHERE of {self.stage}", "reference": f"WHERE of the reference to {self.stage}"}
        note = f": {self.note}" if self.note else ""
        return f"{self.text} ({where.get(self.source, self.source)}{note})"


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of the point in one stage.

    ``outcome`` is ``found``, or what kept it out:

    * ``filtered``: ``failed`` names the conditions. ``named``: a stage names the point, which keeps it out
      of all of them.
    * ``no-vector``; ``no-value``: ORDER BY a field that it lacks; ``before-start``: its value stands before
      START FROM; ``no-match``: nothing in common with what is searched for; ``no-group``: GROUP BY makes
      groups of texts and integers, and its value is neither.
    * ``below-threshold``: SCORE THRESHOLD. ``cut``: LIMIT (of MMR: CANDIDATES too). ``outranked``: the LIMIT
      of a fusion. ``tie``: it is equal to the last one, and chance decides which of the equals are taken.
    * ``approximate``: an exact search has it within LIMIT. ``diversity``: MMR preferred others to it.
    * ``not-in-inputs``: no stage below gives it.
    * ``earlier-page``: OFFSET. ``group-full`` and ``group-cut``: SIZE and LIMIT of GROUP BY. ``reranked``:
      the TOP of RERANK.
    * ``chance``: SAMPLE, or an engine that answers otherwise when it is asked again. ``shards``: a fusion
      below is computed by each shard for itself, or a server's MMR below gives other points than alone.
      ``unexplained``.

    ``rank`` counts from 1. Where the point was kept out, it is the place at which it would stand with more
    slots: of vectors, in an exact search; of ``diversity``, in the order of MMR; of ``group-full``, in its
    group; of ``group-cut``, that of its group. None beyond `DEEPEST`, and where there is none. ``changes``,
    where it is simple, are what would let the point into the stage, all of them together. ``parts`` are those
    of the score, where WHY is asked about one point, and the score is a sum.
    """

    label: str
    depth: int
    outcome: str
    text: str
    rank: int | None = None
    score: float | None = None
    failed: tuple[FailedCondition, ...] = ()
    changes: tuple[Change, ...] = ()
    path: tuple[int, ...] = ()
    parts: ScoreParts | None = None

    @property
    def hint(self) -> str | None:
        """The changes as a sentence: ``LIMIT 73 would let it in``."""
        if not self.changes:
            return None
        into = "into this stage" if self.path else "in"
        return f"{' and '.join(map(str, self.changes))} would let it {into}"

    @property
    def told(self) -> str:
        """The text, and the hint behind it."""
        return self.text if self.hint is None else f"{self.text} ({self.hint})"


@dataclass(frozen=True, slots=True)
class WordsChange:
    """A change of the words of a query, as text, and in its parts.

    ``word`` is the clause or the option, ``value`` what it is to say, ``before`` what it says now, or what
    holds where it says nothing; None where that is nothing. Of FORMULA they are one of its numbers. Of WHERE,
    ``condition`` is what is left out. ``stage`` is the name of the stage, None for the query; ``source`` says
    whether it is changed in the ``stage``'s own words or at its ``reference`` in PREFETCH.
    """

    text: str
    word: str
    value: Json
    condition: str | None
    stage: str | None
    source: str
    before: Json = None


@dataclass(frozen=True, slots=True)
class Way:
    """Changes that together make the point a hit, tried: it then is hit ``rank`` of those up to ``last``.

    ``steady``: it was a hit each time; otherwise the order of equals decides. ``statement`` is the changed
    query, as QQL. ``pushed_out`` are the hits of the query as it is that are none then, ``entered`` how many
    points are hits beside the one that was asked for, and were none. ``edits`` are the changes for who makes
    them in another tree; they are no part of the JSON data.
    """

    changes: tuple[WordsChange, ...]
    rank: int
    last: int
    steady: bool
    statement: str
    pushed_out: tuple[Id, ...] = ()
    entered: int = 0
    edits: tuple[Edit, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        chance = "" if self.steady else ", but chance decides, among equals"
        texts = ", ".join(one.text for one in self.changes)
        return f"{texts} (tried: hit {self.rank} of {self.last}{chance}{self._pushed_out()})"

    def _pushed_out(self) -> str:
        """Whose place it takes, as words behind others."""
        shown = [str(key) for key in self.pushed_out[:_SHOWN_IDS]]
        more = len(self.pushed_out) - len(shown)
        if more:
            shown.append(f"{more} more")
        return f"; pushes out {joined(shown)}" if shown else ""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What no change of a query's words takes away, and the label of the stage where it stands."""

    stage: str
    text: str


@dataclass(frozen=True, slots=True)
class Ways:
    """What would make a point a hit: ``found``, each in the same number of changes, the fewest that do.

    The smallest stands first (`why_ways` says what is small). ``tries`` is how many changed queries were
    looked at for that; ``stopped``: there was more to try. ``obstacles`` are what kept the point out where
    nothing could be changed.
    """

    found: tuple[Way, ...]
    tries: int
    stopped: bool
    obstacles: tuple[Obstacle, ...]

    def lines(self) -> list[str]:
        """As text: a line for each way, or one that says that there is none."""
        if self.found:
            first, *others = self.found
            more = (f"{'or by':>{len(_MADE)}} {one}" for one in others[: _SHOWN_WAYS - 1])
            return [f"{_MADE} {first}", *more]
        why = "; ".join(f"{one.stage}: {one.text}" if one.stage else one.text for one in self.obstacles)
        said = f": {why}" if why else ""
        if self.stopped:
            return [f"of {self.tries} changed queries that were tried, none makes it a hit{said}"]
        return [f"no limit, threshold, filter or number of this query makes it a hit{said}"]


_SHOWN_WAYS = 3
_SHOWN_IDS = 3
_MADE = "made a hit by"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to WHY and WHY NOT. ``rank`` and ``score`` are those of the hit, None where it is none.

    ``outcome`` is ``hit``, ``no-point``, or that of the first standing; ``reason`` says it in a sentence.
    ``standings`` has the root first, then the stages in the order of the request; where RERANK is followed
    too, it stands before the root, with the label ``RERANK``, and all others one deeper. ``ways`` are what
    would make the point a hit; None where it is one, or the query can be changed by nobody here. ``calls`` is
    how often the engine was called for the answer.
    """

    id: Id
    outcome: str
    reason: str
    rank: int | None = None
    score: float | None = None
    standings: tuple[Standing, ...] = field(default=())
    ways: Ways | None = None
    calls: int = 0

    @property
    def is_hit(self) -> bool:
        """Whether the query answers with the point."""
        return self.outcome == "hit"

    def lines(self) -> list[str]:
        """The answer as text: the reason, what would make it a hit, then a line for each stage."""
        return [
            self.reason,
            *(self.ways.lines() if self.ways else ()),
            *chain.from_iterable(map(self._lines_of, self.standings)),
            *self._cost(),
        ]

    def _cost(self) -> list[str]:
        """What it took to find that out, where queries were changed for it."""
        if self.ways is None or not self.ways.tries:
            return []
        tried = many(self.ways.tries, "changed query", "changed queries")
        return [f"tried {tried}, in {self.calls} calls in all"]

    def _lines_of(self, one: Standing) -> Iterator[str]:
        """A stage, and below it the parts of its score."""
        indent = "  " * (one.depth + 1)
        yield f"{indent}{one.label}: {self._told(one)}"
        if one.parts is not None:
            yield from (f"{indent}  {line}" for line in one.parts.lines())

    def _told(self, standing: Standing) -> str:
        """What is said of a stage; what lets the point into the hits is said before."""
        return standing.told if standing.path or self.ways is None else standing.text

    def to_dict(self) -> JsonObject:
        """As JSON data: the fields; ``standings`` and their ``failed`` and ``changes`` are objects."""
        found: JsonObject = json.loads(json.dumps(self, default=_by_field))
        return found


def _by_field(one: Explanation | ScoreParts) -> JsonObject:
    """What an object holds, by the names of its fields; or what stands in one does."""
    if isinstance(one, ScoreParts):
        return one.to_dict()
    return {field.name: getattr(one, field.name) for field in fields(one) if field.name != "edits"}
