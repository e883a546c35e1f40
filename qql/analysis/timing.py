"""How long the calls of a stage have taken, and what one of them has cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qql.records import dataclass
from qql.rest.types import JsonObject
from qql.rest.usage import Usage

__all__ = ["Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of single calls, seen from here; ``server``: the server's own median, where it says it.

    ``usage`` is what one of them has cost by the server's account, None where it does not say.
    """

    runs: int
    p50: float
    p95: float
    server: float | None = None
    usage: Usage | None = None

    @classmethod
    def of(cls, times: Sequence[float], server: Sequence[float] = (), usage: Sequence[Usage] = ()) -> Timing:
        """Of one or more measured times."""
        from statistics import median

        p95 = sorted(times)[math.ceil(0.95 * len(times)) - 1]
        by_server = median(server) if server else None
        return cls(len(times), median(times), p95, by_server, Usage.median(usage))

    def to_dict(self) -> JsonObject:
        """``{"runs", "p50_ms", "p95_ms", "server_ms", "usage"}``."""
        return {
            "runs": self.runs,
            "p50_ms": self.p50,
            "p95_ms": self.p95,
            "server_ms": self.server,
            "usage": self.usage and self.usage.to_dict(),
        }
