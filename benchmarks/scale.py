"""How much of everything is measured: the full run, or `--quick`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Scale"]


@dataclass(frozen=True)
class Scale:
    """``place`` is a directory that is thrown away; ``kept`` one for what costs much to make again."""

    points: int
    place: Path
    kept: Path
    rounds: int
