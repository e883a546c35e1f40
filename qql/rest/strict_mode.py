"""What a collection's strict mode allows: by its settings, or by the words in which a server refuses more."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qql.late import late_pattern
from qql.records import dataclass, replace
from qql.rest.types import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["STRICT_MODE", "Allowed"]

_EXCEEDED = late_pattern(r'Limit exceeded [\d.]+ > ([\d.]+) for "([^"]+)"')
_NOT_EXACT = late_pattern(r"Exact search disabled", re.I)
STRICT_MODE = late_pattern(
    rf"{_EXCEEDED.pattern}|{_NOT_EXACT.pattern}|strict mode|Index required but not found"
    r"|(Filter condition|Condition size) limit reached|Request is forbidden.* because .*vector indexing",
    re.I,
)
"""Words of servers that refuse what the strict mode of a collection does not allow.

Over REST they come with status 400, or 403 from older servers, which is also that of a key.
"""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The most hits of a query, queries of a batch, and points of an upsert (None: as many as one likes).

    ``exact`` says whether searches and counts may be exact.
    """

    hits: int | None = None
    searches: int | None = None
    points: int | None = None
    exact: bool = True

    @classmethod
    def by_settings(cls, info: Json) -> Self:
        """By the description of a collection; whatever it does not say is allowed."""
        config = info.get("config") if isinstance(info, Mapping) else None
        strict = config.get("strict_mode_config") if isinstance(config, Mapping) else None
        if not isinstance(strict, Mapping) or not strict.get("enabled"):
            return cls()
        return cls(
            _positive(strict.get("max_query_limit")),
            _positive(strict.get("search_max_batchsize")),
            _positive(strict.get("upsert_max_batchsize")),
            strict.get("search_allow_exact") is not False,
        )

    def told(self, refusal: str) -> Self | None:
        """With what a refusal tells of the limits; None where it is about something else."""
        if _NOT_EXACT.search(refusal):
            return replace(self, exact=False)
        found = _EXCEEDED.search(refusal)
        if found is None or float(found[1]) < 1:
            return None
        most = int(float(found[1]))
        match found[2]:
            case "limit":
                return replace(self, hits=most)
            case "search batch size" | "batch size":
                return replace(self, searches=most)
            case "upsert limit":
                return replace(self, points=most)
            case _:
                return None


def _positive(value: Json) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
