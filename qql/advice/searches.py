"""Rules about single searches: vectors, models, quantization and search parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qql import nodes
from qql.advice.limits import FEW_POINTS, stage_limits
from qql.advice.rules import Found, View, rescores, rule, searches, vector_name
from qql.embedders.models import BM25, known_kind, known_size
from qql.filters import scalar_value
from qql.plan import Stage, inputs_of

__all__ = ["MANY_POINTS"]

MANY_POINTS = 100_000
"""Above this, comparing every point takes longer than a search should."""


@rule(
    "multivector-first",
    "A multivector searches the whole collection",
    "Late interaction compares every token with every token: it is made for few candidates.",
)
def _multivector(view: View) -> Iterator[Found]:
    """A late-interaction vector (ColBERT) belongs to the last stage, above a cheap one.

    The score of a point is a sum over all pairs of its rows and the query's, so a search through the
    whole collection costs a hundred times that of a single vector, and the graph of such a vector
    (where it has one) is as large. This rule is silent about collections of up to 1000 points.
    """
    if view.facts.points is not None and view.facts.points <= FEW_POINTS:
        return
    for stage in view.stages:
        if not searches(stage) or view.kind(stage) != "multi":
            continue
        name = vector_name(stage)
        on = f" `{name}`" if name else ""
        scan = (view.facts.links or {}).get(name) == 0
        how = "compares every point: it has no HNSW graph" if scan else "searches the whole collection"
        limit = stage_limits(view.facts.points)[1] if view.facts.points is not None else 100
        hint = f"find candidates first: PREFETCH (QUERY … USING a dense vector LIMIT {limit})"
        yield Found(view.at(stage, "using", "target"), f"the multivector{on} {how}", hint)


def _rescored_by_default(config: Mapping[str, Any]) -> bool:
    """Whether Qdrant scores the candidates again by the full vectors: binary and 1-bit turbo quantization."""
    return "binary" in config or (config.get("turbo") or {}).get("bits") == "bits1"


@rule(
    "quantized-without-rescore",
    "Hits of a quantized vector keep their rough scores",
    "Quantization changes scores; rescoring or oversampling makes up for it.",
    needs=("quantization",),
)
def _quantized(view: View) -> Iterator[Found]:
    """A search of a quantized vector compares rough copies.

    Binary and 1-bit turbo quantization are scored again by the full vectors by default, but only as
    many as LIMIT says: oversampling takes more. Scalar, product and other turbo quantization are not
    scored again unless `rescore` is true, and oversampling without it does nothing. A stage whose hits
    another vector scores again needs neither, and is passed over.
    """
    configs = view.facts.quantization
    if configs is None:
        return
    for stage in view.stages:
        config = configs.get(vector_name(stage))
        uses = view.site(stage).uses
        if not config or not searches(stage) or stage.params.get("exact"):
            continue
        if uses and all(rescores(use.parent) for use in uses):
            continue
        given = stage.params.get("quantization") or {}
        if given.get("ignore") or "rescore" in given:
            continue
        default = _rescored_by_default(config)
        if default and "oversampling" in given:
            continue
        quantized = f"`{vector_name(stage) or '(unnamed)'}` is quantized ({next(iter(config))})"
        what = "only as many hits as LIMIT says are scored again" if default else "its hits keep rough scores"
        if "oversampling" in given:
            what = "oversampling does nothing unless rescore is true"
        hint = "PARAMS (quantization = {rescore: true, oversampling: 2.0})"
        yield Found(view.option(stage, "quantization"), f"{quantized}, and {what}", hint)


@rule(
    "exact-scan",
    "An exact search over many points",
    "exact = true compares every point.",
    needs=("points",),
)
def _exact(view: View) -> Iterator[Found]:
    """An exact search passes over the graph and compares all points: its time grows with the collection.

    It is meant for measuring recall and for small collections. This rule speaks above 100,000 points,
    of a stage that no WHERE restricts.
    """
    points = view.facts.points
    if points is None or points <= MANY_POINTS:
        return
    for stage in view.stages:
        if not stage.params.get("exact") or not searches(stage) or view.kind(stage) == "sparse":
            continue
        if view.everywhere(stage, lambda _: True):
            continue
        message = f"exact = true compares all {points:,} points of `{view.collection}`"
        hint = "leave it out, and raise hnsw_ef where recall matters"
        yield Found(view.option(stage, "exact"), message, hint)


@rule(
    "hnsw-ef-below-limit",
    "hnsw_ef is below LIMIT",
    "The search keeps at least LIMIT candidates, so a smaller hnsw_ef has no effect.",
)
def _ef(view: View) -> Iterator[Found]:
    """hnsw_ef is how many candidates the search of the graph keeps; it raises recall above LIMIT only.

    Qdrant takes the larger of the two. At the root, OFFSET counts with LIMIT.
    """
    for stage in view.stages:
        ef = stage.params.get("hnsw_ef")
        if ef is None or not searches(stage) or stage.origin is not None or ef >= view.wanted(stage):
            continue
        if stage.params.get("exact") or view.kind(stage) == "sparse":
            continue
        message = f"hnsw_ef = {ef} has no effect: the search keeps {view.wanted(stage)} candidates anyway"
        hint = f"raise it above {view.wanted(stage)}, or leave it out"
        yield Found(view.option(stage, "hnsw_ef"), message, hint)


@rule(
    "idle-hnsw-ef",
    "hnsw_ef where no graph is searched",
    "exact = true and sparse vectors use no HNSW graph.",
)
def _idle_ef(view: View) -> Iterator[Found]:
    """hnsw_ef says how widely the HNSW graph is searched.

    An exact search passes over the graph, and sparse vectors have an inverted index instead of one.
    """
    for stage in view.stages:
        if stage.params.get("hnsw_ef") is None or not searches(stage):
            continue
        exact = stage.params.get("exact")
        if exact or view.kind(stage) == "sparse":
            why = "exact = true searches no graph" if exact else "a sparse vector has no graph"
            message = f"hnsw_ef has no effect: {why}"
            hint = "leave out one of the two" if exact else "leave it out"
            yield Found(view.option(stage, "hnsw_ef"), message, hint)


@rule(
    "not-indexed-yet",
    "A large collection has no vector index",
    "Until its vectors are indexed, every search compares every point.",
    needs=("points", "indexed_vectors"),
)
def _unindexed(view: View) -> Iterator[Found]:
    """A collection of more than 100,000 points with no indexed vector answers by comparing all of them.

    The embedded engine builds its graphs at OPTIMIZE; a server builds them in the background, unless
    its indexing threshold is never reached or is switched off. A vector whose HNSW m is 0 is meant to
    have none.
    """
    points, indexed = view.facts.points, view.facts.indexed_vectors
    if points is None or points <= MANY_POINTS or indexed is None or indexed > 0:
        return
    links = view.facts.links or {}
    for stage in view.stages:
        if not searches(stage) or view.kind(stage) == "sparse" or links.get(vector_name(stage)) == 0:
            continue
        message = f"none of the {points:,} points of `{view.collection}` is in a vector index yet"
        hint = f"OPTIMIZE {view.collection}; a server indexes by itself once indexing_threshold is passed"
        yield Found(view.at(stage, "using", "target"), message, hint)
        return


# ------------------------------------------------------------------------------------ models


def _models(stage: Stage) -> Iterator[tuple[nodes.Text | nodes.Image | nodes.Inference, str]]:
    """What a stage embeds, and by which model."""
    for one in inputs_of(stage.target) if stage.target is not None else ():
        if isinstance(one, (nodes.Text, nodes.Image, nodes.Inference)):
            model = str(scalar_value(one.model)) if one.model is not None else stage.model
            if model:
                yield one, model


@rule(
    "model-dimension",
    "A model's vectors do not fit the vector that is searched",
    "A vector can only be compared with one of the same kind and number of dimensions.",
    needs=("schema",),
    severity="warning",
)
def _dimension(view: View) -> Iterator[Found]:
    """The engine refuses a vector of another number of dimensions, after the text was embedded for it.

    Of many models the size and the kind (dense, sparse, multi) are known by name. OPTIONS may change a
    model's size, so a text with OPTIONS is passed over.
    """
    for stage in view.stages:
        if stage.vector is None:
            continue
        for one, model in _models(stage):
            if one.options:
                continue
            kind, size = known_kind(model), known_size(model)
            if kind is not None and kind != stage.vector.kind:
                message = (
                    f"{model} makes {kind} vectors, and {stage.vector.describe()} is {stage.vector.kind}"
                )
            elif size is not None and stage.vector.size is not None and size != stage.vector.size:
                message = (
                    f"{model} makes vectors of {size} dimensions, and `{stage.vector.name or '(unnamed)'}` "
                    f"has {stage.vector.size}"
                )
            else:
                continue
            vectors = view.schema.describe_vectors() if view.schema else stage.vector.describe()
            place = one.span if view.site(stage).query is not None else view.at(stage)
            yield Found(place, message, f"another MODEL or USING; its vectors: {vectors}")
            break


@rule(
    "other-model",
    "A query is embedded by another model than the points",
    "Vectors of two models have nothing in common, even of the same size.",
    needs=("schema",),
)
def _other_model(view: View) -> Iterator[Found]:
    """A collection records the model of each vector; the texts of its points were embedded by it.

    A query embedded by another model is compared all the same, and its scores mean nothing. Some models
    have a twin for queries; for those the advice can be passed over.
    """
    for stage in view.stages:
        if stage.vector is None or stage.vector.model is None:
            continue
        for one, model in _models(stage):
            if model.lower() == stage.vector.model.lower():
                continue
            message = (
                f"the points' `{stage.vector.name}` is made by {stage.vector.model}, and the query by {model}"
            )
            place = one.span if view.site(stage).query is not None else view.at(stage)
            yield Found(place, message, "leave out MODEL: the collection records the model")
            break


@rule(
    "bm25-without-idf",
    "A BM25 vector has no IDF modifier",
    "Without it, rare words count no more than common ones.",
)
def _idf(view: View) -> Iterator[Found]:
    """BM25's vectors hold how often a word stands in a text; how rare it is in the collection comes from
    the modifier `idf` of the sparse vector, which the engine keeps up to date.

    Without the modifier, a search for `the aorta` is decided by `the`. CREATE COLLECTION sets it for a
    sparse vector unless told otherwise.
    """
    if isinstance(view.statement, nodes.CreateCollection):
        for vector in view.statement.vectors:
            model = str(scalar_value(vector.model)) if vector.model is not None else ""
            modifier = (view.facts.modifiers or {}).get(str(vector.name.text))
            if vector.kind == "sparse" and model.lower() == BM25 and modifier != "idf":
                yield Found(vector.span, *_no_idf(str(vector.name.text)))
        return
    modifiers = view.facts.modifiers or {}
    for stage in view.stages:
        name = vector_name(stage)
        if name not in modifiers or modifiers[name] == "idf" or not searches(stage):
            continue
        if any(model.lower() == BM25 for _, model in _models(stage)):
            yield Found(view.at(stage, "using", "target"), *_no_idf(name))


def _no_idf(name: str) -> tuple[str, str]:
    message = f"the BM25 vector `{name}` has no IDF modifier: rare words count no more than common ones"
    return message, f"CREATE COLLECTION … ({name} SPARSE WITH SPARSE (modifier = idf))"
