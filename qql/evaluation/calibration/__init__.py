"""Calibrated fusion: a pipeline whose scores are probabilities, fitted on judgements (`calibrate`).

`candidates` are what the stages gave, with labels; `logistic` fits a curve on them; `curves` says what it
makes of a point, and the pipeline as text; `calibrating` holds folds apart, and says whether it is worth
having.
"""

from __future__ import annotations

from qql.evaluation.calibration.calibrated import Calibrated, MeasureBeside, Quality
from qql.evaluation.calibration.calibrating import calibrate
from qql.evaluation.calibration.curves import Curve, StageCurve

__all__ = ["Calibrated", "Curve", "MeasureBeside", "Quality", "StageCurve", "calibrate"]
