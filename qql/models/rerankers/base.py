"""What a model that scores texts for a query offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Reranker"]


class Reranker(Protocol):
    """One model."""

    model: str

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score for each text, in order; the higher, the better the text answers the query.

        Scores of different models, or for different queries, are not to be compared. Raises `QQLModelError`
        when the model cannot be loaded or does not answer.
        """
        ...
