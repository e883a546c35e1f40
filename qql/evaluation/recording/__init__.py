"""Runs that are kept: `record` asks each stage once, deep down, `recompute` answers from that, and `what_if`
for thousands of settings."""

from __future__ import annotations

from qql.evaluation.recording.recomputing import Recomputed, recompute
from qql.evaluation.recording.recorder import record
from qql.evaluation.recording.recordings import RecordedQuery, RecordedStage, Recording, read_recording
from qql.evaluation.recording.settings_at_once import WhatIf, what_if

__all__ = [
    "Recomputed",
    "RecordedQuery",
    "RecordedStage",
    "Recording",
    "WhatIf",
    "read_recording",
    "recompute",
    "record",
    "what_if",
]
