"""A point's score in a stage as the sum of its parts: terms of sparse vectors and texts, pairs of
multivectors.

The engine itself is asked for the score of each part alone, so that what it multiplies by (the inverse
document frequency above all) is its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import mul, sub

from qql.analysis.model import Candidate, Path, StageRun
from qql.analysis.point_queries import PointQueries
from qql.analysis.query_body import plain_search, without_threshold
from qql.analysis.text import counted, digits
from qql.records import NamedTuple, dataclass, field
from qql.rest.request import Request, collection_path
from qql.rest.types import Body, Json, JsonObject

__all__ = ["Pair", "ScoreParts", "Term", "Words", "score_parts"]

Words = Callable[[Path], Mapping[int, str]]
"""The path of a stage in the request → what the dimensions of its sparse vector stand for, in the text's
order.
"""

_MOST_ASKED = 64
_MOST_SHOWN = 12
_TOLERANCE = 1e-4  # the engine adds up 32-bit floats, vectors of which may be quantized


class Term(NamedTuple):
    """A term that a query and a point have in common, and what it gives to the score.

    ``text`` is what it is called, None where that is not known; ``dimension`` its number, None for a text
    index. ``query`` and ``document`` are its weights, None for a text index.
    """

    text: str | None
    dimension: int | None
    query: float | None
    document: float | None
    score: float

    @property
    def factor(self) -> float | None:
        """What the engine multiplies the weights by: the IDF, where the vector has that modifier; else 1."""
        if not self.query or not self.document:
            return None
        return self.score / (self.query * self.document)

    @property
    def name(self) -> str:
        """What it is called, or its dimension."""
        return f"dimension {self.dimension}" if self.text is None else self.text

    def made_of(self) -> str:
        """The product that the score is; nothing where its factors are not known."""
        if self.query is None or self.document is None:
            return ""
        text = f"{digits(self.query, 4)} × {digits(self.document, 4)}"
        factor = self.factor
        if factor is None or math.isclose(factor, 1, rel_tol=_TOLERANCE):
            return text
        return f"{text} × IDF {digits(factor, 4)}"

    def to_dict(self) -> JsonObject:
        """``{"term", "index", "query", "document", "factor", "score"}``."""
        return {
            "term": self.text,
            "index": self.dimension,
            "query": self.query,
            "document": self.document,
            "factor": self.factor,
            "score": self.score,
        }


class Pair(NamedTuple):
    """One of a query's vectors, from 1, and the point's vector that is nearest to it; what they give."""

    query: int
    document: int | None
    score: float

    @property
    def name(self) -> str:
        """Which vector of the query it is."""
        return f"query vector {self.query}"

    def made_of(self) -> str:
        """The vector of the point."""
        return "" if self.document is None else f"with the point's vector {self.document}"

    def to_dict(self) -> JsonObject:
        """``{"query", "document", "score"}``."""
        return self._asdict()


@dataclass(frozen=True, slots=True)
class ScoreParts:
    """What a score consists of: terms, the greatest first, or pairs, in the order of the query's vectors.

    ``score`` is the engine's for the point alone. ``rest`` is what the ``more`` parts give that were not
    asked for one by one. ``absent`` are the terms of the query that the point lacks. ``squares``: distances
    of Euclid, whose squares add up to the square of the score.
    """

    score: float
    parts: tuple[Term, ...] | tuple[Pair, ...]
    more: int = 0
    rest: float = 0.0
    absent: tuple[str, ...] = field(default=())
    squares: bool = False

    @property
    def kind(self) -> str:
        """``terms`` or ``pairs``."""
        return "pairs" if self.parts and isinstance(self.parts[0], Pair) else "terms"

    @property
    def total(self) -> float:
        """What the parts add up to."""
        scores = [*(one.score for one in self.parts), self.rest]
        return math.hypot(*scores) if self.squares else math.fsum(scores)

    @property
    def adds_up(self) -> bool:
        """Whether that is the score, to 32-bit floats."""
        most = max((abs(one.score) for one in self.parts), default=0.0)
        return math.isclose(self.total, self.score, rel_tol=_TOLERANCE, abs_tol=most * _TOLERANCE)

    def lines(self) -> Iterator[str]:
        """A line for each of the greatest parts, one for the others, and one for what adds up to another
        score.
        """
        shown: Sequence[Term | Pair] = self.parts[:_MOST_SHOWN]
        names = [one.name for one in shown]
        width = max(map(len, names), default=0)
        scores = [digits(one.score, 4) for one in shown]
        column = max(map(len, scores), default=0)
        for name, score, one in zip(names, scores, shown, strict=True):
            made = one.made_of()
            yield f"{name:<{width}}  {score:<{column}}{f' = {made}' if made else ''}".rstrip()
        hidden = [one.score for one in self.parts[_MOST_SHOWN:]]
        if hidden or self.more:
            rest = [*hidden, self.rest]
            value = math.hypot(*rest) if self.squares else math.fsum(rest)
            yield f"and {counted(len(hidden) + self.more, self.kind[:-1])} more: {digits(value, 4)}"
        if self.absent:
            some = ", ".join(self.absent[:_MOST_SHOWN])
            others = len(self.absent) - _MOST_SHOWN
            yield f"not in it: {some}" + (f" and {counted(others, 'term')} more" if others > 0 else "")
        if self.squares:
            yield "the squares of these add up to that of the score"
        if not self.adds_up:
            yield f"these add up to {digits(self.total, 6)}, and the score is {digits(self.score, 6)}"

    def to_dict(self) -> JsonObject:
        """``{"kind", "score", "total", "adds_up", "parts", "more", "rest", "absent", "squares"}``."""
        return {
            "kind": self.kind,
            "score": self.score,
            "total": self.total,
            "adds_up": self.adds_up,
            "parts": [one.to_dict() for one in self.parts],
            "more": self.more,
            "rest": self.rest,
            "absent": list(self.absent),
            "squares": self.squares,
        }


def score_parts(point: PointQueries, run: StageRun, words: Words) -> ScoreParts | None:
    """The parts of the score that a stage gives the point.

    None where it has none: where the stage compares nothing, or whole vectors, or examples of several points.
    Raises what the engine raises.
    """
    query = plain_search(run.body).get("query") or {}
    if isinstance(query.get("text"), (str, Mapping)):
        return _of_text(point, run, query["text"])
    vector = query.get("nearest")
    named = words(run.paths[0])
    if isinstance(vector, Mapping) and "indices" not in vector and named:
        # A text that the server turns into a vector; of BM25, all weights of a query are 1.
        vector = {"indices": list(named), "values": [1.0] * len(named)}
    if isinstance(vector, Mapping) and "indices" in vector:
        return _of_terms(point, run, vector, named)
    if isinstance(vector, list) and vector and isinstance(vector[0], list):
        return _of_pairs(point, run, vector)
    return None


def _search(run: StageRun, query: Json) -> JsonObject:
    """What scores a point as the stage does, by a part of its query alone."""
    kept = {
        name: one for name, one in without_threshold(run.body).items() if name not in ("prefetch", "filter")
    }
    return kept | {"query": query}


def _scores(point: PointQueries, bodies: Iterable[Body]) -> list[float | None]:
    """The score of the point by each query; None where it is not found."""
    found: list[tuple[Candidate, ...]] = point.queries(*(point.alone(body) for body in bodies))
    return [one[0].score if one else None for one in found]


def _vector_of_point(point: PointQueries, using: str | None) -> Json:
    engine = point.engine
    path = collection_path(engine.plan.collection, "points")
    body = {
        "ids": [point.key],
        "with_payload": False,
        "with_vector": [using] if using else True,
    } | engine.shared
    (found,) = engine.call(Request("POST", path, engine.request.query, body))
    vector = found.get("vector")
    return vector.get(using) if using and isinstance(vector, Mapping) else vector


# ------------------------------------------------------------------------------------ terms


def _of_terms(
    point: PointQueries, run: StageRun, vector: Body, named: Mapping[int, str]
) -> ScoreParts | None:
    stored = _vector_of_point(point, run.body.get("using"))
    if not isinstance(stored, Mapping):
        return None
    weights = dict(zip(stored["indices"], stored["values"], strict=True))
    wanted = dict(zip(vector["indices"], vector["values"], strict=True))
    both = sorted(weights.keys() & wanted.keys(), key=lambda index: -abs(weights[index] * wanted[index]))
    asked, others = both[:_MOST_ASKED], both[_MOST_ASKED:]
    absent = tuple(named.get(one, f"dimension {one}") for one in wanted if one not in weights)
    groups = [[one] for one in asked] + ([others] if others else [])
    parts = [{"indices": group, "values": [wanted[one] for one in group]} for group in groups]
    whole, *scores = _scores(point, (_search(run, {"nearest": one}) for one in (vector, *parts)))
    if whole is None:
        return None
    rest = (scores.pop() or 0.0) if others else 0.0
    terms = [
        Term(named.get(one), one, wanted[one], weights[one], score or 0.0)
        for one, score in zip(asked, scores, strict=True)
    ]
    return ScoreParts(whole, tuple(sorted(terms, key=_by_size)), len(others), rest, absent)


def _of_text(point: PointQueries, run: StageRun, given: Json) -> ScoreParts | None:
    """Of full-text search: what each of the words finds alone."""
    text = given if isinstance(given, str) else given["query"]
    words = list(dict.fromkeys(text.split()))
    if len(words) > _MOST_ASKED:
        return None
    queries = [word if isinstance(given, str) else {**given, "query": word} for word in (text, *words)]
    whole, *scores = _scores(point, (_search(run, {"text": one}) for one in queries))
    if whole is None:
        return None
    found = dict(zip(words, scores, strict=True))
    terms = [Term(word, None, None, None, score) for word, score in found.items() if score]
    absent = tuple(word for word, score in found.items() if not score)
    return ScoreParts(whole, tuple(sorted(terms, key=_by_size)), absent=absent)


def _by_size(part: Term | Pair) -> float:
    return -abs(part.score)


# ------------------------------------------------------------------------------------ pairs


def _of_pairs(point: PointQueries, run: StageRun, rows: Sequence[Sequence[float]]) -> ScoreParts | None:
    stored = _vector_of_point(point, run.body.get("using"))
    if not (isinstance(stored, list) and stored and isinstance(stored[0], list)):
        return None
    asked, others = rows[:_MOST_ASKED], rows[_MOST_ASKED:]
    queries = [list(rows), *([row] for row in asked), *([list(others)] if others else [])]
    whole, *scores = _scores(point, (_search(run, {"nearest": one}) for one in queries))
    if whole is None:
        return None
    rest = (scores.pop() or 0.0) if others else 0.0
    distance = run.stage.vector.distance if run.stage.vector is not None else None
    near = _NEARNESS.get(distance or "")
    pairs = [
        Pair(at, None if near is None else _nearest(row, stored, near), score or 0.0)
        for at, (row, score) in enumerate(zip(asked, scores, strict=True), 1)
    ]
    return ScoreParts(whole, tuple(pairs), len(others), rest, squares=distance == "Euclid")


Nearness = Callable[[Sequence[float], Sequence[float]], float]


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return float(sum(map(mul, a, b)))


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    return _dot(a, b) / (math.hypot(*b) or 1.0)


def _squares(a: Sequence[float], b: Sequence[float]) -> float:
    return -math.dist(a, b)


def _steps(a: Sequence[float], b: Sequence[float]) -> float:
    return -float(sum(map(abs, map(sub, a, b))))


_NEARNESS: dict[str, Nearness] = {"Cosine": _cosine, "Dot": _dot, "Euclid": _squares, "Manhattan": _steps}


def _nearest(row: Sequence[float], stored: Sequence[Sequence[float]], near: Nearness) -> int:
    """Which of the vectors, from 1, is nearest."""
    values = [near(row, one) for one in stored]
    return values.index(max(values)) + 1
