"""What each engine can do, row by row: the table behind the documentation, held to the engines by a test.

``edge`` (the embedded engine) and ``local`` (qdrant-client's local mode) are `YES`; or begin with
``noted: ``, where the request is carried out and a note says what has no effect; or are the reason of a
refusal. ``server`` is the first version of Qdrant that can do it. Servers before 1.10 have no query API, so
nothing is older here.

The rows stand in `features`, each with what is asked of the engines to see whether it is true.
"""

from __future__ import annotations

from .features.administration import ADMINISTRATION
from .features.base import YES, Feature
from .features.collections import COLLECTIONS
from .features.points import POINTS
from .features.queries import QUERIES

__all__ = ["FEATURES", "YES", "Feature"]

FEATURES: tuple[Feature, ...] = (*QUERIES, *POINTS, *COLLECTIONS, *ADMINISTRATION)
