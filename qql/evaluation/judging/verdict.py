"""What came out of judging: which pipeline is better, how sure that is, and what it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qql.errors import Diagnostic, many
from qql.evaluation.faults import InputError, argument
from qql.evaluation.files import Query
from qql.evaluation.judging.differences import Bounds
from qql.evaluation.judging.judgement_file import GivenJudgement
from qql.evaluation.judging.judging import Decision, Judging
from qql.evaluation.sections import Report, Section, stamp_section
from qql.records import dataclass, field
from qql.rest.types import JsonObject

if TYPE_CHECKING:
    from qql.session.stamp import Stamp

__all__ = ["ENDS", "SORTS", "Verdict"]

ENDS = {
    "decided": "",
    "hopeless": "Whatever the rest turns out to be, these queries cannot decide it",
    "nothing left": "It is open, and all that is left was skipped",
    "stopped": "It is open: the judge stopped",
    "most": "It is open: as many judgements as were wanted are there",
    "interrupted": "It is open: Ctrl-C stopped the judge",
}
"""Why judging ended, and what is said of it."""
SORTS = ("delta", "width", "left")
"""What rows of queries are sorted by: the middle of the bounds (the worst for B first), what is open, and the
number of documents to judge (the most first)."""


@dataclass(frozen=True, slots=True)
class Verdict(Report):
    """Pipeline B beside A, with the fewest judgements.

    ``end`` says why it ended (a key of `ENDS`), ``made`` are the judgements that were given for it, in their
    order, ``judging`` has all that is known. Differences are B's value of the measure minus A's, -1 to 1.
    """

    a: str
    b: str
    judging: Judging
    queries: tuple[Query, ...]
    end: str
    made: tuple[GivenJudgement, ...] = ()
    notes: tuple[Diagnostic, ...] = field(default=(), compare=False)
    stamp: Stamp | None = field(default=None, compare=False)

    @property
    def better(self) -> str | None:
        """The name of the better pipeline; None where it is open, and where they are equal."""
        return {"A": self.a, "B": self.b}.get(self.judging.verdict or "")

    @property
    def decided(self) -> bool:
        """Whether it is known which one is better, or that neither is."""
        return self.judging.verdict is not None

    def sentence(self) -> str:
        """The verdict in words."""
        return self._sentence(self.judging.decision())

    def _sentence(self, now: Decision) -> str:
        of_log = self.judging.scope == "log"
        where = f"these {many(len(self.queries), 'query', 'queries')}" if of_log else "queries of this kind"
        found, bounds = (now.of_log, now.log) if of_log else (now.of_population, now.population)
        difference = f"the mean difference is {bounds.low:+.4f} to {bounds.high:+.4f}"
        sure = "" if of_log else f" ({100 * (1 - self.judging.alpha):.4g} % sure, however often one looks)"
        if found is None:
            return f"{ENDS[self.end]}. On {where} {difference}{sure}."
        if found == "equal":
            small = self.judging.smallest
            differ = f"differ by more than {small:g}" if small else "differ"
            both = f"{self.a} and {self.b}"
            return f"On {where} {both} do not {differ} by {self.judging.measure}: {difference}{sure}."
        better, other = (self.b, self.a) if found == "B" else (self.a, self.b)
        return f"On {where} {better} is better than {other} by {self.judging.measure}: {difference}{sure}."

    def sections(self) -> list[Section]:
        """The verdicts on both scopes, and what they took."""
        now, judging = self.judging.decision(), self.judging
        same = sum(judging.is_same(query) for query in judging.queries)
        needed = judging.documents - judging.judged_before
        share = f" ({judging.asked / needed:.0%})" if needed else ""
        notes = [
            self._sentence(now),
            f"{many(judging.asked, 'judgement')} of the {needed:,} that judging everything would take{share}",
        ]
        if judging.judged_before:
            notes.append(f"{judging.judged_before:,} were there before")
        if judging.skipped:
            notes.append(f"{many(judging.skipped, 'document')} skipped")
        if same:
            notes.append(
                f"{many(same, 'query has', 'queries have')} the same documents at the same ranks in both"
            )
        rows = [
            self._scope_row("these queries", now.of_log, now.log),
            self._scope_row("queries of this kind", now.of_population, now.population),
        ]
        over = many(len(self.queries), "query", "queries")
        named = (self.a, self.b) == ("A", "B")
        pair = "B against A" if named else f"{self.b} (B) against {self.a} (A)"
        title = f"{pair} by {judging.measure}, over {over}"
        stamp = [] if self.stamp is None else [stamp_section(self.stamp)]
        return [Section(title, rows, tuple(notes)), *stamp]

    def _scope_row(self, about: str, found: str | None, bounds: Bounds) -> JsonObject:
        words = {"A": f"{self.a} is better", "B": f"{self.b} is better", "equal": "no difference"}
        row: JsonObject = {"on": about, "verdict": words.get(found or "", "open")}
        return row | {"least": f"{bounds.low:+.4f}", "most": f"{bounds.high:+.4f}"}

    def rows(self, sort: str | None = None) -> list[JsonObject]:
        """A row a query: ``query``, ``text``, the bounds of its difference (``least``, ``most``), and how
        many of its documents are ``judged``, and ``left`` that could change it.

        ``sort`` is one of `SORTS`. Raises `InputError` ``usage`` for another.
        """
        rows = [self._row(query) for query in self.queries]
        match sort:
            case None:
                return rows
            case "delta":
                return sorted(rows, key=lambda row: row["least"] + row["most"])
            case "width":
                return sorted(rows, key=lambda row: row["least"] - row["most"])
            case "left":
                return sorted(rows, key=lambda row: -row["left"])
        message = f"{argument('sort', sort)}: rows are sorted by {', '.join(SORTS)}"
        raise InputError.make("usage", message)

    def _row(self, query: Query) -> JsonObject:
        bounds = self.judging.bounds(query.id)
        row: JsonObject = {"query": query.id, "text": str(query.params.get("query", ""))}
        row |= {"least": round(bounds.low, 4), "most": round(bounds.high, 4)}
        return row | {"judged": len(self.judging.judged(query.id)), "left": self.judging.left(query.id)}

    def to_dict(self) -> JsonObject:
        """As JSON data. Keys are added in later versions, never renamed or removed.

        ``{"version": 1, "a", "b", "measure", "scope", "verdict", "end", "sentence", "log", "population",
        "alpha", "smallest", "judgements", "rows", "made", "notes", "stamp"}``; ``verdict`` is ``"A"``,
        ``"B"``, ``"equal"`` or None.
        """
        now, judging = self.judging.decision(), self.judging
        return {
            "version": 1,
            "a": self.a,
            "b": self.b,
            "measure": str(judging.measure),
            "scope": judging.scope,
            "verdict": judging.verdict,
            "end": self.end,
            "sentence": self._sentence(now),
            "log": {"verdict": now.of_log, "least": now.log.low, "most": now.log.high},
            "population": {
                "verdict": now.of_population,
                "least": now.population.low,
                "most": now.population.high,
                "p": now.p,
                "hopeless": now.hopeless,
            },
            "alpha": judging.alpha,
            "smallest": judging.smallest,
            "judgements": {
                "asked": judging.asked,
                "skipped": judging.skipped,
                "before": judging.judged_before,
                "all": judging.documents,
            },
            "rows": self.rows(),
            "made": [one.to_dict() for one in self.made],
            "notes": [one.to_dict() for one in self.notes],
            "stamp": None if self.stamp is None else self.stamp.to_dict(),
        }
