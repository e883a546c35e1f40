"""What a query searches for. A target declares what its parts hold and where they are sent."""

from __future__ import annotations

from qql.nodes.core import Name, Node, NodeType, Option, Param, Scalar
from qql.nodes.declare import Support, target
from qql.nodes.formulas import Expression
from qql.nodes.roles import INPUT, INPUTS, PAIRS, SCORED, Choice, Count, Number, part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "EMBEDDED",
    "STRATEGY",
    "AnyInput",
    "BoostedField",
    "Context",
    "ContextPair",
    "Discover",
    "Embedded",
    "FeedbackItem",
    "FieldsText",
    "Formula",
    "FullText",
    "Hybrid",
    "Image",
    "Inference",
    "Input",
    "Mmr",
    "OrderBy",
    "Point",
    "Points",
    "Recommend",
    "RelevanceFeedback",
    "Sample",
    "Target",
    "Text",
    "Vector",
]


class Text(Node, metaclass=NodeType):
    """``'emergency care'``, ``TEXT '…' MODEL 'm' [OPTIONS {…}]``."""

    text: Scalar
    model: Scalar | None = None
    options: Any = None


class Vector(Node, metaclass=NodeType):
    """``[0.1, 0.2]``, ``[[…], …]``, ``{indices: […], values: […]}``, ``VECTOR :v``."""

    value: Any


class Point(Node, metaclass=NodeType):
    """``POINT 42``, ``POINT 'uuid'``."""

    id: Scalar


@target("POINTS", rest=None)
class Points(Node, metaclass=NodeType):
    """``POINTS (1, 2)``, ``POINTS :ids``: the points themselves, without a search."""

    ids: tuple[Scalar, ...] | Param


class AnyInput(Node, metaclass=NodeType):
    """``QUERY :q``: the bound value decides whether it is a text, a vector or a point."""

    value: Any


class Image(Node, metaclass=NodeType):
    """``IMAGE 'https://…/cat.png' MODEL 'm'``: an address or base64 data, embedded by a model."""

    image: Scalar
    model: Scalar | None = None
    options: Any = None


class Inference(Node, metaclass=NodeType):
    """``OBJECT {…} MODEL 'm'``: whatever a model takes."""

    object: Any
    model: Scalar | None = None
    options: Any = None


Input = Text | Image | Inference | Vector | Point | AnyInput
Embedded = Text | Image | Inference
"""The inputs that a model turns into vectors."""
EMBEDDED: dict[str, type[Embedded]] = {"text": Text, "image": Image, "object": Inference}
"""By the key that holds what is embedded in Qdrant's inference object; the node's field has the same name."""

STRATEGY = Choice(words=("average_vector", "best_score", "sum_scores"), plural="strategies")


@target("RECOMMEND", rest="recommend", stage="recommended")
class Recommend(Node, metaclass=NodeType):
    """``RECOMMEND POSITIVE (1, 2) [NEGATIVE (3)] [STRATEGY best_score]``, ``POSITIVE :ids``."""

    positive: tuple[Input, ...] | Param = part(INPUTS, "POSITIVE", rest="recommend.positive", default=())
    negative: tuple[Input, ...] | Param = part(INPUTS, "NEGATIVE", rest="recommend.negative", default=())
    strategy: Name | None = part(STRATEGY, "STRATEGY", rest="recommend.strategy", default=None)


class ContextPair(Node, metaclass=NodeType):
    """``POSITIVE POINT 1 NEGATIVE POINT 2`` in CONTEXT (…)."""

    positive: Input
    negative: Input


@target("CONTEXT", rest="context", stage="context")
class Context(Node, metaclass=NodeType):
    """``CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2, …)``."""

    pairs: tuple[ContextPair, ...] = part(PAIRS, rest="context")


@target("DISCOVER", rest="discover", stage="discovered")
class Discover(Node, metaclass=NodeType):
    """``DISCOVER TARGET POINT 3 CONTEXT (POSITIVE POINT 1 NEGATIVE POINT 2, …)``."""

    target: Input = part(INPUT, "TARGET", rest="discover.target")
    pairs: tuple[ContextPair, ...] = part(PAIRS, "CONTEXT", rest="discover.context")


@target("ORDER BY", rest="order_by", stage="ordered")
class OrderBy(Node, metaclass=NodeType):
    """``ORDER BY field [ASC|DESC] [START FROM value]``; a target of QUERY and a clause of SCROLL."""

    name: Name
    direction: str | Param | None = None
    start: Scalar | None = None


@target("SAMPLE RANDOM", rest="sample", stage="sampled", support=Support("1.11"))
class Sample(Node, metaclass=NodeType):
    """``SAMPLE RANDOM``: points drawn by chance."""


@target("FORMULA", rest="formula", stage="scored", support=Support("1.14"))
class Formula(Node, metaclass=NodeType):
    """``FORMULA $score + 0.1 * popularity [DEFAULTS (popularity = 0)]``, ``BOOST (…)``."""

    expression: Expression
    defaults: tuple[Option, ...] = ()


@target("MMR", rest="mmr", support=Support("1.15"))
class Mmr(Node, metaclass=NodeType):
    """``MMR 'text' DIVERSITY 0.5 CANDIDATES 100``: maximal marginal relevance."""

    target: Input = part(INPUT, rest="nearest")
    diversity: Scalar | None = part(Number(low=0, high=1), "DIVERSITY", rest="mmr.diversity", default=None)
    candidates: Scalar | None = part(
        Count(low=1, high=16_384), "CANDIDATES", rest="mmr.candidates_limit", default=None
    )


class FeedbackItem(Node, metaclass=NodeType):
    """``(POINT 2, 0.9)`` in FEEDBACK (…)."""

    example: Input
    score: Scalar


@target("RELEVANCE FEEDBACK", rest="relevance_feedback", stage="feedback", support=Support("1.17"))
class RelevanceFeedback(Node, metaclass=NodeType):
    """``RELEVANCE FEEDBACK TARGET 'text' FEEDBACK ((POINT 2, 1), …) STRATEGY NAIVE (a = 1, …)``."""

    target: Input = part(INPUT, "TARGET", rest="relevance_feedback.target")
    feedback: tuple[FeedbackItem, ...] = part(SCORED, "FEEDBACK", rest="relevance_feedback.feedback")
    strategy: Name | None = None
    options: tuple[Option, ...] = ()


@target("HYBRID", rest=None)
class Hybrid(Node, metaclass=NodeType):
    """``HYBRID 'text' [MODEL m] [DENSE d] [SPARSE s]``, ``USING HYBRID …``: two searches, fused.

    ``dense`` and ``sparse`` name vectors.
    """

    text: Scalar
    model: Scalar | None = None
    dense: Name | None = None
    sparse: Name | None = None
    dense_model: Scalar | None = None
    sparse_model: Scalar | None = None


@target("MATCH", rest="text", stage="matched", support=Support("1.20"))
class FullText(Node, metaclass=NodeType):
    """``MATCH 'words' ON field [(k = 1.2, b = 0.75)]``: BM25 over the text index of a payload field."""

    text: Scalar
    name: Name
    options: tuple[Option, ...] = ()


class BoostedField(Node, metaclass=NodeType):
    """``title ^ 2`` in MATCH … ON (…): a payload field, and what its score is multiplied by."""

    name: Name
    boost: Scalar | None = None


@target("MATCH", rest=None, stage="matched", support=Support("1.20"))
class FieldsText(Node, metaclass=NodeType):
    """``MATCH 'words' ON (title ^ 2, body) [(k = 1.2)]``: BM25 over several fields, their scores added up."""

    text: Scalar
    fields: tuple[BoostedField, ...]
    options: tuple[Option, ...] = ()


Target = (
    Input
    | Points
    | Recommend
    | Context
    | Discover
    | OrderBy
    | Sample
    | Formula
    | Mmr
    | RelevanceFeedback
    | Hybrid
    | FullText
    | FieldsText
)
