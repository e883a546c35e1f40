"""Options of a stage that mean more than their values: acorn in two parts, a fusion's weights by name."""

from __future__ import annotations

from collections.abc import Mapping

from qql import nodes
from qql.compiler.options.query import ACORN_OPTIONS
from qql.compiler.plan import Input, stage_key
from qql.errors import did_you_mean, fail, many
from qql.rest.types import Json, JsonObject

__all__ = ["INLINE", "fold_acorn", "fusion_options"]

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
    weights = params.get("rrf_weights")
    if weights is not None:
        option = next(o for o in query.params if o.name == "rrf_weights")
        if isinstance(weights, dict):
            weights = _weights_by_name(query, weights, option, inputs)
        if len(weights) != len(inputs):
            message = f"rrf_weights has {many(len(weights), 'weight')}"
            message += f" for {many(len(inputs), 'prefetch', 'prefetches')}"
            fail("weights-count", message, option.span, "each prefetch takes one weight, in order")
        found["weights"] = weights
    return found or None


def _weights_by_name(
    query: nodes.Query, weights: Mapping[str, float], option: nodes.Option, inputs: tuple[Input, ...]
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
            fail("weights-count", f"rrf_weights has no weight for `{name}`", option.span)
        found.append(given[key][1])
    extra = [name for key, (name, _) in given.items() if key not in known]
    if extra:
        close = did_you_mean(extra[0], list(known.values()))
        fail("weights-count", f"rrf_weights names `{extra[0]}`, which is not prefetched", option.span, close)
    return found
