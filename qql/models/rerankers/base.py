"""What a model that scores texts for a query offers, the texts that it reads, and the check of its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from math import isfinite

from qql.compiler.embed_clauses import TEXT_FIELDS, text_at
from qql.errors import many
from qql.late import Protocol, late_pattern
from qql.models import bad_answer
from qql.rest.types import Body, Json

__all__ = ["Reranker", "check_scores", "hit_text"]


class Reranker(Protocol):
    """One model; ``model`` is its name."""

    model: str

    def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score for each text, in order; the higher, the better the text answers the query.

        Scores of different models, or for different queries, are not to be compared. Raises `QQLModelError`
        when the model cannot be loaded or does not answer.
        """


# -- texts


_STEP = late_pattern(r'(?:^|\.)(?:"([^"]+)"|([^."\[\]]+))|(?<!^)\[([0-9]{0,9})\]')


def hit_text(payload: Body | None, field: str | None = None) -> str | None:
    """What a payload has to say, or None where it holds no text at the field.

    ``field`` is a path as Qdrant writes it: ``a.b``, ``a[].b`` (of each element), ``a[0].b``, ``"a.b".c``;
    a name that is no path stands for itself. Several texts, those of a list included, are joined by line
    ends; what is not a string is left out. Without a field, it is the first of `TEXT_FIELDS` that is not
    empty. An empty string is a text.
    """
    if payload is None:
        return None
    if field is not None:
        texts = [value for value in _values_at(payload, field) if isinstance(value, str)]
        return "\n".join(texts) if texts else None
    texts = [text for name in TEXT_FIELDS if (text := text_at(payload, name)) is not None]
    return next((text for text in texts if text), "" if texts else None)


def _values_at(payload: Body, field: str) -> list[Json]:
    """The values at a path; of a list at its end, the elements."""
    found: list[Json] = [payload]
    for step in _path_steps(field):
        if isinstance(step, str):
            found = [value[step] for value in found if isinstance(value, Mapping) and step in value]
        elif step is None:
            found = [item for value in found if isinstance(value, list) for item in value]
        else:
            found = [value[step] for value in found if isinstance(value, list) and step < len(value)]
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


def _path_steps(field: str) -> list[str | int | None]:
    """Keys, places in a list, and None for all elements of one; the name itself where it is no path."""
    steps: list[str | int | None] = []
    at = 0
    while at < len(field):
        match = _STEP.match(field, at)
        if match is None:
            return [field]
        quoted, plain, index = match.groups()
        steps.append(quoted or plain or (int(index) if index else None))
        at = match.end()
    return steps


# -- scores


def check_scores(scores: object, *, count: int, model: str) -> list[float]:
    """The answer of a model to ``count`` texts as floats.

    Takes lists, tuples, iterators, arrays and columns of numbers. Raises `QQLModelError` (``model-answer``)
    for anything else, another number of scores, and scores that are NaN, infinite or no numbers (``true``
    is none).
    """
    found = None if isinstance(scores, Set) else _plain(scores)
    if not isinstance(found, list):
        raise bad_answer(model, f"gave a {type(scores).__name__} in place of a list of scores")
    if len(found) != count:
        raise bad_answer(model, f"gave {many(len(found), 'score')} for {many(count, 'text')}")
    return [_finite_score(score, model) for score in found]


def _plain(value: object) -> Json:
    """What a model gave as JSON data; the value itself where it is none."""
    from qql.compiler.python_values import NoJson, plain_value

    try:
        return plain_value(value)
    except NoJson:
        return value


def _finite_score(score: object, model: str) -> float:
    from numbers import Real

    plain = _plain(score)
    if isinstance(plain, bool) or not isinstance(plain, Real):
        raise bad_answer(model, f"gave a {type(score).__name__} in place of a score")
    try:
        number = float(plain)
    except OverflowError as exc:
        raise bad_answer(model, "gave a score that is too large") from exc
    if not isfinite(number):
        raise bad_answer(model, f"gave the score {number}, which orders nothing")
    return number
