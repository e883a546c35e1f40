"""Rules about what scores can be: of fusions, thresholds and formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator

from qql import nodes
from qql.advice.rules import Found, rule
from qql.advice.view import View, is_long, limit_of, listed
from qql.compiler.plan import Input, Stage
from qql.compiler.scalars import scalar_value
from qql.errors import Span, many
from qql.rest.fusion import Bounds, dbsf_bounds, f64, rrf_bounds, rrf_score
from qql.rest.limits import RRF_K

_ROUNDING = 1e-5
"""How far a 32-bit score may lie beyond its bounds, as a share of them."""


def _fusion_bounds(view: View, stage: Stage) -> Bounds | None:
    limits = [limit_of(given.stage) * view.group_factor for given in stage.inputs]
    if stage.fusion == "dbsf":
        return dbsf_bounds(limits)
    if stage.fusion == "rrf":
        return rrf_bounds(limits, *_rrf_settings(stage))
    if stage.linear is not None and stage.linear.normalizer in ("minmax", "sigmoid"):
        return Bounds(0.0, sum(stage.linear.weights))
    return None


def _rrf_settings(stage: Stage) -> tuple[float, list[float] | None]:
    rrf = stage.rrf or {}
    k = rrf.get("k")
    return (RRF_K if k is None else k), rrf.get("weights")


# ------------------------------------------------------------------------------------ thresholds

_NEAREST = (nodes.Text, nodes.Image, nodes.Inference, nodes.Vector, nodes.Point)


def _thresholds(view: View) -> Iterator[tuple[Stage, float, Span]]:
    """Every threshold that counts: that of a reference replaces the stage's own."""
    for stage in view.stages:
        uses = view.site(stage).uses
        for use in uses:
            if use.given.threshold is not None:
                written = use.ref.threshold if use.ref is not None else None
                yield stage, use.given.threshold, written.span if written is not None else view.span(stage)
        replaced = bool(uses) and all(use.given.threshold is not None for use in uses)
        if stage.threshold is not None and stage.origin is None and not replaced:
            yield stage, stage.threshold, view.span(stage, "threshold")


def _search_thresholds(view: View) -> Iterator[tuple[Stage, float, Span]]:
    """The same, and the threshold of a HYBRID for each of the searches that it stands for."""
    yield from _thresholds(view)
    for stage in view.stages:
        if stage.origin == "HYBRID" and stage.threshold is not None:
            yield stage, stage.threshold, view.span(stage, "threshold")


def _score_bounds(view: View, stage: Stage) -> tuple[Bounds | None, str]:
    """The bounds of a stage's scores, and what they are of."""
    if stage.fusion is not None:
        if view.is_grouped(stage):
            return None, ""  # groups are fused from lists of other lengths
        k, weights = _rrf_settings(stage)
        about = many(len(stage.inputs), "source")
        if stage.fusion == "rrf":
            about += f", k = {k}" + (", as weighted" if weights else "")
        return _fusion_bounds(view, stage), f"{stage.fusion.upper()} scores ({about})"
    similar = stage.vector is not None and stage.vector.distance in ("Cosine", "Dot")
    if isinstance(stage.target, nodes.Context) and similar:
        return Bounds(-math.inf, 0.0), "CONTEXT scores"
    return (Bounds(-1.0, 1.0) if _compared_by(stage) == "Cosine" else None), "Cosine scores"


def _compared_by(stage: Stage) -> str | None:
    """The distance of the single dense vector that gives a stage's scores, where it is known."""
    if stage.vector is None or stage.vector.kind != "dense":
        return None
    match stage.target:
        case nodes.Recommend(strategy=None) | nodes.Mmr():
            return stage.vector.distance
        case nodes.Recommend(strategy=nodes.Name(text="average_vector")):
            return stage.vector.distance
    return stage.vector.distance if isinstance(stage.target, _NEAREST) else None


def _bound_text(value: float) -> str:
    return f"{value:.4g}"


@rule(
    "threshold-unreachable",
    "A SCORE THRESHOLD above every possible score",
    "A threshold above the best possible score lets nothing pass.",
    severity="warning",
)
def threshold_unreachable(view: View) -> Iterator[Found]:
    """The threshold of a stage is compared with that stage's own scores, and fused scores are small.

    RRF: a source gives 1 / (rank/w + k − 1), the rank counted from 1, so the best possible score is the
    sum of 1 / (1/w + k − 1) over the sources: with k = 2 and no weights 0.5 for each. DBSF: a source of
    n candidates gives at most 0.5 + (n − 1)/(6√n). Cosine: at most 1. A threshold for the similarity of
    single hits belongs to the stages that are fused. CONTEXT by Cosine or Dot: at most 0. Hits of a fusion
    pass with the threshold itself, those of a search have to be better. Euclid and Manhattan are distances:
    nearer hits pass, and none is below 0.
    """
    for stage, threshold, span in _thresholds(view):
        bounds, what = _score_bounds(view, stage)
        distance = _compared_by(stage)
        if distance in ("Euclid", "Manhattan") and threshold <= 0:
            message = f"no hit is nearer than {threshold}: {distance} scores are distances, from 0 up"
            yield Found(span, message, "raise it above 0: hits that are nearer than the threshold pass")
        if bounds is not None and threshold == bounds.high and not stage.inputs:
            message = f"only hits above {threshold} pass, and {what} go up to {_bound_text(bounds.high)}"
            yield Found(span, message, f"lower it below {_bound_text(bounds.high)}")
        if bounds is None or threshold <= bounds.high + _ROUNDING * abs(bounds.high):
            continue
        message = f"no hit reaches {threshold}: {what} go up to {_bound_text(bounds.high)}"
        belongs = (
            "put a threshold for single hits into the stages that are fused, or " if stage.fusion else ""
        )
        yield Found(span, message, f"{belongs}lower it below {_bound_text(bounds.high)}")


@rule(
    "threshold-idle",
    "A SCORE THRESHOLD below every possible score",
    "A threshold below the worst possible score cuts nothing.",
)
def threshold_idle(view: View) -> Iterator[Found]:
    """A threshold that every candidate passes has no effect.

    RRF: the worst possible score is that of the last candidate of the source where it counts least,
    found by no other source: 1 / (limit/w + k − 1). DBSF: a source of n candidates gives at least 0.5 −
    (n − 1)/(6√n), and where that is negative, the sum over the sources. Cosine: −1.
    """
    for stage, threshold, span in _thresholds(view):
        bounds, what = _score_bounds(view, stage)
        if bounds is None or threshold >= bounds.low - _ROUNDING * abs(bounds.low):
            continue
        message = f"every hit passes {threshold}: {what} go down to {_bound_text(bounds.low)}"
        yield Found(span, message, f"raise it above {_bound_text(bounds.low)}, or leave it out")


@rule(
    "threshold-unlike-metric",
    "A SCORE THRESHOLD that reads like a cosine on other scores",
    "Dot products have no fixed range, so 0.7 means nothing in particular.",
)
def threshold_unlike_metric_of(view: View) -> Iterator[Found]:
    """A threshold between 0 and 1 fits Cosine, whose scores lie between −1 and 1.

    Sparse vectors are compared by their dot product, and so are dense ones with the distance Dot. BM25
    scores often lie between 1 and 30, so a threshold of 0.7 lets nearly all of them pass. Of Dot this
    rule speaks only where the vector searched for is written out and is not of length 1: between
    vectors of length 1 it is the cosine. A multivector's score is a sum over the rows of the vector
    searched for. The threshold of HYBRID is that of its two searches, and of their fusion besides.
    """
    for stage, threshold, span in _search_thresholds(view):
        if not 0 < threshold < 1 or stage.fusion or not isinstance(stage.target, _NEAREST):
            continue
        kind = view.kind(stage)
        if kind == "sparse":
            what = "sparse scores are dot products"
        elif kind == "multi" and not _one_row(stage):
            what = "a multivector's score is a sum over rows"
        elif kind == "dense" and _long_dot(stage):
            what = "its distance is Dot, and the vector searched for is not of length 1"
        else:
            continue
        message = f"a threshold of {threshold} in {view.title(stage)} reads like a cosine, but {what}"
        hint = "look at the scores that the stage gives before choosing one; a LIMIT cuts by rank"
        if stage.origin == "HYBRID":
            hint = "write the two stages out, each with a threshold for its own scores, and FUSION RRF"
        yield Found(span, message, hint)


def _one_row(stage: Stage) -> bool:
    return isinstance(stage.target, nodes.Vector) and len(stage.target.value) == 1


def _long_dot(stage: Stage) -> bool:
    if stage.vector is None or stage.vector.distance != "Dot" or not isinstance(stage.target, nodes.Vector):
        return False
    return is_long(stage.target.value)


# ------------------------------------------------------------------------------------ fusions


@rule(
    "fusion-of-one",
    "A fusion of one stage",
    "A fusion of one source keeps its order and replaces its scores.",
)
def fusion_of_one(view: View) -> Iterator[Found]:
    """RRF and DBSF join rankings. With one source there is nothing to join.

    The order stays as it was; RRF's scores then say only the rank. A stage is missing, or the fusion is
    not needed. Below a FORMULA a fusion of one stage brings its scores to a common scale, which is passed
    over.
    """
    for stage in view.stages:
        if stage.fusion is not None and len(stage.inputs) == 1 and not view.gathers_candidates(stage):
            uses = view.site(stage).uses
            scaled = stage.origin is None and all(isinstance(u.parent.target, nodes.Formula) for u in uses)
            if uses and scaled:
                continue
            message = (
                f"{stage.fusion.upper()} fuses one stage, `{stage.inputs[0].stage.label}`: its order stays"
            )
            yield Found(
                view.span(stage, "fusion"),
                message,
                "add another stage to PREFETCH, or search without a fusion",
            )


@rule(
    "idle-weight",
    "A source of a fusion has a weight of 0 or less",
    "The stage is searched and counts nothing.",
)
def idle_weight(view: View) -> Iterator[Found]:
    """A source whose weight is 0 (or negative) adds nothing to any score.

    Its hits still come among the candidates, at the end, with what other sources give them. To leave a
    source out, leave it out of PREFETCH.
    """
    for stage in view.stages:
        weights = _rrf_settings(stage)[1] or []
        for given, weight in zip(stage.inputs, weights, strict=False):
            if weight <= 0:
                message = f"`{given.stage.label}` has the weight {weight}: it is searched and counts nothing"
                hint = "leave it out of PREFETCH, or give it a weight above 0"
                yield Found(view.option_span(stage, "rrf_weights"), message, hint)


_FLAT = 1.1


@rule(
    "rrf-flat",
    "k of RRF is so large that ranks hardly count",
    "The first and the last candidate of a source count nearly the same.",
)
def rrf_flat(view: View) -> Iterator[Found]:
    """RRF gives 1 / (rank/w + k − 1), so k says how fast the value of a rank falls.

    Qdrant's own k is 2; 60 (61 by Qdrant's count) is usual for lists of a thousand. Where k is so much
    larger than the lists are long that the first candidate of no source counts 10 % more than the last,
    the fusion only counts in how many sources a point stands.
    """
    for stage in view.stages:
        k, weights = _rrf_settings(stage)
        if stage.fusion != "rrf" or "k" not in (stage.rrf or {}):
            continue
        limits = [limit_of(given.stage) for given in stage.inputs]
        pairs = zip(limits, weights or [1.0] * len(limits), strict=True)
        ends = [
            (rrf_score(0, k, w, f64), rrf_score(limit - 1, k, w, f64))
            for limit, w in pairs
            if limit > 1 and w > 0
        ]
        ratios = [first / last if last else math.inf for first, last in ends]
        if not ratios or max(ratios) >= _FLAT:
            continue
        message = (
            f"with k = {k} the first of {max(limits):,} candidates counts {(max(ratios) - 1) * 100:.2g} % "
            "more than the last: ranks hardly matter"
        )
        hint = f"a smaller rrf_k (Qdrant's own is {RRF_K}), or longer lists: a higher LIMIT in the stages"
        yield Found(view.option_span(stage, "rrf_k", "k"), message, hint)


@rule(
    "fusion-per-shard",
    "A fusion below another stage of a sharded collection",
    "Only the fusion at the root sees the hits of all shards.",
    needs=("shards",),
)
def fusion_per_shard(view: View) -> Iterator[Found]:
    """Prefetches run inside each shard, and so does a fusion that is one of them.

    Ranks and score distributions are then those of a shard's own hits: the second-best shard's best hit
    is its first. The result depends on how the points are spread. The fusion at the root is computed
    over all shards.
    """
    shards = view.facts.shards
    if shards is None or shards < 2 or view.plan is None or view.plan.shard is not None:
        return
    for stage in view.stages:
        if stage.fusion is not None and not view.is_root(stage):
            message = (
                f"the fusion in `{stage.label}`, below another stage, is computed in each of {shards} shards"
            )
            hint = "make the fusion the query itself, and rescore its hits by a second query"
            yield Found(view.span(stage, "fusion"), message, hint)


@rule(
    "grouped-fusion",
    "GROUP BY over a fusion",
    "Groups are fused from other lists than hits are, so their order and scores differ.",
)
def grouped_fusion(view: View) -> Iterator[Found]:
    """Qdrant runs a grouped query with other limits than the same query without GROUP BY.

    All limits are multiplied by the size of a group. The lists that are fused then differ, and so do
    ranks, fused scores and the order of the groups.
    """
    fused = next((stage for stage in reversed(view.stages) if stage.fusion is not None), None)
    if view.plan is None or view.plan.group is None or fused is None:
        return
    method = (fused.fusion or "").upper()
    message = f"{method} under GROUP BY fuses other lists than without it: scores and order differ"
    hint = "where the order matters, write GROUP BY … FUSE FIRST: the session groups the ungrouped hits"
    yield Found(view.plan.group.span, message, hint)


# ------------------------------------------------------------------------------------ formulas


def _score_index(name: nodes.Name) -> int | None:
    """Which prefetch's score a variable is: 0 for ``$score``; None for a field."""
    text = str(name.text)
    if text in ("score", "$score"):
        return 0
    inside = text.removeprefix("$score[").removesuffix("]")
    number = inside.isascii() and inside.isdigit() and len(inside) < 10
    return int(inside) if number and text == f"$score[{inside}]" else None


def _score_names(formula: nodes.Formula) -> list[tuple[int, nodes.Name]]:
    named = [one for one in nodes.walk(formula.expression) if isinstance(one, nodes.Name)]
    return [(index, name) for name in named if (index := _score_index(name)) is not None]


@rule(
    "score-index",
    "A formula names the score of a prefetch that is not there",
    "$score[n] counts the prefetches from 0.",
    severity="warning",
)
def score_index(view: View) -> Iterator[Found]:
    """`$score[0]` is the score of the first stage in PREFETCH, `$score[1]` of the second.

    A number beyond the last stage has no score, so its default (0) is taken for every point.
    """
    for stage in view.stages:
        if not isinstance(stage.target, nodes.Formula) or not stage.inputs:
            continue
        for index, name in _score_names(stage.target):
            if index >= len(stage.inputs):
                last = len(stage.inputs) - 1
                message = f"there is no prefetch {index} (counted from 0): the last is $score[{last}]"
                span = name.span if view.site(stage).query is not None else view.span(stage)
                yield Found(span, message, "the scores are numbered in the order of PREFETCH")


@rule(
    "first-score-only",
    "A formula over several stages reads the score of the first only",
    "$score is $score[0]: what only the other stages found has no score.",
)
def first_score_only(view: View) -> Iterator[Found]:
    """`$score` is the score that the first stage of PREFETCH gave, not the best or a joint one.

    Points that only another stage found take the default, 0. The other stages then add candidates that
    the formula cannot tell apart by their scores. `$score[1]` is the second stage's score; a FUSION
    below gives one for all.
    """
    for stage in view.stages:
        if not isinstance(stage.target, nodes.Formula) or len(stage.inputs) < 2:
            continue
        found = _score_names(stage.target)
        defaulted = any(option.name.startswith("$score") for option in stage.target.defaults)
        if not found or defaulted or any(index for index, _ in found):
            continue
        first, *others = (given.stage.label for given in stage.inputs)
        message = f"$score is the score of `{first}` alone; what only {listed(others)} found counts 0"
        hint = "add $score[1] and so on, or fuse the stages and put the formula above the fusion"
        span = found[0][1].span if view.site(stage).query is not None else view.span(stage)
        yield Found(span, message, hint)


@rule(
    "mixed-scores",
    "Scores of different metrics are added up",
    "Scores of different kinds have different scales, so the larger scale decides.",
)
def mixed_scores(view: View) -> Iterator[Found]:
    """A cosine lies between −1 and 1, a BM25 score often between 1 and 30, an RRF score near 0.

    Their sum is ordered by whichever has the larger numbers. This rule speaks of sums of bare scores,
    and of weighted ones whose weights add up to 1, which treat the scores as being of one scale. FUSION
    RRF and DBSF bring them to one scale; a decay function or another factor for each score does too.
    """
    for stage in view.stages:
        if not isinstance(stage.target, nodes.Formula) or len(stage.inputs) < 2:
            continue
        for call in nodes.walk(stage.target.expression):
            if not isinstance(call, nodes.Call) or call.function != "sum":
                continue
            terms = [found for arg in _summands(call) if (found := _bare_score(arg)) is not None]
            factors = [factor for _, factor in terms]
            used = sorted({index for index, _ in terms if index < len(stage.inputs)})
            bare = len(set(factors)) == 1 or math.isclose(sum(factors), 1)
            metrics = [(index, _metric_of(view, stage.inputs[index])) for index in used]
            pair = _unlike_pair(metrics)
            if not bare or pair is None:
                continue
            (one, first), (other, second) = pair
            labels = [stage.inputs[index].stage.label for index in (one, other)]
            message = (
                f"the scores of `{labels[0]}` ({_metric_text(first)}) and `{labels[1]}` "
                f"({_metric_text(second)}) are added up, and their scales differ"
            )
            hint = "FUSION RRF or DBSF brings them to one scale; or give each a factor for its own range"
            yield Found(call.span if view.site(stage).query else view.span(stage), message, hint)
            break


def _summands(call: nodes.Call) -> Iterator[nodes.Expression]:
    """What a sum of sums adds up."""
    todo: list[nodes.Expression] = list(reversed(call.args))
    while todo:
        one = todo.pop()
        if isinstance(one, nodes.Call) and one.function == "sum":
            todo += reversed(one.args)
        else:
            yield one


def _bare_score(term: nodes.Expression) -> tuple[int, float] | None:
    """The prefetch of a score and its constant factor; None for anything else."""
    if isinstance(term, nodes.Name):
        index = _score_index(term)
        return None if index is None else (index, 1.0)
    if not isinstance(term, nodes.Call) or term.function != "mult":
        return None
    factor, score = 1.0, None
    for arg in term.args:
        if isinstance(arg, nodes.Scalar):
            value = scalar_value(arg)
            if not isinstance(value, (int, float)):
                return None
            factor *= value
            continue
        found = _bare_score(arg)
        if found is None or score is not None:
            return None
        score, factor = found[0], factor * found[1]
    return None if score is None else (score, factor)


_Metric = tuple[str, str | None]


def _metric_of(view: View, given: Input) -> _Metric | None:
    """The kind of a stage's scores, and the distance where it is known; None where neither is."""
    stage = given.stage
    if stage.fusion is not None:
        return stage.fusion.upper(), None
    if not isinstance(stage.target, _NEAREST):
        return None
    kind = view.kind(stage)
    if kind is None:
        return None
    return kind, stage.vector.distance if stage.vector is not None else None


def _unlike_pair(
    metrics: list[tuple[int, _Metric | None]],
) -> tuple[tuple[int, _Metric], tuple[int, _Metric]] | None:
    known = [(index, metric) for index, metric in metrics if metric is not None]
    for at, one in enumerate(known):
        for other in known[at + 1 :]:
            if one[1][0] != other[1][0] or (one[1][1] and other[1][1] and one[1][1] != other[1][1]):
                return one, other
    return None


def _metric_text(metric: _Metric) -> str:
    kind, distance = metric
    return f"{kind}, {distance}" if distance else kind
