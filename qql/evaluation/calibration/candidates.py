"""What the stages below a fusion gave to judged queries: a row of scores and a label for each candidate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qql.evaluation.faults import InputError
from qql.evaluation.files import Qrels
from qql.evaluation.pipelines import Pipeline
from qql.evaluation.recording.planning import Planner
from qql.evaluation.recording.recipes import Computing, Fusing, Part, Recipe
from qql.evaluation.recording.recomputing import Evaluation, NeedsRun
from qql.evaluation.recording.recordings import RecordedQuery
from qql.records import dataclass
from qql.result import Hit

__all__ = ["JudgedQuery", "judged_query", "ranked_documents"]

Documents = Callable[[Sequence[int | str]], dict[int | str, str]]
"""The document of each point."""


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query with what its stages gave.

    ``scores`` has a row for each candidate, with None where a stage lacks it; ``labels`` says which of them
    are relevant. ``before`` are the documents that the pipeline answers, the best first. ``unjudged`` counts
    the candidates that nobody has judged, and ``documents`` has the document of each of them all.
    """

    query: str
    row: RecordedQuery
    labels_of_stages: tuple[str, ...]
    scores: tuple[tuple[float | None, ...], ...]
    labels: tuple[bool, ...]
    before: tuple[str, ...]
    unjudged: int
    documents: dict[int | str, str]


def judged_query(
    row: RecordedQuery,
    planner: Planner,
    pipeline: Pipeline,
    qrels: Qrels,
    documents: Documents,
    judged_only: bool,
) -> JudgedQuery:
    """What the stages of a pipeline gave to a query of a recording.

    Raises `InputError`: ``no-fusion`` where the root fuses nothing, ``needs-run`` where the recording does
    not say what a stage gives.
    """
    compiled = pipeline.compiled(planner.values(pipeline, row))
    recipe = planner.recipe_of(compiled)
    root = _root_of(recipe)
    evaluation = Evaluation(planner.recording, row, recipe.keys, recipe.labels)
    try:
        lists = [evaluation.given(part).found for part in root.inputs]
    except NeedsRun as why:
        raise InputError.make("needs-run", f"query {row.query}: {why}", hint=_DEEPER) from why
    assert compiled.plan is not None, "a pipeline's statement is a query"
    labels = tuple(one.stage.label.strip() for one in compiled.plan.root.inputs)
    found = [{one.id: one.score for one in some} for some in lists]
    ids = list(dict.fromkeys(key for some in found for key in some))
    names = documents(ids)
    judged = qrels.get(row.query, {})
    unjudged = [key for key in ids if names[key] not in judged]
    counted = [key for key in ids if not judged_only or names[key] in judged]
    return JudgedQuery(
        row.query,
        row,
        labels,
        tuple(tuple(some.get(key) for some in found) for key in counted),
        tuple(judged.get(names[key], 0) > 0 for key in counted),
        ranked_documents(evaluation, recipe, names),
        len(unjudged),
        names,
    )


_DEEPER = "record the stages deeper down, or leave the recording out: then they are asked now"


def _root_of(recipe: Recipe) -> Fusing | Computing:
    root: Part | None = recipe.root
    if root is None:
        raise InputError.make("needs-run", f"no recording says what it answers: {recipe.obstacles[0]}")
    if isinstance(root, Fusing | Computing):
        return root
    hint = "calibrate takes PREFETCH (a, b) FUSION …: the scores of its stages become a probability"
    raise InputError.make("no-fusion", "the query of this pipeline fuses no stages", hint=hint)


def ranked_documents(evaluation: Evaluation, recipe: Recipe, names: dict[int | str, str]) -> tuple[str, ...]:
    """The documents that a recipe answers, equal scores in the order of ids. Raises `InputError`."""
    from qql.evaluation.documents import ranking

    found = evaluation.recomputed(recipe)
    if found.hits is None:
        message = f"query {evaluation.row.query}: {found.reasons[0]}"
        raise InputError.make("needs-run", message, hint=_DEEPER)
    hits = [Hit(one.id, score=one.score) for one in found.hits]
    return tuple(one.doc for one in ranking(hits, lambda hit: names[hit.id]))
