"""Qdrant's defaults and limits, each once, with where it comes from.

Source, where nothing else is said: Qdrant's OpenAPI document, and the engine's source where that is silent.
"""

from __future__ import annotations

__all__ = [
    "BM25",
    "DEFAULT_LIMIT",
    "GROUP_SIZE",
    "MAX_PREFETCH_DEPTH",
    "MAX_VECTOR_SIZE",
    "OPTIMIZATION_LISTS",
    "RRF_K",
    "U32",
    "U64",
]

DEFAULT_LIMIT = 10
"""Hits of a query, a prefetch, a scroll or a facet that names no limit."""
GROUP_SIZE = 3
"""Hits of a group where ``group_size`` is missing."""
RRF_K = 2
"""The k of reciprocal rank fusion where none is given (Qdrant's k = 61 is the 60 of Cormack et al., 2009)."""
MAX_PREFETCH_DEPTH = 64
"""How deep prefetches nest."""
MAX_VECTOR_SIZE = 65_536
"""The most dimensions of a dense vector."""
U32 = 2**32 - 1
"""The largest limit, offset or group size, and the largest index of a sparse vector."""
U64 = 2**64 - 1
"""The largest id of a point that is a number."""
OPTIMIZATION_LISTS = "queued,completed,idle_segments"
"""What GET …/optimizations lists beside what runs, where it is asked for."""
BM25 = "qdrant/bm25"
"""The sparse model that Qdrant's servers (from 1.15.2) and the embedded engine compute themselves."""
