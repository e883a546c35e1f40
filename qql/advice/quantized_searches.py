"""Rules about the options of searches in quantized vectors."""

from __future__ import annotations

from collections.abc import Iterator

from qql.advice.rules import Found, rule
from qql.advice.view import View, vector_name
from qql.compiler.plan import Stage
from qql.rest.types import Body

_UNKNOWN: Body = {}
"""Where it is not known how a vector is quantized."""


def _config_of(view: View, stage: Stage) -> Body | None:
    """How the vector of a stage is quantized: None where it is not, `_UNKNOWN` where that is not known."""
    if view.kind(stage) == "sparse":
        return None
    known, name = view.facts.quantization or {}, vector_name(stage)
    return known[name] or None if name in known else _UNKNOWN


@rule(
    "idle-quantization",
    "Options of quantization that have no effect",
    "They say how the rough copies of a vector are searched, and none is searched.",
)
def idle_quantization(view: View) -> Iterator[Found]:
    """`rescore` and `oversampling` belong to a search of quantized vectors.

    They have no effect where the vector is not quantized (a sparse one never is), where `ignore = true`
    leaves the rough copies out, and with `exact = true`, which compares the vectors themselves.
    """
    for stage in view.stages:
        given = stage.params.get("quantization")
        if not given or stage.origin == "HYBRID":
            continue
        name = vector_name(stage) or "(unnamed)"
        if _config_of(view, stage) is None:
            why, hint = f"`{name}` is not quantized", "leave them out"
        elif stage.params.get("exact"):
            why, hint = "exact = true compares the vectors themselves", "leave out one of the two"
        elif given.get("ignore") and len(given) > 1:
            why, hint = "ignore = true leaves the quantized vectors out", "leave out ignore, or the others"
        else:
            continue
        yield Found(
            view.option_span(stage, "quantization"),
            f"the options of quantization have no effect: {why}",
            hint,
        )


@rule(
    "oversampling-without-rescore",
    "Oversampling whose candidates are not scored again",
    "More candidates by rough scores, cut by the same rough scores, are the same hits.",
)
def oversampling_without_rescore(view: View) -> Iterator[Found]:
    """`oversampling = 3.0` takes three times as many candidates as LIMIT says by the rough copies, so that
    the vectors themselves can choose among them: that is `rescore`.

    With `rescore = false` the rough scores choose. Where `rescore` is not given, it depends on the kind of
    quantization: binary and 1-bit turbo quantization are scored again, the others are not. This rule then
    speaks where the kind is not known; where it is, `quantized-without-rescore` does.
    """
    for stage in view.stages:
        given = stage.params.get("quantization") or {}
        config = _config_of(view, stage)
        if not given.get("oversampling") or given.get("ignore") or given.get("rescore") is True:
            continue
        if config is None or stage.params.get("exact"):
            continue  # `idle-quantization` tells of it
        if "rescore" in given:
            message = "oversampling with rescore = false: the rough scores choose among more candidates"
        elif config is _UNKNOWN:
            message = "oversampling without rescore: most kinds of quantization keep the rough scores then"
        else:
            continue
        hint = f"PARAMS (quantization = {{rescore: true, oversampling: {given['oversampling']}}})"
        yield Found(view.option_span(stage, "quantization"), message, hint)
