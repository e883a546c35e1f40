"""Rules about what is fused: sources of which only some are filtered, or whose order is chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qql import nodes
from qql.advice.filters import span_here
from qql.advice.rules import Found, rule
from qql.advice.view import View, listed
from qql.compiler.plan import Input, Stage
from qql.syntax.printer import show

__all__ = ["every_candidate"]

_LONGEST = 60  # characters of a condition in a message


def every_candidate(given: Input, holds: Callable[[nodes.Condition], bool]) -> bool:
    """Whether such a condition holds for all that an input brings, by its own filters and those below it."""
    if any(one is not None and holds(one) for one in (given.where, given.stage.where)):
        return True
    return bool(given.stage.inputs) and all(every_candidate(one, holds) for one in given.stage.inputs)


def _some_candidate(given: Input) -> bool:
    """Whether anything that an input brings is filtered."""
    own = given.where is not None or given.stage.where is not None
    return own or any(_some_candidate(one) for one in given.stage.inputs)


@rule(
    "fusion-half-filtered",
    "Of the sources of a fusion, some are filtered and others are not",
    "A filter of one stage holds for its own hits: what another finds need not fulfil it.",
    tells_values=True,
)
def fusion_half_filtered(view: View) -> Iterator[Found]:
    """A fusion shows what any of its sources found, so a WHERE in one of them restricts nothing.

    The WHERE of the query itself holds for all stages below it. This rule is silent where the unfiltered
    source is the same search as the filtered one, which then gives more weight to some points, and about
    sources that are filtered in different ways.
    """
    for stage in view.stages:
        if stage.fusion is None or len(stage.inputs) < 2:
            continue
        filtered = [one for one in stage.inputs if every_candidate(one, lambda _: True)]
        free = [one for one in stage.inputs if not _some_candidate(one)]
        alone = [one for one in filtered if not any(_same_search(one.stage, two.stage) for two in free)]
        if not alone or not free:
            continue
        own = alone[0].where or alone[0].stage.where
        names = listed(dict.fromkeys(one.stage.label for one in free))
        are, find = ("is", "finds") if len(free) == 1 else ("are", "find")
        message = (
            f"`{alone[0].stage.label}` is filtered{_by(own)}, and {names} {are} not: what {names} {find}"
        )
        hint = "a WHERE of the query itself holds for all of its stages; or repeat it in the others"
        place = view.span(alone[0].stage) if own is None else span_here(view, own.span)
        yield Found(view.span(free[0].stage), f"{message} need not fulfil it", hint, ((place, "the filter"),))


def _same_search(one: Stage, other: Stage) -> bool:
    return (one.target, one.using, one.fusion) == (other.target, other.using, other.fusion)


def _by(where: nodes.Condition | None) -> str:
    """`` by `year > 2000` ``, where the source itself has a filter that is short."""
    text = show(where) if where is not None else ""
    return f" by `{text}`" if 0 < len(text) <= _LONGEST else ""


@rule(
    "chance-order",
    "A rank or a page among points that are drawn by chance",
    "SAMPLE gives other points in another order each time.",
)
def chance_order(view: View) -> Iterator[Found]:
    """A fusion counts the ranks of its sources, and the rank of a point in a SAMPLE says nothing about it.

    Nor does OFFSET turn the page of a SAMPLE: the next call draws anew. A SAMPLE whose points another stage
    scores is a fine source of candidates.
    """
    for stage in view.stages:
        sampled = [one.stage for one in stage.inputs if isinstance(one.stage.target, nodes.Sample)]
        if stage.fusion is not None and len(stage.inputs) > 1 and not view.gathers_candidates(stage):
            for one in sampled:
                message = f"`{one.label}` is drawn by chance, and {stage.fusion.upper()} counts its order"
                yield Found(view.span(one, "target"), message, "leave it out, or score its points by a query")
        if (
            view.is_root(stage)
            and isinstance(stage.target, nodes.Sample)
            and not stage.fusion
            and _skips(view)
        ):
            message = "OFFSET skips points of a SAMPLE, which is drawn anew each time"
            yield Found(
                view.span(stage, "offset"), message, "leave OFFSET out: LIMIT says how many are drawn"
            )


def _skips(view: View) -> bool:
    return view.plan is not None and bool(view.plan.offset)
