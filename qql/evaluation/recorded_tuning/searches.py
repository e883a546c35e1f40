"""Ways to look for the best setting: all of a grid, or those that a sampler of Optuna draws in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from qql.evaluation.faults import argument
from qql.evaluation.measures import Measure
from qql.evaluation.recorded_tuning.boards import Board, ScoredSetting
from qql.evaluation.recorded_tuning.spaces import Space
from qql.missing import needed_for
from qql.rest.types import Json, JsonObject

__all__ = ["SEARCHES", "TRIALS", "mean_of"]

TRIALS = 200
"""Settings that a sampler draws, where nothing else is said."""
_AT_ONCE = 20
"""Settings that are drawn before the figures of the first of them are told."""

Search = Callable[[Space, Board, Measure, Sequence[int], int | None, int | None, int], list[ScoredSetting]]
"""The settings that were tried for some queries, which are given by their places in the board's."""


def mean_of(one: ScoredSetting, measure: Measure, queries: Sequence[int]) -> float:
    """The mean of a measure over some queries."""
    of = one.figures[measure]
    return math.fsum(of[at] for at in queries) / len(queries)


def _by_grid(
    space: Space,
    board: Board,
    measure: Measure,
    queries: Sequence[int],
    sample: int | None,
    most: int | None,
    seed: int,
) -> list[ScoredSetting]:
    found = board.add(space.combinations(sample, most, seed))
    return [one for one in found if one is not None]


def _by_optuna(
    space: Space,
    board: Board,
    measure: Measure,
    queries: Sequence[int],
    sample: int | None,
    most: int | None,
    seed: int,
) -> list[ScoredSetting]:
    """A tree-structured Parzen estimator: what is good on ``queries`` says what is drawn next.

    Bergstra, Bardenet, Bengio, Kégl: Algorithms for hyper-parameter optimization, NIPS 2011.
    """
    with needed_for(argument("search", "optuna"), instead="the search `grid` does without"):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    places: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.IntDistribution(0, len(values) - 1)
        if _is_scale(values)
        else optuna.distributions.CategoricalDistribution([*range(len(values))])
        for name, values in space.axes.items()
    }
    now = {name: space.now(name) for name in space.axes}
    if all(now[name] in values for name, values in space.axes.items()):
        study.enqueue_trial({name: [*values].index(now[name]) for name, values in space.axes.items()})
    count = min(sample or TRIALS, most or sample or TRIALS)
    tried: dict[int, ScoredSetting] = {}
    for start in range(0, count, _AT_ONCE):
        asked = [study.ask(places) for _ in range(min(_AT_ONCE, count - start))]
        found = board.add([_values(space, one.params) for one in asked])
        for trial, one in zip(asked, found, strict=True):
            if one is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            tried[id(one)] = one
            study.tell(trial, mean_of(one, measure, queries))
    return [*tried.values()]


def _is_scale(values: Sequence[Json]) -> bool:
    """Whether values go from small to large, so that what lies between two good ones may be good."""
    numbers = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
    return len(numbers) == len(values) > 2 and sorted(numbers) == numbers


def _values(space: Space, drawn: Mapping[str, int]) -> JsonObject:
    return space.fitted({name: values[drawn[name]] for name, values in space.axes.items()})


SEARCHES: Mapping[str, Search] = {"grid": _by_grid, "optuna": _by_optuna}
"""The searches by their names."""
