"""What Qdrant's serverless offer lacks, as far as Qdrant has announced it; nothing of it is measured."""

from __future__ import annotations

from qql.late import late_pattern

from .base import Feature

__all__ = ["AS_GRPC", "serverless"]

AS_GRPC = "as over gRPC"
_LACKS = (
    (late_pattern(r"params\.consistency|write\.ordering"), "it has no levels of consistency"),
    (
        late_pattern(r"clause\.shard|write\.shard|shard-key\.|create\.sharding"),
        "it has no shard keys",
    ),
    (late_pattern(r"clause\.lookup-from|clause\.group-by\.lookup"), "it has no lookups"),
    (late_pattern(r"index\."), "indexes are settled when a collection is created"),
)
"""By the id of a feature."""


def serverless(feature: Feature) -> str:
    """`AS_GRPC`, or the reason why it is not there."""
    if feature.only_rest:
        return "it is reached over gRPC alone"
    return next((reason for ids, reason in _LACKS if ids.match(feature.id)), AS_GRPC)
