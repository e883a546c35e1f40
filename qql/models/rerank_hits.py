"""RERANK: the hits of a first stage in the order of a model that reads their texts."""

from __future__ import annotations

from collections.abc import Sequence

from qql import nodes
from qql.compiler.embed_clauses import fields_read
from qql.compiler.plan import SecondStage
from qql.errors import Diagnostic, many
from qql.models.rerankers import Rerankers, hit_text
from qql.records import replace
from qql.rest.types import JsonObject
from qql.result import Hit, Result

__all__ = ["page_of", "rank_candidates", "rerank"]

Candidate = tuple[Hit, float | None]
"""A candidate and its score in the second stage; None where it has no text."""


def rerank(
    result: Result, second: SecondStage, selection: nodes.Selection | None, rerankers: Rerankers
) -> Result:
    """The result with its hits in the order of the second stage, and both scores of each.

    Hits without a text come last, in the order of the first stage. Raises `QQLModelError`.
    """
    found = rank_candidates(result.hits, second, rerankers)
    hits = [_with_scores(hit, score, selection, second) for hit, score in found[page_of(second)]]
    without = sum(score is None for _, score in found)
    return replace(result, hits=hits, warnings=result.warnings + _missing_text_warnings(without, second))


def rank_candidates(hits: Sequence[Hit], second: SecondStage, rerankers: Rerankers) -> list[Candidate]:
    """All candidates in the order of the second stage, each with its score there. Raises `QQLModelError`."""
    assert second.model is not None, "a session plans with a model"
    texts = [hit_text(hit.payload or {}, second.name) for hit in hits]
    scores = iter(rerankers.rerank(second.model, second.text, [text for text in texts if text is not None]))
    found = [(hit, None if text is None else next(scores)) for hit, text in zip(hits, texts, strict=True)]
    found.sort(key=lambda one: (one[1] is None, -(one[1] or 0.0)))
    return found


def page_of(second: SecondStage) -> slice:
    """The part of the reranked candidates that is answered."""
    return slice(second.offset, None if second.top is None else second.offset + second.top)


def _with_scores(
    hit: Hit, score: float | None, selection: nodes.Selection | None, second: SecondStage
) -> Hit:
    return replace(
        hit,
        score=hit.score if score is None else score,
        first_stage_score=hit.score,
        second_stage_score=score,
        payload=_without_loaded_texts(hit.payload, selection, second),
    )


def _without_loaded_texts(
    payload: JsonObject | None, selection: nodes.Selection | None, second: SecondStage
) -> JsonObject | None:
    """The payload without what was loaded for its text only."""
    if payload is None or selection is None or selection.mode == "all":
        return payload
    if selection.mode == "none":
        return None
    names = [str(name.text) for name in selection.names]
    added = {_first_key(name) for name in fields_read(second)}
    gone = added & set(names) if selection.mode == "exclude" else added - {_first_key(name) for name in names}
    return {key: value for key, value in payload.items() if key not in gone}


def _first_key(path: str) -> str:
    """The payload key that a path begins with."""
    return path.split(".")[0].removesuffix("[]")


def _missing_text_warnings(without: int, second: SecondStage) -> tuple[Diagnostic, ...]:
    if not without:
        return ()
    have, stand = ("has", "stands") if without == 1 else ("have", "stand")
    fields = " or ".join(fields_read(second))
    message = f"{many(without, 'candidate')} {have} no text in {fields}, and {stand} behind the others"
    hint = "RERANK … ON field names the field with the text"
    return (Diagnostic("no-text", message, second.span, hint, severity="warning"),)
