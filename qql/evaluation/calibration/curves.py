"""What a fitted curve makes of a point, and a pipeline that says so in one FORMULA."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from qql import nodes
from qql.compiler.options.query import FUSION_OPTIONS, LINEAR_OPTIONS
from qql.errors import Source
from qql.evaluation.faults import InputError
from qql.records import dataclass, replace
from qql.rest.fusion import f32
from qql.rest.types import JsonObject
from qql.syntax.formatter import format_tree
from qql.syntax.parser import parse_script

__all__ = ["Curve", "StageCurve", "with_curve"]

_LEAST_SLOPE = 1e-6
"""Of a stage whose scores say nothing: what is absent is told by a score, so a slope is never 0."""


@dataclass(frozen=True, slots=True)
class StageCurve:
    """What a stage adds to the log-odds: ``slope`` for each unit of its score, ``absent`` for no score."""

    label: str
    slope: float
    absent: float

    @property
    def default(self) -> float:
        """The score that stands for none: the formula of the pipeline gives it to what the stage lacks."""
        return _short(self.absent / self.slope)

    def of(self, score: float | None) -> float:
        """The log-odds that a score adds; None is that of a point which the stage lacks."""
        return self.slope * (self.default if score is None else score)


@dataclass(frozen=True, slots=True)
class Curve:
    """A logistic curve over the scores of stages: the log-odds of being relevant are linear in them.

    All numbers are as short as they stand in the pipeline, and within 32 bits, as engines keep them.
    """

    intercept: float
    stages: tuple[StageCurve, ...]

    @classmethod
    def of(
        cls, intercept: float, labels: Sequence[str], slopes: Sequence[float], absent: Sequence[float]
    ) -> Curve:
        """A curve of numbers as they were fitted."""
        return cls(
            _short(intercept),
            tuple(
                StageCurve(label, _short(_not_zero(slope)), _short(away))
                for label, slope, away in zip(labels, slopes, absent, strict=True)
            ),
        )

    def log_odds(self, scores: Sequence[float | None]) -> float:
        """The log-odds of a point with these scores in the stages, None where one lacks it."""
        return self.intercept + sum(one.of(score) for one, score in zip(self.stages, scores, strict=True))

    def probability(self, scores: Sequence[float | None]) -> float:
        """The probability that such a point is relevant."""
        return 1 / (1 + math.exp(-min(max(self.log_odds(scores), -700.0), 700.0)))

    def to_dict(self) -> JsonObject:
        """``{"intercept", "stages": [{"stage", "slope", "absent", "default"}]}``."""
        stages = [
            {"stage": one.label, "slope": one.slope, "absent": one.absent, "default": one.default}
            for one in self.stages
        ]
        return {"intercept": self.intercept, "stages": stages}

    def expression(self, *, log_odds: bool = False) -> str:
        """The formula as QQL: the probability, or the log-odds."""
        if log_odds:
            return self._sum(1)
        return f"1 / (1 + EXP({self._sum(-1)}))"

    def _sum(self, sign: int) -> str:
        text = f"{sign * self.intercept:.9g}"
        for at, one in enumerate(self.stages):
            slope = sign * one.slope
            text += f" {'-' if slope < 0 else '+'} {abs(slope):.9g} * $score[{at}]"
        return text


def _short(value: float) -> float:
    """The number to seven digits."""
    return float(f"{f32(value):.7g}")


def _not_zero(slope: float) -> float:
    return slope if abs(slope) >= _LEAST_SLOPE else math.copysign(_LEAST_SLOPE, slope)


def with_curve(text: str, curve: Curve, *, log_odds: bool = False) -> str:
    """The script with a formula in the place of the fusion at the root of its query.

    SCORE THRESHOLD of the root falls away: it was one of other scores.
    """
    (parsed, _) = parse_script(Source(text))
    return format_tree([*_statements((one.statement for one in parsed), curve, log_odds)])


def _statements(given: Iterator[nodes.Statement], curve: Curve, log_odds: bool) -> Iterator[nodes.Statement]:
    for one in given:
        if not isinstance(one, nodes.Query):
            yield one
            continue
        if isinstance(one.target, nodes.Hybrid):
            hint = "write its two searches out: PREFETCH (QUERY … USING dense, QUERY … USING sparse)"
            raise InputError.make("no-fusion", "HYBRID has no stages that a formula could name", hint=hint)
        params = tuple(
            option for option in one.params if option.name not in {*FUSION_OPTIONS, *LINEAR_OPTIONS}
        )
        formula = _formula(curve, log_odds)
        yield replace(one, target=formula, fusion=None, formula=None, params=params, threshold=None)


def _formula(curve: Curve, log_odds: bool) -> nodes.Formula:
    """The formula as a tree, by the way of its text."""
    defaults = ", ".join(f"$score[{at}] = {one.default:.9g}" for at, one in enumerate(curve.stages))
    text = f"QUERY FORMULA {curve.expression(log_odds=log_odds)} DEFAULTS ({defaults}) FROM c PREFETCH (a)"
    ((parsed,), _) = parse_script(Source(text))
    query = parsed.statement
    assert isinstance(query, nodes.Query) and isinstance(query.target, nodes.Formula), "so it is written"
    return query.target
