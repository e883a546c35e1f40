"""What the dimensions of a query's sparse vectors stand for: the tokens of its texts."""

from __future__ import annotations

from collections.abc import Mapping

from qql.errors import QQLModelError
from qql.rest.limits import BM25
from qql.rest.request import Request
from qql.rest.types import Body, Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.analysis.score_parts import Words

__all__ = ["words_of"]


def words_of(request: Request) -> Words:
    """Of a query's request whose texts are not embedded, the tokens of each stage that BM25 searches.

    What a stage has of other models, or as numbers, has no words.
    """

    def words(path: tuple[int, ...]) -> Mapping[int, str]:
        body: Body = request.body or {}
        for at in path:
            body = body["prefetch"][at]
        query = body.get("query") or {}
        return _tokens_of(query.get("nearest") if isinstance(query, Mapping) else None)

    return words


def _tokens_of(given: Json) -> Mapping[int, str]:
    if not isinstance(given, Mapping) or not isinstance(given.get("text"), str):
        return {}
    if not str(given.get("model")).lower().endswith(BM25):
        return {}
    from qql.models.embedders.bm25_tokens import Tokenizer

    try:
        return Tokenizer(given.get("options") or {}).names(given["text"], "query")
    except QQLModelError:  # options that another one of that name has; without names, there are numbers
        return {}
