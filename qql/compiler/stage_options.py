"""Options of a stage that mean more than their values: acorn in two parts, a fusion's weights by name."""

from __future__ import annotations

from collections.abc import Mapping

from qql import nodes
from qql.compiler.options.query import ACORN_OPTIONS, OPTIONS_OF_FUSIONS
from qql.compiler.plan import Input, Stage, stage_key
from qql.errors import did_you_mean, fail, many
from qql.rest.linear_fusion import DEFAULT_NORMALIZER, LinearFusion
from qql.rest.types import Json, JsonObject

__all__ = ["INLINE", "check_fusion_option", "fold_acorn", "fusion_options", "linear_fusion"]

INLINE = "inline "
"""How the labels of stages without a name begin."""


def fold_acorn(values: JsonObject, query: nodes.Query) -> None:
    """``acorn = true, max_selectivity = x`` means ``acorn = {max_selectivity: x}``."""
    beside = {key: values.pop(key) for key in ACORN_OPTIONS if key in values}
    if not beside:
        return
    span = next(option.span for option in query.params if option.name in beside)
    acorn = values.get("acorn")
    if not acorn or not acorn["enable"]:
        fail("idle-option", f"`{min(beside)}` has no meaning without acorn", span, "add acorn = true")
    if not beside.keys().isdisjoint(acorn):
        fail("duplicate-option", f"the option `{min(beside)}` stands twice", span)
    values["acorn"] = acorn | beside


def fusion_options(
    query: nodes.Query, params: Mapping[str, Json], inputs: tuple[Input, ...]
) -> JsonObject | None:
    """``{"k": …, "weights": […]}`` in the order of the references; None where nothing is given."""
    if not params:
        return None
    found = {}
    if "rrf_k" in params:
        found["k"] = params["rrf_k"]
    weights = _weights(query, params, "rrf_weights", inputs)
    if weights is not None:
        found["weights"] = weights
    return found or None


def check_fusion_option(option: nodes.Option, method: str | None) -> None:
    """Refuses an option of one fusion at another, or where nothing is fused."""
    owners = [name.upper() for name, table in OPTIONS_OF_FUSIONS.items() if option.name in table]
    if not owners or (method is not None and method.upper() in owners):
        return
    what = f"FUSION {method.upper()}" if method else f"a query without FUSION {owners[0]}"
    close = {"weights": "rrf_weights", "rrf_weights": "weights"}.get(option.name)
    hint = f"its weights are `{close}`" if close in OPTIONS_OF_FUSIONS.get(method or "", {}) else None
    fail("idle-option", f"`{option.name}` has no meaning for {what}", option.span, hint)


def linear_fusion(
    query: nodes.Query, params: Mapping[str, Json], inputs: tuple[Input, ...]
) -> LinearFusion | None:
    """What FUSION LINEAR says, with a weight for each reference; None for any other query."""
    if query.fusion is None or query.fusion.method != "linear":
        return None
    normalizer = str(params.get("normalizer") or DEFAULT_NORMALIZER)
    weights = _weights(query, params, "weights", inputs) or [1.0] * len(inputs)
    smaller = tuple(_is_distance(one.stage) for one in inputs)
    if normalizer == "none" and any(smaller):
        stage = inputs[smaller.index(True)].stage
        message = (
            f"the scores of `{stage.label.strip()}` are distances, of which the small ones are the better"
        )
        hint = "minmax, zscore and sigmoid turn them round"
        fail("distances-added", f"normalizer = none adds scores up, and {message}", query.fusion.span, hint)
    turned = smaller if normalizer == "sigmoid" and any(smaller) else ()
    return LinearFusion(normalizer, tuple(float(one) for one in weights), turned)


def _is_distance(stage: Stage) -> bool:
    """Whether small scores of a stage are its better ones. Recommendations give scores that are none."""
    if stage.fusion is not None or not isinstance(stage.target, nodes.Input | nodes.Mmr):
        return False
    return stage.vector is not None and stage.vector.distance in ("Euclid", "Manhattan")


def _weights(
    query: nodes.Query, params: Mapping[str, Json], name: str, inputs: tuple[Input, ...]
) -> list[float] | None:
    """The weights that an option gives, in the order of the references."""
    weights = params.get(name)
    if weights is None:
        return None
    option = next(o for o in query.params if o.name == name)
    found = _weights_by_name(weights, option, inputs) if isinstance(weights, dict) else list(weights)
    if len(found) != len(inputs):
        message = f"{name} has {many(len(found), 'weight')}"
        message += f" for {many(len(inputs), 'prefetch', 'prefetches')}"
        fail("weights-count", message, option.span, "each prefetch takes one weight, in order")
    return found


def _weights_by_name(
    weights: Mapping[str, float], option: nodes.Option, inputs: tuple[Input, ...]
) -> list[float]:
    given = {stage_key(nodes.Name(key)): (key, value) for key, value in weights.items()}
    found = []
    known: dict[str, str] = {}
    for one in inputs:
        name = one.stage.label
        if name.startswith(INLINE):
            hint = "name the stage by WITH, or give the weights as a list"
            fail("weights-by-name", "an inline stage has no name to give a weight to", one.stage.span, hint)
        key = stage_key(nodes.Name(name))
        known[key] = name
        if key not in given:
            fail("weights-count", f"{option.name} has no weight for `{name}`", option.span)
        found.append(given[key][1])
    extra = [name for key, (name, _) in given.items() if key not in known]
    if extra:
        close = did_you_mean(extra[0], list(known.values()))
        fail(
            "weights-count", f"{option.name} names `{extra[0]}`, which is not prefetched", option.span, close
        )
    return found
