"""Options of queries and of statements about points."""

from __future__ import annotations

import math
from collections.abc import Mapping

from qql import nodes
from qql.compiler.options.checks import any_of, flag, number, object_of, one_of, text, whole
from qql.compiler.options.table import Setting, Settings, listed, table
from qql.nodes.declare import Support
from qql.rest.linear_fusion import DEFAULT_NORMALIZER, NORMALIZERS
from qql.rest.types import Json

__all__ = [
    "ACORN_OPTIONS",
    "BM25_OPTIONS",
    "COUNT_OPTIONS",
    "FACET_OPTIONS",
    "FEEDBACK_OPTIONS",
    "FUSION_OPTIONS",
    "LINEAR_OPTIONS",
    "MATRIX_OPTIONS",
    "MMR_OPTIONS",
    "OPTIMIZE_OPTIONS",
    "OPTIONS_OF_FUSIONS",
    "QUERY_OPTIONS",
    "QUOTA_OPTIONS",
    "REQUEST_OPTIONS",
    "SEARCH_PARAMS",
    "SHARD_KEY_OPTIONS",
    "SNAPSHOT_OPTIONS",
]

_F32_MAX = 3.4028234663852886e38  # scores are 32-bit floats


def _weights(value: Json) -> Json:
    """A list in the order of the references, or an object by stage name."""
    weight = number(0, _F32_MAX)
    if isinstance(value, tuple):
        value = {option.name: option.value for option in value}
    if isinstance(value, dict) and value:
        return {key: weight(item) for key, item in value.items()}
    if isinstance(value, list) and value:
        return [weight(item) for item in value]
    raise ValueError("a list of numbers, or an object of numbers by stage name")


FUSION_OPTIONS = table(
    Setting("rrf_k", whole(1), shown="2", support=Support("1.16")),
    Setting("rrf_weights", _weights, support=Support("1.17")),
)
LINEAR_OPTIONS = table(
    Setting("normalizer", one_of(*NORMALIZERS), shown=DEFAULT_NORMALIZER, support=Support("1.14")),
    Setting("weights", _weights, shown="1 for each", support=Support("1.14")),
)
OPTIONS_OF_FUSIONS: Mapping[str, Settings] = {"rrf": FUSION_OPTIONS, "linear": LINEAR_OPTIONS}
"""The options of a method of FUSION, where it has some; `FUSION_OPTIONS` are those of RRF."""
MMR_OPTIONS = table(
    Setting("mmr_diversity", number(0, 1), shown="0.5", support=Support("1.15")),
    Setting("mmr_candidates", whole(1), shown="LIMIT", support=Support("1.15")),
)
"""Of the dense half of a HYBRID; elsewhere they make the target an MMR."""

_RUNS_ON = "noted: a statement runs until it is done"
_ONE_COPY = "there is one copy of the data: what is read is consistent, what is written keeps its order"
REQUEST_OPTIONS = table(
    Setting("timeout", whole(1), support=Support(edge=_RUNS_ON, local=_RUNS_ON)),
    Setting(
        "consistency",
        any_of(one_of("majority", "quorum", "all"), whole(1)),
        shown="1",
        support=Support(edge=_ONE_COPY),
    ),
)

# ------------------------------------------------------------------------------------ searches

ACORN_OPTIONS = table(Setting("max_selectivity", number(0, 1), support=Support("1.16")))
"""May stand beside ``acorn = true`` too, as the v1 dialect writes it."""


def _acorn(value: Json) -> Json:
    if isinstance(value, bool):
        return {"enable": value}
    inside = object_of({"enable": flag, **ACORN_OPTIONS})(value)
    return {"enable": True} | inside


def _idf(value: Json) -> Json:
    if isinstance(value, nodes.Node):  # a condition, which the planner turns into a filter
        return value
    return one_of("global")(value)


_EXACT = "noted: every search is exact"
_AS_THEY_ARE = "noted: vectors are kept as they are"
SEARCH_PARAMS = table(
    Setting("idf", _idf, takes="global, or WHERE condition", support=Support("1.19")),
    Setting("hnsw_ef", whole(1), support=Support(local=_EXACT), approximate=True),
    Setting("exact", flag, shown="false"),
    Setting(
        "quantization",
        object_of({"ignore": flag, "rescore": flag, "oversampling": number(1)}),
        support=Support(local=_AS_THEY_ARE),
    ),
    Setting("indexed_only", flag, shown="false", support=Support(local=_EXACT), approximate=True),
    Setting(
        "acorn",
        _acorn,
        takes="true or false, or an object with enable, max_selectivity",
        support=Support("1.16", local=_EXACT),
        approximate=True,
    ),
)

QUERY_OPTIONS = {
    **SEARCH_PARAMS,
    **ACORN_OPTIONS,
    **FUSION_OPTIONS,
    **LINEAR_OPTIONS,
    **MMR_OPTIONS,
    **REQUEST_OPTIONS,
}
"""All that a query may be given."""
FEEDBACK_OPTIONS = table(*(Setting(name, number(-math.inf)) for name in ("a", "b", "c")))
"""The constants of relevance feedback's naive formula; all three are needed."""
BM25_OPTIONS = table(
    Setting("k", number(0), shown="1.2", support=Support("1.20")),
    Setting("b", number(0, 1), shown="0.75", support=Support("1.20")),
)
COUNT_OPTIONS = table(Setting("exact", flag, shown="true"))
FACET_OPTIONS = table(Setting("exact", flag, shown="false"), Setting("limit", whole(1)))
MATRIX_OPTIONS = table(
    Setting("sample", whole(2), shown="10"),
    Setting("form", one_of("pairs", "offsets"), shown="pairs"),
)
"""How many points are drawn, and which of Qdrant's two forms the answer has."""

# ------------------------------------------------------------------------------------ shard keys, snapshots,
# quotas

_STATES = (
    *("Active", "Dead", "Partial", "Initializing", "Listener", "PartialSnapshot", "Recovery", "Resharding"),
    *("ReshardingScaleDown", "ActiveRead", "ManualRecovery"),
)


def _state(value: Json) -> Json:
    found = [state for state in _STATES if isinstance(value, str) and state.lower() == value.lower()]
    if found:
        return found[0]
    raise ValueError(listed(_STATES))


def _peers(value: Json) -> Json:
    peer = whole(0, 2**64 - 1)
    if isinstance(value, list) and value:
        return [peer(item) for item in value]
    raise ValueError("a list of the numbers of peers")


def _percent_or_null(value: Json) -> Json:
    return None if value is None else whole(1, 100)(value)


def _margin_or_null(value: Json) -> Json:
    return None if value is None else whole(0, 100)(value)


SHARD_KEY_OPTIONS = table(
    Setting("shards_number", whole(1)),
    Setting("replication_factor", whole(1), shown="1"),
    Setting("placement", _peers),
    Setting("initial_state", _state),
)
SNAPSHOT_OPTIONS = table(
    Setting("priority", one_of("no_sync", "snapshot", "replica")),
    Setting("checksum", text),
    Setting("api_key", text),
)
OPTIMIZE_OPTIONS = table(Setting("timeout", whole(1), shown="as long as it takes"))
"""Seconds after which OPTIMIZE waits no more."""
_PERCENT = "a whole number from 1 to 100, or null"
QUOTA_OPTIONS = table(
    Setting("enabled", flag, shown="false"),
    Setting("max_resident_memory_percent", _percent_or_null, takes=_PERCENT),
    Setting("max_disk_usage_percent", _percent_or_null, takes=_PERCENT),
    Setting("release_margin_percent", _margin_or_null, takes="a whole number from 0 to 100, or null"),
)
