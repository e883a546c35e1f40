"""FUSION LINEAR: the weighed sum of scores that were brought to one scale.

Qdrant has no such fusion, but formulas over the scores of stages. As they are, and squeezed by a sigmoid,
scores make one FORMULA. What a score is among those of its list (``minmax``, ``zscore``), no request can say
before the lists are there: such a query stands as ``{"linear": {"normalizer": …, "weights": […]}}`` until a
session has asked for them, and puts a FORMULA with their figures in its place (`LinearFusion.filled`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from qql.errors import QQLPlanError
from qql.records import NamedTuple, dataclass
from qql.rest.types import Body, Json, JsonObject

__all__ = [
    "DEFAULT_NORMALIZER",
    "NORMALIZERS",
    "LinearFusion",
    "Scale",
    "awaits_lists",
    "linear_below",
    "read_linear",
    "require_one_request",
    "with_placeholders",
]

NORMALIZERS = ("minmax", "zscore", "sigmoid", "none")
DEFAULT_NORMALIZER = "minmax"
_OF_LISTS = frozenset({"minmax", "zscore"})
_ABSENT = 80.0
"""What stands for the score of a candidate that a stage did not find: its sigmoid is 2e-35, and its
exponential is within 32 bits."""


class Scale(NamedTuple):
    """What a list's scores become: ``factor × (score − shift)``; ``absent`` is the score of what it lacks."""

    factor: float
    shift: float
    absent: float

    def of(self, score: float | None) -> float:
        """What a score contributes, in 64 bits, as a formula computes it."""
        return self.factor * ((self.absent if score is None else score) - self.shift)


@dataclass(frozen=True, slots=True)
class LinearFusion:
    """A linear fusion: ``weights`` has one number for each input.

    ``smaller`` says of each input whether small scores are its better ones, as of distances. Only
    ``sigmoid`` has to be told: lists show it.
    """

    normalizer: str
    weights: tuple[float, ...]
    smaller: tuple[bool, ...] = ()

    @property
    def awaits_lists(self) -> bool:
        """Whether a request for it can be made only when the lists of its inputs are known."""
        return self.normalizer in _OF_LISTS

    def query(self) -> JsonObject:
        """The ``query`` of a request's body."""
        if self.awaits_lists:
            return {"linear": {"normalizer": self.normalizer, "weights": list(self.weights)}}
        terms: list[Json] = []
        defaults: JsonObject = {}
        for at, weight in enumerate(self.weights):
            name = f"$score[{at}]"
            if self.normalizer == "none":
                terms.append({"mult": [weight, name]})
                continue
            turned = self._is_smaller(at)
            defaults[name] = _ABSENT if turned else -_ABSENT
            terms.append({"mult": [weight, _sigmoid(name, turned)]})
        found: JsonObject = {"formula": {"sum": terms}}
        return {**found, "defaults": defaults} if defaults else found

    def filled(self, lists: Sequence[Sequence[float]]) -> JsonObject:
        """The ``query`` with the figures of its inputs' scores, each list with the best one first."""
        terms: list[Json] = []
        defaults: JsonObject = {}
        for at, scores in enumerate(lists):
            scale = self.scale(at, scores)
            name = f"$score[{at}]"
            terms.append({"mult": [scale.factor, {"sum": [name, -scale.shift]}]})
            defaults[name] = scale.absent
        return {"formula": {"sum": terms}, "defaults": defaults}

    def scale(self, at: int, scores: Sequence[float]) -> Scale:
        """What becomes of the scores of an input, in a fusion that goes by lists.

        Engines keep the constants of a formula in 32 bits, and compute with them in 64.
        """
        if not scores:
            return Scale(0.0, 0.0, 0.0)
        weight, low, high = _f32(self.weights[at]), min(scores), max(scores)
        if low == high:  # there is no scale: minmax takes each of them for the best
            shift = _f32(low - 1)
            return Scale(weight, shift, shift) if self.normalizer == "minmax" else Scale(0.0, low, low)
        turned = scores[0] < scores[-1]
        last = high if turned else low
        if self.normalizer == "minmax":
            width, shift = high - low, last
        else:
            shift = math.fsum(scores) / len(scores)
            width = math.sqrt(math.fsum((one - shift) ** 2 for one in scores) / len(scores))
        return Scale(_f32((-weight if turned else weight) / width), _f32(shift), last)

    def contributions(self, at: int, scores: Sequence[float]) -> tuple[list[float], float]:
        """What an input gives to each of its points, and to a point that it lacks."""
        if self.awaits_lists:
            scale = self.scale(at, scores)
            return [scale.of(one) for one in scores], scale.of(None)
        return [self.by_itself(at, one) for one in scores], 0.0

    def by_itself(self, at: int, score: float) -> float:
        """What a score contributes, where that hangs on no list. Infinite where its exponential is."""
        weight = _f32(self.weights[at])
        if self.normalizer == "none":
            return weight * score
        try:
            if self._is_smaller(at):
                shrunk = math.exp(-score)
                return weight * (shrunk / (1 + shrunk))
            return weight * (1 / (1 + math.exp(-score)))
        except OverflowError:
            return math.inf

    def bounds(self, at: int, count: int) -> tuple[float, float]:
        """The least and the most that an input of so many points can give, whatever its scores are."""
        weight = self.weights[at]
        if self.normalizer == "zscore":
            reach = weight * math.sqrt(max(count - 1, 0))  # Samuelson's inequality
            return -reach, reach
        return (-math.inf, math.inf) if self.normalizer == "none" else (0.0, weight)

    def without(self, at: int) -> LinearFusion:
        """The fusion without one of its inputs."""
        weights = self.weights[:at] + self.weights[at + 1 :]
        return LinearFusion(self.normalizer, weights, self.smaller[:at] + self.smaller[at + 1 :])

    def _is_smaller(self, at: int) -> bool:
        return at < len(self.smaller) and self.smaller[at]


def _f32(value: float) -> float:
    from qql.rest.fusion import f32  # whoever compiles loads no arithmetic

    return f32(value)


def _sigmoid(name: str, turned: bool) -> Json:
    """``1 / (1 + e⁻ˢ)``; turned ``e⁻ˢ / (1 + e⁻ˢ)``, as distances may be large and are never negative."""
    shrunk: JsonObject = {"exp": {"neg": name}}
    return {"div": {"left": shrunk if turned else 1, "right": {"sum": [1, shrunk]}}}


def read_linear(query: Body) -> LinearFusion | None:
    """The fusion that a ``query`` says, by whatever way; None where it says something else."""
    if "linear" in query:
        given = query["linear"]
        return LinearFusion(given["normalizer"], tuple(given["weights"]))
    formula = query.get("formula")
    terms = formula.get("sum") if isinstance(formula, Mapping) and len(formula) == 1 else None
    if not isinstance(terms, list) or not terms:
        return None
    weights, turned, names = [], [], set()
    for term in terms:
        parts = term.get("mult") if isinstance(term, Mapping) else None
        if not isinstance(parts, list) or len(parts) != 2 or not isinstance(parts[0], int | float):
            return None
        names.add("none" if isinstance(parts[1], str) else "sigmoid")
        weights.append(float(parts[0]))
        quotient = parts[1].get("div") if isinstance(parts[1], Mapping) else None
        turned.append(isinstance(quotient, Mapping) and quotient.get("left") != 1)
    if len(names) != 1 or any(isinstance(one, bool) or one < 0 for one in weights):
        return None
    name = names.pop()
    found = LinearFusion(name, tuple(weights), tuple(turned) if name == "sigmoid" and any(turned) else ())
    return found if found.query() == query else None


# ------------------------------------------------------------------------------------ requests


def linear_below(body: Body) -> Iterator[Body]:
    """The stages of a body, itself among them, that wait for the lists of their inputs; the lowest first."""
    todo, found = [body], []
    while todo:
        one = todo.pop()
        query = one.get("query")
        if isinstance(query, Mapping) and "linear" in query:
            found.append(one)
        inner = one.get("prefetch") or ()
        todo += [inner] if isinstance(inner, Mapping) else inner
    yield from reversed(found)


def awaits_lists(body: Body | None) -> bool:
    """Whether a body, or one of its searches, waits for lists."""
    if body is None or not ("prefetch" in body or "searches" in body):
        return False
    searches = body.get("searches")
    return any(next(linear_below(one), None) is not None for one in (searches or (body,)))


def with_placeholders(body: JsonObject | None) -> JsonObject | None:
    """The body with a formula of no meaning for each fusion that waits for lists: so servers will see it."""
    if body is None or not awaits_lists(body):
        return body
    if "searches" in body:
        return {**body, "searches": [with_placeholders(one) for one in body["searches"]]}
    found: JsonObject = {**body}
    if "prefetch" in body:
        found["prefetch"] = [with_placeholders(one) for one in body["prefetch"]]
    linear = read_linear(body["query"]) if "linear" in body.get("query", ()) else None
    return found if linear is None else found | {"query": linear.filled([() for _ in linear.weights])}


def require_one_request(body: Body | None) -> None:
    """Raises `QQLPlanError` (``two-requests``) where a body waits for lists."""
    if awaits_lists(body):
        raise QQLPlanError.make(
            "two-requests",
            "FUSION LINEAR by minmax or zscore goes by the least and greatest scores of its stages, which no "
            "single request knows",
            hint="a session asks for them first (`qql run`, qql.connect); normalizer = sigmoid and none are "
            "one request",
        )
