"""The rows of the table: what is measured, beside what, and the ratio to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ROWS", "Row"]


@dataclass(frozen=True)
class Row:
    """``make`` is ``module:function``; it gives the sides, ours first, then the one of the ratio.

    ``at_least`` and ``aimed_at`` are CPU time of ours by theirs, at most so much; for ``throughput`` they are
    theirs by ours, at least so much; for ``ms`` milliseconds of CPU, which depend on the machine.
    ``sample`` is the CPU seconds of a turn.
    """

    word: str
    what: str
    make: str
    at_least: float
    aimed_at: float
    kind: Literal["ratio", "throughput", "ms"] = "ratio"
    rounds: int = 21
    sample: float = 0.04

    def ratio(self, ours: float, theirs: float) -> float:
        if self.kind == "throughput":
            return theirs / ours
        return ours / theirs if self.kind == "ratio" else ours * 1000

    def reached(self, ratio: float) -> str:
        """``aimed at``, ``at least`` or ``no``."""
        for name, bound in (("aimed at", self.aimed_at), ("at least", self.at_least)):
            if ratio >= bound if self.kind == "throughput" else ratio <= bound:
                return name
        return "no"


ROWS = (
    Row("prepared", "prepared, bound: a checked request", "compiling:prepared", 0.12, 0.08),
    Row("vector", "the same with a vector of 384", "compiling:prepared_vector", 0.25, 0.15),
    Row("seen", "compile, text seen before", "compiling:seen_before", 0.10, 0.02),
    Row("shape", "compile, known shape, new literals", "compiling:known_shape", 1.0, 0.8),
    Row("never", "compile, never seen", "compiling:never_seen", 12, 6),
    Row("script", "script of 20 statements, never seen", "compiling:script", 10, 4),
    Row("upsert-vectors", "UPSERT text, 1000 x 384", "compiling:upsert_vectors", 1.0, 0.5, rounds=11),
    Row("upsert-small", "UPSERT text, README's spelling", "compiling:upsert_readme", 25, 10, rounds=11),
    Row("chain", "60 stages that double: refused, ms", "compiling:chain", 5, 1, kind="ms"),
    Row("version", "qql --version", "programs:version", 1.5, 1.2, rounds=15),
    Row("check", "qql check", "programs:check", 5, 2.5, rounds=15),
    Row("explain", "qql explain", "programs:explain", 5, 2.5, rounds=15),
    Row("run", "qql run, on the engine", "programs:run", 2.5, 1.4, rounds=11),
    Row("prompt", "first prompt", "programs:prompt", 8, 5, rounds=11),
    Row("scroll", "SCROLL 1000 with a filter", "engine:scroll", 1.2, 1.1),
    Row("facet", "FACET with a filter", "engine:facet", 1.2, 1.1),
    Row("facet-all", "FACET of all points", "engine:facet_all", 1.2, 1.1),
    Row("count", "COUNT with a filter", "engine:count", 1.2, 1.1),
    Row("why", "WHY NOT", "engine:why", 8, 5),
    Row("rest", "hybrid over REST, the client", "servers:hybrid", 1.1, 0.8),
    Row("edge", "hybrid on the engine, prepared", "engine:hybrid", 1.15, 1.05),
    Row("copy", "COPY, rows a second", "loading:copy", 0.7, 0.85, kind="throughput", rounds=10, sample=0),
)
