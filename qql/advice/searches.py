"""Rules about single searches: vectors, models, quantization and search parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from qql import nodes
from qql.advice.limits import FEW_POINTS, thumb_limit
from qql.advice.rules import Found, rule
from qql.advice.view import View, limit_of, rescores, searches, vector_name
from qql.compiler.embed_clauses import resolve_embeds
from qql.compiler.model_names import known_kind, known_size
from qql.compiler.plan import Context, Stage, inputs_of
from qql.compiler.scalars import count_limit, scalar_value
from qql.errors import QQLPlanError, Span, many
from qql.rest.limits import BM25
from qql.rest.types import Body
from qql.schema import VectorInfo

__all__ = ["MANY_POINTS"]

MANY_POINTS = 100_000
"""Above this, comparing every point takes longer than a search should."""


@rule(
    "multivector-first",
    "A multivector searches the whole collection",
    "Late interaction compares every token with every token: it is made for few candidates.",
)
def multivector_first(view: View) -> Iterator[Found]:
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
        limit = thumb_limit(view, view.kept(stage), first=True)
        hint = f"find candidates first: PREFETCH (QUERY … USING a dense vector LIMIT {limit})"
        yield Found(view.span(stage, "using", "target"), f"the multivector{on} {how}", hint)


def _is_scored_again(view: View, stage: Stage) -> bool:
    """Whether everything that uses a stage scores its hits again, RERANK included."""
    uses = view.site(stage).uses
    if uses and all(rescores(use.parent) for use in uses):
        return True
    return view.is_root(stage) and view.plan is not None and view.plan.second is not None


def _rescored_by_default(config: Body) -> bool:
    """Whether Qdrant scores the candidates again by the full vectors: binary and 1-bit turbo quantization."""
    return "binary" in config or (config.get("turbo") or {}).get("bits") == "bits1"


@rule(
    "quantized-without-rescore",
    "Hits of a quantized vector keep their rough scores",
    "Quantization changes scores; rescoring or oversampling makes up for it.",
    needs=("quantization",),
)
def quantized_without_rescore(view: View) -> Iterator[Found]:
    """A search of a quantized vector compares rough copies.

    Binary and 1-bit turbo quantization are scored again by the full vectors by default, but only as
    many as LIMIT says: oversampling takes more. Scalar, product and other turbo quantization are not
    scored again unless `rescore` is true; oversampling without it keeps the best by the same rough
    scores. A stage whose hits another stage scores again needs neither, and is passed over.
    """
    configs = view.facts.quantization
    if configs is None:
        return
    for stage in view.stages:
        config = configs.get(vector_name(stage))
        if not config or not searches(stage) or stage.params.get("exact") or _is_scored_again(view, stage):
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
            what = "oversampling without rescore keeps the best by rough scores"
        hint = "PARAMS (quantization = {rescore: true, oversampling: 2.0})"
        yield Found(view.option_span(stage, "quantization"), f"{quantized}, and {what}", hint)


@rule(
    "exact-scan",
    "An exact search over many points",
    "exact = true compares every point.",
    needs=("points",),
)
def exact_scan(view: View) -> Iterator[Found]:
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
        if view.is_filtered(stage, lambda _: True):
            continue
        message = f"exact = true compares all {points:,} points of `{view.collection}`"
        hint = "leave it out, and raise hnsw_ef where recall matters"
        yield Found(view.option_span(stage, "exact"), message, hint)


@rule(
    "hnsw-ef-below-limit",
    "hnsw_ef is below LIMIT",
    "The search keeps at least LIMIT candidates, so a smaller hnsw_ef has no effect.",
)
def hnsw_ef_below_limit(view: View) -> Iterator[Found]:
    """hnsw_ef is how many candidates the search of the graph keeps; it raises recall above LIMIT only.

    Qdrant takes the larger of the two. At the root, OFFSET counts with LIMIT.
    """
    for stage in view.stages:
        ef = stage.params.get("hnsw_ef")
        if ef is None or not searches(stage) or stage.origin is not None or ef >= view.kept(stage):
            continue
        if stage.params.get("exact") or view.kind(stage) == "sparse":
            continue
        message = (
            f"hnsw_ef = {ef} has no effect: the search keeps {many(view.kept(stage), 'candidate')} anyway"
        )
        hint = f"raise it above {view.kept(stage)}, or leave it out"
        yield Found(view.option_span(stage, "hnsw_ef"), message, hint)


@rule(
    "idle-hnsw-ef",
    "hnsw_ef where no graph is searched",
    "exact = true and sparse vectors use no HNSW graph.",
)
def idle_hnsw_ef(view: View) -> Iterator[Found]:
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
            yield Found(view.option_span(stage, "hnsw_ef"), message, hint)


@rule(
    "idle-acorn",
    "acorn where nothing is filtered",
    "ACORN keeps the search of a graph going where a filter leaves few points.",
)
def idle_acorn(view: View) -> Iterator[Found]:
    """`acorn = true` looks at the neighbours of neighbours in the HNSW graph, where a filter cuts it apart.

    Without a WHERE, in the stage or in the query above it, there is nothing to bridge. A sparse vector has
    no graph, and exact = true searches none.
    """
    for stage in view.stages:
        acorn = stage.params.get("acorn")
        if not acorn or not acorn.get("enable") or not searches(stage) or stage.origin is not None:
            continue
        if stage.params.get("exact") or view.kind(stage) == "sparse":
            why = (
                "exact = true searches no graph"
                if stage.params.get("exact")
                else "a sparse vector has no graph"
            )
        elif not _is_ever_filtered(view, stage):
            why = "nothing is filtered"
        else:
            continue
        yield Found(view.option_span(stage, "acorn"), f"acorn has no effect: {why}", "leave it out")


def _is_ever_filtered(view: View, stage: Stage) -> bool:
    """Whether a stage has a filter at any of its uses; the points that a query names are one, too."""
    todo, seen = [stage], {id(stage)}
    while todo:
        one = todo.pop()
        named = one.target is not None and any(
            isinstance(part, nodes.Point) for part in inputs_of(one.target)
        )
        if one.where is not None or named or view.is_grouped(one):
            return True
        for use in view.site(one).uses:
            if use.given.where is not None:
                return True
            if id(use.parent) not in seen:
                seen.add(id(use.parent))
                todo.append(use.parent)
    return False


@rule(
    "not-indexed-yet",
    "A large collection has no vector index",
    "Until its vectors are indexed, every search compares every point.",
    needs=("points", "indexed_vectors"),
)
def not_indexed_yet(view: View) -> Iterator[Found]:
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
        yield Found(view.span(stage, "using", "target"), message, hint)
        return


@rule(
    "rescored-alike",
    "A stage scores its candidates by the search that found them",
    "The same vector gives the same scores: the order stays as it was.",
)
def rescored_alike(view: View) -> Iterator[Found]:
    """A second stage is worth its cost by another vector, or by a finer copy of the same one.

    This rule speaks where a stage compares with the same vector and the same target as the only stage below
    it, and neither says anything of quantization or IDF.
    """
    for stage in view.stages:
        if not rescores(stage) or len(stage.inputs) != 1:
            continue
        below = stage.inputs[0].stage
        same = (below.target, below.using, below.model, below.lookup, below.fusion)
        if same != (stage.target, stage.using, stage.model, stage.lookup, stage.fusion):
            continue
        lookup = stage.inputs[0].lookup
        otherwise = {"quantization", "idf"} & {*stage.params, *below.params}
        if lookup is not None or otherwise or (view.facts.quantization or {}).get(vector_name(stage)):
            continue
        message = (
            f"{view.title(stage)} scores the hits of `{below.label}` by the same vector and target again"
        )
        hint = "search without the stage, or score by another vector"
        yield Found(view.span(stage, "target"), message, hint)


# ------------------------------------------------------------------------------------ MMR


@rule(
    "mmr-in-stage",
    "MMR in a stage without a PREFETCH of its own",
    "Below another stage, Qdrant reads such an MMR as a plain search for its CANDIDATES.",
    severity="warning",
)
def mmr_in_stage(view: View) -> Iterator[Found]:
    """A search of the collection that stands below another stage brings its candidates; which of them are
    different enough would be chosen afterwards, and that step is left out: DIVERSITY has no effect, and LIMIT
    none but right below a fusion at the root, which takes no more of each list.

    With a PREFETCH that finds the candidates, MMR is a step of its own and chooses among all of them. The
    MMR options of HYBRID and an MMR with a trailing FORMULA stand below another stage, too.
    """
    for stage in view.stages:
        if view.is_root(stage) or stage.inputs or not isinstance(stage.target, nodes.Mmr):
            continue
        candidates = _mmr_candidates(stage)
        message = (
            f"MMR in a stage is a plain search for {many(candidates, 'candidate')}: DIVERSITY has no effect"
        )
        hint = f"give the MMR a PREFETCH (QUERY … LIMIT {candidates}) to choose from, or make it the query"
        if stage.origin == "HYBRID":
            hint = f"write the stages out, the MMR with a PREFETCH (QUERY … LIMIT {candidates}) of its own"
            place = view.option_span(stage, "mmr_diversity", "mmr_candidates")
        else:
            place = view.span(stage, "target")
        yield Found(place, message, hint)


def _mmr_candidates(stage: Stage) -> int:
    """CANDIDATES, or LIMIT where it is missing."""
    assert isinstance(stage.target, nodes.Mmr)
    return count_limit(stage.target.candidates, "CANDIDATES", 1) or limit_of(stage)


@rule(
    "mmr-without-choice",
    "MMR chooses among as many candidates as it shows",
    "Without more CANDIDATES than hits, MMR changes their order but not which they are.",
)
def mmr_without_choice(view: View) -> Iterator[Found]:
    """MMR picks hits that are relevant and differ from one another, out of CANDIDATES; where that is not
    given, there are as many as LIMIT says, and all of them are picked.

    About ten candidates for each hit leave it a choice.
    """
    if view.plan is None or view.plan.group is not None:
        return
    stage = view.plan.root
    if not isinstance(stage.target, nodes.Mmr) or _mmr_candidates(stage) > view.kept(stage):
        return
    candidates, wanted = _mmr_candidates(stage), view.kept(stage)
    if view.facts.points is not None and view.facts.points <= candidates:
        return
    message = f"MMR chooses {many(wanted, 'hit')} among {many(candidates, 'candidate')}"
    message += ": it can change their order only"
    if candidates < wanted:
        message = f"MMR has {many(candidates, 'candidate')}, and cannot give {many(wanted, 'hit')}"
    place = stage.target.candidates.span if stage.target.candidates else view.span(stage, "target")
    yield Found(place, message, f"CANDIDATES {thumb_limit(view, wanted, first=False)} behind DIVERSITY")


# ------------------------------------------------------------------------------------ models


def _embedded_inputs(stage: Stage) -> Iterator[tuple[nodes.Text | nodes.Image | nodes.Inference, str]]:
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
    any_statement=True,
)
def model_dimension(view: View) -> Iterator[Found]:
    """The engine refuses a vector of another number of dimensions, after the text was embedded for it.

    Of many models the size and the kind (dense, sparse, multi) are known by name. OPTIONS may change a
    model's size, so a text with OPTIONS is passed over.
    """
    for place, vector, model, plain in _embeddings(view):
        message = _mismatch(model, vector) if plain else None
        if message is not None:
            vectors = view.schema.describe_vectors() if view.schema else vector.describe()
            yield Found(place, message, f"another MODEL or USING; its vectors: {vectors}")


def _mismatch(model: str, vector: VectorInfo) -> str | None:
    kind, size = known_kind(model), known_size(model)
    if kind is not None and kind != vector.kind:
        return f"{model} makes {kind} vectors, and {vector.describe()} is {vector.kind}"
    if size is not None and vector.size is not None and size != vector.size:
        name = vector.name or "(unnamed)"
        return f"{model} makes vectors of {size} dimensions, and `{name}` has {vector.size}"
    return None


def _embeddings(view: View) -> Iterator[tuple[Span, VectorInfo, str, bool]]:
    """What is embedded for which vector by which model, and whether without OPTIONS; once for a stage.

    Of UPSERT, the models that it names for vectors that the collection has.
    """
    if isinstance(view.statement, nodes.Upsert) and view.schema is not None:
        for given in view.statement.embeds:
            with contextlib.suppress(QQLPlanError):  # what it names is unclear without the session's models
                [embed] = resolve_embeds([given], view.schema, view.collection, Context())
                vector = view.schema.vectors.get(embed.vector)
                if vector is not None and given.model is not None and embed.model:
                    yield given.span, vector, embed.model, True
    for stage in view.stages:
        if stage.vector is None:
            continue
        told: set[str] = set()
        for one, model in _embedded_inputs(stage):
            if model not in told:
                told.add(model)
                here = view.site(stage).query is not None
                yield one.span if here else view.span(stage), stage.vector, model, not one.options


@rule(
    "other-model",
    "A query is embedded by another model than the points",
    "Vectors of two models have nothing in common, even of the same size.",
    needs=("schema",),
    any_statement=True,
)
def other_model(view: View) -> Iterator[Found]:
    """A collection records the model of each vector; the texts of its points were embedded by it.

    A query embedded by another model is compared all the same, and its scores mean nothing. Some models
    have a twin for queries; for those the advice can be passed over. The same holds for an UPSERT that
    names another model.
    """
    what = "these points" if isinstance(view.statement, nodes.Upsert) else "the query"
    for place, vector, model, _ in _embeddings(view):
        if vector.model is None or model.lower() == vector.model.lower() or _mismatch(model, vector):
            continue
        name = vector.name or "(unnamed)"
        message = f"the points' `{name}` is made by {vector.model}, and {what} by {model}"
        yield Found(place, message, "leave out MODEL: the collection records the model")


@rule(
    "bm25-without-idf",
    "A BM25 vector has no IDF modifier",
    "Without it, rare words count no more than common ones.",
    any_statement=True,
)
def bm25_without_idf(view: View) -> Iterator[Found]:
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
                yield Found(vector.span, *_idf_finding(str(vector.name.text)))
        return
    modifiers = view.facts.modifiers or {}
    for stage in view.stages:
        name = vector_name(stage)
        if name not in modifiers or modifiers[name] == "idf" or not searches(stage):
            continue
        if any(model.lower() == BM25 for _, model in _embedded_inputs(stage)):
            yield Found(view.span(stage, "using", "target"), *_idf_finding(name))


def _idf_finding(name: str) -> tuple[str, str]:
    message = f"the BM25 vector `{name}` has no IDF modifier: rare words count no more than common ones"
    return message, f"CREATE COLLECTION … ({name} SPARSE WITH SPARSE (modifier = idf))"
