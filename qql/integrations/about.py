"""What all frameworks are told of a document."""

from __future__ import annotations

from qql.rest.types import JsonObject
from qql.retrieval import Document

__all__ = ["described"]


def described(document: Document) -> JsonObject:
    """What is told of a document beside its text and metadata: what is known of ``qql_id``, ``qql_score``,
    ``qql_first_stage_score``, ``qql_second_stage_score`` and ``qql_ranks`` (stage → rank).

    The names have a prefix, so that no field of a payload is hidden.
    """
    known: JsonObject = {
        "qql_id": document.id,
        "qql_score": document.score,
        "qql_first_stage_score": document.first_stage_score,
        "qql_second_stage_score": document.second_stage_score,
        "qql_ranks": document.ranks or None,
    }
    return {key: value for key, value in known.items() if value is not None}
