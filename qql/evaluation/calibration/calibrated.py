"""What `calibrate` gives: a curve, a pipeline, and what queries that had no part in the fit say of it."""

from __future__ import annotations

from collections.abc import Mapping

from qql.errors import Diagnostic, many
from qql.evaluation.calibration.curves import Curve
from qql.evaluation.measures import Measure
from qql.evaluation.sections import Report, Section
from qql.records import dataclass
from qql.rest.types import JsonObject

__all__ = ["Calibrated", "MeasureBeside", "Quality"]


@dataclass(frozen=True, slots=True)
class MeasureBeside:
    """The means of a measure before and after; ``low`` to ``high`` is the 95% interval of the difference, by
    a bootstrap over queries, and ``p`` that of a randomization test."""

    before: float
    after: float
    low: float
    high: float
    p: float

    @property
    def difference(self) -> float:
        """How much more it is after."""
        return self.after - self.before

    def to_dict(self) -> JsonObject:
        """``{"before", "after", "difference", "low", "high", "p"}``."""
        return {
            "before": self.before,
            "after": self.after,
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "p": self.p,
        }


@dataclass(frozen=True, slots=True)
class Quality:
    """How well probabilities are calibrated.

    ``base_brier`` and ``base_log_loss`` are those of one probability for all candidates: the share of
    relevant ones that the other folds have.
    """

    brier: float
    log_loss: float
    calibration_error: float
    base_brier: float
    base_log_loss: float

    def to_dict(self) -> JsonObject:
        """A key for each figure."""
        return {
            "brier": self.brier,
            "log_loss": self.log_loss,
            "calibration_error": self.calibration_error,
            "base_brier": self.base_brier,
            "base_log_loss": self.base_log_loss,
        }


@dataclass(frozen=True, slots=True)
class Calibrated(Report):
    """A calibrated pipeline.

    ``text`` is the pipeline with ``curve``, which all judged queries have fitted. ``measures`` and
    ``quality`` are of held-out queries: each was ranked by a curve that the other ``folds`` have fitted.
    ``queries``, ``candidates``, ``relevant`` and ``unjudged`` count what there was to fit. ``better``: by the
    first measure, the whole interval of the difference is above 0.
    """

    text: str
    curve: Curve
    measures: Mapping[Measure, MeasureBeside]
    quality: Quality
    folds: int
    queries: int
    candidates: int
    relevant: int
    unjudged: int
    notes: tuple[Diagnostic, ...] = ()

    @property
    def better(self) -> bool:
        """Whether it is better than the fusion that was there, by more than chance."""
        return next(iter(self.measures.values())).low > 0

    @property
    def verdict(self) -> str:
        """A sentence with the figures."""
        measure, found = next(iter(self.measures.items()))
        word = "better" if self.better else "not better"
        return (
            f"{word}: {measure} {found.before:.4f} → {found.after:.4f}, {found.difference:+.4f} "
            f"(95% from {found.low:+.4f} to {found.high:+.4f}, p = {found.p:.2g}) on "
            f"{many(self.queries, 'query', 'queries')} that had no part in the fit of {self.folds} folds"
        )

    @property
    def script(self) -> str:
        """The text with the verdict and the figures above it, as comments."""
        return "\n".join(f"-- {line}" for line in self._lines()) + "\n" + self.text

    def _lines(self) -> list[str]:
        quality = self.quality
        return [
            "calibrated fusion: the score is the probability that a hit is relevant",
            f"fitted on {many(self.candidates, 'candidate')} of {many(self.queries, 'query', 'queries')}, "
            f"{self.relevant} relevant",
            self.verdict,
            f"on the same: Brier {quality.brier:.4f} (one probability for all: {quality.base_brier:.4f}), "
            f"log loss {quality.log_loss:.4f} ({quality.base_log_loss:.4f}), "
            f"calibration error {quality.calibration_error:.4f}",
        ]

    def sections(self) -> list[Section]:
        """The verdict, the measures, the curve, and the pipeline."""
        curves: list[JsonObject] = [
            {"stage": one.label, "log-odds per score": one.slope, "absent": one.absent}
            for one in self.curve.stages
        ]
        return [
            Section(self.verdict, self.rows()),
            Section("The curve", curves, (f"intercept {self.curve.intercept:g}", *self._lines()[1::2])),
            Section("The pipeline", [], (), self.text),
        ]

    def rows(self) -> list[JsonObject]:
        """A row for each measure."""
        return [
            {"measure": str(measure)} | {key: round(value, 4) for key, value in found.to_dict().items()}
            for measure, found in self.measures.items()
        ]

    def to_dict(self) -> JsonObject:
        """``{"better", "verdict", "text", "curve", "measures", "quality", "folds", "queries", "candidates",
        "relevant", "unjudged", "notes"}``."""
        return {
            "better": self.better,
            "verdict": self.verdict,
            "text": self.text,
            "curve": self.curve.to_dict(),
            "measures": {str(measure): found.to_dict() for measure, found in self.measures.items()},
            "quality": self.quality.to_dict(),
            "folds": self.folds,
            "queries": self.queries,
            "candidates": self.candidates,
            "relevant": self.relevant,
            "unjudged": self.unjudged,
            "notes": [one.to_dict() for one in self.notes],
        }
